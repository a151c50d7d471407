//! Reads: what they see of writes, page by page, through every handle, and after the store was opened anew.

use futures_util::future::join_all;

use super::commands::reserve;
use super::*;
use crate::{CommandFilter, ReservationFilter};

pub(super) async fn what_was_written_is_there_when_the_store_is_opened_anew(world: World) {
    let world = world.stocked(10).await;
    world.give(reserve(&[(1, 4)])).await.unwrap();
    world.begin().await;
    world.do_(Operation::Accept(World::delivery("late"))).await;
    world.webhook(vec![Change::LookAgain(level_key(2))]).await;
    let all = async |world: &World| {
        let store = &world.store;
        let filter = CommandFilter {
            limit: 9,
            ..CommandFilter::default()
        };
        let open = ReservationFilter {
            limit: 9,
            ..ReservationFilter::default()
        };
        (
            (store.epoch(), store.secret(), store.head()),
            (world.log().await, world.available().await),
            (store.inbox(9).await.unwrap(), world.marked().await),
            store.outbox_messages(&shop()).await.unwrap(),
            store.commands(&shop(), filter).await.unwrap(),
            store.reservations(&shop(), open).await.unwrap(),
        )
    };
    let before = all(&world).await;
    let world = world.reopened();
    assert_eq!(all(&world).await, before);

    world
        .settle("late", Fate::Applied, vec![level(3, 7, 9)])
        .await;
    assert_eq!(
        world.log().await.last().unwrap().sequence(),
        Sequence(before.0.2.sequence.0 + 1),
        "numbers go on"
    );
}

pub(super) async fn both_handles_see_what_was_answered(world: World) {
    let world = world.registered().await;
    let outside = world.store.for_requests();
    for second in 1..=20 {
        let available = 100 - second;
        world.webhook(vec![level(1, available, second)]).await;
        for store in [&world.store, &outside] {
            let (levels, place) = store
                .levels(vec![shop()], LevelSelection::default(), None, 9)
                .await
                .unwrap();
            assert_eq!(levels[0].available, available);
            assert_eq!(place, store.head().sequence);
            let entries = store.entries(Sequence(place.0 - 1), 9).await.unwrap();
            assert_eq!(entries.len(), 1);
        }
    }
    assert_eq!(
        *outside.committed().borrow(),
        *world.store.committed().borrow()
    );
}

pub(super) async fn who_waits_for_commits_is_woken_by_those_that_append(world: World) {
    let world = world.registered().await;
    let mut committed = world.store.committed();
    let before = *committed.borrow_and_update();
    let (woken, _) = tokio::join!(committed.changed(), world.webhook(vec![level(1, 5, 1)]));
    woken.unwrap();
    let entries = world.store.entries(before, 9).await.unwrap();
    assert_eq!(
        entries.last().unwrap().sequence(),
        *committed.borrow_and_update(),
        "what is waited for can be read"
    );
    world.do_(Operation::Accept(World::delivery("quiet"))).await;
    assert!(!committed.has_changed().unwrap(), "nothing was appended");
}

pub(super) async fn operations_of_one_group_see_each_other(world: World) {
    let world = world.stocked(10).await;
    let apply = |changes| {
        let cause = Cause::Webhook {
            id: "grouped".parse().unwrap(),
            fate: Fate::Applied,
            shared_secret: false,
        };
        Operation::Apply(Batch {
            shop: shop(),
            at: at(100),
            cause,
            changes,
        })
    };
    let stranger = Delivery {
        shop: "b.myshopify.com".parse().unwrap(),
        ..World::delivery("stranger")
    };
    let group = [
        World::given("g1", reserve(&[(1, 6)])),
        World::given("g2", reserve(&[(1, 6)])),
        Operation::Accept(World::delivery("grouped")),
        Operation::Accept(World::delivery("grouped")),
        Operation::Accept(stranger),
        apply(vec![level(2, 3, 8), level(2, 99, 7)]),
        apply(vec![level(2, 77, 9)]),
    ];
    let mut outcomes = Box::pin(join_all(
        group
            .into_iter()
            .map(|operation| world.store.write(operation)),
    ));
    tokio::task::yield_now().await;
    assert!(outcomes.as_mut().now_or_never().is_none());
    assert!(world.step());
    let outcomes = outcomes.now_or_never().expect("all in one transaction");
    let is_done: Vec<Option<bool>> = outcomes
        .iter()
        .map(|outcome| outcome.as_ref().ok().map(|outcome| outcome.fresh))
        .collect();
    let expected = [
        Some(true),
        Some(false),
        Some(true),
        Some(false),
        None,
        Some(true),
        Some(false),
    ];
    assert_eq!(is_done, expected);
    assert_eq!(world.available().await, [4, 3, 10]);
    assert_eq!(world.store.inbox(9).await.unwrap(), []);
}

pub(super) async fn marks_and_adjustments_are_paged_in_their_order(world: World) {
    let world = world.stocked(10).await;
    let later = at(1_000_000);
    let marked = async |limit| {
        let marked = world.store.marked(&shop(), later, limit).await.unwrap();
        let keys: Vec<RecordKey> = marked.into_iter().map(|marked| marked.key).collect();
        keys
    };
    for item in [3, 1, 2] {
        world
            .webhook(vec![Change::LookAgain(level_key(item))])
            .await;
    }
    assert_eq!(marked(2).await, [level_key(3), level_key(1)]);
    // Marked anew it is the last one.
    world.webhook(vec![Change::LookAgain(level_key(3))]).await;
    assert_eq!(marked(2).await, [level_key(1), level_key(2)]);
    assert_eq!(marked(9).await, [level_key(1), level_key(2), level_key(3)]);
    let now = world.store.marked(&shop(), at(1), 9).await.unwrap();
    assert!(now.is_empty(), "none was due then");
    world
        .read((1..=3).map(|item| level(item, 10, 2)).collect())
        .await;

    for item in [2, 1, 3, 1] {
        world.give(reserve(&[(item, 1)])).await.unwrap();
    }
    let waiting = async || {
        let calls = world.calls().await;
        let entries = calls.into_iter().flat_map(|call| call.entries);
        entries
            .map(|entry| (entry.item.to_string(), entry.adjustments))
            .collect::<Vec<_>>()
    };
    let each = |item: &str, adjustments: &[i64]| (item.to_owned(), adjustments.to_vec());
    assert_eq!(
        waiting().await,
        [each("1", &[2, 4]), each("2", &[1]), each("3", &[3])]
    );
    world.begin().await;
    world.give(reserve(&[(2, 1)])).await.unwrap();
    assert!(waiting().await.is_empty(), "all levels are in flight");
    assert_eq!(world.store.backlog(&shop()).await.unwrap().adjustments, 5);
}

pub(super) async fn deliveries_are_counted_by_topic_and_listed_newest_first(world: World) {
    let world = world.registered().await;
    for (id, topic) in [("a", "t/a"), ("b", "t/b"), ("c", "t/a"), ("d", "t/a")] {
        let delivery = Delivery {
            topic: topic.to_owned(),
            ..World::delivery(id)
        };
        world.do_(Operation::Accept(delivery)).await;
    }
    world.settle("a", Fate::Ignored, vec![]).await;
    for (id, reason) in [("c", "first"), ("d", "second")] {
        world
            .settle(id, Fate::Unreadable(reason.to_owned()), vec![])
            .await;
    }
    let counts = world.store.delivery_counts(&shop()).await.unwrap();
    let expected = [
        ("t/a", "ignored", 1),
        ("t/a", "unreadable", 2),
        ("t/b", "pending", 1),
    ];
    assert_eq!(
        counts,
        expected.map(|(topic, state, count)| (topic.to_owned(), state, count))
    );
    let unreadable = async |limit| {
        let found = world
            .store
            .deliveries(&shop(), "unreadable", limit)
            .await
            .unwrap();
        let told = |one: crate::DeliverySummary| (one.webhook_id.to_string(), one.reason);
        found.into_iter().map(told).collect::<Vec<_>>()
    };
    let of = |id: &str, reason: &str| (id.to_owned(), Some(reason.to_owned()));
    assert_eq!(unreadable(1).await, [of("d", "second")]);
    assert_eq!(unreadable(9).await, [of("d", "second"), of("c", "first")]);
    let pending = world.store.deliveries(&shop(), "pending", 9).await.unwrap();
    assert_eq!((pending.len(), &pending[0].topic[..]), (1, "t/b"));
}

pub(super) async fn pruning_takes_what_is_old_and_nothing_that_waits(world: World) {
    let world = world.registered().await;
    for id in ["applied", "unreadable", "waits"] {
        world.do_(Operation::Accept(World::delivery(id))).await;
    }
    world
        .settle("applied", Fate::Applied, vec![level(1, 5, 1)])
        .await;
    world
        .settle("unreadable", Fate::Unreadable("why".to_owned()), vec![])
        .await;
    world
        .do_(Operation::StartRun(run("ended", Resource::Orders, false)))
        .await;
    world.finish("ended", RunState::Completed).await;
    world
        .do_(Operation::StartRun(run("running", Resource::Orders, false)))
        .await;
    let before = |second| Retention {
        deliveries_before: at(second),
        log_before: at(second),
        runs_before: at(second),
        revoked_until: at(second),
        sessions_before: at(second),
        unreadable_before: at(second),
    };
    let (log, states) = (world.log().await, async || {
        let counts = world.store.delivery_counts(&shop()).await.unwrap();
        counts
            .into_iter()
            .map(|(_, state, _)| state)
            .collect::<Vec<_>>()
    });
    // It arrived in second 2; what is exactly as old as that is kept.
    world.do_(Operation::Prune(before(0))).await;
    assert_eq!((world.log().await, states().await.len()), (log, 3));
    let only_unreadable = Retention {
        unreadable_before: at(3),
        ..before(2)
    };
    world.do_(Operation::Prune(only_unreadable)).await;
    assert_eq!(states().await, ["applied", "pending"]);

    world.do_(Operation::Prune(before(1_000))).await;
    assert_eq!(states().await, ["pending"]);
    assert_eq!(world.log().await, []);
    assert_eq!(
        world.store.floor().await.unwrap(),
        world.store.head().sequence
    );
    let runs = world.store.runs(&shop(), 9).await.unwrap();
    let runs: Vec<_> = runs.iter().map(|run| run.run.run_id.as_str()).collect();
    assert_eq!(runs, ["running"]);
    assert_eq!(world.available().await, [5], "the mirror is no history");
    assert!(
        world
            .do_(Operation::Accept(World::delivery("applied")))
            .await
            .fresh
    );
    let inbox = world.store.inbox(9).await.unwrap();
    let inbox: Vec<_> = inbox.iter().map(|one| one.webhook_id.as_str()).collect();
    assert_eq!(inbox, ["waits", "applied"]);
}

pub(super) async fn a_session_that_another_claims_counts_as_theirs(world: World) {
    let quota = SessionQuota {
        owner_records: 2,
        owner_bytes: 99,
        records: 9,
        bytes: 999,
    };
    let keep = |id: &str, owner: &str, second| {
        let rooms = format!("of {owner}");
        let (id, owner) = (id.to_owned(), owner.to_owned());
        world.do_(Operation::KeepSession {
            id,
            owner,
            quota,
            rooms,
            at: at(second),
        })
    };
    let kept = async |id: &str| world.store.session(id, "nobody").await.unwrap().rooms;
    keep("one", "ann", 1).await;
    keep("two", "ann", 2).await;
    keep("one", "bob", 3).await;
    assert_eq!(kept("one").await.as_deref(), Some("of bob"));
    // Ann has room for another one, and Bob for one more.
    keep("three", "ann", 4).await;
    keep("four", "bob", 5).await;
    for id in ["one", "two", "three", "four"] {
        assert!(kept(id).await.is_some(), "{id}");
    }
    keep("five", "bob", 6).await;
    assert_eq!(kept("one").await, None, "the oldest of Bob's");
    assert_eq!(kept("two").await.as_deref(), Some("of ann"));
}

pub(super) async fn of_two_variants_of_one_item_the_lowest_is_named_everywhere(world: World) {
    let world = world.registered().await;
    let sharing = |id: u64, product: u64| {
        let Change::Variant(variant) = variant(id, product, "5", 1) else {
            unreachable!()
        };
        Change::Variant(Variant {
            inventory_item_id: 1_u64.try_into().ok(),
            ..variant
        })
    };
    // The higher one comes first, and is the one of the lower product.
    world
        .webhook(vec![
            product(1, "Shirt", 1, None),
            product(2, "Set", 1, None),
            sharing(9, 1),
            sharing(4, 2),
            item(1, true, 1),
        ])
        .await;
    world.webhook(vec![level(1, 5, 1)]).await;
    let Logged::InventoryUpdated(EventData::Own(told)) = world.log().await.pop().unwrap().event
    else {
        panic!("a level")
    };
    let all = vec![shop()];
    let everything = LevelSelection::default();
    let levels = world
        .store
        .levels(all, everything, None, 9)
        .await
        .unwrap()
        .0;
    assert_eq!(levels, std::slice::from_ref(&told.level));
    assert_eq!(told.level.variant_id, 4_u64.try_into().ok());
    assert_eq!(told.level.product_id, 2_u64.try_into().ok());
    let of = async |variant: u64| {
        let selection = LevelSelection {
            variant_ids: Some(vec![variant.try_into().unwrap()]),
            ..LevelSelection::default()
        };
        let found = world.store.levels(vec![shop()], selection, None, 9).await;
        found.unwrap().0.len()
    };
    // As in its rooms: whoever wants the other one is told nothing of it.
    assert_eq!((of(4).await, of(9).await), (1, 0));
}
