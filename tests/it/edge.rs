//! The edge of HTTP: who gets a connection, what is a request, how much is read for whom, what every answer says.

use std::time::Duration;

use reqwest::Method;
use schemas::Role;
use serde_json::{Value, json};
use tests::{Dice, Settings, TestDaemon, TestShop, Token, Webhook, Wire, eventually};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

const LEVELS_UPDATE: &str = "inventory_levels/update";
/// As long as a webhook's body may be, but for what tells a whole one from a cut one.
const NEARLY_ALL: usize = 5 * 1024 * 1024 - 10;

/// What a single request is answered, head and body.
async fn answer(daemon: &TestDaemon, request: impl AsRef<[u8]>) -> String {
    let mut wire = Wire::to(daemon.address()).await;
    wire.sends(request).await;
    wire.hears_all().await
}

/// Whether a webhook is answered 200 within the time that Shopify gives it.
async fn takes_webhooks(daemon: &TestDaemon) -> bool {
    let webhook = Webhook::of("themes/publish", &json!({ "id": 1 }));
    timeout(Duration::from_secs(5), daemon.receives(&webhook))
        .await
        .is_ok_and(|status| status == 200)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_whose_headers_are_wrong_is_refused_before_its_body() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let good = Webhook::raw(LEVELS_UPDATE, vec![b' '; NEARLY_ALL]);
    for (why, webhook, status) in [
        (
            "no signature",
            good.clone().without("x-shopify-hmac-sha256"),
            401,
        ),
        ("no topic", good.clone().without("x-shopify-topic"), 400),
        (
            "no topic's name",
            good.clone().header("x-shopify-topic", "No Topic!"),
            400,
        ),
        ("no id", good.clone().without("x-shopify-webhook-id"), 400),
        (
            "no shop",
            good.clone().without("x-shopify-shop-domain"),
            400,
        ),
        (
            "another shop",
            good.clone()
                .header("x-shopify-shop-domain", "other.myshopify.com"),
            404,
        ),
    ] {
        let (mut wire, began) = (Wire::to(daemon.address()).await, Instant::now());
        // The body never comes.
        wire.sends(format!(
            "{}\r\n",
            webhook.head(&format!("Content-Length: {NEARLY_ALL}"))
        ))
        .await;
        let heard = String::from_utf8(wire.hears().await).unwrap();
        assert!(
            heard.starts_with(&format!("HTTP/1.1 {status}")),
            "{why}: {heard}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "{why}: not before its body"
        );
    }
    let mut wire = Wire::to(daemon.address()).await;
    wire.sends(format!("{}\r\n", good.head("Content-Length: 5242881")))
        .await;
    assert!(
        wire.hears().await.starts_with(b"HTTP/1.1 413"),
        "a length that is too large"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_nobody_signed_make_room_for_each_other_and_end_soon() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    shop.mistreats_webhooks(&json!({ "paused": true })).await;
    let head = Webhook::raw(LEVELS_UPDATE, vec![b'x'; NEARLY_ALL]);
    let head = format!(
        "{}\r\n",
        head.head(&format!("Content-Length: {}", NEARLY_ALL + 10))
    );
    let body = vec![b'x'; NEARLY_ALL];
    let mut hanging = JoinSet::new();
    for _ in 0..20 {
        let mut wire = Wire::to(daemon.address()).await;
        wire.sends([head.as_bytes(), &body].concat()).await;
        hanging.spawn(async move { wire.hears_all().await });
    }
    assert!(takes_webhooks(&daemon).await, "an honest one is kept out");
    let mut refused = 0;
    for answer in hanging.join_all().await {
        let busy = answer.starts_with("HTTP/1.1 503")
            && answer.to_lowercase().contains("\r\nretry-after: 1\r\n");
        assert!(busy || answer.starts_with("HTTP/1.1 408"), "{answer}");
        refused += usize::from(busy);
    }
    // 32 MiB hold six of them at a time.
    assert!(refused > 0);
    assert!(takes_webhooks(&daemon).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_of_one_address_lock_out_neither_others_nor_webhooks() {
    let shop = TestShop::opens().await;
    let realtime = "connections_per_address_max = 3".to_owned();
    let daemon = TestDaemon::with(
        &shop,
        Settings {
            realtime,
            ..Settings::default()
        },
    )
    .await;
    daemon.imported().await;
    // Two for each socket, and some to spare.
    let mut idle = Vec::new();
    for _ in 0..3 * 2 + 64 {
        idle.push(Wire::to(daemon.address()).await);
    }
    let live = "GET /livez HTTP/1.1\r\nHost: stockd\r\nConnection: close\r\n\r\n";
    eventually("its places are taken", async || {
        let other = "GET / HTTP/1.1\r\nHost: stockd\r\nConnection: close\r\n\r\n";
        answer(&daemon, other)
            .await
            .starts_with("HTTP/1.1 503")
            .then_some(())
    })
    .await;
    assert!(
        takes_webhooks(&daemon).await,
        "a webhook of the same address"
    );
    assert!(answer(&daemon, live).await.starts_with("HTTP/1.1 200"));
    let elsewhere =
        reqwest::Client::builder().local_address("127.0.0.2".parse::<std::net::IpAddr>().ok());
    let elsewhere = elsewhere.build().unwrap();
    let levels = elsewhere.get(format!("{}/api/v1/levels", daemon.url()));
    let levels = levels
        .bearer_auth(daemon.token(&Token::of(Role::Admin)))
        .send()
        .await
        .unwrap();
    assert_eq!(levels.status(), 200);
    drop(idle);
    eventually("its places are free", async || {
        let other = "GET / HTTP/1.1\r\nHost: stockd\r\nConnection: close\r\n\r\n";
        answer(&daemon, other)
            .await
            .starts_with("HTTP/1.1 200")
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_request_of_http_1_1_is_answered_400() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    for request in [
        "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n",
        "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET example.com HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET ?a HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /livez HTTP/1.1\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET /livez HTTP/1.1\nHost: a\n\n",
        "GET /livez HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        "GET /livez HTTP/1.1\r\nHost: a\r\n\n",
        "POST /api/v1/runs HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}GET /livez HTTP/1.1\nHost: a\n\n",
    ] {
        let answer = answer(&daemon, request).await;
        // The one before it on the same connection is another matter.
        assert!(
            answer.contains("HTTP/1.1 400 ") && !answer.contains("HTTP/1.1 200 "),
            "{request:?}: {answer}"
        );
    }
    for request in [
        "GET /livez HTTP/1.0\r\n\r\n",
        "GET http://other.example/livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "\r\nGET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "OPTIONS /livez HTTP/1.0\r\n\r\n",
        "OPTIONS / HTTP/1.0\r\n\r\n",
        "OPTIONS /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let answer = answer(&daemon, request).await;
        assert!(
            answer.starts_with("HTTP/1.1 20") || answer.starts_with("HTTP/1.0 20"),
            "{request:?}: {answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_request_line_says_nothing_panics() {
    // A panic is a line of the log that is an error, and those fail the test.
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    let parts = [
        "GET",
        "CONNECT",
        "OPTIONS",
        "HEAD",
        "POST",
        "get",
        "PATCH",
        " ",
        "/",
        "*",
        "a",
        ":",
        "?",
        "#",
        "%",
        "%2",
        "%ff",
        "%2f",
        "//",
        "..",
        "http://",
        "a:80",
        "[::1]",
        "@",
        "socket.io",
        "api/ws",
        "events",
        "livez",
        "api/v1/",
        "\u{e9}",
        "connected-users",
        "user-status/",
        "EIO=4&transport=polling",
        "{id}",
        "&",
        "=",
        "\t",
        " HTTP/1.1",
        "HTTP/1.0",
    ];
    let mut dice = Dice::new(11);
    let mut lines: Vec<String> = (0..1_500)
        .map(|_| {
            let method = *dice.one_of(&parts[..7]);
            let target: String = (0..dice.below(5)).map(|_| *dice.one_of(&parts)).collect();
            format!("{method} {target} HTTP/1.1")
        })
        .collect();
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/request");
    for seed in std::fs::read_dir(seeds).unwrap() {
        lines.push(std::fs::read_to_string(seed.unwrap().path()).unwrap());
    }
    for line in lines {
        let request = format!("{line}\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = answer(&daemon, &request).await;
        assert!(answer.starts_with("HTTP/1."), "{line:?}: {answer:?}");
    }
    assert!(daemon.still_runs() && takes_webhooks(&daemon).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_kept_from_caches_and_head_is_wherever_get_is() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let token = daemon.token(&Token::of(Role::Admin));
    let ask = async |method: Method, path: &str| {
        let request = daemon
            .http()
            .request(method, format!("{}{path}", daemon.url()));
        // In lower case, as RFC 9110 allows.
        request
            .header("authorization", format!("bearer {token}"))
            .send()
            .await
            .unwrap()
    };
    let document: Value = ask(Method::GET, "/api/openapi.json")
        .await
        .json()
        .await
        .unwrap();
    let paths: Vec<_> = document["paths"].as_object().unwrap().iter().collect();
    assert!(paths.len() > 30);
    for (path, operations) in paths {
        if operations["get"].is_null() {
            continue;
        }
        let path = path.replace("{id}", "1");
        let (got, head) = (
            ask(Method::GET, &path).await,
            ask(Method::HEAD, &path).await,
        );
        assert_eq!(got.status(), head.status(), "{path}");
        assert_eq!(
            got.headers().get("content-type"),
            head.headers().get("content-type"),
            "{path}"
        );
        for answer in [&got, &head] {
            assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
            assert_eq!(
                answer.headers()["x-content-type-options"],
                "nosniff",
                "{path}"
            );
        }
        assert_eq!(head.bytes().await.unwrap().len(), 0, "{path}");
        assert!(
            got.status() != 401 && got.status() != 405,
            "{path}: {}",
            got.status()
        );
    }
    let refused = ask(Method::PUT, "/livez").await;
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["allow"]),
        (405, &"GET, HEAD".parse().unwrap())
    );
    assert_eq!(refused.headers()["cache-control"], "no-store");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_page_is_told_so_in_the_shape_of_all_errors_and_logged_once() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let ask = async |method: Method, path: &str, origin: &str| {
        let request = daemon
            .http()
            .request(method, format!("{}{path}", daemon.url()))
            .header("origin", origin);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let polling = "/socket.io/?EIO=4&transport=polling";
    for (method, path) in [
        (Method::OPTIONS, "/api/v1/levels"),
        (Method::GET, polling),
        (Method::GET, "/events"),
    ] {
        for _ in 0..3 {
            let (status, text) = ask(method.clone(), path, "https://foreign.example").await;
            let body: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                (status, &body["error"]["code"]),
                (403, &json!("FORBIDDEN")),
                "{path}: {text}"
            );
        }
    }
    let lines = daemon
        .log()
        .lines()
        .filter(|line| line.contains("https://foreign.example"))
        .count();
    assert_eq!(lines, 1, "{}", daemon.log());
    let own = format!("ws://{}", daemon.address());
    assert_eq!(
        ask(Method::GET, polling, &own).await.0,
        200,
        "the Swift client"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_in_a_trusted_network_is_no_program_of_it() {
    let shop = TestShop::opens().await;
    let server = "trusted_networks = [\"127.0.0.1\"]\nhosts = [\"stockd.internal\"]".to_owned();
    let daemon = TestDaemon::with(
        &shop,
        Settings {
            server,
            ..Settings::default()
        },
    )
    .await;
    daemon.imported().await;
    let port = daemon.address().rsplit_once(':').unwrap().1;
    let alert =
        json!({ "productId": 1, "currentQuantity": 0, "alertType": "out_of_stock" }).to_string();
    let posts = async |host: &str, headers: &str| {
        let head = format!(
            "POST /websocket/notifications/inventory-alert HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\
             Content-Length: {}\r\n{headers}\r\n",
            alert.len()
        );
        answer(&daemon, head + &alert)
            .await
            .split(' ')
            .nth(1)
            .unwrap()
            .to_owned()
    };
    let asks = async |host: &str, headers: &str| {
        let head = format!(
            "GET /connected-users HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\r\n"
        );
        answer(&daemon, head)
            .await
            .split(' ')
            .nth(1)
            .unwrap()
            .to_owned()
    };
    let json = "Content-Type: application/json\r\n";
    for host in [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "stockd.internal",
        "stock.example",
    ] {
        assert_eq!(posts(host, json).await, "201", "{host}");
        assert_eq!(asks(host, "").await, "200", "{host}");
    }
    assert_eq!(asks("127.0.0.1", "Sec-Fetch-Site: none\r\n").await, "200");
    for headers in [
        String::new(),
        "Content-Type: text/plain\r\n".to_owned(),
        "Content-Type: application/x-www-form-urlencoded\r\n".to_owned(),
        format!("{json}Origin: null\r\n"),
        format!("{json}Origin: https://evil.example\r\n"),
        format!("{json}Origin: http://127.0.0.1:{port}\r\n"),
        format!("{json}Sec-Fetch-Site: cross-site\r\n"),
        format!("{json}Sec-Fetch-Site: same-site\r\n"),
    ] {
        assert_eq!(posts("127.0.0.1", &headers).await, "403", "{headers}");
    }
    // A name of the page's own that resolves to us now.
    for host in [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "stockd",
    ] {
        assert_eq!(
            (
                posts(host, json).await.as_str(),
                asks(host, "").await.as_str()
            ),
            ("403", "403"),
            "{host}"
        );
    }
    // Who brings a token needs nothing of that.
    let token = daemon.token(&Token::of(Role::Service));
    let bearer = format!("Authorization: Bearer {token}\r\nOrigin: https://evil.example\r\n");
    assert_eq!(posts("evil.example", &bearer).await, "201");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_character_costs_that_character_and_nothing_else() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    shop.mistreats_webhooks(&json!({ "paused": true })).await;
    let token = daemon.token(&Token::of(Role::Admin));
    let spot = shop.spot(0, 5).await;

    // Over Socket.IO: a name, an argument, a key.
    let polls = async |method: &str, query: &str, body: &str| {
        let length = body.len();
        let head =
            format!("{method} /socket.io/?EIO=4&transport=polling{query} HTTP/1.1\r\nHost: a\r\n");
        let head = format!("{head}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}");
        answer(&daemon, head)
            .await
            .split_once("\r\n\r\n")
            .unwrap()
            .1
            .to_owned()
    };
    let open: Value = serde_json::from_str(&polls("GET", "", "").await[1..]).unwrap();
    let sid = format!("&sid={}", open["sid"].as_str().unwrap());
    let says = async |packet: &str| {
        assert_eq!(polls("POST", &sid, packet).await, "ok", "{packet}");
        polls("GET", &sid, "").await
    };
    let connected = says(&format!(
        "40/oda,{{\"token\":\"{token}\",\"name\":\"\\ud83d\"}}"
    ))
    .await;
    assert!(connected.starts_with("40/oda,"), "{connected}");
    let adjust = format!(
        "42/oda,7[\"inventory:adjust\",{{\"inventoryItemId\":\"{}\",\"locationId\":\"{}\",\"delta\":-1,\
         \"reason\":\"urgent \\ud83d\",\"\\ude00\":1}}]",
        spot.item, spot.location
    );
    let mut heard = says(&adjust).await;
    while !heard.contains("43/oda,7[") {
        heard = polls("GET", &sid, "").await;
    }
    assert!(heard.contains("\"ok\":true"), "{heard}");
    let mut heard = says("42/oda,8[\"\\ud83d\",{}]").await;
    while !heard.contains("43/oda,8[") {
        heard = polls("GET", &sid, "").await;
    }
    assert!(heard.contains("UNKNOWN_EVENT"), "{heard}");
    let (_, commands) = daemon.asked("commands", &Token::of(Role::Admin)).await;
    assert_eq!(commands["data"][0]["reason"], "urgent \u{fffd}");

    // Over REST.
    let post = async |path: &str, body: String| {
        let request = daemon
            .http()
            .post(format!("{}{path}", daemon.url()))
            .bearer_auth(&token);
        request
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    let rest = format!(
        "{{\"inventoryItemId\":\"{}\",\"locationId\":\"{}\",\"delta\":1,\"reason\":\"\\ud83d\"}}",
        spot.item, spot.location
    );
    assert_eq!(post("/api/v1/inventory/adjust", rest).await, 200);
    let event = r#"{"target": "all", "event": "coffee:ready", "data": {"\ud83d": "\udc00"}}"#;
    assert_eq!(post("/api/v1/emit", event.to_owned()).await, 201);
    let alert = r#"{"productId": 1, "productName": "Scarf \ud83d", "currentQuantity": 2, "alertType": "low_stock"}"#;
    assert_eq!(
        post("/websocket/notifications/inventory-alert", alert.to_owned()).await,
        201
    );

    // In a webhook.
    let body = format!(
        "{{\"inventory_item_id\": {}, \"location_id\": {}, \"available\": 3, \"note\": \"\\ud83d\", \
         \"updated_at\": \"2026-11-20T10:00:00Z\"}}",
        spot.item, spot.location
    );
    assert_eq!(
        daemon
            .receives(&Webhook::raw(LEVELS_UPDATE, body.into_bytes()))
            .await,
        200
    );
    daemon.inbox_is_empty().await;
    assert_eq!(daemon.deliveries(LEVELS_UPDATE, "unreadable").await, 0);
    assert_eq!(daemon.deliveries(LEVELS_UPDATE, "applied").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_websocket_outlives_half_a_character() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut plain = tests::Plain::connects(&daemon.url(), "/api/ws");
    plain.hears("connected").await;
    plain.says_text(
        r#"{"type": "subscribe", "data": {"namespace": "products", "\ud83d": "\ud83d"}}"#,
    );
    plain.hears("subscribed").await;
    plain.says_text(r#"{"type": "\ud83d"}"#);
    let error = plain.hears("error").await;
    assert_eq!(error["data"]["code"], "UNKNOWN_EVENT", "{error}");
    plain.says_text(r#"{"type": "ping"}"#);
    plain.hears("pong").await;
}
