//! Which levels somebody asks for.

use crate::id::{InventoryItemId, LocationId, ProductId, VariantId};

/// The levels at any of these locations, of any of these products, variants or items, or with this SKU.
/// Nothing stated is everything; an empty list is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LevelSelection {
    /// At these locations.
    pub location_ids: Option<Vec<LocationId>>,
    /// Of these products.
    pub product_ids: Option<Vec<ProductId>>,
    /// Of these variants.
    pub variant_ids: Option<Vec<VariantId>>,
    /// Of these inventory items.
    pub item_ids: Option<Vec<InventoryItemId>>,
    /// Of the items with exactly this SKU; Shopify lets several have the same.
    pub sku: Option<String>,
}

impl LevelSelection {
    /// Whether nothing narrows it.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }
}
