//! Intake: deliveries from the inbox, in the order in which they came, into the mirror.
//!
//! A delivery is on disk before Shopify is answered, so nothing here can lose one: a crash anywhere leaves it
//! waiting, and applying it twice changes nothing.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures_util::future::join_all;
use schemas::{Change, Clock, ShopDomain, WebhookId};
use shopify::WebhookReading;
use store::{Batch, Cause, Delivery, Fate, Operation, Outcome, Store, StoreError};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::limits;
use crate::shop::notices::Notices;
use crate::spans;
use crate::supervisor::Heartbeat;
use crate::supervisor::stall::Stall;
use crate::wakeups::{Wakeup, Wakeups};

/// Applies deliveries as they come.
pub(crate) struct Intake {
    /// Where they wait and where they go.
    pub(crate) store: Arc<dyn Store>,
    /// Our time.
    pub(crate) clock: Arc<dyn Clock>,
    /// A webhook was put into the inbox.
    pub(crate) delivery_arrived: Wakeup,
    /// By which other parts are woken.
    pub(crate) wakeups: Arc<Wakeups>,
    /// Who acts on what is no change.
    pub(crate) notices: Notices,
    /// Shops whose webhooks are signed with a secret that another shop's are signed with, too.
    pub(crate) shared_secrets: BTreeSet<ShopDomain>,
}

impl Intake {
    /// Works until told to stop.
    pub(crate) async fn run(mut self, heartbeat: Heartbeat, stop: CancellationToken) {
        let mut failures: HashMap<WebhookId, u32> = HashMap::new();
        let mut ahead = Ahead::default();
        let mut stall = Stall::of("deliveries");
        while !stop.is_cancelled() {
            self.delivery_arrived.clear();
            let group = heartbeat.work(self.group(&mut failures, &mut ahead)).await;
            stall.note(&group);
            let pause = match group {
                Ok(0) => None,
                Ok(_) => continue,
                Err(_) => Some(limits::STORE_PAUSE),
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.delivery_arrived.received(), if pause.is_none() => {}
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
            }
        }
    }

    /// Applies the deliveries that have waited longest; how many there were.
    async fn group(
        &self,
        failures: &mut HashMap<WebhookId, u32>,
        ahead: &mut Ahead,
    ) -> Result<usize, StoreError> {
        let deliveries = self.store.inbox(limits::INTAKE_GROUP).await?;
        let mut batches = Vec::with_capacity(deliveries.len());
        let mut delivery_spans = Vec::with_capacity(deliveries.len());
        for delivery in &deliveries {
            let tries = failures.get(&delivery.webhook_id).copied().unwrap_or(0);
            let span = spans::delivery(&delivery.shop, &delivery.webhook_id, &delivery.topic);
            batches.push(self.batch(delivery, tries).instrument(span.clone()).await?);
            delivery_spans.push(span);
        }
        let before = self.store.head();
        let operations = batches
            .into_iter()
            .map(|batch| self.store.write(Operation::Apply(batch)));
        // All are asked for in order before any is waited for: the writer takes them as one group.
        let outcomes = join_all(operations).await;
        let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        let until = self.store.head();
        for ((delivery, span), outcome) in deliveries.iter().zip(delivery_spans).zip(outcomes) {
            let _entered = span.enter();
            match outcome {
                Ok(outcome) => {
                    // Its events are among those of its group, which is one delivery on a quiet day.
                    let Outcome {
                        changed, deleted, ..
                    } = outcome;
                    tracing::debug!(changed, deleted, events.after = %before, events.until = %until, "Applied a webhook");
                    failures.remove(&delivery.webhook_id);
                    ahead.note(&delivery.shop, outcome.ahead);
                }
                Err(error) if failed == deliveries.len() => return Err(error),
                Err(error) => {
                    tracing::error!(%error, topic = delivery.topic, delivery.id = %delivery.webhook_id, "Could not apply a webhook; trying again");
                    *failures.entry(delivery.webhook_id.clone()).or_default() += 1;
                }
            }
        }
        if !deliveries.is_empty() {
            self.wakeups.record_dirty.send();
        }
        Ok(deliveries.len())
    }

    async fn batch(&self, delivery: &Delivery, tries: u32) -> Result<Batch, StoreError> {
        let names = self.notices.asks_names(&delivery.shop);
        let Delivery {
            topic,
            body,
            triggered_at,
            ..
        } = delivery;
        let (fate, changes) = match shopify::read(topic, body, *triggered_at, names) {
            _ if tries >= limits::APPLY_TRIES_MAX => (
                Fate::Unreadable("the store refused it again and again".to_owned()),
                Vec::new(),
            ),
            Ok(WebhookReading::Changes(changes)) => (Fate::Applied, changes),
            Ok(WebhookReading::Ignored) => (Fate::Ignored, Vec::new()),
            Ok(WebhookReading::Notice(notice)) => self.notices.act(&delivery.shop, notice).await?,
            Err(reason) => {
                tracing::warn!(shop.domain = %delivery.shop, topic = delivery.topic, delivery.id = %delivery.webhook_id, %reason, "Could not read a webhook; its body is kept");
                // Something happened to that record, whatever it was.
                let concerned = shopify::concerns(topic, body).map(Change::LookAgain);
                (
                    Fate::Unreadable(reason.to_string()),
                    concerned.into_iter().collect(),
                )
            }
        };
        let shared_secret = self.shared_secrets.contains(&delivery.shop);
        let cause = Cause::Webhook {
            id: delivery.webhook_id.clone(),
            fate,
            shared_secret,
        };
        Ok(Batch {
            shop: delivery.shop.clone(),
            at: self.clock.now(),
            cause,
            changes,
        })
    }
}

/// Times to come that webhooks claimed, and when they were warned of last: with a clock that is behind, every webhook has
/// one.
#[derive(Default)]
struct Ahead {
    records: u64,
    warned: Option<Instant>,
}

impl Ahead {
    fn note(&mut self, shop: &ShopDomain, records: u64) {
        self.records += records;
        if self.records > 0
            && self
                .warned
                .is_none_or(|warned| warned.elapsed() >= limits::AHEAD_LOG_PAUSE)
        {
            tracing::warn!(shop.domain = %shop, records = self.records, "webhooks carry times to come: the records count as of now and are read; if there are many, set this machine's clock");
            *self = Self {
                records: 0,
                warned: Some(Instant::now()),
            };
        }
    }
}
