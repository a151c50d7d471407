//! hub's pages and services, as its document has them, against the real daemon; at `/`, where a listener says so.

use schemas::Role;
use serde_json::{Value, json};
use tests::{Client, Page, Settings, TestDaemon, TestShop, Token, free_address};

/// A daemon whose `/` speaks hub, and whose neighbours need no token to post.
async fn daemon(shop: &TestShop, server: &str) -> TestDaemon {
    let settings = Settings {
        server: format!("root = \"hub\"\n{server}"),
        shop: "id = \"s1\"\ncompany = \"c1\"".to_owned(),
        ..Settings::default()
    };
    let daemon = TestDaemon::with(shop, settings).await;
    daemon.imported().await;
    daemon
}

fn posted(event: &str, data: Value) -> Value {
    let mut body = json!({ "event": event });
    body["data"] = data;
    body
}

#[tokio::test]
async fn each_page_shows_what_is_for_it() {
    let shop = TestShop::opens().await;
    let daemon = daemon(&shop, "").await;
    let page = |token: Token| Page::opens("hub.mjs", &daemon.url(), &daemon.token(&token));
    let manager = page(Token::of(Role::Manager).user("m"));
    let customer = page(Token::of(Role::Customer).user("789"));
    let connected = customer.hears("connected").await;
    assert!(connected["message"].is_string() && connected["socketId"].is_string());
    assert_eq!(connected["userId"], "789");
    assert_eq!(
        customer.hears("error").await["event"],
        "join_room",
        "custom rooms are for staff"
    );
    manager.hears("connected").await;
    customer
        .hears_where("error", |error| error["event"] == "typing")
        .await;

    let service = Token::of(Role::Service);
    let order = json!({ "orderId": "order-123", "orderNumber": "ORD-12345", "userId": 789, "status": "created" });
    daemon
        .posts("events", &posted("order:created", order), &service)
        .await;
    assert_eq!(
        manager.hears("order:new_order").await["orderNumber"],
        "ORD-12345"
    );
    assert_eq!(
        manager.hears("order:shop_order").await["orderId"],
        "order-123"
    );
    let order = json!({ "orderId": "order-123", "orderNumber": "ORD-12345", "userId": 789, "status": "shipped" });
    daemon
        .posts("events", &posted("order:status_changed", order), &service)
        .await;
    customer.shows("Your order #ORD-12345 is now shipped").await;
    customer
        .hears_where("tracked", |status| status == "shipped")
        .await;
    manager
        .hears_where("tracked", |status| status == "shipped")
        .await;

    let stock = json!({ "productId": "product-456", "productName": "iPhone 15", "quantity": 5, "threshold": 10 });
    daemon
        .posts(
            "events",
            &posted("inventory:updated", stock.clone()),
            &service,
        )
        .await;
    assert_eq!(
        manager.hears("counted").await,
        json!({ "productId": "product-456", "quantity": 5 })
    );
    daemon
        .posts("events", &posted("inventory:low_stock", stock), &service)
        .await;
    let alerted =
        json!({ "message": "iPhone 15 is running low (5 remaining)", "severity": "warning" });
    assert_eq!(manager.hears("alerted").await, alerted);
    manager.hears("inventory:alert").await;

    let notice = json!({ "companyId": "c1", "subject": "Hello", "content": "All" });
    daemon
        .posts("events", &posted("company:notification", notice), &service)
        .await;
    assert_eq!(manager.hears("notification:new").await["subject"], "Hello");
    let notice =
        json!({ "subject": "System Maintenance", "content": "Tonight", "priority": "high" });
    daemon
        .posts("events", &posted("system:maintenance", notice), &service)
        .await;
    assert_eq!(
        customer.hears("announcement:new").await["content"],
        "Tonight"
    );
    assert_eq!(
        (
            customer.calls("notification:new"),
            customer.calls("counted"),
            customer.calls("alerted")
        ),
        (0, 0, 0)
    );

    let spot = shop.spot(0, 2).await;
    shop.sells(&spot, 1).await;
    let event = manager
        .hears_where("inventory:updated", |data| data["source"].is_null())
        .await;
    assert!(
        event["quantity"].is_number() && event["productId"].is_string(),
        "{event}"
    );
}

#[tokio::test]
async fn neighbours_without_a_token_are_services_where_that_is_configured_and_nobody_elsewhere() {
    let shop = TestShop::opens().await;
    let (open, closed) = (
        daemon(&shop, "trusted_networks = [\"127.0.0.1\"]").await,
        daemon(&shop, "").await,
    );
    let asks = async |daemon: &TestDaemon, path: &str| {
        let answer = daemon
            .http()
            .get(format!("{}/{path}", daemon.url()))
            .send()
            .await
            .unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap(),
        )
    };
    let (status, health) = asks(&closed, "health").await;
    assert_eq!(
        (status, &health["status"], &health["service"]),
        (200, &json!("OK"), &json!("websocket-service"))
    );
    let page = Page::opens(
        "hub.mjs",
        &open.url(),
        &open.token(&Token::of(Role::Staff).user("user123")),
    );
    page.hears("connected").await;
    let users = json!({ "success": true, "data": { "count": 1, "users": ["user123"] } });
    assert_eq!(asks(&open, "connected-users").await, (200, users));
    let one = json!({ "success": true, "data": { "userId": "user123", "isConnected": true } });
    assert_eq!(asks(&open, "user-status/user123").await, (200, one));
    for path in ["connected-users", "user-status/user123"] {
        assert_eq!(asks(&closed, path).await.0, 401, "{path}");
    }
    let posts = async |daemon: &TestDaemon| {
        let body = json!({ "productId": 1, "currentQuantity": 0, "alertType": "out_of_stock" });
        let url = format!("{}/websocket/notifications/inventory-alert", daemon.url());
        daemon
            .http()
            .post(url)
            .json(&body)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!((posts(&open).await, posts(&closed).await), (201, 401));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_listener_speaks_its_own_contract_to_pages_of_its_own_origins() {
    let shop = TestShop::opens().await;
    let address = free_address();
    let native =
        format!("[[server]]\nlisten = \"{address}\"\norigins = [\"https://stock.example\"]");
    let settings = Settings {
        origin: "https://hub.example".to_owned(),
        server: "root = \"hub\"".to_owned(),
        shop: "id = \"s1\"\ncompany = \"c1\"".to_owned(),
        sections: native,
        ..Settings::default()
    };
    let daemon = TestDaemon::with(&shop, settings).await;
    daemon.imported().await;
    let token = daemon.token(&Token::of(Role::Manager).user("m"));
    let (hub, oda) = (daemon.url(), format!("http://{address}"));
    let from = |url: &str, origin: &str| {
        let options = json!({ "auth": { "token": token }, "extraHeaders": { "Origin": origin } });
        Client::with(url, "/", &options)
    };
    let (mut one, mut other) = (
        from(&hub, "https://hub.example"),
        from(&oda, "https://stock.example"),
    );
    assert_eq!(
        one.connected().await["message"],
        "Connected to the realtime service"
    );
    assert_eq!(other.connected().await["role"], "manager");
    other.asks("subscribe:inventory", &json!({})).await;
    let spot = shop.spot(0, 2).await;
    shop.sells(&spot, 1).await;
    let heard = one.event("inventory:shop_update").await;
    assert!(heard["productId"].is_string(), "{heard}");
    let heard = other.event("inventory:updated").await;
    assert_eq!(heard["data"]["inventoryItemId"], spot.item.as_str());

    let asks = async |url: &str, path: &str, origin: &str| {
        let preflight = daemon
            .http()
            .request(reqwest::Method::OPTIONS, format!("{url}{path}"));
        let preflight = preflight
            .header("Access-Control-Request-Method", "POST")
            .header("Origin", origin);
        preflight.send().await.unwrap().status().as_u16()
    };
    for (url, own, foreign) in [
        (&hub, "https://hub.example", "https://stock.example"),
        (&oda, "https://stock.example", "https://hub.example"),
    ] {
        from(url, foreign).refused().await;
        for path in ["/api/v1/events", "/socket.io/", "/api/ws"] {
            assert_eq!(
                (asks(url, path, own).await, asks(url, path, foreign).await),
                (204, 403),
                "{url}{path}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_names_what_is_told_and_where_and_never_what_is_in_it() {
    let shop = TestShop::opens().await;
    let settings = Settings {
        log: "debug".to_owned(),
        ..Settings::default()
    };
    let daemon = TestDaemon::with(&shop, settings).await;
    daemon.imported().await;
    let token = daemon.token(&Token::of(Role::Manager).user("m"));
    let mut clients = Vec::new();
    for namespace in ["/", "/events", "/hub"] {
        let mut client = Client::connects(&daemon.url(), namespace, &token);
        client.connected().await;
        clients.push(client);
    }
    let service = Token::of(Role::Service);
    let notice = json!({ "userId": "m", "title": "canary-title", "message": "canary-message", "x": "canary-x" });
    let (_, told) = daemon
        .posts("events", &posted("user:notification", notice), &service)
        .await;
    let emitted = json!({ "target": { "user": "m" }, "event": "coffee:ready", "data": { "cup": "canary-cup" } });
    daemon.posts("emit", &emitted, &service).await;
    for (client, name) in
        clients
            .iter_mut()
            .zip(["notification", "user_notification", "notification:new"])
    {
        assert!(
            client
                .event(name)
                .await
                .to_string()
                .contains("canary-message")
        );
        assert!(
            client
                .event("coffee:ready")
                .await
                .to_string()
                .contains("canary-cup")
        );
    }
    let log = daemon.log();
    let offset = told["offset"].as_str().unwrap();
    let line = log
        .lines()
        .find(|line| line.contains("notification:new"))
        .unwrap();
    assert!(
        line.contains("/hub") && line.contains("user:m") && line.contains(offset),
        "{line}"
    );
    assert!(log.contains("coffee:ready") && !log.contains("canary"));
}
