//! The whole pretend shop as its parts share it: truth, time, bucket, deliveries, faults.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::bucket::Bucket;
use crate::bulk::BulkShared;
use crate::call::Calls;
use crate::clock::SimClock;
use crate::delivery::DeliveryQueue;
use crate::fault::ApiFaults;
use crate::graphql::{Api, IdempotencyKeys};
use crate::shopper::Shoppers;
use crate::store::SimStore;

/// The longest time between two purchases, in seconds: a day.
const MAX_GAP: f64 = 86_400.0;
/// The most purchases a second.
pub(crate) const MAX_SHOPPERS: f64 = 10_000.0;

pub(crate) struct SimShop {
    pub(crate) domain: String,
    /// The app and its access tokens.
    pub(crate) app: Mutex<App>,
    /// The HTTP status of a call for which there are not enough points.
    pub(crate) throttled_status: u16,
    pub(crate) clock: SimClock,
    pub(crate) bulk: BulkShared,
    pub(crate) deliveries: DeliveryQueue,
    pub(crate) api: Api,
    /// Requests answered, for their ids.
    pub(crate) requests: AtomicU64,
    /// Purchases per second.
    pub(crate) pace: watch::Sender<f64>,
    pub(crate) store: RwLock<SimStore>,
    pub(crate) bucket: Mutex<Bucket>,
    pub(crate) calls: Mutex<Calls>,
    pub(crate) api_faults: Mutex<ApiFaults>,
    pub(crate) keys: Mutex<IdempotencyKeys>,
    pub(crate) shoppers: Mutex<Shoppers>,
}

/// The state is whole after every statement, so a panic elsewhere does not spoil it.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SimShop {
    pub(crate) fn store(&self) -> RwLockReadGuard<'_, SimStore> {
        self.store.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn store_mut(&self) -> RwLockWriteGuard<'_, SimStore> {
        self.store.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the shop and sends out what is to be told about it.
    pub(crate) fn act<R>(&self, action: impl FnOnce(&mut SimStore, Timestamp) -> R) -> R {
        let mut store = self.store_mut();
        let answer = action(&mut store, self.clock.now());
        let notices = store.take_notices();
        self.deliveries.add(&store, notices);
        answer
    }
}

/// Lets shoppers in at the shop's pace until stopped.
pub(crate) async fn shop_on(shop: Arc<SimShop>, closing: CancellationToken) {
    let mut pace = shop.pace.subscribe();
    loop {
        let per_second = *pace.borrow_and_update();
        if per_second <= 0.0 {
            tokio::select! {
                _ = pace.changed() => continue,
                () = closing.cancelled() => return,
            }
        }
        let gap = Duration::from_secs_f64((1.0 / per_second).min(MAX_GAP));
        let mut next = Instant::now() + gap;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                _ = pace.changed() => break,
                () = closing.cancelled() => return,
            }
            // Shoppers who could not come in time come now, but not those of more than a second ago.
            next = (next + gap).max(
                Instant::now()
                    .checked_sub(Duration::from_secs(1))
                    .unwrap_or(next),
            );
            let mut shoppers = lock(&shop.shoppers);
            shop.act(|store, now| shoppers.act(store, now));
        }
    }
}
