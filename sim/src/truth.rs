//! The dump of everything the shop believes, to compare with what an app believes.

use serde_json::{Map, Value, json};

use crate::record::{
    Item, STATES, SimCustomer, SimLevel, SimLocation, SimOrder, SimProduct, SimVariant, price,
};
use crate::store::SimStore;
use crate::transfer::{SimTransfer, SimTransferLine};

/// Everything, with ids as numeric strings and times in UTC. It is a text: as values, a large shop takes gigabytes.
pub(crate) fn truth(store: &SimStore) -> String {
    let mut text = format!("{{\"shop\":{}", json!(store.shop.domain));
    section(&mut text, "products", store.products.iter().map(product));
    section(
        &mut text,
        "variants",
        store.variants.iter().map(|row| variant(store, row)),
    );
    section(&mut text, "inventoryItems", store.items.iter().map(item));
    section(
        &mut text,
        "levels",
        store
            .levels
            .values()
            .flat_map(|levels| levels.iter().map(level)),
    );
    section(&mut text, "orders", store.orders.iter().map(order));
    section(&mut text, "customers", store.customers.iter().map(customer));
    section(&mut text, "locations", store.locations.iter().map(location));
    section(
        &mut text,
        "transfers",
        store.transfers.values().map(transfer),
    );
    text.push('}');
    text
}

fn section(text: &mut String, name: &str, rows: impl Iterator<Item = Value>) {
    text.extend([",\"", name, "\":["]);
    for (number, row) in rows.enumerate() {
        if number > 0 {
            text.push(',');
        }
        text.push_str(&row.to_string());
    }
    text.push(']');
}

fn variant(store: &SimStore, variant: &SimVariant) -> Value {
    json!({
        "id": variant.id.to_string(),
        "productId": variant.product.to_string(),
        "inventoryItemId": variant.item.to_string(),
        "title": variant.title,
        "sku": variant.sku,
        "barcode": variant.barcode,
        "price": price(variant.price),
        "position": variant.position,
        "inventoryPolicy": if variant.oversell { "CONTINUE" } else { "DENY" },
        "inventoryQuantity": store.available(variant.item),
        "createdAt": variant.created_at,
        "updatedAt": variant.updated_at,
    })
}

pub(crate) fn transfer(transfer: &SimTransfer) -> Value {
    let line = |line: &SimTransferLine| json!({ "id": line.id.to_string(), "inventoryItemId": line.item.to_string(), "quantity": line.quantity });
    json!({
        "id": transfer.id.to_string(),
        "originId": transfer.origin.map(|id| id.to_string()),
        "destinationId": transfer.destination.to_string(),
        "status": transfer.status().name(),
        "lineItems": transfer.lines.iter().map(line).collect::<Vec<_>>(),
    })
}

fn item(item: &Item) -> Value {
    json!({
        "id": item.id.to_string(),
        "variantId": item.variant.to_string(),
        "sku": item.sku,
        "tracked": item.tracked,
        "createdAt": item.created_at,
        "updatedAt": item.updated_at,
    })
}

fn customer(customer: &SimCustomer) -> Value {
    json!({
        "id": customer.id.to_string(),
        "name": format!("{} {}", customer.first_name, customer.last_name),
        "orders": customer.orders,
        "createdAt": customer.created_at,
        "updatedAt": customer.updated_at,
    })
}

pub(crate) fn product(product: &SimProduct) -> Value {
    json!({
        "id": product.id.to_string(),
        "title": product.title,
        "handle": product.handle,
        "vendor": product.vendor,
        "productType": product.kind,
        "status": "ACTIVE",
        "tags": product.tags,
        "variants": product.variants.iter().map(u64::to_string).collect::<Vec<_>>(),
        "createdAt": product.created_at,
        "updatedAt": product.updated_at,
    })
}

pub(crate) fn location(location: &SimLocation) -> Value {
    json!({
        "id": location.id.to_string(),
        "name": location.name,
        "active": location.active,
        "fulfillmentService": location.service,
        "createdAt": location.created_at,
        "updatedAt": location.updated_at,
    })
}

pub(crate) fn level(level: &SimLevel) -> Value {
    let mut row = Map::from_iter([
        ("inventoryItemId".to_owned(), json!(level.item.to_string())),
        ("locationId".to_owned(), json!(level.location.to_string())),
        ("levelId".to_owned(), json!(level.gid())),
        ("active".to_owned(), json!(level.active)),
        ("on_hand".to_owned(), json!(level.on_hand())),
        ("updatedAt".to_owned(), json!(level.updated_at)),
    ]);
    row.extend(
        STATES
            .iter()
            .zip(level.quantities)
            .map(|(state, units)| ((*state).to_owned(), json!(units))),
    );
    Value::Object(row)
}

/// An order as the dump and the answer to a sale have it.
pub(crate) fn order(order: &SimOrder) -> Value {
    let lines = order.lines.iter().map(|line| {
        json!({
            "id": line.id.to_string(),
            "variantId": line.variant.to_string(),
            "productId": line.product.to_string(),
            "inventoryItemId": line.item.to_string(),
            "locationId": line.location.to_string(),
            "sku": line.sku,
            "price": price(line.price),
            "quantity": line.quantity,
            "currentQuantity": line.current_quantity,
            "unfulfilledQuantity": line.unfulfilled,
        })
    });
    json!({
        "id": order.id.to_string(),
        "name": format!("#{}", order.number),
        "customerId": order.customer.to_string(),
        "displayFinancialStatus": order.payment.name(),
        "displayFulfillmentStatus": order.shipment().name(),
        "delivered": !order.fulfillments.is_empty() && order.fulfillments.iter().all(|row| row.delivered),
        "cancelledAt": order.cancelled_at,
        "totalPrice": price(order.total()),
        "lineItems": lines.collect::<Vec<_>>(),
        "createdAt": order.created_at,
        "updatedAt": order.updated_at,
    })
}
