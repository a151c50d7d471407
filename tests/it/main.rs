//! The whole of stockd as its users meet it, one file a behaviour.
#![expect(clippy::unwrap_used, reason = "all of this is test code: what goes wrong here fails the test")]

mod attempts;
mod circumstances;
mod cli;
mod commands;
mod contention;
mod crash;
mod faults;
mod hostile;
mod import;
mod live;
mod policy;
mod recovery;
mod rights;
mod runs;
mod stale;
mod tidy;
mod webhooks;
