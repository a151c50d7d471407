//! Quick runs: what changed since the last one, page by page.

use std::collections::BTreeSet;

use schemas::{Change, LocationId, Resource, SyncRun};
use serde::{Deserialize, Serialize};
use shopify::{PageCursor, RecordPage};

use super::{ActiveRun, Stopped, patiently};

/// Where a run goes on, kept with each page.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct QuickNotes {
    stage: QuickStage,
    /// Behind which record of the stage.
    cursor: Option<String>,
    /// Locations that were paged to their end.
    locations_done: BTreeSet<LocationId>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
enum QuickStage {
    #[default]
    Begin,
    Customers,
    Items,
    Levels,
    Orders,
    Products,
    Variants,
    End,
}

/// Brings the run to its end.
pub(super) async fn finish(run: ActiveRun<'_>) -> Result<SyncRun, Stopped> {
    let notes = match run.record.resume.as_str() {
        "" => QuickNotes::default(),
        resume => serde_json::from_str(resume)?,
    };
    let mut pages = Pages { run, notes };
    loop {
        match pages.notes.stage {
            QuickStage::Begin => pages.begin().await?,
            QuickStage::Customers | QuickStage::Items | QuickStage::Orders => {
                pages.listing(QuickStage::End).await?;
            }
            QuickStage::Levels => pages.levels().await?,
            QuickStage::Products => pages.listing(QuickStage::Variants).await?,
            // Being tracked does not show in a variant's own time, so items are asked for, too.
            QuickStage::Variants => pages.listing(QuickStage::Items).await?,
            QuickStage::End => return Ok(pages.run.record.run),
        }
    }
}

/// A quick run under way.
struct Pages<'a> {
    run: ActiveRun<'a>,
    notes: QuickNotes,
}

impl Pages<'_> {
    async fn begin(&mut self) -> Result<(), Stopped> {
        self.notes.stage = match self.run.record.resource() {
            Resource::Customers => QuickStage::Customers,
            Resource::Inventory => {
                let locations = patiently(|| self.run.syncs.client.locations()).await?;
                self.notes.stage = QuickStage::Levels;
                return self.run.keep(locations, &self.notes, None).await;
            }
            Resource::Orders => QuickStage::Orders,
            Resource::Products => QuickStage::Products,
        };
        Ok(())
    }

    /// Pages through a list that is not bound to a location, then goes on to the next stage.
    async fn listing(&mut self, next: QuickStage) -> Result<(), Stopped> {
        let (client, since, after) = (&self.run.syncs.client, self.run.record.since, self.cursor());
        let page = match self.notes.stage {
            QuickStage::Customers => {
                patiently(|| client.customers_page(since, after.as_ref())).await?
            }
            QuickStage::Orders => patiently(|| client.orders_page(since, after.as_ref())).await?,
            QuickStage::Products => {
                patiently(|| client.products_page(since, after.as_ref())).await?
            }
            QuickStage::Variants => {
                patiently(|| client.variants_page(since, after.as_ref())).await?
            }
            _ => patiently(|| client.items_page(since, after.as_ref())).await?,
        };
        self.count(&page);
        match &page.next {
            Some(cursor) => self.notes.cursor = Some(cursor.to_string()),
            None => {
                self.notes = QuickNotes {
                    stage: next,
                    ..QuickNotes::default()
                }
            }
        }
        self.run
            .keep(page.changes, &self.notes, Some(page.shopify_time))
            .await
    }

    /// Pages through the levels of every location in turn.
    async fn levels(&mut self) -> Result<(), Stopped> {
        let syncs = self.run.syncs;
        let locations = syncs.store.locations(&syncs.shop).await?;
        let Some(location) = locations
            .iter()
            .map(|location| location.id)
            .find(|id| !self.notes.locations_done.contains(id))
        else {
            self.notes.stage = QuickStage::End;
            return Ok(());
        };
        let (since, after) = (self.run.record.since, self.cursor());
        let page = patiently(|| syncs.client.levels_page(location, since, after.as_ref())).await?;
        self.count(&page);
        self.notes.cursor = page.next.as_ref().map(PageCursor::to_string);
        if page.next.is_none() {
            self.notes.locations_done.insert(location);
        }
        self.run
            .keep(page.changes, &self.notes, Some(page.shopify_time))
            .await
    }

    fn cursor(&self) -> Option<PageCursor> {
        self.notes.cursor.as_ref()?.parse().ok()
    }

    fn count(&mut self, page: &RecordPage) {
        let stage = self.notes.stage;
        let counts = |change: &&Change| match stage {
            QuickStage::Orders => !matches!(change, Change::Customer(_)),
            QuickStage::Variants => matches!(change, Change::Variant(_)),
            _ => true,
        };
        self.run.record.run.processed += page.changes.iter().filter(counts).count() as u64;
    }
}
