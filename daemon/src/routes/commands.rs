//! `/api/v1/inventory/…`, `commands`, `reservations` and `holds/drain`: commands over REST, and what became of them.

use bytes::Buf;
use futures_util::{Stream, StreamExt as _};
use http::HeaderMap;
use schemas::command::CommandKind;
use schemas::shape::{CommandShape, CommandState, ReservationShape};
use schemas::{ErrorBody, ErrorCode, InventoryItemId, LocationId, Subject, Timestamp};
use serde::Deserialize as _;
use serde_json::{Value, json};
use store::{CommandFilter, HoldFilter};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use ws::Commands as _;

use super::api::{Call, Query, failed, identity, reply};
use super::{Context, body};
use crate::limits::{COMMAND_BYTES_MAX, DRAIN_AT_A_TIME, PAGE_RECORDS_MAX};

pub(super) fn routes(context: Context) -> BoxedFilter<(Response,)> {
    let asked = warp::any()
        .map(move || context.clone())
        .and(warp::query::<Query>())
        .and(warp::header::headers_cloned());
    let give = warp::path!("api" / "v1" / "inventory" / String)
        .and(warp::post())
        .and(asked.clone())
        .and(warp::body::stream())
        .then(async |kind: String, context, query, headers, body| {
            give(&context, &kind, &query, &headers, body).await.unwrap_or_else(|refusal| refusal)
        });
    let command = warp::path!("api" / "v1" / "commands" / String).and(warp::get()).and(asked.clone()).then(
        async |id, context, query, headers: HeaderMap| match Call::new(&context, &headers, query) {
            Ok(call) => reply(call.command(id).await),
            Err(refusal) => reply(Err(refusal)),
        },
    );
    let reservation = warp::path!("api" / "v1" / "reservations" / String)
        .and(warp::get())
        .and(asked.clone())
        .then(async |id, context, query, headers: HeaderMap| match Call::new(&context, &headers, query) {
            Ok(call) => reply(call.reservation(id).await),
            Err(refusal) => reply(Err(refusal)),
        });
    let drain = warp::path!("api" / "v1" / "holds" / "drain").and(warp::post()).and(asked).then(
        async |context, query, headers: HeaderMap| match Call::new(&context, &headers, query) {
            Ok(call) => reply(call.drain().await),
            Err(refusal) => reply(Err(refusal)),
        },
    );
    give.or(command).unify().or(reservation).unify().or(drain).unify().boxed()
}

async fn give<B: Buf>(
    context: &Context,
    kind: &str,
    query: &Query,
    headers: &HeaderMap,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Response> {
    let by = identity(context, headers).map_err(|refusal| reply(Err(refusal)))?;
    let body = body::whole(body, COMMAND_BYTES_MAX).await?;
    let Some(kind) = CommandKind::parse(kind) else {
        let kinds = CommandKind::ALL.map(CommandKind::as_str).join(", ");
        let message = format!("there is no such command: {kinds}");
        return Err(reply(Err(ErrorBody::new(ErrorCode::NotFound, message))));
    };
    let payload: Value = serde_json::from_slice(&body).map_err(|problem| {
        let message = format!("the body must be a JSON object: {problem}");
        reply(Err(ErrorBody::new(ErrorCode::InvalidPayload, message)))
    })?;
    let shop = query.get("shop").map(String::as_str).or_else(|| payload["shop"].as_str()).map(str::to_owned);
    Ok(reply(context.commands.run(&by, shop.as_deref(), kind, payload).await))
}

impl Call<'_> {
    /// Commands, newest first; `next` is what to send as `before` for the next page, absent on the last.
    pub(super) async fn commands(&self) -> Result<Value, ErrorBody> {
        self.may_read_commands()?;
        let item = match self.query.get("item").map(|text| text.parse::<InventoryItemId>()) {
            None => None,
            Some(Ok(item)) => Some(item),
            Some(Err(problem)) => return Err(ErrorBody::field("item", problem.to_string())),
        };
        let state = self.query.get("state").cloned();
        if state.as_ref().is_some_and(|state| CommandState::deserialize(&json!(state)).is_err()) {
            let message = "accepted, sending, confirmed, conflict, failed or unknown";
            return Err(ErrorBody::field("state", message));
        }
        let (by, before) = (self.query.get("by").cloned(), self.place("before")?);
        let filter = CommandFilter { id: None, by, state, item, before, limit: self.limit };
        let commands = self.read_commands(filter).await?;
        let last = commands.last().filter(|_| commands.len() == self.limit);
        let next = last.and_then(|last| CommandShape::deserialize(last).ok());
        let next = next.map(|last| format!("{}_{}", last.at, last.command_id));
        let seen: Vec<Value> = commands.into_iter().filter(|command| self.sees_command(command)).collect();
        Ok(json!({ "data": seen, "next": next }))
    }

    async fn command(&self, id: String) -> Result<Value, ErrorBody> {
        self.may_read_commands()?;
        let filter = CommandFilter { id: Some(id), limit: 1, ..CommandFilter::default() };
        let found = self.read_commands(filter).await?.into_iter().find(|command| self.sees_command(command));
        found.ok_or_else(|| ErrorBody::new(ErrorCode::NotFound, "there is no such command"))
    }

    async fn read_commands(&self, filter: CommandFilter) -> Result<Vec<Value>, ErrorBody> {
        self.context.store.commands(&self.shop, filter).await.map_err(|failure| failed(&failure))
    }

    /// The open holds, those that run out first first; `next` is what to send as `after` for the next page, absent
    /// on the last.
    pub(super) async fn reservations(&self) -> Result<Value, ErrorBody> {
        self.may_read_commands()?;
        let after = self.place("after")?;
        let holds = self.read_holds(HoldFilter { id: None, after, limit: self.limit }).await?;
        let last = holds.last().filter(|_| holds.len() == self.limit);
        let next = last.map(|last| format!("{}_{}", last.expires_at, last.reservation_id));
        let seen: Vec<_> = holds.into_iter().filter(|hold| self.sees_hold(hold)).collect();
        Ok(json!({ "data": seen, "next": next }))
    }

    /// A place in a list by time and id, as `next` of a page says it.
    fn place(&self, name: &str) -> Result<Option<(Timestamp, String)>, ErrorBody> {
        let read = |text: &String| {
            let (at, id) = text.split_once('_')?;
            Some((at.parse().ok()?, id.to_owned()))
        };
        let wrong = || ErrorBody::field(name, "the `next` of the page before");
        self.query.get(name).map(|text| read(text).ok_or_else(wrong)).transpose()
    }

    async fn reservation(&self, id: String) -> Result<Value, ErrorBody> {
        self.may_read_commands()?;
        let found = self.read_holds(HoldFilter::one(id)).await?.into_iter().find(|hold| self.sees_hold(hold));
        let missing = || ErrorBody::new(ErrorCode::NotFound, "there is no such reservation");
        found.map(|hold| json!(hold)).ok_or_else(missing)
    }

    async fn read_holds(&self, filter: HoldFilter) -> Result<Vec<ReservationShape>, ErrorBody> {
        self.context.store.reservations(&self.shop, filter).await.map_err(|failure| failed(&failure))
    }

    /// Releases every open hold, as the one who asks. Ends early when nothing can be released any more.
    async fn drain(&self) -> Result<Value, ErrorBody> {
        if !self.identity.role.is_admin() {
            let message = format!("the role {} may not release every hold", self.identity.role.as_str());
            return Err(ErrorBody::new(ErrorCode::Forbidden, message));
        }
        let mut released = 0_usize;
        loop {
            let holds =
                self.read_holds(HoldFilter { limit: PAGE_RECORDS_MAX, ..HoldFilter::default() }).await?;
            let release = |hold: ReservationShape| async move {
                let payload = json!({ "reservationId": hold.reservation_id });
                let commands = &self.context.commands;
                commands.give(&self.identity, &self.shop, CommandKind::Release, &payload).await
            };
            let found = holds.len();
            let outcomes: Vec<Result<Value, ErrorBody>> = futures_util::stream::iter(holds)
                .map(release)
                .buffer_unordered(DRAIN_AT_A_TIME)
                .collect()
                .await;
            let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            released += done;
            if done == 0 {
                let reason = outcomes.into_iter().find_map(Result::err).map(|error| error.message);
                return Ok(
                    json!({ "by": self.identity.user_id, "released": released, "left": found, "reason": reason }),
                );
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
    fn sees_command(&self, command: &Value) -> bool {
        let locations = command["levels"].as_array().into_iter().flatten();
        let locations = locations.map(|level| LocationId::deserialize(&level["locationId"]).ok());
        command["by"].as_str() == Some(self.identity.user_id.as_str()) || self.sees_all_of(locations)
    }

    fn sees_hold(&self, hold: &ReservationShape) -> bool {
        let locations = hold.items.iter().map(|held| Some(held.location_id));
        hold.created_by == self.identity.user_id || self.sees_all_of(locations)
    }

    fn sees_all_of(&self, locations: impl Iterator<Item = Option<LocationId>>) -> bool {
        let mut locations = locations.peekable();
        self.identity.may_see(Subject::Inventory { location: None })
            || locations.peek().is_some()
                && locations.all(|location| {
                    location.is_some() && self.identity.may_see(Subject::Inventory { location })
                })
    }
}

#[cfg(test)]
mod tests;
