//! Logs: one line an event, and a panic, on stderr, JSON under systemd's journal, text for people elsewhere.
//!
//! Levels come from `RUST_LOG` (the caller's choice when unset). What a line may hold stands in CONTRIBUTING.md.

use std::io::IsTerminal;
use std::panic;

#[cfg(feature = "sentry")]
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, fmt};

use crate::config::Environment;
#[cfg(feature = "sentry")]
use crate::reports::Reports;

/// Sends log lines to stderr from now on, of that level and above where `RUST_LOG` says nothing else.
pub(crate) fn start(environment: &Environment, level: &str) {
    let filter = EnvFilter::new(environment.var("RUST_LOG").unwrap_or(level));
    let lines = fmt::layer::<Registry>().with_writer(std::io::stderr);
    let lines = if environment.var("JOURNAL_STREAM").is_some() {
        // The journal has its own times; fields stay apart for `journalctl -o json`.
        // The innermost span is the last of the list already.
        lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .without_time()
            .boxed()
    } else {
        lines
            .with_ansi(has_colours(environment, &std::io::stderr()))
            .boxed()
    };
    let log = tracing_subscriber::registry().with(lines.with_filter(filter));
    #[cfg(feature = "sentry")]
    let log = log.with(Reports.with_filter(LevelFilter::ERROR));
    log.init();
    panic::set_hook(Box::new(|panic| {
        // What is put together at run time may repeat what somebody sent; what stands in the source does not.
        let why = panic
            .payload()
            .downcast_ref::<&str>()
            .unwrap_or(&"see the source there");
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(
            place,
            why,
            "A task panicked; please report this line, it is a fault of stockd"
        );
    }));
}

/// Whether colours may be printed there: on a terminal that has them, unless `NO_COLOR` is set (see no-color.org).
pub(crate) fn has_colours(environment: &Environment, to: &impl IsTerminal) -> bool {
    let unwanted = environment
        .var("NO_COLOR")
        .is_some_and(|text| !text.is_empty());
    to.is_terminal() && !unwanted && environment.var("TERM") != Some("dumb")
}
