//! Quantities of stock, by Shopify's names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Largest quantity Shopify stores, either sign (schema 2026-10: `inventorySetQuantities`).
pub const QUANTITY_MAX: i64 = 1_000_000_000;

/// What a quantity counts, as Shopify names it (Admin API 2026-10, `inventoryProperties.quantityNames`).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum QuantityName {
    /// Sellable now; negative when oversold.
    Available,
    /// In placed, unfulfilled orders.
    Committed,
    /// Set aside and not sellable.
    Damaged,
    /// On the way; not part of `on_hand`.
    Incoming,
    /// Physically there: the sum of all but `incoming`.
    OnHand,
    /// Set aside for inspection.
    QualityControl,
    /// Set aside by drafts, transfers and apps.
    Reserved,
    /// Kept back as a buffer.
    SafetyStock,
}

impl QuantityName {
    /// Every name, in Shopify's alphabetical order.
    pub const ALL: [Self; 8] = [
        Self::Available,
        Self::Committed,
        Self::Damaged,
        Self::Incoming,
        Self::OnHand,
        Self::QualityControl,
        Self::Reserved,
        Self::SafetyStock,
    ];

    /// The name on Shopify's wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Committed => "committed",
            Self::Damaged => "damaged",
            Self::Incoming => "incoming",
            Self::OnHand => "on_hand",
            Self::QualityControl => "quality_control",
            Self::Reserved => "reserved",
            Self::SafetyStock => "safety_stock",
        }
    }
}

/// All quantities of one level as Shopify last said them; what it has not said is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(
    missing_docs,
    reason = "the fields are the names documented on QuantityName"
)]
pub struct Quantities {
    pub available: i64,
    pub committed: i64,
    pub damaged: i64,
    pub incoming: i64,
    pub on_hand: i64,
    pub quality_control: i64,
    pub reserved: i64,
    pub safety_stock: i64,
}

impl Quantities {
    /// The quantity of that name.
    pub fn of(&self, name: QuantityName) -> i64 {
        let mut copy = *self;
        *copy.of_mut(name)
    }

    /// The quantity of that name, to be written.
    pub fn of_mut(&mut self, name: QuantityName) -> &mut i64 {
        match name {
            QuantityName::Available => &mut self.available,
            QuantityName::Committed => &mut self.committed,
            QuantityName::Damaged => &mut self.damaged,
            QuantityName::Incoming => &mut self.incoming,
            QuantityName::OnHand => &mut self.on_hand,
            QuantityName::QualityControl => &mut self.quality_control,
            QuantityName::Reserved => &mut self.reserved,
            QuantityName::SafetyStock => &mut self.safety_stock,
        }
    }
}
