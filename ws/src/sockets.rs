//! The sockets of one client: in which namespaces it is, as whom, and for how long.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use schemas::{ErrorBody, ErrorCode};
use serde_json::{Map, Value};

use crate::contracts::{Namespace, oda};
use crate::ending::Ending;
use crate::engine::Message;
use crate::few::Few;
use crate::hub::Hub;
use crate::socket::{Interrupted, Socket};
use crate::socketio::{Content, Namespace as _, Packet, Session, Step};
use crate::source::AuthError;
use crate::transport::{Bell, Out, Talk, Visitor};

/// One client, by whatever transport.
pub struct Sockets {
    hub: Arc<Hub>,
    /// The token it came with, for namespaces that are given none.
    bearer: Option<String>,
    session: Session<Namespace>,
    joined: Few<Namespace, Box<Socket>>,
    bell: Arc<Bell>,
}

impl Sockets {
    pub(crate) fn new(hub: Arc<Hub>, visitor: Visitor) -> Self {
        let session = Session::new(hub.options.messages_per_minute, hub.options.max_payload);
        let Visitor { bearer, bell, .. } = visitor;
        Self { hub, bearer, session, joined: Few::default(), bell }
    }

    fn carry_out(&mut self, step: Step<Namespace>, out: &mut Out) {
        match step {
            // We ask for no acknowledgements.
            Step::Acknowledged(..) => {}
            Step::Connect(namespace, auth) => self.connect(namespace, auth.as_ref(), out),
            Step::Event(namespace, call) => {
                if let Some(socket) = self.joined.get_mut(&namespace) {
                    socket.call(call);
                }
            }
            Step::Excess(namespace, call) => {
                let error = ErrorBody::new(ErrorCode::RateLimited, "Too many messages; wait a moment");
                out.extend(oda::refuse(namespace, &call, &error));
            }
            Step::Left(namespace) => {
                self.joined.remove(&namespace);
            }
            Step::Send(packet) => out.push(packet.frame()),
        }
    }

    fn connect(&mut self, namespace: Namespace, auth: Option<&Map<String, Value>>, out: &mut Out) {
        let now = self.hub.clock.now();
        let token = auth.and_then(|auth| auth.get("token")?.as_str()).or(self.bearer.as_deref());
        let identity = match token {
            None | Some("") => Err(AuthError::Required),
            Some(token) => self.hub.authenticate.identify(token, now),
        };
        match identity.and_then(|who| if who.expires_at > now { Ok(who) } else { Err(AuthError::Invalid) }) {
            Ok(identity) => {
                self.session.admit(namespace);
                let socket = Socket::open(&self.hub, namespace, identity, &self.bell, out);
                self.joined.insert(namespace, Box::new(socket));
            }
            Err(error) => {
                out.push(Packet::refusal(namespace.as_str().to_owned(), &error.to_string()).frame());
            }
        }
    }

    /// Puts out whose token has run out.
    fn expire(&mut self, since_opening: Duration, out: &mut Out) {
        let now = self.hub.clock.now();
        let expired = self.joined.iter().filter(|(_, socket)| socket.identity().expires_at <= now);
        for namespace in expired.map(|(namespace, _)| *namespace).collect::<Vec<_>>() {
            let error =
                ErrorBody::new(ErrorCode::TokenExpired, "The token has expired; connect with a new one");
            out.push(oda::error(namespace, &error, None));
            out.push(namespace.packet(Content::Disconnect));
            self.joined.remove(&namespace);
            self.session.dismiss(since_opening, namespace);
        }
    }
}

/// How long a token's expiry goes unchecked at most.
const EXPIRY_CHECK_MAX: Duration = Duration::from_hours(1);

impl Talk for Sockets {
    fn receive(&mut self, now: Duration, message: Message<'_>, out: &mut Out) -> Result<(), Ending> {
        if let Some(step) = self.session.receive(now, message)? {
            self.carry_out(step, out);
        }
        Ok(())
    }

    fn may_receive(&self) -> bool {
        self.joined.values().all(|socket| socket.may_call())
    }

    fn work(&mut self, now: Duration, out: &mut Out) -> Result<(), Ending> {
        self.session.tick(now)?;
        self.expire(now, out);
        self.joined.values_mut().for_each(|socket| socket.work(out));
        Ok(())
    }

    fn deadline(&self, since_opening: Duration) -> Option<Duration> {
        let now = self.hub.clock.now();
        let expiries = self.joined.values().map(|socket| {
            let left = now.duration_until(socket.identity().expires_at);
            // Looked at again before long, should the wall clock be set meanwhile.
            since_opening + Duration::try_from(left).unwrap_or_default().min(EXPIRY_CHECK_MAX)
        });
        expiries.chain(self.session.deadline()).min()
    }

    fn poll_work(&mut self, out: &mut Out, cx: &mut Context<'_>) -> Poll<Result<(), Ending>> {
        for socket in self.joined.values_mut() {
            if let Poll::Ready(taken) = socket.poll_answer(out, cx) {
                let interrupted = |interrupted: Interrupted| Ending::Interrupted(interrupted.to_string());
                return Poll::Ready(taken.map_err(interrupted));
            }
        }
        Poll::Pending
    }

    fn deliver(&mut self, out: &mut Out) -> bool {
        let now = self.hub.clock.now();
        self.joined.values_mut().all(|socket| socket.identity().expires_at > now && socket.deliver(out))
    }
}

#[cfg(test)]
mod tests;
