//! Alerts beyond sockets: each channel reads the log from its own place and sends what its people asked for.
//!
//! ```text
//!  log ─▶ gather ─▶ due? (digest, quiet hours) ─▶ where it ends is kept ─▶ sent, again and again ─▶ its place is kept
//! ```
//!
//! A channel's place moves only once the other side has taken the message or refused it for good. Where a message ends
//! is kept before it is sent, so that a crash, or an answer that was lost, has the very same sent again under the very
//! same id. That is the one case in which something arrives twice, and the id tells.

mod email;
mod message;
mod outlet;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use chrono_tz::Tz;
use schemas::{Clock, Entropy, Offset, Sequence, Timestamp};
use shopify::Transport;
use store::{Operation, Position, Store, StoreError};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::email::MailRoute;
use self::message::AlertMessage;
use self::outlet::{Outlet, SendRefusal, Sending};
use crate::config::{self, ConfigError, Environment, SecretRef, Terms};
use crate::limits;
use crate::supervisor::Heartbeat;
use crate::supervisor::stall::Stall;

/// A way out, and what holds for it.
pub(crate) struct Channel {
    pub(crate) terms: Terms,
    outlet: Outlet,
}

/// Every channel there is, with its secrets.
///
/// # Errors
/// When a secret cannot be had or is none.
pub(crate) fn channels(
    config: &config::Alerts,
    environment: &Environment,
) -> Result<Vec<Channel>, ConfigError> {
    let refuse = |setting: &str, problem: String| ConfigError::Secret {
        setting: setting.to_owned(),
        problem,
    };
    let mut channels = Vec::new();
    for (email, server) in config.email.iter().zip(config.smtp.iter().cycle()) {
        let password = server.password.as_ref();
        let password = password.map(|secret| secret.resolve("alerts.smtp.password", environment));
        let post = MailRoute::new(server.clone(), password.transpose()?, email.to.clone());
        let post = post.map_err(|problem| {
            refuse(
                "alerts.smtp",
                format!("cannot be set up with TLS: {problem}"),
            )
        })?;
        channels.push(Channel {
            terms: email.terms(),
            outlet: Outlet::Email(post),
        });
    }
    let address = |secret: &SecretRef, setting: &str| {
        outlet::address(&secret.resolve(setting, environment)?)
            .map_err(|problem| refuse(setting, problem))
    };
    for (n, slack) in config.slack.iter().enumerate() {
        let outlet = Outlet::Slack(address(&slack.url, &format!("alerts.slack[{n}].url"))?);
        channels.push(Channel {
            terms: slack.terms(),
            outlet,
        });
    }
    for (n, webhook) in config.webhook.iter().enumerate() {
        let setting = format!("alerts.webhook[{n}].secret");
        let key = outlet::key(&webhook.secret.resolve(&setting, environment)?);
        let key = key.map_err(|problem| refuse(&setting, problem))?;
        let url = format!("alerts.webhook[{n}].url");
        let outlet = Outlet::Webhook {
            address: address(&webhook.url, &url)?,
            key,
        };
        channels.push(Channel {
            terms: webhook.terms(),
            outlet,
        });
    }
    Ok(channels)
}

/// One channel at work.
pub(crate) struct ChannelReader {
    /// Where the log and its own place are.
    pub(crate) store: Arc<dyn Store>,
    /// The clock; the only source of the present time.
    pub(crate) clock: Arc<dyn Clock>,
    /// For jitter.
    pub(crate) entropy: Arc<Entropy>,
    /// Carries what is not mail.
    pub(crate) transport: Arc<dyn Transport>,
    /// Where the clocks are.
    pub(crate) zone: Tz,
    /// Who is told what.
    pub(crate) channel: Channel,
}

/// Where a reader is.
struct ReaderPlace {
    /// As it is kept.
    kept: Position,
    /// What has gathered behind it.
    message: AlertMessage,
    /// Times that the message under way was sent in vain, since the start.
    tries: u32,
}

impl ChannelReader {
    /// Where this reader goes on: a new one at the log's end, because nobody wants to be told what is long past.
    ///
    /// # Errors
    /// When that cannot be kept.
    pub(crate) async fn place(
        &self,
        known: &BTreeMap<String, Position>,
    ) -> Result<Position, StoreError> {
        if let Some(position) = known.get(&self.channel.terms.reader) {
            return Ok(position.clone());
        }
        let (after, at) = (self.store.head().sequence, self.clock.now());
        let position = Position {
            after,
            at,
            ..Position::default()
        };
        let reader = self.channel.terms.reader.clone();
        self.store
            .write(Operation::KeepPosition {
                reader,
                position: position.clone(),
            })
            .await?;
        Ok(position)
    }

    /// Sends until told to stop. What is being sent then is finished first.
    pub(crate) async fn run(self, kept: Position, heartbeat: Heartbeat, stop: CancellationToken) {
        let mut committed = self.store.committed();
        let message = AlertMessage::behind(kept.after);
        let mut place = ReaderPlace {
            kept,
            message,
            tries: 0,
        };
        let mut stall = Stall::of(format!("alerts by {}", self.name()));
        loop {
            let step = heartbeat.work(Box::pin(self.step(&mut place))).await;
            stall.note(&step);
            let pause = step.unwrap_or(Some(limits::STORE_PAUSE));
            let seen = place.message.until;
            let more = async {
                if committed.wait_for(|head| *head > seen).await.is_err() {
                    // That is the end of everything, and `stop` tells.
                    stop.cancelled().await;
                }
                // What happens together is told together.
                sleep(limits::ALERTS_GATHER).await;
            };
            let wait = async {
                match pause {
                    // What is being sent stays as it is.
                    Some(pause) if place.kept.until.is_some() => sleep(pause).await,
                    // Something may come that cannot wait; until then time passes.
                    Some(pause) => timeout(pause, more).await.unwrap_or_default(),
                    None => more.await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => break,
                () = wait => {}
            }
        }
        // That some are missing is not yet told: the next start is to find it again.
        if place.message.missing_since.is_none() {
            self.keep(&mut place.kept).await;
        }
    }

    /// Sends what is due. How long to wait; `None` until something happens.
    async fn step(&self, place: &mut ReaderPlace) -> Result<Option<Duration>, StoreError> {
        let until = if let Some(until) = place.kept.until {
            self.gather(place, until).await?;
            until
        } else {
            let head = self.store.head().sequence;
            self.gather(place, head).await?;
            let now = self.clock.now();
            let Some(wait) = self.wait(&place.message, now) else {
                self.pass(place, now).await;
                return Ok(None);
            };
            if !wait.is_zero() {
                return Ok(Some(wait));
            }
            place.kept.until = Some(place.message.until);
            self.keep(&mut place.kept).await;
            place.message.until
        };
        // A crash may have been so long ago that nothing of the message is left.
        if place.message.first_at.is_some()
            && let Err(pause) = self.deliver(place, until).await
        {
            return Ok(Some(pause));
        }
        place.kept = Position {
            after: until,
            until: None,
            delivered_to: 0,
            ..place.kept.clone()
        };
        self.keep(&mut place.kept).await;
        place.message = AlertMessage::behind(until);
        Ok(Some(Duration::ZERO))
    }

    /// Looks at what came up to there, or until no more has room.
    async fn gather(&self, place: &mut ReaderPlace, until: Sequence) -> Result<(), StoreError> {
        let message = &mut place.message;
        while message.until < until {
            let behind = message.until;
            let entries = self.store.entries(behind, limits::TAIL_GROUP).await?;
            if self.store.floor().await? > behind {
                message.missing_since.get_or_insert(place.kept.at);
            }
            let short = entries.len() < limits::TAIL_GROUP;
            let last = short
                || entries
                    .last()
                    .is_some_and(|entry| entry.sequence() >= until);
            for entry in entries.iter().take_while(|entry| entry.sequence() <= until) {
                if self.channel.outlet.tells_each() && message.is_full() {
                    return Ok(());
                }
                message.add(entry, &self.channel.terms.events);
            }
            if last {
                message.until = until;
            }
        }
        Ok(())
    }

    /// How long to wait with what has gathered; `None` when that is nothing.
    fn wait(&self, message: &AlertMessage, now: Timestamp) -> Option<Duration> {
        let waited = now
            .duration_since(message.first_at?)
            .try_into()
            .unwrap_or(Duration::ZERO);
        let full = self.channel.outlet.tells_each() && message.is_full();
        let Terms {
            digest,
            digest_urgent,
            ..
        } = self.channel.terms;
        let digest = if message.is_urgent() {
            digest_urgent
        } else {
            digest
        };
        let digest = if full {
            Duration::ZERO
        } else {
            digest.saturating_sub(waited)
        };
        let local = DateTime::from_timestamp(now.as_second(), 0)
            .map(|now| now.with_timezone(&self.zone).time());
        let quiet = self
            .channel
            .terms
            .quiet_hours
            .zip(local)
            .and_then(|(quiet, now)| quiet.left(now));
        // Clocks may be changed in the meantime; so it is looked at again.
        Some(digest.max(quiet.unwrap_or_default().min(limits::ALERTS_QUIET_CHECK)))
    }

    /// Passes what is no concern of this channel; not what the log forgot, before that is told.
    async fn pass(&self, place: &mut ReaderPlace, now: Timestamp) {
        if place.message.missing_since.is_some() {
            return;
        }
        place.kept.after = place.message.until;
        let since = now
            .duration_since(place.kept.at)
            .try_into()
            .unwrap_or(Duration::ZERO);
        if since >= limits::ALERTS_KEEP_PAUSE {
            self.keep(&mut place.kept).await;
        }
    }

    /// Sends the message to whoever does not have it yet. `Err` is how long to wait before it is tried again.
    async fn deliver(&self, place: &mut ReaderPlace, until: Sequence) -> Result<(), Duration> {
        let ReaderPlace {
            kept,
            message,
            tries,
        } = place;
        let offset = Offset {
            epoch: self.store.epoch(),
            sequence: until,
        };
        let mut refused = None;
        while kept.delivered_to < self.channel.outlet.recipients() {
            let sending = Sending {
                id: format!(
                    "{}-{}-{}",
                    offset.epoch,
                    offset.sequence,
                    self.name().replace(':', "-")
                ),
                at: self.clock.now(),
                zone: self.zone,
                transport: self.transport.as_ref(),
            };
            match self
                .channel
                .outlet
                .send(message, kept.delivered_to, &sending)
                .await
            {
                Ok(()) => kept.sent += 1,
                Err(SendRefusal::Never(reason)) => {
                    tracing::error!(channel = self.name(), %offset, reason, "an alert was refused for good and is given up");
                    kept.given_up += 1;
                    refused = Some(reason);
                }
                Err(SendRefusal::Later(reason, after)) => {
                    let pause = self.pause(*tries).max(after.unwrap_or_default());
                    tracing::warn!(channel = self.name(), %offset, reason, ?pause, "an alert could not be sent; trying again");
                    *tries = tries.saturating_add(1);
                    if kept.problem.as_ref() != Some(&reason) {
                        kept.problem = Some(reason);
                        self.keep(kept).await;
                    }
                    return Err(pause);
                }
            }
            *tries = 0;
            kept.delivered_to += 1;
            if kept.delivered_to < self.channel.outlet.recipients() {
                self.keep(kept).await;
            }
        }
        kept.problem = refused;
        Ok(())
    }

    /// Writes down where the reader is, however long that takes: what was sent must not be sent again.
    async fn keep(&self, position: &mut Position) {
        let mut stall = Stall::of(format!("alerts by {}", self.name()));
        loop {
            position.at = self.clock.now();
            let (reader, position) = (self.channel.terms.reader.clone(), position.clone());
            let kept = self
                .store
                .write(Operation::KeepPosition { reader, position })
                .await;
            stall.note(&kept);
            match kept {
                Ok(_) | Err(StoreError::Closed) => return,
                Err(_) => sleep(limits::STORE_PAUSE).await,
            }
        }
    }

    fn name(&self) -> &str {
        &self.channel.terms.reader
    }

    /// Doubles with every try; a random part of it, so that not all come back at once.
    fn pause(&self, tries: u32) -> Duration {
        let doubled = limits::ALERT_PAUSE_MIN.saturating_mul(1 << tries.min(16));
        doubled
            .min(limits::ALERT_PAUSE_MAX)
            .mul_f64(0.5 + self.entropy.fraction() / 2.0)
    }
}

#[cfg(test)]
mod tests;
