//! The one reader of what is posted, by whichever door it comes: every refusal names the field and says what is
//! expected there.

use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::{EMITTED_NAME_BYTES_MAX, Emitted, POSTED_BYTES_MAX, Posted, Target};
use crate::access::Role;
use crate::error::{ErrorBody, ErrorCode};
use crate::id::{
    AnyId, CustomerId, ID_BYTES_MAX, LocationId, OrderId, ProductId, TransferId, UserId, VariantId,
};
use crate::kind::{Kind, RequiredField};
use crate::room::Room;

/// The fields that say where something is.
pub(super) const LOCATIONS: [&str; 2] = ["locationId", "locationIds"];

/// Fields that contracts pass on as texts.
const TEXTS: [&str; 16] = [
    "aliasId",
    "alertType",
    "channel",
    "content",
    "currency",
    "customerName",
    "message",
    "newStatus",
    "orderNumber",
    "previousStatus",
    "priority",
    "productName",
    "severity",
    "status",
    "subject",
    "title",
];

/// Fields that contracts pass on as numbers.
const NUMBERS: [&str; 6] = [
    "amount",
    "currentQuantity",
    "previousQuantity",
    "quantity",
    "threshold",
    "totalAmount",
];

/// Fields that are ids, whatever the event is about.
const IDS: [&str; 7] = [
    "companyId",
    "customerId",
    "orderId",
    "productId",
    "transferId",
    "userId",
    "variantId",
];

/// Names that mean something to the clients' libraries and must not come as events.
const RESERVED: [&str; 6] = [
    "connect",
    "connect_error",
    "disconnect",
    "disconnecting",
    "newListener",
    "removeListener",
];

/// What [`posted`] takes, whatever the kind; which of these it needs depends on that.
pub(super) fn data_schema(generator: &mut SchemaGenerator) -> Schema {
    let [one, many] = LOCATIONS;
    let id = json!({ "type": ["integer", "string", "null"], "minimum": 0, "minLength": 1, "maxLength": ID_BYTES_MAX });
    let ids = json!({ "type": ["array", "null"], "items": { "type": ["integer", "string"], "minimum": 0 } });
    let role = json!({ "anyOf": [generator.subschema_for::<Role>(), { "type": "null" }] });
    let of = |keys: &[&str], schema: Value| -> Vec<(String, Value)> {
        keys.iter()
            .map(|key| ((*key).to_owned(), schema.clone()))
            .collect()
    };
    let fields = [
        of(&IDS, id.clone()),
        of(&[one], id),
        of(&[many], ids),
        of(&NUMBERS, json!({ "type": ["number", "null"] })),
        of(&TEXTS, json!({ "type": ["string", "null"] })),
        of(&["role"], role),
    ];
    json_schema!({
        "type": "object",
        "description": "Passed on as it is. Of an order and a payment orderId is needed, of stock productId, variantId or \
            inventoryItemId, of a transfer transferId, of a product productId, of a customer customerId, of a user userId, of a \
            company companyId, of the system and of security a title, subject, message or content.",
        "properties": fields.into_iter().flatten().collect::<Map<_, _>>(),
    })
}

pub(super) fn posted(
    kind: Kind,
    source: String,
    name: Option<String>,
    data: Map<String, Value>,
) -> Result<Posted, ErrorBody> {
    bounded(&data)?;
    let fields = Fields(&data);
    TEXTS
        .iter()
        .try_for_each(|key| fields.is(key, "a text", Value::is_string))?;
    NUMBERS
        .iter()
        .try_for_each(|key| fields.is(key, "a number", Value::is_number))?;
    let topic = kind.topic();
    // What a document calls only `id` is the id of what the event is about.
    let own = |mine: &str, key: &'static str| {
        if mine == topic {
            vec![key, "id"]
        } else {
            vec![key]
        }
    };
    let customer = fields.id::<CustomerId>(&own("customer", "customerId"))?;
    let by_number = customer.as_ref().and_then(|id| id.to_string().parse().ok());
    let by_name = customer
        .filter(|_| by_number.is_none())
        .map(|id| id.to_string());
    let user = fields
        .id::<AnyId>(&own("user", "userId"))?
        .map(|id| id.to_string())
        .or(by_name);
    let read = Posted {
        kind,
        source,
        name,
        order_id: fields.id::<OrderId>(&own("order", "orderId"))?,
        customer_id: by_number,
        user_id: user
            .map(|user| user.parse::<UserId>())
            .transpose()
            .map_err(|problem| ErrorBody::field("userId", problem.to_string()))?,
        product_id: fields.id::<ProductId>(&own("product", "productId"))?,
        variant_id: fields.id::<VariantId>(&["variantId"])?,
        locations: fields.locations()?,
        transfer_id: fields.id::<TransferId>(&["transferId"])?,
        company_id: fields.id::<AnyId>(&own("company", "companyId"))?,
        role: fields.role()?,
        data: Map::new(),
    };
    let needs = |field: &str, is_there: bool| {
        if is_there {
            return Ok(());
        }
        Err(ErrorBody::field(
            field,
            format!("{field} is missing: a number or a text"),
        ))
    };
    let is_there = |keys: &[&'static str]| fields.id::<AnyId>(keys).map(|id| id.is_some());
    match kind.required().ok_or_else(Posted::refuse_kind)? {
        RequiredField::Company => needs("companyId", read.company_id.is_some()),
        RequiredField::Customer => needs(
            "customerId",
            read.customer_id.is_some() || read.user_id.is_some(),
        ),
        RequiredField::Nothing => Ok(()),
        RequiredField::Order => needs("orderId", read.order_id.is_some()),
        RequiredField::Payment => needs("orderId", is_there(&["orderId", "paymentId", "id"])?),
        RequiredField::PaymentStatus => {
            needs("orderId", is_there(&["orderId", "paymentId", "id"])?)?;
            if read.name.is_none() && !fields.has("status") {
                return Err(ErrorBody::field(
                    "status",
                    "status is missing: a text, for instance pending",
                ));
            }
            Ok(())
        }
        RequiredField::Product => needs("productId", read.product_id.is_some()),
        RequiredField::Stock => needs(
            "productId",
            is_there(&["productId", "variantId", "inventoryItemId"])?,
        ),
        RequiredField::Text => {
            let texts = ["title", "subject", "message", "content"];
            if !texts.iter().any(|key| fields.has(key)) {
                return Err(ErrorBody::field(
                    "message",
                    "message is missing: a text, or a title, subject or content",
                ));
            }
            Ok(())
        }
        RequiredField::Transfer => needs("transferId", read.transfer_id.is_some()),
        RequiredField::User => needs("userId", read.user_id.is_some()),
    }?;
    Ok(Posted { data, ..read })
}

pub(super) fn emitted(source: String, body: &Map<String, Value>) -> Result<Emitted, ErrorBody> {
    bounded(body)?;
    let event = match body.get("event") {
        Some(Value::String(name)) if RESERVED.contains(&name.as_str()) => {
            return Err(ErrorBody::field(
                "event",
                format!("{name} means something to clients' libraries; take another"),
            ));
        }
        Some(Value::String(name))
            if (1..=EMITTED_NAME_BYTES_MAX).contains(&name.len())
                && !name.chars().any(char::is_control) =>
        {
            name.clone()
        }
        _ => {
            return Err(ErrorBody::field(
                "event",
                format!(
                    "event is the name that clients listen for: 1 to {EMITTED_NAME_BYTES_MAX} bytes"
                ),
            ));
        }
    };
    let target = target(body.get("target"))?;
    Ok(Emitted {
        source,
        target,
        event,
        data: body.get("data").cloned().unwrap_or_default(),
    })
}

fn target(target: Option<&Value>) -> Result<Target, ErrorBody> {
    let refused = || {
        ErrorBody::field(
            "target",
            r#"target is "all", {"user": id}, {"company": id}, {"shop": id} or {"room": name}"#,
        )
    };
    let (key, value) = match target {
        Some(Value::String(all)) if all == "all" => return Ok(Target::All),
        Some(Value::Object(one)) if one.len() == 1 => one.iter().next().ok_or_else(refused)?,
        _ => return Err(refused()),
    };
    let id = text(value).ok_or_else(refused)?;
    match key.as_str() {
        "user" => id.parse().map(Target::User).map_err(|_| refused()),
        "company" => id.parse().map(Target::Company).map_err(|_| refused()),
        "shop" => Ok(Target::Shop),
        // By our name, or by one that clients made up.
        "room" => {
            let known = id
                .parse()
                .ok()
                .or_else(|| id.parse().ok().map(Room::Custom));
            known.map(Target::Room).ok_or_else(refused)
        }
        _ => Err(refused()),
    }
}

fn bounded(data: &Map<String, Value>) -> Result<(), ErrorBody> {
    let bytes = serde_json::to_string(data).map_or(usize::MAX, |json| json.len());
    if bytes > POSTED_BYTES_MAX {
        let message = format!("what is posted has at most {POSTED_BYTES_MAX} bytes");
        return Err(ErrorBody::new(ErrorCode::TooLarge, message));
    }
    Ok(())
}

/// A number or a text, as text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// Fields as they were posted. One that is `null` is one that is missing.
struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    fn field(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    fn has(&self, key: &str) -> bool {
        self.field(key).is_some()
    }

    fn is(&self, key: &str, what: &str, holds: fn(&Value) -> bool) -> Result<(), ErrorBody> {
        match self.field(key) {
            Some(value) if !holds(value) => {
                Err(ErrorBody::field(key, format!("{key} must be {what}")))
            }
            _ => Ok(()),
        }
    }

    /// The first of these that is there.
    fn id<Id>(&self, keys: &[&str]) -> Result<Option<AnyId>, ErrorBody>
    where
        Id: std::str::FromStr + Into<AnyId>,
    {
        let Some((key, value)) = keys.iter().find_map(|key| Some((*key, self.field(key)?))) else {
            return Ok(None);
        };
        let id = text(value).and_then(|text| AnyId::of::<Id>(&text).ok());
        id.map(Some).ok_or_else(|| {
            ErrorBody::field(
                key,
                format!("{key} must be a number or a text of 1 to 128 bytes"),
            )
        })
    }

    /// Those that are Shopify's.
    fn locations(&self) -> Result<Vec<LocationId>, ErrorBody> {
        let [one, many] = LOCATIONS;
        let mut locations: Vec<LocationId> = self
            .id::<LocationId>(&[one])?
            .and_then(|id| id.to_string().parse().ok())
            .into_iter()
            .collect();
        match self.field(many) {
            None => {}
            Some(Value::Array(ids)) if ids.iter().all(|id| text(id).is_some()) => {
                locations.extend(
                    ids.iter()
                        .filter_map(text)
                        .filter_map(|id| id.parse::<LocationId>().ok()),
                );
            }
            Some(_) => {
                return Err(ErrorBody::field(
                    many,
                    format!("{many} must be a list of numbers or texts"),
                ));
            }
        }
        Ok(locations)
    }

    fn role(&self) -> Result<Option<Role>, ErrorBody> {
        let Some(role) = self.field("role") else {
            return Ok(None);
        };
        let known = role.as_str().and_then(Role::parse);
        known.map(Some).ok_or_else(|| {
            let names: Vec<_> = Role::ALL.into_iter().map(Role::as_str).collect();
            ErrorBody::field("role", format!("role must be one of {}", names.join(", ")))
        })
    }
}
