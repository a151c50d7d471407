//! Reservations on one hot item: how many a second are acknowledged durably, how long until the store has them,
//! and that not one too many is.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use bench::{Client, Shop, Spot, World, own_cpu};
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How much of everything.
#[derive(Clone, Copy)]
struct ReservationScale {
    /// Clients at a time, each with a connection of its own and one request under way.
    clients: usize,
    /// For how long they reserve.
    time: Duration,
    /// What the item has of which twice as much is wanted, unit by unit.
    scarce: u64,
}

const FULL: ReservationScale = ReservationScale {
    clients: 256,
    time: Duration::from_secs(10),
    scarce: 1_000,
};
const SHORT: ReservationScale = ReservationScale {
    clients: 8,
    time: Duration::from_secs(1),
    scarce: 20,
};
/// How long the store takes to answer, in milliseconds.
const LATENCY_MS: u64 = 300;
/// What the hot item has; more than can be reserved in the time.
const PLENTY: i64 = 1_000_000;
/// Requests in one phase at the most.
const REQUESTS_MAX: u64 = 900_000;
/// How long the store may take to have everything.
const BOUND_MAX: Duration = Duration::from_mins(5);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut world = World::open(&Shop::SMALL).await?;
    let hot = world.spot(0, PLENTY).await?;
    let scale = bench::scale(FULL, SHORT);
    let scarce = world.spot(1, scale.scarce.cast_signed()).await?;
    world.slow_down(LATENCY_MS).await?;
    let rows = [
        plenty(&mut world, &hot, scale).await?,
        shortage(&mut world, &scarce, scale).await?,
    ]
    .concat();
    let mut out = std::io::stdout().lock();
    for (what, figure) in rows {
        writeln!(out, "| {what} | {figure} |")?;
    }
    let complaints = world.daemon.complaints()?;
    anyhow::ensure!(
        complaints.is_empty(),
        "the daemon complained:\n{}",
        complaints.join("\n")
    );
    Ok(())
}

type ReservationRows = Vec<(&'static str, String)>;

/// Everybody gets what they want, as fast as it goes.
async fn plenty(
    world: &mut World,
    hot: &Spot,
    scale: ReservationScale,
) -> anyhow::Result<ReservationRows> {
    let (cpu, own, begun) = (world.daemon.cpu()?, own_cpu()?, Instant::now());
    let load = load(world, hot, scale.clients, REQUESTS_MAX, scale.time).await?;
    let (took, used, own) = (
        begun.elapsed(),
        world.daemon.cpu()?.saturating_sub(cpu),
        own_cpu()?.saturating_sub(own),
    );
    anyhow::ensure!(
        load.refused == 0,
        "{} were refused although there was enough",
        load.refused
    );
    let bound = bound(world, hot, PLENTY, load.acknowledged()).await?;
    let (until_bound, (mutations, twice)) = (
        world.daemon.cpu()?.saturating_sub(cpu),
        world.mutations().await?,
    );
    anyhow::ensure!(twice == 0, "{twice} mutations were applied twice");
    let each = |spent: Duration| format!("{:.0} µs", spent.as_secs_f64() * 1e6 / load.count());
    Ok(vec![
        ("acknowledged", load.acknowledged().to_string()),
        (
            "acknowledged a second",
            format!("{:.0}", load.count() / took.as_secs_f64()),
        ),
        ("p50", millis(load.percentile(50))),
        ("p99", millis(load.percentile(99))),
        ("longest", millis(load.percentile(100))),
        ("daemon's CPU each, under load", each(used)),
        ("daemon's CPU each, until bound", each(until_bound)),
        ("load generator's CPU each", each(own)),
        (
            "daemon's memory at most",
            format!("{} MB", world.daemon.peak_kib()? / 1_024),
        ),
        (
            "all bound at the store after the last",
            format!("{:.1} s", bound.as_secs_f64()),
        ),
        ("mutations for that", mutations.to_string()),
    ])
}

/// Twice as much is wanted as there is.
async fn shortage(
    world: &mut World,
    scarce: &Spot,
    scale: ReservationScale,
) -> anyhow::Result<ReservationRows> {
    let (there, wanted) = (scale.scarce, 2 * scale.scarce);
    let load = load(world, scarce, scale.clients, wanted, BOUND_MAX).await?;
    anyhow::ensure!(
        load.acknowledged() == there && load.refused == wanted - there,
        "of {there} units {} were acknowledged and {} refused",
        load.acknowledged(),
        load.refused
    );
    let bound = bound(world, scarce, there.cast_signed(), there).await?;
    Ok(vec![
        (
            "more wanted than there is, twice as often: acknowledged",
            load.acknowledged().to_string(),
        ),
        ("refused", load.refused.to_string()),
        (
            "at the store: 0 available, all reserved after",
            format!("{:.1} s", bound.as_secs_f64()),
        ),
    ])
}

/// What came of many requests.
#[derive(Default)]
struct ReservationLoad {
    latencies: Vec<Duration>,
    refused: u64,
}

impl ReservationLoad {
    fn acknowledged(&self) -> u64 {
        self.latencies.len() as u64
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of requests is far below 2^52"
    )]
    fn count(&self) -> f64 {
        self.latencies.len() as f64
    }

    /// Of sorted latencies.
    fn percentile(&self, percent: usize) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies
            .get(last * percent / 100)
            .copied()
            .unwrap_or_default()
    }
}

/// Every client reserves one unit after the other, until so many were asked for or the time is over.
async fn load(
    world: &World,
    spot: &Spot,
    clients: usize,
    requests: u64,
    time: Duration,
) -> anyhow::Result<ReservationLoad> {
    let body = json!({
        "items": [{ "inventoryItemId": spot.item, "locationId": spot.location, "quantity": 1 }],
        "reason": "bench",
        "ttlSeconds": 86_400,
    });
    let body = Bytes::from(body.to_string());
    let mut connected = Vec::new();
    for _ in 0..clients {
        connected.push(world.client().await?);
    }
    let (asked, deadline) = (Arc::new(AtomicU64::new(0)), Instant::now() + time);
    let mut tasks = JoinSet::new();
    for mut client in connected {
        let (asked, body) = (Arc::clone(&asked), body.clone());
        tasks.spawn(async move {
            let mut load = ReservationLoad::default();
            while asked.fetch_add(1, Ordering::Relaxed) < requests && Instant::now() < deadline {
                let begun = Instant::now();
                if reserve(&mut client, body.clone()).await? {
                    load.latencies.push(begun.elapsed());
                } else {
                    load.refused += 1;
                }
            }
            anyhow::Ok(load)
        });
    }
    let mut sum = ReservationLoad::default();
    while let Some(load) = tasks.join_next().await {
        let load = load??;
        sum.latencies.extend(load.latencies);
        sum.refused += load.refused;
    }
    sum.latencies.sort_unstable();
    Ok(sum)
}

/// Whether it was acknowledged. The only refusal there may be is that nothing is left.
async fn reserve(client: &mut Client, body: Bytes) -> anyhow::Result<bool> {
    let (status, answer) = client
        .send(Method::POST, "/api/v1/inventory/reserve", body)
        .await?;
    if status == StatusCode::OK {
        return Ok(true);
    }
    let answer: Value = serde_json::from_slice(&answer).context("a refusal is JSON")?;
    anyhow::ensure!(
        answer.to_string().contains("INSUFFICIENT_STOCK"),
        "{status}: {answer}"
    );
    Ok(false)
}

/// Waits until the store has so many reserved and the rest available: how long it took.
async fn bound(
    world: &mut World,
    spot: &Spot,
    stock: i64,
    reserved: u64,
) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    loop {
        let level = world.truth(spot).await?;
        if level["reserved"] == reserved && level["available"] == stock - reserved.cast_signed() {
            return Ok(begun.elapsed());
        }
        anyhow::ensure!(
            begun.elapsed() < BOUND_MAX,
            "{reserved} reserved are not bound: {level}"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}
