//! Writes the JSON Schema of every shape into a folder: `cargo run -p schemas --example generate -- schemas/json`.

use std::path::Path;

use schemars::{Schema, schema_for};
use schemas::shape::{CommandShape, LevelShape, OrderShape, ReservationShape};
use schemas::{Command, ErrorBody, Event, SyncRun};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("say into which folder")?;
    let shapes: [(&str, Schema); 8] = [
        ("command-input", schema_for!(Command)),
        ("command", schema_for!(CommandShape)),
        ("error", schema_for!(ErrorBody)),
        ("event", schema_for!(Event)),
        ("level", schema_for!(LevelShape)),
        ("order", schema_for!(OrderShape)),
        ("reservation", schema_for!(ReservationShape)),
        ("sync-run", schema_for!(SyncRun)),
    ];
    for (name, schema) in shapes {
        let path = Path::new(&folder).join(format!("{name}.schema.json"));
        std::fs::write(path, serde_json::to_string_pretty(&schema)? + "\n")?;
    }
    Ok(())
}
