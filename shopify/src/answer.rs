//! The answers' objects, as the documents in `queries/` select them, and each as a change of ours.

use schemas::quantity::{Quantities, QuantityName};
use schemas::record;
use schemas::{
    Change, CustomerId, InventoryItemId, LineItemId, LocationId, Money, OrderId, ProductId,
    Timestamp, TransactionId, VariantId,
};
use serde::{Deserialize, Serialize};

use crate::body::{level_gid, stated};
use crate::order;

/// A page of a GraphQL connection.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Connection<T> {
    pub(crate) nodes: Vec<T>,
    pub(crate) page_info: PageInfo,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PageInfo {
    pub(crate) has_next_page: bool,
    pub(crate) end_cursor: Option<String>,
}

/// An object of which only the id is asked for.
#[derive(Serialize, Deserialize)]
pub(crate) struct NodeId<T> {
    pub(crate) id: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CustomerNode {
    id: CustomerId,
    /// Neither is asked for unless names are wanted.
    first_name: Option<String>,
    last_name: Option<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl CustomerNode {
    pub(crate) fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    pub(crate) fn change(self) -> Change {
        let Self {
            id,
            first_name,
            last_name,
            created_at,
            updated_at,
        } = self;
        let name = order::full_name(first_name.as_deref(), last_name.as_deref());
        Change::Customer(record::Customer {
            id,
            name,
            created_at,
            updated_at,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ItemNode {
    id: InventoryItemId,
    sku: Option<String>,
    tracked: bool,
    updated_at: Timestamp,
}

impl ItemNode {
    pub(crate) fn change(self) -> Change {
        let Self {
            id,
            sku,
            tracked,
            updated_at,
        } = self;
        Change::Item(record::InventoryItem {
            id,
            sku: stated(sku),
            tracked,
            updated_at,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LevelNode {
    id: String,
    is_active: bool,
    updated_at: Timestamp,
    item: NodeId<InventoryItemId>,
    quantities: Vec<Quantity>,
}

/// A level that says where it is, which costs a point more. A bulk result has most of these, and a flattened
/// [`LevelNode`] would take twice as long to read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LocatedLevel {
    location: NodeId<LocationId>,
    id: String,
    is_active: bool,
    updated_at: Timestamp,
    item: NodeId<InventoryItemId>,
    quantities: Vec<Quantity>,
}

#[derive(Deserialize)]
struct Quantity {
    name: String,
    quantity: i64,
}

impl LevelNode {
    pub(crate) fn change(self, location_id: LocationId) -> Change {
        let mut quantities = Quantities::default();
        for Quantity { name, quantity } in self.quantities {
            if let Some(known) = QuantityName::ALL
                .into_iter()
                .find(|known| known.as_str() == name)
            {
                *quantities.of_mut(known) = quantity;
            }
        }
        Change::Level(record::Level {
            inventory_item_id: self.item.id,
            location_id,
            gid: level_gid(&self.id),
            active: self.is_active,
            quantities,
            updated_at: self.updated_at,
        })
    }
}

impl LocatedLevel {
    /// Of which item and where.
    pub(crate) fn key(&self) -> (InventoryItemId, LocationId) {
        (self.item.id, self.location.id)
    }

    pub(crate) fn change(self) -> Change {
        let Self {
            location,
            id,
            is_active,
            updated_at,
            item,
            quantities,
        } = self;
        LevelNode {
            id,
            is_active,
            updated_at,
            item,
            quantities,
        }
        .change(location.id)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LocationNode {
    id: LocationId,
    name: String,
    is_active: bool,
    is_fulfillment_service: bool,
    updated_at: Timestamp,
}

impl LocationNode {
    pub(crate) fn change(self) -> Change {
        let Self {
            id,
            name,
            is_active: active,
            is_fulfillment_service: fulfillment_service,
            updated_at,
        } = self;
        Change::Location(record::Location {
            id,
            name,
            active,
            fulfillment_service,
            updated_at,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderNode {
    id: OrderId,
    name: String,
    created_at: Timestamp,
    updated_at: Timestamp,
    cancelled_at: Option<Timestamp>,
    display_financial_status: Option<String>,
    display_fulfillment_status: String,
    source_name: Option<String>,
    currency_code: String,
    current_total_price_set: MoneyBag,
    customer: Option<Buyer>,
    retail_location: Option<NodeId<LocationId>>,
    fulfillments: Vec<FulfillmentNode>,
    transactions: Vec<TransactionNode>,
}

/// Of whom only the id is asked for unless names are wanted.
#[derive(Deserialize)]
#[serde(untagged)]
enum Buyer {
    Named(CustomerNode),
    Unnamed(NodeId<CustomerId>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MoneyBag<M = MoneyAmount> {
    shop_money: M,
}

#[derive(Deserialize)]
struct MoneyAmount {
    amount: Money,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MoneyOfCurrency {
    amount: Money,
    currency_code: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TransactionNode {
    id: TransactionId,
    kind: String,
    status: String,
    amount_set: MoneyBag<MoneyOfCurrency>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FulfillmentNode {
    status: String,
    display_status: Option<String>,
    location: Option<NodeId<LocationId>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LineNode {
    id: LineItemId,
    title: String,
    sku: Option<String>,
    current_quantity: i64,
    variant: Option<NodeId<VariantId>>,
}

impl LineNode {
    pub(crate) fn id(&self) -> LineItemId {
        self.id
    }
}

/// Fulfilments of an order in an answer with several; as many may be some of more.
pub(crate) const ORDERS_FULFILLMENTS: usize = 5;
/// Movements of money of an order in an answer with several; as many may be some of more.
pub(crate) const ORDERS_TRANSACTIONS: usize = 4;

/// An order with the first of everything that it has several of.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BegunOrder {
    line_items: Connection<LineNode>,
    #[serde(flatten)]
    order: OrderNode,
}

impl BegunOrder {
    /// The order, where that is all of it; otherwise its id, to read it page by page.
    pub(crate) fn whole(self) -> Result<impl Iterator<Item = Change>, OrderId> {
        let Self {
            order,
            line_items: Connection { nodes, page_info },
        } = self;
        let whole = !page_info.has_next_page
            && order.fulfillments() < ORDERS_FULFILLMENTS
            && order.transactions() < ORDERS_TRANSACTIONS;
        if whole {
            Ok(order.changes(nodes))
        } else {
            Err(order.id())
        }
    }
}

impl OrderNode {
    pub(crate) fn id(&self) -> OrderId {
        self.id
    }

    /// How many there are in the answer.
    pub(crate) fn fulfillments(&self) -> usize {
        self.fulfillments.len()
    }

    /// How many there are in the answer.
    pub(crate) fn transactions(&self) -> usize {
        self.transactions.len()
    }

    pub(crate) fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    /// The order, where names were asked for preceded by its customer.
    pub(crate) fn changes(self, lines: Vec<LineNode>) -> impl Iterator<Item = Change> {
        let (customer_id, customer) = match self.customer {
            Some(Buyer::Named(customer)) => (Some(customer.id), Some(customer.change())),
            Some(Buyer::Unnamed(customer)) => (Some(customer.id), None),
            None => (None, None),
        };
        let financial_status = self
            .display_financial_status
            .map(|status| status.to_lowercase());
        let fulfillment_status = webhooks_word(&self.display_fulfillment_status);
        let sent = self.fulfillments.iter().map(|one| order::Sent {
            cancelled: one.status == "CANCELLED",
            delivered: one.display_status.as_deref() == Some("DELIVERED"),
        });
        let status = order::status(
            self.cancelled_at.is_some(),
            financial_status.as_deref(),
            fulfillment_status.as_deref(),
            sent,
        );
        let locations = self
            .fulfillments
            .iter()
            .filter_map(|one| one.location.as_ref())
            .chain(&self.retail_location);
        let lines = lines.into_iter().map(|line| record::OrderLine {
            id: line.id,
            variant_id: line.variant.map(|variant| variant.id),
            title: line.title,
            sku: stated(line.sku),
            quantity: line.current_quantity,
        });
        let payments = self.transactions.into_iter().filter_map(|one| {
            let MoneyOfCurrency {
                amount,
                currency_code,
            } = one.amount_set.shop_money;
            let outcome = order::outcome(&one.kind, &one.status)?;
            Some(record::Transaction {
                id: one.id,
                outcome,
                amount,
                currency: currency_code,
            })
        });
        let order = Change::Order(record::Order {
            id: self.id,
            name: self.name,
            customer_id,
            status,
            financial_status,
            fulfillment_status,
            total: self.current_total_price_set.shop_money.amount,
            currency: self.currency_code,
            channel: stated(self.source_name),
            locations: order::ascending(locations.map(|location| location.id)),
            lines: order::by_id(lines),
            payments: Some(order::payments(payments)),
            created_at: self.created_at,
            updated_at: self.updated_at,
        });
        customer.into_iter().chain([order])
    }
}

/// A fulfilment status as webhooks spell it: nothing while nothing was sent, and `partial`.
fn webhooks_word(display_status: &str) -> Option<String> {
    match display_status {
        "IN_PROGRESS"
        | "ON_HOLD"
        | "OPEN"
        | "PENDING_FULFILLMENT"
        | "REQUEST_DECLINED"
        | "SCHEDULED"
        | "UNFULFILLED" => None,
        "PARTIALLY_FULFILLED" => Some("partial".to_owned()),
        other => Some(other.to_lowercase()),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProductNode {
    id: ProductId,
    title: String,
    handle: String,
    vendor: String,
    #[serde(rename = "productType")]
    kind: String,
    status: String,
    updated_at: Timestamp,
}

impl ProductNode {
    pub(crate) fn updated_at(&self) -> Timestamp {
        self.updated_at
    }

    pub(crate) fn change(self, variants: Option<Vec<VariantId>>) -> Change {
        let product = record::Product {
            id: self.id,
            title: self.title,
            handle: self.handle,
            vendor: self.vendor,
            product_type: self.kind,
            status: self.status.to_lowercase(),
            updated_at: self.updated_at,
        };
        Change::Product { product, variants }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VariantNode {
    pub(crate) id: VariantId,
    title: String,
    sku: Option<String>,
    barcode: Option<String>,
    price: Money,
    inventory_policy: String,
    requires_components: bool,
    updated_at: Timestamp,
    inventory_item: ItemNode,
}

/// A variant that says of which product it is, which costs a point more.
#[derive(Deserialize)]
pub(crate) struct OwnedVariant {
    product: NodeId<ProductId>,
    #[serde(flatten)]
    variant: VariantNode,
}

impl VariantNode {
    /// The item, then the variant whose stock it is.
    pub(crate) fn changes(self, product_id: ProductId) -> [Change; 2] {
        let variant = record::Variant {
            id: self.id,
            product_id,
            title: self.title,
            sku: stated(self.sku),
            barcode: stated(self.barcode),
            price: self.price,
            continue_selling: self.inventory_policy == "CONTINUE",
            bundle: Some(self.requires_components),
            inventory_item_id: Some(self.inventory_item.id),
            updated_at: self.updated_at,
        };
        [self.inventory_item.change(), Change::Variant(variant)]
    }
}

impl OwnedVariant {
    pub(crate) fn changes(self) -> [Change; 2] {
        self.variant.changes(self.product.id)
    }
}
