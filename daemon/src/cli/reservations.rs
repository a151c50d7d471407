//! `stockd reservations`: what concerns all of them at once.

use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::api_client::{ApiClient, ShopArgs};
use super::{say, tell};
use crate::config::Environment;

/// How long Shopify is waited for.
const SETTLED_WAIT: Duration = Duration::from_mins(2);
/// How often is looked.
const SETTLED_PAUSE: Duration = Duration::from_millis(500);

/// Acts on all reservations.
#[derive(Debug, Args)]
#[command(after_help = "Example: stockd reservations release-all")]
pub(super) struct Reservations {
    #[command(subcommand)]
    action: ReservationAction,
    #[command(flatten)]
    connection: ShopArgs,
}

#[derive(Debug, Subcommand)]
enum ReservationAction {
    /// Release every reservation and wait until Shopify has confirmed it. Do this before you uninstall stockd.
    #[command(after_help = "Example: stockd reservations release-all")]
    ReleaseAll,
}

impl Reservations {
    pub(super) async fn run(self, environment: &Environment, json: bool) -> anyhow::Result<()> {
        let ReservationAction::ReleaseAll = self.action;
        let rest = self.connection.open(environment, "stockd-reservations")?;
        let answer = rest.post("holds/drain", None).await?;
        if json {
            say(&answer)?;
        } else {
            tell(format_args!(
                "{} reservations released, {} left",
                answer["released"], answer["left"]
            ))?;
        }
        if let Some(reason) = answer["reason"].as_str() {
            anyhow::bail!("{} reservations are left: {reason}", answer["left"]);
        }
        wait(&rest, answer["by"].as_str().unwrap_or_default()).await
    }
}

/// Until nothing that this user asked for waits any more.
async fn wait(rest: &ApiClient, by: &str) -> anyhow::Result<()> {
    let until = Instant::now() + SETTLED_WAIT;
    loop {
        let mut waiting = false;
        for state in ["accepted", "sending"] {
            let query = [("state", state), ("by", by), ("limit", "1")];
            let answer = rest
                .get("commands", &query)
                .await
                .context("the releases were given")?;
            waiting |= answer["data"]
                .as_array()
                .is_none_or(|commands: &Vec<Value>| !commands.is_empty());
        }
        if !waiting {
            return Ok(());
        }
        if Instant::now() > until {
            anyhow::bail!(
                "Shopify has not answered for all of them yet: leave the daemon running and ask again"
            );
        }
        sleep(SETTLED_PAUSE).await;
    }
}
