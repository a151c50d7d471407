//! Whether a request is one that the routes can be shown: its target and its `Host` (RFC 9112, section 3.2).
//!
//! `warp` panics at targets without a path, such as those of `CONNECT a` and `GET example.com`.

use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Method, Request, Uri, Version, header};

/// Why a request is answered 400, for whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadTarget {
    #[error("this is no proxy: CONNECT is not taken")]
    Connect,
    #[error("the request's target must be a path that begins with /")]
    NoPath,
    #[error("a request of HTTP/1.1 has exactly one Host header")]
    Hosts,
    #[error("the Host header must be a host and, where there is one, a port")]
    MalformedHost,
}

/// What is asked.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RequestTarget {
    /// Something of a path.
    Path,
    /// `OPTIONS *`: what the server as a whole can do.
    Server,
}

/// Checks a request, and rewrites one that names the whole address as its target (`GET http://host/path`) to the usual
/// form, in which `Host` says what the address said: the RFC has the address win.
pub(super) fn check<B>(request: &mut Request<B>) -> Result<RequestTarget, BadTarget> {
    if request.method() == Method::CONNECT {
        return Err(BadTarget::Connect);
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() == Version::HTTP_11 => return Err(BadTarget::Hosts),
        (Some(_), Some(_)) => return Err(BadTarget::Hosts),
        (Some(host), None) if !is_host(host) => return Err(BadTarget::MalformedHost),
        _ => {}
    }
    if request.method() == Method::OPTIONS && request.uri().path() == "*" {
        return Ok(RequestTarget::Server);
    }
    let path = request
        .uri()
        .path_and_query()
        .map(PathAndQuery::as_str)
        .unwrap_or_default();
    if !path.starts_with('/') || !request.uri().path().starts_with('/') {
        return Err(BadTarget::NoPath);
    }
    if let Some(authority) = request.uri().authority() {
        let host = HeaderValue::from_str(authority.as_str())
            .ok()
            .filter(is_host);
        let uri = Uri::builder().path_and_query(path).build();
        let (Some(host), Ok(uri)) = (host, uri) else {
            return Err(BadTarget::MalformedHost);
        };
        *request.uri_mut() = uri;
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(RequestTarget::Path)
}

/// A host, perhaps with a port. An empty one is allowed by the RFC.
fn is_host(value: &HeaderValue) -> bool {
    let is_authority = |text: &str| {
        text.parse::<Authority>().is_ok_and(|authority| {
            // `Authority` takes anything for a port, and somebody's name before the host.
            let port = text.strip_prefix(authority.host());
            port.is_some_and(|port| port.is_empty() || authority.port_u16().is_some())
        })
    };
    value
        .to_str()
        .is_ok_and(|text| text.is_empty() || is_authority(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(
        method: &str,
        target: &str,
        hosts: &[&str],
    ) -> Result<(RequestTarget, String, String), BadTarget> {
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .version(Version::HTTP_11);
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        let mut request = request.body(()).unwrap();
        let target = check(&mut request)?;
        let host = request.headers()[header::HOST].to_str().unwrap().to_owned();
        Ok((target, request.uri().to_string(), host))
    }

    #[test]
    fn only_a_path_with_one_host_is_shown_to_the_routes() {
        let path =
            |uri: &str, host: &str| Ok((RequestTarget::Path, uri.to_owned(), host.to_owned()));
        assert_eq!(
            judged("GET", "/livez?a=b", &["stockd:8080"]),
            path("/livez?a=b", "stockd:8080")
        );
        assert_eq!(
            judged("GET", "http://other/livez", &["stockd"]),
            path("/livez", "other")
        );
        assert_eq!(
            judged("GET", "http://other", &["stockd"]),
            path("/", "other")
        );
        assert_eq!(judged("GET", "/", &["[::1]:8080"]), path("/", "[::1]:8080"));
        assert_eq!(judged("GET", "/", &[""]), path("/", ""));
        assert_eq!(
            judged("OPTIONS", "*", &["a"]).unwrap().0,
            RequestTarget::Server
        );
        assert_eq!(judged("CONNECT", "a", &["a"]), Err(BadTarget::Connect));
        for target in ["example.com", "*", "example.com:80"] {
            assert_eq!(
                judged("GET", target, &["a"]),
                Err(BadTarget::NoPath),
                "{target}"
            );
        }
        assert_eq!(judged("GET", "/", &[]), Err(BadTarget::Hosts));
        assert_eq!(judged("GET", "/", &["a", "a"]), Err(BadTarget::Hosts));
        for host in ["a b", "me@a", "http://a", "a/b", "a,b:c"] {
            assert_eq!(
                judged("GET", "/", &[host]),
                Err(BadTarget::MalformedHost),
                "{host}"
            );
        }
    }

    #[test]
    fn http_1_0_needs_no_host() {
        let mut request = Request::builder()
            .uri("/")
            .version(Version::HTTP_10)
            .body(())
            .unwrap();
        assert_eq!(check(&mut request), Ok(RequestTarget::Path));
    }
}
