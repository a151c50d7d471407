//! Orders and their lines, put together whatever their order in the file.

use std::collections::BTreeMap;

use schemas::{Change, OrderId, RecordKey};

use super::error::BulkError;
use super::line::FILE_BYTES_MAX;
use crate::answer::{LineNode, OrderNode};

/// Most of a file held at a time, in bytes of its lines. What would be more is read in several passes.
pub(super) const HELD_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// How many passes a file takes, so that the share of each is about half of what may be held.
pub(super) fn passes(file_bytes: Option<u64>) -> u64 {
    file_bytes.unwrap_or(0).min(FILE_BYTES_MAX) / (HELD_BYTES_MAX / 2) + 1
}

/// The orders of one pass.
#[derive(Default)]
pub(super) struct OrderJoiner {
    held: BTreeMap<OrderId, HeldOrder>,
    bytes: u64,
}

#[derive(Default)]
struct HeldOrder {
    order: Option<OrderNode>,
    lines: Vec<LineNode>,
    /// Whether the same order came twice in the file.
    again: bool,
}

impl OrderJoiner {
    pub(super) fn order(
        &mut self,
        id: OrderId,
        order: OrderNode,
        bytes: usize,
    ) -> Result<(), BulkError> {
        self.weigh(bytes)?;
        let held = self.held.entry(id).or_default();
        held.again |= held.order.replace(order).is_some();
        Ok(())
    }

    pub(super) fn line(
        &mut self,
        of: OrderId,
        line: LineNode,
        bytes: usize,
    ) -> Result<(), BulkError> {
        self.weigh(bytes)?;
        self.held.entry(of).or_default().lines.push(line);
        Ok(())
    }

    /// To be asked once every line was read: whether each has its order.
    pub(super) fn check(&self) -> Result<(), BulkError> {
        let orders = self
            .held
            .values()
            .filter(|held| held.order.is_none())
            .count();
        if orders == 0 {
            Ok(())
        } else {
            Err(BulkError::Orphans { orders })
        }
    }

    /// Takes out the order with the lowest id. One that came twice, or has a line that did, was read at two times, and
    /// which line is of which cannot be told: it is to be read.
    pub(super) fn pop(&mut self) -> Option<Vec<Change>> {
        let (
            id,
            HeldOrder {
                order,
                mut lines,
                again,
            },
        ) = self.held.pop_first()?;
        lines.sort_unstable_by_key(LineNode::id);
        let torn = again || lines.windows(2).any(|pair| pair[0].id() == pair[1].id());
        Some(match order.filter(|_| !torn) {
            Some(order) => order.changes(lines).collect(),
            None => vec![Change::LookAgain(RecordKey::Order(id))],
        })
    }

    fn weigh(&mut self, bytes: usize) -> Result<(), BulkError> {
        self.bytes += bytes as u64;
        if self.bytes > HELD_BYTES_MAX {
            Err(BulkError::Held)
        } else {
            Ok(())
        }
    }
}
