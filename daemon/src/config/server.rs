//! `[[server]]`: where to listen, and for whom.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use reqwest::Url;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use ws::contracts::Root;
use ws::{IpNetwork, ListenerPolicy};

use super::ConfigFault;

/// One listener.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address, or the name of one, and port.
    #[serde(default)]
    pub listen: Address,
    /// What clients find at `/` of Socket.IO: `oda`, or `hub` for those of a port of its own.
    #[serde(default, deserialize_with = "root")]
    pub root: Root,
    /// Pages that may connect, each an exact origin such as `https://stock.example.com`.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Addresses or networks (`10.0.0.0/8`) of proxies whose `X-Forwarded-For` is believed, for counting by address.
    #[serde(default)]
    pub trusted_proxies: Vec<IpNetwork>,
    /// Addresses or networks from which calls without a token are taken as those of a service: they may post events and
    /// ask who is connected. None, unless older programs have no token to send.
    #[serde(default)]
    pub trusted_networks: Vec<IpNetwork>,
    /// Further hosts by which such calls name this daemon, without a port. IP addresses, `localhost` and the hosts of
    /// `origins` and of shops' `webhook_address` are known anyway. A page elsewhere can have its own name resolve to our
    /// address, but cannot have its browser send another one.
    #[serde(default, deserialize_with = "hosts")]
    pub hosts: Vec<String>,
}

impl Server {
    /// Whom it lets in.
    pub fn entrance(&self) -> ListenerPolicy {
        let (origins, trusted_proxies) = (self.origins.clone(), self.trusted_proxies.clone());
        ListenerPolicy {
            root: self.root,
            origins,
            trusted_proxies,
            refused: Arc::default(),
        }
    }

    pub(super) fn check(&self, at: &str) -> Result<(), ConfigFault> {
        for (n, origin) in self.origins.iter().enumerate() {
            if let Some(why) = refused_origin(origin) {
                return Err(ConfigFault::new(format!("{at}.origins[{n}]"), why));
            }
        }
        let believed = [
            (
                "trusted_proxies",
                &self.trusted_proxies,
                "anybody could claim any address",
            ),
            (
                "trusted_networks",
                &self.trusted_networks,
                "anybody could post events without a token",
            ),
        ];
        for (setting, networks, danger) in believed {
            for (n, network) in networks.iter().enumerate() {
                let why = if network.is_mapped() {
                    "names IPv4 addresses in IPv6's way and would match none: write it as 10.0.0.0/8"
                        .to_owned()
                } else if network.is_wide() {
                    format!(
                        "holds too much of the internet, so that {danger}: name the very addresses, or networks of /8 and smaller (IPv6: /32)"
                    )
                } else {
                    continue;
                };
                return Err(ConfigFault::new(format!("{at}.{setting}[{n}]"), why));
            }
        }
        Ok(())
    }
}

/// A host and a port to listen on: `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`. A name is looked up when the port is
/// opened; of several addresses, the first that can be had counts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address {
    host: String,
    port: u16,
}

impl Address {
    /// As `TcpListener::bind` takes it.
    pub fn pair(&self) -> (&str, u16) {
        (
            self.host.trim_start_matches('[').trim_end_matches(']'),
            self.port,
        )
    }

    /// The address as one on the same machine reaches it: "every address of this machine" is none to connect to.
    pub fn reachable(&self) -> String {
        let (host, port) = self.pair();
        match host.parse() {
            Ok(IpAddr::V4(ip)) if ip.is_unspecified() => {
                SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string()
            }
            Ok(IpAddr::V6(ip)) if ip.is_unspecified() => {
                SocketAddr::from((Ipv6Addr::LOCALHOST, port)).to_string()
            }
            _ => self.to_string(),
        }
    }

    /// The port; 0 is any that is free.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Default for Address {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8080,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let refused = "is no address and port: write 127.0.0.1:8080, [::1]:8080 or localhost:8080";
        let (host, port) = text.rsplit_once(':').ok_or(refused)?;
        let port = port.parse().map_err(|_| refused)?;
        let inner = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let is_host = if let Some(inner) = inner {
            inner.parse::<Ipv6Addr>().is_ok()
        } else {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            // What has digits only, and is no address, is a mistyped one and no name.
            let numbers = host
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.');
            !host.is_empty()
                && host.bytes().all(plain)
                && (!numbers || host.parse::<Ipv4Addr>().is_ok())
        };
        if is_host {
            Ok(Self {
                host: host.to_owned(),
                port,
            })
        } else {
            Err(refused)
        }
    }
}

impl TryFrom<String> for Address {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        text.parse()
    }
}

/// Why no browser will ever name that origin, if so (RFC 6454, section 6.2): they write scheme and host in lower case, and the
/// port only where it is not the scheme's own.
fn refused_origin(origin: &str) -> Option<String> {
    if origin.contains('*') {
        return Some(
            "matches no page: no pattern is taken; list each origin, such as \"https://stock.example.com\""
                .to_owned(),
        );
    }
    if origin == "null" {
        return Some("stands for pages without an origin, which anybody can make: serve yours from a host and list that".to_owned());
    }
    let Some((scheme, authority)) = origin
        .split_once("://")
        .filter(|(scheme, _)| !scheme.is_empty())
    else {
        return Some(
            "matches no page: write scheme and host, such as \"https://stock.example.com\""
                .to_owned(),
        );
    };
    let as_web = match scheme.to_ascii_lowercase().as_str() {
        "ws" => Some("http"),
        "wss" => Some("https"),
        "http" | "https" => Some(scheme),
        _ => None,
    };
    let Some(as_web) = as_web else {
        // An app's own, such as capacitor://localhost.
        let odd = |byte: u8| byte.is_ascii_uppercase() || b"/?#@ ".contains(&byte);
        let never = authority.is_empty()
            || origin.bytes().any(|byte| byte.is_ascii_uppercase())
            || authority.bytes().any(odd);
        return never.then(|| "matches no page: write scheme and host in small letters, and no path, such as \"capacitor://localhost\"".to_owned());
    };
    let url = format!("{as_web}://{authority}").parse::<Url>().ok();
    let Some(url) = url.filter(|url| url.username().is_empty() && url.password().is_none()) else {
        return Some(
            "matches no page: write scheme and host, such as \"https://stock.example.com\""
                .to_owned(),
        );
    };
    let named = url.origin().ascii_serialization();
    let named = named
        .split_once("://")
        .map_or("", |(_, authority)| authority);
    let named = format!("{}://{named}", scheme.to_ascii_lowercase());
    (named != origin)
        .then(|| format!("matches no page, because browsers write it otherwise: write \"{named}\""))
}

fn root<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Root, D::Error> {
    match &*String::deserialize(deserializer)? {
        "hub" => Ok(Root::Hub),
        "oda" => Ok(Root::Oda),
        other => Err(D::Error::custom(format!(
            "{other:?} is neither \"oda\" nor \"hub\""
        ))),
    }
}

fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let hosts = Vec::<String>::deserialize(deserializer)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    match hosts
        .iter()
        .find(|host| host.is_empty() || !host.bytes().all(plain))
    {
        Some(wrong) => Err(D::Error::custom(format!(
            "{wrong:?} is no host: write names without scheme, port or path, such as \"stockd.internal\""
        ))),
        None => Ok(hosts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_hosts_are_names_and_nothing_around_them() {
        let read = |host: &str| toml::from_str::<Server>(&format!("hosts = [\"{host}\"]"));
        assert_eq!(read("stockd.internal").unwrap().hosts, ["stockd.internal"]);
        for wrong in [
            "",
            "http://stockd.internal",
            "stockd.internal:8080",
            "stockd/",
            "*",
        ] {
            let refused = read(wrong).unwrap_err().to_string();
            assert!(
                refused.contains("without scheme, port or path"),
                "{wrong}: {refused}"
            );
        }
    }
}
