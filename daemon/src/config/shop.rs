//! `[[shop]]`: a shop to mirror.

use std::net::IpAddr;

use domain::Thresholds;
use jiff::SignedDuration;
use reqwest::Url;
use schemas::{AnyId, LocationId, ShopDomain};
use serde::Deserialize;
use store::Policy;

use super::{ConfigFault, SecretRef};

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
    /// Without it, and without subscriptions made by hand, changes come only with the runs of `[sync]`.
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

/// The domain in the example configuration.
const PLACEHOLDER: &str = "example.myshopify.com";
/// Where the daemon takes webhooks; a proxy may put it below a path of its own.
const WEBHOOK_PATH: &str = "/webhooks/shopify";

/// An address of the web: `http(s)://<host>[/<path>]`, with no user, query or fragment.
fn web_address(text: &str) -> Option<Url> {
    let is_plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    // The parser would put right what nobody who compares texts takes for the same.
    let is_clean = !text
        .contains(|letter: char| letter.is_whitespace() || letter.is_control() || letter == '\\');
    text.parse()
        .ok()
        .filter(|url| is_clean && text.contains("://") && is_plain(url))
}

fn unsent_max_seconds() -> u32 {
    4 * 60 * 60
}

impl Shop {
    pub(super) fn check(&self, at: &str) -> Result<(), ConfigFault> {
        let refuse =
            |setting: &str, why: &str| Err(ConfigFault::new(format!("{at}{setting}"), why));
        if self.domain.as_str() == PLACEHOLDER {
            return refuse(
                ".domain",
                "is still the example's: write your shop's, <name>.myshopify.com",
            );
        }
        match (&self.access_token, &self.client_id, &self.client_secret) {
            (Some(_), None, None) | (None, Some(_), Some(_)) => {}
            _ => {
                return refuse(
                    "",
                    "needs either an access_token, or a client_id with its client_secret",
                );
            }
        }
        if !(1..=2).contains(&self.webhook_secrets().len()) {
            return refuse(
                ".webhook_secrets",
                "holds one secret, two while it is rotated",
            );
        }
        if let Some(api_url) = &self.api_url
            && web_address(api_url).is_none()
        {
            return refuse(
                ".api_url",
                "is no address of an Admin API: write http://127.0.0.1:9090, or leave it out for Shopify's own",
            );
        }
        match &self.webhook_address {
            Some(address) => self.check_webhook_address(address, at),
            None => Ok(()),
        }
    }

    fn check_webhook_address(&self, address: &str, at: &str) -> Result<(), ConfigFault> {
        let refuse = |why: &str| Err(ConfigFault::new(format!("{at}.webhook_address"), why));
        let Some(url) = web_address(address) else {
            return refuse("is no address: write https://<your host>/webhooks/shopify");
        };
        if !url.path().ends_with(WEBHOOK_PATH) {
            return refuse(
                "leads past the daemon, which takes webhooks at /webhooks/shopify only: write https://<your host>/webhooks/shopify",
            );
        }
        // A pretend store may be on this machine, and without TLS.
        if self.api_url.is_some() {
            return Ok(());
        }
        if url.scheme() != "https" {
            return refuse("begins with https://: Shopify sends webhooks to no other");
        }
        let is_here = match url.host_str().unwrap_or_default() {
            "localhost" => true,
            host => host
                .trim_matches(['[', ']'])
                .parse::<IpAddr>()
                .is_ok_and(|ip| match ip {
                    IpAddr::V4(ip) => {
                        ip.is_loopback()
                            || ip.is_private()
                            || ip.is_link_local()
                            || ip.is_unspecified()
                    }
                    IpAddr::V6(ip) => {
                        ip.is_loopback()
                            || ip.is_unique_local()
                            || ip.is_unicast_link_local()
                            || ip.is_unspecified()
                    }
                }),
        };
        if is_here {
            return refuse(
                "is inside your own network, where Shopify cannot reach it: write the host that your TLS proxy has on the internet",
            );
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
