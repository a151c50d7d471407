//! Socket.IO 5 as values: packets, and one connection's session in its namespaces. Pure: packets in, steps out, time
//! a parameter. Packets are for servers and clients alike.

mod allowance;
mod packet;
mod session;

pub(crate) use allowance::Allowance;
pub(crate) use packet::ack_begin;
pub use packet::{Content, Malformed, Packet, event};
pub use session::{Call, Namespace, Session, Step};
