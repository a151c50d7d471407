//! When a level is low, and when it crosses.

use std::collections::BTreeMap;

use schemas::shape::StockStatus;
use schemas::{InventoryItemId, LocationId};
use serde::{Deserialize, Serialize};

/// Low at or below this where nothing else is said.
pub const THRESHOLD_DEFAULT: i64 = 10;

/// At or below which `available` is low: the most particular setting counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Thresholds {
    /// For the whole shop.
    pub default: i64,
    /// For one item at one location.
    pub levels: Vec<LevelThreshold>,
    /// For one item anywhere.
    pub items: BTreeMap<InventoryItemId, i64>,
    /// For everything at one location.
    pub locations: BTreeMap<LocationId, i64>,
    /// For everything of one vendor.
    pub vendors: BTreeMap<String, i64>,
}

/// The threshold of one item at one location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelThreshold {
    /// The item whose level it is.
    pub item: InventoryItemId,
    /// The location of that level.
    pub location: LocationId,
    /// At or below which it is low.
    pub threshold: i64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            default: THRESHOLD_DEFAULT,
            levels: Vec::new(),
            items: BTreeMap::new(),
            locations: BTreeMap::new(),
            vendors: BTreeMap::new(),
        }
    }
}

impl Thresholds {
    /// The threshold of a level: its own, else its item's, its location's, its vendor's, the shop's.
    pub fn of(&self, item: InventoryItemId, location: LocationId, vendor: Option<&str>) -> i64 {
        let own = self
            .levels
            .iter()
            .find(|level| level.item == item && level.location == location);
        own.map(|level| level.threshold)
            .or_else(|| self.items.get(&item).copied())
            .or_else(|| self.locations.get(&location).copied())
            .or_else(|| self.vendors.get(vendor?).copied())
            .unwrap_or(self.default)
    }
}

/// A level passed its threshold or 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossing {
    /// Fell to the threshold or below, not to 0.
    Low,
    /// Fell to 0 or below.
    Out,
    /// Rose above the threshold.
    Restocked,
}

/// How much `available` is, against a threshold.
pub fn status(available: i64, threshold: i64) -> StockStatus {
    if available <= 0 {
        StockStatus::OutOfStock
    } else if available <= threshold {
        StockStatus::LowStock
    } else {
        StockStatus::InStock
    }
}

/// What is crossed between two judgements. A first judgement crosses nothing, and neither does rising from 0
/// to somewhere below the threshold.
#[must_use]
pub fn crossing(before: Option<StockStatus>, now: StockStatus) -> Option<Crossing> {
    match (before?, now) {
        (StockStatus::InStock, StockStatus::LowStock) => Some(Crossing::Low),
        (StockStatus::InStock | StockStatus::LowStock, StockStatus::OutOfStock) => {
            Some(Crossing::Out)
        }
        (StockStatus::LowStock | StockStatus::OutOfStock, StockStatus::InStock) => {
            Some(Crossing::Restocked)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_most_particular_threshold_counts() {
        let (item, location) = ("1".parse().unwrap(), "2".parse().unwrap());
        let (other_item, other_location) = ("8".parse().unwrap(), "9".parse().unwrap());
        let thresholds = Thresholds {
            default: 5,
            levels: vec![LevelThreshold {
                item,
                location,
                threshold: 1,
            }],
            items: [(item, 2)].into(),
            locations: [(location, 3)].into(),
            vendors: [("Acme".to_owned(), 4)].into(),
        };
        assert_eq!(thresholds.of(item, location, Some("Acme")), 1);
        assert_eq!(thresholds.of(item, other_location, Some("Acme")), 2);
        assert_eq!(thresholds.of(other_item, location, Some("Acme")), 3);
        assert_eq!(thresholds.of(other_item, other_location, Some("Acme")), 4);
        assert_eq!(thresholds.of(other_item, other_location, None), 5);
        assert_eq!(Thresholds::default().of(item, location, None), 10);
    }

    proptest! {
        /// Every fall below and every rise above is told once, and nothing else is.
        #[test]
        fn each_crossing_is_told_once(values in proptest::collection::vec(-3..25_i64, 1..40), threshold in 0..15_i64) {
            let mut before = None;
            let mut last_told = None;
            for (index, value) in values.iter().enumerate() {
                let now = status(*value, threshold);
                let crossed = crossing(before, now);
                if index == 0 {
                    prop_assert_eq!(crossed, None, "a first judgement is silent");
                }
                match crossed {
                    Some(Crossing::Low) => prop_assert!(*value <= threshold && *value > 0 && values[index - 1] > threshold),
                    Some(Crossing::Out) => prop_assert!(*value <= 0 && values[index - 1] > 0),
                    Some(Crossing::Restocked) => {
                        prop_assert!(*value > threshold && values[index - 1] <= threshold.max(0));
                        prop_assert_ne!(last_told, Some(Crossing::Restocked), "not twice without a fall between");
                    }
                    None => {}
                }
                last_told = crossed.or(last_told);
                before = Some(now);
            }
        }
    }
}
