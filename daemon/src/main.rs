//! `stockd`: the command line. Exit code 0 done, 1 failed, 2 wrong usage or configuration.

use std::process::ExitCode;

#[cfg(feature = "jemalloc")]
use tikv_jemallocator::Jemalloc;

/// With glibc's, threads wait for each other or, with an arena for each, keep what a full run once needed.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    daemon::cli::main()
}
