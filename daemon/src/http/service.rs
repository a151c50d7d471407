//! Who calls for another program: by a token, or without one from a network that is trusted.

use std::collections::BTreeSet;
use std::net::IpAddr;

use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Uri, header};
use schemas::{ErrorBody, ErrorCode, Identity, Role};

use super::RouteContext;
use super::access::identity;
use crate::config::{Server, Shop};
use crate::http::edge::Peer;

/// The user that calls without a token are made as.
const NOBODY: &str = "trusted-network";

/// The hosts by which calls without a token may name us, in lower case.
#[derive(Debug, Default)]
pub(crate) struct KnownHosts(BTreeSet<String>);

impl KnownHosts {
    /// Those of a listener: its `hosts`, its pages', and those by which Shopify reaches us.
    pub(crate) fn of(server: &Server, shops: &[Shop]) -> Self {
        let addresses = shops
            .iter()
            .filter_map(|shop| shop.webhook_address.as_deref());
        let of_uri = |address: &str| address.parse::<Uri>().ok()?.host().map(str::to_owned);
        let named = addresses
            .chain(server.origins.iter().map(String::as_str))
            .filter_map(of_uri);
        let hosts = named
            .chain(server.hosts.iter().cloned())
            .map(|host| host.to_ascii_lowercase());
        Self(hosts.collect())
    }

    /// Whether a request names us by one of them. An address is no name that somebody else could have resolve to it.
    fn has(&self, host: &HeaderValue) -> bool {
        let Some(authority) = host
            .to_str()
            .ok()
            .and_then(|host| host.parse::<Authority>().ok())
        else {
            return false;
        };
        let name = authority.host().to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let address = name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            .unwrap_or(name);
        name == "localhost" || address.parse::<IpAddr>().is_ok() || self.0.contains(name)
    }
}

/// Who calls: the bearer of the token, or a program without one from a network that is trusted.
pub(super) fn caller(
    context: &RouteContext,
    headers: &HeaderMap,
    peer: Peer,
) -> Result<Identity, ErrorBody> {
    let address = context.entrance.address_of(peer.address.ip(), headers);
    let trusted = context
        .trusted_networks
        .iter()
        .any(|network| network.contains(address));
    match NOBODY.parse() {
        Ok(user_id) if trusted && !headers.contains_key(header::AUTHORIZATION) => {
            check_program(headers, &context.hosts)?;
            Ok(Identity::unlimited(user_id, Role::Service))
        }
        _ => identity(context, headers),
    }
}

/// Refuses what a page in a browser of that network may have sent: such a page needs nobody's leave to have its reader's
/// browser send requests, and by a name of its own that resolves to our address it could read the answers, too.
fn check_program(headers: &HeaderMap, hosts: &KnownHosts) -> Result<(), ErrorBody> {
    let refuse = |why: &str| {
        let message = format!("without a token only programs may call: {why}; or send a token");
        Err(ErrorBody::new(ErrorCode::Forbidden, message))
    };
    if headers.contains_key(header::ORIGIN) {
        return refuse("send no Origin, which pages do");
    }
    // Programs do not send it; `none` is what a person typed.
    if headers
        .get_all("sec-fetch-site")
        .iter()
        .any(|site| site != "none")
    {
        return refuse("send no Sec-Fetch-Site, which browsers do");
    }
    if !headers
        .get(header::HOST)
        .is_some_and(|host| hosts.has(host))
    {
        return refuse(
            "name this daemon by its address, or list the host in `hosts` of [[server]]",
        );
    }
    let has_body = headers.contains_key(header::CONTENT_LENGTH)
        || headers.contains_key(header::TRANSFER_ENCODING);
    // Of the types that pages may send without asking first, none is JSON.
    if has_body && !is_json(headers) {
        return refuse("send Content-Type: application/json");
    }
    Ok(())
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
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

    fn hosts() -> KnownHosts {
        KnownHosts(["stock.example".to_owned()].into())
    }

    fn judged(headers: &[(&'static str, &'static str)]) -> Result<(), ErrorBody> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        check_program(&map, &hosts())
    }

    #[test]
    fn a_program_is_told_from_a_page() {
        const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
        const LENGTH: (&str, &str) = ("content-length", "2");
        for host in [
            "127.0.0.1:8080",
            "[::1]:8080",
            "10.0.0.1",
            "LocalHost:80",
            "Stock.Example:443",
            "stock.example.",
        ] {
            judged(&[("host", host), LENGTH, JSON]).unwrap();
            judged(&[("host", host)]).unwrap();
        }
        let own = ("host", "stock.example");
        judged(&[own, ("sec-fetch-site", "none")]).unwrap();
        for (why, headers) in [
            (
                "Origin",
                &[own, LENGTH, JSON, ("origin", "https://stock.example")][..],
            ),
            ("Origin", &[own, LENGTH, JSON, ("origin", "null")]),
            (
                "Sec-Fetch-Site",
                &[own, LENGTH, JSON, ("sec-fetch-site", "cross-site")],
            ),
            ("Sec-Fetch-Site", &[own, ("sec-fetch-site", "same-site")]),
            ("Content-Type", &[own, LENGTH]),
            (
                "Content-Type",
                &[own, LENGTH, ("content-type", "text/plain")],
            ),
            (
                "Content-Type",
                &[own, LENGTH, ("content-type", "text/plain;application/json")],
            ),
            (
                "Content-Type",
                &[own, LENGTH, JSON, ("content-type", "text/plain")],
            ),
            ("Content-Type", &[own, ("transfer-encoding", "chunked")]),
            ("hosts", &[]),
            ("hosts", &[("host", "evil.example"), LENGTH, JSON]),
            ("hosts", &[("host", "stock.example.evil")]),
            ("hosts", &[("host", "127.0.0.1.evil.example")]),
        ] {
            let refused = judged(headers).unwrap_err();
            assert!(
                refused.code == ErrorCode::Forbidden && refused.message.contains(why),
                "{headers:?}: {refused:?}"
            );
        }
    }
}
