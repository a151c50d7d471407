//! Engine.IO 4 as values: packets, heartbeats, polling bodies, and the upgrade from polling to
//! WebSocket. Bytes in, packets out, time is a parameter. For servers and clients alike, where both
//! have it.

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
