//! The writing side: one connection, groups of operations in one transaction, each of them whole or not at all.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use inventory::{HeldLevel, Thresholds};
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Row, params};
use schemas::event::{AvailableAt, Transfer};
use schemas::record::{Customer, Variant};
use schemas::{
    CustomerId, Epoch, InventoryItemId, LocationId, Logged, ProductId, RecordKey, Resource, Room,
    RunId, Sequence, ShopDomain, Timestamp, TransferId, WebhookId,
};

use super::column::{from_micros, id, json, micros, opt, parsed, word};
use super::high_water::HighWater;
use super::rows::{self, Stored};
use crate::StoreError;
use crate::apply::perform;
use crate::drift::Drifted;
use crate::local::Engine;
use crate::operation::{
    Delivery, Fate, Mark, Operation, Outcome, PostKey, Retention, Revocation, RunRecord,
    SessionQuota,
};
use crate::position::Position;
use crate::shape::References;
use crate::tables::{Keep, Marking, Result, Tables, Transaction, Tries};

/// Pages of 4 KiB in the write-ahead log from which it is copied into the database: a page written again and again is
/// copied once, but nothing is written meanwhile.
const CHECKPOINT_PAGES: i64 = 1_000;

pub(super) struct SqliteEngine {
    connection: Connection,
    path: PathBuf,
    shops: BTreeMap<ShopDomain, Shop>,
    head: Sequence,
    epoch: Epoch,
    mark: HighWater,
    /// What the transaction at hand has appended, by shop and room.
    heard: Vec<(i64, Room, i64)>,
    /// Set while the write-ahead log may still hold something personal that was to be forgotten, also by whoever wrote
    /// it before.
    erased: bool,
    /// Why the last transaction was lost.
    failing: Option<StoreError>,
}

#[derive(Clone)]
pub(super) struct Shop {
    pub(super) row: i64,
    pub(super) thresholds: Thresholds,
    /// `None` once it was forgotten, until it is registered again.
    known_since: Option<Timestamp>,
}

impl SqliteEngine {
    pub(super) fn new(
        connection: Connection,
        path: PathBuf,
        epoch: Epoch,
        mark: HighWater,
    ) -> Result<Self> {
        let (shops, head, heard, erased) = (BTreeMap::new(), Sequence(0), Vec::new(), true);
        let mut engine = Self {
            connection,
            path,
            shops,
            head,
            epoch,
            mark,
            heard,
            erased,
            failing: None,
        };
        engine.refresh()?;
        Ok(engine)
    }

    /// Begins that epoch, and parks what was on its way to Shopify, in one transaction: after a crash in between, neither
    /// was done, and both are done by the next start. How many changes were parked.
    pub(super) fn begin_epoch(&mut self, epoch: Epoch, now: Timestamp) -> Result<u64> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        self.connection
            .execute("UPDATE meta SET epoch = ?1", [epoch.0])?;
        let mut parked = 0;
        for shop in self.shops.keys().cloned().collect::<Vec<_>>() {
            parked += perform(self, &Operation::Park { shop, at: now })?.changed;
        }
        self.index_rooms()?;
        self.connection.execute_batch("COMMIT")?;
        self.epoch = epoch;
        self.refresh()?;
        Ok(parked)
    }

    /// Writes the mark of the log as it is now; in which epoch that is.
    pub(super) fn begin_mark(&mut self) -> Result<Epoch> {
        self.mark.begin(self.epoch, self.head)?;
        Ok(self.epoch)
    }

    /// Reads what is kept in memory beside the database; after a rollback it may differ.
    fn refresh(&mut self) -> Result<()> {
        self.shops = shops(&self.connection)?;
        self.head = head(&self.connection)?;
        Ok(())
    }
}

impl Drop for SqliteEngine {
    /// Leaves no write-ahead log behind with what was deleted since; a reader that closes after us could not see to it.
    fn drop(&mut self) {
        let _ = self.truncate();
    }
}

impl Engine for SqliteEngine {
    fn commit(&mut self, group: &[Operation]) -> Result<Vec<Result<Outcome>>> {
        let outcomes = self
            .commit_group(group)
            .map_err(|error| error.at(&self.path))?;
        Ok(outcomes
            .into_iter()
            .map(|outcome| outcome.map_err(|error| error.at(&self.path)))
            .collect())
    }

    fn answered(&mut self) {
        // What fails here loses nothing, and is tried again after the next group.
        let _ = if self.erased {
            self.truncate()
        } else {
            self.checkpoint()
        };
    }

    fn head(&self) -> Sequence {
        self.head
    }

    fn failing(&self) -> Option<&StoreError> {
        self.failing.as_ref()
    }
}

impl SqliteEngine {
    fn commit_group(&mut self, group: &[Operation]) -> Result<Vec<Result<Outcome>>> {
        if let Err(error) = self.connection.execute_batch("BEGIN IMMEDIATE") {
            return self.lost(&error.into(), group);
        }
        // That each can be undone alone costs, and hardly ever one has to be.
        let at_once: Result<Vec<_>> = group
            .iter()
            .map(|operation| perform(self, operation))
            .collect();
        let outcomes = match at_once {
            Ok(outcomes) => outcomes.into_iter().map(Ok).collect(),
            Err(_) => match self.one_by_one(group)? {
                Ok(outcomes) => outcomes,
                Err(error) => return self.lost(&error, group),
            },
        };
        if let Err(error) = self.index_rooms() {
            return if self.connection.is_autocommit() {
                self.lost(&error, group)
            } else {
                Err(error)
            };
        }
        match self.connection.execute_batch("COMMIT") {
            Ok(()) => {}
            // It is found to be full before the last page is written, which is the one that commits.
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DiskFull)
                    && self.connection.is_autocommit() =>
            {
                return self.lost(&error.into(), group);
            }
            Err(error) => return Err(error.into()),
        }
        self.failing = None;
        self.head = head(&self.connection)?;
        self.mark.raise(self.epoch, self.head);
        Ok(outcomes)
    }

    /// Begins the group again, each of its operations in a savepoint. The inner `Err` is why nothing of it is left.
    fn one_by_one(&mut self, group: &[Operation]) -> Result<Result<Vec<Result<Outcome>>>> {
        // A full disk or an I/O error may have ended the transaction already.
        if !self.connection.is_autocommit() {
            self.connection.execute_batch("ROLLBACK")?;
        }
        self.heard.clear();
        self.refresh()?;
        if let Err(error) = self.connection.execute_batch("BEGIN IMMEDIATE") {
            return Ok(Err(error.into()));
        }
        let mut outcomes = Vec::with_capacity(group.len());
        for operation in group {
            self.connection
                .prepare_cached("SAVEPOINT operation")?
                .execute([])?;
            let heard = self.heard.len();
            let outcome = perform(self, operation);
            match &outcome {
                Ok(_) => drop(
                    self.connection
                        .prepare_cached("RELEASE operation")?
                        .execute([])?,
                ),
                Err(error) if self.connection.is_autocommit() => return Ok(Err(error.clone())),
                Err(_) => {
                    self.connection
                        .execute_batch("ROLLBACK TO operation; RELEASE operation")?;
                    self.heard.truncate(heard);
                    self.shops = shops(&self.connection)?;
                }
            }
            outcomes.push(outcome);
        }
        Ok(Ok(outcomes))
    }

    /// Adds a delivery unless there is one of its id.
    fn add_delivery(&self, shop: i64, delivery: &Delivery) -> Result<bool> {
        let added = self
            .connection
            .prepare_cached(
                "INSERT OR IGNORE INTO delivery \
                 (shop, webhook_id, topic, triggered_at, received_at, state, body, signature) \
                 VALUES (?1, ?2, ?3, ?4, ?5, 'pending', ?6, ?7)",
            )?
            .execute(params![
                shop,
                delivery.webhook_id.as_str(),
                delivery.topic,
                delivery.triggered_at.map(|at| at.to_string()),
                micros(delivery.received_at),
                delivery.body,
                delivery.signature
            ])?;
        Ok(added == 1)
    }

    /// Everything that the transaction did was undone: none of the group happened.
    fn lost(&mut self, error: &StoreError, group: &[Operation]) -> Result<Vec<Result<Outcome>>> {
        if self.failing.replace(error.clone()).is_none() {
            tracing::error!(%error, store = %self.path.display(), operations = group.len(), "the transaction was lost with all its operations; so will be all that follow, until this has passed");
        }
        self.heard.clear();
        self.refresh()?;
        Ok(none_of(group, error))
    }

    /// Copies the write-ahead log into the database when it has become long. SQLite would do so within a commit.
    fn checkpoint(&mut self) -> rusqlite::Result<()> {
        let waiting =
            |row: &Row<'_>| Ok(row.get::<_, i64>("log")? - row.get::<_, i64>("checkpointed")?);
        let waiting = self
            .connection
            .prepare_cached("PRAGMA wal_checkpoint(NOOP)")?
            .query_row([], waiting)?;
        if waiting >= CHECKPOINT_PAGES {
            self.copy_log("PRAGMA wal_checkpoint(PASSIVE)")?;
        }
        Ok(())
    }

    /// Copies the write-ahead log into the database and cuts it to nothing, unless somebody reads in it.
    fn truncate(&mut self) -> rusqlite::Result<()> {
        self.connection.busy_timeout(Duration::ZERO)?;
        let cut = self.copy_log("PRAGMA wal_checkpoint(TRUNCATE)");
        self.connection
            .busy_timeout(Duration::from_millis(super::BUSY_MS_MAX.into()))?;
        self.erased = !cut?;
        Ok(())
    }

    /// Carries that checkpoint out; whether nobody was in its way.
    fn copy_log(&mut self, checkpoint: &str) -> rusqlite::Result<bool> {
        self.mark.file_changes();
        let (busy, log, copied) =
            self.connection
                .prepare_cached(checkpoint)?
                .query_row([], |row| {
                    Ok((
                        row.get::<_, bool>("busy")?,
                        row.get::<_, i64>("log")?,
                        row.get::<_, i64>("checkpointed")?,
                    ))
                })?;
        // A part of it is not synced by SQLite, so the file may look otherwise after a power cut.
        if log == copied {
            self.mark.file_is_written();
        }
        Ok(!busy)
    }

    /// Notes in which rooms the entries of this transaction are heard: a row for each room, however many they are.
    fn index_rooms(&mut self) -> Result<()> {
        self.heard.sort_unstable();
        let mut room_in = self.connection.prepare_cached(
            "INSERT INTO log_room (shop, room, last, sequences) VALUES (?1, ?2, ?3, ?4)",
        )?;
        for same in self.heard.chunk_by(|a, b| (a.0, &a.1) == (b.0, &b.1)) {
            let sequences: Vec<i64> = same.iter().map(|(.., sequence)| *sequence).collect();
            if let [.., (shop, room, last)] = same {
                room_in.execute(params![
                    shop,
                    room.to_string(),
                    last,
                    serde_json::to_string(&sequences)?
                ])?;
            }
        }
        self.heard.clear();
        Ok(())
    }
}

fn none_of(group: &[Operation], error: &StoreError) -> Vec<Result<Outcome>> {
    group.iter().map(|_| Err(error.clone())).collect()
}

impl Transaction for SqliteEngine {
    type Shop<'a> = SqliteTables<'a>;

    fn shop(&mut self, domain: &ShopDomain) -> Result<SqliteTables<'_>> {
        let (domain, shop) = self
            .shops
            .get_key_value(domain)
            .ok_or_else(|| StoreError::UnknownShop(domain.clone()))?;
        let (heard, erased) = (&mut self.heard, &mut self.erased);
        Ok(SqliteTables {
            connection: &self.connection,
            domain,
            shop,
            heard,
            erased,
        })
    }

    fn register(
        &mut self,
        domain: &ShopDomain,
        thresholds: &Thresholds,
        at: Timestamp,
    ) -> Result<Option<Thresholds>> {
        self.connection
            .prepare_cached(
                "INSERT INTO shop (domain, thresholds, known_since) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (domain) DO UPDATE SET thresholds = excluded.thresholds, \
                 known_since = coalesce(known_since, excluded.known_since)",
            )?
            .execute(params![
                domain.as_str(),
                serde_json::to_string(thresholds)?,
                micros(at)
            ])?;
        let before = self.shops.get(domain).map(|shop| shop.thresholds.clone());
        self.shops = shops(&self.connection)?;
        Ok(before)
    }

    fn accept(&mut self, delivery: &Delivery) -> Result<bool> {
        let shop = self.shop(&delivery.shop)?.shop.row;
        if self.add_delivery(shop, delivery)? {
            return Ok(true);
        }
        // Those that were kept before signatures were are told by their id alone.
        let same: bool = self.connection.query_row(
            "SELECT signature IS NULL OR signature = ?3 FROM delivery WHERE shop = ?1 AND webhook_id = ?2",
            params![shop, delivery.webhook_id.as_str(), delivery.signature],
            |row| row.get(0),
        )?;
        if same {
            Ok(false)
        } else {
            self.add_delivery(shop, &delivery.under_its_signature()?)
        }
    }

    fn keep_identity(&mut self, domain: &ShopDomain, id: &str) -> Result<bool> {
        let shop = self.shop(domain)?.shop.row;
        self.connection.execute(
            "UPDATE shop SET shopify_id = ?2 WHERE id = ?1 AND shopify_id IS NULL",
            params![shop, id],
        )?;
        let same = "SELECT shopify_id = ?2 FROM shop WHERE id = ?1";
        Ok(self
            .connection
            .query_row(same, params![shop, id], |row| row.get(0))?)
    }

    fn keep_names(&mut self, domain: &ShopDomain, wanted: bool) -> Result<bool> {
        let shop = self.shop(domain)?.shop.row;
        let changed = self.connection.execute(
            "UPDATE shop SET names = ?2 WHERE id = ?1 AND names <> ?2",
            params![shop, wanted],
        )?;
        if changed == 1 && !wanted {
            for forgets in [
                "UPDATE customer SET name = NULL WHERE shop = ?1 AND name IS NOT NULL",
                // Not what others say of customers, which is theirs.
                "UPDATE log SET event = json_remove(event, '$.data.customerName') \
                 WHERE shop = ?1 AND event ->> 'kind' GLOB 'order:*'",
                "UPDATE drift SET wrong = json_remove(wrong, '$.fields.name') \
                 WHERE shop = ?1 AND record GLOB 'customer *'",
            ] {
                self.connection.execute(forgets, [shop])?;
            }
            self.erased = true;
        }
        Ok(changed == 1)
    }

    fn keep_position(&mut self, reader: &str, position: &Position) -> Result<()> {
        self.connection
            .prepare_cached("INSERT OR REPLACE INTO reader (name, position) VALUES (?1, ?2)")?
            .execute(params![reader, serde_json::to_string(position)?])?;
        Ok(())
    }

    fn keep_session(
        &mut self,
        id: &str,
        owner: &str,
        rooms: &str,
        at: Timestamp,
        quota: &SessionQuota,
    ) -> Result<()> {
        // No INSERT OR REPLACE: what it deletes calls no trigger.
        self.connection
            .prepare_cached(
                "INSERT INTO session (id, owner, rooms, kept_at) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (id) DO UPDATE SET owner = ?2, rooms = ?3, kept_at = ?4",
            )?
            .execute(params![id, owner, rooms, micros(at)])?;
        self.make_room(owner, id, quota.owner_records, quota.owner_bytes)?;
        self.make_room(ALL_OWNERS, id, quota.records, quota.bytes)
    }

    fn revoke(&mut self, revocation: &Revocation) -> Result<bool> {
        let (kind, id) = revocation.of.key();
        let changed = self
            .connection
            .prepare_cached(
                "INSERT INTO revocation (kind, id, at, until) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT (kind, id) DO UPDATE SET at = max(at, excluded.at), until = max(until, excluded.until) \
                 WHERE at < excluded.at OR until < excluded.until",
            )?
            .execute(params![kind, id, micros(revocation.at), micros(revocation.until)])?;
        Ok(changed == 1)
    }

    fn prune(&mut self, retention: &Retention) -> Result<()> {
        let log_before = micros(retention.log_before);
        let kept: Option<i64> = self
            .connection
            .query_row(
                "SELECT sequence FROM log WHERE at >= ?1 ORDER BY sequence LIMIT 1",
                [log_before],
                |row| row.get(0),
            )
            .optional()?;
        let floor = kept.unwrap_or(self.head.0.cast_signed() + 1) - 1;
        self.connection
            .execute("UPDATE meta SET log_floor = max(log_floor, ?1)", [floor])?;
        self.connection
            .execute("DELETE FROM log WHERE sequence <= ?1", [floor])?;
        self.connection
            .execute("DELETE FROM log_room WHERE last <= ?1", [floor])?;
        self.connection.execute(
            "DELETE FROM delivery WHERE (state IN ('applied', 'ignored') AND received_at < ?1) \
             OR (state = 'unreadable' AND received_at < ?2)",
            [
                micros(retention.deliveries_before),
                micros(retention.unreadable_before),
            ],
        )?;
        self.connection.execute(
            "DELETE FROM posted WHERE at < ?1",
            [micros(retention.deliveries_before)],
        )?;
        for table in ["transfer", "redacted"] {
            let forgets = format!("DELETE FROM {table} WHERE at < ?1");
            self.connection
                .execute(&forgets, [micros(retention.deliveries_before)])?;
        }
        self.connection.execute(
            "DELETE FROM command WHERE state <> 'accepted' AND given < ?1",
            [micros(retention.runs_before)],
        )?;
        self.connection.execute(
            "DELETE FROM reservation WHERE NOT open AND expires_at < ?1",
            [micros(retention.runs_before)],
        )?;
        self.connection.execute(
            "DELETE FROM run WHERE state <> 'running' AND started_at < ?1",
            [micros(retention.runs_before)],
        )?;
        self.connection.execute(
            "DELETE FROM drift WHERE found < ?1",
            [micros(retention.runs_before)],
        )?;
        self.connection.execute(
            "DELETE FROM session WHERE kept_at < ?1",
            [micros(retention.sessions_before)],
        )?;
        // Sessions as old as these evictions are not trusted without a record anyway.
        self.connection.execute(
            "DELETE FROM session_use WHERE owner <> ?1 AND records = 0 AND coalesce(evicted_at, 0) < ?2",
            params![ALL_OWNERS, micros(retention.sessions_before)],
        )?;
        self.connection.execute(
            "DELETE FROM revocation WHERE until <= ?1",
            [micros(retention.revoked_until)],
        )?;
        Ok(())
    }

    fn forget(&mut self, domain: &ShopDomain) -> Result<()> {
        let shop = self.shop(domain)?.shop.row;
        // Its place in the log is kept: nobody may take what comes later for what was there.
        for table in TABLES_OF_A_SHOP {
            self.connection
                .execute(&format!("DELETE FROM {table} WHERE shop = ?1"), [shop])?;
        }
        self.connection.execute(
            "DELETE FROM delivery WHERE shop = ?1 AND state <> 'pending'",
            [shop],
        )?;
        self.connection.execute(
            "UPDATE shop SET known_since = NULL, shopify_id = NULL WHERE id = ?1",
            [shop],
        )?;
        self.shops = shops(&self.connection)?;
        self.heard.retain(|(heard, ..)| *heard != shop);
        self.erased = true;
        Ok(())
    }
}

/// Under which the use of all owners together is kept.
pub(super) const ALL_OWNERS: &str = "*";

impl SqliteEngine {
    /// Forgets the oldest sessions of an owner, but for that one, until no more are left than so many.
    fn make_room(&self, owner: &str, but: &str, records_max: u64, bytes_max: u64) -> Result<()> {
        let most = [records_max, bytes_max].map(|most| i64::try_from(most).unwrap_or(i64::MAX));
        let mut is_over = self.connection.prepare_cached(
            "SELECT 1 FROM session_use WHERE owner = ?1 AND records > 1 AND (records > ?2 OR bytes > ?3)",
        )?;
        let mut oldest = self.connection.prepare_cached(if owner == ALL_OWNERS {
            "SELECT id, kept_at FROM session WHERE ?1 = ?1 AND id <> ?2 ORDER BY kept_at LIMIT 1"
        } else {
            "SELECT id, kept_at FROM session WHERE owner = ?1 AND id <> ?2 ORDER BY kept_at LIMIT 1"
        })?;
        while is_over.exists(params![owner, most[0], most[1]])? {
            let found = oldest.query_row([owner, but], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?))
            });
            let Some((id, kept_at)) = found.optional()? else {
                break;
            };
            self.connection
                .prepare_cached("DELETE FROM session WHERE id = ?1")?
                .execute([id])?;
            self.connection
                .prepare_cached(
                    "UPDATE session_use SET evicted_at = max(coalesce(evicted_at, ?2), ?2) WHERE owner = ?1",
                )?
                .execute(params![owner, kept_at])?;
        }
        Ok(())
    }
}

/// What holds a shop's records, the log's index before the log and lines before orders.
const TABLES_OF_A_SHOP: [&str; 22] = [
    "redacted",
    "log_room",
    "log",
    "posted",
    "transfer",
    "marked",
    "drift",
    "run",
    "watermark",
    "flight",
    "attempt",
    "effect",
    "reservation",
    "command",
    "level",
    "inventory_item",
    "variant",
    "product",
    "order_line",
    "customer_order",
    "customer",
    "location",
];

/// One shop's tables, inside the transaction at hand.
pub(super) struct SqliteTables<'c> {
    pub(super) connection: &'c Connection,
    domain: &'c ShopDomain,
    pub(super) shop: &'c Shop,
    heard: &'c mut Vec<(i64, Room, i64)>,
    erased: &'c mut bool,
}

impl SqliteTables<'_> {
    /// The entries that are heard in a room, those of the transaction at hand included.
    fn entries_in(&self, room: &Room) -> Result<Vec<(i64, serde_json::Value)>> {
        let shop = self.shop.row;
        let heard = self
            .heard
            .iter()
            .filter(|(of, heard, _)| (*of, heard) == (shop, room));
        let heard: Vec<i64> = heard.map(|(.., sequence)| *sequence).collect();
        let mut statement = self.connection.prepare_cached(
            "SELECT sequence, event FROM log WHERE sequence IN ( \
               SELECT entry.value FROM log_room, json_each(sequences) AS entry WHERE log_room.shop = ?1 AND room = ?2 \
               UNION SELECT value FROM json_each(?3))",
        )?;
        let entries = statement.query_map(
            params![shop, room.to_string(), serde_json::to_string(&heard)?],
            |row| Ok((row.get(0)?, json(row, 1)?)),
        )?;
        Ok(entries.collect::<rusqlite::Result<_>>()?)
    }

    fn all<R: Stored>(&self, condition: &str, key: Option<i64>) -> Result<Vec<R>> {
        select(self.connection, self.shop.row, condition, key)
    }
}

impl<R: Stored> Keep<R> for SqliteTables<'_> {
    fn find(&self, key: R::Key) -> Result<Option<R>> {
        rows::find(self.connection, self.shop.row, key)
    }

    fn put(&mut self, record: &R) -> Result<()> {
        rows::put(self.connection, self.shop.row, record)
    }

    fn delete(&mut self, key: R::Key) -> Result<()> {
        rows::delete::<R>(self.connection, self.shop.row, key)
    }
}

impl Tables for SqliteTables<'_> {
    fn shop(&self) -> &ShopDomain {
        self.domain
    }

    fn thresholds(&self) -> &Thresholds {
        &self.shop.thresholds
    }

    fn known_since(&self) -> Timestamp {
        self.shop.known_since.unwrap_or(Timestamp::MAX)
    }

    fn variants_of(&self, product: ProductId) -> Result<Vec<Variant>> {
        self.all("product_id = ?2", Some(product.to_i64()))
    }

    fn variant_of(&self, item: InventoryItemId) -> Result<Option<Variant>> {
        Ok(self
            .all(
                "inventory_item_id = ?2 ORDER BY id LIMIT 1",
                Some(item.to_i64()),
            )?
            .pop())
    }

    fn references(&self, item: InventoryItemId, location: LocationId) -> Result<References> {
        let sql = format!(
            "SELECT {} FROM (SELECT 1) \
             LEFT JOIN inventory_item ON inventory_item.shop = ?1 AND inventory_item.id = ?2 \
             LEFT JOIN variant ON variant.shop = ?1 AND variant.id = \
               (SELECT min(id) FROM variant WHERE shop = ?1 AND inventory_item_id = ?2) \
             LEFT JOIN product ON product.shop = ?1 AND product.id = variant.product_id \
             LEFT JOIN location ON location.shop = ?1 AND location.id = ?3",
            rows::reference_columns()
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let ids = params![self.shop.row, item.to_i64(), location.to_i64()];
        Ok(statement.query_row(ids, |row| rows::references(row, 0))?)
    }

    fn levels_of(&self, item: InventoryItemId) -> Result<Vec<HeldLevel>> {
        self.all("inventory_item_id = ?2", Some(item.to_i64()))
    }

    fn available_of(&self, product: ProductId) -> Result<Vec<AvailableAt>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT location_id, available + pending FROM variant \
             JOIN level ON level.shop = variant.shop AND level.inventory_item_id = variant.inventory_item_id \
             LEFT JOIN location ON location.shop = level.shop AND location.id = level.location_id \
             WHERE variant.shop = ?1 AND product_id = ?2 AND level.active AND coalesce(location.active, true)",
        )?;
        // Added up here: SQLite would sort them first, in a table of its own.
        let mut sums: BTreeMap<LocationId, i64> = BTreeMap::new();
        let mut rows = statement.query(params![self.shop.row, product.to_i64()])?;
        while let Some(row) = rows.next()? {
            *sums.entry(id(row, 0)?).or_default() += row.get::<_, i64>(1)?;
        }
        Ok(sums
            .into_iter()
            .map(|(location_id, available)| AvailableAt {
                location_id,
                available,
            })
            .collect())
    }

    fn levels_at(&self, location: LocationId) -> Result<Vec<HeldLevel>> {
        self.all("location_id = ?2", Some(location.to_i64()))
    }

    fn levels(&self) -> Result<Vec<HeldLevel>> {
        self.all("true", None)
    }

    fn append(&mut self, at: Timestamp, event: &Logged) -> Result<Sequence> {
        self.connection
            .prepare_cached("INSERT INTO log (shop, at, event) VALUES (?1, ?2, ?3)")?
            .execute(params![self.shop.row, micros(at), event.stored()?])?;
        let sequence = self.connection.last_insert_rowid();
        self.heard.extend(
            event
                .rooms()
                .into_iter()
                .map(|room| (self.shop.row, room, sequence)),
        );
        Ok(Sequence(sequence.cast_unsigned()))
    }

    fn posted(&self, key: &PostKey) -> Result<Option<Sequence>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT sequence FROM posted WHERE shop = ?1 AND key = ?2")?;
        let sequence = |row: &Row<'_>| Ok(Sequence(row.get::<_, i64>(0)?.cast_unsigned()));
        Ok(statement
            .query_row(params![self.shop.row, key.0], sequence)
            .optional()?)
    }

    fn put_posted(&mut self, key: &PostKey, sequence: Sequence, at: Timestamp) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO posted (shop, key, sequence, at) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                self.shop.row,
                key.0,
                sequence.0.cast_signed(),
                micros(at)
            ])?;
        Ok(())
    }

    fn transfer(&self, id: TransferId) -> Result<Option<Transfer>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT told FROM transfer WHERE shop = ?1 AND id = ?2")?;
        let told = statement.query_row(params![self.shop.row, id.to_i64()], |row| json(row, 0));
        Ok(told.optional()?)
    }

    fn put_transfer(&mut self, told: &Transfer, at: Timestamp) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO transfer (shop, id, told, at) VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                self.shop.row,
                told.transfer_id.to_i64(),
                serde_json::to_string(told)?,
                micros(at)
            ])?;
        Ok(())
    }

    fn mark(
        &mut self,
        key: RecordKey,
        due: Timestamp,
        doubt: Option<&RunId>,
        tries: Tries,
    ) -> Result<()> {
        let sql = match tries {
            Tries::Anew => {
                "INSERT OR REPLACE INTO marked (shop, record, vain_readings, due, run) VALUES (?1, ?2, 0, ?3, ?4)"
            }
            Tries::Keep => {
                "INSERT OR REPLACE INTO marked (shop, record, vain_readings, due, run) \
                 SELECT ?1, ?2, coalesce(vain_readings, 0), iif(vain_readings > 0, max(due, ?3), ?3), ?4 FROM (SELECT 1) \
                 LEFT JOIN marked ON shop = ?1 AND record = ?2"
            }
        };
        self.connection.prepare_cached(sql)?.execute(params![
            self.shop.row,
            serde_json::to_string(&key)?,
            micros(due),
            doubt.map(RunId::as_str)
        ])?;
        Ok(())
    }

    fn marked(&self, key: RecordKey) -> Result<Option<Marking>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT mark, vain_readings, run FROM marked WHERE shop = ?1 AND record = ?2",
        )?;
        let key = serde_json::to_string(&key)?;
        let read = |row: &Row<'_>| {
            Ok(Marking {
                mark: Mark(row.get(0)?),
                vain: row.get(1)?,
                doubt: opt(row, 2, parsed)?,
            })
        };
        Ok(statement
            .query_row(params![self.shop.row, key], read)
            .optional()?)
    }

    fn unmark(&mut self, key: RecordKey) -> Result<()> {
        self.connection
            .prepare_cached("DELETE FROM marked WHERE shop = ?1 AND record = ?2")?
            .execute(params![self.shop.row, serde_json::to_string(&key)?])?;
        Ok(())
    }

    fn postpone(&mut self, key: RecordKey, vain: u32, due: Timestamp) -> Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE marked SET vain_readings = ?3, due = ?4 WHERE shop = ?1 AND record = ?2",
            )?
            .execute(params![
                self.shop.row,
                serde_json::to_string(&key)?,
                vain,
                micros(due)
            ])?;
        Ok(())
    }

    fn redacted(&self, customer: CustomerId) -> Result<Option<Timestamp>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT at FROM redacted WHERE shop = ?1 AND customer = ?2")?;
        let at = |row: &Row<'_>| from_micros(row, 0);
        Ok(statement
            .query_row(params![self.shop.row, customer.to_i64()], at)
            .optional()?)
    }

    fn redact(&mut self, customer: CustomerId, at: Timestamp) -> Result<()> {
        self.connection.execute(
            "INSERT OR REPLACE INTO redacted (shop, customer, at) VALUES (?1, ?2, ?3)",
            params![self.shop.row, customer.to_i64(), micros(at)],
        )?;
        Keep::<Customer>::delete(self, customer)?;
        self.unmark(RecordKey::Customer(customer))?;
        let (shop, id) = (self.shop.row, customer.to_i64());
        let connection = self.connection;
        connection.execute(
            "UPDATE customer_order SET customer_id = NULL WHERE shop = ?1 AND customer_id = ?2",
            [shop, id],
        )?;
        let own = Room::OrdersCustomer(customer.into());
        for (sequence, mut event) in self.entries_in(&own)? {
            // What others say of them may be anything.
            if event["kind"] == "posted" || event["kind"] == "emitted" {
                connection.execute("DELETE FROM log WHERE sequence = ?1", [sequence])?;
                continue;
            }
            event["data"]["customerId"] = serde_json::Value::Null;
            if let Some(data) = event["data"].as_object_mut() {
                data.remove("customerName");
            }
            connection.execute(
                "UPDATE log SET event = ?2 WHERE sequence = ?1",
                params![sequence, event.to_string()],
            )?;
        }
        connection.execute(
            "DELETE FROM log_room WHERE shop = ?1 AND room = ?2",
            params![shop, own.to_string()],
        )?;
        self.heard
            .retain(|(of, heard, _)| (*of, heard) != (shop, &own));
        *self.erased = true;
        for (sequence, event) in self.entries_in(&Room::Notifications)? {
            if event["data"]["customerId"] == customer.to_string() {
                connection.execute("DELETE FROM log WHERE sequence = ?1", [sequence])?;
            }
        }
        connection.execute(
            "DELETE FROM drift WHERE shop = ?1 AND record = ?2",
            params![shop, RecordKey::Customer(customer).to_string()],
        )?;
        // Of an order that was somebody else's, or nobody's, all else stays.
        connection.execute(
            "UPDATE drift SET wrong = json_remove(wrong, '$.fields.customerId') \
             WHERE shop = ?1 AND wrong -> '$.fields.customerId' GLOB '*\"' || ?2 || '\"*'",
            [shop, id],
        )?;
        connection.execute(
            "UPDATE delivery SET body = NULL WHERE shop = ?1 AND state = 'unreadable' \
             AND (topic GLOB 'customers/*' OR topic GLOB 'orders/*')",
            [shop],
        )?;
        Ok(())
    }

    fn settle(&mut self, delivery: &WebhookId, fate: &Fate) -> Result<bool> {
        let (state, reason) = match fate {
            Fate::Applied => ("applied", None),
            Fate::Ignored => ("ignored", None),
            Fate::Unreadable(reason) => ("unreadable", Some(reason)),
        };
        let settled = self
            .connection
            .prepare_cached(
                "UPDATE delivery SET state = ?3, reason = ?4, body = iif(?3 = 'unreadable', body, NULL) \
                 WHERE shop = ?1 AND webhook_id = ?2 AND state = 'pending'",
            )?
            .execute(params![self.shop.row, delivery.as_str(), state, reason])?;
        Ok(settled == 1)
    }

    fn run(&self, id: &RunId) -> Result<Option<RunRecord>> {
        let sql = format!("SELECT {RUN_COLUMNS} FROM run WHERE shop = ?1 AND id = ?2");
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement
            .query_row(params![self.shop.row, id.as_str()], |row| {
                run(row, self.domain)
            })
            .optional()?)
    }

    fn run_under_way(&self, resource: Resource) -> Result<bool> {
        let mut statement = self.connection.prepare_cached(
            "SELECT 1 FROM run WHERE shop = ?1 AND resource = ?2 AND state = 'running'",
        )?;
        Ok(statement.exists(params![self.shop.row, resource.as_str()])?)
    }

    fn put_run(&mut self, record: &RunRecord) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO run (id, shop, resource, state, started_at, first, since, until, resume, shape) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                record.run.run_id.as_str(),
                self.shop.row,
                record.run.resource.as_str(),
                word(&record.run.state)?,
                micros(record.run.started_at),
                record.first,
                record.since.map(|at| at.to_string()),
                record.until.map(|at| at.to_string()),
                record.resume,
                serde_json::to_string(&record.run)?
            ])?;
        Ok(())
    }

    fn add_drift(&mut self, drifted: &Drifted) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO drift (shop, run, record, wrong, since, found) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                self.shop.row,
                drifted.run_id.as_str(),
                drifted.record,
                serde_json::to_string(&drifted.wrong)?,
                drifted.since.map(|at| at.to_string()),
                micros(drifted.found)
            ])?;
        Ok(())
    }

    fn put_watermark(&mut self, resource: Resource, until: Timestamp) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO watermark (shop, resource, until) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![self.shop.row, resource.as_str(), until.to_string()])?;
        Ok(())
    }
}

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
pub(super) fn select<R: Stored>(
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

pub(super) fn shops(connection: &Connection) -> Result<BTreeMap<ShopDomain, Shop>> {
    let mut statement =
        connection.prepare_cached("SELECT domain, id, thresholds, known_since FROM shop")?;
    let shops = statement.query_map([], |row| {
        let shop = Shop {
            row: row.get(1)?,
            thresholds: json(row, 2)?,
            known_since: opt(row, 3, from_micros)?,
        };
        Ok((parsed(row, 0)?, shop))
    })?;
    Ok(shops.collect::<rusqlite::Result<_>>()?)
}

/// The last place that was ever given out, whether its entry is still kept or not.
pub(super) fn head(connection: &Connection) -> Result<Sequence> {
    let mut statement =
        connection.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'log'")?;
    let last: Option<i64> = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(Sequence(last.unwrap_or(0).cast_unsigned()))
}

#[cfg(test)]
mod tests;
