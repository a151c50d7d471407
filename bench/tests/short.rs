//! Every measurement for a moment: it runs to its end, and what it checks beside measuring holds.
//!
//! `make test` builds first what is measured: `stockd` and the example `fanout` of `ws`.
#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code: what goes wrong here fails the test"
)]

use std::process::Command;

fn runs(programme: &str, arguments: &[&str]) {
    let ended = Command::new(programme)
        .arg("--short")
        .args(arguments)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&ended.stdout);
    let complained = String::from_utf8_lossy(&ended.stderr);
    // A row that cannot be measured says so, and the others go on.
    let is_whole = printed.lines().any(|line| line.starts_with('|')) && !printed.contains("failed");
    assert!(
        ended.status.success() && is_whole,
        "{programme}: {printed}{complained}"
    );
}

#[test]
fn webhooks_are_taken_in() {
    runs(env!("CARGO_BIN_EXE_intake"), &[]);
}

#[test]
fn a_shop_is_mirrored() {
    runs(env!("CARGO_BIN_EXE_mirror"), &[]);
}

#[test]
fn a_shop_is_synced() {
    runs(env!("CARGO_BIN_EXE_sync"), &[]);
}

#[test]
fn stock_is_reserved() {
    runs(env!("CARGO_BIN_EXE_reservations"), &[]);
}

#[test]
fn events_reach_readers() {
    runs(env!("CARGO_BIN_EXE_realtime"), &["bare", "stockd"]);
}

#[test]
fn an_attack_is_borne() {
    runs(env!("CARGO_BIN_EXE_attack"), &["metrics"]);
}
