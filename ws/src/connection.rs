//! The shell around the protocol: HTTP requests and upgraded connections in, one task for each client.
//!
//! [`ConnectionAcceptor`] judges requests and knows the sessions; what a client says is taken by a [`ProtocolDriver`], whatever carries it.
//! A session that polls is a task that requests leave requests for. A WebSocket that takes it over is handed the whole
//! session and goes on with it; the polling task ends.

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
pub use poll_channel::{Poll, Post};
pub use polling::PollingTask;
pub use refusal::ConnectionRefusal;
pub use send_queue::SendQueue;
pub use upgrade::PendingUpgrade;
pub use waker::ConnectionWaker;

use crate::protocol::close_reason::CloseReason;
use crate::protocol::engine::TransportMessage;

/// What speaks with one client, whatever carries it.
///
/// One at a time is at it, mostly its task. [`ProtocolDriver::receive`] is called only while [`ProtocolDriver::may_receive`];
/// [`ProtocolDriver::work`] after that, after [`ProtocolDriver::poll_work`], when the [`ConnectionWaker`] of its [`PeerInfo`] has rung, when
/// [`ProtocolDriver::deadline`] has come, and when `out` has room again. Times are counted from the opening of the session. An
/// [`CloseReason`] closes the transport. It is dropped before the goodbye is sent.
pub trait ProtocolDriver: Send + 'static {
    /// Takes one message.
    fn receive(
        &mut self,
        now: Duration,
        message: TransportMessage<'_>,
        out: &mut SendQueue,
    ) -> Result<(), CloseReason>;

    /// Whether there is room for another message. Meanwhile the client is not read from.
    fn may_receive(&self) -> bool;

    /// Does all that can be done now and all that is due, until `out` is full.
    fn work(&mut self, now: Duration, out: &mut SendQueue) -> Result<(), CloseReason>;

    /// When it has to work again, whatever happens.
    fn deadline(&self, now: Duration) -> Option<Duration>;

    /// Goes on with what it waits for; ready when something came of it.
    fn poll_work(
        &mut self,
        out: &mut SendQueue,
        cx: &mut task::Context<'_>,
    ) -> task::Poll<Result<(), CloseReason>> {
        let _ = (out, cx);
        task::Poll::Pending
    }

    /// Puts into `out` what is there for the client, if that is all there is to do, until `out` is full. Whether it
    /// was all; the rest is work for its task.
    fn deliver(&mut self, out: &mut SendQueue) -> bool {
        let _ = out;
        false
    }
}

/// Who opens a session.
#[derive(Debug, Clone)]
pub struct PeerInfo {
    /// The token of the `Authorization` header, unverified.
    pub bearer: Option<String>,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Where the client is, as far as our own proxies say.
    pub address: IpAddr,
    /// To be rung, from anywhere, when there is something to do.
    pub waker: Arc<ConnectionWaker>,
}

#[cfg(test)]
pub(crate) mod tests;
