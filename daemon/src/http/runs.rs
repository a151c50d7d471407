//! `/api/v1/runs` and `drift`: how syncs went, what they had to put right, and asking for one.

use std::marker::PhantomData;

use schemars::{JsonSchema, json_schema};
use schemas::{
    ErrorBody, ErrorCode, LocationId, Resource, RunId, RunKind, RunState, ShopDomain, SyncRun,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use store::{Backlog, Drifted};

use super::api::{List, failed};
use super::parameter::{
    LIMIT, ListParameters, OfShop, Parameter, Parsed, PathText, SHOP, parameters, path_part, query,
};
use super::route::RouteCall;
use super::{RouteContext, body};
use crate::limits::{COMMAND_BYTES_MAX, PAGE_RECORDS_MAX};
use crate::shop::sync::Plan;
use crate::supervisor::problems::Shown;

/// What a run is to be.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wish {
    resource: Resource,
    #[serde(default = "quick")]
    kind: RunKind,
    /// Only compare.
    #[serde(default)]
    dry_run: bool,
    /// However many records are missing at Shopify: somebody has looked.
    #[serde(default)]
    any_missing: bool,
}

fn quick() -> RunKind {
    RunKind::Quick
}

/// A run that was asked for.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Started {
    run_id: RunId,
}

/// A run that was cancelled.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cancelled {
    run_id: RunId,
    state: RunState,
}

/// How a shop's mirror is.
#[derive(Serialize, JsonSchema)]
pub(super) struct Status {
    shop: ShopDomain,
    resources: Vec<ResourceStatus>,
    waiting: Waiting,
    /// What a person should know, and mostly do something about, while it lasts.
    problems: Vec<StandingProblem>,
}

/// Something that is wrong.
#[derive(Serialize, JsonSchema)]
struct StandingProblem {
    /// Which, for programs; for instance `no_access`, `unanswered`, `webhooks_refused`, `scopes_missing`, `store_failing`.
    kind: &'static str,
    /// Since when; `null` where that is not known.
    since: Option<Timestamp>,
    /// What is wrong, and what to do.
    message: String,
}

/// How one resource is.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ResourceStatus {
    resource: Resource,
    /// Up to when, by Shopify's time.
    complete_until: Option<Timestamp>,
    /// The last one of any kind, in any state.
    last_run: Option<SyncRun>,
    /// The last one that compared everything: completed, and no dry run.
    last_full_run: Option<SyncRun>,
}

/// What waits.
#[derive(Serialize, JsonSchema)]
struct Waiting {
    /// To be applied.
    webhooks: u64,
    /// For a person.
    unreadable: u64,
    /// Adjustments of commands that Shopify has not answered: to be sent, or sent and tried again.
    commands: u64,
    /// Records to be read again.
    refreshes: u64,
}

/// Whether that record is one that staff limited to those locations may know: nothing of another location, and no order,
/// because it is not kept where that was.
fn is_drift_of(mine: &[LocationId], record: &str) -> bool {
    match record.rsplit_once("location ") {
        Some((_, location)) => location
            .parse()
            .is_ok_and(|location| mine.contains(&location)),
        None => !record.starts_with("order "),
    }
}

const RUN: Parameter<Parsed<RunId>> = query(
    "runId",
    "Id of the run that found it.",
    Parsed {
        schema: || json_schema!({ "type": "string", "minLength": 1, "maxLength": 128 }),
        problem: None,
        of: PhantomData,
    },
);
const RUN_TO_CANCEL: Parameter<PathText> = path_part("runId", "Id of the run.");

parameters! {
    pub(super) struct DriftParameters {
        shop: ShopDomain = SHOP,
        limit: usize = LIMIT,
        run: Option<RunId> = RUN,
    }
}

parameters! {
    pub(super) struct CancelParameters {
        shop: ShopDomain = SHOP,
        run: String = RUN_TO_CANCEL,
    }
}

/// Runs, newest first.
pub(super) async fn runs(
    context: &RouteContext,
    call: RouteCall<ListParameters>,
) -> Result<List<SyncRun>, ErrorBody> {
    let ListParameters { shop, limit } = call.parameters;
    let runs = context.store.runs(&shop, limit).await;
    let runs = runs.map_err(|e| failed(&e))?;
    Ok(List {
        data: runs.into_iter().map(|record| record.run).collect(),
    })
}

/// What full runs had to put right, and dry ones found, the latest first; with `run`, of that one.
pub(super) async fn drift(
    context: &RouteContext,
    RouteCall {
        identity,
        parameters,
        ..
    }: RouteCall<DriftParameters>,
) -> Result<List<Drifted>, ErrorBody> {
    let DriftParameters { shop, limit, run } = parameters;
    let mine = identity.limiting_locations();
    // Of those that are read, whoever is limited to locations sees some.
    let read = mine.map_or(limit, |_| PAGE_RECORDS_MAX);
    let found = context.store.drift(&shop, run, read).await;
    let mut data = found.map_err(|e| failed(&e))?;
    if let Some(mine) = mine {
        data.retain(|drifted| is_drift_of(mine, &drifted.record));
        data.truncate(limit);
    }
    Ok(List { data })
}

/// How the mirror is: for each resource up to when it is complete by Shopify's time, its last run and its last full
/// one; what waits; what a person should know of Shopify's API.
pub(super) async fn status(
    context: &RouteContext,
    call: RouteCall<OfShop>,
) -> Result<Status, ErrorBody> {
    let OfShop { shop } = call.parameters;
    let store = &context.store;
    let mut resources = Vec::new();
    for resource in [
        Resource::Products,
        Resource::Inventory,
        Resource::Orders,
        Resource::Customers,
    ] {
        let complete_until = store
            .watermark(&shop, resource)
            .await
            .map_err(|e| failed(&e))?;
        let last = store
            .last_runs(&shop, resource)
            .await
            .map_err(|e| failed(&e))?;
        let (last_run, last_full_run) = (
            last.any.map(|last| last.run),
            last.full_completed.map(|last| last.run),
        );
        resources.push(ResourceStatus {
            resource,
            complete_until,
            last_run,
            last_full_run,
        });
    }
    let counts = store.delivery_counts(&shop).await.map_err(|e| failed(&e))?;
    let deliveries = |wanted: &str| {
        let of = counts.iter().filter(|(_, state, _)| *state == wanted);
        of.map(|(.., count)| count).sum::<u64>()
    };
    let problems = context.problems.of(&shop).into_iter();
    let mut problems: Vec<_> = problems
        .map(
            |Shown {
                 kind,
                 since,
                 message,
             }| StandingProblem {
                kind,
                since: Some(since),
                message,
            },
        )
        .collect();
    // Somebody may have subscribed by hand; then deliveries tell.
    if let Some(message) = context
        .runs
        .unsubscribed(&shop)
        .filter(|_| counts.is_empty())
    {
        problems.push(StandingProblem {
            kind: "no_webhooks",
            since: None,
            message: message.to_owned(),
        });
    }
    for (channel, place) in context.places().await.map_err(|e| failed(&e))? {
        problems.extend(place.problem.map(|problem| StandingProblem {
            kind: "alerts_failing",
            since: None,
            message: format!("alerts by {channel}: {problem}"),
        }));
    }
    let Backlog {
        adjustments: commands,
        refreshes,
    } = store.backlog(&shop).await.map_err(|e| failed(&e))?;
    let waiting = Waiting {
        webhooks: deliveries("pending"),
        unreadable: deliveries("unreadable"),
        commands,
        refreshes,
    };
    Ok(Status {
        shop,
        resources,
        waiting,
        problems,
    })
}

/// Starts a run.
pub(super) async fn start(
    context: &RouteContext,
    call: RouteCall<OfShop>,
) -> Result<Started, ErrorBody> {
    let OfShop { shop } = call.parameters;
    let body = body::whole(call.body, COMMAND_BYTES_MAX).await?;
    let Wish {
        resource,
        kind,
        dry_run,
        any_missing,
    } = schemas::json::read(&body).map_err(|problem| {
        let message = format!(
            "the body must be {{resource, kind?: quick|full, dryRun?, anyMissing?}}: {problem}"
        );
        ErrorBody::new(ErrorCode::InvalidPayload, message)
    })?;
    let plan = Plan {
        kind,
        dry_run,
        any_missing,
    };
    let run_id = context.runs.start(&shop, resource, plan).await?;
    Ok(Started { run_id })
}

/// Cancels a run that is under way or waits.
pub(super) async fn cancel(
    context: &RouteContext,
    call: RouteCall<CancelParameters>,
) -> Result<Cancelled, ErrorBody> {
    let CancelParameters { shop, run } = call.parameters;
    let runs = context.store.runs(&shop, PAGE_RECORDS_MAX).await;
    let record = runs
        .map_err(|e| failed(&e))?
        .into_iter()
        .find(|record| record.run.run_id.as_str() == run);
    let Some(record) = record else {
        return Err(ErrorBody::new(ErrorCode::NotFound, "there is no such run"));
    };
    let (resource, run_id) = (record.run.resource, record.run.run_id);
    context.runs.cancel(&shop, resource, run_id.clone()).await?;
    Ok(Cancelled {
        run_id,
        state: RunState::Cancelled,
    })
}
