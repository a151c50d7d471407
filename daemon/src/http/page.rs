//! The page for people: the files that `dashboard` was built into, which the binary holds, and the one document at
//! each of the page's addresses.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use warp::Reply as _;
use warp::reply::Response;

include!(concat!(env!("OUT_DIR"), "/page.rs"));

/// One file of the built page.
struct PageFile {
    /// From the root, with the slash.
    path: &'static str,
    /// Media type, as the answer says it.
    kind: &'static str,
    /// Changes when the content does.
    hash: &'static str,
    plain: &'static [u8],
    /// The same, compressed; `None` where that would save nothing.
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

/// The document that stands at every address of the page.
const DOCUMENT: &str = "/index.html";
/// Where files have a hash in their name, so that a name never changes its content.
const HASHED: &str = "/assets/";
const NOT_BUILT: &str = "This stockd was built without its page: run `make page` (it needs Node 20.19 or newer, \
                         with npm), and build stockd again.\n";
/// Scripts, styles and connections of our own and nothing else, so that no text of a shop can become code or fetch
/// anything. `stockd` is the policy under which the page may name its service worker.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types stockd";

/// The answer, if that is a file of the page or one of its addresses. An address answers those who take HTML, which
/// browsers do; programs are left to the routes.
pub(super) fn answer(method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
    of(FILES, method, path, headers)
}

fn of(files: &[PageFile], method: &Method, path: &str, headers: &HeaderMap) -> Option<Response> {
    if ![Method::GET, Method::HEAD].contains(method) {
        return None;
    }
    if let Some(file) = files.iter().find(|file| file.path == path) {
        return Some(file.answer(headers));
    }
    let address = match path {
        "/" => path,
        _ => path.strip_suffix('/').unwrap_or(path),
    };
    if !ADDRESSES.contains(&address) || !named(headers, &header::ACCEPT, "text/html") {
        return None;
    }
    let document = files.iter().find(|file| file.path == DOCUMENT);
    Some(document.map_or_else(
        || warp::reply::with_status(NOT_BUILT, StatusCode::NOT_FOUND).into_response(),
        |document| document.answer(headers),
    ))
}

impl PageFile {
    fn answer(&self, headers: &HeaderMap) -> Response {
        let forms = [("br", self.brotli), ("gzip", self.gzip)];
        let compressed = forms.into_iter().find_map(|(coding, bytes)| {
            bytes
                .filter(|_| named(headers, &header::ACCEPT_ENCODING, coding))
                .map(|bytes| (Some(coding), bytes))
        });
        let (coding, bytes) = compressed.unwrap_or((None, self.plain));
        // Each form is other bytes, so each has a tag of its own.
        let tag = format!("\"{}{}\"", self.hash, coding.unwrap_or_default());
        let known = has_tag(headers, &tag);
        let mut response = if known {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            bytes.into_response()
        };
        let caching = if self.path.starts_with(HASHED) {
            "public, max-age=31536000, immutable"
        } else {
            "no-cache"
        };
        let said = [
            (header::CONTENT_TYPE, (!known).then_some(self.kind)),
            (header::CONTENT_ENCODING, coding.filter(|_| !known)),
            (header::ETAG, Some(tag.as_str())),
            (header::CACHE_CONTROL, Some(caching)),
            (header::VARY, Some("Accept, Accept-Encoding")),
            (header::CONTENT_SECURITY_POLICY, Some(POLICY)),
            (header::REFERRER_POLICY, Some("no-referrer")),
        ];
        for (name, value) in said {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// Whether a list such as `Accept` names that, and not with a weight of 0.
fn named(headers: &HeaderMap, list: &HeaderName, wanted: &str) -> bool {
    let lists = headers.get_all(list).iter();
    let mut items = lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','));
    items.any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let mut weights = parts.filter_map(|part| part.strip_prefix("q="));
        name.eq_ignore_ascii_case(wanted)
            && weights.all(|weight| weight.parse().is_ok_and(|weight: f32| weight > 0.0))
    })
}

/// Whether the reader says that it has the content of that tag.
fn has_tag(headers: &HeaderMap, tag: &str) -> bool {
    let lists = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut tags = lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','));
    // A proxy that compresses makes our tag a weak one.
    tags.any(|one| one.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUILT: &[PageFile] = &[
        PageFile {
            path: "/assets/index-1a2b.js",
            kind: "text/javascript",
            hash: "01",
            plain: b"let plain",
            brotli: Some(b"br"),
            gzip: Some(b"gz"),
        },
        PageFile {
            path: "/index.html",
            kind: "text/html",
            hash: "02",
            plain: b"<p>",
            brotli: None,
            gzip: None,
        },
    ];

    fn get(
        files: &[PageFile],
        path: &str,
        headers: &[(&'static str, &'static str)],
    ) -> Option<Response> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        of(files, &Method::GET, path, &map)
    }

    fn said(response: &Response, name: HeaderName) -> &str {
        let value = response.headers().get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    #[test]
    fn a_browser_finds_the_page_at_its_addresses_and_a_program_does_not() {
        let browser = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        for address in ["/", "/people", "/people/"] {
            let page = get(BUILT, address, &[browser]).unwrap();
            assert_eq!(said(&page, header::CONTENT_TYPE), "text/html");
            assert_eq!(said(&page, header::CACHE_CONTROL), "no-cache");
            assert!(get(BUILT, address, &[("accept", "*/*")]).is_none());
            assert!(get(BUILT, address, &[]).is_none());
        }
        for elsewhere in ["/api/v1/levels", "/socket.io/", "/elsewhere", ""] {
            assert!(get(BUILT, elsewhere, &[browser]).is_none());
        }
        assert!(of(BUILT, &Method::POST, "/", &HeaderMap::new()).is_none());
    }

    #[test]
    fn a_file_is_sent_in_the_smallest_form_that_the_reader_takes() {
        let path = "/assets/index-1a2b.js";
        for (accepted, coding, tag) in [
            ("gzip, deflate, br", "br", "\"01br\""),
            ("br;q=0, gzip;q=0.5", "gzip", "\"01gzip\""),
            ("GZIP", "gzip", "\"01gzip\""),
            ("identity", "", "\"01\""),
            ("br;q=nonsense", "", "\"01\""),
        ] {
            let file = get(BUILT, path, &[("accept-encoding", accepted)]).unwrap();
            assert_eq!(said(&file, header::CONTENT_ENCODING), coding, "{accepted}");
            assert_eq!(said(&file, header::ETAG), tag);
            assert!(said(&file, header::CACHE_CONTROL).ends_with("immutable"));
        }
    }

    #[test]
    fn what_the_reader_has_already_is_not_sent_again() {
        let path = "/assets/index-1a2b.js";
        for (known, status) in [
            ("\"01\"", 304),
            ("\"zz\", W/\"01\"", 304),
            ("\"01br\"", 200),
            ("\"00\"", 200),
        ] {
            let file = get(BUILT, path, &[("if-none-match", known)]).unwrap();
            assert_eq!(file.status(), status, "{known}");
            assert!(said(&file, header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none'"));
        }
    }

    #[test]
    fn without_a_built_page_one_sentence_says_how_to_build_it() {
        let answer = get(&[], "/", &[("accept", "text/html")]).unwrap();
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        assert!(get(&[], "/assets/index-1a2b.js", &[]).is_none());
    }
}
