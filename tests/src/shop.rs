//! The pretend store in this process, and what happens in it.

use serde_json::{Value, json};
use sim::{Options, Sim};

use crate::eventually;

/// The shop's permanent name.
pub const DOMAIN: &str = "pretend.myshopify.com";
/// What its webhooks are signed with.
pub(crate) const SECRET: &str = "pretend-webhook-secret";
/// What API calls must carry.
pub(crate) const ACCESS_TOKEN: &str = "shpat_pretend_access";

/// A pretend store with a few products; every call is one of its `/_sim/` routes.
pub struct TestShop {
    sim: Sim,
    http: reqwest::Client,
}

/// An item at a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Id of the inventory item.
    pub item: String,
    /// The id of the location.
    pub location: String,
    /// Id of the item's product.
    pub product: String,
    /// Id of the item's variant.
    pub variant: String,
    /// Units available at the start.
    pub available: i64,
}

impl TestShop {
    /// Twelve products with two variants at three locations, and a bucket that is never empty.
    pub async fn opens() -> Self {
        Self::with(Options {
            products: 12,
            variants_per_product: 2,
            locations: 3,
            restore_rate: 10_000,
            ..Options::default()
        })
        .await
    }

    /// Another kind of shop.
    pub async fn with(options: Options) -> Self {
        let options = Options {
            shop: DOMAIN.to_owned(),
            access_token: ACCESS_TOKEN.to_owned(),
            webhook_secret: SECRET.to_owned(),
            ..options
        };
        Self {
            sim: Sim::start(options).await.unwrap(),
            http: reqwest::Client::new(),
        }
    }

    /// The base URL that the store listens on.
    pub fn url(&self) -> String {
        self.sim.url()
    }

    /// Everything it believes.
    pub async fn truth(&self) -> Value {
        self.asked("truth").await
    }

    /// What the API was asked so far.
    pub async fn calls(&self) -> Value {
        self.asked("calls").await
    }

    /// How many bulk operations were asked for so far.
    pub async fn bulk_operations(&self) -> usize {
        let calls = self.calls().await;
        let calls = calls["calls"].as_array().unwrap().iter();
        calls
            .filter(|call| call["operation"] == "BulkStart")
            .count()
    }

    /// Its mutations so far, oldest first. Fails where one key changed the store twice.
    pub async fn mutations(&self) -> Vec<Value> {
        let answer = self.asked("calls?mutations=true").await;
        assert_eq!(answer["totals"]["appliedTwice"], 0, "{}", answer["totals"]);
        let mutations: Vec<Value> = answer["mutations"].as_array().unwrap().clone();
        mutations
            .into_iter()
            .filter(|mutation| mutation["idempotencyKey"].is_string())
            .collect()
    }

    /// A level as it believes it to be.
    pub async fn level(&self, spot: &Spot) -> Value {
        let truth = self.truth().await;
        let mut levels = truth["levels"].as_array().unwrap().iter();
        let here = |level: &&Value| {
            level["inventoryItemId"] == spot.item.as_str()
                && level["locationId"] == spot.location.as_str()
        };
        levels.find(here).unwrap().clone()
    }

    /// Its API goes wrong like this; what is not named goes as it did.
    pub async fn mistreats_calls(&self, faults: &Value) {
        self.does("faults", faults).await;
    }

    /// Another program asks with the same app until Shopify refuses more.
    pub async fn is_asked_by_others(&self) {
        let query = "{ products(first: 30) { nodes { variants(first: 5) { nodes { inventoryItem {
            inventoryLevels(first: 5) { nodes { location { name } quantities(names: [\"available\"]) { quantity } } } } } } } } }";
        eventually("the points are used up", async || {
            let answer = self.query(query).await.ok()?;
            let throttled = answer.status() == 429;
            let answer: Value = answer.json().await.ok()?;
            let code = &answer["errors"][0]["extensions"]["code"];
            assert_ne!(code, "MAX_COST_EXCEEDED");
            (throttled || code == "THROTTLED").then_some(())
        })
        .await;
    }

    /// The topics that are subscribed to through its API.
    pub async fn subscriptions(&self) -> Vec<String> {
        let query = "{ webhookSubscriptions(first: 100) { nodes { topic } } }";
        let answer: Value = self.query(query).await.unwrap().json().await.unwrap();
        let topics = answer["data"]["webhookSubscriptions"]["nodes"]
            .as_array()
            .unwrap();
        topics
            .iter()
            .map(|node| node["topic"].as_str().unwrap().to_owned())
            .collect()
    }

    /// What another program with the same app is answered.
    async fn query(&self, query: &str) -> reqwest::Result<reqwest::Response> {
        let address = format!("{}/admin/api/{}/graphql.json", self.url(), sim::VERSION);
        let call = self
            .http
            .post(address)
            .header("x-shopify-access-token", ACCESS_TOKEN);
        call.json(&json!({ "query": query })).send().await
    }

    /// Where its webhooks are.
    pub async fn deliveries(&self) -> Value {
        self.asked("deliveries").await
    }

    /// An item at a location with at least that much available, the `n`th that there is.
    pub async fn spot(&self, n: usize, at_least: i64) -> Spot {
        let truth = self.truth().await;
        let levels = truth["levels"].as_array().unwrap().iter();
        let level = levels
            .filter(|level| level["available"].as_i64().unwrap() >= at_least)
            .nth(n)
            .unwrap();
        spot(&truth, level)
    }

    /// The same item at another location with at least that much available.
    pub async fn elsewhere(&self, spot: &Spot, at_least: i64) -> Spot {
        let truth = self.truth().await;
        let levels = truth["levels"].as_array().unwrap();
        let other = |level: &&Value| {
            level["inventoryItemId"] == spot.item.as_str()
                && level["locationId"] != spot.location.as_str()
                && level["available"].as_i64().unwrap() >= at_least
        };
        self::spot(&truth, levels.iter().find(other).unwrap())
    }

    /// Somebody new buys; the order.
    pub async fn sells(&self, spot: &Spot, quantity: i64) -> Value {
        let sale = json!({ "inventoryItemId": spot.item, "locationId": spot.location, "quantity": quantity });
        self.does("sell", &sale).await
    }

    /// A quantity changes by so much; the level.
    pub async fn adjusts(&self, spot: &Spot, name: &str, delta: i64) -> Value {
        let change = json!({
            "inventoryItemId": spot.item, "locationId": spot.location, "name": name, "delta": delta,
        });
        self.does("adjust", &change).await
    }

    /// An order is paid, fulfilled, delivered, cancelled or deleted.
    pub async fn order(&self, action: &str, order: &Value) -> Value {
        self.does("orders", &json!({ "action": action, "id": order["id"] }))
            .await
    }

    /// Subscribes that URL to the store's webhooks.
    pub async fn tells(&self, url: &str) {
        self.does("webhooks", &json!({ "url": url })).await;
    }

    /// Webhooks go wrong like this, or are paused.
    pub async fn mistreats_webhooks(&self, faults: &Value) {
        self.does("faults", &json!({ "webhooks": faults })).await;
    }

    /// So many buy every second.
    pub async fn is_busy(&self, per_second: f64) {
        self.does("shoppers", &json!({ "perSecond": per_second }))
            .await;
    }

    /// The shop's time goes on: retries fall due.
    pub async fn time_passes(&self, seconds: u32) {
        self.does("clock", &json!({ "advanceSeconds": seconds }))
            .await;
    }

    /// Lets every webhook arrive, retries included, however late they are due.
    pub async fn falls_quiet(&self) {
        eventually("the shop's webhooks have all arrived", async || {
            let counts = self.deliveries().await;
            assert_eq!(counts["lost"], 0, "{counts}");
            let waiting = |kind: &str| counts[kind].as_u64().unwrap();
            if waiting("queued") + waiting("inFlight") > 0 {
                return None;
            }
            if waiting("retrying") > 0 {
                self.time_passes(10).await;
                return None;
            }
            Some(())
        })
        .await;
    }

    /// Lets hours pass until every webhook has arrived or failed for the last time.
    pub async fn has_tried_everything(&self) {
        eventually("no webhook waits", async || {
            let counts = self.deliveries().await;
            let waiting = |kind: &str| counts[kind].as_u64().unwrap();
            if waiting("inFlight") == 0 && waiting("queued") + waiting("retrying") > 0 {
                self.time_passes(900).await;
            }
            (waiting("queued") + waiting("retrying") + waiting("inFlight") == 0).then_some(())
        })
        .await;
    }

    /// Any other of its routes.
    pub async fn does(&self, route: &str, body: &Value) -> Value {
        self.tries(route, body)
            .await
            .unwrap_or_else(|refusal| panic!("{route}: {refusal}"))
    }

    /// The same where it may say no.
    pub async fn tries(&self, route: &str, body: &Value) -> Result<Value, Value> {
        let url = format!("{}/_sim/{route}", self.url());
        let answer = self.http.post(url).json(body).send().await.unwrap();
        let (status, body) = (answer.status(), answer.json::<Value>().await.unwrap());
        if status.is_success() {
            Ok(body)
        } else {
            Err(body)
        }
    }

    async fn asked(&self, route: &str) -> Value {
        self.http
            .get(format!("{}/_sim/{route}", self.url()))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }
}

fn spot(truth: &Value, level: &Value) -> Spot {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let item = text(&level["inventoryItemId"]);
    let mut variants = truth["variants"].as_array().unwrap().iter();
    let variant = variants
        .find(|variant| variant["inventoryItemId"] == item.as_str())
        .unwrap();
    Spot {
        location: text(&level["locationId"]),
        product: text(&variant["productId"]),
        variant: text(&variant["id"]),
        available: level["available"].as_i64().unwrap(),
        item,
    }
}
