//! What an administrator sets: a TOML file, over it the environment, secrets by reference.
//!
//! `STOCKD_SERVER__LISTEN=127.0.0.1:9000` sets `listen` of `[[server]]`; of several servers, shops or channels it is
//! the first, and the only one where the file has none. Unknown keys and bad values are refused with file, line and remedy.

mod alerts;
mod amqp;
mod auth;
mod realtime;
mod secret;
mod server;
mod settings;
mod shop;
mod source;
mod store;
mod sync;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use self::source::Places;

pub use alerts::{Alerts, Email, QuietHours, Security, Slack, Smtp, Terms, Topic, Webhook};
pub use amqp::Amqp;
#[cfg(feature = "amqp")]
pub use amqp::Broker;
pub use auth::{Algorithm, Auth, KeySet};
pub use realtime::Realtime;
pub use secret::SecretRef;
pub use server::{Address, Server};
pub use shop::Shop;
pub use store::Store;
pub use sync::{Schedules, Sync};

/// Listeners, at the most.
const SERVERS_MAX: usize = 8;

/// Every setting there is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen; one to eight listeners.
    #[serde(default)]
    pub server: Vec<Server>,
    /// The RabbitMQ broker whose messages are told, where there is one.
    pub amqp: Option<Amqp>,
    /// Whose tokens to trust.
    #[serde(default)]
    pub auth: Auth,
    /// Which shops to mirror; at least one.
    #[serde(default)]
    pub shop: Vec<Shop>,
    /// How clients are kept, and how many.
    #[serde(default)]
    pub realtime: Realtime,
    /// Who is told of what beyond screens.
    #[serde(default)]
    pub alerts: Alerts,
    /// Where to remember.
    #[serde(default)]
    pub store: Store,
    /// When to look for what webhooks did not bring.
    #[serde(default)]
    pub sync: Sync,
    #[serde(skip)]
    places: Places,
}

/// A setting that cannot be as it is: its path, such as `shop[1].domain`, and why, with the remedy.
#[derive(Debug)]
struct ConfigFault {
    path: String,
    why: String,
}

impl ConfigFault {
    fn new(path: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            why: why.into(),
        }
    }
}

/// What is wrong with the configuration, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration {path}: {cause}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file, or a variable over it, says something that is no setting.
    #[error("{place}: {problem}")]
    Invalid {
        /// Which file or variable.
        place: String,
        /// What, where in it, and what to do.
        problem: String,
    },
    /// A secret cannot be had.
    #[error("{setting}: {problem}")]
    Secret {
        /// Which setting refers to it.
        setting: String,
        /// Why, and what to do.
        problem: String,
    },
}

impl ConfigError {
    fn invalid(place: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self::Invalid {
            place: place.to_string(),
            problem: problem.to_string(),
        }
    }
}

/// The process's environment, taken once at start: each variable's text, if it is one.
#[derive(Debug, Clone, Default)]
pub struct Environment(Vec<(String, Option<String>)>);

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let text = |(name, value): (OsString, OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// The variable of that name.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .and_then(|(_, value)| value.as_deref())
    }

    /// Each variable that begins as our settings do.
    fn settings(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let ours = self
            .0
            .iter()
            .filter(|(name, _)| name.starts_with("STOCKD_"));
        ours.map(|(name, value)| (name.as_str(), value.as_deref()))
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
                .collect(),
        )
    }
}

impl Config {
    /// Reads the file and the environment over it.
    ///
    /// # Errors
    /// With file, line and remedy.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|cause| ConfigError::Unreadable {
            path: path.to_owned(),
            cause,
        })?;
        Self::read(&text, &path.display().to_string(), environment)
    }

    /// Reads a file's text, known as `place` in errors, and the environment over it.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn read(text: &str, place: &str, environment: &Environment) -> Result<Self, ConfigError> {
        let config = source::read(text, place, environment)?;
        match config.check() {
            Ok(()) => Ok(config),
            Err(fault) => Err(config.places.refusal(&fault)),
        }
    }

    /// The same error with the place of the setting that it is about.
    #[must_use]
    pub fn located(&self, error: ConfigError) -> ConfigError {
        match error {
            ConfigError::Secret { setting, problem } => self.places.refusal(&ConfigFault {
                path: setting,
                why: problem,
            }),
            other => other,
        }
    }

    fn check(&self) -> Result<(), ConfigFault> {
        if self.server.is_empty() {
            return Err(ConfigFault::new(
                "server",
                "is missing: write [[server]] with listen = \"127.0.0.1:8080\"",
            ));
        }
        if self.server.len() > SERVERS_MAX {
            return Err(ConfigFault::new(
                "server",
                format!("stands there more than {SERVERS_MAX} times: remove some"),
            ));
        }
        if self.shop.is_empty() {
            return Err(ConfigFault::new(
                "shop",
                "is missing: write [[shop]] with domain, access_token and webhook_secrets",
            ));
        }
        for (n, server) in self.server.iter().enumerate() {
            server.check(&format!("server[{n}]"))?;
            if server.listen.port() != 0
                && self.server[..n]
                    .iter()
                    .any(|other| other.listen == server.listen)
            {
                return Err(ConfigFault::new(
                    format!("server[{n}].listen"),
                    "stands there twice: give each [[server]] an address or port of its own",
                ));
            }
        }
        for (n, shop) in self.shop.iter().enumerate() {
            shop.check(&format!("shop[{n}]"))?;
            if self.shop[..n]
                .iter()
                .any(|other| other.domain == shop.domain)
            {
                return Err(ConfigFault::new(
                    format!("shop[{n}].domain"),
                    "stands there twice: remove one [[shop]]",
                ));
            }
            if shop.id.is_some() && self.shop[..n].iter().any(|other| other.id == shop.id) {
                return Err(ConfigFault::new(
                    format!("shop[{n}].id"),
                    "is another shop's, too: tokens could not tell them apart; give each its own",
                ));
            }
        }
        self.check_parts(Parts::BUILT)?;
        self.auth.check()?;
        self.realtime.check()?;
        self.alerts.check()?;
        self.amqp.iter().try_for_each(Amqp::check)
    }
}

/// Parts that a build may leave out (see `[features]` of the package).
#[derive(Debug, Clone, Copy)]
struct Parts {
    amqp: bool,
    sentry: bool,
}

impl Parts {
    /// What this build has.
    const BUILT: Self = Self {
        amqp: cfg!(feature = "amqp"),
        sentry: cfg!(feature = "sentry"),
    };
}

impl Config {
    /// Refuses what a build cannot do, rather than start without it.
    fn check_parts(&self, built: Parts) -> Result<(), ConfigFault> {
        let left_out = if self.amqp.is_some() && !built.amqp {
            "amqp"
        } else if self.alerts.sentry_dsn.is_some() && !built.sentry {
            "alerts.sentry_dsn"
        } else {
            return Ok(());
        };
        Err(ConfigFault::new(
            left_out,
            "is for a part that this stockd was built without, as `make demo` builds it: use one from \
             `cargo build --release --package daemon`, or remove the setting",
        ))
    }
}

#[cfg(test)]
mod tests;
