//! The one door: everything that becomes true enters here, and what follows from it is appended to the log
//! in the same transaction.

use std::collections::{BTreeMap, BTreeSet};

use inventory::version::judge;
use inventory::{Authority, Crossing, HeldLevel, Verdict, level, order, threshold};
use jiff::{SignedDuration, ToSpan as _};
use schemas::event::{
    CustomerActivity, LevelChange, Notice, OrderChange, OrderChanged, PriceChange, ProductShape, Source,
};
use schemas::record::{Customer, InventoryItem, Level, Location, Order, Product, Variant};
use schemas::shape::{LevelShape, OrderShape};
use schemas::{
    Change, Event, InventoryItemId, LocationId, ProductId, RecordKey, RunState, ShopDomain, Timestamp,
};

use crate::operation::{Batch, Cause, Fate, Mark, Operation, Outcome};
use crate::tables::{Keep, Record, Result, Tables, Transaction};
use crate::{attempt, command};

/// Readings that may come back older than what we hold before the store's word is taken as final.
const VAIN_READINGS_MAX: u32 = 5;
/// For how long an app without the scope `read_all_orders` can see an order; the absence of an older one says
/// nothing (<https://shopify.dev/docs/api/usage/access-scopes>, API 2026-10).
const ORDERS_VISIBLE: SignedDuration = SignedDuration::from_hours(60 * 24);

/// Does one operation inside a transaction; on an error the caller rolls it back.
pub(crate) fn perform<T: Transaction>(transaction: &mut T, operation: &Operation) -> Result<Outcome> {
    let fresh = |fresh| Outcome { fresh, ..Outcome::default() };
    match operation {
        Operation::Accept(delivery) => transaction.accept(delivery).map(fresh),
        Operation::Apply(batch) => {
            let mut tables = transaction.shop(&batch.shop)?;
            apply(&mut tables, batch)
        }
        Operation::Command(given) => {
            let answer = command::perform(&mut transaction.shop(&given.shop)?, given)?;
            Ok(Outcome { fresh: answer.is_ok(), answer: Some(answer), ..Outcome::default() })
        }
        Operation::ExpireHolds { shop, at } => {
            let changed = command::expire(&mut transaction.shop(shop)?, *at)?;
            Ok(Outcome { fresh: changed > 0, changed, ..Outcome::default() })
        }
        Operation::FinishRun { shop, run, state, error, at } => {
            let mut tables = transaction.shop(shop)?;
            let Some(mut record) = tables.run(run)?.filter(|record| !record.run.state.is_over()) else {
                return Ok(fresh(false));
            };
            record.run.state = *state;
            record.run.error.clone_from(error);
            record.run.finished_at = Some(*at);
            tables.put_run(&record)?;
            if let (RunState::Completed, Some(until)) = (state, record.until) {
                tables.put_watermark(record.resource(), until)?;
            }
            tables.append(*at, &Event::ShopifySyncStatus(record.run))?;
            Ok(fresh(true))
        }
        Operation::KeepSession { id, rooms, at } => {
            transaction.keep_session(id, rooms, *at).map(|()| fresh(true))
        }
        Operation::Net { shop, effects, at } => {
            attempt::net(&mut transaction.shop(shop)?, effects, *at).map(|()| fresh(true))
        }
        Operation::Park { shop, at } => {
            let changed = attempt::park(&mut transaction.shop(shop)?, *at)?;
            Ok(Outcome { fresh: changed > 0, changed, ..Outcome::default() })
        }
        Operation::Prune(retention) => transaction.prune(retention).map(|()| fresh(true)),
        Operation::Register { shop, thresholds, at } => {
            let before = transaction.register(shop, thresholds)?;
            if before.as_ref().is_some_and(|before| before != thresholds) {
                judge_anew(&mut transaction.shop(shop)?, *at)?;
            }
            Ok(fresh(before.is_none()))
        }
        Operation::Reject { shop, effects, at } => {
            attempt::reject(&mut transaction.shop(shop)?, effects, *at).map(|()| fresh(true))
        }
        Operation::Revoke(revocation) => transaction.revoke(revocation).map(fresh),
        Operation::SettleAttempt { shop, id, end, at } => {
            attempt::settle(&mut transaction.shop(shop)?, id, end, *at).map(fresh)
        }
        Operation::StartAttempt { shop, attempt, effects } => {
            attempt::start(&mut transaction.shop(shop)?, attempt, effects).map(fresh)
        }
        Operation::StartRun(record) => {
            let mut tables = transaction.shop(&record.shop)?;
            if tables.run_under_way(record.resource())? {
                return Ok(fresh(false));
            }
            tables.put_run(record)?;
            tables.append(record.run.started_at, &Event::ShopifySyncStatus(record.run.clone()))?;
            Ok(fresh(true))
        }
    }
}

fn apply<T: Tables>(tables: &mut T, batch: &Batch) -> Result<Outcome> {
    let mut door = match &batch.cause {
        Cause::Webhook { id, fate } => {
            if !tables.is_pending(id)? {
                return Ok(Outcome::default());
            }
            tables.settle(id, fate)?;
            if *fate != Fate::Applied {
                return Ok(Outcome { fresh: true, ..Outcome::default() });
            }
            Door::new(tables, batch.at, Source::Webhook, false)
        }
        Cause::Run { run, .. } => {
            let Some(record) = tables.run(run)?.filter(|record| !record.run.state.is_over()) else {
                return Ok(Outcome::default());
            };
            Door::new(tables, batch.at, Source::Sync, record.first)
        }
        Cause::Read(marks) => {
            let mut door = Door::new(tables, batch.at, Source::Read, false);
            for (key, mark) in marks {
                door.reading(*key, *mark)?;
            }
            door
        }
    };
    for change in &batch.changes {
        door.change(change)?;
    }
    let outcome = door.finish()?;
    if let Cause::Run { run, progress } = &batch.cause
        && let Some(mut record) = tables.run(run)?
    {
        record.run.processed = progress.processed;
        record.run.total = progress.total;
        record.run.changed += outcome.changed;
        record.run.deleted += outcome.deleted;
        record.resume.clone_from(&progress.resume);
        record.until = progress.until.or(record.until);
        tables.put_run(&record)?;
    }
    Ok(outcome)
}

/// Thresholds changed: every level is judged against the new ones, and what it crosses by that is told.
fn judge_anew<T: Tables>(tables: &mut T, at: Timestamp) -> Result<()> {
    for mut held in tables.levels()? {
        let shape = shape(tables, &held)?;
        let crossing = judge_stock(&mut held, &shape);
        tables.put(&held)?;
        if let Some(crossing) = crossing {
            tables.append(at, &crossing_event(crossing, shape))?;
        }
    }
    Ok(())
}

/// The changes of one batch on their way in.
pub(crate) struct Door<'t, T> {
    tables: &'t mut T,
    at: Timestamp,
    source: Source,
    /// The command that causes it.
    command: Option<String>,
    /// A first import is one event, not one per record.
    silent: bool,
    outcome: Outcome,
    /// Records that were read alone, and whether everything that was said of them was taken.
    readings: BTreeMap<RecordKey, Reading>,
    /// Products to tell of, once each; `true` for new ones.
    products: BTreeMap<ProductId, bool>,
    /// Records that others refer to and that we may not hold.
    wanted: BTreeSet<RecordKey>,
}

struct Reading {
    authority: Authority,
    older: bool,
}

impl<'t, T: Tables> Door<'t, T> {
    pub(crate) fn new(tables: &'t mut T, at: Timestamp, source: Source, silent: bool) -> Self {
        Self {
            tables,
            at,
            source,
            command: None,
            silent,
            outcome: Outcome { fresh: true, ..Outcome::default() },
            readings: BTreeMap::new(),
            products: BTreeMap::new(),
            wanted: BTreeSet::new(),
        }
    }

    pub(crate) fn for_command(self, command: Option<String>) -> Self {
        Self { command, ..self }
    }

    /// A reading counts for more than a report only if nothing was heard of the record since it began.
    fn reading(&mut self, key: RecordKey, mark: Mark) -> Result<()> {
        if let Some((now, vain)) = self.tables.marked(key)?
            && now == mark
        {
            let authority = if vain < VAIN_READINGS_MAX { Authority::Read } else { Authority::LastRead };
            self.readings.insert(key, Reading { authority, older: false });
        }
        Ok(())
    }

    fn change(&mut self, change: &Change) -> Result<()> {
        match change {
            Change::Customer(customer) => self.customer(customer),
            Change::Gone(key) if self.readings.contains_key(key) => self.gone(*key),
            Change::Gone(key) | Change::LookAgain(key) => self.look_again(*key),
            Change::Item(item) => self.item(item),
            Change::Level(level) => self.level(level.clone(), false),
            Change::LevelAvailable { inventory_item_id, location_id, gid, available, updated_at } => {
                let held: Option<HeldLevel> = self.tables.find((*inventory_item_id, *location_id))?;
                let base = held.map_or_else(
                    || unseen_level(*inventory_item_id, *location_id, *updated_at),
                    |held| held.observed,
                );
                self.level(level::with_available(base, gid.clone(), *available, *updated_at), true)
            }
            Change::Location(location) => self.location(location),
            Change::Order(order) => self.order(order),
            Change::Product { product, variants } => self.product(product, variants.as_deref()),
            Change::Variant(variant) => self.variant(variant),
        }
    }

    /// Judges a record and, where it wins, puts it. Where only a read can tell, it is marked for one.
    fn judge<R: Record>(&mut self, mark: RecordKey, held: Option<&R>, said: &R) -> Result<Verdict>
    where
        T: Keep<R>,
    {
        let authority = self.readings.get(&mark).map_or(Authority::Report, |reading| reading.authority);
        let verdict = judge(held.map(|held| (held, held.updated_at())), (said, said.updated_at()), authority);
        match verdict {
            Verdict::Take => {
                self.tables.put(said)?;
                self.outcome.changed += 1;
            }
            Verdict::Unclear => self.look_again(mark)?,
            Verdict::Older => {
                if let Some(reading) = self.readings.get_mut(&mark) {
                    reading.older = true;
                }
            }
            Verdict::Same => {}
        }
        Ok(verdict)
    }

    fn customer(&mut self, said: &Customer) -> Result<()> {
        let held = self.tables.find(said.id)?;
        if self.judge(RecordKey::Customer(said.id), held.as_ref(), said)? == Verdict::Take {
            let activity = if held.is_some() { "updated" } else { "created" }.to_owned();
            self.tell(&Event::CustomerActivity(CustomerActivity { customer_id: said.id, activity }))?;
        }
        Ok(())
    }

    fn location(&mut self, said: &Location) -> Result<()> {
        let held = self.tables.find(said.id)?;
        let _ = self.judge(RecordKey::Location(said.id), held.as_ref(), said)?;
        Ok(())
    }

    fn order(&mut self, said: &Order) -> Result<()> {
        let held: Option<Order> = self.tables.find(said.id)?;
        if self.judge(RecordKey::Order(said.id), held.as_ref(), said)? == Verdict::Take {
            self.look_at_stock_of(said)?;
            let change = order::change(held.as_ref(), said);
            let previous =
                held.as_ref().map(|held| held.status).filter(|_| change == OrderChange::StatusChanged);
            let changed = OrderChanged {
                order: OrderShape { previous_status: previous, ..order_shape(said) },
                change,
                locations: said.locations.clone(),
            };
            self.tell(&match change {
                OrderChange::Created => Event::OrderCreated(changed),
                OrderChange::StatusChanged => Event::OrderStatusChanged(changed),
                _ => Event::OrderUpdated(changed),
            })?;
        }
        Ok(())
    }

    /// An order moves stock between quantities of which no level webhook tells, and only Shopify knows where.
    fn look_at_stock_of(&mut self, order: &Order) -> Result<()> {
        let variants: BTreeSet<_> = order.lines.iter().filter_map(|line| line.variant_id).collect();
        for id in variants {
            let variant: Option<Variant> = self.tables.find(id)?;
            let Some(item) = variant.and_then(|variant| variant.inventory_item_id) else { continue };
            for level in self.tables.levels_of(item)? {
                let location = level.observed.location_id;
                if order.locations.is_empty() || order.locations.contains(&location) {
                    self.look_again(RecordKey::Level(item, location))?;
                }
            }
        }
        Ok(())
    }

    fn product(&mut self, said: &Product, variants: Option<&[schemas::VariantId]>) -> Result<()> {
        let key = RecordKey::Product(said.id);
        let held: Option<Product> = self.tables.find(said.id)?;
        let verdict = self.judge(key, held.as_ref(), said)?;
        // Shopify touches a product's time on every order and stock change; that is no news of the product.
        let content = |product: &Product| Product { updated_at: Timestamp::UNIX_EPOCH, ..product.clone() };
        if verdict == Verdict::Take && held.as_ref().map(content) != Some(content(said)) {
            self.products.insert(said.id, held.is_none());
        }
        if let (Verdict::Take | Verdict::Same, Some(variants)) = (verdict, variants) {
            let gone: Vec<Variant> = self.tables.variants_of(said.id)?;
            for variant in gone.into_iter().filter(|held| !variants.contains(&held.id)) {
                // Absence is not deletion: only a read of this very product makes it so.
                if self.readings.contains_key(&key) {
                    self.delete_variant(&variant)?;
                    self.products.entry(said.id).or_insert(false);
                } else {
                    self.look_again(key)?;
                }
            }
        }
        Ok(())
    }

    fn variant(&mut self, said: &Variant) -> Result<()> {
        let key = RecordKey::Product(said.product_id);
        let held: Option<Variant> = self.tables.find(said.id)?;
        let said = Variant {
            inventory_item_id: said.inventory_item_id.or_else(|| held.as_ref()?.inventory_item_id),
            bundle: said.bundle.or_else(|| held.as_ref()?.bundle),
            ..said.clone()
        };
        if self.judge(key, held.as_ref(), &said)? != Verdict::Take {
            return Ok(());
        }
        self.wanted.insert(key);
        self.wanted.extend(said.inventory_item_id.map(RecordKey::Item));
        let content = |variant: &Variant| Variant { updated_at: Timestamp::UNIX_EPOCH, ..variant.clone() };
        if held.as_ref().map(content) != Some(content(&said)) {
            self.products.entry(said.product_id).or_insert(false);
        }
        match held {
            Some(held) if held.price != said.price => self.tell(&Event::ProductPriceChanged(PriceChange {
                product_id: said.product_id,
                variant_id: said.id,
                sku: said.sku,
                previous_price: held.price,
                price: said.price,
            })),
            _ => Ok(()),
        }
    }

    fn item(&mut self, said: &InventoryItem) -> Result<()> {
        let held: Option<InventoryItem> = self.tables.find(said.id)?;
        let verdict = self.judge(RecordKey::Item(said.id), held.as_ref(), said)?;
        if verdict == Verdict::Take && held.is_none_or(|held| held.tracked != said.tracked) {
            for mut level in self.tables.levels_of(said.id)? {
                let shape = shape(self.tables, &level)?;
                let _silent = judge_stock(&mut level, &shape);
                self.tables.put(&level)?;
            }
        }
        Ok(())
    }

    /// `available_only`: the other quantities are yet to be read.
    fn level(&mut self, mut said: Level, available_only: bool) -> Result<()> {
        let (item, location) = (said.inventory_item_id, said.location_id);
        let key = RecordKey::Level(item, location);
        let held: Option<HeldLevel> = self.tables.find((item, location))?;
        let flight = self.tables.flight(item, location)?;
        // While an attempt changes it, and until a reading after the answer, what is heard of a level is put aside.
        if flight.as_ref().is_some_and(|flight| !flight.answered || !self.readings.contains_key(&key)) {
            return self.look_again(key);
        }
        said.gid = said.gid.or_else(|| held.as_ref()?.observed.gid.clone());
        let held_or_new =
            held.clone().unwrap_or_else(|| HeldLevel::new(unseen_level(item, location, self.at)));
        let mut now = HeldLevel { observed: said, ..held_or_new };
        match self.judge(key, held.as_ref(), &now)? {
            Verdict::Take => {}
            Verdict::Same if flight.is_some() => {}
            Verdict::Same | Verdict::Older | Verdict::Unclear => return Ok(()),
        }
        match (&flight, &held) {
            (Some(_), _) => now.pending -= self.tables.settle_level(item, location)?,
            (None, Some(held)) => self.watch_holds(held, &now)?,
            (None, None) => {}
        }
        if available_only {
            self.look_again(key)?;
        }
        self.wanted.extend([RecordKey::Item(item), RecordKey::Location(location)]);
        self.tell_level(held.as_ref(), now).map(drop)
    }

    /// Somebody else gave back what we hold: Shopify's own checkout may sell it now.
    fn watch_holds(&mut self, held: &HeldLevel, now: &HeldLevel) -> Result<()> {
        let reserved = now.observed.quantities.reserved;
        if reserved >= held.observed.quantities.reserved {
            return Ok(());
        }
        let (item, location) = now.key();
        let ours = self.tables.held_at(item, location)?;
        if reserved >= ours {
            return Ok(());
        }
        let message = format!(
            "item {item} at location {location}: {ours} units are held here and only {reserved} are reserved at Shopify"
        );
        tracing::warn!(shop.domain = %self.tables.shop(), item.id = %item, location.id = %location, ours, reserved, "Shopify holds less than we do");
        self.tell(&Event::SystemAlert(Notice {
            user_id: None,
            title: "Holds were undone at Shopify".to_owned(),
            message,
        }))
    }

    /// Judges a level, puts it, and tells of it where there is something to tell: the level as clients see it.
    pub(crate) fn tell_level(&mut self, held: Option<&HeldLevel>, mut now: HeldLevel) -> Result<LevelShape> {
        let shape = shape(self.tables, &now)?;
        let crossing = judge_stock(&mut now, &shape);
        self.tables.put(&now)?;
        let news = held.is_none_or(|held| {
            (held.observed.quantities, held.observed.active, held.pending)
                != (now.observed.quantities, now.observed.active, now.pending)
        });
        if news {
            self.tell(&Event::InventoryUpdated(LevelChange {
                level: shape.clone(),
                previous_available: held.map(HeldLevel::available),
                source: self.source,
                command_id: self.command.clone(),
            }))?;
        }
        if let Some(crossing) = crossing {
            self.tell(&crossing_event(crossing, shape.clone()))?;
        }
        Ok(shape)
    }

    fn gone(&mut self, key: RecordKey) -> Result<()> {
        let deleted = self.outcome.deleted;
        self.outcome.deleted += 1;
        match key {
            RecordKey::Customer(id) => {
                if Keep::<Customer>::find(self.tables, id)?.is_some() {
                    Keep::<Customer>::delete(self.tables, id)?;
                    let activity = "deleted".to_owned();
                    return self
                        .tell(&Event::CustomerActivity(CustomerActivity { customer_id: id, activity }));
                }
            }
            RecordKey::Item(id) => {
                if Keep::<InventoryItem>::find(self.tables, id)?.is_some() {
                    return self.delete_item(id);
                }
            }
            RecordKey::Level(item, location) => {
                self.tables.settle_level(item, location)?;
                if let Some(held) = Keep::<HeldLevel>::find(self.tables, (item, location))? {
                    return self.delete_level(&held);
                }
            }
            RecordKey::Location(id) => {
                if Keep::<Location>::find(self.tables, id)?.is_some() {
                    return Keep::<Location>::delete(self.tables, id);
                }
            }
            RecordKey::Order(id) => {
                if let Some(order) = Keep::<Order>::find(self.tables, id)?
                    && self.at.duration_since(order.created_at) < ORDERS_VISIBLE
                {
                    Keep::<Order>::delete(self.tables, id)?;
                    let locations = order.locations.clone();
                    let (order, change) = (order_shape(&order), OrderChange::Deleted);
                    return self.tell(&Event::OrderDeleted(OrderChanged { order, change, locations }));
                }
            }
            RecordKey::Product(id) => {
                if let Some(product) = Keep::<Product>::find(self.tables, id)? {
                    for variant in self.tables.variants_of(id)? {
                        self.delete_variant(&variant)?;
                    }
                    Keep::<Product>::delete(self.tables, id)?;
                    return self.tell(&Event::ProductDeleted(product_shape(product)));
                }
            }
        }
        self.outcome.deleted = deleted;
        Ok(())
    }

    fn delete_variant(&mut self, variant: &Variant) -> Result<()> {
        Keep::<Variant>::delete(self.tables, variant.id)?;
        variant.inventory_item_id.map_or(Ok(()), |item| self.delete_item(item))
    }

    fn delete_item(&mut self, item: InventoryItemId) -> Result<()> {
        for level in self.tables.levels_of(item)? {
            self.delete_level(&level)?;
        }
        Keep::<InventoryItem>::delete(self.tables, item)
    }

    /// Tells of a level that is no more as one that is no longer active.
    fn delete_level(&mut self, held: &HeldLevel) -> Result<()> {
        let (item, location) = held.key();
        attempt::abandon(self.tables, item, location, self.at)?;
        let level = LevelShape { active: false, ..shape(self.tables, held)? };
        Keep::<HeldLevel>::delete(self.tables, held.key())?;
        self.tell(&Event::InventoryUpdated(LevelChange {
            previous_available: Some(level.available),
            level,
            source: self.source,
            command_id: None,
        }))
    }

    fn look_again(&mut self, key: RecordKey) -> Result<()> {
        self.readings.remove(&key);
        self.tables.mark(key, self.at)
    }

    fn tell(&mut self, event: &Event) -> Result<()> {
        if self.silent { Ok(()) } else { self.tables.append(self.at, event) }
    }

    /// Tells of products, marks what is missing, and settles the readings.
    fn finish(mut self) -> Result<Outcome> {
        for (id, new) in std::mem::take(&mut self.products) {
            if let Some(product) = Keep::<Product>::find(self.tables, id)? {
                let shape = product_shape(product);
                self.tell(&if new { Event::ProductCreated(shape) } else { Event::ProductUpdated(shape) })?;
            }
        }
        for key in std::mem::take(&mut self.wanted) {
            let held = match key {
                RecordKey::Item(id) => Keep::<InventoryItem>::find(self.tables, id)?.is_some(),
                RecordKey::Location(id) => Keep::<Location>::find(self.tables, id)?.is_some(),
                RecordKey::Product(id) => Keep::<Product>::find(self.tables, id)?.is_some(),
                RecordKey::Customer(_) | RecordKey::Level(..) | RecordKey::Order(_) => true,
            };
            if !held && self.tables.marked(key)?.is_none() {
                self.tables.mark(key, self.at)?;
            }
        }
        for (key, reading) in std::mem::take(&mut self.readings) {
            if reading.older {
                self.tables.postpone(key, self.at.saturating_add(1.second()).unwrap_or(self.at))?;
            } else {
                self.tables.unmark(key)?;
            }
        }
        Ok(self.outcome)
    }
}

fn unseen_level(inventory_item_id: InventoryItemId, location_id: LocationId, updated_at: Timestamp) -> Level {
    let quantities = schemas::Quantities::default();
    Level { inventory_item_id, location_id, gid: None, active: true, quantities, updated_at }
}

/// Judges a level's stock. One that does not count, untracked or inactive, crosses nothing and starts afresh
/// when it counts again.
fn judge_stock(held: &mut HeldLevel, shape: &LevelShape) -> Option<Crossing> {
    if !(shape.tracked && shape.active) {
        held.status = None;
        return None;
    }
    let before = held.status.replace(shape.status);
    threshold::crossing(before, shape.status)
}

fn crossing_event(crossing: Crossing, level: LevelShape) -> Event {
    match crossing {
        Crossing::Low => Event::InventoryLowStock(level),
        Crossing::Out => Event::InventoryOutOfStock(level),
        Crossing::Restocked => Event::InventoryRestocked(level),
    }
}

pub(crate) fn shape<T: Tables>(tables: &T, held: &HeldLevel) -> Result<LevelShape> {
    let (item_id, location_id) = held.key();
    let item: Option<InventoryItem> = tables.find(item_id)?;
    let location: Option<Location> = tables.find(location_id)?;
    let variant = tables.variant_of(item_id)?;
    let product: Option<Product> = match &variant {
        Some(variant) => tables.find(variant.product_id)?,
        None => None,
    };
    let threshold = tables.thresholds().of(item_id, location_id, product.as_ref().map(|p| p.vendor.as_str()));
    Ok(level_shape(tables.shop(), held, item, variant, product, location, threshold))
}

/// Puts a level's shape together from the records it refers to, as far as they are known.
pub(crate) fn level_shape(
    shop: &ShopDomain,
    held: &HeldLevel,
    item: Option<InventoryItem>,
    variant: Option<Variant>,
    product: Option<Product>,
    location: Option<Location>,
    threshold: i64,
) -> LevelShape {
    let title = product.map(|product| match &variant {
        Some(variant) if variant.title != "Default Title" => format!("{} – {}", product.title, variant.title),
        _ => product.title,
    });
    LevelShape {
        shop: shop.clone(),
        inventory_item_id: held.observed.inventory_item_id,
        product_id: variant.as_ref().map(|variant| variant.product_id),
        variant_id: variant.as_ref().map(|variant| variant.id),
        title,
        // An item that we have not read yet is taken for tracked: a wrong alarm is better than none.
        tracked: item.as_ref().is_none_or(|item| item.tracked),
        sku: item.and_then(|item| item.sku).or_else(|| variant?.sku),
        location_id: held.observed.location_id,
        location_name: location.map(|location| location.name),
        active: held.observed.active,
        available: held.available(),
        quantities: held.observed.quantities.into(),
        pending: held.pending,
        threshold,
        status: threshold::status(held.available(), threshold),
        updated_at: held.observed.updated_at,
    }
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

fn product_shape(product: Product) -> ProductShape {
    ProductShape {
        product_id: product.id,
        title: product.title,
        vendor: product.vendor,
        status: product.status,
        updated_at: product.updated_at,
    }
}
