//! Users, where they are signed in, and their links.

use schemas::Role;

use super::{World, at, shop};
use crate::{LocalUser, LoginLink, Operation, PeopleWrite, UserLogin};

pub(super) async fn people_are_kept_as_they_were_last_written_and_ended_logins_are_gone(
    world: World,
) {
    let ann = LocalUser {
        id: "u_ann".parse().unwrap(),
        name: "Ann".to_owned(),
        role: Role::Staff,
        locations: Some(vec![7_u64.try_into().unwrap()]),
        shops: Some(vec![shop()]),
        language: Some("de".to_owned()),
        disabled: false,
        password: Some("$argon2id$".to_owned()),
        created_at: at(1),
        last_seen_at: Some(at(2)),
    };
    let bob = LocalUser {
        id: "u_bob".parse().unwrap(),
        locations: None,
        shops: None,
        language: None,
        disabled: true,
        password: None,
        last_seen_at: None,
        ..ann.clone()
    };
    let login = |id: &str, second| UserLogin {
        id: id.to_owned(),
        hash: [7; 32],
        user: ann.id.clone(),
        started_at: at(1),
        seen_at: at(second),
        user_agent: Some("a browser".to_owned()),
    };
    let link = |user: &LocalUser, byte| LoginLink {
        user: user.id.clone(),
        hash: [byte; 32],
        until: at(9),
    };
    let manager = LocalUser {
        role: Role::Manager,
        ..ann.clone()
    };
    let writes = vec![
        PeopleWrite::User(ann.clone()),
        PeopleWrite::User(bob.clone()),
        PeopleWrite::Login(login("one", 3)),
        PeopleWrite::Login(login("two", 3)),
        PeopleWrite::Link(link(&ann, 1)),
        PeopleWrite::Link(link(&bob, 1)),
    ];
    world.do_(Operation::KeepPeople(writes)).await;
    let writes = vec![
        PeopleWrite::User(manager.clone()),
        PeopleWrite::Login(login("two", 5)),
        PeopleWrite::EndLogin("one".to_owned()),
        PeopleWrite::Link(link(&bob, 2)),
        PeopleWrite::EndLink(ann.id.clone()),
    ];
    world.do_(Operation::KeepPeople(writes)).await;
    let mut kept = world.store.people().await.unwrap();
    kept.users.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(kept.users, [manager, bob.clone()]);
    assert_eq!(kept.logins, [login("two", 5)]);
    assert_eq!(kept.links, [link(&bob, 2)]);
}
