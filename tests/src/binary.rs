//! The real binary: built once, run as a child.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Where `stockd` is, built with the profile of the running test.
pub fn stockd() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // A test lies in target/<profile>/deps, an example in target/<profile>/examples.
        let test = std::env::current_exe().unwrap();
        let folder = test.ancestors().nth(2).unwrap().to_owned();
        let profile = match folder.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            named => named,
        };
        let built = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--package",
                "daemon",
                "--bin",
                "stockd",
                "--profile",
                profile,
            ])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .status()
            .unwrap();
        assert!(built.success(), "stockd does not build");
        folder.join("stockd")
    })
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code of the process.
    pub code: i32,
    /// Text on standard output.
    pub out: String,
    /// Text on standard error.
    pub err: String,
}

/// Runs `stockd` with these arguments to its end, without anything in its environment.
pub fn stockd_ends(args: &[&str]) -> Ended {
    let ran = Command::new(stockd())
        .args(args)
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        code: ran.status.code().unwrap(),
        out: text(ran.stdout),
        err: text(ran.stderr),
    }
}
