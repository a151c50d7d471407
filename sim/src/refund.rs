//! What happens to an order after it was placed besides payment and shipment: lines changed, money and units returned.

use jiff::Timestamp;

use crate::clock::to_second;
use crate::record::{
    AVAILABLE, COMMITTED, Edit, Refund, Restock, SimOrder, SimOrderLine, SimPayment,
};
use crate::sale::give_back;
use crate::store::{ChangeRefused, SimStore};
use crate::topic::{SimTopic, TopicSubject};

impl SimStore {
    /// Sets how many units of a line are wanted; more are committed, fewer are put back.
    pub(crate) fn edit_order(
        &mut self,
        order: u64,
        line: Option<u64>,
        quantity: i64,
        now: Timestamp,
    ) -> Result<(), ChangeRefused> {
        let row = self
            .orders
            .find(order)
            .ok_or_else(|| ChangeRefused::new("id", "no such order"))?;
        let changed = line_of(row, line)?;
        let (shipped, delta) = (
            changed.current_quantity - changed.unfulfilled,
            quantity - changed.current_quantity,
        );
        let (line, item, location) = (changed.id, changed.item, changed.location);
        if row.cancelled_at.is_some()
            || quantity < shipped
            || delta == 0
            || quantity > crate::sale::MAX_SOLD
        {
            return Err(ChangeRefused::new(
                "quantity",
                "must be another than it is, and no less than is shipped",
            ));
        }
        let left = self
            .level(item, location)
            .map_or(0, |level| level.quantities[AVAILABLE]);
        if delta > left {
            return Err(ChangeRefused::new(
                "quantity",
                format!("sold out: {left} available"),
            ));
        }
        let id = self.next_id();
        self.act_on_order(order, now, |order| {
            let index = order.edits.len();
            for line in order.lines.iter_mut().filter(|row| row.id == line) {
                line.quantity += delta.max(0);
                line.current_quantity += delta;
                line.unfulfilled += delta;
            }
            order.edits.push(Edit {
                id,
                line,
                delta,
                created_at: to_second(now),
            });
            let edited = (
                SimTopic::ORDERS_EDITED,
                TopicSubject::Edit {
                    order: order.id,
                    index,
                },
            );
            Ok((
                vec![(
                    item,
                    location,
                    vec![(AVAILABLE, -delta), (COMMITTED, delta)],
                )],
                vec![edited],
            ))
        })
    }

    /// Takes units out of an order and gives their price back.
    pub(crate) fn refund(
        &mut self,
        order: u64,
        line: Option<u64>,
        quantity: Option<i64>,
        restock: Restock,
        now: Timestamp,
    ) -> Result<(), ChangeRefused> {
        let row = self
            .orders
            .find(order)
            .ok_or_else(|| ChangeRefused::new("id", "no such order"))?;
        let returned = line_of(row, line)?;
        let shipped = returned.current_quantity - returned.unfulfilled;
        let most = match restock {
            Restock::Return => shipped,
            Restock::Cancel => returned.unfulfilled,
            Restock::Nowhere => returned.current_quantity,
        };
        let units = quantity.unwrap_or(most);
        if !(1..=most).contains(&units) {
            return Err(ChangeRefused::new(
                "quantity",
                format!("must be between 1 and {most} for this kind of refund"),
            ));
        }
        let (line, item, location) = (returned.id, returned.item, returned.location);
        // Of units that do not come back, shipped ones have left already.
        let uncommitted = match restock {
            Restock::Return => 0,
            Restock::Cancel => units,
            Restock::Nowhere => (units - shipped).max(0),
        };
        let back = if restock == Restock::Nowhere {
            0
        } else {
            units
        };
        let (id, line_id, transaction) = (self.next_id(), self.next_id(), self.next_id());
        self.act_on_order(order, now, |order| {
            let index = order.refunds.len();
            let mut amount = 0;
            for line in order.lines.iter_mut().filter(|row| row.id == line) {
                line.current_quantity -= units;
                line.unfulfilled -= uncommitted;
                amount = line.price * units;
            }
            let created_at = to_second(now);
            order.refunds.push(Refund {
                id,
                line_id,
                line,
                units,
                amount,
                restock,
                location,
                created_at,
            });
            let all = order.lines.iter().all(|line| line.current_quantity == 0);
            order.payment = match order.payment {
                SimPayment::Paid | SimPayment::PartiallyRefunded if all => SimPayment::Refunded,
                SimPayment::Paid => SimPayment::PartiallyRefunded,
                other => other,
            };
            let mut told = vec![(
                SimTopic::REFUNDS_CREATE,
                TopicSubject::Refund {
                    order: order.id,
                    index,
                },
            )];
            told.extend(give_back(order, transaction, amount, created_at));
            Ok((
                vec![(
                    item,
                    location,
                    vec![(AVAILABLE, back), (COMMITTED, -uncommitted)],
                )],
                told,
            ))
        })
    }
}

/// The line, or the first of the order.
fn line_of(order: &SimOrder, line: Option<u64>) -> Result<&SimOrderLine, ChangeRefused> {
    let found = order
        .lines
        .iter()
        .find(|row| line.is_none_or(|line| line == row.id));
    found.ok_or_else(|| ChangeRefused::new("lineItemId", "no such line"))
}
