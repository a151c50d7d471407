//! `stockd demo`, and commands to it as a person gives them.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::binary::stockd;
use crate::{Ended, eventually, free_address};

/// A demonstration in a process and a folder of its own, ended when dropped.
pub struct TestDemo {
    folder: TempDir,
    child: Child,
    out: BufReader<ChildStdout>,
    /// The line that it prints for programs.
    pub about: Value,
}

impl TestDemo {
    /// Starts it with these options beside its addresses and folder, and waits for its line.
    pub fn starts(options: &[&str], variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(stockd())
            .args([
                "demo",
                "--json",
                "--listen",
                &free_address(),
                "--sim-listen",
                &free_address(),
            ])
            .args(["--data", folder.path().to_str().unwrap()])
            .args(options)
            .env_clear()
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        Self {
            folder,
            child,
            out,
            about: serde_json::from_str(&line).unwrap(),
        }
    }

    /// Where it keeps what it remembers, its configuration and its tokens.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Where the daemon is.
    pub fn url(&self) -> &str {
        self.about["url"].as_str().unwrap()
    }

    /// The token of a role.
    pub fn token(&self, role: &str) -> &str {
        self.about["tokens"][role].as_str().unwrap()
    }

    /// A line of a shell in its folder, by somebody who has exported what the panel says.
    pub fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        let path = format!("{}:/usr/bin:/bin", stockd().parent().unwrap().display());
        command
            .args(["-c", &format!("exec {line}")])
            .current_dir(self.folder())
            .env_clear();
        command
            .env("PATH", path)
            .env("STOCKD_URL", self.url())
            .env("STOCKD_TOKEN", self.token("admin"));
        // What a command leaves behind when it is killed goes with the folder.
        command.env("TMPDIR", self.folder()).stdin(Stdio::null());
        command
    }

    /// Has such a line done to its end.
    pub fn does(&self, line: &str) -> Ended {
        let ran = self.shell(line).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended {
            code: ran.status.code().unwrap(),
            out: text(ran.stdout),
            err: text(ran.stderr),
        }
    }

    /// Waits until all of the store's records are there.
    pub async fn imported(&self) {
        eventually("the pretend store is imported", async || {
            let status: Value =
                serde_json::from_str(&self.does("stockd status --json").out).ok()?;
            let resources = status["resources"].as_array()?;
            resources
                .iter()
                .all(|resource| resource["completeUntil"].is_string())
                .then_some(())
        })
        .await;
    }

    /// Asks it to end and waits for that; what it printed after its line.
    pub async fn ends(mut self) -> (Option<i32>, Vec<String>) {
        let told = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(told.success());
        let ended = eventually("the demonstration has ended", async || {
            self.child.try_wait().unwrap()
        })
        .await;
        let Self { out, .. } = &mut self;
        (ended.code(), out.lines().map_while(Result::ok).collect())
    }
}

impl Drop for TestDemo {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
