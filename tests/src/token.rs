//! Tokens: good ones by the daemon's own hand, bad ones by ours.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use daemon::clock::SystemClock;
use daemon::config::{Config, Environment};
use daemon::people::auth::{NewToken, issue};
use hmac::{Hmac, KeyInit as _, Mac as _};
use schemas::{Clock as _, Role};
use serde_json::Value;
use sha2::Sha256;

/// What a token is to say.
#[derive(Debug, Clone)]
pub struct Token {
    role: Role,
    customer: Option<String>,
    locations: Option<Vec<String>>,
    shops: Option<Vec<String>>,
    seconds: i64,
    user: Option<String>,
    id: String,
    /// In seconds since 1970; `None` is whenever it is used.
    issued_at: Option<i64>,
}

impl Token {
    /// For that role, good for an hour.
    pub fn of(role: Role) -> Self {
        Self {
            role,
            customer: None,
            locations: None,
            shops: None,
            seconds: 3_600,
            user: None,
            id: "a-test".to_owned(),
            issued_at: None,
        }
    }

    /// A token of that customer.
    pub fn customer(id: &str) -> Self {
        Self {
            customer: Some(id.to_owned()),
            ..Self::of(Role::Customer)
        }
    }

    /// For staff limited to a location.
    pub fn staff_at(location: &str) -> Self {
        Self {
            locations: Some(vec![location.to_owned()]),
            ..Self::of(Role::Staff)
        }
    }

    /// For those shops, where there are several.
    #[must_use]
    pub fn enters(self, shops: &[&str]) -> Self {
        Self {
            shops: Some(shops.iter().map(|&shop| shop.to_owned()).collect()),
            ..self
        }
    }

    /// The same token for that user.
    #[must_use]
    pub fn user(self, user: &str) -> Self {
        Self {
            user: Some(user.to_owned()),
            ..self
        }
    }

    /// The same token with that `jti`.
    #[must_use]
    pub fn id(self, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            ..self
        }
    }

    /// Good for so many seconds; a negative number has run out already.
    #[must_use]
    pub fn good_for(self, seconds: i64) -> Self {
        Self { seconds, ..self }
    }

    /// Issued now, however late it is used.
    #[must_use]
    pub fn issued(self) -> Self {
        let issued_at = Some(SystemClock.now().as_second());
        Self { issued_at, ..self }
    }

    pub(crate) fn signed(&self, config: &Config) -> String {
        let new = NewToken {
            sub: self
                .user
                .clone()
                .unwrap_or_else(|| format!("test-{}", self.role.as_str())),
            role: self.role,
            customer_id: self.customer.as_ref().map(|id| id.parse().unwrap()),
            locations: self
                .locations
                .as_ref()
                .map(|ids| ids.iter().map(|id| id.parse().unwrap()).collect()),
            shops: self.shops.clone(),
            iat: self
                .issued_at
                .unwrap_or_else(|| SystemClock.now().as_second()),
            jti: self.id.clone(),
            exp: SystemClock.now().as_second() + self.seconds,
            iss: None,
            aud: None,
        };
        issue(&config.auth, &Environment::default(), new).unwrap()
    }
}

/// A token with any header and claims, signed with any secret; unsigned without one.
pub fn forged(header: &Value, claims: &Value, secret: Option<&str>) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = secret.map_or_else(String::new, |secret| {
        let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())
            .unwrap()
            .chain_update(&signed);
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    });
    format!("{signed}.{signature}")
}
