//! The whole of stockd as its users meet it, one file a behaviour.
#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code: what goes wrong here fails the test"
)]

mod alerts;
mod broker;
mod circumstances;
mod claims;
mod cli;
mod commands;
mod contention;
mod crash;
mod edge;
mod faults;
mod hostile;
mod hub;
mod import;
mod live;
mod logging;
mod names;
mod omni;
mod oms;
mod outbox;
mod payments;
mod people;
mod policy;
mod posts;
mod pretend;
mod problems;
mod python;
mod readme;
mod recovery;
mod restored;
mod rights;
mod runs;
mod schema;
mod stale;
mod transfers;
mod upgraded;
mod webhooks;
