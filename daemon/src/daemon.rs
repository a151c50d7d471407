//! The daemon: every part, wired.
//!
//! What it stands on, clock, randomness, listeners, the way to Shopify, the store, is given to it, so that the
//! whole of it can run in a simulation. `lifecycle` gives it the real ones.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::SignedDuration;
use schemas::{Clock, Entropy, ShopDomain, Timestamp};
use shopify::{Client, Endpoint, Secret, Transport};
use store::{Operation, Retention, Store, StoreError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use ws::Hub;

use crate::attempts::Attempts;
use crate::auth::Tokens;
use crate::commands::{Commands, ShopPolicy};
use crate::config::{self, Config, ConfigError, Environment};
use crate::edge::{self, Listener};
use crate::intake::Intake;
use crate::looks::Looks;
use crate::routes::{self, Context};
use crate::source::LogSource;
use crate::sync::Syncs;
use crate::{limits, scheduler, tail};

/// What the daemon stands on.
pub struct Foundation<L> {
    /// What an administrator set.
    pub config: Config,
    /// The secrets it refers to.
    pub secrets: Secrets,
    /// Our time.
    pub clock: Arc<dyn Clock>,
    /// Our randomness.
    pub entropy: Arc<Entropy>,
    /// The store; whoever made it runs its writer.
    pub store: Arc<dyn Store>,
    /// Whether somebody put a backup of it back.
    pub restored: bool,
    /// The way to Shopify.
    pub transport: Arc<dyn Transport>,
    /// Where clients come in, each with the pages it is for.
    pub listeners: Vec<L>,
}

/// A daemon at work.
pub struct Daemon {
    tasks: TaskTracker,
    stop: CancellationToken,
    hub: Arc<Hub>,
}

/// Every secret, fetched before anything is opened, so that a missing one is what is complained of.
pub struct Secrets {
    tokens: Arc<Tokens>,
    shops: Arc<ShopSecrets>,
    access_tokens: BTreeMap<ShopDomain, Secret>,
}

impl Secrets {
    /// Fetches what the configuration refers to.
    ///
    /// # Errors
    /// When one cannot be had or is too weak.
    pub fn fetch(config: &Config, environment: &Environment) -> Result<Self, ConfigError> {
        let access_token = |shop: &config::Shop| {
            let setting = format!("access_token of {}", shop.domain);
            Ok((shop.domain.clone(), shopify_secret(&shop.access_token, &setting, environment)?))
        };
        Ok(Self {
            tokens: Arc::new(Tokens::new(config, environment)?),
            shops: Arc::new(webhook_secrets(config, environment)?),
            access_tokens: config.shop.iter().map(access_token).collect::<Result<_, ConfigError>>()?,
        })
    }
}

/// The webhook secrets of every shop that is ours.
pub struct ShopSecrets(BTreeMap<ShopDomain, Vec<Secret>>);

impl ShopSecrets {
    /// What that shop's webhooks are signed with; `None` when it is not ours.
    pub fn webhook_secrets(&self, shop: &ShopDomain) -> Option<&[Secret]> {
        self.0.get(shop).map(Vec::as_slice)
    }

    /// Every shop that is ours.
    pub fn domains(&self) -> Vec<ShopDomain> {
        self.0.keys().cloned().collect()
    }
}

impl Daemon {
    /// Starts every part and answers once it is ready for clients.
    ///
    /// # Errors
    /// When a secret cannot be had, or the store refuses.
    pub async fn start<L: Listener>(foundation: Foundation<L>) -> anyhow::Result<Self> {
        let Foundation { config, secrets, clock, entropy, store, restored, transport, listeners } =
            foundation;
        let Secrets { tokens, shops, access_tokens } = secrets;
        for shop in &config.shop {
            let (domain, thresholds) = (shop.domain.clone(), shop.thresholds.clone());
            store.write(Operation::Register { shop: domain, thresholds, at: clock.now() }).await?;
            if restored {
                park(store.as_ref(), &shop.domain, clock.now()).await?;
            }
        }
        let given = Arc::new(watch::Sender::new(()));
        let commands = Arc::new(Commands {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            shops: policies(&config),
            given: Arc::clone(&given),
        });
        let source = LogSource { store: Arc::clone(&store), shops: shops.domains() };
        let origins = config.server.iter().flat_map(|server| server.origins.clone()).collect();
        let proxies = config.server.iter().flat_map(|server| server.trusted_proxies.clone()).collect();
        let options = config.realtime.options(ws::Options {
            origins,
            trusted_proxies: proxies,
            session_days: config.store.log_days.saturating_add(1),
            ..ws::Options::default()
        });
        for revocation in store.revocations().await? {
            tokens.revoke(revocation, clock.now());
        }
        let hub = Hub::new(
            Arc::new(source),
            Arc::clone(&tokens) as _,
            Arc::clone(&commands) as _,
            Arc::clone(&clock),
            Arc::clone(&entropy),
            options,
        );

        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let arrived = Arc::new(Notify::new());
        let (marked, marks) = watch::channel(());
        let marked = Arc::new(marked);
        for shop in &config.shop {
            let client = client(shop, &access_tokens, &transport, &clock, &entropy)?;
            let looks = Looks {
                shop: shop.domain.clone(),
                store: Arc::clone(&store),
                client: Arc::clone(&client),
                clock: Arc::clone(&clock),
                marks: marks.clone(),
            };
            tasks.spawn(looks.run(stop.clone()));
            let attempts = Attempts {
                shop: shop.domain.clone(),
                store: Arc::clone(&store),
                client: Arc::clone(&client),
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
                given: given.subscribe(),
                marked: Arc::clone(&marked),
                below_zero: shop.allow_backorder,
                partly: Arc::default(),
            };
            tasks.spawn(attempts.run(stop.clone()));
            let syncs = Syncs {
                shop: shop.domain.clone(),
                store: Arc::clone(&store),
                client,
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
                marked: Arc::clone(&marked),
                hub: Arc::clone(&hub),
            };
            let plan = config.sync.clone();
            tasks.spawn(scheduler::run(syncs, Arc::clone(&store), Arc::clone(&clock), plan, stop.clone()));
        }
        let intake = Intake {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            arrived: Arc::clone(&arrived),
            marked,
        };
        tasks.spawn(intake.run(stop.clone()));
        tasks.spawn(Arc::clone(&tokens).follow_keys(stop.clone()));
        tasks.spawn(tail::run(Arc::clone(&store), Arc::clone(&hub), stop.clone()));
        tasks.spawn(forget(Arc::clone(&store), Arc::clone(&clock), config.store.clone(), stop.clone()));

        let context = Context {
            store,
            clock,
            tokens,
            shops,
            commands,
            hub: Arc::clone(&hub),
            arrived,
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        for listener in listeners {
            let routes = routes::all::<L::Stream>(context.clone());
            tasks.spawn(edge::serve(listener, routes, tasks.clone(), stop.clone()));
        }
        Ok(Self { tasks, stop, hub })
    }

    /// Ends every part: no new work, sockets closed so that clients come back, open requests finished, all
    /// within [`limits::DRAIN_TIMEOUT`]. What was not applied waits on disk.
    pub async fn stop(self) {
        self.stop.cancel();
        self.hub.close();
        self.tasks.close();
        if tokio::time::timeout(limits::DRAIN_TIMEOUT, self.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.tasks.len(), "some connections did not end in time and are cut");
        }
    }
}

/// A backup was put back: what was on its way to Shopify then may have been done since.
async fn park(store: &dyn Store, shop: &ShopDomain, at: Timestamp) -> Result<(), StoreError> {
    let parked = store.write(Operation::Park { shop: shop.clone(), at }).await?.changed;
    tracing::error!(shop.domain = %shop, parked, "the database is a restored backup: what had not reached Shopify is parked as unknown; compare those levels by hand and give the commands again where needed");
    Ok(())
}

fn policies(config: &Config) -> BTreeMap<ShopDomain, ShopPolicy> {
    let policy = |shop: &config::Shop| ShopPolicy { policy: shop.policy(), strict: shop.strict };
    config.shop.iter().map(|shop| (shop.domain.clone(), policy(shop))).collect()
}

fn webhook_secrets(config: &Config, environment: &Environment) -> Result<ShopSecrets, ConfigError> {
    let of_shop = |shop: &config::Shop| {
        let setting = format!("webhook_secrets of {}", shop.domain);
        let secrets = shop.webhook_secrets.iter().map(|secret| shopify_secret(secret, &setting, environment));
        Ok((shop.domain.clone(), secrets.collect::<Result<_, ConfigError>>()?))
    };
    Ok(ShopSecrets(config.shop.iter().map(of_shop).collect::<Result<_, ConfigError>>()?))
}

fn shopify_secret(
    secret: &config::SecretRef,
    setting: &str,
    environment: &Environment,
) -> Result<Secret, ConfigError> {
    let text = secret.resolve(setting, environment)?;
    text.parse().map_err(|problem: shopify::SecretError| ConfigError::Secret {
        setting: setting.to_owned(),
        problem: problem.to_string(),
    })
}

fn client(
    shop: &config::Shop,
    access_tokens: &BTreeMap<ShopDomain, Secret>,
    transport: &Arc<dyn Transport>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<Entropy>,
) -> anyhow::Result<Arc<Client>> {
    let access_token = access_tokens.get(&shop.domain).cloned().context("every shop has a token")?;
    let endpoint = Endpoint { api_url: shop.api_url.clone(), access_token };
    let client =
        Client::new(&shop.domain, &endpoint, Arc::clone(transport), Arc::clone(clock), Arc::clone(entropy))?;
    Ok(Arc::new(client))
}

/// Forgets what is older than its keeping time, from time to time.
async fn forget(store: Arc<dyn Store>, clock: Arc<dyn Clock>, keep: config::Store, stop: CancellationToken) {
    let days = |days: u16| SignedDuration::from_hours(i64::from(days) * 24);
    loop {
        let now = clock.now();
        let before = |age: SignedDuration| now.saturating_sub(age).unwrap_or(now);
        let retention = Retention {
            deliveries_before: before(days(keep.deliveries_days)),
            log_before: before(days(keep.log_days)),
            revoked_until: now,
            // A day longer than the log, so that whoever can be sent what they missed has their rooms.
            sessions_before: before(days(keep.log_days.saturating_add(1))),
            runs_before: before(SignedDuration::from_hours(limits::RUNS_DAYS * 24)),
            unreadable_before: before(SignedDuration::from_hours(limits::UNREADABLE_HOURS)),
        };
        if let Err(error) = store.write(Operation::Prune(retention)).await {
            tracing::error!(%error, "what is too old could not be forgotten; trying again later");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(limits::PRUNE_PAUSE) => {}
        }
    }
}
