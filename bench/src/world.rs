//! A pretend store and a daemon on it, both on loopback, in a folder that goes away with them.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{Client, Process};

/// How long starting, importing and hearing of a change may take.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks at what the other process is doing.
const PAUSE: Duration = Duration::from_millis(50);

/// An item at a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Which item.
    pub item: String,
    /// At which location.
    pub location: String,
}

/// What is measured, and the shop that it mirrors.
pub struct World {
    /// The daemon's process.
    pub daemon: Process,
    /// Where the daemon listens, as `host:port`.
    pub address: String,
    /// A token of its staff.
    pub token: String,
    sim: Client,
    door: Client,
    _store: Process,
    _folder: TempDir,
}

impl World {
    /// Opens a small shop whose bucket refills by `points` a second, and waits until a daemon has mirrored it.
    ///
    /// # Errors
    /// When something does not start or takes too long.
    pub async fn open(points: u32) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (store_address, address) = (free_address()?, free_address()?);
        let webhooks = format!("http://{address}/webhooks/shopify");
        let rate = points.to_string();
        let store = Process::start(
            &[
                "sim",
                "--sim-listen",
                &store_address,
                "--products",
                "20",
                "--locations",
                "2",
                "--shoppers",
                "0",
                "--restore-rate",
                &rate,
                "--webhooks",
                &webhooks,
            ],
            folder.path().join("sim.log"),
        )?;
        let mut sim = connection(&store_address, "").await.context("the pretend store does not start")?;
        let shop = sim.read("/_sim/truth").await?["shop"].as_str().unwrap_or_default().to_owned();

        let config = folder.path().join("stockd.toml");
        let database = folder.path().join("stockd.db");
        let database = database.display();
        fs::write(
            &config,
            format!(
                r#"[[server]]
listen = "{address}"
[auth]
secret = "a-secret-of-the-bench-with-32-bytes-or-more"
[store]
url = "sqlite:{database}"
[[shop]]
domain = "{shop}"
access_token = "shpat_pretend"
webhook_secrets = ["pretend-secret"]
api_url = "http://{store_address}"
"#
            ),
        )?;
        let config = config.display().to_string();
        let token = Process::output(&["token", "--config", &config, "--role", "manager", "--user", "bench"])?;
        let daemon = Process::start(&["run", "--config", &config], folder.path().join("stockd.log"))?;
        let door = connection(&address, &token).await.context("the daemon does not start")?;
        let mut world = Self { daemon, address, token, sim, door, _store: store, _folder: folder };
        world.imported().await?;
        Ok(world)
    }

    /// A connection of one more client.
    ///
    /// # Errors
    /// When the daemon takes none.
    pub async fn client(&self) -> anyhow::Result<Client> {
        Client::connect(&self.address, &self.token).await
    }

    /// Every call of the store's API waits so long from now on.
    ///
    /// # Errors
    /// When the pretend store does not take it.
    pub async fn is_slow(&mut self, milliseconds: u64) -> anyhow::Result<()> {
        self.sim.post("/_sim/faults", &json!({ "latencyMs": milliseconds })).await
    }

    /// The `n`th level of the shop, with that much available, at the store and in the mirror.
    ///
    /// # Errors
    /// When the mirror does not hear of it in time.
    pub async fn spot(&mut self, n: usize, available: i64) -> anyhow::Result<Spot> {
        let truth = self.sim.read("/_sim/truth").await?;
        let level = truth["levels"].get(n).context("the shop has not so many levels")?;
        let text = |field: &str| level[field].as_str().unwrap_or_default().to_owned();
        let spot = Spot { item: text("inventoryItemId"), location: text("locationId") };
        let wanted = json!({
            "inventoryItemId": spot.item, "locationId": spot.location, "name": "available", "quantity": available,
        });
        self.sim.post("/_sim/adjust", &wanted).await?;
        let path = format!("/api/v1/levels?limit=1000&locationId={}", spot.location);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let levels = self.door.read(&path).await?;
            let mut levels = levels["data"].as_array().into_iter().flatten();
            if levels.any(|level| level["inventoryItemId"] == spot.item && level["available"] == available) {
                return Ok(spot);
            }
            pause(deadline, "the mirror does not hear of a change").await?;
        }
    }

    /// The level as the store has it.
    ///
    /// # Errors
    /// When the pretend store does not answer.
    pub async fn truth(&mut self, spot: &Spot) -> anyhow::Result<Value> {
        let mut truth = self.sim.read("/_sim/truth").await?;
        let levels = truth["levels"].as_array_mut().into_iter().flatten();
        let mut levels = levels
            .filter(|level| level["inventoryItemId"] == *spot.item && level["locationId"] == *spot.location);
        levels.next().map(Value::take).context("the level is gone")
    }

    /// How many mutations were sent, and how many changed something twice.
    ///
    /// # Errors
    /// When the pretend store does not answer.
    pub async fn mutations(&mut self) -> anyhow::Result<(u64, u64)> {
        let calls = self.sim.read("/_sim/calls?mutations=true").await?;
        let total = |name: &str| calls["totals"][name].as_u64().unwrap_or_default();
        Ok((total("mutations"), total("appliedTwice")))
    }

    async fn imported(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let runs = self.door.read("/api/v1/runs").await?;
            let done = |resource: &str| {
                let mut runs = runs["data"].as_array().into_iter().flatten();
                runs.any(|run| run["resource"] == resource && run["state"] == "completed")
            };
            if done("products") && done("inventory") {
                return Ok(());
            }
            pause(deadline, "the import does not end").await?;
        }
    }
}

async fn connection(address: &str, token: &str) -> anyhow::Result<Client> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(client) = Client::connect(address, token).await {
            return Ok(client);
        }
        pause(deadline, "nobody listens").await?;
    }
}

async fn pause(deadline: Instant, problem: &str) -> anyhow::Result<()> {
    anyhow::ensure!(Instant::now() < deadline, "{problem} within {PATIENCE:?}");
    sleep(PAUSE).await;
    Ok(())
}

fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
