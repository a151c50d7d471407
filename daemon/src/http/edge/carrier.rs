//! A connection as hyper sees it: heads are looked at before they are parsed, answers must move, and the end is gentle.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use ws::limits::WRITE_STALL_MAX;

use super::head::HeadWatch;
use crate::limits::{ANSWER_TIMEOUT, LINGER_BYTES_MAX, LINGER_TIMEOUT};

/// A connection that carries HTTP.
pub(crate) struct Carrier<S> {
    io: S,
    heads: HeadWatch,
    /// An answer that its client was slow to take; `None` once everything is with the kernel.
    waiting: Option<WaitingWriter>,
    linger: Option<Linger>,
    is_read_to_end: bool,
}

struct WaitingWriter {
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

struct Linger {
    timer: Pin<Box<Sleep>>,
    bytes: usize,
}

impl<S> Carrier<S> {
    pub(super) fn new(io: S) -> Self {
        Self {
            io,
            heads: HeadWatch::new(),
            waiting: None,
            linger: None,
            is_read_to_end: false,
        }
    }

    /// The connection itself, once it carries something else.
    pub(crate) fn into_inner(self) -> S {
        self.io
    }

    /// What a write came to. One that does not move ends the connection, and so does an answer that only drips: hyper
    /// has no bound for either, and a client that never reads would keep its place for ever.
    fn judge<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            if let Some(WaitingWriter { since, timer }) = &mut self.waiting {
                timer
                    .as_mut()
                    .reset((Instant::now() + WRITE_STALL_MAX).min(*since + ANSWER_TIMEOUT));
            }
            return written;
        }
        let WaitingWriter { timer, .. } = self.waiting.get_or_insert_with(|| {
            let since = Instant::now();
            WaitingWriter {
                since,
                timer: Box::pin(sleep_until(since + WRITE_STALL_MAX)),
            }
        });
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client does not take its answer",
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Carrier<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        let read = &mut buffer.filled_mut()[before..];
        self.is_read_to_end = read.is_empty();
        self.heads.watch(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Carrier<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.judge(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.judge(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// Hyper flushes once all that it has is written.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if flushed.is_ready() {
            self.waiting = None;
        }
        self.judge(flushed, cx)
    }

    /// Says goodbye, and then reads away what the client still sends, within bounds: a connection that is closed on
    /// unread bytes is reset, and with it goes the answer that says why a body was refused.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let linger = if let Some(linger) = &mut this.linger {
            linger
        } else {
            ready!(Pin::new(&mut this.io).poll_shutdown(cx))?;
            let timer = Box::pin(sleep_until(Instant::now() + LINGER_TIMEOUT));
            this.linger.insert(Linger { timer, bytes: 0 })
        };
        let mut chunk = [0; 4096];
        while !this.is_read_to_end && linger.bytes < LINGER_BYTES_MAX {
            if linger.timer.as_mut().poll(cx).is_ready() {
                break;
            }
            let mut chunk = ReadBuf::new(&mut chunk);
            // A reset is an end, too.
            let read = ready!(Pin::new(&mut this.io).poll_read(cx, &mut chunk));
            linger.bytes += chunk.filled().len();
            this.is_read_to_end = read.is_err() || chunk.filled().is_empty();
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::task::JoinSet;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_ends_and_one_that_is_taken_does_not() {
        let (near, far) = duplex(1_000);
        let (mut carrier, began) = (Carrier::new(near), Instant::now());
        let refused = carrier.write_all(&[0; 2_000]).await.unwrap_err();
        assert_eq!(
            (refused.kind(), began.elapsed().as_secs()),
            (io::ErrorKind::TimedOut, WRITE_STALL_MAX.as_secs())
        );
        drop(far);

        let (near, mut far) = duplex(1_000);
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            let mut bytes = vec![0; 500];
            let mut read = 0;
            // The pause is the client's own: slower than a network, faster than the bound.
            while read < 3_000 {
                tokio::time::sleep(WRITE_STALL_MAX / 2).await;
                read += far.read(&mut bytes).await.unwrap();
            }
            read
        });
        let mut carrier = Carrier::new(near);
        carrier.write_all(&[0; 3_000]).await.unwrap();
        carrier.flush().await.unwrap();
        assert_eq!(reading.join_all().await, [3_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_taken_a_drop_at_a_time_ends() {
        let (near, mut far) = duplex(10);
        let mut dripping = JoinSet::new();
        dripping.spawn(async move {
            while far.read_u8().await.is_ok() {
                tokio::time::sleep(WRITE_STALL_MAX / 2).await;
            }
        });
        let (mut carrier, began) = (Carrier::new(near), Instant::now());
        let refused = carrier.write_all(&vec![0; 100_000]).await.unwrap_err();
        assert_eq!(
            (refused.kind(), began.elapsed().as_secs()),
            (io::ErrorKind::TimedOut, ANSWER_TIMEOUT.as_secs())
        );
        drop(carrier);
        dripping.join_all().await;
    }
}
