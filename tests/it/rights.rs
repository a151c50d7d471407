//! Nobody sees what is not theirs: not live, not replayed, not in a snapshot, not over REST.

use schemas::Role;
use serde_json::{Value, json};
use tests::{Client, Settings, TestDaemon, TestShop, Token, Wire, forged};

fn error_code(answer: &Value) -> &str {
    assert_eq!(answer["ok"], false, "{answer}");
    answer["error"]["code"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_good_token_nobody_comes_in_or_hears_anything() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let secret = Settings::default().jwt_secret;
    let claims = json!({ "sub": "ann", "role": "admin", "exp": 4_000_000_000_u64 });
    let hs256 = json!({ "alg": "HS256", "typ": "JWT" });
    let with = |claims: &Value| forged(&hs256, claims, Some(&secret));
    assert_eq!(
        daemon.asked_with("levels?limit=1", &with(&claims)).await.0,
        200,
        "our forgery is a good one"
    );
    let jwk = json!({ "alg": "HS256", "jwk": { "kty": "oct", "k": "AAAA" } });
    let bad = [
        (
            "expired",
            daemon.token(&Token::of(Role::Admin).good_for(-60)),
        ),
        (
            "alg none",
            forged(&json!({ "alg": "none", "typ": "JWT" }), &claims, None),
        ),
        (
            "alg none, signed",
            forged(
                &json!({ "alg": "none", "typ": "JWT" }),
                &claims,
                Some(&secret),
            ),
        ),
        (
            "another algorithm",
            forged(
                &json!({ "alg": "HS512", "typ": "JWT" }),
                &claims,
                Some(&secret),
            ),
        ),
        (
            "another's key",
            forged(
                &hs256,
                &claims,
                Some("another secret of 32 bytes or more, too"),
            ),
        ),
        ("a key of its own", forged(&jwk, &claims, Some(&secret))),
        ("no exp", with(&json!({ "sub": "ann", "role": "admin" }))),
        (
            "no user",
            with(&json!({ "role": "admin", "exp": 4_000_000_000_u64 })),
        ),
        (
            "unknown role",
            with(&json!({ "sub": "ann", "role": "root", "exp": 4_000_000_000_u64 })),
        ),
        (
            "not yet",
            with(
                &json!({ "sub": "ann", "role": "admin", "exp": 4_000_000_000_u64, "nbf": 3_999_999_999_u64 }),
            ),
        ),
        ("cut short", with(&claims)[..40].to_owned()),
        ("garbage", "\u{1F980}.garbage.".to_owned()),
        ("huge", "a".repeat(100_000)),
    ];
    let mut refused = Vec::new();
    for (why, token) in &bad {
        let mut client = Client::connects(&daemon.url(), "/oda", token);
        assert_eq!(client.refused().await, "Invalid or expired token", "{why}");
        refused.push(client);
        if token.is_ascii() && token.len() < 5_000 {
            let (status, body) = daemon.asked_with("levels", token).await;
            assert_eq!(
                (status, &body["error"]["code"]),
                (401, &json!("TOKEN_INVALID")),
                "{why}"
            );
        }
    }
    for nothing in [
        json!({}),
        json!({ "auth": {} }),
        json!({ "auth": { "token": "" } }),
        json!({ "auth": { "token": 7 } }),
    ] {
        let mut client = Client::with(&daemon.url(), "/oda", &nothing);
        assert_eq!(client.refused().await, "Authentication required");
        refused.push(client);
    }
    // Never from the address.
    let query = json!({ "query": { "token": daemon.token(&Token::of(Role::Admin)) } });
    let mut client = Client::with(&daemon.url(), "", &query);
    assert_eq!(client.refused().await, "Authentication required");
    refused.push(client);

    let mut admin = daemon.client(&Token::of(Role::Admin)).await;
    admin.asks("subscribe:inventory", &json!({})).await;
    for client in &mut refused {
        client.emits("subscribe:inventory", &json!({}));
    }
    shop.sells(&shop.spot(0, 1).await, 1).await;
    admin.event("inventory:updated").await;
    assert!(refused.iter().all(|client| client.events("").is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn staff_of_one_location_see_nothing_of_another() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let own = shop.spot(0, 5).await;
    let foreign = shop.elsewhere(&own, 5).await;
    let (token, admin) = (Token::staff_at(&own.location), Token::of(Role::Admin));
    let here = |event: &Value| event["data"]["locationId"] == own.location.as_str();

    let mut live = daemon.client(&token).await;
    let answer = live
        .asks("subscribe:inventory", &json!({ "snapshot": true }))
        .await;
    let levels = answer["levels"].as_array().unwrap();
    assert!(
        !levels.is_empty()
            && levels
                .iter()
                .all(|level| level["locationId"] == own.location.as_str())
    );
    let answer = live
        .asks(
            "subscribe:inventory",
            &json!({ "locationIds": [foreign.location] }),
        )
        .await;
    assert_eq!(error_code(&answer), "FORBIDDEN");
    assert_eq!(live.event("error").await["event"], "subscribe:inventory");
    // A product is everywhere; of it they see what is theirs.
    live.asks(
        "subscribe:inventory",
        &json!({ "productIds": [own.product] }),
    )
    .await;
    live.asks("subscribe:orders", &json!({})).await;

    let mut all = daemon.client(&admin).await;
    all.asks("subscribe:inventory", &json!({})).await;
    all.asks("subscribe:orders", &json!({})).await;
    let abroad = shop.sells(&foreign, 1).await;
    all.event_where("order:updated", |event| {
        event["data"]["orderId"] == abroad["id"]
    })
    .await;
    shop.order("fulfill", &abroad).await;
    all.event_where("order:updated", |event| {
        event["data"]["status"] == "shipped"
    })
    .await;
    let mut late = daemon.client(&token).await;
    let home = shop.sells(&own, 1).await;
    live.event_where("inventory:updated", here).await;
    shop.order("fulfill", &home).await;
    live.event_where("order:updated", |event| {
        event["data"]["status"] == "shipped"
    })
    .await;

    let beginning = daemon.beginning().await;
    late.asks("subscribe:inventory", &json!({ "since": beginning }))
        .await;
    late.asks("subscribe:orders", &json!({ "since": beginning }))
        .await;

    for (how, client) in [("live", &live), ("replayed", &late)] {
        let levels = client.events("inventory:");
        assert!(
            !levels.is_empty() && levels.iter().all(|(_, event)| here(event)),
            "{how}: {levels:?}"
        );
        // Unassigned it was everybody's; once another location had it, no longer.
        let strange = |event: &Value| {
            event["data"]["orderId"] == abroad["id"] && event["data"]["status"] == "shipped"
        };
        assert!(
            !client
                .events("order:")
                .iter()
                .any(|(_, event)| strange(event)),
            "{how}"
        );
    }
    let rest = daemon.list("levels", &token).await;
    assert!(
        !rest.is_empty()
            && rest
                .iter()
                .all(|level| level["locationId"] == own.location.as_str())
    );
    let rest = daemon.list("events?rooms=inventory:all", &token).await;
    assert!(!rest.is_empty() && rest.iter().all(here));
    let orders = daemon.list("orders", &token).await;
    assert!(orders.iter().any(|order| order["orderId"] == home["id"]));
    assert!(orders.iter().all(|order| order["orderId"] != abroad["id"]));
    let orders = daemon.list("orders", &admin).await;
    assert!(
        [&home, &abroad]
            .iter()
            .all(|sold| orders.iter().any(|order| order["orderId"] == sold["id"]))
    );
    // No door names another location, not even where the next page begins.
    let mut doors: Vec<String> = ["drift", "commands", "reservations"]
        .map(|list| format!("{list}?limit=1"))
        .into();
    for list in ["events", "levels", "orders"] {
        doors.extend([1, 2, 3, 1_000].map(|limit| format!("{list}?limit={limit}")));
    }
    doors.push(format!(
        "events?rooms=inventory:all,inventory:location:{}",
        foreign.location
    ));
    for door in doors {
        let (status, told) = daemon.asked(&door, &token).await;
        assert_eq!(status, 200, "{door}");
        assert!(
            !told.to_string().contains(&foreign.location),
            "{door}: {told}"
        );
    }
    let page = daemon
        .asked(
            "orders?limit=1",
            &Token::customer(home["customerId"].as_str().unwrap()),
        )
        .await
        .1;
    assert!(
        !page.to_string().contains(abroad["id"].as_str().unwrap()),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_sent_to_a_room_that_staff_made_up_is_shown_to_no_one_else() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let body = json!({ "target": { "room": "back-office" }, "event": "note", "data": { "text": "secret 4711" } });
    assert_eq!(
        daemon
            .posts("emit", &body, &Token::of(Role::Service))
            .await
            .0,
        201
    );
    for role in [Role::Guest, Role::Customer, Role::Staff, Role::Admin] {
        for door in ["events?limit=1000", "events?rooms=custom:back-office"] {
            let (status, told) = daemon.asked(door, &Token::of(role)).await;
            assert_eq!(status, 200, "{door} by {role:?}");
            assert_eq!(
                told.to_string().contains("4711"),
                role.is_staff(),
                "{door} by {role:?}: {told}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_in_parameters_are_bounded_and_each_part_counts_once() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let admin = Token::of(Role::Admin);
    shop.sells(&shop.spot(0, 1).await, 1).await;
    shop.falls_quiet().await;
    daemon.comes_to_rest(&shop).await;
    let once = daemon
        .asked("events?rooms=inventory:all&limit=5", &admin)
        .await
        .1;
    let often = vec!["inventory:all"; 300].join(",");
    assert_eq!(
        daemon
            .asked(&format!("events?rooms={often}&limit=5"), &admin)
            .await
            .1["data"],
        once["data"]
    );
    let many: Vec<String> = (1..=101)
        .map(|id| format!("inventory:product:{id}"))
        .collect();
    let numbers: Vec<String> = (1..=101).map(|id| id.to_string()).collect();
    for (field, list) in [("rooms", many.join(",")), ("productId", numbers.join(","))] {
        let path = if field == "rooms" { "events" } else { "levels" };
        let (status, refused) = daemon
            .asked(&format!("{path}?{field}={list}"), &admin)
            .await;
        assert_eq!(
            (status, &refused["error"]["field"]),
            (400, &json!(field)),
            "{refused}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customers_see_their_own_orders_and_no_stock() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let spot = shop.spot(0, 5).await;
    let (mine, theirs) = (shop.sells(&spot, 1).await, shop.sells(&spot, 1).await);
    shop.falls_quiet().await;
    daemon.inbox_is_empty().await;
    let token = Token::customer(mine["customerId"].as_str().unwrap());
    let mut live = daemon.client(&token).await;
    let answer = live
        .asks(
            "subscribe:orders",
            &json!({ "since": daemon.beginning().await }),
        )
        .await;
    assert_eq!(
        answer["rooms"],
        json!([format!(
            "orders:customer:{}",
            mine["customerId"].as_str().unwrap()
        )])
    );
    let answer = live
        .asks(
            "subscribe:orders",
            &json!({ "customerId": theirs["customerId"] }),
        )
        .await;
    assert_eq!(error_code(&answer), "FORBIDDEN");
    for request in [
        "subscribe:inventory",
        "inventory:update",
        "inventory:reserve",
    ] {
        assert_eq!(
            error_code(&live.asks(request, &json!({})).await),
            "FORBIDDEN",
            "{request}"
        );
    }
    live.asks("subscribe:notifications", &json!({})).await;

    shop.order("pay", &theirs).await;
    shop.falls_quiet().await;
    shop.order("pay", &mine).await;

    let paid = live
        .event_where("order:updated", |event| {
            event["data"]["status"] == "confirmed"
        })
        .await;
    assert_eq!(paid["data"]["orderId"], mine["id"]);
    let orders = live.events("order:");
    assert!(
        orders.len() >= 2
            && orders
                .iter()
                .all(|(_, event)| event["data"]["orderId"] == mine["id"])
    );
    assert_eq!(live.events("inventory:updated"), []);
    // Other customers' doings are not theirs to know either.
    let notified = live.events("notification");
    assert!(
        notified
            .iter()
            .all(|(_, event)| event["data"]["event"] != "customer:activity"),
        "{notified:?}"
    );
    assert_eq!(live.events("shopify:"), []);

    let orders = daemon.list("orders", &token).await;
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0]["orderId"], mine["id"]);
    for forbidden in ["levels", "items", "customers", "runs", "deliveries"] {
        assert_eq!(daemon.asked(forbidden, &token).await.0, 403, "{forbidden}");
    }
    assert!(!daemon.list("products", &token).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guests_and_services_hear_of_no_stock_and_no_orders() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut admin = daemon.client(&Token::of(Role::Admin)).await;
    admin.asks("subscribe:orders", &json!({})).await;
    let mut strangers = Vec::new();
    for role in [Role::Guest, Role::Service] {
        let mut client = daemon.client(&Token::of(role)).await;
        for request in [
            "subscribe:inventory",
            "subscribe:orders",
            "inventory:update",
        ] {
            let answer = client
                .asks(
                    request,
                    &json!({ "snapshot": true, "since": daemon.beginning().await }),
                )
                .await;
            assert_eq!(error_code(&answer), "FORBIDDEN", "{request} by {role:?}");
        }
        strangers.push((role, client));
    }
    assert_eq!(
        error_code(
            &strangers[1]
                .1
                .asks("subscribe:notifications", &json!({}))
                .await
        ),
        "FORBIDDEN"
    );

    shop.sells(&shop.spot(0, 1).await, 1).await;
    admin.event("order:updated").await;

    for (role, client) in &mut strangers {
        client.asks("unsubscribe:orders", &json!({})).await;
        for family in ["inventory:updated", "order:", "shopify:", "notification"] {
            assert_eq!(client.events(family), [], "{role:?}");
        }
        let lists: &[&str] = if *role == Role::Service {
            &[
                "levels",
                "orders",
                "items",
                "customers",
                "runs",
                "deliveries",
                "locations",
                "products",
                "variants",
            ]
        } else {
            &[
                "levels",
                "orders",
                "items",
                "customers",
                "runs",
                "deliveries",
            ]
        };
        for list in lists {
            assert_eq!(
                daemon.asked(list, &Token::of(*role)).await.0,
                403,
                "{list} by {role:?}"
            );
        }
        let events = daemon.list("events", &Token::of(*role)).await;
        let kinds = events.iter().map(|event| event["kind"].as_str().unwrap());
        assert!(
            kinds
                .clone()
                .all(|kind| *role == Role::Guest && kind.starts_with("product:")),
            "{role:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_for_another_shop_opens_nothing_of_this_one() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let claims = json!({ "sub": "ann", "role": "admin", "shopIds": ["other.myshopify.com"], "exp": 4_000_000_000_u64 });
    let token = forged(
        &json!({ "alg": "HS256" }),
        &claims,
        Some(&Settings::default().jwt_secret),
    );
    for list in [
        "levels",
        "orders",
        "events",
        "products",
        "runs",
        "deliveries",
    ] {
        assert_eq!(daemon.asked_with(list, &token).await.0, 400, "{list}");
        let named = format!("{list}?shop=pretend.myshopify.com");
        assert_eq!(daemon.asked_with(&named, &token).await.0, 404, "{list}");
    }
    let mut stranger = Client::connects(&daemon.url(), "/oda", &token);
    stranger.connected().await;
    let since = json!({ "snapshot": true, "since": daemon.beginning().await });
    assert_eq!(
        stranger.asks("subscribe:inventory", &since).await["levels"],
        json!([])
    );
    stranger.asks("subscribe:orders", &since).await;
    stranger.asks("subscribe:notifications", &since).await;
    let mut admin = daemon.client(&Token::of(Role::Admin)).await;
    admin.asks("subscribe:orders", &json!({})).await;

    shop.sells(&shop.spot(0, 1).await, 1).await;
    admin.event("order:updated").await;
    shop.falls_quiet().await;
    daemon.inbox_is_empty().await;

    stranger.asks("unsubscribe:orders", &json!({})).await;
    let heard: Vec<String> = stranger
        .events("")
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(heard, ["connected"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_a_foreign_origin_is_refused() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let token = daemon.token(&Token::of(Role::Admin));
    let from =
        |origin: &str| json!({ "auth": { "token": token }, "extraHeaders": { "Origin": origin } });
    let mut foreign = Client::with(&daemon.url(), "/oda", &from("https://evil.example"));
    foreign.refused().await;
    let mut ours = Client::with(&daemon.url(), "/oda", &from(&Settings::default().origin));
    ours.connected().await;

    let websocket = "Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let requests = [
        ("GET", "websocket", websocket),
        ("GET", "polling", "Connection: close"),
        ("POST", "polling", "Connection: close\r\nContent-Length: 0"),
        (
            "OPTIONS",
            "polling",
            "Connection: close\r\nAccess-Control-Request-Method: POST",
        ),
    ];
    for (method, transport, headers) in requests {
        let ask = async |origin: &str| {
            let mut wire = Wire::to(daemon.address()).await;
            let target = format!("/socket.io/?EIO=4&transport={transport}");
            wire.sends(format!(
                "{method} {target} HTTP/1.1\r\nHost: a\r\nOrigin: {origin}\r\n{headers}\r\n\r\n"
            ))
            .await;
            String::from_utf8(wire.hears().await).unwrap()
        };
        for origin in [
            "null",
            "https://evil.example",
            "https://stock.example.evil.example",
        ] {
            let answer = ask(origin).await;
            assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
            assert!(!answer.contains("access-control-allow-origin"), "{answer}");
        }
        if transport == "polling" {
            let answer = ask(&Settings::default().origin).await;
            assert!(
                answer.contains("access-control-allow-origin: https://stock.example\r\n"),
                "{answer}"
            );
            assert!(
                answer.contains("access-control-allow-credentials: true\r\n"),
                "{answer}"
            );
        }
    }
    assert_eq!(foreign.events(""), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_dies_with_its_token_unless_it_was_refreshed() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let short = Token::of(Role::Staff).good_for(3);
    let (mut dying, mut living) = (daemon.client(&short).await, daemon.client(&short).await);
    let fresh = daemon.token(&Token::of(Role::Staff));
    assert_eq!(
        living
            .asks("auth:refresh", &json!({ "token": fresh }))
            .await["ok"],
        true
    );
    let others = daemon.token(&Token::of(Role::Admin));
    assert_eq!(
        error_code(
            &living
                .asks("auth:refresh", &json!({ "token": others }))
                .await
        ),
        "FORBIDDEN"
    );

    assert_eq!(dying.event("error").await["code"], "TOKEN_EXPIRED");
    assert_eq!(dying.disconnected().await, "io server disconnect");

    assert_eq!(
        living.asks("subscribe:inventory", &json!({})).await["ok"],
        true
    );
    shop.sells(&shop.spot(0, 1).await, 1).await;
    living.event("inventory:updated").await;
    assert_eq!(dying.events("inventory:"), []);
}
