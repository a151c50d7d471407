//! Places for connections: so many in all, so many of one address, and some that are kept for webhooks.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use ws::transport::AddressCounts;

use crate::limits::{CONNECTIONS_KEPT, CONNECTIONS_KEPT_PER_ADDRESS, CONNECTIONS_MAX};

/// The places of all listeners together. A connection that becomes a WebSocket gives its place back: those are counted
/// where they are served.
pub(crate) struct ConnectionPlaces {
    free: Arc<Semaphore>,
    kept: Arc<Semaphore>,
    addresses: AddressCounts,
    per_address_max: usize,
}

/// The right to one connection; its place is free again when it is dropped.
pub(crate) struct ConnectionPlace {
    _permit: OwnedSemaphorePermit,
    _address: Option<AddressPlace>,
    is_kept: bool,
}

/// One connection or request of an address, until it is dropped.
pub(crate) struct AddressPlace(Arc<ConnectionPlaces>, IpAddr);

impl Drop for AddressPlace {
    fn drop(&mut self) {
        self.0.addresses.leave(self.1);
    }
}

impl ConnectionPlace {
    /// Whether only webhooks, and those who ask how we are, are served there.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept
    }
}

impl ConnectionPlaces {
    /// With that many of one address.
    pub(crate) fn new(per_address_max: usize) -> Arc<Self> {
        let (free, kept) = (Semaphore::new(CONNECTIONS_MAX), Semaphore::new(CONNECTIONS_KEPT));
        Arc::new(Self {
            free: Arc::new(free),
            kept: Arc::new(kept),
            addresses: AddressCounts::default(),
            per_address_max,
        })
    }

    /// A place for a connection from there; `None` when it has to go. A proxy of ours is no client, so its connections
    /// are not counted by address (`None`); the requests that it brings are.
    ///
    /// Where the usual places are taken, of this address or of all, there is one of those kept, so that whoever fills
    /// the daemon with connections does not keep webhooks out.
    pub(crate) fn take(self: &Arc<Self>, client: Option<IpAddr>) -> Option<ConnectionPlace> {
        let address = client.map(|client| self.take_of(client, self.per_address_max));
        if let None | Some(Some(_)) = address
            && let Ok(permit) = Arc::clone(&self.free).try_acquire_owned()
        {
            return Some(ConnectionPlace { _permit: permit, _address: address.flatten(), is_kept: false });
        }
        let most = self.per_address_max + CONNECTIONS_KEPT_PER_ADDRESS;
        let address = match (client, address.flatten()) {
            (Some(client), None) => Some(self.take_of(client, most)?),
            (_, address) => address,
        };
        let permit = Arc::clone(&self.kept).try_acquire_owned().ok()?;
        Some(ConnectionPlace { _permit: permit, _address: address, is_kept: true })
    }

    /// A place for a request that a proxy of ours brings from there, while it is answered.
    pub(crate) fn take_request(self: &Arc<Self>, client: IpAddr) -> Option<AddressPlace> {
        self.take_of(client, self.per_address_max)
    }

    fn take_of(self: &Arc<Self>, client: IpAddr, most: usize) -> Option<AddressPlace> {
        self.addresses.enter(client, most).then(|| AddressPlace(Arc::clone(self), client))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn one_address_fills_its_own_places_and_no_others() {
        let places = ConnectionPlaces::new(3);
        let taken: Vec<_> = (0..1_000).filter_map(|_| places.take(ip("2001:db8::1"))).collect();
        assert_eq!(taken.len(), 3 + CONNECTIONS_KEPT_PER_ADDRESS);
        assert_eq!(taken.iter().filter(|place| place.is_kept()).count(), CONNECTIONS_KEPT_PER_ADDRESS);
        assert!(places.take(ip("2001:db8::2")).is_none(), "the same /64");
        assert!(!places.take(ip("192.0.2.1")).unwrap().is_kept());
        assert!(!places.take(None).unwrap().is_kept(), "a proxy of ours");
        drop(taken);
        assert!(!places.take(ip("2001:db8::1")).unwrap().is_kept());
    }

    #[test]
    fn what_is_kept_is_there_when_everything_else_is_taken() {
        let places = ConnectionPlaces::new(CONNECTIONS_MAX);
        let taken: Vec<_> = (0..CONNECTIONS_MAX).map(|_| places.take(ip("192.0.2.1")).unwrap()).collect();
        assert!(taken.iter().all(|place| !place.is_kept()));
        let kept: Vec<_> = (0..CONNECTIONS_KEPT).map(|_| places.take(ip("192.0.2.2")).unwrap()).collect();
        assert!(kept.iter().all(ConnectionPlace::is_kept));
        assert!(places.take(ip("192.0.2.3")).is_none());
        drop(taken);
        assert!(!places.take(ip("192.0.2.3")).unwrap().is_kept());
    }
}
