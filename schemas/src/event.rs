//! An entry of the log, the data of events, and who hears of them and may see them.
//!
//! The list of events stands in `kind.rs`. A contract decides what an event is called outside and how it looks; rooms
//! and [`Subject`] follow from it here.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::{Role, Subject};
use crate::clock::Timestamp;
use crate::id::{
    CustomerId, LocationId, OrderId, ProductId, ShopDomain, TransferId, UserId, VariantId,
    WebhookId,
};
use crate::kind::{Ephemeral, Event, Logged};
use crate::money::Money;
use crate::offset::{Offset, Sequence};
use crate::posted::{self, Posted};
use crate::room::Room;
use crate::run::Resource;
use crate::shape::{LevelShape, OrderShape, ReservationShape};

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place in the log.
    pub offset: Offset,
    /// The shop in which it happened.
    pub shop: ShopDomain,
    /// When it became true here.
    pub at: Timestamp,
    /// What happened; [`Logged::posted`] and [`Event::origin`] tell who says so.
    pub event: Logged,
    /// The length of its stored form in bytes, by which readers weigh it.
    pub bytes: usize,
}

impl LogEntry {
    /// An entry as the log keeps it.
    pub fn new(offset: Offset, shop: ShopDomain, at: Timestamp, event: Logged) -> Self {
        let bytes = event.stored().map_or(0, |json| json.len());
        Self {
            offset,
            shop,
            at,
            event,
            bytes,
        }
    }

    /// Its place in its epoch.
    pub fn sequence(&self) -> Sequence {
        self.offset.sequence
    }
}

/// A level and how it came to be so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LevelChange {
    /// As it is now.
    #[serde(flatten)]
    pub level: LevelShape,
    /// `available` before; `null` when the level is new to us.
    pub previous_available: Option<i64>,
    /// What there is of the whole product at each location, this one included; empty while the product is unknown.
    /// Only for sums of what somebody may see: [`Logged::public_json`] leaves it out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(skip)]
    pub product: Vec<AvailableAt>,
    /// By which way it came.
    pub source: Source,
    /// Our command that did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_id: Option<String>,
}

/// How much is sellable at a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AvailableAt {
    /// Where.
    pub location_id: LocationId,
    /// All variants together.
    pub available: i64,
}

/// By which way a change came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A member of staff.
    Command,
    /// A read of one record, after a hint.
    Read,
    /// A run.
    Sync,
    /// A webhook.
    Webhook,
}

/// An order and what changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderChanged {
    /// As it is now, or last was.
    #[serde(flatten)]
    pub order: OrderShape,
    /// What changed.
    pub change: OrderChange,
    /// The customer's name, where names are enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
    /// Where it is fulfilled; empty while unassigned. Staff limited to locations see an order by it, and
    /// [`Logged::public_json`] leaves it out: other locations are not theirs to know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(skip)]
    pub locations: Vec<LocationId>,
}

/// What changed of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "the words say it")]
pub enum OrderChange {
    Created,
    Deleted,
    Fulfillment,
    Payment,
    StatusChanged,
    Updated,
}

/// A payment of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// Of which order.
    pub order_id: OrderId,
    /// Whose.
    pub customer_id: Option<CustomerId>,
    /// How much.
    pub amount: Money,
    /// ISO 4217.
    pub currency: String,
}

/// What stands of a product in events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProductShape {
    /// Which one.
    pub product_id: ProductId,
    /// As customers read it.
    pub title: String,
    /// Who makes it.
    pub vendor: String,
    /// Shopify's own word, lower case.
    pub status: String,
    /// Shopify's time of its last change.
    pub updated_at: Timestamp,
}

/// A variant's new price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceChange {
    /// Of which product.
    pub product_id: ProductId,
    /// Of which variant.
    pub variant_id: VariantId,
    /// The merchant's own number.
    pub sku: Option<String>,
    /// Before, in the shop's currency.
    pub previous_price: Money,
    /// Now.
    pub price: Money,
}

/// A customer record changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerActivity {
    /// Whose.
    pub customer_id: CustomerId,
    /// `created`, `updated` or `deleted`.
    pub activity: String,
}

/// A customer comes or leaves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerPresence {
    /// Who.
    pub customer_id: CustomerId,
}

/// Stock on its way from one location to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transfer {
    /// Which one.
    pub transfer_id: TransferId,
    /// Shopify's own word, lower case; `null` where it says only that its items or shipments are others.
    pub status: Option<String>,
    /// From where; `null` when that is no location of the shop's, or no longer.
    pub origin_id: Option<LocationId>,
    /// To where; `null` as for `originId`.
    pub destination_id: Option<LocationId>,
    /// Units of all items together, where Shopify lists them.
    pub quantity: Option<i64>,
    /// Shopify's time of it.
    pub happened_at: Timestamp,
}

/// What a run had to correct although it should have come earlier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// By which run.
    pub run_id: crate::id::RunId,
    /// Of what.
    pub resource: Resource,
    /// How many records.
    pub records: u64,
}

/// A webhook arrived and is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookReceived {
    /// For instance `inventory_levels/update`.
    pub topic: String,
    /// From whom.
    pub shop: ShopDomain,
    /// Which delivery.
    pub webhook_id: WebhookId,
    /// When.
    pub received_at: Timestamp,
}

/// Something to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// For whom, when for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// In one line.
    pub title: String,
    /// In full.
    pub message: String,
}

/// Somebody writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Typing {
    /// Who. They are not told of it themselves.
    pub user_id: UserId,
    /// Where.
    #[schemars(with = "String")]
    pub room: Room,
    /// Where, as their client calls it.
    pub room_id: String,
    /// Or no longer.
    pub is_typing: bool,
}

impl LevelChange {
    /// The change without what only decides what somebody is told of it.
    #[must_use]
    pub fn public(&self) -> Self {
        Self {
            level: self.level.clone(),
            previous_available: self.previous_available,
            product: Vec::new(),
            source: self.source,
            command_id: self.command_id.clone(),
        }
    }
}

impl OrderChanged {
    /// The change without what only decides who sees it.
    #[must_use]
    pub fn public(&self) -> Self {
        Self {
            order: self.order.clone(),
            change: self.change,
            customer_name: self.customer_name.clone(),
            locations: Vec::new(),
        }
    }
}

impl Event {
    /// What it is about, as far as it matters to who may see it.
    pub fn subject(&self) -> Subject<'_> {
        match self {
            Self::Logged(event) => event.subject(),
            Self::Ephemeral(event) => event.subject(),
        }
    }

    /// The rooms it is heard in. A socket in several of them hears it once.
    pub fn rooms(&self) -> BTreeSet<Room> {
        match self {
            Self::Logged(event) => event.rooms(),
            Self::Ephemeral(event) => event.rooms(),
        }
    }
}

impl Logged {
    /// What it is about, as far as it matters to who may see it.
    pub fn subject(&self) -> Subject<'_> {
        match self {
            Self::InventoryUpdated(change) => {
                change.either(|change| level_subject(&change.level), Posted::stock_subject)
            }
            Self::InventoryLowStock(level)
            | Self::InventoryOutOfStock(level)
            | Self::InventoryRestocked(level) => level.either(level_subject, Posted::stock_subject),
            Self::InventoryReservation(reservation) => reservation.either(
                |reservation| Subject::Hold {
                    by: &reservation.created_by,
                    items: &reservation.items,
                },
                Posted::stock_subject,
            ),
            Self::InventoryTransfer(transfer) => transfer.either(
                |_| Subject::Inventory { location: None },
                Posted::stock_subject,
            ),
            Self::OrderCreated(order)
            | Self::OrderDeleted(order)
            | Self::OrderStatusChanged(order)
            | Self::OrderUpdated(order) => order.either(
                |order| Subject::Order {
                    customer: order.order.customer_id,
                    user: None,
                    locations: &order.locations,
                },
                Posted::order_subject,
            ),
            Self::PaymentFailed(payment)
            | Self::PaymentReceived(payment)
            | Self::PaymentRefunded(payment) => payment.either(
                |payment| Subject::Payment {
                    customer: payment.customer_id,
                    user: None,
                },
                Posted::payment_subject,
            ),
            Self::PaymentStatusChanged(posted) => posted.payment_subject(),
            Self::ProductCreated(_)
            | Self::ProductDeleted(_)
            | Self::ProductPriceChanged(_)
            | Self::ProductUpdated(_) => Subject::Product,
            Self::CustomerActivity(_)
            | Self::CustomerAddedToCart(_)
            | Self::CustomerViewingProduct(_)
            | Self::UserActivity(_) => Subject::Customer,
            Self::ShopifyDrift(_) | Self::ShopifySyncStatus(_) => Subject::Sync,
            Self::CommandUpdated(command) => Subject::Personal {
                user: Some(&command.by),
            },
            Self::SystemAlert(notice) => notice.either(
                |notice| Subject::Alert {
                    user: notice.user_id.as_ref(),
                },
                Posted::alert_subject,
            ),
            Self::SecurityAlert(posted) => posted.alert_subject(),
            Self::ShopNotification(posted) => posted.shop_subject(),
            Self::CompanyNotification(posted)
            | Self::SystemMaintenance(posted)
            | Self::SystemNotification(posted)
            | Self::UserNotification(posted) => posted.notice_subject(),
            Self::Emitted(emitted) => emitted.subject(),
        }
    }

    /// The rooms it is heard in. A socket in several of them hears it once.
    pub fn rooms(&self) -> BTreeSet<Room> {
        match self {
            Self::InventoryUpdated(change) => {
                change.either(|change| level_rooms(&change.level), Posted::stock_rooms)
            }
            Self::InventoryLowStock(level)
            | Self::InventoryOutOfStock(level)
            | Self::InventoryRestocked(level) => level.either(level_rooms, Posted::stock_rooms),
            Self::InventoryReservation(reservation) => {
                reservation.either(reservation_rooms, Posted::stock_rooms)
            }
            Self::InventoryTransfer(transfer) => {
                transfer.either(transfer_rooms, Posted::stock_rooms)
            }
            Self::OrderCreated(order)
            | Self::OrderDeleted(order)
            | Self::OrderStatusChanged(order)
            | Self::OrderUpdated(order) => order.either(
                |order| order_rooms(order.order.order_id, order.order.customer_id),
                Posted::order_rooms,
            ),
            Self::PaymentFailed(payment)
            | Self::PaymentReceived(payment)
            | Self::PaymentRefunded(payment) => payment.either(
                |payment| {
                    let mut rooms = order_rooms(payment.order_id, payment.customer_id);
                    rooms.insert(Room::Payments);
                    rooms
                },
                Posted::payment_rooms,
            ),
            Self::PaymentStatusChanged(posted) => posted.payment_rooms(),
            Self::ShopifyDrift(_) | Self::ShopifySyncStatus(_) => [Room::ShopifySync].into(),
            Self::CommandUpdated(command) => [Room::User(command.by.clone())].into(),
            Self::SystemAlert(notice) => notice.either(alert_rooms, Posted::alert_rooms),
            Self::SecurityAlert(posted) => posted.alert_rooms(),
            Self::ShopNotification(posted) => posted.shop_rooms(),
            Self::CompanyNotification(posted)
            | Self::SystemMaintenance(posted)
            | Self::SystemNotification(posted)
            | Self::UserNotification(posted) => posted.notice_rooms(),
            Self::CustomerActivity(_)
            | Self::CustomerAddedToCart(_)
            | Self::CustomerViewingProduct(_) => [Room::Customers, Room::Notifications].into(),
            Self::ProductCreated(_)
            | Self::ProductDeleted(_)
            | Self::ProductPriceChanged(_)
            | Self::ProductUpdated(_) => [Room::Notifications, Room::Products].into(),
            Self::UserActivity(_) => [Room::Notifications].into(),
            Self::Emitted(emitted) => emitted.rooms(),
        }
    }
}

impl Ephemeral {
    /// What it is about, as far as it matters to who may see it.
    pub fn subject(&self) -> Subject<'_> {
        match self {
            Self::CustomerOffline(_) | Self::CustomerOnline(_) => Subject::Customer,
            Self::ShopifyProgress(_) | Self::ShopifyWebhookReceived(_) => Subject::Sync,
            Self::Typing(typing) => match &typing.room {
                // Of an order, staff and its customer write to each other; the room was opened to them by its owner, and
                // this says no more than that somebody writes.
                Room::Order(_) => Subject::Personal { user: None },
                room => posted::subject_of_room(room),
            },
        }
    }

    /// The rooms it is heard in. A socket in several of them hears it once.
    pub fn rooms(&self) -> BTreeSet<Room> {
        match self {
            Self::CustomerOffline(_) | Self::CustomerOnline(_) => {
                [Room::Customers, Room::Notifications].into()
            }
            Self::ShopifyProgress(_) | Self::ShopifyWebhookReceived(_) => {
                [Room::ShopifySync].into()
            }
            Self::Typing(typing) => [typing.room.clone()].into(),
        }
    }
}

fn level_subject(level: &LevelShape) -> Subject<'_> {
    Subject::Inventory {
        location: Some(level.location_id),
    }
}

fn level_rooms(level: &LevelShape) -> BTreeSet<Room> {
    let location = Room::InventoryLocation(level.location_id.into());
    let mut rooms = BTreeSet::from([Room::InventoryAll, location]);
    rooms.extend(level.product_id.map(|id| Room::InventoryProduct(id.into())));
    rooms.extend(level.variant_id.map(|id| Room::InventoryVariant(id.into())));
    rooms
}

fn reservation_rooms(reservation: &ReservationShape) -> BTreeSet<Room> {
    let locations = reservation
        .items
        .iter()
        .map(|item| Room::InventoryLocation(item.location_id.into()));
    let by = Room::User(reservation.created_by.clone());
    locations.chain([Room::InventoryAll, by]).collect()
}

fn transfer_rooms(transfer: &Transfer) -> BTreeSet<Room> {
    let ends = transfer
        .origin_id
        .into_iter()
        .chain(transfer.destination_id)
        .map(|id| Room::InventoryLocation(id.into()));
    let own = Room::Transfer(transfer.transfer_id.into());
    ends.chain([Room::InventoryAll, own]).collect()
}

fn order_rooms(order: OrderId, customer: Option<CustomerId>) -> BTreeSet<Room> {
    let customer = customer.map(|id| Room::OrdersCustomer(id.into()));
    let rooms = [Room::OrdersAll, Room::Order(order.into())];
    customer.into_iter().chain(rooms).collect()
}

/// Of an alert about a user, that user and admins hear.
fn alert_rooms(notice: &Notice) -> BTreeSet<Room> {
    match &notice.user_id {
        Some(user) => [
            Room::User(user.clone()),
            Room::Role(Role::Admin),
            Room::Role(Role::SuperAdmin),
        ]
        .into(),
        None => [Room::Everyone, Room::Notifications].into(),
    }
}
