//! What `apply` needs of a database inside one transaction. Every backend gives it; nothing here is SQL.

use inventory::{HeldLevel, Thresholds};
use schemas::event::{AvailableAt, Transfer};
use schemas::record::{Customer, InventoryItem, Level, Location, Order, Product, Variant};
use schemas::shape::ReservationShape;
use schemas::{
    CustomerId, InventoryItemId, LocationId, Logged, OrderId, ProductId, RecordKey, Resource,
    RunId, Sequence, ShopDomain, Timestamp, TransferId, UserId, VariantId, WebhookId,
};

use serde::Serialize;

use crate::StoreError;
use crate::attempt::{Attempt, Flight};
use crate::command::{Effect, KeptCommand};
use crate::drift::Drifted;
use crate::operation::{
    Delivery, Fate, Mark, PostKey, Retention, Revocation, RunRecord, SessionQuota,
};
use crate::position::Position;
use crate::shape::References;

pub(crate) type Result<T> = std::result::Result<T, StoreError>;

/// A record that is kept by key and judged by time.
pub(crate) trait Record: Clone + PartialEq {
    type Key: Copy + Ord;
    /// What Shopify says of it.
    type Said: Serialize;
    fn key(&self) -> Self::Key;
    fn updated_at(&self) -> Timestamp;
    /// Which one, for a person.
    fn name(&self) -> String;
    fn said(&self) -> &Self::Said;
}

macro_rules! record {
    ($($record:ty => $key:ty, $noun:literal);* $(;)?) => {$(
        impl Record for $record {
            type Key = $key;
            type Said = Self;
            fn key(&self) -> $key {
                self.id
            }
            fn updated_at(&self) -> Timestamp {
                self.updated_at
            }
            fn name(&self) -> String {
                format!(concat!($noun, " {}"), self.id)
            }
            fn said(&self) -> &Self {
                self
            }
        }
    )*};
}

record! {
    Customer => CustomerId, "customer";
    InventoryItem => InventoryItemId, "inventory item";
    Location => LocationId, "location";
    Order => OrderId, "order";
    Product => ProductId, "product";
    Variant => VariantId, "variant";
}

impl Record for HeldLevel {
    type Key = (InventoryItemId, LocationId);
    fn key(&self) -> Self::Key {
        (self.observed.inventory_item_id, self.observed.location_id)
    }
    type Said = Level;
    fn updated_at(&self) -> Timestamp {
        self.observed.updated_at
    }
    fn name(&self) -> String {
        let (item, location) = self.key();
        RecordKey::Level(item, location).to_string()
    }
    fn said(&self) -> &Level {
        &self.observed
    }
}

/// Finding, putting and deleting one kind of record of the shop at hand.
pub(crate) trait Keep<R: Record> {
    fn find(&self, key: R::Key) -> Result<Option<R>>;
    fn put(&mut self, record: &R) -> Result<()>;
    fn delete(&mut self, key: R::Key) -> Result<()>;
}

/// What commands need of a shop's tables: the audit, holds, effects and what is on its way to Shopify.
pub(crate) trait Ledger {
    fn command(&self, id: &str) -> Result<Option<KeptCommand>>;
    fn command_by_key(&self, by: &UserId, key: &str) -> Result<Option<KeptCommand>>;
    fn put_command(&mut self, command: &KeptCommand) -> Result<()>;

    fn reservation(&self, id: &str) -> Result<Option<ReservationShape>>;
    fn put_reservation(&mut self, reservation: &ReservationShape) -> Result<()>;
    /// Open holds that have run out.
    fn reservations_due(&self, now: Timestamp, limit: usize) -> Result<Vec<ReservationShape>>;

    /// Units of that level in holds that Shopify has.
    fn held_at(&self, item: InventoryItemId, location: LocationId) -> Result<i64>;

    /// Keeps a new effect under the next id.
    fn add_effect(&mut self, effect: &Effect) -> Result<()>;
    fn effect(&self, id: i64) -> Result<Option<Effect>>;
    /// Gives effects to an attempt; false, and nothing, when one of them waits no longer.
    fn take_effects(&mut self, ids: &[i64], attempt: &str) -> Result<bool>;
    fn put_effect(&mut self, effect: &Effect) -> Result<()>;
    fn delete_effect(&mut self, id: i64) -> Result<()>;
    /// Every effect that is not settled.
    fn effects(&self) -> Result<Vec<Effect>>;
    fn unanswered_of_attempt(&self, attempt: &str, limit: usize) -> Result<Vec<Effect>>;
    fn effects_of_reservation(&self, reservation: &str) -> Result<Vec<Effect>>;
    fn unanswered_of_command(&self, command: &str) -> Result<u64>;
    /// When the effect was given that has waited longest for an answer.
    fn oldest_effect(&self) -> Result<Option<Timestamp>>;
    /// What unsettled effects will do to `on_hand`.
    fn pending_on_hand(&self, item: InventoryItemId, location: LocationId) -> Result<i64>;
    /// Ends the level's flight and its answered effects; what these did to `available`.
    fn settle_level(&mut self, item: InventoryItemId, location: LocationId) -> Result<i64>;

    fn attempt(&self, id: &str) -> Result<Option<Attempt>>;
    fn put_attempt(&mut self, attempt: &Attempt) -> Result<()>;
    fn delete_attempt(&mut self, id: &str) -> Result<()>;
    fn flight(&self, item: InventoryItemId, location: LocationId) -> Result<Option<Flight>>;
    fn put_flight(
        &mut self,
        item: InventoryItemId,
        location: LocationId,
        flight: &Flight,
    ) -> Result<()>;
    fn delete_flight(&mut self, item: InventoryItemId, location: LocationId) -> Result<()>;
}

/// What becomes of the count of vain readings when a record is marked anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tries {
    /// It goes on, and so does the pause after the last one: whoever marks a record often enough could otherwise keep
    /// something wrong for ever.
    Keep,
    /// It begins at none: what was tried in vain is no longer what is held.
    Anew,
}

/// That a record is to be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Marking {
    pub(crate) mark: Mark,
    /// How many readings of it came to nothing.
    pub(crate) vain: u32,
    /// The full run that wants to know, if nothing was heard of the record since.
    pub(crate) doubt: Option<RunId>,
}

/// One shop's tables inside a transaction.
pub(crate) trait Tables:
    Keep<Customer>
    + Keep<HeldLevel>
    + Keep<InventoryItem>
    + Keep<Location>
    + Keep<Order>
    + Keep<Product>
    + Keep<Variant>
    + Ledger
{
    fn shop(&self) -> &ShopDomain;
    fn thresholds(&self) -> &Thresholds;
    /// When the shop was registered first. Orders that were made before are no news when they are first heard of.
    fn known_since(&self) -> Timestamp;

    fn variants_of(&self, product: ProductId) -> Result<Vec<Variant>>;
    fn variant_of(&self, item: InventoryItemId) -> Result<Option<Variant>>;
    fn references(&self, item: InventoryItemId, location: LocationId) -> Result<References> {
        let variant = self.variant_of(item)?;
        let product = match &variant {
            Some(variant) => self.find(variant.product_id)?,
            None => None,
        };
        Ok(References {
            item: self.find(item)?,
            variant,
            product,
            location: self.find(location)?,
        })
    }
    fn levels_of(&self, item: InventoryItemId) -> Result<Vec<HeldLevel>>;
    /// What is sellable of a product at each location where it is stocked.
    fn available_of(&self, product: ProductId) -> Result<Vec<AvailableAt>>;
    fn levels_at(&self, location: LocationId) -> Result<Vec<HeldLevel>>;
    fn levels(&self) -> Result<Vec<HeldLevel>>;

    /// Appends an event; its rooms are indexed with it. Where it is.
    fn append(&mut self, at: Timestamp, event: &Logged) -> Result<Sequence>;

    /// Where that is in the log which was posted under this key.
    fn posted(&self, key: &PostKey) -> Result<Option<Sequence>>;
    fn put_posted(&mut self, key: &PostKey, sequence: Sequence, at: Timestamp) -> Result<()>;

    /// What was told last of a transfer.
    fn transfer(&self, id: TransferId) -> Result<Option<Transfer>>;
    fn put_transfer(&mut self, told: &Transfer, at: Timestamp) -> Result<()>;

    /// Marks a record for reading, anew if it is marked; `doubt` is the full run that wants to know.
    fn mark(
        &mut self,
        key: RecordKey,
        due: Timestamp,
        doubt: Option<&RunId>,
        tries: Tries,
    ) -> Result<()>;
    fn marked(&self, key: RecordKey) -> Result<Option<Marking>>;
    fn unmark(&mut self, key: RecordKey) -> Result<()>;
    /// Keeps the mark, sets how many of its readings were vain, and when the next one is due.
    fn postpone(&mut self, key: RecordKey, vain: u32, due: Timestamp) -> Result<()>;

    /// Forgets everything that is kept of a customer: the record, whose the orders are, and both in the log. That it was
    /// asked is kept as long as deliveries are.
    fn redact(&mut self, customer: CustomerId, at: Timestamp) -> Result<()>;
    /// When that was asked last.
    fn redacted(&self, customer: CustomerId) -> Result<Option<Timestamp>>;
    /// Whether what was so of a customer at that time is to stay forgotten. A customer who comes back later is taken in.
    fn stays_forgotten(&self, customer: CustomerId, as_of: Timestamp) -> Result<bool> {
        Ok(self
            .redacted(customer)?
            .is_some_and(|redacted| as_of <= redacted))
    }

    /// Notes what became of a delivery; false, and nothing, where it no longer waits.
    fn settle(&mut self, delivery: &WebhookId, fate: &Fate) -> Result<bool>;

    fn run(&self, id: &RunId) -> Result<Option<RunRecord>>;
    fn run_under_way(&self, resource: Resource) -> Result<bool>;
    fn put_run(&mut self, run: &RunRecord) -> Result<()>;
    fn add_drift(&mut self, drifted: &Drifted) -> Result<()>;
    fn put_watermark(&mut self, resource: Resource, until: Timestamp) -> Result<()>;
}

/// A transaction over all shops.
pub(crate) trait Transaction {
    type Shop<'a>: Tables
    where
        Self: 'a;

    /// That shop's tables.
    fn shop(&mut self, shop: &ShopDomain) -> Result<Self::Shop<'_>>;
    /// Adds the shop or replaces its thresholds; the former ones, if it was known.
    fn register(
        &mut self,
        shop: &ShopDomain,
        thresholds: &Thresholds,
        at: Timestamp,
    ) -> Result<Option<Thresholds>>;
    /// Keeps a delivery; false when it was here before.
    fn accept(&mut self, delivery: &Delivery) -> Result<bool>;
    /// Keeps a shop's id at Shopify where none is kept. False when another one is.
    fn keep_identity(&mut self, shop: &ShopDomain, id: &str) -> Result<bool>;
    /// Keeps whether customers' names are wanted, and forgets them where they no longer are. False when that was so.
    fn keep_names(&mut self, shop: &ShopDomain, wanted: bool) -> Result<bool>;
    /// Keeps how far a reader is in place of what was kept.
    fn keep_position(&mut self, reader: &str, position: &Position) -> Result<()>;
    /// Keeps a session's rooms in place of what was kept, and forgets the oldest of others beyond the quota.
    fn keep_session(
        &mut self,
        id: &str,
        owner: &str,
        rooms: &str,
        at: Timestamp,
        quota: &SessionQuota,
    ) -> Result<()>;
    /// Keeps a revocation; one of the same tokens is prolonged. False when nothing was changed by it.
    fn revoke(&mut self, revocation: &Revocation) -> Result<bool>;
    fn prune(&mut self, retention: &Retention) -> Result<()>;
    /// Forgets everything of a shop but deliveries that wait.
    fn forget(&mut self, shop: &ShopDomain) -> Result<()>;
}
