//! The wiring: what the parts of the daemon are given, and the one place where its tasks are started.
//!
//! What comes from outside (clock, randomness, listeners, the transport to Shopify, the store) is given to it, so that
//! all of it runs in tests and simulations as well. `process` gives it the real ones.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use jiff::SignedDuration;
use schemas::{Clock, Entropy, ShopDomain};
use shopify::{Client, Credential, Endpoint, Transport};
use store::{Operation, Retention, Store};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use ws::{Hub, ListenerPolicy};

use crate::alerts::{Channel, ChannelReader};
#[cfg(feature = "amqp")]
use crate::amqp::{self, Amqp};
#[cfg(feature = "amqp")]
use crate::config::Broker;
use crate::config::{self, Config};
use crate::control::ControlSocket;
use crate::http::edge::{ConnectionPlaces, Edge, Listener};
use crate::http::source::{LogSource, Snapshots};
use crate::http::{self, AppState, BodyBudget, KnownHosts, Recent, tail};
use crate::limits;
use crate::people::accounts::Accounts;
use crate::people::auth::Tokens;
use crate::secrets::{Secrets, ShopSecrets};
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
use crate::supervisor::{Heartbeat, Supervisor, TaskName};
use crate::wakeups::{ShopWakeups, Wakeups};

/// What the daemon needs from outside: everything that a test or a simulation may replace.
pub struct Dependencies<L> {
    /// What an administrator set.
    pub config: Config,
    /// The secrets it refers to.
    pub secrets: Secrets,
    /// The clock; the only source of the present time.
    pub clock: Arc<dyn Clock>,
    /// Our randomness.
    pub entropy: Arc<Entropy>,
    /// The store; whoever made it runs its writer.
    pub store: Arc<dyn Store>,
    /// The way to Shopify.
    pub transport: Arc<dyn Transport>,
    /// Where clients come in, each with the pages it is for.
    pub listeners: Vec<L>,
    /// Where administrators of the machine come in, if there is such a place.
    pub control: Option<ControlSocket>,
}

/// A daemon at work.
pub struct Daemon {
    tasks: TaskTracker,
    stop: CancellationToken,
    hub: Arc<Hub>,
    supervisor: Arc<Supervisor>,
}

impl Daemon {
    /// Starts every part and answers once it is ready for clients.
    ///
    /// # Errors
    /// When the store refuses, or a shop's address cannot be used.
    pub async fn start<L: Listener>(dependencies: Dependencies<L>) -> anyhow::Result<Self> {
        let Dependencies {
            config,
            secrets,
            clock,
            entropy,
            store,
            transport,
            listeners,
            control,
        } = dependencies;
        register_shops(&config, store.as_ref(), clock.as_ref()).await?;
        for revocation in store.revocations().await? {
            secrets.tokens.revoke(revocation, clock.now());
        }
        let tasks = TaskTracker::new();
        let accounts = Accounts::open(
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::clone(&entropy),
            tasks.clone(),
        );
        let accounts = accounts.await?;
        let own_secret = store.secret();
        secrets.tokens.open_own(&own_secret, Arc::clone(&accounts));
        let wakeups = Arc::new(Wakeups::default());
        let commands = Arc::new(Commands {
            store: Arc::clone(&store),
            clock: Arc::clone(&clock),
            entropy: Arc::clone(&entropy),
            shops: policies(&config),
            wakeups: Arc::clone(&wakeups),
        });
        let hub = Hub::new(
            Arc::new(log_source(&config, &secrets.shops, &store)),
            Arc::clone(&secrets.tokens) as _,
            Arc::clone(&commands) as _,
            Arc::clone(&clock),
            Arc::clone(&entropy),
            config
                .realtime
                .options(config.store.log_days.saturating_add(1)),
        );
        let wiring = Wiring {
            problems: Arc::new(Problems::new(secrets.shops.domains(), Arc::clone(&clock))),
            supervisor: Arc::new(Supervisor::new(tasks.clone())),
            shops: Arc::clone(&secrets.shops),
            config,
            clock,
            entropy,
            store,
            transport,
            hub: Arc::clone(&hub),
            wakeups,
            tasks: tasks.clone(),
            stop: CancellationToken::new(),
        };
        let mut runs = Runs::default();
        let (mut clients, mut handles) = (BTreeMap::new(), BTreeMap::new());
        for shop in &wiring.config.shop {
            let client = wiring.client(shop, &secrets.credentials)?;
            clients.insert(shop.domain.clone(), Arc::clone(&client));
            let handle = wiring.start_shop(shop, client, &mut runs).await?;
            handles.insert(shop.domain.clone(), handle);
        }
        wiring.start_common_tasks(handles, &secrets.tokens);
        let channels = secrets.alerts.iter();
        let channels = channels
            .map(|channel| channel.terms.reader.clone())
            .collect();
        wiring.start_alerts(secrets.alerts).await?;
        let posts = Arc::new(PostIntake {
            store: Arc::clone(&wiring.store),
            hub: Arc::clone(&hub),
            clock: Arc::clone(&wiring.clock),
        });
        let names = Arc::new(wiring.shop_names());
        let clients = Arc::new(clients);
        let webhooks = Arc::new(WebhookIntake {
            store: Arc::clone(&wiring.store),
            clients: Arc::clone(&clients),
            shared_secrets: secrets.shops.sharing(),
            wakeups: Arc::clone(&wiring.wakeups),
            places: Semaphore::new(limits::DELIVERIES_APPLIED_MAX),
            ahead: Mutex::default(),
        });
        let state = AppState {
            store: wiring.store.for_requests(),
            figures: Recent::default(),
            readiness: Recent::default(),
            started: wiring.clock.now(),
            clock: Arc::clone(&wiring.clock),
            tokens: secrets.tokens,
            accounts,
            page_url: page_url(&wiring.config),
            shops: secrets.shops,
            clients,
            commands,
            #[cfg(feature = "amqp")]
            amqp: secrets
                .broker
                .map(|broker| wiring.start_amqp(broker, &posts, &names)),
            names,
            posts,
            runs,
            problems: Arc::clone(&wiring.problems),
            channels,
            hub: Arc::clone(&hub),
            entrance: ListenerPolicy::default(),
            trusted_networks: Arc::default(),
            hosts: Arc::default(),
            bodies: Arc::new(BodyBudget::default()),
            webhooks,
            supervisor: Arc::clone(&wiring.supervisor),
            tasks: tasks.clone(),
            stop: wiring.stop.clone(),
        };
        wiring.start_listeners(listeners, &state);
        if let Some(control) = control {
            wiring.start_control(control, state);
        }
        Ok(Self {
            tasks,
            stop: wiring.stop,
            hub,
            supervisor: wiring.supervisor,
        })
    }

    /// Waits until a task has ended or panicked that should not; says which. The daemon is of no use any more then.
    pub async fn failed(&self) -> String {
        self.supervisor.failed().await
    }

    /// The tasks that hang; `None` when all is well.
    pub fn hanging(&self) -> Option<String> {
        self.supervisor.hanging()
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

/// What the parts share while they are started.
struct Wiring {
    config: Config,
    clock: Arc<dyn Clock>,
    entropy: Arc<Entropy>,
    store: Arc<dyn Store>,
    transport: Arc<dyn Transport>,
    shops: Arc<ShopSecrets>,
    hub: Arc<Hub>,
    problems: Arc<Problems>,
    wakeups: Arc<Wakeups>,
    supervisor: Arc<Supervisor>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Wiring {
    /// Starts a task of the whole daemon.
    fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        name: TaskName,
        bound: Duration,
        task: impl FnOnce(Heartbeat, CancellationToken) -> F,
    ) {
        self.supervisor.spawn(name, bound, &self.stop, task);
    }

    /// Starts what works for one shop.
    async fn start_shop(
        &self,
        shop: &config::Shop,
        client: Arc<Client>,
        runs: &mut Runs,
    ) -> anyhow::Result<Handles> {
        let domain = &shop.domain;
        if shop.webhook_address.is_none() {
            runs.without_address(domain);
            if self.store.delivery_counts(domain).await?.is_empty() {
                tracing::warn!(shop.domain = %domain, "{WITHOUT_WEBHOOKS}");
            }
        }
        let wakeups = Arc::new(ShopWakeups::default());
        let identity = Arc::new(StoreIdentity::new(
            domain.clone(),
            Arc::clone(&client),
            Arc::clone(&self.store),
            Arc::clone(&self.problems),
        ));
        // An uninstalled app ends what works for its shop, and nothing else.
        let stop = self.stop.child_token();
        let name = |task| TaskName::of_shop(task, domain);
        let (problems, health) = (Arc::clone(&self.problems), client.health());
        self.spawn(name("API health"), limits::TASK_WORK_MAX, |_, stop| {
            problems.follow(domain.clone(), health, stop)
        });
        let refresher = RecordRefresher {
            shop: domain.clone(),
            store: Arc::clone(&self.store),
            client: Arc::clone(&client),
            clock: Arc::clone(&self.clock),
            identity: Arc::clone(&identity),
            record_dirty: self.wakeups.record_dirty.subscribe(),
        };
        let refresh = |heartbeat, stop| refresher.run(heartbeat, stop);
        self.supervisor
            .spawn(name("refresh"), limits::TASK_WORK_MAX, &stop, refresh);
        let sender = OutboxSender {
            netted_until: None,
            shop: domain.clone(),
            store: Arc::clone(&self.store),
            client: Arc::clone(&client),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            identity: Arc::clone(&identity),
            command_given: self.wakeups.command_given.subscribe(),
            wakeups: Arc::clone(&self.wakeups),
            below_zero: shop.allow_backorder,
            partly: Arc::default(),
        };
        let send = |heartbeat, stop| sender.run(heartbeat, stop);
        self.supervisor
            .spawn(name("outbox"), limits::TASK_WORK_MAX, &stop, send);
        self.start_runs(shop, &client, &identity, &wakeups, &stop, runs);
        let subscriptions = Subscriptions {
            shop: domain.clone(),
            client: Arc::clone(&client),
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            runs: runs.clone(),
            address: shop.webhook_address.clone(),
            identity,
            problems: Arc::clone(&self.problems),
            scopes_changed: wakeups.scopes_changed.subscribe(),
        };
        let subscribe = |heartbeat, stop| subscriptions.run(heartbeat, stop);
        self.supervisor.spawn(
            name("subscriptions"),
            limits::TASK_WORK_MAX,
            &stop,
            subscribe,
        );
        let farewells = Arc::new(watch::Sender::new(Farewell::default()));
        let confirmation = Confirmation {
            shop: domain.clone(),
            store: Arc::clone(&self.store),
            client: Arc::clone(&client),
            farewells: Arc::clone(&farewells),
            end: stop,
        };
        // A shop is to be forgotten two days after its work has ended, so this goes on.
        self.spawn(
            name("confirmation"),
            limits::TASK_WORK_MAX,
            |heartbeat, stop| confirmation.run(heartbeat, stop),
        );
        Ok(Handles {
            client,
            wakeups,
            farewells,
        })
    }

    fn start_runs(
        &self,
        shop: &config::Shop,
        client: &Arc<Client>,
        identity: &Arc<StoreIdentity>,
        wakeups: &ShopWakeups,
        stop: &CancellationToken,
        runs: &mut Runs,
    ) {
        let sync = &self.config.sync;
        let syncs = Arc::new(Syncs {
            shop: shop.domain.clone(),
            store: Arc::clone(&self.store),
            client: Arc::clone(client),
            clock: Arc::clone(&self.clock),
            entropy: Arc::clone(&self.entropy),
            wakeups: Arc::clone(&self.wakeups),
            bulk_ended: wakeups.bulk_ended.subscribe(),
            bulk_stuck: Duration::from_secs(sync.bulk_stuck_seconds.into()),
            missing_percent_max: sync.missing_percent_max,
            identity: Arc::clone(identity),
            hub: Arc::clone(&self.hub),
        });
        for (resource, plan) in sync.resources() {
            let schedule = Schedule {
                syncs: Arc::clone(&syncs),
                resource,
                timetable: Timetable::new(plan.clone(), sync.time_zone, self.clock.now()),
                requests: runs.add(&shop.domain, resource),
            };
            let owner = format!("{resource} of {}", shop.domain);
            let name = TaskName::of("runs", owner);
            let run = |heartbeat, stop| schedule.run(heartbeat, stop);
            self.supervisor.spawn(name, limits::RUN_STEP_MAX, stop, run);
        }
    }

    /// Starts what works for all shops.
    fn start_common_tasks(&self, shops: BTreeMap<ShopDomain, Handles>, tokens: &Arc<Tokens>) {
        let bound = limits::TASK_WORK_MAX;
        let supervisor = Arc::clone(&self.supervisor);
        self.spawn(TaskName::of_daemon("hang detection"), bound, |_, stop| {
            supervisor.watch(stop)
        });
        let (problems, store) = (Arc::clone(&self.problems), Arc::clone(&self.store));
        self.spawn(TaskName::of_daemon("problems"), bound, |heartbeat, stop| {
            problems.run(store, heartbeat, stop)
        });
        let notices = Notices {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            shops,
        };
        let intake = Intake {
            store: Arc::clone(&self.store),
            clock: Arc::clone(&self.clock),
            delivery_arrived: self.wakeups.delivery_arrived.subscribe(),
            wakeups: Arc::clone(&self.wakeups),
            notices,
            shared_secrets: self.shops.sharing(),
        };
        self.spawn(TaskName::of_daemon("intake"), bound, |heartbeat, stop| {
            intake.run(heartbeat, stop)
        });
        let tokens = Arc::clone(tokens);
        self.spawn(
            TaskName::of_daemon("token keys"),
            bound,
            |heartbeat, stop| tokens.follow_keys(heartbeat, stop),
        );
        let (store, hub) = (Arc::clone(&self.store), Arc::clone(&self.hub));
        self.spawn(TaskName::of_daemon("tail"), bound, |heartbeat, stop| {
            tail::run(store, hub, heartbeat, stop)
        });
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let keep = self.config.store.clone();
        self.spawn(
            TaskName::of_daemon("retention"),
            bound,
            |heartbeat, stop| prune(store, clock, keep, heartbeat, stop),
        );
    }

    async fn start_alerts(&self, channels: Vec<Channel>) -> anyhow::Result<()> {
        let places = self.store.positions().await?;
        for channel in channels {
            let name = TaskName::of("alerts", &channel.terms.reader);
            let reader = ChannelReader {
                store: Arc::clone(&self.store),
                clock: Arc::clone(&self.clock),
                entropy: Arc::clone(&self.entropy),
                transport: Arc::clone(&self.transport),
                zone: self.config.alerts.time_zone,
                channel,
            };
            let place = reader.place(&places).await?;
            self.spawn(name, limits::ALERT_WORK_MAX, |heartbeat, stop| {
                reader.run(place, heartbeat, stop)
            });
        }
        Ok(())
    }

    #[cfg(feature = "amqp")]
    fn start_amqp(
        &self,
        broker: Broker,
        posts: &Arc<PostIntake>,
        shops: &Arc<ShopNames>,
    ) -> Arc<amqp::Figures> {
        let figures = Arc::new(amqp::Figures::default());
        let amqp = Amqp {
            broker,
            shops: Arc::clone(shops),
            posts: Arc::clone(posts),
            figures: Arc::clone(&figures),
        };
        let name = TaskName::of_daemon("broker");
        self.spawn(name, limits::TASK_WORK_MAX, |heartbeat, stop| {
            amqp.run(heartbeat, stop)
        });
        figures
    }

    fn start_listeners<L: Listener>(&self, listeners: Vec<L>, state: &AppState) {
        let sockets = self.config.realtime.connections_per_address_max;
        let places = ConnectionPlaces::new(sockets * 2 + limits::CONNECTIONS_PER_ADDRESS_SPARE);
        for (listener, server) in listeners.into_iter().zip(&self.config.server) {
            let entrance = server.entrance();
            let edge = Edge {
                places: Arc::clone(&places),
                entrance: entrance.clone(),
            };
            let state = AppState {
                entrance,
                trusted_networks: server.trusted_networks.clone().into(),
                hosts: Arc::new(KnownHosts::of(server, &self.config.shop)),
                ..state.clone()
            };
            let routes = http::all::<L::Stream>(Arc::new(state));
            let tasks = self.tasks.clone();
            let name = TaskName::of("listener", &server.listen);
            self.spawn(name, limits::TASK_WORK_MAX, |heartbeat, stop| {
                edge.serve(listener, routes, tasks, heartbeat, stop)
            });
        }
    }

    fn start_control(&self, control: ControlSocket, state: AppState) {
        let edge = Edge {
            places: ConnectionPlaces::new(limits::CONNECTIONS_PER_ADDRESS_SPARE),
            entrance: ListenerPolicy::default(),
        };
        let routes = http::all::<<ControlSocket as Listener>::Stream>(Arc::new(state));
        let tasks = self.tasks.clone();
        let name = TaskName::of_daemon("control socket");
        self.spawn(name, limits::TASK_WORK_MAX, |heartbeat, stop| {
            edge.serve(control, routes, tasks, heartbeat, stop)
        });
    }

    fn shop_names(&self) -> ShopNames {
        let shops = self.config.shop.iter();
        let names = shops.map(|shop| (shop.domain.clone(), shop.id.clone()));
        ShopNames(names.collect())
    }

    fn client(
        &self,
        shop: &config::Shop,
        credentials: &BTreeMap<ShopDomain, Credential>,
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
            Arc::clone(&self.transport),
            Arc::clone(&self.clock),
            Arc::clone(&self.entropy),
        )?;
        Ok(Arc::new(client))
    }
}

/// Makes the shops of the configuration known to the store, with what it has to know of each.
async fn register_shops(
    config: &Config,
    store: &dyn Store,
    clock: &dyn Clock,
) -> anyhow::Result<()> {
    for shop in &config.shop {
        let register = Operation::Register {
            shop: shop.domain.clone(),
            thresholds: shop.thresholds.clone(),
            at: clock.now(),
        };
        store.write(register).await?;
        let wanted = shop.customer_names;
        let keep_names = Operation::KeepNames {
            shop: shop.domain.clone(),
            wanted,
        };
        if store.write(keep_names).await?.fresh && !wanted {
            tracing::info!(shop.domain = %shop.domain, "customers' names are no longer wanted: those that were kept are forgotten");
        }
    }
    Ok(())
}

/// Where a browser on this machine finds the page.
fn page_url(config: &Config) -> Arc<str> {
    let listen = config
        .server
        .first()
        .map(|server| server.listen.reachable());
    format!("http://{}", listen.unwrap_or_default()).into()
}

fn log_source(config: &Config, shops: &ShopSecrets, store: &Arc<dyn Store>) -> LogSource {
    let company = |shop: &config::Shop| Some((shop.domain.clone(), shop.company.clone()?));
    LogSource {
        store: Arc::clone(store),
        requested: store.for_requests(),
        snapshots: Snapshots::default(),
        shops: shops.domains(),
        companies: config.shop.iter().filter_map(company).collect(),
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

/// Deletes what is older than its retention, from time to time.
async fn prune(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    keep: config::Store,
    heartbeat: Heartbeat,
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
        let pruned = heartbeat
            .work(store.write(Operation::Prune(retention)))
            .await;
        if let Err(error) = pruned {
            tracing::error!(%error, "what is too old could not be forgotten; trying again later");
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(limits::PRUNE_PAUSE) => {}
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use ::http::{Request, Response};
    use async_trait::async_trait;
    use bytes::Bytes;
    use serde_json::Value;
    use shopify::TransportError;
    use store::sqlite::Opened;
    use tempfile::TempDir;
    use tokio::net::TcpListener;

    use super::*;
    use crate::clock::SystemClock;
    use crate::config::Environment;

    const CONFIG: &str = r#"
        [[server]]
        listen = "127.0.0.1:0"
        [auth]
        secret = "0123456789abcdef0123456789abcdef"
        [[shop]]
        domain = "a.myshopify.com"
        access_token = "shpat_x"
        webhook_secrets = ["hush"]
    "#;

    /// A Shopify that breaks whoever asks it something, or lets them wait for ever.
    pub(crate) enum BadTransport {
        Panics,
        Hangs,
    }

    #[async_trait]
    impl Transport for BadTransport {
        async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
            match self {
                Self::Panics => panic!("a fault of ours"),
                Self::Hangs => std::future::pending().await,
            }
        }
    }

    pub(crate) async fn daemon(transport: BadTransport) -> (Daemon, String, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::read(CONFIG, "the test", &Environment::default()).unwrap();
        let entropy = Arc::new(Entropy::seeded(1));
        let path = folder.path().join("stockd.db");
        let Opened { store, writer, .. } =
            store::sqlite::open(&path, &entropy, SystemClock.now()).unwrap();
        std::thread::spawn(move || writer.run());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/readyz", listener.local_addr().unwrap());
        let dependencies = Dependencies {
            secrets: Secrets::fetch(&config, &Environment::default()).unwrap(),
            config,
            clock: Arc::new(SystemClock),
            entropy,
            store,
            transport: Arc::new(transport),
            listeners: vec![listener],
            control: None,
        };
        (Daemon::start(dependencies).await.unwrap(), url, folder)
    }

    #[tokio::test]
    async fn a_task_that_panics_is_the_end_of_the_daemon_and_is_named() {
        let (daemon, ..) = daemon(BadTransport::Panics).await;
        let failure = daemon.failed().await;
        assert!(
            failure.ends_with("of a.myshopify.com panicked"),
            "{failure}"
        );
    }

    #[tokio::test]
    async fn a_task_that_hangs_makes_the_daemon_not_ready_and_is_named() {
        let (daemon, url, _folder) = daemon(BadTransport::Hangs).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let ready = client.get(&url).send().await.unwrap();
        assert_eq!(ready.status(), 200);
        tokio::time::pause();
        let hangs = |tasks: String| tasks.contains("runs of ");
        while !daemon.hanging().is_some_and(hangs) {
            tokio::time::advance(limits::TASK_WORK_MAX).await;
        }
        tokio::time::resume();
        let ready = client.get(&url).send().await.unwrap();
        assert_eq!(ready.status(), 503);
        let said: Value = ready.json().await.unwrap();
        let said = said["status"].as_str().unwrap();
        assert!(
            said.starts_with("hanging: ") && said.contains("runs of "),
            "{said}"
        );
    }
}
