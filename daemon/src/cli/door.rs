//! The door of a running daemon: where it is, who knocks, and REST through it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use http::Method;
use reqwest::Url;
use schemas::{Role, ShopDomain};
use serde_json::Value;

use super::Usage;
use super::token::{self, Claims};
use crate::config::{Config, Environment};

/// Longest wait for an answer; the daemon itself gives none later than after 30 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(35);

/// Where, and who.
#[derive(Debug, Args)]
pub(super) struct Door {
    /// Where the daemon is.
    #[arg(long, global = true, default_value = "http://127.0.0.1:8080")]
    pub(super) url: String,
    /// Who asks.
    #[arg(long, global = true, env = "STOCKD_TOKEN", hide_env_values = true)]
    pub(super) token: Option<String>,
    /// Without a token: sign one for an admin with this configuration's secret.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

impl Door {
    /// The token given, or one signed for an admin of that name.
    pub(super) fn token(
        &self,
        environment: &Environment,
        user: &str,
        shop: Option<&ShopDomain>,
    ) -> anyhow::Result<String> {
        match (&self.token, &self.config) {
            (Some(token), _) => Ok(token.clone()),
            (None, Some(path)) => {
                let config = Config::load(path, environment)?;
                let claims = Claims { shops: shop.map(|shop| vec![shop.to_string()]), ..Claims::default() };
                token::signed(&config.auth, environment, Role::Admin, user, claims)
            }
            (None, None) => Err(Usage("say who you are: --token or --config".to_owned()).into()),
        }
    }
}

/// The door, and the shop behind it.
#[derive(Debug, Args)]
pub(super) struct ShopDoor {
    #[command(flatten)]
    door: Door,
    /// Which shop, where there are several.
    #[arg(long, global = true, value_name = "DOMAIN")]
    shop: Option<ShopDomain>,
}

/// REST as one user.
pub(super) struct Rest {
    client: reqwest::Client,
    url: Url,
    token: String,
    shop: Option<ShopDomain>,
}

impl ShopDoor {
    /// REST through this door, as the token's bearer, or as an admin of that name.
    pub(super) fn open(self, environment: &Environment, user: &str) -> anyhow::Result<Rest> {
        let Self { door, shop } = self;
        let token = door.token(environment, user, shop.as_ref())?;
        // Proxies would come out of the environment, which only the configuration reads.
        let client = reqwest::Client::builder().timeout(ANSWER_TIMEOUT).no_proxy().build()?;
        let url = door.url.parse().map_err(|problem| Usage(format!("--url {:?}: {problem}", door.url)))?;
        Ok(Rest { client, url, token, shop })
    }
}

impl Rest {
    /// What is there to be read.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        self.ask(Method::GET, path, query, None).await
    }

    /// What comes of a request.
    pub(super) async fn post(&self, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.ask(Method::POST, path, &[], body).await
    }

    /// The answer; a refusal is an error in its own words.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let mut url = self.url.clone();
        url.set_path(&format!("/api/v1/{path}"));
        let shop = self.shop.as_ref().map(|shop| ("shop", shop.as_str()));
        for (key, value) in query.iter().copied().chain(shop) {
            url.query_pairs_mut().append_pair(key, value);
        }
        let mut request = self.client.request(method, url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await;
        let response = response.with_context(|| format!("no daemon answers at {}", self.url))?;
        let status = response.status();
        let answer: Value = response.json().await.unwrap_or_default();
        if !status.is_success() {
            match answer["error"]["message"].as_str() {
                Some(sentence) => anyhow::bail!("{sentence}"),
                None => anyhow::bail!("the daemon answers {status}"),
            }
        }
        Ok(answer)
    }
}
