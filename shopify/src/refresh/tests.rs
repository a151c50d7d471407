//! Readings of single records: found, gone, and found by another way.

use schemas::record::PaymentOutcome;
use schemas::shape::OrderStatus;
use serde_json::{Value, json};

use super::*;
use crate::fake::{Fake, data};

fn level_key(item: u64, location: u64) -> RecordKey {
    RecordKey::Level(item.try_into().unwrap(), location.try_into().unwrap())
}

fn level(item: u64, location: u64) -> Value {
    json!({
        "id": format!("gid://shopify/InventoryLevel/9{item}?inventory_item_id={item}"), "isActive": true,
        "updatedAt": "2026-11-19T10:00:00Z", "item": { "id": format!("gid://shopify/InventoryItem/{item}") },
        "location": { "id": format!("gid://shopify/Location/{location}") },
        "quantities": [{ "name": "available", "quantity": item }],
    })
}

fn gid(item: u64) -> Option<LevelGid> {
    format!("gid://shopify/InventoryLevel/9{item}?inventory_item_id={item}")
        .parse()
        .ok()
}

fn variant(number: u64) -> Value {
    json!({
        "id": format!("gid://shopify/ProductVariant/{number}"), "title": "Small", "sku": null, "barcode": null,
        "price": "1.00", "inventoryPolicy": "DENY", "requiresComponents": false, "updatedAt": "2026-11-19T10:00:00Z",
        "inventoryItem": {
            "id": format!("gid://shopify/InventoryItem/{number}"), "sku": null, "tracked": true,
            "updatedAt": "2026-11-19T10:00:00Z",
        },
    })
}

fn product(updated_at: &str, variants: &[u64], end_cursor: Option<&str>) -> Value {
    let nodes: Vec<_> = variants.iter().copied().map(variant).collect();
    json!({ "product": {
        "id": "gid://shopify/Product/1", "title": "Lamp", "handle": "lamp", "vendor": "", "productType": "",
        "status": "ACTIVE", "updatedAt": updated_at,
        "variants": { "nodes": nodes, "pageInfo": { "hasNextPage": end_cursor.is_some(), "endCursor": end_cursor } },
    }})
}

fn order(updated_at: &str, line: u64, end_cursor: Option<&str>) -> Value {
    json!({ "order": {
        "id": "gid://shopify/Order/1", "name": "#1", "createdAt": "2026-11-19T10:00:00Z", "updatedAt": updated_at,
        "cancelledAt": null, "displayFinancialStatus": "PARTIALLY_PAID", "displayFulfillmentStatus": "FULFILLED",
        "sourceName": "pos", "currencyCode": "EUR", "currentTotalPriceSet": { "shopMoney": { "amount": "55.0" } },
        "customer": { "id": "gid://shopify/Customer/5" }, "retailLocation": { "id": "gid://shopify/Location/9" },
        "fulfillments": [
            { "status": "SUCCESS", "displayStatus": "DELIVERED", "location": { "id": "gid://shopify/Location/8" } },
            { "status": "CANCELLED", "displayStatus": "CANCELED", "location": null },
        ],
        "transactions": [
            transaction(7, "REFUND", "SUCCESS"), transaction(6, "REFUND", "FAILURE"), transaction(5, "CAPTURE", "SUCCESS"),
            transaction(4, "SALE", "FAILURE"), transaction(3, "AUTHORIZATION", "SUCCESS"), transaction(2, "SALE", "PENDING"),
            transaction(1, "VOID", "SUCCESS"),
        ],
        "lineItems": {
            "nodes": [{
                "id": format!("gid://shopify/LineItem/{line}"), "title": "Lamp", "sku": "", "currentQuantity": 2,
                "variant": null,
            }],
            "pageInfo": { "hasNextPage": end_cursor.is_some(), "endCursor": end_cursor },
        },
    }})
}

/// The same as the answer to the first question, which is for several: there is more of it than fits there.
fn begun(one: &Value, name: &str) -> Value {
    json!({ "nodes": [one[name]] })
}

fn transaction(id: u64, kind: &str, status: &str) -> Value {
    json!({
        "id": format!("gid://shopify/OrderTransaction/{id}"), "kind": kind, "status": status,
        "amountSet": { "shopMoney": { "amount": "5.0", "currencyCode": "EUR" } },
    })
}

async fn refreshed(fake: &std::sync::Arc<Fake>, key: RecordKey) -> Vec<Change> {
    let mut found = fake.client().refresh(&[(key, None)]).await.unwrap();
    assert_eq!((found.len(), found[0].0), (1, key));
    found.remove(0).1
}

#[tokio::test(start_paused = true)]
async fn levels_are_read_fifty_at_a_time() {
    let keys: Vec<_> = (1..=70)
        .map(|item| (level_key(item, 3), gid(item)))
        .collect();
    let batch = |items: std::ops::RangeInclusive<u64>| {
        data(json!({ "nodes": items.map(|item| level(item, 3)).collect::<Vec<_>>() }))
    };
    let fake = Fake::script([batch(1..=50), batch(51..=70)]);
    let found = fake.client().refresh(&keys).await.unwrap();
    assert_eq!(found.len(), 70);
    for (n, (found, (key, _))) in (1..).zip(found.iter().zip(&keys)) {
        assert_eq!(found.0, *key);
        assert!(matches!(&found.1[..], [Change::Level(level)] if level.quantities.available == n));
    }
    assert_eq!(fake.variables()[0]["ids"].as_array().unwrap().len(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_level_is_gone_only_when_its_item_has_none_at_the_location() {
    let keys = [
        (level_key(1, 3), gid(1)),
        (level_key(2, 3), gid(2)),
        (level_key(4, 3), None),
        (level_key(5, 6), None),
    ];
    let fake = Fake::script([
        data(json!({ "nodes": [level(1, 3), null] })),
        data(json!({ "nodes": [{ "inventoryLevel": level(2, 3) }, { "inventoryLevel": null }] })),
        data(json!({ "nodes": [null] })),
    ]);
    let found = fake.client().refresh(&keys).await.unwrap();
    let gone: Vec<_> = found
        .iter()
        .filter(|(key, changes)| *changes == [Change::Gone(*key)])
        .map(|(key, _)| *key)
        .collect();
    assert_eq!(gone, [level_key(4, 3), level_key(5, 6)]);
    let second = json!({ "ids": ["gid://shopify/InventoryItem/2", "gid://shopify/InventoryItem/4"], "location": "gid://shopify/Location/3" });
    assert_eq!(fake.variables()[1], second);
}

#[tokio::test(start_paused = true)]
async fn a_level_under_a_gid_of_another_is_not_taken_for_it() {
    let fake = Fake::script([
        data(json!({ "nodes": [level(7, 3)] })),
        data(json!({ "nodes": [{ "inventoryLevel": level(1, 3) }] })),
    ]);
    let found = fake
        .client()
        .refresh(&[(level_key(1, 3), gid(1))])
        .await
        .unwrap();
    assert!(
        matches!(&found[0].1[..], [Change::Level(level)] if level.inventory_item_id.to_string() == "1")
    );
}

#[tokio::test(start_paused = true)]
async fn what_does_not_exist_is_gone() {
    let keys = [
        RecordKey::Customer(1u64.try_into().unwrap()),
        RecordKey::Item(1u64.try_into().unwrap()),
        RecordKey::Location(1u64.try_into().unwrap()),
        RecordKey::Order(1u64.try_into().unwrap()),
        RecordKey::Product(1u64.try_into().unwrap()),
    ];
    for key in keys {
        let fake = Fake::script([data(
            json!({ "nodes": [null], "order": null, "product": null }),
        )]);
        assert_eq!(refreshed(&fake, key).await, [Change::Gone(key)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_product_is_read_with_all_its_variants_page_by_page() {
    let then = "2026-11-19T10:00:00Z";
    let first = product(then, &[1, 2], Some("c1"));
    let fake = Fake::script([
        data(begun(&first, "product")),
        data(first),
        data(product(then, &[3], None)),
    ]);
    let changes = refreshed(&fake, RecordKey::Product(1u64.try_into().unwrap())).await;
    let [
        Change::Product {
            variants: Some(ids),
            ..
        },
        rest @ ..,
    ] = &changes[..]
    else {
        panic!("{changes:?}")
    };
    assert_eq!(
        ids.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["1", "2", "3"]
    );
    assert_eq!(rest.len(), 6);
    assert_eq!(fake.variables()[2]["after"], "c1");
}

#[tokio::test(start_paused = true)]
async fn a_product_that_changed_between_two_pages_is_read_again() {
    let first = product("2026-11-19T10:00:00Z", &[1], Some("c1"));
    let fake = Fake::script([
        data(begun(&first, "product")),
        data(first),
        data(product("2026-11-19T10:00:01Z", &[3], None)),
    ]);
    let key = RecordKey::Product(1u64.try_into().unwrap());
    let changes = refreshed(&fake, key).await;
    assert!(matches!(changes[0], Change::Product { variants: None, .. }));
    assert_eq!(changes.last(), Some(&Change::LookAgain(key)));
}

#[tokio::test(start_paused = true)]
async fn an_order_is_told_in_the_words_of_webhooks() {
    let then = "2026-11-19T10:00:00Z";
    let first = order(then, 12, Some("c1"));
    let fake = Fake::script([
        data(begun(&first, "order")),
        data(first),
        data(order(then, 11, None)),
    ]);
    let changes = refreshed(&fake, RecordKey::Order(1u64.try_into().unwrap())).await;
    let [Change::Order(order)] = &changes[..] else {
        panic!("{changes:?}")
    };
    assert_eq!(order.status, OrderStatus::Delivered);
    assert_eq!(order.financial_status.as_deref(), Some("partially_paid"));
    assert_eq!(order.fulfillment_status.as_deref(), Some("fulfilled"));
    assert_eq!(order.total.as_str(), "55.00");
    let text = |ids: &[LocationId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(text(&order.locations), ["8", "9"]);
    assert_eq!(
        order
            .lines
            .iter()
            .map(|line| line.id.to_string())
            .collect::<Vec<_>>(),
        ["11", "12"]
    );
    assert!(
        order
            .lines
            .iter()
            .all(|line| line.sku.is_none() && line.quantity == 2)
    );
}

#[tokio::test(start_paused = true)]
async fn of_an_orders_transactions_those_are_told_that_moved_money_or_should_have() {
    // With so many transactions there may be more of them.
    let whole = order("2026-11-19T10:00:00Z", 12, None);
    let fake = Fake::script([data(begun(&whole, "order")), data(whole)]);
    let changes = refreshed(&fake, RecordKey::Order(1u64.try_into().unwrap())).await;
    let [Change::Order(order)] = &changes[..] else {
        panic!("{changes:?}")
    };
    let told = order.payments.iter().flatten();
    let told: Vec<_> = told
        .map(|one| (one.id.to_i64(), one.outcome, one.amount.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (4, PaymentOutcome::Failed, "5.00"),
            (5, PaymentOutcome::Received, "5.00"),
            (7, PaymentOutcome::Refunded, "5.00")
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_order_that_changed_between_two_pages_is_read_again() {
    let first = order("2026-11-19T10:00:00Z", 12, Some("c1"));
    let fake = Fake::script([
        data(begun(&first, "order")),
        data(first),
        data(order("2026-11-19T10:00:01Z", 11, None)),
    ]);
    let key = RecordKey::Order(1u64.try_into().unwrap());
    assert_eq!(refreshed(&fake, key).await, [Change::LookAgain(key)]);
}

#[tokio::test(start_paused = true)]
async fn small_orders_and_products_are_read_several_at_a_time() {
    let order = |id: u64| {
        let mut order = order("2026-11-19T10:00:00Z", 12, None)["order"].take();
        order["id"] = format!("gid://shopify/Order/{id}").into();
        order["transactions"] = json!([transaction(1, "SALE", "SUCCESS")]);
        order
    };
    let product = |id: u64| {
        let mut product = product("2026-11-19T10:00:00Z", &[id], None)["product"].take();
        product["id"] = format!("gid://shopify/Product/{id}").into();
        product
    };
    let keys: Vec<_> = (1..=7_u64)
        .flat_map(|id| {
            [
                RecordKey::Order(id.try_into().unwrap()),
                RecordKey::Product(id.try_into().unwrap()),
            ]
        })
        .map(|key| (key, None))
        .collect();
    let mut second: Vec<Value> = vec![Value::Null];
    second.push(order(7));
    let fake = Fake::script([
        data(json!({ "nodes": (1..=5).map(order).collect::<Vec<_>>() })),
        data(json!({ "nodes": second })),
        data(json!({ "nodes": (1..=7).map(product).collect::<Vec<_>>() })),
    ]);
    let found = fake.client().refresh(&keys).await.unwrap();
    for ((key, _), (found, changes)) in keys.iter().zip(&found) {
        assert_eq!(key, found);
        match key {
            RecordKey::Order(id) if id.to_i64() == 6 => {
                assert_eq!(changes[..], [Change::Gone(*key)]);
            }
            RecordKey::Order(id) => {
                assert!(
                    matches!(&changes[..], [Change::Order(order)] if order.id == *id),
                    "{changes:?}"
                );
            }
            _ => assert!(
                matches!(&changes[..], [Change::Product { product, variants: Some(ids) }, Change::Item(_), Change::Variant(_)]
                    if RecordKey::Product(product.id) == *key && ids.len() == 1),
                "{changes:?}"
            ),
        }
    }
}
