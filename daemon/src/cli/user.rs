//! `stockd user`: the people who sign in to the page.

use clap::{Args, Subcommand};
use schemas::{LocationId, Role, ShopDomain, Timestamp};
use serde_json::{Value, json};

use super::api_client::{ApiClient, ConnectionArgs};
use super::terminal::Terminal;
use super::token::role;
use super::{say, tell};
use crate::config::Environment;

/// Manages the people who sign in to the page. On the machine itself it needs no token: whoever may open the daemon's
/// control socket may do it.
#[derive(Debug, Args)]
#[command(after_help = "Example: stockd user list")]
pub(super) struct UserCommand {
    #[command(subcommand)]
    deed: UserDeed,
    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Debug, Subcommand)]
enum UserDeed {
    /// Add a user; prints a link by which they set their password.
    #[command(after_help = "Example: stockd user add 'Ann Berg' --role admin")]
    Add {
        /// Name with which the user signs in.
        name: String,
        /// Role: admin, manager, staff or super_admin.
        #[arg(long, value_parser = role)]
        role: Role,
        /// Locations to which the user is limited, separated by commas.
        #[arg(long, value_delimiter = ',', value_name = "IDS")]
        locations: Option<Vec<LocationId>>,
        /// Shops to which the user is limited, separated by commas.
        #[arg(long, value_delimiter = ',', value_name = "DOMAINS")]
        shops: Option<Vec<ShopDomain>>,
    },
    /// Print a link by which a user sets another password.
    #[command(after_help = "Example: stockd user password 'Ann Berg'")]
    Password {
        /// Name of the user, in any case.
        name: String,
    },
    /// List users and when they signed in last.
    #[command(after_help = "Example: stockd user list")]
    List,
    /// Sign a user out everywhere, and let them in no more.
    #[command(after_help = "Example: stockd user disable 'Ann Berg'")]
    Disable {
        /// Name of the user, in any case.
        name: String,
    },
    /// Let a disabled user in again.
    #[command(after_help = "Example: stockd user enable 'Ann Berg'")]
    Enable {
        /// Name of the user, in any case.
        name: String,
    },
}

impl UserCommand {
    pub(super) async fn run(self, environment: &Environment, json: bool) -> anyhow::Result<()> {
        let opened = self.connection.open(environment, "stockd-user", None)?;
        let api = ApiClient::new(opened, None)?;
        match self.deed {
            UserDeed::Add {
                name,
                role,
                locations,
                shops,
            } => {
                let wanted =
                    json!({ "name": name, "role": role, "locations": locations, "shops": shops });
                let user = api.post("users", Some(&wanted)).await?;
                print_link(&api, &user, json).await
            }
            UserDeed::Password { name } => print_link(&api, &named(&api, &name).await?, json).await,
            UserDeed::List => list(&api, environment, json).await,
            UserDeed::Disable { name } => set_disabled(&api, &name, true, json).await,
            UserDeed::Enable { name } => set_disabled(&api, &name, false, json).await,
        }
    }
}

/// The user of that name, in any case.
async fn named(api: &ApiClient, name: &str) -> anyhow::Result<Value> {
    let users = api.get("users", &[]).await?;
    let wanted = name.trim().to_lowercase();
    let is_wanted = |user: &&Value| {
        let name = user["name"].as_str().map(str::to_lowercase);
        name.as_ref() == Some(&wanted)
    };
    let users = users["data"].as_array().into_iter().flatten();
    let found = users.into_iter().find(is_wanted).cloned();
    found.ok_or_else(|| {
        anyhow::anyhow!("there is no user {name:?}; `stockd user list` shows who there is")
    })
}

fn path_of(user: &Value) -> String {
    format!("users/{}", user["id"].as_str().unwrap_or_default())
}

async fn print_link(api: &ApiClient, user: &Value, json: bool) -> anyhow::Result<()> {
    let made = api.post(&format!("{}/link", path_of(user)), None).await?;
    let link = made["link"].as_str().unwrap_or_default();
    if json {
        return say(json!({ "user": user, "link": link, "expiresAt": made["expiresAt"] }));
    }
    tell(format_args!(
        "{} sets a password by this link, once, within 24 hours:",
        user["name"].as_str().unwrap_or_default()
    ))?;
    tell(format_args!("  {link}"))?;
    tell("From another machine, take its own address of stockd (https) for what stands before /#.")
}

async fn set_disabled(
    api: &ApiClient,
    name: &str,
    disabled: bool,
    json: bool,
) -> anyhow::Result<()> {
    let user = named(api, name).await?;
    let changed = api
        .patch(&path_of(&user), &json!({ "disabled": disabled }))
        .await?;
    if json {
        return say(&changed);
    }
    let state = if disabled { "disabled" } else { "enabled" };
    tell(format_args!("{name} is {state}"))
}

async fn list(api: &ApiClient, environment: &Environment, json: bool) -> anyhow::Result<()> {
    let users = api.get("users", &[]).await?;
    if json {
        return say(&users);
    }
    let terminal = Terminal::of_process(environment);
    let users = users["data"].as_array().map_or(&[][..], Vec::as_slice);
    if users.is_empty() {
        return tell("There is no user yet: stockd user add NAME --role admin");
    }
    for user in users {
        let seen = user["lastSeenAt"]
            .as_str()
            .and_then(|seen| seen.parse::<Timestamp>().ok());
        let seen = seen.map_or_else(|| "never signed in".to_owned(), |seen| terminal.date(seen));
        let mut notes = vec![seen];
        if user["disabled"] == true {
            notes.push("disabled".to_owned());
        }
        if user["hasPassword"] == false {
            notes.push("no password yet".to_owned());
        }
        tell(format_args!(
            "{:<24} {:<12} {}",
            user["name"].as_str().unwrap_or_default(),
            user["role"].as_str().unwrap_or_default(),
            notes.join(", ")
        ))?;
    }
    Ok(())
}
