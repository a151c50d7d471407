//! The system's clock, read here and nowhere else.

use schemas::{Clock, Timestamp};

/// The time of this machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of the system's clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
