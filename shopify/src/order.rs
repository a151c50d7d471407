//! What an order's own words come to, and a customer's, the same whether a webhook or an answer brought them.

use schemas::LocationId;
use schemas::record::{OrderLine, PaymentOutcome, Transaction};
use schemas::shape::OrderStatus;

/// What of a fulfilment counts for the order's status.
pub(crate) struct Sent {
    pub(crate) cancelled: bool,
    pub(crate) delivered: bool,
}

/// Where an order stands. `financial` and `fulfillment` are spelled as in webhooks.
pub(crate) fn status(
    cancelled: bool,
    financial: Option<&str>,
    fulfillment: Option<&str>,
    sent: impl Iterator<Item = Sent>,
) -> OrderStatus {
    let mut standing = sent.filter(|one| !one.cancelled).peekable();
    match (cancelled, fulfillment, financial) {
        (true, ..) => OrderStatus::Cancelled,
        (_, Some("fulfilled"), _) => {
            let delivered = standing.peek().is_some() && standing.all(|one| one.delivered);
            if delivered {
                OrderStatus::Delivered
            } else {
                OrderStatus::Shipped
            }
        }
        // What was given back had been paid.
        (_, _, Some("paid" | "partially_refunded" | "refunded")) => OrderStatus::Confirmed,
        _ => OrderStatus::Created,
    }
}

/// How a transaction ended, where money moved or should have: not that money was set aside, and not before the end
/// (`OrderTransactionKind` and `OrderTransactionStatus`, API 2026-10).
pub(crate) fn outcome(kind: &str, status: &str) -> Option<PaymentOutcome> {
    match (kind, status) {
        ("CAPTURE" | "SALE", "SUCCESS") => Some(PaymentOutcome::Received),
        ("REFUND", "SUCCESS") => Some(PaymentOutcome::Refunded),
        ("AUTHORIZATION" | "CAPTURE" | "EMV_AUTHORIZATION" | "SALE", "ERROR" | "FAILURE") => {
            Some(PaymentOutcome::Failed)
        }
        _ => None,
    }
}

/// Locations in ascending order, each once: two mirrors of an order must compare equal.
pub(crate) fn ascending(locations: impl Iterator<Item = LocationId>) -> Vec<LocationId> {
    let mut locations: Vec<_> = locations.collect();
    locations.sort_unstable();
    locations.dedup();
    locations
}

/// Payments in the order of their ids.
pub(crate) fn payments(payments: impl Iterator<Item = Transaction>) -> Vec<Transaction> {
    let mut payments: Vec<_> = payments.collect();
    payments.sort_unstable_by_key(|payment| payment.id);
    payments
}

/// Lines in the order of their ids.
pub(crate) fn by_id(lines: impl Iterator<Item = OrderLine>) -> Vec<OrderLine> {
    let mut lines: Vec<_> = lines.collect();
    lines.sort_unstable_by_key(|line| line.id);
    lines
}

/// A customer's name; `None` where there is none or Shopify withholds it.
pub(crate) fn full_name(first: Option<&str>, last: Option<&str>) -> Option<String> {
    let parts: Vec<_> = [first, last]
        .into_iter()
        .flatten()
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}
