//! `stockd status`: how a shop's mirror is.

use clap::Args;
use schemas::Timestamp;
use serde_json::Value;

use super::door::ShopDoor;
use super::terminal::Terminal;
use super::{say, tell};
use crate::config::Environment;

/// Tells how a shop's mirror is: what was synced when, what drifted, what waits.
#[derive(Debug, Args)]
#[command(after_help = "Example: stockd status")]
pub(super) struct Status {
    #[command(flatten)]
    door: ShopDoor,
}

impl Status {
    pub(super) async fn run(self, environment: &Environment, json: bool) -> anyhow::Result<()> {
        let rest = self.door.open(environment, "stockd-status")?;
        let status = rest.get("status", &[]).await?;
        if json {
            return say(&status);
        }
        let text = |value: &Value| value.as_str().unwrap_or("never").to_owned();
        let terminal = Terminal::of_process(environment);
        let time = |value: &Value| match value.as_str().and_then(|text| text.parse::<Timestamp>().ok()) {
            Some(time) => terminal.date(time),
            None => "never".to_owned(),
        };
        tell(text(&status["shop"]))?;
        for resource in status["resources"].as_array().into_iter().flatten() {
            let last = &resource["lastRun"];
            tell(format_args!(
                "  {:<10} complete up to {}; last run {} ({}), {} changed; last full run {}, {} drifted",
                text(&resource["resource"]),
                time(&resource["completeUntil"]),
                time(&last["startedAt"]),
                text(&last["state"]),
                last["changed"],
                time(&resource["lastFullRun"]["startedAt"]),
                resource["lastFullRun"]["drift"],
            ))?;
            if let Some(error) = last["error"].as_str() {
                tell(format_args!("    {error}"))?;
            }
        }
        let waits = &status["waiting"];
        tell(format_args!(
            "  waiting: {} webhooks, {} unreadable ones, {} commands",
            waits["webhooks"], waits["unreadable"], waits["commands"]
        ))?;
        for problem in status["problems"].as_array().into_iter().flatten() {
            tell(format_args!("  {}", text(problem)))?;
        }
        Ok(())
    }
}
