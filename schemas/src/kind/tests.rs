//! That an event comes back from the log as it was, whoever wrote it, and what no stockd of today knows is passed over.

use serde_json::json;

use super::stored::POSTED;
use super::*;
use crate::shape::StockStatus;

fn posted(kind: Kind) -> Result<Event, crate::ErrorBody> {
    let data = json!({
        "orderId": 1, "productId": 2, "transferId": 3, "customerId": 4, "userId": "u", "companyId": "c",
        "status": "pending", "title": "t",
    });
    let Value::Object(data) = data else {
        unreachable!()
    };
    Posted::read(kind, "erp".to_owned(), None, data)
}

#[test]
fn no_two_kinds_have_one_name() {
    let names: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(names.len(), Kind::ALL.len());
    assert!(!names.contains(POSTED), "what is posted is stored under it");
    for kind in Kind::ALL {
        assert_eq!(Kind::parse(kind.as_str()), Some(*kind));
    }
}

#[test]
fn what_is_posted_becomes_the_event_that_it_says_it_is_and_the_rest_is_refused() {
    for kind in Kind::ALL {
        match posted(*kind) {
            Ok(event) => {
                assert!(kind.is_posted());
                assert_eq!(event.kind(), *kind);
                assert_eq!(event.origin(), Origin::Posted);
                if let Event::Logged(event) = event {
                    let stored = event.stored().unwrap();
                    assert!(stored.starts_with(r#"{"v":1,"kind":"posted","data":{"event":""#));
                    assert_eq!(Logged::read(&stored), Ok(event));
                }
            }
            Err(refused) => {
                assert!(!kind.is_posted(), "{kind:?}: {refused:?}");
                assert_eq!(refused.field.as_deref(), Some("event"));
            }
        }
    }
}

#[test]
fn entries_of_before_there_was_a_version_are_read_as_they_were() {
    let level = r#"{"shop":"a.myshopify.com","inventoryItemId":"1","productId":"2","variantId":null,"sku":"S","title":"T","locationId":"3","locationName":"B","tracked":true,"active":true,"available":5,"quantities":{"on_hand":6,"committed":1,"reserved":0,"damaged":0,"safety_stock":0,"quality_control":0,"incoming":0},"pending":0,"threshold":5,"status":"low_stock","updatedAt":"2026-11-20T20:00:00Z""#;
    let order = r#"{"orderId":"1","name":"#;
    let order = format!(
        r##"{order}"#1","customerId":"5","status":"created","financialStatus":null,"fulfillmentStatus":null,"total":"5.00","currency":"EUR","channel":null,"itemCount":1,"updatedAt":"2026-11-20T20:00:00Z","change":"created","locations":["##
    );
    for entry in [
        format!(r#"{{"kind":"inventory:low_stock","data":{level}}}}}"#),
        format!(
            r#"{{"kind":"inventory:updated","data":{level},"previousAvailable":7,"product":[{{"locationId":"3","available":5}}],"source":"webhook"}}}}"#
        ),
        format!(r#"{{"kind":"order:created","data":{order}"3"]}}}}"#),
        r#"{"kind":"system:alert","data":{"title":"t","message":"m"}}"#.to_owned(),
        r#"{"kind":"shopify:drift","data":{"runId":"r","resource":"orders","records":1}}"#.to_owned(),
        r#"{"kind":"emitted","data":{"source":"erp","target":{"room":"shop"},"event":"promo","data":[1]}}"#.to_owned(),
        r#"{"kind":"posted","data":{"event":"security:alert","source":"erp","userId":"u","data":{"title":"t","userId":"u"}}}"#.to_owned(),
        r#"{"kind":"posted","data":{"event":"order:created","source":"erp","orderId":"o","locations":["3"],"data":{"orderId":"o"}}}"#.to_owned(),
    ] {
        let event = Logged::read(&entry).unwrap_or_else(|unknown| panic!("{unknown}: {entry}"));
        let mut again: Value = serde_json::from_str(&event.stored().unwrap()).unwrap();
        let before: Value = serde_json::from_str(&entry).unwrap();
        assert_eq!(again.as_object_mut().unwrap().remove("v"), Some(json!(1)));
        assert_eq!(again, before);
    }
    // Of no location is said nothing any more.
    let without = format!(r#"{{"kind":"order:created","data":{order}]}}}}"#);
    let Ok(Logged::OrderCreated(EventData::Own(order))) = Logged::read(&without) else {
        panic!("{without}")
    };
    assert_eq!(order.locations, []);
    let Ok(Logged::InventoryLowStock(EventData::Own(level))) = Logged::read(&format!(
        r#"{{"kind":"inventory:low_stock","data":{level}}}}}"#
    )) else {
        panic!("a level")
    };
    assert_eq!((level.available, level.status), (5, StockStatus::LowStock));
}

#[test]
fn what_is_unknown_here_says_its_kind() {
    let notice = r#"{"title":"t","message":"m"}"#;
    for (entry, kind) in [
        (
            r#"{"v":1,"kind":"stock:counted","data":{}}"#.to_owned(),
            "stock:counted",
        ),
        (
            format!(r#"{{"v":2,"kind":"system:alert","data":{notice}}}"#),
            "system:alert",
        ),
        // Nobody ever logged these: others only post the first, and the second is ephemeral.
        (
            format!(r#"{{"kind":"system:maintenance","data":{notice}}}"#),
            "system:maintenance",
        ),
        (
            r#"{"kind":"customer:online","data":{"customerId":"1"}}"#.to_owned(),
            "customer:online",
        ),
        (
            r#"{"kind":"posted","data":{"event":"stock:counted","source":"erp","data":{}}}"#
                .to_owned(),
            "posted",
        ),
        (
            r#"{"kind":"posted","data":{"event":"command:updated","source":"erp","data":{}}}"#
                .to_owned(),
            "posted",
        ),
        (
            r#"{"kind":"system:alert","data":{"title":5}}"#.to_owned(),
            "system:alert",
        ),
        (r#"{"kind":"system:alert"}"#.to_owned(), ""),
        ("[]".to_owned(), ""),
    ] {
        let kind = kind.to_owned();
        assert_eq!(Logged::read(&entry), Err(UnknownEvent { kind }), "{entry}");
    }
}

#[test]
fn what_only_decides_who_sees_an_event_is_shown_to_nobody() {
    let order = r##"{"kind":"order:created","data":{"orderId":"1","name":"#1","customerId":null,"status":"created","financialStatus":null,"fulfillmentStatus":null,"total":"5.00","currency":"EUR","channel":null,"itemCount":1,"updatedAt":"2026-11-20T20:00:00Z","change":"created","locations":["3"]}}"##;
    let Ok(event) = Logged::read(order) else {
        panic!("{order}")
    };
    let shown = event.public_json();
    assert_eq!(shown["kind"], "order:created");
    assert_eq!(shown["data"]["orderId"], "1");
    assert!(shown["data"].get("locations").is_none() && shown.get("v").is_none());
}
