//! `/health`, `/connected-users` and `/user-status/{id}`, as hub documents them.

use schemars::JsonSchema;
use schemas::{ErrorBody, Timestamp, UserId};
use serde::Serialize;

use super::RouteContext;
use super::parameter::{NoParameters, Parameter, PathText, parameters, path_part};
use super::route::RouteCall;
use crate::limits::PRESENCE_LISTED_MAX;

/// That it is well.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "HubHealth")]
pub(super) struct HubHealth {
    status: &'static str,
    service: &'static str,
    timestamp: Timestamp,
}

/// The frame around what was asked for.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "{T}Found")]
pub(super) struct HubList<T> {
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

pub(super) async fn health(context: &RouteContext) -> Result<HubHealth, ErrorBody> {
    Ok(HubHealth {
        status: "OK",
        service: "websocket-service",
        timestamp: context.clock.now(),
    })
}

const USER: Parameter<PathText> = path_part("userId", "Id of the user.");

parameters! {
    /// Of a question about one user.
    pub(super) struct UserParameters {
        user: String = USER,
    }
}

pub(super) async fn connected(
    context: &RouteContext,
    _: RouteCall<NoParameters>,
) -> Result<HubList<ConnectedUsers>, ErrorBody> {
    let count = context.hub.users();
    let users = context.hub.first_users(PRESENCE_LISTED_MAX);
    Ok(HubList {
        success: true,
        data: ConnectedUsers { count, users },
    })
}

pub(super) async fn status(
    context: &RouteContext,
    call: RouteCall<UserParameters>,
) -> Result<HubList<UserStatus>, ErrorBody> {
    let UserParameters { user } = call.parameters;
    let is_connected = context.hub.is_online(&user);
    Ok(HubList {
        success: true,
        data: UserStatus {
            user_id: user,
            is_connected,
        },
    })
}
