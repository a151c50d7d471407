//! Payloads of long-polling: packets with a separator between them, bytes as base64.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{EnginePacketError, TransportMessage};
use crate::protocol::frame;

const SEPARATOR: u8 = 0x1e;

/// Reads the messages of a POST one by one, so that the caller may pause in between.
#[derive(Debug)]
pub struct PayloadReader {
    body: Bytes,
    /// Where the next message begins; after the end of the body when there is none.
    at: usize,
}

impl PayloadReader {
    /// A reader at the beginning of that body. Bytes that are no UTF-8 become U+FFFD, as in Node's
    /// server.
    pub fn new(body: Bytes) -> Self {
        let body = match String::from_utf8_lossy(&body) {
            Cow::Borrowed(_) => body,
            Cow::Owned(mended) => mended.into(),
        };
        Self { body, at: 0 }
    }

    /// Whether no message is left.
    pub fn is_done(&self) -> bool {
        self.at > self.body.len()
    }

    /// The next message; `None` after the last. An empty body has one empty message, which is no
    /// packet.
    pub fn take(&mut self) -> Option<Result<TransportMessage<'_>, EnginePacketError>> {
        let rest = self.body.get(self.at..)?;
        let length = rest
            .iter()
            .position(|byte| *byte == SEPARATOR)
            .unwrap_or(rest.len());
        self.at += length + 1;
        Some(message(&rest[..length]))
    }
}

fn message(packet: &[u8]) -> Result<TransportMessage<'_>, EnginePacketError> {
    match packet {
        [b'b', base64 @ ..] => STANDARD
            .decode(base64)
            .map(|bytes| TransportMessage::Binary(bytes.into()))
            .map_err(|_| EnginePacketError),
        text => str::from_utf8(text)
            .map(TransportMessage::Text)
            .map_err(|_| EnginePacketError),
    }
}

/// Adds the messages in whole frames of this server to the payload of a GET.
pub fn append(payload: &mut Vec<u8>, frames: &[u8]) {
    for (kind, message) in frame::messages(frames) {
        if !payload.is_empty() {
            payload.push(SEPARATOR);
        }
        match kind {
            frame::MessageKind::Binary => {
                payload.extend([b"b", STANDARD.encode(message).as_bytes()].concat());
            }
            frame::MessageKind::Text => payload.extend(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(body: &'static str) -> Vec<Result<String, EnginePacketError>> {
        let mut messages = PayloadReader::new(Bytes::from_static(body.as_bytes()));
        let mut found = Vec::new();
        while let Some(message) = messages.take() {
            found.push(message.map(|message| match message {
                TransportMessage::Binary(bytes) => format!("{bytes:?}"),
                TransportMessage::Text(text) => text.to_owned(),
            }));
        }
        assert!(messages.is_done());
        found
    }

    #[test]
    fn a_body_is_its_packets_in_order() {
        let ok = |text: &str| Ok(text.to_owned());
        assert_eq!(texts("4hello"), [ok("4hello")]);
        assert_eq!(texts("4€\x1e3\x1e4"), [ok("4€"), ok("3"), ok("4")]);
        assert_eq!(
            texts("4hello\x1ebAQIDBA=="),
            [ok("4hello"), ok(r#"b"\x01\x02\x03\x04""#)]
        );
        assert_eq!(texts("b"), [ok(r#"b"""#)]);
        assert_eq!(texts(""), [ok("")], "which is no packet");
        assert_eq!(texts("4a\x1e"), [ok("4a"), ok("")]);
    }

    #[test]
    fn what_is_neither_text_nor_base64_is_malformed() {
        assert_eq!(
            texts("bAQIDBA=\x1e4a"),
            [Err(EnginePacketError), Ok("4a".to_owned())]
        );
        assert_eq!(texts("b*"), [Err(EnginePacketError)]);
        assert_eq!(
            PayloadReader::new(Bytes::from_static(b"4\xff")).take(),
            Some(Ok(TransportMessage::Text("4\u{fffd}")))
        );
    }

    #[test]
    fn frames_become_packets() {
        let mut payload = Vec::new();
        append(&mut payload, &frame::text("4hello"));
        append(&mut payload, &frame::binary(&[1, 2, 3, 4]));
        append(
            &mut payload,
            &[frame::text("4a"), frame::text("4b")].concat(),
        );
        assert_eq!(payload, b"4hello\x1ebAQIDBA==\x1e4a\x1e4b");
    }

    proptest! {
        #[test]
        fn nothing_panics(body: Vec<u8>) {
            let mut messages = PayloadReader::new(body.into());
            while messages.take().is_some() {}
        }

        #[test]
        fn what_is_written_reads_back(bytes: Vec<u8>, text in "[^\u{1e}]{0,300}") {
            let mut payload = Vec::new();
            append(&mut payload, &frame::binary(&bytes));
            append(&mut payload, &frame::text(&format!("4{text}")));
            let mut messages = PayloadReader::new(payload.into());
            prop_assert_eq!(messages.take(), Some(Ok(TransportMessage::Binary(bytes.into()))));
            prop_assert_eq!(messages.take(), Some(Ok(TransportMessage::Text(&format!("4{text}")))));
            prop_assert_eq!(messages.take(), None);
        }
    }
}
