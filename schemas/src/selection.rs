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
        // Every field by name: one that is forgotten here would turn a selection into everything.
        let Self {
            location_ids,
            product_ids,
            variant_ids,
            item_ids,
            sku,
            within: _,
        } = self;
        location_ids.is_none()
            && product_ids.is_none()
            && variant_ids.is_none()
            && item_ids.is_none()
            && sku.is_none()
    }
}
