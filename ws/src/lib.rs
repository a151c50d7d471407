//! Realtime: WebSocket, Engine.IO, Socket.IO, rooms, and the contracts spoken over them.
//!
//! ```text
//!  bytes ─▶ frame ─▶ engine ─▶ socketio ─▶ session ─▶ steps        pure: bytes in, values out, time a parameter
//!                                                      │
//!  connection (one task) ◀─ socket ◀─ reader ◀─────────┘           what a client is sent, in one order
//!        ▲ wakes                        │ reads on from its position
//!  hub ──┴── ring of newest entries ◀───┴───▶ Source: the durable log, for whoever is further behind
//! ```
//!
//! Everything that leaves is a reader of the log with a position, so a slow reader costs its position and nothing
//! else. [`Hub`] is the door: the daemon publishes the log's entries to it and hands it upgraded connections; it
//! implements [`Source`], [`Authenticate`] and [`Commands`]. This crate opens no port, reads no clock and verifies no token.

mod broadcast;
mod command;
mod connection;
pub mod contracts;
pub mod engine;
pub mod frame;
pub mod handshake;
pub mod hub;
pub mod limits;
mod out;
mod reader;
mod replay;
mod ring;
pub mod session;
mod socket;
pub mod socketio;
pub mod source;

pub use handshake::Refusal;
pub use hub::{Figures, Hub, Options, Ticket};
pub use source::{AuthError, Authenticate, Commands, Source, SourceError};
