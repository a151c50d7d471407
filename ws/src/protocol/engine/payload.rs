//! The bodies of long-polling: packets one behind the other with a separator between, bytes as base64.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{Malformed, Message};
use crate::protocol::frame;

const SEPARATOR: u8 = 0x1e;

/// The messages of a POST's body, read one by one, so that whoever takes them may pause in between.
#[derive(Debug)]
pub struct Messages {
    body: Bytes,
    /// Where the next begins; past the end, when there is none.
    at: usize,
}

impl Messages {
    /// Of that body, not yet looked at. What is no UTF-8 in it becomes U+FFFD, as in Node's server.
    pub fn new(body: Bytes) -> Self {
        let body = match String::from_utf8_lossy(&body) {
            Cow::Borrowed(_) => body,
            Cow::Owned(mended) => mended.into(),
        };
        Self { body, at: 0 }
    }

    /// Whether there is none left.
    pub fn is_done(&self) -> bool {
        self.at > self.body.len()
    }

    /// The next message. An empty body has one, which is no packet.
    pub fn take(&mut self) -> Option<Result<Message<'_>, Malformed>> {
        let rest = self.body.get(self.at..)?;
        let length = rest
            .iter()
            .position(|byte| *byte == SEPARATOR)
            .unwrap_or(rest.len());
        self.at += length + 1;
        Some(message(&rest[..length]))
    }
}

fn message(packet: &[u8]) -> Result<Message<'_>, Malformed> {
    match packet {
        [b'b', base64 @ ..] => STANDARD
            .decode(base64)
            .map(|bytes| Message::Binary(bytes.into()))
            .map_err(|_| Malformed),
        text => str::from_utf8(text)
            .map(Message::Text)
            .map_err(|_| Malformed),
    }
}

/// Adds the messages of whole WebSocket frames of ours to the answer of a GET.
pub fn append(payload: &mut Vec<u8>, frames: &[u8]) {
    for (kind, message) in frame::messages(frames) {
        if !payload.is_empty() {
            payload.push(SEPARATOR);
        }
        match kind {
            frame::Kind::Binary => {
                payload.extend([b"b", STANDARD.encode(message).as_bytes()].concat())
            }
            frame::Kind::Text => payload.extend(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(body: &'static str) -> Vec<Result<String, Malformed>> {
        let mut messages = Messages::new(Bytes::from_static(body.as_bytes()));
        let mut found = Vec::new();
        while let Some(message) = messages.take() {
            found.push(message.map(|message| match message {
                Message::Binary(bytes) => format!("{bytes:?}"),
                Message::Text(text) => text.to_owned(),
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
            [Err(Malformed), Ok("4a".to_owned())]
        );
        assert_eq!(texts("b*"), [Err(Malformed)]);
        assert_eq!(
            Messages::new(Bytes::from_static(b"4\xff")).take(),
            Some(Ok(Message::Text("4\u{fffd}")))
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
            let mut messages = Messages::new(body.into());
            while messages.take().is_some() {}
        }

        #[test]
        fn what_is_written_reads_back(bytes: Vec<u8>, text in "[^\u{1e}]{0,300}") {
            let mut payload = Vec::new();
            append(&mut payload, &frame::binary(&bytes));
            append(&mut payload, &frame::text(&format!("4{text}")));
            let mut messages = Messages::new(payload.into());
            prop_assert_eq!(messages.take(), Some(Ok(Message::Binary(bytes.into()))));
            prop_assert_eq!(messages.take(), Some(Ok(Message::Text(&format!("4{text}")))));
            prop_assert_eq!(messages.take(), None);
        }
    }
}
