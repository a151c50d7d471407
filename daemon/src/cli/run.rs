//! `stockd run`: the daemon.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, Environment};
use crate::process::{self, Process, Signals};

/// Runs the daemon until SIGTERM or SIGINT. SIGHUP changes nothing. It tells systemd when it is ready.
#[derive(Debug, Args)]
#[command(after_help = "Example: stockd run --config stockd.toml")]
pub(super) struct RunCommand {
    /// Configuration file to use.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl RunCommand {
    pub(super) async fn run(self, environment: Environment) -> anyhow::Result<()> {
        let mut signals = Signals::of_a_service()?;
        let config = Config::load(&self.config, &environment)?;
        let mut listeners = Vec::new();
        for server in &config.server {
            listeners.push(process::listen(&server.listen).await?);
        }
        let started = tokio::select! {
            started = Process::start(config, &environment, listeners) => started?,
            () = signals.end() => return Ok(()),
        };
        started.until(&mut signals).await
    }
}
