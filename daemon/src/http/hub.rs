//! `/health`, `/connected-users` and `/user-status/{id}`, as hub documents them.

use schemars::JsonSchema;
use schemas::{ErrorBody, Timestamp, UserId};
use serde::Serialize;

use super::route::ApiRequest;
use super::{RouteContext, service};
use crate::limits::PRESENCE_LISTED_MAX;

/// That it is well.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HubHealth")]
pub(super) struct Health {
    status: &'static str,
    service: &'static str,
    timestamp: Timestamp,
}

/// The frame around what was request for.
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

pub(super) async fn health(context: &RouteContext, _: ApiRequest) -> Result<Health, ErrorBody> {
    Ok(Health {
        status: "OK",
        service: "websocket-service",
        timestamp: context.clock.now(),
    })
}

pub(super) async fn connected(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<Found<ConnectedUsers>, ErrorBody> {
    service::reader(context, &request.headers, request.peer)?;
    let (count, users) = (
        context.hub.users(),
        context.hub.first_users(PRESENCE_LISTED_MAX),
    );
    Ok(Found {
        success: true,
        data: ConnectedUsers { count, users },
    })
}

pub(super) async fn status(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<Found<UserStatus>, ErrorBody> {
    service::reader(context, &request.headers, request.peer)?;
    let is_connected = context.hub.is_there(&request.part);
    Ok(Found {
        success: true,
        data: UserStatus {
            user_id: request.part,
            is_connected,
        },
    })
}
