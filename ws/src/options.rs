//! What an operator may set.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::contracts::Namespace;
use crate::limits;
use crate::transport::Network;

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
    /// Origins of the pages that may connect, exactly as browsers send them; beside those from where we are ourselves.
    pub origins: Vec<String>,
    /// Connections in all.
    pub connections_max: usize,
    /// Connections of one address; of one /64 for IPv6.
    pub connections_per_address_max: usize,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
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
            origins: Vec::new(),
            connections_max: limits::CONNECTIONS_MAX,
            connections_per_address_max: limits::CONNECTIONS_PER_ADDRESS_MAX,
            trusted_proxies: Vec::new(),
            messages_per_minute: limits::MESSAGES_PER_MINUTE_MAX,
            plain_messages_per_minute: limits::PLAIN_MESSAGES_PER_MINUTE_MAX,
            ring_entries: limits::RING_ENTRIES_MAX,
            recovery: [Namespace::Root, Namespace::Oda, Namespace::Events, Namespace::Hub].into(),
            session_days: limits::SESSION_DAYS,
            sockets_per_user_max: limits::SOCKETS_PER_USER_MAX,
            rooms_per_socket_max: limits::ROOMS_PER_SOCKET_MAX,
        }
    }
}
