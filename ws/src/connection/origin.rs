//! Origins: pages from which requests are accepted, and the CORS headers for browsers.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::ConnectionRefusal;

/// The accepted origin of a request; `None` for a program, which sends none.
#[derive(Debug, Clone)]
pub struct RequestOrigin(Option<HeaderValue>);

/// Seconds for which a browser may remember a preflight.
const PREFLIGHT_SECONDS: &str = "600";

impl RequestOrigin {
    /// Checks the origin of a request.
    ///
    /// Allowed are the origins in `origins`, exactly as listed, and the host and port that the
    /// request itself names: our own page, and clients that send the address they connect to
    /// (python-socketio does; the Swift client with the scheme `ws` or `wss`, which no browser
    /// uses). A foreign page cannot choose what the browser sends there. Nothing is granted by an
    /// origin: every client has to bring a token, which no browser adds by itself. A request
    /// without an origin comes from a program and is allowed; `null` comes from a sandboxed page
    /// and is not.
    pub(crate) fn check(
        headers: &HeaderMap,
        origins: &[String],
    ) -> Result<Self, ConnectionRefusal> {
        let mut told = headers.get_all(header::ORIGIN).iter();
        let listed = |origin: &&HeaderValue| {
            let page = as_page(origin.as_bytes());
            *page != *b"null" && origins.iter().any(|known| *page == *known.as_bytes())
        };
        match (told.next(), told.next()) {
            (None, _) => Ok(Self(None)),
            (Some(origin), None) if listed(&origin) || is_own(origin, headers) => {
                Ok(Self(Some(origin.clone())))
            }
            _ => Err(ConnectionRefusal::Origin),
        }
    }

    /// Adds the headers by which a browser lets the page read the response.
    pub fn admit<B>(&self, mut response: Response<B>) -> Response<B> {
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Self(Some(origin)) = self {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
        response
    }

    /// Answers a browser's preflight.
    ///
    /// # Errors
    /// [`ConnectionRefusal::Method`] for a program.
    pub fn preflight(&self) -> Result<Response<Bytes>, ConnectionRefusal> {
        if self.0.is_none() {
            return Err(ConnectionRefusal::Method);
        }
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let allowed = [
            (
                header::ACCESS_CONTROL_ALLOW_METHODS,
                "GET, POST, PUT, DELETE",
            ),
            (
                header::ACCESS_CONTROL_ALLOW_HEADERS,
                "Content-Type, Authorization",
            ),
            (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS),
        ];
        for (name, value) in allowed {
            response
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        Ok(response)
    }
}

/// The origin in the form of a page: `http` for `ws` and `https` for `wss`; any other as it is.
fn as_page(origin: &[u8]) -> Cow<'_, [u8]> {
    match origin.strip_prefix(b"ws") {
        Some(rest) if rest.starts_with(b"://") || rest.starts_with(b"s://") => {
            Cow::Owned([b"http", rest].concat())
        }
        _ => Cow::Borrowed(origin),
    }
}

/// Whether the origin is the host and port that the request is addressed to.
fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return false;
    };
    let (Ok(origin), Ok(host)) = (origin.to_str(), host.to_str()) else {
        return false;
    };
    let (port, authority) = match origin.split_once("://") {
        Some(("http" | "ws", authority)) => ("80", authority),
        Some(("https" | "wss", authority)) => ("443", authority),
        _ => return false,
    };
    let (one, other) = (host_and_port(authority, port), host_and_port(host, port));
    one.is_some_and(|(name, port)| {
        other.is_some_and(|(host, other)| name.eq_ignore_ascii_case(host) && port == other)
    })
}

fn host_and_port<'a>(authority: &'a str, default: &'a str) -> Option<(&'a str, &'a str)> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    if authority.is_empty() || !authority.bytes().all(plain) {
        return None;
    }
    // In an IPv6 address the colons stand inside brackets.
    match authority
        .rsplit_once(':')
        .filter(|(_, port)| !port.contains(']'))
    {
        Some((name, port)) => port.parse::<u16>().ok().map(|_| (name, port)),
        None => Some((authority, default)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_the_same_host_and_port_comes_in() {
        let own = |origin: &'static str, hosts: &[&'static str]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            for host in hosts {
                headers.append(header::HOST, HeaderValue::from_static(host));
            }
            RequestOrigin::check(&headers, &[]).is_ok()
        };
        for (origin, host) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://[::1]:8080", "[::1]:8080"),
            ("https://stock.example", "stock.example"),
            ("https://stock.example", "Stock.Example:443"),
            ("http://stock.example:80", "stock.example"),
            ("ws://127.0.0.1:8080", "127.0.0.1:8080"),
            ("wss://stock.example", "stock.example"),
            ("wss://stock.example", "stock.example:443"),
            ("ws://stock.example:80", "stock.example"),
        ] {
            assert!(own(origin, &[host]), "{origin} {host}");
        }
        for (origin, host) in [
            ("null", "null"),
            ("http://127.0.0.1:8081", "127.0.0.1:8080"),
            ("http://localhost:8080", "127.0.0.1:8080"),
            ("https://stock.example", "stock.example:80"),
            ("http://stock.example.evil", "stock.example"),
            ("http://evil@stock.example", "stock.example"),
            ("http://stock.example/", "stock.example"),
            ("http://", ""),
            ("http://:80", ""),
            ("file://stock.example", "stock.example"),
            ("stock.example", "stock.example"),
            ("wss://stock.example", "stock.example:80"),
            ("ws://stock.example.evil", "stock.example"),
            ("wsss://stock.example", "stock.example"),
            ("http://[::1]", "[::1]:8080"),
        ] {
            assert!(!own(origin, &[host]), "{origin} {host}");
        }
        assert!(!own("http://stock.example", &[]));
        assert!(!own(
            "http://stock.example",
            &["stock.example", "stock.example"]
        ));
    }

    fn check(origins: &[&'static str]) -> Result<RequestOrigin, ConnectionRefusal> {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(header::ORIGIN, HeaderValue::from_static(origin));
        }
        RequestOrigin::check(
            &headers,
            &["https://shop.example".to_owned(), "null".to_owned()],
        )
    }

    #[test]
    fn only_listed_origins_and_programs_come_in() {
        assert!(check(&[]).is_ok());
        assert!(check(&["https://shop.example"]).is_ok());
        assert!(check(&["wss://shop.example"]).is_ok());
        for foreign in [
            "null",
            "https://shop.example.evil",
            "https://evil.shop.example",
            "http://shop.example",
            "ws://shop.example",
            "https://shop.example/",
            "https://SHOP.example",
            "https://shop.example:443",
            "*",
            "",
        ] {
            assert_eq!(
                check(&[foreign]).unwrap_err(),
                ConnectionRefusal::Origin,
                "{foreign}"
            );
        }
        for two in [
            ["https://shop.example", "https://evil.example"],
            ["https://shop.example"; 2],
        ] {
            assert_eq!(check(&two).unwrap_err(), ConnectionRefusal::Origin);
        }
    }

    #[test]
    fn a_page_is_named_in_the_answer_and_a_program_is_not() {
        let page = check(&["https://shop.example"])
            .unwrap()
            .admit(Response::new(()));
        assert_eq!(
            page.headers()["access-control-allow-origin"],
            "https://shop.example"
        );
        assert_eq!(page.headers()["access-control-allow-credentials"], "true");
        let program = check(&[]).unwrap().admit(Response::new(()));
        assert!(
            !program
                .headers()
                .contains_key("access-control-allow-origin")
        );
        assert_eq!(
            (&page.headers()["vary"], &program.headers()["vary"]),
            (&"Origin".parse().unwrap(), &"Origin".parse().unwrap())
        );
    }

    #[test]
    fn a_preflight_is_answered_for_pages_only() {
        let answer = check(&["https://shop.example"])
            .unwrap()
            .preflight()
            .unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        assert_eq!(
            answer.headers()["access-control-allow-methods"],
            "GET, POST, PUT, DELETE"
        );
        assert_eq!(
            answer.headers()["access-control-allow-headers"],
            "Content-Type, Authorization"
        );
        assert_eq!(
            check(&[]).unwrap().preflight().unwrap_err(),
            ConnectionRefusal::Method
        );
    }
}
