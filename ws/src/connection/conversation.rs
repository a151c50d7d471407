//! What is said with one client and how far it is, whatever transport carries it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::address::AddressCounts;
use super::layer::Layer;
use super::sessions::Place;
use super::{Bell, Out, Talk};
use crate::options::Options;
use crate::protocol::ending::Ending;
use crate::protocol::engine::Message;

/// What is counted of all connections.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Open now.
    pub(super) connections: AtomicUsize,
    pub(super) addresses: AddressCounts,
    /// Closed because a write did not move.
    pub(super) stalled: AtomicU64,
    /// Refused because there were too many in all.
    pub(super) refused: AtomicU64,
    /// Refused because there were too many of one address.
    pub(super) refused_of_address: AtomicU64,
    /// Refused because of the page they came from.
    pub(super) refused_of_origin: AtomicU64,
    /// How often they ended, for each reason.
    pub(super) endings: Mutex<BTreeMap<&'static str, u64>>,
}

/// The right to one connection; its place is free again when it is dropped.
#[derive(Debug)]
pub(super) struct Ticket(Arc<Counters>, IpAddr);

impl Ticket {
    /// One for a connection from there, while there are fewer than those: of that address, and in all.
    pub(super) fn take(counters: &Arc<Counters>, from: IpAddr, options: &Options) -> Option<Self> {
        if !counters
            .addresses
            .enter(from, options.connections_per_address_max)
        {
            counters.refused_of_address.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let before = counters.connections.fetch_add(1, Ordering::Relaxed);
        // It gives its place back by itself, also when it is one too many.
        let ticket = Self(Arc::clone(counters), from);
        if before >= options.connections_max {
            counters.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(ticket)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.addresses.leave(self.1);
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One client's session with everything that belongs to it, which changes transports as a whole.
pub(super) struct Conversation<T> {
    pub(super) talk: T,
    pub(super) out: Out,
    layer: Layer,
    opened: Instant,
    peer: SocketAddr,
    bell: Arc<Bell>,
    closing: CancellationToken,
    /// Where requests find it, if they may.
    place: Option<Place<T>>,
    ticket: Ticket,
}

impl<T: Talk> Conversation<T> {
    /// One that opens now, with what is to be said first.
    pub(super) fn open(
        talk: T,
        out: Out,
        layer: Layer,
        peer: SocketAddr,
        bell: Arc<Bell>,
        closing: CancellationToken,
        ticket: Ticket,
    ) -> Box<Self> {
        Box::new(Self {
            talk,
            out,
            layer,
            opened: Instant::now(),
            peer,
            bell,
            closing,
            place: None,
            ticket,
        })
    }

    /// Requests find it there.
    pub(super) fn found_at(&mut self, place: Place<T>) {
        self.place = Some(place);
    }

    /// A WebSocket has it from now on.
    pub(super) fn upgraded(&self) {
        self.place.iter().for_each(Place::upgraded);
    }

    /// Time since it was opened.
    pub(super) fn now(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Whether the client is read from: not while it has more to take or to wait for than the bounds allow.
    pub(super) fn is_listening(&self) -> bool {
        !self.out.is_full() && self.talk.may_receive()
    }

    /// Sees to the heartbeat. `listening` tells whether the client was being read from.
    pub(super) fn tick(&mut self, listening: bool) -> Result<(), Ending> {
        self.out.extend(self.layer.tick(self.now(), listening)?);
        Ok(())
    }

    /// Takes one message of the transport.
    pub(super) fn receive(&mut self, message: Message<'_>) -> Result<(), Ending> {
        let now = self.now();
        match self.layer.receive(now, message)? {
            Some(message) => self.talk.receive(now, message, &mut self.out),
            None => Ok(()),
        }
    }

    /// The transport's own pong came.
    pub(super) fn pong(&mut self) {
        self.layer.pong(self.now());
    }

    /// Does all that can be done now.
    pub(super) fn work(&mut self) -> Result<(), Ending> {
        let now = self.now();
        self.talk.work(now, &mut self.out)
    }

    /// When it is to be looked at again, whatever happens.
    pub(super) fn deadline(&self) -> Instant {
        let (heartbeat, talk) = (self.layer.deadline(), self.talk.deadline(self.now()));
        self.opened + talk.map_or(heartbeat, |talk| heartbeat.min(talk))
    }

    /// When that time since its opening is.
    pub(super) fn instant(&self, at: Duration) -> Instant {
        self.opened + at
    }

    /// By which it is told that there is something to do.
    pub(super) fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    /// When no more is to be said.
    pub(super) fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }

    /// One more that does not take what it is sent.
    pub(super) fn stalled(&self) -> Ending {
        self.ticket.0.stalled.fetch_add(1, Ordering::Relaxed);
        Ending::Stalled
    }

    /// Nothing more is said. What is left is what was to be sent, and the ticket until it is.
    pub(super) fn end(self, ending: &Ending) -> (Out, Ticket) {
        tracing::debug!(peer = %self.peer, reason = ending.reason(), %ending, "realtime connection closed");
        let mut endings = self
            .ticket
            .0
            .endings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *endings.entry(ending.name()).or_default() += 1;
        drop(endings);
        (self.out, self.ticket)
    }
}
