//! The seeds of the fuzz targets, replayed by the targets' own checks: what fuzzing found once stays found.
#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code: what goes wrong here fails the test"
)]

use std::fs;
use std::path::Path;

#[path = "../../fuzz/checks/frame.rs"]
mod frame;
#[path = "../../fuzz/checks/message.rs"]
mod message;
#[path = "../../fuzz/checks/packet.rs"]
mod packet;
#[path = "../../fuzz/checks/payload.rs"]
mod payload;

fn seeds(folder: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(folder).unwrap();
    let seeds: Vec<_> = files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect();
    assert!(!seeds.is_empty());
    seeds
}

/// What the fuzzer makes of a seed for a target that takes a text.
fn text(seed: &[u8]) -> &str {
    str::from_utf8(seed).unwrap()
}

#[test]
fn frames_of_the_seeds_are_the_same_however_they_are_cut() {
    for seed in seeds("../fuzz/seeds/frame") {
        frame::check(&seed);
    }
}

#[test]
fn messages_of_the_seeds_are_refused_or_one_call() {
    for seed in seeds("../fuzz/seeds/message") {
        message::check(text(&seed));
    }
}

#[test]
fn packets_of_the_seeds_are_written_as_they_were_read() {
    for seed in seeds("../fuzz/seeds/packet") {
        packet::check(text(&seed));
    }
}

#[test]
fn payloads_of_the_seeds_have_a_message_for_each_separator_and_one() {
    for seed in seeds("../fuzz/seeds/payload") {
        payload::check(&seed);
    }
}
