//! What webhooks ask for beside changes: the app is gone, a customer is to be forgotten, a bulk operation has ended.
//!
//! Topics and shops are unsigned headers, so a replayed body can come under any. What would do harm is done only when
//! Shopify itself confirms it.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::event::Notice as Message;
use schemas::{Change, Clock, EventData, Logged, ShopDomain};
use shopify::{Client, Error, Notice};
use store::{Fate, Operation, Store, StoreError};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::limits;
use crate::supervisor::Heartbeat;
use crate::wakeups::ShopWakeups;

/// What is at hand to act on notices.
pub(crate) struct Notices {
    /// Where people are told.
    pub(crate) store: Arc<dyn Store>,
    /// The clock; the only source of the present time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Each shop's handles.
    pub(crate) shops: BTreeMap<ShopDomain, Handles>,
}

/// What a notice of a shop can set going.
pub(crate) struct Handles {
    /// Answers queries by the shop's API.
    pub(crate) client: Arc<Client>,
    /// By which what works for the shop is woken.
    pub(crate) wakeups: Arc<ShopWakeups>,
    /// The app is said to be gone.
    pub(crate) farewells: Arc<watch::Sender<Farewell>>,
}

/// What webhooks say of the end of an app at a shop; true only once Shopify confirms it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Farewell {
    /// It was uninstalled.
    uninstalled: bool,
    /// Everything of the shop is to be forgotten.
    redacted: bool,
}

/// Asks Shopify whether the app is gone, beside the intake: other webhooks do not wait for the answer.
pub(crate) struct Confirmation {
    /// Of which shop.
    pub(crate) shop: ShopDomain,
    /// What may have to be forgotten.
    pub(crate) store: Arc<dyn Store>,
    /// Asks the Admin API of the shop whether the app is still let in.
    pub(crate) client: Arc<Client>,
    /// What is said.
    pub(crate) farewells: Arc<watch::Sender<Farewell>>,
    /// Ends what works for the shop.
    pub(crate) end: CancellationToken,
}

impl Confirmation {
    /// Works until told to stop.
    pub(crate) async fn run(self, heartbeat: Heartbeat, stop: CancellationToken) {
        tokio::select! {
            () = self.work(&heartbeat) => {}
            () = stop.cancelled() => {}
        }
    }

    async fn work(&self, heartbeat: &Heartbeat) {
        let mut said = self.farewells.subscribe();
        if self.was_to_be_forgotten().await {
            self.farewells
                .send_modify(|farewell| farewell.redacted = true);
        }
        loop {
            if said
                .wait_for(|farewell| *farewell != Farewell::default())
                .await
                .is_err()
            {
                return;
            }
            // What is said from here on asks for another answer.
            let asked = self.farewells.send_replace(Farewell::default());
            let closed = heartbeat.work(closed(&self.client)).await;
            let done = match closed {
                Some(true) => heartbeat.work(self.ends(asked)).await,
                Some(false) => {
                    tracing::warn!(shop.domain = %self.shop, uninstalled = asked.uninstalled, forget = asked.redacted, "a webhook says that the app was uninstalled, and Shopify does not: nothing was stopped or forgotten");
                    Ok(())
                }
                None => Err("Shopify gave no answer".to_owned()),
            };
            if let Err(problem) = done {
                tracing::warn!(shop.domain = %self.shop, problem, "whether the app was uninstalled could not be told; asking again");
                self.farewells.send_modify(|farewell| {
                    farewell.uninstalled |= asked.uninstalled;
                    farewell.redacted |= asked.redacted;
                });
            }
            tokio::time::sleep(limits::CONFIRM_PAUSE).await;
        }
    }

    /// Does what follows from it that the app is gone.
    async fn ends(&self, asked: Farewell) -> Result<(), String> {
        if asked.uninstalled && !self.end.is_cancelled() {
            // Told as a problem, by whoever watches the client's health.
            self.client.app_is_uninstalled();
        }
        self.end.cancel();
        if asked.redacted {
            let forget = Operation::Forget {
                shop: self.shop.clone(),
            };
            self.store
                .write(forget)
                .await
                .map_err(|error| error.to_string())?;
            tracing::error!(shop.domain = %self.shop, "everything of the shop is forgotten, as Shopify asks 48 hours after the app was uninstalled");
        }
        Ok(())
    }

    /// Whether the shop was to be forgotten when stockd ended: had that been done, its deliveries would be gone, too.
    async fn was_to_be_forgotten(&self) -> bool {
        let counts = self
            .store
            .delivery_counts(&self.shop)
            .await
            .unwrap_or_default();
        counts
            .iter()
            .any(|(topic, state, _)| topic == "shop/redact" && *state == "applied")
    }
}

impl Notices {
    /// Whether customers' names are wanted in that shop.
    pub(crate) fn asks_names(&self, shop: &ShopDomain) -> bool {
        self.shops
            .get(shop)
            .is_some_and(|handles| handles.client.asks_names())
    }

    /// Acts on a notice: what becomes of its delivery, and what it changes.
    pub(crate) async fn act(
        &self,
        shop: &ShopDomain,
        notice: Notice,
    ) -> Result<(Fate, Vec<Change>), StoreError> {
        let Some(handles) = self.shops.get(shop) else {
            return Ok((Fate::Ignored, Vec::new()));
        };
        match notice {
            Notice::BulkFinished(_) => handles.wakeups.bulk_ended.send(),
            Notice::ScopesChanged { .. } => handles.wakeups.scopes_changed.send(),
            Notice::ShopChanged => {}
            Notice::CustomerDataRequested { shop: of, customer } if of == *shop => {
                let name = if handles.client.asks_names() {
                    ", the name"
                } else {
                    ""
                };
                let message = format!(
                    "Customer {customer}: stockd keeps the customer's id{name}, when it was made and changed, and which orders are theirs (/api/v1/customers, /api/v1/orders). Answer within 30 days."
                );
                self.tell(shop, "A customer asks what is kept of them", message)
                    .await?;
            }
            Notice::CustomerRedacted { shop: of, customer } if of == *shop => {
                tracing::info!(shop.domain = %shop, "everything kept of a customer is forgotten, as Shopify asks");
                return Ok((Fate::Applied, vec![Change::Redacted(customer)]));
            }
            Notice::AppUninstalled { shop: of } if of.as_ref().is_none_or(|of| of == shop) => {
                handles
                    .farewells
                    .send_modify(|farewell| farewell.uninstalled = true);
            }
            Notice::ShopRedacted { shop: of } if of == *shop => {
                handles
                    .farewells
                    .send_modify(|farewell| farewell.redacted = true);
            }
            Notice::AppUninstalled { .. }
            | Notice::CustomerDataRequested { .. }
            | Notice::CustomerRedacted { .. }
            | Notice::ShopRedacted { .. } => {
                tracing::warn!(shop.domain = %shop, "a webhook names another shop than its header and was ignored");
                return Ok((Fate::Ignored, Vec::new()));
            }
        }
        Ok((Fate::Applied, Vec::new()))
    }

    async fn tell(
        &self,
        shop: &ShopDomain,
        title: &str,
        message: String,
    ) -> Result<(), StoreError> {
        announce(
            self.store.as_ref(),
            self.clock.as_ref(),
            shop,
            title,
            message,
        )
        .await
    }
}

/// Tells a shop's administrators.
pub(crate) async fn announce(
    store: &dyn Store,
    clock: &dyn Clock,
    shop: &ShopDomain,
    title: &str,
    message: String,
) -> Result<(), StoreError> {
    let event = Logged::SystemAlert(EventData::Own(Message {
        user_id: None,
        title: title.to_owned(),
        message,
    }));
    let announce = Operation::Announce {
        shop: shop.clone(),
        event: Box::new(event),
        at: clock.now(),
    };
    store.write(announce).await.map(drop)
}

/// Whether the shop has shut us out; `None` when it does not answer.
async fn closed(client: &Client) -> Option<bool> {
    match timeout(limits::CONFIRM_TIMEOUT, client.shop()).await {
        Ok(Ok(_)) => Some(false),
        Ok(Err(Error::Token | Error::Grant(_))) => Some(true),
        Ok(Err(_)) | Err(_) => None,
    }
}
