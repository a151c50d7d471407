//! A pretend Shopify store over real HTTP: the Admin GraphQL API, signed webhooks, shoppers who buy while you watch.
//!
//! It shares no code with any client, so that a mistake is not made twice. It keeps everything in memory and forgets
//! it when stopped; orders and customers accumulate for as long as shoppers buy.

// An order's webhook body is one long `json!`.
#![recursion_limit = "256"]

mod adjustment;
mod app;
mod body;
mod bucket;
mod bulk;
mod call;
mod clock;
mod control;
mod delivery;
mod fault;
mod graphql;
mod http;
mod place;
mod record;
mod refund;
mod sale;
mod scope;
mod shop;
mod shopper;
mod store;
mod table;
mod tls;
mod token;
mod topic;
mod transfer;
mod truth;
mod visitor;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, RwLock};

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::app::App;
use crate::bucket::Bucket;
use crate::bulk::{BulkShared, PACES};
use crate::call::Calls;
use crate::clock::SimClock;
use crate::delivery::DeliveryQueue;
use crate::fault::ApiFaults;
use crate::graphql::{Api, IdempotencyKeys};
use crate::scope::Scopes;
use crate::shop::{MAX_SHOPPERS, SimShop};
use crate::shopper::Shoppers;
use crate::store::{SimStore, StoreSwitches};
use crate::tls::Certificate;
pub use crate::tls::CertificateError;

/// The API version that is served, whichever is asked for: as Shopify serves one that is gone.
pub const VERSION: &str = "2026-10";

/// All access scopes that the shop can give to an app.
pub const SCOPES: [&str; 10] = scope::ALL;

/// What kind of shop to open.
#[derive(Clone, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches, not states"
)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Whether it speaks TLS, with a certificate of its own ([`Sim::certificate`]), rather than plain HTTP.
    pub tls: bool,
    /// The shop's API name.
    pub shop: String,
    /// The token every API call must carry.
    pub access_token: String,
    /// The app's client id, which gets tokens together with its secret.
    pub client_id: String,
    /// The app's secret: its half of the client credentials, and the key that webhooks are signed with.
    pub webhook_secret: String,
    /// Where every webhook goes, besides the subscriptions made through the API.
    pub webhook_target: Option<String>,
    /// The same seed gives the same shop and the same sequence of purchases.
    pub seed: u64,
    /// Number of products, 0 to 1,000,000.
    pub products: u32,
    /// How many variants a product has on average, 1 to 100; the total is exact.
    pub variants_per_product: u32,
    /// 1 to 200; every item is stocked at each.
    pub locations: u32,
    /// Purchases a second, 0 to 10,000.
    pub shoppers: f64,
    /// Objects that a bulk operation reads a second of the shop's time, 1 to 10,000,000.
    pub bulk_pace: u32,
    /// What the app is allowed; [`SCOPES`] unless said otherwise.
    pub scopes: Vec<String>,
    /// Query points restored a second; 100 on Shopify's Standard plan.
    pub restore_rate: u32,
    /// The size of the bucket in query points; without one, 20 times the restore rate, as recorded on a real shop.
    pub bucket: Option<u32>,
    /// Whether a level's `updatedAt` also moves when something other than `available` changes. Unknown of the real
    /// one.
    pub committed_moves_updated_at: bool,
    /// Whether `inventory_levels/update` is also sent then. Unknown of the real one; others report that it is not.
    pub committed_sends_webhook: bool,
    /// Whether one stale entry refuses a whole batch of quantities; else the others are applied. Unknown of the real
    /// one; others report that it does.
    pub batch_atomic: bool,
    /// Whether a move may take more from a quantity than there is. Unknown of the real one.
    pub move_below_zero: bool,
    /// Whether writing a quantity where an item was never stocked makes an active level, rather than an inactive one.
    /// Unknown of the real one; others report an inactive one.
    pub unstocked_write_stocks: bool,
    /// Whether the app has no leave to see customers' names: a protected customer field, beside any scope.
    pub names_withheld: bool,
    /// Whether `__parentId` in a bulk result names the nearest object above that shows its id, rather than the node
    /// of the connection above. Unknown of the real one.
    pub bulk_parent_nearest: bool,
    /// Whether a bulk operation goes on where a field is denied that may be null, rather than end as `ACCESS_DENIED`.
    /// Unknown of the real one.
    pub denied_is_null_in_bulk: bool,
    /// Whether an item's `updatedAt` moves when only its stock changes. Unknown of the real one.
    pub stock_moves_item_updated_at: bool,
    /// Whether a product's `updatedAt` moves when the stock of one of its variants changes; `products/update` is sent
    /// then in any case. Unknown of the real one.
    pub stock_moves_product_updated_at: bool,
    /// Whether a call that was refused spends its idempotency key. Unknown of the real one, whose documents
    /// contradict each other.
    pub refused_key_is_spent: bool,
    /// Whether the same item and location may not occur twice in an adjustment or a move either. Unknown of the real
    /// one, which is only known to refuse it when quantities are set.
    pub duplicate_pairs_refused: bool,
    /// Whether a new token by client credentials ends those before it. Unknown of the real one.
    pub new_token_ends_old: bool,
    /// The HTTP status of a throttled call, 200 or 429. Unknown of the real one; most report 200.
    pub throttled_status: u16,
    /// How many seconds searches lag behind: what was made or changed since is not found by them. Lists without a
    /// search, and single records, are always as they are.
    pub search_lag: u32,
    /// The most records a list gives out, however many pages they are read in: 25,000 at Shopify.
    pub max_listed: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: false,
            shop: "pretend.myshopify.com".to_owned(),
            access_token: "shpat_pretend".to_owned(),
            client_id: "pretend-client".to_owned(),
            webhook_secret: "pretend-secret".to_owned(),
            webhook_target: None,
            seed: 1,
            products: 200,
            variants_per_product: 3,
            locations: 4,
            shoppers: 0.0,
            bulk_pace: 20_000,
            scopes: SCOPES.map(str::to_owned).to_vec(),
            restore_rate: 100,
            bucket: None,
            committed_moves_updated_at: true,
            committed_sends_webhook: false,
            batch_atomic: true,
            move_below_zero: false,
            unstocked_write_stocks: false,
            names_withheld: false,
            bulk_parent_nearest: false,
            denied_is_null_in_bulk: false,
            stock_moves_item_updated_at: false,
            stock_moves_product_updated_at: true,
            refused_key_is_spent: true,
            duplicate_pairs_refused: false,
            new_token_ends_old: false,
            throttled_status: 200,
            search_lag: 0,
            max_listed: 25_000,
        }
    }
}

/// Why a shop could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An option is out of its bounds.
    #[error("{option} {problem}")]
    Option {
        /// The name of the option.
        option: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {listen}")]
    Listen {
        /// The address to listen on.
        listen: SocketAddr,
        /// Why the address cannot be used.
        source: std::io::Error,
    },
    /// TLS was asked for, and there is no certificate.
    #[error("cannot make a certificate")]
    Certificate(#[source] CertificateError),
    /// The client for webhooks cannot be set up.
    #[error("cannot set up webhook deliveries")]
    Deliveries(#[source] reqwest::Error),
    /// The built-in schema does not hold together.
    #[error("the built-in schema is broken: {0}")]
    Schema(String),
}

/// An open shop. Dropping it closes it too, without waiting.
#[derive(Debug)]
pub struct Sim {
    addr: SocketAddr,
    certificate: Option<String>,
    closing: DropGuard,
    tasks: TaskTracker,
}

impl Sim {
    /// Fills the shop and opens it.
    pub async fn start(options: Options) -> Result<Self, Error> {
        check(&options)?;
        let listen = options.listen;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|source| Error::Listen { listen, source })?;
        let addr = listener
            .local_addr()
            .map_err(|source| Error::Listen { listen, source })?;
        let client = delivery::client().map_err(Error::Deliveries)?;
        let certificate = options
            .tls
            .then(|| Certificate::of(names(&options, addr)))
            .transpose();
        let certificate = certificate.map_err(Error::Certificate)?;
        let (certificate, acceptor) = certificate.map(|made| (made.pem, made.acceptor)).unzip();
        let shop = Arc::new(open(options, addr)?);
        let (closing, tasks) = (CancellationToken::new(), TaskTracker::new());
        tasks.spawn(http::serve(
            listener,
            acceptor,
            shop.clone(),
            closing.clone(),
            tasks.clone(),
        ));
        tasks.spawn(delivery::run(
            shop.clone(),
            client,
            closing.clone(),
            tasks.clone(),
        ));
        tasks.spawn(bulk::work(shop.clone(), closing.clone()));
        tasks.spawn(shop::shop_on(shop, closing.clone()));
        Ok(Self {
            addr,
            certificate,
            closing: closing.drop_guard(),
            tasks,
        })
    }

    /// The address that the store listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its address as a URL, `http://127.0.0.1:9090`.
    pub fn url(&self) -> String {
        format!("{}://{}", scheme(self.certificate.is_some()), self.addr)
    }

    /// The certificate to trust, in PEM, where it speaks TLS. It is made anew at every start.
    pub fn certificate(&self) -> Option<&str> {
        self.certificate.as_deref()
    }

    /// Closes every connection and waits until all has stopped.
    pub async fn stop(self) {
        drop(self.closing);
        self.tasks.close();
        self.tasks.wait().await;
    }
}

fn check(options: &Options) -> Result<(), Error> {
    let wrong = |option, problem: String| Err(Error::Option { option, problem });
    for (option, value, least, most) in [
        ("products", options.products, 0, 1_000_000),
        ("variants_per_product", options.variants_per_product, 1, 100),
        ("locations", options.locations, 1, 200),
        ("bulk_pace", options.bulk_pace, *PACES.start(), *PACES.end()),
        ("restore_rate", options.restore_rate, 1, 1_000_000),
        ("bucket", options.bucket.unwrap_or(1), 1, 1_000_000_000),
    ] {
        if !(least..=most).contains(&value) {
            return wrong(option, format!("must be between {least} and {most}"));
        }
    }
    let is_scope = |scope: &String| {
        let of = scope
            .strip_prefix("read_")
            .or_else(|| scope.strip_prefix("write_"));
        of.is_some_and(|of| {
            !of.is_empty()
                && of
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        })
    };
    if let Some(scope) = options.scopes.iter().find(|scope| !is_scope(scope)) {
        return wrong(
            "scopes",
            format!(
                "{scope:?} is none: they are written as in {}",
                SCOPES.join(",")
            ),
        );
    }
    let is_shop = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if !options
        .shop
        .strip_suffix(".myshopify.com")
        .is_some_and(is_shop)
    {
        return wrong(
            "shop",
            format!(
                "{:?} is no name such as pretend.myshopify.com",
                options.shop
            ),
        );
    }
    if ![200, 429].contains(&options.throttled_status) {
        return wrong("throttled_status", "must be 200 or 429".to_owned());
    }
    if !(0.0..=MAX_SHOPPERS).contains(&options.shoppers) {
        return wrong(
            "shoppers",
            format!("must be between 0 and {MAX_SHOPPERS} a second"),
        );
    }
    match options.webhook_target.as_deref().map(reqwest::Url::parse) {
        Some(Err(error)) => wrong("webhook_target", format!("is no URL: {error}")),
        _ => Ok(()),
    }
}

fn switches(options: &Options) -> StoreSwitches {
    StoreSwitches {
        committed_moves_updated_at: options.committed_moves_updated_at,
        committed_sends_webhook: options.committed_sends_webhook,
        batch_atomic: options.batch_atomic,
        move_below_zero: options.move_below_zero,
        unstocked_write_stocks: options.unstocked_write_stocks,
        bulk_parent_nearest: options.bulk_parent_nearest,
        denied_is_null_in_bulk: options.denied_is_null_in_bulk,
        stock_moves_item_updated_at: options.stock_moves_item_updated_at,
        stock_moves_product_updated_at: options.stock_moves_product_updated_at,
        duplicate_pairs_refused: options.duplicate_pairs_refused,
        search_lag: options.search_lag,
        max_listed: options.max_listed,
    }
}

fn scheme(tls: bool) -> &'static str {
    if tls { "https" } else { "http" }
}

/// Where others on this machine reach it.
fn origin(tls: bool, addr: SocketAddr) -> String {
    let reached = if addr.ip().is_unspecified() {
        Ipv4Addr::LOCALHOST.into()
    } else {
        addr.ip()
    };
    format!(
        "{}://{}",
        scheme(tls),
        SocketAddr::new(reached, addr.port())
    )
}

/// What clients may call it.
fn names(options: &Options, addr: SocketAddr) -> Vec<String> {
    let mut names = [&options.shop, "localhost", "127.0.0.1", "::1"]
        .map(str::to_owned)
        .to_vec();
    let own = addr.ip().to_string();
    if !addr.ip().is_unspecified() && !names.contains(&own) {
        names.push(own);
    }
    names
}

/// The shop's id: the same for stores that are made alike, another one for any other.
fn shop_id(options: &Options) -> u64 {
    let Options {
        shop,
        seed,
        products,
        variants_per_product,
        locations,
        ..
    } = options;
    let made_of = format!("{shop} {seed} {products} {variants_per_product} {locations}");
    // FNV-1a, cut to the length that ids of shops have.
    let hash = made_of
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    10_000_000_000 + hash % 80_000_000_000
}

fn open(options: Options, addr: SocketAddr) -> Result<SimShop, Error> {
    let clock = SimClock::new();
    let now = clock.now();
    let first_id = 7_000_000_000_000 + options.seed % 1_000 * 1_000_003;
    let mut store = SimStore::new(options.shop.clone(), switches(&options), first_id);
    store.scopes = Scopes::new(options.scopes.clone());
    store.scopes.names_withheld = options.names_withheld;
    let mut shoppers = Shoppers::new(options.seed);
    let (products, variants) = (options.products, options.variants_per_product);
    shoppers.stock(&mut store, products, variants, options.locations, now);
    store.shop.id = shop_id(&options);
    let bucket = options
        .bucket
        .unwrap_or(options.restore_rate.saturating_mul(20));
    Ok(SimShop {
        app: Mutex::new(App::new(&options)),
        throttled_status: options.throttled_status,
        domain: options.shop,
        clock,
        bulk: BulkShared::new(
            origin(options.tls, addr),
            options.webhook_secret.clone(),
            options.seed,
            options.bulk_pace,
        ),
        deliveries: DeliveryQueue::new(
            options.webhook_secret,
            options.webhook_target,
            options.seed,
        ),
        api: Api::new().map_err(Error::Schema)?,
        requests: AtomicU64::new(0),
        pace: watch::Sender::new(options.shoppers),
        store: RwLock::new(store),
        bucket: Mutex::new(Bucket::new(options.restore_rate, bucket, now)),
        calls: Mutex::new(Calls::default()),
        api_faults: Mutex::new(ApiFaults::new(options.seed)),
        keys: Mutex::new(IdempotencyKeys::new(options.refused_key_is_spent)),
        shoppers: Mutex::new(shoppers),
    })
}
