//! Pure decisions about stock: which version of a record wins, what is available, when a level crosses its
//! threshold, what changed of an order.
//!
//! ```text
//!  (what we hold, what is said, who says it) ─▶ decision
//! ```
//!
//! No I/O, no clock, no storage: `store` asks inside its transaction, so a decision and its effect commit together.

pub mod effect;
pub mod level;
pub mod order;
pub mod threshold;
pub mod transfer;
pub mod version;

pub use level::HeldLevel;
pub use threshold::{Crossing, LevelThreshold, Thresholds};
pub use version::{Authority, Verdict};
