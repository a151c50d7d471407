//! What clients of the native contract may ask, read and checked against who asks.

use std::collections::BTreeSet;
use std::str::FromStr;

use schemas::command::CommandKind;
use schemas::{
    AnyId, CustomerId, ErrorBody, ErrorCode, Identity, LevelSelection, LocationId, ProductId, Role,
    Room, VariantId,
};

use super::{NotificationType, OdaMessage};
use crate::contracts::names::names;
use crate::contracts::request::{self, Fields, Join, Leaving, Request, forbidden, own_orders};
use crate::hub::reader::NotificationKinds;
use crate::protocol::socketio::ClientCall;

/// What unsubscribing from everything is about, by how the rooms' names begin.
const INVENTORY: &str = "inventory:";
const NOTIFICATIONS: &str = "notifications";
const ORDERS: &str = "orders:";

names! {
    /// What clients of oda ask.
    OdaRequest {
        SubscribeInventory = "subscribe:inventory",
        SubscribeOrders = "subscribe:orders",
        SubscribeNotifications = "subscribe:notifications",
        UnsubscribeInventory = "unsubscribe:inventory",
        UnsubscribeOrders = "unsubscribe:orders",
        UnsubscribeNotifications = "unsubscribe:notifications",
        Adjust = "inventory:adjust",
        Update = "inventory:update",
        Reserve = "inventory:reserve",
        Release = "inventory:release",
        Extend = "inventory:extend",
        Commit = "inventory:commit",
        AuthRefresh = "auth:refresh",
    }
}

/// Reads what a client asks and checks it against who it is.
pub(crate) fn parse(call: &ClientCall, identity: &Identity) -> Result<Request, ErrorBody> {
    request::plain(call)?;
    let fields = || Fields::of(call);
    match OdaRequest::parse(&call.name).ok_or_else(request::unknown)? {
        OdaRequest::SubscribeInventory => {
            let fields = fields()?;
            let (rooms, selection) = inventory(&fields)?;
            may_join_inventory(&selection, identity)?;
            let snapshot = fields.flag("snapshot")?.then_some(selection);
            Ok(Request::Join(Join {
                rooms,
                since: fields.since()?,
                snapshot,
                ..Join::default()
            }))
        }
        OdaRequest::SubscribeOrders => {
            let fields = fields()?;
            let rooms = orders(&fields, identity)?;
            may_join_orders(&rooms, identity)?;
            Ok(Request::Join(Join {
                rooms,
                since: fields.since()?,
                ..Join::default()
            }))
        }
        OdaRequest::SubscribeNotifications => {
            if identity.role == Role::Service {
                return Err(forbidden("notifications"));
            }
            let fields = fields()?;
            let types: Option<BTreeSet<String>> = fields
                .texts("types")?
                .map(|types| types.into_iter().collect());
            // They are kept with the session, so no others than those that something comes by.
            let is_unknown = |kind: &String| NotificationType::parse(kind).is_none();
            if types.iter().flatten().any(is_unknown) {
                let known: Vec<_> = NotificationType::ALL
                    .iter()
                    .map(|kind| kind.as_str())
                    .collect();
                let message = format!("types takes {}", known.join(", "));
                return Err(ErrorBody::field("types", message));
            }
            let kinds = types.map_or(NotificationKinds::All, NotificationKinds::Only);
            let rooms = [Room::Notifications].into();
            Ok(Request::Join(Join {
                rooms,
                since: fields.since()?,
                kinds: Some(kinds),
                ..Join::default()
            }))
        }
        OdaRequest::UnsubscribeInventory => {
            let fields = fields()?;
            let listed = ["locationIds", "productIds", "variantIds"]
                .iter()
                .any(|key| fields.field(key).is_some());
            let rooms = listed
                .then(|| inventory(&fields))
                .transpose()?
                .map(|(rooms, _)| rooms);
            Ok(Request::Leave(
                rooms.map_or(Leaving::Family(INVENTORY), Leaving::Rooms),
            ))
        }
        OdaRequest::UnsubscribeOrders => {
            let fields = fields()?;
            let named = fields
                .field("customerId")
                .map(|_| orders(&fields, identity))
                .transpose()?;
            Ok(Request::Leave(
                named.map_or(Leaving::Family(ORDERS), Leaving::Rooms),
            ))
        }
        OdaRequest::UnsubscribeNotifications => Ok(Request::Leave(Leaving::Family(NOTIFICATIONS))),
        OdaRequest::AuthRefresh => request::refresh(call),
        OdaRequest::Adjust => command(call, identity, CommandKind::Adjust),
        OdaRequest::Update => command(call, identity, CommandKind::Update),
        OdaRequest::Reserve => command(call, identity, CommandKind::Reserve),
        OdaRequest::Release => command(call, identity, CommandKind::Release),
        OdaRequest::Extend => command(call, identity, CommandKind::Extend),
        OdaRequest::Commit => command(call, identity, CommandKind::Commit),
    }
}

fn command(
    call: &ClientCall,
    identity: &Identity,
    kind: CommandKind,
) -> Result<Request, ErrorBody> {
    if !identity.role.may_give_commands() {
        return Err(forbidden("commands"));
    }
    let shop = Fields::of(call)?
        .field("shop")
        .map(|shop| Fields::text("shop", shop))
        .transpose()?;
    let payload = call.args.first().cloned().unwrap_or_default();
    Ok(Request::Command {
        kind,
        shop,
        payload,
    })
}

/// The event by which a command's failure is told beside its acknowledgement; `None` for what is no command.
pub(crate) fn failure_event(name: &str) -> Option<OdaMessage> {
    CommandKind::parse(name.strip_prefix("inventory:")?).map(failure_event_of)
}

/// The event that tells of the failure of such a command.
pub(crate) fn failure_event_of(kind: CommandKind) -> OdaMessage {
    match kind {
        CommandKind::Adjust | CommandKind::Update => OdaMessage::InventoryUpdateError,
        CommandKind::Commit | CommandKind::Extend | CommandKind::Release | CommandKind::Reserve => {
            OdaMessage::InventoryReservationError
        }
    }
}

/// The rooms a list of ids names, and the levels in them.
fn inventory(fields: &Fields<'_>) -> Result<(BTreeSet<Room>, LevelSelection), ErrorBody> {
    let locations = fields.texts("locationIds")?;
    let products = fields.texts("productIds")?;
    let variants = fields.texts("variantIds")?;
    let selection = LevelSelection {
        location_ids: locations.as_deref().map(known),
        product_ids: products.as_deref().map(known),
        variant_ids: variants.as_deref().map(known),
        ..LevelSelection::default()
    };
    let mut rooms = BTreeSet::new();
    if selection.is_everything() {
        rooms.insert(Room::InventoryAll);
    }
    rooms.extend(named::<LocationId>(locations.as_deref()).map(Room::InventoryLocation));
    rooms.extend(named::<ProductId>(products.as_deref()).map(Room::InventoryProduct));
    rooms.extend(named::<VariantId>(variants.as_deref()).map(Room::InventoryVariant));
    Ok((rooms, selection))
}

fn may_join_inventory(selection: &LevelSelection, identity: &Identity) -> Result<(), ErrorBody> {
    if !identity.role.is_staff() {
        return Err(forbidden("inventory"));
    }
    let Some(mine) = &identity.locations else {
        return Ok(());
    };
    match selection
        .location_ids
        .iter()
        .flatten()
        .find(|location| !mine.contains(location))
    {
        None => Ok(()),
        Some(foreign) => {
            let message = format!("Location {foreign} is not one of yours");
            Err(ErrorBody {
                field: Some("locationIds".to_owned()),
                ..ErrorBody::new(ErrorCode::Forbidden, message)
            })
        }
    }
}

/// The room that a payload names, or else the one meant by who asks.
fn orders(fields: &Fields<'_>, identity: &Identity) -> Result<BTreeSet<Room>, ErrorBody> {
    let customer = fields
        .field("customerId")
        .map(|id| Fields::text("customerId", id))
        .transpose()?;
    let named = customer.as_deref().map(AnyId::of::<CustomerId>).transpose();
    match named.map_err(|problem| ErrorBody::field("customerId", problem.to_string()))? {
        // By whichever name they know themselves, they mean all that is theirs.
        Some(customer)
            if !own_orders(identity).contains(&Room::OrdersCustomer(customer.clone())) =>
        {
            Ok([Room::OrdersCustomer(customer)].into())
        }
        _ if identity.role == Role::Customer => Ok(own_orders(identity)),
        Some(customer) => Ok([Room::OrdersCustomer(customer)].into()),
        None => Ok([Room::OrdersAll].into()),
    }
}

fn may_join_orders(rooms: &BTreeSet<Room>, identity: &Identity) -> Result<(), ErrorBody> {
    match identity.role {
        Role::Customer if rooms.is_subset(&own_orders(identity)) => Ok(()),
        Role::Customer => Err(forbidden("another customer's orders")),
        role if role.is_staff() => Ok(()),
        _ => Err(forbidden("orders")),
    }
}

/// Whether somebody may be in a room that was subscribed to, perhaps with other rights.
pub(crate) fn may_be_in(room: &Room, identity: &Identity) -> bool {
    match room {
        Room::InventoryAll | Room::InventoryProduct(_) | Room::InventoryVariant(_) => {
            identity.role.is_staff()
        }
        Room::InventoryLocation(location) => {
            let mine = identity.locations.as_ref();
            let mine =
                mine.is_none_or(|mine| mine.iter().any(|own| AnyId::from(*own) == *location));
            identity.role.is_staff() && mine
        }
        Room::Notifications => identity.role != Role::Service,
        Room::OrdersAll => identity.role.is_staff(),
        Room::OrdersCustomer(_) => may_join_orders(&[room.clone()].into(), identity).is_ok(),
        // Nobody subscribes to the others; one is in them by who one is, or not at all.
        _ => false,
    }
}

/// The rooms of ids: also of those that are nothing to Shopify, because others may post of them.
fn named<Id: FromStr + Into<AnyId>>(ids: Option<&[String]>) -> impl Iterator<Item = AnyId> {
    ids.into_iter()
        .flatten()
        .filter_map(|id| AnyId::of::<Id>(id).ok())
}

fn known<Id: FromStr>(ids: &[String]) -> Vec<Id> {
    ids.iter().filter_map(|id| id.parse().ok()).collect()
}
