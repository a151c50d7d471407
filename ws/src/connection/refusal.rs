//! How a request is refused: in the codes and the JSON of Node's engine.io, because its clients show them to people.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use schemas::{ErrorBody, ErrorCode};

use crate::source::AuthError;

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionRefusal {
    /// Not a WebSocket upgrade, or not what the session expects now.
    #[error("Bad request")]
    BadRequest,
    /// A method other than GET.
    #[error("Bad handshake method")]
    Method,
    /// The origin of a page that is not allowed.
    #[error("Forbidden")]
    Origin,
    /// Too many connections, or the server shuts down. The client may try again later.
    #[error("Service unavailable")]
    Overloaded,
    /// Not version 4 of Engine.IO.
    #[error("Unsupported protocol version")]
    Protocol,
    /// The session id is unknown.
    #[error("Session ID unknown")]
    Session,
    /// The body has more bytes than the announced `maxPayload`.
    #[error("Payload too large")]
    TooLarge,
    /// There is no token, or it is not valid.
    #[error(transparent)]
    Token(#[from] AuthError),
    /// The transport is neither polling nor WebSocket.
    #[error("Transport unknown")]
    Transport,
    /// Not version 13 of WebSocket.
    #[error("Bad request")]
    Version,
}

impl ConnectionRefusal {
    /// The HTTP status of the response.
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

    /// The number that engine.io gives this error.
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

    /// The whole response: `{"code":n,"message":"…"}`. A refused origin also gets the `error`
    /// object of our REST API, as every other 403 has it.
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
