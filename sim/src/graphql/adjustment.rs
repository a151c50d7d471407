//! `inventorySetQuantities`, `inventoryAdjustQuantities`, `inventoryMoveQuantities`: their input, read and checked as
//! recorded on a real shop with API 2026-04, and their result.
//!
//! What needs no look at quantities is checked here; the rest is [`SimStore::write`]'s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::mutation::{Made, MutationEffect, MutationPayload, UserError};
use super::object::{FieldRequest, Object, Resolved};
use super::plan::Planned;
use super::problem::{MAX_INPUTS, QueryProblem};
use super::root::id_of;
use crate::adjustment::{AdjustmentEntry, AdjustmentFault, AdjustmentStep, Group, QuantityChange};
use crate::store::SimStore;

const REASONS: [&str; 17] = [
    "correction",
    "cycle_count_available",
    "damaged",
    "movement_canceled",
    "movement_created",
    "movement_received",
    "movement_updated",
    "other",
    "promotion",
    "quality_control",
    "received",
    "reservation_created",
    "reservation_deleted",
    "reservation_updated",
    "restock",
    "safety_stock",
    "shrinkage",
];
const SETTABLE: [&str; 2] = ["available", "on_hand"];
const ADJUSTABLE: [&str; 6] = [
    "available",
    "damaged",
    "incoming",
    "quality_control",
    "reserved",
    "safety_stock",
];
/// What one entry may set, and by how much one may change: from the schema's error codes, 2026-10.
const MAX_SET: i64 = 1_000_000_000;
const MAX_DELTA: i64 = 2_000_000_000;

/// Which of the four mutations it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Set,
    /// The old way to set what is on hand, and nothing else.
    SetOnHand,
    Adjust,
    Move,
}

impl Kind {
    pub(crate) fn of(field: &Planned) -> Option<Self> {
        Some(match field.name.as_str() {
            "inventorySetQuantities" => Self::Set,
            "inventorySetOnHandQuantities" => Self::SetOnHand,
            "inventoryAdjustQuantities" => Self::Adjust,
            "inventoryMoveQuantities" => Self::Move,
            _ => return None,
        })
    }

    /// What fails the whole field, before any idempotency key is used.
    pub(crate) fn check(self, field: &Planned) -> Result<(), QueryProblem> {
        let rows = self.rows(input(field));
        if rows.len() > MAX_INPUTS {
            return Err(QueryProblem::too_many(rows.len()));
        }
        let kept = |side: &&str| {
            rows.iter()
                .all(|row| at(row, side).get("changeFromQuantity").is_some())
        };
        if self.sides().iter().all(kept) {
            return Ok(());
        }
        let on = match self {
            Self::Set => "InventoryQuantityInput",
            Self::SetOnHand => "InventorySetQuantityInput",
            Self::Adjust => "InventoryChangeInput",
            Self::Move => "InventoryMoveQuantityTerminalInput",
        };
        let message = format!("{on} must include the following argument: changeFromQuantity.");
        Err(QueryProblem::new("INVALID_FIELD_ARGUMENTS", message))
    }

    fn sets(self) -> bool {
        matches!(self, Self::Set | Self::SetOnHand)
    }

    /// The name of the list of entries.
    fn list(self) -> &'static str {
        match self {
            Self::Set => "quantities",
            Self::SetOnHand => "setQuantities",
            Self::Adjust | Self::Move => "changes",
        }
    }

    fn rows(self, input: &Value) -> &[Value] {
        match &input[self.list()] {
            Value::Array(rows) => rows,
            // A list of one may be written without brackets.
            Value::Null => &[],
            row => std::slice::from_ref(row),
        }
    }

    /// The names of the quantities it may write.
    fn names(self) -> &'static [&'static str] {
        if self.sets() { &SETTABLE } else { &ADJUSTABLE }
    }

    /// Where in an entry its quantities are named: the two ends of a move, or the entry itself.
    fn sides(self) -> &'static [&'static str] {
        if self == Self::Move {
            &["from", "to"]
        } else {
            &[""]
        }
    }

    /// The field of an entry that says how much.
    fn amount(self) -> &'static str {
        if self == Self::Adjust {
            "delta"
        } else {
            "quantity"
        }
    }

    /// What a side of an entry with that amount wants.
    fn change(self, side: &str, amount: i64) -> QuantityChange {
        match (self, side) {
            (Self::Set | Self::SetOnHand, _) => QuantityChange::To(amount),
            (Self::Move, "from") => QuantityChange::MoveOut(amount),
            _ => QuantityChange::By(amount),
        }
    }
}

fn input(field: &Planned) -> &Value {
    field.arguments.get("input").unwrap_or(&Value::Null)
}

fn at<'a>(row: &'a Value, side: &str) -> &'a Value {
    if side.is_empty() { row } else { &row[side] }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

pub(crate) fn write(
    store: &mut SimStore,
    kind: Kind,
    field: &Planned,
    now: Timestamp,
) -> MutationPayload {
    let input = input(field);
    let mut reading = InputReader {
        store,
        kind,
        errors: Vec::new(),
    };
    let entries = reading.entries(input);
    let mut errors = reading.errors;
    if !errors.is_empty() {
        return MutationPayload::refused(errors);
    }
    let reference = input["referenceDocumentUri"].as_str().map(str::to_owned);
    let (group, faults) = store.write(text(input, "reason").to_owned(), reference, &entries, now);
    for (number, step, fault) in faults {
        let side = kind.sides().get(step).copied().unwrap_or_default();
        errors.push(told(kind, number, side, fault));
    }
    match group {
        Some(group) => MutationPayload {
            made: Made::Group(Arc::new(group)),
            errors,
            effect: MutationEffect::Applied,
        },
        None => MutationPayload::refused(errors),
    }
}

/// A fault in the API's words. Those of a quantity too low in a move are a guess: no code fits well.
fn told(kind: Kind, number: usize, side: &str, fault: AdjustmentFault) -> UserError {
    let (code, field, message) = match fault {
        AdjustmentFault::Stale => (
            "CHANGE_FROM_QUANTITY_STALE",
            "changeFromQuantity",
            "The changeFromQuantity value is not what is stored.",
        ),
        AdjustmentFault::TooHigh => (
            "INVALID_QUANTITY_TOO_HIGH",
            kind.amount(),
            "The quantity would be higher than 1,000,000,000.",
        ),
        AdjustmentFault::TooLow if kind == Kind::Move => (
            "INVALID_QUANTITY_NEGATIVE",
            kind.amount(),
            "The quantity can't be negative.",
        ),
        AdjustmentFault::TooLow => (
            "INVALID_QUANTITY_TOO_LOW",
            kind.amount(),
            "The quantity would be lower than -1,000,000,000.",
        ),
    };
    // How much is moved is said once for both ends.
    let side = if field == "quantity" { "" } else { side };
    UserError::new(code, path(kind, number, &[side, field]), message)
}

/// Where in the input: `["input", "changes", "0", "from", "name"]`.
fn path(kind: Kind, number: usize, rest: &[&str]) -> Vec<String> {
    let number = number.to_string();
    let start = ["input", kind.list(), &number];
    let rest = rest.iter().copied().filter(|part| !part.is_empty());
    start.into_iter().chain(rest).map(str::to_owned).collect()
}

/// The input being read.
struct InputReader<'a> {
    store: &'a SimStore,
    kind: Kind,
    errors: Vec<UserError>,
}

impl InputReader<'_> {
    fn wrong(&mut self, code: &'static str, path: Vec<String>, message: impl Into<String>) {
        self.errors.push(UserError::new(code, path, message));
    }

    /// Everything that is wanted; worth nothing if there are errors.
    fn entries(&mut self, input: &Value) -> Vec<AdjustmentEntry> {
        let on_input = |field: &str| vec!["input".to_owned(), field.to_owned()];
        if !REASONS.contains(&text(input, "reason")) {
            let valid = REASONS.join(", ");
            let message = format!("The specified reason is invalid. Valid values are: {valid}.");
            self.wrong("INVALID_REASON", on_input("reason"), message);
        }
        if input["referenceDocumentUri"]
            .as_str()
            .is_some_and(|uri| !is_uri(uri))
        {
            let message = "The specified reference document is invalid.";
            self.wrong(
                "INVALID_REFERENCE_DOCUMENT",
                on_input("referenceDocumentUri"),
                message,
            );
        }
        // A move names its quantities in the entries.
        let named = match self.kind {
            Kind::Move => None,
            Kind::SetOnHand => Some("on_hand"),
            Kind::Set | Kind::Adjust => self.name(text(input, "name"), on_input("name")),
        };
        let mut entries = Vec::new();
        let (mut levels, mut documents) = (BTreeMap::<_, Vec<usize>>::new(), BTreeSet::new());
        for (number, row) in self.kind.rows(input).iter().enumerate() {
            let Some(entry) = self.entry(number, row, named) else {
                continue;
            };
            levels
                .entry((entry.item, entry.location))
                .or_default()
                .push(number);
            documents.extend(entry.steps.iter().filter_map(|step| step.document.clone()));
            entries.push(entry);
        }
        // The codes of the others have none for it.
        if self.kind == Kind::Set || self.store.switches.duplicate_pairs_refused {
            let twice: BTreeSet<usize> = levels
                .into_values()
                .filter(|entries| entries.len() > 1)
                .flatten()
                .collect();
            for number in twice {
                let message = "The combination of inventoryItemId and locationId must be unique.";
                let code = "NO_DUPLICATE_INVENTORY_ITEM_ID_GROUP_ID_PAIR";
                self.wrong(code, path(self.kind, number, &["locationId"]), message);
            }
        }
        if self.kind == Kind::Adjust && documents.len() > 1 {
            let message = "All changes must have the same ledger document URI or, in the case of adjusting \
                           available, no ledger document URI.";
            self.wrong("MAX_ONE_LEDGER_DOCUMENT", on_input("changes"), message);
        }
        if self.kind == Kind::Move && documents.len() > 2 {
            let message = "The changes together may have at most two ledger document URIs.";
            self.wrong("MAXIMUM_LEDGER_DOCUMENT_URIS", on_input("changes"), message);
        }
        entries
    }

    /// The name, if it is one of those that may be written.
    fn name(&mut self, name: &str, path: Vec<String>) -> Option<&'static str> {
        let names = self.kind.names();
        let known = names.iter().find(|known| **known == name).copied();
        if known.is_none() {
            let code = if self.kind.sets() {
                "INVALID_NAME"
            } else {
                "INVALID_QUANTITY_NAME"
            };
            let valid = names.join(", ");
            let message =
                format!("The specified quantity name is invalid. Valid values are: {valid}.");
            self.wrong(code, path, message);
        }
        known
    }

    fn entry(
        &mut self,
        number: usize,
        row: &Value,
        named: Option<&'static str>,
    ) -> Option<AdjustmentEntry> {
        let kind = self.kind;
        let found = id_of(text(row, "inventoryItemId"), "InventoryItem");
        let item = found.filter(|id| self.store.items.find(*id).is_some());
        if item.is_none() {
            let message = "The specified inventory item could not be found.";
            self.wrong(
                "INVALID_INVENTORY_ITEM",
                path(kind, number, &["inventoryItemId"]),
                message,
            );
        }
        let item = item.filter(|id| !self.store.is_bundle(*id));
        if item.is_none() && found.is_some_and(|id| self.store.is_bundle(id)) {
            let message = "The inventory item is a bundle and has no quantities of its own.";
            self.wrong(
                "NON_MUTABLE_INVENTORY_ITEM",
                path(kind, number, &["inventoryItemId"]),
                message,
            );
        }
        let amount = row[kind.amount()].as_i64().unwrap_or_default();
        self.check_amount(number, amount, named);
        let (mut locations, mut steps) = (Vec::new(), Vec::new());
        for side in kind.sides() {
            let end = at(row, side);
            let found = id_of(text(end, "locationId"), "Location");
            if let Some(location) = found.filter(|id| self.store.locations.find(*id).is_some()) {
                locations.push(location);
            } else {
                let message = "The specified location could not be found.";
                self.wrong(
                    "INVALID_LOCATION",
                    path(kind, number, &[side, "locationId"]),
                    message,
                );
            }
            let name = match kind {
                Kind::Move => self.name(text(end, "name"), path(kind, number, &[side, "name"])),
                _ => named,
            };
            let Some(name) = name else { continue };
            let document = end["ledgerDocumentUri"].as_str();
            if !kind.sets() {
                self.check_document(
                    name,
                    document,
                    path(kind, number, &[side, "ledgerDocumentUri"]),
                );
            }
            steps.push(AdjustmentStep {
                name,
                change: kind.change(side, amount),
                expected: end["changeFromQuantity"].as_i64(),
                document: document.map(Arc::from),
            });
        }
        if let [from, to] = locations[..]
            && from != to
        {
            let message = "Quantities can only be moved within a location.";
            self.wrong("DIFFERENT_LOCATIONS", path(kind, number, &[]), message);
        }
        if let [from, to] = &steps[..]
            && from.name == to.name
        {
            let message = "A quantity can't be moved to itself.";
            self.wrong("SAME_QUANTITY_NAME", path(kind, number, &[]), message);
        }
        Some(AdjustmentEntry {
            item: item?,
            location: *locations.first()?,
            steps,
        })
    }

    fn check_amount(&mut self, number: usize, amount: i64, named: Option<&str>) {
        let most = if self.kind.sets() { MAX_SET } else { MAX_DELTA };
        let counted = self.kind == Kind::Move || named == Some("on_hand");
        let path = || path(self.kind, number, &[self.kind.amount()]);
        if counted && amount < 0 {
            self.wrong(
                "INVALID_QUANTITY_NEGATIVE",
                path(),
                "The quantity can't be negative.",
            );
        } else if amount > most {
            let message = format!("The quantity can't be higher than {}.", billions(most));
            self.wrong("INVALID_QUANTITY_TOO_HIGH", path(), message);
        } else if amount < -most {
            let message = format!("The quantity can't be lower than -{}.", billions(most));
            self.wrong("INVALID_QUANTITY_TOO_LOW", path(), message);
        }
    }

    fn check_document(&mut self, name: &str, document: Option<&str>, path: Vec<String>) {
        let (code, message) = match (name, document) {
            ("available", None) => return,
            ("available", Some(_)) => (
                "INVALID_AVAILABLE_DOCUMENT",
                "A ledger document URI is not allowed when adjusting available.",
            ),
            (_, None) => (
                "INVALID_QUANTITY_DOCUMENT",
                "A ledger document URI is required except when adjusting available.",
            ),
            (_, Some(uri)) if uri.starts_with("gid://shopify/") => (
                "INTERNAL_LEDGER_DOCUMENT",
                "Internal (gid://shopify/) ledger documents are not allowed to be adjusted via API.",
            ),
            (_, Some(uri)) if is_uri(uri) => return,
            _ => (
                "INVALID_LEDGER_DOCUMENT",
                "The specified ledger document is invalid.",
            ),
        };
        self.wrong(code, path, message);
    }
}

/// Whether there is a scheme and something after it.
fn is_uri(text: &str) -> bool {
    let Some((scheme, content)) = text.split_once(':') else {
        return false;
    };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
        && !content.trim_matches(['/', ' ']).is_empty()
}

fn billions(units: i64) -> String {
    format!("{},000,000,000", units / 1_000_000_000)
}

pub(crate) fn group<'a>(
    group: &Arc<Group>,
    asked: &FieldRequest<'_>,
) -> Result<Resolved<'a>, QueryProblem> {
    Ok(match asked.name() {
        "id" => format!("gid://shopify/InventoryAdjustmentGroup/{}", group.id).into(),
        "reason" => group.reason.clone().into(),
        "referenceDocumentUri" => group.reference.clone().into(),
        "createdAt" => group.created_at.into(),
        "changes" => {
            let ids = |argument, kind| -> Vec<Option<u64>> {
                asked
                    .field
                    .texts(argument)
                    .into_iter()
                    .map(|gid| id_of(gid, kind))
                    .collect()
            };
            let items = ids("inventoryItemIds", "InventoryItem");
            let (places, names) = (
                ids("locationIds", "Location"),
                asked.field.texts("quantityNames"),
            );
            let wanted = |index: &usize| {
                let change = &group.changed[*index];
                (items.is_empty() || items.contains(&Some(change.item)))
                    && (places.is_empty() || places.contains(&Some(change.location)))
                    && (names.is_empty() || names.contains(&change.name))
            };
            let changed = (0..group.changed.len()).filter(wanted);
            changed
                .map(|index| Object::Changed(group.clone(), index))
                .collect::<Vec<_>>()
                .into()
        }
        _ => return asked.unanswered(),
    })
}

pub(crate) fn changed<'a>(
    store: &'a SimStore,
    group: &Group,
    index: usize,
    asked: &FieldRequest<'_>,
) -> Result<Resolved<'a>, QueryProblem> {
    let change = &group.changed[index];
    Ok(match asked.name() {
        "name" => change.name.into(),
        "delta" => change.delta.into(),
        // The real one never says.
        "quantityAfterChange" => Resolved::Null,
        "ledgerDocumentUri" => change.document.as_deref().map(str::to_owned).into(),
        "item" => store.items.find(change.item).map(Object::Item).into(),
        "location" => store
            .locations
            .find(change.location)
            .map(Object::Location)
            .into(),
        _ => return asked.unanswered(),
    })
}
