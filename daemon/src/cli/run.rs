//! `stockd run`: the daemon.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Config, Environment};
use crate::lifecycle::{self, Process};

/// Runs until SIGTERM or SIGINT; under systemd it tells when it is ready.
#[derive(Debug, Args)]
#[command(after_help = "Example: stockd run --config /etc/stockd/stockd.toml")]
pub(super) struct Run {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

impl Run {
    pub(super) async fn run(self, environment: Environment) -> anyhow::Result<()> {
        let config = Config::load(&self.config, &environment)?;
        let mut listeners = Vec::new();
        for server in &config.server {
            listeners.push(lifecycle::listen(&server.listen).await?);
        }
        Process::start(config, &environment, listeners).await?.until_signal().await
    }
}
