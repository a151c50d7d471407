//! Places for connections: so many in all, so many of one address, and some that are kept for webhooks.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use ws::connection::{AddressCounts, counted_as};

use crate::limits::{CONNECTIONS_KEPT, CONNECTIONS_KEPT_PER_ADDRESS, CONNECTIONS_MAX};

/// The places of all listeners together. A connection that becomes a WebSocket gives its place back: those are counted
/// where they are served.
pub(crate) struct ConnectionPlaces {
    free: Arc<Semaphore>,
    addresses: AddressCounts,
    per_address_max: usize,
    /// Those on kept places, in order of arrival.
    kept: Mutex<VecDeque<KeptConnection>>,
}

struct KeptConnection {
    evicted: CancellationToken,
    address: Option<IpAddr>,
    /// Whether its request has come. Until then it makes room for one that comes later.
    is_busy: bool,
}

/// The right to one connection; its place is free again when it is dropped.
#[derive(Default)]
pub(crate) struct ConnectionPlace {
    _permit: Option<OwnedSemaphorePermit>,
    _address: Option<AddressPlace>,
    /// In place of the others.
    kept: Option<KeptPlace>,
}

/// One of the kept places, until it is dropped.
pub(crate) struct KeptPlace {
    places: Arc<ConnectionPlaces>,
    evicted: CancellationToken,
}

/// One connection or request of an address, until it is dropped.
pub(crate) struct AddressPlace(Arc<ConnectionPlaces>, IpAddr);

impl Drop for AddressPlace {
    fn drop(&mut self) {
        self.0.addresses.leave(self.1);
    }
}

impl Drop for KeptPlace {
    fn drop(&mut self) {
        self.places
            .kept()
            .retain(|kept| kept.evicted != self.evicted);
    }
}

impl ConnectionPlace {
    /// Whether only webhooks, and those who ask how we are, are served there, one request on each connection.
    pub(crate) fn is_kept(&self) -> bool {
        self.kept.is_some()
    }

    /// Its request has come, so nobody may have its place any more.
    pub(crate) fn hold(&self) {
        if let Some(place) = &self.kept {
            let mut kept = place.places.kept();
            if let Some(own) = kept.iter_mut().find(|kept| kept.evicted == place.evicted) {
                own.is_busy = true;
            }
        }
    }

    /// Waits until somebody else has its place.
    pub(crate) async fn evicted(&self) {
        match &self.kept {
            Some(place) => place.evicted.cancelled().await,
            None => std::future::pending().await,
        }
    }
}

impl ConnectionPlaces {
    /// With that many of one address.
    pub(crate) fn new(per_address_max: usize) -> Arc<Self> {
        let free = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        Arc::new(Self {
            free,
            addresses: AddressCounts::default(),
            per_address_max,
            kept: Mutex::default(),
        })
    }

    /// A place for a connection from there; `None` when it has to go. A proxy of ours is no client, so its connections
    /// are not counted by address (`None`); the requests that it brings are.
    ///
    /// Where the usual places are taken, of this address or of all, there is one of those kept, so that whoever fills
    /// the daemon with connections does not keep webhooks out.
    pub(crate) fn take(self: &Arc<Self>, client: Option<IpAddr>) -> Option<ConnectionPlace> {
        let address = client.map(|client| self.take_request(client));
        if !matches!(address, Some(None))
            && let Ok(permit) = Arc::clone(&self.free).try_acquire_owned()
        {
            return Some(ConnectionPlace {
                _permit: Some(permit),
                _address: address.flatten(),
                kept: None,
            });
        }
        let kept = self.keep(client.map(counted_as))?;
        Some(ConnectionPlace {
            kept: Some(kept),
            ..ConnectionPlace::default()
        })
    }

    /// A place for a request that a proxy of ours brings from there, while it is answered.
    pub(crate) fn take_request(self: &Arc<Self>, client: IpAddr) -> Option<AddressPlace> {
        let is_free = self.addresses.enter(client, self.per_address_max);
        is_free.then(|| AddressPlace(Arc::clone(self), client))
    }

    /// One of the kept places. Whoever connects and says nothing has it only until somebody else wants it: a webhook
    /// comes with its connection.
    fn keep(self: &Arc<Self>, address: Option<IpAddr>) -> Option<KeptPlace> {
        let mut kept = self.kept();
        let is_of_it = |other: &KeptConnection| address.is_some() && other.address == address;
        let full_of_it =
            kept.iter().filter(|other| is_of_it(other)).count() >= CONNECTIONS_KEPT_PER_ADDRESS;
        if full_of_it || kept.len() >= CONNECTIONS_KEPT {
            let silent =
                |other: &KeptConnection| !other.is_busy && (!full_of_it || is_of_it(other));
            let evicted = kept
                .iter()
                .position(silent)
                .and_then(|at| kept.remove(at))?;
            evicted.evicted.cancel();
        }
        let evicted = CancellationToken::new();
        kept.push_back(KeptConnection {
            evicted: evicted.clone(),
            address,
            is_busy: false,
        });
        Some(KeptPlace {
            places: Arc::clone(self),
            evicted,
        })
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<KeptConnection>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::unnecessary_wraps,
        reason = "places are taken for a client that may be exempt"
    )]
    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    fn is_evicted(place: &ConnectionPlace) -> bool {
        place
            .kept
            .as_ref()
            .is_some_and(|place| place.evicted.is_cancelled())
    }

    #[test]
    fn one_address_fills_its_own_places_and_no_others() {
        let places = ConnectionPlaces::new(3);
        let taken: Vec<_> = (0..1_000)
            .map(|_| places.take(ip("2001:db8::1")).unwrap())
            .collect();
        assert!(
            taken[..3].iter().all(|place| !place.is_kept())
                && taken[3..].iter().all(ConnectionPlace::is_kept)
        );
        assert_eq!(places.kept().len(), CONNECTIONS_KEPT_PER_ADDRESS);
        assert!(
            is_evicted(&taken[3]) && !is_evicted(taken.last().unwrap()),
            "the oldest goes"
        );
        assert!(
            places.take(ip("2001:db8::2")).unwrap().is_kept(),
            "the same /64"
        );
        assert!(!places.take(ip("192.0.2.1")).unwrap().is_kept());
        assert!(!places.take(None).unwrap().is_kept(), "a proxy of ours");
        drop(taken);
        assert!(!places.take(ip("2001:db8::1")).unwrap().is_kept());
        assert!(places.kept().is_empty());
    }

    #[test]
    fn whoever_has_sent_a_request_keeps_the_place() {
        let places = ConnectionPlaces::new(0);
        let webhooks: Vec<_> = (0..CONNECTIONS_KEPT_PER_ADDRESS)
            .map(|_| places.take(ip("192.0.2.1")).unwrap())
            .collect();
        webhooks.iter().for_each(ConnectionPlace::hold);
        assert!(places.take(ip("192.0.2.1")).is_none());
        assert!(!webhooks.iter().any(is_evicted));
        assert!(places.take(ip("192.0.2.2")).is_some());
    }

    #[test]
    fn what_is_kept_is_there_when_everything_else_is_taken() {
        let places = ConnectionPlaces::new(CONNECTIONS_MAX);
        let taken: Vec<_> = (0..CONNECTIONS_MAX)
            .map(|_| places.take(ip("192.0.2.1")).unwrap())
            .collect();
        assert!(taken.iter().all(|place| !place.is_kept()));
        let kept: Vec<_> = (0..CONNECTIONS_KEPT)
            .map(|_| places.take(None).unwrap())
            .collect();
        assert!(kept.iter().all(ConnectionPlace::is_kept));
        assert!(places.take(ip("192.0.2.3")).unwrap().is_kept() && is_evicted(&kept[0]));
        drop(taken);
        assert!(!places.take(ip("192.0.2.3")).unwrap().is_kept());
    }
}
