//! The Admin GraphQL API.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sim::Options;

use crate::client::{Client, small};

const VARIANTS: &str = "query($after: String) {
  productVariants(first: 7, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } }
}";

#[tokio::test]
async fn a_wrong_token_is_refused_in_shopifys_words() {
    let shop = Client::open(small()).await.with_token("shpat_wrong");
    let answer = shop
        .request("{ shop { id } }", &json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(
        body["errors"],
        "[API] Invalid API key or access token (unrecognized login or wrong password)"
    );
}

#[tokio::test]
async fn an_answer_states_its_version_time_and_request_id() {
    let shop = Client::open(small()).await;
    let answer = shop
        .request("{ shop { myshopifyDomain } }", &json!({}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["x-shopify-api-version"], "2026-10");
    assert!(answer.headers()["date"].to_str().unwrap().ends_with("GMT"));
    assert!(answer.headers().contains_key("x-request-id"));
    let body: Value = answer.json().await.unwrap();
    assert_eq!(
        body["data"]["shop"]["myshopifyDomain"],
        "pretend.myshopify.com"
    );
}

#[tokio::test]
async fn a_field_that_shopify_does_not_have_is_refused() {
    let shop = Client::open(small()).await;
    let answer = shop
        .query("{\n  products(first: 1) { nodes { colour } }\n}", json!({}))
        .await;
    let error = &answer["errors"][0];
    assert_eq!(
        error["message"],
        "Field 'colour' doesn't exist on type 'Product'"
    );
    assert_eq!(error["extensions"]["code"], "undefinedField");
    assert_eq!(error["extensions"]["fieldName"], "colour");
    assert_eq!(error["locations"][0], json!({ "line": 2, "column": 32 }));
    assert_eq!(answer.get("data"), None);
}

#[tokio::test]
async fn what_only_the_pretend_store_lacks_is_not_said_in_shopifys_words() {
    let shop = Client::open(small()).await;
    for (query, message) in [
        (
            "mutation($input: ProductCreateInput!) { productCreate(product: $input) { product { id } } }",
            "The pretend store has no field 'productCreate' on type 'Mutation'; Shopify has it",
        ),
        (
            "{ customers(first: 1) { nodes { id email } } }",
            "The pretend store has no field 'email' on type 'Customer'; Shopify has it",
        ),
        (
            "{ node(id: \"gid://shopify/Metaobject/1\") { id ... on Metaobject { handle } } }",
            "The pretend store has no type 'Metaobject'; Shopify has it",
        ),
    ] {
        let answer = shop.query(query, json!({})).await;
        let errors = answer["errors"].as_array().unwrap();
        assert!(
            errors.iter().any(|error| error["message"] == message),
            "{errors:?}"
        );
        assert!(
            errors
                .iter()
                .all(|error| error["extensions"]["code"] == "NOT_IMPLEMENTED"),
            "{errors:?}"
        );
    }
    let rest = shop
        .http
        .get(format!(
            "{}/admin/api/2026-10/products.json",
            shop.sim.url()
        ))
        .send()
        .await
        .unwrap();
    assert_eq!(rest.status(), 404);
    let rest: Value = rest.json().await.unwrap();
    assert_eq!(
        rest["errors"],
        "the pretend store has no GET /admin/api/2026-10/products.json; GET / lists what it has"
    );
}

#[tokio::test]
async fn the_schema_tells_of_itself() {
    let shop = Client::open(small()).await;
    let query = "query($name: String!) { shop { name } __schema { queryType { name } mutationType { fields { name } } }
        order: __type(name: $name) { kind fields { name type { kind ofType { name } } } } nothing: __type(name: \"Colour\") { name } }";
    let answer = shop.query(query, json!({ "name": "Order" })).await;
    assert_eq!(answer.get("errors"), None);
    let data = &answer["data"];
    assert!(data["shop"]["name"].is_string());
    assert_eq!(data["__schema"]["queryType"]["name"], "QueryRoot");
    let names = |fields: &Value| -> BTreeSet<String> {
        fields
            .as_array()
            .unwrap()
            .iter()
            .map(|field| text(&field["name"]))
            .collect()
    };
    assert!(names(&data["__schema"]["mutationType"]["fields"]).contains("inventorySetQuantities"));
    assert_eq!(data["order"]["kind"], "OBJECT");
    assert!(names(&data["order"]["fields"]).contains("displayFinancialStatus"));
    assert_eq!(data["nothing"], Value::Null);
    // Types lead to fields, and those to types: without a bound this would fill the memory.
    let deep = "{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }";
    let answer = shop.query(deep, json!({})).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"],
        "MAX_COMPLEXITY_EXCEEDED"
    );
}

#[tokio::test]
async fn the_routes_are_listed_at_both_roots_and_described() {
    let shop = Client::open(small()).await;
    let listed: Value = shop
        .http
        .get(shop.sim.url())
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(listed, shop.look("").await);
    assert_eq!(listed["shop"], "pretend.myshopify.com");
    let routes = listed["routes"].as_array().unwrap();
    assert!(routes.len() > 15);
    let described = include_str!("../../README.md");
    for route in routes {
        let (method, path) = (text(&route["method"]), text(&route["path"]));
        let method = method.parse::<reqwest::Method>().unwrap();
        let asked = shop
            .http
            .request(method.clone(), format!("{}{path}", shop.sim.url()))
            .body("{}");
        assert_ne!(asked.send().await.unwrap().status(), 404, "{path}");
        let name = path
            .strip_prefix("/_sim/")
            .map_or(path.clone(), |name| format!("`{method} {name}"));
        assert!(described.contains(&name), "{name} is not described");
    }
    let (status, answer) = shop.act("sale", json!({})).await;
    assert_eq!(status, 404);
    assert_eq!(
        answer["error"]["message"],
        "the pretend store has no POST /_sim/sale; GET / lists what it has"
    );
}

#[tokio::test]
async fn a_client_that_insists_on_https_comes_by_the_shops_own_name() {
    let sim = sim::Sim::start(Options {
        tls: true,
        ..small()
    })
    .await
    .unwrap();
    let certificate =
        reqwest::Certificate::from_pem(sim.certificate().unwrap().as_bytes()).unwrap();
    let trusting = || reqwest::Client::builder().no_proxy();
    let stranger = trusting().build().unwrap();
    assert!(
        stranger.get(sim.url()).send().await.is_err(),
        "nobody trusts it who was not given it"
    );
    let client = trusting()
        .tls_certs_merge([certificate])
        .resolve("pretend.myshopify.com", sim.addr())
        .build()
        .unwrap();
    let by_name = format!("https://pretend.myshopify.com:{}", sim.addr().port());
    for url in [sim.url(), by_name] {
        let request = client.post(format!("{url}/admin/api/2026-10/graphql.json"));
        let request = request.header("X-Shopify-Access-Token", "shpat_pretend");
        let answer = request
            .json(&json!({ "query": "{ shop { myshopifyDomain } }" }))
            .send()
            .await
            .unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(
            answer["data"]["shop"]["myshopifyDomain"],
            "pretend.myshopify.com"
        );
    }
    sim.stop().await;
}

#[tokio::test]
async fn wrong_variables_and_broken_documents_are_answered_as_errors() {
    let shop = Client::open(small()).await;
    let answer = shop.query(VARIANTS, json!({ "after": 7 })).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"],
        "INVALID_VARIABLE"
    );
    let answer = shop.query("{ shop {", json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "parseError");
    let answer = shop
        .query("{ products(first: 251) { nodes { id } } }", json!({}))
        .await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST");
    assert_eq!(answer["errors"][0]["path"], json!(["products"]));
}

#[tokio::test]
async fn paging_gives_every_variant_once_though_products_are_added_meanwhile() {
    let shop = Client::open(small()).await;
    let truth = shop.look("truth").await;
    let wanted: BTreeSet<String> = truth["variants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| text(&row["id"]))
        .collect();
    assert_eq!(wanted.len(), 60);
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    loop {
        let page = shop.query(VARIANTS, json!({ "after": after })).await;
        let page = &page["data"]["productVariants"];
        seen.extend(
            page["nodes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|node| number(&node["id"])),
        );
        shop.done("products", json!({ "action": "create" })).await;
        if seen.len() >= 60 || page["pageInfo"]["hasNextPage"] == false {
            break;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
    let old: Vec<&String> = seen.iter().filter(|id| wanted.contains(*id)).collect();
    assert_eq!(old.len(), 60);
    assert_eq!(old.into_iter().collect::<BTreeSet<_>>().len(), 60);
}

#[tokio::test]
async fn paging_backwards_and_in_reverse_meets_the_same_records() {
    let shop = Client::open(small()).await;
    let ask = |arguments: &str| {
        format!(
            "{{ products({arguments}) {{ nodes {{ id }} pageInfo {{ hasNextPage hasPreviousPage }} }} }}"
        )
    };
    let ids = |answer: &Value| -> Vec<String> {
        answer["data"]["products"]["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| text(&node["id"]))
            .collect()
    };
    let all = ids(&shop.query(&ask("first: 250"), json!({})).await);
    let mut reversed = ids(&shop
        .query(&ask("first: 250, reverse: true"), json!({}))
        .await);
    reversed.reverse();
    assert_eq!(all, reversed);
    let last = shop.query(&ask("last: 5"), json!({})).await;
    assert_eq!(ids(&last), all[15..]);
    assert_eq!(
        last["data"]["products"]["pageInfo"],
        json!({ "hasNextPage": false, "hasPreviousPage": true })
    );
    let by_change = ids(&shop
        .query(&ask("first: 250, sortKey: UPDATED_AT"), json!({}))
        .await);
    assert_eq!(
        by_change.iter().collect::<BTreeSet<_>>(),
        all.iter().collect()
    );
}

#[tokio::test]
async fn levels_changed_since_are_found_and_only_those() {
    let shop = Client::open(small()).await;
    let truth = shop.look("truth").await;
    let level = &truth["levels"][3];
    shop.done("clock", json!({ "advanceSeconds": 100 })).await;
    let wanted = json!({ "inventoryItemId": level["inventoryItemId"], "locationId": level["locationId"], "name": "available", "delta": 4 });
    let changed = shop.done("adjust", wanted).await;
    let query = "query($id: ID!, $query: String!) { location(id: $id) {
        inventoryLevels(first: 100, query: $query, includeInactive: true) { nodes {
            id updatedAt item { id } quantities(names: [\"available\", \"on_hand\"]) { name quantity updatedAt }
        } } } }";
    let since = format!("updated_at:>='{}'", text(&changed["updatedAt"]));
    let id = format!("gid://shopify/Location/{}", text(&level["locationId"]));
    let answer = shop.query(query, json!({ "id": id, "query": since })).await;
    let found = answer["data"]["location"]["inventoryLevels"]["nodes"]
        .as_array()
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["id"], level["levelId"]);
    assert_ne!(
        text(&level["levelId"]).split(['/', '?']).nth(4),
        level["locationId"].as_str()
    );
    let available = level["available"].as_i64().unwrap() + 4;
    assert_eq!(found[0]["quantities"][0]["quantity"], available);
    assert_eq!(found[0]["quantities"][1]["updatedAt"], Value::Null);
    assert_eq!(answer.get("errors"), None);
    assert_eq!(answer["extensions"].get("search"), None);
}

#[tokio::test]
async fn an_unknown_search_field_is_ignored_with_a_warning() {
    let shop = Client::open(small()).await;
    let query = "query($q: String!) { some: products(first: 50, query: $q) { nodes { id } } }";
    let answer = shop.query(query, json!({ "q": "flavour:mint" })).await;
    assert_eq!(
        answer["data"]["some"]["nodes"].as_array().unwrap().len(),
        20
    );
    let search = &answer["extensions"]["search"][0];
    assert_eq!(search["path"], json!(["some"]));
    assert_eq!(search["warnings"][0]["field"], "flavour");
    assert_eq!(search["warnings"][0]["code"], "invalid_field");
    let unquoted = shop
        .query(query, json!({ "q": "updated_at:>=2020-01-01T00:00:00Z" }))
        .await;
    assert_eq!(
        unquoted["extensions"]["search"][0]["warnings"][0]["field"],
        "00"
    );
}

#[tokio::test]
async fn nodes_are_found_by_any_id_and_null_where_there_is_none() {
    let shop = Client::open(small()).await;
    let truth = shop.look("truth").await;
    let level = text(&truth["levels"][0]["levelId"]);
    let order = format!("gid://shopify/Order/{}", text(&truth["orders"][0]["id"]));
    let query = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id
        ... on InventoryLevel { isActive location { name } } ... on Order { name } } }";
    let answer = shop
        .query(
            query,
            json!({ "ids": [level, "gid://shopify/Product/1", order, "nonsense"] }),
        )
        .await;
    let nodes = &answer["data"]["nodes"];
    assert_eq!(nodes[0]["__typename"], "InventoryLevel");
    assert_eq!(nodes[0]["isActive"], true);
    assert_eq!(nodes[1], Value::Null);
    assert_eq!(nodes[2]["name"], truth["orders"][0]["name"]);
    assert_eq!(nodes[3], Value::Null);
}

#[tokio::test]
async fn costs_are_those_recorded_on_a_real_shop() {
    let shop = Client::open(small()).await;
    let asked = async |query| {
        shop.query(query, json!({})).await["extensions"]["cost"]["requestedQueryCost"].clone()
    };
    assert_eq!(asked("{ products(first: 1) { nodes { id } } }").await, 3);
    assert_eq!(
        asked("{ products(first: 5) { nodes { id } pageInfo { hasNextPage } } }").await,
        5
    );
    assert_eq!(
        asked("{ inventoryItems(first: 5) { nodes { id variant { id } } } }").await,
        8
    );
    assert_eq!(asked("{ productsCount { count } }").await, 10);
    let variants = "{ product(id: \"gid://shopify/Product/1\") { variants(first: 250) { nodes { inventoryItem { id } } } } }";
    assert_eq!(asked(variants).await, 25);
    let items = "{ a: inventoryItems(first: 5) { nodes { variant { id } } } b: inventoryItems(first: 5) { nodes { variant { id } } } }";
    assert_eq!(asked(items).await, 16);
    let level = "{ inventoryLevel(id: \"gid://shopify/InventoryLevel/1?inventory_item_id=1\") {
        isActive quantities(names: [\"on_hand\"]) { quantity } } }";
    assert_eq!(asked(level).await, 2);
    let activate = "mutation { inventoryActivate(inventoryItemId: \"gid://shopify/InventoryItem/1\",
        locationId: \"gid://shopify/Location/1\") @idempotent(key: \"a\") { inventoryLevel {
        item { id } location { id } quantities(names: [\"on_hand\"]) { quantity } } userErrors { message } } }";
    assert_eq!(asked(activate).await, 13);
    let webhooks =
        "{ webhookSubscriptions(first: 5) { nodes { id endpoint { __typename } } edges { node { id } } }
        webhookSubscriptionsCount { count } }";
    assert_eq!(asked(webhooks).await, 18);
    let end = "mutation { webhookSubscriptionDelete(id: \"gid://shopify/WebhookSubscription/1\") { userErrors { field } } }";
    assert_eq!(asked(end).await, 10);
    let set = "mutation($input: InventorySetQuantitiesInput!) { inventorySetQuantities(input: $input) @idempotent(key: \"k\") {
        inventoryAdjustmentGroup { changes { item { id } location { id } } } userErrors { message } } }";
    let input = json!({ "input": { "name": "available", "reason": "other", "quantities": [] } });
    let cost = &shop.query(set, input).await["extensions"]["cost"];
    assert_eq!(cost["requestedQueryCost"], 13);
}

#[tokio::test]
async fn a_bucket_that_is_empty_throttles_and_says_what_is_there() {
    let options = Options {
        products: 20,
        restore_rate: 10,
        bucket: Some(100),
        ..Options::default()
    };
    let shop = Client::open(options).await;
    let query = "{ a: productsCount { count } b: ordersCount { count } c: customersCount { count }
        d: locationsCount { count } e: productVariantsCount { count } }";
    for left in [50, 0] {
        let cost = &shop.query(query, json!({})).await["extensions"]["cost"];
        assert_eq!(cost["actualQueryCost"], 50);
        assert_eq!(
            cost["throttleStatus"]["currentlyAvailable"]
                .as_i64()
                .unwrap()
                / 50,
            left / 50
        );
    }
    let answer = shop.query(query, json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "THROTTLED");
    assert_eq!(answer["extensions"]["cost"]["actualQueryCost"], Value::Null);
    assert_eq!(
        answer["extensions"]["cost"]["throttleStatus"]["restoreRate"],
        10
    );
    shop.done("clock", json!({ "advanceSeconds": 60 })).await;
    assert_eq!(shop.query(query, json!({})).await.get("errors"), None);
    let calls = shop.look("calls").await;
    assert_eq!(calls["totals"]["throttled"], 1);
    assert_eq!(calls["calls"][2]["throttled"], true);
}

#[tokio::test]
async fn a_query_over_a_thousand_points_is_refused_outright() {
    let shop = Client::open(small()).await;
    let query = "{ locations(first: 250) { nodes { inventoryLevels(first: 250) { nodes {
        item { variant { product { variants(first: 250) { nodes { id } } } } } } } } } }";
    let answer = shop.query(query, json!({})).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"],
        "MAX_COST_EXCEEDED"
    );
    assert_eq!(answer["errors"][0]["extensions"]["maxCost"], 1000);
}

#[tokio::test]
async fn a_document_that_nests_or_multiplies_without_end_is_refused() {
    let shop = Client::open(small()).await;
    let deep = |depth: usize| {
        let (open, close) = (
            "{ variant { inventoryItem ".repeat(depth),
            "} }".repeat(depth),
        );
        format!(
            "{{ inventoryItem(id: \"gid://shopify/InventoryItem/1\") {open} {{ id }} {close} }}"
        )
    };
    assert_eq!(shop.query(&deep(25), json!({})).await.get("errors"), None);
    let answer = shop.query(&deep(5_000), json!({})).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "parseError");
    let doubling = (0..20).map(|n| format!("fragment f{n} on Shop {{ ...f{0} ...f{0} }}", n + 1));
    let doubling = doubling.collect::<String>() + "fragment f20 on Shop { id } { shop { ...f0 } }";
    let answer = shop.query(&doubling, json!({})).await;
    assert_eq!(
        answer["errors"][0]["extensions"]["code"],
        "MAX_COMPLEXITY_EXCEEDED"
    );
}

#[tokio::test]
async fn a_fault_meets_the_next_calls_and_no_more() {
    let shop = Client::open(small()).await;
    shop.done(
        "faults",
        json!({ "graphql": { "calls": 1, "status": 503 } }),
    )
    .await;
    assert_eq!(
        shop.request("{ shop { id } }", &json!({}))
            .send()
            .await
            .unwrap()
            .status(),
        503
    );
    shop.done("faults", json!({ "graphql": { "calls": 1 } }))
        .await;
    assert!(
        shop.request("{ shop { id } }", &json!({}))
            .send()
            .await
            .is_err()
    );
    assert_eq!(
        shop.request("{ shop { id } }", &json!({}))
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}

#[tokio::test]
async fn subscriptions_are_made_listed_and_deleted() {
    let shop = Client::open(small()).await;
    let create = "mutation($topic: WebhookSubscriptionTopic!, $input: WebhookSubscriptionInput!) {
        webhookSubscriptionCreate(topic: $topic, webhookSubscription: $input) {
            webhookSubscription { id topic uri } userErrors { field message } } }";
    let refused = json!({ "topic": "ORDERS_CREATE", "input": { "uri": "http://example.com/" } });
    let refused = shop.query(create, refused).await;
    let refused = &refused["data"]["webhookSubscriptionCreate"];
    assert_eq!(
        refused["userErrors"][0]["field"],
        json!(["webhookSubscription", "callbackUrl"])
    );
    assert_eq!(
        refused["userErrors"][0]["message"],
        "Address protocol http:// is not supported"
    );
    let made = json!({ "topic": "ORDERS_CREATE", "input": { "uri": "https://example.com/hooks", "format": "JSON" } });
    let made = shop.query(create, made).await;
    let made = &made["data"]["webhookSubscriptionCreate"];
    assert_eq!(made["userErrors"], json!([]));
    let list = "{ webhookSubscriptions(first: 10) { nodes { id topic uri } } }";
    let listed = shop.query(list, json!({})).await;
    assert_eq!(
        listed["data"]["webhookSubscriptions"]["nodes"],
        json!([made["webhookSubscription"]])
    );
    let delete = "mutation($id: ID!) { webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { message } } }";
    let id = &made["webhookSubscription"]["id"];
    let deleted = shop.query(delete, json!({ "id": id })).await;
    assert_eq!(
        &deleted["data"]["webhookSubscriptionDelete"]["deletedWebhookSubscriptionId"],
        id
    );
    assert_eq!(
        shop.query(list, json!({})).await["data"]["webhookSubscriptions"]["nodes"],
        json!([])
    );
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(gid: &Value) -> String {
    text(gid).rsplit('/').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_list_ends_at_its_limit_however_it_is_paged() {
    let shop = Client::open(Options {
        max_listed: 15,
        ..small()
    })
    .await;
    let page = "query($after: String) { products(first: 10, after: $after) { nodes { id } pageInfo { endCursor hasNextPage } } }";
    let mut after = Value::Null;
    for _ in 0..2 {
        let answer = shop.query(page, json!({ "after": after })).await;
        after = answer["data"]["products"]["pageInfo"]["endCursor"].clone();
        assert!(after.is_string(), "{answer}");
    }
    let refused = shop.query(page, json!({ "after": after })).await;
    assert!(
        refused["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("15"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_search_that_lags_does_not_find_what_changed_a_moment_ago() {
    let shop = Client::open(Options {
        search_lag: 30,
        ..small()
    })
    .await;
    let made = shop.done("products", json!({ "action": "create" })).await;
    let find = format!(
        "{{ products(first: 5, query: \"id:{}\") {{ nodes {{ id }} }} }}",
        made["id"].as_str().unwrap()
    );
    let found = async || {
        shop.query(&find, json!({})).await["data"]["products"]["nodes"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(found().await, 0);
    shop.done("clock", json!({ "advanceSeconds": 31 })).await;
    assert_eq!(found().await, 1);
}

#[tokio::test]
async fn a_page_in_a_browser_cannot_use_the_routes_of_the_pretend_store() {
    let client = Client::open(small()).await;
    let url = |route: &str| format!("{}/_sim/{route}", client.sim.url());
    let body = json!({ "url": "http://10.0.0.1/internal" });
    let posts = [
        client
            .http
            .post(url("webhooks"))
            .json(&body)
            .header("origin", "https://evil.example"),
        client
            .http
            .post(url("webhooks"))
            .json(&body)
            .header("origin", "null"),
        client
            .http
            .post(url("webhooks"))
            .json(&body)
            .header("sec-fetch-site", "cross-site"),
        client
            .http
            .post(url("webhooks"))
            .body(body.to_string())
            .header("content-type", "text/plain"),
        client.http.post(url("webhooks")).body(body.to_string()),
        client
            .http
            .post(url("webhooks"))
            .json(&body)
            .header("host", "evil.example"),
        client.http.get(url("truth")).header("host", "evil.example"),
        client
            .http
            .get(url("calls"))
            .header("origin", "https://evil.example"),
    ];
    for post in posts {
        assert_eq!(post.send().await.expect("an answer").status(), 403);
    }
    assert_eq!(
        client
            .act("webhooks", json!({ "url": "http://127.0.0.1:9/hooks" }))
            .await
            .0,
        200
    );
}
