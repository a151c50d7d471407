//! Webhook bodies of every topic, reduced and invented, and what they say in our words.

use proptest::prelude::*;
use schemas::event::Transfer;
use schemas::record;
use schemas::shape::OrderStatus;
use serde_json::{Value, json};

use super::*;
use crate::subscription::graphql_word;

const CUSTOMER: &str = include_str!("../../fixtures/customer.json");
const FULFILLMENT: &str = include_str!("../../fixtures/fulfillment.json");
const ITEM: &str = include_str!("../../fixtures/inventory_item.json");
const LEVEL: &str = include_str!("../../fixtures/inventory_level.json");
const LOCATION: &str = include_str!("../../fixtures/location.json");
const ORDER: &str = include_str!("../../fixtures/order.json");
const ORDER_EDITED: &str = include_str!("../../fixtures/order_edited.json");
const PRODUCT: &str = include_str!("../../fixtures/product.json");
const REFUND: &str = include_str!("../../fixtures/refund.json");
const TRANSACTION: &str = include_str!("../../fixtures/order_transaction.json");
const TRANSFER: &str = include_str!("../../fixtures/inventory_transfer.json");
const VARIANT: &str = include_str!("../../fixtures/variant.json");

/// Every topic that is mirrored, with a body.
const SAMPLES: [(&str, &str); 38] = [
    ("customers/create", CUSTOMER),
    ("customers/delete", CUSTOMER),
    ("customers/update", CUSTOMER),
    ("fulfillments/create", FULFILLMENT),
    ("fulfillments/update", FULFILLMENT),
    ("inventory_items/create", ITEM),
    ("inventory_items/delete", ITEM),
    ("inventory_items/update", ITEM),
    ("inventory_levels/connect", LEVEL),
    ("inventory_levels/disconnect", LEVEL),
    ("inventory_levels/update", LEVEL),
    ("inventory_transfers/add_items", TRANSFER),
    ("inventory_transfers/cancel", TRANSFER),
    ("inventory_transfers/complete", TRANSFER),
    ("inventory_transfers/ready_to_ship", TRANSFER),
    ("inventory_transfers/remove_items", TRANSFER),
    ("inventory_transfers/update_item_quantities", TRANSFER),
    ("inventory_transfers/updated", TRANSFER),
    ("locations/activate", LOCATION),
    ("locations/create", LOCATION),
    ("locations/deactivate", LOCATION),
    ("locations/delete", LOCATION),
    ("locations/update", LOCATION),
    ("order_transactions/create", TRANSACTION),
    ("orders/cancelled", ORDER),
    ("orders/create", ORDER),
    ("orders/delete", ORDER),
    ("orders/edited", ORDER_EDITED),
    ("orders/fulfilled", ORDER),
    ("orders/paid", ORDER),
    ("orders/partially_fulfilled", ORDER),
    ("orders/updated", ORDER),
    ("products/create", PRODUCT),
    ("products/delete", PRODUCT),
    ("products/update", PRODUCT),
    ("refunds/create", REFUND),
    ("variants/in_stock", VARIANT),
    ("variants/out_of_stock", VARIANT),
];

fn changes_of(topic: &str, body: &str, triggered_at: Option<&str>) -> Vec<Change> {
    match read(topic, body.as_bytes(), triggered_at.map(at), false).unwrap() {
        WebhookReading::Changes(changes) => changes,
        other => panic!("{topic}: {other:?}"),
    }
}

fn only(topic: &str, body: &str) -> Change {
    let mut changes = changes_of(topic, body, None);
    assert_eq!(changes.len(), 1, "{topic}");
    changes.remove(0)
}

fn edited(body: &str, edits: &[(&str, Value)]) -> String {
    let mut value: Value = serde_json::from_str(body).unwrap();
    for (path, new) in edits {
        *value.pointer_mut(path).unwrap() = new.clone();
    }
    value.to_string()
}

fn without(body: &str, field: &str) -> String {
    let mut value: Value = serde_json::from_str(body).unwrap();
    value.as_object_mut().unwrap().remove(field).unwrap();
    value.to_string()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(number: u64) -> T {
    number.to_string().parse().unwrap()
}

fn order(edits: &[(&str, Value)]) -> record::Order {
    match only("orders/updated", &edited(ORDER, edits)) {
        Change::Order(order) => order,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_mirrored_topic_says_something_and_says_the_same_again() {
    for (topic, body) in SAMPLES {
        let first = changes_of(topic, body, None);
        assert!(!first.is_empty(), "{topic}");
        assert_eq!(first, changes_of(topic, body, None), "{topic}");
    }
}

#[test]
fn a_topic_that_is_not_mirrored_is_ignored_whatever_its_body() {
    for topic in [
        "carts/update",
        "inventory_shipments/create",
        "orders/of_next_year",
        "",
    ] {
        assert_eq!(
            read(topic, b"not json", None, false),
            Ok(WebhookReading::Ignored),
            "{topic}"
        );
    }
}

#[test]
fn every_topic_to_subscribe_to_is_read_and_known_to_shopify() {
    let schema = include_str!("../../../graphql/admin-2026-10.graphql");
    let known = schema
        .split("enum WebhookSubscriptionTopic {")
        .nth(1)
        .unwrap()
        .split('}')
        .next()
        .unwrap();
    for (topic, _) in TOPICS {
        assert_ne!(
            read(topic, b"{}", None, false),
            Ok(WebhookReading::Ignored),
            "{topic}"
        );
        assert!(
            known.lines().any(|word| word.trim() == graphql_word(topic)),
            "{topic}"
        );
    }
    let mirrored = TOPICS
        .iter()
        .filter(|(topic, _)| SAMPLES.iter().any(|(known, _)| known == topic));
    assert_eq!(mirrored.count(), 32);
}

#[test]
fn a_level_is_told_with_its_gid_and_its_numbers_exactly() {
    let expected = |available| Change::LevelAvailable {
        inventory_item_id: id(3_918_273_645_546_372_819),
        location_id: id(70_010_020_030),
        gid: "gid://shopify/InventoryLevel/55501?inventory_item_id=3918273645546372819"
            .parse()
            .ok(),
        available,
        updated_at: at("2026-11-19T15:30:00Z"),
    };
    assert_eq!(only("inventory_levels/update", LEVEL), expected(Some(14)));
    let untracked = edited(LEVEL, &[("/available", Value::Null)]);
    assert_eq!(only("inventory_levels/connect", &untracked), expected(None));
    let oversold = edited(LEVEL, &[("/available", json!(-3))]);
    assert_eq!(
        only("inventory_levels/update", &oversold),
        expected(Some(-3))
    );
}

#[test]
fn a_gid_of_something_else_is_not_kept_as_a_levels() {
    let odd = edited(
        LEVEL,
        &[("/admin_graphql_api_id", json!("gid://shopify/Order/1"))],
    );
    assert!(matches!(
        only("inventory_levels/update", &odd),
        Change::LevelAvailable { gid: None, .. }
    ));
}

#[test]
fn what_only_hints_at_a_record_has_it_read() {
    let order = RecordKey::Order(id(5_820_046_011_122_233_344));
    let product = RecordKey::Product(id(7_100_200_300_400_500_601));
    let expected = [
        (
            "customers/delete",
            CUSTOMER,
            RecordKey::Customer(id(6_104_729_935_813_000_417)),
        ),
        ("fulfillments/create", FULFILLMENT, order),
        ("fulfillments/update", FULFILLMENT, order),
        (
            "inventory_items/delete",
            ITEM,
            RecordKey::Item(id(3_918_273_645_546_372_819)),
        ),
        (
            "inventory_levels/disconnect",
            r#"{"inventory_item_id": 3918273645546372819, "location_id": 70010020030}"#,
            RecordKey::Level(id(3_918_273_645_546_372_819), id(70_010_020_030)),
        ),
        (
            "locations/delete",
            r#"{"id": 70010020030}"#,
            RecordKey::Location(id(70_010_020_030)),
        ),
        ("order_transactions/create", TRANSACTION, order),
        ("orders/delete", r#"{"id": 5820046011122233344}"#, order),
        ("orders/edited", ORDER_EDITED, order),
        ("products/delete", r#"{"id": 7100200300400500601}"#, product),
        ("refunds/create", REFUND, order),
        ("variants/in_stock", VARIANT, product),
        ("variants/out_of_stock", VARIANT, product),
    ];
    for (topic, body, key) in expected {
        assert_eq!(only(topic, body), Change::LookAgain(key), "{topic}");
    }
}

#[test]
fn items_locations_and_customers_are_told_as_they_were() {
    let item = record::InventoryItem {
        id: id(3_918_273_645_546_372_819),
        sku: Some("LAMP-1".to_owned()),
        tracked: true,
        updated_at: at("2026-11-19T15:30:00Z"),
    };
    assert_eq!(
        only("inventory_items/update", ITEM),
        Change::Item(item.clone())
    );
    let blank = edited(ITEM, &[("/sku", json!(""))]);
    assert_eq!(
        only("inventory_items/create", &blank),
        Change::Item(record::InventoryItem { sku: None, ..item })
    );

    let location = record::Location {
        id: id(70_010_020_030),
        name: "Harbour Store".to_owned(),
        active: true,
        fulfillment_service: false,
        updated_at: at("2026-10-30T16:00:00Z"),
    };
    assert_eq!(
        only("locations/create", LOCATION),
        Change::Location(location)
    );

    let customer = record::Customer {
        id: id(6_104_729_935_813_000_417),
        name: None,
        created_at: at("2026-03-02T07:15:00Z"),
        updated_at: at("2026-11-19T17:40:07Z"),
    };
    assert_eq!(
        only("customers/update", CUSTOMER),
        Change::Customer(customer)
    );
}

#[test]
fn a_transfer_is_told_with_its_ends_and_as_much_as_its_topic_says() {
    let ready = Transfer {
        transfer_id: id(6_600_700_800_900),
        status: Some("ready_to_ship".to_owned()),
        origin_id: Some(id(70_010_020_030)),
        destination_id: Some(id(70_010_020_031)),
        quantity: Some(15),
        happened_at: at("2026-11-19T16:20:30Z"),
    };
    assert_eq!(
        only("inventory_transfers/ready_to_ship", TRANSFER),
        Change::Transfer(ready.clone())
    );

    // From a supplier, or from a location that is gone.
    let arrived = edited(
        &without(TRANSFER, "origin"),
        &[("/status", json!("TRANSFERRED"))],
    );
    let arrived = without(&arrived, "line_items");
    let completed = Transfer {
        status: Some("transferred".to_owned()),
        origin_id: None,
        quantity: None,
        ..ready.clone()
    };
    for body in [
        edited(TRANSFER, &[("/origin", Value::Null)]),
        edited(TRANSFER, &[("/origin/id", Value::Null)]),
    ] {
        assert!(matches!(
            only("inventory_transfers/complete", &body),
            Change::Transfer(Transfer {
                origin_id: None,
                ..
            })
        ));
    }
    assert_eq!(
        only("inventory_transfers/complete", &arrived),
        Change::Transfer(completed)
    );

    let bare = r#"{"id": "gid://shopify/InventoryTransfer/6600700800900", "happened_at": "2026-11-19T16:20:30Z", "items_added": []}"#;
    let changed = Transfer {
        status: None,
        origin_id: None,
        destination_id: None,
        quantity: None,
        ..ready
    };
    for topic in [
        "add_items",
        "remove_items",
        "update_item_quantities",
        "updated",
    ] {
        assert_eq!(
            only(&format!("inventory_transfers/{topic}"), bare),
            Change::Transfer(changed.clone())
        );
    }
}

#[test]
fn a_transfer_without_its_id_status_or_time_is_kept_for_a_person() {
    let topic = "inventory_transfers/ready_to_ship";
    let sentence = |body: &str| {
        read(topic, body.as_bytes(), None, false)
            .unwrap_err()
            .to_string()
    };
    for field in ["id", "status"] {
        assert_eq!(
            sentence(&without(TRANSFER, field)),
            format!("the body lacks `{field}`")
        );
    }
    assert_eq!(
        read(
            topic,
            without(TRANSFER, "happened_at").as_bytes(),
            None,
            false
        ),
        Err(UnreadableBody::NoTime)
    );
    for (path, wrong, place) in [
        ("/id", json!("gid://shopify/Order/1"), "`id`"),
        ("/happened_at", json!("yesterday"), "`happened_at`"),
        (
            "/destination/id",
            json!("gid://shopify/Product/1"),
            "`destination.id`",
        ),
        (
            "/line_items/1/quantity",
            json!(1_u64 << 40),
            "`line_items[1].quantity`",
        ),
    ] {
        let sentence = sentence(&edited(TRANSFER, &[(path, wrong)]));
        assert!(sentence.contains(place), "{sentence}");
    }
}

#[test]
fn a_name_is_read_where_it_is_wanted_and_an_order_brings_its_customer_with_it() {
    let told = |topic: &str, body: &str| match read(topic, body.as_bytes(), None, true).unwrap() {
        WebhookReading::Changes(changes) => changes,
        other => panic!("{other:?}"),
    };
    let customer = |name: &str, created_at: &str, updated_at: &str| {
        let (name, id) = (Some(name.to_owned()), id(6_104_729_935_813_000_417));
        Change::Customer(record::Customer {
            id,
            name,
            created_at: at(created_at),
            updated_at: at(updated_at),
        })
    };
    let own = customer("Pat", "2026-03-02T07:15:00Z", "2026-11-19T17:40:07Z");
    assert_eq!(told("customers/update", CUSTOMER), [own]);

    let (begun, now) = (
        json!("2026-03-02T08:15:00+01:00"),
        json!("2026-11-19T15:00:00+01:00"),
    );
    let of_order = edited(
        ORDER,
        &[
            ("/customer/created_at", begun),
            ("/customer/updated_at", now),
        ],
    );
    let bought = customer("Pat", "2026-03-02T07:15:00Z", "2026-11-19T14:00:00Z");
    assert_eq!(
        told("orders/create", &of_order),
        [bought, Change::Order(order(&[]))]
    );
    // Without a time, which anything else that is said of the customer wins over.
    let timeless = customer("Pat", "1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z");
    assert_eq!(
        told("orders/updated", ORDER),
        [timeless, Change::Order(order(&[]))]
    );
    let nobody = edited(ORDER, &[("/customer", Value::Null)]);
    assert!(matches!(
        told("orders/updated", &nobody)[..],
        [Change::Order(_)]
    ));
}

#[test]
fn an_order_is_told_with_what_is_still_ordered_and_where_it_is_fulfilled() {
    let expected = record::Order {
        id: id(5_820_046_011_122_233_344),
        name: "#2041".to_owned(),
        customer_id: Some(id(6_104_729_935_813_000_417)),
        status: OrderStatus::Confirmed,
        financial_status: Some("paid".to_owned()),
        fulfillment_status: Some("partial".to_owned()),
        total: "59.50".parse().unwrap(),
        currency: "EUR".to_owned(),
        channel: Some("web".to_owned()),
        locations: vec![id(70_010_020_030), id(70_010_020_031)],
        lines: vec![
            record::OrderLine {
                id: id(9_100_200_300_400_500_601),
                variant_id: Some(id(8_100_200_300_400_500_601)),
                title: "Lamp".to_owned(),
                sku: Some("LAMP-1".to_owned()),
                quantity: 2,
            },
            record::OrderLine {
                id: id(9_100_200_300_400_500_602),
                variant_id: None,
                title: "Gift – \"wrapped\"".to_owned(),
                sku: None,
                quantity: 1,
            },
        ],
        payments: None,
        created_at: at("2026-11-19T02:10:00Z"),
        updated_at: at("2026-11-19T14:00:01Z"),
    };
    assert_eq!(order(&[]), expected);
}

#[test]
fn an_orders_status_follows_from_payment_fulfilment_and_arrival() {
    let fulfilled = |first: &str, third: &str| {
        vec![
            ("/fulfillment_status", json!("fulfilled")),
            ("/fulfillments/0/shipment_status", json!(first)),
            ("/fulfillments/2/shipment_status", json!(third)),
        ]
    };
    let cases = [
        (
            vec![("/financial_status", json!("pending"))],
            OrderStatus::Created,
        ),
        (
            vec![("/financial_status", json!("a word of next year"))],
            OrderStatus::Created,
        ),
        (vec![], OrderStatus::Confirmed),
        (
            vec![("/financial_status", json!("partially_refunded"))],
            OrderStatus::Confirmed,
        ),
        (fulfilled("delivered", "in_transit"), OrderStatus::Shipped),
        (fulfilled("delivered", "delivered"), OrderStatus::Delivered),
        (
            vec![
                ("/fulfillment_status", json!("fulfilled")),
                ("/fulfillments", json!([])),
            ],
            OrderStatus::Shipped,
        ),
        (
            vec![("/cancelled_at", json!("2026-11-19T09:00:00-05:00"))],
            OrderStatus::Cancelled,
        ),
    ];
    for (edits, status) in cases {
        assert_eq!(order(&edits).status, status, "{edits:?}");
    }
}

#[test]
fn an_order_without_buyer_location_or_ids_of_its_lines_is_read() {
    let order = order(&[
        ("/customer", Value::Null),
        ("/location_id", Value::Null),
        ("/fulfillments", Value::Null),
        ("/fulfillment_status", Value::Null),
        ("/line_items/1/variant_id", json!("")),
        ("/created_at", Value::Null),
    ]);
    assert_eq!(
        (order.customer_id, order.locations, order.fulfillment_status),
        (None, vec![], None)
    );
    assert!(order.lines.iter().all(|line| line.variant_id.is_none()));
    assert_eq!(order.created_at, order.updated_at);
}

#[test]
fn money_is_exact_as_text_and_as_a_number() {
    for (spelled, exact) in [
        (json!("0.0"), "0.00"),
        (json!(89.99), "89.99"),
        (json!(20), "20.00"),
        (json!("1e3"), ""),
    ] {
        let body = edited(ORDER, &[("/current_total_price", spelled)]);
        match read("orders/paid", body.as_bytes(), None, false) {
            Ok(WebhookReading::Changes(changes)) => {
                assert!(
                    matches!(&changes[..], [Change::Order(order)] if order.total.as_str() == exact)
                );
            }
            refused => assert_eq!(
                refused,
                Err(UnreadableBody::Shape {
                    path: "current_total_price".to_owned()
                })
            ),
        }
    }
    let Change::Order(old) = only("orders/paid", &without(ORDER, "current_total_price")) else {
        panic!()
    };
    assert_eq!(old.total.as_str(), "79.50");
    let neither = without(&without(ORDER, "current_total_price"), "total_price");
    let refused = read("orders/paid", neither.as_bytes(), None, false).unwrap_err();
    assert_eq!(refused.to_string(), "the body lacks `current_total_price`");
}

#[test]
fn a_product_is_told_with_every_variant_it_lists() {
    let changes = changes_of("products/update", PRODUCT, None);
    let (small, large) = (id(8_100_200_300_400_500_601), id(8_100_200_300_400_500_602));
    let product_id = id(7_100_200_300_400_500_601);
    let product = record::Product {
        id: product_id,
        title: "Lamp".to_owned(),
        handle: "lamp".to_owned(),
        vendor: "Bright".to_owned(),
        product_type: "Lighting".to_owned(),
        status: "active".to_owned(),
        updated_at: at("2026-11-19T15:30:00Z"),
    };
    let variants = [
        record::Variant {
            id: small,
            product_id,
            title: "Small".to_owned(),
            sku: None,
            barcode: None,
            price: "27.25".parse().unwrap(),
            continue_selling: false,
            bundle: None,
            inventory_item_id: None,
            updated_at: at("2026-11-18T15:30:00Z"),
        },
        record::Variant {
            id: large,
            product_id,
            title: "Large".to_owned(),
            sku: Some("LAMP-2".to_owned()),
            barcode: Some("4006381333931".to_owned()),
            price: "31.00".parse().unwrap(),
            continue_selling: true,
            bundle: None,
            inventory_item_id: Some(id(3_918_273_645_546_372_820)),
            updated_at: at("2026-11-19T15:30:00Z"),
        },
    ];
    let [small_told, large_told] = variants.map(Change::Variant);
    let expected = [
        Change::Product {
            product,
            variants: Some(vec![small, large]),
        },
        small_told,
        large_told,
    ];
    assert_eq!(changes, expected);
}

#[test]
fn a_product_that_may_have_more_variants_than_listed_is_read_whole() {
    let more =
        json!([{ "admin_graphql_api_id": "gid://shopify/ProductVariant/8100200300400500699" }]);
    let beyond = edited(PRODUCT, &[("/variant_gids", more)]);
    let mut hundred: Value = serde_json::from_str(&without(PRODUCT, "variant_gids")).unwrap();
    let variant = hundred["variants"][0].clone();
    hundred["variants"] = (0..100).map(|_| variant.clone()).collect();
    for body in [beyond, hundred.to_string(), without(PRODUCT, "variants")] {
        let changes = changes_of("products/update", &body, None);
        let again = Change::LookAgain(RecordKey::Product(id(7_100_200_300_400_500_601)));
        assert!(matches!(changes[0], Change::Product { variants: None, .. }));
        assert_eq!(changes.last(), Some(&again));
    }
    let few = changes_of("products/update", &without(PRODUCT, "variant_gids"), None);
    assert!(matches!(&few[0], Change::Product { variants: Some(ids), .. } if ids.len() == 2));
}

#[test]
fn a_body_that_names_itself_as_another_record_is_not_read_as_this_topics() {
    let replays = [
        ("customers/create", ORDER),
        ("customers/create", PRODUCT),
        ("customers/update", ITEM),
        ("customers/update", LOCATION),
        (
            "inventory_items/update",
            &edited(ITEM, &[("/id", json!(7))]),
        ),
        ("locations/update", &edited(LOCATION, &[("/id", json!(7))])),
        (
            "orders/updated",
            &edited(
                ORDER,
                &[("/admin_graphql_api_id", json!("gid://shopify/DraftOrder/1"))],
            ),
        ),
        (
            "products/update",
            &edited(
                PRODUCT,
                &[("/admin_graphql_api_id", json!("gid://shopify/Collection/1"))],
            ),
        ),
    ];
    for (topic, body) in replays {
        let refused = read(topic, body.as_bytes(), None, false);
        assert_eq!(
            refused,
            Err(UnreadableBody::Shape {
                path: "admin_graphql_api_id".to_owned()
            }),
            "{topic}"
        );
        assert_eq!(concerns(topic, body.as_bytes()), None, "{topic}");
    }
    let again = Change::LookAgain(RecordKey::Customer(id(6_104_729_935_813_000_417)));
    assert_eq!(
        only(
            "customers/create",
            &without(CUSTOMER, "admin_graphql_api_id")
        ),
        again
    );
}

#[test]
fn of_a_body_that_cannot_be_read_the_record_may_still_be_known() {
    for (topic, body) in SAMPLES {
        let known = concerns(topic, body.as_bytes());
        // Of a transfer there is no reading.
        assert_eq!(
            known.is_some(),
            !topic.starts_with("inventory_transfers/"),
            "{topic}"
        );
        if let [Change::LookAgain(key)] = changes_of(topic, body, None)[..] {
            assert_eq!(known, Some(key), "{topic}");
        }
    }
    let broken = edited(PRODUCT, &[("/title", json!(["no", "text"]))]);
    assert_eq!(
        concerns("products/update", broken.as_bytes()),
        Some(RecordKey::Product(id(7_100_200_300_400_500_601)))
    );
    for nothing in ["", "[]", "{}", r#"{"id": "x"}"#] {
        assert_eq!(concerns("products/update", nothing.as_bytes()), None);
    }
    assert_eq!(concerns("themes/publish", br#"{"id": 1}"#), None);
}

#[test]
fn a_body_without_a_time_takes_its_deliverys() {
    for (topic, body) in [
        ("customers/create", CUSTOMER),
        ("inventory_items/create", ITEM),
        ("inventory_levels/update", LEVEL),
        ("locations/create", LOCATION),
        ("orders/create", ORDER),
        ("products/create", PRODUCT),
    ] {
        for body in [
            edited(body, &[("/updated_at", Value::Null)]),
            without(body, "updated_at"),
        ] {
            assert_eq!(
                read(topic, body.as_bytes(), None, false),
                Err(UnreadableBody::NoTime),
                "{topic}"
            );
            let told = changes_of(topic, &body, Some("2026-11-20T10:00:00Z"));
            assert!(
                format!("{told:?}").contains("2026-11-20T10:00:00Z"),
                "{topic}"
            );
        }
    }
}

#[test]
fn what_is_unreadable_is_told_by_its_place_and_never_by_its_value() {
    let cases = [
        (
            edited(ORDER, &[("/line_items/1/id", json!("pat@example.com"))]),
            "line_items[1].id",
        ),
        (
            edited(ORDER, &[("/line_items/0/quantity", json!(1e30))]),
            "line_items[0].quantity",
        ),
        (
            edited(ORDER, &[("/updated_at", json!("pat@example.com"))]),
            "updated_at",
        ),
        (
            edited(ORDER, &[("/customer/id", json!({"pat@example.com": 1}))]),
            "customer.id",
        ),
        (r#"{"pat@example.com": [1, }"#.to_owned(), "column 25"),
        (String::new(), "line 1"),
        ("[]".to_owned(), "`.`"),
    ];
    for (body, place) in cases {
        let sentence = read("orders/create", body.as_bytes(), None, false)
            .unwrap_err()
            .to_string();
        assert!(sentence.contains(place), "{sentence}");
        assert!(
            !sentence.contains("pat@") && !sentence.contains("1e30"),
            "{sentence}"
        );
    }
}

proptest! {
    #[test]
    fn nothing_panics_whatever_the_body(topic in 0..SAMPLES.len(), body: Vec<u8>, cut: prop::sample::Index, byte: u8) {
        let (topic, sample) = SAMPLES[topic];
        let _ = read(topic, &body, None, false);
        let _ = concerns(topic, &body);
        let mut sample = sample.as_bytes().to_vec();
        let at = cut.index(sample.len());
        let _ = read(topic, &sample[..at], None, true);
        sample[at] = byte;
        let _ = read(topic, &sample, None, true);
    }
}
