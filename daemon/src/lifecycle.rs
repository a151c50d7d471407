//! The life of the process: the real clock, disk and network, readiness told to systemd, signals, the end.

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use schemas::Entropy;
use sd_notify::NotifyState;
use store::sqlite::Opened;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use crate::clock::SystemClock;
use crate::config::{Address, Config, ConfigError, Environment};
use crate::daemon::{Daemon, Foundation, Secrets};
use crate::reports;

/// A daemon with everything under it that only a real process has.
pub struct Process {
    daemon: Daemon,
    /// Tells when the store's writer has ended; unasked, that is the end of everything.
    writer: oneshot::Receiver<Result<(), store::StoreError>>,
    /// Held for as long as the process lives; the system gives it back however that ends.
    lock: File,
}

impl Process {
    /// Opens the store and the way to Shopify, and starts the daemon on them and on these listeners.
    ///
    /// # Errors
    /// In sentences for the administrator.
    pub async fn start(
        config: Config,
        environment: &Environment,
        listeners: Vec<TcpListener>,
    ) -> anyhow::Result<Self> {
        let secrets = Secrets::fetch(&config, environment)?;
        if let Some(dsn) = &config.alerts.sentry_dsn {
            let setting = "alerts.sentry_dsn";
            dsn.resolve(setting, environment)
                .and_then(|dsn| {
                    reports::begin(&dsn)
                        .map_err(|problem| ConfigError::Secret { setting: setting.to_owned(), problem })
                })
                .map_err(|error| config.located(error))?;
        }
        let entropy = Arc::new(Entropy::from_system().context("the system gives no randomness")?);
        let path = config.store.url.0.clone();
        let lock = sole_user(&path)?;
        let Opened { store, writer, restored } = store::sqlite::open(&path, &entropy)?;
        let (ended, writer_ended) = oneshot::channel();
        std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || {
            let _ = ended.send(writer.run());
        })?;
        let addresses: Vec<SocketAddr> =
            listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        let foundation = Foundation {
            config,
            secrets,
            clock: Arc::new(SystemClock),
            entropy,
            store,
            restored,
            transport: Arc::new(shopify::HttpTransport::new()?),
            listeners,
        };
        let daemon = Daemon::start(foundation).await?;
        tracing::info!(listen = ?addresses, store = %path.display(), "ready");
        Ok(Self { daemon, writer: writer_ended, lock })
    }

    /// Works until SIGTERM or SIGINT, then ends in order. Tells systemd of each step.
    ///
    /// # Errors
    /// When the store can no longer be trusted.
    pub async fn until_signal(self) -> anyhow::Result<()> {
        let Self { daemon, mut writer, lock: _held } = self;
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tell_systemd(&[NotifyState::Ready]);
        let mut watchdog = sd_notify::watchdog_enabled().map(|period| tokio::time::interval(period / 2));
        let ended = loop {
            tokio::select! {
                _ = terminate.recv() => break None,
                _ = interrupt.recv() => break None,
                ended = &mut writer => break Some(ended),
                () = tick(&mut watchdog) => tell_systemd(&[NotifyState::Watchdog]),
            }
        };
        tell_systemd(&[NotifyState::Stopping]);
        if let Some(ended) = ended {
            anyhow::bail!(
                "the store ended: {}",
                match ended {
                    Ok(Err(error)) => error.to_string(),
                    Ok(Ok(())) | Err(_) => "its writer is gone".to_owned(),
                }
            );
        }
        tracing::info!("ending");
        daemon.stop().await;
        // The last handle of the store is gone, so its writer ends by itself once everything is written.
        let _ = tokio::time::timeout(Duration::from_secs(5), writer).await;
        tracing::info!("ended");
        Ok(())
    }
}

/// Opens a port.
///
/// # Errors
/// With the address and the likely reason.
pub async fn listen(address: &Address) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address.pair()).await;
    listener.with_context(|| format!("cannot listen on {address}: is another program there?"))
}

/// Locks the database for this process: events that another one appended would never be told here.
fn sole_user(database: &Path) -> anyhow::Result<File> {
    let path = database.with_added_extension("lock");
    let lock = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    lock.try_lock()
        .with_context(|| format!("cannot use {}: does another stockd run on it?", database.display()))?;
    Ok(lock)
}

async fn tick(watchdog: &mut Option<tokio::time::Interval>) {
    match watchdog {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}

/// Says it to systemd, when there is one.
fn tell_systemd(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd could not be told");
    }
}
