//! Every document is valid against Shopify's schema, and costs no more than it declares.

use std::collections::BTreeSet;

use apollo_compiler::executable::{Field, Selection, SelectionSet};
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use schemas::QuantityName;

use super::*;

/// Most points that Shopify takes for one query, on any plan
/// (<https://shopify.dev/docs/api/usage/limits>, API 2026-10).
const COST_MAX: u32 = 1_000;

fn schema() -> Valid<Schema> {
    let text = include_str!("../../schema/admin-2026-10.graphql");
    Schema::parse_and_validate(text, "admin-2026-10.graphql").unwrap()
}

fn parsed(schema: &Valid<Schema>, document: &Document) -> Valid<ExecutableDocument> {
    ExecutableDocument::parse_and_validate(schema, document.text, document.name)
        .unwrap_or_else(|problems| panic!("{}", problems.errors))
}

#[test]
fn every_document_is_valid_and_costs_what_it_says() {
    let schema = schema();
    for document in ALL {
        let parsed = parsed(&schema, document);
        let operation = parsed.operations.iter().next().unwrap();
        for rows in [1, PAGE_ROWS] {
            let cost = cost(&operation.selection_set, rows);
            assert_eq!(document.cost_max(rows), cost, "{} with {rows} rows", document.name);
        }
    }
}

#[test]
fn no_page_can_be_too_expensive() {
    let looked_up = u32::try_from(LOOK_AGAIN_ROWS).unwrap();
    for document in ALL {
        let rows = if document.text.contains("$ids") { looked_up } else { PAGE_ROWS };
        assert!(document.cost_max(rows) <= COST_MAX, "{}", document.name);
    }
}

#[test]
fn every_file_in_queries_is_used_and_no_field_is_deprecated() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/queries");
    let files =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap());
    let named: BTreeSet<_> = ALL.iter().map(|document| format!("{}.graphql", document.name)).collect();
    assert_eq!(files.collect::<BTreeSet<_>>(), named);

    let schema = schema();
    for document in ALL {
        let parsed = parsed(&schema, document);
        for field in parsed.operations.iter().flat_map(|operation| operation.all_fields(&parsed)) {
            assert!(
                field.definition.directives.get("deprecated").is_none(),
                "{}: {}",
                document.name,
                field.name
            );
        }
    }
}

#[test]
fn levels_are_read_with_every_quantity() {
    for document in [&LEVELS, &LEVELS_BY_ID, &LEVELS_BY_ITEM] {
        let names: Vec<_> = QuantityName::ALL.iter().map(|name| format!("\"{}\"", name.as_str())).collect();
        assert!(
            document.text.contains(&format!("quantities(names: [{}])", names.join(", "))),
            "{}",
            document.name
        );
    }
}

/// The points of a selection by the rules on [`Document`].
fn cost(selections: &SelectionSet, rows: u32) -> u32 {
    let of = |selection: &Selection| match selection {
        Selection::Field(field) => cost_of_field(field, rows),
        Selection::InlineFragment(fragment) => cost(&fragment.selection_set, rows),
        Selection::FragmentSpread(spread) => {
            panic!("the documents have no named fragments: {}", spread.fragment_name)
        }
    };
    selections.selections.iter().map(of).sum()
}

fn cost_of_field(field: &Field, rows: u32) -> u32 {
    let kind = field.ty().inner_named_type().as_str();
    let inside = cost(&field.selection_set, rows);
    let first = || match &*field.argument_by_name("first").unwrap().clone() {
        apollo_compiler::ast::Value::Int(literal) => literal.try_to_i32().unwrap().try_into().unwrap(),
        _ => rows,
    };
    match (field.name.as_str(), kind) {
        _ if field.selection_set.is_empty() => 0,
        (_, "PageInfo") => 0,
        (_, "Count") => 10,
        (_, kind) if kind.ends_with("Payload") => 10 + inside,
        (_, kind) if kind.ends_with("Connection") => 2 + first() * inside,
        ("nodes", "Node") => rows * (1 + inside),
        ("fulfillments", _) => first() * (1 + inside),
        _ => 1 + inside,
    }
}
