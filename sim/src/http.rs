//! The listener: connections, routes, headers. What the answers say is decided elsewhere.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Either, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, DATE, HeaderValue};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::bulk::{Download, Unfetched};
use crate::call::RecordedCall;
use crate::fault::InjectedFault;
use crate::shop::{SimShop, lock};
use crate::store::ChangeRefused;
use crate::{VERSION, control, graphql, token, truth, visitor};

/// Connections at once; more wait to be accepted.
const MAX_CONNECTIONS: usize = 1_024;
/// Bytes of a request body; more is refused with 413.
const MAX_BODY: usize = 4 << 20;
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Accepts and serves until stopped.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    shop: Arc<SimShop>,
    closing: CancellationToken,
    tasks: TaskTracker,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: others will close.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = closing.cancelled() => return,
        };
        let work = ConnectionWork {
            shop: shop.clone(),
            closing: closing.clone(),
            tasks: tasks.clone(),
            slot: Arc::new(slot),
        };
        let (closing, tls) = (closing.clone(), tls.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = accepted(stream, tls, &work) => {}
                () = closing.cancelled() => {}
            }
        });
    }
}

/// What a connection needs to have calls carried out that outlive it.
struct ConnectionWork {
    shop: Arc<SimShop>,
    closing: CancellationToken,
    tasks: TaskTracker,
    /// Free when the connection and the last of its calls have ended.
    slot: Arc<OwnedSemaphorePermit>,
}

async fn accepted(stream: TcpStream, tls: Option<TlsAcceptor>, work: &ConnectionWork) {
    // Without it answers are late, not wrong.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return connection(stream, work).await;
    };
    match tokio::time::timeout(HEADER_TIMEOUT, tls.accept(stream)).await {
        Ok(Ok(stream)) => connection(stream, work).await,
        // Most likely it does not trust the certificate yet, or spoke plain HTTP.
        Ok(Err(error)) => tracing::debug!(%error, "a client did not agree on TLS"),
        Err(_) => tracing::debug!("a client took too long to agree on TLS"),
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, work: &ConnectionWork) {
    let service = service_fn(|request| answer(work, request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Asked to hang up instead of answering.
#[derive(Debug, thiserror::Error)]
#[error("hung up on purpose")]
struct HungUp;

/// A text, or a file on its way.
type Content = Either<Full<Bytes>, Download>;

async fn answer(
    work: &ConnectionWork,
    request: Request<Incoming>,
) -> Result<Response<Content>, HungUp> {
    let (shop, (head, body)) = (&work.shop, request.into_parts());
    if head.uri.path().starts_with("/_sim/")
        && let Err(why) = visitor::check(&head.headers)
    {
        return Ok(write(
            shop,
            StatusCode::FORBIDDEN,
            json!({ "error": { "message": why } }).to_string(),
        ));
    }
    let Ok(body) = Limited::new(body, MAX_BODY)
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
    else {
        return Ok(write(
            shop,
            StatusCode::PAYLOAD_TOO_LARGE,
            json!({ "errors": "Body too large" }).to_string(),
        ));
    };
    let path: Vec<&str> = head.uri.path().split('/').skip(1).collect();
    let (status, text) = match path[..] {
        ["admin", "api", _, "graphql.json"] if head.method == Method::POST => {
            let token = head.headers.get("x-shopify-access-token").cloned();
            // A task of its own: a client that gives up waiting does not undo what it asked for.
            let (shop, slot) = (shop.clone(), work.slot.clone());
            let call = async move {
                let answer = api(shop, token, body).await;
                drop(slot);
                answer
            };
            let called = work
                .tasks
                .spawn(work.closing.clone().run_until_cancelled_owned(call))
                .await;
            called.ok().flatten().flatten().ok_or(HungUp)?
        }
        ["admin", "oauth", "access_token"] if head.method == Method::POST => {
            let fault = lock(&shop.api_faults).on_token();
            if let Some(fault) = fault {
                respond_with(fault).ok_or(HungUp)?
            } else {
                let (status, answer) = token::answer(shop, &body);
                (status, answer.to_string())
            }
        }
        ["_sim", "bulk", name] if head.method == Method::GET => {
            return Ok(download(shop, &head, name));
        }
        ["_sim", "truth"] if head.method == Method::GET => {
            (StatusCode::OK, truth::truth(&shop.store()))
        }
        ["" | "_sim"] | ["_sim", ""] if head.method == Method::GET => {
            (StatusCode::OK, control::routes(shop).to_string())
        }
        ["_sim", route] => {
            match control::answer(shop, &head.method, route, head.uri.query(), &body) {
                Some(Ok(value)) => (StatusCode::OK, value.to_string()),
                Some(Err(refused)) => (StatusCode::BAD_REQUEST, told(&refused).to_string()),
                None => absent(&head),
            }
        }
        _ => absent(&head),
    };
    Ok(write(shop, status, text))
}

/// There is no such route. Shopify may well have it, so its own words for that would mislead.
fn absent(head: &Parts) -> (StatusCode, String) {
    let (method, path) = (&head.method, head.uri.path());
    let message = format!("the pretend store has no {method} {path}; GET / lists what it has");
    let shopifys = path.starts_with("/admin/");
    let answer = if shopifys {
        json!({ "errors": message })
    } else {
        json!({ "error": { "message": message } })
    };
    (StatusCode::NOT_FOUND, answer.to_string())
}

fn told(refused: &ChangeRefused) -> Value {
    json!({ "error": { "field": refused.field, "message": refused.message } })
}

/// Answers a GraphQL request, or nothing if the connection is to be closed.
async fn api(
    shop: Arc<SimShop>,
    token: Option<HeaderValue>,
    body: Bytes,
) -> Option<(StatusCode, String)> {
    let (arrived, latency) = {
        let mut faults = lock(&shop.api_faults);
        (
            faults.on_arrival(),
            Duration::from_millis(faults.latency_ms),
        )
    };
    if let Some(fault) = arrived {
        wait(latency).await;
        lock(&shop.calls).add(unanswered(&shop, fault.status()));
        return respond_with(fault);
    }
    let refuse = |status: StatusCode, why: &str| {
        lock(&shop.calls).add(unanswered(&shop, status.as_u16()));
        Some((status, json!({ "errors": why }).to_string()))
    };
    let token = token.as_ref().map_or(&b""[..], HeaderValue::as_bytes);
    if !lock(&shop.app).admits(token, shop.clock.now()) {
        let why = "[API] Invalid API key or access token (unrecognized login or wrong password)";
        return refuse(StatusCode::UNAUTHORIZED, why);
    }
    let request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let admitted = graphql::admit(&shop, &request);
    wait(latency).await;
    let answer = admitted.map_or_else(
        |answer| *answer,
        |admitted| graphql::carry_out(&shop, admitted),
    );
    let mut calls = lock(&shop.calls);
    let status = answer.call.status;
    calls.add(answer.call);
    for mutation in answer.mutations {
        calls.add_mutation(mutation);
    }
    answer.body.map_or_else(respond_with, |body| {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        Some((status, body))
    })
}

async fn wait(latency: Duration) {
    // Even a sleep of nothing takes a tick of the timer.
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
}

fn respond_with(fault: InjectedFault) -> Option<(StatusCode, String)> {
    match fault {
        InjectedFault::HangUp => None,
        InjectedFault::Status(status) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Some((status, json!({ "errors": words(status) }).to_string()))
        }
    }
}

fn words(status: StatusCode) -> &'static str {
    match status.as_u16() {
        402 => "Unavailable Shop",
        430 => "Shopify Security Rejection",
        540 => "Temporarily Disabled",
        _ => status.canonical_reason().unwrap_or("Error"),
    }
}

/// A call that did not reach GraphQL; its status is 0 if it got no answer at all.
fn unanswered(shop: &SimShop, status: u16) -> RecordedCall {
    RecordedCall {
        at: shop.clock.now(),
        operation: None,
        status,
        requested_cost: None,
        actual_cost: None,
        throttled: false,
        errors: Vec::new(),
    }
}

/// Answers as the store of results does, which is none of Shopify's: it knows links and no tokens.
fn download(shop: &SimShop, head: &Parts, name: &str) -> Response<Content> {
    let token = ["authorization", "x-shopify-access-token"]
        .iter()
        .any(|name| head.headers.contains_key(*name));
    let fetched = shop
        .bulk
        .fetch(name, head.uri.query().unwrap_or_default(), shop.clock.now());
    let (status, code) = match fetched {
        _ if token => (StatusCode::BAD_REQUEST, "InvalidArgument"),
        Ok(download) => {
            let response = Response::builder()
                .header(CONTENT_TYPE, "application/jsonl")
                .header(
                    CONTENT_DISPOSITION,
                    format!("attachment; filename=\"bulk-{name}\""),
                )
                .body(Either::Right(download));
            return response.unwrap_or_else(|_| Response::new(Either::Left(Full::default())));
        }
        Err(Unfetched::BadSignature) => (StatusCode::FORBIDDEN, "SignatureDoesNotMatch"),
        Err(Unfetched::Expired) => (StatusCode::BAD_REQUEST, "ExpiredToken"),
        Err(Unfetched::Gone) => (StatusCode::NOT_FOUND, "NoSuchKey"),
    };
    let text = format!("<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code></Error>");
    let mut response = Response::new(Either::Left(Full::new(Bytes::from(text))));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/xml; charset=UTF-8"),
    );
    response
}

fn write(shop: &SimShop, status: StatusCode, text: String) -> Response<Content> {
    let number = shop.requests.fetch_add(1, Ordering::Relaxed);
    let headers = lock(&shop.api_faults).headers.clone();
    let off = SignedDuration::from_secs(headers.date_offset_seconds.into());
    let shown = shop.clock.now().saturating_add(off).unwrap_or_default();
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&shown);
    let request_id = Uuid::new_v5(&Uuid::NAMESPACE_URL, number.to_string().as_bytes());
    let mut response = Response::builder();
    if let Some(reason) = &headers.deprecated_reason {
        response = response.header("X-Shopify-API-Deprecated-Reason", reason);
    }
    let response = response
        .status(status)
        .header(CONTENT_TYPE, "application/json; charset=utf-8")
        // The shop's clock, from which a client takes its windows.
        .header(DATE, date.unwrap_or_default())
        .header(
            "X-Shopify-API-Version",
            headers.version.as_deref().unwrap_or(VERSION),
        )
        .header("X-Request-Id", request_id.to_string())
        .body(Either::Left(Full::new(Bytes::from(text))));
    response.unwrap_or_else(|_: hyper::http::Error| Response::new(Either::Left(Full::default())))
}
