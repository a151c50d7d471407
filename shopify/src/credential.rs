//! What opens a shop's Admin API, and why Shopify may find that it does not.

use crate::secret::Secret;

/// What opens a shop's Admin API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// A token that is good until it is revoked, as custom apps made in a shop's admin pages have it.
    Token(Secret),
    /// An app of the Dev Dashboard, for shops of the same organisation: tokens of a day, fetched as needed by the
    /// client credentials grant (<https://shopify.dev/docs/apps/build/authentication-authorization>, 2026).
    ClientCredentials {
        /// The app's client id, which is no secret.
        id: String,
        /// The app's client secret. Webhooks are signed with it, too.
        secret: Secret,
    },
}

/// Why Shopify gives no token for a client id and secret. Asking again helps only once a person has done something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// `app_not_installed`.
    #[error(
        "the app is not installed on this shop (app_not_installed): install it from the Dev Dashboard"
    )]
    AppNotInstalled,
    /// Shopify answered `invalid_client`: id or secret are wrong.
    #[error(
        "Shopify does not know this client id with this secret (invalid_client): copy both anew from the app's settings in the Dev Dashboard"
    )]
    InvalidClient,
    /// `shop_not_permitted`.
    #[error(
        "the app and the shop are not of the same organisation (shop_not_permitted): make the app in the organisation that owns the shop, or give stockd a fixed token"
    )]
    ShopNotPermitted,
    /// Anything else, by its status.
    #[error(
        "Shopify gives no token for the client id and secret (HTTP {0}): check both, and that the app is installed"
    )]
    Refused(u16),
    /// The answer holds no token.
    #[error(
        "Shopify's answer to the request for a token holds none that can be read: check the shop's api_url"
    )]
    Unreadable,
}

impl GrantError {
    /// Reads a refusal, which comes as JSON or as a page for people, with the same words.
    pub(crate) fn of(status: u16, body: &[u8]) -> Self {
        let says = |code: &str| body.windows(code.len()).any(|part| part == code.as_bytes());
        match () {
            () if says("app_not_installed") => Self::AppNotInstalled,
            () if says("shop_not_permitted") => Self::ShopNotPermitted,
            () if says("invalid_client") => Self::InvalidClient,
            () => Self::Refused(status),
        }
    }
}
