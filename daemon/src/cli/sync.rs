//! `stockd sync`: begins a run in the running daemon, or joins the one under way, and shows how far it is.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use schemas::{ErrorCode, Resource, RunId, RunKind, RunState, SyncRun};
use serde::{Deserialize as _, Serialize};
use serde_json::json;

use super::api_client::{ApiClient, ShopArgs, refusal};
use super::{complain, say, tell};
use crate::config::Environment;

/// How often is looked how far it is.
const PAUSE: Duration = Duration::from_millis(250);

/// How often a refusal is doubted when no run is under way.
const VAIN_MAX: u32 = 2;

/// Synchronises a resource and shows the progress. If such a run is under way, it shows that one.
#[derive(Debug, Args)]
#[command(after_help = "Example: stockd sync inventory --full")]
#[expect(clippy::struct_excessive_bools, reason = "one for each flag")]
pub(super) struct SyncCommand {
    /// Resource: products, inventory, orders or customers.
    resource: Resource,
    /// Compare everything, not only what changed since the last run.
    #[arg(long)]
    full: bool,
    /// Only compare: report what would be corrected, and correct nothing.
    #[arg(long)]
    dry_run: bool,
    /// Accept any number of records that are missing at Shopify. Check first that they are really gone.
    #[arg(long, requires = "full")]
    any_missing: bool,
    /// Cancel the run that is under way.
    #[arg(long, conflicts_with_all = ["full", "dry_run", "any_missing"])]
    cancel: bool,
    #[command(flatten)]
    connection: ShopArgs,
}

impl SyncCommand {
    pub(super) async fn run(self, environment: &Environment, json: bool) -> anyhow::Result<()> {
        let Self {
            resource,
            full,
            dry_run,
            any_missing,
            cancel,
            connection,
        } = self;
        let rest = connection.open(environment, "stockd-sync")?;
        if cancel {
            let run = under_way(&rest, resource).await?;
            let run = run.with_context(|| format!("no run of {resource} is under way"))?;
            let answer = rest
                .post(&format!("runs/{}/cancel", run.run_id), None)
                .await?;
            return if json {
                say(answer)
            } else {
                tell(format_args!("run {} is cancelled", run.run_id))
            };
        }
        let kind = if full { RunKind::Full } else { RunKind::Quick };
        let wish = SyncRequest {
            resource,
            kind,
            dry_run,
            any_missing,
        };
        let run = tokio::select! {
            run = follow(&rest, &wish, json) => run?,
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                anyhow::bail!(
                    "the run goes on in the daemon: `stockd sync {resource}` shows it again, `stockd sync {resource} --cancel` ends it"
                );
            }
        };
        if json {
            say(serde_json::to_string(&run)?)?;
        } else {
            let SyncRun {
                processed,
                changed,
                deleted,
                drift,
                ..
            } = run;
            let would = if run.dry_run { "would be " } else { "" };
            tell(format_args!(
                "{resource}: {processed} records looked at, {changed} {would}changed, {deleted} {would}deleted, {drift} drifted"
            ))?;
            if drift > 0 || (run.dry_run && changed > 0) {
                tell(format_args!(
                    "which ones: /api/v1/drift?runId={}",
                    run.run_id
                ))?;
            }
        }
        match run.state {
            RunState::Completed => Ok(()),
            RunState::Cancelled => anyhow::bail!("somebody cancelled the run"),
            _ => anyhow::bail!(
                "the run failed: {}",
                run.error.as_deref().unwrap_or("no reason is known")
            ),
        }
    }
}

/// What is asked of the daemon.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SyncRequest {
    resource: Resource,
    kind: RunKind,
    dry_run: bool,
    any_missing: bool,
}

impl SyncRequest {
    /// Whether a run under way brings what is asked for. A wish to delete any number must be that run's own.
    fn is_granted_by(&self, run: &SyncRun) -> bool {
        let looks_at_as_much = run.kind == RunKind::Full || self.kind == RunKind::Quick;
        looks_at_as_much && run.dry_run == self.dry_run && !self.any_missing
    }
}

/// Begins a run, or joins one that brings what is asked for, and shows it to its end.
async fn follow(rest: &ApiClient, wish: &SyncRequest, json: bool) -> anyhow::Result<SyncRun> {
    let resource = wish.resource;
    // Also when somebody no longer wants to look.
    let bar = ProgressBar::new_spinner().with_finish(ProgressFinish::AndClear);
    bar.set_message(format!("{resource}: Shopify is asked"));
    bar.enable_steady_tick(PAUSE);
    let mut vain = 0;
    let run = loop {
        let refused = match rest.post("runs", Some(&json!(wish))).await {
            Ok(begun) => break end(rest, &bar, &RunId::deserialize(&begun["runId"])?).await?,
            Err(refused) if refusal(&refused) == Some(ErrorCode::Conflict) => refused,
            Err(error) => return Err(error),
        };
        let Some(run) = under_way(rest, resource).await? else {
            // The run that was in the way is over already, or it was refused for a reason that lasts.
            vain += 1;
            if vain > VAIN_MAX {
                return Err(refused);
            }
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        vain = 0;
        let granted = wish.is_granted_by(&run);
        let kind = if run.kind == RunKind::Full {
            "full"
        } else {
            "quick"
        };
        let what = if granted {
            "showing it"
        } else {
            "the one you ask for begins after it"
        };
        if !json {
            bar.suspend(|| {
                complain(format_args!(
                    "a {kind} run of {resource} is under way: {what}"
                ));
            });
        }
        let joined = end(rest, &bar, &run.run_id).await?;
        if granted {
            break joined;
        }
    };
    Ok(run)
}

/// Shows a run until it is over.
async fn end(rest: &ApiClient, bar: &ProgressBar, id: &RunId) -> anyhow::Result<SyncRun> {
    loop {
        let run = runs(rest).await?.into_iter().find(|run| run.run_id == *id);
        let run = run.context("the daemon no longer knows the run")?;
        if run.state.is_over() {
            return Ok(run);
        }
        show(bar, &run)?;
        tokio::time::sleep(PAUSE).await;
    }
}

fn show(bar: &ProgressBar, run: &SyncRun) -> anyhow::Result<()> {
    let resource = run.resource;
    match (run.total, run.bulk_objects) {
        (Some(total), _) => {
            if bar.length() != Some(total) {
                bar.set_style(ProgressStyle::with_template(
                    "{msg} {bar:40} {pos}/{len} {percent}%",
                )?);
                bar.set_length(total);
            }
            bar.set_message(resource.to_string());
            bar.set_position(run.processed);
        }
        (None, Some(objects)) => {
            bar.set_message(format!(
                "{resource}: Shopify writes its file, {objects} objects so far"
            ));
        }
        (None, None) if run.processed > 0 => {
            bar.set_message(format!("{resource}: {} records so far", run.processed));
        }
        (None, None) => {}
    }
    Ok(())
}

async fn under_way(rest: &ApiClient, resource: Resource) -> anyhow::Result<Option<SyncRun>> {
    Ok(runs(rest)
        .await?
        .into_iter()
        .find(|run| run.resource == resource && !run.state.is_over()))
}

async fn runs(rest: &ApiClient) -> anyhow::Result<Vec<SyncRun>> {
    let answer = rest.get("runs", &[]).await?;
    Ok(Vec::<SyncRun>::deserialize(&answer["data"])?)
}
