//! Webhooks about the app, the shop as a whole or a person: nothing that is mirrored, and something to be done.
//!
//! The topic is a header and not signed. So what one of these asks for is believed only as far as its signed body goes
//! or as Shopify confirms it.

use std::collections::BTreeSet;

use schemas::{CustomerId, ShopDomain};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::bulk::BulkId;
use crate::topic::{UnreadableBody, parse};

/// Something that is to be done, and changes no record by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// `app/uninstalled`: the token is void. To be confirmed by a call that is answered 401.
    AppUninstalled {
        /// From which shop, where the signed body says so.
        shop: Option<ShopDomain>,
    },
    /// `bulk_operations/finish`: an operation has ended, somehow. Read its state.
    BulkFinished(BulkId),
    /// `customers/data_request`: a customer wants to know what is kept of them. Answer the shop's owner within 30 days.
    CustomerDataRequested {
        /// Of which shop, as signed.
        shop: ShopDomain,
        /// The customer it is about.
        customer: CustomerId,
    },
    /// `customers/redact`: delete what is kept of a customer within 30 days.
    CustomerRedacted {
        /// Of which shop, as signed.
        shop: ShopDomain,
        /// The customer it is about.
        customer: CustomerId,
    },
    /// `app/scopes_update`: the app has other scopes now. To be confirmed by [`Client::scopes`](crate::Client::scopes).
    ScopesChanged {
        /// All scopes that the app has now.
        current: BTreeSet<String>,
    },
    /// `shop/update`: its name, currency or time zone may be another. Read the shop.
    ShopChanged,
    /// `shop/redact`: delete everything of a shop that uninstalled the app, within 30 days.
    ShopRedacted {
        /// Which one, as signed.
        shop: ShopDomain,
    },
}

#[derive(Deserialize)]
struct BulkFinished {
    admin_graphql_api_id: BulkId,
}

#[derive(Deserialize)]
struct ScopesUpdate {
    current: BTreeSet<String>,
}

/// The shop as the notice names it.
#[derive(Deserialize)]
struct AppUninstalled {
    myshopify_domain: Option<ShopDomain>,
}

#[derive(Deserialize)]
struct PrivacyRequest {
    shop_domain: ShopDomain,
    customer: Option<PrivacyPerson>,
    data_request: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct PrivacyPerson {
    id: CustomerId,
}

/// What a topic's body asks for; `None` when the topic is another kind's.
pub(crate) fn read(topic: &str, body: &[u8]) -> Result<Option<Notice>, UnreadableBody> {
    Ok(Some(match topic {
        "app/scopes_update" => Notice::ScopesChanged {
            current: parse::<ScopesUpdate>(body)?.current,
        },
        "app/uninstalled" => Notice::AppUninstalled {
            shop: parse::<AppUninstalled>(body)?.myshopify_domain,
        },
        "bulk_operations/finish" => {
            Notice::BulkFinished(parse::<BulkFinished>(body)?.admin_graphql_api_id)
        }
        "customers/data_request" | "customers/redact" | "shop/redact" => {
            privacy(topic, parse(body)?)?
        }
        "shop/update" => Notice::ShopChanged,
        _ => return Ok(None),
    }))
}

/// The three bodies differ in what they have beside the shop; under another topic than its own none is believed.
fn privacy(topic: &str, body: PrivacyRequest) -> Result<Notice, UnreadableBody> {
    let PrivacyRequest {
        shop_domain: shop,
        customer,
        data_request,
    } = body;
    match (topic, customer, data_request) {
        ("customers/data_request", Some(PrivacyPerson { id: customer }), Some(_)) => {
            Ok(Notice::CustomerDataRequested { shop, customer })
        }
        ("customers/redact", Some(PrivacyPerson { id: customer }), None) => {
            Ok(Notice::CustomerRedacted { shop, customer })
        }
        ("shop/redact", None, None) => Ok(Notice::ShopRedacted { shop }),
        (_, None, _) => Err(UnreadableBody::Lacks { field: "customer" }),
        _ => Err(UnreadableBody::Shape {
            path: "data_request".to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use crate::topic::{WebhookReading, read};

    use super::*;

    const FINISHED: &str = include_str!("../fixtures/bulk_operation.json");
    const SCOPES: &str = include_str!("../fixtures/app_scopes.json");
    const DATA_REQUEST: &str = include_str!("../fixtures/customer_data_request.json");
    const CUSTOMER_REDACT: &str = include_str!("../fixtures/customer_redact.json");
    const SHOP_REDACT: &str = include_str!("../fixtures/shop_redact.json");

    fn shop() -> ShopDomain {
        "pretend.myshopify.com".parse().unwrap()
    }

    #[test]
    fn each_topic_asks_for_one_thing() {
        let customer = 6_104_729_935_813_000_417_u64.try_into().unwrap();
        let current = ["read_orders".to_owned(), "read_products".to_owned()].into();
        let id = "gid://shopify/BulkOperation/7000000001".parse().unwrap();
        let cases = [
            (
                "app/scopes_update",
                SCOPES,
                Notice::ScopesChanged { current },
            ),
            (
                "app/uninstalled",
                "{}",
                Notice::AppUninstalled { shop: None },
            ),
            ("bulk_operations/finish", FINISHED, Notice::BulkFinished(id)),
            (
                "customers/data_request",
                DATA_REQUEST,
                Notice::CustomerDataRequested {
                    shop: shop(),
                    customer,
                },
            ),
            (
                "customers/redact",
                CUSTOMER_REDACT,
                Notice::CustomerRedacted {
                    shop: shop(),
                    customer,
                },
            ),
            (
                "shop/redact",
                SHOP_REDACT,
                Notice::ShopRedacted { shop: shop() },
            ),
            ("shop/update", "{}", Notice::ShopChanged),
        ];
        for (topic, body, notice) in cases {
            assert_eq!(
                read(topic, body.as_bytes(), None, false),
                Ok(WebhookReading::Notice(notice)),
                "{topic}"
            );
        }
    }

    #[test]
    fn a_body_replayed_under_another_privacy_topic_deletes_nothing() {
        let replays = [
            ("shop/redact", CUSTOMER_REDACT),
            ("shop/redact", DATA_REQUEST),
            ("customers/redact", DATA_REQUEST),
            ("customers/redact", SHOP_REDACT),
            ("customers/data_request", CUSTOMER_REDACT),
        ];
        for (topic, body) in replays {
            assert!(
                read(topic, body.as_bytes(), None, false).is_err(),
                "{topic}"
            );
        }
    }

    #[test]
    fn nothing_personal_is_told_of_a_body_that_cannot_be_read() {
        let body = r#"{"shop_domain": "pat@example.com", "customer": {"id": "pat@example.com"}}"#;
        let sentence = read("customers/redact", body.as_bytes(), None, false)
            .unwrap_err()
            .to_string();
        assert!(
            sentence.contains("shop_domain") && !sentence.contains("pat@"),
            "{sentence}"
        );
    }
}
