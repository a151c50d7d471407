//! Socket.IO 5 as values: packets, and the session of one connection with its namespaces. Packets
//! in, steps out, time is a parameter. The packets are for servers and clients alike.

mod packet;
mod rate_limiter;
mod session;

pub(crate) use packet::ack_begin;
pub use packet::{PacketContent, SocketIoPacket, SocketIoPacketError, event};
pub(crate) use rate_limiter::MessageRateLimiter;
pub use session::{ClientCall, NamespaceId, SessionStep, SocketIoSession};
