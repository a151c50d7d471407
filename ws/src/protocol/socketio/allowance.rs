//! How much a client may still say.

use std::time::Duration;

/// How many messages are left: a minute's worth at most, refilled evenly.
#[derive(Debug)]
pub(crate) struct Allowance {
    per_minute: u32,
    left: f64,
    at: Duration,
}

impl Allowance {
    /// A whole minute's worth.
    pub(crate) fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            left: per_minute.into(),
            at: Duration::ZERO,
        }
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        let capacity = f64::from(self.per_minute);
        let refill = now.saturating_sub(self.at).as_secs_f64() * capacity / 60.0;
        self.left = (self.left + refill).min(capacity);
        self.at = now;
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }
}
