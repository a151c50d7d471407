//! `/metrics` for Prometheus: how exact the mirror is and what waits, read from the store when asked. No secrets, nobody's data.

use std::sync::atomic::Ordering;

use http::{HeaderValue, StatusCode, header};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use schemars::JsonSchema;
use schemas::{ErrorBody, ErrorCode, Resource, ShopDomain};
use serde::Serialize;
use store::StoreError;
use warp::Reply as _;
use warp::reply::Response;

use super::RouteContext;
use super::route::OpenRequest;

/// What the figures are written in.
pub(super) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfShop {
    shop: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfResource {
    shop: String,
    resource: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfProblem {
    shop: String,
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfChannel {
    channel: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OfState {
    shop: String,
    state: &'static str,
}

/// The few figures that oms's documents show, for what was written for them.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OmsMetrics {
    connected_clients: usize,
    authenticated_users: usize,
    /// Seconds.
    uptime: f64,
    memory_usage: Memory,
}

/// Bytes.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Memory {
    rss: Option<u64>,
    heap_total: Option<u64>,
    heap_used: Option<u64>,
    external: Option<u64>,
}

pub(super) async fn metrics(context: &RouteContext, request: OpenRequest) -> Response {
    let accept = request
        .headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.trim_start().starts_with("application/json")) {
        return warp::reply::json(&of_oms(context)).into_response();
    }
    // Anybody may ask, so it is worked out no more often than it changes visibly.
    match context.figures.get(figures(context)).await {
        Ok(text) => {
            let mut response = text.into_response();
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS));
            response
        }
        Err(problem) => {
            tracing::error!(%problem, "the store gave no figures");
            super::error(
                StatusCode::SERVICE_UNAVAILABLE,
                &ErrorBody::new(
                    ErrorCode::Unavailable,
                    "the store does not answer; try again",
                ),
            )
        }
    }
}

fn of_oms(context: &RouteContext) -> OmsMetrics {
    let memory = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bytes = |name: &str| {
        let line = memory
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok())
            .map(|kilo| kilo * 1024)
    };
    OmsMetrics {
        connected_clients: context.hub.figures().connections,
        authenticated_users: context.hub.users(),
        uptime: context
            .clock
            .now()
            .duration_since(context.started)
            .as_secs_f64(),
        memory_usage: Memory {
            rss: bytes("VmRSS"),
            heap_total: bytes("VmData"),
            heap_used: bytes("RssAnon"),
            external: bytes("RssFile"),
        },
    }
}

async fn figures(context: &RouteContext) -> Result<String, StoreError> {
    let mut registry = Registry::with_prefix("stockd");
    let drift = Family::<OfResource, Gauge>::default();
    registry.register(
        "drift_records",
        "Records that the last full run that was completed had to put right",
        drift.clone(),
    );
    let completed = Family::<OfResource, Gauge>::default();
    let help = "When the last run that was completed ended, in seconds since 1970";
    registry.register("run_completed_timestamp_seconds", help, completed.clone());
    let deliveries = Family::<OfState, Gauge>::default();
    registry.register(
        "webhooks",
        "Webhooks kept, by what became of them",
        deliveries.clone(),
    );
    let commands = Family::<OfShop, Gauge>::default();
    registry.register(
        "commands_unsent",
        "Adjustments of commands that Shopify has not answered, sent or not",
        commands.clone(),
    );
    let refreshes = Family::<OfShop, Gauge>::default();
    registry.register(
        "refreshes_waiting",
        "Records to be read again from Shopify",
        refreshes.clone(),
    );
    let problems = Family::<OfProblem, Gauge>::default();
    registry.register(
        "problems",
        "1 for each thing that is wrong; /api/v1/status tells them",
        problems.clone(),
    );
    let [sent, given_up, failing] = [(); 3].map(|()| Family::<OfChannel, Gauge>::default());
    registry.register(
        "alerts_sent",
        "Alerts that a recipient has taken",
        sent.clone(),
    );
    registry.register(
        "alerts_given_up",
        "Alerts that a recipient refused for good",
        given_up.clone(),
    );
    registry.register(
        "alerts_failing",
        "1 while the last alert is not taken",
        failing.clone(),
    );
    let (sockets, connections, events) = (
        Gauge::<i64>::default(),
        Gauge::<i64>::default(),
        Gauge::<i64>::default(),
    );
    registry.register("connections", "Realtime connections", connections.clone());
    registry.register(
        "sockets",
        "Realtime sockets, one for each namespace of a connection",
        sockets.clone(),
    );
    registry.register(
        "log_sequence",
        "The last event's place in the log",
        events.clone(),
    );
    let unknown = Counter::<u64>::default();
    unknown.inc_by(context.store.unknown_entries());
    registry.register(
        "log_unknown_entries",
        "Entries of the log that were read and passed over: a newer stockd wrote them, or their kind was removed",
        unknown,
    );

    for shop in context.shops.domains() {
        of_shop(context, &shop, &drift, &completed).await?;
        for (_, state, count) in context.store.delivery_counts(&shop).await? {
            deliveries
                .get_or_create(&OfState {
                    shop: shop.to_string(),
                    state,
                })
                .inc_by(gauge(count));
        }
        let backlog = context.store.backlog(&shop).await?;
        let label = OfShop {
            shop: shop.to_string(),
        };
        commands
            .get_or_create(&label)
            .set(gauge(backlog.adjustments));
        refreshes
            .get_or_create(&label)
            .set(gauge(backlog.refreshes));
        for problem in context.problems.of(&shop) {
            problems
                .get_or_create(&OfProblem {
                    shop: shop.to_string(),
                    kind: problem.kind,
                })
                .set(1);
        }
    }
    for (channel, place) in context.places().await? {
        let label = OfChannel { channel };
        sent.get_or_create(&label).set(gauge(place.sent));
        given_up.get_or_create(&label).set(gauge(place.given_up));
        failing
            .get_or_create(&label)
            .set(i64::from(place.problem.is_some()));
    }
    let realtime = context.hub.figures();
    connections.set(gauge(realtime.connections as u64));
    sockets.set(gauge(realtime.sockets as u64));
    events.set(gauge(context.store.head().sequence.0));

    #[cfg(feature = "amqp")]
    if let Some(amqp) = &context.amqp {
        let connected = Gauge::<i64>::default();
        connected.set(amqp.is_connected().into());
        registry.register(
            "amqp_connected",
            "Whether messages of the broker come in",
            connected,
        );
        let messages = Family::<OutcomeLabel, Counter>::default();
        let counts = [
            ("told", &amqp.told),
            ("repeated", &amqp.repeated),
            ("dead", &amqp.dead),
        ];
        for (outcome, count) in counts {
            messages
                .get_or_create(&OutcomeLabel { outcome })
                .inc_by(count.load(Ordering::Relaxed));
        }
        registry.register(
            "amqp_messages",
            "Messages of the broker, by what became of them",
            messages,
        );
    }

    let mut text = String::new();
    encode(&mut text, &registry).map_err(|problem| StoreError::Failed(problem.to_string()))?;
    Ok(text)
}

async fn of_shop(
    context: &RouteContext,
    shop: &ShopDomain,
    drift: &Family<OfResource, Gauge>,
    completed: &Family<OfResource, Gauge>,
) -> Result<(), StoreError> {
    for resource in [
        Resource::Products,
        Resource::Inventory,
        Resource::Orders,
        Resource::Customers,
    ] {
        let label = OfResource {
            shop: shop.to_string(),
            resource: resource.as_str(),
        };
        let last = context.store.last_runs(shop, resource).await?;
        if let Some(ended) = last.completed.and_then(|last| last.run.finished_at) {
            completed.get_or_create(&label).set(ended.as_second());
        }
        if let Some(full) = last.full_completed {
            drift.get_or_create(&label).set(gauge(full.run.drift));
        }
    }
    Ok(())
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
