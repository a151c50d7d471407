//! Changes on their way in: each is judged against what is held, and what follows from it is told.

use std::collections::{BTreeMap, BTreeSet};

use inventory::transfer::is_news;
use inventory::version::judge;
use inventory::{Authority, Crossing, HeldLevel, Verdict, level, order, threshold};
use jiff::{SignedDuration, ToSpan as _};
use schemas::event::{
    CustomerActivity, LevelChange, Notice, OrderChange, OrderChanged, Payment, PriceChange, Source,
    Transfer,
};
use schemas::record::{
    Customer, InventoryItem, Level, Location, Order, PaymentOutcome, Product, Transaction, Variant,
};
use schemas::shape::{LevelShape, OrderShape, StockStatus};
use schemas::{
    Change, EventData, InventoryItemId, LocationId, Logged, ProductId, RecordKey, RunId, RunKind,
    Timestamp, VariantId,
};

use crate::attempt;
use crate::drift::{Drifted, Wrong};
use crate::operation::{Mark, Outcome, RunRecord};
use crate::shape::{
    first_standing, is_on_sale, order_changed, product_shape, shape, shape_and_standing, standing,
};
use crate::tables::{Keep, Record, Result, Tables, Tries};

/// Readings that may come back older than what we hold before the store's word is taken as final.
const VAIN_READINGS_MAX: u32 = 5;
/// How long webhooks and quick runs have to bring a change; what a full run has to put right later is drift.
const WEBHOOKS_TAKE: SignedDuration = SignedDuration::from_mins(5);
/// How far a webhook's time may be ahead of ours. Beyond that it is not believed: it would win against every later word
/// until then. From as far on, an administrator is told that this machine's clock is wrong.
const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(3);
/// For how long an app without the scope `read_all_orders` can see an order; the absence of an older one says
/// nothing (<https://shopify.dev/docs/api/usage/access-scopes>, API 2026-10).
const ORDERS_VISIBLE: SignedDuration = SignedDuration::from_hours(60 * 24);

/// The changes of one batch on their way in.
pub(crate) struct Door<'t, T> {
    tables: &'t mut T,
    at: Timestamp,
    source: Source,
    /// The command that causes it.
    command: Option<String>,
    /// A first import is one event, not one per record.
    silent: bool,
    /// Set in a full run: what it has to put right may be drift.
    doubt: Option<Doubt>,
    /// What a page of a run was up to date with.
    window: Window,
    /// Whether a record that is not held is to be read instead of added.
    reads_unknown: bool,
    /// What runs had to put right, to be counted at their records: drifted, and gone.
    found: BTreeMap<RunId, (u64, u64)>,
    outcome: Outcome,
    /// Records that were read alone, and whether everything that was said of them was taken.
    readings: BTreeMap<RecordKey, Reading>,
    /// Records that were marked anew while they were read, so that what is read counts as a report.
    overtaken: BTreeMap<RecordKey, Overtaken>,
    /// Items whose number changed here or at their variant, and what is to be read where the two are not the same now.
    renumbered: BTreeMap<InventoryItemId, RecordKey>,
    /// Products to tell of, once each; `true` for new ones.
    products: BTreeMap<ProductId, bool>,
    /// Records that others refer to and that we may not hold.
    wanted: BTreeSet<RecordKey>,
}

struct Reading {
    authority: Authority,
    vain: u32,
    older: bool,
    /// Set where a full run wanted to know and nothing was heard of the record since.
    doubt: Option<Doubt>,
}

struct Overtaken {
    vain: u32,
    /// How many of its readings are vain after this one.
    now: Option<u32>,
}

/// Which times a page of a run rules out.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    /// What had changed at Shopify by then, the page had to show.
    pub(crate) end: Option<Timestamp>,
    /// Our time.
    pub(crate) now: Timestamp,
}

impl Window {
    /// Whether that cannot be the time of a change which the page missed: the page was read later, or the time is still
    /// to come. What is held under such a time may be wrong, and only a read can tell.
    pub(crate) fn rules_out(self, held_at: Timestamp) -> bool {
        held_at > self.now || self.end.is_some_and(|end| held_at <= end)
    }
}

/// A full run's question about records.
#[derive(Clone)]
pub(crate) struct Doubt {
    run: RunId,
    /// What changed at Shopify up to then should have been here.
    covered: Timestamp,
}

impl Doubt {
    /// Up to when what changed at Shopify should have been here.
    pub(crate) fn covered(&self) -> Timestamp {
        self.covered
    }

    /// The doubt of a run, where what it finds can be drift: of a full one that is not the first.
    pub(crate) fn of(record: &RunRecord) -> Option<Self> {
        let begun = record
            .until
            .filter(|_| record.run.kind == RunKind::Full && !record.first)?;
        let covered = begun.saturating_sub(WEBHOOKS_TAKE).unwrap_or(begun);
        Some(Self {
            run: record.run.run_id.clone(),
            covered,
        })
    }
}

impl<'t, T: Tables> Door<'t, T> {
    pub(crate) fn new(tables: &'t mut T, at: Timestamp, source: Source, silent: bool) -> Self {
        Self {
            tables,
            at,
            source,
            command: None,
            silent,
            doubt: None,
            window: Window { end: None, now: at },
            reads_unknown: false,
            found: BTreeMap::new(),
            outcome: Outcome {
                fresh: true,
                ..Outcome::default()
            },
            readings: BTreeMap::new(),
            overtaken: BTreeMap::new(),
            renumbered: BTreeMap::new(),
            products: BTreeMap::new(),
            wanted: BTreeSet::new(),
        }
    }

    pub(crate) fn for_run(self, record: &RunRecord, until: Option<Timestamp>) -> Self {
        let window = Window {
            end: until.or(record.until),
            ..self.window
        };
        Self {
            doubt: Doubt::of(record),
            window,
            ..self
        }
    }

    pub(crate) fn for_webhook(self, shared_secret: bool) -> Self {
        Self {
            reads_unknown: shared_secret,
            ..self
        }
    }

    pub(crate) fn for_command(self, command: Option<String>) -> Self {
        Self { command, ..self }
    }

    /// A reading counts for more than a report only if nothing was heard of the record since it began.
    pub(crate) fn reading(&mut self, key: RecordKey, mark: Mark) -> Result<()> {
        let Some(marking) = self.tables.marked(key)? else {
            return Ok(());
        };
        if marking.mark != mark {
            self.overtaken.insert(
                key,
                Overtaken {
                    vain: marking.vain,
                    now: None,
                },
            );
            return Ok(());
        }
        let authority = if marking.vain < VAIN_READINGS_MAX {
            Authority::Read
        } else {
            Authority::LastRead
        };
        let run = marking
            .doubt
            .map(|run| self.tables.run(&run))
            .transpose()?
            .flatten();
        let doubt = run
            .as_ref()
            .filter(|run| !run.run.state.is_over())
            .and_then(Doubt::of);
        self.readings.insert(
            key,
            Reading {
                authority,
                vain: marking.vain,
                older: false,
                doubt,
            },
        );
        Ok(())
    }

    pub(crate) fn change(&mut self, change: &Change) -> Result<()> {
        let (key, time) = subject(change);
        if self.reads_unknown && !self.knows(change)? {
            return key.map_or(Ok(()), |key| self.look_again(key));
        }
        // What Shopify itself answers is not doubted: then it is our clock that is wrong.
        let latest = self.at.saturating_add(AHEAD_MAX).unwrap_or(self.at);
        if self.source == Source::Webhook && time.is_some_and(|time| time > latest) {
            self.outcome.ahead += 1;
            self.judged(&as_of(change, self.at))?;
            return key.map_or(Ok(()), |key| self.look_again(key));
        }
        self.judged(change)
    }

    /// Whether what a change is about is held here.
    fn knows(&self, change: &Change) -> Result<bool> {
        let level =
            |item, location| Ok(Keep::<HeldLevel>::find(self.tables, (item, location))?.is_some());
        match change {
            Change::Customer(said) => Ok(Keep::<Customer>::find(self.tables, said.id)?.is_some()),
            Change::Item(said) => Ok(Keep::<InventoryItem>::find(self.tables, said.id)?.is_some()),
            Change::Level(said) => level(said.inventory_item_id, said.location_id),
            Change::LevelAvailable {
                inventory_item_id,
                location_id,
                ..
            } => level(*inventory_item_id, *location_id),
            Change::Location(said) => Ok(Keep::<Location>::find(self.tables, said.id)?.is_some()),
            Change::Order(said) => Ok(Keep::<Order>::find(self.tables, said.id)?.is_some()),
            Change::Product { product, .. } => {
                Ok(Keep::<Product>::find(self.tables, product.id)?.is_some())
            }
            // There is no reading of a transfer: it is told where this shop's stock comes from or goes to.
            Change::Transfer(said) => {
                for end in [said.origin_id, said.destination_id].into_iter().flatten() {
                    if Keep::<Location>::find(self.tables, end)?.is_some() {
                        return Ok(true);
                    }
                }
                Ok(self.tables.transfer(said.transfer_id)?.is_some())
            }
            Change::Variant(said) => Ok(Keep::<Variant>::find(self.tables, said.id)?.is_some()),
            Change::Gone(_) | Change::LookAgain(_) | Change::Redacted(_) => Ok(true),
        }
    }

    fn judged(&mut self, change: &Change) -> Result<()> {
        match change {
            Change::Customer(customer) => self.customer(customer),
            Change::Gone(key) if self.readings.contains_key(key) => self.found_gone(*key),
            Change::Gone(key) | Change::LookAgain(key) => self.look_again(*key),
            Change::Item(item) => self.item(item),
            Change::Level(level) => {
                let held: Option<HeldLevel> = self
                    .tables
                    .find((level.inventory_item_id, level.location_id))?;
                self.level(held.as_ref(), level.clone(), false)
            }
            Change::LevelAvailable {
                inventory_item_id,
                location_id,
                gid,
                available,
                updated_at,
            } => {
                let held: Option<HeldLevel> =
                    self.tables.find((*inventory_item_id, *location_id))?;
                let base = held.as_ref().map_or_else(
                    || unseen_level(*inventory_item_id, *location_id, *updated_at),
                    |held| held.observed.clone(),
                );
                let said = level::with_available(base, gid.clone(), *available, *updated_at);
                self.level(held.as_ref(), said, true)
            }
            Change::Location(location) => self.location(location),
            Change::Order(order) => self.order(order),
            Change::Product { product, variants } => self.product(product, variants.as_deref()),
            Change::Redacted(customer) => self.tables.redact(*customer, self.at),
            Change::Transfer(transfer) => self.transfer(transfer),
            Change::Variant(variant) => self.variant(variant),
        }
    }

    /// Judges a record and, where it wins, puts it. Where only a read can tell, it is marked for one.
    fn judge<R: Record>(&mut self, mark: RecordKey, held: Option<&R>, said: &R) -> Result<Verdict>
    where
        T: Keep<R>,
    {
        let verdict = self.weigh(mark, held, said)?;
        if verdict == Verdict::Take {
            self.tables.put(said)?;
        }
        Ok(verdict)
    }

    /// Judges a record that, where it wins, is put later.
    fn weigh<R: Record>(&mut self, mark: RecordKey, held: Option<&R>, said: &R) -> Result<Verdict> {
        let overtaken = self.overtaken.get(&mark).map(|reading| reading.vain);
        let authority = match (self.readings.get(&mark), overtaken) {
            (Some(reading), _) => reading.authority,
            // Whoever marks a record more often than it can be read does not keep something wrong for ever.
            (None, Some(VAIN_READINGS_MAX..)) => Authority::LastRead,
            (None, _) => Authority::Report,
        };
        let verdict = judge(
            held.map(|held| (held, held.updated_at())),
            (said, said.updated_at()),
            authority,
        );
        match verdict {
            Verdict::Take => {
                self.outcome.changed += 1;
                if let Some(overtaken) = self
                    .overtaken
                    .get_mut(&mark)
                    .filter(|_| authority == Authority::LastRead)
                {
                    overtaken.now = Some(0);
                }
                if let Some(doubt) = self
                    .doubt_of(mark)
                    .filter(|doubt| said.updated_at() <= doubt.covered)
                {
                    let wrong = Wrong::between(held.map(Record::said), said.said())?;
                    self.drifted(doubt, said.name(), wrong, Some(said.updated_at()))?;
                }
            }
            Verdict::Unclear => self.look_again(mark)?,
            Verdict::Older => {
                let held_at = held.map_or(said.updated_at(), Record::updated_at);
                if let Some(reading) = self.readings.get_mut(&mark) {
                    reading.older = true;
                } else if let Some(overtaken) = self.overtaken.get_mut(&mark) {
                    // A time that is to come was not heard while the record was read: this one was vain, too.
                    overtaken.now = (held_at > self.at)
                        .then_some(overtaken.vain + 1)
                        .or(overtaken.now);
                } else if self.window.rules_out(held_at) && differs(held, said)? {
                    self.look_again(mark)?;
                }
            }
            Verdict::Same => {}
        }
        Ok(verdict)
    }

    /// The full run that asked for what is being said of a record, if any.
    fn doubt_of(&self, key: RecordKey) -> Option<Doubt> {
        self.readings
            .get(&key)
            .map_or(&self.doubt, |reading| &reading.doubt)
            .clone()
    }

    /// Notes what a full run had to put right.
    fn drifted(
        &mut self,
        doubt: Doubt,
        record: String,
        wrong: Wrong,
        since: Option<Timestamp>,
    ) -> Result<()> {
        // Shopify touches the time of a record for reasons that nobody can see in it.
        if wrong.is_only_its_time() {
            return Ok(());
        }
        let gone = u64::from(wrong == Wrong::Gone);
        let (drifted, deleted) = self.found.entry(doubt.run.clone()).or_default();
        (*drifted, *deleted) = (*drifted + 1, *deleted + gone);
        self.tables.add_drift(&Drifted {
            run_id: doubt.run,
            record,
            wrong,
            since,
            found: self.at,
        })
    }

    fn found_gone(&mut self, key: RecordKey) -> Result<()> {
        let deleted = self.outcome.deleted;
        self.gone(key)?;
        match self.doubt_of(key) {
            Some(doubt) if self.outcome.deleted > deleted => {
                self.drifted(doubt, key.to_string(), Wrong::Gone, None)
            }
            _ => Ok(()),
        }
    }

    fn customer(&mut self, said: &Customer) -> Result<()> {
        if self.tables.stays_forgotten(said.id, said.updated_at)? {
            return Ok(());
        }
        let mut held: Option<Customer> = self.tables.find(said.id)?;
        // The name that is heard first of a customer whom we knew without one is no news.
        if let Some(held) = &mut held
            && held.name.is_none()
            && said.name.is_some()
            && held.updated_at == said.updated_at
        {
            held.name.clone_from(&said.name);
            self.tables.put(held)?;
        }
        if self.judge(RecordKey::Customer(said.id), held.as_ref(), said)? == Verdict::Take {
            let activity = if held.is_some() { "updated" } else { "created" }.to_owned();
            self.tell(&Logged::CustomerActivity(EventData::Own(
                CustomerActivity {
                    customer_id: said.id,
                    activity,
                },
            )))?;
        }
        Ok(())
    }

    fn location(&mut self, said: &Location) -> Result<()> {
        let held: Option<Location> = self.tables.find(said.id)?;
        let verdict = self.judge(RecordKey::Location(said.id), held.as_ref(), said)?;
        let was_active = held.is_none_or(|held| held.active);
        if verdict != Verdict::Take || was_active == said.active {
            return Ok(());
        }
        // Nothing of its levels is another at Shopify, and yet their stock counts no longer, or again.
        for mut level in self.tables.levels_at(said.id)? {
            let standing = self.standing(&level)?;
            let _silent = judge_stock(&mut level, standing);
            self.tables.put(&level)?;
            if level.observed.active && !self.silent {
                let shape = shape(self.tables, &level)?;
                self.tell(&Logged::InventoryUpdated(EventData::Own(LevelChange {
                    previous_available: Some(shape.available),
                    product: shape
                        .product_id
                        .map_or(Ok(Vec::new()), |id| self.tables.available_of(id))?,
                    level: shape,
                    source: self.source,
                    command_id: None,
                })))?;
            }
        }
        Ok(())
    }

    fn standing(&self, level: &HeldLevel) -> Result<Option<StockStatus>> {
        if self.silent {
            first_standing(self.tables, level)
        } else {
            standing(self.tables, level)
        }
    }

    /// Whether an order was made before the shop was known here. Then it is old, however new it is to us.
    fn predates_us(&self, order: &Order) -> bool {
        order.created_at
            < self
                .tables
                .known_since()
                .saturating_sub(AHEAD_MAX)
                .unwrap_or(Timestamp::MIN)
    }

    fn order(&mut self, said: &Order) -> Result<()> {
        let said = &without_forgotten(self.tables, said)?;
        let key = RecordKey::Order(said.id);
        let mut held: Option<Order> = self.tables.find(said.id)?;
        // What is said first of the payments of an order that we knew without them is no news.
        if let Some(held) = &mut held
            && held.payments.is_none()
            && said.payments.is_some()
        {
            held.payments.clone_from(&said.payments);
            self.tables.put(held)?;
        }
        // Of an order that was made before us, what was paid when is not known.
        let unheard = || (!self.silent && !self.predates_us(said)).then(Vec::new);
        let paid = held
            .as_ref()
            .map_or_else(unheard, |held| held.payments.clone());
        let payments_unsaid = said.payments.is_none();
        let said = Order {
            payments: said.payments.clone().or_else(|| paid.clone()),
            ..said.clone()
        };
        if self.judge(key, held.as_ref(), &said)? != Verdict::Take {
            return Ok(());
        }
        // A first import brings levels for themselves.
        if !self.silent {
            let lines = held.iter().chain([&said]).flat_map(|order| &order.lines);
            self.look_at_stock_of(lines.filter_map(|line| line.variant_id).collect())?;
        }
        let standing = held
            .as_ref()
            .map_or(Some("pending"), |held| held.financial_status.as_deref());
        if payments_unsaid && standing != said.financial_status.as_deref() {
            self.look_again(key)?;
        }
        let moved: Vec<_> = said
            .payments
            .iter()
            .flatten()
            .filter(|one| !paid.iter().flatten().any(|held| held == *one))
            .collect();
        let only_payments = held.as_ref().is_some_and(|held| {
            let (payments, updated_at) = (said.payments.clone(), said.updated_at);
            !moved.is_empty()
                && Order {
                    payments,
                    updated_at,
                    ..held.clone()
                } == said
        });
        if !only_payments {
            self.tell_order(held.as_ref(), &said)?;
        }
        for transaction in moved {
            self.tell(&payment_event(&said, transaction))?;
        }
        Ok(())
    }

    fn tell_order(&mut self, held: Option<&Order>, said: &Order) -> Result<()> {
        let change = match order::change(held, said) {
            OrderChange::Created if self.predates_us(said) => OrderChange::Updated,
            change => change,
        };
        let previous_status = held
            .map(|held| held.status)
            .filter(|_| change == OrderChange::StatusChanged);
        let changed = order_changed(self.tables, said, change)?;
        let changed = OrderChanged {
            order: OrderShape {
                previous_status,
                ..changed.order
            },
            ..changed
        };
        self.tell(&match change {
            OrderChange::Created => Logged::OrderCreated(EventData::Own(changed)),
            OrderChange::StatusChanged => Logged::OrderStatusChanged(EventData::Own(changed)),
            _ => Logged::OrderUpdated(EventData::Own(changed)),
        })
    }

    /// An order moves stock between quantities of which no level webhook tells, and only Shopify knows where: the
    /// locations that an order names are those where it was sold or sent from, not those whose stock it takes.
    fn look_at_stock_of(&mut self, variants: BTreeSet<VariantId>) -> Result<()> {
        for id in variants {
            let variant: Option<Variant> = self.tables.find(id)?;
            let Some(item) = variant.and_then(|variant| variant.inventory_item_id) else {
                continue;
            };
            for level in self.tables.levels_of(item)? {
                self.look_again(RecordKey::Level(item, level.observed.location_id))?;
            }
        }
        Ok(())
    }

    fn product(&mut self, said: &Product, variants: Option<&[VariantId]>) -> Result<()> {
        let key = RecordKey::Product(said.id);
        let held: Option<Product> = self.tables.find(said.id)?;
        let verdict = self.judge(key, held.as_ref(), said)?;
        // Shopify touches a product's time on every order and stock change; that is no news of the product.
        let content = |product: &Product| Product {
            updated_at: Timestamp::UNIX_EPOCH,
            ..product.clone()
        };
        if verdict == Verdict::Take && held.as_ref().map(content) != Some(content(said)) {
            self.products.insert(said.id, held.is_none());
        }
        if verdict == Verdict::Take && is_on_sale(held.as_ref()) != is_on_sale(Some(said)) {
            for variant in self.tables.variants_of(said.id)? {
                self.judge_silently(variant.inventory_item_id)?;
            }
        }
        if let (Verdict::Take | Verdict::Same, Some(variants)) = (verdict, variants) {
            let gone: Vec<Variant> = self.tables.variants_of(said.id)?;
            for variant in gone.into_iter().filter(|held| !variants.contains(&held.id)) {
                // Absence is not deletion: only a read of this very product makes it so.
                if self.readings.contains_key(&key) {
                    self.delete_variant(&variant)?;
                    self.products.entry(said.id).or_insert(false);
                    if let Some(doubt) = self.doubt_of(key) {
                        self.drifted(doubt, variant.name(), Wrong::Gone, None)?;
                    }
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
            inventory_item_id: said
                .inventory_item_id
                .or_else(|| held.as_ref()?.inventory_item_id),
            bundle: said.bundle.or_else(|| held.as_ref()?.bundle),
            ..said.clone()
        };
        if self.judge(key, held.as_ref(), &said)? != Verdict::Take {
            return Ok(());
        }
        self.wanted.insert(key);
        self.wanted
            .extend(said.inventory_item_id.map(RecordKey::Item));
        let content = |variant: &Variant| Variant {
            updated_at: Timestamp::UNIX_EPOCH,
            ..variant.clone()
        };
        if held.as_ref().map(content) != Some(content(&said)) {
            self.products.entry(said.product_id).or_insert(false);
        }
        if let (Some(item), Some(held)) = (said.inventory_item_id, &held)
            && held.sku != said.sku
        {
            self.renumbered.insert(item, RecordKey::Item(item));
        }
        match held {
            Some(held) if held.price != said.price => {
                self.tell(&Logged::ProductPriceChanged(EventData::Own(PriceChange {
                    product_id: said.product_id,
                    variant_id: said.id,
                    sku: said.sku,
                    previous_price: held.price,
                    price: said.price,
                })))
            }
            _ => Ok(()),
        }
    }

    fn item(&mut self, said: &InventoryItem) -> Result<()> {
        let held: Option<InventoryItem> = self.tables.find(said.id)?;
        let verdict = self.judge(RecordKey::Item(said.id), held.as_ref(), said)?;
        if verdict != Verdict::Take {
            return Ok(());
        }
        if let Some(held) = &held
            && held.sku != said.sku
            && let Some(variant) = self.tables.variant_of(said.id)?
        {
            self.renumbered
                .insert(said.id, RecordKey::Product(variant.product_id));
        }
        if held.is_none_or(|held| held.tracked != said.tracked) {
            self.judge_silently(Some(said.id))?;
        }
        Ok(())
    }

    /// Judges an item's levels anew, where it is not their stock that has changed.
    fn judge_silently(&mut self, item: Option<InventoryItemId>) -> Result<()> {
        for mut level in item.map_or(Ok(Vec::new()), |item| self.tables.levels_of(item))? {
            let standing = self.standing(&level)?;
            let _silent = judge_stock(&mut level, standing);
            self.tables.put(&level)?;
        }
        Ok(())
    }

    /// `available_only`: the other quantities are yet to be read.
    fn level(
        &mut self,
        held: Option<&HeldLevel>,
        mut said: Level,
        available_only: bool,
    ) -> Result<()> {
        let (item, location) = (said.inventory_item_id, said.location_id);
        let key = RecordKey::Level(item, location);
        let flight = self.tables.flight(item, location)?;
        // While an attempt changes it, and until a reading after the answer, what is heard of a level is put aside.
        if flight
            .as_ref()
            .is_some_and(|flight| !flight.answered || !self.readings.contains_key(&key))
        {
            return self.look_again(key);
        }
        said.gid = said.gid.or_else(|| held?.observed.gid.clone());
        let mut now = HeldLevel {
            pending: held.map_or(0, |held| held.pending),
            status: held.and_then(|held| held.status),
            observed: said,
        };
        match self.weigh(key, held, &now)? {
            Verdict::Take => {}
            Verdict::Same if flight.is_some() => {}
            Verdict::Same | Verdict::Older | Verdict::Unclear => return Ok(()),
        }
        match (&flight, held) {
            (Some(_), _) => now.pending -= self.tables.settle_level(item, location)?,
            (None, Some(held)) => self.watch_holds(held, &now)?,
            (None, None) => {}
        }
        if available_only {
            // What was read in vain is no longer held, unless its time is still to come.
            let tries = if now.updated_at() > self.at {
                Tries::Keep
            } else {
                Tries::Anew
            };
            self.mark(key, tries)?;
        }
        if self.silent {
            let standing = first_standing(self.tables, &now)?;
            let _silent = judge_stock(&mut now, standing);
            return self.tables.put(&now);
        }
        self.tell_level(held, now).map(drop)
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
        self.tell(&Logged::SystemAlert(EventData::Own(Notice {
            user_id: None,
            title: "Holds were undone at Shopify".to_owned(),
            message,
        })))
    }

    /// Judges a level, puts it, and tells of it where there is something to tell: the level as clients see it.
    pub(crate) fn tell_level(
        &mut self,
        held: Option<&HeldLevel>,
        mut now: HeldLevel,
    ) -> Result<LevelShape> {
        let (item, location) = now.key();
        let references = self.tables.references(item, location)?;
        self.wanted
            .extend(references.item.is_none().then_some(RecordKey::Item(item)));
        self.wanted.extend(
            references
                .location
                .is_none()
                .then_some(RecordKey::Location(location)),
        );
        let (shape, standing) = shape_and_standing(
            self.tables.shop(),
            self.tables.thresholds(),
            &now,
            references,
        );
        let crossing = judge_stock(&mut now, standing);
        self.tables.put(&now)?;
        let news = held.is_none_or(|held| {
            (held.observed.quantities, held.observed.active, held.pending)
                != (now.observed.quantities, now.observed.active, now.pending)
        });
        if news {
            self.tell(&Logged::InventoryUpdated(EventData::Own(LevelChange {
                level: shape.clone(),
                product: shape
                    .product_id
                    .map_or(Ok(Vec::new()), |id| self.tables.available_of(id))?,
                previous_available: held.map(HeldLevel::available),
                source: self.source,
                command_id: self.command.clone(),
            })))?;
        }
        if let Some(crossing) = crossing {
            self.tell(&crossing_event(crossing, shape.clone()))?;
        }
        Ok(shape)
    }

    /// Tells of a transfer what is news, with its ends where they were said before.
    fn transfer(&mut self, said: &Transfer) -> Result<()> {
        let told = self.tables.transfer(said.transfer_id)?;
        if !is_news(told.as_ref(), said) {
            return Ok(());
        }
        let (origin_id, destination_id) =
            told.map_or((None, None), |told| (told.origin_id, told.destination_id));
        let news = Transfer {
            origin_id: said.origin_id.or(origin_id),
            destination_id: said.destination_id.or(destination_id),
            ..said.clone()
        };
        self.tables.put_transfer(&news, self.at)?;
        self.tell(&Logged::InventoryTransfer(EventData::Own(news)))
    }

    fn gone(&mut self, key: RecordKey) -> Result<()> {
        let deleted = self.outcome.deleted;
        self.outcome.deleted += 1;
        match key {
            RecordKey::Customer(id) => {
                if Keep::<Customer>::find(self.tables, id)?.is_some() {
                    Keep::<Customer>::delete(self.tables, id)?;
                    let activity = "deleted".to_owned();
                    return self.tell(&Logged::CustomerActivity(EventData::Own(
                        CustomerActivity {
                            customer_id: id,
                            activity,
                        },
                    )));
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
                    for level in self.tables.levels_at(id)? {
                        self.delete_level(&level)?;
                    }
                    return Keep::<Location>::delete(self.tables, id);
                }
            }
            RecordKey::Order(id) => {
                if let Some(order) = Keep::<Order>::find(self.tables, id)?
                    && self.at.duration_since(order.created_at) < ORDERS_VISIBLE
                {
                    Keep::<Order>::delete(self.tables, id)?;
                    self.look_at_stock_of(
                        order
                            .lines
                            .iter()
                            .filter_map(|line| line.variant_id)
                            .collect(),
                    )?;
                    let deleted = order_changed(self.tables, &order, OrderChange::Deleted)?;
                    return self.tell(&Logged::OrderDeleted(EventData::Own(deleted)));
                }
            }
            RecordKey::Product(id) => {
                if let Some(product) = Keep::<Product>::find(self.tables, id)? {
                    for variant in self.tables.variants_of(id)? {
                        self.delete_variant(&variant)?;
                    }
                    Keep::<Product>::delete(self.tables, id)?;
                    return self.tell(&Logged::ProductDeleted(EventData::Own(product_shape(
                        product,
                    ))));
                }
            }
        }
        self.outcome.deleted = deleted;
        Ok(())
    }

    fn delete_variant(&mut self, variant: &Variant) -> Result<()> {
        Keep::<Variant>::delete(self.tables, variant.id)?;
        variant
            .inventory_item_id
            .map_or(Ok(()), |item| self.delete_item(item))
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
        let level = LevelShape {
            active: false,
            ..shape(self.tables, held)?
        };
        Keep::<HeldLevel>::delete(self.tables, held.key())?;
        self.tell(&Logged::InventoryUpdated(EventData::Own(LevelChange {
            previous_available: Some(level.available),
            product: level
                .product_id
                .map_or(Ok(Vec::new()), |id| self.tables.available_of(id))?,
            level,
            source: self.source,
            command_id: None,
        })))
    }

    fn look_again(&mut self, key: RecordKey) -> Result<()> {
        self.mark(key, Tries::Keep)
    }

    fn mark(&mut self, key: RecordKey, tries: Tries) -> Result<()> {
        self.readings.remove(&key);
        match &self.doubt {
            // Something was heard of it: it is read anyway.
            Some(_) if self.tables.marked(key)?.is_some() => Ok(()),
            doubt => self
                .tables
                .mark(key, self.at, doubt.as_ref().map(|doubt| &doubt.run), tries),
        }
    }

    fn tell(&mut self, event: &Logged) -> Result<()> {
        if self.silent {
            Ok(())
        } else {
            self.tables.append(self.at, event).map(drop)
        }
    }

    /// Tells of products, marks what is missing, and settles the readings.
    pub(crate) fn finish(mut self) -> Result<Outcome> {
        if self.silent {
            // A first import brings everything, in any order, and none of it is news.
            self.products.clear();
            self.wanted.clear();
            self.renumbered.clear();
        }
        for (id, new) in std::mem::take(&mut self.products) {
            if let Some(product) = Keep::<Product>::find(self.tables, id)? {
                let shape = product_shape(product);
                self.tell(&if new {
                    Logged::ProductCreated(EventData::Own(shape))
                } else {
                    Logged::ProductUpdated(EventData::Own(shape))
                })?;
            }
        }
        for (item, key) in std::mem::take(&mut self.renumbered) {
            let (variant, item) = (
                self.tables.variant_of(item)?,
                Keep::<InventoryItem>::find(self.tables, item)?,
            );
            // An item and its variant share one number, and what tells of the one may not tell of the other.
            if variant
                .zip(item)
                .is_some_and(|(variant, item)| variant.sku != item.sku)
            {
                self.look_again(key)?;
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
                self.tables.mark(key, self.at, None, Tries::Keep)?;
            }
        }
        for (key, reading) in std::mem::take(&mut self.readings) {
            if reading.older {
                let due = self.at.saturating_add(1.second()).unwrap_or(self.at);
                self.tables.postpone(key, reading.vain + 1, due)?;
            } else {
                self.tables.unmark(key)?;
            }
        }
        for (key, overtaken) in std::mem::take(&mut self.overtaken) {
            if let Some(vain) = overtaken.now {
                self.tables.postpone(key, vain, self.at)?;
            }
        }
        for (run, (drifted, deleted)) in std::mem::take(&mut self.found) {
            if let Some(mut record) = self.tables.run(&run)? {
                record.run.drift += drifted;
                record.run.deleted += deleted;
                self.tables.put_run(&record)?;
            }
        }
        Ok(self.outcome)
    }
}

/// What a change is about: the record that would be read to know, and when it claims that it was so.
fn subject(change: &Change) -> (Option<RecordKey>, Option<Timestamp>) {
    let (key, time) = match change {
        Change::Customer(said) => (RecordKey::Customer(said.id), said.updated_at),
        Change::Item(said) => (RecordKey::Item(said.id), said.updated_at),
        Change::Level(said) => (
            RecordKey::Level(said.inventory_item_id, said.location_id),
            said.updated_at,
        ),
        Change::LevelAvailable {
            inventory_item_id,
            location_id,
            updated_at,
            ..
        } => (
            RecordKey::Level(*inventory_item_id, *location_id),
            *updated_at,
        ),
        Change::Location(said) => (RecordKey::Location(said.id), said.updated_at),
        Change::Order(said) => (RecordKey::Order(said.id), said.updated_at),
        Change::Product { product, .. } => (RecordKey::Product(product.id), product.updated_at),
        Change::Variant(said) => (RecordKey::Product(said.product_id), said.updated_at),
        Change::Transfer(said) => return (None, Some(said.happened_at)),
        Change::Gone(_) | Change::LookAgain(_) | Change::Redacted(_) => return (None, None),
    };
    (Some(key), Some(time))
}

/// The same, as of another time.
fn as_of(change: &Change, at: Timestamp) -> Change {
    let mut change = change.clone();
    match &mut change {
        Change::Customer(said) => said.updated_at = at,
        Change::Item(said) => said.updated_at = at,
        Change::Level(said) => said.updated_at = at,
        Change::LevelAvailable { updated_at, .. } => *updated_at = at,
        Change::Location(said) => said.updated_at = at,
        Change::Order(said) => said.updated_at = at,
        Change::Product { product, .. } => product.updated_at = at,
        Change::Variant(said) => said.updated_at = at,
        Change::Transfer(said) => said.happened_at = at,
        Change::Gone(_) | Change::LookAgain(_) | Change::Redacted(_) => {}
    }
    change
}

/// Whether two states of a record differ in more than their time.
fn differs<R: Record>(held: Option<&R>, said: &R) -> Result<bool> {
    Ok(!Wrong::between(held.map(Record::said), said.said())?.is_only_its_time())
}

/// An order as it may be kept: nobody's, where it is older than the wish to forget its customer.
pub(crate) fn without_forgotten<T: Tables>(tables: &T, said: &Order) -> Result<Order> {
    let forgotten = said.customer_id.map_or(Ok(false), |customer| {
        tables.stays_forgotten(customer, said.created_at)
    })?;
    Ok(Order {
        customer_id: said.customer_id.filter(|_| !forgotten),
        ..said.clone()
    })
}

fn unseen_level(
    inventory_item_id: InventoryItemId,
    location_id: LocationId,
    updated_at: Timestamp,
) -> Level {
    let quantities = schemas::Quantities::default();
    Level {
        inventory_item_id,
        location_id,
        gid: None,
        active: true,
        quantities,
        updated_at,
    }
}

/// Judges a level's stock. One that does not count crosses nothing and starts afresh when it counts again.
pub(crate) fn judge_stock(held: &mut HeldLevel, standing: Option<StockStatus>) -> Option<Crossing> {
    let before = std::mem::replace(&mut held.status, standing);
    threshold::crossing(before, standing?)
}

fn payment_event(order: &Order, transaction: &Transaction) -> Logged {
    let payment = Payment {
        order_id: order.id,
        customer_id: order.customer_id,
        amount: transaction.amount.clone(),
        currency: transaction.currency.clone(),
    };
    match transaction.outcome {
        PaymentOutcome::Failed => Logged::PaymentFailed(EventData::Own(payment)),
        PaymentOutcome::Received => Logged::PaymentReceived(EventData::Own(payment)),
        PaymentOutcome::Refunded => Logged::PaymentRefunded(EventData::Own(payment)),
    }
}

pub(crate) fn crossing_event(crossing: Crossing, level: LevelShape) -> Logged {
    match crossing {
        Crossing::Low => Logged::InventoryLowStock(EventData::Own(level)),
        Crossing::Out => Logged::InventoryOutOfStock(EventData::Own(level)),
        Crossing::Restocked => Logged::InventoryRestocked(EventData::Own(level)),
    }
}
