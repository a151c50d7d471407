//! `/socket.io/`, `/api/ws` and `/events`: polls, posts, and the upgrade, after which the connection is no longer HTTP's.

use std::marker::PhantomData;

use bytes::Buf;
use futures_util::Stream as Chunks;
use http::Uri;
use http::header::UPGRADE;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply as _};
use ws::contracts::Dialect;
use ws::transport::{Talk, Upgrade};
use ws::{Knock, Refusal};

use super::api::reply;
use super::{Context, admin, body};
use crate::edge::{Peer, Stream};

pub(super) fn routes<S: Stream>(context: Context, carrier: PhantomData<S>) -> BoxedFilter<(Response,)> {
    let omni = warp::path!("api" / "ws" / ..).and(omni(context.clone(), carrier));
    let oms = warp::path!("events").and(plain(context.clone(), Dialect::Oms, carrier));
    socketio(context, carrier).or(omni).unify().or(oms).unify().boxed()
}

fn socketio<S: Stream>(context: Context, _carrier: PhantomData<S>) -> BoxedFilter<(Response,)> {
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
        .then(move |method, path: FullPath, query: String, headers, Peer(peer), upgrade, body| {
            let context = context.clone();
            async move {
                let uri: Uri = format!("{}?{query}", path.as_str()).parse().unwrap_or_default();
                let knock = context.hub.knock(&method, &uri, &headers, peer, &context.entrance);
                answer::<S, _, _>(&context, knock, upgrade, body).await
            }
        })
        .boxed()
}

/// `/api/ws`: the WebSocket itself, what is told of it to who asks by a plain GET, and figures for admins.
fn omni<S: Stream>(context: Context, carrier: PhantomData<S>) -> BoxedFilter<(Response,)> {
    let asked = warp::any().map({
        let context = context.clone();
        move || context.clone()
    });
    let usage = warp::path::end()
        .and(warp::get())
        .and(not_an_upgrade())
        .and(asked.clone())
        .map(|context: Context| json(&context.hub.omni_usage()));
    let info = warp::path!("info")
        .and(warp::get())
        .and(asked.clone())
        .map(|context: Context| json(&context.hub.omni_info()));
    let stats = warp::path!("stats").and(warp::get()).and(asked).and(warp::header::headers_cloned()).map(
        |context: Context, headers| reply(admin::admin(&context, &headers).map(|_| admin::figures(&context))),
    );
    let socket = warp::path::end().and(plain(context, Dialect::Omni, carrier));
    usage.or(info).unify().or(stats).unify().or(socket).unify().boxed()
}

/// A WebSocket without Socket.IO.
fn plain<S: Stream>(
    context: Context,
    dialect: Dialect,
    _carrier: PhantomData<S>,
) -> BoxedFilter<(Response,)> {
    warp::method()
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Peer>())
        .and(warp::ext::optional::<OnUpgrade>())
        .and(warp::body::stream())
        .then(move |method, headers, Peer(peer), upgrade, body| {
            let context = context.clone();
            async move {
                let knock = context.hub.knock_plain(dialect, &method, &headers, peer, &context.entrance);
                answer::<S, _, _>(&context, knock, upgrade, body).await
            }
        })
        .boxed()
}

/// Lets requests by that want to stay with HTTP.
fn not_an_upgrade() -> impl Filter<Extract = (), Error = Rejection> + Clone {
    let header = warp::header::optional::<String>(UPGRADE.as_str());
    let stays =
        async |upgrade: Option<String>| upgrade.is_none().then_some(()).ok_or_else(warp::reject::not_found);
    header.and_then(stays).untuple_one()
}

fn json(body: &Value) -> Response {
    warp::reply::json(body).into_response()
}

async fn answer<S: Stream, T: Talk, B: Buf>(
    context: &Context,
    knock: Knock<T>,
    upgrade: Option<OnUpgrade>,
    body: impl Chunks<Item = Result<B, warp::Error>>,
) -> Response {
    let response = match knock {
        Knock::Answer(response) => response,
        Knock::Open(response, attendance) => {
            context.tasks.spawn(attendance.run());
            response
        }
        Knock::Poll(poll) => poll.answer().await,
        Knock::Post(post) => match body::whole(body, post.bytes_max()).await {
            Ok(body) => post.answer(body).await,
            Err(refusal) => return refusal,
        },
        Knock::Upgrade(response, becoming) => match upgrade {
            Some(upgrade) => {
                context.tasks.spawn(upgraded::<S, _>(upgrade, becoming));
                response
            }
            None => Refusal::BadRequest.response(),
        },
    };
    response.map(Into::into)
}

async fn upgraded<S: Stream, T: Talk>(upgrade: OnUpgrade, becoming: Upgrade<T>) {
    let Ok(upgraded) = upgrade.await else { return };
    // The accept loop made the connection, so it is of the kind that it accepts.
    if let Ok(parts) = upgraded.downcast::<TokioIo<S>>() {
        becoming.run(parts.io.into_inner(), parts.read_buf).await;
    }
}
