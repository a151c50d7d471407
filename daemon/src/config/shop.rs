//! `[[shop]]`: a shop to mirror.

use inventory::Thresholds;
use jiff::SignedDuration;
use schemas::{AnyId, LocationId, ShopDomain};
use serde::Deserialize;
use store::Policy;

use super::SecretRef;

/// One shop.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shop {
    /// Its permanent name, `<name>.myshopify.com`.
    pub domain: ShopDomain,
    /// What tokens and other systems call it, where they do not use the domain.
    pub id: Option<String>,
    /// The company it belongs to, as tokens call it in `companyId`.
    pub company: Option<AnyId>,
    /// The Admin API's token, of an app that was made in the shop's admin pages.
    pub access_token: Option<SecretRef>,
    /// Instead of a token: the client id of an app of the Dev Dashboard.
    pub client_id: Option<String>,
    /// With the client id.
    pub client_secret: Option<SecretRef>,
    /// What its webhooks are signed with, two while the secret is rotated; the client secret when nothing is said. Shops of
    /// one app share its secret: a record that is new in one of them is then read before it is kept.
    #[serde(default)]
    pub webhook_secrets: Vec<SecretRef>,
    /// Where Shopify reaches this daemon's `/webhooks/shopify`, `https://…`: with it, stockd sees to its subscriptions.
    pub webhook_address: Option<String>,
    /// Another address of the Admin API, for a pretend store.
    pub api_url: Option<String>,
    /// At or below which its levels are low.
    #[serde(default)]
    pub thresholds: Thresholds,
    /// Whether variants that Shopify goes on selling at zero may be taken below it.
    #[serde(default)]
    pub allow_backorder: bool,
    /// Where a command applies that names no location, when its item is stocked at several.
    pub default_location: Option<LocationId>,
    /// Whether a command is answered only once Shopify has carried it out.
    #[serde(default)]
    pub strict: bool,
    /// Whether customers' names are asked for, kept, and told in contracts that have a word for them.
    #[serde(default)]
    pub customer_names: bool,
    /// Seconds for which commands may wait for Shopify before new ones are refused; 60 to 82,800, because Shopify
    /// knows a repeated one again for a day.
    #[serde(default = "unsent_max_seconds")]
    pub unsent_max_seconds: u32,
}

fn unsent_max_seconds() -> u32 {
    4 * 60 * 60
}

impl Shop {
    pub(super) fn check(&self) -> Result<(), String> {
        match (&self.access_token, &self.client_id, &self.client_secret) {
            (Some(_), None, None) | (None, Some(_), Some(_)) => {}
            _ => {
                return Err(format!(
                    "shop {}: needs an access_token, or a client_id with its client_secret",
                    self.domain
                ));
            }
        }
        if !(1..=2).contains(&self.webhook_secrets().len()) {
            return Err(format!(
                "shop {}: webhook_secrets holds one secret, two while it is rotated",
                self.domain
            ));
        }
        let safe = |address: &String| address.starts_with("https://") || self.api_url.is_some();
        if !self.webhook_address.iter().all(safe) {
            return Err(format!("shop {}: webhook_address begins with https://", self.domain));
        }
        if !(60..=82_800).contains(&self.unsent_max_seconds) {
            return Err(format!("shop {}: unsent_max_seconds is 60 to 82800", self.domain));
        }
        Ok(())
    }

    /// What its webhooks are signed with.
    pub fn webhook_secrets(&self) -> Vec<&SecretRef> {
        if self.webhook_secrets.is_empty() {
            return self.client_secret.iter().collect();
        }
        self.webhook_secrets.iter().collect()
    }

    /// What commands may do in it.
    pub fn policy(&self) -> Policy {
        Policy {
            allow_backorder: self.allow_backorder,
            default_location: self.default_location,
            unsent_max: SignedDuration::from_secs(self.unsent_max_seconds.into()),
        }
    }
}
