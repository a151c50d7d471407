//! What a child printed, line by line, kept while the test looks for what it waits for.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::PATIENCE;

/// A child that prints JSON lines; it ends with this value.
pub(crate) struct Transcript {
    child: Child,
    heard: Arc<Heard>,
    name: String,
}

#[derive(Default)]
struct Heard {
    lines: Mutex<Vec<Value>>,
    more: Notify,
}

impl Transcript {
    /// Starts a command; its lines are kept from the first on.
    pub(crate) fn of(name: &str, command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (out, heard) = (child.stdout.take().unwrap(), Arc::new(Heard::default()));
        let kept = Arc::clone(&heard);
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
                kept.lines.lock().unwrap().push(line);
                kept.more.notify_waiters();
            }
        });
        Self {
            child,
            heard,
            name: name.to_owned(),
        }
    }

    /// Sends a line to the child.
    pub(crate) fn send(&mut self, line: &Value) {
        self.send_line(&line.to_string());
    }

    /// The same with a line that need not be JSON.
    pub(crate) fn send_line(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{line}").unwrap();
        stdin.flush().unwrap();
    }

    /// Every line that was written so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.heard.lines.lock().unwrap().clone()
    }

    /// The first line from `from` on that fits, and the place behind it.
    pub(crate) async fn find(
        &self,
        from: usize,
        what: &str,
        fits: impl Fn(&Value) -> bool,
    ) -> (usize, Value) {
        let deadline = Instant::now() + PATIENCE;
        let mut next = from;
        loop {
            let more = self.heard.more.notified();
            tokio::pin!(more);
            // From here on a new line is noticed, so none falls between looking and waiting.
            more.as_mut().enable();
            {
                let lines = self.heard.lines.lock().unwrap();
                while let Some(line) = lines.get(next) {
                    next += 1;
                    if fits(line) {
                        return (next, line.clone());
                    }
                }
            }
            if timeout_at(deadline, more).await.is_err() {
                let lines = self.lines();
                let tail: Vec<String> = lines
                    .iter()
                    .skip(from.max(lines.len().saturating_sub(20)))
                    .map(ToString::to_string)
                    .collect();
                panic!(
                    "{} did not hear {what}; it heard\n{}",
                    self.name,
                    tail.join("\n")
                );
            }
        }
    }
}

impl Drop for Transcript {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
