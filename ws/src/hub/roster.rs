//! Who is there: every socket by its user and by its session, for presence, for limits, and to find the one that a
//! client has left behind.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use schemas::UserId;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::connection::Bell;
use crate::hub::recovery::SessionId;
use crate::limits::TAKEOVER_MAX;

/// A socket's entry.
#[derive(Debug)]
pub(crate) struct Seat {
    user: UserId,
    session: Option<SessionId>,
    replaced: AtomicBool,
    bell: Arc<Bell>,
    gone: Notify,
}

impl Seat {
    /// Whether the same session sits elsewhere by now.
    pub(crate) fn is_replaced(&self) -> bool {
        self.replaced.load(Ordering::Acquire)
    }

    fn replace(&self) {
        self.replaced.store(true, Ordering::Release);
        self.bell.ring();
    }
}

/// The user has as many sockets as one may have.
#[derive(Debug)]
pub(crate) struct Crowded;

/// All of them.
#[derive(Debug)]
pub(crate) struct Roster {
    seats: Mutex<Seats>,
    per_user_max: usize,
}

#[derive(Debug, Default)]
struct Seats {
    users: BTreeMap<UserId, Vec<Arc<Seat>>>,
    sessions: HashMap<SessionId, Arc<Seat>>,
}

impl Roster {
    /// An empty one.
    pub(crate) fn new(per_user_max: usize) -> Self {
        Self {
            seats: Mutex::default(),
            per_user_max,
        }
    }

    /// A seat for a socket of that user. Whoever sits there with the same session has to go.
    pub(crate) fn take_seat(
        &self,
        user: &UserId,
        session: Option<SessionId>,
        bell: &Arc<Bell>,
    ) -> Result<Arc<Seat>, Crowded> {
        let mut seats = self.lock();
        let theirs = seats.users.entry(user.clone()).or_default();
        if theirs.len() >= self.per_user_max {
            return Err(Crowded);
        }
        let (replaced, bell, gone) = (AtomicBool::new(false), Arc::clone(bell), Notify::new());
        let seat = Arc::new(Seat {
            user: user.clone(),
            session,
            replaced,
            bell,
            gone,
        });
        theirs.push(Arc::clone(&seat));
        if let Some(session) = session
            && let Some(other) = seats.sessions.insert(session, Arc::clone(&seat))
        {
            other.replace();
        }
        Ok(seat)
    }

    /// The socket is gone.
    pub(crate) fn leave(&self, seat: &Arc<Seat>) {
        let mut seats = self.lock();
        if let Some(theirs) = seats.users.get_mut(&seat.user) {
            theirs.retain(|other| !Arc::ptr_eq(other, seat));
            if theirs.is_empty() {
                seats.users.remove(&seat.user);
            }
        }
        if let Some(session) = seat.session
            && seats
                .sessions
                .get(&session)
                .is_some_and(|other| Arc::ptr_eq(other, seat))
        {
            seats.sessions.remove(&session);
        }
        drop(seats);
        seat.gone.notify_one();
    }

    /// Has the socket go that sits there with that session, and waits until it has: it may not have noticed that its
    /// client is gone.
    pub(crate) async fn take_over(&self, session: SessionId) {
        let seat = self.lock().sessions.get(&session).map(Arc::clone);
        if let Some(seat) = seat {
            seat.replace();
            if timeout(TAKEOVER_MAX, seat.gone.notified()).await.is_err() {
                tracing::warn!("a socket that was taken over does not end");
            }
            // For whoever else waits for the same.
            seat.gone.notify_one();
        }
    }

    /// Has every socket look whether something concerns it.
    pub(crate) fn wake_all(&self) {
        self.lock()
            .users
            .values()
            .flatten()
            .for_each(|seat| seat.bell.ring());
    }

    /// Users who are there, and with how many sockets.
    pub(crate) fn users(&self) -> Vec<(UserId, usize)> {
        self.lock()
            .users
            .iter()
            .map(|(user, seats)| (user.clone(), seats.len()))
            .collect()
    }

    /// How many users are there.
    pub(crate) fn len(&self) -> usize {
        self.lock().users.len()
    }

    /// The first of them, by id.
    pub(crate) fn first(&self, most: usize) -> Vec<UserId> {
        self.lock().users.keys().take(most).cloned().collect()
    }

    /// Whether that user is there.
    pub(crate) fn has(&self, user: &UserId) -> bool {
        self.lock().users.contains_key(user)
    }

    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
