//! Error lines of the log, reported to Sentry where a DSN is given: the sentence and its fields.
//!
//! What a line may hold stands in CONTRIBUTING.md; nothing is added to it, no user, no host, no lines from before.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use sentry::protocol::{Event, Map, Value};
use sentry::transports::DefaultTransportFactory;
use sentry::types::Dsn;
use sentry::{Client, ClientOptions};
use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Time for what was not sent yet when the process ends.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The log is the process's, and begins before the configuration is read; so is this.
static SENTRY: OnceLock<Client> = OnceLock::new();

/// Reports every line that it is shown, from [`begin`] on.
pub(crate) struct Reports;

/// Reports error lines there from now on. What cannot be sent at once, or not within Sentry's limits, is dropped.
///
/// # Errors
/// What is wrong with the DSN, without telling it.
pub(crate) fn begin(dsn: &str) -> Result<(), String> {
    let read = dsn.parse::<Dsn>();
    let dsn = read
        .map_err(|problem| format!("is no DSN as Sentry's project settings show it: {problem}"))?;
    // Not by `sentry::init`, which also listens to the environment.
    let options = ClientOptions::from((
        dsn,
        ClientOptions::new()
            .release(concat!("stockd@", env!("CARGO_PKG_VERSION")))
            .default_integrations(false)
            .transport(DefaultTransportFactory),
    ));
    let _ = SENTRY.set(Client::with_options(options));
    Ok(())
}

/// Waits a little until everything is sent.
pub(crate) fn flush() {
    if let Some(sentry) = SENTRY.get() {
        sentry.flush(Some(FLUSH_TIMEOUT));
    }
}

impl<S: Subscriber> Layer<S> for Reports {
    fn on_event(&self, line: &tracing::Event<'_>, _: Context<'_, S>) {
        let Some(sentry) = SENTRY.get() else { return };
        let mut fields = ReportFields::default();
        line.record(&mut fields);
        let event = Event {
            message: Some(fields.message),
            logger: Some(line.metadata().target().to_owned()),
            extra: fields.others,
            ..Event::default()
        };
        sentry.capture_event(event, None);
    }
}

#[derive(Default)]
struct ReportFields {
    message: String,
    others: Map<String, Value>,
}

impl Visit for ReportFields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.message = text,
            name => drop(self.others.insert(name.to_owned(), text.into())),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}
