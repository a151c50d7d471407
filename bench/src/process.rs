//! A child process and what it costs, as the kernel counts it (`proc_pid_stat(5)`, `proc_pid_status(5)`,
//! `proc_pid_clear_refs(5)`).

use std::fs::{File, read_to_string, write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

/// Ticks a second in `/proc`, on every Linux that is not built otherwise.
const TICKS: u64 = 100;

/// A process of ours: `stockd`, as it was built beside this programme, or a peer. Killed when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it with the environment of its unit; what it complains goes to a file.
    ///
    /// # Errors
    /// When it is not there, or the file cannot be made.
    pub fn start(arguments: &[&str], log: PathBuf) -> anyhow::Result<Self> {
        Self::spawn(stockd()?.args(arguments), log)
    }

    /// Starts another programme; what it says goes to a file.
    ///
    /// # Errors
    /// When it is not there, or the file cannot be made.
    pub fn spawn(command: &mut Command, log: PathBuf) -> anyhow::Result<Self> {
        // A second start goes on in it.
        let output = File::options().create(true).append(true).open(&log)?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()?;
        Ok(Self { child, log })
    }

    /// Starts another programme and gives what it prints; its complaints are ours.
    ///
    /// # Errors
    /// When it is not there.
    pub fn piped(command: &mut Command) -> anyhow::Result<(Self, ChildStdout)> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().context("its output is a pipe")?;
        Ok((
            Self {
                child,
                log: PathBuf::from("/dev/null"),
            },
            output,
        ))
    }

    /// Runs it to its end: what it printed.
    ///
    /// # Errors
    /// When it fails.
    pub fn output(arguments: &[&str]) -> anyhow::Result<String> {
        let ended = stockd()?.args(arguments).output()?;
        anyhow::ensure!(
            ended.status.success(),
            "stockd {}: {}",
            arguments.join(" "),
            ended.status
        );
        Ok(String::from_utf8(ended.stdout)?.trim().to_owned())
    }

    /// Processor time it has used, in its own code and in the kernel.
    ///
    /// # Errors
    /// When it has ended.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        cpu(&self.child.id().to_string())
    }

    /// The most memory it ever had, in KiB.
    ///
    /// # Errors
    /// When it has ended.
    pub fn peak_kib(&self) -> anyhow::Result<u64> {
        self.status("VmHWM:")
    }

    /// The memory it has now, in KiB.
    ///
    /// # Errors
    /// When it has ended.
    pub fn memory_kib(&self) -> anyhow::Result<u64> {
        self.status("VmRSS:")
    }

    /// Counts the most memory anew from now on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn forget_peak(&self) -> anyhow::Result<()> {
        Ok(write(format!("/proc/{}/clear_refs", self.child.id()), "5")?)
    }

    /// The errors it logged.
    ///
    /// # Errors
    /// When its log is gone.
    pub fn complaints(&self) -> anyhow::Result<Vec<String>> {
        let log = read_to_string(&self.log)?;
        let bad = log
            .lines()
            .filter(|line| line.contains("ERROR") || line.contains("panicked at"));
        Ok(bad.map(str::to_owned).collect())
    }

    fn status(&self, field: &str) -> anyhow::Result<u64> {
        let status = read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field));
        let kib = line
            .and_then(|line| line.split_whitespace().next())
            .context("not in its status")?;
        Ok(kib.parse()?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time this programme has used.
///
/// # Errors
/// Where there is no `/proc`.
pub fn own_cpu() -> anyhow::Result<Duration> {
    cpu("self")
}

fn cpu(process: &str) -> anyhow::Result<Duration> {
    let stat = read_to_string(format!("/proc/{process}/stat"))?;
    // The name before it, in parentheses, may hold anything; utime and stime are the 12th and 13th after it.
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let ticks = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse::<u64>);
    let ticks: u64 = ticks.sum::<Result<_, _>>()?;
    Ok(Duration::from_millis(ticks * 1_000 / TICKS))
}

fn stockd() -> anyhow::Result<Command> {
    let path = std::env::current_exe()?
        .parent()
        .unwrap_or(Path::new(""))
        .join("stockd");
    anyhow::ensure!(path.exists(), "{} is not built", path.display());
    let mut command = Command::new(path);
    command.env_clear();
    Ok(command)
}
