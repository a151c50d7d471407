//! Which customers are online, however many sockets each has.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use schemas::{CustomerId, ShopDomain};

/// A customer of one shop. The same number in another shop is another person.
type ShopCustomer = (ShopDomain, CustomerId);

/// The number of sockets of each customer who is online.
#[derive(Debug, Default)]
pub(crate) struct OnlineCustomers(Mutex<BTreeMap<ShopCustomer, usize>>);

impl OnlineCustomers {
    /// Counts one socket more; true when it is the customer's first.
    pub(crate) fn socket_opened(&self, shop: &ShopDomain, customer: CustomerId) -> bool {
        let mut online = self.lock();
        let sockets = online.entry((shop.clone(), customer)).or_default();
        *sockets += 1;
        *sockets == 1
    }

    /// Counts one socket less; true when it was the customer's last.
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
