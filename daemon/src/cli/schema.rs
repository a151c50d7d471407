//! `stockd schema`: what our JSON looks like, generated from the types that it is written by.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, schema_for};
use schemas::command::{LevelAnswer, ReservationAnswer, ReserveAnswer};
use schemas::shape::{CommandShape, LevelShape, OrderShape, ReservationShape};
use schemas::{ErrorBody, Event, SyncRun};
use serde::Serialize;
use serde_json::json;

use super::{Usage, say};
use crate::http;

/// Prints a generated schema; without a name, lists them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stockd schema openapi > openapi.json    # the REST routes, as OpenAPI 3.1
  stockd schema asyncapi                  # the realtime side, as AsyncAPI 3.0
  stockd schema event                     # one shape, as JSON Schema 2020-12
  stockd schema --folder schemas          # all of them, each into a file")]
pub(super) struct SchemaCommand {
    /// Name: openapi, asyncapi or a shape.
    #[arg(conflicts_with = "folder")]
    name: Option<String>,
    /// Write all schemas into this folder.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// A schema, its file, and what it is of.
type SchemaEntry = (
    &'static str,
    &'static str,
    &'static str,
    fn() -> serde_json::Result<String>,
);

const ENTRIES: [SchemaEntry; 13] = [
    (
        "openapi",
        "openapi.json",
        "the REST routes, as OpenAPI 3.1",
        || pretty(&http::openapi::document()),
    ),
    (
        "asyncapi",
        "asyncapi.json",
        "the realtime side, as AsyncAPI 3.0",
        || pretty(&http::asyncapi::document()),
    ),
    (
        "command-input",
        "command-input.schema.json",
        "what commands take",
        input::<schemas::Command>,
    ),
    (
        "command",
        "command.schema.json",
        "a command and what became of it",
        shape::<CommandShape>,
    ),
    (
        "error",
        "error.schema.json",
        "what is answered when it is not done",
        shape::<ErrorBody>,
    ),
    (
        "event",
        "event.schema.json",
        "everything that can happen",
        shape::<Event>,
    ),
    (
        "reservation-answer",
        "reservation-answer.schema.json",
        "what release, extend and commit are answered",
        shape::<ReservationAnswer>,
    ),
    (
        "level",
        "level.schema.json",
        "stock of an item at a location",
        shape::<LevelShape>,
    ),
    (
        "level-answer",
        "level-answer.schema.json",
        "what adjust and update are answered",
        shape::<LevelAnswer>,
    ),
    (
        "order",
        "order.schema.json",
        "an order in events",
        shape::<OrderShape>,
    ),
    (
        "reservation",
        "reservation.schema.json",
        "a reservation",
        shape::<ReservationShape>,
    ),
    (
        "reserve-answer",
        "reserve-answer.schema.json",
        "what reserve is answered",
        shape::<ReserveAnswer>,
    ),
    (
        "sync-run",
        "sync-run.schema.json",
        "a run",
        shape::<SyncRun>,
    ),
];

impl SchemaCommand {
    pub(super) fn run(self, json: bool) -> anyhow::Result<()> {
        if let Some(folder) = self.folder {
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
            for (_, file, _, schema) in ENTRIES {
                let path = folder.join(file);
                std::fs::write(&path, schema()? + "\n")
                    .with_context(|| format!("{} cannot be written", path.display()))?;
            }
            return Ok(());
        }
        let Some(name) = self.name else {
            if json {
                return say(json!(ENTRIES.map(
                    |(name, _, about, _)| json!({ "name": name, "about": about })
                )));
            }
            return ENTRIES
                .iter()
                .try_for_each(|(name, _, about, _)| say(format_args!("{name:<15} {about}")));
        };
        let Some((.., schema)) = ENTRIES.iter().find(|(known, ..)| *known == name) else {
            let known = ENTRIES.map(|(known, ..)| known).join(", ");
            return Err(Usage(format!("there is no schema {name:?}: {known}")).into());
        };
        say(schema()?)
    }
}

/// What we take.
fn input<T: JsonSchema>() -> serde_json::Result<String> {
    pretty(&schema_for!(T))
}

/// What we say, in which a field that may be null is there all the same; as in OpenAPI.
fn shape<T: JsonSchema>() -> serde_json::Result<String> {
    let generator = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator();
    pretty(&generator.into_root_schema_for::<T>())
}

fn pretty(document: &impl Serialize) -> serde_json::Result<String> {
    serde_json::to_string_pretty(document)
}
