//! Messages of plain WebSockets: whatever text comes, it is refused, or a name and one payload at most.
#![no_main]

#[path = "../checks/message.rs"]
mod checks;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| checks::check(input));
