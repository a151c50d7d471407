//! `/socket.io/`: the upgrade, after which the connection is no longer HTTP's.

use std::marker::PhantomData;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Reply};

use super::Context;
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
        .map(move |method, path: FullPath, query: String, headers, peer, upgrade| {
            upgraded::<S>(&context, &method, &format!("{}?{query}", path.as_str()), &headers, peer, upgrade)
        })
        .boxed()
}

fn upgraded<S: Stream>(
    context: &Context,
    method: &Method,
    target: &str,
    headers: &HeaderMap,
    Peer(peer): Peer,
    upgrade: Option<OnUpgrade>,
) -> Response {
    let uri: Uri = target.parse().unwrap_or_default();
    let accepted = context.hub.upgrade(method, &uri, headers, peer);
    let ((response, ticket), upgrade) = match (accepted, upgrade) {
        (Ok(accepted), Some(upgrade)) => (accepted, upgrade),
        (Ok(_), None) => return ws::Refusal::BadRequest.response().into_response(),
        (Err(refusal), _) => return refusal.response().into_response(),
    };
    let hub = context.hub.clone();
    context.tasks.spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        // The accept loop made the connection, so it is of the kind that it accepts.
        if let Ok(parts) = upgraded.downcast::<TokioIo<S>>() {
            hub.serve(ticket, parts.io.into_inner(), parts.read_buf).await;
        }
    });
    let (parts, ()) = response.into_parts();
    Response::from_parts(parts, Bytes::new().into())
}
