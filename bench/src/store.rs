//! A pretend store on loopback, in a process of its own.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::world::{connection, free_address};
use crate::{Client, Process};

/// The token that its API wants.
const TOKEN: &str = "shpat_pretend";
/// Between two looks at a bulk operation.
const PAUSE: Duration = Duration::from_millis(20);

/// What kind of store to open.
#[derive(Debug, Clone, Copy)]
pub struct Shop {
    /// The number of products to make.
    pub products: u32,
    /// How many variants each has.
    pub variants: u32,
    /// How many locations; every variant is stocked at each.
    pub locations: u32,
    /// Points that its bucket regains a second: 100 on Shopify's standard plan.
    pub points: u32,
    /// Objects that a bulk operation reads a second.
    pub bulk_pace: u32,
}

impl Shop {
    /// 60 variants at two locations.
    pub const SMALL: Self = Self {
        products: 20,
        variants: 3,
        locations: 2,
        points: 100,
        bulk_pace: 20_000,
    };
}

/// A running pretend store.
pub struct Store {
    /// The store's process.
    pub process: Process,
    /// Where it listens, as `host:port`.
    pub address: String,
    /// The domain of the shop.
    pub shop: String,
    door: Client,
}

impl Store {
    /// Opens it; its webhooks go to that URL.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn open(shop: &Shop, webhooks: &str, folder: &Path) -> anyhow::Result<Self> {
        let address = free_address()?;
        let numbers = [
            shop.products,
            shop.variants,
            shop.locations,
            shop.points,
            shop.bulk_pace,
        ];
        let [products, variants, locations, points, pace] =
            numbers.map(|number| number.to_string());
        let arguments = [
            ("--sim-listen", &*address),
            ("--products", &products),
            ("--variants-per-product", &variants),
            ("--locations", &locations),
            ("--restore-rate", &points),
            ("--bulk-pace", &pace),
            ("--shoppers", "0"),
            ("--webhooks", webhooks),
        ];
        let arguments: Vec<&str> = ["sim"]
            .into_iter()
            .chain(arguments.iter().flat_map(|&(name, value)| [name, value]))
            .collect();
        let process = Process::start(&arguments, folder.join("sim.log"))?;
        let door = connection(&address, TOKEN)
            .await
            .context("the pretend store does not start")?;
        let mut store = Self {
            process,
            address,
            shop: String::new(),
            door,
        };
        let named = store.ask("{ shop { myshopifyDomain } }").await?;
        named["shop"]["myshopifyDomain"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut store.shop);
        Ok(store)
    }

    /// Asks its API.
    ///
    /// # Errors
    /// When it has no answer.
    pub async fn ask(&mut self, query: &str) -> anyhow::Result<Value> {
        let body = json!({ "query": query }).to_string();
        let (_, answer) = self
            .door
            .send(Method::POST, "/admin/api/2026-10/graphql.json", body.into())
            .await?;
        let mut answer: Value = serde_json::from_slice(&answer)?;
        anyhow::ensure!(answer["errors"].is_null(), "{query}: {answer}");
        Ok(answer["data"].take())
    }

    /// What it believes.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn truth(&mut self) -> anyhow::Result<Value> {
        self.read("/_sim/truth").await
    }

    /// What is read there.
    ///
    /// # Errors
    /// As [`Client::read`].
    pub async fn read(&mut self, path: &str) -> anyhow::Result<Value> {
        self.door.read(path).await
    }

    /// Has something happen.
    ///
    /// # Errors
    /// As [`Client::post`].
    pub async fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<()> {
        self.door.post(path, body).await
    }

    /// Runs a bulk operation and fetches its result without a look into it: how many bytes it had, how long until it
    /// was written and until it was here.
    ///
    /// # Errors
    /// When there is no result.
    pub async fn bulk(&mut self, query: &str) -> anyhow::Result<(usize, Duration, Duration)> {
        let begun = Instant::now();
        let query = Value::from(query);
        let start = format!(
            "mutation {{ bulkOperationRunQuery(query: {query}) {{ bulkOperation {{ id }} userErrors {{ message }} }} }}"
        );
        let started = self.ask(&start).await?;
        let id = &started["bulkOperationRunQuery"]["bulkOperation"]["id"];
        let state = format!("{{ bulkOperation(id: {id}) {{ status url }} }}");
        let url = loop {
            let operation = self.ask(&state).await?["bulkOperation"].take();
            match operation["status"].as_str() {
                Some("CREATED" | "RUNNING") => sleep(PAUSE).await,
                Some("COMPLETED") => break operation["url"].as_str().map(str::to_owned),
                _ => anyhow::bail!("the bulk operation came to nothing: {operation}"),
            }
        };
        let written = begun.elapsed();
        let url = url.context("the result is empty")?;
        let (_, path) = url
            .split_once(&self.address)
            .context("the result is elsewhere")?;
        // A signed link takes no token.
        let mut client = Client::connect(&self.address, "").await?;
        let bytes = client.drain(Method::GET, path, Bytes::new()).await?;
        Ok((bytes, written, begun.elapsed()))
    }
}
