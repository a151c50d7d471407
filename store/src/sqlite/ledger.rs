//! Commands, holds, effects and attempts in their tables.

use rusqlite::{OptionalExtension as _, Row, params};
use schemas::shape::ReservationShape;
use schemas::{InventoryItemId, LocationId, Timestamp, UserId};

use super::column::{from_micros, id, json, micros, unword, word};
use super::engine::SqliteTables;
use crate::attempt::{Attempt, Flight};
use crate::command::{Effect, KeptCommand, is_open};
use crate::tables::{Ledger, Result};

/// The columns that `effect` reads.
pub(super) const EFFECT_COLUMNS: &str = "effect.id, effect.inventory_item_id, effect.location_id, effect.command, \
                                         effect.reservation, effect.lane, effect.quantity, effect.available, \
                                         effect.on_hand, effect.given, effect.stale, effect.attempt, effect.answered";

pub(super) fn effect(row: &Row<'_>) -> rusqlite::Result<Effect> {
    Ok(Effect {
        id: row.get(0)?,
        item: id(row, 1)?,
        location: id(row, 2)?,
        command: row.get(3)?,
        reservation: row.get(4)?,
        lane: unword(row, 5)?,
        quantity: row.get(6)?,
        available: row.get(7)?,
        on_hand: row.get(8)?,
        given: from_micros(row, 9)?,
        stale: row.get(10)?,
        attempt: row.get(11)?,
        answered: row.get(12)?,
    })
}

impl SqliteTables<'_> {
    fn effects_where(
        &self,
        condition: &str,
        key: &str,
        limit: Option<usize>,
    ) -> Result<Vec<Effect>> {
        let sql = format!(
            "SELECT {EFFECT_COLUMNS} FROM effect WHERE shop = ?1 AND {condition} ORDER BY id LIMIT ?3"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let limit = limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
        Ok(statement
            .query_map(params![self.shop.row, key, limit], effect)?
            .collect::<rusqlite::Result<_>>()?)
    }
}

impl Ledger for SqliteTables<'_> {
    fn command(&self, id: &str) -> Result<Option<KeptCommand>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT record FROM command WHERE shop = ?1 AND id = ?2")?;
        Ok(statement
            .query_row(params![self.shop.row, id], |row| json(row, 0))
            .optional()?)
    }

    fn command_by_key(&self, by: &UserId, key: &str) -> Result<Option<KeptCommand>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT record FROM command WHERE shop = ?1 AND by_user = ?2 AND idempotency_key = ?3",
        )?;
        Ok(statement
            .query_row(params![self.shop.row, by.as_str(), key], |row| json(row, 0))
            .optional()?)
    }

    fn put_command(&mut self, command: &KeptCommand) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO command (shop, id, given, by_user, state, idempotency_key, record) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
                 ON CONFLICT (shop, id) DO UPDATE SET state = excluded.state, record = excluded.record",
            )?
            .execute(params![
                self.shop.row,
                command.shape.command_id,
                micros(command.shape.at),
                command.shape.by.as_str(),
                word(&command.shape.state)?,
                command.key,
                serde_json::to_string(command)?
            ])?;
        Ok(())
    }

    fn reservation(&self, id: &str) -> Result<Option<ReservationShape>> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT record FROM reservation WHERE shop = ?1 AND id = ?2")?;
        Ok(statement
            .query_row(params![self.shop.row, id], |row| json(row, 0))
            .optional()?)
    }

    fn put_reservation(&mut self, reservation: &ReservationShape) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO reservation (shop, id, open, expires_at, record) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (shop, id) DO UPDATE \
                 SET open = excluded.open, expires_at = excluded.expires_at, record = excluded.record",
            )?
            .execute(params![
                self.shop.row,
                reservation.reservation_id,
                is_open(reservation.state),
                micros(reservation.expires_at),
                serde_json::to_string(reservation)?
            ])?;
        Ok(())
    }

    fn reservations_due(&self, now: Timestamp, limit: usize) -> Result<Vec<ReservationShape>> {
        let sql = format!(
            "SELECT record FROM reservation WHERE shop = ?1 AND open AND expires_at <= ?2 ORDER BY expires_at LIMIT {limit}"
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let due = statement.query_map(params![self.shop.row, micros(now)], |row| json(row, 0))?;
        Ok(due.collect::<rusqlite::Result<_>>()?)
    }

    fn held_at(&self, item: InventoryItemId, location: LocationId) -> Result<i64> {
        let mut statement = self.connection.prepare_cached(
            "SELECT coalesce(sum(part.value ->> 'quantity'), 0) FROM reservation, json_each(record, '$.items') AS part \
             WHERE shop = ?1 AND open AND record ->> 'state' = 'held' \
             AND part.value ->> 'inventoryItemId' = ?2 AND part.value ->> 'locationId' = ?3",
        )?;
        let level = params![self.shop.row, item.to_string(), location.to_string()];
        Ok(statement.query_row(level, |row| row.get(0))?)
    }

    fn add_effect(&mut self, effect: &Effect) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT INTO effect (shop, inventory_item_id, location_id, command, reservation, lane, quantity, available, \
                 on_hand, given) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?
            .execute(params![
                self.shop.row,
                effect.item.to_i64(),
                effect.location.to_i64(),
                effect.command,
                effect.reservation,
                word(&effect.lane)?,
                effect.quantity,
                effect.available,
                effect.on_hand,
                micros(effect.given)
            ])?;
        Ok(())
    }

    fn effect(&self, id: i64) -> Result<Option<Effect>> {
        let sql = format!("SELECT {EFFECT_COLUMNS} FROM effect WHERE shop = ?1 AND id = ?2");
        let mut statement = self.connection.prepare_cached(&sql)?;
        Ok(statement
            .query_row(params![self.shop.row, id], effect)
            .optional()?)
    }

    fn take_effects(&mut self, ids: &[i64], attempt: &str) -> Result<bool> {
        let waiting = "shop = ?1 AND attempt IS NULL AND id IN (SELECT value FROM json_each(?2))";
        let list = serde_json::to_string(ids)?;
        let count: i64 = self
            .connection
            .prepare_cached(&format!("SELECT count(*) FROM effect WHERE {waiting}"))?
            .query_row(params![self.shop.row, list], |row| row.get(0))?;
        if usize::try_from(count) != Ok(ids.len()) {
            return Ok(false);
        }
        self.connection
            .prepare_cached(&format!("UPDATE effect SET attempt = ?3 WHERE {waiting}"))?
            .execute(params![self.shop.row, list, attempt])?;
        Ok(true)
    }

    fn put_effect(&mut self, effect: &Effect) -> Result<()> {
        self.connection
            .prepare_cached(
                "UPDATE effect SET stale = ?3, attempt = ?4, answered = ?5 WHERE shop = ?1 AND id = ?2",
            )?
            .execute(params![self.shop.row, effect.id, effect.stale, effect.attempt, effect.answered])?;
        Ok(())
    }

    fn delete_effect(&mut self, id: i64) -> Result<()> {
        self.connection
            .prepare_cached("DELETE FROM effect WHERE shop = ?1 AND id = ?2")?
            .execute(params![self.shop.row, id])?;
        Ok(())
    }

    fn effects(&self) -> Result<Vec<Effect>> {
        self.effects_where("?2 = ''", "", None)
    }

    fn unanswered_of_attempt(&self, attempt: &str, limit: usize) -> Result<Vec<Effect>> {
        self.effects_where("attempt = ?2 AND NOT answered", attempt, Some(limit))
    }

    fn effects_of_reservation(&self, reservation: &str) -> Result<Vec<Effect>> {
        self.effects_where("reservation = ?2", reservation, None)
    }

    fn unanswered_of_command(&self, command: &str) -> Result<u64> {
        let mut statement = self.connection.prepare_cached(
            "SELECT count(*) FROM effect WHERE shop = ?1 AND command = ?2 AND NOT answered",
        )?;
        Ok(statement
            .query_row(params![self.shop.row, command], |row| row.get::<_, i64>(0))?
            .cast_unsigned())
    }

    fn oldest_effect(&self) -> Result<Option<Timestamp>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT given FROM effect WHERE shop = ?1 AND attempt IS NULL ORDER BY id LIMIT 1",
        )?;
        let waiting = statement
            .query_row([self.shop.row], |row| from_micros(row, 0))
            .optional()?;
        let mut statement = self
            .connection
            .prepare_cached("SELECT min(begun) FROM attempt WHERE shop = ?1")?;
        let begun: Option<i64> = statement.query_row([self.shop.row], |row| row.get(0))?;
        let begun = begun.and_then(|micros| Timestamp::from_microsecond(micros).ok());
        Ok(waiting.into_iter().chain(begun).min())
    }

    fn pending_on_hand(&self, item: InventoryItemId, location: LocationId) -> Result<i64> {
        let mut statement = self.connection.prepare_cached(
            "SELECT coalesce(sum(on_hand), 0) FROM effect \
             WHERE shop = ?1 AND inventory_item_id = ?2 AND location_id = ?3",
        )?;
        Ok(
            statement.query_row([self.shop.row, item.to_i64(), location.to_i64()], |row| {
                row.get(0)
            })?,
        )
    }

    fn settle_level(&mut self, item: InventoryItemId, location: LocationId) -> Result<i64> {
        let level = [self.shop.row, item.to_i64(), location.to_i64()];
        let condition =
            "WHERE shop = ?1 AND inventory_item_id = ?2 AND location_id = ?3 AND answered";
        let settled = self
            .connection
            .prepare_cached(&format!(
                "SELECT coalesce(sum(available), 0) FROM effect {condition}"
            ))?
            .query_row(level, |row| row.get(0))?;
        self.connection
            .prepare_cached(&format!("DELETE FROM effect {condition}"))?
            .execute(level)?;
        self.delete_flight(item, location)?;
        Ok(settled)
    }

    fn attempt(&self, id: &str) -> Result<Option<Attempt>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, kind, body, begun FROM attempt WHERE shop = ?1 AND id = ?2",
        )?;
        let found = statement
            .query_row(params![self.shop.row, id], attempt)
            .optional()?;
        found
            .map(|found| with_levels(self.connection, found))
            .transpose()
    }

    fn put_attempt(&mut self, attempt: &Attempt) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO attempt (id, shop, kind, body, begun) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                attempt.id,
                self.shop.row,
                word(&attempt.kind)?,
                attempt.body,
                micros(attempt.begun)
            ])?;
        Ok(())
    }

    fn delete_attempt(&mut self, id: &str) -> Result<()> {
        self.connection
            .prepare_cached("DELETE FROM attempt WHERE shop = ?1 AND id = ?2")?
            .execute(params![self.shop.row, id])?;
        Ok(())
    }

    fn flight(&self, item: InventoryItemId, location: LocationId) -> Result<Option<Flight>> {
        let mut statement = self.connection.prepare_cached(
            "SELECT attempt, answered FROM flight WHERE shop = ?1 AND inventory_item_id = ?2 AND location_id = ?3",
        )?;
        let read = |row: &Row<'_>| {
            Ok(Flight {
                attempt: row.get(0)?,
                answered: row.get(1)?,
            })
        };
        Ok(statement
            .query_row([self.shop.row, item.to_i64(), location.to_i64()], read)
            .optional()?)
    }

    fn put_flight(
        &mut self,
        item: InventoryItemId,
        location: LocationId,
        flight: &Flight,
    ) -> Result<()> {
        self.connection
            .prepare_cached(
                "INSERT OR REPLACE INTO flight (shop, inventory_item_id, location_id, attempt, answered) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                self.shop.row,
                item.to_i64(),
                location.to_i64(),
                flight.attempt,
                flight.answered
            ])?;
        Ok(())
    }

    fn delete_flight(&mut self, item: InventoryItemId, location: LocationId) -> Result<()> {
        self.connection
            .prepare_cached(
                "DELETE FROM flight WHERE shop = ?1 AND inventory_item_id = ?2 AND location_id = ?3",
            )?
            .execute([self.shop.row, item.to_i64(), location.to_i64()])?;
        Ok(())
    }
}

/// An attempt without its levels.
pub(super) fn attempt(row: &Row<'_>) -> rusqlite::Result<Attempt> {
    Ok(Attempt {
        id: row.get(0)?,
        kind: unword(row, 1)?,
        body: row.get(2)?,
        begun: from_micros(row, 3)?,
        levels: Vec::new(),
    })
}

/// The levels that an attempt is changing, in the order in which it names them.
pub(super) fn with_levels(connection: &rusqlite::Connection, attempt: Attempt) -> Result<Attempt> {
    let mut statement = connection.prepare_cached(
        "SELECT inventory_item_id, location_id FROM flight WHERE attempt = ?1 ORDER BY inventory_item_id, location_id",
    )?;
    let levels = statement.query_map([&attempt.id], |row| Ok((id(row, 0)?, id(row, 1)?)))?;
    Ok(Attempt {
        levels: levels.collect::<rusqlite::Result<_>>()?,
        ..attempt
    })
}
