//! A socket: one client in one namespace, with its requests, carried out one after the other, and
//! its reading of the log.
//!
//! A socket does one thing at a time: it waits for the answer to a query of its own, or advances a
//! join, or carries out a request, or reads the log. So there is one order of everything the client
//! is sent, and the reader's position has one meaning.

mod admission;
mod batch;
mod join;
mod refresh;
mod session;
mod subscription;

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use schemas::event::Typing;
use schemas::{Ephemeral, ErrorBody, ErrorCode, Identity, LocationId, Room, Sequence};
use serde_json::{Value, json};

use crate::connection::SendQueue;
use crate::contracts::request::{Leaving, Request, Since};
use crate::contracts::{Frame, Namespace, Voice};
use crate::hub::broadcast::Broadcast;
use crate::hub::command;
use crate::hub::presence_registry::SocketRegistration;
use crate::hub::reader::LogReader;
use crate::hub::replay::{self, LogPage};
use crate::hub::{Hub, SocketSignal, count};
use crate::limits::{REQUESTS_WAITING_MAX, RING_ENTRIES_PER_LOOK};
use crate::protocol::socketio::{ClientCall, NamespaceId as _};
use crate::source::{AuthError, LevelsSnapshot, OrderOwner, SourceError};

pub(crate) use self::admission::{ClientAdmission, SessionLookup};
use self::join::PendingJoin;
use self::session::RecoverableSession;
pub(crate) use self::session::WriteReason;
use self::subscription::SubscriptionOptions;

pub(crate) struct Socket {
    hub: Arc<Hub>,
    namespace: Namespace,
    signal: Arc<SocketSignal>,
    /// `None` for a guest, who has no user to be registered under.
    registration: Option<Arc<SocketRegistration>>,
    reader: LogReader,
    /// What makes the socket recoverable; `None` in namespaces without recovery and for clients
    /// that declined it.
    session: Option<Box<RecoverableSession>>,
    /// Requests that wait, oldest first; an error stands for one that could not be read.
    calls: VecDeque<Result<ClientCall, ErrorBody>>,
    /// `None` until the client sets any; only clients of the omni contract do.
    options: Option<Box<SubscriptionOptions>>,
    /// Boxed, because a join is rare and large, and every connection would reserve room for it.
    joining: Option<Box<PendingJoin>>,
    query: Option<PendingQuery>,
}

type PendingQuery = Pin<Box<dyn Future<Output = QueryAnswer> + Send>>;

/// The answer to a query of the socket: to the [`EventSource`](crate::EventSource), or to a
/// command.
enum QueryAnswer {
    Command(ClientCall, Result<Value, ErrorBody>),
    /// The identity behind the token of this request, and from where the client wants to go on.
    Identity(ClientCall, Option<Since>, Result<Box<Identity>, AuthError>),
    /// Whether the session's record was written, and what for.
    Kept(WriteReason, Result<(), SourceError>),
    Levels(Result<Arc<LevelsSnapshot>, SourceError>),
    /// The owner of the order whose room is to be joined.
    Order(Result<Option<OrderOwner>, SourceError>),
    Page {
        asked_until: Sequence,
        page: Result<LogPage, SourceError>,
    },
}

/// The log could not be read on. The transport is closed; the client comes back and goes on from
/// its offset.
#[derive(Debug, thiserror::Error)]
#[error("the log could not be read on: {0}")]
pub(crate) struct LogInterrupted(#[from] SourceError);

/// How far one step of reading the log came.
enum ReadProgress {
    /// The reader is up to date, or held at a ceiling.
    Idle,
    Moved,
    /// A page of the log was asked for.
    Asked,
}

impl Socket {
    /// Time until the token expires; zero once it has.
    pub(crate) fn time_left(&self) -> Duration {
        let left = self
            .hub
            .clock
            .now()
            .duration_until(self.reader.identity.expires_at);
        Duration::try_from(left).unwrap_or_default()
    }

    /// The error to disconnect the client with: its token has expired or, where `and_revoked` asks
    /// for that, was revoked. `None` while the token is valid.
    pub(crate) fn token_error(&self, and_revoked: bool) -> Option<ErrorBody> {
        if self.time_left().is_zero() {
            let message = "The token has expired; connect with a new one";
            return Some(ErrorBody::new(ErrorCode::TokenExpired, message));
        }
        let revoked = and_revoked && self.hub.authenticate.is_revoked(&self.reader.identity);
        revoked.then(|| {
            count(&self.hub.counters.revoked);
            ErrorBody::new(ErrorCode::TokenInvalid, "The token was revoked")
        })
    }

    /// Whether a newer connection of the same client has taken this socket's place.
    pub(crate) fn is_replaced(&self) -> bool {
        self.registration
            .as_ref()
            .is_some_and(|registration| registration.is_replaced())
    }

    /// Whether another request can be queued. While none can, the connection is not read from.
    pub(crate) fn can_queue_call(&self) -> bool {
        self.calls.len() < REQUESTS_WAITING_MAX
    }

    /// Queues a request behind the others.
    pub(crate) fn queue_call(&mut self, call: Result<ClientCall, ErrorBody>) {
        self.calls.push_back(call);
    }

    /// Does everything that can be done now: stops when `out` is full, when a query is open, or
    /// when nothing is left.
    pub(crate) fn work(&mut self, out: &mut SendQueue) {
        while !out.is_full() && self.query.is_none() {
            if let Some(joining) = self.joining.take() {
                self.advance_join(joining, out);
            } else if let Some(call) = self.calls.pop_front() {
                if self.calls.is_empty() {
                    // A quiet socket keeps no memory for a queue.
                    self.calls = VecDeque::new();
                }
                match call {
                    Ok(call) => self.run_request(call, out),
                    Err(error) => self.refuse(&ClientCall::default(), &error, out),
                }
            } else if let ReadProgress::Idle = self.read(out) {
                let Some(broadcast) = self.signal.take_ephemeral() else {
                    break;
                };
                if self.reader.accepts_ephemeral(&broadcast) {
                    let is_for_us = |reader: &LogReader, rooms: &[Room]| {
                        reader.accepts_ephemeral_frame(rooms, &broadcast)
                    };
                    if let Some(cursor) = self.cursor() {
                        let frames = broadcast.frames_at(self.namespace, cursor);
                        self.send(&broadcast, &frames, is_for_us, out);
                    } else {
                        let frames = broadcast.frames(self.namespace, false);
                        self.send(&broadcast, frames, is_for_us, out);
                    }
                }
            }
        }
    }

    /// Reads the log, provided that nothing else is to be done first. Returns whether nothing is
    /// left for the connection's task.
    pub(crate) fn deliver(&mut self, out: &mut SendQueue) -> bool {
        let quiet = |socket: &Self| {
            socket.query.is_none() && socket.joining.is_none() && socket.calls.is_empty()
        };
        if quiet(self) {
            self.work(out);
        }
        quiet(self)
    }

    /// Ready when the open query was answered and its answer handled. Pending while it is open, and
    /// without one.
    pub(crate) fn poll_answer(
        &mut self,
        out: &mut SendQueue,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), LogInterrupted>> {
        let Some(query) = &mut self.query else {
            return Poll::Pending;
        };
        let answer = ready!(query.as_mut().poll(cx));
        self.query = None;
        let handled = self.handle_answer(answer, out);
        Poll::Ready(handled.inspect_err(|LogInterrupted(error)| self.hub.warn_of_source(error)))
    }

    fn handle_answer(
        &mut self,
        answer: QueryAnswer,
        out: &mut SendQueue,
    ) -> Result<(), LogInterrupted> {
        match (answer, self.joining.take()) {
            (QueryAnswer::Command(call, outcome), joining) => {
                self.joining = joining;
                self.answer(&call, outcome, out);
                Ok(())
            }
            (QueryAnswer::Identity(call, since, identity), joining) => {
                self.joining = joining;
                self.authenticate(call, identity.map(|identity| *identity), since, out);
                Ok(())
            }
            (QueryAnswer::Kept(WriteReason::Leave(call, rooms), kept), joining) => {
                self.joining = joining;
                self.leave(&call, &rooms, &kept, out);
                Ok(())
            }
            (QueryAnswer::Kept(WriteReason::Refresh(call, expires_at), kept), joining) => {
                self.joining = joining;
                // The record must say which rights the session has from now on. Were it not
                // written, a recovery would believe that the client had the new rights all the
                // time.
                kept?;
                self.answer(&call, Ok(json!({ "expiresAt": expires_at })), out);
                Ok(())
            }
            (QueryAnswer::Kept(WriteReason::Join, kept), Some(joining)) => {
                self.handle_join_written(joining, &kept, out);
                Ok(())
            }
            (QueryAnswer::Levels(levels), Some(joining)) => {
                self.handle_levels(joining, levels, out);
                Ok(())
            }
            (QueryAnswer::Order(order), Some(joining)) => {
                self.handle_order(joining, order, out);
                Ok(())
            }
            (QueryAnswer::Page { page, .. }, Some(joining)) if joining.is_filling() => {
                self.handle_missed_page(joining, page, out)
            }
            (QueryAnswer::Page { asked_until, page }, joining) => {
                self.joining = joining;
                self.handle_page(asked_until, page, out)
            }
            (
                QueryAnswer::Kept(WriteReason::Join, _)
                | QueryAnswer::Levels(_)
                | QueryAnswer::Order(_),
                None,
            ) => Ok(()),
        }
    }

    /// Answers a message that exceeds the client's rate.
    pub(crate) fn refuse_excess(&self, call: &ClientCall, out: &mut SendQueue) {
        let error = ErrorBody::new(ErrorCode::RateLimited, "Too many messages; wait a moment");
        self.refuse(call, &error, out);
    }

    /// Tells the client why it is disconnected. Clients do not come back by themselves after this.
    pub(crate) fn disconnect(&self, error: &ErrorBody, out: &mut SendQueue) {
        out.extend(self.voice().put_out(error));
    }

    /// Sends the entry that follows the reader's position, without the frames that the client has
    /// already.
    fn send_next(&mut self, broadcast: &Broadcast, out: &mut SendQueue) {
        let sequence = broadcast.sequence();
        let begun = self
            .session
            .as_mut()
            .and_then(|session| session.begun.take_if(|(at, _)| *at == sequence));
        let sent = begun.map_or(0, |(_, messages)| messages.into());
        let recoverable = self.session.is_some();
        let is_for_us =
            |reader: &LogReader, rooms: &[Room]| reader.accepts_entry_frame(rooms, broadcast);
        let own = self
            .own_view(broadcast)
            .map(|mine| self.namespace.frames(broadcast, Some(mine), recoverable));
        let frames = own
            .as_deref()
            .unwrap_or_else(|| broadcast.frames(self.namespace, recoverable));
        self.send(
            broadcast,
            frames.get(sent..).unwrap_or_default(),
            is_for_us,
            out,
        );
    }

    /// The locations that the identity is limited to, where this event looks different to limited
    /// identities; `None` where the shared frames fit.
    fn own_view(&self, broadcast: &Broadcast) -> Option<&[LocationId]> {
        let mine = self.reader.identity.locations.as_deref()?;
        self.namespace
            .contract()
            .depends_on_locations(&broadcast.event)
            .then_some(mine)
    }

    /// Sends those of an event's frames that are meant for this socket.
    fn send(
        &mut self,
        broadcast: &Broadcast,
        frames: &[Frame],
        is_for_us: impl Fn(&LogReader, &[Room]) -> bool,
        out: &mut SendQueue,
    ) {
        let mut sent = false;
        for (part, frame) in frames.iter().enumerate() {
            if frame
                .rooms
                .as_deref()
                .is_some_and(|rooms| !is_for_us(&self.reader, rooms))
            {
                continue;
            }
            match &mut self.options {
                Some(options) => options.send(&broadcast.event, part, frame.bytes.clone(), out),
                None => out.push(frame.bytes.clone()),
            }
            sent = true;
        }
        self.hub
            .counters
            .delivered
            .fetch_add(sent.into(), Ordering::Relaxed);
    }

    fn refuse(&self, call: &ClientCall, error: &ErrorBody, out: &mut SendQueue) {
        out.extend(self.voice().refuse(call, error));
    }

    fn answer(
        &mut self,
        call: &ClientCall,
        outcome: Result<Value, ErrorBody>,
        out: &mut SendQueue,
    ) {
        match outcome {
            Ok(Value::Object(fields)) => {
                self.flush(out);
                out.extend(self.voice().answer(call, fields, &self.reader.identity));
            }
            Ok(_) => {}
            Err(error) => self.refuse(call, &error, out),
        }
    }

    fn voice(&self) -> Voice {
        self.namespace.voice(self.cursor())
    }

    fn resync(&mut self, reason: &str, out: &mut SendQueue) {
        self.flush(out);
        count(&self.hub.counters.resyncs);
        tracing::debug!(
            namespace = self.namespace.as_str(),
            reason,
            "Told a client to load again"
        );
        out.push(self.voice().resync(reason));
    }
}

/// Reading the log: marks, ring and pages.
impl Socket {
    fn read(&mut self, out: &mut SendQueue) -> ReadProgress {
        self.catch_up_marks();
        // The ring stays locked for reading while frames are queued. Publishing waits for that, so the
        // number of entries and of bytes is bounded below.
        let hub = Arc::clone(&self.hub);
        let ring = hub.ring.read().unwrap_or_else(PoisonError::into_inner);
        let Some((after, until)) = self.reader.due(ring.head()) else {
            return ReadProgress::Idle;
        };
        // Before the floor only the store knows. Up to the floor is enough: the rest is in the ring.
        if after < ring.floor() {
            let rooms = self.reader.rooms().cloned().collect();
            self.query_page(rooms, after, until.min(ring.floor()));
            return ReadProgress::Asked;
        }
        let due = ring.after(after).take_while(|kept| kept.sequence <= until);
        for (looked_at, kept) in due.enumerate() {
            if looked_at >= RING_ENTRIES_PER_LOOK || out.is_full() {
                return ReadProgress::Moved;
            }
            if self.reader.room_mask().may_share_room(kept.mask)
                && self.reader.accepts_entry(&kept.broadcast)
            {
                self.send_next(&kept.broadcast, out);
            }
            self.reader.advance(kept.sequence);
        }
        self.reader.advance(until);
        ReadProgress::Moved
    }

    fn catch_up_marks(&mut self) {
        // In this order: every mark up to `marked` is in the signal by now, or was taken from it
        // earlier.
        let marked = self.hub.marked();
        self.reader.observe_marks(self.signal.take_first(), marked);
    }

    fn query_page(&mut self, rooms: BTreeSet<Room>, after: Sequence, until: Sequence) {
        let page = replay::page(
            Arc::clone(&self.hub.source),
            self.reader.shops.clone(),
            rooms,
            after,
            until,
        );
        self.query = Some(Box::pin(async move {
            QueryAnswer::Page {
                asked_until: until,
                page: page.await,
            }
        }));
    }

    fn handle_page(
        &mut self,
        asked_until: Sequence,
        page: Result<LogPage, SourceError>,
        out: &mut SendQueue,
    ) -> Result<(), LogInterrupted> {
        match page {
            Ok(page) => {
                for broadcast in &page.entries {
                    if self.reader.accepts_entry(broadcast) {
                        self.send_next(broadcast, out);
                    }
                }
                self.reader.advance(page.reached);
            }
            Err(SourceError::TooOld) => {
                self.reader.restart(asked_until);
                // The cursor of `resync` is the new position: a client that is cut off now is told
                // once, and goes on from there.
                self.resync(replay::TOO_OLD, out);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// Carrying out requests.
impl Socket {
    fn run_request(&mut self, call: ClientCall, out: &mut SendQueue) {
        self.catch_up_marks();
        match self.namespace.contract().read(&call, &self.reader.identity) {
            Ok(Request::Command {
                kind,
                shop,
                payload,
            }) => {
                let (commands, by) = (Arc::clone(&self.hub.commands), self.reader.identity.clone());
                let outcome = command::run(commands, by, shop, kind, payload);
                self.query = Some(Box::pin(async move {
                    QueryAnswer::Command(call, outcome.await)
                }));
            }
            Ok(Request::Join(join)) => {
                let join = self.apply_options(join);
                self.join(call, join, out);
            }
            Ok(Request::Leave(Leaving::Rooms(rooms))) => self.write_leave(&call, rooms, out),
            Ok(Request::Leave(Leaving::Family(prefix))) => {
                let family = self
                    .reader
                    .rooms()
                    .filter(|room| room.to_string().starts_with(prefix));
                self.write_leave(&call, family.cloned().collect(), out);
            }
            Ok(Request::Ping) => {
                let now = json!({ "timestamp": self.hub.clock.now() });
                out.push(self.voice().pong(&now));
                self.answer(&call, Ok(now), out);
            }
            Ok(Request::Typing {
                room,
                name,
                is_typing,
            }) => {
                if !self.reader.is_in(&room) {
                    let error = ErrorBody::new(ErrorCode::Forbidden, "Join the room first");
                    return self.refuse(
                        &call,
                        &ErrorBody {
                            field: Some("roomId".to_owned()),
                            ..error
                        },
                        out,
                    );
                }
                let typing = Typing {
                    user_id: self.reader.identity.user_id.clone(),
                    room,
                    room_id: name,
                    is_typing,
                };
                for shop in &self.reader.shops {
                    self.hub
                        .publish_ephemeral_later(shop, &Ephemeral::Typing(typing.clone()));
                }
                self.answer(&call, Ok(json!({})), out);
            }
            Ok(Request::Refresh { token, since }) if self.namespace == Namespace::Omni => {
                self.query_identity(call, token, since, out);
            }
            Ok(Request::Refresh { token, .. }) => {
                let before = self.rights();
                match self.refresh(&token) {
                    Ok(expires_at) if self.rights() != before => {
                        self.write_rights(call, expires_at);
                    }
                    outcome => {
                        let outcome = outcome.map(|expires_at| json!({ "expiresAt": expires_at }));
                        self.answer(&call, outcome, out);
                    }
                }
            }
            Err(error) => self.refuse(&call, &error, out),
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let resumed = self.session.iter().flat_map(|session| &session.resumed);
        let joining = self
            .joining
            .as_deref()
            .into_iter()
            .chain(resumed)
            .flat_map(PendingJoin::rooms);
        for room in self.reader.rooms().chain(joining) {
            self.hub.unsubscribe(&self.signal, &self.reader.shops, room);
        }
        self.hub.close_signal();
        self.hub
            .customer_disconnected(&self.reader.identity, &self.reader.shops);
        self.registration
            .iter()
            .for_each(|registration| self.hub.registry.unregister(registration));
    }
}
