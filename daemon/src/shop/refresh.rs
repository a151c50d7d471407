//! Second refresher: records of which something was heard are read again, a paced group at a time.

use std::sync::Arc;
use std::time::Duration;

use schemas::{Clock, ShopDomain};
use shopify::{Client, Retry};
use store::{Batch, Cause, Operation, Store};
use tokio_util::sync::CancellationToken;

use crate::limits;
use crate::shop::identity::StoreIdentity;
use crate::supervisor::Heartbeat;
use crate::supervisor::stall::Stall;
use crate::wakeups::Wakeup;

/// Reads one shop's marked records.
pub(crate) struct RecordRefresher {
    /// The shop whose records are read.
    pub(crate) shop: ShopDomain,
    /// Where marks are, and where readings go.
    pub(crate) store: Arc<dyn Store>,
    /// Reads records by the shop's API.
    pub(crate) client: Arc<Client>,
    /// The clock; the only source of the present time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Whether the store is the one that the database is of.
    pub(crate) identity: Arc<StoreIdentity>,
    /// Records may have become dirty.
    pub(crate) record_dirty: Wakeup,
}

impl RecordRefresher {
    /// Works until told to stop.
    pub(crate) async fn run(mut self, heartbeat: Heartbeat, stop: CancellationToken) {
        let mut stall = Stall::of(format!("refreshes of {}", self.shop));
        loop {
            self.record_dirty.clear();
            let pause = tokio::select! {
                () = stop.cancelled() => return,
                read = async {
                    self.identity.is_confirmed().await;
                    heartbeat.work(self.group(&mut stall)).await
                } => match read {
                    Ok(0) => limits::REFRESH_PAUSE,
                    Ok(_) => continue,
                    Err(pause) => pause,
                },
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.record_dirty.received(), if pause == limits::REFRESH_PAUSE => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Reads the records that were marked longest ago; how many. `Err` is how long to wait.
    async fn group(&self, stall: &mut Stall) -> Result<usize, Duration> {
        let now = self.clock.now();
        let marked = self
            .store
            .marked(&self.shop, now, limits::REFRESH_GROUP)
            .await;
        if marked.is_err() {
            stall.note(&marked);
        }
        let marked = marked.map_err(|_| limits::STORE_PAUSE)?;
        if marked.is_empty() {
            return Ok(0);
        }
        let keys: Vec<_> = marked
            .iter()
            .map(|marked| (marked.key, marked.gid.clone()))
            .collect();
        let found = self.client.refresh(&keys).await.map_err(|error| {
            // While that lasts it is a problem, which is logged when it begins and when it ends.
            tracing::debug!(shop.domain = %self.shop, %error, records = keys.len(), "refreshes wait: Shopify gave no answer");
            match error.retry() {
                Retry::After(wait) => wait,
                Retry::Now | Retry::Never => limits::SHOPIFY_PAUSE,
            }
        })?;
        let marks = marked
            .iter()
            .map(|marked| (marked.key, marked.mark))
            .collect();
        let changes = found.into_iter().flat_map(|(_, changes)| changes).collect();
        let batch = Batch {
            shop: self.shop.clone(),
            at: self.clock.now(),
            cause: Cause::Read(marks),
            changes,
        };
        let applied = self.store.write(Operation::Apply(batch)).await;
        // Not before: on a full disk everything can be read, and nothing goes on.
        stall.note(&applied);
        applied.map(|_| keys.len()).map_err(|_| limits::STORE_PAUSE)
    }
}
