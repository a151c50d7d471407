//! The driver of clients without Socket.IO: one socket, text messages in and out, each handled
//! after the one before.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use schemas::{ErrorBody, ErrorCode};

use crate::connection::socketio::EXPIRY_CHECK_MAX;
use crate::connection::{ConnectionRefusal, PeerInfo, ProtocolDriver, SendQueue};
use crate::contracts::Dialect;
use crate::hub::Hub;
use crate::hub::socket::{ClientAdmission, Socket};
use crate::protocol::close_reason::CloseReason;
use crate::protocol::engine::TransportMessage;
use crate::protocol::socketio::{ClientCall, MessageRateLimiter};
use crate::source::AuthError;

/// The driver of one plain WebSocket.
pub struct PlainDriver {
    hub: Arc<Hub>,
    dialect: Dialect,
    socket: Box<Socket>,
    rate_limiter: MessageRateLimiter,
    /// When the batch of events is to be sent, from the opening of the session; `None` when it is
    /// empty.
    batch_due: Option<Duration>,
    /// The value of [`Hub::token_checks`] when the token was last checked.
    token_checks: u64,
}

impl PlainDriver {
    /// Opens a socket for a client with a token in its header, or for a guest where the protocol
    /// takes guests.
    pub(crate) fn open(
        hub: &Arc<Hub>,
        dialect: Dialect,
        peer_info: &PeerInfo,
        out: &mut SendQueue,
    ) -> Result<Self, ConnectionRefusal> {
        let token_checks = hub.token_checks();
        let arrival = match &peer_info.bearer {
            Some(token) => ClientAdmission::new(hub.identify(token)?),
            None if dialect.takes_guests() => ClientAdmission::guest(hub),
            None => return Err(AuthError::Required.into()),
        };
        let socket = Socket::open(hub, dialect.namespace(), arrival, &peer_info.waker, out)
            .map_err(|_| {
                hub.counters
                    .crowded
                    .limit_reached("sockets_per_user_max", hub.options.sockets_per_user_max);
                ConnectionRefusal::Overloaded
            })?;
        let rate_limiter = MessageRateLimiter::new(hub.options.plain_messages_per_minute);
        Ok(Self {
            hub: Arc::clone(hub),
            dialect,
            socket: Box::new(socket),
            rate_limiter,
            batch_due: None,
            token_checks,
        })
    }

    /// Sends the batch once it has waited long enough.
    fn flush(&mut self, now: Duration, out: &mut SendQueue) {
        self.batch_due = self.socket.batch_wait().map(|wait| {
            let latest = now + wait;
            self.batch_due.map_or(latest, |due| due.min(latest))
        });
        if self.batch_due.is_some_and(|due| now >= due) {
            self.socket.flush(out);
            self.batch_due = None;
        }
    }
}

impl ProtocolDriver for PlainDriver {
    fn receive(
        &mut self,
        now: Duration,
        message: TransportMessage<'_>,
        out: &mut SendQueue,
    ) -> Result<(), CloseReason> {
        if !self.rate_limiter.take(now) {
            self.hub.counters.rate_limited.limit_reached(
                "plain_messages_per_minute",
                self.hub.options.plain_messages_per_minute,
            );
            self.socket.refuse_excess(&ClientCall::default(), out);
            return Ok(());
        }
        self.socket.queue_call(match message {
            TransportMessage::Text(text) => self.dialect.read(text),
            TransportMessage::Binary(_) => Err(ErrorBody::new(
                ErrorCode::InvalidPayload,
                "Messages are text, not binary",
            )),
        });
        Ok(())
    }

    fn may_receive(&self) -> bool {
        self.socket.can_queue_call()
    }

    fn work(&mut self, now: Duration, out: &mut SendQueue) -> Result<(), CloseReason> {
        let token_checks = self.hub.token_checks();
        let anew = std::mem::replace(&mut self.token_checks, token_checks) != token_checks;
        if let Some(error) = self.socket.token_error(anew) {
            self.socket.disconnect(&error, out);
            return Err(CloseReason::TokenEnded);
        }
        self.socket.work(out);
        self.flush(now, out);
        Ok(())
    }

    fn deadline(&self, now: Duration) -> Option<Duration> {
        let expiry = now + self.socket.time_left().min(EXPIRY_CHECK_MAX);
        Some(self.batch_due.map_or(expiry, |due| due.min(expiry)))
    }

    fn poll_work(
        &mut self,
        out: &mut SendQueue,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), CloseReason>> {
        let taken = ready!(self.socket.poll_answer(out, cx));
        Poll::Ready(taken.map_err(|interrupted| CloseReason::Interrupted(interrupted.to_string())))
    }

    fn deliver(&mut self, out: &mut SendQueue) -> bool {
        self.hub.token_checks() == self.token_checks
            && self.socket.time_left() > Duration::ZERO
            && self.socket.deliver(out)
            // Only the connection's task has a timer, so it has to learn of a batch that begins to
            // wait.
            && (self.batch_due.is_some() || self.socket.batch_wait().is_none())
    }
}

#[cfg(test)]
mod tests;
