//! `stockd status`: how a shop's mirror is.

use clap::Args;
use schemas::Timestamp;
use serde_json::Value;

use super::api_client::ShopArgs;
use super::terminal::Terminal;
use super::{say, tell};
use crate::config::Environment;

/// Shows the last runs of a shop, its drift, what waits and what is wrong. Exits with 1 while something is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Example: stockd status")]
pub(super) struct StatusCommand {
    #[command(flatten)]
    connection: ShopArgs,
}

impl StatusCommand {
    pub(super) async fn run(self, environment: &Environment, json: bool) -> anyhow::Result<()> {
        let rest = self.connection.open(environment, "stockd-status")?;
        let status = rest.get("status", &[]).await?;
        let problems: Vec<&Value> = status["problems"]
            .as_array()
            .into_iter()
            .flatten()
            .collect();
        let verdict = || match problems.len() {
            0 => Ok(()),
            1 => anyhow::bail!("there is a problem, told above"),
            many => anyhow::bail!("there are {many} problems, told above"),
        };
        if json {
            say(&status)?;
            return verdict();
        }
        let text = |value: &Value| value.as_str().unwrap_or("never").to_owned();
        let terminal = Terminal::of_process(environment);
        let time = |value: &Value| match value
            .as_str()
            .and_then(|text| text.parse::<Timestamp>().ok())
        {
            Some(time) => terminal.date(time),
            None => "never".to_owned(),
        };
        tell(text(&status["shop"]))?;
        for resource in status["resources"].as_array().into_iter().flatten() {
            let last = &resource["lastRun"];
            tell(format_args!(
                "  {:<10} complete up to {}; last run {} ({}), {} changed; last full run {}{}",
                text(&resource["resource"]),
                time(&resource["completeUntil"]),
                time(&last["startedAt"]),
                text(&last["state"]),
                last["changed"],
                time(&resource["lastFullRun"]["startedAt"]),
                resource["lastFullRun"]["drift"]
                    .as_u64()
                    .map(|drift| format!(", {drift} drifted"))
                    .unwrap_or_default(),
            ))?;
            if let Some(error) = last["error"].as_str() {
                tell(format_args!("    {error}"))?;
            }
        }
        let waits = &status["waiting"];
        tell(format_args!(
            "  waiting: {} webhooks, {} unreadable ones, {} commands, {} records to be read again",
            waits["webhooks"], waits["unreadable"], waits["commands"], waits["refreshes"]
        ))?;
        for problem in &problems {
            let since = problem["since"]
                .as_str()
                .map(|_| format!(" since {}", time(&problem["since"])));
            tell(format_args!(
                "  problem{}: {}",
                since.unwrap_or_default(),
                text(&problem["message"])
            ))?;
        }
        verdict()
    }
}
