//! One command: who may, what is there, what becomes of it.

use std::collections::BTreeMap;

use crate::HeldLevel;
use crate::adjustment::Lane;
use jiff::ToSpan as _;
use schemas::command::{
    LevelAnswer, ReservationAnswer, ReserveAnswer, ReserveItem, Sale, SettableName,
};
use schemas::record::{InventoryItem, Location, Variant};
use schemas::shape::{
    CommandShape, CommandState, ReservationShape, ReservationState, ReservedItem,
};
use schemas::{Command, ErrorBody, ErrorCode, InventoryItemId, LocationId, Timestamp};
use serde_json::{Value, json};

use super::{CommandRefused, Given, KeptCommand};
use crate::key::LevelKey;
use crate::outbox::PendingAdjustment;
use crate::reservation::{adjust, end, is_open, put};
use crate::working_set::{ShopSet, for_each};

/// How long a reservation lasts when nothing is said, in seconds.
const TTL_SECONDS_DEFAULT: u32 = 900;
type CommandResult<T> = Result<T, CommandRefused>;

/// One command at work.
pub(super) struct CommandWork<'t, 's> {
    set: &'t mut ShopSet<'s>,
    given: &'t Given,
}

/// A level that a command is about, and that takes stock.
struct TargetLevel {
    held: HeldLevel,
    backorder: bool,
}

impl<'t, 's> CommandWork<'t, 's> {
    pub(super) fn new(set: &'t mut ShopSet<'s>, given: &'t Given) -> Self {
        Self { set, given }
    }

    pub(super) fn carry_out(mut self) -> CommandResult<Value> {
        self.given.by.role.check_gives_commands()?;
        if let Some(answer) = self.repeated()? {
            return Ok(answer);
        }
        self.not_too_far_behind()?;
        match self.given.command.clone() {
            Command::Adjust {
                inventory_item_id,
                location_id,
                delta,
                reason,
                idempotency_key,
            } => {
                let target = self.target(inventory_item_id, location_id, "inventoryItemId")?;
                if delta < 0 {
                    enough(&target, delta.saturating_neg(), "delta")?;
                }
                self.change_level(&target, Lane::Adjust, delta, delta, reason, idempotency_key)
            }
            Command::Update {
                inventory_item_id,
                location_id,
                quantity,
                name,
                reason,
                expected,
                idempotency_key,
            } => {
                let target = self.target(inventory_item_id, location_id, "inventoryItemId")?;
                let name = name.unwrap_or(SettableName::Available);
                let (lane, current) = match name {
                    SettableName::Available => (Lane::SetAvailable, target.held.available()),
                    SettableName::OnHand => {
                        let (item, location) = level_key(&target.held);
                        let pending = self.set.pending_on_hand((item, location))?;
                        (
                            Lane::SetOnHand,
                            target.held.observed.quantities.on_hand + pending,
                        )
                    }
                };
                if expected.is_some_and(|expected| expected != current) {
                    let message = format!("it is {current} now: look again and decide anew");
                    let field = Some("expected".to_owned());
                    return Err(ErrorBody {
                        field,
                        ..ErrorBody::new(ErrorCode::Conflict, message)
                    }
                    .into());
                }
                let delta = quantity - current;
                if delta < 0 && lane == Lane::SetOnHand {
                    enough(&target, -delta, "quantity")?;
                }
                self.change_level(&target, lane, quantity, delta, reason, idempotency_key)
            }
            Command::Reserve {
                items,
                reason,
                ttl_seconds,
                reference,
                idempotency_key,
            } => self.reserve(&items, reason, ttl_seconds, reference, idempotency_key),
            Command::Release { reservation_id } => {
                let reservation = self.open_reservation(&reservation_id)?;
                self.end(reservation, ReservationState::Released)
            }
            Command::Commit {
                reservation_id,
                sale: Sale::Order,
                ..
            } => {
                let reservation = self.open_reservation(&reservation_id)?;
                self.end(reservation, ReservationState::Committed)
            }
            Command::Commit {
                reservation_id,
                sale: Sale::Outside,
                ..
            } => {
                let reservation = self.open_reservation(&reservation_id)?;
                self.sell(reservation)
            }
            Command::Extend {
                reservation_id,
                ttl_seconds,
            } => {
                let mut reservation = self.open_reservation(&reservation_id)?;
                reservation.expires_at = self.until(ttl_seconds);
                put(self.set, &reservation, self.given.at);
                Ok(self.keep_about(CommandState::Confirmed, reservation))
            }
        }
    }

    /// The first answer, when this very command was given before under the same key.
    fn repeated(&self) -> CommandResult<Option<Value>> {
        let (Command::Adjust {
            idempotency_key: Some(key),
            ..
        }
        | Command::Reserve {
            idempotency_key: Some(key),
            ..
        }
        | Command::Update {
            idempotency_key: Some(key),
            ..
        }) = &self.given.command
        else {
            return Ok(None);
        };
        match self.set.command_with_key(&self.given.by.user, key)? {
            None => Ok(None),
            Some(kept) if kept.request == self.given.command => {
                // The answer tells of levels; the user's locations may be fewer than when it was given.
                match kept
                    .levels
                    .iter()
                    .find(|(_, location)| !self.is_mine(*location))
                {
                    Some((_, location)) => Err(foreign(*location)),
                    None => Ok(Some(kept.answer)),
                }
            }
            Some(_) => {
                let message = "this key came with another command before: take a new one";
                let field = Some("idempotencyKey".to_owned());
                Err(ErrorBody {
                    field,
                    ..ErrorBody::new(ErrorCode::IdempotencyKeyReused, message)
                }
                .into())
            }
        }
    }

    fn not_too_far_behind(&self) -> CommandResult<()> {
        let oldest = self.set.oldest_unanswered()?;
        let behind = oldest.is_some_and(|oldest| {
            self.given.at.duration_since(oldest) > self.given.policy.unsent_max
        });
        if behind && !matches!(self.given.command, Command::Extend { .. }) {
            let message =
                "Shopify has not answered for too long: commands are taken again once it does";
            return Err(ErrorBody::new(ErrorCode::Unavailable, message).into());
        }
        Ok(())
    }

    /// The level, if it is there, takes stock, and is one this user may change.
    fn target(
        &self,
        item: InventoryItemId,
        location: Option<LocationId>,
        field: &str,
    ) -> CommandResult<TargetLevel> {
        let missing = |message: String| {
            let field = Some(field.to_owned());
            CommandRefused::Told(ErrorBody {
                field,
                ..ErrorBody::new(ErrorCode::NotFound, message)
            })
        };
        let levels = self.set.levels_of(item)?;
        let record: Option<InventoryItem> = self.set.find(item)?;
        if levels.is_empty() && record.is_none() {
            return Err(missing(format!("there is no inventory item {item}")));
        }
        let location = match location {
            Some(location) => location,
            None => self.only_location(&levels)?,
        };
        // Before it is told whether anything is stocked there.
        if !self.is_mine(location) {
            return Err(foreign(location));
        }
        let Some(held) = levels
            .into_iter()
            .find(|level| level.observed.location_id == location)
        else {
            return Err(missing(format!(
                "item {item} is not stocked at location {location}"
            )));
        };
        let place: Option<Location> = self.set.find(location)?;
        let ineligible = |field: &str, message: String| {
            let field = Some(field.to_owned());
            Err(CommandRefused::Told(ErrorBody {
                field,
                ..ErrorBody::new(ErrorCode::Ineligible, message)
            }))
        };
        if record.is_some_and(|item| !item.tracked) {
            return ineligible(
                field,
                format!("item {item} is not tracked: its quantities mean nothing"),
            );
        }
        if !held.observed.active {
            return ineligible(
                "locationId",
                format!("item {item} is not active at location {location}"),
            );
        }
        if place.as_ref().is_some_and(|place| !place.active) {
            return ineligible("locationId", format!("location {location} is not active"));
        }
        if place.is_some_and(|place| place.fulfillment_service) {
            let message = format!(
                "location {location} is a fulfilment service's, which counts its stock itself"
            );
            return ineligible("locationId", message);
        }
        let variant: Option<Variant> = self.set.variant_of(item)?;
        if variant
            .as_ref()
            .is_some_and(|variant| variant.bundle == Some(true))
        {
            return ineligible(
                field,
                format!("item {item} is a bundle: change the stock of what it is made of"),
            );
        }
        let backorder = self.given.policy.allow_backorder
            && variant
                .as_ref()
                .is_some_and(|variant| variant.continue_selling);
        Ok(TargetLevel { held, backorder })
    }

    fn only_location(&self, levels: &[HeldLevel]) -> CommandResult<LocationId> {
        let active: Vec<LocationId> = levels
            .iter()
            .filter(|level| level.observed.active)
            .map(|level| level.observed.location_id)
            // Those of others are not theirs to count.
            .filter(|location| self.is_mine(*location))
            .collect();
        match (&active[..], self.given.policy.default_location) {
            ([only], _) => Ok(*only),
            (several, Some(default)) if several.contains(&default) => Ok(default),
            (several, _) => {
                let (code, message) = if several.is_empty() && self.given.by.locations.is_some() {
                    (
                        ErrorCode::Forbidden,
                        "the item is stocked at none of your locations".to_owned(),
                    )
                } else {
                    let message = format!(
                        "the item is stocked at {} locations: say which",
                        several.len()
                    );
                    (ErrorCode::LocationRequired, message)
                };
                let field = Some("locationId".to_owned());
                Err(ErrorBody {
                    field,
                    ..ErrorBody::new(code, message)
                }
                .into())
            }
        }
    }

    /// Whether whoever gives the command may change stock there.
    fn is_mine(&self, location: LocationId) -> bool {
        self.given
            .by
            .locations
            .as_ref()
            .is_none_or(|mine| mine.contains(&location))
    }

    /// Changes `available`, and `on_hand` by as much.
    fn change_level(
        &mut self,
        target: &TargetLevel,
        lane: Lane,
        quantity: i64,
        delta: i64,
        reason: String,
        key: Option<String>,
    ) -> CommandResult<Value> {
        let (inventory_item_id, location_id) = level_key(&target.held);
        let place = ReservedItem {
            inventory_item_id,
            location_id,
            quantity,
        };
        let adjustment = PendingAdjustment {
            command: Some(self.given.id.clone()),
            available: delta,
            on_hand: delta,
            ..PendingAdjustment::of(&place, lane, self.given.at)
        };
        let level = adjust(self.set, adjustment, self.given.at)?;
        let available = target.held.available();
        if let Some(level) = &level {
            assert_eq!(
                level.available,
                available + delta,
                "the level shows what was done"
            );
        }
        Ok(self.keep(AuditEntry {
            state: CommandState::Accepted,
            reason,
            span: Some((available, available + delta)),
            levels: vec![(inventory_item_id, location_id)],
            reservation: None,
            key,
            answer: json!(LevelAnswer {
                command_id: self.given.id.clone(),
                state: CommandState::Accepted,
                level
            }),
        }))
    }

    fn reserve(
        &mut self,
        items: &[ReserveItem],
        reason: String,
        ttl_seconds: Option<u32>,
        reference: Option<String>,
        idempotency_key: Option<String>,
    ) -> CommandResult<Value> {
        // Lines of one level are summed before the check: each alone might fit where both do not.
        let mut wanted: BTreeMap<LevelKey, (i64, TargetLevel)> = BTreeMap::new();
        for (index, line) in items.iter().enumerate() {
            let field = |name: &str| {
                if items.len() == 1 {
                    name.to_owned()
                } else {
                    format!("items.{index}.{name}")
                }
            };
            let target = self.target(
                line.inventory_item_id,
                line.location_id,
                &field("inventoryItemId"),
            )?;
            let level = level_key(&target.held);
            let (sum, target) = wanted.entry(level).or_insert((0, target));
            *sum = sum.saturating_add(line.quantity);
            let (sum, target) = (*sum, &*target);
            enough(target, sum, &field("quantity"))?;
        }
        let reservation = ReservationShape {
            reservation_id: self.given.id.clone(),
            state: ReservationState::Pending,
            items: wanted
                .iter()
                .map(
                    |(&(inventory_item_id, location_id), &(quantity, _))| ReservedItem {
                        inventory_item_id,
                        location_id,
                        quantity,
                    },
                )
                .collect(),
            reference,
            reason: reason.clone(),
            expires_at: self.until(ttl_seconds),
            created_by: self.given.by.user.clone(),
        };
        let (id, at) = (self.given.id.clone(), self.given.at);
        let mut shapes = Vec::new();
        for_each(&reservation.items, |held| {
            let adjustment = PendingAdjustment {
                command: Some(id.clone()),
                reservation: Some(id.clone()),
                available: -held.quantity,
                ..PendingAdjustment::of(held, Lane::Move, at)
            };
            let shape = adjust(self.set, adjustment, at)?;
            let level = (held.inventory_item_id, held.location_id);
            let backorder = wanted
                .get(&level)
                .is_some_and(|(_, target)| target.backorder);
            let available = shape.as_ref().map_or(0, |shape| shape.available);
            assert!(
                backorder || available >= 0,
                "no more is reserved than there is"
            );
            shapes.extend(shape);
            Ok(())
        })?;
        put(self.set, &reservation, at);
        let levels: Vec<_> = wanted.keys().copied().collect();
        let span = match &wanted.values().collect::<Vec<_>>()[..] {
            [(sum, target)] => Some((target.held.available(), target.held.available() - sum)),
            _ => None,
        };
        let answer = json!(ReserveAnswer {
            command_id: id.clone(),
            reservation_id: id.clone(),
            state: reservation.state,
            expires_at: reservation.expires_at,
            levels: shapes,
        });
        let (state, key) = (CommandState::Accepted, idempotency_key);
        Ok(self.keep(AuditEntry {
            state,
            reason,
            span,
            levels,
            reservation: Some(id),
            key,
            answer,
        }))
    }

    /// A reservation that is still one, and that this user may end.
    fn open_reservation(&self, id: &str) -> CommandResult<ReservationShape> {
        let refuse = |code, message| {
            let field = Some("reservationId".to_owned());
            Err(CommandRefused::Told(ErrorBody {
                field,
                ..ErrorBody::new(code, message)
            }))
        };
        let Some(reservation) = self.set.find::<ReservationShape>(id.to_owned())? else {
            return refuse(
                ErrorCode::NotFound,
                "there is no such reservation".to_owned(),
            );
        };
        if !reservation
            .items
            .iter()
            .all(|held| self.is_mine(held.location_id))
        {
            return refuse(
                ErrorCode::Forbidden,
                "it holds stock at a location that is not one of yours".to_owned(),
            );
        }
        if !is_open(reservation.state) {
            let state = serde_json::to_value(reservation.state).unwrap_or_default();
            return refuse(
                ErrorCode::Conflict,
                format!("it is {} already", state.as_str().unwrap_or("over")),
            );
        }
        Ok(reservation)
    }

    fn end(
        &mut self,
        reservation: ReservationShape,
        state: ReservationState,
    ) -> CommandResult<Value> {
        let (id, at) = (self.given.id.clone(), self.given.at);
        let reservation = end(self.set, reservation, state, Some(&id), at)?;
        let state = self.begun()?;
        Ok(self.keep_about(state, reservation))
    }

    /// A sale past Shopify: what was held leaves the shelf.
    fn sell(&mut self, mut reservation: ReservationShape) -> CommandResult<Value> {
        let (id, at) = (self.given.id.clone(), self.given.at);
        for_each(&reservation.items, |held| {
            let adjustment = PendingAdjustment {
                command: Some(id.clone()),
                reservation: Some(reservation.reservation_id.clone()),
                on_hand: -held.quantity,
                ..PendingAdjustment::of(held, Lane::Sell, at)
            };
            adjust(self.set, adjustment, at)?;
            Ok(())
        })?;
        reservation.state = ReservationState::Committed;
        put(self.set, &reservation, at);
        let state = self.begun()?;
        Ok(self.keep_about(state, reservation))
    }

    /// Where a command about a reservation stands once its adjustments are kept; at its end where every level is gone.
    fn begun(&self) -> CommandResult<CommandState> {
        let waits = self.set.is_unanswered(&self.given.id)?;
        Ok(if waits {
            CommandState::Accepted
        } else {
            CommandState::Confirmed
        })
    }

    fn until(&self, ttl_seconds: Option<u32>) -> Timestamp {
        let seconds = i64::from(ttl_seconds.unwrap_or(TTL_SECONDS_DEFAULT));
        self.given
            .at
            .saturating_add(seconds.seconds())
            .unwrap_or(Timestamp::MAX)
    }

    /// Keeps a command about a reservation, and answers with the reservation.
    fn keep_about(&mut self, state: CommandState, reservation: ReservationShape) -> Value {
        self.keep(AuditEntry {
            state,
            levels: reservation
                .items
                .iter()
                .map(|held| (held.inventory_item_id, held.location_id))
                .collect(),
            reason: reservation.reason.clone(),
            span: None,
            reservation: Some(reservation.reservation_id.clone()),
            key: None,
            answer: json!(ReservationAnswer {
                command_id: self.given.id.clone(),
                reservation
            }),
        })
    }

    /// Writes the audit trail's entry, and gives the answer back.
    fn keep(&mut self, entry: AuditEntry) -> Value {
        let Given {
            id,
            by,
            at,
            command,
            ..
        } = self.given;
        let AuditEntry {
            state,
            reason,
            span,
            levels,
            reservation,
            key,
            answer,
        } = entry;
        let shape = CommandShape {
            command_id: id.clone(),
            kind: command.kind(),
            state,
            error: None,
            by: by.user.clone(),
            reason,
            before: span.map(|(before, _)| before),
            after: span.map(|(_, after)| after),
            at: *at,
        };
        // Only under a key can it be asked for again.
        let kept = if key.is_some() {
            answer.clone()
        } else {
            Value::Null
        };
        let request = command.clone();
        let kept = KeptCommand {
            shape,
            request,
            key,
            levels,
            reservation,
            answer: kept,
        };
        self.set.put(id.clone(), kept);
        answer
    }
}

/// The refusal for a location that is not one of those the user is limited to.
fn foreign(location: LocationId) -> CommandRefused {
    let message = format!("location {location} is not one of yours");
    let field = Some("locationId".to_owned());
    ErrorBody {
        field,
        ..ErrorBody::new(ErrorCode::Forbidden, message)
    }
    .into()
}

/// What the audit trail says of a command, beside what was given.
struct AuditEntry {
    state: CommandState,
    reason: String,
    /// `available` before and after, where it is one level's.
    span: Option<(i64, i64)>,
    levels: Vec<LevelKey>,
    reservation: Option<String>,
    key: Option<String>,
    answer: Value,
}

/// Invariant: through our commands `available` never goes below zero.
fn enough(target: &TargetLevel, wanted: i64, field: &str) -> CommandResult<()> {
    let available = target.held.available();
    if target.backorder || available >= wanted {
        return Ok(());
    }
    let (item, location) = level_key(&target.held);
    let message =
        format!("item {item} at location {location}: {available} available, {wanted} wanted");
    let field = Some(field.to_owned());
    Err(ErrorBody {
        field,
        ..ErrorBody::new(ErrorCode::InsufficientStock, message)
    }
    .into())
}

fn level_key(held: &HeldLevel) -> LevelKey {
    (held.observed.inventory_item_id, held.observed.location_id)
}
