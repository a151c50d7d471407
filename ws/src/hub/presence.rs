//! Which customers are there, however many sockets each has.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use schemas::{CustomerId, ShopDomain};

/// A customer of a shop. The same number in another shop is somebody else.
type Customer = (ShopDomain, CustomerId);

/// How many sockets each has.
#[derive(Debug, Default)]
pub(crate) struct Presence(Mutex<BTreeMap<Customer, usize>>);

impl Presence {
    /// One socket more; whether it is the first.
    pub(crate) fn come(&self, shop: &ShopDomain, customer: CustomerId) -> bool {
        let mut there = self.lock();
        let sockets = there.entry((shop.clone(), customer)).or_default();
        *sockets += 1;
        *sockets == 1
    }

    /// One less; whether it was the last.
    pub(crate) fn go(&self, shop: &ShopDomain, customer: CustomerId) -> bool {
        let (mut there, customer) = (self.lock(), (shop.clone(), customer));
        let Some(sockets) = there.get_mut(&customer) else {
            return false;
        };
        *sockets -= 1;
        let last = *sockets == 0;
        if last {
            there.remove(&customer);
        }
        last
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Customer, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
