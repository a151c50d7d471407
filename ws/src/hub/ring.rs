//! The newest log entries, kept in memory for readers that are up to date or a little behind.

use std::collections::VecDeque;
use std::sync::Arc;

use schemas::Sequence;

use crate::hub::broadcast::Broadcast;
use crate::hub::sieve::Sieve;

/// Every entry after `floor` up to `head`, in order; bounded in entries and bytes, the oldest makes room.
#[derive(Debug)]
pub(crate) struct Ring {
    entries: VecDeque<Kept>,
    entries_max: usize,
    bytes: usize,
    bytes_max: usize,
    floor: Sequence,
    head: Sequence,
}

/// An entry, with what is asked of each so often that it is found beside it.
#[derive(Debug)]
pub(crate) struct Kept {
    pub(crate) sequence: Sequence,
    pub(crate) sieve: Sieve,
    weight: usize,
    pub(crate) broadcast: Arc<Broadcast>,
}

impl Ring {
    /// Empty, at that head.
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

    /// The newest entry.
    pub(crate) fn head(&self) -> Sequence {
        self.head
    }

    /// Readers at or after this find all that follows here.
    pub(crate) fn floor(&self) -> Sequence {
        self.floor
    }

    /// How many entries and bytes it holds.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.entries.len(), self.bytes)
    }

    /// Holds nothing any more; readers that are behind find it elsewhere.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
        self.floor = self.head;
    }

    pub(crate) fn push(&mut self, broadcast: Arc<Broadcast>) {
        let (sequence, weight) = (broadcast.sequence(), broadcast.weight());
        self.head = sequence;
        self.bytes += weight;
        self.entries.push_back(Kept {
            sequence,
            sieve: Sieve::of(&broadcast.rooms),
            weight,
            broadcast,
        });
        while self.entries.len() > self.entries_max || self.bytes > self.bytes_max {
            let Some(oldest) = self.entries.pop_front() else {
                break;
            };
            self.bytes -= oldest.weight;
            self.floor = oldest.sequence;
        }
    }

    /// What follows that position.
    pub(crate) fn after(&self, position: Sequence) -> impl Iterator<Item = &Kept> {
        // No more of them than numbers: for most readers that is the last one, found without a search.
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
