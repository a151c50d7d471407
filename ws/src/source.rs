//! What the realtime side needs from the daemon: the log, the levels, the verification of tokens,
//! and the commands.

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

/// The customer whose order it is, and the locations that fulfil it.
pub type OrderOwner = (Option<CustomerId>, Vec<LocationId>);

/// The durable log and the mirror, as far as sockets need them.
#[async_trait]
pub trait EventSource: Send + Sync + 'static {
    /// The shops of this daemon, which do not change while it runs.
    fn shops(&self) -> Vec<ShopDomain>;

    /// The company that a shop belongs to; `None` when it belongs to none.
    fn company(&self, shop: &ShopDomain) -> Option<AnyId>;

    /// The owner of an order, from the first of those shops that has it. `None` when no shop knows
    /// the order.
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

    /// A secret that lives as long as the log. It seals what is given to clients and has to be
    /// readable after a restart.
    fn secret(&self) -> [u8; 32];

    /// Replaces the stored rooms of a session. They are on disk when this returns.
    async fn keep_session(
        &self,
        id: String,
        owner: String,
        rooms: String,
        at: Timestamp,
    ) -> Result<(), SourceError>;

    /// The stored rooms of a session, if it has that owner. Sees everything that was stored before
    /// the call.
    async fn session(&self, id: &str, owner: &str) -> Result<KeptRooms, SourceError>;

    /// The levels of those shops that match the selection, and the sequence at which they are
    /// exact. All are read in one transaction that begins after the call, so that nothing published
    /// before it is missing. Equal questions may share an answer. The selection already says what
    /// the client may see.
    ///
    /// More than `limit` is [`SourceError::TooMany`].
    async fn levels(
        &self,
        shops: &[ShopDomain],
        selection: &LevelSelection,
        limit: usize,
    ) -> Result<Arc<LevelsSnapshot>, SourceError>;
}

/// The levels as they were at one sequence of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelsSnapshot {
    /// A JSON array of levels, written once for all clients that are sent it.
    pub levels: Bytes,
    /// The sequence at which the levels are exact.
    pub at: Sequence,
}

impl LevelsSnapshot {
    /// Writes the levels as JSON. `held` is dropped with the last reference to the text: the caller
    /// bounds the snapshots under way by it.
    pub fn new<H: Send + 'static>(levels: &[LevelShape], at: Sequence, held: H) -> Self {
        struct Held<H>(Vec<u8>, H);
        impl<H> AsRef<[u8]> for Held<H> {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }
        // Our own shapes: writing them as JSON cannot fail.
        let levels = serde_json::to_vec(levels).unwrap_or_else(|_| b"[]".to_vec());
        Self {
            levels: Bytes::from_owner(Held(levels, held)),
            at,
        }
    }
}

/// What the store has of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptRooms {
    /// The rooms that were stored last; `None` when there are none.
    pub rooms: Option<String>,
    /// Sessions stored up to this time may have made room for others; `None` when none has.
    pub evicted_at: Option<Timestamp>,
}

/// Why the source has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The log no longer reaches back that far. The client has to load again; trying again does not
    /// help.
    #[error("the log no longer reaches back that far")]
    TooOld,
    /// There are more than `limit`. The client has to ask for less.
    #[error("more than can be given at once")]
    TooMany,
    /// The store does not answer now. The client may try again.
    #[error("the store does not answer: {0}")]
    Unavailable(String),
}

/// Carries out the commands of clients.
#[async_trait]
pub trait CommandHandler: Send + Sync + 'static {
    /// Carries a command out for `by`, in the shop of that name, or in the only one that `by` may
    /// enter. The answer is a JSON object. Once begun, the command happens or is refused as a
    /// whole, also when nobody waits for the answer any more.
    async fn run(
        &self,
        by: &Identity,
        shop: Option<&str>,
        kind: CommandKind,
        payload: Value,
    ) -> Result<Value, ErrorBody>;
}

/// Verifies the tokens of clients.
pub trait TokenVerifier: Send + Sync + 'static {
    /// The identity that a token stands for, if the token is valid at `now`.
    fn identify(&self, token: &str, now: Timestamp) -> Result<Identity, AuthError>;

    /// Whether an identity was revoked before its token expires. Asked of every socket after
    /// [`crate::Hub::recheck_tokens`].
    fn is_revoked(&self, identity: &Identity) -> bool;
}

/// Why a token is refused. The clients of the documents compare these sentences, so they must not
/// change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The client sent no token.
    #[error("Authentication required")]
    Required,
    /// The keys of tokens are being fetched, so it is not known yet whether the token is valid. The
    /// client may try again in a few seconds.
    #[error("The keys of tokens are being fetched; try again in a few seconds")]
    NotYet,
    /// The token is not ours, or no longer valid.
    #[error("Invalid or expired token")]
    Invalid,
}
