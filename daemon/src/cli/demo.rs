//! `stockd demo`: a pretend store with shoppers in it, the daemon on it, and what happens, live.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use indicatif::{ProgressBar, ProgressFinish};
use schemas::{CustomerId, Entropy, Role};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::api_client::{ApiClient, DaemonAccess};
use super::say;
use super::screen::Screen;
use super::sim::{self, PretendStore};
use super::terminal::Terminal;
use super::token::{self, Claims};
use super::watch::WatchStream;
use crate::config::{Address, Config, Environment};
use crate::limits::PAGE_RECORDS_MAX;
use crate::process::{self, Process, Signals};

/// How often is looked whether the store's records are here.
const IMPORT_PAUSE: Duration = Duration::from_millis(200);
/// The file with the token of an admin alone, for the shell.
const ADMIN_TOKEN: &str = "admin.token";
/// The port that commands take for granted.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// Runs a pretend store with the daemon on it and shows the live stream. It needs no account and no service.
#[derive(Debug, Args)]
#[command(after_help = "Example: stockd demo --products 2000 --shoppers 5")]
pub(super) struct Demo {
    /// Address on which the daemon listens.
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    listen: Address,
    /// Origin of a page that may connect, such as http://localhost:5173; can be repeated.
    #[arg(long, value_name = "ORIGIN")]
    origin: Vec<String>,
    /// Folder for the daemon's data. If you leave it out, a temporary folder is used and removed at the end.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    store: PretendStore,
}

impl Demo {
    pub(super) async fn run(self, environment: Environment, json: bool) -> anyhow::Result<()> {
        // Caught before the folder is made, so that no signal leaves it behind.
        let mut signals = Signals::of_a_terminal()?;
        let throwaway = match self.data {
            None => {
                let folder = tempfile::Builder::new().prefix("stockd-demo-").tempdir();
                Some(folder.context("no folder for the demonstration's data")?)
            }
            Some(_) => None,
        };
        let data = self
            .data
            .clone()
            .or_else(|| Some(throwaway.as_ref()?.path().to_owned()))
            .unwrap_or_default();
        std::fs::create_dir_all(&data)
            .with_context(|| format!("cannot make {}", data.display()))?;
        let data = std::path::absolute(&data)?;

        let secret = Entropy::from_system()?.uuid().to_string();
        let options = self.store.options();
        let configuration = |listen: &str, api: &str| {
            let text = configuration(listen, &self.origin, &data, api, &secret, &options);
            let place = "the demonstration's configuration";
            Config::read(&text, place, &environment).map(|config| (text, config))
        };
        // A variable may say where to listen, and the store must know it before its own address is known.
        let (_, config) = configuration(&self.listen.to_string(), "http://127.0.0.1:9")?;
        let listen = config
            .server
            .first()
            .map_or(&self.listen, |server| &server.listen);
        let listener = process::listen(listen).await?;
        let address = listener.local_addr()?;
        let url = format!("http://{address}");
        let pretend = sim::open(::sim::Options {
            webhook_target: Some(format!("{url}/webhooks/shopify")),
            // A demonstration should not take as long as a real shop's limits would make it.
            restore_rate: 1_000,
            ..options.clone()
        });
        let pretend = pretend.await?;
        let (text, config) = configuration(&address.to_string(), &pretend.url())?;

        let buyer = buyer(&pretend.url(), &options).await?;
        let tokens = tokens(&config, &environment, buyer)?;
        let admin = tokens.get("admin").cloned().unwrap_or_default();
        let page_url = format!("{url}/#token={admin}");
        let about = json!({
            "url": url,
            "pageUrl": page_url,
            "simUrl": pretend.url(),
            "shop": options.shop,
            "webhookSecret": options.webhook_secret,
            "tokens": tokens,
        });
        write_secret(&data.join("stockd.toml"), &text)?;
        write_secret(&data.join("demo.json"), &format!("{about}\n"))?;
        write_secret(&data.join(ADMIN_TOKEN), &format!("{admin}\n"))?;
        let process = tokio::select! {
            started = Process::start(config, &environment, vec![listener]) => started?,
            () = signals.end() => return Ok(()),
        };
        if json {
            say(&about)?;
            process.until(&mut signals).await?;
        } else {
            let opened = DaemonAccess {
                url: url.parse()?,
                socket: None,
                token: Some(admin),
            };
            let show = show(&environment, opened, &about, &data);
            tokio::select! {
                ended = process.until(&mut signals) => ended?,
                ended = show => ended?,
            }
        }
        pretend.stop().await;
        Ok(())
    }
}

/// The configuration of the demonstration's daemon.
fn configuration(
    listen: &str,
    origins: &[String],
    data: &Path,
    api_url: &str,
    secret: &str,
    store: &::sim::Options,
) -> String {
    let url = format!("sqlite:{}", data.join("stockd.db").display());
    let (shop, access_token, webhook_secret) =
        (&store.shop, &store.access_token, &store.webhook_secret);
    format!(
        "# Made by `stockd demo`, for commands that take --config.\n\
         [[server]]\nlisten = \"{listen}\"\norigins = {}\n[auth]\nsecret = \"{secret}\"\n[store]\nurl = {}\n\
         [[shop]]\ndomain = \"{shop}\"\naccess_token = \"{access_token}\"\nwebhook_secrets = [\"{webhook_secret}\"]\n\
         api_url = \"{api_url}\"\n[sync.products]\nquick = \"0 * * * * *\"\n[sync.inventory]\nquick = \"30 * * * * *\"\n",
        toml::Value::from(origins.to_vec()),
        toml::Value::from(url),
    )
}

/// Writes a file with secrets in it, which only its owner can read.
fn write_secret(path: &Path, text: &str) -> anyhow::Result<()> {
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// The customer with most of the latest orders, who has something to see.
async fn buyer(store: &str, options: &::sim::Options) -> anyhow::Result<Option<CustomerId>> {
    let query =
        json!({ "query": "{ orders(first: 50, reverse: true) { nodes { customer { id } } } }" });
    let request = reqwest::Client::builder().no_proxy().build()?.post(format!(
        "{store}/admin/api/{}/graphql.json",
        shopify::API_VERSION
    ));
    let answer = request
        .header("X-Shopify-Access-Token", &options.access_token)
        .json(&query)
        .send()
        .await?;
    let answer: Value = answer.json().await?;
    let mut orders = BTreeMap::<&str, usize>::new();
    for order in answer["data"]["orders"]["nodes"]
        .as_array()
        .into_iter()
        .flatten()
    {
        if let Some(customer) = order["customer"]["id"].as_str() {
            *orders.entry(customer).or_default() += 1;
        }
    }
    let most = orders.into_iter().max_by_key(|(_, count)| *count);
    Ok(most.and_then(|(customer, _)| customer.parse().ok()))
}

fn tokens(
    config: &Config,
    environment: &Environment,
    buyer: Option<CustomerId>,
) -> anyhow::Result<BTreeMap<&'static str, String>> {
    let roles = [
        Role::Admin,
        Role::Manager,
        Role::Staff,
        Role::Customer,
        Role::Guest,
        Role::Service,
    ];
    roles
        .into_iter()
        .map(|role| {
            let user = format!("demo-{}", role.as_str());
            let claims = Claims {
                customer: buyer.filter(|_| role == Role::Customer),
                ..Claims::default()
            };
            Ok((
                role.as_str(),
                token::signed(&config.auth, environment, role, &user, claims)?,
            ))
        })
        .collect()
}

/// The panel, once there is something to try it on, and below it what changes.
async fn show(
    environment: &Environment,
    opened: DaemonAccess,
    about: &Value,
    data: &Path,
) -> anyhow::Result<()> {
    let rest = ApiClient::new(opened.clone(), None)?;
    let bar = ProgressBar::new_spinner().with_finish(ProgressFinish::AndClear);
    bar.enable_steady_tick(IMPORT_PAUSE);
    loop {
        let status = rest.get("status", &[]).await?;
        if is_imported(&status) {
            break;
        }
        let count: u64 = resources(&status)
            .iter()
            .filter_map(|of| of["lastRun"]["processed"].as_u64())
            .sum();
        bar.set_message(format!(
            "{} copies the pretend store: {count} records so far",
            opened.url
        ));
        sleep(IMPORT_PAUSE).await;
    }
    bar.finish_and_clear();
    let example = example(&rest).await?;
    let program = std::env::args_os()
        .next()
        .unwrap_or_else(|| "stockd".into());
    let panel = panel(about, &program.to_string_lossy(), data, example.as_ref());
    let terminal = Terminal::of_process(environment);
    let screen = Screen::new(environment, terminal.clone(), panel);
    screen.draw()?;
    let mut stream = WatchStream::of_changes(terminal);
    tokio::select! {
        ended = stream.follow(&opened) => ended,
        ended = screen.redraw_when_resized() => ended,
    }
}

/// Whether every resource was brought over once.
fn is_imported(status: &Value) -> bool {
    !resources(status).is_empty()
        && resources(status)
            .iter()
            .all(|of| !of["completeUntil"].is_null())
}

fn resources(status: &Value) -> &[Value] {
    status["resources"]
        .as_array()
        .map_or(&[][..], Vec::as_slice)
}

/// An item of which there is enough, and where: its SKU, else its id, and the location's id.
async fn example(rest: &ApiClient) -> anyhow::Result<Option<(String, String)>> {
    let levels = rest
        .get("levels", &[("limit", &PAGE_RECORDS_MAX.to_string())])
        .await?;
    let levels = levels["data"].as_array().map_or(&[][..], Vec::as_slice);
    let is_plenty = |level: &&Value| {
        level["tracked"] == true
            && level["active"] == true
            && level["available"].as_i64() >= Some(20)
    };
    let Some(level) = levels.iter().find(is_plenty) else {
        return Ok(None);
    };
    let item = level["sku"]
        .as_str()
        .or_else(|| level["inventoryItemId"].as_str());
    Ok(item
        .zip(level["locationId"].as_str())
        .map(|(item, location)| (item.to_owned(), location.to_owned())))
}

/// All that somebody needs who sees stockd for the first time, for a screen of 80 columns.
fn panel(
    about: &Value,
    program: &str,
    data: &Path,
    example: Option<&(String, String)>,
) -> Vec<String> {
    let text = |key: &str| about[key].as_str().unwrap_or_default();
    let url = text("url");
    let mut lines = vec![
        "stockd demo: a pretend Shopify store, and an exact copy of it. Ctrl-C ends both."
            .to_owned(),
        format!("  page     {}", text("pageUrl")),
        format!(
            "  store    {}/_sim/truth  ({})",
            text("simUrl"),
            text("shop")
        ),
        format!(
            "  tokens   {}  (of all six roles)",
            data.join("demo.json").display()
        ),
        String::new(),
        "Open a second terminal in this folder. Say once who you are, an admin:".to_owned(),
        format!(
            "export STOCKD_TOKEN=$(cat '{}')",
            data.join(ADMIN_TOKEN).display()
        ),
    ];
    if url != DEFAULT_URL {
        lines.push(format!("export STOCKD_URL={url}"));
    }
    lines.push("Then reserve something, see what is low, and follow what happens:".to_owned());
    if let Some((item, location)) = example {
        lines.push(format!("  {program} inventory reserve --item {item} \\"));
        lines.push(format!(
            "    --location {location} --quantity 2 --reason 'phone order'"
        ));
    }
    lines.push(format!("  {program} levels --low"));
    lines.push(format!("  {program} watch"));
    lines.push("What changes, as it happens:".to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_panel_leaves_room_for_events_on_a_small_screen() {
        let link = format!("http://127.0.0.1:8123/#token={}", "x".repeat(270));
        let about = json!({ "url": "http://127.0.0.1:8123", "pageUrl": link, "simUrl": "http://127.0.0.1:9123", "shop": "pretend.myshopify.com" });
        let example = ("KETTLE-00001-1".to_owned(), "7000001032772".to_owned());
        let data = Path::new("/tmp/stockd-demo-XXXXXX");
        let lines = panel(&about, "target/demo/stockd", data, Some(&example));
        let rows: usize = lines
            .iter()
            .map(|line| line.chars().count().div_ceil(80).max(1))
            .sum();
        assert!(rows <= 18, "{rows} of 24 rows");
        let wide = lines
            .iter()
            .filter(|line| line.chars().count() > 80)
            .count();
        assert_eq!(
            wide, 1,
            "only the link with the token is wider than the screen"
        );
    }
}
