//! One client in one namespace: its requests, one after the other, and its reading of the log.
//!
//! A socket is always in one place: it waits for an answer of the `Source` or of a command, or joins rooms, or carries out a
//! request, or reads the log. So what a client is sent has one order, and its position one meaning.

mod arrival;
mod joining;
mod keeping;
mod refresh;

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use schemas::shape::LevelShape;
use schemas::{ErrorBody, ErrorCode, Identity, Room, Sequence};
use serde_json::{Value, json};

use crate::broadcast::Broadcast;
use crate::command;
use crate::contracts::oda::{self, Request, Rooms};
use crate::contracts::{Namespace, Voice};
use crate::hub::{Hub, Slot};
use crate::limits::{REQUESTS_WAITING_MAX, RING_ENTRIES_PER_LOOK};
use crate::reader::Reader;
use crate::recovery::Cursor;
use crate::replay::{self, Page};
use crate::roster::Seat;
use crate::socketio::{Call, Content};
use crate::source::SourceError;
use crate::transport::Out;

pub(crate) use self::arrival::{Arrival, Knocking};
use self::joining::Joining;
pub(crate) use self::keeping::Occasion;
use self::keeping::Session;

pub(crate) struct Socket {
    hub: Arc<Hub>,
    namespace: Namespace,
    slot: Arc<Slot>,
    seat: Arc<Seat>,
    reader: Reader,
    /// Where it can be recovered.
    session: Option<Box<Session>>,
    calls: VecDeque<Call>,
    /// In a box, because it is rare and large.
    joining: Option<Box<Joining>>,
    question: Option<Question>,
}

type Question = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What the `Source` says, or what came of a command.
enum Answer {
    Command(Call, Result<Value, ErrorBody>),
    /// The record was written, or was not.
    Kept(Occasion, Result<(), SourceError>),
    Levels(Result<(Vec<LevelShape>, Sequence), SourceError>),
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
    pub(crate) fn identity(&self) -> &Identity {
        &self.reader.identity
    }

    /// Whether another connection of the same client has taken its place.
    pub(crate) fn is_replaced(&self) -> bool {
        self.seat.is_replaced()
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
                    let frame = match self.cursor() {
                        Some(cursor) => broadcast.frame_at(self.namespace, cursor),
                        None => broadcast.frame(self.namespace, false),
                    };
                    self.send(frame, out);
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
            (Answer::Page { page, .. }, Some(joining)) if joining.is_filling() => {
                self.take_missed(joining, page, out)
            }
            (Answer::Page { asked_until, page }, joining) => {
                self.joining = joining;
                self.take_page(asked_until, page, out)
            }
            (Answer::Kept(Occasion::Join, _) | Answer::Levels(_), None) => Ok(()),
        }
    }

    /// Refuses what is more than the client may send.
    pub(crate) fn refuse_excess(&self, call: &Call, out: &mut Out) {
        let error = ErrorBody::new(ErrorCode::RateLimited, "Too many messages; wait a moment");
        self.refuse(call, &error, out);
    }

    /// Says why it is put out, and puts it out: for good, as clients understand it.
    pub(crate) fn put_out(&self, error: &ErrorBody, out: &mut Out) {
        out.push(oda::error(self.voice(), error, None));
        out.push(self.namespace.packet(Content::Disconnect));
    }

    /// Sends an entry that is the reader's next.
    fn send_next(&mut self, broadcast: &Broadcast, out: &mut Out) {
        let half =
            self.session.as_mut().and_then(|session| session.half.take_if(|at| *at == broadcast.sequence()));
        let frame = match (half, broadcast.offset) {
            (Some(_), Some(offset)) => self.namespace.second_frame(broadcast, Some(Cursor::at(offset))),
            _ => broadcast.frame(self.namespace, self.session.is_some()),
        };
        self.send(frame, out);
    }

    fn send(&self, frame: Option<Bytes>, out: &mut Out) {
        if let Some(frame) = frame {
            self.hub.counters.delivered.fetch_add(1, Ordering::Relaxed);
            out.push(frame);
        }
    }

    fn refuse(&self, call: &Call, error: &ErrorBody, out: &mut Out) {
        out.extend(oda::refuse(self.voice(), call, error));
    }

    fn answer(&self, call: &Call, outcome: Result<Value, ErrorBody>, out: &mut Out) {
        match outcome {
            Ok(Value::Object(fields)) => out.extend(oda::answer(self.voice(), call, fields)),
            Ok(_) => {}
            Err(error) => self.refuse(call, &error, out),
        }
    }

    fn voice(&self) -> Voice {
        self.namespace.voice(self.cursor())
    }

    fn resync(&self, reason: &str, out: &mut Out) {
        self.hub.counters.resyncs.fetch_add(1, Ordering::Relaxed);
        out.push(oda::resync(self.voice(), reason));
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
                self.send_next(broadcast, out);
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
                for broadcast in &page.entries {
                    if self.reader.wants(broadcast) {
                        self.send_next(broadcast, out);
                    }
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
                self.join(call, rooms, since, snapshot, kinds, out);
            }
            Ok(Request::Leave(family, rooms)) => {
                let rooms = rooms.unwrap_or_else(|| Rooms {
                    known: self.reader.rooms().filter(|room| family.contains(room)).cloned().collect(),
                    names: self.reader.names().filter(|name| family.contains_name(name)).cloned().collect(),
                });
                self.keep_without(call, rooms, out);
            }
            Ok(Request::Refresh { token }) => {
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
        let joining = self.joining.as_deref().into_iter().chain(resumed).flat_map(Joining::rooms);
        for room in self.reader.rooms().chain(joining) {
            self.hub.ignore(&self.slot, &self.reader.shops, room);
        }
        self.hub.close_slot();
        self.hub.roster.leave(&self.seat);
    }
}
