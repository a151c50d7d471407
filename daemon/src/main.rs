//! `stockd`: the command line. Exit code 0 done, 1 failed, 2 wrong usage or configuration.

use std::process::ExitCode;

fn main() -> ExitCode {
    daemon::cli::main()
}
