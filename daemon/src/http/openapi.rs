//! What is answered over HTTP, as an OpenAPI document made from the table and the types.
//!
//! None of the libraries for this fits: `utoipa` wants every type to derive a schema of its own beside the one of `schemars`, `aide`
//! writes routes of axum, and either would leave the table to be written twice. What is left of them are names of fields.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use http::StatusCode;
use schemars::SchemaGenerator;
use schemas::ErrorBody;
use serde_json::{Map, Value, json};

use super::parameter::{DescribedParameter, ParameterPlace};
use super::route::{AnswerContent, ApiRoute, ErrorAnswer, RouteEndpoint, generators, of};
use super::routes::ROUTES;
use super::{RouteContext, asyncapi};

static OPENAPI: LazyLock<Value> = LazyLock::new(document);
static ASYNCAPI: LazyLock<Value> = LazyLock::new(asyncapi::document);

pub(super) async fn openapi(_: &RouteContext) -> Result<&'static Value, ErrorBody> {
    Ok(&OPENAPI)
}

pub(super) async fn asyncapi(_: &RouteContext) -> Result<&'static Value, ErrorBody> {
    Ok(&ASYNCAPI)
}

/// The OpenAPI document, version 3.1.
pub(crate) fn document() -> Value {
    let (mut answers, mut requests) = generators();
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        path[route.method.as_str().to_ascii_lowercase()] =
            described(route, &mut answers, &mut requests);
    }
    let responses = refusals(&mut answers);
    let mut shapes = Value::Object(answers.take_definitions(true));
    no_bare_truth(&mut shapes);
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "stockd",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "An exact, live copy of a Shopify store. Ids are decimal strings, since numbers above 2^53 do not \
                survive JavaScript; money is a decimal string beside its currency; times are RFC 3339. Whoever may not see a \
                record is not told of it. Below /api/v1 a parameter that is not described is refused. `x-roles` are the roles \
                that may ask.",
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "responses": responses,
            "schemas": shapes,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" },
                "signature": {
                    "type": "apiKey", "in": "header", "name": "X-Shopify-Hmac-Sha256",
                    "description": "HMAC-SHA-256 of the raw body with the shop's secret, in base64.",
                },
            },
        },
    })
}

fn described(
    route: &ApiRoute,
    answers: &mut SchemaGenerator,
    requests: &mut SchemaGenerator,
) -> Value {
    let parameters: Vec<_> = route
        .parameters()
        .iter()
        .map(|one| parameter(*one))
        .collect();
    let mut responses: Map<_, _> = route.refusals().into_iter().map(refusal).collect();
    for (status, content) in route.answers {
        let mut response = json!({ "description": words(*status) });
        if let Some(content) = media(*content, answers) {
            response["content"] = content;
        }
        responses.insert(status.as_str().to_owned(), response);
    }
    let mut told = json!({
        "operationId": route.name,
        "summary": route.summary,
        "tags": [tag(route.path)],
        "responses": responses,
    });
    if !parameters.is_empty() {
        told["parameters"] = json!(parameters);
    }
    if let Some((shape, example)) = route.body {
        let example = serde_json::from_str::<Value>(example).unwrap_or_default();
        let json = json!({ "schema": shape(requests), "example": example });
        told["requestBody"] = json!({ "required": true, "content": { "application/json": json } });
    }
    match &route.endpoint {
        // Said, because nothing said is taken for forgotten.
        RouteEndpoint::Open(_)
        | RouteEndpoint::Recognizing { .. }
        | RouteEndpoint::SigningIn(_) => told["security"] = json!([]),
        RouteEndpoint::Signed { .. } => told["security"] = json!([{ "signature": [] }]),
        RouteEndpoint::Authorized { access, .. } => {
            told["security"] = json!([{ "token": [] }]);
            told["x-roles"] = json!(access.roles);
            if access.or_trusted_network {
                told["description"] =
                    json!("From `trusted_networks` also without a token, as role service.");
            }
        }
    }
    told
}

/// Writes the schema that takes anything as `{}`. It may be `true` as well, but some readers of OpenAPI want an object.
fn no_bare_truth(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), field) {
                    ("prefixItems", Value::Array(places)) => {
                        places
                            .iter_mut()
                            .filter(|place| **place == true)
                            .for_each(|place| *place = json!({}));
                    }
                    (_, field) => no_bare_truth(field),
                }
            }
        }
        Value::Array(parts) => parts.iter_mut().for_each(no_bare_truth),
        _ => {}
    }
}

fn refusal(status: StatusCode) -> (String, Value) {
    let status = status.as_str();
    (
        status.to_owned(),
        json!({ "$ref": format!("#/components/responses/{status}") }),
    )
}

/// What is answered when it is not done, by status.
fn refusals(answers: &mut SchemaGenerator) -> Map<String, Value> {
    let statuses: BTreeSet<StatusCode> = ROUTES.iter().flat_map(ApiRoute::refusals).collect();
    let content = media(AnswerContent::Json(of::<ErrorAnswer>), answers);
    let refusal = |status: StatusCode| {
        let mut refusal = json!({ "description": words(status), "content": content });
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = json!({ "description": "Seconds.", "schema": { "type": "string" } });
            refusal["headers"] = json!({ "Retry-After": seconds });
        }
        (status.as_str().to_owned(), refusal)
    };
    statuses.into_iter().map(refusal).collect()
}

fn parameter(parameter: &dyn DescribedParameter) -> Value {
    let place = parameter.place();
    json!({
        "name": parameter.name(),
        "in": match place {
            ParameterPlace::Header => "header",
            ParameterPlace::Path => "path",
            ParameterPlace::Query => "query",
        },
        "required": place == ParameterPlace::Path,
        "description": parameter.summary(),
        "schema": parameter.schema(),
    })
}

fn media(content: AnswerContent, answers: &mut SchemaGenerator) -> Option<Value> {
    let text = json!({ "schema": { "type": "string" } });
    match content {
        AnswerContent::Nothing => None,
        AnswerContent::Json(shape) => {
            Some(json!({ "application/json": { "schema": shape(answers) } }))
        }
        AnswerContent::Figures(media, shape) => {
            Some(json!({ (media): text, "application/json": { "schema": shape(answers) } }))
        }
        AnswerContent::Text(media) => Some(json!({ (media): text })),
    }
}

fn tag(path: &str) -> &'static str {
    match path.split('/').nth(1) {
        Some("api") if path.starts_with("/api/ws") => "omni",
        Some("api") if path.starts_with("/api/v1") => "stockd",
        Some("connected-users" | "health" | "user-status") => "hub",
        Some("websocket") => "oms",
        _ => "service",
    }
}

/// What a status means here.
fn words(status: StatusCode) -> &'static str {
    match status {
        StatusCode::OK => "Done.",
        StatusCode::CREATED => "It is in the log.",
        StatusCode::ACCEPTED => "It will be done.",
        StatusCode::BAD_REQUEST => "Something was said wrongly; `field` tells what.",
        StatusCode::UNAUTHORIZED => "There is no token or signature, or not a good one.",
        StatusCode::FORBIDDEN => "The role may not.",
        StatusCode::NOT_FOUND => "There is no such thing, or not for this token.",
        StatusCode::REQUEST_TIMEOUT => "It took too long.",
        StatusCode::CONFLICT => "It does not fit what is now.",
        StatusCode::PAYLOAD_TOO_LARGE => "It is more than a bound allows.",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "The body must not be compressed.",
        _ => "Not now; try again.",
    }
}
