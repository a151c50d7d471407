//! `/api/v1/realtime` and `/api/v1/revocations`: who is connected, and who is no longer to be. For admins of every shop.

use bytes::Buf;
use futures_util::Stream;
use http::HeaderMap;
use schemas::{ErrorBody, ErrorCode, Identity, Timestamp, UserId};
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Operation, Revocation, Revoked};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::api::{failed, identity, reply};
use super::{Context, body};
use crate::auth::TOKEN_ID_BYTES_MAX;
use crate::limits::{ATTENDEES_MAX, COMMAND_BYTES_MAX};

pub(super) fn routes(context: Context) -> BoxedFilter<(Response,)> {
    let asked = warp::any().map(move || context.clone()).and(warp::header::headers_cloned());
    let realtime = warp::path!("api" / "v1" / "realtime").and(warp::get()).and(asked.clone()).map(
        |context: Context, headers: HeaderMap| reply(admin(&context, &headers).map(|_| figures(&context))),
    );
    let revoke = warp::path!("api" / "v1" / "revocations")
        .and(warp::post())
        .and(asked)
        .and(warp::body::stream())
        .then(async |context, headers, body| {
            revoke(&context, &headers, body).await.unwrap_or_else(|refusal| refusal)
        });
    realtime.or(revoke).unify().boxed()
}

/// Who asks, if they run all of this.
pub(super) fn admin(context: &Context, headers: &HeaderMap) -> Result<Identity, ErrorBody> {
    let identity = identity(context, headers)?;
    let everywhere = context.shops.domains().iter().all(|shop| identity.may_enter(shop));
    if identity.role.is_admin() && everywhere {
        return Ok(identity);
    }
    Err(ErrorBody::new(ErrorCode::Forbidden, "this is for admins of every shop"))
}

pub(super) fn figures(context: &Context) -> Value {
    let (figures, there) = (context.hub.figures(), context.hub.attendees());
    let users = there.users.iter().take(ATTENDEES_MAX);
    let rooms = there.rooms.iter().take(ATTENDEES_MAX);
    json!({
        "connections": figures.connections,
        "sockets": figures.sockets,
        "offset": figures.head,
        "users": {
            "count": there.users.len(),
            "online": users.map(|(user, sockets)| json!({ "userId": user, "sockets": sockets })).collect::<Vec<_>>(),
        },
        "rooms": rooms.map(|(shop, room, sockets)| {
            json!({ "shop": shop, "room": room, "sockets": sockets })
        }).collect::<Vec<_>>(),
        "endings": context.hub.endings(),
        "counters": {
            "delivered": figures.delivered,
            "recovered": figures.recovered,
            "notRecovered": figures.not_recovered,
            "sessionsUnknown": figures.sessions_unknown,
            "replaced": figures.replaced,
            "resyncs": figures.resyncs,
            "stalled": figures.stalled,
            "ephemeralDropped": figures.dropped,
            "rateLimited": figures.rate_limited,
            "roomsRefused": figures.rooms_refused,
            "crowded": figures.crowded,
            "revoked": figures.revoked,
            "connectionsRefused": figures.refused,
            "connectionsOfAddressRefused": figures.refused_of_address,
            "originsRefused": figures.refused_of_origin,
        },
    })
}

/// What is to be revoked: one of the first two.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    jti: Option<String>,
    user_id: Option<UserId>,
    /// When the last of these tokens runs out; as late as any token may, if it is not said.
    expires_at: Option<Timestamp>,
}

async fn revoke<B: Buf>(
    context: &Context,
    headers: &HeaderMap,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Response> {
    let refuse = |refusal| reply(Err(refusal));
    let by = admin(context, headers).map_err(refuse)?;
    let body = body::whole(body, COMMAND_BYTES_MAX).await?;
    let asked: Asked = serde_json::from_slice(&body).map_err(|problem| {
        refuse(ErrorBody::new(ErrorCode::InvalidPayload, format!("not a revocation: {problem}")))
    })?;
    let of = match (asked.jti, asked.user_id) {
        (Some(jti), None) if (1..=TOKEN_ID_BYTES_MAX).contains(&jti.len()) => Revoked::Token(jti),
        (None, Some(user)) => Revoked::User(user),
        _ => return Err(refuse(ErrorBody::field("jti", "say which: a token's jti, or a userId"))),
    };
    if !context.tokens.may_revoke() {
        return Err(refuse(ErrorBody::new(ErrorCode::TooLarge, "there are too many revocations already")));
    }
    let now = context.clock.now();
    let latest = context.tokens.latest_end(now);
    let until = asked.expires_at.map_or(latest, |until| until.min(latest));
    let revocation = Revocation { of, at: now, until };
    let written = context.store.write(Operation::Revoke(revocation.clone())).await;
    written.map_err(|failure| refuse(failed(&failure)))?;
    // Nobody comes in with it any more; and then whoever is in goes.
    context.tokens.revoke(revocation, now);
    context.hub.reconsider();
    tracing::info!(by = %by.user_id, "tokens were revoked");
    Ok(reply(Ok(json!({ "ok": true, "until": until }))))
}
