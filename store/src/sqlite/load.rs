//! Loading a working set: one query for all keys of a kind.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;

use domain::adjustment::ENTRIES_MAX;
use domain::outbox::{Flight, PendingAdjustment, SentMessage};
use domain::working_set::{
    DirtyMark, Draws, KeptDelivery, PostedAt, RevocationRow, SliceOfLevels, ToldTransfer,
};
use domain::{
    Covered, Fate, HeldLevel, Key, LevelKey, Mark, Records, Redaction, Revoked, Row as DomainRow,
    SLICE, ShopRecords, WantedKey, WorkingSet,
};
use rusqlite::{Connection, Row, StatementStatus, params};
use schemas::record::{Order, Variant};
use schemas::{ProductId, RecordKey, Sequence, ShopDomain};

use super::column::{from_micros, id, json, opt, parsed};
use super::rows::{RUN_COLUMNS, RowKey, StoredRow, order_line, run};
use super::shops::RegisteredShop;
use crate::Result;

/// Keys in one statement. With fewer, a shorter statement is prepared: of 1 key or of `FEW_KEYS`.
const KEYS_MAX: usize = 64;
const FEW_KEYS: usize = 8;

/// Which levels are behind `?2` and `?3`: of all, and of those at the location `?3`.
const BEHIND: &str = "(inventory_item_id, location_id) > (?2, ?3)";
const BEHIND_AT: &str = "location_id = ?3 AND inventory_item_id > ?2";

/// Loads those keys; see [`crate::backend::Backend::load`].
pub(super) fn load(
    connection: &Connection,
    shops: &BTreeMap<ShopDomain, RegisteredShop>,
    keys: &BTreeSet<WantedKey>,
    set: &mut WorkingSet,
) -> Result<()> {
    let keys: Vec<&WantedKey> = keys.iter().collect();
    // They are sorted: by shop, and those of a kind beside each other.
    let is_same_kind =
        |a: &&WantedKey, b: &&WantedKey| a.0 == b.0 && discriminant(&a.1) == discriminant(&b.1);
    for same in keys.chunk_by(is_same_kind) {
        let kind: Vec<&Key> = same.iter().map(|(_, key)| key).collect();
        match same {
            [(Some(domain), Key::Shop), ..] => {
                let shop = shops.get(domain).map(|shop| shop.state.clone());
                set.shops.load(domain.clone(), shop);
            }
            [(Some(domain), _), ..] => {
                let loader = SetLoader {
                    connection,
                    domain,
                    // There is nothing of a shop that is not known.
                    shop: shops.get(domain).map_or(0, |shop| shop.row),
                };
                loader.load(&kind, set.shop_records(domain))?;
            }
            _ => load_revocations(connection, &kind, &mut set.revocations)?,
        }
    }
    Ok(())
}

/// What is in the keys of one kind.
macro_rules! inner {
    ($keys:expr, $kind:ident) => {
        $keys
            .iter()
            .filter_map(|key| match key {
                Key::$kind(inner) => Some(inner.clone()),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
}

struct SetLoader<'l> {
    connection: &'l Connection,
    domain: &'l ShopDomain,
    shop: i64,
}

impl SetLoader<'_> {
    fn load(&self, keys: &[&Key], into: &mut ShopRecords) -> Result<()> {
        let Some(first) = keys.first() else {
            return Ok(());
        };
        match first {
            Key::Adjustment(_) => self.records(inner!(keys, Adjustment), &mut into.adjustments),
            Key::Customer(_) => self.records(inner!(keys, Customer), &mut into.customers),
            Key::Flight(_) => self.records(inner!(keys, Flight), &mut into.flights),
            Key::Item(_) => self.records(inner!(keys, Item), &mut into.items),
            Key::Level(_) => self.records(inner!(keys, Level), &mut into.levels),
            Key::Location(_) => self.records(inner!(keys, Location), &mut into.locations),
            Key::Product(_) => self.records(inner!(keys, Product), &mut into.products),
            Key::Variant(_) => self.records(inner!(keys, Variant), &mut into.variants),
            Key::Order(_) => self.orders(inner!(keys, Order), &mut into.orders),
            Key::Command(_) => self.kept(
                inner!(keys, Command),
                "SELECT id, record FROM wanted CROSS JOIN command ON shop = ?1 AND id = k1",
                |row| Ok((row.get(0)?, json(row, 1)?)),
                &mut into.commands,
            ),
            Key::Delivery(_) => self.kept(
                inner!(keys, Delivery),
                "SELECT webhook_id, signature, state, reason FROM wanted \
                 CROSS JOIN delivery ON shop = ?1 AND webhook_id = k1",
                delivery,
                &mut into.deliveries,
            ),
            Key::DirtyMark(_) => self.dirty_marks(inner!(keys, DirtyMark), &mut into.dirty_marks),
            Key::Message(_) => self.kept(
                inner!(keys, Message),
                "SELECT id, begun FROM wanted CROSS JOIN attempt ON shop = ?1 AND id = k1",
                message,
                &mut into.messages,
            ),
            Key::Posted(_) => self.kept(
                inner!(keys, Posted),
                "SELECT key, sequence, at FROM wanted CROSS JOIN posted ON shop = ?1 AND key = k1",
                |row| {
                    let posted = PostedAt {
                        sequence: Sequence(row.get::<_, i64>(1)?.cast_unsigned()),
                        at: from_micros(row, 2)?,
                    };
                    Ok((domain::PostKey(row.get(0)?), posted))
                },
                &mut into.posted,
            ),
            Key::Redaction(_) => self.kept(
                inner!(keys, Redaction),
                "SELECT customer, at, erasing FROM wanted CROSS JOIN redacted ON shop = ?1 AND customer = k1",
                redaction,
                &mut into.redactions,
            ),
            Key::Reservation(_) => self.kept(
                inner!(keys, Reservation),
                "SELECT id, record FROM wanted CROSS JOIN reservation ON shop = ?1 AND id = k1",
                |row| Ok((row.get(0)?, json(row, 1)?)),
                &mut into.reservations,
            ),
            Key::Run(_) => self.kept(
                inner!(keys, Run),
                &format!("SELECT {RUN_COLUMNS} FROM wanted CROSS JOIN run ON shop = ?1 AND id = k1"),
                |row| self.run(row),
                &mut into.runs,
            ),
            Key::Transfer(_) => self.kept(
                inner!(keys, Transfer),
                "SELECT id, told, at FROM wanted CROSS JOIN transfer ON shop = ?1 AND id = k1",
                |row| {
                    let told = ToldTransfer {
                        told: json(row, 1)?,
                        at: from_micros(row, 2)?,
                    };
                    Ok((id(row, 0)?, told))
                },
                &mut into.transfers,
            ),
            Key::AdjustmentsOfCommand(_)
            | Key::AdjustmentsOfReservation(_)
            | Key::AnsweredAt(_) => self.adjustments(keys, first, &mut into.adjustments),
            Key::Unanswered | Key::UnansweredOf(_) | Key::UnsentAt(_) | Key::Waiting => keys
                .iter()
                .try_for_each(|key| self.slice_of_adjustments(key, &mut into.adjustments)),
            Key::NewestUnsentAt(..) => keys
                .iter()
                .try_for_each(|key| self.newest_unsent(key, &mut into.adjustments)),
            Key::LevelsToNet(_) => inner!(keys, LevelsToNet)
                .into_iter()
                .try_for_each(|after| self.levels_to_net(after, into)),
            Key::CommandWithKey(..) => self.commands_with_key(keys, &mut into.commands),
            Key::FlightsOf(_) => {
                let messages: Vec<String> = inner!(keys, FlightsOf);
                self.select::<Flight, _>("attempt = k1", &messages, &mut into.flights)?;
                cover(keys, &mut into.flights);
                Ok(())
            }
            Key::LevelsAfter(_) | Key::LevelsAtAfter(..) => keys
                .iter()
                .try_for_each(|key| self.slice_of_levels(key, &mut into.levels)),
            Key::LevelsAt(_) => {
                let locations = inner!(keys, LevelsAt);
                self.select::<HeldLevel, _>("location_id = k1", &locations, &mut into.levels)?;
                cover(keys, &mut into.levels);
                Ok(())
            }
            Key::LevelsOf(_) => {
                let items = inner!(keys, LevelsOf);
                self.select::<HeldLevel, _>("inventory_item_id = k1", &items, &mut into.levels)?;
                cover(keys, &mut into.levels);
                Ok(())
            }
            Key::Messages => {
                let mut statement = self
                    .connection
                    .prepare_cached("SELECT id, begun FROM attempt WHERE shop = ?1")?;
                for found in statement.query_map([self.shop], message)? {
                    let (id, message) = found?;
                    into.messages.load(id, Some(message));
                }
                cover(keys, &mut into.messages);
                Ok(())
            }
            Key::ReservationsDue(_) => inner!(keys, ReservationsDue)
                .into_iter()
                .try_for_each(|by| self.reservations_due(by, &mut into.reservations)),
            Key::RedactionsUnderWay => {
                let sql = "SELECT customer, at, erasing FROM redacted WHERE shop = ?1 AND erasing IS NOT NULL";
                let mut statement = self.connection.prepare_cached(sql)?;
                for found in statement.query_map([self.shop], redaction)? {
                    let (customer, redaction) = found?;
                    into.redactions.load(customer, Some(redaction));
                }
                cover(keys, &mut into.redactions);
                Ok(())
            }
            Key::RunsUnderWay(_) => {
                let resources = inner!(keys, RunsUnderWay);
                let sql = format!(
                    "SELECT {RUN_COLUMNS} FROM wanted CROSS JOIN run \
                     ON shop = ?1 AND resource = k1 AND state = 'running'"
                );
                let mut found = Vec::new();
                for_keys(self.connection, self.shop, &sql, &resources, |row| {
                    found.push(self.run(row)?);
                    Ok(())
                })?;
                for (id, record) in found {
                    into.runs.load(id, Some(record));
                }
                cover(keys, &mut into.runs);
                Ok(())
            }
            Key::VariantsOf(_) => {
                let products = inner!(keys, VariantsOf);
                self.select::<Variant, _>("product_id = k1", &products, &mut into.variants)?;
                cover(keys, &mut into.variants);
                Ok(())
            }
            Key::VariantsOfItem(_) => {
                let items = inner!(keys, VariantsOfItem);
                self.select::<Variant, _>("inventory_item_id = k1", &items, &mut into.variants)?;
                cover(keys, &mut into.variants);
                // A level is told with its product and what is available of that. What is loaded with the variants
                // spares the batch a second round.
                let products: BTreeSet<ProductId> = keys
                    .iter()
                    .filter_map(|key| into.variants.members(key, None, usize::MAX))
                    .flatten()
                    .map(|variant| variant.product_id)
                    .collect();
                let products: Vec<ProductId> = products.into_iter().collect();
                self.available(&products, into)?;
                self.records(products, &mut into.products)
            }
            Key::AvailableOf(_) => self.available(&inner!(keys, AvailableOf), into),
            Key::PendingOnHand(_) => {
                let levels = inner!(keys, PendingOnHand);
                let sum = "SELECT k1, k2, (SELECT coalesce(sum(on_hand), 0) FROM effect \
                           WHERE shop = ?1 AND inventory_item_id = k1 AND location_id = k2) FROM wanted";
                self.sums(&levels, sum, &mut into.pending_on_hand)
            }
            Key::ReservedUnits(_) => {
                let levels = inner!(keys, ReservedUnits);
                // Ids are texts in the JSON.
                let sum = "SELECT k1, k2, (SELECT coalesce(sum(part.value ->> 'quantity'), 0) \
                           FROM reservation, json_each(record, '$.items') AS part \
                           WHERE shop = ?1 AND open AND record ->> 'state' = 'held' \
                           AND part.value ->> 'inventoryItemId' = CAST(k1 AS TEXT) \
                           AND part.value ->> 'locationId' = CAST(k2 AS TEXT)) FROM wanted";
                self.sums(&levels, sum, &mut into.reserved_units)
            }
            Key::UnsentDraws(_) => {
                let sum = "SELECT k1, k2, coalesce(sum(iif(lane = 'move', quantity, iif(lane = 'adjust', -quantity, 0))), 0), \
                           coalesce(sum(lane GLOB 'set_*'), 0) FROM wanted \
                           CROSS JOIN effect ON shop = ?1 AND inventory_item_id = k1 AND location_id = k2 \
                           AND attempt IS NULL GROUP BY k1, k2";
                let levels = inner!(keys, UnsentDraws);
                for level in &levels {
                    into.unsent_draws.insert(*level, Draws::default());
                }
                for_keys(self.connection, self.shop, sum, &levels, |row| {
                    let (units, settings) = (row.get(2)?, row.get(3)?);
                    let level = (id(row, 0)?, id(row, 1)?);
                    into.unsent_draws.insert(level, Draws { units, settings });
                    Ok(())
                })
            }
            // Each is loaded by another key, or is of no shop.
            Key::OpenReservations | Key::Revocation(_) | Key::Shop => Ok(()),
        }
    }

    /// Records with a table that holds nothing else, found by their keys.
    fn records<R: StoredRow>(&self, ids: Vec<R::Id>, into: &mut Records<R>) -> Result<()> {
        self.select(&condition_of_key::<R>(), &ids, into)?;
        load_absent(ids, into);
        Ok(())
    }

    /// Loads the records for which the condition on the columns of `wanted` holds.
    fn select<R: StoredRow, K: RowKey>(
        &self,
        condition: &str,
        keys: &[K],
        into: &mut Records<R>,
    ) -> Result<()> {
        let sql = format!(
            "SELECT {} FROM wanted CROSS JOIN {table} ON {table}.shop = ?1 AND {table}.{condition}",
            R::COLUMNS,
            table = R::TABLE
        );
        for_keys(self.connection, self.shop, &sql, keys, |row| {
            let record = R::read(row, 0)?;
            into.load(StoredRow::key(&record), Some(record));
            Ok(())
        })
    }

    /// Records that `read` reads with their ids from the rows of a query.
    fn kept<R: DomainRow<Id: RowKey>>(
        &self,
        ids: Vec<R::Id>,
        sql: &str,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<(R::Id, R)>,
        into: &mut Records<R>,
    ) -> Result<()> {
        for_keys(self.connection, self.shop, sql, &ids, |row| {
            let (id, record) = read(row)?;
            into.load(id, Some(record));
            Ok(())
        })?;
        load_absent(ids, into);
        Ok(())
    }

    fn orders(&self, ids: Vec<schemas::OrderId>, into: &mut Records<Order>) -> Result<()> {
        let mut lines = BTreeMap::<schemas::OrderId, Vec<_>>::new();
        let sql = "SELECT order_id, id, variant_id, title, sku, quantity FROM wanted \
                   CROSS JOIN order_line ON shop = ?1 AND order_id = k1";
        for_keys(self.connection, self.shop, sql, &ids, |row| {
            lines
                .entry(id(row, 0)?)
                .or_default()
                .push(order_line(row, 1)?);
            Ok(())
        })?;
        let sql = format!(
            "SELECT {} FROM wanted CROSS JOIN customer_order ON shop = ?1 AND id = k1",
            Order::COLUMNS
        );
        for_keys(self.connection, self.shop, &sql, &ids, |row| {
            let mut order = Order::read(row, 0)?;
            order.lines = lines.remove(&order.id).unwrap_or_default();
            order.lines.sort_by_key(|line| line.id);
            into.load(order.id, Some(order));
            Ok(())
        })?;
        load_absent(ids, into);
        Ok(())
    }

    fn dirty_marks(&self, keys: Vec<RecordKey>, into: &mut Records<DirtyMark>) -> Result<()> {
        let texts: Vec<String> = keys
            .iter()
            .map(serde_json::to_string)
            .collect::<serde_json::Result<_>>()?;
        let sql = "SELECT record, mark, vain_readings, due, run FROM wanted \
                   CROSS JOIN marked ON shop = ?1 AND record = k1";
        for_keys(self.connection, self.shop, sql, &texts, |row| {
            let mark = DirtyMark {
                key: json(row, 0)?,
                mark: Mark(row.get(1)?),
                retries: row.get(2)?,
                due: from_micros(row, 3)?,
                run: opt(row, 4, parsed)?,
            };
            into.load(mark.key, Some(mark));
            Ok(())
        })?;
        load_absent(keys, into);
        Ok(())
    }

    fn run(&self, row: &Row<'_>) -> rusqlite::Result<(schemas::RunId, domain::RunRecord)> {
        let record = run(row, self.domain)?;
        Ok((record.run.run_id.clone(), record))
    }

    fn adjustments(
        &self,
        keys: &[&Key],
        first: &Key,
        into: &mut Records<PendingAdjustment>,
    ) -> Result<()> {
        let of_level = "inventory_item_id = k1 AND location_id = k2";
        match first {
            Key::AdjustmentsOfCommand(_) => {
                let commands = inner!(keys, AdjustmentsOfCommand);
                self.select("command = k1", &commands, into)?;
            }
            Key::AdjustmentsOfReservation(_) => {
                let reservations = inner!(keys, AdjustmentsOfReservation);
                self.select("reservation = k1", &reservations, into)?;
            }
            _ => {
                let levels = inner!(keys, AnsweredAt);
                self.select(&format!("{of_level} AND answered"), &levels, into)?;
            }
        }
        cover(keys, into);
        Ok(())
    }

    /// The next slice of a long list of adjustments, behind what is covered of it.
    fn slice_of_adjustments(&self, key: &Key, into: &mut Records<PendingAdjustment>) -> Result<()> {
        let covered = into.covered(key);
        let after = match covered {
            Some(Covered::All) => return Ok(()),
            Some(Covered::UpTo(((), last))) => *last,
            None => 0,
        };
        let (condition, limit) = match key {
            Key::UnansweredOf(_) => ("attempt = ?3 AND NOT answered", SLICE),
            Key::UnsentAt(_) => (
                "inventory_item_id = ?3 AND location_id = ?4 AND attempt IS NULL",
                SLICE,
            ),
            Key::Unanswered => ("NOT answered", SLICE),
            _ if covered.is_none() => ("attempt IS NULL", 1),
            _ => ("attempt IS NULL", SLICE),
        };
        let sql = format!(
            "SELECT {} FROM effect WHERE shop = ?1 AND id > ?2 AND {condition} ORDER BY id LIMIT {limit}",
            PendingAdjustment::COLUMNS
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        statement.raw_bind_parameter(1, self.shop)?;
        statement.raw_bind_parameter(2, after)?;
        match key {
            Key::UnansweredOf(message) => statement.raw_bind_parameter(3, message)?,
            Key::UnsentAt(level) => level.bind(&mut statement, 3)?,
            _ => {}
        }
        let mut rows = statement.raw_query();
        let (mut last, mut count) = (after, 0);
        while let Some(row) = rows.next()? {
            let adjustment = PendingAdjustment::read(row, 0)?;
            (last, count) = (adjustment.id, count + 1);
            into.load(adjustment.id, Some(adjustment));
        }
        let covered = if count < limit {
            Covered::All
        } else {
            Covered::UpTo(((), last))
        };
        into.cover(key.clone(), covered);
        Ok(())
    }

    /// The newest adjustments of a level that are in no outbox message.
    fn newest_unsent(&self, key: &Key, into: &mut Records<PendingAdjustment>) -> Result<()> {
        let Key::NewestUnsentAt((item, location), before) = key else {
            return Ok(());
        };
        let sql = format!(
            "SELECT {} FROM effect WHERE shop = ?1 AND inventory_item_id = ?2 AND location_id = ?3 AND id < ?4 \
             AND attempt IS NULL ORDER BY id DESC LIMIT {SLICE}",
            PendingAdjustment::COLUMNS
        );
        let before = before.unwrap_or(i64::MAX);
        let wanted = params![self.shop, item.to_i64(), location.to_i64(), before];
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found = statement.query_map(wanted, |row| PendingAdjustment::read(row, 0))?;
        let (mut first, mut count) = (before, 0);
        for adjustment in found {
            let adjustment = adjustment?;
            (first, count) = (adjustment.id, count + 1);
            into.load(adjustment.id, Some(adjustment));
        }
        let covered = if count < SLICE {
            Covered::All
        } else {
            Covered::UpTo(((), first))
        };
        into.cover(key.clone(), covered);
        Ok(())
    }

    /// Steps from level to level by the index, however many adjustments wait at each.
    fn levels_to_net(&self, after: Option<LevelKey>, into: &mut ShopRecords) -> Result<()> {
        let (item, location) = after.map_or((0, 0), |(item, location)| {
            (item.to_i64(), location.to_i64())
        });
        let sql = format!(
            "WITH RECURSIVE touched (item, location) AS (\
               SELECT ?2, ?3 UNION ALL \
               SELECT next.inventory_item_id, next.location_id FROM touched CROSS JOIN effect AS next \
               WHERE next.id = (SELECT id FROM effect \
                 WHERE shop = ?1 AND (inventory_item_id, location_id) > (item, location) \
                 ORDER BY inventory_item_id, location_id LIMIT 1)) \
             SELECT item, location FROM touched \
             WHERE EXISTS (SELECT 1 FROM effect WHERE shop = ?1 AND inventory_item_id = item \
               AND location_id = location AND attempt IS NULL AND (item, location) <> (?2, ?3)) \
             AND NOT EXISTS (SELECT 1 FROM flight WHERE shop = ?1 AND inventory_item_id = item \
               AND location_id = location) LIMIT {ENTRIES_MAX}"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let levels = statement.query_map([self.shop, item, location], |row| {
            Ok((id(row, 0)?, id(row, 1)?))
        })?;
        let levels: Vec<LevelKey> = levels.collect::<rusqlite::Result<_>>()?;
        let more = levels.len() == ENTRIES_MAX;
        into.levels_to_net
            .insert(after, SliceOfLevels { levels, more });
        Ok(())
    }

    fn slice_of_levels(&self, key: &Key, into: &mut Records<HeldLevel>) -> Result<()> {
        let (condition, item, location) = match key {
            Key::LevelsAfter(Some((item, location))) => (BEHIND, item.to_i64(), location.to_i64()),
            Key::LevelsAfter(None) => (BEHIND, 0, 0),
            Key::LevelsAtAfter(location, after) => {
                let after = after.map_or(0, schemas::InventoryItemId::to_i64);
                (BEHIND_AT, after, location.to_i64())
            }
            _ => return Ok(()),
        };
        let sql = format!(
            "SELECT {} FROM level WHERE shop = ?1 AND {condition} \
             ORDER BY inventory_item_id, location_id LIMIT {SLICE}",
            HeldLevel::COLUMNS
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found =
            statement.query_map([self.shop, item, location], |row| HeldLevel::read(row, 0))?;
        let (mut last, mut count) = (None, 0);
        for level in found {
            let level = level?;
            (last, count) = (Some(level.key()), count + 1);
            into.load(level.key(), Some(level));
        }
        let covered = match last {
            Some(last) if count == SLICE => Covered::UpTo(((), last)),
            _ => Covered::All,
        };
        into.cover(key.clone(), covered);
        Ok(())
    }

    /// The next open reservations that run out by that microsecond.
    fn reservations_due(
        &self,
        by: i64,
        into: &mut Records<schemas::shape::ReservationShape>,
    ) -> Result<()> {
        let end = (by.saturating_add(1), String::new());
        let (after, after_id) = match into.covered(&Key::OpenReservations) {
            Some(Covered::All) => return Ok(()),
            Some(Covered::UpTo(last)) if *last >= end => return Ok(()),
            Some(Covered::UpTo((after, id))) => (*after, id.clone()),
            None => (i64::MIN, String::new()),
        };
        let sql = format!(
            "SELECT expires_at, id, record FROM reservation WHERE shop = ?1 AND open \
             AND (expires_at, id) > (?2, ?3) AND expires_at <= ?4 ORDER BY expires_at, id LIMIT {SLICE}"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let found = statement.query_map(params![self.shop, after, after_id, by], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, String>(1)?,
                json(row, 2)?,
            ))
        })?;
        let (mut last, mut count) = (end.clone(), 0);
        for reservation in found {
            let (expires_at, id, reservation) = reservation?;
            (last, count) = ((expires_at, id.clone()), count + 1);
            into.load(id, Some(reservation));
        }
        let covered = if count < SLICE { end } else { last };
        into.cover(Key::OpenReservations, Covered::UpTo(covered));
        Ok(())
    }

    fn commands_with_key(
        &self,
        keys: &[&Key],
        into: &mut Records<domain::command::KeptCommand>,
    ) -> Result<()> {
        let users: Vec<(&str, &str)> = keys
            .iter()
            .filter_map(|key| match key {
                Key::CommandWithKey(user, key) => Some((user.as_str(), key.as_str())),
                _ => None,
            })
            .collect();
        let sql = "SELECT id, record FROM wanted CROSS JOIN command \
                   ON shop = ?1 AND by_user = k1 AND idempotency_key = k2";
        for_keys(self.connection, self.shop, sql, &users, |row| {
            into.load(row.get(0)?, Some(json(row, 1)?));
            Ok(())
        })?;
        cover(keys, into);
        Ok(())
    }

    /// What is sellable of products by location. Added up here: SQLite would sort the levels first, in a table of its own.
    fn available(&self, products: &[ProductId], into: &mut ShopRecords) -> Result<()> {
        let sql = "SELECT k1, level.location_id, level.available + level.pending FROM wanted \
                   CROSS JOIN variant ON variant.shop = ?1 AND variant.product_id = k1 \
                   CROSS JOIN level ON level.shop = ?1 AND level.inventory_item_id = variant.inventory_item_id \
                   LEFT JOIN location ON location.shop = ?1 AND location.id = level.location_id \
                   WHERE level.active AND coalesce(location.active, true)";
        let sums = &mut into.available;
        for product in products {
            sums.insert(*product, BTreeMap::new());
        }
        for_keys(self.connection, self.shop, sql, products, |row| {
            if let Some(sums) = sums.get_mut(&id(row, 0)?) {
                *sums.entry(id(row, 1)?).or_default() += row.get::<_, i64>(2)?;
            }
            Ok(())
        })
    }

    fn sums(
        &self,
        levels: &[LevelKey],
        sql: &str,
        into: &mut BTreeMap<LevelKey, i64>,
    ) -> Result<()> {
        // The rest of a statement that takes more keys has none.
        for_keys(
            self.connection,
            self.shop,
            &format!("{sql} WHERE k1 IS NOT NULL"),
            levels,
            |row| {
                into.insert((id(row, 0)?, id(row, 1)?), row.get(2)?);
                Ok(())
            },
        )
    }
}

fn load_revocations(
    connection: &Connection,
    keys: &[&Key],
    into: &mut Records<RevocationRow>,
) -> Result<()> {
    let mut statement = connection
        .prepare_cached("SELECT at, until FROM revocation WHERE kind = ?1 AND id = ?2")?;
    let revoked: Vec<Revoked> = inner!(keys, Revocation);
    for of in revoked {
        let (kind, id) = of.key();
        let mut rows = statement.query([kind, id])?;
        let found = match rows.next()? {
            Some(row) => Some(RevocationRow {
                at: from_micros(row, 0)?,
                until: from_micros(row, 1)?,
            }),
            None => None,
        };
        drop(rows);
        into.load(of, found);
    }
    Ok(())
}

/// What was not found is known to be absent.
fn load_absent<R: DomainRow>(ids: Vec<R::Id>, into: &mut Records<R>) {
    for id in ids {
        into.load(id, None);
    }
}

/// Of these sets everything is loaded.
fn cover<R: DomainRow>(keys: &[&Key], into: &mut Records<R>) {
    for key in keys {
        into.cover((*key).clone(), Covered::All);
    }
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<(schemas::WebhookId, KeptDelivery)> {
    let fate = match row.get_ref(2)?.as_str()? {
        "applied" => Some(Fate::Applied),
        "ignored" => Some(Fate::Ignored),
        "unreadable" => Some(Fate::Unreadable(
            row.get::<_, Option<_>>(3)?.unwrap_or_default(),
        )),
        _ => None,
    };
    let id: schemas::WebhookId = parsed(row, 0)?;
    let kept = KeptDelivery {
        id: id.clone(),
        signature: row.get(1)?,
        fate,
        arrived: None,
    };
    Ok((id, kept))
}

fn redaction(row: &Row<'_>) -> rusqlite::Result<(schemas::CustomerId, Redaction)> {
    let redaction = Redaction {
        customer: id(row, 0)?,
        at: from_micros(row, 1)?,
        erasing: opt(row, 2, json)?,
    };
    Ok((redaction.customer, redaction))
}

fn message(row: &Row<'_>) -> rusqlite::Result<(String, SentMessage)> {
    let id: String = row.get(0)?;
    let message = SentMessage {
        id: id.clone(),
        begun: from_micros(row, 1)?,
        made: None,
    };
    Ok((id, message))
}

/// `id = k1`, or the same of every column of the key.
fn condition_of_key<R: StoredRow>() -> String {
    let columns = R::KEY.iter().enumerate();
    let parts: Vec<String> = columns
        .map(|(index, column)| format!("{column} = k{}", index + 1))
        .collect();
    parts.join(" AND ")
}

/// Runs a query over the table `wanted`, which holds the keys in its columns `k1`, `k2`, …; the shop is `?1`.
fn for_keys<K: RowKey>(
    connection: &Connection,
    shop: i64,
    sql: &str,
    keys: &[K],
    mut each: impl FnMut(&Row<'_>) -> Result<()>,
) -> Result<()> {
    for keys in keys.chunks(KEYS_MAX) {
        let places = match keys.len() {
            1 => 1,
            len if len <= FEW_KEYS => FEW_KEYS,
            _ => KEYS_MAX,
        };
        let mut statement = connection.prepare_cached(&with_wanted(sql, K::WIDTH, places))?;
        statement.raw_bind_parameter(1, shop)?;
        // What is not bound is null, and equals nothing.
        for (index, key) in keys.iter().enumerate() {
            key.bind(&mut statement, 2 + index * K::WIDTH)?;
        }
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            each(row)?;
        }
        drop(rows);
        debug_assert_eq!(
            statement.get_status(StatementStatus::FullscanStep),
            0,
            "reads a whole table: {sql}"
        );
    }
    Ok(())
}

/// The query with its table `wanted` of so many rows. A list of values is stepped through three times as fast as JSON.
fn with_wanted(sql: &str, width: usize, rows: usize) -> String {
    let (columns, first, other) = match width {
        1 => ("k1", "(?2)", ", (?)"),
        _ => ("k1, k2", "(?2, ?)", ", (?, ?)"),
    };
    let more = other.repeat(rows - 1);
    format!("WITH wanted ({columns}) AS (VALUES {first}{more}) {sql}")
}

#[cfg(test)]
mod tests {
    use domain::{Numbers, PostKey};
    use schemas::Resource;

    use super::super::shops::shops;
    use super::super::{connect, upgrade};
    use super::*;
    use crate::sqlite::testing;

    /// A key of every kind, some of something that is there.
    fn keys(connection: &Connection) -> Vec<Key> {
        let first = |column: &str, table: &str| {
            let first = format!("SELECT min({column}) FROM {table}");
            connection
                .query_row(&first, [], |row| row.get::<_, i64>(0))
                .unwrap()
        };
        let text = |column: &str, table: &str| {
            let first = format!("SELECT min({column}) FROM {table}");
            connection
                .query_row(&first, [], |row| row.get::<_, String>(0))
                .unwrap()
        };
        let item: schemas::InventoryItemId = first("id", "inventory_item").try_into().unwrap();
        let location: schemas::LocationId = first("id", "location").try_into().unwrap();
        let product: ProductId = first("id", "product").try_into().unwrap();
        let customer: schemas::CustomerId = first("id", "customer").try_into().unwrap();
        let level = (item, location);
        let (command, reservation) = (text("id", "command"), text("id", "reservation"));
        let message = text("id", "attempt");
        vec![
            Key::Shop,
            Key::Adjustment(first("id", "effect")),
            Key::Command(command.clone()),
            Key::Customer(customer),
            Key::Delivery(text("webhook_id", "delivery").parse().unwrap()),
            Key::DirtyMark(RecordKey::Product(product)),
            Key::Flight(level),
            Key::Item(item),
            Key::Level(level),
            Key::Location(location),
            Key::Message(message.clone()),
            Key::Order(first("id", "customer_order").try_into().unwrap()),
            Key::Posted(PostKey([1; 32])),
            Key::Product(product),
            Key::Redaction(customer),
            Key::Reservation(reservation.clone()),
            Key::Revocation(Revoked::User("mallory".parse().unwrap())),
            Key::Revocation(Revoked::Token("none".to_owned())),
            Key::Run(text("id", "run").parse().unwrap()),
            Key::Transfer(7_u64.try_into().unwrap()),
            Key::Variant(first("id", "variant").try_into().unwrap()),
            Key::AdjustmentsOfCommand(command),
            Key::AdjustmentsOfReservation(reservation),
            Key::AnsweredAt(level),
            Key::CommandWithKey("ann".parse().unwrap(), "k1".to_owned()),
            Key::FlightsOf(message.clone()),
            Key::LevelsAfter(None),
            Key::LevelsAt(location),
            Key::LevelsAtAfter(location, None),
            Key::LevelsAtAfter(location, Some(item)),
            Key::LevelsOf(item),
            Key::LevelsToNet(None),
            Key::LevelsToNet(Some(level)),
            Key::Messages,
            Key::NewestUnsentAt(level, None),
            Key::NewestUnsentAt(level, Some(9)),
            Key::ReservationsDue(i64::MAX - 1),
            Key::RedactionsUnderWay,
            Key::RunsUnderWay(Resource::Orders),
            Key::Unanswered,
            Key::UnansweredOf(message),
            Key::UnsentAt(level),
            Key::VariantsOf(product),
            Key::VariantsOfItem(item),
            Key::Waiting,
            Key::AvailableOf(product),
            Key::PendingOnHand(level),
            Key::ReservedUnits(level),
            Key::UnsentDraws(level),
        ]
    }

    fn wanted(shop: &ShopDomain, keys: &[Key]) -> BTreeSet<WantedKey> {
        let of = |key: &Key| match key {
            Key::Revocation(_) => (None, key.clone()),
            _ => (Some(shop.clone()), key.clone()),
        };
        keys.iter().map(of).collect()
    }

    fn database() -> (
        tempfile::TempDir,
        Connection,
        BTreeMap<ShopDomain, RegisteredShop>,
    ) {
        let folder = testing::folder();
        let path = upgrade::put_into(folder.path());
        drop(testing::open_in(&folder));
        let connection = connect(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let shops = shops(&connection).unwrap();
        (folder, connection, shops)
    }

    #[test]
    fn whatever_is_asked_for_is_known_afterwards_there_or_not() {
        let (_folder, connection, shops) = database();
        let keys = keys(&connection);
        for shop in ["pretend.myshopify.com", "unknown.myshopify.com"] {
            let shop: ShopDomain = shop.parse().unwrap();
            let mut set = WorkingSet::new(Numbers::default());
            let wanted = wanted(&shop, &keys);
            load(&connection, &shops, &wanted, &mut set).unwrap();
            assert_eq!(set.unknown(wanted), BTreeSet::new(), "{shop}");
            let is_there = set.shops.get(&shop).unwrap().is_some();
            let records = set.shop_records(&shop);
            assert_eq!(records.levels.current().count() > 0, is_there);
            assert_eq!(records.orders.current().count() > 0, is_there);
            assert_eq!(records.commands.current().count() > 0, is_there);
        }
    }

    #[test]
    fn many_keys_at_once_load_what_each_alone_does() {
        let (_folder, connection, shops) = database();
        let shop: ShopDomain = "pretend.myshopify.com".parse().unwrap();
        let ids = |sql: &str| -> Vec<(i64, i64)> {
            let mut ids = connection.prepare(sql).unwrap();
            let ids = ids
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
                .unwrap();
            ids.collect::<rusqlite::Result<_>>().unwrap()
        };
        let orders = ids("SELECT id, 0 FROM customer_order UNION SELECT 1, 0");
        let levels = ids("SELECT inventory_item_id, location_id FROM level");
        let order = |(id, _): (i64, i64)| Key::Order(id.try_into().unwrap());
        let level = |(item, location): (i64, i64)| {
            Key::Level((item.try_into().unwrap(), location.try_into().unwrap()))
        };
        let keys: Vec<Key> = orders
            .into_iter()
            .map(order)
            .chain(levels.into_iter().map(level))
            .collect();
        assert!(keys.len() > KEYS_MAX + FEW_KEYS);
        let mut together = WorkingSet::new(Numbers::default());
        load(&connection, &shops, &wanted(&shop, &keys), &mut together).unwrap();
        let mut alone = WorkingSet::new(Numbers::default());
        for key in &keys {
            let one = wanted(&shop, std::slice::from_ref(key));
            load(&connection, &shops, &one, &mut alone).unwrap();
        }
        let (together, alone) = (together.shop_records(&shop), alone.shop_records(&shop));
        let lines: usize = together
            .orders
            .current()
            .map(|order| order.lines.len())
            .sum();
        assert!(lines > 100);
        assert!(together.orders.current().eq(alone.orders.current()));
        assert!(together.levels.current().eq(alone.levels.current()));
    }
}
