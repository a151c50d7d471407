//! Hostile and honest tokens.

use serde_json::{Value, json};

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const NOW: i64 = 1_700_000_000;

fn config(extra_auth: &str, shops: &[&str]) -> Config {
    let shop = |(n, domain)| {
        format!(
            "[[shop]]
domain = \"{domain}\"
id = \"{n}\"
access_token = \"x\"
webhook_secrets = [\"x\"]
"
        )
    };
    let shops: Vec<String> = shops.iter().enumerate().map(shop).collect();
    let text = format!("[[server]]\n[auth]\nsecret = \"{SECRET}\"\n{extra_auth}\n{}", shops.concat());
    Config::read(&text, "test", &Environment::default()).unwrap()
}

fn tokens(extra_auth: &str) -> Tokens {
    Tokens::new(&config(extra_auth, &["a.myshopify.com"]), &Environment::default()).unwrap()
}

fn signed_with(secret: &str, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let key = EncodingKey::from_secret(secret.as_bytes());
    let signature =
        jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
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
    claims.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    claims
}

#[test]
fn an_honest_token_tells_who_its_bearer_is() {
    let token =
        signed(&staff(json!({"customerId": 12, "locations": [1, "gid://shopify/Location/2", "location-3"]})));
    let identity = tokens("").verify(&token, now()).unwrap();
    assert_eq!(identity.user_id.as_str(), "7");
    assert_eq!(identity.role, Role::Staff);
    assert_eq!(identity.customer_id, "12".parse().ok());
    assert_eq!(identity.locations, Some(vec!["1".parse().unwrap(), "2".parse().unwrap()]));
    assert_eq!(identity.shops, ShopScope::Only(vec!["a.myshopify.com".parse().unwrap()]));
}

#[test]
fn the_user_may_be_named_in_any_of_four_claims_as_text_or_number() {
    for claims in [json!({"sub": 5}), json!({"userId": "5"}), json!({"id": 5}), json!({"user_id": "5"})] {
        let mut claims = claims;
        claims["exp"] = json!(NOW + 1);
        let identity = tokens("").verify(&signed(&claims), now()).unwrap();
        assert_eq!((identity.user_id.as_str(), identity.role), ("5", Role::Guest));
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
        header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        signed_with(SECRET, &header, &good)
    };
    let mut altered = signed(&good);
    altered.replace_range(
        altered.len() - 3..altered.len() - 2,
        if altered.as_bytes()[altered.len() - 3] == b'A' { "B" } else { "A" },
    );
    let hostile = [
        ("nothing", String::new()),
        ("garbage", "a.b.c".to_owned()),
        ("too long", "x".repeat(5000)),
        ("alg none", unsigned("none")),
        ("alg None", unsigned("None")),
        ("no signature", unsigned("HS256")),
        ("another key", signed_with("another-secret-another-secret-xx", &json!({"alg": "HS256"}), &good)),
        ("another algorithm", signed_with(SECRET, &json!({"alg": "HS512"}), &good)),
        ("lower-case algorithm", signed_with(SECRET, &json!({"alg": "hs256"}), &good)),
        ("an altered signature", altered),
        ("its own key", header(json!({"jwk": {"kty": "oct"}}))),
        ("a key's address", header(json!({"jku": "https://example.com"}))),
        ("a certificate's address", header(json!({"x5u": "https://example.com"}))),
        ("an extension", header(json!({"crit": ["b64"], "b64": false}))),
        ("expired", signed(&staff(json!({"exp": NOW})))),
        ("no exp", signed(&json!({"sub": "7", "role": "admin"}))),
        ("exp as text", signed(&staff(json!({"exp": "9999999999"})))),
        ("negative exp", signed(&staff(json!({"exp": -1})))),
        ("endless exp", signed(&staff(json!({"exp": u64::MAX})))),
        ("not yet", signed(&staff(json!({"nbf": NOW + 1})))),
        ("nbf as text", signed(&staff(json!({"nbf": "0"})))),
        ("an unknown role", signed(&staff(json!({"role": "root"})))),
        ("a role as list", signed(&staff(json!({"role": ["admin"]})))),
        ("no user", signed(&json!({"role": "admin", "exp": NOW + 60}))),
        ("an empty user", signed(&staff(json!({"sub": ""})))),
        ("a customer that is none", signed(&staff(json!({"customerId": "x"})))),
    ];
    for (what, token) in hostile {
        assert!(tokens("").verify(&token, now()).is_err(), "{what}");
    }
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
    assert!(strict.verify(&signed(&staff(json!({"iss": ["us"], "aud": "stockd"}))), now()).is_err());
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
fn a_short_secret_is_refused_with_a_sentence() {
    let text = "[[server]]\n[auth]\nsecret = \"short\"\n[[shop]]\ndomain = \"a.myshopify.com\"\naccess_token = \"x\"\nwebhook_secrets = [\"x\"]";
    let config = Config::read(text, "test", &Environment::default()).unwrap();
    let error = Tokens::new(&config, &Environment::default()).err().unwrap().to_string();
    assert!(error.contains("at least 32") && !error.contains("short"), "{error}");
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
    let third = signed_with("another-secret-with-32-bytes-or-more", &header, &staff(json!({})));
    assert!(both.verify(&third, now()).is_err());
}

#[test]
fn a_revoked_token_is_refused_and_of_a_revoked_user_those_issued_until_then() {
    let tokens = tokens("");
    let revoke = |of| {
        let revocation = Revocation { of, at: now(), until: Timestamp::MAX };
        tokens.revoke(revocation, now());
    };
    let refused = |extra| tokens.verify(&signed(&staff(extra)), now()) == Err(TokenError::Revoked);
    revoke(store::Revoked::Token("t1".to_owned()));
    assert!(refused(json!({"jti": "t1"})) && !refused(json!({"jti": "t2"})) && !refused(json!({})));
    revoke(store::Revoked::User("7".parse().unwrap()));
    assert!(refused(json!({})), "nobody knows when it was issued");
    assert!(refused(json!({"iat": NOW - 5})) && refused(json!({"iat": NOW})));
    assert!(!refused(json!({"iat": NOW + 1})) && !refused(json!({"iat": NOW, "sub": "8"})));
}

#[test]
fn a_token_that_is_good_for_longer_than_is_allowed_is_refused() {
    let far = signed(&staff(json!({"exp": NOW + 31 * 86_400})));
    assert!(tokens("").verify(&far, now()).is_ok());
    assert!(tokens("longest_days = 30").verify(&far, now()).is_err());
    assert!(tokens("longest_days = 30").latest_end(now()) < tokens("").latest_end(now()));
}

#[test]
fn keys_in_a_file_are_read_again_when_it_changes_and_only_if_it_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let write = |text: String, seconds| {
        std::fs::write(&path, text).unwrap();
        let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    };
    let jwk = |id: &str, x: &str| json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": x, "use": "sig"});
    // The public keys of RFC 8032's first two tests.
    let [one, two] = [
        jwk("one", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"),
        jwk("two", "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"),
    ];
    let secret = json!({"kty": "oct", "kid": "secret", "k": "AAAA"});
    write(json!({"keys": [one, secret]}).to_string(), 1);
    let text = format!(
        "[[server]]\n[auth]\nalgorithm = \"EdDSA\"\njwks = {path:?}\n[[shop]]\ndomain = \"a.myshopify.com\"\n\
         access_token = \"x\"\nwebhook_secrets = [\"x\"]\n"
    );
    let config = Config::read(&text, "test", &Environment::default()).unwrap();
    let keys = Keys::fetch(&config.auth, &Environment::default()).unwrap();
    let known = |id| keys.candidates(Some(id)).len();
    assert_eq!((known("one"), known("two"), known("secret")), (1, 0, 0));
    write(json!({"keys": [two]}).to_string(), 2);
    keys.refresh();
    assert_eq!((known("one"), known("two")), (0, 1));
    write("half a fi".to_owned(), 3);
    keys.refresh();
    assert_eq!(known("two"), 1);
}
