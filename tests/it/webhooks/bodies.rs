//! Bodies of webhooks: reduced to what matters, with invented values around the ids of a pretend store.

use serde_json::{Value, json};

const AT: &str = "2026-11-01T09:30:00-05:00";

fn number(id: &Value) -> u64 {
    id.as_str().unwrap().parse().unwrap()
}

/// An order as the shop would send it.
pub(super) fn order(order: &Value) -> Value {
    let lines = order["lineItems"].as_array().unwrap().iter().map(|line| {
        json!({
            "id": number(&line["id"]),
            "variant_id": number(&line["variantId"]),
            "title": "Invented",
            "sku": line["sku"],
            "quantity": line["quantity"],
            "current_quantity": line["currentQuantity"],
        })
    });
    json!({
        "id": number(&order["id"]),
        "name": order["name"],
        "customer": { "id": number(&order["customerId"]) },
        "financial_status": "pending",
        "fulfillment_status": null,
        "current_total_price": order["totalPrice"],
        "currency": "USD",
        "source_name": "web",
        "fulfillments": [],
        "line_items": lines.collect::<Vec<_>>(),
        "created_at": order["createdAt"],
        "updated_at": order["updatedAt"],
    })
}

/// A product as the shop would send it, without its variants.
pub(super) fn product(product: &Value) -> Value {
    json!({
        "id": number(&product["id"]),
        "title": product["title"],
        "handle": product["handle"],
        "vendor": product["vendor"],
        "product_type": product["productType"],
        "status": "active",
        "updated_at": product["updatedAt"],
    })
}

/// A body of every topic, about what the store has or, where that does not matter, about nothing it has.
pub(super) fn every_topic(truth: &Value, sold: &Value) -> Vec<(&'static str, Value)> {
    let (item, location) = (&truth["inventoryItems"][0], &truth["locations"][0]);
    let level = json!({
        "inventory_item_id": number(&item["id"]), "location_id": number(&location["id"]),
        "available": 3, "updated_at": AT,
    });
    let item =
        json!({ "id": number(&item["id"]), "sku": item["sku"], "tracked": true, "updated_at": AT });
    let location = json!({
        "id": number(&location["id"]), "name": location["name"], "active": true,
        "updated_at": location["updatedAt"],
    });
    let customer = &truth["customers"][0];
    let (id, created, updated) = (
        number(&customer["id"]),
        &customer["createdAt"],
        &customer["updatedAt"],
    );
    let email = "nobody@shop.example";
    let customer = json!({
        "id": id, "created_at": created, "updated_at": updated, "email": email,
        "admin_graphql_api_id": format!("gid://shopify/Customer/{id}"),
    });
    let shop = json!({ "shop_id": 79, "shop_domain": tests::DOMAIN });
    let mut asked = shop.clone();
    asked["customer"] = json!({ "id": id, "email": email });
    asked["data_request"] = json!({ "id": 80 });
    let finished = json!({ "admin_graphql_api_id": "gid://shopify/BulkOperation/81", "status": "completed", "type": "query" });
    let of_order = json!({ "id": 72, "order_id": number(&sold["id"]) });
    let product = product(&truth["products"][0]);
    let variant = json!({ "id": 73, "product_id": product["id"] });
    let transfer = json!({ "id": "gid://shopify/InventoryTransfer/82", "happened_at": AT, "status": "READY_TO_SHIP" });
    let gone = |id: u64| json!({ "id": id });
    let nothing = json!({});
    vec![
        ("app/uninstalled", nothing.clone()),
        (
            "app/scopes_update",
            json!({ "previous": [], "current": ["read_products"] }),
        ),
        ("bulk_operations/finish", finished),
        ("customers/create", customer.clone()),
        ("customers/data_request", asked),
        ("customers/delete", gone(id)),
        ("customers/update", customer),
        ("fulfillments/create", of_order.clone()),
        ("fulfillments/update", of_order.clone()),
        ("inventory_items/create", item.clone()),
        ("inventory_items/delete", gone(74)),
        ("inventory_items/update", item),
        ("inventory_levels/connect", level.clone()),
        ("inventory_levels/disconnect", level.clone()),
        ("inventory_levels/update", level),
        ("inventory_transfers/add_items", transfer.clone()),
        ("inventory_transfers/cancel", transfer.clone()),
        ("inventory_transfers/complete", transfer.clone()),
        ("inventory_transfers/ready_to_ship", transfer.clone()),
        ("inventory_transfers/remove_items", transfer.clone()),
        (
            "inventory_transfers/update_item_quantities",
            transfer.clone(),
        ),
        ("inventory_transfers/updated", transfer),
        ("locations/activate", location.clone()),
        ("locations/create", location.clone()),
        ("locations/deactivate", location.clone()),
        ("locations/delete", gone(75)),
        ("locations/update", location),
        ("order_transactions/create", of_order.clone()),
        ("orders/cancelled", order(sold)),
        ("orders/create", order(sold)),
        ("orders/delete", gone(76)),
        (
            "orders/edited",
            json!({ "order_edit": { "id": 77, "order_id": number(&sold["id"]) } }),
        ),
        ("orders/fulfilled", order(sold)),
        ("orders/paid", order(sold)),
        ("orders/partially_fulfilled", order(sold)),
        ("orders/updated", order(sold)),
        ("products/create", product.clone()),
        ("products/delete", gone(78)),
        ("products/update", product),
        ("refunds/create", of_order),
        ("shop/redact", shop),
        ("shop/update", nothing),
        ("variants/in_stock", variant.clone()),
        ("variants/out_of_stock", variant),
    ]
}
