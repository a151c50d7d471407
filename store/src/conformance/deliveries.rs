//! Deliveries: kept once, settled once, and their bodies for as long as somebody needs them.

use super::*;

pub(super) async fn a_delivery_is_kept_once_and_its_body_until_it_is_applied(world: World) {
    let world = world.registered().await;
    assert!(
        world
            .do_(Operation::Accept(World::delivery("a")))
            .await
            .fresh
    );
    assert!(
        !world
            .do_(Operation::Accept(World::delivery("a")))
            .await
            .fresh
    );
    assert_eq!(world.store.inbox(10).await.unwrap(), [World::delivery("a")]);
    world.settle("a", Fate::Applied, vec![]).await;
    assert_eq!(world.store.inbox(10).await.unwrap(), []);
    assert!(
        !world
            .do_(Operation::Accept(World::delivery("a")))
            .await
            .fresh,
        "recognised after it was applied"
    );
    assert_eq!(
        world.store.delivery_counts(&shop()).await.unwrap(),
        [("t/t".to_owned(), "applied", 1)]
    );
}

pub(super) async fn a_delivery_of_an_unknown_shop_is_refused_and_the_others_of_its_group_are_not(
    world: World,
) {
    let world = world.registered().await;
    let stranger = Delivery {
        shop: "b.myshopify.com".parse().unwrap(),
        ..World::delivery("b")
    };
    let (refused, kept) = tokio::join!(
        world.store.write(Operation::Accept(stranger)),
        world.store.write(Operation::Accept(World::delivery("a"))),
    );
    assert!(matches!(refused, Err(StoreError::UnknownShop(_))));
    assert!(kept.unwrap().fresh);
}

pub(super) async fn a_settled_delivery_changes_nothing_again(world: World) {
    let world = world.registered().await;
    world.do_(Operation::Accept(World::delivery("a"))).await;
    assert!(
        world
            .settle("a", Fate::Applied, vec![level(1, 5, 1)])
            .await
            .fresh
    );
    assert!(
        !world
            .settle("a", Fate::Applied, vec![level(1, 6, 2)])
            .await
            .fresh
    );
    assert_eq!(world.available().await, [5]);
}

pub(super) async fn an_unreadable_delivery_keeps_its_body_and_is_not_tried_again(world: World) {
    let world = world.registered().await;
    world.do_(Operation::Accept(World::delivery("a"))).await;
    world
        .settle("a", Fate::Unreadable("why".to_owned()), vec![])
        .await;
    assert_eq!(world.store.inbox(10).await.unwrap(), []);
    let shelved = world
        .store
        .deliveries(&shop(), "unreadable", 10)
        .await
        .unwrap();
    assert_eq!(shelved[0].reason.as_deref(), Some("why"));
    let keep = |before| Retention {
        deliveries_before: at(0),
        log_before: at(0),
        runs_before: at(0),
        revoked_until: at(0),
        sessions_before: at(0),
        unreadable_before: before,
    };
    world.do_(Operation::Prune(keep(at(2)))).await;
    assert_eq!(
        world
            .store
            .deliveries(&shop(), "unreadable", 10)
            .await
            .unwrap()
            .len(),
        1
    );
    world.do_(Operation::Prune(keep(at(3)))).await;
    assert_eq!(
        world
            .store
            .deliveries(&shop(), "unreadable", 10)
            .await
            .unwrap()
            .len(),
        0
    );
}
