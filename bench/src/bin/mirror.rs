//! A whole shop mirrored: how long the first import takes, what it costs, whether further full runs need more memory,
//! and what the daemon needs when nothing happens.

use std::io::Write as _;
use std::time::Duration;

use bench::{Prepared, Shop, World};
use tokio::time::{Instant, sleep};

/// How much of everything.
struct MirrorScale {
    shop: Shop,
    /// Full runs after the first import.
    further_runs: usize,
    /// After a restart, until it has caught up.
    settled: Duration,
    /// For how long its idleness is watched then.
    idle: Duration,
}

/// 100,000 variants at five locations; its bulk operations are held up by nothing but this machine.
const FULL: MirrorScale = MirrorScale {
    shop: Shop {
        products: 25_000,
        variants: 4,
        locations: 5,
        points: 1_000,
        bulk_pace: 10_000_000,
    },
    further_runs: 6,
    settled: Duration::from_secs(15),
    idle: Duration::from_mins(1),
};
const SHORT: MirrorScale = MirrorScale {
    shop: Shop::SMALL,
    further_runs: 1,
    settled: Duration::ZERO,
    idle: Duration::from_secs(1),
};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let scale = bench::scale(FULL, SHORT);
    let mut prepared = Prepared::open(&scale.shop).await?;
    let mut out = std::io::stdout().lock();
    let mut row = |what: &str, figure: String| writeln!(out, "| {what} | {figure} |");
    for (what, query) in [
        (
            "the store alone: products",
            include_str!("../../../shopify/queries/bulk_products.graphql"),
        ),
        (
            "the store alone: inventory",
            include_str!("../../../shopify/queries/bulk_levels.graphql"),
        ),
    ] {
        let (bytes, written, fetched) = prepared.store.bulk(query).await?;
        let megabytes = bytes / 1_000_000;
        row(
            what,
            format!(
                "{} to write, {} until fetched, {megabytes} MB",
                seconds(written),
                seconds(fetched)
            ),
        )?;
    }
    let (begun, store_cpu) = (Instant::now(), prepared.store.process.cpu()?);
    let mut world = prepared.start().await?;
    let products = world.completed("products").await?;
    let products_took = begun.elapsed();
    let inventory = world.completed("inventory").await?;
    let took = begun.elapsed();
    row("first import", seconds(took))?;
    row(
        "of that until the products were there",
        seconds(products_took),
    )?;
    row(
        "rows",
        format!("{} + {}", products["processed"], inventory["processed"]),
    )?;
    let cpu = world.daemon.cpu()?;
    row(
        "daemon's CPU per 1,000 records",
        per_thousand(cpu, records(&scale.shop)),
    )?;
    row("daemon's CPU", seconds(cpu))?;
    row(
        "store's CPU",
        seconds(world.store.process.cpu()?.saturating_sub(store_cpu)),
    )?;
    row("daemon's memory at most", memory(&world)?)?;
    for _ in 0..scale.further_runs {
        world.daemon.forget_peak()?;
        let (cpu, begun) = (world.daemon.cpu()?, Instant::now());
        for resource in ["products", "inventory"] {
            world.start_run(resource).await?;
            let run = world.completed(resource).await?;
            anyhow::ensure!(
                run["changed"] == 0,
                "nothing had changed at the store: {run}"
            );
        }
        let used = world.daemon.cpu()?.saturating_sub(cpu);
        let took = seconds(begun.elapsed());
        row(
            "a further full run",
            format!("{took}, {} CPU, {} at most", seconds(used), memory(&world)?),
        )?;
    }
    let prepared = world.kill();
    let begun = Instant::now();
    let world = prepared.start().await?;
    row(
        "killed and started again: ready after",
        format!("{:.0} ms", begun.elapsed().as_secs_f64() * 1e3),
    )?;
    sleep(scale.settled).await;
    let cpu = world.daemon.cpu()?;
    sleep(scale.idle).await;
    let used = world.daemon.cpu()?.saturating_sub(cpu);
    row(
        "idle: CPU",
        format!(
            "{:.2} %",
            used.as_secs_f64() / scale.idle.as_secs_f64() * 100.0
        ),
    )?;
    row(
        "idle: memory",
        format!("{} MB", world.daemon.memory_kib()? / 1_024),
    )?;
    let complaints = world.daemon.complaints()?;
    anyhow::ensure!(
        complaints.is_empty(),
        "the daemon complained:\n{}",
        complaints.join("\n")
    );
    Ok(())
}

fn memory(world: &World) -> anyhow::Result<String> {
    Ok(format!("{} MB", world.daemon.peak_kib()? / 1_024))
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// Products, variants, their items, and levels.
fn records(shop: &Shop) -> u32 {
    let variants = shop.products * shop.variants;
    shop.products + 2 * variants + variants * shop.locations
}

fn per_thousand(time: Duration, records: u32) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e6 / f64::from(records))
}
