//! The control routes of what concerns the app as a whole: its installation, the shop's settings, people's privacy.

use serde::Deserialize;
use serde_json::json;

use super::{Answer, Id};
use crate::shop::{Shop, lock};
use crate::store::Refused;
use crate::topic::{Subject, Topic};

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

pub(super) fn app(shop: &Shop, change: AppChange) -> Answer {
    match change {
        AppChange::Install => lock(&shop.app).install(),
        AppChange::Uninstall => {
            lock(&shop.app).uninstall();
            shop.act(|store, now| {
                store.begin();
                store.tell(Topic::APP_UNINSTALLED, Subject::Shop, now);
            });
            // Those who subscribed were told by the line above, and then no more.
            shop.store_mut().end_app();
            shop.bulk.wake();
        }
        AppChange::RevokeTokens { fixed } => lock(&shop.app).revoke(fixed),
        AppChange::SetScopes { scopes } => {
            if scopes.len() > MAX_SCOPES {
                return Err(Refused::new("scopes", format!("at most {MAX_SCOPES}")));
            }
            shop.act(|store, now| {
                store.begin();
                store.scopes.change(scopes);
                store.tell(Topic::APP_SCOPES_UPDATE, Subject::Scopes, now);
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

pub(super) fn settings(shop: &Shop, change: ShopChange) -> Answer {
    if change.name.trim().is_empty() {
        return Err(Refused::new("name", "must not be blank"));
    }
    let answer = json!({ "name": change.name });
    shop.act(|store, now| {
        store.begin();
        store.shop.name = change.name;
        store.tell(Topic::SHOP_UPDATE, Subject::Shop, now);
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
    RequestData { customer_id: Id },
    RedactCustomer { customer_id: Id },
    RedactShop,
}

pub(super) fn privacy(shop: &Shop, request: &Privacy) -> Answer {
    if let Privacy::RequestData { customer_id } | Privacy::RedactCustomer { customer_id } = request
        && shop.store().customers.find(customer_id.0).is_none()
    {
        return Err(Refused::new("customerId", "no such customer"));
    }
    let (topic, subject) = match *request {
        Privacy::RequestData { customer_id } => (
            Topic::CUSTOMERS_DATA_REQUEST,
            Subject::DataRequest(customer_id.0),
        ),
        Privacy::RedactCustomer { customer_id } => (
            Topic::CUSTOMERS_REDACT,
            Subject::RedactCustomer(customer_id.0),
        ),
        Privacy::RedactShop => (Topic::SHOP_REDACT, Subject::RedactShop),
    };
    shop.act(|store, now| {
        store.begin();
        store.tell(topic, subject, now);
    });
    Ok(json!({ "topic": topic.0 }))
}
