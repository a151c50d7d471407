//! Keys that tokens name and nobody knows. Clients take a refusal for the last word, so a key is refused only once a look
//! that began after it was first named has not brought it. Until then its bearers are told to try again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Unknown keys that are remembered; an id has no more bytes than a token. Bearers of further ones are told to try again, so
/// whoever makes ids up gets nobody refused.
const AWAITED_MAX: usize = 256;
/// How long a key is refused without another look.
const REFUSED_FOR: Duration = Duration::from_mins(1);

/// Which keys are awaited.
#[derive(Default)]
pub(super) struct Awaited {
    state: Mutex<AwaitedState>,
    wanted: Notify,
}

#[derive(Default)]
struct AwaitedState {
    /// When each was first named.
    since: BTreeMap<String, Instant>,
    /// When the last look began that brought keys.
    looked: Option<Instant>,
}

impl AwaitedState {
    fn is_refused(&self, since: Instant) -> bool {
        self.looked.is_some_and(|looked| looked > since)
    }
}

impl Awaited {
    /// Whether a key that nobody knows may still come. Has it looked for.
    pub(super) fn may_come(&self, id: &str) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = state.since.get(id) {
            if state.is_refused(*since) && since.elapsed() < REFUSED_FOR {
                return false;
            }
            if state.is_refused(*since) {
                state.since.insert(id.to_owned(), Instant::now());
            }
        } else {
            if state.since.len() >= AWAITED_MAX {
                let AwaitedState { since, looked } = &mut *state;
                since.retain(|_, since| looked.is_none_or(|looked| looked <= *since));
            }
            if state.since.len() < AWAITED_MAX {
                state.since.insert(id.to_owned(), Instant::now());
            }
        }
        self.wanted.notify_one();
        true
    }

    /// Takes in that a look which began then brought keys.
    pub(super) fn looked(&self, began: Instant) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .looked = Some(began);
    }

    /// Once a key is wanted.
    pub(super) async fn wanted(&self) {
        self.wanted.notified().await;
    }
}
