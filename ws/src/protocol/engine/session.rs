//! One session, whatever transport carries it: what its messages mean, when it is pinged, and when it is over.

use std::time::Duration;

use bytes::Bytes;

use super::{Beat, Heartbeat, Packet};
use crate::protocol::ending::Ending;

/// A message, either as a transport delivers it or as the application sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// Bytes.
    Binary(Bytes),
    /// Text.
    Text(&'a str),
}

/// The server's side of one session as a value.
///
/// Call [`Session::receive`] for each message of the transport, in order, and hand on what it gives. Call
/// [`Session::tick`] when [`Session::deadline`] has come, and send the packet it gives. After an [`Ending`] neither
/// is to be called again. Times are counted from the opening of the session. A change of transport is nothing to it.
#[derive(Debug)]
pub struct Session {
    heartbeat: Heartbeat,
}

impl Session {
    /// A session that opens now.
    pub fn new(ping_interval: Duration, ping_timeout: Duration) -> Self {
        Self {
            heartbeat: Heartbeat::new(ping_interval, ping_timeout),
        }
    }

    /// Takes one message of the transport; gives the one for the application, if it carries one.
    pub fn receive<'a>(
        &mut self,
        now: Duration,
        message: Message<'a>,
    ) -> Result<Option<Message<'a>>, Ending> {
        let Message::Text(text) = message else {
            return Ok(Some(message));
        };
        match Packet::parse(text).map_err(|_| Ending::Malformed)? {
            Packet::Close => Err(Ending::Goodbye),
            Packet::Message(text) => Ok(Some(Message::Text(text))),
            Packet::Noop => Ok(None),
            Packet::Pong(_) => {
                self.heartbeat.pong(now);
                Ok(None)
            }
            Packet::Open(_) | Packet::Ping(_) | Packet::Upgrade => Err(Ending::Malformed),
        }
    }

    /// What is due by now. `listening` tells whether the client was being read from.
    pub fn tick(
        &mut self,
        now: Duration,
        listening: bool,
    ) -> Result<Option<Packet<'static>>, Ending> {
        if !listening {
            self.heartbeat.excuse(now);
        }
        match self.heartbeat.beat(now) {
            Some(Beat::Dead) => Err(Ending::Silent),
            Some(Beat::Ping) => Ok(Some(Packet::Ping(""))),
            None => Ok(None),
        }
    }

    /// When [`Session::tick`] is to be called next.
    pub fn deadline(&self) -> Duration {
        self.heartbeat.deadline()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1);

    fn session() -> Session {
        Session::new(Duration::from_secs(25), Duration::from_mins(1))
    }

    #[test]
    fn messages_are_handed_on_and_the_rest_is_not() {
        let receive = |text| session().receive(NOW, Message::Text(text));
        assert_eq!(receive("4hello"), Ok(Some(Message::Text("hello"))));
        assert_eq!(receive("4"), Ok(Some(Message::Text(""))));
        let bytes = Message::Binary(Bytes::from_static(b"\x01"));
        assert_eq!(session().receive(NOW, bytes.clone()), Ok(Some(bytes)));
        assert_eq!(receive("3"), Ok(None));
        assert_eq!(receive("6"), Ok(None));
        assert_eq!(receive("1"), Err(Ending::Goodbye));
    }

    #[test]
    fn what_only_a_server_says_ends_the_session() {
        for text in ["", "abc", "x", "7", "2", "2probe", "5", "0{}"] {
            assert_eq!(
                session().receive(NOW, Message::Text(text)),
                Err(Ending::Malformed),
                "{text}"
            );
        }
    }

    #[test]
    fn a_client_that_was_not_read_from_is_not_called_silent() {
        let seconds = Duration::from_secs;
        let mut session = session();
        assert_eq!(session.tick(seconds(25), true), Ok(Some(Packet::Ping(""))));
        assert_eq!(session.tick(seconds(85), false), Ok(None));
        assert_eq!(session.tick(seconds(144), true), Ok(None));
        assert_eq!(session.tick(seconds(145), true), Err(Ending::Silent));
    }
}
