//! The contracts spoken over Socket.IO, and the namespaces they are found in.
//!
//! A contract decides who may join what, what an event is called and how it looks; nothing else differs.

pub(crate) mod oda;

use bytes::Bytes;

use crate::broadcast::Broadcast;
use crate::recovery::Cursor;
use crate::socketio::Namespace as _;
use crate::{engine, frame, socketio};

/// A namespace of ours. Each has frames of its own, because a frame contains its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Namespace {
    /// `/`, which speaks oda.
    Root,
    /// `/oda`.
    Oda,
}

/// How many there are.
pub(crate) const NAMESPACES: usize = 2;

impl socketio::Namespace for Namespace {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "/" => Some(Self::Root),
            "/oda" => Some(Self::Oda),
            _ => None,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Root => "/",
            Self::Oda => "/oda",
        }
    }
}

impl Namespace {
    pub(crate) fn index(self) -> usize {
        self as usize
    }

    /// An event of the contract as whole frames, one behind the other: mostly one. With a cursor for whoever has all
    /// of it, the first of two says by itself that the second is missing.
    pub(crate) fn frame(self, broadcast: &Broadcast, cursor: Option<Cursor>) -> Option<Bytes> {
        let (name, json) = oda::wire(broadcast)?;
        Some(match oda::afterthought(&broadcast.event) {
            Some(after) => {
                let first = cursor.map(|cursor| Cursor { half: true, ..cursor });
                [self.event(name, &json, first), self.event(after.0, &after.1, cursor)].concat().into()
            }
            None => self.event(name, &json, cursor),
        })
    }

    /// The second of two frames.
    pub(crate) fn second_frame(self, broadcast: &Broadcast, cursor: Option<Cursor>) -> Option<Bytes> {
        oda::afterthought(&broadcast.event).map(|(name, json)| self.event(name, &json, cursor))
    }

    /// Any event as a whole frame, with the cursor that holds once it has arrived.
    pub(crate) fn event(self, name: &str, json: &str, cursor: Option<Cursor>) -> Bytes {
        let cursor = cursor.map(|cursor| cursor.to_string());
        let packet = socketio::event(self.as_str(), name, json, cursor.as_deref());
        frame::text(&engine::Packet::Message(&packet).encode())
    }

    /// How to speak to somebody there who has been sent so much.
    pub(crate) fn voice(self, cursor: Option<Cursor>) -> Voice {
        Voice { namespace: self, cursor }
    }

    /// Any packet as a whole frame.
    pub(crate) fn packet(self, content: socketio::Content) -> Bytes {
        socketio::Packet { namespace: self.as_str().to_owned(), content }.frame()
    }
}

/// Speaks to one socket: in its namespace, and with its cursor where that can be recovered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Voice {
    namespace: Namespace,
    cursor: Option<Cursor>,
}

impl Voice {
    pub(crate) fn event(self, name: &str, json: &str) -> Bytes {
        self.namespace.event(name, json, self.cursor)
    }

    pub(crate) fn packet(self, content: socketio::Content) -> Bytes {
        self.namespace.packet(content)
    }
}
