//! What is done to a whole shop: others are answered between its slices, and a crash between them loses nothing.

use futures_util::FutureExt as _;
use schemas::event::Notice;
use schemas::record::{Customer, Location};
use schemas::shape::OrderStatus;
use schemas::{Change, EventData, Logged, Sequence};

use super::{World, at, item, level, location, order, shop};
use crate::{Batch, Cause, Fate, Operation, Outcome, Retention};

/// Records of each kind: two slices and a half.
const RECORDS: u64 = 2_500;

impl World {
    /// So many records, brought in by pages.
    async fn holds(&self, record: impl Fn(u64) -> Change) {
        for page in (1..=RECORDS).collect::<Vec<_>>().chunks(500) {
            self.webhook(page.iter().map(|id| record(*id)).collect())
                .await;
        }
    }

    /// Has an operation done, and another one between any two slices of it: what came of it, and after how many.
    fn sliced(&self, operation: Operation) -> (Outcome, usize) {
        let mut answer = self.store.write(operation);
        assert!(answer.as_mut().now_or_never().is_none());
        let mut slices = 0;
        loop {
            slices += 1;
            let mut other = self.store.write(announcement());
            assert!(other.as_mut().now_or_never().is_none());
            assert!(self.step());
            let other = other.now_or_never();
            assert!(
                other.is_some_and(|other| other.is_ok()),
                "answered meanwhile"
            );
            if let Some(outcome) = answer.as_mut().now_or_never() {
                return (outcome.unwrap(), slices);
            }
        }
    }

    /// Begins an operation, and crashes behind so many slices. The shop is registered at the next start.
    async fn crashed_in(self, operation: Operation, slices: usize) -> Self {
        let mut answer = self.store.write(operation);
        assert!(answer.as_mut().now_or_never().is_none());
        for _ in 0..slices {
            assert!(self.step());
        }
        assert!(
            answer.as_mut().now_or_never().is_none(),
            "it has more to do"
        );
        drop(answer);
        let Self {
            store,
            writer,
            folder,
            deliveries,
            ..
        } = self;
        drop((store, writer));
        let crate::sqlite::Opened { store, writer, .. } = crate::sqlite::testing::open_in(&folder);
        let world = Self {
            store,
            writer: Some(writer).into(),
            writing: None,
            folder,
            deliveries,
        };
        world.registered().await
    }

    fn counted(&self, count: &str) -> i64 {
        let count = format!("SELECT count(*) FROM {count}");
        let beside = self.beside();
        beside.query_row(&count, [], |row| row.get(0)).unwrap()
    }
}

fn announcement() -> Operation {
    let notice = Notice {
        user_id: None,
        title: "meanwhile".to_owned(),
        message: String::new(),
    };
    Operation::Announce {
        shop: shop(),
        event: Box::new(Logged::SystemAlert(EventData::Own(notice))),
        at: at(100),
    }
}

fn said(id: &str, changes: Vec<Change>) -> Operation {
    Operation::Apply(Batch {
        shop: shop(),
        at: at(100),
        cause: Cause::Webhook {
            id: id.parse().unwrap(),
            fate: Fate::Applied,
            shared_secret: false,
        },
        changes,
    })
}

async fn with_orders_of_one_customer(world: World) -> (World, Operation) {
    let world = world.registered().await;
    world
        .holds(|id| order(id, OrderStatus::Created, "pending", 1))
        .await;
    world
        .do_(Operation::Accept(World::delivery("redact")))
        .await;
    let changes = vec![Change::Redacted(5_u64.try_into().unwrap())];
    let redact = said("redact", changes);
    assert_eq!(world.counted("customer_order WHERE customer_id = 5"), 2_500);
    (world, redact)
}

fn nothing_is_left_of_the_customer(world: &World) {
    assert_eq!(world.counted("customer_order WHERE customer_id = 5"), 0);
    assert_eq!(world.counted("customer_order"), 2_500);
    assert_eq!(
        world.counted("log_segment WHERE room GLOB '*customer:5' AND sequences <> '[]'"),
        0
    );
    let named = "log WHERE event ->> '$.data.customerId' = '5'";
    assert_eq!(world.counted(named), 0);
    assert_eq!(world.counted("redacted WHERE erasing IS NOT NULL"), 0);
    assert_eq!(world.counted("redacted"), 1);
}

pub(super) async fn a_customer_with_many_orders_is_forgotten_in_slices(world: World) {
    let (world, redact) = with_orders_of_one_customer(world).await;
    let erasures = world.store.erasures();
    let before = *erasures.borrow();
    let (outcome, slices) = world.sliced(redact);
    assert!(outcome.fresh && !outcome.more && slices > 3, "{slices}");
    assert!(*erasures.borrow() > before, "told before it was answered");
    nothing_is_left_of_the_customer(&world);
}

pub(super) async fn a_customer_stays_forgotten_though_it_was_cut_off(world: World) {
    let (world, redact) = with_orders_of_one_customer(world).await;
    let world = world.crashed_in(redact, 2).await;
    nothing_is_left_of_the_customer(&world);
}

pub(super) async fn while_a_customer_is_forgotten_nothing_new_of_them_is_kept(world: World) {
    let (world, redact) = with_orders_of_one_customer(world).await;
    let mut answer = world.store.write(redact);
    assert!(answer.as_mut().now_or_never().is_none());
    assert!(world.step());
    // An order is placed by the very customer, who came back.
    let Change::Order(mut back) = order(9_000, OrderStatus::Created, "pending", 1_000) else {
        unreachable!()
    };
    (back.created_at, back.updated_at) = (at(1_000), at(1_000));
    let accept = world
        .store
        .write(Operation::Accept(World::delivery("back")));
    let apply = world
        .store
        .write(said("back", vec![Change::Order(back.clone())]));
    let mut both = [accept, apply];
    assert!(
        both.iter_mut()
            .all(|one| one.as_mut().now_or_never().is_none())
    );
    assert!(world.step());
    assert!(
        both.iter_mut()
            .all(|one| one.as_mut().now_or_never().is_some())
    );
    while world.step() {}
    assert!(answer.now_or_never().is_some());
    assert_eq!(world.counted("customer_order WHERE customer_id = 5"), 0);
    // When that is over, it is read, and is theirs.
    world.read(vec![Change::Order(back)]).await;
    assert_eq!(world.counted("customer_order WHERE customer_id = 5"), 1);
}

async fn with_names(world: World) -> (World, Operation) {
    let world = world.registered().await;
    let keep_names = |wanted| Operation::KeepNames {
        shop: shop(),
        wanted,
    };
    world.do_(keep_names(true)).await;
    let named = |id: u64| {
        Change::Customer(Customer {
            id: id.try_into().unwrap(),
            name: Some("Ann Lee".to_owned()),
            created_at: at(0),
            updated_at: at(1),
        })
    };
    world.holds(named).await;
    world
        .holds(|id| order(id, OrderStatus::Created, "pending", 1))
        .await;
    assert_eq!(world.counted("customer WHERE name IS NOT NULL"), 2_500);
    (world, keep_names(false))
}

fn no_name_is_left(world: &World) {
    assert_eq!(world.counted("customer WHERE name IS NOT NULL"), 0);
    assert_eq!(world.counted("customer"), 2_500);
    assert_eq!(world.counted("log WHERE event GLOB '*Ann Lee*'"), 0);
    assert_eq!(world.counted("shop WHERE erasing IS NOT NULL OR names"), 0);
}

pub(super) async fn names_are_forgotten_in_slices(world: World) {
    let (world, forget) = with_names(world).await;
    let (outcome, slices) = world.sliced(forget);
    assert!(outcome.fresh && slices > 6, "{slices}");
    no_name_is_left(&world);
}

pub(super) async fn names_stay_forgotten_though_it_was_cut_off(world: World) {
    let (world, forget) = with_names(world).await;
    let world = world.crashed_in(forget, 2).await;
    no_name_is_left(&world);
}

pub(super) async fn old_entries_and_deliveries_are_pruned_in_slices(world: World) {
    let world = world.registered().await;
    for _ in 0..RECORDS {
        world.do_(announcement()).await;
    }
    let deliveries = "WITH RECURSIVE nth (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM nth WHERE n < 2500) \
                      INSERT INTO delivery (shop, webhook_id, topic, received_at, state) \
                      SELECT 1, 'old-' || n, 't/t', n, 'applied' FROM nth";
    world.beside().execute_batch(deliveries).unwrap();
    let everything = at(101);
    let retention = Retention {
        deliveries_before: everything,
        log_before: everything,
        runs_before: everything,
        revoked_until: everything,
        sessions_before: everything,
        unreadable_before: everything,
    };
    let prune = || Operation::Prune(retention);
    // A crash leaves what is behind the floor, whole; the next one goes on.
    let world = world.crashed_in(prune(), 1).await;
    let floor = world.store.floor().await.unwrap();
    assert_eq!((floor.0, world.counted("log")), (1_000, 1_500));
    let (_, slices) = world.sliced(prune());
    assert!(slices > 4, "{slices}");
    assert_eq!(world.counted("delivery"), 0);
    assert_eq!(world.counted("log WHERE sequence <= 2500"), 0);
    assert!(
        world.counted("log") <= 1,
        "what was told meanwhile is as old"
    );
}

async fn with_a_location(world: World) -> (World, Operation) {
    let world = world.registered().await;
    world.webhook(vec![Change::Location(location(1))]).await;
    world.holds(|id| item(id, true, 1)).await;
    world.holds(|id| level(id, 20, 1)).await;
    world
        .do_(Operation::Accept(World::delivery("closed")))
        .await;
    let closed = Change::Location(Location {
        active: false,
        updated_at: at(2),
        ..location(1)
    });
    let close = said("closed", vec![closed]);
    (world, close)
}

async fn every_level_is_told_as_closed(world: &World) {
    assert_eq!(world.counted("level WHERE status IS NOT NULL"), 0);
    assert_eq!(world.counted("shop WHERE moved IS NOT NULL"), 0);
    let told = world.store.entries(Sequence(0), 100_000).await.unwrap();
    let mut closed: Vec<_> = told
        .iter()
        .filter_map(|entry| match &entry.event {
            Logged::InventoryUpdated(EventData::Own(change)) if !change.level.active => {
                Some(change.level.inventory_item_id)
            }
            _ => None,
        })
        .collect();
    let told = closed.len();
    closed.sort();
    closed.dedup();
    assert_eq!((closed.len(), told), (2_500, 2_500), "each of them once");
}

pub(super) async fn the_levels_of_a_location_that_closed_are_judged_in_slices(world: World) {
    let (world, close) = with_a_location(world).await;
    let (outcome, slices) = world.sliced(close);
    assert!(outcome.fresh && slices > 3, "{slices}");
    every_level_is_told_as_closed(&world).await;
}

pub(super) async fn the_levels_of_a_location_are_judged_though_it_was_cut_off(world: World) {
    let (world, close) = with_a_location(world).await;
    let world = world.crashed_in(close, 2).await;
    every_level_is_told_as_closed(&world).await;
}

pub(super) async fn a_shop_is_forgotten_in_slices_and_goes_on_where_it_was_cut_off(world: World) {
    let (world, _) = with_a_location(world).await;
    let forget = || Operation::Forget { shop: shop() };
    let world = world.crashed_in(forget(), 2).await;
    assert!(world.counted("log") + world.counted("level") > 0);
    let (_, slices) = world.sliced(forget());
    assert!(slices > 3, "{slices}");
    assert_eq!(world.counted("level") + world.counted("inventory_item"), 0);
    // What was told while it was forgotten.
    assert!(world.counted("log") <= 1);
}
