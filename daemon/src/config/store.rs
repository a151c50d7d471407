//! `[store]`: where to remember, and for how long.

use std::path::PathBuf;

use serde::Deserialize;

/// The database and its keeping times.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// `sqlite:<path>`.
    pub url: SqliteUrl,
    /// Days for which the log can be replayed.
    pub log_days: u16,
    /// Days for which a repeated delivery is recognised; at least 7.
    pub deliveries_days: u16,
}

/// `sqlite:<path>`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct SqliteUrl(pub PathBuf);

impl TryFrom<String> for SqliteUrl {
    type Error = String;
    fn try_from(url: String) -> Result<Self, String> {
        match url.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(Self(path.into())),
            _ => Err(format!(
                "{url:?} is no store: write \"sqlite:/var/lib/stockd/stockd.db\""
            )),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        Self {
            url: SqliteUrl("/var/lib/stockd/stockd.db".into()),
            log_days: 7,
            deliveries_days: 7,
        }
    }
}
