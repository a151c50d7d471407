//! Intake: what deliveries say, into the mirror.
//!
//! A delivery is applied in the transaction that accepts it, and Shopify is answered when that is on disk. What cannot be
//! decided there goes to the inbox with its body, and is applied from there in the order in which it came: notices,
//! which are acted on, and whatever arrives while more than [`limits::DELIVERIES_APPLIED_MAX`] are on their way. A crash
//! anywhere leaves such a delivery waiting, and applying it twice changes nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::join_all;
use schemas::{Change, Clock, Epoch, Offset, Sequence, ShopDomain, WebhookId};
use shopify::{Client, WebhookReading};
use store::{Arrival, Batch, Cause, Delivery, Fate, Operation, Outcome, Store, StoreError};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::limits;
use crate::shop::notices::Notices;
use crate::spans;
use crate::supervisor::Heartbeat;
use crate::supervisor::stall::Stall;
use crate::wakeups::{Wakeup, Wakeups};

/// Takes deliveries as they arrive.
pub(crate) struct WebhookIntake {
    /// The store that takes them.
    pub(crate) store: Arc<dyn Store>,
    /// The shops, some of which ask for customers' names.
    pub(crate) clients: Arc<BTreeMap<ShopDomain, Arc<Client>>>,
    /// Shops whose webhooks are signed with a secret that another shop's are signed with, too.
    pub(crate) shared_secrets: BTreeSet<ShopDomain>,
    /// By which other parts are woken.
    pub(crate) wakeups: Arc<Wakeups>,
    /// Places for deliveries that are applied as they arrive.
    pub(crate) places: Semaphore,
    /// What was claimed of times to come.
    pub(crate) ahead: Mutex<FutureTimes>,
}

impl WebhookIntake {
    /// Takes a delivery, given without its body; it is on disk, with its effect where that can be decided now, when this
    /// answers.
    pub(crate) async fn take(
        &self,
        delivery: Delivery,
        body: &[u8],
    ) -> Result<Outcome, StoreError> {
        let place = self.places.try_acquire().ok();
        let arrival = place.as_ref().and_then(|_| self.arrival(&delivery, body));
        if let Some(arrival) = arrival
            && let Some(outcome) = self.apply(arrival).await
        {
            return Ok(outcome);
        }
        let delivery = Delivery {
            body: body.to_vec(),
            ..delivery
        };
        let outcome = self.store.write(Operation::Accept(delivery)).await?;
        self.wakeups.delivery_arrived.send();
        Ok(outcome)
    }

    /// `None` for what goes to the inbox, because it was refused.
    async fn apply(&self, arrival: Arrival) -> Option<Outcome> {
        let shop = arrival.delivery.shop.clone();
        let outcome = self.store.write(Operation::Deliver(Box::new(arrival)));
        let outcome = outcome.await.ok()?;
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.note(&shop, outcome.ahead);
        if outcome.fresh {
            note_applied(&*self.store, &outcome);
            self.wakeups.record_dirty.send();
        }
        Some(outcome)
    }

    /// The delivery with what it says; `None` for what is to be acted on.
    fn arrival(&self, delivery: &Delivery, body: &[u8]) -> Option<Arrival> {
        let client = self.clients.get(&delivery.shop);
        let names = client.is_some_and(|client| client.asks_names());
        let DeliveryContent::Changes(fate, changes) = said(delivery, body, names) else {
            return None;
        };
        let kept = if matches!(fate, Fate::Unreadable(_)) {
            body.to_vec()
        } else {
            Vec::new()
        };
        Some(Arrival {
            delivery: Delivery {
                body: kept,
                ..delivery.clone()
            },
            fate,
            shared_secret: self.shared_secrets.contains(&delivery.shop),
            changes,
        })
    }
}

/// Logs that a delivery was applied, and which events came of it.
fn note_applied(store: &dyn Store, outcome: &Outcome) {
    let (changed, deleted) = (outcome.changed, outcome.deleted);
    let events = AppendedEvents {
        epoch: store.epoch(),
        numbers: outcome.appended.clone(),
    };
    tracing::debug!(changed, deleted, %events, "Applied a webhook");
}

/// The offsets of the events that an operation appended, one by one, so that each is found in the log by itself.
struct AppendedEvents {
    epoch: Epoch,
    numbers: Range<u64>,
}

impl fmt::Display for AppendedEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for number in self.numbers.clone() {
            let space = if number == self.numbers.start {
                ""
            } else {
                " "
            };
            let (epoch, sequence) = (self.epoch, Sequence(number));
            write!(f, "{space}{}", Offset { epoch, sequence })?;
        }
        Ok(())
    }
}

/// What a delivery says.
enum DeliveryContent {
    /// What becomes of it, and its changes.
    Changes(Fate, Vec<Change>),
    /// Something to act on.
    Notice(shopify::Notice),
}

fn said(delivery: &Delivery, body: &[u8], names: bool) -> DeliveryContent {
    let topic = &delivery.topic;
    match shopify::read(topic, body, delivery.triggered_at, names) {
        Ok(WebhookReading::Changes(changes)) => DeliveryContent::Changes(Fate::Applied, changes),
        Ok(WebhookReading::Ignored) => DeliveryContent::Changes(Fate::Ignored, Vec::new()),
        Ok(WebhookReading::Notice(notice)) => DeliveryContent::Notice(notice),
        Err(reason) => {
            tracing::warn!(shop.domain = %delivery.shop, topic, delivery.id = %delivery.webhook_id, %reason, "Could not read a webhook; its body is kept");
            // Something happened to that record, whatever it was.
            let concerned = shopify::concerns(topic, body).map(Change::LookAgain);
            let fate = Fate::Unreadable(reason.to_string());
            DeliveryContent::Changes(fate, concerned.into_iter().collect())
        }
    }
}

/// Applies the deliveries in the inbox.
pub(crate) struct Intake {
    /// Where they wait and where they go.
    pub(crate) store: Arc<dyn Store>,
    /// The clock; the only source of the present time.
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
        let mut ahead = FutureTimes::default();
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
        ahead: &mut FutureTimes,
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
        let operations = batches
            .into_iter()
            .map(|batch| self.store.write(Operation::Apply(batch)));
        // All are asked for in order before any is waited for: the writer takes them as one group.
        let outcomes = join_all(operations).await;
        let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        for ((delivery, span), outcome) in deliveries.iter().zip(delivery_spans).zip(outcomes) {
            let _entered = span.enter();
            match outcome {
                Ok(outcome) => {
                    note_applied(&*self.store, &outcome);
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
        let (fate, changes) = if tries >= limits::APPLY_TRIES_MAX {
            let reason = "the store refused it again and again".to_owned();
            (Fate::Unreadable(reason), Vec::new())
        } else {
            match said(delivery, &delivery.body, names) {
                DeliveryContent::Changes(fate, changes) => (fate, changes),
                DeliveryContent::Notice(notice) => self.notices.act(&delivery.shop, notice).await?,
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
pub(crate) struct FutureTimes {
    records: u64,
    warned: Option<Instant>,
}

impl FutureTimes {
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
