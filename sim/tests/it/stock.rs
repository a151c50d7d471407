//! One level of a pretend shop, and how an app writes its quantities.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use sim::Options;

use crate::client::{Client, small};

/// A shop with an item of which ten are available at two places, and nothing else.
pub(crate) struct Stock {
    pub(crate) shop: Client,
    pub(crate) item: String,
    pub(crate) place: String,
    pub(crate) other: String,
    keys: AtomicU64,
}

impl Stock {
    pub(crate) async fn open() -> Self {
        Self::open_with(small()).await
    }

    pub(crate) async fn open_with(options: Options) -> Self {
        let shop = Client::open(options).await;
        shop.done("products", json!({ "action": "create", "quantity": 10 }))
            .await;
        let truth = shop.look("truth").await;
        let id = |kind: &str, row: &Value| {
            format!(
                "gid://shopify/{kind}/{}",
                row["id"].as_str().expect("an id")
            )
        };
        Self {
            item: id(
                "InventoryItem",
                rows(&truth["inventoryItems"]).last().expect("an item"),
            ),
            place: id("Location", &truth["locations"][0]),
            other: id("Location", &truth["locations"][1]),
            shop,
            keys: AtomicU64::new(1),
        }
    }

    /// What is available, reserved and on hand at the first place.
    pub(crate) async fn units(&self) -> [i64; 3] {
        let level = self.level(&self.place).await;
        ["available", "reserved", "on_hand"].map(|name| level[name].as_i64().expect("a number"))
    }

    pub(crate) async fn level(&self, place: &str) -> Value {
        let (item, place) = (number(&self.item), number(place));
        let truth = self.shop.look("truth").await;
        let found = |row: &&Value| row["inventoryItemId"] == item && row["locationId"] == place;
        rows(&truth["levels"])
            .iter()
            .find(found)
            .cloned()
            .unwrap_or_default()
    }

    /// Sends one under a key of its own.
    pub(crate) async fn send(&self, mutation: &str, input: Value) -> Value {
        let key = format!("key-{}", self.keys.fetch_add(1, Ordering::Relaxed));
        self.send_under(&key, mutation, input).await
    }

    pub(crate) async fn send_under(&self, key: &str, mutation: &str, input: Value) -> Value {
        self.shop
            .query(&document(mutation), json!({ "input": input, "key": key }))
            .await
    }

    /// The same; gives the payload.
    pub(crate) async fn write(&self, mutation: &str, input: Value) -> Value {
        self.send(mutation, input).await["data"][mutation].clone()
    }

    /// The same of one that must be refused; gives its first code and where.
    pub(crate) async fn refused(&self, mutation: &str, input: Value) -> (String, String) {
        let payload = self.write(mutation, input).await;
        assert_eq!(
            payload["inventoryAdjustmentGroup"],
            Value::Null,
            "{payload}"
        );
        let error = &payload["userErrors"][0];
        let field: Vec<&str> = rows(&error["field"])
            .iter()
            .filter_map(Value::as_str)
            .collect();
        (
            error["code"].as_str().expect("a code").to_owned(),
            field.join("."),
        )
    }

    pub(crate) fn set(&self, name: &str, quantity: i64, from: impl Into<Option<i64>>) -> Value {
        let entry = json!({ "inventoryItemId": self.item, "locationId": self.place, "quantity": quantity,
            "changeFromQuantity": from.into() });
        json!({ "name": name, "reason": "correction", "quantities": [entry] })
    }

    pub(crate) fn adjust(&self, name: &str, delta: i64, from: impl Into<Option<i64>>) -> Value {
        let document = (name != "available").then_some("gid://app/Ledger/1");
        let entry = json!({ "inventoryItemId": self.item, "locationId": self.place, "delta": delta,
            "changeFromQuantity": from.into(), "ledgerDocumentUri": document });
        json!({ "name": name, "reason": "correction", "changes": [entry] })
    }

    pub(crate) fn reserve(&self, quantity: i64, from: impl Into<Option<i64>>) -> Value {
        let from = json!({ "locationId": self.place, "name": "available", "changeFromQuantity": from.into() });
        let to = json!({ "locationId": self.place, "name": "reserved", "changeFromQuantity": null,
            "ledgerDocumentUri": "gid://app/Ledger/1" });
        self.moving(quantity, &from, &to)
    }

    pub(crate) fn release(&self, quantity: i64) -> Value {
        let from = json!({ "locationId": self.place, "name": "reserved", "changeFromQuantity": null,
            "ledgerDocumentUri": "gid://app/Ledger/1" });
        let to =
            json!({ "locationId": self.place, "name": "available", "changeFromQuantity": null });
        self.moving(quantity, &from, &to)
    }

    fn moving(&self, quantity: i64, from: &Value, to: &Value) -> Value {
        let entry =
            json!({ "inventoryItemId": self.item, "quantity": quantity, "from": from, "to": to });
        json!({ "reason": "reservation_created", "referenceDocumentUri": "gid://app/Attempt/1", "changes": [entry] })
    }
}

pub(crate) fn rows(list: &Value) -> &[Value] {
    list.as_array().expect("a list")
}

/// The number in a global id.
pub(crate) fn number(gid: &str) -> &str {
    gid.rsplit('/').next().unwrap_or_default()
}

pub(crate) fn document(mutation: &str) -> String {
    format!(
        "mutation Write($input: {}Input!, $key: String!) {{ {mutation}(input: $input) @idempotent(key: $key) {{ {GROUP} }} }}",
        upper(mutation)
    )
}

/// The same without a key.
pub(crate) fn keyless(mutation: &str) -> String {
    format!(
        "mutation Write($input: {}Input!) {{ {mutation}(input: $input) {{ {GROUP} }} }}",
        upper(mutation)
    )
}

fn upper(mutation: &str) -> String {
    mutation.replacen('i', "I", 1)
}

const GROUP: &str = "inventoryAdjustmentGroup { id createdAt reason referenceDocumentUri
    changes { name delta quantityAfterChange ledgerDocumentUri item { id } location { id } } }
    userErrors { field message code }";

pub(crate) const SET: &str = "inventorySetQuantities";
pub(crate) const ADJUST: &str = "inventoryAdjustQuantities";
pub(crate) const MOVE: &str = "inventoryMoveQuantities";
