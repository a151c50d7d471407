//! Commands through each door: what is taken, what is refused and in which words, and what a shop may set.

use schemas::Role;
use serde_json::{Value, json};
use tests::{
    Client, CommandRefusal, Mirror, Spot, TestDaemon, TestShop, Token, arguments, eventually,
};

fn staff() -> Token {
    Token::of(Role::Staff)
}

/// A command is refused by every door, in the same words.
async fn is_refused(
    daemon: &TestDaemon,
    client: &mut Client,
    kind: &str,
    payload: &Value,
    expected: (&str, Option<&str>),
) {
    let refusal = daemon.refuses(kind, payload).await;
    let said = (refusal.code.as_str(), refusal.field.as_deref());
    assert_eq!(said, expected, "{kind} {payload}: {refusal:?}");
    assert!(!refusal.retryable, "{kind} {payload}: {refusal:?}");
    let message = refusal.message.as_str();
    assert!(
        message.len() > 10 && message.contains(' ') && !message.ends_with('.'),
        "no sentence: {message}"
    );

    let answer = client.asks(&format!("inventory:{kind}"), payload).await;
    assert_eq!(answer["ok"], false, "{kind} {payload}");
    assert_eq!(
        CommandRefusal::of(&answer),
        refusal,
        "{kind} {payload}: sockets hear the same"
    );
    let event = match kind {
        "adjust" | "update" => "inventory:updateError",
        _ => "inventory:reservationError",
    };
    let told = client
        .event_where(event, |told| told["request"] == *payload)
        .await;
    assert_eq!(
        (&told["error"], &told["code"]),
        (&json!(message), &json!(refusal.code))
    );
    assert_eq!(told["retryable"], refusal.retryable);

    let Some(arguments) = arguments(kind, payload) else {
        return;
    };
    let ended = daemon.told(&arguments, &staff()).await;
    assert_eq!(ended.out, "", "{arguments:?}");
    match ended.code {
        // The command line asks which item and reservation is meant before it gives a command.
        1 if ["there is no item ", "there is no open reservation "]
            .iter()
            .any(|no| ended.err.contains(no)) =>
        {
            assert!(
                ["NOT_FOUND", "INVALID_PAYLOAD"].contains(&refusal.code.as_str()),
                "{arguments:?}"
            );
        }
        // Behind the name of the flag, where one is at fault.
        1 => assert!(
            ended.err.ends_with(&format!("{message}\n")),
            "{arguments:?}: {}",
            ended.err
        ),
        // What the command line itself does not understand.
        2 => assert!(ended.err.contains("--"), "{arguments:?}: {}", ended.err),
        code => panic!("{arguments:?} ended with {code}: {}", ended.err),
    }
}

fn with(mut payload: Value, field: &str, value: Value) -> Value {
    payload[field] = value;
    payload
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_malformed_command_is_refused_by_every_door_with_field_and_sentence() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut client = daemon.client(&staff()).await;
    let spot = shop.spot(0, 5).await;
    let offset = daemon.offset().await;
    let update = spot.asks(json!({ "quantity": 7 }));
    let adjust = spot.asks(json!({ "delta": -1 }));
    let reserve = spot.asks(json!({ "quantity": 1 }));
    let nowhere = json!({ "reservationId": "no-such-reservation" });
    let bad_numbers = [
        json!(1.5),
        json!("seven"),
        json!("7"),
        json!(1_000_000_001),
        json!(-1_000_000_001),
    ];
    let (invalid, missing) = ("INVALID_PAYLOAD", "NOT_FOUND");
    let mut cases: Vec<(&str, Value, &str, Option<&str>)> = Vec::new();
    for number in &bad_numbers {
        // On the command line "7" is the number.
        cases.push((
            "update",
            with(update.clone(), "expected", number.clone()),
            invalid,
            Some("expected"),
        ));
        cases.push((
            "update",
            with(update.clone(), "quantity", number.clone()),
            invalid,
            Some("quantity"),
        ));
        cases.push((
            "reserve",
            with(reserve.clone(), "quantity", number.clone()),
            invalid,
            Some("quantity"),
        ));
        cases.push((
            "adjust",
            with(adjust.clone(), "delta", number.clone()),
            invalid,
            Some("delta"),
        ));
    }
    cases.retain(|(_, payload, ..)| !payload.to_string().contains("\"7\""));
    for number in [-1, 0] {
        cases.push((
            "reserve",
            with(reserve.clone(), "quantity", json!(number)),
            invalid,
            Some("quantity"),
        ));
        let lasts = with(reserve.clone(), "ttlSeconds", json!(number));
        cases.push(("reserve", lasts, invalid, Some("ttlSeconds")));
    }
    cases.extend([
        (
            "update",
            with(update.clone(), "quantity", json!(-1)),
            invalid,
            Some("quantity"),
        ),
        (
            "update",
            with(update.clone(), "quantity", Value::Null),
            invalid,
            Some("quantity"),
        ),
        (
            "update",
            with(update.clone(), "name", json!("reserved")),
            invalid,
            Some("name"),
        ),
        (
            "update",
            with(update.clone(), "reason", json!(" ")),
            invalid,
            Some("reason"),
        ),
        (
            "update",
            with(update.clone(), "reason", json!("r".repeat(501))),
            invalid,
            Some("reason"),
        ),
        (
            "update",
            with(update.clone(), "reason", Value::Null),
            invalid,
            Some("reason"),
        ),
        (
            "update",
            with(update.clone(), "inventoryItemId", Value::Null),
            invalid,
            Some("inventoryItemId"),
        ),
        (
            "update",
            with(update.clone(), "inventoryItemId", json!("")),
            invalid,
            Some("inventoryItemId"),
        ),
        (
            "update",
            with(update.clone(), "inventoryItemId", json!("item-1")),
            missing,
            Some("inventoryItemId"),
        ),
        (
            "update",
            with(update.clone(), "inventoryItemId", json!(5)),
            missing,
            Some("inventoryItemId"),
        ),
        (
            "update",
            with(update.clone(), "locationId", json!("location-1")),
            missing,
            Some("locationId"),
        ),
        (
            "update",
            with(update.clone(), "locationId", json!(5)),
            missing,
            Some("inventoryItemId"),
        ),
        (
            "update",
            with(update.clone(), "idempotencyKey", json!("k".repeat(129))),
            invalid,
            Some("idempotencyKey"),
        ),
        (
            "adjust",
            with(adjust.clone(), "delta", json!(0)),
            invalid,
            Some("delta"),
        ),
        (
            "adjust",
            with(adjust.clone(), "delta", Value::Null),
            invalid,
            Some("delta"),
        ),
        (
            "adjust",
            with(adjust.clone(), "inventoryItemId", json!(5)),
            missing,
            Some("inventoryItemId"),
        ),
        (
            "adjust",
            with(adjust.clone(), "delta", json!(-1_000_000_000)),
            "INSUFFICIENT_STOCK",
            Some("delta"),
        ),
        (
            "reserve",
            with(reserve.clone(), "quantity", Value::Null),
            invalid,
            Some("quantity"),
        ),
        (
            "reserve",
            with(reserve.clone(), "ttlSeconds", json!(604_801)),
            invalid,
            Some("ttlSeconds"),
        ),
        (
            "reserve",
            with(reserve.clone(), "reference", json!("r".repeat(256))),
            invalid,
            Some("reference"),
        ),
        (
            "reserve",
            with(reserve.clone(), "inventoryItemId", json!(5)),
            missing,
            Some("inventoryItemId"),
        ),
        (
            "reserve",
            with(reserve.clone(), "quantity", json!(1_000_000_000)),
            "INSUFFICIENT_STOCK",
            Some("quantity"),
        ),
        (
            "reserve",
            json!({ "items": [], "reason": "x" }),
            invalid,
            Some("items"),
        ),
        (
            "reserve",
            json!({ "items": "all", "reason": "x" }),
            invalid,
            Some("items"),
        ),
        (
            "reserve",
            json!({ "items": [7], "reason": "x" }),
            invalid,
            Some("items.0"),
        ),
        (
            "reserve",
            json!({ "items": [reserve, { "quantity": 1 }], "reason": "x" }),
            invalid,
            Some("items.1.inventoryItemId"),
        ),
        (
            "reserve",
            with(reserve.clone(), "items", json!([reserve])),
            invalid,
            Some("items"),
        ),
        ("release", nowhere.clone(), missing, Some("reservationId")),
        ("release", json!({}), invalid, Some("reservationId")),
        (
            "release",
            json!({ "reservationId": 7 }),
            invalid,
            Some("reservationId"),
        ),
        ("extend", nowhere.clone(), missing, Some("reservationId")),
        (
            "extend",
            with(nowhere.clone(), "ttlSeconds", json!(0)),
            invalid,
            Some("ttlSeconds"),
        ),
        (
            "commit",
            with(nowhere.clone(), "sale", json!("outside")),
            missing,
            Some("reservationId"),
        ),
        (
            "commit",
            with(nowhere.clone(), "sale", json!("elsewhere")),
            invalid,
            Some("sale"),
        ),
        ("commit", nowhere, invalid, Some("sale")),
    ]);
    for (kind, payload, code, field) in &cases {
        // The command line says 7 where a text was meant; that is another number of reservation, and as unknown.
        if *kind == "release" && payload["reservationId"] == 7 {
            let refusal = daemon.refuses(kind, payload).await;
            assert_eq!(
                (refusal.code.as_str(), refusal.field.as_deref()),
                (*code, *field)
            );
            continue;
        }
        is_refused(&daemon, &mut client, kind, payload, (code, *field)).await;
    }
    for payload in [json!(null), json!("all"), json!([update]), json!(7)] {
        let answer = client.asks("inventory:update", &payload).await;
        assert_eq!(
            CommandRefusal::of(&answer).code,
            "INVALID_PAYLOAD",
            "{payload}"
        );
        assert_eq!(
            daemon.refuses("update", &payload).await.code,
            "INVALID_PAYLOAD",
            "{payload}"
        );
    }
    assert_eq!(daemon.refuses("explode", &update).await.code, "NOT_FOUND");
    assert_eq!(
        CommandRefusal::of(&client.asks("inventory:explode", &update).await).code,
        "UNKNOWN_EVENT"
    );

    assert_eq!(
        daemon.commands().await,
        [] as [Value; 0],
        "nothing of it was kept"
    );
    assert_eq!(daemon.offset().await, offset, "nothing of it was told");
    assert_eq!(
        shop.mutations().await,
        [] as [Value; 0],
        "nothing of it reached the store"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_takes_no_stock_or_is_not_as_expected_is_refused_by_every_door() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut client = daemon.client(&staff()).await;
    let spot = shop.spot(0, 5).await;
    let disconnected = shop.elsewhere(&spot, 0).await;
    let truth = shop.truth().await;
    let closed = truth["locations"][2]["id"].as_str().unwrap().to_owned();
    let at_closed = Spot {
        location: closed.clone(),
        ..shop.spot(3, 0).await
    };
    shop.does(
        "levels",
        &json!({
            "action": "disconnect", "inventoryItemId": disconnected.item, "locationId": disconnected.location,
        }),
    )
    .await;
    shop.does(
        "locations",
        &json!({ "action": "deactivate", "id": closed }),
    )
    .await;
    let bundle = shop.spot(5, 0).await;
    shop.does(
        "products",
        &json!({ "action": "bundle", "inventoryItemId": bundle.item }),
    )
    .await;
    let untracked = shop.spot(9, 0).await;
    let uncounted =
        json!({ "action": "track", "inventoryItemId": untracked.item, "tracked": false });
    shop.does("products", &uncounted).await;
    let service = shop
        .does(
            "locations",
            &json!({ "action": "create", "name": "Parcels", "service": true }),
        )
        .await;
    let at_service = Spot {
        location: service["id"].as_str().unwrap().to_owned(),
        ..shop.spot(12, 0).await
    };
    shop.does(
        "levels",
        &json!({ "action": "connect", "inventoryItemId": at_service.item, "locationId": at_service.location }),
    )
    .await;
    Mirror::becomes_exact(&daemon, &shop).await;
    // A product's webhook does not say it; the second look does.
    eventually("the bundle is known as one", async || {
        let variants = daemon.list("variants", &staff()).await;
        let own = variants
            .iter()
            .find(|variant| variant["variantId"] == bundle.variant.as_str())?;
        (own["bundle"] == true).then_some(())
    })
    .await;

    for (kind, fields) in [
        ("update", json!({ "quantity": 9 })),
        ("adjust", json!({ "delta": 1 })),
        ("reserve", json!({ "quantity": 1 })),
    ] {
        let ineligible = ("INELIGIBLE", Some("locationId"));
        is_refused(
            &daemon,
            &mut client,
            kind,
            &disconnected.asks(fields.clone()),
            ineligible,
        )
        .await;
        is_refused(
            &daemon,
            &mut client,
            kind,
            &at_closed.asks(fields.clone()),
            ineligible,
        )
        .await;
        is_refused(
            &daemon,
            &mut client,
            kind,
            &at_service.asks(fields.clone()),
            ineligible,
        )
        .await;
        let ineligible = ("INELIGIBLE", Some("inventoryItemId"));
        is_refused(
            &daemon,
            &mut client,
            kind,
            &bundle.asks(fields.clone()),
            ineligible,
        )
        .await;
        is_refused(
            &daemon,
            &mut client,
            kind,
            &untracked.asks(fields.clone()),
            ineligible,
        )
        .await;
        let anywhere = with(
            shop.spot(8, 1).await.asks(fields),
            "locationId",
            Value::Null,
        );
        is_refused(
            &daemon,
            &mut client,
            kind,
            &anywhere,
            ("LOCATION_REQUIRED", Some("locationId")),
        )
        .await;
    }
    let stale = spot.asks(json!({ "quantity": 9, "expected": spot.available + 1 }));
    is_refused(
        &daemon,
        &mut client,
        "update",
        &stale,
        ("CONFLICT", Some("expected")),
    )
    .await;
    let much = spot.asks(json!({ "quantity": spot.available + 1 }));
    is_refused(
        &daemon,
        &mut client,
        "reserve",
        &much,
        ("INSUFFICIENT_STOCK", Some("quantity")),
    )
    .await;
    let less = spot.asks(json!({ "delta": -spot.available - 1 }));
    is_refused(
        &daemon,
        &mut client,
        "adjust",
        &less,
        ("INSUFFICIENT_STOCK", Some("delta")),
    )
    .await;
    let half = json!({ "inventoryItemId": spot.item, "locationId": spot.location, "quantity": spot.available / 2 + 1 });
    let twice = json!({ "items": [half, half], "reason": "each alone would fit" });
    is_refused(
        &daemon,
        &mut client,
        "reserve",
        &twice,
        ("INSUFFICIENT_STOCK", Some("items.1.quantity")),
    )
    .await;

    let reservation = daemon
        .takes("reserve", &spot.asks(json!({ "quantity": 1 })))
        .await["reservationId"]
        .clone();
    let reservation = json!({ "reservationId": reservation, "sale": "outside" });
    daemon.takes("release", &reservation).await;
    for kind in ["release", "commit", "extend"] {
        is_refused(
            &daemon,
            &mut client,
            kind,
            &reservation,
            ("CONFLICT", Some("reservationId")),
        )
        .await;
    }

    let keyed = spot.asks(json!({ "delta": -1, "idempotencyKey": "till-3/7" }));
    daemon.takes("adjust", &keyed).await;
    let reused = ("IDEMPOTENCY_KEY_REUSED", Some("idempotencyKey"));
    is_refused(
        &daemon,
        &mut client,
        "adjust",
        &with(keyed.clone(), "delta", json!(-2)),
        reused,
    )
    .await;
    let other = spot.asks(json!({ "quantity": 1, "idempotencyKey": "till-3/7" }));
    is_refused(&daemon, &mut client, "reserve", &other, reused).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_repeated_with_its_key_is_answered_as_before_and_done_once() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut client = daemon.client(&staff()).await;
    let spot = shop.spot(0, 10).await;
    let mut books = shop.level_at(&spot).await;
    let mut given = 0;
    for (kind, payload) in [
        (
            "adjust",
            spot.asks(json!({ "delta": -2, "idempotencyKey": "a" })),
        ),
        (
            "reserve",
            spot.asks(json!({ "quantity": 3, "idempotencyKey": "b" })),
        ),
        (
            "update",
            spot.asks(json!({ "quantity": 44, "idempotencyKey": "c" })),
        ),
    ] {
        let first = daemon.takes(kind, &payload).await;
        assert_eq!(daemon.takes(kind, &payload).await, first, "over REST");
        let mut by_socket = client.asks(&format!("inventory:{kind}"), &payload).await;
        by_socket.as_object_mut().unwrap().remove("ok");
        assert_eq!(by_socket, first, "over a socket");
        let ended = daemon
            .told(
                &[
                    arguments(kind, &payload).unwrap(),
                    vec!["--json".to_owned()],
                ]
                .concat(),
                &staff(),
            )
            .await;
        assert_eq!(
            serde_json::from_str::<Value>(&ended.out).unwrap(),
            first,
            "on the command line"
        );
        // Another's key is another key.
        let (_, others) = daemon
            .asked_to(kind, &payload, &Token::of(Role::Manager))
            .await;
        assert_ne!(others["commandId"], first["commandId"]);
        given += 2;
    }
    books.adjust(-4);
    books.reserve(6);
    books.set(44);
    let commands = daemon.settles().await;
    assert_eq!(commands.len(), given);
    assert!(
        commands
            .iter()
            .all(|command| command["state"] == "confirmed"),
        "{commands:?}"
    );
    assert_eq!(shop.level_at(&spot).await, books);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_staff_give_commands_and_only_at_their_locations() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let spot = shop.spot(0, 5).await;
    let elsewhere = shop.elsewhere(&spot, 5).await;
    let local = Token::staff_at(&spot.location);
    let foreign = daemon
        .takes("reserve", &elsewhere.asks(json!({ "quantity": 1 })))
        .await["reservationId"]
        .clone();
    let orders = |spot: &Spot| {
        [
            ("update", spot.asks(json!({ "quantity": 3 }))),
            ("adjust", spot.asks(json!({ "delta": 1 }))),
            ("reserve", spot.asks(json!({ "quantity": 1 }))),
            ("release", json!({ "reservationId": foreign })),
            ("extend", json!({ "reservationId": foreign })),
            (
                "commit",
                json!({ "reservationId": foreign, "sale": "order" }),
            ),
        ]
    };
    for token in [
        Token::of(Role::Guest),
        Token::of(Role::Service),
        Token::customer("7"),
    ] {
        let mut client = daemon.client(&token).await;
        for (kind, payload) in orders(&spot) {
            let (status, answer) = daemon.asked_to(kind, &payload, &token).await;
            assert_eq!(
                (status, CommandRefusal::of(&answer).code.as_str()),
                (403, "FORBIDDEN"),
                "{kind} {token:?}"
            );
            let answer = client.asks(&format!("inventory:{kind}"), &payload).await;
            assert_eq!(
                CommandRefusal::of(&answer).code,
                "FORBIDDEN",
                "{kind} {token:?}"
            );
        }
        for list in ["commands", "reservations"] {
            assert_eq!(
                daemon.asked(list, &token).await.0,
                403,
                "{list} by {token:?}"
            );
        }
        let ended = daemon
            .told(&arguments("adjust", &orders(&spot)[1].1).unwrap(), &token)
            .await;
        assert_eq!(ended.code, 1, "{}", ended.err);
        let drained = daemon
            .told(
                &["reservations".to_owned(), "release-all".to_owned()],
                &token,
            )
            .await;
        assert_eq!(drained.code, 1, "{}", drained.err);
    }
    let mut client = daemon.client(&local).await;
    for (kind, payload) in orders(&elsewhere) {
        let (status, answer) = daemon.asked_to(kind, &payload, &local).await;
        let refusal = CommandRefusal::of(&answer);
        assert_eq!(
            (status, refusal.code.as_str()),
            (403, "FORBIDDEN"),
            "{kind}"
        );
        let field = if payload["reservationId"].is_null() {
            "locationId"
        } else {
            "reservationId"
        };
        assert_eq!(
            (refusal.field.as_deref(), refusal.retryable),
            (Some(field), false),
            "{kind}"
        );
        assert_eq!(
            CommandRefusal::of(&client.asks(&format!("inventory:{kind}"), &payload).await),
            refusal
        );
    }
    let ended = daemon
        .told(
            &["reservations".to_owned(), "release-all".to_owned()],
            &local,
        )
        .await;
    assert_eq!(
        ended.code, 1,
        "only admins end everybody's reservations: {}",
        ended.err
    );

    // Nobody sees or hears of a command or a reservation at a location that is not theirs.
    let here = client
        .asks("inventory:reserve", &spot.asks(json!({ "quantity": 1 })))
        .await;
    assert_eq!(here["ok"], true, "{here}");
    client
        .asks(
            "subscribe:inventory",
            &json!({ "locationIds": [spot.location] }),
        )
        .await;
    let (_, seen) = daemon.asked("reservations", &local).await;
    let seen: Vec<&Value> = seen["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|reservation| &reservation["reservationId"])
        .collect();
    assert!(seen.contains(&&here["reservationId"]), "{seen:?}");
    assert_eq!(
        daemon.asked("commands", &Token::of(Role::Admin)).await.1["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(daemon.asked_with("commands", "nonsense").await.0, 401);
    daemon.settles().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_door_carries_out_every_command() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut client = daemon.client(&staff()).await;
    let spot = shop.spot(0, 20).await;
    let mut books = shop.level_at(&spot).await;
    for door in ["socket", "rest", "command line"] {
        let mut orders: Vec<(&str, Value)> = vec![
            ("update", spot.asks(json!({ "quantity": 30 }))),
            ("adjust", spot.asks(json!({ "delta": -4 }))),
            (
                "update",
                spot.asks(json!({ "quantity": 90, "name": "on_hand" })),
            ),
        ];
        books.set(30);
        books.adjust(-4);
        books.count(90);
        for (end, sale) in [
            ("release", None),
            ("commit", Some("outside")),
            ("commit", Some("order")),
        ] {
            orders.push((
                "reserve",
                spot.asks(json!({ "quantity": 2, "ttlSeconds": 60 })),
            ));
            orders.push(("extend", json!({ "ttlSeconds": 600 })));
            orders.push((end, json!({ "sale": sale })));
        }
        books.reserve(2);
        books.sell_held(2);
        let mut reservation = Value::Null;
        let mut until = String::new();
        for (kind, mut payload) in orders {
            if payload["reason"].is_null() {
                payload["reservationId"] = reservation.clone();
            }
            let answer = match door {
                "socket" => client.asks(&format!("inventory:{kind}"), &payload).await,
                "rest" => daemon.takes(kind, &payload).await,
                _ => {
                    let ended = daemon
                        .told(
                            &[
                                arguments(kind, &payload).unwrap(),
                                vec!["--json".to_owned()],
                            ]
                            .concat(),
                            &staff(),
                        )
                        .await;
                    assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{kind}");
                    serde_json::from_str(&ended.out).unwrap()
                }
            };
            assert!(answer["error"].is_null(), "{door} {kind}: {answer}");
            match kind {
                "reserve" => {
                    assert_eq!(
                        (&answer["state"], &answer["reservationId"]),
                        (&json!("pending"), &answer["commandId"])
                    );
                    reservation = answer["reservationId"].clone();
                    until = answer["expiresAt"].as_str().unwrap().to_owned();
                }
                "extend" => {
                    assert_eq!(answer["reservation"]["reservationId"], reservation);
                    assert!(answer["reservation"]["expiresAt"].as_str().unwrap() > until.as_str());
                }
                "release" => assert_eq!(answer["reservation"]["state"], "released"),
                "commit" => assert_eq!(answer["reservation"]["state"], "committed"),
                _ => {
                    assert_eq!(answer["state"], "accepted");
                    let level = &answer["level"];
                    assert_eq!(
                        (&level["inventoryItemId"], &level["locationId"]),
                        (&json!(spot.item), &json!(spot.location))
                    );
                }
            }
        }
    }
    let commands = daemon.settles().await;
    assert!(
        commands
            .iter()
            .all(|command| command["state"] == "confirmed"),
        "{commands:?}"
    );
    // 12 a door: extending is on record, too.
    assert_eq!(commands.len(), 36);
    daemon.nothing_is_pending().await;
    assert_eq!(shop.level_at(&spot).await, books);
    let audit = &commands[commands.len() - 1];
    assert_eq!(
        (&audit["by"], &audit["reason"]),
        (&json!("test-staff"), &json!("of the tests"))
    );
    Mirror::becomes_exact(&daemon, &shop).await;
}
