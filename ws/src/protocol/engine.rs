//! Engine.IO 4 as values: packets, heartbeats, polling bodies, and the change from polling to WebSocket. Pure: bytes
//! in, packets out, time a parameter. For servers and clients alike, where it concerns both.

mod heartbeat;
mod packet;
pub mod payload;
mod polling;
mod probe;
mod session;

pub use heartbeat::{Beat, Heartbeat};
pub use packet::{Malformed, Open, Packet};
pub use polling::{Overlap, Polling, Reply};
pub use probe::{Probe, ProbeStep};
pub use session::{Message, Session};
