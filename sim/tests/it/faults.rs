//! Mutations that go wrong on purpose, and what is remembered of them.

use serde_json::{Value, json};

use crate::stock::{ADJUST, Stock, document, rows};

#[tokio::test]
async fn a_lost_answer_was_applied_once_however_often_it_is_asked_for() {
    let stock = Stock::open().await;
    stock
        .shop
        .done(
            "faults",
            json!({ "mutations": { "after": { "calls": 2 } } }),
        )
        .await;
    let variables = json!({ "input": stock.adjust("available", 5, 10), "key": "k" });
    for _ in 0..2 {
        assert!(
            stock
                .shop
                .request(&document(ADJUST), &variables)
                .send()
                .await
                .is_err()
        );
        assert_eq!(stock.units().await[0], 15);
    }
    let answer = stock.shop.query(&document(ADJUST), variables).await;
    assert_eq!(
        answer["data"][ADJUST]["inventoryAdjustmentGroup"]["changes"][0]["delta"],
        5
    );
    assert_eq!(stock.units().await[0], 15);
    let calls = stock.shop.look("calls?mutations=true").await;
    let outcomes: Vec<_> = rows(&calls["mutations"])
        .iter()
        .map(|call| {
            (
                call["outcome"].as_str().unwrap(),
                call["applied"] == true,
                call["answered"] == true,
            )
        })
        .collect();
    assert_eq!(
        outcomes,
        [
            ("APPLIED", true, false),
            ("REPEATED", false, false),
            ("REPEATED", false, true)
        ]
    );
    assert_eq!(calls["mutations"][0]["idempotencyKey"], "k");
    assert_eq!(calls["mutations"][0]["operation"], "Write");
    assert_eq!(calls["mutations"][0]["field"], ADJUST);
    assert_eq!(calls["totals"]["mutations"], 3);
    assert_eq!(calls["totals"]["applied"], 1);
    assert_eq!(calls["totals"]["appliedTwice"], 0);
}

#[tokio::test]
async fn a_failure_before_applying_leaves_stock_and_key_as_they_were() {
    let stock = Stock::open().await;
    stock
        .shop
        .done(
            "faults",
            json!({ "mutations": { "before": { "calls": 1, "status": 503 } } }),
        )
        .await;
    let variables = json!({ "input": stock.adjust("available", 5, 10), "key": "k" });
    // Reads are not concerned.
    assert!(
        stock
            .shop
            .query("{ shop { id } }", json!({}))
            .await
            .get("errors")
            .is_none()
    );
    let failed = stock
        .shop
        .request(&document(ADJUST), &variables)
        .send()
        .await
        .unwrap();
    assert_eq!(failed.status(), 503);
    assert_eq!(stock.units().await[0], 10);
    stock.shop.query(&document(ADJUST), variables).await;
    assert_eq!(stock.units().await[0], 15);
    let calls = stock.shop.look("calls?mutations=true").await;
    assert_eq!(calls["mutations"][0]["outcome"], "FAULT");
    assert_eq!(calls["mutations"][1]["outcome"], "APPLIED");
}

#[tokio::test]
async fn a_mutation_is_throttled_by_a_full_bucket_if_so_told() {
    let stock = Stock::open().await;
    stock
        .shop
        .done(
            "faults",
            json!({ "mutations": { "throttled": { "calls": 1 } } }),
        )
        .await;
    let throttled = stock
        .send_under("k", ADJUST, stock.adjust("available", 5, 10))
        .await;
    assert_eq!(throttled["errors"][0]["extensions"]["code"], "THROTTLED");
    assert_eq!(
        throttled["extensions"]["cost"]["actualQueryCost"],
        Value::Null
    );
    let answer = stock
        .send_under("k", ADJUST, stock.adjust("available", 5, 10))
        .await;
    assert_eq!(answer.get("errors"), None);
    assert_eq!(stock.units().await[0], 15);
    let calls = stock.shop.look("calls?mutations=true").await;
    assert_eq!(calls["mutations"][0]["outcome"], "THROTTLED");
    assert_eq!(calls["mutations"][0]["idempotencyKey"], "k");
}

#[tokio::test]
async fn a_certain_chance_injects_faults_until_it_is_taken_back() {
    let stock = Stock::open().await;
    stock
        .shop
        .done(
            "faults",
            json!({ "mutations": { "after": { "chance": 1.0, "status": 502 } } }),
        )
        .await;
    for key in ["a", "b", "c"] {
        let variables = json!({ "input": stock.adjust("available", 1, None), "key": key });
        let lost = stock
            .shop
            .request(&document(ADJUST), &variables)
            .send()
            .await
            .unwrap();
        assert_eq!(lost.status(), 502);
    }
    stock.shop.done("faults", json!({ "mutations": {} })).await;
    stock
        .send_under("d", ADJUST, stock.adjust("available", 1, None))
        .await;
    assert_eq!(stock.units().await[0], 14);
}

#[tokio::test]
async fn every_call_is_as_slow_as_told() {
    let stock = Stock::open().await;
    stock.shop.done("faults", json!({ "latencyMs": 150 })).await;
    let began = tokio::time::Instant::now();
    stock.shop.query("{ shop { id } }", json!({})).await;
    assert!(began.elapsed() >= std::time::Duration::from_millis(150));
}

#[tokio::test]
async fn faults_that_make_no_sense_are_refused_and_named() {
    let stock = Stock::open().await;
    for (fault, field) in [
        (json!({ "latencyMs": 600_001 }), "latencyMs"),
        (
            json!({ "bulk": { "objectsPerSecond": 0 } }),
            "objectsPerSecond",
        ),
        (json!({ "bulk": { "ending": "sideways" } }), "bulk.ending"),
        (json!({ "headers": { "version": "a\nb" } }), "version"),
        (json!({ "shop": "ajar" }), "shop"),
        (json!({ "token": { "chance": -1 } }), "chance"),
        (
            json!({ "mutations": { "after": { "chance": 2 } } }),
            "chance",
        ),
        (
            json!({ "mutations": { "before": { "status": 200 } } }),
            "status",
        ),
        (
            json!({ "mutations": { "throttled": { "status": 503 } } }),
            "status",
        ),
        (
            json!({ "mutations": { "between": {} } }),
            "mutations.between",
        ),
    ] {
        let (status, answer) = stock.shop.act("faults", fault).await;
        assert_eq!(
            (status, &answer["error"]["field"]),
            (400, &json!(field)),
            "{answer}"
        );
    }
}
