//! What each webhook topic says about the store.

use schemas::{
    Change, CustomerId, InventoryItemId, LocationId, OrderId, ProductId, RecordKey, Timestamp, json,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::body;
use crate::notice::{self, Notice};

/// The topics to subscribe to, each with the scope without which Shopify refuses it; transfers need one that stockd can do
/// without.
///
/// [`read`] knows some more, which say nothing that one of these does not: every other order topic comes together with
/// `orders/updated`. The three about privacy are set up in the app's own configuration
/// (<https://shopify.dev/docs/api/webhooks>, API 2026-10).
pub const TOPICS: [(&str, Option<&str>); 36] = [
    ("app/scopes_update", None),
    ("app/uninstalled", None),
    ("bulk_operations/finish", None),
    ("customers/create", Some("read_customers")),
    ("customers/delete", Some("read_customers")),
    ("customers/update", Some("read_customers")),
    ("fulfillments/create", Some("read_fulfillments")),
    ("fulfillments/update", Some("read_fulfillments")),
    ("inventory_items/create", Some("read_inventory")),
    ("inventory_items/delete", Some("read_inventory")),
    ("inventory_items/update", Some("read_inventory")),
    ("inventory_levels/connect", Some("read_inventory")),
    ("inventory_levels/disconnect", Some("read_inventory")),
    ("inventory_levels/update", Some("read_inventory")),
    (
        "inventory_transfers/add_items",
        Some("read_inventory_transfers"),
    ),
    (
        "inventory_transfers/cancel",
        Some("read_inventory_transfers"),
    ),
    (
        "inventory_transfers/complete",
        Some("read_inventory_transfers"),
    ),
    (
        "inventory_transfers/ready_to_ship",
        Some("read_inventory_transfers"),
    ),
    (
        "inventory_transfers/remove_items",
        Some("read_inventory_transfers"),
    ),
    (
        "inventory_transfers/update_item_quantities",
        Some("read_inventory_transfers"),
    ),
    (
        "inventory_transfers/updated",
        Some("read_inventory_transfers"),
    ),
    ("locations/activate", Some("read_locations")),
    ("locations/create", Some("read_locations")),
    ("locations/deactivate", Some("read_locations")),
    ("locations/delete", Some("read_locations")),
    ("locations/update", Some("read_locations")),
    ("order_transactions/create", Some("read_orders")),
    ("orders/create", Some("read_orders")),
    ("orders/delete", Some("read_orders")),
    ("orders/edited", Some("read_orders")),
    ("orders/updated", Some("read_orders")),
    ("products/create", Some("read_products")),
    ("products/delete", Some("read_products")),
    ("products/update", Some("read_products")),
    ("refunds/create", Some("read_orders")),
    ("shop/update", None),
];

/// What a webhook's body says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum WebhookReading {
    /// What it says about records, in order.
    Changes(Vec<Change>),
    /// Nothing that concerns us.
    Ignored,
    /// Something is to be done.
    Notice(Notice),
}

/// Why the body of a topic that we mirror cannot be read. It never repeats anything out of the body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableBody {
    /// A field without which nothing can be said.
    #[error("the body lacks `{field}`")]
    Lacks {
        /// Name of the missing field.
        field: &'static str,
    },
    /// Neither the body nor the delivery says when it was so.
    #[error("the body has no time of its change, and its delivery has none either")]
    NoTime,
    /// The body is no JSON.
    #[error("the body is not JSON from line {line}, column {column} on")]
    NotJson {
        /// Line, counted from 1.
        line: usize,
        /// In bytes, counted from 1.
        column: usize,
    },
    /// JSON, but something is missing or of another kind.
    #[error("the body is not as documented at `{path}`")]
    Shape {
        /// Where in the body; `.` is its top.
        path: String,
    },
}

/// Reads a webhook's body (<https://shopify.dev/docs/api/webhooks>, API 2026-10).
///
/// `triggered_at` is the delivery's time; it stands in where the body has none. Fields and enum values that
/// Shopify adds are no error, and neither is a topic that is not mirrored. `names`: whether customers' names are wanted.
///
/// # Errors
/// When the body of a topic that is mirrored is not as documented.
pub fn read(
    topic: &str,
    body: &[u8],
    triggered_at: Option<Timestamp>,
    names: bool,
) -> Result<WebhookReading, UnreadableBody> {
    let change = match topic {
        "customers/create" | "customers/update" => {
            parse::<body::CustomerBody>(body)?.change(triggered_at, names)?
        }
        "customers/delete" => dirty(RecordKey::Customer, parse::<BodyId<CustomerId>>(body)?.id),

        "inventory_items/create" | "inventory_items/update" => {
            parse::<body::ItemBody>(body)?.change(triggered_at)?
        }
        "inventory_items/delete" => {
            dirty(RecordKey::Item, parse::<BodyId<InventoryItemId>>(body)?.id)
        }

        "inventory_levels/connect" | "inventory_levels/update" => {
            parse::<body::LevelBody>(body)?.change(triggered_at)?
        }
        "inventory_levels/disconnect" => {
            let level: LevelIds = parse(body)?;
            Change::LookAgain(RecordKey::Level(level.inventory_item_id, level.location_id))
        }

        "inventory_transfers/cancel"
        | "inventory_transfers/complete"
        | "inventory_transfers/ready_to_ship" => {
            let transfer = parse::<body::TransferBody>(body)?.told(triggered_at)?;
            if transfer.status.is_none() {
                return Err(UnreadableBody::Lacks { field: "status" });
            }
            Change::Transfer(transfer)
        }
        "inventory_transfers/add_items"
        | "inventory_transfers/remove_items"
        | "inventory_transfers/update_item_quantities"
        | "inventory_transfers/updated" => {
            Change::Transfer(parse::<body::TransferBody>(body)?.told(triggered_at)?)
        }

        "locations/activate" | "locations/create" | "locations/deactivate" | "locations/update" => {
            parse::<body::LocationBody>(body)?.change(triggered_at)?
        }
        "locations/delete" => dirty(RecordKey::Location, parse::<BodyId<LocationId>>(body)?.id),

        "orders/cancelled"
        | "orders/create"
        | "orders/fulfilled"
        | "orders/paid"
        | "orders/partially_fulfilled"
        | "orders/updated" => {
            return parse::<body::OrderBody>(body)?
                .changes(triggered_at, names)
                .map(WebhookReading::Changes);
        }
        "orders/delete" => dirty(RecordKey::Order, parse::<BodyId<OrderId>>(body)?.id),
        // Its body lists differences, always positive, with which nothing can be computed.
        "orders/edited" => dirty(
            RecordKey::Order,
            parse::<OrderEdited>(body)?.order_edit.order_id,
        ),
        "fulfillments/create"
        | "fulfillments/update"
        | "order_transactions/create"
        | "refunds/create" => dirty(RecordKey::Order, parse::<OfOrder>(body)?.order_id),

        "products/create" | "products/update" => {
            return parse::<body::ProductBody>(body)?
                .changes(triggered_at)
                .map(WebhookReading::Changes);
        }
        "products/delete" => dirty(RecordKey::Product, parse::<BodyId<ProductId>>(body)?.id),
        "variants/in_stock" | "variants/out_of_stock" => {
            dirty(RecordKey::Product, parse::<OfProduct>(body)?.product_id)
        }

        _ => {
            return Ok(
                notice::read(topic, body)?.map_or(WebhookReading::Ignored, WebhookReading::Notice)
            );
        }
    };
    Ok(WebhookReading::Changes(vec![change]))
}

#[derive(Deserialize)]
struct BodyId<T> {
    id: T,
}

#[derive(Deserialize)]
struct LevelIds {
    inventory_item_id: InventoryItemId,
    location_id: LocationId,
}

#[derive(Deserialize)]
struct OfOrder {
    order_id: OrderId,
}

#[derive(Deserialize)]
struct OrderEdited {
    order_edit: OfOrder,
}

#[derive(Deserialize)]
struct OfProduct {
    product_id: ProductId,
}

/// The record that a body is about, where nothing but that can be read of it.
///
/// The topic is not signed: a body that names itself as another kind of record names none of this topic's.
pub fn concerns(topic: &str, body: &[u8]) -> Option<RecordKey> {
    let body: Value = json::read(body).ok()?;
    let order = |body: &Value| id(body, "order_id").map(RecordKey::Order);
    let (key, gid) = match topic.split_once('/')?.0 {
        "customers" => {
            id::<CustomerId>(&body, "id").map(|id| (RecordKey::Customer(id), id.gid()))?
        }
        "inventory_items" => {
            id::<InventoryItemId>(&body, "id").map(|id| (RecordKey::Item(id), id.gid()))?
        }
        "inventory_levels" => {
            let level = (id(&body, "inventory_item_id")?, id(&body, "location_id")?);
            return Some(RecordKey::Level(level.0, level.1));
        }
        "locations" => {
            id::<LocationId>(&body, "id").map(|id| (RecordKey::Location(id), id.gid()))?
        }
        "orders" if topic == "orders/edited" => return order(body.get("order_edit")?),
        "orders" => id::<OrderId>(&body, "id").map(|id| (RecordKey::Order(id), id.gid()))?,
        "fulfillments" | "order_transactions" | "refunds" => return order(&body),
        "products" => id::<ProductId>(&body, "id").map(|id| (RecordKey::Product(id), id.gid()))?,
        "variants" => return id(&body, "product_id").map(RecordKey::Product),
        _ => return None,
    };
    body.get("admin_graphql_api_id")
        .is_none_or(|own| *own == gid)
        .then_some(key)
}

fn id<T: DeserializeOwned>(body: &Value, name: &str) -> Option<T> {
    T::deserialize(body.get(name)?).ok()
}

fn dirty<T>(key: fn(T) -> RecordKey, id: T) -> Change {
    Change::LookAgain(key(id))
}

pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, UnreadableBody> {
    let read = |body: &[u8]| {
        serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(body))
    };
    let read =
        read(body).or_else(|error| json::mended(body).map_or(Err(error), |body| read(&body)));
    read.map_err(|error| {
        // serde's own words repeat the offending value, and the path to a syntax error may name unknown keys.
        if error.inner().is_data() {
            UnreadableBody::Shape {
                path: error.path().to_string(),
            }
        } else {
            UnreadableBody::NotJson {
                line: error.inner().line(),
                column: error.inner().column(),
            }
        }
    })
}

#[cfg(test)]
mod tests;
