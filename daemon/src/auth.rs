//! Tokens: one strict wrapper around `jsonwebtoken`, which by itself takes tokens that RFC 8725 would not.
//!
//! One algorithm per installation; every configured claim must be there; headers that bring their own key or
//! ask for extensions are refused; time comes from the caller.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use schemas::{CustomerId, Identity, LocationId, Role, ShopDomain, ShopScope, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use crate::config::{self, Algorithm, Config, ConfigError, Environment};

/// Longest token looked at, in bytes; a longer one is refused unread.
const TOKEN_BYTES_MAX: usize = 4096;
/// Shortest HS256 secret, in bytes: the hash's own length (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;

/// Why a token is not taken. Clients are told only that it is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Signature, form, algorithm or a header that is not allowed.
    #[error("the token is not one of ours: {0}")]
    Invalid(String),
    /// Too early or too late.
    #[error("the token is not valid at this time")]
    Time,
    /// A claim is missing, of the wrong kind or not ours.
    #[error("the token's claim {0}")]
    Claim(String),
}

/// Verifies tokens.
pub struct Tokens {
    key: DecodingKey,
    algorithm: jsonwebtoken::Algorithm,
    issuer: Option<String>,
    audience: Option<String>,
    leeway_seconds: u64,
    shops: Vec<KnownShop>,
}

struct KnownShop {
    domain: ShopDomain,
    id: Option<String>,
}

/// The claims that count. Ids may be text or number; whatever else a token says is not looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Claims {
    exp: Option<u64>,
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
        let (key, algorithm) = match auth.algorithm {
            Algorithm::HS256 => {
                let secret = hs256_secret(auth, environment)?;
                (DecodingKey::from_secret(secret.as_bytes()), jsonwebtoken::Algorithm::HS256)
            }
            asymmetric => public_key(auth, asymmetric)?,
        };
        let known = |shop: &config::Shop| KnownShop { domain: shop.domain.clone(), id: shop.id.clone() };
        Ok(Self {
            key,
            algorithm,
            issuer: auth.issuer.clone(),
            audience: auth.audience.clone(),
            leeway_seconds: auth.leeway_seconds,
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
        plain_header(token)?;
        let mut validation = Validation::new(self.algorithm);
        // What the library would take too lightly, or by its own clock, is checked below.
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_aud = false;
        let claims: Claims = jsonwebtoken::decode(token, &self.key, &validation)
            .map_err(|error| TokenError::Invalid(error.to_string()))?
            .claims;
        let expires_at = self.in_time(&claims, now)?;
        self.meant_for_us(&claims)?;
        self.identity(&claims, expires_at)
    }

    fn in_time(&self, claims: &Claims, now: Timestamp) -> Result<Timestamp, TokenError> {
        let moment = |seconds: u64| {
            i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok())
        };
        let exp = claims.exp.ok_or_else(|| TokenError::Claim("exp is missing".to_owned()))?;
        let exp = exp.saturating_add(self.leeway_seconds);
        let expires_at = moment(exp).ok_or_else(|| TokenError::Claim("exp is no time".to_owned()))?;
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
        Ok(Identity { user_id, role, customer_id, locations, shops: self.scope(claims, role), expires_at })
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
            ws::AuthError::Invalid
        })
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

fn hs256_secret(auth: &config::Auth, environment: &Environment) -> Result<String, ConfigError> {
    let refuse = |problem: String| ConfigError::Secret { setting: "auth.secret".to_owned(), problem };
    let reference = auth.secret.as_ref().ok_or_else(|| refuse("is missing".to_owned()))?;
    let secret = reference.resolve("auth.secret", environment)?;
    if secret.len() < SECRET_BYTES_MIN {
        let problem = format!(
            "has {} bytes and needs at least {SECRET_BYTES_MIN}: make one with `openssl rand -base64 32`",
            secret.len()
        );
        return Err(refuse(problem));
    }
    Ok(secret)
}

fn public_key(
    auth: &config::Auth,
    algorithm: Algorithm,
) -> Result<(DecodingKey, jsonwebtoken::Algorithm), ConfigError> {
    let refuse = |problem: String| ConfigError::Secret { setting: "auth.public_key".to_owned(), problem };
    let path = auth.public_key.as_ref().ok_or_else(|| refuse("is missing".to_owned()))?;
    let pem =
        std::fs::read(path).map_err(|error| refuse(format!("cannot read {}: {error}", path.display())))?;
    let (key, algorithm) = match algorithm {
        Algorithm::RS256 => (DecodingKey::from_rsa_pem(&pem), jsonwebtoken::Algorithm::RS256),
        Algorithm::ES256 => (DecodingKey::from_ec_pem(&pem), jsonwebtoken::Algorithm::ES256),
        Algorithm::EdDSA | Algorithm::HS256 => {
            (DecodingKey::from_ed_pem(&pem), jsonwebtoken::Algorithm::EdDSA)
        }
    };
    let key = key.map_err(|error| refuse(format!("{} holds no such key: {error}", path.display())))?;
    Ok((key, algorithm))
}

/// A header may name algorithm, type and key id; one that brings a key or an extension is refused unread.
fn plain_header(token: &str) -> Result<(), TokenError> {
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
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
