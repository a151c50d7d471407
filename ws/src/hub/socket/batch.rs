//! Events that a client wants put together: for a while, and of several states of one thing only the last.

use std::time::Duration;

use bytes::Bytes;
use schemas::Kind;

use crate::limits::{BATCH_EVENTS_MAX, OUT_BYTES_MAX};

/// What waits, in order.
#[derive(Debug, Default)]
pub(super) struct Batch {
    frames: Vec<(Option<State>, Bytes)>,
    bytes: usize,
    /// For how long the most impatient of them waits, from when there was the first.
    wait: Option<Duration>,
}

/// Of which thing an event tells the state, which state, and in which of its frames.
pub(super) type State = (Kind, String, usize);

impl Batch {
    /// Puts a frame behind the others, in place of an earlier state of the same.
    pub(super) fn add(&mut self, state: Option<State>, frame: Bytes, wait: Duration) {
        if state.is_some()
            && let Some(earlier) = self.frames.iter().position(|(other, _)| *other == state)
        {
            self.bytes -= self.frames.remove(earlier).1.len();
        }
        self.bytes += frame.len();
        self.frames.push((state, frame));
        self.wait = Some(self.wait.map_or(wait, |other| other.min(wait)));
    }

    /// Whether no more should be added.
    pub(super) fn is_full(&self) -> bool {
        self.frames.len() >= BATCH_EVENTS_MAX || self.bytes >= OUT_BYTES_MAX
    }

    /// For how long it may wait; `None` when there is nothing in it.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.wait
    }

    /// Everything, and it is empty.
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

    fn state(id: &str) -> State {
        (Kind::InventoryUpdated, id.to_owned(), 0)
    }

    #[test]
    fn of_several_states_of_one_thing_the_last_is_sent_in_its_place() {
        let mut batch = Batch::default();
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
        let mut batch = Batch::default();
        batch.add(None, "x".into(), Duration::from_secs(5));
        batch.add(None, "y".into(), Duration::from_secs(1));
        batch.add(None, "z".into(), Duration::from_secs(3));
        assert_eq!(batch.wait(), Some(Duration::from_secs(1)));
        assert!(!batch.is_full());
        batch.add(None, vec![0; OUT_BYTES_MAX].into(), Duration::from_secs(9));
        assert!(batch.is_full());
    }
}
