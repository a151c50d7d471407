//! `stockd sync`: begins a run in the running daemon, and shows how far it is.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use schemas::{Resource, RunKind, RunState, SyncRun};
use serde::Deserialize as _;
use serde_json::json;

use super::door::{Rest, ShopDoor};
use super::say;
use crate::config::Environment;

/// How often is looked how far it is.
const PAUSE: Duration = Duration::from_millis(250);

/// Brings a resource over, and shows how far that is.
#[derive(Debug, Args)]
#[command(after_help = "Example: stockd sync inventory --full --config /etc/stockd/stockd.toml")]
#[expect(clippy::struct_excessive_bools, reason = "one for each flag")]
pub(super) struct Sync {
    /// products, inventory, orders or customers.
    resource: Resource,
    /// Compare everything, not only what changed since the last run.
    #[arg(long)]
    full: bool,
    /// Compare only: tell what would be put right, and put nothing right.
    #[arg(long)]
    dry_run: bool,
    /// However many records are missing at Shopify: you have looked, and that is right.
    #[arg(long, requires = "full")]
    any_missing: bool,
    /// End the run that is under way.
    #[arg(long, conflicts_with_all = ["full", "dry_run", "any_missing"])]
    cancel: bool,
    #[command(flatten)]
    door: ShopDoor,
}

impl Sync {
    pub(super) async fn run(self, environment: &Environment, json: bool) -> anyhow::Result<()> {
        let Self { resource, full, dry_run, any_missing, cancel, door } = self;
        let rest = door.open(environment, "stockd-sync")?;
        if cancel {
            let runs = runs(&rest).await?;
            let open = runs.iter().find(|run| run.resource == resource && !run.state.is_over());
            let run = open.with_context(|| format!("no run of {resource} is under way"))?;
            rest.post(&format!("runs/{}/cancel", run.run_id), None).await?;
            return say(format_args!("run {} is cancelled", run.run_id));
        }
        let kind = if full { RunKind::Full } else { RunKind::Quick };
        let wish =
            json!({ "resource": resource, "kind": kind, "dryRun": dry_run, "anyMissing": any_missing });
        let begun = rest.post("runs", Some(&wish)).await?;
        let bar = ProgressBar::new_spinner().with_message(format!("{resource}: Shopify is asked"));
        bar.enable_steady_tick(PAUSE);
        let run = loop {
            let runs = runs(&rest).await?;
            let run = runs.into_iter().find(|run| begun["runId"] == run.run_id.as_str());
            let run = run.context("the daemon no longer knows the run")?;
            if run.state.is_over() {
                break run;
            }
            show(&bar, &run)?;
            tokio::time::sleep(PAUSE).await;
        };
        bar.finish_and_clear();
        if json {
            say(serde_json::to_string(&run)?)?;
        } else {
            let SyncRun { processed, changed, deleted, drift, .. } = run;
            let would = if dry_run { "would be " } else { "" };
            say(format_args!(
                "{resource}: {processed} records looked at, {changed} {would}changed, {deleted} {would}deleted, {drift} drifted"
            ))?;
            if drift > 0 {
                say(format_args!("which ones: /api/v1/drift?runId={}", run.run_id))?;
            }
        }
        match run.state {
            RunState::Completed => Ok(()),
            RunState::Cancelled => anyhow::bail!("somebody cancelled the run"),
            _ => anyhow::bail!("the run failed: {}", run.error.as_deref().unwrap_or("no reason is known")),
        }
    }
}

fn show(bar: &ProgressBar, run: &SyncRun) -> anyhow::Result<()> {
    if let Some(total) = run.total {
        if bar.length() != Some(total) {
            bar.set_style(ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} {percent}%")?);
            bar.set_message(run.resource.to_string());
            bar.set_length(total);
        }
        bar.set_position(run.processed);
    }
    Ok(())
}

async fn runs(rest: &Rest) -> anyhow::Result<Vec<SyncRun>> {
    let answer = rest.get("runs", &[]).await?;
    Ok(Vec::<SyncRun>::deserialize(&answer["data"])?)
}
