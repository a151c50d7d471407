//! `[[server]]`: where to listen, and for whom.

use std::net::SocketAddr;

use serde::Deserialize;

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
}

fn listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}
