//! Everything that is answered over HTTP.

mod admin;
mod api;
mod body;
mod commands;
mod cors;
mod health;
mod hub;
mod metrics;
mod oms;
mod posts;
mod realtime;
mod runs;
mod service;
mod webhooks;

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;

use http::StatusCode;
use schemas::{Clock, ErrorBody, ErrorCode};
use store::{Position, Store, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};
use ws::{Entrance, Hub, Network};

use crate::amqp;
use crate::auth::Tokens;
use crate::commands::Commands;
use crate::daemon::ShopSecrets;
use crate::edge::Stream;
use crate::posts::Posts;
use crate::scheduler::Runs;
use crate::scope::ShopNames;

/// What the routes need. A filter clones what it holds for every request that it looks at, its own or not.
pub(crate) type Context = Arc<Needs>;

/// What the routes need, once.
#[derive(Clone)]
pub(crate) struct Needs {
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
    /// What other programs call our shops.
    pub(crate) names: Arc<ShopNames>,
    /// Where what other programs say comes in.
    pub(crate) posts: Arc<Posts>,
    /// How the intake of the broker is going, where there is one.
    pub(crate) amqp: Option<Arc<amqp::Figures>>,
    /// Where runs are asked for.
    pub(crate) runs: Runs,
    /// The channels of alerts, by name.
    pub(crate) channels: Arc<[String]>,
    /// Realtime.
    pub(crate) hub: Arc<Hub>,
    /// Whom this listener lets in.
    pub(crate) entrance: Entrance,
    /// From where calls without a token are taken as those of a service, on this listener.
    pub(crate) trusted_networks: Arc<[Network]>,
    /// A delivery was put into the inbox.
    pub(crate) arrived: Arc<Notify>,
    /// What lasts longer than its request.
    pub(crate) tasks: TaskTracker,
    /// The daemon is ending.
    pub(crate) stop: CancellationToken,
}

impl Needs {
    /// Where each channel of alerts is.
    async fn places(&self) -> Result<Vec<(String, Position)>, StoreError> {
        let places = self.store.positions().await?;
        Ok(places.into_iter().filter(|(reader, _)| self.channels.contains(reader)).collect())
    }
}

/// Every route, for connections of that kind.
pub(crate) fn all<S: Stream>(
    context: Context,
) -> impl Filter<Extract = (impl Reply,), Error = Infallible> + Clone + Send + Sync + 'static {
    let cors = context.clone();
    let routes = realtime::routes(context.clone(), PhantomData::<S>)
        .or(cors::preflight(context.clone()))
        .unify()
        .or(oms::routes(context.clone()))
        .unify()
        .or(hub::routes(context.clone()))
        .unify()
        .or(webhooks::routes(context.clone()))
        .unify()
        .or(admin::routes(context.clone()))
        .unify()
        .or(api::routes(context.clone()))
        .unify()
        .or(posts::routes(context.clone()))
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
        .unify();
    warp::header::headers_cloned()
        .and(routes)
        .map(move |headers, answer| cors::admit(&cors, &headers, answer))
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
