//! The shell around the protocol: HTTP requests and upgraded connections in, one task for each client.
//!
//! [`Gate`] judges requests and knows the sessions; what a client says is taken by a [`Talk`], whatever carries it.
//! A session that polls is a task that requests leave letters for. A WebSocket that takes it over is handed the whole
//! conversation and goes on with it; the polling task ends.

pub(crate) mod address;
mod bell;
mod conversation;
mod gate;
mod handshake;
mod layer;
mod mailbox;
mod origin;
mod out;
mod polling;
mod refusal;
mod sessions;
pub(crate) mod single;
pub(crate) mod sockets;
mod upgrade;
mod websocket;
mod wire;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task;
use std::time::Duration;

pub use address::{AddressCounts, Network, NetworkError, counted_as};
pub use bell::Bell;
pub use gate::{Gate, Knock};
pub use handshake::bearer;
pub use mailbox::{Poll, Post};
pub use origin::Origin;
pub use out::Out;
pub use polling::Attendance;
pub use refusal::Refusal;
pub use upgrade::Upgrade;

use crate::protocol::ending::Ending;
use crate::protocol::engine::Message;

/// What speaks with one client, whatever carries it.
///
/// One at a time is at it, mostly its task. [`Talk::receive`] is called only while [`Talk::may_receive`];
/// [`Talk::work`] after that, after [`Talk::poll_work`], when the [`Bell`] of its [`Visitor`] has rung, when
/// [`Talk::deadline`] has come, and when `out` has room again. Times are counted from the opening of the session. An
/// [`Ending`] closes the transport. It is dropped before the goodbye is sent.
pub trait Talk: Send + 'static {
    /// Takes one message.
    fn receive(&mut self, now: Duration, message: Message<'_>, out: &mut Out)
    -> Result<(), Ending>;

    /// Whether there is room for another message. Meanwhile the client is not read from.
    fn may_receive(&self) -> bool;

    /// Does all that can be done now and all that is due, until `out` is full.
    fn work(&mut self, now: Duration, out: &mut Out) -> Result<(), Ending>;

    /// When it has to work again, whatever happens.
    fn deadline(&self, now: Duration) -> Option<Duration>;

    /// Goes on with what it waits for; ready when something came of it.
    fn poll_work(
        &mut self,
        out: &mut Out,
        cx: &mut task::Context<'_>,
    ) -> task::Poll<Result<(), Ending>> {
        let _ = (out, cx);
        task::Poll::Pending
    }

    /// Puts into `out` what is there for the client, if that is all there is to do, until `out` is full. Whether it
    /// was all; the rest is work for its task.
    fn deliver(&mut self, out: &mut Out) -> bool {
        let _ = out;
        false
    }
}

/// Who opens a session.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// The token of the `Authorization` header, unverified.
    pub bearer: Option<String>,
    /// The other end of the connection.
    pub peer: SocketAddr,
    /// Where the client is, as far as our own proxies say.
    pub address: IpAddr,
    /// To be rung, from anywhere, when there is something to do.
    pub bell: Arc<Bell>,
}

#[cfg(test)]
pub(crate) mod tests;
