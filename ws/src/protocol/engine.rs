//! Engine.IO 4 as values: packets, heartbeats, polling bodies, and the change from polling to WebSocket. Pure: bytes
//! in, packets out, time a parameter. For servers and clients alike, where it concerns both.

mod heartbeat;
mod packet;
pub mod payload;
mod polling;
mod probe;
mod session;

pub use heartbeat::{HeartbeatAction, HeartbeatTimer};
pub use packet::{EnginePacket, EnginePacketError, OpenPayload};
pub use polling::{OverlappingPolls, PendingPoll, PollAnswer};
pub use probe::{ProbeStep, UpgradeProbe};
pub use session::{EngineSession, TransportMessage};
