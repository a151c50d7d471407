//! The stream of an upgraded connection: bytes and messages in, frames out.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;

use super::SendQueue;
use crate::limits::{CLOSE_LINGER, READ_BYTES_MAX};
use crate::protocol::close_reason::CloseReason;
use crate::protocol::frame::{self, ClientMessage, FrameDecoder, FrameViolation};

/// An upgraded connection.
pub(super) struct WebSocketStream<Io> {
    io: Io,
    decoder: FrameDecoder,
    /// Bytes that were read and not yet decoded. Nothing more is read before they are used up.
    input: BytesMut,
}

/// In which direction bytes moved.
pub(super) enum IoProgress {
    Read,
    Written,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> WebSocketStream<Io> {
    pub(super) fn new(io: Io, already_read: &[u8], message_bytes_max: usize) -> Self {
        Self {
            io,
            decoder: FrameDecoder::new(message_bytes_max),
            input: already_read.into(),
        }
    }

    /// The next message among the bytes that were read; `None` when they hold no whole one.
    pub(super) fn decode(&mut self) -> Result<Option<ClientMessage>, FrameViolation> {
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

    /// Moves bytes, first out, then in. The read buffer is on the stack, so that a quiet connection
    /// holds none.
    pub(super) fn poll(
        &mut self,
        out: &mut SendQueue,
        listening: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<IoProgress, CloseReason>> {
        if let Poll::Ready(written) = self.poll_write(out, cx) {
            return Poll::Ready(
                written
                    .map(|()| IoProgress::Written)
                    .map_err(|_| CloseReason::Broken),
            );
        }
        if !listening {
            return Poll::Pending;
        }
        let mut chunk = [0; READ_BYTES_MAX];
        let mut chunk = ReadBuf::new(&mut chunk);
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut chunk));
        if read.is_err() {
            return Poll::Ready(Err(CloseReason::Broken));
        }
        if chunk.filled().is_empty() {
            return Poll::Ready(Err(CloseReason::Closed(None)));
        }
        self.input.extend_from_slice(chunk.filled());
        Poll::Ready(Ok(IoProgress::Read))
    }

    /// Writes from the queue. Pending when nothing can be written, and when the queue is empty.
    pub(super) fn poll_write(
        &mut self,
        out: &mut SendQueue,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        out.poll_write(Pin::new(&mut self.io), cx)
    }

    /// Sends the close frame where the client can still read it, for at most [`CLOSE_LINGER`].
    pub(super) async fn leave(&mut self, out: SendQueue, reason: &CloseReason) {
        if let Some(goodbye) = goodbye(reason) {
            // Boxed, because otherwise every connection would reserve the room for this future all
            // its life.
            let _ = timeout(CLOSE_LINGER, Box::pin(self.say(out, goodbye))).await;
        }
    }

    /// Writes what is left and the close frame, then reads until the client closes. A TCP
    /// connection that is closed with unread bytes is reset, and the close frame would be lost with
    /// it.
    async fn say(&mut self, mut out: SendQueue, goodbye: Bytes) -> io::Result<()> {
        out.push(goodbye);
        while !out.is_done() {
            poll_fn(|cx| out.poll_write(Pin::new(&mut self.io), cx)).await?;
        }
        self.io.shutdown().await?;
        let mut unread = [0; 512];
        while self.io.read(&mut unread).await? > 0 {}
        Ok(())
    }
}

/// The close frame for that reason; `None` where nobody would read it.
fn goodbye(reason: &CloseReason) -> Option<Bytes> {
    let code = match reason {
        CloseReason::Broken
        | CloseReason::Replaced
        | CloseReason::Silent
        | CloseReason::Stalled => return None,
        CloseReason::Closed(code) => *code,
        CloseReason::Goodbye => None,
        CloseReason::TooManySockets | CloseReason::Interrupted(_) | CloseReason::Shutdown => {
            Some(frame::CLOSE_GOING_AWAY)
        }
        CloseReason::TokenEnded
        | CloseReason::NoNamespace
        | CloseReason::Malformed
        | CloseReason::Overlap
        | CloseReason::TooManyConnects
        | CloseReason::UpgradeTimeout => Some(frame::CLOSE_POLICY),
        CloseReason::Violation(violation) => Some(violation.close_code()),
    };
    Some(frame::close(code))
}
