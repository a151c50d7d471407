//! Orders: how they come about, are paid, shipped and cancelled, and what that does to the stock.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::clock::to_second;
use crate::record::{
    AVAILABLE, COMMITTED, Fulfillment, Shipment, SimCustomer, SimOrder, SimOrderLine, SimPayment,
    SimTransaction,
};
use crate::store::{ChangeRefused, SimStore};
use crate::topic::{SimTopic, TopicSubject};

/// Units per line of one order.
pub(crate) const MAX_SOLD: i64 = 1_000_000;

/// One line of a purchase to be.
#[derive(Clone, Copy)]
pub(crate) struct PurchaseLine {
    pub(crate) item: u64,
    pub(crate) location: u64,
    pub(crate) quantity: i64,
}

/// Changes to levels: item, location, and by how much each quantity.
pub(crate) type Changes = Vec<(u64, u64, Vec<(usize, i64)>)>;

/// What an action on an order changes, and what is to be told of it.
pub(crate) type Done = (Changes, Vec<(SimTopic, TopicSubject)>);

impl SimStore {
    /// A purchase: an order by a customer, known or new, which commits the units it takes.
    ///
    /// Nothing is changed if one of the lines cannot be had.
    pub(crate) fn sell(
        &mut self,
        customer: Option<u64>,
        new_name: (&'static str, &'static str),
        wanted: &[PurchaseLine],
        now: Timestamp,
    ) -> Result<u64, ChangeRefused> {
        let mut lines = Vec::with_capacity(wanted.len());
        for (index, want) in wanted.iter().enumerate() {
            let same =
                |other: &&PurchaseLine| (other.item, other.location) == (want.item, want.location);
            let taken = wanted[..index]
                .iter()
                .filter(same)
                .map(|other| other.quantity)
                .sum();
            lines.push(self.line(*want, taken)?);
        }
        self.begin();
        let (id, at) = (self.next_id(), to_second(now));
        let total: i64 = lines.iter().map(|line| line.price * line.quantity).sum();
        let buy = |customer: &mut SimCustomer| {
            customer.orders += 1;
            customer.spent = customer.spent.saturating_add(total);
            customer.updated_at = at;
        };
        let known = customer.filter(|id| self.customers.edit(*id, buy).is_some());
        let customer = known.unwrap_or_else(|| self.add_customer(new_name, total, now));
        let topic = if known.is_some() {
            SimTopic::CUSTOMERS_UPDATE
        } else {
            SimTopic::CUSTOMERS_CREATE
        };
        for line in &mut lines {
            line.id = self.next_id();
            let changes = [(AVAILABLE, -line.quantity), (COMMITTED, line.quantity)];
            self.change_level(line.item, line.location, &changes, now)?;
        }
        self.last_order += 1;
        self.orders.insert(SimOrder {
            id,
            number: self.last_order,
            payment: SimPayment::Pending,
            customer,
            lines,
            fulfillments: Vec::new(),
            edits: Vec::new(),
            refunds: Vec::new(),
            transactions: Vec::new(),
            cancelled_at: None,
            closed_at: None,
            created_at: at,
            updated_at: at,
        });
        self.tell(topic, TopicSubject::Customer(customer), now);
        self.tell(SimTopic::ORDERS_CREATE, TopicSubject::Order(id), now);
        Ok(id)
    }

    fn add_customer(
        &mut self,
        (first_name, last_name): (&'static str, &'static str),
        spent: i64,
        now: Timestamp,
    ) -> u64 {
        let (id, at) = (self.next_id(), to_second(now));
        let (first_name, last_name) = (first_name.into(), last_name.into());
        let customer = SimCustomer {
            id,
            first_name,
            last_name,
            orders: 1,
            spent,
            created_at: at,
            updated_at: at,
        };
        self.customers.insert(customer);
        id
    }

    /// What a wanted line would be, if the stock and the variant's policy allow it. Its id comes later; `taken` is
    /// what earlier lines of the same purchase take from the same level.
    fn line(&self, want: PurchaseLine, taken: i64) -> Result<SimOrderLine, ChangeRefused> {
        let item = self
            .items
            .find(want.item)
            .ok_or_else(|| ChangeRefused::new("inventoryItemId", "no such item"))?;
        let variant = self.variants.find(item.variant);
        let variant =
            variant.ok_or_else(|| ChangeRefused::new("inventoryItemId", "no such variant"))?;
        let level = self
            .selling_levels_of(want.item)
            .find(|level| level.location == want.location);
        let level = level.ok_or_else(|| ChangeRefused::new("locationId", "not stocked there"))?;
        if !(1..=MAX_SOLD).contains(&want.quantity) {
            return Err(ChangeRefused::new(
                "quantity",
                format!("must be between 1 and {MAX_SOLD}"),
            ));
        }
        let left = level.quantities[AVAILABLE] - taken;
        if left < want.quantity && !variant.oversell {
            return Err(ChangeRefused::new(
                "quantity",
                format!("sold out: {left} available"),
            ));
        }
        Ok(SimOrderLine {
            id: 0,
            variant: variant.id,
            product: variant.product,
            item: want.item,
            location: want.location,
            title: self
                .products
                .find(variant.product)
                .map(|product| product.title.clone())
                .unwrap_or_default(),
            sku: variant.sku.clone(),
            price: variant.price,
            quantity: want.quantity,
            current_quantity: want.quantity,
            unfulfilled: want.quantity,
        })
    }

    /// The customer pays the order, or tries to and fails.
    pub(crate) fn pay(
        &mut self,
        order: u64,
        success: bool,
        now: Timestamp,
    ) -> Result<(), ChangeRefused> {
        let (id, created_at) = (self.next_id(), to_second(now));
        self.act_on_order(order, now, |order| match order.payment {
            SimPayment::Pending if order.cancelled_at.is_none() => {
                let amount = order.current_total();
                order.transactions.push(SimTransaction {
                    id,
                    kind: "sale",
                    success,
                    amount,
                    created_at,
                });
                let mut told = vec![newest_transaction(order)];
                if success {
                    order.payment = SimPayment::Paid;
                    told.push((SimTopic::ORDERS_PAID, TopicSubject::Order(order.id)));
                }
                Ok((Vec::new(), told))
            }
            _ => Err("is already paid or cancelled"),
        })
    }

    /// Ships what is left, or so many units of one line: they leave `committed`, and with it what is on hand. As at
    /// Shopify, a fulfilment has one location, so there is one for each from which something is sent.
    pub(crate) fn fulfill(
        &mut self,
        order: u64,
        line: Option<u64>,
        quantity: Option<i64>,
        now: Timestamp,
    ) -> Result<(), ChangeRefused> {
        let meant =
            |row: &SimOrderLine| line.is_none_or(|line| line == row.id) && row.unfulfilled > 0;
        let lines = self
            .orders
            .find(order)
            .map(|order| &order.lines[..])
            .unwrap_or_default();
        let places: BTreeSet<u64> = lines
            .iter()
            .filter(|row| meant(row))
            .map(|row| row.location)
            .collect();
        let shipments: Vec<(u64, u64)> = places
            .into_iter()
            .map(|place| (place, self.next_id()))
            .collect();
        let at = to_second(now);
        self.act_on_order(order, now, |order| {
            if order.shipment() == Shipment::All || order.cancelled_at.is_some() {
                return Err("is already fulfilled or cancelled");
            }
            let enough = |row: &SimOrderLine| {
                quantity.is_none_or(|units| (1..=row.unfulfilled).contains(&units))
            };
            if !order.lines.iter().any(meant)
                || !order.lines.iter().filter(|row| meant(row)).all(enough)
            {
                return Err("has no line with so many units left");
            }
            let first = order.fulfillments.len();
            let mut taken = Changes::new();
            for (location, id) in shipments {
                let mut lines = Vec::new();
                for line in order
                    .lines
                    .iter_mut()
                    .filter(|row| meant(row) && row.location == location)
                {
                    let units = quantity.unwrap_or(line.unfulfilled);
                    line.unfulfilled -= units;
                    taken.push((line.item, location, vec![(COMMITTED, -units)]));
                    lines.push((line.id, units));
                }
                let delivered = false;
                let shipped = Fulfillment {
                    id,
                    location,
                    lines,
                    delivered,
                    created_at: at,
                    updated_at: at,
                };
                order.fulfillments.push(shipped);
            }
            let all = order.shipment() == Shipment::All;
            if all && order.payment == SimPayment::Paid {
                order.closed_at = Some(at);
            }
            let topic = if all {
                SimTopic::ORDERS_FULFILLED
            } else {
                SimTopic::ORDERS_PARTIALLY_FULFILLED
            };
            let mut told = vec![(topic, TopicSubject::Order(order.id))];
            let shipped = |index| {
                (
                    SimTopic::FULFILLMENTS_CREATE,
                    TopicSubject::Fulfillment {
                        order: order.id,
                        index,
                    },
                )
            };
            told.extend((first..order.fulfillments.len()).map(shipped));
            Ok((taken, told))
        })
    }

    /// What is under way arrives.
    pub(crate) fn deliver(&mut self, order: u64, now: Timestamp) -> Result<(), ChangeRefused> {
        self.act_on_order(order, now, |order| {
            let mut told = Vec::new();
            for (index, fulfillment) in order.fulfillments.iter_mut().enumerate() {
                if !fulfillment.delivered {
                    (fulfillment.delivered, fulfillment.updated_at) = (true, to_second(now));
                    let delivered = TopicSubject::Fulfillment {
                        order: order.id,
                        index,
                    };
                    told.push((SimTopic::FULFILLMENTS_UPDATE, delivered));
                }
            }
            if told.is_empty() {
                Err("has nothing under way")
            } else {
                Ok((Vec::new(), told))
            }
        })
    }

    /// Cancels an order that is not yet shipped, puts its units back and returns the money.
    pub(crate) fn cancel(&mut self, order: u64, now: Timestamp) -> Result<(), ChangeRefused> {
        let id = self.next_id();
        self.act_on_order(order, now, |order| {
            if order.shipment() != Shipment::Nothing || order.cancelled_at.is_some() {
                return Err("is already fulfilled or cancelled");
            }
            order.cancelled_at = Some(to_second(now));
            order.closed_at = Some(to_second(now));
            order.payment = match order.payment {
                SimPayment::Paid | SimPayment::PartiallyRefunded | SimPayment::Refunded => {
                    SimPayment::Refunded
                }
                SimPayment::Pending | SimPayment::Voided => SimPayment::Voided,
            };
            let returned = order.lines.iter_mut().map(|line| {
                line.current_quantity = 0;
                let units = std::mem::take(&mut line.unfulfilled);
                (
                    line.item,
                    line.location,
                    vec![(COMMITTED, -units), (AVAILABLE, units)],
                )
            });
            let returned = returned.collect();
            let mut told = vec![(SimTopic::ORDERS_CANCELLED, TopicSubject::Order(order.id))];
            told.extend(give_back(order, id, order.paid(), to_second(now)));
            Ok((returned, told))
        })
    }

    pub(crate) fn delete_order(&mut self, order: u64, now: Timestamp) -> Result<(), ChangeRefused> {
        let row = self
            .orders
            .find(order)
            .ok_or_else(|| ChangeRefused::new("id", "no such order"))?;
        if row.cancelled_at.is_none() && row.shipment() != Shipment::All {
            return Err(ChangeRefused::new("id", "holds stock: cancel it first"));
        }
        self.begin();
        self.orders.remove(order);
        self.tell(SimTopic::ORDERS_DELETE, TopicSubject::Gone(order), now);
        Ok(())
    }

    /// Does something to an order, then to the levels it names.
    pub(crate) fn act_on_order(
        &mut self,
        id: u64,
        now: Timestamp,
        act: impl FnOnce(&mut SimOrder) -> Result<Done, &'static str>,
    ) -> Result<(), ChangeRefused> {
        self.begin();
        let edit = |order: &mut SimOrder| {
            let done = act(order)?;
            order.updated_at = to_second(now);
            Ok(done)
        };
        let acted = self
            .orders
            .edit(id, edit)
            .ok_or_else(|| ChangeRefused::new("id", "no such order"))?;
        let (levels, told) = acted.map_err(|why: &str| ChangeRefused::new("id", why))?;
        for (item, location, changes) in levels {
            // The level of a product deleted meanwhile is gone, and nothing is left to correct.
            let _ = self.change_level(item, location, &changes, now);
        }
        for (topic, subject) in told {
            self.tell(topic, subject, now);
        }
        // Every more specific order topic comes with this one.
        self.tell(SimTopic::ORDERS_UPDATED, TopicSubject::Order(id), now);
        Ok(())
    }
}

/// Returns money to the customer, at most what was paid; what is told of it.
pub(crate) fn give_back(
    order: &mut SimOrder,
    id: u64,
    amount: i64,
    created_at: Timestamp,
) -> Option<(SimTopic, TopicSubject)> {
    let amount = amount.min(order.paid());
    if amount <= 0 {
        return None;
    }
    order.transactions.push(SimTransaction {
        id,
        kind: "refund",
        success: true,
        amount,
        created_at,
    });
    Some(newest_transaction(order))
}

fn newest_transaction(order: &SimOrder) -> (SimTopic, TopicSubject) {
    let newest = TopicSubject::Transaction {
        order: order.id,
        index: order.transactions.len() - 1,
    };
    (SimTopic::ORDER_TRANSACTIONS_CREATE, newest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Draft, StoreSwitches};

    #[test]
    fn two_lines_of_one_purchase_do_not_take_the_same_unit() {
        let (mut store, now) = (
            SimStore::new(String::new(), StoreSwitches::default(), 1),
            Timestamp::UNIX_EPOCH,
        );
        let location = store.add_location(String::new(), String::new(), false, now);
        let variants = vec![(String::new(), String::new(), 100, false)];
        store.add_product(
            Draft {
                title: String::new(),
                vendor: String::new(),
                kind: String::new(),
                variants,
            },
            now,
        );
        let item = store.items.iter().next().unwrap().id;
        store.connect(item, location, 3, now).unwrap();
        let line = PurchaseLine {
            item,
            location,
            quantity: 2,
        };
        assert!(store.sell(None, ("A", "B"), &[line, line], now).is_err());
        assert_eq!(store.available(item), 3);
        assert!(
            store
                .sell(
                    None,
                    ("A", "B"),
                    &[
                        line,
                        PurchaseLine {
                            quantity: 1,
                            ..line
                        }
                    ],
                    now
                )
                .is_ok()
        );
        assert_eq!(store.available(item), 0);
    }
    #[test]
    fn lines_at_several_locations_are_sent_in_a_fulfilment_for_each() {
        let (mut store, now) = (
            SimStore::new(String::new(), StoreSwitches::default(), 1),
            Timestamp::UNIX_EPOCH,
        );
        let places = ["Here", "There"]
            .map(|name| store.add_location(name.into(), String::new(), false, now));
        let variants = vec![(String::new(), String::new(), 100, false); 3];
        store.add_product(
            Draft {
                title: String::new(),
                vendor: String::new(),
                kind: String::new(),
                variants,
            },
            now,
        );
        let items: Vec<u64> = store.items.iter().map(|item| item.id).collect();
        let wanted: Vec<PurchaseLine> = [(0, 0, 1), (1, 1, 2), (2, 0, 3)]
            .map(|(item, place, quantity)| PurchaseLine {
                item: items[item],
                location: places[place],
                quantity,
            })
            .to_vec();
        for want in &wanted {
            store.connect(want.item, want.location, 9, now).unwrap();
        }
        let order = store.sell(None, ("A", "B"), &wanted, now).unwrap();
        store.take_notices();
        store.fulfill(order, None, None, now).unwrap();
        let order_row = store.orders.find(order).unwrap();
        let sent = order_row
            .fulfillments
            .iter()
            .map(|row| (row.location, row.lines.len()));
        assert_eq!(sent.collect::<Vec<_>>(), [(places[0], 2), (places[1], 1)]);
        let told =
            |index| crate::body::body(&store, TopicSubject::Fulfillment { order, index }).unwrap();
        assert_eq!(
            (
                &told(1)["location_id"],
                &told(1)["line_items"][0]["quantity"]
            ),
            (&places[1].into(), &2.into())
        );
        assert!(wanted.iter().all(
            |want| store.level(want.item, want.location).unwrap().on_hand() == 9 - want.quantity
        ));
        store.deliver(order, now).unwrap();
        assert!(
            store
                .orders
                .find(order)
                .unwrap()
                .fulfillments
                .iter()
                .all(|row| row.delivered)
        );
        assert!(store.deliver(order, now).is_err());
    }
}
