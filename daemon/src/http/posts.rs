//! `POST /api/v1/events` and `POST /api/v1/emit`: what other programs say happened, and what they have sent to clients.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use schemas::posted::{EMITTED_NAME_BYTES_MAX, POSTED_BYTES_MAX};
use schemas::{
    Emitted, ErrorBody, ErrorCode, Event, Identity, Kind, Logged, Offset, Posted, ShopDomain,
};
use serde::Serialize;
use serde_json::{Map, Value};

use super::api::failed;
use super::parameter::{Parameter, SHOP_OR_IN_BODY, Text, any_text, header, parameters};
use super::route::RouteCall;
use super::{RouteContext, body};
use crate::shop::names;
use crate::shop::posts::{PostedEvent, RepeatKey};

/// Bytes of a request's body: what is posted, and what stands around it.
const BODY_BYTES_MAX: usize = POSTED_BYTES_MAX + 4 * 1024;
/// Longest name under which a repetition is known again, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// That it is in the log.
#[derive(Serialize, JsonSchema)]
pub(super) struct PostAnswer {
    success: bool,
    /// Its place in the log; `null` for what is told to those who are there and not kept.
    offset: Option<Offset>,
    /// Whether it was told before, under the same key.
    repeated: bool,
}

const IDEMPOTENCY_KEY: Parameter<Text> = header(
    "Idempotency-Key",
    "Key of the event, in place of `eventId`. The same key is told once.",
    Text { schema: any_text },
);

parameters! {
    /// Of what is posted.
    pub(super) struct PostParameters {
        shop: Option<String> = SHOP_OR_IN_BODY,
        idempotency_key: Option<String> = IDEMPOTENCY_KEY,
    }
}

pub(super) async fn post(
    context: &RouteContext,
    call: RouteCall<PostParameters>,
) -> Result<PostAnswer, ErrorBody> {
    tell(context, call, PostRequest::posted).await
}

pub(super) async fn emit(
    context: &RouteContext,
    call: RouteCall<PostParameters>,
) -> Result<PostAnswer, ErrorBody> {
    tell(context, call, PostRequest::emitted).await
}

async fn tell(
    context: &RouteContext,
    call: RouteCall<PostParameters>,
    read: fn(PostRequest, &RouteContext) -> Result<PostedEvent, ErrorBody>,
) -> Result<PostAnswer, ErrorBody> {
    let body = object(&body::whole(call.body, BODY_BYTES_MAX).await?)?;
    let statement = read(
        PostRequest {
            by: call.identity,
            parameters: call.parameters,
            body,
        },
        context,
    )?;
    let told = context
        .posts
        .tell(statement)
        .await
        .map_err(|problem| failed(&problem))?;
    Ok(PostAnswer {
        success: true,
        offset: told.place,
        repeated: told.repeated,
    })
}

/// What [`PostRequest::posted`] reads.
pub(super) fn posted_body(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "properties": {
            "event": generator.subschema_for::<Kind>(),
            "data": Posted::data_schema(generator),
            "shop": name("Domain or id of the shop; not needed if there is only one."),
            "eventId": name("The poster's own name for it: said again under the same, it is told once."),
        },
        "required": ["event", "data"],
        "additionalProperties": false,
    })
}

/// What [`PostRequest::emitted`] reads.
pub(super) fn emitted_body(_: &mut SchemaGenerator) -> Schema {
    let target = |key: &str| {
        let id = json_schema!({ "type": ["integer", "string"], "minimum": 0, "minLength": 1 });
        json_schema!({
            "type": "object", "properties": { (key): id }, "required": [key], "additionalProperties": false,
        })
    };
    json_schema!({
        "type": "object",
        "properties": {
            "target": {
                "description": "To whom.",
                "anyOf": [
                    { "const": "all" }, target("user"), target("company"), target("shop"), target("room"),
                ],
            },
            "event": {
                "description": "What clients listen for. A few names mean something to their libraries and are refused.",
                "type": "string", "minLength": 1, "maxLength": EMITTED_NAME_BYTES_MAX,
            },
            "data": { "description": "What they are given." },
            "shop": name("Domain or id of the shop; not needed if there is only one."),
            "eventId": name("The poster's own name for it: said again under the same, it is told once."),
        },
        "required": ["target", "event"],
        "additionalProperties": false,
    })
}

fn name(about: &str) -> Schema {
    json_schema!({ "description": about, "type": ["integer", "string", "null"], "minLength": 1, "maxLength": KEY_BYTES_MAX })
}

/// The body as an object.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, ErrorBody> {
    schemas::json::read(body).map_err(|problem| {
        let place = format!("line {}, column {}", problem.line(), problem.column());
        ErrorBody::new(
            ErrorCode::InvalidPayload,
            format!("the body must be a JSON object; see {place}"),
        )
    })
}

struct PostRequest {
    by: Identity,
    parameters: PostParameters,
    body: Map<String, Value>,
}

impl PostRequest {
    /// `{event, data, shop?, eventId?}`.
    fn posted(mut self, context: &RouteContext) -> Result<PostedEvent, ErrorBody> {
        self.takes_only(&["event", "data", "shop", "eventId"])?;
        let name = self
            .body
            .get("event")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let kind = Kind::parse(name)
            .filter(|kind| kind.is_posted())
            .ok_or_else(Posted::refuse_kind)?;
        let Some(Value::Object(data)) = self.body.remove("data") else {
            return Err(ErrorBody::field(
                "data",
                "data must be an object: what is to be told",
            ));
        };
        let event = Posted::read(kind, self.by.user_id.to_string(), None, data)?;
        self.statement(context, None, event)
    }

    /// `{target, event, data?, shop?, eventId?}`.
    fn emitted(self, context: &RouteContext) -> Result<PostedEvent, ErrorBody> {
        self.takes_only(&["target", "event", "data", "shop", "eventId"])?;
        let emitted = Emitted::read(self.by.user_id.to_string(), &self.body)?;
        let target = self.body["target"].get("shop").map(text);
        self.statement(context, target, Logged::Emitted(emitted).into())
    }

    fn statement(
        &self,
        context: &RouteContext,
        target: Option<String>,
        event: Event,
    ) -> Result<PostedEvent, ErrorBody> {
        Ok(PostedEvent {
            shop: self.shop(context, target)?,
            event,
            key: self.key()?,
        })
    }

    fn shop(
        &self,
        context: &RouteContext,
        target: Option<String>,
    ) -> Result<ShopDomain, ErrorBody> {
        let named = target
            .or_else(|| self.body.get("shop").map(text))
            .or_else(|| self.parameters.shop.clone());
        // By its id as well, as other programs know it.
        shop(context, &self.by, named)
    }

    /// By the header `Idempotency-Key`, else by `eventId`; of each sender for itself.
    fn key(&self) -> Result<Option<RepeatKey>, ErrorBody> {
        let header = self.parameters.idempotency_key.clone();
        let (field, key) = match (header, self.body.get("eventId")) {
            (Some(key), _) => (IDEMPOTENCY_KEY.name, key),
            (None, Some(key)) if !key.is_null() => ("eventId", text(key)),
            _ => return Ok(None),
        };
        if !(1..=KEY_BYTES_MAX).contains(&key.len()) {
            return Err(ErrorBody::field(
                field,
                format!("{field} must be a text of 1 to {KEY_BYTES_MAX} bytes"),
            ));
        }
        Ok(Some(RepeatKey::name(
            &format!("rest {}", self.by.user_id),
            &key,
        )))
    }

    fn takes_only(&self, fields: &[&str]) -> Result<(), ErrorBody> {
        match self.body.keys().find(|key| !fields.contains(&key.as_str())) {
            Some(key) => {
                let key: String = key.chars().take(40).collect();
                let message = format!("there is no field {key:?} here: {}", fields.join(", "));
                Err(ErrorBody::field(key, message))
            }
            None => Ok(()),
        }
    }
}

/// The shop of that domain or id, or the only one.
pub(super) fn shop(
    context: &RouteContext,
    by: &Identity,
    named: Option<String>,
) -> Result<ShopDomain, ErrorBody> {
    let known = named
        .as_ref()
        .and_then(|name| context.names.domain(name))
        .map(ToString::to_string);
    names::shop(by, known.or(named).as_deref(), &context.shops.domains())
}

/// A text as it is, anything else as JSON.
fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
