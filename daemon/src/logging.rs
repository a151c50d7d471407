//! Logs: one line an event on stderr, JSON under systemd's journal, text for people elsewhere.
//!
//! Levels come from `RUST_LOG` (`info` when unset). What a line may hold stands in CONTRIBUTING.md.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::Environment;

/// Sends log lines to stderr from now on.
pub(crate) fn start(environment: &Environment) {
    let filter = EnvFilter::new(environment.var("RUST_LOG").unwrap_or("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if environment.var("JOURNAL_STREAM").is_some() {
        // The journal has its own times; fields stay apart for `journalctl -o json`.
        lines.json().flatten_event(true).without_time().init();
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).init();
    }
}
