//! How much of the disk is taken: what is written stays there for days, and of a busy shop there is much.

use schemas::record::{Customer, Order, OrderLine};
use schemas::shape::OrderStatus;
use schemas::{Change, RecordKey, Timestamp};

use super::{World, at, item, order, product, shop, variant};
use crate::{Arrival, Batch, Cause, Delivery, Fate, Operation};

/// Orders that are placed, each of two things out of so many.
const ORDERS: u64 = 500;
const THINGS: u64 = 200;
/// Bytes of the file that an order may take with its dozen webhooks, what is read after them, and its events.
const ORDER_BYTES_MAX: i64 = 9 * 1024;

pub(super) async fn an_order_with_its_webhooks_and_events_takes_nine_kilobytes_at_most(
    world: World,
) {
    let world = world.registered().await;
    for thing in 1..=THINGS {
        let changes = vec![
            product(thing, "Scarf, red, hand made", 1, Some(&[thing])),
            variant(thing, thing, "19.90", 1),
            item(thing, true, 1),
            available(thing, 100_000, 1),
        ];
        world.arrives("products/create", thing, changes).await;
    }
    world.reads_what_is_dirty(2).await;
    let before = world.file_bytes();
    for number in 1..=ORDERS {
        world.placed(number).await;
    }
    let bytes = (world.file_bytes() - before) / i64::try_from(ORDERS).unwrap();
    assert!(
        bytes <= ORDER_BYTES_MAX,
        "{bytes} bytes an order: {}",
        world.largest_tables()
    );
}

fn available(thing: u64, available: i64, second: i64) -> Change {
    super::available_only(thing, available, second)
}

/// An order of two things in one of its states.
fn bought(number: u64, status: OrderStatus, paid: &str, second: i64) -> Change {
    let Change::Order(one) = order(number, status, paid, second) else {
        unreachable!()
    };
    let line = |nth: u64| {
        let thing = (number + nth) % THINGS + 1;
        OrderLine {
            id: (number * 10 + nth).try_into().unwrap(),
            variant_id: thing.try_into().ok(),
            title: "Scarf, red, hand made".to_owned(),
            sku: Some(format!("SKU-{thing}")),
            quantity: 1,
        }
    };
    Change::Order(Order {
        customer_id: (5_000_000_000 + number).try_into().ok(),
        lines: vec![line(0), line(1)],
        locations: vec![1_u64.try_into().unwrap()],
        channel: Some("web".to_owned()),
        fulfillment_status: (status == OrderStatus::Shipped).then(|| "fulfilled".to_owned()),
        created_at: at(i64::try_from(number * 20).unwrap()),
        ..one
    })
}

impl World {
    /// A webhook arrives and is applied at once, as most are.
    async fn arrives(&self, topic: &str, number: u64, changes: Vec<Change>) {
        self.deliveries.set(self.deliveries.get() + 1);
        let nth = self.deliveries.get();
        // Of the length that Shopify's have, and in no order.
        let id = format!(
            "{:08x}-0000-4000-8000-{number:012x}",
            nth.wrapping_mul(2_654_435_761)
        );
        let delivery = Delivery {
            shop: shop(),
            webhook_id: id.parse().unwrap(),
            topic: topic.to_owned(),
            triggered_at: Some(at(nth.into())),
            received_at: at(nth.into()),
            body: Vec::new(),
            signature: vec![7; 32],
        };
        let arrival = Arrival {
            delivery,
            fate: Fate::Applied,
            shared_secret: false,
            changes,
        };
        self.do_(Operation::Deliver(Box::new(arrival))).await;
    }

    /// What is dirty is read, and is as it was heard.
    async fn reads_what_is_dirty(&self, second: i64) {
        let now: Timestamp = at(1_000_000);
        let marked = self.store.marked(&shop(), now, 1_000).await.unwrap();
        let changes = marked.iter().filter_map(|marked| match marked.key {
            RecordKey::Level(thing, _) => {
                Some(super::level(thing.to_i64().cast_unsigned(), 99_999, second))
            }
            _ => None,
        });
        let changes = changes.collect();
        let marks = marked.iter().map(|marked| (marked.key, marked.mark));
        let batch = Batch {
            shop: shop(),
            at: at(second),
            cause: Cause::Read(marks.collect()),
            changes,
        };
        self.do_(Operation::Apply(batch)).await;
    }

    /// An order and the dozen webhooks that Shopify sends until it is shipped.
    async fn placed(&self, number: u64) {
        let second = i64::try_from(number * 20).unwrap();
        let customer = Change::Customer(Customer {
            id: (5_000_000_000 + number).try_into().unwrap(),
            name: None,
            created_at: at(second),
            updated_at: at(second),
        });
        let thing = |nth: u64| (number + nth) % THINGS + 1;
        let look = || Change::LookAgain(RecordKey::Order(number.try_into().unwrap()));
        let states = [
            ("orders/create", OrderStatus::Created, "pending"),
            ("orders/updated", OrderStatus::Created, "authorized"),
            ("orders/paid", OrderStatus::Confirmed, "paid"),
            ("orders/updated", OrderStatus::Confirmed, "paid"),
            ("orders/updated", OrderStatus::Shipped, "paid"),
        ];
        self.arrives("customers/create", number, vec![customer])
            .await;
        for ((topic, status, paid), after) in states.into_iter().zip(1..) {
            let change = bought(number, status, paid, second + after);
            self.arrives(topic, number, vec![change]).await;
        }
        for nth in [0, 1] {
            let left = 100_000 - second - i64::try_from(nth).unwrap();
            let change = available(thing(nth), left, second + 2);
            self.arrives("inventory_levels/update", number, vec![change])
                .await;
        }
        self.reads_what_is_dirty(second + 3).await;
        let sold = product(thing(0), "Scarf, red, hand made", second + 4, None);
        self.arrives("products/update", number, vec![sold]).await;
        self.arrives("order_transactions/create", number, vec![look()])
            .await;
        self.arrives("fulfillments/create", number, vec![look()])
            .await;
        self.arrives("fulfillments/update", number, vec![look()])
            .await;
        self.reads_what_is_dirty(second + 9).await;
    }

    pub(super) fn beside(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.folder.path().join("stockd.db")).unwrap()
    }

    /// The size of the database, with what is in the write-ahead log.
    fn file_bytes(&self) -> i64 {
        let bytes = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
        let beside = self.beside();
        beside.query_row(bytes, [], |row| row.get(0)).unwrap()
    }

    /// The tables and indexes that take most, with their KiB.
    fn largest_tables(&self) -> String {
        let beside = self.beside();
        let mut largest = beside
            .prepare(
                "SELECT name || ' ' || (sum(pgsize) / 1024) FROM dbstat GROUP BY name \
                 ORDER BY sum(pgsize) DESC LIMIT 12",
            )
            .unwrap();
        let largest = largest
            .query_map([], |row| row.get::<_, String>(0))
            .unwrap();
        largest
            .collect::<rusqlite::Result<Vec<_>>>()
            .unwrap()
            .join(", ")
    }
}
