//! Clients that come back with what they have: nothing is missing, nothing comes twice, and if that cannot be, they are
//! told.

use std::collections::BTreeSet;

use proptest::prelude::*;
use schemas::command::CommandKind;
use schemas::shape::{CommandShape, CommandState};
use schemas::{ErrorBody, ErrorCode, Offset, Room};

use super::log::is_wanted;
use super::*;
use crate::contracts::Namespace;

fn staff() -> Value {
    json!({ "role": "staff" })
}

async fn joined(world: &World) -> Client {
    let mut client = world.staff().await;
    client.ask("subscribe:inventory", &json!({})).await;
    client
}

/// Hears all there is, by which its offset becomes the latest.
async fn drained(client: &mut Client) -> Vec<i64> {
    available(&client.events_so_far().await)
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_comes_when_the_client_comes_back_and_its_rooms_are_still_joined() {
    let world = World::new();
    let mut client = joined(&world).await;
    world.happens(stock(1, 1, 1));
    assert_eq!(drained(&mut client).await, [1]);
    world.happens(stock(1, 1, 2));
    world.happens(stock(1, 1, 3));

    let (recovered, connected) = client.join_again(&world.hub, &staff()).await;

    assert!(recovered);
    assert_eq!(connected["offset"], offset(1));
    assert_eq!(
        connected["rooms"],
        json!(["inventory:all", "role:staff", "shopify:sync", "user:7"])
    );
    world.happens(stock(1, 1, 4));
    assert_eq!(drained(&mut client).await, [2, 3, 4]);
    assert_eq!(world.hub.figures().recovered, 1);
}

#[tokio::test(start_paused = true)]
async fn a_recovered_socket_has_the_same_public_id_and_a_new_session_another() {
    let world = World::new();
    let mut client = Client::open(&world.hub, PIPE).await;
    client.connect(&staff()).await;
    let (greeting, connected) = client.let_in().await;
    assert_eq!(greeting["sid"], connected["socketId"]);
    assert_ne!(greeting["sid"], greeting["pid"]);
    assert_eq!(
        client.join_again(&world.hub, &staff()).await.1["socketId"],
        connected["socketId"]
    );
    let (_, other) = Client::join(&world.hub, PIPE, &staff()).await;
    assert_ne!(other["socketId"], connected["socketId"]);
}

#[tokio::test(start_paused = true)]
async fn joins_beyond_the_limit_are_refused_and_the_rooms_held_are_recovered() {
    let world = World::new();
    let mut client = world.staff().await;
    let join = |room: u32| json!({ "locationIds": [room] });
    for room in 1..=limits::DURABLE_JOINS_PER_MINUTE_MAX {
        assert_eq!(
            client.ask("subscribe:inventory", &join(room)).await["ok"],
            true,
            "{room}"
        );
    }
    for refused in [
        join(1_000),
        json!({ "productIds": [5], "since": offset(0) }),
    ] {
        let refused = client.ask("subscribe:inventory", &refused).await;
        assert_eq!(
            (&refused["ok"], &refused["error"]["code"]),
            (&json!(false), &json!("LIMIT_REACHED"))
        );
        assert_eq!(refused["error"]["retryable"], true);
    }
    assert_eq!(
        client.ask("unsubscribe:inventory", &join(1)).await["error"]["code"],
        "LIMIT_REACHED"
    );
    assert_eq!(
        client.ask("subscribe:inventory", &join(1)).await["ok"],
        true,
        "nothing to write"
    );
    let kept = || world.log.kept.load(Ordering::Relaxed);
    assert_eq!(kept(), limits::DURABLE_JOINS_PER_MINUTE_MAX as usize);
    world.happens(stock(1, 1, 1));
    world.happens(stock(1_000, 1, 2));
    world.happens(stock(7, 1, 3));
    assert!(client.join_again(&world.hub, &staff()).await.0);
    assert_eq!(drained(&mut client).await, [1, 3]);

    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(
        client.ask("subscribe:inventory", &join(1_000)).await["ok"],
        true
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_of_a_session_is_bounded_whatever_its_client_asks() {
    let world = World::new();
    world.happens(stock(1, 1, 1));
    let mut client = world.staff().await;
    let largest = || {
        world
            .log
            .sessions
            .lock()
            .unwrap()
            .values()
            .map(String::len)
            .max()
            .unwrap_or_default()
    };
    // Names of others may be long.
    let ids: Vec<_> = (0..230).map(|id| format!("{id:0>120}x")).collect();
    assert_eq!(
        client
            .ask("subscribe:inventory", &json!({ "productIds": ids }))
            .await["ok"],
        true
    );
    let before = largest();
    let refused = client
        .ask("subscribe:inventory", &json!({ "variantIds": ids }))
        .await;
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["retryable"]),
        (&json!("LIMIT_REACHED"), &json!(false))
    );
    assert_eq!(largest(), before);
    assert_eq!(
        client.ask("unsubscribe:inventory", &json!({})).await["ok"],
        true
    );
    // Each of these is kept with what it changed, until there is no room for it.
    for round in 0..20_u64 {
        let ids: Vec<_> = (0..200)
            .map(|id| 1_000_000_000_000 + round % 3 * 200 + id)
            .collect();
        let joined = client
            .ask(
                "subscribe:inventory",
                &json!({ "productIds": ids, "since": offset(0) }),
            )
            .await;
        assert_eq!(joined["ok"], true, "{round}: {joined}");
        assert!(largest() <= limits::SESSION_BYTES_MAX, "{}", largest());
    }
    // With an event comes the cursor that says that all of these were sent.
    let own = schemas::event::Notice {
        user_id: "7".parse().ok(),
        ..notice("a")
    };
    world.happens(announced(Kind::UserNotification, &own));
    assert!(
        client
            .events_so_far()
            .await
            .iter()
            .any(|(name, _)| name == "notification")
    );
    assert!(client.join_again(&world.hub, &staff()).await.0);
    let types: Vec<_> = (0..500).map(|number| format!("{number:0>120}")).collect();
    let before = largest();
    let refused = client
        .ask(
            "subscribe:notifications",
            &json!({ "types": types, "since": offset(0) }),
        )
        .await;
    assert_eq!(
        (&refused["error"]["code"], &refused["error"]["field"]),
        (&json!("INVALID_PAYLOAD"), &json!("types"))
    );
    assert_eq!(largest(), before);
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_record_made_room_for_others_is_told_to_load_again() {
    let world = World::new();
    let mut client = joined(&world).await;
    let mut roomless = world.staff().await;
    *world.log.evicted_at.lock().unwrap() = Some(Timestamp::from_second(100).unwrap());
    assert!(
        client.join_again(&world.hub, &staff()).await.0,
        "it has a record still"
    );
    world.log.sessions.lock().unwrap().clear();
    tokio::time::advance(Duration::from_secs(2)).await;
    assert!(!client.join_again(&world.hub, &staff()).await.0);
    assert_eq!(
        client.event().await,
        ("resync".to_owned(), json!({ "reason": "too_old" }))
    );
    assert!(
        !roomless.join_again(&world.hub, &staff()).await.0,
        "it cannot be told whether it had one"
    );
    tokio::time::advance(Duration::from_secs(200)).await;
    let mut later = world.staff().await;
    assert!(
        later.join_again(&world.hub, &staff()).await.0,
        "it began after that"
    );
}

#[tokio::test(start_paused = true)]
async fn who_wants_no_recovery_is_given_no_session_and_no_cursor() {
    let world = World::new();
    let mut other = joined(&world).await;
    let mut client = Client::open(&world.hub, PIPE).await;
    let auth = json!({ "token": staff().to_string(), "recovery": false });
    client.say(&format!("40/oda,{auth}")).await;
    let (greeting, connected) = client.let_in().await;
    assert_eq!(greeting.get("pid"), None);
    assert_eq!(
        connected["rooms"],
        json!(["role:staff", "shopify:sync", "user:7"])
    );
    assert_eq!(
        client.ask("subscribe:inventory", &json!({})).await["ok"],
        true
    );
    assert_eq!(
        world.log.kept.load(Ordering::Relaxed),
        1,
        "nothing of it is written"
    );
    world.happens(stock(1, 1, 1));
    for (client, count) in [(&mut client, 1), (&mut other, 2)] {
        let Heard::Packet(SocketIoPacket {
            content: PacketContent::Event { args, .. },
            ..
        }) = client.heard().await
        else {
            panic!("no event");
        };
        assert_eq!(args.len(), count, "{args:?}");
    }
    // Only that very word says so.
    let mut client = Client::open(&world.hub, PIPE).await;
    let auth = json!({ "token": staff().to_string(), "recovery": "no" });
    client.say(&format!("40/oda,{auth}")).await;
    assert!(client.let_in().await.0.get("pid").is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_erased_from_the_log_is_told_by_no_memory_of_it() {
    let world = World::new();
    let mut client = world.staff().await;
    client.ask("subscribe:orders", &json!({})).await;
    world.happens(stock(1, 1, 1));
    client.events_so_far().await;
    client.events.clear();
    let mut away = client;
    let other = Client::open(&world.hub, PIPE).await;
    drop(away.change_pipe(other));
    world.happens(order(5, &[]));
    world.log.redact();
    world.hub.forget();
    world.happens(order(6, &[]));
    assert!(away.join_as_before(&staff()).await.0, "recovered");
    let customers: Vec<_> = away
        .events_so_far()
        .await
        .iter()
        .map(|(_, event)| event["data"]["customerId"].clone())
        .collect();
    assert_eq!(customers, [Value::Null, json!("6")]);
}

#[tokio::test(start_paused = true)]
async fn it_works_again_and_again_and_before_the_first_event() {
    let world = World::new();
    let mut client = world.staff().await;
    client.offset = None;
    for round in 0..3 {
        world.happens(announced(
            Kind::UserNotification,
            &schemas::event::Notice {
                user_id: "7".parse().ok(),
                ..notice(&round.to_string())
            },
        ));
        assert!(client.join_again(&world.hub, &staff()).await.0);
        client.offset = None;
    }
    let titles: Vec<_> = client
        .events_so_far()
        .await
        .iter()
        .map(|(_, event)| event["data"]["title"].clone())
        .collect();
    assert_eq!(titles, ["0", "1", "2"]);

    client.ask("subscribe:inventory", &json!({})).await;
    for round in 1..=3 {
        world.happens(stock(1, 1, round));
        assert!(client.join_again(&world.hub, &staff()).await.0);
        client.offset = None;
        assert_eq!(
            drained(&mut client).await,
            (1..=round).collect::<Vec<_>>(),
            "all since the session began"
        );
        client.offset = None;
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_nobody_knows_begins_anew_and_is_told_so() {
    let world = World::new();
    for (pid, told) in [("foo", true), ("", true)] {
        let mut client = Client::open(&world.hub, PIPE).await;
        let auth = json!({ "pid": pid, "offset": "bar", "token": staff().to_string() });
        client.say(&format!("40/oda,{auth}")).await;
        let (greeting, _) = client.let_in().await;
        assert_ne!(greeting["sid"], pid);
        assert_ne!(greeting["pid"], pid);
        let resync = client.event().await;
        assert_eq!(
            (resync.0.as_str(), &resync.1["reason"]),
            ("resync", &json!("unknown_session")),
            "{told}"
        );
    }
    let mut mine = joined(&world).await;
    let other = json!({ "role": "staff", "user": "8" });
    assert!(
        !mine.join_again(&world.hub, &other).await.0,
        "another user's session"
    );
    assert_eq!(mine.event().await.1, json!({ "reason": "unknown_session" }));
    world.happens(stock(1, 1, 1));
    assert!(drained(&mut mine).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn only_a_session_of_ones_own_is_looked_up_and_no_oftener_than_one_may_speak() {
    let world = World::with(HubOptions {
        messages_per_minute: 30,
        ..HubOptions::default()
    });
    let looked_up = || world.log.looked_up.load(Ordering::Relaxed);
    let mut client = joined(&world).await;
    let other = json!({ "role": "staff", "user": "8" });
    let mine = client.pid.clone();
    for pid in [
        mine.clone(),
        Some("bogus".to_owned()),
        Some("A".repeat(5_000)),
        Some(String::new()),
    ] {
        client.pid = pid;
        assert!(!client.join_again(&world.hub, &other).await.0);
    }
    assert_eq!(
        looked_up(),
        0,
        "what is no session of theirs is not asked for"
    );

    client.pid = mine;
    assert!(client.join_again(&world.hub, &staff()).await.0);
    let mut rounds = 0;
    loop {
        client.say("41/oda").await;
        let auth = json!({ "pid": client.pid, "token": staff().to_string() });
        client.say(&format!("40/oda,{auth}")).await;
        match client.heard().await {
            Heard::Packet(packet) if matches!(packet.content, PacketContent::Connect(_)) => {}
            Heard::Packet(packet) => client.keep(packet),
            end => break assert_eq!(end, Heard::Close(Some(1008))),
        }
        rounds += 1;
        assert!(rounds < 100, "it goes on and on");
    }
    assert!(looked_up() <= 31, "{}", looked_up());
}

#[tokio::test(start_paused = true)]
async fn a_namespace_without_recovery_has_no_pid_no_cursor_and_keeps_nothing() {
    let world = World::with(HubOptions {
        recovery: [Namespace::Root].into(),
        ..HubOptions::default()
    });
    let mut client = Client::open(&world.hub, PIPE).await;
    let auth = json!({ "pid": "foo", "offset": "bar", "token": staff().to_string() });
    client.say(&format!("40/oda,{auth}")).await;
    let (greeting, connected) = client.let_in().await;
    assert_eq!(greeting, json!({ "sid": connected["socketId"] }));
    client.ask("subscribe:inventory", &json!({})).await;
    client.ask("unsubscribe:inventory", &json!({})).await;
    client
        .ask("subscribe:inventory", &json!({ "since": offset(0) }))
        .await;
    world.happens(stock(1, 1, 1));
    let Heard::Packet(SocketIoPacket {
        content: PacketContent::Event { args, .. },
        ..
    }) = client.heard().await
    else {
        panic!("no event");
    };
    assert_eq!(args.len(), 1);
    assert_eq!(world.log.kept.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn every_event_carries_a_cursor_whatever_it_is() {
    let world = World::new();
    let mut client = joined(&world).await;
    world.happens(stock(1, 1, 1));
    client.say(r#"42/oda,["dance"]"#).await;
    client.say(r#"42/oda,["inventory:update",{}]"#).await;
    client
        .say(r#"42/oda,["subscribe:inventory",{"since":"yesterday"}]"#)
        .await;
    let run = WebhookReceived {
        topic: "x".to_owned(),
        shop: shop(),
        webhook_id: "w".parse().unwrap(),
        received_at: Timestamp::UNIX_EPOCH,
    };
    world
        .hub
        .publish_ephemeral(&shop(), &Ephemeral::ShopifyWebhookReceived(run));
    let all = [
        "error",
        "inventory:updateError",
        "inventory:updated",
        "resync",
        "shopify:webhook:received",
    ];
    let mut names = BTreeSet::new();
    while names.len() < all.len() {
        let Heard::Packet(SocketIoPacket {
            content: PacketContent::Event { name, args, .. },
            ..
        }) = client.heard().await
        else {
            panic!("no event");
        };
        assert_eq!(args.len(), 2, "{name}");
        let cursor = args[1]
            .as_str()
            .unwrap()
            .parse::<Offset>()
            .unwrap()
            .sequence
            .0;
        assert!(
            cursor <= 1 && (cursor == 1 || !name.starts_with("inventory:updated")),
            "{name}"
        );
        names.insert(name);
    }
    assert!(names.into_iter().eq(all));
}

#[tokio::test(start_paused = true)]
async fn connecting_and_coming_back_write_nothing_and_a_join_that_changes_nothing_neither() {
    let world = World::new();
    let kept = || world.log.kept.load(Ordering::Relaxed);
    let mut client = world.staff().await;
    assert!(client.join_again(&world.hub, &staff()).await.0);
    assert_eq!(kept(), 0);
    client.ask("subscribe:inventory", &json!({})).await;
    assert_eq!(kept(), 1);
    client.ask("subscribe:inventory", &json!({})).await;
    assert!(client.join_again(&world.hub, &staff()).await.0);
    assert_eq!(kept(), 1);
    client.ask("unsubscribe:inventory", &json!({})).await;
    assert_eq!(kept(), 2);
    client.ask("unsubscribe:inventory", &json!({})).await;
    assert_eq!(kept(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_knows_nothing_recovers_a_client_from_the_log_and_the_record() {
    let world = World::new();
    let mut client = joined(&world).await;
    client
        .ask(
            "subscribe:notifications",
            &json!({ "types": ["system:maintenance"] }),
        )
        .await;
    client
        .ask("subscribe:orders", &json!({ "customerId": "customer-1" }))
        .await;
    world.happens(stock(1, 1, 1));
    drained(&mut client).await;
    let unseen = world.log.append(&shop(), stock(1, 1, 2));
    world.hub.publish(&[unseen]);

    let world = World::on(Arc::clone(&world.log), HubOptions::default());
    let (recovered, connected) = client.join_again(&world.hub, &staff()).await;
    assert!(recovered);
    let rooms = connected["rooms"].as_array().unwrap();
    for room in [
        "inventory:all",
        "notifications:7",
        "orders:customer:customer-1",
    ] {
        assert!(rooms.contains(&json!(room)), "{room} of {rooms:?}");
    }
    world.happens(announced(Kind::SystemNotification, &notice("another kind")));
    world.happens(announced(Kind::SystemMaintenance, &notice("tonight")));
    let events = client.events_so_far().await;
    assert_eq!(available(&events), [2]);
    assert_eq!(events.len(), 2);
    assert_eq!(events[1].1["data"]["title"], "tonight");
}

#[tokio::test(start_paused = true)]
async fn what_was_left_stays_left() {
    let world = World::new();
    let mut client = world.staff().await;
    client
        .ask("subscribe:inventory", &json!({ "locationIds": [1, 2] }))
        .await;
    client
        .ask("unsubscribe:inventory", &json!({ "locationIds": [1] }))
        .await;
    let world = World::on(Arc::clone(&world.log), HubOptions::default());
    assert!(client.join_again(&world.hub, &staff()).await.0);
    world.happens(stock(1, 1, 1));
    world.happens(stock(2, 1, 2));
    assert_eq!(drained(&mut client).await, [2]);
}

#[tokio::test(start_paused = true)]
async fn a_socket_that_has_not_noticed_its_end_gives_way_to_its_successor() {
    let world = World::new();
    let mut client = joined(&world).await;
    let mut ghost = Client::open(&world.hub, PIPE).await;
    std::mem::swap(&mut ghost, &mut client);
    (client.pid, client.offset) = (ghost.pid.clone(), ghost.offset.clone());
    assert_eq!(world.hub.figures().sockets, 1);

    assert!(client.join_again(&world.hub, &staff()).await.0);

    assert_eq!(world.hub.figures().sockets, 1);
    assert_eq!(world.hub.figures().replaced, 1);
    assert_eq!(world.hub.endings()["replaced"], 1);
    assert_eq!(
        ghost.heard().await,
        Heard::End,
        "without a goodbye that would keep the client away"
    );
    world.happens(stock(1, 1, 1));
    assert_eq!(drained(&mut client).await, [1]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_replayed_is_told_and_the_rooms_are_joined_all_the_same() {
    let world = World::with(HubOptions {
        ring_entries: 2,
        ..HubOptions::default()
    });
    let mut client = joined(&world).await;
    for n in 1..=10 {
        world.happens(stock(1, 1, n));
    }
    *world.log.floor.lock().unwrap() = 5;
    let cases = [
        (offset(2), "too_old"),
        (offset(99), "beyond_end"),
        ("yesterday".to_owned(), "unknown_offset"),
        ("9".repeat(10_000), "unknown_offset"),
    ];
    for (foreign, reason) in cases {
        client.offset = Some(foreign);
        let (recovered, connected) = client.join_again(&world.hub, &staff()).await;
        assert!(
            !recovered,
            "the client must not believe that nothing is missing"
        );
        assert_eq!(connected["offset"], world.hub.head().to_string());
        assert_eq!(
            client.event().await,
            ("resync".to_owned(), json!({ "reason": reason }))
        );
        world.happens(stock(1, 1, 77));
        assert_eq!(drained(&mut client).await, [77]);
        world.happens(stock(1, 1, 78));
        assert!(
            client.join_again(&world.hub, &staff()).await.0,
            "the new session can be recovered again"
        );
        assert_eq!(drained(&mut client).await, [78]);
    }
}

#[tokio::test(start_paused = true)]
async fn another_life_of_the_database_is_told_and_the_rooms_are_joined_all_the_same() {
    let world = World::new();
    let mut client = joined(&world).await;
    for n in 1..=10 {
        world.happens(stock(1, 1, n));
    }
    drained(&mut client).await;
    // A backup from before all that, put back.
    let log = Arc::new(Log::default());
    log.life.store(1, Ordering::Relaxed);
    log.sessions
        .lock()
        .unwrap()
        .clone_from(&world.log.sessions.lock().unwrap());
    let world = World::on(log, HubOptions::default());
    assert!(!client.join_again(&world.hub, &staff()).await.0);
    assert_eq!(
        client.event().await,
        ("resync".to_owned(), json!({ "reason": "other_epoch" }))
    );
    for n in 1..=3 {
        world.happens(stock(1, 1, n));
    }
    assert_eq!(drained(&mut client).await, [1, 2, 3]);
    // What is kept of its rooms is still of the other life.
    world.happens(stock(1, 1, 4));
    assert!(client.join_again(&world.hub, &staff()).await.0);
    assert_eq!(drained(&mut client).await, [4]);
}

#[tokio::test(start_paused = true)]
async fn other_rights_end_what_they_end_and_the_client_loads_again() {
    let world = World::new();
    let mut client = world.client(&json!({ "role": "admin" })).await;
    client
        .ask("subscribe:inventory", &json!({ "locationIds": [1, 2] }))
        .await;
    client.ask("subscribe:orders", &json!({})).await;
    world.happens(stock(2, 1, 1));
    let limited = json!({ "role": "staff", "locations": ["1"] });
    let (recovered, connected) = client.join_again(&world.hub, &limited).await;
    assert!(!recovered);
    let rooms = connected["rooms"].as_array().unwrap().clone();
    assert!(
        rooms.contains(&json!("inventory:location:1"))
            && !rooms.contains(&json!("inventory:location:2"))
    );
    assert_eq!(
        client.event().await.1,
        json!({ "reason": "rights_changed" })
    );
    world.happens(stock(2, 1, 2));
    world.happens(stock(1, 1, 3));
    assert_eq!(drained(&mut client).await, [3]);

    let customer = json!({ "role": "customer", "customer": "5" });
    let (recovered, connected) = client.join_again(&world.hub, &customer).await;
    assert!(!recovered);
    assert_eq!(connected["rooms"], json!(["role:customer", "user:7"]));
}

#[tokio::test(start_paused = true)]
async fn rights_that_a_refresh_took_for_a_while_are_a_reason_to_load_again() {
    let world = World::new();
    let all = json!({ "role": "staff" });
    let mut client = joined(&world).await;
    let limited = json!({ "token": json!({ "role": "staff", "locations": ["1"] }).to_string() });
    assert_eq!(client.ask("auth:refresh", &limited).await["ok"], true);
    world.happens(stock(2, 1, 1));
    world.happens(stock(1, 1, 2));
    assert_eq!(drained(&mut client).await, [2]);
    // With the first token again, which would have shown it the other one, too.
    assert!(!client.join_again(&world.hub, &all).await.0);
    assert_eq!(
        client.event().await.1,
        json!({ "reason": "rights_changed" })
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_is_asked_for_again_on_the_way_back() {
    let world = World::new();
    let mut client = joined(&world).await;
    let old = client.pid.clone();
    let mut again = Client::open(&world.hub, PIPE).await;
    let auth = json!({ "pid": old, "token": json!({ "role": "staff", "expires": 0 }).to_string() });
    again.say(&format!("40/oda,{auth}")).await;
    let Heard::Packet(SocketIoPacket {
        content: PacketContent::ConnectError(error),
        ..
    }) = again.heard().await
    else {
        panic!("let in without a good token");
    };
    assert_eq!(error["message"], "Invalid or expired token");
    world.happens(stock(1, 1, 1));
    assert_eq!(
        drained(&mut client).await,
        [1],
        "and nobody was put out for it"
    );
}

#[tokio::test(start_paused = true)]
async fn of_an_event_of_two_frames_the_second_comes_by_itself() {
    let world = World::new();
    let mut client = world.staff().await;
    let failed = Logged::CommandUpdated(CommandShape {
        command_id: "c1".to_owned(),
        kind: CommandKind::Reserve,
        state: CommandState::Failed,
        error: Some(ErrorBody::new(ErrorCode::InsufficientStock, "gone")),
        by: "7".parse().unwrap(),
        reason: "a test".to_owned(),
        before: None,
        after: None,
        at: Timestamp::UNIX_EPOCH,
    });
    world.happens(failed);
    assert_eq!(client.event().await.0, "command:updated");
    for _ in 0..2 {
        assert!(client.join_again(&world.hub, &staff()).await.0);
    }
    let events = client.events_so_far().await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].0, "inventory:reservationError");
    assert!(client.join_again(&world.hub, &staff()).await.0);
    assert!(client.events_so_far().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_now_sends_the_client_away_to_come_again() {
    let world = World::new();
    let mut client = joined(&world).await;
    world.log.broken.store(true, Ordering::Relaxed);
    let mut again = Client::open(&world.hub, PIPE).await;
    let auth = json!({ "pid": client.pid, "offset": client.offset, "token": staff().to_string() });
    again.say(&format!("40/oda,{auth}")).await;
    assert_eq!(again.heard().await, Heard::Close(Some(1001)));
    world.log.broken.store(false, Ordering::Relaxed);
    assert!(client.join_again(&world.hub, &staff()).await.0);
}

#[tokio::test(start_paused = true)]
async fn a_second_connect_while_the_first_is_looked_up_ends_the_transport() {
    let world = World::new();
    let client = joined(&world).await;
    let mut again = Client::open(&world.hub, PIPE).await;
    let auth = json!({ "pid": client.pid, "token": staff().to_string() });
    again.say(&format!("40/oda,{auth}")).await;
    again.say(&format!("40/oda,{auth}")).await;
    let end = loop {
        match again.heard().await {
            Heard::Packet(_) => {}
            end => break end,
        }
    };
    assert_eq!(end, Heard::Close(Some(1008)));
}

/// What happens to a client that is cut off again and again.
#[derive(Debug, Clone)]
enum Act {
    Publish {
        location: u64,
        product: u64,
        times: u8,
    },
    /// Asks for a room, with what was missed since so many entries ago; and may not hear the answer.
    Join {
        room: u64,
        since: Option<u8>,
        heard: bool,
    },
    /// Hears at most so many packets, then is cut off. The old connection may stay as it is, and the server may be
    /// another one afterwards.
    Cut {
        hears: u8,
        ghost: bool,
        restart: bool,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let join = (0..5_u64, prop::option::of(0..40_u8), any::<bool>())
        .prop_map(|(room, since, heard)| Act::Join { room, since, heard });
    let publish =
        (1..4_u64, 1..4_u64, 1..20_u8).prop_map(|(location, product, times)| Act::Publish {
            location,
            product,
            times,
        });
    let cut =
        (0..12_u8, any::<bool>(), any::<bool>()).prop_map(|(hears, ghost, restart)| Act::Cut {
            hears,
            ghost,
            restart,
        });
    prop_oneof![3 => join, 4 => publish, 4 => cut]
}

fn target(room: u64) -> (Value, Room) {
    match room {
        0 => (json!({}), Room::InventoryAll),
        1..=3 => (
            json!({ "locationIds": [room] }),
            Room::InventoryLocation(room.into()),
        ),
        _ => (
            json!({ "productIds": [1] }),
            Room::InventoryProduct(1.into()),
        ),
    }
}

/// What a client is owed: for each entry, whether one of its rooms counted from before it, while it was in it.
#[derive(Default)]
struct Owed {
    rooms: Vec<(Room, u64)>,
    entries: BTreeSet<u64>,
}

async fn cut_off_again_and_again(acts: Vec<Act>, ring_entries: usize) {
    let options = HubOptions {
        ring_entries,
        ..HubOptions::default()
    };
    let log = Arc::new(Log::default());
    let mut world = World::on(Arc::clone(&log), options.clone());
    let mut client = world.staff().await;
    let (mut owed, mut ghosts, mut stock_now) = (Owed::default(), Vec::new(), 0);
    // What is to be asked again, because its answer was not heard.
    let mut open: Vec<(Value, Room, u64)> = Vec::new();
    for act in acts {
        match act {
            Act::Publish {
                location,
                product,
                times,
            } => {
                for _ in 0..times {
                    stock_now += 1;
                    world.happens(stock(location, product, stock_now));
                }
                let entries = log.entries();
                let wanted = entries
                    .iter()
                    .filter(|entry| is_wanted(entry, &owed.rooms, None));
                owed.entries.extend(wanted.map(|entry| entry.sequence().0));
            }
            Act::Join { room, since, heard } => {
                let (mut payload, room) = target(room);
                let head = log.entries().len() as u64;
                let since = since.map_or(head, |back| head.saturating_sub(back.into()));
                payload["since"] = json!(offset(since));
                if heard {
                    client.ask("subscribe:inventory", &payload).await;
                    owed.rooms.push((room, since));
                } else {
                    client.ask_later("subscribe:inventory", &payload).await;
                    open.push((payload, room, since));
                }
            }
            Act::Cut {
                hears,
                ghost,
                restart,
            } => {
                for _ in 0..hears {
                    let heard =
                        tokio::time::timeout(Duration::from_millis(1), client.heard()).await;
                    if let Ok(Heard::Packet(packet)) = heard {
                        client.keep(packet);
                    }
                }
                if restart {
                    world.hub.close();
                    world = World::on(Arc::clone(&log), options.clone());
                }
                let new = Client::open(&world.hub, PIPE).await;
                if ghost {
                    ghosts.push(client.change_pipe(new));
                } else {
                    drop(client.change_pipe(new));
                }
                assert!(client.join_as_before(&staff()).await.0, "not recovered");
            }
        }
        // Asked again, as a client would that retries.
        if let Act::Cut { .. } = act {
            for (payload, room, since) in open.drain(..) {
                client.ask("subscribe:inventory", &payload).await;
                owed.rooms.push((room, since));
            }
        }
        let entries = log.entries();
        let wanted = entries
            .iter()
            .filter(|entry| is_wanted(entry, &owed.rooms, None));
        owed.entries.extend(wanted.map(|entry| entry.sequence().0));
    }
    for (payload, room, since) in open {
        client.ask("subscribe:inventory", &payload).await;
        owed.rooms.push((room, since));
    }
    let entries = log.entries();
    let wanted = entries
        .iter()
        .filter(|entry| is_wanted(entry, &owed.rooms, None));
    owed.entries.extend(wanted.map(|entry| entry.sequence().0));
    client.events_so_far().await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(50);
    while client.sequences.len() < owed.entries.len() && tokio::time::Instant::now() < deadline {
        client.events_so_far().await;
    }
    let mut came = client.sequences.clone();
    came.sort_unstable();
    assert_eq!(came, owed.entries.into_iter().collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_cut_off_when_each_wanted_entry_comes_once(
        acts in prop::collection::vec(act(), 1..25),
        ring_entries in prop::sample::select(vec![1_usize, 8, 64]),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(cut_off_again_and_again(acts, ring_entries));
    }
}
