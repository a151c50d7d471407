//! `/health`, `/connected-users` and `/user-status/{id}`, as hub documents them.

use schemars::JsonSchema;
use schemas::{ErrorBody, Timestamp, UserId};
use serde::Serialize;

use super::operation::Asked;
use super::{Context, service};
use crate::limits::ATTENDEES_MAX;

/// That it is well.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HubHealth")]
pub(super) struct Health {
    status: &'static str,
    service: &'static str,
    timestamp: Timestamp,
}

/// The frame around what was asked for.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}Found")]
pub(super) struct Found<T> {
    success: bool,
    data: T,
}

/// Who is connected: the first thousand.
#[derive(Serialize, JsonSchema)]
pub(super) struct ConnectedUsers {
    count: usize,
    users: Vec<UserId>,
}

/// Whether somebody is connected.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserStatus {
    user_id: String,
    is_connected: bool,
}

pub(super) async fn health(context: &Context, _: Asked) -> Result<Health, ErrorBody> {
    Ok(Health {
        status: "OK",
        service: "websocket-service",
        timestamp: context.clock.now(),
    })
}

pub(super) async fn connected(
    context: &Context,
    asked: Asked,
) -> Result<Found<ConnectedUsers>, ErrorBody> {
    service::reader(context, &asked.headers, asked.peer)?;
    let (count, users) = (context.hub.users(), context.hub.first_users(ATTENDEES_MAX));
    Ok(Found {
        success: true,
        data: ConnectedUsers { count, users },
    })
}

pub(super) async fn status(
    context: &Context,
    asked: Asked,
) -> Result<Found<UserStatus>, ErrorBody> {
    service::reader(context, &asked.headers, asked.peer)?;
    let is_connected = context.hub.is_online(&asked.part);
    Ok(Found {
        success: true,
        data: UserStatus {
            user_id: asked.part,
            is_connected,
        },
    })
}
