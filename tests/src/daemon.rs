//! The daemon as an administrator has it: the real binary, a configuration file, a log, signals.

use std::fs::{File, OpenOptions};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use daemon::config::{Config, Environment};
use schemas::Role;
use serde_json::Value;
use tempfile::TempDir;

use crate::binary::stockd;
use crate::shop::{ACCESS_TOKEN, DOMAIN, SECRET};
use crate::{Client, TestShop, Token, Webhook, eventually};

/// A cron expression for what is not to happen during a test.
const NEVER: &str = "0 0 0 1 1 * 2099";

/// What differs from one daemon to another.
#[derive(Debug, Clone)]
pub struct Settings {
    /// When quick runs are due, as a cron expression.
    pub quick: String,
    /// Whether it believes that systemd's journal reads its log, and writes JSON.
    pub journal: bool,
    /// Value of `RUST_LOG`.
    pub log: String,
    /// What tokens are signed with; without it no issuer is configured.
    pub jwt_secret: String,
    /// An origin that pages may come from.
    pub origin: String,
    /// Lines of its `[[shop]]` with what opens the API.
    pub credentials: String,
    /// Further lines of its `[[server]]`.
    pub server: String,
    /// Further lines of its `[[shop]]`.
    pub shop: String,
    /// Further lines of its `[sync]`.
    pub sync: String,
    /// The lines of `[realtime]`.
    pub realtime: String,
    /// Further sections of the configuration.
    pub sections: String,
    /// A file with the authorities that it trusts in place of the machine's.
    pub authorities: Option<PathBuf>,
    /// Where its database is; below its own folder, unless that says from the root on.
    pub store: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            quick: NEVER.to_owned(),
            journal: false,
            log: "info".to_owned(),
            jwt_secret: "a-secret-of-the-tests-with-32-bytes-or-more".to_owned(),
            origin: "https://stock.example".to_owned(),
            credentials: format!("access_token = \"{ACCESS_TOKEN}\""),
            server: String::new(),
            shop: String::new(),
            sync: String::new(),
            realtime: String::new(),
            sections: String::new(),
            authorities: None,
            store: PathBuf::from("stockd.db"),
        }
    }
}

impl Settings {
    /// With the client id and secret of the pretend app in place of a token.
    #[must_use]
    pub fn by_client(self) -> Self {
        let credentials = format!("client_id = \"pretend-client\"\nclient_secret = \"{SECRET}\"");
        Self {
            credentials,
            ..self
        }
    }
}

/// A daemon in a process and a folder of its own.
///
/// When dropped it is killed, and the test fails if it logged an error that was not [expected](Self::expects_error).
pub struct TestDaemon {
    folder: TempDir,
    config: Box<Config>,
    settings: Settings,
    address: String,
    child: Option<Child>,
    expected: Vec<String>,
    pub(crate) http: reqwest::Client,
}

impl TestDaemon {
    /// Starts a daemon on that shop, whose webhooks go there from now on, and waits until everything is imported.
    pub async fn on(shop: &TestShop) -> Self {
        let daemon = Self::with(shop, Settings::default()).await;
        daemon.imported().await;
        daemon
    }

    /// Starts one with other settings; the import may still be under way.
    pub async fn with(shop: &TestShop, settings: Settings) -> Self {
        let daemon = Self::made(shop, settings);
        shop.tells(&format!("{}/webhooks/shopify", daemon.url()))
            .await;
        daemon.started().await
    }

    /// Starts one that sees to its subscriptions itself.
    pub async fn subscribing(shop: &TestShop, settings: Settings) -> Self {
        let mut daemon = Self::made(shop, settings.clone());
        let address = format!("{}/webhooks/shopify", daemon.url());
        daemon.configure(
            shop,
            Settings {
                shop: format!("webhook_address = \"{address}\""),
                ..settings
            },
        );
        daemon.started().await
    }

    /// Writes the configuration that the daemon reads at its next start.
    pub fn configure(&mut self, shop: &TestShop, settings: Settings) {
        let text = configuration(&shop.url(), &self.address, self.folder.path(), &settings);
        std::fs::write(self.config_path(), &text).unwrap();
        self.settings = settings;
    }

    async fn started(mut self) -> Self {
        self.starts().await;
        self
    }

    fn made(shop: &TestShop, settings: Settings) -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let text = configuration(&shop.url(), &address, folder.path(), &settings);
        std::fs::write(folder.path().join("stockd.toml"), &text).unwrap();
        let config = Config::read(&text, "the test's configuration", &Environment::default())
            .unwrap()
            .into();
        let http = reqwest::Client::builder()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        Self {
            folder,
            config,
            settings,
            address,
            child: None,
            expected: Vec::new(),
            http,
        }
    }

    /// Starts the process and waits until it is ready.
    pub async fn starts(&mut self) {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())
            .unwrap();
        let child = Command::new(stockd())
            .args(["run", "--config"])
            .arg(self.config_path())
            .env_clear()
            .env("RUST_LOG", &self.settings.log)
            .envs(self.settings.journal.then_some(("JOURNAL_STREAM", "8:1")))
            .envs(
                self.settings
                    .authorities
                    .iter()
                    .map(|file| ("SSL_CERT_FILE", file)),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        self.child = Some(child);
        eventually("the daemon is ready", async || {
            let answer = self
                .http
                .get(format!("{}/readyz", self.url()))
                .send()
                .await
                .ok()?;
            answer.status().is_success().then_some(())
        })
        .await;
    }

    /// Ends the process in the middle of whatever it is doing.
    pub fn killed(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks the process to end and waits until it has.
    pub async fn terminated(&mut self) -> ExitStatus {
        self.is_signalled("TERM");
        let mut child = self.child.take().unwrap();
        eventually("the daemon has ended", async || child.try_wait().unwrap()).await
    }

    /// Sends it that signal.
    pub fn is_signalled(&self, name: &str) {
        let process = self.child.as_ref().unwrap().id().to_string();
        assert!(
            Command::new("kill")
                .args([&format!("-{name}"), &process])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Whether the process still runs.
    pub fn still_runs(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// An error line with this text in it is part of the test.
    pub fn expects_error(&mut self, text: &str) {
        self.expected.push(text.to_owned());
    }

    /// Everything it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap()
    }

    /// Its own folder, for what belongs to the test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Its configuration file.
    pub fn config_path(&self) -> PathBuf {
        self.folder.path().join("stockd.toml")
    }

    /// Where it listens, as `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The base URL that the daemon listens on.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// For requests that no other helper makes.
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// A token that it takes.
    pub fn token(&self, token: &Token) -> String {
        token.signed(&self.config)
    }

    /// A client on `/oda`, connected.
    pub async fn client(&self, token: &Token) -> Client {
        let mut client = Client::connects(&self.url(), "/oda", &self.token(token));
        client.connected().await;
        client
    }

    /// What it says of itself.
    pub async fn health(&self) -> Value {
        self.http
            .get(format!("{}/readyz", self.url()))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }

    /// The offset at the end of the log.
    pub async fn offset(&self) -> String {
        self.health().await["offset"].as_str().unwrap().to_owned()
    }

    /// Before the first entry of the log.
    pub async fn beginning(&self) -> String {
        let offset = self.offset().await;
        format!("{}.0", offset.split_once('.').unwrap().0)
    }

    /// Asks under `/api/v1/`: status and body.
    pub async fn asked(&self, path: &str, token: &Token) -> (u16, Value) {
        self.asked_with(path, &self.token(token)).await
    }

    /// The same with a token as text.
    pub async fn asked_with(&self, path: &str, token: &str) -> (u16, Value) {
        let request = self
            .http
            .get(format!("{}/api/v1/{path}", self.url()))
            .bearer_auth(token);
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Posts under `/api/v1/`: status and body.
    pub async fn posts(&self, path: &str, body: &Value, token: &Token) -> (u16, Value) {
        let request = self
            .http
            .post(format!("{}/api/v1/{path}", self.url()))
            .bearer_auth(self.token(token));
        let answer = request.json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// A whole list under `/api/v1/`, page by page, as that token sees it.
    pub async fn list(&self, path: &str, token: &Token) -> Vec<Value> {
        let (mut records, mut after) = (Vec::new(), None::<String>);
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let behind = after
                .as_ref()
                .map(|after| format!("&after={after}"))
                .unwrap_or_default();
            let (status, page) = self
                .asked(&format!("{path}{joint}limit=1000{behind}"), token)
                .await;
            assert_eq!(status, 200, "{path}: {page}");
            let data = page["data"].as_array().unwrap();
            let last = data.len();
            records.extend(data.iter().cloned());
            let next = page["next"].as_str().map(str::to_owned);
            // The log always says where to go on; a list stops saying so.
            if next.is_none() || next == after || (path.starts_with("events") && last == 0) {
                return records;
            }
            after = next;
        }
    }

    /// Every event of the log, or of those rooms, as an admin sees it.
    pub async fn events(&self, rooms: Option<&str>) -> Vec<Value> {
        let path = rooms.map_or_else(
            || "events".to_owned(),
            |rooms| format!("events?rooms={rooms}"),
        );
        self.list(&path, &Token::of(Role::Admin)).await
    }

    /// Waits until the first runs of every resource are completed.
    pub async fn imported(&self) {
        eventually("everything is imported", async || {
            let runs = self.runs().await;
            let done = |what: &str| {
                runs.iter()
                    .any(|run| run["resource"] == what && run["state"] == "completed")
            };
            ["products", "inventory", "orders", "customers"]
                .into_iter()
                .all(done)
                .then_some(())
        })
        .await;
    }

    /// All runs, newest first.
    pub async fn runs(&self) -> Vec<Value> {
        let (_, runs) = self.asked("runs?limit=1000", &Token::of(Role::Admin)).await;
        runs["data"].as_array().unwrap().clone()
    }

    /// Posts JSON under `/api/v1/`: status and body.
    pub async fn posted(&self, path: &str, token: &Token, body: &Value) -> (u16, Value) {
        let request = self
            .http
            .post(format!("{}/api/v1/{path}", self.url()))
            .bearer_auth(self.token(token));
        let answer = request.body(body.to_string()).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Who is connected, and what was counted.
    pub async fn realtime(&self) -> Value {
        let (status, figures) = self.asked("realtime", &Token::of(Role::Admin)).await;
        assert_eq!(status, 200, "{figures}");
        figures
    }

    /// Posts a webhook: the answer's status.
    pub async fn receives(&self, webhook: &Webhook) -> u16 {
        let mut request = self
            .http
            .post(format!("{}/webhooks/shopify", self.url()))
            .body(webhook.body.clone());
        for (name, value) in &webhook.headers {
            request = request.header(name, value);
        }
        request.send().await.unwrap().status().as_u16()
    }

    /// How many deliveries of a topic are in a state.
    pub async fn deliveries(&self, topic: &str, state: &str) -> u64 {
        let (_, answer) = self.asked("deliveries", &Token::of(Role::Admin)).await;
        let counts = answer["counts"].as_array().unwrap().iter();
        let counts = counts.filter(|row| row["topic"] == topic && row["state"] == state);
        counts.map(|row| row["count"].as_u64().unwrap()).sum()
    }

    /// Waits until everything in the inbox was applied, ignored or set aside.
    pub async fn inbox_is_empty(&self) {
        eventually("the inbox is empty", async || {
            let (_, answer) = self.asked("deliveries", &Token::of(Role::Admin)).await;
            let counts = answer["counts"].as_array().unwrap();
            counts
                .iter()
                .all(|row| row["state"] != "pending")
                .then_some(())
        })
        .await;
    }

    /// A level in the mirror.
    pub async fn level(&self, item: &str, location: &str) -> Option<Value> {
        let levels = self
            .list(
                &format!("levels?locationId={location}"),
                &Token::of(Role::Admin),
            )
            .await;
        levels
            .into_iter()
            .find(|level| level["inventoryItemId"] == item)
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("stderr.log")
    }

    fn unexpected(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
        let bad = log.lines().filter(|line| {
            let error =
                line.split_whitespace().nth(1) == Some("ERROR") || line.contains("panicked at");
            error && !self.expected.iter().any(|text| line.contains(text))
        });
        bad.map(str::to_owned).collect()
    }
}

impl Drop for TestDaemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; the log says why.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.log_path()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(40)..];
            // Through the test harness, which shows it with the failure.
            std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("--- the daemon's last words\n{}\n---\n", tail.join("\n")).as_bytes(),
            )
            .unwrap();
            return;
        }
        let unexpected = self.unexpected();
        assert!(
            unexpected.is_empty(),
            "the daemon logged errors nobody expected:\n{}",
            unexpected.join("\n")
        );
    }
}

/// An address on loopback where nobody listens: below the ports that systems give to outgoing connections, so that
/// a daemon finds its own again after a restart.
pub fn free_address() -> String {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 10_000).unwrap();
    loop {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let address = format!("127.0.0.1:{port}");
        if TcpListener::bind(&address).is_ok() {
            return address;
        }
    }
}

fn configuration(shop: &str, address: &str, folder: &Path, settings: &Settings) -> String {
    let Settings {
        quick,
        jwt_secret,
        origin,
        credentials,
        server,
        shop: more,
        sync,
        realtime,
        sections,
        store,
        ..
    } = settings;
    let auth = if jwt_secret.is_empty() {
        String::new()
    } else {
        format!("[auth]\nsecret = \"{jwt_secret}\"")
    };
    let url = format!("sqlite:{}", folder.join(store).display());
    // A file, so that a listing of the folder shows what a test left.
    drop(File::create(folder.join("stderr.log")).unwrap());
    format!(
        r#"
[[server]]
listen = "{address}"
origins = ["{origin}"]
{server}
{auth}
[realtime]
{realtime}
[store]
url = "{url}"
[[shop]]
domain = "{DOMAIN}"
{credentials}
webhook_secrets = ["{SECRET}"]
api_url = "{shop}"
{more}
[sync]
{sync}
[sync.products]
quick = "{quick}"
full = "{NEVER}"
[sync.inventory]
quick = "{quick}"
full = "{NEVER}"
[sync.orders]
quick = "{quick}"
full = "{NEVER}"
[sync.customers]
quick = "{quick}"
full = "{NEVER}"
{sections}
"#
    )
}
