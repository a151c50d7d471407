//! The mirror and the truth in one form, so that they can be compared.

use std::collections::BTreeMap;
use std::time::Duration;

use schemas::Role;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep};

use crate::{PATIENCE, TestDaemon, TestShop, Token};

/// Records by kind and key.
#[derive(Debug, PartialEq)]
pub struct Mirror(BTreeMap<(&'static str, String), Value>);

/// Every name under which stock is counted.
const QUANTITIES: [&str; 8] = [
    "available",
    "on_hand",
    "committed",
    "reserved",
    "incoming",
    "damaged",
    "quality_control",
    "safety_stock",
];

const PRODUCT: [&str; 7] = [
    "id",
    "title",
    "handle",
    "vendor",
    "productType",
    "status",
    "updatedAt",
];
const VARIANT: [&str; 8] = [
    "id",
    "productId",
    "title",
    "sku",
    "barcode",
    "price",
    "inventoryItemId",
    "updatedAt",
];
const ITEM: [&str; 4] = ["id", "sku", "tracked", "updatedAt"];
const LOCATION: [&str; 4] = ["id", "name", "active", "updatedAt"];

const ORDER: [&str; 4] = ["id", "name", "customerId", "updatedAt"];
const CUSTOMER: [&str; 3] = ["id", "createdAt", "updatedAt"];

/// A collection's records, with their ids named as the shop names them.
async fn listed(daemon: &TestDaemon, kind: &str) -> Vec<Value> {
    let named = match kind {
        "items" => "inventoryItemId".to_owned(),
        kind => format!("{}Id", kind.trim_end_matches('s')),
    };
    let mut records = daemon.list(kind, &Token::of(Role::Admin)).await;
    for record in &mut records {
        record["id"] = record[&named].clone();
    }
    records
}

impl Mirror {
    /// What the daemon believes: products, variants, items, locations, levels with every quantity, orders with what
    /// is left of each line, customers.
    pub async fn of(daemon: &TestDaemon) -> Self {
        let admin = Token::of(Role::Admin);
        let mut records = BTreeMap::new();
        for (kind, fields) in [
            ("products", &PRODUCT[..]),
            ("variants", &VARIANT),
            ("items", &ITEM),
            ("locations", &LOCATION),
        ] {
            for record in listed(daemon, kind).await {
                let mut kept = keep(&record, fields);
                if kind == "variants" {
                    kept.insert("oversell".to_owned(), record["continueSelling"].clone());
                }
                records.insert((kind, text(&record["id"])), kept.into());
            }
        }
        for mut order in listed(daemon, "orders").await {
            for line in order["lines"].as_array_mut().unwrap() {
                line["id"] = line["lineItemId"].clone();
            }
            let mut kept = keep(&order, &ORDER);
            kept.insert("lines".to_owned(), lines(&order["lines"], "quantity"));
            records.insert(("orders", text(&order["id"])), kept.into());
        }
        for customer in listed(daemon, "customers").await {
            records.insert(
                ("customers", text(&customer["id"])),
                keep(&customer, &CUSTOMER).into(),
            );
        }
        for level in daemon.list("levels", &admin).await {
            let mut kept = keep(&level["quantities"], &QUANTITIES[1..]);
            kept.insert("available".to_owned(), level["available"].clone());
            kept.extend(keep(&level, &["active", "updatedAt"]));
            records.insert(("levels", level_key(&level)), kept.into());
        }
        Self(records)
    }

    /// The same of what the shop believes.
    pub async fn truth(shop: &TestShop) -> Self {
        let truth = shop.truth().await;
        let rows = |kind: &str| truth[kind].as_array().unwrap().clone();
        let mut records = BTreeMap::new();
        for mut product in rows("products") {
            product["status"] = text(&product["status"]).to_lowercase().into();
            records.insert(
                ("products", text(&product["id"])),
                keep(&product, &PRODUCT).into(),
            );
        }
        for variant in rows("variants") {
            let mut kept = keep(&variant, &VARIANT);
            kept.insert(
                "oversell".to_owned(),
                json!(variant["inventoryPolicy"] == "CONTINUE"),
            );
            records.insert(("variants", text(&variant["id"])), kept.into());
        }
        for (kind, named, fields) in [
            ("items", "inventoryItems", &ITEM[..]),
            ("locations", "locations", &LOCATION),
        ] {
            let of_kind = rows(named).into_iter();
            records
                .extend(of_kind.map(|row| ((kind, text(&row["id"])), keep(&row, fields).into())));
        }
        for order in rows("orders") {
            let mut kept = keep(&order, &ORDER);
            kept.insert(
                "lines".to_owned(),
                lines(&order["lineItems"], "currentQuantity"),
            );
            records.insert(("orders", text(&order["id"])), kept.into());
        }
        for customer in rows("customers") {
            records.insert(
                ("customers", text(&customer["id"])),
                keep(&customer, &CUSTOMER).into(),
            );
        }
        let closed = |level: &Value| {
            let locations = truth["locations"].as_array().unwrap().iter();
            locations
                .filter(|place| place["active"] == false)
                .any(|place| place["id"] == level["locationId"])
        };
        for mut level in rows("levels") {
            // What is stocked at a location that was deactivated counts nowhere.
            if closed(&level) {
                level["active"] = false.into();
            }
            let mut kept = keep(&level, &QUANTITIES);
            kept.extend(keep(&level, &["active", "updatedAt"]));
            records.insert(("levels", level_key(&level)), kept.into());
        }
        Self(records)
    }

    /// How many records of a kind.
    pub fn count(&self, kind: &str) -> usize {
        self.0.keys().filter(|(of, _)| *of == kind).count()
    }

    /// The first few records in which they differ, one a line; empty when they are equal.
    pub fn difference(&self, truth: &Self) -> String {
        let keys: std::collections::BTreeSet<_> = self.0.keys().chain(truth.0.keys()).collect();
        let differing = keys
            .into_iter()
            .filter(|key| self.0.get(*key) != truth.0.get(*key));
        let lines = differing.map(|key| {
            format!(
                "{} {}\n  mirror {:?}\n  truth  {:?}",
                key.0,
                key.1,
                self.0.get(key),
                truth.0.get(key)
            )
        });
        lines.take(5).collect::<Vec<_>>().join("\n")
    }

    /// Waits until what the daemon believes is what the quiet shop believes.
    pub async fn becomes_exact(daemon: &TestDaemon, shop: &TestShop) {
        let truth = Self::truth(shop).await;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let difference = Self::of(daemon).await.difference(&truth);
            if difference.is_empty() {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "the mirror is not what the shop believes:\n{difference}"
            );
            sleep(Duration::from_millis(200)).await;
        }
    }
}

/// A level of the truth as one line, for a short comparison: available, committed and on hand.
pub fn stock(level: &Value) -> (i64, i64, i64) {
    let quantities = if level["quantities"].is_object() {
        &level["quantities"]
    } else {
        level
    };
    let units = |value: &Value| value.as_i64().unwrap();
    (
        units(&level["available"]),
        units(&quantities["committed"]),
        units(&quantities["on_hand"]),
    )
}

fn keep(record: &Value, fields: &[&str]) -> Map<String, Value> {
    fields
        .iter()
        .map(|field| ((*field).to_owned(), record[*field].clone()))
        .collect()
}

/// How many of each line there are.
fn lines(lines: &Value, units: &str) -> Value {
    let lines = lines.as_array().unwrap().iter();
    Value::Object(
        lines
            .map(|line| (text(&line["id"]), line[units].clone()))
            .collect(),
    )
}

fn level_key(level: &Value) -> String {
    format!(
        "{}@{}",
        text(&level["inventoryItemId"]),
        text(&level["locationId"])
    )
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
