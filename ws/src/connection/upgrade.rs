//! A connection that becomes a WebSocket: with a session of its own, or to take over one that polls.

use std::future::poll_fn;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::conversation::Conversation;
use super::mailbox::{Letter, Probing};
use super::wire::Wire;
use super::{Out, Talk, websocket};
use crate::limits::UPGRADE_TIMEOUT;
use crate::protocol::ending::Ending;
use crate::protocol::engine::{Probe, ProbeStep};
use crate::protocol::frame::{self, Message};

/// A connection whose request was answered with 101.
pub struct Upgrade<T: Talk> {
    purpose: Purpose<T>,
    message_bytes_max: usize,
}

enum Purpose<T: Talk> {
    /// A session opens on it.
    Fresh(Box<Conversation<T>>),
    /// The session it names has a WebSocket already.
    Late,
    /// It wants to take over a session.
    Probe(Probing<T>),
}

impl<T: Talk> Upgrade<T> {
    pub(super) fn fresh(conversation: Box<Conversation<T>>, message_bytes_max: usize) -> Self {
        Self {
            purpose: Purpose::Fresh(conversation),
            message_bytes_max,
        }
    }

    pub(super) fn probe(probing: Option<Probing<T>>, message_bytes_max: usize) -> Self {
        Self {
            purpose: probing.map_or(Purpose::Late, Purpose::Probe),
            message_bytes_max,
        }
    }

    /// Speaks until it is over. `already_read` is what came right behind the request.
    pub async fn run<Io>(self, io: Io, already_read: Bytes)
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // In a box, because each place it is moved to would keep room for it.
        let mut wire = Box::new(Wire::new(io, &already_read, self.message_bytes_max));
        drop(already_read);
        let conversation = match self.purpose {
            Purpose::Fresh(conversation) => Ok(conversation),
            Purpose::Late => Err(Ending::Overlap),
            // In a box, so that no connection has room for it all its life.
            Purpose::Probe(probing) => Box::pin(take_over(probing, &mut wire)).await,
        };
        match conversation {
            Ok(conversation) => websocket::run(conversation, wire).await,
            Err(ending) => wire.leave(Out::default(), &ending).await,
        }
    }
}

/// Probes the session and gets it, or lets it poll on.
async fn take_over<T: Talk, Io>(
    probing: Probing<T>,
    wire: &mut Wire<Io>,
) -> Result<Box<Conversation<T>>, Ending>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let mailbox = &probing.0;
    let outcome = tokio::select! {
        biased;
        outcome = timeout(UPGRADE_TIMEOUT, probe(&probing, wire)) => outcome.unwrap_or(Err(Ending::Unused)),
        () = mailbox.abandoned() => Err(Ending::Goodbye),
    };
    if outcome.is_err() {
        mailbox.leave(Letter::Probe(false)).await;
    }
    outcome
}

async fn probe<T: Talk, Io>(
    Probing(mailbox): &Probing<T>,
    wire: &mut Wire<Io>,
) -> Result<Box<Conversation<T>>, Ending>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let (mut probe, mut out) = (Probe::default(), Out::default());
    loop {
        while let Some(message) = wire.decode()? {
            let text = match message {
                Message::Text(text) => text,
                Message::Binary(_) => return Err(Ending::Malformed),
                Message::Close(code) => return Err(Ending::Closed(code)),
                Message::Ping(payload) => {
                    out.push(frame::pong(&payload));
                    continue;
                }
                Message::Pong => continue,
            };
            match probe.receive(&text)? {
                ProbeStep::Echo(packet) => {
                    out.push(frame::text(&packet.encode()));
                    mailbox.leave(Letter::Probe(true)).await;
                }
                ProbeStep::TakeOver => {
                    while !out.is_done() {
                        poll_fn(|cx| wire.poll(&mut out, false, cx)).await?;
                    }
                    let (successor, handed) = oneshot::channel();
                    mailbox.leave(Letter::TakeOver(successor)).await;
                    return handed.await.map_err(|_| Ending::Goodbye);
                }
            }
        }
        let listening = !out.is_full();
        poll_fn(|cx| wire.poll(&mut out, listening, cx)).await?;
    }
}
