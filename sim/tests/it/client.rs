//! A plain HTTP client of the pretend shop.

use serde_json::{Value, json};
use sim::{Options, Sim};

pub(crate) struct Client {
    pub(crate) sim: Sim,
    pub(crate) http: reqwest::Client,
    token: String,
}

impl Client {
    pub(crate) async fn open(options: Options) -> Self {
        let token = options.access_token.clone();
        let sim = Sim::start(options).await.expect("the shop opens");
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .expect("a client");
        Self { sim, http, token }
    }

    pub(crate) fn with_token(mut self, token: &str) -> Self {
        token.clone_into(&mut self.token);
        self
    }

    pub(crate) fn request(&self, query: &str, variables: &Value) -> reqwest::RequestBuilder {
        self.http
            .post(format!("{}/admin/api/2026-10/graphql.json", self.sim.url()))
            .header("X-Shopify-Access-Token", &self.token)
            .json(&json!({ "query": query, "variables": variables }))
    }

    pub(crate) async fn query(&self, query: &str, variables: Value) -> Value {
        let answer = self
            .request(query, &variables)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), 200);
        answer.json().await.expect("JSON")
    }

    pub(crate) async fn look(&self, route: &str) -> Value {
        let answer = self
            .http
            .get(format!("{}/_sim/{route}", self.sim.url()))
            .send()
            .await
            .expect("an answer");
        answer.json().await.expect("JSON")
    }

    /// Does something to the shop; gives the status and the answer.
    pub(crate) async fn act(&self, route: &str, body: Value) -> (u16, Value) {
        let request = self
            .http
            .post(format!("{}/_sim/{route}", self.sim.url()))
            .json(&body);
        let answer = request.send().await.expect("an answer");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    pub(crate) async fn done(&self, route: &str, body: Value) -> Value {
        let (status, answer) = self.act(route, body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }
}

/// A shop that is quick to fill.
pub(crate) fn small() -> Options {
    Options {
        products: 20,
        locations: 2,
        restore_rate: 1_000_000,
        ..Options::default()
    }
}
