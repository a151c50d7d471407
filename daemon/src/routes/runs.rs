//! `/api/v1/runs` and `drift`: how syncs went, what they had to put right, and asking for one.

use http::{HeaderMap, StatusCode};
use schemas::access::Subject;
use schemas::{ErrorBody, ErrorCode, Resource, Role, RunId, RunKind};
use serde::Deserialize;
use serde_json::{Value, json};
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply as _};

use super::api::{Call, Query, failed, reply};
use super::{Context, body};
use crate::limits::{COMMAND_BYTES_MAX, EFFECTS_GROUP, PAGE_RECORDS_MAX};
use crate::sync::Plan;

/// What a run is to be.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wish {
    resource: Resource,
    #[serde(default = "quick")]
    kind: RunKind,
    #[serde(default)]
    dry_run: bool,
    /// However many records are missing at Shopify: somebody has looked.
    #[serde(default)]
    any_missing: bool,
}

fn quick() -> RunKind {
    RunKind::Quick
}

pub(super) fn routes(context: Context) -> BoxedFilter<(Response,)> {
    let start = {
        let context = context.clone();
        warp::path!("api" / "v1" / "runs")
            .and(warp::post())
            .and(warp::header::headers_cloned())
            .and(warp::query::<Query>())
            .and(warp::body::stream())
            .then(move |headers: HeaderMap, query, body| {
                let context = context.clone();
                async move {
                    let body = match body::whole(body, COMMAND_BYTES_MAX).await {
                        Ok(body) => body,
                        Err(refusal) => return refusal,
                    };
                    let started = async { Call::new(&context, &headers, query)?.start_run(&body).await };
                    match started.await {
                        Ok(run) => {
                            let run = warp::reply::json(&json!({ "runId": run }));
                            warp::reply::with_status(run, StatusCode::ACCEPTED).into_response()
                        }
                        Err(refusal) => reply(Err(refusal)),
                    }
                }
            })
    };
    let cancel = warp::path!("api" / "v1" / "runs" / String / "cancel")
        .and(warp::post())
        .and(warp::header::headers_cloned())
        .and(warp::query::<Query>())
        .then(move |run: String, headers: HeaderMap, query| {
            let context = context.clone();
            async move {
                let cancelled = async { Call::new(&context, &headers, query)?.cancel_run(&run).await };
                reply(cancelled.await)
            }
        });
    start.or(cancel).unify().boxed()
}

impl Call<'_> {
    /// Runs, newest first.
    pub(super) async fn runs(&self) -> Result<Value, ErrorBody> {
        self.may_see(Subject::Sync)?;
        let runs = self.context.store.runs(&self.shop, self.limit).await.map_err(|e| failed(&e))?;
        Ok(json!({ "data": runs.into_iter().map(|record| record.run).collect::<Vec<_>>() }))
    }

    /// What full runs had to put right, and dry ones found, the latest first; with `run`, of that one.
    pub(super) async fn drift(&self) -> Result<Value, ErrorBody> {
        self.may_see(Subject::Sync)?;
        let run = self.query.get("run").map(|text| text.parse::<RunId>()).transpose();
        let run = run.map_err(|problem| ErrorBody::field("run", problem.to_string()))?;
        let drift = self.context.store.drift(&self.shop, run, self.limit).await.map_err(|e| failed(&e))?;
        Ok(json!({ "data": drift }))
    }

    /// How the mirror is: for each resource up to when it is complete by Shopify's time, its last run and its last full
    /// one; what waits; what a person should know of Shopify's API.
    pub(super) async fn status(&self) -> Result<Value, ErrorBody> {
        self.may_see(Subject::Sync)?;
        let store = &self.context.store;
        let runs = store.runs(&self.shop, PAGE_RECORDS_MAX).await.map_err(|e| failed(&e))?;
        let mut resources = Vec::new();
        for resource in [Resource::Products, Resource::Inventory, Resource::Orders, Resource::Customers] {
            let complete = store.watermark(&self.shop, resource).await.map_err(|e| failed(&e))?;
            let mut of = runs.iter().map(|record| &record.run).filter(|run| run.resource == resource);
            let full = of.clone().find(|run| run.kind == RunKind::Full && !run.dry_run);
            resources.push(json!({
                "resource": resource, "completeUntil": complete, "lastRun": of.next(), "lastFullRun": full,
            }));
        }
        let counts = store.delivery_counts(&self.shop).await.map_err(|e| failed(&e))?;
        let deliveries = |wanted: &str| {
            let of = counts.iter().filter(|(_, state, _)| *state == wanted);
            of.map(|(.., count)| count).sum::<u64>()
        };
        let mut problems = self.context.runs.problems(&self.shop);
        for (channel, place) in self.context.places().await.map_err(|e| failed(&e))? {
            problems.extend(place.problem.map(|problem| format!("alerts by {channel}: {problem}")));
        }
        let commands = store.waiting(&self.shop, EFFECTS_GROUP).await.map_err(|e| failed(&e))?.len();
        Ok(json!({
            "shop": self.shop,
            "resources": resources,
            "waiting": {
                "webhooks": deliveries("pending"),
                "unreadable": deliveries("unreadable"),
                "commands": commands,
            },
            "problems": problems,
        }))
    }

    async fn start_run(&self, body: &[u8]) -> Result<RunId, ErrorBody> {
        self.may_steer_runs()?;
        let Wish { resource, kind, dry_run, any_missing } =
            serde_json::from_slice(body).map_err(|problem| {
                let message = format!(
                    "the body must be {{resource, kind?: quick|full, dryRun?, anyMissing?}}: {problem}"
                );
                ErrorBody::new(ErrorCode::InvalidPayload, message)
            })?;
        self.context.runs.start(&self.shop, resource, Plan { kind, dry_run, any_missing }).await
    }

    async fn cancel_run(&self, run: &str) -> Result<Value, ErrorBody> {
        self.may_steer_runs()?;
        let runs = self.context.store.runs(&self.shop, PAGE_RECORDS_MAX).await.map_err(|e| failed(&e))?;
        let record = runs.into_iter().find(|record| record.run.run_id.as_str() == run);
        let Some(record) = record else {
            return Err(ErrorBody::new(ErrorCode::NotFound, "there is no such run"));
        };
        let (resource, run) = (record.run.resource, record.run.run_id);
        self.context.runs.cancel(&self.shop, resource, run.clone()).await?;
        Ok(json!({ "runId": run, "state": "cancelled" }))
    }

    fn may_steer_runs(&self) -> Result<(), ErrorBody> {
        if self.identity.role.is_admin() || self.identity.role == Role::Manager {
            return Ok(());
        }
        let message = format!("the role {} may not start or end runs", self.identity.role.as_str());
        Err(ErrorBody::new(ErrorCode::Forbidden, message))
    }
}
