//! Bodies of long-polling: every part is a message or malformed, and there are as many as separators, and one.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use ws::protocol::engine::payload::Messages;

fuzz_target!(|body: &[u8]| {
    let mut messages = Messages::new(Bytes::copy_from_slice(body));
    let mut count = 0;
    while let Some(message) = messages.take() {
        drop(message);
        count += 1;
    }
    assert!(messages.is_done());
    assert_eq!(count, 1 + body.iter().filter(|byte| **byte == 0x1e).count());
});
