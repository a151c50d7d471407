//! The command line: sentences, exit codes, JSON for programs, and nothing secret anywhere.

use std::path::Path;
use std::process::{Command, Stdio};

use schemas::Role;
use serde_json::{Value, json};
use tests::{
    Client, PATIENCE, Settings, TestDaemon, TestShop, Token, Watcher, Webhook, eventually, forged,
    free_address, stockd, stockd_ends,
};
use tokio::time::timeout;

const GOOD: &str = r#"
[[server]]
listen = "127.0.0.1:0"
[auth]
secret = "0123456789abcdef0123456789abcdef"
[store]
url = "sqlite:FOLDER/stockd.db"
[[shop]]
domain = "pretend.myshopify.com"
access_token = "shpat_x"
webhook_secrets = ["hush"]
"#;

/// Writes a configuration and runs `stockd run` on it to its end.
fn run_with(text: &str) -> tests::Ended {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stockd.toml");
    std::fs::write(&file, text.replace("FOLDER", folder.path().to_str().unwrap())).unwrap();
    stockd_ends(&["run", "--config", file.to_str().unwrap()])
}

#[test]
fn a_mistake_in_the_configuration_is_named_with_place_and_remedy() {
    let cases: [(&str, &str, &[&str]); 13] = [
        ("listen =", "lisen =", &["line 3", "lisen"]),
        ("\"127.0.0.1:0\"", "\"nowhere\"", &["line 3", "listen"]),
        ("0123456789abcdef0123456789abcdef", "short", &["auth.secret", "at least 32", "openssl rand"]),
        ("pretend.myshopify.com", "pretend.example", &["<name>.myshopify.com"]),
        ("[\"hush\"]", "[]", &["webhook_secrets", "one secret"]),
        ("[auth]", "[sync.products]\nquick = \"often\"\n[auth]", &["quick", "cron", "six fields"]),
        ("sqlite:FOLDER/stockd.db", "postgres:x", &["no store", "sqlite:"]),
        ("[[server]]", "[server]", &["stockd.toml, line 2, column 1: ", "write [[server]]"]),
        ("[\"hush\"]", "\"hush\"", &["line 11, column 19: shop.webhook_secrets must be a list"]),
        (
            "access_token",
            "acces_token = \"hush\"\n#",
            &["line 10, column 1: shop.acces_token", "did you mean access_token?"],
        ),
        ("[store]", "[store]\nlog_days = 0", &["line 7, column 12: store.log_days is 1 to 3650 days"]),
        (
            "webhook_secrets",
            "api_url = \"no address\"\nwebhook_secrets",
            &["line 11, column 11: shop.api_url", "http://127.0.0.1:9090"],
        ),
        (
            "\"0123456789abcdef0123456789abcdef\"",
            "\"file:/nowhere/secret\"",
            &["auth.secret", "/nowhere/secret"],
        ),
    ];
    for (right, wrong, expected) in cases {
        let ended = run_with(&GOOD.replacen(right, wrong, 1));
        assert_eq!(ended.code, 2, "{wrong}: {}", ended.err);
        assert!(ended.err.starts_with("stockd: ") && ended.out.is_empty(), "{}", ended.err);
        for word in expected {
            assert!(ended.err.contains(word), "{wrong} does not say {word}: {}", ended.err);
        }
        assert!(!ended.err.contains("panicked") && !ended.err.contains("hush"), "{}", ended.err);
    }
    let ended = stockd_ends(&["run", "--config", "/nowhere/stockd.toml"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("/nowhere/stockd.toml"), "{}", ended.err);
}

#[test]
fn wrong_usage_is_refused_with_2_and_help_has_examples() {
    let cases: [&[&str]; 8] = [
        &[],
        &["fly"],
        &["run"],
        &["run", "--config"],
        &["token", "--config", "x", "--role", "king", "--user", "ann"],
        &["token", "--config", "x", "--role", "staff", "--user", "ann", "--ttl", "0s"],
        &["watch", "--url", "ftp://x", "--token", "x"],
        &["sim", "--products", "9000000"],
    ];
    for args in cases {
        let ended = stockd_ends(args);
        assert_eq!(ended.code, 2, "{args:?}: {}", ended.err);
        assert!(!ended.err.is_empty() && ended.out.is_empty(), "{args:?}");
    }
    for command in ["demo", "run", "sim", "token", "watch"] {
        let ended = stockd_ends(&[command, "--help"]);
        assert_eq!(ended.code, 0);
        assert!(ended.out.contains(&format!("Example: stockd {command}")), "{}", ended.out);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_said_in_a_sentence() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(daemon.config_path()).unwrap();
    let other = text.replace(daemon.folder().to_str().unwrap(), folder.path().to_str().unwrap());
    let ended = run_with(&other);
    assert_eq!(ended.code, 1, "{}", ended.err);
    let sentence = format!("stockd: cannot listen on {}: is another program there?", daemon.address());
    assert!(ended.err.contains(&sentence), "{}", ended.err);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_in_use_is_left_alone() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let text = std::fs::read_to_string(daemon.config_path()).unwrap();
    let config = daemon.folder().join("second.toml");
    std::fs::write(&config, text.replace(daemon.address(), &free_address())).unwrap();
    let mut second = tokio::process::Command::new(stockd());
    second.args(["run", "--config"]).arg(&config).env_clear().kill_on_drop(true);
    let ended = timeout(PATIENCE, second.output()).await.expect("it runs beside the first one").unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{err}");
    assert!(err.contains("stockd.db: does another stockd run on it?"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_from_the_command_line_opens_what_it_says() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let (config, spot) = (daemon.config_path(), shop.spot(0, 1).await);
    let config = config.to_str().unwrap();
    let args =
        ["token", "--config", config, "--role", "staff", "--user", "ann", "--locations", &spot.location];

    let ended = stockd_ends(&args);

    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let token = ended.out.trim_end();
    assert_eq!(ended.out, format!("{token}\n"));
    let mut client = Client::connects(&daemon.url(), "/oda", token);
    let connected = client.connected().await;
    assert_eq!((&connected["userId"], &connected["role"]), (&json!("ann"), &json!("staff")));
    let (status, levels) = daemon.asked_with("levels?limit=1000", token).await;
    assert_eq!(status, 200);
    let levels = levels["data"].as_array().unwrap();
    assert!(levels.iter().all(|level| level["locationId"] == spot.location.as_str()) && !levels.is_empty());

    let ended = stockd_ends(&[&args[..], &["--json"]].concat());
    let printed: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(daemon.asked_with("products", printed["token"].as_str().unwrap()).await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watch_ends_with_a_sentence_when_it_is_refused_for_good() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    for (token, reason) in [
        ("nonsense".to_owned(), "Invalid or expired token"),
        (daemon.token(&Token::of(Role::Guest)), "Your role"),
    ] {
        let url = daemon.url();
        let watch = move || stockd_ends(&["watch", "--url", &url, "--token", &token]);
        let ended = tokio::task::spawn_blocking(watch).await.unwrap();
        assert_eq!(ended.code, 1);
        assert!(ended.err.contains(reason), "{}", ended.err);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demonstration_prints_one_line_and_serves() {
    let (listen, sim_listen) = (free_address(), free_address());
    let mut child = Command::new(stockd())
        .args(["demo", "--json", "--listen", &listen, "--sim-listen", &sim_listen])
        .args(["--products", "10", "--locations", "2", "--shoppers", "20"])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(out));
    let line = tokio::task::spawn_blocking(move || (lines.next(), lines)).await.unwrap();
    let printed: Value = serde_json::from_str(&line.0.unwrap().unwrap()).unwrap();

    assert_eq!(printed["url"], format!("http://{listen}"));
    assert_eq!(printed["simUrl"], format!("http://{sim_listen}"));
    assert_eq!(printed["shop"], "pretend.myshopify.com");
    assert!(printed["webhookSecret"].is_string());
    let tokens = printed["tokens"].as_object().unwrap();
    let roles: Vec<&str> = tokens.keys().map(String::as_str).collect();
    assert_eq!(roles, ["admin", "customer", "guest", "manager", "service", "staff"]);
    let url = printed["url"].as_str().unwrap();
    for (role, token) in tokens {
        let mut client = Client::connects(url, "/oda", token.as_str().unwrap());
        assert_eq!(client.connected().await["role"], role.as_str());
    }
    let mut client = Client::connects(url, "/oda", tokens["staff"].as_str().unwrap());
    client.connected().await;
    client.asks("subscribe:inventory", &json!({})).await;
    client.event("inventory:updated").await;

    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    let ended = eventually("the demonstration has ended", async || child.try_wait().unwrap()).await;
    assert_eq!(ended.code(), Some(0));
    // Nothing was printed after the line.
    assert_eq!(line.1.count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_and_nobodys_name_reaches_a_log() {
    let shop = TestShop::opens().await;
    let jwt_secret = "canary-jwt-secret-of-more-than-32-bytes".to_owned();
    let settings =
        Settings { log: "debug".to_owned(), jwt_secret: jwt_secret.clone(), ..Settings::default() };
    let daemon = TestDaemon::with(&shop, settings).await;
    daemon.imported().await;
    let (email, admin) = ("canary@people.example", daemon.token(&Token::of(Role::Admin)));
    let expired = daemon.token(&Token::of(Role::Admin).good_for(-60));
    let foreign = forged(&json!({ "alg": "HS256" }), &json!({ "sub": "canary-user", "exp": 1 }), Some("x"));

    let watch_log = daemon.folder().join("watch.log");
    let watcher = Watcher::watches(&daemon.url(), &admin, &daemon.beginning().await, &watch_log);
    watcher.hears("connected").await;
    let customer = json!({
        "id": 1, "email": email, "first_name": "Canarina", "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z", "phone": "+15550100", "note": { "email": email },
    });
    let broken = format!("{{\"id\": \"{email}\", \"first_name\": \"Canarina\"");
    let wrong_type = json!({ "id": email, "line_items": email, "name": 7 });
    for webhook in [
        Webhook::of("customers/create", &customer),
        Webhook::of("customers/create", &customer).signed_with("wrong"),
        Webhook::raw("customers/update", broken.into_bytes()),
        Webhook::of("orders/create", &wrong_type),
        Webhook::of("orders/create", &customer),
    ] {
        daemon.receives(&webhook).await;
    }
    for token in [&admin, &expired, &foreign] {
        daemon.asked_with("levels?limit=1", token).await;
        let mut client = Client::connects(&daemon.url(), "/oda", token);
        if *token == admin {
            client.connected().await;
            client.asks("auth:refresh", &json!({ "token": foreign })).await;
        } else {
            client.refused().await;
        }
    }
    shop.sells(&shop.spot(0, 1).await, 1).await;
    watcher.hears("order:updated").await;
    daemon.inbox_is_empty().await;

    let log = daemon.log();
    assert!(log.contains("DEBUG") && log.contains("cannot be read"), "the log tells what happened");
    let config = std::fs::read_to_string(daemon.config_path()).unwrap();
    let secret = |field: &str| quoted(&config, field);
    let signature = |token: &str| token.rsplit('.').next().unwrap().to_owned();
    let canaries = [
        jwt_secret,
        secret("access_token"),
        secret("webhook_secrets"),
        signature(&admin),
        signature(&expired),
        signature(&foreign),
        email.to_owned(),
        "Canarina".to_owned(),
        "15550100".to_owned(),
        "Walkin".to_owned(),
    ];
    for (whose, log) in [("the daemon's", log), ("the watcher's", read(&watch_log))] {
        for canary in &canaries {
            let line = log.lines().find(|line| line.contains(canary.as_str()));
            assert!(line.is_none(), "{canary} is in {whose} log: {}", line.unwrap());
        }
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// The first text between quotes on the line of a setting.
fn quoted(config: &str, field: &str) -> String {
    let line = config.lines().find(|line| line.starts_with(field)).unwrap();
    line.split('"').nth(1).unwrap().to_owned()
}
