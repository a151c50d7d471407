//! Whole connections over a pipe: a client, a log that grows, and what arrives in which order.

mod client;
mod contracts;
mod fake_commands;
mod fanout;
pub(crate) mod log;
mod order;
mod polling;
mod presence;
mod recovery;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use schemas::command::CommandKind;
use schemas::event::WebhookReceived;
use schemas::{Ephemeral, Kind, Logged, Timestamp};
use serde_json::{Value, json};

use self::client::{Client, Heard};
use self::log::{
    EPOCH, Log, Tokens, announced, hub, notice, order, other_shop, shop, stock, stock_of,
};
use crate::protocol::socketio::{PacketContent, SocketIoPacket};
use crate::{Hub, HubOptions, limits};

const PIPE: usize = 64 * 1024;

/// A log with the hub that tells it.
pub(crate) struct World {
    log: Arc<Log>,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) hub: Arc<Hub>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(HubOptions::default())
    }

    pub(crate) fn with(options: HubOptions) -> Self {
        Self::on(Arc::default(), options)
    }

    /// The log with a new hub, as after a restart.
    fn on(log: Arc<Log>, options: HubOptions) -> Self {
        let tokens = Arc::default();
        let hub = hub(&log, &tokens, options);
        Self { log, tokens, hub }
    }

    pub(crate) fn happens(&self, event: Logged) {
        self.happens_in(&shop(), event);
    }

    fn happens_in(&self, shop: &schemas::ShopDomain, event: Logged) {
        self.hub.publish(&[self.log.append(shop, event)]);
    }

    async fn client(&self, token: &Value) -> Client {
        Client::join(&self.hub, PIPE, token).await.0
    }

    async fn staff(&self) -> Client {
        self.client(&json!({ "role": "staff" })).await
    }
}

fn offset(sequence: u64) -> String {
    format!("{EPOCH}.{sequence}")
}

fn available(events: &[(String, Value)]) -> Vec<i64> {
    events
        .iter()
        .filter(|(name, _)| name == "inventory:updated")
        .map(|(_, e)| e["data"]["available"].as_i64().unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_client_is_greeted_with_its_rooms_and_the_offset() {
    let world = World::new();
    world.happens(stock(1, 1, 5));
    let (_, connected) = Client::join(&world.hub, PIPE, &json!({ "role": "staff" })).await;
    assert_eq!(
        connected["rooms"],
        json!(["role:staff", "shopify:sync", "user:7"])
    );
    assert_eq!(connected["offset"], offset(1));
    assert_eq!(
        (&connected["userId"], &connected["role"]),
        (&json!("7"), &json!("staff"))
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_good_token_there_is_one_refusal_and_nothing_else_ever() {
    let world = World::new();
    let refusals = [
        ("40/oda,{}", "Authentication required"),
        ("40/oda,", "Authentication required"),
        (r#"40/oda,{"token":7}"#, "Authentication required"),
        (r#"40/oda,{"token":"bogus"}"#, "Invalid or expired token"),
        (
            r#"40/oda,{"token":"{\"role\":\"staff\",\"expires\":0}"}"#,
            "Invalid or expired token",
        ),
        (
            r#"40/oda,{"token":"{\"role\":\"emperor\"}"}"#,
            "Invalid or expired token",
        ),
    ];
    for (connect, message) in refusals {
        let mut client = Client::open(&world.hub, PIPE).await;
        client.say(connect).await;
        let Heard::Packet(SocketIoPacket {
            content: PacketContent::ConnectError(error),
            ..
        }) = client.heard().await
        else {
            panic!("{connect} was not refused");
        };
        assert_eq!(error, json!({ "message": message }));
        world.happens(stock(1, 1, 5));
        assert!(client.hears_nothing(Duration::from_secs(20)).await);
    }
}

#[tokio::test(start_paused = true)]
async fn while_keys_are_fetched_a_client_is_not_refused_but_comes_again() {
    let world = World::new();
    let later = json!({ "role": "staff", "key": "new" });
    let mut client = Client::open(&world.hub, PIPE).await;
    client.connect(&later).await;
    assert_eq!(client.heard().await, Heard::Close(Some(1001)));
    let mut client = world.staff().await;
    let answer = client
        .ask("auth:refresh", &json!({ "token": later.to_string() }))
        .await;
    assert_eq!(answer["error"]["code"], "UNAVAILABLE");
    assert_eq!(answer["error"]["retryable"], true);
}

#[tokio::test(start_paused = true)]
async fn an_event_in_several_joined_rooms_comes_once_and_in_the_envelope() {
    let world = World::new();
    let mut client = world.staff().await;
    let answer = client
        .ask(
            "subscribe:inventory",
            &json!({ "locationIds": [1, "location-1"], "productIds": ["gid://shopify/Product/2"] }),
        )
        .await;
    let rooms = json!([
        "inventory:location:1",
        "inventory:location:location-1",
        "inventory:product:2"
    ]);
    assert_eq!(
        answer,
        json!({ "ok": true, "rooms": rooms, "offset": offset(0) })
    );
    client.ask("subscribe:inventory", &Value::Null).await;
    world.happens(stock(1, 2, 5));
    world.happens(stock(1, 2, 4));
    let events = client.events_so_far().await;
    assert_eq!(available(&events), [5, 4]);
    let (_, envelope) = &events[0];
    assert_eq!(
        (
            &envelope["id"],
            &envelope["type"],
            &envelope["shop"],
            &envelope["timestamp"]
        ),
        (
            &json!(offset(1)),
            &json!("inventory:updated"),
            &json!(shop()),
            &json!("1970-01-01T00:00:00Z")
        ),
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_heard_after_leaving_and_an_empty_list_is_nothing() {
    let world = World::new();
    let mut client = world.staff().await;
    assert_eq!(
        client
            .ask("subscribe:inventory", &json!({ "locationIds": [] }))
            .await["rooms"],
        json!([])
    );
    client
        .ask("subscribe:inventory", &json!({ "locationIds": [1, 2] }))
        .await;
    client
        .ask("unsubscribe:inventory", &json!({ "locationIds": [1] }))
        .await;
    world.happens(stock(1, 1, 5));
    world.happens(stock(2, 1, 6));
    assert_eq!(available(&client.events_so_far().await), [6]);
    assert_eq!(
        client.ask("unsubscribe:inventory", &json!({})).await["rooms"],
        json!(["inventory:location:2"])
    );
    world.happens(stock(2, 1, 7));
    assert!(available(&client.events_so_far().await).is_empty());
}

#[tokio::test(start_paused = true)]
async fn since_brings_what_was_missed_first_and_then_goes_on() {
    // So small a ring that most of it comes from the log.
    let world = World::with(HubOptions {
        ring_entries: 4,
        ..HubOptions::default()
    });
    for n in 1..=200 {
        world.happens(stock(1 + n % 2, 1, n.cast_signed()));
    }
    let mut client = world.staff().await;
    client
        .ask("subscribe:inventory", &json!({ "locationIds": [1] }))
        .await;
    let id = client
        .ask_later("subscribe:inventory", &json!({ "since": offset(10) }))
        .await;
    let answer = client.answer(id).await;
    assert_eq!(answer["offset"], offset(200));
    assert_eq!(
        available(&client.events.drain(..).collect::<Vec<_>>()),
        (11..=200).collect::<Vec<_>>()
    );
    world.happens(stock(2, 1, 201));
    assert_eq!(available(&client.events_so_far().await), [201]);
}

#[tokio::test(start_paused = true)]
async fn since_does_not_repeat_what_other_rooms_brought() {
    let world = World::new();
    let mut client = world.staff().await;
    client
        .ask("subscribe:inventory", &json!({ "locationIds": [1] }))
        .await;
    for n in 1..=6 {
        world.happens(stock(1 + n % 2, 9, n.cast_signed()));
    }
    assert_eq!(available(&client.events_so_far().await), [2, 4, 6]);
    client
        .ask(
            "subscribe:inventory",
            &json!({ "productIds": [9], "since": offset(0) }),
        )
        .await;
    assert_eq!(available(&client.events_so_far().await), [1, 3, 5]);
}

#[tokio::test(start_paused = true)]
async fn a_since_that_cannot_be_served_says_resync_and_goes_live() {
    let world = World::with(HubOptions {
        ring_entries: 2,
        ..HubOptions::default()
    });
    for n in 1..=10 {
        world.happens(stock(1, 1, n));
    }
    *world.log.floor.lock().unwrap() = 5;
    let cases = [
        (offset(2), "too_old"),
        (offset(99), "beyond_end"),
        ("00000001.3".to_owned(), "other_epoch"),
        ("yesterday".to_owned(), "unknown_offset"),
    ];
    for (since, reason) in cases {
        let mut client = world.staff().await;
        let answer = client
            .ask("subscribe:inventory", &json!({ "since": since }))
            .await;
        assert_eq!(answer["ok"], true);
        assert_eq!(
            client.event().await,
            ("resync".to_owned(), json!({ "reason": reason }))
        );
        world.happens(stock(1, 1, 77));
        assert_eq!(available(&client.events_so_far().await), [77]);
    }
    let refused = world
        .staff()
        .await
        .ask("subscribe:inventory", &json!({ "since": 7 }))
        .await;
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["field"]),
        (&json!("INVALID_PAYLOAD"), &json!("since"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_exact_at_its_offset_even_when_the_store_is_ahead_of_what_was_published() {
    let world = World::new();
    world.happens(stock(1, 1, 5));
    let mut client = world.staff().await;
    let unpublished = world.log.append(&shop(), stock(1, 1, 4));
    let id = client
        .ask_later("subscribe:inventory", &json!({ "snapshot": true }))
        .await;
    assert!(
        client.hears_nothing(Duration::from_millis(100)).await,
        "not before it was published"
    );
    world.hub.publish(&[unpublished]);
    world.happens(stock(1, 1, 3));
    let answer = client.answer(id).await;
    assert_eq!(
        (&answer["offset"], &answer["levels"][0]["available"]),
        (&json!(offset(2)), &json!(4))
    );
    assert!(
        client.events.is_empty(),
        "what the levels contain does not come again"
    );
    assert_eq!(available(&client.events_so_far().await), [3]);
}

#[tokio::test(start_paused = true)]
async fn staff_of_one_location_get_nothing_of_another_by_any_way() {
    let world = World::new();
    world.happens(stock(1, 1, 11));
    world.happens(stock(2, 1, 22));
    world.happens(order(5, &[2]));
    let mut client = world
        .client(&json!({ "role": "staff", "locations": ["1"] }))
        .await;
    let answer = client
        .ask(
            "subscribe:inventory",
            &json!({ "snapshot": true, "since": offset(0) }),
        )
        .await;
    assert_eq!(answer["levels"].as_array().unwrap().len(), 1);
    client
        .ask("subscribe:inventory", &json!({ "productIds": [1] }))
        .await;
    client
        .ask("subscribe:orders", &json!({ "since": offset(0) }))
        .await;
    world.happens(stock(2, 1, 23));
    world.happens(order(5, &[2]));
    world.happens(order(6, &[1, 2]));
    world.happens(order(7, &[]));
    let events = client.events_so_far().await;
    assert_eq!(available(&events), [11]);
    let customers: Vec<_> = events
        .iter()
        .filter(|(name, _)| name == "order:updated")
        .map(|(_, e)| &e["data"]["customerId"])
        .collect();
    assert_eq!(customers, ["6", "7"]);
    let refused = client
        .ask("subscribe:inventory", &json!({ "locationIds": [2] }))
        .await;
    assert_eq!(refused["error"]["code"], "FORBIDDEN");
}

#[tokio::test(start_paused = true)]
async fn nobody_hears_of_a_shop_that_the_token_does_not_name() {
    let world = World::with(HubOptions {
        ring_entries: 1,
        ..HubOptions::default()
    });
    world.happens_in(&other_shop(), stock_of(&other_shop(), 1, 1, 1));
    world.happens(stock(1, 1, 2));
    let mut one = world
        .client(&json!({ "role": "admin", "shops": [shop()] }))
        .await;
    let mut all = world.client(&json!({ "role": "super_admin" })).await;
    for client in [&mut one, &mut all] {
        let answer = client
            .ask(
                "subscribe:inventory",
                &json!({ "snapshot": true, "since": offset(0) }),
            )
            .await;
        assert_eq!(answer["ok"], true);
    }
    world.happens_in(&other_shop(), stock_of(&other_shop(), 1, 1, 3));
    world.happens(stock(1, 1, 4));
    assert_eq!(available(&one.events_so_far().await), [2, 4]);
    assert_eq!(available(&all.events_so_far().await), [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_customer_sees_own_orders_and_no_stock() {
    let world = World::new();
    let mut client = world
        .client(&json!({ "role": "customer", "user": "ann", "customer": "5" }))
        .await;
    assert_eq!(
        client.ask("subscribe:orders", &json!({})).await["rooms"],
        json!(["orders:customer:5"])
    );
    world.happens(order(5, &[1]));
    world.happens(order(6, &[1]));
    let events = client.events_so_far().await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].1["data"]["change"], "created");
    assert!(events[0].1["data"].get("locations").is_none());

    for (name, payload) in [
        ("subscribe:orders", json!({ "customerId": "6" })),
        ("subscribe:inventory", json!({})),
    ] {
        assert_eq!(
            client.ask(name, &payload).await["error"]["code"],
            "FORBIDDEN"
        );
        let (event, error) = client.event().await;
        assert_eq!(
            (event.as_str(), &error["code"], &error["event"]),
            ("error", &json!("FORBIDDEN"), &json!(name))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_is_given_on_as_it_came_and_acknowledged_with_its_answer() {
    let world = World::new();
    let mut client = world.staff().await;
    for kind in CommandKind::ALL {
        let payload = json!({ "inventoryItemId": "item-123", "reason": "x", "shop": shop() });
        let answer = client
            .ask(&format!("inventory:{}", kind.as_str()), &payload)
            .await;
        assert_eq!(
            answer,
            json!({ "ok": true, "by": "7", "shop": shop(), "kind": kind, "payload": payload })
        );
    }
    assert_eq!(
        client
            .ask("inventory:update", &json!({ "reason": "x" }))
            .await["shop"],
        Value::Null
    );
    assert!(client.events.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_refused_command_is_told_in_all_the_ways_clients_listen_for() {
    let world = World::new();
    let mut client = world.staff().await;
    let request = json!({ "inventoryItemId": "item-123", "quantity": 10 });
    for (command, failure) in [
        ("inventory:reserve", "inventory:reservationError"),
        ("inventory:update", "inventory:updateError"),
    ] {
        let answer = client.ask(command, &request).await;
        let error = json!({ "code": "CONFLICT", "message": "no reason", "field": "reason", "retryable": false });
        assert_eq!(answer, json!({ "ok": false, "error": error }));
        let (name, payload) = client.event().await;
        assert_eq!(
            (
                name.as_str(),
                &payload["error"],
                &payload["code"],
                &payload["request"],
                &payload["retryable"]
            ),
            (
                failure,
                &json!("no reason"),
                &json!("CONFLICT"),
                &request,
                &json!(false)
            )
        );
        let (name, payload) = client.event().await;
        assert_eq!(
            (name.as_str(), &payload["event"]),
            ("error", &json!(command))
        );
    }
    for payload in [
        json!("now"),
        json!([request]),
        json!({ "shop": {}, "reason": "x" }),
    ] {
        let answer = client.ask("inventory:update", &payload).await;
        assert_eq!(answer["error"]["code"], "INVALID_PAYLOAD", "{payload}");
    }
    client.events.clear();
    assert_eq!(
        client.ask("dance", &json!("now")).await["error"]["code"],
        "UNKNOWN_EVENT"
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_but_staff_gives_commands() {
    let world = World::new();
    for role in ["customer", "guest", "service"] {
        let mut client = world.client(&json!({ "role": role })).await;
        for kind in CommandKind::ALL {
            let name = format!("inventory:{}", kind.as_str());
            let answer = client.ask(&name, &json!({ "reason": "x" })).await;
            assert_eq!(answer["error"]["code"], "FORBIDDEN", "{role} {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_command_waits_for_it_and_then_comes_in_order() {
    let world = World::new();
    let mut client = world.staff().await;
    client.ask("subscribe:inventory", &json!({})).await;
    let slow = client
        .ask_later("inventory:update", &json!({ "reason": "x", "takes": 20 }))
        .await;
    let quick = client
        .ask_later("inventory:release", &json!({ "reason": "y" }))
        .await;
    assert!(client.hears_nothing(Duration::from_secs(19)).await);
    world.happens(stock(1, 1, 5));
    assert_eq!(client.answer(slow).await["payload"]["reason"], "x");
    assert!(
        client.events.is_empty(),
        "what came of it is told after its answer"
    );
    assert_eq!(client.answer(quick).await["payload"]["reason"], "y");
    assert_eq!(available(&client.events_so_far().await), [5]);
}

#[tokio::test(start_paused = true)]
async fn a_command_without_an_answer_in_time_is_answered_and_the_socket_goes_on() {
    let world = World::new();
    let mut client = world.staff().await;
    client.ask("subscribe:inventory", &json!({})).await;
    let asked = tokio::time::Instant::now();
    let answer = client
        .ask(
            "inventory:update",
            &json!({ "reason": "x", "takes": 1_000 }),
        )
        .await;
    assert_eq!(
        (&answer["error"]["code"], &answer["error"]["retryable"]),
        (&json!("UNAVAILABLE"), &json!(true))
    );
    assert_eq!(asked.elapsed(), limits::COMMAND_DEADLINE);
    world.happens(stock(1, 1, 5));
    assert_eq!(available(&client.events_so_far().await), [5]);
}

#[tokio::test(start_paused = true)]
async fn notifications_come_by_kind_and_only_on_subscribe() {
    let world = World::new();
    let mut client = world.client(&json!({ "role": "guest" })).await;
    world.happens(announced(Kind::SystemMaintenance, &notice("before")));
    client
        .ask(
            "subscribe:notifications",
            &json!({ "types": ["system:maintenance"] }),
        )
        .await;
    world.happens(announced(Kind::SystemNotification, &notice("other kind")));
    world.happens(announced(Kind::SystemMaintenance, &notice("tonight")));
    let events = client.events_so_far().await;
    assert_eq!(events.len(), 1);
    let (name, payload) = &events[0];
    assert_eq!(
        (name.as_str(), &payload["type"]),
        ("notification", &json!("system:maintenance"))
    );
    assert_eq!(
        (&payload["data"]["title"], &payload["data"]["event"]),
        (&json!("tonight"), &json!("system:maintenance"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_runs_out_ends_the_socket_and_a_fresh_one_keeps_it() {
    let world = World::new();
    let mut expiring = world
        .client(&json!({ "role": "staff", "expires": 60 }))
        .await;
    let mut renewed = world
        .client(&json!({ "role": "staff", "expires": 60 }))
        .await;
    let token = |claims: Value| json!({ "token": claims.to_string() });
    let other = renewed
        .ask(
            "auth:refresh",
            &token(json!({ "role": "staff", "user": "8" })),
        )
        .await;
    assert_eq!(other["error"]["code"], "FORBIDDEN");
    assert_eq!(
        renewed
            .ask(
                "auth:refresh",
                &token(json!({ "role": "staff", "expires": 0 }))
            )
            .await["error"]["code"],
        "TOKEN_INVALID"
    );
    let fresh = renewed
        .ask(
            "auth:refresh",
            &token(json!({ "role": "staff", "expires": 200 })),
        )
        .await;
    assert_eq!(
        fresh,
        json!({ "ok": true, "expiresAt": "1970-01-01T00:03:20Z" })
    );
    renewed.ask("subscribe:inventory", &json!({})).await;

    let (name, error) = expiring.event().await;
    assert_eq!(
        (name.as_str(), &error["code"]),
        ("error", &json!("TOKEN_EXPIRED"))
    );
    let farewell = SocketIoPacket {
        namespace: "/oda".to_owned(),
        content: PacketContent::Disconnect,
    };
    assert_eq!(expiring.heard().await, Heard::Packet(farewell));
    let spent = tokio::time::Instant::now();
    world.happens(stock(1, 1, 5));
    assert_eq!(available(&renewed.events_so_far().await), [5]);
    assert!(spent.elapsed() < Duration::from_secs(1));
    assert_eq!(world.hub.figures().sockets, 1);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_takes_rights_away_at_once() {
    let world = World::new();
    let mut client = world.client(&json!({ "role": "admin" })).await;
    client.ask("subscribe:inventory", &json!({})).await;
    let token = json!({ "role": "staff", "locations": ["1"], "shops": [shop()] }).to_string();
    client.ask("auth:refresh", &json!({ "token": token })).await;
    world.happens(stock(2, 1, 5));
    world.happens_in(&other_shop(), stock_of(&other_shop(), 1, 1, 6));
    world.happens(stock(1, 1, 7));
    assert_eq!(available(&client.events_so_far().await), [7]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_never_reads_delays_nobody_and_is_closed() {
    let world = World::with(HubOptions {
        ring_entries: 64,
        ..HubOptions::default()
    });
    let mut slow = Client::join(&world.hub, 256, &json!({ "role": "staff" }))
        .await
        .0;
    slow.ask("subscribe:inventory", &json!({})).await;
    let mut quick = world.staff().await;
    quick.ask("subscribe:inventory", &json!({})).await;
    let began = tokio::time::Instant::now();
    for n in 0..2000 {
        world.happens(stock(1, 1, n));
        if n % 50 == 49 {
            quick.events_so_far().await;
        }
    }
    assert_eq!(quick.sequences, (1..=2000).collect::<Vec<_>>());
    assert!(began.elapsed() < Duration::from_secs(1));
    tokio::time::sleep(limits::WRITE_STALL_MAX + Duration::from_secs(1)).await;
    assert_eq!(
        (world.hub.figures().stalled, world.hub.figures().connections),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_fell_behind_reads_on_from_the_log_and_misses_nothing() {
    let world = World::with(HubOptions {
        ring_entries: 16,
        ..HubOptions::default()
    });
    let mut slow = Client::join(&world.hub, 256, &json!({ "role": "staff" }))
        .await
        .0;
    slow.ask("subscribe:inventory", &json!({})).await;
    for n in 0..3000 {
        world.happens(stock(1, 1, n));
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    slow.events_so_far().await;
    while slow.sequences.len() < 3000 {
        slow.event().await;
    }
    assert_eq!(slow.sequences, (1..=3000).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_nothing_concerned_is_never_behind() {
    let world = World::with(HubOptions {
        ring_entries: 4,
        ..HubOptions::default()
    });
    let mut client = world.staff().await;
    for _ in 0..100 {
        world.happens(stock(1, 1, 1));
    }
    *world.log.floor.lock().unwrap() = 90;
    client.ask("subscribe:orders", &json!({})).await;
    let answer = client
        .ask("subscribe:inventory", &json!({ "since": offset(97) }))
        .await;
    assert_eq!(answer["offset"], offset(100));
    world.happens(stock(1, 1, 2));
    let events = client.events_so_far().await;
    assert!(
        events.iter().all(|(name, _)| name == "inventory:updated"),
        "no resync"
    );
    assert_eq!(client.sequences, [98, 99, 100, 101]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_behind_what_the_log_keeps_is_told_to_load_again() {
    let world = World::with(HubOptions {
        ring_entries: 16,
        ..HubOptions::default()
    });
    let mut slow = Client::join(&world.hub, 256, &json!({ "role": "staff" }))
        .await
        .0;
    slow.ask("subscribe:inventory", &json!({})).await;
    for n in 0..3000 {
        world.happens(stock(1, 1, n));
        if n == 1000 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    *world.log.floor.lock().unwrap() = 2900;
    let mut resyncs = 0;
    while slow.sequences.last() != Some(&3000) {
        resyncs += usize::from(slow.event().await.0 == "resync");
    }
    assert_eq!(resyncs, 1);
    assert!(slow.sequences.is_sorted_by(|a, b| a < b));
}

#[tokio::test(start_paused = true)]
async fn a_reader_told_to_load_again_keeps_its_session_and_is_told_once() {
    let world = World::with(HubOptions {
        ring_entries: 16,
        ..HubOptions::default()
    });
    let staff = json!({ "role": "staff" });
    let mut slow = Client::join(&world.hub, 256, &staff).await.0;
    slow.ask("subscribe:inventory", &json!({})).await;
    for n in 0..3000 {
        world.happens(stock(1, 1, n));
    }
    *world.log.floor.lock().unwrap() = 2900;
    while slow.event().await.0 != "resync" {}
    // Cut off right there, and away while more happens.
    for n in 3000..3010 {
        world.happens(stock(1, 1, n));
    }

    let heard = slow.sequences.len();
    let (recovered, connected) = slow.join_again(&world.hub, &staff).await;

    assert!(recovered);
    assert!(
        connected["rooms"]
            .as_array()
            .unwrap()
            .contains(&json!("inventory:all"))
    );
    let events = slow.events_so_far().await;
    assert!(
        events.iter().all(|(name, _)| name == "inventory:updated"),
        "told again to load"
    );
    let after = slow.sequences[heard];
    assert!(after > 2900, "{after}");
    assert_eq!(slow.sequences[heard..], (after..=3010).collect::<Vec<_>>());
    let place: schemas::Offset = connected["offset"].as_str().unwrap().parse().unwrap();
    assert_eq!(place.sequence.0 + 1, after, "what it loads is no older");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_that_never_read_cost_what_they_may_hold_and_are_gone_in_time() {
    const SILENT: u64 = 100;
    let world = World::with(HubOptions {
        ring_entries: 64,
        sockets_per_user_max: 1_000,
        ..HubOptions::default()
    });
    let mut quick = world.client(&json!({ "role": "staff", "user": "8" })).await;
    quick.ask("subscribe:inventory", &json!({})).await;
    let mut silent = Vec::new();
    for _ in 0..SILENT {
        let mut client = Client::join(&world.hub, 256, &json!({ "role": "staff" }))
            .await
            .0;
        client.ask("subscribe:inventory", &json!({})).await;
        silent.push(client);
    }
    assert_eq!(world.hub.attendees().users.len(), 2);

    let gone_after = 100 * i64::try_from(limits::WRITE_STALL_MAX.as_secs() + 5).unwrap();
    // A hundred events a second for a minute, each heard by the one who reads before the next comes.
    for n in 1..=6_000 {
        world.happens(stock(1, 1, n));
        assert_eq!(quick.event().await.1["data"]["available"], n);
        tokio::time::sleep(Duration::from_millis(10)).await;
        if n == 100 {
            let delivered = world.hub.figures().delivered;
            assert!(
                delivered < 100 + SILENT * 200,
                "{delivered} frames were made for those who read none"
            );
        }
        if n == gone_after {
            let there = world.hub.attendees();
            assert_eq!(there.users, [("8".parse().unwrap(), 1)]);
            assert!(
                there.rooms.iter().all(|(_, _, sockets)| *sockets == 1),
                "{there:?}"
            );
            assert_eq!(world.hub.figures().stalled, SILENT);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_does_not_answer_fails_requests_and_sends_readers_away() {
    let world = World::with(HubOptions {
        ring_entries: 4,
        ..HubOptions::default()
    });
    for n in 0..10 {
        world.happens(stock(1, 1, n));
    }
    let mut client = world.staff().await;
    world.log.broken.store(true, Ordering::Relaxed);
    for payload in [
        json!({ "snapshot": true }),
        json!({ "since": offset(1) }),
        json!({}),
    ] {
        assert_eq!(
            client.ask("subscribe:inventory", &payload).await["error"]["code"],
            "UNAVAILABLE"
        );
    }
    assert!(
        available(&client.events_so_far().await).is_empty(),
        "a refused join joins nothing"
    );

    world.log.broken.store(false, Ordering::Relaxed);
    let mut slow = Client::join(&world.hub, 256, &json!({ "role": "staff" }))
        .await
        .0;
    slow.ask("subscribe:inventory", &json!({})).await;
    world.log.broken.store(true, Ordering::Relaxed);
    for n in 0..3000 {
        world.happens(stock(1, 1, n));
    }
    let end = loop {
        match slow.heard().await {
            Heard::Packet(_) => {}
            end => break end,
        }
    };
    assert_eq!(
        end,
        Heard::Close(Some(1001)),
        "closed, not disconnected: the client comes back"
    );
}

#[tokio::test(start_paused = true)]
async fn the_ephemeral_come_beside_the_log_and_only_to_those_who_may_see_them() {
    let world = World::new();
    let webhook = |n: usize| {
        Ephemeral::ShopifyWebhookReceived(WebhookReceived {
            topic: n.to_string(),
            shop: shop(),
            webhook_id: "w".parse().unwrap(),
            received_at: Timestamp::UNIX_EPOCH,
        })
    };
    // Its pipe has room for one and a part of the next.
    let mut staff = Client::join(&world.hub, 320, &json!({ "role": "staff" }))
        .await
        .0;
    let mut guest = world.client(&json!({ "role": "guest" })).await;
    let mut abroad = world
        .client(&json!({ "role": "admin", "shops": [other_shop()] }))
        .await;
    for n in 0..100 {
        world.hub.publish_ephemeral(&shop(), &webhook(n));
    }
    let events = staff.events_so_far().await;
    let topics: Vec<_> = events
        .iter()
        .map(|(_, e)| e["data"]["topic"].as_str().unwrap().to_owned())
        .collect();
    let kept = (0..2).chain(68..100);
    assert_eq!(
        topics,
        kept.map(|n| n.to_string()).collect::<Vec<_>>(),
        "the oldest that waited made room"
    );
    assert!(
        events
            .iter()
            .all(|(name, e)| name == "shopify:webhook:received" && e.get("id").is_none())
    );
    assert!(guest.events_so_far().await.is_empty() && abroad.events_so_far().await.is_empty());
    assert_eq!(world.hub.figures().dropped, 66);
}

#[tokio::test(start_paused = true)]
async fn hostile_bytes_close_their_own_connection_and_no_other() {
    let world = World::new();
    let mut bystander = world.staff().await;
    bystander.ask("subscribe:inventory", &json!({})).await;
    let too_big = [0x81, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0];
    let cases: [(&[u8], u16); 4] = [
        (&too_big, 1009),
        (&[0x81, 0x01, b'2'], 1002),
        (&[0xc1, 0x80, 0, 0, 0, 0], 1002),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
    ];
    for (bytes, code) in cases {
        let mut client = world.staff().await;
        client.raw(bytes).await;
        assert_eq!(client.heard().await, Heard::Close(Some(code)));
    }
    for text in [
        "4abc",
        "42{}",
        "42abc[\"message\"]",
        "42[\"not connected\"]",
        "40/oda,",
        r#"42/oda,["connect"]"#,
    ] {
        let mut client = world.staff().await;
        client.say(text).await;
        assert_eq!(client.heard().await, Heard::Close(Some(1008)), "{text}");
    }
    world.happens(stock(1, 1, 5));
    assert_eq!(available(&bystander.events_so_far().await), [5]);
    assert_eq!(world.hub.figures().connections, 1);
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_and_a_close_is_echoed() {
    let world = World::new();
    let mut client = world.staff().await;
    client.write(0x89, b"are you there").await;
    assert_eq!(client.frame().await, Some((0xA, b"are you there".to_vec())));
    client.write(0x88, &4000_u16.to_be_bytes()).await;
    assert_eq!(client.heard().await, Heard::Close(Some(4000)));
    assert_eq!(client.heard().await, Heard::End);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_requests_is_bounded_by_not_reading() {
    let world = World::new();
    let mut client = Client::join(&world.hub, 1024, &json!({ "role": "staff" }))
        .await
        .0;
    let flood = async {
        for _ in 0..5000 {
            client.say(r#"42/oda,1["dance"]"#).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(20), flood)
            .await
            .is_err(),
        "it blocks"
    );
    tokio::time::sleep(limits::WRITE_STALL_MAX).await;
    assert_eq!(world.hub.figures().connections, 0);
}

#[tokio::test(start_paused = true)]
async fn closing_the_hub_closes_transports_without_a_disconnect() {
    let world = World::new();
    let mut client = world.staff().await;
    world.hub.close();
    assert_eq!(client.heard().await, Heard::Close(Some(1001)));
    assert_eq!(client.heard().await, Heard::End);
    drop(client);
    tokio::task::yield_now().await;
    assert_eq!(world.hub.figures().sockets, 0);
}

#[tokio::test(start_paused = true)]
async fn connections_have_a_bound_and_give_their_place_back() {
    let world = World::with(HubOptions {
        connections_max: 1,
        ..HubOptions::default()
    });
    let first = client::upgrade(&world.hub, "").unwrap();
    assert_eq!(client::upgrade(&world.hub, "").err().unwrap(), 503);
    drop(first);
    assert_eq!(world.hub.figures().connections, 0);
    assert!(client::upgrade(&world.hub, "").is_ok());
    world.hub.close();
    assert_eq!(client::upgrade(&world.hub, "").err().unwrap(), 503);
}

#[tokio::test(start_paused = true)]
async fn one_transport_carries_both_namespaces() {
    let world = World::new();
    let mut client = world.staff().await;
    let auth = json!({ "token": json!({ "role": "guest", "user": "8" }).to_string() });
    client.say(&format!("40{auth}")).await;
    let Heard::Packet(SocketIoPacket {
        namespace,
        content: PacketContent::Connect(Some(greeting)),
    }) = client.heard().await
    else {
        panic!("not let in");
    };
    assert_eq!(namespace, "/");
    let (_, connected) = client.event().await;
    assert_eq!(
        (&connected["socketId"], &connected["userId"]),
        (&greeting["sid"], &json!("8"))
    );
    client.ask("subscribe:inventory", &json!({})).await;
    client.say(r#"421["subscribe:notifications"]"#).await;
    client.answer(1).await;
    world.happens(stock(1, 1, 5));
    world.happens(announced(Kind::SystemMaintenance, &notice("tonight")));
    let mut heard = Vec::new();
    for _ in 0..2 {
        let Heard::Packet(SocketIoPacket {
            namespace,
            content: PacketContent::Event { name, .. },
        }) = client.heard().await
        else {
            panic!("no event");
        };
        heard.push((namespace, name));
    }
    heard.sort();
    let of = |namespace: &str, name: &str| (namespace.to_owned(), name.to_owned());
    assert_eq!(
        heard,
        [of("/", "notification"), of("/oda", "inventory:updated")]
    );
    client.say("41").await;
    client.say("41/oda,").await;
    assert_eq!(client.heard().await, Heard::Close(Some(1008)), "lonely");
}

#[tokio::test(start_paused = true)]
async fn other_kinds_of_notification_may_be_asked_for_with_what_was_missed_of_them() {
    let world = World::new();
    let mut client = world.staff().await;
    client
        .ask(
            "subscribe:notifications",
            &json!({ "types": ["system:maintenance"] }),
        )
        .await;
    world.happens(announced(Kind::SystemNotification, &notice("one")));
    world.happens(announced(Kind::SystemMaintenance, &notice("two")));
    let mut events = client.events_so_far().await;
    client
        .ask("subscribe:notifications", &json!({ "since": offset(0) }))
        .await;
    world.happens(announced(Kind::SystemNotification, &notice("three")));
    events.extend(client.events_so_far().await);
    let titles: Vec<_> = events
        .iter()
        .map(|(_, event)| event["data"]["title"].as_str().unwrap())
        .collect();
    assert_eq!(titles, ["two", "one", "three"]);
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_loses_its_socket_at_once_and_no_other() {
    let world = World::new();
    let mut revoked = world
        .client(&json!({ "role": "staff", "jti": "lost" }))
        .await;
    let mut other = world
        .client(&json!({ "role": "staff", "jti": "kept" }))
        .await;
    world.tokens.0.lock().unwrap().insert("lost".to_owned());
    let said = tokio::time::Instant::now();
    world.hub.recheck_tokens();
    let (name, error) = revoked.event().await;
    assert_eq!(
        (name.as_str(), &error["code"]),
        ("error", &json!("TOKEN_INVALID"))
    );
    let farewell = SocketIoPacket {
        namespace: "/oda".to_owned(),
        content: PacketContent::Disconnect,
    };
    assert_eq!(revoked.heard().await, Heard::Packet(farewell));
    assert!(said.elapsed() < Duration::from_secs(1));
    other.ask("subscribe:inventory", &json!({})).await;
    assert_eq!(
        (world.hub.figures().sockets, world.hub.figures().revoked),
        (1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_published_after_a_revocation_is_not_heard_even_by_a_socket_that_was_idle() {
    let world = World::new();
    let mut revoked = world
        .client(&json!({ "role": "staff", "jti": "lost" }))
        .await;
    let mut other = world
        .client(&json!({ "role": "staff", "jti": "kept" }))
        .await;
    for client in [&mut revoked, &mut other] {
        client.ask("subscribe:inventory", &json!({})).await;
    }
    world.tokens.0.lock().unwrap().insert("lost".to_owned());
    world.hub.recheck_tokens();
    world.happens(stock(1, 1, 1));
    assert_eq!(revoked.event().await.0, "error");
    assert_eq!(available(&other.events_so_far().await), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_user_has_so_many_sockets_and_one_that_comes_back_is_none_more() {
    let world = World::with(HubOptions {
        sockets_per_user_max: 2,
        ..HubOptions::default()
    });
    let mut first = world.staff().await;
    let _second = world.staff().await;
    let mut third = Client::open(&world.hub, PIPE).await;
    third.connect(&json!({ "role": "staff" })).await;
    assert_eq!(
        third.heard().await,
        Heard::Close(Some(1001)),
        "closed, so that it tries again"
    );
    world.client(&json!({ "role": "staff", "user": "8" })).await;
    assert!(
        first
            .join_again(&world.hub, &json!({ "role": "staff" }))
            .await
            .0
    );
    assert_eq!(world.hub.figures().crowded, 1);
}

#[tokio::test(start_paused = true)]
async fn connections_of_one_address_have_a_bound_of_their_own() {
    let world = World::with(HubOptions {
        connections_per_address_max: 1,
        ..HubOptions::default()
    });
    let first = client::upgrade(&world.hub, "").unwrap();
    assert_eq!(client::upgrade(&world.hub, "").err().unwrap(), 503);
    assert_eq!(world.hub.figures().refused_of_address, 1);
    drop(first);
    assert!(client::upgrade(&world.hub, "").is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_tabs_of_a_user_are_one_user_and_whoever_was_cut_off_is_gone_in_time() {
    let world = World::new();
    let mut tabs = [world.staff().await, world.staff().await];
    tabs[0].ask("subscribe:inventory", &json!({})).await;
    let user = |id: &str, sockets| (id.parse().unwrap(), sockets);
    let there = world.hub.attendees();
    assert_eq!(there.users, [user("7", 2)]);
    assert!(
        there
            .rooms
            .contains(&(shop(), schemas::Room::InventoryAll, 1))
    );
    let [first, second] = tabs;
    drop(first);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(
        world.hub.attendees().users,
        [user("7", 1)],
        "the other tab is still there"
    );
    // Nobody answers pings on it, and it is not closed.
    let _silent = second;
    tokio::time::sleep(limits::PING_INTERVAL + limits::PING_TIMEOUT + Duration::from_secs(5)).await;
    let there = world.hub.attendees();
    assert!(
        there.users.is_empty() && there.rooms.is_empty(),
        "{there:?}"
    );
}
