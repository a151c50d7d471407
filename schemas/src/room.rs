//! Rooms: what one can listen to inside a shop, by the names of the native contract.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::access::Role;
use crate::id::{AnyId, CustomerId, LocationId, OrderId, ProductId, TransferId, UserId, VariantId};

/// A room of a shop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Room {
    /// Whoever works for that company.
    Company(AnyId),
    /// Everybody who is connected where notices come only to those who asked for them.
    Connected,
    /// One that clients made up.
    Custom(AnyId),
    /// What customers do.
    Customers,
    /// Everybody who is connected where notices for everybody come by themselves.
    Everyone,
    /// Every level.
    InventoryAll,
    /// Levels at a location.
    InventoryLocation(AnyId),
    /// Levels of a product.
    InventoryProduct(AnyId),
    /// Levels of a variant.
    InventoryVariant(AnyId),
    /// Notices for everybody who asked for them.
    Notifications,
    /// One order.
    Order(AnyId),
    /// Every order.
    OrdersAll,
    /// Orders of a customer.
    OrdersCustomer(AnyId),
    /// Every payment.
    Payments,
    /// Every product.
    Products,
    /// Whoever has that role.
    Role(Role),
    /// Whoever works for the shop.
    Shop,
    /// Runs, progress and webhooks.
    ShopifySync,
    /// One transfer of stock.
    Transfer(AnyId),
    /// What concerns one user.
    User(UserId),
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Company(id) => write!(f, "company:{id}"),
            Self::Connected => f.write_str("connected"),
            Self::Custom(id) => write!(f, "custom:{id}"),
            Self::Customers => f.write_str("customers"),
            Self::Everyone => f.write_str("everyone"),
            Self::InventoryAll => f.write_str("inventory:all"),
            Self::InventoryLocation(id) => write!(f, "inventory:location:{id}"),
            Self::InventoryProduct(id) => write!(f, "inventory:product:{id}"),
            Self::InventoryVariant(id) => write!(f, "inventory:variant:{id}"),
            Self::Notifications => f.write_str("notifications"),
            Self::Order(id) => write!(f, "order:{id}"),
            Self::OrdersAll => f.write_str("orders:all"),
            Self::OrdersCustomer(id) => write!(f, "orders:customer:{id}"),
            Self::Payments => f.write_str("payments"),
            Self::Products => f.write_str("products"),
            Self::Role(role) => write!(f, "role:{}", role.as_str()),
            Self::Shop => f.write_str("shop"),
            Self::ShopifySync => f.write_str("shopify:sync"),
            Self::Transfer(id) => write!(f, "transfer:{id}"),
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
            "connected" => Some(Self::Connected),
            "customers" => Some(Self::Customers),
            "everyone" => Some(Self::Everyone),
            "inventory:all" => Some(Self::InventoryAll),
            "notifications" => Some(Self::Notifications),
            "orders:all" => Some(Self::OrdersAll),
            "payments" => Some(Self::Payments),
            "products" => Some(Self::Products),
            "shop" => Some(Self::Shop),
            "shopify:sync" => Some(Self::ShopifySync),
            _ => None,
        };
        room.or_else(|| Self::with_id(name))
            .ok_or_else(|| format!("{:?} is no room", name.chars().take(40).collect::<String>()))
    }
}

impl Room {
    fn with_id(name: &str) -> Option<Self> {
        let id = |prefix: &str| name.strip_prefix(prefix);
        let room = if let Some(id) = id("company:") {
            Self::Company(id.parse().ok()?)
        } else if let Some(id) = id("custom:") {
            Self::Custom(id.parse().ok()?)
        } else if let Some(id) = id("inventory:location:") {
            Self::InventoryLocation(AnyId::of::<LocationId>(id).ok()?)
        } else if let Some(id) = id("inventory:product:") {
            Self::InventoryProduct(AnyId::of::<ProductId>(id).ok()?)
        } else if let Some(id) = id("inventory:variant:") {
            Self::InventoryVariant(AnyId::of::<VariantId>(id).ok()?)
        } else if let Some(id) = id("order:") {
            Self::Order(AnyId::of::<OrderId>(id).ok()?)
        } else if let Some(id) = id("orders:customer:") {
            Self::OrdersCustomer(AnyId::of::<CustomerId>(id).ok()?)
        } else if let Some(role) = id("role:") {
            Self::Role(Role::parse(role)?)
        } else if let Some(id) = id("transfer:") {
            Self::Transfer(AnyId::of::<TransferId>(id).ok()?)
        } else {
            Self::User(id("user:")?.parse().ok()?)
        };
        Some(room)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_reads_back_its_own_name() {
        let names = [
            "company:c1",
            "connected",
            "custom:chat-room",
            "customers",
            "everyone",
            "inventory:all",
            "inventory:location:1",
            "inventory:location:warehouse",
            "inventory:product:2",
            "inventory:variant:3",
            "notifications",
            "order:order-123",
            "orders:all",
            "orders:customer:4",
            "payments",
            "products",
            "role:super_admin",
            "shop",
            "shopify:sync",
            "transfer:7",
            "user:a:b",
        ];
        for name in names {
            assert_eq!(name.parse::<Room>().unwrap().to_string(), name);
        }
        for bad in [
            "",
            "inventory",
            "inventory:location:",
            "inventory:x",
            "user:",
            "role:king",
            "order:",
        ] {
            assert!(bad.parse::<Room>().is_err(), "{bad}");
        }
    }
}
