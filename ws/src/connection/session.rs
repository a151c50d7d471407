//! What is said with one client and how far it is, whatever transport carries it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::address::AddressCounts;
use super::framing::FramingLayer;
use super::session_table::SessionGuard;
use super::{ConnectionWaker, ProtocolDriver, SendQueue};
use crate::options::HubOptions;
use crate::protocol::close_reason::CloseReason;
use crate::protocol::engine::TransportMessage;

/// What is counted of all connections.
#[derive(Debug, Default)]
pub(super) struct ConnectionCounters {
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

/// The right to one connection; its guard is free again when it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit(Arc<ConnectionCounters>, IpAddr);

impl ConnectionPermit {
    /// One for a connection from there, while there are fewer than those: of that address, and in all.
    pub(super) fn take(
        counters: &Arc<ConnectionCounters>,
        from: IpAddr,
        options: &HubOptions,
    ) -> Option<Self> {
        if !counters
            .addresses
            .enter(from, options.connections_per_address_max)
        {
            counters.refused_of_address.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let before = counters.connections.fetch_add(1, Ordering::Relaxed);
        // It gives its guard back by itself, also when it is one too many.
        let permit = Self(Arc::clone(counters), from);
        if before >= options.connections_max {
            counters.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(permit)
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.0.addresses.leave(self.1);
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One client's session with everything that belongs to it, which changes transports as a whole.
pub(super) struct ClientSession<T> {
    pub(super) driver: T,
    pub(super) out: SendQueue,
    layer: FramingLayer,
    opened: Instant,
    peer: SocketAddr,
    waker: Arc<ConnectionWaker>,
    closing: CancellationToken,
    /// Where requests find it, if they may.
    guard: Option<SessionGuard<T>>,
    permit: ConnectionPermit,
}

impl<T: ProtocolDriver> ClientSession<T> {
    /// One that opens now, with what is to be said first.
    pub(super) fn open(
        driver: T,
        out: SendQueue,
        layer: FramingLayer,
        peer: SocketAddr,
        waker: Arc<ConnectionWaker>,
        closing: CancellationToken,
        permit: ConnectionPermit,
    ) -> Box<Self> {
        Box::new(Self {
            driver,
            out,
            layer,
            opened: Instant::now(),
            peer,
            waker,
            closing,
            guard: None,
            permit,
        })
    }

    /// Requests find it there.
    pub(super) fn set_guard(&mut self, guard: SessionGuard<T>) {
        self.guard = Some(guard);
    }

    /// A WebSocket has it from now on.
    pub(super) fn upgraded(&self) {
        self.guard.iter().for_each(SessionGuard::upgraded);
    }

    /// Time since it was opened.
    pub(super) fn now(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Whether the client is read from: not while it has more to take or to wait for than the bounds allow.
    pub(super) fn is_listening(&self) -> bool {
        !self.out.is_full() && self.driver.may_receive()
    }

    /// Sees to the heartbeat. `listening` tells whether the client was being read from.
    pub(super) fn tick(&mut self, listening: bool) -> Result<(), CloseReason> {
        self.out.extend(self.layer.tick(self.now(), listening)?);
        Ok(())
    }

    /// Takes one message of the transport.
    pub(super) fn receive(&mut self, message: TransportMessage<'_>) -> Result<(), CloseReason> {
        let now = self.now();
        match self.layer.receive(now, message)? {
            Some(message) => self.driver.receive(now, message, &mut self.out),
            None => Ok(()),
        }
    }

    /// The transport's own pong came.
    pub(super) fn pong(&mut self) {
        self.layer.pong(self.now());
    }

    /// Does all that can be done now.
    pub(super) fn work(&mut self) -> Result<(), CloseReason> {
        let now = self.now();
        self.driver.work(now, &mut self.out)
    }

    /// When it is to be looked at again, whatever happens.
    pub(super) fn deadline(&self) -> Instant {
        let (heartbeat, driver) = (self.layer.deadline(), self.driver.deadline(self.now()));
        self.opened + driver.map_or(heartbeat, |driver| heartbeat.min(driver))
    }

    /// When that time since its opening is.
    pub(super) fn instant(&self, at: Duration) -> Instant {
        self.opened + at
    }

    /// By which it is told that there is something to do.
    pub(super) fn waker(&self) -> Arc<ConnectionWaker> {
        Arc::clone(&self.waker)
    }

    /// When no more is to be said.
    pub(super) fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }

    /// One more that does not take what it is sent.
    pub(super) fn stalled(&self) -> CloseReason {
        self.permit.0.stalled.fetch_add(1, Ordering::Relaxed);
        CloseReason::Stalled
    }

    /// Nothing more is said. What is left is what was to be sent, and the permit until it is.
    pub(super) fn end(self, reason: &CloseReason) -> (SendQueue, ConnectionPermit) {
        tracing::debug!(peer = %self.peer, reason = reason.label(), detail = %reason, "realtime connection closed");
        let mut endings = self
            .permit
            .0
            .endings
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *endings.entry(reason.label()).or_default() += 1;
        drop(endings);
        (self.out, self.permit)
    }
}
