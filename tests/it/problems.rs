//! What is wrong for a while: told once when it begins and once when it is over, in every place where people look.

use schemas::Role;
use serde_json::{Value, json};
use sim::Options;
use tests::{DOMAIN, Mirror, Settings, TestDaemon, TestShop, Token, Webhook, eventually};

fn admin() -> Token {
    Token::of(Role::Admin)
}

async fn problems(daemon: &TestDaemon) -> Vec<Value> {
    daemon.asked("status", &admin()).await.1["problems"]
        .as_array()
        .unwrap()
        .clone()
}

/// Waits until a problem of that kind stands; its message.
async fn begins(daemon: &TestDaemon, kind: &str) -> String {
    eventually(kind, async || {
        let standing = problems(daemon)
            .await
            .into_iter()
            .find(|problem| problem["kind"] == kind)?;
        assert!(standing["since"].is_string(), "{standing}");
        Some(standing["message"].as_str().unwrap().to_owned())
    })
    .await
}

/// Waits until administrators are told under that title; how often they were.
async fn alerts(daemon: &TestDaemon, title: &str) -> usize {
    eventually(title, async || {
        let told = daemon.events(None).await;
        let count = told
            .iter()
            .filter(|event| event["data"]["title"] == title)
            .count();
        (count > 0).then_some(count)
    })
    .await
}

async fn figures(daemon: &TestDaemon) -> String {
    reqwest::get(format!("{}/metrics", daemon.url()))
        .await
        .unwrap()
        .text()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_of_a_shop_that_is_not_configured_are_logged_once() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let stranger = || {
        Webhook::of("themes/publish", &json!({}))
            .header("x-shopify-shop-domain", "other.myshopify.com")
    };
    for _ in 0..20 {
        assert_eq!(daemon.receives(&stranger()).await, 404);
    }
    assert_eq!(
        daemon
            .log()
            .matches("compare the domain under [[shop]]")
            .count(),
        1,
        "{}",
        daemon.log()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_webhook_secret_is_a_problem_until_a_webhook_is_signed_as_it_should_be() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    // The import's own webhooks were right; a daemon that has begun since has seen none such.
    shop.falls_quiet().await;
    daemon.killed();
    daemon.starts().await;
    let wrong = || Webhook::of("themes/publish", &json!({})).signed_with("another");
    for _ in 0..20 {
        assert_eq!(daemon.receives(&wrong()).await, 401);
    }
    let message = begins(&daemon, "webhooks_refused").await;
    assert!(
        message.contains("webhook_secrets") && message.contains("client secret"),
        "{message}"
    );
    assert_eq!(alerts(&daemon, "Webhooks are refused").await, 1);
    let status = daemon.told(&["status".to_owned()], &admin()).await;
    assert_eq!(status.code, 1, "{}", status.out);
    assert!(status.out.contains("webhook_secrets"), "{}", status.out);
    let figure = format!("stockd_problems{{shop=\"{DOMAIN}\",kind=\"webhooks_refused\"}} 1");
    eventually("the figure", async || {
        figures(&daemon).await.contains(&figure).then_some(())
    })
    .await;

    assert_eq!(
        daemon
            .receives(&Webhook::of("themes/publish", &json!({})))
            .await,
        200
    );
    assert_eq!(alerts(&daemon, "Over: Webhooks are refused").await, 1);
    assert_eq!(problems(&daemon).await, [] as [Value; 0]);
    // Figures are made once a second.
    eventually("the figure is gone", async || {
        (!figures(&daemon).await.contains(&figure)).then_some(())
    })
    .await;
    let status = daemon.told(&["status".to_owned()], &admin()).await;
    assert_eq!(status.code, 0, "{}{}", status.out, status.err);

    // Between webhooks that are right, a stranger's are no problem of ours.
    assert_eq!(daemon.receives(&wrong()).await, 401);
    assert_eq!(problems(&daemon).await, [] as [Value; 0]);
    assert_eq!(
        daemon.log().matches("webhook_secrets").count(),
        2,
        "{}",
        daemon.log()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_is_a_problem_and_what_waits_for_it_is_counted() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    daemon.expects_error("run failed");
    let spot = shop.spot(0, 20).await;
    shop.does("app", &json!({ "action": "revokeTokens", "fixed": true }))
        .await;
    daemon
        .takes("adjust", &spot.asks(json!({ "delta": -1 })))
        .await;
    shop.sells(&spot, 1).await;
    let message = begins(&daemon, "no_access").await;
    assert!(message.contains("enter a new one"), "{message}");
    assert_eq!(alerts(&daemon, "Shopify does not let stockd in").await, 1);
    eventually("what waits is counted", async || {
        let waiting = daemon.asked("status", &admin()).await.1["waiting"].clone();
        (waiting["commands"] == 1 && waiting["refreshes"].as_u64()? > 0).then_some(())
    })
    .await;
    assert!(
        figures(&daemon)
            .await
            .contains(&format!("stockd_commands_unsent{{shop=\"{DOMAIN}\"}} 1"))
    );
    daemon.compares("orders").await;
    assert_eq!(
        alerts(&daemon, "Shopify does not let stockd in").await,
        1,
        "once, however often it is found"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_not_the_one_of_the_database_is_refused_and_changes_nothing() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    let spot = shop.spot(0, 20).await;
    daemon.killed();

    let other = TestShop::with(Options {
        products: 7,
        locations: 2,
        restore_rate: 10_000,
        ..Options::default()
    })
    .await;
    daemon.configure(&other, Settings::default());
    daemon.expects_error("is not the one that this database is of");
    daemon.starts().await;
    let message = begins(&daemon, "other_store").await;
    assert!(
        message.contains("api_url") && message.contains("new database"),
        "{message}"
    );
    assert_eq!(alerts(&daemon, "Another store answers").await, 1);
    let run = daemon.compares("inventory").await;
    assert_eq!(
        (&run["state"], &run["error"]),
        (&json!("failed"), &json!(message)),
        "{run}"
    );
    assert_eq!(
        daemon
            .receives(&Webhook::of("themes/publish", &json!({})))
            .await,
        503
    );
    daemon
        .takes("adjust", &spot.asks(json!({ "delta": -1 })))
        .await;

    daemon.killed();
    daemon.configure(&shop, Settings::default());
    daemon.starts().await;
    daemon.comes_to_rest(&shop).await;
    assert_eq!(problems(&daemon).await, [] as [Value; 0]);
    Mirror::becomes_exact(&daemon, &shop).await;
    assert_eq!(
        shop.level(&spot).await["available"],
        spot.available - 1,
        "the command went to its own store"
    );
}
