//! What lies between a transport and the talk: how messages are wrapped, and how a silent client is found out.

use std::time::Duration;

use bytes::Bytes;

use crate::options::Options;
use crate::protocol::ending::Ending;
use crate::protocol::engine::{Beat, Heartbeat, Message, Session};
use crate::protocol::frame;

/// One of the two.
#[derive(Debug)]
pub(super) enum Layer {
    /// Messages in packets, among which are pings and pongs.
    Engine(Session),
    /// Messages as they are, and RFC 6455's own pings and pongs.
    Plain(Heartbeat),
}

impl Layer {
    pub(super) fn engine(options: &Options) -> Self {
        Self::Engine(Session::new(options.ping_interval, options.ping_timeout))
    }

    pub(super) fn plain(options: &Options) -> Self {
        Self::Plain(Heartbeat::new(
            options.plain_ping_interval,
            options.plain_pong_timeout,
        ))
    }

    /// The ping that is due by now, as a whole frame. `listening` tells whether the client was being read from.
    pub(super) fn tick(&mut self, now: Duration, listening: bool) -> Result<Option<Bytes>, Ending> {
        match self {
            Self::Engine(session) => {
                let packet = session.tick(now, listening)?;
                Ok(packet.map(|packet| frame::text(&packet.encode())))
            }
            Self::Plain(heart) => {
                if !listening {
                    heart.excuse(now);
                }
                match heart.beat(now) {
                    Some(Beat::Dead) => Err(Ending::Silent),
                    Some(Beat::Ping) => Ok(Some(frame::ping(b""))),
                    None => Ok(None),
                }
            }
        }
    }

    /// Takes one message of the transport; gives the one for the talk, if it carries one.
    pub(super) fn receive<'a>(
        &mut self,
        now: Duration,
        message: Message<'a>,
    ) -> Result<Option<Message<'a>>, Ending> {
        match self {
            Self::Engine(session) => session.receive(now, message),
            Self::Plain(_) => Ok(Some(message)),
        }
    }

    /// An RFC 6455 pong came.
    pub(super) fn pong(&mut self, now: Duration) {
        if let Self::Plain(heart) = self {
            heart.pong(now);
        }
    }

    /// When [`Layer::tick`] is to be called next.
    pub(super) fn deadline(&self) -> Duration {
        match self {
            Self::Engine(session) => session.deadline(),
            Self::Plain(heart) => heart.deadline(),
        }
    }
}
