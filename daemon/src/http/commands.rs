//! `/api/v1/inventory/…`, `commands`, `reservations` and `holds/drain`: commands over REST, and what became of them.

use futures_util::StreamExt as _;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use schemas::command::{CommandKind, ReserveItem};
use schemas::shape::{CommandShape, CommandState, ReservationShape};
use schemas::{
    Command, ErrorBody, ErrorCode, InventoryItemId, LocationId, Subject, Timestamp, UserId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{CommandFilter, HoldFilter, StoreError};
use ws::Commands as _;

use super::api::{Call, Page, failed, identity};
use super::route::ApiRequest;
use super::{RouteContext, body};
use crate::limits::{COMMAND_BYTES_MAX, PAGE_RECORDS_MAX, RELEASES_AT_A_TIME};

/// A command, what it request for, and what it was about.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Audited {
    #[serde(flatten)]
    command: CommandShape,
    request: Command,
    /// Which levels it changed.
    levels: Vec<Place>,
    /// The hold that it made or was about.
    reservation_id: Option<String>,
}

/// A level, by its item and location.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Place {
    inventory_item_id: InventoryItemId,
    location_id: LocationId,
}

/// How many holds were given back.
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

pub(super) async fn give(
    context: &RouteContext,
    request: ApiRequest,
    kind: CommandKind,
) -> Result<Value, ErrorBody> {
    let by = identity(context, &request.headers)?;
    let query = request.query()?;
    let body = body::whole(request.body, COMMAND_BYTES_MAX).await?;
    let payload: Value = schemas::json::read(&body).map_err(|problem| {
        let message = format!("the body must be a JSON object: {problem}");
        ErrorBody::new(ErrorCode::InvalidPayload, message)
    })?;
    let shop = query
        .get("shop")
        .map(String::as_str)
        .or_else(|| payload["shop"].as_str())
        .map(str::to_owned);
    context
        .commands
        .run(&by, shop.as_deref(), kind, payload)
        .await
}

pub(super) async fn commands(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<Page<Audited>, ErrorBody> {
    Call::new(context, &request)?.commands().await
}

pub(super) async fn command(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<Audited, ErrorBody> {
    Call::new(context, &request)?.command(request.part).await
}

pub(super) async fn reservations(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<Page<ReservationShape>, ErrorBody> {
    Call::new(context, &request)?.reservations().await
}

pub(super) async fn reservation(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<ReservationShape, ErrorBody> {
    Call::new(context, &request)?
        .reservation(request.part)
        .await
}

pub(super) async fn drain(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<Drained, ErrorBody> {
    Call::new(context, &request)?.drain().await
}

impl Call<'_> {
    /// Commands, newest first.
    async fn commands(&self) -> Result<Page<Audited>, ErrorBody> {
        self.may_read_commands()?;
        let item = match self
            .query
            .get("inventoryItemId")
            .map(|text| text.parse::<InventoryItemId>())
        {
            None => None,
            Some(Ok(item)) => Some(item),
            Some(Err(problem)) => {
                return Err(ErrorBody::field("inventoryItemId", problem.to_string()));
            }
        };
        let state = self.query.get("state").cloned();
        if state
            .as_ref()
            .is_some_and(|state| CommandState::deserialize(&json!(state)).is_err())
        {
            let message = "accepted, sending, confirmed, conflict, failed or unknown";
            return Err(ErrorBody::field("state", message));
        }
        let (by, before) = (self.query.get("by").cloned(), self.place("before")?);
        let filter = CommandFilter {
            id: None,
            by,
            state,
            item,
            seen_by: self.seen_by(),
            before,
            limit: self.limit,
        };
        let commands = self.read_commands(filter).await?;
        let last = commands.last().filter(|_| commands.len() == self.limit);
        let next = last.map(|last| format!("{}_{}", last.command.at, last.command.command_id));
        let data = commands
            .into_iter()
            .filter(|command| self.sees_command(command))
            .collect();
        Ok(Page { data, next })
    }

    async fn command(&self, id: String) -> Result<Audited, ErrorBody> {
        self.may_read_commands()?;
        let filter = CommandFilter {
            id: Some(id),
            limit: 1,
            ..CommandFilter::default()
        };
        let found = self
            .read_commands(filter)
            .await?
            .into_iter()
            .find(|command| self.sees_command(command));
        found.ok_or_else(|| ErrorBody::new(ErrorCode::NotFound, "there is no such command"))
    }

    async fn read_commands(&self, filter: CommandFilter) -> Result<Vec<Audited>, ErrorBody> {
        let found = self
            .context
            .store
            .commands(&self.shop, filter)
            .await
            .map_err(|e| failed(&e))?;
        let read = found
            .into_iter()
            .map(serde_json::from_value)
            .collect::<Result<_, _>>();
        read.map_err(|problem| failed(&StoreError::Failed(problem.to_string())))
    }

    /// The open holds, those that run out first first.
    async fn reservations(&self) -> Result<Page<ReservationShape>, ErrorBody> {
        self.may_read_commands()?;
        let after = self.place("after")?;
        let holds = self
            .read_holds(HoldFilter {
                id: None,
                seen_by: self.seen_by(),
                after,
                limit: self.limit,
            })
            .await?;
        let last = holds.last().filter(|_| holds.len() == self.limit);
        let next = last.map(|last| format!("{}_{}", last.expires_at, last.reservation_id));
        let data = holds
            .into_iter()
            .filter(|hold| self.sees_hold(hold))
            .collect();
        Ok(Page { data, next })
    }

    /// A place in a list by time and id, as `next` of a page says it.
    fn place(&self, name: &str) -> Result<Option<(Timestamp, String)>, ErrorBody> {
        let read = |text: &String| {
            let (at, id) = text.split_once('_')?;
            Some((at.parse().ok()?, id.to_owned()))
        };
        let wrong = || ErrorBody::field(name, "the `next` of the page before");
        self.query
            .get(name)
            .map(|text| read(text).ok_or_else(wrong))
            .transpose()
    }

    async fn reservation(&self, id: String) -> Result<ReservationShape, ErrorBody> {
        self.may_read_commands()?;
        let found = self
            .read_holds(HoldFilter::one(id))
            .await?
            .into_iter()
            .find(|hold| self.sees_hold(hold));
        let missing = || ErrorBody::new(ErrorCode::NotFound, "there is no such reservation");
        found.ok_or_else(missing)
    }

    async fn read_holds(&self, filter: HoldFilter) -> Result<Vec<ReservationShape>, ErrorBody> {
        self.context
            .store
            .reservations(&self.shop, filter)
            .await
            .map_err(|failure| failed(&failure))
    }

    /// Releases every open hold, as the one who asks. Ends early when nothing can be released any more.
    async fn drain(&self) -> Result<Drained, ErrorBody> {
        if !self.identity.role.is_admin() {
            let message = format!(
                "the role {} may not release every hold",
                self.identity.role.as_str()
            );
            return Err(ErrorBody::new(ErrorCode::Forbidden, message));
        }
        let mut released = 0_usize;
        loop {
            let holds = self
                .read_holds(HoldFilter {
                    limit: PAGE_RECORDS_MAX,
                    ..HoldFilter::default()
                })
                .await?;
            let release = |hold: ReservationShape| async move {
                let payload = json!({ "reservationId": hold.reservation_id });
                let commands = &self.context.commands;
                commands
                    .give(&self.identity, &self.shop, CommandKind::Release, &payload)
                    .await
            };
            let found = holds.len();
            let outcomes: Vec<Result<Value, ErrorBody>> = futures_util::stream::iter(holds)
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
                let by = self.identity.user_id.clone();
                return Ok(Drained {
                    by,
                    released,
                    left: found,
                    reason,
                });
            }
        }
    }

    fn may_read_commands(&self) -> Result<(), ErrorBody> {
        if self.identity.role.is_staff() {
            return Ok(());
        }
        self.may_see(Subject::Inventory { location: None })
    }

    /// One's own, and those about no other locations than one's own.
    fn sees_command(
        &self,
        Audited {
            command, levels, ..
        }: &Audited,
    ) -> bool {
        command.by == self.identity.user_id
            || self.sees_all_of(levels.iter().map(|place| place.location_id))
    }

    fn sees_hold(&self, hold: &ReservationShape) -> bool {
        let locations = hold.items.iter().map(|held| held.location_id);
        hold.created_by == self.identity.user_id || self.sees_all_of(locations)
    }

    fn sees_all_of(&self, locations: impl Iterator<Item = LocationId>) -> bool {
        let mut locations = locations.peekable();
        self.identity.may_see(Subject::Inventory { location: None })
            || locations.peek().is_some()
                && locations.all(|location| {
                    self.identity.may_see(Subject::Inventory {
                        location: Some(location),
                    })
                })
    }
}

#[cfg(test)]
mod tests;
