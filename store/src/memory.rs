//! The store's twin in memory, for tests: the same trait and the same `apply`, no file and no SQL.
//!
//! It forgets everything when dropped; what it proves is that nothing in the trait is SQLite's alone.

mod ledger;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::effect::Waiting;
use domain::{HeldLevel, Thresholds};
use schemas::event::{AvailableAt, Transfer};
use schemas::record::{Customer, InventoryItem, Location, Order, Product, Variant};
use schemas::shape::{LevelShape, ReservationShape};
use schemas::{
    CustomerId, Entropy, Epoch, Event, InventoryItemId, LevelSelection, LocationId, LogEntry,
    Offset, OrderId, ProductId, RecordKey, Resource, Room, RunId, RunKind, RunState, Sequence,
    ShopDomain, Timestamp, TransferId, VariantId, WebhookId,
};
use serde::Serialize;

use crate::apply::perform;
use crate::drift::{Drifted, Held, Wrong};
use crate::local::{Engine, Local, Reader, Writer};
use crate::operation::{
    Delivery, Fate, KeptSession, LastRuns, Mark, Operation, Outcome, PostKey, Retention,
    Revocation, Revoked, RunRecord, SessionQuota,
};
use crate::position::Position;
use crate::shape::{References, level_shape};
use crate::tables::{Keep, Marking, Record, Result, Tables, Transaction, Tries};
use crate::{
    Attempt, Backlog, Collection, CommandFilter, DeliverySummary, HoldFilter, Marked, OrderView,
    Store, StoreError,
};

/// A new, empty store. The writer does nothing until it is run or stepped.
pub fn open(entropy: &Entropy) -> (Arc<dyn Store>, Writer) {
    let epoch = Epoch(u32::from_le_bytes(entropy.bytes()));
    let state = Arc::new(Mutex::new(State::default()));
    let engine = Memory {
        state: Arc::clone(&state),
        epoch,
    };
    Local::open(epoch, entropy.bytes(), engine, Memory { state, epoch })
}

struct Memory {
    state: Arc<Mutex<State>>,
    epoch: Epoch,
}

#[derive(Clone, Default)]
struct State {
    shops: BTreeMap<ShopDomain, Shop>,
    deliveries: Vec<(Delivery, Option<Fate>)>,
    log: Vec<(Sequence, ShopDomain, Timestamp, Event)>,
    positions: BTreeMap<String, Position>,
    /// Each with its owner.
    sessions: BTreeMap<String, (String, String, Timestamp)>,
    /// By owner, and of all under `None`: when the newest record was written of those that made room.
    evicted: BTreeMap<Option<String>, Timestamp>,
    revocations: BTreeMap<Revoked, (Timestamp, Timestamp)>,
    /// The last place and the last mark given out, and the last place forgotten.
    last: u64,
    last_mark: i64,
    floor: u64,
}

#[derive(Clone, Default)]
struct Shop {
    thresholds: Thresholds,
    /// `None` once it was forgotten, until it is registered again.
    known_since: Option<Timestamp>,
    names: bool,
    customers: BTreeMap<CustomerId, Customer>,
    items: BTreeMap<InventoryItemId, InventoryItem>,
    levels: BTreeMap<(InventoryItemId, LocationId), HeldLevel>,
    locations: BTreeMap<LocationId, Location>,
    orders: BTreeMap<OrderId, Order>,
    products: BTreeMap<ProductId, Product>,
    variants: BTreeMap<VariantId, Variant>,
    marked: BTreeMap<RecordKey, (Marking, Timestamp)>,
    drift: Vec<Drifted>,
    runs: Vec<RunRecord>,
    shopify_id: Option<String>,
    watermarks: BTreeMap<Resource, Timestamp>,
    posted: BTreeMap<PostKey, (Sequence, Timestamp)>,
    transfers: BTreeMap<TransferId, (Transfer, Timestamp)>,
    redacted: BTreeMap<CustomerId, Timestamp>,
    kept: ledger::Kept,
}

/// Where a kind of record lies in a shop.
trait Shelved: Record {
    fn shelf(shop: &mut Shop) -> &mut BTreeMap<Self::Key, Self>;
    fn on(shop: &Shop) -> &BTreeMap<Self::Key, Self>;
}

macro_rules! shelved {
    ($($record:ty => $field:ident),* $(,)?) => {$(
        impl Shelved for $record {
            fn shelf(shop: &mut Shop) -> &mut BTreeMap<Self::Key, Self> {
                &mut shop.$field
            }
            fn on(shop: &Shop) -> &BTreeMap<Self::Key, Self> {
                &shop.$field
            }
        }
    )*};
}

shelved! {
    Customer => customers,
    HeldLevel => levels,
    InventoryItem => items,
    Location => locations,
    Order => orders,
    Product => products,
    Variant => variants,
}

impl Engine for Memory {
    fn commit(&mut self, group: &[Operation]) -> Result<Vec<Result<Outcome>>> {
        let mut state = self.state();
        let one = |operation| {
            let before = state.clone();
            perform(&mut *state, operation).inspect_err(|_| *state = before)
        };
        Ok(group.iter().map(one).collect())
    }

    fn head(&self) -> Sequence {
        Sequence(self.state().last)
    }
}

impl Transaction for State {
    type Shop<'a> = MemoryTables<'a>;

    fn shop(&mut self, domain: &ShopDomain) -> Result<MemoryTables<'_>> {
        if !self.shops.contains_key(domain) {
            return Err(StoreError::UnknownShop(domain.clone()));
        }
        Ok(MemoryTables {
            state: self,
            domain: domain.clone(),
        })
    }

    fn register(
        &mut self,
        domain: &ShopDomain,
        thresholds: &Thresholds,
        at: Timestamp,
    ) -> Result<Option<Thresholds>> {
        let known = self.shops.contains_key(domain);
        let shop = self.shops.entry(domain.clone()).or_default();
        shop.known_since.get_or_insert(at);
        let before = std::mem::replace(&mut shop.thresholds, thresholds.clone());
        Ok(known.then_some(before))
    }

    fn keep_identity(&mut self, domain: &ShopDomain, id: &str) -> Result<bool> {
        self.shop(domain)?;
        let shop = self.shops.entry(domain.clone()).or_default();
        Ok(shop.shopify_id.get_or_insert_with(|| id.to_owned()) == id)
    }

    fn keep_names(&mut self, domain: &ShopDomain, wanted: bool) -> Result<bool> {
        self.shop(domain)?;
        let shop = self.shops.entry(domain.clone()).or_default();
        let changed = std::mem::replace(&mut shop.names, wanted) != wanted;
        if changed && !wanted {
            shop.customers
                .values_mut()
                .for_each(|customer| customer.name = None);
            for Drifted { wrong, record, .. } in &mut shop.drift {
                if let (Wrong::Differs(fields), true) = (wrong, record.starts_with("customer ")) {
                    fields.remove("name");
                }
            }
            for (_, _, _, event) in self.log.iter_mut().filter(|(_, of, ..)| of == domain) {
                if let Event::OrderCreated(order)
                | Event::OrderDeleted(order)
                | Event::OrderStatusChanged(order)
                | Event::OrderUpdated(order) = event
                {
                    order.customer_name = None;
                }
            }
        }
        Ok(changed)
    }

    fn accept(&mut self, delivery: &Delivery) -> Result<bool> {
        self.shop(&delivery.shop)?;
        let named = |state: &Self, name: &Delivery| {
            let same = |(held, _): &&(Delivery, _)| {
                (&held.shop, &held.webhook_id) == (&name.shop, &name.webhook_id)
            };
            state
                .deliveries
                .iter()
                .find(same)
                .map(|(held, _)| held.signature == name.signature)
        };
        let mut delivery = delivery.clone();
        if named(self, &delivery) == Some(false) {
            delivery = delivery.under_its_signature()?;
        }
        let fresh = named(self, &delivery).is_none();
        if fresh {
            self.deliveries.push((delivery, None));
        }
        Ok(fresh)
    }

    fn forget(&mut self, domain: &ShopDomain) -> Result<()> {
        let thresholds = self.shop(domain)?.here().thresholds.clone();
        self.shops.insert(
            domain.clone(),
            Shop {
                thresholds,
                ..Shop::default()
            },
        );
        self.log.retain(|(_, shop, ..)| shop != domain);
        self.deliveries
            .retain(|(delivery, fate)| delivery.shop != *domain || fate.is_none());
        Ok(())
    }

    fn keep_position(&mut self, reader: &str, position: &Position) -> Result<()> {
        self.positions.insert(reader.to_owned(), position.clone());
        Ok(())
    }

    fn keep_session(
        &mut self,
        id: &str,
        owner: &str,
        rooms: &str,
        at: Timestamp,
        quota: &SessionQuota,
    ) -> Result<()> {
        self.sessions
            .insert(id.to_owned(), (owner.to_owned(), rooms.to_owned(), at));
        let of_owner = (
            Some(owner.to_owned()),
            quota.owner_records,
            quota.owner_bytes,
        );
        for (owner, records_max, bytes_max) in [of_owner, (None, quota.records, quota.bytes)] {
            loop {
                let theirs: Vec<_> = self
                    .sessions
                    .iter()
                    .filter(|(_, (of, ..))| owner.as_ref().is_none_or(|owner| owner == of))
                    .collect();
                let bytes: usize = theirs.iter().map(|(_, (_, rooms, _))| rooms.len()).sum();
                let is_over = theirs.len() as u64 > records_max || bytes as u64 > bytes_max;
                let others = theirs.iter().filter(|(other, _)| *other != id);
                let oldest = others
                    .min_by_key(|(_, (.., at))| *at)
                    .map(|(id, (.., at))| ((*id).clone(), *at));
                let Some((oldest, at)) = oldest.filter(|_| is_over) else {
                    break;
                };
                self.sessions.remove(&oldest);
                let evicted = self.evicted.entry(owner.clone()).or_insert(at);
                *evicted = at.max(*evicted);
            }
        }
        Ok(())
    }

    fn revoke(&mut self, Revocation { of, at, until }: &Revocation) -> Result<bool> {
        let kept = self.revocations.get(of).copied();
        let longest = kept.map_or((*at, *until), |kept| (kept.0.max(*at), kept.1.max(*until)));
        self.revocations.insert(of.clone(), longest);
        Ok(kept != Some(longest))
    }

    fn prune(&mut self, retention: &Retention) -> Result<()> {
        self.sessions
            .retain(|_, (.., at)| *at >= retention.sessions_before);
        self.revocations
            .retain(|_, (_, until)| *until > retention.revoked_until);
        let old = self
            .log
            .iter()
            .filter(|(_, _, at, _)| *at < retention.log_before)
            .map(|(sequence, ..)| sequence.0);
        self.floor = old.max().unwrap_or(0).max(self.floor);
        let floor = self.floor;
        self.log.retain(|(sequence, ..)| sequence.0 > floor);
        self.deliveries.retain(|(delivery, fate)| match fate {
            None => true,
            Some(Fate::Unreadable(_)) => delivery.received_at >= retention.unreadable_before,
            Some(Fate::Applied | Fate::Ignored) => {
                delivery.received_at >= retention.deliveries_before
            }
        });
        for shop in self.shops.values_mut() {
            shop.kept.forget(retention.runs_before);
            shop.posted
                .retain(|_, (_, at)| *at >= retention.deliveries_before);
            shop.transfers
                .retain(|_, (_, at)| *at >= retention.deliveries_before);
            shop.redacted
                .retain(|_, at| *at >= retention.deliveries_before);
            shop.drift
                .retain(|drifted| drifted.found >= retention.runs_before);
            shop.runs.retain(|run| {
                !run.run.state.is_over() || run.run.started_at >= retention.runs_before
            });
        }
        Ok(())
    }
}

struct MemoryTables<'s> {
    state: &'s mut State,
    domain: ShopDomain,
}

impl MemoryTables<'_> {
    fn here(&self) -> &Shop {
        // `State::shop` gives tables only for shops that are there, and none is ever removed.
        &self.state.shops[&self.domain]
    }

    fn here_mut(&mut self) -> &mut Shop {
        self.state.shops.entry(self.domain.clone()).or_default()
    }

    fn delivery(&self, id: &WebhookId) -> Option<usize> {
        self.state
            .deliveries
            .iter()
            .position(|(held, _)| held.shop == self.domain && held.webhook_id == *id)
    }
}

impl<R: Shelved> Keep<R> for MemoryTables<'_> {
    fn find(&self, key: R::Key) -> Result<Option<R>> {
        Ok(R::on(self.here()).get(&key).cloned())
    }

    fn put(&mut self, record: &R) -> Result<()> {
        R::shelf(self.here_mut()).insert(record.key(), record.clone());
        Ok(())
    }

    fn delete(&mut self, key: R::Key) -> Result<()> {
        R::shelf(self.here_mut()).remove(&key);
        Ok(())
    }
}

impl Tables for MemoryTables<'_> {
    fn shop(&self) -> &ShopDomain {
        &self.domain
    }

    fn thresholds(&self) -> &Thresholds {
        &self.here().thresholds
    }

    fn known_since(&self) -> Timestamp {
        self.here().known_since.unwrap_or(Timestamp::MAX)
    }

    fn variants_of(&self, product: ProductId) -> Result<Vec<Variant>> {
        Ok(self
            .here()
            .variants
            .values()
            .filter(|variant| variant.product_id == product)
            .cloned()
            .collect())
    }

    fn variant_of(&self, item: InventoryItemId) -> Result<Option<Variant>> {
        Ok(variant_of(self.here(), item).cloned())
    }

    fn levels_of(&self, item: InventoryItemId) -> Result<Vec<HeldLevel>> {
        Ok(self
            .here()
            .levels
            .values()
            .filter(|level| level.key().0 == item)
            .cloned()
            .collect())
    }

    fn available_of(&self, product: ProductId) -> Result<Vec<AvailableAt>> {
        let mut sums = BTreeMap::new();
        for item in self
            .variants_of(product)?
            .into_iter()
            .filter_map(|variant| variant.inventory_item_id)
        {
            let open = |level: &&HeldLevel| {
                let location = self.here().locations.get(&level.key().1);
                level.observed.active && location.is_none_or(|location| location.active)
            };
            for level in self.levels_of(item)?.iter().filter(open) {
                *sums.entry(level.key().1).or_default() += level.available();
            }
        }
        Ok(sums
            .into_iter()
            .map(|(location_id, available)| AvailableAt {
                location_id,
                available,
            })
            .collect())
    }

    fn levels_at(&self, location: LocationId) -> Result<Vec<HeldLevel>> {
        Ok(self
            .here()
            .levels
            .values()
            .filter(|level| level.key().1 == location)
            .cloned()
            .collect())
    }

    fn levels(&self) -> Result<Vec<HeldLevel>> {
        Ok(self.here().levels.values().cloned().collect())
    }

    fn append(&mut self, at: Timestamp, event: &Event) -> Result<Sequence> {
        self.state.last += 1;
        self.state.log.push((
            Sequence(self.state.last),
            self.domain.clone(),
            at,
            event.clone(),
        ));
        Ok(Sequence(self.state.last))
    }

    fn posted(&self, key: &PostKey) -> Result<Option<Sequence>> {
        Ok(self.here().posted.get(key).map(|(sequence, _)| *sequence))
    }

    fn put_posted(&mut self, key: &PostKey, sequence: Sequence, at: Timestamp) -> Result<()> {
        self.here_mut().posted.insert(*key, (sequence, at));
        Ok(())
    }

    fn transfer(&self, id: TransferId) -> Result<Option<Transfer>> {
        Ok(self.here().transfers.get(&id).map(|(told, _)| told.clone()))
    }

    fn put_transfer(&mut self, told: &Transfer, at: Timestamp) -> Result<()> {
        self.here_mut()
            .transfers
            .insert(told.transfer_id, (told.clone(), at));
        Ok(())
    }

    fn mark(
        &mut self,
        key: RecordKey,
        due: Timestamp,
        doubt: Option<&RunId>,
        tries: Tries,
    ) -> Result<()> {
        self.state.last_mark += 1;
        let before = self
            .here()
            .marked
            .get(&key)
            .filter(|(before, _)| tries == Tries::Keep && before.vain > 0);
        let (vain, due) = before.map_or((0, due), |(before, later)| (before.vain, due.max(*later)));
        let marking = Marking {
            mark: Mark(self.state.last_mark),
            vain,
            doubt: doubt.cloned(),
        };
        self.here_mut().marked.insert(key, (marking, due));
        Ok(())
    }

    fn marked(&self, key: RecordKey) -> Result<Option<Marking>> {
        Ok(self
            .here()
            .marked
            .get(&key)
            .map(|(marking, _)| marking.clone()))
    }

    fn unmark(&mut self, key: RecordKey) -> Result<()> {
        self.here_mut().marked.remove(&key);
        Ok(())
    }

    fn postpone(&mut self, key: RecordKey, vain: u32, later: Timestamp) -> Result<()> {
        if let Some((marking, due)) = self.here_mut().marked.get_mut(&key) {
            marking.vain = vain;
            *due = later;
        }
        Ok(())
    }

    fn redacted(&self, customer: CustomerId) -> Result<Option<Timestamp>> {
        Ok(self.here().redacted.get(&customer).copied())
    }

    fn redact(&mut self, customer: CustomerId, at: Timestamp) -> Result<()> {
        let shop = self.here_mut();
        shop.redacted.insert(customer, at);
        shop.customers.remove(&customer);
        shop.marked.remove(&RecordKey::Customer(customer));
        let name = RecordKey::Customer(customer).to_string();
        shop.drift.retain(|drifted| drifted.record != name);
        for order in shop
            .orders
            .values_mut()
            .filter(|order| order.customer_id == Some(customer))
        {
            order.customer_id = None;
        }
        let (domain, own) = (self.domain.clone(), Room::OrdersCustomer(customer.into()));
        self.state.log.retain_mut(|(_, shop, _, event)| {
            if *shop != domain {
                return true;
            }
            match event {
                Event::OrderCreated(order)
                | Event::OrderDeleted(order)
                | Event::OrderStatusChanged(order)
                | Event::OrderUpdated(order)
                    if order.order.customer_id == Some(customer) =>
                {
                    (order.order.customer_id, order.customer_name) = (None, None);
                }
                Event::PaymentFailed(payment)
                | Event::PaymentReceived(payment)
                | Event::PaymentRefunded(payment) => {
                    payment.customer_id = payment.customer_id.filter(|id| *id != customer);
                }
                Event::CustomerActivity(activity) => return activity.customer_id != customer,
                Event::Posted(posted) if posted.customer_id == Some(customer) => return false,
                Event::Emitted(_) | Event::Posted(_) => return !event.rooms().contains(&own),
                _ => {}
            }
            true
        });
        Ok(())
    }

    fn settle(&mut self, delivery: &WebhookId, fate: &Fate) -> Result<bool> {
        let Some(index) = self.delivery(delivery) else {
            return Ok(false);
        };
        let (delivery, settled @ None) = &mut self.state.deliveries[index] else {
            return Ok(false);
        };
        if !matches!(fate, Fate::Unreadable(_)) {
            delivery.body.clear();
        }
        *settled = Some(fate.clone());
        Ok(true)
    }

    fn run(&self, id: &RunId) -> Result<Option<RunRecord>> {
        Ok(self
            .here()
            .runs
            .iter()
            .find(|run| run.run.run_id == *id)
            .cloned())
    }

    fn run_under_way(&self, resource: Resource) -> Result<bool> {
        Ok(self
            .here()
            .runs
            .iter()
            .any(|run| run.resource() == resource && run.run.state == RunState::Running))
    }

    fn put_run(&mut self, run: &RunRecord) -> Result<()> {
        let runs = &mut self.here_mut().runs;
        match runs
            .iter_mut()
            .find(|held| held.run.run_id == run.run.run_id)
        {
            Some(held) => held.clone_from(run),
            None => runs.push(run.clone()),
        }
        Ok(())
    }

    fn add_drift(&mut self, drifted: &Drifted) -> Result<()> {
        self.here_mut().drift.push(drifted.clone());
        Ok(())
    }

    fn put_watermark(&mut self, resource: Resource, until: Timestamp) -> Result<()> {
        self.here_mut().watermarks.insert(resource, until);
        Ok(())
    }
}

fn variant_of(shop: &Shop, item: InventoryItemId) -> Option<&Variant> {
    shop.variants
        .values()
        .find(|variant| variant.inventory_item_id == Some(item))
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn shop<T>(&self, domain: &ShopDomain, read: impl FnOnce(&Shop) -> T) -> Result<T> {
        self.state()
            .shops
            .get(domain)
            .map(read)
            .ok_or_else(|| StoreError::UnknownShop(domain.clone()))
    }

    fn entry(
        &self,
        (sequence, shop, at, event): &(Sequence, ShopDomain, Timestamp, Event),
    ) -> LogEntry {
        let offset = Offset {
            epoch: self.epoch,
            sequence: *sequence,
        };
        LogEntry {
            offset,
            shop: shop.clone(),
            at: *at,
            event: event.clone(),
        }
    }
}

impl Reader for Memory {
    fn entries(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>> {
        let state = self.state();
        Ok(state
            .log
            .iter()
            .filter(|entry| entry.0 > after)
            .take(limit)
            .map(|entry| self.entry(entry))
            .collect())
    }

    fn replay(
        &self,
        domain: &ShopDomain,
        rooms: &[Room],
        after: Sequence,
        until: Sequence,
        limit: usize,
    ) -> Result<Vec<LogEntry>> {
        self.shop(domain, |_| ())?;
        let state = self.state();
        if after.0 < state.floor {
            return Err(StoreError::TooOld(after));
        }
        let heard = |event: &Event| {
            rooms.is_empty() || event.rooms().iter().any(|room| rooms.contains(room))
        };
        let wanted = state.log.iter().filter(|(sequence, shop, _, event)| {
            *sequence > after && *sequence <= until && shop == domain && heard(event)
        });
        Ok(wanted.take(limit).map(|entry| self.entry(entry)).collect())
    }

    fn levels(
        &self,
        domains: &[ShopDomain],
        selection: &LevelSelection,
        after: Option<(InventoryItemId, LocationId)>,
        limit: usize,
    ) -> Result<(Vec<LevelShape>, Sequence)> {
        let state = self.state();
        let mut levels = Vec::new();
        for domain in domains {
            let shop = state
                .shops
                .get(domain)
                .ok_or_else(|| StoreError::UnknownShop(domain.clone()))?;
            let behind =
                |level: &LevelShape| Some((level.inventory_item_id, level.location_id)) > after;
            levels.extend(
                levels_of_shop(domain, shop, selection)
                    .into_iter()
                    .filter(behind)
                    .take(limit),
            );
        }
        Ok((levels, Sequence(state.last)))
    }

    fn inbox(&self, limit: usize) -> Result<Vec<Delivery>> {
        let state = self.state();
        let pending = state.deliveries.iter().filter(|(_, fate)| fate.is_none());
        Ok(pending
            .take(limit)
            .map(|(delivery, _)| delivery.clone())
            .collect())
    }

    fn deliveries(
        &self,
        shop: &ShopDomain,
        state: &'static str,
        limit: usize,
    ) -> Result<Vec<DeliverySummary>> {
        let held = self.state();
        let wanted = held
            .deliveries
            .iter()
            .rev()
            .filter(|(held, fate)| held.shop == *shop && word(fate.as_ref()) == state);
        let summary = |(delivery, fate): &(Delivery, Option<Fate>)| DeliverySummary {
            webhook_id: delivery.webhook_id.clone(),
            topic: delivery.topic.clone(),
            received_at: delivery.received_at,
            state,
            reason: match fate {
                Some(Fate::Unreadable(reason)) => Some(reason.clone()),
                _ => None,
            },
        };
        Ok(wanted.take(limit).map(summary).collect())
    }

    fn delivery_counts(&self, shop: &ShopDomain) -> Result<Vec<(String, &'static str, u64)>> {
        let mut counts = BTreeMap::new();
        for (delivery, fate) in self
            .state()
            .deliveries
            .iter()
            .filter(|(held, _)| held.shop == *shop)
        {
            *counts
                .entry((delivery.topic.clone(), word(fate.as_ref())))
                .or_insert(0) += 1;
        }
        Ok(counts
            .into_iter()
            .map(|((topic, state), count)| (topic, state, count))
            .collect())
    }

    fn marked(&self, shop: &ShopDomain, now: Timestamp, limit: usize) -> Result<Vec<Marked>> {
        self.shop(shop, |shop| {
            let due = shop
                .marked
                .iter()
                .filter(|(key, (_, due))| *due <= now && !shop.kept.in_flight(**key));
            let mut marked: Vec<Marked> = due
                .map(|(key, (marking, _))| {
                    let gid = match key {
                        RecordKey::Level(item, location) => shop
                            .levels
                            .get(&(*item, *location))
                            .and_then(|held| held.observed.gid.clone()),
                        _ => None,
                    };
                    Marked {
                        key: *key,
                        mark: marking.mark,
                        gid,
                    }
                })
                .collect();
            marked.sort_by_key(|marked| marked.mark);
            marked.truncate(limit);
            marked
        })
    }

    fn waiting(&self, shop: &ShopDomain, limit: usize) -> Result<Vec<Waiting>> {
        self.shop(shop, |shop| shop.waiting(limit))
    }

    fn backlog(&self, shop: &ShopDomain) -> Result<Backlog> {
        self.shop(shop, |shop| Backlog {
            effects: shop.kept.unanswered(),
            refreshes: shop.marked.len() as u64,
        })
    }

    fn attempts(&self, shop: &ShopDomain) -> Result<Vec<Attempt>> {
        self.shop(shop, |shop| shop.kept.attempts())
    }

    fn commands(
        &self,
        shop: &ShopDomain,
        filter: &CommandFilter,
    ) -> Result<Vec<serde_json::Value>> {
        self.shop(shop, |shop| shop.kept.commands(filter))?
    }

    fn reservations(
        &self,
        shop: &ShopDomain,
        filter: &HoldFilter,
    ) -> Result<Vec<ReservationShape>> {
        self.shop(shop, |shop| shop.kept.reservations(filter))
    }

    fn runs(&self, shop: &ShopDomain, limit: usize) -> Result<Vec<RunRecord>> {
        self.shop(shop, |shop| {
            shop.runs.iter().rev().take(limit).cloned().collect()
        })
    }

    fn last_runs(&self, shop: &ShopDomain, resource: Resource) -> Result<LastRuns> {
        self.shop(shop, |shop| {
            let of = || {
                shop.runs
                    .iter()
                    .rev()
                    .filter(|run| run.resource() == resource)
            };
            let real = |run: &&RunRecord| !run.run.dry_run;
            let full = |run: &&RunRecord| run.run.kind == RunKind::Full;
            let completed = |run: &&RunRecord| run.run.state == RunState::Completed;
            LastRuns {
                any: of().next().cloned(),
                completed: of().filter(real).find(completed).cloned(),
                full_begun: of().filter(real).find(full).cloned(),
                full_completed: of().filter(real).filter(full).find(completed).cloned(),
            }
        })
    }

    fn doubts(&self, run: &RunId) -> Result<u64> {
        let state = self.state();
        let marks = state.shops.values().flat_map(|shop| shop.marked.values());
        Ok(marks
            .filter(|(marking, _)| marking.doubt.as_ref() == Some(run))
            .count() as u64)
    }

    fn drift(&self, shop: &ShopDomain, run: Option<&RunId>, limit: usize) -> Result<Vec<Drifted>> {
        let wanted = |drifted: &&Drifted| run.is_none_or(|run| drifted.run_id == *run);
        self.shop(shop, |shop| {
            shop.drift
                .iter()
                .rev()
                .filter(wanted)
                .take(limit)
                .cloned()
                .collect()
        })
    }

    fn held(
        &self,
        shop: &ShopDomain,
        resource: Resource,
        orders_since: Timestamp,
    ) -> Result<Vec<Held>> {
        let one = |key| Held { key, variant: None };
        self.shop(shop, |shop| match resource {
            Resource::Customers => shop
                .customers
                .keys()
                .map(|id| one(RecordKey::Customer(*id)))
                .collect(),
            Resource::Inventory => shop
                .levels
                .keys()
                .map(|(item, location)| one(RecordKey::Level(*item, *location)))
                .collect(),
            Resource::Orders => {
                let orders = shop
                    .orders
                    .values()
                    .filter(|order| order.created_at >= orders_since);
                orders
                    .map(|order| one(RecordKey::Order(order.id)))
                    .collect()
            }
            Resource::Products => {
                let products = shop.products.keys().map(|id| one(RecordKey::Product(*id)));
                let items = shop.items.keys().map(|id| one(RecordKey::Item(*id)));
                let variants = shop.variants.values().map(|variant| Held {
                    key: RecordKey::Product(variant.product_id),
                    variant: Some(variant.id),
                });
                products.chain(items).chain(variants).collect()
            }
        })
    }

    fn watermark(&self, shop: &ShopDomain, resource: Resource) -> Result<Option<Timestamp>> {
        self.shop(shop, |shop| shop.watermarks.get(&resource).copied())
    }

    fn locations(&self, shop: &ShopDomain) -> Result<Vec<Location>> {
        self.shop(shop, |shop| shop.locations.values().cloned().collect())
    }

    fn session(&self, id: &str, owner: &str) -> Result<KeptSession> {
        let state = self.state();
        let evicted = [Some(owner.to_owned()), None]
            .into_iter()
            .filter_map(|of| state.evicted.get(&of));
        Ok(KeptSession {
            rooms: state.sessions.get(id).map(|(_, rooms, _)| rooms.clone()),
            evicted_at: evicted.max().copied(),
        })
    }

    fn positions(&self) -> Result<BTreeMap<String, Position>> {
        Ok(self.state().positions.clone())
    }

    fn floor(&self) -> Result<Sequence> {
        Ok(Sequence(self.state().floor))
    }

    fn revocations(&self) -> Result<Vec<Revocation>> {
        let state = self.state();
        let kept = state.revocations.iter();
        Ok(kept
            .map(|(of, (at, until))| Revocation {
                of: of.clone(),
                at: *at,
                until: *until,
            })
            .collect())
    }

    fn orders(
        &self,
        shop: &ShopDomain,
        view: &OrderView,
        after: u64,
        limit: usize,
    ) -> Result<Vec<serde_json::Value>> {
        let wanted = |order: &&Order| {
            order.id.to_i64().cast_unsigned() > after
                && match view {
                    OrderView::All => true,
                    OrderView::Of(customer) => order.customer_id == Some(*customer),
                    OrderView::At(mine) => {
                        order.locations.is_empty()
                            || order.locations.iter().any(|at| mine.contains(at))
                    }
                }
        };
        self.shop(shop, |shop| {
            let orders = shop.orders.values().filter(wanted).take(limit);
            Ok(orders
                .map(serde_json::to_value)
                .collect::<serde_json::Result<_>>()?)
        })?
    }

    fn list(
        &self,
        shop: &ShopDomain,
        collection: Collection,
        after: u64,
        limit: usize,
    ) -> Result<Vec<serde_json::Value>> {
        fn page<R: Shelved + Serialize>(
            shop: &Shop,
            after: u64,
            limit: usize,
        ) -> Result<Vec<serde_json::Value>>
        where
            R::Key: TryFrom<u64>,
        {
            let passed = |key: &R::Key| R::Key::try_from(after).is_ok_and(|after| *key <= after);
            let records = R::on(shop)
                .iter()
                .filter(|(key, _)| !passed(key))
                .take(limit);
            Ok(records
                .map(|(_, record)| serde_json::to_value(record))
                .collect::<serde_json::Result<_>>()?)
        }
        self.shop(shop, |shop| match collection {
            Collection::Customers => page::<Customer>(shop, after, limit),
            Collection::Items => page::<InventoryItem>(shop, after, limit),
            Collection::Locations => page::<Location>(shop, after, limit),
            Collection::Orders => page::<Order>(shop, after, limit),
            Collection::Products => page::<Product>(shop, after, limit),
            Collection::Variants => page::<Variant>(shop, after, limit),
        })?
    }
}

fn levels_of_shop(domain: &ShopDomain, shop: &Shop, selection: &LevelSelection) -> Vec<LevelShape> {
    let LevelSelection {
        location_ids,
        product_ids,
        variant_ids,
        item_ids,
        sku,
        within,
    } = selection;
    let shapes = shop.levels.values().map(|held| {
        let (item, location) = held.key();
        let variant = variant_of(shop, item).cloned();
        let product = variant
            .as_ref()
            .and_then(|variant| shop.products.get(&variant.product_id))
            .cloned();
        let (item, location) = (
            shop.items.get(&item).cloned(),
            shop.locations.get(&location).cloned(),
        );
        level_shape(
            domain,
            &shop.thresholds,
            held,
            References {
                item,
                variant,
                product,
                location,
            },
        )
    });
    let one_of = |level: &LevelShape| {
        selection.is_everything()
            || location_ids
                .as_ref()
                .is_some_and(|ids| ids.contains(&level.location_id))
            || product_ids
                .as_ref()
                .zip(level.product_id)
                .is_some_and(|(ids, id)| ids.contains(&id))
            || variant_ids
                .as_ref()
                .zip(level.variant_id)
                .is_some_and(|(ids, id)| ids.contains(&id))
            || item_ids
                .as_ref()
                .is_some_and(|ids| ids.contains(&level.inventory_item_id))
            || (sku.is_some() && *sku == level.sku)
    };
    let mine = |level: &LevelShape| {
        within
            .as_ref()
            .is_none_or(|mine| mine.contains(&level.location_id))
    };
    shapes
        .filter(|level| one_of(level) && mine(level))
        .collect()
}

fn word(fate: Option<&Fate>) -> &'static str {
    match fate {
        None => "pending",
        Some(Fate::Applied) => "applied",
        Some(Fate::Ignored) => "ignored",
        Some(Fate::Unreadable(_)) => "unreadable",
    }
}
