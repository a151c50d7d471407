//! Judges every request to a realtime path: who may open a session, and to which session a request
//! belongs.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, Uri};
use schemas::Entropy;
use tokio_util::sync::CancellationToken;

use super::framing::FramingLayer;
use super::handshake::{self, HandshakeQuery};
use super::origin::RequestOrigin;
use super::poll_channel::{PollChannel, response};
use super::polling::PollingTask;
use super::session::{ClientSession, ConnectionCounters, ConnectionPermit};
use super::session_table::{EngineSessionId, SessionTable, SessionTransport};
use super::{
    ConnectionRefusal, PeerInfo, PendingGet, PendingPost, PendingUpgrade, ProtocolDriver, SendQueue,
};
use crate::options::{HubOptions, ListenerPolicy};
use crate::protocol::engine::{EnginePacket, OpenPayload};
use crate::protocol::frame;

/// Accepts the connections of one kind of [`ProtocolDriver`] and counts all of them.
pub struct ConnectionAcceptor<T> {
    options: HubOptions,
    entropy: Arc<Entropy>,
    sessions: Arc<SessionTable<T>>,
    counters: Arc<ConnectionCounters>,
    closing: CancellationToken,
}

/// What is to be done with a request. Judging it has waited for nothing.
pub enum HandshakeOutcome<T: ProtocolDriver> {
    /// Send this response; nothing follows.
    Answer(Response<Bytes>),
    /// Send this response and spawn [`PollingTask::run`].
    Open(Response<Bytes>, PollingTask<T>),
    /// Await [`PendingGet::answer`].
    Poll(PendingGet<T>),
    /// Read the body, then await [`PendingPost::answer`].
    Post(PendingPost<T>),
    /// Send this 101 and spawn [`PendingUpgrade::run`] with the upgraded connection.
    Upgrade(Response<Bytes>, PendingUpgrade<T>),
}

impl<T: ProtocolDriver> ConnectionAcceptor<T> {
    /// An acceptor with these bounds and no sessions.
    pub fn new(options: HubOptions, entropy: Arc<Entropy>) -> Self {
        let (sessions, counters, closing) = Default::default();
        Self {
            options,
            entropy,
            sessions,
            counters,
            closing,
        }
    }

    /// Judges a request to the path of Socket.IO. `driver` makes the driver of a session that
    /// opens.
    pub fn handshake(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        peer: SocketAddr,
        policy: &ListenerPolicy,
        driver: impl FnOnce(PeerInfo) -> T,
    ) -> HandshakeOutcome<T> {
        let peer_info = || peer_info(headers, peer, policy);
        self.judge(method, headers, peer, policy, |origin| {
            let query = HandshakeQuery::read(uri);
            match (query.transport, query.session) {
                (Some("polling"), None) => self.open(method, &query, peer_info, driver),
                (Some("polling"), Some(sid)) => self.poll(method, sid, origin),
                (Some("websocket"), None) => {
                    self.connect(method, &query, headers, peer_info, driver)
                }
                (Some("websocket"), Some(sid)) => self.probe(method, headers, sid),
                _ => Err(ConnectionRefusal::Transport),
            }
        })
    }

    /// Judges a request for a WebSocket without Engine.IO, which counts among all connections.
    /// `driver` makes its driver, which may queue a greeting, or says why the client is refused.
    pub fn handshake_plain<P: ProtocolDriver>(
        &self,
        method: &Method,
        headers: &HeaderMap,
        peer: SocketAddr,
        policy: &ListenerPolicy,
        driver: impl FnOnce(PeerInfo, &mut SendQueue) -> Result<P, ConnectionRefusal>,
    ) -> HandshakeOutcome<P> {
        self.judge(method, headers, peer, policy, |_| {
            if *method != Method::GET {
                return Err(ConnectionRefusal::Method);
            }
            let answer = handshake::accept(headers)?;
            let layer = FramingLayer::plain(&self.options);
            let session = self.open_session(peer_info(headers, peer, policy), layer, driver)?;
            Ok(HandshakeOutcome::Upgrade(
                answer,
                PendingUpgrade::fresh(session, self.options.max_payload),
            ))
        })
    }

    /// What holds for every request: pages of foreign origins are refused, and the preflight of a
    /// browser is answered.
    fn judge<P: ProtocolDriver>(
        &self,
        method: &Method,
        headers: &HeaderMap,
        peer: SocketAddr,
        policy: &ListenerPolicy,
        judge: impl FnOnce(&RequestOrigin) -> Result<HandshakeOutcome<P>, ConnectionRefusal>,
    ) -> HandshakeOutcome<P> {
        let origin = match policy.origin(headers) {
            Ok(origin) => origin,
            Err(refusal) => {
                self.counters
                    .refused_of_origin
                    .fetch_add(1, Ordering::Relaxed);
                return HandshakeOutcome::Answer(refusal.response());
            }
        };
        let handshake = match *method {
            Method::OPTIONS => origin.preflight().map(HandshakeOutcome::Answer),
            _ => judge(&origin),
        };
        match handshake {
            Ok(HandshakeOutcome::Answer(answer)) => HandshakeOutcome::Answer(origin.admit(answer)),
            Ok(HandshakeOutcome::Open(answer, task)) => {
                HandshakeOutcome::Open(origin.admit(answer), task)
            }
            Ok(handshake) => handshake,
            Err(refusal) => {
                tracing::debug!(%peer, status = refusal.status().as_u16(), reason = %refusal, "Refused a realtime request");
                HandshakeOutcome::Answer(origin.admit(response(Err(refusal))))
            }
        }
    }

    /// Ends every session, so that clients come back, and refuses new ones.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// The number of open sessions.
    pub fn connections(&self) -> usize {
        self.counters.connections.load(Ordering::Relaxed)
    }

    /// Polling sessions that requests may name.
    #[cfg(test)]
    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Sessions ended because a write did not move, since the start.
    pub fn stalled(&self) -> u64 {
        self.counters.stalled.load(Ordering::Relaxed)
    }

    /// How often sessions ended for each reason, since the start.
    pub fn endings(&self) -> BTreeMap<&'static str, u64> {
        self.counters
            .endings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Requests refused since the start: too many connections in all, too many of one address, a
    /// foreign origin.
    pub fn refused(&self) -> [u64; 3] {
        let ConnectionCounters {
            refused,
            refused_of_address,
            refused_of_origin,
            ..
        } = &*self.counters;
        [
            refused.total(),
            refused_of_address.total(),
            refused_of_origin.load(Ordering::Relaxed),
        ]
    }

    fn open(
        &self,
        method: &Method,
        query: &HandshakeQuery<'_>,
        peer_info: impl FnOnce() -> PeerInfo,
        driver: impl FnOnce(PeerInfo) -> T,
    ) -> Result<HandshakeOutcome<T>, ConnectionRefusal> {
        may_open(method, query)?;
        let (channel, requests) = PollChannel::new();
        let mut session = self.open_engine_session(peer_info(), driver)?;
        let sid = self.sid();
        session.set_guard(self.sessions.add(sid, channel));
        let answer = response(Ok(self.greeting(sid, &["websocket"]).into()));
        Ok(HandshakeOutcome::Open(
            answer,
            PollingTask::new(session, requests, self.options.max_payload),
        ))
    }

    fn connect(
        &self,
        method: &Method,
        query: &HandshakeQuery<'_>,
        headers: &HeaderMap,
        peer_info: impl FnOnce() -> PeerInfo,
        driver: impl FnOnce(PeerInfo) -> T,
    ) -> Result<HandshakeOutcome<T>, ConnectionRefusal> {
        may_open(method, query)?;
        let answer = handshake::accept(headers)?;
        let mut session = self.open_engine_session(peer_info(), driver)?;
        session
            .out
            .push(frame::text(&self.greeting(self.sid(), &[])));
        Ok(HandshakeOutcome::Upgrade(
            answer,
            PendingUpgrade::fresh(session, self.options.max_payload),
        ))
    }

    fn poll(
        &self,
        method: &Method,
        sid: &str,
        origin: &RequestOrigin,
    ) -> Result<HandshakeOutcome<T>, ConnectionRefusal> {
        let SessionTransport::Polling(channel) =
            self.sessions.find(sid).ok_or(ConnectionRefusal::Session)?
        else {
            return Err(ConnectionRefusal::BadRequest);
        };
        let origin = origin.clone();
        match *method {
            Method::GET => Ok(HandshakeOutcome::Poll(PendingGet { channel, origin })),
            Method::POST => Ok(HandshakeOutcome::Post(PendingPost {
                posting: channel.post()?,
                bytes_max: self.options.max_payload,
                origin,
            })),
            _ => Err(ConnectionRefusal::BadRequest),
        }
    }

    fn probe(
        &self,
        method: &Method,
        headers: &HeaderMap,
        sid: &str,
    ) -> Result<HandshakeOutcome<T>, ConnectionRefusal> {
        let transport = self.sessions.find(sid).ok_or(ConnectionRefusal::Session)?;
        if *method != Method::GET {
            return Err(ConnectionRefusal::BadRequest);
        }
        let answer = handshake::accept(headers)?;
        let probing = match transport {
            SessionTransport::Polling(channel) => channel.probe(),
            SessionTransport::Upgraded => None,
        };
        // A client that comes too late is upgraded all the same: only a close frame tells it why,
        // in a way that it can handle.
        Ok(HandshakeOutcome::Upgrade(
            answer,
            PendingUpgrade::probe(probing, self.options.max_payload),
        ))
    }

    fn open_engine_session(
        &self,
        peer_info: PeerInfo,
        driver: impl FnOnce(PeerInfo) -> T,
    ) -> Result<Box<ClientSession<T>>, ConnectionRefusal> {
        self.open_session(
            peer_info,
            FramingLayer::engine(&self.options),
            |peer_info, _| Ok(driver(peer_info)),
        )
    }

    fn open_session<P: ProtocolDriver>(
        &self,
        peer_info: PeerInfo,
        layer: FramingLayer,
        driver: impl FnOnce(PeerInfo, &mut SendQueue) -> Result<P, ConnectionRefusal>,
    ) -> Result<Box<ClientSession<P>>, ConnectionRefusal> {
        if self.closing.is_cancelled() {
            return Err(ConnectionRefusal::Overloaded);
        }
        let permit = ConnectionPermit::take(&self.counters, peer_info.address, &self.options);
        let permit = permit.ok_or(ConnectionRefusal::Overloaded)?;
        let (peer, waker, closing) = (
            peer_info.peer,
            Arc::clone(&peer_info.waker),
            self.closing.clone(),
        );
        // The permit is held before a driver exists, so a flood costs no more than its handshakes.
        let mut out = SendQueue::default();
        let driver = driver(peer_info, &mut out)?;
        Ok(ClientSession::open(
            driver, out, layer, peer, waker, closing, permit,
        ))
    }

    fn sid(&self) -> EngineSessionId {
        EngineSessionId(self.entropy.bytes())
    }

    fn greeting(&self, sid: EngineSessionId, upgrades: &[&str]) -> String {
        let open = OpenPayload {
            sid: sid.to_string(),
            upgrades: upgrades.iter().map(|name| (*name).to_owned()).collect(),
            ping_interval: milliseconds(self.options.ping_interval),
            ping_timeout: milliseconds(self.options.ping_timeout),
            max_payload: self.options.max_payload,
        };
        EnginePacket::Open(open).encode()
    }
}

fn peer_info(headers: &HeaderMap, peer: SocketAddr, policy: &ListenerPolicy) -> PeerInfo {
    PeerInfo {
        bearer: handshake::bearer(headers),
        peer,
        address: policy.address_of(peer.ip(), headers),
        waker: Arc::default(),
    }
}

fn may_open(method: &Method, query: &HandshakeQuery<'_>) -> Result<(), ConnectionRefusal> {
    if *method != Method::GET {
        return Err(ConnectionRefusal::Method);
    }
    if query.protocol == Some("4") {
        Ok(())
    } else {
        Err(ConnectionRefusal::Protocol)
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
