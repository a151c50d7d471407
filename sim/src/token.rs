//! `POST /admin/oauth/access_token`: a token for client id and secret, asked for as a form or as JSON.

use hyper::StatusCode;
use serde_json::{Value, json};

use crate::app::{NoToken, TOKEN_LIFE};
use crate::shop::{SimShop, lock};

/// Answers a request for a token.
pub(crate) fn answer(shop: &SimShop, body: &[u8]) -> (StatusCode, Value) {
    let request = TokenRequest::read(body);
    let client = (request.text("client_id"), request.text("client_secret"));
    let granted = lock(&shop.app).grant(request.text("grant_type"), client, shop.clock.now());
    match granted {
        Ok(token) => {
            let scope = shop.store().scopes.granted.join(",");
            (
                StatusCode::OK,
                json!({ "access_token": token, "scope": scope, "expires_in": TOKEN_LIFE }),
            )
        }
        Err(why) => {
            let (error, description) = match why {
                NoToken::Grant => (
                    "unsupported_grant_type",
                    "The pretend store gives tokens for client_credentials only; Shopify knows other grants.",
                ),
                NoToken::Client => (
                    "invalid_client",
                    "There is no app with this client id and secret.",
                ),
                NoToken::Organisation => (
                    "shop_not_permitted",
                    "The app and the shop belong to different organisations.",
                ),
                NoToken::Installation => (
                    "app_not_installed",
                    "The app is not installed on this shop.",
                ),
            };
            (
                StatusCode::BAD_REQUEST,
                json!({ "error": error, "error_description": description }),
            )
        }
    }
}

struct TokenRequest(Vec<(String, String)>);

impl TokenRequest {
    fn read(body: &[u8]) -> Self {
        if let Ok(Value::Object(fields)) = serde_json::from_slice(body) {
            let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
            return Self(fields.into_iter().filter_map(text).collect());
        }
        // The query of a URL is a form, and whoever reads URLs reads it.
        let form = String::from_utf8_lossy(body);
        let url = reqwest::Url::parse(&format!("http://form/?{form}"));
        Self(
            url.map(|url| url.query_pairs().into_owned().collect())
                .unwrap_or_default(),
        )
    }

    fn text(&self, name: &str) -> &str {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map_or("", |(_, value)| value)
    }
}
