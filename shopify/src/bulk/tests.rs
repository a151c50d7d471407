//! Operations against a scripted Shopify: started once, every state told apart.

use std::sync::Arc;

use http::Response;
use serde_json::{Value, json};

use super::*;
use crate::error::Retry;
use crate::fake::{Fake, body, cost, data, status};
use crate::transport::TransportError;

const ID: &str = "gid://shopify/BulkOperation/7000000001";

fn operation(status: &str, error_code: Option<&str>, objects: &str, url: Option<&str>) -> Value {
    json!({
        "id": ID, "status": status, "errorCode": error_code, "objectCount": objects, "fileSize": url.map(|_| "2048"),
        "url": url, "createdAt": "2026-11-20T10:00:00Z", "query": document::BULK_LEVELS,
    })
}

fn started(operation: &Value, errors: &Value) -> Result<Response<bytes::Bytes>, TransportError> {
    data(json!({ "bulkOperationRunQuery": { "bulkOperation": operation, "userErrors": errors } }))
}

fn id() -> BulkId {
    ID.parse().unwrap()
}

async fn start(fake: &Arc<Fake>) -> Result<BulkStart, Error> {
    fake.client().bulk_start(BulkQuery::Levels).await
}

#[tokio::test(start_paused = true)]
async fn an_operation_is_started_with_its_query_and_recognised_by_it() {
    let fake = Fake::script([started(&operation("CREATED", None, "0", None), &json!([]))]);
    let expected = Bulk {
        id: id(),
        query: Some(BulkQuery::Levels),
        state: BulkState::Created,
        objects: 0,
        created_at: "2026-11-20T10:00:00Z".parse().unwrap(),
    };
    assert_eq!(start(&fake).await.unwrap(), BulkStart::Started(expected));
    assert!(
        fake.variables()[0]["query"]
            .as_str()
            .unwrap()
            .contains("includeInactive: true")
    );
}

#[tokio::test(start_paused = true)]
async fn a_sixth_operation_has_to_wait_and_a_wrong_query_is_an_error() {
    for code in ["OPERATION_IN_PROGRESS", "LIMIT_REACHED"] {
        let error = json!([{ "field": null, "message": "Five are running", "code": code }]);
        assert_eq!(
            start(&Fake::script([started(&Value::Null, &error)]))
                .await
                .unwrap(),
            BulkStart::Busy
        );
    }
    let error = json!([{ "field": ["query"], "message": "No nodes, please", "code": "INVALID" }]);
    let refused = start(&Fake::script([started(&Value::Null, &error)]))
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Shopify declines bulk_start: No nodes, please (INVALID)"
    );
    assert_eq!(refused.retry(), Retry::Never);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_may_have_happened_is_not_made_again() {
    type Failure = fn() -> Result<Response<bytes::Bytes>, TransportError>;
    let failures: [Failure; 4] = [
        || Err(TransportError::Timeout),
        || Err(TransportError::Broken("cut".into())),
        || status(504),
        || Ok(Response::new(bytes::Bytes::from_static(b"<html>"))),
    ];
    for failure in failures {
        let fake = Fake::script([failure()]);
        let error = start(&fake).await.unwrap_err();
        assert!(
            matches!(
                &error,
                Error::InDoubt {
                    document: "bulk_start",
                    ..
                }
            ),
            "{error}"
        );
        assert_eq!(error.retry(), Retry::Never);
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_that_cannot_have_happened_is_made_again() {
    let created = || started(&operation("CREATED", None, "0", None), &json!([]));
    let throttled = body(&json!({
        "errors": [{ "message": "Throttled", "extensions": { "code": "THROTTLED" } }],
        "extensions": { "cost": cost(10.0, None, 5.0) },
    }));
    for failure in [
        Err(TransportError::Connect("refused".into())),
        status(429),
        throttled,
    ] {
        let fake = Fake::script([failure, created()]);
        assert!(matches!(start(&fake).await, Ok(BulkStart::Started(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn every_state_is_told_apart() {
    let url = "https://files.example/out?Signature=secret%2B";
    let completed = |url: Option<&str>, lines| {
        let bytes = url.map(|_| 2048);
        BulkState::Completed(BulkResult {
            url: url.map(|url| url.parse().unwrap()),
            lines,
            bytes,
        })
    };
    let cases = [
        (operation("CREATED", None, "0", None), BulkState::Created),
        (operation("RUNNING", None, "7", None), BulkState::Running),
        (
            operation("CANCELING", None, "7", None),
            BulkState::Canceling,
        ),
        (operation("CANCELED", None, "7", None), BulkState::Canceled),
        (operation("EXPIRED", None, "7", None), BulkState::Expired),
        (
            operation("COMPLETED", None, "7", Some(url)),
            completed(Some(url), 7),
        ),
        (operation("COMPLETED", None, "0", None), completed(None, 0)),
        (
            operation("FAILED", Some("ACCESS_DENIED"), "7", None),
            BulkState::Failed(BulkFailure::AccessDenied),
        ),
        (
            operation("FAILED", Some("TIMEOUT"), "7", None),
            BulkState::Failed(BulkFailure::Timeout),
        ),
        (
            operation("FAILED", Some("INTERNAL_SERVER_ERROR"), "7", None),
            BulkState::Failed(BulkFailure::Server),
        ),
        (
            operation("FAILED", None, "7", None),
            BulkState::Failed(BulkFailure::Server),
        ),
        (
            operation("OF_NEXT_YEAR", None, "7", None),
            BulkState::Running,
        ),
    ];
    for (answer, state) in cases {
        let fake = Fake::script([data(json!({ "bulkOperation": answer }))]);
        let bulk = fake.client().bulk_state(&id()).await.unwrap().unwrap();
        assert_eq!(
            (&bulk.state, &fake.variables()[0]["id"]),
            (&state, &json!(ID))
        );
        assert!(!format!("{bulk:?}").contains("secret"));
        let under_way =
            [BulkState::Created, BulkState::Running, BulkState::Canceling].contains(&state);
        assert_eq!(bulk.state.is_under_way(), under_way);
    }
    let fake = Fake::script([data(json!({ "bulkOperation": null }))]);
    assert_eq!(fake.client().bulk_state(&id()).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_operation_is_told_as_it_is_then() {
    let too_late = json!([{ "field": null, "message": "It is completed" }]);
    let canceling = operation("CANCELING", None, "7", None);
    let ended = operation("CANCELED", None, "7", None);
    let cases = [
        (canceling, json!([]), Some(BulkState::Canceling)),
        (ended, too_late.clone(), Some(BulkState::Canceled)),
        (Value::Null, too_late, None),
    ];
    for (operation, errors, expected) in cases {
        let payload = json!({ "bulkOperation": operation, "userErrors": errors });
        let fake = Fake::script([data(json!({ "bulkOperationCancel": payload }))]);
        assert_eq!(
            fake.client()
                .bulk_cancel(&id())
                .await
                .unwrap()
                .map(|bulk| bulk.state),
            expected
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_started_by_others_is_listed_and_not_ours() {
    let mut foreign = operation("RUNNING", None, "7", None);
    foreign["query"] = json!("{ products { edges { node { id } } } }");
    let nodes = [foreign, operation("RUNNING", None, "7", None)];
    let fake = Fake::script([data(json!({ "bulkOperations": { "nodes": nodes } }))]);
    let listed = fake.client().bulk_list().await.unwrap();
    let queries: Vec<_> = listed.iter().map(|bulk| bulk.query).collect();
    assert_eq!(queries, [None, Some(BulkQuery::Levels)]);
}

#[test]
fn only_the_id_of_a_bulk_operation_is_one() {
    assert_eq!(id().to_string(), ID);
    for bad in [
        "",
        "7000000001",
        "gid://shopify/BulkOperation/",
        "gid://shopify/Order/1",
        &format!("{ID}?x"),
    ] {
        assert!(bad.parse::<BulkId>().is_err(), "{bad}");
    }
}
