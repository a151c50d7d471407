//! `[realtime]`: how clients are kept, and how many.

use std::time::Duration;

use serde::Deserialize;
use ws::contracts::Namespace;
use ws::limits;

use super::ConfigFault;

/// What may differ from `ws::limits`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Realtime {
    /// Namespaces whose clients are sent what they missed when they come back. There, events have one more argument.
    pub recovery: Vec<String>,
    /// Seconds from a client's answer to the next ping.
    pub ping_interval_seconds: u16,
    /// Seconds that a client has for its answer.
    pub ping_timeout_seconds: u16,
    /// Seconds from a pong to the next ping where a WebSocket carries no Socket.IO.
    pub plain_ping_interval_seconds: u16,
    /// Seconds that a client there has for its pong.
    pub plain_pong_timeout_seconds: u16,
    /// Connections in all.
    pub connections_max: usize,
    /// Connections of one address; of one /64 for IPv6.
    pub connections_per_address_max: usize,
    /// Sockets of one user.
    pub sockets_per_user_max: usize,
    /// Rooms of one socket.
    pub rooms_per_socket_max: usize,
    /// Messages of one connection in a minute.
    pub messages_per_minute: u32,
    /// The same where a WebSocket carries no Socket.IO.
    pub plain_messages_per_minute: u32,
}

impl Default for Realtime {
    fn default() -> Self {
        let seconds = |time: Duration| u16::try_from(time.as_secs()).unwrap_or(u16::MAX);
        Self {
            recovery: ["/", "/events", "/hub", "/oda"].map(str::to_owned).into(),
            ping_interval_seconds: seconds(limits::PING_INTERVAL),
            ping_timeout_seconds: seconds(limits::PING_TIMEOUT),
            plain_ping_interval_seconds: seconds(limits::PLAIN_PING_INTERVAL),
            plain_pong_timeout_seconds: seconds(limits::PLAIN_PONG_TIMEOUT),
            connections_max: limits::CONNECTIONS_MAX,
            connections_per_address_max: limits::CONNECTIONS_PER_ADDRESS_MAX,
            sockets_per_user_max: limits::SOCKETS_PER_USER_MAX,
            rooms_per_socket_max: limits::ROOMS_PER_SOCKET_MAX,
            messages_per_minute: limits::MESSAGES_PER_MINUTE_MAX,
            plain_messages_per_minute: limits::PLAIN_MESSAGES_PER_MINUTE_MAX,
        }
    }
}

impl Realtime {
    pub(super) fn check(&self) -> Result<(), ConfigFault> {
        match self
            .recovery
            .iter()
            .position(|name| namespace(name).is_none())
        {
            Some(n) => Err(ConfigFault::new(
                format!("realtime.recovery[{n}]"),
                "is no namespace: there are \"/\", \"/events\", \"/hub\" and \"/oda\"",
            )),
            None => Ok(()),
        }
    }

    /// The same as the realtime side takes it, which keeps the rooms of sessions for so many days.
    pub(crate) fn options(&self, session_days: u16) -> ws::HubOptions {
        ws::HubOptions {
            ping_interval: Duration::from_secs(self.ping_interval_seconds.into()),
            ping_timeout: Duration::from_secs(self.ping_timeout_seconds.into()),
            plain_ping_interval: Duration::from_secs(self.plain_ping_interval_seconds.into()),
            plain_pong_timeout: Duration::from_secs(self.plain_pong_timeout_seconds.into()),
            recovery: self
                .recovery
                .iter()
                .filter_map(|name| namespace(name))
                .collect(),
            connections_max: self.connections_max,
            connections_per_address_max: self.connections_per_address_max,
            sockets_per_user_max: self.sockets_per_user_max,
            rooms_per_socket_max: self.rooms_per_socket_max,
            messages_per_minute: self.messages_per_minute,
            plain_messages_per_minute: self.plain_messages_per_minute,
            session_days,
            ..ws::HubOptions::default()
        }
    }
}

fn namespace(name: &str) -> Option<Namespace> {
    <Namespace as ws::protocol::socketio::NamespaceId>::parse(name)
}
