//! What requests leave for the task of a polling session, and how they come to their answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use tokio::sync::{mpsc, oneshot};

use super::Refusal;
use super::conversation::Conversation;
use super::origin::Origin;
use crate::limits::LETTERS_MAX;

/// Where an answer is waited for: a GET's payload, a POST's `ok`.
pub(super) type Reply = oneshot::Sender<Result<Bytes, Refusal>>;

/// What a request, or a WebSocket that probes, has to say.
pub(super) enum Letter<T> {
    /// A POST broke off.
    Broken,
    /// A POST came while another was under way.
    Overlap,
    /// A GET.
    Poll(Reply),
    /// A POST.
    Post(Bytes, Reply),
    /// A WebSocket probes, or no longer.
    Probe(bool),
    /// The WebSocket takes over.
    TakeOver(oneshot::Sender<Box<Conversation<T>>>),
}

/// Where letters for one session are left.
pub(super) struct Mailbox<T> {
    letters: mpsc::Sender<Letter<T>>,
    /// Whether a POST is under way.
    posting: AtomicBool,
    /// Whether a WebSocket probes.
    probing: AtomicBool,
}

impl<T: Send + 'static> Mailbox<T> {
    /// An empty one, and where it is read.
    pub(super) fn new() -> (Arc<Self>, mpsc::Receiver<Letter<T>>) {
        let (letters, read) = mpsc::channel(LETTERS_MAX);
        let (posting, probing) = (AtomicBool::new(false), AtomicBool::new(false));
        (
            Arc::new(Self {
                letters,
                posting,
                probing,
            }),
            read,
        )
    }

    /// Leaves a letter; `false` when nobody reads it any more.
    pub(super) async fn leave(&self, letter: Letter<T>) -> bool {
        self.letters.send(letter).await.is_ok()
    }

    /// Waits until nobody reads letters any more.
    pub(super) async fn abandoned(&self) {
        self.letters.closed().await;
    }

    /// The right to the one POST at a time. Another is an offence that ends the session.
    pub(super) fn post(self: &Arc<Self>) -> Result<Posting<T>, Refusal> {
        if self.posting.swap(true, Ordering::AcqRel) {
            self.note(Letter::Overlap);
            return Err(Refusal::BadRequest);
        }
        Ok(Posting {
            mailbox: Arc::clone(self),
            answered: false,
        })
    }

    /// The right to the one probe at a time.
    pub(super) fn probe(self: &Arc<Self>) -> Option<Probing<T>> {
        let free = !self.probing.swap(true, Ordering::AcqRel);
        free.then(|| Probing(Arc::clone(self)))
    }

    /// A letter nobody waits to see read: with a full box, its reader has no lack of reasons.
    fn note(&self, letter: Letter<T>) {
        let _ = self.letters.try_send(letter);
    }

    async fn ask(&self, letter: impl FnOnce(Reply) -> Letter<T>) -> Result<Bytes, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.leave(letter(reply)).await;
        // A session that ends drops what it was asked.
        answer.await.unwrap_or(Err(Refusal::Session))
    }
}

/// One POST under way. Dropped before it is answered, it ends the session: the client cannot know what arrived.
pub(super) struct Posting<T: Send + 'static> {
    mailbox: Arc<Mailbox<T>>,
    answered: bool,
}

impl<T: Send + 'static> Drop for Posting<T> {
    fn drop(&mut self) {
        if !self.answered {
            self.mailbox.note(Letter::Broken);
        }
        self.mailbox.posting.store(false, Ordering::Release);
    }
}

/// One probe under way.
pub(super) struct Probing<T: Send + 'static>(pub(super) Arc<Mailbox<T>>);

impl<T: Send + 'static> Drop for Probing<T> {
    fn drop(&mut self) {
        self.0.probing.store(false, Ordering::Release);
    }
}

/// A GET of a session.
pub struct Poll<T: Send + 'static> {
    pub(super) mailbox: Arc<Mailbox<T>>,
    pub(super) origin: Origin,
}

impl<T: Send + 'static> Poll<T> {
    /// Waits for something to say. Dropped while it waits, it ends the session.
    pub async fn answer(self) -> Response<Bytes> {
        self.origin
            .admit(response(self.mailbox.ask(Letter::Poll).await))
    }
}

/// A POST of a session, whose body is still to be read.
pub struct Post<T: Send + 'static> {
    pub(super) posting: Posting<T>,
    pub(super) bytes_max: usize,
    pub(super) origin: Origin,
}

impl<T: Send + 'static> Post<T> {
    /// Bytes its body may have. One with more is not to be read to its end, but dropped or [`Post::too_large`].
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Hands the body over and waits until all of it was taken.
    pub async fn answer(mut self, body: Bytes) -> Response<Bytes> {
        if body.len() > self.bytes_max {
            return self.too_large();
        }
        let taken = self
            .posting
            .mailbox
            .ask(|reply| Letter::Post(body, reply))
            .await;
        self.posting.answered = true;
        self.origin.admit(response(taken))
    }

    /// The answer to a body that is too large; the session is over.
    pub fn too_large(self) -> Response<Bytes> {
        self.origin.admit(Refusal::TooLarge.response())
    }
}

pub(super) fn response(answer: Result<Bytes, Refusal>) -> Response<Bytes> {
    let mut response = answer.map_or_else(Refusal::response, Response::new);
    let headers = response.headers_mut();
    headers
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("text/plain; charset=UTF-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
