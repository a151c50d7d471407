//! The daemon: webhooks in, runs and second looks on schedule, the log out to whoever listens.
//!
//! ```text
//!  edge ─▶ routes ─▶ inbox ─▶ intake ─┐
//!          scheduler ─▶ sync ─────────┼─▶ store ─▶ tail ─▶ ws::Hub ─▶ sockets
//!          looks ─────────────────────┘
//! ```
//!
//! [`daemon::Daemon`] is all of it on given foundations; [`lifecycle::Process`] puts the real ones under it.

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
mod attempts;
pub mod auth;
pub mod cli;
pub mod clock;
mod commands;
pub mod config;
pub mod daemon;
pub mod edge;
mod identity;
mod intake;
pub mod lifecycle;
pub mod limits;
mod logging;
mod looks;
mod notices;
mod posts;
mod problems;
#[cfg(feature = "sentry")]
mod reports;
mod routes;
mod scheduler;
mod scope;
mod source;
mod stall;
mod subscriptions;
mod sync;
mod tail;
mod timetable;
