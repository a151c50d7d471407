//! What every measurement needs: a pretend store and a daemon as processes of their own, and a client that costs
//! little. Nothing of stockd is linked in: it is measured through its doors.

mod client;
mod process;
mod socket;
mod store;
mod webhooks;
mod world;

pub use client::Client;
pub use process::{Process, own_cpu};
pub use socket::Socket;
pub use store::{Shop, Store};
pub use webhooks::{Sent, Webhooks, percentile};
pub use world::{Prepared, Spot, World, free_address};
