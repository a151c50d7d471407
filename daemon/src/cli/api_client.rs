//! A client of the REST API of a running daemon: where the daemon is, whose token is used, and the requests.

use std::fmt;
use std::io::ErrorKind;
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
use crate::config::{Algorithm, Config, Environment};
use crate::control;

/// Longest wait for an answer; the daemon itself gives none later than after 30 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(35);
/// What a request by the control socket calls the daemon.
const SOCKET_URL: &str = "http://localhost/";
/// Where the daemon is unless somebody says otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// How to reach the daemon, and as whom.
#[derive(Debug, Args)]
pub(super) struct ConnectionArgs {
    /// Address of the daemon. By default that of --config, else the control socket of an installed daemon, else
    /// http://127.0.0.1:8080.
    #[arg(long, global = true, env = "STOCKD_URL")]
    pub(super) url: Option<String>,
    /// Token of the user who asks. The control socket needs none.
    #[arg(long, global = true, env = "STOCKD_TOKEN", hide_env_values = true)]
    pub(super) token: Option<String>,
    /// Configuration of the daemon: gives its address, and the secret to sign a token for an admin or, without one, its
    /// control socket.
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

/// Where the daemon is, and as whom to ask there.
#[derive(Clone)]
pub(super) struct DaemonAccess {
    /// Where the daemon is.
    pub(super) url: Url,
    /// The Unix socket by which it is reached in place of the address's own.
    pub(super) socket: Option<PathBuf>,
    /// Token of the user who asks; none is needed on the control socket.
    pub(super) token: Option<String>,
}

impl DaemonAccess {
    /// By that control socket.
    fn by_socket(socket: PathBuf, token: Option<String>) -> anyhow::Result<Self> {
        Ok(Self {
            url: SOCKET_URL.parse()?,
            socket: Some(socket),
            token,
        })
    }
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
        let mut token = self.token.clone();
        if let (None, Some(config)) = (&token, &config)
            && config.auth.issuer_algorithm() == Some(Algorithm::HS256)
        {
            let claims = Claims {
                shops: shop.map(|shop| vec![shop.to_string()]),
                ..Claims::default()
            };
            let signed = token::signed(&config.auth, environment, Role::Admin, user, claims)?;
            token = Some(signed);
        }
        if self.url.is_none()
            && let Some(socket) = usable_socket(config.as_ref(), token.is_some())?
        {
            return DaemonAccess::by_socket(socket, token);
        }
        let url = match (&self.url, &config) {
            (Some(url), _) => url.clone(),
            (None, Some(config)) => listener(config)?,
            (None, None) => DEFAULT_URL.to_owned(),
        };
        let url = url
            .parse()
            .map_err(|problem| Usage(format!("--url {url:?}: {problem}")))?;
        if token.is_none() {
            let remedy = "say who you are: --token (or STOCKD_TOKEN) with a token of the daemon's, or --config with its configuration";
            return Err(Usage(remedy.to_owned()).into());
        }
        Ok(DaemonAccess {
            url,
            socket: None,
            token,
        })
    }
}

/// The control socket that may be used: of the configuration where that has no secret to sign with, else of an installed
/// daemon.
fn usable_socket(config: Option<&Config>, has_token: bool) -> anyhow::Result<Option<PathBuf>> {
    let installed = || PathBuf::from(control::INSTALLED);
    let paths = match config {
        Some(_) if has_token => return Ok(None),
        Some(config) => vec![control::beside(&config.store.url.0), installed()],
        None => vec![installed()],
    };
    for path in paths {
        match std::os::unix::net::UnixStream::connect(&path) {
            Ok(_) => return Ok(Some(path)),
            Err(error) if error.kind() == ErrorKind::PermissionDenied && !has_token => {
                anyhow::bail!(
                    "you may not open {}: do this as root, or as a member of the group stockd",
                    path.display()
                );
            }
            // None is there, or nobody listens to it any more.
            Err(_) => {}
        }
    }
    Ok(None)
}

/// The address of the first listener, as one on the same machine reaches it.
fn listener(config: &Config) -> anyhow::Result<String> {
    let listen = config.server.first().map(|server| &server.listen);
    match listen {
        Some(listen) if listen.port() != 0 => Ok(format!("http://{}", listen.reachable())),
        _ => {
            let remedy = "the configuration lets the system choose the port: say --url with the one it chose";
            Err(Usage(remedy.to_owned()).into())
        }
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
    opened: DaemonAccess,
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
        "role" => "--role",
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
        // Proxies would come out of the environment, which only the configuration reads.
        let mut client = reqwest::Client::builder()
            .timeout(ANSWER_TIMEOUT)
            .no_proxy();
        if let Some(socket) = opened.socket.clone() {
            client = client.unix_socket(socket);
        }
        Ok(Self {
            client: client.build()?,
            opened,
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

    /// What comes of a change.
    pub(super) async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.ask(Method::PATCH, path, &[], Some(body)).await
    }

    /// The answer; a refusal is an error in its own words.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let mut url = self.opened.url.clone();
        url.set_path(&format!("/api/v1/{path}"));
        let shop = self.shop.as_ref().map(|shop| ("shop", shop.as_str()));
        for (key, value) in query.iter().copied().chain(shop) {
            url.query_pairs_mut().append_pair(key, value);
        }
        let mut request = self.client.request(method, url);
        if let Some(token) = &self.opened.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await;
        let response = response.with_context(|| {
            let hint = "is it running there? --url or --config say where it is";
            format!("no daemon answers at {}: {hint}", self.opened.url)
        })?;
        let status = response.status();
        let answer: Value = response.json().await.unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        match ErrorBody::deserialize(&answer["error"]) {
            Ok(error) => Err(ApiRefusal { status, error }.into()),
            Err(_) => anyhow::bail!("{} answers {status}: is it stockd?", self.opened.url),
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
