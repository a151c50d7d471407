//! Rooms: what one can listen to inside a shop, by the names of the native contract.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{CustomerId, LocationId, ProductId, UserId, VariantId};

/// A room of a shop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Room {
    /// Every level.
    InventoryAll,
    /// Levels at a location.
    InventoryLocation(LocationId),
    /// Levels of a product.
    InventoryProduct(ProductId),
    /// Levels of a variant.
    InventoryVariant(VariantId),
    /// Notices for everybody who asked for them.
    Notifications,
    /// Every order.
    OrdersAll,
    /// Orders of a customer.
    OrdersCustomer(CustomerId),
    /// Runs, progress and webhooks.
    ShopifySync,
    /// What concerns one user.
    User(UserId),
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InventoryAll => f.write_str("inventory:all"),
            Self::InventoryLocation(id) => write!(f, "inventory:location:{id}"),
            Self::InventoryProduct(id) => write!(f, "inventory:product:{id}"),
            Self::InventoryVariant(id) => write!(f, "inventory:variant:{id}"),
            Self::Notifications => f.write_str("notifications"),
            Self::OrdersAll => f.write_str("orders:all"),
            Self::OrdersCustomer(id) => write!(f, "orders:customer:{id}"),
            Self::ShopifySync => f.write_str("shopify:sync"),
            Self::User(id) => write!(f, "user:{id}"),
        }
    }
}

impl From<Room> for String {
    fn from(room: Room) -> Self {
        room.to_string()
    }
}

impl TryFrom<String> for Room {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl FromStr for Room {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        let room = match name {
            "inventory:all" => Some(Self::InventoryAll),
            "notifications" => Some(Self::Notifications),
            "orders:all" => Some(Self::OrdersAll),
            "shopify:sync" => Some(Self::ShopifySync),
            _ => None,
        };
        let with_id = || {
            if let Some(id) = name.strip_prefix("user:") {
                return id.parse().ok().map(Self::User);
            }
            let (kind, id) = name.rsplit_once(':')?;
            match kind {
                "inventory:location" => id.parse().ok().map(Self::InventoryLocation),
                "inventory:product" => id.parse().ok().map(Self::InventoryProduct),
                "inventory:variant" => id.parse().ok().map(Self::InventoryVariant),
                "orders:customer" => id.parse().ok().map(Self::OrdersCustomer),
                _ => None,
            }
        };
        room.or_else(with_id).ok_or_else(|| format!("{name:?} is no room"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_reads_back_its_own_name() {
        let names = [
            "inventory:all",
            "inventory:location:1",
            "inventory:product:2",
            "inventory:variant:3",
            "notifications",
            "orders:all",
            "orders:customer:4",
            "shopify:sync",
            "user:a:b",
        ];
        for name in names {
            assert_eq!(name.parse::<Room>().unwrap().to_string(), name);
        }
        for bad in ["", "inventory", "inventory:location:", "inventory:location:x", "user:", "role:admin"] {
            assert!(bad.parse::<Room>().is_err(), "{bad}");
        }
    }
}
