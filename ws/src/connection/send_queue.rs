//! The frames that are to be sent to one client: shared by reference counts, written in order, many
//! in one write.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use tokio::io::AsyncWrite;

use crate::limits::{FRAMES_PER_WRITE_MAX, OUT_BYTES_MAX, WRITE_BYTES_MAX};
use crate::protocol::engine::payload;
use crate::protocol::frame;

/// The queue of one connection. It holds WebSocket frames whatever the transport, because most
/// frames are made once for many clients.
#[derive(Debug, Default)]
pub struct SendQueue {
    /// Each element is one or more whole frames, or a piece of a frame whose other pieces follow.
    frames: VecDeque<Bytes>,
    bytes: usize,
    unflushed: bool,
}

impl SendQueue {
    /// Adds whole frames, or the next piece of one.
    pub fn push(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// Adds whole frames, or the pieces of one.
    pub fn extend(&mut self, frames: impl IntoIterator<Item = Bytes>) {
        for frame in frames {
            self.push(frame);
        }
    }

    /// Whether nothing more should be added for now.
    pub fn is_full(&self) -> bool {
        self.bytes >= OUT_BYTES_MAX
    }

    /// Whether everything was handed to the transport and flushed.
    pub(crate) fn is_done(&self) -> bool {
        self.frames.is_empty() && !self.unflushed
    }

    /// Takes the next messages as the payload of a GET: as many as fit into `bytes_max`, but at
    /// least one.
    pub(super) fn take_payload(&mut self, bytes_max: usize) -> Bytes {
        let mut payload = Vec::new();
        while let Some((frame, pieces)) = self.first_whole() {
            let whole = payload.len();
            payload::append(&mut payload, &frame);
            // Appended first and taken back if need be: how long a message is as a packet (binary ones
            // as base64) is known only afterwards.
            if whole > 0 && payload.len() > bytes_max {
                payload.truncate(whole);
                break;
            }
            self.bytes -= frame.len();
            self.frames.drain(..pieces);
        }
        if self.frames.is_empty() {
            // The memory of a burst is not kept for the quiet time after it.
            self.frames = VecDeque::new();
        }
        payload.into()
    }

    /// The first whole frames, and the number of pieces they were in.
    fn first_whole(&self) -> Option<(Bytes, usize)> {
        let first = self.frames.front()?;
        if frame::is_whole(first) {
            return Some((first.clone(), 1));
        }
        let mut joined = first.to_vec();
        let mut pieces = 1;
        for piece in self.frames.iter().skip(1) {
            joined.extend_from_slice(piece);
            pieces += 1;
            if frame::is_whole(&joined) {
                break;
            }
        }
        Some((joined.into(), pieces))
    }

    /// Ready when bytes moved. Pending when the transport takes none, and when there is nothing to
    /// write.
    pub(crate) fn poll_write<Io: AsyncWrite>(
        &mut self,
        mut io: Pin<&mut Io>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_done() {
            return Poll::Pending;
        }
        if self.frames.is_empty() {
            ready!(io.poll_flush(cx))?;
            self.unflushed = false;
            // The memory of a burst is not kept for the quiet time after it.
            self.frames = VecDeque::new();
            return Poll::Ready(Ok(()));
        }
        let written = if let (1, Some(frame)) = (self.frames.len(), self.frames.front()) {
            // A single frame is the usual case, and a plain write is cheaper than a vectored one.
            ready!(
                io.as_mut()
                    .poll_write(cx, &frame[..frame.len().min(WRITE_BYTES_MAX)])
            )?
        } else {
            let mut slices = [IoSlice::new(&[]); FRAMES_PER_WRITE_MAX];
            let count = self.frames.len().min(FRAMES_PER_WRITE_MAX);
            let mut room = WRITE_BYTES_MAX;
            for (slice, frame) in slices.iter_mut().zip(&self.frames) {
                *slice = IoSlice::new(&frame[..frame.len().min(room)]);
                room -= slice.len();
            }
            ready!(io.as_mut().poll_write_vectored(cx, &slices[..count]))?
        };
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.unflushed = true;
        self.forget(written);
        Poll::Ready(Ok(()))
    }

    fn forget(&mut self, mut written: usize) {
        // A partly written frame stays in front; `advance` only moves its beginning.
        self.bytes = self.bytes.saturating_sub(written);
        while let Some(frame) = self.frames.front_mut() {
            if written < frame.len() {
                frame.advance(written);
                return;
            }
            written -= frame.len();
            self.frames.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_what_fits_and_at_least_one_message() {
        let mut out = SendQueue::default();
        out.extend(["4one", "4two", "4a longer one", "4x"].map(frame::text));
        assert_eq!(&out.take_payload(9)[..], b"4one\x1e4two");
        assert_eq!(&out.take_payload(9)[..], b"4a longer one");
        assert_eq!(&out.take_payload(9)[..], b"4x");
        assert!(out.is_done() && out.bytes == 0);
    }

    #[test]
    fn a_message_in_pieces_is_one_message_on_either_transport() {
        let shared = Bytes::from("x".repeat(70_000));
        let pieces = || frame::text_around("4before ", shared.clone(), " after");
        let message = format!("4before {} after", "x".repeat(70_000));
        assert_eq!(pieces().concat(), frame::text(&message));
        assert_eq!(
            pieces()[1].as_ptr(),
            shared.as_ptr(),
            "nothing of it was copied"
        );

        let mut out = SendQueue::default();
        out.push(frame::text("4one"));
        out.extend(pieces());
        out.push(frame::text("4x"));
        assert_eq!(&out.take_payload(9)[..], b"4one");
        assert_eq!(out.take_payload(9), message);
        assert_eq!(&out.take_payload(9)[..], b"4x");
        assert!(out.is_done() && out.bytes == 0);
    }
}
