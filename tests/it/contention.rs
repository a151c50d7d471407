//! Everybody at once: nothing is sold twice, nothing is forgotten, and the store agrees in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::Role;
use serde_json::{Value, json};
use sim::Options;
use tests::{
    CommandRefusal, Dice, ExpectedLevel, Mirror, Settings, Spot, TestDaemon, TestShop, Token,
    eventually,
};
use tokio::task::JoinSet;

fn staff() -> Token {
    Token::of(Role::Staff)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_who_want_one_of_fifty_at_once_exactly_fifty_hold_it() {
    let shop = TestShop::opens().await;
    let daemon = Arc::new(TestDaemon::on(&shop).await);
    let spot = shop.spot(0, 5).await;
    shop.adjusts(&spot, "available", 50 - spot.available).await;
    Mirror::becomes_exact(&daemon, &shop).await;
    let before = shop.level_at(&spot).await;
    let mut watcher = daemon.client(&Token::of(Role::Admin)).await;
    watcher.asks("subscribe:inventory", &json!({})).await;
    let mut sockets = Vec::new();
    for _ in 0..4 {
        sockets.push(daemon.client(&staff()).await);
    }
    let wanted = spot.asks(json!({ "quantity": 1 }));

    let (mut by_rest, mut by_socket) = (JoinSet::new(), JoinSet::new());
    for mut client in sockets {
        let wanted = vec![wanted.clone(); 25];
        by_socket.spawn(async move {
            let answers = client.asks_all("inventory:reserve", &wanted).await;
            (client, answers)
        });
    }
    for _ in 0..100 {
        let (daemon, wanted) = (Arc::clone(&daemon), wanted.clone());
        by_rest.spawn(async move { daemon.asked_to("reserve", &wanted, &staff()).await.1 });
    }
    let mut answers = by_rest.join_all().await;
    let mut clients = Vec::new();
    for (client, more) in by_socket.join_all().await {
        clients.push(client);
        answers.extend(more);
    }

    let (held, refused): (Vec<Value>, Vec<Value>) = answers
        .into_iter()
        .partition(|answer| answer["error"].is_null());
    assert_eq!((held.len(), refused.len()), (50, 150));
    for answer in &refused {
        let CommandRefusal {
            code,
            field,
            retryable,
            ..
        } = CommandRefusal::of(answer);
        assert_eq!(
            (code.as_str(), field.as_deref(), retryable),
            ("INSUFFICIENT_STOCK", Some("quantity"), false)
        );
    }
    let commands = daemon.settles().await;
    assert_eq!(commands.len(), 50);
    assert!(
        commands
            .iter()
            .all(|command| command["state"] == "confirmed")
    );
    let reservations = daemon.reservations().await;
    assert_eq!(reservations.len(), 50);
    assert!(
        reservations
            .iter()
            .all(|reservation| reservation["state"] == "held")
    );
    let reserved = before.reserved + 50;
    assert_eq!(
        shop.level_at(&spot).await,
        ExpectedLevel {
            available: 0,
            reserved,
            ..before
        }
    );

    for _ in 0..50 {
        watcher
            .event_where("inventory:reservation", |event| {
                event["data"]["state"] == "held"
            })
            .await;
    }
    let told = watcher.events("inventory:reservation");
    for answer in &held {
        assert_eq!(answer["state"], "pending");
        let id = &answer["reservationId"];
        let own = told
            .iter()
            .filter(|(_, event)| event["data"]["reservationId"] == *id);
        let states: Vec<&Value> = own.map(|(_, event)| &event["data"]["state"]).collect();
        assert_eq!(states, [&json!("pending"), &json!("held")]);
    }
    for client in &mut clients {
        for answer in &held {
            let confirmed = |event: &Value| {
                event["data"]["commandId"] == answer["commandId"]
                    && event["data"]["state"] == "confirmed"
            };
            eventually("the sender is told", async || {
                client
                    .events("command:updated")
                    .iter()
                    .any(|(_, event)| confirmed(event))
                    .then_some(())
            })
            .await;
        }
    }
    shop.mutations().await;
    Mirror::becomes_exact(&daemon, &shop).await;
    daemon.nothing_is_pending().await;
}

/// A crowd at a store: who does what comes from a number, so that a failure can be had again.
struct Crowd {
    shop: TestShop,
    daemon: TestDaemon,
    /// Where everybody changes stock.
    crowded: Vec<Spot>,
    steps: u64,
}

/// What one of the crowd did that was taken.
#[derive(Default)]
struct Done {
    /// Ids of the commands that were accepted.
    commands: Vec<String>,
    /// Ids of reservations, and whether they last.
    reservations: Vec<(String, bool)>,
    /// What was bought, and whether it was sent to the buyer: by item.
    bought: Vec<(String, i64, bool)>,
}

/// How many act at once, where, and how much each of them does.
#[derive(Clone, Copy)]
struct Size {
    items: usize,
    /// At spots where everybody does the same.
    elbows: u64,
    /// Each at a spot where nobody else is.
    alone: usize,
    shoppers: u64,
    steps: u64,
}

impl Crowd {
    /// Reservations, changes and sales at spots where everybody does the same.
    async fn elbows(&self, number: u64) -> Done {
        let (mut dice, mut done) = (Dice::new(number), Done::default());
        let mut open: Vec<String> = Vec::new();
        for _ in 0..self.steps {
            let spot = dice.one_of(&self.crowded);
            let (kind, payload, lasts) = match dice.below(10) {
                0..=3 => {
                    let lasts = dice.below(2) == 0;
                    let ttl = if lasts { 600 } else { dice.units(2) };
                    (
                        "reserve",
                        spot.asks(json!({ "quantity": dice.units(3), "ttlSeconds": ttl })),
                        Some(lasts),
                    )
                }
                4 => {
                    let other = dice.one_of(&self.crowded);
                    let line = |spot: &Spot, quantity| {
                        json!({
                            "inventoryItemId": spot.item, "locationId": spot.location, "quantity": quantity,
                        })
                    };
                    let items = [line(spot, dice.units(2)), line(other, dice.units(2))];
                    let payload =
                        json!({ "items": items, "reason": "two lines", "ttlSeconds": 600 });
                    ("reserve", payload, Some(true))
                }
                5 | 6 => {
                    let delta = dice.units(4) * if dice.below(2) == 0 { 1 } else { -1 };
                    ("adjust", spot.asks(json!({ "delta": delta })), None)
                }
                choice => {
                    let Some(reservation) = open.pop() else {
                        continue;
                    };
                    let sale = if choice == 8 { "order" } else { "outside" };
                    let kind = if choice == 7 { "release" } else { "commit" };
                    (
                        kind,
                        json!({ "reservationId": reservation, "sale": sale }),
                        None,
                    )
                }
            };
            let (status, answer) = self.daemon.asked_to(kind, &payload, &staff()).await;
            if status != 200 {
                let code = CommandRefusal::of(&answer).code;
                // Sold out; or the reservation ran out, or a shopper had it.
                let fair = if kind == "release" || kind == "commit" {
                    "CONFLICT"
                } else {
                    "INSUFFICIENT_STOCK"
                };
                assert_eq!(code, fair, "{kind} {payload}: {answer}");
                continue;
            }
            done.commands
                .push(answer["commandId"].as_str().unwrap().to_owned());
            if let Some(lasts) = lasts {
                let reservation = answer["reservationId"].as_str().unwrap().to_owned();
                done.reservations.push((reservation.clone(), lasts));
                open.push(reservation);
            }
        }
        done
    }

    /// Every kind of command at a spot where nobody else is, so that each next answer is known.
    async fn counts(&self, spot: &Spot, number: u64) -> (Done, ExpectedLevel) {
        let (mut dice, mut done) = (Dice::new(number), Done::default());
        let mut level = self.shop.level_at(spot).await;
        let mut open: Vec<(String, i64)> = Vec::new();
        for _ in 0..self.steps {
            let (kind, payload) = match dice.below(6) {
                0 => {
                    let (quantity, expected) = (dice.units(60), level.available);
                    level.set(quantity);
                    (
                        "update",
                        spot.asks(json!({ "quantity": quantity, "expected": expected })),
                    )
                }
                1 => {
                    let (more, expected) = (dice.units(20), level.on_hand);
                    level.adjust(more);
                    let name = "on_hand";
                    let quantity = level.on_hand;
                    (
                        "update",
                        spot.asks(
                            json!({ "quantity": quantity, "expected": expected, "name": name }),
                        ),
                    )
                }
                2 if level.available > 3 => {
                    let delta = -dice.units(3);
                    level.adjust(delta);
                    ("adjust", spot.asks(json!({ "delta": delta })))
                }
                3 if !open.is_empty() => {
                    let (reservation, units) = open.remove(0);
                    level.reserve(-units);
                    ("release", json!({ "reservationId": reservation }))
                }
                4 if !open.is_empty() => {
                    let (reservation, units) = open.remove(0);
                    level.sell_held(units);
                    (
                        "commit",
                        json!({ "reservationId": reservation, "sale": "outside" }),
                    )
                }
                _ if level.available > 3 => {
                    let units = dice.units(3);
                    level.reserve(units);
                    (
                        "reserve",
                        spot.asks(json!({ "quantity": units, "ttlSeconds": 600 })),
                    )
                }
                _ => continue,
            };
            let answer = self.daemon.takes(kind, &payload).await;
            done.commands
                .push(answer["commandId"].as_str().unwrap().to_owned());
            if kind == "reserve" {
                let reservation = answer["reservationId"].as_str().unwrap().to_owned();
                done.reservations.push((reservation.clone(), true));
                open.push((reservation, payload["quantity"].as_i64().unwrap()));
            }
            let shown = answer.get("level").or_else(|| answer["levels"].get(0));
            if let Some(shown) = shown {
                assert_eq!(
                    shown["available"], level.available,
                    "{kind} {payload}: {answer}"
                );
            }
        }
        (done, level)
    }

    /// Buys at the store, past us.
    async fn buys(&self, number: u64) -> Done {
        let (mut dice, mut done) = (Dice::new(number), Done::default());
        for _ in 0..self.steps {
            let (spot, units) = (dice.one_of(&self.crowded), dice.units(3));
            let sale = json!({ "inventoryItemId": spot.item, "locationId": spot.location, "quantity": units });
            if let Ok(order) = self.shop.tries("sell", &sale).await {
                let sent = dice.below(3) == 0;
                if sent {
                    self.shop.order("fulfill", &order).await;
                }
                done.bought.push((spot.item.clone(), units, sent));
            }
        }
        done
    }
}

async fn a_crowd_leaves_the_store_as_the_books_say(size: Size, options: Options) {
    let whole = options.batch_atomic;
    let shop = TestShop::with(Options {
        products: (size.items / 2).try_into().unwrap(),
        variants_per_product: 2,
        locations: 2,
        restore_rate: 10_000,
        ..options
    })
    .await;
    // All of them come from one address.
    let realtime = "connections_per_address_max = 1000".to_owned();
    let daemon = TestDaemon::with(
        &shop,
        Settings {
            realtime,
            ..Settings::default()
        },
    )
    .await;
    let mut spots = Vec::new();
    for n in 0..size.items {
        spots.push(shop.spot(n, 0).await);
    }
    let place = spots[0].location.clone();
    assert!(
        spots.iter().all(|spot| spot.location == place),
        "each item once"
    );
    let alone = spots.split_off(spots.len() - size.alone);
    for spot in &spots {
        // Little enough that people are refused.
        shop.adjusts(spot, "available", 12 - spot.available).await;
    }
    Mirror::becomes_exact(&daemon, &shop).await;
    let mut expected = BTreeMap::new();
    for spot in &spots {
        expected.insert(spot.item.clone(), shop.level_at(spot).await);
    }
    // What a lost answer about half a batch leads to is shown elsewhere: often nobody can tell.
    let lost = if whole {
        json!({ "calls": 2, "chance": 0.25 })
    } else {
        json!({})
    };
    let (faulted, throttled) = (
        json!({ "calls": 1, "chance": 0.1 }),
        json!({ "chance": 0.1 }),
    );
    shop.mistreats_calls(
        &json!({ "mutations": { "before": faulted, "after": lost, "throttled": throttled } }),
    )
    .await;

    let crowd = Arc::new(Crowd {
        shop,
        daemon,
        crowded: spots,
        steps: size.steps,
    });
    let (mut people, mut counters) = (JoinSet::new(), JoinSet::new());
    for number in 0..size.elbows + size.shoppers {
        let crowd = Arc::clone(&crowd);
        people.spawn(async move {
            if number < size.elbows {
                crowd.elbows(number).await
            } else {
                crowd.buys(number).await
            }
        });
    }
    for (number, spot) in (1_000..).zip(alone.clone()) {
        let crowd = Arc::clone(&crowd);
        counters.spawn(async move {
            let (done, level) = crowd.counts(&spot, number).await;
            (spot.item, done, level)
        });
    }
    let mut done = people.join_all().await;
    for (item, counted, level) in counters.join_all().await {
        done.push(counted);
        expected.insert(item, level);
    }
    let Crowd {
        shop,
        daemon,
        crowded,
        ..
    } = &*crowd;
    shop.mistreats_calls(&json!({ "mutations": {} })).await;

    // Every hold that was to run out has.
    let reservations: Vec<&(String, bool)> =
        done.iter().flat_map(|done| &done.reservations).collect();
    let short: Vec<&str> = reservations
        .iter()
        .filter(|(_, lasts)| !lasts)
        .map(|(id, _)| id.as_str())
        .collect();
    assert!(!short.is_empty());
    eventually("short reservations have run out", async || {
        let open = daemon.reservations().await;
        let open = |id: &&str| {
            open.iter()
                .any(|reservation| reservation["reservationId"] == *id)
        };
        (!short.iter().any(open)).then_some(())
    })
    .await;
    let commands = daemon.settles().await;
    daemon.nothing_is_pending().await;
    shop.falls_quiet().await;
    Mirror::becomes_exact(daemon, shop).await;

    // The books: what was confirmed, and what was bought.
    let by_id: BTreeMap<&str, &Value> = commands
        .iter()
        .map(|command| (command["commandId"].as_str().unwrap(), command))
        .collect();
    let own: Vec<&Value> = done
        .iter()
        .flat_map(|done| &done.commands)
        .map(|id| by_id[id.as_str()])
        .collect();
    assert!(own.len() > 300, "{}", own.len());
    let alone: Vec<&str> = alone.iter().map(|spot| spot.item.as_str()).collect();
    for command in &own {
        let state = command["state"].as_str().unwrap();
        assert!(
            ["confirmed", "failed", "unknown"].contains(&state),
            "{command}"
        );
        let item = command["request"]["inventoryItemId"].as_str();
        if item.is_some_and(|item| alone.contains(&item)) {
            assert_eq!(state, "confirmed", "nobody else was there: {command}");
        }
    }
    // Where the answer to a refusal was lost while orders left the house, nobody can tell: a person looks.
    let unknown = own.iter().filter(|command| command["state"] == "unknown");
    let doubtful: BTreeSet<&str> = unknown
        .flat_map(|command| command["levels"].as_array().unwrap())
        .map(|level| level["inventoryItemId"].as_str().unwrap())
        .collect();
    assert!(doubtful.len() < expected.len() / 2, "{doubtful:?}");
    let confirmed = |kind: &'static str| {
        own.iter()
            .filter(move |command| command["state"] == "confirmed" && command["kind"] == kind)
            .copied()
    };
    let crowded = |item: &Value| crowded.iter().any(|spot| *item == spot.item.as_str());
    for command in
        confirmed("adjust").filter(|command| crowded(&command["request"]["inventoryItemId"]))
    {
        let level = expected
            .get_mut(command["request"]["inventoryItemId"].as_str().unwrap())
            .unwrap();
        level.adjust(command["request"]["delta"].as_i64().unwrap());
    }
    for (item, units, sent) in done.iter().flat_map(|done| &done.bought) {
        let level = expected.get_mut(item).unwrap();
        level.available -= units;
        level.committed += units;
        if *sent {
            level.committed -= units;
            level.on_hand -= units;
        }
    }
    let sold_outside: Vec<&str> = confirmed("commit")
        .filter(|command| command["request"]["sale"] == "outside")
        .map(|command| command["reservationId"].as_str().unwrap())
        .collect();
    let mut ends = BTreeMap::<String, usize>::new();
    for (id, _) in reservations {
        let reservation = daemon.reservation(id).await;
        let state = reservation["state"].as_str().unwrap();
        *ends.entry(state.to_owned()).or_default() += 1;
        assert_ne!(state, "pending", "{reservation}");
        for line in reservation["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|line| crowded(&line["inventoryItemId"]))
        {
            let level = expected
                .get_mut(line["inventoryItemId"].as_str().unwrap())
                .unwrap();
            let units = line["quantity"].as_i64().unwrap();
            if state == "held" {
                level.reserve(units);
            } else if sold_outside.contains(&id.as_str()) {
                level.reserve(units);
                level.sell_held(units);
            }
        }
    }
    for state in ["held", "committed", "released", "expired"] {
        assert!(
            ends.contains_key(state),
            "no reservation was {state}: {ends:?}"
        );
    }
    let truth = shop.truth().await;
    for (item, level) in expected
        .iter()
        .filter(|(item, _)| !doubtful.contains(item.as_str()))
    {
        let here = truth["levels"].as_array().unwrap().iter().find(|row| {
            row["inventoryItemId"] == item.as_str() && row["locationId"] == place.as_str()
        });
        let there = ExpectedLevel::of(here.unwrap());
        assert_eq!(there, *level, "item {item}; reservations ended {ends:?}");
        assert!(
            there.available >= 0 && there.reserved >= 0,
            "item {item}: {there:?}"
        );
    }
    let mutations = shop.mutations().await;
    assert!(
        mutations
            .iter()
            .any(|mutation| mutation["answered"] == false),
        "no answer was lost"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_at_a_hundred_items_of_a_store_that_refuses_whole_batches_leave_it_as_the_books_say()
 {
    let size = Size {
        items: 100,
        elbows: 940,
        alone: 10,
        shoppers: 50,
        steps: 6,
    };
    a_crowd_leaves_the_store_as_the_books_say(size, Options::default()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_at_a_store_that_refuses_single_entries_leaves_it_as_the_books_say() {
    let size = Size {
        items: 30,
        elbows: 48,
        alone: 6,
        shoppers: 6,
        steps: 24,
    };
    a_crowd_leaves_the_store_as_the_books_say(
        size,
        Options {
            batch_atomic: false,
            ..Options::default()
        },
    )
    .await;
}
