//! Every secret that the configuration refers to, fetched before anything is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::ShopDomain;
use shopify::{Credential, Secret};

use crate::alerts::{self, Channel};
#[cfg(feature = "amqp")]
use crate::config::Broker;
use crate::config::{self, Config, ConfigError, Environment};
use crate::people::auth::Tokens;

/// Every secret, fetched before anything is opened, so that a missing one is what is complained of.
pub struct Secrets {
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) shops: Arc<ShopSecrets>,
    pub(crate) credentials: BTreeMap<ShopDomain, Credential>,
    pub(crate) alerts: Vec<Channel>,
    #[cfg(feature = "amqp")]
    pub(crate) broker: Option<Broker>,
}

impl Secrets {
    /// Fetches what the configuration refers to.
    ///
    /// # Errors
    /// When one cannot be had or is too weak.
    pub fn fetch(config: &Config, environment: &Environment) -> Result<Self, ConfigError> {
        Self::gather(config, environment).map_err(|error| config.located(error))
    }

    fn gather(config: &Config, environment: &Environment) -> Result<Self, ConfigError> {
        let credential = |(n, shop): (usize, &config::Shop)| {
            let secret = |reference: &config::SecretRef, name: &str| {
                shopify_secret(reference, &format!("shop[{n}].{name}"), environment)
            };
            let credential = match (&shop.access_token, &shop.client_id, &shop.client_secret) {
                (None, Some(id), Some(client)) => Credential::ClientCredentials {
                    id: id.clone(),
                    secret: secret(client, "client_secret")?,
                },
                (Some(token), ..) => Credential::Token(secret(token, "access_token")?),
                // Refused where the configuration is read.
                _ => {
                    return Err(ConfigError::Secret {
                        setting: format!("shop[{n}].access_token"),
                        problem: "is missing".to_owned(),
                    });
                }
            };
            Ok((shop.domain.clone(), credential))
        };
        Ok(Self {
            tokens: Arc::new(Tokens::new(config, environment)?),
            shops: Arc::new(webhook_secrets(config, environment)?),
            credentials: config
                .shop
                .iter()
                .enumerate()
                .map(credential)
                .collect::<Result<_, ConfigError>>()?,
            alerts: alerts::channels(&config.alerts, environment)?,
            #[cfg(feature = "amqp")]
            broker: config
                .amqp
                .as_ref()
                .map(|amqp| amqp.fetch(environment))
                .transpose()?,
        })
    }
}

/// The webhook secrets of every shop that is ours.
pub struct ShopSecrets(BTreeMap<ShopDomain, Vec<Secret>>);

impl ShopSecrets {
    /// What that shop's webhooks are signed with; `None` when it is not ours.
    pub fn webhook_secrets(&self, shop: &ShopDomain) -> Option<&[Secret]> {
        self.0.get(shop).map(Vec::as_slice)
    }

    /// Shops whose webhooks may be signed with what another shop's are signed with: two of one app share its secret.
    pub(crate) fn sharing(&self) -> BTreeSet<ShopDomain> {
        let same =
            |one: &[Secret], other: &[Secret]| one.iter().any(|secret| other.contains(secret));
        let shares = |shop: &ShopDomain, secrets: &[Secret]| {
            self.0
                .iter()
                .any(|(other, theirs)| other != shop && same(secrets, theirs))
        };
        self.0
            .iter()
            .filter(|(shop, secrets)| shares(shop, secrets))
            .map(|(shop, _)| shop.clone())
            .collect()
    }

    /// Every shop that is ours.
    pub fn domains(&self) -> Vec<ShopDomain> {
        self.0.keys().cloned().collect()
    }
}

fn webhook_secrets(config: &Config, environment: &Environment) -> Result<ShopSecrets, ConfigError> {
    let of_shop = |(n, shop): (usize, &config::Shop)| {
        let setting = format!("shop[{n}].webhook_secrets");
        let secrets = shop.webhook_secrets();
        let secrets = secrets
            .into_iter()
            .map(|secret| shopify_secret(secret, &setting, environment));
        Ok((
            shop.domain.clone(),
            secrets.collect::<Result<_, ConfigError>>()?,
        ))
    };
    Ok(ShopSecrets(
        config
            .shop
            .iter()
            .enumerate()
            .map(of_shop)
            .collect::<Result<_, ConfigError>>()?,
    ))
}

fn shopify_secret(
    secret: &config::SecretRef,
    setting: &str,
    environment: &Environment,
) -> Result<Secret, ConfigError> {
    let text = secret.resolve(setting, environment)?;
    text.parse()
        .map_err(|problem: shopify::SecretError| ConfigError::Secret {
            setting: setting.to_owned(),
            problem: format!("cannot be used: {problem}"),
        })
}
