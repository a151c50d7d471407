//! What is changed at the store and not seen here yet: nothing is overwritten, and whoever comes too late is told.

use schemas::Role;
use serde_json::{Value, json};
use sim::Options;
use tests::{ExpectedLevel, Spot, TestDaemon, TestShop, Token, eventually};

fn staff() -> Token {
    Token::of(Role::Staff)
}

/// Nothing goes wrong any more.
fn no_faults() -> Value {
    json!({ "graphql": {}, "mutations": {}, "latencyMs": 0 })
}

/// A shop whose webhooks are held back, so that what shoppers do there is not seen here.
async fn unseen_shop() -> (TestShop, TestDaemon) {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    shop.mistreats_webhooks(&json!({ "paused": true })).await;
    (shop, daemon)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_still_fits_after_an_unseen_change_is_held() {
    let (shop, daemon) = unseen_shop().await;
    let (spot, other) = (shop.spot(0, 10).await, shop.spot(1, 10).await);
    let mut expected = ExpectedLevel::of(&shop.adjusts(&spot, "available", -4).await);
    let answer = daemon
        .takes("reserve", &spot.asks(json!({ "quantity": 2 })))
        .await;
    let reservation = answer["reservationId"].as_str().unwrap().to_owned();
    daemon
        .takes("adjust", &other.asks(json!({ "delta": -1 })))
        .await;

    let commands = daemon.settles().await;

    assert!(
        commands
            .iter()
            .all(|command| command["state"] == "confirmed"),
        "{commands:?}"
    );
    assert_eq!(daemon.reservation(&reservation).await["state"], "held");
    expected.reserve(2);
    assert_eq!(shop.level_at(&spot).await, expected);
    let outcomes: Vec<Value> = shop
        .mutations()
        .await
        .iter()
        .map(|mutation| mutation["outcome"].clone())
        .collect();
    assert!(
        outcomes.contains(&json!("CHANGE_FROM_QUANTITY_STALE")),
        "{outcomes:?}"
    );
    shop.mistreats_webhooks(&json!({})).await;
    daemon.comes_to_rest(&shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_over_an_unseen_change_is_a_conflict_and_its_sender_is_told() {
    let (shop, daemon) = unseen_shop().await;
    let (spot, counted) = (shop.spot(0, 10).await, shop.spot(1, 10).await);
    let mut client = daemon.client(&staff()).await;
    let mut other = daemon.client(&Token::of(Role::Manager)).await;
    let now = ExpectedLevel::of(&shop.adjusts(&spot, "available", -4).await);
    let shelf = ExpectedLevel::of(&shop.adjusts(&counted, "available", 3).await);

    for payload in [
        spot.asks(json!({ "quantity": 77 })),
        counted.asks(json!({ "quantity": 88, "name": "on_hand" })),
    ] {
        let answer = client.asks("inventory:update", &payload).await;
        assert_eq!(
            (&answer["ok"], &answer["state"]),
            (&json!(true), &json!("accepted"))
        );
        let told = client
            .event_where("command:updated", |event| {
                event["data"]["commandId"] == answer["commandId"]
            })
            .await;
        let data = &told["data"];
        assert_eq!(
            (&data["state"], &data["kind"]),
            (&json!("conflict"), &json!("update"))
        );
        assert_eq!(data["error"]["code"], "CONFLICT");
        assert!(
            data["error"]["message"]
                .as_str()
                .unwrap()
                .contains("look again"),
            "{data}"
        );
    }

    let commands = daemon.settles().await;
    assert!(
        commands
            .iter()
            .all(|command| command["state"] == "conflict")
    );
    assert_eq!(
        (shop.level_at(&spot).await, shop.level_at(&counted).await),
        (now, shelf),
        "nothing was overwritten"
    );
    // What was overlooked is seen now, and decided anew it goes through.
    shop.mistreats_webhooks(&json!({})).await;
    daemon.comes_to_rest(&shop).await;
    let anew = spot.asks(json!({ "quantity": 77, "expected": now.available }));
    daemon.takes("update", &anew).await;
    assert_eq!(daemon.settles().await[0]["state"], "confirmed");
    assert_eq!(shop.level_at(&spot).await.available, 77);
    other.asks("subscribe:notifications", &json!({})).await;
    assert_eq!(other.commands(), [], "only the sender is told");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_a_shopper_was_faster_for_is_rejected_whole_and_its_owner_is_told() {
    let (shop, daemon) = unseen_shop().await;
    let (spot, other) = (shop.spot(0, 12).await, shop.spot(1, 12).await);
    let untouched = shop.level_at(&other).await;
    let mut owner = daemon.client(&staff()).await;
    shop.sells(&spot, spot.available - 2).await;
    let now = shop.level_at(&spot).await;
    let line = |spot: &Spot| json!({ "inventoryItemId": spot.item, "locationId": spot.location, "quantity": 5 });
    let payload =
        json!({ "items": [line(&spot), line(&other)], "reason": "a basket", "reference": "B-1" });

    let answer = owner.asks("inventory:reserve", &payload).await;

    assert_eq!(
        (&answer["ok"], &answer["state"]),
        (&json!(true), &json!("pending")),
        "{answer}"
    );
    let id = &answer["reservationId"];
    let rejected = owner
        .event_where("inventory:reservation", |event| {
            event["data"]["reservationId"] == *id && event["data"]["state"] != "pending"
        })
        .await;
    assert_eq!(
        (&rejected["data"]["state"], &rejected["data"]["reference"]),
        (&json!("rejected"), &json!("B-1"))
    );
    assert_eq!(
        rejected["data"]["items"].as_array().unwrap().len(),
        2,
        "{rejected}"
    );
    let failed = owner.event("command:updated").await;
    assert_eq!(
        (&failed["data"]["state"], &failed["data"]["error"]["code"]),
        (&json!("failed"), &json!("INSUFFICIENT_STOCK"))
    );
    daemon.settles().await;
    daemon.nothing_is_pending().await;
    // Also the part that was there to be had is given back.
    eventually("it is given back", async || {
        (shop.level_at(&other).await == untouched && shop.level_at(&spot).await == now)
            .then_some(())
    })
    .await;
    let refusal = daemon
        .refuses("release", &json!({ "reservationId": id }))
        .await;
    assert_eq!(
        (refusal.code.as_str(), refusal.field.as_deref()),
        ("CONFLICT", Some("reservationId"))
    );
    assert!(refusal.message.contains("rejected"), "{}", refusal.message);
    shop.mistreats_webhooks(&json!({})).await;
    daemon.comes_to_rest(&shop).await;
    assert_eq!(daemon.reservations().await, [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_of_a_hold_that_a_shopper_was_faster_for_sells_nothing() {
    let (shop, daemon) = unseen_shop().await;
    let (spot, other) = (shop.spot(0, 12).await, shop.spot(1, 12).await);
    let untouched = shop.level_at(&other).await;
    shop.sells(&spot, spot.available - 2).await;
    let now = shop.level_at(&spot).await;
    let line = |spot: &Spot| json!({ "inventoryItemId": spot.item, "locationId": spot.location, "quantity": 5 });
    // Both are given before the store has answered for either.
    shop.mistreats_calls(&json!({ "latencyMs": 300 })).await;
    let basket = json!({ "items": [line(&spot), line(&other)], "reason": "a basket" });
    let reservation = daemon.takes("reserve", &basket).await["reservationId"].clone();
    daemon
        .takes(
            "commit",
            &json!({ "reservationId": reservation, "sale": "outside" }),
        )
        .await;
    shop.mistreats_calls(&no_faults()).await;

    let commands = daemon.settles().await;

    let states: Vec<&str> = commands
        .iter()
        .map(|command| command["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["failed", "failed"], "{commands:?}");
    daemon.nothing_is_pending().await;
    eventually("all of it is given back", async || {
        (shop.level_at(&other).await.reserved == untouched.reserved).then_some(())
    })
    .await;
    assert_eq!(
        (shop.level_at(&spot).await, shop.level_at(&other).await),
        (now, untouched),
        "a failed sale sells nothing"
    );
    assert_eq!(
        daemon.reservation(reservation.as_str().unwrap()).await["state"],
        "rejected"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_about_half_a_batch_makes_nothing_happen_twice() {
    for batch_atomic in [true, false] {
        let shop = TestShop::with(Options {
            products: 12,
            locations: 3,
            batch_atomic,
            ..Options::default()
        })
        .await;
        let daemon = TestDaemon::on(&shop).await;
        shop.mistreats_webhooks(&json!({ "paused": true })).await;
        let (stale, fresh) = (shop.spot(0, 12).await, shop.spot(1, 12).await);
        let mut expected = [
            ExpectedLevel::of(&shop.adjusts(&stale, "available", -1).await),
            shop.level_at(&fresh).await,
        ];
        let line = |spot: &Spot| json!({ "inventoryItemId": spot.item, "locationId": spot.location, "quantity": 3 });
        shop.mistreats_calls(&json!({ "mutations": { "after": { "calls": 1 } } }))
            .await;

        let basket = json!({ "items": [line(&stale), line(&fresh)], "reason": "a basket" });
        daemon.takes("reserve", &basket).await;

        let commands = daemon.settles().await;
        assert_eq!(commands[0]["state"], "confirmed", "{commands:?}");
        for level in &mut expected {
            level.reserve(3);
        }
        let there = [shop.level_at(&stale).await, shop.level_at(&fresh).await];
        assert_eq!(there, expected, "batch_atomic: {batch_atomic}");
    }
}
