//! How a value is stored in one column.

use std::error::Error;
use std::str::FromStr;

use domain::adjustment::Lane;
use rusqlite::Row;
use rusqlite::types::{ToSqlOutput, Type, ValueRef};
use schemas::record::Transaction;
use schemas::shape::{OrderStatus, StockStatus};
use schemas::{
    CustomerId, InventoryItemId, LevelGid, LocationId, Money, OrderId, ProductId, Timestamp,
    VariantId,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Result;

/// A type that one column of a record's table holds.
pub(super) trait ColumnValue: Sized {
    /// What is bound for it in a statement.
    fn bound(&self) -> Result<ToSqlOutput<'_>>;
    /// Reads what `bound` gave.
    fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<Self>;
}

/// One of our own times.
pub(super) struct OwnTime(pub(super) Timestamp);

impl OwnTime {
    pub(super) fn at(self) -> Timestamp {
        self.0
    }

    fn of_column(row: &Row<'_>, column: usize) -> rusqlite::Result<Self> {
        from_micros(row, column).map(Self)
    }
}

macro_rules! column {
    ($($type:ty),+: |$value:ident| $bound:expr, $read:path) => {$(
        impl ColumnValue for $type {
            fn bound(&self) -> Result<ToSqlOutput<'_>> {
                let $value = self;
                Ok(ToSqlOutput::from($bound))
            }
            fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<Self> {
                $read(row, column)
            }
        }
    )+};
}

column!(bool, i64, u32: |value| *value, Row::get);
column!(String: |value| value.as_str(), Row::get);
column!(CustomerId, InventoryItemId, LocationId, OrderId, ProductId, VariantId: |id| id.to_i64(), id);
column!(LevelGid, Money: |value| value.as_str(), parsed);
// Shopify's times, as the text they are compared as. Ours are kept as microseconds: see `micros`.
column!(Timestamp: |at| at.to_string(), parsed);
column!(OwnTime: |at| micros(at.0), OwnTime::of_column);
column!(Lane, OrderStatus, StockStatus: |value| word(value)?, unword);
column!(Vec<LocationId>, Vec<Transaction>: |value| serde_json::to_string(value)?, json);

/// `None` is stored as null.
impl<T: ColumnValue> ColumnValue for Option<T> {
    fn bound(&self) -> Result<ToSqlOutput<'_>> {
        self.as_ref()
            .map_or(Ok(ToSqlOutput::from(rusqlite::types::Null)), T::bound)
    }

    fn read(row: &Row<'_>, column: usize) -> rusqlite::Result<Self> {
        opt(row, column, T::read)
    }
}

/// Makes the error for a column that does not hold what was once written there.
pub(super) fn unreadable<E: Error + Send + Sync + 'static>(
    column: usize,
    stored_as: Type,
) -> impl FnOnce(E) -> rusqlite::Error {
    move |error| rusqlite::Error::FromSqlConversionFailure(column, stored_as, Box::new(error))
}

/// Reads a column that may be null.
pub(super) fn opt<T>(
    row: &Row<'_>,
    column: usize,
    read: impl FnOnce(&Row<'_>, usize) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => read(row, column).map(Some),
    }
}

/// Reads a column through the type's own parser.
pub(super) fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T::Err: Error + Send + Sync + 'static,
{
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(unreadable(column, Type::Text))
}

/// Reads a numeric id.
pub(super) fn id<T: TryFrom<i64>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T::Error: Error + Send + Sync + 'static,
{
    T::try_from(row.get(column)?).map_err(unreadable(column, Type::Integer))
}

/// One of our own enums as the word it has in JSON.
pub(super) fn word<T: Serialize>(value: &T) -> Result<String> {
    match serde_json::to_value(value)? {
        serde_json::Value::String(word) => Ok(word),
        other => Ok(other.to_string()),
    }
}

/// Reads the enum that `word` wrote.
pub(super) fn unword<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_value(serde_json::Value::String(row.get(column)?))
        .map_err(unreadable(column, Type::Text))
}

/// Reads a column of JSON.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(unreadable(column, Type::Text))
}

/// Our own times, to the microsecond.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// Reads what `micros` wrote.
pub(super) fn from_micros(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(row.get(column)?).map_err(unreadable(column, Type::Integer))
}
