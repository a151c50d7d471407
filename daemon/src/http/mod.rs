//! Everything that is answered over HTTP.

mod access;
mod admin;
mod api;
pub(crate) mod asyncapi;
mod body;
mod commands;
mod cors;
pub mod edge;
mod health;
mod hub;
mod metrics;
mod oms;
pub(crate) mod openapi;
mod page;
mod parameter;
mod posts;
mod realtime;
mod route;
mod routes;
mod runs;
mod service;
mod session;
pub(crate) mod source;
pub(crate) mod tail;
mod users;
mod webhooks;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::Arc;

use http::{HeaderValue, Method, StatusCode, header};
use schemas::{Clock, ErrorBody, ErrorCode, ShopDomain, Timestamp};
use shopify::Client;
use store::{Position, Store, StoreError};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warp::filters::BoxedFilter;
use warp::path::FullPath;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};
use ws::{Hub, IpNetwork, ListenerPolicy};

use self::body::Body;
pub(crate) use self::body::BodyBudget;
use self::route::{ApiRequest, ErrorAnswer};
pub(crate) use self::service::KnownHosts;
#[cfg(feature = "amqp")]
use crate::amqp;
use crate::http::edge::{Peer, Stream};
use crate::limits::FIGURES_TIME;
use crate::people::accounts::Accounts;
use crate::people::auth::Tokens;
use crate::secrets::ShopSecrets;
use crate::shop::commands::Commands;
use crate::shop::intake::WebhookIntake;
use crate::shop::names::ShopNames;
use crate::shop::posts::PostIntake;
use crate::shop::scheduler::Runs;
use crate::supervisor::Supervisor;
use crate::supervisor::problems::Problems;

/// What the routes need, shared: it is cloned for every request, by each filter that the request is shown to.
pub(crate) type RouteContext = Arc<AppState>;

/// What the routes need, once.
#[derive(Clone)]
pub(crate) struct AppState {
    /// The store, for what is asked from outside.
    pub(crate) store: Arc<dyn Store>,
    /// The figures as they were told last, as text.
    pub(crate) figures: Recent<String>,
    /// Whether the store answered last.
    pub(crate) readiness: Recent<bool>,
    /// The clock; the only source of the present time.
    pub(crate) clock: Arc<dyn Clock>,
    /// When the daemon began.
    pub(crate) started: Timestamp,
    /// Who a token is.
    pub(crate) tokens: Arc<Tokens>,
    /// Who signs in with a password.
    pub(crate) accounts: Arc<Accounts>,
    /// Where the page is, for links that are given out on the machine itself; without a slash at its end.
    pub(crate) page_url: Arc<str>,
    /// Each shop's webhook secrets.
    pub(crate) shops: Arc<ShopSecrets>,
    /// The shops themselves.
    pub(crate) clients: Arc<BTreeMap<ShopDomain, Arc<Client>>>,
    /// Who carries out commands.
    pub(crate) commands: Arc<Commands>,
    /// What other programs call our shops.
    pub(crate) names: Arc<ShopNames>,
    /// Where what other programs say comes in.
    pub(crate) posts: Arc<PostIntake>,
    /// How the intake of the broker is going, where there is one.
    #[cfg(feature = "amqp")]
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
    pub(crate) entrance: ListenerPolicy,
    /// From where calls without a token are taken as those of a service, on this listener.
    pub(crate) trusted_networks: Arc<[IpNetwork]>,
    /// By which hosts such calls may name us, on this listener.
    pub(crate) hosts: Arc<KnownHosts>,
    /// The bytes of requests' bodies.
    pub(crate) bodies: Arc<BodyBudget>,
    /// Where deliveries come in.
    pub(crate) webhooks: Arc<WebhookIntake>,
    /// How the daemon's tasks are.
    pub(crate) supervisor: Arc<Supervisor>,
    /// What lasts longer than its request.
    pub(crate) tasks: TaskTracker,
    /// The daemon is ending.
    pub(crate) stop: CancellationToken,
}

/// What was found out a moment ago. However many ask at once, it is found out once, and then told again for
/// [`FIGURES_TIME`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Recent<T>(Arc<Mutex<Option<(Instant, T)>>>);

impl<T: Clone> Recent<T> {
    /// What is known, or found out now. A failure is told to who asked and not remembered.
    async fn get<E>(&self, find: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let mut known = self.0.lock().await;
        if let Some((at, value)) = &*known
            && at.elapsed() < FIGURES_TIME
        {
            return Ok(value.clone());
        }
        let value = find.await?;
        *known = Some((Instant::now(), value.clone()));
        Ok(value)
    }
}

impl AppState {
    /// Where each channel of alerts is.
    async fn places(&self) -> Result<Vec<(String, Position)>, StoreError> {
        let places = self.store.positions().await?;
        Ok(places
            .into_iter()
            .filter(|(reader, _)| self.channels.contains(reader))
            .collect())
    }
}

/// Every route, for connections of that kind.
pub(crate) fn all<S: Stream>(
    context: RouteContext,
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

/// Whatever the table has, and the page.
fn operations(context: RouteContext) -> BoxedFilter<(Response,)> {
    warp::method()
        .and(warp::path::full())
        .and(warp::query::raw().or(warp::any().map(String::new)).unify())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Peer>())
        .and(warp::body::stream())
        .then(
            move |method: Method, path: FullPath, query, headers, peer: Peer, body| {
                let context = context.clone();
                async move {
                    if let Some(answer) = page::answer(&method, path.as_str(), &headers) {
                        return answer;
                    }
                    let Some((route, path_part)) = routes::find(&method, path.as_str()) else {
                        return nothing(path.as_str());
                    };
                    let from = context.entrance.address_of(peer.address.ip(), &headers);
                    let body = Body::new(body, &headers, from, &context.bodies);
                    let request = ApiRequest {
                        route,
                        path_part,
                        query,
                        headers,
                        peer,
                        body,
                    };
                    route.dispatch(context, request).await
                }
            },
        )
        .boxed()
}

/// The answer where no operation is.
fn nothing(path: &str) -> Response {
    let methods = routes::methods(path);
    if methods.is_empty() {
        let message = "there is nothing at this path; /api/openapi.json lists what there is";
        return error(
            StatusCode::NOT_FOUND,
            &ErrorBody::new(ErrorCode::NotFound, message),
        );
    }
    let message = format!("this path takes {methods}");
    let refusal = ErrorBody::new(ErrorCode::InvalidPayload, message);
    with_allow(error(StatusCode::METHOD_NOT_ALLOWED, &refusal), &methods)
}

/// The answer to a program that asks by OPTIONS what a path takes.
pub(crate) fn allowed(methods: &str) -> Response {
    with_allow(StatusCode::NO_CONTENT.into_response(), methods)
}

fn with_allow(mut response: Response, methods: &str) -> Response {
    if let Ok(methods) = HeaderValue::from_str(methods) {
        response.headers_mut().insert(header::ALLOW, methods);
    }
    response
}

/// Whether a path is served on the connections that are kept: webhooks, and whether we are well.
pub(crate) fn is_kept_for(path: &str) -> bool {
    ["/webhooks/shopify", "/livez", "/readyz"].contains(&path.strip_suffix('/').unwrap_or(path))
}

/// The answer where there are too many connections already, of an address or of all.
pub(crate) fn crowded() -> Response {
    let refusal = ErrorBody::new(
        ErrorCode::Unavailable,
        "there are too many connections; try again in a second",
    );
    error(StatusCode::SERVICE_UNAVAILABLE, &refusal)
}

/// The answer to what is no request of HTTP/1.1.
pub(crate) fn malformed(message: &str) -> Response {
    error(
        StatusCode::BAD_REQUEST,
        &ErrorBody::new(ErrorCode::InvalidPayload, message),
    )
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
    let body = warp::reply::json(&ErrorAnswer { error });
    let mut response = warp::reply::with_status(body, status).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::TokenExpired | ErrorCode::TokenInvalid => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden | ErrorCode::TlsRequired => StatusCode::FORBIDDEN,
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
        ErrorCode::LimitReached | ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn figures_that_a_hundred_ask_for_are_found_out_once_a_second_and_failures_are_not_kept()
    {
        let (figures, found) = (Recent::default(), AtomicU32::new(0));
        let find = || async {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(found.fetch_add(1, Ordering::Relaxed))
        };
        let told = join_all((0..100).map(|_| figures.get(find()))).await;
        assert!(told.into_iter().all(|told| told == Ok(0)));
        advance(FIGURES_TIME).await;
        assert_eq!(figures.get(find()).await, Ok(1));

        advance(FIGURES_TIME).await;
        assert_eq!(
            figures.get(async { Err("the store is busy") }).await,
            Err("the store is busy")
        );
        assert_eq!(figures.get(find()).await, Ok(2), "asked again at once");
    }
}
