//! One transport's Engine.IO session as a value: messages in, steps out, time as a parameter. No tokio, no sockets.
//!
//! Call [`Session::receive`] for each message and [`Session::tick`] when [`Session::deadline`] has come; carry out
//! the steps in order; tell it who was let in ([`Session::admit`]) and put out ([`Session::dismiss`]).
//! Times are counted from the opening of the transport. It knows no transport: WebSocket frames, and later polling
//! bodies, are unwrapped before it.

use std::collections::BTreeSet;
use std::time::Duration;

use schemas::{ErrorBody, ErrorCode};
use serde_json::{Map, Value, json};

use crate::contracts::Namespace;
use crate::engine::{self, Beat, Heartbeat};
use crate::limits::LONELY_MAX;
use crate::socketio::{Content, Packet};

/// A message as a transport delivers it.
#[derive(Debug, Clone, Copy)]
pub enum Incoming<'a> {
    /// Bytes. No event of any contract takes any, so they are counted and dropped.
    Binary,
    /// Text.
    Text(&'a str),
}

/// What the shell has to do.
#[derive(Debug, PartialEq)]
pub enum Step {
    /// Check who that is, and [`Session::admit`] them or refuse.
    Connect {
        /// Where to.
        namespace: Namespace,
        /// What the client says for itself.
        auth: Option<Map<String, Value>>,
    },
    /// The client left the namespace.
    Left(Namespace),
    /// Carry out a request.
    Request(Namespace, Call),
    /// Refuse a request.
    Refuse(Namespace, Call, ErrorBody),
    /// Send an Engine.IO packet.
    Send(String),
}

/// An event from a client.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The number of the acknowledgement it wants.
    pub id: Option<u64>,
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub args: Vec<Value>,
}

/// Why a session is over. The transport is to be closed; a client that meant well comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// It says goodbye.
    #[error("closed by the client")]
    Goodbye,
    /// It joined no namespace in time.
    #[error("in no namespace for too long")]
    Lonely,
    /// It sent what is no packet, or a packet out of turn.
    #[error("a malformed packet or one out of turn")]
    Malformed,
    /// It knocks too often.
    #[error("too many attempts to connect")]
    Pushy,
    /// It did not answer a ping.
    #[error("no pong in time")]
    Silent,
}

/// See the module's documentation for the order of calls.
#[derive(Debug)]
pub struct Session {
    heartbeat: Heartbeat,
    allowance: Allowance,
    admitted: BTreeSet<Namespace>,
    lonely_since: Option<Duration>,
    /// A packet whose attachments are still to come, and how many.
    assembling: Option<(Option<(Namespace, Call)>, u8)>,
}

impl Session {
    /// A session that opens now.
    pub fn new(ping_interval: Duration, ping_timeout: Duration, messages_per_minute: u32) -> Self {
        Self {
            heartbeat: Heartbeat::new(ping_interval, ping_timeout),
            allowance: Allowance::new(messages_per_minute),
            admitted: BTreeSet::new(),
            lonely_since: Some(Duration::ZERO),
            assembling: None,
        }
    }

    /// Takes one message.
    pub fn receive(&mut self, now: Duration, incoming: Incoming<'_>) -> Result<Option<Step>, Ending> {
        let text = match (incoming, &mut self.assembling) {
            (Incoming::Text(text), None) => text,
            (Incoming::Binary, Some((_, missing @ 2..))) => {
                *missing -= 1;
                return Ok(None);
            }
            (Incoming::Binary, Some(_)) => {
                let call = self.assembling.take().and_then(|(call, _)| call);
                return Ok(call.map(|(namespace, call)| {
                    let error = ErrorBody::new(ErrorCode::InvalidPayload, "Binary arguments are not taken");
                    Step::Refuse(namespace, call, error)
                }));
            }
            (Incoming::Binary, None) | (Incoming::Text(_), Some(_)) => return Err(Ending::Malformed),
        };
        match engine::Packet::parse(text).map_err(|_| Ending::Malformed)? {
            engine::Packet::Close => Err(Ending::Goodbye),
            engine::Packet::Message(text) => {
                let packet = Packet::parse(text).map_err(|_| Ending::Malformed)?;
                self.packet(now, packet)
            }
            engine::Packet::Pong(_) => {
                self.heartbeat.pong(now);
                Ok(None)
            }
            engine::Packet::Noop => Ok(None),
            engine::Packet::Open(_) | engine::Packet::Ping(_) | engine::Packet::Upgrade => {
                Err(Ending::Malformed)
            }
        }
    }

    fn packet(&mut self, now: Duration, packet: Packet) -> Result<Option<Step>, Ending> {
        let namespace = Namespace::parse(&packet.namespace);
        if let Content::Connect(auth) = packet.content {
            if !self.allowance.take(now) {
                return Err(Ending::Pushy);
            }
            return match namespace {
                Some(namespace) if self.admitted.contains(&namespace) => Err(Ending::Malformed),
                Some(namespace) => Ok(Some(Step::Connect { namespace, auth })),
                None => Ok(Some(Step::Send(refusal(&packet.namespace, "Invalid namespace")))),
            };
        }
        let namespace =
            namespace.filter(|namespace| self.admitted.contains(namespace)).ok_or(Ending::Malformed)?;
        match packet.content {
            Content::Event { id, name, args, attachments } => {
                let call = Call { id, name, args };
                if !self.allowance.take(now) {
                    self.assembling = (attachments > 0).then_some((None, attachments));
                    let error = ErrorBody::new(ErrorCode::RateLimited, "Too many messages; wait a moment");
                    return Ok(Some(Step::Refuse(namespace, call, error)));
                }
                if attachments > 0 {
                    self.assembling = Some((Some((namespace, call)), attachments));
                    return Ok(None);
                }
                Ok(Some(Step::Request(namespace, call)))
            }
            // We ask for no acknowledgements, so one means nothing.
            Content::Ack { attachments, .. } => {
                self.assembling = (attachments > 0).then_some((None, attachments));
                Ok(None)
            }
            Content::Disconnect => {
                self.dismiss(now, namespace);
                Ok(Some(Step::Left(namespace)))
            }
            Content::Connect(_) | Content::ConnectError(_) => Err(Ending::Malformed),
        }
    }

    /// That namespace let the client in.
    pub fn admit(&mut self, namespace: Namespace) {
        self.admitted.insert(namespace);
        self.lonely_since = None;
    }

    /// The client is no longer in that namespace.
    pub fn dismiss(&mut self, now: Duration, namespace: Namespace) {
        self.admitted.remove(&namespace);
        if self.admitted.is_empty() {
            self.lonely_since.get_or_insert(now);
        }
    }

    /// What is due by now. `listening` tells whether the client was being read from.
    pub fn tick(&mut self, now: Duration, listening: bool) -> Result<Option<Step>, Ending> {
        if self.lonely_since.is_some_and(|since| now >= since + LONELY_MAX) {
            return Err(Ending::Lonely);
        }
        if !listening {
            self.heartbeat.excuse(now);
        }
        match self.heartbeat.beat(now) {
            Some(Beat::Dead) => Err(Ending::Silent),
            Some(Beat::Ping) => Ok(Some(Step::Send(engine::Packet::Ping("").encode()))),
            None => Ok(None),
        }
    }

    /// When [`Session::tick`] is to be called next.
    pub fn deadline(&self) -> Duration {
        let lonely = self.lonely_since.map_or(Duration::MAX, |since| since + LONELY_MAX);
        self.heartbeat.deadline().min(lonely)
    }
}

/// The Engine.IO packet that refuses a CONNECT. After it the client does not try again by itself.
pub fn refusal(namespace: &str, message: &str) -> String {
    let content = Content::ConnectError(json!({ "message": message }));
    let packet = Packet { namespace: namespace.to_owned(), content };
    engine::Packet::Message(&packet.encode()).encode()
}

/// How many messages are left: a minute's worth at most, refilled evenly.
#[derive(Debug)]
struct Allowance {
    per_minute: u32,
    left: f64,
    at: Duration,
}

impl Allowance {
    fn new(per_minute: u32) -> Self {
        Self { per_minute, left: per_minute.into(), at: Duration::ZERO }
    }

    fn take(&mut self, now: Duration) -> bool {
        let capacity = f64::from(self.per_minute);
        let refill = now.saturating_sub(self.at).as_secs_f64() * capacity / 60.0;
        self.left = (self.left + refill).min(capacity);
        self.at = now;
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests;
