//! The contract of hub: an event becomes several, by the names that customers, companies, shops and followers of one order
//! or product listen for; every payload is flat.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemas::{
    AnyId, Ephemeral, ErrorBody, ErrorCode, Event, Identity, Kind, Logged, OrderId, ProductId,
    Role, Room,
};
use serde_json::{Map, Value, json};

use super::fact::{Audience, Change, Level, Notice, Order, Outcome, Payment, Stock, Transfer};
use super::names::names;
use super::request::{self, Fields, Join, Leaving, Request, own_orders};
use super::{Arrived, CONNECTED, Contract, Part, Telling, json_text};
use crate::protocol::socketio::ClientCall;

pub(crate) struct Hub;

impl Contract for Hub {
    fn parts(&self, told: &Telling<'_>) -> Vec<Part> {
        match told.event {
            Event::Logged(event) => match event {
                Logged::OrderCreated(order) => {
                    self::order(&Order::of(Change::Created, order), told)
                }
                Logged::OrderDeleted(order) => {
                    self::order(&Order::of(Change::Deleted, order), told)
                }
                Logged::OrderStatusChanged(order) => {
                    self::order(&Order::of(Change::Status, order), told)
                }
                Logged::OrderUpdated(order) => {
                    self::order(&Order::of(Change::Updated, order), told)
                }
                Logged::PaymentFailed(paid) => payment(&Payment::of(Outcome::Failed, paid), told),
                Logged::PaymentReceived(paid) => {
                    payment(&Payment::of(Outcome::Received, paid), told)
                }
                Logged::PaymentRefunded(paid) => {
                    payment(&Payment::of(Outcome::Refunded, paid), told)
                }
                Logged::PaymentStatusChanged(posted) => payment(&Payment::of_status(posted), told),
                Logged::InventoryLowStock(level) => {
                    stock(&Stock::of_crossing(Level::Low, level), told)
                }
                Logged::InventoryOutOfStock(level) => {
                    stock(&Stock::of_crossing(Level::Out, level), told)
                }
                Logged::InventoryRestocked(level) => {
                    stock(&Stock::of_crossing(Level::Restocked, level), told)
                }
                Logged::InventoryUpdated(change) => {
                    stock(&Stock::of_change(change, told.limited_to), told)
                }
                Logged::InventoryTransfer(transfer) => {
                    let transfer = Transfer::of(transfer);
                    transfer
                        .map(|told_of| self::transfer(told_of, told))
                        .into_iter()
                        .collect()
                }
                Logged::SystemAlert(alert) => notice(&Notice::of_alert(alert), told),
                Logged::SecurityAlert(posted) | Logged::SystemMaintenance(posted) => {
                    notice(&Notice::urgent(posted), told)
                }
                Logged::ShopNotification(posted) => notice(&Notice::of_shop(posted), told),
                Logged::CompanyNotification(posted)
                | Logged::SystemNotification(posted)
                | Logged::UserNotification(posted) => notice(&Notice::posted(posted), told),
                Logged::Emitted(emitted) => vec![Part::new(emitted.event.clone(), &emitted.data)],
                // The hub's document has no word for these.
                Logged::CommandUpdated(_)
                | Logged::CustomerActivity(_)
                | Logged::CustomerAddedToCart(_)
                | Logged::CustomerViewingProduct(_)
                | Logged::InventoryReservation(_)
                | Logged::ProductCreated(_)
                | Logged::ProductDeleted(_)
                | Logged::ProductPriceChanged(_)
                | Logged::ProductUpdated(_)
                | Logged::ShopifyDrift(_)
                | Logged::ShopifySyncStatus(_)
                | Logged::UserActivity(_) => Vec::new(),
            },
            Event::Ephemeral(event) => match event {
                Ephemeral::Typing(typing) => {
                    let payload = json!({ "userId": typing.user_id, "roomId": typing.room_id, "isTyping": typing.is_typing });
                    vec![Part::new(HubMessage::Typing.as_str(), &payload)]
                }
                // Nor for these.
                Ephemeral::CustomerOffline(_)
                | Ephemeral::CustomerOnline(_)
                | Ephemeral::ShopifyProgress(_)
                | Ephemeral::ShopifyWebhookReceived(_) => Vec::new(),
            },
        }
    }

    fn first_rooms(&self, identity: &Identity) -> BTreeSet<Room> {
        let mut rooms = BTreeSet::from([
            Room::Everyone,
            Room::Role(identity.role),
            Room::User(identity.user_id.clone()),
        ]);
        if identity.role.is_staff() {
            // What companies and shops are told is taken from all that happens there.
            rooms.extend([Room::InventoryAll, Room::OrdersAll, Room::Shop]);
            rooms.extend(identity.companies.iter().cloned().map(Room::Company));
        }
        rooms.extend(own_orders(identity));
        rooms
    }

    fn may_be_in(&self, room: &Room, identity: &Identity) -> bool {
        match room {
            Room::Custom(_) | Room::InventoryProduct(_) | Room::Transfer(_) => {
                identity.role.is_staff()
            }
            // Whose it is was asked when it was joined, and is asked again of every event.
            Room::Order(_) => identity.role.is_staff() || identity.role == Role::Customer,
            _ => false,
        }
    }

    fn room_name(&self, room: &Room, _identity: &Identity) -> Option<String> {
        match room {
            Room::Custom(name) => Some(name.to_string()),
            Room::InventoryProduct(id) => Some(format!("product:{id}")),
            Room::Order(_) | Room::Transfer(_) => Some(room.to_string()),
            _ => None,
        }
    }

    fn read(&self, call: &ClientCall, identity: &Identity) -> Result<Request, ErrorBody> {
        request::plain(call)?;
        match HubRequest::parse(&call.name).ok_or_else(request::unknown)? {
            HubRequest::JoinRoom => {
                self.join(room(&argument(call, "roomId")?)?, "roomId", identity)
            }
            HubRequest::SubscribeOrder => {
                let order = named::<OrderId>(call, "orderId").map(Room::Order)?;
                self.join(order, "orderId", identity)
            }
            HubRequest::SubscribeInventory => {
                let product = named::<ProductId>(call, "productId").map(Room::InventoryProduct)?;
                self.join(product, "productId", identity)
            }
            HubRequest::LeaveRoom => {
                let room = room(&argument(call, "roomId")?)?;
                if self.first_rooms(identity).contains(&room) {
                    return Err(ErrorBody::field(
                        "roomId",
                        "One is in this room by who one is, and stays there",
                    ));
                }
                Ok(Request::Leave(Leaving::Rooms([room].into())))
            }
            HubRequest::Typing => {
                let fields = Fields::of(call)?;
                let Some(id) = fields.field("roomId") else {
                    return Err(ErrorBody::field(
                        "roomId",
                        "roomId is missing: the room you are in",
                    ));
                };
                let (name, is_typing) = (Fields::text("roomId", id)?, fields.flag("isTyping")?);
                Ok(Request::Typing {
                    room: room(&name)?,
                    name,
                    is_typing,
                })
            }
            HubRequest::AuthRefresh => request::refresh(call),
        }
    }

    fn depends_on_locations(&self, event: &Event) -> bool {
        // A product's quantity is the sum of what one may see.
        event.kind() == Kind::InventoryUpdated
    }

    fn connected(&self, arrived: &Arrived<'_>) -> Value {
        json!({
            "message": "Connected to the realtime service",
            "socketId": arrived.socket_id,
            "userId": arrived.identity.user_id,
            "timestamp": arrived.at,
        })
    }
}

names! {
    /// What clients of the hub ask.
    HubRequest {
        JoinRoom = "join_room",
        LeaveRoom = "leave_room",
        SubscribeOrder = "subscribe_order",
        SubscribeInventory = "subscribe_inventory",
        Typing = "typing",
        AuthRefresh = "auth:refresh",
    }
}

names! {
    /// What clients of the hub hear, but for what programs emit by names of their own.
    HubMessage {
        Connected = CONNECTED,
        OrderStatusUpdated = "order:status_updated",
        OrderNewOrder = "order:new_order",
        OrderShopOrder = "order:shop_order",
        OrderUpdate = "order:update",
        PaymentStatusUpdated = "payment:status_updated",
        PaymentUpdate = "payment:update",
        InventoryUpdated = "inventory:updated",
        InventoryShopUpdate = "inventory:shop_update",
        InventoryStockChanged = "inventory:stock_changed",
        InventoryLowStockAlert = "inventory:low_stock_alert",
        InventoryAlert = "inventory:alert",
        TransferStatusUpdate = "transfer:status_update",
        NotificationNew = "notification:new",
        NotificationBroadcast = "notification:broadcast",
        AnnouncementNew = "announcement:new",
        Typing = "typing",
    }
}

impl HubMessage {
    fn part(self, payload: &Arc<str>) -> Part {
        Part::shared(self.as_str(), payload)
    }
}

impl Hub {
    fn join(&self, room: Room, field: &str, identity: &Identity) -> Result<Request, ErrorBody> {
        if !self.may_be_in(&room, identity) && !self.first_rooms(identity).contains(&room) {
            let error = ErrorBody::new(ErrorCode::Forbidden, "Your role does not allow this room");
            return Err(ErrorBody {
                field: Some(field.to_owned()),
                ..error
            });
        }
        let order = match &room {
            Room::Order(id) => id.to_string().parse().ok(),
            _ => None,
        };
        Ok(Request::Join(Join {
            rooms: [room].into(),
            order,
            ..Join::default()
        }))
    }
}

/// What the names of rooms may not begin with, where clients make them up.
const RESERVED: [&str; 10] = [
    "company:",
    "custom:",
    "inventory:",
    "orders:",
    "role:",
    "shop:",
    "shopify:",
    "super_admin",
    "user:",
    "order:",
];

/// The room of that name: what stands for one of ours, or one that clients make up.
fn room(name: &str) -> Result<Room, ErrorBody> {
    let bad =
        |problem: &dyn std::fmt::Display| ErrorBody::field("roomId", format!("roomId: {problem}"));
    if let Some(product) = name.strip_prefix("product:") {
        return AnyId::of::<ProductId>(product)
            .map(Room::InventoryProduct)
            .map_err(|problem| bad(&problem));
    }
    if let Ok(room @ (Room::Order(_) | Room::Transfer(_) | Room::User(_) | Room::Company(_))) =
        name.parse()
    {
        return Ok(room);
    }
    if RESERVED.iter().any(|reserved| name.starts_with(reserved)) {
        let error = ErrorBody::new(
            ErrorCode::Forbidden,
            "Rooms of this name are joined by who one is",
        );
        return Err(ErrorBody {
            field: Some("roomId".to_owned()),
            ..error
        });
    }
    name.parse()
        .map(Room::Custom)
        .map_err(|problem| bad(&problem))
}

/// The one thing that most requests say: alone, or as a field.
fn argument(call: &ClientCall, key: &str) -> Result<String, ErrorBody> {
    let missing = || ErrorBody::field(key, format!("{key} is missing: a number or a text"));
    match call.args.first() {
        None | Some(Value::Null) => Err(missing()),
        Some(Value::Object(fields)) => Fields::text(key, fields.get(key).ok_or_else(missing)?),
        Some(value) => Fields::text(key, value),
    }
}

fn named<Id: std::str::FromStr + Into<AnyId>>(
    call: &ClientCall,
    key: &str,
) -> Result<AnyId, ErrorBody> {
    let text = argument(call, key)?;
    AnyId::of::<Id>(&text).map_err(|problem| ErrorBody::field(key, format!("{key}: {problem}")))
}

fn order(order: &Order<'_>, told: &Telling<'_>) -> Vec<Part> {
    let (name, status) = (
        order.name.as_deref().unwrap_or_default(),
        order.status.as_deref(),
    );
    let message = match (order.change, status) {
        (Change::Created, _) => format!("Your order #{name} has been placed"),
        (Change::Updated, _) | (_, None) => format!("Your order #{name} has changed"),
        (_, Some(status)) => format!("Your order #{name} is now {status}"),
    };
    let ours = json!({
        "orderId": order.id,
        "orderNumber": order.name,
        "status": order.status,
        "previousStatus": order.previous,
        "customerId": order.owner.name(),
        "total": order.total,
        "currency": order.currency,
        "message": message.replace("##", "#"),
    });
    let payload = flat(told, order.posted, ours);
    let mut parts = Vec::new();
    if order.change != Change::Updated {
        parts.push(
            HubMessage::OrderStatusUpdated
                .part(&payload)
                .to(order.owner.rooms()),
        );
    }
    if order.change == Change::Created {
        parts.push(
            HubMessage::OrderNewOrder
                .part(&payload)
                .to(company(told, order.posted)),
        );
        parts.push(HubMessage::OrderShopOrder.part(&payload).to([Room::Shop]));
    }
    let room = order.id.clone().map(Room::Order);
    parts.extend(room.map(|room| HubMessage::OrderUpdate.part(&payload).to([room])));
    parts
}

fn payment(payment: &Payment<'_>, told: &Telling<'_>) -> Vec<Part> {
    let ours = json!({
        "orderId": payment.order,
        "status": payment.status,
        "amount": payment.amount,
        "currency": payment.currency,
        "message": format!("Your payment is {}", payment.status),
    });
    let payload = flat(told, payment.posted, ours);
    let room = payment.order.clone().map(Room::Order);
    let owner = HubMessage::PaymentStatusUpdated
        .part(&payload)
        .to(payment.owner.rooms());
    std::iter::once(owner)
        .chain(room.map(|room| HubMessage::PaymentUpdate.part(&payload).to([room])))
        .collect()
}

fn transfer(transfer: Transfer<'_>, told: &Telling<'_>) -> Part {
    let ours = json!({ "transferId": transfer.id, "status": transfer.status });
    let payload = flat(told, transfer.posted, merged(transfer.fields, ours));
    HubMessage::TransferStatusUpdate
        .part(&payload)
        .to([Room::Transfer(transfer.id)])
}

fn stock(stock: &Stock<'_>, told: &Telling<'_>) -> Vec<Part> {
    let name = stock
        .title
        .clone()
        .unwrap_or_else(|| "A product".to_owned());
    let left = stock
        .quantity
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let (severity, message) = match stock.level {
        Level::Low => (
            "warning",
            format!("{name} is running low ({left} remaining)"),
        ),
        Level::Out => ("critical", format!("{name} is out of stock")),
        Level::Restocked => (
            "info",
            format!("{name} is back in stock ({left} available)"),
        ),
        Level::Updated => ("info", format!("{name}: {left} available")),
    };
    let ours = json!({
        "productId": stock.product,
        "variantId": stock.variant,
        "productName": stock.title,
        "quantity": stock.quantity,
        "threshold": stock.threshold,
        "severity": severity,
        "message": message,
    });
    let payload = flat(told, stock.posted, ours);
    let company = || company(told, stock.posted);
    match stock.level {
        Level::Updated => {
            let product = stock.product.clone().map(Room::InventoryProduct);
            let changed = |room| HubMessage::InventoryStockChanged.part(&payload).to([room]);
            [
                HubMessage::InventoryUpdated.part(&payload).to(company()),
                HubMessage::InventoryShopUpdate
                    .part(&payload)
                    .to([Room::Shop]),
            ]
            .into_iter()
            .chain(product.map(changed))
            .collect()
        }
        Level::Low | Level::Out => vec![
            HubMessage::InventoryLowStockAlert
                .part(&payload)
                .to(company().chain([Room::Shop])),
            HubMessage::InventoryAlert
                .part(&payload)
                .to([Room::InventoryAll]),
        ],
        Level::Restocked => {
            vec![
                HubMessage::InventoryAlert
                    .part(&payload)
                    .to([Room::InventoryAll]),
            ]
        }
    }
}

fn notice(notice: &Notice<'_>, told: &Telling<'_>) -> Vec<Part> {
    let ours = json!({
        "type": if notice.is_urgent { "warning" } else { "info" },
        "priority": if notice.is_urgent { "high" } else { "normal" },
        "subject": notice.title,
        "content": notice.message,
    });
    let payload = flat(told, notice.posted, ours);
    let is_broadcast = notice
        .posted
        .and_then(|posted| posted.name.as_deref())
        .is_some_and(|name| name.starts_with("notification."));
    let part = match notice.audience {
        Audience::Company(_) | Audience::Shop | Audience::User(_) => {
            HubMessage::NotificationNew.part(&payload)
        }
        Audience::Role(_) => HubMessage::NotificationBroadcast.part(&payload),
        Audience::Everybody => if is_broadcast {
            HubMessage::NotificationBroadcast
        } else {
            HubMessage::AnnouncementNew
        }
        .part(&payload)
        .to([Room::Everyone]),
    };
    vec![part]
}

/// The company that is told: the one that is named, or else the shop's.
fn company(
    told: &Telling<'_>,
    posted: Option<&schemas::Posted>,
) -> impl Iterator<Item = Room> + use<> {
    let named = posted.and_then(|posted| posted.company_id.clone());
    // A shop of no company is told as one of its own.
    let company = named
        .or_else(|| told.company.cloned())
        .map_or(Room::Shop, Room::Company);
    std::iter::once(company)
}

/// One flat object: what was posted, as it came, and what is missing there.
fn flat(told: &Telling<'_>, posted: Option<&schemas::Posted>, ours: Value) -> Arc<str> {
    let mut payload = merged(ours, json!({ "timestamp": told.at, "shop": told.shop }));
    if let Some(posted) = posted {
        payload = merged(payload, json!({ "source": posted.source }));
        payload = merged(payload, posted.data.clone().into());
    }
    json_text(&payload)
}

/// The fields of both, the second's where both have one; without those that are empty.
fn merged(first: Value, second: Value) -> Value {
    let fields = |value| match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    let all = fields(first).into_iter().chain(fields(second));
    all.filter(|(_, value)| !value.is_null())
        .collect::<Map<_, _>>()
        .into()
}
