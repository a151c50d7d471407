//! Realtime: WebSocket, Engine.IO, Socket.IO, rooms, and the contracts spoken over them.
//!
//! ```text
//!  bytes ─▶ frame ─▶ engine ─▶ socketio ─▶ steps                   pure: bytes in, values out, time a parameter
//!    ▲                                       │
//!  transport ◀─ sockets ◀─ reader ◀──────────┘                     what a client is sent, in one order
//!        ▲ serves or rings              │ reads on from its position
//!  hub ──┴── ring of newest entries ◀───┴───▶ Source: the durable log, for whoever is further behind
//! ```
//!
//! Everything that leaves is a reader of the log with a position, so a slow reader costs its position and nothing
//! else. A connection's work is done by its own task or, while that sleeps, by whoever publishes. [`Hub`] is the door:
//! the daemon publishes the log's entries to it and hands it the requests of clients; it implements [`Source`],
//! [`Authenticate`] and [`Commands`]. This crate opens no port, reads no clock and verifies no token.

pub mod connection;
pub mod contracts;
pub mod hub;
pub mod limits;
mod options;
pub mod protocol;
pub mod source;

pub use connection::single::Single;
pub use connection::{Knock, Network, Refusal};
pub use hub::{Attendees, Figures, Hub};
pub use options::{Entrance, Options};
pub use protocol::ending::Ending;
pub use source::{
    AuthError, Authenticate, Commands, KeptRooms, OrderOwner, Snapshot, Source, SourceError,
};
