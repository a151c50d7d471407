//! Commands inside a transaction: the guard, the level, the audit and the events, all or nothing.
//!
//! What they will do at Shopify is kept as effects; `attempt` brings those there and back.

mod work;

use inventory::HeldLevel;
use inventory::effect::Lane;
use jiff::SignedDuration;
use schemas::event::Source;
use schemas::shape::{
    CommandShape, CommandState, LevelShape, ReservationShape, ReservationState, ReservedItem,
};
use schemas::{
    Command, ErrorBody, EventData, InventoryItemId, LocationId, Logged, Role, ShopDomain,
    Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::work::Work;
use crate::door::Door;
use crate::shape::shape;
use crate::tables::{Keep, Result, Tables};

/// Holds that end in one go; the rest follow with the next command.
pub(crate) const EXPIRIES_MAX: usize = 500;

/// A command as it was given, with everything that decides about it.
#[derive(Debug, Clone)]
pub struct Given {
    /// In which shop.
    pub shop: ShopDomain,
    /// When.
    pub at: Timestamp,
    /// The id it gets; for a reserve also the reservation's.
    pub id: String,
    /// Who gave it.
    pub by: By,
    /// What was asked for.
    pub command: Command,
    /// What the shop allows.
    pub policy: Policy,
}

/// Who gives a command, as far as it decides.
#[derive(Debug, Clone)]
pub struct By {
    /// Who.
    pub user: UserId,
    /// What they are to the shop.
    pub role: Role,
    /// The locations they are limited to; `None` is all.
    pub locations: Option<Vec<LocationId>>,
}

/// What a shop allows.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Whether variants that Shopify goes on selling at zero may go below it.
    pub allow_backorder: bool,
    /// Where, when nothing is said and there are several.
    pub default_location: Option<LocationId>,
    /// How long commands may wait for Shopify before new ones are refused.
    pub unsent_max: SignedDuration,
}

/// A command as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptCommand {
    pub(crate) shape: CommandShape,
    pub(crate) request: Command,
    pub(crate) key: Option<String>,
    pub(crate) levels: Vec<(InventoryItemId, LocationId)>,
    pub(crate) reservation: Option<String>,
    pub(crate) answer: Value,
}

impl KeptCommand {
    /// As it is read over REST: the shape, what was asked for, and the levels it was about. The state is given,
    /// because that it is being sent is known from its effects alone.
    pub(crate) fn outward(&self, state: CommandState) -> serde_json::Result<Value> {
        let mut outward = serde_json::to_value(&self.shape)?;
        outward["state"] = json!(state);
        outward["request"] = serde_json::to_value(&self.request)?;
        outward["levels"] = self
            .levels
            .iter()
            .map(|(item, location)| json!({ "inventoryItemId": item, "locationId": location }))
            .collect();
        outward["reservationId"] = json!(self.reservation);
        Ok(outward)
    }
}

/// Something an accepted command will do at Shopify.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Effect {
    /// Given by the store.
    pub(crate) id: i64,
    pub(crate) item: InventoryItemId,
    pub(crate) location: LocationId,
    pub(crate) command: Option<String>,
    pub(crate) reservation: Option<String>,
    pub(crate) lane: Lane,
    pub(crate) quantity: i64,
    pub(crate) available: i64,
    pub(crate) on_hand: i64,
    pub(crate) given: Timestamp,
    pub(crate) stale: u32,
    pub(crate) attempt: Option<String>,
    pub(crate) answered: bool,
}

impl Effect {
    /// An effect of that many at that level, which does nothing yet to `available` and `on_hand`.
    fn of(held: &ReservedItem, lane: Lane, given: Timestamp) -> Self {
        Self {
            id: 0,
            item: held.inventory_item_id,
            location: held.location_id,
            command: None,
            reservation: None,
            lane,
            quantity: held.quantity,
            available: 0,
            on_hand: 0,
            given,
            stale: 0,
            attempt: None,
            answered: false,
        }
    }
}

/// Why a command is not carried out: told to who gave it, or a failure of the store.
pub(crate) enum Refused {
    Told(ErrorBody),
    Store(crate::StoreError),
}

impl From<crate::StoreError> for Refused {
    fn from(error: crate::StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ErrorBody> for Refused {
    fn from(error: ErrorBody) -> Self {
        Self::Told(error)
    }
}

/// Carries a command out, or says why not; then nothing of it happened but that holds which had run out are
/// given back.
pub(crate) fn perform<T: Tables>(
    tables: &mut T,
    given: &Given,
) -> Result<std::result::Result<Value, ErrorBody>> {
    expire(tables, given.at)?;
    match Work::new(tables, given).carry_out() {
        Ok(answer) => Ok(Ok(answer)),
        Err(Refused::Told(error)) => Ok(Err(error)),
        Err(Refused::Store(error)) => Err(error),
    }
}

/// Gives back the holds that have run out; how many.
pub(crate) fn expire<T: Tables>(tables: &mut T, at: Timestamp) -> Result<u64> {
    let due = tables.reservations_due(at, EXPIRIES_MAX)?;
    for reservation in &due {
        end_hold(
            tables,
            reservation.clone(),
            ReservationState::Expired,
            None,
            at,
        )?;
    }
    Ok(due.len() as u64)
}

/// Gives a hold's stock back and ends it.
pub(crate) fn end_hold<T: Tables>(
    tables: &mut T,
    mut reservation: ReservationShape,
    state: ReservationState,
    command: Option<&str>,
    at: Timestamp,
) -> Result<ReservationShape> {
    for part in &reservation.items {
        give_back(tables, part, &reservation.reservation_id, command, at)?;
    }
    reservation.state = state;
    tables.put_reservation(&reservation)?;
    tables.append(
        at,
        &Logged::InventoryReservation(EventData::Own(reservation.clone())),
    )?;
    Ok(reservation)
}

/// Gives one part of a hold back.
pub(crate) fn give_back<T: Tables>(
    tables: &mut T,
    part: &ReservedItem,
    hold: &str,
    command: Option<&str>,
    at: Timestamp,
) -> Result<()> {
    let effect = Effect {
        command: command.map(str::to_owned),
        reservation: Some(hold.to_owned()),
        quantity: -part.quantity,
        available: part.quantity,
        ..Effect::of(part, Lane::Move, at)
    };
    affect(tables, effect, at).map(drop)
}

/// Keeps an effect, and shows at once what it will do to `available`: the level as it is now. Where there is none
/// any more nothing can be done, and nothing is kept: it would wait for ever.
fn affect<T: Tables>(tables: &mut T, effect: Effect, at: Timestamp) -> Result<Option<LevelShape>> {
    if Keep::<HeldLevel>::find(tables, (effect.item, effect.location))?.is_none() {
        return Ok(None);
    }
    tables.add_effect(&effect)?;
    shift_pending(
        tables,
        effect.item,
        effect.location,
        effect.available,
        effect.command,
        at,
    )
}

/// Changes what is pending at a level, and tells of it: the level as it is now, where there is one.
pub(crate) fn shift_pending<T: Tables>(
    tables: &mut T,
    item: InventoryItemId,
    location: LocationId,
    by: i64,
    command: Option<String>,
    at: Timestamp,
) -> Result<Option<LevelShape>> {
    let Some(held) = Keep::<HeldLevel>::find(tables, (item, location))? else {
        return Ok(None);
    };
    if by == 0 {
        return shape(tables, &held).map(Some);
    }
    let now = HeldLevel {
        pending: held.pending + by,
        ..held.clone()
    };
    Door::new(tables, at, Source::Command, false)
        .for_command(command)
        .tell_level(Some(&held), now)
        .map(Some)
}

/// Whether a hold still holds.
pub(crate) fn is_open(state: ReservationState) -> bool {
    matches!(state, ReservationState::Pending | ReservationState::Held)
}
