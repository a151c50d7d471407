//! A batch of events that a client wants to receive together after a while; of several states of
//! one thing it holds the last.

use std::time::Duration;

use bytes::Bytes;
use schemas::Kind;

use crate::limits::{BATCH_EVENTS_MAX, OUT_BYTES_MAX};

/// The frames that wait, in order.
#[derive(Debug, Default)]
pub(super) struct EventBatch {
    frames: Vec<(Option<StateKey>, Bytes)>,
    bytes: usize,
    /// The shortest wait that was asked for, counted from when the first frame was added.
    wait: Option<Duration>,
}

/// What a later frame replaces: the kind of event, the thing it tells the state of, and which of
/// the event's frames it is.
pub(super) type StateKey = (Kind, String, usize);

impl EventBatch {
    /// Adds a frame at the end and removes an earlier state of the same thing.
    pub(super) fn add(&mut self, state: Option<StateKey>, frame: Bytes, wait: Duration) {
        // A linear search: there are at most `BATCH_EVENTS_MAX` frames.
        if state.is_some()
            && let Some(earlier) = self.frames.iter().position(|(other, _)| *other == state)
        {
            self.bytes -= self.frames.remove(earlier).1.len();
        }
        self.bytes += frame.len();
        self.frames.push((state, frame));
        self.wait = Some(self.wait.map_or(wait, |other| other.min(wait)));
    }

    /// Whether the batch is to be sent before its time.
    pub(super) fn is_full(&self) -> bool {
        self.frames.len() >= BATCH_EVENTS_MAX || self.bytes >= OUT_BYTES_MAX
    }

    /// How long the batch may wait; `None` when it is empty.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.wait
    }

    /// Takes all frames out.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Bytes> + use<> {
        std::mem::take(self)
            .frames
            .into_iter()
            .map(|(_, frame)| frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(id: &str) -> StateKey {
        (Kind::InventoryUpdated, id.to_owned(), 0)
    }

    #[test]
    fn of_several_states_of_one_thing_the_last_is_sent_in_its_place() {
        let mut batch = EventBatch::default();
        let mut add =
            |state, text: &'static str| batch.add(state, text.into(), Duration::from_secs(1));
        add(Some(state("a")), "a1");
        add(None, "payment");
        add(Some(state("b")), "b1");
        add(Some(state("a")), "a2");
        add(None, "payment");
        assert_eq!(
            batch.take().collect::<Vec<_>>(),
            ["payment", "b1", "a2", "payment"]
        );
        assert_eq!((batch.wait(), batch.take().count()), (None, 0));
    }

    #[test]
    fn the_most_impatient_decides_and_nothing_grows_without_end() {
        let mut batch = EventBatch::default();
        batch.add(None, "x".into(), Duration::from_secs(5));
        batch.add(None, "y".into(), Duration::from_secs(1));
        batch.add(None, "z".into(), Duration::from_secs(3));
        assert_eq!(batch.wait(), Some(Duration::from_secs(1)));
        assert!(!batch.is_full());
        batch.add(None, vec![0; OUT_BYTES_MAX].into(), Duration::from_secs(9));
        assert!(batch.is_full());
    }
}
