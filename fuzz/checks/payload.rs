//! Bodies of long-polling: every part is a message or malformed, and there are as many as separators, and one.

use bytes::Bytes;
use ws::protocol::engine::payload::PayloadReader;

pub(crate) fn check(body: &[u8]) {
    let mut messages = PayloadReader::new(Bytes::copy_from_slice(body));
    let mut count = 0;
    while let Some(message) = messages.take() {
        drop(message);
        count += 1;
    }
    assert!(messages.is_done());
    assert_eq!(count, body.split(|byte| *byte == 0x1e).count());
}
