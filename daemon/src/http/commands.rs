//! `/api/v1/inventory/…`, `commands`, `reservations` and `holds/drain`: commands over REST, and what became of them.

use std::marker::PhantomData;

use futures_util::StreamExt as _;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use schemas::command::{CommandKind, ReserveItem};
use schemas::shape::{CommandShape, ReservationShape};
use schemas::{
    Command, ErrorBody, ErrorCode, Identity, InventoryItemId, LocationId, ShopDomain, Subject,
    UserId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{CommandFilter, ReservationFilter, StoreError};
use ws::CommandHandler as _;

use super::api::{Page, failed};
use super::parameter::{
    Choice, LIMIT, OfShop, Parameter, Parsed, PathText, RecordId, SHOP, SHOP_OR_IN_BODY, Text,
    TimeCursor, any_text, page, parameters, path_part, query,
};
use super::route::RouteCall;
use super::{RouteContext, body};
use crate::limits::{COMMAND_BYTES_MAX, PAGE_RECORDS_MAX, RELEASES_AT_A_TIME};

/// A command, what it asked for, and what it was about.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Audited {
    #[serde(flatten)]
    command: CommandShape,
    request: Command,
    /// Which levels it changed.
    levels: Vec<Place>,
    /// The reservation that it made or was about.
    reservation_id: Option<String>,
}

/// A level, by its item and location.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Place {
    inventory_item_id: InventoryItemId,
    location_id: LocationId,
}

/// How many reservations were given back.
#[derive(Serialize, JsonSchema)]
pub(super) struct Drained {
    by: UserId,
    released: usize,
    /// Those that could not be.
    left: usize,
    /// Why, of the first of them.
    reason: Option<String>,
}

/// What a command of that kind takes: its schema, without what the path says.
pub(super) fn payload(kind: CommandKind, generator: &mut SchemaGenerator) -> Schema {
    let whole = Command::json_schema(generator).to_value();
    let of_kind = |one: &&Value| one["properties"]["kind"]["const"] == kind.as_str();
    let found = whole["oneOf"]
        .as_array()
        .into_iter()
        .flatten()
        .find(of_kind);
    let mut object = found.cloned().unwrap_or_default();
    let forget = |object: &mut Value, field: &str| {
        if let Some(fields) = object["properties"].as_object_mut() {
            fields.remove(field);
        }
        if let Some(needed) = object["required"].as_array_mut() {
            needed.retain(|name| name != field);
        }
    };
    forget(&mut object, "kind");
    if kind == CommandKind::Reserve {
        // Its only line may stand in the payload itself.
        let line = ReserveItem::json_schema(generator).to_value();
        let mut single = object.clone();
        forget(&mut single, "items");
        for (name, field) in line["properties"].as_object().into_iter().flatten() {
            single["properties"][name] = field.clone();
        }
        if let (Some(needed), Some(more)) = (
            single["required"].as_array_mut(),
            line["required"].as_array(),
        ) {
            needed.extend(more.iter().cloned());
        }
        for name in ["inventoryItemId", "locationId", "quantity"] {
            object["properties"][name] = json!({ "type": "null" });
        }
        single["properties"]["items"] = json!({ "type": "null" });
        return json_schema!({ "anyOf": [object, single] });
    }
    object.try_into().unwrap_or_default()
}

const GIVEN_BY: Parameter<Text> = query(
    "by",
    "Id of the user who gave them.",
    Text { schema: any_text },
);
const ITEM: Parameter<RecordId<InventoryItemId>> = query(
    "inventoryItemId",
    "Id of the inventory item.",
    RecordId {
        shopify_type: "InventoryItem",
        of: PhantomData,
    },
);
const COMMAND_STATE: Parameter<Choice> = query(
    "state",
    "State of the commands.",
    Choice {
        words: &[
            "accepted",
            "sending",
            "confirmed",
            "conflict",
            "failed",
            "unknown",
        ],
        default: None,
    },
);
const BEFORE_COMMAND: Parameter<Parsed<TimeCursor>> = page("before", TimeCursor::schema, None);
const AFTER_RESERVATION: Parameter<Parsed<TimeCursor>> = page("after", TimeCursor::schema, None);
const COMMAND_ID: Parameter<PathText> = path_part("commandId", "Id of the command.");
const RESERVATION_ID: Parameter<PathText> = path_part("reservationId", "Id of the reservation.");

parameters! {
    /// Of a command.
    pub(super) struct GiveParameters {
        shop: Option<String> = SHOP_OR_IN_BODY,
    }
}

parameters! {
    /// Of the list of commands.
    pub(super) struct CommandsParameters {
        shop: ShopDomain = SHOP,
        limit: usize = LIMIT,
        before: Option<TimeCursor> = BEFORE_COMMAND,
        by: Option<String> = GIVEN_BY,
        item: Option<InventoryItemId> = ITEM,
        state: Option<&'static str> = COMMAND_STATE,
    }
}

parameters! {
    /// Of one command.
    pub(super) struct CommandParameters {
        shop: ShopDomain = SHOP,
        id: String = COMMAND_ID,
    }
}

parameters! {
    /// Of the list of reservations.
    pub(super) struct ReservationsParameters {
        shop: ShopDomain = SHOP,
        limit: usize = LIMIT,
        after: Option<TimeCursor> = AFTER_RESERVATION,
    }
}

parameters! {
    /// Of one reservation.
    pub(super) struct ReservationParameters {
        shop: ShopDomain = SHOP,
        id: String = RESERVATION_ID,
    }
}

/// Gives a command of that kind.
pub(super) async fn give(
    context: &RouteContext,
    RouteCall {
        identity,
        parameters,
        body,
        ..
    }: RouteCall<GiveParameters>,
    kind: CommandKind,
) -> Result<Value, ErrorBody> {
    let body = body::whole(body, COMMAND_BYTES_MAX).await?;
    let payload: Value = schemas::json::read(&body).map_err(|problem| {
        let message = format!("the body must be a JSON object: {problem}");
        ErrorBody::new(ErrorCode::InvalidPayload, message)
    })?;
    let shop = parameters
        .shop
        .or_else(|| payload["shop"].as_str().map(str::to_owned));
    context
        .commands
        .run(&identity, shop.as_deref(), kind, payload)
        .await
}

/// Commands, newest first.
pub(super) async fn commands(
    context: &RouteContext,
    RouteCall {
        identity,
        parameters,
        ..
    }: RouteCall<CommandsParameters>,
) -> Result<Page<Audited>, ErrorBody> {
    let CommandsParameters {
        shop,
        limit,
        before,
        by,
        item,
        state,
    } = parameters;
    let filter = CommandFilter {
        id: None,
        by,
        state: state.map(str::to_owned),
        item,
        seen_by: seen_by(&identity),
        before: before.map(|TimeCursor(at, id)| (at, id)),
        limit,
    };
    let commands = read_commands(context, &shop, filter).await?;
    let last = commands.last().filter(|_| commands.len() == limit);
    let next = last.map(|last| format!("{}_{}", last.command.at, last.command.command_id));
    let data = commands
        .into_iter()
        .filter(|command| sees_command(&identity, command))
        .collect();
    Ok(Page { data, next })
}

pub(super) async fn command(
    context: &RouteContext,
    RouteCall {
        identity,
        parameters: CommandParameters { shop, id },
        ..
    }: RouteCall<CommandParameters>,
) -> Result<Audited, ErrorBody> {
    let filter = CommandFilter {
        id: Some(id),
        limit: 1,
        ..CommandFilter::default()
    };
    let found = read_commands(context, &shop, filter)
        .await?
        .into_iter()
        .find(|command| sees_command(&identity, command));
    found.ok_or_else(|| ErrorBody::new(ErrorCode::NotFound, "there is no such command"))
}

async fn read_commands(
    context: &RouteContext,
    shop: &ShopDomain,
    filter: CommandFilter,
) -> Result<Vec<Audited>, ErrorBody> {
    let found = context.store.commands(shop, filter).await;
    let read = found
        .map_err(|e| failed(&e))?
        .into_iter()
        .map(serde_json::from_value)
        .collect::<Result<_, _>>();
    read.map_err(|problem| failed(&StoreError::Failed(problem.to_string())))
}

/// The open reservations, those that run out first first.
pub(super) async fn reservations(
    context: &RouteContext,
    RouteCall {
        identity,
        parameters,
        ..
    }: RouteCall<ReservationsParameters>,
) -> Result<Page<ReservationShape>, ErrorBody> {
    let ReservationsParameters { shop, limit, after } = parameters;
    let filter = ReservationFilter {
        id: None,
        seen_by: seen_by(&identity),
        after: after.map(|TimeCursor(at, id)| (at, id)),
        limit,
    };
    let reservations = read_reservations(context, &shop, filter).await?;
    let last = reservations.last().filter(|_| reservations.len() == limit);
    let next = last.map(|last| format!("{}_{}", last.expires_at, last.reservation_id));
    let data = reservations
        .into_iter()
        .filter(|reservation| sees_reservation(&identity, reservation))
        .collect();
    Ok(Page { data, next })
}

pub(super) async fn reservation(
    context: &RouteContext,
    RouteCall {
        identity,
        parameters: ReservationParameters { shop, id },
        ..
    }: RouteCall<ReservationParameters>,
) -> Result<ReservationShape, ErrorBody> {
    let found = read_reservations(context, &shop, ReservationFilter::one(id))
        .await?
        .into_iter()
        .find(|reservation| sees_reservation(&identity, reservation));
    let missing = || ErrorBody::new(ErrorCode::NotFound, "there is no such reservation");
    found.ok_or_else(missing)
}

async fn read_reservations(
    context: &RouteContext,
    shop: &ShopDomain,
    filter: ReservationFilter,
) -> Result<Vec<ReservationShape>, ErrorBody> {
    let found = context.store.reservations(shop, filter).await;
    found.map_err(|failure| failed(&failure))
}

/// Releases every open reservation, as the one who asks. Ends early when nothing can be released any more.
pub(super) async fn release_all(
    context: &RouteContext,
    RouteCall {
        identity,
        parameters,
        ..
    }: RouteCall<OfShop>,
) -> Result<Drained, ErrorBody> {
    let (identity, shop) = (&identity, &parameters.shop);
    let mut released = 0_usize;
    loop {
        let filter = ReservationFilter {
            limit: PAGE_RECORDS_MAX,
            ..ReservationFilter::default()
        };
        let reservations = read_reservations(context, shop, filter).await?;
        let found = reservations.len();
        let release = |reservation: ReservationShape| async move {
            let payload = json!({ "reservationId": reservation.reservation_id });
            let commands = &context.commands;
            commands
                .give(identity, shop, CommandKind::Release, &payload)
                .await
        };
        let outcomes: Vec<Result<Value, ErrorBody>> = futures_util::stream::iter(reservations)
            .map(release)
            .buffer_unordered(RELEASES_AT_A_TIME)
            .collect()
            .await;
        let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        released += done;
        if done == 0 {
            let reason = outcomes
                .into_iter()
                .find_map(Result::err)
                .map(|error| error.message);
            return Ok(Drained {
                by: identity.user_id.clone(),
                released,
                left: found,
                reason,
            });
        }
    }
}

/// Whose lists of what people did are limited, and to which locations.
fn seen_by(identity: &Identity) -> Option<(UserId, Vec<LocationId>)> {
    let locations = identity.limiting_locations()?;
    Some((identity.user_id.clone(), locations.to_vec()))
}

/// One's own, and those about no other locations than one's own.
fn sees_command(identity: &Identity, audited: &Audited) -> bool {
    let Audited {
        command, levels, ..
    } = audited;
    command.by == identity.user_id
        || sees_all_of(identity, levels.iter().map(|place| place.location_id))
}

fn sees_reservation(identity: &Identity, reservation: &ReservationShape) -> bool {
    let locations = reservation.items.iter().map(|held| held.location_id);
    reservation.created_by == identity.user_id || sees_all_of(identity, locations)
}

fn sees_all_of(identity: &Identity, locations: impl Iterator<Item = LocationId>) -> bool {
    let mut locations = locations.peekable();
    identity.may_see(Subject::Inventory { location: None })
        || locations.peek().is_some()
            && locations.all(|location| {
                identity.may_see(Subject::Inventory {
                    location: Some(location),
                })
            })
}

#[cfg(test)]
mod tests;
