//! Webhooks: signed, shaped and retried as the real ones.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sim::Options;

use crate::client::{Client, small};
use crate::receiver::Receiver;

async fn shop_and_receiver() -> (Client, Receiver) {
    let receiver = Receiver::open().await;
    let options = Options {
        webhook_target: Some(receiver.url.clone()),
        ..small()
    };
    (Client::open(options).await, receiver)
}

async fn sell(shop: &Client) -> Value {
    let truth = shop.look("truth").await;
    let level = &truth["levels"][0];
    let sale = json!({ "inventoryItemId": level["inventoryItemId"], "locationId": level["locationId"], "quantity": 1 });
    shop.done("sell", sale).await
}

#[tokio::test]
async fn a_delivery_is_signed_over_its_raw_bytes_and_carries_shopifys_headers() {
    let (shop, mut receiver) = shop_and_receiver().await;
    sell(&shop).await;
    let delivery = receiver.next().await;
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(b"pretend-secret").unwrap();
    mac.update(&delivery.body);
    let signature = STANDARD
        .decode(delivery.header("x-shopify-hmac-sha256"))
        .unwrap();
    mac.verify_slice(&signature).expect("a valid signature");
    assert_eq!(
        delivery.header("x-shopify-shop-domain"),
        "pretend.myshopify.com"
    );
    assert_eq!(delivery.header("x-shopify-api-version"), "2026-10");
    let triggered = delivery.header("x-shopify-triggered-at");
    assert!(
        triggered.ends_with('Z') && triggered.split('.').nth(1).unwrap().len() == 10,
        "{triggered}"
    );
}

#[tokio::test]
async fn a_sale_tells_of_stock_order_customer_and_product_under_one_event() {
    let (shop, mut receiver) = shop_and_receiver().await;
    let order = sell(&shop).await;
    let mut deliveries = Vec::new();
    for _ in 0..4 {
        deliveries.push(receiver.next().await);
    }
    deliveries.sort_by_key(|delivery| delivery.header("x-shopify-topic").to_owned());
    let topics: Vec<&str> = deliveries
        .iter()
        .map(|delivery| delivery.header("x-shopify-topic"))
        .collect();
    assert_eq!(
        topics,
        [
            "customers/create",
            "inventory_levels/update",
            "orders/create",
            "products/update"
        ]
    );
    let events = deliveries
        .iter()
        .map(|delivery| delivery.header("x-shopify-event-id"));
    assert_eq!(events.collect::<std::collections::HashSet<_>>().len(), 1);
    let ids = deliveries
        .iter()
        .map(|delivery| delivery.header("x-shopify-webhook-id"));
    assert_eq!(ids.collect::<std::collections::HashSet<_>>().len(), 4);
    let truth = shop.look("truth").await;
    let (level, told) = (&truth["levels"][0], deliveries[1].json());
    assert_eq!(told["available"], level["available"]);
    assert_eq!(
        told["inventory_item_id"].to_string(),
        level["inventoryItemId"].as_str().unwrap()
    );
    assert_eq!(told["admin_graphql_api_id"], level["levelId"]);
    assert!(told["updated_at"].as_str().unwrap().ends_with("-05:00"));
    let told = deliveries[2].json();
    assert_eq!(told["id"].to_string(), order["id"].as_str().unwrap());
    assert_eq!(told["line_items"][0]["quantity"], 1);
}

#[tokio::test]
async fn a_retry_repeats_the_body_and_the_id_and_comes_when_the_clock_says() {
    let (shop, mut receiver) = shop_and_receiver().await;
    receiver.answer(500);
    sell(&shop).await;
    let first = receiver.next_of("inventory_levels/update").await;
    quiet(&shop, "retrying", 4).await;
    sell(&shop).await;
    receiver.answer(200);
    shop.done("clock", json!({ "advanceSeconds": 11 })).await;
    loop {
        let again = receiver.next_of("inventory_levels/update").await;
        if again.header("x-shopify-webhook-id") == first.header("x-shopify-webhook-id") {
            assert_eq!(again.body, first.body);
            break;
        }
    }
}

#[tokio::test]
async fn after_eight_retries_a_delivery_is_lost_and_its_subscription_removed() {
    let mut receiver = Receiver::open().await;
    let shop = Client::open(small()).await;
    let create = "mutation($input: WebhookSubscriptionInput!) {
        webhookSubscriptionCreate(topic: ORDERS_CREATE, webhookSubscription: $input) { userErrors { message } } }";
    let input = json!({ "input": { "uri": receiver.url, "name": "stock", "includeFields": ["id", "updated_at"] } });
    shop.query(create, input).await;
    receiver.answer(404);
    sell(&shop).await;
    let first = receiver.next().await;
    assert_eq!(first.header("x-shopify-name"), "stock");
    assert_eq!(
        first.json().as_object().unwrap().keys().collect::<Vec<_>>(),
        ["id", "updated_at"]
    );
    for _ in 0..8 {
        quiet(&shop, "retrying", 1).await;
        shop.done("clock", json!({ "advanceSeconds": 6_000 })).await;
        assert_eq!(receiver.next().await.body, first.body);
    }
    quiet(&shop, "lost", 1).await;
    let count = shop
        .query("{ webhookSubscriptionsCount { count } }", json!({}))
        .await;
    assert_eq!(count["data"]["webhookSubscriptionsCount"]["count"], 0);
}

#[tokio::test]
async fn a_body_is_written_when_it_is_sent_not_when_it_is_caused() {
    let (shop, mut receiver) = shop_and_receiver().await;
    shop.done("faults", json!({ "webhooks": { "paused": true } }))
        .await;
    sell(&shop).await;
    sell(&shop).await;
    let available = shop.look("truth").await["levels"][0]["available"].clone();
    shop.done("faults", json!({ "webhooks": { "paused": false } }))
        .await;
    for _ in 0..2 {
        assert_eq!(
            receiver.next_of("inventory_levels/update").await.json()["available"],
            available
        );
    }
}

#[tokio::test]
async fn faults_drop_and_double_deliveries() {
    let (shop, mut receiver) = shop_and_receiver().await;
    shop.done("faults", json!({ "webhooks": { "drop": 1 } }))
        .await;
    sell(&shop).await;
    quiet(&shop, "dropped", 4).await;
    shop.done(
        "faults",
        json!({ "webhooks": { "duplicate": 1, "reorder": 1 } }),
    )
    .await;
    sell(&shop).await;
    shop.done("clock", json!({ "advanceSeconds": 3 })).await;
    let first = receiver.next_of("orders/create").await;
    let second = receiver.next_of("orders/create").await;
    assert_eq!(
        first.header("x-shopify-webhook-id"),
        second.header("x-shopify-webhook-id")
    );
}

#[tokio::test]
async fn a_deleted_product_sends_its_bare_id() {
    let (shop, mut receiver) = shop_and_receiver().await;
    let product = shop
        .done(
            "products",
            json!({ "action": "create", "title": "Lamp", "price": "12.50" }),
        )
        .await;
    let told = receiver.next_of("products/create").await.json();
    assert_eq!(
        (&told["title"], &told["variants"][0]["price"]),
        (&json!("Lamp"), &json!("12.50"))
    );
    shop.done(
        "products",
        json!({ "action": "delete", "id": product["id"] }),
    )
    .await;
    let gone = receiver.next_of("products/delete").await.json();
    assert_eq!(
        gone.to_string(),
        format!("{{\"id\":{}}}", product["id"].as_str().unwrap())
    );
}

/// Waits until a count of the deliveries is reached.
async fn quiet(shop: &Client, count: &str, number: u64) {
    for _ in 0..500 {
        if shop.look("deliveries").await[count] == number {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("never {number} {count}: {}", shop.look("deliveries").await);
}

const SUBSCRIBE: &str = "mutation($topic: WebhookSubscriptionTopic!, $input: WebhookSubscriptionInput!) {
    webhookSubscriptionCreate(topic: $topic, webhookSubscription: $input) {
        webhookSubscription { id filter metafieldNamespaces endpoint { __typename
            ... on WebhookHttpEndpoint { callbackUrl } ... on WebhookPubSubEndpoint { pubSubTopic } } }
        userErrors { field message } } }";

#[tokio::test]
async fn an_address_or_a_filter_that_cannot_be_is_refused_where_it_is_blamed() {
    let shop = Client::open(small()).await;
    let blamed = async |input: Value| {
        let answer = shop
            .query(SUBSCRIBE, json!({ "topic": "SHOP_UPDATE", "input": input }))
            .await;
        answer["data"]["webhookSubscriptionCreate"]["userErrors"][0]["field"].clone()
    };
    for uri in [
        "",
        "http://example.com/",
        "https://x.myshopify.com/hook",
        "https://a.internal/",
        "pubsub://only:",
    ] {
        assert_eq!(
            blamed(json!({ "uri": uri })).await,
            json!(["webhookSubscription", "callbackUrl"]),
            "{uri}"
        );
    }
    let filter = json!({ "uri": "https://example.com/a", "filter": "no field named" });
    assert_eq!(blamed(filter).await, json!(["webhookSubscription"]));
    for (input, filter, kind) in [
        (
            json!({ "uri": "https://example.com/b" }),
            Value::Null,
            "WebhookHttpEndpoint",
        ),
        (
            json!({ "uri": "https://example.com/c", "filter": "" }),
            json!(""),
            "WebhookHttpEndpoint",
        ),
        (
            json!({ "uri": "pubsub://project:topic" }),
            Value::Null,
            "WebhookPubSubEndpoint",
        ),
    ] {
        let answer = shop
            .query(SUBSCRIBE, json!({ "topic": "SHOP_UPDATE", "input": input }))
            .await;
        let made = &answer["data"]["webhookSubscriptionCreate"]["webhookSubscription"];
        assert_eq!(
            (&made["filter"], &made["endpoint"]["__typename"]),
            (&filter, &json!(kind)),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_filter_lets_through_what_it_names_and_nothing_else() {
    let mut receiver = Receiver::open().await;
    let shop = Client::open(small()).await;
    for (path, filter) in [
        ("under", "available:<10"),
        ("variants", "variants.inventory_policy:deny"),
    ] {
        let topic = if path == "under" {
            "INVENTORY_LEVELS_UPDATE"
        } else {
            "PRODUCTS_CREATE"
        };
        let input = json!({ "uri": receiver.url, "filter": filter });
        shop.query(SUBSCRIBE, json!({ "topic": topic, "input": input }))
            .await;
    }
    let level = shop.look("truth").await["levels"][0].clone();
    for quantity in [50, 20, 7] {
        let change = json!({ "inventoryItemId": level["inventoryItemId"], "locationId": level["locationId"], "name": "available", "quantity": quantity });
        shop.done("adjust", change).await;
        quiet(&shop, "queued", 0).await;
        quiet(&shop, "inFlight", 0).await;
    }
    assert_eq!(receiver.next().await.json()["available"], 7);
    assert_eq!(shop.look("deliveries").await["filtered"], 2);
    shop.done("products", json!({ "action": "create" })).await;
    receiver.next_of("products/create").await;
}
