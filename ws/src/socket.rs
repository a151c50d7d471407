//! One client in one namespace: its requests, one after the other, and its reading of the log.
//!
//! A socket is always in one place: it waits for an answer of the `Source` or of a command, or joins rooms, or carries out a
//! request, or reads the log. So what a client is sent has one order, and its position one meaning.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use schemas::shape::LevelShape;
use schemas::{ErrorBody, ErrorCode, Identity, LevelSelection, Offset, Room, Sequence, Subject, Timestamp};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use crate::broadcast::Broadcast;
use crate::command;
use crate::contracts::Namespace;
use crate::contracts::oda::{self, Request, Rooms, Since};
use crate::hub::{Hub, Slot};
use crate::limits::{
    REQUESTS_WAITING_MAX, RING_ENTRIES_PER_LOOK, ROOMS_PER_SOCKET_MAX, SNAPSHOT_LEVELS_MAX, SOURCE_DEADLINE,
};
use crate::reader::{Kinds, Reader};
use crate::replay::{self, Page};
use crate::socketio::{Call, Content};
use crate::source::SourceError;
use crate::transport::{Bell, Out};

pub(crate) struct Socket {
    hub: Arc<Hub>,
    namespace: Namespace,
    slot: Arc<Slot>,
    reader: Reader,
    calls: VecDeque<Call>,
    /// In a box, because it is rare and large.
    joining: Option<Box<Joining>>,
    question: Option<Question>,
}

type Question = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What the `Source` says, or what came of a command.
enum Answer {
    Command(Call, Result<Value, ErrorBody>),
    Levels(Result<(Vec<LevelShape>, Sequence), SourceError>),
    Page { asked_until: Sequence, page: Result<Page, SourceError> },
}

/// A subscribe under way. The log is not read meanwhile, but for [`Stage::CatchUp`].
struct Joining {
    call: Call,
    rooms: Rooms,
    kinds: Option<Kinds>,
    /// Where the client wants to go on from in these rooms.
    since: Option<Sequence>,
    /// The answer's levels, once known.
    levels: Option<Vec<LevelShape>>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The levels are to be asked for.
    Snapshot(LevelSelection),
    /// The reader is to come up to the levels' sequence.
    CatchUp(Sequence),
    /// What was missed in these rooms is to be sent.
    Backfill { after: Sequence, until: Sequence },
    /// The rooms count from the first, the answer is exact at the second.
    Done { after: Sequence, offset: Sequence },
}

/// The log could not be read on; the transport is closed and the client comes back with its offset.
#[derive(Debug, thiserror::Error)]
#[error("the log could not be read on: {0}")]
pub(crate) struct Interrupted(#[from] SourceError);

/// What reading the log came to.
enum Reading {
    /// Up to date, or held.
    Idle,
    Moved,
    /// A page was asked for.
    Asked,
}

impl Socket {
    /// Lets somebody in, and says so.
    pub(crate) fn open(
        hub: &Arc<Hub>,
        namespace: Namespace,
        identity: Identity,
        bell: &Arc<Bell>,
        out: &mut Out,
    ) -> Self {
        let shops = hub.enterable(&identity);
        let slot = hub.open_slot(bell);
        let first = oda::first_rooms(&identity);
        first.known.iter().for_each(|room| hub.listen(&slot, &shops, room));
        // Read after the slot listens: what comes later is marked there.
        let head = hub.head();
        let mut reader = Reader::new(identity, shops, head.sequence);
        enter(&mut reader, first, head.sequence);
        let socket_id = hub.id();
        let greeting = Map::from_iter([("sid".to_owned(), Value::from(socket_id.as_str()))]);
        out.push(namespace.packet(Content::Connect(Some(greeting))));
        out.push(oda::connected(namespace, &reader.identity, &socket_id, head, hub.clock.now()));
        let hub = Arc::clone(hub);
        Self { hub, namespace, slot, reader, calls: VecDeque::new(), joining: None, question: None }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.reader.identity
    }

    /// Whether there is room for another request.
    pub(crate) fn may_call(&self) -> bool {
        self.calls.len() < REQUESTS_WAITING_MAX
    }

    pub(crate) fn call(&mut self, call: Call) {
        self.calls.push_back(call);
    }

    /// Does everything that can be done now: stops when `out` is full, a question is open or nothing is left.
    pub(crate) fn work(&mut self, out: &mut Out) {
        while !out.is_full() && self.question.is_none() {
            if let Some(joining) = self.joining.take() {
                self.join_on(joining, out);
            } else if let Some(call) = self.calls.pop_front() {
                if self.calls.is_empty() {
                    // A socket that asks nothing keeps no room for questions.
                    self.calls = VecDeque::new();
                }
                self.carry_out(call, out);
            } else if let Reading::Idle = self.read(out) {
                let Some(broadcast) = self.slot.take_ephemeral() else { break };
                if self.reader.hears(&broadcast) {
                    self.send(broadcast.frame(self.namespace), out);
                }
            }
        }
    }

    /// Reads the log, if that is all there is to do; whether it was all.
    pub(crate) fn deliver(&mut self, out: &mut Out) -> bool {
        let quiet =
            |socket: &Self| socket.question.is_none() && socket.joining.is_none() && socket.calls.is_empty();
        if quiet(self) {
            self.work(out);
        }
        quiet(self)
    }

    /// Ready when the open question was answered and the answer taken; pending, too, when there is none.
    pub(crate) fn poll_answer(
        &mut self,
        out: &mut Out,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Interrupted>> {
        let Some(question) = &mut self.question else { return Poll::Pending };
        let answer = ready!(question.as_mut().poll(cx));
        self.question = None;
        Poll::Ready(self.take(answer, out))
    }

    fn take(&mut self, answer: Answer, out: &mut Out) -> Result<(), Interrupted> {
        match (answer, self.joining.take()) {
            (Answer::Command(call, outcome), joining) => {
                self.joining = joining;
                self.answer(&call, outcome, out);
                Ok(())
            }
            (Answer::Levels(levels), Some(joining)) => {
                self.take_levels(joining, levels, out);
                Ok(())
            }
            (Answer::Page { page, .. }, Some(joining)) if matches!(joining.stage, Stage::Backfill { .. }) => {
                self.take_missed(joining, page, out)
            }
            (Answer::Page { asked_until, page }, joining) => {
                self.joining = joining;
                self.take_page(asked_until, page, out)
            }
            (Answer::Levels(_), None) => Ok(()),
        }
    }

    fn send(&self, frame: Option<Bytes>, out: &mut Out) {
        if let Some(frame) = frame {
            self.hub.counters.delivered.fetch_add(1, Ordering::Relaxed);
            out.push(frame);
        }
    }

    fn refuse(&self, call: &Call, error: &ErrorBody, out: &mut Out) {
        out.extend(oda::refuse(self.namespace, call, error));
    }

    fn answer(&self, call: &Call, outcome: Result<Value, ErrorBody>, out: &mut Out) {
        match outcome {
            Ok(Value::Object(fields)) => out.extend(oda::answer(self.namespace, call, fields)),
            Ok(_) => {}
            Err(error) => self.refuse(call, &error, out),
        }
    }

    fn resync(&self, reason: &str, out: &mut Out) {
        self.hub.counters.resyncs.fetch_add(1, Ordering::Relaxed);
        out.push(oda::resync(self.namespace, reason));
    }
}

/// Reading the log.
impl Socket {
    fn read(&mut self, out: &mut Out) -> Reading {
        self.notice();
        let hub = Arc::clone(&self.hub);
        let ring = hub.ring.read().unwrap_or_else(PoisonError::into_inner);
        let Some((after, until)) = self.reader.due(ring.head()) else { return Reading::Idle };
        if after < ring.floor() {
            let rooms = self.reader.rooms().cloned().collect();
            self.ask_page(rooms, after, until.min(ring.floor()));
            return Reading::Asked;
        }
        let due = ring.after(after).take_while(|broadcast| broadcast.sequence() <= until);
        for (looked_at, broadcast) in due.enumerate() {
            if looked_at >= RING_ENTRIES_PER_LOOK || out.is_full() {
                return Reading::Moved;
            }
            if self.reader.wants(broadcast) {
                self.send(broadcast.frame(self.namespace), out);
            }
            self.reader.advance(broadcast.sequence());
        }
        self.reader.advance(until);
        Reading::Moved
    }

    fn notice(&mut self) {
        // In this order: whatever is marked up to there can be found in the slot, or was before.
        let marked = self.hub.marked();
        self.reader.notice(self.slot.take_first(), marked);
    }

    fn ask_page(&mut self, rooms: BTreeSet<Room>, after: Sequence, until: Sequence) {
        let page = replay::page(Arc::clone(&self.hub.source), self.reader.shops.clone(), rooms, after, until);
        self.question = Some(Box::pin(async move { Answer::Page { asked_until: until, page: page.await } }));
    }

    fn take_page(
        &mut self,
        asked_until: Sequence,
        page: Result<Page, SourceError>,
        out: &mut Out,
    ) -> Result<(), Interrupted> {
        match page {
            Ok(page) => {
                for broadcast in page.entries.iter().filter(|broadcast| self.reader.wants(broadcast)) {
                    self.send(broadcast.frame(self.namespace), out);
                }
                self.reader.advance(page.reached);
            }
            Err(SourceError::TooOld) => {
                self.resync(replay::TOO_OLD, out);
                self.reader.restart(asked_until);
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}

/// Carrying out requests.
impl Socket {
    fn carry_out(&mut self, call: Call, out: &mut Out) {
        self.notice();
        match oda::parse(&call, &self.reader.identity) {
            Ok(Request::Command { kind, shop, payload }) => {
                let (commands, by) = (Arc::clone(&self.hub.commands), self.reader.identity.clone());
                let outcome = command::run(commands, by, shop, kind, payload);
                self.question = Some(Box::pin(async move { Answer::Command(call, outcome.await) }));
            }
            Ok(Request::Join { rooms, since, snapshot, kinds }) => {
                let more = rooms.known.iter().filter(|room| !self.reader.is_in(room)).count()
                    + rooms.names.iter().filter(|name| !self.reader.is_in_name(name)).count();
                if self.reader.rooms_len() + more > ROOMS_PER_SOCKET_MAX {
                    let message = format!("A socket may be in {ROOMS_PER_SOCKET_MAX} rooms");
                    return self.refuse(&call, &ErrorBody::new(ErrorCode::TooLarge, message), out);
                }
                rooms.known.iter().for_each(|room| self.hub.listen(&self.slot, &self.reader.shops, room));
                // Read after the slot listens: what comes later is marked there.
                let head = self.hub.head();
                let since = since.and_then(|since| self.check_since(since, head, out));
                let stage = match (snapshot, since) {
                    (Some(selection), _) => Stage::Snapshot(selection),
                    (None, Some(after)) => Stage::Backfill { after, until: self.reader.position() },
                    (None, None) => Stage::Done { after: head.sequence, offset: head.sequence },
                };
                let joining = Joining { call, rooms, kinds, since, levels: None, stage };
                self.joining = Some(Box::new(joining));
            }
            Ok(Request::Leave(family, rooms)) => {
                let rooms = rooms.unwrap_or_else(|| Rooms {
                    known: self.reader.rooms().filter(|room| family.contains(room)).cloned().collect(),
                    names: self.reader.names().filter(|name| family.contains_name(name)).cloned().collect(),
                });
                for room in &rooms.known {
                    self.hub.ignore(&self.slot, &self.reader.shops, room);
                    self.reader.leave(room);
                }
                rooms.names.iter().for_each(|name| self.reader.leave_name(name));
                self.answer(&call, Ok(json!({ "rooms": rooms.listing(&self.reader.identity) })), out);
            }
            Ok(Request::Refresh { token }) => {
                let outcome = self.refresh(&token).map(|expires_at| json!({ "expiresAt": expires_at }));
                self.answer(&call, outcome, out);
            }
            Err(error) => self.refuse(&call, &error, out),
        }
    }

    /// The sequence to go on from; where there is none, the client is told to load again.
    fn check_since(&self, since: Since, head: Offset, out: &mut Out) -> Option<Sequence> {
        let reason = match since {
            Since::Foreign => "unknown_offset",
            Since::Offset(offset) if offset.epoch != head.epoch => "other_epoch",
            Since::Offset(offset) if offset.sequence > self.hub.source.head().sequence.max(head.sequence) => {
                "beyond_end"
            }
            Since::Offset(offset) => return Some(offset.sequence),
        };
        self.resync(reason, out);
        None
    }

    fn refresh(&mut self, token: &str) -> Result<Timestamp, ErrorBody> {
        let now = self.hub.clock.now();
        let identity =
            self.hub.authenticate.identify(token, now).ok().filter(|identity| identity.expires_at > now);
        let invalid = || ErrorBody::new(ErrorCode::TokenInvalid, "The token is invalid or has expired");
        let identity = identity.ok_or_else(invalid)?;
        if identity.user_id != self.reader.identity.user_id {
            return Err(ErrorBody::new(ErrorCode::Forbidden, "The token is another user's"));
        }
        let (old, new) = (oda::first_rooms(&self.reader.identity), oda::first_rooms(&identity));
        for room in self.reader.rooms() {
            self.hub.ignore(&self.slot, &self.reader.shops, room);
        }
        old.known.iter().for_each(|room| {
            if !new.known.contains(room) {
                self.reader.leave(room);
            }
        });
        old.names.iter().for_each(|name| self.reader.leave_name(name));
        let shops = self.hub.enterable(&identity);
        self.reader.become_identity(identity, shops);
        for room in self.reader.rooms().chain(&new.known) {
            self.hub.listen(&self.slot, &self.reader.shops, room);
        }
        let head = self.hub.head().sequence;
        enter(&mut self.reader, new, head);
        // Between ignoring and listening something may have been published unmarked.
        self.reader.hold(None);
        Ok(self.reader.identity.expires_at)
    }
}

/// Joining rooms.
impl Socket {
    fn join_on(&mut self, mut joining: Box<Joining>, out: &mut Out) {
        match &joining.stage {
            Stage::Snapshot(selection) => {
                self.ask_levels(selection.clone());
                self.joining = Some(joining);
            }
            Stage::CatchUp(at) => {
                let at = *at;
                if let Reading::Idle = self.read(out) {
                    // The head is past it and the reader held there, so idle means arrived.
                    joining.stage = match joining.since {
                        Some(after) => Stage::Backfill { after, until: at },
                        None => Stage::Done { after: at, offset: at },
                    };
                }
                self.joining = Some(joining);
            }
            Stage::Backfill { after, until } => {
                let (after, until) = (*after, *until);
                if after < until {
                    self.ask_page(joining.rooms.known.clone(), after, until);
                } else {
                    let since = joining.since.unwrap_or(after);
                    joining.stage = Stage::Done { after: since, offset: until.max(since) };
                }
                self.joining = Some(joining);
            }
            Stage::Done { after, offset } => {
                let (after, offset) = (*after, *offset);
                self.reader.hold(None);
                if let Some(kinds) = joining.kinds {
                    self.reader.want(kinds);
                }
                let offset = Offset { epoch: self.hub.head().epoch, sequence: offset };
                let mut fields =
                    json!({ "rooms": joining.rooms.listing(&self.reader.identity), "offset": offset });
                if let Some(levels) = joining.levels {
                    fields["levels"] = json!(levels);
                }
                enter(&mut self.reader, joining.rooms, after);
                self.answer(&joining.call, Ok(fields), out);
            }
        }
    }

    fn ask_levels(&mut self, selection: LevelSelection) {
        let (source, shops, mut marked) =
            (Arc::clone(&self.hub.source), self.reader.shops.clone(), self.hub.watch_marked());
        let levels = async move {
            let (levels, at) = source.levels(&shops, &selection, SNAPSHOT_LEVELS_MAX).await?;
            // The store is ahead of what was published; the reader has to come up to it first.
            let published = marked.wait_for(|marked| *marked >= at).await;
            published.map(|_| (levels, at)).map_err(|_| replay::late())
        };
        self.question = Some(Box::pin(async move {
            Answer::Levels(timeout(SOURCE_DEADLINE, levels).await.unwrap_or_else(|_| Err(replay::late())))
        }));
    }

    fn take_levels(
        &mut self,
        mut joining: Box<Joining>,
        levels: Result<(Vec<LevelShape>, Sequence), SourceError>,
        out: &mut Out,
    ) {
        match levels {
            Ok((levels, at)) if at >= self.reader.position() => {
                let seen = |level: &LevelShape| {
                    let identity = &self.reader.identity;
                    identity.may_enter(&level.shop)
                        && identity.may_see(Subject::Inventory { location: Some(level.location_id) })
                };
                joining.levels = Some(levels.into_iter().filter(seen).collect());
                joining.stage = Stage::CatchUp(at);
                self.reader.hold(Some(at));
                self.joining = Some(joining);
            }
            Err(SourceError::TooMany) => {
                let message =
                    format!("More than {SNAPSHOT_LEVELS_MAX} levels; ask for some locations or products");
                self.give_up(&joining, &ErrorBody::new(ErrorCode::TooLarge, message), out);
            }
            // Levels older than what was sent already would be an answer from the past.
            Ok(_) | Err(_) => self.give_up(&joining, &unavailable(), out),
        }
    }

    fn take_missed(
        &mut self,
        mut joining: Box<Joining>,
        page: Result<Page, SourceError>,
        out: &mut Out,
    ) -> Result<(), Interrupted> {
        let Stage::Backfill { after, until } = joining.stage else { return Ok(()) };
        match page {
            Ok(page) => {
                let Joining { rooms, kinds, .. } = &*joining;
                let missed = |entry: &&Broadcast| self.reader.missed(&rooms.known, kinds.as_ref(), entry);
                for broadcast in page.entries.iter().filter(missed) {
                    self.send(broadcast.frame(self.namespace), out);
                }
                joining.stage = Stage::Backfill { after: page.reached, until };
                self.joining = Some(joining);
            }
            Err(SourceError::TooOld) => {
                self.resync(replay::TOO_OLD, out);
                joining.stage = Stage::Done { after: until, offset: until };
                self.joining = Some(joining);
            }
            // Some of it was sent; asked for again it would come twice.
            Err(error) if joining.since.is_some_and(|since| after > since) => return Err(error.into()),
            Err(_) => self.give_up(&joining, &unavailable(), out),
        }
        Ok(())
    }

    fn give_up(&mut self, joining: &Joining, error: &ErrorBody, out: &mut Out) {
        for room in joining.rooms.known.iter().filter(|room| !self.reader.is_in(room)) {
            self.hub.ignore(&self.slot, &self.reader.shops, room);
        }
        self.reader.hold(None);
        self.refuse(&joining.call, error, out);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let joining = self.joining.iter().flat_map(|joining| &joining.rooms.known);
        for room in self.reader.rooms().chain(joining) {
            self.hub.ignore(&self.slot, &self.reader.shops, room);
        }
        self.hub.close_slot();
    }
}

fn unavailable() -> ErrorBody {
    ErrorBody::new(ErrorCode::Unavailable, "Not available at the moment; try again")
}

fn enter(reader: &mut Reader, rooms: Rooms, after: Sequence) {
    rooms.known.into_iter().for_each(|room| reader.join(room, after));
    rooms.names.into_iter().for_each(|name| reader.join_name(name));
}
