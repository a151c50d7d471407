//! The contract of oms: orders and the three crossings of stock, each told as a `RealTimeEvent`.
//!
//! Ids that JavaScript can hold as numbers are numbers here, as are amounts; `orderId` is a text.

use std::collections::BTreeSet;

use schemas::{
    AnyId, Ephemeral, ErrorBody, ErrorCode, Event, Identity, Logged, Role, Room, Target, Timestamp,
};
use serde_json::{Map, Value, json};

use super::names::names;
use super::normalized::{
    Audience, NormalizedNotice, NormalizedOrder, NormalizedStock, OrderChangeKind, StockChangeKind,
    id_json,
};
use super::request::{self, Fields, Join, Leaving, Request, own_orders};
use super::{Arrived, CONNECTED, Contract, ContractMessage, OutgoingEvent, PING, PONG};
use crate::protocol::socketio::ClientCall;

pub(crate) struct Oms;

/// The rooms that are subscribed to, by their names.
const ORDERS: &str = "order_updates";
const INVENTORY: &str = "inventory_updates";

impl Contract for Oms {
    #[expect(
        clippy::match_same_arms,
        reason = "each reason for not telling stands at its own kinds"
    )]
    fn messages(&self, outgoing: &OutgoingEvent<'_>) -> Vec<ContractMessage> {
        let at = outgoing.at;
        match outgoing.event {
            Event::Logged(event) => match event {
                Logged::OrderCreated(order) => {
                    order_messages(&NormalizedOrder::of(OrderChangeKind::Created, order), at)
                }
                Logged::OrderDeleted(order) => {
                    order_messages(&NormalizedOrder::of(OrderChangeKind::Deleted, order), at)
                }
                Logged::OrderStatusChanged(order) => {
                    order_messages(&NormalizedOrder::of(OrderChangeKind::Status, order), at)
                }
                Logged::OrderUpdated(order) => {
                    order_messages(&NormalizedOrder::of(OrderChangeKind::Updated, order), at)
                }
                Logged::InventoryLowStock(level) => stock_messages(
                    &NormalizedStock::of_crossing(StockChangeKind::Low, level),
                    "low_stock",
                    at,
                ),
                Logged::InventoryOutOfStock(level) => stock_messages(
                    &NormalizedStock::of_crossing(StockChangeKind::Out, level),
                    "out_of_stock",
                    at,
                ),
                Logged::InventoryRestocked(level) => stock_messages(
                    &NormalizedStock::of_crossing(StockChangeKind::Restocked, level),
                    "restocked",
                    at,
                ),
                Logged::SystemAlert(alert) => {
                    notice_messages(&NormalizedNotice::of_alert(alert), at)
                }
                Logged::ShopNotification(posted) => {
                    notice_messages(&NormalizedNotice::of_shop(posted), at)
                }
                Logged::CompanyNotification(posted)
                | Logged::SecurityAlert(posted)
                | Logged::SystemMaintenance(posted)
                | Logged::SystemNotification(posted)
                | Logged::UserNotification(posted) => {
                    notice_messages(&NormalizedNotice::posted(posted), at)
                }
                Logged::Emitted(emitted) => {
                    let (kind, user) = match &emitted.target {
                        Target::User(user) => ("user_specific", user.as_str().parse().ok()),
                        _ => ("system_notification", None),
                    };
                    let event = real_time_event(kind, emitted.data.clone(), user.as_ref(), at);
                    vec![ContractMessage::new(emitted.event.clone(), &event)]
                }
                // Of stock the document has the three crossings alone.
                Logged::InventoryReservation(_)
                | Logged::InventoryTransfer(_)
                | Logged::InventoryUpdated(_) => Vec::new(),
                // It has no word for these.
                Logged::CommandUpdated(_)
                | Logged::CustomerActivity(_)
                | Logged::CustomerAddedToCart(_)
                | Logged::CustomerViewingProduct(_)
                | Logged::PaymentFailed(_)
                | Logged::PaymentReceived(_)
                | Logged::PaymentRefunded(_)
                | Logged::PaymentStatusChanged(_)
                | Logged::ProductCreated(_)
                | Logged::ProductDeleted(_)
                | Logged::ProductPriceChanged(_)
                | Logged::ProductUpdated(_)
                | Logged::ShopifyDrift(_)
                | Logged::ShopifySyncStatus(_)
                | Logged::UserActivity(_) => Vec::new(),
            },
            Event::Ephemeral(event) => match event {
                // Nor for these.
                Ephemeral::CustomerOffline(_)
                | Ephemeral::CustomerOnline(_)
                | Ephemeral::ShopifyProgress(_)
                | Ephemeral::ShopifyWebhookReceived(_)
                | Ephemeral::Typing(_) => Vec::new(),
            },
        }
    }

    fn first_rooms(&self, identity: &Identity) -> BTreeSet<Room> {
        let mut rooms = BTreeSet::from([
            Room::Everyone,
            Room::Role(identity.role),
            Room::User(identity.user_id.clone()),
        ]);
        if identity.role.is_staff() {
            rooms.insert(Room::Shop);
            rooms.extend(identity.companies.iter().cloned().map(Room::Company));
        }
        // Of their own orders customers are told as `user_{id}`.
        rooms.extend(own_orders(identity));
        rooms
    }

    fn may_be_in(&self, room: &Room, identity: &Identity) -> bool {
        match room {
            Room::OrdersAll | Room::InventoryAll => identity.role.is_staff(),
            Room::Custom(name) => match name.to_string().as_str() {
                ORDERS => identity.role.is_staff() || identity.role == Role::Customer,
                INVENTORY => identity.role.is_staff(),
                _ => false,
            },
            _ => false,
        }
    }

    fn room_name(&self, room: &Room, _identity: &Identity) -> Option<String> {
        room_name(room)
    }

    fn read(&self, call: &ClientCall, identity: &Identity) -> Result<Request, ErrorBody> {
        request::plain(call)?;
        let join = |subscribed: &str| {
            let rooms = BTreeSet::from([room(subscribed), stream(subscribed)]);
            let rooms: BTreeSet<Room> = rooms
                .into_iter()
                .filter(|room| self.may_be_in(room, identity))
                .collect();
            if rooms.is_empty() {
                return Err(request::forbidden(subscribed));
            }
            Ok(Request::Join(Join {
                rooms,
                ..Join::default()
            }))
        };
        match OmsRequest::parse(&call.name).ok_or_else(request::unknown)? {
            OmsRequest::SubscribeToOrders => join(ORDERS),
            OmsRequest::SubscribeToInventory => join(INVENTORY),
            OmsRequest::Unsubscribe => {
                let subscribed = match Fields::of(call)?.field("type").and_then(Value::as_str) {
                    Some("order" | ORDERS) => ORDERS,
                    Some("inventory" | INVENTORY) => INVENTORY,
                    _ => {
                        let types = format!("type is order, inventory, {ORDERS} or {INVENTORY}");
                        return Err(ErrorBody::field("type", types));
                    }
                };
                Ok(Request::Leave(Leaving::Rooms(
                    [room(subscribed), stream(subscribed)].into(),
                )))
            }
            OmsRequest::Ping => Ok(Request::Ping),
            OmsRequest::AuthRefresh => request::refresh(call),
        }
    }

    fn connected(&self, arrived: &Arrived<'_>) -> Value {
        json!({ "userId": user_json(arrived.identity), "timestamp": arrived.at })
    }

    fn confirmed(
        &self,
        call: &ClientCall,
        _fields: &Map<String, Value>,
        _identity: &Identity,
    ) -> Option<(&'static str, Value)> {
        let (kind, message) = match OmsRequest::parse(&call.name)? {
            OmsRequest::SubscribeToOrders => (ORDERS, "Successfully subscribed to order updates"),
            OmsRequest::SubscribeToInventory => {
                (INVENTORY, "Successfully subscribed to inventory updates")
            }
            OmsRequest::Unsubscribe | OmsRequest::Ping | OmsRequest::AuthRefresh => return None,
        };
        Some((
            OmsMessage::SubscriptionConfirmed.as_str(),
            json!({ "type": kind, "message": message }),
        ))
    }
}

names! {
    /// What clients of oms ask.
    OmsRequest {
        SubscribeToOrders = "subscribe_to_orders",
        SubscribeToInventory = "subscribe_to_inventory",
        Unsubscribe = "unsubscribe",
        Ping = PING,
        AuthRefresh = "auth:refresh",
    }
}

names! {
    /// What clients of oms hear, but for what programs emit by names of their own.
    OmsMessage {
        Connected = CONNECTED,
        SubscriptionConfirmed = "subscription_confirmed",
        Pong = PONG,
        OrderUpdate = "order_update",
        InventoryUpdate = "inventory_update",
        UserNotification = "user_notification",
        SystemNotification = "system_notification",
    }
}

/// Reads a message of a plain WebSocket: the name of an event alone, or with its data.
pub(crate) fn read(text: &str) -> Result<ClientCall, ErrorBody> {
    let name = text.trim();
    if (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.starts_with(['{', '[', '"']) {
        return Ok(ClientCall {
            name: name.to_owned(),
            ..ClientCall::default()
        });
    }
    let mut message: Map<String, Value> = schemas::json::read(name.as_bytes()).unwrap_or_default();
    let (Some(Value::String(name)), data) = (message.remove("event"), message.remove("data"))
    else {
        let message = r#"A message is the name of an event, or JSON: {"event": "unsubscribe", "data": {"type": "order"}}"#;
        return Err(ErrorBody::new(ErrorCode::InvalidPayload, message));
    };
    Ok(ClientCall {
        name,
        args: data.into_iter().collect(),
        ..ClientCall::default()
    })
}

/// Bytes of a name that stands alone.
const NAME_BYTES_MAX: usize = 128;

/// A room as the document calls it; none for those it does not know.
pub(crate) fn room_name(room: &Room) -> Option<String> {
    match room {
        Room::Custom(name) => Some(name.to_string()),
        Room::Role(role) => Some(format!("role_{}", role.as_str())),
        Room::User(user) => Some(format!("user_{user}")),
        _ => None,
    }
}

/// What is subscribed to, by its name.
fn room(name: &str) -> Room {
    // Both names are texts that an id may be.
    name.parse().map_or(Room::Everyone, Room::Custom)
}

/// Where the events for it come from, for those who may see all of them. Customers hear of their own anyway.
fn stream(subscribed: &str) -> Room {
    if subscribed == ORDERS {
        Room::OrdersAll
    } else {
        Room::InventoryAll
    }
}

/// The frame around everything.
fn real_time_event(kind: &str, data: Value, user: Option<&AnyId>, at: Timestamp) -> Value {
    let mut event = json!({ "type": kind, "timestamp": at });
    event["data"] = data;
    if let Some(user) = user {
        event["userId"] = id_json(user);
    }
    event
}

fn user_json(identity: &Identity) -> Value {
    identity
        .user_id
        .as_str()
        .parse()
        .map_or_else(|_| json!(identity.user_id), |id| id_json(&id))
}

fn order_messages(order: &NormalizedOrder<'_>, at: Timestamp) -> Vec<ContractMessage> {
    let update = order_update(order, at);
    let mut messages =
        vec![ContractMessage::new(OmsMessage::OrderUpdate.as_str(), &update).to([room(ORDERS)])];
    if let (Some(notice), Some(_)) = (user_notification(order, at), order.owner.name()) {
        let message = ContractMessage::new(OmsMessage::UserNotification.as_str(), &notice);
        messages.push(message.to(order.owner.rooms()));
    }
    messages
}

fn stock_messages(
    stock: &NormalizedStock<'_>,
    status: &str,
    at: Timestamp,
) -> Vec<ContractMessage> {
    let update = inventory_update(stock, status, at);
    vec![ContractMessage::new(OmsMessage::InventoryUpdate.as_str(), &update).to([room(INVENTORY)])]
}

fn notice_messages(notice: &NormalizedNotice<'_>, at: Timestamp) -> Vec<ContractMessage> {
    let payload = self::notice(notice, at);
    let message = match notice.audience {
        Audience::User(_) => OmsMessage::UserNotification,
        Audience::Company(_) | Audience::Everybody | Audience::Role(_) | Audience::Shop => {
            OmsMessage::SystemNotification
        }
    };
    let message = ContractMessage::new(message.as_str(), &payload);
    vec![match notice.audience {
        Audience::Everybody => message.to([Room::Everyone]),
        _ => message,
    }]
}

fn order_update(order: &NormalizedOrder<'_>, at: Timestamp) -> Value {
    let user = order.owner.name();
    let mut data = json!({
        "orderId": order.id,
        "aliasId": order.name,
        "status": order.status,
        "timestamp": at,
        "message": order_message(order),
    });
    if let Some(user) = user {
        data["userId"] = id_json(user);
    }
    real_time_event("order_status", data, user, at)
}

fn order_message(order: &NormalizedOrder<'_>) -> String {
    let said = order
        .posted
        .and_then(|posted| posted.data.get("message")?.as_str());
    if let Some(said) = said {
        return said.to_owned();
    }
    match (order.change, order.status.as_deref()) {
        (OrderChangeKind::Created, _) => "Order created successfully".to_owned(),
        (OrderChangeKind::Updated, _) => "Order has been updated".to_owned(),
        (_, Some(status)) => format!("Order has been {status}"),
        (_, None) => "Order status has changed".to_owned(),
    }
}

/// What the customer is told of a new order, or of one that stands elsewhere.
fn user_notification(order: &NormalizedOrder<'_>, at: Timestamp) -> Option<Value> {
    let name = order.name.as_deref().unwrap_or_default();
    let (kind, title, message) = match (order.change, order.status.as_deref()) {
        (OrderChangeKind::Created, _) => {
            let message = format!("Your order {name} has been created successfully");
            ("order_created", "Order Created Successfully", message)
        }
        (OrderChangeKind::Updated, _) => return None,
        (_, status) => {
            let message = format!("Your order {name} is now {}", status.unwrap_or("changed"));
            ("order_status_update", "Order Status Updated", message)
        }
    };
    let mut about = json!({ "orderId": order.id, "aliasId": order.name });
    if order.change == OrderChangeKind::Created {
        about["totalAmount"] = json!(order.total);
    } else {
        about["status"] = json!(order.status);
        about["previousStatus"] = json!(order.previous);
    }
    let data = json!({ "type": kind, "title": title, "message": message, "data": about });
    Some(real_time_event(
        "user_specific",
        data,
        order.owner.name(),
        at,
    ))
}

fn inventory_update(stock: &NormalizedStock<'_>, status: &str, at: Timestamp) -> Value {
    let mut data = json!({
        "productId": stock.product.as_ref().map(id_json),
        "quantity": stock.quantity,
        "status": status,
        "timestamp": at,
    });
    if let (StockChangeKind::Low, Some(threshold)) = (stock.level, &stock.threshold) {
        data["threshold"] = threshold.clone();
    }
    real_time_event("inventory_update", data, None, at)
}

fn notice(notice: &NormalizedNotice<'_>, at: Timestamp) -> Value {
    let (kind, user) = match notice.audience {
        Audience::User(user) => ("user_specific", user.as_str().parse::<AnyId>().ok()),
        _ => ("system_notification", None),
    };
    let mut data = json!({ "title": notice.title, "message": notice.message });
    if let Some(posted) = notice.posted {
        for key in ["type", "data"] {
            if let Some(said) = posted.data.get(key) {
                data[key] = said.clone();
            }
        }
    }
    real_time_event(kind, data, user.as_ref(), at)
}
