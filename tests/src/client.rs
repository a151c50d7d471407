//! Socket.IO clients as published, each in a process of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::transcript::Transcript;

pub(crate) const NODE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/node");
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/python");

/// One socket of an unmodified client.
pub struct Client {
    transcript: Transcript,
    /// For each name, up to where it was asked for: what comes by different ways has no order among itself.
    seen: BTreeMap<String, usize>,
    acks: u64,
}

impl Client {
    /// Connects to a namespace with a token.
    pub fn connects(url: &str, namespace: &str, token: &str) -> Self {
        Self::with(url, namespace, &json!({ "auth": { "token": token } }))
    }

    /// Connects with further options of `io()`.
    pub fn with(url: &str, namespace: &str, options: &Value) -> Self {
        Self::published("socket.io-client", url, namespace, options)
    }

    /// Connects as the first `socket.io-client` that could be recovered.
    pub fn oldest(url: &str, namespace: &str, options: &Value) -> Self {
        Self::published("socket.io-client-4.6.0", url, namespace, options)
    }

    /// Connects as python-socketio, with further options of `Client.connect()`.
    pub fn python(url: &str, namespace: &str, options: &Value) -> Self {
        let wanted = json!({ "url": url, "namespace": namespace, "options": options });
        Self::of(python(namespace, &wanted))
    }

    fn published(package: &str, url: &str, namespace: &str, options: &Value) -> Self {
        let wanted =
            json!({ "package": package, "url": format!("{url}{namespace}"), "options": options });
        Self::of(node(namespace, "client.mjs", &wanted))
    }

    fn of(transcript: Transcript) -> Self {
        Self {
            transcript,
            seen: BTreeMap::new(),
            acks: 0,
        }
    }

    /// Waits until the namespace is joined; the payload of `connected`.
    pub async fn connected(&mut self) -> Value {
        self.hears("connect").await;
        self.event("connected").await
    }

    /// Waits until the client has changed transports; to which.
    pub async fn upgraded(&mut self) -> String {
        self.hears("upgrade").await["transport"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The transport it came in by, where it says so.
    pub fn transport(&self) -> Option<String> {
        let lines = self.transcript.lines();
        lines
            .iter()
            .find_map(|line| line["transport"].as_str())
            .map(str::to_owned)
    }

    /// Waits until the namespace is joined again; whether the client takes itself for recovered.
    pub async fn came_back(&mut self) -> bool {
        self.hears("connect").await["recovered"] == true
    }

    /// Has it give up its connection by itself, as when it notices that nothing comes any more.
    pub fn gives_up(&mut self) {
        self.transcript.send(&json!({ "do": "close" }));
    }

    /// Has it close its connection and stay away.
    pub fn goes_away(&mut self) {
        self.transcript.send(&json!({ "do": "leave" }));
    }

    /// Has it connect again after that, or after a refusal.
    pub fn returns(&mut self) {
        self.transcript.send(&json!({ "do": "return" }));
    }

    /// The public id it was given each time it came in.
    pub fn socket_ids(&self) -> Vec<String> {
        let lines = self.transcript.lines();
        lines
            .iter()
            .filter_map(|line| line["socketId"].as_str())
            .map(str::to_owned)
            .collect()
    }

    /// Has it bring another token from now on.
    pub fn takes_token(&mut self, token: &str) {
        self.transcript
            .send(&json!({ "do": "auth", "auth": { "token": token } }));
    }

    /// Everything so far that its listeners for an event were called with.
    pub fn arguments(&self, event: &str) -> Vec<Value> {
        let lines = self.transcript.lines().into_iter();
        lines
            .filter(|line| line["event"] == event)
            .map(|line| line["args"].clone())
            .collect()
    }

    /// Waits for a refusal; its words.
    pub async fn refused(&mut self) -> String {
        self.hears("connect_error").await["message"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Waits for the end of the connection; the client's own reason.
    pub async fn disconnected(&mut self) -> String {
        self.hears("disconnect").await["reason"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Waits for the next event of that name; its payload.
    pub async fn event(&mut self, name: &str) -> Value {
        self.event_where(name, |_| true).await
    }

    /// Waits for the next event of that name whose payload fits.
    pub async fn event_where(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.next(name, |line| line["event"] == name && fits(&line["args"][0]))
            .await["args"][0]
            .clone()
    }

    /// Every event so far whose name begins so, as (name, payload).
    pub fn events(&self, prefix: &str) -> Vec<(String, Value)> {
        let lines = self.transcript.lines().into_iter();
        let named = lines
            .filter_map(|line| Some((line["event"].as_str()?.to_owned(), line["args"][0].clone())));
        named.filter(|(name, _)| name.starts_with(prefix)).collect()
    }

    /// Emits without wanting an answer.
    pub fn emits(&mut self, event: &str, payload: &Value) {
        self.transcript
            .send(&json!({ "event": event, "args": [payload] }));
    }

    /// Emits and waits for the acknowledgement. What the server sent before it has been heard then.
    pub async fn asks(&mut self, event: &str, payload: &Value) -> Value {
        self.acks += 1;
        let ack = self.acks;
        self.transcript
            .send(&json!({ "event": event, "args": [payload], "ack": ack }));
        let answered = |line: &Value| line["heard"] == "ack" && line["ack"] == ack;
        let (_, line) = self
            .transcript
            .find(0, &format!("the answer to {event}"), answered)
            .await;
        line["args"][0].clone()
    }

    /// Emits all of them at once and waits for every acknowledgement; in the order of the payloads.
    pub async fn asks_all(&mut self, event: &str, payloads: &[Value]) -> Vec<Value> {
        let first = self.acks + 1;
        for payload in payloads {
            self.acks += 1;
            self.transcript
                .send(&json!({ "event": event, "args": [payload], "ack": self.acks }));
        }
        let mut answers = Vec::new();
        for ack in first..=self.acks {
            let answered = |line: &Value| line["heard"] == "ack" && line["ack"] == ack;
            let (_, line) = self
                .transcript
                .find(0, &format!("the answer to {event}"), answered)
                .await;
            answers.push(line["args"][0].clone());
        }
        answers
    }

    async fn hears(&mut self, what: &str) -> Value {
        self.next(what, |line| line["heard"] == what).await
    }

    async fn next(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let from = self.seen.get(name).copied().unwrap_or(0);
        let (seen, line) = self.transcript.find(from, name, fits).await;
        self.seen.insert(name.to_owned(), seen);
        line
    }
}

/// The documented dashboard: it subscribes by itself and reports what its listeners are called with.
pub struct Dashboard(Transcript);

impl Dashboard {
    /// Opens it on a namespace, with what it subscribes to.
    pub fn opens(
        url: &str,
        namespace: &str,
        token: &str,
        inventory: &Value,
        orders: &Value,
    ) -> Self {
        let wanted = json!({
            "url": format!("{url}{namespace}"),
            "options": { "auth": { "token": token } },
            "inventory": inventory,
            "orders": orders,
        });
        Self(node(namespace, "dashboard.mjs", &wanted))
    }

    /// Waits until a listener was called; the data it was given.
    pub async fn shows(&self, listener: &str) -> Value {
        self.0
            .find(0, listener, |line| line["heard"] == listener)
            .await
            .1["data"]
            .clone()
    }

    /// How often a listener was called so far.
    pub fn calls(&self, listener: &str) -> usize {
        self.0
            .lines()
            .iter()
            .filter(|line| line["heard"] == listener)
            .count()
    }
}

/// A page of one of the documents, as a program of its own: it reports what its listeners are called with.
pub struct Page(Transcript);

impl Page {
    /// Starts the script with that server and token.
    pub fn opens(script: &str, url: &str, token: &str) -> Self {
        Self(node(script, script, &json!({ "url": url, "token": token })))
    }

    /// Waits until a listener was called; what with.
    pub async fn hears(&self, listener: &str) -> Value {
        self.hears_where(listener, |_| true).await
    }

    /// Waits until it was called with what fits.
    pub async fn hears_where(&self, listener: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let found = |line: &Value| line["heard"] == listener && fits(&line["data"]);
        self.0.find(0, listener, found).await.1["data"].clone()
    }

    /// Waits until it shows that text.
    pub async fn shows(&self, text: &str) {
        self.hears_where("shown", |shown| shown == text).await;
    }

    /// How often a listener was called so far.
    pub fn calls(&self, listener: &str) -> usize {
        self.0
            .lines()
            .iter()
            .filter(|line| line["heard"] == listener)
            .count()
    }
}

pub(crate) fn node(name: &str, script: &str, wanted: &Value) -> Transcript {
    let packages = ["socket.io-client-4.6.0", "wscat"];
    let installed = packages
        .iter()
        .all(|name| Path::new(NODE).join("node_modules").join(name).is_dir());
    assert!(
        installed,
        "the JavaScript clients are not installed: run `npm ci` in {NODE}"
    );
    let mut command = Command::new("node");
    Transcript::of(
        name,
        command
            .arg(script)
            .arg(wanted.to_string())
            .current_dir(NODE),
    )
}

fn python(name: &str, wanted: &Value) -> Transcript {
    let python = Path::new(PYTHON).join("venv/bin/python");
    assert!(
        python.exists(),
        "the Python client is not installed: run `make tests/python/venv`"
    );
    let mut command = Command::new(python);
    Transcript::of(
        name,
        command
            .arg("client.py")
            .arg(wanted.to_string())
            .current_dir(PYTHON),
    )
}
