//! The one reader of commands, whichever door they come through: every refusal names the field and says what is
//! expected there.

use std::ops::RangeInclusive;
use std::str::FromStr;

use serde_json::{Map, Value};

use super::{
    Command, CommandKind, ITEMS_MAX, KEY_CHARS_MAX, REASON_CHARS_MAX, REFERENCE_CHARS_MAX,
    ReserveItem, Sale, SettableName, TTL_SECONDS_MAX,
};
use crate::error::{ErrorBody, ErrorCode};
use crate::quantity::QUANTITY_MAX;

impl Command {
    /// Reads a command from what a client sent. A field that is `null` is one that is missing; fields that mean
    /// nothing here are not looked at.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidPayload`] with the field and what it takes, or [`ErrorCode::NotFound`] where an id
    /// cannot be one of Shopify's.
    pub fn read(kind: CommandKind, payload: &Value) -> Result<Self, ErrorBody> {
        let Value::Object(fields) = payload else {
            return Err(ErrorBody::new(
                ErrorCode::InvalidPayload,
                "the payload must be an object",
            ));
        };
        let fields = Fields {
            fields,
            within: String::new(),
        };
        Ok(match kind {
            CommandKind::Adjust => Self::Adjust {
                inventory_item_id: fields.item()?,
                location_id: fields.location()?,
                delta: fields.required(
                    "delta",
                    &format!("a whole number other than 0, from -{QUANTITY_MAX} to {QUANTITY_MAX}"),
                    |value| {
                        integer(value, -QUANTITY_MAX..=QUANTITY_MAX).filter(|delta| *delta != 0)
                    },
                )?,
                reason: fields.reason()?,
                idempotency_key: fields.text("idempotencyKey", 1..=KEY_CHARS_MAX)?,
            },
            CommandKind::Commit => Self::Commit {
                reservation_id: fields.reservation()?,
                sale: fields.required("sale", "\"outside\" or \"order\"", |value| {
                    match value.as_str()? {
                        "order" => Some(Sale::Order),
                        "outside" => Some(Sale::Outside),
                        _ => None,
                    }
                })?,
                order_id: fields.id("orderId", "order")?,
            },
            CommandKind::Extend => Self::Extend {
                reservation_id: fields.reservation()?,
                ttl_seconds: fields.ttl()?,
            },
            CommandKind::Release => Self::Release {
                reservation_id: fields.reservation()?,
            },
            CommandKind::Reserve => Self::Reserve {
                items: fields.lines()?,
                reason: fields.reason()?,
                ttl_seconds: fields.ttl()?,
                reference: fields.text("reference", 0..=REFERENCE_CHARS_MAX)?,
                idempotency_key: fields.text("idempotencyKey", 1..=KEY_CHARS_MAX)?,
            },
            CommandKind::Update => {
                Self::Update {
                    inventory_item_id: fields.item()?,
                    location_id: fields.location()?,
                    quantity: fields.quantity(0)?,
                    name: fields.optional("name", "\"available\" or \"on_hand\"", |value| {
                        match value.as_str()? {
                            "available" => Some(SettableName::Available),
                            "on_hand" => Some(SettableName::OnHand),
                            _ => None,
                        }
                    })?,
                    reason: fields.reason()?,
                    expected: fields.optional("expected", &whole(-QUANTITY_MAX), |value| {
                        integer(value, -QUANTITY_MAX..=QUANTITY_MAX)
                    })?,
                    idempotency_key: fields.text("idempotencyKey", 1..=KEY_CHARS_MAX)?,
                }
            }
        })
    }
}

/// The fields of an object, and the path to it for errors.
struct Fields<'a> {
    fields: &'a Map<String, Value>,
    within: String,
}

impl<'a> Fields<'a> {
    fn item<Id: FromStr>(&self) -> Result<Id, ErrorBody> {
        let item = self.id("inventoryItemId", "inventory item")?;
        item.ok_or_else(|| self.missing("inventoryItemId", ID))
    }

    fn location<Id: FromStr>(&self) -> Result<Option<Id>, ErrorBody> {
        self.id("locationId", "location")
    }

    fn reservation(&self) -> Result<String, ErrorBody> {
        let reservation = self.text("reservationId", 1..=KEY_CHARS_MAX)?;
        reservation
            .ok_or_else(|| self.missing("reservationId", "the id that a reserve was answered with"))
    }

    fn reason(&self) -> Result<String, ErrorBody> {
        let reason = self
            .text("reason", 1..=REASON_CHARS_MAX)?
            .filter(|reason| !reason.trim().is_empty());
        reason.ok_or_else(|| self.missing("reason", "a text for the audit trail"))
    }

    fn quantity(&self, least: i64) -> Result<i64, ErrorBody> {
        self.required("quantity", &whole(least), |value| {
            integer(value, least..=QUANTITY_MAX)
        })
    }

    fn ttl(&self) -> Result<Option<u32>, ErrorBody> {
        let expected = format!("a whole number of seconds from 1 to {TTL_SECONDS_MAX}");
        self.optional("ttlSeconds", &expected, |value| {
            u32::try_from(integer(value, 1..=TTL_SECONDS_MAX.into())?).ok()
        })
    }

    /// The lines of a reserve: a list of them, or the one whose fields stand in the payload itself.
    fn lines(&self) -> Result<Vec<ReserveItem>, ErrorBody> {
        let expected = format!("a list of 1 to {ITEMS_MAX} objects");
        let list = self.optional("items", &expected, |value| {
            value
                .as_array()
                .filter(|list| (1..=ITEMS_MAX).contains(&list.len()))
        })?;
        let Some(list) = list else {
            return Ok(vec![self.line()?]);
        };
        if ["inventoryItemId", "locationId", "quantity"]
            .iter()
            .any(|key| self.value(key).is_some())
        {
            return Err(self.refuse(
                "items",
                "items stands alone, or inventoryItemId and quantity do",
            ));
        }
        let line = |(index, line): (usize, &'a Value)| match line {
            Value::Object(fields) => Self {
                fields,
                within: format!("items.{index}."),
            }
            .line(),
            _ => Err(self.refuse(&format!("items.{index}"), "a line must be an object")),
        };
        list.iter().enumerate().map(line).collect()
    }

    fn line(&self) -> Result<ReserveItem, ErrorBody> {
        Ok(ReserveItem {
            inventory_item_id: self.item()?,
            location_id: self.location()?,
            quantity: self.quantity(1)?,
        })
    }

    /// An id as Shopify gives them; any other name is taken for a thing that is not there.
    fn id<Id: FromStr>(&self, key: &str, what: &str) -> Result<Option<Id>, ErrorBody> {
        let Some(text) = self.optional(key, ID, id_text)? else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| ErrorBody {
            field: Some(self.path(key)),
            ..ErrorBody::new(ErrorCode::NotFound, format!("there is no {what} {text:?}"))
        })
    }

    fn text(&self, key: &str, chars: RangeInclusive<usize>) -> Result<Option<String>, ErrorBody> {
        let expected = format!("a text of {} to {} characters", chars.start(), chars.end());
        self.optional(key, &expected, |value| {
            value
                .as_str()
                .filter(|text| chars.contains(&text.chars().count()))
                .map(str::to_owned)
        })
    }

    fn required<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<T, ErrorBody> {
        self.optional(key, expected, read)?
            .ok_or_else(|| self.missing(key, expected))
    }

    fn optional<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ErrorBody> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        read(value)
            .map(Some)
            .ok_or_else(|| self.refuse(key, &format!("{key} must be {expected}")))
    }

    fn value(&self, key: &str) -> Option<&'a Value> {
        self.fields.get(key).filter(|value| !value.is_null())
    }

    fn missing(&self, key: &str, expected: &str) -> ErrorBody {
        self.refuse(key, &format!("{key} is needed: {expected}"))
    }

    fn refuse(&self, key: &str, message: &str) -> ErrorBody {
        ErrorBody::field(self.path(key), message)
    }

    fn path(&self, key: &str) -> String {
        format!("{}{key}", self.within)
    }
}

/// What is expected of an id.
const ID: &str = "a number, a numeric string, a GID or another text of 1 to 128 characters";

fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        Value::String(text) => (1..=KEY_CHARS_MAX)
            .contains(&text.chars().count())
            .then(|| text.clone()),
        _ => None,
    }
}

/// A whole number that is written as one: neither `"5"` nor `5.0`.
fn integer(value: &Value, bounds: RangeInclusive<i64>) -> Option<i64> {
    value.as_i64().filter(|number| bounds.contains(number))
}

fn whole(least: i64) -> String {
    format!("a whole number from {least} to {QUANTITY_MAX}")
}

#[cfg(test)]
mod tests;
