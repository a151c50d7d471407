//! Changes on their way in: each is judged against what is held, and what follows from it is told.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, ToSpan as _};
use schemas::event::{CustomerActivity, OrderChange, Source};
use schemas::record::{Customer, InventoryItem, Location, Order, Product, Variant};
use schemas::{
    Change, EventData, InventoryItemId, Logged, ProductId, RecordKey, RunId, RunKind, Timestamp,
};

use crate::drift::{DriftKind, Drifted};
use crate::operation::{Mark, Outcome, RunRecord};
use crate::order::without_forgotten;
use crate::outbox::{self, Flight};
use crate::record::MirrorRecord;
use crate::shape::{order_changed, product_shape};
use crate::version::judge;
use crate::working_set::{Decided, DirtyMark, Retries, ShopSet, ToldTransfer, for_each};
use crate::{Authority, HeldLevel, Verdict, level};

/// Readings that may come back older than what we hold before the store's word is taken as final.
const REFRESH_RETRIES_MAX: u32 = 5;
/// How long webhooks and quick runs have to bring a change; what a full run has to put right later is drift.
const WEBHOOKS_TAKE: SignedDuration = SignedDuration::from_mins(5);
/// How far a webhook's time may be ahead of ours. Beyond that it is not believed: it would win against every later word
/// until then. From as far on, an administrator is told that this machine's clock is wrong.
pub(crate) const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(3);
/// For how long an app without the scope `read_all_orders` can see an order; the absence of an older one says
/// nothing (<https://shopify.dev/docs/api/usage/access-scopes>, API 2026-10).
const ORDERS_VISIBLE: SignedDuration = SignedDuration::from_hours(60 * 24);

/// The changes of one batch on their way in.
pub(crate) struct ChangeApplier<'t, 's> {
    pub(crate) set: &'t mut ShopSet<'s>,
    pub(crate) at: Timestamp,
    pub(crate) source: Source,
    /// The command that causes it.
    pub(crate) command: Option<String>,
    /// A first import is one event, not one per record.
    pub(crate) silent: bool,
    /// Set in a full run: what it has to put right may be drift.
    pub(crate) check: Option<DriftCheck>,
    /// What a page of a run was up to date with.
    window: Window,
    /// Whether a record that is not held is to be read instead of added.
    pub(crate) reads_unknown: bool,
    /// What runs had to put right, to be counted at their records: drifted, and gone.
    found: BTreeMap<RunId, (u64, u64)>,
    pub(crate) outcome: Outcome,
    /// Records that were read alone, and whether everything that was said of them was taken.
    readings: BTreeMap<RecordKey, RecordReading>,
    /// Records that were marked anew while they were read, so that what is read counts as a report.
    overtaken: BTreeMap<RecordKey, Overtaken>,
    /// Items whose number changed here or at their variant, and what is to be read where the two are not the same now.
    pub(crate) renumbered: BTreeMap<InventoryItemId, RecordKey>,
    /// Products to tell of, once each; `true` for new ones.
    pub(crate) products: BTreeMap<ProductId, bool>,
    /// Records that others refer to and that we may not hold.
    pub(crate) wanted: BTreeSet<RecordKey>,
}

struct RecordReading {
    authority: Authority,
    retries: u32,
    older: bool,
    /// Set where a full run wanted to know and nothing was heard of the record since.
    check: Option<DriftCheck>,
}

struct Overtaken {
    retries: u32,
    /// How many of its readings are vain after this one.
    now: Option<u32>,
}

/// Which times a page of a run rules out.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    /// What had changed at Shopify by then, the page had to show.
    pub(crate) end: Option<Timestamp>,
    /// The present time by our clock.
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
pub(crate) struct DriftCheck {
    run: RunId,
    /// What changed at Shopify up to then should have been here.
    covered: Timestamp,
}

impl DriftCheck {
    /// Up to when what changed at Shopify should have been here.
    pub(crate) fn covered(&self) -> Timestamp {
        self.covered
    }

    /// The check of a run, where what it finds can be drift: of a full one that is not the first.
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

impl<'t, 's> ChangeApplier<'t, 's> {
    pub(crate) fn new(
        set: &'t mut ShopSet<'s>,
        at: Timestamp,
        source: Source,
        silent: bool,
    ) -> Self {
        Self {
            set,
            at,
            source,
            command: None,
            silent,
            check: None,
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
            check: DriftCheck::of(record),
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
    pub(crate) fn reading(&mut self, key: RecordKey, mark: Mark) -> Decided<()> {
        let Some(marking) = self.set.find::<DirtyMark>(key)? else {
            return Ok(());
        };
        if marking.mark != mark {
            self.overtaken.insert(
                key,
                Overtaken {
                    retries: marking.retries,
                    now: None,
                },
            );
            return Ok(());
        }
        let authority = if marking.retries < REFRESH_RETRIES_MAX {
            Authority::Read
        } else {
            Authority::LastRead
        };
        let run = marking.run.map(|run| self.set.find::<RunRecord>(run));
        let run = run.transpose()?.flatten();
        let check = run
            .as_ref()
            .filter(|run| !run.run.state.is_over())
            .and_then(DriftCheck::of);
        self.readings.insert(
            key,
            RecordReading {
                authority,
                retries: marking.retries,
                older: false,
                check,
            },
        );
        Ok(())
    }

    pub(crate) fn change(&mut self, change: &Change) -> Decided<()> {
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
    fn knows(&self, change: &Change) -> Decided<bool> {
        let level = |item, location| Ok(self.set.find::<HeldLevel>((item, location))?.is_some());
        match change {
            Change::Customer(said) => Ok(self.set.find::<Customer>(said.id)?.is_some()),
            Change::Item(said) => Ok(self.set.find::<InventoryItem>(said.id)?.is_some()),
            Change::Level(said) => level(said.inventory_item_id, said.location_id),
            Change::LevelAvailable {
                inventory_item_id,
                location_id,
                ..
            } => level(*inventory_item_id, *location_id),
            Change::Location(said) => Ok(self.set.find::<Location>(said.id)?.is_some()),
            Change::Order(said) => Ok(self.set.find::<Order>(said.id)?.is_some()),
            Change::Product { product, .. } => Ok(self.set.find::<Product>(product.id)?.is_some()),
            // There is no reading of a transfer: it is told where this shop's stock comes from or goes to.
            Change::Transfer(said) => {
                for end in [said.origin_id, said.destination_id].into_iter().flatten() {
                    if self.set.find::<Location>(end)?.is_some() {
                        return Ok(true);
                    }
                }
                self.set.has::<ToldTransfer>(said.transfer_id)
            }
            Change::Variant(said) => Ok(self.set.find::<Variant>(said.id)?.is_some()),
            Change::Gone(_) | Change::LookAgain(_) | Change::Redacted(_) => Ok(true),
        }
    }

    fn judged(&mut self, change: &Change) -> Decided<()> {
        match change {
            Change::Customer(customer) => self.customer(customer),
            Change::Gone(key) if self.is_read(*key) => self.found_gone(*key),
            Change::Gone(key) | Change::LookAgain(key) => self.look_again(*key),
            Change::Item(item) => self.item(item),
            Change::Level(level) => {
                let held: Option<HeldLevel> = self
                    .set
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
                let held: Option<HeldLevel> = self.set.find((*inventory_item_id, *location_id))?;
                let base = held.as_ref().map_or_else(
                    || level::unseen_level(*inventory_item_id, *location_id, *updated_at),
                    |held| held.observed.clone(),
                );
                let said = level::with_available(base, gid.clone(), *available, *updated_at);
                self.level(held.as_ref(), said, true)
            }
            Change::Location(location) => self.location(location),
            Change::Order(order) => self.order(order),
            Change::Product { product, variants } => self.product(product, variants.as_deref()),
            Change::Redacted(customer) => {
                self.outcome.more = true;
                self.set.redact(*customer, self.at)
            }
            Change::Transfer(transfer) => self.transfer(transfer),
            Change::Variant(variant) => self.variant(variant),
        }
    }

    /// Judges a record and, where it wins, puts it. Where only a read can tell, it is marked for one.
    pub(crate) fn judge<R: MirrorRecord>(
        &mut self,
        mark: RecordKey,
        held: Option<&R>,
        said: &R,
    ) -> Decided<Verdict> {
        let verdict = self.weigh(mark, held, said)?;
        if verdict == Verdict::Take {
            self.set.keep(said);
        }
        Ok(verdict)
    }

    /// Judges a record that, where it wins, is put later.
    pub(crate) fn weigh<R: MirrorRecord>(
        &mut self,
        mark: RecordKey,
        held: Option<&R>,
        said: &R,
    ) -> Decided<Verdict> {
        let overtaken = self.overtaken.get(&mark).map(|reading| reading.retries);
        let authority = match (self.readings.get(&mark), overtaken) {
            (Some(reading), _) => reading.authority,
            // Whoever marks a record more often than it can be read does not keep something wrong for ever.
            (None, Some(REFRESH_RETRIES_MAX..)) => Authority::LastRead,
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
                if let Some(check) = self
                    .drift_check_of(mark)
                    .filter(|check| said.updated_at() <= check.covered)
                {
                    let wrong = DriftKind::between(held.map(MirrorRecord::said), said.said())?;
                    self.drifted(check, said.name(), wrong, Some(said.updated_at()));
                }
            }
            Verdict::Unclear => self.look_again(mark)?,
            Verdict::Older => {
                let held_at = held.map_or(said.updated_at(), MirrorRecord::updated_at);
                if let Some(reading) = self.readings.get_mut(&mark) {
                    reading.older = true;
                } else if let Some(overtaken) = self.overtaken.get_mut(&mark) {
                    // A time that is to come was not heard while the record was read: this one was vain, too.
                    overtaken.now = (held_at > self.at)
                        .then_some(overtaken.retries + 1)
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
    pub(crate) fn drift_check_of(&self, key: RecordKey) -> Option<DriftCheck> {
        self.readings
            .get(&key)
            .map_or(&self.check, |reading| &reading.check)
            .clone()
    }

    /// Notes what a full run had to put right.
    pub(crate) fn drifted(
        &mut self,
        check: DriftCheck,
        record: String,
        wrong: DriftKind,
        since: Option<Timestamp>,
    ) {
        // Shopify touches the time of a record for reasons that nobody can see in it.
        if wrong.is_only_its_time() {
            return;
        }
        let gone = u64::from(wrong == DriftKind::Gone);
        let (drifted, deleted) = self.found.entry(check.run.clone()).or_default();
        (*drifted, *deleted) = (*drifted + 1, *deleted + gone);
        self.set.add_drift(Drifted {
            run_id: check.run,
            record,
            wrong,
            since,
            found: self.at,
        });
    }

    fn found_gone(&mut self, key: RecordKey) -> Decided<()> {
        let deleted = self.outcome.deleted;
        self.gone(key)?;
        match self.drift_check_of(key) {
            Some(check) if self.outcome.deleted > deleted => {
                self.drifted(check, key.to_string(), DriftKind::Gone, None);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn gone(&mut self, key: RecordKey) -> Decided<()> {
        let deleted = self.outcome.deleted;
        self.outcome.deleted += 1;
        match key {
            RecordKey::Customer(id) => {
                if self.set.find::<Customer>(id)?.is_some() {
                    self.set.delete::<Customer>(id)?;
                    let activity = "deleted".to_owned();
                    self.tell(Logged::CustomerActivity(EventData::Own(CustomerActivity {
                        customer_id: id,
                        activity,
                    })));
                    return Ok(());
                }
            }
            RecordKey::Item(id) => {
                if self.set.find::<InventoryItem>(id)?.is_some() {
                    return self.delete_item(id);
                }
            }
            RecordKey::Level(item, location) => {
                let flight = self.set.find::<Flight>((item, location))?;
                if flight.is_some_and(|flight| !flight.answered) {
                    // As with everything else that is heard of a level in flight.
                    self.outcome.deleted = deleted;
                    return self.look_again(key);
                }
                outbox::land(self.set, (item, location))?;
                if let Some(held) = self.set.find::<HeldLevel>((item, location))? {
                    return self.delete_level(&held);
                }
            }
            RecordKey::Location(id) => {
                if self.set.find::<Location>(id)?.is_some() {
                    for_each(self.set.levels_at(id)?, |level| {
                        self.delete_level(&level)?;
                        Ok(())
                    })?;
                    return self.set.delete::<Location>(id);
                }
            }
            RecordKey::Order(id) => {
                if let Some(order) = self.set.find::<Order>(id)?
                    && self.at.duration_since(order.created_at) < ORDERS_VISIBLE
                {
                    self.set.delete::<Order>(id)?;
                    self.look_at_stock_of(
                        order
                            .lines
                            .iter()
                            .filter_map(|line| line.variant_id)
                            .collect(),
                    )?;
                    // It may be of a customer who is being forgotten.
                    let order = without_forgotten(self.set, &order)?;
                    let deleted = order_changed(self.set, &order, OrderChange::Deleted)?;
                    self.tell(Logged::OrderDeleted(EventData::Own(deleted)));
                    return Ok(());
                }
            }
            RecordKey::Product(id) => {
                if let Some(product) = self.set.find::<Product>(id)? {
                    for_each(self.set.variants_of(id)?, |variant| {
                        self.delete_variant(&variant)?;
                        Ok(())
                    })?;
                    self.set.delete::<Product>(id)?;
                    self.tell(Logged::ProductDeleted(EventData::Own(product_shape(
                        product,
                    ))));
                    return Ok(());
                }
            }
        }
        self.outcome.deleted = deleted;
        Ok(())
    }

    /// Whether it is this record alone that was read.
    pub(crate) fn is_read(&self, key: RecordKey) -> bool {
        self.readings.contains_key(&key)
    }

    pub(crate) fn look_again(&mut self, key: RecordKey) -> Decided<()> {
        self.mark(key, Retries::Keep)
    }

    pub(crate) fn mark(&mut self, key: RecordKey, retries: Retries) -> Decided<()> {
        self.readings.remove(&key);
        match &self.check {
            // Something was heard of it: it is read anyway.
            Some(_) if self.set.has::<DirtyMark>(key)? => Ok(()),
            check => self.set.mark(
                key,
                self.at,
                check.as_ref().map(|check| &check.run),
                retries,
            ),
        }
    }

    pub(crate) fn tell(&mut self, event: Logged) {
        if !self.silent {
            self.set.append(self.at, event);
        }
    }

    /// Tells of products, marks what is missing, and settles the readings.
    pub(crate) fn finish(mut self) -> Decided<Outcome> {
        if self.silent {
            // A first import brings everything, in any order, and none of it is news.
            self.products.clear();
            self.wanted.clear();
            self.renumbered.clear();
        }
        for_each(std::mem::take(&mut self.products), |(id, new)| {
            if let Some(product) = self.set.find::<Product>(id)? {
                let shape = product_shape(product);
                self.tell(if new {
                    Logged::ProductCreated(EventData::Own(shape))
                } else {
                    Logged::ProductUpdated(EventData::Own(shape))
                });
            }
            Ok(())
        })?;
        for_each(std::mem::take(&mut self.renumbered), |(item, key)| {
            let (variant, item) = (
                self.set.variant_of(item)?,
                self.set.find::<InventoryItem>(item)?,
            );
            // An item and its variant share one number, and what tells of the one may not tell of the other.
            if variant
                .zip(item)
                .is_some_and(|(variant, item)| variant.sku != item.sku)
            {
                self.look_again(key)?;
            }
            Ok(())
        })?;
        for_each(std::mem::take(&mut self.wanted), |key| {
            let held = match key {
                RecordKey::Item(id) => self.set.find::<InventoryItem>(id)?.is_some(),
                RecordKey::Location(id) => self.set.find::<Location>(id)?.is_some(),
                RecordKey::Product(id) => self.set.find::<Product>(id)?.is_some(),
                RecordKey::Customer(_) | RecordKey::Level(..) | RecordKey::Order(_) => true,
            };
            if !held && !self.set.has::<DirtyMark>(key)? {
                self.set.mark(key, self.at, None, Retries::Keep)?;
            }
            Ok(())
        })?;
        for_each(std::mem::take(&mut self.readings), |(key, reading)| {
            if reading.older {
                let due = self.at.saturating_add(1.second()).unwrap_or(self.at);
                self.set.postpone(key, reading.retries + 1, due)?;
            } else {
                self.set.delete::<DirtyMark>(key)?;
            }
            Ok(())
        })?;
        for_each(std::mem::take(&mut self.overtaken), |(key, overtaken)| {
            if let Some(retries) = overtaken.now {
                self.set.postpone(key, retries, self.at)?;
            }
            Ok(())
        })?;
        for_each(
            std::mem::take(&mut self.found),
            |(run, (drifted, deleted))| {
                if let Some(mut record) = self.set.find::<RunRecord>(run.clone())? {
                    record.run.drift += drifted;
                    record.run.deleted += deleted;
                    self.set.put(run, record);
                }
                Ok(())
            },
        )?;
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
fn differs<R: MirrorRecord>(held: Option<&R>, said: &R) -> Decided<bool> {
    Ok(!DriftKind::between(held.map(MirrorRecord::said), said.said())?.is_only_its_time())
}
