//! Logs: one line an event, and a panic, on stderr, JSON under systemd's journal, text for people elsewhere.
//!
//! Levels come from `RUST_LOG` (`info` when unset). What a line may hold stands in CONTRIBUTING.md.

use std::io::IsTerminal as _;
use std::panic;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt};

use crate::config::Environment;
use crate::reports::Reports;

/// Sends log lines to stderr from now on.
pub(crate) fn start(environment: &Environment) {
    let filter = EnvFilter::new(environment.var("RUST_LOG").unwrap_or("info"));
    let lines = fmt::layer::<Registry>().with_writer(std::io::stderr);
    let lines = if environment.var("JOURNAL_STREAM").is_some() {
        // The journal has its own times; fields stay apart for `journalctl -o json`.
        lines.json().flatten_event(true).without_time().boxed()
    } else {
        lines.with_ansi(std::io::stderr().is_terminal()).boxed()
    };
    tracing_subscriber::registry()
        .with(lines.with_filter(filter))
        .with(Reports.with_filter(LevelFilter::ERROR))
        .init();
    panic::set_hook(Box::new(|panic| {
        // What is put together at run time may repeat what somebody sent; what stands in the source does not.
        let why = panic.payload().downcast_ref::<&str>().unwrap_or(&"see the source there");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, why, "A task panicked; please report this line, it is a fault of stockd");
    }));
}
