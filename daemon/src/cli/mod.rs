//! The command line: one file a subcommand, errors as sentences on stderr.
//!
//! Exit code 0 done, 1 failed, 2 wrong usage or configuration.

mod demo;
mod door;
mod holds;
mod inventory;
mod revoke;
mod run;
mod schema;
mod sim;
mod status;
mod sync;
mod token;
mod watch;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{ConfigError, Environment};
use crate::{logging, reports};

/// An exact, live, local copy of a Shopify store.
#[derive(Debug, Parser)]
#[command(name = "stockd", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print JSON for programs.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A pretend store, the daemon on it, and its live stream: nothing to set up.
    Demo(demo::Demo),
    /// Sees to every hold at once.
    Holds(holds::Holds),
    /// Changes stock, or holds it, through the running daemon.
    Inventory(inventory::Inventory),
    /// Takes tokens no longer, at once.
    Revoke(revoke::Revoke),
    /// The daemon.
    Run(run::Run),
    /// Prints what the JSON of an event, the REST routes or the realtime side look like.
    Schema(schema::Schema),
    /// The pretend store alone.
    Sim(sim::Sim),
    /// Tells how a shop's mirror is.
    Status(status::Status),
    /// Brings a resource over, and shows how far that is.
    Sync(sync::Sync),
    /// Prints a token signed with the configured secret.
    Token(token::Token),
    /// Follows the live stream in the terminal; goes on where it was after any interruption.
    Watch(watch::Watch),
}

/// Wrong usage or configuration: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment = Environment::of_process();
    logging::start(&environment);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let done = runtime.block_on(async {
        match cli.command {
            Command::Demo(demo) => demo.run(environment, cli.json).await,
            Command::Holds(holds) => holds.run(&environment, cli.json).await,
            Command::Inventory(inventory) => inventory.run(&environment, cli.json).await,
            Command::Revoke(revoke) => revoke.run(&environment, cli.json).await,
            Command::Run(run) => run.run(environment).await,
            Command::Schema(schema) => schema.run(cli.json),
            Command::Sim(sim) => sim.run(cli.json).await,
            Command::Status(status) => status.run(&environment, cli.json).await,
            Command::Sync(sync) => sync.run(&environment, cli.json).await,
            Command::Token(token) => token.run(&environment, cli.json),
            Command::Watch(watch) => watch.run(&environment, cli.json).await,
        }
    });
    reports::flush();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // Nothing better to do when stderr itself is gone.
    let _ = writeln!(std::io::stderr(), "stockd: {error:#}");
    let usage = error.chain().any(|cause| cause.is::<Usage>() || cause.is::<ConfigError>());
    ExitCode::from(if usage { 2 } else { 1 })
}

/// Prints a line on stdout; a reader that went away ends the command.
fn say(line: impl std::fmt::Display) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()?;
    Ok(())
}
