//! A process that is killed, and one that is asked to end: nothing is lost, nothing is told twice.

use std::time::Duration;

use schemas::Role;
use serde_json::{Value, json};
use sim::Options;
use tests::{Mirror, Settings, TestDaemon, TestShop, Token, Watcher, eventually};
use tokio::time::Instant;

/// Kills while everything is imported for the first time, and while shoppers buy.
const KILLS: (usize, usize) = (4, 6);

fn sequence(offset: &str) -> u64 {
    offset.split_once('.').unwrap().1.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_kills_lose_nothing_and_tell_nothing_twice() {
    let shop = TestShop::with(Options {
        products: 400,
        locations: 3,
        restore_rate: 400,
        bucket: Some(1_000),
        ..Options::default()
    })
    .await;
    let settings = Settings { quick: "*/2 * * * * *".to_owned(), ..Settings::default() };
    let mut daemon = TestDaemon::with(&shop, settings).await;
    let token = daemon.token(&Token::of(Role::Admin));
    let log = daemon.folder().join("watch.log");
    let watcher = Watcher::watches(&daemon.url(), &token, &daemon.beginning().await, &log);
    watcher.hears("connected").await;

    for _ in 0..KILLS.0 {
        let before = processed(&daemon).await;
        eventually("the import has gone on", async || (processed(&daemon).await > before).then_some(()))
            .await;
        daemon.killed();
        daemon.starts().await;
    }
    let under_way = |run: &&Value| run["state"] == "running";
    assert!(
        daemon.runs().await.iter().any(|run| under_way(&run)),
        "the import was over before the last kill"
    );
    daemon.imported().await;

    let orders_before = shop.truth().await["orders"].as_array().unwrap().len();
    shop.is_busy(30.0).await;
    for _ in 0..KILLS.1 {
        let before = sequence(&daemon.offset().await);
        eventually("things happen", async || (sequence(&daemon.offset().await) > before + 150).then_some(()))
            .await;
        daemon.killed();
        // Webhooks meet a closed door; their retries fall due once it is open again.
        eventually("a webhook failed", async || {
            (shop.deliveries().await["retrying"].as_u64()? > 0).then_some(())
        })
        .await;
        daemon.starts().await;
        shop.time_passes(10).await;
    }
    shop.is_busy(0.0).await;
    shop.falls_quiet().await;
    daemon.inbox_is_empty().await;
    Mirror::becomes_exact(&daemon, &shop).await;
    orders_are_exact(&daemon, &shop, orders_before).await;

    for (family, room) in [("inventory:", "inventory:all"), ("order:", "orders:all")] {
        let logged = daemon.events(Some(room)).await;
        // Payments are heard in the rooms of orders, too, and have no word of their own in this contract.
        let logged = logged.iter().filter(|event| event["kind"].as_str().unwrap().starts_with(family));
        let logged: Vec<&str> = logged.map(|event| event["id"].as_str().unwrap()).collect();
        assert!(logged.len() > 100, "{} events of {family}", logged.len());
        eventually("the watcher has caught up", async || {
            (watcher.ids(family).last().map(String::as_str) == logged.last().copied()).then_some(())
        })
        .await;
        assert_eq!(watcher.ids(family), logged, "{family} once each and in order");
    }
}

/// Records that the runs so far have looked at.
async fn processed(daemon: &TestDaemon) -> u64 {
    daemon.runs().await.iter().map(|run| run["processed"].as_u64().unwrap()).sum()
}

/// Every order placed since then stands where the shop says.
async fn orders_are_exact(daemon: &TestDaemon, shop: &TestShop, orders_before: usize) {
    let mirrored = daemon.list("orders", &Token::of(Role::Admin)).await;
    let truth = shop.truth().await;
    let placed = &truth["orders"].as_array().unwrap()[orders_before..];
    assert!(placed.len() > 50);
    for order in placed {
        let held = mirrored.iter().find(|held| held["orderId"] == order["id"]);
        let held = held.unwrap_or_else(|| panic!("{} was lost", order["name"]));
        let paid = order["displayFinancialStatus"].as_str().unwrap().to_lowercase();
        assert_eq!(held["financialStatus"], paid.as_str(), "{}", order["name"]);
        let status = match order {
            order if !order["cancelledAt"].is_null() => "cancelled",
            order if order["delivered"] == true => "delivered",
            order if order["displayFulfillmentStatus"] == "FULFILLED" => "shipped",
            _ if paid == "paid" => "confirmed",
            _ => "created",
        };
        assert_eq!(held["status"], status, "{}", order["name"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_to_end_it_ends_in_time_and_its_clients_come_back() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    let mut client = daemon.client(&Token::of(Role::Admin)).await;
    client.asks("subscribe:inventory", &json!({})).await;
    let (offset, asked) = (daemon.offset().await, Instant::now());

    let ended = daemon.terminated().await;

    assert_eq!(ended.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    // Not "io server disconnect", after which clients stay away.
    assert_eq!(client.disconnected().await, "transport close");
    shop.sells(&shop.spot(0, 5).await, 1).await;
    daemon.starts().await;
    shop.falls_quiet().await;
    client.connected().await;
    client.asks("subscribe:inventory", &json!({ "since": offset })).await;
    client.event("inventory:updated").await;
    assert!(daemon.log().contains("ended"));
}
