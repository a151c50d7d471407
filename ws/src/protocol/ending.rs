//! Why a connection is over.

use crate::protocol::frame::Violation;

/// Why a connection is over. The transport is closed; a client that meant well comes back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// The transport failed, or a request broke off.
    #[error("the transport failed")]
    Broken,
    /// The client closed the transport, with its status code if it gave one.
    #[error("the client closed the transport")]
    Closed(Option<u16>),
    /// The user has too many sockets.
    #[error("the user has too many sockets")]
    Crowded,
    /// Who the client was is no longer good: its token ran out or was revoked.
    #[error("the token is no longer good")]
    Dismissed,
    /// The client said goodbye.
    #[error("closed by the client")]
    Goodbye,
    /// What the client is to be sent cannot be had; it comes back and goes on from where it is.
    #[error("{0}")]
    Interrupted(String),
    /// The client joined no namespace in time.
    #[error("in no namespace for too long")]
    Lonely,
    /// The client sent what is no packet, or a packet out of turn.
    #[error("a malformed packet or one out of turn")]
    Malformed,
    /// Two requests of one kind at a time.
    #[error("a request overlaps another")]
    Overlap,
    /// The client knocks too often.
    #[error("too many attempts to connect")]
    Pushy,
    /// The client came back on another connection.
    #[error("the client came back on another connection")]
    Replaced,
    /// The server goes away.
    #[error("the server closes")]
    Shutdown,
    /// The client did not answer a ping.
    #[error("no pong in time")]
    Silent,
    /// The client does not take what it is sent.
    #[error("a write did not move")]
    Stalled,
    /// A probe that did not become a transport in time.
    #[error("the upgrade took too long")]
    Unused,
    /// The client broke RFC 6455.
    #[error(transparent)]
    Violation(#[from] Violation),
}

impl Ending {
    /// What it is counted under.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Closed(_) => "closed",
            Self::Crowded => "crowded",
            Self::Dismissed => "dismissed",
            Self::Goodbye => "goodbye",
            Self::Interrupted(_) => "interrupted",
            Self::Lonely => "lonely",
            Self::Malformed => "malformed",
            Self::Overlap => "overlap",
            Self::Pushy => "pushy",
            Self::Replaced => "replaced",
            Self::Shutdown => "shutdown",
            Self::Silent => "silent",
            Self::Stalled => "stalled",
            Self::Unused => "unused",
            Self::Violation(_) => "violation",
        }
    }

    /// The reason in the words of Node's server, for those who compare.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Closed(_) | Self::Goodbye => "transport close",
            Self::Broken | Self::Overlap | Self::Stalled | Self::Violation(_) => "transport error",
            Self::Silent => "ping timeout",
            Self::Malformed => "parse error",
            Self::Shutdown => "server shutting down",
            Self::Crowded
            | Self::Dismissed
            | Self::Interrupted(_)
            | Self::Lonely
            | Self::Pushy
            | Self::Replaced
            | Self::Unused => "forced close",
        }
    }
}
