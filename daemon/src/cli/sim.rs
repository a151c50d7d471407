//! `stockd sim`: the pretend store alone, for whoever builds for Shopify.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::LazyLock;

use anyhow::Context as _;
use clap::ArgAction::Set;
use clap::Args;
use serde_json::json;
use tokio::signal::ctrl_c;

use super::{Usage, say};

/// Runs a pretend Shopify store over real HTTP.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example: stockd sim --products 2000 --shoppers 5 --webhooks http://127.0.0.1:8080/webhooks/shopify"
)]
pub(super) struct SimCommand {
    #[command(flatten)]
    pub(super) store: PretendStore,
    /// Domain of the store.
    #[arg(long, default_value_t = DEFAULTS.shop.clone(), value_name = "DOMAIN")]
    shop: String,
    /// Speak TLS, and write the new certificate to this file for clients to trust.
    #[arg(long, value_name = "FILE")]
    tls: Option<PathBuf>,
    /// Access token that API calls must carry.
    #[arg(long, default_value_t = DEFAULTS.access_token.clone())]
    access_token: String,
    /// Client id of the app, for the client-credentials grant.
    #[arg(long, default_value_t = DEFAULTS.client_id.clone())]
    client_id: String,
    /// Secret of the app: signs webhooks, and is the other half of the client credentials.
    #[arg(long, visible_alias = "client-secret", default_value_t = DEFAULTS.webhook_secret.clone())]
    webhook_secret: String,
    /// Scopes of the app, separated by commas.
    #[arg(long, value_delimiter = ',', default_values_t = DEFAULTS.scopes.clone(), value_name = "SCOPES")]
    scopes: Vec<String>,
    /// Address for webhooks; without it none are sent.
    #[arg(long, value_name = "URL")]
    webhooks: Option<String>,
    /// Query points restored each second.
    #[arg(long, default_value_t = DEFAULTS.restore_rate, value_name = "POINTS")]
    restore_rate: u32,
    /// Size of the bucket in query points; by default 20 times the restore rate.
    #[arg(long, value_name = "POINTS")]
    bucket: Option<u32>,
    /// Variants of a product on average.
    #[arg(long, default_value_t = DEFAULTS.variants_per_product, value_name = "N")]
    variants_per_product: u32,
    /// Objects that a bulk operation reads each second.
    #[arg(long, default_value_t = DEFAULTS.bulk_pace, value_name = "OBJECTS")]
    bulk_pace: u32,
    #[command(flatten)]
    switches: SimSwitches,
}

static DEFAULTS: LazyLock<::sim::Options> = LazyLock::new(::sim::Options::default);

/// What nobody could tell of the real one, and a few limits.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Switches: what could not be told of the real one")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, not states"
)]
struct SimSwitches {
    /// Whether one stale entry refuses all of a call.
    #[arg(long, action = Set, num_args = 0..=1, default_missing_value = "true", default_value_t = DEFAULTS.batch_atomic, value_name = "BOOL")]
    batch_atomic: bool,
    /// Whether a move may take more than there is.
    #[arg(long, action = Set, num_args = 0..=1, default_missing_value = "true", default_value_t = DEFAULTS.move_below_zero, value_name = "BOOL")]
    move_below_zero: bool,
    /// Whether a write where nothing was stocked makes an active level.
    #[arg(long, action = Set, num_args = 0..=1, default_missing_value = "true", default_value_t = DEFAULTS.unstocked_write_stocks, value_name = "BOOL")]
    unstocked_write_stocks: bool,
    /// Whether an adjustment or move may not name a pair of item and location twice.
    #[arg(long, action = Set, num_args = 0..=1, default_missing_value = "true", default_value_t = DEFAULTS.duplicate_pairs_refused, value_name = "BOOL")]
    duplicate_pairs_refused: bool,
    /// Whether a call that was refused spends its idempotency key.
    #[arg(long, action = Set, num_args = 0..=1, default_missing_value = "true", default_value_t = DEFAULTS.refused_key_is_spent, value_name = "BOOL")]
    refused_key_is_spent: bool,
    /// Whether a level's `updatedAt` moves when something other than `available` changes.
    #[arg(long, action = Set, num_args = 0..=1, default_missing_value = "true", default_value_t = DEFAULTS.committed_moves_updated_at, value_name = "BOOL")]
    committed_moves_updated_at: bool,
    /// Whether `inventory_levels/update` is sent then.
    #[arg(long, action = Set, num_args = 0..=1, default_missing_value = "true", default_value_t = DEFAULTS.committed_sends_webhook, value_name = "BOOL")]
    committed_sends_webhook: bool,
    /// Whether an item's `updatedAt` moves with its stock.
    #[arg(long, action = Set, num_args = 0..=1, default_missing_value = "true", default_value_t = DEFAULTS.stock_moves_item_updated_at, value_name = "BOOL")]
    stock_moves_item_updated_at: bool,
    /// Whether a product's does.
    #[arg(long, action = Set, num_args = 0..=1, default_missing_value = "true", default_value_t = DEFAULTS.stock_moves_product_updated_at, value_name = "BOOL")]
    stock_moves_product_updated_at: bool,
    /// Whether a bulk operation goes on where a field is denied that may be null.
    #[arg(long, action = Set, num_args = 0..=1, default_missing_value = "true", default_value_t = DEFAULTS.denied_is_null_in_bulk, value_name = "BOOL")]
    denied_is_null_in_bulk: bool,
    /// Whether `__parentId` names the nearest object that shows its id.
    #[arg(long, action = Set, num_args = 0..=1, default_missing_value = "true", default_value_t = DEFAULTS.bulk_parent_nearest, value_name = "BOOL")]
    bulk_parent_nearest: bool,
    /// Whether a new token ends those before it.
    #[arg(long, action = Set, num_args = 0..=1, default_missing_value = "true", default_value_t = DEFAULTS.new_token_ends_old, value_name = "BOOL")]
    new_token_ends_old: bool,
    /// Whether customers' names, a protected field, are withheld from the app.
    #[arg(long, action = Set, num_args = 0..=1, default_missing_value = "true", default_value_t = DEFAULTS.names_withheld, value_name = "BOOL")]
    names_withheld: bool,
    /// The HTTP status of a throttled call: 200 or 429.
    #[arg(long, default_value_t = DEFAULTS.throttled_status, value_name = "STATUS")]
    throttled_status: u16,
    /// Seconds for which searches do not find a change.
    #[arg(long, default_value_t = DEFAULTS.search_lag, value_name = "SECONDS")]
    search_lag: u32,
    /// Maximum number of records in a list.
    #[arg(long, default_value_t = DEFAULTS.max_listed, value_name = "N")]
    max_listed: usize,
}

/// What kind of store to pretend.
#[derive(Debug, Clone, Args)]
pub(super) struct PretendStore {
    /// Address on which the pretend store listens.
    #[arg(long, default_value = "127.0.0.1:9090", value_name = "ADDRESS")]
    pub(super) sim_listen: SocketAddr,
    /// Seed; the same seed gives the same store and the same purchases.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Number of products in the store.
    #[arg(long, default_value_t = 200, value_name = "N")]
    products: u32,
    /// Number of locations.
    #[arg(long, default_value_t = 4, value_name = "N")]
    locations: u32,
    /// Purchases each second.
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
        Err(::sim::Error::Option { option, problem }) => {
            let option = if option == "webhook_target" {
                "webhooks"
            } else {
                option
            };
            Err(Usage(format!("--{} {problem}", option.replace('_', "-"))).into())
        }
        other => Ok(other?),
    }
}

impl SimCommand {
    fn options(&self) -> ::sim::Options {
        let switches = &self.switches;
        ::sim::Options {
            shop: self.shop.clone(),
            tls: self.tls.is_some(),
            access_token: self.access_token.clone(),
            client_id: self.client_id.clone(),
            webhook_secret: self.webhook_secret.clone(),
            webhook_target: self.webhooks.clone(),
            scopes: self.scopes.clone(),
            restore_rate: self.restore_rate,
            bucket: self.bucket,
            variants_per_product: self.variants_per_product,
            bulk_pace: self.bulk_pace,
            batch_atomic: switches.batch_atomic,
            move_below_zero: switches.move_below_zero,
            unstocked_write_stocks: switches.unstocked_write_stocks,
            duplicate_pairs_refused: switches.duplicate_pairs_refused,
            refused_key_is_spent: switches.refused_key_is_spent,
            committed_moves_updated_at: switches.committed_moves_updated_at,
            committed_sends_webhook: switches.committed_sends_webhook,
            stock_moves_item_updated_at: switches.stock_moves_item_updated_at,
            stock_moves_product_updated_at: switches.stock_moves_product_updated_at,
            denied_is_null_in_bulk: switches.denied_is_null_in_bulk,
            bulk_parent_nearest: switches.bulk_parent_nearest,
            new_token_ends_old: switches.new_token_ends_old,
            names_withheld: switches.names_withheld,
            throttled_status: switches.throttled_status,
            search_lag: switches.search_lag,
            max_listed: switches.max_listed,
            ..self.store.options()
        }
    }

    pub(super) async fn run(self, json: bool) -> anyhow::Result<()> {
        let sim = open(self.options()).await?;
        if let (Some(file), Some(certificate)) = (&self.tls, sim.certificate()) {
            std::fs::write(file, certificate)
                .with_context(|| format!("cannot write the certificate to {}", file.display()))?;
        }
        let (shop, token, secret) = (&self.shop, &self.access_token, &self.webhook_secret);
        if json {
            say(json!({
                "simUrl": sim.url(),
                "shop": shop,
                "accessToken": token,
                "webhookSecret": secret,
                "certificate": self.tls,
            }))?;
        } else {
            say(format_args!(
                "{shop} is open at {0}; {0}/ lists what it takes; Ctrl-C closes it",
                sim.url()
            ))?;
        }
        ctrl_c().await?;
        sim.stop().await;
        Ok(())
    }
}
