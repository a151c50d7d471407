//! Full runs: what they put right is counted, and nothing goes because it was not listed.

use super::{World, item, level, level_key, order_of, product, run, shop, variant};
use crate::conformance::at;
use crate::{Batch, Cause, Operation, Outcome, Progress, RunRecord};
use crate::{Collection, DriftKind, Drifted, LastRuns};
use schemas::record::Customer;
use schemas::{
    Change, Kind, Logged, Posted, RecordKey, Resource, Room, RunKind, RunState, Sequence, SyncRun,
};
use serde_json::{Value, json};

/// A full run that began five minutes after second 50, so that until then everything should be here.
fn full(id: &str, resource: Resource) -> RunRecord {
    RunRecord {
        until: Some(at(350)),
        ..run(id, resource, false)
    }
}

impl World {
    /// A part of a full run's result.
    async fn rows(&self, id: &str, changes: Vec<Change>) -> Outcome {
        let progress = Progress {
            processed: 1,
            total: None,
            bulk_objects: None,
            resume: String::new(),
            until: None,
        };
        let cause = Cause::Run {
            run: id.parse().unwrap(),
            progress,
        };
        self.do_(Operation::Apply(Batch {
            shop: shop(),
            at: at(400),
            cause,
            changes,
        }))
        .await
    }

    async fn drift(&self) -> Vec<Drifted> {
        self.store.drift(&shop(), None, 100).await.unwrap()
    }

    async fn told(&self, id: &str) -> SyncRun {
        let runs = self.store.runs(&shop(), 100).await.unwrap();
        runs.into_iter()
            .find(|run| run.run.run_id.as_str() == id)
            .unwrap()
            .run
    }
}

pub(super) async fn what_a_full_run_puts_right_late_is_drift_and_what_is_young_is_not(
    world: World,
) {
    let world = world.registered().await;
    world
        .webhook(vec![level(1, 5, 10), level(2, 5, 10), level(3, 5, 10)])
        .await;
    world
        .do_(Operation::StartRun(full("r1", Resource::Inventory)))
        .await;
    world
        .rows(
            "r1",
            vec![
                level(1, 4, 40),
                level(2, 4, 60),
                level(3, 5, 10),
                level(4, 8, 20),
            ],
        )
        .await;
    world.read(vec![]).await;
    world.finish("r1", RunState::Completed).await;

    let drift = world.drift().await;
    assert_eq!(drift.len(), 2, "{drift:?}");
    assert_eq!(
        (&drift[0].wrong, drift[0].since),
        (&DriftKind::Missing, Some(at(20)))
    );
    let DriftKind::Differs(fields) = &drift[1].wrong else {
        panic!("{drift:?}")
    };
    assert_eq!(fields["quantities.available"], (5.into(), 4.into()));
    assert_eq!(drift[1].record, level_key(1).to_string());
    assert_eq!(
        (world.told("r1").await.drift, world.told("r1").await.changed),
        (2, 3)
    );
    let told = world
        .log()
        .await
        .into_iter()
        .find_map(|entry| match entry.event {
            Logged::ShopifyDrift(drift) => Some(drift.records),
            _ => None,
        });
    assert_eq!(told, Some(2));
}

pub(super) async fn a_quiet_store_shows_no_drift(world: World) {
    let world = world.registered().await;
    let page = || {
        vec![
            product(1, "Shirt", 1, None),
            item(1, true, 1),
            variant(1, 1, "5", 1),
            level(1, 3, 1),
        ]
    };
    world.webhook(page()).await;
    world
        .do_(Operation::StartRun(full("r1", Resource::Products)))
        .await;
    assert_eq!(world.rows("r1", page()).await.changed, 0);
    // Shopify touches a product's time for reasons that do not show in it.
    world.rows("r1", vec![product(1, "Shirt", 9, None)]).await;
    assert_eq!(
        (world.drift().await, world.told("r1").await.drift),
        (vec![], 0)
    );
}

pub(super) async fn a_doubt_is_settled_by_a_read_and_counted_at_its_run(world: World) {
    let world = world.registered().await;
    world.webhook(vec![level(1, 5, 10), level(2, 6, 10)]).await;
    world
        .do_(Operation::StartRun(full("r1", Resource::Inventory)))
        .await;
    let run = "r1".parse().unwrap();
    // Another value at the same time, and one that was not listed.
    world
        .rows("r1", vec![level(1, 4, 10), Change::LookAgain(level_key(2))])
        .await;
    assert_eq!(
        (
            world.store.doubts(&run).await.unwrap(),
            world.available().await
        ),
        (2, vec![5, 6])
    );
    world
        .read(vec![level(1, 4, 10), Change::Gone(level_key(2))])
        .await;
    assert_eq!(
        (
            world.store.doubts(&run).await.unwrap(),
            world.available().await
        ),
        (0, vec![4])
    );
    let told = world.told("r1").await;
    assert_eq!((told.drift, told.deleted), (2, 1));
    let wrong: Vec<bool> = world
        .drift()
        .await
        .iter()
        .map(|drifted| drifted.wrong == DriftKind::Gone)
        .collect();
    assert_eq!(wrong, [true, false], "the latest first");
}

pub(super) async fn what_was_heard_of_meanwhile_is_no_drift(world: World) {
    let world = world.registered().await;
    world.webhook(vec![level(1, 5, 10), level(2, 5, 10)]).await;
    world
        .do_(Operation::StartRun(full("r1", Resource::Inventory)))
        .await;
    // One is heard of before the run, one after it.
    world.webhook(vec![Change::LookAgain(level_key(1))]).await;
    world
        .rows(
            "r1",
            vec![
                Change::LookAgain(level_key(1)),
                Change::LookAgain(level_key(2)),
            ],
        )
        .await;
    world.webhook(vec![Change::LookAgain(level_key(2))]).await;
    assert_eq!(world.store.doubts(&"r1".parse().unwrap()).await.unwrap(), 0);
    world
        .read(vec![Change::Gone(level_key(1)), Change::Gone(level_key(2))])
        .await;
    assert_eq!(
        (world.available().await, world.drift().await),
        (vec![], vec![])
    );
}

pub(super) async fn a_dry_run_tells_what_it_would_put_right_and_puts_nothing_right(world: World) {
    let world = world.registered().await;
    world
        .webhook(vec![level(1, 5, 10), level(2, 5, 10), level(3, 5, 10)])
        .await;
    let marked = world.marked().await;
    let mut dry = full("r1", Resource::Inventory);
    dry.run.dry_run = true;
    world.do_(Operation::StartRun(dry)).await;
    let gone = Change::LookAgain(level_key(3));
    // The second changed so short a time ago that its webhook may be on its way.
    let rows = vec![level(1, 4, 40), level(2, 8, 60), gone, level(9, 1, 1)];
    world.rows("r1", rows.clone()).await;
    world.finish("r1", RunState::Completed).await;
    assert_eq!(
        (world.available().await, world.marked().await),
        (vec![5, 5, 5], marked)
    );
    let records: Vec<String> = world
        .drift()
        .await
        .into_iter()
        .map(|drifted| drifted.record)
        .collect();
    assert_eq!(
        records,
        [level_key(9), level_key(3), level_key(2), level_key(1)].map(|key| key.to_string())
    );
    let dry = world.told("r1").await;
    assert_eq!((dry.changed, dry.drift), (4, 3));
    assert_eq!(
        world
            .store
            .watermark(&shop(), Resource::Inventory)
            .await
            .unwrap(),
        None
    );

    world
        .do_(Operation::StartRun(full("r2", Resource::Inventory)))
        .await;
    world.rows("r2", rows).await;
    world.read(vec![Change::Gone(level_key(3))]).await;
    assert_eq!(
        world.told("r2").await.drift,
        dry.drift,
        "a run that is not dry counts the same"
    );
}

pub(super) async fn the_last_full_run_is_found_behind_any_number_of_others(world: World) {
    let world = world.registered().await;
    let of = |number: i64, kind, dry_run, resource| {
        let mut record = run(&format!("r{number}"), resource, false);
        (record.run.kind, record.run.dry_run, record.run.started_at) = (kind, dry_run, at(number));
        record
    };
    let (full, quick, resource) = (RunKind::Full, RunKind::Quick, Resource::Inventory);
    let older = [
        (of(1, full, false, resource), RunState::Completed),
        (of(2, full, true, resource), RunState::Completed),
        (of(3, full, false, Resource::Products), RunState::Completed),
        (of(4, full, false, resource), RunState::Cancelled),
    ];
    let newer = (5..1_100).map(|number| (of(number, quick, false, resource), RunState::Completed));
    let failed = (of(1_100, quick, false, resource), RunState::Failed);
    let writes = older
        .into_iter()
        .chain(newer)
        .chain([failed])
        .flat_map(|(record, state)| {
            let finish = Operation::FinishRun {
                shop: shop(),
                run: record.run.run_id.clone(),
                state,
                error: None,
                at: at(2_000),
            };
            [Operation::StartRun(record), finish]
        });
    // A few are asked for before any is waited for, so that the writer takes them as one group.
    for group in writes.collect::<Vec<_>>().chunks(24) {
        let writes = group
            .iter()
            .map(|operation| world.store.write(operation.clone()));
        let outcomes = futures_util::future::join_all(writes).await;
        assert!(outcomes.into_iter().all(|outcome| outcome.unwrap().fresh));
    }

    let last = world.store.last_runs(&shop(), resource).await.unwrap();
    let ids = [
        last.any,
        last.completed,
        last.full_begun,
        last.full_completed,
    ]
    .map(|run| run.map(|run| run.run.run_id.to_string()));
    assert_eq!(
        ids,
        ["r1100", "r1099", "r4", "r1"].map(|id| Some(id.to_owned()))
    );
    assert_eq!(
        world
            .store
            .last_runs(&shop(), Resource::Orders)
            .await
            .unwrap(),
        LastRuns::default()
    );
}

pub(super) async fn what_is_held_is_listed_by_resource(world: World) {
    let world = world.registered().await;
    world
        .webhook(vec![
            product(1, "Shirt", 1, None),
            item(1, true, 1),
            variant(1, 1, "5", 1),
            level(1, 3, 1),
        ])
        .await;
    let held = async |resource| world.store.held(&shop(), resource, at(0)).await.unwrap();
    assert_eq!(
        held(Resource::Inventory)
            .await
            .iter()
            .map(|held| held.key)
            .collect::<Vec<_>>(),
        [level_key(1)]
    );
    let products = held(Resource::Products).await;
    let keys: Vec<_> = products
        .iter()
        .map(|held| (held.key, held.variant.is_some()))
        .collect();
    let id = 1_u64;
    let key = RecordKey::Product(id.try_into().unwrap());
    assert_eq!(
        keys,
        [
            (key, false),
            (RecordKey::Item(id.try_into().unwrap()), false),
            (key, true)
        ]
    );
    world.webhook(vec![order_of(5, None, 1)]).await;
    assert_eq!(held(Resource::Orders).await.len(), 1);
    let later = world
        .store
        .held(&shop(), Resource::Orders, at(1))
        .await
        .unwrap();
    assert_eq!(later, [], "placed before");
}

pub(super) async fn another_store_than_the_first_is_recognised_until_the_first_is_forgotten(
    world: World,
) {
    let world = world.registered().await;
    let is_same = async |id: &str| {
        world
            .do_(Operation::KeepIdentity {
                shop: shop(),
                id: id.to_owned(),
            })
            .await
            .fresh
    };
    assert_eq!(
        [
            is_same("1").await,
            is_same("1").await,
            is_same("2").await,
            is_same("1").await
        ],
        [true, true, false, true]
    );
    world.do_(Operation::Forget { shop: shop() }).await;
    assert!(is_same("2").await && !is_same("1").await);
}

pub(super) async fn of_a_redacted_customer_nothing_is_kept(world: World) {
    let world = world.registered().await;
    let (gone, other) = (71_u64.try_into().unwrap(), 72_u64.try_into().unwrap());
    let customer = |id, name: &str| {
        Change::Customer(Customer {
            id,
            name: Some(name.to_owned()),
            created_at: at(1),
            updated_at: at(1),
        })
    };
    world
        .webhook(vec![customer(gone, "Ann Lee"), customer(other, "Bo Ray")])
        .await;
    world
        .webhook(vec![
            order_of(5, Some(gone), 1),
            order_of(6, Some(other), 1),
        ])
        .await;

    for (kind, id) in [
        (Kind::OrderCreated, "71"),
        (Kind::CustomerActivity, "71"),
        (Kind::OrderCreated, "72"),
    ] {
        let Value::Object(data) = json!({ "orderId": "order-1", "customerId": id }) else {
            unreachable!()
        };
        let posted = Posted::read(kind, "erp".to_owned(), None, data).unwrap();
        let event = posted.logged().unwrap();
        world
            .do_(Operation::Announce {
                shop: shop(),
                event: Box::new(event),
                at: at(2),
            })
            .await;
    }

    world.webhook(vec![Change::Redacted(gone)]).await;

    let list = async |collection| world.store.list(&shop(), collection, 0, 10).await.unwrap();
    let customers = list(Collection::Customers).await;
    assert_eq!(
        customers
            .iter()
            .map(|row| &row["customerId"])
            .collect::<Vec<_>>(),
        ["72"]
    );
    let whose: Vec<_> = list(Collection::Orders)
        .await
        .iter()
        .map(|row| row["customerId"].clone())
        .collect();
    assert_eq!(whose, [Value::Null, "72".into()]);
    let log: Vec<String> = world
        .log()
        .await
        .iter()
        .map(|entry| serde_json::to_string(&entry.event).unwrap())
        .collect();
    assert!(
        log.iter()
            .all(|event| !event.contains("\"71\"") && !event.contains("Ann Lee")),
        "{log:?}"
    );
    assert_eq!(
        log.iter().filter(|event| event.contains("Bo Ray")).count(),
        1
    );
    assert_eq!(
        log.iter().filter(|event| event.contains("\"72\"")).count(),
        3
    );
    let heard = async |customer: schemas::CustomerId| {
        let rooms = vec![Room::OrdersCustomer(customer.into())];
        let until = Sequence(1_000);
        world
            .store
            .replay(&shop(), rooms, Sequence(0), until, 10)
            .await
            .unwrap()
            .len()
    };
    assert_eq!((heard(gone).await, heard(other).await), (0, 2));
}

pub(super) async fn of_a_forgotten_shop_nothing_is_kept_and_its_log_goes_on(world: World) {
    let world = world.registered().await;
    world
        .webhook(vec![
            product(1, "Shirt", 1, None),
            item(1, true, 1),
            level(1, 3, 1),
        ])
        .await;
    world.webhook(vec![order_of(5, None, 1)]).await;
    let before = world.log().await.last().unwrap().sequence();

    world.do_(Operation::Forget { shop: shop() }).await;

    assert_eq!(
        (world.available().await, world.log().await),
        (vec![], vec![])
    );
    for collection in [Collection::Products, Collection::Orders, Collection::Items] {
        assert_eq!(
            world.store.list(&shop(), collection, 0, 10).await.unwrap(),
            Vec::<Value>::new()
        );
    }
    world.webhook(vec![level(1, 9, 2)]).await;
    assert!(world.log().await[0].sequence() > before);
}
