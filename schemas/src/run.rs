//! Runs of a sync: what they bring over, how far they are, how they ended.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::RunId;

/// What a run brings over.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Customers.
    Customers,
    /// Locations and levels with all quantities.
    Inventory,
    /// Orders with their lines.
    Orders,
    /// Products with their variants and items.
    Products,
}

impl Resource {
    /// The name on the wire and in configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Customers => "customers",
            Self::Inventory => "inventory",
            Self::Orders => "orders",
            Self::Products => "products",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Resource {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        [
            Self::Customers,
            Self::Inventory,
            Self::Orders,
            Self::Products,
        ]
        .into_iter()
        .find(|resource| resource.as_str() == text)
        .ok_or_else(|| format!("{text:?} is no resource: products, inventory, orders or customers"))
    }
}

/// How much a run looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunKind {
    /// Everything.
    Full,
    /// What changed since the last run.
    Quick,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Stopped by a person.
    Cancelled,
    /// Everything it looked at is in the mirror.
    Completed,
    /// Given up; `error` says why.
    Failed,
    /// Waiting for its turn.
    Queued,
    /// Under way; survives a restart of the daemon.
    Running,
}

impl RunState {
    /// Whether nothing more will happen to it.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Cancelled | Self::Completed | Self::Failed)
    }
}

/// A run as clients see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncRun {
    /// Which one.
    pub run_id: RunId,
    /// What it brings over.
    pub resource: Resource,
    /// How much it looks at.
    pub kind: RunKind,
    /// Whether it only compares: `changed` says what it would put right, `drift` what would count as drift.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// Where it stands.
    pub state: RunState,
    /// Records looked at.
    pub processed: u64,
    /// Records to look at, once that is known.
    pub total: Option<u64>,
    /// Objects that Shopify has written so far for a full run. Absent before, and once it has written them all and they
    /// are looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bulk_objects: Option<u64>,
    /// Records that were not yet so in the mirror.
    pub changed: u64,
    /// Records that are gone.
    pub deleted: u64,
    /// Of the changed ones, those that should have come earlier.
    pub drift: u64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl SyncRun {
    /// How far it is, 0 to 100; 100 only once it is completed. `None` while the total is unknown.
    pub fn percent(&self) -> Option<u8> {
        if self.state == RunState::Completed {
            return Some(100);
        }
        let total = self.total.filter(|total| *total > 0)?;
        let percent = self.processed.min(total).saturating_mul(100) / total;
        Some(u8::try_from(percent.min(99)).unwrap_or(99))
    }
}
