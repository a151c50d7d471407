//! The same pretend store read by stockd and by others: records a second, processor time for a thousand, memory.

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context as _;
use bench::{Prepared, Shop};
use serde_json::Value;
use tokio::time::Instant;

/// 4,000 variants at two locations: searching levels is the pretend store's slow side.
const SHOP: Shop = Shop {
    products: 1_000,
    variants: 4,
    locations: 2,
    points: 1_000_000,
    bulk_pace: 10_000_000,
};
/// Who reads it too: what is installed, its launcher, and the mark of a record in what it writes to stdout, if it does.
const PEERS: [(&str, &str, &str); 3] = [
    (
        "tap-shopify==3.13.0",
        "tap_shopify_levels",
        "\"type\": \"RECORD\"",
    ),
    (
        "airbyte-source-shopify==4.3.0",
        "airbyte_levels",
        "\"type\":\"RECORD\"",
    ),
    ("dlt[duckdb]==1.31.0", "dlt_levels", ""),
];
/// The scripts that launch the programs to compare.
const SCRIPTS: [(&str, &str); 4] = [
    (
        "airbyte_levels.py",
        include_str!("../../peers/airbyte_levels.py"),
    ),
    ("dlt_levels.py", include_str!("../../peers/dlt_levels.py")),
    ("meter.py", include_str!("../../peers/meter.py")),
    (
        "tap_shopify_levels.py",
        include_str!("../../peers/tap_shopify_levels.py"),
    ),
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "| who | records | a second | CPU for 1,000 | memory at most |"
    )?;
    let (shop, peers) = bench::scale((SHOP, &PEERS[..]), (Shop::SMALL, &[]));
    for &(package, launcher, mark) in peers {
        match peer(package, launcher, mark).await {
            Ok((levels, figures)) => {
                let figure = |name: &str| figures[name].as_f64().unwrap_or_default();
                let row = row(levels, figure("seconds"), figure("cpu"), figure("kib"));
                writeln!(out, "| {package} | {row}")?;
            }
            Err(reason) => writeln!(out, "| {package} | did not run: {reason:#} |")?,
        }
    }
    let begun = Instant::now();
    let mut world = Prepared::open(&shop).await?.start().await?;
    let mut records = 0;
    for resource in ["products", "inventory"] {
        records += world.completed(resource).await?["processed"]
            .as_u64()
            .unwrap_or_default();
    }
    let (seconds, cpu) = (
        begun.elapsed().as_secs_f64(),
        world.daemon.cpu()?.as_secs_f64(),
    );
    #[expect(
        clippy::cast_precision_loss,
        reason = "memory in KiB is far below 2^52"
    )]
    let kib = world.daemon.peak_kib()? as f64;
    writeln!(
        out,
        "| stockd, products and items too, on disk | {}",
        row(records, seconds, cpu, kib)
    )?;
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count of records is far below 2^52"
)]
fn row(records: u64, seconds: f64, cpu: f64, kib: f64) -> String {
    let count = records as f64;
    format!(
        "{records} | {:.0} | {:.1} ms | {:.0} MB |",
        count / seconds,
        cpu * 1e6 / count,
        kib / 1_024.0
    )
}

/// Installs a peer into an environment that goes away, and has it read a shop: how many records, and its figures.
async fn peer(package: &str, launcher: &str, mark: &str) -> anyhow::Result<(u64, Value)> {
    let prepared = Prepared::open(&SHOP).await?;
    let folder = tempfile::tempdir()?;
    for (name, text) in SCRIPTS {
        fs::write(folder.path().join(name), text)?;
    }
    run(
        Command::new("python3.11").args(["-m", "venv", "venv"]),
        folder.path(),
    )?;
    run(
        Command::new("venv/bin/pip").args(["install", "--quiet", package]),
        folder.path(),
    )?;
    let (_, port) = prepared.store.address.rsplit_once(':').context("no port")?;
    let mut command = Command::new("venv/bin/python");
    command.args(["-m", launcher, port]);
    let (written, said) = run(&mut command, folder.path())?;
    let figures = said.lines().last().context("it said nothing")?;
    let figures: Value = serde_json::from_str(figures)?;
    let records = figures["records"]
        .as_u64()
        .unwrap_or_else(|| written.matches(mark).count() as u64);
    Ok((records, figures))
}

/// Runs a command to its end: what it wrote, and what it said on stderr.
fn run(command: &mut Command, folder: &Path) -> anyhow::Result<(String, String)> {
    let programme = folder.join(command.get_program());
    let ended = if programme.exists() {
        let mut there = Command::new(programme);
        there
            .args(command.get_args())
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
    } else {
        command.current_dir(folder).stdin(Stdio::null()).output()
    };
    let ended =
        ended.with_context(|| format!("{} cannot be run", command.get_program().display()))?;
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    // The last line is the meter's.
    let reason = said
        .lines()
        .rev()
        .find(|line| !line.is_empty() && !line.starts_with('{'));
    anyhow::ensure!(ended.status.success(), "{}", reason.unwrap_or_default());
    Ok((String::from_utf8_lossy(&ended.stdout).into_owned(), said))
}
