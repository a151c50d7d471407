//! Whose pages may read our answers: the origins that are configured for a listener, for every path alike.

use http::{HeaderMap, StatusCode};
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply as _};
use ws::Refusal;

use super::Context;

/// The answer to a browser that asks before it sends.
pub(super) fn preflight(context: Context) -> BoxedFilter<(Response,)> {
    warp::options()
        .and(warp::header::headers_cloned())
        .map(move |headers: HeaderMap| {
            match context.entrance.origin(&headers).and_then(|origin| origin.preflight()) {
                Ok(answer) => answer.map(Into::into),
                Err(Refusal::Method) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
                Err(refusal) => refusal.response().map(Into::into),
            }
        })
        .boxed()
}

/// Lets the scripts of such a page read an answer. To others it is given all the same: browsers keep it from them, and
/// whoever is no browser needs no leave.
pub(super) fn admit(context: &Context, headers: &HeaderMap, answer: Response) -> Response {
    match context.entrance.origin(headers) {
        Ok(origin) => origin.admit(answer),
        Err(_) => answer,
    }
}
