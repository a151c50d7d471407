//! Tokens of a pretend shop: how often they are fetched, and what is told when there is none to be had.

use std::collections::BTreeSet;

use async_trait::async_trait;
use http::Response;
use serde_json::json;
use tokio::task::JoinSet;

use super::*;
use crate::bulk::BulkQuery;
use crate::client::{Client, Endpoint};
use crate::error::Retry;
use crate::fake;
use crate::transport::TransportError;

/// Seconds, as documented.
const LIFE: u64 = 86_399;

#[derive(Clone, Copy)]
enum Trouble {
    NoAnswer,
    Status(u16, &'static str),
}

/// Gives out `token-1`, `token-2`, … and takes those that are good.
#[derive(Default)]
struct Shop {
    granted: Mutex<Vec<Instant>>,
    /// Which tokens are refused.
    revoked: Mutex<BTreeSet<String>>,
    /// What happens instead of a token.
    trouble: Mutex<Option<Trouble>>,
    calls: Mutex<Vec<String>>,
}

#[async_trait]
impl Transport for Shop {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let answer = |status: u16, body: String| {
            Ok(Response::builder()
                .status(status)
                .body(body.into())
                .unwrap())
        };
        if request.uri().path() == "/admin/oauth/access_token" {
            assert_eq!(request.uri().host(), Some("pretend.myshopify.com"));
            assert_eq!(
                request.headers()["content-type"],
                "application/x-www-form-urlencoded"
            );
            let form = "grant_type=client_credentials&client_id=app%26id&client_secret=s%3Dcret";
            assert_eq!(request.body(), form);
            let mut granted = self.granted.lock().unwrap();
            granted.push(Instant::now());
            return match *self.trouble.lock().unwrap() {
                None => {
                    let token = format!("token-{}", granted.len());
                    answer(
                        200,
                        json!({ "access_token": token, "scope": "read_products", "expires_in": LIFE })
                            .to_string(),
                    )
                }
                Some(Trouble::NoAnswer) => Err(TransportError::Timeout),
                Some(Trouble::Status(status, body)) => answer(status, body.to_owned()),
            };
        }
        let token = request.headers()["x-shopify-access-token"]
            .to_str()
            .unwrap()
            .to_owned();
        let revoked = self.revoked.lock().unwrap().contains(&token);
        self.calls.lock().unwrap().push(token);
        if revoked {
            return answer(401, String::new());
        }
        answer(
            200,
            json!({ "data": { "productsCount": { "count": 1 }, "productVariantsCount": { "count": 1 } } })
                .to_string(),
        )
    }
}

impl Shop {
    fn client(self: &Arc<Self>) -> Client {
        let (id, secret) = ("app&id".to_owned(), "s=cret".parse().unwrap());
        let credential = Credential::ClientCredentials { id, secret };
        fake::client_with(
            Arc::clone(self) as _,
            &Endpoint {
                api_url: None,
                credential,
                names: false,
            },
        )
    }

    fn fetched(&self) -> usize {
        self.granted.lock().unwrap().len()
    }

    /// The token of the latest call.
    fn latest(&self) -> String {
        self.calls.lock().unwrap().last().unwrap().clone()
    }

    fn revoke(&self, token: &str) {
        self.revoked.lock().unwrap().insert(token.to_owned());
    }
}

async fn pass(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}

/// Eight calls at once; those that fail.
async fn crowd(client: &Arc<Client>) -> Vec<Error> {
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let client = Arc::clone(client);
        calls.spawn(async move { client.counts().await.err() });
    }
    calls.join_all().await.into_iter().flatten().collect()
}

#[tokio::test(start_paused = true)]
async fn a_token_is_fetched_once_and_used_until_it_is_due() {
    let shop = Arc::new(Shop::default());
    let client = Arc::new(shop.client());
    assert!(crowd(&client).await.is_empty());
    pass(LIFE * 3 / 4 - 10).await;
    assert!(crowd(&client).await.is_empty());
    assert_eq!((shop.fetched(), shop.latest()), (1, "token-1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_hours_before_it_ends_by_one_of_many_callers() {
    let shop = Arc::new(Shop::default());
    let client = Arc::new(shop.client());
    client.counts().await.unwrap();
    pass(LIFE * 7 / 8).await;
    assert!(crowd(&client).await.is_empty());
    client.counts().await.unwrap();
    assert_eq!((shop.fetched(), shop.latest()), (2, "token-2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_cannot_be_renewed_early_is_used_to_its_end() {
    let shop = Arc::new(Shop::default());
    let client = Arc::new(shop.client());
    client.counts().await.unwrap();
    *shop.trouble.lock().unwrap() = Some(Trouble::NoAnswer);
    pass(LIFE * 7 / 8).await;
    for _ in 0..5 {
        client.counts().await.unwrap();
        pass(20).await;
    }
    // A minute lies between two attempts.
    assert_eq!((shop.fetched(), shop.latest()), (3, "token-1".to_owned()));
    pass(LIFE).await;
    assert!(matches!(
        client.counts().await,
        Err(Error::Transport(TransportError::Timeout))
    ));
    *shop.trouble.lock().unwrap() = None;
    client.counts().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_is_replaced_once_for_all_and_the_calls_are_made_again() {
    let shop = Arc::new(Shop::default());
    let client = Arc::new(shop.client());
    client.counts().await.unwrap();
    pass(3_600).await;
    shop.revoke("token-1");
    assert!(crowd(&client).await.is_empty());
    assert_eq!((shop.fetched(), shop.latest()), (2, "token-2".to_owned()));

    // The new one is refused as well: a person is needed, and Shopify is not asked for ever more tokens.
    shop.revoke("token-2");
    for _ in 0..3 {
        let failed = crowd(&client).await;
        assert!(failed.len() == 8 && failed.iter().all(|error| matches!(error, Error::Token)));
    }
    assert_eq!(shop.fetched(), 2);
    pass(60).await;
    client.counts().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_refusal_says_what_to_do_and_stands_for_a_minute() {
    let cases = [
        (
            400,
            r#"{"error":"invalid_client","error_description":"no"}"#,
            "copy both anew",
        ),
        (
            400,
            "<html>Oauth error shop_not_permitted: not here</html>",
            "same organisation",
        ),
        (401, r#"{"error":"app_not_installed"}"#, "install it"),
        (403, "", "HTTP 403"),
    ];
    for (status, body, expected) in cases {
        let shop = Arc::new(Shop::default());
        let client = Arc::new(shop.client());
        *shop.trouble.lock().unwrap() = Some(Trouble::Status(status, body));
        for error in crowd(&client).await {
            assert_eq!(error.retry(), Retry::Never);
            let sentence = error.to_string();
            assert!(
                sentence.contains(expected) && !sentence.contains("s=cret"),
                "{sentence}"
            );
        }
        assert_eq!(shop.fetched(), 1, "{body}");
        *shop.trouble.lock().unwrap() = None;
        assert_eq!(crowd(&client).await.len(), 8);
        pass(60).await;
        assert!(crowd(&client).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_for_a_token_too() {
    let cases = [
        (429, Retry::After(Duration::from_secs(1))),
        (503, Retry::Now),
        (402, Retry::Never),
        (404, Retry::Never),
        (301, Retry::Never),
    ];
    for (status, expected) in cases {
        let shop = Arc::new(Shop::default());
        *shop.trouble.lock().unwrap() = Some(Trouble::Status(status, ""));
        assert_eq!(
            shop.client().counts().await.unwrap_err().retry(),
            expected,
            "{status}"
        );
        assert_eq!(shop.fetched(), if expected == Retry::Never { 1 } else { 6 });
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_token_nothing_was_asked_for_and_nothing_is_in_doubt() {
    let shop = Arc::new(Shop::default());
    *shop.trouble.lock().unwrap() = Some(Trouble::Status(503, ""));
    let error = shop
        .client()
        .bulk_start(BulkQuery::Levels)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Server(_)), "{error}");
    assert!(shop.calls.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_no_token_is_an_error_that_does_not_repeat_it() {
    for body in [
        r#"{"access_token": 7}"#,
        r#"{"access_token": "with blank", "expires_in": 9}"#,
        "with blank",
    ] {
        let shop = Arc::new(Shop::default());
        *shop.trouble.lock().unwrap() = Some(Trouble::Status(200, body));
        let sentence = shop.client().counts().await.unwrap_err().to_string();
        assert!(
            sentence.contains("for a token") && !sentence.contains("blank"),
            "{sentence}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_fixed_token_is_never_replaced() {
    let shop = Arc::new(Shop::default());
    shop.revoke("shpat_pretend");
    let error = fake::client(Arc::clone(&shop) as _)
        .counts()
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Token));
    assert_eq!((shop.fetched(), shop.calls.lock().unwrap().len()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_life_is_not_told_or_makes_no_sense_is_used_and_not_fetched_for_each_call() {
    for answer in [
        r#"{ "access_token": "token-1" }"#,
        r#"{ "access_token": "token-1", "expires_in": 0 }"#,
        r#"{ "access_token": "token-1", "expires_in": -5 }"#,
        r#"{ "access_token": "token-1", "expires_in": null, "scope": "" }"#,
    ] {
        let shop = Arc::new(Shop::default());
        *shop.trouble.lock().unwrap() = Some(Trouble::Status(200, answer));
        let client = Arc::new(shop.client());
        for _ in 0..4 {
            assert!(crowd(&client).await.is_empty(), "{answer}");
            pass(10).await;
        }
        assert_eq!(
            (shop.fetched(), shop.latest()),
            (1, "token-1".to_owned()),
            "{answer}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_token_stands_for_a_minute() {
    let shop = Arc::new(Shop::default());
    *shop.trouble.lock().unwrap() = Some(Trouble::Status(200, "<html>who are you?</html>"));
    let client = Arc::new(shop.client());
    for _ in 0..4 {
        let errors = crowd(&client).await;
        assert!(
            errors.len() == 8
                && errors
                    .iter()
                    .all(|error| error.to_string().contains("api_url")),
            "{errors:?}"
        );
        pass(10).await;
    }
    assert_eq!(shop.fetched(), 1);
}
