//! The one socket of a client that speaks without Socket.IO: texts in, each handled after the one before, texts out.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use schemas::{ErrorBody, ErrorCode};

use crate::connection::sockets::EXPIRY_CHECK_MAX;
use crate::connection::{Out, Refusal, Talk, Visitor};
use crate::contracts::Dialect;
use crate::hub::socket::{Arrival, Socket};
use crate::hub::{Hub, count};
use crate::protocol::ending::Ending;
use crate::protocol::engine::Message;
use crate::protocol::socketio::{Allowance, Call};
use crate::source::AuthError;

/// One client.
pub struct Single {
    hub: Arc<Hub>,
    dialect: Dialect,
    socket: Box<Socket>,
    allowance: Allowance,
    /// When what is put together is to be sent.
    batch_due: Option<Duration>,
    /// How often it was looked whether the token is revoked.
    reconsidered: u64,
}

impl Single {
    /// Lets in who brings a token in the header, or anybody where guests are taken.
    pub(crate) fn open(
        hub: &Arc<Hub>,
        dialect: Dialect,
        visitor: &Visitor,
        out: &mut Out,
    ) -> Result<Self, Refusal> {
        let reconsidered = hub.reconsidered();
        let arrival = match &visitor.bearer {
            Some(token) => Arrival::new(hub.identify(token)?),
            None if dialect.takes_guests() => Arrival::guest(hub),
            None => return Err(AuthError::Required.into()),
        };
        let socket =
            Socket::open(hub, dialect.namespace(), arrival, &visitor.bell, out).map_err(|_| {
                count(&hub.counters.crowded);
                Refusal::Overloaded
            })?;
        let allowance = Allowance::new(hub.options.plain_messages_per_minute);
        Ok(Self {
            hub: Arc::clone(hub),
            dialect,
            socket: Box::new(socket),
            allowance,
            batch_due: None,
            reconsidered,
        })
    }

    /// Sends what was put together, once it has waited long enough.
    fn flush(&mut self, now: Duration, out: &mut Out) {
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

impl Talk for Single {
    fn receive(
        &mut self,
        now: Duration,
        message: Message<'_>,
        out: &mut Out,
    ) -> Result<(), Ending> {
        if !self.allowance.take(now) {
            count(&self.hub.counters.rate_limited);
            self.socket.refuse_excess(&Call::default(), out);
            return Ok(());
        }
        self.socket.call(match message {
            Message::Text(text) => self.dialect.read(text),
            Message::Binary(_) => Err(ErrorBody::new(
                ErrorCode::InvalidPayload,
                "Messages are text, not binary",
            )),
        });
        Ok(())
    }

    fn may_receive(&self) -> bool {
        self.socket.may_call()
    }

    fn work(&mut self, now: Duration, out: &mut Out) -> Result<(), Ending> {
        let reconsidered = self.hub.reconsidered();
        let anew = std::mem::replace(&mut self.reconsidered, reconsidered) != reconsidered;
        if let Some(error) = self.socket.is_over(anew) {
            self.socket.put_out(&error, out);
            return Err(Ending::Dismissed);
        }
        self.socket.work(out);
        self.flush(now, out);
        Ok(())
    }

    fn deadline(&self, now: Duration) -> Option<Duration> {
        let expiry = now + self.socket.time_left().min(EXPIRY_CHECK_MAX);
        Some(self.batch_due.map_or(expiry, |due| due.min(expiry)))
    }

    fn poll_work(&mut self, out: &mut Out, cx: &mut Context<'_>) -> Poll<Result<(), Ending>> {
        let taken = ready!(self.socket.poll_answer(out, cx));
        Poll::Ready(taken.map_err(|interrupted| Ending::Interrupted(interrupted.to_string())))
    }

    fn deliver(&mut self, out: &mut Out) -> bool {
        self.hub.reconsidered() == self.reconsidered
            && self.socket.time_left() > Duration::ZERO
            && self.socket.deliver(out)
            // Its task sees to it that what is put together is sent in time.
            && (self.batch_due.is_some() || self.socket.batch_wait().is_none())
    }
}

#[cfg(test)]
mod tests;
