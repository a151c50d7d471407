//! Connection state recovery, as values: what a client brings back, and what the store keeps of its
//! session.
//!
//! A session lives in three places. The client has its sealed id ([`SessionPid`]) and, with every
//! event, how far it was sent ([`Cursor`]); the store has its rooms ([`SessionRecord`]). Connecting
//! and resuming write nothing; joining and leaving write the record before they are answered. So
//! nothing depends on the server noticing that a connection has ended.

mod cursor;
mod pid;
mod record;

pub(crate) use cursor::Cursor;
pub(crate) use pid::{RightsFingerprint, SealingKey, SessionId, SessionPid, owner, rights};
pub(crate) use record::{RecentBackfills, RoomBackfill, SessionRecord};
