//! A store as simple as can be: everything in maps, nothing remembered between two batches. It loads as little at a
//! time as the contract of [`Key`] allows. The tests of `store` have this file too, and compare with it.

use std::collections::{BTreeMap, BTreeSet};

use domain::drift::Drifted;
use domain::outbox::PendingAdjustment;
use domain::working_set::{
    Appended, BulkWrite, Draws, Redaction, RevocationRow, ShopRecords, ShopRow, SliceOfLevels,
    Undecided,
};
use domain::{
    Covered, HeldLevel, Key, LevelKey, Numbers, Operation, Outcome, Records, Revoked, Row,
    SetPlace, WantedKey, WorkingSet, decide, keys,
};
use schemas::record::{Location, Order, Variant};
use schemas::shape::{ReservationShape, ReservationState};
use schemas::{CustomerId, EventData, Logged, Resource, Room, Sequence, ShopDomain, Timestamp};

use super::CHUNK;

#[derive(Debug)]
pub(super) struct Shelf<R: Row> {
    pub(super) rows: BTreeMap<R::Id, R>,
    sets: BTreeMap<Key, BTreeSet<SetPlace<R>>>,
}

impl<R: Row> Default for Shelf<R> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            sets: BTreeMap::new(),
        }
    }
}

impl<R: Row> Shelf<R> {
    fn take(&mut self, records: &Records<R>) {
        for changed in records.changes() {
            self.put(changed.id, changed.now);
        }
    }

    pub(super) fn put(&mut self, id: &R::Id, now: Option<&R>) {
        if let Some(before) = self.rows.remove(id) {
            for set in before.sets() {
                let members = self.sets.entry(set).or_default();
                members.remove(&(before.rank(), id.clone()));
            }
        }
        if let Some(now) = now {
            for set in now.sets() {
                let members = self.sets.entry(set).or_default();
                members.insert((now.rank(), id.clone()));
            }
            self.rows.insert(id.clone(), now.clone());
        }
    }

    fn load(&self, id: &R::Id, records: &mut Records<R>) {
        records.load(id.clone(), self.rows.get(id).cloned());
    }

    /// All members of a set, or the next few behind what is covered.
    fn load_set(&self, set: &Key, chunk: usize, records: &mut Records<R>) {
        let after = match records.covered(set) {
            Some(Covered::All) => return,
            Some(Covered::UpTo(place)) => Some(place.clone()),
            None => None,
        };
        let members = self.sets.get(set).into_iter().flatten();
        let next = members.filter(|place| after.as_ref().is_none_or(|after| *place > after));
        let next: Vec<_> = next.take(chunk).cloned().collect();
        for (_, id) in &next {
            self.load(id, records);
        }
        let covered = match next.last() {
            Some(last) if next.len() == chunk => Covered::UpTo(last.clone()),
            _ => Covered::All,
        };
        records.cover(set.clone(), covered);
    }
}

macro_rules! disk {
    ($($field:ident: $record:ty => $key:ident,)*) => {
        #[derive(Debug, Default)]
        pub(super) struct Disk {
            $(pub(super) $field: Shelf<$record>,)*
            pub(super) shops: BTreeMap<ShopDomain, ShopRow>,
            pub(super) revocations: BTreeMap<Revoked, RevocationRow>,
            pub(super) numbers: Numbers,
            pub(super) log: Vec<Appended>,
            pub(super) drift: Vec<(ShopDomain, Drifted)>,
            pub(super) watermarks: Vec<(ShopDomain, Resource, Timestamp)>,
            pub(super) bulk: Vec<BulkWrite>,
        }

        impl Disk {
            fn take(&mut self, records: &ShopRecords) {
                $(self.$field.take(&records.$field);)*
            }

            /// The keys of all records.
            pub(super) fn record_keys(&self) -> BTreeSet<Key> {
                let mut keys = BTreeSet::new();
                $(keys.extend(self.$field.rows.keys().cloned().map(Key::$key));)*
                keys
            }

            /// How many records there are of each kind.
            pub(super) fn counts(&self) -> Vec<(&'static str, usize)> {
                vec![$((stringify!($key), self.$field.rows.len())),*]
            }

            /// Its records as they were loaded elsewhere.
            pub(super) fn records_in(&self, loaded: &ShopRecords) -> Self {
                let mut disk = Self::default();
                $(for id in self.$field.rows.keys() {
                    disk.$field.put(id, loaded.$field.get(id).flatten());
                })*
                disk
            }

            /// The first thing in which it is not as the other one.
            pub(super) fn difference(&self, other: &Self) -> Option<String> {
                $(if self.$field.rows != other.$field.rows {
                    return Some(format!("{:#?}\nis not\n{:#?}", self.$field.rows, other.$field.rows));
                })*
                let rest = |disk: &Self| format!(
                    "{:?} {:?} {:?} {:?} {:?} {:?}",
                    disk.shops, disk.revocations, disk.numbers, disk.drift(), disk.watermarks, disk.bulk
                );
                let (mine, theirs) = (rest(self), rest(other));
                if mine != theirs {
                    return Some(format!("{mine}\nis not\n{theirs}"));
                }
                let mut pairs = self.log.iter().zip(&other.log);
                let pair = pairs.find(|(one, two)| one != two);
                pair.map(|(one, two)| format!("{one:#?}\nis not\n{two:#?}"))
            }
        }
    };
}

disk! {
    adjustments: PendingAdjustment => Adjustment,
    commands: domain::command::KeptCommand => Command,
    customers: schemas::record::Customer => Customer,
    deliveries: domain::working_set::KeptDelivery => Delivery,
    dirty_marks: domain::working_set::DirtyMark => DirtyMark,
    flights: domain::outbox::Flight => Flight,
    items: schemas::record::InventoryItem => Item,
    levels: HeldLevel => Level,
    locations: Location => Location,
    messages: domain::outbox::SentMessage => Message,
    orders: Order => Order,
    posted: domain::working_set::PostedAt => Posted,
    products: schemas::record::Product => Product,
    redactions: Redaction => Redaction,
    reservations: ReservationShape => Reservation,
    runs: domain::RunRecord => Run,
    transfers: domain::working_set::ToldTransfer => Transfer,
    variants: Variant => Variant,
}

impl Disk {
    /// Decides a batch and keeps what came of it.
    pub(super) fn carry_out(
        &mut self,
        operations: &[Operation],
    ) -> Vec<Result<Outcome, Undecided>> {
        let mut set = WorkingSet::new(self.numbers);
        let mut wanted = set.unknown(operations.iter().flat_map(keys));
        for _ in 0..200 {
            for wanted in &wanted {
                self.load(wanted, &mut set);
            }
            match decide(&mut set, operations) {
                Ok(outcomes) => {
                    self.write(&set);
                    return outcomes;
                }
                Err(missing) => wanted = missing,
            }
        }
        panic!("no end of {wanted:?}")
    }

    fn write(&mut self, set: &WorkingSet) {
        let written = set.written();
        for bulk in &written.bulk {
            if let BulkWrite::Redact { customer, .. } = bulk {
                for order in self.orders.rows.values_mut() {
                    order.customer_id = order.customer_id.filter(|id| id != customer);
                }
                let redaction = self.redactions.rows.get(customer).copied();
                let done = redaction.map(|redaction| Redaction {
                    erasing: None,
                    ..redaction
                });
                self.redactions.put(customer, done.as_ref());
            }
        }
        for (_, records) in set.by_shop() {
            self.take(records);
            // Bodies are not loaded again.
            for changed in records.deliveries.changes() {
                if let Some(row) = self.deliveries.rows.get_mut(changed.id) {
                    row.arrived = None;
                }
            }
            for changed in records.messages.changes() {
                if let Some(row) = self.messages.rows.get_mut(changed.id) {
                    row.made = None;
                }
            }
        }
        for changed in set.shops.changes() {
            let row = changed.now.map(|row| (changed.id.clone(), row.clone()));
            self.shops.extend(row);
        }
        for changed in set.revocations.changes() {
            let kept = changed.now.map(|kept| (changed.id.clone(), *kept));
            self.revocations.extend(kept);
        }
        for (entry, sequence) in written.appended.iter().zip(self.numbers.sequence.0 + 1..) {
            assert_eq!(entry.sequence.0, sequence, "no holes");
            self.log.push(entry.clone());
        }
        self.drift.extend_from_slice(&written.drift);
        self.watermarks.extend_from_slice(&written.watermarks);
        self.bulk.extend_from_slice(&written.bulk);
        for bulk in &written.bulk {
            if let BulkWrite::Redact {
                customer, until, ..
            } = bulk
            {
                self.redact(*customer, *until);
            }
        }
        self.numbers = set.numbers();
    }

    /// What full runs had to put right, but of customers and their orders: what is found of one in the very batch that forgets them is
    /// forgotten with it.
    pub(super) fn drift(&self) -> Vec<&Drifted> {
        let all = self.drift.iter().map(|(_, drifted)| drifted);
        all.filter(|drifted| !is_of_customer(drifted)).collect()
    }

    /// Takes a customer out of the log.
    fn redact(&mut self, customer: CustomerId, until: Sequence) {
        self.log.retain_mut(|entry| {
            if entry.sequence > until {
                return true;
            }
            entry.rooms.remove(&Room::OrdersCustomer(customer.into()));
            let (theirs, name) = match &mut entry.event {
                Logged::CustomerActivity(EventData::Own(activity)) => {
                    return activity.customer_id != customer;
                }
                Logged::OrderCreated(EventData::Own(changed))
                | Logged::OrderDeleted(EventData::Own(changed))
                | Logged::OrderStatusChanged(EventData::Own(changed))
                | Logged::OrderUpdated(EventData::Own(changed)) => (
                    &mut changed.order.customer_id,
                    Some(&mut changed.customer_name),
                ),
                Logged::PaymentFailed(EventData::Own(payment))
                | Logged::PaymentReceived(EventData::Own(payment))
                | Logged::PaymentRefunded(EventData::Own(payment)) => {
                    (&mut payment.customer_id, None)
                }
                _ => return true,
            };
            if *theirs == Some(customer) {
                *theirs = None;
                if let Some(name) = name {
                    *name = None;
                }
            }
            true
        });
    }

    fn load(&self, (shop, key): &WantedKey, set: &mut WorkingSet) {
        let Some(shop) = shop else {
            if let Key::Revocation(of) = key {
                let kept = self.revocations.get(of).copied();
                set.revocations.load(of.clone(), kept);
            }
            return;
        };
        if *key == Key::Shop {
            let row = self.shops.get(shop).cloned();
            set.shops.load(shop.clone(), row);
            return;
        }
        let to = set.shop_records(shop);
        match key {
            Key::Adjustment(id) => self.adjustments.load(id, &mut to.adjustments),
            Key::Command(id) => self.commands.load(id, &mut to.commands),
            Key::Customer(id) => self.customers.load(id, &mut to.customers),
            Key::Delivery(id) => self.deliveries.load(id, &mut to.deliveries),
            Key::DirtyMark(id) => self.dirty_marks.load(id, &mut to.dirty_marks),
            Key::Flight(id) => self.flights.load(id, &mut to.flights),
            Key::Item(id) => self.items.load(id, &mut to.items),
            Key::Level(id) => self.levels.load(id, &mut to.levels),
            Key::Location(id) => self.locations.load(id, &mut to.locations),
            Key::Message(id) => self.messages.load(id, &mut to.messages),
            Key::Order(id) => self.orders.load(id, &mut to.orders),
            Key::Posted(id) => self.posted.load(id, &mut to.posted),
            Key::Product(id) => self.products.load(id, &mut to.products),
            Key::Redaction(id) => self.redactions.load(id, &mut to.redactions),
            Key::Reservation(id) => self.reservations.load(id, &mut to.reservations),
            Key::Run(id) => self.runs.load(id, &mut to.runs),
            Key::Transfer(id) => self.transfers.load(id, &mut to.transfers),
            Key::Variant(id) => self.variants.load(id, &mut to.variants),
            Key::AdjustmentsOfCommand(_)
            | Key::AdjustmentsOfReservation(_)
            | Key::AnsweredAt(_) => {
                let all = usize::MAX;
                self.adjustments.load_set(key, all, &mut to.adjustments);
            }
            Key::Unanswered | Key::UnansweredOf(_) | Key::UnsentAt(_) | Key::Waiting => {
                self.adjustments.load_set(key, CHUNK, &mut to.adjustments);
            }
            Key::CommandWithKey(..) => self.commands.load_set(key, usize::MAX, &mut to.commands),
            Key::FlightsOf(_) => self.flights.load_set(key, usize::MAX, &mut to.flights),
            Key::LevelsAfter(after) => {
                let behind = |level: &&LevelKey| after.is_none_or(|after| **level > after);
                for id in self.levels.rows.keys().filter(behind) {
                    self.levels.load(id, &mut to.levels);
                }
                to.levels.cover(key.clone(), Covered::All);
            }
            Key::LevelsAtAfter(location, after) => {
                let here = |level: &&LevelKey| {
                    level.1 == *location && after.is_none_or(|after| level.0 > after)
                };
                let next: Vec<_> = self.levels.rows.keys().filter(here).take(CHUNK).collect();
                for id in &next {
                    self.levels.load(id, &mut to.levels);
                }
                let covered = match next.last() {
                    Some(last) if next.len() == CHUNK => Covered::UpTo(((), **last)),
                    _ => Covered::All,
                };
                to.levels.cover(key.clone(), covered);
            }
            Key::RedactionsUnderWay => {
                self.redactions
                    .load_set(key, usize::MAX, &mut to.redactions);
            }
            Key::LevelsAt(_) | Key::LevelsOf(_) => {
                self.levels.load_set(key, usize::MAX, &mut to.levels);
            }
            Key::LevelsToNet(after) => {
                let unsent = self.adjustments.rows.values();
                let unsent = unsent.filter(|one| one.message.is_none());
                let levels: BTreeSet<LevelKey> = unsent
                    .map(PendingAdjustment::level)
                    .filter(|level| after.is_none_or(|after| *level > after))
                    .filter(|level| !self.flights.rows.contains_key(level))
                    .collect();
                let slice = SliceOfLevels {
                    levels: levels.into_iter().collect(),
                    more: false,
                };
                to.levels_to_net.insert(*after, slice);
            }
            Key::NewestUnsentAt(level, before) => {
                let unsent = self.adjustments.sets.get(&Key::UnsentAt(*level));
                let unsent = unsent.into_iter().flatten().rev();
                let newest = unsent.filter(|((), id)| before.is_none_or(|before| *id < before));
                let newest: Vec<_> = newest.take(CHUNK).copied().collect();
                for ((), id) in &newest {
                    self.adjustments.load(id, &mut to.adjustments);
                }
                let covered = match newest.last() {
                    Some(first) if newest.len() == CHUNK => Covered::UpTo(*first),
                    _ => Covered::All,
                };
                to.adjustments.cover(key.clone(), covered);
            }
            Key::UnsentDraws(level) => {
                let mut sum = Draws::default();
                for one in self.adjustments.rows.values() {
                    if one.level() == *level && one.message.is_none() {
                        sum.units += one.draws().units;
                        sum.settings += one.draws().settings;
                    }
                }
                to.unsent_draws.insert(*level, sum);
            }
            Key::Messages => self.messages.load_set(key, usize::MAX, &mut to.messages),
            Key::ReservationsDue(by) => self.load_due(*by, &mut to.reservations),
            Key::RunsUnderWay(_) => self.runs.load_set(key, usize::MAX, &mut to.runs),
            Key::VariantsOf(_) | Key::VariantsOfItem(_) => {
                self.variants.load_set(key, usize::MAX, &mut to.variants);
            }
            Key::AvailableOf(product) => {
                let sums = self.available_of(*product);
                to.available.insert(*product, sums);
            }
            Key::PendingOnHand(level) => {
                let sum = self.pending_on_hand(*level);
                to.pending_on_hand.insert(*level, sum);
            }
            Key::ReservedUnits(level) => {
                let units = self.reserved_units(*level);
                to.reserved_units.insert(*level, units);
            }
            Key::OpenReservations | Key::Revocation(_) | Key::Shop => {}
        }
    }

    fn load_due(&self, by: i64, records: &mut Records<ReservationShape>) {
        let set = Key::OpenReservations;
        let end = (by + 1, String::new());
        let after = match records.covered(&set) {
            Some(Covered::UpTo(place)) => Some(place.clone()),
            _ => None,
        };
        if after.as_ref().is_some_and(|after| *after >= end) {
            return;
        }
        let members = self.reservations.sets.get(&set).into_iter().flatten();
        let next = members.filter(|place| after.as_ref().is_none_or(|after| *place > after));
        let due = next.filter(|place| **place < end).take(CHUNK);
        let due: Vec<_> = due.cloned().collect();
        for (_, id) in &due {
            self.reservations.load(id, records);
        }
        let covered = match due.last() {
            Some(last) if due.len() == CHUNK => last.clone(),
            _ => end,
        };
        records.cover(set, Covered::UpTo(covered));
    }

    pub(super) fn available_of(
        &self,
        product: schemas::ProductId,
    ) -> BTreeMap<schemas::LocationId, i64> {
        let mut sums = BTreeMap::new();
        let variants = self.variants.rows.values();
        let variants = variants.filter(|one| one.product_id == product);
        for item in variants.filter_map(|variant| variant.inventory_item_id) {
            let levels = self.levels.rows.values();
            for level in levels.filter(|level| level.key().0 == item) {
                let location = self.locations.rows.get(&level.key().1);
                if level.observed.active && location.is_none_or(|location| location.active) {
                    *sums.entry(level.key().1).or_default() += level.available();
                }
            }
        }
        sums
    }

    pub(super) fn pending_on_hand(&self, level: LevelKey) -> i64 {
        let all = self.adjustments.rows.values();
        let here = all.filter(|one| one.level() == level);
        here.map(|one| one.on_hand).sum()
    }

    pub(super) fn reserved_units(&self, level: LevelKey) -> i64 {
        let held = self.reservations.rows.values();
        let held = held.filter(|one| one.state == ReservationState::Held);
        let parts = held.flat_map(|one| &one.items);
        let here = parts.filter(|part| (part.inventory_item_id, part.location_id) == level);
        here.map(|part| part.quantity).sum()
    }
}

/// Whether it may say something of a customer.
pub(super) fn is_of_customer(drifted: &Drifted) -> bool {
    let kinds = ["customer ", "order "];
    kinds.iter().any(|kind| drifted.record.starts_with(kind))
}
