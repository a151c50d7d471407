//! oms's clients and services, as its documents have them, against the real daemon.

use schemas::Role;
use serde_json::{Value, json};
use tests::{Page, Settings, TestDaemon, TestShop, Token};

async fn posts(
    daemon: &TestDaemon,
    path: &str,
    body: &Value,
    token: Option<&Token>,
) -> (u16, Value) {
    let request = daemon
        .http()
        .post(format!("{}/websocket/{path}", daemon.url()))
        .json(body);
    let request = match token {
        Some(token) => request.bearer_auth(daemon.token(token)),
        None => request,
    };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn asks(daemon: &TestDaemon, path: &str, token: Option<&Token>) -> (u16, Value) {
    let request = daemon
        .http()
        .get(format!("{}/{path}", daemon.url()))
        .header("accept", "application/json");
    let request = match token {
        Some(token) => request.bearer_auth(daemon.token(token)),
        None => request,
    };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn what_omss_services_post_its_clients_show() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let admin = Page::opens(
        "oms.mjs",
        &daemon.url(),
        &daemon.token(&Token::of(Role::Admin).user("1")),
    );
    assert_eq!(admin.hears("connected").await["userId"], 1);
    assert_eq!(
        admin.hears("subscription_confirmed").await["type"],
        "order_updates"
    );
    admin
        .hears_where("subscription_confirmed", |data| {
            data["type"] == "inventory_updates"
        })
        .await;
    assert!(admin.hears("pong").await["timestamp"].is_string());
    let customer = Page::opens(
        "oms.mjs",
        &daemon.url(),
        &daemon.token(&Token::of(Role::Customer).user("789")),
    );
    customer.hears("pong").await;
    assert_eq!(
        customer.hears("error").await["event"],
        "subscribe_to_inventory"
    );

    let service = Token::of(Role::Service);
    let order = json!({ "orderId": "123", "aliasId": "ORDER-456", "userId": 789, "totalAmount": 99.99, "status": "created" });
    let (status, answer) = posts(
        &daemon,
        "notifications/order-created",
        &order,
        Some(&service),
    )
    .await;
    assert_eq!(
        (status, &answer["success"]),
        (201, &json!(true)),
        "{answer}"
    );
    assert!(answer["id"].is_string());
    let event = admin.hears("order_update").await;
    assert_eq!(
        (&event["type"], &event["userId"], &event["data"]["orderId"]),
        (&json!("order_status"), &json!(789), &json!("123"))
    );
    customer.hears("order_update").await;
    customer
        .shows("Order Created Successfully: Your order ORDER-456 has been created successfully")
        .await;

    let update = json!({ "orderId": "123", "aliasId": "ORDER-456", "userId": 789, "newStatus": "shipped", "previousStatus": "created" });
    posts(
        &daemon,
        "notifications/order-status-update",
        &update,
        Some(&service),
    )
    .await;
    admin.shows("Order ORDER-456 has been shipped!").await;
    customer.shows("Order ORDER-456 has been shipped!").await;

    let alert = json!({ "productId": 101, "productName": "Test Product", "currentQuantity": 5, "threshold": 10, "alertType": "low_stock" });
    posts(
        &daemon,
        "notifications/inventory-alert",
        &alert,
        Some(&service),
    )
    .await;
    admin.shows("Low stock alert for product 101").await;
    assert_eq!(customer.calls("inventory_update"), 0);

    let all = json!({ "type": "system", "title": "System Maintenance", "message": "At 2 AM", "data": { "hours": 2 } });
    posts(&daemon, "broadcast", &all, Some(&Token::of(Role::Admin))).await;
    let event = customer.hears("system_notification").await;
    assert_eq!(
        event["data"],
        json!({ "title": "System Maintenance", "message": "At 2 AM", "data": { "hours": 2 } })
    );
    let one = json!({ "type": "user", "userId": 789, "title": "Hello", "message": "You" });
    posts(&daemon, "broadcast", &one, Some(&service)).await;
    customer.shows("Hello: You").await;
    let role = json!({ "type": "role", "role": "admin", "title": "Hello", "message": "Admins" });
    posts(&daemon, "broadcast", &role, Some(&service)).await;
    admin
        .hears_where("system_notification", |event| {
            event["data"]["message"] == "Admins"
        })
        .await;
    assert_eq!(
        (
            admin.calls("user_notification"),
            customer.calls("system_notification")
        ),
        (0, 1)
    );

    let (_, online) = asks(&daemon, "websocket/users/online", Some(&service)).await;
    assert_eq!(online, json!({ "count": 2, "users": [1, 789] }));
    let (_, one) = asks(&daemon, "websocket/users/789/online", Some(&service)).await;
    assert_eq!(one, json!({ "userId": 789, "online": true }));
    let (status, health) = asks(&daemon, "websocket/health", None).await;
    assert_eq!(
        (
            status,
            &health["status"],
            &health["stats"]["authenticatedUsers"]
        ),
        (200, &json!("OK"), &json!(2))
    );
    assert!(health["stats"]["rooms"].is_null() && health["stats"]["onlineUsers"].is_null());
    let (_, health) = asks(&daemon, "websocket/health", Some(&Token::of(Role::Admin))).await;
    assert_eq!(
        (
            &health["stats"]["rooms"]["order_updates"],
            &health["stats"]["rooms"]["user_789"]
        ),
        (&json!(2), &json!(1))
    );
    let (_, figures) = asks(&daemon, "metrics", None).await;
    assert!(
        figures["uptime"].is_number() && figures["memoryUsage"]["rss"].as_u64() > Some(1_000_000),
        "{figures}"
    );
}

#[tokio::test]
async fn who_may_not_and_what_cannot_be_read_is_refused_with_the_reason() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let order = json!({ "orderId": "1", "userId": 1 });
    for role in [Role::Manager, Role::Staff, Role::Customer, Role::Guest] {
        let (status, answer) = posts(
            &daemon,
            "notifications/order-created",
            &order,
            Some(&Token::of(role)),
        )
        .await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (403, &json!("FORBIDDEN")),
            "{role:?}"
        );
        assert_eq!(
            asks(&daemon, "websocket/users/online", Some(&Token::of(role)))
                .await
                .0,
            403,
            "{role:?}"
        );
        assert_eq!(
            asks(&daemon, "connected-users", Some(&Token::of(role)))
                .await
                .0,
            403,
            "{role:?}"
        );
    }
    assert_eq!(
        posts(&daemon, "notifications/order-created", &order, None)
            .await
            .0,
        401
    );
    let service = Token::of(Role::Service);
    for (path, body, field) in [
        (
            "notifications/order-created",
            json!({ "userId": 1 }),
            "orderId",
        ),
        (
            "notifications/order-status-update",
            json!({ "orderId": 1 }),
            "newStatus",
        ),
        (
            "notifications/inventory-alert",
            json!({ "productId": 1, "alertType": "low_stock" }),
            "currentQuantity",
        ),
        (
            "notifications/inventory-alert",
            json!({ "productId": 1, "currentQuantity": 1 }),
            "alertType",
        ),
        (
            "broadcast",
            json!({ "type": "user", "message": "m" }),
            "userId",
        ),
        (
            "broadcast",
            json!({ "type": "role", "role": "king", "message": "m" }),
            "role",
        ),
        (
            "broadcast",
            json!({ "type": "all", "message": "m" }),
            "type",
        ),
        ("broadcast", json!({ "type": "system" }), "message"),
    ] {
        let (status, answer) = posts(&daemon, path, &body, Some(&service)).await;
        assert_eq!(
            (status, &answer["error"]["field"]),
            (400, &json!(field)),
            "{path} {body}: {answer}"
        );
    }
}

#[tokio::test]
async fn preflights_are_answered_for_the_configured_pages_and_no_other() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::with(&shop, Settings::default()).await;
    let preflight = async |origin: &str| {
        let url = format!("{}/websocket/health", daemon.url());
        let request = daemon
            .http()
            .request(reqwest::Method::OPTIONS, url)
            .header("origin", origin);
        let request = request.header("access-control-request-method", "GET");
        request
            .header("access-control-request-headers", "Authorization")
            .send()
            .await
            .unwrap()
    };
    let allowed = preflight("https://stock.example").await;
    assert_eq!(allowed.status(), 204);
    for (name, value) in [
        ("access-control-allow-origin", "https://stock.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET, POST, PUT, DELETE"),
        (
            "access-control-allow-headers",
            "Content-Type, Authorization",
        ),
    ] {
        assert_eq!(allowed.headers()[name], value);
    }
    for other in ["https://other.example", "null"] {
        let refused = preflight(other).await;
        assert_eq!(refused.status(), 403, "{other}");
        assert!(
            !refused
                .headers()
                .contains_key("access-control-allow-origin")
        );
    }
}
