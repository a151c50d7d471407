//! SetWriter what a batch changed: its records, the log with its index of rooms, and what is written in bulk.

use std::collections::BTreeMap;

use domain::command::KeptCommand;
use domain::outbox::{Flight, PendingAdjustment, SentMessage};
use domain::reservation::is_open;
use domain::working_set::{DirtyMark, KeptDelivery, RevocationRow};
use domain::{
    Appended, BulkWrite, ChangedRow, Drifted, ErasureStep, Fate, PostKey, Records, Retention,
    Revoked, RunRecord, SLICE, SessionQuota, ShopRecords, ShopRow, WorkingSet,
};
use rusqlite::{Connection, OptionalExtension as _, Params, params};
use schemas::shape::ReservationShape;
use schemas::{CustomerId, RecordKey, Resource, Room, Sequence, ShopDomain, Timestamp};

use super::column::{json, micros, word};
use super::people;
use super::rooms::{RoomIndex, SEGMENTS_AFTER};
use super::rows::{self, StoredRow};
use super::shops::{RegisteredShop, shops};
use crate::{Result, StoreError};

/// Under which the use of all owners of sessions together is kept.
pub(super) const ALL_OWNERS: &str = "*";

/// What holds a shop's records, with the columns by which a row is found: the log's index before the log and lines before
/// orders.
const TABLES_OF_A_SHOP: [(&str, &str); 20] = [
    ("redacted", "shop, customer"),
    ("posted", "shop, key"),
    ("transfer", "shop, id"),
    ("marked", "mark"),
    ("drift", "id"),
    ("run", "id"),
    ("watermark", "shop, resource"),
    ("flight", "shop, inventory_item_id, location_id"),
    ("attempt", "id"),
    ("effect", "id"),
    ("reservation", "rowid"),
    ("command", "rowid"),
    ("level", "shop, inventory_item_id, location_id"),
    ("inventory_item", "shop, id"),
    ("variant", "shop, id"),
    ("product", "shop, id"),
    ("order_line", "shop, order_id, id"),
    ("customer_order", "shop, id"),
    ("customer", "shop, id"),
    ("location", "shop, id"),
];

/// One transaction at work.
pub(super) struct SetWriter<'w> {
    connection: &'w Connection,
    shops: &'w mut BTreeMap<ShopDomain, RegisteredShop>,
    rooms: &'w mut RoomIndex,
    /// Set when something personal was to be forgotten, which is still in the write-ahead log.
    erased: &'w mut bool,
}

impl<'w> SetWriter<'w> {
    pub(super) fn new(
        connection: &'w Connection,
        shops: &'w mut BTreeMap<ShopDomain, RegisteredShop>,
        rooms: &'w mut RoomIndex,
        erased: &'w mut bool,
    ) -> Self {
        Self {
            connection,
            shops,
            rooms,
            erased,
        }
    }

    /// Writes everything that the batch changed; see [`crate::backend::Backend::write`].
    pub(super) fn write(mut self, set: &WorkingSet) -> Result<bool> {
        let written = set.written();
        self.write_shops(&set.shops)?;
        for revoked in set.revocations.changes() {
            self.write_revocation(&revoked)?;
        }
        for (domain, records) in set.by_shop() {
            // Nothing was changed of a shop that is not known.
            if let Some(shop) = self.shops.get(domain) {
                self.write_records(shop.row, records)?;
            }
        }
        for (shop, drifted) in &written.drift {
            self.write_drift(self.row(shop)?, drifted)?;
        }
        for (shop, resource, until) in &written.watermarks {
            self.write_watermark(self.row(shop)?, *resource, *until)?;
        }
        self.append(&written.appended)?;
        let mut more = false;
        for bulk in &written.bulk {
            more |= self.write_bulk(bulk, set.numbers().sequence)?;
        }
        Ok(more)
    }

    fn row(&self, shop: &ShopDomain) -> Result<i64> {
        let shop = self
            .shops
            .get(shop)
            .ok_or_else(|| StoreError::UnknownShop(shop.clone()))?;
        Ok(shop.row)
    }

    fn run(&self, sql: &str, values: impl Params) -> Result<usize> {
        Ok(self.connection.prepare_cached(sql)?.execute(values)?)
    }

    fn write_shops(&mut self, changed: &Records<ShopRow>) -> Result<()> {
        let mut is_changed = false;
        for shop in changed.changes() {
            let Some(row) = shop.now else { continue };
            is_changed = true;
            let moved = Some(&row.moved).filter(|moved| !moved.is_empty());
            self.run(
                "INSERT INTO shop (domain, thresholds, known_since, names, shopify_id, judging, erasing, moved) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (domain) DO UPDATE SET \
                 thresholds = ?2, known_since = ?3, names = ?4, shopify_id = ?5, judging = ?6, erasing = ?7, moved = ?8",
                params![
                    shop.id.as_str(),
                    serde_json::to_string(&row.thresholds)?,
                    row.known_since.map(micros),
                    row.keeps_names,
                    row.shopify_id,
                    json_of(row.judging.as_ref())?,
                    json_of(row.erasing.as_ref())?,
                    json_of(moved)?
                ],
            )?;
        }
        if is_changed {
            *self.shops = shops(self.connection)?;
        }
        Ok(())
    }

    fn write_revocation(&self, revoked: &ChangedRow<'_, RevocationRow>) -> Result<()> {
        let (kind, id) = Revoked::key(revoked.id);
        if let Some(RevocationRow { at, until }) = revoked.now {
            self.run(
                "INSERT OR REPLACE INTO revocation (kind, id, at, until) VALUES (?1, ?2, ?3, ?4)",
                params![kind, id, micros(*at), micros(*until)],
            )?;
        }
        Ok(())
    }

    fn write_records(&self, shop: i64, records: &ShopRecords) -> Result<()> {
        self.put_all(shop, &records.locations)?;
        self.put_all(shop, &records.products)?;
        self.put_all(shop, &records.variants)?;
        self.put_all(shop, &records.items)?;
        self.put_all(shop, &records.levels)?;
        self.put_all(shop, &records.customers)?;
        self.put_all(shop, &records.orders)?;
        self.put_all::<PendingAdjustment>(shop, &records.adjustments)?;
        self.put_all::<Flight>(shop, &records.flights)?;
        self.write_deliveries(shop, &records.deliveries)?;
        for command in records.commands.changes() {
            self.write_command(shop, &command)?;
        }
        for mark in records.dirty_marks.changes() {
            self.write_mark(shop, &mark)?;
        }
        for message in records.messages.changes() {
            self.write_message(shop, &message)?;
        }
        for posted in records.posted.changes() {
            Self::write_one(
                posted.now,
                |now| {
                    self.run(
                        "INSERT OR REPLACE INTO posted (shop, key, sequence, at) VALUES (?1, ?2, ?3, ?4)",
                        params![shop, posted.id.0, now.sequence.0.cast_signed(), micros(now.at)],
                    )
                },
                || {
                    let PostKey(key) = posted.id;
                    self.run(
                        "DELETE FROM posted WHERE shop = ?1 AND key = ?2",
                        params![shop, key],
                    )
                },
            )?;
        }
        for redaction in records.redactions.changes() {
            let customer = redaction.id.to_i64();
            Self::write_one(
                redaction.now,
                |now| {
                    self.run(
                        "INSERT OR REPLACE INTO redacted (shop, customer, at, erasing) VALUES (?1, ?2, ?3, ?4)",
                        params![shop, customer, micros(now.at), json_of(now.erasing.as_ref())?],
                    )
                },
                || {
                    self.run(
                        "DELETE FROM redacted WHERE shop = ?1 AND customer = ?2",
                        [shop, customer],
                    )
                },
            )?;
        }
        for reservation in records.reservations.changes() {
            self.write_reservation(shop, &reservation)?;
        }
        for run in records.runs.changes() {
            self.write_run(shop, &run)?;
        }
        for transfer in records.transfers.changes() {
            let id = transfer.id.to_i64();
            let told = transfer
                .now
                .map(|now| serde_json::to_string(&now.told))
                .transpose()?;
            Self::write_one(
                transfer.now,
                |now| {
                    self.run(
                        "INSERT OR REPLACE INTO transfer (shop, id, told, at) VALUES (?1, ?2, ?3, ?4)",
                        params![shop, id, told, micros(now.at)],
                    )
                },
                || {
                    self.run(
                        "DELETE FROM transfer WHERE shop = ?1 AND id = ?2",
                        [shop, id],
                    )
                },
            )?;
        }
        Ok(())
    }

    /// Puts a record, or deletes it.
    fn write_one<R>(
        now: Option<&R>,
        put: impl FnOnce(&R) -> Result<usize>,
        delete: impl FnOnce() -> Result<usize>,
    ) -> Result<()> {
        match now {
            Some(now) => put(now)?,
            None => delete()?,
        };
        Ok(())
    }

    fn put_all<R: StoredRow>(&self, shop: i64, records: &Records<R>) -> Result<()> {
        for record in records.changes() {
            match record.now {
                Some(now) => rows::put(self.connection, shop, now)?,
                None => rows::delete::<R>(self.connection, shop, record.id)?,
            }
        }
        Ok(())
    }

    fn write_deliveries(&self, shop: i64, deliveries: &Records<KeptDelivery>) -> Result<()> {
        let mut arrived = Vec::new();
        for changed in deliveries.changes() {
            let Some(now) = changed.now else { continue };
            let (state, reason) = match &now.fate {
                None => ("pending", None),
                Some(Fate::Applied) => ("applied", None),
                Some(Fate::Ignored) => ("ignored", None),
                Some(Fate::Unreadable(reason)) => ("unreadable", Some(reason)),
            };
            match &now.arrived {
                Some(delivery) if changed.before.is_none() => {
                    arrived.push((now, delivery, state, reason));
                }
                _ => {
                    self.run(
                        "UPDATE delivery SET state = ?3, reason = ?4 WHERE shop = ?1 AND webhook_id = ?2",
                        params![shop, now.id.as_str(), state, reason],
                    )?;
                    if state != "unreadable" {
                        self.run(
                            "DELETE FROM delivery_body WHERE arrival = \
                             (SELECT arrival FROM delivery WHERE shop = ?1 AND webhook_id = ?2)",
                            params![shop, now.id.as_str()],
                        )?;
                    }
                }
            }
        }
        // They wait in the order in which they came.
        arrived.sort_by_key(|(_, delivery, ..)| delivery.received_at);
        for (now, delivery, state, reason) in arrived {
            self.run(
                "INSERT INTO delivery \
                 (shop, webhook_id, topic, triggered_at, received_at, state, reason, signature) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    shop,
                    now.id.as_str(),
                    delivery.topic,
                    delivery.triggered_at.map(|at| at.to_string()),
                    micros(delivery.received_at),
                    state,
                    reason,
                    now.signature
                ],
            )?;
            if matches!(state, "pending" | "unreadable") {
                self.run(
                    "INSERT INTO delivery_body (arrival, body) VALUES (?1, ?2)",
                    params![self.connection.last_insert_rowid(), delivery.body],
                )?;
            }
        }
        Ok(())
    }

    fn write_command(&self, shop: i64, command: &ChangedRow<'_, KeptCommand>) -> Result<()> {
        let Some(now) = command.now else {
            self.run(
                "DELETE FROM command WHERE shop = ?1 AND id = ?2",
                params![shop, command.id],
            )?;
            return Ok(());
        };
        self.run(
            "INSERT INTO command (shop, id, given, by_user, state, idempotency_key, record) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             ON CONFLICT (shop, id) DO UPDATE SET state = excluded.state, record = excluded.record",
            params![
                shop,
                command.id,
                micros(now.shape.at),
                now.shape.by.as_str(),
                word(&now.shape.state)?,
                now.key,
                serde_json::to_string(now)?
            ],
        )?;
        Ok(())
    }

    fn write_reservation(
        &self,
        shop: i64,
        changed: &ChangedRow<'_, ReservationShape>,
    ) -> Result<()> {
        let Some(now) = changed.now else {
            let delete = "DELETE FROM reservation WHERE shop = ?1 AND id = ?2";
            self.run(delete, params![shop, changed.id])?;
            return Ok(());
        };
        self.run(
            "INSERT INTO reservation (shop, id, open, expires_at, record) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT (shop, id) DO UPDATE \
             SET open = excluded.open, expires_at = excluded.expires_at, record = excluded.record",
            params![
                shop,
                changed.id,
                is_open(now.state),
                micros(now.expires_at),
                serde_json::to_string(now)?
            ],
        )?;
        Ok(())
    }

    fn write_mark(&self, shop: i64, changed: &ChangedRow<'_, DirtyMark>) -> Result<()> {
        let record = serde_json::to_string(changed.id)?;
        let Some(now) = changed.now else {
            let delete = "DELETE FROM marked WHERE shop = ?1 AND record = ?2";
            self.run(delete, params![shop, record])?;
            return Ok(());
        };
        // Replaced, because a new mark is a new row: only so does SQLite note how far they were given out.
        self.run(
            "INSERT OR REPLACE INTO marked (mark, shop, record, vain_readings, due, run) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                now.mark.0,
                shop,
                record,
                now.retries,
                micros(now.due),
                now.run.as_ref().map(schemas::RunId::as_str)
            ],
        )?;
        Ok(())
    }

    fn write_message(&self, shop: i64, changed: &ChangedRow<'_, SentMessage>) -> Result<()> {
        match changed.now {
            Some(SentMessage {
                made: Some(made), ..
            }) => {
                self.run(
                    "INSERT OR REPLACE INTO attempt (id, shop, kind, body, begun) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![made.id, shop, word(&made.kind)?, made.body, micros(made.begun)],
                )?;
            }
            Some(_) => {}
            None => {
                let delete = "DELETE FROM attempt WHERE shop = ?1 AND id = ?2";
                self.run(delete, params![shop, changed.id])?;
            }
        }
        Ok(())
    }

    fn write_run(&self, shop: i64, changed: &ChangedRow<'_, RunRecord>) -> Result<()> {
        let Some(record) = changed.now else {
            let delete = "DELETE FROM run WHERE shop = ?1 AND id = ?2";
            self.run(delete, params![shop, changed.id.as_str()])?;
            return Ok(());
        };
        self.run(
            "INSERT OR REPLACE INTO run (id, shop, resource, state, started_at, first, since, until, resume, shape) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                record.run.run_id.as_str(),
                shop,
                record.run.resource.as_str(),
                word(&record.run.state)?,
                micros(record.run.started_at),
                record.first,
                record.since.map(|at| at.to_string()),
                record.until.map(|at| at.to_string()),
                record.resume,
                serde_json::to_string(&record.run)?
            ],
        )?;
        Ok(())
    }

    fn write_drift(&self, shop: i64, drifted: &Drifted) -> Result<()> {
        self.run(
            "INSERT INTO drift (shop, run, record, wrong, since, found) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                shop,
                drifted.run_id.as_str(),
                drifted.record,
                serde_json::to_string(&drifted.wrong)?,
                drifted.since.map(|at| at.to_string()),
                micros(drifted.found)
            ],
        )?;
        Ok(())
    }

    fn write_watermark(&self, shop: i64, resource: Resource, until: Timestamp) -> Result<()> {
        self.run(
            "INSERT OR REPLACE INTO watermark (shop, resource, until) VALUES (?1, ?2, ?3)",
            params![shop, resource.as_str(), until.to_string()],
        )?;
        Ok(())
    }

    /// Appends entries to the log, and notes in which rooms they are heard.
    fn append(&mut self, appended: &[Appended]) -> Result<()> {
        for entry in appended {
            let shop = self.row(&entry.shop)?;
            self.run(
                "INSERT INTO log (sequence, shop, at, event) VALUES (?1, ?2, ?3, ?4)",
                params![
                    entry.sequence.0.cast_signed(),
                    shop,
                    micros(entry.at),
                    entry.stored
                ],
            )?;
            self.rooms.add(shop, entry.sequence, &entry.rooms);
        }
        self.rooms.flush_if_full(self.connection)
    }

    /// True when it is done in slices and has more to do.
    fn write_bulk(&mut self, bulk: &BulkWrite, head: Sequence) -> Result<bool> {
        match bulk {
            BulkWrite::Forget(shop) => return self.forget(shop),
            BulkWrite::ForgetNames { shop, done } => self.forget_names(self.row(shop)?, *done)?,
            BulkWrite::KeepPeople(writes) => {
                for write in writes {
                    people::write(self.connection, write)?;
                }
            }
            BulkWrite::KeepPosition { reader, position } => {
                self.run(
                    "INSERT OR REPLACE INTO reader (name, position) VALUES (?1, ?2)",
                    params![reader, serde_json::to_string(position)?],
                )?;
            }
            BulkWrite::KeepSession {
                id,
                owner,
                rooms,
                at,
                quota,
            } => self.keep_session(id, owner, rooms, *at, quota)?,
            BulkWrite::Prune(retention) => return self.prune(retention, head),
            BulkWrite::Redact {
                shop,
                customer,
                until,
                done,
            } => self.redact(self.row(shop)?, *customer, *until, *done)?,
        }
        Ok(false)
    }

    fn keep_session(
        &self,
        id: &str,
        owner: &str,
        rooms: &str,
        at: Timestamp,
        quota: &SessionQuota,
    ) -> Result<()> {
        // No INSERT OR REPLACE: what it deletes calls no trigger.
        self.run(
            "INSERT INTO session (id, owner, rooms, kept_at) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (id) DO UPDATE SET owner = ?2, rooms = ?3, kept_at = ?4",
            params![id, owner, rooms, micros(at)],
        )?;
        self.make_room(owner, id, quota.owner_records, quota.owner_bytes)?;
        self.make_room(ALL_OWNERS, id, quota.records, quota.bytes)
    }

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
            self.run("DELETE FROM session WHERE id = ?1", [id])?;
            self.run(
                "UPDATE session_use SET evicted_at = max(coalesce(evicted_at, ?2), ?2) WHERE owner = ?1",
                params![owner, kept_at],
            )?;
        }
        Ok(())
    }

    /// Deletes a slice of what is older than its keeping time; true while there may be more.
    fn prune(&self, retention: &Retention, head: Sequence) -> Result<bool> {
        let (deliveries, unreadable) = (
            micros(retention.deliveries_before),
            micros(retention.unreadable_before),
        );
        let (runs, sessions) = (
            micros(retention.runs_before),
            micros(retention.sessions_before),
        );
        let floor = self.prune_log(micros(retention.log_before), head)?;
        let mut left = SLICE - floor.deleted;
        for (table, key, condition, before) in [
            (
                "log_segment",
                "last, shop, room",
                "last <= ?1",
                floor.sequence,
            ),
            // They came in the order of their numbers, so what is behind the first young one need not be looked at.
            (
                "delivery",
                "arrival",
                "state IN ('applied', 'ignored') AND received_at < ?1 AND arrival < coalesce( \
                 (SELECT arrival FROM delivery WHERE received_at >= ?1 ORDER BY arrival LIMIT 1), 9223372036854775807)",
                deliveries,
            ),
            (
                "delivery",
                "arrival",
                "state = 'unreadable' AND received_at < ?1",
                unreadable,
            ),
            ("posted", "shop, key", "at < ?1", deliveries),
            ("transfer", "shop, id", "at < ?1", deliveries),
            (
                "redacted",
                "shop, customer",
                "at < ?1 AND erasing IS NULL",
                deliveries,
            ),
            (
                "command",
                "rowid",
                "state <> 'accepted' AND given < ?1",
                runs,
            ),
            ("reservation", "rowid", "NOT open AND expires_at < ?1", runs),
            ("run", "id", "state <> 'running' AND started_at < ?1", runs),
            ("drift", "id", "found < ?1", runs),
            ("session", "id", "kept_at < ?1", sessions),
            // Sessions as old as these evictions are not trusted without a record anyway.
            (
                "session_use",
                "owner",
                "owner <> '*' AND records = 0 AND coalesce(evicted_at, 0) < ?1",
                sessions,
            ),
            (
                "revocation",
                "kind, id",
                "until <= ?1",
                micros(retention.revoked_until),
            ),
        ] {
            if left == 0 {
                break;
            }
            left -= self.delete_some(table, key, condition, before, left)?;
        }
        Ok(left == 0)
    }

    /// Deletes a slice of old entries from the beginning of the log. The floor rises with it, so that no reader takes
    /// what is left for the whole.
    fn prune_log(&self, before: i64, head: Sequence) -> Result<LogFloor> {
        let mut statement = self.connection.prepare_cached(&format!(
            "SELECT sequence, at < ?1 FROM log ORDER BY sequence LIMIT {SLICE}"
        ))?;
        let mut oldest = statement.query([before])?;
        let (mut last, mut deleted) = (None, 0);
        let is_empty = loop {
            match oldest.next()? {
                None => break deleted < SLICE,
                Some(row) if row.get(1)? => (last, deleted) = (Some(row.get(0)?), deleted + 1),
                Some(_) => break false,
            }
        };
        drop(oldest);
        let floor = if is_empty {
            Some(head.0.cast_signed())
        } else {
            last
        };
        if let Some(floor) = floor {
            self.run("UPDATE meta SET log_floor = max(log_floor, ?1)", [floor])?;
        }
        if let Some(last) = last {
            self.run("DELETE FROM log WHERE sequence <= ?1", [last])?;
        }
        let sequence = "SELECT log_floor FROM meta";
        let sequence = self.connection.query_row(sequence, [], |row| row.get(0))?;
        Ok(LogFloor { sequence, deleted })
    }

    /// Deletes a slice of what is kept of a shop; true while there may be more. Its row stays, because nobody may take
    /// what comes later for what was there.
    fn forget(&mut self, domain: &ShopDomain) -> Result<bool> {
        let shop = self.row(domain)?;
        *self.erased = true;
        if self.forget_log(shop)? {
            return Ok(true);
        }
        let mut left = SLICE;
        for (table, key) in TABLES_OF_A_SHOP {
            left -= self.delete_some(table, key, "shop = ?1", shop, left)?;
        }
        // What waits was acknowledged, and is decided when it is applied.
        let settled = "shop = ?1 AND state <> 'pending'";
        left -= self.delete_some("delivery", "arrival", settled, shop, left)?;
        if left > 0 {
            // Entries that are heard in no room. The whole log is read for them, so they are the last.
            left -= self.delete_some("log", "sequence", "shop = ?1", shop, left)?;
        }
        if left == 0 {
            return Ok(true);
        }
        self.run(
            "UPDATE shop SET known_since = NULL, shopify_id = NULL, erasing = NULL, moved = NULL WHERE id = ?1",
            [shop],
        )?;
        *self.shops = shops(self.connection)?;
        Ok(false)
    }

    /// Deletes at most that many rows for which a condition on `?1` holds, found by their key; how many there were.
    fn delete_some(
        &self,
        table: &str,
        key: &str,
        condition: &str,
        bound: i64,
        limit: usize,
    ) -> Result<usize> {
        let sql = format!(
            "DELETE FROM {table} WHERE ({key}) IN \
             (SELECT {key} FROM {table} WHERE {condition} LIMIT {limit})"
        );
        Ok(self.connection.execute(&sql, [bound])?)
    }

    /// Deletes a slice of a shop's entries, found by the index of rooms; true while there may be more.
    fn forget_log(&mut self, shop: i64) -> Result<bool> {
        self.rooms.flush(self.connection)?;
        let mut first = self.connection.prepare_cached(&format!(
            "{SEGMENTS_AFTER} SELECT last, room, sequences FROM segment \
             CROSS JOIN log_segment USING (last) WHERE shop = ?2 ORDER BY last LIMIT 1"
        ))?;
        let mut left = SLICE;
        while left > 0 {
            let row = |row: &rusqlite::Row<'_>| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, String>(1)?,
                    json::<Vec<i64>>(row, 2)?,
                ))
            };
            let Some((last, room, mut sequences)) = first.query_row([0, shop], row).optional()?
            else {
                return Ok(false);
            };
            let kept = sequences.split_off(left.min(sequences.len()));
            left -= sequences.len();
            for sequence in sequences {
                self.run("DELETE FROM log WHERE sequence = ?1", [sequence])?;
            }
            let here = params![last, shop, room, serde_json::to_string(&kept)?];
            self.run(
                "UPDATE log_segment SET sequences = ?4 WHERE last = ?1 AND shop = ?2 AND room = ?3",
                here,
            )?;
            self.run(
                "DELETE FROM log_segment WHERE last = ?1 AND shop = ?2 AND room = ?3 AND sequences = '[]'",
                params![last, shop, room],
            )?;
        }
        Ok(true)
    }

    /// Forgets a slice of customers' names. Records come first: what is told of orders before theirs are done names them,
    /// too, and is in the log by then.
    fn forget_names(&mut self, shop: i64, done: ErasureStep) -> Result<()> {
        let steps: [ErasureSql; 3] = [
            (
                "SELECT max(id), count(*) FROM (SELECT id FROM customer WHERE shop = ?1 AND id > ?2 ORDER BY id",
                "UPDATE customer SET name = NULL WHERE shop = ?1 AND id > ?2 AND id <= ?3 AND name IS NOT NULL",
            ),
            // Not what others say of customers, which is theirs.
            (
                "SELECT max(sequence), count(*) FROM (SELECT sequence FROM log WHERE sequence > ?2 AND ?1 ORDER BY sequence",
                "UPDATE log SET event = json_remove(event, '$.data.customerName') \
                 WHERE shop = ?1 AND sequence > ?2 AND sequence <= ?3 AND event ->> 'kind' GLOB 'order:*'",
            ),
            (
                "SELECT max(id), count(*) FROM (SELECT id FROM drift WHERE id > ?2 AND ?1 ORDER BY id",
                "UPDATE drift SET wrong = json_remove(wrong, '$.fields.name') \
                 WHERE shop = ?1 AND id > ?2 AND id <= ?3 AND record GLOB 'customer *'",
            ),
        ];
        let next = match steps.get(done.steps) {
            Some((slice, erase)) => Some(self.erase_some(shop, done, slice, &[*erase])?),
            None => None,
        };
        self.run(
            "UPDATE shop SET erasing = ?2 WHERE id = ?1",
            params![shop, json_of(next.as_ref())?],
        )?;
        *self.shops = shops(self.connection)?;
        // The write-ahead log is cut once, at the end.
        *self.erased |= next.is_none();
        Ok(())
    }

    /// Carries out statements on the next slice of rows behind `done`; how far it is then.
    fn erase_some(
        &self,
        shop: i64,
        done: ErasureStep,
        slice: &str,
        erase: &[&str],
    ) -> Result<ErasureStep> {
        let (last, count) = self
            .connection
            .prepare_cached(&format!("{slice} LIMIT {SLICE})"))?
            .query_row([shop, done.after], |row| {
                Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, i64>(1)?))
            })?;
        if let Some(last) = last {
            for sql in erase {
                self.run(sql, [shop, done.after, last])?;
            }
        }
        Ok(match last {
            Some(after) if usize::try_from(count) == Ok(SLICE) => ErasureStep { after, ..done },
            _ => done.next_step(),
        })
    }

    /// Takes a slice of what names a customer away; see [`BulkWrite::Redact`].
    fn redact(
        &mut self,
        shop: i64,
        customer: CustomerId,
        until: Sequence,
        mut done: ErasureStep,
    ) -> Result<()> {
        // Most customers have few orders, so what is short is done in one go.
        let next = loop {
            let next = match done.steps {
                0 => self.redact_orders(shop, customer, done)?,
                1 => {
                    let own = Room::OrdersCustomer(customer.into());
                    self.redact_room(shop, &own, customer, until, done)?
                }
                2 => self.redact_room(shop, &Room::Notifications, customer, until, done)?,
                3 => self.redact_drift(shop, customer, done)?,
                4 => self.redact_bodies(shop, done)?,
                _ => break None,
            };
            if next.steps == done.steps {
                break Some(next);
            }
            done = next;
        };
        let erasing = next.map(|next| (until, next));
        self.run(
            "UPDATE redacted SET erasing = ?3 WHERE shop = ?1 AND customer = ?2",
            params![shop, customer.to_i64(), json_of(erasing.as_ref())?],
        )?;
        *self.erased |= next.is_none();
        Ok(())
    }

    fn redact_orders(
        &self,
        shop: i64,
        customer: CustomerId,
        done: ErasureStep,
    ) -> Result<ErasureStep> {
        let sql = format!(
            "UPDATE customer_order SET customer_id = NULL WHERE shop = ?1 AND id IN \
             (SELECT id FROM customer_order WHERE shop = ?1 AND customer_id = ?2 LIMIT {SLICE})"
        );
        let changed = self.run(&sql, [shop, customer.to_i64()])?;
        Ok(if changed == SLICE {
            done
        } else {
            done.next_step()
        })
    }

    /// Takes a customer out of the entries of a room: their own, or the one of notifications, of which others are kept.
    fn redact_room(
        &mut self,
        shop: i64,
        room: &Room,
        customer: CustomerId,
        until: Sequence,
        done: ErasureStep,
    ) -> Result<ErasureStep> {
        if done.after == 0 {
            // What is concerned is in segments from here on.
            self.rooms.flush(self.connection)?;
        }
        let until = until.0.cast_signed();
        let mut segments = self.connection.prepare_cached(&format!(
            "{SEGMENTS_AFTER} SELECT last, sequences FROM segment \
             CROSS JOIN log_segment USING (last) WHERE shop = ?2 AND room = ?3 ORDER BY last"
        ))?;
        let mut segments = segments.query(params![done.after, shop, room.to_string()])?;
        let is_own = *room != Room::Notifications;
        let (mut left, mut after) = (SLICE, done.after);
        while let Some(segment) = segments.next()? {
            let (last, sequences): (i64, Vec<i64>) = (segment.get(0)?, json(segment, 1)?);
            let concerned = sequences.iter().copied();
            let concerned =
                concerned.filter(|sequence| (done.after + 1..=until).contains(sequence));
            for sequence in concerned {
                if left == 0 {
                    return Ok(ErasureStep { after, ..done });
                }
                self.redact_entry(sequence, customer, is_own)?;
                (left, after) = (left - 1, sequence);
            }
            if is_own {
                self.leave_segment(shop, room, last, until)?;
            }
            if last > until {
                break;
            }
        }
        Ok(done.next_step())
    }

    /// Has the entries of a segment up to there be heard in a room no more.
    fn leave_segment(&self, shop: i64, room: &Room, last: i64, until: i64) -> Result<()> {
        let here = "last = ?1 AND shop = ?2 AND room = ?3";
        let room = room.to_string();
        if last <= until {
            let sql = format!("DELETE FROM log_segment WHERE {here}");
            self.run(&sql, params![last, shop, room])?;
        } else {
            // A segment that ends behind holds entries of both sides.
            let sql = format!(
                "UPDATE log_segment SET sequences = \
                 (SELECT json_group_array(value) FROM json_each(sequences) WHERE value > ?4) WHERE {here}"
            );
            self.run(&sql, params![last, shop, room, until])?;
        }
        Ok(())
    }

    fn redact_entry(&self, sequence: i64, customer: CustomerId, is_own: bool) -> Result<()> {
        let event = "SELECT event FROM log WHERE sequence = ?1";
        let mut event = self.connection.prepare_cached(event)?;
        let event = event.query_row([sequence], |row| json(row, 0)).optional()?;
        let Some(mut event): Option<serde_json::Value> = event else {
            return Ok(());
        };
        // What others say of them may be anything.
        let is_anything = is_own && (event["kind"] == "posted" || event["kind"] == "emitted");
        let is_note = !is_own && event["data"]["customerId"] == customer.to_string();
        if is_anything || is_note {
            self.run("DELETE FROM log WHERE sequence = ?1", [sequence])?;
        } else if is_own {
            event["data"]["customerId"] = serde_json::Value::Null;
            if let Some(data) = event["data"].as_object_mut() {
                data.remove("customerName");
            }
            self.run(
                "UPDATE log SET event = ?2 WHERE sequence = ?1",
                params![sequence, event.to_string()],
            )?;
        }
        Ok(())
    }

    fn redact_drift(
        &self,
        shop: i64,
        customer: CustomerId,
        done: ErasureStep,
    ) -> Result<ErasureStep> {
        let slice =
            "SELECT max(id), count(*) FROM (SELECT id FROM drift WHERE id > ?2 AND ?1 ORDER BY id";
        let (record, id) = (RecordKey::Customer(customer), customer.to_i64());
        // Of an order that was somebody else's, or nobody's, all else stays.
        let (whole, field) = (
            format!(
                "DELETE FROM drift WHERE shop = ?1 AND id > ?2 AND id <= ?3 AND record = '{record}'"
            ),
            format!(
                "UPDATE drift SET wrong = json_remove(wrong, '$.fields.customerId') \
                 WHERE shop = ?1 AND id > ?2 AND id <= ?3 AND wrong -> '$.fields.customerId' GLOB '*\"{id}\"*'"
            ),
        );
        self.erase_some(shop, done, slice, &[&whole, &field])
    }

    fn redact_bodies(&self, shop: i64, done: ErasureStep) -> Result<ErasureStep> {
        let sql = format!(
            "DELETE FROM delivery_body WHERE arrival IN \
             (SELECT arrival FROM delivery JOIN delivery_body USING (arrival) \
              WHERE shop = ?1 AND state = 'unreadable' \
              AND (topic GLOB 'customers/*' OR topic GLOB 'orders/*') LIMIT {SLICE})"
        );
        let deleted = self.run(&sql, [shop])?;
        Ok(if deleted == SLICE {
            done
        } else {
            done.next_step()
        })
    }
}

/// What a pruned log begins behind.
struct LogFloor {
    sequence: i64,
    /// Entries that this slice deleted.
    deleted: usize,
}

/// A query for the last of the next slice of rows behind `?2`, without its limit; and what is done with those.
type ErasureSql = (&'static str, &'static str);

fn json_of<T: serde::Serialize>(value: Option<&T>) -> Result<Option<String>> {
    Ok(value.map(serde_json::to_string).transpose()?)
}
