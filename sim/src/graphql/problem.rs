//! Errors in the shape Shopify gives them: a message, where, and a code under `extensions`.

use apollo_compiler::parser::LineColumn;
use apollo_compiler::response::GraphQLError;
use apollo_compiler::validation::DiagnosticList;
use serde_json::{Map, Value, json};

use crate::bucket::MAX_QUERY_COST;

/// The most entries a list of an argument may have: <https://shopify.dev/docs/api/usage/limits>, 2026-10.
pub(crate) const MAX_INPUTS: usize = 250;

pub(crate) struct Problem {
    pub(crate) code: String,
    message: String,
    locations: Vec<LineColumn>,
    path: Vec<Value>,
    extensions: Map<String, Value>,
}

impl Problem {
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
        Self::new("THROTTLED", "Throttled").with("documentation", "https://shopify.dev/api/usage/rate-limits")
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
        let message =
            format!("The input array size of {size} is greater than the maximum allowed of {MAX_INPUTS}.");
        Self::new("MAX_INPUT_SIZE_EXCEEDED", message)
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut error = Map::from_iter([("message".to_owned(), json!(self.message))]);
        if !self.locations.is_empty() {
            let places = self.locations.iter().map(|at| json!({ "line": at.line, "column": at.column }));
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
pub(crate) fn of_syntax(errors: &DiagnosticList) -> Vec<Problem> {
    let problem = |error: GraphQLError| Problem::new("parseError", error.message).at(error.locations);
    errors.iter().map(|diagnostic| problem(diagnostic.to_json())).collect()
}

/// What is wrong with a document. An unknown field gets Shopify's own words; the rest keep the validator's.
pub(crate) fn of_validation(errors: &DiagnosticList) -> Vec<Problem> {
    let mut problems: Vec<Problem> = errors.iter().map(|diagnostic| one(diagnostic.to_json())).collect();
    // An object is then also left without fields, which says nothing new.
    if problems.iter().any(|problem| problem.code == UNDEFINED_FIELD) {
        problems.retain(|problem| problem.code == UNDEFINED_FIELD);
    }
    problems
}

const UNDEFINED_FIELD: &str = "undefinedField";

fn one(error: GraphQLError) -> Problem {
    let words: Vec<&str> = error.message.split('`').collect();
    let problem = match words[..] {
        ["type ", on, " does not have a field ", field, ""] => {
            let message = format!("Field '{field}' doesn't exist on type '{on}'");
            Problem::new(UNDEFINED_FIELD, message).with("typeName", on).with("fieldName", field)
        }
        _ => Problem::new("invalidDocument", &*error.message),
    };
    problem.at(error.locations)
}
