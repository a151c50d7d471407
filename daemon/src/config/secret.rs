//! Secrets: never in an error, a log line or a debug print.

use std::path::Path;

use serde::Deserialize;

use super::{ConfigError, Environment};

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
            _ => Err("a secret is a text: \"credential:<name>\", \"file:<path>\", or the secret itself"),
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
        let refuse = |problem: String| ConfigError::Secret { setting: setting.to_owned(), problem };
        let read = |path: &Path| {
            std::fs::read_to_string(path)
                .map(|text| text.trim_end().to_owned())
                .map_err(|error| refuse(format!("cannot read {}: {error}", path.display())))
        };
        let text = if let Some(name) = self.0.strip_prefix("credential:") {
            let folder = environment.var("CREDENTIALS_DIRECTORY").ok_or_else(|| {
                refuse(format!("no credential {name}: start under systemd with LoadCredential={name}:<path>"))
            })?;
            read(&Path::new(folder).join(name))?
        } else if let Some(path) = self.0.strip_prefix("file:") {
            read(Path::new(path))?
        } else {
            self.0.clone()
        };
        if text.is_empty() {
            return Err(refuse("the secret is empty".to_owned()));
        }
        Ok(text)
    }
}
