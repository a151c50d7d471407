//! Tokens: one strict wrapper around `jsonwebtoken`, which by itself takes tokens that RFC 8725 would not.
//!
//! One algorithm per installation; every configured claim must be there; headers that bring their own key or
//! ask for extensions are refused; time comes from the caller.

mod keys;
mod remote;
mod revocations;

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use jsonwebtoken::{EncodingKey, Header, Validation};
use schemas::{AnyId, CustomerId, Identity, LocationId, Role, ShopDomain, ShopScope, Timestamp, UserId};
use serde::{Deserialize, Serialize};
use store::Revocation;
use tokio_util::sync::CancellationToken;

use self::keys::{Keys, hs256_secret};
use self::revocations::Revocations;
use crate::config::{self, Algorithm, Config, ConfigError, Environment};

/// Longest token looked at, in bytes; a longer one is refused unread.
const TOKEN_BYTES_MAX: usize = 4096;
/// How long a revocation is kept where tokens may be good for any time.
const FOR_EVER: SignedDuration = SignedDuration::from_hours(100 * 366 * 24);
/// Bytes of a token's own id; a longer one is refused.
pub(crate) const TOKEN_ID_BYTES_MAX: usize = 256;
/// Revocations that count at a time; further ones are refused.
pub(crate) const REVOCATIONS_MAX: usize = 100_000;

/// Why a token is not taken. Clients are told only that it is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Signature, form, algorithm or a header that is not allowed.
    #[error("the token is not one of ours: {0}")]
    Invalid(String),
    /// Too early or too late.
    #[error("the token is not valid at this time")]
    Time,
    /// It names a key that may come with the keys being fetched now.
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
    keys: Keys,
    revocations: Revocations,
    issuer: Option<String>,
    audience: Option<String>,
    leeway_seconds: u64,
    longest: Option<SignedDuration>,
    shops: Vec<KnownShop>,
}

struct KnownShop {
    domain: ShopDomain,
    id: Option<String>,
    company: Option<AnyId>,
}

/// The claims that count. Ids may be text or number; whatever else a token says is not looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    exp: Option<u64>,
    iat: Option<u64>,
    jti: Option<String>,
    nbf: Option<u64>,
    iss: Option<String>,
    aud: Option<OneOrMany>,
    sub: Option<TextOrNumber>,
    user_id: Option<TextOrNumber>,
    id: Option<TextOrNumber>,
    #[serde(rename = "user_id")]
    user_id_snake: Option<TextOrNumber>,
    role: Option<String>,
    customer_id: Option<TextOrNumber>,
    company_id: Option<TextOrNumber>,
    locations: Option<Vec<TextOrNumber>>,
    shop_ids: Option<Vec<TextOrNumber>>,
    shops: Option<Vec<TextOrNumber>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum TextOrNumber {
    Text(String),
    Number(u64),
}

impl TextOrNumber {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
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
            revocations: Revocations::default(),
            issuer: auth.issuer.clone(),
            audience: auth.audience.clone(),
            leeway_seconds: auth.leeway_seconds,
            longest: auth.longest_days.map(|days| SignedDuration::from_hours(i64::from(days) * 24)),
            shops: config.shop.iter().map(known).collect(),
        })
    }

    /// Who the bearer of this token is, now.
    ///
    /// # Errors
    /// With the reason, for the log; clients learn only that the token is not taken.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid(format!("longer than {TOKEN_BYTES_MAX} bytes")));
        }
        let key_id = plain_header(token)?;
        let mut validation = Validation::new(self.keys.algorithm);
        // What the library would take too lightly, or by its own clock, is checked below.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let candidates = self.keys.candidates(key_id.as_deref());
        if candidates.is_empty() && self.keys.may_bring_more() {
            return Err(TokenError::NotYet);
        }
        let mut decoded = Err(TokenError::Invalid("no key has its id".to_owned()));
        for key in candidates {
            decoded = jsonwebtoken::decode::<Claims>(token, &key, &validation)
                .map_err(|error| TokenError::Invalid(error.to_string()));
            if decoded.is_ok() {
                break;
            }
        }
        let claims = decoded?.claims;
        let expires_at = self.in_time(&claims, now)?;
        self.meant_for_us(&claims)?;
        let identity = self.identity(&claims, expires_at)?;
        if self.revocations.concern(&identity) { Err(TokenError::Revoked) } else { Ok(identity) }
    }

    /// When the last token that is taken now will have run out.
    pub(crate) fn latest_end(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.longest.unwrap_or(FOR_EVER)).unwrap_or(now)
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
    pub(crate) async fn follow_keys(self: Arc<Self>, stop: CancellationToken) {
        let _ = stop.run_until_cancelled(self.keys.follow()).await;
    }

    fn in_time(&self, claims: &Claims, now: Timestamp) -> Result<Timestamp, TokenError> {
        let exp = claims.exp.ok_or_else(|| TokenError::Claim("exp is missing".to_owned()))?;
        let exp = exp.saturating_add(self.leeway_seconds);
        let expires_at = moment(exp).ok_or_else(|| TokenError::Claim("exp is no time".to_owned()))?;
        if self.longest.is_some() && expires_at > self.latest_end(now) {
            return Err(TokenError::Claim("exp is further ahead than is allowed".to_owned()));
        }
        let begins =
            claims.nbf.map(|nbf| moment(nbf.saturating_sub(self.leeway_seconds)).ok_or(TokenError::Time));
        if now >= expires_at || begins.transpose()?.is_some_and(|begins| now < begins) {
            return Err(TokenError::Time);
        }
        Ok(expires_at)
    }

    fn meant_for_us(&self, claims: &Claims) -> Result<(), TokenError> {
        if self.issuer.is_some() && claims.iss != self.issuer {
            return Err(TokenError::Claim("iss is not the configured issuer".to_owned()));
        }
        if let Some(audience) = &self.audience {
            let named = match &claims.aud {
                Some(OneOrMany::One(one)) => one == audience,
                Some(OneOrMany::Many(many)) => many.contains(audience),
                None => false,
            };
            if !named {
                return Err(TokenError::Claim("aud does not name the configured audience".to_owned()));
            }
        }
        Ok(())
    }

    fn identity(&self, claims: &Claims, expires_at: Timestamp) -> Result<Identity, TokenError> {
        let claim = |problem: &str| TokenError::Claim(problem.to_owned());
        let user =
            [&claims.sub, &claims.user_id, &claims.id, &claims.user_id_snake].into_iter().flatten().next();
        let user_id: UserId = user
            .ok_or_else(|| claim("sub is missing"))?
            .text()
            .parse()
            .map_err(|_| claim("sub is no user id"))?;
        let role = match claims.role.as_deref() {
            None => Role::Guest,
            Some(name) => {
                Role::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(name))
                    .map_err(|_| claim("role is none of ours"))?
            }
        };
        let customer_id = match &claims.customer_id {
            None => None,
            Some(id) => {
                Some(id.text().parse::<CustomerId>().map_err(|_| claim("customerId is no customer's id"))?)
            }
        };
        // A location that is none of Shopify's limits all the same: to nothing.
        let locations = claims
            .locations
            .as_ref()
            .map(|ids| ids.iter().filter_map(|id| id.text().parse::<LocationId>().ok()).collect());
        let issued_at = claims.iat.and_then(moment);
        if claims.jti.as_ref().is_some_and(|id| id.len() > TOKEN_ID_BYTES_MAX) {
            return Err(claim("jti is too long"));
        }
        let token_id = claims.jti.as_deref().map(Into::into);
        let shops = self.scope(claims, role);
        let companies = self.companies(claims, &shops)?;
        Ok(Identity {
            user_id,
            role,
            customer_id,
            locations,
            shops,
            companies,
            expires_at,
            issued_at,
            token_id,
        })
    }

    /// The company that a token names, or else those of the shops it is good for.
    fn companies(&self, claims: &Claims, shops: &ShopScope) -> Result<Vec<AnyId>, TokenError> {
        if let Some(named) = &claims.company_id {
            let named = named.text().parse();
            return named
                .map(|named| vec![named])
                .map_err(|_| TokenError::Claim("companyId is no id".to_owned()));
        }
        let mine = |shop: &&KnownShop| match shops {
            ShopScope::All => true,
            ShopScope::Only(mine) => mine.contains(&shop.domain),
        };
        let companies: BTreeSet<AnyId> =
            self.shops.iter().filter(mine).filter_map(|shop| shop.company.clone()).collect();
        Ok(companies.into_iter().collect())
    }

    fn scope(&self, claims: &Claims, role: Role) -> ShopScope {
        let Some(named) = claims.shop_ids.as_ref().or(claims.shops.as_ref()) else {
            return match (&self.shops[..], role) {
                (_, Role::SuperAdmin) => ShopScope::All,
                ([only], _) => ShopScope::Only(vec![only.domain.clone()]),
                _ => ShopScope::Only(Vec::new()),
            };
        };
        let named: BTreeSet<String> = named.iter().map(TextOrNumber::text).collect();
        let mine = |shop: &&KnownShop| {
            named.contains(shop.domain.as_str()) || shop.id.as_ref().is_some_and(|id| named.contains(id))
        };
        ShopScope::Only(self.shops.iter().filter(mine).map(|shop| shop.domain.clone()).collect())
    }
}

impl ws::Authenticate for Tokens {
    fn identify(&self, token: &str, now: Timestamp) -> Result<Identity, ws::AuthError> {
        self.verify(token, now).map_err(|error| {
            tracing::info!(reason = %error, "token refused");
            if error == TokenError::NotYet { ws::AuthError::NotYet } else { ws::AuthError::Invalid }
        })
    }

    fn is_revoked(&self, identity: &Identity) -> bool {
        self.revocations.concern(identity)
    }
}

fn moment(seconds: u64) -> Option<Timestamp> {
    i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok())
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
    if auth.algorithm != Algorithm::HS256 {
        return Err(ConfigError::Secret {
            setting: "auth.algorithm".to_owned(),
            problem: format!("{:?} tokens are signed by whoever holds the private key", auth.algorithm),
        });
    }
    token.iss.clone_from(&auth.issuer);
    token.aud.clone_from(&auth.audience);
    let key = EncodingKey::from_secret(hs256_secret(auth, environment)?.as_bytes());
    jsonwebtoken::encode(&Header::new(jsonwebtoken::Algorithm::HS256), &token, &key).map_err(|error| {
        ConfigError::Secret { setting: "auth.secret".to_owned(), problem: error.to_string() }
    })
}

/// The id of the key. A header may name that, algorithm and type; one that brings a key or an extension is refused
/// unread.
fn plain_header(token: &str) -> Result<Option<String>, TokenError> {
    let invalid = |reason: &str| TokenError::Invalid(reason.to_owned());
    let (header, _) = token.split_once('.').ok_or_else(|| invalid("not a JWT"))?;
    let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| invalid("its header is not base64url"))?;
    let header: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&header).map_err(|_| invalid("its header is not a JSON object"))?;
    match header.keys().find(|key| !matches!(key.as_str(), "alg" | "typ" | "kid")) {
        Some(key) => Err(TokenError::Invalid(format!(
            "its header says {:?}",
            key.chars().take(20).collect::<String>()
        ))),
        None => Ok(header.get("kid").and_then(|id| id.as_str()).map(str::to_owned)),
    }
}

#[cfg(test)]
mod tests;
