//! Engine.IO and Socket.IO packets: what was read is written so that it is read as the same again.
#![no_main]

#[path = "../checks/packet.rs"]
mod checks;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| checks::check(input));
