//! `[[shop]]`: a shop to mirror.

use inventory::Thresholds;
use schemas::ShopDomain;
use serde::Deserialize;

use super::SecretRef;

/// One shop.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shop {
    /// Its permanent name, `<name>.myshopify.com`.
    pub domain: ShopDomain,
    /// What tokens and other systems call it, where they do not use the domain.
    pub id: Option<String>,
    /// The Admin API's token.
    pub access_token: SecretRef,
    /// What its webhooks are signed with; two while the secret is rotated.
    pub webhook_secrets: Vec<SecretRef>,
    /// Another address of the Admin API, for a pretend store.
    pub api_url: Option<String>,
    /// At or below which its levels are low.
    #[serde(default)]
    pub thresholds: Thresholds,
}

impl Shop {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.webhook_secrets.is_empty() || self.webhook_secrets.len() > 2 {
            return Err(format!(
                "shop {}: webhook_secrets holds one secret, two while it is rotated",
                self.domain
            ));
        }
        Ok(())
    }
}
