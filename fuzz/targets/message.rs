//! Messages of plain WebSockets: whatever text comes, it is refused, or a name and one payload at most.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ws::contracts::Dialect;

fuzz_target!(|text: &str| {
    for dialect in Dialect::ALL {
        if let Ok(call) = dialect.read(text) {
            assert!(call.id.is_none() && call.args.len() <= 1 && call.attachments.is_empty());
        }
    }
});
