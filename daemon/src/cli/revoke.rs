//! `stockd revoke`: tokens that are no longer taken, in the running daemon.

use clap::Args;
use schemas::UserId;
use serde_json::json;

use super::api_client::ShopArgs;
use super::say;
use crate::config::Environment;

/// Revokes one token, or all tokens of a user that were issued so far. Connections that use them end at once.
#[derive(Debug, Args)]
#[command(after_help = "Example: stockd revoke --user ann")]
pub(super) struct Revoke {
    /// Revoke every token of this user that was issued so far.
    #[arg(
        long,
        value_name = "ID",
        required_unless_present = "jti",
        conflicts_with = "jti"
    )]
    user: Option<UserId>,
    /// Revoke the token with this `jti`.
    #[arg(long, value_name = "JTI")]
    jti: Option<String>,
    #[command(flatten)]
    connection: ShopArgs,
}

impl Revoke {
    pub(super) async fn run(self, environment: &Environment, json: bool) -> anyhow::Result<()> {
        let rest = self.connection.open(environment, "stockd-revoke")?;
        let asked = match (&self.user, &self.jti) {
            (Some(user), _) => json!({ "userId": user }),
            (None, jti) => json!({ "jti": jti }),
        };
        let answer = rest.post("revocations", Some(&asked)).await?;
        if json { say(&answer) } else { say("revoked") }
    }
}
