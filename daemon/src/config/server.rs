//! `[[server]]`: where to listen, and for whom.

use std::net::SocketAddr;

use serde::Deserialize;
use ws::Network;

/// One listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address and port.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// Pages that may connect, each an exact origin such as `https://stock.example.com`.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Addresses or networks (`10.0.0.0/8`) of proxies whose `X-Forwarded-For` is believed, for counting by address.
    #[serde(default)]
    pub trusted_proxies: Vec<Network>,
}

fn listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}
