//! What a decision may ask for, by name: the only words between a decision and the store that loads for it.

use schemas::{
    CustomerId, InventoryItemId, LocationId, OrderId, ProductId, RecordKey, Resource, RunId,
    TransferId, UserId, VariantId, WebhookId,
};

use crate::operation::{PostKey, Revoked};

/// An inventory item at a location.
pub type LevelKey = (InventoryItemId, LocationId);

/// Something that can be loaded into a working set. All keys but [`Key::Revocation`] are those of a shop.
///
/// A store answers a key of a record by `Records::load` with the record or `None`; a key of a set by loading its
/// records and then saying by `Records::cover` how far the set is known; a key of a sum by setting it. It may load more
/// than was asked for. What is loaded twice counts once: the first value stays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The shop itself: its thresholds and what it was told to keep.
    Shop,
    /// A pending adjustment by its number.
    Adjustment(i64),
    /// A command by its id.
    Command(String),
    /// A customer by its id.
    Customer(CustomerId),
    /// A delivery by its webhook id, without its body.
    Delivery(WebhookId),
    /// The dirty mark of a record.
    DirtyMark(RecordKey),
    /// The outbox message that is changing a level, or whose result is not read yet.
    Flight(LevelKey),
    /// An inventory item by its id.
    Item(InventoryItemId),
    /// A level by item and location.
    Level(LevelKey),
    /// A location by its id.
    Location(LocationId),
    /// An outbox message by its id, without its body.
    Message(String),
    /// An order with its lines.
    Order(OrderId),
    /// Where in the log something is that was posted under that key.
    Posted(PostKey),
    /// A product without its variants.
    Product(ProductId),
    /// When it was asked last that a customer be forgotten.
    Redaction(CustomerId),
    /// A reservation by its id.
    Reservation(String),
    /// A revocation; belongs to no shop.
    Revocation(Revoked),
    /// A run of any resource by its id.
    Run(RunId),
    /// What was told last of a transfer.
    Transfer(TransferId),
    /// A variant of a product by its id.
    Variant(VariantId),

    /// Set: all adjustments of a command.
    AdjustmentsOfCommand(String),
    /// Set: all adjustments of a reservation.
    AdjustmentsOfReservation(String),
    /// Set: the adjustments of a level that Shopify answered and that no reading has confirmed yet.
    AnsweredAt(LevelKey),
    /// Set: the command, if any, that a user gave under that idempotency key.
    CommandWithKey(UserId, String),
    /// Set: the flights of an outbox message.
    FlightsOf(String),
    /// Set, in slices: the next [`SLICE`] levels of the shop behind that one, by item and location.
    LevelsAfter(Option<LevelKey>),
    /// Set: all levels of a location.
    LevelsAt(LocationId),
    /// Set, in slices: the next [`SLICE`] levels of a location behind that item.
    LevelsAtAfter(LocationId, Option<InventoryItemId>),
    /// Set: all levels of an item.
    LevelsOf(InventoryItemId),
    /// Levels, in slices: those behind that one, by item and location, at which an adjustment is in no outbox message and
    /// that are not in flight; at most [`crate::adjustment::ENTRIES_MAX`].
    LevelsToNet(Option<LevelKey>),
    /// Set: all outbox messages, without their bodies.
    Messages,
    /// Set, in slices and from its end: the [`SLICE`] newest of [`Key::UnsentAt`] in front of that number, or of all.
    NewestUnsentAt(LevelKey, Option<i64>),
    /// The set of open reservations, ordered by the microsecond in which they run out. It is never loaded as a whole, but
    /// by [`Key::ReservationsDue`].
    OpenReservations,
    /// Loads the next [`SLICE`] of [`Key::OpenReservations`] behind what is covered that run out by that microsecond. If
    /// there were fewer, it is covered up to `(microsecond + 1, "")`, else up to the last one.
    ReservationsDue(i64),
    /// Set: customers who are being forgotten.
    RedactionsUnderWay,
    /// Set: the runs of a resource that are under way.
    RunsUnderWay(Resource),
    /// Set, in slices: the next [`SLICE`] adjustments behind what is covered that Shopify has not answered.
    Unanswered,
    /// Set, in slices: the same of one outbox message.
    UnansweredOf(String),
    /// Set, in slices: the next [`SLICE`] adjustments of a level that are in no outbox message, by number.
    UnsentAt(LevelKey),
    /// Set: all variants of a product.
    VariantsOf(ProductId),
    /// Set: the variants of an item; more than one where two share it, and then the lowest id counts.
    VariantsOfItem(InventoryItemId),
    /// Set, in slices: adjustments that are in no outbox message, by number. The first slice is one record, because
    /// usually only the oldest counts; each further one is [`SLICE`].
    Waiting,

    /// Sum: what is sellable of a product by location, over its variants' active levels at locations that are active or
    /// not known.
    AvailableOf(ProductId),
    /// Sum: what unsettled adjustments will do to a level's `on_hand`.
    PendingOnHand(LevelKey),
    /// Sum: the units of a level in reservations that Shopify has.
    ReservedUnits(LevelKey),
    /// Sum: what the adjustments of [`Key::UnsentAt`] draw on `available`.
    UnsentDraws(LevelKey),
}

/// Records that are loaded of a long set in one go, and that one slice of a whole-shop operation touches.
pub const SLICE: usize = 1_000;
