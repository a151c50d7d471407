//! The native contract: what each event is called and how it looks, what clients may ask, and how they are answered.

mod request;

use std::borrow::Cow;
use std::collections::BTreeSet;

use schemas::{AnyId, ErrorBody, Event, Identity, Kind, Posted, Resource, Role, Room};
use serde_json::{Value, json};

use super::{Arrived, Contract, Part, Telling};
use crate::contracts::request::{Request, own_orders};
use crate::hub::reader::Kinds;
use crate::protocol::socketio::Call;

pub(crate) struct Oda;

impl Contract for Oda {
    fn parts(&self, told: &Telling<'_>) -> Vec<Part> {
        let event = told.event;
        let Some((name, data)) = name(event).zip(data(event)) else {
            return Vec::new();
        };
        let payload = envelope(told, notification_kind(event).unwrap_or(&name), data);
        std::iter::once(Part::new(name, payload))
            .chain(afterthought(event))
            .collect()
    }

    fn first_rooms(&self, identity: &Identity) -> BTreeSet<Room> {
        let mut rooms = BTreeSet::from([
            Room::Connected,
            Room::Role(identity.role),
            Room::User(identity.user_id.clone()),
        ]);
        if identity.role.is_staff() {
            rooms.extend([Room::Shop, Room::ShopifySync]);
            rooms.extend(identity.companies.iter().cloned().map(Room::Company));
        }
        rooms
    }

    fn may_be_in(&self, room: &Room, identity: &Identity) -> bool {
        request::may_be_in(room, identity)
    }

    fn room_name(&self, room: &Room, identity: &Identity) -> Option<String> {
        match room {
            Room::Company(_) | Room::Connected | Room::Shop => None,
            Room::Notifications => Some(format!("notifications:{}", identity.user_id)),
            // The other name of a customer who has two.
            Room::OrdersCustomer(id)
                if identity.role == Role::Customer
                    && own_orders(identity).contains(room)
                    && identity
                        .own_customer()
                        .is_some_and(|own| AnyId::from(own) != *id) =>
            {
                None
            }
            room => Some(room.to_string()),
        }
    }

    fn read(&self, call: &Call, identity: &Identity) -> Result<Request, ErrorBody> {
        request::parse(call, identity)
    }

    fn brings(&self, room: &Room, event: &Event, kinds: &Kinds) -> bool {
        match (room, event) {
            (Room::Notifications, _) => kinds.contains(notification_kind(event)),
            // Orders and payments come to those who subscribed to orders.
            (Room::User(_), Event::Posted(posted)) => {
                !matches!(posted.kind.topic(), "order" | "payment")
            }
            _ => true,
        }
    }

    fn connected(&self, arrived: &Arrived<'_>) -> Value {
        json!({
            "userId": arrived.identity.user_id,
            "role": arrived.identity.role,
            "socketId": arrived.socket_id,
            "rooms": arrived.rooms,
            "offset": arrived.offset,
            "timestamp": arrived.at,
        })
    }

    fn failed(&self, call: &Call, error: &ErrorBody) -> Option<(&'static str, Value)> {
        let name = request::failure_event(&call.name)?;
        Some((
            name,
            failure(error, call.args.first().unwrap_or(&Value::Null)),
        ))
    }
}

/// The table: each event's name outside, or `None` where the contract has none.
fn name(event: &Event) -> Option<Cow<'static, str>> {
    let name = match event {
        Event::Emitted(emitted) => return Some(emitted.event.clone().into()),
        Event::Posted(posted) => return Some(posted_name(posted.kind).into()),
        Event::CommandUpdated(_) => "command:updated",
        Event::InventoryLowStock(_) | Event::InventoryOutOfStock(_) => "inventory:lowStock",
        Event::InventoryReservation(_) => "inventory:reservation",
        Event::InventoryRestocked(_) => "inventory:restocked",
        Event::InventoryTransfer(_) => "inventory:transfer",
        Event::InventoryUpdated(_) => "inventory:updated",
        Event::OrderCreated(_)
        | Event::OrderDeleted(_)
        | Event::OrderStatusChanged(_)
        | Event::OrderUpdated(_) => "order:updated",
        Event::ShopifyProgress(run) => match run.resource {
            Resource::Customers => "shopify:customer:progress",
            Resource::Inventory => "shopify:inventory:progress",
            Resource::Orders => "shopify:order:progress",
            Resource::Products => "shopify:product:progress",
        },
        Event::ShopifySyncStatus(_) => "shopify:syncStatus",
        Event::ShopifyWebhookReceived(_) => "shopify:webhook:received",
        // An order's payment arrives as `order:updated` with `change: payment`; a second event would tell it twice.
        // For the others the contract has no word.
        Event::PaymentFailed(_)
        | Event::PaymentReceived(_)
        | Event::PaymentRefunded(_)
        | Event::ShopifyDrift(_) => return None,
        _ => return notification_kind(event).map(|_| "notification".into()),
    };
    Some(name.into())
}

/// The same for what others post.
fn posted_name(kind: Kind) -> &'static str {
    match kind {
        Kind::InventoryLowStock | Kind::InventoryOutOfStock => "inventory:lowStock",
        Kind::InventoryReservation => "inventory:reservation",
        Kind::InventoryRestocked => "inventory:restocked",
        Kind::InventoryTransfer => "inventory:transfer",
        Kind::InventoryUpdated => "inventory:updated",
        _ if matches!(kind.topic(), "order" | "payment") => "order:updated",
        _ => "notification",
    }
}

/// The `type` of an event that arrives as `notification`; `None` for all others.
pub(crate) fn notification_kind(event: &Event) -> Option<&'static str> {
    match event {
        Event::CustomerActivity(_)
        | Event::CustomerAddedToCart(_)
        | Event::CustomerOffline(_)
        | Event::CustomerOnline(_)
        | Event::CustomerViewingProduct(_)
        | Event::ProductCreated(_)
        | Event::ProductDeleted(_)
        | Event::ProductPriceChanged(_)
        | Event::ProductUpdated(_)
        | Event::UserActivity(_) => Some("user:activity"),
        Event::SecurityAlert(_) => Some("security:alert"),
        Event::SystemAlert(_) | Event::SystemNotification(_) | Event::UserNotification(_) => {
            Some("system:event")
        }
        Event::SystemMaintenance(_) => Some("system:maintenance"),
        Event::Posted(posted) => match posted.kind {
            Kind::SecurityAlert => Some("security:alert"),
            Kind::SystemMaintenance => Some("system:maintenance"),
            Kind::UserActivity => Some("user:activity"),
            kind => match kind.topic() {
                "customer" | "product" => Some("user:activity"),
                "company" | "shop" | "system" | "user" => Some("system:event"),
                _ => None,
            },
        },
        _ => None,
    }
}

/// Every `type` that a notification can have.
pub(crate) const NOTIFICATION_KINDS: [&str; 4] = [
    "security:alert",
    "system:event",
    "system:maintenance",
    "user:activity",
];

/// The frame around every event; the ephemeral have no `id`.
fn envelope(told: &Telling<'_>, kind: &str, data: Value) -> Value {
    let mut envelope = json!({ "type": kind, "shop": told.shop, "timestamp": told.at });
    envelope["data"] = data;
    if let Some(offset) = told.offset {
        envelope["id"] = json!(offset);
    }
    envelope
}

/// What the documents' clients listen for when a command that was acknowledged fails later.
fn afterthought(event: &Event) -> Option<Part> {
    let Event::CommandUpdated(command) = event else {
        return None;
    };
    let error = command.error.as_ref()?;
    let request = json!({ "commandId": command.command_id, "kind": command.kind });
    Some(Part::new(
        request::failure_event_of(command.kind),
        failure(error, &request),
    ))
}

fn failure(body: &ErrorBody, request: &Value) -> Value {
    json!({ "error": body.message, "code": body.code, "retryable": body.retryable, "request": request })
}

fn data(event: &Event) -> Option<Value> {
    match event {
        Event::Emitted(emitted) => return Some(emitted.data.clone()),
        Event::Posted(posted) => return Some(posted_data(posted)),
        _ => {}
    }
    let mut tagged = event.public_json();
    let mut data = tagged.get_mut("data")?.take();
    match event {
        Event::ShopifyProgress(run) => data["percent"] = json!(run.percent()),
        Event::OrderCreated(_)
        | Event::OrderDeleted(_)
        | Event::OrderStatusChanged(_)
        | Event::OrderUpdated(_) => {
            // Only another contract tells it.
            data.as_object_mut()?.remove("customerName");
        }
        // Several events share one type here, so it says which one it was.
        _ if notification_kind(event).is_some() => data["event"] = tagged["kind"].take(),
        _ => {}
    }
    Some(data)
}

/// What others say, and what it is called here.
fn posted_data(posted: &Posted) -> Value {
    let mut data = posted.data.clone();
    data.insert("source".to_owned(), json!(posted.source));
    let change = match posted.kind {
        Kind::OrderCreated => Some("created"),
        Kind::OrderDeleted => Some("deleted"),
        Kind::OrderStatusChanged => Some("status_changed"),
        Kind::OrderUpdated => Some("updated"),
        _ if posted.kind.topic() == "payment" => Some("payment"),
        _ => None,
    };
    let crossing = match posted.kind {
        Kind::InventoryLowStock => Some("low_stock"),
        Kind::InventoryOutOfStock => Some("out_of_stock"),
        _ => None,
    };
    let known = [
        ("orderId", posted.order_id.as_ref().map(|id| json!(id))),
        ("productId", posted.product_id.as_ref().map(|id| json!(id))),
        ("change", change.map(|change| json!(change))),
        ("status", crossing.map(|status| json!(status))),
        (
            "event",
            (posted_name(posted.kind) == "notification").then(|| json!(posted.kind)),
        ),
    ];
    data.extend(
        known
            .into_iter()
            .filter_map(|(key, value)| Some((key.to_owned(), value?))),
    );
    data.into()
}

#[cfg(test)]
mod tests;
