//! Tokens that are no longer taken, though they have not run out.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use schemas::{Identity, Timestamp};
use store::{Revocation, Revoked};

/// Those that count now; the store has them all.
#[derive(Default)]
pub(super) struct Revocations(RwLock<BTreeMap<Revoked, (Timestamp, Timestamp)>>);

impl Revocations {
    /// Takes one more, and forgets those whose tokens have run out by then.
    pub(super) fn add(&self, revocation: Revocation, now: Timestamp) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (_, until)| *until > now);
        let Revocation { of, at, until } = revocation;
        let kept = all.entry(of).or_insert((at, until));
        *kept = (kept.0.max(at), kept.1.max(until));
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether that token is one of them. Of a user's tokens, one that does not say when it was issued is.
    pub(super) fn concern(&self, identity: &Identity) -> bool {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if all.is_empty() {
            return false;
        }
        let token = identity
            .token_id
            .as_ref()
            .map(|id| Revoked::Token(id.to_string()));
        let by_token = token.is_some_and(|token| all.contains_key(&token));
        let by_user = all.get(&Revoked::User(identity.user_id.clone()));
        by_token
            || by_user.is_some_and(|(at, _)| identity.issued_at.is_none_or(|issued| issued <= *at))
    }
}
