//! What staff may ask for, and how it is read from what a client wrote. Carried out elsewhere, by `store`.

mod payload;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{InventoryItemId, LocationId, OrderId};

/// The kind of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    /// Change `available` by a difference.
    Adjust,
    /// Turn a hold into a sale.
    Commit,
    /// Let a hold last longer.
    Extend,
    /// Give a hold back.
    Release,
    /// Hold stock.
    Reserve,
    /// Set a quantity.
    Update,
}

impl CommandKind {
    /// Every kind.
    pub const ALL: [Self; 6] =
        [Self::Adjust, Self::Commit, Self::Extend, Self::Release, Self::Reserve, Self::Update];

    /// The name in events and paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Adjust => "adjust",
            Self::Commit => "commit",
            Self::Extend => "extend",
            Self::Release => "release",
            Self::Reserve => "reserve",
            Self::Update => "update",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A command as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum Command {
    /// Change `available` by `delta`.
    Adjust {
        /// Of which item.
        inventory_item_id: InventoryItemId,
        /// At which location; may be left out where there is only one.
        location_id: Option<LocationId>,
        /// By how much, either sign.
        delta: i64,
        /// Why, for the audit trail.
        reason: String,
        /// Repeating the command with the same key changes nothing.
        idempotency_key: Option<String>,
    },
    /// Turn a hold into a sale.
    Commit {
        /// Which hold.
        reservation_id: String,
        /// Through which door the sale went.
        sale: Sale,
        /// The order, when there is one.
        order_id: Option<OrderId>,
    },
    /// Let a hold last longer.
    Extend {
        /// Which hold.
        reservation_id: String,
        /// From now, in seconds.
        ttl_seconds: Option<u32>,
    },
    /// Give a hold back.
    Release {
        /// Which hold.
        reservation_id: String,
    },
    /// Hold stock, all of it or none.
    Reserve {
        /// What to hold.
        items: Vec<ReserveItem>,
        /// Why, for the audit trail.
        reason: String,
        /// For how long, in seconds; 900 when left out.
        ttl_seconds: Option<u32>,
        /// The holder's own reference.
        reference: Option<String>,
        /// Repeating the command with the same key changes nothing.
        idempotency_key: Option<String>,
    },
    /// Set a quantity.
    Update {
        /// Of which item.
        inventory_item_id: InventoryItemId,
        /// At which location; may be left out where there is only one.
        location_id: Option<LocationId>,
        /// To what.
        quantity: i64,
        /// Which quantity; a shelf count is `on_hand`.
        name: Option<SettableName>,
        /// Why, for the audit trail.
        reason: String,
        /// Refuse when the quantity is not this now.
        expected: Option<i64>,
        /// Repeating the command with the same key changes nothing.
        idempotency_key: Option<String>,
    },
}

impl Command {
    /// Its kind.
    pub fn kind(&self) -> CommandKind {
        match self {
            Self::Adjust { .. } => CommandKind::Adjust,
            Self::Commit { .. } => CommandKind::Commit,
            Self::Extend { .. } => CommandKind::Extend,
            Self::Release { .. } => CommandKind::Release,
            Self::Reserve { .. } => CommandKind::Reserve,
            Self::Update { .. } => CommandKind::Update,
        }
    }
}

/// One item to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReserveItem {
    /// Of which item.
    pub inventory_item_id: InventoryItemId,
    /// At which location; may be left out where there is only one.
    pub location_id: Option<LocationId>,
    /// How many; at least 1.
    pub quantity: i64,
}

/// A quantity that `update` may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettableName {
    /// What is sellable.
    Available,
    /// What is on the shelf, sold or not.
    OnHand,
}

/// Through which door a sale went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sale {
    /// Through Shopify: its order takes the stock.
    Order,
    /// Past Shopify: the shop floor, an ERP.
    Outside,
}
