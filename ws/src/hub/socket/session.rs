//! The durable side of a socket: what is kept of its session, and when it is written. A join or
//! leave is answered only after its record is on disk.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use schemas::{ErrorBody, ErrorCode, Room, Sequence, Timestamp};
use serde_json::json;
use tokio::time::timeout;

use super::join::{PendingJoin, unavailable};
use super::{QueryAnswer, Socket};
use crate::connection::SendQueue;
use crate::hub::recovery::{
    Cursor, RecentBackfills, RightsFingerprint, RoomBackfill, SessionId, SessionRecord, owner,
    rights,
};
use crate::hub::replay;
use crate::limits::{DURABLE_JOINS_PER_MINUTE_MAX, SOURCE_DEADLINE};
use crate::protocol::socketio::{ClientCall, MessageRateLimiter};
use crate::source::SourceError;

/// The state of a socket that can be recovered.
pub(super) struct RecoverableSession {
    pub(super) id: SessionId,
    pub(super) backfills: RecentBackfills,
    /// The latest backfill: its number, how far it was sent, and up to which position of the reader
    /// the cursor has to say so.
    pub(super) filled: Option<(u32, Sequence, Sequence)>,
    /// The entry of which the client has only the first frames, and how many.
    pub(super) begun: Option<(Sequence, u8)>,
    /// Joins that the client had not been sent to the end when its connection broke, oldest first.
    pub(super) resumed: VecDeque<PendingJoin>,
    /// How many joins and leaves may still be written this minute.
    writes: MessageRateLimiter,
}

impl RecoverableSession {
    /// A session of which nothing is stored yet.
    pub(super) fn new(id: SessionId) -> Self {
        let (backfills, filled, begun, resumed) = Default::default();
        let writes = MessageRateLimiter::new(DURABLE_JOINS_PER_MINUTE_MAX);
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

/// What a record is written for.
pub(crate) enum WriteReason {
    /// The join that is under way.
    Join,
    /// Leaving these rooms, as this request asks.
    Leave(ClientCall, BTreeSet<Room>),
    /// Other rights, brought by a token that expires then.
    Refresh(ClientCall, Timestamp),
}

impl Socket {
    /// The cursor of everything that was sent, including what the transport still holds. `None`
    /// without recovery.
    pub(super) fn cursor(&self) -> Option<Cursor> {
        let session = self.session.as_ref()?;
        let position = self.reader.position();
        let begun = session.begun.filter(|(at, _)| position < *at);
        Some(Cursor {
            epoch: self.hub.epoch,
            position: begun.map_or(position, |(at, _)| at),
            messages: begun.map_or(0, |(_, messages)| messages),
            backfill: session
                .filled
                .filter(|(.., until)| position <= *until)
                .map(|(number, reached, _)| (number, reached)),
        })
    }

    /// Notes that a backfill was sent up to `reached`.
    pub(super) fn record_backfilled(&mut self, number: u32, reached: Sequence) {
        let position = self.reader.position();
        if let Some(session) = &mut self.session {
            session.filled = Some((number, reached, position));
        }
    }

    /// Forgets a backfill whose record was not written.
    pub(super) fn discard_backfill(&mut self, number: Option<u32>) {
        if let (Some(session), Some(number)) = (&mut self.session, number) {
            session.backfills.discard(number);
        }
    }

    /// After which entry a backfill goes on.
    pub(super) fn backfill_position(&self, number: u32, after: Sequence) -> Sequence {
        match self.session.as_ref().and_then(|session| session.filled) {
            Some((last, reached, _)) if last == number => reached.max(after),
            _ => after,
        }
    }

    /// Begins the next of the joins that the client had not been sent to the end.
    pub(super) fn resume_next(&mut self) {
        let next = self
            .session
            .as_mut()
            .and_then(|session| session.resumed.pop_front());
        if let Some(joining) = next {
            self.reader.set_ceiling(joining.ceiling());
            self.joining = Some(Box::new(joining));
        }
    }

    /// Asks for the record to be written as it will be after this join. False when there is nothing
    /// to write; an error when the record would be too large or too much was written lately.
    pub(super) fn write_join(
        &mut self,
        joining: &mut PendingJoin,
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
        // Joining again what was joined before is common after a reconnect, and writes nothing.
        if !changed {
            return Ok(false);
        }
        self.check_write_rate()?;
        if fill && let Some(session) = &mut self.session {
            let number = session.backfills.last + 1;
            let kinds = record.kinds.clone();
            let backfill = RoomBackfill {
                number,
                after,
                until,
                rooms: before,
                kinds,
                kinds_before,
            };
            // Should the write fail, this number is never used again, and no client ever hears of
            // it.
            session.backfills.add(backfill);
            record.backfills.clone_from(&session.backfills);
            joining.number = Some(number);
        }
        let kept = self.write_record(record, WriteReason::Join).ok_or_else(|| {
            let message =
                "This session is in as many rooms as can be recovered; leave some, or connect once more";
            ErrorBody { retryable: false, ..ErrorBody::new(ErrorCode::LimitReached, message) }
        });
        if kept.is_err() {
            self.discard_backfill(joining.number.take());
        }
        kept.map(|()| true)
    }

    /// Counts one write against the client's rate: a write costs the store more than it costs the
    /// client.
    fn check_write_rate(&mut self) -> Result<(), ErrorBody> {
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

    /// Leaves rooms; where the session is recoverable, after the record without them was written.
    pub(super) fn write_leave(
        &mut self,
        call: &ClientCall,
        rooms: BTreeSet<Room>,
        out: &mut SendQueue,
    ) {
        let left = rooms.iter().any(|room| self.reader.is_in(room));
        let Some(mut record) = self.record().filter(|_| left) else {
            return self.leave(call, &rooms, &Ok(()), out);
        };
        if let Err(error) = self.check_write_rate() {
            return self.refuse(call, &error, out);
        }
        for room in &rooms {
            record.rooms.remove(room);
            record.backfills.leave(room);
        }
        // A record with fewer rooms is no larger than the one before it, which fitted, unless the
        // bound was lowered since.
        if self
            .write_record(record, WriteReason::Leave(call.clone(), rooms))
            .is_none()
        {
            self.refuse(call, &unavailable(), out);
        }
    }

    /// Leaves rooms after the record was written, and answers; refuses when it was not.
    pub(super) fn leave(
        &mut self,
        call: &ClientCall,
        rooms: &BTreeSet<Room>,
        kept: &Result<(), SourceError>,
        out: &mut SendQueue,
    ) {
        if let Err(error) = kept {
            self.hub.warn_of_source(error);
            return self.refuse(call, &unavailable(), out);
        }
        for room in rooms {
            self.hub.unsubscribe(&self.signal, &self.reader.shops, room);
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

    /// The record of this session as of now. Rooms that follow from the identity are not in it:
    /// they are joined anew.
    fn record(&self) -> Option<SessionRecord> {
        let session = self.session.as_ref()?;
        let first = self.namespace.contract().first_rooms(&self.reader.identity);
        let rooms = self
            .reader
            .joined()
            .filter(|(room, _)| !first.contains(*room));
        Some(SessionRecord {
            epoch: self.hub.epoch,
            rooms: rooms
                .map(|(room, joined)| (room.clone(), *joined))
                .collect(),
            kinds: self.reader.kinds().clone(),
            backfills: session.backfills.clone(),
            rights: rights(&self.hub.key, &self.reader.identity),
        })
    }

    /// Writes a record with the present rights. Without a session there is none.
    pub(super) fn write_rights(&mut self, call: ClientCall, expires_at: Timestamp) {
        if let Some(record) = self.record() {
            self.write_record(record, WriteReason::Refresh(call, expires_at));
        }
    }

    /// The fingerprint of the present rights; `None` without a session, where nobody compares it.
    pub(super) fn rights(&self) -> Option<RightsFingerprint> {
        self.session
            .as_ref()
            .map(|_| rights(&self.hub.key, &self.reader.identity))
    }

    /// Asks for the record to be written. `None`, and nothing is written, when it is too large.
    fn write_record(&mut self, mut record: SessionRecord, occasion: WriteReason) -> Option<()> {
        let rooms = record.text()?;
        let session = self.session.as_mut()?;
        session.backfills = record.backfills;
        let (source, id, at) = (
            Arc::clone(&self.hub.source),
            session.id.text(),
            self.hub.clock.now(),
        );
        let owner = owner(&self.hub.key, &self.reader.identity.user_id);
        self.query = Some(Box::pin(async move {
            let kept = timeout(SOURCE_DEADLINE, source.keep_session(id, owner, rooms, at)).await;
            QueryAnswer::Kept(occasion, kept.unwrap_or_else(|_| Err(replay::timed_out())))
        }));
        Some(())
    }
}
