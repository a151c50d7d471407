//! One client in one namespace: its requests, one after the other, and its reading of the log.
//!
//! A socket is always in one place: it waits for an answer of the `Source` or of a command, or joins rooms, or carries out a
//! request, or reads the log. So what a client is sent has one order, and its position one meaning.

mod arrival;
mod batch;
mod joining;
mod keeping;
mod refresh;
mod wishes;

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use schemas::event::Typing;
use schemas::{ErrorBody, ErrorCode, Event, Identity, LocationId, Room, Sequence};
use serde_json::{Value, json};

use crate::connection::Out;
use crate::contracts::request::{Leaving, Request, Since};
use crate::contracts::{Frame, Namespace, Voice};
use crate::hub::broadcast::Broadcast;
use crate::hub::command;
use crate::hub::reader::Reader;
use crate::hub::replay::{self, Page};
use crate::hub::roster::Seat;
use crate::hub::{Hub, Slot, count};
use crate::limits::{REQUESTS_WAITING_MAX, RING_ENTRIES_PER_LOOK};
use crate::protocol::socketio::Call;
use crate::source::{AuthError, OrderOwner, Snapshot, SourceError};

pub(crate) use self::arrival::{Arrival, Knocking};
use self::joining::Joining;
pub(crate) use self::keeping::Occasion;
use self::keeping::Session;
use self::wishes::Wishes;

pub(crate) struct Socket {
    hub: Arc<Hub>,
    namespace: Namespace,
    slot: Arc<Slot>,
    /// None for somebody of whom nothing is known.
    seat: Option<Arc<Seat>>,
    reader: Reader,
    /// Where it can be recovered.
    session: Option<Box<Session>>,
    /// What is asked, or what is wrong with what could not be read.
    calls: VecDeque<Result<Call, ErrorBody>>,
    /// Where somebody has any.
    wishes: Option<Box<Wishes>>,
    /// In a box, because it is rare and large.
    joining: Option<Box<Joining>>,
    question: Option<Question>,
}

type Question = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What the `Source` says, or what came of a command.
enum Answer {
    Command(Call, Result<Value, ErrorBody>),
    /// Who wants to go on here, and from where.
    Identity(Call, Option<Since>, Result<Box<Identity>, AuthError>),
    /// The record was written, or was not.
    Kept(Occasion, Result<(), SourceError>),
    Levels(Result<Arc<Snapshot>, SourceError>),
    /// Whose the order is that somebody wants to follow.
    Order(Result<Option<OrderOwner>, SourceError>),
    Page {
        asked_until: Sequence,
        page: Result<Page, SourceError>,
    },
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
    /// For how long its token is still good.
    pub(crate) fn time_left(&self) -> Duration {
        let left = self
            .hub
            .clock
            .now()
            .duration_until(self.reader.identity.expires_at);
        Duration::try_from(left).unwrap_or_default()
    }

    /// Why its bearer is to be put out, if they are: the token has run out or, where that is asked for, was revoked.
    pub(crate) fn is_over(&self, and_revoked: bool) -> Option<ErrorBody> {
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

    /// Whether another connection of the same client has taken its place.
    pub(crate) fn is_replaced(&self) -> bool {
        self.seat.as_ref().is_some_and(|seat| seat.is_replaced())
    }

    /// Whether there is room for another request.
    pub(crate) fn may_call(&self) -> bool {
        self.calls.len() < REQUESTS_WAITING_MAX
    }

    /// Puts a request behind the others.
    pub(crate) fn call(&mut self, call: Result<Call, ErrorBody>) {
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
                match call {
                    Ok(call) => self.carry_out(call, out),
                    Err(error) => self.refuse(&Call::default(), &error, out),
                }
            } else if let Reading::Idle = self.read(out) {
                let Some(broadcast) = self.slot.take_ephemeral() else {
                    break;
                };
                if self.reader.hears(&broadcast) {
                    let is_for_us =
                        |reader: &Reader, rooms: &[Room]| reader.hears_in(rooms, &broadcast);
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

    /// Reads the log, if that is all there is to do; whether it was all.
    pub(crate) fn deliver(&mut self, out: &mut Out) -> bool {
        let quiet = |socket: &Self| {
            socket.question.is_none() && socket.joining.is_none() && socket.calls.is_empty()
        };
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
        let Some(question) = &mut self.question else {
            return Poll::Pending;
        };
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
            (Answer::Identity(call, since, identity), joining) => {
                self.joining = joining;
                self.authenticate(call, identity.map(|identity| *identity), since, out);
                Ok(())
            }
            (Answer::Kept(Occasion::Leave(call, rooms), kept), joining) => {
                self.joining = joining;
                self.leave(&call, &rooms, &kept, out);
                Ok(())
            }
            (Answer::Kept(Occasion::Refresh(call, expires_at), kept), joining) => {
                self.joining = joining;
                // Unwritten, it could be recovered with rights that it did not have all the time.
                kept?;
                self.answer(&call, Ok(json!({ "expiresAt": expires_at })), out);
                Ok(())
            }
            (Answer::Kept(Occasion::Join, kept), Some(joining)) => {
                self.take_kept(joining, &kept, out);
                Ok(())
            }
            (Answer::Levels(levels), Some(joining)) => {
                self.take_levels(joining, levels, out);
                Ok(())
            }
            (Answer::Order(order), Some(joining)) => {
                self.take_order(joining, order, out);
                Ok(())
            }
            (Answer::Page { page, .. }, Some(joining)) if joining.is_filling() => {
                self.take_missed(joining, page, out)
            }
            (Answer::Page { asked_until, page }, joining) => {
                self.joining = joining;
                self.take_page(asked_until, page, out)
            }
            (Answer::Kept(Occasion::Join, _) | Answer::Levels(_) | Answer::Order(_), None) => {
                Ok(())
            }
        }
    }

    /// Refuses what is more than the client may send.
    pub(crate) fn refuse_excess(&self, call: &Call, out: &mut Out) {
        let error = ErrorBody::new(ErrorCode::RateLimited, "Too many messages; wait a moment");
        self.refuse(call, &error, out);
    }

    /// Says why it is put out, and puts it out: for good, as clients understand it.
    pub(crate) fn put_out(&self, error: &ErrorBody, out: &mut Out) {
        out.extend(self.voice().put_out(error));
    }

    /// Sends an entry that is the reader's next.
    fn send_next(&mut self, broadcast: &Broadcast, out: &mut Out) {
        let sequence = broadcast.sequence();
        let begun = self
            .session
            .as_mut()
            .and_then(|session| session.begun.take_if(|(at, _)| *at == sequence));
        let sent = begun.map_or(0, |(_, parts)| parts.into());
        let recoverable = self.session.is_some();
        let is_for_us = |reader: &Reader, rooms: &[Room]| reader.wants_in(rooms, broadcast);
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

    /// The locations it is limited to, where an event looks different to those who are.
    fn own_view(&self, broadcast: &Broadcast) -> Option<&[LocationId]> {
        let mine = self.reader.identity.locations.as_deref()?;
        self.namespace
            .contract()
            .depends_on_locations(&broadcast.event)
            .then_some(mine)
    }

    /// Sends those of an event's frames that are for this socket.
    fn send(
        &mut self,
        broadcast: &Broadcast,
        frames: &[Frame],
        is_for_us: impl Fn(&Reader, &[Room]) -> bool,
        out: &mut Out,
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
            match &mut self.wishes {
                Some(wishes) => wishes.send(&broadcast.event, part, frame.bytes.clone(), out),
                None => out.push(frame.bytes.clone()),
            }
            sent = true;
        }
        self.hub
            .counters
            .delivered
            .fetch_add(sent.into(), Ordering::Relaxed);
    }

    fn refuse(&self, call: &Call, error: &ErrorBody, out: &mut Out) {
        out.extend(self.voice().refuse(call, error));
    }

    fn answer(&mut self, call: &Call, outcome: Result<Value, ErrorBody>, out: &mut Out) {
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

    fn resync(&mut self, reason: &str, out: &mut Out) {
        self.flush(out);
        self.hub.counters.resyncs.fetch_add(1, Ordering::Relaxed);
        out.push(self.voice().resync(reason));
    }
}

/// Reading the log.
impl Socket {
    fn read(&mut self, out: &mut Out) -> Reading {
        self.notice();
        let hub = Arc::clone(&self.hub);
        let ring = hub.ring.read().unwrap_or_else(PoisonError::into_inner);
        let Some((after, until)) = self.reader.due(ring.head()) else {
            return Reading::Idle;
        };
        if after < ring.floor() {
            let rooms = self.reader.rooms().cloned().collect();
            self.ask_page(rooms, after, until.min(ring.floor()));
            return Reading::Asked;
        }
        let due = ring.after(after).take_while(|kept| kept.sequence <= until);
        for (looked_at, kept) in due.enumerate() {
            if looked_at >= RING_ENTRIES_PER_LOOK || out.is_full() {
                return Reading::Moved;
            }
            if self.reader.sieve().meets(kept.sieve) && self.reader.wants(&kept.broadcast) {
                self.send_next(&kept.broadcast, out);
            }
            self.reader.advance(kept.sequence);
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
        let page = replay::page(
            Arc::clone(&self.hub.source),
            self.reader.shops.clone(),
            rooms,
            after,
            until,
        );
        self.question = Some(Box::pin(async move {
            Answer::Page {
                asked_until: until,
                page: page.await,
            }
        }));
    }

    fn take_page(
        &mut self,
        asked_until: Sequence,
        page: Result<Page, SourceError>,
        out: &mut Out,
    ) -> Result<(), Interrupted> {
        match page {
            Ok(page) => {
                for broadcast in &page.entries {
                    if self.reader.wants(broadcast) {
                        self.send_next(broadcast, out);
                    }
                }
                self.reader.advance(page.reached);
            }
            Err(SourceError::TooOld) => {
                self.reader.restart(asked_until);
                // With the new place as its cursor: a client that is cut off now is told once, and goes on from there.
                self.resync(replay::TOO_OLD, out);
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
        match self.namespace.contract().read(&call, &self.reader.identity) {
            Ok(Request::Command {
                kind,
                shop,
                payload,
            }) => {
                let (commands, by) = (Arc::clone(&self.hub.commands), self.reader.identity.clone());
                let outcome = command::run(commands, by, shop, kind, payload);
                self.question = Some(Box::pin(
                    async move { Answer::Command(call, outcome.await) },
                ));
            }
            Ok(Request::Join(join)) => {
                let join = self.wish(join);
                self.join(call, join, out);
            }
            Ok(Request::Leave(Leaving::Rooms(rooms))) => self.keep_without(&call, rooms, out),
            Ok(Request::Leave(Leaving::Family(prefix))) => {
                let family = self
                    .reader
                    .rooms()
                    .filter(|room| room.to_string().starts_with(prefix));
                self.keep_without(&call, family.cloned().collect(), out);
            }
            Ok(Request::Ping) => {
                let now = json!({ "timestamp": self.hub.clock.now() });
                out.push(self.voice().event("pong", &now));
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
                    self.hub.tell_later(shop, &Event::Typing(typing.clone()));
                }
                self.answer(&call, Ok(json!({})), out);
            }
            Ok(Request::Refresh { token, since }) if self.namespace == Namespace::Omni => {
                self.ask_identity(call, token, since, out);
            }
            Ok(Request::Refresh { token, .. }) => {
                let before = self.rights();
                match self.refresh(&token) {
                    Ok(expires_at) if self.rights() != before => self.keep_rights(call, expires_at),
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
            .flat_map(Joining::rooms);
        for room in self.reader.rooms().chain(joining) {
            self.hub.ignore(&self.slot, &self.reader.shops, room);
        }
        self.hub.close_slot();
        self.hub.goes(&self.reader.identity, &self.reader.shops);
        self.seat
            .iter()
            .for_each(|seat| self.hub.roster.leave(seat));
    }
}
