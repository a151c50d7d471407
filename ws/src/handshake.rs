//! The HTTP request that opens a connection: what it must say, and how a refusal reads.
//!
//! Refusals have the codes and the JSON of Node's engine.io, because its clients show them to people.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, header};
use sha1::{Digest as _, Sha1};

/// Why a request does not become a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a WebSocket upgrade.
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
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
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
            Self::BadRequest | Self::Version | Self::Overloaded => 3,
            Self::Origin => 4,
            Self::Protocol => 5,
        }
    }

    /// The whole answer: `{"code":n,"message":"…"}`.
    pub fn response(self) -> Response<String> {
        let mut response =
            Response::new(serde_json::json!({"code": self.code(), "message": self.to_string()}).to_string());
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self == Self::Version {
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}

/// Checks an upgrade to `transport=websocket` and answers 101.
///
/// `origins` is the exact list of allowed origins. A request without one comes from a program and is allowed;
/// `null` comes from a sandboxed page and is not.
pub fn accept(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    origins: &[String],
) -> Result<Response<()>, Refusal> {
    let mut allowed = headers.get_all(header::ORIGIN).iter();
    if !allowed
        .all(|origin| origins.iter().any(|known| origin.as_bytes() == known.as_bytes() && known != "null"))
    {
        return Err(Refusal::Origin);
    }
    let query = |name: &str| {
        let pairs = uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    if query("transport") != Some("websocket") {
        return Err(Refusal::Transport);
    }
    if query("sid").is_some() {
        return Err(Refusal::Session);
    }
    if method != Method::GET {
        return Err(Refusal::Method);
    }
    if query("EIO") != Some("4") {
        return Err(Refusal::Protocol);
    }
    if !lists(headers, &header::CONNECTION, "upgrade") || !lists(headers, &header::UPGRADE, "websocket") {
        return Err(Refusal::BadRequest);
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Refusal::Version);
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(Refusal::BadRequest)?;
    if STANDARD.decode(key.as_bytes()).map_err(|_| Refusal::BadRequest)?.len() != 16 {
        return Err(Refusal::BadRequest);
    }
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let accept = HeaderValue::from_str(&accept_key(key.as_bytes())).map_err(|_| Refusal::BadRequest)?;
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// The token of an `Authorization: Bearer …` header.
pub fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// RFC 6455, section 1.3: proof that the key was read.
fn accept_key(key: &[u8]) -> String {
    let digest =
        Sha1::new().chain_update(key).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize();
    STANDARD.encode(digest)
}

/// Whether a comma-separated header has that member, whatever its case.
fn lists(headers: &HeaderMap, name: &header::HeaderName, member: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|found| found.trim().eq_ignore_ascii_case(member))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: &str = "/socket.io/?EIO=4&transport=websocket";

    fn request(changes: &[(&'static str, Option<&'static str>)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let usual = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ];
        for (name, value) in usual {
            headers.insert(name, HeaderValue::from_static(value));
        }
        for (name, value) in changes {
            match value {
                Some(value) => headers.insert(*name, HeaderValue::from_static(value)),
                None => headers.remove(*name),
            };
        }
        headers
    }

    fn outcome(target: &str, headers: &HeaderMap) -> Result<Response<()>, Refusal> {
        accept(
            &Method::GET,
            &target.parse().unwrap(),
            headers,
            &["https://shop.example".to_owned(), "null".to_owned()],
        )
    }

    #[test]
    fn an_upgrade_is_answered_with_the_key_of_the_rfc() {
        let response = outcome(TARGET, &request(&[])).unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn refusals_have_the_numbers_of_engine_io() {
        let refused = |target, changes: &[_]| outcome(target, &request(changes)).unwrap_err();
        assert_eq!(refused("/socket.io/?EIO=4&transport=polling", &[]).code(), 0);
        assert_eq!(refused("/socket.io/?EIO=4", &[]).code(), 0);
        assert_eq!(refused("/socket.io/?EIO=4&transport=websocket&sid=x", &[]).code(), 1);
        assert_eq!(refused("/socket.io/?EIO=3&transport=websocket", &[]).code(), 5);
        for missing in ["connection", "upgrade", "sec-websocket-key"] {
            assert_eq!(refused(TARGET, &[(missing, None)]), Refusal::BadRequest, "{missing}");
        }
        assert_eq!(refused(TARGET, &[("sec-websocket-key", Some("short"))]), Refusal::BadRequest);
        assert_eq!(
            refused(TARGET, &[("sec-websocket-version", Some("8"))]).status(),
            StatusCode::UPGRADE_REQUIRED
        );
        let post = accept(&Method::POST, &TARGET.parse().unwrap(), &request(&[]), &[]).unwrap_err();
        assert_eq!(post.response().body(), r#"{"code":2,"message":"Bad handshake method"}"#);
    }

    #[test]
    fn only_listed_origins_and_programs_come_in() {
        assert!(outcome(TARGET, &request(&[("origin", Some("https://shop.example"))])).is_ok());
        for foreign in
            ["null", "https://shop.example.evil", "http://shop.example", "https://shop.example/", ""]
        {
            let refused = outcome(TARGET, &request(&[("origin", Some(foreign))])).unwrap_err();
            assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{foreign}");
        }
        let mut two = request(&[("origin", Some("https://shop.example"))]);
        two.append("origin", HeaderValue::from_static("https://evil.example"));
        assert_eq!(outcome(TARGET, &two).unwrap_err(), Refusal::Origin);
    }

    #[test]
    fn a_bearer_token_is_found_and_nothing_else_taken_for_one() {
        assert_eq!(bearer(&request(&[("authorization", Some("bearer abc"))])).as_deref(), Some("abc"));
        assert_eq!(bearer(&request(&[("authorization", Some("Basic abc"))])), None);
        assert_eq!(bearer(&request(&[])), None);
    }
}
