//! A level as we hold it: what Shopify was last seen to say, and apart from it what our commands will do.

use schemas::record::Level;
use schemas::shape::StockStatus;
use schemas::{LevelGid, Timestamp};

use crate::LevelKey;

/// A level with everything we know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldLevel {
    /// What Shopify was last seen to say.
    pub observed: Level,
    /// What our unsettled commands will do to `available`.
    pub pending: i64,
    /// How it was judged last. `None` until it first counted, and while it does not: then nothing is crossed.
    pub status: Option<StockStatus>,
}

impl HeldLevel {
    /// A level seen for the first time.
    pub fn new(observed: Level) -> Self {
        Self {
            observed,
            pending: 0,
            status: None,
        }
    }

    /// Which one it is.
    pub fn key(&self) -> LevelKey {
        (self.observed.inventory_item_id, self.observed.location_id)
    }

    /// What people see and the guard uses.
    pub fn available(&self) -> i64 {
        self.observed
            .quantities
            .available
            .saturating_add(self.pending)
    }
}

/// The level that a report of `available` alone amounts to: the other quantities stay as they were seen last,
/// until a read brings them.
pub fn with_available(
    level: Level,
    gid: Option<LevelGid>,
    available: Option<i64>,
    updated_at: Timestamp,
) -> Level {
    let mut said = level;
    said.gid = gid.or(said.gid);
    said.quantities.available = available.unwrap_or(said.quantities.available);
    said.updated_at = updated_at;
    said
}
