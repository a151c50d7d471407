//! The presence registry: every socket by its user and by its session. It answers who is online,
//! holds the bound per user, and finds the socket that a client left behind when it comes back.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemas::UserId;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::connection::ConnectionWaker;
use crate::hub::recovery::SessionId;
use crate::limits::TAKEOVER_MAX;

/// One socket in the registry.
#[derive(Debug)]
pub(crate) struct SocketRegistration {
    user: UserId,
    session: Option<SessionId>,
    replaced: AtomicBool,
    waker: Arc<ConnectionWaker>,
    gone: Notify,
}

impl SocketRegistration {
    /// Whether a newer connection of the same session has taken this socket's place. The socket
    /// then closes.
    pub(crate) fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::Acquire)
    }

    fn replace(&self) {
        // Stored before the wake-up, so that the woken task sees it.
        self.replaced.store(true, Ordering::Release);
        self.waker.wake();
    }
}

/// The user has as many sockets as the bound allows.
#[derive(Debug)]
pub(crate) struct TooManySockets;

/// All registered sockets of a daemon.
#[derive(Debug)]
pub(crate) struct PresenceRegistry {
    state: Mutex<RegistryState>,
    per_user_max: usize,
}

#[derive(Debug, Default)]
struct RegistryState {
    users: BTreeMap<UserId, Vec<Arc<SocketRegistration>>>,
    sessions: HashMap<SessionId, Arc<SocketRegistration>>,
}

impl PresenceRegistry {
    /// An empty registry that allows each user so many sockets.
    pub(crate) fn new(per_user_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            per_user_max,
        }
    }

    /// Registers a socket. An older socket of the same session is marked as replaced and woken, so
    /// that it closes.
    pub(crate) fn register(
        &self,
        user: &UserId,
        session: Option<SessionId>,
        waker: &Arc<ConnectionWaker>,
    ) -> Result<Arc<SocketRegistration>, TooManySockets> {
        let mut state = self.lock();
        // The bound is checked before anything changes: a refused socket replaces nobody.
        let theirs = state.users.entry(user.clone()).or_default();
        if theirs.len() >= self.per_user_max {
            return Err(TooManySockets);
        }
        let (replaced, waker, gone) = (AtomicBool::new(false), Arc::clone(waker), Notify::new());
        let registration = Arc::new(SocketRegistration {
            user: user.clone(),
            session,
            replaced,
            waker,
            gone,
        });
        theirs.push(Arc::clone(&registration));
        if let Some(session) = session
            && let Some(other) = state.sessions.insert(session, Arc::clone(&registration))
        {
            other.replace();
        }
        Ok(registration)
    }

    /// Removes a socket and tells whoever waits for its end in [`PresenceRegistry::take_over`].
    pub(crate) fn unregister(&self, registration: &Arc<SocketRegistration>) {
        let mut state = self.lock();
        if let Some(theirs) = state.users.get_mut(&registration.user) {
            theirs.retain(|other| !Arc::ptr_eq(other, registration));
            if theirs.is_empty() {
                state.users.remove(&registration.user);
            }
        }
        if let Some(session) = registration.session
            && state
                .sessions
                .get(&session)
                .is_some_and(|other| Arc::ptr_eq(other, registration))
        {
            state.sessions.remove(&session);
        }
        // Whoever is woken takes the lock first thing.
        drop(state);
        registration.gone.notify_one();
    }

    /// Closes the socket that still holds this session, and waits until it has ended, at most
    /// [`TAKEOVER_MAX`]. Its own connection may not have noticed yet that the client is gone.
    pub(crate) async fn take_over(&self, session: SessionId) {
        let registration = self.lock().sessions.get(&session).map(Arc::clone);
        if let Some(registration) = registration {
            registration.replace();
            if timeout(TAKEOVER_MAX, registration.gone.notified())
                .await
                .is_err()
            {
                tracing::warn!(
                    waited_ms = TAKEOVER_MAX.as_millis(),
                    "A replaced socket has not ended; its client was let in all the same"
                );
            }
            // `notify_one` stores one permit, and this wait has consumed it. Another connection of
            // the same session may wait, too, so it is passed on.
            registration.gone.notify_one();
        }
    }

    /// Wakes every socket, to look whether something concerns it.
    pub(crate) fn wake_all(&self) {
        self.lock()
            .users
            .values()
            .flatten()
            .for_each(|registration| registration.waker.wake());
    }

    /// The users who are online, by id, each with the number of their sockets.
    pub(crate) fn users(&self) -> Vec<(UserId, usize)> {
        self.lock()
            .users
            .iter()
            .map(|(user, state)| (user.clone(), state.len()))
            .collect()
    }

    /// How many users are online.
    pub(crate) fn len(&self) -> usize {
        self.lock().users.len()
    }

    /// The first `most` users who are online, by id.
    pub(crate) fn first(&self, most: usize) -> Vec<UserId> {
        self.lock().users.keys().take(most).cloned().collect()
    }

    /// Whether that user is online.
    pub(crate) fn has(&self, user: &UserId) -> bool {
        self.lock().users.contains_key(user)
    }

    fn lock(&self) -> MutexGuard<'_, RegistryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
