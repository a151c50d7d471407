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
        loop {
            let now = clock.now();
            let next = resources.iter().filter_map(|(resource, plan)| Some((next(plan, now)?, *resource)));
            let Some(((at, kind), resource)) = next.min_by_key(|((at, _), _)| *at) else {
                return std::future::pending().await;
            };
            let wait = at.duration_since(now).try_into().unwrap_or(Duration::ZERO);
            tokio::time::sleep(wait).await;
            syncs.start(resource, kind).await;
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

/// When a resource is due next, and how much of it; a full run where both fall together.
fn next(plan: &Schedules, now: Timestamp) -> Option<(Timestamp, RunKind)> {
    let from: DateTime<Utc> = DateTime::from_timestamp(now.as_second(), 0)?;
    let at = |schedule: &cron::Schedule| {
        let due = schedule.after(&from).next()?;
        Timestamp::from_second(due.timestamp()).ok()
    };
    let quick = at(&plan.quick).map(|at| (at, RunKind::Quick));
    let full = at(&plan.full).map(|at| (at, RunKind::Full));
    [full, quick].into_iter().flatten().min_by_key(|(at, _)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(now: &str) -> (String, RunKind) {
        let (at, kind) = next(&Schedules::default(), now.parse().unwrap()).unwrap();
        (at.to_string(), kind)
    }

    #[test]
    fn the_next_run_is_the_earlier_one_and_full_where_both_are_due() {
        assert_eq!(due("2026-11-20T10:01:00Z"), ("2026-11-20T10:05:00Z".to_owned(), RunKind::Quick));
        assert_eq!(due("2026-11-20T03:29:59Z"), ("2026-11-20T03:30:00Z".to_owned(), RunKind::Full));
        assert_eq!(due("2026-11-20T03:30:00.5Z"), ("2026-11-20T03:35:00Z".to_owned(), RunKind::Quick));
    }
}
