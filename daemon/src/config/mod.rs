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
mod shop;
mod store;
mod sync;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use alerts::{Alerts, Email, QuietHours, Security, Slack, Smtp, Terms, Topic, Webhook};
pub use amqp::Amqp;
#[cfg(feature = "amqp")]
pub use amqp::Broker;
pub use auth::{Algorithm, Auth, KeySet};
pub use realtime::Realtime;
pub use secret::SecretRef;
pub use server::Server;
pub use shop::Shop;
pub use store::Store;
pub use sync::{Schedules, Sync};

/// Every setting there is.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen; one to eight listeners.
    pub server: Vec<Server>,
    /// The RabbitMQ broker whose messages are told, where there is one.
    pub amqp: Option<Amqp>,
    /// Whose tokens to trust.
    pub auth: Auth,
    /// Which shops to mirror; at least one.
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
        Self::Invalid { place: place.to_string(), problem: problem.to_string() }
    }
}

/// The process's environment, taken once at start.
#[derive(Debug, Clone, Default)]
pub struct Environment(Vec<(String, String)>);

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self(
            std::env::vars_os()
                .filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?)))
                .collect(),
        )
    }

    /// The variable of that name.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        Self(variables.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }
}

impl Config {
    /// Reads the file and the environment over it.
    ///
    /// # Errors
    /// With file, line and remedy.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| ConfigError::Unreadable { path: path.to_owned(), cause })?;
        Self::read(&text, &path.display().to_string(), environment)
    }

    /// Reads a file's text, known as `place` in errors, and the environment over it.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn read(text: &str, place: &str, environment: &Environment) -> Result<Self, ConfigError> {
        let mut table: toml::Table = text.parse().map_err(|error| ConfigError::invalid(place, error))?;
        let config = if overlay(&mut table, environment)? {
            // The environment has no lines to point at; the key's path must do.
            toml::Value::Table(table).try_into().map_err(|error: toml::de::Error| {
                let mut problem = error.to_string();
                if problem.contains("expected a string") {
                    problem.push_str("put a text that looks like a number into quotes of its own: '\"7\"'");
                }
                ConfigError::invalid(format_args!("{place} with the STOCKD_ variables over it"), problem)
            })?
        } else {
            toml::from_str(text).map_err(|error| ConfigError::invalid(place, error))?
        };
        Self::check(config).map_err(|problem| ConfigError::invalid(place, problem))
    }

    fn check(self) -> Result<Self, String> {
        if self.server.is_empty() || self.server.len() > 8 {
            return Err("[[server]] must stand there once to eight times".to_owned());
        }
        if self.shop.is_empty() {
            return Err("[[shop]] must stand there at least once".to_owned());
        }
        let mut domains: Vec<_> = self.shop.iter().map(|shop| &shop.domain).collect();
        domains.sort();
        if let Some([twice, _]) = domains.array_windows().find(|[one, next]| one == next) {
            return Err(format!("the shop {twice} stands there twice: remove one [[shop]]"));
        }
        for shop in &self.shop {
            shop.check()?;
        }
        self.check_parts(Parts::BUILT)?;
        self.auth.check()?;
        self.realtime.check()?;
        self.alerts.check()?;
        self.amqp.iter().try_for_each(Amqp::check)?;
        Ok(self)
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
    const BUILT: Self = Self { amqp: cfg!(feature = "amqp"), sentry: cfg!(feature = "sentry") };
}

impl Config {
    /// Refuses what a build cannot do, rather than start without it.
    fn check_parts(&self, built: Parts) -> Result<(), String> {
        let left_out = if self.amqp.is_some() && !built.amqp {
            "[amqp]"
        } else if self.alerts.sentry_dsn.is_some() && !built.sentry {
            "alerts.sentry_dsn"
        } else {
            return Ok(());
        };
        Err(format!(
            "{left_out}: this stockd was built without that part, as `make demo` builds it: use one from \
             `cargo build --release --package daemon`, or remove the setting"
        ))
    }
}

/// Sections of which there may be several.
const LISTS: [&str; 5] = ["email", "server", "shop", "slack", "webhook"];

/// Lays `STOCKD_<SECTION>__<KEY>` over the table; whether there was any.
fn overlay(table: &mut toml::Table, environment: &Environment) -> Result<bool, ConfigError> {
    let mut any = false;
    for (name, value) in &environment.0 {
        let Some(path) = name.strip_prefix("STOCKD_").filter(|path| path.contains("__")) else { continue };
        let keys: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
        let refuse = || ConfigError::invalid(name, "names no setting: write STOCKD_<SECTION>__<KEY>");
        let (key, sections) = keys.split_last().ok_or_else(refuse)?;
        let mut here = &mut *table;
        for section in sections {
            let entry = here.entry(section.as_str()).or_insert_with(|| {
                let one = toml::Value::Table(toml::Table::new());
                if LISTS.contains(&section.as_str()) { toml::Value::Array(vec![one]) } else { one }
            });
            let entry = match entry {
                toml::Value::Array(list) => list.first_mut().ok_or_else(refuse)?,
                other => other,
            };
            here = entry.as_table_mut().ok_or_else(refuse)?;
        }
        here.insert(key.clone(), literal(value));
        any = true;
    }
    Ok(any)
}

/// A variable's text as the TOML value it spells, else as text. What would be written otherwise, such as `1_000`, is text,
/// too: it may be a secret, of which nothing must be lost.
fn literal(text: &str) -> toml::Value {
    let spelled = format!("value = {text}").parse::<toml::Table>();
    let value = spelled.ok().and_then(|mut table| table.remove("value"));
    let is_meant = |value: &toml::Value| match value {
        toml::Value::Array(_) | toml::Value::String(_) | toml::Value::Table(_) => true,
        // No setting is one.
        toml::Value::Datetime(_) => false,
        number => number.to_string() == text,
    };
    value.filter(is_meant).unwrap_or_else(|| toml::Value::String(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = r#"
        [[server]]
        listen = "127.0.0.1:8080"
        [auth]
        secret = "0123456789abcdef0123456789abcdef"
        [[shop]]
        domain = "pretend.myshopify.com"
        access_token = "shpat_x"
        webhook_secrets = ["hush"]
    "#;

    fn refusal(text: &str) -> String {
        Config::read(text, "stockd.toml", &Environment::default()).unwrap_err().to_string()
    }

    #[test]
    fn a_minimal_file_is_enough() {
        let config = Config::read(MINIMAL, "stockd.toml", &Environment::default()).unwrap();
        assert_eq!(config.server[0].listen.to_string(), "127.0.0.1:8080");
    }

    #[test]
    fn a_variable_wins_over_the_file() {
        let environment =
            Environment::from([("STOCKD_SERVER__LISTEN", "127.0.0.1:9999"), ("STOCKD_HOME", "/x")]);
        let config = Config::read(MINIMAL, "stockd.toml", &environment).unwrap();
        assert_eq!(config.server[0].listen.to_string(), "127.0.0.1:9999");
    }

    #[test]
    fn customers_names_are_wanted_only_where_somebody_says_so() {
        let wanted = |environment| {
            let config = Config::read(MINIMAL, "stockd.toml", &environment)?;
            Ok::<_, ConfigError>(config.shop[0].customer_names)
        };
        let said = |value| wanted(Environment::from([("STOCKD_SHOP__CUSTOMER_NAMES", value)]));
        assert!(!wanted(Environment::default()).unwrap() && said("true").unwrap());
        let refusal = said("yes").unwrap_err().to_string();
        assert!(refusal.contains("customer_names") && refusal.contains("boolean"), "{refusal}");
    }

    #[test]
    fn mistakes_are_refused_with_place_and_remedy() {
        let unknown = refusal(&MINIMAL.replace("listen =", "lisen ="));
        assert!(
            unknown.contains("stockd.toml") && unknown.contains("line 3") && unknown.contains("lisen"),
            "{unknown}"
        );
        let domain = refusal(&MINIMAL.replace("pretend.myshopify.com", "pretend.example.com"));
        assert!(domain.contains("<name>.myshopify.com"), "{domain}");
        let twice = refusal(&format!(
            "{MINIMAL}\n[[shop]]\ndomain = \"pretend.myshopify.com\"\naccess_token = \"x\"\nwebhook_secrets = [\"x\"]"
        ));
        assert!(twice.contains("stands there twice"), "{twice}");
        let cron = refusal(&format!("{MINIMAL}\n[sync.products]\nquick = \"every day\""));
        assert!(cron.contains("quick") && cron.contains("cron"), "{cron}");
        let waiting = refusal(&format!("{MINIMAL}\nunsent_max_seconds = 5"));
        assert!(waiting.contains("unsent_max_seconds is 60 to"), "{waiting}");
        assert!(refusal("[[server]").contains("line 1"));
    }

    #[test]
    fn a_part_that_the_build_leaves_out_is_refused_by_its_setting() {
        let read =
            |lines: &str| Config::read(&format!("{MINIMAL}\n{lines}"), "x", &Environment::default()).unwrap();
        let refused = |lines: &str, built| read(lines).check_parts(built).unwrap_err();
        let broker = "[amqp]\nurl = \"amqp://broker.example\"";
        if cfg!(feature = "amqp") {
            let refusal = refused(broker, Parts { amqp: false, sentry: true });
            assert!(
                refusal.starts_with("[amqp]: ") && refusal.contains("cargo build --release"),
                "{refusal}"
            );
        }
        if cfg!(feature = "sentry") {
            let dsn = "[alerts]\nsentry_dsn = \"https://public@sentry.example/1\"";
            let refusal = refused(dsn, Parts { amqp: true, sentry: false });
            assert!(refusal.starts_with("alerts.sentry_dsn: "), "{refusal}");
        }
        assert!(read("").check_parts(Parts { amqp: false, sentry: false }).is_ok());
    }

    #[test]
    fn channels_of_alerts_that_cannot_work_are_refused_with_a_remedy() {
        let refused = |lines: &str| refusal(&format!("{MINIMAL}\n{lines}"));
        let smtp = "[alerts.smtp]\nhost = \"mail.example\"\nfrom = \"stockd <stock@shop.example>\"\n";
        let email = "[[alerts.email]]\nevents = [\"order_created\"]\nto = [\"a@shop.example\"]\n";
        let good = format!("{MINIMAL}\n{smtp}{email}quiet_hours = \"22:00-07:00\"\n");
        assert!(Config::read(&good, "stockd.toml", &Environment::default()).is_ok());
        for (lines, remedy) in [
            (email.to_owned(), "[alerts.smtp]"),
            (format!("{smtp}user = \"me\"\n"), "belong together"),
            (format!("{smtp}user = \"me\"\npassword = \"x\"\nsecurity = \"none\"\n"), "password"),
            (smtp.replace("stockd <stock@shop.example>", "stockd"), "stockd <stock@example.com>"),
            (format!("{smtp}{}", email.replace("a@shop.example", "nobody")), "stock@example.com"),
            (format!("{smtp}{}", email.replace("order_created", "orders")), "order_created"),
            (format!("{smtp}{}", email.replace("\"order_created\"", "")), "events is empty"),
            (format!("{smtp}{email}{email}"), "a name of its own"),
            (format!("{smtp}{email}name = \"a b\"\n"), "letters"),
            (format!("{smtp}{email}digest_minutes = 2000\n"), "a day"),
            (format!("{smtp}{email}quiet_hours = \"at night\"\n"), "22:00-07:00"),
            (format!("{smtp}{email}shops = []\n"), "unknown field `shops`"),
            ("[alerts]\ntime_zone = \"Berlin\"\n".to_owned(), "Europe/Berlin"),
        ] {
            let refusal = refused(&lines);
            assert!(refusal.contains(remedy), "{lines}: {refusal}");
        }
    }

    #[test]
    fn a_channel_can_come_from_the_environment_alone() {
        let environment = Environment::from([
            ("STOCKD_ALERTS__SMTP__HOST", "smtp.example.com"),
            ("STOCKD_ALERTS__SMTP__FROM", "stock@shop.example"),
            ("STOCKD_ALERTS__EMAIL__EVENTS", "[\"order_created\"]"),
            ("STOCKD_ALERTS__EMAIL__TO", "[\"admin@shop.example\"]"),
        ]);
        let config = Config::read(MINIMAL, "stockd.toml", &environment).unwrap();
        assert_eq!(config.alerts.email[0].to[0].to_string(), "admin@shop.example");
    }

    #[test]
    fn a_secret_in_a_variable_is_taken_as_it_is_and_never_repeated() {
        for secret in [
            "12345678901234567890123456789012345",
            "1234567890",
            "1_000",
            "1e5",
            "0x1f",
            "true",
            "1.50",
            "2026-01-01",
        ] {
            let environment = Environment::from([("STOCKD_AUTH__SECRET", secret)]);
            let config = Config::read(MINIMAL, "stockd.toml", &environment).unwrap();
            let taken = config.auth.secret.unwrap().resolve("auth.secret", &environment).unwrap();
            assert_eq!(taken, secret);
        }
        for secret in ["[\"hush\"]", "{ hush = 1 }"] {
            let environment = Environment::from([("STOCKD_AUTH__SECRET", secret)]);
            let refusal = Config::read(MINIMAL, "stockd.toml", &environment).unwrap_err().to_string();
            assert!(refusal.contains("auth.secret") && !refusal.contains("hush"), "{refusal}");
            assert!(refusal.contains("a secret is a text"), "{refusal}");
        }
    }

    #[test]
    fn a_bad_variable_is_named() {
        let environment = Environment::from([("STOCKD_SERVER__LISTEN", "nowhere")]);
        let error = Config::read(MINIMAL, "stockd.toml", &environment).unwrap_err().to_string();
        assert!(error.contains("STOCKD_") && error.contains("listen"), "{error}");
    }

    #[test]
    fn a_text_that_looks_like_a_number_is_put_into_quotes() {
        let named = |id| Config::read(MINIMAL, "stockd.toml", &Environment::from([("STOCKD_SHOP__ID", id)]));
        let error = named("7").unwrap_err().to_string();
        assert!(error.contains("shop.id") && error.contains("into quotes of its own: '\"7\"'"), "{error}");
        assert!(named("\"7\"").is_ok());
    }
}
