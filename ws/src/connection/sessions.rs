//! The sessions that requests may name, by their secret ids.
//!
//! One that began as a WebSocket is not among them: nobody ever needs to name it. How many there can be is bounded
//! by the connections, since each holds the ticket of one.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::mailbox::Mailbox;

/// A session's id of 120 random bits: who knows it may speak for the session.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Sid(pub(super) [u8; 15]);

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for Sid {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut bytes = [0; 15];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(15) => Ok(Self(bytes)),
            _ => Err(()),
        }
    }
}

/// How a session is to be reached.
pub(super) enum Seat<T> {
    /// By letter.
    Polling(Arc<Mailbox<T>>),
    /// No longer: a WebSocket has it.
    Upgraded,
}

impl<T> Clone for Seat<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Polling(mailbox) => Self::Polling(Arc::clone(mailbox)),
            Self::Upgraded => Self::Upgraded,
        }
    }
}

/// All of them.
pub(super) struct Sessions<T>(Mutex<HashMap<Sid, Seat<T>>>);

impl<T> Default for Sessions<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Sessions<T> {
    /// A place for a new session.
    pub(super) fn add(self: &Arc<Self>, sid: Sid, mailbox: Arc<Mailbox<T>>) -> Place<T> {
        self.lock().insert(sid, Seat::Polling(mailbox));
        Place {
            sessions: Arc::clone(self),
            sid,
        }
    }

    pub(super) fn find(&self, sid: &str) -> Option<Seat<T>> {
        self.lock().get(&sid.parse().ok()?).cloned()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Sid, Seat<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's place among them; it is unknown once this is dropped.
pub(super) struct Place<T> {
    sessions: Arc<Sessions<T>>,
    sid: Sid,
}

impl<T> Place<T> {
    /// A WebSocket has it from now on.
    pub(super) fn upgraded(&self) {
        self.sessions.lock().insert(self.sid, Seat::Upgraded);
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.sid);
    }
}
