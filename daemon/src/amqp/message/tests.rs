//! Messages as the programs of the documents send them, and worse ones.

use serde_json::json;

use super::*;

fn shops(ids: &[(&str, Option<&str>)]) -> ShopNames {
    let shop =
        |(domain, id): &(&str, Option<&str>)| (domain.parse().unwrap(), id.map(str::to_owned));
    ShopNames(ids.iter().map(shop).collect())
}

fn read(routing_key: &str, body: &Value) -> Result<Posted, String> {
    let body = body.to_string();
    let message = BrokerMessage {
        routing_key,
        body: body.as_bytes(),
        ..BrokerMessage::default()
    };
    let statement = message
        .read(&shops(&[("a.myshopify.com", None)]))
        .map_err(|refusal| {
            assert!(!refusal.message.contains("canary"), "{refusal:?}");
            refusal.field.unwrap_or_default()
        })?;
    Ok(statement.event.posted().unwrap().clone())
}

fn kind_of(routing_key: &str, body: &Value) -> Result<&'static str, String> {
    read(routing_key, body).map(|posted| posted.kind.as_str())
}

#[test]
fn half_a_character_costs_that_character_and_no_message() {
    let body = br#"{"orderId": "o-1 \ud83d", "status": "shipped", "note": "\ude00"}"#;
    let message = BrokerMessage {
        routing_key: "order.shipped",
        body,
        ..BrokerMessage::default()
    };
    let statement = message.read(&shops(&[("a.myshopify.com", None)])).unwrap();
    assert!(
        json!(statement.event.posted())
            .to_string()
            .contains("o-1 \u{fffd}"),
        "{:?}",
        statement.event
    );
}

#[test]
fn the_routing_key_says_what_happened() {
    let body = json!({
        "orderId": "order_123", "paymentId": "p1", "productId": "prod_123", "transferId": "t1", "userId": "u1",
        "companyId": "c1", "quantity": 0, "message": "hello",
    });
    let expected = [
        ("order.created", "order:created"),
        ("order.shipped", "order:status_changed"),
        ("order.updated", "order:updated"),
        ("payment.success", "payment:received"),
        ("payment.failed", "payment:failed"),
        ("payment.refunded", "payment:refunded"),
        ("payment.pending", "payment:status_changed"),
        ("inventory.updated", "inventory:updated"),
        ("inventory.low_stock", "inventory:low_stock"),
        ("inventory.out_of_stock", "inventory:out_of_stock"),
        ("inventory.transfer_completed", "inventory:transfer"),
        ("product.price_changed", "product:price_changed"),
        ("product.touched", "product:updated"),
        ("notification.email", "user:notification"),
        ("user.welcomed", "user:notification"),
        ("company.renamed", "company:notification"),
        ("shop.opened", "shop:notification"),
    ];
    for (routing_key, kind) in expected {
        assert_eq!(kind_of(routing_key, &body), Ok(kind), "{routing_key}");
    }
    assert_eq!(
        kind_of("notification.maintenance", &json!({ "message": "tonight" })),
        Ok("system:maintenance")
    );
    assert_eq!(
        kind_of("notification.new", &json!({ "message": "hello" })),
        Ok("system:notification")
    );
    let shipped = read("order.shipped", &body).unwrap();
    assert_eq!(
        (shipped.name.as_deref(), shipped.source.as_str()),
        (Some("order.shipped"), "amqp")
    );
    assert_eq!(
        Value::Object(shipped.data),
        body,
        "everything is passed on as it came"
    );
}

#[test]
fn without_one_the_properties_say_it_and_a_zero_is_there() {
    let expected = [
        (
            json!({ "orderId": 7, "status": "shipped" }),
            Ok("order:status_changed"),
        ),
        (
            json!({ "orderId": 7, "productId": 8, "quantity": 1 }),
            Ok("order:updated"),
        ),
        (
            json!({ "paymentId": "p", "status": "refunded" }),
            Ok("payment:refunded"),
        ),
        (
            json!({ "paymentId": "p", "status": "authorized" }),
            Ok("payment:status_changed"),
        ),
        (json!({ "paymentId": "p" }), Err("status".to_owned())),
        (
            json!({ "productId": "prod_123", "quantity": 0 }),
            Ok("inventory:updated"),
        ),
        (
            json!({ "productId": "prod_123", "quantity": null }),
            Ok("product:updated"),
        ),
        (json!({ "transferId": "t1" }), Ok("inventory:transfer")),
        (
            json!({ "message": "", "userId": "u1" }),
            Ok("user:notification"),
        ),
        (json!({ "secret": "canary" }), Err("routing key".to_owned())),
    ];
    for (body, kind) in expected {
        assert_eq!(kind_of("websocket.events", &body), kind, "{body}");
    }
}

#[test]
fn what_cannot_be_read_says_where_and_repeats_nothing() {
    let refused = |routing_key: &str, body: Value| read(routing_key, &body).unwrap_err();
    assert_eq!(
        refused("order.shipped", json!({ "status": "canary" })),
        "orderId"
    );
    assert_eq!(
        refused("payment.pending", json!({ "paymentId": ["canary"] })),
        "paymentId"
    );
    assert_eq!(
        refused(
            "inventory.updated",
            json!({ "productId": "p", "quantity": "canary" })
        ),
        "quantity"
    );
    assert_eq!(refused("order.created", json!(["canary"])), "body");
    let shops = shops(&[("a.myshopify.com", None)]);
    for body in ["", "canary", "{\"orderId\": 7", "\u{0}", "[[[["] {
        let message = BrokerMessage {
            routing_key: "order.created",
            body: body.as_bytes(),
            ..BrokerMessage::default()
        };
        assert!(!message.read(&shops).unwrap_err().message.contains("canary"));
    }
}

#[test]
fn the_shop_is_the_named_one_or_the_only_one() {
    let (one, named) = (
        &[("a.myshopify.com", None)][..],
        &[("a.myshopify.com", Some("7"))][..],
    );
    let two = &[("a.myshopify.com", Some("7")), ("b.myshopify.com", None)][..];
    let cases = [
        (one, json!({}), Some("a.myshopify.com")),
        (
            one,
            json!({ "shopId": "whatever" }),
            Some("a.myshopify.com"),
        ),
        (one, json!({ "shop": "b.myshopify.com" }), None),
        (named, json!({ "shopId": "8" }), None),
        (two, json!({}), None),
        (two, json!({ "shopId": 7 }), Some("a.myshopify.com")),
        (
            two,
            json!({ "shop": "B.myshopify.com" }),
            Some("b.myshopify.com"),
        ),
        (two, json!({ "shopId": "8" }), None),
    ];
    for (ours, mut body, expected) in cases {
        body["orderId"] = json!(1);
        let bytes = body.to_string();
        let message = BrokerMessage {
            routing_key: "order.created",
            body: bytes.as_bytes(),
            ..BrokerMessage::default()
        };
        let found = message
            .read(&shops(ours))
            .map(|statement| statement.shop.to_string());
        assert_eq!(found.as_deref().ok(), expected, "{body}");
    }
}

#[test]
fn a_repetition_is_known_by_its_name_and_without_one_only_when_it_is_given_out_again() {
    let shops = shops(&[("a.myshopify.com", None)]);
    let key = |id, redelivered, body: &str| {
        let message = BrokerMessage {
            routing_key: "order.created",
            id,
            redelivered,
            body: body.as_bytes(),
            sender: None,
        };
        message.read(&shops).unwrap().key
    };
    let (plain, named) = (r#"{"orderId":1}"#, r#"{"orderId":1,"eventId":"e1"}"#);
    assert_eq!(
        key(Some("m1"), false, plain),
        key(Some("m1"), true, named),
        "messageId goes first"
    );
    assert_ne!(key(Some("m1"), false, plain), key(Some("m2"), false, plain));
    assert_eq!(
        key(None, false, named),
        key(None, false, r#"{"eventId":"e1","orderId":2}"#)
    );
    assert_ne!(key(None, false, named), key(Some("e1"), false, plain));
    assert_eq!(
        key(None, false, plain),
        Some(RepeatKey::content(
            "amqp order.created",
            plain.as_bytes(),
            false
        ))
    );
    assert_eq!(
        key(None, true, plain),
        Some(RepeatKey::content(
            "amqp order.created",
            plain.as_bytes(),
            true
        ))
    );
    let unnamed = r#"{"orderId":1,"eventId":""}"#;
    for nothing in ["", " "] {
        assert_eq!(
            key(Some(nothing), false, named),
            key(None, false, named),
            "an empty messageId names nothing"
        );
        assert_ne!(
            key(Some(nothing), false, unnamed),
            key(Some(nothing), false, r#"{"orderId":2,"eventId":""}"#)
        );
    }
}
