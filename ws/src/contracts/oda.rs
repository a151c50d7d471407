//! The native contract: what each event is called and how it looks, what clients may ask, and how they are answered.

mod request;

pub(crate) use request::{Request, Rooms, Since, may_be_in, may_be_in_name, parse};

use bytes::Bytes;
use schemas::event::OrderChanged;
use schemas::{ErrorBody, Event, Identity, Offset, Resource, Room, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::broadcast::Broadcast;
use crate::contracts::Voice;
use crate::socketio::{Call, Content};

/// The table: each event's name outside, or `None` where the contract has none.
fn name(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::CommandUpdated(_) => "command:updated",
        Event::InventoryLowStock(_) | Event::InventoryOutOfStock(_) => "inventory:lowStock",
        Event::InventoryReservation(_) => "inventory:reservation",
        Event::InventoryRestocked(_) => "inventory:restocked",
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
        | Event::InventoryTransfer(_)
        | Event::ShopifyDrift(_) => return None,
        _ => return notification_kind(event).map(|_| "notification"),
    })
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
        _ => None,
    }
}

/// The envelope of every event; the ephemeral have no `id`.
#[derive(Serialize)]
struct Envelope<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Offset>,
    #[serde(rename = "type")]
    kind: &'static str,
    shop: &'a str,
    data: Value,
    timestamp: Timestamp,
}

/// An event's name and its payload as JSON.
pub(crate) fn wire(broadcast: &Broadcast) -> Option<(&'static str, String)> {
    let event = &broadcast.event;
    let name = name(event)?;
    let envelope = Envelope {
        id: broadcast.offset,
        kind: notification_kind(event).unwrap_or(name),
        shop: broadcast.shop.as_str(),
        data: data(event)?,
        timestamp: broadcast.at,
    };
    Some((name, serde_json::to_string(&envelope).ok()?))
}

/// What the documents' clients listen for when a command that was acknowledged fails later.
pub(crate) fn afterthought(event: &Event) -> Option<(&'static str, String)> {
    let Event::CommandUpdated(command) = event else { return None };
    let error = command.error.as_ref()?;
    let request = json!({ "commandId": command.command_id, "kind": command.kind });
    let payload = failure(error, &request);
    Some((request::failure_event_of(command.kind), payload.to_string()))
}

fn failure(body: &ErrorBody, request: &Value) -> Value {
    json!({ "error": body.message, "code": body.code, "retryable": body.retryable, "request": request })
}

fn data(event: &Event) -> Option<Value> {
    let mut tagged = serde_json::to_value(event).ok()?;
    let mut data = tagged.get_mut("data")?.take();
    match event {
        Event::ShopifyProgress(run) => data["percent"] = json!(run.percent()),
        Event::OrderCreated(OrderChanged { .. })
        | Event::OrderDeleted(_)
        | Event::OrderStatusChanged(_)
        | Event::OrderUpdated(_) => {
            // Decides who sees it; not part of the shape.
            data.as_object_mut()?.remove("locations");
        }
        // Several events share one type here, so it says which one it was.
        _ if notification_kind(event).is_some() => data["event"] = tagged["kind"].take(),
        _ => {}
    }
    Some(data)
}

/// A room as clients know it.
pub(crate) fn room_name(room: &Room, identity: &Identity) -> String {
    match room {
        Room::Notifications => format!("notifications:{}", identity.user_id),
        room => room.to_string(),
    }
}

/// The rooms one is in from the start: those of the log, and those that exist by name.
pub(crate) fn first_rooms(identity: &Identity) -> Rooms {
    let mut rooms = Rooms::default();
    rooms.known.insert(Room::User(identity.user_id.clone()));
    rooms.names.insert(format!("role:{}", identity.role.as_str()));
    if identity.role.is_staff() {
        rooms.known.insert(Room::ShopifySync);
    }
    rooms
}

/// What follows the answer to CONNECT.
pub(crate) fn connected(
    voice: Voice,
    identity: &Identity,
    socket_id: &str,
    rooms: &Rooms,
    offset: Offset,
    now: Timestamp,
) -> Bytes {
    let payload = json!({
        "userId": identity.user_id,
        "role": identity.role,
        "socketId": socket_id,
        "rooms": rooms.listing(identity),
        "offset": offset,
        "timestamp": now,
    });
    voice.event("connected", &payload.to_string())
}

/// Tells the client to load again what it shows.
pub(crate) fn resync(voice: Voice, reason: &str) -> Bytes {
    voice.event("resync", &json!({ "reason": reason }).to_string())
}

/// The acknowledgement of a request that went well, if one was asked for.
pub(crate) fn answer(voice: Voice, call: &Call, mut fields: Map<String, Value>) -> Option<Bytes> {
    fields.insert("ok".to_owned(), true.into());
    call.id.map(|id| voice.packet(Content::Ack { id, args: vec![fields.into()], attachments: 0 }))
}

/// Everything a client is told of a request that was refused: the acknowledgement, and the events for clients
/// that use none.
pub(crate) fn refuse(voice: Voice, call: &Call, body: &ErrorBody) -> Vec<Bytes> {
    let mut frames = Vec::new();
    if let Some(id) = call.id {
        let args = vec![json!({ "ok": false, "error": body })];
        frames.push(voice.packet(Content::Ack { id, args, attachments: 0 }));
    }
    if let Some(name) = request::failure_event(&call.name) {
        let payload = failure(body, call.args.first().unwrap_or(&Value::Null));
        frames.push(voice.event(name, &payload.to_string()));
    }
    frames.push(error(voice, body, Some(&call.name)));
    frames
}

/// The `error` event.
pub(crate) fn error(voice: Voice, body: &ErrorBody, event: Option<&str>) -> Bytes {
    let event = event.map(|event| event.chars().take(EVENT_CHARS_MAX).collect::<String>());
    let payload = json!({ "code": body.code, "message": body.message, "event": event });
    voice.event("error", &payload.to_string())
}

/// Of an event's name as far as it is repeated to who sent it.
const EVENT_CHARS_MAX: usize = 128;

#[cfg(test)]
mod tests;
