//! Why a connection is closed.

use crate::protocol::frame::FrameViolation;

/// Why a connection is closed. It is always the transport that is closed: a client that meant well
/// comes back by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The transport failed, or a request of a polling session broke off.
    #[error("the transport failed")]
    Broken,
    /// The client closed the transport, with this status code if it gave one.
    #[error("the client closed the transport")]
    Closed(Option<u16>),
    /// The user has too many sockets.
    #[error("the user has too many sockets")]
    TooManySockets,
    /// The client's token expired or was revoked.
    #[error("the token is no longer good")]
    TokenEnded,
    /// The client closed its session.
    #[error("closed by the client")]
    Goodbye,
    /// The log could not be read on, for this reason. The client comes back and goes on from its
    /// offset.
    #[error("{0}")]
    Interrupted(String),
    /// The client joined no namespace in [`crate::limits::NO_NAMESPACE_MAX`].
    #[error("in no namespace for too long")]
    NoNamespace,
    /// The client sent something that is no packet, or a packet out of turn.
    #[error("a malformed packet or one out of turn")]
    Malformed,
    /// Two GETs or two POSTs of a polling session at a time.
    #[error("a request overlaps another")]
    Overlap,
    /// The client sent more CONNECTs than its rate allows.
    #[error("too many attempts to connect")]
    TooManyConnects,
    /// The client came back on another connection.
    #[error("the client came back on another connection")]
    Replaced,
    /// The server shuts down.
    #[error("the server closes")]
    Shutdown,
    /// The client did not answer a ping in time.
    #[error("no pong in time")]
    Silent,
    /// The client does not take what it is sent.
    #[error("a write did not move")]
    Stalled,
    /// A WebSocket probed a session but did not take it over in time.
    #[error("the upgrade took too long")]
    UpgradeTimeout,
    /// The client broke RFC 6455.
    #[error(transparent)]
    Violation(#[from] FrameViolation),
}

impl CloseReason {
    /// The label under which metrics count this reason.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Closed(_) => "closed",
            Self::TooManySockets => "crowded",
            Self::TokenEnded => "dismissed",
            Self::Goodbye => "goodbye",
            Self::Interrupted(_) => "interrupted",
            Self::NoNamespace => "lonely",
            Self::Malformed => "malformed",
            Self::Overlap => "overlap",
            Self::TooManyConnects => "pushy",
            Self::Replaced => "replaced",
            Self::Shutdown => "shutdown",
            Self::Silent => "silent",
            Self::Stalled => "stalled",
            Self::UpgradeTimeout => "unused",
            Self::Violation(_) => "violation",
        }
    }

    /// The `reason` of a disconnect in Node's server, to be compared with its logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Closed(_) | Self::Goodbye => "transport close",
            Self::Broken | Self::Overlap | Self::Stalled | Self::Violation(_) => "transport error",
            Self::Silent => "ping timeout",
            Self::Malformed => "parse error",
            Self::Shutdown => "server shutting down",
            Self::TooManySockets
            | Self::TokenEnded
            | Self::Interrupted(_)
            | Self::NoNamespace
            | Self::TooManyConnects
            | Self::Replaced
            | Self::UpgradeTimeout => "forced close",
        }
    }
}
