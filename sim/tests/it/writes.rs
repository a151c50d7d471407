//! Writes of quantities.

use serde_json::{Value, json};
use sim::Options;

use crate::client::small;
use crate::receiver::Receiver;
use crate::stock::{ADJUST, MOVE, SET, Stock, document, keyless, number, rows};

#[tokio::test]
async fn answers_have_the_shape_and_words_recorded_on_a_real_shop() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("recorded.json")).unwrap();
    for case in cases {
        let stock = Stock::open().await;
        let filled = |value: &Value| -> Value {
            let text = value
                .to_string()
                .replace("\"ITEM\"", &json!(stock.item).to_string());
            let text = text.replace("\"PLACE\"", &json!(stock.place).to_string());
            serde_json::from_str(&text.replace("\"OTHER\"", &json!(stock.other).to_string()))
                .unwrap()
        };
        let mutation = case["mutation"].as_str().unwrap();
        let document = if case["keyless"] == true {
            keyless(mutation)
        } else {
            document(mutation)
        };
        let mut variables = json!({ "input": filled(&case["input"]) });
        if case["keyless"] != true {
            variables["key"] = json!("a key");
        }
        let answer = stock.shop.query(&document, variables).await;
        let wanted = if case["answer"].is_null() {
            let payload =
                json!({ "inventoryAdjustmentGroup": null, "userErrors": case["userErrors"] });
            let cost =
                json!({ "requestedQueryCost": 13, "actualQueryCost": 10, "throttleStatus": "*" });
            json!({ "data": { mutation: payload }, "extensions": { "cost": cost } })
        } else {
            filled(&case["answer"])
        };
        assert_like(&wanted, &answer, &case["what"]);
    }
}

/// Everything is equal, where `"*"` is equal to all but null.
fn assert_like(wanted: &Value, got: &Value, what: &Value) {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            let names = |object: &serde_json::Map<String, Value>| {
                object
                    .keys()
                    .cloned()
                    .collect::<std::collections::BTreeSet<_>>()
            };
            assert_eq!(names(wanted), names(got), "{what}");
            wanted
                .iter()
                .for_each(|(name, value)| assert_like(value, &got[name], what));
        }
        (Value::Array(wanted), Value::Array(got)) => {
            assert_eq!(wanted.len(), got.len(), "{what}: {got:?}");
            wanted
                .iter()
                .zip(got)
                .for_each(|(wanted, got)| assert_like(wanted, got, what));
        }
        (Value::String(any), got) if any == "*" => assert_ne!(got, &Value::Null, "{what}"),
        _ => assert_eq!(wanted, got, "{what}"),
    }
}

#[tokio::test]
async fn each_write_changes_available_reserved_and_on_hand_as_it_should() {
    let stock = Stock::open().await;
    for (mutation, input, units) in [
        (SET, stock.set("available", 12, 10), [12, 0, 12]),
        (ADJUST, stock.adjust("available", -2, 12), [10, 0, 10]),
        (MOVE, stock.reserve(4, 10), [6, 4, 10]),
        (ADJUST, stock.adjust("reserved", -1, 4), [6, 3, 9]),
        (MOVE, stock.release(2), [8, 1, 9]),
        (SET, stock.set("on_hand", 20, 9), [19, 1, 20]),
        (SET, stock.set("available", -3, None), [-3, 1, -2]),
    ] {
        let payload = stock.write(mutation, input).await;
        assert_eq!(payload["userErrors"], json!([]));
        assert_ne!(payload["inventoryAdjustmentGroup"], Value::Null);
        assert_eq!(stock.units().await, units, "after {payload}");
    }
}

#[tokio::test]
async fn a_stale_value_is_refused_and_changes_nothing() {
    let stock = Stock::open().await;
    let from = "input.changes.0.from.changeFromQuantity";
    for (mutation, input, field) in [
        (
            SET,
            stock.set("available", 1, 9),
            "input.quantities.0.changeFromQuantity",
        ),
        (
            SET,
            stock.set("on_hand", 1, 11),
            "input.quantities.0.changeFromQuantity",
        ),
        (
            ADJUST,
            stock.adjust("available", 1, 9),
            "input.changes.0.changeFromQuantity",
        ),
        (
            ADJUST,
            stock.adjust("reserved", 1, 1),
            "input.changes.0.changeFromQuantity",
        ),
        (MOVE, stock.reserve(1, 9), from),
    ] {
        let refused = stock.refused(mutation, input).await;
        assert_eq!(
            refused,
            ("CHANGE_FROM_QUANTITY_STALE".to_owned(), field.to_owned())
        );
        assert_eq!(stock.units().await, [10, 0, 10]);
    }
}

#[tokio::test]
async fn every_end_of_a_move_must_say_from_what_it_changes() {
    let stock = Stock::open().await;
    let mut input = stock.reserve(1, 10);
    input["changes"][0]["to"]
        .as_object_mut()
        .unwrap()
        .remove("changeFromQuantity");
    let answer = stock.send(MOVE, input).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"],
        "INVALID_FIELD_ARGUMENTS"
    );
    assert_eq!(answer["data"][MOVE], Value::Null);
    assert_eq!(stock.units().await, [10, 0, 10]);
}

#[tokio::test]
async fn fields_of_older_versions_are_refused_as_invalid_variables() {
    let stock = Stock::open().await;
    let mut input = stock.set("available", 1, 10);
    input["ignoreCompareQuantity"] = json!(true);
    let answer = stock.send(SET, input).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"],
        "INVALID_VARIABLE"
    );
    let mut input = stock.reserve(1, 10);
    input
        .as_object_mut()
        .unwrap()
        .remove("referenceDocumentUri");
    let answer = stock.send(MOVE, input).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"],
        "INVALID_VARIABLE"
    );
}

#[tokio::test]
async fn a_batch_with_one_stale_entry_is_refused_whole_or_in_part_by_a_switch() {
    for (batch_atomic, there, elsewhere) in [(true, 10, 10), (false, 10, 3)] {
        let stock = Stock::open_with(Options {
            batch_atomic,
            ..small()
        })
        .await;
        let mut input = stock.set("available", 5, 9);
        input["quantities"].as_array_mut().unwrap().push(json!({
            "inventoryItemId": stock.item, "locationId": stock.other, "quantity": 3, "changeFromQuantity": 10 }));
        let payload = stock.write(SET, input).await;
        assert_eq!(rows(&payload["userErrors"]).len(), 1);
        assert_eq!(payload["userErrors"][0]["field"][2], "0");
        assert_eq!(payload["inventoryAdjustmentGroup"].is_null(), batch_atomic);
        assert_eq!(stock.units().await[0], there);
        assert_eq!(stock.level(&stock.other).await["available"], elsewhere);
    }
}

#[tokio::test]
async fn a_move_takes_more_than_there_is_only_by_a_switch() {
    for (move_below_zero, units) in [(false, [10, 0, 10]), (true, [-1, 11, 10])] {
        let stock = Stock::open_with(Options {
            move_below_zero,
            ..small()
        })
        .await;
        let payload = stock.write(MOVE, stock.reserve(11, 10)).await;
        let code = if move_below_zero {
            Value::Null
        } else {
            json!("INVALID_QUANTITY_NEGATIVE")
        };
        assert_eq!(payload["userErrors"][0]["code"], code);
        assert_eq!(stock.units().await, units);
        stock.write(MOVE, stock.release(50)).await;
        assert_eq!(stock.units().await[1] < 0, move_below_zero);
    }
}

#[tokio::test]
async fn a_write_where_an_item_was_never_stocked_makes_a_level_active_only_by_a_switch() {
    for unstocked_write_stocks in [false, true] {
        let stock = Stock::open_with(Options {
            unstocked_write_stocks,
            ..small()
        })
        .await;
        let place = stock
            .shop
            .done("locations", json!({ "action": "create", "name": "Attic" }))
            .await;
        let place = format!("gid://shopify/Location/{}", place["id"].as_str().unwrap());
        let mut input = stock.adjust("available", 4, None);
        input["changes"][0]["locationId"] = json!(place);
        assert_eq!(stock.write(ADJUST, input).await["userErrors"], json!([]));
        let level = stock.level(&place).await;
        assert_eq!(
            (&level["available"], &level["active"]),
            (&json!(4), &json!(unstocked_write_stocks))
        );
    }
}

#[tokio::test]
async fn what_a_write_may_not_say_is_refused_and_named() {
    let stock = Stock::open().await;
    let with = |mut input: Value, pointer: &str, value: Value| {
        *input.pointer_mut(pointer).unwrap() = value;
        input
    };
    let (set, adjust) = (
        || stock.set("available", 1, 10),
        || stock.adjust("reserved", 1, 0),
    );
    let reserve = || stock.reserve(1, 10);
    let twice = {
        let mut input = set();
        let entry = input["quantities"][0].clone();
        input["quantities"].as_array_mut().unwrap().push(entry);
        input
    };
    let three_documents = {
        let mut input = reserve();
        let entry = input["changes"][0].clone();
        for number in 2..=3 {
            let mut entry = entry.clone();
            entry["to"]["ledgerDocumentUri"] = json!(format!("gid://app/Ledger/{number}"));
            input["changes"].as_array_mut().unwrap().push(entry);
        }
        input
    };
    let referred = |uri: &str| {
        let mut input = set();
        input["referenceDocumentUri"] = json!(uri);
        input
    };
    let (elsewhere, reserved) = (json!(stock.other), json!("available"));
    let same = {
        let input = with(reserve(), "/changes/0/to/name", reserved);
        with(input, "/changes/0/to/ledgerDocumentUri", Value::Null)
    };
    for (mutation, input, code, field) in [
        (
            SET,
            with(set(), "/name", json!("reserved")),
            "INVALID_NAME",
            "input.name",
        ),
        (
            SET,
            with(set(), "/reason", json!("")),
            "INVALID_REASON",
            "input.reason",
        ),
        (
            SET,
            referred("nonsense"),
            "INVALID_REFERENCE_DOCUMENT",
            "input.referenceDocumentUri",
        ),
        (
            SET,
            referred("empty://"),
            "INVALID_REFERENCE_DOCUMENT",
            "input.referenceDocumentUri",
        ),
        (
            SET,
            twice,
            "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR",
            "input.quantities.0.locationId",
        ),
        (
            SET,
            stock.set("available", 1_000_000_001, None),
            "INVALID_QUANTITY_TOO_HIGH",
            "input.quantities.0.quantity",
        ),
        (
            SET,
            stock.set("available", -1_000_000_001, None),
            "INVALID_QUANTITY_TOO_LOW",
            "input.quantities.0.quantity",
        ),
        (
            ADJUST,
            stock.adjust("available", 2_000_000_001, None),
            "INVALID_QUANTITY_TOO_HIGH",
            "input.changes.0.delta",
        ),
        (
            ADJUST,
            stock.adjust("available", -2_000_000_001, None),
            "INVALID_QUANTITY_TOO_LOW",
            "input.changes.0.delta",
        ),
        (
            ADJUST,
            stock.adjust("available", 1_000_000_000, None),
            "INVALID_QUANTITY_TOO_HIGH",
            "input.changes.0.delta",
        ),
        (
            ADJUST,
            with(adjust(), "/changes/0/ledgerDocumentUri", json!("nonsense")),
            "INVALID_LEDGER_DOCUMENT",
            "input.changes.0.ledgerDocumentUri",
        ),
        (
            MOVE,
            stock.reserve(-1, 10),
            "INVALID_QUANTITY_NEGATIVE",
            "input.changes.0.quantity",
        ),
        (
            MOVE,
            stock.reserve(2_000_000_001, 10),
            "INVALID_QUANTITY_TOO_HIGH",
            "input.changes.0.quantity",
        ),
        (
            MOVE,
            with(reserve(), "/changes/0/to/locationId", elsewhere),
            "DIFFERENT_LOCATIONS",
            "input.changes.0",
        ),
        (MOVE, same, "SAME_QUANTITY_NAME", "input.changes.0"),
        (
            MOVE,
            three_documents,
            "MAXIMUM_LEDGER_DOCUMENT_URIS",
            "input.changes",
        ),
        (
            MOVE,
            with(reserve(), "/changes/0/to/ledgerDocumentUri", Value::Null),
            "INVALID_QUANTITY_DOCUMENT",
            "input.changes.0.to.ledgerDocumentUri",
        ),
        (
            MOVE,
            with(reserve(), "/referenceDocumentUri", json!("")),
            "INVALID_REFERENCE_DOCUMENT",
            "input.referenceDocumentUri",
        ),
    ] {
        assert_eq!(
            stock.refused(mutation, input).await,
            (code.to_owned(), field.to_owned())
        );
    }
    assert_eq!(stock.units().await, [10, 0, 10]);
}

#[tokio::test]
async fn up_to_250_entries_are_taken_at_once() {
    let stock = Stock::open().await;
    for (size, fits) in [(250, true), (251, false)] {
        let mut input = stock.adjust("available", 1, None);
        let entry = input["changes"][0].clone();
        input["changes"] = json!(vec![entry; size]);
        let answer = stock.send(ADJUST, input).await;
        let code = if fits {
            Value::Null
        } else {
            json!("MAX_INPUT_SIZE_EXCEEDED")
        };
        assert_eq!(answer["errors"][0]["extensions"]["code"], code);
    }
    assert_eq!(stock.units().await[0], 260);
}

#[tokio::test]
async fn the_new_state_can_be_selected_in_the_same_call() {
    let stock = Stock::open().await;
    let query = "mutation($input: InventoryMoveQuantitiesInput!, $place: ID!) {
        inventoryMoveQuantities(input: $input) @idempotent(key: \"k\") { inventoryAdjustmentGroup {
            changes(quantityNames: [\"reserved\"]) { name item { inventoryLevel(locationId: $place) {
                updatedAt quantities(names: [\"available\", \"reserved\"]) { quantity } } } } } } }";
    let answer = stock
        .shop
        .query(
            query,
            json!({ "input": stock.reserve(3, 10), "place": stock.place }),
        )
        .await;
    let changes = &answer["data"][MOVE]["inventoryAdjustmentGroup"]["changes"];
    assert_eq!(rows(changes).len(), 1);
    let quantities = &changes[0]["item"]["inventoryLevel"]["quantities"];
    assert_eq!(quantities, &json!([{ "quantity": 7 }, { "quantity": 3 }]));
}

#[tokio::test]
async fn a_write_of_available_is_told_by_webhook_and_one_of_reserved_is_not() {
    let mut receiver = Receiver::open().await;
    let stock = Stock::open_with(Options {
        webhook_target: Some(receiver.url.clone()),
        ..small()
    })
    .await;
    stock.write(ADJUST, stock.adjust("reserved", 5, 0)).await;
    stock.write(ADJUST, stock.adjust("available", 5, 10)).await;
    let told = receiver.next_of("inventory_levels/update").await.json();
    assert_eq!(told["available"], 15);
    stock.write(MOVE, stock.reserve(1, 15)).await;
    let told = receiver.next_of("inventory_levels/update").await.json();
    assert_eq!(told["available"], 14);
}

#[tokio::test]
async fn an_item_is_activated_once_and_with_one_quantity() {
    let stock = Stock::open().await;
    let place = stock
        .shop
        .done("locations", json!({ "action": "create", "name": "Attic" }))
        .await;
    let place = format!("gid://shopify/Location/{}", place["id"].as_str().unwrap());
    let query = "mutation($item: ID!, $place: ID!, $available: Int, $onHand: Int, $key: String!) {
        inventoryActivate(inventoryItemId: $item, locationId: $place, available: $available, onHand: $onHand)
        @idempotent(key: $key) { inventoryLevel { isActive quantities(names: [\"available\"]) { quantity } }
        userErrors { field message } } }";
    let activate = async |key: &str, available: Value, on_hand: Value| {
        let variables = json!({ "item": stock.item, "place": place, "available": available, "onHand": on_hand, "key": key });
        stock.shop.query(query, variables).await["data"]["inventoryActivate"].clone()
    };
    let both = activate("1", json!(1), json!(2)).await;
    assert_eq!(both["inventoryLevel"], Value::Null);
    assert_eq!(both["userErrors"][1]["field"], json!(["onHand"]));
    assert_eq!(
        both["userErrors"][0]["message"],
        "The product couldn't be stocked at Attic because not allowed to set available and on_hand quantities at the same time."
    );
    let level = json!({ "isActive": true, "quantities": [{ "quantity": 7 }] });
    let fresh = activate("2", Value::Null, json!(7)).await;
    assert_eq!(fresh, json!({ "inventoryLevel": level, "userErrors": [] }));
    let again = activate("3", Value::Null, json!(9)).await;
    assert_eq!(again["inventoryLevel"], level);
    assert_eq!(
        again["userErrors"][0]["message"],
        "Not allowed to set an on_hand quantity when the item is already active at the location."
    );
}

#[tokio::test]
async fn a_level_is_deactivated_with_its_units_and_refusals_blame_no_field() {
    let stock = Stock::open().await;
    let sale = json!({ "inventoryItemId": stock.item, "locationId": stock.place, "quantity": 3 });
    stock.shop.done("sell", sale).await;
    let levels = "query($item: ID!) { inventoryItem(id: $item) { inventoryLevels(first: 10, includeInactive: true)
        { nodes { id isActive canDeactivate location { id name } quantities(names: [\"committed\"]) { quantity } } } } }";
    let levels = async || {
        let answer = stock
            .shop
            .query(levels, json!({ "item": stock.item }))
            .await;
        rows(&answer["data"]["inventoryItem"]["inventoryLevels"]["nodes"]).to_vec()
    };
    let deactivate = async |id: &Value| {
        let query = "mutation($id: ID!) { inventoryDeactivate(inventoryLevelId: $id) { userErrors { field message } } }";
        let answer = stock.shop.query(query, json!({ "id": id })).await;
        answer["data"]["inventoryDeactivate"]["userErrors"].clone()
    };
    let told = |message: String| json!([{ "field": null, "message": message }]);
    let there = levels().await;
    let sold = there
        .iter()
        .find(|level| level["location"]["id"] == stock.place.as_str())
        .unwrap();
    assert_eq!(sold["canDeactivate"], true);
    assert_eq!(deactivate(&sold["id"]).await, json!([]));
    let after = levels().await;
    let sold = after
        .iter()
        .find(|level| level["id"] == sold["id"])
        .unwrap();
    assert_eq!(
        (&sold["isActive"], &sold["quantities"][0]["quantity"]),
        (&json!(false), &json!(3))
    );
    // All but one of the others, too.
    let active: Vec<&Value> = after
        .iter()
        .filter(|level| level["isActive"] == true)
        .collect();
    for level in &active[1..] {
        assert_eq!(deactivate(&level["id"]).await, json!([]));
    }
    let place = active[0]["location"]["name"].as_str().unwrap();
    let last = format!(
        "The product couldn't be unstocked from {place} because products need to be stocked at a minimum of 1 location."
    );
    assert_eq!(deactivate(&active[0]["id"]).await, told(last));
    let unknown = |level: &str, item: &str| {
        json!(format!(
            "gid://shopify/InventoryLevel/{level}?inventory_item_id={item}"
        ))
    };
    let deleted = |what: &str| {
        told(format!(
            "The product couldn't be unstocked because the {what} was deleted."
        ))
    };
    assert_eq!(deactivate(&unknown("9", "8")).await, deleted("product"));
    assert_eq!(
        deactivate(&unknown("9", number(&stock.item))).await,
        deleted("location")
    );
}

#[tokio::test]
async fn purchases_and_reservations_at_once_never_take_more_than_there_is() {
    let stock = Stock::open().await;
    let stock = std::sync::Arc::new(stock);
    let mut takers = tokio::task::JoinSet::new();
    for taker in 0..40 {
        let stock = stock.clone();
        takers.spawn(async move {
            if taker % 2 == 0 {
                let sale = json!({ "inventoryItemId": stock.item, "locationId": stock.place, "quantity": 1 });
                stock.shop.act("sell", sale).await.0 == 200
            } else {
                let payload = stock.write(MOVE, stock.reserve(1, None)).await;
                payload["userErrors"] == json!([])
            }
        });
    }
    let taken = takers
        .join_all()
        .await
        .into_iter()
        .filter(|taken| *taken)
        .count();
    assert_eq!(taken, 10);
    let level = stock.level(&stock.place).await;
    assert_eq!(
        (&level["available"], &level["on_hand"]),
        (&json!(0), &json!(10))
    );
}
