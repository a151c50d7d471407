//! Messages of a RabbitMQ broker: each told once, whoever is killed, and what cannot be read is put aside.

use std::collections::{BTreeMap, BTreeSet};

use lapin::types::AMQPValue;
use serde_json::{Value, json};
use tests::{Sent, Settings, TestBroker, TestDaemon, TestShop, eventually};

const QUEUE: &str = "websocket.events";
const DEAD: &str = "websocket.events.dead";
const ROUNDS: usize = 4;
const MESSAGES: usize = 10_000;
/// One of so many cannot be read.
const POISON_EVERY: usize = 500;

fn settings(broker: &TestBroker) -> Settings {
    // The library says what the daemon says in its own words.
    let log = "info,lapin=off".to_owned();
    Settings {
        sections: format!("[amqp]\nurl = \"{}\"", broker.url()),
        log,
        ..Settings::default()
    }
}

fn message(number: usize) -> Sent {
    let (routing_key, body) = match number % 4 {
        0 => (
            "order.shipped",
            json!({ "orderId": format!("order-{number}"), "status": "shipped" }),
        ),
        1 => (
            "payment.success",
            json!({ "paymentId": number, "amount": 5, "currency": "EUR" }),
        ),
        2 => (
            "inventory.updated",
            json!({ "productId": format!("product-{number}"), "quantity": 0 }),
        ),
        _ => (
            "product.created",
            json!({ "productId": format!("new-{number}"), "title": "Lamp" }),
        ),
    };
    Sent {
        routing_key: routing_key.to_owned(),
        id: Some(format!("m-{number}")),
        body: body.to_string(),
    }
}

fn poison(number: usize) -> Sent {
    let body = format!("{{\"canary\": {number}");
    Sent {
        routing_key: "order.created".to_owned(),
        id: Some(format!("poison-{number}")),
        body,
    }
}

/// What was posted, as an admin finds it in the log.
async fn posted(daemon: &TestDaemon) -> Vec<Value> {
    daemon
        .events(None)
        .await
        .into_iter()
        .filter(|event| event["kind"] == "posted")
        .collect()
}

async fn is_connected(daemon: &TestDaemon) {
    eventually("messages come in", async || {
        (daemon.health().await["amqp"] == "connected").then_some(())
    })
    .await;
}

#[tokio::test]
async fn ten_thousand_messages_are_told_once_each_while_broker_and_daemon_are_killed_in_turn() {
    let (shop, mut broker) = (TestShop::opens().await, TestBroker::starts().await);
    let mut daemon = TestDaemon::with(&shop, settings(&broker)).await;
    daemon.imported().await;
    is_connected(&daemon).await;
    let share = MESSAGES / ROUNDS;
    for round in 0..ROUNDS {
        let numbers = round * share..(round + 1) * share;
        let mut messages: Vec<Sent> = numbers.clone().map(message).collect();
        messages.extend(
            numbers
                .filter(|number| number % POISON_EVERY == 0)
                .map(poison),
        );
        let (before, after) = messages.split_at(share / 2);
        broker.takes("events", before).await;
        // Some of these are in the queue, some given out and not acknowledged, some told.
        if round % 2 == 0 {
            broker.killed();
            broker.comes_back().await;
        } else {
            daemon.killed();
            daemon.starts().await;
        }
        broker.takes("events", after).await;
    }
    is_connected(&daemon).await;
    let told = eventually("everything is told", async || {
        let told = posted(&daemon).await;
        (told.len() >= MESSAGES && broker.waiting(QUEUE).await == 0).then_some(told)
    })
    .await;
    let mut times = BTreeMap::<String, usize>::new();
    for event in &told {
        let data = &event["data"]["data"];
        let name = ["orderId", "paymentId", "productId"]
            .map(|field| data[field].to_string())
            .concat();
        *times.entry(name).or_default() += 1;
        assert_eq!(event["data"]["source"], "amqp");
    }
    assert_eq!(times.len(), MESSAGES, "none was lost");
    assert!(
        times.values().all(|times| *times == 1),
        "none was told twice"
    );

    let dead = broker.empties(DEAD).await;
    let names: BTreeSet<_> = dead.iter().map(|found| found.id.clone().unwrap()).collect();
    let expected = (0..MESSAGES)
        .step_by(POISON_EVERY)
        .map(|number| format!("poison-{number}"));
    assert_eq!(names, expected.collect());
    for found in &dead {
        let reason = found.reason.as_deref().unwrap();
        assert!(
            reason.contains("JSON") && !reason.contains("canary") && found.body.contains("canary"),
            "{found:?}"
        );
    }
    assert!(!daemon.log().contains("canary"));
}

#[tokio::test]
async fn over_tls_only_a_broker_that_somebody_vouches_for_is_believed() {
    let (shop, broker) = (TestShop::opens().await, TestBroker::starts().await);
    let url = broker.tls_url();
    let strange = Settings {
        sections: format!("[amqp]\nurl = \"{url}\""),
        ..settings(&broker)
    };
    let daemon = TestDaemon::with(&shop, strange).await;
    eventually("it is refused", async || {
        daemon
            .log()
            .contains("no messages of the broker")
            .then_some(())
    })
    .await;
    assert_eq!(daemon.health().await["amqp"], "away");
    drop(daemon);
    let authorities = format!("ca = \"{}\"", broker.certificate().display());
    let known = Settings {
        sections: format!("[amqp]\nurl = \"{url}\"\n{authorities}"),
        ..settings(&broker)
    };
    let daemon = TestDaemon::with(&shop, known).await;
    is_connected(&daemon).await;
    broker.takes("events", &[message(1)]).await;
    eventually("it is told", async || {
        (posted(&daemon).await.len() == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_broker_that_is_away_hinders_nobody_and_is_found_again() {
    let (shop, mut broker) = (TestShop::opens().await, TestBroker::starts().await);
    broker.killed();
    let daemon = TestDaemon::with(&shop, settings(&broker)).await;
    daemon.imported().await;
    assert_eq!(daemon.health().await["amqp"], "away");
    broker.comes_back().await;
    is_connected(&daemon).await;
    // Without a name, two that are alike are two.
    let nameless = Sent {
        id: None,
        ..message(0)
    };
    broker.takes("events", &[nameless.clone(), nameless]).await;
    broker
        .takes(
            "",
            &[Sent {
                routing_key: QUEUE.to_owned(),
                ..message(2)
            }],
        )
        .await;
    let told = eventually("all are told", async || {
        Some(posted(&daemon).await).filter(|told| told.len() >= 3)
    })
    .await;
    let kinds: Vec<_> = told
        .iter()
        .map(|event| event["data"]["event"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "order:status_changed",
            "order:status_changed",
            "inventory:updated"
        ]
    );
    assert_eq!(broker.waiting(DEAD).await, 0);
}

#[tokio::test]
async fn queues_that_somebody_made_with_arguments_are_used_as_they_are() {
    let (shop, broker) = (TestShop::opens().await, TestBroker::starts().await);
    broker
        .has_queue(
            QUEUE,
            "x-queue-type",
            AMQPValue::LongString("quorum".into()),
        )
        .await;
    broker
        .has_queue(DEAD, "x-max-length", AMQPValue::LongInt(1_000))
        .await;
    let daemon = TestDaemon::with(&shop, settings(&broker)).await;
    is_connected(&daemon).await;
    broker.takes("events", &[message(1), poison(1)]).await;
    eventually("one is told", async || {
        (posted(&daemon).await.len() == 1).then_some(())
    })
    .await;
    eventually("the other is put aside", async || {
        (broker.waiting(DEAD).await == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_keeps_nothing_back_while_the_broker_takes_no_messages() {
    let (shop, broker) = (TestShop::opens().await, TestBroker::starts().await);
    let mut daemon = TestDaemon::with(&shop, settings(&broker)).await;
    is_connected(&daemon).await;
    daemon.killed();
    let messages: Vec<Sent> = [poison(0)]
        .into_iter()
        .chain((1..=20).map(message))
        .chain([poison(21)])
        .collect();
    broker.takes("events", &messages).await;
    // It is short of memory: whoever publishes is not read from any more.
    broker.is_told(&["set_vm_memory_high_watermark", "0"]);
    daemon.starts().await;
    eventually("all that can be read is told", async || {
        (posted(&daemon).await.len() == 20).then_some(())
    })
    .await;
    assert_eq!(daemon.health().await["amqp"], "connected");
    // What was not acknowledged is given back when the daemon goes.
    eventually("they are acknowledged", async || {
        daemon.killed();
        let left = broker.waiting(QUEUE).await;
        daemon.starts().await;
        is_connected(&daemon).await;
        (left == 2).then_some(())
    })
    .await;
    assert_eq!(broker.waiting(DEAD).await, 0);

    broker.is_told(&["set_vm_memory_high_watermark", "0.6"]);
    eventually("they are put aside", async || {
        (broker.waiting(DEAD).await >= 2).then_some(())
    })
    .await;
    let names: BTreeSet<_> = broker
        .empties(DEAD)
        .await
        .into_iter()
        .map(|found| found.id.unwrap())
        .collect();
    assert_eq!(names, ["poison-0", "poison-21"].map(str::to_owned).into());
    assert_eq!(posted(&daemon).await.len(), 20, "none was told twice");
}

#[tokio::test]
async fn a_user_who_may_not_is_told_what_to_grant_and_it_helps() {
    let (shop, broker) = (TestShop::opens().await, TestBroker::starts().await);
    broker.is_told(&["set_permissions", "guest", "^$", "^$", "^$"]);
    let daemon = TestDaemon::with(&shop, settings(&broker)).await;
    let grant = eventually("the log says what to grant", async || {
        let log = daemon.log();
        let (_, command) =
            log.split_once("grant the rights: rabbitmqctl set_permissions -p '/' 'guest' ")?;
        let patterns: Vec<String> = command
            .split('\'')
            .skip(1)
            .step_by(2)
            .take(3)
            .map(str::to_owned)
            .collect();
        Some(patterns)
    })
    .await;
    let unescaped: Vec<String> = grant
        .iter()
        .map(|pattern| pattern.replace(r"\\", r"\"))
        .collect();
    let patterns: Vec<&str> = unescaped.iter().map(String::as_str).collect();
    broker.is_told(&[&["set_permissions", "-p", "/", "guest"][..], &patterns[..]].concat());
    is_connected(&daemon).await;
    broker.is_told(&["set_permissions", "guest", ".*", ".*", ".*"]);
    broker.takes("events", &[message(1)]).await;
    eventually("it is told", async || {
        (posted(&daemon).await.len() == 1).then_some(())
    })
    .await;
}
