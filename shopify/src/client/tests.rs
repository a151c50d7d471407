//! Calls against a scripted Shopify: what is repeated, what is given up, and what each failure says.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use schemas::RecordKey;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::*;
use crate::fake::{self, Fake, body, cost, data, json_of, status};
use crate::stock::{StockChange, stock_body};
use crate::transport::TransportError;

fn no_products() -> Value {
    json!({ "products": { "nodes": [], "pageInfo": { "hasNextPage": false, "endCursor": null } } })
}

fn problem(code: &str, cost: &Value) -> Result<Response<Bytes>, TransportError> {
    body(&json!({
        "errors": [{ "message": "Not like this", "extensions": { "code": code, "requestId": "r-1" } }],
        "extensions": { "cost": cost },
    }))
}

/// Asks for a page of products; the error, if that is the answer.
async fn error_of(fake: &Arc<Fake>) -> Option<Error> {
    fake.client().products_page(None, None).await.err()
}

#[tokio::test(start_paused = true)]
async fn a_request_goes_to_the_shops_own_address_with_its_token() {
    let fake = Fake::script([data(no_products())]);
    assert!(error_of(&fake).await.is_none());
    let requests = fake.requests.lock().unwrap();
    let request = &requests[0].1;
    assert_eq!(request.method(), Method::POST);
    assert_eq!(
        request.uri(),
        "https://pretend.myshopify.com/admin/api/2026-10/graphql.json"
    );
    assert_eq!(request.headers()["X-Shopify-Access-Token"], "shpat_pretend");
    assert!(!format!("{request:?}").contains("shpat_pretend"));
}

#[tokio::test]
async fn only_an_origin_is_taken_for_another_address() {
    let client = |api_url: &str| {
        let fake = Fake::script([]);
        let endpoint = Endpoint {
            api_url: Some(api_url.to_owned()),
            credential: Credential::Token("t".parse().unwrap()),
            names: false,
        };
        let clock = Arc::new(|| Timestamp::UNIX_EPOCH);
        Client::new(
            &"a.myshopify.com".parse().unwrap(),
            &endpoint,
            fake,
            clock,
            Arc::new(Entropy::seeded(1)),
        )
    };
    let with_path = client("http://127.0.0.1:8080/shops/a/").unwrap();
    assert_eq!(
        with_path.address,
        "http://127.0.0.1:8080/shops/a/admin/api/2026-10/graphql.json"
    );
    for bad in [
        "",
        "127.0.0.1:8080",
        "ftp://host",
        "https://host?x=",
        "not an address",
    ] {
        assert!(matches!(client(bad), Err(Error::Address)), "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_as_old_as_shopify_says() {
    let undated = Ok(Response::new(Bytes::from(
        json!({ "data": no_products() }).to_string(),
    )));
    let fake = Fake::script([data(no_products()), undated]);
    let client = fake.client();
    let dated = client.products_page(None, None).await.unwrap();
    assert_eq!(dated.shopify_time.to_string(), "2026-11-20T11:22:33Z");
    let undated = client.products_page(None, None).await.unwrap();
    assert_eq!(undated.shopify_time.to_string(), "2026-11-20T10:00:00Z");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_waits_exactly_until_its_cost_is_there() {
    let throttled = problem("THROTTLED", &cost(752.0, None, 100.0));
    let fake = Fake::script([throttled, data(no_products())]);
    assert!(error_of(&fake).await.is_none());
    assert_eq!(fake.times()[1].as_millis(), 6_520);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_without_figures_waits_as_long_as_it_is_told_or_a_second() {
    let told = Response::builder()
        .status(429)
        .header("Retry-After", "2.5")
        .body(Bytes::new());
    let fake = Fake::script([
        problem("THROTTLED", &Value::Null),
        status(429),
        Ok(told.unwrap()),
        data(no_products()),
    ]);
    assert!(error_of(&fake).await.is_none());
    let millis: Vec<_> = fake.times().iter().map(Duration::as_millis).collect();
    assert_eq!(millis, [0, 1_000, 2_000, 4_500]);
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_with_growing_pauses_and_then_given_up() {
    type Failure = fn() -> Result<Response<Bytes>, TransportError>;
    let failures: [Failure; 7] = [
        || status(500),
        || status(503),
        || status(504),
        || Err(TransportError::Timeout),
        || problem("INTERNAL_SERVER_ERROR", &cost(10.0, Some(10.0), 1990.0)),
        || Ok(Response::new(Bytes::from_static(b"{\"data\": {\"prod"))),
        || Ok(Response::new(Bytes::from_static(b"<html>"))),
    ];
    for failure in failures {
        let fake = Fake::script((0..6).map(|_| failure()));
        let error = error_of(&fake).await.unwrap();
        assert_eq!(error.retry(), Retry::Now, "{error}");
        let times = fake.times();
        for (attempt, pair) in times.windows(2).enumerate() {
            let longest = Duration::from_millis(500 << attempt);
            let pause = pair[1].checked_sub(pair[0]).unwrap();
            assert!(
                longest / 2 <= pause && pause <= longest + Duration::from_millis(1),
                "{times:?}"
            );
        }
        assert_eq!(times.len(), 6);

        let fake = Fake::script([failure(), failure(), data(no_products())]);
        assert!(error_of(&fake).await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn what_needs_a_person_is_not_tried_again() {
    let within = cost(10.0, Some(10.0), 1990.0);
    let unapproved =
        Bytes::from_static(br#"{"errors": {"base": ["This app is not approved to read orders"]}}"#);
    let answers = [
        (status(301), "domain"),
        (status(401), "token"),
        (status(402), "frozen"),
        (status(403), "scopes"),
        (
            status(403).map(|empty| empty.map(|_| unapproved.clone())),
            "not approved to read orders",
        ),
        (status(404), "domain"),
        (status(422), "products"),
        (status(423), "locked"),
        (status(430), "support"),
        (status(540), "domain"),
        (problem("ACCESS_DENIED", &within), "Not like this"),
        (problem("SHOP_INACTIVE", &within), "frozen"),
        (problem("MAX_COST_EXCEEDED", &within), "products"),
        (
            problem("BAD_REQUEST", &within),
            "BAD_REQUEST: Not like this",
        ),
        (
            problem("INVALID_FIELD_ARGUMENTS", &within),
            "INVALID_FIELD_ARGUMENTS: Not like this",
        ),
        (
            problem("A_CODE_OF_NEXT_YEAR", &within),
            "A_CODE_OF_NEXT_YEAR: Not like this",
        ),
        (
            problem("INVALID_VARIABLE", &within),
            "INVALID_VARIABLE: Not like this",
        ),
        (
            body(&json!({ "data": { "products": { "nodes": [{ "id": 1 }] } } })),
            "products.nodes[0]",
        ),
        (body(&json!({ "data": null })), "data"),
        (Err(TransportError::TooLong), "longer"),
    ];
    for (answer, expected) in answers {
        let fake = Fake::script([answer]);
        let error = error_of(&fake).await.unwrap();
        assert_eq!(error.retry(), Retry::Never, "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!error.to_string().contains("shpat_pretend"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_shopify_ignored_is_an_error_and_not_everything() {
    let warnings =
        json!([{ "field": "updated_at", "code": "INVALID_FIELD", "message": "Unknown" }]);
    let searched = |warnings: &Value| {
        body(&json!({
            "data": no_products(),
            "extensions": { "search": [{ "path": ["products"], "query": "x", "warnings": warnings }] },
        }))
    };
    let fake = Fake::script([searched(&warnings)]);
    assert!(
        matches!(error_of(&fake).await, Some(Error::FilterIgnored(field)) if field == "updated_at")
    );
    assert!(
        error_of(&Fake::script([searched(&json!([]))]))
            .await
            .is_none()
    );
    assert!(
        error_of(&Fake::script([searched(&Value::Null)]))
            .await
            .is_none()
    );
}

#[tokio::test(start_paused = true)]
async fn a_withheld_buyer_costs_no_order_and_anything_else_withheld_is_an_error() {
    let withheld = |path: Value| {
        let problem =
            json!({ "message": "Denied", "path": path, "extensions": { "code": "ACCESS_DENIED" } });
        Fake::script([body(&json!({ "data": no_products(), "errors": [problem] }))])
    };
    assert!(
        error_of(&withheld(json!(["order", "customer"])))
            .await
            .is_none()
    );
    for path in [json!(["nodes", 0]), json!(["order"]), Value::Null] {
        assert!(matches!(
            error_of(&withheld(path)).await,
            Some(Error::AccessDenied(_))
        ));
    }
}

#[tokio::test(start_paused = true)]
async fn withheld_names_cost_no_record_and_are_told_until_one_is_given() {
    let named = |name: Option<&str>, code: Option<&str>| {
        let id = "gid://shopify/Customer/6";
        let at = "2026-11-20T10:00:00Z";
        let node = json!({ "id": id, "firstName": name, "lastName": null, "createdAt": at, "updatedAt": at });
        let problem = |field: &str| {
            let extensions = code.map(|code| json!({ "code": code }));
            json!({ "message": "Not approved", "path": ["customers", "nodes", 0, field], "extensions": extensions })
        };
        let problems = (name.is_none()).then(|| json!([problem("firstName"), problem("lastName")]));
        let page =
            json!({ "nodes": [node], "pageInfo": { "hasNextPage": false, "endCursor": null } });
        body(&json!({ "data": { "customers": page }, "errors": problems }))
    };
    let fake = Fake::script([
        named(None, Some("ACCESS_DENIED")),
        named(None, None),
        named(Some("Ann"), None),
        named(None, Some("INTERNAL_SERVER_ERROR")),
        named(Some("Ann"), None),
    ]);
    let client = fake.client_for_names();
    let is_told = || {
        let problems = client.health().borrow().problems();
        problems.iter().any(|problem| {
            problem
                .message
                .contains("protected customer field \"Name\"")
        })
    };
    for _ in 0..2 {
        assert_eq!(
            client
                .customers_page(None, None)
                .await
                .unwrap()
                .changes
                .len(),
            1
        );
        assert!(is_told());
    }
    client.customers_page(None, None).await.unwrap();
    assert!(!is_told());
    // Another failure in the same place is asked about again.
    let page = client.customers_page(None, None).await.unwrap();
    let [Change::Customer(customer)] = &page.changes[..] else {
        panic!("{page:?}")
    };
    assert_eq!(customer.name.as_deref(), Some("Ann"));
}

#[tokio::test(start_paused = true)]
async fn an_alarm_is_raised_once_however_many_answers_repeat_it() {
    let answer = |version: &str| {
        let mut answer = data(no_products()).unwrap();
        answer
            .headers_mut()
            .insert("X-Shopify-API-Version", version.parse().unwrap());
        // Our clock says 10:00:00.
        answer
            .headers_mut()
            .insert("Date", "Fri, 20 Nov 2026 10:01:00 GMT".parse().unwrap());
        Ok(answer)
    };
    let fake = Fake::script([
        answer("2026-10"),
        answer("2027-01"),
        answer("2027-01"),
        data(no_products()),
    ]);
    let client = fake.client();
    let mut health = client.health();
    let mut changes = Vec::new();
    for _ in 0..4 {
        client.products_page(None, None).await.unwrap();
        changes.push(health.has_changed().unwrap());
        health.mark_unchanged();
    }
    assert_eq!(changes, [false, true, false, true]);
    assert_eq!(health.borrow().clock_skew, Some(-4_953));
}

#[tokio::test(start_paused = true)]
async fn a_command_overtakes_everything_and_readings_overtake_all_but_a_share_of_pages() {
    let order = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&order);
    let fake = Fake::new(move |request| {
        let query = request["query"].as_str().unwrap();
        let (name, data) = match () {
            () if query.contains("StockSet") => (
                "stock",
                json!({ "change": { "inventoryAdjustmentGroup": null, "userErrors": [] } }),
            ),
            () if query.contains("Scopes") => (
                "scopes",
                json!({ "currentAppInstallation": { "accessScopes": [] } }),
            ),
            () if query.contains("Products") => ("page", no_products()),
            () => ("look", json!({ "nodes": [null] })),
        };
        asked.lock().unwrap().push(name);
        // Nothing is left, so that every call has to wait.
        body(&json!({ "data": data, "extensions": { "cost": cost(50.0, Some(50.0), 0.0) } }))
    });
    let client = Arc::new(fake.client());
    client.products_page(None, None).await.unwrap();
    let mut calls = JoinSet::new();
    for name in ["page", "page", "look", "scopes", "stock", "page", "stock"] {
        let client = Arc::clone(&client);
        calls.spawn(async move {
            match name {
                "page" => drop(client.products_page(None, None).await.unwrap()),
                "scopes" => drop(client.scopes().await.unwrap()),
                "stock" => drop(
                    client
                        .change_stock(StockChange::SetAvailable, &stock_set())
                        .await
                        .unwrap(),
                ),
                _ => {
                    let item = RecordKey::Item(1_u64.try_into().unwrap());
                    drop(client.refresh(&[(item, None)]).await.unwrap());
                }
            }
        });
        tokio::task::yield_now().await;
    }
    calls.join_all().await;
    // One page goes between two readings: syncs keep their share while both wait.
    let expected = [
        "page", "stock", "stock", "look", "page", "scopes", "page", "page",
    ];
    assert_eq!(*order.lock().unwrap(), expected);
}

fn stock_set() -> String {
    stock_body(
        StockChange::SetAvailable,
        &[],
        "gid://stockd/Attempt/1",
        "gid://stockd/Shop/1",
        "key",
    )
}

/// A shop with a bucket as Shopify keeps it: the requested cost is reserved, what was not needed is given back.
struct Shop {
    bucket: Mutex<Bucket>,
    latency: Duration,
    /// Whether an answer tells of the bucket as it was when the request came, or when the answer went.
    tells_early: bool,
    requests: AtomicU32,
    refused: AtomicU32,
}

struct Bucket {
    maximum: f64,
    rate: f64,
    available: f64,
    since: Instant,
}

impl Bucket {
    fn add(&mut self, points: f64) -> f64 {
        let passed = self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        self.available = (self.available + passed * self.rate).min(self.maximum);
        self.available = (self.available + points).min(self.maximum);
        self.available.floor()
    }

    fn take(&mut self, points: f64) -> bool {
        let enough = self.add(0.0) >= points;
        if enough {
            self.available -= points;
        }
        enough
    }
}

#[async_trait]
impl Transport for Shop {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let is_page = json_of(request.body())["query"]
            .as_str()
            .unwrap()
            .contains("Products");
        let (requested, actual) = if is_page {
            (252.0, 120.0)
        } else {
            (50.0, 50.0)
        };
        let enough = self.bucket.lock().unwrap().take(requested);
        let early = self.bucket.lock().unwrap().add(0.0);
        // Answers overtake each other.
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(self.latency * (1 + number % 3)).await;
        let mut bucket = self.bucket.lock().unwrap();
        let late = bucket.add(if enough { requested - actual } else { 0.0 });
        let available = if self.tells_early { early } else { late };
        let status = json!({
            "maximumAvailable": bucket.maximum, "currentlyAvailable": available, "restoreRate": bucket.rate,
        });
        let actual = if enough { json!(actual) } else { Value::Null };
        let cost = json!({ "requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status });
        if !enough {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return problem("THROTTLED", &cost);
        }
        let data = if is_page {
            no_products()
        } else {
            json!({ "nodes": vec![Value::Null; 50] })
        };
        body(&json!({ "data": data, "extensions": { "cost": cost } }))
    }
}

/// How long 40 pages and 20 batches of point reads take, all asked for at once, and how many were throttled.
async fn burst(maximum: f64, rate: f64, latency: Duration, tells_early: bool) -> (f64, u32) {
    let start = Instant::now();
    let bucket = Mutex::new(Bucket {
        maximum,
        rate,
        available: maximum,
        since: start,
    });
    let (requests, refused) = (AtomicU32::new(0), AtomicU32::new(0));
    let shop = Arc::new(Shop {
        bucket,
        latency,
        tells_early,
        requests,
        refused,
    });
    let client = Arc::new(fake::client(Arc::clone(&shop) as _));
    let keys: Vec<_> = (1..=50_u64)
        .map(|n| (RecordKey::Item(n.try_into().unwrap()), None))
        .collect();
    let mut calls = JoinSet::new();
    for n in 0..60 {
        let (client, keys) = (Arc::clone(&client), keys.clone());
        calls.spawn(async move {
            if n % 3 == 0 {
                assert_eq!(client.refresh(&keys).await.unwrap().len(), 50);
            } else {
                client.products_page(None, None).await.unwrap();
            }
        });
    }
    calls.join_all().await;
    assert_eq!(shop.requests.load(Ordering::SeqCst), 60);
    (
        start.elapsed().as_secs_f64(),
        shop.refused.load(Ordering::SeqCst),
    )
}

#[tokio::test(start_paused = true)]
async fn no_burst_is_throttled_and_none_takes_much_longer_than_it_must() {
    for tells_early in [false, true] {
        for (maximum, rate, millis) in [
            (1_000.0, 50.0, 0),
            (2_000.0, 100.0, 150),
            (2_000.0, 100.0, 4_000),
        ] {
            let latency = Duration::from_millis(millis);
            let (seconds, refused) = burst(maximum, rate, latency, tells_early).await;
            assert_eq!(refused, 0, "{maximum} points, {latency:?}");
            let charged = 40.0 * 120.0 + 20.0 * 50.0;
            // Reads use six slots and syncs four, for two latencies on average.
            let needed = ((charged - maximum) / rate).max(60.0 / 4.0 * 2.0 * latency.as_secs_f64());
            assert!(
                seconds < needed * 1.2 + 10.0,
                "{seconds} s for what takes {needed} s"
            );
        }
    }
}
