//! The outbox: what is being sent to Shopify, and what its answer makes true.
//!
//! A level in flight is read by nobody: what is heard of it is put aside until the answer is there, and what was
//! pending ends only with a reading that began after it. So neither an early nor a late webhook counts a
//! change twice.

use std::collections::BTreeSet;

use schemas::command::CommandKind;
use schemas::record::Level;
use schemas::shape::{CommandState, ReservationShape, ReservationState, ReservedItem};
use schemas::{
    ErrorBody, ErrorCode, InventoryItemId, LocationId, Logged, Quantities, RecordKey, Timestamp,
};

use crate::HeldLevel;
use crate::Outcome;
use crate::adjustment::{CallKind, CallPlan, Lane, StockCall, WaitingAdjustment, coalesce};
use crate::command::KeptCommand;
use crate::key::{LevelKey, SLICE};
use crate::reservation::{give_back, is_open, put, shift_pending};
use crate::working_set::{Decided, DirtyMark, Draws, Retries, ShopSet, for_each};

/// Adjustments of one message settled in one go: what is given meanwhile waits no longer than that.
const SETTLED_MAX: usize = 200;
/// Adjustments of one level that are netted in one go, the oldest. Few in tests of this crate, whose histories are short.
const NETTED_MAX: usize = if cfg!(test) { 3 } else { SLICE };
/// Levels whose adjustments are loaded in one go, and adjustments after which no more levels are looked at.
const LEVELS_AT_ONCE: usize = 25;
const ADJUSTMENTS_MAX: usize = 10_000;

/// Something that an accepted command will do at Shopify.
#[derive(Debug, Clone, PartialEq)]
pub struct PendingAdjustment {
    /// Its place in the order of commands.
    pub id: i64,
    /// The item whose level it changes.
    pub item: InventoryItemId,
    /// The location of that level.
    pub location: LocationId,
    /// The command that waits for it; `None` where a reservation ended by itself.
    pub command: Option<String>,
    /// The reservation that it is part of, or ends.
    pub reservation: Option<String>,
    /// The kind of change that it makes.
    pub lane: Lane,
    /// A target for the lanes that set, else a signed difference; what is sold is positive.
    pub quantity: i64,
    /// What it will have done to `available`.
    pub available: i64,
    /// What it will have done to `on_hand`.
    pub on_hand: i64,
    /// When its command was given.
    pub given: Timestamp,
    /// How often Shopify found its starting value stale.
    pub stale: u32,
    /// The outbox message that brings it there; `None` while it waits.
    pub message: Option<String>,
    /// Whether Shopify did it, and only a reading of the level is missing.
    pub answered: bool,
}

impl PendingAdjustment {
    /// An adjustment of that many at that level, which does nothing yet to `available` and `on_hand`.
    pub(crate) fn of(held: &ReservedItem, lane: Lane, given: Timestamp) -> Self {
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
            message: None,
            answered: false,
        }
    }

    /// The level that it changes.
    pub fn level(&self) -> LevelKey {
        (self.item, self.location)
    }

    fn waiting(self, observed: Quantities) -> WaitingAdjustment {
        WaitingAdjustment {
            id: self.id,
            reservation: self.reservation,
            item: self.item,
            location: self.location,
            lane: self.lane,
            quantity: self.quantity,
            stale: self.stale,
            observed,
        }
    }

    /// What it draws on `available` at Shopify.
    pub fn draws(&self) -> Draws {
        Draws {
            units: self.lane.draws(self.quantity),
            settings: self.lane.is_setting().into(),
        }
    }
}

/// An outbox message as decisions know it.
#[derive(Debug, Clone, PartialEq)]
pub struct SentMessage {
    /// Also its idempotency key.
    pub id: String,
    /// When it was sent first.
    pub begun: Timestamp,
    /// The whole of it, to be written, where it was made in this batch.
    pub made: Option<Box<OutboxMessage>>,
}

/// One call to Shopify, kept with its exact bytes until it is answered.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxMessage {
    /// Also its idempotency key.
    pub id: String,
    /// The kind of change that it makes.
    pub kind: CallKind,
    /// What is sent, the same bytes every time.
    pub body: String,
    /// When it was sent first.
    pub begun: Timestamp,
    /// The levels it changes, in the order of its entries.
    pub levels: Vec<(InventoryItemId, LocationId)>,
}

/// How a message ended.
#[derive(Debug, Clone)]
pub enum MessageOutcome {
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
    Partly(Vec<((InventoryItemId, LocationId), LevelRefusal)>),
    /// Shopify did nothing of it; why, for the levels where there is a reason of their own.
    Refused(Vec<((InventoryItemId, LocationId), LevelRefusal)>),
    /// Nobody can tell any more; a person decides.
    Unknown(ErrorBody),
}

/// Why Shopify did not change a level.
#[derive(Debug, Clone)]
pub enum LevelRefusal {
    /// Nothing was wrong with it: it is sent again in another call.
    Again,
    /// It never will.
    Never(ErrorBody),
    /// It was not at the value that was compared.
    Stale,
    /// Whether it did cannot be told.
    Unknown(ErrorBody),
}

/// A level between the sending of an outbox message and the reading after its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flight {
    /// The level that is in flight.
    pub level: LevelKey,
    /// The message that changes it.
    pub message: String,
    /// Whether Shopify did, and only the reading is missing.
    pub answered: bool,
}

/// Takes adjustments into a message; false, and nothing, when one of them waits no longer.
pub(crate) fn start(set: &mut ShopSet<'_>, message: &OutboxMessage, ids: &[i64]) -> Decided<bool> {
    let mut taken = Vec::with_capacity(ids.len());
    for_each(ids, |id| {
        taken.extend(set.find::<PendingAdjustment>(*id)?);
        Ok(())
    })?;
    let waits = |adjustment: &PendingAdjustment| adjustment.message.is_none();
    if taken.len() != ids.len() || !taken.iter().all(waits) {
        return Ok(false);
    }
    for adjustment in taken {
        put_adjustment(
            set,
            PendingAdjustment {
                message: Some(message.id.clone()),
                ..adjustment
            },
        );
    }
    for_each(&message.levels, |level| {
        fly(set, *level, &message.id, false)
    })?;
    let sent = SentMessage {
        id: message.id.clone(),
        begun: message.begun,
        made: Some(Box::new(message.clone())),
    };
    set.has::<SentMessage>(message.id.clone())?;
    set.put(message.id.clone(), sent);
    Ok(true)
}

fn put_adjustment(set: &mut ShopSet<'_>, adjustment: PendingAdjustment) {
    set.put(adjustment.id, adjustment);
}

/// Notes that a level is in flight with a message.
fn fly(set: &mut ShopSet<'_>, level: LevelKey, message: &str, answered: bool) -> Decided<()> {
    set.has::<Flight>(level)?;
    let flight = Flight {
        level,
        message: message.to_owned(),
        answered,
    };
    set.put(level, flight);
    Ok(())
}

/// Ends a level's flight and its answered adjustments; what these did to `available`.
pub(crate) fn land(set: &mut ShopSet<'_>, level: LevelKey) -> Decided<i64> {
    let (answered, landed) = (set.answered_at(level), set.delete::<Flight>(level));
    let answered = answered?;
    landed?;
    for adjustment in &answered {
        set.delete::<PendingAdjustment>(adjustment.id)?;
    }
    Ok(answered.iter().map(|adjustment| adjustment.available).sum())
}

/// What an answer makes true. What was done whole is settled in slices: should the rest be lost in a crash, the
/// same call gets the same answer again.
pub(crate) fn settle(
    set: &mut ShopSet<'_>,
    id: &str,
    end: &MessageOutcome,
    at: Timestamp,
) -> Decided<Outcome> {
    if !set.has::<SentMessage>(id.to_owned())? {
        return Ok(Outcome::default());
    }
    let slice = if matches!(end, MessageOutcome::Done) {
        SETTLED_MAX
    } else {
        usize::MAX
    };
    let (adjustments, levels) = (set.unanswered_of(id, slice), set.levels_in(id));
    let (adjustments, levels) = (adjustments?, levels?);
    if adjustments.len() == slice {
        for adjustment in &adjustments {
            answer(set, adjustment);
        }
        confirm(set, &adjustments, at)?;
        return Ok(Outcome {
            fresh: true,
            more: true,
            ..Outcome::default()
        });
    }
    set.delete::<SentMessage>(id.to_owned())?;
    let compared = match end {
        MessageOutcome::Compared { readings, whole } => {
            Some(compare(set, &levels, &adjustments, readings, *whole)?)
        }
        _ => None,
    };
    let end = compared.as_ref().unwrap_or(end);
    for_each(&levels, |level| {
        let landed = if end.at(*level).is_none() {
            fly(set, *level, id, true)
        } else {
            set.delete::<Flight>(*level)
        };
        // Read again, whatever the answer: only a reading shows what is there now.
        let key = RecordKey::Level(level.0, level.1);
        set.mark(key, at, None, Retries::Keep)?;
        landed
    })?;
    for_each(&adjustments, |adjustment| {
        let sets = matches!(adjustment.lane, Lane::SetAvailable | Lane::SetOnHand);
        let again = |stale| PendingAdjustment {
            message: None,
            stale,
            ..adjustment.clone()
        };
        match end.at(adjustment.level()) {
            None => answer(set, adjustment),
            Some(LevelRefusal::Again) => put_adjustment(set, again(adjustment.stale)),
            Some(LevelRefusal::Stale) if sets => {
                let message =
                    "the quantity was changed at Shopify meanwhile: look again and decide anew";
                let error = ErrorBody::new(ErrorCode::Conflict, message);
                fail(set, adjustment, CommandState::Conflict, &error, at)?;
            }
            Some(LevelRefusal::Stale) => put_adjustment(set, again(adjustment.stale + 1)),
            Some(LevelRefusal::Never(error)) => {
                fail(set, adjustment, CommandState::Failed, &error, at)?;
            }
            Some(LevelRefusal::Unknown(error)) => {
                fail(set, adjustment, CommandState::Unknown, &error, at)?;
            }
        }
        Ok(())
    })?;
    for_each(&levels, |level| {
        if set.has::<HeldLevel>(*level)? {
            Ok(())
        } else {
            abandon(set, *level, at)
        }
    })?;
    confirm(set, &adjustments, at)?;
    Ok(Outcome {
        fresh: true,
        ..Outcome::default()
    })
}

fn answer(set: &mut ShopSet<'_>, adjustment: &PendingAdjustment) {
    put_adjustment(
        set,
        PendingAdjustment {
            answered: true,
            ..adjustment.clone()
        },
    );
}

/// Tells by readings at which levels a message was done: while it was on its way, nothing else was taken in of
/// them. `reserved` moves by our doing alone. Adjustments cannot be told from sales and fulfilments by what is there,
/// so what counts is whether Shopify ever does a part of a call that it refuses.
fn compare(
    set: &ShopSet<'_>,
    levels: &[(InventoryItemId, LocationId)],
    adjustments: &[PendingAdjustment],
    readings: &[Level],
    whole: bool,
) -> Decided<MessageOutcome> {
    let mut refusals = Vec::new();
    for &level in levels {
        let here: Vec<&PendingAdjustment> = adjustments
            .iter()
            .filter(|adjustment| adjustment.level() == level)
            .collect();
        let sum: i64 = here.iter().map(|adjustment| adjustment.quantity).sum();
        let held: Option<HeldLevel> = set.find(level)?;
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
                    (false, true) => LevelRefusal::Stale,
                    (false, false) => LevelRefusal::Unknown(undecided()),
                }
            }
            _ => LevelRefusal::Unknown(undecided()),
        };
        refusals.push((level, refusal));
    }
    Ok(MessageOutcome::Partly(refusals))
}

fn undecided() -> ErrorBody {
    let message = "Shopify's answer was lost and the level changed meanwhile: look at it by hand";
    ErrorBody::new(ErrorCode::Unavailable, message)
}

impl MessageOutcome {
    /// Why that level was not changed; `None` when it was.
    fn at(&self, level: (InventoryItemId, LocationId)) -> Option<LevelRefusal> {
        let named = |refusals: &[((InventoryItemId, LocationId), LevelRefusal)]| {
            refusals
                .iter()
                .find(|(refused, _)| *refused == level)
                .map(|(_, refusal)| refusal.clone())
        };
        match self {
            Self::Done => None,
            // Told apart before anything is settled.
            Self::Compared { .. } => Some(LevelRefusal::Unknown(undecided())),
            Self::Partly(refusals) => named(refusals),
            Self::Refused(refusals) => named(refusals).or(Some(LevelRefusal::Again)),
            Self::Unknown(error) => Some(LevelRefusal::Unknown(error.clone())),
        }
    }
}

/// Nets a slice of the levels at which something waits: the calls to be made, and where the next slice begins. What has
/// no stock left at Shopify is taken back first, in slices; it takes others along, so what is left is netted by itself.
pub(crate) fn net(
    set: &mut ShopSet<'_>,
    below_zero: bool,
    after: Option<LevelKey>,
    at: Timestamp,
) -> Decided<Outcome> {
    let (levels, mut next) = set.levels_to_net(after)?;
    let levels: Vec<LevelKey> = levels.into_iter().collect();
    let mut waiting = Vec::new();
    for chunk in levels.chunks(LEVELS_AT_ONCE) {
        // Behind this nothing more is looked at: whoever asks gets calls to make, and asks again.
        if waiting.len() >= ADJUSTMENTS_MAX {
            break;
        }
        next = chunk
            .last()
            .copied()
            .filter(|last| levels.last() != Some(last))
            .or(next);
        let mut short = Vec::new();
        for_each(chunk, |level| {
            let (oldest, observed) = oldest_waiting(set, *level)?;
            if !below_zero && oldest.len() == NETTED_MAX && short.len() < SETTLED_MAX {
                short.extend(beyond_stock(set, *level, observed.available)?);
            }
            waiting.extend(oldest.into_iter().map(|one| one.waiting(observed)));
            Ok(())
        })?;
        if !short.is_empty() {
            reject(set, &short, at)?;
            return Ok(goes_on());
        }
    }
    let CallPlan { calls, short } = coalesce(&waiting, below_zero);
    if !short.is_empty() {
        reject(set, &short, at)?;
        return Ok(goes_on());
    }
    let (cancelled, calls): (Vec<StockCall>, Vec<StockCall>) = calls
        .into_iter()
        .partition(|call| call.kind == CallKind::Nothing);
    let cancelled = cancelled.iter().flat_map(|call| &call.entries);
    let cancelled: Vec<i64> = cancelled
        .flat_map(|entry| entry.adjustments.clone())
        .collect();
    cancel_out(set, &cancelled, at)?;
    Ok(Outcome {
        fresh: !calls.is_empty() || !cancelled.is_empty(),
        calls,
        next,
        ..Outcome::default()
    })
}

fn goes_on() -> Outcome {
    Outcome {
        fresh: true,
        more: true,
        ..Outcome::default()
    }
}

/// The oldest adjustments of a level that may be sent now, and the level as Shopify was last seen to say. None of one
/// that is in flight, or that Shopify found changed and that was not read since. A sale waits until all of its
/// reservation is there: should a part fail, nothing of it is sold.
fn oldest_waiting(
    set: &ShopSet<'_>,
    level: LevelKey,
) -> Decided<(Vec<PendingAdjustment>, Quantities)> {
    let (held, flight, dirty, oldest) = (
        set.find::<HeldLevel>(level),
        set.has::<Flight>(level),
        set.has::<DirtyMark>(RecordKey::Level(level.0, level.1)),
        set.unsent_at(level, NETTED_MAX),
    );
    let (held, flight, dirty, mut oldest) = (held?, flight?, dirty?, oldest?);
    let Some(held) = held.filter(|_| !flight) else {
        return Ok((Vec::new(), Quantities::default()));
    };
    if dirty && oldest.iter().any(|one| one.stale > 0) {
        oldest.clear();
    }
    let mut blocked = BTreeSet::new();
    for_each(&oldest, |one| {
        if one.lane == Lane::Sell
            && let Some(reservation) = &one.reservation
        {
            let parts = set.adjustments_of_reservation(reservation)?;
            let is_on_its_way = parts
                .iter()
                .any(|part| part.lane == Lane::Move && !part.answered);
            blocked.extend(is_on_its_way.then_some(one.id));
        }
        Ok(())
    })?;
    oldest.retain(|one| !blocked.contains(&one.id));
    Ok((oldest, held.observed.quantities))
}

/// The newest adjustments at a level that draw on more than is there, at most [`SETTLED_MAX`]: of a long list the oldest
/// are netted alone, and they may fit where all do not. A reservation that ends before it was sent draws on nothing.
/// Where something waits that sets a quantity, the sum tells nothing.
fn beyond_stock(set: &ShopSet<'_>, level: LevelKey, there: i64) -> Decided<Vec<i64>> {
    let Draws { units, settings } = set.unsent_draws(level)?;
    let (mut excess, mut short) = (units - there.max(0), Vec::new());
    let (mut before, mut ended) = (None, BTreeSet::new());
    while settings == 0 && excess > 0 && short.len() < SETTLED_MAX {
        let (newest, next) = set.newest_unsent_at(level, before)?;
        for one in newest {
            if excess <= 0 || short.len() == SETTLED_MAX {
                break;
            }
            let drawn = one.draws().units;
            let hold = one
                .reservation
                .map(|reservation| (reservation, drawn.abs()));
            if drawn <= 0 {
                ended.extend(hold);
            } else if hold.is_none_or(|hold| !ended.contains(&hold)) {
                excess -= drawn;
                short.push(one.id);
            }
        }
        let Some(next) = next else { break };
        before = Some(next);
    }
    Ok(short)
}

/// Adjustments that cancel each other out are done without asking anybody.
fn cancel_out(set: &mut ShopSet<'_>, ids: &[i64], at: Timestamp) -> Decided<()> {
    let mut done = Vec::new();
    for_each(ids, |id| {
        if let Some(adjustment) = waiting(set, *id)? {
            set.delete::<PendingAdjustment>(*id)?;
            shift_pending(set, adjustment.level(), -adjustment.available, None, at)?;
            done.push(adjustment);
        }
        Ok(())
    })?;
    confirm(set, &done, at)
}

/// The adjustment of that number, if it is in no message.
fn waiting(set: &ShopSet<'_>, id: i64) -> Decided<Option<PendingAdjustment>> {
    let found = set.find::<PendingAdjustment>(id)?;
    Ok(found.filter(|adjustment| adjustment.message.is_none()))
}

/// Adjustments for which there is no stock left at Shopify: a shopper was faster.
fn reject(set: &mut ShopSet<'_>, ids: &[i64], at: Timestamp) -> Decided<()> {
    let error = ErrorBody::new(
        ErrorCode::InsufficientStock,
        "a shopper was faster: the stock is gone",
    );
    for_each(ids, |id| match waiting(set, *id)? {
        Some(adjustment) => fail(set, &adjustment, CommandState::Failed, &error, at),
        None => Ok(()),
    })
}

/// The level is gone: nothing can be changed there any more.
pub(crate) fn abandon(set: &mut ShopSet<'_>, level: LevelKey, at: Timestamp) -> Decided<()> {
    let error = ErrorBody::new(
        ErrorCode::NotFound,
        "the item is no longer stocked at this location",
    );
    for_each(set.unsent_at(level, usize::MAX)?, |adjustment| {
        fail(set, &adjustment, CommandState::Failed, &error, at)
    })
}

/// Gives a slice of what Shopify has not answered to a person; `changed` says how many adjustments.
pub(crate) fn park(set: &mut ShopSet<'_>, at: Timestamp) -> Decided<Outcome> {
    let message =
        "the database was restored from a backup: whether Shopify did it must be looked at by hand";
    let error = ErrorBody::new(ErrorCode::Unavailable, message);
    let (slice, messages) = (set.unanswered(SLICE), set.messages());
    let (slice, messages) = (slice?, messages?);
    let more = slice.len() == SLICE;
    let named = slice
        .iter()
        .filter_map(|adjustment| adjustment.message.clone());
    let mut to_settle: BTreeSet<String> = named.collect();
    if !more {
        // Those of which everything was answered but the last slice, too: they would be sent again.
        to_settle.extend(messages.into_iter().map(|message| message.id));
    }
    for_each(to_settle, |id| {
        settle(set, &id, &MessageOutcome::Unknown(error.clone()), at).map(drop)
    })?;
    for_each(&slice, |adjustment| {
        fail(set, adjustment, CommandState::Unknown, &error, at)
    })?;
    let changed = slice.len() as u64;
    Ok(Outcome {
        fresh: changed > 0,
        changed,
        more,
        ..Outcome::default()
    })
}

/// Confirms the commands of which nothing is left to be answered.
fn confirm(set: &mut ShopSet<'_>, adjustments: &[PendingAdjustment], at: Timestamp) -> Decided<()> {
    let commands = adjustments.iter().filter_map(|one| one.command.as_ref());
    let commands: BTreeSet<&String> = commands.collect();
    for_each(commands, |id| {
        let (unanswered, command) = (set.is_unanswered(id), set.find::<KeptCommand>(id.clone()));
        let (unanswered, command) = (unanswered?, command?);
        let is_due =
            |command: &KeptCommand| !unanswered && command.shape.state == CommandState::Accepted;
        let Some(mut command) = command.filter(is_due) else {
            return Ok(());
        };
        command.shape.state = CommandState::Confirmed;
        let reserved = command.shape.kind == CommandKind::Reserve;
        put_command(set, command, at);
        if reserved
            && let Some(mut reservation) = set.find::<ReservationShape>(id.clone())?
            && reservation.state == ReservationState::Pending
        {
            reservation.state = ReservationState::Held;
            put(set, &reservation, at);
        }
        Ok(())
    })
}

/// Keeps a command as it is now, and tells of it.
fn put_command(set: &mut ShopSet<'_>, command: KeptCommand, at: Timestamp) {
    set.append(at, Logged::CommandUpdated(command.shape.clone()));
    set.put(command.shape.command_id.clone(), command);
}

/// Takes an adjustment back and tells who is concerned. A reservation holds whole or not at all, so with one part of it
/// the others go too.
fn fail(
    set: &mut ShopSet<'_>,
    adjustment: &PendingAdjustment,
    state: CommandState,
    error: &ErrorBody,
    at: Timestamp,
) -> Decided<()> {
    // An earlier failure of the same reservation may have taken it along.
    if !set.has::<PendingAdjustment>(adjustment.id)? {
        return Ok(());
    }
    take_back(set, adjustment, at)?;
    let Some(id) = &adjustment.command else {
        set.warn(
            adjustment.level(),
            format!(
                "a reservation that had ended could not be given back at Shopify: correct its reserved quantity there ({error})"
            ),
        );
        return Ok(());
    };
    fail_command(set, id, state, error, at)?;
    match &adjustment.reservation {
        Some(reservation) if adjustment.lane == Lane::Move && adjustment.quantity > 0 => {
            reject_reservation(set, reservation, adjustment, error, at)
        }
        _ => Ok(()),
    }
}

fn fail_command(
    set: &mut ShopSet<'_>,
    id: &str,
    state: CommandState,
    error: &ErrorBody,
    at: Timestamp,
) -> Decided<()> {
    if let Some(mut command) = set.find::<KeptCommand>(id.to_owned())?
        && command.shape.state == CommandState::Accepted
    {
        command.shape.state = state;
        command.shape.error = Some(error.clone());
        put_command(set, command, at);
    }
    Ok(())
}

/// One part of a reservation never came to be: the parts not yet sent are taken back, a release or sale of what was
/// never reserved is dropped, and what Shopify has of it is given back. A sale fails whole, too.
fn reject_reservation(
    set: &mut ShopSet<'_>,
    id: &str,
    failed: &PendingAdjustment,
    error: &ErrorBody,
    at: Timestamp,
) -> Decided<()> {
    let (reservation, adjustments) = (
        set.find::<ReservationShape>(id.to_owned()),
        set.adjustments_of_reservation(id),
    );
    let (reservation, adjustments) = (reservation?, adjustments?);
    let Some(reservation) = reservation else {
        return Ok(());
    };
    let open = is_open(reservation.state);
    let unsent = adjustments.iter().filter(|one| one.message.is_none());
    let (mut never_sent, mut unsold) = (vec![failed.level()], Vec::new());
    for_each(unsent, |adjustment| {
        let level = adjustment.level();
        match adjustment.lane {
            Lane::Sell => {
                unsold.push(level);
                take_back(set, adjustment, at)?;
                if let Some(sale) = &adjustment.command {
                    fail_command(set, sale, CommandState::Failed, error, at)?;
                }
            }
            Lane::Move if adjustment.quantity > 0 => {
                never_sent.push(level);
                take_back(set, adjustment, at)?;
            }
            // What was to follow at a level where nothing was taken.
            _ if never_sent.contains(&level) => {
                take_back(set, adjustment, at)?;
                confirm(set, std::slice::from_ref(adjustment), at)?;
            }
            _ => {}
        }
        Ok(())
    })?;
    if !open && unsold.is_empty() {
        return Ok(());
    }
    for_each(&reservation.items, |part| {
        let level = (part.inventory_item_id, part.location_id);
        if !never_sent.contains(&level) && (open || unsold.contains(&level)) {
            give_back(set, part, id, None, at)?;
        }
        Ok(())
    })?;
    let rejected = ReservationShape {
        state: ReservationState::Rejected,
        ..reservation
    };
    put(set, &rejected, at);
    Ok(())
}

fn take_back(set: &mut ShopSet<'_>, adjustment: &PendingAdjustment, at: Timestamp) -> Decided<()> {
    set.delete::<PendingAdjustment>(adjustment.id)?;
    let (by, command) = (-adjustment.available, adjustment.command.clone());
    shift_pending(set, adjustment.level(), by, command, at).map(drop)
}
