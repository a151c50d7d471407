//! The seven things that socket.io tries of its own recovery, tried of ours by its clients as published: the newest,
//! and the first that could be recovered.

use schemas::Role;
use serde_json::{Value, json};
use tests::{Client, Settings, Spot, TestDaemon, TestShop, Token};

fn admin() -> Token {
    Token::of(Role::Admin).user("ann")
}

struct World {
    shop: TestShop,
    daemon: TestDaemon,
    spot: Spot,
    clients: [Client; 2],
}

impl World {
    /// Both clients are connected, in everything in stock, and have heard one event.
    async fn new() -> Self {
        let shop = TestShop::opens().await;
        let daemon = TestDaemon::on(&shop).await;
        let options = json!({ "auth": { "token": daemon.token(&admin()) } });
        let url = daemon.url();
        let mut clients = [Client::with, Client::oldest].map(|open| open(&url, "/oda", &options));
        for client in &mut clients {
            client.connected().await;
            client.asks("subscribe:inventory", &json!({})).await;
        }
        let spot = shop.spot(0, 50).await;
        let mut world = Self {
            shop,
            daemon,
            spot,
            clients,
        };
        world.sells_one().await;
        world.everybody_hears_of_it().await;
        world
    }

    async fn sells_one(&mut self) {
        self.shop.adjusts(&self.spot, "available", -1).await;
        self.spot.available -= 1;
    }

    async fn everybody_hears_of_it(&mut self) {
        let available = self.spot.available;
        for client in &mut self.clients {
            client
                .event_where("inventory:updated", |event| {
                    event["data"]["available"] == available
                })
                .await;
        }
    }

    /// The clients go away, something happens, and they return: whether each takes itself for recovered.
    async fn meanwhile(&mut self, happens: impl AsyncFnOnce(&mut Self)) -> [bool; 2] {
        for client in &mut self.clients {
            client.goes_away();
            client.disconnected().await;
        }
        happens(self).await;
        let mut recovered = [false; 2];
        for (client, recovered) in self.clients.iter_mut().zip(&mut recovered) {
            client.returns();
            *recovered = client.came_back().await;
        }
        recovered
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_id_is_the_same_and_what_was_missed_comes_from_every_kind_of_room() {
    let mut world = World::new().await;
    let ids = world.clients.each_ref().map(Client::socket_ids);

    let recovered = world
        .meanwhile(async |world| {
            // To whoever is in a room of their own choice, to all staff, and to this user alone.
            world.sells_one().await;
            world.daemon.begins_when_it_can("products", "quick").await;
            let one = world.spot.asks(json!({ "delta": -1 }));
            let (status, answer) = world.daemon.asked_to("adjust", &one, &admin()).await;
            assert_eq!(status, 200, "{answer}");
            world.spot.available -= 1;
        })
        .await;

    assert_eq!(recovered, [true, true]);
    for (client, before) in world.clients.iter_mut().zip(ids) {
        assert_eq!(client.socket_ids(), [&before[..], &before[..]].concat());
        client
            .event_where("shopify:syncStatus", |event| {
                event["data"]["state"] == "completed"
            })
            .await;
        client
            .event_where("command:updated", |event| {
                event["data"]["state"] == "confirmed"
            })
            .await;
        assert_eq!(client.events("resync"), []);
    }
    world.everybody_hears_of_it().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_and_who_it_is_are_as_they_were() {
    let mut world = World::new().await;
    for client in &mut world.clients {
        client.asks("subscribe:orders", &json!({})).await;
        client
            .asks("subscribe:inventory", &json!({ "productIds": [7, 8] }))
            .await;
        client
            .asks("unsubscribe:inventory", &json!({ "productIds": [8] }))
            .await;
    }

    assert_eq!(world.meanwhile(async |_| ()).await, [true, true]);

    for client in &mut world.clients {
        let connected = client.event("connected").await;
        assert_eq!(
            (&connected["userId"], &connected["role"]),
            (&json!("ann"), &json!("admin"))
        );
        let mut rooms: Vec<_> = connected["rooms"]
            .as_array()
            .unwrap()
            .iter()
            .map(|room| room.as_str().unwrap())
            .collect();
        rooms.sort_unstable();
        assert_eq!(
            rooms,
            [
                "inventory:all",
                "inventory:product:7",
                "orders:all",
                "role:admin",
                "shopify:sync",
                "user:ann"
            ]
        );
    }
}

/// There a server may leave its checks out, or not; ours never does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_opens_nothing_without_a_token_and_goes_on_with_the_next_good_one() {
    let mut world = World::new().await;
    let fresh = world.daemon.token(&admin().id("another"));
    for client in &mut world.clients {
        client.goes_away();
        client.disconnected().await;
        client.takes_token("nonsense");
        client.returns();
        assert_eq!(client.refused().await, "Invalid or expired token");
    }
    world.sells_one().await;
    for client in &mut world.clients {
        client.takes_token(&fresh);
        client.returns();
        assert!(client.came_back().await);
    }
    world.everybody_hears_of_it().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_of_another_database_is_begun_anew() {
    let mut world = World::new().await;
    let recovered = world
        .meanwhile(async |world| {
            world.daemon.killed();
            for file in std::fs::read_dir(world.daemon.folder())
                .unwrap()
                .map(Result::unwrap)
            {
                if file.file_name().to_str().unwrap().starts_with("stockd.db") {
                    std::fs::remove_file(file.path()).unwrap();
                }
            }
            world.daemon.starts().await;
            world.daemon.imported().await;
        })
        .await;

    assert_eq!(recovered, [false, false]);
    for client in &mut world.clients {
        assert_eq!(client.event("resync").await["reason"], "unknown_session");
        let ids = client.socket_ids();
        assert_ne!(ids.first(), ids.last());
        client.asks("subscribe:inventory", &json!({})).await;
    }
    world.sells_one().await;
    world.everybody_hears_of_it().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_it_is_switched_off_nobody_gets_a_session_and_one_from_before_is_not_looked_at() {
    let mut world = World::new().await;
    let recovered = world
        .meanwhile(async |world| {
            world.daemon.terminated().await;
            world.daemon.configure(
                &world.shop,
                Settings {
                    realtime: r#"recovery = ["/"]"#.to_owned(),
                    ..Settings::default()
                },
            );
            world.daemon.starts().await;
        })
        .await;

    assert_eq!(recovered, [false, false]);
    let heard = world
        .clients
        .each_ref()
        .map(|client| client.arguments("inventory:updated").len());
    for client in &mut world.clients {
        assert_eq!(client.events("resync"), []);
        client.asks("subscribe:inventory", &json!({})).await;
    }
    world.sells_one().await;
    world.everybody_hears_of_it().await;
    for (client, before) in world.clients.iter().zip(heard) {
        let arguments = client.arguments("inventory:updated");
        let is_plain = |arguments: &Value| arguments.as_array().unwrap().len() == 1;
        assert!(
            arguments[before..].iter().all(is_plain),
            "events are as documented"
        );
    }
    // There is nothing to come back with.
    assert_eq!(world.meanwhile(async |_| ()).await, [false, false]);
    assert!(
        world
            .clients
            .iter()
            .all(|client| client.events("resync").is_empty())
    );
}
