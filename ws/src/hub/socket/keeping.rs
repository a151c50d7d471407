//! What is kept of a session while it lives, and when it is written: before a join or a leave is answered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use schemas::{ErrorBody, ErrorCode, Room, Sequence, Timestamp};
use serde_json::json;
use tokio::time::timeout;

use super::joining::{Joining, unavailable};
use super::{Answer, Socket};
use crate::connection::Out;
use crate::hub::recovery::{Backfill, Backfills, Cursor, Record, Rights, SessionId, owner, rights};
use crate::hub::replay;
use crate::limits::{DURABLE_JOINS_PER_MINUTE_MAX, SOURCE_DEADLINE};
use crate::protocol::socketio::{Allowance, Call};
use crate::source::SourceError;

/// The session of a socket that can be recovered.
pub(super) struct Session {
    pub(super) id: SessionId,
    pub(super) backfills: Backfills,
    /// How far the latest backfill is, and up to which position that need be said.
    pub(super) filled: Option<(u32, Sequence, Sequence)>,
    /// The entry of which the client has only the first so many frames.
    pub(super) begun: Option<(Sequence, u8)>,
    /// Joins that the client was in the middle of, or before, when its connection broke.
    pub(super) resumed: VecDeque<Joining>,
    /// How much may still be written.
    writes: Allowance,
}

impl Session {
    /// One of which nothing is known yet.
    pub(super) fn new(id: SessionId) -> Self {
        let (backfills, filled, begun, resumed) = Default::default();
        let writes = Allowance::new(DURABLE_JOINS_PER_MINUTE_MAX);
        Self {
            id,
            backfills,
            filled,
            begun,
            resumed,
            writes,
        }
    }
}

/// Why the record is written.
pub(crate) enum Occasion {
    /// A join is under way.
    Join,
    /// Those rooms are to be left.
    Leave(Call, BTreeSet<Room>),
    /// The token that runs out then has brought other rights.
    Refresh(Call, Timestamp),
}

impl Socket {
    /// How far the client was sent, with what is in its transport.
    pub(super) fn cursor(&self) -> Option<Cursor> {
        let session = self.session.as_ref()?;
        let position = self.reader.position();
        let begun = session.begun.filter(|(at, _)| position < *at);
        Some(Cursor {
            epoch: self.hub.epoch,
            position: begun.map_or(position, |(at, _)| at),
            parts: begun.map_or(0, |(_, parts)| parts),
            backfill: session
                .filled
                .filter(|(.., until)| position <= *until)
                .map(|(number, reached, _)| (number, reached)),
        })
    }

    /// That backfill was sent up to there.
    pub(super) fn has_filled(&mut self, number: u32, reached: Sequence) {
        let position = self.reader.position();
        if let Some(session) = &mut self.session {
            session.filled = Some((number, reached, position));
        }
    }

    /// The record with that backfill was not written.
    pub(super) fn take_back(&mut self, number: Option<u32>) {
        if let (Some(session), Some(number)) = (&mut self.session, number) {
            session.backfills.take_back(number);
        }
    }

    /// Where that backfill goes on.
    pub(super) fn filled(&self, number: u32, after: Sequence) -> Sequence {
        match self.session.as_ref().and_then(|session| session.filled) {
            Some((last, reached, _)) if last == number => reached.max(after),
            _ => after,
        }
    }

    /// Goes on with the next join that a recovered client was in the middle of.
    pub(super) fn resume_next(&mut self) {
        let next = self
            .session
            .as_mut()
            .and_then(|session| session.resumed.pop_front());
        if let Some(joining) = next {
            self.reader.hold(joining.ceiling());
            self.joining = Some(Box::new(joining));
        }
    }

    /// Asks for the record to be written as it will be after this join; false when nothing need be. An error when there is
    /// no room for it, or too much was written already.
    pub(super) fn keep_with(
        &mut self,
        joining: &mut Joining,
        after: Sequence,
        until: Sequence,
    ) -> Result<bool, ErrorBody> {
        let Some(mut record) = self.record() else {
            return Ok(false);
        };
        let fill = after < until;
        let mut changed = fill;
        let mut before = BTreeMap::new();
        for room in joining.rooms() {
            let joined = record.rooms.get(room).copied();
            before.insert(room.clone(), joined);
            changed |= joined.is_none_or(|joined| after < joined);
            record.rooms.insert(
                room.clone(),
                joined.map_or(after, |joined| joined.min(after)),
            );
        }
        let kinds_before = record.kinds.clone();
        if let Some(kinds) = &joining.kinds {
            changed |= *kinds != record.kinds;
            record.kinds.clone_from(kinds);
        }
        if !changed {
            return Ok(false);
        }
        self.may_keep()?;
        if fill && let Some(session) = &mut self.session {
            let number = session.backfills.last + 1;
            let kinds = record.kinds.clone();
            let backfill = Backfill {
                number,
                after,
                until,
                rooms: before,
                kinds,
                kinds_before,
            };
            // Should it not be written, the number is one that nobody ever hears of.
            session.backfills.add(backfill);
            record.backfills.clone_from(&session.backfills);
            joining.number = Some(number);
        }
        let kept = self.keep(record, Occasion::Join).ok_or_else(|| {
            let message =
                "This session is in as many rooms as can be recovered; leave some, or connect once more";
            ErrorBody { retryable: false, ..ErrorBody::new(ErrorCode::LimitReached, message) }
        });
        if kept.is_err() {
            self.take_back(joining.number.take());
        }
        kept.map(|()| true)
    }

    /// Whether something may be written again. Each write costs the store more than it costs the client.
    fn may_keep(&mut self) -> Result<(), ErrorBody> {
        let now = self.hub.clock.now().duration_since(Timestamp::UNIX_EPOCH);
        let now = Duration::try_from(now).unwrap_or_default();
        if self
            .session
            .as_mut()
            .is_none_or(|session| session.writes.take(now))
        {
            return Ok(());
        }
        let message = format!(
            "Rooms are joined and left at most {DURABLE_JOINS_PER_MINUTE_MAX} times a minute; wait a moment"
        );
        Err(ErrorBody::new(ErrorCode::LimitReached, message))
    }

    /// Leaves those rooms, once that is written where it has to be.
    pub(super) fn keep_without(&mut self, call: &Call, rooms: BTreeSet<Room>, out: &mut Out) {
        let left = rooms.iter().any(|room| self.reader.is_in(room));
        let Some(mut record) = self.record().filter(|_| left) else {
            return self.leave(call, &rooms, &Ok(()), out);
        };
        if let Err(error) = self.may_keep() {
            return self.refuse(call, &error, out);
        }
        for room in &rooms {
            record.rooms.remove(room);
            record.backfills.leave(room);
        }
        // With fewer rooms it is no larger than what is kept already, unless that is older than the bound.
        if self
            .keep(record, Occasion::Leave(call.clone(), rooms))
            .is_none()
        {
            self.refuse(call, &unavailable(), out);
        }
    }

    /// Leaves them.
    pub(super) fn leave(
        &mut self,
        call: &Call,
        rooms: &BTreeSet<Room>,
        kept: &Result<(), SourceError>,
        out: &mut Out,
    ) {
        if kept.is_err() {
            return self.refuse(call, &unavailable(), out);
        }
        for room in rooms {
            self.hub.ignore(&self.slot, &self.reader.shops, room);
            if let Some(session) = &mut self.session {
                session.backfills.leave(room);
            }
        }
        self.reader.leave(rooms);
        self.answer(
            call,
            Ok(json!({ "rooms": self.namespace.listing(rooms, &self.reader.identity) })),
            out,
        );
    }

    /// What is to be found again of this session. Rooms one is in by who one is are not kept.
    fn record(&self) -> Option<Record> {
        let session = self.session.as_ref()?;
        let first = self.namespace.contract().first_rooms(&self.reader.identity);
        let rooms = self
            .reader
            .joined()
            .filter(|(room, _)| !first.contains(*room));
        Some(Record {
            epoch: self.hub.epoch,
            rooms: rooms
                .map(|(room, joined)| (room.clone(), *joined))
                .collect(),
            kinds: self.reader.kinds().clone(),
            backfills: session.backfills.clone(),
            rights: rights(&self.hub.key, &self.reader.identity),
        })
    }

    /// Keeps that the rights are others now. Where nothing is kept, nothing need be.
    pub(super) fn keep_rights(&mut self, call: Call, expires_at: Timestamp) {
        if let Some(record) = self.record() {
            self.keep(record, Occasion::Refresh(call, expires_at));
        }
    }

    /// What may be seen now; nothing to compare where there is no session.
    pub(super) fn rights(&self) -> Option<Rights> {
        self.session
            .as_ref()
            .map(|_| rights(&self.hub.key, &self.reader.identity))
    }

    /// Asks for the record to be written. `None`, and nothing, when it is too large.
    fn keep(&mut self, mut record: Record, occasion: Occasion) -> Option<()> {
        let rooms = record.text()?;
        let session = self.session.as_mut()?;
        session.backfills = record.backfills;
        let (source, id, at) = (
            Arc::clone(&self.hub.source),
            session.id.text(),
            self.hub.clock.now(),
        );
        let owner = owner(&self.hub.key, &self.reader.identity.user_id);
        self.question = Some(Box::pin(async move {
            let kept = timeout(SOURCE_DEADLINE, source.keep_session(id, owner, rooms, at)).await;
            Answer::Kept(occasion, kept.unwrap_or_else(|_| Err(replay::late())))
        }));
        Some(())
    }
}
