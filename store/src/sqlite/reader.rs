//! The reading side: read-only connections, each read one consistent view.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use domain::command::KeptCommand;
use domain::people::People;
use domain::shape::level_shape;
use domain::{
    Delivery, Drifted, Held, HeldLevel, KeptSession, LastRuns, Mark, Revocation, Revoked, RunRecord,
};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, params, params_from_iter};
use schemas::kind::UnknownEvent;
use schemas::record::{Customer, InventoryItem, Location, Order, Product, Variant};
use schemas::shape::{LevelShape, ReservationShape};
use schemas::{
    Epoch, InventoryItemId, LevelSelection, LocationId, LogEntry, Logged, Offset, RecordKey,
    Resource, Room, RunId, Sequence, ShopDomain, Timestamp, UserId,
};

use super::column::{from_micros, id, json, micros, opt, parsed, unword};
use super::commit::ALL_OWNERS;
use super::people;
use super::rooms::{RecentRooms, heard_in};
use super::rows::{RUN_COLUMNS, StoredRow, find, reference_columns, references, run, select};
use super::shops::{RegisteredShop, head, shops};
use crate::local::{CONNECTIONS_MAX, Reader};
use crate::{
    Backlog, Collection, CommandFilter, DeliverySummary, Marked, OrderView, OutboxMessage,
    Position, ReservationFilter, Result, StoreError,
};

pub(super) struct SqliteReader {
    path: PathBuf,
    epoch: Epoch,
    recent: Arc<RecentRooms>,
    idle: Mutex<Vec<Connection>>,
    /// Entries of the log that were read and passed over.
    unknown: AtomicU64,
}

impl SqliteReader {
    pub(super) fn new(path: PathBuf, epoch: Epoch, recent: Arc<RecentRooms>) -> Self {
        Self {
            path,
            epoch,
            recent,
            idle: Mutex::new(Vec::with_capacity(CONNECTIONS_MAX)),
            unknown: AtomicU64::new(0),
        }
    }

    /// Runs a read inside one transaction, so that all its statements see the same state.
    fn view<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.view_unnamed(read)
            .map_err(|error| error.at(&self.path))
    }

    /// The same, with errors that do not name the file.
    fn view_unnamed<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let reused = idle().pop();
        let mut connection = match reused {
            Some(connection) => connection,
            None => super::connect(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY)?,
        };
        let transaction = connection.transaction()?;
        let answer = read(&transaction)?;
        transaction.finish()?;
        idle().push(connection);
        Ok(answer)
    }

    fn shop_view<T>(
        &self,
        domain: &ShopDomain,
        read: impl FnOnce(&Connection, &RegisteredShop) -> Result<T>,
    ) -> Result<T> {
        self.view(|connection| {
            let shop = shops(connection)?
                .remove(domain)
                .ok_or_else(|| StoreError::UnknownShop(domain.clone()))?;
            read(connection, &shop)
        })
    }

    /// The sequence of an entry, and the entry itself unless it is unknown here and to be passed over.
    fn entry(
        &self,
        row: &rusqlite::Row<'_>,
        shop: ShopDomain,
    ) -> rusqlite::Result<(i64, Option<LogEntry>)> {
        let (sequence, json) = (row.get(0)?, row.get_ref(2)?.as_str()?);
        let event = match Logged::read(json) {
            Ok(event) => event,
            Err(UnknownEvent { kind }) => {
                // Told once; the figures count the others.
                if self.unknown.fetch_add(1, Ordering::Relaxed) == 0 {
                    tracing::warn!(%shop, sequence, kind, "Passed over an entry of the log that is unknown here; a newer stockd may have written it");
                }
                return Ok((sequence, None));
            }
        };
        let entry = LogEntry {
            offset: Offset {
                epoch: self.epoch,
                sequence: Sequence(sequence.cast_unsigned()),
            },
            shop,
            at: from_micros(row, 1)?,
            event,
            bytes: json.len(),
        };
        Ok((sequence, Some(entry)))
    }
}

/// A page of the log, filled with known entries, of what `read` finds behind a place. What is unknown takes no room in
/// it: a page with room left tells its reader that nothing follows, and the reader would lose what does.
fn page(
    mut after: i64,
    limit: usize,
    mut read: impl FnMut(i64, usize) -> Result<Vec<(i64, Option<LogEntry>)>>,
) -> Result<Vec<LogEntry>> {
    let mut entries = Vec::new();
    loop {
        let wanted = limit - entries.len();
        let found = read(after, wanted)?;
        let is_last = found.len() < wanted;
        after = found.last().map_or(after, |(sequence, _)| *sequence);
        entries.extend(found.into_iter().filter_map(|(_, entry)| entry));
        if is_last || entries.len() == limit {
            return Ok(entries);
        }
    }
}

/// Entries up to there were forgotten.
fn floor(connection: &Connection) -> Result<i64> {
    Ok(connection.query_row("SELECT log_floor FROM meta", [], |row| row.get(0))?)
}

/// For statements: who reads, and the locations they are limited to, as JSON.
fn seen_by(reader: Option<&(UserId, Vec<LocationId>)>) -> Result<(Option<&str>, Option<String>)> {
    let Some((user, locations)) = reader else {
        return Ok((None, None));
    };
    let locations: Vec<String> = locations.iter().map(ToString::to_string).collect();
    Ok((
        Some(user.as_str()),
        Some(serde_json::to_string(&locations)?),
    ))
}

/// SQL for what `marked.record` holds of the level whose item and location are columns of that table. Made from the text
/// of another level, so that it cannot differ from what was written there.
fn level_record(table: &str) -> Result<String> {
    let no_id = |error: schemas::IdError| StoreError::Failed(error.to_string());
    let item = InventoryItemId::try_from(1_u64).map_err(no_id)?;
    let location = LocationId::try_from(2_u64).map_err(no_id)?;
    let text = serde_json::to_string(&RecordKey::Level(item, location))?;
    let sql = text
        .replace('1', &format!("' || {table}.inventory_item_id || '"))
        .replace('2', &format!("' || {table}.location_id || '"));
    Ok(format!("'{sql}'"))
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

impl Reader for SqliteReader {
    fn entries(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>> {
        self.view(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT log.sequence, log.at, log.event, shop.domain FROM log JOIN shop ON shop.id = log.shop \
                 WHERE log.sequence > ?1 ORDER BY log.sequence LIMIT ?2",
            )?;
            page(after.0.cast_signed(), limit, |after, limit| {
                let entry = |row: &rusqlite::Row<'_>| self.entry(row, parsed(row, 3)?);
                let entries = statement.query_map([after, limit_of(limit)], entry)?;
                Ok(entries.collect::<rusqlite::Result<_>>()?)
            })
        })
    }

    fn replay(
        &self,
        domain: &ShopDomain,
        rooms: &[Room],
        after: Sequence,
        until: Sequence,
        limit: usize,
    ) -> Result<Vec<LogEntry>> {
        let shop = self.shop_view(domain, |_, shop| Ok(shop.row))?;
        let [first, until] = [after, until].map(|sequence| sequence.0.cast_signed());
        let recent = self.recent.heard(shop, rooms, first, until);
        self.view(|connection| {
            if first < floor(connection)? {
                return Err(StoreError::TooOld(after));
            }
            page(first, limit, |after, limit| {
                let (heard, wanted) = if rooms.is_empty() {
                    ("?5 = ?5", String::new())
                } else {
                    let mut heard = heard_in(connection, shop, rooms, after, until, limit)?;
                    heard.extend(recent.range(after + 1..));
                    (
                        "sequence IN (SELECT value FROM json_each(?5))",
                        serde_json::to_string(&heard)?,
                    )
                };
                let sql = format!(
                    "SELECT sequence, at, event FROM log WHERE shop = ?1 AND sequence > ?2 AND sequence <= ?3 AND {heard} \
                     ORDER BY sequence LIMIT ?4"
                );
                let mut statement = connection.prepare_cached(&sql)?;
                let entries = statement.query_map(
                    params![shop, after, until, limit_of(limit), wanted],
                    |row| self.entry(row, domain.clone()),
                )?;
                Ok(entries.collect::<rusqlite::Result<_>>()?)
            })
        })
    }

    fn unknown_entries(&self) -> u64 {
        self.unknown.load(Ordering::Relaxed)
    }

    fn levels(
        &self,
        domains: &[ShopDomain],
        selection: &LevelSelection,
        after: Option<(InventoryItemId, LocationId)>,
        limit: usize,
    ) -> Result<(Vec<LevelShape>, Sequence)> {
        self.view(|connection| {
            let mut known = shops(connection)?;
            let mut levels = Vec::new();
            for domain in domains {
                let shop = known
                    .remove(domain)
                    .ok_or_else(|| StoreError::UnknownShop(domain.clone()))?;
                levels.extend(levels_of_shop(
                    connection, domain, &shop, selection, after, limit,
                )?);
            }
            Ok((levels, head(connection)?))
        })
    }

    fn inbox(&self, limit: usize) -> Result<Vec<Delivery>> {
        self.view(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT shop.domain, webhook_id, topic, triggered_at, received_at, body, signature FROM delivery \
                 JOIN shop ON shop.id = delivery.shop JOIN delivery_body USING (arrival) \
                 WHERE state = 'pending' ORDER BY arrival LIMIT ?1",
            )?;
            let deliveries = statement.query_map([limit_of(limit)], |row| {
                Ok(Delivery {
                    shop: parsed(row, 0)?,
                    webhook_id: parsed(row, 1)?,
                    topic: row.get(2)?,
                    triggered_at: opt(row, 3, parsed)?,
                    received_at: from_micros(row, 4)?,
                    body: row.get(5)?,
                    signature: row.get::<_, Option<_>>(6)?.unwrap_or_default(),
                })
            })?;
            Ok(deliveries.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn deliveries(
        &self,
        shop: &ShopDomain,
        state: &'static str,
        limit: usize,
    ) -> Result<Vec<DeliverySummary>> {
        self.shop_view(shop, |connection, shop| {
            let mut statement = connection.prepare_cached(
                "SELECT webhook_id, topic, received_at, reason FROM delivery WHERE shop = ?1 AND state = ?2 \
                 ORDER BY arrival DESC LIMIT ?3",
            )?;
            let deliveries = statement.query_map(params![shop.row, state, limit_of(limit)], |row| {
                Ok(DeliverySummary {
                    webhook_id: parsed(row, 0)?,
                    topic: row.get(1)?,
                    received_at: from_micros(row, 2)?,
                    state,
                    reason: row.get(3)?,
                })
            })?;
            Ok(deliveries.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn delivery_counts(&self, shop: &ShopDomain) -> Result<Vec<(String, &'static str, u64)>> {
        self.shop_view(shop, |connection, shop| {
            let mut statement = connection.prepare_cached(
                "SELECT topic, state, deliveries FROM delivery_count WHERE shop = ?1 AND deliveries > 0 \
                 ORDER BY topic, state",
            )?;
            let counts = statement.query_map([shop.row], |row| {
                let state = match row.get_ref(1)?.as_str()? {
                    "applied" => "applied",
                    "ignored" => "ignored",
                    "unreadable" => "unreadable",
                    _ => "pending",
                };
                Ok((row.get(0)?, state, row.get::<_, i64>(2)?.cast_unsigned()))
            })?;
            Ok(counts.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn marked(&self, shop: &ShopDomain, now: Timestamp, limit: usize) -> Result<Vec<Marked>> {
        self.shop_view(shop, |connection, shop| {
            // A level that an outbox message is changing is not worth reading before the answer is there. In the order of the
            // marks from the start: by an index all would be sorted for the first few.
            let sql = format!(
                "SELECT record, mark FROM marked NOT INDEXED WHERE shop = ?1 AND due <= ?2 AND record NOT IN (\
                     SELECT {} FROM flight WHERE shop = ?1 AND NOT answered) \
                 ORDER BY mark LIMIT ?3",
                level_record("flight")?
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params![shop.row, micros(now), limit_of(limit)], |row| {
                Ok((row.get::<_, String>(0)?, Mark(row.get(1)?)))
            })?;
            rows.map(|row| {
                let (key, mark) = row?;
                let key = serde_json::from_str(&key)?;
                let gid = match key {
                    RecordKey::Level(item, location) => {
                        find::<HeldLevel>(connection, shop.row, &(item, location))?.and_then(|held| held.observed.gid)
                    }
                    _ => None,
                };
                Ok(Marked { key, mark, gid })
            })
            .collect()
        })
    }

    fn backlog(&self, shop: &ShopDomain) -> Result<Backlog> {
        self.shop_view(shop, |connection, shop| {
            let count = |sql| -> rusqlite::Result<u64> {
                let mut statement = connection.prepare_cached(sql)?;
                Ok(statement
                    .query_row([shop.row], |row| row.get::<_, i64>(0))?
                    .cast_unsigned())
            };
            Ok(Backlog {
                adjustments: count("SELECT count(*) FROM effect WHERE shop = ?1 AND NOT answered")?,
                refreshes: count("SELECT count(*) FROM marked WHERE shop = ?1")?,
            })
        })
    }

    fn outbox_messages(&self, shop: &ShopDomain) -> Result<Vec<OutboxMessage>> {
        self.shop_view(shop, |connection, shop| {
            let mut statement = connection.prepare_cached(
                "SELECT id, kind, body, begun FROM attempt WHERE shop = ?1 ORDER BY begun",
            )?;
            let messages = statement.query_map([shop.row], outbox_message)?;
            messages
                .map(|message| with_levels(connection, message?))
                .collect()
        })
    }

    fn commands(
        &self,
        shop: &ShopDomain,
        filter: &CommandFilter,
    ) -> Result<Vec<serde_json::Value>> {
        self.shop_view(shop, |connection, shop| {
            let (before, before_id) = match &filter.before {
                Some((before, id)) => (micros(*before), id.as_str()),
                None => (i64::MAX, ""),
            };
            let mut statement = connection.prepare_cached(
                // That it is being sent is known from its adjustments alone.
                "SELECT record, iif(state = 'accepted' AND EXISTS (SELECT 1 FROM effect WHERE effect.shop = command.shop \
                 AND effect.command = command.id AND attempt IS NOT NULL), 'sending', state) AS now FROM command \
                 WHERE shop = ?1 AND (given, id) < (?2, ?3) AND (?4 IS NULL OR id = ?4) \
                 AND (?5 IS NULL OR by_user = ?5) AND (?6 IS NULL OR now = ?6) \
                 AND (?7 IS NULL OR EXISTS (SELECT 1 FROM json_each(record, '$.levels') WHERE value ->> 0 = ?7)) \
                 AND (?9 IS NULL OR by_user = ?9 OR (json_array_length(record, '$.levels') > 0 AND NOT EXISTS (\
                     SELECT 1 FROM json_each(record, '$.levels') \
                     WHERE value ->> 1 NOT IN (SELECT value FROM json_each(?10))))) \
                 ORDER BY given DESC, id DESC LIMIT ?8",
            )?;
            let (user, locations) = seen_by(filter.seen_by.as_ref())?;
            let item = filter.item.map(|item| item.to_string());
            let found = statement.query_map(
                params![
                    shop.row,
                    before,
                    before_id,
                    filter.id,
                    filter.by,
                    filter.state,
                    item,
                    limit_of(filter.limit),
                    user,
                    locations
                ],
                |row| Ok((json::<KeptCommand>(row, 0)?, unword(row, 1)?)),
            )?;
            found
                .map(|found| {
                    let (command, state) = found?;
                    Ok(command.outward(state)?)
                })
                .collect()
        })
    }

    fn reservations(
        &self,
        shop: &ShopDomain,
        filter: &ReservationFilter,
    ) -> Result<Vec<ReservationShape>> {
        self.shop_view(shop, |connection, shop| {
            if let Some(id) = &filter.id {
                let mut statement = connection
                    .prepare_cached("SELECT record FROM reservation WHERE shop = ?1 AND id = ?2")?;
                let found =
                    statement.query_row(params![shop.row, id], |row| json(row, 0)).optional()?;
                return Ok(found.into_iter().collect());
            }
            let mut statement = connection.prepare_cached(
                "SELECT record FROM reservation WHERE shop = ?1 AND open AND (expires_at, id) > (?2, ?3) \
                 AND (?5 IS NULL OR record ->> 'createdBy' = ?5 OR (json_array_length(record, '$.items') > 0 \
                     AND NOT EXISTS (SELECT 1 FROM json_each(record, '$.items') \
                         WHERE value ->> 'locationId' NOT IN (SELECT value FROM json_each(?6))))) \
                 ORDER BY expires_at, id LIMIT ?4",
            )?;
            let (user, locations) = seen_by(filter.seen_by.as_ref())?;
            let (after, id) =
                filter.after.as_ref().map_or((i64::MIN, ""), |(after, id)| (micros(*after), id.as_str()));
            let wanted = params![shop.row, after, id, limit_of(filter.limit), user, locations];
            let found = statement.query_map(wanted, |row| json(row, 0))?;
            Ok(found.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn runs(&self, domain: &ShopDomain, limit: usize) -> Result<Vec<RunRecord>> {
        self.shop_view(domain, |connection, shop| {
            let sql = format!(
                "SELECT {RUN_COLUMNS} FROM run WHERE shop = ?1 ORDER BY started_at DESC LIMIT ?2"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let runs = statement.query_map([shop.row, limit_of(limit)], |row| run(row, domain))?;
            Ok(runs.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn last_runs(&self, domain: &ShopDomain, resource: Resource) -> Result<LastRuns> {
        self.shop_view(domain, |connection, shop| {
            let last = |condition: &str| {
                // Each condition is word for word that of an index.
                let sql = format!(
                    "SELECT {RUN_COLUMNS} FROM run WHERE shop = ?1 AND resource = ?2 {condition} \
                     ORDER BY started_at DESC LIMIT 1"
                );
                let mut statement = connection.prepare_cached(&sql)?;
                statement
                    .query_row(params![shop.row, resource.as_str()], |row| run(row, domain))
                    .optional()
            };
            let real = "AND json_extract(shape, '$.dryRun') IS NULL";
            let full = "AND json_extract(shape, '$.kind') = 'full'";
            Ok(LastRuns {
                any: last("")?,
                completed: last(&format!("AND state = 'completed' {real}"))?,
                full_begun: last(&format!("{full} {real}"))?,
                full_completed: last(&format!("AND state = 'completed' {full} {real}"))?,
            })
        })
    }

    fn doubts(&self, run: &RunId) -> Result<u64> {
        self.view(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT count(*) FROM marked WHERE run = ?1")?;
            Ok(statement
                .query_row([run.as_str()], |row| row.get::<_, i64>(0))?
                .cast_unsigned())
        })
    }

    fn drift(&self, shop: &ShopDomain, run: Option<&RunId>, limit: usize) -> Result<Vec<Drifted>> {
        self.shop_view(shop, |connection, shop| {
            let mut statement = connection.prepare_cached(
                "SELECT run, record, wrong, since, found FROM drift WHERE shop = ?1 AND (?2 IS NULL OR run = ?2) \
                 ORDER BY id DESC LIMIT ?3",
            )?;
            let read = |row: &rusqlite::Row<'_>| {
                Ok(Drifted {
                    run_id: parsed(row, 0)?,
                    record: row.get(1)?,
                    wrong: json(row, 2)?,
                    since: opt(row, 3, parsed)?,
                    found: from_micros(row, 4)?,
                })
            };
            let found = statement.query_map(params![shop.row, run.map(RunId::as_str), limit_of(limit)], read)?;
            Ok(found.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn held(
        &self,
        shop: &ShopDomain,
        resource: Resource,
        orders_since: Timestamp,
    ) -> Result<Vec<Held>> {
        self.shop_view(shop, |connection, shop| {
            let mut held = Vec::new();
            let mut add =
                |sql: &str, read: &dyn Fn(&rusqlite::Row<'_>) -> rusqlite::Result<Held>| {
                    let mut statement = connection.prepare_cached(sql)?;
                    let rows = statement.query_map([shop.row], read)?;
                    rows.into_iter()
                        .try_for_each(|row| row.map(|row| held.push(row)))
                };
            let one = |key| Ok(Held { key, variant: None });
            match resource {
                Resource::Customers => {
                    add("SELECT id FROM customer WHERE shop = ?1", &|row| {
                        one(RecordKey::Customer(id(row, 0)?))
                    })?;
                }
                Resource::Inventory => {
                    add(
                        "SELECT inventory_item_id, location_id FROM level WHERE shop = ?1",
                        &|row| one(RecordKey::Level(id(row, 0)?, id(row, 1)?)),
                    )?;
                }
                Resource::Orders => {
                    let mut statement = connection.prepare_cached(
                        "SELECT id, created_at FROM customer_order WHERE shop = ?1",
                    )?;
                    let orders = statement.query_map([shop.row], |row| {
                        Ok((RecordKey::Order(id(row, 0)?), parsed::<Timestamp>(row, 1)?))
                    })?;
                    for order in orders {
                        let (key, created) = order?;
                        held.extend(
                            (created >= orders_since).then_some(Held { key, variant: None }),
                        );
                    }
                }
                Resource::Products => {
                    add("SELECT id FROM product WHERE shop = ?1", &|row| {
                        one(RecordKey::Product(id(row, 0)?))
                    })?;
                    add("SELECT id FROM inventory_item WHERE shop = ?1", &|row| {
                        one(RecordKey::Item(id(row, 0)?))
                    })?;
                    add(
                        "SELECT product_id, id FROM variant WHERE shop = ?1",
                        &|row| {
                            Ok(Held {
                                key: RecordKey::Product(id(row, 0)?),
                                variant: Some(id(row, 1)?),
                            })
                        },
                    )?;
                }
            }
            Ok(held)
        })
    }

    fn watermark(&self, shop: &ShopDomain, resource: Resource) -> Result<Option<Timestamp>> {
        self.shop_view(shop, |connection, shop| {
            let mut statement = connection
                .prepare_cached("SELECT until FROM watermark WHERE shop = ?1 AND resource = ?2")?;
            Ok(statement
                .query_row(params![shop.row, resource.as_str()], |row| parsed(row, 0))
                .optional()?)
        })
    }

    fn locations(&self, shop: &ShopDomain) -> Result<Vec<Location>> {
        self.shop_view(shop, |connection, shop| {
            select(connection, shop.row, "true ORDER BY id", None)
        })
    }

    fn session(&self, id: &str, owner: &str) -> Result<KeptSession> {
        self.view(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT rooms FROM session WHERE id = ?1")?;
            let rooms = statement.query_row([id], |row| row.get(0)).optional()?;
            let mut statement = connection.prepare_cached(
                "SELECT max(evicted_at) FROM session_use WHERE owner IN (?1, ?2)",
            )?;
            let evicted_at =
                statement.query_row([owner, ALL_OWNERS], |row| opt(row, 0, from_micros))?;
            Ok(KeptSession { rooms, evicted_at })
        })
    }

    fn positions(&self) -> Result<BTreeMap<String, Position>> {
        self.view(|connection| {
            let mut statement = connection.prepare_cached("SELECT name, position FROM reader")?;
            let positions = statement.query_map([], |row| Ok((row.get(0)?, json(row, 1)?)))?;
            Ok(positions.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn floor(&self) -> Result<Sequence> {
        self.view(|connection| Ok(Sequence(floor(connection)?.cast_unsigned())))
    }

    fn revocations(&self) -> Result<Vec<Revocation>> {
        self.view(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT kind, id, at, until FROM revocation")?;
            let read = |row: &rusqlite::Row<'_>| {
                let of = match row.get_ref(0)?.as_str()? {
                    "token" => Revoked::Token(row.get(1)?),
                    _ => Revoked::User(parsed(row, 1)?),
                };
                Ok(Revocation {
                    of,
                    at: from_micros(row, 2)?,
                    until: from_micros(row, 3)?,
                })
            };
            Ok(statement
                .query_map([], read)?
                .collect::<rusqlite::Result<_>>()?)
        })
    }

    fn people(&self) -> Result<People> {
        self.view(people::read)
    }

    fn orders(
        &self,
        shop: &ShopDomain,
        view: &OrderView,
        after: u64,
        limit: usize,
    ) -> Result<Vec<serde_json::Value>> {
        let condition = match view {
            OrderView::All => "true".to_owned(),
            OrderView::Of(customer) => format!("customer_id = {}", customer.to_i64()),
            OrderView::At(locations) => {
                let mine: Vec<String> = locations
                    .iter()
                    .map(|id| format!("'{0}', {0}", id.to_i64()))
                    .collect();
                let mine = mine.join(", ");
                format!(
                    "(json_array_length(locations) = 0 \
                     OR EXISTS (SELECT 1 FROM json_each(locations) WHERE value IN ({mine})))"
                )
            }
        };
        self.shop_view(shop, |connection, shop| {
            let condition = format!("id > ?2 AND {condition} ORDER BY id LIMIT {limit}");
            let after = i64::try_from(after).unwrap_or(i64::MAX);
            let orders: Vec<Order> = select(connection, shop.row, &condition, Some(after))?;
            Ok(orders
                .iter()
                .map(serde_json::to_value)
                .collect::<serde_json::Result<_>>()?)
        })
    }

    fn list(
        &self,
        shop: &ShopDomain,
        collection: Collection,
        after: u64,
        limit: usize,
    ) -> Result<Vec<serde_json::Value>> {
        fn page<R: StoredRow + serde::Serialize>(
            connection: &Connection,
            shop: &RegisteredShop,
            after: u64,
            limit: usize,
        ) -> Result<Vec<serde_json::Value>> {
            let condition = format!("id > ?2 ORDER BY id LIMIT {limit}");
            let after = i64::try_from(after).unwrap_or(i64::MAX);
            let records: Vec<R> = select(connection, shop.row, &condition, Some(after))?;
            Ok(records
                .iter()
                .map(serde_json::to_value)
                .collect::<serde_json::Result<_>>()?)
        }
        self.shop_view(shop, |connection, shop| match collection {
            Collection::Customers => page::<Customer>(connection, shop, after, limit),
            Collection::Items => page::<InventoryItem>(connection, shop, after, limit),
            Collection::Locations => page::<Location>(connection, shop, after, limit),
            Collection::Orders => page::<Order>(connection, shop, after, limit),
            Collection::Products => page::<Product>(connection, shop, after, limit),
            Collection::Variants => page::<Variant>(connection, shop, after, limit),
        })
    }
}

/// An outbox message without its levels.
fn outbox_message(row: &rusqlite::Row<'_>) -> rusqlite::Result<OutboxMessage> {
    Ok(OutboxMessage {
        id: row.get(0)?,
        kind: unword(row, 1)?,
        body: row.get(2)?,
        begun: from_micros(row, 3)?,
        levels: Vec::new(),
    })
}

/// The levels that an outbox message is changing, in the order in which it names them.
fn with_levels(connection: &Connection, message: OutboxMessage) -> Result<OutboxMessage> {
    let mut statement = connection.prepare_cached(
        "SELECT inventory_item_id, location_id FROM flight WHERE attempt = ?1 ORDER BY inventory_item_id, location_id",
    )?;
    let levels = statement.query_map([&message.id], |row| Ok((id(row, 0)?, id(row, 1)?)))?;
    Ok(OutboxMessage {
        levels: levels.collect::<rusqlite::Result<_>>()?,
        ..message
    })
}

/// A shop's selected levels with what they refer to.
fn levels_of_shop(
    connection: &Connection,
    domain: &ShopDomain,
    shop: &RegisteredShop,
    selection: &LevelSelection,
    after: Option<(InventoryItemId, LocationId)>,
    limit: usize,
) -> Result<Vec<LevelShape>> {
    let (condition, ids) = selected(selection);
    let sql = format!(
        "SELECT {}, {} FROM level \
         LEFT JOIN inventory_item ON inventory_item.shop = level.shop AND inventory_item.id = level.inventory_item_id \
         LEFT JOIN variant ON variant.shop = level.shop AND variant.id = \
           (SELECT min(id) FROM variant WHERE shop = level.shop AND inventory_item_id = level.inventory_item_id) \
         LEFT JOIN product ON product.shop = level.shop AND product.id = variant.product_id \
         LEFT JOIN location ON location.shop = level.shop AND location.id = level.location_id \
         WHERE level.shop = ?1 AND (level.inventory_item_id, level.location_id) > (?2, ?3) AND ({condition}) \
         ORDER BY level.inventory_item_id, level.location_id LIMIT {}",
        HeldLevel::COLUMNS,
        reference_columns(),
        limit
    );
    let mut statement = connection.prepare(&sql)?;
    let (item, location) = after.map_or((0, 0), |(item, location)| {
        (item.to_i64(), location.to_i64())
    });
    let values = [shop.row, item, location]
        .map(Value::from)
        .into_iter()
        .chain(ids);
    let levels = statement.query_map(params_from_iter(values), |row| {
        let held = HeldLevel::read(row, 0)?;
        Ok(level_shape(
            domain,
            &shop.state.thresholds,
            &held,
            references(row, HeldLevel::WIDTH)?,
        ))
    })?;
    Ok(levels.collect::<rusqlite::Result<_>>()?)
}

/// The condition for a selection, with one `?` per id; `?1` to `?3` are taken.
fn selected(selection: &LevelSelection) -> (String, Vec<Value>) {
    let LevelSelection {
        location_ids,
        product_ids,
        variant_ids,
        item_ids,
        sku,
        within,
    } = selection;
    let mut conditions = vec![
        if selection.is_everything() {
            "true"
        } else {
            "false"
        }
        .to_owned(),
    ];
    let mut values = Vec::new();
    let mut any_of = |column: &str, ids: Vec<i64>| {
        conditions.push(format!("{column} IN ({})", vec!["?"; ids.len()].join(", ")));
        values.extend(ids.into_iter().map(Value::from));
    };
    if let Some(ids) = location_ids {
        any_of(
            "level.location_id",
            ids.iter().map(|id| id.to_i64()).collect(),
        );
    }
    if let Some(ids) = product_ids {
        any_of(
            "variant.product_id",
            ids.iter().map(|id| id.to_i64()).collect(),
        );
    }
    if let Some(ids) = variant_ids {
        any_of("variant.id", ids.iter().map(|id| id.to_i64()).collect());
    }
    if let Some(ids) = item_ids {
        any_of(
            "level.inventory_item_id",
            ids.iter().map(|id| id.to_i64()).collect(),
        );
    }
    if let Some(sku) = sku {
        // The SKU that a level shows: its item's, else its variant's. Found in the two smaller tables first, because no
        // index of levels knows it.
        conditions.push(
            "level.inventory_item_id IN (SELECT id FROM inventory_item WHERE shop = ?1 AND sku = ? \
             UNION SELECT inventory_item_id FROM variant WHERE shop = ?1 AND sku = ?) \
             AND coalesce(inventory_item.sku, variant.sku) = ?"
                .to_owned(),
        );
        values.extend(std::iter::repeat_n(Value::from(sku.clone()), 3));
    }
    let mut condition = conditions.join(" OR ");
    if let Some(ids) = within {
        condition = format!(
            "({condition}) AND level.location_id IN ({})",
            vec!["?"; ids.len()].join(", ")
        );
        values.extend(ids.iter().map(|id| Value::from(id.to_i64())));
    }
    (condition, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_writes_the_key_of_a_level_as_it_is_stored() {
        let connection = Connection::open_in_memory().unwrap();
        let sql = format!(
            "SELECT {} FROM (SELECT 12 AS inventory_item_id, 21 AS location_id) AS flight",
            level_record("flight").unwrap()
        );
        let written: String = connection.query_row(&sql, [], |row| row.get(0)).unwrap();
        assert_eq!(
            written, r#"{"Level":["12","21"]}"#,
            "as in databases of before"
        );
        let key = RecordKey::Level(12_u64.try_into().unwrap(), 21_u64.try_into().unwrap());
        assert_eq!(written, serde_json::to_string(&key).unwrap());
    }
}
