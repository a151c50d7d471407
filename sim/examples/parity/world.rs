//! A pretend shop prepared to fit one file of recordings: which of its records stands for which recorded one, and what
//! has to be true before a call.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::time::Duration;

use serde_json::{Value, json};
use sim::{Options, Sim};

use crate::recording::Call;

pub(crate) struct World {
    sim: Sim,
    http: reqwest::Client,
    truth: Value,
    /// Recorded ids, and what stands for them.
    ids: HashMap<String, String>,
    /// Locations at which nothing is stocked yet, for recordings that stock something.
    empty: Vec<String>,
    taken: HashMap<String, usize>,
}

/// How often a bulk operation is looked at, 25 ms apart, until it is where the recorded one was.
const MAX_LOOKS: u32 = 200;

type Done<T> = Result<T, Box<dyn Error>>;

impl World {
    pub(crate) async fn open(calls: &[Call]) -> Done<Self> {
        let sim = Sim::start(Options {
            products: 12,
            locations: 4,
            ..Options::default()
        })
        .await?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let mut world = Self {
            sim,
            http,
            truth: Value::Null,
            ids: HashMap::new(),
            empty: Vec::new(),
            taken: HashMap::new(),
        };
        for name in ["Empty 1", "Empty 2"] {
            let made = world
                .control("locations", &json!({ "action": "create", "name": name }))
                .await?;
            world.empty.push(format!(
                "gid://shopify/Location/{}",
                made["id"].as_str().unwrap_or_default()
            ));
        }
        world.truth = world
            .http
            .get(format!("{}/_sim/truth", world.sim.url()))
            .send()
            .await?
            .json()
            .await?;
        let asked = |word: &str| {
            calls.iter().any(|call| {
                call.query
                    .as_deref()
                    .is_some_and(|text| text.contains(word))
            })
        };
        if asked("bulkOperationCancel") {
            // What is canceled must still be running.
            world
                .control(
                    "faults",
                    &json!({ "bulk": { "operations": 6, "ending": "stuck" } }),
                )
                .await?;
        }
        for call in calls {
            world.place_activations(call);
        }
        Ok(world)
    }

    pub(crate) async fn close(self) {
        self.sim.stop().await;
    }

    /// Prepares the shop for a call and makes it.
    pub(crate) async fn send(&mut self, call: &Call, document: &str) -> Done<Value> {
        let document = self.mapped(document);
        let variables: Value =
            serde_json::from_str(&self.mapped(&serde_json::to_string(&call.variables)?))?;
        self.prepare(&variables).await?;
        let ended = call.answer["data"]["bulkOperation"]["status"].as_str();
        let body = json!({ "query": document, "variables": variables });
        for attempt in 1.. {
            let request = self
                .http
                .post(format!("{}/admin/api/2026-10/graphql.json", self.sim.url()));
            let request = request
                .header("X-Shopify-Access-Token", "shpat_pretend")
                .json(&body);
            let answer: Value = request.send().await?.json().await?;
            // The real one took its own time to get there.
            if ended.is_none_or(|status| answer["data"]["bulkOperation"]["status"] == status)
                || ended == Some("CREATED")
                || ended == Some("CANCELING")
                || attempt == MAX_LOOKS
            {
                return Ok(answer);
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        unreachable!("the last look returns")
    }

    /// Learns which ids stand for which from two answers of the same shape.
    pub(crate) fn learn(&mut self, recorded: &Value, got: &Value) {
        match (recorded, got) {
            (Value::String(recorded), Value::String(got)) => {
                let kind = |gid: &str| gid.split('/').nth(3).map(str::to_owned);
                let ids = recorded.starts_with("gid://") && got.starts_with("gid://");
                if ids && kind(recorded) == kind(got) || recorded.starts_with("eyJ") {
                    self.ids.insert(recorded.clone(), got.clone());
                }
            }
            (Value::Object(recorded), Value::Object(got)) => {
                for (key, value) in recorded {
                    self.learn(value, got.get(key).unwrap_or(&Value::Null));
                }
            }
            (Value::Array(recorded), Value::Array(got)) => {
                for (recorded, got) in recorded.iter().zip(got) {
                    self.learn(recorded, got);
                }
            }
            _ => {}
        }
    }

    /// A recorded location at which something is activated is one where nothing was stocked.
    fn place_activations(&mut self, call: &Call) {
        let activated = call.answer["data"]["inventoryActivate"]["userErrors"]
            .as_array()
            .is_some_and(Vec::is_empty);
        if let (true, Some(place)) = (
            activated,
            call.variables.get("locationId").and_then(Value::as_str),
        ) && !self.ids.contains_key(place)
            && let Some(empty) = self.empty.pop()
        {
            self.ids.insert(place.to_owned(), empty);
        }
    }

    /// The text with each id replaced by what stands for it.
    fn mapped(&mut self, text: &str) -> String {
        let ends = |letter: char| {
            letter == '"' || letter == '\'' || letter == '\\' || letter.is_whitespace()
        };
        let ids: BTreeSet<String> = text
            .match_indices("gid://shopify/")
            .map(|(start, _)| {
                text[start..]
                    .split(ends)
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect();
        let mut mapped = text.to_owned();
        // Longer ones first, since one may begin another.
        for id in ids.iter().rev() {
            let stand_in = self.stand_in(id);
            mapped = mapped.replace(&format!("{id}\""), &format!("{stand_in}\""));
        }
        let cursors = self
            .ids
            .iter()
            .filter(|(recorded, _)| recorded.starts_with("eyJ"));
        cursors.fold(mapped, |text, (recorded, got)| {
            text.replace(recorded.as_str(), got)
        })
    }

    fn stand_in(&mut self, id: &str) -> String {
        if let Some(known) = self.ids.get(id) {
            return known.clone();
        }
        let Some(kind) = id.split('/').nth(3).map(str::to_owned) else {
            return id.to_owned();
        };
        let list = match &*kind {
            "InventoryItem" => "inventoryItems",
            "Location" => "locations",
            "Product" => "products",
            "ProductVariant" => "variants",
            "Order" => "orders",
            "InventoryLevel" => return self.level_of(id).unwrap_or_else(|| id.to_owned()),
            _ => return id.to_owned(),
        };
        let number = self.taken.entry(kind.clone()).or_default();
        let row = &self.truth[list][*number]["id"];
        *number += 1;
        // An id of few digits was meant to be unknown.
        let unknown = id
            .rsplit('/')
            .next()
            .is_none_or(|digits| digits.len() < 8 || digits.starts_with("9999"));
        let stand_in = match row.as_str() {
            Some(row) if !unknown => format!("gid://shopify/{kind}/{row}"),
            _ => id.to_owned(),
        };
        self.ids.insert(id.to_owned(), stand_in.clone());
        stand_in
    }

    /// A level that no answer has shown yet: one of the item's.
    fn level_of(&mut self, id: &str) -> Option<String> {
        let item = format!(
            "gid://shopify/InventoryItem/{}",
            id.split_once("inventory_item_id=")?.1
        );
        let item = self.stand_in(&item);
        let item = item.rsplit('/').next()?;
        let level = self.truth["levels"]
            .as_array()?
            .iter()
            .find(|level| level["inventoryItemId"] == item)?;
        level["levelId"].as_str().map(str::to_owned)
    }

    /// Makes true what a call believes: the quantities it says it changes from.
    async fn prepare(&self, variables: &Value) -> Done<()> {
        let input = &variables["input"];
        let rows = ["quantities", "changes", "setQuantities"]
            .iter()
            .filter_map(|list| input[list].as_array());
        for row in rows.flatten() {
            for (end, name) in [
                (row, &input["name"]),
                (&row["from"], &row["from"]["name"]),
                (&row["to"], &row["to"]["name"]),
            ] {
                let name = name.as_str().unwrap_or("on_hand");
                if let Some(quantity) = end["changeFromQuantity"].as_i64() {
                    let change = json!({
                        "inventoryItemId": row["inventoryItemId"],
                        "locationId": end["locationId"],
                        "name": name,
                        "quantity": quantity,
                    });
                    // Where the level is unknown, so it is meant to be.
                    let _ = self.control("adjust", &change).await;
                }
            }
        }
        Ok(())
    }

    async fn control(&self, route: &str, body: &Value) -> Done<Value> {
        let request = self
            .http
            .post(format!("{}/_sim/{route}", self.sim.url()))
            .json(body);
        Ok(request.send().await?.error_for_status()?.json().await?)
    }
}
