//! What an operator may set for the realtime side.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

use crate::connection::{ConnectionRefusal, IpNetwork, RequestOrigin, address};
use crate::contracts::{Namespace, Root};
use crate::limits::{self, REFUSED_ORIGIN_CHARS_MAX, REFUSED_ORIGINS_LOGGED_MAX};

/// The rules of one listener, as far as listeners differ.
#[derive(Debug, Clone, Default)]
pub struct ListenerPolicy {
    /// The contract that the root namespace `/` of Socket.IO speaks there.
    pub root: Root,
    /// Origins of pages that may connect, exactly as browsers send them, in addition to our own
    /// page.
    pub origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` is trusted.
    pub trusted_proxies: Vec<IpNetwork>,
    /// The refused origins that were already logged.
    pub refused: Arc<RefusedOrigins>,
}

/// Refused origins that were logged, so that each is logged once.
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

impl ListenerPolicy {
    /// The origin of a request, if it is allowed.
    ///
    /// # Errors
    /// [`ConnectionRefusal::Origin`] when it is neither listed nor our own.
    pub fn origin(&self, headers: &HeaderMap) -> Result<RequestOrigin, ConnectionRefusal> {
        RequestOrigin::check(headers, &self.origins).inspect_err(|_| self.refused.log(headers))
    }

    /// The client's address, as trusted proxies report it.
    pub fn address_of(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        address::of_client(peer, headers, &self.trusted_proxies)
    }
}

/// The settings of a [`Hub`](crate::Hub). The defaults are in [`crate::limits`].
#[derive(Debug, Clone)]
pub struct HubOptions {
    /// Time from a pong to the next ping, on Engine.IO.
    pub ping_interval: Duration,
    /// Time a client has to answer a ping, on Engine.IO.
    pub ping_timeout: Duration,
    /// Time from a pong to the next ping, on a WebSocket without Engine.IO.
    pub plain_ping_interval: Duration,
    /// Time a client has to answer a ping, on a WebSocket without Engine.IO.
    pub plain_pong_timeout: Duration,
    /// Bytes of one client message.
    pub max_payload: usize,
    /// Connections of all clients together.
    pub connections_max: usize,
    /// Connections of one address; of one /64 for IPv6.
    pub connections_per_address_max: usize,
    /// Messages that a client may send in a minute.
    pub messages_per_minute: u32,
    /// Messages that a client without Engine.IO may send in a minute.
    pub plain_messages_per_minute: u32,
    /// Log entries kept in the ring.
    pub ring_entries: usize,
    /// Namespaces whose sockets can be recovered. There, events have the cursor as a last argument.
    pub recovery: BTreeSet<Namespace>,
    /// Days for which the rooms of a session are kept.
    pub session_days: u16,
    /// Sockets that one user may have.
    pub sockets_per_user_max: usize,
    /// Rooms that one socket may be in.
    pub rooms_per_socket_max: usize,
}

impl Default for HubOptions {
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
        let policy = ListenerPolicy::default();
        let refused = |origin: &str| {
            let headers = [(header::ORIGIN, HeaderValue::from_str(origin).unwrap())]
                .into_iter()
                .collect();
            assert!(policy.origin(&headers).is_err());
            policy.refused.0.lock().unwrap().len()
        };
        assert_eq!(
            (refused("https://a.example"), refused("https://a.example")),
            (1, 1)
        );
        assert_eq!((refused("null"), refused(&"x".repeat(5_000))), (2, 3));
        for n in 0..1_000 {
            assert!(refused(&n.to_string()) <= REFUSED_ORIGINS_LOGGED_MAX);
        }
        let kept = policy.refused.0.lock().unwrap();
        assert!(
            kept.iter()
                .all(|origin| origin.len() <= REFUSED_ORIGIN_CHARS_MAX)
        );
    }
}
