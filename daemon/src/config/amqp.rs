//! `[amqp]`: the RabbitMQ broker whose messages are told to clients.

use std::path::PathBuf;

#[cfg(feature = "amqp")]
use lapin::uri::AMQPUri;
use serde::Deserialize;

#[cfg(feature = "amqp")]
use super::{ConfigError, Environment};
use super::{ConfigFault, SecretRef};

/// A broker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amqp {
    /// `amqps://user:password@host:5671/vhost`, or `amqp://` without TLS; a secret for the password in it.
    pub url: SecretRef,
    /// For a broker with a certificate of one's own making: a PEM file with the authorities that vouch for it.
    pub ca: Option<PathBuf>,
    /// The topic exchange that other programs publish to.
    #[serde(default = "exchange")]
    pub exchange: String,
}

fn exchange() -> String {
    "events".to_owned()
}

/// A broker with its secrets fetched.
#[cfg(feature = "amqp")]
#[derive(Clone)]
pub struct Broker {
    pub(crate) uri: AMQPUri,
    pub(crate) authorities: Option<String>,
    pub(crate) exchange: String,
}

impl Amqp {
    pub(super) fn check(&self) -> Result<(), ConfigFault> {
        match self.exchange.len() {
            1..=255 => Ok(()),
            _ => Err(ConfigFault::new(
                "amqp.exchange",
                "is the name of an exchange: 1 to 255 bytes",
            )),
        }
    }

    /// The broker with its address and authorities.
    ///
    /// # Errors
    /// When one cannot be had or read. The address is not repeated, for the password in it.
    #[cfg(feature = "amqp")]
    pub fn fetch(&self, environment: &Environment) -> Result<Broker, ConfigError> {
        let refuse = |setting: &str, problem: String| ConfigError::Secret {
            setting: setting.to_owned(),
            problem,
        };
        let uri = self
            .url
            .resolve("amqp.url", environment)?
            .parse()
            .map_err(|_| {
                refuse(
                    "amqp.url",
                    "is no broker's address: write amqps://user:password@host:5671/vhost"
                        .to_owned(),
                )
            })?;
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|error| {
                refuse(
                    "amqp.ca",
                    format!("cannot be read from {}: {error}", path.display()),
                )
            })
        };
        let authorities = self.ca.as_ref().map(read).transpose()?;
        Ok(Broker {
            uri,
            authorities,
            exchange: self.exchange.clone(),
        })
    }
}

#[cfg(test)]
#[cfg(feature = "amqp")]
mod tests {
    use super::*;

    fn read(text: &str) -> Amqp {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn a_broker_is_read_and_a_bad_address_is_not_repeated() {
        let environment = Environment::default();
        let broker = read("url = 'amqps://stock:hush@broker.example:5671/%2f'")
            .fetch(&environment)
            .unwrap();
        assert_eq!(
            (broker.uri.authority.host.as_str(), broker.exchange.as_str()),
            ("broker.example", "events")
        );
        let refused = |text: &str| read(text).fetch(&environment).err().unwrap().to_string();
        let bad = refused("url = 'https://stock:hush@broker.example'");
        assert!(
            bad.contains("amqp.url") && bad.contains("amqps://") && !bad.contains("hush"),
            "{bad}"
        );
        let missing = refused("url = 'amqp://broker.example'\nca = '/nowhere/ca.pem'");
        assert!(
            missing.contains("amqp.ca") && missing.contains("/nowhere/ca.pem"),
            "{missing}"
        );
        assert!(
            read("url = 'amqp://broker.example'\nexchange = ''")
                .check()
                .unwrap_err()
                .why
                .contains("exchange")
        );
    }
}
