//! omni at `/api/ws`: clients of its document as they are, over a WebSocket without Socket.IO.

use std::collections::BTreeSet;

use schemas::Role;
use serde_json::{Value, json};
use tests::{Plain, Script, Settings, TestDaemon, TestShop, Token, name};
use tokio::time::{Duration, Instant};

const PATH: &str = "/api/ws";

/// A client that has said who it is.
async fn client(daemon: &TestDaemon, token: &Token) -> Plain {
    let mut client = Plain::connects(&daemon.url(), PATH);
    client.says(&json!({ "type": "auth", "data": { "token": daemon.token(token) } }));
    client.hears("authenticated").await;
    client
}

async fn subscribes(client: &mut Plain, namespace: &str) {
    client.says(&json!({ "type": "subscribe", "data": { "namespace": namespace } }));
    assert_eq!(
        client.hears("subscribed").await["data"]["namespace"],
        namespace
    );
}

/// Waits until everything that was published before has been sent.
async fn is_up_to_date(client: &mut Plain) {
    for _ in 0..2 {
        client.says(&json!({ "type": "ping" }));
        client.hears("pong").await;
    }
}

/// The log's events that were heard so far, as (id, type).
fn events(client: &Plain) -> Vec<(String, String)> {
    let heard = client.messages().into_iter();
    heard
        .filter_map(|message| {
            Some((
                message["id"].as_str()?.to_owned(),
                name(&message).to_owned(),
            ))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documents_connection_test_runs_as_it_stands() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut test = Script::snippet(
        &daemon.url(),
        &daemon.token(&Token::of(Role::Manager).user("ann")),
    );
    let received =
        |kind: &'static str| move |line: &Value| line[0] == "Received:" && line[1]["type"] == kind;
    assert_eq!(
        test.prints("connected", received("connected")).await[1]["data"]["role"],
        "guest"
    );
    let authenticated = test
        .prints("authenticated", received("authenticated"))
        .await[1]["data"]
        .clone();
    // What it says of itself, user `test` and role `admin`, is not looked at.
    assert_eq!(
        (&authenticated["userId"], &authenticated["role"]),
        (&json!("ann"), &json!("manager"))
    );
    assert!(
        authenticated["expiresAt"].as_i64().unwrap() > 1_700_000_000_000,
        "milliseconds"
    );
    assert_eq!(
        test.prints("subscribed", received("subscribed")).await[1]["data"]["namespace"],
        "orders"
    );

    let order = shop.sells(&shop.spot(0, 1).await, 1).await;
    let created = test.prints("the order", received("order:created")).await[1].clone();
    let data = &created["data"];
    assert_eq!(
        (&data["id"], &data["customerId"]),
        (&order["id"], &order["customerId"])
    );
    assert!(
        data["total"].is_number() && data["status"].is_string() && data["customerName"].is_null()
    );
    let keys: BTreeSet<_> = data
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        BTreeSet::from([
            "id",
            "customerId",
            "customerName",
            "total",
            "status",
            "channel"
        ])
    );
    assert!(created["id"].is_string() && created["timestamp"].is_string());

    shop.order("cancel", &order).await;
    let is = |kind: &'static str| move |line: &Value| line[1]["type"] == kind;
    assert_eq!(
        test.prints("its status", is("order:status_changed")).await[1]["data"]["status"],
        "cancelled"
    );
    assert_eq!(
        test.prints("its end", is("order:deleted")).await[1]["data"]["id"],
        order["id"]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_says_nothing_is_a_guest_and_who_says_too_much_too() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut guest = Plain::connects(&daemon.url(), PATH);
    for claim in [
        json!({ "userId": "test", "role": "admin", "sessionId": "abc", "expiresAt": 4_000_000_000_000_u64 }),
        json!({ "userId": "test", "role": "admin" }),
        json!({ "token": daemon.token(&Token::of(Role::Admin).good_for(-60)) }),
        json!({ "token": 7, "role": "admin" }),
    ] {
        guest.says(&json!({ "type": "auth", "data": claim }));
        let error = guest.hears("error").await;
        assert!(
            ["TOKEN_INVALID", "INVALID_PAYLOAD"].contains(&error["data"]["code"].as_str().unwrap()),
            "{error}"
        );
    }
    for namespace in ["orders", "customers", "inventory", "payments"] {
        guest.says(
            &json!({ "type": "subscribe", "data": { "namespace": namespace, "role": "admin" } }),
        );
        assert_eq!(
            guest.hears("error").await["data"]["code"],
            "FORBIDDEN",
            "{namespace}"
        );
    }
    subscribes(&mut guest, "products").await;
    subscribes(&mut guest, "system").await;
    let mut admin = client(&daemon, &Token::of(Role::Admin)).await;
    subscribes(&mut admin, "orders").await;
    shop.sells(&shop.spot(0, 1).await, 1).await;
    admin.hears("order:created").await;
    is_up_to_date(&mut guest).await;
    assert_eq!(events(&guest), []);
    assert!(
        guest
            .messages()
            .iter()
            .all(|message| name(message) != "authenticated")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_handled_strictly_in_order() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut client = Plain::connects(&daemon.url(), PATH);
    client.hears("connected").await;
    let since = daemon.beginning().await;
    client.says(&json!({ "type": "subscribe", "data": { "namespace": "inventory" } }));
    client.says(
        &json!({ "type": "auth", "data": { "token": daemon.token(&Token::of(Role::Staff)) } }),
    );
    client.says(
        &json!({ "type": "subscribe", "data": { "namespace": "inventory", "since": since } }),
    );
    client.says_text("nonsense");
    client.says(&json!({ "type": "unsubscribe", "data": { "namespace": "inventory" } }));
    client.says(&json!({ "type": "ping" }));
    client.hears("pong").await;
    let answers: Vec<_> = client
        .messages()
        .iter()
        .filter(|message| message["id"].is_null())
        .map(|message| name(message).to_owned())
        .collect();
    assert_eq!(
        answers,
        [
            "connected",
            "error",
            "authenticated",
            "subscribed",
            "error",
            "unsubscribed",
            "pong"
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missed_while_the_daemon_is_dead_and_nothing_comes_twice() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    let token = Token::of(Role::Manager);
    let mut before = client(&daemon, &token).await;
    let mut whole = Vec::new();
    subscribes(&mut before, "inventory").await;
    let spot = shop.spot(0, 20).await;
    shop.adjusts(&spot, "available", -1).await;
    before.hears("inventory:updated").await;
    whole.extend(events(&before));
    let last = whole.last().unwrap().0.clone();

    daemon.killed();
    shop.adjusts(&spot, "available", -1).await;
    daemon.starts().await;
    shop.adjusts(&spot, "available", -1).await;
    shop.falls_quiet().await;
    daemon.inbox_is_empty().await;

    let mut after = Plain::connects(&daemon.url(), PATH);
    after
        .says(&json!({ "type": "auth", "data": { "token": daemon.token(&token), "since": last } }));
    subscribes(&mut after, "inventory").await;
    shop.adjusts(&spot, "available", -1).await;
    let now = spot.available - 4;
    after
        .hears_where("the last change", |message| {
            message["data"]["available"] == now
        })
        .await;
    whole.extend(events(&after));
    whole.retain(|(_, kind)| kind == "inventory:updated");
    let heard: Vec<_> = whole.into_iter().map(|(id, _)| id).collect();
    // What is read again of that change may be logged after it was heard.
    let log = daemon.events(Some("inventory:all")).await;
    let updates = log
        .iter()
        .filter(|event| event["kind"] == "inventory:updated");
    let logged: Vec<_> = updates
        .map(|event| event["id"].as_str().unwrap())
        .take(heard.len())
        .collect();
    assert_eq!(heard, logged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_dies_with_its_token_unless_it_brings_another() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut careless = client(&daemon, &Token::of(Role::Staff).good_for(3)).await;
    let mut careful = client(&daemon, &Token::of(Role::Staff).good_for(3)).await;
    subscribes(&mut careful, "inventory").await;
    let other = daemon.token(&Token::of(Role::Admin).user("somebody-else"));
    careful.says(&json!({ "type": "auth", "data": { "token": other } }));
    assert_eq!(careful.hears("error").await["data"]["code"], "FORBIDDEN");
    careful.says(
        &json!({ "type": "auth", "data": { "token": daemon.token(&Token::of(Role::Staff)) } }),
    );
    careful.hears("authenticated").await;

    assert_eq!(
        careless.hears("error").await["data"]["code"],
        "TOKEN_EXPIRED"
    );
    assert_eq!(careless.closed().await, 1008);
    shop.adjusts(&shop.spot(0, 20).await, "available", -1).await;
    careful.hears("inventory:updated").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_user_is_put_out_at_once() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut revoked = client(&daemon, &Token::of(Role::Staff).user("eve")).await;
    let mut bystander = client(&daemon, &Token::of(Role::Staff).user("ann")).await;
    let (status, _) = daemon
        .posts(
            "revocations",
            &json!({ "userId": "eve" }),
            &Token::of(Role::Admin),
        )
        .await;
    assert_eq!(status, 200);
    assert_eq!(
        revoked.hears("error").await["data"]["code"],
        "TOKEN_INVALID"
    );
    assert_eq!(revoked.closed().await, 1008);
    is_up_to_date(&mut bystander).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hundred_and_first_message_of_a_minute_is_dropped_and_said_so() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut client = Plain::connects(&daemon.url(), PATH);
    client.hears("connected").await;
    for _ in 0..110 {
        client.says(&json!({ "type": "ping" }));
    }
    client
        .hears_where("an excess", |message| {
            message["data"]["code"] == "RATE_LIMITED"
        })
        .await;
    let count = |kind: &str, client: &Plain| {
        client
            .messages()
            .iter()
            .filter(|message| name(message) == kind)
            .count()
    };
    tests::eventually("everything is answered", async || {
        (count("pong", &client) + count("error", &client) == 110).then_some(())
    })
    .await;
    // What is refilled while they arrive is a few.
    assert!(
        (100..105).contains(&count("pong", &client)),
        "{}",
        count("pong", &client)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_one_address_are_bounded_whatever_they_speak() {
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
    let _socketio = daemon.client(&Token::of(Role::Admin)).await;
    let mut plain = Plain::connects(&daemon.url(), PATH);
    plain.hears("connected").await;
    let mut oms = Plain::bearing(
        &daemon.url(),
        "/events",
        &daemon.token(&Token::of(Role::Admin)),
    );
    oms.hears("connected").await;
    assert_eq!(Plain::connects(&daemon.url(), PATH).refused().await, 503);
    drop(plain);
    tests::eventually("there is room again", async || {
        let mut again = Plain::connects(&daemon.url(), PATH);
        tokio::time::timeout(Duration::from_millis(500), again.hears("connected"))
            .await
            .ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_put_together_come_once_each() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut at_once = client(&daemon, &Token::of(Role::Staff)).await;
    subscribes(&mut at_once, "inventory").await;
    let mut batched = client(&daemon, &Token::of(Role::Staff)).await;
    batched.says(
        &json!({ "type": "subscribe", "data": { "namespace": "inventory", "batchMs": 2_000 } }),
    );
    batched.hears("subscribed").await;
    let (spot, began) = (shop.spot(0, 50).await, Instant::now());
    for _ in 0..5 {
        shop.adjusts(&spot, "available", -1).await;
        shop.falls_quiet().await;
        daemon.inbox_is_empty().await;
    }
    let available = spot.available - 5;
    let last = |message: &Value| message["data"]["available"] == available;
    at_once.hears_where("the last change", last).await;
    let quick = began.elapsed() < Duration::from_millis(1_500);
    batched.hears_where("the last change", last).await;
    let updates = |client: &Plain| {
        client
            .messages()
            .iter()
            .filter(|message| name(message) == "inventory:updated")
            .count()
    };
    assert!(
        updates(&batched) < updates(&at_once),
        "{} of {}",
        updates(&batched),
        updates(&at_once)
    );
    assert!(
        !quick || began.elapsed() >= Duration::from_secs(2),
        "it was sent too early"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_is_seen_to_come_and_go_by_staff_alone() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut staff = client(&daemon, &Token::of(Role::Staff)).await;
    subscribes(&mut staff, "customers").await;
    let mut other = client(&daemon, &Token::customer("901").user("bob")).await;
    other.says(&json!({ "type": "subscribe", "data": { "namespace": "customers" } }));
    assert_eq!(other.hears("error").await["data"]["code"], "FORBIDDEN");
    let customer = client(&daemon, &Token::customer("902").user("cy")).await;
    let of = |message: &Value| message["data"]["customerId"] == "902";
    assert_eq!(
        name(&staff.hears_where("who comes", of).await),
        "customer:online"
    );
    drop(customer);
    let gone = staff.hears_where("who goes", of).await;
    assert_eq!(
        (name(&gone), &gone["id"]),
        ("customer:offline", &Value::Null)
    );
    let online = daemon.realtime().await["users"]["online"]
        .as_array()
        .unwrap()
        .clone();
    let users: Vec<_> = online
        .iter()
        .map(|user| user["userId"].as_str().unwrap())
        .collect();
    assert_eq!(users, ["bob", "test-staff"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_get_says_how_to_use_it_and_only_admins_see_figures() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let http = reqwest::Client::new();
    let get = async |path: &str, token: Option<String>| {
        let mut request = http.get(format!("{}{path}", daemon.url()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        (
            answer.status().as_u16(),
            answer.json::<Value>().await.unwrap(),
        )
    };
    let (status, usage) = get(PATH, None).await;
    assert_eq!(
        (status, &usage["receive"]["events"]["payments"]),
        (
            200,
            &json!(["payment:failed", "payment:received", "payment:refunded"])
        )
    );
    let events = usage["receive"]["events"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|types| types.as_array().unwrap());
    assert_eq!(events.count(), 23);
    let (status, info) = get("/api/ws/info", None).await;
    assert_eq!(
        (
            status,
            &info["limits"]["connections"],
            &info["limits"]["pongTimeoutMs"]
        ),
        (200, &json!(10_000), &json!(5_000))
    );
    assert_eq!(
        info["namespaces"]["payments"]["roles"],
        json!(["admin", "customer", "manager", "super_admin"])
    );
    let _guest = Plain::connects(&daemon.url(), PATH)
        .hears("connected")
        .await;
    for (token, expected) in [
        (None, 401),
        (Some(daemon.token(&Token::of(Role::Manager))), 403),
        (Some(daemon.token(&Token::of(Role::Admin))), 200),
    ] {
        let (status, _) = get("/api/ws/stats", token).await;
        assert_eq!(status, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wscat_speaks_oms_as_its_document_says() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let bearer = format!(
        "Authorization: Bearer {}",
        daemon.token(&Token::of(Role::Staff).user("789"))
    );
    let mut wscat = Script::wscat(&daemon.url(), "/events", &bearer);
    let called = |name: &'static str| move |line: &Value| line["event"] == name;
    let connected = wscat.prints("connected", called("connected")).await;
    assert_eq!(connected["data"]["userId"], 789);
    wscat.types("ping");
    assert!(wscat.prints("pong", called("pong")).await["data"]["timestamp"].is_string());
    wscat.types("subscribe_to_orders");
    let confirmed = wscat
        .prints("a confirmation", called("subscription_confirmed"))
        .await;
    assert_eq!(confirmed["data"]["type"], "order_updates");
    let order = shop.sells(&shop.spot(0, 1).await, 1).await;
    let update = wscat.prints("the order", called("order_update")).await;
    assert_eq!(
        (&update["data"]["type"], &update["data"]["data"]["orderId"]),
        (&json!("order_status"), &order["id"])
    );

    wscat.types(r#"{"event":"unsubscribe","data":{"type":"nothing"}}"#);
    assert_eq!(
        wscat.prints("a refusal", called("error")).await["data"]["code"],
        "INVALID_PAYLOAD"
    );
    wscat.types("dance");
    assert_eq!(
        wscat.prints("a refusal", called("error")).await["data"]["code"],
        "UNKNOWN_EVENT"
    );
    wscat.types(r#"{"event":"unsubscribe","data":{"type":"order"}}"#);
    wscat.types("ping");
    wscat.prints("pong", called("pong")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oms_without_a_good_token_is_answered_401() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    assert_eq!(
        Plain::connects(&daemon.url(), "/events").refused().await,
        401
    );
    assert_eq!(
        Plain::bearing(&daemon.url(), "/events", "nonsense")
            .refused()
            .await,
        401
    );
    let expired = daemon.token(&Token::of(Role::Admin).good_for(-60));
    assert_eq!(
        Plain::bearing(&daemon.url(), "/events", &expired)
            .refused()
            .await,
        401
    );
    // A query says nothing.
    let query = format!("/events?token={}", daemon.token(&Token::of(Role::Admin)));
    assert_eq!(Plain::connects(&daemon.url(), &query).refused().await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_messages_are_refused_each_with_its_reason_and_harm_nobody() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut bystander = client(&daemon, &Token::of(Role::Staff)).await;
    subscribes(&mut bystander, "inventory").await;
    let mut bad = client(&daemon, &Token::of(Role::Staff)).await;
    for text in [
        "",
        "nonsense",
        "[]",
        "{}",
        "7",
        r#"{"type":7}"#,
        r#"{"type":"subscribe"}"#,
    ] {
        bad.says_text(text);
        assert_eq!(
            bad.hears("error").await["data"]["code"],
            "INVALID_PAYLOAD",
            "{text}"
        );
    }
    bad.says(&json!({ "type": "subscribe", "data": { "namespace": "everything" } }));
    let unknown = bad.hears("error").await;
    assert_eq!(
        (&unknown["data"]["code"], &unknown["data"]["field"]),
        (&json!("INVALID_PAYLOAD"), &json!("namespace"))
    );
    bad.says_bytes(br#"{"type":"ping"}"#);
    assert_eq!(bad.hears("error").await["data"]["code"], "INVALID_PAYLOAD");
    bad.says(&json!({ "type": "constructor" }));
    assert_eq!(bad.hears("error").await["data"]["code"], "UNKNOWN_EVENT");
    bad.says_text(&"x".repeat(1_000_001));
    assert_eq!(bad.closed().await, 1009);
    shop.adjusts(&shop.spot(0, 20).await, "available", -1).await;
    bystander.hears("inventory:updated").await;
}
