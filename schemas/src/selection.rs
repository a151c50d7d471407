//! Which levels somebody asks for.

use crate::id::{InventoryItemId, LocationId, ProductId, VariantId};

/// The levels at any of these locations, of any of these products, variants or items, or with this SKU.
/// Nothing stated is everything; an empty list is nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
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
    /// And of these only those at these locations: the ones that whoever asks is limited to. `None` is no limit.
    pub within: Option<Vec<LocationId>>,
}

impl LevelSelection {
    /// Whether nothing is stated. What may be seen of it can be less.
    pub fn is_everything(&self) -> bool {
        self.location_ids.is_none() && self.product_ids.is_none() && self.variant_ids.is_none()
    }
}
