//! The task of a polling session, to which HTTP requests are sent over a channel.

use std::future::poll_fn;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::poll_channel::{AnswerSender, PollRequest};
use super::session::ClientSession;
use super::{ConnectionRefusal, ProtocolDriver};
use crate::protocol::close_reason::CloseReason;
use crate::protocol::engine::payload::PayloadReader;
use crate::protocol::engine::{self, EnginePacket, OverlappingPolls, PendingPoll};

/// A polling session whose task is to be spawned.
pub struct PollingTask<T: ProtocolDriver> {
    session: Box<ClientSession<T>>,
    requests: mpsc::Receiver<PollRequest<T>>,
    polling: PendingPoll<AnswerSender>,
    /// The POST whose packets are being taken, and where its answer goes.
    post: Option<(PayloadReader, AnswerSender)>,
    /// Where to hand the session once the POST is done: to the WebSocket that takes it over.
    successor: Option<oneshot::Sender<Box<ClientSession<T>>>>,
    payload_bytes_max: usize,
}

impl<T: ProtocolDriver> PollingTask<T> {
    pub(super) fn new(
        session: Box<ClientSession<T>>,
        requests: mpsc::Receiver<PollRequest<T>>,
        payload_bytes_max: usize,
    ) -> Self {
        let (polling, post, successor) = (PendingPoll::new(), None, None);
        Self {
            session,
            requests,
            polling,
            post,
            successor,
            payload_bytes_max,
        }
    }

    /// Runs the session until it ends or a WebSocket takes it over.
    pub async fn run(mut self) {
        match self.attend().await {
            Ok(successor) => {
                self.session.upgraded();
                if let Some(poll) = self.polling.take() {
                    answer(poll, &EnginePacket::Noop);
                }
                // If the WebSocket is gone by now, the session is dropped here and ends.
                let _ = successor.send(self.session);
            }
            Err(reason) => {
                // A client that closes the session itself knows it: its GET ends with a noop. Any other is
                // told by a close packet, so that it does not poll on.
                let goodbye = reason == CloseReason::Goodbye;
                if let Some(poll) = self.polling.take() {
                    answer(
                        poll,
                        if goodbye {
                            &EnginePacket::Noop
                        } else {
                            &EnginePacket::Close
                        },
                    );
                }
                if let Some((_, post)) = self.post.take() {
                    let _ = post.send(if goodbye {
                        Ok(OK)
                    } else {
                        Err(ConnectionRefusal::BadRequest)
                    });
                }
                self.session.end(&reason);
            }
        }
    }

    async fn attend(&mut self) -> Result<oneshot::Sender<Box<ClientSession<T>>>, CloseReason> {
        let (waker, closing) = (self.session.waker(), self.session.closing());
        loop {
            self.tick()?;
            self.work()?;
            if self.reply()? {
                // The answer made room in the queue, so there may be more to do.
                continue;
            }
            // Messages of the POST under way come before those of the WebSocket.
            if self.post.is_none()
                && let Some(successor) = self.successor.take()
            {
                return Ok(successor);
            }
            let deadline = self.deadline();
            let Self {
                session,
                requests,
                polling,
                ..
            } = self;
            let ClientSession { driver, out, .. } = &mut **session;
            // `biased` and in this order: a session that is over answers nothing more, and a GET
            // that has broken off must not be given packets.
            tokio::select! {
                biased;
                () = closing.cancelled() => return Err(CloseReason::Shutdown),
                () = broken(polling) => return Err(CloseReason::Broken),
                request = requests.recv() => match request {
                    Some(request) => self.read(request)?,
                    None => return Err(CloseReason::Broken),
                },
                taken = poll_fn(|cx| driver.poll_work(out, cx)) => taken?,
                () = waker.woken() => {}
                () = sleep_until(deadline) => {}
            }
        }
    }

    fn read(&mut self, request: PollRequest<T>) -> Result<(), CloseReason> {
        // A session that is over by its deadline stays over, even if a request is already there.
        self.tick()?;
        match request {
            PollRequest::Broken => Err(CloseReason::Broken),
            PollRequest::Overlap => Err(CloseReason::Overlap),
            PollRequest::Poll(reply) => self.polling.wait(self.session.now(), reply).map_err(
                |OverlappingPolls { first, second }| {
                    answer(first, &EnginePacket::Close);
                    let _ = second.send(Err(ConnectionRefusal::BadRequest));
                    CloseReason::Overlap
                },
            ),
            PollRequest::Post(body, reply) => {
                self.post = Some((PayloadReader::new(body), reply));
                Ok(())
            }
            PollRequest::Probe(probed) => {
                self.polling.probe(probed);
                if probed && let Some(poll) = self.polling.take() {
                    answer(poll, &EnginePacket::Noop);
                }
                Ok(())
            }
            PollRequest::TakeOver(successor) => {
                self.successor = Some(successor);
                Ok(())
            }
        }
    }

    /// A client that does not poll cannot be read from. That is no excuse for a missing pong, so
    /// only the driver's own lack of room counts as "not listening".
    fn tick(&mut self) -> Result<(), CloseReason> {
        let listening = self.session.driver.may_receive();
        self.session.tick(listening)
    }

    fn work(&mut self) -> Result<(), CloseReason> {
        loop {
            let mut taken = false;
            while self.session.is_listening()
                && let Some((messages, _)) = &mut self.post
                && let Some(message) = messages.take()
            {
                self.session
                    .receive(message.map_err(|_| CloseReason::Malformed)?)?;
                taken = true;
            }
            self.session.work()?;
            if !taken {
                break;
            }
        }
        if let Some((_, post)) = self.post.take_if(|(messages, _)| messages.is_done()) {
            let _ = post.send(Ok(OK));
        }
        Ok(())
    }

    fn reply(&mut self) -> Result<bool, CloseReason> {
        let packets = !self.session.out.is_done();
        let Some((poll, reply)) = self.polling.reply(self.session.now(), packets) else {
            return Ok(false);
        };
        let payload = match reply {
            engine::PollAnswer::Noop => EnginePacket::Noop.encode().into(),
            engine::PollAnswer::Packets => self.session.out.take_payload(self.payload_bytes_max),
        };
        // The GET broke off: the packets were taken from the queue and cannot be sent again, so the
        // session ends.
        poll.send(Ok(payload))
            .map(|()| true)
            .map_err(|_| CloseReason::Broken)
    }

    fn deadline(&self) -> Instant {
        let deadline = self.session.deadline();
        self.polling
            .deadline()
            .map_or(deadline, |poll| deadline.min(self.session.instant(poll)))
    }
}

const OK: Bytes = Bytes::from_static(b"ok");

fn answer(poll: AnswerSender, packet: &EnginePacket<'_>) {
    // The GET may have broken off, and then nobody needs the answer.
    let _ = poll.send(Ok(packet.encode().into()));
}

/// Waits until the waiting GET has broken off; forever without one.
async fn broken(polling: &mut PendingPoll<AnswerSender>) {
    poll_fn(|cx| match polling.waiting() {
        Some(poll) => poll.poll_closed(cx),
        None => std::task::Poll::Pending,
    })
    .await;
}
