//! The sessions that requests may name, by their secret ids.
//!
//! One that began as a WebSocket is not among them: nobody ever needs to name it. How many there can be is bounded
//! by the connections, since each holds the permit of one.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::poll_channel::PollChannel;

/// A session's id of 120 random bits: who knows it may speak for the session.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct EngineSessionId(pub(super) [u8; 15]);

impl fmt::Display for EngineSessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl FromStr for EngineSessionId {
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
pub(super) enum SessionTransport<T> {
    /// By request.
    Polling(Arc<PollChannel<T>>),
    /// No longer: a WebSocket has it.
    Upgraded,
}

impl<T> Clone for SessionTransport<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Polling(channel) => Self::Polling(Arc::clone(channel)),
            Self::Upgraded => Self::Upgraded,
        }
    }
}

/// All of them.
pub(super) struct SessionTable<T>(Mutex<HashMap<EngineSessionId, SessionTransport<T>>>);

impl<T> Default for SessionTable<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> SessionTable<T> {
    /// A guard for a new session.
    pub(super) fn add(
        self: &Arc<Self>,
        sid: EngineSessionId,
        channel: Arc<PollChannel<T>>,
    ) -> SessionGuard<T> {
        self.lock().insert(sid, SessionTransport::Polling(channel));
        SessionGuard {
            sessions: Arc::clone(self),
            sid,
        }
    }

    pub(super) fn find(&self, sid: &str) -> Option<SessionTransport<T>> {
        self.lock().get(&sid.parse().ok()?).cloned()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<EngineSessionId, SessionTransport<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's guard among them; it is unknown once this is dropped.
pub(super) struct SessionGuard<T> {
    sessions: Arc<SessionTable<T>>,
    sid: EngineSessionId,
}

impl<T> SessionGuard<T> {
    /// A WebSocket has it from now on.
    pub(super) fn upgraded(&self) {
        self.sessions
            .lock()
            .insert(self.sid, SessionTransport::Upgraded);
    }
}

impl<T> Drop for SessionGuard<T> {
    fn drop(&mut self) {
        self.sessions.lock().remove(&self.sid);
    }
}
