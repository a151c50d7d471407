//! WebSocket frames: however the bytes are cut, the same messages come out, and none is longer than it may be.
#![no_main]

#[path = "../checks/frame.rs"]
mod checks;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| checks::check(input));
