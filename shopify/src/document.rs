//! The GraphQL documents in `queries/`: their texts and the most that Shopify may charge for them.
//!
//! A test validates each against Shopify's schema and recomputes the costs.

use std::borrow::Cow;

use serde::Serialize;

/// Rows of a page of a list: the most Shopify gives, and cheap enough for every list we read (see the costs).
pub(crate) const PAGE_ROWS: u32 = 250;

/// Orders of a page: each with its first lines, fulfilments and payments, 49 points.
pub(crate) const ORDERS_ROWS: u32 = 20;

/// Records looked up by one `nodes(ids:)`: 250 points at most, so that looking again never waits for long.
pub(crate) const REFRESH_ROWS: usize = 50;

/// Orders looked up by one `nodes(ids:)`, for the same reason. Asked for alone and with all its pages, one may cost
/// as much as fifteen.
pub(crate) const REFRESH_ORDERS: usize = 5;

/// Products looked up by one `nodes(ids:)`, for the same reason.
pub(crate) const REFRESH_PRODUCTS: usize = 10;

/// A GraphQL document.
///
/// Its requested cost is at most `fixed + per_row × rows` points: one for an object, for each element of a list
/// and for each record of a page, 2 for a connection itself, 10 for a count or a mutation
/// (<https://shopify.dev/docs/api/usage/limits>, API 2026-10, and recorded answers, which were always lower).
pub(crate) struct Document {
    pub(crate) name: &'static str,
    text: &'static str,
    fixed: u32,
    per_row: u32,
}

impl Document {
    pub(crate) fn cost_max(&self, rows: u32) -> u32 {
        self.fixed + self.per_row * rows
    }

    /// Whether it must not be carried out twice and has no key by which Shopify would see to that.
    pub(crate) fn is_once(&self) -> bool {
        self.text.starts_with("mutation") && !self.text.contains("@idempotent")
    }

    /// What Shopify is sent, with or without customers' names.
    pub(crate) fn text(&self, names: bool) -> Cow<'static, str> {
        with_names(self.text, names)
    }

    /// The body of a request: the document, with or without customers' names, and its variables.
    pub(crate) fn body(&self, names: bool, variables: impl Serialize) -> String {
        #[derive(Serialize)]
        struct Body<T> {
            query: Cow<'static, str>,
            variables: T,
        }
        // Variables are structs of texts and numbers.
        serde_json::to_string(&Body {
            query: self.text(names),
            variables,
        })
        .expect("texts and numbers have a JSON form")
    }
}

macro_rules! documents {
    ($($constant:ident = $name:literal, $fixed:literal + $per_row:literal per row;)*) => {
        $(pub(crate) static $constant: Document = Document {
            name: $name,
            text: include_str!(concat!("../queries/", $name, ".graphql")),
            fixed: $fixed,
            per_row: $per_row,
        };)*

        #[cfg(test)]
        static ALL: &[&Document] = &[$(&$constant),*];
    };
}

/// Resolves `... @include(if: $names) { fields }`, which may stand once in a text: to the fields, or to nothing.
///
/// Shopify could do that with a variable, but a bulk query takes none, and so both are done in one way.
pub(crate) fn with_names(text: &'static str, names: bool) -> Cow<'static, str> {
    let Some((before, rest)) = text.split_once("... @include(if: $names) { ") else {
        return text.into();
    };
    let (fields, after) = rest.split_once("} ").unwrap_or((rest, ""));
    [before, if names { fields } else { "" }, after]
        .concat()
        .into()
}

/// A query of orders without the field that an app without the scope `read_customers` may not ask for.
pub(crate) fn without_buyers(text: &str) -> String {
    text.split_inclusive('\n')
        .filter(|line| !line.trim_start().starts_with("customer "))
        .collect()
}

/// Queries that bulk operations run. They cost nothing, and are no documents of their own on the wire.
pub(crate) const BULK_CUSTOMERS: &str = include_str!("../queries/bulk_customers.graphql");
pub(crate) const BULK_LEVELS: &str = include_str!("../queries/bulk_levels.graphql");
pub(crate) const BULK_ORDERS: &str = include_str!("../queries/bulk_orders.graphql");
pub(crate) const BULK_PRODUCTS: &str = include_str!("../queries/bulk_products.graphql");

documents! {
    BULK_CANCEL = "bulk_cancel", 12 + 0 per row;
    BULK_LIST = "bulk_list", 2 + 1 per row;
    BULK_START = "bulk_start", 12 + 0 per row;
    BULK_STATE = "bulk_state", 1 + 0 per row;
    COUNTS = "counts", 20 + 0 per row;
    CUSTOMERS = "customers", 2 + 1 per row;
    CUSTOMERS_BY_ID = "customers_by_id", 0 + 1 per row;
    ITEMS = "items", 2 + 1 per row;
    ITEMS_BY_ID = "items_by_id", 0 + 1 per row;
    LEVELS = "levels", 3 + 3 per row;
    LEVELS_BY_ID = "levels_by_id", 0 + 4 per row;
    LEVELS_BY_ITEM = "levels_by_item", 0 + 5 per row;
    LOCATIONS = "locations", 2 + 1 per row;
    LOCATIONS_BY_ID = "locations_by_id", 0 + 1 per row;
    ORDER = "order", 257 + 2 per row;
    ORDERS = "orders", 2 + 49 per row;
    ORDERS_BY_ID = "orders_by_id", 0 + 49 per row;
    PRODUCT = "product", 3 + 2 per row;
    PRODUCTS = "products", 2 + 1 per row;
    PRODUCTS_BY_ID = "products_by_id", 0 + 23 per row;
    SCOPES = "scopes", 2 + 0 per row;
    SHOP = "shop", 1 + 0 per row;
    STOCK_ADJUST = "stock_adjust", 12 + 0 per row;
    STOCK_MOVE = "stock_move", 12 + 0 per row;
    STOCK_SET = "stock_set", 12 + 0 per row;
    SUBSCRIBE = "subscribe", 12 + 0 per row;
    SUBSCRIPTIONS = "subscriptions", 2 + 1 per row;
    UNSUBSCRIBE = "unsubscribe", 11 + 0 per row;
    VARIANTS = "variants", 2 + 3 per row;
}

#[cfg(test)]
mod tests;
