//! Connection state recovery: what a client brings back, and what is kept of its session, as values.
//!
//! A session lives in three places. The client has its sealed id ([`Pid`]) and, with every event, how far it was sent
//! ([`Cursor`]); the store has its rooms ([`Record`]). Connecting and resuming write nothing, joining and leaving
//! write the record before they are answered; so nothing hangs on anybody noticing that a connection has ended.

mod cursor;
mod pid;
mod record;

pub(crate) use cursor::Cursor;
pub(crate) use pid::{Key, Pid, Rights, SessionId, owner, rights};
pub(crate) use record::{Backfill, Backfills, Record};
