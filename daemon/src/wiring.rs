//! The daemon: every part, wired.
//!
//! What it stands on, clock, randomness, listeners, the way to Shopify, the store, is given to it, so that the
//! whole of it can run in a simulation. `process` gives it the real ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use jiff::SignedDuration;
use schemas::{Clock, Entropy, ShopDomain};
use shopify::{Client, Credential, Endpoint, Secret, Transport};
use store::{Operation, Retention, Store};
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use ws::{Hub, ListenerPolicy};

use crate::alerts::{self, Channel, Reader};
#[cfg(feature = "amqp")]
use crate::amqp::{self, Amqp};
#[cfg(feature = "amqp")]
use crate::config::Broker;
use crate::config::{self, Config, ConfigError, Environment};
use crate::http::edge::{ConnectionPlaces, Edge, Listener};
use crate::http::source::{LogSource, Snapshots};
use crate::http::{self, AppState, BodyBudget, KnownHosts, Recent, tail};
use crate::limits;
use crate::people::auth::Tokens;
use crate::shop::commands::{Commands, ShopPolicy};
use crate::shop::identity::StoreIdentity;
use crate::shop::intake::{Intake, WebhookIntake};
use crate::shop::names::ShopNames;
use crate::shop::notices::{Confirmation, Farewell, Handles, Notices};
use crate::shop::outbox::OutboxSender;
use crate::shop::posts::PostIntake;
use crate::shop::refresh::RecordRefresher;
use crate::shop::scheduler::{Runs, Schedule, WITHOUT_WEBHOOKS};
use crate::shop::subscriptions::Subscriptions;
use crate::shop::sync::Syncs;
use crate::shop::timetable::Timetable;
use crate::supervisor::problems::Problems;

/// What the daemon needs from outside: everything that a test or a simulation may replace.
pub struct Dependencies<L> {
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
    credentials: BTreeMap<ShopDomain, Credential>,
    alerts: Vec<Channel>,
    #[cfg(feature = "amqp")]
    broker: Option<Broker>,
}

impl Secrets {
    /// Fetches what the configuration refers to.
    ///
    /// # Errors
    /// When one cannot be had or is too weak.
    pub fn fetch(config: &Config, environment: &Environment) -> Result<Self, ConfigError> {
        Self::gather(config, environment).map_err(|error| config.located(error))
    }

    fn gather(config: &Config, environment: &Environment) -> Result<Self, ConfigError> {
        let credential = |(n, shop): (usize, &config::Shop)| {
            let secret = |reference: &config::SecretRef, name: &str| {
                shopify_secret(reference, &format!("shop[{n}].{name}"), environment)
            };
            let credential = match (&shop.access_token, &shop.client_id, &shop.client_secret) {
                (None, Some(id), Some(client)) => Credential::ClientCredentials {
                    id: id.clone(),
                    secret: secret(client, "client_secret")?,
                },
                (Some(token), ..) => Credential::Token(secret(token, "access_token")?),
                // Refused where the configuration is read.
                _ => {
                    return Err(ConfigError::Secret {
                        setting: format!("shop[{n}].access_token"),
                        problem: "is missing".to_owned(),
                    });
                }
            };
            Ok((shop.domain.clone(), credential))
        };
        Ok(Self {
            tokens: Arc::new(Tokens::new(config, environment)?),
            shops: Arc::new(webhook_secrets(config, environment)?),
            credentials: config
                .shop
                .iter()
                .enumerate()
                .map(credential)
                .collect::<Result<_, ConfigError>>()?,
            alerts: alerts::channels(&config.alerts, environment)?,
            #[cfg(feature = "amqp")]
            broker: config
                .amqp
                .as_ref()
                .map(|amqp| amqp.fetch(environment))
                .transpose()?,
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

    /// Shops whose webhooks may be signed with what another shop's are signed with: two of one app share its secret.
    pub(crate) fn sharing(&self) -> BTreeSet<ShopDomain> {
        let same =
            |one: &[Secret], other: &[Secret]| one.iter().any(|secret| other.contains(secret));
        let shares = |shop: &ShopDomain, secrets: &[Secret]| {
            self.0
                .iter()
                .any(|(other, theirs)| other != shop && same(secrets, theirs))
        };
        self.0
            .iter()
            .filter(|(shop, secrets)| shares(shop, secrets))
            .map(|(shop, _)| shop.clone())
            .collect()
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
    pub async fn start<L: Listener>(dependencies: Dependencies<L>) -> anyhow::Result<Self> {
        let Dependencies {
            config,
            secrets,
            clock,
            entropy,
            store,
            transport,
            listeners,
        } = dependencies;
        #[cfg(feature = "amqp")]
        let broker = secrets.broker;
        let Secrets {
            tokens,
            shops,
            credentials,
            alerts,
            ..
        } = secrets;
        for shop in &config.shop {
            let (domain, thresholds) = (shop.domain.clone(), shop.thresholds.clone());
            store
                .write(Operation::Register {
                    shop: domain,
                    thresholds,
                    at: clock.now(),
                })
                .await?;
            let (domain, wanted) = (shop.domain.clone(), shop.customer_names);
            if store
                .write(Operation::KeepNames {
                    shop: domain,
                    wanted,
                })
                .await?
                .fresh
                && !wanted
            {
                tracing::info!(shop.domain = %shop.domain, "customers' names are no longer wanted: those that were kept are forgotten");
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
        let company = |shop: &config::Shop| Some((shop.domain.clone(), shop.company.clone()?));
        let source = LogSource {
            store: Arc::clone(&store),
            requested: store.for_requests(),
            snapshots: Snapshots::default(),
            shops: shops.domains(),
            companies: config.shop.iter().filter_map(company).collect(),
        };
        let options = config
            .realtime
            .options(config.store.log_days.saturating_add(1));
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
        let problems = Arc::new(Problems::new(shops.domains(), Arc::clone(&clock)));
        tasks.spawn(Arc::clone(&problems).run(Arc::clone(&store), stop.clone()));
        let mut runs = Runs::default();
        let (mut handles, mut clients) = (BTreeMap::new(), BTreeMap::new());
        for shop in &config.shop {
            let client = client(shop, &credentials, &transport, &clock, &entropy)?;
            let (bulk_ended, scopes_changed) = (
                Arc::new(watch::Sender::new(())),
                Arc::new(watch::Sender::new(())),
            );
            if shop.webhook_address.is_none() {
                runs.without_address(&shop.domain);
                if store.delivery_counts(&shop.domain).await?.is_empty() {
                    tracing::warn!(shop.domain = %shop.domain, "{WITHOUT_WEBHOOKS}");
                }
            }
            tasks.spawn(Arc::clone(&problems).follow(
                shop.domain.clone(),
                client.health(),
                stop.clone(),
            ));
            let identity = Arc::new(StoreIdentity::new(
                shop.domain.clone(),
                Arc::clone(&client),
                Arc::clone(&store),
                Arc::clone(&problems),
            ));
            // An uninstalled app ends what works for its shop, and nothing else.
            let shop_stop = stop.child_token();
            let refresher = RecordRefresher {
                shop: shop.domain.clone(),
                store: Arc::clone(&store),
                client: Arc::clone(&client),
                clock: Arc::clone(&clock),
                identity: Arc::clone(&identity),
                marks: marks.clone(),
            };
            tasks.spawn(refresher.run(shop_stop.clone()));
            let sender = OutboxSender {
                shop: shop.domain.clone(),
                store: Arc::clone(&store),
                client: Arc::clone(&client),
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
                identity: Arc::clone(&identity),
                given: given.subscribe(),
                marked: Arc::clone(&marked),
                below_zero: shop.allow_backorder,
                partly: Arc::default(),
            };
            tasks.spawn(sender.run(shop_stop.clone()));
            let syncs = Arc::new(Syncs {
                shop: shop.domain.clone(),
                store: Arc::clone(&store),
                client: Arc::clone(&client),
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
                marked: Arc::clone(&marked),
                bulk_ended: bulk_ended.subscribe(),
                bulk_stuck: Duration::from_secs(config.sync.bulk_stuck_seconds.into()),
                missing_percent_max: config.sync.missing_percent_max,
                identity: Arc::clone(&identity),
                hub: Arc::clone(&hub),
            });
            for (resource, plan) in config.sync.resources() {
                let requests = runs.add(&shop.domain, resource);
                let timetable = Timetable::new(plan.clone(), config.sync.time_zone, clock.now());
                let schedule = Schedule {
                    syncs: Arc::clone(&syncs),
                    resource,
                    timetable,
                    requests,
                };
                tasks.spawn(schedule.run(shop_stop.clone()));
            }
            let subscriptions = Subscriptions {
                shop: shop.domain.clone(),
                client: Arc::clone(&client),
                store: Arc::clone(&store),
                clock: Arc::clone(&clock),
                runs: runs.clone(),
                address: shop.webhook_address.clone(),
                identity,
                problems: Arc::clone(&problems),
                scopes_changed: scopes_changed.subscribe(),
            };
            tasks.spawn(subscriptions.run(shop_stop.clone()));
            let farewells = Arc::new(watch::Sender::new(Farewell::default()));
            let confirmation = Confirmation {
                shop: shop.domain.clone(),
                store: Arc::clone(&store),
                client: Arc::clone(&client),
                farewells: Arc::clone(&farewells),
                end: shop_stop,
            };
            // A shop is to be forgotten two days after its work has ended.
            tasks.spawn(confirmation.run(stop.clone()));
            clients.insert(shop.domain.clone(), Arc::clone(&client));
            let handle = Handles {
                client,
                bulk_ended,
                scopes_changed,
                farewells,
            };
            handles.insert(shop.domain.clone(), handle);
        }
        let notices = Notices {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            shops: handles,
        };
        let intake = Intake {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            arrived: Arc::clone(&arrived),
            marked: Arc::clone(&marked),
            notices,
            shared_secrets: shops.sharing(),
        };
        tasks.spawn(intake.run(stop.clone()));
        tasks.spawn(Arc::clone(&tokens).follow_keys(stop.clone()));
        tasks.spawn(tail::run(
            Arc::clone(&store),
            Arc::clone(&hub),
            stop.clone(),
        ));
        tasks.spawn(forget(
            Arc::clone(&store),
            Arc::clone(&clock),
            config.store.clone(),
            stop.clone(),
        ));

        let channels = alerts
            .iter()
            .map(|channel| channel.terms.reader.clone())
            .collect();
        let places = store.positions().await?;
        for channel in alerts {
            let reader = Reader {
                store: Arc::clone(&store),
                clock: Arc::clone(&clock),
                entropy: Arc::clone(&entropy),
                transport: Arc::clone(&transport),
                zone: config.alerts.time_zone,
                channel,
            };
            let place = reader.place(&places).await?;
            tasks.spawn(reader.run(place, stop.clone()));
        }
        let posts = Arc::new(PostIntake {
            store: Arc::clone(&store),
            hub: Arc::clone(&hub),
            clock: Arc::clone(&clock),
        });
        let names = config
            .shop
            .iter()
            .map(|shop| (shop.domain.clone(), shop.id.clone()))
            .collect();
        let names = Arc::new(ShopNames(names));
        #[cfg(feature = "amqp")]
        let amqp = broker.map(|broker| {
            let figures = Arc::new(amqp::Figures::default());
            let (posts, shops) = (Arc::clone(&posts), Arc::clone(&names));
            tasks.spawn(
                Amqp {
                    broker,
                    shops,
                    posts,
                    figures: Arc::clone(&figures),
                }
                .run(stop.clone()),
            );
            figures
        });

        let clients = Arc::new(clients);
        let webhooks = Arc::new(WebhookIntake {
            store: Arc::clone(&store),
            clients: Arc::clone(&clients),
            shared_secrets: shops.sharing(),
            arrived,
            marked,
            places: Semaphore::new(limits::DELIVERIES_APPLIED_MAX),
            ahead: Mutex::default(),
        });
        let needs = AppState {
            store: store.for_requests(),
            figures: Recent::default(),
            readiness: Recent::default(),
            started: clock.now(),
            clock,
            tokens,
            shops,
            clients,
            commands,
            names,
            posts,
            #[cfg(feature = "amqp")]
            amqp,
            runs,
            problems,
            channels,
            hub: Arc::clone(&hub),
            entrance: ListenerPolicy::default(),
            trusted_networks: Arc::default(),
            hosts: Arc::default(),
            bodies: Arc::new(BodyBudget::default()),
            webhooks,
            tasks: tasks.clone(),
            stop: stop.clone(),
        };
        let sockets = config.realtime.connections_per_address_max;
        let places = ConnectionPlaces::new(sockets * 2 + limits::CONNECTIONS_PER_ADDRESS_SPARE);
        for (listener, server) in listeners.into_iter().zip(&config.server) {
            let trusted_networks = server.trusted_networks.clone().into();
            let hosts = Arc::new(KnownHosts::of(server, &config.shop));
            let entrance = server.entrance();
            let edge = Edge {
                places: Arc::clone(&places),
                entrance: entrance.clone(),
            };
            let needs = AppState {
                entrance,
                trusted_networks,
                hosts,
                ..needs.clone()
            };
            let routes = http::all::<L::Stream>(Arc::new(needs));
            tasks.spawn(edge.serve(listener, routes, tasks.clone(), stop.clone()));
        }
        Ok(Self { tasks, stop, hub })
    }

    /// Ends every part: no new work, sockets closed so that clients come back, open requests finished, all
    /// within [`limits::DRAIN_TIMEOUT`]. What was not applied waits on disk.
    pub async fn stop(self) {
        self.stop.cancel();
        self.hub.close();
        self.tasks.close();
        if tokio::time::timeout(limits::DRAIN_TIMEOUT, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                tasks = self.tasks.len(),
                "some connections did not end in time and are cut"
            );
        }
    }
}

fn policies(config: &Config) -> BTreeMap<ShopDomain, ShopPolicy> {
    let policy = |shop: &config::Shop| ShopPolicy {
        policy: shop.policy(),
        strict: shop.strict,
    };
    config
        .shop
        .iter()
        .map(|shop| (shop.domain.clone(), policy(shop)))
        .collect()
}

fn webhook_secrets(config: &Config, environment: &Environment) -> Result<ShopSecrets, ConfigError> {
    let of_shop = |(n, shop): (usize, &config::Shop)| {
        let setting = format!("shop[{n}].webhook_secrets");
        let secrets = shop.webhook_secrets();
        let secrets = secrets
            .into_iter()
            .map(|secret| shopify_secret(secret, &setting, environment));
        Ok((
            shop.domain.clone(),
            secrets.collect::<Result<_, ConfigError>>()?,
        ))
    };
    Ok(ShopSecrets(
        config
            .shop
            .iter()
            .enumerate()
            .map(of_shop)
            .collect::<Result<_, ConfigError>>()?,
    ))
}

fn shopify_secret(
    secret: &config::SecretRef,
    setting: &str,
    environment: &Environment,
) -> Result<Secret, ConfigError> {
    let text = secret.resolve(setting, environment)?;
    text.parse()
        .map_err(|problem: shopify::SecretError| ConfigError::Secret {
            setting: setting.to_owned(),
            problem: format!("cannot be used: {problem}"),
        })
}

fn client(
    shop: &config::Shop,
    credentials: &BTreeMap<ShopDomain, Credential>,
    transport: &Arc<dyn Transport>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<Entropy>,
) -> anyhow::Result<Arc<Client>> {
    let credential = credentials
        .get(&shop.domain)
        .cloned()
        .context("every shop has a credential")?;
    let endpoint = Endpoint {
        api_url: shop.api_url.clone(),
        credential,
        names: shop.customer_names,
    };
    let client = Client::new(
        &shop.domain,
        &endpoint,
        Arc::clone(transport),
        Arc::clone(clock),
        Arc::clone(entropy),
    )?;
    Ok(Arc::new(client))
}

/// Forgets what is older than its keeping time, from time to time.
async fn forget(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    keep: config::Store,
    stop: CancellationToken,
) {
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
