//! Connections: HTTP requests and upgraded connections in, one task for each client.
//!
//! [`ConnectionAcceptor`] judges requests and knows the sessions. A [`ProtocolDriver`] handles what
//! a client says, whatever transport carries it. A polling session is a task to which requests are
//! sent over a channel. A WebSocket that takes such a session over is handed the whole session and
//! goes on with it; the polling task ends.

mod acceptor;
pub(crate) mod address;
mod framing;
mod handshake;
mod origin;
pub(crate) mod plain;
mod poll_channel;
mod polling;
mod refusal;
mod send_queue;
mod session;
mod session_table;
pub(crate) mod socketio;
mod stream;
mod upgrade;
mod waker;
mod websocket;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task;
use std::time::Duration;

pub use acceptor::{ConnectionAcceptor, HandshakeOutcome};
pub use address::{AddressCounts, IpNetwork, IpNetworkError, counted_as};
pub use handshake::bearer;
pub use origin::RequestOrigin;
pub use poll_channel::{PendingGet, PendingPost};
pub use polling::PollingTask;
pub use refusal::ConnectionRefusal;
pub use send_queue::SendQueue;
pub use upgrade::PendingUpgrade;
pub use waker::ConnectionWaker;

use crate::protocol::close_reason::CloseReason;
use crate::protocol::engine::TransportMessage;

/// Speaks one protocol with one client, independent of the transport.
///
/// It is called by one thread at a time: by the connection's task or, in
/// [`ProtocolDriver::deliver`], by a publisher while the task sleeps. [`ProtocolDriver::receive`]
/// is called only while [`ProtocolDriver::may_receive`]. [`ProtocolDriver::work`] is called after
/// it, after [`ProtocolDriver::poll_work`], after the [`ConnectionWaker`] of its [`PeerInfo`] was
/// woken, at [`ProtocolDriver::deadline`], and when `out` has room again. Times are counted from
/// the opening of the session. A [`CloseReason`] closes the transport; the driver is dropped before
/// the close frame is sent.
pub trait ProtocolDriver: Send + 'static {
    /// Takes one message of the client.
    fn receive(
        &mut self,
        now: Duration,
        message: TransportMessage<'_>,
        out: &mut SendQueue,
    ) -> Result<(), CloseReason>;

    /// Whether there is room for another message. While there is none the client is not read from.
    fn may_receive(&self) -> bool;

    /// Does everything that can be done or is due, until `out` is full.
    fn work(&mut self, now: Duration, out: &mut SendQueue) -> Result<(), CloseReason>;

    /// When [`ProtocolDriver::work`] has to be called even if nothing happens; `None` for never.
    fn deadline(&self, now: Duration) -> Option<Duration>;

    /// Drives what the client waits for; ready when there is something new to do.
    fn poll_work(
        &mut self,
        out: &mut SendQueue,
        cx: &mut task::Context<'_>,
    ) -> task::Poll<Result<(), CloseReason>> {
        let _ = (out, cx);
        task::Poll::Pending
    }

    /// Puts what there is for the client into `out`, provided that nothing else has to be done
    /// first. Returns whether nothing is left for the task.
    fn deliver(&mut self, out: &mut SendQueue) -> bool {
        let _ = out;
        false
    }
}

/// The client that opens a session.
#[derive(Debug, Clone)]
pub struct PeerInfo {
    /// The token of the `Authorization` header, not yet verified.
    pub bearer: Option<String>,
    /// The other end of the TCP connection; with a proxy, the proxy.
    pub peer: SocketAddr,
    /// The client's address, as far as trusted proxies report it.
    pub address: IpAddr,
    /// Wakes the connection when there is something to do for it; may be called from any thread.
    pub waker: Arc<ConnectionWaker>,
}

#[cfg(test)]
pub(crate) mod tests;
