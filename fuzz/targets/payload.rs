//! Bodies of long-polling: every part is a message or malformed, and there are as many as separators, and one.
#![no_main]

#[path = "../checks/payload.rs"]
mod checks;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| checks::check(input));
