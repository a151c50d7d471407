//! Secrets: never in an error, a log line or a debug print.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

use super::{ConfigError, Environment};

/// Bytes of a file with a secret; a longer one is none.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Where a secret is: `credential:<name>` (systemd's `LoadCredential=`), `file:<path>`, or the secret itself.
#[derive(Clone, Deserialize)]
#[serde(try_from = "toml::Value")]
pub struct SecretRef(String);

impl TryFrom<toml::Value> for SecretRef {
    type Error = &'static str;

    /// Never repeats what stands there: it may be the secret.
    fn try_from(value: toml::Value) -> Result<Self, Self::Error> {
        match value {
            toml::Value::String(text) => Ok(Self(text)),
            // A variable's text may look like a number; then it is read as one that is written just so.
            toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => {
                Ok(Self(value.to_string()))
            }
            _ => Err(
                "is a secret, and a secret is a text: \"credential:<name>\", \"file:<path>\", or the secret itself",
            ),
        }
    }
}

impl std::fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretRef(…)")
    }
}

impl SecretRef {
    /// Fetches the secret that `setting` refers to.
    ///
    /// # Errors
    /// When the file or credential cannot be read or is empty.
    pub fn resolve(&self, setting: &str, environment: &Environment) -> Result<String, ConfigError> {
        let refuse = |problem: String| ConfigError::Secret {
            setting: setting.to_owned(),
            problem,
        };
        let read = |path: &Path| {
            read_file(path)
                .map(|text| text.trim_end().to_owned())
                .map_err(|error| refuse(format!("cannot be read from {}: {error}", path.display())))
        };
        let text = if let Some(name) = self.0.strip_prefix("credential:") {
            let folder = environment.var("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                refuse(format!(
                    "has no credential {name}: start under systemd with LoadCredential={name}:<path>"
                ))
            })?;
            read(&Path::new(folder).join(name))?
        } else if let Some(path) = self.0.strip_prefix("file:") {
            read(Path::new(path))?
        } else {
            self.0.clone()
        };
        if text.is_empty() {
            return Err(refuse(
                "is empty where it is read from: put the secret there".to_owned(),
            ));
        }
        Ok(text)
    }
}

/// A file's text, if it is no longer than a secret may be.
fn read_file(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    let length = File::open(path)?
        .take(SECRET_BYTES_MAX + 1)
        .read_to_string(&mut text)?;
    if length as u64 > SECRET_BYTES_MAX {
        return Err(std::io::Error::other(format!(
            "has more than {SECRET_BYTES_MAX} bytes"
        )));
    }
    Ok(text)
}
