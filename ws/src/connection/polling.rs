//! A session that polls: one task that requests leave letters for.

use std::future::poll_fn;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::conversation::Conversation;
use super::mailbox::{Letter, Reply};
use super::{Refusal, Talk};
use crate::protocol::ending::Ending;
use crate::protocol::engine::payload::Messages;
use crate::protocol::engine::{self, Overlap, Packet, Polling};

/// A polling session that is to be attended to.
pub struct Attendance<T: Talk> {
    conversation: Box<Conversation<T>>,
    letters: mpsc::Receiver<Letter<T>>,
    polling: Polling<Reply>,
    /// The POST whose messages are being taken.
    post: Option<(Messages, Reply)>,
    /// The WebSocket that takes over once they are.
    successor: Option<oneshot::Sender<Box<Conversation<T>>>>,
    payload_bytes_max: usize,
}

impl<T: Talk> Attendance<T> {
    pub(super) fn new(
        conversation: Box<Conversation<T>>,
        letters: mpsc::Receiver<Letter<T>>,
        payload_bytes_max: usize,
    ) -> Self {
        let (polling, post, successor) = (Polling::new(), None, None);
        Self {
            conversation,
            letters,
            polling,
            post,
            successor,
            payload_bytes_max,
        }
    }

    /// Attends to the session until it is over or a WebSocket has it.
    pub async fn run(mut self) {
        match self.attend().await {
            Ok(successor) => {
                self.conversation.upgraded();
                if let Some(poll) = self.polling.take() {
                    answer(poll, &Packet::Noop);
                }
                // A WebSocket that is gone by now ends the session.
                let _ = successor.send(self.conversation);
            }
            Err(ending) => {
                let goodbye = ending == Ending::Goodbye;
                if let Some(poll) = self.polling.take() {
                    answer(
                        poll,
                        if goodbye {
                            &Packet::Noop
                        } else {
                            &Packet::Close
                        },
                    );
                }
                if let Some((_, post)) = self.post.take() {
                    let _ = post.send(if goodbye {
                        Ok(OK)
                    } else {
                        Err(Refusal::BadRequest)
                    });
                }
                self.conversation.end(&ending);
            }
        }
    }

    async fn attend(&mut self) -> Result<oneshot::Sender<Box<Conversation<T>>>, Ending> {
        let (bell, closing) = (self.conversation.bell(), self.conversation.closing());
        loop {
            self.tick()?;
            self.work()?;
            if self.reply()? {
                // There is room again.
                continue;
            }
            if self.post.is_none()
                && let Some(successor) = self.successor.take()
            {
                return Ok(successor);
            }
            let deadline = self.deadline();
            let Self {
                conversation,
                letters,
                polling,
                ..
            } = self;
            let Conversation { talk, out, .. } = &mut **conversation;
            tokio::select! {
                biased;
                () = closing.cancelled() => return Err(Ending::Shutdown),
                () = broken(polling) => return Err(Ending::Broken),
                letter = letters.recv() => match letter {
                    Some(letter) => self.read(letter)?,
                    None => return Err(Ending::Broken),
                },
                taken = poll_fn(|cx| talk.poll_work(out, cx)) => taken?,
                () = bell.rung() => {}
                () = sleep_until(deadline) => {}
            }
        }
    }

    fn read(&mut self, letter: Letter<T>) -> Result<(), Ending> {
        // What is over is over before the letter is read.
        self.tick()?;
        match letter {
            Letter::Broken => Err(Ending::Broken),
            Letter::Overlap => Err(Ending::Overlap),
            Letter::Poll(reply) => self.polling.wait(self.conversation.now(), reply).map_err(
                |Overlap { first, second }| {
                    answer(first, &Packet::Close);
                    let _ = second.send(Err(Refusal::BadRequest));
                    Ending::Overlap
                },
            ),
            Letter::Post(body, reply) => {
                self.post = Some((Messages::new(body), reply));
                Ok(())
            }
            Letter::Probe(probed) => {
                self.polling.probe(probed);
                if probed && let Some(poll) = self.polling.take() {
                    answer(poll, &Packet::Noop);
                }
                Ok(())
            }
            Letter::TakeOver(successor) => {
                self.successor = Some(successor);
                Ok(())
            }
        }
    }

    /// Silence is the client's own fault even while it is not read from, if that is because it does not poll.
    fn tick(&mut self) -> Result<(), Ending> {
        let listening = self.conversation.talk.may_receive();
        self.conversation.tick(listening)
    }

    fn work(&mut self) -> Result<(), Ending> {
        loop {
            let mut taken = false;
            while self.conversation.is_listening()
                && let Some((messages, _)) = &mut self.post
                && let Some(message) = messages.take()
            {
                self.conversation
                    .receive(message.map_err(|_| Ending::Malformed)?)?;
                taken = true;
            }
            self.conversation.work()?;
            if !taken {
                break;
            }
        }
        if let Some((_, post)) = self.post.take_if(|(messages, _)| messages.is_done()) {
            let _ = post.send(Ok(OK));
        }
        Ok(())
    }

    fn reply(&mut self) -> Result<bool, Ending> {
        let packets = !self.conversation.out.is_done();
        let Some((poll, reply)) = self.polling.reply(self.conversation.now(), packets) else {
            return Ok(false);
        };
        let payload = match reply {
            engine::Reply::Noop => Packet::Noop.encode().into(),
            engine::Reply::Packets => self.conversation.out.take_payload(self.payload_bytes_max),
        };
        // Packets that nobody takes are lost, so the session is.
        poll.send(Ok(payload))
            .map(|()| true)
            .map_err(|_| Ending::Broken)
    }

    fn deadline(&self) -> Instant {
        let deadline = self.conversation.deadline();
        self.polling.deadline().map_or(deadline, |poll| {
            deadline.min(self.conversation.instant(poll))
        })
    }
}

const OK: Bytes = Bytes::from_static(b"ok");

fn answer(poll: Reply, packet: &Packet<'_>) {
    // Nobody may wait for it any more.
    let _ = poll.send(Ok(packet.encode().into()));
}

/// Waits until the waiting GET has broken off.
async fn broken(polling: &mut Polling<Reply>) {
    poll_fn(|cx| match polling.waiting() {
        Some(poll) => poll.poll_closed(cx),
        None => std::task::Poll::Pending,
    })
    .await;
}
