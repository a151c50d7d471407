//! Writes of quantities: each compared with what is there, then applied together, and kept as a group of changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::to_second;
use crate::record::{AVAILABLE, STATES, on_hand};
use crate::store::{MAX_QUANTITY, SimStore};

/// What is wanted of one level.
pub(crate) struct AdjustmentEntry {
    pub(crate) item: u64,
    pub(crate) location: u64,
    /// One, or for a move two: from where, to where.
    pub(crate) steps: Vec<AdjustmentStep>,
}

/// What is wanted of one quantity.
pub(crate) struct AdjustmentStep {
    /// One of [`STATES`], or `on_hand` for the available part of it.
    pub(crate) name: &'static str,
    pub(crate) change: QuantityChange,
    /// What must be there before.
    pub(crate) expected: Option<i64>,
    pub(crate) document: Option<Arc<str>>,
}

#[derive(Clone, Copy)]
pub(crate) enum QuantityChange {
    To(i64),
    By(i64),
    /// Out of it, into another quantity of the level.
    MoveOut(i64),
}

/// Why an entry was not applied.
#[derive(Clone, Copy)]
pub(crate) enum AdjustmentFault {
    Stale,
    TooHigh,
    TooLow,
}

/// What one call changed.
pub(crate) struct Group {
    pub(crate) id: u64,
    pub(crate) reason: String,
    pub(crate) reference: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) changed: Vec<Changed>,
}

pub(crate) struct Changed {
    pub(crate) item: u64,
    pub(crate) location: u64,
    pub(crate) name: &'static str,
    pub(crate) delta: i64,
    pub(crate) document: Option<Arc<str>>,
}

/// A fault with the number of its entry and of its step.
pub(crate) type AdjustmentFaults = Vec<(usize, usize, AdjustmentFault)>;

type LevelQuantities = [i64; STATES.len()];

impl SimStore {
    /// Applies entries whose items and locations exist, in their order.
    ///
    /// An entry with a fault is left out, and in an atomic batch all are. Without a change there is no group.
    pub(crate) fn write(
        &mut self,
        reason: String,
        reference: Option<String>,
        entries: &[AdjustmentEntry],
        now: Timestamp,
    ) -> (Option<Group>, AdjustmentFaults) {
        let mut ahead: BTreeMap<(u64, u64), LevelQuantities> = BTreeMap::new();
        let (mut deltas, mut changed, mut faults) =
            (Vec::new(), Vec::new(), AdjustmentFaults::new());
        for (number, entry) in entries.iter().enumerate() {
            let level = (entry.item, entry.location);
            let stored = || {
                self.level(entry.item, entry.location)
                    .map_or([0; STATES.len()], |l| l.quantities)
            };
            let before = ahead.get(&level).copied().unwrap_or_else(stored);
            match entry.applied_to(before, self.switches.move_below_zero) {
                Ok(after) => {
                    ahead.insert(level, after);
                    changed.extend(entry.changed(&before, &after));
                    let states = 0..STATES.len();
                    deltas.push((
                        level,
                        states
                            .map(|state| (state, after[state] - before[state]))
                            .collect(),
                    ));
                }
                Err((step, fault)) => faults.push((number, step, fault)),
            }
        }
        if changed.is_empty() || (self.switches.batch_atomic && !faults.is_empty()) {
            return (None, faults);
        }
        self.begin();
        for ((item, location), deltas) in deltas {
            self.write_level(item, location, deltas, now);
        }
        (
            Some(Group {
                id: self.next_id(),
                reason,
                reference,
                created_at: to_second(now),
                changed,
            }),
            faults,
        )
    }

    fn write_level(
        &mut self,
        item: u64,
        location: u64,
        mut deltas: Vec<(usize, i64)>,
        now: Timestamp,
    ) {
        deltas.retain(|(_, delta)| *delta != 0);
        if deltas.is_empty() {
            return;
        }
        // The item and the location exist, so neither is refused.
        if self.level(item, location).is_none() {
            let _ = self.add_level(item, location, 0, self.switches.unstocked_write_stocks, now);
        }
        let _ = self.change_level(item, location, &deltas, now);
    }
}

impl AdjustmentEntry {
    /// The quantities after it; or what is wrong, with the number of the step.
    fn applied_to(
        &self,
        before: LevelQuantities,
        below_zero: bool,
    ) -> Result<LevelQuantities, (usize, AdjustmentFault)> {
        let mut after = before;
        for (number, step) in self.steps.iter().enumerate() {
            let state = STATES.iter().position(|state| *state == step.name);
            let there = state.map_or_else(|| on_hand(&before), |state| before[state]);
            if step.expected.is_some_and(|expected| expected != there) {
                return Err((number, AdjustmentFault::Stale));
            }
            let (delta, least) = match step.change {
                QuantityChange::To(units) => (units - there, -MAX_QUANTITY),
                QuantityChange::By(units) => (units, -MAX_QUANTITY),
                QuantityChange::MoveOut(units) => {
                    (-units, if below_zero { -MAX_QUANTITY } else { 0 })
                }
            };
            let quantity = &mut after[state.unwrap_or(AVAILABLE)];
            *quantity += delta;
            if delta > 0 && *quantity > MAX_QUANTITY {
                return Err((number, AdjustmentFault::TooHigh));
            }
            if delta < 0 && *quantity < least {
                return Err((number, AdjustmentFault::TooLow));
            }
        }
        Ok(after)
    }

    /// What it changed, `on_hand` last if the sum changed too: so recorded on a real shop.
    fn changed(&self, before: &LevelQuantities, after: &LevelQuantities) -> Vec<Changed> {
        let (item, location) = (self.item, self.location);
        let mut changed = Vec::with_capacity(self.steps.len() + 1);
        for step in &self.steps {
            let state = STATES
                .iter()
                .position(|state| *state == step.name)
                .unwrap_or(AVAILABLE);
            let (name, delta) = (STATES[state], after[state] - before[state]);
            changed.push(Changed {
                item,
                location,
                name,
                delta,
                document: step.document.clone(),
            });
        }
        let delta = on_hand(after) - on_hand(before);
        changed.push(Changed {
            item,
            location,
            name: "on_hand",
            delta,
            document: None,
        });
        changed.retain(|change| change.delta != 0);
        changed
    }
}
