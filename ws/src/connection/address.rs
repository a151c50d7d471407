//! Where requests come from, as far as trusted proxies report it, and how many connections each
//! address has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use http::HeaderMap;
use serde::Deserialize;

/// An address or a network: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct IpNetwork {
    address: IpAddr,
    bits: u8,
}

/// The text is neither an address nor a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address or network: write 192.0.2.7 or 10.0.0.0/8")]
pub struct IpNetworkError(String);

impl FromStr for IpNetwork {
    type Err = IpNetworkError;

    fn from_str(text: &str) -> Result<Self, IpNetworkError> {
        let refuse = || IpNetworkError(text.chars().take(50).collect());
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

impl TryFrom<String> for IpNetwork {
    type Error = IpNetworkError;
    fn try_from(text: String) -> Result<Self, IpNetworkError> {
        text.parse()
    }
}

impl IpNetwork {
    /// Whether the network is so large that nobody can know everybody in it: more than an IPv4 /8
    /// or, outside private networks, more than an IPv6 /32.
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

    /// Whether it is an IPv4 network written as IPv6 (`::ffff:10.0.0.0/104`). It contains no
    /// address, because IPv4 addresses are compared as IPv4.
    pub fn is_mapped(&self) -> bool {
        matches!(self.address, IpAddr::V6(address) if address.to_ipv4_mapped().is_some())
    }

    /// Whether the address is in this network.
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

/// The client's address: the last hop that is no trusted proxy. Everything to the left of that hop
/// may be forged.
pub(crate) fn of_client(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNetwork]) -> IpAddr {
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
            // A trusted proxy writes addresses, so this was written by somebody else.
            _ => break,
        }
    }
    client.to_canonical()
}

/// An address as proxies write it, with or without a port.
fn address(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse().map(|socket: std::net::SocketAddr| socket.ip());
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    hop.parse()
        .ok()
        .or_else(|| with_port().ok())
        .or_else(in_brackets)
}

/// The unit in which connections are counted: an IPv4 address, or a /64 of IPv6, because one
/// customer usually gets a whole /64.
pub fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The number of connections of each address. An address without connections has no entry, so there
/// are at most as many entries as connections.
#[derive(Debug, Default)]
pub struct AddressCounts(Mutex<HashMap<IpAddr, usize>>);

impl AddressCounts {
    /// Counts one connection more; false, and nothing is counted, when there are already `most`.
    pub fn enter(&self, address: IpAddr, most: usize) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(counted_as(address)).or_default();
        // Looked at and counted under one lock: two connections cannot both take the last place.
        let free = *count < most;
        *count += usize::from(free);
        free
    }

    /// Counts one connection less.
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
            |network: &str, address| network.parse::<IpNetwork>().unwrap().contains(ip(address));
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
            assert!(wrong.parse::<IpNetwork>().is_err(), "{wrong}");
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
