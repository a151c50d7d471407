//! Changing quantities: exact bytes, every answer, and what a retry may not change.

use std::sync::{Arc, Mutex};

use apollo_compiler::request::coerce_variable_values;
use apollo_compiler::response::JsonMap;
use apollo_compiler::{ExecutableDocument, Schema};
use bytes::Bytes;
use http::Response;
use serde_json::{Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

use super::*;
use crate::error::Retry;
use crate::fake::{Fake, body, data, status};
use crate::transport::TransportError;

const ALL: [StockChange; 6] = [
    StockChange::SetAvailable,
    StockChange::SetOnHand,
    StockChange::Adjust,
    StockChange::Reserve,
    StockChange::Release,
    StockChange::Sell,
];

/// A call about item 11 at location 7, as it is before us, and about item 12, whatever it is.
fn written(change: StockChange) -> String {
    let entry = |item: u64, quantity, change_from| StockEntry {
        inventory_item_id: item.try_into().unwrap(),
        location_id: 7_u64.try_into().unwrap(),
        quantity,
        change_from,
    };
    let entries = [entry(11, 5, Some(3)), entry(12, 1, None)];
    stock_body(
        change,
        &entries,
        "gid://stockd/Attempt/a1",
        "gid://stockd/Ledger/pretend",
        "key-1",
    )
}

/// What a call sends after its query.
fn variables(change: StockChange) -> String {
    let body = written(change);
    let query = serde_json::to_string(&change.document().text(false)).unwrap();
    let start = format!("{{\"query\":{query},\"variables\":");
    body.strip_prefix(&start)
        .unwrap()
        .strip_suffix('}')
        .unwrap()
        .to_owned()
}

#[test]
fn the_query_is_sent_as_it_is_in_its_file() {
    let body = written(StockChange::SetAvailable);
    let start = r#"{"query":"mutation StockSet($input: InventorySetQuantitiesInput!, $key: String!) {\n  change: inventorySetQuantities(input: $input) @idempotent(key: $key) {\n    inventoryAdjustmentGroup { id }\n    userErrors { field message code }\n  }\n}\n","variables":{"input":{"name":"available","#;
    assert!(body.starts_with(start), "{body}");
}

#[test]
fn setting_says_what_it_was_believed_to_be_or_null() {
    let expected = |name, reason| {
        [
            r#"{"input":{"name":""#,
            name,
            r#"","reason":""#,
            reason,
            r#"","referenceDocumentUri":"gid://stockd/Attempt/a1","quantities":["#,
            r#"{"inventoryItemId":"gid://shopify/InventoryItem/11","locationId":"gid://shopify/Location/7","#,
            r#""quantity":5,"changeFromQuantity":3},"#,
            r#"{"inventoryItemId":"gid://shopify/InventoryItem/12","locationId":"gid://shopify/Location/7","#,
            r#""quantity":1,"changeFromQuantity":null}]},"key":"key-1"}"#,
        ]
        .concat()
    };
    assert_eq!(
        variables(StockChange::SetAvailable),
        expected("available", "correction")
    );
    assert_eq!(
        variables(StockChange::SetOnHand),
        expected("on_hand", "cycle_count_available")
    );
}

#[test]
fn adjusting_books_nothing_on_the_ledger() {
    let expected = [
        r#"{"input":{"name":"available","reason":"correction","#,
        r#""referenceDocumentUri":"gid://stockd/Attempt/a1","changes":["#,
        r#"{"inventoryItemId":"gid://shopify/InventoryItem/11","locationId":"gid://shopify/Location/7","#,
        r#""delta":5,"changeFromQuantity":3},"#,
        r#"{"inventoryItemId":"gid://shopify/InventoryItem/12","locationId":"gid://shopify/Location/7","#,
        r#""delta":1,"changeFromQuantity":null}]},"key":"key-1"}"#,
    ];
    assert_eq!(variables(StockChange::Adjust), expected.concat());
}

#[test]
fn selling_takes_out_of_reserved_what_was_held_on_the_ledger() {
    let expected = [
        r#"{"input":{"name":"reserved","reason":"other","#,
        r#""referenceDocumentUri":"gid://stockd/Attempt/a1","changes":["#,
        r#"{"inventoryItemId":"gid://shopify/InventoryItem/11","locationId":"gid://shopify/Location/7","#,
        r#""delta":-5,"changeFromQuantity":3,"ledgerDocumentUri":"gid://stockd/Ledger/pretend"},"#,
        r#"{"inventoryItemId":"gid://shopify/InventoryItem/12","locationId":"gid://shopify/Location/7","#,
        r#""delta":-1,"changeFromQuantity":null,"ledgerDocumentUri":"gid://stockd/Ledger/pretend"}]},"#,
        r#""key":"key-1"}"#,
    ];
    assert_eq!(variables(StockChange::Sell), expected.concat());
}

#[test]
fn holding_and_releasing_check_only_where_the_units_come_from() {
    let end = |name: &str, from: &str| {
        let ledger = r#","ledgerDocumentUri":"gid://stockd/Ledger/pretend""#;
        let ledger = if name == "reserved" { ledger } else { "" };
        let location = r#""locationId":"gid://shopify/Location/7""#;
        format!("{{{location},\"name\":\"{name}\",\"changeFromQuantity\":{from}{ledger}}}")
    };
    let expected = |reason, from, to| {
        [
            r#"{"input":{"reason":""#,
            reason,
            r#"","referenceDocumentUri":"gid://stockd/Attempt/a1","changes":["#,
            r#"{"inventoryItemId":"gid://shopify/InventoryItem/11","quantity":5,"from":"#,
            &end(from, "3"),
            r#","to":"#,
            &end(to, "null"),
            r#"},{"inventoryItemId":"gid://shopify/InventoryItem/12","quantity":1,"from":"#,
            &end(from, "null"),
            r#","to":"#,
            &end(to, "null"),
            r#"}]},"key":"key-1"}"#,
        ]
        .concat()
    };
    assert_eq!(
        variables(StockChange::Reserve),
        expected("reservation_created", "available", "reserved")
    );
    assert_eq!(
        variables(StockChange::Release),
        expected("reservation_deleted", "reserved", "available")
    );
}

#[test]
fn what_is_sent_fits_shopifys_schema() {
    let text = include_str!("../../../graphql/admin-2026-10.graphql");
    let schema = Schema::parse_and_validate(text, "admin-2026-10.graphql").unwrap();
    for change in ALL {
        let document = change.document();
        let parsed =
            ExecutableDocument::parse_and_validate(&schema, document.text(false), document.name)
                .unwrap();
        let variables: JsonMap = serde_json::from_str(&variables(change)).unwrap();
        let operation = parsed.operations.get(None).unwrap();
        coerce_variable_values(&schema, operation, &variables)
            .unwrap_or_else(|e| panic!("{change:?}: {e:?}"));
    }
}

#[test]
fn no_number_and_no_text_breaks_a_body() {
    let entry = StockEntry {
        inventory_item_id: 1_u64.try_into().unwrap(),
        location_id: 1_u64.try_into().unwrap(),
        quantity: i64::MIN,
        change_from: Some(i64::MIN),
    };
    for change in ALL {
        let body = stock_body(change, &[entry], "urn:\"\n", "urn:ü\\", "\u{0}");
        let read: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(read["variables"]["key"], "\u{0}");
        assert_eq!(
            read["variables"]["input"]["referenceDocumentUri"],
            "urn:\"\n"
        );
    }
}

fn answer(group: &Value, errors: &Value) -> Result<Response<Bytes>, TransportError> {
    data(json!({ "change": { "inventoryAdjustmentGroup": group, "userErrors": errors } }))
}

async fn asked(answer: Result<Response<Bytes>, TransportError>) -> Result<StockAnswer, Error> {
    Fake::script([answer])
        .client()
        .change_stock(StockChange::Reserve, &written(StockChange::Reserve))
        .await
}

#[tokio::test(start_paused = true)]
async fn a_change_is_done_when_there_is_no_error_even_if_nothing_was_to_do() {
    let group = json!({ "id": "gid://shopify/InventoryAdjustmentGroup/1" });
    assert_eq!(
        asked(answer(&group, &json!([]))).await.unwrap(),
        StockAnswer::Done
    );
    assert_eq!(
        asked(answer(&Value::Null, &json!([]))).await.unwrap(),
        StockAnswer::Done
    );
}

#[tokio::test(start_paused = true)]
async fn every_code_says_what_to_do() {
    use StockErrorKind::*;
    let kinds = [
        ("CHANGE_FROM_QUANTITY_STALE", Stale),
        ("COMPARE_QUANTITY_STALE", Stale),
        ("IDEMPOTENCY_CONCURRENT_REQUEST", InFlight),
        ("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", KeyMismatch),
        ("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED", PreviousFailed),
        ("INVALID_INVENTORY_ITEM", Item),
        ("NON_MUTABLE_INVENTORY_ITEM", Item),
        ("INVALID_LOCATION", Location),
        ("ADJUST_QUANTITIES_FAILED", Retry),
        ("MOVE_QUANTITIES_FAILED", Retry),
        ("SERVICE_UNAVAILABLE", Retry),
        ("INVALID_QUANTITY_NEGATIVE", TooLow),
        ("INVALID_QUANTITY_TOO_LOW", TooLow),
        ("INVALID_QUANTITY_TOO_HIGH", TooHigh),
        ("COMPARE_QUANTITY_REQUIRED", Other),
        ("DIFFERENT_LOCATIONS", Other),
        ("INTERNAL_LEDGER_DOCUMENT", Other),
        ("INVALID_AVAILABLE_DOCUMENT", Other),
        ("INVALID_LEDGER_DOCUMENT", Other),
        ("INVALID_NAME", Other),
        ("INVALID_QUANTITY_DOCUMENT", Other),
        ("INVALID_QUANTITY_NAME", Other),
        ("INVALID_REASON", Other),
        ("INVALID_REFERENCE_DOCUMENT", Other),
        ("MAXIMUM_LEDGER_DOCUMENT_URIS", Other),
        ("MAX_ONE_LEDGER_DOCUMENT", Other),
        ("NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR", Other),
        ("SAME_QUANTITY_NAME", Other),
    ];
    for (code, kind) in kinds {
        let error = json!({ "field": null, "message": "No", "code": code });
        let expected = StockError {
            entry: None,
            kind,
            message: "No".to_owned(),
        };
        assert_eq!(
            asked(answer(&Value::Null, &json!([error]))).await.unwrap(),
            StockAnswer::Refused(vec![expected]),
            "{code}"
        );
    }
    assert_eq!(
        all_codes(),
        kinds.iter().map(|(code, _)| (*code).to_owned()).collect()
    );
}

/// The codes of the three mutations by Shopify's schema.
fn all_codes() -> std::collections::BTreeSet<String> {
    let text = include_str!("../../../graphql/admin-2026-10.graphql");
    let schema = Schema::parse_and_validate(text, "admin-2026-10.graphql").unwrap();
    ["Set", "Adjust", "Move"]
        .iter()
        .flat_map(|kind| {
            let codes = schema
                .get_enum(&format!("Inventory{kind}QuantitiesUserErrorCode"))
                .unwrap();
            codes
                .values
                .keys()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_error_names_its_entry_and_one_that_is_new_is_no_failure() {
    let errors = json!([
        { "field": ["input", "quantities", "0", "locationId"], "message": "Where?", "code": "INVALID_LOCATION" },
        { "field": ["input", "changes", "249", "from", "changeFromQuantity"], "message": "x".repeat(1_000),
          "code": "CHANGE_FROM_QUANTITY_STALE" },
        { "field": ["input", "reason"], "message": "Why?", "code": "NOT_YET_INVENTED" },
        { "field": null, "message": "What?", "code": null },
    ]);
    let StockAnswer::Refused(errors) = asked(answer(&Value::Null, &errors)).await.unwrap() else {
        panic!()
    };
    let found: Vec<_> = errors
        .iter()
        .map(|error| (error.entry, error.kind))
        .collect();
    assert_eq!(
        found,
        [
            (Some(0), StockErrorKind::Location),
            (Some(249), StockErrorKind::Stale),
            (None, StockErrorKind::Other),
            (None, StockErrorKind::Other),
        ]
    );
    assert_eq!(errors[1].message.len(), 200);
}

#[tokio::test(start_paused = true)]
async fn errors_beside_a_group_mean_that_the_rest_was_changed() {
    let group = json!({ "id": "gid://shopify/InventoryAdjustmentGroup/1" });
    let error = json!({ "field": ["input", "changes", "1"], "message": "Stale",
        "code": "CHANGE_FROM_QUANTITY_STALE" });
    let found = asked(answer(&group, &json!([error]))).await.unwrap();
    assert!(matches!(found, StockAnswer::Partly(errors) if errors[0].entry == Some(1)));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_wrong_as_a_whole_is_an_error_and_not_tried_again() {
    for (code, message) in [
        (
            "BAD_REQUEST",
            "The @idempotent directive is required for this mutation but was not provided.",
        ),
        (
            "INVALID_FIELD_ARGUMENTS",
            "InventoryChangeInput must include the following argument: …",
        ),
        (
            "INVALID_VARIABLE",
            "Variable $input was provided invalid value",
        ),
    ] {
        let error =
            json!({ "message": message, "path": ["change"], "extensions": { "code": code } });
        let refused = asked(body(
            &json!({ "data": { "change": null }, "errors": [error] }),
        ))
        .await
        .unwrap_err();
        assert!(
            matches!(&refused, Error::Refused { document: "stock_move", code: c, .. } if c == code)
        );
        assert_eq!(refused.retry(), Retry::Never);
    }
    // No error, and no payload either: nobody knows what became of it.
    let nothing = asked(data(json!({ "change": null }))).await.unwrap_err();
    assert!(matches!(nothing, Error::Unreadable { path, .. } if path == "change"));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_is_repeated_byte_by_byte_and_never_logged() {
    let said = Said::default();
    let throttled =
        json!({ "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }] });
    let fake = Fake::script([
        status(503),
        Err(TransportError::Timeout),
        status(429),
        body(&throttled),
        answer(&Value::Null, &json!([])),
    ]);
    let sent = written(StockChange::Sell);
    let listening = tracing::subscriber::set_default(said.clone());
    let answer = fake
        .client()
        .change_stock(StockChange::Sell, &sent)
        .await
        .unwrap();
    drop(listening);
    assert_eq!(answer, StockAnswer::Done);
    let requests = fake.requests.lock().unwrap();
    assert_eq!(requests.len(), 5);
    for (_, request) in requests.iter() {
        assert_eq!(request.body(), sent.as_bytes());
    }
    let said = said.0.lock().unwrap();
    assert!(said.contains("stock_adjust"), "{said}");
    for secret in ["mutation", "gid://", "key-1", "shpat_pretend"] {
        assert!(!said.contains(secret), "{said}");
    }
}

/// Everything that is logged on this thread.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<String>>);

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        use std::fmt::Write as _;
        let _ = write!(self.0.lock().unwrap(), "{field}={value:?} ");
    }
}

impl Subscriber for Said {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
        span.record(&mut self.clone());
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, values: &span::Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}
