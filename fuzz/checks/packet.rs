//! Engine.IO and Socket.IO packets: what was read is written so that it is read as the same again.

use ws::protocol::{engine, socketio};

pub(crate) fn check(text: &str) {
    if let Ok(packet) = engine::EnginePacket::parse(text) {
        assert_eq!(engine::EnginePacket::parse(&packet.encode()), Ok(packet));
    }
    if let Ok(packet) = socketio::SocketIoPacket::parse(text) {
        let again = socketio::SocketIoPacket::parse(&packet.encode());
        // What a fraction loses in its last digit when it is read is not the protocol's.
        assert!(again == Ok(packet) || is_of_fractions(text));
    }
}

/// Whether a number in it may be kept as a fraction: one that says so, or one too long for 64 bits.
fn is_of_fractions(text: &str) -> bool {
    let long = text
        .split(|character: char| !character.is_ascii_digit())
        .any(|digits| digits.len() > 18);
    long || text.contains(['.', 'e', 'E'])
}
