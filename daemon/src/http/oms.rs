//! `/websocket/…`: what oms's services post, and what its dashboards ask. Bodies are as that system documents them.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use schemas::posted::POSTED_BYTES_MAX;
use schemas::{AnyId, ErrorBody, Identity, Kind, Offset, Posted, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::api::failed;
use super::parameter::{
    NoParameters, Parameter, PathText, SHOP_BY_ANY_NAME, parameters, path_part,
};
use super::route::RouteCall;
use super::{RouteContext, body};
use crate::limits::PRESENCE_LISTED_MAX;
use crate::shop::posts::PostedEvent;

/// A user's or another id: a number where that is exact in JavaScript.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum Id {
    Number(u64),
    Text(String),
}

/// That it is well, and how many there are.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OmsHealth")]
pub(super) struct OmsHealth {
    status: &'static str,
    timestamp: Timestamp,
    stats: Statistics,
}

/// How many there are, and to those who may know, who.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OmsStatistics")]
#[serde(rename_all = "camelCase")]
pub(super) struct Statistics {
    connected_clients: usize,
    authenticated_users: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    online_users: Option<Vec<Id>>,
    /// How many are in each room.
    #[serde(skip_serializing_if = "Option::is_none")]
    rooms: Option<BTreeMap<String, usize>>,
}

/// Who is connected.
#[derive(Serialize, JsonSchema)]
pub(super) struct OnlineUsers {
    count: usize,
    users: Vec<Id>,
}

/// Whether somebody is connected.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OnlineUser {
    user_id: Id,
    online: bool,
}

/// That it is in the log.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OmsTold")]
pub(super) struct OmsAnswer {
    success: bool,
    id: Option<Offset>,
}

const USER: Parameter<PathText> = path_part("userId", "A user; anybody may ask it of themselves.");

parameters! {
    /// Of a question about one user.
    pub(super) struct UserParameters {
        user: String = USER,
    }
}

parameters! {
    /// Of a notification.
    pub(super) struct NotifyParameters {
        shop: Option<String> = SHOP_BY_ANY_NAME,
    }
}

/// Anyone is told how many are connected, and administrators who.
pub(super) fn health(context: &RouteContext, reader: Option<&Identity>) -> OmsHealth {
    OmsHealth {
        status: "OK",
        timestamp: context.clock.now(),
        stats: statistics(context, reader.is_some_and(|by| by.role.is_admin())),
    }
}

pub(super) async fn stats(
    context: &RouteContext,
    _: RouteCall<NoParameters>,
) -> Result<Statistics, ErrorBody> {
    Ok(statistics(context, true))
}

pub(super) async fn online(
    context: &RouteContext,
    _: RouteCall<NoParameters>,
) -> Result<OnlineUsers, ErrorBody> {
    Ok(OnlineUsers {
        count: context.hub.users(),
        users: listed(context),
    })
}

pub(super) async fn is_online(
    context: &RouteContext,
    call: RouteCall<UserParameters>,
) -> Result<OnlineUser, ErrorBody> {
    let UserParameters { user } = call.parameters;
    Ok(OnlineUser {
        user_id: id(&user),
        online: context.hub.is_online(&user),
    })
}

fn statistics(context: &RouteContext, with_names: bool) -> Statistics {
    // Anybody may ask how many there are; that walks over nothing.
    Statistics {
        connected_clients: context.hub.figures().connections,
        authenticated_users: context.hub.users(),
        online_users: with_names.then(|| listed(context)),
        rooms: with_names.then(|| {
            context
                .hub
                .room_sizes(ws::contracts::oms_room, PRESENCE_LISTED_MAX)
        }),
    }
}

fn listed(context: &RouteContext) -> Vec<Id> {
    context
        .hub
        .first_users(PRESENCE_LISTED_MAX)
        .iter()
        .map(|user| id(user.as_str()))
        .collect()
}

fn id(id: &str) -> Id {
    let number = id.parse::<AnyId>().ok().and_then(|id| id.safe_integer());
    number.map_or_else(|| Id::Text(id.to_owned()), Id::Number)
}

/// The routes by which notifications come.
#[derive(Debug, Clone, Copy)]
pub(super) enum OmsNotification {
    Broadcast,
    InventoryAlert,
    OrderCreated,
    OrderStatus,
}

impl OmsNotification {
    /// What it says, and the fields that go on.
    fn read(self, mut body: Map<String, Value>) -> Result<(Kind, Map<String, Value>), ErrorBody> {
        let text = |body: &Map<String, Value>, key: &str| {
            body.get(key).and_then(Value::as_str).map(str::to_owned)
        };
        let kind = match self {
            Self::OrderCreated => Kind::OrderCreated,
            Self::OrderStatus => {
                if text(&body, "newStatus")
                    .or_else(|| text(&body, "status"))
                    .is_none()
                {
                    return Err(ErrorBody::field(
                        "newStatus",
                        "newStatus is missing: a text such as shipped",
                    ));
                }
                Kind::OrderStatusChanged
            }
            Self::InventoryAlert => {
                if !body.get("currentQuantity").is_some_and(Value::is_number) {
                    return Err(ErrorBody::field(
                        "currentQuantity",
                        "currentQuantity is missing: a number",
                    ));
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
                        return Err(ErrorBody::field(
                            key,
                            format!("{key} is missing: for whom it is"),
                        ));
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

/// The schema of a notification.
pub(super) fn payload(notification: OmsNotification, generator: &mut SchemaGenerator) -> Schema {
    let mut schema = Posted::data_schema(generator);
    // A branch tells the fields that it needs, too: linters do not look for them further up.
    let needs = |name: &&str| json!({ "properties": { *name: {} }, "required": [name] });
    let one_of = |names: &[&str]| json!(names.iter().map(needs).collect::<Vec<_>>());
    let (fields, needed, any) = match notification {
        OmsNotification::OrderCreated => (json!({}), json!([]), one_of(&["orderId", "id"])),
        OmsNotification::OrderStatus => (json!({}), json!([]), one_of(&["newStatus", "status"])),
        OmsNotification::InventoryAlert => (
            json!({
                "alertType": { "enum": ["low_stock", "out_of_stock", "restocked"] },
                "currentQuantity": { "type": "number" },
            }),
            json!(["alertType", "currentQuantity"]),
            one_of(&["productId", "variantId", "inventoryItemId"]),
        ),
        OmsNotification::Broadcast => (
            json!({ "type": { "enum": ["system", "user", "role"] } }),
            json!(["type"]),
            one_of(&["title", "subject", "message", "content"]),
        ),
    };
    let Some(Value::Object(known)) = schema.get_mut("properties") else {
        return schema;
    };
    known.extend(fields.as_object().cloned().unwrap_or_default());
    if matches!(notification, OmsNotification::Broadcast) {
        // For whom it is matters only where the type says so.
        let choices = [
            ("system", None),
            ("user", Some("userId")),
            ("role", Some("role")),
        ]
        .map(|(kind, whom)| {
            let mut choice =
                json!({ "properties": { "type": { "const": kind } }, "required": ["type"] });
            if let Some(whom) = whom {
                choice["properties"][whom] = known.get(whom).cloned().unwrap_or_default();
                choice["required"] = json!(["type", whom]);
            }
            choice
        });
        for whom in ["userId", "role"] {
            known.remove(whom);
        }
        schema.insert("oneOf".to_owned(), json!(choices));
    }
    schema.insert("required".to_owned(), needed);
    schema.insert("anyOf".to_owned(), any);
    schema
}

pub(super) async fn post(
    context: &RouteContext,
    RouteCall {
        identity,
        parameters,
        body,
        ..
    }: RouteCall<NotifyParameters>,
    notification: OmsNotification,
) -> Result<OmsAnswer, ErrorBody> {
    let mut body = super::posts::object(&body::whole(body, POSTED_BYTES_MAX).await?)?;
    let shop = body
        .remove("shop")
        .and_then(|shop| shop.as_str().map(str::to_owned));
    let shop = super::posts::shop(context, &identity, shop.or(parameters.shop))?;
    let (kind, data) = notification.read(body)?;
    let event = Posted::read(kind, identity.user_id.to_string(), None, data)?;
    let statement = PostedEvent {
        shop,
        event,
        key: None,
    };
    let told = context
        .posts
        .tell(statement)
        .await
        .map_err(|problem| failed(&problem))?;
    Ok(OmsAnswer {
        success: true,
        id: told.place,
    })
}
