//! Bodies that are signed and not true: times to come, other topics and shops than their own, and who was to be forgotten.

use schemas::Role;
use serde_json::{Value, json};
use sim::{Options, Sim};
use tests::{Mirror, Settings, TestDaemon, TestShop, Token, Webhook, eventually};

/// A time after every time in the shop's past, and after ours.
const LATER: &str = "2090-01-01T00:00:00Z";
const SECOND: &str = "second.myshopify.com";

fn admin() -> Token {
    Token::of(Role::Admin)
}

/// A token of the owner of both shops.
fn owner() -> Token {
    admin().enters(&[tests::DOMAIN, SECOND])
}

fn number(id: &Value) -> u64 {
    id.as_str().unwrap().parse().unwrap()
}

fn gid(kind: &str, id: &Value) -> String {
    format!("gid://shopify/{kind}/{}", id.as_str().unwrap())
}

/// The body of a customer's webhook.
fn customer(id: &Value, first_name: &str, updated_at: &Value) -> Value {
    json!({
        "id": number(id), "admin_graphql_api_id": gid("Customer", id), "first_name": first_name,
        "last_name": "Somebody", "created_at": updated_at, "updated_at": updated_at,
    })
}

/// An order's body, sold at a location of its own.
fn order(order: &Value, location: Option<&str>) -> Value {
    let lines = order["lineItems"].as_array().unwrap().iter().map(|line| {
        json!({
            "id": number(&line["id"]), "variant_id": number(&line["variantId"]), "title": "Invented",
            "sku": line["sku"], "quantity": line["quantity"], "current_quantity": line["currentQuantity"],
        })
    });
    json!({
        "id": number(&order["id"]),
        "admin_graphql_api_id": gid("Order", &order["id"]),
        "name": order["name"],
        "customer": customer(&order["customerId"], "Ida", &order["updatedAt"]),
        "financial_status": "pending",
        "fulfillment_status": null,
        "current_total_price": order["totalPrice"],
        "currency": "USD",
        "location_id": location.map(|id| id.parse::<u64>().unwrap()),
        "fulfillments": [],
        "line_items": lines.collect::<Vec<_>>(),
        "created_at": order["createdAt"],
        "updated_at": order["updatedAt"],
    })
}

/// A shop whose webhooks are held back, so that only the test's own arrive.
async fn silent_shop(settings: Settings) -> (TestShop, TestDaemon) {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::with(&shop, settings).await;
    daemon.imported().await;
    shop.mistreats_webhooks(&json!({ "paused": true })).await;
    (shop, daemon)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_signed_for_a_time_to_come_is_put_right_and_hinders_no_later_change() {
    let (shop, daemon) = silent_shop(Settings::default()).await;
    let truth = shop.truth().await;
    let (product, place, item) = (
        &truth["products"][0],
        &truth["locations"][0],
        &truth["inventoryItems"][0],
    );
    let bodies = [
        (
            "products/update",
            json!({
                "id": number(&product["id"]), "title": "Wrong", "handle": "wrong", "vendor": "Wrong",
                "product_type": "Wrong", "status": "draft", "updated_at": LATER,
            }),
        ),
        (
            "locations/update",
            json!({ "id": number(&place["id"]), "name": "Wrong", "active": false, "updated_at": LATER }),
        ),
        (
            "inventory_items/update",
            json!({ "id": number(&item["id"]), "sku": "WRONG", "tracked": false, "updated_at": LATER }),
        ),
        (
            "customers/update",
            customer(&truth["customers"][0]["id"], "Wrong", &json!(LATER)),
        ),
        (
            "inventory_levels/update",
            json!({
                "inventory_item_id": number(&item["id"]), "location_id": number(&place["id"]),
                "available": 4_711, "updated_at": LATER,
            }),
        ),
    ];
    for (topic, body) in &bodies {
        assert_eq!(
            daemon.receives(&Webhook::of(topic, body)).await,
            200,
            "{topic}"
        );
    }
    daemon.inbox_is_empty().await;
    let products = daemon.list("products", &admin()).await;
    assert!(
        products.iter().all(|product| product["updatedAt"] != LATER),
        "{products:?}"
    );
    Mirror::becomes_exact(&daemon, &shop).await;
    assert!(daemon.log().contains("webhooks carry times to come"));

    for (topic, body) in &bodies {
        assert_eq!(
            daemon.receives(&Webhook::of(topic, body)).await,
            200,
            "{topic}"
        );
    }
    shop.does(
        "products",
        &json!({ "action": "update", "id": product["id"], "title": "Renamed" }),
    )
    .await;
    shop.mistreats_webhooks(&json!({})).await;
    shop.falls_quiet().await;
    Mirror::becomes_exact(&daemon, &shop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_run_finds_what_a_body_claimed_of_the_past_and_counts_it_as_drift() {
    let (shop, daemon) = silent_shop(Settings::default()).await;
    let item = shop.truth().await["inventoryItems"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    let claimed = shop.adjusts(&shop.spot(0, 1).await, "damaged", 1).await["updatedAt"].clone();
    let body = json!({ "id": number(&item["id"]), "sku": "WRONG", "tracked": true, "updated_at": claimed });
    assert_eq!(
        daemon
            .receives(&Webhook::of("inventory_items/update", &body))
            .await,
        200
    );
    let held = async || {
        let items = daemon.list("items", &admin()).await;
        items
            .into_iter()
            .find(|held| held["inventoryItemId"] == item["id"])
            .unwrap()["sku"]
            .clone()
    };
    eventually("the body was believed", async || {
        (held().await == "WRONG").then_some(())
    })
    .await;
    shop.time_passes(3_600).await;
    let run = daemon.compares("products").await;
    assert_eq!(
        (&run["state"], &run["drift"]),
        (&json!("completed"), &json!(1)),
        "{run}"
    );
    assert_eq!(held().await, item["sku"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn farewells_that_are_not_true_delay_no_other_webhook() {
    let (shop, daemon) = silent_shop(Settings::default()).await;
    let spot = shop.spot(0, 5).await;
    // Longer than one answer may take: as many one after the other would outlast every patience.
    shop.mistreats_calls(&json!({ "latencyMs": 20_000 })).await;
    for n in 0..40 {
        let body = json!({ "id": 1, "n": n });
        assert_eq!(
            daemon
                .receives(&Webhook::of("app/uninstalled", &body))
                .await,
            200
        );
    }
    let now = shop.adjusts(&spot, "available", -1).await;
    let honest = json!({
        "inventory_item_id": spot.item.parse::<u64>().unwrap(),
        "location_id": spot.location.parse::<u64>().unwrap(),
        "available": spot.available - 1, "updated_at": now["updatedAt"],
    });
    assert_eq!(
        daemon
            .receives(&Webhook::of("inventory_levels/update", &honest))
            .await,
        200
    );
    eventually("the honest webhook is applied", async || {
        let level = daemon.level(&spot.item, &spot.location).await?;
        (level["available"] == spot.available - 1).then_some(())
    })
    .await;
    assert_eq!(daemon.deliveries("app/uninstalled", "applied").await, 40);
    shop.mistreats_calls(&json!({ "latencyMs": 0 })).await;
    let told = daemon.events(None).await;
    assert!(
        !told
            .iter()
            .any(|event| event["data"]["title"] == "The app was uninstalled")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_of_one_shop_adds_nothing_to_another_that_shares_its_secret() {
    let shop = TestShop::opens().await;
    let second = Options {
        shop: SECOND.to_owned(),
        access_token: "shpat_second".to_owned(),
        webhook_secret: "pretend-webhook-secret".to_owned(),
        products: 2,
        restore_rate: 10_000,
        seed: 7,
        ..Options::default()
    };
    let second = Sim::start(second).await.unwrap();
    let other = format!(
        "[[shop]]\ndomain = \"{SECOND}\"\naccess_token = \"shpat_second\"\ncustomer_names = true\n\
         webhook_secrets = [\"pretend-webhook-secret\"]\napi_url = \"{}\"",
        second.url()
    );
    let settings = Settings {
        sections: other,
        ..Settings::default()
    };
    let daemon = TestDaemon::with(&shop, settings).await;
    let ended = async |domain: &str| {
        let runs = daemon.list(&format!("runs?shop={domain}"), &owner()).await;
        (runs
            .iter()
            .filter(|run| run["state"] == "completed")
            .count()
            >= 4)
            .then_some(())
    };
    eventually("both shops are imported", async || {
        ended(tests::DOMAIN).await?;
        ended(SECOND).await
    })
    .await;
    let placed = shop.sells(&shop.spot(0, 5).await, 1).await;
    let stray =
        Webhook::of("orders/create", &order(&placed, None)).header("x-shopify-shop-domain", SECOND);
    assert_eq!(daemon.receives(&stray).await, 200);
    // The record that was looked for is read before one that is heard of later.
    let spot = {
        let levels = daemon
            .list(&format!("levels?shop={SECOND}"), &owner())
            .await;
        levels.into_iter().next().unwrap()
    };
    let change = json!({
        "inventoryItemId": spot["inventoryItemId"], "locationId": spot["locationId"], "name": "damaged", "delta": 1,
    });
    let moved = daemon
        .http()
        .post(format!("{}/_sim/adjust", second.url()))
        .json(&change)
        .send()
        .await
        .unwrap();
    let moved: Value = moved.json().await.unwrap();
    let hint = json!({
        "inventory_item_id": number(&spot["inventoryItemId"]), "location_id": number(&spot["locationId"]),
        "available": spot["available"].as_i64().unwrap() - 1, "updated_at": moved["updatedAt"],
    });
    let hint =
        Webhook::of("inventory_levels/update", &hint).header("x-shopify-shop-domain", SECOND);
    assert_eq!(daemon.receives(&hint).await, 200);
    eventually("what came later was read", async || {
        let levels = daemon
            .list(&format!("levels?shop={SECOND}"), &owner())
            .await;
        levels
            .iter()
            .any(|level| level["quantities"]["damaged"] == moved["damaged"])
            .then_some(())
    })
    .await;
    for kind in ["orders", "customers", "events"] {
        let text = json!(
            daemon
                .list(&format!("{kind}?shop={SECOND}"), &owner())
                .await
        )
        .to_string();
        for foreign in [&placed["id"], &placed["customerId"]] {
            assert!(!text.contains(foreign.as_str().unwrap()), "{kind}: {text}");
        }
        assert!(!text.contains("Ida Somebody"), "{kind}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redacted_customer_does_not_come_back_when_old_bodies_are_sent_again() {
    let settings = Settings {
        shop: "customer_names = true".to_owned(),
        ..Settings::default()
    };
    let (shop, daemon) = silent_shop(settings).await;
    let placed = shop.sells(&shop.spot(0, 5).await, 1).await;
    let bodies = [
        ("orders/create", order(&placed, None)),
        (
            "customers/update",
            customer(&placed["customerId"], "Ida", &placed["updatedAt"]),
        ),
    ];
    let send = async || {
        for (topic, body) in &bodies {
            assert_eq!(daemon.receives(&Webhook::of(topic, body)).await, 200);
        }
        daemon.inbox_is_empty().await;
    };
    send().await;
    let kept = async || {
        let (orders, customers) = (
            daemon.list("orders", &admin()).await,
            daemon.list("customers", &admin()).await,
        );
        let id = placed["customerId"].as_str().unwrap();
        json!([orders, customers, daemon.events(None).await])
            .to_string()
            .contains(id)
    };
    assert!(kept().await);
    let redact = json!({
        "shop_id": 1, "shop_domain": tests::DOMAIN,
        "customer": { "id": number(&placed["customerId"]), "email": "ida@shop.example" }, "orders_to_redact": [],
    });
    assert_eq!(
        daemon
            .receives(&Webhook::of("customers/redact", &redact))
            .await,
        200
    );
    daemon.inbox_is_empty().await;
    assert!(!kept().await);
    send().await;
    assert!(!kept().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_body_of_another_record_makes_a_customer() {
    let (shop, daemon) = silent_shop(Settings::default()).await;
    let before = daemon.list("customers", &admin()).await;
    let placed = shop.sells(&shop.spot(0, 5).await, 1).await;
    let strange = order(&placed, None);
    let nameless = json!({ "id": 4_711, "updated_at": placed["updatedAt"] });
    for body in [&strange, &nameless] {
        assert_eq!(
            daemon
                .receives(&Webhook::of("customers/create", body))
                .await,
            200
        );
    }
    daemon.inbox_is_empty().await;
    assert_eq!(daemon.list("customers", &admin()).await, before);
    assert_eq!(daemon.deliveries("customers/create", "unreadable").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_that_an_order_takes_elsewhere_than_where_it_was_sold_is_read() {
    let (shop, daemon) = silent_shop(Settings::default()).await;
    let spot = shop.spot(0, 5).await;
    let till = shop.elsewhere(&spot, 0).await;
    let placed = shop.sells(&spot, 2).await;
    let body = order(&placed, Some(&till.location));
    assert_eq!(
        daemon.receives(&Webhook::of("orders/create", &body)).await,
        200
    );
    let there = shop.level(&spot).await;
    eventually("the stock was read where it is", async || {
        let level = daemon.level(&spot.item, &spot.location).await?;
        (tests::stock(&level) == tests::stock(&there)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_cannot_be_read_has_its_record_read() {
    let (shop, daemon) = silent_shop(Settings::default()).await;
    let product = shop.truth().await["products"][0].clone();
    let renamed = json!({ "action": "update", "id": product["id"], "title": "Renamed" });
    shop.does("products", &renamed).await;
    let body = json!({ "id": number(&product["id"]), "title": ["no", "text"] });
    assert_eq!(
        daemon
            .receives(&Webhook::of("products/update", &body))
            .await,
        200
    );
    eventually("the product was read", async || {
        let products = daemon.list("products", &admin()).await;
        products
            .iter()
            .any(|held| held["title"] == "Renamed")
            .then_some(())
    })
    .await;
    assert_eq!(daemon.deliveries("products/update", "unreadable").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_of_another_api_version_are_a_problem_that_is_told_once() {
    let (_shop, daemon) = silent_shop(Settings::default()).await;
    for n in 0..5 {
        let old = Webhook::of("themes/publish", &json!({ "id": n }))
            .header("x-shopify-api-version", "2024-01");
        assert_eq!(daemon.receives(&old).await, 200);
        assert_eq!(
            daemon
                .receives(&Webhook::of("themes/publish", &json!({ "other": n })))
                .await,
            200
        );
    }
    let told = async || {
        let events = daemon.events(None).await;
        let about = |event: &&Value| {
            event["data"]
                .to_string()
                .contains("webhooks in API version 2024-01")
        };
        events.iter().filter(about).count()
    };
    eventually("it is told", async || (told().await == 1).then_some(())).await;
    assert_eq!(
        daemon
            .log()
            .matches("webhooks in API version 2024-01")
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_stock_of_a_deactivated_location_is_told_to_count_no_longer() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let spot = shop.spot(0, 5).await;
    shop.does(
        "locations",
        &json!({ "action": "deactivate", "id": spot.location }),
    )
    .await;
    eventually("the level is told to be inactive", async || {
        let events = daemon.events(Some("inventory:all")).await;
        events.into_iter().find(|event| {
            event["data"]["inventoryItemId"] == spot.item.as_str()
                && event["data"]["locationId"] == spot.location.as_str()
                && event["data"]["active"] == false
        })
    })
    .await;
    shop.falls_quiet().await;
    Mirror::becomes_exact(&daemon, &shop).await;
}
