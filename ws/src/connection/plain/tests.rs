//! Whole connections of omni over a pipe: what is said, in which order, who hears what, and what bad clients get.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method};
use schemas::event::{CustomerActivity, CustomerPresence, Notice, Payment, ProductShape};
use schemas::{Ephemeral, EventData, Logged, RunState, Timestamp};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use crate::connection::HandshakeOutcome;
use crate::connection::socketio::tests::World;
use crate::connection::socketio::tests::log::{
    EPOCH, announced, command, order, posted, reservation, run, shop, stock,
};
use crate::connection::tests::pipe::{Pipe, websocket};
use crate::contracts::Dialect;
use crate::{Hub, HubOptions, ListenerPolicy, limits};

const PIPE: usize = 64 * 1024;
const NAMESPACES: [&str; 6] = [
    "orders",
    "customers",
    "products",
    "inventory",
    "payments",
    "system",
];

/// The other end of a connection.
struct Client {
    pipe: Pipe,
    heard: Vec<Value>,
}

/// A connection with those headers, or the status that it is refused with.
fn handshake(hub: &Arc<Hub>, headers: &HeaderMap) -> Result<Client, u16> {
    match hub.handshake_plain(
        Dialect::Omni,
        &Method::GET,
        headers,
        ([127, 0, 0, 1], 9).into(),
        &ListenerPolicy::default(),
    ) {
        HandshakeOutcome::Upgrade(_, upgrade) => Ok(Client {
            pipe: Pipe::to(upgrade, PIPE),
            heard: Vec::new(),
        }),
        HandshakeOutcome::Answer(response) => Err(response.status().as_u16()),
        _ => panic!("no WebSocket"),
    }
}

fn name(message: &Value) -> &str {
    message["type"].as_str().unwrap()
}

impl Client {
    async fn guest(hub: &Arc<Hub>) -> Self {
        let mut client = handshake(hub, &websocket()).unwrap();
        assert_eq!(name(&client.hears().await), "connected");
        client
    }

    async fn of(hub: &Arc<Hub>, token: &Value) -> Self {
        let mut client = Self::guest(hub).await;
        client
            .asks("auth", &json!({ "token": token.to_string() }))
            .await;
        client
    }

    async fn says(&mut self, name: &str, data: &Value) {
        self.pipe
            .say(&json!({ "type": name, "data": data }).to_string())
            .await;
    }

    /// The next message; pings are answered.
    async fn hears(&mut self) -> Value {
        let message = loop {
            let frame = timeout(Duration::from_secs(100), self.pipe.frame())
                .await
                .expect("something to hear");
            match frame.expect("a frame") {
                (0x1, text) => break serde_json::from_slice::<Value>(&text).unwrap(),
                (0x9, _) => self.pipe.write(0x8A, b"").await,
                other => panic!("{other:?}"),
            }
        };
        self.heard.push(message.clone());
        message
    }

    /// Says something and gives the answer; what comes before it is kept.
    async fn asks(&mut self, name: &str, data: &Value) -> Value {
        self.says(name, data).await;
        loop {
            let message = self.hears().await;
            if message.get("timestamp").is_none() {
                return message;
            }
        }
    }

    async fn subscribes(&mut self, namespace: &str) -> Value {
        self.asks("subscribe", &json!({ "namespace": namespace }))
            .await
    }

    /// The events up to here, as their types.
    async fn types(&mut self) -> Vec<String> {
        for _ in 0..2 {
            self.asks("ping", &Value::Null).await;
        }
        let heard = self
            .heard
            .drain(..)
            .filter(|message| message.get("timestamp").is_some());
        heard.map(|message| name(&message).to_owned()).collect()
    }

    /// The code of the error that comes next.
    async fn error(&mut self) -> String {
        let message = self.hears().await;
        assert_eq!(name(&message), "error", "{message}");
        message["data"]["code"].as_str().unwrap().to_owned()
    }
}

fn one_shop() -> Value {
    json!([shop()])
}

fn payment(customer: u64) -> Logged {
    Logged::PaymentReceived(EventData::Own(Payment {
        order_id: 1_u64.try_into().unwrap(),
        customer_id: customer.try_into().ok(),
        amount: "5.00".parse().unwrap(),
        currency: "EUR".to_owned(),
    }))
}

fn product() -> Logged {
    Logged::ProductUpdated(EventData::Own(ProductShape {
        product_id: 1_u64.try_into().unwrap(),
        title: "Shirt".to_owned(),
        vendor: "Us".to_owned(),
        status: "active".to_owned(),
        updated_at: Timestamp::UNIX_EPOCH,
    }))
}

#[tokio::test(start_paused = true)]
async fn a_guest_becomes_somebody_by_a_token_and_by_nothing_else() {
    let world = World::new();
    let mut client = handshake(&world.hub, &websocket()).unwrap();
    let connected = client.hears().await;
    assert_eq!(
        (&connected["data"]["role"], &connected["data"]["userId"]),
        (&json!("guest"), &Value::Null)
    );
    assert_eq!(world.hub.attendees().users, []);

    let lie = json!({ "userId": "x", "role": "admin", "sessionId": "abc", "expiresAt": 9_999_999_999_999_u64 });
    let refused = client.asks("auth", &lie).await;
    assert_eq!(
        (name(&refused), &refused["data"]["code"]),
        ("error", &json!("TOKEN_INVALID"))
    );
    let expires = json!({ "role": "staff", "user": "ann", "expires": 3_600 }).to_string();
    let answer = client
        .asks(
            "auth",
            &json!({ "role": "admin", "userId": "x", "sessionId": expires }),
        )
        .await;
    let who = json!({ "userId": "ann", "role": "staff", "expiresAt": 3_600_000 });
    assert_eq!(answer, json!({ "type": "authenticated", "data": who }));
    assert_eq!(world.hub.attendees().users, [("ann".parse().unwrap(), 1)]);

    let other = client
        .asks(
            "auth",
            &json!({ "token": r#"{"role":"admin","user":"bob"}"# }),
        )
        .await;
    assert_eq!(other["data"]["code"], "FORBIDDEN");
    assert_eq!(
        name(&client.subscribes("inventory").await),
        "subscribed",
        "it is still who it was"
    );
    drop(client);
    tokio::time::sleep(limits::CLOSE_LINGER * 2).await;
    assert_eq!(world.hub.attendees().users, []);
}

#[tokio::test(start_paused = true)]
async fn a_token_in_the_header_is_as_good_and_a_bad_one_is_refused() {
    let world = World::new();
    let mut headers = websocket();
    headers.insert(
        "authorization",
        HeaderValue::from_static(r#"Bearer {"role":"staff","user":"ann"}"#),
    );
    let mut client = handshake(&world.hub, &headers).unwrap();
    let connected = client.hears().await;
    assert_eq!(
        (&connected["data"]["role"], &connected["data"]["userId"]),
        (&json!("staff"), &json!("ann"))
    );
    headers.insert("authorization", HeaderValue::from_static("Bearer nonsense"));
    assert_eq!(handshake(&world.hub, &headers).err(), Some(401));
}

#[tokio::test(start_paused = true)]
async fn messages_are_handled_in_order_also_while_keys_are_being_fetched() {
    let world = World::new();
    let mut client = Client::guest(&world.hub).await;
    let token = json!({ "role": "staff", "user": "ann", "key": "new" }).to_string();
    let inventory = json!({ "namespace": "inventory" });
    let says_all = async |client: &mut Client| {
        client.says("auth", &json!({ "token": token })).await;
        client.says("subscribe", &inventory).await;
        client.pipe.say("nonsense").await;
        client.says("ping", &Value::Null).await;
    };
    let hears_all = async |client: &mut Client| {
        let mut answers = Vec::new();
        for _ in 0..4 {
            let message = client.hears().await;
            answers.push(
                message["data"]["code"]
                    .as_str()
                    .unwrap_or(name(&message))
                    .to_owned(),
            );
        }
        answers
    };
    let began = Instant::now();
    says_all(&mut client).await;
    let refused = ["UNAVAILABLE", "FORBIDDEN", "INVALID_PAYLOAD", "pong"];
    assert_eq!(hears_all(&mut client).await, refused, "no keys came");
    assert!(
        began.elapsed() >= limits::SOURCE_DEADLINE,
        "nothing was answered before"
    );

    says_all(&mut client).await;
    assert!(
        timeout(limits::SOURCE_DEADLINE / 2, client.hears())
            .await
            .is_err()
    );
    world.tokens.1.lock().unwrap().insert("new".to_owned());
    let done = ["authenticated", "subscribed", "INVALID_PAYLOAD", "pong"];
    assert_eq!(hears_all(&mut client).await, done);
    world.happens(stock(1, 1, 5));
    assert_eq!(name(&client.hears().await), "inventory:updated");
}

/// What happens, of all namespaces: for everybody, for customer 5 and user `ann`, for customer 6 and user `bob`.
fn happenings() -> Vec<(&'static str, Logged)> {
    use schemas::Kind;
    let to = |user: Option<&str>| Notice {
        user_id: user.map(|user| user.parse().unwrap()),
        title: "t".to_owned(),
        message: "m".to_owned(),
    };
    let activity = |customer: u64| {
        let customer_id = customer.try_into().unwrap();
        Logged::CustomerActivity(EventData::Own(CustomerActivity {
            customer_id,
            activity: "updated".to_owned(),
        }))
    };
    vec![
        ("an order of ann", order(5, &[])),
        ("an order of bob", order(6, &[])),
        ("an order of bob there", order(6, &[2])),
        (
            "a posted order of ann",
            posted(
                Kind::OrderUpdated,
                json!({ "orderId": "o", "userId": "ann" }),
            ),
        ),
        (
            "a posted order of bob",
            posted(
                Kind::OrderUpdated,
                json!({ "orderId": "o", "userId": "bob" }),
            ),
        ),
        ("a payment of ann", payment(5)),
        ("a payment of bob", payment(6)),
        ("activity", activity(5)),
        (
            "a view",
            posted(
                Kind::CustomerViewingProduct,
                json!({ "customerId": 5, "productId": 1 }),
            ),
        ),
        ("a product", product()),
        ("stock here", stock(1, 1, 5)),
        ("stock there", stock(2, 1, 5)),
        // omni has no words for these; they are in its namespaces' rooms all the same.
        ("a reservation of ann", reservation("ann", &[1])),
        ("a command of ann", command("ann", None)),
        ("a run", Logged::ShopifySyncStatus(run(RunState::Completed))),
        (
            "a notification",
            announced(Kind::SystemNotification, &to(None)),
        ),
        ("maintenance", announced(Kind::SystemMaintenance, &to(None))),
        (
            "a word to ann",
            announced(Kind::UserNotification, &to(Some("ann"))),
        ),
        (
            "a word to bob",
            announced(Kind::SystemNotification, &to(Some("bob"))),
        ),
        ("an alert", Logged::SystemAlert(EventData::Own(to(None)))),
        (
            "an alert about ann",
            announced(Kind::SecurityAlert, &to(Some("ann"))),
        ),
        (
            "an alert about bob",
            announced(Kind::SecurityAlert, &to(Some("bob"))),
        ),
        (
            "a word to managers",
            posted(
                Kind::SystemNotification,
                json!({ "role": "manager", "title": "t" }),
            ),
        ),
    ]
}

const EVERYBODY: &[&str] = &["a product", "a notification", "maintenance"];
const TO_ANN: &[&str] = &["a word to ann", "an alert about ann"];
const OF_SHOP: &[&str] = &[
    "an order of ann",
    "an order of bob",
    "a posted order of ann",
    "a posted order of bob",
    "activity",
    "a view",
    "stock here",
];
const OF_ALL: &[&str] = &["an order of bob there", "stock there"];
const PAYMENTS: &[&str] = &["a payment of ann", "a payment of bob"];
const ALERTS: &[&str] = &["an alert", "an alert about bob"];

/// Each token, and what its bearer, who is user `ann`, may see of [`happenings`].
fn bearers() -> Vec<(Option<Value>, Vec<&'static [&'static str]>)> {
    let ann = |role: &str| json!({ "role": role, "user": "ann", "shops": one_shop() });
    let with = |mut token: Value, key: &str, value: Value| {
        token[key] = value;
        token
    };
    vec![
        (None, vec![]),
        (Some(ann("guest")), vec![EVERYBODY, TO_ANN]),
        (Some(ann("service")), vec![]),
        (
            Some(with(ann("customer"), "customer", json!("5"))),
            vec![
                EVERYBODY,
                TO_ANN,
                &[
                    "an order of ann",
                    "a posted order of ann",
                    "a payment of ann",
                ],
            ],
        ),
        (
            Some(with(ann("staff"), "locations", json!(["1"]))),
            vec![EVERYBODY, TO_ANN, OF_SHOP],
        ),
        (Some(ann("staff")), vec![EVERYBODY, TO_ANN, OF_SHOP, OF_ALL]),
        (
            Some(ann("manager")),
            vec![
                EVERYBODY,
                TO_ANN,
                OF_SHOP,
                OF_ALL,
                PAYMENTS,
                &["a word to managers"],
            ],
        ),
        (
            Some(ann("admin")),
            vec![EVERYBODY, TO_ANN, OF_SHOP, OF_ALL, PAYMENTS, ALERTS],
        ),
        (
            Some(ann("super_admin")),
            vec![EVERYBODY, TO_ANN, OF_SHOP, OF_ALL, PAYMENTS, ALERTS],
        ),
        (
            Some(with(ann("admin"), "shops", json!(["other.myshopify.com"]))),
            vec![],
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn nobody_hears_what_is_not_theirs_live_or_later_in_one_namespace_or_in_all() {
    let world = World::new();
    world.happens(stock(9, 9, 1));
    let mut live = Vec::new();
    for (token, may_see) in bearers() {
        let may_see: BTreeSet<&str> = may_see.concat().into_iter().collect();
        // In each namespace alone, and in all of them.
        for subscribed in NAMESPACES
            .iter()
            .map(|one| vec![*one])
            .chain([NAMESPACES.to_vec()])
        {
            let mut client = match &token {
                None => Client::guest(&world.hub).await,
                Some(token) => Client::of(&world.hub, token).await,
            };
            for namespace in &subscribed {
                client.subscribes(namespace).await;
            }
            client.heard.clear();
            live.push((token.clone(), subscribed, may_see.clone(), client));
        }
    }
    let named = happenings();
    let mut names = BTreeMap::new();
    for (what, event) in &named {
        world.happens(event.clone());
        names.insert(world.hub.head().to_string(), *what);
    }
    let of_namespace = |what: &str| match what.split(' ').collect::<Vec<_>>()[..] {
        ["a", "payment", ..] => "payments",
        ["a", "product"] => "products",
        ["stock", ..] => "inventory",
        ["activity"] | ["a", "view"] => "customers",
        [_, "order", ..] | [_, _, "order", ..] => "orders",
        _ => "system",
    };
    let heard = |messages: &[Value]| -> Vec<&str> {
        messages
            .iter()
            .filter_map(|message| names.get(message["id"].as_str()?).copied())
            .collect()
    };
    let since = format!("{EPOCH}.1");
    for (token, subscribed, may_see, mut client) in live {
        let expected: Vec<&str> = named
            .iter()
            .map(|(what, _)| *what)
            .filter(|what| may_see.contains(what) && subscribed.contains(&of_namespace(what)))
            .collect();
        for _ in 0..2 {
            client.asks("ping", &Value::Null).await;
        }
        assert_eq!(
            heard(&client.heard),
            expected,
            "live, {token:?} in {subscribed:?}"
        );
        drop(client);

        let Some(token) = token else { continue };
        let mut late = Client::of(&world.hub, &token).await;
        for namespace in &subscribed {
            late.asks(
                "subscribe",
                &json!({ "namespace": namespace, "since": since }),
            )
            .await;
        }
        let replayed: BTreeSet<&str> = heard(&late.heard).into_iter().collect();
        assert_eq!(
            replayed,
            expected.iter().copied().collect(),
            "replayed, {token} in {subscribed:?}"
        );
        assert_eq!(heard(&late.heard).len(), expected.len(), "each once");
        late.heard.clear();
        assert_eq!(late.types().await, Vec::<String>::new(), "and not again");
    }
}

#[tokio::test(start_paused = true)]
async fn other_rights_bring_other_rooms_and_what_is_subscribed_to_goes_on() {
    let world = World::new();
    let token = |role: &str| json!({ "token": json!({ "role": role, "user": "ann" }).to_string() });
    let mut client = Client::of(&world.hub, &json!({ "role": "manager", "user": "ann" })).await;
    for namespace in NAMESPACES {
        client.subscribes(namespace).await;
    }
    client.asks("auth", &token("staff")).await;
    for event in [payment(5), product(), stock(1, 1, 5)] {
        world.happens(event);
    }
    assert_eq!(
        client.types().await,
        ["product:updated", "inventory:updated"]
    );
    client.asks("auth", &token("guest")).await;
    for event in [payment(5), product(), stock(1, 1, 5), order(5, &[])] {
        world.happens(event);
    }
    assert_eq!(client.types().await, ["product:updated"]);
    client.asks("auth", &token("manager")).await;
    world.happens(payment(5));
    assert_eq!(
        client.types().await,
        Vec::<String>::new(),
        "it would have to subscribe again"
    );
}

#[tokio::test(start_paused = true)]
async fn since_of_an_auth_counts_once_for_each_namespace() {
    let world = World::new();
    for event in [product(), stock(1, 1, 5), order(5, &[]), product()] {
        world.happens(event);
    }
    let since = format!("{EPOCH}.1");
    let mut client = Client::of(&world.hub, &json!({ "role": "guest", "shops": one_shop() })).await;
    client.subscribes("products").await;
    let token = json!({ "role": "staff" }).to_string();
    let answer = client
        .asks("auth", &json!({ "token": token, "since": since }))
        .await;
    assert_eq!(name(&answer), "authenticated");
    assert_eq!(
        client.types().await,
        ["product:updated"],
        "what it had subscribed to already, before the answer"
    );
    let subscribed = client.subscribes("inventory").await;
    assert_eq!(
        subscribed["data"],
        json!({ "namespace": "inventory", "offset": world.hub.head() })
    );
    assert_eq!(client.types().await, ["inventory:updated"]);
    client
        .asks("unsubscribe", &json!({ "namespace": "inventory" }))
        .await;
    client.subscribes("inventory").await;
    assert_eq!(client.types().await, Vec::<String>::new());
    client
        .asks(
            "subscribe",
            &json!({ "namespace": "orders", "since": format!("{EPOCH}.3") }),
        )
        .await;
    assert_eq!(
        client.types().await,
        Vec::<String>::new(),
        "its own word counts more"
    );
    let resync = client
        .asks(
            "subscribe",
            &json!({ "namespace": "system", "since": "00000001.1" }),
        )
        .await;
    assert_eq!(
        resync,
        json!({ "type": "resync", "data": { "reason": "other_epoch" } })
    );
}

#[tokio::test(start_paused = true)]
async fn what_may_wait_is_put_together_and_what_may_not_goes_behind_it() {
    let world = World::new();
    let mut client = Client::of(&world.hub, &json!({ "role": "manager" })).await;
    client
        .asks(
            "subscribe",
            &json!({ "namespace": "inventory", "batchMs": 500 }),
        )
        .await;
    client.subscribes("payments").await;
    client.heard.clear();
    let began = Instant::now();
    for available in [5, 4, 3] {
        world.happens(stock(1, 1, available));
        world.happens(stock(1, 2, available));
    }
    let heard = [client.hears().await, client.hears().await];
    assert_eq!(began.elapsed(), Duration::from_millis(500));
    let seen = |message: &Value| {
        (
            message["data"]["productId"].clone(),
            message["data"]["available"].clone(),
        )
    };
    assert_eq!(
        heard.each_ref().map(seen),
        [(json!("1"), json!(3)), (json!("2"), json!(3))]
    );

    world.happens(stock(1, 1, 2));
    world.happens(payment(5));
    world.happens(stock(1, 1, 1));
    assert_eq!(name(&client.hears().await), "inventory:updated");
    assert_eq!(name(&client.hears().await), "payment:received");
    assert_eq!(began.elapsed(), Duration::from_millis(500));
    // An answer, too, is behind what happened before it.
    client
        .asks("unsubscribe", &json!({ "namespace": "inventory" }))
        .await;
    client.heard.remove(0);
    client.heard.clear();
    assert!(
        timeout(Duration::from_secs(2), client.hears())
            .await
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_sent_before_it_grows_too_large() {
    let world = World::new();
    let mut client = Client::of(&world.hub, &json!({ "role": "manager" })).await;
    client
        .asks(
            "subscribe",
            &json!({ "namespace": "payments", "batchMs": 10_000 }),
        )
        .await;
    let began = Instant::now();
    for _ in 0..=limits::BATCH_EVENTS_MAX {
        world.happens(payment(5));
    }
    for _ in 0..limits::BATCH_EVENTS_MAX {
        client.hears().await;
    }
    assert!(began.elapsed() < Duration::from_secs(1));
    client.hears().await;
    assert!(began.elapsed() >= Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn presence_is_told_beside_the_log() {
    let world = World::new();
    let mut staff = Client::of(&world.hub, &json!({ "role": "staff" })).await;
    staff.subscribes("customers").await;
    let token = json!({ "role": "customer", "user": "ann", "customer": "5", "shops": one_shop() });
    // It is a guest first, and nobody.
    let mut customer = Client::guest(&world.hub).await;
    assert_eq!(staff.types().await, Vec::<String>::new());
    customer
        .asks("auth", &json!({ "token": token.to_string() }))
        .await;
    assert_eq!(staff.types().await, ["customer:online"]);
    customer
        .asks("auth", &json!({ "token": token.to_string() }))
        .await;
    assert_eq!(
        staff.types().await,
        Vec::<String>::new(),
        "a fresh token is no coming and going"
    );
    drop(customer);
    let offline = staff.hears().await;
    assert_eq!(
        (name(&offline), &offline["data"]),
        ("customer:offline", &json!({ "customerId": "5" }))
    );
    staff.heard.clear();
    let other = Ephemeral::CustomerOnline(EventData::Own(CustomerPresence {
        customer_id: 6_u64.try_into().unwrap(),
    }));
    world.hub.publish_ephemeral(&shop(), &other);
    assert_eq!(staff.types().await, ["customer:online"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_runs_out_or_is_revoked_ends_the_connection() {
    let world = World::new();
    let mut client = Client::of(&world.hub, &json!({ "role": "staff", "expires": 20 })).await;
    assert_eq!(client.error().await, "TOKEN_EXPIRED");
    assert_eq!(client.pipe.closed().await, Some(1008));

    let mut client = Client::of(&world.hub, &json!({ "role": "staff", "expires": 40 })).await;
    let fresh = json!({ "role": "staff", "jti": "x" }).to_string();
    client.asks("auth", &json!({ "token": fresh })).await;
    assert!(
        timeout(Duration::from_mins(1), client.hears())
            .await
            .is_err()
    );
    client.subscribes("inventory").await;
    world.tokens.0.lock().unwrap().insert("x".to_owned());
    world.hub.recheck_tokens();
    world.happens(stock(1, 1, 5));
    assert_eq!(client.error().await, "TOKEN_INVALID");
    assert_eq!(client.pipe.closed().await, Some(1008));
    assert_eq!(world.hub.endings()["dismissed"], 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_message_is_refused_in_its_turn_and_the_connection_goes_on() {
    let world = World::new();
    let mut client = Client::of(&world.hub, &json!({ "role": "staff" })).await;
    client.heard.clear();
    client
        .says(
            "subscribe",
            &json!({ "namespace": "inventory", "since": world.hub.head() }),
        )
        .await;
    for text in [
        "",
        "nonsense",
        "[]",
        r#"["ping",{}]"#,
        "{}",
        r#"{"type":7}"#,
    ] {
        client.pipe.say(text).await;
    }
    client.pipe.write(0x82, b"{\"type\":\"ping\"}").await;
    client
        .says("subscribe", &json!({ "namespace": "everything" }))
        .await;
    client.says("subscribe", &json!(["orders"])).await;
    client.says("dance", &Value::Null).await;
    assert_eq!(name(&client.hears().await), "subscribed");
    for _ in 0..9 {
        assert_eq!(client.error().await, "INVALID_PAYLOAD");
    }
    assert_eq!(client.error().await, "UNKNOWN_EVENT");
    // In three fragments, with a ping in between.
    for (first, part) in [
        (0x01, "{\"type\""),
        (0x89, "?"),
        (0x00, ":\"pi"),
        (0x80, "ng\"}"),
    ] {
        client.pipe.write(first, part.as_bytes()).await;
    }
    assert_eq!(client.pipe.frame().await, Some((0xA, b"?".to_vec())));
    assert_eq!(name(&client.hears().await), "pong");
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_dropped_and_a_giant_closed() {
    let world = World::with(HubOptions {
        plain_messages_per_minute: 100,
        ..HubOptions::default()
    });
    let mut client = Client::guest(&world.hub).await;
    for _ in 0..100 {
        assert_eq!(name(&client.asks("ping", &Value::Null).await), "pong");
    }
    for text in ["nonsense", "{\"type\":\"ping\"}"] {
        client.pipe.say(text).await;
        assert_eq!(client.error().await, "RATE_LIMITED");
    }
    tokio::time::sleep(Duration::from_secs(7)).await;
    assert_eq!(name(&client.asks("ping", &Value::Null).await), "pong");
    assert_eq!(world.hub.figures().rate_limited, 2);

    // As soon as it is declared.
    let declared = [&[0x81, 0xFF][..], &1_000_001_u64.to_be_bytes(), &[0; 4]].concat();
    client.pipe.raw(&declared).await;
    assert_eq!(client.pipe.closed().await, Some(1009));

    let mut client = Client::guest(&world.hub).await;
    for first in [0x01, 0x00, 0x00] {
        let part = [&[first, 0xFF][..], &400_000_u64.to_be_bytes(), &[0; 4]].concat();
        client.pipe.raw(&part).await;
        client.pipe.raw(&vec![b'x'; 400_000]).await;
    }
    assert_eq!(
        client.pipe.closed().await,
        Some(1009),
        "all its fragments together"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reader_too_slow_for_memory_goes_on_from_the_log() {
    let world = World::with(HubOptions {
        ring_entries: 8,
        ..HubOptions::default()
    });
    let mut client = Client::of(&world.hub, &json!({ "role": "staff" })).await;
    client.subscribes("inventory").await;
    client.heard.clear();
    for available in 0..2_000 {
        world.happens(stock(1, 1, available));
    }
    for available in 0..2_000 {
        assert_eq!(client.hears().await["data"]["available"], available);
    }
}
