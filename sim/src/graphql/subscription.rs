//! Webhook subscriptions: made, changed, deleted and shown.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::Value;

use super::mutation::{Made, MutationPayload, UserError};
use super::object::{FieldRequest, Object, Resolved};
use super::plan::Planned;
use super::problem::QueryProblem;
use super::root::id_of;
use super::search::terms;
use crate::VERSION;
use crate::clock::to_second;
use crate::record::SimSubscription;
use crate::store::SimStore;

/// Subscriptions one app may have.
const MAX_SUBSCRIPTIONS: usize = 1_000;
/// Where a filter is blamed, and why.
const ON_FILTER: (&[&str], &str) = (
    &["webhookSubscription"],
    "The filter must name the fields it looks at.",
);
/// Shopify still names the old field, whatever was sent.
const ON_ADDRESS: &[&str] = &["webhookSubscription", "callbackUrl"];

/// Carries out one of the three mutations of subscriptions.
pub(crate) fn write(store: &mut SimStore, field: &Planned, now: Timestamp) -> MutationPayload {
    let id = field
        .text("id")
        .and_then(|gid| id_of(gid, "WebhookSubscription"));
    let known = id.filter(|id| store.subscriptions.find(*id).is_some());
    match (field.name.as_str(), known) {
        ("webhookSubscriptionCreate", _) => create(store, field, now),
        ("webhookSubscriptionUpdate", Some(id)) => update(store, id, field, now),
        (_, Some(id)) => {
            store.subscriptions.remove(id);
            MutationPayload::of(Made::Deleted(gid(id)))
        }
        _ => refused(&["id"], "Webhook subscription does not exist"),
    }
}

fn refused(field: &[&str], why: &str) -> MutationPayload {
    MutationPayload::refused(vec![UserError::new(None, field.iter().copied(), why)])
}

fn create(store: &mut SimStore, field: &Planned, now: Timestamp) -> MutationPayload {
    let (topic, input) = (
        field.text("topic").unwrap_or("").to_owned(),
        Input::of(field),
    );
    let uri = match input.address() {
        Ok(uri) => uri.to_owned(),
        Err(why) => return refused(ON_ADDRESS, why),
    };
    if let Some(one_of) = store.scopes.missing_for_topic(&topic) {
        return refused(
            &["topic"],
            &format!(
                "The app may not hear of {topic} without {}.",
                one_of.join(" or ")
            ),
        );
    }
    if !input.filter_holds() {
        return refused(ON_FILTER.0, ON_FILTER.1);
    }
    if store
        .subscriptions
        .iter()
        .any(|row| row.topic == topic && row.uri == uri)
    {
        return refused(ON_ADDRESS, "Address for this topic has already been taken");
    }
    if store.subscriptions.len() >= MAX_SUBSCRIPTIONS {
        return refused(ON_ADDRESS, "Too many webhook subscriptions");
    }
    let (id, at) = (store.next_id(), to_second(now));
    store.subscriptions.insert(SimSubscription {
        id,
        topic,
        uri,
        name: input.text("name"),
        include_fields: input.texts("includeFields").unwrap_or_default(),
        metafield_namespaces: input.texts("metafieldNamespaces").unwrap_or_default(),
        filter: input.text("filter"),
        created_at: at,
        updated_at: at,
    });
    MutationPayload::of(Made::Subscription(id))
}

fn update(store: &mut SimStore, id: u64, field: &Planned, now: Timestamp) -> MutationPayload {
    let input = Input::of(field);
    let uri = match input.given_address().then(|| input.address()).transpose() {
        Ok(uri) => uri.map(str::to_owned),
        Err(why) => return refused(ON_ADDRESS, why),
    };
    if !input.filter_holds() {
        return refused(ON_FILTER.0, ON_FILTER.1);
    }
    store.subscriptions.edit(id, |row| {
        row.uri = uri.unwrap_or_else(|| row.uri.clone());
        row.name = input.text("name").or_else(|| row.name.take());
        row.filter = input.text("filter").or_else(|| row.filter.take());
        row.include_fields = input
            .texts("includeFields")
            .unwrap_or_else(|| row.include_fields.clone());
        row.metafield_namespaces = input
            .texts("metafieldNamespaces")
            .unwrap_or_else(|| row.metafield_namespaces.clone());
        row.updated_at = to_second(now);
    });
    MutationPayload::of(Made::Subscription(id))
}

/// A `WebhookSubscriptionInput`.
struct Input<'a>(&'a Value);

impl<'a> Input<'a> {
    fn of(field: &'a Planned) -> Self {
        Self(
            field
                .arguments
                .get("webhookSubscription")
                .unwrap_or(&Value::Null),
        )
    }

    fn text(&self, name: &str) -> Option<String> {
        self.0.get(name)?.as_str().map(str::to_owned)
    }

    fn texts(&self, name: &str) -> Option<Vec<String>> {
        Some(
            self.0
                .get(name)?
                .as_array()?
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        )
    }

    /// Whether the filter names the fields it looks at.
    fn filter_holds(&self) -> bool {
        let filter = self.text("filter").unwrap_or_default();
        terms(&filter).iter().all(|term| !term.field.is_empty())
    }

    fn given_address(&self) -> bool {
        ["uri", "callbackUrl"]
            .iter()
            .any(|name| self.0.get(name).is_some_and(Value::is_string))
    }

    /// The address, if deliveries can go there.
    ///
    /// The real one refuses every `http://`. Here a daemon on the same machine is the usual receiver, and it has no
    /// certificate, so plain HTTP is taken for loopback addresses.
    fn address(&self) -> Result<&'a str, &'static str> {
        let given = ["uri", "callbackUrl"]
            .iter()
            .find_map(|name| self.0.get(name).and_then(Value::as_str));
        let uri = given
            .filter(|uri| !uri.trim().is_empty())
            .ok_or("Address can't be blank")?;
        if let Some(topic) = uri.strip_prefix("pubsub://") {
            let named = topic
                .split_once(':')
                .is_some_and(|(project, topic)| !project.is_empty() && !topic.is_empty());
            return if named {
                Ok(uri)
            } else {
                Err("Address must be pubsub://project:topic")
            };
        }
        let url = reqwest::Url::parse(uri).map_err(|_| "Address is invalid")?;
        match (url.scheme(), url.host_str()) {
            ("https", Some(host)) if is_shopifys(host) => {
                Err("The address must not be one of Shopify's own or of an inner network")
            }
            ("arn", _) if uri.starts_with("arn:aws:events:") => Ok(uri),
            ("https", Some(_)) | ("http", Some("localhost" | "127.0.0.1" | "[::1]")) => Ok(uri),
            ("http", _) => Err("Address protocol http:// is not supported"),
            _ => Err("Address is invalid"),
        }
    }
}

fn is_shopifys(host: &str) -> bool {
    let internal = ["localhost", "internal", "local"];
    ["shopify.com", "myshopify.com", "shopifycloud.com"]
        .iter()
        .any(|domain| {
            host.strip_suffix(domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
        || internal
            .iter()
            .any(|domain| host.rsplit('.').next() == Some(domain))
}

/// The kind of place deliveries go to. To those that are not web servers, none is made.
pub(crate) fn endpoint_type(uri: &str) -> &'static str {
    match uri.split(':').next() {
        Some("pubsub") => "WebhookPubSubEndpoint",
        Some("arn") => "WebhookEventBridgeEndpoint",
        _ => "WebhookHttpEndpoint",
    }
}

pub(crate) fn endpoint<'a>(
    row: &'a SimSubscription,
    asked: &FieldRequest<'_>,
) -> Result<Resolved<'a>, QueryProblem> {
    let part = |index| {
        row.uri
            .trim_start_matches("pubsub://")
            .split(':')
            .nth(index)
    };
    Ok(match asked.name() {
        "callbackUrl" | "arn" => row.uri.as_str().into(),
        "pubSubProject" => part(0).into(),
        "pubSubTopic" => part(1).into(),
        _ => return asked.unanswered(),
    })
}

fn gid(id: u64) -> String {
    format!("gid://shopify/WebhookSubscription/{id}")
}

pub(crate) fn subscription<'a>(
    row: &'a SimSubscription,
    asked: &FieldRequest<'_>,
) -> Result<Resolved<'a>, QueryProblem> {
    Ok(match asked.name() {
        "id" => gid(row.id).into(),
        "legacyResourceId" => row.id.to_string().into(),
        "topic" => row.topic.as_str().into(),
        "uri" | "callbackUrl" => row.uri.as_str().into(),
        "endpoint" => Object::Endpoint(row).into(),
        "format" => "JSON".into(),
        "name" => row.name.as_deref().into(),
        "filter" => row.filter.as_deref().into(),
        "includeFields" => Resolved::Texts(
            row.include_fields
                .iter()
                .map(|field| Cow::Borrowed(field.as_str()))
                .collect(),
        ),
        "metafieldNamespaces" => {
            let spaces = row.metafield_namespaces.iter();
            Resolved::Texts(spaces.map(|space| Cow::Borrowed(space.as_str())).collect())
        }
        "apiVersion" => Object::Version(VERSION).into(),
        "createdAt" => row.created_at.into(),
        "updatedAt" => row.updated_at.into(),
        _ => return asked.unanswered(),
    })
}
