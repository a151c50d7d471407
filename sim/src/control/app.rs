//! The control routes of what concerns the app as a whole: its installation, the shop's settings, people's privacy.

use serde::Deserialize;
use serde_json::json;

use super::{ControlAnswer, LooseId};
use crate::shop::{SimShop, lock};
use crate::store::ChangeRefused;
use crate::topic::{SimTopic, TopicSubject};

/// Scopes an app may be given.
const MAX_SCOPES: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", tag = "action")]
pub(super) enum AppChange {
    Install,
    /// Ends tokens and subscriptions.
    Uninstall,
    /// Ends the tokens got by client id and secret, or with `fixed` all.
    RevokeTokens {
        #[serde(default)]
        fixed: bool,
    },
    SetScopes {
        scopes: Vec<String>,
    },
    /// Whether app and shop belong to the same organisation.
    Permit {
        permitted: bool,
    },
}

pub(super) fn app(shop: &SimShop, change: AppChange) -> ControlAnswer {
    match change {
        AppChange::Install => lock(&shop.app).install(),
        AppChange::Uninstall => {
            lock(&shop.app).uninstall();
            shop.act(|store, now| {
                store.begin();
                store.tell(SimTopic::APP_UNINSTALLED, TopicSubject::Shop, now);
            });
            // Those who subscribed were told by the line above, and then no more.
            shop.store_mut().end_app();
            shop.bulk.wake();
        }
        AppChange::RevokeTokens { fixed } => lock(&shop.app).revoke(fixed),
        AppChange::SetScopes { scopes } => {
            if scopes.len() > MAX_SCOPES {
                return Err(ChangeRefused::new(
                    "scopes",
                    format!("at most {MAX_SCOPES}"),
                ));
            }
            shop.act(|store, now| {
                store.begin();
                store.scopes.change(scopes);
                store.tell(SimTopic::APP_SCOPES_UPDATE, TopicSubject::Scopes, now);
            });
        }
        AppChange::Permit { permitted } => lock(&shop.app).permitted = permitted,
    }
    let app = lock(&shop.app);
    Ok(json!({
        "installed": app.installed,
        "permitted": app.permitted,
        "scopes": shop.store().scopes.granted,
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShopChange {
    name: String,
}

pub(super) fn settings(shop: &SimShop, change: ShopChange) -> ControlAnswer {
    if change.name.trim().is_empty() {
        return Err(ChangeRefused::new("name", "must not be blank"));
    }
    let answer = json!({ "name": change.name });
    shop.act(|store, now| {
        store.begin();
        store.shop.name = change.name;
        store.tell(SimTopic::SHOP_UPDATE, TopicSubject::Shop, now);
    });
    Ok(answer)
}

/// What the law lets people ask for. It goes where all webhooks go, since nobody can subscribe to it through the API.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    tag = "action"
)]
pub(super) enum Privacy {
    RequestData { customer_id: LooseId },
    RedactCustomer { customer_id: LooseId },
    RedactShop,
}

pub(super) fn privacy(shop: &SimShop, request: &Privacy) -> ControlAnswer {
    if let Privacy::RequestData { customer_id } | Privacy::RedactCustomer { customer_id } = request
        && shop.store().customers.find(customer_id.0).is_none()
    {
        return Err(ChangeRefused::new("customerId", "no such customer"));
    }
    let (topic, subject) = match *request {
        Privacy::RequestData { customer_id } => (
            SimTopic::CUSTOMERS_DATA_REQUEST,
            TopicSubject::DataRequest(customer_id.0),
        ),
        Privacy::RedactCustomer { customer_id } => (
            SimTopic::CUSTOMERS_REDACT,
            TopicSubject::RedactCustomer(customer_id.0),
        ),
        Privacy::RedactShop => (SimTopic::SHOP_REDACT, TopicSubject::RedactShop),
    };
    shop.act(|store, now| {
        store.begin();
        store.tell(topic, subject, now);
    });
    Ok(json!({ "topic": topic.0 }))
}
