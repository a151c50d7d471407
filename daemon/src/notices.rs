//! What webhooks ask for beside changes: the app is gone, a customer is to be forgotten, a bulk operation has ended.
//!
//! Topics and shops are unsigned headers, so a replayed body can come under any. What would do harm is done only when
//! Shopify itself confirms it.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemas::event::Notice as Message;
use schemas::{Change, Clock, Event, ShopDomain};
use shopify::{Client, Error, Notice};
use store::{Fate, Operation, Store, StoreError};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::limits;

/// What is at hand to act on notices.
pub(crate) struct Notices {
    /// Where people are told.
    pub(crate) store: Arc<dyn Store>,
    /// Our time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Each shop's handles.
    pub(crate) shops: BTreeMap<ShopDomain, Handles>,
}

/// What a notice of a shop can set going.
pub(crate) struct Handles {
    /// The shop itself.
    pub(crate) client: Arc<Client>,
    /// A bulk operation has ended.
    pub(crate) bulk_ended: Arc<watch::Sender<()>>,
    /// The app's scopes may have changed.
    pub(crate) scopes_changed: Arc<watch::Sender<()>>,
    /// Ends what works for the shop.
    pub(crate) stop: CancellationToken,
}

impl Notices {
    /// Whether customers' names are wanted in that shop.
    pub(crate) fn asks_names(&self, shop: &ShopDomain) -> bool {
        self.shops.get(shop).is_some_and(|handles| handles.client.asks_names())
    }

    /// Acts on a notice: what becomes of its delivery, and what it changes.
    pub(crate) async fn act(
        &self,
        shop: &ShopDomain,
        notice: Notice,
    ) -> Result<(Fate, Vec<Change>), StoreError> {
        let Some(handles) = self.shops.get(shop) else { return Ok((Fate::Ignored, Vec::new())) };
        match notice {
            Notice::BulkFinished(_) => handles.bulk_ended.send_replace(()),
            Notice::ScopesChanged { .. } => handles.scopes_changed.send_replace(()),
            Notice::ShopChanged => {}
            Notice::CustomerDataRequested { shop: of, customer } if of == *shop => {
                let name = if handles.client.asks_names() { ", the name" } else { "" };
                let message = format!(
                    "Customer {customer}: stockd keeps the customer's id{name}, when it was made and changed, and which orders are theirs (/api/v1/customers, /api/v1/orders). Answer within 30 days."
                );
                self.tell(shop, "A customer asks what is kept of them", message).await?;
            }
            Notice::CustomerRedacted { shop: of, customer } if of == *shop => {
                tracing::info!(shop.domain = %shop, "everything kept of a customer is forgotten, as Shopify asks");
                return Ok((Fate::Applied, vec![Change::Redacted(customer)]));
            }
            Notice::AppUninstalled => match closed(&handles.client).await {
                Some(true) => {
                    tracing::error!(shop.domain = %shop, "the app was uninstalled: nothing more is synced; install it again and restart stockd");
                    handles.stop.cancel();
                    handles.client.app_is_uninstalled();
                }
                _ => {
                    tracing::warn!(shop.domain = %shop, "a webhook says that the app was uninstalled, and Shopify does not");
                }
            },
            Notice::ShopRedacted { shop: of } if of == *shop => match closed(&handles.client).await {
                Some(true) => {
                    handles.stop.cancel();
                    self.store.write(Operation::Forget { shop: shop.clone() }).await?;
                    tracing::error!(shop.domain = %shop, "everything of the shop is forgotten, as Shopify asks 48 hours after the app was uninstalled");
                }
                Some(false) => {
                    tracing::warn!(shop.domain = %shop, "a webhook asks to forget the shop, whose app is installed: nothing was forgotten");
                }
                None => {
                    let reason = "whether the app is uninstalled could not be told: nothing was forgotten";
                    return Ok((Fate::Unreadable(reason.to_owned()), Vec::new()));
                }
            },
            Notice::CustomerDataRequested { .. }
            | Notice::CustomerRedacted { .. }
            | Notice::ShopRedacted { .. } => {
                tracing::warn!(shop.domain = %shop, "a privacy webhook names another shop than its header and was ignored");
                return Ok((Fate::Ignored, Vec::new()));
            }
        }
        Ok((Fate::Applied, Vec::new()))
    }

    async fn tell(&self, shop: &ShopDomain, title: &str, message: String) -> Result<(), StoreError> {
        announce(self.store.as_ref(), self.clock.as_ref(), shop, title, message).await
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
    let event = Event::SystemAlert(Message { user_id: None, title: title.to_owned(), message });
    let announce = Operation::Announce { shop: shop.clone(), event: Box::new(event), at: clock.now() };
    store.write(announce).await.map(drop)
}

/// Whether the shop has shut us out; `None` when it does not answer. Other deliveries wait for it.
async fn closed(client: &Client) -> Option<bool> {
    match timeout(limits::CONFIRM_TIMEOUT, client.shop()).await {
        Ok(Ok(_)) => Some(false),
        Ok(Err(Error::Token | Error::Grant(_))) => Some(true),
        Ok(Err(_)) | Err(_) => None,
    }
}
