//! The polling sessions that requests may name, by their secret ids.
//!
//! A session that began as a WebSocket is not in the table, because no request needs to name it.
//! Their number is bounded by the connections: each session holds a permit.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::poll_channel::PollChannel;

/// An Engine.IO session id (`sid`): 120 random bits. Whoever knows it may speak for the session.
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

/// How a session is reached.
pub(super) enum SessionTransport<T> {
    /// Through the channel to its polling task.
    Polling(Arc<PollChannel<T>>),
    /// Not by requests: a WebSocket carries it.
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

/// All sessions that requests may name.
pub(super) struct SessionTable<T>(Mutex<HashMap<EngineSessionId, SessionTransport<T>>>);

impl<T> Default for SessionTable<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> SessionTable<T> {
    /// Adds a session. It is in the table until the guard is dropped.
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

/// A session's entry in the table, which is removed when this is dropped.
pub(super) struct SessionGuard<T> {
    sessions: Arc<SessionTable<T>>,
    sid: EngineSessionId,
}

impl<T> SessionGuard<T> {
    /// Marks the session as carried by a WebSocket.
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
