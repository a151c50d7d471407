//! `/livez`, `/readyz` and a signpost at `/`.

use std::borrow::Cow;
use std::convert::Infallible;

use http::StatusCode;
use schemars::JsonSchema;
use schemas::{ErrorBody, Offset};
use serde::Serialize;
use warp::Reply as _;
use warp::reply::Response;

use super::RouteContext;

/// That the process answers.
#[derive(Serialize, JsonSchema)]
pub(super) struct Live {
    status: &'static str,
}

/// Whether it can do its work.
#[derive(Serialize, JsonSchema)]
pub(super) struct Readiness {
    /// `ready`, or why not.
    status: Cow<'static, str>,
    /// Where the log is.
    offset: Offset,
    connections: usize,
    /// One for each namespace of a connection.
    sockets: usize,
    /// `connected` or `away`; `null` without a broker.
    amqp: Option<&'static str>,
}

pub(super) async fn live(_: &RouteContext) -> Result<Live, ErrorBody> {
    Ok(Live { status: "ok" })
}

/// 503 while it cannot do its work or is ending.
pub(super) async fn ready(context: &RouteContext) -> Response {
    let answers = async {
        Ok::<_, Infallible>(
            context
                .store
                .entries(context.store.head().sequence, 1)
                .await
                .is_ok(),
        )
    };
    let Ok(store) = context.readiness.get(answers).await;
    let figures = context.hub.figures();
    let failing = context.store.failing().borrow().is_some();
    let hanging = context.supervisor.hanging();
    let ok = store && !failing && hanging.is_none() && !context.stop.is_cancelled();
    let away = |is_connected| if is_connected { "connected" } else { "away" };
    let body = Readiness {
        status: match hanging {
            _ if ok => Cow::Borrowed("ready"),
            _ if !store => Cow::Borrowed("the store does not answer"),
            _ if failing => Cow::Borrowed("nothing can be written: see the log and stockd status"),
            Some(tasks) => Cow::Owned(format!("hanging: {tasks}")),
            None => Cow::Borrowed("ending"),
        },
        offset: context.store.head(),
        connections: figures.connections,
        sockets: figures.sockets,
        // Its messages wait there: that is no reason to send clients elsewhere.
        #[cfg(feature = "amqp")]
        amqp: context.amqp.as_ref().map(|amqp| away(amqp.is_connected())),
        #[cfg(not(feature = "amqp"))]
        amqp: None,
    };
    let status = if ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    warp::reply::with_status(warp::reply::json(&body), status).into_response()
}

pub(super) const SIGNPOST: &str = "stockd: a live copy of a Shopify store.\n\n\
     events   /socket.io/ (Socket.IO, namespace /oda), or: stockd watch; /api/asyncapi.json describes them\n\
     records  /api/v1/levels, products, variants, items, locations, orders, customers, runs, drift,\n\
              deliveries, events, commands, reservations, status; /api/openapi.json describes them\n\
     posts    POST /api/v1/events, emit: what other programs say\n\
     health   /livez, /readyz, /metrics; stockd status\n";
