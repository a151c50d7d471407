//! The people of an installation: its own users, where they are signed in, and the links by which they set a password.
//!
//! Nothing is decided here: who may be what is judged before it is kept, by the one process that has the database.

use schemas::{LocationId, Role, ShopDomain, Timestamp, UserId};

/// A user of this installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalUser {
    /// The id in tokens and in the audit trail; it never changes.
    pub id: UserId,
    /// The name to sign in with; no two differ by case alone.
    pub name: String,
    /// What they are to the shop.
    pub role: Role,
    /// The locations they are limited to; `None` is all.
    pub locations: Option<Vec<LocationId>>,
    /// The shops they are limited to; `None` is all.
    pub shops: Option<Vec<ShopDomain>>,
    /// The language of the page, as a tag of BCP 47; `None` is the browser's.
    pub language: Option<String>,
    /// Whether they may not sign in.
    pub disabled: bool,
    /// The hash of the password with its parameters; `None` until one is set.
    pub password: Option<String>,
    /// The time when they were added.
    pub created_at: Timestamp,
    /// When they signed in last; `None` before the first time.
    pub last_seen_at: Option<Timestamp>,
}

/// A browser in which a user is signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserLogin {
    /// The id by which it is listed and ended (`sid` of its tokens). It opens nothing.
    pub id: String,
    /// The SHA-256 of the cookie.
    pub hash: [u8; 32],
    /// The user who is signed in.
    pub user: UserId,
    /// The time when they signed in.
    pub started_at: Timestamp,
    /// When the cookie was used last.
    pub seen_at: Timestamp,
    /// What the browser said of itself.
    pub user_agent: Option<String>,
}

/// A link by which a user sets a password, once. A user has one at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginLink {
    /// The user who may set a password.
    pub user: UserId,
    /// The SHA-256 of what the link holds.
    pub hash: [u8; 32],
    /// The time when it runs out.
    pub until: Timestamp,
}

/// Everything that is kept of people.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct People {
    /// All users, also those who are disabled.
    pub users: Vec<LocalUser>,
    /// Where they are signed in.
    pub logins: Vec<UserLogin>,
    /// The links that were not used.
    pub links: Vec<LoginLink>,
}

/// One thing that is kept or forgotten of people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeopleWrite {
    /// Keeps a user, in place of what was kept under the same id.
    User(LocalUser),
    /// Keeps a login, in place of what was kept under the same id.
    Login(UserLogin),
    /// Forgets the login of that id.
    EndLogin(String),
    /// Keeps a link, in place of the one that the user had.
    Link(LoginLink),
    /// Forgets the link of a user.
    EndLink(UserId),
}
