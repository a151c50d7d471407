//! The newest log entries in memory, for readers that are up to date or a little behind.

use std::collections::VecDeque;
use std::sync::Arc;

use schemas::Sequence;

use crate::hub::broadcast::Broadcast;
use crate::hub::room_mask::RoomMask;

/// Every entry after `floor` up to `head`, in order. Bounded in entries and in bytes; the oldest
/// entries make room.
#[derive(Debug)]
pub(crate) struct EventRing {
    entries: VecDeque<RingEntry>,
    entries_max: usize,
    bytes: usize,
    bytes_max: usize,
    floor: Sequence,
    head: Sequence,
}

/// An entry in the ring, with the two values that every reader compares stored beside it: they are
/// found without following the `Arc`.
#[derive(Debug)]
pub(crate) struct RingEntry {
    pub(crate) sequence: Sequence,
    pub(crate) mask: RoomMask,
    weight: usize,
    pub(crate) broadcast: Arc<Broadcast>,
}

impl EventRing {
    /// An empty ring whose next entry follows `head`.
    pub(crate) fn new(head: Sequence, entries_max: usize, bytes_max: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            entries_max,
            bytes: 0,
            bytes_max,
            floor: head,
            head,
        }
    }

    /// The sequence of the newest entry.
    pub(crate) fn head(&self) -> Sequence {
        self.head
    }

    /// Readers at or after this position find in the ring everything that follows.
    pub(crate) fn floor(&self) -> Sequence {
        self.floor
    }

    /// The number of entries and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.entries.len(), self.bytes)
    }

    /// Drops all entries. Readers that are behind go on from the source.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
        self.floor = self.head;
    }

    pub(crate) fn push(&mut self, broadcast: Arc<Broadcast>) {
        let (sequence, weight) = (broadcast.sequence(), broadcast.weight());
        self.head = sequence;
        self.bytes += weight;
        self.entries.push_back(RingEntry {
            sequence,
            mask: RoomMask::of(&broadcast.rooms),
            weight,
            broadcast,
        });
        // After the push: one entry alone may exceed the bytes, and is dropped again. Its readers go on
        // from the source.
        while self.entries.len() > self.entries_max || self.bytes > self.bytes_max {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= oldest.weight;
            self.floor = oldest.sequence;
        }
    }

    /// Moves the head to there; nothing lies between that is to be kept.
    pub(crate) fn pass_over(&mut self, until: Sequence) {
        self.head = until;
    }

    /// The entries after that position, in order.
    pub(crate) fn after(&self, position: Sequence) -> impl Iterator<Item = &RingEntry> {
        // Sequences have gaps, so there are at most as many entries as numbers in between. Most
        // readers are one entry behind: this bound finds it without a search.
        let most = self
            .head
            .0
            .saturating_sub(position.0)
            .try_into()
            .unwrap_or(usize::MAX);
        let start = self.entries.len().saturating_sub(most);
        self.entries
            .range(start..)
            .skip_while(move |kept| kept.sequence <= position)
    }
}
