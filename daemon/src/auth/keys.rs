//! What tokens are signed with: one secret or two while it is being replaced, a public key, or a set of keys in a file
//! that is read again when it changes.

use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::SystemTime;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::config::{self, ConfigError, Environment};

/// Shortest HS256 secret, in bytes: the hash's own length (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;
/// Bytes of a file with keys; a longer one is not taken.
const KEY_SET_BYTES_MAX: u64 = 256 * 1024;
/// Keys in such a file; further ones are not looked at.
const KEYS_MAX: usize = 64;

/// The keys that are good now.
pub(super) struct Keys {
    pub(super) algorithm: Algorithm,
    good: RwLock<Vec<(Option<String>, DecodingKey)>>,
    /// The file they come from, and its time when it was read.
    file: Option<(PathBuf, RwLock<Option<SystemTime>>)>,
}

impl Keys {
    /// Fetches what the configuration refers to.
    pub(super) fn fetch(auth: &config::Auth, environment: &Environment) -> Result<Self, ConfigError> {
        let algorithm = match auth.algorithm {
            config::Algorithm::HS256 => Algorithm::HS256,
            config::Algorithm::RS256 => Algorithm::RS256,
            config::Algorithm::ES256 => Algorithm::ES256,
            config::Algorithm::EdDSA => Algorithm::EdDSA,
        };
        let (keys, file) = match (&auth.jwks, auth.algorithm) {
            (_, config::Algorithm::HS256) => {
                let mut keys = vec![(None, secret_key(&hs256_secret(auth, environment)?))];
                if let Some(before) = &auth.secret_before {
                    let setting = "auth.secret_before";
                    keys.push((None, secret_key(&strong(setting, before.resolve(setting, environment)?)?)));
                }
                (keys, None)
            }
            (Some(path), _) => {
                let refuse = |problem| ConfigError::Secret { setting: "auth.jwks".to_owned(), problem };
                let (keys, read_at) = key_set(path, algorithm).map_err(refuse)?;
                (keys, Some((path.clone(), RwLock::new(read_at))))
            }
            (None, asymmetric) => (vec![(None, public_key(auth, asymmetric)?)], None),
        };
        Ok(Self { algorithm, good: RwLock::new(keys), file })
    }

    /// The keys that a token with that key id may be signed with.
    pub(super) fn candidates(&self, id: Option<&str>) -> Vec<DecodingKey> {
        let good = self.good.read().unwrap_or_else(PoisonError::into_inner);
        let fits = |known: &Option<String>| known.is_none() || id.is_none() || known.as_deref() == id;
        good.iter().filter(|(known, _)| fits(known)).map(|(_, key)| key.clone()).collect()
    }

    /// Whether they are in a file, which may change.
    pub(super) fn may_change(&self) -> bool {
        self.file.is_some()
    }

    /// Reads the file again if it changed. A file that cannot be read leaves the keys as they are.
    pub(super) fn refresh(&self) {
        let Some((path, read_at)) = &self.file else { return };
        let changed_at = std::fs::metadata(path).and_then(|file| file.modified()).ok();
        let mut read_at = read_at.write().unwrap_or_else(PoisonError::into_inner);
        if changed_at.is_none() || *read_at == changed_at {
            return;
        }
        match key_set(path, self.algorithm) {
            Ok((keys, at)) => {
                tracing::info!(keys = keys.len(), file = %path.display(), "the keys of tokens were read again");
                *self.good.write().unwrap_or_else(PoisonError::into_inner) = keys;
                *read_at = at;
            }
            Err(problem) => {
                // Said once for each change.
                *read_at = changed_at;
                tracing::error!(%problem, "the keys of tokens stay as they were");
            }
        }
    }
}

/// The configured secret, strong enough.
pub(super) fn hs256_secret(auth: &config::Auth, environment: &Environment) -> Result<String, ConfigError> {
    let missing =
        || ConfigError::Secret { setting: "auth.secret".to_owned(), problem: "is missing".to_owned() };
    let reference = auth.secret.as_ref().ok_or_else(missing)?;
    strong("auth.secret", reference.resolve("auth.secret", environment)?)
}

fn strong(setting: &str, secret: String) -> Result<String, ConfigError> {
    if secret.len() < SECRET_BYTES_MIN {
        let problem = format!(
            "has {} bytes and needs at least {SECRET_BYTES_MIN}: make one with `openssl rand -base64 32`",
            secret.len()
        );
        return Err(ConfigError::Secret { setting: setting.to_owned(), problem });
    }
    Ok(secret)
}

fn secret_key(secret: &str) -> DecodingKey {
    DecodingKey::from_secret(secret.as_bytes())
}

fn public_key(auth: &config::Auth, algorithm: config::Algorithm) -> Result<DecodingKey, ConfigError> {
    let refuse = |problem: String| ConfigError::Secret { setting: "auth.public_key".to_owned(), problem };
    let path = auth.public_key.as_ref().ok_or_else(|| refuse("is missing".to_owned()))?;
    let pem =
        std::fs::read(path).map_err(|error| refuse(format!("cannot read {}: {error}", path.display())))?;
    let key = match algorithm {
        config::Algorithm::RS256 => DecodingKey::from_rsa_pem(&pem),
        config::Algorithm::ES256 => DecodingKey::from_ec_pem(&pem),
        config::Algorithm::EdDSA | config::Algorithm::HS256 => DecodingKey::from_ed_pem(&pem),
    };
    key.map_err(|error| refuse(format!("{} holds no such key: {error}", path.display())))
}

type KeySet = (Vec<(Option<String>, DecodingKey)>, Option<SystemTime>);

/// The keys of a JWKS file that fit the one algorithm there is.
fn key_set(path: &Path, algorithm: Algorithm) -> Result<KeySet, String> {
    let unreadable = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let file = std::fs::metadata(path).map_err(unreadable)?;
    if file.len() > KEY_SET_BYTES_MAX {
        return Err(format!("{} has more than {KEY_SET_BYTES_MAX} bytes", path.display()));
    }
    let text = std::fs::read(path).map_err(unreadable)?;
    let set: JwkSet =
        serde_json::from_slice(&text).map_err(|error| format!("{} is no JWKS: {error}", path.display()))?;
    let fits = |jwk: &&jsonwebtoken::jwk::Jwk| {
        let named = jwk.common.key_algorithm.map(|named| named.to_string().parse::<Algorithm>().ok());
        let of_the_kind = match &jwk.algorithm {
            jsonwebtoken::jwk::AlgorithmParameters::RSA(_) => algorithm == Algorithm::RS256,
            jsonwebtoken::jwk::AlgorithmParameters::EllipticCurve(_) => algorithm == Algorithm::ES256,
            jsonwebtoken::jwk::AlgorithmParameters::OctetKeyPair(_) => algorithm == Algorithm::EdDSA,
            // A secret in a file that is meant to be public is a mistake or an attack.
            _ => false,
        };
        of_the_kind && named.is_none_or(|named| named == Some(algorithm))
    };
    let keys = set.keys.iter().filter(fits).take(KEYS_MAX);
    let keys: Vec<_> =
        keys.filter_map(|jwk| Some((jwk.common.key_id.clone(), DecodingKey::from_jwk(jwk).ok()?))).collect();
    if keys.is_empty() {
        return Err(format!("{} holds no key for {algorithm:?}", path.display()));
    }
    Ok((keys, file.modified().ok()))
}
