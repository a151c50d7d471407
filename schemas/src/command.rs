//! What staff may ask for, and how it is read from what a client wrote. Carried out elsewhere, by `store`.

mod payload;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::{InventoryItemId, LocationId, OrderId};
use crate::quantity::QUANTITY_MAX;
use crate::shape::{CommandState, LevelShape, ReservationShape, ReservationState};

/// Characters of an id or an idempotency key; a longer one is refused.
const KEY_CHARS_MAX: usize = 128;
/// Characters of a reason; a longer one is refused.
const REASON_CHARS_MAX: usize = 500;
/// Characters of a holder's reference; a longer one is refused.
const REFERENCE_CHARS_MAX: usize = 255;
/// Seconds that a reservation may last: a week.
const TTL_SECONDS_MAX: u32 = 7 * 24 * 60 * 60;
/// Lines of one reserve.
const ITEMS_MAX: usize = 100;

/// The kind of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandKind {
    /// Change `available` by a difference.
    Adjust,
    /// Turn a reservation into a sale.
    Commit,
    /// Let a reservation last longer.
    Extend,
    /// Give a reservation back.
    Release,
    /// Set stock aside for somebody.
    Reserve,
    /// Set a quantity.
    Update,
}

impl CommandKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Adjust,
        Self::Commit,
        Self::Extend,
        Self::Release,
        Self::Reserve,
        Self::Update,
    ];

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
#[serde(
    tag = "kind",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub enum Command {
    /// Change `available` by `delta`.
    Adjust {
        /// Of which item.
        #[schemars(with = "WrittenId")]
        inventory_item_id: InventoryItemId,
        /// At which location; may be left out where there is only one.
        #[schemars(with = "Option<WrittenId>")]
        location_id: Option<LocationId>,
        /// By how much, either sign.
        #[schemars(range(min = -QUANTITY_MAX, max = QUANTITY_MAX))]
        delta: i64,
        /// Why, for the audit trail.
        #[schemars(length(min = 1, max = REASON_CHARS_MAX))]
        reason: String,
        /// Repeating the command with the same key changes nothing.
        #[schemars(length(min = 1, max = KEY_CHARS_MAX))]
        idempotency_key: Option<String>,
    },
    /// Turn a reservation into a sale.
    Commit {
        /// The id that the reserve command was answered with.
        #[schemars(length(min = 1, max = KEY_CHARS_MAX))]
        reservation_id: String,
        /// Through which door the sale went.
        sale: Sale,
        /// The order, when there is one.
        #[schemars(with = "Option<WrittenId>")]
        order_id: Option<OrderId>,
    },
    /// Let a reservation last longer.
    Extend {
        /// The id that the reserve command was answered with.
        #[schemars(length(min = 1, max = KEY_CHARS_MAX))]
        reservation_id: String,
        /// From now, in seconds.
        #[schemars(range(min = 1, max = TTL_SECONDS_MAX))]
        ttl_seconds: Option<u32>,
    },
    /// Give a reservation back.
    Release {
        /// The id that the reserve command was answered with.
        #[schemars(length(min = 1, max = KEY_CHARS_MAX))]
        reservation_id: String,
    },
    /// Reserve stock, all of it or none.
    Reserve {
        /// The items to reserve, each with its location and quantity.
        #[schemars(length(min = 1, max = ITEMS_MAX))]
        items: Vec<ReserveItem>,
        /// Why, for the audit trail.
        #[schemars(length(min = 1, max = REASON_CHARS_MAX))]
        reason: String,
        /// For how long, in seconds; 900 when left out.
        #[schemars(range(min = 1, max = TTL_SECONDS_MAX))]
        ttl_seconds: Option<u32>,
        /// The holder's own reference.
        #[schemars(length(max = REFERENCE_CHARS_MAX))]
        reference: Option<String>,
        /// Repeating the command with the same key changes nothing.
        #[schemars(length(min = 1, max = KEY_CHARS_MAX))]
        idempotency_key: Option<String>,
    },
    /// Set a quantity.
    Update {
        /// Of which item.
        #[schemars(with = "WrittenId")]
        inventory_item_id: InventoryItemId,
        /// At which location; may be left out where there is only one.
        #[schemars(with = "Option<WrittenId>")]
        location_id: Option<LocationId>,
        /// To what.
        #[schemars(range(min = 0, max = QUANTITY_MAX))]
        quantity: i64,
        /// Which quantity; a shelf count is `on_hand`.
        name: Option<SettableName>,
        /// Why, for the audit trail.
        #[schemars(length(min = 1, max = REASON_CHARS_MAX))]
        reason: String,
        /// Refuse when the quantity is not this now.
        #[schemars(range(min = -QUANTITY_MAX, max = QUANTITY_MAX))]
        expected: Option<i64>,
        /// Repeating the command with the same key changes nothing.
        #[schemars(length(min = 1, max = KEY_CHARS_MAX))]
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

/// One item to reserve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReserveItem {
    /// Of which item.
    #[schemars(with = "WrittenId")]
    pub inventory_item_id: InventoryItemId,
    /// At which location; may be left out where there is only one.
    #[schemars(with = "Option<WrittenId>")]
    pub location_id: Option<LocationId>,
    /// How many; at least 1.
    #[schemars(range(min = 1, max = QUANTITY_MAX))]
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

/// An id as clients may write it; answers have it as a decimal string.
struct WrittenId;

impl JsonSchema for WrittenId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Written".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"], "minimum": 1, "minLength": 1, "maxLength": KEY_CHARS_MAX,
        })
    }
}

/// What an `adjust` or `update` is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LevelAnswer {
    /// By which it is found again.
    pub command_id: String,
    /// Where it stands.
    pub state: CommandState,
    /// The level as it is now.
    pub level: Option<LevelShape>,
}

/// What a `reserve` is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReserveAnswer {
    /// By which it is found again.
    pub command_id: String,
    /// By which the reservation is released, extended and committed.
    pub reservation_id: String,
    /// Where the reservation stands.
    pub state: ReservationState,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// The levels as they are now.
    pub levels: Vec<LevelShape>,
}

/// What a `release`, `extend` or `commit` is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservationAnswer {
    /// By which it is found again.
    pub command_id: String,
    /// The hold as it is now.
    pub reservation: ReservationShape,
}
