//! Sessions and revocations: kept as they were written last, and for as long as they matter.

use super::*;

pub(super) async fn a_session_is_kept_as_it_was_last_written_until_it_is_old(world: World) {
    let quota = SessionQuota {
        owner_records: 9,
        owner_bytes: 999,
        records: 9,
        bytes: 999,
    };
    let keep = |id: &str, rooms: &str, second| {
        let (id, owner, rooms) = (id.to_owned(), "ann".to_owned(), rooms.to_owned());
        world.do_(Operation::KeepSession {
            id,
            owner,
            quota,
            rooms,
            at: at(second),
        })
    };
    keep("one", "a", 1).await;
    keep("one", "a and b", 20).await;
    keep("two", "c", 10).await;
    let kept = async |id| world.store.session(id, "ann").await.unwrap().rooms;
    assert_eq!(kept("one").await.as_deref(), Some("a and b"));
    assert_eq!(kept("three").await, None);
    let retention = Retention {
        deliveries_before: at(0),
        log_before: at(0),
        runs_before: at(0),
        revoked_until: at(0),
        sessions_before: at(15),
        unreadable_before: at(0),
    };
    world.do_(Operation::Prune(retention)).await;
    assert_eq!(
        (kept("one").await.as_deref(), kept("two").await),
        (Some("a and b"), None)
    );
}

pub(super) async fn sessions_beyond_a_quota_make_room_and_are_not_forgotten_silently(world: World) {
    let quota = SessionQuota {
        owner_records: 3,
        owner_bytes: 20,
        records: 4,
        bytes: 1_000,
    };
    let keep = |id: &str, owner: &str, rooms: &str, second| {
        let (id, owner, rooms) = (id.to_owned(), owner.to_owned(), rooms.to_owned());
        world.do_(Operation::KeepSession {
            id,
            owner,
            quota,
            rooms,
            at: at(second),
        })
    };
    let kept = async |id: &str, owner: &str| world.store.session(id, owner).await.unwrap();
    for second in 1..=4 {
        keep(&format!("a{second}"), "ann", "1234", second).await;
    }
    assert_eq!(
        kept("a1", "ann").await,
        KeptSession {
            rooms: None,
            evicted_at: Some(at(1))
        },
        "too many"
    );
    assert_eq!(
        kept("none", "bob").await,
        KeptSession::default(),
        "nobody else pays for it"
    );
    // Written anew it counts once, and is the newest.
    keep("a2", "ann", "1234567", 5).await;
    assert_eq!(kept("a3", "ann").await.rooms.as_deref(), Some("1234"));
    keep("a4", "ann", "12345678901234", 6).await;
    let left = [
        kept("a2", "ann").await.rooms,
        kept("a3", "ann").await.rooms,
        kept("a4", "ann").await.rooms,
    ];
    assert_eq!(
        left.map(|rooms| rooms.is_some()),
        [false, false, true],
        "too many bytes"
    );
    assert_eq!(kept("a2", "ann").await.evicted_at, Some(at(5)));
    // One that is too large alone stays: its socket lives.
    keep("a4", "ann", &"x".repeat(30), 7).await;
    assert!(kept("a4", "ann").await.rooms.is_some());
    for (number, owner) in ["bob", "cyn", "dan", "eve"].into_iter().enumerate() {
        keep(owner, owner, "1", 10 + i64::try_from(number).unwrap()).await;
    }
    assert_eq!(
        kept("a4", "ann").await,
        KeptSession {
            rooms: None,
            evicted_at: Some(at(7))
        },
        "too many in all"
    );
    assert_eq!(kept("none", "bob").await.evicted_at, Some(at(7)));
    assert!(kept("bob", "bob").await.rooms.is_some());
}

pub(super) async fn a_revocation_is_kept_until_its_last_token_has_run_out(world: World) {
    let user = Revoked::User("ann".parse().unwrap());
    let token = Revoked::Token("ann".to_owned());
    let revoke = async |of: &Revoked, second, until| {
        let revocation = Revocation {
            of: of.clone(),
            at: at(second),
            until: at(until),
        };
        world.do_(Operation::Revoke(revocation)).await.fresh
    };
    assert!(revoke(&user, 5, 100).await);
    assert!(revoke(&token, 5, 50).await);
    assert!(revoke(&user, 7, 90).await, "a later one takes more tokens");
    assert!(!revoke(&user, 6, 80).await);
    let kept = async || {
        let mut kept = world.store.revocations().await.unwrap();
        kept.sort_by(|one, other| one.of.cmp(&other.of));
        kept
    };
    let of_user = Revocation {
        of: user,
        at: at(7),
        until: at(100),
    };
    assert_eq!(
        kept().await,
        [
            Revocation {
                of: token,
                at: at(5),
                until: at(50)
            },
            of_user.clone()
        ]
    );
    let retention = Retention {
        deliveries_before: at(0),
        log_before: at(0),
        runs_before: at(0),
        revoked_until: at(50),
        sessions_before: at(0),
        unreadable_before: at(0),
    };
    world.do_(Operation::Prune(retention)).await;
    assert_eq!(kept().await, [of_user]);
}
