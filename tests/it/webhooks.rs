//! Webhooks: what each is answered, and that nobody can use one to change what the store does not say.

mod bodies;

use schemas::Role;
use serde_json::{Value, json};
use tests::{Mirror, Spot, TestDaemon, TestShop, Token, Webhook, Wire, eventually, stock};

const LEVELS_UPDATE: &str = "inventory_levels/update";
/// A time after every time in the shop's past.
const LATER: &str = "2030-01-01T00:00:00Z";

/// A shop whose webhooks are held back, so that only the test's own arrive.
async fn silent_shop() -> (TestShop, TestDaemon) {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    shop.mistreats_webhooks(&json!({ "paused": true })).await;
    (shop, daemon)
}

fn level(spot: &Spot, available: i64, updated_at: &str) -> Value {
    json!({
        "inventory_item_id": spot.item.parse::<u64>().unwrap(),
        "location_id": spot.location.parse::<u64>().unwrap(),
        "available": available,
        "updated_at": updated_at,
    })
}

/// Sends a harmless delivery and waits until it, and so everything before it, was applied and read again.
async fn settles(daemon: &TestDaemon, shop: &TestShop) {
    daemon.inbox_is_empty().await;
    // Second looks are made one group after the other, so one that was asked for later is done later.
    let (before, spot) = (daemon.offset().await, shop.spot(3, 1).await);
    let now = shop.adjusts(&spot, "damaged", 1).await;
    let hint = level(&spot, now["available"].as_i64().unwrap(), LATER);
    assert_eq!(
        daemon.receives(&Webhook::of(LEVELS_UPDATE, &hint)).await,
        200
    );
    eventually("later deliveries were read again", async || {
        let level = daemon.level(&spot.item, &spot.location).await?;
        (level["quantities"]["damaged"] == now["damaged"]).then_some(())
    })
    .await;
    assert_ne!(daemon.offset().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_repeated_is_answered_200_and_changes_nothing() {
    let (shop, daemon) = silent_shop().await;
    let spot = shop.spot(0, 5).await;
    let now = shop.adjusts(&spot, "available", -1).await;
    let webhook = Webhook::of(
        LEVELS_UPDATE,
        &level(
            &spot,
            spot.available - 1,
            now["updatedAt"].as_str().unwrap(),
        ),
    );

    assert_eq!(daemon.receives(&webhook).await, 200);
    settles(&daemon, &shop).await;
    let offset = daemon.offset().await;
    for _ in 0..3 {
        assert_eq!(daemon.receives(&webhook).await, 200);
    }

    // Deliveries are applied in order, so behind this one the repeated ones would have been.
    assert_eq!(
        daemon
            .receives(&Webhook::of("themes/publish", &json!({})))
            .await,
        200
    );
    eventually("the last delivery was looked at", async || {
        (daemon.deliveries("themes/publish", "ignored").await == 1).then_some(())
    })
    .await;
    assert_eq!(daemon.offset().await, offset);
    // It, and the one by which the test knew that all had settled.
    assert_eq!(daemon.deliveries(LEVELS_UPDATE, "applied").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_signed_by_the_shop_is_refused_and_leaves_no_trace() {
    let (shop, daemon) = silent_shop().await;
    let spot = shop.spot(0, 5).await;
    let offset = daemon.offset().await;
    let good = Webhook::of(LEVELS_UPDATE, &level(&spot, 4, LATER));
    let mut changed = good.clone();
    let byte = changed.body.iter().rposition(|byte| *byte == b'4').unwrap();
    changed.body[byte] = b'5';
    let doubled = Webhook {
        headers: good
            .headers
            .iter()
            .cloned()
            .chain([good.headers[2].clone()])
            .collect(),
        ..good.clone()
    };
    let signature = "x-shopify-hmac-sha256";
    let cases = [
        ("one byte changed", changed, 401),
        (
            "another secret",
            good.clone().signed_with("somebody else's"),
            401,
        ),
        ("an empty secret", good.clone().signed_with(""), 401),
        ("no signature", good.clone().without(signature), 401),
        (
            "an empty signature",
            good.clone().header(signature, ""),
            401,
        ),
        ("no base64", good.clone().header(signature, "%%%"), 401),
        (
            "half a signature",
            good.clone().header(signature, "AAAA"),
            401,
        ),
        ("two signatures", doubled, 401),
        (
            "a shop that is not ours",
            good.clone()
                .header("x-shopify-shop-domain", "other.myshopify.com"),
            404,
        ),
        (
            "no shop at all",
            good.clone().header("x-shopify-shop-domain", "evil.example"),
            400,
        ),
        (
            "no shop header",
            good.clone().without("x-shopify-shop-domain"),
            400,
        ),
        (
            "no webhook id",
            good.clone().without("x-shopify-webhook-id"),
            400,
        ),
        ("no topic", good.clone().without("x-shopify-topic"), 400),
        (
            "compressed",
            good.clone().header("content-encoding", "gzip"),
            415,
        ),
        (
            "too large",
            Webhook::raw(LEVELS_UPDATE, vec![b' '; 6 * 1024 * 1024]),
            413,
        ),
    ];
    for (why, webhook, status) in cases {
        assert_eq!(daemon.receives(&webhook).await, status, "{why}");
    }

    let mut wire = Wire::to(daemon.address()).await;
    wire.sends("GET /webhooks/shopify HTTP/1.1\r\nHost: stockd\r\nConnection: close\r\n\r\n")
        .await;
    assert!(wire.hears_all().await.starts_with("HTTP/1.1 405"));
    assert_eq!(
        daemon
            .receives(&Webhook::of("themes/publish", &json!({})))
            .await,
        200
    );
    eventually("the last delivery was looked at", async || {
        (daemon.deliveries("themes/publish", "ignored").await == 1).then_some(())
    })
    .await;
    assert_eq!(daemon.offset().await, offset);
    assert_eq!(daemon.deliveries(LEVELS_UPDATE, "applied").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_a_length_is_counted_while_it_streams() {
    let (_shop, daemon) = silent_shop().await;
    let mut wire = Wire::to(daemon.address()).await;
    let head = Webhook::raw(LEVELS_UPDATE, Vec::new()).head("Transfer-Encoding: chunked");
    wire.sends(format!("{head}\r\n")).await;
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000));
    // 64 MiB, if anybody takes them: what the socket's own buffers hold is little against the rest.
    let mut taken = 0;
    while taken < 1_024 && wire.sends(&chunk).await {
        taken += 1;
    }
    assert!(
        taken < 1_024,
        "a daemon that reads on is one that can be filled"
    );
    // The answer may be lost with the connection, but where it arrived it says why.
    let answer = wire.hears_all().await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 413"),
        "{answer}"
    );
    assert_eq!(
        daemon
            .receives(&Webhook::of("themes/publish", &json!({})))
            .await,
        200
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_taken_and_kept_for_a_person() {
    let (_shop, daemon) = silent_shop().await;
    let unreadable = [
        Webhook::raw("orders/create", b"{ \"id\": 1, ".to_vec()),
        Webhook::raw("orders/create", b"\xff\xfe".to_vec()),
        Webhook::raw("products/update", Vec::new()),
        Webhook::of("products/update", &json!([])),
        Webhook::of(
            LEVELS_UPDATE,
            &json!({ "inventory_item_id": -1, "location_id": "x", "available": 1e99 }),
        ),
        Webhook::raw("orders/create", "[".repeat(100_000).into_bytes()),
    ];
    for webhook in &unreadable {
        assert_eq!(daemon.receives(webhook).await, 200);
    }
    assert_eq!(
        daemon
            .receives(&Webhook::of("themes/publish", &json!({ "id": 1 })))
            .await,
        200
    );
    daemon.inbox_is_empty().await;

    let (_, answer) = daemon
        .asked("deliveries?state=unreadable", &Token::of(Role::Staff))
        .await;
    let kept = answer["data"].as_array().unwrap();
    assert_eq!(kept.len(), unreadable.len());
    assert!(
        kept.iter()
            .all(|delivery| delivery["reason"].is_string() && delivery["body"].is_null())
    );
    assert_eq!(daemon.deliveries("themes/publish", "ignored").await, 1);
    // Repeated, as Shopify would not: it was answered 200.
    assert_eq!(daemon.receives(&unreadable[0]).await, 200);
    daemon.inbox_is_empty().await;
    assert_eq!(daemon.deliveries("orders/create", "unreadable").await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_update_after_a_newer_one_changes_nothing() {
    let (shop, daemon) = silent_shop().await;
    let spot = shop.spot(0, 9).await;
    let now = shop.adjusts(&spot, "available", -2).await;
    let newer = level(
        &spot,
        spot.available - 2,
        now["updatedAt"].as_str().unwrap(),
    );
    assert_eq!(
        daemon.receives(&Webhook::of(LEVELS_UPDATE, &newer)).await,
        200
    );
    settles(&daemon, &shop).await;
    let before = daemon.events(Some("inventory:all")).await;

    let older = level(&spot, spot.available - 1, "2020-01-01T00:00:00Z");
    assert_eq!(
        daemon.receives(&Webhook::of(LEVELS_UPDATE, &older)).await,
        200
    );
    settles(&daemon, &shop).await;

    let events = daemon.events(Some("inventory:all")).await;
    let of_level = |event: &&Value| event["data"]["inventoryItemId"] == spot.item.as_str();
    let count = |events: &[Value]| events.iter().filter(of_level).count();
    assert_eq!(
        count(&events),
        count(&before),
        "nothing happened to the level"
    );
    let level = daemon.level(&spot.item, &spot.location).await.unwrap();
    assert_eq!(level["available"], spot.available - 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_updates_of_one_time_end_with_what_the_store_says() {
    let (shop, daemon) = silent_shop().await;
    // Either order, and the truth is neither, the first or the second.
    let cases = [[1, 2], [2, 1], [0, 1], [1, 0]];
    let mut expected = Vec::new();
    for (n, values) in cases.iter().enumerate() {
        let spot = shop.spot(n * 2, 5).await;
        let now = shop.adjusts(&spot, "available", -3).await;
        let (truth, at) = (
            now["available"].as_i64().unwrap(),
            now["updatedAt"].as_str().unwrap().to_owned(),
        );
        for off in values {
            let update = level(&spot, truth + off, &at);
            assert_eq!(
                daemon.receives(&Webhook::of(LEVELS_UPDATE, &update)).await,
                200
            );
        }
        expected.push((spot, now));
    }
    settles(&daemon, &shop).await;
    for (spot, now) in expected {
        eventually("the level is what the store says", async || {
            let level = daemon.level(&spot.item, &spot.location).await?;
            (stock(&level) == stock(&now)).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delete_notice_made_of_a_captured_body_deletes_nothing() {
    let (shop, daemon) = silent_shop().await;
    let order = shop.sells(&shop.spot(0, 5).await, 1).await;
    let placed = bodies::order(&order);
    assert_eq!(
        daemon
            .receives(&Webhook::of("orders/create", &placed))
            .await,
        200
    );
    settles(&daemon, &shop).await;
    let product = shop.truth().await["products"][0].clone();
    let (location, item) = {
        let spot = shop.spot(0, 1).await;
        (
            json!({ "id": spot.location.parse::<u64>().unwrap() }),
            json!({ "id": spot.item.parse::<u64>().unwrap() }),
        )
    };
    let before = shop.calls().await["totals"]["calls"].as_u64().unwrap();

    for (topic, body) in [
        ("orders/delete", placed.clone()),
        ("products/delete", bodies::product(&product)),
        ("locations/delete", location),
        ("inventory_items/delete", item),
        (
            "inventory_levels/disconnect",
            level(&shop.spot(0, 1).await, 0, LATER),
        ),
        (
            "customers/delete",
            json!({ "id": order["customerId"].as_str().unwrap().parse::<u64>().unwrap() }),
        ),
    ] {
        assert_eq!(
            daemon.receives(&Webhook::of(topic, &body)).await,
            200,
            "{topic}"
        );
    }
    settles(&daemon, &shop).await;

    assert!(
        shop.calls().await["totals"]["calls"].as_u64().unwrap() > before,
        "the store was asked"
    );
    let orders = daemon.list("orders", &Token::of(Role::Admin)).await;
    assert!(
        orders.iter().any(|held| held["orderId"] == order["id"]),
        "the order is still there"
    );
    let (mirror, truth) = (Mirror::of(&daemon).await, Mirror::truth(&shop).await);
    for kind in ["products", "variants", "items", "locations", "levels"] {
        assert_eq!(mirror.count(kind), truth.count(kind), "{kind}");
    }
    let deleted = |event: &Value| event["kind"].as_str().unwrap().ends_with(":deleted");
    assert!(!daemon.events(None).await.iter().any(deleted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_gone_at_the_store_goes() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let product = shop.truth().await["products"][0]["id"].clone();
    shop.does("products", &json!({ "action": "delete", "id": product }))
        .await;
    Mirror::becomes_exact(&daemon, &shop).await;
    let events = daemon.events(None).await;
    let deleted = events
        .iter()
        .filter(|event| event["kind"] == "product:deleted");
    assert_eq!(
        deleted
            .map(|event| &event["data"]["productId"])
            .collect::<Vec<_>>(),
        [&product]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_topic_is_taken_and_understood() {
    let (shop, daemon) = silent_shop().await;
    let order = shop.sells(&shop.spot(0, 5).await, 1).await;
    let truth = shop.truth().await;
    for (topic, body) in bodies::every_topic(&truth, &order) {
        let before = daemon.deliveries(topic, "applied").await;
        assert_eq!(
            daemon.receives(&Webhook::of(topic, &body)).await,
            200,
            "{topic}"
        );
        daemon.inbox_is_empty().await;
        assert_eq!(
            daemon.deliveries(topic, "applied").await,
            before + 1,
            "{topic} is applied"
        );
    }
    shop.mistreats_webhooks(&json!({})).await;
    shop.falls_quiet().await;
    Mirror::becomes_exact(&daemon, &shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doubled_and_reordered_webhooks_end_in_the_truth() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    shop.mistreats_webhooks(&json!({ "duplicate": 0.3, "reorder": 0.5 }))
        .await;
    for n in 0..40 {
        let spot = shop.spot(n % 7, 3).await;
        shop.sells(&spot, 1 + i64::try_from(n % 2).unwrap()).await;
    }
    shop.falls_quiet().await;
    Mirror::becomes_exact(&daemon, &shop).await;
    let created = daemon.events(Some("orders:all")).await;
    assert_eq!(
        created
            .iter()
            .filter(|event| event["kind"] == "order:created")
            .count(),
        40
    );
}
