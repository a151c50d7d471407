//! A token or a webhook secret: usable, never shown.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// Longest secret taken, in bytes. Shopify's are below 100.
const SECRET_BYTES_MAX: usize = 512;

/// A token or a webhook secret. No `Display`, and `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

/// The text cannot be a secret. It is not repeated here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a secret has 1 to {SECRET_BYTES_MAX} visible ASCII characters")]
pub struct SecretError;

impl Secret {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = SecretError;
    fn from_str(text: &str) -> Result<Self, SecretError> {
        let visible = text.bytes().all(|b| b.is_ascii_graphic());
        // An empty key would make a signature that anybody can compute.
        if text.is_empty() || text.len() > SECRET_BYTES_MAX || !visible {
            return Err(SecretError);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret: Secret = "shpat_abc".parse().unwrap();
        assert_eq!(format!("{secret:?}"), "Secret");
        assert_eq!(secret.reveal(), "shpat_abc");
    }

    #[test]
    fn what_cannot_be_sent_as_a_header_or_is_empty_is_refused_without_repeating_it() {
        for bad in ["", "with blank", "line\nbreak", "ümlaut", &"x".repeat(513)] {
            let error = bad.parse::<Secret>().unwrap_err().to_string();
            assert!(bad.is_empty() || !error.contains(bad), "{error}");
        }
    }
}
