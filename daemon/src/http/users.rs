//! `/api/v1/users` and `/api/v1/tokens`: the people who sign in here. For admins of every shop; everybody may change
//! their own language and password.

use schemars::JsonSchema;
use schemas::{
    ErrorBody, ErrorCode, Identity, Kind, LocationId, Posted, Role, ShopDomain, Timestamp, UserId,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use store::LocalUser;

use super::api::List;
use super::parameter::{NoParameters, parameters, path_part};
use super::route::RouteCall;
use super::{RouteContext, body, session};
use crate::limits::COMMAND_BYTES_MAX;
use crate::people::accounts::{NAME_CHARS_MAX, NewUser, UserChange};
use crate::people::auth::{NewToken, OWN_ISSUER};
use crate::people::password::PASSWORD_BYTES_MAX;
use crate::shop::posts::PostedEvent;

/// Seconds for which a token is good that the control socket gives out, when nothing is said.
const TOKEN_SECONDS: i64 = 8 * 60 * 60;
/// Seconds for which such a token may be good: a year.
const TOKEN_SECONDS_MAX: i64 = 366 * 24 * 60 * 60;

/// A user of this installation.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserShape {
    id: UserId,
    name: String,
    role: Role,
    /// `null` where they are not limited.
    locations: Option<Vec<LocationId>>,
    /// `null` where they are not limited.
    shops: Option<Vec<ShopDomain>>,
    /// `null` for the browser's.
    language: Option<String>,
    disabled: bool,
    /// Whether they have set a password.
    has_password: bool,
    created_at: Timestamp,
    /// `null` before they first signed in.
    last_seen_at: Option<Timestamp>,
}

impl From<LocalUser> for UserShape {
    fn from(user: LocalUser) -> Self {
        Self {
            id: user.id,
            name: user.name,
            role: user.role,
            locations: user.locations,
            shops: user.shops,
            language: user.language,
            disabled: user.disabled,
            has_password: user.password.is_some(),
            created_at: user.created_at,
            last_seen_at: user.last_seen_at,
        }
    }
}

/// A user who is to be added.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserToAdd {
    /// The name to sign in with.
    #[schemars(length(min = 1, max = NAME_CHARS_MAX))]
    name: String,
    /// admin, manager, staff or super_admin.
    role: Role,
    /// `null` where they are not limited.
    locations: Option<Vec<LocationId>>,
    /// `null` where they are not limited.
    shops: Option<Vec<ShopDomain>>,
    /// A tag of BCP 47, such as `de`.
    language: Option<String>,
}

/// What changes of a user; what is left out stays.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(
    clippy::option_option,
    reason = "what is left out stays, and `null` is a value"
)]
pub(super) struct ChangeOfUser {
    role: Option<Role>,
    /// `null` where they are not limited.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<Vec<LocationId>>")]
    locations: Option<Option<Vec<LocationId>>>,
    /// `null` where they are not limited.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<Vec<ShopDomain>>")]
    shops: Option<Option<Vec<ShopDomain>>>,
    /// `null` for the browser's.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "Option<String>")]
    language: Option<Option<String>>,
    disabled: Option<bool>,
    /// One's own new password.
    #[schemars(length(max = PASSWORD_BYTES_MAX))]
    password: Option<String>,
    /// The one before, beside a new one.
    current_password: Option<String>,
}

/// Null is not the same as nothing.
#[allow(
    clippy::option_option,
    reason = "what is left out stays, and `null` is a value"
)]
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A link by which somebody sets a password, once.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PasswordLink {
    /// The address of the page; what counts stands behind its `#`, so that it gets into no log.
    link: String,
    expires_at: Timestamp,
}

/// What a token is to say.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct WantedToken {
    /// Id of the user, for the audit trail; by default who asks.
    user_id: Option<UserId>,
    role: Role,
    customer_id: Option<schemas::CustomerId>,
    locations: Option<Vec<LocationId>>,
    shops: Option<Vec<ShopDomain>>,
    /// Seconds for which it is good; 8 hours when nothing is said.
    #[schemars(range(min = 1, max = TOKEN_SECONDS_MAX))]
    ttl_seconds: Option<i64>,
}

/// A token, signed by stockd.
#[derive(Serialize, JsonSchema)]
pub(super) struct GivenToken {
    token: String,
}

parameters! {
    pub(super) struct LocalUserParameters {
        id: String = path_part("userId", "Id of the user."),
    }
}

/// Whether somebody is an admin of every shop.
pub(super) fn runs_everything(context: &RouteContext, identity: &Identity) -> bool {
    let shops = context.shops.domains();
    identity.role.is_admin() && shops.iter().all(|shop| identity.may_enter(shop))
}

/// Tells the admins, and the person concerned, in every shop of theirs; of somebody who has none, the admins of all.
pub(super) async fn alert(context: &RouteContext, user: &LocalUser, what: &str) {
    let data = json!({
        "title": "Account changed",
        "message": format!("{}: {what}", user.name),
        "userId": user.id,
    });
    let mut theirs = context.shops.domains();
    if let Some(only) = user.shops.as_ref().filter(|only| !only.is_empty()) {
        theirs.retain(|shop| only.contains(shop));
    }
    for shop in theirs {
        let data = data.as_object().cloned().unwrap_or_default();
        let event = Posted::read(Kind::SecurityAlert, OWN_ISSUER.to_owned(), None, data);
        let Ok(event) = event else { continue };
        let statement = PostedEvent {
            shop,
            event,
            key: None,
        };
        if let Err(error) = context.posts.tell(statement).await {
            tracing::error!(%error, user.id = %user.id, "Could not tell of a change of people");
        }
    }
}

pub(super) async fn users(
    context: &RouteContext,
    _: RouteCall<NoParameters>,
) -> Result<List<UserShape>, ErrorBody> {
    let users = context.accounts.users();
    Ok(List {
        data: users.into_iter().map(UserShape::from).collect(),
    })
}

pub(super) async fn add(
    context: &RouteContext,
    call: RouteCall<NoParameters>,
) -> Result<UserShape, ErrorBody> {
    let wanted: UserToAdd = body::read(call.body, COMMAND_BYTES_MAX, "a user").await?;
    check_super(&call.identity, &[wanted.role])?;
    let new = NewUser {
        name: wanted.name,
        role: wanted.role,
        locations: wanted.locations,
        shops: wanted.shops,
        language: wanted.language,
    };
    let user = context.accounts.add(new).await?;
    tracing::info!(user.id = %user.id, by = %call.identity.user_id, "Added a user");
    alert(context, &user, &format!("added as {}", user.role.as_str())).await;
    Ok(user.into())
}

/// Only one of them makes or changes one.
fn check_super(by: &Identity, roles: &[Role]) -> Result<(), ErrorBody> {
    if by.role == Role::SuperAdmin || !roles.contains(&Role::SuperAdmin) {
        return Ok(());
    }
    let message = "only a super_admin changes a super_admin, or makes one";
    Err(ErrorBody::new(ErrorCode::Forbidden, message))
}

fn id(call: &RouteCall<LocalUserParameters>) -> Result<UserId, ErrorBody> {
    let unknown = |_| ErrorBody::new(ErrorCode::NotFound, "there is no such user");
    call.parameters.id.parse().map_err(unknown)
}

pub(super) async fn change(
    context: &RouteContext,
    call: RouteCall<LocalUserParameters>,
) -> Result<UserShape, ErrorBody> {
    let (id, by) = (id(&call)?, call.identity);
    let change: ChangeOfUser =
        body::read(call.body, COMMAND_BYTES_MAX, "a change of a user").await?;
    let is_oneself = by.user_id == id;
    let before = context.accounts.user(&id)?;
    let is_of_rights = change.role.is_some()
        || change.locations.is_some()
        || change.shops.is_some()
        || change.disabled.is_some();
    if is_of_rights && (is_oneself || !runs_everything(context, &by)) {
        let message = "another admin of every shop changes what you may do";
        return Err(ErrorBody::new(ErrorCode::Forbidden, message));
    }
    check_super(&by, &[before.role, change.role.unwrap_or(before.role)])?;
    if let Some(new) = change.password {
        if !is_oneself {
            let message = "a password is one's own: give them a link by which they set another";
            return Err(ErrorBody::new(ErrorCode::Forbidden, message));
        }
        let missing = || ErrorBody::field("currentPassword", "say the password before, too");
        let current = change.current_password.ok_or_else(missing)?;
        let user = context.accounts.change_password(&id, current, new).await?;
        context.hub.recheck_tokens();
        alert(context, &user, "changed the password").await;
    }
    let change = UserChange {
        role: change.role,
        locations: change.locations,
        shops: change.shops,
        language: change.language,
        disabled: change.disabled,
    };
    let (user, is_other) = context.accounts.change(&id, change).await?;
    if is_other {
        context.hub.recheck_tokens();
        let what = if user.disabled {
            "disabled".to_owned()
        } else {
            format!("may do something else now, as {}", user.role.as_str())
        };
        tracing::info!(user.id = %id, by = %by.user_id, what, "Changed a user");
        alert(context, &user, &what).await;
    }
    Ok(user.into())
}

pub(super) async fn link(
    context: &RouteContext,
    call: RouteCall<LocalUserParameters>,
) -> Result<PasswordLink, ErrorBody> {
    let id = id(&call)?;
    check_super(&call.identity, &[context.accounts.user(&id)?.role])?;
    let (secret, expires_at) = context.accounts.link(&id).await?;
    tracing::info!(user.id = %id, by = %call.identity.user_id, "Gave out a one-time link");
    let base = session::base(context, &call.headers, call.peer);
    Ok(PasswordLink {
        link: format!("{base}/#link={}", secret.reveal()),
        expires_at,
    })
}

pub(super) async fn give_token(
    context: &RouteContext,
    call: RouteCall<NoParameters>,
) -> Result<GivenToken, ErrorBody> {
    let wanted: WantedToken =
        body::read(call.body, COMMAND_BYTES_MAX, "what a token is to say").await?;
    let seconds = wanted.ttl_seconds.unwrap_or(TOKEN_SECONDS);
    if !(1..=TOKEN_SECONDS_MAX).contains(&seconds) {
        let message = "a token is good for a second at least and a year at most";
        return Err(ErrorBody::field("ttlSeconds", message));
    }
    let user = wanted.user_id.unwrap_or(call.identity.user_id);
    if context.accounts.user(&user).is_ok() {
        let message = "this is a user who signs in: name another, or give them a link";
        return Err(ErrorBody::field("userId", message));
    }
    let now = context.clock.now().as_second();
    let shops = wanted.shops;
    let token = NewToken {
        sub: user.to_string(),
        role: wanted.role,
        customer_id: wanted.customer_id,
        locations: wanted.locations,
        shops: shops.map(|shops| shops.iter().map(ToString::to_string).collect()),
        iat: now,
        jti: context.accounts.token_id(),
        exp: now.saturating_add(seconds),
        iss: None,
        aud: None,
    };
    let token = context.tokens.issue_for(token)?;
    Ok(GivenToken { token })
}
