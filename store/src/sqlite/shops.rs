//! What the database holds of the shops themselves, and the last numbers that it gave out.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{Numbers, ShopRow};
use rusqlite::{Connection, OptionalExtension as _};
use schemas::{Sequence, ShopDomain};

use super::column::{from_micros, json, opt, parsed};
use crate::StoreError;

/// A shop and where it is.
#[derive(Debug, Clone)]
pub(super) struct RegisteredShop {
    /// By which the other tables name it.
    pub(super) row: i64,
    pub(super) state: ShopRow,
}

pub(super) fn shops(
    connection: &Connection,
) -> Result<BTreeMap<ShopDomain, RegisteredShop>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT domain, id, thresholds, known_since, names, shopify_id, judging, erasing, moved FROM shop",
    )?;
    let shops = statement.query_map([], |row| {
        let state = ShopRow {
            thresholds: Arc::new(json(row, 2)?),
            known_since: opt(row, 3, from_micros)?,
            keeps_names: row.get(4)?,
            shopify_id: row.get(5)?,
            judging: opt(row, 6, json)?,
            erasing: opt(row, 7, json)?,
            moved: opt(row, 8, json)?.unwrap_or_default(),
        };
        let shop = RegisteredShop {
            row: row.get(1)?,
            state,
        };
        Ok((parsed(row, 0)?, shop))
    })?;
    Ok(shops.collect::<rusqlite::Result<_>>()?)
}

/// The last number that was ever kept in a table, whether what it named is still there or not. One that was given out and
/// taken back within one batch may be given again after a restart: nobody has seen it.
fn last(connection: &Connection, table: &str) -> Result<i64, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = ?1")?;
    let last: Option<i64> = statement.query_row([table], |row| row.get(0)).optional()?;
    Ok(last.unwrap_or(0))
}

/// Where the log ends.
pub(super) fn head(connection: &Connection) -> Result<Sequence, StoreError> {
    Ok(Sequence(last(connection, "log")?.cast_unsigned()))
}

pub(super) fn numbers(connection: &Connection) -> Result<Numbers, StoreError> {
    Ok(Numbers {
        sequence: head(connection)?,
        adjustment: last(connection, "effect")?,
        mark: last(connection, "marked")?,
    })
}
