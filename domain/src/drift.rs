//! Drift: what a full run had to put right although webhooks and earlier runs should have brought it. Each record,
//! what was wrong with it, and since when.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemas::{Change, RecordKey, Resource, RunId, Timestamp, VariantId};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::HeldLevel;
use crate::changes::{DriftCheck, Window};
use crate::operation::{Batch, Cause, Outcome, RunRecord};
use crate::order::without_forgotten;
use crate::record::MirrorRecord;
use crate::run::on;
use crate::working_set::{Decided, DirtyMark, ShopSet, for_each};

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
    pub wrong: DriftKind,
    /// Since when, by Shopify's time; `None` when that cannot be told.
    pub since: Option<Timestamp>,
    /// When it was found.
    pub found: Timestamp,
}

/// How a record was not as it is at Shopify.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "wrong", content = "fields", rename_all = "snake_case")]
pub enum DriftKind {
    /// These fields were otherwise: as they were here, and as they are at Shopify.
    Differs(BTreeMap<String, (Value, Value)>),
    /// It was here and is no longer at Shopify.
    Gone,
    /// It was at Shopify and not here.
    Missing,
}

impl DriftKind {
    /// How two states of a record differ.
    pub(crate) fn between<R: Serialize>(held: Option<&R>, said: &R) -> Decided<Self> {
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

/// A page of a dry run: what would be put right is noted, and nothing is. What of it counts as drift is what would count in a
/// run that is not dry: what webhooks had time to bring, and is not about to be read anyway.
pub(crate) fn compare(
    set: &mut ShopSet<'_>,
    mut record: RunRecord,
    batch: &Batch,
) -> Decided<Outcome> {
    let Cause::Run { run, progress } = &batch.cause else {
        return Ok(Outcome::default());
    };
    let (mut found, mut drifted) = (0, 0);
    let check = DriftCheck::of(&record);
    let window = Window {
        end: progress.until.or(record.until),
        now: batch.at,
    };
    for_each(&batch.changes, |change| {
        if let Some((record, wrong, since)) = difference(set, change, window)? {
            found += 1;
            let is_late = match (&check, since) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(check), Some(since)) => since <= check.covered(),
            };
            let is_read_anyway = match read_with(change) {
                Some(key) => set.has::<DirtyMark>(key)?,
                None => false,
            };
            drifted += u64::from(is_late && !is_read_anyway);
            set.add_drift(Drifted {
                run_id: run.clone(),
                record,
                wrong,
                since,
                found: batch.at,
            });
        }
        Ok(())
    })?;
    record.run.changed += found;
    record.run.drift += drifted;
    set.put(run.clone(), on(record, progress));
    Ok(Outcome {
        fresh: true,
        changed: found,
        ..Outcome::default()
    })
}

/// The record by whose reading a change is put right; `None` for what no run says.
fn read_with(change: &Change) -> Option<RecordKey> {
    Some(match change {
        Change::Customer(said) => RecordKey::Customer(said.id),
        Change::Gone(key) | Change::LookAgain(key) => *key,
        Change::Item(said) => RecordKey::Item(said.id),
        Change::Level(said) => RecordKey::Level(said.inventory_item_id, said.location_id),
        Change::Location(said) => RecordKey::Location(said.id),
        Change::Order(said) => RecordKey::Order(said.id),
        Change::Product { product, .. } => RecordKey::Product(product.id),
        Change::Variant(said) => RecordKey::Product(said.product_id),
        Change::LevelAvailable { .. } | Change::Redacted(_) | Change::Transfer(_) => return None,
    })
}

type Difference = (String, DriftKind, Option<Timestamp>);

/// How the mirror differs from what is said; `None` where it does not, or may hold something newer.
fn difference(set: &ShopSet<'_>, change: &Change, window: Window) -> Decided<Option<Difference>> {
    fn of<R: MirrorRecord>(
        set: &ShopSet<'_>,
        said: &R,
        window: Window,
    ) -> Decided<Option<Difference>> {
        let held = set.find::<R>(said.id())?;
        let (here, there) = (held.as_ref().map(MirrorRecord::said), said.said());
        let newer = held.as_ref().is_some_and(|held| {
            held.updated_at() > said.updated_at() && !window.rules_out(held.updated_at())
        });
        let wrong = DriftKind::between(here, there)?;
        let same = matches!(&wrong, DriftKind::Differs(fields) if fields.is_empty());
        Ok((!newer && !same).then(|| (said.name(), wrong, Some(said.updated_at()))))
    }
    match change {
        Change::Customer(said) if set.stays_forgotten(said.id, said.updated_at)? => Ok(None),
        Change::Customer(said) => of(set, said, window),
        Change::Item(said) => of(set, said, window),
        Change::Level(said) => of(set, &HeldLevel::new(said.clone()), window),
        Change::Location(said) => of(set, said, window),
        Change::Order(said) => of(set, &without_forgotten(set, said)?, window),
        Change::Product { product, .. } => of(set, product, window),
        Change::Variant(said) => of(set, said, window),
        Change::Gone(key) | Change::LookAgain(key) => {
            Ok(Some((key.to_string(), DriftKind::Gone, None)))
        }
        Change::LevelAvailable { .. } | Change::Redacted(_) | Change::Transfer(_) => Ok(None),
    }
}
