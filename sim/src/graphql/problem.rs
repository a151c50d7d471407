//! Errors in the shape Shopify gives them: a message, where, and a code under `extensions`.

use apollo_compiler::parser::LineColumn;
use apollo_compiler::response::GraphQLError;
use apollo_compiler::validation::DiagnosticList;
use serde_json::{Map, Value, json};

use crate::bucket::MAX_QUERY_COST;

/// The most entries a list of an argument may have: <https://shopify.dev/docs/api/usage/limits>, 2026-10.
pub(crate) const MAX_INPUTS: usize = 250;

pub(crate) struct QueryProblem {
    pub(crate) code: String,
    message: String,
    locations: Vec<LineColumn>,
    path: Vec<Value>,
    extensions: Map<String, Value>,
}

impl QueryProblem {
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            locations: Vec::new(),
            path: Vec::new(),
            extensions: Map::new(),
        }
    }

    pub(crate) fn at(mut self, locations: impl IntoIterator<Item = LineColumn>) -> Self {
        self.locations.extend(locations);
        self
    }

    pub(crate) fn on(mut self, path: Vec<Value>) -> Self {
        self.path = path;
        self
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Whether it already says where it happened.
    pub(crate) fn placed(&self) -> bool {
        !self.path.is_empty()
    }

    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.extensions.insert(key.to_owned(), value.into());
        self
    }

    pub(crate) fn throttled() -> Self {
        Self::new("THROTTLED", "Throttled")
            .with("documentation", "https://shopify.dev/api/usage/rate-limits")
    }

    pub(crate) fn too_expensive(cost: u32) -> Self {
        let message = format!(
            "Query cost is {cost}, which exceeds the single query max cost limit ({MAX_QUERY_COST})."
        );
        Self::new("MAX_COST_EXCEEDED", message)
            .with("cost", cost)
            .with("maxCost", MAX_QUERY_COST)
            .with("documentation", "https://shopify.dev/api/usage/rate-limits")
    }

    /// More entries in a list of an argument than [`MAX_INPUTS`].
    pub(crate) fn too_many(size: usize) -> Self {
        let message = format!(
            "The input array size of {size} is greater than the maximum allowed of {MAX_INPUTS}."
        );
        Self::new("MAX_INPUT_SIZE_EXCEEDED", message)
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut error = Map::from_iter([("message".to_owned(), json!(self.message))]);
        if !self.locations.is_empty() {
            let places = self
                .locations
                .iter()
                .map(|at| json!({ "line": at.line, "column": at.column }));
            error.insert("locations".to_owned(), places.collect());
        }
        if !self.path.is_empty() {
            error.insert("path".to_owned(), json!(self.path));
        }
        let mut extensions = self.extensions.clone();
        extensions.insert("code".to_owned(), json!(self.code));
        error.insert("extensions".to_owned(), Value::Object(extensions));
        Value::Object(error)
    }
}

/// What keeps a document from being read.
pub(crate) fn of_syntax(errors: &DiagnosticList) -> Vec<QueryProblem> {
    let problem =
        |error: GraphQLError| QueryProblem::new("parseError", error.message).at(error.locations);
    errors
        .iter()
        .map(|diagnostic| problem(diagnostic.to_json()))
        .collect()
}

/// What is wrong with a document. An unknown field gets Shopify's own words, and what only the pretend store lacks says
/// so; the rest keep the validator's.
pub(crate) fn of_validation(errors: &DiagnosticList) -> Vec<QueryProblem> {
    let mut problems: Vec<QueryProblem> = errors
        .iter()
        .map(|diagnostic| one(diagnostic.to_json()))
        .collect();
    // An object is then also left without fields, which says nothing new.
    let absent = |problem: &QueryProblem| {
        [UNDEFINED_FIELD, NOT_IMPLEMENTED].contains(&problem.code.as_str())
    };
    if problems.iter().any(absent) {
        problems.retain(absent);
    }
    problems
}

const UNDEFINED_FIELD: &str = "undefinedField";
const NOT_IMPLEMENTED: &str = "NOT_IMPLEMENTED";

fn one(error: GraphQLError) -> QueryProblem {
    let words: Vec<&str> = error.message.split('`').collect();
    let problem = match words[..] {
        ["type ", on, " does not have a field ", field, ""] => {
            let problem = if left_out(on).any(|name| name == field) {
                let message = format!(
                    "The pretend store has no field '{field}' on type '{on}'; Shopify has it"
                );
                QueryProblem::new(NOT_IMPLEMENTED, message)
            } else {
                QueryProblem::new(
                    UNDEFINED_FIELD,
                    format!("Field '{field}' doesn't exist on type '{on}'"),
                )
            };
            problem.with("typeName", on).with("fieldName", field)
        }
        ["cannot find type " | "type condition ", name, ..] if is_left_out(name) => {
            let message = format!("The pretend store has no type '{name}'; Shopify has it");
            QueryProblem::new(NOT_IMPLEMENTED, message).with("typeName", name)
        }
        _ => QueryProblem::new("invalidDocument", &*error.message),
    };
    problem.at(error.locations)
}

/// What Shopify's schema has besides: a line for each type, with the fields that are missing where others are not.
const LEFT_OUT: &str = include_str!("../../../graphql/left-out-2026-10.txt");

/// The fields that Shopify knows of a type, and the pretend store does not.
fn left_out(on: &str) -> impl Iterator<Item = &'static str> {
    let fields = LEFT_OUT
        .lines()
        .find_map(|line| line.strip_prefix(on)?.strip_prefix(": "));
    fields.into_iter().flat_map(str::split_whitespace)
}

fn is_left_out(type_name: &str) -> bool {
    LEFT_OUT.lines().any(|line| line == type_name)
}
