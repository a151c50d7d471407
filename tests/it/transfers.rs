//! Transfers of stock: each step at the shop is told once, in order, to those whom it concerns.

use schemas::Role;
use serde_json::{Value, json};
use sim::Options;
use tests::{Client, Settings, TestDaemon, TestShop, Token, Webhook, eventually};

const SCOPE: &str = "read_inventory_transfers";

/// A draft of three units from one location to another, and both ends.
async fn draft(shop: &TestShop) -> (String, [String; 2]) {
    let from = shop.spot(0, 10).await;
    let to = shop.elsewhere(&from, 0).await;
    let items = json!([{ "inventoryItemId": from.item, "quantity": 3 }]);
    let ends = json!({ "action": "create", "originId": from.location, "destinationId": to.location, "items": items });
    let made = shop.does("transfers", &ends).await;
    (
        made["id"].as_str().unwrap().to_owned(),
        [from.location, to.location],
    )
}

/// A transfer goes on; later than what happened to it before.
async fn moves(shop: &TestShop, action: &str, id: &str) {
    shop.time_passes(2).await;
    shop.does("transfers", &json!({ "action": action, "id": id }))
        .await;
}

/// A client that comes back quickly.
async fn client(daemon: &TestDaemon, namespace: &str, token: &Token) -> Client {
    let options = json!({
        "auth": { "token": daemon.token(token) },
        "reconnectionDelay": 50,
        "reconnectionDelayMax": 200,
    });
    let mut client = Client::with(&daemon.url(), namespace, &options);
    client.connected().await;
    client
}

/// What is in the log of a transfer.
async fn logged(daemon: &TestDaemon, id: &str) -> Vec<Value> {
    daemon.events(Some(&format!("transfer:{id}"))).await
}

fn statuses<'a>(told: impl IntoIterator<Item = &'a Value>) -> Vec<Option<&'a str>> {
    told.into_iter()
        .map(|told| told["status"].as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_is_heard_once_in_order_at_both_ends_and_by_its_followers_also_after_a_kill() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    let (id, ends) = draft(&shop).await;
    let room = format!("transfer:{id}");
    let mut hub = client(&daemon, "/hub", &Token::of(Role::Staff)).await;
    hub.asks("join_room", &json!(room)).await;
    let mut at_ends = Vec::new();
    for end in &ends {
        let mut client = client(&daemon, "/oda", &Token::of(Role::Staff)).await;
        client
            .asks("subscribe:inventory", &json!({ "locationIds": [end] }))
            .await;
        at_ends.push(client);
    }
    let mut strangers = Vec::new();
    for (namespace, request, wanted) in [
        ("/hub", "join_room", json!(room)),
        ("/oda", "subscribe:inventory", json!({})),
    ] {
        let mut client = client(&daemon, namespace, &Token::customer("1")).await;
        client.asks(request, &wanted).await;
        strangers.push(client);
    }

    moves(&shop, "ready", &id).await;
    let told = hub.event("transfer:status_update").await;
    assert_eq!(
        (&told["transferId"], &told["status"]),
        (&json!(id), &json!("ready_to_ship"))
    );
    assert_eq!(
        (&told["originId"], &told["quantity"]),
        (&json!(ends[0]), &json!(3))
    );
    moves(&shop, "ship", &id).await;
    for client in &mut at_ends {
        client
            .event_where("inventory:transfer", |told| {
                told["data"]["status"].is_null()
            })
            .await;
    }
    daemon.killed();
    moves(&shop, "complete", &id).await;
    eventually("a webhook failed", async || {
        (shop.deliveries().await["retrying"].as_u64()? > 0).then_some(())
    })
    .await;
    daemon.starts().await;
    shop.falls_quiet().await;
    hub.event_where("transfer:status_update", |told| {
        told["status"] == "transferred"
    })
    .await;
    for client in &mut at_ends {
        client
            .event_where("inventory:transfer", |told| {
                told["data"]["status"] == "transferred"
            })
            .await;
    }

    // The last step under another webhook id, and one that is older than all.
    let last = logged(&daemon, &id).await.last().unwrap()["data"].clone();
    let body = |status: &str, at: &Value| json!({ "id": format!("gid://shopify/InventoryTransfer/{id}"), "happened_at": at, "status": status });
    let repeated = Webhook::of(
        "inventory_transfers/complete",
        &body("TRANSFERRED", &last["happenedAt"]),
    );
    let old = body("READY_TO_SHIP", &json!("2020-01-01T00:00:00Z"));
    let older = Webhook::of("inventory_transfers/ready_to_ship", &old);
    for webhook in [&repeated, &older, &older] {
        assert_eq!(daemon.receives(webhook).await, 200);
    }
    daemon.inbox_is_empty().await;

    let all = [Some("ready_to_ship"), None, Some("transferred")];
    let events = logged(&daemon, &id).await;
    assert_eq!(statuses(events.iter().map(|event| &event["data"])), all);
    hub.asks("leave_room", &json!(room)).await;
    let heard = hub.events("transfer:");
    assert_eq!(
        statuses(heard.iter().map(|(_, told)| told)),
        [all[0], all[2]]
    );
    for client in &mut at_ends {
        client.asks("unsubscribe:orders", &json!({})).await;
        let heard = client.events("inventory:transfer");
        assert_eq!(statuses(heard.iter().map(|(_, told)| &told["data"])), all);
        assert!(
            heard
                .iter()
                .all(|(_, told)| told["data"]["destinationId"] == ends[1].as_str())
        );
    }
    for client in &mut strangers {
        client
            .asks(
                "auth:refresh",
                &json!({ "token": daemon.token(&Token::customer("1")) }),
            )
            .await;
        assert_eq!(
            (client.events("transfer:"), client.events("inventory:")),
            (vec![], vec![])
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_scope_no_transfer_is_subscribed_to_and_nobody_is_bothered() {
    let scopes = sim::SCOPES
        .iter()
        .filter(|scope| **scope != SCOPE)
        .map(|scope| (*scope).to_owned());
    let shop = TestShop::with(Options {
        products: 6,
        locations: 2,
        restore_rate: 10_000,
        scopes: scopes.collect(),
        ..Options::default()
    })
    .await;
    let daemon = TestDaemon::subscribing(&shop, Settings::default()).await;
    daemon.imported().await;
    let of_transfers = async || {
        let topics = shop.subscriptions().await;
        // The last that is asked for.
        let all = topics.iter().any(|topic| topic == "SHOP_UPDATE");
        all.then(|| {
            topics
                .iter()
                .filter(|topic| topic.starts_with("INVENTORY_TRANSFERS_"))
                .count()
        })
    };
    assert_eq!(
        eventually("everything is subscribed to", of_transfers).await,
        0
    );
    let (unheard, _) = draft(&shop).await;
    moves(&shop, "ready", &unheard).await;
    shop.falls_quiet().await;
    daemon.inbox_is_empty().await;
    assert_eq!(logged(&daemon, &unheard).await, Vec::<Value>::new());

    // Granted later, it is asked for, and that is no alarm either.
    shop.does(
        "app",
        &json!({ "action": "setScopes", "scopes": sim::SCOPES }),
    )
    .await;
    let seven = async || (of_transfers().await? == 7).then_some(());
    eventually("transfers are subscribed to", seven).await;
    moves(&shop, "cancel", &unheard).await;
    eventually("the transfer is told", async || {
        let told = logged(&daemon, &unheard).await;
        (statuses(told.iter().map(|event| &event["data"])) == [Some("canceled")]).then_some(())
    })
    .await;
    let alerts = daemon
        .events(None)
        .await
        .into_iter()
        .filter(|event| event["kind"] == "system:alert");
    assert_eq!(alerts.collect::<Vec<_>>(), Vec::<Value>::new());
}
