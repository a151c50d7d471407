//! What an input says about the store, in our words: the only thing that `store` lets in.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::event::Transfer;
use crate::id::{CustomerId, InventoryItemId, LevelGid, LocationId, OrderId, ProductId, VariantId};
use crate::record::{Customer, InventoryItem, Level, Location, Order, Product, Variant};

/// One statement about one record. Whether it is believed is decided where it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A customer as it was at its `updated_at`.
    Customer(Customer),
    /// A point read found no such record.
    Gone(RecordKey),
    /// An item as it was at its `updated_at`.
    Item(InventoryItem),
    /// A level, all quantities read together.
    Level(Level),
    /// All that a level webhook tells: `available` alone, to the second.
    LevelAvailable {
        /// Of which item.
        inventory_item_id: InventoryItemId,
        /// At which location.
        location_id: LocationId,
        /// Shopify's id of the level.
        gid: Option<LevelGid>,
        /// Sellable then; absent for an item that is not tracked.
        available: Option<i64>,
        /// When.
        updated_at: Timestamp,
    },
    /// A location as it was at its `updated_at`.
    Location(Location),
    /// Something happened to this record: read it.
    LookAgain(RecordKey),
    /// An order as it was at its `updated_at`.
    Order(Order),
    /// A product as it was at its `updated_at`.
    Product {
        /// Its own fields.
        product: Product,
        /// Every variant it had then, where the source lists them all.
        variants: Option<Vec<VariantId>>,
    },
    /// Nothing may be kept of this customer any more.
    Redacted(CustomerId),
    /// What happened to a transfer at its `happened_at`.
    Transfer(Transfer),
    /// A variant as it was at its `updated_at`.
    Variant(Variant),
}

/// Which record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each variant is the record of its id")]
pub enum RecordKey {
    Customer(CustomerId),
    Item(InventoryItemId),
    Level(InventoryItemId, LocationId),
    Location(LocationId),
    Order(OrderId),
    /// A product and its variants.
    Product(ProductId),
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(id) => write!(f, "customer {id}"),
            Self::Item(id) => write!(f, "inventory item {id}"),
            Self::Level(item, location) => write!(f, "level of item {item} at location {location}"),
            Self::Location(id) => write!(f, "location {id}"),
            Self::Order(id) => write!(f, "order {id}"),
            Self::Product(id) => write!(f, "product {id}"),
        }
    }
}
