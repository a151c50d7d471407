//! Idempotency keys.

use serde_json::{Value, json};

use crate::client::small;
use crate::stock::{ADJUST, SET, Stock, document};

fn code(answer: &Value, mutation: &str) -> Value {
    answer["data"][mutation]["userErrors"][0]["code"].clone()
}

#[tokio::test]
async fn a_repeat_is_answered_from_what_is_there_now_and_not_applied_again() {
    let stock = Stock::open().await;
    let query = "mutation($input: InventoryAdjustQuantitiesInput!, $place: ID!) {
        inventoryAdjustQuantities(input: $input) @idempotent(key: \"k\") { inventoryAdjustmentGroup { id
            changes { delta item { inventoryLevel(locationId: $place) {
                quantities(names: [\"available\"]) { quantity } } } } } userErrors { code } } }";
    let variables = json!({ "input": stock.adjust("available", 5, 10), "place": stock.place });
    let first = stock.shop.query(query, variables.clone()).await["data"][ADJUST].clone();
    stock.write(ADJUST, stock.adjust("available", 1, 15)).await;
    let second = stock.shop.query(query, variables).await["data"][ADJUST].clone();
    let (first, second) = (
        &first["inventoryAdjustmentGroup"],
        &second["inventoryAdjustmentGroup"],
    );
    assert_eq!(first["id"], second["id"]);
    assert_eq!(first["changes"][0]["delta"], second["changes"][0]["delta"]);
    let level = |group: &Value| {
        group["changes"][0]["item"]["inventoryLevel"]["quantities"][0]["quantity"]
            .as_i64()
            .unwrap()
    };
    assert_eq!((level(first), level(second)), (15, 16));
    assert_eq!(stock.units().await[0], 16);
}

#[tokio::test]
async fn another_input_under_the_same_key_is_refused_even_in_another_order() {
    let stock = Stock::open().await;
    let input = stock.adjust("available", 5, 10);
    assert_eq!(
        code(&stock.send_under("k", ADJUST, input).await, ADJUST),
        Value::Null
    );
    let other = stock
        .send_under("k", ADJUST, stock.adjust("available", 6, 10))
        .await;
    assert_eq!(code(&other, ADJUST), "IDEMPOTENCY_KEY_PARAMETER_MISMATCH");
    let other = stock
        .send_under("k", SET, stock.set("available", 6, 10))
        .await;
    assert_eq!(code(&other, SET), "IDEMPOTENCY_KEY_PARAMETER_MISMATCH");

    let (item, place) = (&stock.item, &stock.place);
    let spelled = async |key: &str, entry: String| {
        let variables = format!(
            "{{\"key\":\"{key}\",\"input\":{{\"name\":\"available\",\"reason\":\"other\",\"changes\":[{{{entry}}}]}}}}"
        );
        let body = format!(
            "{{\"query\":{},\"variables\":{variables}}}",
            json!(document(ADJUST))
        );
        let request = stock
            .shop
            .request("", &json!({}))
            .body(body)
            .send()
            .await
            .unwrap();
        code(&request.json().await.unwrap(), ADJUST)
    };
    let (ids, from) = (
        format!("\"inventoryItemId\":\"{item}\",\"locationId\":\"{place}\""),
        "\"changeFromQuantity\":null",
    );
    assert_eq!(
        spelled("o", format!("{ids},\"delta\":1,{from}")).await,
        Value::Null
    );
    assert_eq!(
        spelled("o", format!("{ids}, \"delta\": 1, {from}")).await,
        Value::Null
    );
    let turned = spelled("o", format!("\"delta\":1,{ids},{from}")).await;
    assert_eq!(turned, "IDEMPOTENCY_KEY_PARAMETER_MISMATCH");
    assert_eq!(stock.units().await[0], 16);
}

#[tokio::test]
async fn a_key_whose_call_was_refused_is_spent() {
    let stock = Stock::open().await;
    let stale = stock.adjust("available", 5, 9);
    assert_eq!(
        code(&stock.send_under("k", ADJUST, stale.clone()).await, ADJUST),
        "CHANGE_FROM_QUANTITY_STALE"
    );
    let again = stock.send_under("k", ADJUST, stale).await;
    assert_eq!(code(&again, ADJUST), "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED");
    let after = stock.write(ADJUST, stock.adjust("available", 5, 10)).await;
    assert_eq!(after["userErrors"], json!([]));
}

#[tokio::test]
async fn a_key_in_use_is_refused_and_its_call_survives_a_client_that_gave_up() {
    let stock = Stock::open().await;
    stock
        .shop
        .done("faults", json!({ "latencyMs": 1_500 }))
        .await;
    let variables = json!({ "input": stock.adjust("available", 5, 10), "key": "k" });
    let impatient = stock.shop.request(&document(ADJUST), &variables);
    let impatient = impatient.timeout(std::time::Duration::from_millis(500));
    assert!(impatient.send().await.is_err());
    let second = stock.shop.query(&document(ADJUST), variables.clone()).await;
    assert_eq!(code(&second, ADJUST), "IDEMPOTENCY_CONCURRENT_REQUEST");
    stock.shop.done("faults", json!({ "latencyMs": 0 })).await;
    let third = stock.shop.query(&document(ADJUST), variables).await;
    assert_eq!(code(&third, ADJUST), Value::Null);
    assert_eq!(stock.units().await[0], 15);
}

#[tokio::test]
async fn a_key_is_forgotten_after_a_day_and_its_second_use_is_counted() {
    let stock = Stock::open().await;
    let input = stock.adjust("available", 5, None);
    for (seconds, available, twice) in [(0, 15, 0), (86_300, 15, 0), (200, 20, 1)] {
        stock
            .shop
            .done("clock", json!({ "advanceSeconds": seconds }))
            .await;
        stock.send_under("k", ADJUST, input.clone()).await;
        assert_eq!(stock.units().await[0], available);
        assert_eq!(
            stock.shop.look("calls").await["totals"]["appliedTwice"],
            twice
        );
    }
}

#[tokio::test]
async fn a_blank_key_is_none() {
    let stock = Stock::open().await;
    let answer = stock
        .send_under(" ", ADJUST, stock.adjust("available", 5, 10))
        .await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST");
    assert_eq!(stock.units().await[0], 10);
}

#[tokio::test]
async fn by_a_switch_a_refusal_leaves_its_key_unused() {
    let stock = Stock::open_with(sim::Options {
        refused_key_is_spent: false,
        ..small()
    })
    .await;
    let refused = stock
        .send_under("k", ADJUST, stock.adjust("available", 5, 11))
        .await;
    assert_eq!(
        refused["data"][ADJUST]["userErrors"][0]["code"],
        "CHANGE_FROM_QUANTITY_STALE"
    );
    stock
        .send_under("k", ADJUST, stock.adjust("available", 5, 10))
        .await;
    assert_eq!(stock.units().await[0], 15);
}
