//! Whether the store at the other end is the one that the database is of.
//!
//! A configuration, a domain or a pretend store may be another one than before. Its records would be mixed with those
//! that are here, and commands meant for one store would be sent to the other.

use std::sync::Arc;
use std::time::Duration;

use schemas::ShopDomain;
use shopify::{ApiProblem, Client};
use store::{Operation, Store};
use tokio::sync::{Mutex, watch};

use crate::limits;
use crate::supervisor::problems::{OTHER_STORE, Problems};

/// Compares one shop's id with the one that the database keeps since the first contact.
pub(crate) struct StoreIdentity {
    /// The shop whose id is compared.
    shop: ShopDomain,
    /// Asks the Admin API of the shop for its id.
    client: Arc<Client>,
    /// Where its id is kept.
    store: Arc<dyn Store>,
    /// Where it is told.
    problems: Arc<Problems>,
    /// Whether it was found to be the same.
    same: watch::Sender<bool>,
    /// Held by the one of many waiting tasks who asks; how long until the next time.
    asking: Mutex<Duration>,
}

/// Why nothing is exchanged with the store.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "the store that answers for {shop} ({found}) is not the one that this database is of: nothing is read from it or \
     written to it. Correct the shop's domain, api_url and credentials, or begin a new database with another [store] url"
)]
pub(crate) struct OtherStore {
    shop: ShopDomain,
    found: String,
}

impl StoreIdentity {
    pub(crate) fn new(
        shop: ShopDomain,
        client: Arc<Client>,
        store: Arc<dyn Store>,
        problems: Arc<Problems>,
    ) -> Self {
        let (same, asking) = (watch::Sender::new(false), Mutex::new(limits::SHOPIFY_PAUSE));
        Self {
            shop,
            client,
            store,
            problems,
            same,
            asking,
        }
    }

    /// Asks which store answers. Where it gives no answer, nothing is known anew.
    pub(crate) async fn confirm(&self) -> Result<(), OtherStore> {
        let Ok(found) = self.client.shop().await else {
            return Ok(());
        };
        let keep = Operation::KeepIdentity {
            shop: self.shop.clone(),
            id: found.id.clone(),
        };
        let Ok(kept) = self.store.write(keep).await else {
            return Ok(());
        };
        self.same.send_replace(kept.fresh);
        if kept.fresh {
            self.problems.end(&self.shop, OTHER_STORE);
            return Ok(());
        }
        let other = OtherStore {
            shop: self.shop.clone(),
            found: found.id,
        };
        let title = "Another store answers";
        self.problems.begin(
            &self.shop,
            ApiProblem {
                kind: OTHER_STORE,
                title,
                message: other.to_string(),
            },
        );
        Err(other)
    }

    /// Waits until the store was found to be the same.
    pub(crate) async fn is_confirmed(&self) {
        let mut same = self.same.subscribe();
        if *same.borrow_and_update() {
            return;
        }
        let ask = async {
            let mut pause = self.asking.lock().await;
            loop {
                // What is wrong is told as a problem.
                let _ = self.confirm().await;
                tokio::time::sleep(*pause).await;
                *pause = (*pause * 2).min(limits::IDENTITY_PAUSE_MAX);
            }
        };
        tokio::select! {
            () = ask => {}
            // A run, or another task, may find it out.
            _ = same.wait_for(|same| *same) => {}
        }
    }
}
