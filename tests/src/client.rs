//! Socket.IO clients as published, each in a Node process of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::transcript::Transcript;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/node");

/// One socket of an unmodified `socket.io-client`.
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
        let wanted = json!({ "url": format!("{url}{namespace}"), "options": options });
        let transcript = node(namespace, "client.mjs", &wanted);
        Self { transcript, seen: BTreeMap::new(), acks: 0 }
    }

    /// Waits until the namespace is joined; the payload of `connected`.
    pub async fn connected(&mut self) -> Value {
        self.hears("connect").await;
        self.event("connected").await
    }

    /// Waits until the client has changed transports; to which.
    pub async fn upgraded(&mut self) -> String {
        self.hears("upgrade").await["transport"].as_str().unwrap().to_owned()
    }

    /// Waits until the namespace is joined again; whether the client takes itself for recovered.
    pub async fn came_back(&mut self) -> bool {
        self.hears("connect").await["recovered"] == true
    }

    /// Has it give up its connection by itself, as when it notices that nothing comes any more.
    pub fn gives_up(&mut self) {
        self.transcript.send(&json!({ "do": "close" }));
    }

    /// Has it bring another token from now on.
    pub fn takes_token(&mut self, token: &str) {
        self.transcript.send(&json!({ "do": "auth", "auth": { "token": token } }));
    }

    /// Everything so far that its listeners for an event were called with.
    pub fn arguments(&self, event: &str) -> Vec<Value> {
        let lines = self.transcript.lines().into_iter();
        lines.filter(|line| line["event"] == event).map(|line| line["args"].clone()).collect()
    }

    /// Waits for a refusal; its words.
    pub async fn refused(&mut self) -> String {
        self.hears("connect_error").await["message"].as_str().unwrap().to_owned()
    }

    /// Waits for the end of the connection; the client's own reason.
    pub async fn disconnected(&mut self) -> String {
        self.hears("disconnect").await["reason"].as_str().unwrap().to_owned()
    }

    /// Waits for the next event of that name; its payload.
    pub async fn event(&mut self, name: &str) -> Value {
        self.event_where(name, |_| true).await
    }

    /// Waits for the next event of that name whose payload fits.
    pub async fn event_where(&mut self, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.next(name, |line| line["event"] == name && fits(&line["args"][0])).await["args"][0].clone()
    }

    /// Every event so far whose name begins so, as (name, payload).
    pub fn events(&self, prefix: &str) -> Vec<(String, Value)> {
        let lines = self.transcript.lines().into_iter();
        let named =
            lines.filter_map(|line| Some((line["event"].as_str()?.to_owned(), line["args"][0].clone())));
        named.filter(|(name, _)| name.starts_with(prefix)).collect()
    }

    /// Emits without wanting an answer.
    pub fn emits(&mut self, event: &str, payload: &Value) {
        self.transcript.send(&json!({ "event": event, "args": [payload] }));
    }

    /// Emits and waits for the acknowledgement. What the server sent before it has been heard then.
    pub async fn asks(&mut self, event: &str, payload: &Value) -> Value {
        self.acks += 1;
        let ack = self.acks;
        self.transcript.send(&json!({ "event": event, "args": [payload], "ack": ack }));
        let answered = |line: &Value| line["heard"] == "ack" && line["ack"] == ack;
        let (_, line) = self.transcript.find(0, &format!("the answer to {event}"), answered).await;
        line["args"][0].clone()
    }

    /// Emits all of them at once and waits for every acknowledgement; in the order of the payloads.
    pub async fn asks_all(&mut self, event: &str, payloads: &[Value]) -> Vec<Value> {
        let first = self.acks + 1;
        for payload in payloads {
            self.acks += 1;
            self.transcript.send(&json!({ "event": event, "args": [payload], "ack": self.acks }));
        }
        let mut answers = Vec::new();
        for ack in first..=self.acks {
            let answered = |line: &Value| line["heard"] == "ack" && line["ack"] == ack;
            let (_, line) = self.transcript.find(0, &format!("the answer to {event}"), answered).await;
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
    pub fn opens(url: &str, namespace: &str, token: &str, inventory: &Value, orders: &Value) -> Self {
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
        self.0.find(0, listener, |line| line["heard"] == listener).await.1["data"].clone()
    }

    /// How often a listener was called so far.
    pub fn calls(&self, listener: &str) -> usize {
        self.0.lines().iter().filter(|line| line["heard"] == listener).count()
    }
}

fn node(name: &str, script: &str, wanted: &Value) -> Transcript {
    let installed = Path::new(FOLDER).join("node_modules/socket.io-client").is_dir();
    assert!(installed, "the JavaScript clients are not installed: run `npm ci` in {FOLDER}");
    let mut command = Command::new("node");
    Transcript::of(name, command.arg(script).arg(wanted.to_string()).current_dir(FOLDER))
}
