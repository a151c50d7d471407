//! How a request is refused: in the codes and the JSON of Node's engine.io, because its clients show them to people.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use schemas::{ErrorBody, ErrorCode};

use crate::source::AuthError;

/// Why a request does not become a connection, or is none of a session's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a WebSocket upgrade, or not what the session does now.
    #[error("Bad request")]
    BadRequest,
    /// Not a GET.
    #[error("Bad handshake method")]
    Method,
    /// An origin that is not on the list.
    #[error("Forbidden")]
    Origin,
    /// Too many connections, or shutting down: to be tried again.
    #[error("Service unavailable")]
    Overloaded,
    /// Not Engine.IO 4.
    #[error("Unsupported protocol version")]
    Protocol,
    /// A session nobody knows.
    #[error("Session ID unknown")]
    Session,
    /// A body with more bytes than announced as `maxPayload`.
    #[error("Payload too large")]
    TooLarge,
    /// No token, or none that is good.
    #[error(transparent)]
    Token(#[from] AuthError),
    /// A transport that is not spoken here.
    #[error("Transport unknown")]
    Transport,
    /// Not WebSocket 13.
    #[error("Bad request")]
    Version,
}

impl Refusal {
    /// The HTTP status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::Origin => StatusCode::FORBIDDEN,
            Self::Overloaded | Self::Token(AuthError::NotYet) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Token(_) => StatusCode::UNAUTHORIZED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Version => StatusCode::UPGRADE_REQUIRED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// engine.io's number for it.
    pub fn code(self) -> u8 {
        match self {
            Self::Transport => 0,
            Self::Session => 1,
            Self::Method => 2,
            Self::BadRequest
            | Self::Version
            | Self::Overloaded
            | Self::Token(_)
            | Self::TooLarge => 3,
            Self::Origin => 4,
            Self::Protocol => 5,
        }
    }

    /// The whole answer: `{"code":n,"message":"…"}`. A foreign page gets our own shape of an error in it, too, because
    /// every other answer of 403 has that.
    pub fn response(self) -> Response<Bytes> {
        let mut body = serde_json::json!({"code": self.code(), "message": self.to_string()});
        if self == Self::Origin {
            let message =
                "pages of this origin may not connect: list it in `origins` of [[server]]";
            body["error"] = serde_json::json!(ErrorBody::new(ErrorCode::Forbidden, message));
        }
        let mut response = Response::new(body.to_string().into());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        match self {
            Self::Token(_) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
            }
            Self::Version => headers.insert(
                header::SEC_WEBSOCKET_VERSION,
                HeaderValue::from_static("13"),
            ),
            _ => None,
        };
        response
    }
}
