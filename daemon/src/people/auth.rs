//! Tokens: signatures by `jsonwebtoken`; what a token may say is read here, because the library takes tokens that RFC 8725
//! would not, and refuses some that RFC 7519 allows.
//!
//! One algorithm per installation; every configured claim must be there; headers that bring their own key or
//! ask for extensions are refused; time comes from the caller. A claim that limits its bearer is never read as if it were
//! not there: where it is null or of another kind, the token is refused.

mod awaited;
mod keys;
mod own;
mod remote;
mod revocations;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use jsonwebtoken::{EncodingKey, Header};
use schemas::{
    AnyId, CustomerId, ErrorBody, ErrorCode, Identity, LocationId, Role, ShopDomain, ShopScope,
    Timestamp, UserId,
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use store::Revocation;
use tokio_util::sync::CancellationToken;

use self::keys::{Keys, hs256_secret};
pub(crate) use self::own::OWN_ISSUER;
use self::own::OwnIssuer;
use self::revocations::Revocations;
use crate::config::{self, Algorithm, Config, ConfigError, Environment};
use crate::people::accounts::{Accounts, ID_PREFIX, SignedIn};
use crate::supervisor::Heartbeat;

/// Longest token looked at, in bytes; a longer one is refused unread.
const TOKEN_BYTES_MAX: usize = 4096;
/// How long a revocation is kept where tokens may be good for any time.
const FOR_EVER: SignedDuration = SignedDuration::from_hours(100 * 366 * 24);
/// Bytes of a token's own id; a longer one is refused.
pub(crate) const TOKEN_ID_BYTES_MAX: usize = 256;
/// Revocations that count at a time; further ones are refused.
pub(crate) const REVOCATIONS_MAX: usize = 100_000;

/// What ids of those begin with who come by the control socket.
pub(crate) const CONTROL_PREFIX: &str = "unix:";

/// Why a token is not taken. Clients are told only that it is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Signature, form, algorithm or a header that is not allowed.
    #[error("the token is not one of ours: {0}")]
    Invalid(String),
    /// Too early or too late.
    #[error("the token is not valid at this time")]
    Time,
    /// It is signed by a key that may come with the keys that are fetched next.
    #[error("the keys of tokens are being fetched")]
    NotYet,
    /// It was taken back.
    #[error("the token was revoked")]
    Revoked,
    /// A claim is missing, of the wrong kind or not ours.
    #[error("the token's claim {0}")]
    Claim(String),
}

/// Verifies tokens.
pub struct Tokens {
    /// Those of the configured issuer, if there is one.
    keys: Option<Keys>,
    /// Ourselves as an issuer, once the store is open.
    own: OnceLock<OwnIssuer>,
    revocations: Revocations,
    issuer: Option<String>,
    audience: Option<String>,
    leeway: SignedDuration,
    /// The latest `iat` of a token that was taken, in microseconds since 1970; ahead of our clock by the leeway at the most.
    latest_issued_at: AtomicI64,
    longest: Option<SignedDuration>,
    shops: Vec<KnownShop>,
}

/// Whose key signed a token: ours, or that of the configured issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenIssuer {
    Configured,
    Own,
}

struct KnownShop {
    domain: ShopDomain,
    id: Option<String>,
    company: Option<AnyId>,
}

/// The claims that count, as they stand there; whatever else a token says is not looked at. A claim that is null is `Some`,
/// because null is not the same as nothing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenClaims {
    #[serde(default, deserialize_with = "present")]
    exp: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    iat: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    jti: Option<Value>,
    /// The login, in a token of a local user.
    #[serde(default, deserialize_with = "present")]
    sid: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    nbf: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    iss: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    aud: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    sub: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    user_id: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    id: Option<Value>,
    #[serde(default, deserialize_with = "present", rename = "user_id")]
    user_id_snake: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    role: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    customer_id: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    company_id: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    locations: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    shop_ids: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    shops: Option<Value>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// An id, which may be text or number.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        _ => None,
    }
}

/// A list of ids that limits the bearer; `None` when the claim is not there.
fn texts(claim: Option<&Value>, name: &str) -> Result<Option<Vec<String>>, TokenError> {
    let Some(value) = claim else { return Ok(None) };
    let ids: Option<Vec<String>> = value
        .as_array()
        .and_then(|ids| ids.iter().map(text).collect());
    ids.map(Some)
        .ok_or_else(|| TokenError::Claim(format!("{name} is no list of ids")))
}

/// The time that a claim names (RFC 7519, section 2: a number of seconds, which may have a fraction or an exponent).
fn time(claim: Option<&Value>, name: &str) -> Result<Option<Timestamp>, TokenError> {
    let Some(value) = claim else { return Ok(None) };
    let micros = value.as_f64().map(|seconds| (seconds * 1e6).floor());
    // Exact: below 2^53 microseconds lie the years up to 2255, and beyond them a microsecond is nothing.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "beyond the bounds, it saturates and is refused"
    )]
    let time = micros.and_then(|micros| Timestamp::from_microsecond(micros as i64).ok());
    time.map(Some)
        .ok_or_else(|| TokenError::Claim(format!("{name} is no time")))
}

impl Tokens {
    /// Fetches the key and remembers which shops there are.
    ///
    /// # Errors
    /// When the key cannot be had or is too weak.
    pub fn new(config: &Config, environment: &Environment) -> Result<Self, ConfigError> {
        let auth = &config.auth;
        let known = |shop: &config::Shop| KnownShop {
            domain: shop.domain.clone(),
            id: shop.id.clone(),
            company: shop.company.clone(),
        };
        Ok(Self {
            keys: Keys::fetch(auth, environment)?,
            own: OnceLock::new(),
            revocations: Revocations::default(),
            issuer: auth.issuer.clone(),
            audience: auth.audience.clone(),
            leeway: SignedDuration::from_secs(auth.leeway_seconds.into()),
            latest_issued_at: AtomicI64::new(i64::MIN),
            longest: auth
                .longest_days
                .map(|days| SignedDuration::from_hours(i64::from(days) * 24)),
            shops: config.shop.iter().map(known).collect(),
        })
    }

    /// Who the bearer of this token is, now.
    ///
    /// # Errors
    /// With the reason, for the log; clients learn only that the token is not taken.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid(format!(
                "longer than {TOKEN_BYTES_MAX} bytes"
            )));
        }
        let (claims, issuer) = self.signed(token)?;
        let expires_at = self.in_time(&claims, now)?;
        if issuer == TokenIssuer::Configured {
            self.meant_for_us(&claims)?;
        }
        let identity = self.identity(&claims, issuer, expires_at)?;
        if self.is_void(&identity) {
            return Err(TokenError::Revoked);
        }
        if let Some(issued_at) = identity.issued_at {
            self.latest_issued_at
                .fetch_max(issued_at.as_microsecond(), Ordering::Relaxed);
        }
        Ok(identity)
    }

    /// Has tokens of our own taken from now on.
    pub(crate) fn open_own(&self, secret: &[u8; 32], accounts: Arc<Accounts>) {
        // Once for each daemon, at its start.
        let _ = self.own.set(OwnIssuer::new(secret, accounts));
    }

    /// A token for somebody who is signed in, and when it runs out.
    pub(crate) fn issue(
        &self,
        signed_in: &SignedIn,
        now: Timestamp,
    ) -> Result<(String, Timestamp), ErrorBody> {
        self.own()?.issue(signed_in, now)
    }

    /// A token for anybody, whom the control socket vouches for.
    pub(crate) fn issue_for(&self, token: NewToken) -> Result<String, ErrorBody> {
        self.own()?.issue_for(token)
    }

    fn own(&self) -> Result<&OwnIssuer, ErrorBody> {
        let closed = || ErrorBody::new(ErrorCode::Unavailable, "stockd is starting; try again");
        self.own.get().ok_or_else(closed)
    }

    /// Whether the bearer's tokens were taken back. Those of a local user end with the login that they are of.
    fn is_void(&self, identity: &Identity) -> bool {
        let is_over = || {
            let login = identity.token_id.as_deref().unwrap_or_default();
            let own = self.own.get();
            !own.is_some_and(|own| own.accounts.is_signed_in(&identity.user_id, login))
        };
        self.revocations.concern(identity)
            || identity.user_id.as_str().starts_with(ID_PREFIX) && is_over()
    }

    /// What a token says, and whose it is. Which issuer it says that it is of decides by which keys alone it is judged.
    fn signed(&self, token: &str) -> Result<(TokenClaims, TokenIssuer), TokenError> {
        let invalid = |reason: &str| TokenError::Invalid(reason.to_owned());
        let (message, signature) = token.rsplit_once('.').ok_or_else(|| invalid("not a JWT"))?;
        let (header, claims) = message
            .split_once('.')
            .ok_or_else(|| invalid("not a JWT"))?;
        let claims = URL_SAFE_NO_PAD
            .decode(claims)
            .map_err(|_| invalid("its claims are not base64url"))?;
        let claims =
            serde_json::from_slice(&claims).map_err(|error| TokenError::Invalid(error.to_string()));
        let claims: TokenClaims = claims?;
        let is_signed = |key: &jsonwebtoken::DecodingKey, algorithm| {
            jsonwebtoken::crypto::verify(signature, message.as_bytes(), key, algorithm)
                .unwrap_or_default()
        };
        if claims.iss.as_ref().and_then(Value::as_str) == Some(OWN_ISSUER) {
            let algorithm = jsonwebtoken::Algorithm::HS256;
            plain_header(header, algorithm)?;
            let own = self.own.get();
            if own.is_some_and(|own| is_signed(&own.verifying, algorithm)) {
                return Ok((claims, TokenIssuer::Own));
            }
            return Err(invalid("it says that it is ours, and is not"));
        }
        let Some(keys) = &self.keys else {
            return Err(invalid("no issuer is configured"));
        };
        let key_id = plain_header(header, keys.algorithm)?;
        let is_key = |key: &jsonwebtoken::DecodingKey| is_signed(key, keys.algorithm);
        if keys.candidates(key_id.as_deref()).iter().any(is_key) {
            return Ok((claims, TokenIssuer::Configured));
        }
        match key_id {
            Some(id) if keys.has(&id) => Err(invalid("its signature is not its key's")),
            // Without an id of the key, the token stands for it.
            id if keys.may_come(id.as_deref().unwrap_or(signature)) => Err(TokenError::NotYet),
            _ => Err(invalid("it is signed by no key of ours")),
        }
    }

    /// When the last token that is taken now will have run out.
    pub(crate) fn latest_end(&self, now: Timestamp) -> Timestamp {
        let longest = self.longest.unwrap_or(FOR_EVER);
        // Once for an issuer whose clock is ahead, and once because a token is taken so much longer.
        let end = longest
            .saturating_add(self.leeway)
            .saturating_add(self.leeway);
        now.saturating_add(end).unwrap_or(Timestamp::MAX)
    }

    /// Until when a token is taken that says it runs out then.
    pub(crate) fn end_of(&self, expires_at: Timestamp) -> Timestamp {
        expires_at
            .saturating_add(self.leeway)
            .unwrap_or(Timestamp::MAX)
    }

    /// Up to when the tokens were issued that were taken until now: an issuer's clock may be ahead of ours.
    pub(crate) fn issued_until(&self, now: Timestamp) -> Timestamp {
        let latest = Timestamp::from_microsecond(self.latest_issued_at.load(Ordering::Relaxed));
        latest.map_or(now, |latest| latest.max(now))
    }

    /// Takes these tokens no longer; the store knows it already.
    pub(crate) fn revoke(&self, revocation: Revocation, now: Timestamp) {
        self.revocations.add(revocation, now);
    }

    /// Whether another revocation has a place.
    pub(crate) fn may_revoke(&self) -> bool {
        self.revocations.len() < REVOCATIONS_MAX
    }

    /// Keeps keys that are in a file or at a URL as they are there, until told to stop.
    pub(crate) async fn follow_keys(
        self: Arc<Self>,
        heartbeat: Heartbeat,
        stop: CancellationToken,
    ) {
        let Some(keys) = &self.keys else {
            return stop.cancelled().await;
        };
        let _ = stop.run_until_cancelled(keys.follow(&heartbeat)).await;
    }

    /// When the token runs out, if it is good now. One that is taken only because clocks may differ is good for as long as
    /// they may.
    fn in_time(&self, claims: &TokenClaims, now: Timestamp) -> Result<Timestamp, TokenError> {
        let missing = || TokenError::Claim("exp is missing".to_owned());
        let exp = time(claims.exp.as_ref(), "exp")?.ok_or_else(missing)?;
        let taken_until = self.end_of(exp);
        if self.longest.is_some() && taken_until > self.latest_end(now) {
            return Err(TokenError::Claim(
                "exp is further ahead than is allowed".to_owned(),
            ));
        }
        // A token from the future would outlive the revocation of its user.
        let begins = [
            time(claims.nbf.as_ref(), "nbf")?,
            time(claims.iat.as_ref(), "iat")?,
        ];
        let soon = now.saturating_add(self.leeway).unwrap_or(Timestamp::MAX);
        if now >= taken_until || begins.into_iter().flatten().any(|begins| begins > soon) {
            return Err(TokenError::Time);
        }
        Ok(if now < exp { exp } else { taken_until })
    }

    fn meant_for_us(&self, claims: &TokenClaims) -> Result<(), TokenError> {
        let issuer = claims.iss.as_ref().and_then(Value::as_str);
        if self.issuer.is_some() && issuer != self.issuer.as_deref() {
            return Err(TokenError::Claim(
                "iss is not the configured issuer".to_owned(),
            ));
        }
        if let Some(audience) = &self.audience {
            let named = match &claims.aud {
                Some(Value::String(one)) => one == audience,
                Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(audience)),
                _ => false,
            };
            if !named {
                return Err(TokenError::Claim(
                    "aud does not name the configured audience".to_owned(),
                ));
            }
        }
        Ok(())
    }

    fn identity(
        &self,
        claims: &TokenClaims,
        issuer: TokenIssuer,
        expires_at: Timestamp,
    ) -> Result<Identity, TokenError> {
        let claim = |problem: &str| TokenError::Claim(problem.to_owned());
        let users = [
            &claims.sub,
            &claims.user_id,
            &claims.id,
            &claims.user_id_snake,
        ];
        let user = users.into_iter().flatten().find(|user| !user.is_null());
        let user_id: UserId = text(user.ok_or_else(|| claim("sub is missing"))?)
            .and_then(|user| user.parse().ok())
            .ok_or_else(|| claim("sub is no user id"))?;
        let is_local = user_id.as_str().starts_with(ID_PREFIX);
        if issuer == TokenIssuer::Configured
            && (is_local || user_id.as_str().starts_with(CONTROL_PREFIX))
        {
            return Err(claim("sub begins as ids of our own users do"));
        }
        let role = match &claims.role {
            None | Some(Value::Null) => Role::Guest,
            Some(role) => Role::deserialize(role).map_err(|_| claim("role is none of ours"))?,
        };
        let customer_id = claims.customer_id.as_ref().map(|id| {
            text(id)
                .and_then(|id| id.parse::<CustomerId>().ok())
                .ok_or_else(|| claim("customerId is no customer's id"))
        });
        // A location that is none of Shopify's limits all the same: to nothing.
        let locations = texts(claims.locations.as_ref(), "locations")?.map(|ids| {
            ids.iter()
                .filter_map(|id| id.parse::<LocationId>().ok())
                .collect()
        });
        let issued_at = time(claims.iat.as_ref(), "iat")?;
        // The tokens of a login have its id in common.
        let id = if is_local { &claims.sid } else { &claims.jti };
        let token_id = match id {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(Value::Number(id)) => Some(id.to_string()),
            // It could not be revoked.
            Some(_) => return Err(claim("jti is no id")),
        };
        if token_id
            .as_ref()
            .is_some_and(|id| id.len() > TOKEN_ID_BYTES_MAX)
        {
            return Err(claim("jti is too long"));
        }
        let token_id = token_id.as_deref().map(Into::into);
        let shops = match self.scope(claims, role)? {
            // A local user who is not limited is of every shop.
            _ if is_local && claims.shops.is_none() => self.every_shop(role),
            shops => shops,
        };
        let companies = self.companies(claims, &shops)?;
        Ok(Identity {
            user_id,
            role,
            customer_id: customer_id.transpose()?,
            locations,
            shops,
            companies,
            expires_at,
            issued_at,
            token_id,
        })
    }

    fn every_shop(&self, role: Role) -> ShopScope {
        if role == Role::SuperAdmin {
            return ShopScope::All;
        }
        let shops = self.shops.iter();
        ShopScope::Only(shops.map(|shop| shop.domain.clone()).collect())
    }

    /// The company that a token names, or else those of the shops it is good for.
    fn companies(&self, claims: &TokenClaims, shops: &ShopScope) -> Result<Vec<AnyId>, TokenError> {
        if let Some(named) = &claims.company_id {
            let named = text(named).and_then(|named| named.parse().ok());
            return named
                .map(|named| vec![named])
                .ok_or_else(|| TokenError::Claim("companyId is no id".to_owned()));
        }
        let mine = |shop: &&KnownShop| match shops {
            ShopScope::All => true,
            ShopScope::Only(mine) => mine.contains(&shop.domain),
        };
        let companies: BTreeSet<AnyId> = self
            .shops
            .iter()
            .filter(mine)
            .filter_map(|shop| shop.company.clone())
            .collect();
        Ok(companies.into_iter().collect())
    }

    /// The shops that a token is good for. Where both claims are there, both limit.
    fn scope(&self, claims: &TokenClaims, role: Role) -> Result<ShopScope, TokenError> {
        let limits = [
            texts(claims.shop_ids.as_ref(), "shopIds")?,
            texts(claims.shops.as_ref(), "shops")?,
        ];
        if limits.iter().all(Option::is_none) {
            return Ok(match (&self.shops[..], role) {
                (_, Role::SuperAdmin) => ShopScope::All,
                ([only], _) => ShopScope::Only(vec![only.domain.clone()]),
                _ => ShopScope::Only(Vec::new()),
            });
        }
        let names = |named: &Vec<String>, shop: &KnownShop| {
            named
                .iter()
                .any(|name| name == shop.domain.as_str() || Some(name) == shop.id.as_ref())
        };
        let mine = |shop: &&KnownShop| limits.iter().flatten().all(|named| names(named, shop));
        Ok(ShopScope::Only(
            self.shops
                .iter()
                .filter(mine)
                .map(|shop| shop.domain.clone())
                .collect(),
        ))
    }
}

/// The id of the key that a header names. A header that brings a key or asks for an extension is refused; what else it
/// says is not looked at (RFC 7515, section 4).
fn plain_header(
    header: &str,
    algorithm: jsonwebtoken::Algorithm,
) -> Result<Option<String>, TokenError> {
    let invalid = |reason: &str| TokenError::Invalid(reason.to_owned());
    let header = URL_SAFE_NO_PAD
        .decode(header)
        .map_err(|_| invalid("its header is not base64url"))?;
    let header: Map<String, Value> =
        serde_json::from_slice(&header).map_err(|_| invalid("its header is not a JSON object"))?;
    let refused = ["crit", "jwk", "jku", "x5u", "x5c"]
        .into_iter()
        .find(|name| header.contains_key(*name));
    if let Some(name) = refused {
        return Err(TokenError::Invalid(format!("its header says {name}")));
    }
    if header.get("alg").and_then(Value::as_str) != Some(&*format!("{algorithm:?}")) {
        return Err(invalid("its algorithm is not the configured one"));
    }
    match header.get("kid") {
        None => Ok(None),
        Some(Value::String(id)) => Ok(Some(id.clone())),
        Some(_) => Err(invalid("its kid is no text")),
    }
}

impl ws::TokenVerifier for Tokens {
    fn identify(&self, token: &str, now: Timestamp) -> Result<Identity, ws::AuthError> {
        self.verify(token, now).map_err(|error| {
            tracing::info!(reason = %error, "token refused");
            if error == TokenError::NotYet {
                ws::AuthError::NotYet
            } else {
                ws::AuthError::Invalid
            }
        })
    }

    fn is_revoked(&self, identity: &Identity) -> bool {
        self.is_void(identity)
    }
}

/// What `stockd token` writes into a token.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewToken {
    /// The user.
    pub sub: String,
    /// What they are to the shop.
    pub role: Role,
    /// The customer they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// The locations they are limited to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locations: Option<Vec<LocationId>>,
    /// The shops they are limited to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shops: Option<Vec<String>>,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// Its own id, by which it can be revoked.
    pub jti: String,
    /// When it runs out, in seconds since 1970.
    pub exp: i64,
    /// Who signs, as configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// For whom, as configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
}

/// Signs a token with the configured secret.
///
/// # Errors
/// When tokens are signed elsewhere, or the secret cannot be had.
pub fn issue(
    auth: &config::Auth,
    environment: &Environment,
    mut token: NewToken,
) -> Result<String, ConfigError> {
    if let Some(algorithm) = auth
        .issuer_algorithm()
        .filter(|one| *one != Algorithm::HS256)
    {
        return Err(ConfigError::Secret {
            setting: "auth.algorithm".to_owned(),
            problem: format!(
                "is {algorithm:?}: such tokens are signed by whoever holds the private key"
            ),
        });
    }
    token.iss.clone_from(&auth.issuer);
    token.aud.clone_from(&auth.audience);
    let key = EncodingKey::from_secret(hs256_secret(auth, environment)?.as_bytes());
    jsonwebtoken::encode(&Header::new(jsonwebtoken::Algorithm::HS256), &token, &key).map_err(
        |error| ConfigError::Secret {
            setting: "auth.secret".to_owned(),
            problem: error.to_string(),
        },
    )
}

#[cfg(test)]
mod tests;
