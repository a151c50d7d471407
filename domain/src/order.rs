//! What changed of an order: exactly one answer for every change.

use std::collections::BTreeSet;

use schemas::event::{OrderChange, OrderChanged, Payment};
use schemas::record::{Order, PaymentOutcome, Transaction, Variant};
use schemas::shape::OrderShape;
use schemas::{CustomerId, EventData, Logged, RecordKey, Timestamp, VariantId};

use crate::Verdict;
use crate::changes::{AHEAD_MAX, ChangeApplier};
use crate::shape::order_changed;
use crate::working_set::{Decided, Redaction, ShopSet, for_each};

/// Names what differs between two versions of an order, the weightiest first.
pub(crate) fn change_of(before: Option<&Order>, now: &Order) -> OrderChange {
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

impl ChangeApplier<'_, '_> {
    pub(crate) fn order(&mut self, said: &Order) -> Decided<()> {
        let key = RecordKey::Order(said.id);
        if let Some(customer) = said.customer_id
            && is_being_forgotten(self.set, customer)?
            && !self.set.stays_forgotten(customer, said.created_at)?
        {
            // The customer came back, and this order would be taken for one of before: it is read when that is over.
            self.look_again(key)?;
        }
        let said = &without_forgotten(self.set, said)?;
        let mut held: Option<Order> = self.set.find(said.id)?;
        // What is said first of the payments of an order that we knew without them is no news.
        if let Some(held) = &mut held
            && held.payments.is_none()
            && said.payments.is_some()
        {
            held.payments.clone_from(&said.payments);
            self.set.keep(held);
        }
        // Of an order that was made before us, what was paid when is not known.
        let unheard = || (!self.silent && !self.predates_us(said)).then(Vec::new);
        let paid = held
            .as_ref()
            .map_or_else(unheard, |held| held.payments.clone());
        let payments_unsaid = said.payments.is_none();
        let said = Order {
            payments: said.payments.clone().or_else(|| paid.clone()),
            ..said.clone()
        };
        if self.judge(key, held.as_ref(), &said)? != Verdict::Take {
            return Ok(());
        }
        // A first import brings levels for themselves.
        if !self.silent {
            let lines = held.iter().chain([&said]).flat_map(|order| &order.lines);
            self.look_at_stock_of(lines.filter_map(|line| line.variant_id).collect())?;
        }
        let standing = held
            .as_ref()
            .map_or(Some("pending"), |held| held.financial_status.as_deref());
        if payments_unsaid && standing != said.financial_status.as_deref() {
            self.look_again(key)?;
        }
        let moved: Vec<_> = said
            .payments
            .iter()
            .flatten()
            .filter(|one| !paid.iter().flatten().any(|held| held == *one))
            .collect();
        let only_payments = held.as_ref().is_some_and(|held| {
            let (payments, updated_at) = (said.payments.clone(), said.updated_at);
            !moved.is_empty()
                && Order {
                    payments,
                    updated_at,
                    ..held.clone()
                } == said
        });
        if !only_payments {
            self.tell_order(held.as_ref(), &said)?;
        }
        for transaction in moved {
            self.tell(payment_event(&said, transaction));
        }
        Ok(())
    }

    pub(crate) fn tell_order(&mut self, held: Option<&Order>, said: &Order) -> Decided<()> {
        let change = match change_of(held, said) {
            OrderChange::Created if self.predates_us(said) => OrderChange::Updated,
            change => change,
        };
        let previous_status = held
            .map(|held| held.status)
            .filter(|_| change == OrderChange::StatusChanged);
        let changed = order_changed(self.set, said, change)?;
        let changed = OrderChanged {
            order: OrderShape {
                previous_status,
                ..changed.order
            },
            ..changed
        };
        self.tell(match change {
            OrderChange::Created => Logged::OrderCreated(EventData::Own(changed)),
            OrderChange::StatusChanged => Logged::OrderStatusChanged(EventData::Own(changed)),
            _ => Logged::OrderUpdated(EventData::Own(changed)),
        });
        Ok(())
    }

    /// Whether an order was made before the shop was known here. Then it is old, however new it is to us.
    pub(crate) fn predates_us(&self, order: &Order) -> bool {
        order.created_at
            < self
                .set
                .known_since
                .saturating_sub(AHEAD_MAX)
                .unwrap_or(Timestamp::MIN)
    }

    /// An order moves stock between quantities of which no level webhook tells, and only Shopify knows where: the
    /// locations that an order names are those where it was sold or sent from, not those whose stock it takes.
    pub(crate) fn look_at_stock_of(&mut self, variants: BTreeSet<VariantId>) -> Decided<()> {
        for_each(variants, |id| {
            let variant: Option<Variant> = self.set.find(id)?;
            let Some(item) = variant.and_then(|variant| variant.inventory_item_id) else {
                return Ok(());
            };
            for_each(self.set.levels_of(item)?, |level| {
                self.look_again(RecordKey::Level(item, level.observed.location_id))?;
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    }
}

fn is_being_forgotten(set: &ShopSet<'_>, customer: CustomerId) -> Decided<bool> {
    let redaction: Option<Redaction> = set.find(customer)?;
    Ok(redaction.is_some_and(|redaction| redaction.erasing.is_some()))
}

/// An order as it may be kept: nobody's, where it is older than the wish to forget its customer, or that is under way.
pub(crate) fn without_forgotten(set: &ShopSet<'_>, said: &Order) -> Decided<Order> {
    let forgotten = match said.customer_id {
        Some(customer) => {
            is_being_forgotten(set, customer)? || set.stays_forgotten(customer, said.created_at)?
        }
        None => false,
    };
    Ok(Order {
        customer_id: said.customer_id.filter(|_| !forgotten),
        ..said.clone()
    })
}

pub(crate) fn payment_event(order: &Order, transaction: &Transaction) -> Logged {
    let payment = Payment {
        order_id: order.id,
        customer_id: order.customer_id,
        amount: transaction.amount.clone(),
        currency: transaction.currency.clone(),
    };
    match transaction.outcome {
        PaymentOutcome::Failed => Logged::PaymentFailed(EventData::Own(payment)),
        PaymentOutcome::Received => Logged::PaymentReceived(EventData::Own(payment)),
        PaymentOutcome::Refunded => Logged::PaymentRefunded(EventData::Own(payment)),
    }
}
