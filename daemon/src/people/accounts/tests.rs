//! Logins and links over time, and what ends them.

use std::sync::atomic::{AtomicI64, Ordering};

use store::sqlite::Opened;
use tempfile::TempDir;

use super::*;

const PASSWORD: &str = "a rainy day in May";

struct World {
    accounts: Arc<Accounts>,
    /// The time that the clock shows, in seconds since 1970.
    now: Arc<AtomicI64>,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap(), Arc::new(AtomicI64::new(0))).await
    }

    async fn on(folder: TempDir, now: Arc<AtomicI64>) -> Self {
        let entropy = Arc::new(Entropy::from_system().unwrap());
        let path = folder.path().join("stockd.db");
        let Opened { store, writer, .. } =
            store::sqlite::open(&path, &entropy, Timestamp::UNIX_EPOCH).unwrap();
        std::thread::spawn(move || writer.run());
        let seconds = Arc::clone(&now);
        let clock = move || Timestamp::from_second(seconds.load(Ordering::Relaxed)).unwrap();
        let tasks = TaskTracker::new();
        let accounts = Accounts::open(store, Arc::new(clock), entropy, tasks);
        Self {
            accounts: accounts.await.unwrap(),
            now,
            folder,
        }
    }

    /// The same database in the next process.
    async fn restarted(self) -> Self {
        drop(self.accounts);
        Self::on(self.folder, self.now).await
    }

    fn pass(&self, hours: i64) {
        self.now.fetch_add(hours * 3_600, Ordering::Relaxed);
    }

    async fn ann(&self) -> LocalUser {
        let new = NewUser {
            name: "Ann".to_owned(),
            role: Role::Staff,
            locations: None,
            shops: None,
            language: None,
        };
        self.accounts.add(new).await.unwrap()
    }

    async fn link(&self, user: &LocalUser) -> String {
        let (link, _) = self.accounts.link(&user.id).await.unwrap();
        link.reveal().to_owned()
    }

    /// The cookie, or the code of the refusal.
    async fn follows(&self, link: &str, password: &str) -> Result<String, ErrorCode> {
        let followed = self
            .accounts
            .follow_link(link, password.to_owned(), browser());
        told(followed.await)
    }

    async fn signs_in(&self, name: &str, password: &str) -> Result<String, ErrorCode> {
        let signed_in = self.accounts.sign_in(name, password.to_owned(), browser());
        told(signed_in.await)
    }

    async fn is_in(&self, cookie: &str) -> bool {
        self.accounts.refresh(cookie).await.is_ok()
    }
}

fn told(signed_in: Result<(LoginSecret, SignedIn), ErrorBody>) -> Result<String, ErrorCode> {
    match signed_in {
        Ok((secret, _)) => Ok(secret.reveal().to_owned()),
        Err(refusal) => Err(refusal.code),
    }
}

fn browser() -> LoginBrowser {
    LoginBrowser {
        address: "192.0.2.1".parse().unwrap(),
        user_agent: Some("ü".repeat(400)),
    }
}

#[tokio::test]
async fn a_link_sets_a_password_once_within_a_day_and_the_password_signs_in() {
    let world = World::new().await;
    let ann = world.ann().await;
    let (old, link) = (world.link(&ann).await, world.link(&ann).await);
    let refused = Err(ErrorCode::TokenInvalid);
    assert_eq!(world.follows(&old, PASSWORD).await, refused, "replaced");
    assert_eq!(
        world.follows(&link, "short").await,
        Err(ErrorCode::InvalidPayload)
    );
    world.pass(23);
    assert!(world.follows(&link, PASSWORD).await.is_ok());
    assert_eq!(world.follows(&link, PASSWORD).await, refused, "used");
    assert!(world.signs_in(" aNN ", PASSWORD).await.is_ok());
    let late = world.link(&ann).await;
    world.pass(24);
    assert_eq!(world.follows(&late, PASSWORD).await, refused, "run out");
}

#[tokio::test]
async fn a_login_ends_after_twelve_idle_hours_or_thirty_days_also_over_a_restart() {
    let world = World::new().await;
    let ann = world.ann().await;
    let cookie = world
        .follows(&world.link(&ann).await, PASSWORD)
        .await
        .unwrap();
    let mut world = world.restarted().await;
    for _ in 0..59 {
        world.pass(12);
        world.now.fetch_sub(1, Ordering::Relaxed);
        assert!(world.is_in(&cookie).await);
    }
    world = world.restarted().await;
    assert!(world.is_in(&cookie).await);
    world.pass(11);
    assert!(world.is_in(&cookie).await);
    world.pass(2);
    assert!(!world.is_in(&cookie).await, "a month has passed");
    let cookie = world.signs_in("ann", PASSWORD).await.unwrap();
    world.pass(12);
    assert!(!world.is_in(&cookie).await);
    assert_eq!(world.accounts.logins(&ann.id), []);
}

#[tokio::test]
async fn who_may_do_something_else_now_is_signed_out_and_who_is_disabled_stays_out() {
    let world = World::new().await;
    let ann = world.ann().await;
    let mut cookie = world
        .follows(&world.link(&ann).await, PASSWORD)
        .await
        .unwrap();
    let changed = async |change| world.accounts.change(&ann.id, change).await.unwrap().1;
    let language = UserChange {
        language: Some(Some("de".to_owned())),
        ..UserChange::default()
    };
    assert!(!changed(language).await && world.is_in(&cookie).await);
    let role = UserChange {
        role: Some(Role::Manager),
        ..UserChange::default()
    };
    let locations = UserChange {
        locations: Some(Some(Vec::new())),
        ..UserChange::default()
    };
    for change in [role, locations] {
        assert!(changed(change).await && !world.is_in(&cookie).await);
        cookie = world.signs_in("ann", PASSWORD).await.unwrap();
    }
    let link = world.link(&ann).await;
    let disabled = |disabled| UserChange {
        disabled: Some(disabled),
        ..UserChange::default()
    };
    assert!(changed(disabled(true)).await && !world.is_in(&cookie).await);
    let refused = Err(ErrorCode::TokenInvalid);
    assert_eq!(world.follows(&link, PASSWORD).await, refused);
    assert_eq!(world.signs_in("ann", PASSWORD).await, refused);
    changed(disabled(false)).await;
    assert_eq!(
        world.follows(&link, PASSWORD).await,
        refused,
        "the link stays void"
    );
}

#[tokio::test]
async fn a_user_has_so_many_logins_and_the_one_that_was_not_used_for_longest_makes_room() {
    let world = World::new().await;
    let ann = world.ann().await;
    let mut cookies = Vec::new();
    for _ in 0..=LOGINS_PER_USER_MAX {
        let turn = world.accounts.turn().await;
        world.now.fetch_add(1, Ordering::Relaxed);
        let user = world.accounts.user(&ann.id).unwrap();
        let begun = world.accounts.begin(turn, user, Vec::new(), browser());
        cookies.push(told(begun.await).unwrap());
    }
    assert_eq!(world.accounts.logins(&ann.id).len(), LOGINS_PER_USER_MAX);
    assert!(!world.is_in(&cookies[0]).await && world.is_in(&cookies[1]).await);
    let agent = world.accounts.logins(&ann.id)[0].user_agent.clone();
    assert_eq!(agent.unwrap().len(), USER_AGENT_BYTES_MAX);
    assert_eq!(world.accounts.end_logins(&ann.id, None).await, Ok(32));
    assert!(!world.is_in(&cookies[1]).await);
}

#[tokio::test]
async fn names_are_told_apart_without_case_and_wrong_ones_are_refused() {
    let world = World::new().await;
    world.ann().await;
    for (name, role, code) in [
        (" ANN", Role::Staff, ErrorCode::Conflict),
        ("", Role::Staff, ErrorCode::InvalidPayload),
        ("a\nb", Role::Staff, ErrorCode::InvalidPayload),
        (&"x".repeat(129), Role::Staff, ErrorCode::InvalidPayload),
        ("Bob", Role::Service, ErrorCode::InvalidPayload),
    ] {
        let new = NewUser {
            name: name.to_owned(),
            role,
            locations: None,
            shops: None,
            language: None,
        };
        assert_eq!(world.accounts.add(new).await.unwrap_err().code, code);
    }
}
