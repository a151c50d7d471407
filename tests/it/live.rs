//! What happens at the store is seen at once by unmodified clients, and what was missed is told once.

use schemas::Role;
use serde_json::{Value, json};
use tests::{Client, Dashboard, Mirror, Settings, TestDaemon, TestShop, Token, stock};

fn admin() -> Token {
    Token::of(Role::Admin)
}

/// Looks every second for what no webhook tells, so that a shop with shoppers in it can be compared.
async fn attentive(shop: &TestShop) -> TestDaemon {
    let daemon = TestDaemon::with(
        shop,
        Settings {
            quick: "* * * * * *".to_owned(),
            ..Settings::default()
        },
    )
    .await;
    daemon.imported().await;
    daemon
}

/// The ids of events in the order in which a client heard them.
fn ids(events: &[(String, Value)]) -> Vec<String> {
    events
        .iter()
        .filter_map(|(_, payload)| payload["id"].as_str().map(str::to_owned))
        .collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sale_at_the_store_reaches_a_client_in_the_documented_envelope() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut client = daemon.client(&admin()).await;
    assert_eq!(
        client.asks("subscribe:inventory", &json!({})).await["rooms"],
        json!(["inventory:all"])
    );
    assert_eq!(
        client.asks("subscribe:orders", &json!({})).await["rooms"],
        json!(["orders:all"])
    );
    let spot = shop.spot(0, 12).await;

    let order = shop.sells(&spot, spot.available - 10).await;

    let updated = client
        .event_where("inventory:updated", |event| {
            event["data"]["available"] == 10
        })
        .await;
    assert_eq!(keys(&updated), ["data", "id", "shop", "timestamp", "type"]);
    assert_eq!(updated["type"], "inventory:updated");
    let level = &updated["data"];
    assert_eq!(level["previousAvailable"], spot.available);
    assert_eq!(level["source"], "webhook");
    assert_eq!(
        (
            &level["inventoryItemId"],
            &level["locationId"],
            &level["productId"],
            &level["variantId"]
        ),
        (
            &json!(spot.item),
            &json!(spot.location),
            &json!(spot.product),
            &json!(spot.variant)
        )
    );
    let low = client.event("inventory:lowStock").await;
    assert_eq!(
        (&low["data"]["status"], &low["data"]["threshold"]),
        (&json!("low_stock"), &json!(10))
    );
    assert_eq!(low["data"]["available"], 10);

    let placed = client
        .event_where("order:updated", |event| {
            event["data"]["orderId"] == order["id"]
        })
        .await;
    assert_eq!(placed["type"], "order:updated");
    let data = &placed["data"];
    assert_eq!(
        (&data["change"], &data["status"]),
        (&json!("created"), &json!("created"))
    );
    assert_eq!(
        (&data["name"], &data["total"]),
        (&order["name"], &order["totalPrice"])
    );
    assert_eq!(data["itemCount"], spot.available - 10);
    for inside in ["locations", "lines", "email"] {
        assert!(
            data[inside].is_null(),
            "{inside} is not part of an order's shape"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_level_crosses_each_threshold_once() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut client = daemon.client(&admin()).await;
    client.asks("subscribe:inventory", &json!({})).await;
    let spot = shop.spot(0, 12).await;

    for (delta, available) in [
        (10 - spot.available, 10),
        (-2, 8),
        (-8, 0),
        (5, 5),
        (15, 20),
    ] {
        shop.adjusts(&spot, "available", delta).await;
        client
            .event_where("inventory:updated", |event| {
                event["data"]["available"] == available
            })
            .await;
    }
    // Behind everything that was sent before.
    client.asks("subscribe:notifications", &json!({})).await;

    let told = client
        .events("inventory:")
        .into_iter()
        .filter(|(name, _)| name != "inventory:updated");
    let told: Vec<_> = told
        .map(|(name, event)| (name, event["data"]["status"].clone()))
        .collect();
    let expected = [
        ("inventory:lowStock", "low_stock"),
        ("inventory:lowStock", "out_of_stock"),
        ("inventory:restocked", "in_stock"),
    ];
    assert_eq!(
        told,
        expected.map(|(name, status)| (name.to_owned(), json!(status)))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_dashboard_works_unmodified_in_both_namespaces() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let spot = shop.spot(0, 12).await;
    let inventory = json!({
        "locationIds": ["location-1", spot.location],
        "productIds": ["product-1", spot.product],
    });
    let token = daemon.token(&admin());
    let opens =
        |namespace| Dashboard::opens(&daemon.url(), namespace, &token, &inventory, &json!({}));
    let dashboards = [opens(""), opens("/oda")];
    for dashboard in &dashboards {
        let connected = dashboard.shows("connected").await;
        assert_eq!(
            (&connected["userId"], &connected["role"]),
            (&json!("test-admin"), &json!("admin"))
        );
        // The document's own item is none of this shop's, and it is told so in the document's own words.
        for refusal in ["inventory:updateError", "inventory:reservationError"] {
            let refusal = dashboard.shows(refusal).await;
            assert!(refusal["error"].is_string(), "{refusal}");
            assert_eq!(refusal["code"], "NOT_FOUND");
        }
    }

    let order = shop.sells(&spot, spot.available - 10).await;

    for dashboard in &dashboards {
        assert_eq!(
            dashboard.shows("inventory:updated").await["inventoryItemId"],
            spot.item
        );
        assert_eq!(dashboard.shows("inventory:lowStock").await["available"], 10);
        assert_eq!(
            dashboard.shows("order:updated").await["orderId"],
            order["id"]
        );
        let topic = dashboard.shows("shopify:webhook:received").await["topic"].clone();
        assert!(topic.as_str().unwrap().contains('/'), "{topic}");
        assert_eq!(
            dashboard.shows("notification").await["event"],
            "customer:activity"
        );
        assert_eq!(dashboard.calls("connect_error"), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transport_carries_the_same() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let spot = shop.spot(0, 20).await;
    let opens = |transports: Value| {
        let mut options = json!({ "auth": { "token": daemon.token(&admin()) } });
        if !transports.is_null() {
            options["transports"] = transports;
        }
        Client::with(&daemon.url(), "/oda", &options)
    };
    let mut clients = [
        Value::Null,
        json!(["polling"]),
        json!(["websocket"]),
        json!(["websocket", "polling"]),
    ]
    .map(opens);
    for client in &mut clients {
        assert_eq!(client.connected().await["role"], "admin");
        let answer = client
            .asks("subscribe:inventory", &json!({ "snapshot": true }))
            .await;
        assert!(
            answer["levels"].as_array().unwrap().len() > 20,
            "more than fits one packet of TCP"
        );
    }
    assert_eq!(clients[0].upgraded().await, "websocket");

    for units in 1..=20 {
        shop.adjusts(&spot, "available", -1).await;
        let now = spot.available - units;
        for client in &mut clients {
            client
                .event_where("inventory:updated", |event| {
                    event["data"]["available"] == now
                })
                .await;
        }
    }

    let expected = ids(&clients[2].events("inventory:"));
    for client in &clients {
        assert_eq!(ids(&client.events("inventory:")), expected);
        assert_eq!(
            client.events("connected").len(),
            1,
            "it had to connect again"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_while_a_client_changes_transports() {
    let shop = TestShop::opens().await;
    let daemon = attentive(&shop).await;
    shop.is_busy(40.0).await;
    let mut watching = daemon.client(&admin()).await;
    watching.asks("subscribe:inventory", &json!({})).await;
    let beginning = daemon.offset().await;
    for _ in 0..5 {
        let mut client = Client::connects(&daemon.url(), "/oda", &daemon.token(&admin()));
        client.emits("subscribe:inventory", &json!({ "since": beginning }));
        assert_eq!(client.upgraded().await, "websocket");
        watching.event("inventory:updated").await;
        let answer = client.asks("subscribe:inventory", &json!({})).await;
        // What was logged by then comes before the next answer.
        client.asks("unsubscribe:orders", &json!({})).await;
        let logged = daemon.events(Some("inventory:all")).await;
        let order = |id: &str| id.rsplit('.').next().unwrap().parse::<u64>().unwrap();
        let until = order(answer["offset"].as_str().unwrap());
        let logged = logged
            .iter()
            .map(|event| order(event["id"].as_str().unwrap()));
        let logged: Vec<_> = logged
            .filter(|id| (order(&beginning) + 1..=until).contains(id))
            .collect();
        let heard: Vec<_> = ids(&client.events("inventory:"))
            .iter()
            .map(|id| order(id))
            .collect();
        let heard: Vec<_> = heard.into_iter().filter(|id| *id <= until).collect();
        assert_eq!(heard, logged);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscription_for_a_strange_customer_joins_nothing_visible() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut client = daemon.client(&admin()).await;
    let answer = client
        .asks("subscribe:orders", &json!({ "customerId": "customer-123" }))
        .await;
    assert_eq!(
        (&answer["ok"], &answer["rooms"]),
        (&json!(true), &json!(["orders:customer:customer-123"]))
    );
    client
        .asks("subscribe:inventory", &json!({ "locationIds": [] }))
        .await;

    let mut other = daemon.client(&admin()).await;
    other.asks("subscribe:orders", &json!({})).await;
    shop.sells(&shop.spot(0, 1).await, 1).await;
    other.event("order:updated").await;

    client.asks("unsubscribe:orders", &json!({})).await;
    assert_eq!(client.events("order:"), []);
    assert_eq!(client.events("inventory:"), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_exact_at_its_offset_while_shoppers_buy() {
    let shop = TestShop::opens().await;
    let daemon = attentive(&shop).await;
    shop.is_busy(40.0).await;
    let mut watching = daemon.client(&admin()).await;
    watching.asks("subscribe:inventory", &json!({})).await;
    watching.event("inventory:updated").await;

    let mut client = daemon.client(&admin()).await;
    let answer = client
        .asks("subscribe:inventory", &json!({ "snapshot": true }))
        .await;
    for _ in 0..10 {
        client.event("inventory:updated").await;
    }
    shop.is_busy(0.0).await;
    shop.falls_quiet().await;
    Mirror::becomes_exact(&daemon, &shop).await;
    client.asks("subscribe:notifications", &json!({})).await;

    // Events upon the snapshot make the present, and the first of them starts from what the snapshot says.
    let place = |level: &Value| {
        (
            level["inventoryItemId"].clone(),
            level["locationId"].clone(),
        )
    };
    let mut levels: Vec<Value> = answer["levels"].as_array().unwrap().clone();
    for (name, event) in client.events("inventory:") {
        let level = levels
            .iter_mut()
            .find(|level| place(level) == place(&event["data"]))
            .unwrap();
        if name == "inventory:updated" {
            assert_eq!(
                event["data"]["previousAvailable"], level["available"],
                "a gap or an overlap"
            );
            *level = event["data"].clone();
        }
    }
    let truth = shop.truth().await;
    for level in truth["levels"].as_array().unwrap() {
        let seen = levels
            .iter()
            .find(|seen| place(seen) == place(level))
            .unwrap();
        assert_eq!(stock(seen), stock(level));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn since_tells_what_was_missed_once_and_in_order() {
    let shop = TestShop::opens().await;
    let daemon = attentive(&shop).await;
    let beginning = daemon.offset().await;
    shop.is_busy(40.0).await;
    let mut watching = daemon.client(&admin()).await;
    watching.asks("subscribe:orders", &json!({})).await;
    for _ in 0..20 {
        watching.event("order:updated").await;
    }

    // Joined while shoppers still buy: what was missed and what is live must not overlap.
    let mut late = Client::connects(&daemon.url(), "/oda", &daemon.token(&admin()));
    late.connected().await;
    late.emits("subscribe:inventory", &json!({ "since": beginning }));
    late.emits("subscribe:orders", &json!({ "since": beginning }));
    for _ in 0..10 {
        watching.event("order:updated").await;
    }
    shop.is_busy(0.0).await;
    shop.falls_quiet().await;
    Mirror::becomes_exact(&daemon, &shop).await;
    late.asks("subscribe:notifications", &json!({})).await;

    for (family, room) in [("inventory:", "inventory:all"), ("order:", "orders:all")] {
        let logged = daemon.events(Some(room)).await;
        // Payments are heard in the rooms of orders, too, and have no word of their own in this contract.
        let logged = logged
            .iter()
            .filter(|event| event["kind"].as_str().unwrap().starts_with(family));
        let logged: Vec<&str> = logged.map(|event| event["id"].as_str().unwrap()).collect();
        assert!(logged.len() > 20);
        assert_eq!(ids(&late.events(family)), logged, "{family}");
    }
    assert_eq!(late.events("resync"), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_in_several_rooms_of_an_event_hears_it_once() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let spot = shop.spot(0, 3).await;
    let mut client = daemon.client(&admin()).await;
    client.asks("subscribe:inventory", &json!({})).await;
    let narrow = json!({
        "locationIds": [spot.location], "productIds": [spot.product], "variantIds": [spot.variant],
    });
    let answer = client.asks("subscribe:inventory", &narrow).await;
    assert_eq!(answer["rooms"].as_array().unwrap().len(), 3);

    shop.adjusts(&spot, "available", -1).await;
    Mirror::becomes_exact(&daemon, &shop).await;
    client.event("inventory:updated").await;
    client.asks("subscribe:notifications", &json!({})).await;

    let heard = ids(&client.events("inventory:"));
    let logged = daemon.events(Some("inventory:all")).await;
    let logged: Vec<&str> = logged
        .iter()
        .map(|event| event["id"].as_str().unwrap())
        .collect();
    assert_eq!(heard, logged);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_offset_of_another_database_is_answered_with_resync() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let mut client = daemon.client(&admin()).await;
    for foreign in ["ffffffff.3", "not an offset"] {
        let answer = client
            .asks("subscribe:inventory", &json!({ "since": foreign }))
            .await;
        assert_eq!(answer["ok"], true);
        client.event("resync").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fulfilled_units_leave_the_mirror() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let spot = shop.spot(0, 5).await;
    let order = shop.sells(&spot, 3).await;
    Mirror::becomes_exact(&daemon, &shop).await;

    // Of this Shopify sends no level webhook: `available` stays.
    shop.order("fulfill", &order).await;

    Mirror::becomes_exact(&daemon, &shop).await;
}
