//! An upgraded connection: bytes in and messages out of them, frames out.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;

use super::Out;
use crate::limits::{CLOSE_LINGER, READ_BYTES_MAX};
use crate::protocol::ending::Ending;
use crate::protocol::frame::{self, Decoder, Message, Violation};

/// An upgraded connection.
pub(super) struct Wire<Io> {
    io: Io,
    decoder: Decoder,
    /// Read and not yet decoded; nothing is read before it is empty.
    input: BytesMut,
}

/// What moved.
pub(super) enum Moved {
    In,
    Out,
}

impl<Io: AsyncRead + AsyncWrite + Unpin> Wire<Io> {
    pub(super) fn new(io: Io, already_read: &[u8], message_bytes_max: usize) -> Self {
        Self {
            io,
            decoder: Decoder::new(message_bytes_max),
            input: already_read.into(),
        }
    }

    /// The next message of those read.
    pub(super) fn decode(&mut self) -> Result<Option<Message>, Violation> {
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

    /// Moves bytes, first out, then in. The read buffer lives on the stack, so a quiet connection has none.
    pub(super) fn poll(
        &mut self,
        out: &mut Out,
        listening: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Moved, Ending>> {
        if let Poll::Ready(written) = self.poll_write(out, cx) {
            return Poll::Ready(written.map(|()| Moved::Out).map_err(|_| Ending::Broken));
        }
        if !listening {
            return Poll::Pending;
        }
        let mut chunk = [0; READ_BYTES_MAX];
        let mut chunk = ReadBuf::new(&mut chunk);
        let read = ready!(Pin::new(&mut self.io).poll_read(cx, &mut chunk));
        if read.is_err() {
            return Poll::Ready(Err(Ending::Broken));
        }
        if chunk.filled().is_empty() {
            return Poll::Ready(Err(Ending::Closed(None)));
        }
        self.input.extend_from_slice(chunk.filled());
        Poll::Ready(Ok(Moved::In))
    }

    /// Moves bytes out. Pending, too, when there are none.
    pub(super) fn poll_write(
        &mut self,
        out: &mut Out,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        out.poll_write(Pin::new(&mut self.io), cx)
    }

    /// Says goodbye, where somebody would read it. Whoever does not take it in time goes without.
    pub(super) async fn leave(&mut self, out: Out, ending: &Ending) {
        if let Some(goodbye) = goodbye(ending) {
            // In a box, so that no connection has room for it all its life.
            let _ = timeout(CLOSE_LINGER, Box::pin(self.say(out, goodbye))).await;
        }
    }

    /// Writes what is left and the close frame, then reads the client's last words away, because a connection
    /// closed on unread bytes is reset and the goodbye lost.
    async fn say(&mut self, mut out: Out, goodbye: Bytes) -> io::Result<()> {
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

/// The close frame to send; none where nobody would read it.
fn goodbye(ending: &Ending) -> Option<Bytes> {
    let code = match ending {
        Ending::Broken | Ending::Replaced | Ending::Silent | Ending::Stalled => return None,
        Ending::Closed(code) => *code,
        Ending::Goodbye => None,
        Ending::Crowded | Ending::Interrupted(_) | Ending::Shutdown => {
            Some(frame::CLOSE_GOING_AWAY)
        }
        Ending::Dismissed
        | Ending::Lonely
        | Ending::Malformed
        | Ending::Overlap
        | Ending::Pushy
        | Ending::Unused => Some(frame::CLOSE_POLICY),
        Ending::Violation(violation) => Some(violation.close_code()),
    };
    Some(frame::close(code))
}
