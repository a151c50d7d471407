//! The query inside a bulk operation: what it may be, and the plan it is read by.
//!
//! <https://shopify.dev/docs/api/usage/bulk-operations/queries>, 2026-10; the rules are those a real shop was seen to
//! apply, the words are not.

use apollo_compiler::ast::Definition;
use apollo_compiler::executable::OperationType;
use apollo_compiler::parser::Parser;
use apollo_compiler::response::JsonMap;
use serde_json::Value;

use crate::graphql::plan::{Planned, Planner, Selection};
use crate::graphql::{Api, MAX_DEPTH, problem};

/// Bytes that the query of a bulk operation may have.
const MAX_BYTES: usize = 65_535;
const MAX_CONNECTIONS: usize = 5;
/// How deep connections may nest.
const MAX_NESTING: usize = 2;

/// A query that may be run in bulk.
pub(crate) struct Inner {
    pub(super) selection: Selection,
    /// The way to each outermost connection: the number of the field at each step.
    pub(super) roots: Vec<Vec<usize>>,
}

impl Api {
    /// Plans a query to be run in bulk, or says all that is wrong with it.
    pub(crate) fn inner(&self, query: &str) -> Result<Inner, Vec<String>> {
        if query.len() > MAX_BYTES {
            return Err(vec![format!("A bulk query has at most {MAX_BYTES} bytes.")]);
        }
        let wrong = |problems: Vec<problem::QueryProblem>| -> Vec<String> {
            // The first says enough: a broken document has many.
            let first = problems.iter().take(1);
            first
                .map(|problem| format!("The bulk query is invalid: {}", problem.message()))
                .collect()
        };
        let document = Parser::new()
            .recursion_limit(MAX_DEPTH)
            .parse_ast(query, "query");
        let document = document.map_err(|broken| wrong(problem::of_syntax(&broken.errors)))?;
        let changes = |definition: &Definition| match definition {
            Definition::OperationDefinition(operation) => {
                operation.operation_type != OperationType::Query
            }
            _ => false,
        };
        if document.definitions.iter().any(changes) {
            return Err(vec![
                "Only an operation of type `query` can be run as a bulk query.".to_owned(),
            ]);
        }
        let document = document.to_executable_validate(&self.schema);
        let document = document.map_err(|broken| wrong(problem::of_validation(&broken.errors)))?;
        let operation = document.operations.get(None).map_err(|_| {
            vec!["The bulk query is invalid: it must hold one operation.".to_owned()]
        })?;
        let planned = Planner::new(
            self,
            &document,
            &JsonMap::new(),
            &Value::Null,
            JsonMap::new(),
        )
        .plan(operation);
        let selection = planned.map_err(|problem| wrong(vec![problem]))?;
        let mut check = Check::default();
        check.walk(&selection, 0, false, None);
        let errors = check.errors(&selection);
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut roots = Vec::new();
        outermost(&selection, &mut Vec::new(), &mut roots);
        Ok(Inner { selection, roots })
    }
}

/// What is looked for in a query.
#[derive(Default)]
struct Check {
    connections: usize,
    nesting: usize,
    within_list: bool,
    /// Connections that ask for `nodes`.
    by_nodes: Vec<String>,
    /// Connections with others in them whose nodes do not select their id.
    without_id: Vec<String>,
}

impl Check {
    /// Walks what lies in `depth` connections; `around` is the innermost of them and whether its node has its id.
    fn walk(
        &mut self,
        selection: &Selection,
        depth: usize,
        in_list: bool,
        around: Option<(&Planned, bool)>,
    ) {
        for field in &selection.fields {
            if !field.is_connection() {
                for inside in &field.of {
                    self.walk(inside, depth, in_list || field.ty.is_list(), around);
                }
                continue;
            }
            self.connections += 1;
            self.nesting = self.nesting.max(depth + 1);
            self.within_list |= in_list;
            if let Some((parent, false)) = around {
                note(&mut self.without_id, parent);
            }
            if field
                .of
                .iter()
                .flat_map(|page| &page.fields)
                .any(|part| part.name == "nodes")
            {
                note(&mut self.by_nodes, field);
            }
            for node in nodes(field).flat_map(|node| &node.of) {
                let has_id = node.fields.iter().any(Planned::is_id);
                self.walk(node, depth + 1, false, Some((field, has_id)));
            }
        }
    }

    fn errors(self, query: &Selection) -> Vec<String> {
        let mut errors = Vec::new();
        for field in query
            .fields
            .iter()
            .filter(|field| field.name == "node" || field.name == "nodes")
        {
            errors.push(format!(
                "A bulk query has no `{}` at its top level.",
                field.name
            ));
        }
        if self.connections == 0 {
            errors.push("A bulk query needs a connection.".to_owned());
        }
        if self.connections > MAX_CONNECTIONS {
            errors.push(format!(
                "A bulk query has at most {MAX_CONNECTIONS} connections."
            ));
        }
        if self.nesting > MAX_NESTING {
            errors.push(format!(
                "Connections of a bulk query nest at most {MAX_NESTING} deep."
            ));
        }
        if let Some(first) = self.by_nodes.first() {
            let names = self.by_nodes.join(", ");
            errors.push(format!(
                "Connections of a bulk query are read by `{first} {{ edges {{ node {{` and not by `nodes`: {names}."
            ));
        }
        if self.within_list {
            errors.push("A bulk query has no connection within a list.".to_owned());
        }
        if !self.without_id.is_empty() {
            let names = self.without_id.join(", ");
            errors.push(format!(
                "A node with a connection in it must select `id` under that name: {names}."
            ));
        }
        errors
    }
}

fn note(names: &mut Vec<String>, field: &Planned) {
    if names.iter().all(|name| *name != field.name.as_str()) {
        names.push(field.name.to_string());
    }
}

/// The `node` fields of a connection.
pub(super) fn nodes(connection: &Planned) -> impl Iterator<Item = &Planned> {
    let edges = connection
        .of
        .iter()
        .flat_map(|page| &page.fields)
        .filter(|part| part.name == "edges");
    edges
        .flat_map(|edges| &edges.of)
        .flat_map(|edge| &edge.fields)
        .filter(|part| part.name == "node")
}

fn outermost(selection: &Selection, way: &mut Vec<usize>, found: &mut Vec<Vec<usize>>) {
    for (number, field) in selection.fields.iter().enumerate() {
        way.push(number);
        if field.is_connection() {
            found.push(way.clone());
        } else if let [only] = &field.of[..] {
            outermost(only, way, found);
        }
        way.pop();
    }
}
