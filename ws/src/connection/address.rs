//! Where a request comes from, as far as it is known, and how many do from there.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use serde::Deserialize;

/// An address, or all that begin alike: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// The text is no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address or network: write 192.0.2.7 or 10.0.0.0/8")]
pub struct NetworkError(String);

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let refuse = || NetworkError(text.chars().take(50).collect());
        let (address, bits) = text
            .split_once('/')
            .map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| refuse())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), str::parse).map_err(|_| refuse())?;
        if bits > most {
            Err(refuse())
        } else {
            Ok(Self { address, bits })
        }
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;
    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

impl Network {
    /// Whether it holds so much that nobody can know everybody in it: more than an IPv4 /8 or, outside private networks, more
    /// than an IPv6 /32.
    pub fn is_wide(&self) -> bool {
        match self.address {
            IpAddr::V4(_) => self.bits < 8,
            IpAddr::V6(address) => {
                let private = address.is_unique_local() && self.bits >= 7
                    || address.is_unicast_link_local() && self.bits >= 10;
                self.bits < 32 && !private
            }
        }
    }

    /// Whether it names IPv4 addresses in IPv6's way. It contains none, because they are compared in their own way.
    pub fn is_mapped(&self) -> bool {
        matches!(self.address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
    }

    /// Whether that address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(mine), IpAddr::V4(other)) => alike(
                mine.to_bits().into(),
                other.to_bits().into(),
                self.bits + 96,
            ),
            (IpAddr::V6(mine), IpAddr::V6(other)) => {
                alike(mine.to_bits(), other.to_bits(), self.bits)
            }
            _ => false,
        }
    }
}

fn alike(one: u128, other: u128, bits: u8) -> bool {
    (one ^ other).leading_zeros() >= bits.into()
}

/// The client's address: the last hop that is none of ours. Whatever stands to the left of it anybody may have written.
pub(crate) fn of_client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let is_ours = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut client = peer;
    let told = headers.get_all("x-forwarded-for").iter().rev();
    let hops = told.flat_map(|value| {
        value
            .to_str()
            .unwrap_or_default()
            .rsplit(',')
            .map(str::trim)
            .map(address)
    });
    for hop in hops {
        match hop {
            Some(hop) if is_ours(client) => client = hop,
            // What cannot be read was not written by a proxy of ours.
            _ => break,
        }
    }
    client.to_canonical()
}

/// An address as proxies write it, perhaps with a port.
fn address(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse().map(|socket: std::net::SocketAddr| socket.ip());
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    hop.parse()
        .ok()
        .or_else(|| with_port().ok())
        .or_else(in_brackets)
}

/// What is counted as one: an address, and of IPv6 a /64, because whoever has one address there has them all.
pub fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Connections by where they come from. An address without connections is not in it, so it has an entry for each
/// connection at most.
#[derive(Debug, Default)]
pub struct AddressCounts(Mutex<HashMap<IpAddr, usize>>);

impl AddressCounts {
    /// One more, if there are not that many already.
    pub fn enter(&self, address: IpAddr, most: usize) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(counted_as(address)).or_default();
        let free = *count < most;
        *count += usize::from(free);
        free
    }

    /// One less.
    pub fn leave(&self, address: IpAddr) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let address = counted_as(address);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_is_an_address_or_what_begins_like_it() {
        let is_in =
            |network: &str, address| network.parse::<Network>().unwrap().contains(ip(address));
        assert!(is_in("10.0.0.0/8", "10.200.3.4") && !is_in("10.0.0.0/8", "11.0.0.0"));
        assert!(is_in("192.0.2.7", "192.0.2.7") && !is_in("192.0.2.7", "192.0.2.8"));
        assert!(
            is_in("10.0.0.0/8", "::ffff:10.0.0.1"),
            "an IPv4 address in IPv6 clothes"
        );
        assert!(is_in("2001:db8::/32", "2001:db8:1::1") && !is_in("2001:db8::/32", "2001:db9::1"));
        assert!(is_in("0.0.0.0/0", "8.8.8.8") && !is_in("0.0.0.0/0", "::1"));
        for wrong in [
            "",
            "10.0.0.0/33",
            "::/129",
            "ten",
            "10.0.0.0/",
            "10.0.0.0/-1",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_client_is_the_last_hop_that_is_no_proxy_of_ours() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let client = |peer, hops: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for hop in hops {
                headers.append("x-forwarded-for", HeaderValue::from_static(hop));
            }
            of_client(ip(peer), &headers, &trusted).to_string()
        };
        assert_eq!(
            client("192.0.2.1", &["1.1.1.1"]),
            "192.0.2.1",
            "nobody of ours says so"
        );
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["192.0.2.9"]), "192.0.2.9");
        assert_eq!(
            client("10.0.0.1", &["6.6.6.6, 192.0.2.9, 10.0.0.2"]),
            "192.0.2.9"
        );
        assert_eq!(
            client("10.0.0.1", &["6.6.6.6, 192.0.2.9", "10.0.0.2"]),
            "192.0.2.9"
        );
        assert_eq!(
            client("10.0.0.1", &["6.6.6.6, nonsense, 10.0.0.2"]),
            "10.0.0.2"
        );
        assert_eq!(client("10.0.0.1", &["192.0.2.9:4711"]), "192.0.2.9");
        assert_eq!(client("10.0.0.1", &["[2001:db8::1]:4711"]), "2001:db8::1");
    }

    #[test]
    fn an_address_is_forgotten_with_its_last_connection() {
        let addresses = AddressCounts::default();
        assert!(addresses.enter(ip("192.0.2.1"), 2) && addresses.enter(ip("::ffff:192.0.2.1"), 2));
        assert!(!addresses.enter(ip("192.0.2.1"), 2) && addresses.enter(ip("192.0.2.2"), 2));
        addresses.leave(ip("192.0.2.1"));
        assert!(addresses.enter(ip("192.0.2.1"), 2));
        for address in ["192.0.2.1", "192.0.2.1", "192.0.2.2"] {
            addresses.leave(ip(address));
        }
        assert!(addresses.0.lock().unwrap().is_empty());
        assert!(addresses.enter(ip("2001:db8::1"), 1) && !addresses.enter(ip("2001:db8::ffff"), 1));
        assert!(addresses.enter(ip("2001:db8:0:1::1"), 1));
    }
}
