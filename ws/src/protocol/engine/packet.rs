//! Engine.IO packets as text.

use serde::{Deserialize, Serialize};

/// One Engine.IO packet that travels as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet<'a> {
    /// The transport ends.
    Close,
    /// A Socket.IO packet.
    Message(&'a str),
    /// Nothing.
    Noop,
    /// The server's first word.
    Open(Open),
    /// The server asks whether the client lives; with `probe`, a client tries a transport.
    Ping(&'a str),
    /// The answer, with the same text.
    Pong(&'a str),
    /// The client has changed to this transport.
    Upgrade,
}

/// What a server announces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// The transport's session; secret, and unrelated to any `socket.id`.
    pub sid: String,
    /// Transports the client may change to.
    pub upgrades: Vec<String>,
    /// Milliseconds from a pong to the next ping.
    pub ping_interval: u64,
    /// Milliseconds the client has to answer one.
    pub ping_timeout: u64,
    /// Bytes of the largest message taken.
    pub max_payload: usize,
}

/// The text is no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an Engine.IO packet")]
pub struct Malformed;

impl<'a> Packet<'a> {
    /// Reads one text message.
    pub fn parse(text: &'a str) -> Result<Self, Malformed> {
        let mut rest = text.chars();
        let kind = rest.next().ok_or(Malformed)?;
        let rest = rest.as_str();
        Ok(match kind {
            '0' => Self::Open(serde_json::from_str(rest).map_err(|_| Malformed)?),
            '1' => Self::Close,
            '2' => Self::Ping(rest),
            '3' => Self::Pong(rest),
            '4' => Self::Message(rest),
            '5' => Self::Upgrade,
            '6' => Self::Noop,
            _ => return Err(Malformed),
        })
    }

    /// Writes it as one text message.
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
        let open = Open {
            sid: "x".into(),
            upgrades: vec![],
            ping_interval: 25_000,
            ping_timeout: 60_000,
            max_payload: 9,
        };
        let json =
            r#"0{"maxPayload":9,"pingInterval":25000,"pingTimeout":60000,"sid":"x","upgrades":[]}"#;
        assert_eq!(Packet::parse(json), Ok(Packet::Open(open)));
        for text in [json, "1", "2", "2probe", "3probe", "42[\"a\"]", "5", "6"] {
            assert_eq!(Packet::parse(text).unwrap().encode(), text);
        }
        for bad in ["", "7", "a", "é", "0", "0{}"] {
            assert_eq!(Packet::parse(bad), Err(Malformed), "{bad}");
        }
    }
}
