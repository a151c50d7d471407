//! `/socket.io/`, `/api/ws` and `/events`: polls, posts, and the upgrade, after which the connection is no longer HTTP's.

use std::marker::PhantomData;

use http::Uri;
use http::header::UPGRADE;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use schemas::ErrorBody;
use serde_json::Value;
use tracing::Instrument as _;
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection};
use ws::connection::{PendingUpgrade, ProtocolDriver};
use ws::contracts::Dialect;
use ws::{ConnectionRefusal, HandshakeOutcome};

use super::body::Body;
use super::{RouteContext, body, error, status};
use crate::http::edge::{Carrier, Peer, Stream};

pub(super) fn routes<S: Stream>(
    context: RouteContext,
    carrier: PhantomData<S>,
) -> BoxedFilter<(Response,)> {
    // What is told of it to who asks by a plain GET is one of the operations.
    let omni = warp::path!("api" / "ws").and(is_upgrade()).and(plain(
        context.clone(),
        Dialect::Omni,
        carrier,
    ));
    let oms = warp::path!("events").and(plain(context.clone(), Dialect::Oms, carrier));
    socketio(context, carrier)
        .or(omni)
        .unify()
        .or(oms)
        .unify()
        .boxed()
}

fn socketio<S: Stream>(
    context: RouteContext,
    _carrier: PhantomData<S>,
) -> BoxedFilter<(Response,)> {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::path("socket.io")
        .and(warp::path::end())
        .and(warp::method())
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Peer>())
        .and(warp::ext::optional::<OnUpgrade>())
        .and(warp::body::stream())
        .then(
            move |method, path: FullPath, query: String, headers, peer: Peer, upgrade, body| {
                let (context, peer) = (context.clone(), peer.address);
                async move {
                    let uri: Uri = format!("{}?{query}", path.as_str())
                        .parse()
                        .unwrap_or_default();
                    let outcome =
                        context
                            .hub
                            .handshake(&method, &uri, &headers, peer, &context.entrance);
                    let from = context.entrance.address_of(peer.ip(), &headers);
                    let body = Body::new(body, &headers, from, &context.bodies);
                    answer::<S, _>(&context, outcome, upgrade, body).await
                }
            },
        )
        .boxed()
}

/// A WebSocket without Socket.IO.
fn plain<S: Stream>(
    context: RouteContext,
    dialect: Dialect,
    _carrier: PhantomData<S>,
) -> BoxedFilter<(Response,)> {
    warp::method()
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Peer>())
        .and(warp::ext::optional::<OnUpgrade>())
        .and(warp::body::stream())
        .then(move |method, headers, peer: Peer, upgrade, body| {
            let (context, peer) = (context.clone(), peer.address);
            async move {
                let outcome = context.hub.handshake_plain(
                    dialect,
                    &method,
                    &headers,
                    peer,
                    &context.entrance,
                );
                let from = context.entrance.address_of(peer.ip(), &headers);
                let body = Body::new(body, &headers, from, &context.bodies);
                answer::<S, _>(&context, outcome, upgrade, body).await
            }
        })
        .boxed()
}

/// Lets requests by that want to stay with HTTP.
fn is_upgrade() -> impl Filter<Extract = (), Error = Rejection> + Clone {
    warp::header::<String>(UPGRADE.as_str())
        .map(drop)
        .untuple_one()
}

/// How omni's WebSocket is used.
pub(super) async fn usage(context: &RouteContext) -> Result<Value, ErrorBody> {
    Ok(context.hub.omni_usage())
}

/// What it offers, to whom, and within which bounds.
pub(super) async fn info(context: &RouteContext) -> Result<Value, ErrorBody> {
    Ok(context.hub.omni_info())
}

async fn answer<S: Stream, T: ProtocolDriver>(
    context: &RouteContext,
    outcome: HandshakeOutcome<T>,
    upgrade: Option<OnUpgrade>,
    body: Body,
) -> Response {
    let response = match outcome {
        HandshakeOutcome::Answer(response) => response,
        HandshakeOutcome::Open(response, task) => {
            context.tasks.spawn(task.run());
            response
        }
        HandshakeOutcome::Poll(poll) => poll.answer().await,
        HandshakeOutcome::Post(post) => match body::whole(body, post.bytes_max()).await {
            Ok(body) => post.answer(body).await,
            Err(problem) => return error(status(problem.code), &problem),
        },
        HandshakeOutcome::Upgrade(response, becoming) => match upgrade {
            Some(upgrade) => {
                // The connection goes on, and so does its span.
                let task = upgraded::<S, _>(upgrade, becoming).in_current_span();
                context.tasks.spawn(task);
                response
            }
            None => ConnectionRefusal::BadRequest.response(),
        },
    };
    response.map(Into::into)
}

async fn upgraded<S: Stream, T: ProtocolDriver>(upgrade: OnUpgrade, becoming: PendingUpgrade<T>) {
    let Ok(upgraded) = upgrade.await else { return };
    // The accept loop made the connection, so it is of the kind that it accepts.
    if let Ok(parts) = upgraded.downcast::<TokioIo<Carrier<S>>>() {
        becoming
            .run(parts.io.into_inner().into_inner(), parts.read_buf)
            .await;
    }
}
