//! Payments of orders: from Shopify's transactions to events, each once.

use schemas::Role;
use serde_json::Value;
use tests::{TestDaemon, TestShop, Token, eventually};

/// The payments of the log, in order: kind and amount.
async fn payments(daemon: &TestDaemon) -> Vec<(String, String)> {
    let events = daemon.events(None).await;
    let payments = events
        .iter()
        .filter(|event| event["kind"].as_str().unwrap().starts_with("payment:"));
    let told = |event: &Value| {
        assert_eq!(event["data"]["currency"], "USD");
        (
            event["kind"].as_str().unwrap().to_owned(),
            event["data"]["amount"].as_str().unwrap().to_owned(),
        )
    };
    payments.map(told).collect()
}

#[tokio::test]
async fn what_comes_of_an_orders_payments_is_told_once_each() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    assert_eq!(
        payments(&daemon).await,
        [],
        "what was paid before the first import is no news"
    );

    let spot = shop.spot(0, 3).await;
    let order = shop.sells(&spot, 2).await;
    let total = order["totalPrice"].as_str().unwrap();
    let told = async |count: usize| {
        eventually("the payment is told", async || {
            (payments(&daemon).await.len() >= count).then_some(())
        })
        .await;
    };
    shop.order("decline", &order).await;
    told(1).await;
    shop.order("pay", &order).await;
    told(2).await;
    shop.order("cancel", &order).await;
    told(3).await;
    daemon.inbox_is_empty().await;
    let amount = |kind: &str| (kind.to_owned(), total.to_owned());
    let all = [
        amount("payment:failed"),
        amount("payment:received"),
        amount("payment:refunded"),
    ];
    assert_eq!(payments(&daemon).await, all);

    let (status, orders) = daemon.asked("orders", &Token::of(Role::Staff)).await;
    assert_eq!(
        (status, orders["data"][0].get("payments")),
        (200, None),
        "staff see orders, and no payments"
    );
}
