//! People sign in with a password, stay as long as they may, and administrators of the machine need no token.

use reqwest::header::{COOKIE, ORIGIN, SET_COOKIE};
use reqwest::{Method, RequestBuilder};
use schemas::Role;
use serde_json::{Value, json};
use tests::{Client, Settings, TestDaemon, TestShop, Token, forged, stockd_ends};

const PASSWORD: &str = "a rainy day in May";
const OTHER: &str = "two rainy days in May";

fn admin() -> Token {
    Token::of(Role::Admin)
}

/// An answer: status, the cookie that was set, body.
struct Answer(u16, Option<String>, Value);

async fn answered(request: RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let cookie = answer.headers().get(SET_COOKIE);
    let cookie = cookie.map(|cookie| cookie.to_str().unwrap().to_owned());
    Answer(status, cookie, answer.json().await.unwrap())
}

fn asks(daemon: &TestDaemon, method: Method, path: &str) -> RequestBuilder {
    let url = format!("{}/api/v1/{path}", daemon.url());
    daemon.http().request(method, url)
}

/// A request as the page sends it: from its own origin, with the cookie.
fn with_cookie(daemon: &TestDaemon, method: Method, path: &str, cookie: &str) -> RequestBuilder {
    asks(daemon, method, path)
        .header(ORIGIN, daemon.url())
        .header(COOKIE, format!("other=1; {cookie}"))
}

async fn bearing(daemon: &TestDaemon, method: Method, path: &str, token: &str) -> (u16, Value) {
    let Answer(status, _, body) = answered(asks(daemon, method, path).bearer_auth(token)).await;
    (status, body)
}

async fn changes(daemon: &TestDaemon, id: &str, token: &str, change: Value) -> (u16, Value) {
    let request = asks(daemon, Method::PATCH, &format!("users/{id}"));
    let Answer(status, _, body) = answered(request.bearer_auth(token).json(&change)).await;
    (status, body)
}

/// A user with a link, both by an admin.
async fn added(daemon: &TestDaemon, user: Value) -> (String, String) {
    let (status, added) = daemon.posted("users", &admin(), &user).await;
    assert_eq!(status, 201, "{added}");
    let id = added["id"].as_str().unwrap().to_owned();
    let (status, made) = daemon
        .posted(&format!("users/{id}/link"), &admin(), &json!({}))
        .await;
    assert_eq!(status, 200, "{made}");
    let link = made["link"].as_str().unwrap();
    let (page, link) = link.split_once("/#link=").unwrap();
    assert_eq!(page, daemon.url());
    (id, link.to_owned())
}

/// Somebody who is signed in.
struct SignedIn {
    id: String,
    token: String,
    /// As a browser sends it: `name=value`.
    cookie: String,
}

fn signed_in(Answer(status, cookie, body): Answer) -> SignedIn {
    assert_eq!(status, 200, "{body}");
    let cookie = cookie.unwrap();
    SignedIn {
        id: body["user"]["id"].as_str().unwrap().to_owned(),
        token: body["token"].as_str().unwrap().to_owned(),
        cookie: cookie.split_once(';').unwrap().0.to_owned(),
    }
}

async fn follows(daemon: &TestDaemon, link: &str, password: &str) -> Answer {
    let body = json!({ "link": link, "password": password });
    answered(asks(daemon, Method::POST, "session/link").json(&body)).await
}

async fn signs_in(daemon: &TestDaemon, name: &str, password: &str) -> Answer {
    let body = json!({ "name": name, "password": password });
    answered(asks(daemon, Method::POST, "session").json(&body)).await
}

/// Somebody new, with [`PASSWORD`].
async fn newcomer(daemon: &TestDaemon, user: Value) -> SignedIn {
    let (_, link) = added(daemon, user).await;
    signed_in(follows(daemon, &link, PASSWORD).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_leads_to_a_password_and_the_password_to_the_shop() {
    let shop = TestShop::opens().await;
    let mut daemon = TestDaemon::on(&shop).await;
    let user = json!({ "name": "Ann Berg", "role": "manager", "language": "de" });
    let (id, link) = added(&daemon, user).await;
    let Answer(status, _, refused) = follows(&daemon, &link, "Ann Berg").await;
    assert_eq!(
        (status, &refused["error"]["field"]),
        (400, &json!("password"))
    );
    let Answer(status, cookie, body) = follows(&daemon, &link, PASSWORD).await;
    let cookie = cookie.unwrap();
    assert!(cookie.starts_with("stockd=") && cookie.ends_with("; HttpOnly; SameSite=Strict"));
    let user = json!({
        "id": id, "name": "Ann Berg", "role": "manager", "locations": null, "shops": null, "language": "de",
    });
    assert_eq!((status, &body["user"]), (200, &user));
    assert_eq!(follows(&daemon, &link, PASSWORD).await.0, 401, "used");

    let ann = signed_in(signs_in(&daemon, " ann BERG ", PASSWORD).await);
    assert_eq!(daemon.asked_with("levels?limit=1", &ann.token).await.0, 200);

    // The cookie outlives a restart, and so does the key of the tokens.
    daemon.killed();
    daemon.starts().await;
    assert_eq!(daemon.asked_with("levels?limit=1", &ann.token).await.0, 200);
    let mut client = Client::connects(&daemon.url(), "/oda", &ann.token);
    assert_eq!(client.connected().await["userId"], json!(id));
    let again = with_cookie(&daemon, Method::POST, "session/refresh", &ann.cookie);
    let Answer(status, cookie, again) = answered(again).await;
    assert_eq!((status, cookie), (200, None), "{again}");
    let (status, sessions) = bearing(&daemon, Method::GET, "sessions", &ann.token).await;
    let sessions = sessions["data"].as_array().unwrap().clone();
    let current = |session: &&Value| session["current"] == true;
    assert_eq!((status, sessions.len()), (200, 2));
    assert_eq!(sessions.iter().filter(current).count(), 1);
    let stored = ["stockd.db", "stockd.db-wal"]
        .map(|name| std::fs::read(daemon.folder().join(name)).unwrap())
        .concat();
    for secret in [&link, PASSWORD, &ann.cookie["stockd=".len()..]] {
        let bytes = secret.as_bytes();
        assert!(!stored.windows(bytes.len()).any(|window| window == bytes));
        assert!(!daemon.log().contains(secret));
    }

    let out = with_cookie(&daemon, Method::DELETE, "session", &ann.cookie);
    let Answer(status, cookie, _) = answered(out).await;
    assert_eq!(status, 200);
    assert!(cookie.unwrap().starts_with("stockd=; Path=/; Max-Age=0"));
    assert_eq!(client.event("error").await["code"], "TOKEN_INVALID");
    assert_eq!(daemon.asked_with("levels", &ann.token).await.0, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_may_not_come_in_is_told_the_same_whatever_the_reason() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let ann = newcomer(&daemon, json!({ "name": "ann", "role": "staff" })).await;
    let bob = newcomer(&daemon, json!({ "name": "bob", "role": "staff" })).await;
    added(&daemon, json!({ "name": "new", "role": "staff" })).await;
    let disabled = json!({ "disabled": true });
    let admin = daemon.token(&admin());
    assert_eq!(changes(&daemon, &bob.id, &admin, disabled).await.0, 200);
    let Answer(status, _, wrong) = signs_in(&daemon, "ann", OTHER).await;
    assert_eq!(status, 401);
    for (name, password) in [("nobody", PASSWORD), ("bob", PASSWORD), ("new", "")] {
        let Answer(status, cookie, said) = signs_in(&daemon, name, password).await;
        assert_eq!((status, &said), (401, &wrong), "{name}");
        assert!(cookie.unwrap().contains("Max-Age=0"));
    }
    // The pause after a failure doubles, until it is longer than an attempt takes.
    let mut statuses = Vec::new();
    for _ in 0..8 {
        let Answer(status, _, said) = signs_in(&daemon, "ann", OTHER).await;
        assert!(
            status == 401 || said["error"]["code"] == "RATE_LIMITED",
            "{said}"
        );
        statuses.push(status);
    }
    assert!(statuses.contains(&429), "{statuses:?}");
    for body in ["", "{}", r#"{"name": 1, "password": "x"}"#, "[1", "\u{1}"] {
        let request = asks(&daemon, Method::POST, "session").body(body);
        assert_eq!(answered(request).await.0, 400, "{body}");
    }
    assert_eq!(follows(&daemon, "no link", PASSWORD).await.0, 401);
    assert_eq!(daemon.asked_with("levels", &ann.token).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_may_try_twenty_times_a_minute_and_others_go_on() {
    let shop = TestShop::opens().await;
    let settings = Settings {
        server: "trusted_proxies = [\"127.0.0.1\"]".to_owned(),
        ..Settings::default()
    };
    let daemon = TestDaemon::with(&shop, settings).await;
    let from = async |address: &str, number: usize| {
        let body = json!({ "name": format!("name {number}"), "password": "x" });
        let request = asks(&daemon, Method::POST, "session")
            .header("X-Forwarded-For", address)
            .header("X-Forwarded-Proto", "https");
        answered(request.json(&body)).await.0
    };
    let mut refused = 0;
    for number in 0..40 {
        refused += usize::from(from("203.0.113.9", number).await == 429);
    }
    assert!(refused > 0, "forty attempts, and none was too many");
    assert_eq!(from("203.0.113.10", 99).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_are_taken_over_tls_or_on_the_machine_itself() {
    let shop = TestShop::opens().await;
    let settings = Settings {
        server: "trusted_proxies = [\"127.0.0.1\"]".to_owned(),
        ..Settings::default()
    };
    let daemon = TestDaemon::with(&shop, settings).await;
    daemon.imported().await;
    newcomer(&daemon, json!({ "name": "ann", "role": "staff" })).await;
    let by = async |headers: &[(&'static str, &str)]| {
        let body = json!({ "name": "ann", "password": PASSWORD });
        let mut request = asks(&daemon, Method::POST, "session").json(&body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        answered(request).await
    };
    let client = ("X-Forwarded-For", "203.0.113.9");
    for proto in [None, Some("http"), Some("https, http")] {
        let proto = proto.map(|proto| ("X-Forwarded-Proto", proto));
        let headers: Vec<_> = [client].into_iter().chain(proto).collect();
        let Answer(status, cookie, said) = by(&headers).await;
        assert_eq!(
            (status, &said["error"]["code"], cookie),
            (403, &json!("TLS_REQUIRED"), None)
        );
    }
    // Somebody else's proxy on this machine passes on the name that was called.
    assert_eq!(by(&[("Host", "stock.example")]).await.0, 403);
    let Answer(status, cookie, _) = by(&[client, ("X-Forwarded-Proto", "https")]).await;
    let cookie = cookie.unwrap();
    assert!(status == 200 && cookie.starts_with("__Host-stockd="));
    assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Secure"));
    let options = async |proto: &str| {
        let request = asks(&daemon, Method::GET, "session/options");
        let request = request.header(client.0, client.1);
        answered(request.header("X-Forwarded-Proto", proto)).await.2
    };
    let told = |tls: bool| json!({ "passwordLogin": true, "providers": [], "tls": tls });
    assert_eq!(options("https").await, told(true));
    assert_eq!(options("http").await, told(false));

    // Over TLS the page's origin begins with https.
    let cookie = cookie.split_once(';').unwrap().0;
    let refresh = async |origin: &str| {
        let request = asks(&daemon, Method::POST, "session/refresh")
            .header(client.0, client.1)
            .header("X-Forwarded-Proto", "https")
            .header("Host", "stock.example")
            .header(COOKIE, cookie);
        answered(request.header(ORIGIN, origin)).await.0
    };
    assert_eq!(refresh("https://stock.example").await, 200);
    assert_eq!(refresh("http://stock.example").await, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cookie_does_nothing_but_fetch_tokens_for_our_own_page_and_end() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let ann = newcomer(&daemon, json!({ "name": "ann", "role": "admin" })).await;
    for path in ["levels", "sessions", "users", "status"] {
        let request = with_cookie(&daemon, Method::GET, path, &ann.cookie);
        assert_eq!(answered(request).await.0, 401, "{path}");
    }
    for (method, path) in [
        (Method::POST, "session/refresh"),
        (Method::DELETE, "session"),
    ] {
        let request = || asks(&daemon, method.clone(), path).header(COOKIE, &ann.cookie);
        let url = daemon.url();
        let another = url.replace("127.0.0.1", "localhost");
        for origin in ["https://evil.example", "null", "", &another] {
            let refused = answered(request().header(ORIGIN, origin)).await;
            assert_eq!(refused.0, 403, "{path} {origin}");
        }
        assert_eq!(answered(request()).await.0, 403, "{path} without an origin");
        let twice = request().header(ORIGIN, &url).header(ORIGIN, &url);
        assert_eq!(answered(twice).await.0, 403, "{path} of two origins");
    }
    // A stolen token fetches no other, and neither does a made-up cookie.
    for cookie in ["stockd=", "stockd=x", "a=b", "__Host-stockd=x"] {
        let request = with_cookie(&daemon, Method::POST, "session/refresh", cookie);
        let Answer(status, _, said) = answered(request.bearer_auth(&ann.token)).await;
        assert_eq!(
            (status, &said["error"]["code"]),
            (401, &json!("TOKEN_INVALID"))
        );
    }
    let request = with_cookie(&daemon, Method::POST, "session/refresh", &ann.cookie);
    assert_eq!(answered(request).await.0, 200, "it is still good");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_what_somebody_may_do_ends_their_sockets_and_is_told() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let admin_token = daemon.token(&admin());
    let mut watching = daemon.client(&admin()).await;
    watching
        .asks(
            "subscribe:notifications",
            &json!({ "types": ["security:alert"] }),
        )
        .await;
    let mut ann = newcomer(&daemon, json!({ "name": "ann", "role": "staff" })).await;
    for change in [
        json!({ "role": "manager" }),
        json!({ "locations": ["7"] }),
        json!({ "shops": [] }),
        json!({ "shops": null }),
    ] {
        let mut client = Client::connects(&daemon.url(), "/oda", &ann.token);
        client.connected().await;
        let (status, said) = changes(&daemon, &ann.id, &admin_token, change.clone()).await;
        assert_eq!(status, 200, "{said}");
        assert_eq!(
            client.event("error").await["code"],
            "TOKEN_INVALID",
            "{change}"
        );
        assert_eq!(client.disconnected().await, "io server disconnect");
        assert_eq!(daemon.asked_with("status", &ann.token).await.0, 401);
        let refresh = with_cookie(&daemon, Method::POST, "session/refresh", &ann.cookie);
        assert_eq!(answered(refresh).await.0, 401);
        let told = watching.event_where("notification", |told| {
            told["type"] == "security:alert" && told["data"]["userId"] == json!(ann.id)
        });
        told.await;
        ann = signed_in(signs_in(&daemon, "ann", PASSWORD).await);
    }
    // Their own password, too.
    let password = json!({ "password": OTHER, "currentPassword": "not this one" });
    let (status, said) = changes(&daemon, &ann.id, &ann.token, password).await;
    assert_eq!(
        (status, &said["error"]["field"]),
        (400, &json!("currentPassword"))
    );
    let forgotten = json!({ "password": OTHER });
    assert_eq!(
        changes(&daemon, &ann.id, &ann.token, forgotten).await.0,
        400
    );
    tests::eventually("the pause after a failure is over", async || {
        let password = json!({ "password": OTHER, "currentPassword": PASSWORD });
        let (status, _) = changes(&daemon, &ann.id, &ann.token, password).await;
        (status == 200).then_some(())
    })
    .await;
    assert_eq!(daemon.asked_with("status", &ann.token).await.0, 401);
    let again = signed_in(signs_in(&daemon, "ann", OTHER).await);
    assert_eq!(daemon.asked_with("status", &again.token).await.0, 200);

    // Signing out everywhere, and what `stockd revoke` does.
    let (status, ended) = bearing(&daemon, Method::DELETE, "sessions", &again.token).await;
    assert_eq!((status, &ended["ended"]), (200, &json!(1)));
    assert_eq!(daemon.asked_with("status", &again.token).await.0, 401);
    let revoked = json!({ "userId": ann.id });
    let last = signed_in(signs_in(&daemon, "ann", OTHER).await);
    assert_eq!(
        daemon.posted("revocations", &admin(), &revoked).await.0,
        200
    );
    let refresh = with_cookie(&daemon, Method::POST, "session/refresh", &last.cookie);
    assert_eq!(answered(refresh).await.0, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_managed_by_admins_of_every_shop_and_nobody_promotes_themselves() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let ann = newcomer(&daemon, json!({ "name": "ann", "role": "staff" })).await;
    let chief = newcomer(&daemon, json!({ "name": "chief", "role": "admin" })).await;
    for (method, path) in [
        (Method::GET, "users".to_owned()),
        (Method::POST, format!("users/{}/link", chief.id)),
        (Method::GET, format!("sessions?user={}", chief.id)),
        (Method::DELETE, format!("sessions?user={}", chief.id)),
        (Method::PATCH, format!("users/{}", chief.id)),
    ] {
        let (status, _) = bearing(&daemon, method, &path, &ann.token).await;
        assert_eq!(status, 403, "{path}");
    }
    for change in [
        json!({ "role": "admin" }),
        json!({ "locations": null }),
        json!({ "disabled": false }),
    ] {
        for user in [&ann, &chief] {
            let refused = changes(&daemon, &user.id, &user.token, change.clone()).await;
            assert_eq!(refused.0, 403, "{change}");
        }
    }
    let language = json!({ "language": "en" });
    let (status, changed) = changes(&daemon, &ann.id, &ann.token, language).await;
    assert_eq!((status, &changed["language"]), (200, &json!("en")));
    assert_eq!(daemon.asked_with("status", &ann.token).await.0, 200);
    for (change, code) in [
        (json!({ "role": "super_admin" }), 403),
        (
            json!({ "password": OTHER, "currentPassword": PASSWORD }),
            403,
        ),
        (json!({ "role": "customer" }), 400),
        (json!({ "role": "king" }), 400),
        (json!({ "language": "no language" }), 400),
        (json!({ "nickname": "x" }), 400),
    ] {
        let refused = changes(&daemon, &ann.id, &chief.token, change.clone()).await;
        assert_eq!(refused.0, code, "{change}");
    }
    let nobody = changes(&daemon, "u_nobody", &chief.token, json!({})).await;
    assert_eq!(nobody.0, 404);
    let same = json!({ "name": "ANN", "role": "staff" });
    assert_eq!(daemon.posted("users", &admin(), &same).await.0, 409);
    let boss = json!({ "name": "boss", "role": "super_admin" });
    assert_eq!(daemon.posted("users", &admin(), &boss).await.0, 403);
    let path = format!("sessions?user={}", ann.id);
    let (status, theirs) = bearing(&daemon, Method::GET, &path, &chief.token).await;
    assert_eq!((status, theirs["data"].as_array().unwrap().len()), (200, 1));
    assert_eq!(theirs["data"][0]["current"], false);
    let one = format!("sessions/{}", theirs["data"][0]["id"].as_str().unwrap());
    let (status, _) = bearing(&daemon, Method::DELETE, &one, &chief.token).await;
    assert_eq!(status, 404, "it is another's");
    let (status, _) = bearing(&daemon, Method::DELETE, &one, &ann.token).await;
    assert_eq!(status, 200);
    let (status, users) = bearing(&daemon, Method::GET, "users", &chief.token).await;
    let names: Vec<&Value> = users["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| &user["name"])
        .collect();
    assert_eq!((status, names), (200, vec![&json!("ann"), &json!("chief")]));
    assert!(!users.to_string().contains("argon2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_one_issuer_never_passes_for_the_others() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let ann = newcomer(&daemon, json!({ "name": "ann", "role": "staff" })).await;
    let secret = Settings::default().jwt_secret;
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    let base = json!({ "iss": "stockd", "sub": ann.id, "role": "admin", "sid": "x", "exp": 4_000_000_000_u64 });
    let with = |field: &str, value: Value| {
        let mut claims = base.clone();
        claims[field] = value;
        claims
    };
    for claims in [
        base.clone(),
        with("iss", json!("another")),
        with("iss", json!(null)),
        with("sub", json!("unix:root")),
    ] {
        let forged = forged(&header, &claims, Some(&secret));
        assert_eq!(
            daemon.asked_with("status", &forged).await.0,
            401,
            "{claims}"
        );
    }
    // Ours, under another name: the signature does not hold, by whichever key.
    let mut parts = ann.token.split('.');
    let (head, _, signature) = (parts.next(), parts.next(), parts.next());
    let renamed = forged(&header, &with("iss", json!("another")), None);
    let claims = renamed.split('.').nth(1).unwrap();
    let renamed = format!("{}.{claims}.{}", head.unwrap(), signature.unwrap());
    assert_eq!(daemon.asked_with("status", &renamed).await.0, 401);
    assert_eq!(daemon.asked_with("status", &ann.token).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn administrators_of_the_machine_need_no_token_and_the_audit_names_them() {
    let shop = TestShop::opens().await;
    let settings = Settings {
        jwt_secret: String::new(),
        ..Settings::default()
    };
    let daemon = TestDaemon::with(&shop, settings).await;
    let config = daemon.config_path();
    let config = config.to_str().unwrap();
    let done = |arguments: &[&str]| {
        let ended = stockd_ends(&[arguments, &["--json", "--config", config]].concat());
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.err);
        serde_json::from_str::<Value>(&ended.out).unwrap()
    };
    let added = done(&["user", "add", "Ann Berg", "--role", "admin"]);
    let link = added["link"].as_str().unwrap();
    let (page, link) = link.split_once("/#link=").unwrap();
    assert_eq!(page, daemon.url());
    let ann = signed_in(follows(&daemon, link, PASSWORD).await);
    assert_eq!(daemon.asked_with("users", &ann.token).await.0, 200);
    let listed = done(&["user", "list"]);
    assert_eq!(listed["data"][0]["hasPassword"], true);

    // A lost password, and somebody who leaves.
    let again = done(&["user", "password", "ann berg"]);
    let link = again["link"]
        .as_str()
        .unwrap()
        .split_once("/#link=")
        .unwrap()
        .1
        .to_owned();
    let ann = signed_in(follows(&daemon, &link, OTHER).await);
    assert_eq!(done(&["user", "disable", "Ann Berg"])["disabled"], true);
    assert_eq!(daemon.asked_with("users", &ann.token).await.0, 401);
    let ended = stockd_ends(&["user", "password", "Ann Berg", "--config", config]);
    assert!(
        ended.code == 1 && ended.err.contains("enable them first"),
        "{}",
        ended.err
    );
    assert_eq!(done(&["user", "enable", "Ann Berg"])["disabled"], false);
    for (arguments, code, why) in [
        (
            &["user", "disable", "Bob"][..],
            1,
            "there is no user \"Bob\"",
        ),
        (
            &["user", "add", "ann BERG", "--role", "staff"],
            1,
            "of this name already",
        ),
        (&["user", "add", "Bob", "--role", "guest"], 2, "--role"),
        (&["user", "add", "Bob", "--role", "king"], 2, "a role is"),
    ] {
        let ended = stockd_ends(&[arguments, &["--config", config]].concat());
        assert_eq!(ended.code, code, "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains(why), "{arguments:?}: {}", ended.err);
    }

    // Any command, under the name of the Unix user.
    let token = done(&["token", "--role", "staff", "--user", "till-7"]);
    let token = token["token"].as_str().unwrap();
    tests::eventually("everything is imported", async || {
        let (_, status) = daemon.asked_with("status", token).await;
        let mut all = status["resources"].as_array()?.iter();
        all.all(|resource| !resource["completeUntil"].is_null())
            .then_some(())
    })
    .await;
    let spot = shop.spot(0, 50).await;
    let adjust = ["inventory", "adjust", "--delta", "-1", "--reason", "broken"];
    let at = ["--item", &spot.item, "--location", &spot.location];
    done(&[&adjust[..], &at].concat());
    let (status, commands) = daemon.asked_with("commands", token).await;
    assert_eq!(status, 200, "{commands}");
    assert_eq!(commands["data"][0]["by"], "unix:root");
    // The token can be taken back as any other.
    let revoked = done(&["revoke", "--user", "till-7"]);
    assert_eq!(revoked["ok"], true);
    assert_eq!(daemon.asked_with("commands", token).await.0, 401);
    // Tokens for anybody are given out there and nowhere else.
    let wanted = json!({ "role": "admin" });
    let ann = signed_in(signs_in(&daemon, "ann berg", OTHER).await);
    let request = asks(&daemon, Method::POST, "tokens").bearer_auth(&ann.token);
    assert_eq!(answered(request.json(&wanted)).await.0, 403);
}
