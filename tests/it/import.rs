//! The first import of a shop: complete, exact, gentle to Shopify, and told truthfully.

use schemas::{Role, Timestamp};
use serde_json::{Value, json};
use sim::Options;
use tests::{Mirror, Settings, TestDaemon, TestShop, Token, eventually};

/// Least time between two reports of one run, a little below four a second for the clock's sake.
const REPORTS_APART_MS: i64 = 240;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_of_24_000_levels_is_imported_exactly_without_being_throttled() {
    let shop = TestShop::with(Options {
        products: 2_000,
        variants_per_product: 3,
        locations: 4,
        restore_rate: 1_000,
        ..Options::default()
    })
    .await;
    let daemon = TestDaemon::with(&shop, Settings::default()).await;
    let mut client = daemon.client(&Token::of(Role::Manager)).await;
    client
        .event_where("shopify:syncStatus", |status| {
            status["data"]["resource"] == "inventory" && status["data"]["state"] == "completed"
        })
        .await;

    let calls = shop.calls().await;
    assert_eq!(calls["totals"]["throttled"], 0, "{}", calls["totals"]);
    assert_eq!(calls["totals"]["failed"], 0, "{}", calls["totals"]);

    let (mirror, truth) = (Mirror::of(&daemon).await, Mirror::truth(&shop).await);
    assert_eq!(
        (mirror.count("variants"), mirror.count("levels")),
        (6_000, 24_000)
    );
    assert_eq!(mirror.difference(&truth), "");

    let runs = daemon.runs().await;
    let processed =
        |what: &str| runs.iter().find(|run| run["resource"] == what).unwrap()["processed"].clone();
    assert_eq!(
        (processed("products"), processed("inventory")),
        (8_000.into(), 30_000.into()),
        "items, too"
    );

    let logged = daemon.events(None).await;
    let record = logged
        .iter()
        .find(|event| event["kind"] != "shopify:sync_status");
    assert_eq!(record, None, "one import, not its records");
    let completed = logged
        .iter()
        .filter(|event| event["data"]["state"] == "completed")
        .count();
    assert_eq!(completed, 4, "one completion for each resource");

    let told = client.events("shopify:");
    // The other run may be over before a client is there.
    let of_run = told.iter().map(|(name, payload)| (name.as_str(), payload));
    let of_run: Vec<_> = of_run
        .filter(|(_, payload)| payload["data"]["resource"] == "inventory")
        .collect();
    progress_is_truthful(&of_run);
}

/// Numbers only grow, never beyond the total; 100 percent is said once it is true, and nothing is said too often.
fn progress_is_truthful(told: &[(&str, &Value)]) {
    let number = |payload: &Value, field: &str| payload["data"][field].as_u64();
    let moment = |payload: &Value| {
        payload["timestamp"]
            .as_str()
            .unwrap()
            .parse::<Timestamp>()
            .unwrap()
    };
    let reports: Vec<&Value> = told
        .iter()
        .filter(|(name, _)| name.ends_with(":progress"))
        .map(|(_, payload)| *payload)
        .collect();
    assert!(reports.len() > 2, "a long run reports on its way");
    for report in &reports {
        assert_eq!(report["data"]["state"], "running");
        // Both are unknown until Shopify was asked how much there is.
        assert!(
            number(report, "percent").is_none_or(|percent| percent < 100),
            "{report}"
        );
        assert!(
            number(report, "total").is_none_or(|total| number(report, "processed") <= Some(total)),
            "{report}"
        );
    }
    for pair in reports.windows(2) {
        assert!(
            number(pair[0], "processed") <= number(pair[1], "processed"),
            "{pair:?}"
        );
        assert!(
            number(pair[0], "percent") <= number(pair[1], "percent"),
            "{pair:?}"
        );
        let apart = moment(pair[1]).duration_since(moment(pair[0])).as_millis();
        assert!(
            apart >= REPORTS_APART_MS.into(),
            "two reports {apart} ms apart"
        );
    }
    let (name, end) = told.last().unwrap();
    assert_eq!(*name, "shopify:syncStatus", "the end is told last");
    assert_eq!(end["data"]["state"], "completed");
    assert_eq!(number(end, "processed"), number(end, "total"), "{end}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_import_goes_on_when_shopify_hangs_up_and_fails() {
    let shop = TestShop::opens().await;
    shop.does("faults", &json!({ "graphql": { "calls": 2 } }))
        .await;
    let daemon = TestDaemon::on(&shop).await;
    assert_eq!(shop.calls().await["totals"]["failed"], 2);
    assert_eq!(
        Mirror::of(&daemon)
            .await
            .difference(&Mirror::truth(&shop).await),
        ""
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_shopify_refuses_is_told_as_failed_and_made_up_for() {
    let shop = TestShop::opens().await;
    let refuses = |calls: u32| json!({ "graphql": { "calls": calls, "status": 401 } });
    shop.does("faults", &refuses(1_000_000)).await;
    let settings = Settings {
        quick: "* * * * * *".to_owned(),
        ..Settings::default()
    };
    let mut daemon = TestDaemon::with(&shop, settings).await;
    daemon.expects_error("run failed");
    eventually("runs failed", async || {
        let runs = daemon.runs().await;
        let failed = |what: &str| {
            runs.iter()
                .any(|run| run["resource"] == what && run["state"] == "failed")
        };
        (failed("products") && failed("orders")).then_some(())
    })
    .await;
    assert!(
        daemon
            .runs()
            .await
            .iter()
            .all(|run| run["state"] != "failed" || run["error"].is_string())
    );

    shop.does("faults", &refuses(0)).await;

    daemon.imported().await;
    Mirror::becomes_exact(&daemon, &shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_that_are_due_at_one_time_all_have_their_turn() {
    let shop = TestShop::opens().await;
    let settings = Settings {
        quick: "* * * * * *".to_owned(),
        ..Settings::default()
    };
    let daemon = TestDaemon::with(&shop, settings).await;
    daemon.imported().await;
    eventually("every resource had its quick runs", async || {
        let runs = daemon.runs().await;
        let quick = |what: &str| {
            runs.iter()
                .filter(|run| run["resource"] == what && run["kind"] == "quick")
                .count()
        };
        (quick("products") > 1 && quick("inventory") > 1).then_some(())
    })
    .await;
}
