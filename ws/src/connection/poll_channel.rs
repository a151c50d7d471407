//! The channel from the HTTP requests of a polling session to its task, and the answers back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use tokio::sync::{mpsc, oneshot};

use super::ConnectionRefusal;
use super::origin::RequestOrigin;
use super::session::ClientSession;
use crate::limits::POLL_REQUESTS_MAX;

/// Where the answer to a request is sent: the payload of a GET, the `ok` of a POST.
pub(super) type AnswerSender = oneshot::Sender<Result<Bytes, ConnectionRefusal>>;

/// What a request, or a WebSocket that probes, asks of the polling task.
pub(super) enum PollRequest<T> {
    /// A POST broke off before its body was complete.
    Broken,
    /// A POST came while another was under way.
    Overlap,
    /// A GET waits for packets.
    Poll(AnswerSender),
    /// A POST brought packets.
    Post(Bytes, AnswerSender),
    /// A WebSocket begins to probe the session (true), or has given up (false).
    Probe(bool),
    /// The WebSocket takes the session over.
    TakeOver(oneshot::Sender<Box<ClientSession<T>>>),
}

/// The sending side of the channel of one polling session.
pub(super) struct PollChannel<T> {
    requests: mpsc::Sender<PollRequest<T>>,
    /// Whether a POST is under way; only one may be.
    posting: AtomicBool,
    /// Whether a WebSocket probes; only one may.
    probing: AtomicBool,
}

impl<T: Send + 'static> PollChannel<T> {
    /// A new channel: the sending side, and the receiver for the polling task.
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

    /// Sends a request to the task; false when the session has ended.
    pub(super) async fn leave(&self, request: PollRequest<T>) -> bool {
        self.requests.send(request).await.is_ok()
    }

    /// Waits until the session has ended.
    pub(super) async fn abandoned(&self) {
        self.requests.closed().await;
    }

    /// The permit for a POST. A second one at a time breaks Engine.IO and ends the session.
    pub(super) fn post(self: &Arc<Self>) -> Result<PostPermit<T>, ConnectionRefusal> {
        // One swap and not a look followed by a store: two POSTs may arrive at the same moment.
        if self.posting.swap(true, Ordering::AcqRel) {
            self.note(PollRequest::Overlap);
            return Err(ConnectionRefusal::BadRequest);
        }
        Ok(PostPermit {
            channel: Arc::clone(self),
            answered: false,
        })
    }

    /// The permit for a probe; `None` while there is another.
    pub(super) fn probe(self: &Arc<Self>) -> Option<ProbePermit<T>> {
        let free = !self.probing.swap(true, Ordering::AcqRel);
        free.then(|| ProbePermit(Arc::clone(self)))
    }

    /// Sends a request whose fate nobody waits for. When the channel is full the request is
    /// dropped: the task is then busy with the requests of this client, which wait for their
    /// answers all the same.
    fn note(&self, request: PollRequest<T>) {
        let _ = self.requests.try_send(request);
    }

    async fn ask(
        &self,
        request: impl FnOnce(AnswerSender) -> PollRequest<T>,
    ) -> Result<Bytes, ConnectionRefusal> {
        let (reply, answer) = oneshot::channel();
        self.leave(request(reply)).await;
        // The task of a session that ends drops the requests it has not answered.
        answer.await.unwrap_or(Err(ConnectionRefusal::Session))
    }
}

/// The permit for one POST. Dropped before it was answered, it ends the session, because the client
/// cannot know what arrived.
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

/// The permit for one probe.
pub(super) struct ProbePermit<T: Send + 'static>(pub(super) Arc<PollChannel<T>>);

impl<T: Send + 'static> Drop for ProbePermit<T> {
    fn drop(&mut self) {
        self.0.probing.store(false, Ordering::Release);
    }
}

/// A GET of a polling session.
pub struct PendingGet<T: Send + 'static> {
    pub(super) channel: Arc<PollChannel<T>>,
    pub(super) origin: RequestOrigin,
}

impl<T: Send + 'static> PendingGet<T> {
    /// Waits for packets and returns them. Dropped while it waits, it ends the session.
    pub async fn answer(self) -> Response<Bytes> {
        self.origin
            .admit(response(self.channel.ask(PollRequest::Poll).await))
    }
}

/// A POST of a polling session, whose body is still to be read.
pub struct PendingPost<T: Send + 'static> {
    pub(super) posting: PostPermit<T>,
    pub(super) bytes_max: usize,
    pub(super) origin: RequestOrigin,
}

impl<T: Send + 'static> PendingPost<T> {
    /// Bytes that the body may have. For a larger one, drop this or answer with
    /// [`PendingPost::too_large`]; do not read on.
    pub fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Hands the body to the session and waits until all of its packets were taken.
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

    /// The response to a body that is too large. It ends the session.
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
