//! The wire protocols as values: bytes in, packets and steps out. No I/O and no clock: time is a parameter.

pub(crate) mod close_reason;
pub mod engine;
pub mod frame;
pub mod socketio;
