//! Full runs: everything, by a bulk operation, compared with what is held.
//!
//! A bulk result is no snapshot, and not to be in it is not to be gone. What the mirror holds and the result does not
//! is read, record by record; only that reading deletes. A run that would ask after too much stops and says so.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use schemas::{Change, RecordKey, Resource, SyncRun, Timestamp};
use serde::{Deserialize, Serialize};
use shopify::{Bulk, BulkFailure, BulkId, BulkQuery, BulkResult, BulkStart, BulkState, Retry};
use store::{Held, RunRecord};
use tokio::time::{Instant, timeout};

use super::{ActiveRun, Stopped, patiently};
use crate::limits;

/// Where a run goes on, kept as it goes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct FullNotes {
    /// What Shopify is doing for us: found again after a crash, and read from its beginning.
    operation: Option<BulkId>,
    /// Everything was read and compared; what was doubtful is being read.
    compared: bool,
}

/// The bulk operation of a run, if it has one.
pub(super) fn operation(record: &RunRecord) -> Option<BulkId> {
    serde_json::from_str::<FullNotes>(&record.resume)
        .ok()?
        .operation
}

/// Brings the run to its end.
pub(super) async fn finish(run: ActiveRun<'_>, any_missing: bool) -> Result<SyncRun, Stopped> {
    let notes = match run.record.resume.as_str() {
        "" => FullNotes::default(),
        resume => serde_json::from_str(resume)?,
    };
    let scopes = if run.record.resource() == Resource::Orders {
        patiently(|| run.syncs.client.scopes()).await?
    } else {
        BTreeSet::new()
    };
    let names = run.syncs.client.asks_names();
    let mut full = Full {
        run,
        notes,
        scopes,
        names,
        held: Vec::new(),
        named: Vec::new(),
    };
    if !full.notes.compared {
        full.read().await?;
        full.miss(any_missing).await?;
    }
    full.settle().await?;
    Ok(full.run.record.run)
}

/// A full run under way.
struct Full<'a> {
    run: ActiveRun<'a>,
    notes: FullNotes,
    /// What the app may see of orders.
    scopes: BTreeSet<String>,
    /// Whether customers' names are asked for: not once Shopify has refused an operation that did.
    names: bool,
    /// What was held when the result was begun, sorted; nothing in a first import.
    held: Vec<Held>,
    /// Which of it the result named.
    named: Vec<bool>,
}

impl Full<'_> {
    fn query(&self) -> BulkQuery {
        match self.run.record.resource() {
            Resource::Customers if self.names => BulkQuery::CustomersNamed,
            Resource::Customers => BulkQuery::Customers,
            Resource::Inventory => BulkQuery::Levels,
            Resource::Orders if !self.scopes.contains("read_customers") => {
                BulkQuery::OrdersWithoutBuyers
            }
            Resource::Orders if self.names => BulkQuery::OrdersNamed,
            Resource::Orders => BulkQuery::Orders,
            Resource::Products => BulkQuery::Products,
        }
    }

    /// Has Shopify write everything into one file, and reads that; again where it comes to nothing.
    async fn read(&mut self) -> Result<(), Stopped> {
        if self.run.record.resource() == Resource::Inventory {
            let locations = patiently(|| self.run.syncs.client.locations()).await?;
            self.run.keep(locations, &self.notes, None).await?;
        }
        let syncs = self.run.syncs;
        let (shop, run) = (&syncs.shop, self.run.record.run.run_id.clone());
        let (mut fetched, mut pause) = (false, limits::BULK_PAUSE_MIN);
        for _ in 0..limits::BULK_TRIES_MAX {
            let problem = match self.result().await? {
                Ok(result) => match self.rows(&result).await {
                    Ok(()) => {
                        if syncs.client.asks_names() && !self.names {
                            syncs.client.names_are_withheld();
                        }
                        return Ok(());
                    }
                    Err(Stopped::Shopify(error)) => {
                        // It may have been damaged on its way, once.
                        fetched = !fetched && error.retry() == Retry::Now;
                        if !fetched {
                            self.notes.operation = None;
                        }
                        error.to_string()
                    }
                    Err(error) => return Err(error),
                },
                Err(problem) => {
                    self.notes.operation = None;
                    problem
                }
            };
            tracing::warn!(shop.domain = %shop, run.id = %run, problem, "a bulk operation came to nothing; another try");
            tokio::time::sleep(pause).await;
            pause *= 4;
        }
        Err(Stopped::Bulk(limits::BULK_TRIES_MAX))
    }

    /// Waits for the operation's result; `Err` is why there will be none.
    async fn result(&mut self) -> Result<Result<BulkResult, String>, Stopped> {
        let syncs = self.run.syncs;
        let mut ended = syncs.bulk_ended.clone();
        let (mut pause, mut objects, mut moved) = (limits::BULK_PAUSE_MIN, None, Instant::now());
        loop {
            ended.clear();
            self.run.heartbeat.beat();
            let asked = Instant::now();
            let bulk = match &self.notes.operation {
                Some(id) => patiently(|| syncs.client.bulk_state(id)).await?,
                None => match self.start().await {
                    Err(Stopped::Shopify(
                        shopify::Error::AccessDenied(_) | shopify::Error::Declined { .. },
                    )) if self.query().is_named() => return Ok(Err(self.without_names())),
                    started => Some(started?),
                },
            };
            let Some(bulk) = bulk else {
                return Ok(Err("it is no longer there".to_owned()));
            };
            match bulk.state {
                BulkState::Completed(result) => return Ok(Ok(result)),
                BulkState::Canceled => {
                    return Ok(Err("somebody or Shopify cancelled it".to_owned()));
                }
                BulkState::Expired => return Ok(Err("it has expired".to_owned())),
                BulkState::Failed(BulkFailure::AccessDenied) if self.query().is_named() => {
                    return Ok(Err(self.without_names()));
                }
                BulkState::Failed(BulkFailure::AccessDenied) => {
                    let query = format!("bulk operation of {}", self.run.record.resource());
                    return Err(shopify::Error::AccessDenied(query).into());
                }
                BulkState::Failed(reason) => return Ok(Err(format!("Shopify failed: {reason:?}"))),
                BulkState::Created | BulkState::Running | BulkState::Canceling => {}
            }
            if objects.replace(bulk.objects) != Some(bulk.objects) {
                moved = Instant::now();
                // This can take an hour in a large shop, in which nothing else tells that there is headway.
                self.run.record.run.bulk_objects = Some(bulk.objects);
                self.run.keep(Vec::new(), &self.notes, None).await?;
            } else if moved.elapsed() > syncs.bulk_stuck {
                match patiently(|| syncs.client.bulk_cancel(&bulk.id)).await {
                    Ok(_) => return Ok(Err("it made no headway".to_owned())),
                    // Whether it is cancelled shows at the next look.
                    Err(shopify::Error::InDoubt { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            // Shopify tells when it has ended, and may forget to.
            let _woken = timeout(pause, ended.received()).await;
            // What wakes it can be replayed as often as somebody likes.
            tokio::time::sleep_until(asked + limits::BULK_PAUSE_MIN).await;
            pause = (pause * 2).min(limits::BULK_PAUSE_MAX);
        }
    }

    /// Asks for no names from now on; what else may be refused shows then.
    fn without_names(&mut self) -> String {
        self.names = false;
        "Shopify refuses it; without customers' names it may be granted".to_owned()
    }

    /// Starts an operation, or takes the one up that was started when the answer was lost.
    async fn start(&mut self) -> Result<Bulk, Stopped> {
        let (syncs, query) = (self.run.syncs, self.query());
        let bulk = loop {
            let started = patiently(|| syncs.client.bulk_start(query)).await;
            match started {
                Ok(BulkStart::Started(bulk)) => break bulk,
                Ok(BulkStart::Busy) => {
                    tracing::info!(shop.domain = %syncs.shop, "five bulk operations are under way on this shop; waiting for a place");
                }
                Err(shopify::Error::InDoubt { .. }) => {
                    let listed = patiently(|| syncs.client.bulk_list()).await?;
                    let ours = |bulk: &Bulk| bulk.query == Some(query) && bulk.state.is_under_way();
                    if let Some(bulk) = listed.into_iter().find(ours) {
                        break bulk;
                    }
                }
                Err(error) => return Err(error.into()),
            }
            tokio::time::sleep(limits::SHOPIFY_PAUSE).await;
        };
        self.notes.operation = Some(bulk.id.clone());
        // A later operation begins a later window.
        self.run.record.until = None;
        self.run
            .keep(Vec::new(), &self.notes, Some(bulk.created_at))
            .await?;
        Ok(bulk)
    }

    /// Takes the result's rows in. While some are written, the next are read.
    async fn rows(&mut self, result: &BulkResult) -> Result<(), Stopped> {
        let (syncs, resource) = (self.run.syncs, self.run.record.resource());
        let mut rows = syncs.client.bulk_rows(self.query(), result)?;
        if !self.run.record.first {
            self.held = syncs
                .store
                .held(&syncs.shop, resource, self.orders_since())
                .await?;
            self.held.sort_unstable();
            self.named = vec![false; self.held.len()];
        }
        self.run.record.run.bulk_objects = None;
        let mut read = 0;
        let mut next = rows.next().await?;
        while let Some(changes) = next {
            for sighted in changes.iter().filter_map(sighting) {
                if let Ok(place) = self.held.binary_search(&sighted) {
                    self.named[place] = true;
                }
            }
            read += changes
                .iter()
                .filter(|change| is_a_row(resource, change))
                .count() as u64;
            let run = &mut self.run.record.run;
            // What was read before a second try is not told again.
            run.processed = run.processed.max(read);
            run.total = Some(result.lines().max(run.processed));
            let (following, kept) =
                tokio::join!(rows.next(), self.run.keep(changes, &self.notes, None));
            kept?;
            next = following?;
        }
        self.run.record.run.total = Some(self.run.record.run.processed);
        Ok(())
    }

    /// Asks after everything that is held and was not in the result.
    async fn miss(&mut self, any_missing: bool) -> Result<(), Stopped> {
        let (syncs, resource) = (self.run.syncs, self.run.record.resource());
        if !self.run.record.first {
            let held = std::mem::take(&mut self.held);
            let unseen = held.iter().zip(&self.named).filter(|(_, named)| !**named);
            let missing: BTreeSet<RecordKey> = unseen.map(|(held, _)| held.key).collect();
            let (percent, most) = (syncs.missing_percent_max, limits::MISSING_ALWAYS);
            let too_many =
                missing.len() > most && missing.len() * 100 > held.len() * usize::from(percent);
            if too_many && !any_missing && !self.run.record.run.dry_run {
                return Err(Stopped::Missing {
                    missing: missing.len(),
                    held: held.len(),
                    percent,
                    resource,
                });
            }
            let missing: Vec<RecordKey> = missing.into_iter().collect();
            for keys in missing.chunks(limits::BULK_ROWS) {
                let doubts = keys.iter().copied().map(Change::LookAgain).collect();
                self.run.keep(doubts, &self.notes, None).await?;
            }
        }
        self.named = Vec::new();
        self.notes.compared = true;
        self.run.keep(Vec::new(), &self.notes, None).await
    }

    /// From when orders are to be seen: older ones do not exist for an app that may not read all.
    fn orders_since(&self) -> Timestamp {
        let all = self.scopes.contains("read_all_orders");
        let visible = SignedDuration::from_hours(limits::ORDERS_VISIBLE_DAYS * 24);
        let begun = self.run.record.until.filter(|_| !all);
        begun
            .and_then(|begun| begun.saturating_sub(visible).ok())
            .unwrap_or(Timestamp::MIN)
    }

    /// Waits until everything doubtful was read.
    async fn settle(&mut self) -> Result<(), Stopped> {
        let syncs = self.run.syncs;
        let mut committed = syncs.store.committed();
        while syncs.store.doubts(&self.run.record.run.run_id).await? > 0 {
            let _woken = timeout(limits::REFRESH_PAUSE, committed.changed()).await;
        }
        Ok(())
    }
}

/// The record that a row names.
fn sighting(change: &Change) -> Option<Held> {
    let one = |key| Some(Held { key, variant: None });
    match change {
        Change::Customer(said) => one(RecordKey::Customer(said.id)),
        Change::Item(said) => one(RecordKey::Item(said.id)),
        Change::Level(said) => one(RecordKey::Level(said.inventory_item_id, said.location_id)),
        Change::Location(said) => one(RecordKey::Location(said.id)),
        Change::LookAgain(key) => one(*key),
        Change::Order(said) => one(RecordKey::Order(said.id)),
        Change::Product { product, .. } => one(RecordKey::Product(product.id)),
        Change::Variant(said) => Some(Held {
            key: RecordKey::Product(said.product_id),
            variant: Some(said.id),
        }),
        Change::Gone(_)
        | Change::LevelAvailable { .. }
        | Change::Redacted(_)
        | Change::Transfer(_) => None,
    }
}

/// Whether it is a row of the result: a variant comes with its item and an order with its customer, which have no rows
/// of their own there.
fn is_a_row(resource: Resource, change: &Change) -> bool {
    match resource {
        Resource::Orders => !matches!(change, Change::Customer(_)),
        Resource::Products => !matches!(change, Change::Item(_)),
        Resource::Customers | Resource::Inventory => true,
    }
}
