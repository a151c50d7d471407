//! Live events to many readers: what a delivery and a connection cost, and how late events come, beside those who do
//! the same. Every server is a process of its own; the clients are in this one.
//!
//! `realtime [--short] [names]` measures only what is named: servers, measurements or both; `--short` shows in seconds
//! that the first measurements work.

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
const SOLO_EVENTS: usize = 800;
const BURST_READERS: usize = 500;
const BURST_EVENTS: usize = 1_000;
const BURSTS: u64 = 6;
const WEIGHED: usize = 9_000;
const CROWD: usize = 10_000;
const ROOMS: usize = 100;
const PAIRS: usize = 5;
const SILENT: usize = 100;
/// Where they are and nobody else is.
const SILENT_ROOM: &str = "location:900";
/// What the silent are sent first, so that nothing more fits between them and the server.
const FILLING_EVENTS: u64 = 8_000;
/// How long a server may take for that and tell nobody else anything; ours would close them after half a minute.
const FILLED_MAX: Duration = Duration::from_mins(1);
/// The pace of the crowd: each event to the hundred readers of a room.
const CROWDED: CrowdPace = CrowdPace {
    every: Duration::from_millis(2),
    time: Duration::from_secs(4),
    rooms: ROOMS,
};

/// As many who are measured as are beside them.
const READING: usize = 1_000;
const READING_ROOMS: usize = 10;
const READING_PAIRS: usize = 2;
/// A hundred events a second for a minute, of which those who never read would hear each.
const STEADY: CrowdPace = CrowdPace {
    every: Duration::from_millis(10),
    time: Duration::from_mins(1),
    rooms: READING_ROOMS,
};

/// One event after the other, each to one of the rooms by turns.
#[derive(Debug, Clone, Copy)]
struct CrowdPace {
    every: Duration,
    time: Duration,
    rooms: usize,
}

/// One of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Measurement {
    Solo,
    Burst,
    Spread,
    Weight,
    Crowd,
    Silent,
}

impl Measurement {
    const ALL: [Self; 6] = [
        Self::Solo,
        Self::Burst,
        Self::Spread,
        Self::Weight,
        Self::Crowd,
        Self::Silent,
    ];

    /// Whether it tells anything of that server.
    fn concerns(self, peer: Peer) -> bool {
        match self {
            Self::Solo => true,
            // Who is let go when they do not read, and when, is a promise of ours.
            Self::Silent => peer == Peer::Stockd,
            // Nothing but writes is worth comparing here.
            _ => peer != Peer::Bare,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Solo => "solo",
            Self::Burst => "burst",
            Self::Spread => "spread",
            Self::Weight => "weight",
            Self::Crowd => "crowd",
            Self::Silent => "silent",
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
            Self::Spread => {
                "| 1,000 events at once, to rooms of 100 by turns, 10,000 readers | server's CPU per delivery | \
                 clients' CPU | to all, mean | lost |\n|---|---|---|---|---|"
            }
            Self::Weight => {
                "| 9,000 connections in three rooms | memory per connection | server's CPU per connection |\n|---|---|---|"
            }
            Self::Crowd => {
                "| 10,000 connections, 500 events a second to rooms of 100 | \
                 deliveries a second | server's CPU per delivery | p50 | p99 | p99 with 100 that never read | \
                 difference in pairs |\n|---|---|---|---|---|---|---|"
            }
            Self::Silent => {
                "| 1,000 readers, 100 events a second to rooms of 100 | p99 | with 1,000 more that hear everything | \
                 with 1,000 that would and never read | difference in pairs | memory for those, at most | gone after | \
                 users left |\n|---|---|---|---|---|---|---|---|"
            }
        }
    }

    fn measure(self, peer: Peer, scripts: &Path) -> anyhow::Result<Vec<String>> {
        let server = Server::start(peer, scripts)?;
        match self {
            Self::Solo => solo(server, peer.dialect()),
            Self::Burst => {
                let mut crowd = Crowd::new("user", peer.dialect(), server.port)?;
                let readers = scaled(BURST_READERS);
                crowd.join(readers, everybody)?;
                burst(server, crowd, "all", FRAME_BYTES, readers as u64)
            }
            Self::Spread => {
                let mut crowd = Crowd::new("user", peer.dialect(), server.port)?;
                crowd.join(CROWD, location)?;
                burst(
                    server,
                    crowd,
                    "location:each",
                    LEVEL_BYTES,
                    (CROWD / ROOMS) as u64,
                )
            }
            Self::Weight => weight(&server, peer.dialect()),
            Self::Crowd => crowd(server, peer.dialect()),
            Self::Silent => silent(server, peer.dialect()),
        }
    }
}

fn main() -> anyhow::Result<()> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if names == ["serve"] {
        return bare::serve();
    }
    names.retain(|name| name != "--short");
    let mut peers = Peer::ALL.to_vec();
    // The others last as long as the silent ones are kept.
    let short = [Measurement::Solo, Measurement::Burst, Measurement::Weight];
    let mut measurements = bench::scale(Measurement::ALL.to_vec(), short.to_vec());
    if names
        .iter()
        .any(|name| Peer::ALL.iter().any(|peer| peer.name() == name))
    {
        peers.retain(|peer| names.iter().any(|name| peer.name() == name));
    }
    if names.iter().any(|name| {
        Measurement::ALL
            .iter()
            .any(|measurement| measurement.name() == name)
    }) {
        measurements.retain(|measurement| names.iter().any(|name| measurement.name() == name));
    }
    let scripts = scripts(peers.iter().any(|peer| peer.is_script()))?;
    let mut out = std::io::stdout().lock();
    for measurement in measurements {
        writeln!(out, "\n{}", measurement.columns())?;
        for peer in peers.iter().filter(|peer| measurement.concerns(**peer)) {
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
            .args([
                "install",
                "--silent",
                "--no-audit",
                "--no-fund",
                "--no-package-lock",
            ])
            .current_dir(folder.path())
            .status();
    }
    Ok(folder)
}

/// A fiftieth of it with `--short`.
fn scaled(count: usize) -> usize {
    bench::scale(count, count / 50)
}

fn everybody(_: usize) -> String {
    "all".to_owned()
}

fn location(index: usize) -> String {
    format!("location:{}", 1 + index % ROOMS)
}

/// One event after the other, each when the one before has come to everybody.
fn solo(mut server: Server, dialect: Dialect) -> anyhow::Result<Vec<String>> {
    let mut crowd = Crowd::new("user", dialect, server.port)?;
    let readers = scaled(SOLO_READERS);
    crowd.join(readers, everybody)?;
    let events = scaled(SOLO_EVENTS) as u64;
    let warm = events / 10;
    let mut spent = Spent::begin(&server)?;
    for number in 0..warm + events {
        if number == warm {
            spent = Spent::begin(&server)?;
        }
        server.tell("all", 1, FRAME_BYTES, number)?;
        let heard = hear(&mut crowd, readers as u64, PATIENCE)?;
        anyhow::ensure!(
            heard == readers as u64,
            "event {number} came to {heard} readers"
        );
    }
    spent.row(&server, events * readers as u64, events)
}

/// Many events of one moment, each to so many readers.
fn burst(
    mut server: Server,
    mut crowd: Crowd,
    room: &str,
    bytes: usize,
    readers: u64,
) -> anyhow::Result<Vec<String>> {
    let events = scaled(BURST_EVENTS) as u64;
    let expected = events * readers;
    let (mut delivered, mut spent) = (0, Spent::begin(&server)?);
    for burst in 0..=BURSTS {
        // The first one warms up.
        if burst == 1 {
            (delivered, spent) = (0, Spent::begin(&server)?);
        }
        server.tell(room, events, bytes, burst * events)?;
        delivered += hear(&mut crowd, expected, SILENCE)?;
    }
    let lost = expected * BURSTS - delivered;
    let mut row = spent.row(&server, delivered, BURSTS)?;
    if lost > 0 {
        // Then the clock ran while nothing came.
        row.pop();
        row.push("–".to_owned());
    }
    row.push(if lost == 0 {
        "none".to_owned()
    } else {
        format!("{lost} of {}", expected * BURSTS)
    });
    Ok(row)
}

/// Connections that only listen.
fn weight(server: &Server, dialect: Dialect) -> anyhow::Result<Vec<String>> {
    let (before, spent) = (server.process.memory_kib()?, Spent::begin(server)?);
    let mut crowd = Crowd::new("user", dialect, server.port)?;
    let weighed = scaled(WEIGHED);
    crowd.join(weighed, location)?;
    settle(&mut crowd)?;
    let more = server.process.memory_kib()?.saturating_sub(before);
    let weighed = weighed as u64;
    Ok(vec![
        format!("{:.1} KB", float(more) / float(weighed)),
        each(spent.cpu(server)?, weighed),
    ])
}

/// A busy crowd, then one with some who never read, and so on.
fn crowd(mut server: Server, dialect: Dialect) -> anyhow::Result<Vec<String>> {
    let mut crowd = Crowd::new("user", dialect, server.port)?;
    crowd.join(CROWD, location)?;
    settle(&mut crowd)?;
    let mut numbers = 0;
    let (mut alone, mut beside, mut differences) = (Vec::new(), Vec::new(), Vec::new());
    let mut first_spent = None;
    for _ in 0..PAIRS {
        let spent = Spent::begin(&server)?;
        let quick = paced(CROWDED, &mut server, &mut crowd, None, &mut numbers, |_| {
            Ok(())
        })?;
        first_spent.get_or_insert((spent.cpu(&server)?, quick.len()));
        let silent = fallen_silent(SILENT, location, &mut server, &mut crowd, &mut numbers)?;
        settle(&mut crowd)?;
        let slow = paced(CROWDED, &mut server, &mut crowd, None, &mut numbers, |_| {
            Ok(())
        })?;
        drop(silent);
        settle(&mut crowd)?;
        differences.push(difference(&slow, &quick));
        alone.push(quick);
        beside.push(slow);
    }
    let (cpu, deliveries) = first_spent.unwrap_or_default();
    Ok(vec![
        format!(
            "{:.0}",
            float(deliveries as u64) / CROWDED.time.as_secs_f64()
        ),
        each(cpu, deliveries as u64),
        median(&alone, 50),
        median(&alone, 99),
        median(&beside, 99),
        differences.join(", "),
    ])
}

/// Readers alone, then by turns beside as many who hear everything and beside as many who would and never read: whether
/// those cost the others more, what they cost in memory, and when they are gone.
fn silent(mut server: Server, dialect: Dialect) -> anyhow::Result<Vec<String>> {
    let mut crowd = Crowd::new("user", dialect, server.port)?;
    crowd.join(READING, |index| location(index % READING_ROOMS))?;
    settle(&mut crowd)?;
    let mut numbers = 0;
    let alone = paced(STEADY, &mut server, &mut crowd, None, &mut numbers, |_| {
        Ok(())
    })?;
    let (mut quicks, mut slows, mut differences) = (Vec::new(), Vec::new(), Vec::new());
    let (mut memory, mut gone, mut left) = (0, Vec::new(), 0);
    let everywhere = (0..READING_ROOMS)
        .map(location)
        .collect::<Vec<_>>()
        .join(" ");
    for _ in 0..READING_PAIRS {
        let mut beside = Crowd::new("reading", dialect, server.port)?;
        beside.join(READING, |_| everywhere.clone())?;
        let quick = paced(
            STEADY,
            &mut server,
            &mut crowd,
            Some(&mut beside),
            &mut numbers,
            |_| Ok(()),
        )?;
        drop(beside);
        settle(&mut crowd)?;

        let before = server.process.memory_kib()?;
        let mut beside = Crowd::new("silent", dialect, server.port)?;
        beside.join(READING, |_| everywhere.clone())?;
        beside.fall_silent()?;
        let (since, mut gone_after) = (Instant::now(), None);
        let slow = paced(
            STEADY,
            &mut server,
            &mut crowd,
            None,
            &mut numbers,
            |server| {
                memory = memory.max(server.process.memory_kib()?.saturating_sub(before));
                let connections;
                (connections, left) = server.attendees()?;
                if connections == READING {
                    gone_after.get_or_insert(since.elapsed());
                }
                Ok(())
            },
        )?;
        drop(beside);
        settle(&mut crowd)?;
        gone.push(gone_after.map_or_else(
            || "never".to_owned(),
            |time| format!("{:.0} s", time.as_secs_f64()),
        ));
        differences.push(difference(&slow, &quick));
        quicks.push(quick);
        slows.push(slow);
    }
    Ok(vec![
        median(&[alone], 99),
        median(&quicks, 99),
        median(&slows, 99),
        differences.join(", "),
        format!("{:.0} KB each", float(memory) / float(READING as u64)),
        gone.join(", "),
        left.to_string(),
    ])
}

/// So many more, each in the rooms of its number, who then read nothing while so much is sent to them that nothing
/// more fits between them and the server.
fn fallen_silent(
    count: usize,
    rooms: impl Fn(usize) -> String,
    server: &mut Server,
    crowd: &mut Crowd,
    numbers: &mut u64,
) -> anyhow::Result<Crowd> {
    let mut silent = Crowd::new("silent", crowd.dialect(), server.port)?;
    silent.join(count, |index| format!("{} {SILENT_ROOM}", rooms(index)))?;
    silent.fall_silent()?;
    server.tell(SILENT_ROOM, FILLING_EVENTS, LEVEL_BYTES, *numbers)?;
    *numbers += FILLING_EVENTS;
    // What comes to the others after it tells that the server is done with it.
    server.tell(&location(0), 1, LEVEL_BYTES, *numbers)?;
    *numbers += 1;
    let readers = (CROWD / ROOMS) as u64;
    let heard = hear(crowd, readers, FILLED_MAX)?;
    anyhow::ensure!(
        heard == readers,
        "busy with those who never read for more than {FILLED_MAX:?}"
    );
    Ok(silent)
}

/// Events at that pace: the microseconds each delivery took, sorted. Others may hear them, too. Once a second somebody
/// may look at the server.
fn paced(
    pace: CrowdPace,
    server: &mut Server,
    crowd: &mut Crowd,
    mut others: Option<&mut Crowd>,
    numbers: &mut u64,
    mut look: impl FnMut(&mut Server) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<u64>> {
    let (first, readers) = (*numbers, crowd.len() / pace.rooms);
    let mut sent: Vec<Instant> = Vec::new();
    let mut late: Vec<u64> = Vec::new();
    let begun = Instant::now();
    let (mut next, end, mut last, mut looked) = (begun, begun + pace.time, begun, begun);
    loop {
        let now = Instant::now();
        let all = late.len() == sent.len() * readers;
        if now >= end && (all || last.elapsed() >= SILENCE) {
            break;
        }
        if looked.elapsed() >= Duration::from_secs(1) {
            look(server)?;
            looked = now;
        }
        while next <= now && next < end {
            // Rooms in an order without a pattern, each as often as the others.
            let room = location(usize::try_from(*numbers * 37)? % pace.rooms);
            sent.push(Instant::now());
            server.tell(&room, 1, LEVEL_BYTES, *numbers)?;
            *numbers += 1;
            next += pace.every;
        }
        if let Some(others) = &mut others {
            others.look(Duration::ZERO, |_| ())?;
        }
        crowd.look(pace.every / 2, |number| {
            last = Instant::now();
            if let Some(sent) = number
                .checked_sub(first)
                .and_then(|index| sent.get(usize::try_from(index).ok()?))
            {
                late.push(u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX));
            }
        })?;
    }
    let expected = sent.len() * readers;
    anyhow::ensure!(
        late.len() == expected,
        "{} of {expected} events came",
        late.len()
    );
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
        Ok(Self {
            server: server.process.cpu()?,
            own: own_cpu()?,
            begun: Instant::now(),
        })
    }

    fn cpu(&self, server: &Server) -> anyhow::Result<Duration> {
        Ok(server.process.cpu()?.saturating_sub(self.server))
    }

    /// Per delivery the server's and our own, and the time of each round.
    fn row(&self, server: &Server, deliveries: u64, rounds: u64) -> anyhow::Result<Vec<String>> {
        let (took, own) = (self.begun.elapsed(), own_cpu()?.saturating_sub(self.own));
        let round = format!("{:.1} ms", took.as_secs_f64() * 1e3 / float(rounds));
        Ok(vec![
            each(self.cpu(server)?, deliveries),
            each(own, deliveries),
            round,
        ])
    }
}

fn each(cpu: Duration, deliveries: u64) -> String {
    format!("{:.2} µs", cpu.as_secs_f64() * 1e6 / float(deliveries))
}

/// By how much the later p99 is worse.
fn difference(slow: &[u64], quick: &[u64]) -> String {
    format!(
        "{:+.0} %",
        float(percentile(slow, 99)) / float(percentile(quick, 99)) * 100.0 - 100.0
    )
}

/// Of several runs, the one in the middle.
fn median(runs: &[Vec<u64>], percent: usize) -> String {
    let mut found: Vec<u64> = runs.iter().map(|run| percentile(run, percent)).collect();
    found.sort_unstable();
    format!("{:.1} ms", float(found[found.len() / 2]) / 1e3)
}

/// A percentile of figures in ascending order.
fn percentile(sorted: &[u64], percent: usize) -> u64 {
    sorted
        .get(sorted.len().saturating_sub(1) * percent / 100)
        .copied()
        .unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}
