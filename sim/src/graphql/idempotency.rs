//! What was asked under each idempotency key and how it ended, for a day of the shop's time.
//!
//! <https://shopify.dev/docs/api/usage/implementing-idempotency>, 2026-10.

use std::collections::{HashMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use super::mutation::MutationPayload;
use super::plan::Idempotency;

/// How long a key is remembered.
const MEMORY: SignedDuration = SignedDuration::from_hours(24);
/// Keys that are remembered; past it the oldest is forgotten early.
const MAX_KEYS: usize = 100_000;

pub(crate) struct IdempotencyKeys {
    attempts: HashMap<String, SeenRequest>,
    /// In the order in which they were claimed.
    claimed: VecDeque<(Timestamp, String)>,
    /// Whether a key is spent by a call that was refused.
    spent_by_refusal: bool,
}

struct SeenRequest {
    /// The hash of the input.
    fingerprint: [u8; 32],
    state: KeyState,
}

enum KeyState {
    Running,
    Finished(MutationPayload),
    Failed,
}

/// How a mutation under a key begins.
pub(crate) enum Claim {
    /// Nobody was here before.
    First,
    /// It was carried out: this is how it ended.
    Repeat(MutationPayload),
    /// The error's code and message.
    Refused(&'static str, &'static str),
}

impl IdempotencyKeys {
    pub(crate) fn new(spent_by_refusal: bool) -> Self {
        Self {
            attempts: HashMap::new(),
            claimed: VecDeque::new(),
            spent_by_refusal,
        }
    }

    /// Takes a key for an input; whoever is first must also call [`IdempotencyKeys::end`].
    pub(crate) fn claim(&mut self, claim: &Idempotency, now: Timestamp) -> Claim {
        self.forget(now);
        let fingerprint = Sha256::digest(&claim.input).into();
        match self.attempts.get(&claim.key) {
            None => {
                let attempt = SeenRequest {
                    fingerprint,
                    state: KeyState::Running,
                };
                self.attempts.insert(claim.key.clone(), attempt);
                self.claimed.push_back((now, claim.key.clone()));
                Claim::First
            }
            Some(attempt) if attempt.fingerprint != fingerprint => Claim::Refused(
                "IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
                "The idempotency key was used before with other parameters.",
            ),
            Some(SeenRequest {
                state: KeyState::Running,
                ..
            }) => Claim::Refused(
                "IDEMPOTENCY_CONCURRENT_REQUEST",
                "A request with this idempotency key is still running. Try again later.",
            ),
            Some(SeenRequest {
                state: KeyState::Failed,
                ..
            }) => Claim::Refused(
                "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED",
                "An earlier request with this idempotency key failed. Use a new key.",
            ),
            Some(SeenRequest {
                state: KeyState::Finished(payload),
                ..
            }) => Claim::Repeat(payload.clone()),
        }
    }

    /// Remembers how it ended.
    pub(crate) fn end(&mut self, key: &str, payload: &MutationPayload) {
        if !payload.errors.is_empty() && !self.spent_by_refusal {
            self.attempts.remove(key);
            self.claimed.retain(|(_, claimed)| claimed != key);
            return;
        }
        // One that ran for longer than a day is forgotten.
        if let Some(attempt) = self.attempts.get_mut(key) {
            attempt.state = if payload.errors.is_empty() {
                KeyState::Finished(payload.clone())
            } else {
                KeyState::Failed
            };
        }
    }

    fn forget(&mut self, now: Timestamp) {
        while let Some((at, _)) = self.claimed.front()
            && (self.claimed.len() >= MAX_KEYS || now.duration_since(*at) >= MEMORY)
            && let Some((_, key)) = self.claimed.pop_front()
        {
            self.attempts.remove(&key);
        }
    }
}
