//! The dump of everything the shop believes, to compare with what an app believes.

use serde_json::{Map, Value, json};

use crate::record::{Level, Location, Order, Product, STATES, price};
use crate::store::Store;

/// Everything, with ids as numeric strings and times in UTC.
pub(crate) fn truth(store: &Store) -> Value {
    let variants: Vec<Value> = store
        .variants
        .iter()
        .map(|variant| {
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
        })
        .collect();
    let items = store.items.iter().map(|item| {
        json!({
            "id": item.id.to_string(),
            "variantId": item.variant.to_string(),
            "sku": item.sku,
            "tracked": true,
            "createdAt": item.created_at,
            "updatedAt": item.updated_at,
        })
    });
    let customers = store.customers.iter().map(|customer| {
        json!({
            "id": customer.id.to_string(),
            "orders": customer.orders,
            "createdAt": customer.created_at,
            "updatedAt": customer.updated_at,
        })
    });
    let levels = store.levels.values().flat_map(|levels| levels.iter().map(level));
    json!({
        "shop": store.shop.domain,
        "products": store.products.iter().map(product).collect::<Vec<_>>(),
        "variants": variants,
        "inventoryItems": items.collect::<Vec<_>>(),
        "levels": levels.collect::<Vec<_>>(),
        "orders": store.orders.iter().map(order).collect::<Vec<_>>(),
        "customers": customers.collect::<Vec<_>>(),
        "locations": store.locations.iter().map(location).collect::<Vec<_>>(),
    })
}

pub(crate) fn product(product: &Product) -> Value {
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

pub(crate) fn location(location: &Location) -> Value {
    json!({
        "id": location.id.to_string(),
        "name": location.name,
        "active": location.active,
        "createdAt": location.created_at,
        "updatedAt": location.updated_at,
    })
}

pub(crate) fn level(level: &Level) -> Value {
    let mut row = Map::from_iter([
        ("inventoryItemId".to_owned(), json!(level.item.to_string())),
        ("locationId".to_owned(), json!(level.location.to_string())),
        ("levelId".to_owned(), json!(level.gid())),
        ("active".to_owned(), json!(level.active)),
        ("on_hand".to_owned(), json!(level.on_hand())),
        ("updatedAt".to_owned(), json!(level.updated_at)),
    ]);
    row.extend(STATES.iter().zip(level.quantities).map(|(state, units)| ((*state).to_owned(), json!(units))));
    Value::Object(row)
}

/// An order as the dump and the answer to a sale have it.
pub(crate) fn order(order: &Order) -> Value {
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
        "displayFulfillmentStatus": if order.fulfilled() { "FULFILLED" } else { "UNFULFILLED" },
        "delivered": order.fulfillments.iter().any(|fulfillment| fulfillment.delivered),
        "cancelledAt": order.cancelled_at,
        "totalPrice": price(order.total()),
        "lineItems": lines.collect::<Vec<_>>(),
        "createdAt": order.created_at,
        "updatedAt": order.updated_at,
    })
}
