//! Random histories on a real database, in batches, with restarts, kills, and writes that fail: it ends as the one in
//! memory does that decides one by one.
//!
//! `make histories` has more of them.

#[path = "../../../domain/src/decide/tests/disk.rs"]
mod disk;
#[path = "../../../domain/src/decide/tests/history.rs"]
mod history;

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use domain::{Key, Numbers, Operation, Outcome, Revoked, WantedKey, WorkingSet};
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use rusqlite::OpenFlags;
use schemas::{Entropy, LogEntry, Resource, Room, Sequence, Timestamp};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use self::disk::{Disk, is_of_customer};
use self::history::{Dice, History, LENGTH, shop};
use super::backend::SqliteBackend;
use super::{Opened, connect, load, open_with, shops, testing};
use crate::backend::{Backend, Uncommitted};
use crate::{Result, StoreError, Writer};

/// Records that are loaded in memory of a long set at a time: as many as here, so that both do as much in one slice.
const CHUNK: usize = domain::SLICE;
/// Histories of every run of the tests.
const HISTORIES: u64 = 16;

/// In which table each kind of record is.
const TABLES: [(&str, &str); 18] = [
    ("Adjustment", "effect"),
    ("Command", "command"),
    ("Customer", "customer"),
    ("Delivery", "delivery"),
    ("DirtyMark", "marked"),
    ("Flight", "flight"),
    ("Item", "inventory_item"),
    ("Level", "level"),
    ("Location", "location"),
    ("Message", "attempt"),
    ("Order", "customer_order"),
    ("Posted", "posted"),
    ("Product", "product"),
    ("Redaction", "redacted"),
    ("Reservation", "reservation"),
    ("Run", "run"),
    ("Transfer", "transfer"),
    ("Variant", "variant"),
];

/// What goes wrong with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BatchFault {
    /// Nothing of it is written, and the store goes on.
    Refused,
    /// It was written and is undone, and the store goes on.
    Undone,
    /// The process dies before the commit.
    DiesBefore,
    /// The process dies after the commit, and nobody is answered.
    DiesAfter,
}

const FAULTS: [BatchFault; 4] = [
    BatchFault::Refused,
    BatchFault::Undone,
    BatchFault::DiesBefore,
    BatchFault::DiesAfter,
];

/// A database with which the next batch goes wrong.
struct FaultyBackend {
    database: SqliteBackend,
    next: Arc<Mutex<Option<BatchFault>>>,
}

impl FaultyBackend {
    fn error() -> StoreError {
        StoreError::Failed("injected".to_owned())
    }
}

impl Backend for FaultyBackend {
    fn begin(&mut self) -> Result<Numbers> {
        self.database.begin()
    }

    fn load(&mut self, keys: &BTreeSet<WantedKey>, set: &mut WorkingSet) -> Result<()> {
        self.database.load(keys, set)
    }

    fn write(&mut self, set: &WorkingSet) -> Result<bool> {
        let more = self.database.write(set)?;
        let is_refused = *self.next.lock().unwrap() == Some(BatchFault::Refused);
        if is_refused {
            return Err(Self::error());
        }
        Ok(more)
    }

    fn commit(&mut self) -> Result<(), Uncommitted> {
        match *self.next.lock().unwrap() {
            None | Some(BatchFault::Refused) => self.database.commit(),
            Some(BatchFault::Undone) => {
                self.database.rollback();
                Err(Uncommitted::Lost(Self::error()))
            }
            Some(BatchFault::DiesBefore) => Err(Uncommitted::Unsure(Self::error())),
            Some(BatchFault::DiesAfter) => {
                self.database.commit()?;
                Err(Uncommitted::Unsure(Self::error()))
            }
        }
    }

    fn rollback(&mut self) {
        self.database.rollback();
    }

    fn after_answers(&mut self) {
        self.database.after_answers();
    }
}

/// A store at work in a folder.
struct StoreAtWork {
    folder: TempDir,
    opened: Opened,
    fault: Arc<Mutex<Option<BatchFault>>>,
    /// Whether nothing was written since the start.
    is_new: bool,
    runtime: Runtime,
}

impl StoreAtWork {
    fn starts_in(folder: TempDir) -> Self {
        let (path, fault) = (folder.path().join("stockd.db"), Arc::default());
        let next = Arc::clone(&fault);
        let with = |database| FaultyBackend { database, next };
        let opened = open_with(&path, &Entropy::seeded(1), Timestamp::UNIX_EPOCH, with).unwrap();
        assert_eq!(opened.restored, None, "no backup was put back");
        Self {
            folder,
            opened,
            fault,
            is_new: true,
            runtime: Builder::new_current_thread().build().unwrap(),
        }
    }

    /// Stops in order, and starts again.
    fn restarts(self) -> Self {
        let Self { folder, opened, .. } = self;
        drop(opened);
        Self::starts_in(folder)
    }

    /// Is killed, and starts again with what is on the disk then.
    fn killed(self) -> Self {
        let left = testing::folder();
        for file in std::fs::read_dir(self.folder.path()).unwrap() {
            let file = file.unwrap();
            let copy = left.path().join(file.file_name());
            std::fs::copy(file.path(), &copy).unwrap();
            let changed = file.metadata().unwrap().modified().unwrap();
            let copy = File::options().write(true).open(&copy).unwrap();
            copy.set_modified(changed).unwrap();
        }
        Self::starts_in(left)
    }

    /// Has a batch written, in slices where it is done so; fails where the process would end.
    fn writes(&mut self, batch: &[Operation]) -> Result<Vec<Result<Outcome>>> {
        self.is_new = false;
        let Opened { store, writer, .. } = &mut self.opened;
        let asked = batch.iter().map(|one| store.write(one.clone()));
        let mut asked = pin!(join_all(asked));
        assert!(asked.as_mut().now_or_never().is_none(), "all wait");
        loop {
            Writer::step(writer)?;
            if let Some(outcomes) = asked.as_mut().now_or_never() {
                // Of a webhook, slices go on after its answer.
                while Writer::step(writer)? {}
                return Ok(outcomes);
            }
        }
    }

    /// The last numbers that were given out, as a start finds them. Those that were given and taken back within one
    /// batch may be given again: nobody has seen them.
    fn numbers(&self) -> Numbers {
        let connection = connect(&self.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        shops::numbers(&connection).unwrap()
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("stockd.db")
    }

    /// Has a batch written, at once or after that went wrong with it.
    fn gets_written(
        mut self,
        batch: &[Operation],
        expected: &[Result<Outcome>],
        fault: Option<BatchFault>,
    ) -> Self {
        if let Some(fault) = fault {
            *self.fault.lock().unwrap() = Some(fault);
            let outcomes = self.writes(batch);
            *self.fault.lock().unwrap() = None;
            match (fault, outcomes) {
                (BatchFault::Refused | BatchFault::Undone, Ok(outcomes)) => {
                    assert!(outcomes.iter().all(Result::is_err), "all of it is lost");
                }
                (BatchFault::DiesBefore, Err(_)) => self = self.killed(),
                (BatchFault::DiesAfter, Err(_)) => return self.killed(),
                (fault, outcomes) => panic!("{outcomes:?} of {fault:?}"),
            }
        }
        let outcomes = self.writes(batch).unwrap();
        for ((found, expected), operation) in outcomes.iter().zip(expected).zip(batch) {
            let [found, expected] = [found, expected].map(|outcome| format!("{outcome:?}"));
            assert_eq!(found, expected, "{operation:?}");
        }
        self
    }

    /// Compares all that is kept.
    fn holds_what(&self, reference: &Disk) {
        let connection = connect(&self.path(), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let (known, mut set) = (
            shops::shops(&connection).unwrap(),
            WorkingSet::new(reference.numbers),
        );
        load::load(&connection, &known, &keys_of(reference), &mut set).unwrap();
        if let Some(difference) = reference.difference(&loaded(reference, &mut set)) {
            panic!("{difference}");
        }
        for (kind, records) in reference.counts() {
            let (_, table) = TABLES.iter().find(|(of, _)| *of == kind).unwrap();
            let count = format!("SELECT count(*) FROM {table}");
            let count: i64 = connection.query_row(&count, [], |row| row.get(0)).unwrap();
            assert_eq!(usize::try_from(count), Ok(records), "rows of {table}");
        }
        self.runtime.block_on(self.has_the_log_of(reference));
    }

    async fn has_the_log_of(&self, reference: &Disk) {
        let store = &self.opened.store;
        let entries = store.entries(Sequence(0), usize::MAX).await.unwrap();
        assert_eq!(entries.len(), reference.log.len(), "entries of the log");
        for (entry, expected) in entries.iter().zip(&reference.log) {
            assert_eq!(
                (entry.sequence(), &entry.shop, entry.at, &entry.event),
                (
                    expected.sequence,
                    &expected.shop,
                    expected.at,
                    &expected.event
                )
            );
        }
        let of = shop();
        let rooms = reference.log.iter().flat_map(|entry| &entry.rooms);
        for room in rooms.collect::<BTreeSet<&Room>>() {
            let heard = reference
                .log
                .iter()
                .filter(|entry| entry.rooms.contains(room));
            let heard: Vec<_> = heard.map(|entry| entry.sequence).collect();
            let (until, limit) = (reference.numbers.sequence, usize::MAX);
            let replay = store.replay(&of, vec![room.clone()], Sequence(0), until, limit);
            let replayed = replay.await.unwrap();
            let replayed: Vec<_> = replayed.iter().map(LogEntry::sequence).collect();
            assert_eq!(replayed, heard, "heard in {room}");
        }
        let mut drift = store.drift(&of, None, usize::MAX).await.unwrap();
        drift.retain(|drifted| !is_of_customer(drifted));
        drift.reverse();
        assert_eq!(drift.iter().collect::<Vec<_>>(), reference.drift());
        for resource in [Resource::Inventory, Resource::Orders, Resource::Products] {
            let mut all = reference.watermarks.iter().rev();
            let last = all.find(|(_, of, _)| *of == resource).map(|(.., at)| *at);
            assert_eq!(store.watermark(&shop(), resource).await.unwrap(), last);
        }
    }
}

/// The keys of all that the reference has, and of its sums.
fn keys_of(reference: &Disk) -> BTreeSet<WantedKey> {
    let mut keys = reference.record_keys();
    keys.insert(Key::Shop);
    keys.extend(
        reference
            .products
            .rows
            .keys()
            .copied()
            .map(Key::AvailableOf),
    );
    keys.extend(
        reference
            .levels
            .rows
            .keys()
            .copied()
            .map(Key::PendingOnHand),
    );
    keys.extend(
        reference
            .levels
            .rows
            .keys()
            .copied()
            .map(Key::ReservedUnits),
    );
    let keys = keys.into_iter().map(|key| (Some(shop()), key));
    let revocations = reference.revocations.keys().cloned().map(Key::Revocation);
    keys.chain(revocations.map(|key| (None, key))).collect()
}

/// What was loaded by these keys. Logs and lists are compared by themselves.
fn loaded(reference: &Disk, set: &mut WorkingSet) -> Disk {
    let shops = set.shops.current().map(|row| (shop(), row.clone()));
    let shops = shops.collect();
    let kept = |of: &Revoked| Some((of.clone(), *set.revocations.get(of)??));
    let revocations = reference.revocations.keys().filter_map(kept).collect();
    let records = set.shop_records(&shop());
    for (product, sums) in &records.available {
        assert_eq!(*sums, reference.available_of(*product), "{product}");
    }
    for (level, units) in &records.reserved_units {
        assert_eq!(*units, reference.reserved_units(*level), "{level:?}");
    }
    for (level, pending) in &records.pending_on_hand {
        assert_eq!(*pending, reference.pending_on_hand(*level), "{level:?}");
    }
    Disk {
        shops,
        revocations,
        numbers: reference.numbers,
        log: reference.log.clone(),
        drift: reference.drift.clone(),
        watermarks: reference.watermarks.clone(),
        bulk: reference.bulk.clone(),
        ..reference.records_in(records)
    }
}

/// Carries an operation out in memory, and then what it leaves for later; whether it left anything.
fn happens_in_memory(reference: &mut Disk, operation: &Operation) -> (Result<Outcome>, bool) {
    let (mut done, mut next, mut is_sliced) = (Outcome::default(), operation.clone(), false);
    loop {
        match reference.carry_out(std::slice::from_ref(&next)).remove(0) {
            Ok(outcome) => done = outcome.after(&done),
            Err(error) => return (Err(error.into()), is_sliced),
        }
        if !done.more {
            return (Ok(done), is_sliced);
        }
        (next, is_sliced) = (next.rest(), true);
    }
}

/// What happens in one history, in memory one by one, and on a database in batches.
fn happens(seed: u64) {
    let mut history = History::of(seed);
    let (mut reference, mut dice) = (Disk::default(), Dice(seed.wrapping_mul(31) | 1));
    let mut at_work = StoreAtWork::starts_in(testing::folder());
    let (mut batch, mut expected) = (Vec::new(), Vec::new());
    let (mut done, mut size, mut fault, mut is_sliced) = (0, 1, None, false);
    let mut next = vec![history.register()];
    while done < LENGTH {
        for operation in next {
            let is_applied = |operation: &Operation| matches!(operation, Operation::Apply(_));
            // The writer would let it overtake what is only brought into the mirror.
            let overtakes = batch.last().is_some_and(is_applied) && !is_applied(&operation);
            let is_alone = operation.is_alone() && !batch.is_empty();
            if batch.len() >= size || overtakes || is_alone || is_sliced {
                // What is done in slices is in several transactions.
                let fault_now = fault.filter(|_| !is_sliced);
                at_work = at_work.gets_written(&batch, &expected, fault_now);
                is_sliced = false;
                (batch, expected) = (Vec::new(), Vec::new());
                size = usize::try_from(1 + dice.below(12)).unwrap();
                fault = dice.one_in(8).then(|| *dice.of(&FAULTS).unwrap());
                at_work = match dice.below(12) {
                    0 => at_work.restarts(),
                    1 => at_work.killed(),
                    // Its numbers are then known before the batch is decided in memory.
                    _ if fault == Some(BatchFault::DiesBefore) => at_work.killed(),
                    _ => at_work,
                };
                if at_work.is_new {
                    let before = std::mem::replace(&mut reference.numbers, at_work.numbers());
                    assert_eq!(reference.numbers.sequence, before.sequence);
                    assert!(reference.numbers.mark <= before.mark);
                    assert!(reference.numbers.adjustment <= before.adjustment);
                }
            }
            let (outcome, leaves_some) = happens_in_memory(&mut reference, &operation);
            is_sliced |= leaves_some || operation.is_alone();
            let calls = outcome.iter().flat_map(|done| done.calls.clone());
            history.calls.extend(calls);
            // What came of it is answered after its first slice or its last; what it did is compared in the end.
            if !leaves_some {
                expected.push(outcome);
            }
            batch.push(operation);
            done += 1;
        }
        next = history.next(&reference);
    }
    let fault = fault.filter(|_| !is_sliced);
    let at_work = at_work.gets_written(&batch, &expected, fault);
    at_work.holds_what(&reference);
    at_work.restarts().holds_what(&reference);
}

#[test]
fn a_history_ends_on_a_database_as_it_does_in_memory_whatever_goes_wrong_with_its_batches() {
    #[expect(clippy::disallowed_methods, reason = "this test stands alone")]
    let asked = std::env::var("HISTORIES");
    let seeds = 1..=asked.map_or(HISTORIES, |number| number.parse().unwrap());
    let next = AtomicU64::new(*seeds.start());
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        return;
                    }
                    let happens = std::panic::catch_unwind(|| happens(seed));
                    assert!(happens.is_ok(), "of seed {seed}");
                }
            });
        }
    });
}
