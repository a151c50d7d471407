//! Problems: what a person should know of while it lasts, in one registry for status, `/readyz`, metrics and alerts.
//!
//! Whoever finds out that something is wrong says so here, as often as it likes; when it begins and when it ends is
//! logged once and told once as a `system:alert`. One that comes and goes is not told again within an hour.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::SignedDuration;
use schemas::{Clock, ShopDomain, Timestamp};
use shopify::{ApiHealth, ApiProblem};
use store::Store;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::limits;
use crate::shop::notices::announce;
use crate::supervisor::Heartbeat;

/// How long a problem stands before it is told: one that passes by itself, or is told more precisely a moment later,
/// is not.
const SETTLES_AFTER: SignedDuration = SignedDuration::from_secs(1);
/// For how long a problem that was told to be over is not told again.
const QUIET_FOR: SignedDuration = SignedDuration::from_hours(1);
/// For how long after a webhook that is signed as it should be one that is not is no problem of ours.
const SIGNED_FOR: SignedDuration = SignedDuration::from_mins(1);

/// The kinds that follow from how a shop's API answers.
const OF_HEALTH: [&str; 9] = [
    "api_deprecated",
    "api_version",
    "clock_ahead",
    "clock_behind",
    "names_withheld",
    REFUSED,
    "no_access",
    "unanswered",
    "webhook_version",
];
/// The kind of questions that are refused for good.
const REFUSED: &str = "refused";
/// The kind of a store that is not the one which the database is of.
pub(crate) const OTHER_STORE: &str = "other_store";
/// The kind of scopes that are missing.
pub(crate) const SCOPES_MISSING: &str = "scopes_missing";
/// The kind of webhook subscriptions that cannot be made.
pub(crate) const SUBSCRIPTIONS_DECLINED: &str = "subscriptions_declined";
/// The kind of a store that cannot be written.
const STORE_FAILING: &str = "store_failing";
/// The kind of webhooks whose signature is wrong.
const WEBHOOKS_REFUSED: &str = "webhooks_refused";

/// Every problem there is, or was a short while ago: for each shop, at most one of each kind.
pub(crate) struct Problems {
    shops: Vec<ShopDomain>,
    clock: Arc<dyn Clock>,
    state: Mutex<ProblemsState>,
    changed: Notify,
}

#[derive(Default)]
struct ProblemsState {
    /// By shop, none where it concerns all, and kind.
    standing: BTreeMap<(Option<ShopDomain>, &'static str), Standing>,
    /// When a webhook of each shop was last signed as it should be.
    signed: BTreeMap<ShopDomain, Timestamp>,
    /// Shops that are not configured and of which webhooks came.
    strangers: BTreeSet<ShopDomain>,
}

struct Standing {
    title: &'static str,
    message: String,
    since: Timestamp,
    /// When it was over.
    ended: Option<Timestamp>,
    /// Whether people were told that it began.
    told: bool,
    /// Not told before that time.
    quiet_until: Timestamp,
}

/// A problem as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) kind: &'static str,
    pub(crate) since: Timestamp,
    pub(crate) message: String,
}

/// What is to be told next.
struct ProblemNotice {
    key: (Option<ShopDomain>, &'static str),
    title: String,
    message: String,
    is_over: bool,
}

impl Problems {
    pub(crate) fn new(shops: Vec<ShopDomain>, clock: Arc<dyn Clock>) -> Self {
        Self {
            shops,
            clock,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Says that something is wrong, whether that is known or not.
    pub(crate) fn begin(&self, shop: &ShopDomain, problem: ApiProblem) {
        self.begins(Some(shop.clone()), problem);
    }

    /// Says that nothing of that kind is wrong, whether anything was or not.
    pub(crate) fn end(&self, shop: &ShopDomain, kind: &'static str) {
        self.ends(&(Some(shop.clone()), kind));
    }

    /// A webhook came whose signature is wrong. Strangers can send such; so it is a problem only while no others come.
    pub(crate) fn webhook_refused(&self, shop: &ShopDomain) {
        let now = self.clock.now();
        let signed = self.state().signed.get(shop).copied();
        if signed.is_some_and(|signed| now.duration_since(signed) < SIGNED_FOR) {
            return;
        }
        let message = "webhooks with another signature than the shop's webhook_secrets make are refused, and none with \
                       the right one comes: set the client secret of the app that sends them (or the secret shown below \
                       the webhooks in the shop's admin pages), unless a stranger sends them";
        let title = "Webhooks are refused";
        self.begin(
            shop,
            ApiProblem {
                kind: WEBHOOKS_REFUSED,
                title,
                message: message.to_owned(),
            },
        );
    }

    /// A webhook came for a shop that is not configured. Anybody can send such, so it is logged once for each shop, and
    /// not of more than [`limits::STRANGERS_LOGGED_MAX`].
    pub(crate) fn webhook_of_stranger(&self, shop: &ShopDomain) {
        let strangers = &mut self.state().strangers;
        if strangers.len() < limits::STRANGERS_LOGGED_MAX && strangers.insert(shop.clone()) {
            tracing::warn!(shop.domain = %shop, "webhooks of a shop that is not configured are refused: if it is yours, compare the domain under [[shop]]");
        }
    }

    /// A webhook came that is signed as it should be.
    pub(crate) fn webhook_signed(&self, shop: &ShopDomain) {
        let now = self.clock.now();
        self.state().signed.insert(shop.clone(), now);
        self.end(shop, WEBHOOKS_REFUSED);
    }

    /// Whether something of that kind is wrong.
    pub(crate) fn stands(&self, shop: &ShopDomain, kind: &'static str) -> bool {
        let state = self.state();
        state
            .standing
            .get(&(Some(shop.clone()), kind))
            .is_some_and(|standing| standing.ended.is_none())
    }

    /// What is wrong now, of that shop and of all.
    pub(crate) fn of(&self, shop: &ShopDomain) -> Vec<Shown> {
        let state = self.state();
        let concerns = |of: &Option<ShopDomain>| of.as_ref().is_none_or(|of| of == shop);
        let standing = state
            .standing
            .iter()
            .filter(|((of, _), one)| concerns(of) && one.ended.is_none());
        standing
            .map(|((_, kind), one)| Shown {
                kind,
                since: one.since,
                message: one.message.clone(),
            })
            .collect()
    }

    fn begins(&self, shop: Option<ShopDomain>, problem: ApiProblem) {
        let now = self.clock.now();
        let ApiProblem {
            kind,
            title,
            message,
        } = problem;
        let of = shop.clone();
        let mut state = self.state();
        let standing = state
            .standing
            .entry((shop, kind))
            .or_insert_with(|| Standing {
                title,
                message: String::new(),
                since: now,
                ended: None,
                told: false,
                quiet_until: Timestamp::MIN,
            });
        if standing.ended.take().is_some() && !standing.told {
            standing.since = now;
        }
        (standing.title, standing.message) = (title, message);
        drop(state);
        if kind == SCOPES_MISSING
            && let Some(shop) = of
        {
            self.end(&shop, REFUSED);
        }
        self.changed.notify_one();
    }

    fn ends(&self, key: &(Option<ShopDomain>, &'static str)) {
        let now = self.clock.now();
        let mut state = self.state();
        let Some(standing) = state
            .standing
            .get_mut(key)
            .filter(|standing| standing.ended.is_none())
        else {
            return;
        };
        standing.ended = Some(now);
        drop(state);
        self.changed.notify_one();
    }

    /// Tells of problems until told to stop.
    pub(crate) async fn run(
        self: Arc<Self>,
        store: Arc<dyn Store>,
        heartbeat: Heartbeat,
        stop: CancellationToken,
    ) {
        let mut failing = store.failing();
        loop {
            match failing.borrow_and_update().clone() {
                Some(reason) => {
                    let message = format!(
                        "nothing can be written, so webhooks and commands are answered 503 ({reason})"
                    );
                    let title = "Nothing can be written";
                    self.begins(
                        None,
                        ApiProblem {
                            kind: STORE_FAILING,
                            title,
                            message,
                        },
                    );
                }
                None => self.ends(&(None, STORE_FAILING)),
            }
            let mut all_told = true;
            while let Some(notice) = self.next() {
                // While the store fails, this is also what finds out that it works again.
                if !heartbeat.work(self.tell(&*store, notice)).await {
                    all_told = false;
                    break;
                }
            }
            let pending = !all_told || self.is_unsettled();
            tokio::select! {
                () = stop.cancelled() => return,
                _ = failing.changed() => {}
                () = self.changed.notified() => {}
                () = tokio::time::sleep(limits::STORE_PAUSE), if pending => {}
                () = tokio::time::sleep(limits::PROBLEMS_CHECK_PAUSE) => {}
            }
            if !all_told {
                // A notice that others begin meanwhile must not make this spin.
                tokio::time::sleep(limits::STORE_PAUSE).await;
            }
        }
    }

    /// Says what a shop's answers say of its API, until told to stop.
    pub(crate) async fn follow(
        self: Arc<Self>,
        shop: ShopDomain,
        mut health: watch::Receiver<ApiHealth>,
        stop: CancellationToken,
    ) {
        loop {
            let mut found = health.borrow_and_update().problems();
            // What is refused for want of a scope is that problem already.
            found.retain(|problem| problem.kind != REFUSED || !self.stands(&shop, SCOPES_MISSING));
            for kind in OF_HEALTH {
                if found.iter().all(|problem| problem.kind != kind) {
                    self.end(&shop, kind);
                }
            }
            for problem in found {
                self.begin(&shop, problem);
            }
            tokio::select! {
                () = stop.cancelled() => return,
                changed = health.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn tell(&self, store: &dyn Store, notice: ProblemNotice) -> bool {
        let ProblemNotice {
            key,
            title,
            message,
            is_over,
        } = notice;
        let shops = match &key.0 {
            Some(shop) => std::slice::from_ref(shop),
            None => &self.shops[..],
        };
        for shop in shops {
            if announce(store, self.clock.as_ref(), shop, &title, message.clone())
                .await
                .is_err()
            {
                return false;
            }
        }
        let now = self.clock.now();
        let shop = key.0.as_ref().map(tracing::field::display);
        if is_over {
            tracing::info!(
                shop.domain = shop,
                kind = key.1,
                "no longer a problem: {message}"
            );
        } else {
            tracing::warn!(shop.domain = shop, kind = key.1, "{message}");
        }
        let mut state = self.state();
        if let Some(standing) = state.standing.get_mut(&key) {
            standing.told = !is_over;
            standing.quiet_until = if is_over {
                now.saturating_add(QUIET_FOR).unwrap_or(now)
            } else {
                now
            };
        }
        true
    }

    /// What is to be told next; what is over and need not be told is forgotten.
    fn next(&self) -> Option<ProblemNotice> {
        let now = self.clock.now();
        let mut state = self.state();
        // That nothing could be written can mostly be told only when it is over. However short it was: on a full disk
        // small writes still find room now and then.
        let late = |kind: &str, one: &Standing| {
            kind == STORE_FAILING && one.quiet_until == Timestamp::MIN && one.ended.is_some()
        };
        state.standing.retain(|(_, kind), one| {
            one.ended.is_none() || one.told || one.quiet_until > now || late(kind, one)
        });
        state.standing.iter().find_map(|(key, one)| {
            let due = match one.ended {
                Some(_) => one.told || late(key.1, one),
                None => {
                    !one.told
                        && now >= one.quiet_until
                        && now.duration_since(one.since) >= SETTLES_AFTER
                }
            };
            let title = match one.ended {
                Some(_) => format!("Over: {}", one.title),
                None => one.title.to_owned(),
            };
            let message = match one.ended {
                Some(ended) => format!(
                    "This lasted from {:.0} to {ended:.0}: {}",
                    one.since, one.message
                ),
                None => one.message.clone(),
            };
            due.then(|| ProblemNotice {
                key: key.clone(),
                title,
                message,
                is_over: one.ended.is_some(),
            })
        })
    }

    /// Whether something will have to be told soon.
    fn is_unsettled(&self) -> bool {
        let now = self.clock.now();
        let soon = |one: &Standing| one.ended.is_none() && !one.told && now >= one.quiet_until;
        self.state().standing.values().any(soon)
    }

    fn state(&self) -> MutexGuard<'_, ProblemsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
