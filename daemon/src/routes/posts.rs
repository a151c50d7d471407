//! `POST /api/v1/events` and `POST /api/v1/emit`: what other programs say happened, and what they have sent to clients.

use bytes::Buf;
use futures_util::Stream;
use http::{HeaderMap, StatusCode};
use schemas::posted::POSTED_BYTES_MAX;
use schemas::{Emitted, ErrorBody, ErrorCode, Event, Identity, Kind, Posted, ShopDomain};
use serde_json::{Map, Value, json};
use warp::filters::BoxedFilter;
use warp::reply::Response;
use warp::{Filter, Reply as _};

use super::api::{Query, failed, reply};
use super::{Context, body, service};
use crate::edge::Peer;
use crate::posts::{Key, Statement};
use crate::scope;

/// Bytes of a request's body: what is posted, and what stands around it.
const BODY_BYTES_MAX: usize = POSTED_BYTES_MAX + 4 * 1024;
/// Longest name under which a repetition is known again, in bytes.
const KEY_BYTES_MAX: usize = 255;

pub(super) fn routes(context: Context) -> BoxedFilter<(Response,)> {
    warp::path!("api" / "v1" / String)
        .and_then(async |what: String| match what.as_str() {
            "emit" => Ok(true),
            "events" => Ok(false),
            _ => Err(warp::reject::not_found()),
        })
        .and(warp::post())
        .and(warp::any().map(move || context.clone()))
        .and(warp::query::<Query>())
        .and(warp::header::headers_cloned())
        .and(warp::ext::get::<Peer>())
        .and(warp::body::stream())
        .then(async |emit, context, query, headers, peer, body| {
            post(&context, emit, &query, &headers, peer, body).await.unwrap_or_else(|refusal| refusal)
        })
        .boxed()
}

async fn post<B: Buf>(
    context: &Context,
    emit: bool,
    query: &Query,
    headers: &HeaderMap,
    peer: Peer,
    body: impl Stream<Item = Result<B, warp::Error>>,
) -> Result<Response, Response> {
    let refused = |refusal| reply(Err(refusal));
    let by = service::poster(context, headers, peer).map_err(refused)?;
    let body = body::whole(body, BODY_BYTES_MAX).await?;
    let request = Request { by, query, headers, body: object(&body).map_err(refused)? };
    let statement = if emit { request.emitted(context) } else { request.posted(context) }.map_err(refused)?;
    let told = context.posts.tell(statement).await.map_err(|problem| refused(failed(&problem)))?;
    let answer = warp::reply::json(&json!({ "success": true, "id": told.place, "repeated": told.repeated }));
    Ok(warp::reply::with_status(answer, StatusCode::CREATED).into_response())
}

/// The body as an object.
pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, ErrorBody> {
    serde_json::from_slice(body).map_err(|problem| {
        let place = format!("line {}, column {}", problem.line(), problem.column());
        ErrorBody::new(ErrorCode::InvalidPayload, format!("the body must be a JSON object; see {place}"))
    })
}

struct Request<'r> {
    by: Identity,
    query: &'r Query,
    headers: &'r HeaderMap,
    body: Map<String, Value>,
}

impl Request<'_> {
    /// `{event, data, shop?, eventId?}`.
    fn posted(mut self, context: &Context) -> Result<Statement, ErrorBody> {
        self.takes_only(&["event", "data", "shop", "eventId"])?;
        let name = self.body.get("event").and_then(Value::as_str).unwrap_or_default();
        let kind = Kind::parse(name).ok_or_else(|| {
            let kinds: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
            ErrorBody::field("event", format!("event must be one of {}", kinds.join(", ")))
        })?;
        let Some(Value::Object(data)) = self.body.remove("data") else {
            return Err(ErrorBody::field("data", "data must be an object: what is to be told"));
        };
        let posted = Posted::read(kind, self.by.user_id.to_string(), None, data)?;
        self.statement(context, None, Event::Posted(Box::new(posted)))
    }

    /// `{target, event, data?, shop?, eventId?}`.
    fn emitted(self, context: &Context) -> Result<Statement, ErrorBody> {
        self.takes_only(&["target", "event", "data", "shop", "eventId"])?;
        let emitted = Emitted::read(self.by.user_id.to_string(), &self.body)?;
        let target = self.body["target"].get("shop").map(text);
        self.statement(context, target, Event::Emitted(emitted))
    }

    fn statement(
        &self,
        context: &Context,
        target: Option<String>,
        event: Event,
    ) -> Result<Statement, ErrorBody> {
        Ok(Statement { shop: self.shop(context, target)?, event, key: self.key()? })
    }

    fn shop(&self, context: &Context, target: Option<String>) -> Result<ShopDomain, ErrorBody> {
        let named =
            target.or_else(|| self.body.get("shop").map(text)).or_else(|| self.query.get("shop").cloned());
        // By its id as well, as other programs know it.
        shop(context, &self.by, named)
    }

    /// By the header `Idempotency-Key`, else by `eventId`; of each sender for itself.
    fn key(&self) -> Result<Option<Key>, ErrorBody> {
        let header = self.headers.get("idempotency-key");
        let (field, key) = match (header, self.body.get("eventId")) {
            (Some(key), _) => ("Idempotency-Key", String::from_utf8_lossy(key.as_bytes()).into_owned()),
            (None, Some(key)) if !key.is_null() => ("eventId", text(key)),
            _ => return Ok(None),
        };
        if !(1..=KEY_BYTES_MAX).contains(&key.len()) {
            return Err(ErrorBody::field(
                field,
                format!("{field} must be a text of 1 to {KEY_BYTES_MAX} bytes"),
            ));
        }
        Ok(Some(Key::name(&format!("rest {}", self.by.user_id), &key)))
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
pub(super) fn shop(context: &Context, by: &Identity, named: Option<String>) -> Result<ShopDomain, ErrorBody> {
    let known = named.as_ref().and_then(|name| context.names.domain(name)).map(ToString::to_string);
    scope::shop(by, known.or(named).as_deref(), &context.shops.domains())
}

/// A text as it is, anything else as JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
