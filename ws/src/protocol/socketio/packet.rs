//! Socket.IO packets as text, read and written.
//!
//! Stricter than socket.io-parser in what no real client sends: an event's name is a string, and an
//! acknowledgement has its number. Attachments travel in binary messages of their own and are not
//! read here.

use std::fmt::Write as _;

use bytes::Bytes;
use schemas::json;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::limits::{ATTACHMENTS_MAX, NAMESPACE_BYTES_MAX};
use crate::protocol::{engine, frame};

/// One Socket.IO packet.
#[derive(Debug, Clone, PartialEq)]
pub struct SocketIoPacket {
    /// `/` or `/name`, without a query.
    pub namespace: String,
    /// The type of the packet, with its data.
    pub content: PacketContent,
}

/// The type of a packet, with its data.
#[derive(Debug, Clone, PartialEq)]
pub enum PacketContent {
    /// Acknowledges an event.
    Ack {
        /// The number of that event.
        id: u64,
        /// The arguments for the client's callback.
        args: Vec<Value>,
        /// How many binary messages follow.
        attachments: u8,
    },
    /// A client asks to enter the namespace, or the server lets it in.
    Connect(Option<Map<String, Value>>),
    /// The server refuses to let the client in.
    ConnectError(Value),
    /// One side leaves the namespace.
    Disconnect,
    /// An event with arguments.
    Event {
        /// The number for the acknowledgement; `None` when none is wanted.
        id: Option<u64>,
        /// The name of the event.
        name: String,
        /// The arguments after the name.
        args: Vec<Value>,
        /// How many binary messages follow.
        attachments: u8,
    },
}

/// The text is no Socket.IO packet. The connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a Socket.IO packet")]
pub struct SocketIoPacketError;

/// Names that the client libraries use themselves, and which must not come as events.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// Digits of an acknowledgement's number. JavaScript's safe integers have no more.
const ID_DIGITS_MAX: usize = 16;

impl SocketIoPacket {
    /// Reads the text of one Engine.IO message.
    pub fn parse(text: &str) -> Result<Self, SocketIoPacketError> {
        let mut rest = text.get(1..).ok_or(SocketIoPacketError)?;
        let kind = text.as_bytes()[0];
        let mut attachments = 0;
        if matches!(kind, b'5' | b'6') {
            let (count, after) = rest.split_once('-').ok_or(SocketIoPacketError)?;
            attachments = digits(count)
                .and_then(|n| u8::try_from(n).ok())
                .ok_or(SocketIoPacketError)?;
            if !(1..=ATTACHMENTS_MAX).contains(&attachments) {
                return Err(SocketIoPacketError);
            }
            rest = after;
        }
        let mut namespace = "/";
        if rest.starts_with('/') {
            (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
            namespace = namespace
                .split_once('?')
                .map_or(namespace, |(name, _query)| name);
            if namespace.len() > NAMESPACE_BYTES_MAX {
                return Err(SocketIoPacketError);
            }
        }
        let (id, json) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
        let id = if id.is_empty() {
            None
        } else {
            Some(digits(id).ok_or(SocketIoPacketError)?)
        };
        let content = match kind {
            b'0' if json.is_empty() => PacketContent::Connect(None),
            b'0' => PacketContent::Connect(Some(read(json)?)),
            b'1' if json.is_empty() => PacketContent::Disconnect,
            b'2' | b'5' => {
                let mut args = read::<Vec<Value>>(json)?.into_iter();
                let Some(Value::String(name)) = args.next() else {
                    return Err(SocketIoPacketError);
                };
                if RESERVED.contains(&name.as_str()) {
                    return Err(SocketIoPacketError);
                }
                PacketContent::Event {
                    id,
                    name,
                    args: args.collect(),
                    attachments,
                }
            }
            b'3' | b'6' => PacketContent::Ack {
                id: id.ok_or(SocketIoPacketError)?,
                args: read(json)?,
                attachments,
            },
            b'4' => match read(json)? {
                payload @ (Value::String(_) | Value::Object(_)) => {
                    PacketContent::ConnectError(payload)
                }
                _ => return Err(SocketIoPacketError),
            },
            _ => return Err(SocketIoPacketError),
        };
        match &content {
            PacketContent::Event { args, .. } | PacketContent::Ack { args, .. }
                if attachments > 0 =>
            {
                args.iter()
                    .try_for_each(|arg| check_placeholders(arg, attachments))?;
            }
            _ => {}
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            content,
        })
    }

    /// Writes the text of one Engine.IO message.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let (kind, attachments) = match &self.content {
            PacketContent::Connect(_) => ('0', 0),
            PacketContent::Disconnect => ('1', 0),
            PacketContent::Event { attachments: 0, .. } => ('2', 0),
            PacketContent::Ack { attachments: 0, .. } => ('3', 0),
            PacketContent::ConnectError(_) => ('4', 0),
            PacketContent::Event { attachments, .. } => ('5', *attachments),
            PacketContent::Ack { attachments, .. } => ('6', *attachments),
        };
        text.push(kind);
        if attachments > 0 {
            // Writing to a string cannot fail, here and below.
            let _ = write!(text, "{attachments}-");
        }
        text.push_str(prefix(&self.namespace).0);
        text.push_str(prefix(&self.namespace).1);
        let _ = match &self.content {
            PacketContent::Connect(None) | PacketContent::Disconnect => Ok(()),
            PacketContent::Connect(Some(payload)) => write!(text, "{}", serde_json::json!(payload)),
            PacketContent::ConnectError(payload) => write!(text, "{payload}"),
            PacketContent::Event { id, name, args, .. } => {
                let id = id.map(|id| id.to_string()).unwrap_or_default();
                let name = Value::from(name.as_str());
                let array: Vec<&Value> = std::iter::once(&name).chain(args).collect();
                write!(text, "{id}{}", serde_json::json!(array))
            }
            PacketContent::Ack { id, args, .. } => write!(text, "{id}{}", serde_json::json!(args)),
        };
        text
    }

    /// Writes a whole WebSocket frame. The attachments follow in frames of their own.
    pub fn frame(&self) -> Bytes {
        frame::text(&engine::EnginePacket::Message(&self.encode()).encode())
    }
}

/// The text of an event whose argument is already JSON, for frames that are made once for many
/// clients. `last` is one more argument: a text that needs no escapes.
pub fn event(namespace: &str, name: &str, json: &str, last: Option<&str>) -> String {
    let (namespace, comma) = prefix(namespace);
    let name = Value::from(name);
    match last {
        Some(last) => format!("2{namespace}{comma}[{name},{json},\"{last}\"]"),
        None => format!("2{namespace}{comma}[{name},{json}]"),
    }
}

/// The beginning of an acknowledgement whose argument is already JSON. More of the argument may
/// follow; `]` ends it.
pub(crate) fn ack_begin(namespace: &str, id: u64, json: &str) -> String {
    let (namespace, comma) = prefix(namespace);
    format!("3{namespace}{comma}{id}[{json}")
}

/// How a namespace is written in a packet: the root namespace not at all.
fn prefix(namespace: &str) -> (&str, &str) {
    if namespace == "/" {
        ("", "")
    } else {
        (namespace, ",")
    }
}

fn digits(text: &str) -> Option<u64> {
    let plain = !text.is_empty()
        && text.len() <= ID_DIGITS_MAX
        && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, SocketIoPacketError> {
    json::read(text.as_bytes()).map_err(|_| SocketIoPacketError)
}

/// Checks that every placeholder names one of the attachments; otherwise a later access would be
/// out of bounds.
fn check_placeholders(value: &Value, attachments: u8) -> Result<(), SocketIoPacketError> {
    match value {
        Value::Array(values) => values
            .iter()
            .try_for_each(|value| check_placeholders(value, attachments)),
        Value::Object(fields) if fields.get("_placeholder") == Some(&Value::Bool(true)) => {
            let number = fields
                .get("num")
                .and_then(Value::as_u64)
                .ok_or(SocketIoPacketError)?;
            if number < u64::from(attachments) {
                Ok(())
            } else {
                Err(SocketIoPacketError)
            }
        }
        Value::Object(fields) => fields
            .values()
            .try_for_each(|value| check_placeholders(value, attachments)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
