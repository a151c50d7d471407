//! Messages of plain WebSockets: whatever text comes, it is refused, or a name and one payload at most.

use ws::contracts::Dialect;

pub(crate) fn check(text: &str) {
    for dialect in Dialect::ALL {
        if let Ok(call) = dialect.read(text) {
            assert!(call.id.is_none() && call.args.len() <= 1 && call.attachments.is_empty());
        }
    }
}
