//! What clients of omni say: `{type, data}`, read and checked against who says it.

use std::time::Duration;

use schemas::{ErrorBody, ErrorCode, Identity, json};
use serde_json::{Map, Value};

use super::Topic;
use crate::contracts::PING;
use crate::contracts::names::names;
use crate::contracts::request::{Fields, Join, Leaving, Request};
use crate::limits::BATCH_MAX;
use crate::protocol::socketio::ClientCall;

names! {
    /// What clients of omni ask.
    OmniRequest {
        Auth = "auth",
        Subscribe = "subscribe",
        Unsubscribe = "unsubscribe",
        Ping = PING,
    }
}

/// Reads a message.
pub(crate) fn read(text: &str) -> Result<ClientCall, ErrorBody> {
    let mut message: Map<String, Value> = json::read(text.as_bytes()).unwrap_or_default();
    let (Some(Value::String(name)), data) = (message.remove("type"), message.remove("data")) else {
        let message =
            r#"A message is JSON: {"type": "subscribe", "data": {"namespace": "orders"}}"#;
        return Err(ErrorBody::new(ErrorCode::InvalidPayload, message));
    };
    Ok(ClientCall {
        name,
        args: data.into_iter().collect(),
        ..ClientCall::default()
    })
}

/// Reads what a client asks and checks it against who it is.
pub(crate) fn parse(call: &ClientCall, identity: &Identity) -> Result<Request, ErrorBody> {
    let data = Fields::of(call)?;
    let Some(asked) = OmniRequest::parse(&call.name) else {
        let message = "There is no such type: say auth, subscribe, unsubscribe or ping";
        return Err(ErrorBody::new(ErrorCode::UnknownEvent, message));
    };
    match asked {
        OmniRequest::Auth => Ok(Request::Refresh {
            token: token(&data)?,
            since: data.since()?,
        }),
        OmniRequest::Ping => Ok(Request::Ping),
        OmniRequest::Subscribe => {
            let topic = topic(&data)?;
            if !topic.is_for(identity.role) {
                let message = format!("Your role does not allow the namespace {}", topic.as_str());
                return Err(ErrorBody {
                    field: Some("namespace".to_owned()),
                    ..ErrorBody::new(ErrorCode::Forbidden, message)
                });
            }
            let rooms = topic.rooms(identity);
            Ok(Request::Join(Join {
                rooms,
                since: data.since()?,
                wait: wait(&data)?,
                ..Join::default()
            }))
        }
        OmniRequest::Unsubscribe => Ok(Request::Leave(Leaving::Rooms(
            topic(&data)?.rooms(identity),
        ))),
    }
}

/// The signed token, also where clients that know nothing of it can put it without a change.
fn token(data: &Fields<'_>) -> Result<String, ErrorBody> {
    match data.field("token").or(data.field("sessionId")) {
        Some(Value::String(token)) => Ok(token.clone()),
        _ => Err(ErrorBody::field(
            "token",
            "A signed token is needed, as token or as sessionId",
        )),
    }
}

fn topic(data: &Fields<'_>) -> Result<Topic, ErrorBody> {
    data.field("namespace")
        .and_then(Value::as_str)
        .and_then(Topic::parse)
        .ok_or_else(|| {
            let names = Topic::ALL.map(Topic::as_str).join(", ");
            ErrorBody::field("namespace", format!("namespace must be one of {names}"))
        })
}

/// For how long events may be put together.
fn wait(data: &Fields<'_>) -> Result<Option<Duration>, ErrorBody> {
    let most = u64::try_from(BATCH_MAX.as_millis()).unwrap_or(u64::MAX);
    match data.field("batchMs").map(Value::as_u64) {
        None | Some(Some(0)) => Ok(None),
        Some(Some(milliseconds)) if milliseconds <= most => {
            Ok(Some(Duration::from_millis(milliseconds)))
        }
        Some(_) => Err(ErrorBody::field(
            "batchMs",
            format!("batchMs must be a whole number up to {most}"),
        )),
    }
}
