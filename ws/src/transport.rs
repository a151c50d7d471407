//! The shell around the protocol: HTTP requests and upgraded connections in, one task for each client.
//!
//! [`Gate`] judges requests and knows the sessions; what a client says is taken by a [`Talk`], whatever carries it.
//! A session that polls is a task that requests leave letters for. A WebSocket that takes it over is handed the whole
//! conversation and goes on with it; the polling task ends.

mod address;
mod conversation;
mod gate;
mod handshake;
mod mailbox;
mod origin;
mod out;
mod polling;
mod refusal;
mod sessions;
mod upgrade;
mod websocket;
mod wire;

use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

pub use address::{Network, NetworkError};
pub use gate::{Gate, Knock};
pub use mailbox::{Poll, Post};
pub use out::Out;
pub use polling::Attendance;
pub use refusal::Refusal;
pub use upgrade::Upgrade;

use crate::ending::Ending;
use crate::engine::Message;

/// What speaks with one client, whatever carries it.
///
/// It is always in one task. [`Talk::receive`] is called only while [`Talk::may_receive`]; [`Talk::work`] after that,
/// after [`Talk::take`], when [`Talk::deadline`] has come, and when `out` has room again. Times are counted from the
/// opening of the session. An [`Ending`] closes the transport. It is dropped before the goodbye is sent.
pub trait Talk: Send + 'static {
    /// What it waits for.
    type Event: Send;

    /// Takes one message.
    fn receive(&mut self, now: Duration, message: Message<'_>, out: &mut Out) -> Result<(), Ending>;

    /// Whether there is room for another message. Meanwhile the client is not read from.
    fn may_receive(&self) -> bool;

    /// Does all that can be done now and all that is due, until `out` is full.
    fn work(&mut self, now: Duration, out: &mut Out) -> Result<(), Ending>;

    /// When it has to work again, whatever happens.
    fn deadline(&self, now: Duration) -> Option<Duration>;

    /// Waits for something to take. May be dropped while it waits, and loses nothing by it.
    fn wait(&mut self) -> impl Future<Output = Self::Event> + Send;

    /// Takes it.
    fn take(&mut self, event: Self::Event, out: &mut Out) -> Result<(), Ending>;
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
}

#[cfg(test)]
pub(crate) mod tests;
