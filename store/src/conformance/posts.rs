//! What other programs say, told once.

use schemas::event::Notice;
use schemas::{EventData, Logged};

use super::{World, at, shop};
use crate::{Operation, Outcome, Post, PostKey, Retention};

pub(super) async fn what_is_posted_again_under_its_key_is_told_once(world: World) {
    let world = world.registered().await;
    let first = post(&world, "one", Some(1), true, 10).await;
    let again = post(&world, "one", Some(1), true, 20).await;
    assert_eq!(
        (first.fresh, again.fresh, first.place),
        (true, false, again.place)
    );
    assert!(post(&world, "other", Some(2), true, 20).await.fresh);
    assert!(
        post(&world, "nameless", None, true, 20).await.fresh
            && post(&world, "nameless", None, true, 20).await.fresh
    );
    assert_eq!(world.log().await.len(), 4);
    // As long as a repetition may come, it is known again; also when the log no longer has the first.
    let retention = Retention {
        deliveries_before: at(20),
        log_before: at(100),
        runs_before: at(0),
        revoked_until: at(0),
        sessions_before: at(0),
        unreadable_before: at(0),
    };
    world.do_(Operation::Prune(retention)).await;
    assert!(
        !post(&world, "other", Some(2), true, 30).await.fresh
            && post(&world, "one", Some(1), true, 30).await.fresh
    );
}

pub(super) async fn of_two_alike_without_a_name_both_are_told_but_no_repetition(world: World) {
    let world = world.registered().await;
    assert!(post(&world, "alike", Some(7), false, 1).await.fresh);
    assert!(post(&world, "alike", Some(7), false, 2).await.fresh);
    assert!(!post(&world, "alike", Some(7), true, 3).await.fresh);
    assert_eq!(world.log().await.len(), 2);
}

async fn post(
    world: &World,
    title: &str,
    key: Option<u8>,
    may_repeat: bool,
    second: i64,
) -> Outcome {
    let notice = Notice {
        user_id: None,
        title: title.to_owned(),
        message: String::new(),
    };
    let key = key.map(|key| PostKey([key; 32]));
    let post = Post {
        shop: shop(),
        event: Logged::SystemAlert(EventData::Own(notice)),
        key,
        may_repeat,
        at: at(second),
    };
    world.do_(Operation::Post(Box::new(post))).await
}
