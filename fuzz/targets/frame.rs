//! WebSocket frames: however the bytes are cut, the same messages come out, and none is longer than it may be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ws::protocol::frame::{Decoder, Message, Violation};

const MESSAGE_BYTES_MAX: usize = 1_000;

fuzz_target!(|input: (u8, &[u8])| {
    let (step, bytes) = input;
    let whole = read(bytes, bytes.len().max(1));
    let cut = read(bytes, usize::from(step).max(1));
    assert_eq!(whole, cut);
    let (messages, _) = whole;
    for message in messages {
        let length = match message {
            Message::Binary(bytes) | Message::Ping(bytes) => bytes.len(),
            Message::Text(text) => text.len(),
            Message::Close(_) | Message::Pong => 0,
        };
        assert!(length <= MESSAGE_BYTES_MAX);
    }
});

/// The messages in bytes that arrive so many at a time, until one breaks the protocol.
fn read(bytes: &[u8], step: usize) -> (Vec<Message>, Option<Violation>) {
    let (mut decoder, mut messages) = (Decoder::new(MESSAGE_BYTES_MAX), Vec::new());
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
