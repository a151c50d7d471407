//! Calls to one shop's Admin API: paced, repeated where that helps, every failure told apart.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use schemas::{Change, Clock, Entropy, ShopDomain, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::watch;

use crate::API_VERSION;
use crate::credential::Credential;
use crate::document::Document;
use crate::error::{Error, REST_DEFAULT, Retry};
use crate::health::{ApiHealth, Monitor};
use crate::pace::{CallPacer, CallPermit, Priority, ThrottleStatus};
use crate::token::{AccessToken, TokenSource};
use crate::transport::Transport;

/// Tries of one call beyond the first.
const RETRIES_MAX: u32 = 5;
/// Longest pause before the first retry; it doubles with every further one.
const BACKOFF_FIRST: Duration = Duration::from_millis(500);
/// Longest pause before any retry.
const BACKOFF_MAX: Duration = Duration::from_secs(30);
/// Longest piece of Shopify's own words in an error, in characters.
const WORDS_MAX: usize = 200;

/// Where a shop's API is and what opens it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Another origin than `https://<shop>`, for tests and simulations: `http(s)://<host>[/<path>]`.
    pub api_url: Option<String>,
    /// A fixed token, or client id and secret to get one.
    pub credential: Credential,
    /// Whether it is asked for customers' names.
    pub names: bool,
}

/// One shop's Admin API. All calls of a shop go through one client, which is what keeps them below its limits.
pub struct Client {
    address: Uri,
    tokens: TokenSource,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    entropy: Arc<Entropy>,
    pace: Arc<CallPacer>,
    monitor: Monitor,
    names: bool,
    /// What each document was last charged for, by its rows; as many as there are documents and page sizes.
    requested: Mutex<HashMap<(&'static str, u32), f64>>,
}

/// An answer's data and when it was given.
pub(crate) struct GraphqlAnswer<T> {
    pub(crate) data: T,
    /// When Shopify answered, by its own clock, to the second.
    pub(crate) shopify_time: Timestamp,
}

impl Client {
    /// A client with a queue of its own. `clock` tells the time only where an answer does not.
    ///
    /// # Errors
    /// [`Error::Address`] when `api_url` is not an address.
    pub fn new(
        shop: &ShopDomain,
        endpoint: &Endpoint,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        entropy: Arc<Entropy>,
    ) -> Result<Self, Error> {
        let origin = endpoint
            .api_url
            .clone()
            .unwrap_or_else(|| format!("https://{shop}"));
        let below = |path: &str| -> Result<Uri, Error> {
            let address = format!("{}/admin/{path}", origin.trim_end_matches('/'));
            let address: Uri = address.parse().map_err(|_| Error::Address)?;
            let fits =
                matches!(address.scheme_str(), Some("http" | "https")) && address.query().is_none();
            if fits {
                Ok(address)
            } else {
                Err(Error::Address)
            }
        };
        let address = below(&format!("api/{API_VERSION}/graphql.json"))?;
        let tokens = TokenSource::new(
            endpoint.credential.clone(),
            below("oauth/access_token")?,
            Arc::clone(&transport),
            Arc::clone(&entropy),
        );
        let (pace, monitor, requested) = (Arc::default(), Monitor::new(), Mutex::default());
        let names = endpoint.names;
        Ok(Self {
            address,
            tokens,
            transport,
            clock,
            entropy,
            pace,
            monitor,
            names,
            requested,
        })
    }

    /// Whether it asks for customers' names.
    pub fn asks_names(&self) -> bool {
        self.names
    }

    /// Notes that Shopify withholds customers' names, as a bulk operation can tell only by failing.
    pub fn names_are_withheld(&self) {
        self.monitor.hear_of_names(true);
    }

    /// Notes that the app was uninstalled, which the shop has confirmed.
    pub fn app_is_uninstalled(&self) {
        self.monitor.hear_of_uninstalling();
    }

    /// Takes from what was read whether Shopify gives customers' names. Somebody without one is no sign.
    pub(crate) fn look_for_names<'a>(&self, changes: impl IntoIterator<Item = &'a Change>) {
        let named = |change: &Change| matches!(change, Change::Customer(customer) if customer.name.is_some());
        if self.names && changes.into_iter().any(named) {
            self.monitor.hear_of_names(false);
        }
    }

    /// What this shop's answers say about the API and the clocks; changes only when that does.
    pub fn health(&self) -> watch::Receiver<ApiHealth> {
        self.monitor.watch()
    }

    /// Takes in the API version that a webhook of this shop was written in.
    pub fn hear_webhook(&self, version: &str) {
        self.monitor.hear_webhook(version, self.clock.now());
    }

    /// The address of the GraphQL endpoint.
    pub(crate) fn address(&self) -> &Uri {
        &self.address
    }

    pub(crate) fn transport(&self) -> Arc<dyn Transport> {
        Arc::clone(&self.transport)
    }

    /// Asks a question of `rows` rows, again and again where that helps.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        document: &'static Document,
        rows: u32,
        variables: impl Serialize,
        priority: Priority,
    ) -> Result<GraphqlAnswer<T>, Error> {
        self.send(
            document,
            rows,
            document.body(self.names, variables).into(),
            priority,
        )
        .await
    }

    /// Sends a body written for `document`: every time the same bytes, without which a mutation's idempotency
    /// key would be worth nothing. A mutation without such a key is sent again only when it was not carried out.
    pub(crate) async fn send<T: DeserializeOwned>(
        &self,
        document: &'static Document,
        rows: u32,
        body: Bytes,
        priority: Priority,
    ) -> Result<GraphqlAnswer<T>, Error> {
        let mut attempt = 0;
        loop {
            let answer = self.attempt(document, rows, body.clone(), priority).await;
            self.monitor
                .hear_of_answer(document, answer.as_ref().map(drop), self.clock.now());
            let error = match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if attempt == RETRIES_MAX {
                return Err(error);
            }
            match (&error, error.retry()) {
                // The queue knows by now how long to wait.
                (Error::Throttled { .. }, _) => {}
                (_, Retry::Now) => tokio::time::sleep(self.backoff(attempt)).await,
                (_, Retry::After(_) | Retry::Never) => return Err(error),
            }
            tracing::debug!(document = document.name, attempt, %error, "asking Shopify again");
            attempt += 1;
        }
    }

    async fn attempt<T: DeserializeOwned>(
        &self,
        document: &'static Document,
        rows: u32,
        body: Bytes,
        priority: Priority,
    ) -> Result<GraphqlAnswer<T>, Error> {
        let cost = self.expected_cost(document, rows);
        let permit = self
            .pace
            .admit(priority, cost)
            .await
            .map_err(|_| Error::Overloaded)?;
        let token = self
            .tokens
            .current()
            .await
            .map_err(|error| self.heed(error))?;
        // Where an answer is lost, a mutation without a key must not be sent again.
        let lost = |error: Error| match error {
            error if document.is_once() && error.may_be_done() => Error::InDoubt {
                document: document.name,
                cause: Box::new(error),
            },
            error => error,
        };
        let send = |token, body| self.transport.send(self.request(token, body));
        let mut response = send(&token, body.clone())
            .await
            .map_err(|error| lost(error.into()))?;
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(token) = self
                .tokens
                .instead_of(&token)
                .await
                .map_err(|error| self.heed(error))?
        {
            response = send(&token, body)
                .await
                .map_err(|error| lost(error.into()))?;
        }
        self.take_in(document, rows, permit, &response)
            .map_err(lost)
    }

    /// What an answer says to what was asked, and beside that of the queue and the API.
    fn take_in<T: DeserializeOwned>(
        &self,
        document: &'static Document,
        rows: u32,
        permit: CallPermit,
        response: &Response<Bytes>,
    ) -> Result<GraphqlAnswer<T>, Error> {
        let date = date(response.headers());
        self.monitor
            .hear(document, response.headers(), self.clock.now(), date);
        if let Some(error) = status_error(document, response) {
            return Err(self.heed(error));
        }
        let envelope: AnswerEnvelope<'_> = read(document, response.body())?;
        let extensions = envelope.extensions.unwrap_or_default();
        if let Some(cost) = &extensions.cost {
            self.requested()
                .insert((document.name, rows), cost.requested);
            permit.settle(cost.actual, cost.status);
        } else {
            drop(permit);
        }
        let problems = envelope.errors.unwrap_or_default();
        if problems.iter().any(GraphqlProblem::is_withheld_name) {
            self.monitor.hear_of_names(true);
        }
        if let Some(problem) = problems.into_iter().find(|problem| !problem.is_withheld()) {
            let error = graphql_error(document, problem, extensions.cost.as_ref());
            return Err(if extensions.cost.is_none() {
                self.heed(error)
            } else {
                error
            });
        }
        let searches = extensions.search.unwrap_or_default().into_iter();
        if let Some(warning) = searches
            .filter_map(|search| search.warnings)
            .flatten()
            .next()
        {
            return Err(Error::FilterIgnored(shortened(&warning.field)));
        }
        let no_data = || Error::Unreadable {
            document: document.name,
            path: "data".to_owned(),
            json: true,
        };
        let data = read(
            document,
            envelope.data.ok_or_else(no_data)?.get().as_bytes(),
        )?;
        Ok(GraphqlAnswer {
            data,
            shopify_time: date.unwrap_or_else(|| self.clock.now()),
        })
    }

    fn request(&self, token: &AccessToken, body: Bytes) -> Request<Bytes> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.address.clone();
        let json = HeaderValue::from_static("application/json");
        request
            .headers_mut()
            .insert(header::CONTENT_TYPE, json.clone());
        request.headers_mut().insert(header::ACCEPT, json);
        request
            .headers_mut()
            .insert("x-shopify-access-token", token.header.clone());
        request
    }

    /// Lets no call go while Shopify asks to wait without telling of its bucket.
    fn heed(&self, error: Error) -> Error {
        if let Error::Throttled { wait } = error {
            self.pace.rest(wait);
        }
        error
    }

    /// What Shopify charged last time for as many rows, or the most it could.
    fn expected_cost(&self, document: &Document, rows: u32) -> f64 {
        let learned = self.requested().get(&(document.name, rows)).copied();
        learned.unwrap_or_else(|| document.cost_max(rows).into())
    }

    fn requested(&self) -> MutexGuard<'_, HashMap<(&'static str, u32), f64>> {
        self.requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Half of it fixed, half of it random, so that many who failed together do not come back together.
    fn backoff(&self, attempt: u32) -> Duration {
        let longest = BACKOFF_FIRST
            .saturating_mul(1 << attempt.min(16))
            .min(BACKOFF_MAX);
        longest.mul_f64(0.5 + 0.5 * self.entropy.fraction())
    }
}

#[derive(Deserialize)]
struct AnswerEnvelope<'a> {
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    errors: Option<Vec<GraphqlProblem>>,
    extensions: Option<AnswerExtensions>,
}

#[derive(Deserialize)]
struct GraphqlProblem {
    message: String,
    path: Option<Vec<Value>>,
    extensions: Option<ProblemExtensions>,
}

impl GraphqlProblem {
    /// Whether it is only that a buyer, or a name, is withheld from an app without `read_customers` or without leave
    /// to see customers' data: an order is an order without its buyer. What else is refused must not look absent.
    fn is_withheld(&self) -> bool {
        let denied =
            |extensions: &ProblemExtensions| extensions.code.as_deref() == Some("ACCESS_DENIED");
        let buyer = self.is_of(&["customer"]) && self.extensions.as_ref().is_some_and(denied);
        buyer || self.is_withheld_name()
    }

    /// Whether it is that the app has no leave to see customers' names. Shopify's example of it has no code
    /// (<https://shopify.dev/docs/apps/launch/protected-customer-data>).
    fn is_withheld_name(&self) -> bool {
        let code = self
            .extensions
            .as_ref()
            .and_then(|extensions| extensions.code.as_deref());
        self.is_of(&["firstName", "lastName"]) && code.is_none_or(|code| code == "ACCESS_DENIED")
    }

    fn is_of(&self, fields: &[&str]) -> bool {
        let last = self.path.as_ref().and_then(|path| path.last()?.as_str());
        last.is_some_and(|field| fields.contains(&field))
    }
}

#[derive(Default, Deserialize)]
struct ProblemExtensions {
    code: Option<String>,
    #[serde(rename = "requestId")]
    request_id: Option<String>,
}

#[derive(Default, Deserialize)]
struct AnswerExtensions {
    cost: Option<QueryCost>,
    search: Option<Vec<SearchReport>>,
}

#[derive(Deserialize)]
struct QueryCost {
    #[serde(rename = "requestedQueryCost")]
    requested: f64,
    /// `null` when throttled.
    #[serde(rename = "actualQueryCost")]
    actual: Option<f64>,
    #[serde(rename = "throttleStatus")]
    status: ThrottleStatus,
}

/// How Shopify understood a filter.
#[derive(Deserialize)]
struct SearchReport {
    warnings: Option<Vec<SearchWarning>>,
}

#[derive(Deserialize)]
struct SearchWarning {
    #[serde(default)]
    field: String,
}

/// When Shopify gave an answer, by its clock.
fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = headers.get(header::DATE)?;
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(date.as_bytes())
        .ok()
}

fn read<'a, T: Deserialize<'a>>(document: &Document, json: &'a [u8]) -> Result<T, Error> {
    serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_slice(json)).map_err(
        |error| {
            let json = error.inner().is_data();
            let path = if json {
                error.path().to_string()
            } else {
                ".".to_owned()
            };
            Error::Unreadable {
                document: document.name,
                path,
                json,
            }
        },
    )
}

fn status_error(document: &Document, response: &Response<Bytes>) -> Option<Error> {
    let status = response.status();
    match status.as_u16() {
        200 => None,
        401 => Some(Error::Token),
        403 => Some(Error::AccessDenied(words_of(response.body()))),
        400 | 422 => Some(Error::Refused {
            document: document.name,
            code: format!("HTTP {}", status.as_u16()),
            message: status.canonical_reason().unwrap_or_default().to_owned(),
        }),
        other => Some(Error::of_status(other, response.headers())),
    }
}

/// Shopify's own words in a refusal, shortened: `{"errors": "…"}`, also as a list or by field.
fn words_of(body: &[u8]) -> String {
    fn texts(value: &Value) -> Vec<&str> {
        match value {
            Value::String(text) => vec![text],
            Value::Array(values) => values.iter().flat_map(texts).collect(),
            Value::Object(fields) => match fields.get("message") {
                Some(message) => texts(message),
                None => fields.values().flat_map(texts).collect(),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
        }
    }
    let errors = serde_json::from_slice::<Value>(body).ok().and_then(|body| {
        let words = ["errors", "error_description", "error"]
            .into_iter()
            .find_map(|name| body.get(name));
        words.map(|words| texts(words).join("; "))
    });
    let words = shortened(errors.unwrap_or_default().trim());
    if words.is_empty() {
        "HTTP 403".to_owned()
    } else {
        format!("HTTP 403: {words}")
    }
}

fn graphql_error(document: &Document, problem: GraphqlProblem, cost: Option<&QueryCost>) -> Error {
    let GraphqlProblem {
        message,
        extensions,
        ..
    } = problem;
    let ProblemExtensions { code, request_id } = extensions.unwrap_or_default();
    match code.as_deref() {
        Some("THROTTLED") => Error::Throttled {
            wait: cost.map_or(REST_DEFAULT, |cost| cost.status.wait_for(cost.requested)),
        },
        Some("ACCESS_DENIED") => Error::AccessDenied(shortened(&message)),
        Some("SHOP_INACTIVE") => Error::Frozen,
        Some("INTERNAL_SERVER_ERROR") => Error::Server(format!(
            "request {}",
            shortened(&request_id.unwrap_or_default())
        )),
        Some("MAX_COST_EXCEEDED") => Error::TooExpensive(document.name),
        code => Error::Refused {
            document: document.name,
            code: shortened(code.unwrap_or("no code")),
            message: shortened(&message),
        },
    }
}

pub(crate) fn shortened(words: &str) -> String {
    words
        .chars()
        .filter(|c| !c.is_control())
        .take(WORDS_MAX)
        .collect()
}

#[cfg(test)]
mod tests;
