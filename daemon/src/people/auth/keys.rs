//! What tokens are signed with: one secret or two while it is being replaced, a public key, or a set of keys in a file
//! or at a URL, which is read again when it may have changed.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::awaited::Awaited;
use super::remote::Remote;
use crate::config::{self, ConfigError, Environment, KeySet};
use crate::supervisor::Heartbeat;

/// Shortest HS256 secret, in bytes: the hash's own length (RFC 7518, section 3.2).
const SECRET_BYTES_MIN: usize = 32;
/// Bytes of a set of keys; a longer one is not taken.
pub(super) const KEY_SET_BYTES_MAX: usize = 256 * 1024;
/// Keys in such a set; further ones are not looked at.
const KEYS_MAX: usize = 64;
/// How often a file with keys is looked at.
const FILE_PAUSE: Duration = Duration::from_secs(2);

/// The keys that are good now.
pub(super) struct Keys {
    pub(super) algorithm: Algorithm,
    good: RwLock<Vec<Named>>,
    origin: KeyOrigin,
    awaited: Awaited,
}

/// A key and its id, if it has one.
type Named = (Option<String>, DecodingKey);

/// Where keys come from.
enum KeyOrigin {
    Configuration,
    /// With the file's time when it was read.
    File(PathBuf, RwLock<Option<SystemTime>>),
    Url(Box<Remote>),
}

impl Keys {
    /// Fetches what the configuration refers to; `None` where it names no issuer.
    pub(super) fn fetch(
        auth: &config::Auth,
        environment: &Environment,
    ) -> Result<Option<Self>, ConfigError> {
        let Some(configured) = auth.issuer_algorithm() else {
            return Ok(None);
        };
        let algorithm = match configured {
            config::Algorithm::HS256 => Algorithm::HS256,
            config::Algorithm::RS256 => Algorithm::RS256,
            config::Algorithm::ES256 => Algorithm::ES256,
            config::Algorithm::EdDSA => Algorithm::EdDSA,
        };
        let refuse = |problem| ConfigError::Secret {
            setting: "auth.jwks".to_owned(),
            problem,
        };
        let (keys, origin) = match (&auth.jwks, configured) {
            (_, config::Algorithm::HS256) => {
                let mut keys = vec![(None, secret_key(&hs256_secret(auth, environment)?))];
                if let Some(before) = &auth.secret_before {
                    let setting = "auth.secret_before";
                    keys.push((
                        None,
                        secret_key(&strong(setting, before.resolve(setting, environment)?)?),
                    ));
                }
                (keys, KeyOrigin::Configuration)
            }
            (Some(KeySet::File(path)), _) => {
                let (keys, read_at) = key_file(path, algorithm).map_err(refuse)?;
                (keys, KeyOrigin::File(path.clone(), RwLock::new(read_at)))
            }
            (Some(KeySet::Url(url)), _) => {
                let remote = Remote::new(url.clone()).map_err(|error| refuse(error.to_string()))?;
                (Vec::new(), KeyOrigin::Url(Box::new(remote)))
            }
            (None, asymmetric) => (
                vec![(None, public_key(auth, asymmetric)?)],
                KeyOrigin::Configuration,
            ),
        };
        Ok(Some(Self {
            algorithm,
            good: RwLock::new(keys),
            origin,
            awaited: Awaited::default(),
        }))
    }

    /// The keys that a token with that key id may be signed with.
    pub(super) fn candidates(&self, id: Option<&str>) -> Vec<DecodingKey> {
        let good = self.good.read().unwrap_or_else(PoisonError::into_inner);
        let fits =
            |known: &Option<String>| known.is_none() || id.is_none() || known.as_deref() == id;
        good.iter()
            .filter(|(known, _)| fits(known))
            .map(|(_, key)| key.clone())
            .collect()
    }

    /// Whether there is a key of that id.
    pub(super) fn has(&self, id: &str) -> bool {
        let good = self.good.read().unwrap_or_else(PoisonError::into_inner);
        good.iter().any(|(known, _)| known.as_deref() == Some(id))
    }

    /// Whether a key that nobody knows may come soon. Nobody waits for it here.
    pub(super) fn may_come(&self, id: &str) -> bool {
        !matches!(self.origin, KeyOrigin::Configuration) && self.awaited.may_come(id)
    }

    /// Keeps them as they are where they come from. What cannot be had or read leaves them as they were.
    pub(super) async fn follow(&self, heartbeat: &Heartbeat) -> Infallible {
        match &self.origin {
            KeyOrigin::Configuration => std::future::pending().await,
            KeyOrigin::File(..) => loop {
                tokio::time::sleep(FILE_PAUSE).await;
                heartbeat.work(self.refresh()).await;
            },
            KeyOrigin::Url(remote) => {
                remote
                    .follow(heartbeat, &self.awaited, |text| {
                        let keys = text.and_then(|text| key_set(&text, self.algorithm));
                        let keys = keys.map_err(|problem| format!("the set of keys {problem}"));
                        self.replace(keys)
                    })
                    .await
            }
        }
    }

    /// Reads the file again if it changed.
    pub(super) async fn refresh(&self) {
        let KeyOrigin::File(path, read_at) = &self.origin else {
            return;
        };
        let (path, algorithm, began) = (path.clone(), self.algorithm, Instant::now());
        let before = *read_at.read().unwrap_or_else(PoisonError::into_inner);
        // On the side, because disks may be slow.
        let looked = tokio::task::spawn_blocking(move || {
            let changed_at = std::fs::metadata(&path)
                .and_then(|file| file.modified())
                .ok();
            let changed = changed_at.is_some() && changed_at != before;
            (changed_at, changed.then(|| key_file(&path, algorithm)))
        });
        let is_current = match looked.await {
            Ok((changed_at, Some(keys))) => {
                // Also when they are of no use: that is said once for each change.
                *read_at.write().unwrap_or_else(PoisonError::into_inner) = changed_at;
                self.replace(keys.map(|(keys, _)| keys))
            }
            Ok((changed_at, None)) => changed_at.is_some(),
            Err(_) => false,
        };
        if is_current {
            self.awaited.looked(began);
        }
    }

    /// Whether those are the good ones from now on.
    fn replace(&self, keys: Result<Vec<Named>, String>) -> bool {
        match keys {
            Ok(keys) => {
                tracing::info!(keys = keys.len(), "the keys of tokens were read again");
                *self.good.write().unwrap_or_else(PoisonError::into_inner) = keys;
                true
            }
            Err(problem) => {
                tracing::error!(%problem, "the keys of tokens stay as they were");
                false
            }
        }
    }
}

/// The configured secret, strong enough.
pub(super) fn hs256_secret(
    auth: &config::Auth,
    environment: &Environment,
) -> Result<String, ConfigError> {
    let missing = || ConfigError::Secret {
        setting: "auth.secret".to_owned(),
        problem: "is missing".to_owned(),
    };
    let reference = auth.secret.as_ref().ok_or_else(missing)?;
    strong(
        "auth.secret",
        reference.resolve("auth.secret", environment)?,
    )
}

fn strong(setting: &str, secret: String) -> Result<String, ConfigError> {
    if secret.len() < SECRET_BYTES_MIN {
        let problem = format!(
            "has {} bytes and needs at least {SECRET_BYTES_MIN}: make one with `openssl rand -base64 32`",
            secret.len()
        );
        return Err(ConfigError::Secret {
            setting: setting.to_owned(),
            problem,
        });
    }
    Ok(secret)
}

fn secret_key(secret: &str) -> DecodingKey {
    DecodingKey::from_secret(secret.as_bytes())
}

fn public_key(
    auth: &config::Auth,
    algorithm: config::Algorithm,
) -> Result<DecodingKey, ConfigError> {
    let refuse = |problem: String| ConfigError::Secret {
        setting: "auth.public_key".to_owned(),
        problem,
    };
    let path = auth
        .public_key
        .as_ref()
        .ok_or_else(|| refuse("is missing".to_owned()))?;
    let pem = std::fs::read(path)
        .map_err(|error| refuse(format!("cannot be read from {}: {error}", path.display())))?;
    let key = match algorithm {
        config::Algorithm::RS256 => DecodingKey::from_rsa_pem(&pem),
        config::Algorithm::ES256 => DecodingKey::from_ec_pem(&pem),
        config::Algorithm::EdDSA | config::Algorithm::HS256 => DecodingKey::from_ed_pem(&pem),
    };
    key.map_err(|error| refuse(format!("{} holds no such key: {error}", path.display())))
}

/// The keys in a file, and its time.
fn key_file(path: &Path, algorithm: Algorithm) -> Result<(Vec<Named>, Option<SystemTime>), String> {
    let unreadable =
        |error: std::io::Error| format!("cannot be read from {}: {error}", path.display());
    let file = std::fs::metadata(path).map_err(unreadable)?;
    if file.len() > KEY_SET_BYTES_MAX as u64 {
        return Err(format!(
            "{} has more than {KEY_SET_BYTES_MAX} bytes",
            path.display()
        ));
    }
    let text = std::fs::read(path).map_err(unreadable)?;
    let keys =
        key_set(&text, algorithm).map_err(|problem| format!("{} {problem}", path.display()))?;
    Ok((keys, file.modified().ok()))
}

/// What RFC 7517, section 5, calls a JWK Set; a key of an unknown kind is nobody's fault and is left out.
#[derive(Deserialize)]
struct PublishedKeys {
    keys: Vec<Value>,
}

/// The keys of a JSON Web Key Set that are there to verify signatures by the one algorithm there is.
fn key_set(text: &[u8], algorithm: Algorithm) -> Result<Vec<Named>, String> {
    let set: PublishedKeys = serde_json::from_slice(text).map_err(|error| {
        format!(
            "is no JWKS, line {}, column {}",
            error.line(),
            error.column()
        )
    })?;
    let fits = |jwk: &Jwk| {
        let common = &jwk.common;
        let of_the_kind = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => algorithm == Algorithm::RS256,
            AlgorithmParameters::EllipticCurve(key) => {
                algorithm == Algorithm::ES256 && key.curve == EllipticCurve::P256
            }
            AlgorithmParameters::OctetKeyPair(key) => {
                algorithm == Algorithm::EdDSA && key.curve == EllipticCurve::Ed25519
            }
            // A secret in a file that is meant to be public is a mistake or an attack.
            _ => false,
        };
        let named = common
            .key_algorithm
            .map(|named| named.to_string().parse::<Algorithm>().ok());
        of_the_kind
            && named.is_none_or(|named| named == Some(algorithm))
            && common
                .public_key_use
                .as_ref()
                .is_none_or(|wanted| *wanted == PublicKeyUse::Signature)
            && common
                .key_operations
                .as_ref()
                .is_none_or(|wanted| wanted.contains(&KeyOperations::Verify))
    };
    let keys = set
        .keys
        .into_iter()
        .filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    let keys: Vec<_> = keys
        .filter(fits)
        .filter_map(|jwk| Some((jwk.common.key_id.clone(), DecodingKey::from_jwk(&jwk).ok()?)))
        .take(KEYS_MAX)
        .collect();
    if keys.is_empty() {
        return Err(format!(
            "holds no key that verifies signatures by {algorithm:?}"
        ));
    }
    Ok(keys)
}
