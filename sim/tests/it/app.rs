//! The app as the shop knows it: tokens, scopes, and a shop that does not answer as usual.

use serde_json::{Value, json};
use sim::{Options, SCOPES};

use crate::client::{Client, small};
use crate::receiver::Receiver;

const CLIENT: [(&str, &str); 3] = [
    ("grant_type", "client_credentials"),
    ("client_id", "pretend-client"),
    ("client_secret", "pretend-secret"),
];

impl Client {
    async fn grant(&self, form: &[(&str, &str)]) -> (u16, Value) {
        let url = format!("{}/admin/oauth/access_token", self.sim.url());
        let answer = self
            .http
            .post(url)
            .form(form)
            .send()
            .await
            .expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    async fn status_under(&self, token: &str) -> u16 {
        let request = self.request("{ shop { id } }", &json!({}));
        let request = request.build().expect("a request");
        let (mut headers, body) = (
            request.headers().clone(),
            request.body().and_then(|body| body.as_bytes()),
        );
        headers.insert("X-Shopify-Access-Token", token.parse().expect("a token"));
        let again = self
            .http
            .post(request.url().clone())
            .headers(headers)
            .body(body.unwrap_or_default().to_vec());
        again.send().await.expect("an answer").status().as_u16()
    }
}

#[tokio::test]
async fn a_token_got_by_form_or_json_lives_a_day_less_a_second() {
    let shop = Client::open(small()).await;
    let (status, granted) = shop.grant(&CLIENT).await;
    assert_eq!((status, &granted["expires_in"]), (200, &json!(86_399)));
    assert_eq!(granted["scope"], SCOPES.join(","));
    let url = format!("{}/admin/oauth/access_token", shop.sim.url());
    let body = json!({ "grant_type": "client_credentials", "client_id": "pretend-client", "client_secret": "pretend-secret" });
    let other: Value = shop
        .http
        .post(url)
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let tokens = [&granted, &other].map(|granted| granted["access_token"].as_str().unwrap());
    assert_ne!(tokens[0], tokens[1]);
    for token in tokens {
        assert_eq!(shop.status_under(token).await, 200);
    }
    shop.done("clock", json!({ "advanceSeconds": 86_399 }))
        .await;
    assert_eq!(shop.status_under(tokens[0]).await, 401);
    assert_eq!(shop.status_under("shpat_pretend").await, 200);
}

#[tokio::test]
async fn whoever_may_have_no_token_is_told_why() {
    let shop = Client::open(small()).await;
    let with = |name: &'static str, value: &'static str| {
        CLIENT.map(|(known, text)| {
            if known == name {
                (known, value)
            } else {
                (known, text)
            }
        })
    };
    for (form, error) in [
        (with("client_secret", "wrong"), "invalid_client"),
        (with("client_id", "wrong"), "invalid_client"),
        (with("grant_type", "password"), "unsupported_grant_type"),
    ] {
        assert_eq!(shop.grant(&form).await.1["error"], error);
    }
    shop.done("app", json!({ "action": "permit", "permitted": false }))
        .await;
    assert_eq!(shop.grant(&CLIENT).await.1["error"], "shop_not_permitted");
    shop.done("app", json!({ "action": "permit", "permitted": true }))
        .await;
    shop.done("app", json!({ "action": "uninstall" })).await;
    let (status, refused) = shop.grant(&CLIENT).await;
    assert_eq!(
        (status, &refused["error"]),
        (400, &json!("app_not_installed"))
    );
    assert_eq!(shop.status_under("shpat_pretend").await, 401);
    shop.done("app", json!({ "action": "install" })).await;
    assert_eq!(shop.status_under("shpat_pretend").await, 200);
}

#[tokio::test]
async fn revoked_tokens_end_with_the_next_call() {
    let shop = Client::open(Options {
        new_token_ends_old: true,
        ..small()
    })
    .await;
    let first = shop.grant(&CLIENT).await.1["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let second = shop.grant(&CLIENT).await.1["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        (
            shop.status_under(&first).await,
            shop.status_under(&second).await
        ),
        (401, 200)
    );
    shop.done("app", json!({ "action": "revokeTokens" })).await;
    assert_eq!(
        (
            shop.status_under(&second).await,
            shop.status_under("shpat_pretend").await
        ),
        (401, 200)
    );
    shop.done("app", json!({ "action": "revokeTokens", "fixed": true }))
        .await;
    assert_eq!(shop.status_under("shpat_pretend").await, 401);
    shop.done("faults", json!({ "token": { "calls": 1, "status": 503 } }))
        .await;
    let url = format!("{}/admin/oauth/access_token", shop.sim.url());
    assert_eq!(
        shop.http
            .post(url)
            .form(&CLIENT)
            .send()
            .await
            .unwrap()
            .status(),
        503
    );
}

#[tokio::test]
async fn what_is_not_allowed_is_denied_and_nothing_else() {
    let receiver = Receiver::open().await;
    let shop = Client::open(Options {
        webhook_target: Some(receiver.url.clone()),
        ..small()
    })
    .await;
    let mut receiver = receiver;
    let scopes = json!({ "action": "setScopes", "scopes": ["read_products", "read_inventory"] });
    shop.done("app", scopes).await;
    let told = receiver.next_of("app/scopes_update").await.json();
    assert_eq!(told["current"], json!(["read_products", "read_inventory"]));
    assert_eq!(told["previous"].as_array().unwrap().len(), SCOPES.len());
    let seen = shop
        .query(
            "{ currentAppInstallation { accessScopes { handle } } }",
            json!({}),
        )
        .await;
    assert_eq!(
        seen["data"]["currentAppInstallation"]["accessScopes"][1]["handle"],
        "read_inventory"
    );
    let allowed = shop
        .query(
            "{ locations(first: 1) { nodes { id } } products(first: 1) { nodes { id } } }",
            json!({}),
        )
        .await;
    assert_eq!(allowed.get("errors"), None, "{allowed}");
    let denied = shop
        .query("{ customers(first: 1) { nodes { id } } }", json!({}))
        .await;
    assert_eq!(denied["errors"][0]["extensions"]["code"], "ACCESS_DENIED");
    let counted = shop.query("{ customersCount { count } }", json!({})).await;
    assert_eq!(counted["errors"][0]["extensions"]["code"], "ACCESS_DENIED");
    assert!(
        denied["errors"][0]["extensions"]["requiredAccess"]
            .as_str()
            .unwrap()
            .contains("read_customers")
    );
    let order = shop.look("truth").await["orders"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let node = format!("{{ node(id: \"gid://shopify/Order/{order}\") {{ id }} }}");
    let node = shop.query(&node, json!({})).await;
    assert_eq!(
        (
            &node["data"]["node"],
            &node["errors"][0]["extensions"]["code"]
        ),
        (&Value::Null, &json!("ACCESS_DENIED"))
    );
    let subscribe =
        "mutation($topic: WebhookSubscriptionTopic!) { webhookSubscriptionCreate(topic: $topic,
        webhookSubscription: { uri: \"https://example.com/\" }) { userErrors { field } } }";
    for (topic, errors) in [
        ("ORDERS_CREATE", 1),
        ("PRODUCTS_UPDATE", 0),
        ("SHOP_UPDATE", 0),
    ] {
        let answer = shop.query(subscribe, json!({ "topic": topic })).await;
        let refused = answer["data"]["webhookSubscriptionCreate"]["userErrors"]
            .as_array()
            .unwrap();
        assert_eq!(refused.len(), errors, "{topic}");
    }
    let write = "mutation { inventoryActivate(inventoryItemId: \"gid://shopify/InventoryItem/1\", locationId: \"gid://shopify/Location/1\") @idempotent(key: \"k\") { inventoryLevel { id } } }";
    assert_eq!(
        shop.query(write, json!({})).await["errors"][0]["extensions"]["code"],
        "ACCESS_DENIED"
    );
}

#[tokio::test]
async fn old_orders_do_not_exist_for_whoever_may_not_read_all() {
    let shop = Client::open(small()).await;
    let order = shop.look("truth").await["orders"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let look = format!(
        "{{ order(id: \"gid://shopify/Order/{order}\") {{ id }} orders(first: 1) {{ nodes {{ id }} }} ordersCount {{ count }} }}"
    );
    shop.done("clock", json!({ "advanceSeconds": 61 * 86_400 }))
        .await;
    let all = shop.query(&look, json!({})).await;
    assert!(all["data"]["order"]["id"].is_string());
    shop.done(
        "app",
        json!({ "action": "setScopes", "scopes": ["read_orders"] }),
    )
    .await;
    let recent = shop.query(&look, json!({})).await;
    assert_eq!(
        recent["data"],
        json!({ "order": null, "orders": { "nodes": [] }, "ordersCount": { "count": 0 } })
    );
}

#[tokio::test]
async fn a_shop_may_be_closed_and_its_answers_may_claim_anything() {
    let shop = Client::open(Options {
        throttled_status: 429,
        bucket: Some(1),
        restore_rate: 1,
        ..small()
    })
    .await;
    for (state, status) in [("frozen", 402), ("locked", 423), ("open", 200)] {
        shop.done("faults", json!({ "shop": state })).await;
        assert_eq!(shop.status_under("shpat_pretend").await, status);
    }
    assert_eq!(shop.status_under("shpat_pretend").await, 429);
    shop.done(
        "faults",
        json!({ "graphql": { "calls": 1, "status": 430 } }),
    )
    .await;
    assert_eq!(shop.status_under("shpat_pretend").await, 430);
    let headers = json!({ "version": "2027-01", "deprecatedReason": "https://example.com/why", "dateOffsetSeconds": -3600 });
    shop.done("faults", json!({ "headers": headers })).await;
    let answer = shop
        .request("{ shop { id } }", &json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["x-shopify-api-version"], "2027-01");
    assert_eq!(
        answer.headers()["x-shopify-api-deprecated-reason"],
        "https://example.com/why"
    );
    let wrong = answer.headers()["date"].to_str().unwrap().to_owned();
    shop.done("faults", json!({ "headers": {} })).await;
    let answer = shop
        .request("{ shop { id } }", &json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(
        answer.headers().get("x-shopify-api-deprecated-reason"),
        None
    );
    assert_ne!(answer.headers()["date"].to_str().unwrap(), wrong);
}
