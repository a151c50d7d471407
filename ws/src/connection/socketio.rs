//! The driver of Socket.IO clients: the namespaces that a client is in, as whom, and for how long.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::connection::{ConnectionWaker, PeerInfo, ProtocolDriver, SendQueue};
use crate::contracts::{Namespace, Root};
use crate::hub::socket::{ClientAdmission, LogInterrupted, SessionLookup, Socket};
use crate::hub::sorted_map::SortedMap;
use crate::hub::{Hub, count};
use crate::options::HubOptions;
use crate::protocol::close_reason::CloseReason;
use crate::protocol::engine::TransportMessage;
use crate::protocol::socketio::{NamespaceId as _, SessionStep, SocketIoPacket, SocketIoSession};
use crate::source::AuthError;

/// The driver of one Socket.IO connection, over any transport.
pub struct SocketIoDriver {
    hub: Arc<Hub>,
    /// The token of the handshake's `Authorization` header, for namespaces that get none of their
    /// own.
    bearer: Option<String>,
    session: SocketIoSession<Namespace>,
    joined: SortedMap<Namespace, Box<Socket>>,
    /// Clients of a namespace whose earlier session is being looked up.
    lookups: Vec<(Namespace, SessionLookup)>,
    waker: Arc<ConnectionWaker>,
    /// The value of [`Hub::token_checks`] when the tokens were last checked.
    token_checks: u64,
}

impl SocketIoDriver {
    pub(crate) fn new(hub: Arc<Hub>, peer_info: PeerInfo, root: Root) -> Self {
        let HubOptions {
            messages_per_minute,
            max_payload,
            ..
        } = hub.options;
        let session =
            SocketIoSession::new(Namespace::parser(root), messages_per_minute, max_payload);
        let PeerInfo { bearer, waker, .. } = peer_info;
        let (joined, lookups) = Default::default();
        let token_checks = hub.token_checks();
        Self {
            hub,
            bearer,
            session,
            joined,
            lookups,
            waker,
            token_checks,
        }
    }

    fn carry_out(
        &mut self,
        step: SessionStep<Namespace>,
        out: &mut SendQueue,
    ) -> Result<(), CloseReason> {
        match step {
            // The server asks for no acknowledgements.
            SessionStep::Acknowledged(..) => {}
            SessionStep::Connect(namespace, auth) => self.connect(namespace, auth.as_ref(), out)?,
            SessionStep::Event(namespace, call) => {
                if let Some(socket) = self.joined.get_mut(&namespace) {
                    socket.queue_call(Ok(call));
                }
            }
            SessionStep::Excess(namespace, call) => {
                self.hub
                    .counters
                    .rate_limited
                    .limit_reached("messages_per_minute", self.hub.options.messages_per_minute);
                if let Some(socket) = self.joined.get(&namespace) {
                    socket.refuse_excess(&call, out);
                }
            }
            SessionStep::Left(namespace) => {
                self.joined.remove(&namespace);
            }
            SessionStep::Send(packet) => out.push(packet.frame()),
        }
        Ok(())
    }

    fn connect(
        &mut self,
        namespace: Namespace,
        auth: Option<&Map<String, Value>>,
        out: &mut SendQueue,
    ) -> Result<(), CloseReason> {
        // A second CONNECT while the first is looked up is out of turn, as it is once admitted.
        if self
            .lookups
            .iter()
            .any(|(waiting, _)| *waiting == namespace)
        {
            return Err(CloseReason::Malformed);
        }
        let token = auth
            .and_then(|auth| auth.get("token")?.as_str())
            .or(self.bearer.as_deref());
        let identity = match token {
            None | Some("") => Err(AuthError::Required),
            Some(token) => self.hub.identify(token),
        };
        match identity {
            Ok(identity) => match ClientAdmission::of(&self.hub, namespace, identity, auth) {
                Ok(arrival) => self.let_in(namespace, arrival, out)?,
                Err(lookups) => self.lookups.push((namespace, lookups)),
            },
            // A client stays away after a CONNECT_ERROR, but comes back by itself after a closed
            // transport. The keys will be there in a few seconds, so the transport is closed.
            Err(error @ AuthError::NotYet) => {
                return Err(CloseReason::Interrupted(error.to_string()));
            }
            Err(error) => {
                tracing::debug!(namespace = namespace.as_str(), %error, "Refused a client of a namespace");
                out.push(
                    SocketIoPacket::refusal(namespace.as_str().to_owned(), &error.to_string())
                        .frame(),
                );
            }
        }
        Ok(())
    }

    fn let_in(
        &mut self,
        namespace: Namespace,
        arrival: ClientAdmission,
        out: &mut SendQueue,
    ) -> Result<(), CloseReason> {
        if self.hub.authenticate.is_revoked(arrival.identity()) {
            out.push(
                SocketIoPacket::refusal(
                    namespace.as_str().to_owned(),
                    &AuthError::Invalid.to_string(),
                )
                .frame(),
            );
            return Ok(());
        }
        let Ok(socket) = Socket::open(&self.hub, namespace, arrival, &self.waker, out) else {
            self.hub.counters.crowded.limit_reached(
                "sockets_per_user_max",
                self.hub.options.sockets_per_user_max,
            );
            return Err(CloseReason::TooManySockets);
        };
        self.session.admit(namespace);
        self.joined.insert(namespace, Box::new(socket));
        Ok(())
    }

    /// Disconnects the sockets whose token is no longer valid.
    fn expire(&mut self, since_opening: Duration, out: &mut SendQueue) {
        let token_checks = self.hub.token_checks();
        let anew = std::mem::replace(&mut self.token_checks, token_checks) != token_checks;
        // Revocation is asked about only after `Hub::recheck_tokens`: for each socket it is a look into
        // the list of revoked tokens.
        let over = self
            .joined
            .iter()
            .filter_map(|(namespace, socket)| Some((*namespace, socket.token_error(anew)?)));
        for (namespace, error) in over.collect::<Vec<_>>() {
            if let Some(socket) = self.joined.remove(&namespace) {
                socket.disconnect(&error, out);
            }
            self.session.dismiss(since_opening, namespace);
        }
    }
}

/// A token's expiry is checked at least this often. Timers count monotonic time, so a wall clock
/// that was set would go unnoticed without it.
pub(crate) const EXPIRY_CHECK_MAX: Duration = Duration::from_hours(1);

impl ProtocolDriver for SocketIoDriver {
    fn receive(
        &mut self,
        now: Duration,
        message: TransportMessage<'_>,
        out: &mut SendQueue,
    ) -> Result<(), CloseReason> {
        if let Some(step) = self.session.receive(now, message)? {
            self.carry_out(step, out)?;
        }
        Ok(())
    }

    fn may_receive(&self) -> bool {
        self.joined.values().all(|socket| socket.can_queue_call())
    }

    fn work(&mut self, now: Duration, out: &mut SendQueue) -> Result<(), CloseReason> {
        self.session.tick(now)?;
        if self.joined.values().any(|socket| socket.is_replaced()) {
            count(&self.hub.counters.replaced);
            return Err(CloseReason::Replaced);
        }
        self.expire(now, out);
        self.joined.values_mut().for_each(|socket| socket.work(out));
        Ok(())
    }

    fn deadline(&self, since_opening: Duration) -> Option<Duration> {
        // At least once in `EXPIRY_CHECK_MAX`, in case the wall clock is set meanwhile.
        let expiries = self
            .joined
            .values()
            .map(|socket| since_opening + socket.time_left().min(EXPIRY_CHECK_MAX));
        expiries.chain(self.session.deadline()).min()
    }

    fn poll_work(
        &mut self,
        out: &mut SendQueue,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), CloseReason>> {
        let interrupted =
            |interrupted: LogInterrupted| CloseReason::Interrupted(interrupted.to_string());
        for socket in self.joined.values_mut() {
            if let Poll::Ready(taken) = socket.poll_answer(out, cx) {
                return Poll::Ready(taken.map_err(interrupted));
            }
        }
        for at in 0..self.lookups.len() {
            if let Poll::Ready(arrival) = self.lookups[at].1.as_mut().poll(cx) {
                let (namespace, _) = self.lookups.swap_remove(at);
                let arrival = arrival.map_err(interrupted);
                return Poll::Ready(
                    arrival.and_then(|arrival| self.let_in(namespace, *arrival, out)),
                );
            }
        }
        Poll::Pending
    }

    fn deliver(&mut self, out: &mut SendQueue) -> bool {
        if self.hub.token_checks() != self.token_checks {
            return false;
        }
        // The first socket with more to do ends the round: its task has to run in any case.
        let mut sockets = self.joined.values_mut();
        sockets.all(|socket| {
            !socket.time_left().is_zero() && !socket.is_replaced() && socket.deliver(out)
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
