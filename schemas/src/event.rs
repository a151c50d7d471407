//! An entry of the log, and the data of events. The list of events stands in `kind.rs`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::{
    CustomerId, LocationId, OrderId, ProductId, ShopDomain, TransferId, UserId, VariantId,
    WebhookId,
};
use crate::kind::Logged;
use crate::money::Money;
use crate::offset::{Offset, Sequence};
use crate::room::Room;
use crate::run::Resource;
use crate::shape::{LevelShape, OrderShape};

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place in the log.
    pub offset: Offset,
    /// The shop in which it happened.
    pub shop: ShopDomain,
    /// When it became true here.
    pub at: Timestamp,
    /// What happened; [`Logged::posted`] and [`crate::Event::origin`] tell who says so.
    pub event: Logged,
    /// The length of its stored form in bytes, by which readers weigh it.
    pub bytes: usize,
}

impl LogEntry {
    /// An entry as the log keeps it.
    pub fn new(offset: Offset, shop: ShopDomain, at: Timestamp, event: Logged) -> Self {
        let bytes = event.stored().map_or(0, |json| json.len());
        Self {
            offset,
            shop,
            at,
            event,
            bytes,
        }
    }

    /// Its place in its epoch.
    pub fn sequence(&self) -> Sequence {
        self.offset.sequence
    }
}

/// A level and how it came to be so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LevelChange {
    /// As it is now.
    #[serde(flatten)]
    pub level: LevelShape,
    /// `available` before; `null` when the level is new to us.
    pub previous_available: Option<i64>,
    /// What there is of the whole product at each location, this one included; empty while the product is unknown.
    /// Only for sums of what somebody may see: [`Logged::public_json`] leaves it out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(skip)]
    pub product: Vec<AvailableAt>,
    /// By which way it came.
    pub source: Source,
    /// Our command that did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_id: Option<String>,
}

/// How much is sellable at a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AvailableAt {
    /// Where.
    pub location_id: LocationId,
    /// All variants together.
    pub available: i64,
}

/// By which way a change came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A member of staff.
    Command,
    /// A read of one record, after a hint.
    Read,
    /// A run.
    Sync,
    /// A webhook.
    Webhook,
}

/// An order and what changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderChanged {
    /// As it is now, or last was.
    #[serde(flatten)]
    pub order: OrderShape,
    /// What changed.
    pub change: OrderChange,
    /// The customer's name, where names are enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
    /// Where it is fulfilled; empty while unassigned. Staff limited to locations see an order by it, and
    /// [`Logged::public_json`] leaves it out: other locations are not theirs to know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(skip)]
    pub locations: Vec<LocationId>,
}

/// What changed of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the words say it")]
pub enum OrderChange {
    Created,
    Deleted,
    Fulfillment,
    Payment,
    StatusChanged,
    Updated,
}

/// A payment of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// Of which order.
    pub order_id: OrderId,
    /// Whose.
    pub customer_id: Option<CustomerId>,
    /// How much.
    pub amount: Money,
    /// ISO 4217.
    pub currency: String,
}

/// What stands of a product in events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductShape {
    /// Which one.
    pub product_id: ProductId,
    /// As customers read it.
    pub title: String,
    /// Who makes it.
    pub vendor: String,
    /// Shopify's own word, lower case.
    pub status: String,
    /// Shopify's time of its last change.
    pub updated_at: Timestamp,
}

/// A variant's new price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceChange {
    /// Of which product.
    pub product_id: ProductId,
    /// Of which variant.
    pub variant_id: VariantId,
    /// The merchant's own number.
    pub sku: Option<String>,
    /// Before, in the shop's currency.
    pub previous_price: Money,
    /// Now.
    pub price: Money,
}

/// A customer record changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerActivity {
    /// Whose.
    pub customer_id: CustomerId,
    /// `created`, `updated` or `deleted`.
    pub activity: String,
}

/// A customer comes or leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerPresence {
    /// Who.
    pub customer_id: CustomerId,
}

/// Stock on its way from one location to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// Which one.
    pub transfer_id: TransferId,
    /// Shopify's own word, lower case; `null` where it says only that its items or shipments are others.
    pub status: Option<String>,
    /// From where; `null` when that is no location of the shop's, or no longer.
    pub origin_id: Option<LocationId>,
    /// To where; `null` as for `originId`.
    pub destination_id: Option<LocationId>,
    /// Units of all items together, where Shopify lists them.
    pub quantity: Option<i64>,
    /// Shopify's time of it.
    pub happened_at: Timestamp,
}

/// What a run had to correct although it should have come earlier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// By which run.
    pub run_id: crate::id::RunId,
    /// Of what.
    pub resource: Resource,
    /// How many records.
    pub records: u64,
}

/// A webhook arrived and is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookReceived {
    /// For instance `inventory_levels/update`.
    pub topic: String,
    /// From whom.
    pub shop: ShopDomain,
    /// Which delivery.
    pub webhook_id: WebhookId,
    /// When.
    pub received_at: Timestamp,
}

/// Something to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// For whom, when for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// In one line.
    pub title: String,
    /// In full.
    pub message: String,
}

/// Somebody writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Typing {
    /// Who. They are not told of it themselves.
    pub user_id: UserId,
    /// Where.
    #[schemars(with = "String")]
    pub room: Room,
    /// Where, as their client calls it.
    pub room_id: String,
    /// Or no longer.
    pub is_typing: bool,
}

impl LevelChange {
    /// The change without what only decides what somebody is told of it.
    #[must_use]
    pub fn public(&self) -> Self {
        Self {
            level: self.level.clone(),
            previous_available: self.previous_available,
            product: Vec::new(),
            source: self.source,
            command_id: self.command_id.clone(),
        }
    }
}

impl OrderChanged {
    /// The change without what only decides who sees it.
    #[must_use]
    pub fn public(&self) -> Self {
        Self {
            order: self.order.clone(),
            change: self.change,
            customer_name: self.customer_name.clone(),
            locations: Vec::new(),
        }
    }
}
