//! WebSocket frames: however the bytes are cut, the same messages come out, and none is longer than it may be.

use ws::protocol::frame::{ClientMessage, FrameDecoder, FrameViolation};

const MESSAGE_BYTES_MAX: usize = 1_000;

/// The first byte says in parts of how many the others arrive.
pub(crate) fn check(input: &[u8]) {
    let Some((step, bytes)) = input.split_first() else {
        return;
    };
    let whole = read(bytes, bytes.len().max(1));
    let cut = read(bytes, usize::from(*step).max(1));
    assert_eq!(whole, cut);
    let (messages, _) = whole;
    for message in messages {
        let length = match message {
            ClientMessage::Binary(bytes) | ClientMessage::Ping(bytes) => bytes.len(),
            ClientMessage::Text(text) => text.len(),
            ClientMessage::Close(_) | ClientMessage::Pong => 0,
        };
        assert!(length <= MESSAGE_BYTES_MAX);
    }
}

/// The messages in bytes that arrive so many at a time, until one breaks the protocol.
fn read(bytes: &[u8], step: usize) -> (Vec<ClientMessage>, Option<FrameViolation>) {
    let (mut decoder, mut messages) = (FrameDecoder::new(MESSAGE_BYTES_MAX), Vec::new());
    for mut part in bytes.chunks(step) {
        loop {
            match decoder.decode(&mut part) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(violation) => return (messages, Some(violation)),
            }
        }
    }
    (messages, None)
}
