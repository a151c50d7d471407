//! A client of the REST API of a running daemon: where the daemon is, whose token is used, and the requests.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use http::{Method, StatusCode};
use reqwest::Url;
use schemas::{ErrorBody, ErrorCode, Role, ShopDomain};
use serde::Deserialize as _;
use serde_json::Value;

use super::Usage;
use super::token::{self, Claims};
use crate::config::{Address, Config, Environment};

/// Longest wait for an answer; the daemon itself gives none later than after 30 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(35);
/// Where the daemon is unless somebody says otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// How to reach the daemon, and as whom.
#[derive(Debug, Args)]
pub(super) struct ConnectionArgs {
    /// Address of the daemon; by default the first listener of --config, or http://127.0.0.1:8080.
    #[arg(long, global = true, env = "STOCKD_URL")]
    pub(super) url: Option<String>,
    /// Token of the user who asks.
    #[arg(long, global = true, env = "STOCKD_TOKEN", hide_env_values = true)]
    pub(super) token: Option<String>,
    /// Configuration of the daemon: gives its address, and the secret to sign a token for an admin.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

/// Where the daemon is, and the token to use there.
pub(super) struct DaemonAccess {
    /// Where the daemon is.
    pub(super) url: Url,
    /// Token of the user who asks.
    pub(super) token: String,
}

impl ConnectionArgs {
    /// Where the daemon is; the token given, or one signed for an admin of that name.
    pub(super) fn open(
        &self,
        environment: &Environment,
        user: &str,
        shop: Option<&ShopDomain>,
    ) -> anyhow::Result<DaemonAccess> {
        let config = self
            .config
            .as_ref()
            .map(|path| Config::load(path, environment))
            .transpose()?;
        let url = match (&self.url, &config) {
            (Some(url), _) => url.clone(),
            (None, Some(config)) => listener(config)?,
            (None, None) => DEFAULT_URL.to_owned(),
        };
        let url = url
            .parse()
            .map_err(|problem| Usage(format!("--url {url:?}: {problem}")))?;
        let token = match (&self.token, &config) {
            (Some(token), _) => token.clone(),
            (None, Some(config)) => {
                let claims = Claims {
                    shops: shop.map(|shop| vec![shop.to_string()]),
                    ..Claims::default()
                };
                token::signed(&config.auth, environment, Role::Admin, user, claims)?
            }
            (None, None) => {
                let remedy = "say who you are: --token (or STOCKD_TOKEN) with a token of the daemon's, or --config with its configuration";
                return Err(Usage(remedy.to_owned()).into());
            }
        };
        Ok(DaemonAccess { url, token })
    }
}

/// The address of the first listener, as one on the same machine reaches it.
fn listener(config: &Config) -> anyhow::Result<String> {
    let listen = config.server.first().map(|server| &server.listen);
    match listen {
        Some(listen) if listen.port() != 0 => Ok(format!("http://{}", reachable(listen))),
        _ => {
            let remedy = "the configuration lets the system choose the port: say --url with the one it chose";
            Err(Usage(remedy.to_owned()).into())
        }
    }
}

/// "Every address of this machine" is none to connect to.
fn reachable(listen: &Address) -> String {
    let (host, port) = listen.pair();
    match host.parse() {
        Ok(IpAddr::V4(ip)) if ip.is_unspecified() => {
            SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string()
        }
        Ok(IpAddr::V6(ip)) if ip.is_unspecified() => {
            SocketAddr::from((Ipv6Addr::LOCALHOST, port)).to_string()
        }
        _ => listen.to_string(),
    }
}

/// How to reach the daemon, and which shop the command is about.
#[derive(Debug, Args)]
pub(super) struct ShopArgs {
    #[command(flatten)]
    connection: ConnectionArgs,
    /// Shop to act on, if there are several.
    #[arg(long, global = true, value_name = "DOMAIN")]
    shop: Option<ShopDomain>,
}

/// REST as one user.
pub(super) struct ApiClient {
    client: reqwest::Client,
    url: Url,
    token: String,
    shop: Option<ShopDomain>,
}

/// What the daemon answered in place of what was asked for.
#[derive(Debug)]
pub(super) struct ApiRefusal {
    status: StatusCode,
    pub(super) error: ErrorBody,
}

impl ApiRefusal {
    /// Whether a value of the command line is wrong, rather than how things stand.
    pub(super) fn is_usage(&self) -> bool {
        [StatusCode::BAD_REQUEST, StatusCode::PAYLOAD_TOO_LARGE].contains(&self.status)
    }
}

impl fmt::Display for ApiRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = self.error.field.as_deref() {
            match flag(field) {
                Some(flag) => write!(f, "{flag}: ")?,
                None => write!(f, "{field}: ")?,
            }
        }
        f.write_str(&self.error.message)
    }
}

impl std::error::Error for ApiRefusal {}

/// What a field of a request is called on the command line.
fn flag(field: &str) -> Option<&'static str> {
    Some(match field {
        "delta" => "--delta",
        "expected" => "--expected",
        "idempotencyKey" => "--key",
        "inventoryItemId" => "--item",
        "jti" => "--jti",
        "locationId" => "--location",
        "name" => "--name",
        "orderId" => "--order",
        "quantity" => "--quantity",
        "reason" => "--reason",
        "reference" => "--reference",
        "reservationId" => "--reservation",
        "sale" => "--sale",
        "shop" => "--shop",
        "sku" => "--sku",
        "ttlSeconds" => "--ttl",
        "userId" => "--user",
        _ => return None,
    })
}

impl ShopArgs {
    /// A client that acts as the token's bearer, or as an admin of that name.
    pub(super) fn open(self, environment: &Environment, user: &str) -> anyhow::Result<ApiClient> {
        let Self { connection, shop } = self;
        ApiClient::new(connection.open(environment, user, shop.as_ref())?, shop)
    }
}

impl ApiClient {
    pub(super) fn new(opened: DaemonAccess, shop: Option<ShopDomain>) -> anyhow::Result<Self> {
        let DaemonAccess { url, token } = opened;
        // Proxies would come out of the environment, which only the configuration reads.
        let client = reqwest::Client::builder()
            .timeout(ANSWER_TIMEOUT)
            .no_proxy()
            .build()?;
        Ok(Self {
            client,
            url,
            token,
            shop,
        })
    }

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
        let response = response.with_context(|| {
            let hint = "is it running there? --url or --config say where it is";
            format!("no daemon answers at {}: {hint}", self.url)
        })?;
        let status = response.status();
        let answer: Value = response.json().await.unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        match ErrorBody::deserialize(&answer["error"]) {
            Ok(error) => Err(ApiRefusal { status, error }.into()),
            Err(_) => anyhow::bail!("{} answers {status}: is it stockd?", self.url),
        }
    }
}

/// What stands in the way, if the daemon said so.
pub(super) fn refusal(error: &anyhow::Error) -> Option<ErrorCode> {
    error
        .downcast_ref::<ApiRefusal>()
        .map(|refused| refused.error.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(listen: &str, url: Option<&str>) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("stockd.toml");
        let text = format!(
            "[[server]]\nlisten = \"{listen}\"\n[auth]\nsecret = \"0123456789abcdef0123456789abcdef\"\n[[shop]]\n\
             domain = \"pretend.myshopify.com\"\naccess_token = \"x\"\nwebhook_secrets = [\"x\"]\n"
        );
        std::fs::write(&config, text).unwrap();
        let connection = ConnectionArgs {
            url: url.map(str::to_owned),
            token: None,
            config: Some(config),
        };
        let opened = connection.open(&Environment::default(), "ann", None);
        opened
            .map(|opened| opened.url.to_string())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_configuration_says_where_the_daemon_is() {
        assert_eq!(
            found("127.0.0.1:8341", None).unwrap(),
            "http://127.0.0.1:8341/"
        );
        assert_eq!(
            found("0.0.0.0:8341", None).unwrap(),
            "http://127.0.0.1:8341/"
        );
        assert_eq!(
            found("localhost:8341", None).unwrap(),
            "http://localhost:8341/"
        );
        assert_eq!(found("[::]:8341", None).unwrap(), "http://[::1]:8341/");
        assert_eq!(
            found("127.0.0.1:8341", Some("http://stock:1")).unwrap(),
            "http://stock:1/"
        );
        assert!(found("127.0.0.1:0", None).unwrap_err().contains("--url"));
        assert!(
            found("127.0.0.1:1", Some("no address"))
                .unwrap_err()
                .contains("--url")
        );
    }
}
