//! Socket.IO 5 as values: packets, and one connection's session in its namespaces. Pure: packets in, steps out, time
//! a parameter. Packets are for servers and clients alike.

mod packet;
mod rate_limiter;
mod session;

pub(crate) use packet::ack_begin;
pub use packet::{PacketContent, SocketIoPacket, SocketIoPacketError, event};
pub(crate) use rate_limiter::RateLimiter;
pub use session::{Call, NamespaceId, SessionStep, SocketIoSession};
