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

mod broadcast;
mod command;
pub mod contracts;
mod ending;
pub mod engine;
mod few;
pub mod frame;
pub mod hub;
pub mod limits;
mod options;
mod presence;
mod reader;
mod recovery;
mod replay;
mod ring;
mod roster;
mod sieve;
mod single;
mod socket;
pub mod socketio;
mod sockets;
pub mod source;
pub mod transport;

pub use ending::Ending;
pub use hub::{Attendees, Figures, Hub};
pub use options::{Entrance, Options};
pub use single::Single;
pub use source::{
    AuthError, Authenticate, Commands, KeptRooms, OrderOwner, Snapshot, Source, SourceError,
};
pub use transport::{Knock, Network, Refusal};
