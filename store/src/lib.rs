//! stockd's memory: the inbox of deliveries, the mirror of the store, and the log of what became true.
//!
//! ```text
//!  Operation ─▶ writer: load ─▶ decide (in memory) ─▶ commit mirror + log in one transaction ─▶ `committed` wakes readers
//!  reads ◀───── a few read-only connections, each a consistent view
//! ```
//!
//! [`Store`] is what the daemon sees, and [`sqlite::open`] gives it. One suite (`conformance`) says what holds for every
//! database, through the trait alone.

mod backend;
#[cfg(test)]
mod conformance;
mod local;
pub mod sqlite;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use schemas::record::Location;
use schemas::shape::{LevelShape, ReservationShape};
use schemas::{
    CustomerId, Epoch, InventoryItemId, LevelGid, LevelSelection, LocationId, LogEntry, Offset,
    RecordKey, Resource, Room, RunId, Sequence, ShopDomain, Timestamp, UserId, WebhookId,
};
use tokio::sync::{mpsc, watch};

pub use domain::people::{LocalUser, LoginLink, People, PeopleWrite, UserLogin};
pub use domain::{
    Arrival, Batch, By, Cause, Delivery, DriftKind, Drifted, Fate, Given, Held, KeptSession,
    LastRuns, LevelRefusal, Mark, MessageOutcome, Operation, OutboxMessage, Outcome, Policy,
    Position, Post, PostKey, Progress, Retention, Revocation, Revoked, RunRecord, SessionQuota,
};
pub use writer::Writer;

pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// Why a store could not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The writer is gone; the process is ending.
    #[error("the store is closed")]
    Closed,
    /// The database refused; nothing of the operation happened.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The log no longer goes back that far.
    #[error("the log no longer reaches back to {0}")]
    TooOld(Sequence),
    /// No such shop was registered.
    #[error("the shop {0} is not known")]
    UnknownShop(ShopDomain),
}

/// A record to read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marked {
    /// The record to be read again.
    pub key: RecordKey,
    /// Its mark now.
    pub mark: Mark,
    /// Shopify's id of the level, where the record is one and it is known.
    pub gid: Option<LevelGid>,
}

/// What is still to be done at Shopify for a shop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Adjustments of commands that Shopify has not answered, sent or not.
    pub adjustments: u64,
    /// Records to be read again, due or not.
    pub refreshes: u64,
}

/// A delivery without its body.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliverySummary {
    /// The webhook's id at Shopify.
    pub webhook_id: WebhookId,
    /// For instance `orders/create`.
    pub topic: String,
    /// When it arrived.
    pub received_at: Timestamp,
    /// `pending`, `applied`, `ignored` or `unreadable`.
    pub state: &'static str,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Which commands.
#[derive(Debug, Clone, Default)]
pub struct CommandFilter {
    /// The one of that id.
    pub id: Option<String>,
    /// Given by that user.
    pub by: Option<String>,
    /// In that state, by its name on the wire.
    pub state: Option<String>,
    /// About that item.
    pub item: Option<InventoryItemId>,
    /// Seen by that user, who is limited to those locations: their own, and those about no other locations.
    pub seen_by: Option<(UserId, Vec<LocationId>)>,
    /// Given before the one of that time and id.
    pub before: Option<(Timestamp, String)>,
    /// At most.
    pub limit: usize,
}

/// Which reservations: the open ones, those first that run out first, or one.
#[derive(Debug, Clone, Default)]
pub struct ReservationFilter {
    /// The one of that id, open or not.
    pub id: Option<String>,
    /// Seen by that user, who is limited to those locations: their own, and those of no other locations.
    pub seen_by: Option<(UserId, Vec<LocationId>)>,
    /// Behind the one that runs out at that time and has that id.
    pub after: Option<(Timestamp, String)>,
    /// At most.
    pub limit: usize,
}

impl ReservationFilter {
    /// The one of that id.
    pub fn one(id: impl Into<String>) -> Self {
        Self {
            id: Some(id.into()),
            limit: 1,
            ..Self::default()
        }
    }
}

/// A list of the mirror, for REST.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Collection {
    /// Customers.
    Customers,
    /// Inventory items.
    Items,
    /// Locations.
    Locations,
    /// Orders with lines.
    Orders,
    /// Products.
    Products,
    /// Variants.
    Variants,
}

/// Whose orders a page has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrderView {
    /// All.
    All,
    /// Those fulfilled at one of these locations, and those that are unassigned.
    At(Vec<LocationId>),
    /// Those of that customer.
    Of(CustomerId),
}

/// The store as the daemon sees it. Reads see everything committed before they began.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Does one operation, durably: when this answers, it is on disk.
    ///
    /// # Errors
    /// Nothing of the operation happened, except after [`StoreError::Closed`], when it may have.
    async fn write(&self, operation: Operation) -> Result<Outcome, StoreError>;

    /// This database's life.
    fn epoch(&self) -> Epoch;

    /// A secret of this database, as old as it: for what is given out sealed and is to be recognised after a
    /// restart.
    fn secret(&self) -> [u8; 32];

    /// The last committed entry's place; changes with every commit that appends.
    fn committed(&self) -> watch::Receiver<Sequence>;

    /// How often something was erased that the log held: a customer, names, a shop. Changes before whoever asked for it
    /// is answered. What was read of the log before and is still held has to be read again.
    fn erasures(&self) -> watch::Receiver<u64>;

    /// The entries of each commit, handed over when it is done; for the first who asks. Commits that erased something are
    /// left out, and those for which there is no room: [`Store::entries`] has them.
    fn handed(&self) -> Option<mpsc::Receiver<Vec<LogEntry>>>;

    /// The same store for whoever asks from outside: its reads wait for each other and for nobody inside. Reads of the
    /// live path ([`Store::entries`], [`Store::session`] and [`Store::floor`]) have readers of their own on either.
    fn for_requests(&self) -> Arc<dyn Store>;

    /// Where the log ends now.
    fn head(&self) -> Offset {
        Offset {
            epoch: self.epoch(),
            sequence: *self.committed().borrow(),
        }
    }

    /// Why nothing can be written now, for instance because the disk is full; `None` while it can. Changes when that
    /// begins and when it ends.
    fn failing(&self) -> watch::Receiver<Option<String>>;

    /// Entries of the log that were read since the start and passed over, because a newer stockd wrote them or their kind
    /// was removed. [`Store::entries`] and [`Store::replay`] do not have them.
    fn unknown_entries(&self) -> u64;

    /// Entries of every shop after that place, in order, at most `limit`; fewer only when nothing known follows.
    async fn entries(&self, after: Sequence, limit: usize) -> Result<Vec<LogEntry>, StoreError>;

    /// Entries of a shop's rooms with `after < sequence <= until`, in order, at most `limit` and fewer only when nothing known follows; those of all its
    /// rooms when none are named. [`StoreError::TooOld`] when the log no longer goes back to `after`.
    async fn replay(
        &self,
        shop: &ShopDomain,
        rooms: Vec<Room>,
        after: Sequence,
        until: Sequence,
        limit: usize,
    ) -> Result<Vec<LogEntry>, StoreError>;

    /// The selected levels of those shops, behind `after` in the order of items and locations, at most `limit`
    /// of each shop; and the place in the log at which they are exact.
    async fn levels(
        &self,
        shops: Vec<ShopDomain>,
        selection: LevelSelection,
        after: Option<(InventoryItemId, LocationId)>,
        limit: usize,
    ) -> Result<(Vec<LevelShape>, Sequence), StoreError>;

    /// Deliveries that wait to be applied, in the order in which they came.
    async fn inbox(&self, limit: usize) -> Result<Vec<Delivery>, StoreError>;

    /// The latest deliveries of a shop in that state, newest first.
    async fn deliveries(
        &self,
        shop: &ShopDomain,
        state: &'static str,
        limit: usize,
    ) -> Result<Vec<DeliverySummary>, StoreError>;

    /// Deliveries per topic and state.
    async fn delivery_counts(
        &self,
        shop: &ShopDomain,
    ) -> Result<Vec<(String, &'static str, u64)>, StoreError>;

    /// Records to read again that are due, longest marked first.
    async fn marked(
        &self,
        shop: &ShopDomain,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Marked>, StoreError>;

    /// How much is still to be done at Shopify.
    async fn backlog(&self, shop: &ShopDomain) -> Result<Backlog, StoreError>;

    /// Outbox messages that were begun and not settled, the oldest first.
    async fn outbox_messages(&self, shop: &ShopDomain) -> Result<Vec<OutboxMessage>, StoreError>;

    /// Commands, newest first, as clients see them, with what they asked for.
    async fn commands(
        &self,
        shop: &ShopDomain,
        filter: CommandFilter,
    ) -> Result<Vec<serde_json::Value>, StoreError>;

    /// Reservations.
    async fn reservations(
        &self,
        shop: &ShopDomain,
        filter: ReservationFilter,
    ) -> Result<Vec<ReservationShape>, StoreError>;

    /// Runs of a shop, newest first.
    async fn runs(&self, shop: &ShopDomain, limit: usize) -> Result<Vec<RunRecord>, StoreError>;

    /// The last runs of a resource, each however many others there were since.
    async fn last_runs(
        &self,
        shop: &ShopDomain,
        resource: Resource,
    ) -> Result<LastRuns, StoreError>;

    /// Records that a full run marked and that are not read yet.
    async fn doubts(&self, run: &RunId) -> Result<u64, StoreError>;

    /// What full runs had to put right, and dry ones found; of one run or of all, the latest first.
    async fn drift(
        &self,
        shop: &ShopDomain,
        run: Option<RunId>,
        limit: usize,
    ) -> Result<Vec<Drifted>, StoreError>;

    /// Every record of a resource that the mirror holds, but orders placed before that time.
    async fn held(
        &self,
        shop: &ShopDomain,
        resource: Resource,
        orders_since: Timestamp,
    ) -> Result<Vec<Held>, StoreError>;

    /// Up to when, by Shopify's time, a resource is known to be complete. `None` before its first run.
    async fn watermark(
        &self,
        shop: &ShopDomain,
        resource: Resource,
    ) -> Result<Option<Timestamp>, StoreError>;

    /// A shop's locations, by id.
    async fn locations(&self, shop: &ShopDomain) -> Result<Vec<Location>, StoreError>;

    /// What is kept of the session of that id and owner.
    async fn session(&self, id: &str, owner: &str) -> Result<KeptSession, StoreError>;

    /// How far each reader outside is, by its name.
    async fn positions(&self) -> Result<BTreeMap<String, Position>, StoreError>;

    /// The last entry of the log that was forgotten: up to there, [`Store::entries`] has gaps.
    async fn floor(&self) -> Result<Sequence, StoreError>;

    /// Every revocation that is kept.
    async fn revocations(&self) -> Result<Vec<Revocation>, StoreError>;

    /// Everything that is kept of people.
    async fn people(&self) -> Result<People, StoreError>;

    /// Orders with an id above `after`, by id, as JSON: no others than those of the view, so that a page's last record is
    /// one that its reader may see.
    async fn orders(
        &self,
        shop: &ShopDomain,
        view: OrderView,
        after: u64,
        limit: usize,
    ) -> Result<Vec<serde_json::Value>, StoreError>;

    /// A list's records with an id above `after`, by id, as JSON.
    async fn list(
        &self,
        shop: &ShopDomain,
        collection: Collection,
        after: u64,
        limit: usize,
    ) -> Result<Vec<serde_json::Value>, StoreError>;
}
