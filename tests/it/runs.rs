//! Full runs, asked for or due: what webhooks lost is found, counted and put right, and nothing goes by mistake.

use schemas::Role;
use serde_json::{Value, json};
use sim::Options;
use tests::{Mirror, RESOURCES, Settings, TestDaemon, TestShop, Token, eventually};

fn admin() -> Token {
    Token::of(Role::Admin)
}

/// A shop whose webhooks are all lost, and a daemon that has imported it.
async fn deaf(options: Options, sync: &str) -> (TestShop, TestDaemon) {
    let shop = TestShop::with(options).await;
    let settings = Settings {
        sync: sync.to_owned(),
        ..Settings::default()
    };
    let daemon = TestDaemon::with(&shop, settings).await;
    daemon.imported().await;
    shop.falls_quiet().await;
    shop.mistreats_webhooks(&json!({ "drop": 1.0 })).await;
    (shop, daemon)
}

fn small() -> Options {
    Options {
        products: 12,
        variants_per_product: 2,
        locations: 3,
        restore_rate: 10_000,
        ..Options::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_webhooks_lost_is_found_counted_and_put_right_and_then_there_is_no_drift() {
    let (shop, daemon) = deaf(small(), "").await;
    let (sold, moved) = (shop.spot(0, 5).await, shop.spot(9, 5).await);
    let order = shop.sells(&sold, 2).await;
    shop.adjusts(&moved, "damaged", 1).await;
    let truth = shop.truth().await;
    let (gone, renamed) = (&truth["products"][10]["id"], &truth["products"][11]["id"]);
    shop.does("products", &json!({ "action": "delete", "id": gone }))
        .await;
    shop.does(
        "products",
        &json!({ "action": "update", "id": renamed, "title": "Renamed" }),
    )
    .await;
    shop.time_passes(3_600).await;

    let runs: Vec<Value> = [
        daemon.compares("products").await,
        daemon.compares("inventory").await,
        daemon.compares("orders").await,
        daemon.compares("customers").await,
    ]
    .to_vec();
    assert!(
        runs.iter().all(|run| run["state"] == "completed"),
        "{runs:?}"
    );
    Mirror::becomes_exact(&daemon, &shop).await;
    let drift = daemon.drift().await;
    let wrong = |record: &str| {
        drift
            .iter()
            .find(|row| row["record"] == record)
            .map(|row| row["wrong"].as_str().unwrap().to_owned())
    };
    assert_eq!(
        wrong(&format!("product {}", gone.as_str().unwrap())).as_deref(),
        Some("gone")
    );
    assert_eq!(
        wrong(&format!("product {}", renamed.as_str().unwrap())).as_deref(),
        Some("differs")
    );
    assert_eq!(
        wrong(&format!("order {}", order["id"].as_str().unwrap())).as_deref(),
        Some("missing")
    );
    let level = format!("level of item {} at location {}", sold.item, sold.location);
    let level = drift
        .iter()
        .find(|row| row["record"] == level.as_str())
        .expect("the level drifted");
    assert_eq!(
        level["fields"]["quantities.available"],
        json!([sold.available, sold.available - 2])
    );
    assert!(
        level["since"].is_string() && runs[1]["drift"].as_u64().unwrap() >= 2,
        "{runs:?}"
    );
    assert_eq!(
        runs.iter()
            .map(|run| run["drift"].as_u64().unwrap())
            .sum::<u64>(),
        drift.len() as u64,
        "{drift:#?}"
    );
    let told = daemon.events(None).await;
    assert!(told.iter().any(|event| event["kind"] == "shopify:drift"));

    for resource in RESOURCES {
        let quiet = daemon.compares(resource).await;
        assert_eq!(
            (&quiet["state"], &quiet["drift"]),
            (&json!("completed"), &json!(0)),
            "{quiet}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_operation_that_comes_to_nothing_is_asked_for_again_and_deletes_nothing() {
    let (shop, daemon) = deaf(small(), "bulk_stuck_seconds = 2").await;
    let sold = shop.spot(0, 5).await;
    for fault in [
        json!({ "ending": "stuck", "afterObjects": 5 }),
        json!({ "ending": "failed", "afterObjects": 5 }),
        json!({ "ending": "timeout" }),
        json!({ "ending": "canceled" }),
        json!({ "urlExpired": true }),
        json!({ "body": "cutLine" }),
        json!({ "body": "hangUp" }),
        json!({ "countOff": 3 }),
        json!({ "silent": true }),
    ] {
        shop.sells(&sold, 1).await;
        let mut fault = fault.clone();
        fault["operations"] = json!(1);
        shop.does("faults", &json!({ "bulk": fault })).await;
        let run = daemon.compares("inventory").await;
        assert_eq!(
            (&run["state"], &run["deleted"]),
            (&json!("completed"), &json!(0)),
            "{fault}: {run}"
        );
        let level = daemon.level(&sold.item, &sold.location).await.unwrap();
        assert_eq!(
            level["available"],
            shop.level(&sold).await["available"],
            "{fault}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_operation_whose_cancelling_is_in_doubt_is_looked_at_again() {
    let (shop, daemon) = deaf(small(), "bulk_stuck_seconds = 2").await;
    for lost in ["before", "after"] {
        let before = shop.bulk_operations().await;
        shop.does(
            "faults",
            &json!({ "bulk": { "operations": 1, "ending": "stuck", "afterObjects": 5 } }),
        )
        .await;
        let run = daemon.begins_when_it_can("inventory", "full").await;
        eventually("the operation is asked for", async || {
            (shop.bulk_operations().await > before).then_some(())
        })
        .await;
        shop.mistreats_calls(&json!({ "mutations": { lost: { "calls": 1 } } }))
            .await;
        assert_eq!(
            daemon.ends(&run).await["state"],
            "completed",
            "the answer was lost {lost} it was cancelled"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_that_is_missing_is_said_and_not_taken_for_an_empty_shop() {
    let (shop, mut daemon) = deaf(small(), "").await;
    daemon.expects_error("run failed");
    daemon.expects_error("lacks scopes");
    shop.does(
        "faults",
        &json!({ "bulk": { "operations": 1, "ending": "accessDenied" } }),
    )
    .await;
    let run = daemon.compares("inventory").await;
    assert_eq!(run["state"], "failed");
    assert!(run["error"].as_str().unwrap().contains("scopes"), "{run}");
    assert!(!daemon.list("levels", &admin()).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_would_delete_half_the_catalogue_stops_and_asks() {
    let options = Options {
        products: 60,
        ..small()
    };
    let (shop, mut daemon) = deaf(options, "").await;
    daemon.expects_error("run failed");
    let truth = shop.truth().await;
    for product in truth["products"].as_array().unwrap().iter().take(30) {
        shop.does(
            "products",
            &json!({ "action": "delete", "id": product["id"] }),
        )
        .await;
    }
    let run = daemon.compares("products").await;
    assert_eq!(
        (&run["state"], &run["deleted"]),
        (&json!("failed"), &json!(0))
    );
    let sentence = run["error"].as_str().unwrap();
    assert!(
        sentence.contains("nothing was deleted") && sentence.contains("--any-missing"),
        "{sentence}"
    );
    assert_eq!(daemon.list("products", &admin()).await.len(), 60);

    let wish = json!({ "resource": "products", "kind": "full", "anyMissing": true });
    let (_, begun) = daemon.begins(&wish).await;
    let run = daemon.ends(&begun["runId"]).await;
    assert_eq!(
        (&run["state"], &run["deleted"]),
        (&json!("completed"), &json!(90)),
        "products and items: {run}"
    );
    Mirror::becomes_exact(&daemon, &shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_too_old_to_be_seen_is_not_taken_for_deleted() {
    let scopes = Options::default()
        .scopes
        .into_iter()
        .filter(|scope| scope != "read_all_orders")
        .collect();
    let (shop, daemon) = deaf(Options { scopes, ..small() }, "").await;
    let before = daemon.list("orders", &admin()).await.len();
    shop.time_passes(61 * 24 * 3_600).await;
    let young = shop.sells(&shop.spot(0, 5).await, 1).await;
    let run = daemon.compares("orders").await;
    assert_eq!(
        (&run["state"], &run["deleted"]),
        (&json!("completed"), &json!(0)),
        "{run}"
    );
    let orders = daemon.list("orders", &admin()).await;
    assert_eq!(orders.len(), before + 1);
    assert!(orders.iter().any(|order| order["orderId"] == young["id"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_tells_and_touches_nothing() {
    let (shop, daemon) = deaf(small(), "").await;
    let sold = shop.spot(0, 5).await;
    shop.sells(&sold, 2).await;
    let before = Mirror::of(&daemon).await;
    let wish = json!({ "resource": "inventory", "kind": "full", "dryRun": true });
    let (_, begun) = daemon.begins(&wish).await;
    let run = daemon.ends(&begun["runId"]).await;
    assert_eq!(
        (&run["state"], &run["changed"], &run["dryRun"]),
        (&json!("completed"), &json!(1), &json!(true))
    );
    assert_eq!(Mirror::of(&daemon).await, before);
    let drift = daemon
        .list(
            &format!("drift?runId={}", run["runId"].as_str().unwrap()),
            &admin(),
        )
        .await;
    assert_eq!(
        drift[0]["fields"]["quantities.available"],
        json!([sold.available, sold.available - 2])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_with_its_bulk_operation_after_a_kill_and_ends_when_cancelled() {
    let (shop, mut daemon) = deaf(small(), "").await;
    let sold = shop.spot(0, 5).await;
    shop.sells(&sold, 2).await;
    let slow = |pace: u32| json!({ "bulk": { "objectsPerSecond": pace, "operations": 0 } });
    shop.does("faults", &slow(1)).await;
    let (_, begun) = daemon
        .begins(&json!({ "resource": "inventory", "kind": "full" }))
        .await;
    let (status, refused) = daemon.begins(&json!({ "resource": "inventory" })).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (409, &json!("CONFLICT"))
    );
    // How far it is will be asked for when its id has been kept.
    let before = eventually("the operation is begun and kept", async || {
        let calls = shop.calls().await;
        let last = calls["calls"].as_array().unwrap().last();
        let count = shop.bulk_operations().await;
        (count > 4 && last.is_some_and(|call| call["operation"] == "BulkState")).then_some(count)
    })
    .await;
    daemon.killed();
    daemon.starts().await;
    shop.does("faults", &slow(20_000)).await;
    shop.time_passes(600).await;
    let run = daemon.ends(&begun["runId"]).await;
    assert_eq!(run["state"], "completed", "{run}");
    assert_eq!(
        shop.bulk_operations().await,
        before,
        "the same operation was taken up again"
    );
    Mirror::becomes_exact(&daemon, &shop).await;

    shop.does("faults", &slow(1)).await;
    let (_, begun) = daemon
        .begins(&json!({ "resource": "inventory", "kind": "full" }))
        .await;
    let path = format!("runs/{}/cancel", begun["runId"].as_str().unwrap());
    let (status, _) = daemon.posts(&path, &Value::Null, &admin()).await;
    assert_eq!(status, 200);
    assert_eq!(daemon.ends(&begun["runId"]).await["state"], "cancelled");
    assert_eq!(
        daemon.posts(&path, &Value::Null, &admin()).await.0,
        409,
        "it is over"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wishes_for_runs_that_make_no_sense_are_refused_with_a_sentence() {
    let (_shop, daemon) = deaf(small(), "").await;
    for (wish, status) in [
        (json!({ "resource": "everything" }), 400),
        (json!({}), 400),
        (json!({ "resource": "orders", "kind": "slow" }), 400),
        (json!({ "resource": "orders", "force": true }), 400),
    ] {
        let (answered, refusal) = daemon.begins(&wish).await;
        assert_eq!(answered, status, "{wish}");
        assert!(
            refusal["error"]["message"]
                .as_str()
                .is_some_and(|sentence| sentence.len() > 20),
            "{refusal}"
        );
    }
    let wish = json!({ "resource": "orders" });
    assert_eq!(
        daemon.posts("runs", &wish, &Token::of(Role::Staff)).await.0,
        403
    );
    assert_eq!(
        daemon
            .posts("runs/none/cancel", &Value::Null, &admin())
            .await
            .0,
        404
    );
    assert_eq!(daemon.asked("drift?runId=", &admin()).await.0, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_subscriptions_are_made_again_and_what_was_missed_is_synced() {
    let shop = TestShop::with(small()).await;
    let mut daemon = TestDaemon::subscribing(&shop, Settings::default()).await;
    daemon.imported().await;
    let sold = shop.spot(0, 9).await;
    shop.sells(&sold, 1).await;
    shop.falls_quiet().await;
    Mirror::becomes_exact(&daemon, &shop).await;

    daemon.killed();
    shop.sells(&sold, 1).await;
    shop.time_passes(5 * 3_600).await;
    eventually("the shop has given up", async || {
        shop.time_passes(3_600).await;
        (shop.deliveries().await["lost"] != 0).then_some(())
    })
    .await;
    daemon.starts().await;
    Mirror::becomes_exact(&daemon, &shop).await;
    shop.sells(&sold, 1).await;
    Mirror::becomes_exact(&daemon, &shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_whose_answer_is_lost_is_asked_for_again_soon() {
    let shop = TestShop::with(small()).await;
    shop.mistreats_calls(&json!({ "mutations": { "before": { "calls": 4 } } }))
        .await;
    let daemon = TestDaemon::subscribing(&shop, Settings::default()).await;
    daemon.imported().await;
    shop.sells(&shop.spot(0, 5).await, 1).await;
    // Nothing else would bring it: no run is due.
    Mirror::becomes_exact(&daemon, &shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_is_forgotten_and_an_uninstalled_app_stops_politely() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    let order = shop.sells(&shop.spot(0, 5).await, 1).await;
    let customer = order["customerId"].as_str().unwrap().to_owned();
    shop.falls_quiet().await;
    Mirror::becomes_exact(&daemon, &shop).await;
    shop.does(
        "privacy",
        &json!({ "action": "requestData", "customerId": customer }),
    )
    .await;
    let alert = async |title: &str| {
        eventually(title, async || {
            let told = daemon.events(None).await;
            told.iter()
                .any(|event| event["data"]["title"] == title)
                .then_some(())
        })
        .await;
    };
    alert("A customer asks what is kept of them").await;
    shop.does(
        "privacy",
        &json!({ "action": "redactCustomer", "customerId": customer }),
    )
    .await;
    eventually("nothing is kept of the customer", async || {
        let known = daemon
            .list("customers", &admin())
            .await
            .iter()
            .any(|row| row["customerId"] == customer.as_str());
        let orders = daemon.list("orders", &admin()).await;
        let whose = orders
            .iter()
            .any(|order| order["customerId"] == customer.as_str());
        let told =
            daemon.events(None).await.iter().any(|event| {
                event["kind"] != "system:alert" && event.to_string().contains(&customer)
            });
        (!known && !whose && !told).then_some(())
    })
    .await;

    shop.does("app", &json!({ "action": "uninstall" })).await;
    alert("The app was uninstalled").await;
    daemon.expects_error("uninstalled");
    let status = daemon.told(&["status".to_owned()], &admin()).await;
    assert!(
        status.code == 1 && status.out.contains("install the app again and restart"),
        "{}",
        status.out
    );
    let (status, _) = daemon.begins(&json!({ "resource": "orders" })).await;
    assert_eq!(status, 503);
    assert!(daemon.still_runs());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_begins_runs_and_tells_how_exact_the_mirror_is() {
    let (shop, daemon) = deaf(small(), "").await;
    shop.sells(&shop.spot(0, 5).await, 1).await;
    shop.time_passes(3_600).await;
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();

    let synced = daemon.told(&words("sync inventory --full"), &admin()).await;
    assert_eq!(synced.code, 0, "{}", synced.err);
    assert!(
        synced.out.contains("1 changed, 0 deleted, 1 drifted"),
        "{}",
        synced.out
    );
    let synced = daemon.told(&words("sync orders --json"), &admin()).await;
    let run: Value = serde_json::from_str(&synced.out).unwrap();
    assert_eq!(
        (&run["kind"], &run["state"]),
        (&json!("quick"), &json!("completed"))
    );

    let status = daemon.told(&words("status"), &admin()).await;
    let line = |resource: &str| {
        status
            .out
            .lines()
            .find(|line| line.trim_start().starts_with(resource))
            .unwrap()
            .to_owned()
    };
    assert!(
        line("inventory").contains("1 drifted") && line("orders").contains("completed"),
        "{}",
        status.out
    );
    assert!(
        line("waiting").contains("0 webhooks, 0 unreadable ones, 0 commands"),
        "{}",
        status.out
    );

    let refused = daemon.told(&words("sync everything"), &admin()).await;
    assert!(
        refused.code == 2
            && refused
                .err
                .contains("products, inventory, orders or customers")
    );
    let refused = daemon.told(&words("sync orders --cancel"), &admin()).await;
    assert!(refused.code == 1 && refused.err.contains("no run of orders is under way"));
    let refused = daemon
        .told(&words("sync orders"), &Token::of(Role::Staff))
        .await;
    assert!(
        refused.code == 1 && refused.err.contains("may not start or end runs"),
        "{}",
        refused.err
    );

    let figures = reqwest::get(format!("{}/metrics", daemon.url()))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let figure = format!(
        "stockd_drift_records{{shop=\"{}\",resource=\"inventory\"}} 1",
        tests::DOMAIN
    );
    assert!(figures.contains(&figure), "{figures}");
}
