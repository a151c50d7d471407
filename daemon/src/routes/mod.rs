//! Everything that is answered over HTTP.

mod admin;
mod api;
pub(crate) mod asyncapi;
mod body;
mod commands;
mod cors;
mod health;
mod hub;
mod metrics;
mod oms;
pub(crate) mod openapi;
mod operation;
mod posts;
mod realtime;
mod runs;
mod service;
mod table;
mod webhooks;

use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use http::{HeaderValue, Method, StatusCode, header};
use schemas::{Clock, ErrorBody, ErrorCode, Timestamp};
use store::{Position, Store, StoreError};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};
use ws::{Entrance, Hub, Network};

use self::operation::{Asked, Problem};
use crate::amqp;
use crate::auth::Tokens;
use crate::commands::Commands;
use crate::daemon::ShopSecrets;
use crate::edge::{Peer, Stream};
use crate::posts::Posts;
use crate::problems::Problems;
use crate::scheduler::Runs;
use crate::scope::ShopNames;

/// What the routes need, shared: it is cloned for every request, by each filter that the request is shown to.
pub(crate) type Context = Arc<Needs>;

/// What the routes need, once.
#[derive(Clone)]
pub(crate) struct Needs {
    /// The store.
    pub(crate) store: Arc<dyn Store>,
    /// Our time.
    pub(crate) clock: Arc<dyn Clock>,
    /// When the daemon began.
    pub(crate) started: Timestamp,
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
    /// What is wrong.
    pub(crate) problems: Arc<Problems>,
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
        .or(operations(context))
        .unify()
        // The last of them takes everything.
        .recover(async |_: Rejection| Ok::<_, Infallible>(nothing("")))
        .unify();
    warp::header::headers_cloned()
        .and(routes)
        .map(move |headers, answer| cors::admit(&cors, &headers, answer))
}

/// Whatever the table has.
fn operations(context: Context) -> BoxedFilter<(Response,)> {
    warp::method()
        .and(warp::path::full())
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Peer>())
        .and(warp::body::stream())
        .then(move |method: Method, path: FullPath, query, headers, peer, body| {
            let context = context.clone();
            async move {
                let Some((operation, part)) = table::find(&method, path.as_str()) else {
                    return nothing(path.as_str());
                };
                let body = StreamExt::map(body, whole_chunk).boxed();
                (operation.serve)(context, Asked { operation, part, query, headers, peer, body }).await
            }
        })
        .boxed()
}

fn whole_chunk<B: Buf>(chunk: Result<B, warp::Error>) -> Result<Bytes, warp::Error> {
    chunk.map(|mut chunk| chunk.copy_to_bytes(chunk.remaining()))
}

/// The answer where no operation is.
fn nothing(path: &str) -> Response {
    let methods = table::methods(path);
    if methods.is_empty() {
        let message = "there is nothing at this path; /api/openapi.json lists what there is";
        return error(StatusCode::NOT_FOUND, &ErrorBody::new(ErrorCode::NotFound, message));
    }
    let message = format!("this path takes {methods}");
    let refusal = ErrorBody::new(ErrorCode::InvalidPayload, message);
    let mut response = error(StatusCode::METHOD_NOT_ALLOWED, &refusal);
    if let Ok(methods) = HeaderValue::from_str(&methods) {
        response.headers_mut().insert(header::ALLOW, methods);
    }
    response
}

/// The answer to a request that took too long.
pub(crate) fn late() -> Response {
    error(
        StatusCode::REQUEST_TIMEOUT,
        &ErrorBody::new(ErrorCode::Unavailable, "this took too long; try again"),
    )
}

/// An answer that says what is wrong.
fn error(status: StatusCode, error: &ErrorBody) -> Response {
    let body = warp::reply::json(&Problem { error });
    let mut response = warp::reply::with_status(body, status).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::TokenExpired | ErrorCode::TokenInvalid => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::InvalidPayload
        | ErrorCode::LocationRequired
        | ErrorCode::ShopRequired
        | ErrorCode::UnknownEvent => StatusCode::BAD_REQUEST,
        ErrorCode::Conflict
        | ErrorCode::IdempotencyKeyReused
        | ErrorCode::Ineligible
        | ErrorCode::InsufficientStock => StatusCode::CONFLICT,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}
