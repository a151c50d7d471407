//! Commands inside a transaction: the guard, the level, the audit and the events, all or nothing.
//!
//! What they will do at Shopify is kept as adjustments; `message` brings those there and back.

mod work;

use jiff::SignedDuration;
use schemas::shape::{CommandShape, CommandState};
use schemas::{
    Command, ErrorBody, InventoryItemId, LocationId, Role, ShopDomain, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::work::CommandWork;
use crate::key::{Key, LevelKey};
use crate::reservation::expire;
use crate::working_set::{Decided, ShopSet, Undecided};

/// A command as it was given, with everything that decides about it.
#[derive(Debug, Clone)]
pub struct Given {
    /// The shop that it is given in.
    pub shop: ShopDomain,
    /// When it was given, by our clock.
    pub at: Timestamp,
    /// The id it gets; for a reserve also the reservation's.
    pub id: String,
    /// Who gave it.
    pub by: By,
    /// The command as it was asked for.
    pub command: Command,
    /// What the shop allows.
    pub policy: Policy,
}

/// Who gives a command, as far as it decides.
#[derive(Debug, Clone)]
pub struct By {
    /// The user who gave it.
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
pub struct KeptCommand {
    /// The command as clients see it.
    pub shape: CommandShape,
    /// The command as it was asked for.
    pub request: Command,
    /// The idempotency key that it was given under.
    pub key: Option<String>,
    /// The levels that it is about.
    pub levels: Vec<LevelKey>,
    /// The reservation that it made or ended.
    pub reservation: Option<String>,
    /// What was answered, where it can be asked for again.
    pub answer: Value,
}

impl KeptCommand {
    /// As it is read over REST: the shape, what was asked for, and the levels it was about. The state is given,
    /// because that it is being sent is known from its adjustments alone.
    pub fn outward(&self, state: CommandState) -> serde_json::Result<Value> {
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

/// Why a command is not carried out: told to who gave it, or that something is missing for it.
pub(crate) enum CommandRefused {
    Told(ErrorBody),
    Undecided(Undecided),
}

impl From<Undecided> for CommandRefused {
    fn from(error: Undecided) -> Self {
        Self::Undecided(error)
    }
}

impl From<ErrorBody> for CommandRefused {
    fn from(error: ErrorBody) -> Self {
        Self::Told(error)
    }
}

/// Carries a command out, or says why not; then nothing of it happened but that reservations which had run out are
/// given back.
pub(crate) fn perform(set: &mut ShopSet<'_>, given: &Given) -> Decided<Result<Value, ErrorBody>> {
    expire(set, given.at)?;
    match CommandWork::new(set, given).carry_out() {
        Ok(answer) => Ok(Ok(answer)),
        Err(CommandRefused::Told(error)) => Ok(Err(error)),
        Err(CommandRefused::Undecided(error)) => Err(error),
    }
}

/// What a command is sure to ask for first.
pub(crate) fn keys(given: &Given) -> Vec<Key> {
    let mut keys = vec![
        Key::ReservationsDue(given.at.as_microsecond()),
        Key::Messages,
        Key::Waiting,
        Key::Command(given.id.clone()),
    ];
    let with_key = |key: &Option<String>| {
        let key = key.clone()?;
        Some(Key::CommandWithKey(given.by.user.clone(), key))
    };
    let mut level = |item: InventoryItemId, location: Option<LocationId>| {
        keys.extend([
            Key::LevelsOf(item),
            Key::Item(item),
            Key::VariantsOfItem(item),
        ]);
        if let Some(location) = location {
            keys.extend([Key::Location(location), Key::Level((item, location))]);
        }
    };
    match &given.command {
        Command::Adjust {
            inventory_item_id,
            location_id,
            idempotency_key,
            ..
        }
        | Command::Update {
            inventory_item_id,
            location_id,
            idempotency_key,
            ..
        } => {
            level(*inventory_item_id, *location_id);
            keys.extend(with_key(idempotency_key));
        }
        Command::Reserve {
            items,
            idempotency_key,
            ..
        } => {
            for line in items {
                level(line.inventory_item_id, line.location_id);
            }
            keys.extend(with_key(idempotency_key));
        }
        Command::Release { reservation_id }
        | Command::Commit { reservation_id, .. }
        | Command::Extend { reservation_id, .. } => {
            keys.push(Key::Reservation(reservation_id.clone()));
            keys.push(Key::AdjustmentsOfCommand(given.id.clone()));
        }
    }
    keys
}
