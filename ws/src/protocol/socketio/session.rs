//! One connection's session: in which namespaces it is, what it asks there, and what it still owes.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::allowance::Allowance;
use super::{Content, Packet};
use crate::limits::{ACKS_WAITING_MAX, LONELY_MAX};
use crate::protocol::ending::Ending;
use crate::protocol::engine::Message;

/// The namespaces there are.
pub trait Namespace: Copy + Debug + Ord {
    /// The namespace of that name.
    fn parse(name: &str) -> Option<Self>;

    /// Its name.
    fn as_str(self) -> &'static str;
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub enum Step<N> {
    /// What was asked by [`Session::ask`] is answered.
    Acknowledged(N, u64, Vec<Value>, Vec<Bytes>),
    /// Check who that is, and [`Session::admit`] them or refuse.
    Connect(N, Option<Map<String, Value>>),
    /// An event came.
    Event(N, Call),
    /// An event came that is more than the client may send; its attachments are left out.
    Excess(N, Call),
    /// The client left the namespace.
    Left(N),
    /// Send this packet.
    Send(Packet),
}

/// An event from a client.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Call {
    /// The number of the acknowledgement it wants.
    pub id: Option<u64>,
    /// Its name.
    pub name: String,
    /// Its arguments. Where bytes belong is a placeholder, whose `num` counts from the first of the attachments.
    pub args: Vec<Value>,
    /// Its bytes.
    pub attachments: Vec<Bytes>,
}

/// The server's side of one Socket.IO connection as a value.
///
/// Call [`Session::receive`] for each message of the transport and [`Session::tick`] when [`Session::deadline`] has
/// come; carry out the steps in order; tell it who was let in ([`Session::admit`]) and put out
/// ([`Session::dismiss`]). An [`Ending`] closes the transport, as nothing after it can be read. Times are counted
/// from the opening of the transport.
#[derive(Debug)]
pub struct Session<N> {
    parse: fn(&str) -> Option<N>,
    allowance: Allowance,
    admitted: BTreeSet<N>,
    lonely_since: Option<Duration>,
    attachments_bytes_max: usize,
    assembling: Option<Box<Assembling<N>>>,
    asked: BTreeSet<(N, u64)>,
    next_ask: u64,
}

/// A packet whose attachments are still to come.
#[derive(Debug)]
struct Assembling<N> {
    /// What it comes to; `None` for one that nobody wants any more.
    step: Option<Step<N>>,
    missing: u8,
    bytes: usize,
}

impl<N: Namespace> Session<N> {
    /// A session that opens now where namespaces are read so, of a client that may send so many packets in a minute,
    /// and so many bytes with one.
    pub fn new(
        parse: fn(&str) -> Option<N>,
        messages_per_minute: u32,
        attachments_bytes_max: usize,
    ) -> Self {
        Self {
            parse,
            allowance: Allowance::new(messages_per_minute),
            admitted: BTreeSet::new(),
            lonely_since: Some(Duration::ZERO),
            attachments_bytes_max,
            assembling: None,
            asked: BTreeSet::new(),
            next_ask: 0,
        }
    }

    /// Takes one message.
    pub fn receive(
        &mut self,
        now: Duration,
        message: Message<'_>,
    ) -> Result<Option<Step<N>>, Ending> {
        match (message, self.assembling.take()) {
            (Message::Text(text), None) => {
                let packet = Packet::parse(text).map_err(|_| Ending::Malformed)?;
                self.packet(now, packet)
            }
            (Message::Binary(bytes), Some(assembling)) => self.attach(assembling, bytes),
            (Message::Binary(_), None) | (Message::Text(_), Some(_)) => Err(Ending::Malformed),
        }
    }

    /// That namespace let the client in.
    pub fn admit(&mut self, namespace: N) {
        self.admitted.insert(namespace);
        self.lonely_since = None;
    }

    /// The client is no longer in that namespace.
    pub fn dismiss(&mut self, now: Duration, namespace: N) {
        self.admitted.remove(&namespace);
        self.asked.retain(|(asked, _)| *asked != namespace);
        if self.admitted.is_empty() {
            self.lonely_since.get_or_insert(now);
        }
    }

    /// The number for an event that is to be acknowledged; `None` while the client owes too many answers already.
    pub fn ask(&mut self, namespace: N) -> Option<u64> {
        if self.asked.len() >= ACKS_WAITING_MAX {
            return None;
        }
        let id = self.next_ask;
        self.next_ask += 1;
        self.asked.insert((namespace, id));
        Some(id)
    }

    /// What is due by now.
    pub fn tick(&mut self, now: Duration) -> Result<(), Ending> {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            Err(Ending::Lonely)
        } else {
            Ok(())
        }
    }

    /// When [`Session::tick`] is to be called next.
    pub fn deadline(&self) -> Option<Duration> {
        self.lonely_since.map(|since| since + LONELY_MAX)
    }

    fn packet(&mut self, now: Duration, packet: Packet) -> Result<Option<Step<N>>, Ending> {
        let namespace = (self.parse)(&packet.namespace);
        if let Content::Connect(auth) = packet.content {
            if !self.allowance.take(now) {
                return Err(Ending::Pushy);
            }
            return match namespace {
                Some(namespace) if self.admitted.contains(&namespace) => Err(Ending::Malformed),
                Some(namespace) => Ok(Some(Step::Connect(namespace, auth))),
                None => Ok(Some(Step::Send(Packet::refusal(
                    packet.namespace,
                    "Invalid namespace",
                )))),
            };
        }
        let namespace = namespace
            .filter(|namespace| self.admitted.contains(namespace))
            .ok_or(Ending::Malformed)?;
        match packet.content {
            Content::Event {
                id,
                name,
                args,
                attachments,
            } => {
                let call = Call {
                    id,
                    name,
                    args,
                    attachments: Vec::new(),
                };
                if !self.allowance.take(now) {
                    self.expect(attachments, None);
                    return Ok(Some(Step::Excess(namespace, call)));
                }
                Ok(self.expect(attachments, Some(Step::Event(namespace, call))))
            }
            Content::Ack {
                id,
                args,
                attachments,
            } => {
                // One that nobody asked for, or has waited for no longer, means nothing.
                let asked = self.asked.remove(&(namespace, id));
                Ok(self.expect(
                    attachments,
                    asked.then(|| Step::Acknowledged(namespace, id, args, Vec::new())),
                ))
            }
            Content::Disconnect => {
                self.dismiss(now, namespace);
                Ok(Some(Step::Left(namespace)))
            }
            Content::Connect(_) | Content::ConnectError(_) => Err(Ending::Malformed),
        }
    }

    /// The step, now or once its attachments are there.
    fn expect(&mut self, missing: u8, step: Option<Step<N>>) -> Option<Step<N>> {
        if missing == 0 {
            return step;
        }
        self.assembling = Some(Box::new(Assembling {
            step,
            missing,
            bytes: 0,
        }));
        None
    }

    fn attach(
        &mut self,
        mut assembling: Box<Assembling<N>>,
        attachment: Bytes,
    ) -> Result<Option<Step<N>>, Ending> {
        assembling.missing -= 1;
        assembling.bytes += attachment.len();
        if assembling.bytes > self.attachments_bytes_max {
            return Err(Ending::Malformed);
        }
        if let Some(
            Step::Acknowledged(_, _, _, attachments) | Step::Event(_, Call { attachments, .. }),
        ) = &mut assembling.step
        {
            attachments.push(attachment);
        }
        if assembling.missing > 0 {
            self.assembling = Some(assembling);
            return Ok(None);
        }
        let still_there = |step: &Step<N>| match step {
            Step::Acknowledged(namespace, ..) | Step::Event(namespace, _) => {
                self.admitted.contains(namespace)
            }
            _ => false,
        };
        Ok(assembling.step.filter(still_there))
    }
}

impl Packet {
    /// The packet that refuses a CONNECT. After it the client does not try again by itself.
    pub fn refusal(namespace: String, message: &str) -> Self {
        Self {
            namespace,
            content: Content::ConnectError(json!({ "message": message })),
        }
    }
}

#[cfg(test)]
mod tests;
