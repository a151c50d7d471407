//! One session, whatever transport carries it: what its messages mean, when it is pinged, and when it is over.

use std::time::Duration;

use bytes::Bytes;

use super::{EnginePacket, HeartbeatAction, HeartbeatTimer};
use crate::protocol::close_reason::CloseReason;

/// A message, either as a transport delivers it or as the application sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportMessage<'a> {
    /// Bytes.
    Binary(Bytes),
    /// Text.
    Text(&'a str),
}

/// The server's side of one session as a value.
///
/// Call [`EngineSession::receive`] for each message of the transport, in order, and hand on what it gives. Call
/// [`EngineSession::tick`] when [`EngineSession::deadline`] has come, and send the packet it gives. After an [`CloseReason`] neither
/// is to be called again. Times are counted from the opening of the session. A change of transport is nothing to it.
#[derive(Debug)]
pub struct EngineSession {
    heartbeat: HeartbeatTimer,
}

impl EngineSession {
    /// A session that opens now.
    pub fn new(ping_interval: Duration, ping_timeout: Duration) -> Self {
        Self {
            heartbeat: HeartbeatTimer::new(ping_interval, ping_timeout),
        }
    }

    /// Takes one message of the transport; gives the one for the application, if it carries one.
    pub fn receive<'a>(
        &mut self,
        now: Duration,
        message: TransportMessage<'a>,
    ) -> Result<Option<TransportMessage<'a>>, CloseReason> {
        let TransportMessage::Text(text) = message else {
            return Ok(Some(message));
        };
        match EnginePacket::parse(text).map_err(|_| CloseReason::Malformed)? {
            EnginePacket::Close => Err(CloseReason::Goodbye),
            EnginePacket::Message(text) => Ok(Some(TransportMessage::Text(text))),
            EnginePacket::Noop => Ok(None),
            EnginePacket::Pong(_) => {
                self.heartbeat.pong(now);
                Ok(None)
            }
            EnginePacket::Open(_) | EnginePacket::Ping(_) | EnginePacket::Upgrade => {
                Err(CloseReason::Malformed)
            }
        }
    }

    /// What is due by now. `listening` tells whether the client was being read from.
    pub fn tick(
        &mut self,
        now: Duration,
        listening: bool,
    ) -> Result<Option<EnginePacket<'static>>, CloseReason> {
        if !listening {
            self.heartbeat.excuse(now);
        }
        match self.heartbeat.beat(now) {
            Some(HeartbeatAction::Dead) => Err(CloseReason::Silent),
            Some(HeartbeatAction::Ping) => Ok(Some(EnginePacket::Ping(""))),
            None => Ok(None),
        }
    }

    /// When [`EngineSession::tick`] is to be called next.
    pub fn deadline(&self) -> Duration {
        self.heartbeat.deadline()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn session() -> EngineSession {
        EngineSession::new(Duration::from_secs(25), Duration::from_mins(1))
    }

    #[test]
    fn messages_are_handed_on_and_the_rest_is_not() {
        let receive = |text| session().receive(NOW, TransportMessage::Text(text));
        assert_eq!(receive("4hello"), Ok(Some(TransportMessage::Text("hello"))));
        assert_eq!(receive("4"), Ok(Some(TransportMessage::Text(""))));
        let bytes = TransportMessage::Binary(Bytes::from_static(b"\x01"));
        assert_eq!(session().receive(NOW, bytes.clone()), Ok(Some(bytes)));
        assert_eq!(receive("3"), Ok(None));
        assert_eq!(receive("6"), Ok(None));
        assert_eq!(receive("1"), Err(CloseReason::Goodbye));
    }

    #[test]
    fn what_only_a_server_says_ends_the_session() {
        for text in ["", "abc", "x", "7", "2", "2probe", "5", "0{}"] {
            assert_eq!(
                session().receive(NOW, TransportMessage::Text(text)),
                Err(CloseReason::Malformed),
                "{text}"
            );
        }
    }

    #[test]
    fn a_client_that_was_not_read_from_is_not_called_silent() {
        let seconds = Duration::from_secs;
        let mut session = session();
        assert_eq!(
            session.tick(seconds(25), true),
            Ok(Some(EnginePacket::Ping("")))
        );
        assert_eq!(session.tick(seconds(85), false), Ok(None));
        assert_eq!(session.tick(seconds(144), true), Ok(None));
        assert_eq!(session.tick(seconds(145), true), Err(CloseReason::Silent));
    }
}
