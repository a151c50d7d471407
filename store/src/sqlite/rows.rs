//! How each record stands in its table.

use std::str::FromStr;

use domain::HeldLevel;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};
use schemas::record::{
    Customer, InventoryItem, Level, Location, Order, OrderLine, Product, Variant,
};
use schemas::{InventoryItemId, LocationId, Quantities, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::shape::References;
use crate::tables::{Record, Result};

/// A record's table.
pub(super) trait Stored: Record {
    /// The columns that `read` reads, qualified by the table's name.
    const COLUMNS: &'static str;
    /// How many they are.
    const WIDTH: usize = commas(Self::COLUMNS) + 1;
    const TABLE: &'static str;
    /// The condition that `key_params` fills in.
    const KEY: &'static str = "shop = ?1 AND id = ?2";

    fn put(&self, connection: &Connection, shop: i64) -> Result<()>;
    /// Reads a record whose columns begin at `from`.
    fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<Self>;
    fn key_params(shop: i64, key: Self::Key) -> impl Params;

    /// What `read` cannot know from its row.
    fn complete(&mut self, _connection: &Connection, _shop: i64) -> Result<()> {
        Ok(())
    }
}

pub(super) fn find<R: Stored>(
    connection: &Connection,
    shop: i64,
    key: R::Key,
) -> Result<Option<R>> {
    let sql = format!("SELECT {} FROM {} WHERE {}", R::COLUMNS, R::TABLE, R::KEY);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut found = statement
        .query_row(R::key_params(shop, key), |row| R::read(row, 0))
        .optional()?;
    if let Some(record) = &mut found {
        record.complete(connection, shop)?;
    }
    Ok(found)
}

pub(super) fn delete<R: Stored>(connection: &Connection, shop: i64, key: R::Key) -> Result<()> {
    let sql = format!("DELETE FROM {} WHERE {}", R::TABLE, R::KEY);
    connection
        .prepare_cached(&sql)?
        .execute(R::key_params(shop, key))?;
    Ok(())
}

/// The columns that `references` reads.
pub(super) fn reference_columns() -> String {
    let (item, variant) = (InventoryItem::COLUMNS, Variant::COLUMNS);
    format!(
        "{item}, {variant}, {}, {}",
        Product::COLUMNS,
        Location::COLUMNS
    )
}

/// Reads the right sides of left joins, whose columns begin at `from`.
pub(super) fn references(row: &Row<'_>, from: usize) -> rusqlite::Result<References> {
    fn joined<R: Stored>(row: &Row<'_>, from: usize) -> rusqlite::Result<Option<R>> {
        match row.get_ref(from)? {
            rusqlite::types::ValueRef::Null => Ok(None),
            _ => R::read(row, from).map(Some),
        }
    }
    let variant_from = from + InventoryItem::WIDTH;
    let product_from = variant_from + Variant::WIDTH;
    let location_from = product_from + Product::WIDTH;
    Ok(References {
        item: joined(row, from)?,
        variant: joined(row, variant_from)?,
        product: joined(row, product_from)?,
        location: joined(row, location_from)?,
    })
}

const fn commas(text: &str) -> usize {
    let (mut count, mut at) = (0, 0);
    while at < text.len() {
        count += (text.as_bytes()[at] == b',') as usize;
        at += 1;
    }
    count
}

/// Reads a column through the type's own parser.
pub(super) fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

/// Reads a column that may be null through the type's own parser.
pub(super) fn parsed_opt<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => parsed(row, column).map(Some),
    }
}

/// Reads a numeric id.
pub(super) fn id<T: TryFrom<i64>>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T::Error: std::error::Error + Send + Sync + 'static,
{
    T::try_from(row.get(column)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, Box::new(error))
    })
}

/// Reads a numeric id that may be null.
fn id_opt<T: TryFrom<i64>>(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<T>>
where
    T::Error: std::error::Error + Send + Sync + 'static,
{
    match row.get_ref(column)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => id(row, column).map(Some),
    }
}

/// One of our own enums as the word it has in JSON.
pub(super) fn word<T: Serialize>(value: &T) -> Result<String> {
    match serde_json::to_value(value)? {
        serde_json::Value::String(word) => Ok(word),
        other => Ok(other.to_string()),
    }
}

/// The enum that `word` wrote.
pub(super) fn unword<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    serde_json::from_value(serde_json::Value::String(row.get(column)?)).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

/// What a column holds as JSON.
fn json<T: DeserializeOwned>(text: &str, column: usize) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

/// Our own times, to the microsecond.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// What `micros` wrote.
pub(super) fn from_micros(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_microsecond(row.get(column)?).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, Box::new(error))
    })
}

impl Stored for Location {
    const COLUMNS: &'static str = "location.id, location.name, location.active, location.fulfillment_service, location.updated_at";
    const TABLE: &'static str = "location";

    fn put(&self, connection: &Connection, shop: i64) -> Result<()> {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO location (shop, id, name, active, fulfillment_service, updated_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                shop,
                self.id.to_i64(),
                self.name,
                self.active,
                self.fulfillment_service,
                self.updated_at.to_string()
            ])?;
        Ok(())
    }

    fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            id: id(row, from)?,
            name: row.get(from + 1)?,
            active: row.get(from + 2)?,
            fulfillment_service: row.get(from + 3)?,
            updated_at: parsed(row, from + 4)?,
        })
    }

    fn key_params(shop: i64, key: Self::Key) -> impl Params {
        [shop, key.to_i64()]
    }
}

impl Stored for Product {
    const COLUMNS: &'static str = "product.id, product.title, product.handle, product.vendor, product.product_type, \
                                   product.status, product.updated_at";
    const TABLE: &'static str = "product";

    fn put(&self, connection: &Connection, shop: i64) -> Result<()> {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO product (shop, id, title, handle, vendor, product_type, status, updated_at) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                shop,
                self.id.to_i64(),
                self.title,
                self.handle,
                self.vendor,
                self.product_type,
                self.status,
                self.updated_at.to_string()
            ])?;
        Ok(())
    }

    fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            id: id(row, from)?,
            title: row.get(from + 1)?,
            handle: row.get(from + 2)?,
            vendor: row.get(from + 3)?,
            product_type: row.get(from + 4)?,
            status: row.get(from + 5)?,
            updated_at: parsed(row, from + 6)?,
        })
    }

    fn key_params(shop: i64, key: Self::Key) -> impl Params {
        [shop, key.to_i64()]
    }
}

impl Stored for Variant {
    const COLUMNS: &'static str = "variant.id, variant.product_id, variant.title, variant.sku, variant.barcode, \
                                   variant.price, variant.continue_selling, variant.bundle, variant.inventory_item_id, variant.updated_at";
    const TABLE: &'static str = "variant";

    fn put(&self, connection: &Connection, shop: i64) -> Result<()> {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO variant (shop, id, product_id, title, sku, barcode, price, continue_selling, \
                 bundle, inventory_item_id, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                shop,
                self.id.to_i64(),
                self.product_id.to_i64(),
                self.title,
                self.sku,
                self.barcode,
                self.price.as_str(),
                self.continue_selling,
                self.bundle,
                self.inventory_item_id.map(InventoryItemId::to_i64),
                self.updated_at.to_string()
            ])?;
        Ok(())
    }

    fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            id: id(row, from)?,
            product_id: id(row, from + 1)?,
            title: row.get(from + 2)?,
            sku: row.get(from + 3)?,
            barcode: row.get(from + 4)?,
            price: parsed(row, from + 5)?,
            continue_selling: row.get(from + 6)?,
            bundle: row.get(from + 7)?,
            inventory_item_id: id_opt(row, from + 8)?,
            updated_at: parsed(row, from + 9)?,
        })
    }

    fn key_params(shop: i64, key: Self::Key) -> impl Params {
        [shop, key.to_i64()]
    }
}

impl Stored for InventoryItem {
    const COLUMNS: &'static str =
        "inventory_item.id, inventory_item.sku, inventory_item.tracked, inventory_item.updated_at";
    const TABLE: &'static str = "inventory_item";

    fn put(&self, connection: &Connection, shop: i64) -> Result<()> {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO inventory_item (shop, id, sku, tracked, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![shop, self.id.to_i64(), self.sku, self.tracked, self.updated_at.to_string()])?;
        Ok(())
    }

    fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            id: id(row, from)?,
            sku: row.get(from + 1)?,
            tracked: row.get(from + 2)?,
            updated_at: parsed(row, from + 3)?,
        })
    }

    fn key_params(shop: i64, key: Self::Key) -> impl Params {
        [shop, key.to_i64()]
    }
}

impl Stored for HeldLevel {
    const COLUMNS: &'static str = "level.inventory_item_id, level.location_id, level.gid, level.active, level.available, \
                                   level.committed, level.damaged, level.incoming, level.on_hand, level.quality_control, \
                                   level.reserved, level.safety_stock, level.updated_at, level.pending, level.status";
    const TABLE: &'static str = "level";
    const KEY: &'static str = "shop = ?1 AND inventory_item_id = ?2 AND location_id = ?3";

    fn put(&self, connection: &Connection, shop: i64) -> Result<()> {
        let (observed, q) = (&self.observed, &self.observed.quantities);
        // Updated in place: to replace it would be to write its index anew.
        connection
            .prepare_cached(
                "INSERT INTO level (shop, inventory_item_id, location_id, gid, active, available, committed, damaged, \
                 incoming, on_hand, quality_control, reserved, safety_stock, updated_at, pending, status) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) \
                 ON CONFLICT DO UPDATE SET gid = ?4, active = ?5, available = ?6, committed = ?7, damaged = ?8, \
                 incoming = ?9, on_hand = ?10, quality_control = ?11, reserved = ?12, safety_stock = ?13, \
                 updated_at = ?14, pending = ?15, status = ?16",
            )?
            .execute(params![
                shop,
                observed.inventory_item_id.to_i64(),
                observed.location_id.to_i64(),
                observed.gid.as_ref().map(schemas::LevelGid::as_str),
                observed.active,
                q.available,
                q.committed,
                q.damaged,
                q.incoming,
                q.on_hand,
                q.quality_control,
                q.reserved,
                q.safety_stock,
                observed.updated_at.to_string(),
                self.pending,
                self.status.as_ref().map(word).transpose()?
            ])?;
        Ok(())
    }

    fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<Self> {
        let quantities = Quantities {
            available: row.get(from + 4)?,
            committed: row.get(from + 5)?,
            damaged: row.get(from + 6)?,
            incoming: row.get(from + 7)?,
            on_hand: row.get(from + 8)?,
            quality_control: row.get(from + 9)?,
            reserved: row.get(from + 10)?,
            safety_stock: row.get(from + 11)?,
        };
        let status: Option<String> = row.get(from + 14)?;
        Ok(Self {
            observed: Level {
                inventory_item_id: id(row, from)?,
                location_id: id(row, from + 1)?,
                gid: parsed_opt(row, from + 2)?,
                active: row.get(from + 3)?,
                quantities,
                updated_at: parsed(row, from + 12)?,
            },
            pending: row.get(from + 13)?,
            status: status.map(|_| unword(row, from + 14)).transpose()?,
        })
    }

    fn key_params(shop: i64, (item, location): (InventoryItemId, LocationId)) -> impl Params {
        [shop, item.to_i64(), location.to_i64()]
    }
}

impl Stored for Order {
    const COLUMNS: &'static str = "customer_order.id, customer_order.name, customer_order.customer_id, \
                                   customer_order.status, customer_order.financial_status, \
                                   customer_order.fulfillment_status, customer_order.total, customer_order.currency, \
                                   customer_order.channel, customer_order.locations, customer_order.created_at, \
                                   customer_order.updated_at, customer_order.payments";
    const TABLE: &'static str = "customer_order";

    fn put(&self, connection: &Connection, shop: i64) -> Result<()> {
        delete::<Self>(connection, shop, self.id)?;
        connection
            .prepare_cached(
                "INSERT INTO customer_order (shop, id, name, customer_id, status, financial_status, fulfillment_status, \
                 total, currency, channel, locations, created_at, updated_at, payments) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            )?
            .execute(params![
                shop,
                self.id.to_i64(),
                self.name,
                self.customer_id.map(schemas::CustomerId::to_i64),
                word(&self.status)?,
                self.financial_status,
                self.fulfillment_status,
                self.total.as_str(),
                self.currency,
                self.channel,
                serde_json::to_string(&self.locations)?,
                self.created_at.to_string(),
                self.updated_at.to_string(),
                self.payments.as_ref().map(serde_json::to_string).transpose()?
            ])?;
        let mut line_in = connection.prepare_cached(
            "INSERT OR REPLACE INTO order_line (shop, order_id, id, variant_id, title, sku, quantity) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for line in &self.lines {
            line_in.execute(params![
                shop,
                self.id.to_i64(),
                line.id.to_i64(),
                line.variant_id.map(schemas::VariantId::to_i64),
                line.title,
                line.sku,
                line.quantity
            ])?;
        }
        Ok(())
    }

    fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<Self> {
        let (locations, payments): (String, Option<String>) =
            (row.get(from + 9)?, row.get(from + 12)?);
        Ok(Self {
            id: id(row, from)?,
            name: row.get(from + 1)?,
            customer_id: id_opt(row, from + 2)?,
            status: unword(row, from + 3)?,
            financial_status: row.get(from + 4)?,
            fulfillment_status: row.get(from + 5)?,
            total: parsed(row, from + 6)?,
            currency: row.get(from + 7)?,
            channel: row.get(from + 8)?,
            locations: json(&locations, from + 9)?,
            lines: Vec::new(),
            payments: payments
                .map(|payments| json(&payments, from + 12))
                .transpose()?,
            created_at: parsed(row, from + 10)?,
            updated_at: parsed(row, from + 11)?,
        })
    }

    fn key_params(shop: i64, key: Self::Key) -> impl Params {
        [shop, key.to_i64()]
    }

    fn complete(&mut self, connection: &Connection, shop: i64) -> Result<()> {
        let mut lines = connection.prepare_cached(
            "SELECT id, variant_id, title, sku, quantity FROM order_line WHERE shop = ?1 AND order_id = ?2 ORDER BY id",
        )?;
        let line = |row: &Row<'_>| {
            Ok(OrderLine {
                id: id(row, 0)?,
                variant_id: id_opt(row, 1)?,
                title: row.get(2)?,
                sku: row.get(3)?,
                quantity: row.get(4)?,
            })
        };
        self.lines = lines
            .query_map([shop, self.id.to_i64()], line)?
            .collect::<rusqlite::Result<_>>()?;
        Ok(())
    }
}

impl Stored for Customer {
    const COLUMNS: &'static str =
        "customer.id, customer.name, customer.created_at, customer.updated_at";
    const TABLE: &'static str = "customer";

    fn put(&self, connection: &Connection, shop: i64) -> Result<()> {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO customer (shop, id, name, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                shop,
                self.id.to_i64(),
                self.name,
                self.created_at.to_string(),
                self.updated_at.to_string()
            ])?;
        Ok(())
    }

    fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            id: id(row, from)?,
            name: row.get(from + 1)?,
            created_at: parsed(row, from + 2)?,
            updated_at: parsed(row, from + 3)?,
        })
    }

    fn key_params(shop: i64, key: Self::Key) -> impl Params {
        [shop, key.to_i64()]
    }
}
