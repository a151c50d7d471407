//! A pretend store and a daemon on it, both on loopback, in a folder that goes away with them.

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::{Client, Process, Shop, Store};

/// How long starting, importing and hearing of a change may take.
const PATIENCE: Duration = Duration::from_mins(5);
/// Between two looks at what the other process is doing.
const PAUSE: Duration = Duration::from_millis(50);
/// Between two tries to connect to one that starts.
const MOMENT: Duration = Duration::from_millis(2);

/// An item at a location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spot {
    /// Id of the inventory item.
    pub item: String,
    /// The id of the location.
    pub location: String,
}

/// A daemon that is yet to be started, and the store that it will mirror.
pub struct Prepared {
    /// The pretend store of this world.
    pub store: Store,
    address: String,
    token: String,
    config: String,
    folder: TempDir,
}

/// What is measured, and the shop that it mirrors.
pub struct World {
    /// The daemon's process.
    pub daemon: Process,
    /// Where the daemon listens, as `host:port`.
    pub address: String,
    /// A token of its staff.
    pub token: String,
    /// The pretend store of this world.
    pub store: Store,
    config: String,
    folder: TempDir,
}

impl Prepared {
    /// Opens the store and writes the daemon's configuration.
    ///
    /// # Errors
    /// When the store does not start.
    pub async fn open(shop: &Shop) -> anyhow::Result<Self> {
        let (folder, address) = (tempfile::tempdir()?, free_address()?);
        let webhooks = format!("http://{address}/webhooks/shopify");
        let store = Store::open(shop, &webhooks, folder.path()).await?;
        let (config, database) = (
            folder.path().join("stockd.toml"),
            folder.path().join("stockd.db"),
        );
        let never = ["products", "inventory", "orders", "customers"]
            .map(|resource| format!("[sync.{resource}]\nquick = \"never\"\nfull = \"never\"\n"));
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
api_url = "http://{store}"
{never}"#,
                database = database.display(),
                shop = store.shop,
                store = store.address,
                never = never.concat(),
            ),
        )?;
        let config = config.display().to_string();
        let token = Process::output(&[
            "token", "--config", &config, "--role", "manager", "--user", "bench",
        ])?;
        Ok(Self {
            store,
            address,
            token,
            config,
            folder,
        })
    }

    /// Starts the daemon, which begins at once to mirror the store, and waits until it is ready.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(self) -> anyhow::Result<World> {
        let Self {
            store,
            address,
            token,
            config,
            folder,
        } = self;
        let daemon = Process::start(
            &["run", "--config", &config],
            folder.path().join("stockd.log"),
        )?;
        let mut client = connection(&address, &token)
            .await
            .context("the daemon does not start")?;
        client.read("/readyz").await?;
        Ok(World {
            daemon,
            address,
            token,
            store,
            config,
            folder,
        })
    }
}

impl World {
    /// Opens a shop, and waits until a daemon has mirrored it.
    ///
    /// # Errors
    /// When something does not start or takes too long.
    pub async fn open(shop: &Shop) -> anyhow::Result<Self> {
        let mut world = Prepared::open(shop).await?.start().await?;
        world.completed("products").await?;
        world.completed("inventory").await?;
        Ok(world)
    }

    /// Kills the daemon, which leaves what it has on disk.
    #[must_use]
    pub fn kill(self) -> Prepared {
        let Self {
            daemon,
            address,
            token,
            store,
            config,
            folder,
        } = self;
        drop(daemon);
        Prepared {
            store,
            address,
            token,
            config,
            folder,
        }
    }

    /// A token of another role.
    ///
    /// # Errors
    /// When there is no such role.
    pub fn token_of(&self, role: &str, user: &str) -> anyhow::Result<String> {
        Process::output(&[
            "token",
            "--config",
            &self.config,
            "--role",
            role,
            "--user",
            user,
        ])
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
    pub async fn slow_down(&mut self, milliseconds: u64) -> anyhow::Result<()> {
        self.store
            .post("/_sim/faults", &json!({ "latencyMs": milliseconds }))
            .await
    }

    /// The `n`th level of the shop, with that much available, at the store and in the mirror.
    ///
    /// # Errors
    /// When the mirror does not hear of it in time.
    pub async fn spot(&mut self, n: usize, available: i64) -> anyhow::Result<Spot> {
        let truth = self.store.truth().await?;
        let level = truth["levels"]
            .get(n)
            .context("the shop has not so many levels")?;
        let text = |field: &str| level[field].as_str().unwrap_or_default().to_owned();
        let spot = Spot {
            item: text("inventoryItemId"),
            location: text("locationId"),
        };
        let wanted = json!({
            "inventoryItemId": spot.item, "locationId": spot.location, "name": "available", "quantity": available,
        });
        self.store.post("/_sim/adjust", &wanted).await?;
        let path = format!("/api/v1/levels?limit=1000&locationId={}", spot.location);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let levels = self.read(&path).await?;
            let mut levels = levels["data"].as_array().into_iter().flatten();
            if levels.any(|level| {
                level["inventoryItemId"] == spot.item && level["available"] == available
            }) {
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
        let mut truth = self.store.truth().await?;
        let levels = truth["levels"].as_array_mut().into_iter().flatten();
        let mut levels = levels.filter(|level| {
            level["inventoryItemId"] == *spot.item && level["locationId"] == *spot.location
        });
        levels.next().map(Value::take).context("the level is gone")
    }

    /// How many mutations were sent, and how many changed something twice.
    ///
    /// # Errors
    /// When the pretend store does not answer.
    pub async fn mutations(&mut self) -> anyhow::Result<(u64, u64)> {
        let calls = self.store.read("/_sim/calls?mutations=true").await?;
        let total = |name: &str| calls["totals"][name].as_u64().unwrap_or_default();
        Ok((total("mutations"), total("appliedTwice")))
    }

    /// What is read at the daemon's REST API.
    ///
    /// # Errors
    /// As [`Client::read`].
    pub async fn read(&mut self, path: &str) -> anyhow::Result<Value> {
        // The daemon closes connections that nobody used for a while.
        self.client().await?.read(path).await
    }

    /// Begins a full run.
    ///
    /// # Errors
    /// When one is under way.
    pub async fn start_run(&mut self, resource: &str) -> anyhow::Result<()> {
        self.client()
            .await?
            .post(
                "/api/v1/runs",
                &json!({ "resource": resource, "kind": "full" }),
            )
            .await
    }

    /// The resource's latest run, once it is completed.
    ///
    /// # Errors
    /// When it fails or takes too long.
    pub async fn completed(&mut self, resource: &str) -> anyhow::Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut runs = self.read("/api/v1/runs").await?;
            let mut runs = runs["data"].as_array_mut().into_iter().flatten();
            let run = runs
                .find(|run| run["resource"] == resource)
                .map(Value::take)
                .unwrap_or_default();
            match run["state"].as_str() {
                Some("completed") => return Ok(run),
                None | Some("running") => pause(deadline, "a run does not end").await?,
                Some(_) => anyhow::bail!("a run went wrong: {run}"),
            }
        }
    }
}

pub(crate) async fn connection(address: &str, token: &str) -> anyhow::Result<Client> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(client) = Client::connect(address, token).await {
            return Ok(client);
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "nobody listens within {PATIENCE:?}"
        );
        sleep(MOMENT).await;
    }
}

/// An address on loopback where nobody listens yet.
///
/// # Errors
/// When there is none.
pub fn free_address() -> anyhow::Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}

async fn pause(deadline: Instant, problem: &str) -> anyhow::Result<()> {
    anyhow::ensure!(Instant::now() < deadline, "{problem} within {PATIENCE:?}");
    sleep(PAUSE).await;
    Ok(())
}
