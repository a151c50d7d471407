//! What is told when something less usual happens than a sale.

use serde_json::{Value, json};
use sim::Options;

use crate::client::{Client, small};
use crate::receiver::Receiver;

async fn shop_and_receiver() -> (Client, Receiver) {
    let receiver = Receiver::open().await;
    let options = Options {
        webhook_target: Some(receiver.url.clone()),
        ..small()
    };
    (Client::open(options).await, receiver)
}

/// Sells four of an item of which there are a hundred.
async fn sell(shop: &Client) -> Value {
    let level = shop.look("truth").await["levels"][0].clone();
    let spot =
        json!({ "inventoryItemId": level["inventoryItemId"], "locationId": level["locationId"] });
    let with = |more: Value| {
        let mut spot = spot.clone();
        spot.as_object_mut()
            .expect("an object")
            .extend(more.as_object().cloned().unwrap_or_default());
        spot
    };
    shop.done(
        "adjust",
        with(json!({ "name": "available", "quantity": 100 })),
    )
    .await;
    shop.done("sell", with(json!({ "quantity": 4 }))).await
}

async fn level(shop: &Client, order: &Value) -> Value {
    let truth = shop.look("truth").await;
    let line = &order["lineItems"][0];
    let same = |level: &&Value| {
        level["inventoryItemId"] == line["inventoryItemId"]
            && level["locationId"] == line["locationId"]
    };
    truth["levels"]
        .as_array()
        .expect("levels")
        .iter()
        .find(same)
        .expect("the level")
        .clone()
}

#[tokio::test]
async fn an_edit_tells_its_delta_always_upwards_and_moves_what_is_committed() {
    let (shop, mut receiver) = shop_and_receiver().await;
    let order = sell(&shop).await;
    for (quantity, committed, added, removed) in [(6, 6, 2, 0), (1, 1, 0, 5)] {
        shop.done(
            "orders",
            json!({ "action": "edit", "id": order["id"], "quantity": quantity }),
        )
        .await;
        let told = receiver.next_of("orders/edited").await.json();
        let lines = &told["order_edit"]["line_items"];
        assert_eq!(lines["additions"][0]["delta"].as_i64().unwrap_or(0), added);
        assert_eq!(lines["removals"][0]["delta"].as_i64().unwrap_or(0), removed);
        assert_eq!(
            told["order_edit"]["order_id"].to_string(),
            order["id"].as_str().unwrap()
        );
        let level = level(&shop, &order).await;
        assert_eq!(
            (&level["committed"], &level["on_hand"]),
            (&json!(committed), &json!(100))
        );
    }
    let (status, refused) = shop
        .act(
            "orders",
            json!({ "action": "edit", "id": order["id"], "quantity": 1 }),
        )
        .await;
    assert_eq!(
        (status, &refused["error"]["field"]),
        (400, &json!("quantity"))
    );
}

#[tokio::test]
async fn a_refund_puts_units_back_or_not_as_it_says() {
    let (shop, mut receiver) = shop_and_receiver().await;
    let order = sell(&shop).await;
    let id = &order["id"];
    shop.done("orders", json!({ "action": "pay", "id": id }))
        .await;
    shop.done(
        "orders",
        json!({ "action": "fulfill", "id": id, "quantity": 2 }),
    )
    .await;
    let partial = receiver.next_of("orders/partially_fulfilled").await.json();
    assert_eq!(partial["fulfillment_status"], "partial");
    for (restock, units, available, committed) in [
        ("cancel", 1, 97, 1),
        ("return", 1, 98, 1),
        ("noRestock", 1, 98, 1),
        ("noRestock", 1, 98, 0),
    ] {
        let refund = json!({ "action": "refund", "id": id, "quantity": units, "restock": restock });
        shop.done("orders", refund).await;
        let told = receiver.next_of("refunds/create").await.json();
        let line = &told["refund_line_items"][0];
        assert_eq!(
            (&line["quantity"], line["subtotal"].is_number()),
            (&json!(units), true)
        );
        assert_eq!(told["restock"], restock != "noRestock");
        let level = level(&shop, &order).await;
        assert_eq!(
            (&level["available"], &level["committed"]),
            (&json!(available), &json!(committed)),
            "{restock}"
        );
    }
    let gid = format!("gid://shopify/Order/{}", id.as_str().unwrap());
    let look = "query($id: ID!) { order(id: $id) { displayFinancialStatus displayFulfillmentStatus refunds {
        refundLineItems(first: 5) { nodes { quantity restockType lineItem { quantity currentQuantity } } } } } }";
    let seen = shop.query(look, json!({ "id": gid })).await["data"]["order"].clone();
    assert_eq!(
        (
            &seen["displayFinancialStatus"],
            &seen["displayFulfillmentStatus"]
        ),
        (&json!("REFUNDED"), &json!("FULFILLED"))
    );
    let first = &seen["refunds"][0]["refundLineItems"]["nodes"][0];
    assert_eq!(
        first,
        &json!({ "quantity": 1, "restockType": "CANCEL", "lineItem": { "quantity": 4, "currentQuantity": 0 } })
    );
}

#[tokio::test]
async fn a_large_product_tells_all_its_variants_but_only_a_hundred_in_full() {
    let (shop, mut receiver) = shop_and_receiver().await;
    shop.done("products", json!({ "action": "create", "variants": 130 }))
        .await;
    let told = receiver.next_of("products/create").await.json();
    assert_eq!(told["variants"].as_array().unwrap().len(), 100);
    assert_eq!(told["variant_gids"].as_array().unwrap().len(), 130);
}

#[tokio::test]
async fn the_end_of_stock_and_its_return_are_told_of_the_variant() {
    let (shop, mut receiver) = shop_and_receiver().await;
    let made = shop
        .done("products", json!({ "action": "create", "quantity": 1 }))
        .await;
    let truth = shop.look("truth").await;
    let variant = truth["variants"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["productId"] == made["id"])
        .unwrap();
    let place = &truth["locations"][0]["id"];
    for (place, quantity) in [(place, 0), (&truth["locations"][1]["id"], 0), (place, 5)] {
        let change = json!({ "inventoryItemId": variant["inventoryItemId"], "locationId": place, "name": "available", "quantity": quantity });
        shop.done("adjust", change).await;
    }
    let gone = receiver.next_of("variants/out_of_stock").await.json();
    assert_eq!(gone["id"].to_string(), variant["id"].as_str().unwrap());
    receiver.next_of("variants/in_stock").await;
}

#[tokio::test]
async fn privacy_shop_and_locations_are_told_as_they_are_raised() {
    let (shop, mut receiver) = shop_and_receiver().await;
    let customer = shop.look("truth").await["customers"][0]["id"].clone();
    for (action, topic) in [
        ("requestData", "customers/data_request"),
        ("redactCustomer", "customers/redact"),
    ] {
        shop.done(
            "privacy",
            json!({ "action": action, "customerId": customer }),
        )
        .await;
        let told = receiver.next_of(topic).await.json();
        assert_eq!(
            told["customer"]["id"].to_string(),
            customer.as_str().unwrap()
        );
        assert_eq!(told["shop_domain"], "pretend.myshopify.com");
    }
    shop.done("privacy", json!({ "action": "redactShop" }))
        .await;
    receiver.next_of("shop/redact").await;
    shop.done("shop", json!({ "name": "Another name" })).await;
    assert_eq!(
        receiver.next_of("shop/update").await.json()["name"],
        "Another name"
    );
    let place = shop.look("truth").await["locations"][1]["id"].clone();
    let (status, _) = shop
        .act("locations", json!({ "action": "delete", "id": place }))
        .await;
    assert_eq!(status, 400);
    for (action, topic) in [
        ("deactivate", "locations/deactivate"),
        ("delete", "locations/delete"),
    ] {
        shop.done("locations", json!({ "action": action, "id": place }))
            .await;
        assert_eq!(
            receiver.next_of(topic).await.json()["id"].to_string(),
            place.as_str().unwrap()
        );
    }
}

#[tokio::test]
async fn an_uninstalled_app_is_told_once_and_then_has_no_subscriptions() {
    let mut receiver = Receiver::open().await;
    let shop = Client::open(small()).await;
    let subscribe = "mutation($uri: String!) { webhookSubscriptionCreate(topic: APP_UNINSTALLED, webhookSubscription: { uri: $uri }) { userErrors { message } } }";
    shop.query(subscribe, json!({ "uri": receiver.url })).await;
    shop.done("app", json!({ "action": "uninstall" })).await;
    let told = receiver.next_of("app/uninstalled").await.json();
    assert_eq!(told["myshopify_domain"], "pretend.myshopify.com");
    shop.done("app", json!({ "action": "install" })).await;
    let left = shop
        .query("{ webhookSubscriptionsCount { count } }", json!({}))
        .await;
    assert_eq!(left["data"]["webhookSubscriptionsCount"]["count"], 0);
}

#[tokio::test]
async fn an_outage_of_four_hours_ends_a_subscription() {
    let receiver = Receiver::open().await;
    let shop = Client::open(small()).await;
    let subscribe = "mutation($uri: String!) { webhookSubscriptionCreate(topic: SHOP_UPDATE, webhookSubscription: { uri: $uri }) { userErrors { message } } }";
    shop.query(subscribe, json!({ "uri": receiver.url })).await;
    shop.done("faults", json!({ "webhooks": { "outage": true } }))
        .await;
    shop.done("shop", json!({ "name": "Unheard" })).await;
    let subscriptions = async || {
        let count = shop
            .query("{ webhookSubscriptionsCount { count } }", json!({}))
            .await;
        count["data"]["webhookSubscriptionsCount"]["count"]
            .as_i64()
            .unwrap()
    };
    let attempts = async |wanted: u64| {
        for _ in 0..500 {
            if shop.look("deliveries").await["attempts"] == wanted {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("{}", shop.look("deliveries").await)
    };
    for attempt in 1..=9 {
        attempts(attempt).await;
        if attempt < 9 {
            assert_eq!(subscriptions().await, 1);
        }
        shop.done("clock", json!({ "advanceSeconds": 5_030 })).await;
    }
    for _ in 0..500 {
        if subscriptions().await == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the subscription outlived nine failed attempts");
}

#[tokio::test]
async fn what_is_not_counted_and_who_counts_for_themselves_is_told() {
    let (shop, mut receiver) = shop_and_receiver().await;
    let item = shop.look("truth").await["inventoryItems"][0]["id"].clone();
    for tracked in [false, true] {
        let track = json!({ "action": "track", "inventoryItemId": item, "tracked": tracked });
        shop.done("products", track).await;
        assert_eq!(
            receiver.next_of("inventory_items/update").await.json()["tracked"],
            tracked
        );
        let gid = format!(
            "gid://shopify/InventoryItem/{}",
            item.as_str().expect("an id")
        );
        let asked = shop
            .query(
                "query($id: ID!) { inventoryItem(id: $id) { tracked } }",
                json!({ "id": gid }),
            )
            .await;
        assert_eq!(asked["data"]["inventoryItem"]["tracked"], tracked);
        assert_eq!(
            shop.look("truth").await["inventoryItems"][0]["tracked"],
            tracked
        );
    }
    let service = shop
        .done(
            "locations",
            json!({ "action": "create", "name": "Parcels", "service": true }),
        )
        .await;
    assert_eq!(
        receiver.next_of("locations/create").await.json()["legacy"],
        true
    );
    assert_eq!(service["fulfillmentService"], true);
    let listed = async |legacy: bool| {
        let query =
            "query($legacy: Boolean) { locations(first: 9, includeLegacy: $legacy) { nodes {
            name isFulfillmentService } } }";
        let listed = shop.query(query, json!({ "legacy": legacy })).await;
        let nodes = listed["data"]["locations"]["nodes"]
            .as_array()
            .expect("locations")
            .clone();
        nodes.into_iter().find(|place| place["name"] == "Parcels")
    };
    assert_eq!(
        listed(true).await.expect("it is listed")["isFulfillmentService"],
        true
    );
    assert_eq!(listed(false).await, None);
}

#[tokio::test]
async fn a_transfer_takes_its_stock_along_and_each_step_is_told_as_it_was() {
    let (shop, mut receiver) = shop_and_receiver().await;
    let made = shop
        .done("products", json!({ "action": "create", "quantity": 10 }))
        .await;
    let truth = shop.look("truth").await;
    let item = truth["variants"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["productId"] == made["id"])
        .unwrap();
    let item = &item["inventoryItemId"];
    let (from, to) = (&truth["locations"][0]["id"], &truth["locations"][1]["id"]);
    let quantities = async || {
        let truth = shop.look("truth").await;
        let levels = truth["levels"].as_array().unwrap().iter();
        let at = |place: &Value| {
            levels
                .clone()
                .find(|level| &level["inventoryItemId"] == item && &level["locationId"] == place)
                .unwrap()
        };
        ["available", "reserved", "incoming"]
            .map(|name| (at(from)[name].as_i64(), at(to)[name].as_i64()))
    };
    let some = |pairs: [(i64, i64); 3]| pairs.map(|(from, to)| (Some(from), Some(to)));
    let draft = json!({
        "action": "create", "originId": from, "destinationId": to,
        "items": [{ "inventoryItemId": item, "quantity": 4 }],
    });
    let id = shop.done("transfers", draft.clone()).await["id"].clone();
    let steps = [
        (
            "ready",
            "ready_to_ship",
            Some("READY_TO_SHIP"),
            some([(6, 10), (4, 0), (0, 0)]),
        ),
        ("ship", "updated", None, some([(6, 10), (0, 0), (0, 4)])),
        (
            "complete",
            "complete",
            Some("TRANSFERRED"),
            some([(6, 14), (0, 0), (0, 0)]),
        ),
    ];
    for (action, _, _, stock) in &steps {
        shop.done("transfers", json!({ "action": action, "id": id }))
            .await;
        assert_eq!(&quantities().await, stock, "{action}");
    }
    let mut told = std::collections::HashMap::new();
    while told.len() < steps.len() {
        let delivery = receiver.next().await;
        if let Some(topic) = delivery
            .header("x-shopify-topic")
            .strip_prefix("inventory_transfers/")
        {
            told.insert(topic.to_owned(), delivery.json());
        }
    }
    for (_, topic, status, _) in &steps {
        let body = &told[*topic];
        assert_eq!(
            body["id"],
            format!("gid://shopify/InventoryTransfer/{}", id.as_str().unwrap())
        );
        assert_eq!(body["status"].as_str(), *status, "{topic}");
        assert!(body["happened_at"].as_str().unwrap().ends_with("-05:00"));
    }
    let ready = &told["ready_to_ship"];
    assert_eq!(
        ready["origin"]["id"],
        format!("gid://shopify/Location/{}", from.as_str().unwrap())
    );
    assert_eq!(ready["line_items"][0]["quantity"], 4);

    let id = shop.done("transfers", draft).await["id"].clone();
    shop.done("transfers", json!({ "action": "ready", "id": id }))
        .await;
    assert_eq!(quantities().await, some([(2, 14), (4, 0), (0, 0)]));
    shop.done("transfers", json!({ "action": "cancel", "id": id }))
        .await;
    assert_eq!(quantities().await, some([(6, 14), (0, 0), (0, 0)]));
    assert_eq!(
        receiver.next_of("inventory_transfers/cancel").await.json()["status"],
        "CANCELED"
    );
    let (status, refused) = shop
        .act("transfers", json!({ "action": "ship", "id": id }))
        .await;
    assert_eq!(
        (status, &refused["error"]["field"]),
        (400, &json!("action"))
    );
}

#[tokio::test]
async fn a_customers_name_is_the_same_everywhere_unless_it_is_withheld_and_then_it_is_nowhere() {
    let query = "query ($id: ID!) { customer(id: $id) { id firstName lastName } }";
    for withheld in [false, true] {
        let mut receiver = Receiver::open().await;
        let target = Some(receiver.url.clone());
        let options = Options {
            webhook_target: target,
            names_withheld: withheld,
            ..small()
        };
        let shop = Client::open(options).await;
        let order = sell(&shop).await;
        let id = &order["customerId"];
        shop.done(
            "customers",
            json!({ "action": "update", "id": id, "firstName": "Ann", "lastName": "Lee" }),
        )
        .await;
        let seen = |name: &str| if withheld { Value::Null } else { json!(name) };
        let told = receiver.next_of("customers/update").await.json();
        assert_eq!(
            (&told["first_name"], &told["last_name"]),
            (&seen("Ann"), &seen("Lee"))
        );
        shop.done("orders", json!({ "action": "pay", "id": order["id"] }))
            .await;
        let told = receiver.next_of("orders/paid").await.json();
        assert_eq!(told["customer"]["last_name"], seen("Lee"));

        let gid = format!("gid://shopify/Customer/{}", id.as_str().unwrap());
        let answer = shop.query(query, json!({ "id": gid })).await;
        assert_eq!(
            answer["data"]["customer"],
            json!({ "id": gid, "firstName": seen("Ann"), "lastName": seen("Lee") })
        );
        let problem = &answer["errors"][0];
        assert_eq!(
            problem["extensions"]["code"] == "ACCESS_DENIED",
            withheld,
            "{answer}"
        );
        assert_eq!(
            problem["path"] == json!(["customer", "firstName"]),
            withheld,
            "{answer}"
        );
    }
}
