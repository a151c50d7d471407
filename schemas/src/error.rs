//! What a client is told when something cannot be done: a code for programs, a sentence for people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// For programs to branch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// A value that was to be replaced is no longer there.
    Conflict,
    /// The role or scope does not allow it.
    Forbidden,
    /// An idempotency key came again with other content.
    IdempotencyKeyReused,
    /// The item, level or location takes no stock.
    Ineligible,
    /// Fewer available than asked for.
    InsufficientStock,
    /// Our fault.
    Internal,
    /// A field is missing, of the wrong kind or out of bounds.
    InvalidPayload,
    /// A limit of this user or connection is used up. What it has stays as it is.
    LimitReached,
    /// The item is stocked at several locations.
    LocationRequired,
    /// No such item, level, order or reservation.
    NotFound,
    /// Too many in too short a time.
    RateLimited,
    /// The token does not say which of several shops.
    ShopRequired,
    /// Passwords and cookies go over TLS only.
    TlsRequired,
    /// The token has run out.
    TokenExpired,
    /// The token is not one of ours.
    TokenInvalid,
    /// More than a bound allows.
    TooLarge,
    /// Nothing listens to this event.
    UnknownEvent,
    /// Not now.
    Unavailable,
}

/// An error as it stands in an acknowledgement, an `error` event or an HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{message}")]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// For programs.
    pub code: ErrorCode,
    /// For people: what is wrong and what to do.
    pub message: String,
    /// Which field, where one is to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Whether the same request may succeed later.
    pub retryable: bool,
}

impl ErrorBody {
    /// An error of that code; [`ErrorCode::retryable`] decides about trying again.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            field: None,
            retryable: code.retryable(),
        }
    }

    /// A field that is missing, of the wrong kind or out of bounds.
    pub fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: Some(field.into()),
            ..Self::new(ErrorCode::InvalidPayload, message)
        }
    }
}

impl ErrorCode {
    /// Whether the same request may succeed later.
    pub fn retryable(self) -> bool {
        matches!(
            self,
            Self::Internal | Self::LimitReached | Self::RateLimited | Self::Unavailable
        )
    }
}
