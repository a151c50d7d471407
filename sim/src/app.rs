//! The app as the shop knows it: whether it is installed, and by which tokens it may come.
//!
//! <https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens/client-credentials-grant>, 2026-10.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// How long a token lives, always, in seconds.
pub(crate) const TOKEN_LIFE: i64 = 86_399;
/// Tokens that are remembered; a newer one makes the shop forget the oldest.
const MAX_TOKENS: usize = 1_000;

#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, not states"
)]
pub(crate) struct App {
    client_id: String,
    /// Also the key that webhooks are signed with.
    client_secret: String,
    /// The token that does not end by itself.
    fixed: String,
    fixed_revoked: bool,
    /// Tokens got by client id and secret, and when they end.
    tokens: VecDeque<(String, Timestamp)>,
    pub(crate) installed: bool,
    /// Whether app and shop belong to the same organisation.
    pub(crate) permitted: bool,
    new_token_ends_old: bool,
    issued: u64,
    seed: u64,
}

/// Why there is no token.
#[derive(Clone, Copy)]
pub(crate) enum NoToken {
    Grant,
    Client,
    Organisation,
    Installation,
}

impl App {
    pub(crate) fn new(options: &crate::Options) -> Self {
        Self {
            client_id: options.client_id.clone(),
            client_secret: options.webhook_secret.clone(),
            fixed: options.access_token.clone(),
            fixed_revoked: false,
            tokens: VecDeque::new(),
            installed: true,
            permitted: true,
            new_token_ends_old: options.new_token_ends_old,
            issued: 0,
            seed: options.seed,
        }
    }

    /// Gives a token for client id and secret.
    pub(crate) fn grant(
        &mut self,
        grant_type: &str,
        (id, secret): (&str, &str),
        now: Timestamp,
    ) -> Result<String, NoToken> {
        if grant_type != "client_credentials" {
            return Err(NoToken::Grant);
        }
        if (id, secret) != (&*self.client_id, &*self.client_secret) {
            return Err(NoToken::Client);
        }
        if !self.permitted {
            return Err(NoToken::Organisation);
        }
        if !self.installed {
            return Err(NoToken::Installation);
        }
        if self.new_token_ends_old {
            self.tokens.clear();
        }
        self.issued += 1;
        let name = format!("{} token {}", self.seed, self.issued);
        let token = format!(
            "shpat_{}",
            Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes()).simple()
        );
        let ends = now
            .saturating_add(SignedDuration::from_secs(TOKEN_LIFE))
            .unwrap_or(Timestamp::MAX);
        if self.tokens.len() == MAX_TOKENS {
            self.tokens.pop_front();
        }
        self.tokens.push_back((token.clone(), ends));
        Ok(token)
    }

    /// Whether a call that carries this may come in.
    pub(crate) fn admits(&self, token: &[u8], now: Timestamp) -> bool {
        let fixed = !self.fixed_revoked && token == self.fixed.as_bytes();
        let lives = |(known, ends): &(String, Timestamp)| token == known.as_bytes() && now < *ends;
        self.installed && (fixed || self.tokens.iter().any(lives))
    }

    /// Ends every token, the fixed one too if it is said so.
    pub(crate) fn revoke(&mut self, fixed_too: bool) {
        self.tokens.clear();
        self.fixed_revoked |= fixed_too;
    }

    pub(crate) fn install(&mut self) {
        (self.installed, self.fixed_revoked) = (true, false);
    }

    pub(crate) fn uninstall(&mut self) {
        self.revoke(true);
        self.installed = false;
    }
}
