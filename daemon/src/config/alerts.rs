//! `[alerts]`: who is told of what beyond screens, by which way, and when.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::NaiveTime;
use chrono_tz::Tz;
use lettre::Address;
use lettre::message::Mailbox;
use serde::{Deserialize, Deserializer};

use super::sync::zone;
use super::{ConfigFault, SecretRef};

/// Channels of all kinds; each reads the log for itself.
const CHANNELS_MAX: usize = 32;
/// Recipients of one channel; each is sent a mail of their own.
const RECIPIENTS_MAX: usize = 50;
/// Minutes for which stock and orders are gathered for people when nothing is said: a busy shop has some every second.
const DIGEST_MINUTES: u16 = 15;

/// Who is told.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// Where the clocks are by which quiet hours are meant and times are written, for instance `Europe/Berlin`.
    #[serde(deserialize_with = "zone")]
    pub time_zone: Tz,
    /// Through which server mails go.
    pub smtp: Option<Smtp>,
    /// By mail.
    pub email: Vec<Email>,
    /// In a chat that takes Slack's incoming webhooks.
    pub slack: Vec<Slack>,
    /// Programs, by signed requests.
    pub webhook: Vec<Webhook>,
    /// Where the log's error lines are reported: the DSN of a Sentry project.
    pub sentry_dsn: Option<SecretRef>,
}

impl Default for Alerts {
    fn default() -> Self {
        let (email, slack, webhook) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            time_zone: Tz::UTC,
            smtp: None,
            email,
            slack,
            webhook,
            sentry_dsn: None,
        }
    }
}

/// The server that takes our mails.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// Its name, which its certificate must bear.
    pub host: String,
    /// Its port; the usual one of the way in which it is secured, when nothing is said.
    pub port: Option<u16>,
    /// How the connection is secured.
    #[serde(default)]
    pub security: Security,
    /// Who we are to it.
    pub user: Option<String>,
    /// With the user.
    pub password: Option<SecretRef>,
    /// From whom mails come, such as `stockd <stock@example.com>`.
    #[serde(deserialize_with = "mailbox")]
    pub from: Mailbox,
}

/// How a connection to a mail server is secured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// TLS after STARTTLS, without which nothing is sent; port 587.
    #[default]
    Starttls,
    /// TLS from the first byte; port 465.
    Tls,
    /// Not at all; port 25. For a server on the same machine.
    None,
}

/// What one can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Something an administrator has to see to, such as an uninstalled app.
    Alert,
    /// A run failed.
    SyncFailed,
    /// A full run had to put something right.
    Drift,
    /// A level fell to 0 or below.
    OutOfStock,
    /// A level fell to its threshold or below.
    LowStock,
    /// An order was placed.
    OrderCreated,
}

impl Topic {
    /// Whether somebody should look now. The others are the shop's everyday life.
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::Alert | Self::SyncFailed | Self::Drift)
    }
}

/// What holds for a channel of any kind.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The name its position is kept under.
    pub reader: String,
    /// Of what it is told.
    pub events: BTreeSet<Topic>,
    /// For how long is gathered, from the first of a message on.
    pub digest: Duration,
    /// The same once something urgent is among it.
    pub digest_urgent: Duration,
    /// When nothing is sent.
    pub quiet_hours: Option<QuietHours>,
}

macro_rules! channel {
    ($(#[$doc:meta])* $kind:ident, $word:literal, $digest_minutes:expr => { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $kind {
            /// What tells it from others of its kind; where it goes on is kept under this name.
            pub name: Option<String>,
            /// Of what it is told.
            pub events: BTreeSet<Topic>,
            /// Minutes for which is gathered, from the first of a message on; at most a day. When nothing is said, people
            /// are told of stock and orders every 15 minutes, and all else is told at once.
            pub digest_minutes: Option<u16>,
            /// When nothing is sent, such as `22:00-07:00`; what gathers meanwhile is one message.
            pub quiet_hours: Option<QuietHours>,
            $($(#[$field_doc])* pub $field: $type,)+
        }

        impl $kind {
            /// What it has in common with the others.
            pub fn terms(&self) -> Terms {
                let name = self.name.as_ref().map(|name| format!(concat!($word, ":{}"), name));
                Terms {
                    reader: name.unwrap_or_else(|| $word.to_owned()),
                    events: self.events.clone(),
                    digest: Duration::from_mins(self.digest_minutes.unwrap_or($digest_minutes).into()),
                    digest_urgent: Duration::from_mins(self.digest_minutes.unwrap_or_default().into()),
                    quiet_hours: self.quiet_hours,
                }
            }
        }
    };
}

channel! {
    /// People who are told by mail.
    Email, "email", DIGEST_MINUTES => {
        /// To whom.
        #[serde(deserialize_with = "addresses")]
        to: Vec<Address>,
    }
}
channel! {
    /// A chat.
    Slack, "slack", DIGEST_MINUTES => {
        /// The address that the chat gave out; whoever knows it can write there.
        url: SecretRef,
    }
}
channel! {
    /// A program.
    Webhook, "webhook", 0 => {
        /// Where it listens.
        url: SecretRef,
        /// What its requests are signed with: `whsec_` and 24 to 64 bytes in base64.
        secret: SecretRef,
    }
}

impl Alerts {
    /// What all channels have in common, each with the path of its section.
    fn channels(&self) -> Vec<(String, Terms)> {
        let of = |kind: &str, terms: Vec<Terms>| -> Vec<_> {
            let named = |(n, terms)| (format!("alerts.{kind}[{n}]"), terms);
            terms.into_iter().enumerate().map(named).collect()
        };
        [
            of("email", self.email.iter().map(Email::terms).collect()),
            of("slack", self.slack.iter().map(Slack::terms).collect()),
            of("webhook", self.webhook.iter().map(Webhook::terms).collect()),
        ]
        .concat()
    }

    pub(super) fn check(&self) -> Result<(), ConfigFault> {
        let channels = self.channels();
        if channels.len() > CHANNELS_MAX {
            let why = format!(
                "has at most {CHANNELS_MAX} channels, and there are {}",
                channels.len()
            );
            return Err(ConfigFault::new("alerts", why));
        }
        let mut readers = BTreeSet::new();
        for (path, terms) in &channels {
            if terms.events.is_empty() {
                let why = "is empty: say of what, or remove the channel";
                return Err(ConfigFault::new(format!("{path}.events"), why));
            }
            let name = terms.reader.split_once(':').map_or("x", |(_, name)| name);
            let plain = name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
            if !plain || !(1..=64).contains(&name.len()) {
                let why = "has 1 to 64 letters, digits, hyphens or underscores";
                return Err(ConfigFault::new(format!("{path}.name"), why));
            }
            if !readers.insert(&terms.reader) {
                let why = "stands there twice under one name: give each a name of its own";
                return Err(ConfigFault::new(path, why));
            }
        }
        if let Some(n) = self
            .email
            .iter()
            .position(|email| !(1..=RECIPIENTS_MAX).contains(&email.to.len()))
        {
            let why = format!("has 1 to {RECIPIENTS_MAX} addresses");
            return Err(ConfigFault::new(format!("alerts.email[{n}].to"), why));
        }
        match &self.smtp {
            None if !self.email.is_empty() => Err(ConfigFault::new(
                "alerts.email[0]",
                "needs [alerts.smtp] with host and from",
            )),
            Some(smtp) => smtp.check(),
            None => Ok(()),
        }
    }
}

impl Smtp {
    /// Where to connect.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.security {
            Security::Starttls => 587,
            Security::Tls => 465,
            Security::None => 25,
        })
    }

    fn check(&self) -> Result<(), ConfigFault> {
        if self.user.is_some() != self.password.is_some() {
            let why = "lacks one of user and password, which belong together";
            return Err(ConfigFault::new("alerts.smtp", why));
        }
        if self.password.is_some() && self.security == Security::None {
            let why = "\"none\" would show the password to everybody on the way: write \"starttls\" or \"tls\"";
            return Err(ConfigFault::new("alerts.smtp.security", why));
        }
        Ok(())
    }
}

/// From when to when, by the clock, also over midnight: `22:00-07:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct QuietHours {
    from: NaiveTime,
    until: NaiveTime,
}

impl QuietHours {
    /// How long they still last at that time of the day, if it is in them.
    pub fn left(self, now: NaiveTime) -> Option<Duration> {
        let since = |from: NaiveTime, to: NaiveTime| {
            // Within a day, so never negative.
            (to - from).to_std().unwrap_or_else(|_| {
                (to - from + chrono::Duration::days(1))
                    .to_std()
                    .unwrap_or_default()
            })
        };
        let left = since(now, self.until);
        let within = since(self.from, now) + left == since(self.from, self.until);
        (within && !left.is_zero()).then_some(left)
    }
}

impl TryFrom<String> for QuietHours {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let time = |text: &str| NaiveTime::parse_from_str(text.trim(), "%H:%M").ok();
        let read = text
            .split_once('-')
            .and_then(|(from, until)| time(from).zip(time(until)));
        match read {
            Some((from, until)) if from != until => Ok(Self { from, until }),
            _ => Err(format!(
                "{text:?} are no quiet hours: write from when to when, such as \"22:00-07:00\""
            )),
        }
    }
}

fn mailbox<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mailbox, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| {
        let remedy = "write one such as \"stockd <stock@example.com>\"";
        serde::de::Error::custom(format!("{text:?} is no sender: {remedy}"))
    })
}

fn addresses<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Address>, D::Error> {
    let read = |text: String| {
        text.parse().map_err(|_| {
            let remedy = "write one such as \"stock@example.com\"";
            serde::de::Error::custom(format!("{text:?} is no mail address: {remedy}"))
        })
    };
    Vec::<String>::deserialize(deserializer)?
        .into_iter()
        .map(read)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_last_until_their_end_also_over_midnight() {
        let left = |hours: &str, now: &str| {
            let hours = QuietHours::try_from(hours.to_owned()).unwrap();
            hours
                .left(now.parse().unwrap())
                .map(|left| left.as_secs() / 60)
        };
        assert_eq!(left("22:00-07:00", "21:59:59"), None);
        assert_eq!(left("22:00-07:00", "22:00:00"), Some(9 * 60));
        assert_eq!(left("22:00-07:00", "00:30:00"), Some(6 * 60 + 30));
        assert_eq!(left("22:00-07:00", "07:00:00"), None);
        assert_eq!(left("12:00-13:00", "12:15:00"), Some(45));
        assert_eq!(left("12:00-13:00", "14:00:00"), None);
    }
}
