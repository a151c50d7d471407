//! The rate limit of one client.

use std::time::Duration;

/// A token bucket: it holds at most a minute's worth of messages and is refilled evenly.
#[derive(Debug)]
pub(crate) struct MessageRateLimiter {
    per_minute: u32,
    left: f64,
    at: Duration,
}

impl MessageRateLimiter {
    /// A limiter with a whole minute's worth.
    pub(crate) fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            left: per_minute.into(),
            at: Duration::ZERO,
        }
    }

    /// Takes one message out; false when there is none left. `now` is counted from any fixed
    /// instant.
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
