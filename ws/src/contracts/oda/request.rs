//! What clients of the native contract may ask, read and checked against who asks.

use std::collections::BTreeSet;
use std::str::FromStr;

use schemas::command::CommandKind;
use schemas::id::ID_BYTES_MAX;
use schemas::{ErrorBody, ErrorCode, Identity, LevelSelection, Offset, Role, Room};
use serde_json::{Map, Value};

use super::room_name;
use crate::limits::IDS_PER_LIST_MAX;
use crate::reader::Kinds;
use crate::socketio::Call;

/// A request that may be carried out.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    /// To be read and carried out by whoever does that.
    Command {
        kind: CommandKind,
        shop: Option<String>,
        payload: Value,
    },
    Join {
        rooms: Rooms,
        since: Option<Since>,
        /// The levels to answer with.
        snapshot: Option<LevelSelection>,
        /// The kinds of notification wanted, where that was the question.
        kinds: Option<Kinds>,
    },
    /// These, or all of the family.
    Leave(Family, Option<Rooms>),
    Refresh {
        token: String,
    },
}

/// Where somebody wants to go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    Offset(Offset),
    /// A text that is no offset of ours, perhaps another system's.
    Foreign,
}

/// The rooms that one subscribe or unsubscribe is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Inventory,
    Notifications,
    Orders,
}

impl Family {
    pub(crate) fn contains(self, room: &Room) -> bool {
        let name = room.to_string();
        name.starts_with(self.prefix())
    }

    pub(crate) fn contains_name(self, name: &str) -> bool {
        name.starts_with(self.prefix())
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Inventory => "inventory:",
            Self::Notifications => "notifications",
            Self::Orders => "orders:",
        }
    }
}

/// Rooms by what they are, and those whose id is nothing we know, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rooms {
    pub(crate) known: BTreeSet<Room>,
    pub(crate) names: BTreeSet<String>,
}

impl Rooms {
    /// Their names as clients know them.
    pub(crate) fn listing(&self, identity: &Identity) -> Vec<String> {
        self.known.iter().map(|room| room_name(room, identity)).chain(self.names.iter().cloned()).collect()
    }

    fn add<Id: FromStr>(&mut self, prefix: &str, id: &str, room: fn(Id) -> Room) {
        match id.parse() {
            Ok(id) => {
                self.known.insert(room(id));
            }
            // An id that is nothing to Shopify is nothing to us, but the client may have it.
            Err(_) => {
                self.names.insert(format!("{prefix}{id}"));
            }
        }
    }
}

/// Reads what a client asks and checks it against who it is.
pub(crate) fn parse(call: &Call, identity: &Identity) -> Result<Request, ErrorBody> {
    if !call.attachments.is_empty() {
        return Err(ErrorBody::new(ErrorCode::InvalidPayload, "Binary arguments are not taken"));
    }
    let fields = || match call.args.first() {
        None | Some(Value::Null) => Ok(Fields(None)),
        Some(Value::Object(fields)) => Ok(Fields(Some(fields))),
        Some(_) => Err(ErrorBody::new(ErrorCode::InvalidPayload, "The payload must be an object")),
    };
    match call.name.as_str() {
        "subscribe:inventory" => {
            let fields = fields()?;
            let (rooms, selection) = inventory(&fields)?;
            may_join_inventory(&selection, identity)?;
            let snapshot = fields.flag("snapshot")?.then_some(selection);
            Ok(Request::Join { rooms, since: fields.since()?, snapshot, kinds: None })
        }
        "subscribe:orders" => {
            let fields = fields()?;
            let rooms = orders(&fields, identity)?;
            may_join_orders(&rooms, identity)?;
            Ok(Request::Join { rooms, since: fields.since()?, snapshot: None, kinds: None })
        }
        "subscribe:notifications" => {
            if identity.role == Role::Service {
                return Err(forbidden("notifications"));
            }
            let fields = fields()?;
            let kinds =
                fields.texts("types")?.map_or(Kinds::All, |types| Kinds::Only(types.into_iter().collect()));
            let rooms = notifications();
            Ok(Request::Join { rooms, since: fields.since()?, snapshot: None, kinds: Some(kinds) })
        }
        "unsubscribe:inventory" => {
            let fields = fields()?;
            let listed =
                ["locationIds", "productIds", "variantIds"].iter().any(|key| fields.field(key).is_some());
            let rooms = if listed { Some(inventory(&fields)?.0) } else { None };
            Ok(Request::Leave(Family::Inventory, rooms))
        }
        "unsubscribe:orders" => {
            let fields = fields()?;
            let rooms =
                if fields.field("customerId").is_some() { Some(orders(&fields, identity)?) } else { None };
            Ok(Request::Leave(Family::Orders, rooms))
        }
        "unsubscribe:notifications" => Ok(Request::Leave(Family::Notifications, None)),
        "auth:refresh" => match fields()?.field("token") {
            Some(Value::String(token)) => Ok(Request::Refresh { token: token.clone() }),
            _ => Err(ErrorBody::field("token", "A token is needed")),
        },
        name => match command(name) {
            Some(_) if !identity.role.is_staff() => Err(forbidden("commands")),
            Some(kind) => {
                let shop = fields()?.field("shop").map(|shop| Fields::text("shop", shop)).transpose()?;
                let payload = call.args.first().cloned().unwrap_or_default();
                Ok(Request::Command { kind, shop, payload })
            }
            None => Err(ErrorBody::new(ErrorCode::UnknownEvent, "There is no such event")),
        },
    }
}

/// The event by which a command's failure is told beside its acknowledgement; `None` for what is no command.
pub(crate) fn failure_event(name: &str) -> Option<&'static str> {
    command(name).map(failure_event_of)
}

/// The event that tells of the failure of such a command.
pub(crate) fn failure_event_of(kind: CommandKind) -> &'static str {
    match kind {
        CommandKind::Adjust | CommandKind::Update => "inventory:updateError",
        CommandKind::Commit | CommandKind::Extend | CommandKind::Release | CommandKind::Reserve => {
            "inventory:reservationError"
        }
    }
}

fn command(name: &str) -> Option<CommandKind> {
    CommandKind::parse(name.strip_prefix("inventory:")?)
}

/// The rooms a list of ids names, and the levels in them.
fn inventory(fields: &Fields<'_>) -> Result<(Rooms, LevelSelection), ErrorBody> {
    let locations = fields.texts("locationIds")?;
    let products = fields.texts("productIds")?;
    let variants = fields.texts("variantIds")?;
    let selection = LevelSelection {
        location_ids: locations.as_deref().map(known),
        product_ids: products.as_deref().map(known),
        variant_ids: variants.as_deref().map(known),
    };
    let mut rooms = Rooms::default();
    if selection.is_everything() {
        rooms.known.insert(Room::InventoryAll);
    }
    locations.iter().flatten().for_each(|id| rooms.add("inventory:location:", id, Room::InventoryLocation));
    products.iter().flatten().for_each(|id| rooms.add("inventory:product:", id, Room::InventoryProduct));
    variants.iter().flatten().for_each(|id| rooms.add("inventory:variant:", id, Room::InventoryVariant));
    Ok((rooms, selection))
}

fn may_join_inventory(selection: &LevelSelection, identity: &Identity) -> Result<(), ErrorBody> {
    if !identity.role.is_staff() {
        return Err(forbidden("inventory"));
    }
    let Some(mine) = &identity.locations else { return Ok(()) };
    match selection.location_ids.iter().flatten().find(|location| !mine.contains(location)) {
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
fn orders(fields: &Fields<'_>, identity: &Identity) -> Result<Rooms, ErrorBody> {
    let customer = fields.field("customerId").map(|id| Fields::text("customerId", id)).transpose()?;
    let mut rooms = Rooms::default();
    match customer {
        Some(customer) => rooms.add("orders:customer:", &customer, Room::OrdersCustomer),
        None if identity.role == Role::Customer => return Ok(own_orders(identity)),
        None => {
            rooms.known.insert(Room::OrdersAll);
        }
    }
    Ok(rooms)
}

fn own_orders(identity: &Identity) -> Rooms {
    let own = identity.own_customer().map_or_else(|| identity.user_id.to_string(), |own| own.to_string());
    let mut rooms = Rooms::default();
    rooms.add("orders:customer:", &own, Room::OrdersCustomer);
    rooms
}

fn may_join_orders(rooms: &Rooms, identity: &Identity) -> Result<(), ErrorBody> {
    match identity.role {
        Role::Customer if *rooms == own_orders(identity) => Ok(()),
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
            let mine = identity.locations.as_ref().is_none_or(|mine| mine.contains(location));
            identity.role.is_staff() && mine
        }
        Room::Notifications => identity.role != Role::Service,
        Room::OrdersAll => identity.role.is_staff(),
        Room::OrdersCustomer(_) => {
            let rooms = Rooms { known: [room.clone()].into(), ..Rooms::default() };
            may_join_orders(&rooms, identity).is_ok()
        }
        // Nobody subscribes to these; one is in them by who one is.
        Room::ShopifySync | Room::User(_) => false,
    }
}

/// The same for rooms by name.
pub(crate) fn may_be_in_name(name: &str, identity: &Identity) -> bool {
    if name.starts_with(Family::Inventory.prefix()) {
        return identity.role.is_staff();
    }
    let rooms = Rooms { names: [name.to_owned()].into(), ..Rooms::default() };
    name.starts_with(Family::Orders.prefix()) && may_join_orders(&rooms, identity).is_ok()
}

fn notifications() -> Rooms {
    Rooms { known: [Room::Notifications].into(), names: BTreeSet::new() }
}

fn known<Id: FromStr>(ids: &[String]) -> Vec<Id> {
    ids.iter().filter_map(|id| id.parse().ok()).collect()
}

fn forbidden(what: &str) -> ErrorBody {
    ErrorBody::new(ErrorCode::Forbidden, format!("Your role does not allow {what}"))
}

/// A payload's fields. One that is `null` is one that is missing.
struct Fields<'a>(Option<&'a Map<String, Value>>);

impl<'a> Fields<'a> {
    fn field(&self, key: &str) -> Option<&'a Value> {
        self.0?.get(key).filter(|value| !value.is_null())
    }

    fn flag(&self, key: &str) -> Result<bool, ErrorBody> {
        match self.field(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(ErrorBody::field(key, format!("{key} must be true or false"))),
        }
    }

    fn since(&self) -> Result<Option<Since>, ErrorBody> {
        match self.field("since") {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.parse().map_or(Since::Foreign, Since::Offset))),
            Some(_) => {
                Err(ErrorBody::field("since", "since must be the id of an event or an answer's offset"))
            }
        }
    }

    /// A number or a short text, as text.
    fn text(key: &str, value: &Value) -> Result<String, ErrorBody> {
        match value {
            Value::Number(number) if number.is_u64() => Ok(number.to_string()),
            Value::String(text) if (1..=ID_BYTES_MAX).contains(&text.len()) => Ok(text.clone()),
            _ => Err(ErrorBody::field(
                key,
                format!("{key} takes numbers and texts of 1 to {ID_BYTES_MAX} bytes"),
            )),
        }
    }

    fn texts(&self, key: &str) -> Result<Option<Vec<String>>, ErrorBody> {
        match self.field(key) {
            None => Ok(None),
            Some(Value::Array(values)) if values.len() > IDS_PER_LIST_MAX => {
                let message = format!("{key} takes at most {IDS_PER_LIST_MAX}; leave it out for everything");
                Err(ErrorBody { field: Some(key.to_owned()), ..ErrorBody::new(ErrorCode::TooLarge, message) })
            }
            Some(Value::Array(values)) => {
                values.iter().map(|value| Self::text(key, value)).collect::<Result<_, _>>().map(Some)
            }
            Some(_) => Err(ErrorBody::field(key, format!("{key} must be a list"))),
        }
    }
}
