//! What a plain GET is told: how to use the connection, and what its bounds are.

use serde_json::{Map, Value, json};

use schemas::{Kind, Role};

use super::{OmniMessage, Topic, row};
use crate::options::HubOptions;

/// How to use it.
pub(crate) fn usage() -> Value {
    json!({
        "message": "Connect here by WebSocket; every message is a JSON text {type, data}",
        "send": {
            "auth": { "token": "a signed token (or as sessionId)", "since": "optional: the id of the last event you have" },
            "subscribe": { "namespace": names(), "since": "optional", "batchMs": "optional: events put together for so long" },
            "unsubscribe": { "namespace": names() },
            "ping": {},
        },
        "receive": {
            "connection": OmniMessage::ALL.iter().map(|message| message.as_str()).collect::<Vec<_>>(),
            "events": events(),
        },
        "event": { "type": "one of events", "data": {}, "id": "its place, for since", "timestamp": "RFC 3339" },
        "info": "/api/ws/info",
        "stats": "/api/ws/stats",
    })
}

/// What there is, for whom, and within which bounds.
pub(crate) fn info(options: &HubOptions) -> Value {
    let roles = |topic: Topic| {
        let mut roles = Role::ALL.into_iter().filter(|role| topic.is_for(*role));
        roles.by_ref().map(Role::as_str).collect::<Vec<_>>()
    };
    let namespaces =
        Topic::ALL.map(|topic| (topic.as_str().to_owned(), json!({ "roles": roles(topic) })));
    let milliseconds =
        |time: std::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    json!({
        "endpoint": "/api/ws",
        "authentication": "a signed token, in an auth message or as Authorization: Bearer; guests see what guests may",
        "namespaces": Map::from_iter(namespaces),
        "events": events(),
        "features": ["since", "batchMs", "ping"],
        "limits": {
            "connections": options.connections_max,
            "connectionsPerAddress": options.connections_per_address_max,
            "messagesPerMinute": options.plain_messages_per_minute,
            "messageBytes": options.max_payload,
            "pingIntervalMs": milliseconds(options.plain_ping_interval),
            "pongTimeoutMs": milliseconds(options.plain_pong_timeout),
        },
    })
}

fn names() -> [&'static str; 6] {
    Topic::ALL.map(Topic::as_str)
}

/// Each namespace with the events under it.
fn events() -> Map<String, Value> {
    let of = |topic: Topic| {
        let mut types: Vec<_> = Kind::ALL
            .iter()
            .filter_map(|kind| row(*kind))
            .filter(|row| row.1 == topic)
            .map(|row| row.0)
            .collect();
        types.sort_unstable();
        types.dedup();
        json!(types)
    };
    Topic::ALL
        .map(|topic| (topic.as_str().to_owned(), of(topic)))
        .into_iter()
        .collect()
}
