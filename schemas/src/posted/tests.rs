//! What may be posted, who sees it, and what is refused with which field.

use serde_json::json;

use super::*;
use crate::access::Identity;
use crate::kind::Logged;

fn posted(kind: Kind, data: Value) -> Result<Event, ErrorBody> {
    let Value::Object(data) = data else {
        panic!("not an object")
    };
    Posted::read(kind, "erp".to_owned(), None, data)
}

fn field(kind: Kind, data: Value) -> Option<String> {
    posted(kind, data).unwrap_err().field
}

fn who(role: Role, user: &str) -> Identity {
    Identity::unlimited(user.parse().unwrap(), role)
}

fn names(posted: &Event) -> Vec<String> {
    posted.rooms().iter().map(ToString::to_string).collect()
}

#[test]
fn an_order_posted_for_a_user_is_seen_by_that_user_and_by_the_shop() {
    let order = posted(
        Kind::OrderCreated,
        json!({ "orderId": "order-123", "userId": 789 }),
    )
    .unwrap();
    assert_eq!(
        names(&order),
        [
            "order:order-123",
            "orders:all",
            "orders:customer:789",
            "user:789"
        ]
    );
    for (role, user, sees) in [
        (Role::Customer, "789", true),
        (Role::Customer, "790", false),
        (Role::Staff, "1", true),
        (Role::Manager, "1", true),
        (Role::Guest, "789", false),
        (Role::Service, "789", false),
    ] {
        assert_eq!(
            who(role, user).may_see(order.subject()),
            sees,
            "{role:?} {user}"
        );
    }
}

#[test]
fn a_place_that_is_not_shopifys_is_not_one_of_anybodys() {
    let limited = Identity {
        locations: Some(vec!["5".parse().unwrap()]),
        ..who(Role::Staff, "1")
    };
    for (data, sees) in [
        (json!({ "orderId": 1 }), true),
        (json!({ "orderId": 1, "locationId": 5 }), true),
        (json!({ "orderId": 1, "locationIds": ["6", 5] }), true),
        (json!({ "orderId": 1, "locationId": 6 }), false),
        (json!({ "orderId": 1, "locationId": "warehouse" }), false),
    ] {
        let order = posted(Kind::OrderUpdated, data.clone()).unwrap();
        assert_eq!(limited.may_see(order.subject()), sees, "{data}");
        assert!(who(Role::Staff, "1").may_see(order.subject()), "{data}");
    }
    let stock = posted(
        Kind::InventoryUpdated,
        json!({ "productId": 1, "locationId": "warehouse" }),
    )
    .unwrap();
    assert!(!limited.may_see(stock.subject()) && who(Role::Staff, "1").may_see(stock.subject()));
}

#[test]
fn a_companys_notice_is_for_the_company_and_a_roles_for_the_role() {
    let notice = posted(Kind::CompanyNotification, json!({ "companyId": "c1" })).unwrap();
    assert_eq!(names(&notice), ["company:c1", "role:super_admin"]);
    let colleague = Identity {
        companies: vec!["c1".parse().unwrap()],
        ..who(Role::Staff, "1")
    };
    assert!(
        colleague.may_see(notice.subject()) && !who(Role::Admin, "1").may_see(notice.subject())
    );

    let notice = posted(
        Kind::SystemNotification,
        json!({ "role": "admin", "title": "t" }),
    )
    .unwrap();
    assert_eq!(names(&notice), ["role:admin", "role:super_admin"]);
    assert!(!who(Role::Staff, "1").may_see(notice.subject()));
}

#[test]
fn what_cannot_be_meant_is_refused_with_its_field() {
    assert_eq!(
        field(Kind::OrderCreated, json!({ "userId": 1 })).as_deref(),
        Some("orderId")
    );
    assert_eq!(
        field(Kind::OrderCreated, json!({ "orderId": {} })).as_deref(),
        Some("orderId")
    );
    assert_eq!(
        field(Kind::OrderCreated, json!({ "orderId": 1, "status": 5 })).as_deref(),
        Some("status")
    );
    assert_eq!(
        field(Kind::PaymentStatusChanged, json!({ "orderId": 1 })).as_deref(),
        Some("status")
    );
    assert_eq!(
        field(Kind::InventoryUpdated, json!({ "quantity": 0 })).as_deref(),
        Some("productId")
    );
    assert_eq!(
        field(
            Kind::InventoryUpdated,
            json!({ "productId": 1, "quantity": "0" })
        )
        .as_deref(),
        Some("quantity")
    );
    assert_eq!(
        field(Kind::UserNotification, json!({ "title": "t" })).as_deref(),
        Some("userId")
    );
    assert_eq!(
        field(Kind::SystemAlert, json!({})).as_deref(),
        Some("message")
    );
    assert_eq!(
        field(Kind::SystemAlert, json!({ "message": "m", "role": "king" })).as_deref(),
        Some("role")
    );
    let long = "x".repeat(POSTED_BYTES_MAX);
    let refused = posted(Kind::SystemAlert, json!({ "message": long })).unwrap_err();
    assert_eq!(refused.code, crate::ErrorCode::TooLarge);
}

#[test]
fn what_is_emitted_comes_to_its_room_and_is_seen_by_who_may_see_that() {
    let emitted = |target: Value| {
        let body = json!({ "target": target, "event": "promo", "data": { "a": 1 } });
        Emitted::read("erp".to_owned(), body.as_object().unwrap())
    };
    for (target, room, staff, customer) in [
        (json!("all"), "everyone", true, true),
        (json!({ "user": 7 }), "user:7", true, true),
        (json!({ "company": "c1" }), "company:c1", false, false),
        (json!({ "shop": "5" }), "shop", true, false),
        (
            json!({ "room": "inventory:all" }),
            "inventory:all",
            true,
            false,
        ),
        (
            json!({ "room": "orders:customer:7" }),
            "orders:customer:7",
            true,
            true,
        ),
        (
            json!({ "room": "orders:customer:8" }),
            "orders:customer:8",
            true,
            false,
        ),
        (
            json!({ "room": "chat-room" }),
            "custom:chat-room",
            true,
            false,
        ),
    ] {
        let emitted = emitted(target).unwrap();
        assert_eq!(emitted.target.room().to_string(), room);
        assert_eq!(
            who(Role::Staff, "7").may_see(emitted.subject()),
            staff,
            "{room}"
        );
        assert_eq!(
            who(Role::Customer, "7").may_see(emitted.subject()),
            customer,
            "{room}"
        );
    }
    for bad in [
        json!(null),
        json!("user"),
        json!({}),
        json!({ "user": {} }),
        json!({ "user": 1, "room": 2 }),
    ] {
        assert_eq!(emitted(bad).unwrap_err().field.as_deref(), Some("target"));
    }
    let reserved = json!({ "target": "all", "event": "connect" });
    let refused = Emitted::read("erp".to_owned(), reserved.as_object().unwrap()).unwrap_err();
    assert_eq!(refused.field.as_deref(), Some("event"));
}

#[test]
fn what_was_posted_comes_back_from_the_log_as_it_was() {
    let order = posted(
        Kind::OrderCreated,
        json!({ "orderId": 5, "userId": "u", "total": 1.5 }),
    )
    .unwrap();
    let Event::Logged(event) = order else {
        panic!("{order:?} is not logged")
    };
    assert_eq!(Logged::read(&event.stored().unwrap()), Ok(event));
}
