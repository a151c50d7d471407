//! Packets as text, read and written.
//!
//! Stricter than socket.io-parser where it matters to nobody honest: an event's name is a string, an
//! acknowledgement has its number. The bytes of attachments travel in messages of their own and are not read here.

use std::fmt::Write as _;

use bytes::Bytes;
use schemas::json;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::limits::{ATTACHMENTS_MAX, NAMESPACE_BYTES_MAX};
use crate::protocol::{engine, frame};

/// One packet.
#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    /// `/` or `/name`, without a query.
    pub namespace: String,
    /// What it says.
    pub content: Content,
}

/// What a packet says.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// An acknowledgement.
    Ack {
        /// Of which event.
        id: u64,
        /// With what.
        args: Vec<Value>,
        /// How many binary messages follow.
        attachments: u8,
    },
    /// A client wants in, or the server lets it.
    Connect(Option<Map<String, Value>>),
    /// The server does not let it in.
    ConnectError(Value),
    /// One side leaves the namespace.
    Disconnect,
    /// An event.
    Event {
        /// Present when an acknowledgement is wanted.
        id: Option<u64>,
        /// Its name.
        name: String,
        /// Its arguments.
        args: Vec<Value>,
        /// How many binary messages follow.
        attachments: u8,
    },
}

/// The text is no packet; the connection it came from is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a Socket.IO packet")]
pub struct Malformed;

/// Names that mean something to the libraries on either side and must not come as events.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// Digits of an acknowledgement's number: JavaScript's safe integers have no more.
const ID_DIGITS_MAX: usize = 16;

impl Packet {
    /// Reads the text of one Engine.IO message.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut rest = text.get(1..).ok_or(Malformed)?;
        let kind = text.as_bytes()[0];
        let mut attachments = 0;
        if matches!(kind, b'5' | b'6') {
            let (count, after) = rest.split_once('-').ok_or(Malformed)?;
            attachments = digits(count)
                .and_then(|n| u8::try_from(n).ok())
                .ok_or(Malformed)?;
            if !(1..=ATTACHMENTS_MAX).contains(&attachments) {
                return Err(Malformed);
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
                return Err(Malformed);
            }
        }
        let (id, json) = rest.split_at(rest.bytes().take_while(u8::is_ascii_digit).count());
        let id = if id.is_empty() {
            None
        } else {
            Some(digits(id).ok_or(Malformed)?)
        };
        let content = match kind {
            b'0' if json.is_empty() => Content::Connect(None),
            b'0' => Content::Connect(Some(read(json)?)),
            b'1' if json.is_empty() => Content::Disconnect,
            b'2' | b'5' => {
                let mut args = read::<Vec<Value>>(json)?.into_iter();
                let Some(Value::String(name)) = args.next() else {
                    return Err(Malformed);
                };
                if RESERVED.contains(&name.as_str()) {
                    return Err(Malformed);
                }
                Content::Event {
                    id,
                    name,
                    args: args.collect(),
                    attachments,
                }
            }
            b'3' | b'6' => Content::Ack {
                id: id.ok_or(Malformed)?,
                args: read(json)?,
                attachments,
            },
            b'4' => match read(json)? {
                payload @ (Value::String(_) | Value::Object(_)) => Content::ConnectError(payload),
                _ => return Err(Malformed),
            },
            _ => return Err(Malformed),
        };
        match &content {
            Content::Event { args, .. } | Content::Ack { args, .. } if attachments > 0 => {
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

    /// Writes it as the text of one Engine.IO message.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        let (kind, attachments) = match &self.content {
            Content::Connect(_) => ('0', 0),
            Content::Disconnect => ('1', 0),
            Content::Event { attachments: 0, .. } => ('2', 0),
            Content::Ack { attachments: 0, .. } => ('3', 0),
            Content::ConnectError(_) => ('4', 0),
            Content::Event { attachments, .. } => ('5', *attachments),
            Content::Ack { attachments, .. } => ('6', *attachments),
        };
        text.push(kind);
        if attachments > 0 {
            // Writing to a string cannot fail, here and below.
            let _ = write!(text, "{attachments}-");
        }
        text.push_str(prefix(&self.namespace).0);
        text.push_str(prefix(&self.namespace).1);
        let _ = match &self.content {
            Content::Connect(None) | Content::Disconnect => Ok(()),
            Content::Connect(Some(payload)) => write!(text, "{}", serde_json::json!(payload)),
            Content::ConnectError(payload) => write!(text, "{payload}"),
            Content::Event { id, name, args, .. } => {
                let id = id.map(|id| id.to_string()).unwrap_or_default();
                let name = Value::from(name.as_str());
                let array: Vec<&Value> = std::iter::once(&name).chain(args).collect();
                write!(text, "{id}{}", serde_json::json!(array))
            }
            Content::Ack { id, args, .. } => write!(text, "{id}{}", serde_json::json!(args)),
        };
        text
    }

    /// Writes it as a whole WebSocket frame. Its attachments follow in frames of their own.
    pub fn frame(&self) -> Bytes {
        frame::text(&engine::Packet::Message(&self.encode()).encode())
    }
}

/// The text of an event with an argument that is JSON already, for frames that are made once for many; and with a
/// last one, a text that needs no escapes.
pub fn event(namespace: &str, name: &str, json: &str, last: Option<&str>) -> String {
    let (namespace, comma) = prefix(namespace);
    let name = Value::from(name);
    match last {
        Some(last) => format!("2{namespace}{comma}[{name},{json},\"{last}\"]"),
        None => format!("2{namespace}{comma}[{name},{json}]"),
    }
}

/// The text of an acknowledgement up to somewhere in its argument, which is JSON already; `]` ends it.
pub(crate) fn ack_begin(namespace: &str, id: u64, json: &str) -> String {
    let (namespace, comma) = prefix(namespace);
    format!("3{namespace}{comma}{id}[{json}")
}

/// The root namespace is not written.
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

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Malformed> {
    json::read(text.as_bytes()).map_err(|_| Malformed)
}

/// A placeholder's number must be one of the attachments, whatever else a hostile client writes there.
fn check_placeholders(value: &Value, attachments: u8) -> Result<(), Malformed> {
    match value {
        Value::Array(values) => values
            .iter()
            .try_for_each(|value| check_placeholders(value, attachments)),
        Value::Object(fields) if fields.get("_placeholder") == Some(&Value::Bool(true)) => {
            let number = fields.get("num").and_then(Value::as_u64).ok_or(Malformed)?;
            if number < u64::from(attachments) {
                Ok(())
            } else {
                Err(Malformed)
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
