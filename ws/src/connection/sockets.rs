//! The sockets of one client: in which namespaces it is, as whom, and for how long.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::connection::{Bell, Out, Talk, Visitor};
use crate::contracts::{Namespace, Root};
use crate::hub::few::Few;
use crate::hub::socket::{Arrival, Interrupted, Knocking, Socket};
use crate::hub::{Hub, count};
use crate::options::Options;
use crate::protocol::ending::Ending;
use crate::protocol::engine::Message;
use crate::protocol::socketio::{Namespace as _, Packet, Session, Step};
use crate::source::AuthError;

/// One client, by whatever transport.
pub struct Sockets {
    hub: Arc<Hub>,
    /// The token it came with, for namespaces that are given none.
    bearer: Option<String>,
    session: Session<Namespace>,
    joined: Few<Namespace, Box<Socket>>,
    /// Who wants in and is looked up first.
    knocking: Vec<(Namespace, Knocking)>,
    bell: Arc<Bell>,
    /// How often it was looked whether somebody's token is revoked.
    reconsidered: u64,
}

impl Sockets {
    pub(crate) fn new(hub: Arc<Hub>, visitor: Visitor, root: Root) -> Self {
        let Options {
            messages_per_minute,
            max_payload,
            ..
        } = hub.options;
        let session = Session::new(Namespace::parser(root), messages_per_minute, max_payload);
        let Visitor { bearer, bell, .. } = visitor;
        let (joined, knocking) = Default::default();
        let reconsidered = hub.reconsidered();
        Self {
            hub,
            bearer,
            session,
            joined,
            knocking,
            bell,
            reconsidered,
        }
    }

    fn carry_out(&mut self, step: Step<Namespace>, out: &mut Out) -> Result<(), Ending> {
        match step {
            // We ask for no acknowledgements.
            Step::Acknowledged(..) => {}
            Step::Connect(namespace, auth) => self.connect(namespace, auth.as_ref(), out)?,
            Step::Event(namespace, call) => {
                if let Some(socket) = self.joined.get_mut(&namespace) {
                    socket.call(Ok(call));
                }
            }
            Step::Excess(namespace, call) => {
                count(&self.hub.counters.rate_limited);
                if let Some(socket) = self.joined.get(&namespace) {
                    socket.refuse_excess(&call, out);
                }
            }
            Step::Left(namespace) => {
                self.joined.remove(&namespace);
            }
            Step::Send(packet) => out.push(packet.frame()),
        }
        Ok(())
    }

    fn connect(
        &mut self,
        namespace: Namespace,
        auth: Option<&Map<String, Value>>,
        out: &mut Out,
    ) -> Result<(), Ending> {
        if self
            .knocking
            .iter()
            .any(|(waiting, _)| *waiting == namespace)
        {
            return Err(Ending::Malformed);
        }
        let token = auth
            .and_then(|auth| auth.get("token")?.as_str())
            .or(self.bearer.as_deref());
        let identity = match token {
            None | Some("") => Err(AuthError::Required),
            Some(token) => self.hub.identify(token),
        };
        match identity {
            Ok(identity) => match Arrival::of(&self.hub, namespace, identity, auth) {
                Ok(arrival) => self.let_in(namespace, arrival, out)?,
                Err(knocking) => self.knocking.push((namespace, knocking)),
            },
            // After a refusal a client stays away; after this one it comes back by itself.
            Err(error @ AuthError::NotYet) => return Err(Ending::Interrupted(error.to_string())),
            Err(error) => {
                out.push(
                    Packet::refusal(namespace.as_str().to_owned(), &error.to_string()).frame(),
                );
            }
        }
        Ok(())
    }

    fn let_in(
        &mut self,
        namespace: Namespace,
        arrival: Arrival,
        out: &mut Out,
    ) -> Result<(), Ending> {
        if self.hub.authenticate.is_revoked(arrival.identity()) {
            out.push(
                Packet::refusal(
                    namespace.as_str().to_owned(),
                    &AuthError::Invalid.to_string(),
                )
                .frame(),
            );
            return Ok(());
        }
        let Ok(socket) = Socket::open(&self.hub, namespace, arrival, &self.bell, out) else {
            count(&self.hub.counters.crowded);
            return Err(Ending::Crowded);
        };
        self.session.admit(namespace);
        self.joined.insert(namespace, Box::new(socket));
        Ok(())
    }

    /// Puts out whose token is no longer good.
    fn expire(&mut self, since_opening: Duration, out: &mut Out) {
        let reconsidered = self.hub.reconsidered();
        let anew = std::mem::replace(&mut self.reconsidered, reconsidered) != reconsidered;
        let over = self
            .joined
            .iter()
            .filter_map(|(namespace, socket)| Some((*namespace, socket.is_over(anew)?)));
        for (namespace, error) in over.collect::<Vec<_>>() {
            if let Some(socket) = self.joined.remove(&namespace) {
                socket.put_out(&error, out);
            }
            self.session.dismiss(since_opening, namespace);
        }
    }
}

/// How long a token's expiry goes unchecked at most.
pub(crate) const EXPIRY_CHECK_MAX: Duration = Duration::from_hours(1);

impl Talk for Sockets {
    fn receive(
        &mut self,
        now: Duration,
        message: Message<'_>,
        out: &mut Out,
    ) -> Result<(), Ending> {
        if let Some(step) = self.session.receive(now, message)? {
            self.carry_out(step, out)?;
        }
        Ok(())
    }

    fn may_receive(&self) -> bool {
        self.joined.values().all(|socket| socket.may_call())
    }

    fn work(&mut self, now: Duration, out: &mut Out) -> Result<(), Ending> {
        self.session.tick(now)?;
        if self.joined.values().any(|socket| socket.is_replaced()) {
            count(&self.hub.counters.replaced);
            return Err(Ending::Replaced);
        }
        self.expire(now, out);
        self.joined.values_mut().for_each(|socket| socket.work(out));
        Ok(())
    }

    fn deadline(&self, since_opening: Duration) -> Option<Duration> {
        // Looked at again before long, should the wall clock be set meanwhile.
        let expiries = self
            .joined
            .values()
            .map(|socket| since_opening + socket.time_left().min(EXPIRY_CHECK_MAX));
        expiries.chain(self.session.deadline()).min()
    }

    fn poll_work(&mut self, out: &mut Out, cx: &mut Context<'_>) -> Poll<Result<(), Ending>> {
        let interrupted = |interrupted: Interrupted| Ending::Interrupted(interrupted.to_string());
        for socket in self.joined.values_mut() {
            if let Poll::Ready(taken) = socket.poll_answer(out, cx) {
                return Poll::Ready(taken.map_err(interrupted));
            }
        }
        for at in 0..self.knocking.len() {
            if let Poll::Ready(arrival) = self.knocking[at].1.as_mut().poll(cx) {
                let (namespace, _) = self.knocking.swap_remove(at);
                let arrival = arrival.map_err(interrupted);
                return Poll::Ready(
                    arrival.and_then(|arrival| self.let_in(namespace, *arrival, out)),
                );
            }
        }
        Poll::Pending
    }

    fn deliver(&mut self, out: &mut Out) -> bool {
        if self.hub.reconsidered() != self.reconsidered {
            return false;
        }
        let mut sockets = self.joined.values_mut();
        sockets.all(|socket| {
            !socket.time_left().is_zero() && !socket.is_replaced() && socket.deliver(out)
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
