//! Subscriptions: those that Shopify has are compared with those that we need, at the start and every hour.
//!
//! Shopify ends one after eight failed deliveries and says nothing. What was lost is made again, and what was missed
//! meanwhile is synced.

use std::sync::Arc;

use schemas::{Clock, Resource, RunKind, ShopDomain};
use shopify::{ApiProblem, Client, Error, TOPICS};
use store::Store;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::limits;
use crate::shop::identity::StoreIdentity;
use crate::shop::notices::announce;
use crate::shop::scheduler::Runs;
use crate::shop::sync::Plan;
use crate::supervisor::Heartbeat;
use crate::supervisor::problems::{Problems, SCOPES_MISSING, SUBSCRIPTIONS_DECLINED};
use crate::wakeups::Wakeup;

/// What stockd needs, beside the scopes of its topics.
const SCOPES: [&str; 6] = [
    "read_customers",
    "read_inventory",
    "read_locations",
    "read_orders",
    "read_products",
    "write_inventory",
];

/// Sees to one shop's subscriptions and scopes.
pub(crate) struct Subscriptions {
    /// The shop that sends webhooks.
    pub(crate) shop: ShopDomain,
    /// Reads and writes subscriptions by the shop's API.
    pub(crate) client: Arc<Client>,
    /// Where people are told.
    pub(crate) store: Arc<dyn Store>,
    /// The clock; the only source of the present time.
    pub(crate) clock: Arc<dyn Clock>,
    /// What closes gaps.
    pub(crate) runs: Runs,
    /// Where Shopify reaches us; without it, webhooks are a person's to set up.
    pub(crate) address: Option<String>,
    /// Whether the store is the one that the database is of.
    pub(crate) identity: Arc<StoreIdentity>,
    /// Where it is told what is wrong.
    pub(crate) problems: Arc<Problems>,
    /// The app's scopes may have changed.
    pub(crate) scopes_changed: Wakeup,
}

impl Subscriptions {
    /// Works until told to stop.
    pub(crate) async fn run(mut self, heartbeat: Heartbeat, stop: CancellationToken) {
        let mut lacking: Vec<&str> = Vec::new();
        let mut made: Vec<&str> = Vec::new();
        let mut retry = limits::SHOPIFY_PAUSE;
        loop {
            let began = Instant::now();
            let looked = tokio::select! {
                () = stop.cancelled() => return,
                looked = async {
                    self.identity.is_confirmed().await;
                    heartbeat.work(self.look(&mut lacking, &mut made)).await
                } => looked,
            };
            let pause = match looked {
                Ok(()) => {
                    retry = limits::SHOPIFY_PAUSE;
                    limits::SUBSCRIPTIONS_PAUSE
                }
                Err(error) => {
                    let pause = retry;
                    retry = (retry * 2).min(limits::SUBSCRIPTIONS_PAUSE);
                    tracing::warn!(shop.domain = %self.shop, %error, pause = ?pause, "scopes and webhook subscriptions could not be looked at; trying again later");
                    pause
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                // What says so can be replayed as often as somebody likes.
                () = async {
                    self.scopes_changed.received().await;
                    tokio::time::sleep_until(began + limits::SHOPIFY_PAUSE).await;
                } => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// `lacking` are the scopes known to be missing; `made` the topics whose subscriptions were there before.
    async fn look(
        &self,
        lacking: &mut Vec<&'static str>,
        made: &mut Vec<&'static str>,
    ) -> Result<(), Error> {
        let scopes = self.client.scopes().await?;
        let missing: Vec<&str> = SCOPES
            .into_iter()
            .filter(|scope| !scopes.contains(*scope))
            .collect();
        if missing.is_empty() {
            self.problems.end(&self.shop, SCOPES_MISSING);
        } else {
            if missing != *lacking {
                tracing::error!(shop.domain = %self.shop, scopes = missing.join(" "), "the app lacks scopes: grant them in its settings and install it again");
            }
            let message = format!(
                "the app lacks {}: grant them in its settings and install it again",
                missing.join(", ")
            );
            let title = "The app lacks scopes";
            self.problems.begin(
                &self.shop,
                ApiProblem {
                    kind: SCOPES_MISSING,
                    title,
                    message,
                },
            );
        }
        *lacking = missing;
        let Some(address) = &self.address else {
            return Ok(());
        };
        let there = self.client.subscriptions().await?;
        let wanted = TOPICS
            .iter()
            .filter(|(_, scope)| scope.is_none_or(|scope| scopes.contains(scope)));
        let wanted: Vec<&str> = wanted.map(|(topic, _)| *topic).collect();
        let is_there = |topic: &str| {
            there
                .iter()
                .any(|one| one.topic == topic && one.uri == *address && one.whole)
        };
        let missing: Vec<&str> = wanted
            .iter()
            .copied()
            .filter(|topic| !is_there(topic))
            .collect();
        let mut declined = None;
        for topic in &missing {
            match self.client.subscribe(topic, address).await {
                Ok(_) => {}
                Err(Error::Declined { words, .. }) => {
                    tracing::debug!(shop.domain = %self.shop, topic, words, "Shopify makes no subscription");
                    declined = Some(format!(
                        "Shopify makes no subscription to {topic} ({words}): check the shop's webhook_address"
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        match declined {
            Some(message) => {
                let title = "Webhooks cannot be subscribed to";
                self.problems.begin(
                    &self.shop,
                    ApiProblem {
                        kind: SUBSCRIPTIONS_DECLINED,
                        title,
                        message,
                    },
                );
            }
            None => self.problems.end(&self.shop, SUBSCRIPTIONS_DECLINED),
        }
        // Others are new, because a scope is.
        let lost: Vec<&str> = missing
            .iter()
            .copied()
            .filter(|topic| made.contains(topic))
            .collect();
        if !lost.is_empty() {
            tracing::error!(shop.domain = %self.shop, topics = lost.join(" "), "Shopify had ended webhook subscriptions; they are made again and what was missed is synced");
            self.tell("Webhooks had stopped", format!("Shopify had ended these subscriptions: {}. They are made again, and what was missed is synced.", lost.join(", "))).await;
        }
        if !missing.is_empty() {
            for resource in [
                Resource::Products,
                Resource::Inventory,
                Resource::Orders,
                Resource::Customers,
            ] {
                // One that is under way reads what was missed as well, or the next one does.
                let _ = self
                    .runs
                    .start(&self.shop, resource, Plan::scheduled(RunKind::Quick))
                    .await;
            }
        }
        *made = wanted;
        Ok(())
    }

    async fn tell(&self, title: &str, message: String) {
        if let Err(error) = announce(
            self.store.as_ref(),
            self.clock.as_ref(),
            &self.shop,
            title,
            message,
        )
        .await
        {
            tracing::error!(shop.domain = %self.shop, %error, "an alarm could not be kept");
        }
    }
}
