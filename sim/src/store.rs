//! The shop's truth and everything that can be done to it; each action leaves notices for the webhooks.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

use crate::bulk::{BulkRun, BulkStatus};
use crate::clock::to_second;
use crate::record::{
    AVAILABLE, Item, STATES, SimCustomer, SimLevel, SimLocation, SimOrder, SimProduct, SimShopRow,
    SimSubscription, SimVariant,
};
use crate::scope::{ALL, Scopes};
use crate::table::RecordTable;
use crate::topic::{SimTopic, TopicNotice, TopicSubject};
use crate::transfer::SimTransfer;

/// Quantities are kept within what Shopify accepts in one write.
pub(crate) const MAX_QUANTITY: i64 = 1_000_000_000;

/// What is unknown about the real one; [`crate::Options`] explains each.
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, not states"
)]
pub(crate) struct StoreSwitches {
    pub(crate) committed_moves_updated_at: bool,
    pub(crate) committed_sends_webhook: bool,
    pub(crate) batch_atomic: bool,
    pub(crate) move_below_zero: bool,
    pub(crate) unstocked_write_stocks: bool,
    pub(crate) bulk_parent_nearest: bool,
    pub(crate) denied_is_null_in_bulk: bool,
    pub(crate) stock_moves_item_updated_at: bool,
    pub(crate) stock_moves_product_updated_at: bool,
    pub(crate) duplicate_pairs_refused: bool,
    /// Seconds by which the search index lags behind.
    pub(crate) search_lag: u32,
    pub(crate) max_listed: usize,
}

#[cfg(test)]
impl Default for StoreSwitches {
    fn default() -> Self {
        crate::switches(&crate::Options::default())
    }
}

/// Why something was not done, and which input is to blame.
#[derive(Debug)]
pub(crate) struct ChangeRefused {
    pub(crate) field: Cow<'static, str>,
    pub(crate) message: String,
}

impl ChangeRefused {
    pub(crate) fn new(field: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

pub(crate) struct SimStore {
    pub(crate) shop: SimShopRow,
    pub(crate) scopes: Scopes,
    pub(crate) products: RecordTable<SimProduct>,
    pub(crate) variants: RecordTable<SimVariant>,
    pub(crate) items: RecordTable<Item>,
    pub(crate) locations: RecordTable<SimLocation>,
    /// By location, then by item.
    pub(crate) levels: BTreeMap<u64, RecordTable<SimLevel>>,
    pub(crate) orders: RecordTable<SimOrder>,
    pub(crate) customers: RecordTable<SimCustomer>,
    pub(crate) subscriptions: RecordTable<SimSubscription>,
    pub(crate) operations: RecordTable<BulkRun>,
    pub(crate) transfers: BTreeMap<u64, SimTransfer>,
    pub(crate) items_by_sku: HashMap<String, u64>,
    pub(crate) switches: StoreSwitches,
    last_id: u64,
    pub(crate) last_order: u64,
    event: u64,
    notices: Vec<TopicNotice>,
}

/// What a new product is made of.
pub(crate) struct Draft {
    pub(crate) title: String,
    pub(crate) vendor: String,
    pub(crate) kind: String,
    /// Per variant: title, SKU, price in cents, whether it may be oversold.
    pub(crate) variants: Vec<(String, String, i64, bool)>,
}

impl SimStore {
    pub(crate) fn new(domain: String, switches: StoreSwitches, first_id: u64) -> Self {
        Self {
            shop: SimShopRow {
                id: first_id,
                name: domain.split('.').next().unwrap_or_default().to_owned(),
                domain,
            },
            scopes: Scopes::new(ALL.map(str::to_owned).to_vec()),
            products: RecordTable::default(),
            variants: RecordTable::default(),
            items: RecordTable::default(),
            locations: RecordTable::default(),
            levels: BTreeMap::new(),
            orders: RecordTable::default(),
            customers: RecordTable::default(),
            subscriptions: RecordTable::default(),
            operations: RecordTable::default(),
            transfers: BTreeMap::new(),
            items_by_sku: HashMap::new(),
            switches,
            last_id: first_id,
            last_order: 1000,
            event: 0,
            notices: Vec::new(),
        }
    }

    /// A fresh id; no two records of any kind share one, so that mixing them up shows.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 32_769;
        self.last_id
    }

    /// Takes what is to be told since the last call.
    pub(crate) fn take_notices(&mut self) -> Vec<TopicNotice> {
        std::mem::take(&mut self.notices)
    }

    pub(crate) fn level(&self, item: u64, location: u64) -> Option<&SimLevel> {
        self.levels.get(&location)?.find(item)
    }

    /// The item's levels, by location.
    pub(crate) fn levels_of(&self, item: u64) -> impl DoubleEndedIterator<Item = &SimLevel> {
        self.levels
            .values()
            .filter_map(move |levels| levels.find(item))
    }

    /// The item's levels from which it can be sold: active ones at active locations.
    pub(crate) fn selling_levels_of(&self, item: u64) -> impl Iterator<Item = &SimLevel> {
        self.levels_of(item).filter(|level| {
            level.active
                && self
                    .locations
                    .find(level.location)
                    .is_some_and(|place| place.active)
        })
    }

    /// Whether the level's item would still be stocked somewhere without it.
    pub(crate) fn can_deactivate(&self, level: &SimLevel) -> bool {
        level.active
            && self
                .levels_of(level.item)
                .filter(|level| level.active)
                .count()
                > 1
    }

    /// What is available of an item at all of them together.
    pub(crate) fn available(&self, item: u64) -> i64 {
        self.selling_levels_of(item)
            .map(|level| level.quantities[AVAILABLE])
            .sum()
    }

    /// What the app had going ends with it.
    pub(crate) fn end_app(&mut self) {
        self.subscriptions = RecordTable::default();
        let running = self
            .operations
            .iter()
            .filter(|row| !row.status.ended())
            .map(|row| row.id);
        for operation in running.collect::<Vec<_>>() {
            self.operations
                .edit(operation, |row| row.status = BulkStatus::Canceling);
        }
    }

    /// Adds a product with its variants and items, stocked nowhere yet.
    pub(crate) fn add_product(&mut self, draft: Draft, now: Timestamp) -> u64 {
        self.begin();
        let (id, at) = (self.next_id(), to_second(now));
        let mut variants = Vec::with_capacity(draft.variants.len());
        for (position, (title, sku, price, oversell)) in (1..).zip(draft.variants) {
            let (variant, item) = (self.next_id(), self.next_id());
            self.items_by_sku.insert(sku.clone(), item);
            self.items.insert(Item {
                id: item,
                variant,
                sku: sku.clone(),
                tracked: true,
                created_at: at,
                updated_at: at,
            });
            self.variants.insert(SimVariant {
                id: variant,
                product: id,
                item,
                title,
                barcode: format!("{:013}", 4_000_000_000_000 + item % 1_000_000_000_000),
                sku,
                price,
                position,
                oversell,
                bundle: false,
                created_at: at,
                updated_at: at,
            });
            variants.push(variant);
            self.tell(
                SimTopic::INVENTORY_ITEMS_CREATE,
                TopicSubject::Item(item),
                now,
            );
        }
        self.products.insert(SimProduct {
            id,
            handle: format!("{}-{id}", draft.title.to_lowercase().replace(' ', "-")),
            title: draft.title,
            vendor: draft.vendor,
            tags: vec![draft.kind.to_lowercase()],
            kind: draft.kind,
            variants,
            created_at: at,
            updated_at: at,
        });
        self.tell(SimTopic::PRODUCTS_CREATE, TopicSubject::Product(id), now);
        id
    }

    /// Renames a product or sets the price in cents of all its variants.
    pub(crate) fn edit_product(
        &mut self,
        id: u64,
        title: Option<String>,
        price: Option<i64>,
        now: Timestamp,
    ) -> Result<(), ChangeRefused> {
        self.begin();
        let at = to_second(now);
        let edit = |product: &mut SimProduct| {
            if let Some(title) = title {
                product.title = title;
            }
            product.updated_at = at;
            product.variants.clone()
        };
        let variants = self.products.edit(id, edit).ok_or_else(no_product)?;
        if let Some(price) = price {
            for variant in variants {
                self.variants.edit(variant, |variant| {
                    variant.price = price;
                    variant.updated_at = at;
                });
            }
        }
        self.tell(SimTopic::PRODUCTS_UPDATE, TopicSubject::Product(id), now);
        Ok(())
    }

    pub(crate) fn rename_sku(
        &mut self,
        item: u64,
        sku: String,
        now: Timestamp,
    ) -> Result<(), ChangeRefused> {
        self.begin();
        let at = to_second(now);
        let edit = |row: &mut Item| {
            row.updated_at = at;
            (row.variant, std::mem::replace(&mut row.sku, sku.clone()))
        };
        let (variant, old) = self
            .items
            .edit(item, edit)
            .ok_or_else(|| ChangeRefused::new("inventoryItemId", "no such item"))?;
        self.items_by_sku.remove(&old);
        self.items_by_sku.insert(sku.clone(), item);
        self.variants.edit(variant, |variant| {
            variant.sku = sku;
            variant.updated_at = at;
        });
        self.tell(
            SimTopic::INVENTORY_ITEMS_UPDATE,
            TopicSubject::Item(item),
            now,
        );
        Ok(())
    }

    /// Whether the item's stock is counted from now on.
    pub(crate) fn set_tracked(
        &mut self,
        item: u64,
        tracked: bool,
        now: Timestamp,
    ) -> Result<(), ChangeRefused> {
        self.begin();
        let edit = |row: &mut Item| {
            row.tracked = tracked;
            row.updated_at = to_second(now);
        };
        self.items
            .edit(item, edit)
            .ok_or_else(|| ChangeRefused::new("inventoryItemId", "no such item"))?;
        self.tell(
            SimTopic::INVENTORY_ITEMS_UPDATE,
            TopicSubject::Item(item),
            now,
        );
        Ok(())
    }

    /// From now on the item's variant is put together from others.
    pub(crate) fn make_bundle(&mut self, item: u64, now: Timestamp) -> Result<(), ChangeRefused> {
        self.begin();
        let variant = self
            .items
            .find(item)
            .ok_or_else(|| ChangeRefused::new("inventoryItemId", "no such item"))?
            .variant;
        let product = self.variants.edit(variant, |variant| {
            variant.bundle = true;
            variant.updated_at = to_second(now);
            variant.product
        });
        if let Some(product) = product {
            self.products
                .edit(product, |product| product.updated_at = to_second(now));
            self.tell(
                SimTopic::PRODUCTS_UPDATE,
                TopicSubject::Product(product),
                now,
            );
        }
        Ok(())
    }

    pub(crate) fn is_bundle(&self, item: u64) -> bool {
        let variant = self
            .items
            .find(item)
            .and_then(|item| self.variants.find(item.variant));
        variant.is_some_and(|variant| variant.bundle)
    }

    pub(crate) fn delete_product(&mut self, id: u64, now: Timestamp) -> Result<(), ChangeRefused> {
        self.begin();
        let product = self.products.remove(id).ok_or_else(no_product)?;
        for variant in product.variants {
            let Some(variant) = self.variants.remove(variant) else {
                continue;
            };
            self.items.remove(variant.item);
            self.items_by_sku.remove(&variant.sku);
            for levels in self.levels.values_mut() {
                levels.remove(variant.item);
            }
            self.tell(
                SimTopic::INVENTORY_ITEMS_DELETE,
                TopicSubject::Gone(variant.item),
                now,
            );
        }
        self.tell(SimTopic::PRODUCTS_DELETE, TopicSubject::Gone(id), now);
        Ok(())
    }

    /// Stocks an item at a location; one stocked there before comes back with its numbers.
    pub(crate) fn connect(
        &mut self,
        item: u64,
        location: u64,
        available: i64,
        now: Timestamp,
    ) -> Result<(), ChangeRefused> {
        self.begin();
        self.items
            .find(item)
            .ok_or_else(|| ChangeRefused::new("inventoryItemId", "no such item"))?;
        let levels = self.levels.get_mut(&location).ok_or_else(no_location)?;
        let back = levels.edit(item, |level| {
            level.active = true;
            level.updated_at = to_second(now);
        });
        if back.is_none() {
            self.add_level(item, location, available, true, now)?;
        }
        self.tell(
            SimTopic::INVENTORY_LEVELS_CONNECT,
            TopicSubject::Level { item, location },
            now,
        );
        Ok(())
    }

    /// A level where there was none; nobody is told.
    pub(crate) fn add_level(
        &mut self,
        item: u64,
        location: u64,
        available: i64,
        active: bool,
        now: Timestamp,
    ) -> Result<(), ChangeRefused> {
        let number = self
            .locations
            .find(location)
            .map(|location| location.level_number);
        let (levels, number) = self
            .levels
            .get_mut(&location)
            .zip(number)
            .ok_or_else(no_location)?;
        let (mut quantities, at) = ([0; STATES.len()], to_second(now));
        quantities[AVAILABLE] = available.clamp(-MAX_QUANTITY, MAX_QUANTITY);
        levels.insert(SimLevel {
            item,
            location,
            number,
            active,
            quantities,
            available_updated_at: at,
            created_at: at,
            updated_at: at,
        });
        Ok(())
    }

    /// Stops stocking an item at a location; the level stays, inactive, with its numbers.
    pub(crate) fn disconnect(
        &mut self,
        item: u64,
        location: u64,
        now: Timestamp,
    ) -> Result<(), ChangeRefused> {
        self.begin();
        let levels = self.levels.get_mut(&location).ok_or_else(no_location)?;
        let edit = |level: &mut SimLevel| {
            level.active = false;
            level.updated_at = to_second(now);
        };
        levels
            .edit(item, edit)
            .ok_or_else(|| ChangeRefused::new("inventoryItemId", "not stocked there"))?;
        self.tell(
            SimTopic::INVENTORY_LEVELS_DISCONNECT,
            TopicSubject::Disconnected { item, location },
            now,
        );
        Ok(())
    }

    /// Changes one quantity of a level by `delta`, or for `on_hand` its available part.
    pub(crate) fn adjust(
        &mut self,
        item: u64,
        location: u64,
        name: &str,
        delta: i64,
        now: Timestamp,
    ) -> Result<(), ChangeRefused> {
        self.begin();
        let state = match name {
            "on_hand" => AVAILABLE,
            _ => STATES
                .iter()
                .position(|state| *state == name)
                .ok_or_else(|| {
                    ChangeRefused::new(
                        "name",
                        format!("{name:?} is none of {}, on_hand", STATES.join(", ")),
                    )
                })?,
        };
        self.change_level(item, location, &[(state, delta)], now)
    }

    /// Changes what is given of a customer, and says so.
    pub(crate) fn update_customer(
        &mut self,
        id: u64,
        first_name: Option<String>,
        last_name: Option<String>,
        now: Timestamp,
    ) -> Result<(), ChangeRefused> {
        self.begin();
        let updated = self.customers.edit(id, |customer| {
            for (name, new) in [
                (&mut customer.first_name, first_name),
                (&mut customer.last_name, last_name),
            ] {
                *name = new.map_or_else(|| name.clone(), Cow::Owned);
            }
            customer.updated_at = to_second(now);
        });
        updated.ok_or_else(|| ChangeRefused::new("id", "no such customer"))?;
        self.tell(SimTopic::CUSTOMERS_UPDATE, TopicSubject::Customer(id), now);
        Ok(())
    }

    pub(crate) fn delete_customer(&mut self, id: u64, now: Timestamp) -> Result<(), ChangeRefused> {
        self.begin();
        self.customers
            .remove(id)
            .ok_or_else(|| ChangeRefused::new("id", "no such customer"))?;
        self.tell(SimTopic::CUSTOMERS_DELETE, TopicSubject::Gone(id), now);
        Ok(())
    }

    /// Changes quantities of a level, by [`STATES`], and tells of it.
    pub(crate) fn change_level(
        &mut self,
        item: u64,
        location: u64,
        changes: &[(usize, i64)],
        now: Timestamp,
    ) -> Result<(), ChangeRefused> {
        let at = to_second(now);
        let sold = changes
            .iter()
            .any(|(state, delta)| *state == AVAILABLE && *delta != 0);
        let dated = sold || self.switches.committed_moves_updated_at;
        let before = if sold { self.available(item) } else { 0 };
        let levels = self.levels.get_mut(&location).ok_or_else(no_location)?;
        let edit = |level: &mut SimLevel| {
            for (state, delta) in changes {
                let quantity = &mut level.quantities[*state];
                *quantity = quantity
                    .saturating_add(*delta)
                    .clamp(-MAX_QUANTITY, MAX_QUANTITY);
            }
            if sold {
                level.available_updated_at = at;
            }
            if dated {
                level.updated_at = at;
            }
        };
        levels
            .edit(item, edit)
            .ok_or_else(|| ChangeRefused::new("inventoryItemId", "not stocked there"))?;
        if sold || self.switches.committed_sends_webhook {
            self.tell(
                SimTopic::INVENTORY_LEVELS_UPDATE,
                TopicSubject::Level { item, location },
                now,
            );
        }
        if self.switches.stock_moves_item_updated_at {
            self.items.edit(item, |item| item.updated_at = at);
        }
        if sold {
            let (before, after) = (before > 0, self.available(item) > 0);
            let variant = self.items.find(item).map(|item| item.variant);
            if let Some(variant) = variant.filter(|_| before != after) {
                let topic = if after {
                    SimTopic::VARIANTS_IN_STOCK
                } else {
                    SimTopic::VARIANTS_OUT_OF_STOCK
                };
                self.tell(topic, TopicSubject::Variant(variant), now);
            }
            self.touch_product_of(item, now);
        }
        Ok(())
    }

    /// Shopify tells `products/update` of stock changes too.
    fn touch_product_of(&mut self, item: u64, now: Timestamp) {
        let variant = self
            .items
            .find(item)
            .and_then(|item| self.variants.find(item.variant));
        let Some(product) = variant.map(|variant| variant.product) else {
            return;
        };
        if self.switches.stock_moves_product_updated_at {
            self.products
                .edit(product, |product| product.updated_at = to_second(now));
        }
        self.tell(
            SimTopic::PRODUCTS_UPDATE,
            TopicSubject::Product(product),
            now,
        );
    }

    /// Begins an action: what is told until the next one shares an event.
    pub(crate) fn begin(&mut self) {
        self.event += 1;
    }

    pub(crate) fn tell(&mut self, topic: SimTopic, subject: TopicSubject, now: Timestamp) {
        let event = self.event;
        let mut told = self
            .notices
            .iter()
            .rev()
            .take_while(|notice| notice.event == event);
        if !told.any(|notice| notice.topic == topic && notice.subject == subject) {
            self.notices.push(TopicNotice {
                topic,
                subject,
                event,
                triggered_at: now,
            });
        }
    }
}

pub(crate) fn no_location() -> ChangeRefused {
    ChangeRefused::new("locationId", "no such location")
}

fn no_product() -> ChangeRefused {
    ChangeRefused::new("id", "no such product")
}
