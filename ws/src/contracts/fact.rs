//! What an event comes to, whether Shopify made it or another program posted it: the same few fields for every contract.

use schemas::event::{LevelChange, Notice as Said, OrderChanged, Payment as Paid};
use schemas::shape::LevelShape;
use schemas::{AnyId, Event, Kind, LocationId, Money, Posted, Role, Room, UserId};
use serde_json::{Map, Value, json};

/// What an event comes to.
pub(crate) enum Fact<'e> {
    Notice(Notice<'e>),
    Order(Order<'e>),
    Payment(Payment<'e>),
    Stock(Stock<'e>),
    Transfer(Transfer<'e>),
}

/// What happened to a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Created,
    Deleted,
    Status,
    Updated,
}

/// An order.
pub(crate) struct Order<'e> {
    pub(crate) change: Change,
    pub(crate) id: Option<AnyId>,
    /// As people call it, or else its id.
    pub(crate) name: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) previous: Option<String>,
    pub(crate) total: Option<Value>,
    pub(crate) currency: Option<String>,
    pub(crate) owner: Owner,
    pub(crate) posted: Option<&'e Posted>,
}

/// A payment.
pub(crate) struct Payment<'e> {
    /// `received`, `failed` or `refunded`, or what its source says.
    pub(crate) status: String,
    pub(crate) order: Option<AnyId>,
    pub(crate) amount: Option<Value>,
    pub(crate) currency: Option<String>,
    pub(crate) owner: Owner,
    pub(crate) posted: Option<&'e Posted>,
}

/// Whose something is.
#[derive(Default)]
pub(crate) struct Owner {
    /// By Shopify's number.
    pub(crate) customer: Option<AnyId>,
    /// By the name that is in tokens.
    pub(crate) user: Option<AnyId>,
    /// The room of that user.
    room: Option<Room>,
}

/// Stock of a product: at a location, or all of it that somebody may see.
pub(crate) struct Stock<'e> {
    pub(crate) level: Level,
    pub(crate) product: Option<AnyId>,
    pub(crate) variant: Option<AnyId>,
    pub(crate) title: Option<String>,
    pub(crate) quantity: Option<Value>,
    pub(crate) threshold: Option<Value>,
    pub(crate) posted: Option<&'e Posted>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    /// It fell to its threshold.
    Low,
    /// It fell to nothing.
    Out,
    /// It rose above its threshold.
    Restocked,
    /// It is now so.
    Updated,
}

/// Stock on its way.
pub(crate) struct Transfer<'e> {
    pub(crate) id: AnyId,
    pub(crate) status: Option<String>,
    pub(crate) fields: Value,
    pub(crate) posted: Option<&'e Posted>,
}

/// Something to read.
pub(crate) struct Notice<'e> {
    pub(crate) title: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) audience: Audience<'e>,
    /// What to do first: `high` for alerts and maintenance.
    pub(crate) is_urgent: bool,
    pub(crate) posted: Option<&'e Posted>,
}

/// For whom a notice is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Audience<'e> {
    Company(&'e AnyId),
    Everybody,
    Role(Role),
    Shop,
    User(&'e UserId),
}

impl Owner {
    /// The rooms that hear of what is theirs.
    pub(crate) fn rooms(&self) -> impl Iterator<Item = Room> {
        let orders = self
            .customer
            .iter()
            .chain(&self.user)
            .cloned()
            .map(Room::OrdersCustomer);
        orders.chain(self.room.clone())
    }

    /// By one name.
    pub(crate) fn name(&self) -> Option<&AnyId> {
        self.user.as_ref().or(self.customer.as_ref())
    }
}

/// What an event comes to, for somebody who is limited to those locations, or to none. `None` for what no contract
/// but the native one has a word for.
pub(crate) fn of<'e>(event: &'e Event, limited_to: Option<&[LocationId]>) -> Option<Fact<'e>> {
    Some(match event {
        Event::OrderCreated(order) => Fact::Order(self::order(Change::Created, order)),
        Event::OrderDeleted(order) => Fact::Order(self::order(Change::Deleted, order)),
        Event::OrderStatusChanged(order) => Fact::Order(self::order(Change::Status, order)),
        Event::OrderUpdated(order) => Fact::Order(self::order(Change::Updated, order)),
        Event::PaymentFailed(paid) => Fact::Payment(payment("failed", paid)),
        Event::PaymentReceived(paid) => Fact::Payment(payment("received", paid)),
        Event::PaymentRefunded(paid) => Fact::Payment(payment("refunded", paid)),
        Event::InventoryUpdated(change) => Fact::Stock(Stock {
            quantity: Some(json!(sum(change, limited_to))),
            ..stock(Level::Updated, &change.level)
        }),
        Event::InventoryLowStock(level) => Fact::Stock(stock(Level::Low, level)),
        Event::InventoryOutOfStock(level) => Fact::Stock(stock(Level::Out, level)),
        Event::InventoryRestocked(level) => Fact::Stock(stock(Level::Restocked, level)),
        Event::InventoryTransfer(transfer) => Fact::Transfer(Transfer {
            id: transfer.transfer_id.into(),
            // Who waits for its status is told nothing that says none.
            status: Some(transfer.status.clone()?),
            fields: json!(transfer),
            posted: None,
        }),
        Event::SecurityAlert(said) | Event::SystemAlert(said) => Fact::Notice(Notice {
            is_urgent: true,
            ..notice(said)
        }),
        Event::SystemMaintenance(said) => Fact::Notice(Notice {
            is_urgent: true,
            ..notice(said)
        }),
        Event::SystemNotification(said) | Event::UserNotification(said) => {
            Fact::Notice(notice(said))
        }
        Event::Posted(posted) => return of_posted(posted),
        _ => return None,
    })
}

/// An id as JSON: a number where that is exact in JavaScript.
pub(crate) fn id_json(id: &AnyId) -> Value {
    id.safe_integer().map_or_else(|| json!(id), Value::from)
}

/// An amount as a number.
pub(crate) fn amount(money: &Money) -> Value {
    money
        .to_string()
        .parse::<f64>()
        .map_or(Value::Null, Value::from)
}

fn order(change: Change, changed: &OrderChanged) -> Order<'static> {
    let order = &changed.order;
    // A deleted order has no status of its own any more.
    let word = |status| json!(status).as_str().map(str::to_owned);
    Order {
        change,
        id: Some(order.order_id.into()),
        name: Some(order.name.clone()),
        status: if change == Change::Deleted {
            Some("cancelled".to_owned())
        } else {
            word(order.status)
        },
        previous: order.previous_status.and_then(word),
        total: Some(amount(&order.total)),
        currency: Some(order.currency.clone()),
        owner: Owner {
            customer: order.customer_id.map(AnyId::from),
            ..Owner::default()
        },
        posted: None,
    }
}

fn payment(status: &str, paid: &Paid) -> Payment<'static> {
    Payment {
        status: status.to_owned(),
        order: Some(paid.order_id.into()),
        amount: Some(amount(&paid.amount)),
        currency: Some(paid.currency.clone()),
        owner: Owner {
            customer: paid.customer_id.map(AnyId::from),
            ..Owner::default()
        },
        posted: None,
    }
}

fn stock(of: Level, level: &LevelShape) -> Stock<'static> {
    Stock {
        level: of,
        product: Some(
            level
                .product_id
                .map_or_else(|| level.inventory_item_id.into(), AnyId::from),
        ),
        variant: level.variant_id.map(AnyId::from),
        title: level.title.clone(),
        quantity: Some(json!(level.available)),
        threshold: Some(json!(level.threshold)),
        posted: None,
    }
}

/// How much there is of the product, as far as somebody limited to those locations may know.
fn sum(change: &LevelChange, limited_to: Option<&[LocationId]>) -> i64 {
    if change.product.is_empty() {
        return change.level.available;
    }
    let mine = |location: &LocationId| limited_to.is_none_or(|mine| mine.contains(location));
    change
        .product
        .iter()
        .filter(|at| mine(&at.location_id))
        .map(|at| at.available)
        .sum()
}

fn notice(said: &Said) -> Notice<'_> {
    Notice {
        title: Some(said.title.clone()),
        message: Some(said.message.clone()),
        audience: said
            .user_id
            .as_ref()
            .map_or(Audience::Everybody, Audience::User),
        is_urgent: false,
        posted: None,
    }
}

fn of_posted(posted: &Posted) -> Option<Fact<'_>> {
    let said = |keys: &[&str]| first(&posted.data, keys);
    let text = |keys: &[&str]| said(keys).and_then(|value| value.as_str().map(str::to_owned));
    let owner = || Owner {
        customer: posted.customer_id.map(AnyId::from),
        user: posted
            .user_id
            .as_ref()
            .and_then(|user| user.as_str().parse().ok()),
        room: posted.user_id.clone().map(Room::User),
    };
    let order = |change, default: Option<&str>| {
        Fact::Order(Order {
            change,
            id: posted.order_id.clone(),
            name: text(&["aliasId", "orderNumber", "name"])
                .or_else(|| posted.order_id.as_ref().map(ToString::to_string)),
            status: text(&["newStatus", "status"]).or_else(|| default.map(str::to_owned)),
            previous: text(&["previousStatus"]),
            total: said(&["totalAmount", "total", "amount"]),
            currency: text(&["currency"]),
            owner: owner(),
            posted: Some(posted),
        })
    };
    let payment = |status: &str| {
        Fact::Payment(Payment {
            status: text(&["status"]).unwrap_or_else(|| status.to_owned()),
            order: posted.order_id.clone(),
            amount: said(&["amount", "totalAmount", "total"]),
            currency: text(&["currency"]),
            owner: owner(),
            posted: Some(posted),
        })
    };
    let stock = |level| {
        Fact::Stock(Stock {
            level,
            product: posted
                .product_id
                .clone()
                .or_else(|| said(&["inventoryItemId"])?.as_str()?.parse().ok()),
            variant: posted.variant_id.clone(),
            title: text(&["productName", "title", "name"]),
            quantity: said(&["quantity", "currentQuantity", "available"]),
            threshold: said(&["threshold"]),
            posted: Some(posted),
        })
    };
    let notice = |audience, is_urgent| {
        Fact::Notice(Notice {
            title: text(&["title", "subject"]),
            message: text(&["message", "content"]),
            audience,
            is_urgent,
            posted: Some(posted),
        })
    };
    let audience = || match (&posted.company_id, &posted.user_id, posted.role) {
        (Some(company), ..) => Audience::Company(company),
        (None, Some(user), _) => Audience::User(user),
        (None, None, Some(role)) => Audience::Role(role),
        (None, None, None) => Audience::Everybody,
    };
    Some(match posted.kind {
        Kind::OrderCreated => order(Change::Created, Some("created")),
        Kind::OrderDeleted => order(Change::Deleted, Some("cancelled")),
        Kind::OrderStatusChanged => order(Change::Status, None),
        Kind::OrderUpdated => order(Change::Updated, None),
        Kind::PaymentFailed => payment("failed"),
        Kind::PaymentReceived => payment("received"),
        Kind::PaymentRefunded => payment("refunded"),
        // Its source calls it so: `payment.pending`.
        Kind::PaymentStatusChanged => payment(
            posted
                .name
                .as_deref()
                .and_then(|name| name.split_once('.'))
                .map_or("changed", |(_, word)| word),
        ),
        Kind::InventoryLowStock => stock(Level::Low),
        Kind::InventoryOutOfStock => stock(Level::Out),
        Kind::InventoryRestocked => stock(Level::Restocked),
        Kind::InventoryUpdated => stock(Level::Updated),
        Kind::InventoryTransfer => Fact::Transfer(Transfer {
            id: posted.transfer_id.clone()?,
            status: text(&["newStatus", "status"]),
            fields: json!({}),
            posted: Some(posted),
        }),
        Kind::SecurityAlert | Kind::SystemAlert | Kind::SystemMaintenance => {
            notice(audience(), true)
        }
        Kind::ShopNotification if posted.company_id.is_none() => notice(Audience::Shop, false),
        Kind::CompanyNotification
        | Kind::ShopNotification
        | Kind::SystemNotification
        | Kind::UserNotification => notice(audience(), false),
        _ => return None,
    })
}

/// The first of these that is there.
fn first(data: &Map<String, Value>, keys: &[&str]) -> Option<Value> {
    keys.iter()
        .find_map(|key| data.get(*key).filter(|value| !value.is_null()))
        .cloned()
}
