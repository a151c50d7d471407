//! `[auth]`: whose tokens to trust.

use std::path::PathBuf;

use reqwest::Url;
use serde::Deserialize;

use super::{ConfigFault, SecretRef};
use crate::people::auth::OWN_ISSUER;

/// Seconds by which an issuer's clock may differ when nothing is said.
const LEEWAY_SECONDS: u16 = 30;

/// How tokens are signed and what they must say.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// The only algorithm accepted of the issuer; HS256 when nothing is said.
    pub algorithm: Option<Algorithm>,
    /// For HS256: at least 32 bytes.
    pub secret: Option<SecretRef>,
    /// For HS256, while a secret is being replaced: the one before, whose tokens are still taken.
    pub secret_before: Option<SecretRef>,
    /// For the others: a PEM file.
    pub public_key: Option<PathBuf>,
    /// For the others: a JSON Web Key Set (RFC 7517), a file or an `https://` or `http://` address.
    pub jwks: Option<KeySet>,
    /// `iss` must be this.
    pub issuer: Option<String>,
    /// `aud` must be, or contain, this.
    pub audience: Option<String>,
    /// Days that a token may still be good for; one that is longer is refused. A revocation is kept as long, and for
    /// ever where this is not set.
    pub longest_days: Option<u16>,
    /// Seconds by which the issuer's clock may differ; at most 60, and 30 when nothing is said.
    #[serde(default = "leeway_seconds")]
    pub leeway_seconds: u16,
}

fn leeway_seconds() -> u16 {
    LEEWAY_SECONDS
}

/// Without the section, no issuer is configured: people sign in with a password, programs by the control socket.
impl Default for Auth {
    fn default() -> Self {
        Self {
            algorithm: None,
            secret: None,
            secret_before: None,
            public_key: None,
            jwks: None,
            issuer: None,
            audience: None,
            longest_days: None,
            leeway_seconds: LEEWAY_SECONDS,
        }
    }
}

/// Where a set of keys is.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub enum KeySet {
    /// A file, read again when it changes.
    File(PathBuf),
    /// Fetched at the start, every hour, and when a token names a key that is not in it.
    Url(Url),
}

impl TryFrom<String> for KeySet {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if !text.starts_with("https://") && !text.starts_with("http://") {
            return Ok(Self::File(text.into()));
        }
        text.parse()
            .map(Self::Url)
            .map_err(|error| format!("is no address: {error}"))
    }
}

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[allow(missing_docs, reason = "the names are those of RFC 7518 and RFC 8037")]
pub enum Algorithm {
    HS256,
    RS256,
    ES256,
    EdDSA,
}

impl Auth {
    /// How the tokens of the configured issuer are signed; `None` where none is configured, and stockd alone gives out
    /// tokens.
    pub fn issuer_algorithm(&self) -> Option<Algorithm> {
        let says_how = self.secret.is_some()
            || self.secret_before.is_some()
            || self.public_key.is_some()
            || self.jwks.is_some();
        self.algorithm.or(says_how.then_some(Algorithm::HS256))
    }

    pub(super) fn check(&self) -> Result<(), ConfigFault> {
        if self.issuer.as_deref() == Some(OWN_ISSUER) {
            let why = "is stockd's own name, under which it gives out tokens to its users: give the other issuer another";
            return Err(ConfigFault::new("auth.issuer", why));
        }
        let Some(algorithm) = self.issuer_algorithm() else {
            if self.issuer.is_some() || self.audience.is_some() {
                let why = "is missing, so no token could say what auth.issuer and auth.audience ask for: add auth.secret, auth.public_key or auth.jwks";
                return Err(ConfigFault::new("auth.secret", why));
            }
            return Ok(());
        };
        let secrets = self.secret.is_some() || self.secret_before.is_some();
        let files = usize::from(self.public_key.is_some()) + usize::from(self.jwks.is_some());
        match algorithm {
            Algorithm::HS256 if self.secret.is_some() && files == 0 => Ok(()),
            Algorithm::HS256 => Err(ConfigFault::new(
                "auth.algorithm",
                "HS256 needs auth.secret, and neither auth.public_key nor auth.jwks",
            )),
            _ if files == 1 && !secrets => Ok(()),
            algorithm => Err(ConfigFault::new(
                "auth.algorithm",
                format!(
                    "{algorithm:?} needs either auth.public_key, a PEM file, or auth.jwks, and no auth.secret"
                ),
            )),
        }
    }
}
