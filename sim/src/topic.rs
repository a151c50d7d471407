//! What can happen in the shop, under the names Shopify's webhooks give it, and what is to be told about it.

use jiff::Timestamp;

/// A webhook topic as the header writes it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SimTopic(pub(crate) &'static str);

impl SimTopic {
    pub(crate) const APP_SCOPES_UPDATE: Self = Self("app/scopes_update");
    pub(crate) const APP_UNINSTALLED: Self = Self("app/uninstalled");
    pub(crate) const BULK_OPERATIONS_FINISH: Self = Self("bulk_operations/finish");
    pub(crate) const CUSTOMERS_CREATE: Self = Self("customers/create");
    pub(crate) const CUSTOMERS_DATA_REQUEST: Self = Self("customers/data_request");
    pub(crate) const CUSTOMERS_DELETE: Self = Self("customers/delete");
    pub(crate) const CUSTOMERS_REDACT: Self = Self("customers/redact");
    pub(crate) const CUSTOMERS_UPDATE: Self = Self("customers/update");
    pub(crate) const FULFILLMENTS_CREATE: Self = Self("fulfillments/create");
    pub(crate) const FULFILLMENTS_UPDATE: Self = Self("fulfillments/update");
    pub(crate) const INVENTORY_ITEMS_CREATE: Self = Self("inventory_items/create");
    pub(crate) const INVENTORY_ITEMS_DELETE: Self = Self("inventory_items/delete");
    pub(crate) const INVENTORY_ITEMS_UPDATE: Self = Self("inventory_items/update");
    pub(crate) const INVENTORY_LEVELS_CONNECT: Self = Self("inventory_levels/connect");
    pub(crate) const INVENTORY_LEVELS_DISCONNECT: Self = Self("inventory_levels/disconnect");
    pub(crate) const INVENTORY_LEVELS_UPDATE: Self = Self("inventory_levels/update");
    pub(crate) const INVENTORY_TRANSFERS_CANCEL: Self = Self("inventory_transfers/cancel");
    pub(crate) const INVENTORY_TRANSFERS_COMPLETE: Self = Self("inventory_transfers/complete");
    pub(crate) const INVENTORY_TRANSFERS_READY_TO_SHIP: Self =
        Self("inventory_transfers/ready_to_ship");
    pub(crate) const INVENTORY_TRANSFERS_UPDATED: Self = Self("inventory_transfers/updated");
    pub(crate) const LOCATIONS_ACTIVATE: Self = Self("locations/activate");
    pub(crate) const LOCATIONS_CREATE: Self = Self("locations/create");
    pub(crate) const LOCATIONS_DEACTIVATE: Self = Self("locations/deactivate");
    pub(crate) const LOCATIONS_DELETE: Self = Self("locations/delete");
    pub(crate) const LOCATIONS_UPDATE: Self = Self("locations/update");
    pub(crate) const ORDER_TRANSACTIONS_CREATE: Self = Self("order_transactions/create");
    pub(crate) const ORDERS_CANCELLED: Self = Self("orders/cancelled");
    pub(crate) const ORDERS_CREATE: Self = Self("orders/create");
    pub(crate) const ORDERS_DELETE: Self = Self("orders/delete");
    pub(crate) const ORDERS_EDITED: Self = Self("orders/edited");
    pub(crate) const ORDERS_FULFILLED: Self = Self("orders/fulfilled");
    pub(crate) const ORDERS_PAID: Self = Self("orders/paid");
    pub(crate) const ORDERS_PARTIALLY_FULFILLED: Self = Self("orders/partially_fulfilled");
    pub(crate) const ORDERS_UPDATED: Self = Self("orders/updated");
    pub(crate) const PRODUCTS_CREATE: Self = Self("products/create");
    pub(crate) const PRODUCTS_DELETE: Self = Self("products/delete");
    pub(crate) const PRODUCTS_UPDATE: Self = Self("products/update");
    pub(crate) const REFUNDS_CREATE: Self = Self("refunds/create");
    pub(crate) const SHOP_REDACT: Self = Self("shop/redact");
    pub(crate) const SHOP_UPDATE: Self = Self("shop/update");
    pub(crate) const VARIANTS_IN_STOCK: Self = Self("variants/in_stock");
    pub(crate) const VARIANTS_OUT_OF_STOCK: Self = Self("variants/out_of_stock");

    /// Whether the API's enum value names this topic: `INVENTORY_LEVELS_UPDATE` for `inventory_levels/update`.
    pub(crate) fn is(self, api_name: &str) -> bool {
        self.0.len() == api_name.len()
            && self
                .0
                .bytes()
                .zip(api_name.bytes())
                .all(|(ours, theirs)| match ours {
                    b'/' => theirs == b'_',
                    letter => letter.to_ascii_uppercase() == theirs,
                })
    }
}

/// What a webhook's body is about. The body itself is written only when it is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TopicSubject {
    Customer(u64),
    /// What an order's edit changed, by its number.
    Edit {
        order: u64,
        index: usize,
    },
    Fulfillment {
        order: u64,
        index: usize,
    },
    Item(u64),
    Level {
        item: u64,
        location: u64,
    },
    Location(u64),
    /// A bulk operation, by its number.
    Operation(u64),
    Order(u64),
    Product(u64),
    Refund {
        order: u64,
        index: usize,
    },
    Transaction {
        order: u64,
        index: usize,
    },
    /// A step of a transfer, by its number.
    Transfer {
        transfer: u64,
        index: usize,
    },
    /// What the app is allowed, and was.
    Scopes,
    /// The payload is the shop.
    Shop,
    Variant(u64),
    /// A customer asks what is known of them.
    DataRequest(u64),
    /// A customer wants to be forgotten.
    RedactCustomer(u64),
    /// The payload names the shop to be erased.
    RedactShop,
    /// Deleted: all that is told is its id.
    Gone(u64),
    /// No longer stocked: all that is told is the pair.
    Disconnected {
        item: u64,
        location: u64,
    },
}

/// Something to be told to whoever subscribed.
pub(crate) struct TopicNotice {
    pub(crate) topic: SimTopic,
    pub(crate) subject: TopicSubject,
    /// The action that caused it; several notices may share one.
    pub(crate) event: u64,
    pub(crate) triggered_at: Timestamp,
}
