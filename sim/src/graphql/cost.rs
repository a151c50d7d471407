//! What a query costs.
//!
//! Scalars are free, an object is one point, a mutation ten: <https://shopify.dev/docs/api/usage/limits>, 2026-10.
//! What else there is was found by fitting the costs of dozens of calls recorded on a real shop, and Shopify does not
//! publish it: a connection costs 2 and, `2·ln(first)` times in whole numbers, what one of its records costs; a list
//! costs 1 and its dearest member; what stands directly in the payload of a mutation costs nothing itself.

use apollo_compiler::Name;
use apollo_compiler::executable::Field;
use serde_json::{Map, Value};

use super::plan::{Planned, Selection};

const MUTATION: f64 = 10.0;
/// `productsCount` and the like, as recorded.
const COUNT: f64 = 10.0;
const CONNECTION: f64 = 2.0;

/// How a field's cost follows from that of what it holds.
#[derive(Clone, Copy)]
pub(crate) enum Cost {
    /// So much and what the fields of the object cost; nothing for scalars.
    Object(f64),
    /// By the number of records asked for.
    Connection(f64),
    /// The records of a connection.
    Records,
    /// A list that is not a connection: one, and its dearest member.
    List,
    /// What a mutation shows: only what lies deeper.
    Free,
    /// Each of so many objects asked for by id.
    Each(f64),
}

impl Cost {
    pub(crate) fn of(on: &Name, field: &Field, arguments: &Map<String, Value>) -> Self {
        let ty = &field.definition.ty;
        let returned = ty.inner_named_type().as_str();
        let leaf = field.selection_set.selections.is_empty();
        match (on.as_str(), field.name.as_str()) {
            _ if leaf || returned == "PageInfo" => Self::Object(0.0),
            // An edge is only a wrapper: its node is what `Records` counts.
            (on, "node") if on.ends_with("Edge") => Self::Object(0.0),
            (payload, _) if payload.ends_with("Payload") => Self::Free,
            ("Mutation", _) => Self::Object(MUTATION),
            ("QueryRoot", name) if name.ends_with("Count") => Self::Object(COUNT),
            ("QueryRoot", "nodes") => Self::Each(
                arguments
                    .get("ids")
                    .and_then(Value::as_array)
                    .map_or(1.0, |ids| count(ids.len())),
            ),
            (on, "nodes" | "edges") if on.ends_with("Connection") => Self::Records,
            _ if returned.ends_with("Connection") => {
                let size = arguments
                    .get("first")
                    .or_else(|| arguments.get("last"))
                    .and_then(Value::as_u64);
                Self::Connection(count(
                    usize::try_from(size.unwrap_or(0)).unwrap_or(usize::MAX),
                ))
            }
            _ if ty.is_list() => Self::List,
            _ => Self::Object(1.0),
        }
    }

    /// The cost of the field, where `fields` is what the object in it costs, or the sum over what was returned.
    pub(crate) fn requested(self, fields: f64) -> f64 {
        match self {
            Self::Object(own) => own + fields,
            Self::Connection(size) => CONNECTION + weight(size) * fields,
            Self::Records | Self::List => 1.0 + fields,
            Self::Free => fields,
            Self::Each(number) => number * (1.0 + fields),
        }
    }

    /// The same after the fact: what was returned takes the place of what was asked for.
    pub(crate) fn actual(self, members: &[f64]) -> f64 {
        let sum: f64 = members.iter().sum();
        match self {
            Self::Object(own) => own + sum,
            // The records were weighed below.
            Self::Connection(_) => CONNECTION + sum,
            Self::Records if members.is_empty() => 0.0,
            Self::Records => weight(count(members.len())) * (1.0 + sum / count(members.len())),
            Self::List => 1.0 + members.iter().copied().fold(0.0, f64::max),
            Self::Free => sum,
            Self::Each(_) => count(members.len()) + sum,
        }
    }
}

/// How many times a connection of that size pays for a record.
fn weight(size: f64) -> f64 {
    (2.0 * size.ln()).floor().max(1.0)
}

#[expect(clippy::cast_precision_loss, reason = "list sizes are far below 2^52")]
fn count(size: usize) -> f64 {
    size as f64
}

/// What an operation reserves before it runs.
pub(crate) fn requested(operation: &Selection) -> u32 {
    points(fields(operation))
}

/// Whole points, at least one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "casts saturate, and costs are positive"
)]
pub(crate) fn points(cost: f64) -> u32 {
    // What the logarithm leaves below a whole number is rounding error.
    ((cost + 1e-6) as u32).max(1)
}

fn fields(selection: &Selection) -> f64 {
    let costs = selection.fields.iter().map(field);
    // `nodes` and `edges` of a connection are the same records.
    if selection.on.ends_with("Connection") {
        costs.fold(0.0, f64::max)
    } else {
        costs.sum()
    }
}

fn field(field: &Planned) -> f64 {
    field
        .cost
        .requested(field.of.iter().map(fields).fold(0.0, f64::max))
}
