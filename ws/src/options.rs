//! What an operator may set.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

use crate::connection::{Network, Origin, Refusal, address};
use crate::contracts::{Namespace, Root};
use crate::limits::{self, REFUSED_ORIGIN_CHARS_MAX, REFUSED_ORIGINS_LOGGED_MAX};

/// One of the listeners that clients come in by, as far as these differ.
#[derive(Debug, Clone, Default)]
pub struct Entrance {
    /// What `/` of Socket.IO speaks there.
    pub root: Root,
    /// Origins of the pages that may connect, exactly as browsers send them; beside those from where we are ourselves.
    pub origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// Origins that were refused and logged.
    pub refused: Arc<RefusedOrigins>,
}

/// Origins that were refused, so that each is logged once.
#[derive(Debug, Default)]
pub struct RefusedOrigins(Mutex<BTreeSet<String>>);

impl RefusedOrigins {
    fn log(&self, headers: &HeaderMap) {
        let origin = headers
            .get(header::ORIGIN)
            .map(HeaderValue::as_bytes)
            .unwrap_or_default();
        let origin: String = String::from_utf8_lossy(origin)
            .chars()
            .take(REFUSED_ORIGIN_CHARS_MAX)
            .collect();
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.len() < REFUSED_ORIGINS_LOGGED_MAX && logged.insert(origin.clone()) {
            tracing::warn!(
                ?origin,
                "Refused a page of an origin that is not listed; if it is yours, add it to `origins` of [[server]]"
            );
        }
    }
}

impl Entrance {
    /// From which page a request comes, if it may.
    ///
    /// # Errors
    /// When its origin is none of those that are allowed.
    pub fn origin(&self, headers: &HeaderMap) -> Result<Origin, Refusal> {
        Origin::check(headers, &self.origins).inspect_err(|_| self.refused.log(headers))
    }

    /// Whose address a request has, behind proxies that are trusted.
    pub fn address_of(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        address::of_client(peer, headers, &self.trusted_proxies)
    }
}

/// What an operator may set.
#[derive(Debug, Clone)]
pub struct Options {
    /// Time from a pong to the next ping.
    pub ping_interval: Duration,
    /// Time a client has for its pong.
    pub ping_timeout: Duration,
    /// The same where a WebSocket carries no Engine.IO.
    pub plain_ping_interval: Duration,
    /// Time a client there has for its pong.
    pub plain_pong_timeout: Duration,
    /// Bytes of one client message.
    pub max_payload: usize,
    /// Connections in all.
    pub connections_max: usize,
    /// Connections of one address; of one /64 for IPv6.
    pub connections_per_address_max: usize,
    /// Messages a client may send in a minute.
    pub messages_per_minute: u32,
    /// The same where a WebSocket carries no Engine.IO.
    pub plain_messages_per_minute: u32,
    /// Log entries kept in memory.
    pub ring_entries: usize,
    /// Namespaces whose sockets can be recovered. There, events have the cursor as a last argument.
    pub recovery: BTreeSet<Namespace>,
    /// Days for which the rooms of a session are kept.
    pub session_days: u16,
    /// Sockets of one user.
    pub sockets_per_user_max: usize,
    /// Rooms of one socket.
    pub rooms_per_socket_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ping_interval: limits::PING_INTERVAL,
            ping_timeout: limits::PING_TIMEOUT,
            plain_ping_interval: limits::PLAIN_PING_INTERVAL,
            plain_pong_timeout: limits::PLAIN_PONG_TIMEOUT,
            max_payload: limits::MESSAGE_BYTES_MAX,
            connections_max: limits::CONNECTIONS_MAX,
            connections_per_address_max: limits::CONNECTIONS_PER_ADDRESS_MAX,
            messages_per_minute: limits::MESSAGES_PER_MINUTE_MAX,
            plain_messages_per_minute: limits::PLAIN_MESSAGES_PER_MINUTE_MAX,
            ring_entries: limits::RING_ENTRIES_MAX,
            recovery: [
                Namespace::Root,
                Namespace::Oda,
                Namespace::Events,
                Namespace::Hub,
            ]
            .into(),
            session_days: limits::SESSION_DAYS,
            sockets_per_user_max: limits::SOCKETS_PER_USER_MAX,
            rooms_per_socket_max: limits::ROOMS_PER_SOCKET_MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_origins_are_remembered_once_each_and_within_bounds() {
        let entrance = Entrance::default();
        let refused = |origin: &str| {
            let headers = [(header::ORIGIN, HeaderValue::from_str(origin).unwrap())]
                .into_iter()
                .collect();
            assert!(entrance.origin(&headers).is_err());
            entrance.refused.0.lock().unwrap().len()
        };
        assert_eq!(
            (refused("https://a.example"), refused("https://a.example")),
            (1, 1)
        );
        assert_eq!((refused("null"), refused(&"x".repeat(5_000))), (2, 3));
        for n in 0..1_000 {
            assert!(refused(&n.to_string()) <= REFUSED_ORIGINS_LOGGED_MAX);
        }
        let kept = entrance.refused.0.lock().unwrap();
        assert!(
            kept.iter()
                .all(|origin| origin.len() <= REFUSED_ORIGIN_CHARS_MAX)
        );
    }
}
