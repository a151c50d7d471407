//! Reservations: stock set aside for somebody, given back when it is released or runs out.

use schemas::event::Source;
use schemas::shape::{LevelShape, ReservationShape, ReservationState, ReservedItem};
use schemas::{EventData, Logged, Timestamp};

use crate::HeldLevel;
use crate::adjustment::Lane;
use crate::changes::ChangeApplier;
use crate::key::LevelKey;
use crate::outbox::PendingAdjustment;
use crate::shape::shape;
use crate::working_set::{Decided, ShopSet, for_each};

/// Reservations that are ended in one go because they ran out; the rest follow with the next command.
const EXPIRIES_MAX: usize = 500;

/// Gives back the reservations that have run out; how many.
pub(crate) fn expire(set: &mut ShopSet<'_>, at: Timestamp) -> Decided<u64> {
    let due = set.reservations_due(at, EXPIRIES_MAX)?;
    for_each(&due, |reservation| {
        end(
            set,
            reservation.clone(),
            ReservationState::Expired,
            None,
            at,
        )
        .map(drop)
    })?;
    Ok(due.len() as u64)
}

/// Gives a reservation's stock back and ends it.
pub(crate) fn end(
    set: &mut ShopSet<'_>,
    mut reservation: ReservationShape,
    state: ReservationState,
    command: Option<&str>,
    at: Timestamp,
) -> Decided<ReservationShape> {
    for_each(&reservation.items, |part| {
        give_back(set, part, &reservation.reservation_id, command, at)
    })?;
    reservation.state = state;
    put(set, &reservation, at);
    Ok(reservation)
}

/// Keeps a reservation as it is now, and tells of it.
pub(crate) fn put(set: &mut ShopSet<'_>, reservation: &ReservationShape, at: Timestamp) {
    set.put(reservation.reservation_id.clone(), reservation.clone());
    set.append(
        at,
        Logged::InventoryReservation(EventData::Own(reservation.clone())),
    );
}

/// Gives one part of a reservation back.
pub(crate) fn give_back(
    set: &mut ShopSet<'_>,
    part: &ReservedItem,
    reservation: &str,
    command: Option<&str>,
    at: Timestamp,
) -> Decided<()> {
    let adjustment = PendingAdjustment {
        command: command.map(str::to_owned),
        reservation: Some(reservation.to_owned()),
        quantity: -part.quantity,
        available: part.quantity,
        ..PendingAdjustment::of(part, Lane::Move, at)
    };
    adjust(set, adjustment, at).map(drop)
}

/// Keeps an adjustment, and shows at once what it will do to `available`: the level as it is now. Where there is none
/// any more nothing can be done, and nothing is kept: it would wait for ever.
pub(crate) fn adjust(
    set: &mut ShopSet<'_>,
    adjustment: PendingAdjustment,
    at: Timestamp,
) -> Decided<Option<LevelShape>> {
    let level = adjustment.level();
    if !set.has::<HeldLevel>(level)? {
        return Ok(None);
    }
    let (available, command) = (adjustment.available, adjustment.command.clone());
    set.add_adjustment(adjustment);
    shift_pending(set, level, available, command, at)
}

/// Changes what is pending at a level, and tells of it: the level as it is now, where there is one.
pub(crate) fn shift_pending(
    set: &mut ShopSet<'_>,
    level: LevelKey,
    by: i64,
    command: Option<String>,
    at: Timestamp,
) -> Decided<Option<LevelShape>> {
    let Some(held) = set.find::<HeldLevel>(level)? else {
        return Ok(None);
    };
    if by == 0 {
        return shape(set, &held).map(Some);
    }
    let now = HeldLevel {
        pending: held.pending + by,
        ..held.clone()
    };
    ChangeApplier::new(set, at, Source::Command, false)
        .for_command(command)
        .tell_level(Some(&held), now)
        .map(Some)
}

/// Whether a reservation still sets stock aside.
pub fn is_open(state: ReservationState) -> bool {
    matches!(state, ReservationState::Pending | ReservationState::Held)
}
