//! `/socket.io/`: polls, posts, and the upgrade, after which the connection is no longer HTTP's.

use std::marker::PhantomData;
use std::net::SocketAddr;

use bytes::Buf;
use futures_util::Stream as Chunks;
use http::{HeaderMap, Method, Uri};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::reply::Response;
use ws::transport::{Talk, Upgrade};
use ws::{Knock, Refusal};

use super::{Context, body};
use crate::edge::{Peer, Stream};

pub(super) fn routes<S: Stream>(context: Context, _carrier: PhantomData<S>) -> BoxedFilter<(Response,)> {
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
                answer::<S, _>(&context, &method, &uri, &headers, peer, upgrade, body).await
            }
        })
        .boxed()
}

async fn answer<S: Stream, B: Buf>(
    context: &Context,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    peer: SocketAddr,
    upgrade: Option<OnUpgrade>,
    body: impl Chunks<Item = Result<B, warp::Error>>,
) -> Response {
    let response = match context.hub.knock(method, uri, headers, peer) {
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
