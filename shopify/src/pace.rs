//! When the next call to a shop may go: the most important first, and none that Shopify would throttle.
//!
//! Shopify charges points to a bucket that leaks (<https://shopify.dev/docs/api/usage/limits>, API 2026-10). We
//! keep our own account of it and let every answer correct that account. A call goes only when its whole
//! requested cost is there, so that nobody is throttled while we are the bucket's only user.
//!
//! Reads of single records go before pages of syncs, but after an outage there may be many thousands of them, and what
//! is missed without syncs grows meanwhile. So while both wait, they share the points that commands leave.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Calls that may wait for a shop; one more is refused.
pub(crate) const WAITING_MAX: usize = 1_000;

/// Until an answer has told: the smallest bucket that admits every allowed query, points.
const CAPACITY_ASSUMED: f64 = 1_000.0;
/// Until an answer has told: the slowest refill ever documented, points a second.
const RATE_ASSUMED: f64 = 50.0;

/// Points that reads get for each point of a sync, while both wait.
const READS_PER_SYNC: f64 = 3.0;

/// How much a call matters. What matters more overtakes what matters less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Priority {
    /// Somebody waits for it.
    Command,
    /// A level or record that is known to be out of date.
    Read,
    /// A page of a sync: gets a share, and never all.
    Sync,
}

impl Priority {
    /// Calls that may be under way at once, those of higher priority included: the last slots are kept free
    /// for what matters more.
    fn slots(self) -> usize {
        match self {
            Self::Command => 8,
            Self::Read => 6,
            Self::Sync => 4,
        }
    }
}

/// What Shopify says of its bucket in an answer. Numbers come with and without decimals.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ThrottleStatus {
    maximum_available: f64,
    currently_available: f64,
    restore_rate: f64,
}

impl ThrottleStatus {
    /// How long until `cost` points are there.
    pub(crate) fn wait_for(&self, cost: f64) -> Duration {
        milliseconds_up(((cost - self.currently_available) / self.restore_rate).max(0.0))
    }
}

/// The paced queue of one shop.
#[derive(Default)]
pub(crate) struct CallPacer {
    account: Mutex<PointBucket>,
    changed: Notify,
}

struct PointBucket {
    /// Points, when nothing has been used for long.
    capacity: f64,
    /// Points that the bucket regains in a second.
    rate: f64,
    /// Points at `since`, with the requested cost of every call under way taken off; negative when it turned
    /// out lower than we believed.
    available: f64,
    since: Option<Instant>,
    /// Whether an answer has told the three above.
    known: bool,
    /// No call goes before.
    resting_until: Option<Instant>,
    waiting: BTreeSet<QueueTicket>,
    /// How far reads and syncs are in sharing the bucket: points spent by each, those of reads divided by
    /// [`READS_PER_SYNC`]. Who is less far goes first.
    shared: FairShares,
    under_way: usize,
    /// Requested points of the calls under way.
    reserved: f64,
    /// Calls let go so far.
    admitted: u64,
    tickets: u64,
}

type QueueTicket = (Priority, u64);

#[derive(Default)]
struct FairShares {
    reads: f64,
    syncs: f64,
}

impl Default for PointBucket {
    fn default() -> Self {
        Self {
            capacity: CAPACITY_ASSUMED,
            rate: RATE_ASSUMED,
            available: CAPACITY_ASSUMED,
            since: None,
            known: false,
            resting_until: None,
            waiting: BTreeSet::new(),
            shared: FairShares::default(),
            under_way: 0,
            reserved: 0.0,
            admitted: 0,
            tickets: 0,
        }
    }
}

/// Too many calls wait.
#[derive(Debug)]
pub(crate) struct QueueFull;

enum AdmissionVerdict {
    Go(CallPermit),
    /// Something must change first.
    Wait,
    /// Enough points will be there by then.
    WaitUntil(Instant),
}

impl CallPacer {
    /// Waits for this call's turn. Dropping the future gives up the place in the queue.
    pub(crate) async fn admit(
        self: &Arc<Self>,
        priority: Priority,
        cost: f64,
    ) -> Result<CallPermit, QueueFull> {
        let place = self.queue(priority)?;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Registered before looking, so that no change between looking and waiting is missed.
            changed.as_mut().enable();
            match self.look(&place, cost) {
                AdmissionVerdict::Go(permit) => return Ok(permit),
                AdmissionVerdict::Wait => changed.await,
                AdmissionVerdict::WaitUntil(instant) => {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(instant) => {}
                    }
                }
            }
        }
    }

    /// Lets no call go for a while, as Shopify asked.
    pub(crate) fn rest(&self, wait: Duration) {
        let until = Instant::now() + wait;
        let mut account = self.account();
        account.resting_until = account.resting_until.max(Some(until));
    }

    fn queue(self: &Arc<Self>, priority: Priority) -> Result<QueuePlace, QueueFull> {
        let mut account = self.account();
        if account.waiting.len() >= WAITING_MAX {
            return Err(QueueFull);
        }
        // Who comes back gets nothing for the time in which it asked for nothing.
        let waits = |account: &PointBucket, wanted| {
            account
                .waiting
                .iter()
                .any(|(priority, _)| *priority == wanted)
        };
        if !waits(&account, priority) {
            let FairShares { reads, syncs } = account.shared;
            match priority {
                Priority::Command => {}
                Priority::Read => account.shared.reads = reads.max(syncs),
                Priority::Sync => account.shared.syncs = syncs.max(reads),
            }
        }
        account.tickets += 1;
        let ticket = (priority, account.tickets);
        account.waiting.insert(ticket);
        Ok(QueuePlace {
            pace: Arc::clone(self),
            ticket,
        })
    }

    fn look(self: &Arc<Self>, place: &QueuePlace, cost: f64) -> AdmissionVerdict {
        let now = Instant::now();
        let mut account = self.account();
        account.refill(now);
        // Until an answer has told what the bucket is like, one call at a time.
        let slots = if account.known {
            place.ticket.0.slots()
        } else {
            1
        };
        if account.first() != Some(place.ticket) || account.under_way >= slots {
            return AdmissionVerdict::Wait;
        }
        if let Some(until) = account.resting_until.filter(|until| *until > now) {
            return AdmissionVerdict::WaitUntil(until);
        }
        // More than a full bucket will never be there.
        let missing = cost.min(account.capacity) - account.available;
        if missing > 0.0 {
            return AdmissionVerdict::WaitUntil(now + milliseconds_up(missing / account.rate));
        }
        let alone = account.under_way == 0;
        account.available -= cost;
        account.under_way += 1;
        account.reserved += cost;
        match place.ticket.0 {
            Priority::Command => {}
            Priority::Read => account.shared.reads += cost / READS_PER_SYNC,
            Priority::Sync => account.shared.syncs += cost,
        }
        account.admitted += 1;
        let number = account.admitted;
        AdmissionVerdict::Go(CallPermit {
            pace: Arc::clone(self),
            cost,
            number,
            alone,
        })
    }

    fn account(&self) -> MutexGuard<'_, PointBucket> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PointBucket {
    /// The ticket of the caller who is next.
    fn first(&self) -> Option<QueueTicket> {
        let first = *self.waiting.first()?;
        let sync = self.waiting.range((Priority::Sync, 0)..).next();
        match sync {
            Some(sync) if first.0 == Priority::Read && self.shared.syncs < self.shared.reads => {
                Some(*sync)
            }
            _ => Some(first),
        }
    }

    fn refill(&mut self, now: Instant) {
        let passed = now - self.since.unwrap_or(now);
        self.since = Some(now);
        self.available = (self.available + passed.as_secs_f64() * self.rate).min(self.capacity);
    }
}

/// A place in the queue, given up when dropped.
struct QueuePlace {
    pace: Arc<CallPacer>,
    ticket: QueueTicket,
}

impl Drop for QueuePlace {
    fn drop(&mut self) {
        self.pace.account().waiting.remove(&self.ticket);
        self.pace.changed.notify_waiters();
    }
}

/// Leave for one call, over when dropped.
pub(crate) struct CallPermit {
    pace: Arc<CallPacer>,
    cost: f64,
    number: u64,
    /// Whether no other call was under way when this one went.
    alone: bool,
}

impl CallPermit {
    /// Takes over what an answer says: `charged` points were used, and this is left.
    ///
    /// A call that was alone all the time settles the account. With others under way the answer may be older
    /// than their charges, so it can only lower the account, by all that they may cost.
    pub(crate) fn settle(self, charged: Option<f64>, status: ThrottleStatus) {
        let ThrottleStatus {
            maximum_available,
            currently_available,
            restore_rate,
        } = status;
        // Figures that make no sense would stop or flood the queue; ours are better then.
        if !(maximum_available >= 1.0 && restore_rate >= 1.0 && currently_available.is_finite()) {
            return;
        }
        let mut account = self.pace.account();
        account.refill(Instant::now());
        account.capacity = maximum_available;
        account.rate = restore_rate;
        account.known = true;
        let settled = self.alone && account.admitted == self.number;
        account.available = if settled {
            currently_available
        } else {
            let of_others = account.reserved - self.cost;
            let refunded = account.available + self.cost - charged.unwrap_or(0.0);
            refunded.min(currently_available - of_others)
        };
    }
}

impl Drop for CallPermit {
    fn drop(&mut self) {
        let mut account = self.pace.account();
        account.under_way -= 1;
        account.reserved = if account.under_way == 0 {
            0.0
        } else {
            account.reserved - self.cost
        };
        drop(account);
        self.pace.changed.notify_waiters();
    }
}

/// Seconds as a duration, up to the next millisecond: a timer must not fire a point too early.
fn milliseconds_up(seconds: f64) -> Duration {
    Duration::try_from_secs_f64((seconds * 1_000.0).ceil() / 1_000.0)
        .unwrap_or(Duration::from_mins(1))
}

#[cfg(test)]
mod tests;
