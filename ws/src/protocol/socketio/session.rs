//! The Socket.IO session of one connection: the namespaces it is in, and the acknowledgements it
//! owes.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::rate_limiter::MessageRateLimiter;
use super::{PacketContent, SocketIoPacket};
use crate::limits::{ACKS_WAITING_MAX, NO_NAMESPACE_MAX};
use crate::protocol::close_reason::CloseReason;
use crate::protocol::engine::TransportMessage;

/// The set of namespaces that a server has.
pub trait NamespaceId: Copy + Debug + Ord {
    /// The namespace with that name; `None` when there is none.
    fn parse(name: &str) -> Option<Self>;

    /// The name of the namespace, with its slash.
    fn as_str(self) -> &'static str;
}

/// What the caller has to do after a message.
#[derive(Debug, PartialEq)]
pub enum SessionStep<N> {
    /// The client acknowledged what was asked by [`SocketIoSession::ask`]: namespace, number,
    /// arguments and attachments.
    Acknowledged(N, u64, Vec<Value>, Vec<Bytes>),
    /// Check the credentials of the client; then call [`SocketIoSession::admit`], or refuse it.
    Connect(N, Option<Map<String, Value>>),
    /// Handle this event of the client.
    Event(N, ClientCall),
    /// Refuse this event, which exceeds the client's rate. Its attachments are not in it.
    Excess(N, ClientCall),
    /// Close the socket: the client left the namespace.
    Left(N),
    /// Send this packet to the client.
    Send(SocketIoPacket),
}

/// An event of a client, which is a request to its contract.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ClientCall {
    /// The number of the acknowledgement that it wants; `None` for none.
    pub id: Option<u64>,
    /// The name of the event.
    pub name: String,
    /// The arguments. A placeholder stands where bytes belong; its `num` is the index of the
    /// attachment.
    pub args: Vec<Value>,
    /// The attachments, in order.
    pub attachments: Vec<Bytes>,
}

/// The server's side of one Socket.IO connection as a value.
///
/// ClientCall [`SocketIoSession::receive`] for each message of the transport, and
/// [`SocketIoSession::tick`] at [`SocketIoSession::deadline`]. Carry the steps out in order. Tell
/// it which namespaces let the client in ([`SocketIoSession::admit`]) or disconnected it
/// ([`SocketIoSession::dismiss`]). A [`CloseReason`] closes the transport, because nothing after it
/// can be read. Times are counted from the opening of the transport.
#[derive(Debug)]
pub struct SocketIoSession<N> {
    parse: fn(&str) -> Option<N>,
    rate_limiter: MessageRateLimiter,
    admitted: BTreeSet<N>,
    lonely_since: Option<Duration>,
    attachments_bytes_max: usize,
    assembling: Option<Box<PendingAttachments<N>>>,
    asked: BTreeSet<(N, u64)>,
    next_ask: u64,
}

/// A packet whose attachments have not all arrived.
#[derive(Debug)]
struct PendingAttachments<N> {
    /// The step to return once they have; `None` when nobody wants the packet any more.
    step: Option<SessionStep<N>>,
    missing: u8,
    bytes: usize,
}

impl<N: NamespaceId> SocketIoSession<N> {
    /// A session that opens now. `parse` reads the names of namespaces; the client may send so many
    /// packets a minute, and so many bytes of attachments with one.
    pub fn new(
        parse: fn(&str) -> Option<N>,
        messages_per_minute: u32,
        attachments_bytes_max: usize,
    ) -> Self {
        Self {
            parse,
            rate_limiter: MessageRateLimiter::new(messages_per_minute),
            admitted: BTreeSet::new(),
            lonely_since: Some(Duration::ZERO),
            attachments_bytes_max,
            assembling: None,
            asked: BTreeSet::new(),
            next_ask: 0,
        }
    }

    /// Takes one message. Returns the step to carry out, if there is one yet.
    pub fn receive(
        &mut self,
        now: Duration,
        message: TransportMessage<'_>,
    ) -> Result<Option<SessionStep<N>>, CloseReason> {
        match (message, self.assembling.take()) {
            (TransportMessage::Text(text), None) => {
                let packet = SocketIoPacket::parse(text).map_err(|_| CloseReason::Malformed)?;
                self.packet(now, packet)
            }
            (TransportMessage::Binary(bytes), Some(assembling)) => self.attach(assembling, bytes),
            (TransportMessage::Binary(_), None) | (TransportMessage::Text(_), Some(_)) => {
                Err(CloseReason::Malformed)
            }
        }
    }

    /// Notes that the client was let into that namespace.
    pub fn admit(&mut self, namespace: N) {
        self.admitted.insert(namespace);
        self.lonely_since = None;
    }

    /// Notes that the client is no longer in that namespace.
    pub fn dismiss(&mut self, now: Duration, namespace: N) {
        self.admitted.remove(&namespace);
        self.asked.retain(|(asked, _)| *asked != namespace);
        if self.admitted.is_empty() {
            self.lonely_since.get_or_insert(now);
        }
    }

    /// The number for an event that the client is to acknowledge; `None` while it owes
    /// [`ACKS_WAITING_MAX`] acknowledgements.
    pub fn ask(&mut self, namespace: N) -> Option<u64> {
        if self.asked.len() >= ACKS_WAITING_MAX {
            return None;
        }
        let id = self.next_ask;
        self.next_ask += 1;
        self.asked.insert((namespace, id));
        Some(id)
    }

    /// Ends a session that has been in no namespace for too long.
    pub fn tick(&mut self, now: Duration) -> Result<(), CloseReason> {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            Err(CloseReason::NoNamespace)
        } else {
            Ok(())
        }
    }

    /// When [`SocketIoSession::tick`] is to be called; `None` while the client is in a namespace.
    pub fn deadline(&self) -> Option<Duration> {
        self.lonely_since.map(|since| since + NO_NAMESPACE_MAX)
    }

    fn packet(
        &mut self,
        now: Duration,
        packet: SocketIoPacket,
    ) -> Result<Option<SessionStep<N>>, CloseReason> {
        let namespace = (self.parse)(&packet.namespace);
        if let PacketContent::Connect(auth) = packet.content {
            if !self.rate_limiter.take(now) {
                return Err(CloseReason::TooManyConnects);
            }
            return match namespace {
                Some(namespace) if self.admitted.contains(&namespace) => {
                    Err(CloseReason::Malformed)
                }
                Some(namespace) => Ok(Some(SessionStep::Connect(namespace, auth))),
                None => Ok(Some(SessionStep::Send(SocketIoPacket::refusal(
                    packet.namespace,
                    "Invalid namespace",
                )))),
            };
        }
        let namespace = namespace
            .filter(|namespace| self.admitted.contains(namespace))
            .ok_or(CloseReason::Malformed)?;
        match packet.content {
            PacketContent::Event {
                id,
                name,
                args,
                attachments,
            } => {
                let call = ClientCall {
                    id,
                    name,
                    args,
                    attachments: Vec::new(),
                };
                if !self.rate_limiter.take(now) {
                    self.expect(attachments, None);
                    return Ok(Some(SessionStep::Excess(namespace, call)));
                }
                Ok(self.expect(attachments, Some(SessionStep::Event(namespace, call))))
            }
            PacketContent::Ack {
                id,
                args,
                attachments,
            } => {
                // An acknowledgement that nobody asked for means nothing. Its attachments still
                // have to be read.
                let asked = self.asked.remove(&(namespace, id));
                Ok(self.expect(
                    attachments,
                    asked.then(|| SessionStep::Acknowledged(namespace, id, args, Vec::new())),
                ))
            }
            PacketContent::Disconnect => {
                self.dismiss(now, namespace);
                Ok(Some(SessionStep::Left(namespace)))
            }
            PacketContent::Connect(_) | PacketContent::ConnectError(_) => {
                Err(CloseReason::Malformed)
            }
        }
    }

    /// Returns the step now, or once its attachments have arrived.
    fn expect(&mut self, missing: u8, step: Option<SessionStep<N>>) -> Option<SessionStep<N>> {
        if missing == 0 {
            return step;
        }
        self.assembling = Some(Box::new(PendingAttachments {
            step,
            missing,
            bytes: 0,
        }));
        None
    }

    fn attach(
        &mut self,
        mut assembling: Box<PendingAttachments<N>>,
        attachment: Bytes,
    ) -> Result<Option<SessionStep<N>>, CloseReason> {
        assembling.missing -= 1;
        assembling.bytes += attachment.len();
        if assembling.bytes > self.attachments_bytes_max {
            return Err(CloseReason::Malformed);
        }
        if let Some(
            SessionStep::Acknowledged(_, _, _, attachments)
            | SessionStep::Event(_, ClientCall { attachments, .. }),
        ) = &mut assembling.step
        {
            attachments.push(attachment);
        }
        if assembling.missing > 0 {
            self.assembling = Some(assembling);
            return Ok(None);
        }
        let still_there = |step: &SessionStep<N>| match step {
            SessionStep::Acknowledged(namespace, ..) | SessionStep::Event(namespace, _) => {
                self.admitted.contains(namespace)
            }
            _ => false,
        };
        Ok(assembling.step.filter(still_there))
    }
}

impl SocketIoPacket {
    /// The packet that refuses a CONNECT. Clients do not try again by themselves after it.
    pub fn refusal(namespace: String, message: &str) -> Self {
        Self {
            namespace,
            content: PacketContent::ConnectError(json!({ "message": message })),
        }
    }
}

#[cfg(test)]
mod tests;
