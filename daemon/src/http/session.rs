//! `/api/v1/session` and `/api/v1/sessions`: signing in to the page, and where one is signed in.
//!
//! The cookie can do two things: fetch a token of ten minutes, and end. Everything else takes that token, so a page of
//! another origin, whose requests a browser sends with our cookies, has nothing to gain; and those two ask for our own
//! origin besides.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use schemas::{ErrorBody, ErrorCode, LocationId, Role, ShopDomain, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use store::{LocalUser, UserLogin};
use warp::reply::Response;

use super::api::List;
use super::parameter::{Parameter, Text, any_text, parameters, path_part, query};
use super::route::{RouteCall, SignInRequest, answer};
use super::{RouteContext, body, users};
use crate::http::edge::Peer;
use crate::limits::COMMAND_BYTES_MAX;
use crate::people::accounts::{LoginBrowser, LoginSecret, SignedIn};

/// The cookie over TLS. Browsers take it from us alone, for every path, and never over http.
const COOKIE: &str = "__Host-stockd";
/// The cookie on this machine, where there is no TLS.
const LOCAL_COOKIE: &str = "stockd";
/// Seconds for which a browser keeps it: as long as a login lasts at most.
const COOKIE_SECONDS: u32 = 30 * 24 * 60 * 60;

/// The name and the password of a user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PasswordCredentials {
    name: String,
    password: String,
}

/// What a one-time link holds, and the password to be set.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkedPassword {
    /// What stands behind `#link=` in the address.
    link: String,
    /// The new one, of at least 12 letters.
    password: String,
}

/// A token, and whose it is.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionToken {
    token: String,
    expires_at: Timestamp,
    user: SessionUser,
}

/// The user who is signed in.
#[derive(Serialize, JsonSchema)]
struct SessionUser {
    id: UserId,
    name: String,
    role: Role,
    /// `null` where they are not limited.
    locations: Option<Vec<LocationId>>,
    /// `null` where they are not limited.
    shops: Option<Vec<ShopDomain>>,
    /// `null` for the browser's.
    language: Option<String>,
}

impl From<LocalUser> for SessionUser {
    fn from(user: LocalUser) -> Self {
        Self {
            id: user.id,
            name: user.name,
            role: user.role,
            locations: user.locations,
            shops: user.shops,
            language: user.language,
        }
    }
}

/// How one may sign in here.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SignInOptions {
    /// With a name and a password.
    password_login: bool,
    /// Other ways than a password.
    providers: Vec<SignInProvider>,
    /// Whether passwords are taken on this connection: it is TLS, or from this machine.
    tls: bool,
}

/// Another way to sign in.
#[derive(Serialize, JsonSchema)]
struct SignInProvider {
    name: String,
    /// The text of the button.
    button: String,
    /// The address it leads to.
    href: String,
}

/// Done; nothing else is to be said.
#[derive(Serialize, JsonSchema)]
pub(super) struct SignedOut {
    ok: bool,
}

/// Where somebody is signed in.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionShape {
    id: String,
    started_at: Timestamp,
    last_seen_at: Timestamp,
    /// What the browser said of itself.
    user_agent: Option<String>,
    /// Whether it is the one that asks.
    current: bool,
}

/// How many sessions were ended.
#[derive(Serialize, JsonSchema)]
pub(super) struct EndedSessions {
    ended: usize,
}

const OF_USER: Parameter<Text> = query(
    "user",
    "Id of the user (for admins of every shop); by default oneself.",
    Text { schema: any_text },
);

parameters! {
    pub(super) struct SessionsParameters {
        user: Option<String> = OF_USER,
    }
}

parameters! {
    pub(super) struct SessionParameters {
        id: String = path_part("sessionId", "Id of the session, from the list."),
    }
}

/// What carries a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoginTransport {
    Tls,
    /// From this machine to a name of this machine.
    Loopback,
    /// Anybody in between can read it.
    Plain,
}

impl LoginTransport {
    fn of(context: &RouteContext, headers: &HeaderMap, peer: Peer) -> Self {
        let ip = peer.address.ip();
        let proxies = &context.entrance.trusted_proxies;
        if proxies.iter().any(|proxy| proxy.contains(ip)) {
            // A proxy may be one of several, and the last wrote the last of these.
            let told = headers.get_all("x-forwarded-proto").iter().next_back();
            let told = told.and_then(|told| told.to_str().ok()?.rsplit(',').next());
            if told.is_some_and(|told| told.trim().eq_ignore_ascii_case("https")) {
                return Self::Tls;
            }
        }
        // A proxy on this machine that is not configured speaks for others, and passes on the name that they called.
        let is_here = context.entrance.address_of(ip, headers).to_canonical();
        if is_here.is_loopback() && headers.get(header::HOST).is_some_and(is_loopback_name) {
            return Self::Loopback;
        }
        Self::Plain
    }

    fn scheme(self) -> &'static str {
        if self == Self::Tls { "https" } else { "http" }
    }

    fn cookie(self) -> &'static str {
        if self == Self::Tls {
            COOKIE
        } else {
            LOCAL_COOKIE
        }
    }

    /// The header that keeps a cookie, or without one has the browser forget it.
    fn set_cookie(self, secret: Option<&LoginSecret>) -> Option<HeaderValue> {
        let (name, value) = (self.cookie(), secret.map_or("", LoginSecret::reveal));
        let age = if secret.is_some() { COOKIE_SECONDS } else { 0 };
        let secure = if self == Self::Tls { "; Secure" } else { "" };
        let text =
            format!("{name}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
        let mut header = HeaderValue::from_str(&text).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

fn is_loopback_name(host: &HeaderValue) -> bool {
    let authority = host
        .to_str()
        .ok()
        .and_then(|host| host.parse::<http::uri::Authority>().ok());
    authority.is_some_and(|authority| {
        let name = authority.host().to_ascii_lowercase();
        let inner = name.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = |address: IpAddr| address.to_canonical().is_loopback();
        name == "localhost" || name.ends_with(".localhost") || inner.parse().is_ok_and(is_loopback)
    })
}

/// The address by which a browser calls this daemon, without a slash at its end.
pub(super) fn base(context: &RouteContext, headers: &HeaderMap, peer: Peer) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    match host {
        Some(host) if peer.unix_user.is_none() && !host.is_empty() => {
            let transport = LoginTransport::of(context, headers, peer);
            format!("{}://{host}", transport.scheme())
        }
        _ => context.page_url.to_string(),
    }
}

fn browser(context: &RouteContext, request: &SignInRequest) -> LoginBrowser {
    let agent = request.headers.get(header::USER_AGENT);
    LoginBrowser {
        address: context
            .entrance
            .address_of(request.peer.address.ip(), &request.headers),
        user_agent: agent.and_then(|agent| Some(agent.to_str().ok()?.to_owned())),
    }
}

/// The cookie of a request that our own page sends.
///
/// # Errors
/// When another page may have sent it.
fn cookie(transport: LoginTransport, headers: &HeaderMap) -> Result<Option<String>, ErrorBody> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let origin = (origins.next(), origins.next());
    let own = text(header::HOST).map(|host| format!("{}://{host}", transport.scheme()));
    let is_own = match (origin, own) {
        ((Some(origin), None), Some(own)) => origin
            .to_str()
            .is_ok_and(|origin| origin.eq_ignore_ascii_case(&own)),
        _ => false,
    };
    if !is_own {
        let message =
            "only the page of this very address may do that: its Origin is missing or another";
        return Err(ErrorBody::new(ErrorCode::Forbidden, message));
    }
    let cookies = headers.get_all(header::COOKIE).iter();
    let mut pairs = cookies
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let found = pairs.find(|(name, _)| *name == transport.cookie());
    Ok(found.map(|(_, value)| value.to_owned()))
}

fn require_tls(transport: LoginTransport) -> Result<(), ErrorBody> {
    if transport != LoginTransport::Plain {
        return Ok(());
    }
    let message = "passwords are taken over https only: put a TLS proxy before stockd and list it in trusted_proxies of [[server]], or sign in on the machine itself";
    Err(ErrorBody::new(ErrorCode::TlsRequired, message))
}

/// The answer with the token of that login, and its cookie.
fn welcome(
    context: &RouteContext,
    transport: LoginTransport,
    signed_in: Result<(Option<LoginSecret>, SignedIn), ErrorBody>,
) -> Response {
    let (secret, token) = match signed_in {
        Ok((secret, signed_in)) => {
            let token = context.tokens.issue(&signed_in, context.clock.now());
            let token = token.map(|(token, expires_at)| SessionToken {
                token,
                expires_at,
                user: signed_in.user.into(),
            });
            (secret, token)
        }
        Err(refusal) => (None, Err(refusal)),
    };
    let mut answer = answer(StatusCode::OK, token);
    let keep = secret.and_then(|secret| transport.set_cookie(Some(&secret)));
    // A cookie that is no longer good is forgotten.
    let forget = || {
        let is_void = answer.status() == StatusCode::UNAUTHORIZED;
        is_void.then(|| transport.set_cookie(None)).flatten()
    };
    if let Some(cookie) = keep.or_else(forget) {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}

/// Signs in with a name and a password.
pub(super) async fn sign_in(context: &RouteContext, request: SignInRequest) -> Response {
    let transport = LoginTransport::of(context, &request.headers, request.peer);
    let browser = browser(context, &request);
    let signed_in = async {
        require_tls(transport)?;
        let PasswordCredentials { name, password } =
            body::read(request.body, COMMAND_BYTES_MAX, "a name and a password").await?;
        let (secret, signed_in) = context.accounts.sign_in(&name, password, browser).await?;
        Ok((Some(secret), signed_in))
    };
    welcome(context, transport, signed_in.await)
}

/// Sets a password by a one-time link, and signs in.
pub(super) async fn follow_link(context: &RouteContext, request: SignInRequest) -> Response {
    let transport = LoginTransport::of(context, &request.headers, request.peer);
    let browser = browser(context, &request);
    let signed_in = async {
        require_tls(transport)?;
        let LinkedPassword { link, password } =
            body::read(request.body, COMMAND_BYTES_MAX, "a link and a password").await?;
        let followed = context.accounts.follow_link(&link, password, browser);
        let (secret, signed_in) = followed.await?;
        // Where they were signed in before, they are no longer.
        context.hub.recheck_tokens();
        users::alert(context, &signed_in.user, "set a password by a link").await;
        Ok((Some(secret), signed_in))
    };
    welcome(context, transport, signed_in.await)
}

/// Gives another token to whom the cookie is of.
pub(super) async fn refresh(context: &RouteContext, request: SignInRequest) -> Response {
    let transport = LoginTransport::of(context, &request.headers, request.peer);
    let signed_in = async {
        let cookie = cookie(transport, &request.headers)?.unwrap_or_default();
        Ok((None, context.accounts.refresh(&cookie).await?))
    };
    welcome(context, transport, signed_in.await)
}

/// Ends the session of the cookie; there may be none.
pub(super) async fn sign_out(context: &RouteContext, request: SignInRequest) -> Response {
    let transport = LoginTransport::of(context, &request.headers, request.peer);
    let ended = async {
        if let Some(cookie) = cookie(transport, &request.headers)? {
            context.accounts.sign_out(&cookie).await?;
            context.hub.recheck_tokens();
        }
        Ok(SignedOut { ok: true })
    };
    let mut answer = answer(StatusCode::OK, ended.await);
    if let Some(cookie) = transport
        .set_cookie(None)
        .filter(|_| answer.status().is_success())
    {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}

/// Tells how one may sign in here.
pub(super) async fn options(context: &RouteContext, request: SignInRequest) -> Response {
    let transport = LoginTransport::of(context, &request.headers, request.peer);
    let options = SignInOptions {
        password_login: true,
        providers: Vec::new(),
        tls: transport != LoginTransport::Plain,
    };
    answer(StatusCode::OK, Ok(options))
}

/// Whose sessions are meant: the caller's, or, to an admin of every shop, those of another user.
fn of_user(
    context: &RouteContext,
    call: &RouteCall<SessionsParameters>,
) -> Result<UserId, ErrorBody> {
    let Some(named) = &call.parameters.user else {
        return Ok(call.identity.user_id.clone());
    };
    let user: UserId = named
        .parse()
        .map_err(|problem| ErrorBody::field("user", format!("{problem}")))?;
    if user != call.identity.user_id && !users::runs_everything(context, &call.identity) {
        let message = "the sessions of others are for admins of every shop";
        return Err(ErrorBody::new(ErrorCode::Forbidden, message));
    }
    Ok(user)
}

pub(super) async fn sessions(
    context: &RouteContext,
    call: RouteCall<SessionsParameters>,
) -> Result<List<SessionShape>, ErrorBody> {
    let user = of_user(context, &call)?;
    let current = call.identity.token_id.as_deref();
    let shape = |login: UserLogin| SessionShape {
        current: Some(login.id.as_str()) == current,
        id: login.id,
        started_at: login.started_at,
        last_seen_at: login.seen_at,
        user_agent: login.user_agent,
    };
    let data = context.accounts.logins(&user);
    Ok(List {
        data: data.into_iter().map(shape).collect(),
    })
}

pub(super) async fn end_sessions(
    context: &RouteContext,
    call: RouteCall<SessionsParameters>,
) -> Result<EndedSessions, ErrorBody> {
    let user = of_user(context, &call)?;
    let ended = context.accounts.end_logins(&user, None).await?;
    context.hub.recheck_tokens();
    Ok(EndedSessions { ended })
}

pub(super) async fn end_session(
    context: &RouteContext,
    call: RouteCall<SessionParameters>,
) -> Result<EndedSessions, ErrorBody> {
    let (user, id) = (&call.identity.user_id, &call.parameters.id);
    let ended = context.accounts.end_logins(user, Some(id)).await?;
    if ended == 0 {
        let message = "you have no such session";
        return Err(ErrorBody::new(ErrorCode::NotFound, message));
    }
    context.hub.recheck_tokens();
    Ok(EndedSessions { ended })
}
