//! Runs: everything, or what changed since, brought over.
//!
//! A page's records and the place where the run goes on commit together, so a crash costs one page. A window
//! is closed only when it was read to its end.

mod full;
mod quick;

use std::sync::Arc;
use std::time::Duration;

use jiff::ToSpan as _;
use schemas::{
    Change, Clock, Entropy, Ephemeral, Resource, RunId, RunKind, RunState, ShopDomain, SyncRun,
    Timestamp,
};
use serde::Serialize;
use shopify::{Client, Retry};
use store::{Batch, Cause, Operation, Outcome, Progress, RunRecord, Store, StoreError};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::limits;
use crate::shop::identity::{OtherStore, StoreIdentity};
use crate::spans;
use crate::supervisor::Heartbeat;
use crate::wakeups::{Wakeup, Wakeups};

/// Brings over one shop's records.
pub(crate) struct Syncs {
    /// The shop that is mirrored.
    pub(crate) shop: ShopDomain,
    /// Where they go.
    pub(crate) store: Arc<dyn Store>,
    /// Reads pages and bulk files by the shop's API.
    pub(crate) client: Arc<Client>,
    /// The clock; the only source of the present time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Ids.
    pub(crate) entropy: Arc<Entropy>,
    /// By which other parts are woken.
    pub(crate) wakeups: Arc<Wakeups>,
    /// A bulk operation has ended.
    pub(crate) bulk_ended: Wakeup,
    /// How long one may make no headway.
    pub(crate) bulk_stuck: Duration,
    /// Percent of a resource's records that a full run may find missing before it stops and asks.
    pub(crate) missing_percent_max: u8,
    /// Whether the store is the one that the database is of.
    pub(crate) identity: Arc<StoreIdentity>,
    /// Who hears of progress.
    pub(crate) hub: Arc<ws::Hub>,
}

/// What a run is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) kind: RunKind,
    /// Only compare.
    pub(crate) dry_run: bool,
    /// However many are missing: a person has looked.
    pub(crate) any_missing: bool,
}

impl Plan {
    /// What the schedule asks for.
    pub(crate) fn scheduled(kind: RunKind) -> Self {
        Self {
            kind,
            dry_run: false,
            any_missing: false,
        }
    }
}

/// Why a run stopped before its end.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    Shopify(#[from] shopify::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the notes on where to go on are unreadable: {0}")]
    Notes(#[from] serde_json::Error),
    #[error("Shopify's bulk operation failed {0} times: ask again later")]
    Bulk(u32),
    #[error(
        "{missing} of {held} records are missing at Shopify, more than {percent} %: nothing was deleted; if that is right, say `stockd sync {resource} --full --any-missing`"
    )]
    Missing {
        missing: usize,
        held: usize,
        percent: u8,
        resource: Resource,
    },
    #[error(transparent)]
    OtherStore(#[from] OtherStore),
    #[error("it was ended from outside")]
    Ended,
}

impl Syncs {
    /// Begins a run; `None`, and nothing happens, while one of the resource is under way.
    pub(crate) async fn begin(
        &self,
        resource: Resource,
        plan: Plan,
    ) -> Result<Option<RunRecord>, StoreError> {
        let watermark = self.store.watermark(&self.shop, resource).await?;
        // Without a former run there is no "since", so the first one looks at everything.
        let kind = if watermark.is_none() {
            RunKind::Full
        } else {
            plan.kind
        };
        let before = watermark.map(|until| {
            until
                .saturating_sub(limits::WINDOW_OVERLAP_SECONDS.seconds())
                .unwrap_or(until)
        });
        let id = self.entropy.uuid().to_string();
        let run_id: RunId = id
            .parse()
            .map_err(|_| StoreError::Failed("a UUID is a run id".to_owned()))?;
        let record = RunRecord {
            shop: self.shop.clone(),
            run: SyncRun {
                run_id,
                resource,
                kind,
                dry_run: plan.dry_run,
                state: RunState::Running,
                processed: 0,
                total: None,
                bulk_objects: None,
                changed: 0,
                deleted: 0,
                drift: 0,
                started_at: self.clock.now(),
                finished_at: None,
                error: None,
            },
            first: watermark.is_none(),
            since: before.filter(|_| kind == RunKind::Quick),
            until: None,
            resume: String::new(),
        };
        let started = self
            .store
            .write(Operation::StartRun(record.clone()))
            .await?;
        Ok(started.fresh.then_some(record))
    }

    /// Brings a run to its end, from wherever it is.
    pub(crate) async fn go_on(&self, record: RunRecord, any_missing: bool, heartbeat: &Heartbeat) {
        let (id, resource, kind) = (
            record.run.run_id.clone(),
            record.run.resource,
            record.run.kind,
        );
        tracing::info!(shop.domain = %self.shop, run.id = %id, %resource, ?kind, resumed = !record.resume.is_empty(), "Started or resumed a run");
        let span = spans::run(&self.shop, &record.run);
        let run = ActiveRun {
            syncs: self,
            record,
            told: None,
            heartbeat,
        };
        let work = async {
            self.identity.confirm().await?;
            match kind {
                RunKind::Full => full::finish(run, any_missing).await,
                RunKind::Quick => quick::finish(run).await,
            }
        };
        let ended = heartbeat.work(work).instrument(span).await;
        match ended {
            Ok(SyncRun {
                processed, changed, ..
            }) => {
                tracing::info!(shop.domain = %self.shop, run.id = %id, %resource, processed, changed, "Completed a run");
                self.end(id, RunState::Completed, None).await;
            }
            Err(Stopped::Ended) => {}
            Err(error) => {
                tracing::error!(shop.domain = %self.shop, run.id = %id, %resource, %error, "A run failed");
                self.end(id, RunState::Failed, Some(error.to_string()))
                    .await;
            }
        }
    }

    /// Ends a run that somebody no longer wants, and what it has under way at Shopify.
    pub(crate) async fn cancel(&self, id: RunId) {
        let runs = self
            .store
            .runs(&self.shop, limits::PAGE_RECORDS_MAX)
            .await
            .unwrap_or_default();
        let record = runs.into_iter().find(|record| record.run.run_id == id);
        self.end(id, RunState::Cancelled, None).await;
        if let Some(operation) = record.and_then(|record| full::operation(&record))
            && let Err(error) = self.client.bulk_cancel(&operation).await
        {
            tracing::warn!(shop.domain = %self.shop, %error, "a cancelled run's bulk operation goes on at Shopify");
        }
    }

    async fn end(&self, run: RunId, state: RunState, error: Option<String>) {
        let finish = Operation::FinishRun {
            shop: self.shop.clone(),
            run,
            state,
            error,
            at: self.clock.now(),
        };
        // As long as it is not kept, no other run of the resource can begin.
        while let Err(error) = self.store.write(finish.clone()).await {
            tracing::error!(shop.domain = %self.shop, %error, "a run's end could not be kept; trying again");
            if matches!(error, StoreError::Closed) {
                return;
            }
            tokio::time::sleep(limits::STORE_PAUSE).await;
        }
    }
}

/// A run under way.
struct ActiveRun<'a> {
    syncs: &'a Syncs,
    record: RunRecord,
    /// When progress was reported last.
    told: Option<Instant>,
    /// Of the task that brings the run to its end: a run works for hours, and beats at each step.
    heartbeat: &'a Heartbeat,
}

impl ActiveRun<'_> {
    /// Commits records with the place where to go on, and reports progress.
    async fn keep(
        &mut self,
        changes: Vec<Change>,
        notes: &impl Serialize,
        shopify_time: Option<Timestamp>,
    ) -> Result<(), Stopped> {
        self.heartbeat.beat();
        let run = &mut self.record.run;
        // The window ends where its first page was read; what changes later is the next window's.
        // The time of a single answer may be wrong; that of a bulk operation is a record's. A window that ended in the future would leave out what
        // changes until then; one that ends too early only has more to read.
        let now = self.syncs.clock.now();
        let latest = if run.kind == RunKind::Quick {
            now
        } else {
            Timestamp::MAX
        };
        self.record.until = self
            .record
            .until
            .or(shopify_time.map(|time| time.min(latest)));
        let progress = Progress {
            processed: run.processed,
            total: run.total,
            bulk_objects: run.bulk_objects,
            resume: serde_json::to_string(notes)?,
            until: self.record.until,
        };
        let cause = Cause::Run {
            run: run.run_id.clone(),
            progress,
        };
        let batch = Batch {
            shop: self.syncs.shop.clone(),
            at: now,
            cause,
            changes,
        };
        let Outcome { fresh, changed, .. } =
            self.syncs.store.write(Operation::Apply(batch)).await?;
        if !fresh {
            return Err(Stopped::Ended);
        }
        run.changed += changed;
        self.syncs.wakeups.record_dirty.send();
        if self
            .told
            .is_none_or(|told| told.elapsed() >= limits::PROGRESS_PAUSE)
        {
            self.told = Some(Instant::now());
            self.syncs
                .hub
                .publish_ephemeral(&self.syncs.shop, &Ephemeral::ShopifyProgress(run.clone()));
        }
        Ok(())
    }
}

/// Asks until there is an answer, or until asking again is of no use.
async fn patiently<T, A: Future<Output = Result<T, shopify::Error>>>(
    mut ask: impl FnMut() -> A,
) -> Result<T, shopify::Error> {
    let mut tries = 0;
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        tries += 1;
        let pause: Duration = match error.retry() {
            Retry::Never => return Err(error),
            _ if tries >= limits::PAGE_TRIES_MAX => return Err(error),
            Retry::Now => limits::SHOPIFY_PAUSE,
            Retry::After(wait) => wait,
        };
        tracing::warn!(%error, tries, "Shopify did not answer; asking again");
        tokio::time::sleep(pause).await;
    }
}
