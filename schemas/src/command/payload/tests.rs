//! Every bad payload of every command, with the field and the sentence that answer it.

use serde_json::json;

use super::*;

/// A payload of each kind with every field it may have.
fn good(kind: CommandKind) -> Value {
    match kind {
        CommandKind::Adjust => json!({
            "inventoryItemId": 5, "locationId": "7", "delta": -3, "reason": "broken", "idempotencyKey": "k",
        }),
        CommandKind::Commit => {
            json!({ "reservationId": "r", "sale": "order", "orderId": "gid://shopify/Order/9" })
        }
        CommandKind::Extend => json!({ "reservationId": "r", "ttlSeconds": 60 }),
        CommandKind::Release => json!({ "reservationId": "r" }),
        CommandKind::Reserve => json!({
            "inventoryItemId": 5, "locationId": "7", "quantity": 2, "reason": "held", "ttlSeconds": 60,
            "reference": "order-123", "idempotencyKey": "k",
        }),
        CommandKind::Update => json!({
            "inventoryItemId": 5, "locationId": "7", "quantity": 12, "name": "on_hand", "reason": "counted",
            "expected": 11, "idempotencyKey": "k",
        }),
    }
}

fn changed(kind: CommandKind, key: &str, value: Value) -> Value {
    let mut payload = good(kind);
    payload[key] = value;
    payload
}

fn without(kind: CommandKind, key: &str) -> Value {
    let mut payload = good(kind);
    payload.as_object_mut().unwrap().remove(key);
    payload
}

/// The code, the field and the sentence.
fn refusal(kind: CommandKind, payload: &Value) -> (ErrorCode, String, String) {
    let error = Command::read(kind, payload).expect_err(&format!("{kind:?} took {payload}"));
    (error.code, error.field.unwrap_or_default(), error.message)
}

fn many(chars: usize) -> Value {
    "ä".repeat(chars).into()
}

#[test]
fn a_command_is_read_with_every_field() {
    let (item, location) = (5_u64.try_into().unwrap(), Some(7_u64.try_into().unwrap()));
    let read = |kind| Command::read(kind, &good(kind)).unwrap();
    assert_eq!(
        read(CommandKind::Adjust),
        Command::Adjust {
            inventory_item_id: item,
            location_id: location,
            delta: -3,
            reason: "broken".to_owned(),
            idempotency_key: Some("k".to_owned()),
        }
    );
    assert_eq!(
        read(CommandKind::Commit),
        Command::Commit {
            reservation_id: "r".to_owned(),
            sale: Sale::Order,
            order_id: Some(9_u64.try_into().unwrap()),
        }
    );
    assert_eq!(
        read(CommandKind::Extend),
        Command::Extend {
            reservation_id: "r".to_owned(),
            ttl_seconds: Some(60)
        }
    );
    assert_eq!(
        read(CommandKind::Release),
        Command::Release {
            reservation_id: "r".to_owned()
        }
    );
    assert_eq!(
        read(CommandKind::Reserve),
        Command::Reserve {
            items: vec![ReserveItem {
                inventory_item_id: item,
                location_id: location,
                quantity: 2
            }],
            reason: "held".to_owned(),
            ttl_seconds: Some(60),
            reference: Some("order-123".to_owned()),
            idempotency_key: Some("k".to_owned()),
        }
    );
    assert_eq!(
        read(CommandKind::Update),
        Command::Update {
            inventory_item_id: item,
            location_id: location,
            quantity: 12,
            name: Some(SettableName::OnHand),
            reason: "counted".to_owned(),
            expected: Some(11),
            idempotency_key: Some("k".to_owned()),
        }
    );
    for kind in CommandKind::ALL {
        assert_eq!(read(kind).kind(), kind);
        assert_eq!(CommandKind::parse(kind.as_str()), Some(kind));
    }
}

#[test]
fn what_may_be_left_out_may_be_null_and_what_means_nothing_is_not_looked_at() {
    let optional = [
        (CommandKind::Adjust, &["locationId", "idempotencyKey"][..]),
        (CommandKind::Commit, &["orderId"]),
        (CommandKind::Extend, &["ttlSeconds"]),
        (
            CommandKind::Reserve,
            &["locationId", "ttlSeconds", "reference", "idempotencyKey"],
        ),
        (
            CommandKind::Update,
            &["locationId", "name", "expected", "idempotencyKey"],
        ),
    ];
    for (kind, keys) in optional {
        for key in keys {
            let left_out = Command::read(kind, &without(kind, key)).unwrap();
            assert_eq!(
                Command::read(kind, &changed(kind, key, Value::Null)).unwrap(),
                left_out,
                "{key}"
            );
        }
    }
    for kind in CommandKind::ALL {
        let with_more = changed(kind, "userId", json!("ann"));
        assert_eq!(
            Command::read(kind, &with_more).unwrap(),
            Command::read(kind, &good(kind)).unwrap()
        );
    }
}

#[test]
fn a_missing_field_is_named() {
    let required = [
        (
            CommandKind::Adjust,
            &["inventoryItemId", "delta", "reason"][..],
        ),
        (CommandKind::Commit, &["reservationId", "sale"]),
        (CommandKind::Extend, &["reservationId"]),
        (CommandKind::Release, &["reservationId"]),
        (
            CommandKind::Reserve,
            &["inventoryItemId", "quantity", "reason"],
        ),
        (
            CommandKind::Update,
            &["inventoryItemId", "quantity", "reason"],
        ),
    ];
    for (kind, keys) in required {
        for key in keys {
            for payload in [without(kind, key), changed(kind, key, Value::Null)] {
                let (code, field, message) = refusal(kind, &payload);
                assert_eq!(
                    (code, field.as_str()),
                    (ErrorCode::InvalidPayload, *key),
                    "{kind:?}"
                );
                assert!(
                    message.starts_with(&format!("{key} is needed: ")),
                    "{message}"
                );
            }
        }
        for payload in [
            Value::Null,
            json!([]),
            json!("x"),
            json!(5),
            json!([good(kind)]),
        ] {
            let (code, field, _) = refusal(kind, &payload);
            assert_eq!(
                (code, field.as_str()),
                (ErrorCode::InvalidPayload, ""),
                "{kind:?} {payload}"
            );
        }
    }
}

#[test]
fn a_bad_value_is_refused_with_its_field_and_what_it_takes() {
    use CommandKind::{Adjust, Commit, Extend, Release, Reserve, Update};
    let not_whole = [
        json!("5"),
        json!(1.5),
        json!(5.0),
        json!(true),
        json!({}),
        json!([5]),
        json!(u64::MAX),
        json!(1e300),
    ];
    let not_text = [json!(5), json!(true), json!({}), json!(["x"])];
    let mut bad: Vec<(CommandKind, &str, Value)> = Vec::new();
    for value in &not_whole {
        for (kind, key) in [
            (Adjust, "delta"),
            (Extend, "ttlSeconds"),
            (Reserve, "quantity"),
            (Reserve, "ttlSeconds"),
            (Update, "quantity"),
            (Update, "expected"),
        ] {
            bad.push((kind, key, value.clone()));
        }
    }
    for value in &not_text {
        for (kind, key) in [
            (Adjust, "reason"),
            (Adjust, "idempotencyKey"),
            (Commit, "reservationId"),
            (Commit, "sale"),
            (Extend, "reservationId"),
            (Release, "reservationId"),
            (Reserve, "reason"),
            (Reserve, "reference"),
            (Reserve, "idempotencyKey"),
            (Update, "name"),
            (Update, "reason"),
            (Update, "idempotencyKey"),
        ] {
            bad.push((kind, key, value.clone()));
        }
    }
    for value in [
        json!(-1),
        json!(1.5),
        json!(true),
        json!({}),
        json!([]),
        json!(""),
        many(129),
    ] {
        for kind in [Adjust, Reserve, Update] {
            bad.push((kind, "inventoryItemId", value.clone()));
            bad.push((kind, "locationId", value.clone()));
        }
        bad.push((Commit, "orderId", value));
    }
    bad.extend([
        (Adjust, "delta", json!(0)),
        (Adjust, "delta", json!(QUANTITY_MAX + 1)),
        (Adjust, "delta", json!(-QUANTITY_MAX - 1)),
        (Reserve, "quantity", json!(0)),
        (Reserve, "quantity", json!(-1)),
        (Reserve, "quantity", json!(QUANTITY_MAX + 1)),
        (Update, "quantity", json!(-1)),
        (Update, "quantity", json!(QUANTITY_MAX + 1)),
        (Update, "expected", json!(QUANTITY_MAX + 1)),
        (Update, "name", json!("reserved")),
        (Commit, "sale", json!("till")),
        (Extend, "ttlSeconds", json!(0)),
        (Reserve, "ttlSeconds", json!(604_801)),
        (Reserve, "reference", many(256)),
    ]);
    for kind in [Adjust, Reserve, Update] {
        bad.extend([(kind, "reason", many(501)), (kind, "reason", json!(""))]);
        bad.extend([
            (kind, "idempotencyKey", many(129)),
            (kind, "idempotencyKey", json!("")),
        ]);
    }
    for kind in [Commit, Extend, Release] {
        bad.extend([
            (kind, "reservationId", many(129)),
            (kind, "reservationId", json!("")),
        ]);
    }
    for (kind, key, value) in bad {
        let (code, field, message) = refusal(kind, &changed(kind, key, value.clone()));
        assert_eq!(
            (code, field.as_str()),
            (ErrorCode::InvalidPayload, key),
            "{kind:?} {key} {value}"
        );
        assert!(message.starts_with(&format!("{key} must be ")), "{message}");
    }
    let blank = refusal(Update, &changed(Update, "reason", json!(" \t")));
    assert_eq!(
        (blank.0, blank.1.as_str()),
        (ErrorCode::InvalidPayload, "reason")
    );
}

#[test]
fn the_bounds_themselves_are_taken() {
    let taken = [
        (CommandKind::Adjust, "delta", json!(QUANTITY_MAX)),
        (CommandKind::Adjust, "delta", json!(-QUANTITY_MAX)),
        (CommandKind::Adjust, "reason", many(500)),
        (CommandKind::Adjust, "idempotencyKey", many(128)),
        (CommandKind::Extend, "ttlSeconds", json!(1)),
        (CommandKind::Reserve, "ttlSeconds", json!(604_800)),
        (CommandKind::Reserve, "quantity", json!(1)),
        (CommandKind::Reserve, "reference", many(255)),
        (CommandKind::Reserve, "reference", json!("")),
        (CommandKind::Update, "quantity", json!(0)),
        (CommandKind::Update, "quantity", json!(QUANTITY_MAX)),
        (CommandKind::Update, "expected", json!(-QUANTITY_MAX)),
    ];
    for (kind, key, value) in taken {
        let payload = changed(kind, key, value);
        assert!(Command::read(kind, &payload).is_ok(), "{kind:?} {payload}");
    }
}

#[test]
fn an_id_that_is_not_shopifys_is_not_found() {
    let foreign = [
        json!("location-1"),
        json!("gid://shopify/Customer/1"),
        json!("-5"),
        json!(0),
        json!(u64::MAX),
        many(128),
    ];
    for value in foreign {
        for (kind, key) in [
            (CommandKind::Adjust, "inventoryItemId"),
            (CommandKind::Commit, "orderId"),
            (CommandKind::Reserve, "locationId"),
            (CommandKind::Update, "inventoryItemId"),
            (CommandKind::Update, "locationId"),
        ] {
            let (code, field, _) = refusal(kind, &changed(kind, key, value.clone()));
            assert_eq!(
                (code, field.as_str()),
                (ErrorCode::NotFound, key),
                "{value}"
            );
        }
    }
    for value in [json!(5), json!("5"), json!("gid://shopify/InventoryItem/5")] {
        let payload = changed(CommandKind::Update, "inventoryItemId", value);
        assert_eq!(
            Command::read(CommandKind::Update, &payload),
            Command::read(CommandKind::Update, &good(CommandKind::Update))
        );
    }
}

#[test]
fn a_reserve_of_several_lines_names_the_line() {
    let reserve = |items: Value| json!({ "items": items, "reason": "held" });
    let line = json!({ "inventoryItemId": 5, "quantity": 1 });
    let read = Command::read(CommandKind::Reserve, &reserve(json!([line, line]))).unwrap();
    let Command::Reserve { items, .. } = read else {
        panic!("{read:?}")
    };
    assert_eq!(
        (items.len(), items[1].quantity, items[1].location_id),
        (2, 1, None)
    );

    let cases = [
        (json!([line, { "inventoryItemId": 5 }]), "items.1.quantity"),
        (
            json!([line, { "inventoryItemId": 5, "quantity": 0 }]),
            "items.1.quantity",
        ),
        (json!([{ "quantity": 1 }]), "items.0.inventoryItemId"),
        (json!([line, line, 7]), "items.2"),
        (json!([]), "items"),
        (json!(vec![line.clone(); 101]), "items"),
        (json!({ "0": line }), "items"),
    ];
    for (items, blamed) in cases {
        let (code, field, _) = refusal(CommandKind::Reserve, &reserve(items));
        assert_eq!((code, field.as_str()), (ErrorCode::InvalidPayload, blamed));
    }
    let unknown = json!([{ "inventoryItemId": 5, "locationId": "shop floor", "quantity": 1 }]);
    let (code, field, _) = refusal(CommandKind::Reserve, &reserve(unknown));
    assert_eq!(
        (code, field.as_str()),
        (ErrorCode::NotFound, "items.0.locationId")
    );
    let both = changed(CommandKind::Reserve, "items", json!([line]));
    let (code, field, message) = refusal(CommandKind::Reserve, &both);
    assert_eq!((code, field.as_str()), (ErrorCode::InvalidPayload, "items"));
    assert!(message.contains("alone"), "{message}");
}
