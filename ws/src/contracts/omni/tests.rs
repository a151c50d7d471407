//! The contract's table: every event's type, namespace and shape, every request and its refusals.

use std::collections::BTreeMap;
use std::time::Duration;

use schemas::event::{CustomerPresence, Notice, OrderChange, Payment, PriceChange};
use schemas::shape::OrderShape;
use schemas::{Epoch, ErrorCode, LogEntry, Offset, Role, Sequence, ShopDomain, Timestamp};

use super::*;
use crate::contracts::request::{Join, Leaving, Since};
use crate::hub::broadcast::Broadcast;

fn shop() -> ShopDomain {
    "pretend.myshopify.com".parse().unwrap()
}

fn sent(event: Logged) -> Vec<Value> {
    let offset = Offset {
        epoch: Epoch(1),
        sequence: Sequence(7),
    };
    let entry = LogEntry::new(offset, shop(), Timestamp::UNIX_EPOCH, event);
    told(&Broadcast::logged(entry, None))
}

fn posted(kind: Kind, data: Value) -> Logged {
    let Value::Object(data) = data else {
        panic!("not an object")
    };
    Posted::read(kind, "erp".to_owned(), None, data)
        .unwrap()
        .logged()
        .unwrap()
}

fn told(broadcast: &Broadcast) -> Vec<Value> {
    Omni.messages(&broadcast.outgoing(None))
        .into_iter()
        .map(|message| serde_json::from_str(&message.payload).unwrap())
        .collect()
}

fn hears(room: &Room, event: &Logged) -> bool {
    Omni.brings(room, &event.clone().into(), &NotificationKinds::All)
}

fn order_of(status: OrderStatus) -> OrderChanged {
    let order = OrderShape {
        order_id: 5_u64.try_into().unwrap(),
        name: "#1".to_owned(),
        customer_id: 6_u64.try_into().ok(),
        status,
        previous_status: None,
        financial_status: None,
        fulfillment_status: None,
        total: "12.30".parse().unwrap(),
        currency: "EUR".to_owned(),
        channel: Some("web".to_owned()),
        item_count: 1,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    let (change, customer_name) = (OrderChange::StatusChanged, Some("Ann Lee".to_owned()));
    OrderChanged {
        order,
        change,
        customer_name,
        locations: vec!["9".parse().unwrap()],
    }
}

fn who(role: Role) -> Identity {
    Identity::unlimited("7".parse().unwrap(), role)
}

fn asked(role: Role, text: &str) -> Result<Request, (ErrorCode, Option<String>)> {
    read(text)
        .and_then(|call| Omni.read(&call, &who(role)))
        .map_err(|error| (error.code, error.field))
}

#[test]
fn there_are_six_namespaces_with_the_23_events_of_the_document() {
    let mut table: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, topic) in Kind::ALL.iter().filter_map(|kind| row(*kind)) {
        let names = table.entry(topic.as_str()).or_default();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let counts: Vec<_> = table
        .iter()
        .map(|(topic, names)| (*topic, names.len()))
        .collect();
    let expected = [
        ("customers", 5),
        ("inventory", 4),
        ("orders", 4),
        ("payments", 3),
        ("products", 4),
        ("system", 3),
    ];
    assert_eq!(counts, expected);
    for topic in Topic::ALL {
        assert_eq!(Topic::parse(topic.as_str()), Some(topic));
    }
}

#[test]
fn who_may_subscribe_to_what_is_the_documents_matrix_with_announcements_for_everybody() {
    let roles = |topic: Topic| {
        let roles = Role::ALL.into_iter().filter(|role| topic.is_for(*role));
        roles.map(Role::as_str).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        roles(Topic::Orders),
        "admin customer manager staff super_admin"
    );
    assert_eq!(roles(Topic::Customers), "admin manager staff super_admin");
    assert_eq!(
        roles(Topic::Products),
        "admin customer guest manager staff super_admin"
    );
    assert_eq!(roles(Topic::Inventory), "admin manager staff super_admin");
    assert_eq!(roles(Topic::Payments), "admin customer manager super_admin");
    assert_eq!(
        roles(Topic::System),
        "admin customer guest manager staff super_admin"
    );
}

#[test]
fn no_room_is_behind_two_namespaces() {
    for role in Role::ALL {
        for topic in Topic::ALL {
            assert!(
                topic
                    .rooms(&who(role))
                    .iter()
                    .all(|room| Topic::of(room) == Some(topic)),
                "{topic:?}"
            );
        }
    }
}

#[test]
fn an_order_has_the_documents_shape_and_a_cancelled_one_is_also_deleted() {
    let expected = json!({
        "type": "order:status_changed",
        "data": {
            "id": "5", "customerId": "6", "customerName": "Ann Lee", "total": 12.3, "status": "shipped", "channel": "web",
        },
        "id": "00000001.7",
        "timestamp": "1970-01-01T00:00:00Z",
    });
    assert_eq!(
        sent(Logged::OrderStatusChanged(EventData::Own(order_of(
            OrderStatus::Shipped
        )))),
        [expected]
    );
    let cancelled = sent(Logged::OrderStatusChanged(EventData::Own(order_of(
        OrderStatus::Cancelled,
    ))));
    let names: Vec<_> = cancelled
        .iter()
        .map(|message| message["type"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["order:status_changed", "order:deleted"]);
    assert_eq!(cancelled[0]["data"], cancelled[1]["data"]);
    assert_eq!(
        sent(Logged::OrderUpdated(EventData::Own(order_of(
            OrderStatus::Cancelled
        ))))
        .len(),
        1
    );
}

#[test]
fn amounts_are_numbers_and_the_ephemeral_have_no_id() {
    let amount: Money = "99.90".parse().unwrap();
    let order_id = 5_u64.try_into().unwrap();
    let payment = Payment {
        order_id,
        customer_id: None,
        amount,
        currency: "EUR".to_owned(),
    };
    let data = &sent(Logged::PaymentReceived(EventData::Own(payment)))[0]["data"];
    assert_eq!(
        *data,
        json!({ "orderId": "5", "customerId": null, "amount": 99.9, "currency": "EUR" })
    );
    let change = PriceChange {
        product_id: 1_u64.try_into().unwrap(),
        variant_id: 2_u64.try_into().unwrap(),
        sku: None,
        previous_price: "10.00".parse().unwrap(),
        price: "9.50".parse().unwrap(),
    };
    let data = &sent(Logged::ProductPriceChanged(EventData::Own(change)))[0]["data"];
    assert_eq!(
        (&data["previousPrice"], &data["price"]),
        (&json!(10.0), &json!(9.5))
    );

    let event = Ephemeral::CustomerOnline(EventData::Own(CustomerPresence {
        customer_id: 6_u64.try_into().unwrap(),
    }));
    let online = &told(&Broadcast::ephemeral(
        shop(),
        None,
        Timestamp::UNIX_EPOCH,
        event,
    ))[0];
    assert_eq!(
        (&online["type"], &online["data"]),
        (&json!("customer:online"), &json!({ "customerId": "6" }))
    );
    assert!(online.get("id").is_none());
}

#[test]
fn what_others_post_comes_as_it_was_and_orders_in_the_documents_shape() {
    let posted = |kind, data| sent(posted(kind, data));
    let viewing = json!({ "customerId": 6, "productId": "p-1", "page": { "n": 1 } });
    let message = &posted(Kind::CustomerViewingProduct, viewing.clone())[0];
    assert_eq!(
        (&message["type"], &message["data"]),
        (&json!("customer:viewing_product"), &viewing)
    );

    let order = json!({ "id": "o-1", "customerId": 6, "customerName": "Ann", "total": 5, "status": "new", "secret": 1 });
    let expected = json!({
        "id": "o-1", "customerId": "6", "customerName": null, "total": 5, "status": "new", "channel": null,
    });
    assert_eq!(posted(Kind::OrderCreated, order)[0]["data"], expected);
    let cancelled = json!({ "orderId": "o-1", "newStatus": "cancelled" });
    assert_eq!(
        posted(Kind::OrderStatusChanged, cancelled)[1]["type"],
        "order:deleted"
    );
    assert!(
        posted(
            Kind::CompanyNotification,
            json!({ "companyId": "c", "title": "t" })
        )
        .is_empty()
    );
}

#[test]
fn a_room_brings_only_what_its_namespace_is_about() {
    let notice = || Notice {
        user_id: None,
        title: "t".to_owned(),
        message: "m".to_owned(),
    };
    let payment = Logged::PaymentReceived(EventData::Own(Payment {
        order_id: 5_u64.try_into().unwrap(),
        customer_id: None,
        amount: "1.00".parse().unwrap(),
        currency: "EUR".to_owned(),
    }));
    let order = Logged::OrderUpdated(EventData::Own(order_of(OrderStatus::Created)));
    assert!(hears(&Room::OrdersAll, &order) && !hears(&Room::OrdersAll, &payment));
    assert!(hears(&Room::Payments, &payment) && !hears(&Room::Payments, &order));
    assert!(hears(
        &Room::Everyone,
        &posted(Kind::SecurityAlert, json!({ "title": "t" }))
    ));
    assert!(
        !hears(
            &Room::Notifications,
            &Logged::SystemAlert(EventData::Own(notice()))
        ),
        "a room of another contract"
    );
}

#[test]
fn requests_are_read_and_bounded() {
    use Role::{Admin, Customer, Guest, Service, Staff};
    let auth = |token: &str| {
        Ok(Request::Refresh {
            token: token.to_owned(),
            since: None,
        })
    };
    assert_eq!(
        asked(
            Guest,
            r#"{"type":"auth","data":{"token":"t","sessionId":"s","role":"admin"}}"#
        ),
        auth("t")
    );
    assert_eq!(
        asked(
            Guest,
            r#"{"type":"auth","data":{"userId":"x","sessionId":"s"}}"#
        ),
        auth("s")
    );
    assert_eq!(asked(Guest, r#"{"type":"ping"}"#), Ok(Request::Ping));
    assert_eq!(
        asked(
            Staff,
            r#"{"type":"subscribe","data":{"namespace":"orders","since":"other","batchMs":250}}"#
        ),
        Ok(Request::Join(Join {
            rooms: [Room::OrdersAll].into(),
            since: Some(Since::Foreign),
            wait: Some(Duration::from_millis(250)),
            ..Join::default()
        }))
    );
    let rooms = [Room::Customers].into();
    assert_eq!(
        asked(
            Customer,
            r#"{"type":"unsubscribe","data":{"namespace":"customers"}}"#
        ),
        Ok(Request::Leave(Leaving::Rooms(rooms)))
    );

    let invalid = |field: &str| Err((ErrorCode::InvalidPayload, Some(field.to_owned())));
    let subscribe =
        |role, data: &str| asked(role, &format!(r#"{{"type":"subscribe","data":{data}}}"#));
    for data in [
        "null",
        "{}",
        r#"{"namespace":7}"#,
        r#"{"namespace":"Orders"}"#,
        r#"{"namespace":"__proto__"}"#,
    ] {
        assert_eq!(subscribe(Admin, data), invalid("namespace"), "{data}");
    }
    assert_eq!(
        subscribe(Admin, "[]"),
        Err((ErrorCode::InvalidPayload, None))
    );
    assert_eq!(
        subscribe(Admin, r#"{"namespace":"orders","since":7}"#),
        invalid("since")
    );
    for batch in ["-1", "1.5", "10001", "\"250\"", "[]"] {
        let data = format!(r#"{{"namespace":"orders","batchMs":{batch}}}"#);
        assert_eq!(subscribe(Admin, &data), invalid("batchMs"), "{batch}");
    }
    assert_eq!(
        asked(Admin, r#"{"type":"auth","data":{"role":"admin"}}"#),
        invalid("token")
    );
    let forbidden = Err((ErrorCode::Forbidden, Some("namespace".to_owned())));
    assert_eq!(subscribe(Staff, r#"{"namespace":"payments"}"#), forbidden);
    assert_eq!(subscribe(Service, r#"{"namespace":"products"}"#), forbidden);
    assert_eq!(
        asked(Admin, r#"{"type":"constructor"}"#),
        Err((ErrorCode::UnknownEvent, None))
    );
}

#[test]
fn what_is_no_message_is_refused() {
    let deep = format!("{}{}", r#"{"type":"ping","data":"#, "[".repeat(200_000));
    for text in [
        "",
        "ping",
        "null",
        "7",
        "[]",
        "{}",
        r#"{"type":7}"#,
        r#"{"data":{}}"#,
        r#"{"type":"ping"}}"#,
        &deep,
    ] {
        assert_eq!(read(text).unwrap_err().code, ErrorCode::InvalidPayload);
    }
}
