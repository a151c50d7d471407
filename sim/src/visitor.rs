//! Who may use the `/_sim/` routes: programs and people, not pages that somebody's browser happens to show.
//!
//! The routes need no credentials, and a page of any site can have its reader's browser send requests to this machine,
//! or have its own name resolve to this machine's address. Neither may change stock or have webhooks sent elsewhere.

use std::net::IpAddr;

use hyper::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, ORIGIN, TRANSFER_ENCODING,
};
use hyper::http::uri::Authority;

/// Refuses a request of a page, with the reason.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), &'static str> {
    if headers.contains_key(ORIGIN) {
        return Err("pages may not call this: send no Origin");
    }
    // Programs send none; `none` is what a person typed into the address bar.
    if headers
        .get_all("sec-fetch-site")
        .iter()
        .any(|site| site != "none")
    {
        return Err("pages may not call this: send no Sec-Fetch-Site");
    }
    let mut named = headers.get_all(HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else {
        return Err("send one Host");
    };
    if !is_known(host) {
        return Err(
            "call this by an IP address, localhost or a name without dots: Host is another",
        );
    }
    let has_body = headers
        .get(CONTENT_LENGTH)
        .is_some_and(|length| length != "0")
        || headers.contains_key(TRANSFER_ENCODING);
    // Of the types that pages may send without asking first, none is JSON.
    if has_body && !is_json(headers) {
        return Err("send Content-Type: application/json");
    }
    Ok(())
}

/// Whether no page of another site can have that name. A name without dots belongs to a local network or to containers
/// beside this one; nobody outside can register one.
fn is_known(host: &HeaderValue) -> bool {
    let Some(authority) = host
        .to_str()
        .ok()
        .and_then(|host| host.parse::<Authority>().ok())
    else {
        return false;
    };
    let name = authority.host();
    let name = name.strip_suffix('.').unwrap_or(name);
    let address = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    address.parse::<IpAddr>().is_ok() || !(name.is_empty() || name.contains('.'))
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (types.next(), types.next()) else {
        return false;
    };
    let kind = kind
        .to_str()
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default()
        .trim();
    kind.eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_told_from_a_page() {
        const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
        const LENGTH: (&str, &str) = ("content-length", "2");

        let judged = |headers: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, HeaderValue::from_static(value));
            }
            check(&map)
        };
        for host in [
            "127.0.0.1:9090",
            "[::1]:9090",
            "LocalHost",
            "localhost.:9090",
            "sim:9090",
        ] {
            judged(&[("host", host), LENGTH, JSON]).unwrap();
            judged(&[("host", host), ("sec-fetch-site", "none")]).unwrap();
        }
        let own = ("host", "127.0.0.1:9090");
        for headers in [
            &[own, LENGTH, JSON, ("origin", "null")][..],
            &[own, ("origin", "http://127.0.0.1:9090")],
            &[own, LENGTH, JSON, ("sec-fetch-site", "cross-site")],
            &[own, LENGTH],
            &[own, LENGTH, ("content-type", "text/plain")],
            &[own, ("transfer-encoding", "chunked")],
            &[],
            &[("host", "evil.example"), LENGTH, JSON],
            &[("host", "127.0.0.1.evil.example:9090")],
        ] {
            assert!(judged(headers).is_err(), "{headers:?}");
        }
    }
}
