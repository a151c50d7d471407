//! Every document is valid against Shopify's schema, and costs no more than it declares.

use std::collections::BTreeSet;

use apollo_compiler::executable::{Field, Selection, SelectionSet};
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use schemas::QuantityName;

use super::*;
use crate::bulk::BulkQuery;

/// Most points that Shopify takes for one query, on any plan
/// (<https://shopify.dev/docs/api/usage/limits>, API 2026-10).
const COST_MAX: u32 = 1_000;

/// Connections of a bulk query and how deep they may be nested; longest text in bytes
/// (<https://shopify.dev/docs/api/usage/bulk-operations/queries>, API 2026-10).
const BULK_CONNECTIONS_MAX: usize = 5;
const BULK_DEPTH_MAX: usize = 2;
const BULK_BYTES_MAX: usize = 65_535;

/// The files of bulk queries.
const BULK: [(&str, &str); 4] = [
    ("bulk_customers", BULK_CUSTOMERS),
    ("bulk_levels", BULK_LEVELS),
    ("bulk_orders", BULK_ORDERS),
    ("bulk_products", BULK_PRODUCTS),
];

/// Every file as it is.
fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
    ALL.iter()
        .map(|document| (document.name, document.text))
        .chain(BULK)
}

/// Every text that Shopify may be sent: with and without names, and without buyers.
fn texts() -> impl Iterator<Item = (String, Cow<'static, str>)> {
    let documents = ALL.iter().flat_map(|document| {
        [false, true].map(|names| (document.name.to_owned(), document.text(names)))
    });
    documents.chain(BulkQuery::ALL.map(|query| (format!("{query:?}"), query.text())))
}

fn schema() -> Valid<Schema> {
    let text = include_str!("../../../graphql/admin-2026-10.graphql");
    Schema::parse_and_validate(text, "admin-2026-10.graphql").unwrap()
}

fn parsed(schema: &Valid<Schema>, name: &str, text: &str) -> Valid<ExecutableDocument> {
    ExecutableDocument::parse_and_validate(schema, text, name)
        .unwrap_or_else(|problems| panic!("{}", problems.errors))
}

#[test]
fn every_document_is_valid_and_costs_what_it_says() {
    let schema = schema();
    for document in ALL {
        for (names, rows) in [(false, 1), (false, PAGE_ROWS), (true, 1), (true, PAGE_ROWS)] {
            let parsed = parsed(&schema, document.name, &document.text(names));
            let operation = parsed.operations.iter().next().unwrap();
            let cost = cost(&operation.selection_set, rows);
            assert_eq!(
                document.cost_max(rows),
                cost,
                "{} with {rows} rows",
                document.name
            );
        }
    }
}

#[test]
fn no_page_can_be_too_expensive() {
    let looked_up = u32::try_from(REFRESH_ROWS).unwrap();
    for document in ALL {
        let rows = match document.name {
            "orders" => ORDERS_ROWS,
            "orders_by_id" => u32::try_from(REFRESH_ORDERS).unwrap(),
            "products_by_id" => u32::try_from(REFRESH_PRODUCTS).unwrap(),
            _ if document.text.contains("$ids") => looked_up,
            _ => PAGE_ROWS,
        };
        assert!(document.cost_max(rows) <= COST_MAX, "{}", document.name);
    }
}

#[test]
fn every_file_in_queries_is_used_and_no_field_is_deprecated() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/queries");
    let found = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap());
    let named: BTreeSet<_> = files().map(|(name, _)| format!("{name}.graphql")).collect();
    assert_eq!(found.collect::<BTreeSet<_>>(), named);

    let schema = schema();
    for (name, text) in texts() {
        let parsed = parsed(&schema, &name, &text);
        for field in parsed
            .operations
            .iter()
            .flat_map(|operation| operation.all_fields(&parsed))
        {
            assert!(
                field.definition.directives.get("deprecated").is_none(),
                "{name}: {}",
                field.name
            );
        }
    }
}

#[test]
fn levels_are_read_with_every_quantity() {
    for document in [
        LEVELS.text,
        LEVELS_BY_ID.text,
        LEVELS_BY_ITEM.text,
        BULK_LEVELS,
    ] {
        let names: Vec<_> = QuantityName::ALL
            .iter()
            .map(|name| format!("\"{}\"", name.as_str()))
            .collect();
        assert!(
            document.contains(&format!("quantities(names: [{}])", names.join(", "))),
            "{document}"
        );
    }
}

#[test]
fn a_bulk_query_asks_for_the_fields_that_a_page_or_a_point_read_asks_for() {
    let schema = schema();
    let fields = |name: &str, text: &'static str, kind: &str| {
        let parsed = parsed(&schema, name, &with_names(text, true));
        let mut found = BTreeSet::new();
        for operation in parsed.operations.iter() {
            fields_of(&operation.selection_set, kind, &mut found);
        }
        assert!(!found.is_empty(), "{name} has no {kind}");
        found
    };
    let pairs = [
        (
            "bulk_customers",
            BULK_CUSTOMERS,
            &CUSTOMERS_BY_ID,
            "Customer",
        ),
        ("bulk_levels", BULK_LEVELS, &LEVELS_BY_ID, "InventoryLevel"),
        ("bulk_orders", BULK_ORDERS, &ORDER, "Order"),
        ("bulk_orders", BULK_ORDERS, &ORDER, "LineItem"),
        ("bulk_orders", BULK_ORDERS, &ORDERS, "Order"),
        ("bulk_orders", BULK_ORDERS, &ORDERS, "LineItem"),
        ("bulk_orders", BULK_ORDERS, &ORDERS_BY_ID, "Order"),
        ("bulk_orders", BULK_ORDERS, &ORDERS_BY_ID, "LineItem"),
        ("bulk_products", BULK_PRODUCTS, &PRODUCT, "Product"),
        ("bulk_products", BULK_PRODUCTS, &PRODUCTS_BY_ID, "Product"),
        (
            "bulk_products",
            BULK_PRODUCTS,
            &PRODUCTS_BY_ID,
            "ProductVariant",
        ),
        ("bulk_products", BULK_PRODUCTS, &VARIANTS, "ProductVariant"),
    ];
    for (name, text, other, kind) in pairs {
        assert_eq!(
            fields(name, text, kind),
            fields(other.name, other.text, kind),
            "{kind}"
        );
    }
    let without = BulkQuery::Orders.text().replace("customer { id }", "");
    let sent = BulkQuery::OrdersWithoutBuyers.text();
    assert!(without.split_whitespace().eq(sent.split_whitespace()));
}

#[test]
fn a_named_query_asks_for_names_beside_the_same_and_no_other_asks_for_any() {
    let customer = "id createdAt updatedAt firstName lastName";
    let plain = |text: &str| {
        text.replace(&format!("customer {{ {customer} }}"), "customer { id }")
            .replace(customer, "id createdAt updatedAt")
    };
    let mut pairs = 0;
    for (name, text) in files() {
        let (with, without) = (with_names(text, true), with_names(text, false));
        assert!(
            !without.contains("Name ") && !without.contains("$names"),
            "{name}"
        );
        assert_eq!(plain(&with), without, "{name}");
        pairs += usize::from(with.contains(customer));
    }
    assert_eq!(pairs, 7);
}

#[test]
fn every_bulk_query_is_one_that_shopify_takes() {
    let schema = schema();
    for query in BulkQuery::ALL {
        let (name, text) = (format!("{query:?}"), query.text());
        assert!(serde_json::to_string(&text).unwrap().len() <= BULK_BYTES_MAX);
        let parsed = parsed(&schema, &name, &text);
        let operation = parsed.operations.iter().next().unwrap();
        assert!(operation.variables.is_empty(), "{name}");
        let connections = connections(&operation.selection_set, 0, false);
        assert!((1..=BULK_CONNECTIONS_MAX).contains(&connections), "{name}");
    }
}

/// How many connections there are, every one of them as a bulk operation wants it.
fn connections(selections: &SelectionSet, depth: usize, in_list: bool) -> usize {
    let fields = selections
        .selections
        .iter()
        .map(|selection| match selection {
            Selection::Field(field) => field,
            other => panic!("{other}"),
        });
    let of = |field: &Field| {
        assert!(
            field.name != "nodes" && field.name != "pageInfo" && field.alias.is_none(),
            "{}",
            field.name
        );
        let is_connection = field.ty().inner_named_type().ends_with("Connection");
        if !is_connection {
            let in_list = in_list || field.ty().is_list() && field.name != "edges";
            return connections(&field.selection_set, depth, in_list);
        }
        assert!(depth < BULK_DEPTH_MAX && !in_list, "{}", field.name);
        let parent_has_id = selections
            .selections
            .iter()
            .any(|one| matches!(one, Selection::Field(one) if one.name == "id"));
        assert!(
            depth == 0 || parent_has_id,
            "the parent of {} has no id",
            field.name
        );
        1 + connections(&field.selection_set, depth + 1, in_list)
    };
    fields.map(|field| of(field)).sum()
}

/// Every field selected of a type, but its connections and what only says where it belongs.
fn fields_of(selections: &SelectionSet, kind: &str, found: &mut BTreeSet<String>) {
    for selection in &selections.selections {
        match selection {
            Selection::Field(field) => {
                let leads = field.ty().inner_named_type();
                if selections.ty == kind
                    && !leads.ends_with("Connection")
                    && field.name != "product"
                {
                    found.insert(field.name.to_string());
                }
                fields_of(&field.selection_set, kind, found);
            }
            Selection::InlineFragment(fragment) => fields_of(&fragment.selection_set, kind, found),
            Selection::FragmentSpread(spread) => panic!("{}", spread.fragment_name),
        }
    }
}

/// The points of a selection by the rules on [`Document`].
fn cost(selections: &SelectionSet, rows: u32) -> u32 {
    let of = |selection: &Selection| match selection {
        Selection::Field(field) => cost_of_field(field, rows),
        Selection::InlineFragment(fragment) => cost(&fragment.selection_set, rows),
        Selection::FragmentSpread(spread) => {
            panic!(
                "the documents have no named fragments: {}",
                spread.fragment_name
            )
        }
    };
    selections.selections.iter().map(of).sum()
}

fn cost_of_field(field: &Field, rows: u32) -> u32 {
    let kind = field.ty().inner_named_type().as_str();
    let inside = cost(&field.selection_set, rows);
    let first = || match &*field.argument_by_name("first").unwrap().clone() {
        apollo_compiler::ast::Value::Int(literal) => {
            literal.try_to_i32().unwrap().try_into().unwrap()
        }
        _ => rows,
    };
    match (field.name.as_str(), kind) {
        _ if field.selection_set.is_empty() => 0,
        (_, "PageInfo") => 0,
        (_, "Count") => 10,
        (_, kind) if kind.ends_with("Payload") => 10 + inside,
        (_, kind) if kind.ends_with("Connection") => 2 + first() * inside,
        ("nodes", "Node") => rows * (1 + inside),
        ("fulfillments" | "transactions", _) => first() * (1 + inside),
        _ => 1 + inside,
    }
}
