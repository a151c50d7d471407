//! `/api/v1/realtime` and `/api/v1/revocations`: who is connected, and who is no longer to be. For admins of every shop.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemas::id::ID_BYTES_MAX;
use schemas::{ErrorBody, ErrorCode, Offset, Room, ShopDomain, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use store::{Operation, Revocation, Revoked};

use super::api::failed;
use super::parameter::NoParameters;
use super::route::RouteCall;
use super::{RouteContext, body};
use crate::limits::{COMMAND_BYTES_MAX, PRESENCE_LISTED_MAX};
use crate::people::auth::TOKEN_ID_BYTES_MAX;

/// Who is connected, and what was counted since the start.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Realtime {
    connections: usize,
    /// One for each namespace of a connection.
    sockets: usize,
    /// Where the log is.
    offset: Offset,
    users: Users,
    /// The first thousand.
    rooms: Vec<Gathering>,
    /// How often connections ended, by reason.
    endings: BTreeMap<&'static str, u64>,
    /// How often something happened, by its name.
    counters: BTreeMap<&'static str, u64>,
}

/// Users who are connected.
#[derive(Serialize, JsonSchema)]
struct Users {
    count: usize,
    /// The first thousand.
    online: Vec<Attendee>,
}

/// A user who is connected.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Attendee {
    user_id: UserId,
    sockets: usize,
}

/// A room that somebody is in.
#[derive(Serialize, JsonSchema)]
struct Gathering {
    shop: ShopDomain,
    #[schemars(with = "String")]
    room: Room,
    sockets: usize,
}

pub(super) async fn realtime(
    context: &RouteContext,
    _: RouteCall<NoParameters>,
) -> Result<Realtime, ErrorBody> {
    Ok(figures(context))
}

fn figures(context: &RouteContext) -> Realtime {
    let (figures, there) = (context.hub.figures(), context.hub.attendees());
    let attendee = |(user_id, sockets)| Attendee { user_id, sockets };
    let gathering = |(shop, room, sockets)| Gathering {
        shop,
        room,
        sockets,
    };
    Realtime {
        connections: figures.connections,
        sockets: figures.sockets,
        offset: figures.head,
        users: Users {
            count: there.users.len(),
            online: there
                .users
                .into_iter()
                .take(PRESENCE_LISTED_MAX)
                .map(attendee)
                .collect(),
        },
        rooms: there
            .rooms
            .into_iter()
            .take(PRESENCE_LISTED_MAX)
            .map(gathering)
            .collect(),
        endings: context.hub.endings(),
        counters: BTreeMap::from([
            ("delivered", figures.delivered),
            ("recovered", figures.recovered),
            ("notRecovered", figures.not_recovered),
            ("sessionsUnknown", figures.sessions_unknown),
            ("replaced", figures.replaced),
            ("resyncs", figures.resyncs),
            ("stalled", figures.stalled),
            ("ephemeralDropped", figures.dropped),
            ("rateLimited", figures.rate_limited),
            ("roomsRefused", figures.rooms_refused),
            ("crowded", figures.crowded),
            ("revoked", figures.revoked),
            ("connectionsRefused", figures.refused),
            ("connectionsOfAddressRefused", figures.refused_of_address),
            ("originsRefused", figures.refused_of_origin),
        ]),
    }
}

/// What is to be revoked: one of the first two.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Revoking {
    /// A token's own id.
    #[schemars(length(min = 1, max = TOKEN_ID_BYTES_MAX))]
    jti: Option<String>,
    /// Everything that this user was given so far.
    #[schemars(length(min = 1, max = ID_BYTES_MAX))]
    user_id: Option<UserId>,
    /// When the last of these tokens runs out; as late as any token may, if it is not said.
    expires_at: Option<Timestamp>,
}

/// That it was revoked.
#[derive(Serialize, JsonSchema)]
pub(super) struct RevokedUntil {
    ok: bool,
    /// Until when it is remembered: then none of these tokens is good any more.
    until: Timestamp,
}

pub(super) async fn revoke(
    context: &RouteContext,
    call: RouteCall<NoParameters>,
) -> Result<RevokedUntil, ErrorBody> {
    let revoking: Revoking = body::read(call.body, COMMAND_BYTES_MAX, "a revocation").await?;
    let of = match (revoking.jti, revoking.user_id) {
        (Some(jti), None) if (1..=TOKEN_ID_BYTES_MAX).contains(&jti.len()) => Revoked::Token(jti),
        (None, Some(user)) => Revoked::User(user),
        _ => {
            return Err(ErrorBody::field(
                "jti",
                "say which: a token's jti, or a userId",
            ));
        }
    };
    if !context.tokens.may_revoke() {
        return Err(ErrorBody::new(
            ErrorCode::TooLarge,
            "there are too many revocations already",
        ));
    }
    let now = context.clock.now();
    let latest = context.tokens.latest_end(now);
    let until = revoking
        .expires_at
        .map_or(latest, |end| context.tokens.end_of(end).min(latest));
    if until <= now {
        let message = "is past, so nothing would be revoked: leave it out for as late as any token may run out";
        return Err(ErrorBody::field("expiresAt", message));
    }
    let revocation = Revocation {
        of,
        at: context.tokens.issued_until(now),
        until,
    };
    let written = context
        .store
        .write(Operation::Revoke(revocation.clone()))
        .await;
    written.map_err(|failure| failed(&failure))?;
    // Nobody comes in with it any more; and then whoever is in goes.
    if let Revoked::User(user) = &revocation.of {
        context.accounts.end_logins(user, None).await?;
    }
    context.tokens.revoke(revocation, now);
    context.hub.recheck_tokens();
    tracing::info!(user.id = %call.identity.user_id, "revoked tokens");
    Ok(RevokedUntil { ok: true, until })
}
