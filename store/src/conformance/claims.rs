//! What a signed body claims and is not so: times to come, another shop's records, a customer who was to be forgotten.

use schemas::event::{OrderChanged, Transfer};
use schemas::record::{Customer, Location, Order};
use schemas::shape::OrderStatus;
use schemas::{
    Change, EventData, LevelSelection, Logged, RecordKey, Resource, RunState, Timestamp,
};

use super::{
    World, at, available_only, item, level, level_key, location, order, product, run, shop, variant,
};
use crate::{Batch, Cause, Delivery, Fate, Mark, Operation, Outcome, Retention, RunRecord};
use crate::{Collection, DriftKind};

/// Readings until the store's word is final.
const READINGS: usize = 6;

fn customer(second: i64) -> Change {
    let id = 5_u64.try_into().unwrap();
    Change::Customer(Customer {
        id,
        name: None,
        created_at: at(0),
        updated_at: at(second),
    })
}

fn transfer(status: &str, second: i64) -> Change {
    Change::Transfer(Transfer {
        transfer_id: 3_u64.try_into().unwrap(),
        status: Some(status.to_owned()),
        origin_id: 1_u64.try_into().ok(),
        destination_id: None,
        quantity: None,
        happened_at: at(second),
    })
}

impl World {
    async fn field(&self, collection: Collection, field: &str) -> String {
        let listed = self.store.list(&shop(), collection, 0, 10).await.unwrap();
        listed.first().map_or_else(String::new, |record| {
            record[field].as_str().unwrap().to_owned()
        })
    }

    async fn marks(&self) -> Vec<(RecordKey, Mark)> {
        let marked = self
            .store
            .marked(&shop(), at(1_000_000), 100)
            .await
            .unwrap();
        marked
            .into_iter()
            .map(|marked| (marked.key, marked.mark))
            .collect()
    }

    async fn says(&self, marks: Vec<(RecordKey, Mark)>, changes: Vec<Change>) -> Outcome {
        let cause = Cause::Read(marks);
        self.do_(Operation::Apply(Batch {
            shop: shop(),
            at: at(100),
            cause,
            changes,
        }))
        .await
    }

    /// A delivery that may be another shop's says this.
    async fn shared(&self, id: &str, changes: Vec<Change>) {
        self.do_(Operation::Accept(Self::delivery(id))).await;
        let cause = Cause::Webhook {
            id: id.parse().unwrap(),
            fate: Fate::Applied,
            shared_secret: true,
        };
        self.do_(Operation::Apply(Batch {
            shop: shop(),
            at: at(100),
            cause,
            changes,
        }))
        .await;
    }
}

pub(super) async fn a_time_to_come_counts_as_of_now_and_is_read(world: World) {
    let world = world.registered().await;
    let hour = 3_700;
    let claims = vec![
        product(1, "Shirt", hour, None),
        variant(1, 1, "5", hour),
        item(1, true, hour),
        Change::Location(Location {
            updated_at: at(hour),
            ..location(1)
        }),
        customer(hour),
        available_only(1, 20, hour),
        order(1, OrderStatus::Created, "pending", hour),
        transfer("in_transit", hour),
    ];
    assert_eq!(world.webhook(claims).await.ahead, 8);
    for collection in [
        Collection::Products,
        Collection::Variants,
        Collection::Items,
        Collection::Locations,
        Collection::Customers,
        Collection::Orders,
    ] {
        let time: Timestamp = world.field(collection, "updatedAt").await.parse().unwrap();
        assert_eq!(time, at(100), "{collection:?}");
    }
    let marked = world.marked().await;
    let one = |key: RecordKey| assert!(marked.contains(&key), "{key} is in {marked:?}");
    one(RecordKey::Product(1_u64.try_into().unwrap()));
    one(RecordKey::Item(1_u64.try_into().unwrap()));
    one(RecordKey::Location(1_u64.try_into().unwrap()));
    one(RecordKey::Customer(5_u64.try_into().unwrap()));
    one(RecordKey::Order(1_u64.try_into().unwrap()));
    one(level_key(1));
    // What really happens next wins at once.
    world
        .webhook(vec![
            product(1, "Coat", 101, None),
            available_only(1, 19, 101),
            transfer("received", 101),
        ])
        .await;
    assert_eq!(world.field(Collection::Products, "title").await, "Coat");
    assert_eq!(world.available().await, [19]);
    let transfers = world
        .story()
        .await
        .iter()
        .filter(|kind| *kind == "inventory:transfer")
        .count();
    assert_eq!(transfers, 2);
}

pub(super) async fn what_was_claimed_ahead_of_its_time_is_put_right_by_reading_it(world: World) {
    let world = world.registered().await;
    world
        .webhook(vec![
            product(1, "Wrong", 3_700, None),
            variant(1, 1, "9", 3_700),
        ])
        .await;
    for _ in 0..READINGS {
        let marks = world.marks().await;
        world
            .says(
                marks,
                vec![product(1, "Right", 50, Some(&[1])), variant(1, 1, "5", 50)],
            )
            .await;
    }
    assert_eq!(world.field(Collection::Products, "title").await, "Right");
    assert_eq!(world.field(Collection::Variants, "price").await, "5.00");
}

pub(super) async fn a_read_wins_over_a_claimed_time_however_often_its_record_is_marked(
    world: World,
) {
    let world = world.registered().await;
    world
        .webhook(vec![
            item(1, true, 1),
            Change::Location(location(1)),
            level(1, 77, 200),
        ])
        .await;
    let again = || vec![Change::LookAgain(level_key(1))];
    world.webhook(again()).await;
    for _ in 0..READINGS {
        let marks = world.marks().await;
        // It sells on while it is read.
        world.webhook(again()).await;
        world.says(marks, vec![level(1, 5, 50)]).await;
    }
    assert_eq!(world.available().await, [5]);
    assert_eq!(
        world.marked().await,
        [level_key(1)],
        "what was heard last is still to be read"
    );
    world.read(vec![level(1, 5, 50)]).await;
    assert_eq!(world.marked().await, []);
}

pub(super) async fn a_level_that_sells_faster_than_it_is_read_never_goes_back(world: World) {
    let world = world.registered().await;
    world
        .webhook(vec![
            item(1, true, 1),
            Change::Location(location(1)),
            available_only(1, 20, 1),
        ])
        .await;
    for sold in 1..10 {
        let (marks, before) = (world.marks().await, 20 - (sold - 1));
        world
            .webhook(vec![available_only(1, 20 - sold, 1 + sold)])
            .await;
        world.says(marks, vec![level(1, before, sold)]).await;
        assert_eq!(world.available().await, [20 - sold]);
    }
}

pub(super) async fn a_full_run_reads_what_is_held_under_a_time_it_rules_out_and_counts_it(
    world: World,
) {
    let world = world.registered().await;
    let (wrong, right, before) = ("Wrong", product(1, "Right", -1_000, None), at(0));
    world
        .webhook(vec![
            product(1, wrong, 45, None),
            product(2, "Young", 60, None),
        ])
        .await;
    let page = || vec![right.clone(), product(2, "Old", -1_000, None)];
    let full = |id: &str, dry_run| {
        let mut record = RunRecord {
            until: Some(before),
            ..run(id, Resource::Products, false)
        };
        record.run.dry_run = dry_run;
        record
    };
    world.do_(Operation::StartRun(full("dry", true))).await;
    world.page("dry", page(), "").await;
    world.finish("dry", RunState::Completed).await;
    world.do_(Operation::StartRun(full("real", false))).await;
    world.page("real", page(), "").await;
    assert_eq!(
        world.marked().await,
        [RecordKey::Product(1_u64.try_into().unwrap())]
    );
    for _ in 0..READINGS {
        world.read(vec![right.clone()]).await;
    }
    world.finish("real", RunState::Completed).await;

    assert_eq!(world.field(Collection::Products, "title").await, "Right");
    let runs = world.store.runs(&shop(), 10).await.unwrap();
    assert_eq!(
        runs.iter().map(|run| run.run.drift).collect::<Vec<_>>(),
        [1, 1]
    );
    let drift = world.store.drift(&shop(), None, 10).await.unwrap();
    let DriftKind::Differs(fields) = &drift[0].wrong else {
        panic!("{drift:?}")
    };
    assert_eq!(fields["title"], (wrong.into(), "Right".into()));
}

pub(super) async fn where_a_secret_is_shared_nothing_is_added_on_a_headers_word(world: World) {
    let world = world.registered().await;
    let stray = vec![
        customer(1),
        order(1, OrderStatus::Created, "pending", 1),
        product(1, "Shirt", 1, None),
        variant(1, 1, "5", 1),
        item(1, true, 1),
        available_only(1, 20, 1),
        Change::Location(location(1)),
        transfer("in_transit", 1),
    ];
    world.shared("stray", stray).await;
    assert_eq!(world.log().await, []);
    let looked_for = world.marked().await;
    assert_eq!(looked_for.len(), 6, "{looked_for:?}");
    // Shopify knows none of them in this shop.
    world
        .read(looked_for.into_iter().map(Change::Gone).collect())
        .await;
    assert_eq!((world.log().await, world.marked().await), (vec![], vec![]));

    // What is held is this shop's, and is kept up as ever.
    world
        .webhook(vec![
            product(1, "Shirt", 1, None),
            Change::Location(location(1)),
        ])
        .await;
    world
        .shared(
            "own",
            vec![product(1, "Coat", 2, None), transfer("in_transit", 2)],
        )
        .await;
    assert_eq!(world.field(Collection::Products, "title").await, "Coat");
    assert_eq!(world.story().await.last().unwrap(), "product:updated");
    assert!(
        world
            .story()
            .await
            .contains(&"inventory:transfer".to_owned())
    );
}

pub(super) async fn an_id_that_another_body_has_taken_swallows_nothing(world: World) {
    let world = world.registered().await;
    let other = Delivery {
        signature: b"other".to_vec(),
        body: b"{\"a\":1}".to_vec(),
        ..World::delivery("a")
    };
    assert!(
        world
            .do_(Operation::Accept(World::delivery("a")))
            .await
            .fresh
    );
    assert!(world.do_(Operation::Accept(other.clone())).await.fresh);
    assert!(
        !world
            .do_(Operation::Accept(World::delivery("a")))
            .await
            .fresh
    );
    assert!(!world.do_(Operation::Accept(other.clone())).await.fresh);
    let waiting = world.store.inbox(10).await.unwrap();
    let bodies: Vec<_> = waiting
        .iter()
        .map(|delivery| delivery.body.clone())
        .collect();
    assert_eq!(bodies, [b"{}".to_vec(), other.body]);
    assert_ne!(
        waiting[0].webhook_id, waiting[1].webhook_id,
        "each is settled for itself"
    );
}

pub(super) async fn what_an_unreadable_delivery_is_about_is_read(world: World) {
    let world = world.registered().await;
    world.do_(Operation::Accept(World::delivery("a"))).await;
    let fate = Fate::Unreadable("why".to_owned());
    world
        .settle("a", fate, vec![Change::LookAgain(level_key(1))])
        .await;
    assert_eq!(world.marked().await, [level_key(1)]);
    assert_eq!(
        world
            .store
            .deliveries(&shop(), "unreadable", 10)
            .await
            .unwrap()
            .len(),
        1
    );
}

pub(super) async fn a_redacted_customer_does_not_come_back_by_what_was_said_before(world: World) {
    let world = world.registered().await;
    let placed = || order(1, OrderStatus::Created, "pending", 1);
    world.webhook(vec![customer(1), placed()]).await;
    world
        .webhook(vec![Change::Redacted(5_u64.try_into().unwrap())])
        .await;
    world
        .webhook(vec![
            customer(90),
            order(1, OrderStatus::Confirmed, "pending", 90),
        ])
        .await;
    let customers = async || {
        world
            .store
            .list(&shop(), Collection::Customers, 0, 10)
            .await
            .unwrap()
            .len()
    };
    let whose = async || {
        let orders = world
            .store
            .list(&shop(), Collection::Orders, 0, 10)
            .await
            .unwrap();
        orders
            .iter()
            .map(|order| order["customerId"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (customers().await, whose().await),
        (0, vec![serde_json::Value::Null])
    );
    let told = world
        .log()
        .await
        .into_iter()
        .filter_map(|entry| match entry.event {
            Logged::OrderCreated(EventData::Own(OrderChanged { order, .. }))
            | Logged::OrderStatusChanged(EventData::Own(OrderChanged { order, .. })) => {
                order.customer_id
            }
            _ => None,
        });
    assert_eq!(told.count(), 0);
    // Who comes back is a customer again.
    world.webhook(vec![customer(150)]).await;
    assert_eq!(customers().await, 1);

    world
        .webhook(vec![Change::Redacted(5_u64.try_into().unwrap())])
        .await;
    let retention = Retention {
        deliveries_before: at(101),
        log_before: at(0),
        runs_before: at(0),
        revoked_until: at(0),
        sessions_before: at(0),
        unreadable_before: at(0),
    };
    world.do_(Operation::Prune(retention)).await;
    world.webhook(vec![customer(90)]).await;
    assert_eq!(
        customers().await,
        1,
        "by then no delivery from before is taken for a new one"
    );
}

pub(super) async fn an_order_from_before_the_shop_was_known_is_not_told_as_placed(world: World) {
    let world = world.registered().await;
    let Change::Order(old) = order(1, OrderStatus::Confirmed, "paid", 1) else {
        unreachable!()
    };
    world
        .webhook(vec![Change::Order(Order {
            created_at: at(-86_400),
            ..old
        })])
        .await;
    world
        .webhook(vec![order(2, OrderStatus::Created, "pending", 1)])
        .await;
    assert_eq!(world.story().await, ["order Updated", "order Created"]);
}

pub(super) async fn stock_at_a_deactivated_location_counts_no_longer_and_that_is_told(
    world: World,
) {
    let world = world.registered().await;
    let closed = |active, second| {
        vec![Change::Location(Location {
            active,
            updated_at: at(second),
            ..location(1)
        })]
    };
    world
        .webhook(vec![
            product(1, "Shirt", 1, None),
            item(1, true, 1),
            variant(1, 1, "5", 1),
        ])
        .await;
    world.webhook(closed(true, 1)).await;
    world.webhook(vec![level(1, 20, 1)]).await;
    let before = world.story().await.len();
    world.webhook(closed(false, 2)).await;
    let told = world.log().await;
    let Logged::InventoryUpdated(EventData::Own(change)) = &told[before].event else {
        panic!("{told:?}")
    };
    assert!(
        !change.level.active && change.product.is_empty(),
        "{change:?}"
    );
    let levels = world
        .store
        .levels(vec![shop()], LevelSelection::default(), None, 10)
        .await
        .unwrap()
        .0;
    assert!(!levels[0].active);
    // It runs out there, and nobody is alarmed.
    world.webhook(vec![level(1, 0, 3)]).await;
    assert_eq!(world.story().await[before + 1..], ["updated Some(20)→0"]);
    world.webhook(closed(true, 4)).await;
    assert_eq!(world.story().await[before + 2..], ["updated Some(0)→0"]);
    world.webhook(vec![level(1, 20, 5)]).await;
    assert_eq!(
        world.story().await[before + 3..],
        ["updated Some(0)→20", "restocked 20"]
    );
}

pub(super) async fn what_is_not_on_sale_alarms_nobody(world: World) {
    let world = world.registered().await;
    let with_status = |status: &str, second| {
        let Change::Product { product, variants } = product(1, "Shirt", second, None) else {
            unreachable!()
        };
        let status = status.to_owned();
        vec![Change::Product {
            product: schemas::record::Product { status, ..product },
            variants,
        }]
    };
    for (round, status) in [(0, "archived"), (1, "draft")] {
        let second = 10 * round;
        world.webhook(with_status("active", second + 1)).await;
        world
            .webhook(vec![
                item(1, true, 1),
                variant(1, 1, "5", 1),
                level(1, 20, second + 1),
            ])
            .await;
        world.webhook(with_status(status, second + 2)).await;
        let before = world.story().await.len();
        world.webhook(vec![level(1, 0, second + 3)]).await;
        assert_eq!(
            world.story().await[before..],
            ["updated Some(20)→0"],
            "{status}"
        );
        world.webhook(with_status("active", second + 4)).await;
        world.webhook(vec![level(1, 20, second + 5)]).await;
        assert!(
            world.story().await.contains(&"restocked 20".to_owned()),
            "{status}: it counts again"
        );
    }
}

pub(super) async fn a_number_that_changes_at_an_item_is_read_at_its_variant(world: World) {
    let world = world.registered().await;
    world
        .webhook(vec![
            product(1, "Shirt", 1, None),
            item(1, true, 1),
            variant(1, 1, "5", 1),
        ])
        .await;
    let Change::Item(held) = item(1, true, 2) else {
        unreachable!()
    };
    let numbered = |sku: &str, second| {
        let sku = Some(sku.to_owned());
        vec![Change::Item(schemas::record::InventoryItem {
            sku,
            updated_at: at(second),
            ..held.clone()
        })]
    };
    world.webhook(numbered("SKU-1", 2)).await;
    assert_eq!(world.marked().await, [], "it is the variant's");
    world.webhook(numbered("NEW-1", 3)).await;
    assert_eq!(
        world.marked().await,
        [RecordKey::Product(1_u64.try_into().unwrap())]
    );
}
