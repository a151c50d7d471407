//! A session over WebSocket. Its task does all the work; while the task sleeps, publishers may do
//! the quick part of it: reading from the ring and writing to the socket.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::ProtocolDriver;
use super::session::ClientSession;
use super::stream::{IoProgress, WebSocketStream};
use super::waker::{ConnectionWaker, DirectWrite};
use crate::limits::WRITE_STALL_MAX;
use crate::protocol::close_reason::CloseReason;
use crate::protocol::{engine, frame};

/// Runs the session until it ends.
pub(super) async fn run<T, Io>(session: Box<ClientSession<T>>, stream: Box<WebSocketStream<Io>>)
where
    T: ProtocolDriver,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (waker, closing) = (session.waker(), session.closing());
    let shared = Arc::new(SharedWebSocket(Mutex::new(Some(WebSocketState {
        session,
        stream,
    }))));
    let direct_write = Arc::downgrade(&shared);
    waker.attach(direct_write);
    let Err(reason) = speak(&shared, &waker, &closing).await;
    // Taken out of the lock: publishers find it empty from now on, and the driver, with its sockets
    // and rooms, is gone before the close frame is sent, which may take a while.
    let work = shared.lock().take();
    drop((shared, waker, closing));
    if let Some(WebSocketState {
        session,
        mut stream,
    }) = work
    {
        let (out, _permit) = session.end(&reason);
        stream.leave(out, &reason).await;
    }
}

/// The loop of the task. It ends only by a [`CloseReason`].
async fn speak<T, Io>(
    shared: &SharedWebSocket<T, Io>,
    waker: &ConnectionWaker,
    closing: &CancellationToken,
) -> Result<Infallible, CloseReason>
where
    T: ProtocolDriver,
    Io: AsyncRead + AsyncWrite + Unpin,
{
    // When a write last moved bytes, or had none to move.
    let mut moved = Instant::now();
    loop {
        let (idle, deadline) = shared.with(|work| work.go_on(moved))?;
        // `biased` saves the random choice. It is fair all the same: every pass of the loop does
        // all the work there is, so no branch can starve another.
        let written = tokio::select! {
            biased;
            written = poll_fn(|cx| shared.poll(cx)) => written?,
            () = waker.woken() => false,
            () = closing.cancelled() => return Err(CloseReason::Shutdown),
            () = sleep_until(deadline) => false,
        };
        if idle || written {
            moved = Instant::now();
        }
        if written && shared.with(|work| Ok(work.session.out.is_full()))? {
            // The kernel takes a long answer about as fast as it can be copied, so this task would
            // never wait. Others get their turn here.
            tokio::task::yield_now().await;
        }
        // A busy connection always has a branch before `closing` that is ready.
        if closing.is_cancelled() {
            return Err(CloseReason::Shutdown);
        }
    }
}

/// The state of a connection under a lock, for its task or a publisher; empty once the connection
/// has ended.
///
/// Waking a task for one event costs about as much as the write itself, so an idle connection is
/// written to by the publisher. Both run the same code from the same position, so there is one
/// order.
struct SharedWebSocket<T, Io>(Mutex<Option<WebSocketState<T, Io>>>);

/// A session and the stream that carries it.
struct WebSocketState<T, Io> {
    session: Box<ClientSession<T>>,
    stream: Box<WebSocketStream<Io>>,
}

impl<T: ProtocolDriver, Io: AsyncRead + AsyncWrite + Unpin> SharedWebSocket<T, Io> {
    fn lock(&self) -> MutexGuard<'_, Option<WebSocketState<T, Io>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<R>(
        &self,
        act: impl FnOnce(&mut WebSocketState<T, Io>) -> Result<R, CloseReason>,
    ) -> Result<R, CloseReason> {
        self.lock().as_mut().map_or(Err(CloseReason::Broken), act)
    }

    /// Ready when bytes moved or the driver has something to do. The value says whether bytes were
    /// written.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<bool, CloseReason>> {
        let mut work = self.lock();
        let Some(WebSocketState { session, stream }) = &mut *work else {
            return Poll::Ready(Err(CloseReason::Broken));
        };
        let listening = session.is_listening();
        let ClientSession { driver, out, .. } = &mut **session;
        if let Poll::Ready(moved) = stream.poll(out, listening, cx) {
            return Poll::Ready(moved.map(|moved| matches!(moved, IoProgress::Written)));
        }
        driver.poll_work(out, cx).map_ok(|()| false)
    }
}

impl<T: ProtocolDriver, Io: AsyncRead + AsyncWrite + Unpin + Send> DirectWrite
    for SharedWebSocket<T, Io>
{
    fn try_write(&self) -> bool {
        // Whoever holds the lock may have looked for news just before this event was marked, so the
        // task has to look once more. Never wait here: the publisher serves many connections.
        let Ok(mut work) = self.0.try_lock() else {
            return false;
        };
        work.as_mut().is_none_or(WebSocketState::try_write)
    }
}

impl<T: ProtocolDriver, Io: AsyncRead + AsyncWrite + Unpin> WebSocketState<T, Io> {
    /// Takes what was read and does all that can be done. Returns whether the queue is empty, and
    /// when to look again.
    fn go_on(&mut self, moved: Instant) -> Result<(bool, Instant), CloseReason> {
        if !self.session.out.is_done() && moved.elapsed() >= WRITE_STALL_MAX {
            return Err(self.session.stalled());
        }
        self.session.tick(self.session.is_listening())?;
        self.work()?;
        let idle = self.session.out.is_done();
        let deadline = self.session.deadline();
        Ok((
            idle,
            if idle {
                deadline
            } else {
                deadline.min(moved + WRITE_STALL_MAX)
            },
        ))
    }

    fn work(&mut self) -> Result<(), CloseReason> {
        loop {
            let mut taken = false;
            while self.session.is_listening()
                && let Some(message) = self.stream.decode()?
            {
                take(&mut self.session, message)?;
                taken = true;
            }
            self.session.work()?;
            if !taken {
                return Ok(());
            }
        }
    }

    /// The body of [`DirectWrite::try_write`].
    fn try_write(&mut self) -> bool {
        let ClientSession { driver, out, .. } = &mut *self.session;
        if !out.is_done() {
            // The task already waits for this write to move, and goes on by itself afterwards.
            return true;
        }
        let all = driver.deliver(out) && !out.is_full();
        while !out.is_done() {
            // A no-op waker: a write that is not ready must not register the publisher. The task is
            // woken instead and registers itself.
            let Poll::Ready(Ok(())) = self
                .stream
                .poll_write(out, &mut Context::from_waker(Waker::noop()))
            else {
                return false;
            };
        }
        all
    }
}

fn take<T: ProtocolDriver>(
    session: &mut ClientSession<T>,
    message: frame::ClientMessage,
) -> Result<(), CloseReason> {
    match message {
        frame::ClientMessage::Binary(bytes) => {
            session.receive(engine::TransportMessage::Binary(bytes))
        }
        frame::ClientMessage::Text(text) => session.receive(engine::TransportMessage::Text(&text)),
        frame::ClientMessage::Ping(payload) => {
            session.out.push(frame::pong(&payload));
            Ok(())
        }
        frame::ClientMessage::Pong => {
            session.pong();
            Ok(())
        }
        frame::ClientMessage::Close(code) => Err(CloseReason::Closed(code)),
    }
}
