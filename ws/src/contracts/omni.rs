//! omni, `/api/ws`: JSON texts `{type, data}`, six namespaces to subscribe to, and 23 events.
//!
//! Who somebody is comes from a signed token alone; the `userId` and `role` that clients state are not looked at.

mod request;
mod topic;
mod usage;

pub(crate) use self::request::read;
pub(crate) use self::topic::Topic;
pub(crate) use self::usage::{info, usage};

use std::collections::BTreeSet;

use schemas::event::OrderChanged;
use schemas::shape::{LevelShape, OrderStatus};
use schemas::{ErrorBody, Event, Identity, Kind, Money, Posted, Room};
use serde_json::{Map, Number, Value, json};

use super::request::Request;
use super::{Arrived, Contract, Part, Telling};
use crate::hub::reader::Kinds;
use crate::protocol::socketio::Call;

pub(crate) struct Omni;

impl Contract for Omni {
    /// Each part is a message as it is, `{type, data, id, timestamp}`; the ephemeral have no `id`.
    fn parts(&self, told: &Telling<'_>) -> Vec<Part> {
        let event = told.event;
        let (name, data) = match event {
            Event::Emitted(emitted) => (emitted.event.as_str(), emitted.data.clone()),
            _ => match kind(event).and_then(row) {
                Some((name, _)) => (name, data(event)),
                None => return Vec::new(),
            },
        };
        let message = |name: &str| {
            let mut message = json!({ "type": name, "data": data, "timestamp": told.at });
            if let Some(offset) = told.offset {
                message["id"] = json!(offset);
            }
            Part::new(name.to_owned(), message)
        };
        // A cancelled order has changed its status and is deleted, as the document has it.
        let deleted = is_cancellation(event).then_some("order:deleted");
        [Some(name), deleted]
            .into_iter()
            .flatten()
            .map(message)
            .collect()
    }

    fn first_rooms(&self, _identity: &Identity) -> BTreeSet<Room> {
        BTreeSet::new()
    }

    fn may_be_in(&self, room: &Room, identity: &Identity) -> bool {
        Topic::of(room).is_some_and(|topic| {
            topic.is_for(identity.role) && topic.rooms(identity).contains(room)
        })
    }

    fn room_name(&self, room: &Room, _identity: &Identity) -> Option<String> {
        Topic::of(room).map(|topic| topic.as_str().to_owned())
    }

    fn read(&self, call: &Call, identity: &Identity) -> Result<Request, ErrorBody> {
        request::parse(call, identity)
    }

    /// Who it is: a guest, unless it brought a token already.
    fn connected(&self, arrived: &Arrived<'_>) -> Value {
        let Arrived {
            identity,
            is_anonymous,
            socket_id,
            offset,
            at,
            ..
        } = arrived;
        json!({
            "socketId": socket_id,
            "userId": Some(&identity.user_id).filter(|_| !is_anonymous),
            "role": identity.role,
            "offset": offset,
            "timestamp": at,
        })
    }

    /// Only what its namespace is about, though orders' rooms hear of payments, too. What is emitted to a room comes to
    /// whoever is in it.
    fn brings(&self, room: &Room, event: &Event, _kinds: &Kinds) -> bool {
        let topic = Topic::of(room);
        topic.is_some() && (matches!(event, Event::Emitted(_)) || topic == topic_of(event))
    }

    fn confirmed(
        &self,
        call: &Call,
        fields: &Map<String, Value>,
        identity: &Identity,
    ) -> Option<(&'static str, Value)> {
        let namespace = || call.args.first().map(|data| &data["namespace"]);
        match call.name.as_str() {
            "auth" => {
                let expires_at = identity.expires_at.as_millisecond();
                let who = json!({ "userId": identity.user_id, "role": identity.role, "expiresAt": expires_at });
                Some(("authenticated", who))
            }
            "subscribe" => Some((
                "subscribed",
                json!({ "namespace": namespace(), "offset": fields.get("offset") }),
            )),
            "unsubscribe" => Some(("unsubscribed", json!({ "namespace": namespace() }))),
            _ => None,
        }
    }
}

/// The table: what an event is called and under which namespace it comes; `None` where the contract has no word.
fn row(kind: Kind) -> Option<(&'static str, Topic)> {
    use Topic::{Customers, Inventory, Orders, Payments, Products, System};
    Some(match kind {
        Kind::CustomerActivity => ("customer:activity", Customers),
        Kind::CustomerAddedToCart => ("customer:added_to_cart", Customers),
        Kind::CustomerOffline => ("customer:offline", Customers),
        Kind::CustomerOnline => ("customer:online", Customers),
        Kind::CustomerViewingProduct => ("customer:viewing_product", Customers),
        Kind::InventoryLowStock => ("inventory:low_stock", Inventory),
        Kind::InventoryOutOfStock => ("inventory:out_of_stock", Inventory),
        Kind::InventoryRestocked => ("inventory:restocked", Inventory),
        Kind::InventoryUpdated => ("inventory:updated", Inventory),
        Kind::OrderCreated => ("order:created", Orders),
        Kind::OrderDeleted => ("order:deleted", Orders),
        Kind::OrderStatusChanged => ("order:status_changed", Orders),
        Kind::OrderUpdated => ("order:updated", Orders),
        Kind::PaymentFailed => ("payment:failed", Payments),
        Kind::PaymentReceived => ("payment:received", Payments),
        Kind::PaymentRefunded => ("payment:refunded", Payments),
        Kind::ProductCreated => ("product:created", Products),
        Kind::ProductDeleted => ("product:deleted", Products),
        Kind::ProductPriceChanged => ("product:price_changed", Products),
        Kind::ProductUpdated => ("product:updated", Products),
        Kind::SecurityAlert | Kind::SystemAlert => ("system:alert", System),
        Kind::SystemMaintenance => ("system:maintenance", System),
        Kind::SystemNotification | Kind::UserNotification => ("system:notification", System),
        Kind::CompanyNotification
        | Kind::InventoryReservation
        | Kind::InventoryTransfer
        | Kind::PaymentStatusChanged
        | Kind::ShopNotification
        | Kind::UserActivity => return None,
    })
}

/// Our word for an event that other programs may post, too.
fn kind(event: &Event) -> Option<Kind> {
    Some(match event {
        Event::CustomerActivity(_) => Kind::CustomerActivity,
        Event::CustomerAddedToCart(_) => Kind::CustomerAddedToCart,
        Event::CustomerOffline(_) => Kind::CustomerOffline,
        Event::CustomerOnline(_) => Kind::CustomerOnline,
        Event::CustomerViewingProduct(_) => Kind::CustomerViewingProduct,
        Event::InventoryLowStock(_) => Kind::InventoryLowStock,
        Event::InventoryOutOfStock(_) => Kind::InventoryOutOfStock,
        Event::InventoryReservation(_) => Kind::InventoryReservation,
        Event::InventoryRestocked(_) => Kind::InventoryRestocked,
        Event::InventoryTransfer(_) => Kind::InventoryTransfer,
        Event::InventoryUpdated(_) => Kind::InventoryUpdated,
        Event::OrderCreated(_) => Kind::OrderCreated,
        Event::OrderDeleted(_) => Kind::OrderDeleted,
        Event::OrderStatusChanged(_) => Kind::OrderStatusChanged,
        Event::OrderUpdated(_) => Kind::OrderUpdated,
        Event::PaymentFailed(_) => Kind::PaymentFailed,
        Event::PaymentReceived(_) => Kind::PaymentReceived,
        Event::PaymentRefunded(_) => Kind::PaymentRefunded,
        Event::Posted(posted) => posted.kind,
        Event::ProductCreated(_) => Kind::ProductCreated,
        Event::ProductDeleted(_) => Kind::ProductDeleted,
        Event::ProductPriceChanged(_) => Kind::ProductPriceChanged,
        Event::ProductUpdated(_) => Kind::ProductUpdated,
        Event::SecurityAlert(_) => Kind::SecurityAlert,
        Event::SystemAlert(_) => Kind::SystemAlert,
        Event::SystemMaintenance(_) => Kind::SystemMaintenance,
        Event::SystemNotification(_) => Kind::SystemNotification,
        Event::UserActivity(_) => Kind::UserActivity,
        Event::UserNotification(_) => Kind::UserNotification,
        Event::CommandUpdated(_)
        | Event::Emitted(_)
        | Event::ShopifyDrift(_)
        | Event::ShopifyProgress(_)
        | Event::ShopifySyncStatus(_)
        | Event::ShopifyWebhookReceived(_)
        | Event::Typing(_) => return None,
    })
}

/// The namespace under which an event comes.
pub(crate) fn topic_of(event: &Event) -> Option<Topic> {
    row(kind(event)?).map(|(_, topic)| topic)
}

fn is_cancellation(event: &Event) -> bool {
    match event {
        Event::OrderStatusChanged(order) => order.order.status == OrderStatus::Cancelled,
        Event::Posted(posted) => {
            let status = posted.data.get("newStatus").or(posted.data.get("status"));
            posted.kind == Kind::OrderStatusChanged
                && status.is_some_and(|status| status == "cancelled")
        }
        _ => false,
    }
}

fn data(event: &Event) -> Value {
    match event {
        Event::OrderCreated(changed)
        | Event::OrderDeleted(changed)
        | Event::OrderStatusChanged(changed)
        | Event::OrderUpdated(changed) => order(changed),
        Event::PaymentFailed(payment)
        | Event::PaymentReceived(payment)
        | Event::PaymentRefunded(payment) => {
            json!({
                "orderId": payment.order_id,
                "customerId": payment.customer_id,
                "amount": number(&payment.amount),
                "currency": payment.currency,
            })
        }
        Event::Posted(posted) if posted.kind.topic() == "order" => posted_order(posted),
        Event::Posted(posted) => Value::Object(posted.data.clone()),
        event => {
            let mut data = event.public_json()["data"].take();
            for price in ["previousPrice", "price"] {
                if let Some(Value::String(text)) = data.get(price) {
                    data[price] = text.parse().map_or(Value::Null, Value::Number);
                }
            }
            data
        }
    }
}

fn order(changed: &OrderChanged) -> Value {
    let order = &changed.order;
    json!({
        "id": order.order_id,
        "customerId": order.customer_id,
        "customerName": changed.customer_name,
        "total": number(&order.total),
        "status": order.status,
        "channel": order.channel,
    })
}

fn posted_order(posted: &Posted) -> Value {
    let said = |keys: &[&str]| {
        keys.iter()
            .find_map(|key| posted.data.get(*key).filter(|value| !value.is_null()))
    };
    let customer = posted.customer_id.map(|id| id.to_string());
    json!({
        "id": posted.order_id,
        "customerId": customer.or_else(|| posted.user_id.as_ref().map(ToString::to_string)),
        "customerName": null,
        "total": said(&["total", "totalAmount", "amount"]).filter(|total| total.is_number()),
        "status": said(&["newStatus", "status"]),
        "channel": said(&["channel"]),
    })
}

/// These clients add amounts up.
fn number(amount: &Money) -> Option<Number> {
    amount.as_str().parse().ok()
}

/// Which events are only the latest state of the same thing, so that of several within a batch the last is enough.
pub(crate) fn state_of(event: &Event) -> Option<(Kind, String)> {
    let of = |id: &dyn ToString| Some(id.to_string());
    let level = |level: &LevelShape| {
        Some(format!(
            "{}/{}/{}",
            level.shop, level.inventory_item_id, level.location_id
        ))
    };
    let thing = match event {
        Event::CustomerOffline(customer) | Event::CustomerOnline(customer) => {
            of(&customer.customer_id)
        }
        Event::InventoryLowStock(now)
        | Event::InventoryOutOfStock(now)
        | Event::InventoryRestocked(now) => level(now),
        Event::InventoryUpdated(change) => level(&change.level),
        Event::OrderStatusChanged(changed) | Event::OrderUpdated(changed) => {
            of(&changed.order.order_id)
        }
        Event::ProductPriceChanged(change) => of(&change.variant_id),
        Event::ProductUpdated(product) => of(&product.product_id),
        _ => None,
    };
    kind(event).zip(thing)
}

#[cfg(test)]
mod tests;
