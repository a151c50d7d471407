//! One kind of record in a working set: what was loaded, what it is now, and which sets it belongs to.

#![expect(
    clippy::option_option,
    reason = "a record is as it was loaded, or deleted, or another one"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::Bound;

use crate::Key;

/// A record that a working set can hold.
pub trait Row: Clone + PartialEq + Debug {
    /// By which it is found.
    type Id: Ord + Clone + Debug;
    /// What orders the records of a set before their ids do; `()` where only the ids do.
    type Rank: Ord + Clone + Debug;
    /// Its place in the order of its sets.
    fn rank(&self) -> Self::Rank;
    /// The keys of the sets that it belongs to as it is now.
    fn sets(&self) -> Vec<Key>;
}

/// A place in the order of a set.
pub type SetPlace<R> = (<R as Row>::Rank, <R as Row>::Id);

/// How much of a set is loaded.
#[derive(Debug, Clone)]
pub enum Covered<R: Row> {
    /// Everything up to that place, itself included.
    UpTo(SetPlace<R>),
    /// Every record that belongs to it.
    All,
}

#[derive(Debug)]
struct RecordEntry<R> {
    loaded: Option<R>,
    /// What it is now, where that was changed; the inner `None` is a deleted record.
    now: Option<Option<R>>,
    /// Whether it was put without being loaded, because its id was new.
    is_new: bool,
}

impl<R> RecordEntry<R> {
    fn current(&self) -> Option<&R> {
        match &self.now {
            Some(now) => now.as_ref(),
            None => self.loaded.as_ref(),
        }
    }
}

/// A record that a batch has changed; `None` where there was none, or is none any more.
#[derive(Debug)]
pub struct ChangedRow<'r, R: Row> {
    /// By which it is found.
    pub id: &'r R::Id,
    /// The record as it was loaded.
    pub before: Option<&'r R>,
    /// The record as it is now.
    pub now: Option<&'r R>,
}

/// The records of one kind.
#[derive(Debug)]
pub struct Records<R: Row> {
    rows: BTreeMap<R::Id, RecordEntry<R>>,
    /// The members of every set that some record belongs to, as they are now.
    sets: BTreeMap<Key, BTreeSet<SetPlace<R>>>,
    covered: BTreeMap<Key, Covered<R>>,
    changed: BTreeSet<R::Id>,
    /// Every id that was ever among the changed ones, in the order in which they came; undoing takes none away.
    touched: Vec<R::Id>,
    /// Each change of this batch with what it replaced, so that it can be undone.
    journal: Vec<(R::Id, Option<Option<R>>)>,
    /// Where the operation at hand begins in the journal.
    begun: usize,
}

impl<R: Row> Default for Records<R> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            sets: BTreeMap::new(),
            covered: BTreeMap::new(),
            changed: BTreeSet::new(),
            touched: Vec::new(),
            journal: Vec::new(),
            begun: 0,
        }
    }
}

impl<R: Row> Records<R> {
    /// Takes in what the store holds under that id. What is known already stays as it is.
    pub fn load(&mut self, id: R::Id, record: Option<R>) {
        if self.rows.contains_key(&id) {
            return;
        }
        if let Some(record) = &record {
            add_to(&mut self.sets, &id, record);
        }
        let entry = RecordEntry {
            loaded: record,
            now: None,
            is_new: false,
        };
        self.rows.insert(id, entry);
    }

    /// Says how far a set is loaded.
    pub fn cover(&mut self, set: Key, covered: Covered<R>) {
        self.covered.insert(set, covered);
    }

    /// How far a set is loaded; `None` when nothing of it is.
    pub fn covered(&self, set: &Key) -> Option<&Covered<R>> {
        self.covered.get(set)
    }

    /// The record as it is now; the outer `None` when it is not loaded.
    pub fn get(&self, id: &R::Id) -> Option<Option<&R>> {
        self.rows.get(id).map(RecordEntry::current)
    }

    /// The first members of a set in front of a place (all where it is `None`), at most `limit`; `None` when what is loaded
    /// does not suffice to tell.
    pub fn members(
        &self,
        set: &Key,
        before: Option<&SetPlace<R>>,
        limit: usize,
    ) -> Option<Vec<&R>> {
        let covered = self.covered.get(set)?;
        let upper = match (covered, before) {
            (Covered::All, None) => Bound::Unbounded,
            (Covered::All, Some(before)) => Bound::Excluded(before),
            (Covered::UpTo(known), Some(before)) if before <= known => Bound::Excluded(before),
            (Covered::UpTo(known), _) => Bound::Included(known),
        };
        let is_enough = match (covered, before) {
            (Covered::All, _) => true,
            (Covered::UpTo(known), before) => before.is_some_and(|before| before <= known),
        };
        let members = self.sets.get(set).into_iter();
        let members =
            members.flat_map(|members| members.range::<SetPlace<R>, _>((Bound::Unbounded, upper)));
        let found: Vec<&R> = members
            .take(limit)
            .filter_map(|(_, id)| self.rows.get(id)?.current())
            .collect();
        (is_enough || found.len() == limit).then_some(found)
    }

    /// The records behind that id, up to and with the other one.
    pub(crate) fn between(&self, after: Option<&R::Id>, until: Option<&R::Id>) -> Vec<&R> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let until = until.map_or(Bound::Unbounded, Bound::Included);
        let rows = self.rows.range((after, until));
        rows.filter_map(|(_, entry)| entry.current()).collect()
    }

    /// Puts a record in the place of what is there. Whatever may be in the store under its id is loaded before; only a
    /// record under a new id need not be.
    pub fn put(&mut self, id: R::Id, record: R) {
        if self.get(&id).flatten() != Some(&record) {
            self.set(id, Some(Some(record)));
        }
    }

    /// Deletes a record that is loaded.
    pub fn delete(&mut self, id: R::Id) {
        if self.get(&id).flatten().is_some() {
            self.set(id, Some(None));
        }
    }

    /// The records that are now other than they were loaded.
    pub fn changes(&self) -> impl Iterator<Item = ChangedRow<'_, R>> {
        self.changed.iter().filter_map(|id| self.change(id))
    }

    /// The record if it is now other than it was loaded.
    pub(crate) fn change(&self, id: &R::Id) -> Option<ChangedRow<'_, R>> {
        let (id, entry) = self.rows.get_key_value(id)?;
        let (before, now) = (entry.loaded.as_ref(), entry.current());
        (before != now).then_some(ChangedRow { id, before, now })
    }

    /// The ids of all records that were ever changed, oldest first. Only more are added, so whoever knows how many it has
    /// seen goes on there; an id comes again when its change was undone and made again.
    pub(crate) fn touched(&self) -> &[R::Id] {
        &self.touched
    }

    /// Every record that is loaded, as it is now.
    pub fn current(&self) -> impl Iterator<Item = &R> {
        self.rows.values().filter_map(RecordEntry::current)
    }

    fn set(&mut self, id: R::Id, now: Option<Option<R>>) {
        let entry = self.rows.entry(id.clone()).or_insert(RecordEntry {
            loaded: None,
            now: None,
            is_new: true,
        });
        if let Some(record) = entry.current() {
            take_from(&mut self.sets, &id, record);
        }
        let before = std::mem::replace(&mut entry.now, now);
        if let Some(record) = entry.current() {
            add_to(&mut self.sets, &id, record);
        }
        if self.changed.insert(id.clone()) {
            self.touched.push(id.clone());
        }
        self.journal.push((id, before));
    }
}

fn add_to<R: Row>(sets: &mut BTreeMap<Key, BTreeSet<SetPlace<R>>>, id: &R::Id, record: &R) {
    for set in record.sets() {
        let place = (record.rank(), id.clone());
        sets.entry(set).or_default().insert(place);
    }
}

fn take_from<R: Row>(sets: &mut BTreeMap<Key, BTreeSet<SetPlace<R>>>, id: &R::Id, record: &R) {
    for set in record.sets() {
        if let Some(members) = sets.get_mut(&set) {
            members.remove(&(record.rank(), id.clone()));
        }
    }
}

/// What can be undone back to the beginning of an operation or of the batch.
pub(crate) trait Undo {
    /// An operation begins here.
    fn begin(&mut self);
    /// Takes back what the operation at hand did.
    fn undo(&mut self);
    /// Takes back what the whole batch did. What was loaded stays.
    fn undo_all(&mut self) {
        self.begin_at_start();
        self.undo();
    }
    /// Counts the whole batch to the operation at hand.
    fn begin_at_start(&mut self);
}

impl<R: Row> Undo for Records<R> {
    fn begin(&mut self) {
        self.begun = self.journal.len();
    }

    fn begin_at_start(&mut self) {
        self.begun = 0;
    }

    fn undo(&mut self) {
        for (id, before) in self.journal.split_off(self.begun).into_iter().rev() {
            let Some(entry) = self.rows.get_mut(&id) else {
                continue;
            };
            if let Some(record) = entry.current() {
                take_from(&mut self.sets, &id, record);
            }
            entry.now = before;
            if let Some(record) = entry.current() {
                add_to(&mut self.sets, &id, record);
            }
            if entry.now.is_none() {
                self.changed.remove(&id);
                if entry.is_new {
                    self.rows.remove(&id);
                }
            }
        }
    }
}
