//! `/livez`, `/readyz` and a signpost at `/`.

use http::StatusCode;
use serde_json::json;
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply};

use super::Context;

/// `/livez`: the process answers. `/readyz`: it can also do its work; 503 while it cannot or is ending.
pub(super) fn routes(context: Context) -> BoxedFilter<(Response,)> {
    let live = warp::path!("livez")
        .and(warp::get())
        .map(|| warp::reply::json(&json!({"status": "ok"})).into_response());
    let ready = warp::path!("readyz").and(warp::get()).then(move || ready(context.clone()));
    let sign = warp::path::end().and(warp::get()).map(|| {
        "stockd: a live copy of a Shopify store.\n\n\
         events   /socket.io/ (Socket.IO, namespace /oda), or: stockd watch\n\
         records  /api/v1/levels, products, variants, items, locations, orders, customers, runs, drift,\n\
                  deliveries, events, commands, reservations, status\n\
         posts    POST /api/v1/events, emit: what other programs say\n\
         health   /livez, /readyz, /metrics; stockd status\n"
            .into_response()
    });
    live.or(ready).unify().or(sign).unify().boxed()
}

async fn ready(context: Context) -> Response {
    let store = context.store.entries(context.store.head().sequence, 1).await;
    let figures = context.hub.figures();
    let ok = store.is_ok() && !context.stop.is_cancelled();
    let body = json!({
        "status": if ok { "ready" } else if store.is_ok() { "ending" } else { "the store does not answer" },
        "offset": context.store.head(),
        "connections": figures.connections,
        "sockets": figures.sockets,
        // Its messages wait there: that is no reason to send clients elsewhere.
        "amqp": context.amqp.as_ref().map(|amqp| if amqp.is_connected() { "connected" } else { "away" }),
    });
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    warp::reply::with_status(warp::reply::json(&body), status).into_response()
}
