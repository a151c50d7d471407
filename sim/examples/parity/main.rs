//! Replays answers recorded on a real shop against the pretend one, and says where the two differ.
//!
//!     cargo run -p sim --example parity -- DIR
//!
//! DIR holds JSON files. In each, every object with a `response` is taken for a call: with its `query` and `variables`
//! as they were sent, or, where the document was not recorded, with one guessed from the answer. Ids are mapped to those
//! of a pretend shop of its own per file; times, words, links and the data of the recorded shop are not compared.

#![expect(clippy::print_stdout, reason = "it is a tool for the terminal")]

mod compare;
mod document;
mod recording;
mod world;

use std::error::Error;
use std::path::Path;

use crate::document::Guesser;
use crate::recording::Call;
use crate::world::World;

/// How a replayed call ended.
enum Outcome {
    Same,
    Differs(Vec<String>),
    /// It could not be replayed.
    Skipped(String),
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::args()
        .nth(1)
        .ok_or("give the folder with the recordings")?;
    let mut files: Vec<_> = std::fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    files.sort_by_key(std::fs::DirEntry::path);
    let guesser = Guesser::new()?;
    let mut totals = [0; 3];
    for file in files.iter().map(std::fs::DirEntry::path) {
        if file
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let counts = replay(&file, &guesser).await?;
            totals = [
                totals[0] + counts[0],
                totals[1] + counts[1],
                totals[2] + counts[2],
            ];
        }
    }
    println!(
        "\n{} calls the same, {} different, {} not replayed",
        totals[0], totals[1], totals[2]
    );
    Ok(())
}

/// Replays one file; says how many calls were the same, different, and not replayed.
async fn replay(file: &Path, guesser: &Guesser) -> Result<[usize; 3], Box<dyn Error>> {
    println!(
        "\n{}",
        file.file_name().unwrap_or_default().to_string_lossy()
    );
    let calls = recording::calls(&std::fs::read_to_string(file)?)?;
    let mut world = World::open(&calls).await?;
    let mut counts = [0; 3];
    for call in &calls {
        let outcome = one(&mut world, guesser, call).await?;
        match &outcome {
            Outcome::Same => println!("  same       {}", call.name),
            Outcome::Differs(differences) => {
                // What they would have made is not there.
                let because = if counts[2] > 0 {
                    " (earlier calls of the file were not replayed)"
                } else {
                    ""
                };
                println!("  different  {}{because}", call.name);
                for difference in differences.iter().take(6) {
                    println!("               {difference}");
                }
            }
            Outcome::Skipped(why) => println!("  not replayed  {}: {why}", call.name),
        }
        counts[match outcome {
            Outcome::Same => 0,
            Outcome::Differs(_) => 1,
            Outcome::Skipped(_) => 2,
        }] += 1;
    }
    world.close().await;
    Ok(counts)
}

async fn one(world: &mut World, guesser: &Guesser, call: &Call) -> Result<Outcome, Box<dyn Error>> {
    let document = match &call.query {
        Some(query) => query.clone(),
        None => match guesser.guess(call) {
            Ok(document) => document,
            Err(why) => return Ok(Outcome::Skipped(why)),
        },
    };
    let answer = world.send(call, &document).await?;
    world.learn(&call.answer, &answer);
    let unknown = answer["errors"][0]["extensions"]["code"].as_str();
    if let Some("undefinedField" | "NOT_IMPLEMENTED" | "invalidDocument") = unknown
        && call.answer.get("data").is_some()
    {
        let why = answer["errors"][0]["message"]
            .as_str()
            .unwrap_or_default()
            .lines()
            .next()
            .unwrap_or_default();
        return Ok(Outcome::Skipped(format!(
            "the pretend shop has no such thing: {why}"
        )));
    }
    let differences = compare::differences(&call.answer, &answer, call.query.is_some());
    Ok(if differences.is_empty() {
        Outcome::Same
    } else {
        Outcome::Differs(differences)
    })
}
