//! One Engine.IO session, over any transport: what its messages mean, when it is pinged, and when
//! it ends.

use std::time::Duration;

use bytes::Bytes;

use super::{EnginePacket, HeartbeatAction, HeartbeatTimer};
use crate::protocol::close_reason::CloseReason;

/// A message, as a transport delivers it or as the application sends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransportMessage<'a> {
    /// The bytes of a binary message.
    Binary(Bytes),
    /// The text of a text message.
    Text(&'a str),
}

/// The server's side of one Engine.IO session as a value.
///
/// ClientCall [`EngineSession::receive`] for each message of the transport, in order, and pass on what it
/// returns. ClientCall [`EngineSession::tick`] at [`EngineSession::deadline`], and send the packet that
/// it returns. After a [`CloseReason`] call neither again. Times are counted from the opening of
/// the session. A change of transport does not affect it.
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

    /// Takes one message of the transport. Returns the message for the application, if there is one
    /// in it.
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

    /// The ping that is due by now. `listening` says whether the client was read from; if not, its
    /// silence does not count.
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
