//! The command line: sentences, exit codes, JSON for programs, and nothing secret anywhere.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use schemas::{Role, Timestamp};
use serde_json::{Value, json};
use tests::{
    Client, PATIENCE, Settings, TestDaemon, TestDemo, TestShop, Token, Watcher, Webhook,
    eventually, forged, free_address, stockd, stockd_ends,
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
    std::fs::write(
        &file,
        text.replace("FOLDER", folder.path().to_str().unwrap()),
    )
    .unwrap();
    stockd_ends(&["run", "--config", file.to_str().unwrap()])
}

#[test]
fn a_mistake_in_the_configuration_is_named_with_place_and_remedy() {
    let cases: [(&str, &str, &[&str]); 13] = [
        ("listen =", "lisen =", &["line 3", "lisen"]),
        ("\"127.0.0.1:0\"", "\"nowhere\"", &["line 3", "listen"]),
        (
            "0123456789abcdef0123456789abcdef",
            "short",
            &["auth.secret", "at least 32", "openssl rand"],
        ),
        (
            "pretend.myshopify.com",
            "pretend.example",
            &["<name>.myshopify.com"],
        ),
        ("[\"hush\"]", "[]", &["webhook_secrets", "one secret"]),
        (
            "[auth]",
            "[sync.products]\nquick = \"often\"\n[auth]",
            &["quick", "cron", "six fields"],
        ),
        (
            "sqlite:FOLDER/stockd.db",
            "postgres:x",
            &["no store", "sqlite:"],
        ),
        (
            "[[server]]",
            "[server]",
            &["stockd.toml, line 2, column 1: ", "write [[server]]"],
        ),
        (
            "[\"hush\"]",
            "\"hush\"",
            &["line 11, column 19: shop.webhook_secrets must be a list"],
        ),
        (
            "access_token",
            "acces_token = \"hush\"\n#",
            &[
                "line 10, column 1: shop.acces_token",
                "did you mean access_token?",
            ],
        ),
        (
            "[store]",
            "[store]\nlog_days = 0",
            &["line 7, column 12: store.log_days is 1 to 3650 days"],
        ),
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
        assert!(
            ended.err.starts_with("stockd: ") && ended.out.is_empty(),
            "{}",
            ended.err
        );
        for word in expected {
            assert!(
                ended.err.contains(word),
                "{wrong} does not say {word}: {}",
                ended.err
            );
        }
        assert!(
            !ended.err.contains("panicked") && !ended.err.contains("hush"),
            "{}",
            ended.err
        );
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
        &[
            "token", "--config", "x", "--role", "staff", "--user", "ann", "--ttl", "0s",
        ],
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
        let (_, examples) = ended.out.split_once("\nExample").unwrap();
        assert!(
            examples.contains(&format!("stockd {command}")),
            "{}",
            ended.out
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_that_is_taken_is_said_in_a_sentence() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(daemon.config_path()).unwrap();
    let other = text.replace(
        daemon.folder().to_str().unwrap(),
        folder.path().to_str().unwrap(),
    );
    let ended = run_with(&other);
    assert_eq!(ended.code, 1, "{}", ended.err);
    let sentence = format!(
        "stockd: cannot listen on {}: is another program there?",
        daemon.address()
    );
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
    second
        .args(["run", "--config"])
        .arg(&config)
        .env_clear()
        .kill_on_drop(true);
    let ended = timeout(PATIENCE, second.output())
        .await
        .expect("it runs beside the first one")
        .unwrap();
    let err = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{err}");
    assert!(
        err.contains("stockd.db: does another stockd run on it?"),
        "{err}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_from_the_command_line_opens_what_it_says() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let (config, spot) = (daemon.config_path(), shop.spot(0, 1).await);
    let config = config.to_str().unwrap();
    let args = [
        "token",
        "--config",
        config,
        "--role",
        "staff",
        "--user",
        "ann",
        "--locations",
        &spot.location,
    ];

    let ended = stockd_ends(&args);

    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
    let token = ended.out.trim_end();
    assert_eq!(ended.out, format!("{token}\n"));
    let mut client = Client::connects(&daemon.url(), "/oda", token);
    let connected = client.connected().await;
    assert_eq!(
        (&connected["userId"], &connected["role"]),
        (&json!("ann"), &json!("staff"))
    );
    let (status, levels) = daemon.asked_with("levels?limit=1000", token).await;
    assert_eq!(status, 200);
    let levels = levels["data"].as_array().unwrap();
    assert!(
        levels
            .iter()
            .all(|level| level["locationId"] == spot.location.as_str())
            && !levels.is_empty()
    );

    let ended = stockd_ends(&[&args[..], &["--json"]].concat());
    let printed: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(
        daemon
            .asked_with("products", printed["token"].as_str().unwrap())
            .await
            .0,
        200
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watch_ends_with_a_sentence_when_it_is_refused_for_good() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let guest = daemon.token(&Token::of(Role::Guest));
    for (token, rooms, reason) in [
        ("nonsense".to_owned(), "", "Invalid or expired token"),
        // What somebody asks for by name is not left out in silence.
        (guest, "orders:all", "Your role"),
    ] {
        let url = daemon.url();
        let mut args = vec![
            "watch".to_owned(),
            "--url".to_owned(),
            url,
            "--token".to_owned(),
            token,
        ];
        if !rooms.is_empty() {
            args.extend(["--rooms".to_owned(), rooms.to_owned()]);
        }
        let watch = move || stockd_ends(&args.iter().map(String::as_str).collect::<Vec<_>>());
        let ended = tokio::task::spawn_blocking(watch).await.unwrap();
        assert_eq!(ended.code, 1);
        assert!(ended.err.contains(reason), "{}", ended.err);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demonstration_prints_one_line_and_serves() {
    let (listen, origin) = (free_address(), "http://localhost:5173");
    let options = [
        "--products",
        "10",
        "--locations",
        "2",
        "--shoppers",
        "20",
        "--origin",
        origin,
    ];
    // A variable is over the option, as it is over a file.
    let demo = TestDemo::starts(&options, &[("STOCKD_SERVER__LISTEN", &listen)]);

    assert_eq!(demo.url(), format!("http://{listen}"));
    assert!(
        demo.about["simUrl"]
            .as_str()
            .unwrap()
            .starts_with("http://127.0.0.1:")
    );
    assert_eq!(demo.about["shop"], "pretend.myshopify.com");
    assert!(demo.about["webhookSecret"].is_string());
    let tokens = demo.about["tokens"].as_object().unwrap();
    let roles: Vec<&str> = tokens.keys().map(String::as_str).collect();
    assert_eq!(
        roles,
        ["admin", "customer", "guest", "manager", "service", "staff"]
    );
    for (role, token) in tokens {
        let mut client = Client::connects(demo.url(), "/oda", token.as_str().unwrap());
        assert_eq!(client.connected().await["role"], role.as_str());
    }
    let mut client = Client::connects(demo.url(), "/oda", demo.token("staff"));
    client.connected().await;
    client.asks("subscribe:inventory", &json!({})).await;
    client.event("inventory:updated").await;

    let http = reqwest::Client::new();
    let preflight = http
        .request(
            reqwest::Method::OPTIONS,
            format!("{}/api/v1/levels", demo.url()),
        )
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "GET")
        .send()
        .await
        .unwrap();
    assert_eq!(preflight.headers()["access-control-allow-origin"], origin);
    let kept = read(&demo.folder().join("demo.json"));
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), demo.about);

    let (code, more) = demo.ends().await;
    assert_eq!((code, more.len()), (Some(0), 0), "{more:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_token_of_the_demonstration_can_watch_and_its_customer_has_orders() {
    let demo = TestDemo::starts(&["--products", "10", "--shoppers", "20"], &[]);
    demo.imported().await;
    for role in ["admin", "customer", "guest", "manager", "service", "staff"] {
        let mut command = demo.shell("stockd watch");
        command.env("STOCKD_TOKEN", demo.token(role));
        let mut watching = Watching::of(&mut command);
        let first = watching.line().await;
        assert!(
            first.contains(&format!("as demo-{role} ({role})")),
            "{role}: {first}"
        );
        if ["admin", "manager", "staff"].contains(&role) {
            while !watching.line().await.contains("order:updated") {}
        }
        assert!(watching.still_runs(), "{role}");
    }
    let orders: Value = reqwest::Client::new()
        .get(format!("{}/api/v1/orders", demo.url()))
        .bearer_auth(demo.token("customer"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert!(!orders["data"].as_array().unwrap().is_empty(), "{orders}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_only_the_first_screen_can_reserve_something() {
    let (listen, sim_listen) = (free_address(), free_address());
    let demo = format!(
        "stty rows 24 cols 80; exec {} demo --listen {listen} --sim-listen {sim_listen} --shoppers 20",
        stockd().display()
    );
    let mut terminal = Command::new("script");
    terminal
        .args(["-qec", &demo, "/dev/null"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin");
    let mut terminal = Watching::of(
        terminal
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .stdin(Stdio::piped()),
    );
    let mut screen = Vec::new();
    while !screen
        .last()
        .is_some_and(|line: &String| line.contains("inventory:updated"))
    {
        screen.push(terminal.line().await);
    }

    let text = screen.join("\n");
    assert!(
        text.contains(&format!("http://{listen}/")) && text.contains("demo.json"),
        "{text}"
    );
    let (_, region) = text
        .rsplit_once(";24r")
        .map(|(before, _)| before.rsplit_once("\u{1b}[").unwrap())
        .unwrap();
    assert!(
        region.parse::<usize>().unwrap() <= 20,
        "the panel leaves no room for events: {text}"
    );
    for colour in ["\u{1b}[2m", "\u{1b}[3"] {
        assert!(
            !text.contains(colour),
            "colours in spite of NO_COLOR: {text:?}"
        );
    }
    // What is to be typed: the variables, and a command that ends in the next line.
    let lines = screen.iter().map(|line| line.trim_end());
    let exports = lines.clone().filter(|line| line.starts_with("export "));
    let begins = lines
        .clone()
        .position(|line| line.contains("inventory reserve"))
        .unwrap();
    let typed: Vec<&str> = exports.chain(lines.skip(begins).take(2)).collect();
    assert!(typed[typed.len() - 2].ends_with('\\'), "{typed:?}");
    let typed = Command::new("sh")
        .args(["-c", &typed.join("\n")])
        .env_clear()
        .output()
        .unwrap();
    let printed = String::from_utf8(typed.stdout).unwrap();
    assert!(
        typed.status.success() && printed.contains("reservation"),
        "{printed}"
    );

    terminal
        .child
        .stdin
        .take()
        .unwrap()
        .write_all(b"\x03")
        .unwrap();
    eventually("Ctrl-C ends it", async || {
        terminal.child.try_wait().unwrap()
    })
    .await;
    assert!(std::net::TcpStream::connect(&listen).is_err());
}

/// A command that goes on, read line by line; ended when dropped.
struct Watching {
    child: Child,
    lines: tokio::sync::mpsc::Receiver<String>,
}

impl Watching {
    fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = tokio::sync::mpsc::channel(64);
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        timeout(PATIENCE, self.lines.recv())
            .await
            .expect("nothing is printed")
            .expect("it has ended")
    }

    fn still_runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every subcommand, with the examples of its help.
fn examples(command: &str, found: &mut Vec<String>) {
    let words: Vec<&str> = command.split(' ').skip(1).chain(["--help"]).collect();
    let help = stockd_ends(&words).out;
    let (_, printed) = help
        .split_once("\nExample")
        .unwrap_or_else(|| panic!("no example: {command} --help"));
    let printed = printed
        .strip_prefix('s')
        .unwrap_or(printed)
        .trim_start_matches([':', ' ', '\n']);
    let lines = printed.lines().map(str::trim);
    found.extend(lines.take_while(|line| !line.is_empty()).map(str::to_owned));
    let Some((_, listed)) = help.split_once("\nCommands:\n") else {
        return;
    };
    let names = listed.lines().take_while(|line| !line.is_empty());
    for name in names
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
    {
        examples(&format!("{command} {name}"), found);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_of_every_help_runs_as_printed_against_the_demonstration() {
    let mut all = Vec::new();
    examples("stockd", &mut all);
    assert!(
        all.len() > 15 && all.iter().all(|line| line.starts_with("stockd ")),
        "{all:#?}"
    );
    let demo = TestDemo::starts(&[], &[]);
    demo.imported().await;
    let reserve = all
        .iter()
        .find(|line| line.contains("reserve") && line.contains("--reference"))
        .unwrap();
    for example in &all {
        match example.split(' ').nth(1).unwrap() {
            // These take the ports that others may be using.
            "demo" | "sim" => {
                let free = example
                    .replace("stockd sim", "stockd sim --json")
                    .replace("stockd demo", "stockd demo --json --listen 127.0.0.1:0");
                let mut running =
                    Watching::of(&mut demo.shell(&format!("{free} --sim-listen 127.0.0.1:0")));
                let line = running.line().await;
                assert!(
                    line.contains("simUrl") && running.still_runs(),
                    "{example}: {line}"
                );
            }
            "watch" => {
                let mut running = Watching::of(&mut demo.shell(example));
                assert!(
                    !running.line().await.is_empty() && running.still_runs(),
                    "{example}"
                );
            }
            // It would be a second daemon on the demonstration's database.
            "run" => {}
            _ => {
                if example.contains("--reservation") {
                    is_held(&demo, reserve).await;
                }
                let ended = demo.does(example);
                assert_eq!(ended.code, 0, "{example}: {}{}", ended.out, ended.err);
            }
        }
    }
    let (run, folder) = (
        all.iter()
            .find(|line| line.starts_with("stockd run"))
            .unwrap(),
        tempfile::tempdir().unwrap(),
    );
    let config = read(&demo.folder().join("stockd.toml"));
    let mine = config.replace(
        demo.folder().to_str().unwrap(),
        folder.path().to_str().unwrap(),
    );
    let listen = free_address();
    let mine = mine.replace(demo.url().trim_start_matches("http://"), &listen);
    std::fs::write(folder.path().join("stockd.toml"), mine).unwrap();
    let _running = Watching::of(demo.shell(run).current_dir(folder.path()));
    eventually("the daemon is ready", async || {
        reqwest::get(format!("http://{listen}/readyz"))
            .await
            .ok()
            .filter(|answer| answer.status().is_success())
    })
    .await;
}

/// Sees to an open reservation that the examples name, and that Shopify holds it.
async fn is_held(demo: &TestDemo, reserve: &str) {
    let (mut line, reference) = (
        reserve.to_owned(),
        reserve.split("--reference ").nth(1).unwrap(),
    );
    let reference = reference.split(' ').next().unwrap();
    eventually("the reservation is held", async || {
        let open: Value = reqwest::Client::new()
            .get(format!("{}/api/v1/reservations?limit=1000", demo.url()))
            .bearer_auth(demo.token("admin"))
            .send()
            .await
            .ok()?
            .json()
            .await
            .ok()?;
        let ours = open["data"]
            .as_array()?
            .iter()
            .find(|open| open["reference"] == reference)
            .cloned();
        if ours.is_none() && !line.is_empty() {
            let ended = demo.does(&std::mem::take(&mut line));
            assert_eq!(ended.code, 0, "{}", ended.err);
        }
        (ours?["state"] == "held").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_values_exit_2_whoever_finds_them_and_errors_are_json_for_programs() {
    let demo = TestDemo::starts(&["--products", "10", "--shoppers", "0"], &[]);
    demo.imported().await;
    let sku = "KETTLE-00001-1";
    let cases = [
        // Found by the command line itself, by the daemon, and by neither of them: it is how things stand.
        (
            "stockd inventory adjust --item x".to_owned(),
            2,
            "USAGE",
            "--delta",
        ),
        (
            format!("stockd inventory adjust --item {sku} --delta 1 --reason x"),
            2,
            "LOCATION_REQUIRED",
            "location",
        ),
        (
            format!(
                "stockd inventory reserve --item {sku} --location 7000001032772 --quantity 0 --reason x"
            ),
            2,
            "INVALID_PAYLOAD",
            "quantity",
        ),
        (
            format!(
                "stockd inventory reserve --item {sku} --location 7000001032772 --quantity 1 --ttl 900d --reason x"
            ),
            2,
            "INVALID_PAYLOAD",
            "ttlSeconds",
        ),
        (
            "stockd inventory adjust --item NO-SUCH-SKU --delta 1 --reason x".to_owned(),
            1,
            "FAILED",
            "NO-SUCH-SKU",
        ),
        (
            "stockd inventory release --reservation nobody".to_owned(),
            1,
            "FAILED",
            "nobody",
        ),
        (
            "stockd status --shop elsewhere.myshopify.com".to_owned(),
            1,
            "NOT_FOUND",
            "elsewhere",
        ),
        (
            "stockd status --url http://127.0.0.1:1".to_owned(),
            1,
            "FAILED",
            "no daemon answers",
        ),
        (
            "stockd token --config nowhere.toml --role staff --user ann".to_owned(),
            2,
            "USAGE",
            "nowhere.toml",
        ),
    ];
    for (line, code, name, word) in cases {
        let ended = demo.does(&line);
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (code, ""),
            "{line}: {}",
            ended.err
        );
        let ended = demo.does(&format!("{line} --json"));
        assert_eq!(ended.code, code, "{line}: {}", ended.err);
        let told: Value =
            serde_json::from_str(&ended.err).unwrap_or_else(|_| panic!("{line}: {}", ended.err));
        assert_eq!(told["error"]["code"], name, "{line}: {told}");
        assert!(ended.err.contains(word), "{line}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sync_shows_what_shopify_writes_joins_a_run_under_way_and_leaves_it_running() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    shop.does(
        "faults",
        &json!({ "bulk": { "operations": 1, "ending": "stuck", "afterObjects": 5 } }),
    )
    .await;
    let command = |args: &str| {
        let path = daemon.config_path();
        let mut command = Command::new("sh");
        let line = format!(
            "exec {} sync inventory {args} --config {} 2>&1",
            stockd().display(),
            path.display()
        );
        command.args(["-c", &line]).env_clear().stdin(Stdio::null());
        command
    };
    let mut first = Watching::of(&mut command("--full"));
    let run = eventually("Shopify is seen writing", async || {
        let runs = daemon.runs().await;
        runs.into_iter()
            .find(|run| run["state"] == "running" && run["bulkObjects"].as_u64() > Some(0))
    })
    .await;

    let told = Command::new("kill")
        .args(["-INT", &first.child.id().to_string()])
        .status()
        .unwrap();
    assert!(told.success());
    let said = first.line().await;
    assert!(said.contains("the run goes on in the daemon"), "{said}");
    let ended = eventually("the command has ended", async || {
        first.child.try_wait().unwrap()
    })
    .await;
    assert_eq!(ended.code(), Some(1));

    let mut second = Watching::of(&mut command(""));
    let said = second.line().await;
    assert_eq!(said, "a full run of inventory is under way: showing it");
    let cancelled = command("--cancel").output().unwrap();
    assert!(cancelled.status.success(), "{cancelled:?}");
    let mut said = Vec::new();
    while let Some(line) = timeout(PATIENCE, second.lines.recv()).await.unwrap() {
        said.push(line);
    }
    assert!(
        said.last().unwrap().contains("somebody cancelled the run"),
        "{said:?}"
    );
    let runs = daemon.runs().await;
    let full = runs.iter().filter(|other| {
        other["resource"] == "inventory" && other["startedAt"].as_str() >= run["startedAt"].as_str()
    });
    assert_eq!(full.count(), 1, "a second run was begun: {runs:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_can_be_named_by_its_sku_where_only_one_has_it() {
    let shop = TestShop::opens().await;
    let daemon = TestDaemon::on(&shop).await;
    let truth = shop.truth().await;
    let variants: Vec<Value> = truth["variants"].as_array().unwrap()[..2].to_vec();
    let location = truth["locations"][0]["id"].as_str().unwrap().to_owned();
    let (url, token) = (daemon.url(), daemon.token(&Token::of(Role::Admin)));
    let does = |words: &[&str]| {
        let args: Vec<&str> = [words, &["--url", &url, "--token", &token]].concat();
        stockd_ends(&args)
    };
    let adjusts = |item: &str| {
        does(&[
            "inventory",
            "adjust",
            "--item",
            item,
            "--location",
            &location,
            "--delta",
            "1",
            "--reason",
            "found",
            "--json",
        ])
    };
    let text = |variant: &Value, key: &str| variant[key].as_str().unwrap().to_owned();
    let (sku, item) = (
        text(&variants[0], "sku"),
        text(&variants[0], "inventoryItemId"),
    );

    let by_sku: Value = serde_json::from_str(&adjusts(&sku).out).unwrap();
    assert_eq!(by_sku["level"]["inventoryItemId"], item.as_str());
    let listed = does(&["levels", "--sku", &sku]).out;
    assert!(
        listed
            .lines()
            .skip(1)
            .all(|line| line.contains(&sku) && line.contains(&item)),
        "{listed}"
    );
    assert_eq!(
        listed.lines().count(),
        1 + truth["locations"].as_array().unwrap().len()
    );
    let low = does(&["levels", "--low", "--json"]).out;
    let low: Value = serde_json::from_str(&low).unwrap();
    assert!(
        low["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|level| level["status"] != "in_stock"),
        "{low}"
    );

    // Now a second one has it, too.
    let second = &variants[1];
    let id = text(second, "inventoryItemId");
    let held = truth["inventoryItems"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["id"] == id.as_str())
        .unwrap();
    let updated: Timestamp = text(held, "updatedAt").parse().unwrap();
    let later = Timestamp::from_second(updated.as_second() + 1).unwrap();
    let renamed = json!({
        "id": id.parse::<u64>().unwrap(), "sku": sku, "tracked": true, "created_at": updated, "updated_at": later,
    });
    daemon
        .receives(&Webhook::of("inventory_items/update", &renamed))
        .await;
    eventually("both items have the SKU", async || {
        let listed = does(&["levels", "--sku", &sku]).out;
        listed
            .contains(&text(second, "inventoryItemId"))
            .then_some(())
    })
    .await;
    let refused = adjusts(&sku);
    assert_eq!(refused.code, 2, "{}", refused.out);
    assert!(
        refused.err.contains(&item) && refused.err.contains(&text(second, "inventoryItemId")),
        "{}",
        refused.err
    );
    assert_eq!(adjusts(&item).code, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_and_nobodys_name_reaches_a_log() {
    let shop = TestShop::opens().await;
    let jwt_secret = "canary-jwt-secret-of-more-than-32-bytes".to_owned();
    let settings = Settings {
        log: "debug".to_owned(),
        jwt_secret: jwt_secret.clone(),
        ..Settings::default()
    };
    let daemon = TestDaemon::with(&shop, settings).await;
    daemon.imported().await;
    let (email, admin) = (
        "canary@people.example",
        daemon.token(&Token::of(Role::Admin)),
    );
    let expired = daemon.token(&Token::of(Role::Admin).good_for(-60));
    let foreign = forged(
        &json!({ "alg": "HS256" }),
        &json!({ "sub": "canary-user", "exp": 1 }),
        Some("x"),
    );

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
            client
                .asks("auth:refresh", &json!({ "token": foreign }))
                .await;
        } else {
            client.refused().await;
        }
    }
    shop.sells(&shop.spot(0, 1).await, 1).await;
    watcher.hears("order:updated").await;
    daemon.inbox_is_empty().await;

    let log = daemon.log();
    assert!(
        log.contains("DEBUG") && log.contains("Could not read a webhook"),
        "the log tells what happened"
    );
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
            assert!(
                line.is_none(),
                "{canary} is in {whose} log: {}",
                line.unwrap()
            );
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
