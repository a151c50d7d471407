//! The native contract: what each event is called and how it looks, what clients may ask, and how they are answered.

mod request;

use std::collections::BTreeSet;

use schemas::event::OrderChanged;
use schemas::shape::LevelShape;
use schemas::{
    AnyId, Ephemeral, ErrorBody, Event, EventData, Identity, Kind, Logged, Offset, Posted,
    Resource, Role, Room, ShopDomain, SyncRun, Timestamp,
};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

pub use self::request::OdaRequest;
use super::names::names;
use super::{Arrived, CONNECTED, Contract, ContractMessage, ERROR, OutgoingEvent, RESYNC};
use crate::contracts::request::{Request, own_orders};
use crate::hub::reader::NotificationKinds;
use crate::protocol::socketio::ClientCall;

pub(crate) struct Oda;

impl Contract for Oda {
    fn messages(&self, outgoing: &OutgoingEvent<'_>) -> Vec<ContractMessage> {
        let (name, kind) = match form_of(outgoing.event) {
            OdaForm::Message(message) => (message.as_str(), message.as_str()),
            OdaForm::Notification(kind) => (OdaMessage::Notification.as_str(), kind.as_str()),
            OdaForm::Named(name) => (name, name),
            OdaForm::Nothing => return Vec::new(),
        };
        // Shapes of ours: there is nothing in them that JSON cannot say.
        let Ok(data) = data(outgoing.event) else {
            return Vec::new();
        };
        let payload = Envelope {
            kind,
            shop: outgoing.shop,
            timestamp: outgoing.at,
            data,
            id: outgoing.offset,
        };
        std::iter::once(ContractMessage::new(name.to_owned(), &payload))
            .chain(afterthought(outgoing.event))
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

    fn read(&self, call: &ClientCall, identity: &Identity) -> Result<Request, ErrorBody> {
        request::parse(call, identity)
    }

    fn brings(&self, room: &Room, event: &Event, kinds: &NotificationKinds) -> bool {
        let form = form_of(event);
        match room {
            Room::Notifications => match form {
                OdaForm::Notification(kind) => kinds.contains(Some(kind.as_str())),
                OdaForm::Message(_) | OdaForm::Named(_) | OdaForm::Nothing => kinds.contains(None),
            },
            // Orders and payments come to those who subscribed to orders.
            Room::User(_) => form != OdaForm::Message(OdaMessage::OrderUpdated),
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

    fn failed(&self, call: &ClientCall, error: &ErrorBody) -> Option<(&'static str, Value)> {
        let name = request::failure_event(&call.name)?;
        Some((
            name.as_str(),
            failure(error, call.args.first().unwrap_or(&Value::Null)),
        ))
    }
}

names! {
    /// What clients of oda hear, but for what programs emit by names of their own.
    OdaMessage {
        Connected = CONNECTED,
        Resync = RESYNC,
        Error = ERROR,
        InventoryUpdated = "inventory:updated",
        InventoryLowStock = "inventory:lowStock",
        InventoryRestocked = "inventory:restocked",
        InventoryReservation = "inventory:reservation",
        InventoryTransfer = "inventory:transfer",
        InventoryUpdateError = "inventory:updateError",
        InventoryReservationError = "inventory:reservationError",
        CommandUpdated = "command:updated",
        OrderUpdated = "order:updated",
        Notification = "notification",
        SyncStatus = "shopify:syncStatus",
        ProductProgress = "shopify:product:progress",
        InventoryProgress = "shopify:inventory:progress",
        OrderProgress = "shopify:order:progress",
        CustomerProgress = "shopify:customer:progress",
        WebhookReceived = "shopify:webhook:received",
    }
}

names! {
    /// The `type` of an event that arrives as `notification`.
    NotificationType {
        SecurityAlert = "security:alert",
        SystemEvent = "system:event",
        SystemMaintenance = "system:maintenance",
        UserActivity = "user:activity",
    }
}

/// What an event is told as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OdaForm<'e> {
    Message(OdaMessage),
    /// A `notification` of this type; the event's own name stands in its data.
    Notification(NotificationType),
    /// By the name that another program gives it.
    Named(&'e str),
    /// Not at all.
    Nothing,
}

/// The table: each event's name outside.
#[expect(
    clippy::match_same_arms,
    reason = "each reason for not telling stands at its own kinds"
)]
fn form_of(event: &Event) -> OdaForm<'_> {
    use OdaMessage as Message;
    match event {
        Event::Logged(event) => match event {
            Logged::CommandUpdated(_) => OdaForm::Message(Message::CommandUpdated),
            Logged::InventoryLowStock(_) | Logged::InventoryOutOfStock(_) => {
                OdaForm::Message(Message::InventoryLowStock)
            }
            Logged::InventoryReservation(_) => OdaForm::Message(Message::InventoryReservation),
            Logged::InventoryRestocked(_) => OdaForm::Message(Message::InventoryRestocked),
            Logged::InventoryTransfer(_) => OdaForm::Message(Message::InventoryTransfer),
            Logged::InventoryUpdated(_) => OdaForm::Message(Message::InventoryUpdated),
            Logged::OrderCreated(_)
            | Logged::OrderDeleted(_)
            | Logged::OrderStatusChanged(_)
            | Logged::OrderUpdated(_)
            | Logged::PaymentFailed(EventData::Posted(_))
            | Logged::PaymentReceived(EventData::Posted(_))
            | Logged::PaymentRefunded(EventData::Posted(_))
            | Logged::PaymentStatusChanged(_) => OdaForm::Message(Message::OrderUpdated),
            // A payment of our own arrives as `order:updated` with `change: payment`; a second event would tell it twice.
            Logged::PaymentFailed(EventData::Own(_))
            | Logged::PaymentReceived(EventData::Own(_))
            | Logged::PaymentRefunded(EventData::Own(_)) => OdaForm::Nothing,
            Logged::ShopifySyncStatus(_) => OdaForm::Message(Message::SyncStatus),
            // The contract has no word for it; staff read drift over REST.
            Logged::ShopifyDrift(_) => OdaForm::Nothing,
            Logged::CustomerActivity(_)
            | Logged::CustomerAddedToCart(_)
            | Logged::CustomerViewingProduct(_)
            | Logged::ProductCreated(_)
            | Logged::ProductDeleted(_)
            | Logged::ProductPriceChanged(_)
            | Logged::ProductUpdated(_)
            | Logged::UserActivity(_) => OdaForm::Notification(NotificationType::UserActivity),
            Logged::SecurityAlert(_) => OdaForm::Notification(NotificationType::SecurityAlert),
            Logged::CompanyNotification(_)
            | Logged::ShopNotification(_)
            | Logged::SystemAlert(_)
            | Logged::SystemNotification(_)
            | Logged::UserNotification(_) => OdaForm::Notification(NotificationType::SystemEvent),
            Logged::SystemMaintenance(_) => {
                OdaForm::Notification(NotificationType::SystemMaintenance)
            }
            Logged::Emitted(emitted) => OdaForm::Named(&emitted.event),
        },
        Event::Ephemeral(event) => match event {
            Ephemeral::CustomerOffline(_) | Ephemeral::CustomerOnline(_) => {
                OdaForm::Notification(NotificationType::UserActivity)
            }
            Ephemeral::ShopifyProgress(run) => OdaForm::Message(match run.resource {
                Resource::Customers => Message::CustomerProgress,
                Resource::Inventory => Message::InventoryProgress,
                Resource::Orders => Message::OrderProgress,
                Resource::Products => Message::ProductProgress,
            }),
            Ephemeral::ShopifyWebhookReceived(_) => OdaForm::Message(Message::WebhookReceived),
            // Clients of oda neither make up rooms nor type in them.
            Ephemeral::Typing(_) => OdaForm::Nothing,
        },
    }
}

/// The frame around every event; the ephemeral have no `id`.
#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    shop: &'a ShopDomain,
    timestamp: Timestamp,
    data: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Offset>,
}

/// Several events share one type of notification, so the data says which one it was.
#[derive(Serialize)]
struct NotificationData<'a, T> {
    #[serde(flatten)]
    data: &'a T,
    event: Kind,
}

#[derive(Serialize)]
struct RunPercent<'a> {
    #[serde(flatten)]
    run: &'a SyncRun,
    percent: Option<u8>,
}

/// What the documents' clients listen for when a command that was acknowledged fails later.
fn afterthought(event: &Event) -> Option<ContractMessage> {
    let Event::Logged(Logged::CommandUpdated(command)) = event else {
        return None;
    };
    let error = command.error.as_ref()?;
    let request = json!({ "commandId": command.command_id, "kind": command.kind });
    let name = request::failure_event_of(command.kind).as_str();
    Some(ContractMessage::new(name, &failure(error, &request)))
}

fn failure(body: &ErrorBody, request: &Value) -> Value {
    json!({ "error": body.message, "code": body.code, "retryable": body.retryable, "request": request })
}

/// What happened, as JSON: a shape of ours, or what was posted.
fn data(event: &Event) -> serde_json::Result<Box<RawValue>> {
    let kind = event.kind();
    match event {
        Event::Logged(event) => match event {
            Logged::CommandUpdated(command) => to_raw_value(command),
            Logged::InventoryLowStock(level) => crossing(level, "low_stock"),
            Logged::InventoryOutOfStock(level) => crossing(level, "out_of_stock"),
            Logged::InventoryReservation(reservation) => plain(reservation),
            Logged::InventoryRestocked(level) => plain(level),
            Logged::InventoryTransfer(transfer) => plain(transfer),
            Logged::InventoryUpdated(change) => match change {
                EventData::Own(change) => to_raw_value(&change.public()),
                EventData::Posted(posted) => posted_data(posted, None),
            },
            Logged::OrderCreated(order) => order_data(order, "created"),
            Logged::OrderDeleted(order) => order_data(order, "deleted"),
            Logged::OrderStatusChanged(order) => order_data(order, "status_changed"),
            Logged::OrderUpdated(order) => order_data(order, "updated"),
            Logged::PaymentFailed(payment)
            | Logged::PaymentReceived(payment)
            | Logged::PaymentRefunded(payment) => match payment {
                EventData::Own(payment) => to_raw_value(payment),
                EventData::Posted(posted) => posted_data(posted, Some(("change", "payment"))),
            },
            Logged::PaymentStatusChanged(posted) => {
                posted_data(posted, Some(("change", "payment")))
            }
            Logged::ShopifySyncStatus(run) => to_raw_value(run),
            Logged::ShopifyDrift(drift) => to_raw_value(drift),
            Logged::CustomerActivity(activity) => notification(activity, kind),
            Logged::ProductCreated(product)
            | Logged::ProductDeleted(product)
            | Logged::ProductUpdated(product) => notification(product, kind),
            Logged::ProductPriceChanged(change) => notification(change, kind),
            Logged::SystemAlert(notice) => notification(notice, kind),
            Logged::CompanyNotification(posted)
            | Logged::CustomerAddedToCart(posted)
            | Logged::CustomerViewingProduct(posted)
            | Logged::SecurityAlert(posted)
            | Logged::ShopNotification(posted)
            | Logged::SystemMaintenance(posted)
            | Logged::SystemNotification(posted)
            | Logged::UserActivity(posted)
            | Logged::UserNotification(posted) => {
                posted_data(posted, Some(("event", kind.as_str())))
            }
            Logged::Emitted(emitted) => to_raw_value(&emitted.data),
        },
        Event::Ephemeral(event) => match event {
            Ephemeral::CustomerOffline(customer) | Ephemeral::CustomerOnline(customer) => {
                notification(customer, kind)
            }
            Ephemeral::ShopifyProgress(run) => to_raw_value(&RunPercent {
                run,
                percent: run.percent(),
            }),
            Ephemeral::ShopifyWebhookReceived(webhook) => to_raw_value(webhook),
            Ephemeral::Typing(typing) => to_raw_value(typing),
        },
    }
}

fn plain<T: Serialize>(data: &EventData<T>) -> serde_json::Result<Box<RawValue>> {
    match data {
        EventData::Own(data) => to_raw_value(data),
        EventData::Posted(posted) => posted_data(posted, None),
    }
}

fn crossing(
    level: &EventData<LevelShape>,
    status: &'static str,
) -> serde_json::Result<Box<RawValue>> {
    match level {
        EventData::Own(level) => to_raw_value(level),
        EventData::Posted(posted) => posted_data(posted, Some(("status", status))),
    }
}

fn order_data(
    order: &EventData<OrderChanged>,
    change: &'static str,
) -> serde_json::Result<Box<RawValue>> {
    match order {
        EventData::Own(order) => to_raw_value(&OrderChanged {
            // Only another contract tells it.
            customer_name: None,
            ..order.public()
        }),
        EventData::Posted(posted) => posted_data(posted, Some(("change", change))),
    }
}

fn notification<T: Serialize>(
    data: &EventData<T>,
    event: Kind,
) -> serde_json::Result<Box<RawValue>> {
    match data {
        EventData::Own(data) => to_raw_value(&NotificationData { data, event }),
        EventData::Posted(posted) => posted_data(posted, Some(("event", event.as_str()))),
    }
}

/// What others say, who says it, the ids that we read out of it, and what the contract has beside them.
fn posted_data(
    posted: &Posted,
    beside: Option<(&str, &'static str)>,
) -> serde_json::Result<Box<RawValue>> {
    let mut data = posted.data.clone();
    data.insert("source".to_owned(), json!(posted.source));
    let known = [
        ("orderId", posted.order_id.as_ref()),
        ("productId", posted.product_id.as_ref()),
    ];
    data.extend(
        known
            .into_iter()
            .filter_map(|(key, id)| Some((key.to_owned(), json!(id?)))),
    );
    data.extend(beside.map(|(key, text)| (key.to_owned(), text.into())));
    to_raw_value(&data)
}

#[cfg(test)]
mod tests;
