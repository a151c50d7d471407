//! Everything that is answered over HTTP.

mod admin;
mod api;
mod body;
mod commands;
mod health;
mod metrics;
mod realtime;
mod runs;
mod webhooks;

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;

use http::StatusCode;
use schemas::{Clock, ErrorBody, ErrorCode};
use store::Store;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};
use ws::Hub;

use crate::auth::Tokens;
use crate::commands::Commands;
use crate::daemon::ShopSecrets;
use crate::edge::Stream;
use crate::scheduler::Runs;

/// What the routes need.
#[derive(Clone)]
pub(crate) struct Context {
    /// The store.
    pub(crate) store: Arc<dyn Store>,
    /// Our time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Who a token is.
    pub(crate) tokens: Arc<Tokens>,
    /// Each shop's webhook secrets.
    pub(crate) shops: Arc<ShopSecrets>,
    /// Who carries out commands.
    pub(crate) commands: Arc<Commands>,
    /// Where runs are asked for.
    pub(crate) runs: Runs,
    /// Realtime.
    pub(crate) hub: Arc<Hub>,
    /// A delivery was put into the inbox.
    pub(crate) arrived: Arc<Notify>,
    /// What lasts longer than its request.
    pub(crate) tasks: TaskTracker,
    /// The daemon is ending.
    pub(crate) stop: CancellationToken,
}

/// Every route, for connections of that kind.
pub(crate) fn all<S: Stream>(
    context: Context,
) -> impl Filter<Extract = (impl Reply,), Error = Infallible> + Clone + Send + Sync + 'static {
    realtime::routes(context.clone(), PhantomData::<S>)
        .or(webhooks::routes(context.clone()))
        .unify()
        .or(admin::routes(context.clone()))
        .unify()
        .or(api::routes(context.clone()))
        .unify()
        .or(commands::routes(context.clone()))
        .unify()
        .or(runs::routes(context.clone()))
        .unify()
        .or(metrics::routes(context.clone()))
        .unify()
        .or(health::routes(context))
        .unify()
        .recover(|rejection| async move { Ok::<_, Infallible>(rejected(&rejection)) })
        .unify()
}

/// What no route took.
fn rejected(rejection: &Rejection) -> Response {
    if rejection.find::<warp::reject::MethodNotAllowed>().is_some() {
        return error(
            StatusCode::METHOD_NOT_ALLOWED,
            &ErrorBody::new(ErrorCode::InvalidPayload, "this path takes another method"),
        );
    }
    error(StatusCode::NOT_FOUND, &ErrorBody::new(ErrorCode::NotFound, "there is nothing at this path"))
}

/// An answer that says what is wrong.
fn error(status: StatusCode, error: &ErrorBody) -> Response {
    let body = warp::reply::json(&serde_json::json!({ "error": error }));
    let mut response = warp::reply::with_status(body, status).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("1"));
    }
    response
}
