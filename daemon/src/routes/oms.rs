//! `/websocket/…`: what oms's services post, and what its dashboards ask. Bodies are as that system documents them.

use bytes::Buf;
use futures_util::Stream;
use http::{HeaderMap, StatusCode};
use schemas::posted::POSTED_BYTES_MAX;
use schemas::{AnyId, ErrorBody, Event, Identity, Kind, Posted, UserId};
use serde_json::{Map, Value, json};
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply as _};

use super::api::{Query, failed, reply};
use super::service;
use super::{Context, body};
use crate::edge::Peer;
use crate::limits::ATTENDEES_MAX;
use crate::posts::Statement;

pub(super) fn routes(context: Context) -> BoxedFilter<(Response,)> {
    let asked = warp::any()
        .map(move || context.clone())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Peer>());
    let health = warp::path!("websocket" / "health").and(warp::get()).and(asked.clone()).map(
        |context: Context, headers: HeaderMap, peer| {
            let is_told = service::reader(&context, &headers, peer).is_ok_and(|by| by.role.is_admin());
            health(&context, is_told)
        },
    );
    let stats = warp::path!("websocket" / "stats").and(warp::get()).and(asked.clone()).map(
        |context: Context, headers: HeaderMap, peer| {
            reply(service::reader(&context, &headers, peer).map(|_| statistics(&context, true)))
        },
    );
    let online = warp::path!("websocket" / "users" / "online").and(warp::get()).and(asked.clone()).map(
        |context: Context, headers: HeaderMap, peer| {
            reply(service::reader(&context, &headers, peer).map(|_| {
                let users = users(&context);
                json!({ "count": users.len(), "users": listed(&users) })
            }))
        },
    );
    let one = warp::path!("websocket" / "users" / String / "online").and(warp::get()).and(asked.clone()).map(
        |user: String, context: Context, headers: HeaderMap, peer| {
            reply(is_online(&context, &headers, peer, &user))
        },
    );
    let post = warp::path!("websocket" / ..)
        .and(warp::path::tail())
        .and(warp::post())
        .and_then(async |tail: warp::path::Tail| Door::of(tail.as_str()).ok_or_else(warp::reject::not_found))
        .and(asked)
        .and(warp::query::<Query>())
        .and(warp::body::stream())
        .then(async |door, context, headers, peer, query, body| {
            post(&context, door, &headers, peer, &query, body).await.unwrap_or_else(|refusal| refusal)
        });
    health.or(stats).unify().or(online).unify().or(one).unify().or(post).unify().boxed()
}

/// To anyone how many there are, and to administrators who.
fn health(context: &Context, with_names: bool) -> Response {
    let stats = statistics(context, with_names);
    reply(Ok(json!({ "status": "OK", "timestamp": context.clock.now(), "stats": stats })))
}

fn statistics(context: &Context, with_names: bool) -> Value {
    let there = context.hub.attendees();
    let mut stats = json!({
        "connectedClients": context.hub.figures().connections,
        "authenticatedUsers": there.users.len(),
    });
    if with_names {
        stats["onlineUsers"] = json!(listed(&users(context)));
        // A room of several shops counts where it has most.
        let mut rooms: Map<String, Value> = Map::new();
        for (_, room, sockets) in &there.rooms {
            let Some(name) = ws::contracts::oms_room(room) else { continue };
            let most = rooms.get(&name).and_then(Value::as_u64).unwrap_or(0).max(*sockets as u64);
            if rooms.len() < ATTENDEES_MAX || rooms.contains_key(&name) {
                rooms.insert(name, most.into());
            }
        }
        stats["rooms"] = rooms.into();
    }
    stats
}

fn users(context: &Context) -> Vec<UserId> {
    context.hub.attendees().users.into_iter().map(|(user, _)| user).collect()
}

fn listed(users: &[UserId]) -> Vec<Value> {
    users.iter().take(ATTENDEES_MAX).map(|user| id_json(user.as_str())).collect()
}

/// A number where that is exact in JavaScript.
fn id_json(id: &str) -> Value {
    id.parse::<AnyId>().ok().and_then(|id| id.safe_integer()).map_or_else(|| json!(id), Value::from)
}

/// Everybody may ask it of themselves.
fn is_online(context: &Context, headers: &HeaderMap, peer: Peer, user: &str) -> Result<Value, ErrorBody> {
    let caller = service::caller(context, headers, peer)?;
    if caller.user_id.as_str() != user {
        service::reader(context, headers, peer)?;
    }
    let online = users(context).iter().any(|there| there.as_str() == user);
    Ok(json!({ "userId": id_json(user), "online": online }))
}

/// Where something is posted.
#[derive(Debug, Clone, Copy)]
enum Door {
    Broadcast,
    InventoryAlert,
    OrderCreated,
    OrderStatus,
}

impl Door {
    fn of(path: &str) -> Option<Self> {
        Some(match path {
            "broadcast" => Self::Broadcast,
            "notifications/inventory-alert" => Self::InventoryAlert,
            "notifications/order-created" => Self::OrderCreated,
            "notifications/order-status-update" => Self::OrderStatus,
            _ => return None,
        })
    }

    /// What it says, and the fields that go on.
    fn read(self, mut body: Map<String, Value>) -> Result<(Kind, Map<String, Value>), ErrorBody> {
        let text =
            |body: &Map<String, Value>, key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        let kind = match self {
            Self::OrderCreated => Kind::OrderCreated,
            Self::OrderStatus => {
                if text(&body, "newStatus").or_else(|| text(&body, "status")).is_none() {
                    return Err(ErrorBody::field(
                        "newStatus",
                        "newStatus is missing: a text such as shipped",
                    ));
                }
                Kind::OrderStatusChanged
            }
            Self::InventoryAlert => {
                if !body.get("currentQuantity").is_some_and(Value::is_number) {
                    return Err(ErrorBody::field("currentQuantity", "currentQuantity is missing: a number"));
                }
                match text(&body, "alertType").as_deref() {
                    Some("low_stock") => Kind::InventoryLowStock,
                    Some("out_of_stock") => Kind::InventoryOutOfStock,
                    Some("restocked") => Kind::InventoryRestocked,
                    _ => {
                        let types = "alertType is low_stock, out_of_stock or restocked";
                        return Err(ErrorBody::field("alertType", types));
                    }
                }
            }
            Self::Broadcast => {
                let said = body.remove("type");
                let (kind, needed) = match said.as_ref().and_then(Value::as_str) {
                    Some("system") => (Kind::SystemNotification, None),
                    Some("user") => (Kind::UserNotification, Some("userId")),
                    Some("role") => (Kind::SystemNotification, Some("role")),
                    _ => return Err(ErrorBody::field("type", "type is system, user or role")),
                };
                for key in ["userId", "role"] {
                    if needed == Some(key) && body.get(key).is_none_or(Value::is_null) {
                        return Err(ErrorBody::field(key, format!("{key} is missing: for whom it is")));
                    }
                    if needed != Some(key) {
                        body.remove(key);
                    }
                }
                kind
            }
        };
        Ok((kind, body))
    }
}

async fn post<B: Buf>(
    context: &Context,
    door: Door,
    headers: &HeaderMap,
    peer: Peer,
    query: &Query,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Response> {
    let refused = |refusal| reply(Err(refusal));
    let by: Identity = service::poster(context, headers, peer).map_err(refused)?;
    let body = body::whole(body, POSTED_BYTES_MAX).await?;
    let mut body = super::posts::object(&body).map_err(refused)?;
    let shop = body.remove("shop").and_then(|shop| shop.as_str().map(str::to_owned));
    let shop = shop.or_else(|| query.get("shop").cloned());
    let shop = super::posts::shop(context, &by, shop).map_err(refused)?;
    let (kind, data) = door.read(body).map_err(refused)?;
    let posted = Posted::read(kind, by.user_id.to_string(), None, data).map_err(refused)?;
    let statement = Statement { shop, event: Event::Posted(Box::new(posted)), key: None };
    let told = context.posts.tell(statement).await.map_err(|problem| refused(failed(&problem)))?;
    let answer = warp::reply::json(&json!({ "success": true, "id": told.place }));
    Ok(warp::reply::with_status(answer, StatusCode::CREATED).into_response())
}
