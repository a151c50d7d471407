//! What every measurement needs: a pretend store and a daemon as processes of their own, and a client that costs
//! little. Nothing of stockd is linked in: it is measured through its doors.

mod client;
mod process;
mod socket;
mod store;
mod webhooks;
mod world;

/// The first of two sizes of a measurement, or the second where `--short` was asked for: everything for a moment, which
/// shows that it works. Such figures mean nothing.
pub fn scale<T>(full: T, short: T) -> T {
    if std::env::args().any(|argument| argument == "--short") {
        short
    } else {
        full
    }
}

/// The real time in whole seconds since 1970. What webhooks claim must not be ahead of the daemon's clock: such a time
/// counts as of now, and the record is read again.
#[expect(
    clippy::disallowed_methods,
    reason = "webhooks of a measurement happen now"
)]
pub fn now_seconds() -> i64 {
    jiff::Timestamp::now().as_second()
}

pub use client::Client;
pub use process::{Process, own_cpu};
pub use socket::Socket;
pub use store::{Shop, Store};
pub use webhooks::{Sent, Webhooks, percentile};
pub use world::{Prepared, Spot, World, free_address};
