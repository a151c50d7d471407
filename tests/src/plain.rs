//! Clients of WebSockets without Socket.IO, as published, each in a process of its own.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::client::{NODE, node};
use crate::transcript::Transcript;

/// One connection of an unmodified `ws`.
pub struct Plain {
    transcript: Transcript,
    seen: usize,
}

impl Plain {
    /// Connects a plain WebSocket to that path.
    pub fn connects(url: &str, path: &str) -> Self {
        Self::with(url, path, &json!({}))
    }

    /// Connects to a path with a token in its header.
    pub fn bearing(url: &str, path: &str, token: &str) -> Self {
        Self::with(
            url,
            path,
            &json!({ "headers": { "Authorization": format!("Bearer {token}") } }),
        )
    }

    /// Connects with further options of `new WebSocket()`.
    pub fn with(url: &str, path: &str, options: &Value) -> Self {
        let wanted = json!({ "url": format!("{}{path}", websocket(url)), "options": options });
        Self {
            transcript: node(path, "plain.mjs", &wanted),
            seen: 0,
        }
    }

    /// Sends a message as JSON text.
    pub fn says(&mut self, message: &Value) {
        self.says_text(&message.to_string());
    }

    /// Sends a text that need not be a message.
    pub fn says_text(&mut self, text: &str) {
        self.transcript.send(&json!({ "text": text }));
    }

    /// Sends a binary message.
    pub fn says_bytes(&mut self, bytes: &[u8]) {
        self.transcript.send(&json!({ "bytes": bytes }));
    }

    /// Waits for the next message that fits, in the order in which they come; what comes before it is passed over.
    pub async fn hears_where(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let fits = |line: &Value| line["heard"] == "message" && fits(&line["message"]);
        let (seen, line) = self.transcript.find(self.seen, what, fits).await;
        self.seen = seen;
        line["message"].clone()
    }

    /// Waits for the next message of that type.
    pub async fn hears(&mut self, kind: &str) -> Value {
        self.hears_where(kind, |message| name(message) == kind)
            .await
    }

    /// Everything that was said to it so far.
    pub fn messages(&self) -> Vec<Value> {
        let lines = self.transcript.lines().into_iter();
        lines
            .filter(|line| line["heard"] == "message")
            .map(|line| line["message"].clone())
            .collect()
    }

    /// Waits until the connection is closed; with which code.
    pub async fn closed(&mut self) -> u64 {
        self.transcript
            .find(0, "close", |line| line["heard"] == "close")
            .await
            .1["code"]
            .as_u64()
            .unwrap()
    }

    /// Waits until it is not let in; with which status.
    pub async fn refused(&mut self) -> u64 {
        let refused = |line: &Value| line["heard"] == "refused";
        self.transcript.find(0, "refusal", refused).await.1["status"]
            .as_u64()
            .unwrap()
    }
}

/// What a message is called: `type` for omni, `event` for oms.
pub fn name(message: &Value) -> &str {
    message["type"]
        .as_str()
        .or_else(|| message["event"].as_str())
        .unwrap_or_default()
}

/// What a script of the documents prints, or a tool, with lines as its input.
pub struct Script {
    transcript: Transcript,
    seen: usize,
}

impl Script {
    /// The connection test of omni's document.
    pub fn snippet(url: &str, session: &str) -> Self {
        let wanted = json!({ "url": websocket(url), "session": session });
        Self {
            transcript: node("the snippet", "snippet.mjs", &wanted),
            seen: 0,
        }
    }

    /// `wscat` with a header, as oms's document calls it.
    pub fn wscat(url: &str, path: &str, header: &str) -> Self {
        let mut command = Command::new(Path::new(NODE).join("node_modules/.bin/wscat"));
        command.args(["-c", &format!("{}{path}", websocket(url)), "-H", header]);
        Self {
            transcript: Transcript::of("wscat", &mut command),
            seen: 0,
        }
    }

    /// Types a line into the program.
    pub fn types(&mut self, line: &str) {
        self.transcript.send_line(line);
    }

    /// Waits for the next line that is, or has within, JSON that fits.
    pub async fn prints(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let read = |line: &Value| match line {
            // wscat's prompt stands before what it prints.
            Value::String(text) => {
                serde_json::from_str(text.trim_start_matches(['>', '<', ' '])).ok()
            }
            line => Some(line.clone()),
        };
        let fits = |line: &Value| read(line).is_some_and(|line| fits(&line));
        let (seen, line) = self.transcript.find(self.seen, what, fits).await;
        self.seen = seen;
        read(&line).unwrap()
    }

    /// Waits for a line with that text in it.
    pub async fn says(&mut self, text: &str) {
        let has = |line: &Value| line.as_str().is_some_and(|line| line.contains(text));
        self.seen = self.transcript.find(self.seen, text, has).await.0;
    }
}

fn websocket(url: &str) -> String {
    url.replacen("http", "ws", 1)
}
