//! Realtime: WebSocket, Engine.IO, Socket.IO, rooms, and the contracts spoken over them.
//!
//! ```text
//!  bytes ─▶ frame ─▶ engine ─▶ socketio ─▶ steps                   pure: bytes in, values out, time a parameter
//!    ▲                                       │
//!  transport ◀─ sockets ◀─ reader ◀──────────┘                     what a client is sent, in one order
//!        ▲ serves or rings              │ reads on from its position
//!  hub ──┴── ring of newest entries ◀───┴───▶ EventSource: the durable log, for whoever is further behind
//! ```
//!
//! Every socket is a reader of the log with a position, so a slow reader costs its position and nothing else. The work
//! of a connection is done by its own task or, while that sleeps, by whoever publishes.
//!
//! The daemon uses [`Hub`]: it publishes the log's entries to it and hands it the requests of clients. In return it
//! implements [`EventSource`], [`TokenVerifier`] and [`CommandHandler`]. This crate opens no port, reads no clock and
//! verifies no token.
//!
//! | folder | holds |
//! |---|---|
//! | [`protocol`] | frames, Engine.IO and Socket.IO as values: no I/O, no clock |
//! | [`connection`] | handshake, transports, sessions, and the drivers that connect them to sockets |
//! | [`hub`] | rooms, the ring of recent events, sockets, their recovery, and who is online |
//! | [`contracts`] | what each contract calls an event, who may join what, and how it answers |

pub mod connection;
pub mod contracts;
pub mod hub;
pub mod limits;
mod options;
pub mod protocol;
pub mod source;
mod warning_counter;

pub use connection::plain::PlainDriver;
pub use connection::{ConnectionRefusal, HandshakeOutcome, IpNetwork};
pub use hub::{Hub, HubFigures, PresenceSnapshot};
pub use options::{HubOptions, ListenerPolicy};
pub use protocol::close_reason::CloseReason;
pub use source::{
    AuthError, CommandHandler, EventSource, KeptRooms, LevelsSnapshot, OrderOwner, SourceError,
    TokenVerifier,
};
