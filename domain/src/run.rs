//! Runs: one of a resource at a time, and how far it is.

use schemas::event::Drift;
use schemas::{Logged, RunId, RunState, Timestamp};

use crate::operation::{Progress, RunRecord};
use crate::working_set::{Decided, ShopSet};

/// Begins a run; false when one of its resource is under way.
pub(crate) fn start(set: &mut ShopSet<'_>, record: &RunRecord) -> Decided<bool> {
    if set.is_run_under_way(record.resource())? {
        return Ok(false);
    }
    set.put(record.run.run_id.clone(), record.clone());
    let status = Logged::ShopifySyncStatus(record.run.clone());
    set.append(record.run.started_at, status);
    Ok(true)
}

/// Ends a run, whatever state it is in; false when it was over.
pub(crate) fn finish(
    set: &mut ShopSet<'_>,
    id: &RunId,
    state: RunState,
    error: Option<&String>,
    at: Timestamp,
) -> Decided<bool> {
    let record = set.find::<RunRecord>(id.clone())?;
    let Some(mut record) = record.filter(|record| !record.run.state.is_over()) else {
        return Ok(false);
    };
    record.run.state = state;
    record.run.error = error.cloned();
    record.run.finished_at = Some(at);
    set.put(id.clone(), record.clone());
    let (completed, dry) = (state == RunState::Completed, record.run.dry_run);
    if let Some(until) = record.until.filter(|_| completed && !dry) {
        set.put_watermark(record.resource(), until);
    }
    if record.run.drift > 0 && !dry {
        let drift = Drift {
            run_id: record.run.run_id.clone(),
            resource: record.resource(),
            records: record.run.drift,
        };
        set.append(at, Logged::ShopifyDrift(drift));
    }
    set.append(at, Logged::ShopifySyncStatus(record.run));
    Ok(true)
}

/// A run as far as it is now.
pub(crate) fn on(mut record: RunRecord, progress: &Progress) -> RunRecord {
    record.run.processed = progress.processed;
    record.run.total = progress.total;
    record.run.bulk_objects = progress.bulk_objects;
    record.resume.clone_from(&progress.resume);
    record.until = progress.until.or(record.until);
    record
}
