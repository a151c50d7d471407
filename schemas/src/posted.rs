//! What other programs say happened, and what they have sent to clients: read from their JSON, told from ours by where
//! it comes from.
//!
//! It never touches the mirror. Ids may be any text and fields may be missing, so what is needed to route it and to
//! guard it is taken out once, here, and everything else is passed on as it came.

mod reader;

use std::collections::BTreeSet;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::access::{Role, Subject};
use crate::error::ErrorBody;
use crate::id::{AnyId, CustomerId, LocationId, UserId};
use crate::kind::{Event, Kind};
use crate::room::Room;

/// Bytes of what is posted at once, as JSON; more is refused as `TOO_LARGE`.
pub const POSTED_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the name of what is emitted.
pub const EMITTED_NAME_BYTES_MAX: usize = 128;

/// What another program says happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Posted {
    /// What.
    #[serde(rename = "event")]
    pub kind: Kind,
    /// Who says so.
    pub source: String,
    /// What its source calls it, where that says more: `order.shipped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of which order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_id: Option<AnyId>,
    /// Whose, by Shopify's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// Whose or for whom, by the name that is in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// Of which product.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_id: Option<AnyId>,
    /// Of which variant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant_id: Option<AnyId>,
    /// Where, as far as these are Shopify's; `data` has what was said. Only decides who may see it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(skip)]
    pub locations: Vec<LocationId>,
    /// Which transfer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transfer_id: Option<AnyId>,
    /// For which company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub company_id: Option<AnyId>,
    /// For whoever has that role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Everything that was posted, as it came.
    pub data: Map<String, Value>,
}

impl Posted {
    /// Reads what `source` posted: the event that it says it is.
    ///
    /// # Errors
    /// With the field and what it takes.
    pub fn read(
        kind: Kind,
        source: String,
        name: Option<String>,
        data: Map<String, Value>,
    ) -> Result<Event, ErrorBody> {
        let posted = reader::posted(kind, source, name, data)?;
        Event::of_posted(posted).ok_or_else(Self::refuse_kind)
    }

    /// The refusal of a name that is no event, or of one that other programs cannot post.
    pub fn refuse_kind() -> ErrorBody {
        let mut kinds: Vec<_> = Kind::all_posted().map(Kind::as_str).collect();
        kinds.sort_unstable();
        ErrorBody::field(
            "event",
            format!("event must be one of {}", kinds.join(", ")),
        )
    }

    /// The schema of the data that [`Posted::read`] takes.
    pub fn data_schema(generator: &mut SchemaGenerator) -> Schema {
        reader::data_schema(generator)
    }

    pub(crate) fn order_subject(&self) -> Subject<'_> {
        Subject::Order {
            customer: self.customer_id,
            user: self.user_id.as_ref(),
            locations: self.places(),
        }
    }

    pub(crate) fn payment_subject(&self) -> Subject<'_> {
        Subject::Payment {
            customer: self.customer_id,
            user: self.user_id.as_ref(),
        }
    }

    pub(crate) fn stock_subject(&self) -> Subject<'_> {
        match self.places() {
            [one] => Subject::Inventory {
                location: Some(*one),
            },
            _ => Subject::Inventory { location: None },
        }
    }

    pub(crate) fn alert_subject(&self) -> Subject<'_> {
        Subject::Alert {
            user: self.user_id.as_ref(),
        }
    }

    pub(crate) fn notice_subject(&self) -> Subject<'_> {
        match (&self.company_id, self.role) {
            (Some(company), _) => Subject::Company { company },
            (None, Some(role)) => Subject::Role(role),
            (None, None) => Subject::Personal {
                user: self.user_id.as_ref(),
            },
        }
    }

    /// Of a notice for everybody who works for the shop, or for a company where it names one.
    pub(crate) fn shop_subject(&self) -> Subject<'_> {
        match &self.company_id {
            Some(company) => Subject::Company { company },
            None => Subject::Work,
        }
    }

    pub(crate) fn order_rooms(&self) -> BTreeSet<Room> {
        let mut rooms = BTreeSet::from([Room::OrdersAll]);
        rooms.extend(self.order_id.clone().map(Room::Order));
        rooms.extend(self.customer_id.map(|id| Room::OrdersCustomer(id.into())));
        let user = self
            .user_id
            .as_ref()
            .and_then(|user| user.as_str().parse().ok());
        rooms.extend(user.map(Room::OrdersCustomer));
        // Staff may have ordered, too. They are no customers, so they are found by their own name only: a customer's
        // number may be the same text.
        rooms.extend(self.user_id.clone().map(Room::User));
        rooms
    }

    pub(crate) fn payment_rooms(&self) -> BTreeSet<Room> {
        let mut rooms = self.order_rooms();
        rooms.insert(Room::Payments);
        rooms
    }

    pub(crate) fn stock_rooms(&self) -> BTreeSet<Room> {
        let mut rooms = BTreeSet::from([Room::InventoryAll]);
        rooms.extend(self.product_id.clone().map(Room::InventoryProduct));
        rooms.extend(self.variant_id.clone().map(Room::InventoryVariant));
        rooms.extend(
            self.locations
                .iter()
                .map(|id| Room::InventoryLocation((*id).into())),
        );
        rooms.extend(self.transfer_id.clone().map(Room::Transfer));
        rooms
    }

    pub(crate) fn shop_rooms(&self) -> BTreeSet<Room> {
        match &self.company_id {
            Some(_) => self.notice_rooms(),
            None => [Room::Shop].into(),
        }
    }

    /// Of an alert about a user, admins hear as well.
    pub(crate) fn alert_rooms(&self) -> BTreeSet<Room> {
        let mut rooms = self.notice_rooms();
        if self.company_id.is_none() && self.user_id.is_some() {
            rooms.extend([Role::Admin, Role::SuperAdmin].map(Room::Role));
        }
        rooms
    }

    pub(crate) fn notice_rooms(&self) -> BTreeSet<Room> {
        match (&self.company_id, &self.user_id, self.role) {
            (Some(company), ..) => {
                [Room::Company(company.clone()), Room::Role(Role::SuperAdmin)].into()
            }
            (None, Some(user), _) => [Room::User(user.clone())].into(),
            (None, None, Some(Role::Admin)) => {
                [Room::Role(Role::Admin), Room::Role(Role::SuperAdmin)].into()
            }
            (None, None, Some(role)) => [Room::Role(role)].into(),
            (None, None, None) => [Room::Everyone, Room::Notifications].into(),
        }
    }

    /// Where it is; a place that is not Shopify's is one that nobody is limited to.
    fn places(&self) -> &[LocationId] {
        let said = reader::LOCATIONS
            .iter()
            .any(|key| self.data.get(*key).is_some_and(|id| !id.is_null()));
        if said && self.locations.is_empty() {
            &[LocationId::UNKNOWN]
        } else {
            &self.locations
        }
    }
}

/// What another program has sent to some of those who are connected, by whatever name it gives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Emitted {
    /// Who had it sent.
    pub source: String,
    /// To whom.
    pub target: Target,
    /// What clients listen for.
    pub event: String,
    /// What they are given.
    pub data: Value,
}

/// To whom something is emitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Everybody who is connected.
    All,
    /// Whoever works for that company.
    Company(AnyId),
    /// Whoever is in that room and may see what is heard there.
    Room(#[schemars(with = "String")] Room),
    /// Whoever works for the shop.
    Shop,
    /// One user.
    User(UserId),
}

impl Target {
    /// The room that it comes to.
    pub fn room(&self) -> Room {
        match self {
            Self::All => Room::Everyone,
            Self::Company(id) => Room::Company(id.clone()),
            Self::Room(room) => room.clone(),
            Self::Shop => Room::Shop,
            Self::User(user) => Room::User(user.clone()),
        }
    }
}

impl Emitted {
    /// Reads `{target, event, data}`. The target is `"all"`, or one of `{"user": …}`, `{"company": …}`, `{"room": …}`,
    /// or `{"shop": …}`, in which the shop itself is found by whoever calls.
    ///
    /// # Errors
    /// With the field and what it takes.
    pub fn read(source: String, body: &Map<String, Value>) -> Result<Self, ErrorBody> {
        reader::emitted(source, body)
    }

    /// What it is about, for the table of rights: what is heard in its room.
    pub(crate) fn subject(&self) -> Subject<'_> {
        match &self.target {
            Target::All => Subject::Personal { user: None },
            Target::Company(company) => Subject::Company { company },
            Target::Shop => Subject::Work,
            Target::User(user) => Subject::Personal { user: Some(user) },
            Target::Room(room) => subject_of_room(room),
        }
    }

    /// The rooms it is heard in.
    pub(crate) fn rooms(&self) -> BTreeSet<Room> {
        let room = self.target.room();
        // Those who may see it by their role, and are in another room than it names.
        let more = match (&self.target, &room) {
            (Target::All, _) => Some(Room::Connected),
            (_, Room::Company(_) | Room::Role(Role::Admin)) => Some(Room::Role(Role::SuperAdmin)),
            _ => None,
        };
        more.into_iter().chain([room]).collect()
    }
}

/// What is heard in a room that anybody may name, for the table of rights. That somebody was let into the room is not
/// enough: a replay over REST asks for a room by its name alone, and rights may be lost while one is in it.
pub(crate) fn subject_of_room(room: &Room) -> Subject<'_> {
    let number = |id: &AnyId| id.to_string().parse().ok();
    match room {
        Room::Company(company) => Subject::Company { company },
        Room::Customers => Subject::Customer,
        Room::InventoryAll
        | Room::InventoryProduct(_)
        | Room::InventoryVariant(_)
        | Room::Transfer(_) => Subject::Inventory { location: None },
        Room::InventoryLocation(id) => Subject::Inventory {
            location: id.to_string().parse().ok(),
        },
        // Somebody may follow an order of which we do not know whose it is.
        Room::Order(_) | Room::OrdersAll => Subject::Order {
            customer: None,
            user: None,
            locations: &[],
        },
        Room::OrdersCustomer(id) => Subject::Order {
            customer: number(id),
            user: None,
            locations: &[],
        },
        Room::Payments => Subject::Payment {
            customer: None,
            user: None,
        },
        Room::Products => Subject::Product,
        Room::Role(role) => Subject::Role(*role),
        // Only staff make up rooms and join them.
        Room::Custom(_) | Room::Shop => Subject::Work,
        Room::ShopifySync => Subject::Sync,
        Room::User(user) => Subject::Personal { user: Some(user) },
        // Everybody is in these, or may be.
        Room::Connected | Room::Everyone | Room::Notifications => Subject::Personal { user: None },
    }
}

#[cfg(test)]
mod tests;
