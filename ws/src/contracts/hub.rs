//! The contract of hub: an event becomes several, by the names that customers, companies, shops and followers of one order
//! or product listen for; every payload is flat.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemas::{
    AnyId, Ephemeral, ErrorBody, ErrorCode, Event, Identity, Kind, Logged, OrderId, ProductId,
    Role, Room,
};
use serde_json::{Map, Value, json};

use super::names::names;
use super::normalized::{
    Audience, NormalizedNotice, NormalizedOrder, NormalizedPayment, NormalizedStock,
    NormalizedTransfer, OrderChangeKind, PaymentEventKind, StockChangeKind,
};
use super::request::{self, Fields, Join, Leaving, Request, own_orders};
use super::{Arrived, CONNECTED, Contract, ContractMessage, OutgoingEvent, json_text};
use crate::protocol::socketio::ClientCall;

pub(crate) struct Hub;

impl Contract for Hub {
    fn messages(&self, outgoing: &OutgoingEvent<'_>) -> Vec<ContractMessage> {
        match outgoing.event {
            Event::Logged(event) => match event {
                Logged::OrderCreated(order) => self::order(
                    &NormalizedOrder::of(OrderChangeKind::Created, order),
                    outgoing,
                ),
                Logged::OrderDeleted(order) => self::order(
                    &NormalizedOrder::of(OrderChangeKind::Deleted, order),
                    outgoing,
                ),
                Logged::OrderStatusChanged(order) => self::order(
                    &NormalizedOrder::of(OrderChangeKind::Status, order),
                    outgoing,
                ),
                Logged::OrderUpdated(order) => self::order(
                    &NormalizedOrder::of(OrderChangeKind::Updated, order),
                    outgoing,
                ),
                Logged::PaymentFailed(paid) => payment(
                    &NormalizedPayment::of(PaymentEventKind::Failed, paid),
                    outgoing,
                ),
                Logged::PaymentReceived(paid) => payment(
                    &NormalizedPayment::of(PaymentEventKind::Received, paid),
                    outgoing,
                ),
                Logged::PaymentRefunded(paid) => payment(
                    &NormalizedPayment::of(PaymentEventKind::Refunded, paid),
                    outgoing,
                ),
                Logged::PaymentStatusChanged(posted) => {
                    payment(&NormalizedPayment::of_status(posted), outgoing)
                }
                Logged::InventoryLowStock(level) => stock(
                    &NormalizedStock::of_crossing(StockChangeKind::Low, level),
                    outgoing,
                ),
                Logged::InventoryOutOfStock(level) => stock(
                    &NormalizedStock::of_crossing(StockChangeKind::Out, level),
                    outgoing,
                ),
                Logged::InventoryRestocked(level) => stock(
                    &NormalizedStock::of_crossing(StockChangeKind::Restocked, level),
                    outgoing,
                ),
                Logged::InventoryUpdated(change) => stock(
                    &NormalizedStock::of_change(change, outgoing.limited_to),
                    outgoing,
                ),
                Logged::InventoryTransfer(transfer) => {
                    let transfer = NormalizedTransfer::of(transfer);
                    transfer
                        .map(|told_of| self::transfer(told_of, outgoing))
                        .into_iter()
                        .collect()
                }
                Logged::SystemAlert(alert) => notice(&NormalizedNotice::of_alert(alert), outgoing),
                Logged::SecurityAlert(posted) | Logged::SystemMaintenance(posted) => {
                    notice(&NormalizedNotice::urgent(posted), outgoing)
                }
                Logged::ShopNotification(posted) => {
                    notice(&NormalizedNotice::of_shop(posted), outgoing)
                }
                Logged::CompanyNotification(posted)
                | Logged::SystemNotification(posted)
                | Logged::UserNotification(posted) => {
                    notice(&NormalizedNotice::posted(posted), outgoing)
                }
                Logged::Emitted(emitted) => {
                    vec![ContractMessage::new(emitted.event.clone(), &emitted.data)]
                }
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
                    vec![ContractMessage::new(HubMessage::Typing.as_str(), &payload)]
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
    fn message(self, payload: &Arc<str>) -> ContractMessage {
        ContractMessage::shared(self.as_str(), payload)
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

fn order(order: &NormalizedOrder<'_>, outgoing: &OutgoingEvent<'_>) -> Vec<ContractMessage> {
    let (name, status) = (
        order.name.as_deref().unwrap_or_default(),
        order.status.as_deref(),
    );
    let message = match (order.change, status) {
        (OrderChangeKind::Created, _) => format!("Your order #{name} has been placed"),
        (OrderChangeKind::Updated, _) | (_, None) => format!("Your order #{name} has changed"),
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
    let payload = flat(outgoing, order.posted, ours);
    let mut messages = Vec::new();
    if order.change != OrderChangeKind::Updated {
        messages.push(
            HubMessage::OrderStatusUpdated
                .message(&payload)
                .to(order.owner.rooms()),
        );
    }
    if order.change == OrderChangeKind::Created {
        messages.push(
            HubMessage::OrderNewOrder
                .message(&payload)
                .to(company(outgoing, order.posted)),
        );
        messages.push(
            HubMessage::OrderShopOrder
                .message(&payload)
                .to([Room::Shop]),
        );
    }
    let room = order.id.clone().map(Room::Order);
    messages.extend(room.map(|room| HubMessage::OrderUpdate.message(&payload).to([room])));
    messages
}

fn payment(payment: &NormalizedPayment<'_>, outgoing: &OutgoingEvent<'_>) -> Vec<ContractMessage> {
    let ours = json!({
        "orderId": payment.order,
        "status": payment.status,
        "amount": payment.amount,
        "currency": payment.currency,
        "message": format!("Your payment is {}", payment.status),
    });
    let payload = flat(outgoing, payment.posted, ours);
    let room = payment.order.clone().map(Room::Order);
    let owner = HubMessage::PaymentStatusUpdated
        .message(&payload)
        .to(payment.owner.rooms());
    std::iter::once(owner)
        .chain(room.map(|room| HubMessage::PaymentUpdate.message(&payload).to([room])))
        .collect()
}

fn transfer(transfer: NormalizedTransfer<'_>, outgoing: &OutgoingEvent<'_>) -> ContractMessage {
    let ours = json!({ "transferId": transfer.id, "status": transfer.status });
    let payload = flat(outgoing, transfer.posted, merged(transfer.fields, ours));
    HubMessage::TransferStatusUpdate
        .message(&payload)
        .to([Room::Transfer(transfer.id)])
}

fn stock(stock: &NormalizedStock<'_>, outgoing: &OutgoingEvent<'_>) -> Vec<ContractMessage> {
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
        StockChangeKind::Low => (
            "warning",
            format!("{name} is running low ({left} remaining)"),
        ),
        StockChangeKind::Out => ("critical", format!("{name} is out of stock")),
        StockChangeKind::Restocked => (
            "info",
            format!("{name} is back in stock ({left} available)"),
        ),
        StockChangeKind::Updated => ("info", format!("{name}: {left} available")),
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
    let payload = flat(outgoing, stock.posted, ours);
    let company = || company(outgoing, stock.posted);
    match stock.level {
        StockChangeKind::Updated => {
            let product = stock.product.clone().map(Room::InventoryProduct);
            let changed = |room| {
                HubMessage::InventoryStockChanged
                    .message(&payload)
                    .to([room])
            };
            [
                HubMessage::InventoryUpdated.message(&payload).to(company()),
                HubMessage::InventoryShopUpdate
                    .message(&payload)
                    .to([Room::Shop]),
            ]
            .into_iter()
            .chain(product.map(changed))
            .collect()
        }
        StockChangeKind::Low | StockChangeKind::Out => vec![
            HubMessage::InventoryLowStockAlert
                .message(&payload)
                .to(company().chain([Room::Shop])),
            HubMessage::InventoryAlert
                .message(&payload)
                .to([Room::InventoryAll]),
        ],
        StockChangeKind::Restocked => {
            vec![
                HubMessage::InventoryAlert
                    .message(&payload)
                    .to([Room::InventoryAll]),
            ]
        }
    }
}

fn notice(notice: &NormalizedNotice<'_>, outgoing: &OutgoingEvent<'_>) -> Vec<ContractMessage> {
    let ours = json!({
        "type": if notice.is_urgent { "warning" } else { "info" },
        "priority": if notice.is_urgent { "high" } else { "normal" },
        "subject": notice.title,
        "content": notice.message,
    });
    let payload = flat(outgoing, notice.posted, ours);
    let is_broadcast = notice
        .posted
        .and_then(|posted| posted.name.as_deref())
        .is_some_and(|name| name.starts_with("notification."));
    let message = match notice.audience {
        Audience::Company(_) | Audience::Shop | Audience::User(_) => {
            HubMessage::NotificationNew.message(&payload)
        }
        Audience::Role(_) => HubMessage::NotificationBroadcast.message(&payload),
        Audience::Everybody => if is_broadcast {
            HubMessage::NotificationBroadcast
        } else {
            HubMessage::AnnouncementNew
        }
        .message(&payload)
        .to([Room::Everyone]),
    };
    vec![message]
}

/// The company that is told: the one that is named, or else the shop's.
fn company(
    outgoing: &OutgoingEvent<'_>,
    posted: Option<&schemas::Posted>,
) -> impl Iterator<Item = Room> + use<> {
    let named = posted.and_then(|posted| posted.company_id.clone());
    // A shop of no company is told as one of its own.
    let company = named
        .or_else(|| outgoing.company.cloned())
        .map_or(Room::Shop, Room::Company);
    std::iter::once(company)
}

/// One flat object: what was posted, as it came, and what is missing there.
fn flat(outgoing: &OutgoingEvent<'_>, posted: Option<&schemas::Posted>, ours: Value) -> Arc<str> {
    let mut payload = merged(
        ours,
        json!({ "timestamp": outgoing.at, "shop": outgoing.shop }),
    );
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
