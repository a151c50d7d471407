//! The contracts, and where they are spoken: in namespaces of Socket.IO and on plain WebSockets.
//!
//! A contract decides who may join what, what an event is called and how it looks, and how a client is answered;
//! nothing else differs. Each is a module that reads like the table in its document.

pub(crate) mod hub;
mod names;
pub(crate) mod normalized;
pub(crate) mod oda;
pub(crate) mod omni;
pub(crate) mod oms;
pub(crate) mod request;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use schemas::{ErrorBody, Event, Identity, LocationId, Offset, Room, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value, json};

use self::request::Request;
use crate::hub::broadcast::Broadcast;
use crate::hub::reader::NotificationKinds;
use crate::hub::recovery::Cursor;
use crate::protocol::socketio::{ClientCall, NamespaceId as _, PacketContent};
use crate::protocol::{engine, frame, socketio};

pub use self::hub::{HubMessage, HubRequest};
pub use self::oda::{NotificationType, OdaMessage, OdaRequest};
pub use self::omni::{OmniMessage, OmniRequest};
pub use self::oms::{OmsMessage, OmsRequest};

/// What a client is told first, in every contract.
const CONNECTED: &str = "connected";
/// What some clients ask to see whether anybody is there, and what they are answered.
const PING: &str = "ping";
const PONG: &str = "pong";
/// What a client is told that must load again what it shows.
const RESYNC: &str = "resync";
/// What a client is told whose request is refused.
const ERROR: &str = "error";

/// What one contract answers to the questions that all are asked.
pub(crate) trait Contract: Sync {
    /// An event as this contract tells it: nothing, once, or several times by several names.
    fn messages(&self, outgoing: &OutgoingEvent<'_>) -> Vec<ContractMessage>;

    /// The rooms one is in from the start.
    fn first_rooms(&self, identity: &Identity) -> BTreeSet<Room>;

    /// Whether somebody may be in a room that was joined on request, perhaps with other rights.
    fn may_be_in(&self, room: &Room, identity: &Identity) -> bool;

    /// A room as clients know it; none for those that go without saying.
    fn room_name(&self, room: &Room, identity: &Identity) -> Option<String>;

    /// Reads what a client asks and checks it against who it is.
    fn read(&self, call: &ClientCall, identity: &Identity) -> Result<Request, ErrorBody>;

    /// What follows the answer to CONNECT, under the name `connected`.
    fn connected(&self, arrival: &Arrived<'_>) -> Value;

    /// Whether such an event looks different to those who are limited to locations.
    fn depends_on_locations(&self, _event: &Event) -> bool {
        false
    }

    /// Whether a room that somebody is in brings them such an event, by the kinds of notification they want.
    fn brings(&self, _room: &Room, _event: &Event, _kinds: &NotificationKinds) -> bool {
        true
    }

    /// What a client is told beside the acknowledgement, which has those fields, of a request that went well.
    fn confirmed(
        &self,
        _call: &ClientCall,
        _fields: &Map<String, Value>,
        _identity: &Identity,
    ) -> Option<(&'static str, Value)> {
        None
    }

    /// What a client is told beside the acknowledgement and the `error` event of a request that was refused.
    fn failed(&self, _call: &ClientCall, _error: &ErrorBody) -> Option<(&'static str, Value)> {
        None
    }
}

/// An event that is to be told.
pub(crate) struct OutgoingEvent<'a> {
    pub(crate) event: &'a Event,
    /// Its place in the log; none for the ephemeral.
    pub(crate) offset: Option<Offset>,
    pub(crate) shop: &'a schemas::ShopDomain,
    /// The company that the shop belongs to.
    pub(crate) company: Option<&'a schemas::AnyId>,
    pub(crate) at: Timestamp,
    /// The locations that whoever hears it is limited to.
    pub(crate) limited_to: Option<&'a [LocationId]>,
}

/// One of the frames that an event becomes.
pub(crate) struct ContractMessage {
    pub(crate) name: Cow<'static, str>,
    /// As JSON; shared where several messages say the same.
    pub(crate) payload: Arc<str>,
    /// It is for whoever is in one of these; `None` for everybody in one of the event's own rooms.
    pub(crate) rooms: Option<Vec<Room>>,
}

impl ContractMessage {
    /// For everybody who hears the event.
    pub(crate) fn new(name: impl Into<Cow<'static, str>>, payload: &impl Serialize) -> Self {
        Self::shared(name, &json_text(payload))
    }

    /// The same with a payload that other messages have as well.
    pub(crate) fn shared(name: impl Into<Cow<'static, str>>, payload: &Arc<str>) -> Self {
        Self {
            name: name.into(),
            payload: Arc::clone(payload),
            rooms: None,
        }
    }

    /// For those of them who are in one of these rooms.
    pub(crate) fn to(self, rooms: impl IntoIterator<Item = Room>) -> Self {
        Self {
            rooms: Some(rooms.into_iter().collect()),
            ..self
        }
    }
}

/// A payload as JSON. Shapes of ours: there is nothing in them that JSON cannot say.
pub(crate) fn json_text(payload: &impl Serialize) -> Arc<str> {
    serde_json::to_string(payload).unwrap_or_default().into()
}

/// Somebody who was let in.
pub(crate) struct Arrived<'a> {
    pub(crate) identity: &'a Identity,
    /// Whether nobody knows who that is.
    pub(crate) is_anonymous: bool,
    pub(crate) socket_id: &'a str,
    pub(crate) rooms: Vec<String>,
    pub(crate) offset: Offset,
    pub(crate) at: Timestamp,
}

/// A message as a whole WebSocket frame, shared by all who are sent it.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) bytes: Bytes,
    pub(crate) rooms: Option<Box<[Room]>>,
}

/// Where a contract is spoken. Each has frames of its own, because a frame contains the namespace's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Namespace {
    /// `/`, which speaks oda.
    Root,
    /// `/oda`.
    Oda,
    /// `/events`, which speaks oms.
    Events,
    /// `/hub`.
    Hub,
    /// `/` where a listener says that it speaks hub.
    HubRoot,
    /// oms on a WebSocket without Socket.IO.
    PlainEvents,
    /// omni, which knows no Socket.IO.
    Omni,
}

/// A room as oms's documents call it; none for those that they do not know.
pub fn oms_room(room: &Room) -> Option<String> {
    oms::room_name(room)
}

/// What `/` speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Root {
    /// Hub, for clients that connect to a port of its own.
    Hub,
    /// Our own contract.
    #[default]
    Oda,
}

/// How many there are.
pub(crate) const NAMESPACES: usize = 7;

/// What is spoken on a WebSocket without Socket.IO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// omni, at `/api/ws`: `{"type", "data"}`.
    Omni,
    /// oms, at `/events`: the name of an event, or `{"event", "data"}`.
    Oms,
}

impl Dialect {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Omni, Self::Oms];

    /// Reads a message.
    pub fn read(self, text: &str) -> Result<ClientCall, ErrorBody> {
        match self {
            Self::Omni => omni::read(text),
            Self::Oms => oms::read(text),
        }
    }

    /// Whether those without a token come in.
    pub(crate) fn takes_guests(self) -> bool {
        self == Self::Omni
    }

    pub(crate) fn namespace(self) -> Namespace {
        match self {
            Self::Omni => Namespace::Omni,
            Self::Oms => Namespace::PlainEvents,
        }
    }
}

impl socketio::NamespaceId for Namespace {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "/" => Some(Self::Root),
            "/oda" => Some(Self::Oda),
            "/events" => Some(Self::Events),
            "/hub" => Some(Self::Hub),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Root | Self::HubRoot => "/",
            Self::Oda => "/oda",
            Self::Events | Self::PlainEvents => "/events",
            Self::Hub => "/hub",
            Self::Omni => "/api/ws",
        }
    }
}

impl Namespace {
    /// The same where `/` speaks that.
    pub(crate) fn parser(root: Root) -> fn(&str) -> Option<Self> {
        match root {
            Root::Hub => |name| match name {
                "/" => Some(Self::HubRoot),
                name => <Self as socketio::NamespaceId>::parse(name),
            },
            Root::Oda => <Self as socketio::NamespaceId>::parse,
        }
    }

    /// What is spoken there.
    pub(crate) fn contract(self) -> &'static dyn Contract {
        match self {
            Self::Root | Self::Oda => &oda::Oda,
            Self::Events | Self::PlainEvents => &oms::Oms,
            Self::Hub | Self::HubRoot => &hub::Hub,
            Self::Omni => &omni::Omni,
        }
    }

    /// Whether it is spoken without Socket.IO.
    pub(crate) fn is_plain(self) -> bool {
        matches!(self, Self::Omni | Self::PlainEvents)
    }

    /// The namespace whose settings count here.
    pub(crate) fn settings(self) -> Self {
        if self == Self::HubRoot {
            Self::Hub
        } else {
            self
        }
    }

    /// What sessions are sealed with, so that one of another contract opens nothing.
    pub(crate) fn seal(self) -> &'static str {
        if self == Self::HubRoot {
            "hub /"
        } else {
            self.as_str()
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// An event as the contract's frames. Each of a logged event says how many of them there were so far, until the
    /// last, which says that this was all of it.
    pub(crate) fn frames(
        self,
        broadcast: &Broadcast,
        limited_to: Option<&[LocationId]>,
        recoverable: bool,
    ) -> Box<[Frame]> {
        let messages = self.messages(broadcast, limited_to);
        let (last, offset) = (messages.len(), broadcast.offset.filter(|_| recoverable));
        let cursor = |sent: usize| {
            let messages = if sent == last {
                0
            } else {
                u8::try_from(sent).unwrap_or(u8::MAX)
            };
            offset.map(|offset| Cursor {
                messages,
                ..Cursor::at(offset)
            })
        };
        (1..)
            .zip(messages)
            .map(|(sent, message)| self.frame(message, cursor(sent)))
            .collect()
    }

    /// The same for somebody whose cursor is that one throughout.
    pub(crate) fn frames_at(
        self,
        broadcast: &Broadcast,
        limited_to: Option<&[LocationId]>,
        cursor: Cursor,
    ) -> Box<[Frame]> {
        let messages = self.messages(broadcast, limited_to);
        messages
            .into_iter()
            .map(|message| self.frame(message, Some(cursor)))
            .collect()
    }

    /// What an event becomes, which is logged here: once for all who share it. Never what is in it.
    fn messages(
        self,
        broadcast: &Broadcast,
        limited_to: Option<&[LocationId]>,
    ) -> Vec<ContractMessage> {
        let messages = self.contract().messages(&broadcast.outgoing(limited_to));
        for message in &messages {
            let rooms = message.rooms.as_deref().unwrap_or(&broadcast.rooms);
            tracing::debug!(
                shop.domain = %broadcast.shop,
                namespace = self.as_str(),
                event = %message.name,
                kind = broadcast.event.kind().as_str(),
                origin = ?broadcast.event.origin(),
                rooms = rooms.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
                offset = broadcast.offset.map(tracing::field::display),
                "told"
            );
        }
        messages
    }

    fn frame(self, message: ContractMessage, cursor: Option<Cursor>) -> Frame {
        let bytes = match self {
            // What it tells of an event is a message as it is.
            Self::Omni => frame::text(&message.payload),
            _ => self.event(&message.name, &message.payload, cursor),
        };
        Frame {
            bytes,
            rooms: message.rooms.map(Vec::into_boxed_slice),
        }
    }

    /// Any event as a whole frame, with the cursor that holds once it has arrived.
    pub(crate) fn event(self, name: &str, json: &str, cursor: Option<Cursor>) -> Bytes {
        let cursor = cursor.map(|cursor| cursor.to_string());
        match self {
            Self::Omni => frame::text(&format!(r#"{{"type":{},"data":{json}}}"#, json!(name))),
            Self::PlainEvents => {
                frame::text(&format!(r#"{{"event":{},"data":{json}}}"#, json!(name)))
            }
            _ => {
                let packet = socketio::event(self.as_str(), name, json, cursor.as_deref());
                frame::text(&engine::EnginePacket::Message(&packet).encode())
            }
        }
    }

    /// How to speak to somebody there who has been sent so much.
    pub(crate) fn voice(self, cursor: Option<Cursor>) -> Voice {
        Voice {
            namespace: self,
            cursor,
        }
    }

    /// Any packet as a whole frame.
    pub(crate) fn packet(self, content: PacketContent) -> Bytes {
        socketio::SocketIoPacket {
            namespace: self.as_str().to_owned(),
            content,
        }
        .frame()
    }

    /// Rooms as clients know them.
    pub(crate) fn listing<'a>(
        self,
        rooms: impl IntoIterator<Item = &'a Room>,
        identity: &Identity,
    ) -> Vec<String> {
        rooms
            .into_iter()
            .filter_map(|room| self.contract().room_name(room, identity))
            .collect()
    }
}

/// Speaks to one socket: in its namespace, and with its cursor where that can be recovered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Voice {
    namespace: Namespace,
    cursor: Option<Cursor>,
}

impl Voice {
    pub(crate) fn event(self, name: &str, payload: &Value) -> Bytes {
        self.namespace
            .event(name, &payload.to_string(), self.cursor)
    }

    /// What a client is told first; in Socket.IO after the answer to CONNECT.
    pub(crate) fn connected(self, arrived: &Arrived<'_>) -> Bytes {
        self.event(CONNECTED, &self.namespace.contract().connected(arrived))
    }

    /// Answers a `ping` with the time.
    pub(crate) fn pong(self, now: &Value) -> Bytes {
        self.event(PONG, now)
    }

    /// Tells the client to load again what it shows.
    pub(crate) fn resync(self, reason: &str) -> Bytes {
        self.event(RESYNC, &json!({ "reason": reason }))
    }

    /// Everything a client is told of a request that went well: the acknowledgement, if one was asked for, and what
    /// the contract has beside it.
    pub(crate) fn answer(
        self,
        call: &ClientCall,
        mut fields: Map<String, Value>,
        identity: &Identity,
    ) -> Vec<Bytes> {
        let confirmed = self.namespace.contract().confirmed(call, &fields, identity);
        fields.insert("ok".to_owned(), true.into());
        let mut frames = self.ack(call, fields.into());
        frames.extend(confirmed.map(|(name, payload)| self.event(name, &payload)));
        frames
    }

    /// The acknowledgement of a request that went well, with levels that are JSON already: it is as long as they are, so
    /// all who are shown them share them. The pieces of one frame.
    pub(crate) fn answer_with_levels(
        self,
        call: &ClientCall,
        mut fields: Value,
        levels: &Bytes,
    ) -> Option<[Bytes; 3]> {
        fields["ok"] = true.into();
        let fields = fields.to_string();
        let open = fields.strip_suffix('}').unwrap_or_default();
        let begin = socketio::ack_begin(
            self.namespace.as_str(),
            call.id?,
            &format!(r#"{open},"levels":"#),
        );
        Some(frame::text_around(
            &engine::EnginePacket::Message(&begin).encode(),
            levels.clone(),
            "}]",
        ))
    }

    /// Everything a client is told of a request that was refused: the acknowledgement, and events for clients that
    /// use none.
    pub(crate) fn refuse(self, call: &ClientCall, error: &ErrorBody) -> Vec<Bytes> {
        let mut frames = self.ack(call, json!({ "ok": false, "error": error }));
        frames.extend(
            self.namespace
                .contract()
                .failed(call, error)
                .map(|(name, payload)| self.event(name, &payload)),
        );
        frames.push(self.error(error, Some(&call.name)));
        frames
    }

    /// Says why a client is put out, and puts it out: for good, as clients of Socket.IO understand it. A plain WebSocket
    /// is closed.
    pub(crate) fn put_out(self, error: &ErrorBody) -> Vec<Bytes> {
        let disconnect =
            (!self.namespace.is_plain()).then(|| self.namespace.packet(PacketContent::Disconnect));
        std::iter::once(self.error(error, None))
            .chain(disconnect)
            .collect()
    }

    /// The `error` event.
    pub(crate) fn error(self, error: &ErrorBody, event: Option<&str>) -> Bytes {
        let event = event.map(|event| event.chars().take(EVENT_CHARS_MAX).collect::<String>());
        let mut payload = json!({ "code": error.code, "message": error.message, "event": event });
        if let Some(field) = &error.field {
            payload["field"] = json!(field);
        }
        self.event(ERROR, &payload)
    }

    fn ack(self, call: &ClientCall, payload: Value) -> Vec<Bytes> {
        let content = |id| PacketContent::Ack {
            id,
            args: vec![payload],
            attachments: 0,
        };
        call.id
            .map(|id| self.namespace.packet(content(id)))
            .into_iter()
            .collect()
    }
}

/// Of an event's name as far as it is repeated to who sent it.
const EVENT_CHARS_MAX: usize = 128;
