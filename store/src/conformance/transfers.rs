//! What Shopify says of transfers, told once and in order.

use schemas::event::Transfer;
use schemas::{Change, EventData, Logged, Room, Sequence};

use super::{World, at, shop};
use crate::{Operation, Retention};

pub(super) async fn a_transfer_is_told_once_however_often_it_is_said_and_never_older_after_newer(
    world: World,
) {
    let world = world.registered().await;
    let steps = [
        (1, Some("ready_to_ship"), true),
        (1, Some("ready_to_ship"), false),
        (3, Some("transferred"), true),
        (2, None, false),
        (1, Some("ready_to_ship"), false),
        (3, None, false),
        (3, Some("transferred"), false),
        (4, None, true),
    ];
    for (second, status, news) in steps {
        let before = world.log().await.len();
        world.webhook(vec![said(7, status, second)]).await;
        assert_eq!(
            world.log().await.len(),
            before + usize::from(news),
            "{second} {status:?}"
        );
    }
    // Another one is another's business.
    world.webhook(vec![said(8, Some("draft"), 1)]).await;
    assert_eq!(world.log().await.len(), 4);
}

pub(super) async fn a_transfer_is_heard_at_both_ends_also_where_they_are_said_no_more(
    world: World,
) {
    let world = world.registered().await;
    world.webhook(vec![said(7, Some("ready_to_ship"), 1)]).await;
    let Change::Transfer(shipped) = said(7, None, 2) else {
        unreachable!()
    };
    let shipped = Transfer {
        origin_id: None,
        destination_id: None,
        ..shipped
    };
    world.webhook(vec![Change::Transfer(shipped)]).await;
    let rooms = [
        "inventory:location:1",
        "inventory:location:2",
        "transfer:7",
        "inventory:all",
    ];
    for room in rooms {
        let rooms: Vec<Room> = vec![room.parse().unwrap()];
        let heard = world
            .store
            .replay(&shop(), rooms, Sequence(0), Sequence(1_000), 10)
            .await
            .unwrap();
        let told = heard.iter().map(|entry| match &entry.event {
            Logged::InventoryTransfer(EventData::Own(told)) => told.status.as_deref(),
            other => panic!("{other:?}"),
        });
        assert_eq!(
            told.collect::<Vec<_>>(),
            [Some("ready_to_ship"), None],
            "{room}"
        );
    }
}

pub(super) async fn what_was_told_of_a_transfer_is_forgotten_with_its_deliveries_and_with_its_shop(
    world: World,
) {
    let world = world.registered().await;
    let tell = async || {
        let before = world.log().await.len();
        world.webhook(vec![said(7, Some("ready_to_ship"), 1)]).await;
        world.log().await.len() - before
    };
    assert_eq!((tell().await, tell().await), (1, 0));
    let prune = |deliveries_before| {
        Operation::Prune(Retention {
            deliveries_before,
            log_before: at(0),
            runs_before: at(0),
            revoked_until: at(0),
            sessions_before: at(0),
            unreadable_before: at(0),
        })
    };
    world.do_(prune(at(100))).await;
    assert_eq!(tell().await, 0, "it was told then");
    world.do_(prune(at(101))).await;
    assert_eq!((tell().await, tell().await), (1, 0));
    world.do_(Operation::Forget { shop: shop() }).await;
    assert_eq!(tell().await, 1);
}

fn said(id: u64, status: Option<&str>, second: i64) -> Change {
    Change::Transfer(Transfer {
        transfer_id: id.try_into().unwrap(),
        status: status.map(str::to_owned),
        origin_id: 1_u64.try_into().ok(),
        destination_id: 2_u64.try_into().ok(),
        quantity: None,
        happened_at: at(second),
    })
}
