//! A Shopify that answers by a function, for tests.

#![expect(
    clippy::unnecessary_wraps,
    clippy::needless_pass_by_value,
    reason = "so that scripts read as lists of answers"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use schemas::Entropy;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::client::{Client, Endpoint};
use crate::credential::Credential;
use crate::transport::{Transport, TransportError};

type FakeAnswer = Result<Response<Bytes>, TransportError>;

pub(crate) struct Fake {
    answer: Box<dyn Fn(&Value) -> FakeAnswer + Send + Sync>,
    pub(crate) requests: Mutex<Vec<(Instant, Request<Bytes>)>>,
}

impl Fake {
    /// Answers each request by this function of its body, at once.
    pub(crate) fn new(answer: impl Fn(&Value) -> FakeAnswer + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            answer: Box::new(answer),
            requests: Mutex::default(),
        })
    }

    /// Gives these answers, one after the other; a further request fails the test.
    pub(crate) fn script(answers: impl IntoIterator<Item = FakeAnswer>) -> Arc<Self> {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        let answers = Mutex::new(answers);
        Self::new(move |_| answers.lock().unwrap().pop().expect("one request too many"))
    }

    pub(crate) fn client(self: &Arc<Self>) -> Client {
        client(Arc::clone(self) as _)
    }

    /// A client that asks for customers' names.
    pub(crate) fn client_for_names(self: &Arc<Self>) -> Client {
        let credential = Credential::Token("shpat_pretend".parse().unwrap());
        client_with(
            Arc::clone(self) as _,
            &Endpoint {
                api_url: None,
                credential,
                names: true,
            },
        )
    }

    /// The variables of each request so far.
    pub(crate) fn variables(&self) -> Vec<Value> {
        let requests = self.requests.lock().unwrap();
        requests
            .iter()
            .map(|(_, request)| json_of(request.body())["variables"].clone())
            .collect()
    }

    /// When each request so far came, from the first on.
    pub(crate) fn times(&self) -> Vec<Duration> {
        let requests = self.requests.lock().unwrap();
        requests.iter().map(|(at, _)| *at - requests[0].0).collect()
    }
}

#[async_trait]
impl Transport for Fake {
    async fn send(&self, request: Request<Bytes>) -> FakeAnswer {
        let body = json_of(request.body());
        self.requests
            .lock()
            .unwrap()
            .push((Instant::now(), request));
        (self.answer)(&body)
    }
}

/// A client of `pretend.myshopify.com`, where it is 10 o'clock.
pub(crate) fn client(transport: Arc<dyn Transport>) -> Client {
    let endpoint = Endpoint {
        api_url: None,
        credential: Credential::Token("shpat_pretend".parse().unwrap()),
        names: false,
    };
    client_with(transport, &endpoint)
}

pub(crate) fn client_with(transport: Arc<dyn Transport>, endpoint: &Endpoint) -> Client {
    let clock = Arc::new(|| "2026-11-20T10:00:00Z".parse().unwrap());
    let shop = "pretend.myshopify.com".parse().unwrap();
    Client::new(
        &shop,
        endpoint,
        transport,
        clock,
        Arc::new(Entropy::seeded(1)),
    )
    .unwrap()
}

pub(crate) fn json_of(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap()
}

pub(crate) fn status(status: u16) -> FakeAnswer {
    Ok(Response::builder()
        .status(status)
        .body(Bytes::new())
        .unwrap())
}

/// An answer with these data, well within the limits.
pub(crate) fn data(data: Value) -> FakeAnswer {
    body(&json!({ "data": data, "extensions": { "cost": cost(10.0, Some(10.0), 1990.0) } }))
}

pub(crate) fn body(body: &Value) -> FakeAnswer {
    Ok(Response::builder()
        .header("Date", "Fri, 20 Nov 2026 11:22:33 GMT")
        .body(body.to_string().into())
        .unwrap())
}

pub(crate) fn cost(requested: f64, actual: Option<f64>, available: f64) -> Value {
    json!({
        "requestedQueryCost": requested, "actualQueryCost": actual,
        "throttleStatus": { "maximumAvailable": 2000.0, "currentlyAvailable": available, "restoreRate": 100 },
    })
}
