//! The one list of events: every kind with its name, its data, and whether the log keeps it.
//!
//! To add an event, add a line here and follow the compiler: its rooms and who may see it, below, each of the four
//! contracts and the alerts match every kind. `docs/how-to/event.md` has the whole way.

#[macro_use]
mod list;
mod stored;

use std::borrow::Cow;
use std::collections::BTreeSet;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::stored::UnknownEvent;
use crate::access::{Role, Subject};
use crate::event::{
    CustomerActivity, CustomerPresence, Drift, LevelChange, Notice, OrderChanged, Payment,
    PriceChange, ProductShape, Transfer, Typing, WebhookReceived,
};
use crate::id::{CustomerId, OrderId};
use crate::posted::{self, Emitted, Posted};
use crate::room::Room;
use crate::run::SyncRun;
use crate::shape::{CommandShape, LevelShape, ReservationShape};

/// Who says what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A change of the mirror: by a webhook, a read, a run or a command.
    Mirror,
    /// Another program, over REST or RabbitMQ. It never touches the mirror.
    Posted,
    /// The daemon itself.
    Daemon,
}

/// What a program must name that posts an event, so that those whom it concerns can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequiredField {
    Company,
    Customer,
    Nothing,
    Order,
    /// A payment, or its order.
    Payment,
    /// The same, and how it stands.
    PaymentStatus,
    Product,
    /// A product, a variant or an item.
    Stock,
    /// Something to read.
    Text,
    Transfer,
    User,
}

/// The data of an event that stockd finds out itself and that other programs may post as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum EventData<T> {
    /// Found out here, in a shape of ours.
    Own(T),
    /// Said by another program, in its words.
    Posted(Box<Posted>),
}

impl<T> EventData<T> {
    /// One answer, from whichever it is.
    pub fn either<'a, R>(
        &'a self,
        own: impl FnOnce(&'a T) -> R,
        posted: impl FnOnce(&'a Posted) -> R,
    ) -> R {
        match self {
            Self::Own(data) => own(data),
            Self::Posted(data) => posted(data),
        }
    }

    /// The data, when it is ours.
    pub fn own(&self) -> Option<&T> {
        self.either(Some, |_| None)
    }

    /// The data, when another program posted it.
    pub fn posted(&self) -> Option<&Posted> {
        self.either(|_| None, Some)
    }
}

events! {
    Logged {
        /// A command went on.
        CommandUpdated = "command:updated" (daemon CommandShape);
        /// Something for those who work for a company.
        CompanyNotification = "company:notification" (posted Company);
        /// A customer record changed.
        CustomerActivity = "customer:activity" (mirror CustomerActivity, posted Customer);
        /// A customer put something into a cart.
        CustomerAddedToCart = "customer:added_to_cart" (posted Customer);
        /// A customer looks at a product.
        CustomerViewingProduct = "customer:viewing_product" (posted Customer);
        /// What another program sends to some of those who are connected, by whatever name it gives it.
        Emitted = "emitted" (program Emitted);
        /// A level fell to its threshold or below, but not to 0.
        InventoryLowStock = "inventory:low_stock" (mirror LevelShape, posted Stock);
        /// A level fell to 0 or below.
        InventoryOutOfStock = "inventory:out_of_stock" (mirror LevelShape, posted Stock);
        /// A reservation changed.
        InventoryReservation = "inventory:reservation" (daemon ReservationShape, posted Stock);
        /// A level rose above its threshold.
        InventoryRestocked = "inventory:restocked" (mirror LevelShape, posted Stock);
        /// Stock is moved between locations.
        InventoryTransfer = "inventory:transfer" (mirror Transfer, posted Transfer);
        /// A level changed.
        InventoryUpdated = "inventory:updated" (mirror LevelChange, posted Stock);
        /// An order was placed.
        OrderCreated = "order:created" (mirror OrderChanged, posted Order);
        /// An order was deleted.
        OrderDeleted = "order:deleted" (mirror OrderChanged, posted Order);
        /// The status of an order changed.
        OrderStatusChanged = "order:status_changed" (mirror OrderChanged, posted Order);
        /// Anything else of an order changed.
        OrderUpdated = "order:updated" (mirror OrderChanged, posted Order);
        /// A payment failed.
        PaymentFailed = "payment:failed" (mirror Payment, posted Payment);
        /// A payment was received.
        PaymentReceived = "payment:received" (mirror Payment, posted Payment);
        /// A payment was refunded.
        PaymentRefunded = "payment:refunded" (mirror Payment, posted Payment);
        /// The status of a payment changed to one that the other three do not name.
        PaymentStatusChanged = "payment:status_changed" (posted PaymentStatus);
        /// A product is new.
        ProductCreated = "product:created" (mirror ProductShape, posted Product);
        /// A product was deleted.
        ProductDeleted = "product:deleted" (mirror ProductShape, posted Product);
        /// The price of a variant changed.
        ProductPriceChanged = "product:price_changed" (mirror PriceChange, posted Product);
        /// A product or one of its variants changed.
        ProductUpdated = "product:updated" (mirror ProductShape, posted Product);
        /// A warning about security, for admins or for one user.
        SecurityAlert = "security:alert" (posted Text);
        /// Something for everybody who works for the shop.
        ShopNotification = "shop:notification" (posted Nothing);
        /// What a run had to correct.
        ShopifyDrift = "shopify:drift" (daemon Drift);
        /// A run began or ended.
        ShopifySyncStatus = "shopify:sync_status" (daemon SyncRun);
        /// Staff should look.
        SystemAlert = "system:alert" (daemon Notice, posted Text);
        /// Work on the system is announced.
        SystemMaintenance = "system:maintenance" (posted Text);
        /// News of the system, for everybody, a role, a company or one user.
        SystemNotification = "system:notification" (posted Text);
        /// A user did something.
        UserActivity = "user:activity" (posted User);
        /// Something for one user.
        UserNotification = "user:notification" (posted User);
    }
    Ephemeral {
        /// A customer left.
        CustomerOffline = "customer:offline" (daemon CustomerPresence, posted Customer);
        /// A customer came.
        CustomerOnline = "customer:online" (daemon CustomerPresence, posted Customer);
        /// How far a run is. Ephemeral.
        ShopifyProgress = "shopify:progress" (daemon SyncRun);
        /// A webhook arrived. Ephemeral.
        ShopifyWebhookReceived = "shopify:webhook_received" (daemon WebhookReceived);
        /// Somebody writes, or no longer does, in a room that clients made up. Ephemeral.
        Typing = "typing" (daemon Typing);
    }
}

impl Kind {
    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }

    /// Whether other programs may post it.
    pub fn is_posted(self) -> bool {
        self.required().is_some()
    }

    /// Those that other programs may post.
    pub fn all_posted() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|kind| kind.is_posted())
    }

    /// What it is about: the part of its name before the colon.
    pub fn topic(self) -> &'static str {
        self.as_str().split_once(':').map_or("", |(topic, _)| topic)
    }
}

/// In schemas a kind is one that may be posted: that is where a kind is a value of its own.
impl JsonSchema for Kind {
    fn schema_name() -> Cow<'static, str> {
        "Kind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let mut names: Vec<_> = Self::all_posted().map(Self::as_str).collect();
        names.sort_unstable();
        json_schema!({
            "type": "string",
            "description": "What happened, of the events that other programs may post.",
            "enum": names,
        })
    }
}

/// What happened, whether the log keeps it or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Kept in the log, and sent to whoever comes back.
    Logged(Logged),
    /// Told to whoever listens now.
    Ephemeral(Ephemeral),
}

impl From<Logged> for Event {
    fn from(event: Logged) -> Self {
        Self::Logged(event)
    }
}

impl From<Ephemeral> for Event {
    fn from(event: Ephemeral) -> Self {
        Self::Ephemeral(event)
    }
}

impl Event {
    /// The kind that this event is of.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Logged(event) => event.kind(),
            Self::Ephemeral(event) => event.kind(),
        }
    }

    /// What another program posted, when it did.
    pub fn posted(&self) -> Option<&Posted> {
        match self {
            Self::Logged(event) => event.posted(),
            Self::Ephemeral(event) => event.posted(),
        }
    }

    /// The event, when it is one that the log keeps.
    pub fn logged(self) -> Option<Logged> {
        match self {
            Self::Logged(event) => Some(event),
            Self::Ephemeral(_) => None,
        }
    }

    /// Who says so.
    pub fn origin(&self) -> Origin {
        match self.posted() {
            Some(_) => Origin::Posted,
            None => self.kind().origin(),
        }
    }

    /// What another program posted, as the event that it says it is; `None` for a kind that is not posted.
    pub(crate) fn of_posted(posted: Posted) -> Option<Self> {
        Logged::of_posted(Box::new(posted))
            .map(Self::Logged)
            .or_else(|posted| Ephemeral::of_posted(posted).map(Self::Ephemeral))
            .ok()
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
                |reservation| Subject::Reservation {
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

#[cfg(test)]
mod tests;
