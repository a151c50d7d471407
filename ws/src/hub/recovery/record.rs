//! What is kept of a session in the store: its rooms, and which of them are still being filled up.

use std::collections::BTreeMap;

use schemas::{Epoch, Room, Sequence};
use serde::{Deserialize, Serialize};

use super::{Cursor, Rights};
use crate::hub::reader::Kinds;
use crate::limits::{BACKFILLS_KEPT_MAX, SESSION_BYTES_MAX};

/// The rooms of a session, as if everything under way had come to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// In which the sequences mean something.
    pub(crate) epoch: Epoch,
    /// Each room, and after which entry it counts.
    pub(crate) rooms: BTreeMap<Room, Sequence>,
    pub(crate) kinds: Kinds,
    pub(crate) backfills: Backfills,
    /// Of whoever was last in them.
    pub(crate) rights: Rights,
}

/// The latest joins that asked for what was missed, because a client may not have been sent all of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Backfills {
    kept: Vec<Backfill>,
    /// The number of the last one.
    pub(crate) last: u32,
    /// The last of those no longer kept, and its end.
    lost: Option<(u32, Sequence)>,
}

/// Entries of rooms from before they were joined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Backfill {
    pub(crate) number: u32,
    pub(crate) after: Sequence,
    pub(crate) until: Sequence,
    /// Its rooms, and from where on each counted before, if it did.
    pub(crate) rooms: BTreeMap<Room, Option<Sequence>>,
    pub(crate) kinds: Kinds,
    pub(crate) kinds_before: Kinds,
}

impl Backfills {
    /// Adds one under the next number, which `backfill` carries. The oldest makes room.
    pub(crate) fn add(&mut self, backfill: Backfill) {
        if self.kept.len() >= BACKFILLS_KEPT_MAX {
            self.forget_oldest();
        }
        self.last = backfill.number;
        self.kept.push(backfill);
    }

    /// Forgets the oldest but the last; false when there is none.
    pub(crate) fn forget_oldest(&mut self) -> bool {
        if self.kept.len() < 2 {
            return false;
        }
        let oldest = self.kept.remove(0);
        self.lost = Some((oldest.number, oldest.until));
        true
    }

    /// The one of that number came to nothing.
    pub(crate) fn take_back(&mut self, number: u32) {
        self.kept.retain(|backfill| backfill.number != number);
    }

    /// That room was left.
    pub(crate) fn leave(&mut self, room: &Room) {
        for backfill in &mut self.kept {
            backfill.rooms.remove(room);
        }
    }
}

impl Record {
    /// As it is kept; without the oldest joins where it would be too large. `None` when it is too large all the same.
    pub(crate) fn text(&mut self) -> Option<String> {
        loop {
            // Texts and numbers under texts: there is nothing in it that JSON cannot say.
            let text = serde_json::to_string(self).unwrap_or_default();
            if text.len() <= SESSION_BYTES_MAX {
                return Some(text);
            }
            if !self.backfills.forget_oldest() {
                return None;
            }
        }
    }

    /// Undoes what a client with that cursor was not yet sent; the backfills that are still to be done, in order.
    /// `None` when it cannot be told any more what that client has.
    pub(crate) fn rewind(&mut self, cursor: Cursor) -> Option<Vec<Backfill>> {
        if let Some((number, until)) = self.backfills.lost
            && cursor.goes_on(number, Sequence(0), until).is_some()
        {
            return None;
        }
        let mut open = Vec::new();
        for backfill in self.backfills.kept.iter().rev() {
            if cursor
                .goes_on(backfill.number, backfill.after, backfill.until)
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
            // Kinds that were changed once more since stay as they are now.
            let kinds = self.kinds.clone();
            if kinds == backfill.kinds {
                self.kinds.clone_from(&backfill.kinds_before);
            }
            open.push(Backfill {
                kinds,
                ..backfill.clone()
            });
        }
        open.reverse();
        Some(open)
    }

    /// All rooms count from there on, and nothing is still to be done.
    pub(crate) fn restart(&mut self, epoch: Epoch, at: Sequence) {
        self.epoch = epoch;
        self.rooms.values_mut().for_each(|joined| *joined = at);
        self.backfills = Backfills {
            last: self.backfills.last,
            ..Backfills::default()
        };
    }
}
