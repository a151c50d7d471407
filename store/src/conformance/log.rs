//! The log and pages of it: each entry once and in order, and what is forgotten is not passed over in silence.

use super::*;

pub(super) async fn a_replay_gives_each_entry_of_its_rooms_once_and_in_order(world: World) {
    let world = world.registered().await;
    for second in 1..=6 {
        let id = 1 + u64::try_from(second).unwrap() % 2;
        world.webhook(vec![level(id, 20 + second, second)]).await;
        world
            .webhook(vec![order(1, OrderStatus::Created, "pending", second)])
            .await;
    }
    let head = world.store.head().sequence;
    let rooms = vec![Room::InventoryAll, Room::InventoryLocation(1.into())];
    let all = world
        .store
        .replay(&shop(), rooms.clone(), Sequence(0), head, 100)
        .await
        .unwrap();
    assert_eq!(all.len(), 6, "in two rooms, and given once");
    assert!(all.is_sorted_by_key(LogEntry::sequence));
    let first = world
        .store
        .replay(&shop(), rooms.clone(), Sequence(0), head, 4)
        .await
        .unwrap();
    let rest = world
        .store
        .replay(&shop(), rooms, first[3].sequence(), head, 100)
        .await
        .unwrap();
    assert_eq!([first, rest].concat(), all);
    let both = world
        .store
        .replay(&shop(), vec![], Sequence(0), head, 100)
        .await
        .unwrap();
    assert_eq!(both, world.log().await);
}

pub(super) async fn what_was_forgotten_cannot_be_replayed_silently(world: World) {
    let world = world.registered().await;
    world.webhook(vec![level(1, 20, 1)]).await;
    world.webhook(vec![level(1, 21, 2)]).await;
    let head = world.store.head().sequence;
    assert_eq!(world.store.floor().await.unwrap(), Sequence(0));
    let before = |log_before| Retention {
        deliveries_before: at(0),
        log_before,
        runs_before: at(0),
        revoked_until: at(0),
        sessions_before: at(0),
        unreadable_before: at(0),
    };
    world.do_(Operation::Prune(before(at(1_000)))).await;
    assert_eq!(
        world.store.head().sequence,
        head,
        "places are never given out twice"
    );
    assert_eq!(world.store.floor().await.unwrap(), head);
    let shop = shop();
    let replay = |after| {
        world
            .store
            .replay(&shop, vec![Room::InventoryAll], after, head, 10)
    };
    assert!(matches!(
        replay(Sequence(head.0 - 1)).await,
        Err(StoreError::TooOld(_))
    ));
    assert_eq!(replay(head).await.unwrap(), []);
    world.webhook(vec![level(1, 22, 3)]).await;
    assert_eq!(world.store.head().sequence, Sequence(head.0 + 1));
}

pub(super) async fn what_is_erased_is_told_before_it_is_answered(world: World) {
    let world = world.registered().await;
    let erasures = world.store.erasures();
    world.webhook(vec![product(1, "Shirt", 1, None)]).await;
    assert_eq!(*erasures.borrow(), 0);
    world
        .webhook(vec![Change::Redacted(5_u64.try_into().unwrap())])
        .await;
    assert_eq!(*erasures.borrow(), 1);
}

pub(super) async fn a_readers_position_is_kept_as_it_was_last_written(world: World) {
    let keep = |reader: &str, position: &Position| {
        world.do_(Operation::KeepPosition {
            reader: reader.to_owned(),
            position: position.clone(),
        })
    };
    let first = Position {
        after: Sequence(3),
        at: at(1),
        ..Position::default()
    };
    let under_way = Position {
        until: Some(Sequence(9)),
        problem: Some("away".to_owned()),
        ..first.clone()
    };
    keep("one", &first).await;
    keep("two", &first).await;
    keep("one", &under_way).await;
    let kept = world.store.positions().await.unwrap();
    assert_eq!(
        kept,
        [("one".to_owned(), under_way), ("two".to_owned(), first)].into()
    );
}

pub(super) async fn a_snapshot_is_exact_at_its_place_in_the_log(world: World) {
    let world = world.registered().await;
    world
        .webhook(vec![
            product(1, "Shirt", 1, None),
            item(1, true, 1),
            variant(1, 1, "5", 1),
        ])
        .await;
    world
        .webhook(vec![
            Change::Location(location(1)),
            level(1, 20, 1),
            level(2, 7, 1),
        ])
        .await;
    let all = |selection| world.store.levels(vec![shop()], selection, None, 10);
    let (levels, place) = all(LevelSelection::default()).await.unwrap();
    assert_eq!(place, world.store.head().sequence);
    assert_eq!(
        levels
            .iter()
            .map(|level| level.available)
            .collect::<Vec<_>>(),
        [20, 7]
    );
    assert_eq!(levels[0].title.as_deref(), Some("Shirt – Small"));
    assert_eq!(levels[0].location_name.as_deref(), Some("Berlin"));
    let of_product = LevelSelection {
        product_ids: Some(vec![1_u64.try_into().unwrap()]),
        ..Default::default()
    };
    assert_eq!(all(of_product).await.unwrap().0.len(), 1);
    let of_item = LevelSelection {
        item_ids: Some(vec![2_u64.try_into().unwrap()]),
        ..Default::default()
    };
    assert_eq!(all(of_item).await.unwrap().0.len(), 1);
    for (sku, found) in [("SKU-1", 1), ("sku-1", 0), ("SKU-2", 0)] {
        let with_sku = LevelSelection {
            sku: Some(sku.to_owned()),
            ..Default::default()
        };
        assert_eq!(all(with_sku).await.unwrap().0.len(), found, "{sku}");
    }
    let nothing = LevelSelection {
        variant_ids: Some(vec![]),
        ..Default::default()
    };
    assert_eq!(all(nothing).await.unwrap().0.len(), 0);
    let here = LevelSelection {
        location_ids: Some(vec![1_u64.try_into().unwrap()]),
        ..Default::default()
    };
    assert_eq!(all(here).await.unwrap().0.len(), 2);
    let elsewhere = LevelSelection {
        within: Some(vec![2_u64.try_into().unwrap()]),
        ..Default::default()
    };
    assert_eq!(
        all(elsewhere).await.unwrap().0.len(),
        0,
        "limited to another location"
    );
    let here = LevelSelection {
        within: Some(vec![1_u64.try_into().unwrap()]),
        ..Default::default()
    };
    assert_eq!(all(here).await.unwrap().0.len(), 2);
    let last = levels
        .last()
        .map(|level| (level.inventory_item_id, level.location_id));
    let page = |after, limit| {
        world
            .store
            .levels(vec![shop()], LevelSelection::default(), after, limit)
    };
    assert_eq!(page(None, 1).await.unwrap().0.len(), 1);
    assert_eq!(page(last, 10).await.unwrap().0.len(), 0);
}

pub(super) async fn lists_are_paged_by_id(world: World) {
    let world = world.registered().await;
    world
        .webhook((1..=5).map(|id| product(id, "Shirt", 1, None)).collect())
        .await;
    let page = world
        .store
        .list(&shop(), Collection::Products, 2, 2)
        .await
        .unwrap();
    assert_eq!(
        page.iter()
            .map(|product| product["productId"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["3", "4"]
    );
    let last = world
        .store
        .list(&shop(), Collection::Products, 5, 2)
        .await
        .unwrap();
    assert!(last.is_empty());
}
