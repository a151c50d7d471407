//! Records as clients see them.

use crate::{HeldLevel, Thresholds, threshold};
use schemas::ShopDomain;
use schemas::event::{OrderChange, OrderChanged, ProductShape};
use schemas::record::{Customer, InventoryItem, Location, Order, Product, Variant};
use schemas::shape::{LevelShape, OrderShape, StockStatus};

use crate::working_set::{Decided, ShopSet};

/// What a level refers to, as far as it is known.
pub struct References {
    /// The inventory item of the level.
    pub item: Option<InventoryItem>,
    /// Its variant; the lowest one where several share the item.
    pub variant: Option<Variant>,
    /// The variant's product.
    pub product: Option<Product>,
    /// The location of the level.
    pub location: Option<Location>,
}

impl References {
    /// Whether a level's location sells: one that was deactivated does not, whatever its levels say of themselves.
    fn is_open(&self) -> bool {
        self.location
            .as_ref()
            .is_none_or(|location| location.active)
    }

    /// How such a level's stock is; `None` where it does not count: nobody can buy it, or nobody counts it.
    fn standing(&self, thresholds: &Thresholds, held: &HeldLevel) -> Option<StockStatus> {
        let tracked = self.item.as_ref().is_none_or(|item| item.tracked);
        let sold = held.observed.active && self.is_open() && is_on_sale(self.product.as_ref());
        let threshold = self.threshold(thresholds, held);
        (tracked && sold).then(|| threshold::status(held.available(), threshold))
    }

    fn threshold(&self, thresholds: &Thresholds, held: &HeldLevel) -> i64 {
        let (item, location) = held.key();
        thresholds.of(
            item,
            location,
            self.product.as_ref().map(|product| product.vendor.as_str()),
        )
    }
}

/// Whether a product can be bought somewhere: drafts and archived ones cannot, and how much there is of them alarms nobody.
pub(crate) fn is_on_sale(product: Option<&Product>) -> bool {
    product.is_none_or(|product| !matches!(product.status.as_str(), "archived" | "draft"))
}

pub(crate) fn shape(set: &ShopSet<'_>, held: &HeldLevel) -> Decided<LevelShape> {
    Ok(level_shape(
        &set.domain,
        &set.thresholds,
        held,
        set.references(held.key())?,
    ))
}

/// How a level's stock is; `None` where it does not count: its item is not tracked, or nobody can buy it there.
pub(crate) fn standing(set: &ShopSet<'_>, held: &HeldLevel) -> Decided<Option<StockStatus>> {
    Ok(set.references(held.key())?.standing(&set.thresholds, held))
}

/// The same for a first import, for less: it does not ask whether the product is on sale and the location open. Neither
/// matters before the level's next change, and then both are asked.
pub(crate) fn first_standing(set: &ShopSet<'_>, held: &HeldLevel) -> Decided<Option<StockStatus>> {
    let (item_id, location_id) = held.key();
    let item: Option<InventoryItem> = set.find(item_id)?;
    if !held.observed.active || item.is_some_and(|item| !item.tracked) {
        return Ok(None);
    }
    let thresholds = &set.thresholds;
    let mut product: Option<Product> = None;
    if !thresholds.vendors.is_empty()
        && let Some(variant) = set.variant_of(item_id)?
    {
        product = set.find(variant.product_id)?;
    }
    let threshold = thresholds.of(
        item_id,
        location_id,
        product.as_ref().map(|p| p.vendor.as_str()),
    );
    Ok(Some(threshold::status(held.available(), threshold)))
}

/// A level's shape, and how its stock is where it counts.
pub(crate) fn shape_and_standing(
    shop: &ShopDomain,
    thresholds: &Thresholds,
    held: &HeldLevel,
    references: References,
) -> (LevelShape, Option<StockStatus>) {
    let standing = references.standing(thresholds, held);
    (level_shape(shop, thresholds, held, references), standing)
}

/// Puts a level's shape together.
pub fn level_shape(
    shop: &ShopDomain,
    thresholds: &Thresholds,
    held: &HeldLevel,
    references: References,
) -> LevelShape {
    let (inventory_item_id, location_id) = held.key();
    let threshold = references.threshold(thresholds, held);
    let active = held.observed.active && references.is_open();
    let References {
        item,
        variant,
        product,
        location,
    } = references;
    let title = product.map(|product| match &variant {
        Some(variant) if variant.title != "Default Title" => {
            format!("{} – {}", product.title, variant.title)
        }
        _ => product.title,
    });
    LevelShape {
        shop: shop.clone(),
        inventory_item_id,
        product_id: variant.as_ref().map(|variant| variant.product_id),
        variant_id: variant.as_ref().map(|variant| variant.id),
        title,
        // An item that we have not read yet is taken for tracked: a wrong alarm is better than none.
        tracked: item.as_ref().is_none_or(|item| item.tracked),
        sku: item.and_then(|item| item.sku).or_else(|| variant?.sku),
        location_id,
        location_name: location.map(|location| location.name),
        active,
        available: held.available(),
        quantities: held.observed.quantities.into(),
        pending: held.pending,
        threshold,
        status: threshold::status(held.available(), threshold),
        updated_at: held.observed.updated_at,
    }
}

/// An order and what changed, with its customer's name where that is known.
pub(crate) fn order_changed(
    set: &ShopSet<'_>,
    order: &Order,
    change: OrderChange,
) -> Decided<OrderChanged> {
    let customer: Option<Customer> = order.customer_id.map_or(Ok(None), |id| set.find(id))?;
    let customer_name = customer.and_then(|customer| customer.name);
    Ok(OrderChanged {
        order: order_shape(order),
        change,
        customer_name,
        locations: order.locations.clone(),
    })
}

fn order_shape(order: &Order) -> OrderShape {
    OrderShape {
        order_id: order.id,
        name: order.name.clone(),
        customer_id: order.customer_id,
        status: order.status,
        previous_status: None,
        financial_status: order.financial_status.clone(),
        fulfillment_status: order.fulfillment_status.clone(),
        total: order.total.clone(),
        currency: order.currency.clone(),
        channel: order.channel.clone(),
        item_count: order.lines.iter().map(|line| line.quantity).sum(),
        updated_at: order.updated_at,
    }
}

pub(crate) fn product_shape(product: Product) -> ProductShape {
    ProductShape {
        product_id: product.id,
        title: product.title,
        vendor: product.vendor,
        status: product.status,
        updated_at: product.updated_at,
    }
}
