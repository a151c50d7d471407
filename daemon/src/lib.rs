//! The daemon: webhooks in, runs and refreshes on schedule, the log out to whoever listens.
//!
//! ```text
//!  http ─▶ inbox ─▶ shop::intake ────────┐
//!      shop::scheduler ─▶ shop::sync ───┼─▶ store ─▶ http::tail ─▶ ws::Hub ─▶ sockets
//!      shop::refresh ───────────────────┘
//! ```
//!
//! [`wiring::Daemon`] is all of it on given dependencies; [`process::Process`] puts the real ones under it.

#![cfg_attr(
    not(all(feature = "amqp", feature = "sentry")),
    allow(
        dead_code,
        unused_imports,
        unused_variables,
        reason = "what only a part uses that the build leaves out"
    )
)]

mod alerts;
#[cfg(feature = "amqp")]
mod amqp;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod http;
pub mod limits;
mod logging;
pub mod people;
pub mod process;
#[cfg(feature = "sentry")]
mod reports;
pub mod secrets;
mod shop;
mod spans;
mod supervisor;
mod wakeups;
pub mod wiring;
