//! Judges every request to a path of ours: who may open a session, and whose it is.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, Uri};
use schemas::Entropy;
use tokio_util::sync::CancellationToken;

use super::conversation::{Conversation, Counters, Ticket};
use super::handshake::{self, Query};
use super::layer::Layer;
use super::mailbox::{Mailbox, response};
use super::origin::Origin;
use super::polling::Attendance;
use super::sessions::{Seat, Sessions, Sid};
use super::{Out, Poll, Post, Refusal, Talk, Upgrade, Visitor};
use crate::options::{Entrance, Options};
use crate::protocol::engine::{Open, Packet};
use crate::protocol::frame;

/// The way in to one kind of [`Talk`].
pub struct Gate<T> {
    options: Options,
    entropy: Arc<Entropy>,
    sessions: Arc<Sessions<T>>,
    counters: Arc<Counters>,
    closing: CancellationToken,
}

/// What a request comes to. Nothing has been waited for.
pub enum Knock<T: Talk> {
    /// This answer, and that is all.
    Answer(Response<Bytes>),
    /// This answer; [`Attendance::run`] is to be spawned.
    Open(Response<Bytes>, Attendance<T>),
    /// The answer is to be waited for.
    Poll(Poll<T>),
    /// The body is to be read.
    Post(Post<T>),
    /// This 101; [`Upgrade::run`] is to be spawned with what the connection becomes.
    Upgrade(Response<Bytes>, Upgrade<T>),
}

impl<T: Talk> Gate<T> {
    /// Open to whom the options say.
    pub fn new(options: Options, entropy: Arc<Entropy>) -> Self {
        let (sessions, counters, closing) = Default::default();
        Self {
            options,
            entropy,
            sessions,
            counters,
            closing,
        }
    }

    /// Judges a request. `talk` makes what speaks with a client that opens a session.
    pub fn knock(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        peer: SocketAddr,
        entrance: &Entrance,
        talk: impl FnOnce(Visitor) -> T,
    ) -> Knock<T> {
        let visitor = || visitor(headers, peer, entrance);
        self.judge(method, headers, entrance, |origin| {
            let query = Query::read(uri);
            match (query.transport, query.session) {
                (Some("polling"), None) => self.open(method, &query, visitor, talk),
                (Some("polling"), Some(sid)) => self.poll(method, sid, origin),
                (Some("websocket"), None) => self.connect(method, &query, headers, visitor, talk),
                (Some("websocket"), Some(sid)) => self.probe(method, headers, sid),
                _ => Err(Refusal::Transport),
            }
        })
    }

    /// Judges a request for a WebSocket that carries no Engine.IO. It counts among all others. `talk` makes what speaks
    /// with its client and may say something first, or says why nothing does.
    pub fn knock_plain<P: Talk>(
        &self,
        method: &Method,
        headers: &HeaderMap,
        peer: SocketAddr,
        entrance: &Entrance,
        talk: impl FnOnce(Visitor, &mut Out) -> Result<P, Refusal>,
    ) -> Knock<P> {
        self.judge(method, headers, entrance, |_| {
            if *method != Method::GET {
                return Err(Refusal::Method);
            }
            let answer = handshake::accept(headers)?;
            let layer = Layer::plain(&self.options);
            let conversation = self.converse(visitor(headers, peer, entrance), layer, talk)?;
            Ok(Knock::Upgrade(
                answer,
                Upgrade::fresh(conversation, self.options.max_payload),
            ))
        })
    }

    /// Whatever it is for: a foreign page has no business here, and a browser may ask before it sends.
    fn judge<P: Talk>(
        &self,
        method: &Method,
        headers: &HeaderMap,
        entrance: &Entrance,
        judge: impl FnOnce(&Origin) -> Result<Knock<P>, Refusal>,
    ) -> Knock<P> {
        let origin = match entrance.origin(headers) {
            Ok(origin) => origin,
            Err(refusal) => {
                self.counters
                    .refused_of_origin
                    .fetch_add(1, Ordering::Relaxed);
                return Knock::Answer(refusal.response());
            }
        };
        let knock = match *method {
            Method::OPTIONS => origin.preflight().map(Knock::Answer),
            _ => judge(&origin),
        };
        match knock {
            Ok(Knock::Answer(answer)) => Knock::Answer(origin.admit(answer)),
            Ok(Knock::Open(answer, attendance)) => Knock::Open(origin.admit(answer), attendance),
            Ok(knock) => knock,
            Err(refusal) => Knock::Answer(origin.admit(response(Err(refusal)))),
        }
    }

    /// Ends every session, so that clients come back, and takes no new ones.
    pub fn close(&self) {
        self.closing.cancel();
    }

    /// Sessions open now.
    pub fn connections(&self) -> usize {
        self.counters.connections.load(Ordering::Relaxed)
    }

    /// Sessions that requests may name.
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

    /// Requests refused since the start: too many connections in all, of one address, and of another's page.
    pub fn refused(&self) -> [u64; 3] {
        let Counters {
            refused,
            refused_of_address,
            refused_of_origin,
            ..
        } = &*self.counters;
        [refused, refused_of_address, refused_of_origin].map(|count| count.load(Ordering::Relaxed))
    }

    fn open(
        &self,
        method: &Method,
        query: &Query<'_>,
        visitor: impl FnOnce() -> Visitor,
        talk: impl FnOnce(Visitor) -> T,
    ) -> Result<Knock<T>, Refusal> {
        may_open(method, query)?;
        let (mailbox, letters) = Mailbox::new();
        let mut conversation = self.converse_in_packets(visitor(), talk)?;
        let sid = self.sid();
        conversation.found_at(self.sessions.add(sid, mailbox));
        let answer = response(Ok(self.greeting(sid, &["websocket"]).into()));
        Ok(Knock::Open(
            answer,
            Attendance::new(conversation, letters, self.options.max_payload),
        ))
    }

    fn connect(
        &self,
        method: &Method,
        query: &Query<'_>,
        headers: &HeaderMap,
        visitor: impl FnOnce() -> Visitor,
        talk: impl FnOnce(Visitor) -> T,
    ) -> Result<Knock<T>, Refusal> {
        may_open(method, query)?;
        let answer = handshake::accept(headers)?;
        let mut conversation = self.converse_in_packets(visitor(), talk)?;
        conversation
            .out
            .push(frame::text(&self.greeting(self.sid(), &[])));
        Ok(Knock::Upgrade(
            answer,
            Upgrade::fresh(conversation, self.options.max_payload),
        ))
    }

    fn poll(&self, method: &Method, sid: &str, origin: &Origin) -> Result<Knock<T>, Refusal> {
        let Seat::Polling(mailbox) = self.sessions.find(sid).ok_or(Refusal::Session)? else {
            return Err(Refusal::BadRequest);
        };
        let origin = origin.clone();
        match *method {
            Method::GET => Ok(Knock::Poll(Poll { mailbox, origin })),
            Method::POST => Ok(Knock::Post(Post {
                posting: mailbox.post()?,
                bytes_max: self.options.max_payload,
                origin,
            })),
            _ => Err(Refusal::BadRequest),
        }
    }

    fn probe(&self, method: &Method, headers: &HeaderMap, sid: &str) -> Result<Knock<T>, Refusal> {
        let seat = self.sessions.find(sid).ok_or(Refusal::Session)?;
        if *method != Method::GET {
            return Err(Refusal::BadRequest);
        }
        let answer = handshake::accept(headers)?;
        let probing = match seat {
            Seat::Polling(mailbox) => mailbox.probe(),
            Seat::Upgraded => None,
        };
        // A client that comes too late learns it on the WebSocket, where it can do something with it.
        Ok(Knock::Upgrade(
            answer,
            Upgrade::probe(probing, self.options.max_payload),
        ))
    }

    fn converse_in_packets(
        &self,
        visitor: Visitor,
        talk: impl FnOnce(Visitor) -> T,
    ) -> Result<Box<Conversation<T>>, Refusal> {
        self.converse(visitor, Layer::engine(&self.options), |visitor, _| {
            Ok(talk(visitor))
        })
    }

    fn converse<P: Talk>(
        &self,
        visitor: Visitor,
        layer: Layer,
        talk: impl FnOnce(Visitor, &mut Out) -> Result<P, Refusal>,
    ) -> Result<Box<Conversation<P>>, Refusal> {
        if self.closing.is_cancelled() {
            return Err(Refusal::Overloaded);
        }
        let ticket = Ticket::take(&self.counters, visitor.address, &self.options);
        let ticket = ticket.ok_or(Refusal::Overloaded)?;
        let (peer, bell, closing) = (
            visitor.peer,
            Arc::clone(&visitor.bell),
            self.closing.clone(),
        );
        let mut out = Out::default();
        let talk = talk(visitor, &mut out)?;
        Ok(Conversation::open(
            talk, out, layer, peer, bell, closing, ticket,
        ))
    }

    fn sid(&self) -> Sid {
        Sid(self.entropy.bytes())
    }

    fn greeting(&self, sid: Sid, upgrades: &[&str]) -> String {
        let open = Open {
            sid: sid.to_string(),
            upgrades: upgrades.iter().map(|name| (*name).to_owned()).collect(),
            ping_interval: milliseconds(self.options.ping_interval),
            ping_timeout: milliseconds(self.options.ping_timeout),
            max_payload: self.options.max_payload,
        };
        Packet::Open(open).encode()
    }
}

fn visitor(headers: &HeaderMap, peer: SocketAddr, entrance: &Entrance) -> Visitor {
    Visitor {
        bearer: handshake::bearer(headers),
        peer,
        address: entrance.address_of(peer.ip(), headers),
        bell: Arc::default(),
    }
}

fn may_open(method: &Method, query: &Query<'_>) -> Result<(), Refusal> {
    if *method != Method::GET {
        return Err(Refusal::Method);
    }
    if query.protocol == Some("4") {
        Ok(())
    } else {
        Err(Refusal::Protocol)
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
