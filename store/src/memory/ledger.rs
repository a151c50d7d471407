//! Commands, holds, effects and attempts, in memory.

use std::collections::BTreeMap;

use domain::effect::{Lane, Waiting};
use schemas::shape::{CommandState, ReservationShape, ReservationState};
use schemas::{InventoryItemId, LocationId, RecordKey, Timestamp, UserId};

use super::{MemoryTables, Shop};
use crate::attempt::{Attempt, Flight};
use crate::command::{Effect, KeptCommand, is_open};
use crate::tables::{Ledger, Result};
use crate::{CommandFilter, HoldFilter, StoreError};

/// A shop's part of what commands need.
#[derive(Clone, Default)]
pub(super) struct Kept {
    commands: BTreeMap<String, KeptCommand>,
    reservations: BTreeMap<String, ReservationShape>,
    pub(super) effects: BTreeMap<i64, Effect>,
    last_effect: i64,
    attempts: BTreeMap<String, Attempt>,
    flights: BTreeMap<(InventoryItemId, LocationId), Flight>,
}

impl Kept {
    /// Whether an attempt is changing that level right now.
    pub(super) fn in_flight(&self, key: RecordKey) -> bool {
        let RecordKey::Level(item, location) = key else {
            return false;
        };
        self.flights
            .get(&(item, location))
            .is_some_and(|flight| !flight.answered)
    }

    pub(super) fn unanswered(&self) -> u64 {
        self.effects
            .values()
            .filter(|effect| !effect.answered)
            .count() as u64
    }

    pub(super) fn attempts(&self) -> Vec<Attempt> {
        let mut attempts: Vec<_> = self.attempts.values().cloned().collect();
        attempts.sort_by_key(|attempt| attempt.begun);
        attempts
    }

    pub(super) fn commands(&self, filter: &CommandFilter) -> Result<Vec<serde_json::Value>> {
        let wanted = |command: &&KeptCommand| {
            let state = serde_json::to_value(self.state(command)).unwrap_or_default();
            let place = (command.shape.at, command.shape.command_id.clone());
            filter
                .id
                .as_ref()
                .is_none_or(|id| *id == command.shape.command_id)
                && filter
                    .by
                    .as_deref()
                    .is_none_or(|by| by == command.shape.by.as_str())
                && filter.state.as_deref().is_none_or(|wanted| state == wanted)
                && filter
                    .item
                    .is_none_or(|wanted| command.levels.iter().any(|(item, _)| *item == wanted))
                && filter.seen_by.as_ref().is_none_or(|(user, mine)| {
                    command.shape.by == *user
                        || (!command.levels.is_empty()
                            && command
                                .levels
                                .iter()
                                .all(|(_, location)| mine.contains(location)))
                })
                && filter.before.as_ref().is_none_or(|before| place < *before)
        };
        let mut found: Vec<_> = self.commands.values().filter(wanted).collect();
        found.sort_by_key(|command| (command.shape.at, command.shape.command_id.clone()));
        let newest = found.into_iter().rev().take(filter.limit);
        newest
            .map(|command| {
                command
                    .outward(self.state(command))
                    .map_err(StoreError::from)
            })
            .collect()
    }

    fn state(&self, command: &KeptCommand) -> CommandState {
        let id = Some(&command.shape.command_id);
        let sent = |effect: &Effect| effect.command.as_ref() == id && effect.attempt.is_some();
        match command.shape.state {
            CommandState::Accepted if self.effects.values().any(sent) => CommandState::Sending,
            state => state,
        }
    }

    pub(super) fn reservations(&self, filter: &HoldFilter) -> Vec<ReservationShape> {
        let place = |held: &ReservationShape| (held.expires_at, held.reservation_id.clone());
        let wanted = |held: &&ReservationShape| match &filter.id {
            Some(id) => held.reservation_id == *id,
            None => {
                is_open(held.state)
                    && filter
                        .after
                        .as_ref()
                        .is_none_or(|after| place(held) > *after)
                    && filter.seen_by.as_ref().is_none_or(|(user, mine)| {
                        held.created_by == *user
                            || (!held.items.is_empty()
                                && held
                                    .items
                                    .iter()
                                    .all(|item| mine.contains(&item.location_id)))
                    })
            }
        };
        let mut found: Vec<_> = self.reservations.values().filter(wanted).cloned().collect();
        found.sort_by_key(place);
        found.truncate(filter.limit);
        found
    }

    pub(super) fn forget(&mut self, before: Timestamp) {
        self.commands.retain(|_, command| {
            command.shape.state == CommandState::Accepted || command.shape.at >= before
        });
        self.reservations
            .retain(|_, hold| is_open(hold.state) || hold.expires_at >= before);
    }

    fn of(&self, wanted: impl Fn(&&Effect) -> bool) -> Vec<Effect> {
        self.effects.values().filter(wanted).cloned().collect()
    }
}

impl Shop {
    pub(super) fn waiting(&self, limit: usize) -> Vec<Waiting> {
        let stale = |level| {
            self.kept
                .effects
                .values()
                .any(|effect| effect.stale > 0 && (effect.item, effect.location) == level)
        };
        let free = |effect: &&Effect| {
            let level = (effect.item, effect.location);
            // A sale waits until all of its hold is there: should a part fail, nothing of it is sold.
            let unheld = |other: &Effect| {
                other.reservation == effect.reservation
                    && other.lane == Lane::Move
                    && !other.answered
            };
            let early = effect.lane == Lane::Sell && self.kept.effects.values().any(unheld);
            let changed = stale(level)
                && self
                    .marked
                    .contains_key(&RecordKey::Level(level.0, level.1));
            effect.attempt.is_none()
                && !self.kept.flights.contains_key(&level)
                && !early
                && !changed
        };
        let waiting = |effect: &Effect| {
            let observed = self
                .levels
                .get(&(effect.item, effect.location))?
                .observed
                .quantities;
            let Effect {
                id,
                reservation,
                item,
                location,
                lane,
                quantity,
                stale,
                ..
            } = effect.clone();
            Some(Waiting {
                id,
                reservation,
                item,
                location,
                lane,
                quantity,
                stale,
                observed,
            })
        };
        self.kept
            .effects
            .values()
            .filter(free)
            .filter_map(waiting)
            .take(limit)
            .collect()
    }
}

impl Ledger for MemoryTables<'_> {
    fn command(&self, id: &str) -> Result<Option<KeptCommand>> {
        Ok(self.here().kept.commands.get(id).cloned())
    }

    fn command_by_key(&self, by: &UserId, key: &str) -> Result<Option<KeptCommand>> {
        let same =
            |command: &&KeptCommand| command.shape.by == *by && command.key.as_deref() == Some(key);
        Ok(self.here().kept.commands.values().find(same).cloned())
    }

    fn put_command(&mut self, command: &KeptCommand) -> Result<()> {
        self.here_mut()
            .kept
            .commands
            .insert(command.shape.command_id.clone(), command.clone());
        Ok(())
    }

    fn reservation(&self, id: &str) -> Result<Option<ReservationShape>> {
        Ok(self.here().kept.reservations.get(id).cloned())
    }

    fn put_reservation(&mut self, reservation: &ReservationShape) -> Result<()> {
        self.here_mut()
            .kept
            .reservations
            .insert(reservation.reservation_id.clone(), reservation.clone());
        Ok(())
    }

    fn reservations_due(&self, now: Timestamp, limit: usize) -> Result<Vec<ReservationShape>> {
        let due = |held: &&ReservationShape| is_open(held.state) && held.expires_at <= now;
        Ok(self
            .here()
            .kept
            .reservations
            .values()
            .filter(due)
            .take(limit)
            .cloned()
            .collect())
    }

    fn held_at(&self, item: InventoryItemId, location: LocationId) -> Result<i64> {
        let held = self
            .here()
            .kept
            .reservations
            .values()
            .filter(|hold| hold.state == ReservationState::Held);
        let parts = held.flat_map(|hold| &hold.items);
        let here =
            parts.filter(|part| (part.inventory_item_id, part.location_id) == (item, location));
        Ok(here.map(|part| part.quantity).sum())
    }

    fn add_effect(&mut self, effect: &Effect) -> Result<()> {
        let kept = &mut self.here_mut().kept;
        kept.last_effect += 1;
        let id = kept.last_effect;
        kept.effects.insert(
            id,
            Effect {
                id,
                ..effect.clone()
            },
        );
        Ok(())
    }

    fn effect(&self, id: i64) -> Result<Option<Effect>> {
        Ok(self.here().kept.effects.get(&id).cloned())
    }

    fn take_effects(&mut self, ids: &[i64], attempt: &str) -> Result<bool> {
        let effects = &mut self.here_mut().kept.effects;
        let wait = |id| {
            effects
                .get(id)
                .is_some_and(|effect: &Effect| effect.attempt.is_none())
        };
        let all = ids.iter().all(wait);
        for (_, effect) in effects.iter_mut().filter(|(id, _)| all && ids.contains(id)) {
            effect.attempt = Some(attempt.to_owned());
        }
        Ok(all)
    }

    fn put_effect(&mut self, effect: &Effect) -> Result<()> {
        self.here_mut()
            .kept
            .effects
            .insert(effect.id, effect.clone());
        Ok(())
    }

    fn delete_effect(&mut self, id: i64) -> Result<()> {
        self.here_mut().kept.effects.remove(&id);
        Ok(())
    }

    fn effects(&self) -> Result<Vec<Effect>> {
        Ok(self.here().kept.of(|_| true))
    }

    fn unanswered_of_attempt(&self, attempt: &str, limit: usize) -> Result<Vec<Effect>> {
        let mut open = self
            .here()
            .kept
            .of(|effect| effect.attempt.as_deref() == Some(attempt) && !effect.answered);
        open.truncate(limit);
        Ok(open)
    }

    fn effects_of_reservation(&self, reservation: &str) -> Result<Vec<Effect>> {
        Ok(self
            .here()
            .kept
            .of(|effect| effect.reservation.as_deref() == Some(reservation)))
    }

    fn unanswered_of_command(&self, command: &str) -> Result<u64> {
        let open = self
            .here()
            .kept
            .of(|effect| effect.command.as_deref() == Some(command) && !effect.answered);
        Ok(open.len() as u64)
    }

    fn oldest_effect(&self) -> Result<Option<Timestamp>> {
        let kept = &self.here().kept;
        let waiting = kept
            .effects
            .values()
            .find(|effect| effect.attempt.is_none())
            .map(|effect| effect.given);
        Ok(kept
            .attempts
            .values()
            .map(|attempt| attempt.begun)
            .chain(waiting)
            .min())
    }

    fn pending_on_hand(&self, item: InventoryItemId, location: LocationId) -> Result<i64> {
        let here = self
            .here()
            .kept
            .of(|effect| (effect.item, effect.location) == (item, location));
        Ok(here.iter().map(|effect| effect.on_hand).sum())
    }

    fn settle_level(&mut self, item: InventoryItemId, location: LocationId) -> Result<i64> {
        let answered = |effect: &&Effect| {
            (effect.item, effect.location) == (item, location) && effect.answered
        };
        let settled = self.here().kept.of(answered);
        let kept = &mut self.here_mut().kept;
        kept.flights.remove(&(item, location));
        for effect in &settled {
            kept.effects.remove(&effect.id);
        }
        Ok(settled.iter().map(|effect| effect.available).sum())
    }

    fn attempt(&self, id: &str) -> Result<Option<Attempt>> {
        Ok(self.here().kept.attempts.get(id).cloned())
    }

    fn put_attempt(&mut self, attempt: &Attempt) -> Result<()> {
        self.here_mut()
            .kept
            .attempts
            .insert(attempt.id.clone(), attempt.clone());
        Ok(())
    }

    fn delete_attempt(&mut self, id: &str) -> Result<()> {
        self.here_mut().kept.attempts.remove(id);
        Ok(())
    }

    fn flight(&self, item: InventoryItemId, location: LocationId) -> Result<Option<Flight>> {
        Ok(self.here().kept.flights.get(&(item, location)).cloned())
    }

    fn put_flight(
        &mut self,
        item: InventoryItemId,
        location: LocationId,
        flight: &Flight,
    ) -> Result<()> {
        self.here_mut()
            .kept
            .flights
            .insert((item, location), flight.clone());
        Ok(())
    }

    fn delete_flight(&mut self, item: InventoryItemId, location: LocationId) -> Result<()> {
        self.here_mut().kept.flights.remove(&(item, location));
        Ok(())
    }
}
