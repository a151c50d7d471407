//! Hostile and honest tokens.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// From one fetch of keys to the next, and a little more.
const PAUSE: Duration = Duration::from_millis(10_500);
const NOW: i64 = 1_700_000_000;

fn config(extra_auth: &str, shops: &[&str]) -> Config {
    let shop = |(n, domain)| {
        format!(
            "[[shop]]
domain = \"{domain}\"
id = \"{n}\"
company = \"c{n}\"
access_token = \"x\"
webhook_secrets = [\"x\"]
"
        )
    };
    let shops: Vec<String> = shops.iter().enumerate().map(shop).collect();
    let leeway = if extra_auth.contains("leeway_seconds") {
        ""
    } else {
        "leeway_seconds = 0\n"
    };
    let text = format!(
        "[[server]]\n[auth]\n{leeway}secret = \"{SECRET}\"\n{extra_auth}\n{}",
        shops.concat()
    );
    Config::read(&text, "test", &Environment::default()).unwrap()
}

fn tokens(extra_auth: &str) -> Tokens {
    Tokens::new(
        &config(extra_auth, &["a.myshopify.com"]),
        &Environment::default(),
    )
    .unwrap()
}

fn signed_with(secret: &str, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256)
            .unwrap();
    format!("{message}.{signature}")
}

fn signed(claims: &Value) -> String {
    signed_with(SECRET, &json!({"alg": "HS256", "typ": "JWT"}), claims)
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "called with literals")]
fn staff(extra: Value) -> Value {
    let mut claims = json!({"sub": "7", "role": "staff", "exp": NOW + 60});
    claims
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    claims
}

#[test]
fn an_honest_token_tells_who_its_bearer_is() {
    let token = signed(&staff(
        json!({"customerId": 12, "locations": [1, "gid://shopify/Location/2", "location-3"]}),
    ));
    let identity = tokens("").verify(&token, now()).unwrap();
    assert_eq!(identity.user_id.as_str(), "7");
    assert_eq!(identity.role, Role::Staff);
    assert_eq!(identity.customer_id, "12".parse().ok());
    assert_eq!(
        identity.locations,
        Some(vec!["1".parse().unwrap(), "2".parse().unwrap()])
    );
    assert_eq!(
        identity.shops,
        ShopScope::Only(vec!["a.myshopify.com".parse().unwrap()])
    );
}

#[test]
fn the_configured_issuer_signs_neither_in_our_name_nor_for_our_users() {
    for (claims, why) in [
        (
            json!({"iss": "stockd"}),
            "it says that it is ours, and is not",
        ),
        (
            json!({"sub": "u_7"}),
            "sub begins as ids of our own users do",
        ),
        (
            json!({"sub": "unix:root"}),
            "sub begins as ids of our own users do",
        ),
    ] {
        let refused = tokens("").verify(&signed(&staff(claims)), now());
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(why), "{refused}");
    }
    let no_issuer = "[[server]]\n[[shop]]\ndomain = \"a.myshopify.com\"\naccess_token = \"x\"\nwebhook_secrets = [\"x\"]";
    let config = Config::read(no_issuer, "test", &Environment::default()).unwrap();
    let tokens = Tokens::new(&config, &Environment::default()).unwrap();
    let refused = tokens
        .verify(&signed(&staff(json!({}))), now())
        .unwrap_err();
    assert!(refused.to_string().contains("no issuer is configured"));
}

#[test]
fn the_user_may_be_named_in_any_of_four_claims_as_text_or_number() {
    for claims in [
        json!({"sub": 5}),
        json!({"userId": "5"}),
        json!({"id": 5}),
        json!({"user_id": "5"}),
    ] {
        let mut claims = claims;
        claims["exp"] = json!(NOW + 1);
        let identity = tokens("").verify(&signed(&claims), now()).unwrap();
        assert_eq!(
            (identity.user_id.as_str(), identity.role),
            ("5", Role::Guest)
        );
    }
}

#[test]
fn hostile_tokens_are_refused() {
    let good = staff(json!({}));
    let unsigned = |alg: &str| {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        format!("{}.{}.", part(json!({"alg": alg})), part(good.clone()))
    };
    let header = |extra: Value| {
        let mut header = json!({"alg": "HS256", "typ": "JWT"});
        header
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        signed_with(SECRET, &header, &good)
    };
    let mut altered = signed(&good);
    altered.replace_range(
        altered.len() - 3..altered.len() - 2,
        if altered.as_bytes()[altered.len() - 3] == b'A' {
            "B"
        } else {
            "A"
        },
    );
    let hostile = [
        ("nothing", String::new()),
        ("garbage", "a.b.c".to_owned()),
        ("too long", "x".repeat(5000)),
        ("alg none", unsigned("none")),
        ("alg None", unsigned("None")),
        ("no signature", unsigned("HS256")),
        (
            "another key",
            signed_with(
                "another-secret-another-secret-xx",
                &json!({"alg": "HS256"}),
                &good,
            ),
        ),
        (
            "another algorithm",
            signed_with(SECRET, &json!({"alg": "HS512"}), &good),
        ),
        (
            "lower-case algorithm",
            signed_with(SECRET, &json!({"alg": "hs256"}), &good),
        ),
        ("an altered signature", altered),
        ("its own key", header(json!({"jwk": {"kty": "oct"}}))),
        (
            "a key's address",
            header(json!({"jku": "https://example.com"})),
        ),
        (
            "a certificate's address",
            header(json!({"x5u": "https://example.com"})),
        ),
        (
            "an extension",
            header(json!({"crit": ["b64"], "b64": false})),
        ),
        ("a certificate", header(json!({"x5c": ["MIIB"]}))),
        ("a key id as number", header(json!({"kid": 5}))),
        ("expired", signed(&staff(json!({"exp": NOW})))),
        ("no exp", signed(&json!({"sub": "7", "role": "admin"}))),
        ("exp as text", signed(&staff(json!({"exp": "9999999999"})))),
        ("negative exp", signed(&staff(json!({"exp": -1})))),
        ("endless exp", signed(&staff(json!({"exp": u64::MAX})))),
        ("not yet", signed(&staff(json!({"nbf": NOW + 1})))),
        ("nbf as text", signed(&staff(json!({"nbf": "0"})))),
        ("an unknown role", signed(&staff(json!({"role": "root"})))),
        ("a role as list", signed(&staff(json!({"role": ["admin"]})))),
        (
            "no user",
            signed(&json!({"role": "admin", "exp": NOW + 60})),
        ),
        ("an empty user", signed(&staff(json!({"sub": ""})))),
        (
            "a customer that is none",
            signed(&staff(json!({"customerId": "x"}))),
        ),
        ("exp as null", signed(&staff(json!({"exp": null})))),
        ("exp beyond all time", signed(&staff(json!({"exp": 1e300})))),
        ("nbf as null", signed(&staff(json!({"nbf": null})))),
        ("from the future", signed(&staff(json!({"iat": NOW + 1})))),
        ("iat as text", signed(&staff(json!({"iat": "0"})))),
        (
            "an id of the token as object",
            signed(&staff(json!({"jti": {}}))),
        ),
        ("a user as list", signed(&staff(json!({"sub": ["7"]})))),
    ];
    for (what, token) in hostile {
        assert!(tokens("").verify(&token, now()).is_err(), "{what}");
    }
}

#[test]
fn a_claim_that_limits_and_is_null_or_of_another_kind_is_refused_and_never_taken_for_everything() {
    for claim in ["locations", "shops", "shopIds"] {
        for value in [
            json!(null),
            json!("1"),
            json!(1),
            json!({}),
            json!(true),
            json!([null]),
            json!([1.5]),
            json!([[1]]),
        ] {
            let claims = staff(json!({ claim: value }));
            assert!(
                matches!(
                    tokens("").verify(&signed(&claims), now()),
                    Err(TokenError::Claim(_))
                ),
                "{claims}"
            );
        }
        assert!(
            tokens("")
                .verify(&signed(&staff(json!({ claim: [] }))), now())
                .is_ok()
        );
    }
    for claim in ["customerId", "companyId"] {
        for value in [
            json!(null),
            json!([]),
            json!(["1"]),
            json!({}),
            json!(1.5),
            json!(true),
            json!(""),
        ] {
            let claims = staff(json!({ claim: value }));
            assert!(
                matches!(
                    tokens("").verify(&signed(&claims), now()),
                    Err(TokenError::Claim(_))
                ),
                "{claims}"
            );
        }
    }
    let both = staff(json!({"shops": ["a.myshopify.com"], "shopIds": ["other"]}));
    assert_eq!(
        tokens("").verify(&signed(&both), now()).unwrap().shops,
        ShopScope::Only(vec![])
    );
}

#[test]
fn what_the_rfcs_allow_is_taken() {
    let header = |extra: Value| {
        let mut header = json!({"alg": "HS256"});
        header
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        signed_with(SECRET, &header, &staff(json!({})))
    };
    for extra in [
        json!({"x5t": "dGhpcyBpcyBhIFNIQTEgdGVzdCE", "x5t#S256": "x"}),
        json!({"nonce": "n", "cty": "json", "typ": "at+jwt"}),
        json!({"nonce": 5, "anything": {"else": [1]}, "zip": "DEF", "url": 1}),
    ] {
        assert!(
            tokens("").verify(&header(extra.clone()), now()).is_ok(),
            "{extra}"
        );
    }
    for claims in [
        r#"{"sub":"7","exp":1700000060.5,"iat":1699999999.25,"nbf":1.6e9}"#,
        r#"{"sub":"7","exp":1.70000006e9}"#,
        r#"{"sub":"7","exp":1700000060,"jti":12345}"#,
        r#"{"sub":"7","exp":1700000060,"id":{"of":"another"},"userId":null,"user_id":[1]}"#,
        r#"{"sub":"7","exp":1700000060,"iss":["x"],"aud":{"a":1},"name":null}"#,
    ] {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let message = format!("{}.{}", part(r#"{"alg":"HS256"}"#), part(claims));
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256)
                .unwrap();
        let identity = tokens("").verify(&format!("{message}.{signature}"), now());
        assert_eq!(identity.unwrap().user_id.as_str(), "7", "{claims}");
    }
    let fraction = signed(&staff(json!({"exp": 1_700_000_000.5})));
    assert!(
        tokens("").verify(&fraction, now()).is_ok(),
        "half a second is left"
    );
    let revoked = tokens("");
    let of = store::Revoked::Token("12345".to_owned());
    revoked.revoke(
        Revocation {
            of,
            at: now(),
            until: Timestamp::MAX,
        },
        now(),
    );
    assert_eq!(
        revoked.verify(&signed(&staff(json!({"jti": 12345}))), now()),
        Err(TokenError::Revoked)
    );
}

#[test]
fn clocks_may_differ_by_thirty_seconds_unless_something_else_is_said() {
    let usual = Tokens::new(
        &config("leeway_seconds = 30", &["a.myshopify.com"]),
        &Environment::default(),
    );
    let text = "[[server]]\n[auth]\nsecret = \"0123456789abcdef0123456789abcdef\"\n[[shop]]\ndomain = \"a.myshopify.com\"\naccess_token = \"x\"\nwebhook_secrets = [\"x\"]";
    let unsaid = Config::read(text, "test", &Environment::default()).unwrap();
    let unsaid = Tokens::new(&unsaid, &Environment::default());
    for tokens in [usual.unwrap(), unsaid.unwrap()] {
        let taken = |claims: Value| tokens.verify(&signed(&staff(claims)), now()).is_ok();
        assert!(
            taken(json!({"nbf": NOW + 30, "iat": NOW + 30})) && taken(json!({"exp": NOW - 29}))
        );
        assert!(!taken(json!({"nbf": NOW + 31})) && !taken(json!({"iat": NOW + 31})));
        assert!(!taken(json!({"exp": NOW - 30})));
        // A socket ends when its token says so, and only a late one lives on the difference.
        let ends = |exp: i64| {
            let identity = tokens
                .verify(&signed(&staff(json!({ "exp": exp }))), now())
                .unwrap();
            identity.expires_at.as_second() - NOW
        };
        assert_eq!((ends(NOW + 60), ends(NOW - 10)), (60, 20));
    }
}

#[test]
fn a_token_whose_issuers_clock_is_ahead_goes_with_its_user_all_the_same() {
    let tokens = tokens("leeway_seconds = 30");
    let ahead = signed(&staff(json!({"iat": NOW + 20, "exp": NOW + 3600})));
    let live = tokens.verify(&ahead, now()).unwrap();
    let of = store::Revoked::User("7".parse().unwrap());
    let until = tokens.latest_end(now());
    tokens.revoke(
        Revocation {
            of,
            at: tokens.issued_until(now()),
            until,
        },
        now(),
    );
    assert!(ws::TokenVerifier::is_revoked(&tokens, &live));
    let later = Timestamp::from_second(NOW + 25).unwrap();
    assert_eq!(tokens.verify(&ahead, later), Err(TokenError::Revoked));
    let afterwards = signed(&staff(json!({"iat": NOW + 21, "exp": NOW + 3600})));
    assert!(tokens.verify(&afterwards, later).is_ok());
}

#[test]
fn configured_claims_must_be_there() {
    let strict = tokens("issuer = \"us\"\naudience = \"stockd\"");
    let verify = |extra: Value| strict.verify(&signed(&staff(extra)), now()).is_ok();
    assert!(verify(json!({"iss": "us", "aud": "stockd"})));
    assert!(verify(json!({"iss": "us", "aud": ["other", "stockd"]})));
    for bad in [
        json!({}),
        json!({"iss": "us"}),
        json!({"aud": "stockd"}),
        json!({"iss": "them", "aud": "stockd"}),
        json!({"iss": "us", "aud": "x"}),
    ] {
        assert!(!verify(bad.clone()), "{bad}");
    }
    assert!(
        strict
            .verify(
                &signed(&staff(json!({"iss": ["us"], "aud": "stockd"}))),
                now()
            )
            .is_err()
    );
}

#[test]
fn with_several_shops_a_token_must_name_its_own() {
    let config = config("", &["a.myshopify.com", "b.myshopify.com"]);
    let tokens = Tokens::new(&config, &Environment::default()).unwrap();
    let shops = |extra: Value| tokens.verify(&signed(&staff(extra)), now()).unwrap().shops;
    let b: ShopDomain = "b.myshopify.com".parse().unwrap();
    assert_eq!(shops(json!({})), ShopScope::Only(vec![]));
    assert_eq!(
        shops(json!({"shops": ["b.myshopify.com", "c.myshopify.com"]})),
        ShopScope::Only(vec![b.clone()])
    );
    assert_eq!(shops(json!({"shopIds": [1]})), ShopScope::Only(vec![b]));
    assert_eq!(shops(json!({"role": "super_admin"})), ShopScope::All);
}

#[test]
fn the_company_is_the_tokens_or_else_the_shops() {
    let config = config("", &["a.myshopify.com", "b.myshopify.com"]);
    let tokens = Tokens::new(&config, &Environment::default()).unwrap();
    let companies = |extra: Value| {
        let identity = tokens.verify(&signed(&staff(extra)), now()).unwrap();
        identity
            .companies
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(companies(json!({"companyId": 9})), ["9"]);
    assert_eq!(companies(json!({"shops": ["b.myshopify.com"]})), ["c1"]);
    assert_eq!(companies(json!({"role": "super_admin"})), ["c0", "c1"]);
    assert!(companies(json!({})).is_empty(), "good for no shop");
}

#[test]
fn a_short_secret_is_refused_with_a_sentence() {
    let text = "[[server]]\n[auth]\nsecret = \"short\"\n[[shop]]\ndomain = \"a.myshopify.com\"\naccess_token = \"x\"\nwebhook_secrets = [\"x\"]";
    let config = Config::read(text, "test", &Environment::default()).unwrap();
    let error = Tokens::new(&config, &Environment::default())
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("at least 32") && !error.contains("short"),
        "{error}"
    );
}

#[test]
fn while_a_secret_is_replaced_tokens_of_both_are_taken_and_new_ones_signed_with_the_new() {
    const BEFORE: &str = "fedcba9876543210fedcba9876543210";
    let header = json!({"alg": "HS256"});
    let old = signed_with(BEFORE, &header, &staff(json!({})));
    assert!(tokens("").verify(&old, now()).is_err());
    let both = tokens(&format!("secret_before = \"{BEFORE}\""));
    assert!(both.verify(&old, now()).is_ok());
    assert!(both.verify(&signed(&staff(json!({}))), now()).is_ok());
    let third = signed_with(
        "another-secret-with-32-bytes-or-more",
        &header,
        &staff(json!({})),
    );
    assert!(both.verify(&third, now()).is_err());
}

#[test]
fn a_revoked_token_is_refused_and_of_a_revoked_user_those_issued_until_then() {
    let tokens = tokens("");
    let revoke = |of| {
        let revocation = Revocation {
            of,
            at: now(),
            until: Timestamp::MAX,
        };
        tokens.revoke(revocation, now());
    };
    let refused = |extra| tokens.verify(&signed(&staff(extra)), now()) == Err(TokenError::Revoked);
    revoke(store::Revoked::Token("t1".to_owned()));
    assert!(refused(json!({"jti": "t1"})) && !refused(json!({"jti": "t2"})) && !refused(json!({})));
    revoke(store::Revoked::User("7".parse().unwrap()));
    assert!(refused(json!({})), "nobody knows when it was issued");
    assert!(refused(json!({"iat": NOW - 5})) && refused(json!({"iat": NOW})));
    let later = Timestamp::from_second(NOW + 1).unwrap();
    assert!(
        tokens
            .verify(&signed(&staff(json!({"iat": NOW + 1}))), later)
            .is_ok()
    );
    assert!(!refused(json!({"iat": NOW, "sub": "8"})));
}

#[test]
fn a_token_that_is_good_for_longer_than_is_allowed_is_refused() {
    let far = signed(&staff(json!({"exp": NOW + 31 * 86_400})));
    assert!(tokens("").verify(&far, now()).is_ok());
    assert!(tokens("longest_days = 30").verify(&far, now()).is_err());
    assert!(tokens("longest_days = 30").latest_end(now()) < tokens("").latest_end(now()));
}

/// The public keys of RFC 8032's first two tests, under these ids.
fn jwks<const N: usize>(ids: [&str; N]) -> String {
    let xs = [
        "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw",
    ];
    let jwk = |(id, x)| json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x, "use": "sig"});
    let secret = json!({"kty": "oct", "kid": "secret", "k": "AAAA"});
    let keys: Vec<Value> = ids.into_iter().zip(xs).map(jwk).chain([secret]).collect();
    json!({ "keys": keys }).to_string()
}

fn signed_elsewhere(jwks: &str) -> Tokens {
    let text = format!(
        "[[server]]\n[auth]\nalgorithm = \"EdDSA\"\njwks = {jwks:?}\n[[shop]]\ndomain = \"a.myshopify.com\"\n\
         access_token = \"x\"\nwebhook_secrets = [\"x\"]\n"
    );
    let config = Config::read(&text, "test", &Environment::default()).unwrap();
    Tokens::new(&config, &Environment::default()).unwrap()
}

#[tokio::test]
async fn keys_in_a_file_are_read_again_when_it_changes_and_only_if_it_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let write = |text: String, seconds| {
        std::fs::write(&path, text).unwrap();
        let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
    };
    write(jwks(["one"]), 1);
    let keys = signed_elsewhere(path.to_str().unwrap()).keys.unwrap();
    let known = |id| keys.candidates(Some(id)).len();
    assert_eq!((known("one"), known("two"), known("secret")), (1, 0, 0));
    write(jwks(["two"]), 2);
    keys.refresh().await;
    assert_eq!((known("one"), known("two")), (0, 1));
    write("half a fi".to_owned(), 3);
    keys.refresh().await;
    assert_eq!(known("two"), 1);
    assert!(
        keys.may_come("three"),
        "until the file was looked at once more"
    );
    write(jwks(["two"]), 4);
    keys.refresh().await;
    assert!(!keys.may_come("three"));
}

/// Somebody who publishes keys: each request is answered with the next of these, or not at all.
struct Issuer {
    url: String,
    asked: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl Issuer {
    async fn publishing(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let (asked, mut serving) = (Arc::<AtomicUsize>::default(), JoinSet::new());
        let count = Arc::clone(&asked);
        serving.spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                assert!(stream.read(&mut request).await.unwrap() > 0);
                // Whoever hears enough may hang up.
                let _ = stream.write_all(answer.as_bytes()).await;
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self {
            url,
            asked,
            _serving: serving,
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn answered(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn naming(key: &str) -> String {
    signed_with(
        SECRET,
        &json!({"alg": "EdDSA", "kid": key}),
        &staff(json!({})),
    )
}

/// A daemon's tokens, whose keys are followed as long as this lives.
struct Followed {
    tokens: Arc<Tokens>,
    _following: JoinSet<()>,
}

impl Followed {
    fn from(issuer: &Issuer) -> Self {
        let tokens = Arc::new(signed_elsewhere(&issuer.url));
        let mut following = JoinSet::new();
        following.spawn(
            Arc::clone(&tokens).follow_keys(Heartbeat::unwatched(), CancellationToken::new()),
        );
        Self {
            tokens,
            _following: following,
        }
    }

    fn knows(&self, id: &str) -> bool {
        self.tokens
            .keys
            .as_ref()
            .unwrap()
            .candidates(Some(id))
            .len()
            == 1
    }

    fn hears(&self, token: &str) -> TokenError {
        self.tokens.verify(token, now()).unwrap_err()
    }
}

async fn eventually(what: impl Fn() -> bool) {
    let seen = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), seen)
        .await
        .unwrap();
}

/// The clock alone; what is on its way over the network takes its own time.
async fn passes(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

#[tokio::test]
async fn a_new_key_is_refused_only_after_a_fetch_that_began_later_came_without_it() {
    let issuer = Issuer::publishing(vec![
        answered("200 OK", &jwks(["one"])),
        answered("200 OK", &jwks(["one", "two"])),
        answered("503 Service Unavailable", ""),
        answered("200 OK", &jwks(["one", "two"])),
        answered("200 OK", &jwks(["three"])),
    ]);
    let (issuer, wrong) = (issuer.await, |error| {
        matches!(error, TokenError::Invalid(_))
    });
    let followed = Followed::from(&issuer);
    assert_eq!(followed.hears(&naming("one")), TokenError::NotYet);
    eventually(|| followed.knows("one")).await;
    assert!(wrong(followed.hears(&naming("one"))), "by its signature");
    // Within a second of a fetch, and however often it is named.
    for _ in 0..3 {
        assert_eq!(followed.hears(&naming("two")), TokenError::NotYet);
    }
    assert_eq!(issuer.asked(), 1, "not so soon again");
    passes(PAUSE).await;
    eventually(|| followed.knows("two")).await;

    assert_eq!(followed.hears(&naming("three")), TokenError::NotYet);
    passes(PAUSE).await;
    eventually(|| issuer.asked() == 3).await;
    assert_eq!(
        followed.hears(&naming("three")),
        TokenError::NotYet,
        "that fetch failed"
    );
    passes(PAUSE).await;
    eventually(|| issuer.asked() == 4).await;
    eventually(|| wrong(followed.hears(&naming("three")))).await;

    passes(Duration::from_mins(1)).await;
    assert_eq!(
        followed.hears(&naming("three")),
        TokenError::NotYet,
        "and is asked for anew a minute later"
    );
    eventually(|| followed.knows("three")).await;
    assert!(
        !followed.knows("one"),
        "what is withdrawn is good no longer"
    );
}

#[tokio::test]
async fn a_token_without_the_id_of_its_key_has_the_keys_fetched_too() {
    let keys = || answered("200 OK", &jwks(["one"]));
    let issuer = Issuer::publishing(vec![keys(), keys()]).await;
    let followed = Followed::from(&issuer);
    eventually(|| followed.knows("one")).await;
    let unnamed = signed_with(SECRET, &json!({"alg": "EdDSA"}), &staff(json!({})));
    assert_eq!(followed.hears(&unnamed), TokenError::NotYet);
    passes(PAUSE).await;
    eventually(|| matches!(followed.hears(&unnamed), TokenError::Invalid(_))).await;
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn made_up_keys_neither_fill_memory_nor_have_anybody_refused_nor_fetch_more_often() {
    let keys = |id| answered("200 OK", &jwks([id]));
    let issuer = Issuer::publishing(vec![keys("one"), keys("one"), keys("two")]).await;
    let followed = Followed::from(&issuer);
    eventually(|| followed.knows("one")).await;
    for n in 0..2000 {
        assert_eq!(
            followed.hears(&naming(&format!("made-up-{n}"))),
            TokenError::NotYet
        );
    }
    assert_eq!(followed.hears(&naming("two")), TokenError::NotYet);
    assert_eq!(issuer.asked(), 1);
    passes(PAUSE).await;
    eventually(|| issuer.asked() == 2).await;
    eventually(|| matches!(followed.hears(&naming("made-up-0")), TokenError::Invalid(_))).await;
    assert_eq!(followed.hears(&naming("two")), TokenError::NotYet);
    passes(PAUSE).await;
    eventually(|| followed.knows("two")).await;
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_stay_as_they_were_and_are_asked_for_again() {
    let long = answered("200 OK", &" ".repeat(300_000));
    let issuer = Issuer::publishing(vec![
        answered("503 Service Unavailable", ""),
        answered("200 OK", &jwks(["one"])),
        answered("302 Found", ""),
        answered("200 OK", "not JSON"),
        long,
        answered("200 OK", &jwks(["two"])),
    ])
    .await;
    let followed = Followed::from(&issuer);
    eventually(|| issuer.asked() == 1).await;
    assert_eq!(
        followed.hears(&naming("one")),
        TokenError::NotYet,
        "as long as there are none"
    );
    passes(PAUSE).await;
    eventually(|| followed.knows("one")).await;

    passes(PAUSE + Duration::from_hours(1)).await;
    for asked in 3..=5 {
        eventually(|| issuer.asked() == asked).await;
        assert!(followed.knows("one"));
        passes(PAUSE).await;
    }
    eventually(|| followed.knows("two")).await;
}

#[test]
fn only_keys_that_verify_signatures_by_the_configured_algorithm_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let key = |id: &str, extra: Value| {
        let mut key = json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        key.as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        key
    };
    let keys = [
        key(
            "good",
            json!({"use": "sig", "key_ops": ["verify"], "alg": "EdDSA"}),
        ),
        key("bare", json!({})),
        key("enc", json!({"use": "enc"})),
        key("other use", json!({"use": "tls"})),
        key("ops", json!({"key_ops": ["encrypt", "sign"]})),
        key("no ops", json!({"key_ops": []})),
        key("alg", json!({"alg": "RS256"})),
        key("alg of no signature", json!({"alg": "ECDH-ES"})),
        key("curve", json!({"crv": "X25519"})),
        json!({"kty": "AKP", "kid": "of tomorrow", "alg": "ML-DSA-44", "pub": "x"}),
        json!("no key at all"),
    ];
    std::fs::write(&path, json!({ "keys": keys }).to_string()).unwrap();
    let keys = signed_elsewhere(path.to_str().unwrap()).keys.unwrap();
    let taken = [
        "good",
        "bare",
        "enc",
        "other use",
        "ops",
        "no ops",
        "alg",
        "alg of no signature",
        "curve",
        "of tomorrow",
    ]
    .map(|id| keys.has(id));
    assert_eq!(
        taken,
        [
            true, true, false, false, false, false, false, false, false, false
        ]
    );
}
