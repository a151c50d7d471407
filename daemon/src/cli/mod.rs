//! The command line: one file a subcommand, errors as sentences on stderr.
//!
//! Exit code 0 done, 1 failed, 2 wrong usage or configuration.

mod api_client;
mod demo;
mod event;

mod inventory;
mod levels;
mod lifetime;
mod lookup;
mod reservations;
mod revoke;
mod run;
mod schema;
mod screen;
mod sim;
mod status;
mod sync;
mod terminal;
mod token;
mod user;
mod watch;

use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde_json::json;

use crate::config::{ConfigError, Environment};
use crate::logging;
#[cfg(feature = "sentry")]
use crate::reports;

/// Keeps an exact, live, local copy of a Shopify store.
#[derive(Debug, Parser)]
#[command(name = "stockd", version, about, after_help = "Example: stockd demo")]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a pretend store with the daemon on it and show the live stream; nothing to set up.
    Demo(demo::Demo),
    /// Act on all reservations, for instance before you uninstall stockd.
    Reservations(reservations::Reservations),
    /// Change or reserve stock through the running daemon.
    Inventory(inventory::Inventory),
    /// List stock, with the ids and SKUs that commands take.
    Levels(levels::Levels),
    /// Revoke tokens at once.
    Revoke(revoke::Revoke),
    /// Run the daemon in the foreground.
    Run(run::RunCommand),
    /// Print the JSON Schema of an event, or the OpenAPI or AsyncAPI document.
    Schema(schema::SchemaCommand),
    /// Run the pretend store alone.
    Sim(sim::SimCommand),
    /// Show how exact a shop's mirror is, what waits and what is wrong.
    Status(status::StatusCommand),
    /// Synchronise a resource and show the progress.
    Sync(sync::SyncCommand),
    /// Print a token for somebody, signed with the key of the configuration.
    Token(token::TokenCommand),
    /// Manage the people who sign in to the page.
    User(user::UserCommand),
    /// Follow the live stream in the terminal; resume after any interruption.
    Watch(watch::Watch),
}

/// Wrong usage or configuration: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Nobody reads what is printed any more.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads what is printed")]
struct Unread;

/// Does what the command line asks for.
pub fn main() -> ExitCode {
    let environment = Environment::of_process();
    let Cli { command, json } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(problem) => return unparsed(&problem),
    };
    // On the demonstration's screen lines of the log would be in the way of what it shows.
    let level = if matches!(command, Command::Demo(_)) && !json {
        "warn"
    } else {
        "info"
    };
    logging::start(&environment, level);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into(), json),
    };
    let done = runtime.block_on(async {
        match command {
            Command::Demo(demo) => Box::pin(demo.run(environment, json)).await,
            Command::Reservations(reservations) => reservations.run(&environment, json).await,
            Command::Inventory(inventory) => inventory.run(&environment, json).await,
            Command::Levels(levels) => levels.run(&environment, json).await,
            Command::Revoke(revoke) => revoke.run(&environment, json).await,
            Command::Run(run) => Box::pin(run.run(environment)).await,
            Command::Schema(schema) => schema.run(json),
            Command::Sim(sim) => sim.run(json).await,
            Command::Status(status) => status.run(&environment, json).await,
            Command::Sync(sync) => sync.run(&environment, json).await,
            Command::Token(token) => token.run(&environment, json).await,
            Command::User(user) => user.run(&environment, json).await,
            Command::Watch(watch) => watch.run(&environment, json).await,
        }
    });
    #[cfg(feature = "sentry")]
    reports::flush();
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, json),
    }
}

/// What became of a command line that is none, which may be a wish for help.
fn unparsed(problem: &clap::Error) -> ExitCode {
    // What was asked for is not known, so it is looked for in the words themselves.
    let wants_json = std::env::args_os().any(|word| word == "--json");
    if !problem.use_stderr() {
        let _ = problem.print();
        return ExitCode::SUCCESS;
    }
    if wants_json {
        let message = problem.render().to_string();
        complain(json!({ "error": { "code": "USAGE", "message": message.trim_end() } }));
    } else {
        let _ = problem.print();
    }
    ExitCode::from(2)
}

fn failed(error: &anyhow::Error, json: bool) -> ExitCode {
    let refused = error.downcast_ref::<api_client::ApiRefusal>();
    let usage = error
        .chain()
        .any(|cause| cause.is::<Usage>() || cause.is::<ConfigError>())
        || refused.is_some_and(api_client::ApiRefusal::is_usage);
    if error.is::<Unread>() {
        // As with `stockd levels | head`: whoever read has read enough.
        return ExitCode::from(1);
    }
    if json {
        let code = if usage { "USAGE" } else { "FAILED" };
        let other = json!({ "code": code, "message": format!("{error:#}") });
        complain(json!({ "error": refused.map_or(other, |refused| json!(refused.error)) }));
    } else {
        // Messages have lines of their own, but what they repeat of others does nothing to the terminal.
        let lines: Vec<String> = format!("stockd: {error:#}")
            .lines()
            .map(terminal::plain)
            .collect();
        complain(lines.join("\n"));
    }
    ExitCode::from(if usage { 2 } else { 1 })
}

/// Prints on stderr, where there is nothing better to do when stderr itself is gone.
fn complain(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints a line for people on stdout, in which nothing of others can do anything to the terminal.
fn tell(line: impl std::fmt::Display) -> anyhow::Result<()> {
    say(terminal::plain(&line.to_string()))
}

/// Prints a line on stdout; a reader that went away ends the command.
fn say(line: impl std::fmt::Display) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let printed = writeln!(out, "{line}").and_then(|()| out.flush());
    printed.map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Unread.into(),
        _ => error.into(),
    })
}
