//! What settings mean, and how wrong ones are refused.

use super::*;

const MINIMAL: &str = include_str!("minimal.toml");

fn refusal(text: &str) -> String {
    Config::read(text, "stockd.toml", &Environment::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn a_minimal_file_is_enough() {
    let config = Config::read(MINIMAL, "stockd.toml", &Environment::default()).unwrap();
    assert_eq!(config.server[0].listen.to_string(), "127.0.0.1:8080");
}

#[test]
fn a_variable_wins_over_the_file() {
    let environment = Environment::from([
        ("STOCKD_SERVER__LISTEN", "127.0.0.1:9999"),
        ("STOCKD_HOME", "/x"),
    ]);
    let config = Config::read(MINIMAL, "stockd.toml", &environment).unwrap();
    assert_eq!(config.server[0].listen.to_string(), "127.0.0.1:9999");
}

#[test]
fn customers_names_are_wanted_only_where_somebody_says_so() {
    let wanted = |environment| {
        let config = Config::read(MINIMAL, "stockd.toml", &environment)?;
        Ok::<_, ConfigError>(config.shop[0].customer_names)
    };
    let said = |value| wanted(Environment::from([("STOCKD_SHOP__CUSTOMER_NAMES", value)]));
    assert!(!wanted(Environment::default()).unwrap() && said("true").unwrap());
    let refusal = said("yes").unwrap_err().to_string();
    assert!(
        refusal.contains("customer_names must be true or false"),
        "{refusal}"
    );
}

#[test]
fn a_part_that_the_build_leaves_out_is_refused_by_its_setting() {
    let read = |lines: &str| {
        Config::read(&format!("{MINIMAL}\n{lines}"), "x", &Environment::default()).unwrap()
    };
    let refused = |lines: &str, built| read(lines).check_parts(built).unwrap_err();
    let broker = "[amqp]\nurl = \"amqp://broker.example\"";
    if cfg!(feature = "amqp") {
        let refusal = refused(
            broker,
            Parts {
                amqp: false,
                sentry: true,
            },
        );
        assert!(
            refusal.path == "amqp" && refusal.why.contains("cargo build --release"),
            "{refusal:?}"
        );
    }
    if cfg!(feature = "sentry") {
        let dsn = "[alerts]\nsentry_dsn = \"https://public@sentry.example/1\"";
        let refusal = refused(
            dsn,
            Parts {
                amqp: true,
                sentry: false,
            },
        );
        assert_eq!(refusal.path, "alerts.sentry_dsn");
    }
    assert!(
        read("")
            .check_parts(Parts {
                amqp: false,
                sentry: false
            })
            .is_ok()
    );
}

#[test]
fn channels_of_alerts_that_cannot_work_are_refused_with_a_remedy() {
    let refused = |lines: &str| refusal(&format!("{MINIMAL}\n{lines}"));
    let smtp = "[alerts.smtp]\nhost = \"mail.example\"\nfrom = \"stockd <stock@shop.example>\"\n";
    let email = "[[alerts.email]]\nevents = [\"order_created\"]\nto = [\"a@shop.example\"]\n";
    let good = format!("{MINIMAL}\n{smtp}{email}quiet_hours = \"22:00-07:00\"\n");
    assert!(Config::read(&good, "stockd.toml", &Environment::default()).is_ok());
    for (lines, remedy) in [
        (email.to_owned(), "[alerts.smtp]"),
        (format!("{smtp}user = \"me\"\n"), "belong together"),
        (
            format!("{smtp}user = \"me\"\npassword = \"x\"\nsecurity = \"none\"\n"),
            "password",
        ),
        (
            smtp.replace("stockd <stock@shop.example>", "stockd"),
            "stockd <stock@example.com>",
        ),
        (
            format!("{smtp}{}", email.replace("a@shop.example", "nobody")),
            "stock@example.com",
        ),
        (
            format!("{smtp}{}", email.replace("order_created", "orders")),
            "order_created",
        ),
        (
            format!("{smtp}{}", email.replace("\"order_created\"", "")),
            "events is empty",
        ),
        (format!("{smtp}{email}{email}"), "a name of its own"),
        (format!("{smtp}{email}name = \"a b\"\n"), "letters"),
        (format!("{smtp}{email}digest_minutes = 2000\n"), "a day"),
        (
            format!("{smtp}{email}quiet_hours = \"at night\"\n"),
            "22:00-07:00",
        ),
        (
            format!("{smtp}{email}shops = []\n"),
            "alerts.email.shops is no setting",
        ),
        (
            "[alerts]\ntime_zone = \"Berlin\"\n".to_owned(),
            "Europe/Berlin",
        ),
    ] {
        let refusal = refused(&lines);
        assert!(refusal.contains(remedy), "{lines}: {refusal}");
    }
}

#[test]
fn a_channel_can_come_from_the_environment_alone() {
    let environment = Environment::from([
        ("STOCKD_ALERTS__SMTP__HOST", "smtp.example.com"),
        ("STOCKD_ALERTS__SMTP__FROM", "stock@shop.example"),
        ("STOCKD_ALERTS__EMAIL__EVENTS", "[\"order_created\"]"),
        ("STOCKD_ALERTS__EMAIL__TO", "[\"admin@shop.example\"]"),
    ]);
    let config = Config::read(MINIMAL, "stockd.toml", &environment).unwrap();
    assert_eq!(
        config.alerts.email[0].to[0].to_string(),
        "admin@shop.example"
    );
}

#[test]
fn a_secret_in_a_variable_is_taken_as_it_is_and_never_repeated() {
    for secret in [
        "12345678901234567890123456789012345",
        "1234567890",
        "1_000",
        "1e5",
        "0x1f",
        "true",
        "1.50",
        "2026-01-01",
    ] {
        let environment = Environment::from([("STOCKD_AUTH__SECRET", secret)]);
        let config = Config::read(MINIMAL, "stockd.toml", &environment).unwrap();
        let taken = config
            .auth
            .secret
            .unwrap()
            .resolve("auth.secret", &environment)
            .unwrap();
        assert_eq!(taken, secret);
    }
    for secret in ["[\"hush\"]", "{ hush = 1 }"] {
        let environment = Environment::from([("STOCKD_AUTH__SECRET", secret)]);
        let refusal = Config::read(MINIMAL, "stockd.toml", &environment)
            .unwrap_err()
            .to_string();
        assert!(
            refusal.contains("auth.secret") && !refusal.contains("hush"),
            "{refusal}"
        );
        assert!(refusal.contains("a secret is a text"), "{refusal}");
    }
}

/// What is said of a file where these lines stand in place of those of the minimal one.
fn said(from: &str, to: &str) -> String {
    let file = include_str!("minimal.toml");
    assert!(from.is_empty() || file.contains(from), "{from}");
    let text = if from.is_empty() {
        format!("{file}{to}\n")
    } else {
        file.replacen(from, to, 1)
    };
    match Config::read(&text, "s.toml", &Environment::default()) {
        Err(error) => error.to_string(),
        Ok(config) => match crate::secrets::Secrets::fetch(&config, &Environment::default()) {
            Err(error) => error.to_string(),
            Ok(_) => "taken".to_owned(),
        },
    }
}

#[test]
fn a_bad_setting_is_refused_with_its_line_the_reason_and_the_remedy() {
    let listen = r#"listen = "127.0.0.1:8080""#;
    let domain = r#"domain = "pretend.myshopify.com""#;
    let origin = |origin: &str| {
        said(
            listen,
            &format!("origins = [\"https://a.example\", \"{origin}\"]"),
        )
    };
    let shop = |line: &str| said("", line);
    let refused = [
        // Of the wrong shape.
        (
            said("[[server]]", "[server]"),
            "s.toml, line 1, column 1: server may stand there several times: write [[server]] for [server]",
        ),
        (
            said("[auth]", "[[auth]]"),
            "s.toml, line 3, column 1: auth stands there once: write [auth] for [[auth]]",
        ),
        (
            said(listen, "lisen = 1"),
            "s.toml, line 2, column 1: server.lisen is no setting: did you mean listen? There are listen, root, origins, trusted_proxies, trusted_networks, hosts",
        ),
        (
            said(listen, "listen = 8080"),
            "s.toml, line 2, column 10: server.listen must be a text: put one that looks like a number into quotes of its own, '\"7\"' in a variable",
        ),
        (
            said(listen, r#"listen = "nowhere""#),
            "s.toml, line 2, column 10: server.listen is no address and port: write 127.0.0.1:8080, [::1]:8080 or localhost:8080",
        ),
        (
            said(listen, r#"listen = "1.2.3:80""#),
            "s.toml, line 2, column 10: server.listen is no address and port: write 127.0.0.1:8080, [::1]:8080 or localhost:8080",
        ),
        (
            said(listen, r#"listen = "localhost:70000""#),
            "s.toml, line 2, column 10: server.listen is no address and port: write 127.0.0.1:8080, [::1]:8080 or localhost:8080",
        ),
        (
            said("secret =", "issuer = \"\"\nsecret ="),
            "s.toml, line 4, column 10: auth.issuer is empty: say something, or take it out",
        ),
        (
            said("[auth]", "[auth]\nalgorithm = \"HS512\""),
            "s.toml, line 4, column 13: auth.algorithm must be one of \"HS256\", \"RS256\", \"ES256\", \"EdDSA\"",
        ),
        (
            said("[[server]]", "[[server]"),
            "s.toml, line 1, column 10: this is no TOML: unclosed array table, expected `]`",
        ),
        // Missing.
        (
            said("[auth]\nsecret", "[store]\nsecret"),
            "s.toml, line 4, column 1: store.secret is no setting: There are url, log_days, deliveries_days",
        ),
        (
            Config::read(
                "[[server]]\n[auth]\nsecret = \"x\"\n",
                "s.toml",
                &Environment::default(),
            )
            .unwrap_err()
            .to_string(),
            "s.toml: shop is missing: write [[shop]] with domain, access_token and webhook_secrets",
        ),
        (
            Config::read(
                "[auth]\nsecret = \"x\"\n",
                "s.toml",
                &Environment::default(),
            )
            .unwrap_err()
            .to_string(),
            "s.toml: server is missing: write [[server]] with listen = \"127.0.0.1:8080\"",
        ),
        (
            Config::read("[[server]]\n", "s.toml", &Environment::default())
                .unwrap_err()
                .to_string(),
            "s.toml: shop is missing: write [[shop]] with domain, access_token and webhook_secrets",
        ),
        (
            said(domain, ""),
            "s.toml, line 5, column 1: shop.domain is missing: write domain = … there",
        ),
        (
            said(
                "secret = \"0123456789abcdef0123456789abcdef\"",
                "algorithm = \"HS256\"",
            ),
            "s.toml, line 4, column 13: auth.algorithm HS256 needs auth.secret, and neither auth.public_key nor auth.jwks",
        ),
        (
            said(
                "secret = \"0123456789abcdef0123456789abcdef\"",
                "audience = \"stock\"",
            ),
            "s.toml, line 3, column 1: auth.secret is missing, so no token could say what auth.issuer and auth.audience ask for: add auth.secret, auth.public_key or auth.jwks",
        ),
        (
            said("secret =", "issuer = \"stockd\"\nsecret ="),
            "s.toml, line 4, column 10: auth.issuer is stockd's own name, under which it gives out tokens to its users: give the other issuer another",
        ),
        // Without effect, or with another than was meant.
        (
            origin("*"),
            "s.toml, line 2, column 33: server.origins matches no page: no pattern is taken; list each origin, such as \"https://stock.example.com\"",
        ),
        (
            origin("https://*.example.com"),
            "s.toml, line 2, column 33: server.origins matches no page: no pattern is taken; list each origin, such as \"https://stock.example.com\"",
        ),
        (
            origin("https://b.example/"),
            "s.toml, line 2, column 33: server.origins matches no page, because browsers write it otherwise: write \"https://b.example\"",
        ),
        (
            origin("https://b.example:443"),
            "s.toml, line 2, column 33: server.origins matches no page, because browsers write it otherwise: write \"https://b.example\"",
        ),
        (
            origin("http://b.example:80"),
            "s.toml, line 2, column 33: server.origins matches no page, because browsers write it otherwise: write \"http://b.example\"",
        ),
        (
            origin("https://B.example"),
            "s.toml, line 2, column 33: server.origins matches no page, because browsers write it otherwise: write \"https://b.example\"",
        ),
        (
            origin("HTTPS://b.example"),
            "s.toml, line 2, column 33: server.origins matches no page, because browsers write it otherwise: write \"https://b.example\"",
        ),
        (
            origin("https://bücher.example"),
            "s.toml, line 2, column 33: server.origins matches no page, because browsers write it otherwise: write \"https://xn--bcher-kva.example\"",
        ),
        (
            origin("wss://b.example:443"),
            "s.toml, line 2, column 33: server.origins matches no page, because browsers write it otherwise: write \"wss://b.example\"",
        ),
        (
            origin("capacitor://localhost/"),
            "s.toml, line 2, column 33: server.origins matches no page: write scheme and host in small letters, and no path, such as \"capacitor://localhost\"",
        ),
        (
            origin("https://me:hush@b.example"),
            "s.toml, line 2, column 33: server.origins matches no page: write scheme and host, such as \"https://stock.example.com\"",
        ),
        (
            origin("b.example"),
            "s.toml, line 2, column 33: server.origins matches no page: write scheme and host, such as \"https://stock.example.com\"",
        ),
        (
            origin("null"),
            "s.toml, line 2, column 33: server.origins stands for pages without an origin, which anybody can make: serve yours from a host and list that",
        ),
        (
            origin(""),
            "s.toml, line 2, column 33: server.origins is empty: say something, or take it out",
        ),
        (
            said(listen, r#"trusted_networks = ["0.0.0.0/0"]"#),
            "s.toml, line 2, column 21: server.trusted_networks holds too much of the internet, so that anybody could post events without a token: name the very addresses, or networks of /8 and smaller (IPv6: /32)",
        ),
        (
            said(listen, r#"trusted_networks = ["10.0.0.0/8", "::/0"]"#),
            "s.toml, line 2, column 35: server.trusted_networks holds too much of the internet, so that anybody could post events without a token: name the very addresses, or networks of /8 and smaller (IPv6: /32)",
        ),
        (
            said(listen, r#"trusted_proxies = ["128.0.0.0/1"]"#),
            "s.toml, line 2, column 20: server.trusted_proxies holds too much of the internet, so that anybody could claim any address: name the very addresses, or networks of /8 and smaller (IPv6: /32)",
        ),
        (
            said(listen, r#"trusted_proxies = ["::ffff:10.0.0.0/104"]"#),
            "s.toml, line 2, column 20: server.trusted_proxies names IPv4 addresses in IPv6's way and would match none: write it as 10.0.0.0/8",
        ),
        (
            said(listen, r#"trusted_proxies = ["proxy"]"#),
            "s.toml, line 2, column 19: server.trusted_proxies is no address or network: write 192.0.2.7 or 10.0.0.0/8",
        ),
        (
            said("[auth]", "[[server]]\nlisten = \"127.0.0.1:8080\"\n[auth]"),
            "s.toml, line 4, column 10: server.listen stands there twice: give each [[server]] an address or port of its own",
        ),
        (
            said("pretend.", "example."),
            "s.toml, line 6, column 10: shop.domain is still the example's: write your shop's, <name>.myshopify.com",
        ),
        (
            said("pretend.myshopify.com", "shop.example.com"),
            "s.toml, line 6, column 10: shop.domain is not a shop's domain: expected <name>.myshopify.com",
        ),
        (
            shop("webhook_address = \"https://stock.example.com\""),
            "s.toml, line 9, column 19: shop.webhook_address leads past the daemon, which takes webhooks at /webhooks/shopify only: write https://<your host>/webhooks/shopify",
        ),
        (
            shop("webhook_address = \"stock.example.com\""),
            "s.toml, line 9, column 19: shop.webhook_address is no address: write https://<your host>/webhooks/shopify",
        ),
        (
            shop("webhook_address = \"http://stock.example.com/webhooks/shopify\""),
            "s.toml, line 9, column 19: shop.webhook_address begins with https://: Shopify sends webhooks to no other",
        ),
        (
            shop("webhook_address = \"https://10.0.0.5/webhooks/shopify\""),
            "s.toml, line 9, column 19: shop.webhook_address is inside your own network, where Shopify cannot reach it: write the host that your TLS proxy has on the internet",
        ),
        (
            shop("api_url = \"pretend:9090\""),
            "s.toml, line 9, column 11: shop.api_url is no address of an Admin API: write http://127.0.0.1:9090, or leave it out for Shopify's own",
        ),
        (
            shop("api_url = \"http://a b\""),
            "s.toml, line 9, column 11: shop.api_url is no address of an Admin API: write http://127.0.0.1:9090, or leave it out for Shopify's own",
        ),
        (
            shop("client_id = \"x\""),
            "s.toml, line 5, column 1: shop needs either an access_token, or a client_id with its client_secret",
        ),
        (
            shop("default_location = \"x\""),
            "s.toml, line 9, column 20: shop.default_location is not the id of a Location: expected a number or gid://shopify/Location/<number>",
        ),
        // Numbers.
        (
            shop("[store]\nlog_days = 0"),
            "s.toml, line 10, column 12: store.log_days is 1 to 3650 days: clients catch up from the log",
        ),
        (
            shop("[store]\ndeliveries_days = 1"),
            "s.toml, line 10, column 19: store.deliveries_days is 7 to 3650 days: a webhook that is repeated later would be applied twice",
        ),
        (
            shop("[store]\nlog_days = 99999999999999999999999999999999999999999"),
            "s.toml, line 10, column 12: store.log_days is 1 to 3650 days: clients catch up from the log",
        ),
        (
            shop("[store]\nlog_days = 1.5"),
            "s.toml, line 10, column 12: store.log_days must be a whole number",
        ),
        (
            shop("[store]\nlog_days = \"7\""),
            "s.toml, line 10, column 12: store.log_days must be a whole number",
        ),
        (
            shop("[store]\nurl = \"/var/lib/stockd.db\""),
            "s.toml, line 10, column 7: store.url is no store: write \"sqlite:/var/lib/stockd/stockd.db\"",
        ),
        (
            shop("[shop.thresholds]\ndefault = -1"),
            "s.toml, line 10, column 11: shop.thresholds.default is 0 to 1000000000 pieces: at 0 or below a level is out of stock in any case",
        ),
        (
            shop("[shop.thresholds]\nitems = { \"7\" = -1 }"),
            "s.toml, line 10, column 17: shop.thresholds.items.7 is 0 to 1000000000 pieces: at 0 or below a level is out of stock in any case",
        ),
        (
            shop("[shop.thresholds]\nlevels = [{ item = 7, location = 8, threshold = -1 }]"),
            "s.toml, line 10, column 49: shop.thresholds.levels.threshold is 0 to 1000000000 pieces: at 0 or below a level is out of stock in any case",
        ),
        (
            said("[auth]", "[auth]\nleeway_seconds = -5"),
            "s.toml, line 4, column 18: auth.leeway_seconds is 0 to 60 seconds: what is longer keeps expired tokens alive",
        ),
        (
            shop("[realtime]\nconnections_max = 0"),
            "s.toml, line 10, column 19: realtime.connections_max is 1 to 1000000 connections",
        ),
        (
            shop("[realtime]\nrecovery = [\"/\", \"/x\"]"),
            "s.toml, line 10, column 18: realtime.recovery is no namespace: there are \"/\", \"/events\", \"/hub\" and \"/oda\"",
        ),
        (
            shop("[sync.orders]\nquick = \"0 0 0 30 2 *\""),
            "s.toml, line 10, column 9: sync.orders.quick is a time that never comes: write six fields, seconds first, such as \"0 */5 * * * *\", or \"never\"",
        ),
        (
            shop("[sync]\nmissing_percent_max = 101"),
            "s.toml, line 10, column 23: sync.missing_percent_max is 0 to 100 percent",
        ),
        // Secrets that are none.
        (
            said("0123456789abcdef0123456789abcdef", "short-one"),
            "s.toml, line 4, column 10: auth.secret has 9 bytes and needs at least 32: make one with `openssl rand -base64 32`",
        ),
        (
            said("\"shpat_x\"", "\"credential:shop-token\""),
            "s.toml, line 7, column 16: shop.access_token has no credential shop-token: start under systemd with LoadCredential=shop-token:<path>",
        ),
        (
            said("\"shpat_x\"", "\"file:/nowhere/token\""),
            "s.toml, line 7, column 16: shop.access_token cannot be read from /nowhere/token: No such file or directory (os error 2)",
        ),
        (
            said("\"shpat_x\"", "\"two words\""),
            "s.toml, line 7, column 16: shop.access_token cannot be used: a secret has 1 to 512 visible ASCII characters",
        ),
    ];
    let wrong: Vec<_> = refused
        .iter()
        .filter(|(said, wanted)| said != wanted)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    for origin_ok in [
        "https://b.example:8443",
        "http://localhost:3000",
        "http://[::1]:3000",
        "capacitor://localhost",
        "chrome-extension://abcdef",
    ] {
        assert_eq!(origin(origin_ok), "taken", "{origin_ok}");
    }
    for line in [
        r#"listen = "localhost:8080""#,
        r#"listen = "[::1]:8080""#,
        r#"listen = "stock.internal:1""#,
        r#"trusted_networks = ["10.0.0.0/8", "fc00::/7", "192.0.2.7"]"#,
    ] {
        assert_eq!(said(listen, line), "taken", "{line}");
    }
    assert_eq!(
        shop("webhook_address = \"https://stock.example.com/shop/webhooks/shopify\""),
        "taken"
    );
}

#[test]
fn a_bad_variable_is_named() {
    let said = |variable, value| {
        let environment = Environment::from([("STOCKD_SHOP__COMPANY", "c1"), (variable, value)]);
        Config::read(include_str!("minimal.toml"), "s.toml", &environment)
            .map_err(|error| error.to_string())
            .err()
    };
    for (variable, value, wanted) in [
        (
            "STOCKD_SERVER__LISTEN",
            "nowhere",
            "STOCKD_SERVER__LISTEN: server.listen is no address and port: write 127.0.0.1:8080, [::1]:8080 or localhost:8080",
        ),
        (
            "STOCKD_SERVER__LISEN",
            "x",
            "STOCKD_SERVER__LISEN: server.lisen is no setting: did you mean listen? There are listen, root, origins, trusted_proxies, trusted_networks, hosts",
        ),
        (
            "STOCKD_SERVER_LISTEN",
            "x",
            "STOCKD_SERVER_LISTEN: names no setting: write STOCKD_SERVER__LISTEN, with two underscores after each section",
        ),
        (
            "STOCKD_AUTH_SECERT",
            "x",
            "STOCKD_AUTH_SECERT: names no setting: write STOCKD_AUTH__SECRET, with two underscores after each section",
        ),
        (
            "STOCKD_ALERTS_SMTP_PORT",
            "25",
            "STOCKD_ALERTS_SMTP_PORT: names no setting: write STOCKD_ALERTS__SMTP__PORT, with two underscores after each section",
        ),
        (
            "STOCKD_SHOP_TOKENS",
            "x",
            "STOCKD_SHOP_TOKENS: names no setting: write STOCKD_<SECTION>__<KEY>, with two underscores, such as STOCKD_SERVER__LISTEN",
        ),
        (
            "STOCKD_STORE__LOG_DAYS",
            "0",
            "STOCKD_STORE__LOG_DAYS: store.log_days is 1 to 3650 days: clients catch up from the log",
        ),
        (
            "STOCKD_STORE__LOG_DAYS",
            "a week",
            "STOCKD_STORE__LOG_DAYS: store.log_days must be a whole number",
        ),
        (
            "STOCKD_SERVER__ORIGINS",
            "[\"https://a.example/\"]",
            "STOCKD_SERVER__ORIGINS: server.origins matches no page, because browsers write it otherwise: write \"https://a.example\"",
        ),
        (
            "STOCKD_SERVER__ORIGINS",
            "https://a.example",
            "STOCKD_SERVER__ORIGINS: server.origins must be a list, such as [\"one\", \"two\"]",
        ),
        (
            "STOCKD_AUTH__ISSUER",
            "",
            "STOCKD_AUTH__ISSUER: auth.issuer is empty: say something, or take it out",
        ),
        (
            "STOCKD_SHOP__DOMAIN__X",
            "x",
            "STOCKD_SHOP__DOMAIN__X: names no setting: write STOCKD_<SECTION>__<KEY>",
        ),
    ] {
        assert_eq!(said(variable, value).as_deref(), Some(wanted));
    }
    for foreign in [
        "STOCKD_TOKEN",
        "STOCKD_SERVICE_HOST",
        "STOCKD_PORT",
        "STOCKD_PORT_8080_TCP_ADDR",
        "STOCKD_SERVER_PORT",
        "STOCKD_HOME",
    ] {
        assert_eq!(said(foreign, "tcp://10.0.0.1:80"), None, "{foreign}");
    }
}

/// Every way in which a secret may have got into a line: under each setting there is, as each kind of value, and beside it.
#[test]
fn no_error_repeats_what_a_setting_says() {
    let minimal = include_str!("minimal.toml");
    for name in settings::names() {
        let (section, key) = name.rsplit_once('.').unwrap();
        let header = match section {
            "server"
            | "shop"
            | "alerts.email"
            | "alerts.slack"
            | "alerts.webhook"
            | "shop.thresholds.levels" => format!("[[{section}]]"),
            _ => format!("[{section}]"),
        };
        let variable = format!("STOCKD_{}", name.replace('.', "__").to_uppercase());
        let open = format!("{header}\n{key} = \"hush-5e1f");
        for text in [
            format!("{header}\n{key} = \"hush-5e1f\""),
            format!("{header}\n{key} = \"hush-5e1f, expected \\\"x\""),
            format!("{header}\n{key} = [\"hush-5e1f\"]"),
            format!("{header}\n{key} = [[\"hush-5e1f\"]]"),
            format!("{header}\n{key} = {{ x = \"hush-5e1f\" }}"),
            format!("{header}\n{key}x = \"hush-5e1f\""),
            format!("{header}\n{key} = hush-5e1f"),
            format!("{header}\n{key}: hush-5e1f"),
            format!("{header}\n{key} = \"\"\"hush-5e1f"),
            format!("{header}\n{key} = \"x\" \"hush-5e1f\""),
            format!("{header}\n{key} = [\"hush-5e1f\", 1"),
            open,
        ] {
            for text in [format!("{text}\n"), format!("{minimal}{text}\n")] {
                let error = Config::read(&text, "s.toml", &Environment::default())
                    .err()
                    .map(|e| e.to_string());
                let error = error.unwrap_or_default();
                assert!(
                    !error.contains("hush") && !error.contains("5e1f"),
                    "{text}: {error}"
                );
            }
        }
        for value in [
            "hush-5e1f",
            "[\"hush-5e1f\"]",
            "{ x = \"hush-5e1f\" }",
            "[[\"hush-5e1f\"]]",
            "\"hush-5e1f",
        ] {
            let environment = Environment::from([(variable.as_str(), value)]);
            if let Err(error) = Config::read(minimal, "s.toml", &environment) {
                let error = error.to_string();
                assert!(
                    error.starts_with(&variable) || error.starts_with("s.toml"),
                    "{error}"
                );
                assert!(
                    !error.contains("hush") && !error.contains("5e1f"),
                    "{variable}={value}: {error}"
                );
            }
        }
    }
}

/// `[section]` and `key =` of the example, also where they are commented out.
#[test]
fn the_example_names_every_setting_there_is() {
    let example = include_str!("../../../systemd/stockd.toml");
    let (mut section, mut named) = (String::new(), Vec::new());
    for line in example.lines() {
        let line = line.trim_start_matches(['#', ' ']);
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, value)) = line.split_once(" = ")
            && !key.contains(' ')
        {
            named.push(format!("{section}.{key}"));
            let inner = value
                .split(['{', ','])
                .filter_map(|part| part.split_once(" = "));
            named.extend(inner.map(|(inner, _)| format!("{section}.{key}.{}", inner.trim())));
        }
    }
    let missing: Vec<String> = settings::names()
        .into_iter()
        .filter(|name| !named.contains(name))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(settings::names().len() > 60, "{:?}", settings::names());
}

#[test]
fn a_text_that_looks_like_a_number_is_put_into_quotes() {
    let named = |id| {
        Config::read(
            MINIMAL,
            "stockd.toml",
            &Environment::from([("STOCKD_SHOP__ID", id)]),
        )
    };
    let error = named("7").unwrap_err().to_string();
    assert_eq!(
        error,
        "STOCKD_SHOP__ID: shop.id must be a text: put one that looks like a number into quotes of its own, '\"7\"' in a variable"
    );
    assert!(named("\"7\"").is_ok());
}
