//! `stockd token`: a token from the configured secret.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use jiff::SignedDuration;
use schemas::{Clock, CustomerId, Entropy, LocationId, Role, ShopDomain};
use serde::Deserialize as _;
use serde_json::json;

use super::lifetime::Lifetime;
use super::say;
use crate::clock::SystemClock;
use crate::config::{Auth, Config, Environment};
use crate::people::auth::{self, NewToken};

/// Prints a token for a user, signed with the configured secret.
#[derive(Debug, Args)]
#[command(
    after_help = "Example: stockd token --config stockd.toml --role staff --user ann --locations 1,2 --ttl 7d"
)]
pub(super) struct TokenCommand {
    /// Configuration file with the secret.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
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

fn role(name: &str) -> Result<Role, String> {
    let word = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(name);
    Role::deserialize(word).map_err(|_| {
        "a role is admin, manager, staff, customer, guest, service or super_admin".to_owned()
    })
}

impl TokenCommand {
    pub(super) fn run(self, environment: &Environment, json: bool) -> anyhow::Result<()> {
        let config = Config::load(&self.config, environment)?;
        let (role, shops) = (self.role, self.shops);
        let shops = shops.map(|shops| shops.iter().map(ToString::to_string).collect());
        let claims = Claims {
            customer: self.customer,
            locations: self.locations,
            shops,
            ttl: self.ttl.0,
        };
        let token = signed(&config.auth, environment, role, self.user.as_str(), claims);
        let token = token.map_err(|error| match error.downcast() {
            Ok(error) => config.located(error).into(),
            Err(other) => other,
        })?;
        if json {
            say(json!({ "token": token }))
        } else {
            say(token)
        }
    }
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
