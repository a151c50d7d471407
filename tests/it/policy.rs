//! What a shop may set about commands, and the end of all reservations.

use schemas::Role;
use serde_json::{Value, json};
use tests::{CommandRefusal, ExpectedLevel, Settings, TestDaemon, TestShop, Token, arguments};

fn staff() -> Token {
    Token::of(Role::Staff)
}

/// A daemon with further lines in its `[[shop]]`.
async fn daemon_with(shop: &TestShop, lines: &str) -> TestDaemon {
    let daemon = TestDaemon::with(
        shop,
        Settings {
            shop: lines.to_owned(),
            ..Settings::default()
        },
    )
    .await;
    daemon.imported().await;
    daemon
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strict_shop_answers_when_the_store_has_done_it_or_says_why_not() {
    let shop = TestShop::opens().await;
    let daemon = daemon_with(&shop, "strict = true").await;
    let mut client = daemon.client(&staff()).await;
    let (spot, changed) = (shop.spot(0, 10).await, shop.spot(1, 10).await);
    let mut books = shop.level_at(&spot).await;

    let answer = client
        .asks("inventory:reserve", &spot.asks(json!({ "quantity": 2 })))
        .await;
    assert_eq!(
        (&answer["ok"], &answer["state"]),
        (&json!(true), &json!("held")),
        "{answer}"
    );
    books.reserve(2);
    assert_eq!(shop.level_at(&spot).await, books, "it is there already");
    let answer = daemon
        .takes("adjust", &spot.asks(json!({ "delta": -1 })))
        .await;
    assert_eq!(answer["state"], "confirmed");
    books.adjust(-1);
    assert_eq!(shop.level_at(&spot).await, books);
    let ended = daemon
        .told(
            &arguments("update", &spot.asks(json!({ "quantity": 5 }))).unwrap(),
            &staff(),
        )
        .await;
    assert!(
        ended.code == 0 && ended.out.starts_with("confirmed: "),
        "{ended:?}"
    );
    books.set(5);
    assert_eq!(shop.level_at(&spot).await, books);

    shop.mistreats_webhooks(&json!({ "paused": true })).await;
    let now = ExpectedLevel::of(
        &shop
            .adjusts(&changed, "available", 2 - changed.available)
            .await,
    );
    let refusal = daemon
        .refuses("update", &changed.asks(json!({ "quantity": 5 })))
        .await;
    assert_eq!(
        (refusal.code.as_str(), refusal.retryable),
        ("CONFLICT", false)
    );
    shop.adjusts(&changed, "available", -1).await;
    let answer = client
        .asks("inventory:reserve", &changed.asks(json!({ "quantity": 2 })))
        .await;
    assert_eq!(
        CommandRefusal::of(&answer).code,
        "INSUFFICIENT_STOCK",
        "{answer}"
    );
    assert_eq!(
        shop.level_at(&changed).await,
        ExpectedLevel {
            available: 1,
            on_hand: now.on_hand - 1,
            ..now
        }
    );
    daemon.settles().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_location_a_command_applies_at_the_shops_own_choice() {
    let shop = TestShop::opens().await;
    let spot = shop.spot(30, 5).await;
    let first = shop.spot(0, 0).await;
    assert_ne!(spot.location, first.location);
    let daemon = daemon_with(&shop, &format!("default_location = {}", spot.location)).await;
    let mut books = shop.level_at(&spot).await;

    let mut anywhere = spot.asks(json!({ "quantity": 2 }));
    anywhere["locationId"] = Value::Null;
    let answer = daemon.takes("reserve", &anywhere).await;

    assert_eq!(answer["levels"][0]["locationId"], spot.location);
    books.reserve(2);
    daemon.settles().await;
    assert_eq!(shop.level_at(&spot).await, books);
    // What is said goes before what is set.
    let there = shop.elsewhere(&spot, 1).await;
    let answer = daemon
        .takes("adjust", &there.asks(json!({ "delta": 1 })))
        .await;
    assert_eq!(answer["level"]["locationId"], there.location);
    daemon.settles().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drained_no_hold_is_left_here_or_at_the_store() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let reserved = async || {
        let truth = shop.truth().await;
        let levels = truth["levels"].as_array().unwrap();
        levels
            .iter()
            .map(|level| level["reserved"].as_i64().unwrap())
            .sum::<i64>()
    };
    let before = shop.truth().await["levels"].clone();
    assert_eq!(reserved().await, 0);
    for n in 0..20 {
        let spot = shop.spot(n, 4).await;
        for _ in 0..3 {
            daemon
                .takes("reserve", &spot.asks(json!({ "quantity": 1 })))
                .await;
        }
    }
    daemon.settles().await;
    assert_eq!(reserved().await, 60);
    // One more, of which the store has not heard.
    let late = shop.spot(21, 4).await;
    daemon
        .takes("reserve", &late.asks(json!({ "quantity": 1 })))
        .await;

    let drain = [
        "reservations",
        "release-all",
        "--config",
        daemon.config_path().to_str().unwrap(),
    ]
    .map(str::to_owned);
    let url = ["--url".to_owned(), daemon.url()];
    let args = [&drain[..], &url].concat();
    let run = move || tests::stockd_ends(&args.iter().map(String::as_str).collect::<Vec<_>>());
    let ended = tokio::task::spawn_blocking(run).await.unwrap();

    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{}", ended.out);
    assert_eq!(ended.out, "61 reservations released, 0 left\n");
    assert_eq!(
        reserved().await,
        0,
        "the store has them all when the command ends"
    );
    assert_eq!(daemon.reservations().await, [] as [Value; 0]);
    let after = shop.truth().await["levels"].clone();
    for (before, after) in before
        .as_array()
        .unwrap()
        .iter()
        .zip(after.as_array().unwrap())
    {
        assert_eq!(ExpectedLevel::of(before), ExpectedLevel::of(after));
    }
    let again = daemon
        .told(
            &["reservations", "release-all", "--json"].map(str::to_owned),
            &Token::of(Role::Admin),
        )
        .await;
    let printed: Value = serde_json::from_str(&again.out).unwrap();
    assert_eq!(
        (again.code, &printed["released"], &printed["left"]),
        (0, &json!(0), &json!(0))
    );
}
