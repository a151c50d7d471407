//! What the shop was asked: the last GraphQL calls, the mutations among them, and totals of all.

use std::collections::{HashSet, VecDeque};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

/// The calls that are remembered one by one; older ones only count in the totals.
const MAX_CALLS: usize = 10_000;
/// The same of mutations.
const MAX_MUTATIONS: usize = 100_000;
/// Idempotency keys that are watched for a second application; later ones are not.
const MAX_WATCHED: usize = 1_000_000;

/// One GraphQL call, as `/_sim/calls` lists it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordedCall {
    pub(crate) at: Timestamp,
    pub(crate) operation: Option<String>,
    pub(crate) status: u16,
    pub(crate) requested_cost: Option<u32>,
    pub(crate) actual_cost: Option<u32>,
    pub(crate) throttled: bool,
    /// The codes of the answer's errors.
    pub(crate) errors: Vec<String>,
}

/// One field of a valid mutation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mutation {
    pub(crate) at: Timestamp,
    pub(crate) operation: Option<String>,
    pub(crate) field: String,
    pub(crate) idempotency_key: Option<String>,
    /// Whether it changed the shop.
    pub(crate) applied: bool,
    /// Whether the answer was sent.
    pub(crate) answered: bool,
    /// `APPLIED`, `UNCHANGED`, `REPEATED`, `FAULT` when a fault was injected before it could be carried out, or an error's code.
    pub(crate) outcome: String,
}

#[derive(Default)]
pub(crate) struct Calls {
    latest: VecDeque<RecordedCall>,
    mutations: VecDeque<Mutation>,
    applied_keys: HashSet<String>,
    totals: Totals,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Totals {
    calls: u64,
    throttled: u64,
    failed: u64,
    requested_cost: u64,
    actual_cost: u64,
    mutations: u64,
    applied: u64,
    /// Mutations that changed the shop under a key that had done so before: a client's mistake, since keys are only
    /// remembered for a day.
    applied_twice: u64,
}

impl Calls {
    pub(crate) fn add(&mut self, call: RecordedCall) {
        self.totals.calls += 1;
        self.totals.throttled += u64::from(call.throttled);
        self.totals.failed += u64::from(call.status != 200 || !call.errors.is_empty());
        self.totals.requested_cost += u64::from(call.requested_cost.unwrap_or(0));
        self.totals.actual_cost += u64::from(call.actual_cost.unwrap_or(0));
        if self.latest.len() == MAX_CALLS {
            self.latest.pop_front();
        }
        self.latest.push_back(call);
    }

    pub(crate) fn add_mutation(&mut self, mutation: Mutation) {
        self.totals.mutations += 1;
        self.totals.applied += u64::from(mutation.applied);
        if let Some(key) = mutation
            .idempotency_key
            .as_ref()
            .filter(|_| mutation.applied)
        {
            if self.applied_keys.contains(key) {
                self.totals.applied_twice += 1;
            } else if self.applied_keys.len() < MAX_WATCHED {
                self.applied_keys.insert(key.clone());
            }
        }
        if self.mutations.len() == MAX_MUTATIONS {
            self.mutations.pop_front();
        }
        self.mutations.push_back(mutation);
    }

    pub(crate) fn all(&self) -> Value {
        json!({ "calls": self.latest, "totals": self.totals })
    }

    pub(crate) fn mutations(&self) -> Value {
        json!({ "mutations": self.mutations, "totals": self.totals })
    }
}
