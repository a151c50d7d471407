//! A counter of things that went wrong, which warns now and then instead of once for each.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

use crate::limits::WARNING_PAUSE;

/// Counts occurrences since the start. A burst of them, as by a client in a loop, is one line in the log.
#[derive(Debug, Default)]
pub(crate) struct WarningCounter {
    total: AtomicU64,
    /// When the last warning was written, and how many had occurred by then; `None` before the first.
    warned: Mutex<Option<(Instant, u64)>>,
}

impl WarningCounter {
    /// Occurrences since the start.
    pub(crate) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    /// Counts one occurrence. Returns how many occurred since the last warning, if one is due: at the first occurrence,
    /// and then at most once in [`WARNING_PAUSE`].
    pub(crate) fn count(&self) -> Option<u64> {
        let total = self.total.fetch_add(1, Ordering::Relaxed) + 1;
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, before) = warned.map_or((None, 0), |(at, before)| (Some(at), before));
        if at.is_some_and(|at| at.elapsed() < WARNING_PAUSE) {
            return None;
        }
        *warned = Some((Instant::now(), total.max(before)));
        Some(total.saturating_sub(before))
    }

    /// Counts a client that met a bound. `limit` is the bound's name in the configuration.
    pub(crate) fn limit_reached(&self, limit: &str, bound: impl TryInto<u64>) {
        if let Some(count) = self.count() {
            let bound = bound.try_into().unwrap_or(u64::MAX);
            tracing::warn!(
                limit,
                bound,
                count,
                "Refused clients at a limit of the realtime side; raise it in the configuration if these clients are yours"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_one_warning_and_the_next_one_says_how_many_there_were() {
        let counter = WarningCounter::default();
        assert_eq!(counter.count(), Some(1));
        assert_eq!((counter.count(), counter.count()), (None, None));
        tokio::time::advance(WARNING_PAUSE).await;
        assert_eq!(counter.count(), Some(3));
        assert_eq!((counter.count(), counter.total()), (None, 5));
    }
}
