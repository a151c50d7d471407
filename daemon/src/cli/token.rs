//! `stockd token`: a token from the configured secret.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use jiff::SignedDuration;
use schemas::{Clock, CustomerId, Entropy, LocationId, Role, ShopDomain};
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::api_client::{ApiClient, ConnectionArgs, DaemonAccess};
use super::lifetime::Lifetime;
use super::{Usage, say};
use crate::clock::SystemClock;
use crate::config::{Auth, Config, Environment};
use crate::people::accounts::ID_PREFIX;
use crate::people::auth::{self, NewToken};

/// Prints a token for a user, signed with the configured secret or, where there is none, by the daemon over its control
/// socket.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: stockd token --config stockd.toml --role staff --user ann --locations 1,2 --ttl 7d"
)]
pub(super) struct TokenCommand {
    /// Configuration file with the secret; without it the installed daemon is asked.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Role: admin, manager, staff, customer, guest, service or super_admin.
    #[arg(long, value_parser = role)]
    role: Role,
    /// Id of the user, for the audit trail.
    #[arg(long, value_name = "ID")]
    user: schemas::UserId,
    /// Customer id of the user.
    #[arg(long, value_name = "ID")]
    customer: Option<CustomerId>,
    /// Locations to which the user is limited, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "IDS")]
    locations: Option<Vec<LocationId>>,
    /// Shops to which the user is limited, separated by commas.
    #[arg(long, value_delimiter = ',', value_name = "DOMAINS")]
    shops: Option<Vec<ShopDomain>>,
    /// Lifetime of the token, such as 30m, 8h or 7d.
    #[arg(long, default_value = "8h", value_name = "TIME")]
    ttl: Lifetime,
}

pub(super) fn role(name: &str) -> Result<Role, String> {
    let word = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(name);
    Role::deserialize(word).map_err(|_| {
        "a role is admin, manager, staff, customer, guest, service or super_admin".to_owned()
    })
}

impl TokenCommand {
    pub(super) async fn run(self, environment: &Environment, json: bool) -> anyhow::Result<()> {
        let path = self.config.as_ref();
        let config = path.map(|path| Config::load(path, environment));
        let token = match config.transpose()? {
            Some(config) if config.auth.issuer_algorithm().is_some() => {
                self.signed(&config, environment)?
            }
            _ => self.given(environment).await?,
        };
        if json {
            say(json!({ "token": token }))
        } else {
            say(token)
        }
    }

    fn signed(self, config: &Config, environment: &Environment) -> anyhow::Result<String> {
        let (role, shops) = (self.role, self.shops);
        let shops = shops.map(|shops| shops.iter().map(ToString::to_string).collect());
        if self.user.as_str().starts_with(ID_PREFIX) {
            let problem = "--user: ids that begin with u_ are those of stockd's own users";
            return Err(Usage(problem.to_owned()).into());
        }
        let claims = Claims {
            customer: self.customer,
            locations: self.locations,
            shops,
            ttl: self.ttl.0,
        };
        let token = signed(&config.auth, environment, role, self.user.as_str(), claims);
        token.map_err(|error| match error.downcast() {
            Ok(error) => config.located(error).into(),
            Err(other) => other,
        })
    }

    /// A token that the daemon signs.
    async fn given(self, environment: &Environment) -> anyhow::Result<String> {
        let connection = ConnectionArgs {
            url: None,
            token: None,
            config: self.config,
        };
        let opened = connection.open(environment, "stockd-token", None)?;
        let wanted = json!({
            "userId": self.user,
            "role": self.role,
            "customerId": self.customer,
            "locations": self.locations,
            "shops": self.shops,
            "ttlSeconds": self.ttl,
        });
        given(&opened, &wanted).await
    }
}

/// A token that says this, signed by the daemon over its control socket.
pub(super) async fn given(opened: &DaemonAccess, wanted: &Value) -> anyhow::Result<String> {
    let api = ApiClient::new(opened.clone(), None)?;
    let given = api.post("tokens", Some(wanted)).await?;
    Ok(given["token"].as_str().unwrap_or_default().to_owned())
}

/// What a token says beyond role and user.
pub(super) struct Claims {
    pub(super) customer: Option<CustomerId>,
    pub(super) locations: Option<Vec<LocationId>>,
    pub(super) shops: Option<Vec<String>>,
    pub(super) ttl: SignedDuration,
}

impl Default for Claims {
    fn default() -> Self {
        Self {
            customer: None,
            locations: None,
            shops: None,
            ttl: SignedDuration::from_hours(8),
        }
    }
}

/// A token signed with the configured secret.
pub(super) fn signed(
    auth: &Auth,
    environment: &Environment,
    role: Role,
    user: &str,
    claims: Claims,
) -> anyhow::Result<String> {
    let now = SystemClock.now();
    let exp = now.saturating_add(claims.ttl)?.as_second();
    let entropy = Entropy::from_system().context("the system gives no randomness")?;
    let token = NewToken {
        sub: user.to_owned(),
        role,
        customer_id: claims.customer,
        locations: claims.locations,
        shops: claims.shops,
        iat: now.as_second(),
        jti: entropy.uuid().to_string(),
        exp,
        iss: None,
        aud: None,
    };
    Ok(auth::issue(auth, environment, token)?)
}
