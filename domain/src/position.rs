//! How far a reader of the log outside of this process is, for those that cannot remember it themselves.

use schemas::{Sequence, Timestamp};
use serde::{Deserialize, Serialize};

/// A reader's place, and what became of what was sent to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Everything up to there is settled: delivered, given up, or no concern of this reader.
    pub after: Sequence,
    /// When that was written.
    pub at: Timestamp,
    /// Where the message ends that is under way: it begins behind `after` and is made again just so after a crash.
    pub until: Option<Sequence>,
    /// Of its recipients, how many have it.
    pub delivered_to: usize,
    /// Times that a recipient took a message.
    pub sent: u64,
    /// Times that a recipient refused one for good.
    pub given_up: u64,
    /// What is wrong with the message under way, or was with the last one.
    pub problem: Option<String>,
}
