//! The contracts spoken over Socket.IO, and the namespaces they are found in.
//!
//! A contract decides who may join what, what an event is called and how it looks; nothing else differs.

pub(crate) mod oda;

use bytes::Bytes;

use crate::broadcast::Broadcast;
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

    /// An event of the contract as whole frames, one behind the other: mostly one.
    pub(crate) fn frame(self, broadcast: &Broadcast) -> Option<Bytes> {
        let (name, json) = oda::wire(broadcast)?;
        let event = self.event(name, &json);
        Some(match oda::afterthought(&broadcast.event) {
            Some((name, json)) => [event, self.event(name, &json)].concat().into(),
            None => event,
        })
    }

    /// Any event as a whole frame.
    pub(crate) fn event(self, name: &str, json: &str) -> Bytes {
        let packet = socketio::event(self.as_str(), name, json);
        frame::text(&engine::Packet::Message(&packet).encode())
    }

    /// Any packet as a whole frame.
    pub(crate) fn packet(self, content: socketio::Content) -> Bytes {
        socketio::Packet { namespace: self.as_str().to_owned(), content }.frame()
    }
}
