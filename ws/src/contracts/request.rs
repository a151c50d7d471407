//! What clients may ask, whatever the contract calls it, and the reading of their payloads.

use std::collections::BTreeSet;
use std::time::Duration;

use schemas::command::CommandKind;
use schemas::id::ID_BYTES_MAX;
use schemas::{
    AnyId, CustomerId, ErrorBody, ErrorCode, Identity, LevelSelection, Offset, OrderId, Role, Room,
};
use serde_json::{Map, Value};

use crate::hub::reader::NotificationKinds;
use crate::limits::IDS_PER_LIST_MAX;
use crate::protocol::socketio::ClientCall;

/// A request that may be carried out.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    /// To be read and carried out by whoever does that.
    Command {
        kind: CommandKind,
        shop: Option<String>,
        payload: Value,
    },
    Join(Join),
    Leave(Leaving),
    /// To be answered with the time.
    Ping,
    Refresh {
        token: String,
        /// Where everything goes on from that is or will be joined.
        since: Option<Since>,
    },
    /// Whoever else is in that room is to be told; under the room's name as it was given.
    Typing {
        room: Room,
        name: String,
        is_typing: bool,
    },
}

/// Rooms that are to be joined.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Join {
    pub(crate) rooms: BTreeSet<Room>,
    pub(crate) since: Option<Since>,
    /// The levels to answer with.
    pub(crate) snapshot: Option<LevelSelection>,
    /// The kinds of notification wanted, where that was the question.
    pub(crate) kinds: Option<NotificationKinds>,
    /// For how long events may be put together.
    pub(crate) wait: Option<Duration>,
    /// An order that, if we know it, must be one that may be seen.
    pub(crate) order: Option<OrderId>,
}

/// Rooms that are to be left.
#[derive(Debug, PartialEq)]
pub(crate) enum Leaving {
    /// All whose name begins so.
    Family(&'static str),
    Rooms(BTreeSet<Room>),
}

/// Where somebody wants to go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    Offset(Offset),
    /// A text that is no offset of ours, perhaps another system's.
    Foreign,
}

/// Orders of the customer that somebody is, and those that others say are that user's. Nobody but a customer has any:
/// a user of staff may have the same number as a customer.
pub(crate) fn own_orders(identity: &Identity) -> BTreeSet<Room> {
    if identity.role != Role::Customer {
        return BTreeSet::new();
    }
    let customer = identity.own_customer().map(AnyId::from);
    let user = AnyId::of::<CustomerId>(identity.user_id.as_str()).ok();
    customer
        .into_iter()
        .chain(user)
        .map(Room::OrdersCustomer)
        .collect()
}

/// A fresh token for a live socket.
pub(crate) fn refresh(call: &ClientCall) -> Result<Request, ErrorBody> {
    match Fields::of(call)?.field("token") {
        Some(Value::String(token)) => Ok(Request::Refresh {
            token: token.clone(),
            since: None,
        }),
        _ => Err(ErrorBody::field("token", "A token is needed")),
    }
}

pub(crate) fn forbidden(what: &str) -> ErrorBody {
    ErrorBody::new(
        ErrorCode::Forbidden,
        format!("Your role does not allow {what}"),
    )
}

pub(crate) fn unknown() -> ErrorBody {
    ErrorBody::new(ErrorCode::UnknownEvent, "There is no such event")
}

/// Refuses what no contract takes.
pub(crate) fn plain(call: &ClientCall) -> Result<(), ErrorBody> {
    if call.attachments.is_empty() {
        return Ok(());
    }
    Err(ErrorBody::new(
        ErrorCode::InvalidPayload,
        "Binary arguments are not taken",
    ))
}

/// A payload's fields. One that is `null` is one that is missing.
pub(crate) struct Fields<'a>(Option<&'a Map<String, Value>>);

impl<'a> Fields<'a> {
    /// Those of a request's payload, which may be missing.
    pub(crate) fn of(call: &'a ClientCall) -> Result<Self, ErrorBody> {
        match call.args.first() {
            None | Some(Value::Null) => Ok(Self(None)),
            Some(Value::Object(fields)) => Ok(Self(Some(fields))),
            Some(_) => Err(ErrorBody::new(
                ErrorCode::InvalidPayload,
                "The payload must be an object",
            )),
        }
    }

    pub(crate) fn field(&self, key: &str) -> Option<&'a Value> {
        self.0?.get(key).filter(|value| !value.is_null())
    }

    pub(crate) fn flag(&self, key: &str) -> Result<bool, ErrorBody> {
        match self.field(key) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(ErrorBody::field(
                key,
                format!("{key} must be true or false"),
            )),
        }
    }

    pub(crate) fn since(&self) -> Result<Option<Since>, ErrorBody> {
        match self.field("since") {
            None => Ok(None),
            Some(Value::String(text)) => {
                Ok(Some(text.parse().map_or(Since::Foreign, Since::Offset)))
            }
            Some(_) => Err(ErrorBody::field(
                "since",
                "since must be the id of an event or an answer's offset",
            )),
        }
    }

    /// A number or a short text, as text.
    pub(crate) fn text(key: &str, value: &Value) -> Result<String, ErrorBody> {
        match value {
            Value::Number(number) if number.is_u64() => Ok(number.to_string()),
            Value::String(text) if (1..=ID_BYTES_MAX).contains(&text.len()) => Ok(text.clone()),
            _ => Err(ErrorBody::field(
                key,
                format!("{key} takes numbers and texts of 1 to {ID_BYTES_MAX} bytes"),
            )),
        }
    }

    pub(crate) fn texts(&self, key: &str) -> Result<Option<Vec<String>>, ErrorBody> {
        match self.field(key) {
            None => Ok(None),
            Some(Value::Array(values)) if values.len() > IDS_PER_LIST_MAX => {
                let message =
                    format!("{key} takes at most {IDS_PER_LIST_MAX}; leave it out for everything");
                Err(ErrorBody {
                    field: Some(key.to_owned()),
                    ..ErrorBody::new(ErrorCode::TooLarge, message)
                })
            }
            Some(Value::Array(values)) => values
                .iter()
                .map(|value| Self::text(key, value))
                .collect::<Result<_, _>>()
                .map(Some),
            Some(_) => Err(ErrorBody::field(key, format!("{key} must be a list"))),
        }
    }
}
