//! Webhooks on their way: signed, sent, retried, given up, by Shopify's rules.
//!
//! One second to connect and five in all; anything but 2xx is a failure; eight retries over four hours with the same
//! body and webhook id. <https://shopify.dev/docs/apps/build/webhooks/subscribe/https>, 2026-10.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::Serialize;
use sha2::Sha256;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::VERSION;
use crate::body::body;
use crate::clock::SimClock;
use crate::fault::WebhookFaults;
use crate::graphql::terms;
use crate::shop::{SimShop, lock};
use crate::store::SimStore;
use crate::topic::{SimTopic, TopicNotice, TopicSubject};

/// Deliveries under way at once.
const CONCURRENT: usize = 32;
/// Deliveries waiting, retries included; a newer one is lost.
const MAX_WAITING: usize = 200_000;
/// Seconds before each retry: eight, growing, four hours in all.
const RETRY_GAPS: [i64; 8] = [10, 60, 300, 900, 1_800, 2_700, 3_600, 5_030];
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest wait of a reordered delivery.
const REORDER_MILLIS: i64 = 2_000;

/// Everything on its way, and how the rest ended.
pub(crate) struct DeliveryQueue {
    queue: Mutex<Queue>,
    changed: Notify,
    secret: String,
    seed: u64,
}

struct Queue {
    /// By the time it is due, then by age.
    waiting: BTreeMap<(Timestamp, u64), QueuedDelivery>,
    last: u64,
    retrying: usize,
    in_flight: usize,
    ended: DeliveryTotals,
    target: Option<String>,
    faults: WebhookFaults,
    chance: StdRng,
}

#[derive(Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeliveryTotals {
    attempts: u64,
    delivered: u64,
    /// Failed to the last retry, or never queued because too many were waiting.
    lost: u64,
    /// Left out on purpose.
    dropped: u64,
    /// About something that was deleted before its first attempt.
    obsolete: u64,
    /// Not what the subscription's filter lets through.
    filtered: u64,
}

/// How many deliveries are where; quiet is when the first three are zero.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Counts {
    queued: usize,
    retrying: usize,
    in_flight: usize,
    #[serde(flatten)]
    ended: DeliveryTotals,
}

#[derive(Clone)]
struct QueuedDelivery {
    id: Uuid,
    topic: SimTopic,
    subject: TopicSubject,
    event: u64,
    triggered_at: Timestamp,
    target: Arc<DeliveryTarget>,
    failures: usize,
    /// Written at the first attempt and kept for the others.
    body: Option<Bytes>,
}

struct DeliveryTarget {
    uri: String,
    /// The subscription, if it was made through the API: such a one is removed when it fails for good.
    subscription: Option<u64>,
    name: Option<String>,
    include_fields: Vec<String>,
    filter: String,
}

impl DeliveryQueue {
    pub(crate) fn new(secret: String, target: Option<String>, seed: u64) -> Self {
        let queue = Queue {
            waiting: BTreeMap::new(),
            last: 0,
            retrying: 0,
            in_flight: 0,
            ended: DeliveryTotals::default(),
            target,
            faults: WebhookFaults::default(),
            chance: StdRng::seed_from_u64(seed ^ 0x77eb_1100),
        };
        Self {
            queue: Mutex::new(queue),
            changed: Notify::new(),
            secret,
            seed,
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_target(&self, target: Option<String>) {
        self.queue().target = target;
    }

    pub(crate) fn set_faults(&self, faults: WebhookFaults) {
        self.queue().faults = faults;
        self.changed.notify_one();
    }

    pub(crate) fn faults(&self) -> WebhookFaults {
        self.queue().faults.clone()
    }

    pub(crate) fn counts(&self) -> Counts {
        let queue = self.queue();
        Counts {
            queued: queue.waiting.len() - queue.retrying,
            retrying: queue.retrying,
            in_flight: queue.in_flight,
            ended: queue.ended,
        }
    }

    /// Queues the notices for everyone who subscribed to them.
    pub(crate) fn add(&self, store: &SimStore, notices: Vec<TopicNotice>) {
        let mut queue = self.queue();
        let target = queue.target.clone().map(|uri| {
            Arc::new(DeliveryTarget {
                uri,
                subscription: None,
                name: None,
                include_fields: Vec::new(),
                filter: String::new(),
            })
        });
        for notice in notices {
            let subscribed = store
                .subscriptions
                .iter()
                .filter(|row| row.uri.starts_with("http") && notice.topic.is(&row.topic))
                .map(|row| {
                    Arc::new(DeliveryTarget {
                        uri: row.uri.clone(),
                        subscription: Some(row.id),
                        name: row.name.clone(),
                        include_fields: row.include_fields.clone(),
                        filter: row.filter.clone().unwrap_or_default(),
                    })
                });
            for target in target.iter().cloned().chain(subscribed) {
                queue.add(&notice, &target, self.seed);
            }
        }
        drop(queue);
        self.changed.notify_one();
    }

    /// The next delivery to attempt, when it is due.
    async fn next(&self, clock: &SimClock) -> QueuedDelivery {
        loop {
            let due = {
                let mut queue = self.queue();
                let first = queue.waiting.first_key_value().map(|((due, _), _)| *due);
                match first {
                    Some(due) if !queue.faults.paused && due <= clock.now() => {
                        if let Some((_, delivery)) = queue.waiting.pop_first() {
                            queue.retrying -= usize::from(delivery.failures > 0);
                            queue.in_flight += 1;
                            return delivery;
                        }
                        None
                    }
                    due => due.filter(|_| !queue.faults.paused),
                }
            };
            tokio::select! {
                () = self.changed.notified() => {}
                () = clock.sleep_until(due.unwrap_or(Timestamp::MAX)) => {}
            }
        }
    }

    /// Files a delivery after an attempt; says whether its subscription is to be removed.
    #[must_use]
    fn settle(
        &self,
        mut delivery: QueuedDelivery,
        outcome: DeliveryOutcome,
        now: Timestamp,
    ) -> Option<u64> {
        let mut queue = self.queue();
        queue.in_flight -= 1;
        match outcome {
            DeliveryOutcome::Delivered => queue.ended.delivered += 1,
            DeliveryOutcome::Obsolete => queue.ended.obsolete += 1,
            DeliveryOutcome::Filtered => queue.ended.filtered += 1,
            DeliveryOutcome::Failed => {
                let Some(gap) = RETRY_GAPS.get(delivery.failures) else {
                    queue.ended.lost += 1;
                    return delivery.target.subscription;
                };
                delivery.failures += 1;
                queue.retrying += 1;
                queue.wait(now, SignedDuration::from_secs(*gap), delivery);
            }
        }
        None
    }

    fn signature(&self, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes())
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(body);
        STANDARD.encode(mac.finalize().into_bytes())
    }
}

impl Queue {
    fn add(&mut self, notice: &TopicNotice, target: &Arc<DeliveryTarget>, seed: u64) {
        if self.waiting.len() >= MAX_WAITING {
            self.ended.lost += 1;
            return;
        }
        if self.chance.random_bool(self.faults.drop) {
            self.ended.dropped += 1;
            return;
        }
        let copies = if self.chance.random_bool(self.faults.duplicate) {
            2
        } else {
            1
        };
        let id = Uuid::new_v5(
            &Uuid::NAMESPACE_OID,
            format!("{seed} delivery {}", self.last).as_bytes(),
        );
        for _ in 0..copies {
            let reordered = self.chance.random_bool(self.faults.reorder);
            let late = if reordered {
                self.chance.random_range(1..=REORDER_MILLIS)
            } else {
                0
            };
            let delay =
                SignedDuration::try_from_secs_f64(self.faults.delay_seconds).unwrap_or_default();
            let delivery = QueuedDelivery {
                id,
                topic: notice.topic,
                subject: notice.subject,
                event: notice.event,
                triggered_at: notice.triggered_at,
                target: target.clone(),
                failures: 0,
                body: None,
            };
            self.wait(
                notice.triggered_at,
                delay + SignedDuration::from_millis(late),
                delivery,
            );
        }
    }

    fn wait(&mut self, from: Timestamp, delay: SignedDuration, delivery: QueuedDelivery) {
        self.last += 1;
        let due = from.saturating_add(delay).unwrap_or(Timestamp::MAX);
        self.waiting.insert((due, self.last), delivery);
    }
}

#[derive(Clone, Copy)]
enum DeliveryOutcome {
    Delivered,
    Failed,
    Obsolete,
    Filtered,
}

/// Delivers until stopped.
pub(crate) async fn run(
    shop: Arc<SimShop>,
    client: reqwest::Client,
    closing: CancellationToken,
    tasks: TaskTracker,
) {
    let slots = Arc::new(Semaphore::new(CONCURRENT));
    loop {
        // The semaphore is never closed.
        let Ok(slot) = slots.clone().acquire_owned().await else {
            return;
        };
        let delivery = tokio::select! {
            delivery = shop.deliveries.next(&shop.clock) => delivery,
            () = closing.cancelled() => return,
        };
        let (shop, client, closing) = (shop.clone(), client.clone(), closing.clone());
        tasks.spawn(async move {
            tokio::select! {
                () = attempt(&shop, &client, delivery) => {}
                () = closing.cancelled() => {}
            }
            drop(slot);
        });
    }
}

/// The client for deliveries: no redirects, no proxy, Shopify's timeouts.
pub(crate) fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .tcp_nodelay(true)
        .user_agent("Shopify-Captain-Hook")
        .build()
}

async fn attempt(shop: &SimShop, client: &reqwest::Client, mut delivery: QueuedDelivery) {
    let written = match delivery.body.clone() {
        Some(body) => Ok(body),
        None => write(&shop.store(), &delivery),
    };
    let outcome = match written {
        Ok(body) => {
            delivery.body = Some(body.clone());
            send(shop, client, &delivery, body).await
        }
        Err(outcome) => outcome,
    };
    if let Some(subscription) = shop.deliveries.settle(delivery, outcome, shop.clock.now()) {
        shop.store_mut().subscriptions.remove(subscription);
    }
    shop.deliveries.changed.notify_one();
}

/// Writes the body, if there is one to send.
fn write(store: &SimStore, delivery: &QueuedDelivery) -> Result<Bytes, DeliveryOutcome> {
    let mut body = body(store, delivery.subject).ok_or(DeliveryOutcome::Obsolete)?;
    if !terms(&delivery.target.filter)
        .iter()
        .all(|term| term.holds_in(&body))
    {
        return Err(DeliveryOutcome::Filtered);
    }
    let wanted = &delivery.target.include_fields;
    if let (false, Some(fields)) = (wanted.is_empty(), body.as_object_mut()) {
        fields.retain(|field, _| wanted.contains(field));
    }
    serde_json::to_vec(&body)
        .map(Bytes::from)
        .map_err(|_| DeliveryOutcome::Obsolete)
}

async fn send(
    shop: &SimShop,
    client: &reqwest::Client,
    delivery: &QueuedDelivery,
    body: Bytes,
) -> DeliveryOutcome {
    {
        let mut queue = shop.deliveries.queue();
        queue.ended.attempts += 1;
        if queue.faults.outage {
            return DeliveryOutcome::Failed;
        }
    }
    let version = lock(&shop.api_faults).headers.version.clone();
    let event = format!("{} event {}", shop.deliveries.seed, delivery.event);
    let mut request = client
        .post(&delivery.target.uri)
        .header("Content-Type", "application/json")
        .header("X-Shopify-Topic", delivery.topic.0)
        .header("X-Shopify-Hmac-Sha256", shop.deliveries.signature(&body))
        .header("X-Shopify-Shop-Domain", &shop.domain)
        .header(
            "X-Shopify-API-Version",
            version.as_deref().unwrap_or(VERSION),
        )
        .header("X-Shopify-Webhook-Id", delivery.id.to_string())
        .header(
            "X-Shopify-Event-Id",
            Uuid::new_v5(&Uuid::NAMESPACE_OID, event.as_bytes()).to_string(),
        )
        .header(
            "X-Shopify-Triggered-At",
            format!("{:.9}", delivery.triggered_at),
        );
    if let Some(name) = &delivery.target.name {
        request = request.header("X-Shopify-Name", name);
    }
    match request.body(body).send().await {
        Ok(answer) if answer.status().is_success() => DeliveryOutcome::Delivered,
        _ => DeliveryOutcome::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_growing_gaps_make_four_hours() {
        assert_eq!(RETRY_GAPS.iter().sum::<i64>(), 4 * 3600);
        assert!(RETRY_GAPS.is_sorted_by(|shorter, longer| shorter < longer));
    }
}
