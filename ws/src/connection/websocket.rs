//! A session over WebSocket: bytes, deadlines and what is said. Its task does all there is to do; what is quickly done
//! others may do while the task sleeps.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Talk;
use super::bell::{Bell, Line};
use super::conversation::Conversation;
use super::wire::{Moved, Wire};
use crate::limits::WRITE_STALL_MAX;
use crate::protocol::ending::Ending;
use crate::protocol::{engine, frame};

/// Speaks until it is over.
pub(super) async fn run<T, Io>(conversation: Box<Conversation<T>>, wire: Box<Wire<Io>>)
where
    T: Talk,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (bell, closing) = (conversation.bell(), conversation.closing());
    let desk = Arc::new(Desk(Mutex::new(Some(Work { conversation, wire }))));
    let line = Arc::downgrade(&desk);
    bell.connect(line);
    let Err(ending) = speak(&desk, &bell, &closing).await;
    let work = desk.lock().take();
    drop((desk, bell, closing));
    if let Some(Work {
        conversation,
        mut wire,
    }) = work
    {
        let (out, _ticket) = conversation.end(&ending);
        wire.leave(out, &ending).await;
    }
}

/// There is no end but an [`Ending`].
async fn speak<T, Io>(
    desk: &Desk<T, Io>,
    bell: &Bell,
    closing: &CancellationToken,
) -> Result<Infallible, Ending>
where
    T: Talk,
    Io: AsyncRead + AsyncWrite + Unpin,
{
    // When a write last moved, or had nothing to move.
    let mut moved = Instant::now();
    loop {
        let (idle, deadline) = desk.with(|work| work.go_on(moved))?;
        // Fair enough without chance: every pass does all the work there is, so no branch can starve another.
        let written = tokio::select! {
            biased;
            written = poll_fn(|cx| desk.poll(cx)) => written?,
            () = bell.rung() => false,
            () = closing.cancelled() => return Err(Ending::Shutdown),
            () = sleep_until(deadline) => false,
        };
        if idle || written {
            moved = Instant::now();
        }
        if written && desk.with(|work| Ok(work.conversation.out.is_full()))? {
            // The kernel takes a long answer about as fast as it can be copied: others have their turn in between.
            tokio::task::yield_now().await;
        }
        if closing.is_cancelled() {
            return Err(Ending::Shutdown);
        }
    }
}

/// Where a connection's work lies, for its task or somebody else to do; empty once it is over.
struct Desk<T, Io>(Mutex<Option<Work<T, Io>>>);

/// A conversation and what carries it.
struct Work<T, Io> {
    conversation: Box<Conversation<T>>,
    wire: Box<Wire<Io>>,
}

impl<T: Talk, Io: AsyncRead + AsyncWrite + Unpin> Desk<T, Io> {
    fn lock(&self) -> MutexGuard<'_, Option<Work<T, Io>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<R>(
        &self,
        act: impl FnOnce(&mut Work<T, Io>) -> Result<R, Ending>,
    ) -> Result<R, Ending> {
        self.lock().as_mut().map_or(Err(Ending::Broken), act)
    }

    /// Ready when something came or went; whether it was a write.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<bool, Ending>> {
        let mut work = self.lock();
        let Some(Work { conversation, wire }) = &mut *work else {
            return Poll::Ready(Err(Ending::Broken));
        };
        let listening = conversation.is_listening();
        let Conversation { talk, out, .. } = &mut **conversation;
        if let Poll::Ready(moved) = wire.poll(out, listening, cx) {
            return Poll::Ready(moved.map(|moved| matches!(moved, Moved::Out)));
        }
        talk.poll_work(out, cx).map_ok(|()| false)
    }
}

impl<T: Talk, Io: AsyncRead + AsyncWrite + Unpin + Send> Line for Desk<T, Io> {
    fn serve(&self) -> bool {
        // Whoever is at it may have looked for news already, so the task has to look again.
        let Ok(mut work) = self.0.try_lock() else {
            return false;
        };
        work.as_mut().is_none_or(Work::serve)
    }
}

impl<T: Talk, Io: AsyncRead + AsyncWrite + Unpin> Work<T, Io> {
    /// Takes what was read and does all that can be done. Whether there is nothing to write, and when to look again.
    fn go_on(&mut self, moved: Instant) -> Result<(bool, Instant), Ending> {
        if !self.conversation.out.is_done() && moved.elapsed() >= WRITE_STALL_MAX {
            return Err(self.conversation.stalled());
        }
        self.conversation.tick(self.conversation.is_listening())?;
        self.work()?;
        let idle = self.conversation.out.is_done();
        let deadline = self.conversation.deadline();
        Ok((
            idle,
            if idle {
                deadline
            } else {
                deadline.min(moved + WRITE_STALL_MAX)
            },
        ))
    }

    fn work(&mut self) -> Result<(), Ending> {
        loop {
            let mut taken = false;
            while self.conversation.is_listening()
                && let Some(message) = self.wire.decode()?
            {
                take(&mut self.conversation, message)?;
                taken = true;
            }
            self.conversation.work()?;
            if !taken {
                return Ok(());
            }
        }
    }

    /// What [`Line::serve`] does.
    fn serve(&mut self) -> bool {
        let Conversation { talk, out, .. } = &mut *self.conversation;
        if !out.is_done() {
            // The task waits for that to move, and goes on by itself.
            return true;
        }
        let all = talk.deliver(out) && !out.is_full();
        while !out.is_done() {
            // Nobody is to be woken by it: the task is told, and then waits itself.
            let Poll::Ready(Ok(())) = self
                .wire
                .poll_write(out, &mut Context::from_waker(Waker::noop()))
            else {
                return false;
            };
        }
        all
    }
}

fn take<T: Talk>(
    conversation: &mut Conversation<T>,
    message: frame::Message,
) -> Result<(), Ending> {
    match message {
        frame::Message::Binary(bytes) => conversation.receive(engine::Message::Binary(bytes)),
        frame::Message::Text(text) => conversation.receive(engine::Message::Text(&text)),
        frame::Message::Ping(payload) => {
            conversation.out.push(frame::pong(&payload));
            Ok(())
        }
        frame::Message::Pong => {
            conversation.pong();
            Ok(())
        }
        frame::Message::Close(code) => Err(Ending::Closed(code)),
    }
}
