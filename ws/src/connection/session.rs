//! A client's session: its driver, its queue and its heartbeat, independent of the transport that
//! carries it.

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
use crate::warning_counter::WarningCounter;

/// Counts of all connections.
#[derive(Debug, Default)]
pub(super) struct ConnectionCounters {
    /// Connections open now.
    pub(super) connections: AtomicUsize,
    pub(super) addresses: AddressCounts,
    /// Connections closed because a write did not move.
    pub(super) stalled: AtomicU64,
    /// Connections refused because there were too many in all.
    pub(super) refused: WarningCounter,
    /// Connections refused because there were too many of one address.
    pub(super) refused_of_address: WarningCounter,
    /// Requests refused because of the origin of their page.
    pub(super) refused_of_origin: AtomicU64,
    /// How often connections ended, by the label of the reason.
    pub(super) endings: Mutex<BTreeMap<&'static str, u64>>,
}

/// The permit for one connection. It frees its place when it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit(Arc<ConnectionCounters>, IpAddr);

impl ConnectionPermit {
    /// The permit for a connection from that address; `None` when the address, or the server, has
    /// as many as it may.
    pub(super) fn take(
        counters: &Arc<ConnectionCounters>,
        from: IpAddr,
        options: &HubOptions,
    ) -> Option<Self> {
        if !counters
            .addresses
            .enter(from, options.connections_per_address_max)
        {
            counters.refused_of_address.limit_reached(
                "connections_per_address_max",
                options.connections_per_address_max,
            );
            return None;
        }
        // Counted first and judged afterwards: handshakes on two threads cannot both take the last
        // place.
        let before = counters.connections.fetch_add(1, Ordering::Relaxed);
        // From here on the permit frees its place by being dropped, also when it is one too many.
        let permit = Self(Arc::clone(counters), from);
        if before >= options.connections_max {
            counters
                .refused
                .limit_reached("connections_max", options.connections_max);
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

/// One client's session. It moves from one transport to another as a whole.
pub(super) struct ClientSession<T> {
    pub(super) driver: T,
    pub(super) out: SendQueue,
    layer: FramingLayer,
    opened: Instant,
    peer: SocketAddr,
    waker: Arc<ConnectionWaker>,
    closing: CancellationToken,
    /// The entry by which requests find a polling session; `None` for one that began as a
    /// WebSocket.
    guard: Option<SessionGuard<T>>,
    permit: ConnectionPermit,
}

impl<T: ProtocolDriver> ClientSession<T> {
    /// Opens a session, with what `out` already holds to be sent first.
    ///
    /// Every realtime connection begins here, whatever its transport, and ends in
    /// [`ClientSession::end`].
    pub(super) fn open(
        driver: T,
        out: SendQueue,
        layer: FramingLayer,
        peer: SocketAddr,
        waker: Arc<ConnectionWaker>,
        closing: CancellationToken,
        permit: ConnectionPermit,
    ) -> Box<Self> {
        tracing::debug!(%peer, protocol = layer.name(), "Opened a realtime connection");
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

    /// Makes the session known to requests, for as long as it lives.
    pub(super) fn set_guard(&mut self, guard: SessionGuard<T>) {
        self.guard = Some(guard);
    }

    /// Marks the session as carried by a WebSocket, so that polls are refused.
    pub(super) fn upgraded(&self) {
        tracing::debug!(peer = %self.peer, "Moved a polling session to a WebSocket");
        self.guard.iter().for_each(SessionGuard::upgraded);
    }

    /// Time since the session was opened.
    pub(super) fn now(&self) -> Duration {
        self.opened.elapsed()
    }

    /// Whether the client is read from. It is not while its queue is full or its driver has no room
    /// for another message: so a client that does not read cannot make us hold more.
    pub(super) fn is_listening(&self) -> bool {
        !self.out.is_full() && self.driver.may_receive()
    }

    /// Sends the heartbeat's ping when it is due. `listening` says whether the client was read
    /// from.
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

    /// Takes a pong of RFC 6455.
    pub(super) fn pong(&mut self) {
        self.layer.pong(self.now());
    }

    /// Does everything that can be done now.
    pub(super) fn work(&mut self) -> Result<(), CloseReason> {
        let now = self.now();
        self.driver.work(now, &mut self.out)
    }

    /// When [`ClientSession::tick`] and [`ClientSession::work`] are due even if nothing happens.
    pub(super) fn deadline(&self) -> Instant {
        let (heartbeat, driver) = (self.layer.deadline(), self.driver.deadline(self.now()));
        self.opened + driver.map_or(heartbeat, |driver| heartbeat.min(driver))
    }

    /// The instant at that time since the opening.
    pub(super) fn instant(&self, at: Duration) -> Instant {
        self.opened + at
    }

    /// The waker that tells this session that there is something to do.
    pub(super) fn waker(&self) -> Arc<ConnectionWaker> {
        Arc::clone(&self.waker)
    }

    /// Cancelled when the server shuts down.
    pub(super) fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }

    /// Counts a client that does not take what it is sent.
    pub(super) fn stalled(&self) -> CloseReason {
        self.permit.0.stalled.fetch_add(1, Ordering::Relaxed);
        CloseReason::Stalled
    }

    /// Ends the session. Returns what is still to be sent, and the permit, which is to be held
    /// until it is sent.
    pub(super) fn end(self, reason: &CloseReason) -> (SendQueue, ConnectionPermit) {
        tracing::debug!(
            peer = %self.peer,
            reason = reason.label(),
            detail = %reason,
            seconds = self.opened.elapsed().as_secs(),
            "Closed a realtime connection"
        );
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
