//! Levels and other records: which version counts, what is read again, and what goes.

use super::*;

pub(super) async fn an_older_level_changes_nothing_and_a_newer_one_is_told(world: World) {
    let world = world.registered().await;
    world.webhook(vec![available_only(1, 20, 5)]).await;
    world.webhook(vec![available_only(1, 99, 4)]).await;
    world.webhook(vec![available_only(1, 19, 6)]).await;
    world.webhook(vec![available_only(1, 19, 6)]).await;
    assert_eq!(world.available().await, [19]);
    assert_eq!(
        world.story().await,
        ["updated None→20", "updated Some(20)→19"]
    );
}

pub(super) async fn a_tie_is_marked_and_settled_by_a_read(world: World) {
    let world = world.registered().await;
    for (id, first, second) in [(20, 20, 30), (30, 30, 20)] {
        world
            .webhook(vec![item(id, true, 1), available_only(id, first, 5)])
            .await;
        world
            .read(vec![level(id, first, 5), Change::Location(location(1))])
            .await;
        world.webhook(vec![available_only(id, second, 5)]).await;
        assert_eq!(
            world.marked().await,
            [level_key(id)],
            "two values at one time: only a read can tell"
        );
        world.read(vec![level(id, 25, 5)]).await;
        assert_eq!(world.marked().await, []);
    }
    assert_eq!(world.available().await, [25, 25]);
}

pub(super) async fn a_reading_cannot_wipe_a_mark_made_after_it_began(world: World) {
    let world = world.registered().await;
    world
        .webhook(vec![
            item(1, true, 1),
            Change::Location(location(1)),
            available_only(1, 20, 5),
        ])
        .await;
    let began = world
        .store
        .marked(&shop(), at(1_000_000), 10)
        .await
        .unwrap();
    // While the reading is under way, something newer is heard.
    world.webhook(vec![available_only(1, 10, 6)]).await;
    let cause = Cause::Read(
        began
            .iter()
            .map(|marked| (marked.key, marked.mark))
            .collect(),
    );
    let changes = vec![level(1, 20, 5)];
    world
        .do_(Operation::Apply(Batch {
            shop: shop(),
            at: at(100),
            cause,
            changes,
        }))
        .await;
    assert_eq!(world.available().await, [10]);
    assert_eq!(world.marked().await, [level_key(1)], "still to be read");
}

pub(super) async fn a_record_goes_only_when_a_read_says_so(world: World) {
    let world = world.registered().await;
    let key = RecordKey::Product(1_u64.try_into().unwrap());
    world
        .webhook(vec![
            product(1, "Shirt", 1, Some(&[1])),
            item(1, true, 1),
            variant(1, 1, "5", 1),
        ])
        .await;
    world
        .webhook(vec![level(1, 5, 1), Change::Location(location(1))])
        .await;
    world.webhook(vec![Change::LookAgain(key)]).await;
    assert_eq!(
        world
            .store
            .list(&shop(), Collection::Products, 0, 10)
            .await
            .unwrap()
            .len(),
        1,
        "a notice is a hint"
    );
    world.read(vec![Change::Gone(key)]).await;
    for collection in [
        Collection::Products,
        Collection::Variants,
        Collection::Items,
    ] {
        assert_eq!(
            world
                .store
                .list(&shop(), collection, 0, 10)
                .await
                .unwrap()
                .len(),
            0
        );
    }
    assert_eq!(world.available().await, [] as [i64; 0]);
    assert_eq!(world.story().await.last().unwrap(), "product:deleted");
    assert_eq!(world.marked().await, []);
}

pub(super) async fn a_location_that_goes_takes_its_levels_along(world: World) {
    let world = world.registered().await;
    let key = RecordKey::Location(1_u64.try_into().unwrap());
    world
        .webhook(vec![
            item(1, true, 1),
            level(1, 5, 1),
            Change::Location(location(1)),
        ])
        .await;
    world.webhook(vec![Change::LookAgain(key)]).await;
    assert_eq!(world.available().await, [5], "a notice is a hint");
    world.read(vec![Change::Gone(key)]).await;
    assert_eq!(world.available().await, [] as [i64; 0]);
    assert_eq!(
        world.story().await.last().unwrap(),
        "updated Some(5)→5",
        "told as no longer active"
    );
}

pub(super) async fn a_variant_that_is_missing_from_a_list_stays_until_its_product_was_read(
    world: World,
) {
    let world = world.registered().await;
    let variants = || {
        [
            item(1, true, 1),
            item(2, true, 1),
            variant(1, 1, "5", 1),
            variant(2, 1, "5", 1),
        ]
    };
    world
        .webhook(
            [product(1, "Shirt", 1, Some(&[1, 2]))]
                .into_iter()
                .chain(variants())
                .collect(),
        )
        .await;
    world
        .webhook(vec![product(1, "Shirt", 2, Some(&[1]))])
        .await;
    let count = || async {
        world
            .store
            .list(&shop(), Collection::Variants, 0, 10)
            .await
            .unwrap()
            .len()
    };
    assert_eq!(count().await, 2);
    assert_eq!(
        world.marked().await,
        [RecordKey::Product(1_u64.try_into().unwrap())]
    );
    world
        .read(vec![
            product(1, "Shirt", 2, Some(&[1])),
            variant(1, 1, "5", 1),
        ])
        .await;
    assert_eq!(count().await, 1);
}

pub(super) async fn crossings_are_told_once_and_changed_thresholds_judged_anew(world: World) {
    let world = world.registered().await;
    for (second, available) in [(1, 20), (2, 10), (3, 9), (4, 0), (5, -1), (6, 3), (7, 11)] {
        world.webhook(vec![level(1, available, second)]).await;
    }
    let crossed = |story: Vec<String>| -> Vec<String> {
        story
            .into_iter()
            .filter(|line| !line.starts_with("updated"))
            .collect()
    };
    assert_eq!(
        crossed(world.story().await),
        ["low 10", "out 0", "restocked 11"]
    );
    let thresholds = Thresholds {
        default: 15,
        ..Thresholds::default()
    };
    world
        .do_(Operation::Register {
            shop: shop(),
            thresholds,
            at: at(300),
        })
        .await;
    assert_eq!(crossed(world.story().await).last().unwrap(), "low 11");
    let (levels, _) = world
        .store
        .levels(vec![shop()], LevelSelection::default(), None, 10)
        .await
        .unwrap();
    assert_eq!(
        (levels[0].threshold, levels[0].status),
        (15, StockStatus::LowStock)
    );
}

pub(super) async fn untracked_and_inactive_levels_never_cross(world: World) {
    let world = world.registered().await;
    world
        .webhook(vec![item(1, false, 1), level(1, 20, 1)])
        .await;
    world.webhook(vec![level(1, 0, 2)]).await;
    assert_eq!(
        world.story().await,
        ["updated None→20", "updated Some(20)→0"]
    );
    // Counting again, it starts afresh: what it is at then is no crossing.
    world.webhook(vec![item(1, true, 2)]).await;
    world.webhook(vec![level(1, 20, 3)]).await;
    assert_eq!(
        world.story().await[2..],
        ["updated Some(0)→20", "restocked 20"]
    );
}
