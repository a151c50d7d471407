//! What the shop believes: the sums hold, the seed decides.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};
use sim::Options;

use crate::client::{Client, small};

#[tokio::test]
async fn a_shop_has_exactly_the_size_asked_for() {
    let shop = Client::open(Options {
        products: 51,
        locations: 3,
        ..small()
    })
    .await;
    let truth = shop.look("truth").await;
    let size = |kind: &str| truth[kind].as_array().unwrap().len();
    assert_eq!(
        (
            size("products"),
            size("variants"),
            size("levels"),
            size("locations")
        ),
        (51, 153, 459, 3)
    );
}

#[tokio::test]
async fn after_a_thousand_purchases_every_sum_holds() {
    let shop = Client::open(small()).await;
    let before = shop.look("truth").await["orders"].as_array().unwrap().len();
    shop.done("shoppers", json!({ "perSecond": 2_000 })).await;
    let truth = loop {
        let truth = shop.look("truth").await;
        if truth["orders"].as_array().unwrap().len() >= before + 1_000 {
            break truth;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let mut committed: HashMap<(&str, &str), i64> = HashMap::new();
    for line in truth["orders"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|order| order["lineItems"].as_array().unwrap())
    {
        let level = (
            line["inventoryItemId"].as_str().unwrap(),
            line["locationId"].as_str().unwrap(),
        );
        *committed.entry(level).or_default() += line["unfulfilledQuantity"].as_i64().unwrap();
    }
    for level in truth["levels"].as_array().unwrap() {
        let units = |name: &str| level[name].as_i64().unwrap();
        let parts = [
            "available",
            "committed",
            "reserved",
            "damaged",
            "quality_control",
            "safety_stock",
        ];
        assert_eq!(units("on_hand"), parts.into_iter().map(units).sum::<i64>());
        assert!(units("available") >= 0, "oversold {level}");
        let key = (
            level["inventoryItemId"].as_str().unwrap(),
            level["locationId"].as_str().unwrap(),
        );
        assert_eq!(
            units("committed"),
            committed.get(&key).copied().unwrap_or(0),
            "of {level}"
        );
    }
    let states: Vec<&str> = truth["orders"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|order| order["displayFinancialStatus"].as_str())
        .collect();
    assert!(
        ["PENDING", "PAID", "REFUNDED"]
            .iter()
            .all(|state| states.contains(state))
    );
}

#[tokio::test]
async fn one_seed_gives_one_shop_and_one_sequence_of_purchases() {
    let mut histories = Vec::new();
    for seed in [7, 7, 8] {
        let shop = Client::open(Options {
            seed,
            shoppers: 500.0,
            ..small()
        })
        .await;
        let truth = loop {
            let truth = shop.look("truth").await;
            if truth["orders"].as_array().unwrap().len() >= 120 {
                break truth;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let purchase = |order: &Value| -> Vec<(String, String, i64)> {
            let lines = order["lineItems"].as_array().unwrap().iter();
            let line = |line: &Value| {
                let text = |name: &str| line[name].as_str().unwrap().to_owned();
                (
                    text("sku"),
                    text("locationId"),
                    line["quantity"].as_i64().unwrap(),
                )
            };
            lines.map(line).collect()
        };
        let orders = truth["orders"].as_array().unwrap().iter().take(120);
        histories.push(orders.map(purchase).collect::<Vec<_>>());
        shop.sim.stop().await;
    }
    assert_eq!(histories[0], histories[1]);
    assert_ne!(histories[0], histories[2]);
}

#[tokio::test]
async fn a_sale_commits_units_and_a_shipment_takes_them_away() {
    let shop = Client::open(small()).await;
    let truth = shop.look("truth").await;
    let level = &truth["levels"][0];
    let units = |level: &Value| {
        ["available", "committed", "on_hand"].map(|name| level[name].as_i64().unwrap())
    };
    let [available, committed, on_hand] = units(level);
    let sale = json!({ "inventoryItemId": level["inventoryItemId"], "locationId": level["locationId"], "quantity": 2 });
    let order = shop.done("sell", sale).await;
    assert_eq!(
        units(&shop.look("truth").await["levels"][0]),
        [available - 2, committed + 2, on_hand]
    );
    shop.done("orders", json!({ "action": "pay", "id": order["id"] }))
        .await;
    shop.done("orders", json!({ "action": "fulfill", "id": order["id"] }))
        .await;
    assert_eq!(
        units(&shop.look("truth").await["levels"][0]),
        [available - 2, committed, on_hand - 2]
    );
}

#[tokio::test]
async fn nothing_is_sold_from_a_location_that_is_closed() {
    let shop = Client::open(small()).await;
    let truth = shop.look("truth").await;
    let place = &truth["locations"][0]["id"];
    shop.done("locations", json!({ "action": "deactivate", "id": place }))
        .await;
    let item = &truth["levels"][0]["inventoryItemId"];
    let there = json!({ "inventoryItemId": item, "locationId": place, "quantity": 1 });
    assert_eq!(
        shop.act("sell", there).await.1["error"]["field"],
        "locationId"
    );
    let order = shop
        .done("sell", json!({ "inventoryItemId": item, "quantity": 1 }))
        .await;
    assert_eq!(
        order["lineItems"][0]["locationId"],
        truth["locations"][1]["id"]
    );
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_and_named() {
    let shop = Client::open(small()).await;
    let truth = shop.look("truth").await;
    let item = &truth["levels"][0]["inventoryItemId"];
    for (route, body, field) in [
        (
            "sell",
            json!({ "inventoryItemId": item, "quantity": 0 }),
            "quantity",
        ),
        (
            "sell",
            json!({ "inventoryItemId": item, "quantity": 100_000 }),
            "quantity",
        ),
        ("sell", json!({ "sku": "NONE", "quantity": 1 }), "sku"),
        ("clock", json!({ "advanceSeconds": -1 }), "advanceSeconds"),
        ("shoppers", json!({ "perSecond": 1e9 }), "perSecond"),
        ("faults", json!({ "webhooks": { "drop": 2 } }), "drop"),
        ("products", json!({ "action": "paint" }), "action"),
        ("adjust", json!({ "locationId": true }), "locationId"),
        (
            "sell",
            json!({ "inventoryItemId": item, "quantity": "two" }),
            "quantity",
        ),
        ("webhooks", json!({ "url": "nowhere" }), "url"),
    ] {
        let (status, answer) = shop.act(route, body).await;
        assert_eq!(
            (status, &answer["error"]["field"]),
            (400, &json!(field)),
            "{answer}"
        );
    }
}
