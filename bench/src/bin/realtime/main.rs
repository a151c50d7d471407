//! Live events to many readers: what a delivery and a connection cost, and how late events come, beside those who do
//! the same. Every server is a process of its own; the clients are in this one.
//!
//! `realtime [names]` measures only what is named: servers, measurements or both.

mod bare;
mod crowd;
mod server;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use bench::own_cpu;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::crowd::{Crowd, Dialect};
use crate::server::{Peer, Server};

/// Bytes of the frames of all but the last measurement.
const FRAME_BYTES: usize = 240;
/// Bytes of a frame of ours that tells of a level; the others send as many.
const LEVEL_BYTES: usize = 660;
/// How long one event may take to all its readers.
const PATIENCE: Duration = Duration::from_secs(10);
/// After so long a silence nothing more will come.
const SILENCE: Duration = Duration::from_secs(2);

const SOLO_READERS: usize = 1_000;
const SOLO_EVENTS: u64 = 400;
const BURST_READERS: usize = 500;
const BURST_EVENTS: u64 = 1_000;
const BURSTS: u64 = 6;
const WEIGHED: usize = 9_000;
const CROWD: usize = 10_000;
const ROOMS: usize = 100;
/// Between two events, each to the hundred readers of a room.
const PACE: Duration = Duration::from_millis(2);
const PACED_FOR: Duration = Duration::from_secs(4);
const PAIRS: usize = 5;
const SILENT: usize = 100;
/// Where they are and nobody else is.
const SILENT_ROOM: &str = "location:900";
/// What the silent are sent first, so that nothing more fits between them and the server.
const FILLING_EVENTS: u64 = 8_000;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measurement {
    Solo,
    Burst,
    Weight,
    Crowd,
}

impl Measurement {
    const ALL: [Self; 4] = [Self::Solo, Self::Burst, Self::Weight, Self::Crowd];

    fn name(self) -> &'static str {
        match self {
            Self::Solo => "solo",
            Self::Burst => "burst",
            Self::Weight => "weight",
            Self::Crowd => "crowd",
        }
    }

    fn columns(self) -> &'static str {
        match self {
            Self::Solo => {
                "| one event at a time to 1,000 readers | server's CPU per delivery | clients' CPU | to all, mean |\n\
                 |---|---|---|---|"
            }
            Self::Burst => {
                "| 1,000 events at once to 500 readers | server's CPU per delivery | clients' CPU | to all, mean | lost |\n\
                 |---|---|---|---|---|"
            }
            Self::Weight => {
                "| 9,000 connections in three rooms | memory per connection | server's CPU per connection |\n|---|---|---|"
            }
            Self::Crowd => {
                "| 10,000 connections, 500 events a second to rooms of 100 | \
                 deliveries a second | server's CPU per delivery | p50 | p99 | p99 with 100 that never read | \
                 difference in pairs |\n|---|---|---|---|---|---|---|"
            }
        }
    }

    fn measure(self, peer: Peer, scripts: &Path) -> anyhow::Result<Vec<String>> {
        let server = Server::start(peer, scripts)?;
        match self {
            Self::Solo => solo(server, peer.dialect()),
            Self::Burst => burst(server, peer.dialect()),
            Self::Weight => weight(&server, peer.dialect()),
            Self::Crowd => crowd(server, peer.dialect()),
        }
    }
}

fn main() -> anyhow::Result<()> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names == ["serve"] {
        return bare::serve();
    }
    let mut peers = Peer::ALL.to_vec();
    let mut measurements = Measurement::ALL.to_vec();
    if names.iter().any(|name| Peer::ALL.iter().any(|peer| peer.name() == name)) {
        peers.retain(|peer| names.iter().any(|name| peer.name() == name));
    }
    if names.iter().any(|name| Measurement::ALL.iter().any(|measurement| measurement.name() == name)) {
        measurements.retain(|measurement| names.iter().any(|name| measurement.name() == name));
    }
    let scripts = scripts(peers.iter().any(|peer| peer.is_script()))?;
    let mut out = std::io::stdout().lock();
    for measurement in measurements {
        writeln!(out, "\n{}", measurement.columns())?;
        // Nothing but writes is worth comparing here.
        let peers = peers.iter().filter(|peer| **peer != Peer::Bare || measurement == Measurement::Solo);
        for peer in peers {
            match measurement.measure(*peer, scripts.path()) {
                Ok(figures) => writeln!(out, "| {} | {} |", peer.name(), figures.join(" | "))?,
                Err(error) => writeln!(out, "| {} | failed: {error:#} |", peer.name())?,
            }
        }
    }
    Ok(())
}

/// The scripts with what they need, in a folder that goes away.
fn scripts(needed: bool) -> anyhow::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    if needed {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        for script in ["package.json", "publish.mjs", "socketio.mjs"] {
            fs::copy(source.join(script), folder.path().join(script))?;
        }
        // Without it, each of them says what it misses.
        let _ = Command::new("npm")
            .args(["install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"])
            .current_dir(folder.path())
            .status();
    }
    Ok(folder)
}

fn everybody(_: usize) -> String {
    "all".to_owned()
}

fn location(index: usize) -> String {
    format!("location:{}", 1 + index % ROOMS)
}

/// One event after the other, each when the one before has come to everybody.
fn solo(mut server: Server, dialect: Dialect) -> anyhow::Result<Vec<String>> {
    let mut crowd = Crowd::new(dialect, server.port)?;
    crowd.join(SOLO_READERS, everybody)?;
    let warm = SOLO_EVENTS / 10;
    let mut spent = Spent::begin(&server)?;
    for number in 0..warm + SOLO_EVENTS {
        if number == warm {
            spent = Spent::begin(&server)?;
        }
        server.tell("all", 1, FRAME_BYTES, number)?;
        let heard = hear(&mut crowd, SOLO_READERS as u64, PATIENCE)?;
        anyhow::ensure!(heard == SOLO_READERS as u64, "event {number} came to {heard} readers");
    }
    spent.row(&server, SOLO_EVENTS * SOLO_READERS as u64, SOLO_EVENTS)
}

/// Many events of one moment.
fn burst(mut server: Server, dialect: Dialect) -> anyhow::Result<Vec<String>> {
    let mut crowd = Crowd::new(dialect, server.port)?;
    crowd.join(BURST_READERS, everybody)?;
    let expected = BURST_EVENTS * BURST_READERS as u64;
    let (mut delivered, mut spent) = (0, Spent::begin(&server)?);
    for burst in 0..=BURSTS {
        // The first one warms up.
        if burst == 1 {
            (delivered, spent) = (0, Spent::begin(&server)?);
        }
        server.tell("all", BURST_EVENTS, FRAME_BYTES, burst * BURST_EVENTS)?;
        delivered += hear(&mut crowd, expected, SILENCE)?;
    }
    let lost = expected * BURSTS - delivered;
    let mut row = spent.row(&server, delivered, BURSTS)?;
    if lost > 0 {
        // Then the clock ran while nothing came.
        row.pop();
        row.push("–".to_owned());
    }
    row.push(if lost == 0 { "none".to_owned() } else { format!("{lost} of {}", expected * BURSTS) });
    Ok(row)
}

/// Connections that only listen.
fn weight(server: &Server, dialect: Dialect) -> anyhow::Result<Vec<String>> {
    let (before, spent) = (server.process.memory_kib()?, Spent::begin(server)?);
    let mut crowd = Crowd::new(dialect, server.port)?;
    crowd.join(WEIGHED, location)?;
    settle(&mut crowd)?;
    let more = server.process.memory_kib()?.saturating_sub(before);
    let weighed = WEIGHED as u64;
    Ok(vec![format!("{:.1} KB", float(more) / float(weighed)), each(spent.cpu(server)?, weighed)])
}

/// A busy crowd, then one with some who never read, and so on.
fn crowd(mut server: Server, dialect: Dialect) -> anyhow::Result<Vec<String>> {
    let mut crowd = Crowd::new(dialect, server.port)?;
    crowd.join(CROWD, location)?;
    settle(&mut crowd)?;
    let mut numbers = 0;
    let (mut alone, mut beside, mut differences) = (Vec::new(), Vec::new(), Vec::new());
    let mut first_spent = None;
    for _ in 0..PAIRS {
        let spent = Spent::begin(&server)?;
        let quick = paced(&mut server, &mut crowd, &mut numbers)?;
        first_spent.get_or_insert((spent.cpu(&server)?, quick.len()));
        let mut silent = Crowd::new(dialect, server.port)?;
        silent.join(SILENT, |index| format!("{} {SILENT_ROOM}", location(index)))?;
        silent.fall_silent()?;
        server.tell(SILENT_ROOM, FILLING_EVENTS, LEVEL_BYTES, numbers)?;
        numbers += FILLING_EVENTS;
        settle(&mut crowd)?;
        let slow = paced(&mut server, &mut crowd, &mut numbers)?;
        drop(silent);
        settle(&mut crowd)?;
        differences.push(float(percentile(&slow, 99)) / float(percentile(&quick, 99)) * 100.0 - 100.0);
        alone.push(quick);
        beside.push(slow);
    }
    let (cpu, deliveries) = first_spent.unwrap_or_default();
    let p = |runs: &[Vec<u64>], percent| {
        let mut found: Vec<u64> = runs.iter().map(|run| percentile(run, percent)).collect();
        found.sort_unstable();
        format!("{:.1} ms", float(found[found.len() / 2]) / 1e3)
    };
    let differences: Vec<_> = differences.iter().map(|difference| format!("{difference:+.0} %")).collect();
    Ok(vec![
        format!("{:.0}", float(deliveries as u64) / PACED_FOR.as_secs_f64()),
        each(cpu, deliveries as u64),
        p(&alone, 50),
        p(&alone, 99),
        p(&beside, 99),
        differences.join(", "),
    ])
}

/// An event to some room at a steady pace: the microseconds each delivery took, sorted.
fn paced(server: &mut Server, crowd: &mut Crowd, numbers: &mut u64) -> anyhow::Result<Vec<u64>> {
    let first = *numbers;
    let mut sent: Vec<Instant> = Vec::new();
    let mut late: Vec<u64> = Vec::new();
    let begun = Instant::now();
    let (mut next, end, mut last) = (begun, begun + PACED_FOR, begun);
    loop {
        let now = Instant::now();
        let all = late.len() == sent.len() * (CROWD / ROOMS);
        if now >= end && (all || last.elapsed() >= SILENCE) {
            break;
        }
        while next <= now && next < end {
            // Rooms in an order without a pattern, each as often as the others.
            let room = location(usize::try_from(*numbers * 37)?);
            sent.push(Instant::now());
            server.tell(&room, 1, LEVEL_BYTES, *numbers)?;
            *numbers += 1;
            next += PACE;
        }
        crowd.look(PACE / 2, |number| {
            last = Instant::now();
            if let Some(sent) =
                number.checked_sub(first).and_then(|index| sent.get(usize::try_from(index).ok()?))
            {
                late.push(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX));
            }
        })?;
    }
    let expected = sent.len() * (CROWD / ROOMS);
    anyhow::ensure!(late.len() == expected, "{} of {expected} events came", late.len());
    late.sort_unstable();
    Ok(late)
}

/// Looks until so many events were heard, or none came for so long: how many were.
fn hear(crowd: &mut Crowd, expected: u64, silence: Duration) -> anyhow::Result<u64> {
    let (mut heard, mut last) = (0, Instant::now());
    while heard < expected && last.elapsed() < silence {
        let before = heard;
        crowd.look(Duration::from_millis(100), |_| heard += 1)?;
        if heard > before {
            last = Instant::now();
        }
    }
    Ok(heard)
}

/// Lets everything come to rest.
fn settle(crowd: &mut Crowd) -> anyhow::Result<()> {
    hear(crowd, u64::MAX, SILENCE).map(drop)
}

/// What something costs, from here on.
struct Spent {
    server: Duration,
    own: Duration,
    begun: Instant,
}

impl Spent {
    fn begin(server: &Server) -> anyhow::Result<Self> {
        Ok(Self { server: server.process.cpu()?, own: own_cpu()?, begun: Instant::now() })
    }

    fn cpu(&self, server: &Server) -> anyhow::Result<Duration> {
        Ok(server.process.cpu()?.saturating_sub(self.server))
    }

    /// Per delivery the server's and our own, and the time of each round.
    fn row(&self, server: &Server, deliveries: u64, rounds: u64) -> anyhow::Result<Vec<String>> {
        let (took, own) = (self.begun.elapsed(), own_cpu()?.saturating_sub(self.own));
        let round = format!("{:.1} ms", took.as_secs_f64() * 1e3 / float(rounds));
        Ok(vec![each(self.cpu(server)?, deliveries), each(own, deliveries), round])
    }
}

fn each(cpu: Duration, deliveries: u64) -> String {
    format!("{:.2} µs", cpu.as_secs_f64() * 1e6 / float(deliveries))
}

/// Of sorted figures.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}
