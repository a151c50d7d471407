//! Subscriptions to webhooks: listed, made and ended. Which are wanted is for the caller to say.
//!
//! Shopify ends one by itself after eight failed deliveries in a row, and lists only those made through the API
//! (<https://shopify.dev/docs/apps/build/webhooks/subscribe>, API 2026-10).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::answer::{Connection, NodeId};
use crate::client::Client;
use crate::document::{self, PAGE_ROWS};
use crate::error::Error;
use crate::pace::Priority;
use crate::page::{PAGES_MAX, PageCursor, endless};
use crate::topic::TOPICS;
use crate::user_error::MutationError;

/// A subscription that Shopify has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSubscription {
    /// The subscription's id at Shopify.
    pub id: SubscriptionId,
    /// To what: as deliveries spell it where it is one of [`TOPICS`], as GraphQL spells it otherwise.
    pub topic: String,
    /// Where its deliveries go.
    pub uri: String,
    /// Whether everything comes, with all fields, as JSON.
    pub whole: bool,
}

/// Shopify's id of a subscription.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubscriptionId(String);

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Client {
    /// Every subscription of the app on this shop that was made through the API.
    ///
    /// # Errors
    /// When Shopify does not answer; see [`Error`].
    pub async fn subscriptions(&self) -> Result<Vec<WebhookSubscription>, Error> {
        #[derive(Serialize)]
        struct Variables {
            first: u32,
            after: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            webhook_subscriptions: Connection<SubscriptionMade>,
        }
        let (mut found, mut after): (Vec<WebhookSubscription>, Option<PageCursor>) =
            (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let variables = Variables {
                first: PAGE_ROWS,
                after: after.as_ref().map(PageCursor::to_string),
            };
            let answer = self
                .call::<Data>(
                    &document::SUBSCRIPTIONS,
                    PAGE_ROWS,
                    variables,
                    Priority::Read,
                )
                .await?;
            let Connection { nodes, page_info } = answer.data.webhook_subscriptions;
            found.extend(nodes.into_iter().map(WebhookSubscription::from));
            after = page_info.next(&document::SUBSCRIPTIONS)?;
            if after.is_none() {
                return Ok(found);
            }
        }
        Err(endless(&document::SUBSCRIPTIONS))
    }

    /// Has deliveries of a topic, spelled as in [`TOPICS`], sent to an HTTPS address.
    ///
    /// # Errors
    /// When Shopify declines the address or the topic ([`Error::Declined`]), or does not answer. After
    /// [`Error::InDoubt`] it may have been made all the same: look into [`Self::subscriptions`].
    pub async fn subscribe(&self, topic: &str, uri: &str) -> Result<WebhookSubscription, Error> {
        #[derive(Serialize)]
        struct Variables<'a> {
            topic: String,
            uri: &'a str,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            webhook_subscription_create: Payload,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Payload {
            webhook_subscription: Option<SubscriptionMade>,
            user_errors: Vec<MutationError>,
        }
        let variables = Variables {
            topic: graphql_word(topic),
            uri,
        };
        let answer = self
            .call::<Data>(&document::SUBSCRIBE, 0, variables, Priority::Read)
            .await?;
        let Payload {
            webhook_subscription,
            user_errors,
        } = answer.data.webhook_subscription_create;
        match (webhook_subscription, user_errors.into_iter().next()) {
            (Some(made), None) => Ok(made.into()),
            (_, error) => Err(MutationError::refusal(&document::SUBSCRIBE, error)),
        }
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// When there is none by that id ([`Error::Declined`]), or Shopify does not answer.
    pub async fn unsubscribe(&self, id: &SubscriptionId) -> Result<(), Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            webhook_subscription_delete: Payload,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Payload {
            user_errors: Vec<MutationError>,
        }
        let variables = NodeId { id };
        let answer = self
            .call::<Data>(&document::UNSUBSCRIBE, 0, variables, Priority::Read)
            .await?;
        match answer
            .data
            .webhook_subscription_delete
            .user_errors
            .into_iter()
            .next()
        {
            None => Ok(()),
            error => Err(MutationError::refusal(&document::UNSUBSCRIBE, error)),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SubscriptionMade {
    id: SubscriptionId,
    topic: String,
    uri: String,
    format: String,
    filter: Option<String>,
    include_fields: Vec<String>,
}

impl From<SubscriptionMade> for WebhookSubscription {
    fn from(made: SubscriptionMade) -> Self {
        let ours = TOPICS
            .iter()
            .map(|(topic, _)| *topic)
            .find(|topic| graphql_word(topic) == made.topic);
        let filtered =
            made.filter.is_some_and(|filter| !filter.is_empty()) || !made.include_fields.is_empty();
        Self {
            id: made.id,
            topic: ours.map_or(made.topic, str::to_owned),
            uri: made.uri,
            whole: made.format == "JSON" && !filtered,
        }
    }
}

/// A topic as GraphQL spells it: `WebhookSubscriptionTopic`.
pub(crate) fn graphql_word(topic: &str) -> String {
    topic.to_ascii_uppercase().replace('/', "_")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fake::{Fake, data, status};

    fn made(number: u64, topic: &str) -> Value {
        json!({
            "id": format!("gid://shopify/WebhookSubscription/{number}"), "topic": topic,
            "uri": "https://stock.example/webhooks", "format": "JSON", "filter": "", "includeFields": [],
        })
    }

    #[tokio::test(start_paused = true)]
    async fn subscriptions_are_listed_to_the_last_page_with_the_topics_as_deliveries_spell_them() {
        let page = |nodes: Value, end_cursor: Option<&str>| {
            let page_info = json!({ "hasNextPage": end_cursor.is_some(), "endCursor": end_cursor });
            data(json!({ "webhookSubscriptions": { "nodes": nodes, "pageInfo": page_info } }))
        };
        let mut narrow = made(3, "ORDERS_CREATE");
        narrow["includeFields"] = json!(["id"]);
        let mut xml = made(4, "PRODUCTS_UPDATE");
        xml["format"] = json!("XML");
        let fake = Fake::script([
            page(
                json!([
                    made(1, "INVENTORY_LEVELS_UPDATE"),
                    made(2, "THEMES_PUBLISH")
                ]),
                Some("c1"),
            ),
            page(json!([narrow, xml]), None),
        ]);
        let found = fake.client().subscriptions().await.unwrap();
        let told: Vec<_> = found
            .iter()
            .map(|one| (one.topic.as_str(), one.whole))
            .collect();
        let expected = [
            ("inventory_levels/update", true),
            ("THEMES_PUBLISH", true),
            ("orders/create", false),
            ("products/update", false),
        ];
        assert_eq!(told, expected);
        assert_eq!(fake.variables()[1], json!({ "first": 250, "after": "c1" }));
    }

    #[tokio::test(start_paused = true)]
    async fn a_topic_is_subscribed_and_ended() {
        let payload =
            json!({ "webhookSubscription": made(1, "INVENTORY_LEVELS_UPDATE"), "userErrors": [] });
        let ended = json!({ "deletedWebhookSubscriptionId": "x", "userErrors": [] });
        let fake = Fake::script([
            data(json!({ "webhookSubscriptionCreate": payload })),
            data(json!({ "webhookSubscriptionDelete": ended })),
        ]);
        let client = fake.client();
        let uri = "https://stock.example/webhooks";
        let made = client
            .subscribe("inventory_levels/update", uri)
            .await
            .unwrap();
        client.unsubscribe(&made.id).await.unwrap();
        let expected = [
            json!({ "topic": "INVENTORY_LEVELS_UPDATE", "uri": uri }),
            json!({ "id": "gid://shopify/WebhookSubscription/1" }),
        ];
        assert_eq!(fake.variables(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_comes_with_shopifys_words_and_a_lost_answer_is_in_doubt() {
        let error =
            json!([{ "field": ["webhookSubscription", "callbackUrl"], "message": "Use https" }]);
        let payload = json!({ "webhookSubscription": null, "userErrors": error });
        let fake = Fake::script([
            data(json!({ "webhookSubscriptionCreate": payload })),
            status(503),
        ]);
        let client = fake.client();
        let refused = client
            .subscribe("orders/create", "http://stock.example")
            .await
            .unwrap_err();
        assert_eq!(refused.to_string(), "Shopify declines subscribe: Use https");
        let lost = client
            .subscribe("orders/create", "https://stock.example")
            .await
            .unwrap_err();
        assert!(matches!(lost, Error::InDoubt { .. }));
    }
}
