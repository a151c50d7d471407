//! An hour of a shop's time in which everything goes wrong, decided by a seed; in the end the mirror is exact.
//!
//! `SEED=7 cargo test --package tests --test it -- faults` has one of them again.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use daemon::config::Environment;
use schemas::Role;
use serde_json::{Value, json};
use sim::Options;
use tests::{Dice, Mirror, RESOURCES, Settings, TestDaemon, TestShop, Token, aside};
use tokio::runtime::Builder;
use tokio::time::Instant;

/// Seeds of every run of the tests.
const SEEDS: std::ops::Range<u64> = 0..10;
/// Seeds at a time: each waits more than it works.
const AT_ONCE: usize = 10;
/// Each ends with a kill.
const CHAPTERS: u64 = 10;
/// What happens in each, half a minute apart.
const HAPPENINGS: u64 = 14;
/// What goes wrong with a bulk operation, in a chapter for each.
const BULK_FAULTS: [&str; 6] = [
    r#"{ "ending": "stuck", "afterObjects": 9 }"#,
    r#"{ "ending": "failed", "afterObjects": 9 }"#,
    r#"{ "body": "cutLine" }"#,
    r#"{ "body": "hangUp" }"#,
    r#"{ "countOff": -2, "silent": true }"#,
    // So slow that much is made and changed while it is read.
    r#"{ "operations": 0, "objectsPerSecond": 1 }"#,
];

#[test]
fn after_an_hour_in_which_everything_goes_wrong_the_mirror_is_exact() {
    let environment = Environment::of_process();
    let asked = environment
        .var("SEED")
        .map(|seed| seed.parse::<u64>().expect("SEED is a number"));
    let seeds = Mutex::new(asked.map_or(SEEDS, |seed| seed..seed + 1));
    let (happened, failed) = (
        Mutex::new(BTreeMap::<&str, u32>::new()),
        Mutex::new(Vec::new()),
    );
    let work = || {
        while let Some(seed) = { seeds.lock().unwrap().next() } {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            let hour = || runtime.block_on(async { Hour::begins(seed).await.goes_by().await });
            match catch_unwind(AssertUnwindSafe(hour)) {
                Ok(done) => {
                    let mut happened = happened.lock().unwrap();
                    for (what, times) in done {
                        *happened.entry(what).or_default() += times;
                    }
                }
                Err(panic) => {
                    let words = panic.downcast_ref::<String>().cloned().unwrap_or_default();
                    failed.lock().unwrap().push(format!("SEED={seed}: {words}"));
                }
            }
        }
    };
    std::thread::scope(|threads| (0..AT_ONCE).for_each(|_| drop(threads.spawn(work))));
    let (happened, failed) = (happened.into_inner().unwrap(), failed.into_inner().unwrap());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    let all = HAPPENINGS_OF_ALL.iter().chain(COMMANDS.iter());
    let never: Vec<_> = all.filter(|what| !happened.contains_key(*what)).collect();
    assert!(
        asked.is_some() || never.is_empty(),
        "never happened: {never:?}"
    );
}

/// What happens at the shop, by the name under which it is counted.
const HAPPENINGS_OF_ALL: [&str; 23] = [
    "sold",
    "fulfilled",
    "fulfilled in part",
    "paid",
    "delivered",
    "cancelled",
    "edited",
    "returned",
    "order deleted",
    "adjusted",
    "product created",
    "product updated",
    "product deleted",
    "relabelled",
    "tracked or not",
    "bundled",
    "connected",
    "disconnected",
    "customer updated",
    "location created",
    "location closed",
    "location opened",
    "location deleted",
];

/// The kinds of commands that staff give.
const COMMANDS: [&str; 4] = ["adjust", "release", "reserve", "update"];

/// A shop, its mirror, and what they go through.
struct Hour {
    seed: u64,
    dice: Dice,
    shop: TestShop,
    daemon: TestDaemon,
    happened: BTreeMap<&'static str, u32>,
    /// Ids of the commands that were acknowledged.
    commands: Vec<String>,
    reservations: Vec<String>,
}

impl Hour {
    async fn begins(seed: u64) -> Self {
        // Both ways of everything that is not known of the real one, in ten seeds.
        let way = |switch: u64| ((seed >> (switch % 4)) ^ (switch / 4)) & 1 == 1;
        let shop = TestShop::with(Options {
            seed,
            products: 8,
            variants_per_product: 2,
            locations: 3,
            restore_rate: 200,
            bucket: Some(1_000),
            batch_atomic: way(0),
            bulk_parent_nearest: way(1),
            committed_moves_updated_at: way(2),
            committed_sends_webhook: way(3),
            duplicate_pairs_refused: way(4),
            move_below_zero: way(5),
            new_token_ends_old: way(6),
            refused_key_is_spent: way(7),
            stock_moves_item_updated_at: way(8),
            stock_moves_product_updated_at: way(9),
            throttled_status: if way(10) { 429 } else { 200 },
            search_lag: if way(11) { 60 } else { 0 },
            unstocked_write_stocks: way(12),
            ..Options::default()
        })
        .await;
        let settings = Settings {
            sync: "bulk_stuck_seconds = 2".to_owned(),
            ..Settings::default()
        };
        let settings = if way(13) {
            settings.by_client()
        } else {
            settings
        };
        let mut daemon = TestDaemon::subscribing(&shop, settings).await;
        daemon.expects_error("Shopify had ended webhook subscriptions");
        // A young token is not replaced at once.
        daemon.expects_error("does not accept the access token");
        // Two chapters may inject a fault into the same run.
        daemon.expects_error("bulk operation failed");
        let dice = Dice::new(seed);
        Self {
            seed,
            dice,
            shop,
            daemon,
            happened: BTreeMap::new(),
            commands: Vec::new(),
            reservations: Vec::new(),
        }
    }

    async fn goes_by(mut self) -> BTreeMap<&'static str, u32> {
        let mut bulk_faults = BULK_FAULTS.to_vec();
        let outage = 1 + self.dice.below(CHAPTERS - 2);
        for chapter in 0..CHAPTERS {
            self.weather_changes().await;
            if chapter == outage {
                self.nobody_is_reached().await;
            } else if chapter > 0 && !bulk_faults.is_empty() {
                let fault = bulk_faults
                    .remove(usize::try_from(self.dice.below(bulk_faults.len() as u64)).unwrap());
                self.everything_is_compared_under(fault).await;
            }
            for _ in 0..HAPPENINGS {
                if self.dice.below(4) == 0 {
                    self.run_command().await;
                } else {
                    self.happens().await;
                }
            }
            self.dies_and_lives_on().await;
        }
        self.clears_up().await
    }

    /// What goes wrong changes: with webhooks, with calls, with tokens.
    async fn weather_changes(&mut self) {
        let hours = 1 + self.dice.below(3);
        let webhooks = match self.dice.below(6) {
            0 => json!({}),
            1 => json!({ "drop": 0.3 }),
            2 => json!({ "duplicate": 0.5 }),
            3 => json!({ "reorder": 0.8 }),
            4 => json!({ "delaySeconds": hours * 3_600 }),
            _ => json!({ "drop": 0.2, "duplicate": 0.3, "reorder": 0.5, "delaySeconds": 40 }),
        };
        let (mut calls, mut mutations, mut latency) = (json!({}), json!({}), 0);
        match self.dice.below(7) {
            0 => {}
            1 => calls = json!({ "chance": 0.1, "status": 502 }),
            2 => calls = json!({ "chance": 0.1 }),
            3 => calls = json!({ "calls": 3, "status": 503 }),
            4 => {
                mutations = json!({ "before": { "chance": 0.2, "status": 500 }, "after": { "chance": 0.2 } });
            }
            5 => mutations = json!({ "throttled": { "chance": 0.3 } }),
            _ => latency = 40,
        }
        self.shop
            .does(
                "faults",
                &json!({
                    "webhooks": webhooks, "graphql": calls, "mutations": mutations, "latencyMs": latency,
                    "token": { "chance": 0.1, "status": 503 },
                    "bulk": { "operations": 0, "objectsPerSecond": 20_000 },
                }),
            )
            .await;
    }

    /// For more than four hours no webhook arrives, and Shopify ends subscriptions.
    async fn nobody_is_reached(&mut self) {
        self.shop
            .mistreats_webhooks(&json!({ "outage": true }))
            .await;
        let lost = self.shop.deliveries().await["lost"].as_u64().unwrap();
        while !self.happened.contains_key("sold") || self.shop.deliveries().await["retrying"] == 0 {
            self.happens().await;
        }
        self.shop.has_tried_everything().await;
        assert!(self.shop.deliveries().await["lost"].as_u64().unwrap() > lost);
        self.shop.mistreats_webhooks(&json!({})).await;
    }

    /// A full run whose bulk operation goes wrong.
    async fn everything_is_compared_under(&mut self, fault: &str) {
        self.daemon.imported().await;
        self.daemon.has_no_run_under_way().await;
        let fault: Value = serde_json::from_str(fault).unwrap();
        self.shop.does("faults", &json!({ "bulk": fault })).await;
        let resource = *self.dice.one_of(&RESOURCES);
        let run = self.daemon.begins_when_it_can(resource, "full").await;
        // Others are killed on their way.
        if fault["objectsPerSecond"].is_null() && self.dice.below(3) == 0 {
            let run = self.daemon.ends(&run).await;
            let failed_again = run["error"]
                .as_str()
                .is_some_and(|error| error.contains("ask again later"));
            assert!(
                run["state"] == "completed" || failed_again,
                "{fault}: {run}"
            );
        }
    }

    /// Something happens at the shop; then time passes.
    async fn happens(&mut self) {
        let truth = self.shop.truth().await;
        let dice = &mut self.dice;
        let mut one = |kind: &str| {
            let rows = truth[kind].as_array().unwrap();
            if rows.is_empty() {
                Value::Null
            } else {
                dice.one_of(rows).clone()
            }
        };
        let (level, order, line) = {
            let order = one("orders");
            let lines = order["lineItems"].as_array().cloned().unwrap_or_default();
            (
                one("levels"),
                order["id"].clone(),
                lines.first().cloned().unwrap_or_default()["id"].clone(),
            )
        };
        let (product, place, customer) = (one("products"), one("locations"), one("customers"));
        let (item, at) = (
            level["inventoryItemId"].clone(),
            level["locationId"].clone(),
        );
        let of_order = |action: &str| json!({ "action": action, "id": order });
        let of_product = |action: &str| json!({ "action": action, "id": product["id"] });
        let of_place = |action: &str| json!({ "action": action, "id": place["id"] });
        let of_level =
            |action: &str| json!({ "action": action, "inventoryItemId": item, "locationId": at });
        let units = self.dice.units(3);
        let name = *self.dice.one_of(&[
            "available",
            "available",
            "damaged",
            "incoming",
            "safety_stock",
        ]);
        let restock = *self.dice.one_of(&["return", "cancel", "noRestock"]);
        let (what, route, body) = match self.dice.below(48) {
            0..=13 => {
                let sale = json!({ "inventoryItemId": item, "locationId": at, "quantity": units });
                ("sold", "sell", sale)
            }
            14..=16 => ("fulfilled", "orders", of_order("fulfill")),
            17 => {
                let part =
                    json!({ "action": "fulfill", "id": order, "lineItemId": line, "quantity": 1 });
                ("fulfilled in part", "orders", part)
            }
            18 => ("paid", "orders", of_order("pay")),
            19 => ("delivered", "orders", of_order("deliver")),
            20 => ("cancelled", "orders", of_order("cancel")),
            21 | 22 => (
                "edited",
                "orders",
                json!({ "action": "edit", "id": order, "quantity": units + 1 }),
            ),
            23 | 24 => (
                "returned",
                "orders",
                json!({ "action": "refund", "id": order, "restock": restock }),
            ),
            25 => ("order deleted", "orders", of_order("delete")),
            26..=29 => {
                let delta = if units == 3 { -2 } else { units };
                let change = json!({ "inventoryItemId": item, "locationId": at, "name": name, "delta": delta });
                ("adjusted", "adjust", change)
            }
            30 | 31 => {
                let new = json!({ "action": "create", "variants": units, "quantity": 7 });
                ("product created", "products", new)
            }
            32 | 33 => {
                let price = format!("{units}.50");
                let new = json!({ "action": "update", "id": product["id"], "title": price, "price": price });
                ("product updated", "products", new)
            }
            34 => ("product deleted", "products", of_product("delete")),
            35 => {
                let sku = format!("LABEL-{}", self.dice.below(1 << 30));
                (
                    "relabelled",
                    "products",
                    json!({ "action": "relabel", "inventoryItemId": item, "sku": sku }),
                )
            }
            36 => {
                let tracked =
                    json!({ "action": "track", "inventoryItemId": item, "tracked": units > 1 });
                ("tracked or not", "products", tracked)
            }
            37 => (
                "bundled",
                "products",
                json!({ "action": "bundle", "inventoryItemId": item }),
            ),
            38 | 39 => ("connected", "levels", of_level("connect")),
            40 => ("disconnected", "levels", of_level("disconnect")),
            41 | 42 => {
                let touched = json!({ "action": "update", "id": customer["id"] });
                ("customer updated", "customers", touched)
            }
            43 => (
                "location created",
                "locations",
                json!({ "action": "create", "name": "Annex" }),
            ),
            44 => ("location closed", "locations", of_place("deactivate")),
            45 | 46 => ("location opened", "locations", of_place("activate")),
            _ => ("location deleted", "locations", of_place("delete")),
        };
        // It may be impossible: nothing left to sell, an order that was cancelled.
        if self.shop.tries(route, &body).await.is_ok() {
            *self.happened.entry(what).or_default() += 1;
        }
        self.time_goes_on().await;
    }

    async fn time_goes_on(&mut self) {
        self.shop
            .time_passes(1 + u32::try_from(self.dice.below(50)).unwrap())
            .await;
    }

    /// Time passes; then staff give a command, which may be refused.
    async fn run_command(&mut self) {
        self.time_goes_on().await;
        let truth = self.shop.truth().await;
        let level = self
            .dice
            .one_of(truth["levels"].as_array().unwrap())
            .clone();
        let (item, at, units) = (
            &level["inventoryItemId"],
            &level["locationId"],
            self.dice.units(3),
        );
        let mut payload =
            json!({ "inventoryItemId": item, "locationId": at, "reason": "the tests' own" });
        let kind = *self.dice.one_of(&COMMANDS);
        match kind {
            "adjust" => payload["delta"] = json!(2 - units),
            "release" => match self.reservations.pop() {
                Some(reservation) => payload = json!({ "reservationId": reservation }),
                None => return,
            },
            _ => payload["quantity"] = json!(units),
        }
        let (status, answer) = self
            .daemon
            .asked_to(kind, &payload, &Token::of(Role::Staff))
            .await;
        assert!(
            [200, 400, 404, 409].contains(&status),
            "{kind} {payload}: {answer}"
        );
        if status == 200 {
            *self.happened.entry(kind).or_default() += 1;
            self.commands
                .push(answer["commandId"].as_str().unwrap().to_owned());
            if kind == "reserve" {
                self.reservations
                    .push(answer["reservationId"].as_str().unwrap().to_owned());
            }
        }
    }

    /// The daemon is killed, idle or in the middle of things, and started again a while later.
    async fn dies_and_lives_on(&mut self) {
        let resource = *self.dice.one_of(&RESOURCES);
        match self.dice.below(4) {
            0 => self.daemon.inbox_is_empty().await,
            1 => {
                let run = self.daemon.begins_when_it_can(resource, "quick").await;
                self.daemon.ends(&run).await;
            }
            2 => {
                self.shop.is_asked_by_others().await;
                // Not taken while another one is under way, which is as good.
                let _ = self.daemon.begins(&json!({ "resource": resource })).await;
            }
            _ => {}
        }
        if self.dice.below(2) == 0 {
            self.shop
                .does("app", &json!({ "action": "revokeTokens" }))
                .await;
        }
        self.daemon.killed();
        for _ in 0..self.dice.below(6) {
            self.happens().await;
        }
        self.daemon.starts().await;
    }

    /// Nothing goes wrong any more: the mirror becomes exact, and everything is accounted for.
    async fn clears_up(mut self) -> BTreeMap<&'static str, u32> {
        let (shop, daemon) = (&self.shop, &self.daemon);
        let began = Instant::now();
        shop.does(
            "faults",
            &json!({
                "webhooks": {}, "graphql": {}, "mutations": {}, "latencyMs": 0, "token": {},
                "bulk": { "operations": 0, "objectsPerSecond": 20_000 },
            }),
        )
        .await;
        daemon.imported().await;
        daemon.has_no_run_under_way().await;
        shop.has_tried_everything().await;
        daemon.inbox_is_empty().await;
        let commands = daemon.settles().await;
        daemon.nothing_is_pending().await;
        // What was made lately and not yet found in a search may not be in the mirror.
        shop.time_passes(600).await;
        for resource in RESOURCES {
            let run = daemon.begins_when_it_can(resource, "quick").await;
            assert_eq!(daemon.ends(&run).await["state"], "completed");
        }
        // One thing that only a full run can find out.
        shop.mistreats_webhooks(&json!({ "drop": 1.0 })).await;
        let truth = shop.truth().await;
        let product = self.dice.one_of(truth["products"].as_array().unwrap());
        shop.does(
            "products",
            &json!({ "action": "delete", "id": product["id"] }),
        )
        .await;
        shop.time_passes(600).await;
        let runs = daemon.compares_everything().await;
        assert_ne!(
            runs[0]["drift"],
            0,
            "no webhook told of {product}: {:#?}",
            daemon.runs().await
        );
        Mirror::becomes_exact(daemon, shop).await;
        let exact = began.elapsed();

        let counted = daemon
            .runs()
            .await
            .iter()
            .map(|run| run["drift"].as_u64().unwrap())
            .sum::<u64>();
        assert_eq!(daemon.drift().await.len() as u64, counted);
        shop.time_passes(600).await;
        for run in daemon.compares_everything().await {
            assert_eq!(
                (&run["drift"], &run["changed"]),
                (&json!(0), &json!(0)),
                "{run}"
            );
        }
        for id in &self.commands {
            let command = commands
                .iter()
                .find(|command| command["commandId"] == id.as_str());
            let state = command.map(|command| command["state"].as_str().unwrap());
            assert!(
                state.is_some_and(|state| state != "accepted" && state != "sending"),
                "{id} is {state:?}"
            );
        }
        shop.mutations().await;
        let sequence = |event: &Value| {
            let offset = event["id"].as_str().unwrap().split_once('.').unwrap();
            (offset.0.to_owned(), offset.1.parse::<u64>().unwrap())
        };
        let log: Vec<_> = daemon.events(None).await.iter().map(sequence).collect();
        assert!(
            log.windows(2)
                .all(|two| two[0].0 == two[1].0 && two[0].1 < two[1].1)
        );
        let happened = self.happened.values().sum::<u32>();
        aside(&format!(
            "seed {}: {happened} things happened, {} events, {counted} records drifted; exact {:.1} s after the last fault",
            self.seed,
            log.len(),
            exact.as_secs_f64(),
        ));
        self.happened
    }
}
