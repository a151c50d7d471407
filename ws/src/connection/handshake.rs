//! The handshake: what a request that opens a session or a WebSocket has to say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, header};
use sha1::{Digest as _, Sha1};

use super::ConnectionRefusal;

/// The parameters of Engine.IO in a query. Of one that is repeated the first counts.
#[derive(Debug, Default)]
pub(super) struct HandshakeQuery<'a> {
    pub(super) protocol: Option<&'a str>,
    pub(super) session: Option<&'a str>,
    pub(super) transport: Option<&'a str>,
}

impl<'a> HandshakeQuery<'a> {
    pub(super) fn read(uri: &'a Uri) -> Self {
        let mut query = Self::default();
        for pair in uri.query().unwrap_or_default().split('&') {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let known = match key {
                "EIO" => &mut query.protocol,
                "sid" => &mut query.session,
                "transport" => &mut query.transport,
                _ => continue,
            };
            // The first mention counts: what is appended to the query changes nothing.
            known.get_or_insert(value);
        }
        query
    }
}

/// Checks an upgrade to WebSocket. Returns the 101 to answer with.
pub(super) fn accept(headers: &HeaderMap) -> Result<Response<Bytes>, ConnectionRefusal> {
    if !lists(headers, &header::CONNECTION, "upgrade")
        || !lists(headers, &header::UPGRADE, "websocket")
    {
        return Err(ConnectionRefusal::BadRequest);
    }
    if headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        return Err(ConnectionRefusal::Version);
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .ok_or(ConnectionRefusal::BadRequest)?;
    if STANDARD
        .decode(key.as_bytes())
        .map_err(|_| ConnectionRefusal::BadRequest)?
        .len()
        != 16
    {
        return Err(ConnectionRefusal::BadRequest);
    }
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let answer = response.headers_mut();
    answer.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    let accept = HeaderValue::from_str(&accept_key(key.as_bytes()))
        .map_err(|_| ConnectionRefusal::BadRequest)?;
    answer.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    Ok(response)
}

/// The token of an `Authorization: Bearer …` header.
pub fn bearer(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?
        .split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}

/// The `Sec-WebSocket-Accept` of RFC 6455, section 1.3: it proves that the server read the key.
fn accept_key(key: &[u8]) -> String {
    let digest = Sha1::new()
        .chain_update(key)
        .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        .finalize();
    STANDARD.encode(digest)
}

/// Whether a comma-separated header has that member, ignoring case.
fn lists(headers: &HeaderMap, name: &header::HeaderName, member: &str) -> bool {
    let values = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|found| found.trim().eq_ignore_ascii_case(member))
}

#[cfg(test)]
mod tests {
    use super::*;

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
            headers.remove(*name);
            if let Some(value) = value {
                headers.insert(*name, HeaderValue::from_static(value));
            }
        }
        headers
    }

    #[test]
    fn an_upgrade_is_answered_with_the_key_of_the_rfc() {
        let response = accept(&request(&[])).unwrap();
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(
            response.headers()["sec-websocket-accept"],
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn what_is_no_upgrade_is_refused() {
        for missing in ["connection", "upgrade", "sec-websocket-key"] {
            assert_eq!(
                accept(&request(&[(missing, None)])).unwrap_err(),
                ConnectionRefusal::BadRequest,
                "{missing}"
            );
        }
        let short = request(&[("sec-websocket-key", Some("short"))]);
        assert_eq!(accept(&short).unwrap_err(), ConnectionRefusal::BadRequest);
        let old = accept(&request(&[("sec-websocket-version", Some("8"))])).unwrap_err();
        assert_eq!(old.status(), StatusCode::UPGRADE_REQUIRED);
        assert_eq!(old.response().headers()["sec-websocket-version"], "13");
    }

    #[test]
    fn a_query_is_read_by_the_first_mention_whatever_else_is_in_it() {
        let uri: Uri = "/socket.io/?__proto__=x&EIO=4&EIO=3&transport&&=&sid=a%00b&constructor"
            .parse()
            .unwrap();
        let query = HandshakeQuery::read(&uri);
        assert_eq!(
            (query.protocol, query.session, query.transport),
            (Some("4"), Some("a%00b"), Some(""))
        );
        let bare = "/socket.io/".parse().unwrap();
        assert!(HandshakeQuery::read(&bare).transport.is_none());
    }

    #[test]
    fn a_bearer_token_is_found_and_nothing_else_taken_for_one() {
        assert_eq!(
            bearer(&request(&[("authorization", Some("bearer abc"))])).as_deref(),
            Some("abc")
        );
        assert_eq!(
            bearer(&request(&[("authorization", Some("Basic abc"))])),
            None
        );
        assert_eq!(bearer(&request(&[])), None);
    }
}
