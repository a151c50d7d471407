//! What an event comes to, whether stockd found it out or another program posted it: the same few fields for every
//! contract that dresses events in words of its own.

use schemas::event::{LevelChange, Notice as OwnNotice, OrderChanged, Payment as OwnPayment};
use schemas::shape::LevelShape;
use schemas::{AnyId, EventData, LocationId, Money, Posted, Role, Room, UserId};
use serde_json::{Map, Value, json};

/// What happened to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OrderChangeKind {
    Created,
    Deleted,
    Status,
    Updated,
}

/// An order.
pub(crate) struct NormalizedOrder<'e> {
    pub(crate) change: OrderChangeKind,
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

/// What a payment did, as far as there is an event for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PaymentEventKind {
    Failed,
    Received,
    Refunded,
}

/// A payment.
pub(crate) struct NormalizedPayment<'e> {
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
pub(crate) struct NormalizedStock<'e> {
    pub(crate) level: StockChangeKind,
    pub(crate) product: Option<AnyId>,
    pub(crate) variant: Option<AnyId>,
    pub(crate) title: Option<String>,
    pub(crate) quantity: Option<Value>,
    pub(crate) threshold: Option<Value>,
    pub(crate) posted: Option<&'e Posted>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StockChangeKind {
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
pub(crate) struct NormalizedTransfer<'e> {
    pub(crate) id: AnyId,
    pub(crate) status: Option<String>,
    pub(crate) fields: Value,
    pub(crate) posted: Option<&'e Posted>,
}

/// Something to read.
pub(crate) struct NormalizedNotice<'e> {
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
    fn own(customer: Option<AnyId>) -> Self {
        Self {
            customer,
            ..Self::default()
        }
    }

    fn posted(posted: &Posted) -> Self {
        Self {
            customer: posted.customer_id.map(AnyId::from),
            user: posted
                .user_id
                .as_ref()
                .and_then(|user| user.as_str().parse().ok()),
            room: posted.user_id.clone().map(Room::User),
        }
    }

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

impl<'e> NormalizedOrder<'e> {
    pub(crate) fn of(change: OrderChangeKind, order: &'e EventData<OrderChanged>) -> Self {
        order.either(
            |changed| {
                let order = &changed.order;
                let word = |status| json!(status).as_str().map(str::to_owned);
                Self {
                    change,
                    id: Some(order.order_id.into()),
                    name: Some(order.name.clone()),
                    // A deleted order has no status of its own any more.
                    status: if change == OrderChangeKind::Deleted {
                        Some("cancelled".to_owned())
                    } else {
                        word(order.status)
                    },
                    previous: order.previous_status.and_then(word),
                    total: Some(amount(&order.total)),
                    currency: Some(order.currency.clone()),
                    owner: Owner::own(order.customer_id.map(AnyId::from)),
                    posted: None,
                }
            },
            |posted| {
                let said = Said(posted);
                let default = match change {
                    OrderChangeKind::Created => Some("created"),
                    OrderChangeKind::Deleted => Some("cancelled"),
                    OrderChangeKind::Status | OrderChangeKind::Updated => None,
                };
                Self {
                    change,
                    id: posted.order_id.clone(),
                    name: said
                        .text(&["aliasId", "orderNumber", "name"])
                        .or_else(|| posted.order_id.as_ref().map(ToString::to_string)),
                    status: said
                        .text(&["newStatus", "status"])
                        .or_else(|| default.map(str::to_owned)),
                    previous: said.text(&["previousStatus"]),
                    total: said.value(&["totalAmount", "total", "amount"]),
                    currency: said.text(&["currency"]),
                    owner: Owner::posted(posted),
                    posted: Some(posted),
                }
            },
        )
    }
}

impl<'e> NormalizedPayment<'e> {
    pub(crate) fn of(outcome: PaymentEventKind, payment: &'e EventData<OwnPayment>) -> Self {
        let status = match outcome {
            PaymentEventKind::Failed => "failed",
            PaymentEventKind::Received => "received",
            PaymentEventKind::Refunded => "refunded",
        };
        payment.either(
            |paid| Self {
                status: status.to_owned(),
                order: Some(paid.order_id.into()),
                amount: Some(amount(&paid.amount)),
                currency: Some(paid.currency.clone()),
                owner: Owner::own(paid.customer_id.map(AnyId::from)),
                posted: None,
            },
            |posted| Self::posted(status, posted),
        )
    }

    /// A payment whose status no event of its own names. Its source calls it so: `payment.pending`.
    pub(crate) fn of_status(posted: &'e Posted) -> Self {
        let status = posted
            .name
            .as_deref()
            .and_then(|name| name.split_once('.'))
            .map_or("changed", |(_, word)| word);
        Self::posted(status, posted)
    }

    fn posted(status: &str, posted: &'e Posted) -> Self {
        let said = Said(posted);
        Self {
            status: said.text(&["status"]).unwrap_or_else(|| status.to_owned()),
            order: posted.order_id.clone(),
            amount: said.value(&["amount", "totalAmount", "total"]),
            currency: said.text(&["currency"]),
            owner: Owner::posted(posted),
            posted: Some(posted),
        }
    }
}

impl<'e> NormalizedStock<'e> {
    /// A level that crossed its threshold.
    pub(crate) fn of_crossing(level: StockChangeKind, stock: &'e EventData<LevelShape>) -> Self {
        stock.either(
            |shape| Self::own(level, shape, shape.available),
            |posted| Self::posted(level, posted),
        )
    }

    /// A level that changed: what there is of its product, as far as somebody limited to those locations may know.
    pub(crate) fn of_change(
        change: &'e EventData<LevelChange>,
        limited_to: Option<&[LocationId]>,
    ) -> Self {
        change.either(
            |change| {
                Self::own(
                    StockChangeKind::Updated,
                    &change.level,
                    sum(change, limited_to),
                )
            },
            |posted| Self::posted(StockChangeKind::Updated, posted),
        )
    }

    fn own(level: StockChangeKind, shape: &LevelShape, quantity: i64) -> Self {
        Self {
            level,
            product: Some(
                shape
                    .product_id
                    .map_or_else(|| shape.inventory_item_id.into(), AnyId::from),
            ),
            variant: shape.variant_id.map(AnyId::from),
            title: shape.title.clone(),
            quantity: Some(quantity.into()),
            threshold: Some(shape.threshold.into()),
            posted: None,
        }
    }

    fn posted(level: StockChangeKind, posted: &'e Posted) -> Self {
        let said = Said(posted);
        Self {
            level,
            product: posted
                .product_id
                .clone()
                .or_else(|| said.text(&["inventoryItemId"])?.parse().ok()),
            variant: posted.variant_id.clone(),
            title: said.text(&["productName", "title", "name"]),
            quantity: said.value(&["quantity", "currentQuantity", "available"]),
            threshold: said.value(&["threshold"]),
            posted: Some(posted),
        }
    }
}

impl<'e> NormalizedTransfer<'e> {
    /// `None` where Shopify says no status, or a program no id: who waits for a status is not told of its absence.
    pub(crate) fn of(transfer: &'e EventData<schemas::event::Transfer>) -> Option<Self> {
        transfer.either(
            |transfer| {
                Some(Self {
                    id: transfer.transfer_id.into(),
                    status: Some(transfer.status.clone()?),
                    fields: json!(transfer),
                    posted: None,
                })
            },
            |posted| {
                Some(Self {
                    id: posted.transfer_id.clone()?,
                    status: Said(posted).text(&["newStatus", "status"]),
                    fields: json!({}),
                    posted: Some(posted),
                })
            },
        )
    }
}

impl<'e> NormalizedNotice<'e> {
    /// An alert or an announcement of work on the system.
    pub(crate) fn urgent(posted: &'e Posted) -> Self {
        Self {
            is_urgent: true,
            ..Self::posted(posted)
        }
    }

    pub(crate) fn of_alert(alert: &'e EventData<OwnNotice>) -> Self {
        alert.either(
            |notice| Self {
                title: Some(notice.title.clone()),
                message: Some(notice.message.clone()),
                audience: notice
                    .user_id
                    .as_ref()
                    .map_or(Audience::Everybody, Audience::User),
                is_urgent: true,
                posted: None,
            },
            Self::urgent,
        )
    }

    /// For everybody who works for the shop, or for a company where it names one.
    pub(crate) fn of_shop(posted: &'e Posted) -> Self {
        let notice = Self::posted(posted);
        match &posted.company_id {
            Some(_) => notice,
            None => Self {
                audience: Audience::Shop,
                ..notice
            },
        }
    }

    pub(crate) fn posted(posted: &'e Posted) -> Self {
        let said = Said(posted);
        let audience = match (&posted.company_id, &posted.user_id, posted.role) {
            (Some(company), ..) => Audience::Company(company),
            (None, Some(user), _) => Audience::User(user),
            (None, None, Some(role)) => Audience::Role(role),
            (None, None, None) => Audience::Everybody,
        };
        Self {
            title: said.text(&["title", "subject"]),
            message: said.text(&["message", "content"]),
            audience,
            is_urgent: false,
            posted: Some(posted),
        }
    }
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

/// The fields that a program posted.
struct Said<'e>(&'e Posted);

impl Said<'_> {
    /// The first of these that is there.
    fn value(&self, keys: &[&str]) -> Option<Value> {
        first(&self.0.data, keys).cloned()
    }

    /// The same, where it is a text.
    fn text(&self, keys: &[&str]) -> Option<String> {
        first(&self.0.data, keys)?.as_str().map(str::to_owned)
    }
}

/// The first of these that is there.
pub(crate) fn first<'d>(data: &'d Map<String, Value>, keys: &[&str]) -> Option<&'d Value> {
    keys.iter()
        .find_map(|key| data.get(*key).filter(|value| !value.is_null()))
}
