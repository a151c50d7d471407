//! `/api/v1/runs` and `drift`: how syncs went, what they had to put right, and asking for one.

use schemars::JsonSchema;
use schemas::access::Subject;
use schemas::{
    ErrorBody, ErrorCode, LocationId, Resource, Role, RunId, RunKind, RunState, ShopDomain,
    SyncRun, Timestamp,
};
use serde::{Deserialize, Serialize};
use store::{Backlog, Drifted};

use super::api::{Call, List, failed};
use super::route::ApiRequest;
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

/// A run that was request for.
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
    /// Effects of commands that Shopify has not answered: to be sent, or sent and tried again.
    commands: u64,
    /// Records to be read again.
    refreshes: u64,
}

pub(super) async fn runs(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<List<SyncRun>, ErrorBody> {
    Call::new(context, &request)?.runs().await
}

pub(super) async fn drift(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<List<Drifted>, ErrorBody> {
    Call::new(context, &request)?.drift().await
}

pub(super) async fn status(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<Status, ErrorBody> {
    Call::new(context, &request)?.status().await
}

pub(super) async fn start(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<Started, ErrorBody> {
    let call = Call::new(context, &request)?;
    let body = body::whole(request.body, COMMAND_BYTES_MAX).await?;
    Ok(Started {
        run_id: call.start_run(&body).await?,
    })
}

pub(super) async fn cancel(
    context: &RouteContext,
    request: ApiRequest,
) -> Result<Cancelled, ErrorBody> {
    Call::new(context, &request)?
        .cancel_run(&request.part)
        .await
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

impl Call<'_> {
    /// Runs, newest first.
    async fn runs(&self) -> Result<List<SyncRun>, ErrorBody> {
        self.may_see(Subject::Sync)?;
        let runs = self
            .context
            .store
            .runs(&self.shop, self.limit)
            .await
            .map_err(|e| failed(&e))?;
        Ok(List {
            data: runs.into_iter().map(|record| record.run).collect(),
        })
    }

    /// What full runs had to put right, and dry ones found, the latest first; with `run`, of that one.
    async fn drift(&self) -> Result<List<Drifted>, ErrorBody> {
        self.may_see(Subject::Sync)?;
        let run = self
            .query
            .get("runId")
            .map(|text| text.parse::<RunId>())
            .transpose();
        let run = run.map_err(|problem| ErrorBody::field("runId", problem.to_string()))?;
        let Some(mine) = self.locations() else {
            let data = self
                .context
                .store
                .drift(&self.shop, run, self.limit)
                .await
                .map_err(|e| failed(&e))?;
            return Ok(List { data });
        };
        let found = self
            .context
            .store
            .drift(&self.shop, run, PAGE_RECORDS_MAX)
            .await;
        let mut data = found.map_err(|e| failed(&e))?;
        data.retain(|drifted| is_drift_of(mine, &drifted.record));
        data.truncate(self.limit);
        Ok(List { data })
    }

    /// How the mirror is: for each resource up to when it is complete by Shopify's time, its last run and its last full
    /// one; what waits; what a person should know of Shopify's API.
    async fn status(&self) -> Result<Status, ErrorBody> {
        self.may_see(Subject::Sync)?;
        let store = &self.context.store;
        let mut resources = Vec::new();
        for resource in [
            Resource::Products,
            Resource::Inventory,
            Resource::Orders,
            Resource::Customers,
        ] {
            let complete_until = store
                .watermark(&self.shop, resource)
                .await
                .map_err(|e| failed(&e))?;
            let last = store
                .last_runs(&self.shop, resource)
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
        let counts = store
            .delivery_counts(&self.shop)
            .await
            .map_err(|e| failed(&e))?;
        let deliveries = |wanted: &str| {
            let of = counts.iter().filter(|(_, state, _)| *state == wanted);
            of.map(|(.., count)| count).sum::<u64>()
        };
        let problems = self.context.problems.of(&self.shop).into_iter();
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
        if let Some(message) = self
            .context
            .runs
            .unsubscribed(&self.shop)
            .filter(|_| counts.is_empty())
        {
            problems.push(StandingProblem {
                kind: "no_webhooks",
                since: None,
                message: message.to_owned(),
            });
        }
        for (channel, place) in self.context.places().await.map_err(|e| failed(&e))? {
            problems.extend(place.problem.map(|problem| StandingProblem {
                kind: "alerts_failing",
                since: None,
                message: format!("alerts by {channel}: {problem}"),
            }));
        }
        let Backlog {
            effects: commands,
            refreshes,
        } = store.backlog(&self.shop).await.map_err(|e| failed(&e))?;
        let waiting = Waiting {
            webhooks: deliveries("pending"),
            unreadable: deliveries("unreadable"),
            commands,
            refreshes,
        };
        Ok(Status {
            shop: self.shop.clone(),
            resources,
            waiting,
            problems,
        })
    }

    async fn start_run(&self, body: &[u8]) -> Result<RunId, ErrorBody> {
        self.may_steer_runs()?;
        let Wish {
            resource,
            kind,
            dry_run,
            any_missing,
        } = schemas::json::read(body).map_err(|problem| {
            let message = format!(
                "the body must be {{resource, kind?: quick|full, dryRun?, anyMissing?}}: {problem}"
            );
            ErrorBody::new(ErrorCode::InvalidPayload, message)
        })?;
        self.context
            .runs
            .start(
                &self.shop,
                resource,
                Plan {
                    kind,
                    dry_run,
                    any_missing,
                },
            )
            .await
    }

    async fn cancel_run(&self, run: &str) -> Result<Cancelled, ErrorBody> {
        self.may_steer_runs()?;
        let runs = self
            .context
            .store
            .runs(&self.shop, PAGE_RECORDS_MAX)
            .await
            .map_err(|e| failed(&e))?;
        let record = runs
            .into_iter()
            .find(|record| record.run.run_id.as_str() == run);
        let Some(record) = record else {
            return Err(ErrorBody::new(ErrorCode::NotFound, "there is no such run"));
        };
        let (resource, run_id) = (record.run.resource, record.run.run_id);
        self.context
            .runs
            .cancel(&self.shop, resource, run_id.clone())
            .await?;
        Ok(Cancelled {
            run_id,
            state: RunState::Cancelled,
        })
    }

    fn may_steer_runs(&self) -> Result<(), ErrorBody> {
        if self.identity.role.is_admin() || self.identity.role == Role::Manager {
            return Ok(());
        }
        let message = format!(
            "the role {} may not start or end runs",
            self.identity.role.as_str()
        );
        Err(ErrorBody::new(ErrorCode::Forbidden, message))
    }
}
