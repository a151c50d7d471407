//! What clients see of a level, an order, a reservation and a command: JSON in camelCase, ids as strings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::command::CommandKind;
use crate::error::ErrorBody;
use crate::id::{
    CustomerId, InventoryItemId, LocationId, OrderId, ProductId, ShopDomain, UserId, VariantId,
};
use crate::money::Money;
use crate::quantity::Quantities;

/// Stock of one item at one location, with everything a screen needs to show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LevelShape {
    /// Whose.
    pub shop: ShopDomain,
    /// Of which item.
    pub inventory_item_id: InventoryItemId,
    /// The item's product, once known.
    pub product_id: Option<ProductId>,
    /// The item's variant, once known.
    pub variant_id: Option<VariantId>,
    /// The merchant's own number; not unique.
    pub sku: Option<String>,
    /// Product and variant title.
    pub title: Option<String>,
    /// At which location.
    pub location_id: LocationId,
    /// As staff know it.
    pub location_name: Option<String>,
    /// Whether the quantities mean anything.
    pub tracked: bool,
    /// Whether the item is stocked there and the location is active.
    pub active: bool,
    /// Sellable: what Shopify was last seen to say plus `pending`.
    pub available: i64,
    /// All other quantities, as Shopify was last seen to say.
    pub quantities: OtherQuantities,
    /// What our own commands, not yet settled at Shopify, will do to `available`.
    pub pending: i64,
    /// At or below this it is low.
    pub threshold: i64,
    /// How `available` compares with it.
    pub status: StockStatus,
    /// Shopify's time of its last change.
    pub updated_at: Timestamp,
}

/// Every quantity but `available`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(
    missing_docs,
    reason = "the fields are the names documented on QuantityName"
)]
pub struct OtherQuantities {
    pub on_hand: i64,
    pub committed: i64,
    pub reserved: i64,
    pub incoming: i64,
    pub damaged: i64,
    pub quality_control: i64,
    pub safety_stock: i64,
}

impl From<Quantities> for OtherQuantities {
    fn from(q: Quantities) -> Self {
        Self {
            on_hand: q.on_hand,
            committed: q.committed,
            reserved: q.reserved,
            incoming: q.incoming,
            damaged: q.damaged,
            quality_control: q.quality_control,
            safety_stock: q.safety_stock,
        }
    }
}

/// How much there is, judged against the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StockStatus {
    /// Above the threshold.
    InStock,
    /// At or below the threshold, above 0.
    LowStock,
    /// At 0 or below.
    OutOfStock,
}

/// What stands of an order in lists and events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderShape {
    /// Which one.
    pub order_id: OrderId,
    /// As people call it.
    pub name: String,
    /// Whose.
    pub customer_id: Option<CustomerId>,
    /// Where it stands.
    pub status: OrderStatus,
    /// Where it stood, when that is what changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous_status: Option<OrderStatus>,
    /// Shopify's own word for the payment, lower case.
    pub financial_status: Option<String>,
    /// Shopify's own word for the fulfilment, lower case.
    pub fulfillment_status: Option<String>,
    /// What is to be paid now.
    pub total: Money,
    /// ISO 4217.
    pub currency: String,
    /// Where it was placed.
    pub channel: Option<String>,
    /// Units still ordered.
    pub item_count: i64,
    /// Shopify's time of its last change.
    pub updated_at: Timestamp,
}

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Placed, not paid.
    Created,
    /// Paid.
    Confirmed,
    /// All of it sent.
    Shipped,
    /// All of it arrived.
    Delivered,
    /// Given up.
    Cancelled,
}

/// Stock set aside for somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservationShape {
    /// Which one.
    pub reservation_id: String,
    /// Where it stands.
    pub state: ReservationState,
    /// The items that it sets aside.
    pub items: Vec<ReservedItem>,
    /// The holder's own reference.
    pub reference: Option<String>,
    /// Why, in the holder's words.
    pub reason: String,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// The user who reserved it.
    pub created_by: UserId,
}

/// One item of a reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReservedItem {
    /// Of which item.
    pub inventory_item_id: InventoryItemId,
    /// At which location.
    pub location_id: LocationId,
    /// How many; at least 1.
    pub quantity: i64,
}

/// Where a reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReservationState {
    /// Held by us, not yet at Shopify.
    Pending,
    /// Held at Shopify.
    Held,
    /// A shopper was faster.
    Rejected,
    /// Became a sale.
    Committed,
    /// Given back.
    Released,
    /// Ran out and was given back.
    Expired,
}

/// A command and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommandShape {
    /// Which one.
    pub command_id: String,
    /// What it asked for.
    pub kind: CommandKind,
    /// Where it stands.
    pub state: CommandState,
    /// Why it did not go through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorBody>,
    /// Who gave it.
    pub by: UserId,
    /// Why, in their words.
    pub reason: String,
    /// `available` before it.
    pub before: Option<i64>,
    /// `available` after it.
    pub after: Option<i64>,
    /// When it was given.
    pub at: Timestamp,
}

/// Where a command stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandState {
    /// Committed here, not yet sent.
    Accepted,
    /// On its way to Shopify.
    Sending,
    /// Shopify did it.
    Confirmed,
    /// The value it started from had changed.
    Conflict,
    /// Shopify refused it.
    Failed,
    /// Nobody knows; a person decides.
    Unknown,
}
