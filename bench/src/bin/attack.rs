//! A daemon under attack: how soon honest webhooks are answered and live events heard, and what memory it takes, while
//! others do one kind of harm each; first while nobody does.
//!
//! `attack [--short] [names]` measures only what is named; `--short` shows in a minute that everything works, and its
//! figures mean nothing. Every row has a store and a daemon of its own, on loopback, and ends in time.
//!
//! Real attackers bring their own processors. These have a process of their own with the lowest priority: they take all
//! the time that is left, and neither the daemon nor the honest clients queue behind them for a core.

use std::collections::HashMap;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bench::{Client, Process, Shop, Socket, Webhooks, World, now_seconds, percentile};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{Method, StatusCode};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// The secret that webhooks are signed with.
const SECRET: &str = "pretend-secret";
/// Milliseconds for which the store answers nothing: second looks are another measurement's.
const STORE_MS: u64 = 600_000;
/// How long an attack goes on before anything is measured.
const WARM_UP: Duration = Duration::from_secs(2);
/// How long the last event may take to be heard.
const LATE_MAX: Duration = Duration::from_secs(30);
/// How long a row may take, its import included.
const ROW_MAX: Duration = Duration::from_mins(5);
/// Connections of honest webhooks.
const CONNECTIONS: usize = 32;
/// The first argument of the attackers' own process.
const ATTACKERS: &str = "--attackers";
/// Between two tries of one attacker whom the daemon let go or refused.
const AGAIN: Duration = Duration::from_millis(250);
/// Bytes of an unsigned body that are announced, and how many of them never come.
const BODY: (usize, usize) = (5 * 1024 * 1024, 10);
/// Type names in a join, and bytes of each.
const TYPES: (usize, usize) = (500, 128);
/// Requests that are sent by one who never reads an answer.
const UNREAD: usize = 50;
/// Connections of one address that do nothing, and file descriptors that are left for everything else.
const IDLE: (usize, usize) = (12_000, 600);
/// Between two replays of one attacker: twenty of them send 200 a second.
const REPLAY_PAUSE: Duration = Duration::from_millis(100);

/// How much of everything.
#[derive(Clone, Copy)]
struct Scale {
    shop: Shop,
    rate: u32,
    time: Duration,
    /// One of so many attackers comes.
    one_of: usize,
}

const FULL: Scale = Scale {
    shop: Shop {
        products: 2_500,
        variants: 4,
        ..Shop::SMALL
    },
    rate: 100,
    time: Duration::from_secs(20),
    one_of: 1,
};
const SHORT: Scale = Scale {
    shop: Shop::SMALL,
    rate: 10,
    time: Duration::from_secs(2),
    one_of: 20,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attack {
    Quiet,
    Guests,
    Metrics,
    Snapshots,
    Bodies,
    Unread,
    Idle,
    Replays,
}

impl Attack {
    const ALL: [Self; 8] = [
        Self::Quiet,
        Self::Guests,
        Self::Metrics,
        Self::Snapshots,
        Self::Bodies,
        Self::Unread,
        Self::Idle,
        Self::Replays,
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|attack| attack.terms().0 == name)
    }

    /// Its name on the command line, how many attackers take part, and what they do.
    fn terms(self) -> (&'static str, usize, &'static str) {
        match self {
            Self::Quiet => ("quiet", 0, "quiet"),
            Self::Guests => (
                "guests",
                200,
                "guest sockets that repeat a durable join of 64 KB",
            ),
            Self::Metrics => ("metrics", 200, "clients of /metrics"),
            Self::Snapshots => (
                "snapshots",
                60,
                "sockets that ask for a snapshot of everything",
            ),
            Self::Bodies => (
                "bodies",
                150,
                "unsigned webhooks of 5 MiB of which 10 bytes never come",
            ),
            Self::Unread => (
                "unread",
                200,
                "clients that ask and never read, every other one a socket",
            ),
            Self::Idle => ("idle", IDLE.0, "connections of one address that do nothing"),
            Self::Replays => (
                "replays",
                20,
                "clients that send one signed body again as app/uninstalled",
            ),
        }
    }

    /// The number of attackers.
    fn attackers(self, scale: Scale) -> anyhow::Result<usize> {
        let (_, all, _) = self.terms();
        let attackers = if all == 0 {
            0
        } else {
            (all / scale.one_of).max(1)
        };
        // The daemon has the same limit as this programme.
        Ok(if self == Self::Idle {
            attackers.min(open_files()?.saturating_sub(IDLE.1))
        } else {
            attackers
        })
    }
}

/// What is attacked, and what attackers know.
#[derive(Serialize, Deserialize)]
struct AttackTarget {
    address: String,
    shop: String,
    guest: String,
    manager: String,
    /// The offset at the end of the log.
    offset: String,
    /// Honest body and its signature, as somebody recorded it.
    recorded: (String, String),
    #[serde(skip)]
    done: AtomicU64,
    #[serde(skip)]
    refused: AtomicU64,
}

/// What honest ones had of the daemon.
struct Honest {
    webhooks: Vec<Duration>,
    events: Vec<Duration>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut names: Vec<String> = std::env::args().skip(1).collect();
    if let [attackers, name, count, target] = &names[..]
        && attackers == ATTACKERS
    {
        return attackers_process(name, count.parse()?, serde_json::from_str(target)?).await;
    }
    names.retain(|name| name != "--short");
    if let Some(unknown) = names.iter().find(|name| Attack::named(name).is_none()) {
        let all: Vec<_> = Attack::ALL.iter().map(|attack| attack.terms().0).collect();
        anyhow::bail!(
            "there is no attack {unknown}: choose among {}",
            all.join(", ")
        );
    }
    let scale = bench::scale(FULL, SHORT);
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "| attack | webhooks until 200: p50, p99, longest | live events: p50, p99, longest | memory at most | \
         attackers' deeds: done, refused | errors logged |\n|---|---|---|---|---|---|"
    )?;
    let wanted = |attack: &Attack| {
        // Without the quiet row there is nothing to compare with.
        *attack == Attack::Quiet
            || names.is_empty()
            || names.iter().any(|name| name == attack.terms().0)
    };
    for attack in Attack::ALL.into_iter().filter(wanted) {
        let (_, _, deed) = attack.terms();
        let attackers = attack.attackers(scale)?;
        let what = if attackers == 0 {
            deed.to_owned()
        } else {
            format!("{attackers} {deed}")
        };
        let row = timeout(ROW_MAX, row(attack, attackers, scale)).await;
        match row.unwrap_or_else(|_| Err(anyhow::anyhow!("it took longer than {ROW_MAX:?}"))) {
            Ok(figures) => writeln!(out, "| {what} | {} |", figures.join(" | "))?,
            Err(error) => writeln!(out, "| {what} | failed: {error:#} |")?,
        }
    }
    Ok(())
}

/// One attack on a daemon of its own.
async fn row(attack: Attack, attackers: usize, scale: Scale) -> anyhow::Result<Vec<String>> {
    let mut world = World::open(&scale.shop).await?;
    let levels = levels(&mut world).await?;
    world.slow_down(STORE_MS).await?;
    let recorded = body(&levels[0], 0, Timestamp::from_second(now_seconds())?);
    let signature = sign(&recorded)?;
    let ready = world.read("/readyz").await?;
    let target = AttackTarget {
        address: world.address.clone(),
        shop: world.store.shop.clone(),
        guest: world.token_of("guest", "attacker")?,
        // Another user than the honest one, whose own bounds are not at stake.
        manager: world.token_of("manager", "attacker")?,
        offset: ready["offset"].as_str().unwrap_or_default().to_owned(),
        recorded: (recorded, signature),
        done: AtomicU64::new(0),
        refused: AtomicU64::new(0),
    };
    world.daemon.forget_peak()?;
    let folder = tempfile::tempdir()?;
    let counts = folder.path().join("counts");
    let arguments = [
        ATTACKERS,
        attack.terms().0,
        &attackers.to_string(),
        &serde_json::to_string(&target)?,
    ]
    .map(str::to_owned);
    let own = std::env::current_exe()?;
    let attacking = Process::spawn(
        Command::new("nice")
            .args(["-n", "19"])
            .arg(own)
            .args(arguments),
        counts.clone(),
    )?;
    sleep(WARM_UP).await;
    let honest = honest(&world, &levels, scale).await?;
    let memory = world.daemon.peak_kib()? / 1_024;
    drop(attacking);
    let counts = std::fs::read_to_string(counts)?;
    Ok(vec![
        spread(&honest.webhooks),
        spread(&honest.events),
        format!("{memory} MB"),
        counts
            .lines()
            .last()
            .context("the attackers said nothing")?
            .to_owned(),
        world.daemon.complaints()?.len().to_string(),
    ])
}

/// Webhooks at their times, each of another level, and a socket that hears of each.
async fn honest(
    world: &World,
    levels: &[(String, String)],
    scale: Scale,
) -> anyhow::Result<Honest> {
    let mut socket = Socket::follow(&world.address, &world.token, &json!({})).await?;
    let count = usize::try_from(u64::from(scale.rate) * scale.time.as_secs())?;
    anyhow::ensure!(count < levels.len(), "the shop has too few levels");
    let places: HashMap<(String, String), usize> = levels
        .iter()
        .cloned()
        .enumerate()
        .map(|(number, level)| (level, number))
        .collect();
    let listener = async move {
        let mut heard = HashMap::new();
        while heard.len() < count {
            let (event, at) = socket.level().await?;
            let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
            let Some(&number) = places.get(&(text("inventoryItemId"), text("locationId"))) else {
                continue;
            };
            if event["available"] == available(number) {
                heard.entry(number).or_insert(at);
            }
        }
        anyhow::Ok(heard)
    };
    let mut listening = JoinSet::from_iter([listener]);
    let webhooks = Webhooks {
        address: &world.address,
        path: "/webhooks/shopify",
        shop: &world.store.shop,
        topic: "inventory_levels/update",
        series: "honest",
        secret: SECRET,
        connections: CONNECTIONS,
        rate: scale.rate,
        time: scale.time,
    };
    let at = Timestamp::from_second(now_seconds())?;
    let bodies: Arc<[String]> = levels
        .iter()
        .take(count)
        .enumerate()
        .map(|(number, level)| body(level, number, at))
        .collect();
    let sent = webhooks.send(move |number| bodies[number].clone()).await?;
    let heard = timeout(LATE_MAX, listening.join_next())
        .await
        .context("some events were not heard")?;
    let heard = heard.context("somebody listens")???;
    let lag = |(number, begun): &(usize, Instant)| {
        Some(heard.get(number)?.saturating_duration_since(*begun))
    };
    let mut events: Vec<Duration> = sent.begun.iter().filter_map(lag).collect();
    events.sort_unstable();
    Ok(Honest {
        webhooks: sent.latencies,
        events,
    })
}

/// The attackers, until they are stopped. Every second they print what they did and what was refused.
async fn attackers_process(name: &str, count: usize, target: AttackTarget) -> anyhow::Result<()> {
    let attack = Attack::named(name).context("no such attack")?;
    let target = Arc::new(target);
    let mut attacking = JoinSet::new();
    for number in 0..count {
        attacking.spawn(attacks(attack, Arc::clone(&target), number));
    }
    loop {
        let deeds =
            [&target.done, &target.refused].map(|count| count.load(Ordering::Relaxed).to_string());
        writeln!(std::io::stdout(), "{}", deeds.join(", "))?;
        sleep(Duration::from_secs(1)).await;
    }
}

/// Does harm until it is stopped, over one connection after the other.
async fn attacks(attack: Attack, target: Arc<AttackTarget>, number: usize) {
    loop {
        // What the daemon does about it is measured elsewhere.
        let _ = attack_once(attack, &target, number).await;
        sleep(AGAIN).await;
    }
}

/// Does harm over one connection for as long as that lasts.
async fn attack_once(attack: Attack, target: &AttackTarget, number: usize) -> anyhow::Result<()> {
    let stream = target
        .connect(if attack == Attack::Idle { 0 } else { number })
        .await?;
    let address = &target.address;
    match attack {
        Attack::Quiet => {}
        Attack::Guests => {
            let mut socket = Socket::over(stream, address, &target.guest).await?;
            let types: Vec<String> = (0..TYPES.0)
                .map(|n| format!("{:x<width$}", format!("{number}-{n}-"), width = TYPES.1))
                .collect();
            let join = json!({ "types": types, "since": target.offset });
            loop {
                let answer = socket.ask("subscribe:notifications", &join).await?;
                target.counts(answer.contains(r#""ok":true"#));
            }
        }
        Attack::Metrics => {
            let mut client = Client::over(stream, address, "").await?;
            loop {
                let (status, _) = client.send(Method::GET, "/metrics", Bytes::new()).await?;
                target.counts(status == StatusCode::OK);
            }
        }
        Attack::Snapshots => {
            let mut socket = Socket::over(stream, address, &target.manager).await?;
            loop {
                let answer = socket
                    .ask("subscribe:inventory", &json!({ "snapshot": true }))
                    .await?;
                target.counts(answer.contains(r#""ok":true"#));
            }
        }
        Attack::Bodies => {
            let head = format!(
                "POST /webhooks/shopify HTTP/1.1\r\nHost: {address}\r\nX-Shopify-Shop-Domain: {}\r\n\
                 Content-Length: {}\r\n\r\n",
                target.shop, BODY.0
            );
            let mut stream = stream;
            stream.write_all(head.as_bytes()).await?;
            let sent = stream.write_all(&vec![b' '; BODY.0 - BODY.1]).await;
            target.counts(sent.is_ok());
            // Held for as long as the daemon holds it.
            let _ = stream.read(&mut [0; 512]).await?;
        }
        Attack::Unread if number.is_multiple_of(2) => {
            let mut stream = stream;
            let asks =
                format!("GET /api/openapi.json HTTP/1.1\r\nHost: {address}\r\n\r\n").repeat(UNREAD);
            stream.write_all(asks.as_bytes()).await?;
            target.counts(true);
            std::future::pending::<()>().await;
        }
        Attack::Unread => {
            let mut socket = Socket::over(stream, address, &target.manager).await?;
            let answer = socket.ask("subscribe:inventory", &json!({})).await?;
            target.counts(answer.contains(r#""ok":true"#));
            std::future::pending::<()>().await;
        }
        Attack::Idle => {
            let mut stream = stream;
            target.counts(true);
            // Ends when the daemon closes it.
            let _ = stream.read(&mut [0; 1]).await?;
        }
        Attack::Replays => {
            let (mut stream, (body, signature)) = (stream, &target.recorded);
            for again in 0_u64.. {
                let request = format!(
                    "POST /webhooks/shopify HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
                     X-Shopify-Topic: app/uninstalled\r\nX-Shopify-Shop-Domain: {}\r\nX-Shopify-API-Version: 2026-10\r\n\
                     X-Shopify-Webhook-Id: replay-{number}-{again}-{}\r\nX-Shopify-Hmac-Sha256: {signature}\r\n\
                     Content-Length: {}\r\n\r\n{body}",
                    target.shop,
                    target.done.load(Ordering::Relaxed),
                    body.len()
                );
                stream.write_all(request.as_bytes()).await?;
                let mut answer = [0; 1_024];
                let read = stream.read(&mut answer).await?;
                anyhow::ensure!(read > 0, "closed");
                target.counts(answer.starts_with(b"HTTP/1.1 200"));
                sleep(REPLAY_PAUSE).await;
            }
        }
    }
    Ok(())
}

impl AttackTarget {
    /// A connection from the `n`th address of attackers, none of which is an honest one's.
    async fn connect(&self, n: usize) -> anyhow::Result<TcpStream> {
        let host = u16::try_from(n).unwrap_or_default();
        let from = Ipv4Addr::new(
            127,
            1,
            u8::try_from(host / 250)?,
            u8::try_from(host % 250 + 1)?,
        );
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        Ok(socket.connect(self.address.parse()?).await?)
    }

    fn counts(&self, done: bool) {
        let count = if done { &self.done } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// Item and location of every level of the shop.
async fn levels(world: &mut World) -> anyhow::Result<Vec<(String, String)>> {
    let truth = world.store.truth().await?;
    let text = |of: &Value, field: &str| of[field].as_str().unwrap_or_default().to_owned();
    let levels = truth["levels"].as_array().context("the store has levels")?;
    Ok(levels
        .iter()
        .map(|level| (text(level, "inventoryItemId"), text(level, "locationId")))
        .collect())
}

/// What a webhook says of that level: nothing that the store has.
fn available(number: usize) -> i64 {
    100_000 + i64::try_from(number).unwrap_or_default()
}

fn body((item, location): &(String, String), number: usize, at: Timestamp) -> String {
    format!(
        r#"{{"inventory_item_id":{item},"location_id":{location},"available":{},"updated_at":"{at}","admin_graphql_api_id":"gid://shopify/InventoryLevel/{location}?inventory_item_id={item}"}}"#,
        available(number)
    )
}

fn sign(body: &str) -> anyhow::Result<String> {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
    Ok(STANDARD.encode(mac.chain_update(body).finalize().into_bytes()))
}

/// How many files this process may have open.
fn open_files() -> anyhow::Result<usize> {
    let limits = std::fs::read_to_string("/proc/self/limits")?;
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .context("no limit of files")?;
    Ok(line
        .split_whitespace()
        .nth(3)
        .context("no limit of files")?
        .parse()?)
}

fn spread(sorted: &[Duration]) -> String {
    let millis = |percent| format!("{:.1} ms", percentile(sorted, percent).as_secs_f64() * 1e3);
    [50, 99, 100].map(millis).join(", ")
}
