//! The record of a session in the store: its rooms, and which of them are still being filled.

use std::collections::BTreeMap;

use schemas::{Epoch, Room, Sequence};
use serde::{Deserialize, Serialize};

use super::{Cursor, RightsFingerprint};
use crate::hub::reader::NotificationKinds;
use crate::limits::{BACKFILLS_KEPT_MAX, SESSION_BYTES_MAX};

/// The rooms of a session, as if every join under way had already ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SessionRecord {
    /// The epoch of its sequences.
    pub(crate) epoch: Epoch,
    /// Each room with the entry after which it counts.
    pub(crate) rooms: BTreeMap<Room, Sequence>,
    pub(crate) kinds: NotificationKinds,
    pub(crate) backfills: RecentBackfills,
    /// The rights of the identity that joined the rooms last.
    pub(crate) rights: RightsFingerprint,
}

/// The latest joins with `since`. A client may be cut off before it was sent everything they ask
/// for, so they are kept to be repeated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RecentBackfills {
    kept: Vec<RoomBackfill>,
    /// The number of the latest backfill; 0 before the first.
    pub(crate) last: u32,
    /// The newest of those no longer kept: its number and its end.
    lost: Option<(u32, Sequence)>,
}

/// A stretch of the log that a join with `since` sends from before the join.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RoomBackfill {
    pub(crate) number: u32,
    pub(crate) after: Sequence,
    pub(crate) until: Sequence,
    /// Its rooms, each with the entry after which it counted before this join; `None` when the
    /// socket was not in it.
    pub(crate) rooms: BTreeMap<Room, Option<Sequence>>,
    pub(crate) kinds: NotificationKinds,
    pub(crate) kinds_before: NotificationKinds,
}

impl RecentBackfills {
    /// Adds a backfill under the next number, which it carries. The oldest one makes room.
    pub(crate) fn add(&mut self, backfill: RoomBackfill) {
        if self.kept.len() >= BACKFILLS_KEPT_MAX {
            self.forget_oldest();
        }
        self.last = backfill.number;
        self.kept.push(backfill);
    }

    /// Drops the oldest backfill, unless it is the only one; false when nothing was dropped.
    pub(crate) fn forget_oldest(&mut self) -> bool {
        if self.kept.len() < 2 {
            return false;
        }
        let oldest = self.kept.remove(0);
        self.lost = Some((oldest.number, oldest.until));
        true
    }

    /// Removes the backfill of that number, because its record was not written.
    pub(crate) fn discard(&mut self, number: u32) {
        self.kept.retain(|backfill| backfill.number != number);
    }

    /// Removes a room from all backfills, because it was left.
    pub(crate) fn leave(&mut self, room: &Room) {
        for backfill in &mut self.kept {
            backfill.rooms.remove(room);
        }
    }
}

impl SessionRecord {
    /// The record as JSON text, without the oldest backfills when it would be too large. `None`
    /// when it is too large even so.
    pub(crate) fn text(&mut self) -> Option<String> {
        loop {
            // The record contains only texts and numbers with texts as keys, so writing it as JSON
            // cannot fail.
            let text = serde_json::to_string(self).unwrap_or_default();
            if text.len() <= SESSION_BYTES_MAX {
                return Some(text);
            }
            if !self.backfills.forget_oldest() {
                return None;
            }
        }
    }

    /// Takes back what a client with that cursor was not sent. Returns the backfills that are still
    /// to be done, in order; `None` when it is no longer known what the client has.
    pub(crate) fn rewind(&mut self, cursor: Cursor) -> Option<Vec<RoomBackfill>> {
        // A dropped backfill that was not complete: what the client missed of it is not known any more.
        if let Some((number, until)) = self.backfills.lost
            && cursor.backfill_resume(number, Sequence(0), until).is_some()
        {
            return None;
        }
        let mut open = Vec::new();
        // Newest first, as one undoes: each backfill says how its rooms were before it.
        for backfill in self.backfills.kept.iter().rev() {
            if cursor
                .backfill_resume(backfill.number, backfill.after, backfill.until)
                .is_none()
            {
                continue;
            }
            for (room, before) in &backfill.rooms {
                match before {
                    Some(before) => self.rooms.insert(room.clone(), *before),
                    None => self.rooms.remove(room),
                };
            }
            // When the client changed its kinds once more after this backfill, the later choice
            // stays.
            let kinds = self.kinds.clone();
            if kinds == backfill.kinds {
                self.kinds.clone_from(&backfill.kinds_before);
            }
            open.push(RoomBackfill {
                kinds,
                ..backfill.clone()
            });
        }
        open.reverse();
        Some(open)
    }

    /// Makes all rooms count from that entry on, with no backfill left to do.
    pub(crate) fn restart(&mut self, epoch: Epoch, at: Sequence) {
        self.epoch = epoch;
        self.rooms.values_mut().for_each(|joined| *joined = at);
        self.backfills = RecentBackfills {
            last: self.backfills.last,
            ..RecentBackfills::default()
        };
    }
}
