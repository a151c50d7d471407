//! `stockd sim`: the pretend store alone, for whoever builds for Shopify.

use std::net::SocketAddr;

use clap::Args;
use serde_json::json;
use tokio::signal::ctrl_c;

use super::{Usage, say};

/// A pretend Shopify store over real HTTP.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example: stockd sim --products 2000 --shoppers 5 --webhooks http://127.0.0.1:8080/webhooks/shopify"
)]
pub(super) struct Sim {
    #[command(flatten)]
    pub(super) store: PretendStore,
    /// The token that API calls must carry.
    #[arg(long, default_value = "shpat_pretend")]
    access_token: String,
    /// What webhooks are signed with.
    #[arg(long, default_value = "pretend-secret")]
    webhook_secret: String,
    /// Where webhooks go; nowhere when left out.
    #[arg(long, value_name = "URL")]
    webhooks: Option<String>,
    /// Query points restored a second.
    #[arg(long, default_value_t = 100, value_name = "POINTS")]
    restore_rate: u32,
    /// How many variants a product has on average.
    #[arg(long, default_value_t = 3, value_name = "N")]
    variants_per_product: u32,
    /// Objects that a bulk operation reads a second.
    #[arg(long, default_value_t = 20_000, value_name = "OBJECTS")]
    bulk_pace: u32,
}

/// What kind of store to pretend.
#[derive(Debug, Clone, Args)]
pub(super) struct PretendStore {
    /// Where the pretend store listens.
    #[arg(long, default_value = "127.0.0.1:9090", value_name = "ADDRESS")]
    pub(super) sim_listen: SocketAddr,
    /// The same seed gives the same store and the same purchases.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// How many products.
    #[arg(long, default_value_t = 200, value_name = "N")]
    products: u32,
    /// How many locations.
    #[arg(long, default_value_t = 4, value_name = "N")]
    locations: u32,
    /// Purchases a second.
    #[arg(long, default_value_t = 1.0, value_name = "PER_SECOND")]
    shoppers: f64,
}

impl PretendStore {
    pub(super) fn options(&self) -> ::sim::Options {
        ::sim::Options {
            listen: self.sim_listen,
            seed: self.seed,
            products: self.products,
            locations: self.locations,
            shoppers: self.shoppers,
            ..::sim::Options::default()
        }
    }
}

/// Opens a pretend store; options out of bounds are wrong usage.
pub(super) async fn open(options: ::sim::Options) -> anyhow::Result<::sim::Sim> {
    match ::sim::Sim::start(options).await {
        Err(error @ ::sim::Error::Option { .. }) => Err(Usage(error.to_string()).into()),
        other => Ok(other?),
    }
}

impl Sim {
    pub(super) async fn run(self, json: bool) -> anyhow::Result<()> {
        let options = ::sim::Options {
            access_token: self.access_token,
            webhook_secret: self.webhook_secret,
            webhook_target: self.webhooks,
            restore_rate: self.restore_rate,
            variants_per_product: self.variants_per_product,
            bulk_pace: self.bulk_pace,
            ..self.store.options()
        };
        let (shop, secret) = (options.shop.clone(), options.webhook_secret.clone());
        let token = options.access_token.clone();
        let sim = open(options).await?;
        if json {
            say(json!({ "simUrl": sim.url(), "shop": shop, "accessToken": token, "webhookSecret": secret }))?;
        } else {
            say(format_args!(
                "{shop} is open at {}; truth at {}/_sim/truth; Ctrl-C closes it",
                sim.url(),
                sim.url()
            ))?;
        }
        ctrl_c().await?;
        sim.stop().await;
        Ok(())
    }
}
