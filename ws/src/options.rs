//! What an operator may set.

use std::time::Duration;

use crate::limits;

/// What an operator may set.
#[derive(Debug, Clone)]
pub struct Options {
    /// Time from a pong to the next ping.
    pub ping_interval: Duration,
    /// Time a client has for its pong.
    pub ping_timeout: Duration,
    /// Bytes of one client message.
    pub max_payload: usize,
    /// Origins of the pages that may connect, exactly as browsers send them.
    pub origins: Vec<String>,
    /// Connections in all.
    pub connections_max: usize,
    /// Messages a client may send in a minute.
    pub messages_per_minute: u32,
    /// Log entries kept in memory.
    pub ring_entries: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ping_interval: limits::PING_INTERVAL,
            ping_timeout: limits::PING_TIMEOUT,
            max_payload: limits::MESSAGE_BYTES_MAX,
            origins: Vec::new(),
            connections_max: limits::CONNECTIONS_MAX,
            messages_per_minute: limits::MESSAGES_PER_MINUTE_MAX,
            ring_entries: limits::RING_ENTRIES_MAX,
        }
    }
}
