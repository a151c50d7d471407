//! Everything that can happen, in one list: the log's entries and the ephemeral lane's.
//!
//! A contract decides what an event is called outside and how it looks; rooms and [`Subject`] follow from it here.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::{Role, Subject};
use crate::clock::Timestamp;
use crate::id::{
    CustomerId, LocationId, OrderId, ProductId, ShopDomain, TransferId, UserId, VariantId,
    WebhookId,
};
use crate::money::Money;
use crate::offset::{Offset, Sequence};
use crate::posted::{self, Emitted, Posted};
use crate::room::Room;
use crate::run::{Resource, SyncRun};
use crate::shape::{CommandShape, LevelShape, OrderShape, ReservationShape};

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Where.
    pub offset: Offset,
    /// In which shop.
    pub shop: ShopDomain,
    /// When it became true here.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

impl LogEntry {
    /// Its place in its epoch.
    pub fn sequence(&self) -> Sequence {
        self.offset.sequence
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "data")]
pub enum Event {
    /// A command went on.
    #[serde(rename = "command:updated")]
    CommandUpdated(CommandShape),
    /// A customer record changed.
    #[serde(rename = "customer:activity")]
    CustomerActivity(CustomerActivity),
    /// A customer put something into a cart.
    #[serde(rename = "customer:added_to_cart")]
    CustomerAddedToCart(CustomerInterest),
    /// A customer left.
    #[serde(rename = "customer:offline")]
    CustomerOffline(CustomerPresence),
    /// A customer came.
    #[serde(rename = "customer:online")]
    CustomerOnline(CustomerPresence),
    /// A customer looks at a product.
    #[serde(rename = "customer:viewing_product")]
    CustomerViewingProduct(CustomerInterest),
    /// What another program sends to some of those who are connected, by whatever name it gives it.
    #[serde(rename = "emitted")]
    Emitted(Emitted),
    /// A level fell to its threshold or below, but not to 0.
    #[serde(rename = "inventory:low_stock")]
    InventoryLowStock(LevelShape),
    /// A level fell to 0 or below.
    #[serde(rename = "inventory:out_of_stock")]
    InventoryOutOfStock(LevelShape),
    /// A hold changed.
    #[serde(rename = "inventory:reservation")]
    InventoryReservation(ReservationShape),
    /// A level rose above its threshold.
    #[serde(rename = "inventory:restocked")]
    InventoryRestocked(LevelShape),
    /// Stock is moved between locations.
    #[serde(rename = "inventory:transfer")]
    InventoryTransfer(Transfer),
    /// A level changed.
    #[serde(rename = "inventory:updated")]
    InventoryUpdated(LevelChange),
    /// An order was placed.
    #[serde(rename = "order:created")]
    OrderCreated(OrderChanged),
    /// An order is gone.
    #[serde(rename = "order:deleted")]
    OrderDeleted(OrderChanged),
    /// An order stands elsewhere.
    #[serde(rename = "order:status_changed")]
    OrderStatusChanged(OrderChanged),
    /// Anything else of an order changed.
    #[serde(rename = "order:updated")]
    OrderUpdated(OrderChanged),
    /// A payment did not come.
    #[serde(rename = "payment:failed")]
    PaymentFailed(Payment),
    /// A payment came.
    #[serde(rename = "payment:received")]
    PaymentReceived(Payment),
    /// A payment went back.
    #[serde(rename = "payment:refunded")]
    PaymentRefunded(Payment),
    /// Another program says what happened.
    #[serde(rename = "posted")]
    Posted(Box<Posted>),
    /// A product is new.
    #[serde(rename = "product:created")]
    ProductCreated(ProductShape),
    /// A product is gone.
    #[serde(rename = "product:deleted")]
    ProductDeleted(ProductShape),
    /// A variant costs something else.
    #[serde(rename = "product:price_changed")]
    ProductPriceChanged(PriceChange),
    /// A product or one of its variants changed.
    #[serde(rename = "product:updated")]
    ProductUpdated(ProductShape),
    /// Somebody should be careful.
    #[serde(rename = "security:alert")]
    SecurityAlert(Notice),
    /// What a run had to correct.
    #[serde(rename = "shopify:drift")]
    ShopifyDrift(Drift),
    /// How far a run is. Ephemeral.
    #[serde(rename = "shopify:progress")]
    ShopifyProgress(SyncRun),
    /// A run began or ended.
    #[serde(rename = "shopify:sync_status")]
    ShopifySyncStatus(SyncRun),
    /// A webhook arrived. Ephemeral.
    #[serde(rename = "shopify:webhook_received")]
    ShopifyWebhookReceived(WebhookReceived),
    /// Staff should look.
    #[serde(rename = "system:alert")]
    SystemAlert(Notice),
    /// Work on the system is announced.
    #[serde(rename = "system:maintenance")]
    SystemMaintenance(Notice),
    /// The system has something to say.
    #[serde(rename = "system:notification")]
    SystemNotification(Notice),
    /// Somebody writes, or no longer does, in a room that clients made up. Ephemeral.
    #[serde(rename = "typing")]
    Typing(Typing),
    /// A user did something.
    #[serde(rename = "user:activity")]
    UserActivity(UserActivity),
    /// Something for one user.
    #[serde(rename = "user:notification")]
    UserNotification(Notice),
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
    /// Only for sums of what somebody may see: [`Event::public_json`] leaves it out.
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
    /// [`Event::public_json`] leaves it out: other locations are not theirs to know.
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

/// A customer and a product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CustomerInterest {
    /// Whose.
    pub customer_id: CustomerId,
    /// In what.
    pub product_id: ProductId,
    /// How many, for a cart.
    pub quantity: Option<i64>,
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

/// A user did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserActivity {
    /// Who.
    pub user_id: UserId,
    /// What, for instance `login`.
    pub activity: String,
}

impl Event {
    /// Whether it is worth nothing a second later: sent to whoever listens now, never logged.
    pub fn is_ephemeral(&self) -> bool {
        match self {
            Self::CustomerOffline(_)
            | Self::CustomerOnline(_)
            | Self::ShopifyProgress(_)
            | Self::ShopifyWebhookReceived(_)
            | Self::Typing(_) => true,
            Self::Posted(posted) => posted.is_ephemeral(),
            _ => false,
        }
    }

    /// What it is about, as far as it matters to who may see it.
    pub fn subject(&self) -> Subject<'_> {
        match self {
            Self::InventoryUpdated(change) => Subject::Inventory {
                location: Some(change.level.location_id),
            },
            Self::InventoryLowStock(level)
            | Self::InventoryOutOfStock(level)
            | Self::InventoryRestocked(level) => Subject::Inventory {
                location: Some(level.location_id),
            },
            Self::InventoryReservation(hold) => Subject::Hold {
                by: &hold.created_by,
                items: &hold.items,
            },
            Self::InventoryTransfer(_) => Subject::Inventory { location: None },
            Self::OrderCreated(order)
            | Self::OrderDeleted(order)
            | Self::OrderStatusChanged(order)
            | Self::OrderUpdated(order) => {
                let customer = order.order.customer_id;
                Subject::Order {
                    customer,
                    user: None,
                    locations: &order.locations,
                }
            }
            Self::PaymentFailed(payment)
            | Self::PaymentReceived(payment)
            | Self::PaymentRefunded(payment) => Subject::Payment {
                customer: payment.customer_id,
                user: None,
            },
            Self::ProductCreated(_)
            | Self::ProductDeleted(_)
            | Self::ProductPriceChanged(_)
            | Self::ProductUpdated(_) => Subject::Product,
            Self::CustomerActivity(_)
            | Self::CustomerAddedToCart(_)
            | Self::CustomerOffline(_)
            | Self::CustomerOnline(_)
            | Self::CustomerViewingProduct(_)
            | Self::UserActivity(_) => Subject::Customer,
            Self::ShopifyDrift(_)
            | Self::ShopifyProgress(_)
            | Self::ShopifySyncStatus(_)
            | Self::ShopifyWebhookReceived(_) => Subject::Sync,
            Self::CommandUpdated(command) => Subject::Personal {
                user: Some(&command.by),
            },
            Self::SecurityAlert(notice) | Self::SystemAlert(notice) => Subject::Alert {
                user: notice.user_id.as_ref(),
            },
            Self::SystemMaintenance(notice)
            | Self::SystemNotification(notice)
            | Self::UserNotification(notice) => Subject::Personal {
                user: notice.user_id.as_ref(),
            },
            Self::Emitted(emitted) => emitted.subject(),
            Self::Typing(typing) => match &typing.room {
                // Of an order, staff and its customer write to each other; the room was opened to them by its owner, and
                // this says no more than that somebody writes.
                Room::Order(_) => Subject::Personal { user: None },
                room => posted::subject_of_room(room),
            },
            Self::Posted(posted) => posted.subject(),
        }
    }

    /// The event as JSON for readers outside the daemon: `{kind, data}` without the fields that only decide who may see
    /// it. Those name locations and quantities that the reader may have no right to.
    pub fn public_json(&self) -> serde_json::Value {
        // Shapes of ours: there is nothing in them that JSON cannot say.
        let mut json = serde_json::to_value(self).unwrap_or_default();
        let deciding: &[&str] = match self {
            Self::InventoryUpdated(_) => &["product"],
            Self::OrderCreated(_)
            | Self::OrderDeleted(_)
            | Self::OrderStatusChanged(_)
            | Self::OrderUpdated(_)
            | Self::Posted(_) => &["locations"],
            _ => &[],
        };
        if let Some(data) = json
            .get_mut("data")
            .and_then(serde_json::Value::as_object_mut)
        {
            data.retain(|field, _| !deciding.contains(&field.as_str()));
        }
        json
    }

    /// The rooms it is heard in. A socket in several of them hears it once.
    pub fn rooms(&self) -> BTreeSet<Room> {
        let level_rooms = |level: &LevelShape| {
            let location = Room::InventoryLocation(level.location_id.into());
            let mut rooms = BTreeSet::from([Room::InventoryAll, location]);
            rooms.extend(level.product_id.map(|id| Room::InventoryProduct(id.into())));
            rooms.extend(level.variant_id.map(|id| Room::InventoryVariant(id.into())));
            rooms
        };
        match self {
            Self::InventoryUpdated(change) => level_rooms(&change.level),
            Self::InventoryLowStock(level)
            | Self::InventoryOutOfStock(level)
            | Self::InventoryRestocked(level) => level_rooms(level),
            Self::InventoryReservation(reservation) => {
                let locations = reservation
                    .items
                    .iter()
                    .map(|item| Room::InventoryLocation(item.location_id.into()));
                let by = Room::User(reservation.created_by.clone());
                locations.chain([Room::InventoryAll, by]).collect()
            }
            Self::InventoryTransfer(transfer) => {
                let ends = transfer
                    .origin_id
                    .into_iter()
                    .chain(transfer.destination_id);
                let ends = ends.map(|id| Room::InventoryLocation(id.into()));
                ends.chain([
                    Room::InventoryAll,
                    Room::Transfer(transfer.transfer_id.into()),
                ])
                .collect()
            }
            Self::OrderCreated(order)
            | Self::OrderDeleted(order)
            | Self::OrderStatusChanged(order)
            | Self::OrderUpdated(order) => {
                let customer = order
                    .order
                    .customer_id
                    .map(|id| Room::OrdersCustomer(id.into()));
                let own = Room::Order(order.order.order_id.into());
                customer.into_iter().chain([Room::OrdersAll, own]).collect()
            }
            Self::PaymentFailed(payment)
            | Self::PaymentReceived(payment)
            | Self::PaymentRefunded(payment) => {
                let customer = payment
                    .customer_id
                    .map(|id| Room::OrdersCustomer(id.into()));
                let order = Room::Order(payment.order_id.into());
                customer
                    .into_iter()
                    .chain([Room::OrdersAll, Room::Payments, order])
                    .collect()
            }
            Self::ShopifyDrift(_)
            | Self::ShopifyProgress(_)
            | Self::ShopifySyncStatus(_)
            | Self::ShopifyWebhookReceived(_) => [Room::ShopifySync].into(),
            Self::CommandUpdated(command) => [Room::User(command.by.clone())].into(),
            Self::SecurityAlert(Notice {
                user_id: Some(user),
                ..
            })
            | Self::SystemAlert(Notice {
                user_id: Some(user),
                ..
            }) => [
                Room::User(user.clone()),
                Room::Role(Role::Admin),
                Room::Role(Role::SuperAdmin),
            ]
            .into(),
            Self::SecurityAlert(notice)
            | Self::SystemAlert(notice)
            | Self::SystemMaintenance(notice)
            | Self::SystemNotification(notice)
            | Self::UserNotification(notice) => match &notice.user_id {
                Some(user) => [Room::User(user.clone())].into(),
                None => [Room::Everyone, Room::Notifications].into(),
            },
            Self::CustomerActivity(_)
            | Self::CustomerAddedToCart(_)
            | Self::CustomerOffline(_)
            | Self::CustomerOnline(_)
            | Self::CustomerViewingProduct(_) => [Room::Customers, Room::Notifications].into(),
            Self::ProductCreated(_)
            | Self::ProductDeleted(_)
            | Self::ProductPriceChanged(_)
            | Self::ProductUpdated(_) => [Room::Notifications, Room::Products].into(),
            Self::UserActivity(_) => [Room::Notifications].into(),
            Self::Emitted(emitted) => emitted.rooms(),
            Self::Typing(typing) => [typing.room.clone()].into(),
            Self::Posted(posted) => posted.rooms(),
        }
    }
}
