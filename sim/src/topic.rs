//! What can happen in the shop, under the names Shopify's webhooks give it, and what is to be told about it.

use jiff::Timestamp;

/// A webhook topic as the header writes it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Topic(pub(crate) &'static str);

impl Topic {
    pub(crate) const BULK_OPERATIONS_FINISH: Self = Self("bulk_operations/finish");
    pub(crate) const CUSTOMERS_CREATE: Self = Self("customers/create");
    pub(crate) const CUSTOMERS_DELETE: Self = Self("customers/delete");
    pub(crate) const CUSTOMERS_UPDATE: Self = Self("customers/update");
    pub(crate) const INVENTORY_ITEMS_CREATE: Self = Self("inventory_items/create");
    pub(crate) const INVENTORY_ITEMS_DELETE: Self = Self("inventory_items/delete");
    pub(crate) const INVENTORY_ITEMS_UPDATE: Self = Self("inventory_items/update");
    pub(crate) const INVENTORY_LEVELS_CONNECT: Self = Self("inventory_levels/connect");
    pub(crate) const INVENTORY_LEVELS_DISCONNECT: Self = Self("inventory_levels/disconnect");
    pub(crate) const INVENTORY_LEVELS_UPDATE: Self = Self("inventory_levels/update");
    pub(crate) const LOCATIONS_ACTIVATE: Self = Self("locations/activate");
    pub(crate) const LOCATIONS_CREATE: Self = Self("locations/create");
    pub(crate) const LOCATIONS_DEACTIVATE: Self = Self("locations/deactivate");
    pub(crate) const LOCATIONS_UPDATE: Self = Self("locations/update");
    pub(crate) const ORDERS_CANCELLED: Self = Self("orders/cancelled");
    pub(crate) const ORDERS_CREATE: Self = Self("orders/create");
    pub(crate) const ORDERS_DELETE: Self = Self("orders/delete");
    pub(crate) const ORDERS_FULFILLED: Self = Self("orders/fulfilled");
    pub(crate) const ORDERS_PAID: Self = Self("orders/paid");
    pub(crate) const ORDERS_UPDATED: Self = Self("orders/updated");
    pub(crate) const PRODUCTS_CREATE: Self = Self("products/create");
    pub(crate) const PRODUCTS_DELETE: Self = Self("products/delete");
    pub(crate) const PRODUCTS_UPDATE: Self = Self("products/update");

    /// Whether the API's enum value names this topic: `INVENTORY_LEVELS_UPDATE` for `inventory_levels/update`.
    pub(crate) fn is(self, api_name: &str) -> bool {
        self.0.len() == api_name.len()
            && self.0.bytes().zip(api_name.bytes()).all(|(ours, theirs)| match ours {
                b'/' => theirs == b'_',
                letter => letter.to_ascii_uppercase() == theirs,
            })
    }
}

/// What a webhook's body is about. The body itself is written only when it is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Customer(u64),
    Item(u64),
    Level {
        item: u64,
        location: u64,
    },
    Location(u64),
    /// A bulk operation.
    Operation(u64),
    Order(u64),
    Product(u64),
    /// Deleted: all that is told is its id.
    Gone(u64),
    /// No longer stocked: all that is told is the pair.
    Disconnected {
        item: u64,
        location: u64,
    },
}

/// Something to be told to whoever subscribed.
pub(crate) struct Notice {
    pub(crate) topic: Topic,
    pub(crate) subject: Subject,
    /// The action that caused it; several notices may share one.
    pub(crate) event: u64,
    pub(crate) triggered_at: Timestamp,
}
