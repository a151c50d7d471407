//! From which pages requests may come, and how browsers are told.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::Refusal;

/// The origin of a request that may come; `None` for a program, which has none.
#[derive(Debug, Clone)]
pub(super) struct Origin(Option<HeaderValue>);

/// Seconds for which a browser may remember a preflight.
const PREFLIGHT_SECONDS: &str = "600";

impl Origin {
    /// Checks where a request comes from.
    ///
    /// `origins` is the exact list of those allowed. A request without one comes from a program and is allowed;
    /// `null` comes from a sandboxed page and is not.
    pub(super) fn check(headers: &HeaderMap, origins: &[String]) -> Result<Self, Refusal> {
        let mut told = headers.get_all(header::ORIGIN).iter();
        let listed = |origin: &&HeaderValue| {
            **origin != "null" && origins.iter().any(|known| origin.as_bytes() == known.as_bytes())
        };
        match (told.next(), told.next()) {
            (None, _) => Ok(Self(None)),
            (Some(origin), None) if listed(&origin) => Ok(Self(Some(origin.clone()))),
            _ => Err(Refusal::Origin),
        }
    }

    /// Lets that page's scripts read the answer.
    pub(super) fn admit<B>(&self, mut response: Response<B>) -> Response<B> {
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        if let Self(Some(origin)) = self {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
        response
    }

    /// The answer to a browser that asks before it sends; a program has nothing to ask.
    pub(super) fn preflight(&self) -> Result<Response<Bytes>, Refusal> {
        if self.0.is_none() {
            return Err(Refusal::Method);
        }
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let allowed = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, DELETE"),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type, Authorization"),
            (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS),
        ];
        for (name, value) in allowed {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(origins: &[&'static str]) -> Result<Origin, Refusal> {
        let mut headers = HeaderMap::new();
        for origin in origins {
            headers.append(header::ORIGIN, HeaderValue::from_static(origin));
        }
        Origin::check(&headers, &["https://shop.example".to_owned(), "null".to_owned()])
    }

    #[test]
    fn only_listed_origins_and_programs_come_in() {
        assert!(check(&[]).is_ok());
        assert!(check(&["https://shop.example"]).is_ok());
        for foreign in [
            "null",
            "https://shop.example.evil",
            "https://evil.shop.example",
            "http://shop.example",
            "https://shop.example/",
            "https://SHOP.example",
            "https://shop.example:443",
            "*",
            "",
        ] {
            assert_eq!(check(&[foreign]).unwrap_err(), Refusal::Origin, "{foreign}");
        }
        for two in [["https://shop.example", "https://evil.example"], ["https://shop.example"; 2]] {
            assert_eq!(check(&two).unwrap_err(), Refusal::Origin);
        }
    }

    #[test]
    fn a_page_is_named_in_the_answer_and_a_program_is_not() {
        let page = check(&["https://shop.example"]).unwrap().admit(Response::new(()));
        assert_eq!(page.headers()["access-control-allow-origin"], "https://shop.example");
        assert_eq!(page.headers()["access-control-allow-credentials"], "true");
        let program = check(&[]).unwrap().admit(Response::new(()));
        assert!(!program.headers().contains_key("access-control-allow-origin"));
        assert_eq!(
            (&page.headers()["vary"], &program.headers()["vary"]),
            (&"Origin".parse().unwrap(), &"Origin".parse().unwrap())
        );
    }

    #[test]
    fn a_preflight_is_answered_for_pages_only() {
        let answer = check(&["https://shop.example"]).unwrap().preflight().unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        assert_eq!(answer.headers()["access-control-allow-methods"], "GET, POST, PUT, DELETE");
        assert_eq!(answer.headers()["access-control-allow-headers"], "Content-Type, Authorization");
        assert_eq!(check(&[]).unwrap().preflight().unwrap_err(), Refusal::Method);
    }
}
