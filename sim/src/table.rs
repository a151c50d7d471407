//! Records of one kind, ordered by id and by the time of their last change.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use jiff::Timestamp;

pub(crate) trait Record {
    fn id(&self) -> u64;
    fn created_at(&self) -> Timestamp;
    fn updated_at(&self) -> Timestamp;
}

pub(crate) struct RecordTable<T> {
    rows: BTreeMap<u64, T>,
    /// The second of the last change, and the id.
    changes: BTreeSet<(i64, u64)>,
}

impl<T> Default for RecordTable<T> {
    fn default() -> Self {
        Self {
            rows: BTreeMap::new(),
            changes: BTreeSet::new(),
        }
    }
}

/// A list's rows in the order asked for, from either end.
pub(crate) type TableRows<'a, T> = Box<dyn DoubleEndedIterator<Item = &'a T> + 'a>;

/// From where to where, in ascending order.
pub(crate) type Bounds<K> = (Bound<K>, Bound<K>);

impl<T: Record> RecordTable<T> {
    pub(crate) fn insert(&mut self, row: T) {
        self.changes
            .insert((row.updated_at().as_second(), row.id()));
        self.rows.insert(row.id(), row);
    }

    pub(crate) fn find(&self, id: u64) -> Option<&T> {
        self.rows.get(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.rows.values()
    }

    /// Changes a row in place, keeping the order by time; says what `change` says, or nothing without such a row.
    pub(crate) fn edit<R>(&mut self, id: u64, change: impl FnOnce(&mut T) -> R) -> Option<R> {
        let row = self.rows.get_mut(&id)?;
        let before = row.updated_at().as_second();
        let answer = change(row);
        let after = row.updated_at().as_second();
        if before != after {
            self.changes.remove(&(before, id));
            self.changes.insert((after, id));
        }
        Some(answer)
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<T> {
        let row = self.rows.remove(&id)?;
        self.changes.remove(&(row.updated_at().as_second(), id));
        Some(row)
    }

    /// The rows with ids within the bounds.
    pub(crate) fn by_id(&self, bounds: Bounds<u64>) -> TableRows<'_, T> {
        Box::new(self.rows.range(ordered(bounds)).map(|(_, row)| row))
    }

    /// The rows whose second of change and id lie within the bounds.
    pub(crate) fn by_change(&self, bounds: Bounds<(i64, u64)>) -> TableRows<'_, T> {
        Box::new(
            self.changes
                .range(ordered(bounds))
                .filter_map(|(_, id)| self.rows.get(id)),
        )
    }

    /// The rows changed at or after a second, by id, if they are at most `few`.
    ///
    /// A search for what changed lately in a large table would otherwise look at every row of it.
    pub(crate) fn changed_since(&self, second: i64, few: usize) -> Option<Vec<&T>> {
        let changed = self.changes.range((second, 0)..).take(few + 1);
        let mut rows: Vec<&T> = changed.filter_map(|(_, id)| self.rows.get(id)).collect();
        rows.sort_unstable_by_key(|row| row.id());
        (rows.len() <= few).then_some(rows)
    }
}

/// `range` panics on bounds that cross; two cursors of a request may.
fn ordered<K: Ord + Copy>((from, to): Bounds<K>) -> Bounds<K> {
    match (from, to) {
        (Bound::Included(a) | Bound::Excluded(a), Bound::Included(b) | Bound::Excluded(b))
            if a >= b =>
        {
            (Bound::Included(b), Bound::Excluded(b))
        }
        bounds => bounds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Row(u64, i64);

    impl Record for Row {
        fn id(&self) -> u64 {
            self.0
        }
        fn created_at(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }
        fn updated_at(&self) -> Timestamp {
            Timestamp::from_second(self.1).unwrap()
        }
    }

    fn table() -> RecordTable<Row> {
        let mut table = RecordTable::default();
        for (id, second) in [(1, 30), (2, 10), (3, 20)] {
            table.insert(Row(id, second));
        }
        table
    }

    fn ids(rows: TableRows<'_, Row>) -> Vec<u64> {
        rows.map(|row| row.0).collect()
    }

    #[test]
    fn a_change_moves_a_row_in_the_order_of_changes() {
        let mut table = table();
        let all = (Bound::Unbounded, Bound::Unbounded);
        assert_eq!(ids(table.by_change(all)), [2, 3, 1]);
        table.edit(2, |row| row.1 = 40);
        assert_eq!(ids(table.by_change(all)), [3, 1, 2]);
        table.remove(1);
        assert_eq!(ids(table.by_change(all)), [3, 2]);
        assert_eq!(table.changed_since(21, 5).unwrap().len(), 1);
    }

    #[test]
    fn bounds_that_cross_or_meet_hold_nothing() {
        let table = table();
        for (from, to) in [(3, 1), (2, 2)] {
            assert_eq!(
                ids(table.by_id((Bound::Excluded(from), Bound::Excluded(to)))),
                [0; 0]
            );
        }
    }

    #[test]
    fn too_many_changes_are_not_listed() {
        assert!(table().changed_since(0, 2).is_none());
    }
}
