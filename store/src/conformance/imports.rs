//! Runs: a first import, one that goes on after a crash, and never two at a time.

use super::*;

pub(super) async fn a_first_import_is_told_as_a_run_and_not_record_by_record(world: World) {
    let world = world.registered().await;
    world
        .do_(Operation::StartRun(run("r1", Resource::Products, true)))
        .await;
    let page = vec![
        product(1, "Shirt", 1, None),
        item(1, true, 1),
        variant(1, 1, "5", 1),
        level(1, 3, 1),
    ];
    assert_eq!(world.page("r1", page, "there").await.changed, 4);
    world.finish("r1", RunState::Completed).await;
    assert_eq!(
        world.story().await,
        ["shopify:sync_status", "shopify:sync_status"]
    );
    let Logged::ShopifySyncStatus(ended) = &world.log().await[1].event else {
        panic!("a run's end")
    };
    assert_eq!((ended.state, ended.changed), (RunState::Completed, 4));
    // What changes after it is told.
    world.webhook(vec![variant(1, 1, "6", 2)]).await;
    assert_eq!(
        world.story().await[2..],
        ["product:price_changed", "product:updated"]
    );
}

pub(super) async fn a_run_goes_on_where_it_was_and_ends_once(world: World) {
    let world = world.registered().await;
    world
        .do_(Operation::StartRun(run("r1", Resource::Inventory, true)))
        .await;
    world.page("r1", vec![level(1, 3, 1)], "there").await;
    let held = world.store.runs(&shop(), 10).await.unwrap().remove(0);
    assert_eq!(
        (held.resume.as_str(), held.run.processed, held.until),
        ("there", 1, Some(at(50)))
    );
    assert_eq!(
        world
            .store
            .watermark(&shop(), Resource::Inventory)
            .await
            .unwrap(),
        None,
        "its window is still open"
    );
    assert!(world.finish("r1", RunState::Completed).await.fresh);
    assert!(!world.finish("r1", RunState::Failed).await.fresh);
    assert!(
        !world.page("r1", vec![level(1, 9, 9)], "late").await.fresh,
        "a page after the end changes nothing"
    );
    assert_eq!(world.available().await, [3]);
    assert_eq!(
        world
            .store
            .watermark(&shop(), Resource::Inventory)
            .await
            .unwrap(),
        Some(at(50))
    );
}

pub(super) async fn two_runs_of_a_resource_never_overlap(world: World) {
    let world = world.registered().await;
    assert!(
        world
            .do_(Operation::StartRun(run("r1", Resource::Products, true)))
            .await
            .fresh
    );
    assert!(
        !world
            .do_(Operation::StartRun(run("r2", Resource::Products, true)))
            .await
            .fresh
    );
    assert!(
        world
            .do_(Operation::StartRun(run("r3", Resource::Inventory, true)))
            .await
            .fresh
    );
    world.finish("r1", RunState::Failed).await;
    assert!(
        world
            .do_(Operation::StartRun(run("r2", Resource::Products, true)))
            .await
            .fresh
    );
}
