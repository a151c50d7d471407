//! A session over WebSocket: bytes, deadlines and what is said, in one task.

use std::convert::Infallible;
use std::future::poll_fn;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until};

use super::Talk;
use super::conversation::Conversation;
use super::wire::{Moved, Wire};
use crate::ending::Ending;
use crate::limits::WRITE_STALL_MAX;
use crate::{engine, frame};

/// Speaks until it is over.
pub(super) async fn run<T, Io>(mut conversation: Box<Conversation<T>>, wire: &mut Wire<Io>)
where
    T: Talk,
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let Err(ending) = speak(&mut conversation, wire).await;
    let (out, _ticket) = conversation.end(&ending);
    wire.leave(out, &ending).await;
}

/// There is no end but an [`Ending`].
async fn speak<T, Io>(conversation: &mut Conversation<T>, wire: &mut Wire<Io>) -> Result<Infallible, Ending>
where
    T: Talk,
    Io: AsyncRead + AsyncWrite + Unpin,
{
    let closing = conversation.closing();
    // When a write last moved, or had nothing to move.
    let mut moved = Instant::now();
    loop {
        if !conversation.out.is_done() && moved.elapsed() >= WRITE_STALL_MAX {
            return Err(conversation.stalled());
        }
        conversation.tick(conversation.is_listening())?;
        work(conversation, wire)?;
        let listening = conversation.is_listening();
        let idle = conversation.out.is_done();
        let deadline = conversation.deadline();
        let deadline = if idle { deadline } else { deadline.min(moved + WRITE_STALL_MAX) };
        let Conversation { talk, out, .. } = conversation;
        // Fair enough without chance: every pass does all the work there is, so no branch can starve another.
        let turn = tokio::select! {
            biased;
            turn = poll_fn(|cx| wire.poll(out, listening, cx)) => Some(turn?),
            event = talk.wait() => {
                talk.take(event, out)?;
                None
            }
            () = closing.cancelled() => return Err(Ending::Shutdown),
            () = sleep_until(deadline) => None,
        };
        if idle || matches!(turn, Some(Moved::Out)) {
            moved = Instant::now();
        }
        if closing.is_cancelled() {
            return Err(Ending::Shutdown);
        }
    }
}

/// Takes what was read, and does all that can be done.
fn work<T, Io>(conversation: &mut Conversation<T>, wire: &mut Wire<Io>) -> Result<(), Ending>
where
    T: Talk,
    Io: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let mut taken = false;
        while conversation.is_listening()
            && let Some(message) = wire.decode()?
        {
            take(conversation, message)?;
            taken = true;
        }
        conversation.work()?;
        if !taken {
            return Ok(());
        }
    }
}

fn take<T: Talk>(conversation: &mut Conversation<T>, message: frame::Message) -> Result<(), Ending> {
    match message {
        frame::Message::Binary(bytes) => conversation.receive(engine::Message::Binary(bytes)),
        frame::Message::Text(text) => conversation.receive(engine::Message::Text(&text)),
        frame::Message::Ping(payload) => {
            conversation.out.push(frame::pong(&payload));
            Ok(())
        }
        frame::Message::Pong => Ok(()),
        frame::Message::Close(code) => Err(Ending::Closed(code)),
    }
}
