//! Why the result of a bulk operation is not taken for whole.

use super::line::{FILE_BYTES_MAX, LINE_BYTES_MAX};
use super::order::HELD_BYTES_MAX;

/// Why the result of a bulk operation is not taken for whole. What was read of it before is true and not all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BulkError {
    /// Its address is neither HTTPS nor, in a simulation on this machine, of this machine.
    #[error("the address of the bulk result is not https: nothing was fetched")]
    Address,
    /// It ended in the middle of a line, or a line is no JSON.
    #[error("line {line} of the bulk result is cut or not JSON")]
    Cut {
        /// Line of the file, counted from 1.
        line: u64,
    },
    /// Orders take more memory than they may.
    #[error("the orders of the bulk result do not fit into {HELD_BYTES_MAX} bytes at a time")]
    Held,
    /// A line is longer than any that we ask for.
    #[error("line {line} of the bulk result is longer than {LINE_BYTES_MAX} bytes")]
    LongLine {
        /// Line of the file, counted from 1.
        line: u64,
    },
    /// Lines of orders that are not there.
    #[error("the bulk result has lines of {orders} orders that are not in it")]
    Orphans {
        /// How many are missing, of those read together.
        orders: usize,
    },
    /// A line is JSON and has another shape than the schema says.
    #[error("line {line} of the bulk result cannot be read at `{path}`")]
    Shape {
        /// Line of the file, counted from 1.
        line: u64,
        /// Where in the line; `.` is its top.
        path: String,
    },
    /// The file cannot be fetched.
    #[error(
        "the bulk result cannot be fetched (HTTP {0}): its address is good for seven days; start another operation"
    )]
    Status(u16),
    /// The whole file is too long.
    #[error("the bulk result is longer than {FILE_BYTES_MAX} bytes")]
    TooLong,
    /// Lines are missing, or there are too many.
    #[error("the bulk result has {found} lines instead of {expected}")]
    Uncounted {
        /// How many there are; at least, where there are too many.
        found: u64,
        /// How many objects Shopify counted.
        expected: u64,
    },
}

impl BulkError {
    /// Whether fetching the same file again may help, because it was damaged on its way.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Cut { .. } | Self::Uncounted { .. } => true,
            Self::Status(status) => *status == 429 || *status >= 500,
            _ => false,
        }
    }
}
