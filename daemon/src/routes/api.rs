//! `/api/v1`: the mirror and what goes on with it, read by the same table of rights as everything else.

use std::collections::HashMap;

use http::{HeaderMap, StatusCode};
use schemas::{ErrorBody, ErrorCode, Identity, LevelSelection, Offset, Room, ShopDomain, Subject};
use serde_json::{Value, json};
use store::{Collection, StoreError};
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply};

use super::{Context, error};
use crate::auth::TokenError;
use crate::limits::{PAGE_RECORDS_DEFAULT, PAGE_RECORDS_MAX};
use crate::scope;

pub(super) type Query = HashMap<String, String>;

pub(super) fn routes(context: Context) -> BoxedFilter<(Response,)> {
    warp::path!("api" / "v1" / String)
        .and(warp::get())
        .and(warp::query::<Query>())
        .and(warp::header::headers_cloned())
        .then(move |what: String, query, headers| {
            let context = context.clone();
            async move {
                match Call::new(&context, &headers, query) {
                    Ok(call) => reply(call.answer(&what).await),
                    Err(refusal) => reply(Err(refusal)),
                }
            }
        })
        .boxed()
}

/// An answer over HTTP.
pub(super) fn reply(answer: Result<Value, ErrorBody>) -> Response {
    answer.map_or_else(
        |problem| error(status(problem.code), &problem),
        |body| warp::reply::json(&body).into_response(),
    )
}

fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::TokenExpired | ErrorCode::TokenInvalid => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::InvalidPayload
        | ErrorCode::LocationRequired
        | ErrorCode::ShopRequired
        | ErrorCode::TooLarge
        | ErrorCode::UnknownEvent => StatusCode::BAD_REQUEST,
        ErrorCode::Conflict
        | ErrorCode::IdempotencyKeyReused
        | ErrorCode::Ineligible
        | ErrorCode::InsufficientStock => StatusCode::CONFLICT,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

pub(super) fn failed(failure: &StoreError) -> ErrorBody {
    match failure {
        StoreError::TooOld(_) => {
            ErrorBody::field("after", "the log no longer reaches back to this offset: load everything anew")
        }
        StoreError::Closed | StoreError::Failed(_) | StoreError::UnknownShop(_) => {
            tracing::error!(error = %failure, "a read failed");
            ErrorBody::new(ErrorCode::Unavailable, "the store does not answer; try again")
        }
    }
}

/// Who asks.
pub(super) fn identity(context: &Context, headers: &HeaderMap) -> Result<Identity, ErrorBody> {
    let refuse = |message| ErrorBody::new(ErrorCode::TokenInvalid, message);
    let header = headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer "));
    let token = token.ok_or_else(|| refuse("send a token: Authorization: Bearer <token>"))?;
    context.tokens.verify(token, context.clock.now()).map_err(|reason| {
        tracing::info!(%reason, "token refused");
        match reason {
            TokenError::NotYet => ErrorBody::new(
                ErrorCode::Unavailable,
                "the keys of tokens are being fetched; try again in a few seconds",
            ),
            _ => refuse("Invalid or expired token"),
        }
    })
}

/// One authenticated question about one shop.
pub(super) struct Call<'c> {
    pub(super) context: &'c Context,
    pub(super) identity: Identity,
    pub(super) shop: ShopDomain,
    pub(super) query: Query,
    pub(super) limit: usize,
}

impl<'c> Call<'c> {
    pub(super) fn new(context: &'c Context, headers: &HeaderMap, query: Query) -> Result<Self, ErrorBody> {
        let identity = identity(context, headers)?;
        let named = query.get("shop").map(String::as_str);
        let shop = scope::shop(&identity, named, &context.shops.domains())?;
        let limit = match query.get("limit").map(|text| text.parse()) {
            None => PAGE_RECORDS_DEFAULT,
            Some(Ok(limit @ 1..=PAGE_RECORDS_MAX)) => limit,
            Some(_) => {
                return Err(ErrorBody::field(
                    "limit",
                    format!("a whole number from 1 to {PAGE_RECORDS_MAX}"),
                ));
            }
        };
        Ok(Self { context, identity, shop, query, limit })
    }

    async fn answer(&self, what: &str) -> Result<Value, ErrorBody> {
        match what {
            "commands" => self.commands().await,
            "customers" => self.list(Collection::Customers, Subject::Customer).await,
            "deliveries" => self.deliveries().await,
            "drift" => self.drift().await,
            "events" => self.events().await,
            "items" => self.list(Collection::Items, Subject::Inventory { location: None }).await,
            "levels" => self.levels().await,
            "locations" => self.list(Collection::Locations, Subject::Sync).await,
            "orders" => {
                // Who may see any order at all; which ones is asked of each.
                let customer = self.identity.own_customer();
                self.list(Collection::Orders, Subject::Order { customer, user: None, locations: &[] }).await
            }
            "products" => self.list(Collection::Products, Subject::Product).await,
            "reservations" => self.reservations().await,
            "runs" => self.runs().await,
            "status" => self.status().await,
            "variants" => self.list(Collection::Variants, Subject::Product).await,
            _ => Err(ErrorBody::new(
                ErrorCode::NotFound,
                format!(
                    "there is no list {:?}: commands, customers, deliveries, drift, events, items, levels, locations, orders, products, reservations, runs, status or variants",
                    what.chars().take(40).collect::<String>()
                ),
            )),
        }
    }

    pub(super) fn may_see(&self, subject: Subject<'_>) -> Result<(), ErrorBody> {
        if self.identity.may_see(subject) {
            return Ok(());
        }
        Err(ErrorBody::new(
            ErrorCode::Forbidden,
            format!("the role {} may not read this", self.identity.role.as_str()),
        ))
    }

    /// Records by id; `next` is what to send as `after` for the next page, absent on the last.
    async fn list(&self, collection: Collection, subject: Subject<'_>) -> Result<Value, ErrorBody> {
        self.may_see(subject)?;
        let after = match self.query.get("after").map(|text| text.parse()) {
            None => 0,
            Some(Ok(after)) => after,
            Some(Err(_)) => {
                return Err(ErrorBody::field("after", "the id of the last record of the page before"));
            }
        };
        let records = self
            .context
            .store
            .list(&self.shop, collection, after, self.limit)
            .await
            .map_err(|e| failed(&e))?;
        let next = records
            .last()
            .filter(|_| records.len() == self.limit)
            .and_then(|record| record.get("id"))
            .cloned();
        let seen: Vec<Value> = records.into_iter().filter(|record| self.sees(collection, record)).collect();
        Ok(json!({ "data": seen, "next": next }))
    }

    /// Orders are seen one by one: staff limited to locations see those of their own.
    fn sees(&self, collection: Collection, record: &Value) -> bool {
        if collection != Collection::Orders {
            return true;
        }
        let Ok(order) = serde_json::from_value::<schemas::record::Order>(record.clone()) else {
            return false;
        };
        let (customer, locations) = (order.customer_id, &order.locations[..]);
        self.identity.may_see(Subject::Order { customer, user: None, locations })
    }

    /// Levels by item and location, exact at `offset`; `next` as in a list.
    async fn levels(&self) -> Result<Value, ErrorBody> {
        fn ids<T: std::str::FromStr>(query: &Query, field: &str) -> Result<Option<Vec<T>>, ErrorBody>
        where
            T::Err: std::fmt::Display,
        {
            let Some(text) = query.get(field) else { return Ok(None) };
            let ids = text.split(',').filter(|id| !id.is_empty()).map(str::parse);
            ids.collect::<Result<_, T::Err>>()
                .map(Some)
                .map_err(|problem| ErrorBody::field(field, problem.to_string()))
        }
        if !self.identity.role.is_staff() {
            self.may_see(Subject::Inventory { location: None })?;
        }
        let selection = LevelSelection {
            location_ids: ids(&self.query, "locationId")?,
            product_ids: ids(&self.query, "productId")?,
            variant_ids: ids(&self.query, "variantId")?,
        };
        let after = self.query.get("after").map(|text| {
            let (item, location) = text.split_once(':')?;
            Some((item.parse().ok()?, location.parse().ok()?))
        });
        if after == Some(None) {
            return Err(ErrorBody::field("after", "the `next` of the page before: <item>:<location>"));
        }
        let shops = vec![self.shop.clone()];
        let read = self.context.store.levels(shops, selection, after.flatten(), self.limit).await;
        let (mut levels, sequence) = read.map_err(|e| failed(&e))?;
        let last = levels.last().filter(|_| levels.len() == self.limit);
        let next = last.map(|level| format!("{}:{}", level.inventory_item_id, level.location_id));
        levels
            .retain(|level| self.identity.may_see(Subject::Inventory { location: Some(level.location_id) }));
        let offset = Offset { sequence, ..self.context.store.head() };
        Ok(json!({ "data": levels, "next": next, "offset": offset }))
    }

    /// What happened after an offset, of what the bearer may see. `next` is where to go on.
    async fn events(&self) -> Result<Value, ErrorBody> {
        let store = &self.context.store;
        let head = store.head();
        let after = match self.query.get("after").map(|text| text.parse::<Offset>()) {
            None => Offset { sequence: schemas::Sequence(0), ..head },
            Some(Ok(after)) if after.epoch == head.epoch && after.sequence <= head.sequence => after,
            Some(Ok(_)) => {
                return Err(ErrorBody::field("after", "an offset of another database: load everything anew"));
            }
            Some(Err(problem)) => return Err(ErrorBody::field("after", problem.to_string())),
        };
        let rooms = match self.query.get("rooms") {
            None => Vec::new(),
            Some(names) => {
                let rooms = names.split(',').map(str::parse::<Room>);
                rooms.collect::<Result<_, String>>().map_err(|problem| ErrorBody::field("rooms", problem))?
            }
        };
        let entries = store.replay(&self.shop, rooms, after.sequence, head.sequence, self.limit).await;
        let entries = entries.map_err(|e| failed(&e))?;
        let next = entries.last().map_or(Offset { sequence: head.sequence, ..head }, |entry| entry.offset);
        let seen = entries.iter().filter(|entry| self.identity.may_see(entry.event.subject()));
        let seen: Vec<Value> = seen
            .map(|entry| {
                let mut event = serde_json::to_value(&entry.event).unwrap_or_default();
                event["id"] = json!(entry.offset);
                event["shop"] = json!(entry.shop);
                event["timestamp"] = json!(entry.at);
                event
            })
            .collect();
        Ok(json!({ "data": seen, "next": next }))
    }

    /// Deliveries in a state, newest first, and how many there are of each topic and state.
    async fn deliveries(&self) -> Result<Value, ErrorBody> {
        self.may_see(Subject::Sync)?;
        let state = match self.query.get("state").map_or("unreadable", String::as_str) {
            "pending" => "pending",
            "applied" => "applied",
            "ignored" => "ignored",
            "unreadable" => "unreadable",
            _ => return Err(ErrorBody::field("state", "pending, applied, ignored or unreadable")),
        };
        let store = &self.context.store;
        let deliveries = store.deliveries(&self.shop, state, self.limit).await.map_err(|e| failed(&e))?;
        let counts = store.delivery_counts(&self.shop).await.map_err(|e| failed(&e))?;
        let counts: Vec<Value> = counts
            .into_iter()
            .map(|(topic, state, count)| json!({ "topic": topic, "state": state, "count": count }))
            .collect();
        Ok(json!({ "data": deliveries, "counts": counts }))
    }
}
