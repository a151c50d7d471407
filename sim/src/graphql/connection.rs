//! Connections: a page of a list, by keyset, so that records added or changed meanwhile shift nothing.

use std::borrow::Cow;
use std::ops::Bound;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::object::{Asked, Object, Resolved};
use super::problem::Problem;
use super::search::{Search, Searchable};
use crate::table::{Bounds, Record, Rows, Table};

/// The most records a page may have: <https://shopify.dev/docs/api/usage/limits>, 2026-10.
const MAX_PAGE: i64 = 250;
/// Up to this many changed records are sorted rather than looked for in the whole table.
const FEW: usize = 1_000;

/// A page of records.
pub(crate) struct Page<'a> {
    records: Vec<(Object<'a>, Cursor)>,
    has_next: bool,
    has_previous: bool,
}

/// Where a record stands in its list: by the second of its change if sorted so, then by id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
struct Cursor {
    last_value: i64,
    last_id: u64,
}

impl Cursor {
    fn write(self) -> String {
        STANDARD.encode(serde_json::to_vec(&self).unwrap_or_default())
    }

    fn read(text: &str) -> Result<Self, Problem> {
        let bytes = STANDARD.decode(text).ok();
        bytes
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| Problem::new("BAD_REQUEST", "Invalid cursor for current pagination sort."))
    }
}

/// The part of a list that the arguments ask for.
pub(crate) struct Wanted {
    size: usize,
    /// Whether it is the end of the list, `last`.
    from_end: bool,
    reverse: bool,
    after: Option<Cursor>,
    before: Option<Cursor>,
    by_change: bool,
}

impl Wanted {
    /// Reads the arguments. Every sort key but `UPDATED_AT` gives the order of ids, which is that of creation.
    pub(crate) fn of(asked: &Asked<'_>) -> Result<Self, Problem> {
        let (first, last) = (asked.field.number("first"), asked.field.number("last"));
        let (size, name) = match (first, last) {
            (Some(first), None) => (first, "first"),
            (None, Some(last)) => (last, "last"),
            (None, None) => return Err(bad("you must provide one of first or last")),
            (Some(_), Some(_)) => return Err(bad("providing both first and last is not supported")),
        };
        if size > MAX_PAGE {
            return Err(bad(&format!("{name} cannot exceed {MAX_PAGE}")));
        }
        Ok(Self {
            size: usize::try_from(size).map_err(|_| bad(&format!("{name} cannot be negative")))?,
            from_end: last.is_some(),
            reverse: asked.field.flag("reverse"),
            after: asked.field.text("after").map(Cursor::read).transpose()?,
            before: asked.field.text("before").map(Cursor::read).transpose()?,
            by_change: asked.field.text("sortKey") == Some("UPDATED_AT"),
        })
    }

    fn cursor<T: Record>(&self, row: &T, id: fn(&T) -> u64) -> Cursor {
        Cursor { last_value: if self.by_change { row.updated_at().as_second() } else { 0 }, last_id: id(row) }
    }

    /// The bounds in ascending order.
    fn bounds(&self) -> Bounds<Cursor> {
        let (low, high) = if self.reverse { (self.before, self.after) } else { (self.after, self.before) };
        (low.map_or(Bound::Unbounded, Bound::Excluded), high.map_or(Bound::Unbounded, Bound::Excluded))
    }

    /// The page out of rows that lie within the bounds, in ascending order.
    fn take<'a, T: Record>(
        &self,
        rows: Rows<'a, T>,
        id: fn(&T) -> u64,
        keep: impl Fn(&T) -> bool,
        wrap: fn(&'a T) -> Object<'a>,
    ) -> Page<'a> {
        let rows: Rows<'a, T> = if self.reverse == self.from_end { rows } else { Box::new(rows.rev()) };
        let kept = rows.filter(|row| keep(row)).take(self.size + 1);
        let mut records: Vec<_> = kept.map(|row| (wrap(row), self.cursor(row, id))).collect();
        let more = records.len() > self.size;
        records.truncate(self.size);
        if self.from_end {
            records.reverse();
        }
        let (has_next, has_previous) =
            if self.from_end { (self.before.is_some(), more) } else { (more, self.after.is_some()) };
        Page { records, has_next, has_previous }
    }
}

fn bad(message: &str) -> Problem {
    Problem::new("BAD_REQUEST", message)
}

impl<'a> Page<'a> {
    /// The page of a table that the field's arguments ask for, `also` being a condition of its own.
    pub(crate) fn of_table<T: Searchable>(
        table: &'a Table<T>,
        asked: &mut Asked<'_>,
        also: impl Fn(&T) -> bool,
        wrap: fn(&'a T) -> Object<'a>,
    ) -> Result<Self, Problem> {
        let (wanted, search) = (Wanted::of(asked)?, Search::of::<T>(asked));
        let bounds = wanted.bounds();
        let key = |bound: Bound<Cursor>| bound.map(|cursor| (cursor.last_value, cursor.last_id));
        let number = |bound: Bound<Cursor>| bound.map(|cursor| cursor.last_id);
        let few = search.changed_since().filter(|_| !wanted.by_change);
        let rows = match few.and_then(|second| table.changed_since(second, FEW)) {
            _ if wanted.by_change => table.by_change((key(bounds.0), key(bounds.1))),
            Some(few) => within(few, T::id, &wanted),
            None => table.by_id((number(bounds.0), number(bounds.1))),
        };
        Ok(wanted.take(rows, T::id, |row| also(row) && search.finds(row), wrap))
    }

    /// The same of a short list, given in the order of `id`.
    pub(crate) fn of_rows<T: Searchable>(
        rows: Vec<&'a T>,
        id: fn(&T) -> u64,
        asked: &mut Asked<'_>,
        wrap: fn(&'a T) -> Object<'a>,
    ) -> Result<Self, Problem> {
        let (wanted, search) = (Wanted::of(asked)?, Search::of::<T>(asked));
        Ok(wanted.take(within(rows, id, &wanted), id, |row| search.finds(row), wrap))
    }

    /// A list that is always shorter than a page, and has no ids to sort by.
    pub(crate) fn of_all(objects: Vec<Object<'a>>, asked: &Asked<'_>) -> Result<Self, Problem> {
        let wanted = Wanted::of(asked)?;
        let numbered =
            (1..).zip(objects).map(|(last_id, object)| (object, Cursor { last_value: 0, last_id }));
        let after = wanted.after.map_or(0, |cursor| cursor.last_id);
        let mut records: Vec<_> = numbered.filter(|(_, cursor)| cursor.last_id > after).collect();
        let has_next = records.len() > wanted.size;
        records.truncate(wanted.size);
        Ok(Self { records, has_next, has_previous: after > 0 })
    }

    pub(crate) fn page(page: &Rc<Self>, asked: &Asked<'_>) -> Result<Resolved<'a>, Problem> {
        Ok(match asked.name() {
            "nodes" => page.records.iter().map(|(object, _)| object.clone()).collect::<Vec<_>>().into(),
            "edges" => (0..page.records.len())
                .map(|index| Object::Edge(page.clone(), index))
                .collect::<Vec<_>>()
                .into(),
            "pageInfo" => Object::PageInfo(page.clone()).into(),
            _ => return asked.unanswered(),
        })
    }

    pub(crate) fn edge(page: &Rc<Self>, index: usize, asked: &Asked<'_>) -> Result<Resolved<'a>, Problem> {
        let record = page.records.get(index);
        Ok(match asked.name() {
            "node" => record.map(|(object, _)| object.clone()).into(),
            "cursor" => record.map(|(_, cursor)| cursor.write()).into(),
            _ => return asked.unanswered(),
        })
    }

    pub(crate) fn info(page: &Rc<Self>, asked: &Asked<'_>) -> Result<Resolved<'a>, Problem> {
        let cursor = |record: Option<&(Object<'a>, Cursor)>| {
            record.map(|(_, cursor)| Resolved::Text(Cow::Owned(cursor.write()))).into()
        };
        Ok(match asked.name() {
            "hasNextPage" => page.has_next.into(),
            "hasPreviousPage" => page.has_previous.into(),
            "startCursor" => cursor(page.records.first()),
            "endCursor" => cursor(page.records.last()),
            _ => return asked.unanswered(),
        })
    }
}

fn within<'a, T: Record>(mut rows: Vec<&'a T>, id: fn(&T) -> u64, wanted: &Wanted) -> Rows<'a, T> {
    if wanted.by_change {
        rows.sort_by_key(|row| wanted.cursor(*row, id));
    }
    let bounds = wanted.bounds();
    let inside = |row: &&'a T| std::ops::RangeBounds::contains(&bounds, &wanted.cursor(*row, id));
    let rows: Vec<&T> = rows.into_iter().filter(inside).collect();
    Box::new(rows.into_iter())
}
