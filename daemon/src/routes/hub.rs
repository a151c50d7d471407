//! `/health`, `/connected-users` and `/user-status/{id}`, as hub documents them.

use http::HeaderMap;
use serde_json::json;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::Response;

use super::api::reply;
use super::{Context, service};
use crate::edge::Peer;
use crate::limits::ATTENDEES_MAX;

pub(super) fn routes(context: Context) -> BoxedFilter<(Response,)> {
    let asked = warp::get()
        .and(warp::any().map(move || context.clone()))
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Peer>());
    let health = warp::path!("health").and(asked.clone()).map(|context: Context, _: HeaderMap, _| {
        let timestamp = context.clock.now();
        reply(Ok(json!({ "status": "OK", "service": "websocket-service", "timestamp": timestamp })))
    });
    let users = warp::path!("connected-users").and(asked.clone()).map(
        |context: Context, headers: HeaderMap, peer| {
            reply(service::reader(&context, &headers, peer).map(|_| {
                let there = context.hub.attendees().users;
                let users: Vec<_> = there.iter().take(ATTENDEES_MAX).map(|(user, _)| user).collect();
                json!({ "success": true, "data": { "count": there.len(), "users": users } })
            }))
        },
    );
    let one = warp::path!("user-status" / String).and(asked).map(
        |user: String, context: Context, headers: HeaderMap, peer| {
            reply(service::reader(&context, &headers, peer).map(|_| {
                let there = context.hub.attendees().users;
                let is_connected = there.iter().any(|(there, _)| there.as_str() == user);
                json!({ "success": true, "data": { "userId": user, "isConnected": is_connected } })
            }))
        },
    );
    health.or(users).unify().or(one).unify().boxed()
}
