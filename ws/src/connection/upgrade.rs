//! A connection that becomes a WebSocket: with a session of its own, or to take over a polling one.

use std::future::poll_fn;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::poll_channel::{PollRequest, ProbePermit};
use super::session::ClientSession;
use super::stream::WebSocketStream;
use super::{ProtocolDriver, SendQueue, websocket};
use crate::limits::UPGRADE_TIMEOUT;
use crate::protocol::close_reason::CloseReason;
use crate::protocol::engine::{ProbeStep, UpgradeProbe};
use crate::protocol::frame::{self, ClientMessage};

/// A connection whose request was answered with 101.
pub struct PendingUpgrade<T: ProtocolDriver> {
    purpose: UpgradePurpose<T>,
    message_bytes_max: usize,
}

enum UpgradePurpose<T: ProtocolDriver> {
    /// A session opens on it.
    Fresh(Box<ClientSession<T>>),
    /// The session it names has a WebSocket already, or another one is probing it.
    Late,
    /// It probes a polling session, to take it over.
    Probe(ProbePermit<T>),
}

impl<T: ProtocolDriver> PendingUpgrade<T> {
    pub(super) fn fresh(session: Box<ClientSession<T>>, message_bytes_max: usize) -> Self {
        Self {
            purpose: UpgradePurpose::Fresh(session),
            message_bytes_max,
        }
    }

    pub(super) fn probe(probing: Option<ProbePermit<T>>, message_bytes_max: usize) -> Self {
        Self {
            purpose: probing.map_or(UpgradePurpose::Late, UpgradePurpose::Probe),
            message_bytes_max,
        }
    }

    /// Runs the connection until it ends. `already_read` holds the bytes that followed the request.
    pub async fn run<Io>(self, io: Io, already_read: Bytes)
    where
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Boxed, because each future that it moves through would reserve room for it.
        let mut stream = Box::new(WebSocketStream::new(
            io,
            &already_read,
            self.message_bytes_max,
        ));
        // It is a slice of hyper's read buffer, which would be kept for the connection's whole life.
        drop(already_read);
        let session = match self.purpose {
            UpgradePurpose::Fresh(session) => Ok(session),
            UpgradePurpose::Late => Err(CloseReason::Overlap),
            // Boxed, because otherwise every connection would reserve the room for this future all
            // its life.
            UpgradePurpose::Probe(probing) => Box::pin(take_over(probing, &mut stream)).await,
        };
        match session {
            Ok(session) => websocket::run(session, stream).await,
            Err(reason) => stream.leave(SendQueue::default(), &reason).await,
        }
    }
}

/// Probes a polling session and takes it over; if that fails, the session polls on.
async fn take_over<T: ProtocolDriver, Io>(
    probing: ProbePermit<T>,
    stream: &mut WebSocketStream<Io>,
) -> Result<Box<ClientSession<T>>, CloseReason>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let channel = &probing.0;
    let outcome = tokio::select! {
        biased;
        outcome = timeout(UPGRADE_TIMEOUT, probe(&probing, stream)) => outcome.unwrap_or(Err(CloseReason::UpgradeTimeout)),
        () = channel.abandoned() => Err(CloseReason::Goodbye),
    };
    if outcome.is_err() {
        channel.leave(PollRequest::Probe(false)).await;
    }
    outcome
}

async fn probe<T: ProtocolDriver, Io>(
    ProbePermit(channel): &ProbePermit<T>,
    stream: &mut WebSocketStream<Io>,
) -> Result<Box<ClientSession<T>>, CloseReason>
where
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let (mut probe, mut out) = (UpgradeProbe::default(), SendQueue::default());
    loop {
        while let Some(message) = stream.decode()? {
            let text = match message {
                ClientMessage::Text(text) => text,
                ClientMessage::Binary(_) => return Err(CloseReason::Malformed),
                ClientMessage::Close(code) => return Err(CloseReason::Closed(code)),
                ClientMessage::Ping(payload) => {
                    out.push(frame::pong(&payload));
                    continue;
                }
                ClientMessage::Pong => continue,
            };
            match probe.receive(&text)? {
                ProbeStep::Echo(packet) => {
                    out.push(frame::text(&packet.encode()));
                    // The client changes over only after its GET was answered, so the polling task
                    // ends that GET now.
                    channel.leave(PollRequest::Probe(true)).await;
                }
                ProbeStep::TakeOver => {
                    // The session has a queue of its own: the echo has to be out before it.
                    while !out.is_done() {
                        poll_fn(|cx| stream.poll(&mut out, false, cx)).await?;
                    }
                    let (successor, handed) = oneshot::channel();
                    channel.leave(PollRequest::TakeOver(successor)).await;
                    return handed.await.map_err(|_| CloseReason::Goodbye);
                }
            }
        }
        let listening = !out.is_full();
        poll_fn(|cx| stream.poll(&mut out, listening, cx)).await?;
    }
}
