//! Runs: everything, or what changed since, brought over page by page.
//!
//! A page's records and the place where the run goes on commit together, so a crash costs one page. A window
//! is closed only when it was paged to its end.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::ToSpan as _;
use schemas::{
    Change, Clock, Entropy, Event, LocationId, Resource, RunId, RunKind, RunState, ShopDomain, SyncRun,
    Timestamp,
};
use serde::{Deserialize, Serialize};
use shopify::{Client, Cursor, Page, Retry};
use store::{Batch, Cause, Operation, Outcome, Progress, RunRecord, Store, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::limits;

/// Brings over one shop's records.
pub(crate) struct Syncs {
    /// Which shop.
    pub(crate) shop: ShopDomain,
    /// Where they go.
    pub(crate) store: Arc<dyn Store>,
    /// The shop itself.
    pub(crate) client: Arc<Client>,
    /// Our time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Ids.
    pub(crate) entropy: Arc<Entropy>,
    /// Records may be marked for reading.
    pub(crate) marked: Arc<watch::Sender<()>>,
    /// Who hears of progress.
    pub(crate) hub: Arc<ws::Hub>,
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
    #[error("it was ended from outside")]
    Ended,
}

/// Where a run goes on, kept with each page.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Notes {
    stage: Stage,
    /// Behind which record of the stage.
    cursor: Option<String>,
    /// For each location that was paged to its end, how many levels it has.
    locations_done: Vec<(LocationId, u64)>,
    /// Records looked at in the stage, or at the location, under way.
    here: u64,
    /// Levels that a location can have at the most: one of every variant.
    levels_max: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
enum Stage {
    #[default]
    Begin,
    Products,
    Variants,
    Items,
    Levels,
    End,
}

impl Syncs {
    /// Starts a run and brings it to its end. Nothing happens while one of the resource is under way.
    pub(crate) async fn start(&self, resource: Resource, kind: RunKind) {
        match self.begin(resource, kind).await {
            Ok(Some(record)) => self.go_on(record).await,
            Ok(None) => {
                tracing::info!(shop.domain = %self.shop, %resource, "not started: a run is under way");
            }
            Err(error) => {
                tracing::error!(shop.domain = %self.shop, %resource, %error, "a run could not be started");
            }
        }
    }

    async fn begin(&self, resource: Resource, kind: RunKind) -> Result<Option<RunRecord>, StoreError> {
        let watermark = self.store.watermark(&self.shop, resource).await?;
        // Without a former run there is no "since", so the first one looks at everything.
        let kind = if watermark.is_none() { RunKind::Full } else { kind };
        let since = watermark
            .filter(|_| kind == RunKind::Quick)
            .map(|until| until.saturating_sub(limits::WINDOW_OVERLAP_SECONDS.seconds()).unwrap_or(until));
        let id = self.entropy.uuid().to_string();
        let run_id: RunId = id.parse().map_err(|_| StoreError::Failed("a UUID is a run id".to_owned()))?;
        let record = RunRecord {
            shop: self.shop.clone(),
            run: SyncRun {
                run_id,
                resource,
                kind,
                dry_run: false,
                state: RunState::Running,
                processed: 0,
                total: None,
                changed: 0,
                deleted: 0,
                drift: 0,
                started_at: self.clock.now(),
                finished_at: None,
                error: None,
            },
            first: watermark.is_none(),
            since,
            until: None,
            covered: None,
            resume: String::new(),
        };
        let started = self.store.write(Operation::StartRun(record.clone())).await?;
        Ok(started.fresh.then_some(record))
    }

    /// Brings a run to its end, from wherever it is.
    pub(crate) async fn go_on(&self, record: RunRecord) {
        let (run, resource) = (record.run.run_id.clone(), record.run.resource);
        tracing::info!(shop.domain = %self.shop, run.id = %run, %resource, kind = ?record.run.kind, resumed = !record.resume.is_empty(), "run under way");
        let mut pages = Pages { syncs: self, notes: Notes::default(), record, told: None };
        let (state, error) = match pages.finish().await {
            Ok(()) => (RunState::Completed, None),
            Err(Stopped::Ended) => return,
            Err(error) => (RunState::Failed, Some(error.to_string())),
        };
        let (processed, changed) = (pages.record.run.processed, pages.record.run.changed);
        match &error {
            None => {
                tracing::info!(shop.domain = %self.shop, run.id = %run, %resource, processed, changed, "run completed");
            }
            Some(error) => {
                tracing::error!(shop.domain = %self.shop, run.id = %run, %resource, processed, error, "run failed");
            }
        }
        let finish =
            Operation::FinishRun { shop: self.shop.clone(), run, state, error, at: self.clock.now() };
        if let Err(error) = self.store.write(finish).await {
            tracing::error!(shop.domain = %self.shop, %error, "a run's end could not be kept; it goes on after a restart");
        }
    }
}

/// A run under way.
struct Pages<'a> {
    syncs: &'a Syncs,
    record: RunRecord,
    notes: Notes,
    /// When progress was reported last.
    told: Option<Instant>,
}

impl Pages<'_> {
    async fn finish(&mut self) -> Result<(), Stopped> {
        if !self.record.resume.is_empty() {
            self.notes = serde_json::from_str(&self.record.resume)?;
        }
        loop {
            match self.notes.stage {
                Stage::Begin => self.begin().await?,
                Stage::Products => self.listing(Stage::Variants).await?,
                // Being tracked does not show in a variant's own time, so a quick run asks for items too.
                Stage::Variants if self.record.since.is_some() => self.listing(Stage::Items).await?,
                Stage::Variants | Stage::Items => self.listing(Stage::End).await?,
                Stage::Levels => self.levels().await?,
                Stage::End => return Ok(()),
            }
        }
    }

    async fn begin(&mut self) -> Result<(), Stopped> {
        let client = &self.syncs.client;
        if self.record.resource() == Resource::Products {
            if self.record.since.is_none() {
                let counts = patiently(|| client.counts()).await?;
                self.record.run.total = Some(counts.products + counts.variants);
            }
            self.notes.stage = Stage::Products;
            return Ok(());
        }
        if self.record.since.is_none() {
            self.notes.levels_max = Some(patiently(|| client.counts()).await?.variants);
        }
        let locations = patiently(|| client.locations()).await?;
        self.notes.stage = Stage::Levels;
        self.keep(locations, None).await
    }

    /// Pages through a list that is not bound to a location, then goes on to the next stage.
    async fn listing(&mut self, next: Stage) -> Result<(), Stopped> {
        let (client, since, after) = (&self.syncs.client, self.record.since, self.cursor());
        let page = match self.notes.stage {
            Stage::Products => patiently(|| client.products_page(since, after.as_ref())).await?,
            Stage::Variants => patiently(|| client.variants_page(since, after.as_ref())).await?,
            _ => patiently(|| client.items_page(since, after.as_ref())).await?,
        };
        self.count(&page);
        match &page.next {
            Some(cursor) => self.notes.cursor = Some(cursor.to_string()),
            None => self.notes = Notes { stage: next, ..Notes::default() },
        }
        self.keep(page.changes, Some(page.shopify_time)).await
    }

    /// Pages through the levels of every location in turn.
    async fn levels(&mut self) -> Result<(), Stopped> {
        let locations: BTreeSet<LocationId> = self.locations().await?;
        let done = |id: &LocationId| self.notes.locations_done.iter().any(|(done, _)| done == id);
        let Some(location) = locations.iter().copied().find(|id| !done(id)) else {
            self.notes.stage = Stage::End;
            return Ok(());
        };
        let (client, since, after) = (&self.syncs.client, self.record.since, self.cursor());
        let page = patiently(|| client.levels_page(location, since, after.as_ref())).await?;
        self.count(&page);
        self.notes.cursor = page.next.as_ref().map(Cursor::to_string);
        if page.next.is_none() {
            self.notes.locations_done.push((location, self.notes.here));
            self.notes.here = 0;
        }
        // Until a location is paged to its end, it may have a level of every variant.
        if let Some(levels_max) = self.notes.levels_max {
            let counted: u64 = self.notes.locations_done.iter().map(|(_, levels)| levels).sum();
            let open = locations.len().saturating_sub(self.notes.locations_done.len()) as u64;
            self.record.run.total = Some((counted + open * levels_max).max(self.record.run.processed));
        }
        self.keep(page.changes, Some(page.shopify_time)).await
    }

    async fn locations(&self) -> Result<BTreeSet<LocationId>, StoreError> {
        let locations = self.syncs.store.locations(&self.syncs.shop).await?;
        Ok(locations.into_iter().map(|location| location.id).collect())
    }

    fn cursor(&self) -> Option<Cursor> {
        self.notes.cursor.as_ref()?.parse().ok()
    }

    fn count(&mut self, page: &Page) {
        let stage = self.notes.stage;
        let counts = |change: &&Change| match stage {
            Stage::Variants => matches!(change, Change::Variant(_)),
            _ => true,
        };
        let records = page.changes.iter().filter(counts).count() as u64;
        self.notes.here += records;
        self.record.run.processed += records;
    }

    /// Commits a page with the place where to go on, and reports progress.
    async fn keep(&mut self, changes: Vec<Change>, shopify_time: Option<Timestamp>) -> Result<(), Stopped> {
        let run = &mut self.record.run;
        // The window ends where its first page was read; what changes later is the next window's.
        self.record.until = self.record.until.or(shopify_time);
        let progress = Progress {
            processed: run.processed,
            total: run.total,
            resume: serde_json::to_string(&self.notes)?,
            until: self.record.until,
        };
        let cause = Cause::Run { run: run.run_id.clone(), progress };
        let batch = Batch { shop: self.syncs.shop.clone(), at: self.syncs.clock.now(), cause, changes };
        let Outcome { fresh, changed, deleted, .. } = self.syncs.store.write(Operation::Apply(batch)).await?;
        if !fresh {
            return Err(Stopped::Ended);
        }
        run.changed += changed;
        run.deleted += deleted;
        self.syncs.marked.send_replace(());
        if self.told.is_none_or(|told| told.elapsed() >= limits::PROGRESS_PAUSE) {
            self.told = Some(Instant::now());
            self.syncs.hub.tell(&self.syncs.shop, &Event::ShopifyProgress(run.clone()));
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
        tracing::warn!(%error, tries, "a page did not come; asking again");
        tokio::time::sleep(pause).await;
    }
}
