//! Bulk operations: asked for, waited for, fetched, and gone wrong.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};
use sim::Options;

use crate::client::{Client, small};
use crate::receiver::Receiver;

const RUN: &str = "mutation($query: String!, $grouped: Boolean! = false) {
    bulkOperationRunQuery(query: $query, groupObjects: $grouped) {
        bulkOperation { id status objectCount url } userErrors { code field message } } }";
const LOOK: &str = "query($id: ID!) { bulkOperation(id: $id) {
    id status errorCode objectCount rootObjectCount fileSize url partialDataUrl completedAt } }";
const LEVELS: &str = "{ inventoryItems { edges { node { id sku inventoryLevels { edges { node {
    id item { id } location { id } quantities(names: [\"available\", \"on_hand\"]) { name quantity } } } } } } } }";

impl Client {
    async fn run(&self, query: &str, grouped: bool) -> Value {
        let answer = self
            .query(RUN, json!({ "query": query, "grouped": grouped }))
            .await;
        answer["data"]["bulkOperationRunQuery"].clone()
    }

    async fn start(&self, query: &str) -> String {
        let payload = self.run(query, false).await;
        payload["bulkOperation"]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{payload}"))
            .to_owned()
    }

    async fn operation(&self, id: &str) -> Value {
        self.query(LOOK, json!({ "id": id })).await["data"]["bulkOperation"].clone()
    }

    async fn reaches(&self, id: &str, statuses: &[&str]) -> Value {
        for _ in 0..400 {
            let operation = self.operation(id).await;
            if statuses.iter().any(|status| operation["status"] == *status) {
                return operation;
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        panic!(
            "{:?} is not reached: {}",
            statuses,
            self.operation(id).await
        )
    }

    async fn fetch(&self, operation: &Value) -> String {
        let url = operation["url"].as_str().expect("a link");
        let got = self.http.get(url).send().await.expect("an answer");
        assert_eq!(got.status(), 200);
        assert_eq!(got.headers()["content-type"], "application/jsonl");
        got.text().await.expect("a text")
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[tokio::test]
async fn a_result_holds_every_level_under_its_item_and_counts_them_in_strings() {
    let shop = Client::open(small()).await;
    let created = shop.run(LEVELS, false).await;
    assert_eq!(created["bulkOperation"]["status"], "CREATED");
    assert_eq!(created["bulkOperation"]["objectCount"], "0");
    let done = shop
        .reaches(
            created["bulkOperation"]["id"].as_str().unwrap(),
            &["COMPLETED"],
        )
        .await;
    let text = shop.fetch(&done).await;
    let rows = lines(&text);
    assert_eq!(done["fileSize"], text.len().to_string());
    assert_eq!(done["objectCount"], rows.len().to_string());
    assert_eq!(done["rootObjectCount"], "60");
    let truth = shop.look("truth").await;
    let levels: Vec<&Value> = rows
        .iter()
        .filter(|row| row.get("__parentId").is_some())
        .collect();
    assert_eq!(levels.len(), truth["levels"].as_array().unwrap().len());
    assert_eq!(rows.len(), levels.len() + 60);
    let by_id: HashMap<&str, &Value> = levels
        .iter()
        .map(|row| (row["id"].as_str().unwrap(), *row))
        .collect();
    for level in truth["levels"].as_array().unwrap() {
        let row = by_id[level["levelId"].as_str().unwrap()];
        assert_eq!(
            row["quantities"][0],
            json!({ "name": "available", "quantity": level["available"] })
        );
        assert_eq!(row["__parentId"], row["item"]["id"]);
    }
}

#[tokio::test]
async fn children_stand_under_their_parent_only_if_grouped() {
    let shop = Client::open(small()).await;
    let follows = |text: &str| {
        let (mut parent, mut all) = (String::new(), true);
        for row in lines(text) {
            match row["__parentId"].as_str() {
                Some(id) => all &= id == parent,
                None => row["id"].as_str().unwrap().clone_into(&mut parent),
            }
        }
        all
    };
    for grouped in [true, false] {
        let created = shop.run(LEVELS, grouped).await;
        let done = shop
            .reaches(
                created["bulkOperation"]["id"].as_str().unwrap(),
                &["COMPLETED"],
            )
            .await;
        assert_eq!(follows(&shop.fetch(&done).await), grouped);
    }
}

#[tokio::test]
async fn what_happens_during_a_run_may_or_may_not_be_in_it() {
    // Forty objects a second are read one by one, and the clock hardly moves by itself.
    let shop = Client::open(Options {
        bulk_pace: 1,
        ..small()
    })
    .await;
    let id = shop
        .start("{ products { edges { node { id title } } } }")
        .await;
    let before = shop.look("truth").await;
    let gid =
        |product: &Value| format!("gid://shopify/Product/{}", product["id"].as_str().unwrap());
    let (first, last) = (&before["products"][0], &before["products"][19]);
    shop.reaches(&id, &["RUNNING"]).await;
    for _ in 0..200 {
        if shop.operation(&id).await["objectCount"] != "0" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    for product in [first, last] {
        shop.done(
            "products",
            json!({ "action": "update", "id": product["id"], "title": "Changed" }),
        )
        .await;
    }
    let made = shop
        .done("products", json!({ "action": "create", "title": "Late" }))
        .await;
    shop.done("clock", json!({ "advanceSeconds": 60 })).await;
    let done = shop.reaches(&id, &["COMPLETED"]).await;
    let rows = lines(&shop.fetch(&done).await);
    let titles: HashMap<_, _> = rows
        .iter()
        .map(|row| (row["id"].as_str().unwrap().to_owned(), &row["title"]))
        .collect();
    assert_eq!(titles[&gid(first)], &first["title"]);
    assert_eq!(titles[&gid(last)], "Changed");
    assert_eq!(titles[&gid(&made)], "Late");
}

#[tokio::test]
async fn a_sixth_operation_waits_for_a_slot_and_is_told_which_are_taken() {
    let shop = Client::open(small()).await;
    shop.done(
        "faults",
        json!({ "bulk": { "operations": 5, "ending": "stuck" } }),
    )
    .await;
    let query = "{ products { edges { node { id } } } }";
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(shop.start(query).await);
    }
    let refused = shop.run(query, false).await;
    let error = &refused["userErrors"][0];
    assert_eq!(
        (&error["code"], &error["field"]),
        (&json!("OPERATION_IN_PROGRESS"), &Value::Null)
    );
    assert!(
        ids.iter()
            .all(|id| error["message"].as_str().unwrap().contains(id))
    );
    let cancel = "mutation($id: ID!) { bulkOperationCancel(id: $id) { bulkOperation { status } userErrors { field message } } }";
    shop.reaches(&ids[0], &["RUNNING"]).await;
    let canceled = shop.query(cancel, json!({ "id": ids[0] })).await;
    assert_eq!(
        canceled["data"]["bulkOperationCancel"]["bulkOperation"]["status"],
        "CANCELING"
    );
    // One look may still come while it is being canceled; the next one never does.
    assert!(
        ["CANCELING", "CANCELED"]
            .contains(&shop.operation(&ids[0]).await["status"].as_str().unwrap())
    );
    assert_eq!(shop.operation(&ids[0]).await["status"], "CANCELED");
    let again =
        shop.query(cancel, json!({ "id": ids[0] })).await["data"]["bulkOperationCancel"].clone();
    let message = "A bulk operation cannot be canceled when it is canceled";
    assert_eq!(again["bulkOperation"]["status"], "CANCELED");
    assert_eq!(
        again["userErrors"],
        json!([{ "field": null, "message": message }])
    );
    let unknown = shop
        .query(cancel, json!({ "id": "gid://shopify/BulkOperation/1" }))
        .await;
    assert_eq!(
        unknown["data"]["bulkOperationCancel"]["userErrors"],
        json!([{ "field": ["id"], "message": "Bulk operation does not exist" }])
    );
    shop.start(query).await;
    let list =
        "query($q: String) { bulkOperations(first: 10, query: $q) { nodes { id status type } } }";
    let running = shop
        .query(list, json!({ "q": "status:canceled operation_type:query" }))
        .await;
    assert_eq!(
        running["data"]["bulkOperations"]["nodes"],
        json!([{ "id": ids[0], "status": "CANCELED", "type": "QUERY" }])
    );
    let all = shop.query(list, json!({ "q": "type:query" })).await;
    assert_eq!(
        all["extensions"]["search"][0]["warnings"][0]["code"],
        "invalid_field"
    );
    // The newest first.
    assert_eq!(all["data"]["bulkOperations"]["nodes"][5]["id"], ids[0]);
    // Ten days later Shopify has given the others up.
    shop.done("clock", json!({ "advanceSeconds": 864_001 }))
        .await;
    assert_eq!(
        shop.reaches(&ids[1], &["FAILED"]).await["errorCode"],
        "TIMEOUT"
    );
}

#[tokio::test]
async fn queries_that_cannot_be_run_in_bulk_are_refused_with_the_reason() {
    let shop = Client::open(small()).await;
    let inside = |fields: &str| format!("{{ products {{ edges {{ node {{ {fields} }} }} }} }}");
    let page = |name: &str| format!("{name} {{ edges {{ node {{ id }} }} }}");
    let pages = |names: &[&str]| {
        names
            .iter()
            .map(|name| page(name))
            .collect::<Vec<_>>()
            .join(" ")
    };
    let six = pages(&[
        "variants",
        "metafields",
        "collections",
        "media",
        "sellingPlanGroups",
    ]);
    for (query, count, word) in [
        ("{ shop { id } }".to_owned(), 1, "needs a connection"),
        ("{ products { nodes { id } } }".to_owned(), 1, "`nodes`"),
        ("{ node(id: \"gid://shopify/Product/1\") { id } }".to_owned(), 2, "top level"),
        (inside(&format!("id {six}")), 1, "at most 5"),
        (inside("title variants { edges { node { id } } }"), 1, "products"),
        (inside("id variants { edges { node { id metafields { edges { node { id } } } } } }"), 1, "2 deep"),
        (
            "{ orders { edges { node { id fulfillments { events { edges { node { id } } } } } } } }"
                .to_owned(),
            1,
            "list",
        ),
        ("mutation { productCreate { id } }".to_owned(), 1, "`query`"),
        (inside("id color"), 1, "'color'"),
        ("{ products {".to_owned(), 1, "invalid"),
        (format!("{{ products {{ edges {{ node {{ id }} }} }} }} #{}", "x".repeat(65_535)), 1, "bytes"),
    ] {
        let payload = shop.run(&query, false).await;
        let errors = payload["userErrors"].as_array().unwrap();
        assert_eq!(errors.len(), count, "{payload}");
        assert_eq!((&errors[0]["code"], &errors[0]["field"]), (&json!("INVALID"), &json!(["query"])));
        assert!(errors[0]["message"].as_str().unwrap().contains(word), "{payload}");
        assert_eq!(payload["bulkOperation"], Value::Null);
    }
}

#[tokio::test]
async fn a_link_is_good_for_seven_days_and_takes_no_token() {
    let shop = Client::open(small()).await;
    let done = shop.start("{ products { edges { node { id } } } }").await;
    let done = shop.reaches(&done, &["COMPLETED"]).await;
    let url = done["url"].as_str().unwrap();
    let with_token = shop
        .http
        .get(url)
        .header("X-Shopify-Access-Token", "shpat_pretend")
        .send()
        .await
        .unwrap();
    assert_eq!(with_token.status(), 400);
    assert_eq!(
        shop.http
            .get(url.replace("signature=", "signature=0"))
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    assert_eq!(shop.http.get(url).send().await.unwrap().status(), 200);
    shop.done("clock", json!({ "advanceSeconds": 7 * 86_400 }))
        .await;
    assert_eq!(shop.http.get(url).send().await.unwrap().status(), 400);
}

#[tokio::test]
async fn nothing_found_is_no_file() {
    let shop = Client::open(small()).await;
    let id = shop
        .start("{ products(query: \"id:1\") { edges { node { id } } } }")
        .await;
    let done = shop.reaches(&id, &["COMPLETED"]).await;
    assert_eq!(
        (&done["url"], &done["objectCount"]),
        (&Value::Null, &json!("0"))
    );
    let look = "query($id: ID!) { node(id: $id) { ... on BulkOperation { status type } } currentBulkOperation { id } }";
    let seen = shop.query(look, json!({ "id": id })).await;
    assert_eq!(
        seen["data"]["node"],
        json!({ "status": "COMPLETED", "type": "QUERY" })
    );
    assert_eq!(seen["data"]["currentBulkOperation"]["id"], json!(id));
}

#[tokio::test]
async fn an_operation_that_fails_leaves_what_it_had_read() {
    let receiver = Receiver::open().await;
    let shop = Client::open(Options {
        webhook_target: Some(receiver.url.clone()),
        ..small()
    })
    .await;
    let mut receiver = receiver;
    let fault =
        json!({ "bulk": { "ending": "failed", "afterObjects": 5, "objectsPerSecond": 200 } });
    shop.done("faults", fault).await;
    let id = shop.start("{ products { edges { node { id } } } }").await;
    let failed = shop.reaches(&id, &["FAILED"]).await;
    assert_eq!(
        (&failed["errorCode"], &failed["url"]),
        (&json!("INTERNAL_SERVER_ERROR"), &Value::Null)
    );
    let partial = shop
        .http
        .get(failed["partialDataUrl"].as_str().unwrap())
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(partial.lines().count(), 5);
    let told = receiver.next_of("bulk_operations/finish").await.json();
    assert_eq!(
        (&told["status"], &told["error_code"]),
        (&json!("failed"), &json!("internal_server_error"))
    );
    assert_eq!(
        (&told["type"], &told["admin_graphql_api_id"]),
        (&json!("query"), &json!(id))
    );
}

#[tokio::test]
async fn results_can_be_miscounted_cut_broken_expired_and_canceled() {
    let shop = Client::open(small()).await;
    let query = "{ products { edges { node { id title } } } }";
    let faulty = async |fault: Value, status: &str| {
        shop.done("faults", json!({ "bulk": fault })).await;
        let id = shop.start(query).await;
        shop.reaches(&id, &[status]).await
    };
    assert_eq!(
        faulty(json!({ "countOff": -3 }), "COMPLETED").await["objectCount"],
        "17"
    );
    let cut = faulty(json!({ "body": "cutLine" }), "COMPLETED").await;
    let text = shop.fetch(&cut).await;
    assert!(serde_json::from_str::<Value>(text.lines().last().unwrap()).is_err());
    let broken = faulty(json!({ "body": "hangUp" }), "COMPLETED").await;
    let body = shop
        .http
        .get(broken["url"].as_str().unwrap())
        .send()
        .await
        .unwrap()
        .bytes()
        .await;
    assert!(body.is_err());
    let expired = faulty(json!({ "urlExpired": true }), "COMPLETED").await;
    assert_eq!(
        shop.http
            .get(expired["url"].as_str().unwrap())
            .send()
            .await
            .unwrap()
            .status(),
        400
    );
    faulty(json!({ "ending": "canceled" }), "CANCELED").await;
    assert_eq!(
        faulty(json!({ "ending": "accessDenied" }), "FAILED").await["errorCode"],
        "ACCESS_DENIED"
    );
    // One fault is one operation's.
    let id = shop.start(query).await;
    shop.reaches(&id, &["COMPLETED"]).await;
}

#[tokio::test]
async fn connections_below_plain_objects_name_the_node_above_or_by_a_switch_the_nearest_object() {
    let query = "{ productVariants { edges { node { id inventoryItem { id inventoryLevels { edges { node { id } } } } } } } }";
    for (nearest, kind) in [(false, "ProductVariant"), (true, "InventoryItem")] {
        let shop = Client::open(Options {
            bulk_parent_nearest: nearest,
            ..small()
        })
        .await;
        let id = shop.start(query).await;
        let rows = lines(&shop.fetch(&shop.reaches(&id, &["COMPLETED"]).await).await);
        let parents: HashSet<&str> = rows
            .iter()
            .filter_map(|row| row["__parentId"].as_str()?.split('/').nth(3))
            .collect();
        assert_eq!(parents, HashSet::from([kind]));
    }
}

#[tokio::test]
async fn an_uninstalled_app_leaves_nothing_running() {
    let shop = Client::open(small()).await;
    shop.done("faults", json!({ "bulk": { "ending": "stuck" } }))
        .await;
    let id = shop.start("{ products { edges { node { id } } } }").await;
    shop.reaches(&id, &["RUNNING"]).await;
    shop.done("app", json!({ "action": "uninstall" })).await;
    shop.done("app", json!({ "action": "install" })).await;
    shop.reaches(&id, &["CANCELED"]).await;
}

#[tokio::test]
async fn without_the_scope_an_operation_ends_denied() {
    let shop = Client::open(small()).await;
    shop.done(
        "app",
        json!({ "action": "setScopes", "scopes": ["read_orders"] }),
    )
    .await;
    let id = shop.start("{ products { edges { node { id } } } }").await;
    assert_eq!(
        shop.reaches(&id, &["FAILED"]).await["errorCode"],
        "ACCESS_DENIED"
    );
}

#[tokio::test]
async fn several_connections_and_those_below_one_object_are_read_one_after_the_other() {
    let shop = Client::open(small()).await;
    let place = shop.look("truth").await["locations"][0]["id"].clone();
    let query = format!(
        "{{ location(id: \"gid://shopify/Location/{}\") {{ inventoryLevels {{ edges {{ node {{ id }} }} }} }}
            customers {{ edges {{ node {{ id }} }} }} }}",
        place.as_str().unwrap()
    );
    let id = shop.start(&query).await;
    let done = shop.reaches(&id, &["COMPLETED"]).await;
    assert_eq!(done["objectCount"], done["rootObjectCount"]);
    let rows = lines(&shop.fetch(&done).await);
    let of = |kind: &str| {
        rows.iter()
            .filter(|row| row["id"].as_str().unwrap().contains(kind))
            .count()
    };
    let customers = shop.look("truth").await["customers"]
        .as_array()
        .unwrap()
        .len();
    assert_eq!((of("/InventoryLevel/"), of("/Customer/")), (60, customers));
}
