//! OPTIONS: whose pages may read our answers, which are the origins that are configured for a listener, for every path
//! alike; and what a path takes, for programs such as balancers, whose checks of health may ask that.

use http::{HeaderMap, StatusCode};
use schemas::{ErrorBody, ErrorCode};
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, filters::BoxedFilter};
use ws::ConnectionRefusal;

use super::{RouteContext, allowed, error, health, nothing, routes};

/// The answer to OPTIONS.
pub(super) fn preflight(context: RouteContext) -> BoxedFilter<(Response,)> {
    warp::options()
        .and(warp::path::full())
        .and(warp::header::headers_cloned())
        .then(move |path: FullPath, headers: HeaderMap| {
            let context = context.clone();
            async move {
                match context
                    .entrance
                    .origin(&headers)
                    .and_then(|origin| origin.preflight())
                {
                    Ok(answer) => answer.map(Into::into),
                    Err(ConnectionRefusal::Method) => takes(&context, path.as_str()).await,
                    Err(_) => {
                        let message =
                            "pages of this origin may not call: list it in `origins` of [[server]]";
                        error(
                            StatusCode::FORBIDDEN,
                            &ErrorBody::new(ErrorCode::Forbidden, message),
                        )
                    }
                }
            }
        })
        .boxed()
}

/// What a path takes. Where it is asked whether we are ready, a balancer that asks so is told that, too.
async fn takes(context: &RouteContext, path: &str) -> Response {
    let methods = routes::methods(path);
    if methods.is_empty() {
        return nothing(path);
    }
    if path.trim_end_matches('/') == "/readyz" {
        let answer = health::ready(context).await;
        if !answer.status().is_success() {
            return answer;
        }
    }
    allowed(&format!("{methods}, OPTIONS"))
}

/// Lets the scripts of such a page read an answer. To others it is given all the same: browsers keep it from them, and
/// whoever is no browser needs no leave.
pub(super) fn admit(context: &RouteContext, headers: &HeaderMap, answer: Response) -> Response {
    match context.entrance.origin(headers) {
        Ok(origin) => origin.admit(answer),
        Err(_) => answer,
    }
}
