//! What the realtime side needs from the rest of the daemon: the log, the levels, who a token is, and somebody to
//! carry out commands.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use schemas::command::CommandKind;
use schemas::shape::LevelShape;
use schemas::{
    AnyId, CustomerId, ErrorBody, Identity, LevelSelection, LocationId, LogEntry, Offset, OrderId,
    Room, Sequence, ShopDomain, Timestamp,
};
use serde_json::Value;

/// Whose an order is, and where it is fulfilled.
pub type OrderOwner = (Option<CustomerId>, Vec<LocationId>);

/// The durable log and the mirror, as readers need them.
#[async_trait]
pub trait EventSource: Send + Sync + 'static {
    /// The shops there are. Fixed while the daemon runs.
    fn shops(&self) -> Vec<ShopDomain>;

    /// The company that a shop belongs to, if it is of one.
    fn company(&self, shop: &ShopDomain) -> Option<AnyId>;

    /// Whose an order is and where it is fulfilled, in the first of those shops that has it.
    async fn order(
        &self,
        shops: &[ShopDomain],
        order: OrderId,
    ) -> Result<Option<OrderOwner>, SourceError>;

    /// The last committed entry. Its epoch does not change while the daemon runs.
    fn head(&self) -> Offset;

    /// The first `limit` entries of that shop in any of those rooms with `after < sequence <= until`, in order.
    async fn replay(
        &self,
        shop: &ShopDomain,
        rooms: &BTreeSet<Room>,
        after: Sequence,
        until: Sequence,
        limit: usize,
    ) -> Result<Vec<LogEntry>, SourceError>;

    /// A secret as old as the log, for what is given out sealed and comes back after a restart.
    fn secret(&self) -> [u8; 32];

    /// Keeps the rooms of that session in place of what was kept; once this answers, on disk.
    async fn keep_session(
        &self,
        id: String,
        owner: String,
        rooms: String,
        at: Timestamp,
    ) -> Result<(), SourceError>;

    /// The rooms kept of that session of that owner. Sees everything that was kept before it was asked.
    async fn session(&self, id: &str, owner: &str) -> Result<KeptRooms, SourceError>;

    /// The levels of those shops that match, and the sequence at which they are exact: all read in one
    /// transaction that began after the call, so that nothing published before the call is missing. Those who ask for
    /// the same may be given the same. The selection says what they may see.
    ///
    /// More than `limit` is [`SourceError::TooMany`].
    async fn levels(
        &self,
        shops: &[ShopDomain],
        selection: &LevelSelection,
        limit: usize,
    ) -> Result<Arc<LevelsSnapshot>, SourceError>;
}

/// Levels as they all were at one place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelsSnapshot {
    /// A JSON array of level shapes, made once for all who are shown them, and held until the last has been sent it.
    pub levels: Bytes,
    /// Where they are exact.
    pub at: Sequence,
}

impl LevelsSnapshot {
    /// Of these levels. What is held for it is let go with it.
    pub fn new<H: Send + 'static>(levels: &[LevelShape], at: Sequence, held: H) -> Self {
        struct Held<H>(Vec<u8>, H);
        impl<H> AsRef<[u8]> for Held<H> {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        // Shapes of ours: there is nothing in them that JSON cannot say.
        let levels = serde_json::to_vec(levels).unwrap_or_else(|_| b"[]".to_vec());
        Self {
            levels: Bytes::from_owner(Held(levels, held)),
            at,
        }
    }
}

/// What the source knows of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptRooms {
    /// What was kept last.
    pub rooms: Option<String>,
    /// Records written up to here may have made room for others; `None` when none has.
    pub evicted_at: Option<Timestamp>,
}

/// Why the source has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The log no longer reaches back that far. Reload; trying again does not help.
    #[error("the log no longer reaches back that far")]
    TooOld,
    /// More than the limit. Ask for less.
    #[error("more than can be given at once")]
    TooMany,
    /// Not now. Try again.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
}

/// Carries out commands.
#[async_trait]
pub trait CommandHandler: Send + Sync + 'static {
    /// Carries one out for `by` in the shop of that name, or in the only one there is for them; the answer is an
    /// object. Once begun it happens or is refused as a whole, also when nobody waits for the answer any more.
    async fn run(
        &self,
        by: &Identity,
        shop: Option<&str>,
        kind: CommandKind,
        payload: Value,
    ) -> Result<Value, ErrorBody>;
}

/// Verifies tokens.
pub trait Authenticator: Send + Sync + 'static {
    /// Who that token is, if it is one of ours and good at `now`.
    fn identify(&self, token: &str, now: Timestamp) -> Result<Identity, AuthError>;

    /// Whether somebody who was identified is no longer to be taken for who they are, though their token has not run
    /// out. Asked of everybody after [`crate::Hub::recheck_tokens`].
    fn is_revoked(&self, identity: &Identity) -> bool;
}

/// Why nobody was recognised. The sentences are those the documents' clients compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No token.
    #[error("Authentication required")]
    Required,
    /// A token that may yet turn out to be ours. To be tried again in a few seconds.
    #[error("The keys of tokens are being fetched; try again in a few seconds")]
    NotYet,
    /// A token that is not ours, or no longer.
    #[error("Invalid or expired token")]
    Invalid,
}
