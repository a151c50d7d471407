//! omni, `/api/ws`: JSON texts `{type, data}`, six namespaces to subscribe to, and 23 events.
//!
//! Who somebody is comes from a signed token alone; the `userId` and `role` that clients state are not looked at.

mod request;
mod topic;
mod usage;

pub use self::request::OmniRequest;
pub(crate) use self::request::read;
pub(crate) use self::topic::Topic;
pub(crate) use self::usage::{info, usage};

use std::collections::BTreeSet;

use schemas::event::OrderChanged;
use schemas::shape::{LevelShape, OrderStatus};
use schemas::{
    CustomerId, Ephemeral, ErrorBody, Event, EventData, Identity, Kind, Logged, Money, Offset,
    OrderId, Posted, ProductId, Room, Timestamp, VariantId,
};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Number, Value, json};

use super::names::names;
use super::normalized::first;
use super::request::Request;
use super::{Arrived, CONNECTED, Contract, ContractMessage, ERROR, OutgoingEvent, PONG, RESYNC};
use crate::hub::reader::NotificationKinds;
use crate::protocol::socketio::ClientCall;

names! {
    /// What clients of omni hear beside events, whose names are those of `row` or given by whoever emits them.
    OmniMessage {
        Connected = CONNECTED,
        Authenticated = "authenticated",
        Subscribed = "subscribed",
        Unsubscribed = "unsubscribed",
        Pong = PONG,
        Resync = RESYNC,
        Error = ERROR,
    }
}

pub(crate) struct Omni;

impl Contract for Omni {
    /// Each is a message as it is, `{type, data, id, timestamp}`; the ephemeral have no `id`.
    fn messages(&self, outgoing: &OutgoingEvent<'_>) -> Vec<ContractMessage> {
        let event = outgoing.event;
        let name = match event {
            Event::Logged(Logged::Emitted(emitted)) => &emitted.event,
            _ => match row(event.kind()) {
                Some((name, _)) => name,
                None => return Vec::new(),
            },
        };
        let Some(data) = data(event) else {
            return Vec::new();
        };
        let message = |name: &str| {
            let message = Message {
                kind: name,
                data: &data,
                timestamp: outgoing.at,
                id: outgoing.offset,
            };
            ContractMessage::new(name.to_owned(), &message)
        };
        // A cancelled order has changed its status and is deleted, as the document has it.
        let deleted = is_cancellation(event)
            .then(|| row(Kind::OrderDeleted))
            .flatten();
        [Some(name), deleted.map(|(name, _)| name)]
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

    fn read(&self, call: &ClientCall, identity: &Identity) -> Result<Request, ErrorBody> {
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
    fn brings(&self, room: &Room, event: &Event, _kinds: &NotificationKinds) -> bool {
        let topic = Topic::of(room);
        topic.is_some() && (event.kind() == Kind::Emitted || topic == topic_of(event))
    }

    fn confirmed(
        &self,
        call: &ClientCall,
        fields: &Map<String, Value>,
        identity: &Identity,
    ) -> Option<(&'static str, Value)> {
        let namespace = || call.args.first().map(|data| &data["namespace"]);
        match OmniRequest::parse(&call.name)? {
            OmniRequest::Auth => {
                let expires_at = identity.expires_at.as_millisecond();
                let who = json!({ "userId": identity.user_id, "role": identity.role, "expiresAt": expires_at });
                Some((OmniMessage::Authenticated.as_str(), who))
            }
            OmniRequest::Subscribe => Some((
                OmniMessage::Subscribed.as_str(),
                json!({ "namespace": namespace(), "offset": fields.get("offset") }),
            )),
            OmniRequest::Unsubscribe => Some((
                OmniMessage::Unsubscribed.as_str(),
                json!({ "namespace": namespace() }),
            )),
            OmniRequest::Ping => None,
        }
    }
}

/// The table: what an event is called and under which namespace it comes; `None` where the contract has no word.
#[expect(
    clippy::match_same_arms,
    reason = "each reason for not telling stands at its own kinds"
)]
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
        // By the name that its source gives it, in whichever namespace its room is behind.
        Kind::Emitted => return None,
        // The document has no event for these.
        Kind::CommandUpdated
        | Kind::CompanyNotification
        | Kind::InventoryReservation
        | Kind::InventoryTransfer
        | Kind::PaymentStatusChanged
        | Kind::ShopNotification
        | Kind::ShopifyDrift
        | Kind::ShopifyProgress
        | Kind::ShopifySyncStatus
        | Kind::ShopifyWebhookReceived
        | Kind::Typing
        | Kind::UserActivity => return None,
    })
}

/// The namespace under which an event comes.
pub(crate) fn topic_of(event: &Event) -> Option<Topic> {
    row(event.kind()).map(|(_, topic)| topic)
}

fn is_cancellation(event: &Event) -> bool {
    let Event::Logged(Logged::OrderStatusChanged(order)) = event else {
        return false;
    };
    order.either(
        |order| order.order.status == OrderStatus::Cancelled,
        |posted| {
            let status = posted.data.get("newStatus").or(posted.data.get("status"));
            status.is_some_and(|status| status == "cancelled")
        },
    )
}

/// What happened, as JSON: a shape of ours, or what was posted; `None` where [`row`] has no word.
fn data(event: &Event) -> Option<Box<RawValue>> {
    let data = match event {
        Event::Logged(event) => match event {
            Logged::OrderCreated(changed)
            | Logged::OrderDeleted(changed)
            | Logged::OrderStatusChanged(changed)
            | Logged::OrderUpdated(changed) => match changed {
                EventData::Own(changed) => to_raw_value(&order(changed)),
                EventData::Posted(posted) => to_raw_value(&posted_order(posted)),
            },
            Logged::PaymentFailed(payment)
            | Logged::PaymentReceived(payment)
            | Logged::PaymentRefunded(payment) => match payment {
                EventData::Own(payment) => to_raw_value(&PaymentData {
                    order_id: payment.order_id,
                    customer_id: payment.customer_id,
                    amount: number(&payment.amount),
                    currency: &payment.currency,
                }),
                EventData::Posted(posted) => to_raw_value(&posted.data),
            },
            Logged::ProductPriceChanged(change) => match change {
                EventData::Own(change) => to_raw_value(&PriceData {
                    product_id: change.product_id,
                    variant_id: change.variant_id,
                    sku: change.sku.as_deref(),
                    previous_price: number(&change.previous_price),
                    price: number(&change.price),
                }),
                EventData::Posted(posted) => to_raw_value(&posted.data),
            },
            Logged::InventoryUpdated(change) => match change {
                EventData::Own(change) => to_raw_value(&change.public()),
                EventData::Posted(posted) => to_raw_value(&posted.data),
            },
            Logged::InventoryLowStock(level)
            | Logged::InventoryOutOfStock(level)
            | Logged::InventoryRestocked(level) => plain(level),
            Logged::ProductCreated(product)
            | Logged::ProductDeleted(product)
            | Logged::ProductUpdated(product) => plain(product),
            Logged::CustomerActivity(activity) => plain(activity),
            Logged::SystemAlert(notice) => plain(notice),
            Logged::CustomerAddedToCart(posted)
            | Logged::CustomerViewingProduct(posted)
            | Logged::SecurityAlert(posted)
            | Logged::SystemMaintenance(posted)
            | Logged::SystemNotification(posted)
            | Logged::UserNotification(posted) => to_raw_value(&posted.data),
            Logged::Emitted(emitted) => to_raw_value(&emitted.data),
            Logged::CommandUpdated(_)
            | Logged::CompanyNotification(_)
            | Logged::InventoryReservation(_)
            | Logged::InventoryTransfer(_)
            | Logged::PaymentStatusChanged(_)
            | Logged::ShopNotification(_)
            | Logged::ShopifyDrift(_)
            | Logged::ShopifySyncStatus(_)
            | Logged::UserActivity(_) => return None,
        },
        Event::Ephemeral(event) => match event {
            Ephemeral::CustomerOffline(customer) | Ephemeral::CustomerOnline(customer) => {
                plain(customer)
            }
            Ephemeral::ShopifyProgress(_)
            | Ephemeral::ShopifyWebhookReceived(_)
            | Ephemeral::Typing(_) => return None,
        },
    };
    // Shapes of ours: there is nothing in them that JSON cannot say.
    data.ok()
}

fn plain<T: Serialize>(data: &EventData<T>) -> serde_json::Result<Box<RawValue>> {
    match data {
        EventData::Own(data) => to_raw_value(data),
        EventData::Posted(posted) => to_raw_value(&posted.data),
    }
}

/// A message as it is.
#[derive(Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    data: &'a RawValue,
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Offset>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OrderData<'a> {
    id: OrderId,
    customer_id: Option<CustomerId>,
    customer_name: Option<&'a str>,
    total: Option<Number>,
    status: OrderStatus,
    channel: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentData<'a> {
    order_id: OrderId,
    customer_id: Option<CustomerId>,
    amount: Option<Number>,
    currency: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PriceData<'a> {
    product_id: ProductId,
    variant_id: VariantId,
    sku: Option<&'a str>,
    previous_price: Option<Number>,
    price: Option<Number>,
}

fn order(changed: &OrderChanged) -> OrderData<'_> {
    let order = &changed.order;
    OrderData {
        id: order.order_id,
        customer_id: order.customer_id,
        customer_name: changed.customer_name.as_deref(),
        total: number(&order.total),
        status: order.status,
        channel: order.channel.as_deref(),
    }
}

fn posted_order(posted: &Posted) -> Value {
    let said = |keys: &[&str]| first(&posted.data, keys);
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

/// Which events are only the latest state of the same thing, so that of several within a batch the last is enough. What
/// others post is none of them: a program may say several things of one id.
pub(crate) fn state_of(event: &Event) -> Option<(Kind, String)> {
    let level = |level: &LevelShape| {
        format!(
            "{}/{}/{}",
            level.shop, level.inventory_item_id, level.location_id
        )
    };
    let thing = match event {
        Event::Logged(event) => match event {
            Logged::InventoryLowStock(stock)
            | Logged::InventoryOutOfStock(stock)
            | Logged::InventoryRestocked(stock) => level(stock.own()?),
            Logged::InventoryUpdated(change) => level(&change.own()?.level),
            Logged::OrderStatusChanged(order) | Logged::OrderUpdated(order) => {
                order.own()?.order.order_id.to_string()
            }
            Logged::ProductPriceChanged(change) => change.own()?.variant_id.to_string(),
            Logged::ProductUpdated(product) => product.own()?.product_id.to_string(),
            // Each of these counts.
            Logged::CommandUpdated(_)
            | Logged::CompanyNotification(_)
            | Logged::CustomerActivity(_)
            | Logged::CustomerAddedToCart(_)
            | Logged::CustomerViewingProduct(_)
            | Logged::Emitted(_)
            | Logged::InventoryReservation(_)
            | Logged::InventoryTransfer(_)
            | Logged::OrderCreated(_)
            | Logged::OrderDeleted(_)
            | Logged::PaymentFailed(_)
            | Logged::PaymentReceived(_)
            | Logged::PaymentRefunded(_)
            | Logged::PaymentStatusChanged(_)
            | Logged::ProductCreated(_)
            | Logged::ProductDeleted(_)
            | Logged::SecurityAlert(_)
            | Logged::ShopNotification(_)
            | Logged::ShopifyDrift(_)
            | Logged::ShopifySyncStatus(_)
            | Logged::SystemAlert(_)
            | Logged::SystemMaintenance(_)
            | Logged::SystemNotification(_)
            | Logged::UserActivity(_)
            | Logged::UserNotification(_) => return None,
        },
        Event::Ephemeral(event) => match event {
            Ephemeral::CustomerOffline(customer) | Ephemeral::CustomerOnline(customer) => {
                customer.own()?.customer_id.to_string()
            }
            Ephemeral::ShopifyProgress(_)
            | Ephemeral::ShopifyWebhookReceived(_)
            | Ephemeral::Typing(_) => return None,
        },
    };
    Some((event.kind(), thing))
}

#[cfg(test)]
mod tests;
