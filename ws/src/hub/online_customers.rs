//! Which customers are online, however many sockets each has.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use schemas::{CustomerId, ShopDomain};

/// A customer of a shop. The same number in another shop is somebody else.
type ShopCustomer = (ShopDomain, CustomerId);

/// How many sockets each has.
#[derive(Debug, Default)]
pub(crate) struct OnlineCustomers(Mutex<BTreeMap<ShopCustomer, usize>>);

impl OnlineCustomers {
    /// One socket more; whether it is the first.
    pub(crate) fn socket_opened(&self, shop: &ShopDomain, customer: CustomerId) -> bool {
        let mut online = self.lock();
        let sockets = online.entry((shop.clone(), customer)).or_default();
        *sockets += 1;
        *sockets == 1
    }

    /// One less; whether it was the last.
    pub(crate) fn socket_closed(&self, shop: &ShopDomain, customer: CustomerId) -> bool {
        let (mut online, customer) = (self.lock(), (shop.clone(), customer));
        let Some(sockets) = online.get_mut(&customer) else {
            return false;
        };
        *sockets -= 1;
        let last = *sockets == 0;
        if last {
            online.remove(&customer);
        }
        last
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ShopCustomer, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
