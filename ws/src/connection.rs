//! The shell around one transport: bytes, deadlines and the sockets on it, in one task.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use schemas::{ErrorBody, ErrorCode};
use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

use crate::contracts::{Namespace, oda};
use crate::engine::{Open, Packet};
use crate::frame::{self, Decoder, Message, Violation};
use crate::hub::{Hub, Ticket};
use crate::limits::{CLOSE_LINGER, READ_BYTES_MAX, WRITE_STALL_MAX};
use crate::out::Out;
use crate::session::{self, Ending, Incoming, Session, Step};
use crate::socket::{Answer, Interrupted, Socket};
use crate::socketio::Content;
use crate::source::AuthError;

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
enum Over {
    #[error("the client closed")]
    Closed(Option<u16>),
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
    #[error("the transport failed")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Session(#[from] Ending),
    #[error("the server closes")]
    Shutdown,
    #[error("a write did not move")]
    Stalled,
    #[error(transparent)]
    Violation(#[from] Violation),
}

impl Over {
    /// The close frame to send; none where nobody would read it.
    fn goodbye(&self) -> Option<Bytes> {
        match self {
            Self::Closed(code) => Some(frame::close(*code)),
            Self::Interrupted(_) | Self::Shutdown => Some(frame::close(Some(frame::CLOSE_GOING_AWAY))),
            Self::Session(Ending::Silent) | Self::Io(_) | Self::Stalled => None,
            Self::Session(Ending::Goodbye) => Some(frame::close(None)),
            Self::Session(_) => Some(frame::close(Some(frame::CLOSE_POLICY))),
            Self::Violation(violation) => Some(frame::close(Some(violation.close_code()))),
        }
    }
}

pub(crate) async fn run<Io>(hub: Arc<Hub>, ticket: Ticket, io: Io, already_read: Bytes)
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut connection = Connection::open(hub, ticket, io, &already_read);
    let over = connection.talk().await;
    tracing::debug!(peer = %connection.ticket.peer, reason = %over, "realtime connection closed");
    connection.sockets.clear();
    if let Some(goodbye) = over.goodbye() {
        // Whoever does not take the goodbye in time goes without.
        let _ = timeout(CLOSE_LINGER, connection.leave(goodbye)).await;
    }
}

struct Connection<Io> {
    hub: Arc<Hub>,
    ticket: Ticket,
    io: Io,
    decoder: Decoder,
    /// Read and not yet decoded; nothing is read before it is empty.
    input: BytesMut,
    out: Out,
    session: Session,
    sockets: BTreeMap<Namespace, Socket>,
    wake: Arc<Notify>,
    opened: Instant,
    /// When a write last moved, or had nothing to move.
    moved: Instant,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Connection<Io> {
    fn open(hub: Arc<Hub>, ticket: Ticket, io: Io, already_read: &[u8]) -> Self {
        let options = &hub.options;
        let open = Packet::Open(Open {
            sid: hub.id(),
            upgrades: Vec::new(),
            ping_interval: milliseconds(options.ping_interval),
            ping_timeout: milliseconds(options.ping_timeout),
            max_payload: options.max_payload,
        });
        let mut out = Out::default();
        out.push(frame::text(&open.encode()));
        let now = Instant::now();
        Self {
            session: Session::new(options.ping_interval, options.ping_timeout, options.messages_per_minute),
            decoder: Decoder::new(options.max_payload),
            ticket,
            io,
            input: already_read.into(),
            out,
            sockets: BTreeMap::new(),
            wake: Arc::default(),
            opened: now,
            moved: now,
            hub,
        }
    }

    async fn talk(&mut self) -> Over {
        loop {
            let deadline = match self.tick().and_then(|()| self.work()).map(|()| self.deadline()) {
                Ok(deadline) => deadline,
                Err(over) => return over,
            };
            let listening = self.is_listening();
            let idle = self.out.is_done();
            let Self { io, out, input, sockets, .. } = self;
            // Fair enough without chance: every pass does all the work there is, so no branch can starve another.
            let turn = tokio::select! {
                biased;
                moved = poll_fn(|cx| poll_io(io, out, input, listening, cx)) => moved.map_err(Over::from),
                (namespace, answer) = poll_fn(|cx| poll_answers(sockets, cx)) => {
                    match self.sockets.get_mut(&namespace) {
                        Some(socket) => socket.take(answer, &mut self.out).map_err(Over::from).map(|()| Moved::Nothing),
                        None => Ok(Moved::Nothing),
                    }
                }
                () = self.wake.notified() => Ok(Moved::Nothing),
                () = self.hub.closing.cancelled() => Err(Over::Shutdown),
                () = sleep_until(deadline) => Ok(Moved::Nothing),
            };
            if idle {
                self.moved = Instant::now();
            }
            match turn {
                Ok(Moved::Out) => self.moved = Instant::now(),
                Ok(Moved::In | Moved::Nothing) => {}
                Ok(Moved::End) => return Over::Closed(None),
                Err(over) => return over,
            }
            if self.hub.closing.is_cancelled() {
                return Over::Shutdown;
            }
        }
    }

    /// What is due by now.
    fn tick(&mut self) -> Result<(), Over> {
        if !self.out.is_done() && self.moved.elapsed() >= WRITE_STALL_MAX {
            self.hub.counters.stalled.fetch_add(1, Ordering::Relaxed);
            return Err(Over::Stalled);
        }
        let listening = self.is_listening();
        if let Some(step) = self.session.tick(self.opened.elapsed(), listening)? {
            self.carry_out(step);
        }
        let now = self.hub.clock.now();
        let expired = |(namespace, socket): (&Namespace, &Socket)| {
            (socket.identity().expires_at <= now).then_some(*namespace)
        };
        for namespace in self.sockets.iter().filter_map(expired).collect::<Vec<_>>() {
            let error =
                ErrorBody::new(ErrorCode::TokenExpired, "The token has expired; connect with a new one");
            self.out.push(oda::error(namespace, &error, None));
            self.out.push(namespace.packet(Content::Disconnect));
            self.sockets.remove(&namespace);
            self.session.dismiss(self.opened.elapsed(), namespace);
        }
        Ok(())
    }

    fn deadline(&self) -> Instant {
        let now = self.hub.clock.now();
        let expiries = self.sockets.values().map(|socket| {
            let left = now.duration_until(socket.identity().expires_at);
            // Looked at again before long, should the wall clock be set meanwhile.
            Instant::now() + Duration::try_from(left).unwrap_or_default().min(EXPIRY_CHECK_MAX)
        });
        let stall = (!self.out.is_done()).then(|| self.moved + WRITE_STALL_MAX);
        let session = self.opened + self.session.deadline();
        expiries.chain(stall).fold(session, Instant::min)
    }

    /// Whether the client is read from: not while it has more to take or to wait for than the bounds allow.
    fn is_listening(&self) -> bool {
        !self.out.is_full() && self.sockets.values().all(Socket::may_call)
    }

    /// Takes what was read, and lets every socket do what it can.
    fn work(&mut self) -> Result<(), Over> {
        loop {
            let mut taken = false;
            while self.is_listening()
                && let Some(message) = self.decode()?
            {
                self.take(message)?;
                taken = true;
            }
            for socket in self.sockets.values_mut() {
                socket.work(&mut self.out);
            }
            if !taken {
                return Ok(());
            }
        }
    }

    fn decode(&mut self) -> Result<Option<Message>, Violation> {
        let mut rest = &self.input[..];
        let message = self.decoder.decode(&mut rest)?;
        let used = self.input.len() - rest.len();
        self.input.advance(used);
        if self.input.is_empty() {
            // A quiet connection keeps no buffer.
            self.input = BytesMut::new();
        }
        Ok(message)
    }

    fn take(&mut self, message: Message) -> Result<(), Over> {
        let now = self.opened.elapsed();
        let step = match message {
            Message::Text(text) => self.session.receive(now, Incoming::Text(&text))?,
            Message::Binary(_) => self.session.receive(now, Incoming::Binary)?,
            Message::Ping(payload) => {
                self.out.push(frame::pong(&payload));
                None
            }
            Message::Pong => None,
            Message::Close(code) => return Err(Over::Closed(code)),
        };
        if let Some(step) = step {
            self.carry_out(step);
        }
        Ok(())
    }

    fn carry_out(&mut self, step: Step) {
        match step {
            Step::Connect { namespace, auth } => self.connect(namespace, auth.as_ref()),
            Step::Left(namespace) => {
                self.sockets.remove(&namespace);
            }
            Step::Request(namespace, call) => {
                if let Some(socket) = self.sockets.get_mut(&namespace) {
                    socket.call(call);
                }
            }
            Step::Refuse(namespace, call, error) => {
                self.out.extend(oda::refuse(namespace, &call, &error));
            }
            Step::Send(packet) => self.out.push(frame::text(&packet)),
        }
    }

    fn connect(&mut self, namespace: Namespace, auth: Option<&Map<String, Value>>) {
        let now = self.hub.clock.now();
        let token = auth.and_then(|auth| auth.get("token")?.as_str()).or(self.ticket.bearer.as_deref());
        let identity = match token {
            None | Some("") => Err(AuthError::Required),
            Some(token) => self.hub.authenticate.identify(token, now),
        };
        match identity.and_then(|who| if who.expires_at > now { Ok(who) } else { Err(AuthError::Invalid) }) {
            Ok(identity) => {
                self.session.admit(namespace);
                let socket = Socket::open(&self.hub, namespace, identity, &self.wake, &mut self.out);
                self.sockets.insert(namespace, socket);
            }
            Err(error) => {
                self.out.push(frame::text(&session::refusal(namespace.as_str(), &error.to_string())));
            }
        }
    }

    /// Writes what is left and the close frame, then reads the client's last words away, because a connection
    /// closed on unread bytes is reset and the goodbye lost.
    async fn leave(&mut self, goodbye: Bytes) -> io::Result<()> {
        self.out.push(goodbye);
        while !self.out.is_done() {
            poll_fn(|cx| self.out.poll_write(Pin::new(&mut self.io), cx)).await?;
        }
        self.io.shutdown().await?;
        let mut unread = [0; 512];
        while self.io.read(&mut unread).await? > 0 {}
        Ok(())
    }
}

/// How long a token's expiry goes unchecked at most.
const EXPIRY_CHECK_MAX: Duration = Duration::from_hours(1);

enum Moved {
    /// The client sent its last byte.
    End,
    In,
    Nothing,
    Out,
}

/// Moves bytes, first out, then in. The read buffer lives on the stack, so a quiet connection has none.
fn poll_io<Io: AsyncRead + AsyncWrite + Unpin>(
    io: &mut Io,
    out: &mut Out,
    input: &mut BytesMut,
    listening: bool,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Moved>> {
    if let Poll::Ready(written) = out.poll_write(Pin::new(io), cx) {
        return Poll::Ready(written.map(|()| Moved::Out));
    }
    if !listening {
        return Poll::Pending;
    }
    let mut chunk = [0; READ_BYTES_MAX];
    let mut chunk = ReadBuf::new(&mut chunk);
    ready!(Pin::new(io).poll_read(cx, &mut chunk))?;
    if chunk.filled().is_empty() {
        return Poll::Ready(Ok(Moved::End));
    }
    input.extend_from_slice(chunk.filled());
    Poll::Ready(Ok(Moved::In))
}

fn poll_answers(
    sockets: &mut BTreeMap<Namespace, Socket>,
    cx: &mut Context<'_>,
) -> Poll<(Namespace, Answer)> {
    for (namespace, socket) in sockets {
        if let Poll::Ready(answer) = socket.poll_answer(cx) {
            return Poll::Ready((*namespace, answer));
        }
    }
    Poll::Pending
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
