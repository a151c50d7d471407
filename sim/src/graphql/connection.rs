//! Connections: a page of a list, by keyset, so that records added or changed meanwhile shift nothing.

use std::ops::Bound;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::object::{FieldRequest, Object, Resolved};
use super::problem::QueryProblem;
use super::search::{Search, Searchable};
use crate::table::{Bounds, Record, RecordTable, TableRows};

/// The most records a page may have: <https://shopify.dev/docs/api/usage/limits>, 2026-10.
const MAX_PAGE: i64 = 250;
/// Up to this many changed records are sorted rather than looked for in the whole table.
const FEW: usize = 1_000;

/// How much of a list is wanted.
#[derive(Clone, Copy, Default)]
pub(crate) enum ConnectionReading {
    /// What the arguments say.
    #[default]
    Page,
    /// All of it, whatever the arguments say, as bulk operations want it.
    Whole,
    /// So much of all of it, from after a place on.
    Slice {
        after: Option<ConnectionCursor>,
        size: usize,
    },
}

/// One page of a connection's records.
pub(crate) struct ConnectionPage<'a> {
    records: Vec<(Object<'a>, ConnectionCursor)>,
    has_next: bool,
    has_previous: bool,
    /// How many records the pages before it had.
    before: usize,
}

/// What the API gives as a cursor: where a record stands, and how many were listed up to it.
#[derive(Clone, Copy, Deserialize, Serialize)]
struct Bookmark {
    #[serde(flatten)]
    cursor: ConnectionCursor,
    #[serde(default)]
    listed: usize,
}

/// Where a record stands in its list: by the second of its change if sorted so, then by id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub(crate) struct ConnectionCursor {
    last_value: i64,
    last_id: u64,
}

impl Bookmark {
    fn write(self) -> String {
        STANDARD.encode(serde_json::to_vec(&self).unwrap_or_default())
    }

    fn read(text: &str) -> Result<Self, QueryProblem> {
        let bytes = STANDARD.decode(text).ok();
        bytes
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or_else(|| {
                QueryProblem::new("BAD_REQUEST", "Invalid cursor for current pagination sort.")
            })
    }
}

/// The part of a list that the arguments ask for.
pub(crate) struct WantedPage {
    size: usize,
    /// Whether it is the end of the list, `last`.
    from_end: bool,
    reverse: bool,
    after: Option<ConnectionCursor>,
    before: Option<ConnectionCursor>,
    /// How many records the pages before it had.
    listed: usize,
    by_change: bool,
}

impl WantedPage {
    /// Reads the arguments. Every sort key but `UPDATED_AT` gives the order of ids, which is that of creation.
    pub(crate) fn of(asked: &FieldRequest<'_>) -> Result<Self, QueryProblem> {
        let by_change = matches!(
            asked.field.text("sortKey"),
            Some("UPDATED_AT" | "COMPLETED_AT")
        );
        let reverse = asked.field.flag("reverse");
        let all = |size, after| Self {
            size,
            from_end: false,
            reverse,
            after,
            before: None,
            listed: 0,
            by_change,
        };
        match asked.reading {
            ConnectionReading::Page => {}
            ConnectionReading::Whole => return Ok(all(usize::MAX, None)),
            ConnectionReading::Slice { after, size } => return Ok(all(size, after)),
        }
        let (first, last) = (asked.field.number("first"), asked.field.number("last"));
        let (size, name) = match (first, last) {
            (Some(first), None) => (first, "first"),
            (None, Some(last)) => (last, "last"),
            (None, None) => return Err(bad("you must provide one of first or last")),
            (Some(_), Some(_)) => {
                return Err(bad("providing both first and last is not supported"));
            }
        };
        if size > MAX_PAGE {
            return Err(bad(&format!("{name} cannot exceed {MAX_PAGE}")));
        }
        let after = asked.field.text("after").map(Bookmark::read).transpose()?;
        let before = asked.field.text("before").map(Bookmark::read).transpose()?;
        let (listed, most) = (
            after.map_or(0, |after| after.listed),
            asked.switches.max_listed,
        );
        if listed >= most {
            return Err(bad(&format!(
                "a list is given up to {most} records: narrow it by a filter"
            )));
        }
        Ok(Self {
            size: usize::try_from(size).map_err(|_| bad(&format!("{name} cannot be negative")))?,
            from_end: last.is_some(),
            reverse,
            after: after.map(|after| after.cursor),
            before: before.map(|before| before.cursor),
            listed,
            by_change,
        })
    }

    fn cursor<T: Record>(&self, row: &T, id: fn(&T) -> u64) -> ConnectionCursor {
        ConnectionCursor {
            last_value: if self.by_change {
                row.updated_at().as_second()
            } else {
                0
            },
            last_id: id(row),
        }
    }

    /// The bounds in ascending order.
    fn bounds(&self) -> Bounds<ConnectionCursor> {
        let (low, high) = if self.reverse {
            (self.before, self.after)
        } else {
            (self.after, self.before)
        };
        (
            low.map_or(Bound::Unbounded, Bound::Excluded),
            high.map_or(Bound::Unbounded, Bound::Excluded),
        )
    }

    /// The page out of rows that lie within the bounds, in ascending order.
    fn take<'a, T: Record>(
        &self,
        rows: TableRows<'a, T>,
        id: fn(&T) -> u64,
        keep: impl Fn(&T) -> bool,
        wrap: fn(&'a T) -> Object<'a>,
    ) -> ConnectionPage<'a> {
        let rows: TableRows<'a, T> = if self.reverse == self.from_end {
            rows
        } else {
            Box::new(rows.rev())
        };
        let kept = rows
            .filter(|row| keep(row))
            .take(self.size.saturating_add(1));
        let mut records: Vec<_> = kept.map(|row| (wrap(row), self.cursor(row, id))).collect();
        let more = records.len() > self.size;
        records.truncate(self.size);
        if self.from_end {
            records.reverse();
        }
        let (has_next, has_previous) = if self.from_end {
            (self.before.is_some(), more)
        } else {
            (more, self.after.is_some())
        };
        ConnectionPage {
            records,
            has_next,
            has_previous,
            before: self.listed,
        }
    }
}

fn bad(message: &str) -> QueryProblem {
    QueryProblem::new("BAD_REQUEST", message)
}

impl<'a> ConnectionPage<'a> {
    /// The page of a table that the field's arguments ask for, `also` being a condition of its own.
    pub(crate) fn of_table<T: Searchable>(
        table: &'a RecordTable<T>,
        asked: &mut FieldRequest<'_>,
        also: impl Fn(&T) -> bool,
        wrap: fn(&'a T) -> Object<'a>,
    ) -> Result<Self, QueryProblem> {
        let (mut wanted, search) = (WantedPage::of(asked)?, Search::of::<T>(asked));
        wanted.reverse ^= T::NEWEST_FIRST;
        let bounds = wanted.bounds();
        let key = |bound: Bound<ConnectionCursor>| {
            bound.map(|cursor| (cursor.last_value, cursor.last_id))
        };
        let number = |bound: Bound<ConnectionCursor>| bound.map(|cursor| cursor.last_id);
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
        asked: &mut FieldRequest<'_>,
        wrap: fn(&'a T) -> Object<'a>,
    ) -> Result<Self, QueryProblem> {
        let (wanted, search) = (WantedPage::of(asked)?, Search::of::<T>(asked));
        Ok(wanted.take(within(rows, id, &wanted), id, |row| search.finds(row), wrap))
    }

    /// A list that is always shorter than a page, and has no ids to sort by.
    pub(crate) fn of_all(
        objects: Vec<Object<'a>>,
        asked: &FieldRequest<'_>,
    ) -> Result<Self, QueryProblem> {
        let wanted = WantedPage::of(asked)?;
        let numbered = (1..).zip(objects).map(|(last_id, object)| {
            (
                object,
                ConnectionCursor {
                    last_value: 0,
                    last_id,
                },
            )
        });
        let after = wanted.after.map_or(0, |cursor| cursor.last_id);
        let mut records: Vec<_> = numbered
            .filter(|(_, cursor)| cursor.last_id > after)
            .collect();
        let has_next = records.len() > wanted.size;
        records.truncate(wanted.size);
        Ok(Self {
            records,
            has_next,
            has_previous: after > 0,
            before: wanted.listed,
        })
    }

    /// The cursor of a record by its number on the page.
    fn bookmark(&self, index: usize) -> String {
        let bookmark = |(_, cursor): &(Object<'a>, ConnectionCursor)| {
            Bookmark {
                cursor: *cursor,
                listed: self.before + index + 1,
            }
            .write()
        };
        self.records.get(index).map(bookmark).unwrap_or_default()
    }

    pub(crate) fn records(&self) -> &[(Object<'a>, ConnectionCursor)] {
        &self.records
    }

    /// Where the list goes on, if it does.
    pub(crate) fn rest(&self) -> Option<ConnectionCursor> {
        self.records
            .last()
            .filter(|_| self.has_next)
            .map(|(_, cursor)| *cursor)
    }

    pub(crate) fn page(
        page: &Rc<Self>,
        asked: &FieldRequest<'_>,
    ) -> Result<Resolved<'a>, QueryProblem> {
        Ok(match asked.name() {
            "nodes" => page
                .records
                .iter()
                .map(|(object, _)| object.clone())
                .collect::<Vec<_>>()
                .into(),
            "edges" => (0..page.records.len())
                .map(|index| Object::Edge(page.clone(), index))
                .collect::<Vec<_>>()
                .into(),
            "pageInfo" => Object::PageInfo(page.clone()).into(),
            _ => return asked.unanswered(),
        })
    }

    pub(crate) fn edge(
        page: &Rc<Self>,
        index: usize,
        asked: &FieldRequest<'_>,
    ) -> Result<Resolved<'a>, QueryProblem> {
        let record = page.records.get(index);
        Ok(match asked.name() {
            "node" => record.map(|(object, _)| object.clone()).into(),
            "cursor" => record.map(|_| page.bookmark(index)).into(),
            _ => return asked.unanswered(),
        })
    }

    pub(crate) fn info(
        page: &Rc<Self>,
        asked: &FieldRequest<'_>,
    ) -> Result<Resolved<'a>, QueryProblem> {
        let cursor = |index: Option<usize>| index.map(|index| page.bookmark(index)).into();
        let last = page.records.len().checked_sub(1);
        Ok(match asked.name() {
            "hasNextPage" => page.has_next.into(),
            "hasPreviousPage" => page.has_previous.into(),
            "startCursor" => cursor(last.map(|_| 0)),
            "endCursor" => cursor(last),
            _ => return asked.unanswered(),
        })
    }
}

fn within<'a, T: Record>(
    mut rows: Vec<&'a T>,
    id: fn(&T) -> u64,
    wanted: &WantedPage,
) -> TableRows<'a, T> {
    if wanted.by_change {
        rows.sort_by_key(|row| wanted.cursor(*row, id));
    }
    let bounds = wanted.bounds();
    let inside = |row: &&'a T| std::ops::RangeBounds::contains(&bounds, &wanted.cursor(*row, id));
    let rows: Vec<&T> = rows.into_iter().filter(inside).collect();
    Box::new(rows.into_iter())
}
