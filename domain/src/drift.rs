//! Drift: what a full run had to put right although webhooks and earlier runs should have brought it. Each record,
//! what was wrong with it, and since when.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemas::{RecordKey, Resource, RunId, Timestamp, VariantId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::tables::Result;

/// A record that was not as it is at Shopify.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drifted {
    /// The run that found it.
    pub run_id: RunId,
    /// Which record, for a person.
    pub record: String,
    /// How it was wrong.
    #[serde(flatten)]
    pub wrong: Wrong,
    /// Since when, by Shopify's time; `None` when that cannot be told.
    pub since: Option<Timestamp>,
    /// When it was found.
    pub found: Timestamp,
}

/// How a record was not as it is at Shopify.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "wrong", content = "fields", rename_all = "snake_case")]
pub enum Wrong {
    /// These fields were otherwise: as they were here, and as they are at Shopify.
    Differs(BTreeMap<String, (Value, Value)>),
    /// It was here and is no longer at Shopify.
    Gone,
    /// It was at Shopify and not here.
    Missing,
}

impl Wrong {
    /// How two states of a record differ.
    pub(crate) fn between<R: Serialize>(held: Option<&R>, said: &R) -> Result<Self> {
        let Some(held) = held else {
            return Ok(Self::Missing);
        };
        let (held, said) = (serde_json::to_value(held)?, serde_json::to_value(said)?);
        let (mut here, mut there) = (BTreeMap::new(), BTreeMap::new());
        flatten("", held, &mut here);
        flatten("", said, &mut there);
        let fields: std::collections::BTreeSet<String> =
            here.keys().chain(there.keys()).cloned().collect();
        let pairs = fields.into_iter().map(|field| {
            let pair = (
                here.remove(&field).unwrap_or_default(),
                there.remove(&field).unwrap_or_default(),
            );
            (field, pair)
        });
        Ok(Self::Differs(
            pairs.filter(|(_, (here, there))| here != there).collect(),
        ))
    }

    /// Whether nothing differs but the time of the last change.
    pub(crate) fn is_only_its_time(&self) -> bool {
        matches!(self, Self::Differs(fields) if fields.keys().all(|field| field == "updatedAt"))
    }
}

/// The leaves of a value by their paths; a list is a leaf.
fn flatten(path: &str, value: Value, leaves: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() {
                    name
                } else {
                    format!("{path}.{name}")
                };
                flatten(&path, value, leaves);
            }
        }
        leaf => drop(leaves.insert(path.to_owned(), leaf)),
    }
}

/// A record of a resource as the mirror holds it, by its key. A variant is read with its product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Held {
    /// What is read to see whether it is still there.
    pub key: RecordKey,
    /// Which of the product's variants.
    pub variant: Option<VariantId>,
}

impl Held {
    /// The resource that lists such records.
    pub fn resource(self) -> Resource {
        match self.key {
            RecordKey::Customer(_) => Resource::Customers,
            RecordKey::Level(..) | RecordKey::Location(_) => Resource::Inventory,
            RecordKey::Order(_) => Resource::Orders,
            RecordKey::Item(_) | RecordKey::Product(_) => Resource::Products,
        }
    }
}
