//! Why Shopify did not do what it was asked, what to do about it, and whether asking again helps.

use std::time::Duration;

use http::{HeaderMap, header};

use crate::bulk::BulkError;
use crate::credential::GrantError;
use crate::transport::TransportError;

/// How long to wait when Shopify asks for it without figures (its own advice).
pub(crate) const REST_DEFAULT: Duration = Duration::from_secs(1);
/// Longest wait that Shopify may ask for; more is cut to this.
const REST_MAX: Duration = Duration::from_mins(1);

/// Whether to ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Nothing stands in the way of asking again.
    Now,
    /// Not before that time has passed.
    After(Duration),
    /// It would fail again until a person has done something.
    Never,
}

/// Why there is no answer from Shopify.
///
/// Statuses: <https://shopify.dev/docs/api/usage/response-codes>; codes:
/// <https://shopify.dev/docs/api/admin-graphql>, API 2026-10.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The shop's `api_url` is not an origin.
    #[error("the API's address is not http(s)://<host>: correct the shop's api_url")]
    Address,
    /// `ACCESS_DENIED`, or status 403.
    #[error("the app may not do this ({0}): grant it the scopes it asks for and install it again")]
    AccessDenied(String),
    /// The result of a bulk operation is not whole.
    #[error(transparent)]
    Bulk(#[from] BulkError),
    /// `userErrors`: the mutation was understood and not done.
    #[error("Shopify declines {document}: {words}")]
    Declined {
        /// Name of the GraphQL document.
        document: &'static str,
        /// Shopify's words, shortened.
        words: String,
    },
    /// A search field that Shopify does not know: it would have returned everything.
    #[error(
        "Shopify ignored a filter and answered for all records ({0}): stockd does not fit this API version"
    )]
    FilterIgnored(String),
    /// `SHOP_INACTIVE`, or status 402.
    #[error("the shop is frozen: its owner has to settle this with Shopify")]
    Frozen,
    /// There is no token, and none to be had.
    #[error(transparent)]
    Grant(#[from] GrantError),
    /// No answer to a mutation that must not be sent twice.
    #[error("whether Shopify did {document} is not known: look before asking for it again")]
    InDoubt {
        /// Name of the GraphQL document.
        document: &'static str,
        /// Why there is no answer.
        #[source]
        cause: Box<Error>,
    },
    /// HTTP status 423: the shop is locked.
    #[error(
        "the shop is locked, for instance after too many refused requests: ask Shopify's support"
    )]
    Locked,
    /// Too many calls are waiting already.
    #[error("too many calls to Shopify are waiting")]
    Overloaded,
    /// HTTP status 430: Shopify takes the request for an attack.
    #[error(
        "Shopify took the request for an attack (HTTP 430): ask Shopify's support about this address"
    )]
    Rejected,
    /// A query that Shopify finds wrong, which is our fault: `BAD_REQUEST`, `INVALID_VARIABLE`, status 422, ….
    #[error(
        "Shopify refuses the query {document} ({code}: {message}): stockd does not fit this API version"
    )]
    Refused {
        /// Name of the GraphQL document.
        document: &'static str,
        /// Shopify's error code, or the HTTP status.
        code: String,
        /// Shopify's words, shortened.
        message: String,
    },
    /// `INTERNAL_SERVER_ERROR`, or a status from 500 on.
    #[error("Shopify failed ({0}): nothing is wrong here")]
    Server(String),
    /// `THROTTLED` or status 429, again and again.
    #[error("Shopify asks to wait: another program may be using the same app")]
    Throttled {
        /// How long to wait before the next call.
        wait: Duration,
    },
    /// HTTP status 401: the token is not accepted.
    #[error(
        "Shopify does not accept the access token: it was revoked, or the app was uninstalled; enter a new one"
    )]
    Token,
    /// `MAX_COST_EXCEEDED`.
    #[error(
        "the query {0} costs more than Shopify allows for one: stockd does not fit this API version"
    )]
    TooExpensive(&'static str),
    /// No answer came, or it was cut off.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A status that says the address is wrong: 404, 540, a redirect.
    #[error("there is no such API (HTTP {0}): check the shop's domain")]
    Unavailable(u16),
    /// An answer that is not JSON or has another shape than the schema says.
    #[error("the answer to {document} cannot be read at `{path}`")]
    Unreadable {
        /// Name of the GraphQL document.
        document: &'static str,
        /// Where in the answer; `.` is its top.
        path: String,
        /// Whether it was JSON, so that another try gives the same.
        json: bool,
    },
}

impl Error {
    /// Whether to ask again. What can be retried at once was already retried as often as is sensible.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Throttled { wait } => Retry::After(*wait),
            Self::Overloaded => Retry::After(Duration::from_secs(1)),
            Self::Server(_) | Self::Unreadable { json: false, .. } => Retry::Now,
            Self::Bulk(error) if error.may_pass() => Retry::Now,
            Self::Transport(error) => match error {
                TransportError::TooLong | TransportError::Tls(_) => Retry::Never,
                TransportError::Connect(_)
                | TransportError::Timeout
                | TransportError::Broken(_) => Retry::Now,
            },
            Self::AccessDenied(_)
            | Self::Address
            | Self::Bulk(_)
            | Self::Declined { .. }
            | Self::FilterIgnored(_)
            | Self::Frozen
            | Self::Grant(_)
            | Self::InDoubt { .. }
            | Self::Locked
            | Self::Refused { .. }
            | Self::Rejected
            | Self::Token
            | Self::TooExpensive(_)
            | Self::Unavailable(_)
            | Self::Unreadable { json: true, .. } => Retry::Never,
        }
    }

    /// Whether Shopify may have done what it was asked all the same.
    pub(crate) fn may_be_done(&self) -> bool {
        match self {
            Self::Server(_) | Self::Unreadable { .. } => true,
            Self::Transport(error) => {
                !matches!(error, TransportError::Connect(_) | TransportError::Tls(_))
            }
            _ => false,
        }
    }

    /// What a status says, wherever it comes from.
    pub(crate) fn of_status(status: u16, headers: &HeaderMap) -> Self {
        match status {
            402 => Self::Frozen,
            423 => Self::Locked,
            429 => Self::Throttled {
                wait: retry_after(headers),
            },
            430 => Self::Rejected,
            540 => Self::Unavailable(540),
            500.. => Self::Server(format!("HTTP {status}")),
            other => Self::Unavailable(other),
        }
    }
}

/// `Retry-After` in seconds, which Shopify also writes with decimals.
fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok());
    seconds
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .unwrap_or(REST_DEFAULT)
        .min(REST_MAX)
}
