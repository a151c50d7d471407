//! `[[server]]`: where to listen, and for whom.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use ws::contracts::Root;
use ws::{Entrance, Network};

/// One listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address and port.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// What clients find at `/` of Socket.IO: `oda`, or `hub` for those of a port of its own.
    #[serde(default, deserialize_with = "root")]
    pub root: Root,
    /// Pages that may connect, each an exact origin such as `https://stock.example.com`.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Addresses or networks (`10.0.0.0/8`) of proxies whose `X-Forwarded-For` is believed, for counting by address.
    #[serde(default)]
    pub trusted_proxies: Vec<Network>,
    /// Addresses or networks from which calls without a token are taken as those of a service: they may post events and
    /// ask who is connected. None, unless older programs have no token to send.
    #[serde(default)]
    pub trusted_networks: Vec<Network>,
    /// Further hosts by which such calls name this daemon, without a port. IP addresses, `localhost` and the hosts of
    /// `origins` and of shops' `webhook_address` are known anyway. A page elsewhere can have its own name resolve to our
    /// address, but cannot have its browser send another one.
    #[serde(default, deserialize_with = "hosts")]
    pub hosts: Vec<String>,
}

impl Server {
    /// Whom it lets in.
    pub fn entrance(&self) -> Entrance {
        let (origins, trusted_proxies) = (self.origins.clone(), self.trusted_proxies.clone());
        Entrance { root: self.root, origins, trusted_proxies, refused: Arc::default() }
    }
}

fn root<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Root, D::Error> {
    match &*String::deserialize(deserializer)? {
        "hub" => Ok(Root::Hub),
        "oda" => Ok(Root::Oda),
        other => Err(D::Error::custom(format!("root is \"oda\" or \"hub\", not {other:?}"))),
    }
}

fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let hosts = Vec::<String>::deserialize(deserializer)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    match hosts.iter().find(|host| host.is_empty() || !host.bytes().all(plain)) {
        Some(wrong) => Err(D::Error::custom(format!(
            "hosts are names without scheme, port or path, such as \"stockd.internal\", not {wrong:?}"
        ))),
        None => Ok(hosts),
    }
}

fn listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_hosts_are_names_and_nothing_around_them() {
        let read = |host: &str| toml::from_str::<Server>(&format!("hosts = [\"{host}\"]"));
        assert_eq!(read("stockd.internal").unwrap().hosts, ["stockd.internal"]);
        for wrong in ["", "http://stockd.internal", "stockd.internal:8080", "stockd/", "*"] {
            let refused = read(wrong).unwrap_err().to_string();
            assert!(refused.contains("without scheme, port or path"), "{wrong}: {refused}");
        }
    }
}
