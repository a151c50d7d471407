//! The scheduler: runs that a crash left are brought to their end, then every resource follows its cron.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use schemas::{Clock, Resource, RunKind, RunState, Timestamp};
use store::Store;
use tokio_util::sync::CancellationToken;

use crate::config::{Schedules, Sync};
use crate::limits;
use crate::sync::Syncs;

/// Runs one shop's syncs until told to stop. Products come before levels, so that levels have names.
pub(crate) async fn run(
    syncs: Syncs,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    plan: Sync,
    stop: CancellationToken,
) {
    let resources = [(Resource::Products, plan.products), (Resource::Inventory, plan.inventory)];
    let work = async {
        for (resource, _) in &resources {
            catch_up(&syncs, store.as_ref(), *resource).await;
        }
        let mut looked = clock.now();
        loop {
            let Some(at) = resources.iter().filter_map(|(_, plan)| next(plan, looked)).min() else {
                return std::future::pending().await;
            };
            let wait = at.duration_since(clock.now()).try_into().unwrap_or(Duration::ZERO);
            tokio::time::sleep(wait).await;
            // What falls due during a long run is seen at the next look, so no run costs another its turn.
            let now = clock.now();
            for (resource, plan) in &resources {
                if let Some(kind) = due(plan, looked, now) {
                    syncs.start(*resource, kind).await;
                }
            }
            looked = now;
        }
    };
    tokio::select! {
        () = work => {}
        () = stop.cancelled() => {}
    }
}

/// Ends what was begun, or closes the gap since the last time.
async fn catch_up(syncs: &Syncs, store: &dyn Store, resource: Resource) {
    let runs = loop {
        match store.runs(&syncs.shop, limits::PAGE_RECORDS_MAX).await {
            Ok(runs) => break runs,
            Err(error) => {
                tracing::error!(shop.domain = %syncs.shop, %error, "runs wait: the store failed; trying again");
                tokio::time::sleep(limits::STORE_PAUSE).await;
            }
        }
    };
    let under_way = |run: &store::RunRecord| run.resource() == resource && run.run.state == RunState::Running;
    match runs.into_iter().find(under_way) {
        Some(run) => syncs.go_on(run).await,
        None => syncs.start(resource, RunKind::Quick).await,
    }
}

/// When a resource is due next after that time.
fn next(plan: &Schedules, after: Timestamp) -> Option<Timestamp> {
    [&plan.full, &plan.quick].into_iter().filter_map(|schedule| first(schedule, after)).min()
}

/// What of a resource fell due after one time and up to another; a full run where both did.
fn due(plan: &Schedules, after: Timestamp, until: Timestamp) -> Option<RunKind> {
    let fell = |schedule| first(schedule, after).is_some_and(|at| at <= until);
    if fell(&plan.full) { Some(RunKind::Full) } else { fell(&plan.quick).then_some(RunKind::Quick) }
}

fn first(schedule: &cron::Schedule, after: Timestamp) -> Option<Timestamp> {
    let after: DateTime<Utc> = DateTime::from_timestamp(after.as_second(), 0)?;
    Timestamp::from_second(schedule.after(&after).next()?.timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_next_run_is_the_earlier_one() {
        let next = |now| next(&Schedules::default(), time(now)).unwrap().to_string();
        assert_eq!(next("2026-11-20T10:01:00Z"), "2026-11-20T10:05:00Z");
        assert_eq!(next("2026-11-20T03:29:59Z"), "2026-11-20T03:30:00Z");
        assert_eq!(next("2026-11-20T03:30:00.5Z"), "2026-11-20T03:35:00Z");
    }

    #[test]
    fn what_fell_due_meanwhile_is_run_once_and_full_where_both_were() {
        let due = |after, until| due(&Schedules::default(), time(after), time(until));
        assert_eq!(due("2026-11-20T10:01:00Z", "2026-11-20T10:04:59Z"), None);
        assert_eq!(due("2026-11-20T10:01:00Z", "2026-11-20T10:05:00.002Z"), Some(RunKind::Quick));
        assert_eq!(due("2026-11-20T10:05:00.002Z", "2026-11-20T10:05:03Z"), None);
        assert_eq!(due("2026-11-20T03:20:00Z", "2026-11-20T03:50:00Z"), Some(RunKind::Full));
    }
}
