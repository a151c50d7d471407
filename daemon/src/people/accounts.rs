//! Local users: where they are signed in, and how they sign in.
//!
//! All of it is in memory as it is in the store: this process is the only one that has the database. A change is decided
//! in its turn, kept, and then it counts.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use schemas::{
    Clock, Entropy, ErrorBody, ErrorCode, LocationId, Role, ShopDomain, Timestamp, UserId,
};
use sha2::{Digest as _, Sha256};
use store::{LocalUser, LoginLink, Operation, PeopleWrite, Store, StoreError, UserLogin};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_util::task::TaskTracker;

use super::password::{self, PasswordHasher};
use super::throttle::LoginThrottle;

/// What ids of local users begin with. A token of another issuer with such an id is refused.
pub(crate) const ID_PREFIX: &str = "u_";
/// A login that is not used for so long has ended.
const IDLE_MAX: SignedDuration = SignedDuration::from_hours(12);
/// A login ends after so long in any case.
const AGE_MAX: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A link is good for so long.
const LINK_AGE_MAX: SignedDuration = SignedDuration::from_hours(24);
/// When a login was used last is written no more often, so that a refresh costs no commit. After a restart a login may
/// have been idle for so much less than it seems.
const SEEN_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// Users that there may be.
const USERS_MAX: usize = 10_000;
/// Logins of a user; the one that was not used for the longest makes room.
const LOGINS_PER_USER_MAX: usize = 32;
/// Characters that a name may have.
pub(crate) const NAME_CHARS_MAX: usize = 128;
/// Bytes of what a browser says of itself; the rest is cut off.
const USER_AGENT_BYTES_MAX: usize = 256;
/// Roles that a local user may have: those of people who work for the shops.
pub(crate) const ROLES: [Role; 4] = [Role::Admin, Role::Manager, Role::Staff, Role::SuperAdmin];

/// A secret that is given out once, as text: a cookie or a link. Only its hash is kept.
pub(crate) struct LoginSecret(String);

impl LoginSecret {
    fn new(entropy: &Entropy) -> (Self, [u8; 32]) {
        let text = URL_SAFE_NO_PAD.encode(entropy.bytes::<32>());
        let hash = hash(&text);
        (Self(text), hash)
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// Somebody who is signed in.
pub(crate) struct SignedIn {
    pub(crate) user: LocalUser,
    /// The id of the login (`sid`).
    pub(crate) login: String,
}

/// From where somebody signs in.
pub(crate) struct LoginBrowser {
    pub(crate) address: IpAddr,
    pub(crate) user_agent: Option<String>,
}

/// A user who is to be added.
pub(crate) struct NewUser {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) locations: Option<Vec<LocationId>>,
    pub(crate) shops: Option<Vec<ShopDomain>>,
    pub(crate) language: Option<String>,
}

/// What changes of a user; `None` stays.
#[derive(Default)]
#[allow(
    clippy::option_option,
    reason = "what is left out stays, and `null` is a value"
)]
pub(crate) struct UserChange {
    pub(crate) role: Option<Role>,
    pub(crate) locations: Option<Option<Vec<LocationId>>>,
    pub(crate) shops: Option<Option<Vec<ShopDomain>>>,
    pub(crate) language: Option<Option<String>>,
    pub(crate) disabled: Option<bool>,
}

/// The local users of this installation.
pub(crate) struct Accounts {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    entropy: Arc<Entropy>,
    hasher: PasswordHasher,
    throttle: LoginThrottle,
    /// What is being written goes on where its request has ended.
    tasks: TaskTracker,
    /// Changes are decided one after the other.
    turn: Arc<Mutex<()>>,
    known: RwLock<KnownPeople>,
}

/// What is kept, by what it is looked for.
#[derive(Default)]
struct KnownPeople {
    users: BTreeMap<UserId, LocalUser>,
    /// By name in small letters.
    names: HashMap<String, UserId>,
    logins: BTreeMap<String, KnownLogin>,
    /// The ids of logins by the hash of their cookie.
    cookies: HashMap<[u8; 32], String>,
    links: BTreeMap<UserId, LoginLink>,
}

struct KnownLogin {
    login: UserLogin,
    /// When it was used last, as the store has it.
    written: Timestamp,
}

impl KnownPeople {
    fn take(&mut self, write: PeopleWrite) {
        match write {
            PeopleWrite::User(user) => {
                self.names.insert(folded(&user.name), user.id.clone());
                self.users.insert(user.id.clone(), user);
            }
            PeopleWrite::Login(login) => {
                self.cookies.insert(login.hash, login.id.clone());
                let written = login.seen_at;
                let known = KnownLogin { login, written };
                self.logins.insert(known.login.id.clone(), known);
            }
            PeopleWrite::EndLogin(id) => {
                if let Some(known) = self.logins.remove(&id) {
                    self.cookies.remove(&known.login.hash);
                }
            }
            PeopleWrite::Link(link) => drop(self.links.insert(link.user.clone(), link)),
            PeopleWrite::EndLink(user) => drop(self.links.remove(&user)),
        }
    }

    fn named(&self, name: &str) -> Option<&LocalUser> {
        self.users.get(self.names.get(&folded(name))?)
    }

    /// The user, if they may sign in.
    fn enabled(&self, user: &UserId) -> Option<&LocalUser> {
        self.users.get(user).filter(|user| !user.disabled)
    }

    fn logins_of(&self, user: &UserId) -> impl Iterator<Item = &UserLogin> {
        let logins = self.logins.values().map(|known| &known.login);
        logins.filter(move |login| login.user == *user)
    }

    /// The user whom a link is for, if it is good.
    fn linked(&self, hash: [u8; 32], now: Timestamp) -> Option<&LocalUser> {
        let mut links = self.links.values();
        let link = links.find(|link| link.hash == hash && link.until > now)?;
        self.enabled(&link.user)
    }

    /// The end of every login of that user.
    fn ends(&self, user: &UserId) -> Vec<PeopleWrite> {
        let logins = self.logins_of(user).map(|login| login.id.clone());
        logins.map(PeopleWrite::EndLogin).collect()
    }
}

/// A name as it is compared.
fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

fn is_over(login: &UserLogin, now: Timestamp) -> bool {
    let by = |since: Timestamp, age| since.saturating_add(age).is_ok_and(|end| end <= now);
    by(login.seen_at, IDLE_MAX) || by(login.started_at, AGE_MAX)
}

/// One answer to all who may not come in, whatever the reason.
fn wrong() -> ErrorBody {
    ErrorBody::new(ErrorCode::TokenInvalid, "the name or the password is wrong")
}

fn nobody() -> ErrorBody {
    ErrorBody::new(ErrorCode::NotFound, "there is no such user")
}

impl Accounts {
    /// Everybody whom the store knows.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn open(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        entropy: Arc<Entropy>,
        tasks: TaskTracker,
    ) -> Result<Arc<Self>, StoreError> {
        let people = store.people().await?;
        let mut known = KnownPeople::default();
        let users = people.users.into_iter().map(PeopleWrite::User);
        let logins = people.logins.into_iter().map(PeopleWrite::Login);
        let links = people.links.into_iter().map(PeopleWrite::Link);
        for write in users.chain(logins).chain(links) {
            known.take(write);
        }
        Ok(Arc::new(Self {
            store,
            clock,
            hasher: PasswordHasher::new(Arc::clone(&entropy)),
            entropy,
            throttle: LoginThrottle::default(),
            tasks,
            turn: Arc::default(),
            known: RwLock::new(known),
        }))
    }

    fn known(&self) -> RwLockReadGuard<'_, KnownPeople> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, KnownPeople> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }

    async fn turn(&self) -> OwnedMutexGuard<()> {
        Arc::clone(&self.turn).lock_owned().await
    }

    /// Keeps what was decided in this turn. On a task, because memory would differ from the store if a client that hangs
    /// up could end it in between.
    async fn keep(
        self: &Arc<Self>,
        turn: OwnedMutexGuard<()>,
        writes: Vec<PeopleWrite>,
    ) -> Result<(), ErrorBody> {
        let accounts = Arc::clone(self);
        let kept = self.tasks.spawn(async move {
            let operation = Operation::KeepPeople(writes.clone());
            let kept = accounts.store.write(operation).await;
            if kept.is_ok() {
                let mut known = accounts.known_mut();
                for write in writes {
                    known.take(write);
                }
            }
            drop(turn);
            kept
        });
        let failure = match kept.await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(failure)) => failure.to_string(),
            Err(failure) => failure.to_string(),
        };
        tracing::error!(failure, "Could not keep a change of people");
        let message = "the store does not answer; try again";
        Err(ErrorBody::new(ErrorCode::Unavailable, message))
    }

    /// Signs in with a name and a password: what the cookie is to hold.
    ///
    /// # Errors
    /// The same for every reason for which nobody may come in; another one when it was tried too often.
    pub(crate) async fn sign_in(
        self: &Arc<Self>,
        name: &str,
        password: String,
        browser: LoginBrowser,
    ) -> Result<(LoginSecret, SignedIn), ErrorBody> {
        self.throttle.attempt_of(browser.address)?;
        let name: String = folded(name).chars().take(NAME_CHARS_MAX).collect();
        if password.len() > password::PASSWORD_BYTES_MAX {
            return Err(wrong());
        }
        let place = self.hasher.place()?;
        self.throttle.attempt_on(&name)?;
        let user = self.known().named(&name).cloned();
        let hash = user.as_ref().and_then(|user| user.password.clone());
        let is_right = self.hasher.verify(place, password, hash.clone()).await?;
        let Some(user) = user.filter(|user| is_right && !user.disabled) else {
            tracing::info!(address = %browser.address, "Refused a name and a password");
            return Err(wrong());
        };
        self.throttle.succeeded(&name);
        let turn = self.turn().await;
        // Meanwhile it may have been changed or taken away.
        let user = self.known().enabled(&user.id).cloned().ok_or_else(wrong)?;
        if user.password != hash {
            return Err(wrong());
        }
        self.begin(turn, user, Vec::new(), browser).await
    }

    /// Sets the password of whom the link is for, once, and signs them in. Where they were signed in before, they are no
    /// longer.
    ///
    /// # Errors
    /// When the link was used or has run out, or the password is too easy; then the link is still good.
    pub(crate) async fn follow_link(
        self: &Arc<Self>,
        link: &str,
        password: String,
        browser: LoginBrowser,
    ) -> Result<(LoginSecret, SignedIn), ErrorBody> {
        self.throttle.attempt_of(browser.address)?;
        let link = hash(link);
        let linked = || self.known().linked(link, self.clock.now()).cloned();
        let unknown = || {
            let message = "the link was used or has run out: ask for a new one";
            ErrorBody::new(ErrorCode::TokenInvalid, message)
        };
        let user = linked().ok_or_else(unknown)?;
        password::check(&password, &user.name)?;
        let hashed = self.hasher.hash(self.hasher.place()?, password).await?;
        let turn = self.turn().await;
        let user = linked().ok_or_else(unknown)?;
        self.throttle.succeeded(&folded(&user.name));
        let mut writes = self.known().ends(&user.id);
        writes.push(PeopleWrite::EndLink(user.id.clone()));
        let user = LocalUser {
            password: Some(hashed),
            ..user
        };
        self.begin(turn, user, writes, browser).await
    }

    /// Begins a login after those writes.
    async fn begin(
        self: &Arc<Self>,
        turn: OwnedMutexGuard<()>,
        user: LocalUser,
        mut writes: Vec<PeopleWrite>,
        browser: LoginBrowser,
    ) -> Result<(LoginSecret, SignedIn), ErrorBody> {
        let now = self.clock.now();
        let (secret, hash) = LoginSecret::new(&self.entropy);
        {
            let known = self.known();
            let mut logins: Vec<&UserLogin> = known.logins_of(&user.id).collect();
            logins.sort_by_key(|login| std::cmp::Reverse(login.seen_at));
            let ended = logins.into_iter().enumerate().filter(|(number, login)| {
                *number + 1 >= LOGINS_PER_USER_MAX || is_over(login, now)
            });
            writes.extend(ended.map(|(_, login)| PeopleWrite::EndLogin(login.id.clone())));
        }
        let user = LocalUser {
            last_seen_at: Some(now),
            ..user
        };
        let user_agent = browser.user_agent.map(|mut said| {
            said.truncate(said.floor_char_boundary(USER_AGENT_BYTES_MAX));
            said
        });
        let login = UserLogin {
            id: self.entropy.uuid_at(now).to_string(),
            hash,
            user: user.id.clone(),
            started_at: now,
            seen_at: now,
            user_agent,
        };
        let id = login.id.clone();
        writes.push(PeopleWrite::User(user.clone()));
        writes.push(PeopleWrite::Login(login));
        self.keep(turn, writes).await?;
        tracing::info!(user.id = %user.id, login.id = id, "Signed in");
        Ok((secret, SignedIn { user, login: id }))
    }

    /// Who has that cookie, if they are still signed in.
    ///
    /// # Errors
    /// When they are not.
    pub(crate) async fn refresh(self: &Arc<Self>, cookie: &str) -> Result<SignedIn, ErrorBody> {
        let now = self.clock.now();
        let (signed_in, late) = {
            let mut known = self.known_mut();
            let found = known.find(cookie, now);
            let Some((user, login)) = found else {
                let message = "you are not signed in";
                return Err(ErrorBody::new(ErrorCode::TokenInvalid, message));
            };
            let late = known.logins.get_mut(&login).and_then(|known| {
                known.login.seen_at = known.login.seen_at.max(now);
                let is_late = now.duration_since(known.written) >= SEEN_PAUSE;
                is_late.then(|| known.login.clone())
            });
            (SignedIn { user, login }, late)
        };
        if let Some(login) = late {
            let turn = self.turn().await;
            let known = self.known().users.get(&login.user).cloned();
            if let Some(user) = known.filter(|_| self.is_signed_in(&login.user, &login.id)) {
                let user = LocalUser {
                    last_seen_at: Some(now),
                    ..user
                };
                let writes = vec![PeopleWrite::User(user), PeopleWrite::Login(login)];
                self.keep(turn, writes).await?;
            }
        }
        Ok(signed_in)
    }

    /// Ends the login of that cookie, if there is one.
    pub(crate) async fn sign_out(self: &Arc<Self>, cookie: &str) -> Result<(), ErrorBody> {
        let turn = self.turn().await;
        let login = self.known().cookies.get(&hash(cookie)).cloned();
        match login {
            Some(id) => self.keep(turn, vec![PeopleWrite::EndLogin(id)]).await,
            None => Ok(()),
        }
    }

    /// Whether a token of that login is still good.
    pub(crate) fn is_signed_in(&self, user: &UserId, login: &str) -> bool {
        let known = self.known();
        let is_theirs = |known: &KnownLogin| known.login.user == *user;
        known.logins.get(login).is_some_and(is_theirs) && known.enabled(user).is_some()
    }

    /// Where that user is signed in, the last used first.
    pub(crate) fn logins(&self, user: &UserId) -> Vec<UserLogin> {
        let now = self.clock.now();
        let known = self.known();
        let mut logins: Vec<UserLogin> = known
            .logins_of(user)
            .filter(|login| !is_over(login, now))
            .cloned()
            .collect();
        logins.sort_by_key(|login| std::cmp::Reverse(login.seen_at));
        logins
    }

    /// Ends one login of that user, or all; how many there were.
    pub(crate) async fn end_logins(
        self: &Arc<Self>,
        user: &UserId,
        only: Option<&str>,
    ) -> Result<usize, ErrorBody> {
        let turn = self.turn().await;
        let mut ends = self.known().ends(user);
        ends.retain(|end| {
            only.is_none_or(|only| matches!(end, PeopleWrite::EndLogin(id) if id == only))
        });
        let count = ends.len();
        if count > 0 {
            self.keep(turn, ends).await?;
        }
        Ok(count)
    }

    /// An id for a token that nobody is signed in with.
    pub(crate) fn token_id(&self) -> String {
        self.entropy.uuid().to_string()
    }

    /// Every user, in the order of their names.
    pub(crate) fn users(&self) -> Vec<LocalUser> {
        let mut users: Vec<LocalUser> = self.known().users.values().cloned().collect();
        users.sort_by_cached_key(|user| folded(&user.name));
        users
    }

    pub(crate) fn user(&self, id: &UserId) -> Result<LocalUser, ErrorBody> {
        self.known().users.get(id).cloned().ok_or_else(nobody)
    }

    /// Adds a user, who has no password yet.
    ///
    /// # Errors
    /// With the field that is wrong, or when the name is taken.
    pub(crate) async fn add(self: &Arc<Self>, new: NewUser) -> Result<LocalUser, ErrorBody> {
        let now = self.clock.now();
        let is_long = new.name.chars().count() > NAME_CHARS_MAX;
        let name = new.name.trim().to_owned();
        if name.is_empty() || is_long || name.contains(char::is_control) {
            let message = "a name has 1 to 128 letters";
            return Err(ErrorBody::field("name", message));
        }
        check_role(new.role)?;
        check_language(new.language.as_deref())?;
        let turn = self.turn().await;
        {
            let known = self.known();
            if known.named(&name).is_some() {
                let message = "there is a user of this name already";
                return Err(ErrorBody {
                    field: Some("name".to_owned()),
                    ..ErrorBody::new(ErrorCode::Conflict, message)
                });
            }
            if known.users.len() >= USERS_MAX {
                let message = "there are 10,000 users already";
                return Err(ErrorBody::new(ErrorCode::LimitReached, message));
            }
        }
        let id = format!("{ID_PREFIX}{}", self.entropy.uuid_at(now).simple());
        let user = LocalUser {
            id: id.parse().map_err(|_| nobody())?,
            name,
            role: new.role,
            locations: new.locations,
            shops: new.shops,
            language: new.language,
            disabled: false,
            password: None,
            created_at: now,
            last_seen_at: None,
        };
        let writes = vec![PeopleWrite::User(user.clone())];
        self.keep(turn, writes).await?;
        Ok(user)
    }

    /// Changes a user. Where it changes what they may do, they are signed out everywhere and a link of theirs is void
    /// when they may not sign in any more. The user, and whether that was so.
    ///
    /// # Errors
    /// When there is no such user or a field is wrong.
    pub(crate) async fn change(
        self: &Arc<Self>,
        id: &UserId,
        change: UserChange,
    ) -> Result<(LocalUser, bool), ErrorBody> {
        change.role.map_or(Ok(()), check_role)?;
        check_language(change.language.as_ref().and_then(Option::as_deref))?;
        let turn = self.turn().await;
        let before = self.user(id)?;
        let user = LocalUser {
            role: change.role.unwrap_or(before.role),
            locations: change.locations.unwrap_or_else(|| before.locations.clone()),
            shops: change.shops.unwrap_or_else(|| before.shops.clone()),
            language: change.language.unwrap_or_else(|| before.language.clone()),
            disabled: change.disabled.unwrap_or(before.disabled),
            ..before.clone()
        };
        let rights = |user: &LocalUser| {
            let LocalUser {
                role,
                locations,
                shops,
                disabled,
                ..
            } = user;
            (*role, locations.clone(), shops.clone(), *disabled)
        };
        let is_other = rights(&user) != rights(&before);
        let mut writes = vec![PeopleWrite::User(user.clone())];
        if is_other {
            writes.extend(self.known().ends(id));
        }
        if user.disabled {
            writes.push(PeopleWrite::EndLink(id.clone()));
        }
        self.keep(turn, writes).await?;
        Ok((user, is_other))
    }

    /// Changes the password of somebody who knows the one before. They are signed out everywhere.
    ///
    /// # Errors
    /// When that one is wrong, was tried too often, or the new one is too easy.
    pub(crate) async fn change_password(
        self: &Arc<Self>,
        id: &UserId,
        current: String,
        new: String,
    ) -> Result<LocalUser, ErrorBody> {
        let user = self.user(id)?;
        let name = folded(&user.name);
        password::check(&new, &user.name)?;
        let place = self.hasher.place()?;
        self.throttle.attempt_on(&name)?;
        let hash = user.password.clone();
        if !self.hasher.verify(place, current, hash.clone()).await? {
            let message = "this is not your password";
            return Err(ErrorBody::field("currentPassword", message));
        }
        self.throttle.succeeded(&name);
        let hashed = self.hasher.hash(self.hasher.place()?, new).await?;
        let turn = self.turn().await;
        let user = self.user(id)?;
        if user.password != hash || user.disabled {
            return Err(wrong());
        }
        let user = LocalUser {
            password: Some(hashed),
            ..user
        };
        let mut writes = self.known().ends(id);
        writes.push(PeopleWrite::User(user.clone()));
        writes.push(PeopleWrite::EndLink(id.clone()));
        self.keep(turn, writes).await?;
        Ok(user)
    }

    /// A link by which that user sets a password, in place of the one before; and when it runs out.
    ///
    /// # Errors
    /// When there is no such user, or they may not sign in.
    pub(crate) async fn link(
        self: &Arc<Self>,
        id: &UserId,
    ) -> Result<(LoginSecret, Timestamp), ErrorBody> {
        let turn = self.turn().await;
        if self.user(id)?.disabled {
            let message = "this user is disabled: enable them first";
            return Err(ErrorBody::new(ErrorCode::Conflict, message));
        }
        let (secret, hash) = LoginSecret::new(&self.entropy);
        let now = self.clock.now();
        let until = now.saturating_add(LINK_AGE_MAX).unwrap_or(Timestamp::MAX);
        let link = LoginLink {
            user: id.clone(),
            hash,
            until,
        };
        self.keep(turn, vec![PeopleWrite::Link(link)]).await?;
        Ok((secret, until))
    }
}

impl KnownPeople {
    /// The user and the login of a cookie, while it is good.
    fn find(&self, cookie: &str, now: Timestamp) -> Option<(LocalUser, String)> {
        let id = self.cookies.get(&hash(cookie))?;
        let login = &self.logins.get(id)?.login;
        let user = self.enabled(&login.user)?;
        (!is_over(login, now)).then(|| (user.clone(), id.clone()))
    }
}

fn check_role(role: Role) -> Result<(), ErrorBody> {
    if ROLES.contains(&role) {
        return Ok(());
    }
    let message = "a user is admin, manager, staff or super_admin: others come with tokens";
    Err(ErrorBody::field("role", message))
}

fn check_language(language: Option<&str>) -> Result<(), ErrorBody> {
    let is_tag = |tag: &str| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (2..=35).contains(&tag.len()) && tag.bytes().all(is_part)
    };
    if language.is_none_or(is_tag) {
        return Ok(());
    }
    let message = "a language is a tag such as en or de-CH";
    Err(ErrorBody::field("language", message))
}

#[cfg(test)]
mod tests;
