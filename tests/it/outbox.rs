//! The way to the store and back: whatever is lost on it, each command is carried out once, or told why not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use schemas::Role;
use serde_json::{Value, json};
use sim::Options;
use tests::{ExpectedLevel, Mirror, Settings, Spot, TestDaemon, TestShop, Token, eventually};
use tokio::time::{Instant, sleep};

fn staff() -> Token {
    Token::of(Role::Staff)
}

/// Nothing goes wrong any more.
fn no_faults() -> Value {
    json!({ "graphql": {}, "mutations": {}, "latencyMs": 0 })
}

/// Somebody who gives one command of each kind again and again, and keeps books.
struct Clerk {
    spots: Vec<Spot>,
    books: Vec<ExpectedLevel>,
    /// Reservations of the round before: which, and how many of which spot.
    held: Vec<(String, Vec<(usize, i64)>)>,
    given: BTreeSet<String>,
    rounds: usize,
}

impl Clerk {
    async fn comes(shop: &TestShop) -> Self {
        let (mut spots, mut books) = (Vec::new(), Vec::new());
        for n in 0..5 {
            spots.push(shop.spot(n, 0).await);
            shop.adjusts(&spots[n], "available", 500 - spots[n].available)
                .await;
            books.push(shop.level_at(&spots[n]).await);
        }
        Self {
            spots,
            books,
            held: Vec::new(),
            given: BTreeSet::new(),
            rounds: 0,
        }
    }

    /// One command of each kind, each at a spot where stock is left.
    async fn works(&mut self, daemon: &TestDaemon) {
        self.rounds += 1;
        let units = i64::try_from(self.rounds).unwrap();
        let (spots, books) = (&self.spots, &mut self.books);
        let line = |n: usize, quantity: i64| json!({ "inventoryItemId": spots[n].item, "locationId": spots[n].location, "quantity": quantity });
        let lines = json!({ "items": [line(2, 1), line(4, 2)], "reason": "two lines" });
        let mut orders = vec![
            ("adjust", spots[0].asks(json!({ "delta": -units }))),
            ("update", spots[1].asks(json!({ "quantity": 300 + units }))),
            (
                "update",
                spots[3].asks(json!({ "quantity": 400 + units, "name": "on_hand" })),
            ),
        ];
        books[0].adjust(-units);
        books[1].set(300 + units);
        books[3].count(400 + units);
        for (turn, (reservation, lines)) in self.held.drain(..).enumerate() {
            let (kind, sale) = [
                ("release", "order"),
                ("commit", "outside"),
                ("commit", "order"),
            ][(self.rounds + turn) % 3];
            orders.push((kind, json!({ "reservationId": reservation, "sale": sale })));
            for (n, units) in lines {
                books[n].reserve(-units);
                if sale == "outside" {
                    books[n].adjust(-units);
                }
            }
        }
        orders.push(("reserve", spots[2].asks(json!({ "quantity": 2 }))));
        orders.push(("reserve", lines));
        for (kind, payload) in orders {
            let answer = daemon.takes(kind, &payload).await;
            assert!(
                self.given
                    .insert(answer["commandId"].as_str().unwrap().to_owned())
            );
            let Some(reservation) = answer["reservationId"].as_str() else {
                continue;
            };
            let lines = if payload["items"].is_array() {
                vec![(2, 1), (4, 2)]
            } else {
                vec![(2, 2)]
            };
            for (n, units) in &lines {
                books[*n].reserve(*units);
            }
            self.held.push((reservation.to_owned(), lines));
        }
    }

    /// The store holds what the books say, and every command is confirmed.
    async fn agrees(&self, daemon: &TestDaemon, shop: &TestShop) {
        let commands = daemon.comes_to_rest(shop).await;
        for command in &commands {
            assert_eq!(command["state"], "confirmed", "{command}");
        }
        let ids = commands
            .iter()
            .map(|command| command["commandId"].as_str().unwrap().to_owned());
        assert_eq!(
            ids.collect::<BTreeSet<_>>(),
            self.given,
            "what was acknowledged is there"
        );
        for (spot, expected) in self.spots.iter().zip(&self.books) {
            assert_eq!(shop.level_at(spot).await, *expected, "item {}", spot.item);
        }
        let reservations = daemon.reservations().await;
        assert_eq!(reservations.len(), self.held.len());
        assert!(
            reservations
                .iter()
                .all(|reservation| reservation["state"] == "held"),
            "{reservations:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_step_of_an_attempt_each_command_is_carried_out_once() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    let mut clerk = Clerk::comes(&shop).await;
    Mirror::becomes_exact(&daemon, &shop).await;
    let mut seen = BTreeMap::<&str, usize>::new();

    for step in ["given", "sent", "faulted", "unanswered", "answered"]
        .into_iter()
        .cycle()
        .take(10)
    {
        if !["given", "sent"].contains(&step) {
            // What is still sent again would meet the faults first.
            daemon.settles().await;
        }
        let before = shop.mutations().await.len();
        match step {
            "sent" => {
                // Two rounds, so that of some levels the one is under way and the other waits for it.
                shop.mistreats_calls(&json!({ "latencyMs": 3_000 })).await;
                clerk.works(&daemon).await;
                clerk.works(&daemon).await;
                eventually("some are on their way", async || {
                    (daemon.commands_in("sending").await > 0).then_some(())
                })
                .await;
                assert!(daemon.commands_in("accepted").await > 0, "others wait");
            }
            "faulted" => {
                shop.mistreats_calls(&json!({ "mutations": { "before": { "calls": 4 } } }))
                    .await;
                clerk.works(&daemon).await;
            }
            "unanswered" => {
                shop.mistreats_calls(&json!({ "mutations": { "after": { "calls": 4 } } }))
                    .await;
                clerk.works(&daemon).await;
            }
            _ => clerk.works(&daemon).await,
        }
        let reached = |mutation: &Value| match step {
            "faulted" => mutation["outcome"] == "FAULT",
            "unanswered" => mutation["applied"] == true && mutation["answered"] == false,
            "answered" => mutation["applied"] == true && mutation["answered"] == true,
            _ => true,
        };
        if !["given", "sent"].contains(&step) {
            eventually(step, async || {
                let mutations = shop.mutations().await;
                mutations[before..].iter().any(reached).then_some(())
            })
            .await;
        }
        daemon.killed();
        *seen.entry(step).or_default() += 1;
        shop.mistreats_calls(&no_faults()).await;
        daemon.starts().await;
    }

    assert_eq!(seen.len(), 5);
    clerk.agrees(&daemon, &shop).await;
    // Each key changed the store once, though some were sent more often.
    let mutations = shop.mutations().await;
    let applied: Vec<&Value> = mutations
        .iter()
        .filter(|mutation| mutation["applied"] == true)
        .collect();
    let keys: BTreeSet<&str> = applied
        .iter()
        .map(|mutation| mutation["idempotencyKey"].as_str().unwrap())
        .collect();
    assert_eq!(keys.len(), applied.len());
    assert!(
        mutations
            .iter()
            .any(|mutation| mutation["outcome"] == "REPEATED"),
        "nothing was sent again"
    );
    // And nobody is told twice.
    let mut told = BTreeSet::new();
    for event in daemon.list("events", &staff()).await {
        let (kind, data) = (event["kind"].as_str().unwrap(), &event["data"]);
        if ["command:updated", "inventory:reservation"].contains(&kind) {
            let id = data["commandId"]
                .as_str()
                .or_else(|| data["reservationId"].as_str())
                .unwrap();
            let told_before = !told.insert((
                kind.to_owned(),
                id.to_owned(),
                data["state"].as_str().unwrap().to_owned(),
            ));
            assert!(!told_before, "told twice: {event}");
        }
    }
    assert!(told.iter().any(|(kind, ..)| kind == "command:updated"));
    assert!(
        told.iter()
            .any(|(kind, _, state)| kind == "inventory:reservation" && state == "held")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_is_away_commands_are_taken_and_brought_there_in_order_later() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let spot = shop.spot(0, 10).await;
    let mut books = shop.level_at(&spot).await;
    let mut client = daemon.client(&staff()).await;
    client.asks("subscribe:inventory", &json!({})).await;
    shop.mistreats_calls(&json!({ "graphql": { "chance": 1.0, "status": 503 } }))
        .await;

    books.set(40);
    let mut given = vec![
        daemon
            .takes("update", &spot.asks(json!({ "quantity": 40 })))
            .await,
    ];
    books.reserve(5);
    given.push(
        daemon
            .takes("reserve", &spot.asks(json!({ "quantity": 5 })))
            .await,
    );
    let reservation = given[1]["reservationId"].clone();
    books.adjust(-3);
    given.push(
        daemon
            .takes("adjust", &spot.asks(json!({ "delta": -3 })))
            .await,
    );
    books.sell_held(5);
    given.push(
        daemon
            .takes(
                "commit",
                &json!({ "reservationId": reservation, "sale": "outside" }),
            )
            .await,
    );
    books.adjust(2);
    let counted = spot.asks(json!({ "quantity": books.on_hand, "name": "on_hand" }));
    given.push(daemon.takes("update", &counted).await);
    books.reserve(1);
    given.push(
        daemon
            .takes("reserve", &spot.asks(json!({ "quantity": 1 })))
            .await,
    );

    // People see at once what will be.
    let available = books.available;
    client
        .event_where("inventory:updated", |event| {
            event["data"]["available"] == available
        })
        .await;
    assert_eq!(
        daemon.level(&spot.item, &spot.location).await.unwrap()["available"],
        available
    );
    eventually("it was tried", async || {
        (shop.calls().await["totals"]["failed"].as_u64()? > 2).then_some(())
    })
    .await;
    assert!(
        client.commands().is_empty(),
        "nothing is confirmed while the store is away"
    );
    shop.mistreats_calls(&no_faults()).await;

    let commands = daemon.comes_to_rest(&shop).await;
    assert!(
        commands
            .iter()
            .all(|command| command["state"] == "confirmed"),
        "{commands:?}"
    );
    assert_eq!(shop.level_at(&spot).await, books);
    let order: Vec<(String, String)> = given
        .iter()
        .map(|answer| {
            (
                answer["commandId"].as_str().unwrap().to_owned(),
                "confirmed".to_owned(),
            )
        })
        .collect();
    client
        .event_where("command:updated", |event| {
            event["data"]["commandId"] == order[5].0.as_str()
        })
        .await;
    assert_eq!(client.commands(), order, "one after the other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn past_the_bound_on_waiting_commands_are_refused_until_the_store_is_back() {
    let shop = TestShop::opens().await;
    let settings = Settings {
        shop: "unsent_max_seconds = 60".to_owned(),
        ..Settings::default()
    };
    let mut daemon = TestDaemon::with(&shop, settings).await;
    daemon.imported().await;
    let (spot, other) = (shop.spot(0, 10).await, shop.spot(1, 10).await);
    let mut books = shop.level_at(&spot).await;
    shop.mistreats_calls(&json!({ "graphql": { "chance": 1.0, "status": 503 } }))
        .await;
    let mut client = daemon.client(&staff()).await;

    let began = Instant::now();
    let command = other.asks(json!({ "delta": 1 }));
    let refused = loop {
        let answer = client
            .asks("inventory:adjust", &spot.asks(json!({ "delta": 1 })))
            .await;
        if answer["ok"] == false {
            break answer;
        }
        books.adjust(1);
        assert!(began.elapsed() < Duration::from_secs(75), "never refused");
        // The bound is one of time: there is nothing to wait for but time.
        sleep(Duration::from_secs(2)).await;
    };
    assert!(
        began.elapsed() > Duration::from_mins(1),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["retryable"]),
        (&json!("UNAVAILABLE"), &json!(true))
    );
    let refusal = daemon.refuses("adjust", &command).await;
    assert_eq!(
        (refusal.code.as_str(), refusal.retryable),
        ("UNAVAILABLE", true)
    );
    assert!(refusal.message.contains("Shopify"), "{}", refusal.message);

    shop.mistreats_calls(&no_faults()).await;
    // Pauses between tries have grown long by now; a new process tries at once.
    daemon.killed();
    daemon.starts().await;
    let commands = daemon.comes_to_rest(&shop).await;
    assert!(
        commands
            .iter()
            .all(|command| command["state"] == "confirmed")
    );
    assert_eq!(shop.level_at(&spot).await, books);
    daemon.takes("adjust", &command).await;
    daemon.comes_to_rest(&shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_slow_store_many_commands_become_few_calls_and_none_is_throttled() {
    let shop = TestShop::with(Options {
        products: 10,
        variants_per_product: 2,
        locations: 1,
        restore_rate: 20,
        bucket: Some(400),
        ..Options::default()
    })
    .await;
    let daemon = TestDaemon::on(&shop).await;
    let mut clients = [daemon.client(&staff()).await, daemon.client(&staff()).await];
    let (mut spots, mut books) = (Vec::new(), Vec::new());
    for n in 0..20 {
        spots.push(shop.spot(n, 0).await);
        books.push(shop.level_at(&spots[n]).await);
    }
    let before = shop.calls().await["totals"].clone();

    let mut given = 0;
    for round in 0..10_i64 {
        let kind = if round % 2 == 0 {
            "inventory:adjust"
        } else {
            "inventory:reserve"
        };
        let payloads: Vec<Value> = spots
            .iter()
            .map(|spot| spot.asks(json!({ "delta": round + 1, "quantity": 1 })))
            .collect();
        for book in &mut books {
            if round % 2 == 0 {
                book.adjust(round + 1);
            } else {
                book.reserve(1);
            }
        }
        let client = &mut clients[usize::try_from(round % 2).unwrap()];
        for answer in client.asks_all(kind, &payloads).await {
            assert_eq!(answer["ok"], true, "{answer}");
            given += 1;
        }
    }

    let commands = daemon.settles().await;
    assert_eq!((commands.len(), given), (200, 200));
    assert!(
        commands
            .iter()
            .all(|command| command["state"] == "confirmed")
    );
    for (spot, expected) in spots.iter().zip(books) {
        assert_eq!(shop.level_at(spot).await, expected, "item {}", spot.item);
    }
    let mutations = shop.mutations().await.len();
    assert!(mutations <= 50, "{mutations} calls for 200 commands");
    let after = &shop.calls().await["totals"];
    assert_eq!(after["throttled"], 0, "{before} {after}");
    daemon.nothing_is_pending().await;
}
