//! python-socketio as published, which services in Python use: it connects, subscribes, hears, and learns why it was cut.

use schemas::Role;
use serde_json::{Value, json};
use tests::{Client, TestDaemon, TestShop, Token};

fn admin() -> Token {
    Token::of(Role::Admin)
}

/// One for each way of connecting, with the transport each must end up with.
fn clients(daemon: &TestDaemon, token: &str) -> Vec<(&'static str, Client)> {
    let ways = [
        (Value::Null, "websocket"),
        (json!(["polling"]), "polling"),
        (json!(["websocket"]), "websocket"),
    ];
    let opens = |(transports, ends_with)| {
        let options =
            json!({ "auth": { "token": token }, "transports": transports, "wait_timeout": 30 });
        (ends_with, Client::python(&daemon.url(), "/oda", &options))
    };
    ways.into_iter().map(opens).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_hears_the_same_over_every_transport_and_why_it_was_put_out() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let spot = shop.spot(0, 20).await;
    let mut clients = clients(&daemon, &daemon.token(&admin().user("ann")));
    for (transport, client) in &mut clients {
        assert_eq!(client.connected().await["userId"], "ann");
        assert_eq!(client.transport().as_deref(), Some(*transport));
        let answer = client
            .asks("subscribe:inventory", &json!({ "snapshot": true }))
            .await;
        assert!(
            answer["levels"].as_array().unwrap().len() > 20,
            "more than fits one packet of TCP"
        );
    }

    for units in 1..=10 {
        shop.adjusts(&spot, "available", -1).await;
        let now = spot.available - units;
        for (_, client) in &mut clients {
            client
                .event_where("inventory:updated", |event| {
                    event["data"]["available"] == now
                })
                .await;
        }
    }

    let (_, first) = &clients[0];
    for (_, client) in &clients {
        assert_eq!(client.events("inventory:"), first.events("inventory:"));
        assert_eq!(
            client.events("connected").len(),
            1,
            "it had to connect again"
        );
    }
    assert_eq!(
        daemon
            .posted("revocations", &admin(), &json!({ "userId": "ann" }))
            .await
            .0,
        200
    );
    for (transport, client) in &mut clients {
        assert_eq!(client.event("error").await["code"], "TOKEN_INVALID");
        assert_eq!(
            client.disconnected().await,
            "server disconnect",
            "{transport}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_comes_back_to_a_daemon_that_was_killed_and_misses_nothing_it_asks_for() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    let spot = shop.spot(0, 5).await;
    let mut clients = clients(&daemon, &daemon.token(&admin()));
    let mut offset = Value::Null;
    for (_, client) in &mut clients {
        client.connected().await;
        offset = client.asks("subscribe:inventory", &json!({})).await["offset"].clone();
    }

    daemon.killed();
    shop.adjusts(&spot, "available", -1).await;
    daemon.starts().await;

    for (transport, client) in &mut clients {
        assert_eq!(
            client.disconnected().await,
            "transport error",
            "{transport}"
        );
        client.connected().await;
        client
            .asks("subscribe:inventory", &json!({ "since": offset }))
            .await;
        client
            .event_where("inventory:updated", |event| {
                event["data"]["available"] == spot.available - 1
            })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_is_refused_in_the_documented_words() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    for (transport, mut client) in clients(&daemon, "nonsense") {
        assert_eq!(
            client.refused().await,
            "Invalid or expired token",
            "{transport}"
        );
    }
}
