//! Webhooks: how many a second are on disk before they are answered, and in the mirror how soon after; what one
//! costs beside Shopify's own library, which stores nothing; and how soon an event is at a socket.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bench::{
    Process, Shop, Socket, Webhooks, World, free_address, now_seconds, own_cpu, percentile,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// How much of everything.
struct IntakeScale {
    /// Its levels are heard of every second or two, as Shopify's times tell no more apart.
    shop: Shop,
    /// Webhooks a second that must be kept up, and for how long; then twice as many.
    rates: [u32; 2],
    time: Duration,
    /// Webhooks a second and for how long where they are few.
    few: u32,
    few_time: Duration,
    /// Webhooks a second, as long, where the costs are compared: of ours, which shares commits among those that come
    /// together, and of Node, which cannot take twice as many.
    compared: [u32; 2],
}

const FULL: IntakeScale = IntakeScale {
    // 20,000 levels.
    shop: Shop {
        products: 2_500,
        variants: 4,
        ..Shop::SMALL
    },
    rates: [10_000, 20_000],
    time: Duration::from_mins(1),
    few: 500,
    few_time: Duration::from_secs(15),
    compared: [1_000, 4_000],
};
const SHORT: IntakeScale = IntakeScale {
    // 120 levels.
    shop: Shop::SMALL,
    rates: [60, 120],
    time: Duration::from_secs(2),
    few: 60,
    few_time: Duration::from_secs(2),
    compared: [20, 80],
};
/// Connections over which they come.
const CONNECTIONS: usize = 512;
/// Bytes of a small body: of `inventory_levels/update`.
const SMALL: usize = 300;
/// Bytes of a large one: of `orders/create`.
const LARGE: usize = 11_000;
/// Products whose levels are followed by a socket under load.
const FOLLOWED: usize = 50;
/// How long the last webhooks may take into the mirror before it is looked at, and how often that is done.
const QUIET: Duration = Duration::from_secs(3);
const LOOKS_MAX: usize = 100;
/// The store answers nothing meanwhile: second looks are another measurement's.
const STORE_MS: u64 = 600_000;
/// The secret that webhooks are signed with.
const SECRET: &str = "pretend-secret";
/// Between two looks at what another process is doing.
const PAUSE: Duration = Duration::from_millis(100);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let mut row = |what: &str, figure: String| writeln!(out, "| {what} | {figure} |");
    let scale = bench::scale(FULL, SHORT);
    let mut world = World::open(&scale.shop).await?;
    let levels = levels(&mut world).await?;
    world.slow_down(STORE_MS).await?;

    let few = under_load(
        &mut world,
        &levels,
        0,
        scale.few,
        scale.few_time,
        usize::MAX,
    )
    .await?;
    row(
        &format!(
            "{} a second: from a webhook to its event at a socket, p50, p99",
            scale.few
        ),
        few.lags(),
    )?;
    row("daemon's CPU each", few.each())?;
    for (day, rate) in (1..).zip(scale.rates) {
        let load = under_load(&mut world, &levels, day, rate, scale.time, FOLLOWED).await?;
        row(
            &format!("{rate} a second of {SMALL} bytes: answered 200 a second"),
            load.rate(),
        )?;
        row("until 200, p50, p99, longest", load.answers())?;
        row("until an event at a socket, p50, p99, longest", load.lags())?;
        row("daemon's CPU each", load.each())?;
        row("load generator's CPU each", micros(load.own, load.count))?;
    }
    row(
        "daemon's memory at most",
        format!("{} MB", world.daemon.peak_kib()? / 1_024),
    )?;

    for (first, rate) in (0..).step_by(1_000_000).zip(scale.compared) {
        let series = format!("large-{rate}");
        let orders = Webhooks {
            topic: "orders/create",
            ..webhooks(&world, &series, rate, scale.few_time)
        };
        let (cpu, sent) = (
            world.daemon.cpu()?,
            orders.send(large(&levels, first)).await?.latencies.len(),
        );
        let ours = applied(&mut world).await?.saturating_sub(cpu);
        row(
            &format!("{rate} a second of {LARGE} bytes, applied: daemon's CPU each"),
            micros(ours, sent),
        )?;
    }
    let complaints = world.daemon.complaints()?;
    anyhow::ensure!(
        complaints.is_empty(),
        "the daemon complained:\n{}",
        complaints.join("\n")
    );

    if bench::scale(false, true) {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    match node(&folder).await {
        Ok((node, address)) => {
            let node_webhooks = |series| Webhooks {
                address: &address,
                ..webhooks(&world, series, scale.compared[0], scale.few_time)
            };
            for (what, bytes) in [("warm", LARGE), ("large", LARGE), ("small", SMALL)] {
                let cpu = node.cpu()?;
                let sent = if bytes == LARGE {
                    node_webhooks(what).send(large(&levels, 0)).await?
                } else {
                    node_webhooks(what)
                        .send(small(&levels, 9, now_seconds()))
                        .await?
                };
                let used = node.cpu()?.saturating_sub(cpu);
                row(
                    &format!("Node with Shopify's library, {bytes} bytes, {what}: CPU each"),
                    micros(used, sent.latencies.len()),
                )?;
            }
        }
        Err(reason) => row(
            "Node with Shopify's library",
            format!("did not run: {reason:#}"),
        )?,
    }
    Ok(())
}

/// A level as webhooks name it, and its product.
#[derive(Clone)]
struct IntakeLevel {
    item: String,
    location: String,
    variant: String,
    product: String,
}

/// Every level of the shop.
async fn levels(world: &mut World) -> anyhow::Result<Vec<IntakeLevel>> {
    let truth = world.store.truth().await?;
    let list = |what: &str| truth[what].as_array().cloned().unwrap_or_default();
    let text = |of: &Value, field: &str| of[field].as_str().unwrap_or_default().to_owned();
    let variants: HashMap<String, Value> = list("variants")
        .into_iter()
        .map(|variant| (text(&variant, "inventoryItemId"), variant))
        .collect();
    let level = |level: &Value| {
        let item = text(level, "inventoryItemId");
        let variant = variants.get(&item).context("every item is a variant's")?;
        let (variant, product) = (text(variant, "id"), text(variant, "productId"));
        anyhow::Ok(IntakeLevel {
            location: text(level, "locationId"),
            item,
            variant,
            product,
        })
    };
    list("levels").iter().map(level).collect()
}

/// What came of webhooks that the daemon took.
struct IntakeLoad {
    count: usize,
    took: Duration,
    latencies: Vec<Duration>,
    /// From the time each followed one was sent until its event was heard, sorted.
    lags: Vec<Duration>,
    cpu: Duration,
    own: Duration,
}

impl IntakeLoad {
    fn lags(&self) -> String {
        spread(&self.lags)
    }

    fn answers(&self) -> String {
        spread(&self.latencies)
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a count of webhooks is far below 2^52"
    )]
    fn rate(&self) -> String {
        format!("{:.0}", self.count as f64 / self.took.as_secs_f64())
    }

    fn each(&self) -> String {
        micros(self.cpu, self.count)
    }
}

/// Tells of every level in turn, and follows some of the events; then everything must be in the mirror.
async fn under_load(
    world: &mut World,
    levels: &[IntakeLevel],
    day: i64,
    rate: u32,
    time: Duration,
    followed: usize,
) -> anyhow::Result<IntakeLoad> {
    let mut products: Vec<&str> = levels.iter().map(|level| &*level.product).collect();
    products.dedup();
    products.truncate(followed);
    let payload = if followed < levels.len() {
        json!({ "productIds": products })
    } else {
        json!({})
    };
    let mut socket = Socket::follow(&world.address, &world.token, &payload).await?;
    let (stop, mut stopped) = oneshot::channel::<()>();
    let listener = async move {
        let mut heard = Vec::new();
        loop {
            tokio::select! {
                level = socket.level() => heard.push(level?),
                _ = &mut stopped => return anyhow::Ok(heard),
            }
        }
    };
    let mut listening = JoinSet::from_iter([listener]);

    let (cpu, own) = (world.daemon.cpu()?, own_cpu()?);
    let series = day.to_string();
    // Later than what the store knows and than all measurements before; and no round is shorter than the second by which
    // its times are later, so none is ahead of the clock.
    let begins = now_seconds();
    let sent = webhooks(world, &series, rate, time)
        .send(small(levels, day, begins))
        .await?;
    let own = own_cpu()?.saturating_sub(own);
    let cpu = applied(world).await?.saturating_sub(cpu);
    let _ = stop.send(());
    let heard = listening
        .join_next()
        .await
        .context("somebody listens")???;

    let places: HashMap<(&str, &str), usize> = levels
        .iter()
        .enumerate()
        .map(|(n, level)| ((&*level.item, &*level.location), n))
        .collect();
    let begun: HashMap<usize, Instant> = sent.begun.iter().copied().collect();
    let mut lags = Vec::with_capacity(heard.len());
    let mut last = HashMap::new();
    for (event, at) in heard {
        let key = (
            event["inventoryItemId"].as_str().unwrap_or_default(),
            event["locationId"].as_str().unwrap_or_default(),
        );
        let level = places.get(&key).context("an event of an unknown level")?;
        let updated: Timestamp = event["updatedAt"].as_str().unwrap_or_default().parse()?;
        let round = usize::try_from(updated.as_second() - begins)?;
        let number = round * levels.len() + level;
        let sent = begun.get(&number).context("an event that nothing caused")?;
        anyhow::ensure!(
            event["available"] == available(day, number),
            "a wrong event: {event}"
        );
        lags.push(at.saturating_duration_since(*sent));
        last.insert(*level, number);
    }
    let count = sent.latencies.len();
    let followed: Vec<usize> = (0..levels.len())
        .filter(|n| products.contains(&&*levels[*n].product))
        .collect();
    for level in followed {
        // The last one that was sent of it.
        let number =
            (level < count).then(|| level + (count - 1 - level) / levels.len() * levels.len());
        anyhow::ensure!(
            last.get(&level).copied() == number,
            "a level's last change was not heard"
        );
    }
    lags.sort_unstable();
    Ok(IntakeLoad {
        count,
        took: sent.took,
        latencies: sent.latencies,
        lags,
        cpu,
        own,
    })
}

fn webhooks<'a>(world: &'a World, series: &'a str, rate: u32, time: Duration) -> Webhooks<'a> {
    Webhooks {
        address: &world.address,
        path: "/webhooks/shopify",
        shop: &world.store.shop,
        topic: "inventory_levels/update",
        series,
        secret: SECRET,
        connections: CONNECTIONS,
        rate,
        time,
    }
}

/// What a webhook says of its level: something else than the time before, and than what the store has.
fn available(day: i64, number: usize) -> i64 {
    100_000 + (13 * day + i64::try_from(number).unwrap_or_default()) % 97
}

/// Bodies of `inventory_levels/update`: every level in turn, each a second later than the time before.
fn small(
    levels: &[IntakeLevel],
    day: i64,
    begins: i64,
) -> impl Fn(usize) -> String + Clone + Send + use<> {
    let levels: Arc<[IntakeLevel]> = levels.into();
    move |number| {
        let IntakeLevel { item, location, .. } = &levels[number % levels.len()];
        let round = i64::try_from(number / levels.len()).unwrap_or(i64::MAX);
        let at = Timestamp::from_second(begins.saturating_add(round)).unwrap_or(Timestamp::MAX);
        let body = format!(
            r#"{{"inventory_item_id":{item},"location_id":{location},"available":{},"updated_at":"{at}","admin_graphql_api_id":"gid://shopify/InventoryLevel/{location}?inventory_item_id={item}""#,
            available(day, number)
        );
        format!("{body:<width$}}}", width = SMALL - 1)
    }
}

/// Bodies of `orders/create`: each another order from that one on, of three lines, with much that nobody here asks for.
fn large(levels: &[IntakeLevel], first: usize) -> impl Fn(usize) -> String + Clone + Send + use<> {
    let variants: Arc<[String]> = levels.iter().map(|level| level.variant.clone()).collect();
    let address = json!({
        "first_name": "Invented", "last_name": "Person", "address1": "1 Nowhere Street", "address2": null, "city": "Nowhere",
        "zip": "00000", "province": null, "country": "Nowhere", "country_code": "XX", "phone": null,
        "latitude": 0.5, "longitude": 0.25, "company": null, "name": "Invented Person", "province_code": null,
    });
    let money = json!({
        "shop_money": { "amount": "10.00", "currency_code": "EUR" },
        "presentment_money": { "amount": "10.00", "currency_code": "EUR" },
    });
    let extras: serde_json::Map<String, Value> = [
        "current_subtotal_price_set",
        "current_total_discounts_set",
        "current_total_price_set",
        "current_total_tax_set",
        "original_total_duties_set",
        "subtotal_price_set",
        "total_discounts_set",
        "total_line_items_price_set",
        "total_price_set",
        "total_shipping_price_set",
        "total_tax_set",
    ]
    .into_iter()
    .map(|name| (name.to_owned(), money.clone()))
    .collect();
    let extras = Value::from(extras).to_string();
    let extras = extras[1..extras.len() - 1].to_owned();
    let line_extras = json!({
        "fulfillable_quantity": 1, "fulfillment_service": "manual", "grams": 100, "price": "10.00", "price_set": money,
        "product_exists": true, "properties": [], "requires_shipping": true, "taxable": true, "total_discount_set": money,
        "tax_lines": [{ "rate": 0.19, "title": "VAT", "price": "1.60", "price_set": money, "channel_liable": false }],
        "discount_allocations": [{ "amount": "1.00", "discount_application_index": 0, "amount_set": money }],
    }).to_string();
    let line_extras = line_extras[1..].to_owned();
    move |number| {
        let number = first + number;
        let lines: Vec<String> = (0..3).map(|line| {
            let (id, variant) = (3 * number + line + 1, &variants[(3 * number + line) % variants.len()]);
            format!(r#"{{"id":{id},"variant_id":{variant},"title":"Invented","sku":"SKU-{variant}","quantity":1,"current_quantity":1,{line_extras}"#)
        }).collect();
        let body = format!(
            r##"{{"id":{},"name":"#{number}","customer":{{"id":1,"default_address":{address}}},"billing_address":{address},"shipping_address":{address},{extras},"financial_status":"paid","fulfillment_status":null,"current_total_price":"30.00","currency":"EUR","source_name":"web","fulfillments":[],"created_at":"2030-01-01T00:00:00Z","updated_at":"2030-01-01T00:00:00Z","line_items":[{}],"note_attributes":["##,
            number + 1,
            lines.join(",")
        );
        let note = r#"{"name":"invented","value":"nothing"},"#;
        let room = LARGE.saturating_sub(body.len() + 4);
        let notes = note.repeat(room / note.len());
        format!("{:<width$}{{}}]}}", body + &notes, width = LARGE - 4)
    }
}

/// Waits until every delivery is applied: the processor time that the daemon had used by then.
async fn applied(world: &mut World) -> anyhow::Result<Duration> {
    for _ in 0..LOOKS_MAX {
        sleep(QUIET).await;
        // Looking takes some itself.
        let cpu = world.daemon.cpu()?;
        let status = world.read("/api/v1/status").await?;
        let waiting = &status["waiting"];
        anyhow::ensure!(
            waiting["unreadable"] == 0,
            "some could not be read: {status}"
        );
        if waiting["webhooks"] == 0 {
            return Ok(cpu);
        }
    }
    anyhow::bail!("the mirror is far behind")
}

/// A server of Node's, with Shopify's library fetched into that folder: the process, and where it listens.
async fn node(folder: &TempDir) -> anyhow::Result<(Process, String)> {
    let install = Command::new("npm")
        .args([
            "install",
            "--no-audit",
            "--no-fund",
            "--silent",
            "@shopify/shopify-api@13.1.0",
        ])
        .current_dir(folder.path())
        .output()
        .context("npm cannot be run")?;
    anyhow::ensure!(
        install.status.success(),
        "{}",
        String::from_utf8_lossy(&install.stderr)
    );
    let script = folder.path().join("webhooks.mjs");
    fs::write(&script, include_str!("../../peers/webhooks.mjs"))?;
    let address = free_address()?;
    let port = address.rsplit(':').next().context("no port")?;
    let mut command = Command::new("node");
    command.arg(&script).args([port, SECRET]);
    let process = Process::spawn(&mut command, folder.path().join("node.log"))?;
    for _ in 0..100 {
        if TcpStream::connect(&address).await.is_ok() {
            return Ok((process, address));
        }
        sleep(PAUSE).await;
    }
    anyhow::bail!(
        "it does not listen: {}",
        fs::read_to_string(folder.path().join("node.log"))?
    )
}

fn spread(sorted: &[Duration]) -> String {
    [50, 99, 100]
        .map(|percent| millis(percentile(sorted, percent)))
        .join(", ")
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count of webhooks is far below 2^52"
)]
fn micros(time: Duration, count: usize) -> String {
    format!("{:.0} µs", time.as_secs_f64() * 1e6 / count as f64)
}
