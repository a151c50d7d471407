//! What the records of the mirror have in common: a time of their last change, and a name for a person.

use schemas::RecordKey;
use schemas::Timestamp;
use schemas::record::{Customer, InventoryItem, Level, Location, Order, Product, Variant};
use serde::Serialize;

use crate::HeldLevel;
use crate::working_set::{ShopRecord, ShopSet};

/// A record that is judged by the time of its last change.
pub(crate) trait MirrorRecord: ShopRecord {
    /// What Shopify says of it.
    type Said: Serialize;
    fn id(&self) -> Self::Id;
    fn updated_at(&self) -> Timestamp;
    /// Which one, for a person.
    fn name(&self) -> String;
    fn said(&self) -> &Self::Said;
}

macro_rules! mirror_records {
    ($($record:ty => $noun:literal;)*) => {$(
        impl MirrorRecord for $record {
            type Said = Self;
            fn id(&self) -> Self::Id {
                self.id
            }
            fn updated_at(&self) -> Timestamp {
                self.updated_at
            }
            fn name(&self) -> String {
                format!(concat!($noun, " {}"), self.id)
            }
            fn said(&self) -> &Self {
                self
            }
        }
    )*};
}

mirror_records! {
    Customer => "customer";
    InventoryItem => "inventory item";
    Location => "location";
    Order => "order";
    Product => "product";
    Variant => "variant";
}

impl MirrorRecord for HeldLevel {
    type Said = Level;
    fn id(&self) -> Self::Id {
        self.key()
    }
    fn updated_at(&self) -> Timestamp {
        self.observed.updated_at
    }
    fn name(&self) -> String {
        let (item, location) = self.key();
        RecordKey::Level(item, location).to_string()
    }
    fn said(&self) -> &Level {
        &self.observed
    }
}

impl ShopSet<'_> {
    /// Puts a record in the place of what is there.
    pub(crate) fn keep<R: MirrorRecord>(&mut self, record: &R) {
        self.put(record.id(), record.clone());
    }
}
