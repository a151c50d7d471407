//! What the app was allowed, and what has to be allowed for what.
//!
//! <https://shopify.dev/docs/api/usage/access-scopes>, 2026-10.

/// Everything the pretend shop can be asked for.
pub(crate) const ALL: [&str; 10] = [
    "read_products",
    "write_products",
    "read_inventory",
    "write_inventory",
    "read_inventory_transfers",
    "read_locations",
    "read_orders",
    "read_all_orders",
    "read_customers",
    "read_fulfillments",
];

/// Without `read_all_orders`, only orders younger than this exist for the app.
pub(crate) const RECENT: jiff::SignedDuration = jiff::SignedDuration::from_hours(60 * 24);

pub(crate) struct Scopes {
    pub(crate) granted: Vec<String>,
    /// Those before the last change.
    pub(crate) previous: Vec<String>,
    /// Whether nothing is missing, which is quick to look up.
    complete: bool,
    /// Whether customers' names, a protected field, are withheld from the app.
    pub(crate) names_withheld: bool,
}

impl Scopes {
    pub(crate) fn new(granted: Vec<String>) -> Self {
        let mut scopes = Self {
            granted: Vec::new(),
            previous: Vec::new(),
            complete: false,
            names_withheld: false,
        };
        scopes.change(granted);
        scopes
    }

    pub(crate) fn change(&mut self, granted: Vec<String>) {
        self.previous = std::mem::replace(&mut self.granted, granted);
        self.complete = false;
        self.complete = ALL.iter().all(|scope| self.has(scope));
    }

    pub(crate) fn has(&self, scope: &str) -> bool {
        let written = |granted: &str| {
            granted
                .strip_prefix("write_")
                .is_some_and(|of| scope.strip_prefix("read_") == Some(of))
        };
        self.complete
            || self
                .granted
                .iter()
                .any(|granted| granted == scope || written(granted))
    }

    /// The scopes of which one is needed for objects of a type, if none is there.
    pub(crate) fn missing_for(&self, type_name: &str) -> Option<&'static [&'static str]> {
        self.none_of(needed(type_name))
    }

    /// The same for being told of a topic, given as the API writes it: `ORDERS_CREATE`.
    pub(crate) fn missing_for_topic(&self, topic: &str) -> Option<&'static [&'static str]> {
        self.none_of(needed_to_hear(topic))
    }

    fn none_of(&self, one_of: &'static [&'static str]) -> Option<&'static [&'static str]> {
        let denied =
            !self.complete && !one_of.is_empty() && !one_of.iter().any(|scope| self.has(scope));
        denied.then_some(one_of)
    }
}

/// One of these is needed for objects of a type; for none, it is open to all.
fn needed(type_name: &str) -> &'static [&'static str] {
    match type_name.strip_suffix("Connection").unwrap_or(type_name) {
        "Product" | "ProductVariant" => &["read_products"],
        "InventoryItem" => &["read_inventory", "read_products"],
        "InventoryLevel" => &["read_inventory"],
        "Location" => &["read_locations", "read_inventory"],
        "Order" | "LineItem" | "Fulfillment" | "OrderTransaction" | "Refund" => &["read_orders"],
        "Customer" => &["read_customers"],
        payload if payload.starts_with("Inventory") && payload.ends_with("Payload") => {
            &["write_inventory"]
        }
        _ => &[],
    }
}

/// One of these is needed to subscribe to a topic: webhooks reference, 2026-10.
fn needed_to_hear(topic: &str) -> &'static [&'static str] {
    const BY_START: [(&str, &[&str]); 11] = [
        ("CUSTOMERS_", &["read_customers"]),
        ("FULFILLMENTS_", &["read_fulfillments"]),
        ("INVENTORY_ITEMS_", &["read_inventory", "read_products"]),
        ("INVENTORY_LEVELS_", &["read_inventory"]),
        ("INVENTORY_TRANSFERS_", &["read_inventory_transfers"]),
        ("LOCATIONS_", &["read_locations"]),
        ("ORDER_TRANSACTIONS_", &["read_orders"]),
        ("ORDERS_", &["read_orders"]),
        ("PRODUCTS_", &["read_products"]),
        ("REFUNDS_", &["read_orders"]),
        ("VARIANTS_", &["read_products"]),
    ];
    BY_START
        .iter()
        .find(|(start, _)| topic.starts_with(start))
        .map_or(&[], |(_, scopes)| *scopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_write_may_read() {
        let scopes = Scopes::new(vec!["write_products".to_owned()]);
        assert!(scopes.has("read_products") && scopes.has("write_products"));
        assert_eq!(scopes.missing_for("ProductConnection"), None);
        assert_eq!(scopes.missing_for("InventoryItem"), None);
        assert_eq!(
            scopes.missing_for("InventoryLevel"),
            Some(&["read_inventory"][..])
        );
        assert_eq!(scopes.missing_for("Shop"), None);
        assert_eq!(scopes.missing_for_topic("INVENTORY_ITEMS_UPDATE"), None);
        assert_eq!(scopes.missing_for_topic("SHOP_UPDATE"), None);
        assert!(scopes.missing_for_topic("ORDERS_PAID").is_some());
    }
}
