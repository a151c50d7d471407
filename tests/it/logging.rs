//! The log as an administrator reads it: what happened to one thing is found by its id.

use std::collections::BTreeSet;
use std::time::Duration;

use daemon::clock::SystemClock;
use schemas::{Clock as _, Role};
use serde_json::{Value, json};
use tests::{Client, Settings, TestDaemon, TestShop, Token, Webhook};

/// The lines of the log that have this text in them, as `grep` finds them.
fn lines(daemon: &TestDaemon, text: &str) -> Vec<Value> {
    let log = daemon.log();
    let found = log.lines().filter(|line| line.contains(text));
    found
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn messages(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect()
}

/// The span of that name around a line.
fn span<'l>(line: &'l Value, name: &str) -> &'l Value {
    let mut spans = line["spans"].as_array().unwrap().iter();
    spans.find(|span| span["name"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_grep_tells_the_life_of_a_webhook_and_of_a_command() {
    let shop = TestShop::opens().await;
    let settings = Settings {
        journal: true,
        log: "debug".to_owned(),
        ..Settings::default()
    };
    let daemon = TestDaemon::with(&shop, settings).await;
    shop.mistreats_webhooks(&json!({ "paused": true })).await;
    daemon.inbox_is_empty().await;
    let spot = shop.spot(0, 20).await;
    let token = daemon.token(&Token::of(Role::Admin));
    let mut client = Client::connects(&daemon.url(), "/oda", &token);
    client.connected().await;
    client.asks("subscribe:inventory", &json!({})).await;

    // After every time in the shop's past, and not so far ahead that it would not be believed.
    let later = SystemClock.now() + Duration::from_mins(1);
    let level = json!({
        "inventory_item_id": spot.item.parse::<u64>().unwrap(),
        "location_id": spot.location.parse::<u64>().unwrap(),
        "available": spot.available - 1,
        "updated_at": later.to_string(),
    });
    let webhook = Webhook::of("inventory_levels/update", &level)
        .header("x-shopify-webhook-id", "the-life-of-a-webhook");
    assert_eq!(daemon.receives(&webhook).await, 200);
    let of_item = |event: &Value| event["data"]["inventoryItemId"] == spot.item.as_str();
    client.event_where("inventory:updated", of_item).await;
    daemon.inbox_is_empty().await;

    let life = lines(&daemon, "the-life-of-a-webhook");
    let said = messages(&life);
    assert!(said.contains(&"Accepted a webhook"), "{said:?}");
    let applied = life.iter();
    let applied = applied.filter(|line| line["message"] == "Applied a webhook");
    let [applied] = applied.collect::<Vec<_>>()[..] else {
        panic!("applied once: {said:?}");
    };
    for line in &life {
        let delivery = span(line, "delivery");
        assert_eq!(delivery["delivery.id"], "the-life-of-a-webhook");
        assert_eq!(delivery["topic"], "inventory_levels/update");
        assert!(delivery["shop.domain"].is_string());
    }
    // It leads to what was told of it, and that leads back to it.
    let events = applied["events"].as_str().unwrap();
    let mut kinds = BTreeSet::new();
    for event in events.split(' ') {
        let of_event = lines(&daemon, event);
        let is_source = |line: &&Value| {
            let events = line["events"].as_str().unwrap_or_default();
            events.split(' ').any(|one| one == event)
        };
        let [source] = &of_event.iter().filter(is_source).collect::<Vec<_>>()[..] else {
            panic!("one webhook is the source of {event}: {of_event:?}");
        };
        assert_eq!(
            span(source, "delivery")["delivery.id"],
            "the-life-of-a-webhook"
        );
        let tellings = of_event.iter().filter(|line| line["offset"] == event);
        kinds.extend(tellings.map(|line| line["kind"].to_string()));
    }
    assert!(kinds.contains("\"inventory:updated\""), "{kinds:?}");

    let command = json!({ "inventoryItemId": spot.item, "locationId": spot.location, "delta": -1, "reason": "logged" });
    let answer = client.asks("inventory:adjust", &command).await;
    let id = answer["commandId"].as_str().unwrap().to_owned();
    let confirmed =
        |event: &Value| event["data"]["commandId"] == *id && event["data"]["state"] == "confirmed";
    client.event_where("command:updated", confirmed).await;
    let accepted = lines(&daemon, &id);
    let mut accepted = accepted.iter();
    let accepted = accepted.find(|line| line["message"] == "Accepted a command");
    assert_eq!(span(accepted.unwrap(), "command")["command.id"], *id);
    let sent = lines(&daemon, "Sending adjustments to Shopify");
    let message = span(&sent[0], "outbox_message")["outbox.id"]
        .as_str()
        .unwrap();
    let sent = lines(&daemon, message);
    let sent = messages(&sent);
    assert_eq!(sent.first(), Some(&"Sending adjustments to Shopify"));
    assert!(sent.contains(&"Shopify answered"), "{sent:?}");
}
