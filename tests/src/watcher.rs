//! `stockd watch --json`, left running beside the test.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::binary::stockd;
use crate::transcript::Transcript;

/// A watcher of everything that an admin sees of stock and orders.
pub struct Watcher(Transcript);

impl Watcher {
    /// Watches from that offset on; what it complains goes to a file.
    pub fn watches(url: &str, token: &str, since: &str, log: &Path) -> Self {
        let log = std::fs::File::create(log).unwrap();
        let mut command = Command::new(stockd());
        command.args(["watch", "--json", "--url", url, "--since", since]);
        command
            .env_clear()
            .env("STOCKD_TOKEN", token)
            .env("RUST_LOG", "debug")
            .stderr(Stdio::from(log));
        Self(Transcript::of("stockd watch", &mut command))
    }

    /// Waits for an event of that name.
    pub async fn hears(&self, name: &str) -> Value {
        self.0.find(0, name, |line| line["event"] == name).await.1["payload"].clone()
    }

    /// The ids of the logged events so far whose name begins so, in the order in which they were printed.
    pub fn ids(&self, prefix: &str) -> Vec<String> {
        let lines = self.0.lines().into_iter();
        let wanted = lines.filter(|line| {
            line["event"]
                .as_str()
                .is_some_and(|name| name.starts_with(prefix))
        });
        wanted
            .filter_map(|line| line["payload"]["id"].as_str().map(str::to_owned))
            .collect()
    }
}
