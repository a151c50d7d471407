//! What changed of an order: exactly one answer for every change.

use schemas::event::OrderChange;
use schemas::record::Order;

/// Names what differs between two versions of an order, the weightiest first.
pub fn change(before: Option<&Order>, now: &Order) -> OrderChange {
    let Some(before) = before else {
        return OrderChange::Created;
    };
    if before.status != now.status {
        OrderChange::StatusChanged
    } else if before.financial_status != now.financial_status {
        OrderChange::Payment
    } else if before.fulfillment_status != now.fulfillment_status {
        OrderChange::Fulfillment
    } else {
        OrderChange::Updated
    }
}
