//! How each record stands in its table.

use domain::outbox::{Flight, PendingAdjustment};
use domain::shape::References;
use domain::{HeldLevel, PostKey, Row as DomainRow, RunRecord};
use rusqlite::{CachedStatement, Connection, Row, params};
use schemas::record::{
    Customer, InventoryItem, Level, Location, Order, OrderLine, Product, Variant,
};
use schemas::{
    CustomerId, InventoryItemId, LocationId, OrderId, ProductId, Quantities, Resource, RunId,
    ShopDomain, TransferId, VariantId, WebhookId,
};

use super::column::{ColumnValue, OwnTime, id, json, opt, parsed};
use crate::Result;

/// A key beside the shop, of one column or of several.
pub(super) trait RowKey {
    /// How many columns it has.
    const WIDTH: usize = 1;
    /// Binds its columns, from `from` on.
    fn bind(&self, statement: &mut CachedStatement<'_>, from: usize) -> rusqlite::Result<()>;
}

macro_rules! row_key {
    ($($key:ty),+: |$value:ident| $bound:expr) => {$(
        impl RowKey for $key {
            fn bind(&self, statement: &mut CachedStatement<'_>, from: usize) -> rusqlite::Result<()> {
                let $value = self;
                statement.raw_bind_parameter(from, $bound)
            }
        }
    )+};
}

row_key!(CustomerId, InventoryItemId, LocationId, OrderId, ProductId, TransferId, VariantId: |id| id.to_i64());
row_key!(i64, &str, String: |value| value);
row_key!(RunId: |id| id.as_str());
row_key!(WebhookId: |id| id.as_str());
row_key!(Resource: |resource| resource.as_str());
row_key!(PostKey: |key| key.0);

impl<A: RowKey, B: RowKey> RowKey for (A, B) {
    const WIDTH: usize = A::WIDTH + B::WIDTH;
    fn bind(&self, statement: &mut CachedStatement<'_>, from: usize) -> rusqlite::Result<()> {
        self.0.bind(statement, from)?;
        self.1.bind(statement, from + A::WIDTH)
    }
}

/// A record's table.
pub(super) trait StoredRow: DomainRow<Id: RowKey> {
    const TABLE: &'static str;
    /// The columns that `read` reads, qualified by the table's name.
    const COLUMNS: &'static str;
    /// How many they are.
    const WIDTH: usize;
    /// The columns of the key, behind the shop.
    const KEY: &'static [&'static str];
    /// The condition for the record of one key: the shop is `?1`, the key is bound from `?2` on.
    const OF_KEY: &'static str;
    /// Writes a record: the shop is `?1`, what `bind` binds follows. A row that is there is updated in place, because to
    /// replace it would be to write its indexes anew.
    const PUT: &'static str;

    /// The key that it is found by.
    fn key(&self) -> Self::Id;
    /// Binds every column, from `from` on.
    fn bind(&self, statement: &mut CachedStatement<'_>, from: usize) -> Result<()>;
    /// Reads a record whose columns begin at `from`.
    fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<Self>;

    /// Reads what other tables hold of it.
    fn complete(&mut self, _connection: &Connection, _shop: i64) -> Result<()> {
        Ok(())
    }

    /// Writes what other tables hold of it.
    fn put_rest(&self, _connection: &Connection, _shop: i64) -> Result<()> {
        Ok(())
    }
}

pub(super) fn find<R: StoredRow>(
    connection: &Connection,
    shop: i64,
    key: &R::Id,
) -> Result<Option<R>> {
    let sql = format!(
        "SELECT {} FROM {} WHERE {}",
        R::COLUMNS,
        R::TABLE,
        R::OF_KEY
    );
    let mut statement = connection.prepare_cached(&sql)?;
    statement.raw_bind_parameter(1, shop)?;
    key.bind(&mut statement, 2)?;
    let mut rows = statement.raw_query();
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    let mut record = R::read(row, 0)?;
    record.complete(connection, shop)?;
    Ok(Some(record))
}

pub(super) fn put<R: StoredRow>(connection: &Connection, shop: i64, record: &R) -> Result<()> {
    let mut statement = connection.prepare_cached(R::PUT)?;
    statement.raw_bind_parameter(1, shop)?;
    record.bind(&mut statement, 2)?;
    statement.raw_execute()?;
    record.put_rest(connection, shop)
}

pub(super) fn delete<R: StoredRow>(connection: &Connection, shop: i64, key: &R::Id) -> Result<()> {
    let sql = format!("DELETE FROM {} WHERE {}", R::TABLE, R::OF_KEY);
    let mut statement = connection.prepare_cached(&sql)?;
    statement.raw_bind_parameter(1, shop)?;
    key.bind(&mut statement, 2)?;
    statement.raw_execute()?;
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
    let variant_from = from + InventoryItem::WIDTH;
    let product_from = variant_from + Variant::WIDTH;
    let location_from = product_from + Product::WIDTH;
    Ok(References {
        item: opt(row, from, InventoryItem::read)?,
        variant: opt(row, variant_from, Variant::read)?,
        product: opt(row, product_from, Product::read)?,
        location: opt(row, location_from, Location::read)?,
    })
}

/// Reads the columns of a row one after the other.
struct ColumnReader<'r, 's> {
    row: &'r Row<'s>,
    next: usize,
}

impl ColumnReader<'_, '_> {
    fn take<T: ColumnValue>(&mut self) -> rusqlite::Result<T> {
        self.next += 1;
        T::read(self.row, self.next - 1)
    }
}

/// `, ?` for each column.
macro_rules! placeholder {
    ($column:ident) => {
        ", ?"
    };
}

/// Maps a record to its table: the columns of the key, then the others. Where the record is not flat, each column says
/// what it holds, and how the record is made of the columns is written out behind.
macro_rules! stored {
    ($record:ident in $table:literal by $key:ident: $($column:ident),+ $(,)?) => {
        stored! {
            $record as record in $table by $key = record.$key;
            $($column = record.$column),+
            => $record { $key, $($column),+ }
        }
    };
    (
        $record:ident as $whole:ident in $table:literal by $key1:ident = $key1_part:expr $(, $key:ident = $key_part:expr)*;
        $column1:ident = $part1:expr $(, $column:ident = $part:expr)* $(,)?
        => $made:expr $(; $($elsewhere:item)+)?
    ) => {
        impl StoredRow for $record {
            const TABLE: &'static str = $table;
            const COLUMNS: &'static str = concat!(
                $table, ".", stringify!($key1), $(", ", $table, ".", stringify!($key),)*
                ", ", $table, ".", stringify!($column1), $(", ", $table, ".", stringify!($column),)*
            );
            const WIDTH: usize =
                [stringify!($key1), $(stringify!($key),)* stringify!($column1), $(stringify!($column),)*].len();
            const KEY: &'static [&'static str] = &[stringify!($key1), $(stringify!($key),)*];
            const OF_KEY: &'static str = concat!(
                "shop = ?1 AND ", stringify!($key1), " = ?", $(" AND ", stringify!($key), " = ?",)*
            );
            const PUT: &'static str = concat!(
                "INSERT INTO ", $table, " (shop, ", stringify!($key1), $(", ", stringify!($key),)*
                ", ", stringify!($column1), $(", ", stringify!($column),)*
                ") VALUES (?1", placeholder!($key1), $(placeholder!($key),)*
                placeholder!($column1), $(placeholder!($column),)*
                ") ON CONFLICT DO UPDATE SET ", stringify!($column1), " = excluded.", stringify!($column1),
                $(", ", stringify!($column), " = excluded.", stringify!($column),)*
            );

            fn key(&self) -> Self::Id {
                let $whole = self;
                ($key1_part $(, $key_part)*)
            }

            fn bind(&self, statement: &mut CachedStatement<'_>, from: usize) -> Result<()> {
                let $whole = self;
                let mut columns = from..;
                let mut next = || columns.next().unwrap_or(from);
                statement.raw_bind_parameter(next(), $key1_part.bound()?)?;
                $(statement.raw_bind_parameter(next(), $key_part.bound()?)?;)*
                statement.raw_bind_parameter(next(), $part1.bound()?)?;
                $(statement.raw_bind_parameter(next(), $part.bound()?)?;)*
                Ok(())
            }

            fn read(row: &Row<'_>, from: usize) -> rusqlite::Result<Self> {
                let mut columns = ColumnReader { row, next: from };
                let $key1 = columns.take()?;
                $(let $key = columns.take()?;)*
                let $column1 = columns.take()?;
                $(let $column = columns.take()?;)*
                Ok($made)
            }

            $($($elsewhere)+)?
        }
    };
}

stored!(Location in "location" by id: name, active, fulfillment_service, updated_at);
stored!(Product in "product" by id: title, handle, vendor, product_type, status, updated_at);
stored! {
    Variant in "variant" by id:
    product_id, title, sku, barcode, price, continue_selling, bundle, inventory_item_id, updated_at
}
stored!(InventoryItem in "inventory_item" by id: sku, tracked, updated_at);
stored!(Customer in "customer" by id: name, created_at, updated_at);

stored! {
    HeldLevel as level in "level"
    by inventory_item_id = level.observed.inventory_item_id, location_id = level.observed.location_id;
    gid = level.observed.gid,
    active = level.observed.active,
    available = level.observed.quantities.available,
    committed = level.observed.quantities.committed,
    damaged = level.observed.quantities.damaged,
    incoming = level.observed.quantities.incoming,
    on_hand = level.observed.quantities.on_hand,
    quality_control = level.observed.quantities.quality_control,
    reserved = level.observed.quantities.reserved,
    safety_stock = level.observed.quantities.safety_stock,
    updated_at = level.observed.updated_at,
    pending = level.pending,
    status = level.status,
    => {
        let quantities = Quantities {
            available,
            committed,
            damaged,
            incoming,
            on_hand,
            quality_control,
            reserved,
            safety_stock,
        };
        let observed = Level { inventory_item_id, location_id, gid, active, quantities, updated_at };
        HeldLevel { observed, pending, status }
    }
}

stored! {
    Order as order in "customer_order" by id = order.id;
    name = order.name,
    customer_id = order.customer_id,
    status = order.status,
    financial_status = order.financial_status,
    fulfillment_status = order.fulfillment_status,
    total = order.total,
    currency = order.currency,
    channel = order.channel,
    locations = order.locations,
    payments = order.payments,
    created_at = order.created_at,
    updated_at = order.updated_at,
    => Order {
        id,
        name,
        customer_id,
        status,
        financial_status,
        fulfillment_status,
        total,
        currency,
        channel,
        locations,
        lines: Vec::new(),
        payments,
        created_at,
        updated_at,
    };

    fn complete(&mut self, connection: &Connection, shop: i64) -> Result<()> {
        let mut lines = connection.prepare_cached(
            "SELECT id, variant_id, title, sku, quantity FROM order_line WHERE shop = ?1 AND order_id = ?2 ORDER BY id",
        )?;
        self.lines = lines
            .query_map([shop, self.id.to_i64()], |row| order_line(row, 0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(())
    }

    fn put_rest(&self, connection: &Connection, shop: i64) -> Result<()> {
        connection
            .prepare_cached("DELETE FROM order_line WHERE shop = ?1 AND order_id = ?2")?
            .execute([shop, self.id.to_i64()])?;
        let mut line_in = connection.prepare_cached(
            "INSERT OR REPLACE INTO order_line (shop, order_id, id, variant_id, title, sku, quantity) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        for line in &self.lines {
            line_in.execute(params![
                shop,
                self.id.to_i64(),
                line.id.to_i64(),
                line.variant_id.map(VariantId::to_i64),
                line.title,
                line.sku,
                line.quantity
            ])?;
        }
        Ok(())
    }
}

stored! {
    PendingAdjustment as adjustment in "effect" by id = adjustment.id;
    inventory_item_id = adjustment.item,
    location_id = adjustment.location,
    command = adjustment.command,
    reservation = adjustment.reservation,
    lane = adjustment.lane,
    quantity = adjustment.quantity,
    available = adjustment.available,
    on_hand = adjustment.on_hand,
    given = OwnTime(adjustment.given),
    stale = adjustment.stale,
    attempt = adjustment.message,
    answered = adjustment.answered,
    => PendingAdjustment {
        id,
        item: inventory_item_id,
        location: location_id,
        command,
        reservation,
        lane,
        quantity,
        available,
        on_hand,
        given: OwnTime::at(given),
        stale,
        message: attempt,
        answered,
    }
}

stored! {
    Flight as flight in "flight"
    by inventory_item_id = flight.level.0, location_id = flight.level.1;
    attempt = flight.message,
    answered = flight.answered,
    => Flight { level: (inventory_item_id, location_id), message: attempt, answered }
}

/// Reads a line whose columns (`id, variant_id, title, sku, quantity`) begin at `from`.
pub(super) fn order_line(row: &Row<'_>, from: usize) -> rusqlite::Result<OrderLine> {
    Ok(OrderLine {
        id: id(row, from)?,
        variant_id: opt(row, from + 1, id)?,
        title: row.get(from + 2)?,
        sku: row.get(from + 3)?,
        quantity: row.get(from + 4)?,
    })
}

/// The columns that `run` reads.
pub(super) const RUN_COLUMNS: &str = "first, since, until, resume, shape";

pub(super) fn run(row: &Row<'_>, shop: &ShopDomain) -> rusqlite::Result<RunRecord> {
    Ok(RunRecord {
        shop: shop.clone(),
        first: row.get(0)?,
        since: opt(row, 1, parsed)?,
        until: opt(row, 2, parsed)?,
        resume: row.get(3)?,
        run: json(row, 4)?,
    })
}

/// The shop's records for which the condition on `?2` holds.
pub(super) fn select<R: StoredRow>(
    connection: &Connection,
    shop: i64,
    condition: &str,
    key: Option<i64>,
) -> Result<Vec<R>> {
    let sql = format!(
        "SELECT {} FROM {} WHERE shop = ?1 AND {condition}",
        R::COLUMNS,
        R::TABLE
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let read = |row: &Row<'_>| R::read(row, 0);
    let mut records: Vec<R> = match key {
        Some(key) => statement
            .query_map([shop, key], read)?
            .collect::<rusqlite::Result<_>>()?,
        None => statement
            .query_map([shop], read)?
            .collect::<rusqlite::Result<_>>()?,
    };
    for record in &mut records {
        record.complete(connection, shop)?;
    }
    Ok(records)
}
