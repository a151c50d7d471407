//! The mirror's records: what we keep of Shopify's objects, and nothing that stock keeping does not need.
//!
//! Each carries `updated_at`, Shopify's own time of its last change, which decides between two versions. In JSON an id is
//! called by what it names, as in events (`orderId`); databases of before hold it as `id`, which is still read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::{
    CustomerId, InventoryItemId, LevelGid, LineItemId, LocationId, OrderId, ProductId,
    TransactionId, VariantId,
};
use crate::money::Money;
use crate::quantity::Quantities;
use crate::shape::OrderStatus;

/// A place that holds stock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// Which one.
    #[serde(rename = "locationId", alias = "id")]
    pub id: LocationId,
    /// As staff know it.
    pub name: String,
    /// Whether stock can be sold there.
    pub active: bool,
    /// Whether it belongs to a fulfilment service, which keeps its stock itself.
    pub fulfillment_service: bool,
    /// Shopify's time of its last change.
    pub updated_at: Timestamp,
}

/// A product, without its variants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// Which one.
    #[serde(rename = "productId", alias = "id")]
    pub id: ProductId,
    /// As customers read it.
    pub title: String,
    /// Its name in URLs.
    pub handle: String,
    /// Who makes it; thresholds may be set per vendor.
    pub vendor: String,
    /// The merchant's own category.
    pub product_type: String,
    /// `active`, `archived`, `draft` or whatever Shopify adds, in lower case.
    pub status: String,
    /// Shopify's time of its last change.
    pub updated_at: Timestamp,
}

/// A variant of a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Variant {
    /// Which one.
    #[serde(rename = "variantId", alias = "id")]
    pub id: VariantId,
    /// Of which product.
    pub product_id: ProductId,
    /// For instance `Small / Red`.
    pub title: String,
    /// The merchant's own number; not unique.
    pub sku: Option<String>,
    /// EAN, UPC or whatever is printed on it.
    pub barcode: Option<String>,
    /// In the shop's currency.
    pub price: Money,
    /// Whether Shopify goes on selling at zero (`inventoryPolicy: CONTINUE`).
    pub continue_selling: bool,
    /// Whether it is put together from others and has no stock of its own. `None` where a body does not say.
    pub bundle: Option<bool>,
    /// What its stock is counted of. `None` where a body does not say.
    pub inventory_item_id: Option<InventoryItemId>,
    /// Shopify's time of its last change.
    pub updated_at: Timestamp,
}

/// What stock is counted of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryItem {
    /// Which one.
    #[serde(rename = "inventoryItemId", alias = "id")]
    pub id: InventoryItemId,
    /// The same as its variant's.
    pub sku: Option<String>,
    /// Whether its quantities mean anything.
    pub tracked: bool,
    /// Shopify's time of its last change.
    pub updated_at: Timestamp,
}

/// A level with all its quantities, as Shopify was last seen to say: never mixed with what we expect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Level {
    /// Of which item.
    pub inventory_item_id: InventoryItemId,
    /// At which location.
    pub location_id: LocationId,
    /// Shopify's id of it; unknown until something carried it.
    pub gid: Option<LevelGid>,
    /// Whether the item is stocked there.
    pub active: bool,
    /// Every quantity by name.
    pub quantities: Quantities,
    /// Shopify's time of its last change, to the second.
    pub updated_at: Timestamp,
}

/// An order with its lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// Which one.
    #[serde(rename = "orderId", alias = "id")]
    pub id: OrderId,
    /// As people call it, for instance `#1001`.
    pub name: String,
    /// Whose; absent at the till.
    pub customer_id: Option<CustomerId>,
    /// Where it stands, derived from the two below and from fulfilments.
    pub status: OrderStatus,
    /// `pending`, `paid`, `refunded`, …: lower case, as the webhook spells it.
    pub financial_status: Option<String>,
    /// `fulfilled`, `partial`, …; absent while nothing was sent.
    pub fulfillment_status: Option<String>,
    /// What is to be paid now, after edits and refunds.
    pub total: Money,
    /// ISO 4217.
    pub currency: String,
    /// Where it was placed: `web`, `pos`, an app.
    pub channel: Option<String>,
    /// Where it is or was fulfilled, ascending; empty while unassigned.
    pub locations: Vec<LocationId>,
    /// What was ordered, by line id.
    pub lines: Vec<OrderLine>,
    /// What came of its payments so far, by id. `None` where a body does not say. Not everybody who may see the order
    /// may see them, so they are no part of its JSON.
    #[serde(skip)]
    pub payments: Option<Vec<Transaction>>,
    /// When it was placed.
    pub created_at: Timestamp,
    /// Shopify's time of its last change.
    pub updated_at: Timestamp,
}

/// A movement of money that has come to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// Which one.
    pub id: TransactionId,
    /// How it ended.
    pub outcome: PaymentOutcome,
    /// How much, never negative.
    pub amount: Money,
    /// ISO 4217.
    pub currency: String,
}

/// How a movement of money ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentOutcome {
    /// The customer's money did not come.
    Failed,
    /// The customer's money came.
    Received,
    /// The customer has it back.
    Refunded,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderLine {
    /// Which one.
    #[serde(rename = "lineItemId", alias = "id")]
    pub id: LineItemId,
    /// What was ordered; absent for custom lines and deleted products.
    pub variant_id: Option<VariantId>,
    /// As it was called when ordered.
    pub title: String,
    /// The merchant's own number when ordered.
    pub sku: Option<String>,
    /// Still ordered, without removed and refunded units.
    pub quantity: i64,
}

/// A customer: that there is one, and of the person nothing, or the name where an administrator wants it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// Which one.
    #[serde(rename = "customerId", alias = "id")]
    pub id: CustomerId,
    /// First and last name. Absent where there is none, where names are not enabled, and where Shopify withholds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
    /// Shopify's time of its last change.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_an_older_database_is_read_and_told_by_the_name_of_today() {
        let held = serde_json::json!({
            "id": "7", "name": "Here", "active": true, "fulfillmentService": false,
            "updatedAt": "2026-01-01T00:00:00Z",
        });
        let told = serde_json::to_value(serde_json::from_value::<Location>(held).unwrap()).unwrap();
        assert_eq!(
            (&told["locationId"], told.get("id")),
            (&serde_json::json!("7"), None)
        );
    }
}
