//! A process that is killed, and one that is asked to end: nothing is lost, nothing is told twice.

use std::process::{Command, Stdio};
use std::time::Duration;

use schemas::Role;
use serde_json::{Value, json};
use sim::Options;
use tests::{
    DOMAIN, Mirror, Settings, TestDaemon, TestShop, Token, Watcher, eventually, free_address,
    stockd, stockd_ends,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
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
    let settings = Settings {
        quick: "*/2 * * * * *".to_owned(),
        ..Settings::default()
    };
    let mut daemon = TestDaemon::with(&shop, settings).await;
    let token = daemon.token(&Token::of(Role::Admin));
    let log = daemon.folder().join("watch.log");
    let watcher = Watcher::watches(&daemon.url(), &token, &daemon.beginning().await, &log);
    watcher.hears("connected").await;

    for _ in 0..KILLS.0 {
        let before = processed(&daemon).await;
        eventually("the import has gone on", async || {
            (processed(&daemon).await > before).then_some(())
        })
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
        eventually("things happen", async || {
            (sequence(&daemon.offset().await) > before + 150).then_some(())
        })
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
        let logged = logged
            .iter()
            .filter(|event| event["kind"].as_str().unwrap().starts_with(family));
        let logged: Vec<&str> = logged.map(|event| event["id"].as_str().unwrap()).collect();
        assert!(logged.len() > 100, "{} events of {family}", logged.len());
        eventually("the watcher has caught up", async || {
            (watcher.ids(family).last().map(String::as_str) == logged.last().copied()).then_some(())
        })
        .await;
        assert_eq!(
            watcher.ids(family),
            logged,
            "{family} once each and in order"
        );
    }
}

/// Records that the runs so far have looked at.
async fn processed(daemon: &TestDaemon) -> u64 {
    daemon
        .runs()
        .await
        .iter()
        .map(|run| run["processed"].as_u64().unwrap())
        .sum()
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
        let paid = order["displayFinancialStatus"]
            .as_str()
            .unwrap()
            .to_lowercase();
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
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    // Not "io server disconnect", after which clients stay away.
    assert_eq!(client.disconnected().await, "transport close");
    shop.sells(&shop.spot(0, 5).await, 1).await;
    daemon.starts().await;
    shop.falls_quiet().await;
    client.connected().await;
    client
        .asks("subscribe:inventory", &json!({ "since": offset }))
        .await;
    client.event("inventory:updated").await;
    assert!(daemon.log().contains("ended"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_never_ends_does_not_keep_it_beyond_the_ten_seconds() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    let mut slow = TcpStream::connect(daemon.address()).await.unwrap();
    let head = format!(
        "POST /webhooks/shopify HTTP/1.1\r\nHost: {}\r\nX-Shopify-Shop-Domain: {}\r\nX-Shopify-Topic: orders/create\r\n\
         X-Shopify-Webhook-Id: w1\r\nX-Shopify-Hmac-Sha256: AAAA\r\nContent-Length: 100000\r\n\r\n",
        daemon.address(),
        DOMAIN
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut upgraded = TcpStream::connect(daemon.address()).await.unwrap();
    upgraded
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(
        upgraded.read(&mut [0; 64]).await.unwrap() > 0,
        "both were accepted"
    );

    let asked = Instant::now();
    let feeding = async {
        // A byte now and then, so that no other limit ends it.
        while slow.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        std::future::pending::<()>().await;
    };
    let ended = tokio::select! {
        ended = daemon.terminated() => ended,
        () = feeding => unreachable!(),
    };
    assert_eq!(ended.code(), Some(0));
    assert!(
        asked.elapsed() < Duration::from_secs(12),
        "{:?}",
        asked.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hangup_changes_nothing_and_is_answered_in_the_log() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    daemon.is_signalled("HUP");
    eventually("the log says so", async || {
        daemon
            .log()
            .contains("SIGHUP changes nothing")
            .then_some(())
    })
    .await;
    shop.sells(&shop.spot(0, 5).await, 1).await;
    shop.falls_quiet().await;
    assert!(daemon.still_runs());
    Mirror::becomes_exact(&daemon, &shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_lost_its_mark_has_its_clients_load_again_and_they_hear_what_comes() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    daemon.expects_error("the database is a restored backup");
    let spot = shop.spot(0, 50).await;
    let mut client = daemon.client(&Token::of(Role::Admin)).await;
    client.asks("subscribe:inventory", &json!({})).await;
    shop.adjusts(&spot, "available", -1).await;
    client.event("inventory:updated").await;
    let offset = daemon.offset().await;
    client.goes_away();
    client.disconnected().await;
    daemon.terminated().await;
    std::fs::remove_file(daemon.folder().join("stockd.db.mark")).unwrap();
    daemon.starts().await;
    client.returns();
    assert!(
        !client.came_back().await,
        "it must not take itself for recovered"
    );
    assert_eq!(client.event("resync").await["reason"], "other_epoch");
    assert_ne!(
        daemon.offset().await.split_once('.').unwrap().0,
        offset.split_once('.').unwrap().0
    );
    shop.adjusts(&spot, "available", -1).await;
    client
        .event_where("inventory:updated", |event| {
            event["data"]["available"] == spot.available - 2
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_ahead_log_beside_a_backup_is_refused_in_a_sentence_and_the_way_out_works() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    daemon.expects_error("the database is a restored backup");
    let file = |daemon: &TestDaemon, name: &str| daemon.folder().join(name);
    daemon.terminated().await;
    std::fs::copy(file(&daemon, "stockd.db"), file(&daemon, "backup.db")).unwrap();
    daemon.starts().await;
    shop.sells(&shop.spot(0, 5).await, 1).await;
    shop.falls_quiet().await;
    Mirror::becomes_exact(&daemon, &shop).await;
    daemon.killed();
    let log = std::fs::read(file(&daemon, "stockd.db-wal")).unwrap();
    assert!(log.len() > 32, "a kill leaves it");
    std::fs::copy(file(&daemon, "backup.db"), file(&daemon, "stockd.db")).unwrap();

    let config = daemon.config_path();
    let ended = stockd_ends(&["run", "--config", config.to_str().unwrap()]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(
        ended.err.contains("stockd.db-wal does not belong to") && ended.err.contains("move"),
        "{}",
        ended.err
    );
    assert_eq!(std::fs::read(file(&daemon, "stockd.db-wal")).unwrap(), log);
    assert_eq!(
        std::fs::read(file(&daemon, "stockd.db")).unwrap(),
        std::fs::read(file(&daemon, "backup.db")).unwrap()
    );

    for name in ["stockd.db-wal", "stockd.db-shm"] {
        std::fs::rename(file(&daemon, name), file(&daemon, &format!("{name}.old"))).unwrap();
    }
    daemon.starts().await;
    daemon.compares_everything().await;
    Mirror::becomes_exact(&daemon, &shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_signal_ends_the_demonstration_its_folder_is_removed() {
    for (signal, json) in [
        ("HUP", false),
        ("HUP", true),
        ("INT", true),
        ("TERM", false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (listen, sim_listen) = (free_address(), free_address());
        let mut child = Command::new(stockd())
            .args(["demo", "--listen", &listen, "--sim-listen", &sim_listen])
            .args(["--products", "5", "--locations", "1", "--shoppers", "0"])
            .args(json.then_some("--json"))
            .env_clear()
            .env("TMPDIR", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually("its database is there", async || {
            let inside = std::fs::read_dir(folder.path())
                .unwrap()
                .next()?
                .unwrap()
                .path();
            inside.join("stockd.db.mark").exists().then_some(())
        })
        .await;
        let process = child.id().to_string();
        assert!(
            Command::new("kill")
                .args([&format!("-{signal}"), &process])
                .status()
                .unwrap()
                .success()
        );
        eventually("the demonstration has ended", async || {
            child.try_wait().unwrap()
        })
        .await;
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "{signal}"
        );
    }
}
