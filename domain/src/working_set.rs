//! The working set: everything that a batch of operations may read, and everything that it changes, in memory.
//!
//! ```text
//!  store ──load(keys)──▶ WorkingSet ──decide──▶ changed records, events, other writes ──commit──▶ store
//!                            ▲        │
//!                            └─missing┘
//! ```
//!
//! A decision asks for a record as if it were there. If it is not loaded, its key is noted as missing and the operation
//! stops; when all operations of the batch were tried, everything is undone, the missing keys are loaded, and the batch
//! is decided again. A set that was loaded stays exact however the batch changes its records, because membership is
//! computed from the records themselves; a sum is what was loaded plus what the batch has changed.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::event::{AvailableAt, Transfer};
use schemas::record::{Customer, InventoryItem, Location, Order, Product, Variant};
use schemas::shape::{ReservationShape, ReservationState};
use schemas::{
    CustomerId, InventoryItemId, LocationId, Logged, OrderId, ProductId, RecordKey, Resource, Room,
    RunId, Sequence, ShopDomain, Timestamp, TransferId, UserId, VariantId, WebhookId,
};

use crate::command::KeptCommand;
use crate::drift::Drifted;
use crate::key::{Key, LevelKey};
use crate::operation::{
    Delivery, Fate, Mark, PostKey, Retention, Revoked, RunRecord, SessionQuota,
};
use crate::outbox::{Flight, PendingAdjustment, SentMessage};
use crate::people::PeopleWrite;
use crate::position::Position;
use crate::records::{Records, Row, Undo};
use crate::reservation::is_open;
use crate::shape::References;
use crate::{HeldLevel, Thresholds};

/// Why an operation was not decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undecided {
    /// Something that it asked for is not loaded; its key is in the working set's list.
    Missing,
    /// No such shop was registered.
    UnknownShop(ShopDomain),
    /// A value has no form in which it could be kept.
    Unspeakable(String),
}

impl From<serde_json::Error> for Undecided {
    fn from(error: serde_json::Error) -> Self {
        Self::Unspeakable(error.to_string())
    }
}

/// What is decided, or that it is not.
pub(crate) type Decided<T> = Result<T, Undecided>;

/// A key with the shop that it is of; [`Key::Revocation`] is of none.
pub type WantedKey = (Option<ShopDomain>, Key);

/// The last numbers that were given out. They are given in memory, from where the store says that they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Numbers {
    /// The last number of an entry of the log.
    pub sequence: Sequence,
    /// The last number of a pending adjustment.
    pub adjustment: i64,
    /// The last number of a dirty mark.
    pub mark: i64,
}

/// What a store holds of a shop itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ShopRow {
    /// At or below which its levels are low.
    pub thresholds: Arc<Thresholds>,
    /// When it was registered first; `None` once it was forgotten, until it is registered again.
    pub known_since: Option<Timestamp>,
    /// Whether customers' names are kept.
    pub keeps_names: bool,
    /// Shopify's id of it, from the first contact on.
    pub shopify_id: Option<String>,
    /// Set while its levels are judged against new thresholds.
    pub judging: Option<Judging>,
    /// Set while customers' names are being forgotten.
    pub erasing: Option<ErasureStep>,
    /// Locations that opened or closed and whose levels are being judged anew, each with the last item that was.
    pub moved: BTreeMap<LocationId, Option<InventoryItemId>>,
}

/// How far an erasure is that a store does in slices.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ErasureStep {
    /// Steps that are done; the store knows what each is.
    pub steps: usize,
    /// Up to where the next one is; 0 at its beginning.
    pub after: i64,
}

impl ErasureStep {
    /// The beginning of the next step.
    #[must_use]
    pub fn next_step(self) -> Self {
        Self {
            steps: self.steps + 1,
            after: 0,
        }
    }
}

/// That a customer is to be forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redaction {
    /// The customer who is to be forgotten.
    pub customer: CustomerId,
    /// When it was asked last.
    pub at: Timestamp,
    /// While it is under way: the last entry of the log that is concerned, and how far it is.
    pub erasing: Option<(Sequence, ErasureStep)>,
}

/// How far the levels of a shop are judged against its new thresholds.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Judging {
    /// The last level that is; `None` before the first.
    pub after: Option<LevelKey>,
}

/// That a record is to be read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirtyMark {
    /// The record that is to be read again.
    pub key: RecordKey,
    /// New each time that the record is marked, so that a reading begun before cannot wipe it.
    pub mark: Mark,
    /// Readings of it that came back older than what is held.
    pub retries: u32,
    /// When it is to be read.
    pub due: Timestamp,
    /// The full run that wants to know, if nothing was heard of the record since.
    pub run: Option<RunId>,
}

/// What becomes of the count of refresh retries when a record is marked anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retries {
    /// It goes on, and so does the pause after the last one: whoever marks a record often enough could otherwise keep
    /// something wrong for ever.
    Keep,
    /// It begins at none: what was read in vain is no longer what is held.
    Reset,
}

/// What is kept of a delivery besides its body.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptDelivery {
    /// Under which it is kept.
    pub id: WebhookId,
    /// What its body was signed with; `None` for those from before signatures were kept.
    pub signature: Option<Vec<u8>>,
    /// What became of it; `None` while it waits. Its body is kept while it waits and where it is unreadable.
    pub fate: Option<Fate>,
    /// Set where it arrived in this batch: the whole of it, to be written.
    pub arrived: Option<Arc<Delivery>>,
}

/// Where in the log something is that was posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostedAt {
    /// The number of its entry in the log.
    pub sequence: Sequence,
    /// When it was posted first.
    pub at: Timestamp,
}

/// What was told last of a transfer, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldTransfer {
    /// The transfer as it was told.
    pub told: Transfer,
    /// When.
    pub at: Timestamp,
}

/// Tokens that are not taken any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevocationRow {
    /// A user's tokens that were issued by then are not taken.
    pub at: Timestamp,
    /// When the last of them has run out.
    pub until: Timestamp,
}

macro_rules! rows {
    ($($record:ty, $id:ty => |$row:pat_param| [$($set:expr),*];)*) => {$(
        impl Row for $record {
            type Id = $id;
            type Rank = ();
            fn rank(&self) {}
            fn sets(&self) -> Vec<Key> {
                let $row = self;
                vec![$($set),*]
            }
        }
    )*};
}

rows! {
    Customer, CustomerId => |_| [];
    InventoryItem, InventoryItemId => |_| [];
    HeldLevel, LevelKey => |level| [
        Key::LevelsOf(level.observed.inventory_item_id),
        Key::LevelsAt(level.observed.location_id)
    ];
    Location, LocationId => |_| [];
    Order, OrderId => |_| [];
    Product, ProductId => |_| [];
    DirtyMark, RecordKey => |_| [];
    Flight, LevelKey => |flight| [Key::FlightsOf(flight.message.clone())];
    SentMessage, String => |_| [Key::Messages];
    ToldTransfer, TransferId => |_| [];
    PostedAt, PostKey => |_| [];
    KeptDelivery, WebhookId => |_| [];
    ShopRow, ShopDomain => |_| [];
    RevocationRow, Revoked => |_| [];
}

impl Row for Variant {
    type Id = VariantId;
    type Rank = ();
    fn rank(&self) {}
    fn sets(&self) -> Vec<Key> {
        let item = self.inventory_item_id.map(Key::VariantsOfItem);
        std::iter::once(Key::VariantsOf(self.product_id))
            .chain(item)
            .collect()
    }
}

impl Row for PendingAdjustment {
    type Id = i64;
    type Rank = ();
    fn rank(&self) {}
    fn sets(&self) -> Vec<Key> {
        let mut sets = Vec::with_capacity(5);
        sets.extend(self.command.clone().map(Key::AdjustmentsOfCommand));
        sets.extend(self.reservation.clone().map(Key::AdjustmentsOfReservation));
        match &self.message {
            None => sets.extend([Key::Waiting, Key::UnsentAt(self.level())]),
            Some(message) if !self.answered => sets.push(Key::UnansweredOf(message.clone())),
            Some(_) => {}
        }
        sets.push(if self.answered {
            Key::AnsweredAt(self.level())
        } else {
            Key::Unanswered
        });
        sets
    }
}

impl Row for Redaction {
    type Id = CustomerId;
    type Rank = ();
    fn rank(&self) {}
    fn sets(&self) -> Vec<Key> {
        let under_way = self.erasing.map(|_| Key::RedactionsUnderWay);
        under_way.into_iter().collect()
    }
}

impl Row for KeptCommand {
    type Id = String;
    type Rank = ();
    fn rank(&self) {}
    fn sets(&self) -> Vec<Key> {
        let with_key = |key| Key::CommandWithKey(self.shape.by.clone(), key);
        self.key.clone().map(with_key).into_iter().collect()
    }
}

impl Row for ReservationShape {
    type Id = String;
    /// The microsecond in which it runs out.
    type Rank = i64;
    fn rank(&self) -> i64 {
        self.expires_at.as_microsecond()
    }
    fn sets(&self) -> Vec<Key> {
        is_open(self.state)
            .then_some(Key::OpenReservations)
            .into_iter()
            .collect()
    }
}

impl Row for RunRecord {
    type Id = RunId;
    type Rank = ();
    fn rank(&self) {}
    fn sets(&self) -> Vec<Key> {
        let under_way = Key::RunsUnderWay(self.resource());
        (!self.run.state.is_over())
            .then_some(under_way)
            .into_iter()
            .collect()
    }
}

/// A slice of [`Key::LevelsToNet`].
#[derive(Debug, Clone, Default)]
pub struct SliceOfLevels {
    /// In the order of items and locations.
    pub levels: Vec<LevelKey>,
    /// Whether there are more behind the last one.
    pub more: bool,
}

/// What adjustments of one level draw on `available`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Draws {
    /// Units that they take away, less those that they give back.
    pub units: i64,
    /// How many of them set a quantity: then the sum says nothing of what is left.
    pub settings: i64,
}

/// A kind of record that is found in a shop by its id.
pub(crate) trait ShopRecord: Row {
    fn records(shop: &ShopRecords) -> &Records<Self>;
    fn records_mut(shop: &mut ShopRecords) -> &mut Records<Self>;
    fn key(id: &Self::Id) -> Key;
}

/// The touched levels by product, as far as they were looked at. A product whose variants changed is not asked here.
#[derive(Debug, Default)]
struct TouchedLevels {
    seen: usize,
    by_product: BTreeMap<ProductId, BTreeSet<LevelKey>>,
}

macro_rules! shop_records {
    ($($(#[$doc:meta])* $field:ident: $record:ty => $key:ident;)*) => {
        /// What is loaded of one shop.
        #[derive(Debug, Default)]
        pub struct ShopRecords {
            $($(#[$doc])* pub $field: Records<$record>,)*
            /// [`Key::AvailableOf`] as it was loaded.
            pub available: BTreeMap<ProductId, BTreeMap<LocationId, i64>>,
            /// Which levels of a product the batch touched.
            touched_levels: RefCell<TouchedLevels>,
            /// [`Key::PendingOnHand`] as it was loaded.
            pub pending_on_hand: BTreeMap<LevelKey, i64>,
            /// [`Key::ReservedUnits`] as it was loaded.
            pub reserved_units: BTreeMap<LevelKey, i64>,
            /// [`Key::LevelsToNet`] as it was loaded.
            pub levels_to_net: BTreeMap<Option<LevelKey>, SliceOfLevels>,
            /// [`Key::UnsentDraws`] as it was loaded.
            pub unsent_draws: BTreeMap<LevelKey, Draws>,
        }

        impl ShopRecords {
    fn each(&mut self, deed: fn(&mut dyn Undo)) {
                $(deed(&mut self.$field);)*
            }
        }

        $(impl ShopRecord for $record {
            fn records(shop: &ShopRecords) -> &Records<Self> {
                &shop.$field
            }
            fn records_mut(shop: &mut ShopRecords) -> &mut Records<Self> {
                &mut shop.$field
            }
            fn key(id: &Self::Id) -> Key {
                Key::$key(id.clone())
            }
        })*
    };
}

shop_records! {
    /// Pending adjustments by number.
    adjustments: PendingAdjustment => Adjustment;
    /// Commands by their ids.
    commands: KeptCommand => Command;
    /// Customers by their ids.
    customers: Customer => Customer;
    /// Deliveries by webhook id.
    deliveries: KeptDelivery => Delivery;
    /// Dirty marks by the record that is to be read again.
    dirty_marks: DirtyMark => DirtyMark;
    /// Levels that an outbox message is changing.
    flights: Flight => Flight;
    /// Inventory items by their ids.
    items: InventoryItem => Item;
    /// Levels by item and location.
    levels: HeldLevel => Level;
    /// Locations by their ids.
    locations: Location => Location;
    /// Outbox messages by their ids.
    messages: SentMessage => Message;
    /// Orders with their lines.
    orders: Order => Order;
    /// What was posted under a key.
    posted: PostedAt => Posted;
    /// Products without their variants.
    products: Product => Product;
    /// That customers are to be forgotten.
    redactions: Redaction => Redaction;
    /// Reservations by their ids.
    reservations: ReservationShape => Reservation;
    /// Runs of every resource by their ids.
    runs: RunRecord => Run;
    /// What was told last of transfers.
    transfers: ToldTransfer => Transfer;
    /// Variants by their ids.
    variants: Variant => Variant;
}

/// An entry that a batch appends to the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Appended {
    /// Its number, counted over all shops.
    pub sequence: Sequence,
    /// The shop that it is about.
    pub shop: ShopDomain,
    /// When it became true.
    pub at: Timestamp,
    /// What became true with it.
    pub event: Logged,
    /// The rooms in which it is heard.
    pub rooms: BTreeSet<Room>,
    /// What is stored of the event, once the batch is decided; see [`WorkingSet::seal`].
    pub stored: String,
}

/// A write on which no decision of the batch depends, as data.
#[derive(Debug, Clone, PartialEq)]
pub enum BulkWrite {
    /// Deletes everything of a shop but its row and the deliveries that wait, in slices; alone in its batch. Its
    /// `known_since` and `shopify_id` go with the last slice.
    Forget(ShopDomain),
    /// Deletes a slice of the names of a shop's customers: in their records, then in the log's order events and in drift;
    /// alone in its batch. The store keeps how far it is in `erasing` of the shop.
    ForgetNames {
        /// The customers' shop.
        shop: ShopDomain,
        /// What was done before.
        done: ErasureStep,
    },
    /// Keeps or forgets users, logins and links.
    KeepPeople(Vec<PeopleWrite>),
    /// Keeps how far a reader outside is, in place of what was kept.
    KeepPosition {
        /// The name of the reader.
        reader: String,
        /// How far it has come in the log.
        position: Position,
    },
    /// Keeps a session's rooms in place of what was kept, and forgets the oldest of others beyond the quota.
    KeepSession {
        /// The id of the session.
        id: String,
        /// A code that stands for its user.
        owner: String,
        /// What is to be found again.
        rooms: String,
        /// When its rooms were these.
        at: Timestamp,
        /// How much there may be.
        quota: SessionQuota,
    },
    /// Deletes what is older than its keeping time; alone in its batch.
    Prune(Retention),
    /// Takes a slice of what names a customer away: in the shop's orders, then in the log up to and with `until`, then in
    /// drift and in bodies that could not be read; alone in its batch. The store keeps how far it is in `erasing` of the
    /// redaction.
    Redact {
        /// The customer's shop.
        shop: ShopDomain,
        /// The customer who is forgotten.
        customer: CustomerId,
        /// The last entry of the log that is concerned.
        until: Sequence,
        /// What was done before.
        done: ErasureStep,
    },
}

impl BulkWrite {
    /// Whether something goes that was in the log, or may have been.
    pub fn erases(&self) -> bool {
        matches!(
            self,
            Self::Forget(_) | Self::ForgetNames { .. } | Self::Redact { .. }
        )
    }
}

/// What a batch writes besides records.
#[derive(Debug, Default)]
pub struct BatchWrites {
    /// Entries of the log, by sequence and without holes.
    pub appended: Vec<Appended>,
    /// What full runs had to put right.
    pub drift: Vec<(ShopDomain, Drifted)>,
    /// Up to when resources are complete, the later one last.
    pub watermarks: Vec<(ShopDomain, Resource, Timestamp)>,
    /// Writes on which no decision depends.
    pub bulk: Vec<BulkWrite>,
    /// What a person should know of, for the process's own log.
    pub warnings: Vec<Warning>,
}

/// Something about a level that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The shop that the level is in.
    pub shop: ShopDomain,
    /// The level to look at.
    pub level: LevelKey,
    /// What is the matter, for a person.
    pub message: String,
}

/// Lengths of the lists of [`BatchWrites`] and the numbers, where an operation began.
#[derive(Debug, Clone, Copy, Default)]
struct Begun {
    appended: usize,
    drift: usize,
    watermarks: usize,
    bulk: usize,
    warnings: usize,
    numbers: Numbers,
}

/// What a batch may read and what it changes; see the module.
#[derive(Debug)]
pub struct WorkingSet {
    /// The shops themselves, by domain.
    pub shops: Records<ShopRow>,
    /// Revocations of all shops together.
    pub revocations: Records<RevocationRow>,
    by_shop: BTreeMap<ShopDomain, ShopRecords>,
    numbers: Numbers,
    written: BatchWrites,
    missing: RefCell<BTreeSet<WantedKey>>,
    /// Where the operation at hand began, and where the batch did.
    begun: Begun,
    start: Begun,
}

impl WorkingSet {
    /// Nothing is loaded, and numbers go on behind these.
    pub fn new(numbers: Numbers) -> Self {
        let begun = Begun {
            numbers,
            ..Begun::default()
        };
        Self {
            shops: Records::default(),
            revocations: Records::default(),
            by_shop: BTreeMap::new(),
            numbers,
            written: BatchWrites::default(),
            missing: RefCell::default(),
            begun,
            start: begun,
        }
    }

    /// The last numbers that were given out.
    pub fn numbers(&self) -> Numbers {
        self.numbers
    }

    /// What is to be written besides records.
    pub fn written(&self) -> &BatchWrites {
        &self.written
    }

    /// Writes down every event as the log stores it: once, when the batch is decided for good.
    ///
    /// # Errors
    /// Never, for events of ours.
    pub fn seal(&mut self) -> Result<(), Undecided> {
        for appended in &mut self.written.appended {
            appended.stored = appended.event.stored()?;
        }
        Ok(())
    }

    /// The entries of the log, once they are committed.
    pub fn into_appended(self) -> Vec<Appended> {
        self.written.appended
    }

    /// What is loaded of each shop.
    pub fn by_shop(&self) -> impl Iterator<Item = (&ShopDomain, &ShopRecords)> {
        self.by_shop.iter()
    }

    /// What is loaded of that shop, to load more.
    pub fn shop_records(&mut self, shop: &ShopDomain) -> &mut ShopRecords {
        if !self.by_shop.contains_key(shop) {
            self.by_shop.insert(shop.clone(), ShopRecords::default());
        }
        self.by_shop.entry(shop.clone()).or_default()
    }

    /// Those of the keys that are not loaded.
    pub fn unknown(&mut self, keys: impl IntoIterator<Item = WantedKey>) -> BTreeSet<WantedKey> {
        let keys = keys.into_iter();
        keys.filter(|(shop, key)| match (shop, key) {
            (_, Key::Revocation(revoked)) => self.revocations.get(revoked).is_none(),
            (Some(shop), Key::Shop) => self.shops.get(shop).is_none(),
            (Some(shop), key) => !self
                .by_shop
                .get(shop)
                .is_some_and(|records| records.knows(key)),
            (None, _) => false,
        })
        .collect()
    }

    /// The keys that were asked for and are not loaded; the list is empty then.
    pub(crate) fn take_missing(&mut self) -> BTreeSet<WantedKey> {
        std::mem::take(self.missing.get_mut())
    }

    pub(crate) fn begin(&mut self) {
        self.each(|records| records.begin());
        self.begun = self.now();
    }

    /// Takes back what the operation at hand did.
    pub(crate) fn undo(&mut self) {
        self.each(|records| records.undo());
        self.back_to(self.begun);
    }

    /// Takes back what the whole batch did.
    pub(crate) fn undo_all(&mut self) {
        self.each(|records| records.undo_all());
        self.back_to(self.start);
    }

    /// The log has no holes, and every number that was given out is in it.
    pub(crate) fn assert_in_sequence(&self) {
        let appended = &self.written.appended;
        let before = self.start.numbers.sequence.0;
        let numbers = appended.first().zip(appended.last());
        let (first, last) = numbers.map_or((before + 1, before), |(first, last)| {
            (first.sequence.0, last.sequence.0)
        });
        assert_eq!(first, before + 1, "the log goes on where it ended");
        assert_eq!(last, before + appended.len() as u64, "it has no holes");
        assert_eq!(
            last, self.numbers.sequence.0,
            "nothing is given out that is not in it"
        );
    }

    fn each(&mut self, deed: fn(&mut dyn Undo)) {
        deed(&mut self.shops);
        deed(&mut self.revocations);
        for records in self.by_shop.values_mut() {
            records.each(deed);
        }
    }

    fn now(&self) -> Begun {
        Begun {
            appended: self.written.appended.len(),
            drift: self.written.drift.len(),
            watermarks: self.written.watermarks.len(),
            bulk: self.written.bulk.len(),
            warnings: self.written.warnings.len(),
            numbers: self.numbers,
        }
    }

    fn back_to(&mut self, begun: Begun) {
        self.written.appended.truncate(begun.appended);
        self.written.drift.truncate(begun.drift);
        self.written.watermarks.truncate(begun.watermarks);
        self.written.bulk.truncate(begun.bulk);
        self.written.warnings.truncate(begun.warnings);
        self.numbers = begun.numbers;
    }

    /// A write on which nothing depends.
    pub(crate) fn write(&mut self, bulk: BulkWrite) {
        self.written.bulk.push(bulk);
    }

    pub(crate) fn miss(&self, shop: Option<&ShopDomain>, key: Key) -> Undecided {
        self.missing.borrow_mut().insert((shop.cloned(), key));
        Undecided::Missing
    }

    /// The row of a shop that was registered.
    pub(crate) fn shop_row(&self, shop: &ShopDomain) -> Decided<ShopRow> {
        match self.shops.get(shop) {
            None => Err(self.miss(Some(shop), Key::Shop)),
            Some(None) => Err(Undecided::UnknownShop(shop.clone())),
            Some(Some(row)) => Ok(row.clone()),
        }
    }

    /// The part of the set that is one shop's.
    pub(crate) fn shop(&mut self, shop: &ShopDomain) -> Decided<ShopSet<'_>> {
        let row = self.shop_row(shop)?;
        if !self.by_shop.contains_key(shop) {
            self.by_shop.insert(shop.clone(), ShopRecords::default());
        }
        Ok(ShopSet {
            domain: shop.clone(),
            thresholds: row.thresholds,
            known_since: row.known_since.unwrap_or(Timestamp::MAX),
            shops: &mut self.shops,
            records: self.by_shop.entry(shop.clone()).or_default(),
            numbers: &mut self.numbers,
            written: &mut self.written,
            missing: &self.missing,
        })
    }
}

impl ShopRecords {
    /// Whether that, or the beginning of it, is loaded.
    fn knows(&self, key: &Key) -> bool {
        match key {
            Key::Adjustment(id) => self.adjustments.get(id).is_some(),
            Key::Command(id) => self.commands.get(id).is_some(),
            Key::Customer(id) => self.customers.get(id).is_some(),
            Key::Delivery(id) => self.deliveries.get(id).is_some(),
            Key::DirtyMark(record) => self.dirty_marks.get(record).is_some(),
            Key::Flight(level) => self.flights.get(level).is_some(),
            Key::Item(id) => self.items.get(id).is_some(),
            Key::Level(level) => self.levels.get(level).is_some(),
            Key::Location(id) => self.locations.get(id).is_some(),
            Key::Message(id) => self.messages.get(id).is_some(),
            Key::Order(id) => self.orders.get(id).is_some(),
            Key::Posted(key) => self.posted.get(key).is_some(),
            Key::Product(id) => self.products.get(id).is_some(),
            Key::Redaction(customer) => self.redactions.get(customer).is_some(),
            Key::Reservation(id) => self.reservations.get(id).is_some(),
            Key::Run(id) => self.runs.get(id).is_some(),
            Key::Transfer(id) => self.transfers.get(id).is_some(),
            Key::Variant(id) => self.variants.get(id).is_some(),
            Key::AdjustmentsOfCommand(_)
            | Key::AdjustmentsOfReservation(_)
            | Key::AnsweredAt(_)
            | Key::NewestUnsentAt(..)
            | Key::Unanswered
            | Key::UnansweredOf(_)
            | Key::UnsentAt(_)
            | Key::Waiting => self.adjustments.covered(key).is_some(),
            Key::CommandWithKey(..) => self.commands.covered(key).is_some(),
            Key::FlightsOf(_) => self.flights.covered(key).is_some(),
            Key::LevelsAfter(_) | Key::LevelsAt(_) | Key::LevelsAtAfter(..) | Key::LevelsOf(_) => {
                self.levels.covered(key).is_some()
            }
            Key::LevelsToNet(after) => self.levels_to_net.contains_key(after),
            Key::Messages => self.messages.covered(key).is_some(),
            Key::ReservationsDue(by) => {
                let end = (by.saturating_add(1), String::new());
                self.reservations
                    .members(&Key::OpenReservations, Some(&end), usize::MAX)
                    .is_some()
            }
            Key::RedactionsUnderWay => self.redactions.covered(key).is_some(),
            Key::RunsUnderWay(_) => self.runs.covered(key).is_some(),
            Key::VariantsOf(_) | Key::VariantsOfItem(_) => self.variants.covered(key).is_some(),
            Key::AvailableOf(product) => self.available.contains_key(product),
            Key::PendingOnHand(level) => self.pending_on_hand.contains_key(level),
            Key::ReservedUnits(level) => self.reserved_units.contains_key(level),
            Key::UnsentDraws(level) => self.unsent_draws.contains_key(level),
            Key::OpenReservations | Key::Revocation(_) | Key::Shop => true,
        }
    }
}

/// One shop's part of a working set, for the operation at hand.
pub(crate) struct ShopSet<'s> {
    pub(crate) domain: ShopDomain,
    pub(crate) thresholds: Arc<Thresholds>,
    /// When the shop was registered first. Orders that were made before are no news when they are first heard of.
    pub(crate) known_since: Timestamp,
    shops: &'s mut Records<ShopRow>,
    records: &'s mut ShopRecords,
    numbers: &'s mut Numbers,
    written: &'s mut BatchWrites,
    missing: &'s RefCell<BTreeSet<WantedKey>>,
}

/// Does a step for each, also after one for which something is missing: so what is missing for all of them is loaded
/// at once. What the later steps do then does not matter, because everything will be undone.
pub(crate) fn for_each<T>(
    things: impl IntoIterator<Item = T>,
    mut step: impl FnMut(T) -> Decided<()>,
) -> Decided<()> {
    let mut all = Ok(());
    for thing in things {
        match step(thing) {
            Err(Undecided::Missing) => all = Err(Undecided::Missing),
            done => done?,
        }
    }
    all
}

impl ShopSet<'_> {
    fn miss(&self, key: Key) -> Undecided {
        let wanted = (Some(self.domain.clone()), key);
        self.missing.borrow_mut().insert(wanted);
        Undecided::Missing
    }

    #[expect(clippy::needless_pass_by_value, reason = "most ids are a number")]
    pub(crate) fn find<R: ShopRecord>(&self, id: R::Id) -> Decided<Option<R>> {
        match R::records(self.records).get(&id) {
            Some(record) => Ok(record.cloned()),
            None => Err(self.miss(R::key(&id))),
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "most ids are a number")]
    pub(crate) fn has<R: ShopRecord>(&self, id: R::Id) -> Decided<bool> {
        match R::records(self.records).get(&id) {
            Some(record) => Ok(record.is_some()),
            None => Err(self.miss(R::key(&id))),
        }
    }

    pub(crate) fn put<R: ShopRecord>(&mut self, id: R::Id, record: R) {
        R::records_mut(self.records).put(id, record);
    }

    pub(crate) fn delete<R: ShopRecord>(&mut self, id: R::Id) -> Decided<()> {
        if R::records(self.records).get(&id).is_none() {
            return Err(self.miss(R::key(&id)));
        }
        R::records_mut(self.records).delete(id);
        Ok(())
    }

    fn members<R: ShopRecord>(&self, set: Key, limit: usize) -> Decided<Vec<R>> {
        match R::records(self.records).members(&set, None, limit) {
            Some(members) => Ok(members.into_iter().cloned().collect()),
            None => Err(self.miss(set)),
        }
    }

    pub(crate) fn variants_of(&self, product: ProductId) -> Decided<Vec<Variant>> {
        self.members(Key::VariantsOf(product), usize::MAX)
    }

    /// The variant of an item; the lowest one where several share it.
    pub(crate) fn variant_of(&self, item: InventoryItemId) -> Decided<Option<Variant>> {
        let mut variants = self.members(Key::VariantsOfItem(item), usize::MAX)?;
        variants.truncate(1);
        Ok(variants.pop())
    }

    pub(crate) fn references(&self, (item, location): LevelKey) -> Decided<References> {
        // All are asked for before any is waited for.
        let (variant, item, location) =
            (self.variant_of(item), self.find(item), self.find(location));
        let variant = variant?;
        let product = match &variant {
            Some(variant) => self.find(variant.product_id)?,
            None => None,
        };
        Ok(References {
            item: item?,
            variant,
            product,
            location: location?,
        })
    }

    pub(crate) fn levels_of(&self, item: InventoryItemId) -> Decided<Vec<HeldLevel>> {
        self.members(Key::LevelsOf(item), usize::MAX)
    }

    pub(crate) fn levels_at(&self, location: LocationId) -> Decided<Vec<HeldLevel>> {
        self.members(Key::LevelsAt(location), usize::MAX)
    }

    /// A slice of the shop's levels behind that one, and whether there are more.
    pub(crate) fn levels_after(&self, after: Option<LevelKey>) -> Decided<(Vec<HeldLevel>, bool)> {
        use crate::records::Covered;
        let key = Key::LevelsAfter(after);
        let levels = &self.records.levels;
        let (until, more) = match levels.covered(&key) {
            None => return Err(self.miss(key)),
            Some(Covered::All) => (None, false),
            Some(Covered::UpTo(((), last))) => (Some(last), true),
        };
        let slice = levels.between(after.as_ref(), until);
        Ok((slice.into_iter().cloned().collect(), more))
    }

    /// A slice of a location's levels behind that item, and the last item of it where there are more.
    pub(crate) fn levels_at_after(
        &self,
        location: LocationId,
        after: Option<InventoryItemId>,
    ) -> Decided<(Vec<HeldLevel>, Option<InventoryItemId>)> {
        use crate::records::Covered;
        let key = Key::LevelsAtAfter(location, after);
        let levels = &self.records.levels;
        let last = match levels.covered(&key) {
            None => return Err(self.miss(key)),
            Some(Covered::All) => None,
            Some(Covered::UpTo(((), last))) => Some(*last),
        };
        let after = after.map(|item| (item, location));
        let slice = levels.between(after.as_ref(), last.as_ref());
        let here = slice.into_iter().filter(|level| level.key().1 == location);
        Ok((here.cloned().collect(), last.map(|(item, _)| item)))
    }

    /// Has the levels of a location judged anew, in slices.
    pub(crate) fn judge_anew(&mut self, location: LocationId) {
        if let Some(Some(row)) = self.shops.get(&self.domain) {
            let mut row = row.clone();
            row.moved.insert(location, None);
            self.shops.put(self.domain.clone(), row);
        }
    }

    /// A customer who is being forgotten.
    pub(crate) fn redaction_under_way(&self) -> Decided<Option<Redaction>> {
        Ok(self.members(Key::RedactionsUnderWay, 1)?.pop())
    }

    /// What is sellable of a product at each location where it is stocked: what the store summed up, and what the batch has
    /// changed of it since.
    pub(crate) fn available_of(&self, product: ProductId) -> Decided<Vec<AvailableAt>> {
        let sums = if self.is_regrouped(product) {
            self.sum_of_levels(product)?
        } else {
            self.sum_of_changes(product)?
        };
        let at = |(location_id, available)| AvailableAt {
            location_id,
            available,
        };
        Ok(sums.into_iter().map(at).collect())
    }

    /// Whether the batch changed which levels count to a product, and not only how much is there.
    fn is_regrouped(&self, product: ProductId) -> bool {
        let of_product = |variant: &&Variant| variant.product_id == product;
        let place = |variant: &Variant| (variant.product_id, variant.inventory_item_id);
        let variants = self.records.variants.changes().any(|changed| {
            let sides = [changed.before, changed.now];
            sides.iter().flatten().any(of_product)
                && changed.before.map(place) != changed.now.map(place)
        });
        let is_open = |location: Option<&Location>| location.is_none_or(|location| location.active);
        let mut locations = self.records.locations.changes();
        variants || locations.any(|changed| is_open(changed.before) != is_open(changed.now))
    }

    fn sum_of_levels(&self, product: ProductId) -> Decided<BTreeMap<LocationId, i64>> {
        let mut sums = BTreeMap::new();
        let items = self.variants_of(product)?;
        let items = items.iter().filter_map(|variant| variant.inventory_item_id);
        for_each(items, |item| {
            for_each(self.levels_of(item)?, |level| {
                if let Some(counted) = self.counted(Some(&level))? {
                    *sums.entry(level.observed.location_id).or_default() += counted;
                }
                Ok(())
            })
        })?;
        Ok(sums)
    }

    fn sum_of_changes(&self, product: ProductId) -> Decided<BTreeMap<LocationId, i64>> {
        let Some(loaded) = self.records.available.get(&product) else {
            return Err(self.miss(Key::AvailableOf(product)));
        };
        let mut sums = loaded.clone();
        let mut emptied = BTreeSet::new();
        for_each(self.touched_levels_of(product)?, |(item, location)| {
            let Some(changed) = self.records.levels.change(&(item, location)) else {
                return Ok(());
            };
            let variants = self.variants_of_item(item)?;
            let of_product = variants
                .iter()
                .filter(|variant| variant.product_id == product);
            for _ in of_product {
                let (before, now) = (self.counted(changed.before)?, self.counted(changed.now)?);
                if now.is_none() && before.is_some() {
                    emptied.insert(location);
                }
                if now.is_some() || before.is_some() {
                    *sums.entry(location).or_default() += now.unwrap_or(0) - before.unwrap_or(0);
                }
            }
            Ok(())
        })?;
        // Nothing tells any more whether another level is still counted there.
        if emptied.is_empty() {
            Ok(sums)
        } else {
            self.sum_of_levels(product)
        }
    }

    /// The levels of a product that the batch may have changed. Each level is looked at once in a batch: doing so for
    /// every event of a product took a quarter of the time of a large batch.
    fn touched_levels_of(&self, product: ProductId) -> Decided<BTreeSet<LevelKey>> {
        let mut index = self.records.touched_levels.borrow_mut();
        let touched = self.records.levels.touched();
        while let Some(&(item, location)) = touched.get(index.seen) {
            for variant in self.variants_of_item(item)? {
                let levels = index.by_product.entry(variant.product_id).or_default();
                levels.insert((item, location));
            }
            index.seen += 1;
        }
        Ok(index.by_product.get(&product).cloned().unwrap_or_default())
    }

    fn variants_of_item(&self, item: InventoryItemId) -> Decided<Vec<&Variant>> {
        let set = Key::VariantsOfItem(item);
        let variants = self.records.variants.members(&set, None, usize::MAX);
        variants.ok_or_else(|| self.miss(set))
    }

    /// What a level adds to what is sellable at its location; `None` where it does not count.
    fn counted(&self, level: Option<&HeldLevel>) -> Decided<Option<i64>> {
        let Some(level) = level.filter(|level| level.observed.active) else {
            return Ok(None);
        };
        let location = level.observed.location_id;
        let is_open = match self.records.locations.get(&location) {
            None => return Err(self.miss(Key::Location(location))),
            Some(location) => location.is_none_or(|location| location.active),
        };
        Ok(is_open.then(|| level.available()))
    }

    /// Appends an event to the log under the next number.
    pub(crate) fn append(&mut self, at: Timestamp, event: Logged) -> Sequence {
        let sequence = Sequence(self.numbers.sequence.0 + 1);
        self.numbers.sequence = sequence;
        self.written.appended.push(Appended {
            sequence,
            shop: self.domain.clone(),
            at,
            rooms: event.rooms(),
            event,
            stored: String::new(),
        });
        sequence
    }

    /// Marks a record as dirty, anew if it is; `run` is the full run that wants to know.
    pub(crate) fn mark(
        &mut self,
        key: RecordKey,
        due: Timestamp,
        run: Option<&RunId>,
        retries: Retries,
    ) -> Decided<()> {
        let before: Option<DirtyMark> = self.find(key)?;
        let (retries, due) = match (before, retries) {
            (Some(before), Retries::Keep) if before.retries > 0 => {
                (before.retries, due.max(before.due))
            }
            _ => (0, due),
        };
        self.numbers.mark += 1;
        let mark = DirtyMark {
            key,
            mark: Mark(self.numbers.mark),
            retries,
            due,
            run: run.cloned(),
        };
        self.put(key, mark);
        Ok(())
    }

    /// Keeps the mark, sets how many of its readings were in vain, and when the next one is due.
    pub(crate) fn postpone(&mut self, key: RecordKey, retries: u32, due: Timestamp) -> Decided<()> {
        if let Some(mark) = self.find::<DirtyMark>(key)? {
            self.put(
                key,
                DirtyMark {
                    retries,
                    due,
                    ..mark
                },
            );
        }
        Ok(())
    }

    /// Whether what was so of a customer at that time is to stay forgotten. A customer who comes back later is taken in.
    pub(crate) fn stays_forgotten(&self, customer: CustomerId, as_of: Timestamp) -> Decided<bool> {
        let redaction: Option<Redaction> = self.find(customer)?;
        Ok(redaction.is_some_and(|redaction| as_of <= redaction.at))
    }

    /// Forgets everything that is kept of a customer: the record at once; whose the orders are, and both in the log, in
    /// slices. That it was asked is kept as long as deliveries are.
    pub(crate) fn redact(&mut self, customer: CustomerId, at: Timestamp) -> Decided<()> {
        let deleted = self.delete::<Customer>(customer);
        self.delete::<DirtyMark>(RecordKey::Customer(customer))?;
        deleted?;
        let redaction = Redaction {
            customer,
            at,
            erasing: Some((self.numbers.sequence, ErasureStep::default())),
        };
        self.put(customer, redaction);
        Ok(())
    }

    /// Notes what a person should know of a level.
    pub(crate) fn warn(&mut self, level: LevelKey, message: String) {
        let shop = self.domain.clone();
        let warning = Warning {
            shop,
            level,
            message,
        };
        self.written.warnings.push(warning);
    }

    pub(crate) fn add_drift(&mut self, drifted: Drifted) {
        self.written.drift.push((self.domain.clone(), drifted));
    }

    pub(crate) fn put_watermark(&mut self, resource: Resource, until: Timestamp) {
        let watermark = (self.domain.clone(), resource, until);
        self.written.watermarks.push(watermark);
    }

    pub(crate) fn is_run_under_way(&self, resource: Resource) -> Decided<bool> {
        let runs: Vec<RunRecord> = self.members(Key::RunsUnderWay(resource), 1)?;
        Ok(!runs.is_empty())
    }

    pub(crate) fn command_with_key(&self, by: &UserId, key: &str) -> Decided<Option<KeptCommand>> {
        let set = Key::CommandWithKey(by.clone(), key.to_owned());
        Ok(self.members(set, 1)?.pop())
    }

    /// The open reservations that have run out, those first that ran out first.
    pub(crate) fn reservations_due(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Decided<Vec<ReservationShape>> {
        let now = now.as_microsecond();
        let end = (now.saturating_add(1), String::new());
        let set = &self.records.reservations;
        match set.members(&Key::OpenReservations, Some(&end), limit) {
            Some(due) => Ok(due.into_iter().cloned().collect()),
            None => Err(self.miss(Key::ReservationsDue(now))),
        }
    }

    /// Units of a level in reservations that Shopify has.
    pub(crate) fn reserved_units(&self, level: LevelKey) -> Decided<i64> {
        let Some(loaded) = self.records.reserved_units.get(&level) else {
            return Err(self.miss(Key::ReservedUnits(level)));
        };
        let units = |reservation: Option<&ReservationShape>| -> i64 {
            let held = reservation.filter(|one| one.state == ReservationState::Held);
            let parts = held.into_iter().flat_map(|held| &held.items);
            parts
                .filter(|part| (part.inventory_item_id, part.location_id) == level)
                .map(|part| part.quantity)
                .sum()
        };
        let changes = self.records.reservations.changes();
        Ok(changes.fold(*loaded, |sum, changed| {
            sum + units(changed.now) - units(changed.before)
        }))
    }

    /// What unsettled adjustments will do to a level's `on_hand`.
    pub(crate) fn pending_on_hand(&self, level: LevelKey) -> Decided<i64> {
        let Some(loaded) = self.records.pending_on_hand.get(&level) else {
            return Err(self.miss(Key::PendingOnHand(level)));
        };
        let on_hand = |adjustment: Option<&PendingAdjustment>| {
            let here = adjustment.filter(|adjustment| adjustment.level() == level);
            here.map_or(0, |adjustment| adjustment.on_hand)
        };
        let changes = self.records.adjustments.changes();
        Ok(changes.fold(*loaded, |sum, changed| {
            sum + on_hand(changed.now) - on_hand(changed.before)
        }))
    }

    /// Keeps a new adjustment under the next number.
    pub(crate) fn add_adjustment(&mut self, adjustment: PendingAdjustment) {
        self.numbers.adjustment += 1;
        let id = self.numbers.adjustment;
        self.put(id, PendingAdjustment { id, ..adjustment });
    }

    pub(crate) fn adjustments_of_reservation(&self, id: &str) -> Decided<Vec<PendingAdjustment>> {
        self.members(Key::AdjustmentsOfReservation(id.to_owned()), usize::MAX)
    }

    /// Whether something of a command still waits for Shopify's answer.
    pub(crate) fn is_unanswered(&self, command: &str) -> Decided<bool> {
        let set = Key::AdjustmentsOfCommand(command.to_owned());
        let all: Vec<PendingAdjustment> = self.members(set, usize::MAX)?;
        Ok(all.iter().any(|adjustment| !adjustment.answered))
    }

    pub(crate) fn unanswered_of(
        &self,
        message: &str,
        limit: usize,
    ) -> Decided<Vec<PendingAdjustment>> {
        self.members(Key::UnansweredOf(message.to_owned()), limit)
    }

    pub(crate) fn unanswered(&self, limit: usize) -> Decided<Vec<PendingAdjustment>> {
        self.members(Key::Unanswered, limit)
    }

    pub(crate) fn answered_at(&self, level: LevelKey) -> Decided<Vec<PendingAdjustment>> {
        self.members(Key::AnsweredAt(level), usize::MAX)
    }

    /// The oldest adjustments of a level that are in no outbox message.
    pub(crate) fn unsent_at(
        &self,
        level: LevelKey,
        limit: usize,
    ) -> Decided<Vec<PendingAdjustment>> {
        self.members(Key::UnsentAt(level), limit)
    }

    /// Some of them in front of that number, the newest first, and where the next ones begin; `None` when there are none.
    pub(crate) fn newest_unsent_at(
        &self,
        level: LevelKey,
        before: Option<i64>,
    ) -> Decided<(Vec<PendingAdjustment>, Option<i64>)> {
        use crate::records::Covered;
        let key = Key::NewestUnsentAt(level, before);
        let adjustments = &self.records.adjustments;
        let (first, next) = match adjustments.covered(&key) {
            None => return Err(self.miss(key)),
            Some(Covered::All) => (i64::MIN, None),
            Some(Covered::UpTo(((), first))) => (*first, Some(*first)),
        };
        let before = before.map_or(i64::MAX, |before| before - 1);
        let slice = adjustments.between(Some(&(first.saturating_sub(1))), Some(&before));
        let here = |one: &&&PendingAdjustment| one.level() == level && one.message.is_none();
        let newest = slice.iter().rev().filter(here);
        Ok((newest.map(|one| (*one).clone()).collect(), next))
    }

    /// Levels behind that one that may be netted, and the last of the slice where there may be more.
    pub(crate) fn levels_to_net(
        &self,
        after: Option<LevelKey>,
    ) -> Decided<(BTreeSet<LevelKey>, Option<LevelKey>)> {
        let Some(loaded) = self.records.levels_to_net.get(&after) else {
            return Err(self.miss(Key::LevelsToNet(after)));
        };
        let last = loaded.levels.last().copied().filter(|_| loaded.more);
        let mut levels: BTreeSet<LevelKey> = loaded.levels.iter().copied().collect();
        // What the batch has given, sent or landed since.
        for changed in self.records.adjustments.changes() {
            levels.extend(changed.now.map(PendingAdjustment::level));
        }
        levels.extend(self.records.flights.changes().map(|changed| *changed.id));
        levels.retain(|level| {
            after.is_none_or(|after| *level > after) && last.is_none_or(|last| *level <= last)
        });
        Ok((levels, last))
    }

    /// What the adjustments of a level that are in no outbox message draw on `available`.
    pub(crate) fn unsent_draws(&self, level: LevelKey) -> Decided<Draws> {
        let Some(loaded) = self.records.unsent_draws.get(&level) else {
            return Err(self.miss(Key::UnsentDraws(level)));
        };
        let draws = |adjustment: Option<&PendingAdjustment>| {
            adjustment
                .filter(|one| one.level() == level && one.message.is_none())
                .map_or(Draws::default(), PendingAdjustment::draws)
        };
        let mut sum = *loaded;
        for changed in self.records.adjustments.changes() {
            let (before, now) = (draws(changed.before), draws(changed.now));
            sum.units += now.units - before.units;
            sum.settings += now.settings - before.settings;
        }
        Ok(sum)
    }

    pub(crate) fn messages(&self) -> Decided<Vec<SentMessage>> {
        self.members(Key::Messages, usize::MAX)
    }

    /// The levels that an outbox message changes, in the order of items and locations.
    pub(crate) fn levels_in(&self, message: &str) -> Decided<Vec<LevelKey>> {
        let flights: Vec<Flight> = self.members(Key::FlightsOf(message.to_owned()), usize::MAX)?;
        Ok(flights.into_iter().map(|flight| flight.level).collect())
    }

    /// When that was given which has waited longest for an answer.
    pub(crate) fn oldest_unanswered(&self) -> Decided<Option<Timestamp>> {
        let (waiting, messages) = (self.members(Key::Waiting, 1), self.messages());
        let waiting: Vec<PendingAdjustment> = waiting?;
        let begun = messages?.into_iter().map(|message| message.begun);
        let given = waiting.into_iter().map(|adjustment| adjustment.given);
        Ok(begun.chain(given).min())
    }
}
