//! Engine.IO packets as text.

use serde::{Deserialize, Serialize};

/// One Engine.IO packet that travels as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnginePacket<'a> {
    /// Closes the transport.
    Close,
    /// Carries a Socket.IO packet.
    Message(&'a str),
    /// Means nothing; it ends a poll.
    Noop,
    /// Opens the session; the first packet of the server.
    Open(OpenPayload),
    /// Asks whether the other side lives. With `probe`, a client tries a transport.
    Ping(&'a str),
    /// Answers a ping, with the same text.
    Pong(&'a str),
    /// The client changes to this transport.
    Upgrade,
}

/// What the server announces when it opens a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenPayload {
    /// The Engine.IO session id. Secret, and unrelated to any `socket.id`.
    pub sid: String,
    /// Transports that the client may change to.
    pub upgrades: Vec<String>,
    /// Milliseconds from a pong to the next ping.
    pub ping_interval: u64,
    /// Milliseconds that the client has to answer a ping.
    pub ping_timeout: u64,
    /// Bytes of the largest message that the server takes.
    pub max_payload: usize,
}

/// The text is no Engine.IO packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Engine.IO packet")]
pub struct EnginePacketError;

impl<'a> EnginePacket<'a> {
    /// Reads the text of one message.
    pub fn parse(text: &'a str) -> Result<Self, EnginePacketError> {
        let mut rest = text.chars();
        let kind = rest.next().ok_or(EnginePacketError)?;
        let rest = rest.as_str();
        Ok(match kind {
            '0' => Self::Open(serde_json::from_str(rest).map_err(|_| EnginePacketError)?),
            '1' => Self::Close,
            '2' => Self::Ping(rest),
            '3' => Self::Pong(rest),
            '4' => Self::Message(rest),
            '5' => Self::Upgrade,
            '6' => Self::Noop,
            _ => return Err(EnginePacketError),
        })
    }

    /// Writes the text of one message.
    pub fn encode(&self) -> String {
        match self {
            Self::Open(open) => format!("0{}", serde_json::json!(open)),
            Self::Close => "1".to_owned(),
            Self::Ping(text) => format!("2{text}"),
            Self::Pong(text) => format!("3{text}"),
            Self::Message(text) => format!("4{text}"),
            Self::Upgrade => "5".to_owned(),
            Self::Noop => "6".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_read_back_what_they_wrote() {
        let open = OpenPayload {
            sid: "x".into(),
            upgrades: vec![],
            ping_interval: 25_000,
            ping_timeout: 60_000,
            max_payload: 9,
        };
        let json =
            r#"0{"maxPayload":9,"pingInterval":25000,"pingTimeout":60000,"sid":"x","upgrades":[]}"#;
        assert_eq!(EnginePacket::parse(json), Ok(EnginePacket::Open(open)));
        for text in [json, "1", "2", "2probe", "3probe", "42[\"a\"]", "5", "6"] {
            assert_eq!(EnginePacket::parse(text).unwrap().encode(), text);
        }
        for bad in ["", "7", "a", "é", "0", "0{}"] {
            assert_eq!(EnginePacket::parse(bad), Err(EnginePacketError), "{bad}");
        }
    }
}
