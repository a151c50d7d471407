//! What requests leave for the task of a polling session, and how they come to their answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use tokio::sync::{mpsc, oneshot};

use super::ConnectionRefusal;
use super::origin::RequestOrigin;
use super::session::ClientSession;
use crate::limits::POLL_REQUESTS_MAX;

/// Where an answer is waited for: a GET's payload, a POST's `ok`.
pub(super) type Reply = oneshot::Sender<Result<Bytes, ConnectionRefusal>>;

/// What a request, or a WebSocket that probes, has to say.
pub(super) enum PollRequest<T> {
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
    TakeOver(oneshot::Sender<Box<ClientSession<T>>>),
}

/// Where requests for one session are left.
pub(super) struct PollChannel<T> {
    requests: mpsc::Sender<PollRequest<T>>,
    /// Whether a POST is under way.
    posting: AtomicBool,
    /// Whether a WebSocket probes.
    probing: AtomicBool,
}

impl<T: Send + 'static> PollChannel<T> {
    /// An empty one, and where it is read.
    pub(super) fn new() -> (Arc<Self>, mpsc::Receiver<PollRequest<T>>) {
        let (requests, read) = mpsc::channel(POLL_REQUESTS_MAX);
        let (posting, probing) = (AtomicBool::new(false), AtomicBool::new(false));
        (
            Arc::new(Self {
                requests,
                posting,
                probing,
            }),
            read,
        )
    }

    /// Leaves a request; `false` when nobody reads it any more.
    pub(super) async fn leave(&self, request: PollRequest<T>) -> bool {
        self.requests.send(request).await.is_ok()
    }

    /// Waits until nobody reads requests any more.
    pub(super) async fn abandoned(&self) {
        self.requests.closed().await;
    }

    /// The right to the one POST at a time. Another is an offence that ends the session.
    pub(super) fn post(self: &Arc<Self>) -> Result<PostPermit<T>, ConnectionRefusal> {
        if self.posting.swap(true, Ordering::AcqRel) {
            self.note(PollRequest::Overlap);
            return Err(ConnectionRefusal::BadRequest);
        }
        Ok(PostPermit {
            channel: Arc::clone(self),
            answered: false,
        })
    }

    /// The right to the one probe at a time.
    pub(super) fn probe(self: &Arc<Self>) -> Option<ProbePermit<T>> {
        let free = !self.probing.swap(true, Ordering::AcqRel);
        free.then(|| ProbePermit(Arc::clone(self)))
    }

    /// A request nobody waits to see read: with a full box, its reader has no lack of reasons.
    fn note(&self, request: PollRequest<T>) {
        let _ = self.requests.try_send(request);
    }

    async fn ask(
        &self,
        request: impl FnOnce(Reply) -> PollRequest<T>,
    ) -> Result<Bytes, ConnectionRefusal> {
        let (reply, answer) = oneshot::channel();
        self.leave(request(reply)).await;
        // A session that ends drops what it was asked.
        answer.await.unwrap_or(Err(ConnectionRefusal::Session))
    }
}

/// One POST under way. Dropped before it is answered, it ends the session: the client cannot know what arrived.
pub(super) struct PostPermit<T: Send + 'static> {
    channel: Arc<PollChannel<T>>,
    answered: bool,
}

impl<T: Send + 'static> Drop for PostPermit<T> {
    fn drop(&mut self) {
        if !self.answered {
            self.channel.note(PollRequest::Broken);
        }
        self.channel.posting.store(false, Ordering::Release);
    }
}

/// One probe under way.
pub(super) struct ProbePermit<T: Send + 'static>(pub(super) Arc<PollChannel<T>>);

impl<T: Send + 'static> Drop for ProbePermit<T> {
    fn drop(&mut self) {
        self.0.probing.store(false, Ordering::Release);
    }
}

/// A GET of a session.
pub struct Poll<T: Send + 'static> {
    pub(super) channel: Arc<PollChannel<T>>,
    pub(super) origin: RequestOrigin,
}

impl<T: Send + 'static> Poll<T> {
    /// Waits for something to say. Dropped while it waits, it ends the session.
    pub async fn answer(self) -> Response<Bytes> {
        self.origin
            .admit(response(self.channel.ask(PollRequest::Poll).await))
    }
}

/// A POST of a session, whose body is still to be read.
pub struct Post<T: Send + 'static> {
    pub(super) posting: PostPermit<T>,
    pub(super) bytes_max: usize,
    pub(super) origin: RequestOrigin,
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
            .channel
            .ask(|reply| PollRequest::Post(body, reply))
            .await;
        self.posting.answered = true;
        self.origin.admit(response(taken))
    }

    /// The answer to a body that is too large; the session is over.
    pub fn too_large(self) -> Response<Bytes> {
        self.origin.admit(ConnectionRefusal::TooLarge.response())
    }
}

pub(super) fn response(answer: Result<Bytes, ConnectionRefusal>) -> Response<Bytes> {
    let mut response = answer.map_or_else(ConnectionRefusal::response, Response::new);
    let headers = response.headers_mut();
    headers
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("text/plain; charset=UTF-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
