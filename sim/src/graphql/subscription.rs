//! Webhook subscriptions: made, changed, deleted and shown.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;

use super::mutation::{Made, Payload, UserError};
use super::object::{Asked, Object, Resolved};
use super::plan::Planned;
use super::problem::Problem;
use super::root::id_of;
use crate::VERSION;
use crate::clock::to_second;
use crate::record::Subscription;
use crate::store::Store;

/// Subscriptions one app may have.
const MAX_SUBSCRIPTIONS: usize = 1_000;
/// Shopify still names the old field, whatever was sent.
const ON_ADDRESS: &[&str] = &["webhookSubscription", "callbackUrl"];

/// Carries out one of the three mutations of subscriptions.
pub(crate) fn write(store: &mut Store, field: &Planned, now: Timestamp) -> Payload {
    let id = field.text("id").and_then(|gid| id_of(gid, "WebhookSubscription"));
    let known = id.filter(|id| store.subscriptions.find(*id).is_some());
    match (field.name.as_str(), known) {
        ("webhookSubscriptionCreate", _) => create(store, field, now),
        ("webhookSubscriptionUpdate", Some(id)) => update(store, id, field, now),
        (_, Some(id)) => {
            store.subscriptions.remove(id);
            Payload::of(Made::Deleted(gid(id)))
        }
        _ => refused(&["id"], "Webhook subscription does not exist"),
    }
}

fn refused(field: &[&str], why: &str) -> Payload {
    Payload::refused(vec![UserError::new(None, field.iter().copied(), why)])
}

fn create(store: &mut Store, field: &Planned, now: Timestamp) -> Payload {
    let (topic, input) = (field.text("topic").unwrap_or("").to_owned(), Input::of(field));
    let uri = match input.address() {
        Ok(uri) => uri.to_owned(),
        Err(why) => return refused(ON_ADDRESS, why),
    };
    if store.subscriptions.iter().any(|row| row.topic == topic && row.uri == uri) {
        return refused(ON_ADDRESS, "Address for this topic has already been taken");
    }
    if store.subscriptions.len() >= MAX_SUBSCRIPTIONS {
        return refused(ON_ADDRESS, "Too many webhook subscriptions");
    }
    let (id, at) = (store.next_id(), to_second(now));
    store.subscriptions.insert(Subscription {
        id,
        topic,
        uri,
        name: input.text("name"),
        include_fields: input.texts("includeFields").unwrap_or_default(),
        filter: input.text("filter"),
        created_at: at,
        updated_at: at,
    });
    Payload::of(Made::Subscription(id))
}

fn update(store: &mut Store, id: u64, field: &Planned, now: Timestamp) -> Payload {
    let input = Input::of(field);
    let uri = match input.given_address().then(|| input.address()).transpose() {
        Ok(uri) => uri.map(str::to_owned),
        Err(why) => return refused(ON_ADDRESS, why),
    };
    store.subscriptions.edit(id, |row| {
        row.uri = uri.unwrap_or_else(|| row.uri.clone());
        row.name = input.text("name").or_else(|| row.name.take());
        row.filter = input.text("filter").or_else(|| row.filter.take());
        row.include_fields = input.texts("includeFields").unwrap_or_else(|| row.include_fields.clone());
        row.updated_at = to_second(now);
    });
    Payload::of(Made::Subscription(id))
}

/// A `WebhookSubscriptionInput`.
struct Input<'a>(&'a Value);

impl<'a> Input<'a> {
    fn of(field: &'a Planned) -> Self {
        Self(field.arguments.get("webhookSubscription").unwrap_or(&Value::Null))
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name)?.as_str().map(str::to_owned)
    }

    fn texts(&self, name: &str) -> Option<Vec<String>> {
        Some(self.0.get(name)?.as_array()?.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    }

    fn given_address(&self) -> bool {
        ["uri", "callbackUrl"].iter().any(|name| self.0.get(name).is_some_and(Value::is_string))
    }

    /// The address, if deliveries can go there.
    ///
    /// The real one refuses every `http://`. Here a daemon on the same machine is the usual receiver, and it has no
    /// certificate, so plain HTTP is taken for loopback addresses.
    fn address(&self) -> Result<&'a str, &'static str> {
        let given = ["uri", "callbackUrl"].iter().find_map(|name| self.0.get(name).and_then(Value::as_str));
        let uri = given.filter(|uri| !uri.trim().is_empty()).ok_or("Address can't be blank")?;
        let url = reqwest::Url::parse(uri).map_err(|_| "Address is invalid")?;
        match (url.scheme(), url.host_str()) {
            ("https", Some(_)) | ("http", Some("localhost" | "127.0.0.1" | "[::1]")) => Ok(uri),
            ("http", _) => Err("Address protocol http:// is not supported"),
            _ => Err("Address is invalid"),
        }
    }
}

fn gid(id: u64) -> String {
    format!("gid://shopify/WebhookSubscription/{id}")
}

pub(crate) fn subscription<'a>(row: &'a Subscription, asked: &Asked<'_>) -> Result<Resolved<'a>, Problem> {
    Ok(match asked.name() {
        "id" => gid(row.id).into(),
        "legacyResourceId" => row.id.to_string().into(),
        "topic" => row.topic.as_str().into(),
        "uri" => row.uri.as_str().into(),
        "format" => "JSON".into(),
        "name" => row.name.as_deref().into(),
        "filter" => row.filter.as_deref().unwrap_or("").into(),
        "includeFields" => {
            Resolved::Texts(row.include_fields.iter().map(|field| Cow::Borrowed(field.as_str())).collect())
        }
        "apiVersion" => Object::Version(VERSION).into(),
        "createdAt" => row.created_at.into(),
        "updatedAt" => row.updated_at.into(),
        _ => return asked.unanswered(),
    })
}
