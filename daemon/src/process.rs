//! The life of the process: the real clock, disk and network, readiness told to systemd, signals, the end.

use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use schemas::{Clock as _, Entropy};
use sd_notify::NotifyState;
use store::sqlite::Opened;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::clock::SystemClock;
use crate::config::{Address, Config, ConfigError, Environment};
use crate::control::ControlSocket;
use crate::limits;
#[cfg(feature = "sentry")]
use crate::reports;
use crate::secrets::Secrets;
use crate::wiring::{Daemon, Dependencies};

/// What the process is told from outside, caught from the moment on at which this is made.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    hangup_ends: bool,
}

impl Signals {
    /// SIGTERM and SIGINT ask for the end, and so does SIGHUP, which a terminal sends that is closed.
    ///
    /// # Errors
    /// When the system catches none.
    pub fn of_a_terminal() -> std::io::Result<Self> {
        Self::catch(true)
    }

    /// SIGTERM and SIGINT ask for the end. SIGHUP asks a daemon to read its configuration again, and changes nothing.
    ///
    /// # Errors
    /// When the system catches none.
    pub fn of_a_service() -> std::io::Result<Self> {
        Self::catch(false)
    }

    fn catch(hangup_ends: bool) -> std::io::Result<Self> {
        let [terminate, interrupt, hangup] = [
            SignalKind::terminate(),
            SignalKind::interrupt(),
            SignalKind::hangup(),
        ]
        .map(signal);
        Ok(Self {
            terminate: terminate?,
            interrupt: interrupt?,
            hangup: hangup?,
            hangup_ends,
        })
    }

    /// Waits until the end is asked for.
    pub async fn end(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    if self.hangup_ends {
                        return;
                    }
                    tracing::info!("SIGHUP changes nothing: the configuration is read at the start only; to have a change of it read, restart stockd");
                }
            }
        }
    }
}

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
        #[cfg(feature = "sentry")]
        if let Some(dsn) = &config.alerts.sentry_dsn {
            let setting = "alerts.sentry_dsn";
            dsn.resolve(setting, environment)
                .and_then(|dsn| {
                    reports::begin(&dsn).map_err(|problem| ConfigError::Secret {
                        setting: setting.to_owned(),
                        problem,
                    })
                })
                .map_err(|error| config.located(error))?;
        }
        let entropy = Arc::new(Entropy::from_system().context("the system gives no randomness")?);
        let path = config.store.url.0.clone();
        let lock = sole_user(&path)?;
        let Opened {
            store,
            writer,
            restored,
        } = store::sqlite::open(&path, &entropy, SystemClock.now())?;
        if let Some(parked) = restored {
            tracing::error!(store = %path.display(), parked, "the database is a restored backup: clients load everything again, and what had not reached Shopify is parked as unknown; compare those levels by hand and give the commands again where needed");
        }
        // Without it, everything but what administrators do here is as well as ever.
        let control = ControlSocket::open(environment, &path)
            .inspect_err(|error| {
                tracing::error!(
                    error = format!("{error:#}"),
                    "No control socket: commands on this machine need a token"
                );
            })
            .ok();
        let (ended, writer_ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                let _ = ended.send(writer.run());
            })?;
        let addresses: Vec<SocketAddr> = listeners
            .iter()
            .map(TcpListener::local_addr)
            .collect::<Result<_, _>>()?;
        let dependencies = Dependencies {
            config,
            secrets,
            clock: Arc::new(SystemClock),
            entropy,
            store,
            transport: Arc::new(shopify::HttpTransport::new()?),
            listeners,
            control,
        };
        let socket = dependencies.control.as_ref();
        let socket = socket.map(|control| control.path().display().to_string());
        let daemon = Daemon::start(dependencies).await?;
        tracing::info!(listen = ?addresses, store = %path.display(), control = socket, "ready");
        Ok(Self {
            daemon,
            writer: writer_ended,
            lock,
        })
    }

    /// Works until the end is asked for, then ends in order. Tells systemd of each step.
    ///
    /// # Errors
    /// When the store can no longer be trusted.
    pub async fn until(self, signals: &mut Signals) -> anyhow::Result<()> {
        let Self {
            daemon,
            mut writer,
            lock: _held,
        } = self;
        tell_systemd(&[NotifyState::Ready]);
        let mut watchdog =
            sd_notify::watchdog_enabled().map(|period| tokio::time::interval(period / 2));
        let asked = signals.end();
        tokio::pin!(asked);
        let ended = loop {
            tokio::select! {
                () = &mut asked => break None,
                ended = &mut writer => break Some(match ended {
                    Ok(Err(error)) => format!("the store ended: {error}"),
                    Ok(Ok(())) | Err(_) => "the store ended: its writer is gone".to_owned(),
                }),
                failure = daemon.failed() => break Some(failure),
                // While a task hangs systemd hears nothing, and starts us again.
                () = tick(&mut watchdog) => if daemon.hanging().is_none() {
                    tell_systemd(&[NotifyState::Watchdog]);
                },
            }
        };
        tell_systemd(&[NotifyState::Stopping]);
        if let Some(failure) = ended {
            // Without an orderly end: parts that are missing may be what it waits for. What was acknowledged is on disk.
            anyhow::bail!(failure);
        }
        tracing::info!("ending");
        daemon.stop().await;
        // Once the last handle of the store is gone, its writer ends by itself when everything is written.
        let _ = tokio::time::timeout(limits::WRITER_TIMEOUT, writer).await;
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
    let made = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path);
    let lock = made.with_context(|| {
        let folder = path.parent().unwrap_or(&path).display();
        format!(
            "cannot make {}: the folder {folder} must be there and belong to the user that runs stockd, or choose another in store.url",
            path.display()
        )
    })?;
    lock.try_lock().with_context(|| {
        format!(
            "cannot use {}: does another stockd run on it?",
            database.display()
        )
    })?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wiring::tests::{BadTransport, daemon};

    #[tokio::test]
    async fn a_task_that_panics_ends_the_process_with_a_sentence_that_names_it() {
        let (daemon, _, folder) = daemon(BadTransport::Panics).await;
        let (_at_work, writer) = oneshot::channel();
        let process = Process {
            daemon,
            writer,
            lock: sole_user(&folder.path().join("stockd.db")).unwrap(),
        };
        let mut signals = Signals::of_a_service().unwrap();
        let ended = process.until(&mut signals).await.unwrap_err().to_string();
        assert!(ended.starts_with("the task "), "{ended}");
        assert!(ended.ends_with(" of a.myshopify.com panicked"), "{ended}");
    }
}
