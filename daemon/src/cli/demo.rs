//! `stockd demo`: a pretend store with shoppers in it, the daemon on it, and what happens, live.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use schemas::{Entropy, Role};
use serde_json::json;

use super::say;
use super::sim::{self, PretendStore};
use super::token::{self, Claims};
use super::watch::Watch;
use crate::config::{Address, Config, Environment};
use crate::lifecycle::{self, Process};

/// Shows everything at work: no account, no service, nothing to set up.
#[derive(Debug, Args)]
#[command(after_help = "Example: stockd demo --products 2000 --shoppers 5")]
pub(super) struct Demo {
    /// Where the daemon listens.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: Address,
    /// Where the daemon remembers; a folder of its own that is removed at the end when left out.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    store: PretendStore,
}

impl Demo {
    pub(super) async fn run(self, environment: Environment, json: bool) -> anyhow::Result<()> {
        let throwaway = match self.data {
            None => Some(tempfile::tempdir().context("no folder for the demonstration's data")?),
            Some(_) => None,
        };
        let data =
            self.data.clone().or_else(|| Some(throwaway.as_ref()?.path().to_owned())).unwrap_or_default();
        std::fs::create_dir_all(&data).with_context(|| format!("cannot make {}", data.display()))?;

        let listener = lifecycle::listen(&self.listen).await?;
        let address = listener.local_addr()?;
        let mut options = self.store.options();
        options.webhook_target = Some(format!("http://{address}/webhooks/shopify"));
        // A demonstration should not take as long as a real shop's limits would make it.
        options.restore_rate = 1_000;
        let (shop, webhook_secret) = (options.shop.clone(), options.webhook_secret.clone());
        let access_token = options.access_token.clone();
        let pretend = sim::open(options).await?;

        let text = format!(
            "[[server]]\nlisten = \"{}\"\n[auth]\nsecret = \"{}\"\n[store]\nurl = {}\n\
             [[shop]]\ndomain = \"{shop}\"\naccess_token = \"{access_token}\"\nwebhook_secrets = [\"{webhook_secret}\"]\n\
             api_url = \"{}\"\n[sync.products]\nquick = \"0 * * * * *\"\n[sync.inventory]\nquick = \"30 * * * * *\"\n",
            address,
            Entropy::from_system()?.uuid(),
            toml::Value::from(format!("sqlite:{}", data.join("stockd.db").display())),
            pretend.url(),
        );
        let config = Config::read(&text, "the demonstration's configuration", &Environment::default())?;
        let tokens = tokens(&config, &environment)?;
        let process = Process::start(config, &environment, vec![listener]).await?;
        let url = format!("http://{address}");
        let admin = tokens.get("admin").cloned().unwrap_or_default();
        if json {
            say(json!({
                "url": url,
                "simUrl": pretend.url(),
                "shop": shop,
                "webhookSecret": webhook_secret,
                "tokens": tokens,
            }))?;
            process.until_signal().await?;
        } else {
            say(format_args!("stockd    {url}\nstore     {} ({shop})\n\ntokens", pretend.url()))?;
            for (role, token) in &tokens {
                say(format_args!("  {role:<9} {token}"))?;
            }
            say(format_args!(
                "\nwatch it from another terminal:  stockd watch --url {url} --token <token>\nCtrl-C ends it\n"
            ))?;
            let watch = Watch::of(&url, &admin);
            tokio::select! {
                ended = process.until_signal() => ended?,
                ended = watch.follow(false) => ended?,
            }
        }
        pretend.stop().await;
        Ok(())
    }
}

fn tokens(config: &Config, environment: &Environment) -> anyhow::Result<BTreeMap<&'static str, String>> {
    let roles = [Role::Admin, Role::Manager, Role::Staff, Role::Customer, Role::Guest, Role::Service];
    roles
        .into_iter()
        .map(|role| {
            let user = format!("demo-{}", role.as_str());
            Ok((role.as_str(), token::signed(&config.auth, environment, role, &user, Claims::default())?))
        })
        .collect()
}
