//! A message of the broker, read: what it says, of which shop, and by what a repetition is known again.
//!
//! Nothing of a message's content is repeated in an error, for errors are logged and go into headers.

use schemas::{ErrorBody, Kind, Posted, ShopDomain, json};
use serde_json::{Map, Value};

use crate::shop::names::ShopNames;
use crate::shop::posts::{PostedEvent, RepeatKey};

/// Longest name of a program, in bytes; another is taken for none.
const SOURCE_BYTES_MAX: usize = 128;

/// What counts of a message.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BrokerMessage<'m> {
    /// For instance `order.shipped`.
    pub(super) routing_key: &'m str,
    /// Its name, where the sender gave it one.
    pub(super) id: Option<&'m str>,
    /// The program that sent it.
    pub(super) sender: Option<&'m str>,
    /// Whether the broker has given it out before, to us or to somebody else.
    pub(super) redelivered: bool,
    /// A JSON object.
    pub(super) body: &'m [u8],
}

impl BrokerMessage<'_> {
    /// Reads it.
    pub(super) fn read(&self, shops: &ShopNames) -> Result<PostedEvent, ErrorBody> {
        let body: Map<String, Value> = json::read(self.body).map_err(|problem| {
            let place = format!("line {}, column {}", problem.line(), problem.column());
            ErrorBody::field(
                "body",
                format!("the body must be a JSON object; see {place}"),
            )
        })?;
        let shop = shop(&body, shops)?;
        let (kind, name) = match self.routing_key.split_once('.') {
            Some((topic, verb)) if TOPICS.contains(&topic) => {
                (kind(topic, verb, &body), Some(self.routing_key.to_owned()))
            }
            _ => (kind_by_properties(&body)?, None),
        };
        let key = self.key(&body);
        let named = self
            .sender
            .filter(|sender| (1..=SOURCE_BYTES_MAX).contains(&sender.len()));
        let event = Posted::read(kind, named.unwrap_or("amqp").to_owned(), name, body)?;
        Ok(PostedEvent {
            shop,
            event,
            key: Some(key),
        })
    }

    fn key(&self, body: &Map<String, Value>) -> RepeatKey {
        // An empty name is a field that the sender's library fills by itself, and names nothing.
        if let Some(id) = self.id.filter(|id| !id.trim().is_empty()) {
            return RepeatKey::name("amqp messageId", id);
        }
        match body.get("eventId") {
            Some(Value::String(id)) if !id.trim().is_empty() => RepeatKey::name("amqp eventId", id),
            Some(Value::Number(id)) => RepeatKey::name("amqp eventId", &id.to_string()),
            _ => RepeatKey::content(
                &format!("amqp {}", self.routing_key),
                self.body,
                self.redelivered,
            ),
        }
    }
}

/// The shop that `shop` or `shopId` names, else the only one there is.
fn shop(body: &Map<String, Value>, shops: &ShopNames) -> Result<ShopDomain, ErrorBody> {
    let named = ["shop", "shopId"]
        .into_iter()
        .find_map(|field| match body.get(field)? {
            Value::String(name) => Some((field, name.clone())),
            Value::Number(name) => Some((field, name.to_string())),
            _ => None,
        });
    let Some((field, name)) = named else {
        let only = shops.only().map(|(domain, _)| domain.clone());
        return only.ok_or_else(|| {
            ErrorBody::field("shop", "there are several shops: say which, by its domain")
        });
    };
    // A single shop that nobody gave an id may be called anything but another shop.
    let nameless = shops
        .only()
        .filter(|(_, id)| id.is_none() && !name.ends_with(".myshopify.com"));
    let found = shops.domain(&name).or(nameless.map(|(domain, _)| domain));
    found.cloned().ok_or_else(|| {
        ErrorBody::field(
            field,
            "is none of our shops: their `domain` or `id` in [[shop]]",
        )
    })
}

/// What messages may be about: the first word of a routing key.
pub(super) const TOPICS: [&str; 8] = [
    "order",
    "payment",
    "inventory",
    "product",
    "notification",
    "user",
    "company",
    "shop",
];

/// The kind of event that a topic and what happened there come to.
fn kind(topic: &str, verb: &str, body: &Map<String, Value>) -> Kind {
    match (topic, verb) {
        ("order", "created" | "new" | "placed") => Kind::OrderCreated,
        ("order", "deleted") => Kind::OrderDeleted,
        ("order", "edited" | "update" | "updated") => Kind::OrderUpdated,
        ("order", _) => Kind::OrderStatusChanged,
        ("payment", verb) => {
            let said = payment(verb).or_else(|| payment(body.get("status")?.as_str()?));
            // Pending, authorized, voided: no money has moved or failed to, but whose it is wants to know.
            said.unwrap_or(Kind::PaymentStatusChanged)
        }
        ("inventory", "low" | "low_stock") => Kind::InventoryLowStock,
        ("inventory", "out" | "out_of_stock") => Kind::InventoryOutOfStock,
        ("inventory", "restocked") => Kind::InventoryRestocked,
        ("inventory", "released" | "reservation" | "reserved") => Kind::InventoryReservation,
        ("inventory", verb) if verb.starts_with("transfer") => Kind::InventoryTransfer,
        ("inventory", _) => Kind::InventoryUpdated,
        ("product", "created") => Kind::ProductCreated,
        ("product", "deleted") => Kind::ProductDeleted,
        ("product", "price_changed") => Kind::ProductPriceChanged,
        ("product", _) => Kind::ProductUpdated,
        ("user", _) => Kind::UserNotification,
        ("company", _) => Kind::CompanyNotification,
        ("shop", _) => Kind::ShopNotification,
        // A notification is for whom it names.
        (_, "maintenance") => Kind::SystemMaintenance,
        _ if is_said(body, "userId") => Kind::UserNotification,
        _ if is_said(body, "companyId") => Kind::CompanyNotification,
        _ => Kind::SystemNotification,
    }
}

fn payment(word: &str) -> Option<Kind> {
    match word {
        "captured" | "completed" | "paid" | "received" | "succeeded" | "success" => {
            Some(Kind::PaymentReceived)
        }
        "declined" | "error" | "failed" | "failure" => Some(Kind::PaymentFailed),
        "partially_refunded" | "refund" | "refunded" => Some(Kind::PaymentRefunded),
        _ => None,
    }
}

/// The kind of a message whose routing key tells none, by what it has; that counts which is there, be it 0 or empty.
fn kind_by_properties(body: &Map<String, Value>) -> Result<Kind, ErrorBody> {
    let has = |field: &str| is_said(body, field);
    let topic = if has("orderId") {
        return Ok(if has("status") {
            Kind::OrderStatusChanged
        } else {
            Kind::OrderUpdated
        });
    } else if has("paymentId") {
        "payment"
    } else if has("productId") && has("quantity") {
        "inventory"
    } else if has("transferId") {
        return Ok(Kind::InventoryTransfer);
    } else if has("productId") {
        "product"
    } else if ["content", "message", "subject", "title"]
        .into_iter()
        .any(has)
    {
        "notification"
    } else {
        let message = "neither the routing key nor orderId, paymentId, productId, transferId or message tell what it is";
        return Err(ErrorBody::field("routing key", message));
    };
    Ok(kind(topic, "", body))
}

fn is_said(body: &Map<String, Value>, field: &str) -> bool {
    body.get(field).is_some_and(|value| !value.is_null())
}

#[cfg(test)]
mod tests;
