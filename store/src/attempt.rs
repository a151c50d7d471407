//! Attempts inside a transaction: what is being sent to Shopify, and what its answer makes true.
//!
//! A level in flight is read by nobody: what is heard of it is put aside until the answer is there, and what was
//! pending ends only with a reading that began after it. So neither an early nor a late webhook counts a
//! change twice.

use std::collections::BTreeSet;

use inventory::HeldLevel;
use inventory::effect::{CallKind, Lane};
use schemas::command::CommandKind;
use schemas::record::Level;
use schemas::shape::{CommandState, ReservationShape, ReservationState};
use schemas::{
    ErrorBody, ErrorCode, EventData, InventoryItemId, LocationId, Logged, RecordKey, Timestamp,
};

use crate::Outcome;
use crate::command::{Effect, give_back, is_open, shift_pending};
use crate::tables::{Keep, Result, Tables, Tries};

/// Effects of one attempt settled in one go: what is given meanwhile waits no longer than that.
const SETTLED_MAX: usize = 200;

/// One call to Shopify, kept with its exact bytes until it is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Also its idempotency key.
    pub id: String,
    /// What it does.
    pub kind: CallKind,
    /// What is sent, the same bytes every time.
    pub body: String,
    /// When it was sent first.
    pub begun: Timestamp,
    /// The levels it changes, in the order of its entries.
    pub levels: Vec<(InventoryItemId, LocationId)>,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub enum End {
    /// Shopify did all of it.
    Done,
    /// Shopify refused it when it was sent first, and that answer was lost: what was done shows in the levels as
    /// they were read afterwards.
    Compared {
        /// How the levels are now.
        readings: Vec<Level>,
        /// Whether Shopify was never seen to do a part of a call that it refused.
        whole: bool,
    },
    /// Shopify did it at all levels but these.
    Partly(Vec<((InventoryItemId, LocationId), Refusal)>),
    /// Shopify did nothing of it; why, for the levels where there is a reason of their own.
    Refused(Vec<((InventoryItemId, LocationId), Refusal)>),
    /// Nobody can tell any more; a person decides.
    Unknown(ErrorBody),
}

/// Why Shopify did not change a level.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// Nothing was wrong with it: it is sent again in another call.
    Again,
    /// It never will.
    Never(ErrorBody),
    /// It was not at the value that was compared.
    Stale,
    /// Whether it did cannot be told.
    Unknown(ErrorBody),
}

/// A level between the sending of an attempt and the reading after its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flight {
    pub(crate) attempt: String,
    pub(crate) answered: bool,
}

/// Takes effects into an attempt; false, and nothing, when one of them waits no longer.
pub(crate) fn start<T: Tables>(tables: &mut T, attempt: &Attempt, effects: &[i64]) -> Result<bool> {
    if !tables.take_effects(effects, &attempt.id)? {
        return Ok(false);
    }
    for (item, location) in &attempt.levels {
        tables.put_flight(
            *item,
            *location,
            &Flight {
                attempt: attempt.id.clone(),
                answered: false,
            },
        )?;
    }
    tables.put_attempt(attempt)?;
    Ok(true)
}

/// What an answer makes true. What was done whole is settled in slices: should the rest be lost in a crash, the
/// same call gets the same answer again.
pub(crate) fn settle<T: Tables>(
    tables: &mut T,
    id: &str,
    end: &End,
    at: Timestamp,
) -> Result<Outcome> {
    let Some(attempt) = tables.attempt(id)? else {
        return Ok(Outcome::default());
    };
    let slice = if matches!(end, End::Done) {
        SETTLED_MAX
    } else {
        usize::MAX
    };
    let effects = tables.unanswered_of_attempt(id, slice)?;
    if effects.len() == slice {
        for effect in &effects {
            tables.put_effect(&Effect {
                answered: true,
                ..effect.clone()
            })?;
        }
        confirm(tables, &effects, at)?;
        return Ok(Outcome {
            fresh: true,
            more: true,
            ..Outcome::default()
        });
    }
    tables.delete_attempt(id)?;
    let compared = match end {
        End::Compared { readings, whole } => Some(compare(
            tables,
            &attempt.levels,
            &effects,
            readings,
            *whole,
        )?),
        _ => None,
    };
    let end = compared.as_ref().unwrap_or(end);
    for (item, location) in &attempt.levels {
        if end.at((*item, *location)).is_none() {
            tables.put_flight(
                *item,
                *location,
                &Flight {
                    attempt: id.to_owned(),
                    answered: true,
                },
            )?;
        } else {
            tables.delete_flight(*item, *location)?;
        }
        // Read again, whatever the answer: only a reading shows what is there now.
        tables.mark(RecordKey::Level(*item, *location), at, None, Tries::Keep)?;
    }
    for effect in &effects {
        let sets = matches!(effect.lane, Lane::SetAvailable | Lane::SetOnHand);
        match end.at((effect.item, effect.location)) {
            None => tables.put_effect(&Effect {
                answered: true,
                ..effect.clone()
            })?,
            Some(Refusal::Again) => tables.put_effect(&Effect {
                attempt: None,
                ..effect.clone()
            })?,
            Some(Refusal::Stale) if sets => {
                let message =
                    "the quantity was changed at Shopify meanwhile: look again and decide anew";
                let error = ErrorBody::new(ErrorCode::Conflict, message);
                fail(tables, effect, CommandState::Conflict, &error, at)?;
            }
            Some(Refusal::Stale) => {
                let stale = effect.stale + 1;
                tables.put_effect(&Effect {
                    attempt: None,
                    stale,
                    ..effect.clone()
                })?;
            }
            Some(Refusal::Never(error)) => fail(tables, effect, CommandState::Failed, &error, at)?,
            Some(Refusal::Unknown(error)) => {
                fail(tables, effect, CommandState::Unknown, &error, at)?
            }
        }
    }
    for (item, location) in &attempt.levels {
        if Keep::<HeldLevel>::find(tables, (*item, *location))?.is_none() {
            abandon(tables, *item, *location, at)?;
        }
    }
    confirm(tables, &effects, at)?;
    Ok(Outcome {
        fresh: true,
        ..Outcome::default()
    })
}

/// Tells by readings at which levels an attempt was done: while it was on its way, nothing else was taken in of
/// them. `reserved` moves by our doing alone. Adjustments cannot be told from sales and fulfilments by what is there,
/// so what counts is whether Shopify ever does a part of a call that it refuses.
fn compare<T: Tables>(
    tables: &T,
    levels: &[(InventoryItemId, LocationId)],
    effects: &[Effect],
    readings: &[Level],
    whole: bool,
) -> Result<End> {
    let mut refusals = Vec::new();
    for &level in levels {
        let here: Vec<&Effect> = effects
            .iter()
            .filter(|effect| level_of(effect) == level)
            .collect();
        let sum: i64 = here.iter().map(|effect| effect.quantity).sum();
        let held: Option<HeldLevel> = tables.find(level)?;
        let said = readings
            .iter()
            .find(|said| (said.inventory_item_id, said.location_id) == level);
        let refusal = match (held, said, here.last()) {
            (Some(held), Some(said), Some(last)) => {
                let (was, is) = (held.observed.quantities, said.quantities);
                let reserved = is.reserved - was.reserved;
                let (done, untouched) = match last.lane {
                    Lane::Move => (reserved == sum, reserved == 0),
                    Lane::Sell => (reserved == -sum, reserved == 0),
                    Lane::Adjust => (false, whole),
                    Lane::SetAvailable => (is.available == last.quantity, true),
                    Lane::SetOnHand => (is.on_hand == last.quantity, true),
                };
                match (done, untouched) {
                    (true, _) => continue,
                    (false, true) => Refusal::Stale,
                    (false, false) => Refusal::Unknown(undecided()),
                }
            }
            _ => Refusal::Unknown(undecided()),
        };
        refusals.push((level, refusal));
    }
    Ok(End::Partly(refusals))
}

fn undecided() -> ErrorBody {
    let message = "Shopify's answer was lost and the level changed meanwhile: look at it by hand";
    ErrorBody::new(ErrorCode::Unavailable, message)
}

impl End {
    /// Why that level was not changed; `None` when it was.
    fn at(&self, level: (InventoryItemId, LocationId)) -> Option<Refusal> {
        let named = |refusals: &[((InventoryItemId, LocationId), Refusal)]| {
            refusals
                .iter()
                .find(|(refused, _)| *refused == level)
                .map(|(_, refusal)| refusal.clone())
        };
        match self {
            Self::Done => None,
            // Told apart before anything is settled.
            Self::Compared { .. } => Some(Refusal::Unknown(undecided())),
            Self::Partly(refusals) => named(refusals),
            Self::Refused(refusals) => named(refusals).or(Some(Refusal::Again)),
            Self::Unknown(error) => Some(Refusal::Unknown(error.clone())),
        }
    }
}

/// Effects that cancel each other out are done without asking anybody.
pub(crate) fn net<T: Tables>(tables: &mut T, effects: &[i64], at: Timestamp) -> Result<()> {
    let mut done = Vec::new();
    for id in effects {
        if let Some(effect) = tables
            .effect(*id)?
            .filter(|effect| effect.attempt.is_none())
        {
            tables.delete_effect(effect.id)?;
            shift_pending(
                tables,
                effect.item,
                effect.location,
                -effect.available,
                None,
                at,
            )?;
            done.push(effect);
        }
    }
    confirm(tables, &done, at)
}

/// Effects for which there is no stock left at Shopify: a shopper was faster.
pub(crate) fn reject<T: Tables>(tables: &mut T, effects: &[i64], at: Timestamp) -> Result<()> {
    for id in effects {
        if let Some(effect) = tables
            .effect(*id)?
            .filter(|effect| effect.attempt.is_none())
        {
            let error = ErrorBody::new(
                ErrorCode::InsufficientStock,
                "a shopper was faster: the stock is gone",
            );
            fail(tables, &effect, CommandState::Failed, &error, at)?;
        }
    }
    Ok(())
}

/// The level is gone: nothing can be changed there any more.
pub(crate) fn abandon<T: Tables>(
    tables: &mut T,
    item: InventoryItemId,
    location: LocationId,
    at: Timestamp,
) -> Result<()> {
    let error = ErrorBody::new(
        ErrorCode::NotFound,
        "the item is no longer stocked at this location",
    );
    for effect in tables.effects()? {
        if (effect.item, effect.location) == (item, location) && effect.attempt.is_none() {
            fail(tables, &effect, CommandState::Failed, &error, at)?;
        }
    }
    Ok(())
}

/// Gives every unsettled effect to a person; how many.
pub(crate) fn park<T: Tables>(tables: &mut T, at: Timestamp) -> Result<u64> {
    let message =
        "the database was restored from a backup: whether Shopify did it must be looked at by hand";
    let error = ErrorBody::new(ErrorCode::Unavailable, message);
    let unsettled = tables.effects()?;
    let attempts: BTreeSet<String> = unsettled
        .iter()
        .filter_map(|effect| effect.attempt.clone())
        .collect();
    for id in attempts {
        settle(tables, &id, &End::Unknown(error.clone()), at)?;
    }
    for effect in tables.effects()? {
        if effect.answered {
            // Done; only the reading that would have shown it is missing, and the level is marked for one.
            continue;
        }
        fail(tables, &effect, CommandState::Unknown, &error, at)?;
    }
    Ok(unsettled.len() as u64)
}

/// Confirms the commands of which nothing is left to be answered.
fn confirm<T: Tables>(tables: &mut T, effects: &[Effect], at: Timestamp) -> Result<()> {
    let commands: BTreeSet<&String> = effects
        .iter()
        .filter_map(|effect| effect.command.as_ref())
        .collect();
    for id in commands {
        if tables.unanswered_of_command(id)? > 0 {
            continue;
        }
        let Some(mut command) = tables.command(id)? else {
            continue;
        };
        if command.shape.state != CommandState::Accepted {
            continue;
        }
        command.shape.state = CommandState::Confirmed;
        tables.put_command(&command)?;
        let reserved = command.shape.kind == CommandKind::Reserve;
        tables.append(at, &Logged::CommandUpdated(command.shape))?;
        if reserved
            && let Some(mut reservation) = tables.reservation(id)?
            && reservation.state == ReservationState::Pending
        {
            reservation.state = ReservationState::Held;
            tables.put_reservation(&reservation)?;
            tables.append(
                at,
                &Logged::InventoryReservation(EventData::Own(reservation)),
            )?;
        }
    }
    Ok(())
}

/// Takes an effect back and tells who is concerned. A hold is held whole or not at all, so with one part of it
/// the others go too.
fn fail<T: Tables>(
    tables: &mut T,
    effect: &Effect,
    state: CommandState,
    error: &ErrorBody,
    at: Timestamp,
) -> Result<()> {
    // An earlier failure of the same hold may have taken it along.
    if tables.effect(effect.id)?.is_none() {
        return Ok(());
    }
    take_back(tables, effect, at)?;
    let Some(id) = &effect.command else {
        tracing::error!(shop.domain = %tables.shop(), %error, item.id = %effect.item, location.id = %effect.location, "a hold that had ended could not be given back at Shopify: correct its reserved quantity there");
        return Ok(());
    };
    fail_command(tables, id, state, error, at)?;
    match &effect.reservation {
        Some(hold) if effect.lane == Lane::Move && effect.quantity > 0 => {
            reject_hold(tables, hold, effect, error, at)
        }
        _ => Ok(()),
    }
}

fn fail_command<T: Tables>(
    tables: &mut T,
    id: &str,
    state: CommandState,
    error: &ErrorBody,
    at: Timestamp,
) -> Result<()> {
    if let Some(mut command) = tables.command(id)?
        && command.shape.state == CommandState::Accepted
    {
        command.shape.state = state;
        command.shape.error = Some(error.clone());
        tables.put_command(&command)?;
        tables.append(at, &Logged::CommandUpdated(command.shape))?;
    }
    Ok(())
}

/// One part of a hold never came to be: the parts not yet sent are taken back, a release or sale of what was
/// never held is dropped, and what Shopify has of it is given back. A sale fails whole, too.
fn reject_hold<T: Tables>(
    tables: &mut T,
    hold: &str,
    failed: &Effect,
    error: &ErrorBody,
    at: Timestamp,
) -> Result<()> {
    let Some(reservation) = tables.reservation(hold)? else {
        return Ok(());
    };
    let open = is_open(reservation.state);
    let waiting: Vec<Effect> = tables
        .effects_of_reservation(hold)?
        .into_iter()
        .filter(|effect| effect.attempt.is_none())
        .collect();
    let (mut never_sent, mut unsold) = (vec![level_of(failed)], Vec::new());
    for effect in &waiting {
        let level = level_of(effect);
        match effect.lane {
            Lane::Sell => {
                unsold.push(level);
                take_back(tables, effect, at)?;
                if let Some(sale) = &effect.command {
                    fail_command(tables, sale, CommandState::Failed, error, at)?;
                }
            }
            Lane::Move if effect.quantity > 0 => {
                never_sent.push(level);
                take_back(tables, effect, at)?;
            }
            // What was to follow at a level where nothing was taken.
            _ if never_sent.contains(&level) => {
                take_back(tables, effect, at)?;
                confirm(tables, std::slice::from_ref(effect), at)?;
            }
            _ => {}
        }
    }
    if !open && unsold.is_empty() {
        return Ok(());
    }
    for part in &reservation.items {
        let level = (part.inventory_item_id, part.location_id);
        if !never_sent.contains(&level) && (open || unsold.contains(&level)) {
            give_back(tables, part, hold, None, at)?;
        }
    }
    let rejected = ReservationShape {
        state: ReservationState::Rejected,
        ..reservation
    };
    tables.put_reservation(&rejected)?;
    tables
        .append(at, &Logged::InventoryReservation(EventData::Own(rejected)))
        .map(drop)
}

fn level_of(effect: &Effect) -> (InventoryItemId, LocationId) {
    (effect.item, effect.location)
}

fn take_back<T: Tables>(tables: &mut T, effect: &Effect, at: Timestamp) -> Result<()> {
    tables.delete_effect(effect.id)?;
    shift_pending(
        tables,
        effect.item,
        effect.location,
        -effect.available,
        effect.command.clone(),
        at,
    )
    .map(drop)
}
