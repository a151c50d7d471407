//! The layer between a transport and the driver: how messages are wrapped, and how a silent client
//! is noticed.

use std::time::Duration;

use bytes::Bytes;

use crate::options::HubOptions;
use crate::protocol::close_reason::CloseReason;
use crate::protocol::engine::{EngineSession, HeartbeatAction, HeartbeatTimer, TransportMessage};
use crate::protocol::frame;

/// How messages are wrapped on a connection.
#[derive(Debug)]
pub(super) enum FramingLayer {
    /// Engine.IO: messages in packets, with its own pings and pongs.
    Engine(EngineSession),
    /// No Engine.IO: messages as they are, with the pings and pongs of RFC 6455.
    Plain(HeartbeatTimer),
}

impl FramingLayer {
    pub(super) fn engine(options: &HubOptions) -> Self {
        Self::Engine(EngineSession::new(
            options.ping_interval,
            options.ping_timeout,
        ))
    }

    pub(super) fn plain(options: &HubOptions) -> Self {
        Self::Plain(HeartbeatTimer::new(
            options.plain_ping_interval,
            options.plain_pong_timeout,
        ))
    }

    /// The name of the protocol, for the log.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Engine(_) => "engine.io",
            Self::Plain(_) => "websocket",
        }
    }

    /// The ping that is due by now, as a whole frame. `listening` says whether the client was read
    /// from; if not, its silence does not count.
    pub(super) fn tick(
        &mut self,
        now: Duration,
        listening: bool,
    ) -> Result<Option<Bytes>, CloseReason> {
        match self {
            Self::Engine(session) => {
                let packet = session.tick(now, listening)?;
                Ok(packet.map(|packet| frame::text(&packet.encode())))
            }
            Self::Plain(heart) => {
                // Its pong may be in the kernel, where nobody has looked.
                if !listening {
                    heart.excuse(now);
                }
                match heart.beat(now) {
                    Some(HeartbeatAction::Dead) => Err(CloseReason::Silent),
                    Some(HeartbeatAction::Ping) => Ok(Some(frame::ping(b""))),
                    None => Ok(None),
                }
            }
        }
    }

    /// Takes one message of the transport. Returns the message for the driver, if there is one in
    /// it.
    pub(super) fn receive<'a>(
        &mut self,
        now: Duration,
        message: TransportMessage<'a>,
    ) -> Result<Option<TransportMessage<'a>>, CloseReason> {
        match self {
            Self::Engine(session) => session.receive(now, message),
            Self::Plain(_) => Ok(Some(message)),
        }
    }

    /// Takes a pong of RFC 6455.
    pub(super) fn pong(&mut self, now: Duration) {
        if let Self::Plain(heart) = self {
            heart.pong(now);
        }
    }

    /// When [`FramingLayer::tick`] is to be called next, from the opening of the session.
    pub(super) fn deadline(&self) -> Duration {
        match self {
            Self::Engine(session) => session.deadline(),
            Self::Plain(heart) => heart.deadline(),
        }
    }
}
