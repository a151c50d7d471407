//! Quick runs: what changed since the last one, page by page.

use std::collections::BTreeSet;

use schemas::{Change, LocationId, Resource, SyncRun};
use serde::{Deserialize, Serialize};
use shopify::{PageCursor, RecordPage};

use super::{Run, Stopped, patiently};

/// Where a run goes on, kept with each page.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Notes {
    stage: Stage,
    /// Behind which record of the stage.
    cursor: Option<String>,
    /// Locations that were paged to their end.
    locations_done: BTreeSet<LocationId>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
enum Stage {
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
pub(super) async fn finish(run: Run<'_>) -> Result<SyncRun, Stopped> {
    let notes = match run.record.resume.as_str() {
        "" => Notes::default(),
        resume => serde_json::from_str(resume)?,
    };
    let mut pages = Pages { run, notes };
    loop {
        match pages.notes.stage {
            Stage::Begin => pages.begin().await?,
            Stage::Customers | Stage::Items | Stage::Orders => pages.listing(Stage::End).await?,
            Stage::Levels => pages.levels().await?,
            Stage::Products => pages.listing(Stage::Variants).await?,
            // Being tracked does not show in a variant's own time, so items are asked for, too.
            Stage::Variants => pages.listing(Stage::Items).await?,
            Stage::End => return Ok(pages.run.record.run),
        }
    }
}

/// A quick run under way.
struct Pages<'a> {
    run: Run<'a>,
    notes: Notes,
}

impl Pages<'_> {
    async fn begin(&mut self) -> Result<(), Stopped> {
        self.notes.stage = match self.run.record.resource() {
            Resource::Customers => Stage::Customers,
            Resource::Inventory => {
                let locations = patiently(|| self.run.syncs.client.locations()).await?;
                self.notes.stage = Stage::Levels;
                return self.run.keep(locations, &self.notes, None).await;
            }
            Resource::Orders => Stage::Orders,
            Resource::Products => Stage::Products,
        };
        Ok(())
    }

    /// Pages through a list that is not bound to a location, then goes on to the next stage.
    async fn listing(&mut self, next: Stage) -> Result<(), Stopped> {
        let (client, since, after) = (&self.run.syncs.client, self.run.record.since, self.cursor());
        let page = match self.notes.stage {
            Stage::Customers => patiently(|| client.customers_page(since, after.as_ref())).await?,
            Stage::Orders => patiently(|| client.orders_page(since, after.as_ref())).await?,
            Stage::Products => patiently(|| client.products_page(since, after.as_ref())).await?,
            Stage::Variants => patiently(|| client.variants_page(since, after.as_ref())).await?,
            _ => patiently(|| client.items_page(since, after.as_ref())).await?,
        };
        self.count(&page);
        match &page.next {
            Some(cursor) => self.notes.cursor = Some(cursor.to_string()),
            None => {
                self.notes = Notes {
                    stage: next,
                    ..Notes::default()
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
            self.notes.stage = Stage::End;
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
            Stage::Orders => !matches!(change, Change::Customer(_)),
            Stage::Variants => matches!(change, Change::Variant(_)),
            _ => true,
        };
        self.run.record.run.processed += page.changes.iter().filter(counts).count() as u64;
    }
}
