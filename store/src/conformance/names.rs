//! Customers' names, where an administrator wants them.

use schemas::record::Customer;
use schemas::{Change, CustomerId, EventData, Logged, RecordKey, Resource, RunState};
use serde_json::Value;

use super::{World, at, order_of, run, shop};
use crate::{Collection, DriftKind};
use crate::{Operation, RunRecord};

fn ann() -> CustomerId {
    71_u64.try_into().unwrap()
}

fn customer(name: Option<&str>, second: i64) -> Change {
    let name = name.map(str::to_owned);
    Change::Customer(Customer {
        id: ann(),
        name,
        created_at: at(1),
        updated_at: at(second),
    })
}

impl World {
    /// The name in each event of an order, and in the record.
    async fn names(&self) -> (Vec<Option<String>>, Value) {
        let named = |event| match event {
            Logged::OrderCreated(EventData::Own(order))
            | Logged::OrderUpdated(EventData::Own(order))
            | Logged::OrderDeleted(EventData::Own(order)) => Some(order.customer_name),
            _ => None,
        };
        let told = self
            .log()
            .await
            .into_iter()
            .filter_map(|entry| named(entry.event))
            .collect();
        let listed = self
            .store
            .list(&shop(), Collection::Customers, 0, 9)
            .await
            .unwrap();
        (told, listed[0]["name"].clone())
    }
}

pub(super) async fn an_orders_events_tell_the_name_that_its_customer_has_then(world: World) {
    let world = world.registered().await;
    world
        .webhook(vec![customer(None, 1), order_of(5, Some(ann()), 1)])
        .await;
    // A name that is heard first of somebody known is no news, and neither is one of long ago.
    world.webhook(vec![customer(Some("Ann Lee"), 1)]).await;
    world.webhook(vec![customer(Some("Ann Old"), 0)]).await;
    world.webhook(vec![order_of(5, Some(ann()), 2)]).await;
    assert_eq!(
        world.story().await,
        ["customer:activity", "order Created", "order Updated"]
    );
    world
        .webhook(vec![
            customer(Some("Ann Ray"), 3),
            order_of(5, Some(ann()), 3),
        ])
        .await;
    let told = [None, Some("Ann Lee".to_owned()), Some("Ann Ray".to_owned())];
    assert_eq!(world.names().await, (told.to_vec(), "Ann Ray".into()));
    // Two that claim the same moment are settled by a read.
    world.webhook(vec![customer(Some("Ann Fay"), 3)]).await;
    assert_eq!(world.marked().await, [RecordKey::Customer(ann())]);
    world.read(vec![customer(Some("Ann Fay"), 3)]).await;
    assert_eq!(world.names().await.1, "Ann Fay");
}

pub(super) async fn a_wrong_name_is_drift_and_one_that_was_not_known_is_not(world: World) {
    let world = world.registered().await;
    world.webhook(vec![customer(None, 1)]).await;
    let begin = async |id: &str| {
        let begun = RunRecord {
            until: Some(at(350)),
            ..run(id, Resource::Customers, false)
        };
        world.do_(Operation::StartRun(begun)).await;
    };
    begin("r1").await;
    world
        .page("r1", vec![customer(Some("Ann Lee"), 1)], "")
        .await;
    world.finish("r1", RunState::Completed).await;
    assert_eq!(world.store.drift(&shop(), None, 9).await.unwrap(), []);
    assert_eq!(world.names().await.1, "Ann Lee");

    begin("r2").await;
    world
        .page("r2", vec![customer(Some("Ann Ray"), 2)], "")
        .await;
    let drift = world.store.drift(&shop(), None, 9).await.unwrap();
    let DriftKind::Differs(fields) = &drift[0].wrong else {
        panic!("{drift:?}")
    };
    assert_eq!(fields["name"], ("Ann Lee".into(), "Ann Ray".into()));
}

pub(super) async fn names_that_are_no_longer_wanted_are_nowhere(world: World) {
    let world = world.registered().await;
    let want = async |wanted| {
        world
            .do_(Operation::KeepNames {
                shop: shop(),
                wanted,
            })
            .await
            .fresh
    };
    assert_eq!(
        [want(false).await, want(true).await, want(true).await],
        [false, true, false]
    );
    world
        .webhook(vec![
            customer(Some("Ann Lee"), 1),
            order_of(5, Some(ann()), 1),
        ])
        .await;
    assert_eq!(
        world.names().await,
        (vec![Some("Ann Lee".to_owned())], "Ann Lee".into())
    );
    let begun = RunRecord {
        until: Some(at(350)),
        ..run("r1", Resource::Customers, false)
    };
    world.do_(Operation::StartRun(begun)).await;
    world
        .page("r1", vec![customer(Some("Ann Ray"), 2)], "")
        .await;

    assert!(want(false).await);

    assert_eq!(world.names().await, (vec![None], Value::Null));
    let drift = world.store.drift(&shop(), None, 9).await.unwrap();
    let DriftKind::Differs(fields) = &drift[0].wrong else {
        panic!("{drift:?}")
    };
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["updatedAt"]);
    let log = world.log().await;
    let Logged::OrderCreated(EventData::Own(order)) = &log[1].event else {
        panic!("{log:?}")
    };
    assert_eq!(order.order.customer_id, Some(ann()), "whose it is stays");
}
