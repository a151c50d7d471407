//! The leaky bucket of query points: one per app and shop, refilled by the shop's clock.

use jiff::Timestamp;
use serde_json::{Value, json};

/// The most a single query may ask for, on any plan.
/// <https://shopify.dev/docs/api/usage/limits>, 2026-10.
pub(crate) const MAX_QUERY_COST: u32 = 1_000;

pub(crate) struct Bucket {
    /// Points restored per second.
    restore_rate: u32,
    maximum: u32,
    available: f64,
    filled_at: Timestamp,
}

impl Bucket {
    pub(crate) fn new(restore_rate: u32, maximum: u32, now: Timestamp) -> Self {
        Self {
            restore_rate,
            maximum,
            available: f64::from(maximum),
            filled_at: now,
        }
    }

    /// Reserves the requested cost, or says that there is not enough.
    #[must_use]
    pub(crate) fn reserve(&mut self, cost: u32, now: Timestamp) -> bool {
        self.refill(now);
        let enough = self.available >= f64::from(cost);
        if enough {
            self.available -= f64::from(cost);
        }
        enough
    }

    /// Gives back what a query reserved and did not need.
    pub(crate) fn refund(&mut self, points: u32, now: Timestamp) {
        self.refill(now);
        self.available = (self.available + f64::from(points)).min(f64::from(self.maximum));
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "at most the maximum, which is a u32"
    )]
    pub(crate) fn status(&self) -> Value {
        json!({
            "maximumAvailable": self.maximum,
            "currentlyAvailable": self.available.floor() as i64,
            "restoreRate": self.restore_rate,
        })
    }

    fn refill(&mut self, now: Timestamp) {
        let seconds = now.duration_since(self.filled_at).as_secs_f64().max(0.0);
        self.available =
            (self.available + seconds * f64::from(self.restore_rate)).min(f64::from(self.maximum));
        self.filled_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_bucket_refuses_until_enough_has_dripped_in() {
        let mut now = Timestamp::UNIX_EPOCH;
        let mut bucket = Bucket::new(100, 2_000, now);
        assert!(bucket.reserve(1_000, now) && bucket.reserve(1_000, now));
        assert!(!bucket.reserve(100, now));
        now += jiff::SignedDuration::from_millis(990);
        assert!(!bucket.reserve(100, now));
        now += jiff::SignedDuration::from_millis(10);
        assert!(bucket.reserve(100, now));
    }

    #[test]
    fn a_refund_and_an_hour_never_fill_it_past_its_maximum() {
        let mut bucket = Bucket::new(100, 2_000, Timestamp::UNIX_EPOCH);
        bucket.refund(
            500,
            Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_hours(1),
        );
        assert_eq!(bucket.status()["currentlyAvailable"], 2_000);
    }
}
