//! The shop's time: the real clock plus an offset that only grows, so that a test can skip four hours of retries.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// A clock that can be advanced, and on which one can wait.
pub(crate) struct SimClock {
    offset: watch::Sender<Duration>,
}

impl SimClock {
    pub(crate) fn new() -> Self {
        Self {
            offset: watch::Sender::new(Duration::ZERO),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the pretend shop's only look at the real clock"
    )]
    pub(crate) fn now(&self) -> Timestamp {
        let offset = SignedDuration::try_from(*self.offset.borrow()).unwrap_or(SignedDuration::MAX);
        Timestamp::now()
            .checked_add(offset)
            .unwrap_or(Timestamp::MAX)
    }

    /// Moves the clock forward and wakes everything that waits on it.
    pub(crate) fn advance(&self, by: Duration) {
        self.offset
            .send_modify(|offset| *offset = offset.saturating_add(by));
    }

    /// Returns at `due`, or at once if it has passed.
    pub(crate) async fn sleep_until(&self, due: Timestamp) {
        let mut offset = self.offset.subscribe();
        loop {
            offset.borrow_and_update();
            let Ok(left) = Duration::try_from(due.duration_since(self.now())) else {
                return;
            };
            if left.is_zero() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(left) => {}
                // The sender lives in `self`, so this only ends by a change.
                _ = offset.changed() => {}
            }
        }
    }
}

/// Shopify keeps record times to the second.
pub(crate) fn to_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}
