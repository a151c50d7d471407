//! The newest log entries, kept in memory for readers that are up to date or a little behind.

use std::collections::VecDeque;
use std::sync::Arc;

use schemas::Sequence;

use crate::broadcast::Broadcast;

/// Every entry after `floor` up to `head`, in order; bounded in entries and bytes, the oldest makes room.
#[derive(Debug)]
pub(crate) struct Ring {
    entries: VecDeque<(Arc<Broadcast>, usize)>,
    entries_max: usize,
    bytes: usize,
    bytes_max: usize,
    floor: Sequence,
    head: Sequence,
}

impl Ring {
    /// Empty, at that head.
    pub(crate) fn new(head: Sequence, entries_max: usize, bytes_max: usize) -> Self {
        Self { entries: VecDeque::new(), entries_max, bytes: 0, bytes_max, floor: head, head }
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

    pub(crate) fn push(&mut self, entry: Arc<Broadcast>) {
        let weight = entry.weight();
        self.head = entry.sequence();
        self.bytes += weight;
        self.entries.push_back((entry, weight));
        while self.entries.len() > self.entries_max || self.bytes > self.bytes_max {
            let Some((oldest, weight)) = self.entries.pop_front() else { break };
            self.bytes -= weight;
            self.floor = oldest.sequence();
        }
    }

    /// What follows that position.
    pub(crate) fn after(&self, position: Sequence) -> impl Iterator<Item = &Arc<Broadcast>> {
        let start = self.entries.partition_point(|(entry, _)| entry.sequence() <= position);
        self.entries.range(start..).map(|(entry, _)| entry)
    }
}
