//! Everything stockd knows of Shopify: webhooks verified, GraphQL paced, answers translated into our words.
//!
//! ```text
//!  webhook  ─▶ Webhook::verify ─▶ (inbox) ─▶ read ─┬─▶ Notice
//!                                                  ├─▶ schemas::Change
//!  Client ─▶ pace ─▶ Transport ─▶ Shopify ─▶ answer ┤
//!    ▲                                 │    └─▶ StockAnswer
//!    │                                 └─ file ─▶ BulkRows ─▶ schemas::Change
//!  stock_body, stored and sent as it is
//! ```
//!
//! A webhook that is verified is read into changes:
//!
//! ```
//! use schemas::Change;
//! use shopify::{WebhookReading, read};
//!
//! let body = br#"{"inventory_item_id": 30322695, "location_id": 24826418, "available": 4,
//!                 "updated_at": "2026-10-01T12:00:00+02:00"}"#;
//! let WebhookReading::Changes(changes) = read("inventory_levels/update", body, None, false)? else {
//!     panic!("levels are mirrored");
//! };
//! assert!(matches!(changes[..], [Change::LevelAvailable { .. }]));
//! # Ok::<(), shopify::UnreadableBody>(())
//! ```
//!
//! It decides nothing: whether a [`Change`](schemas::Change) is believed is settled where it is applied.

mod answer;
mod body;
mod bulk;
mod client;
mod credential;
mod document;
mod error;
#[cfg(test)]
mod fake;
mod health;
mod notice;
mod order;
mod pace;
mod page;
mod refresh;
mod secret;
mod stock;
mod subscription;
mod token;
mod topic;
mod transport;
mod user_error;
mod webhook;

pub use bulk::{
    Bulk, BulkError, BulkFailure, BulkId, BulkIdError, BulkQuery, BulkResult, BulkRows, BulkStart,
    BulkState,
};
pub use client::{Client, Endpoint};
pub use credential::{Credential, GrantError};
pub use error::{Error, Retry};
pub use health::{ApiHealth, ApiProblem};
pub use notice::Notice;
pub use page::{CatalogCounts, PageCursor, PageCursorError, RecordPage, ShopInfo};
pub use secret::{Secret, SecretError};
pub use stock::{
    STOCK_ENTRIES_MAX, StockAnswer, StockChange, StockEntry, StockError, StockErrorKind, stock_body,
};
pub use subscription::{SubscriptionId, WebhookSubscription};
pub use topic::{TOPICS, UnreadableBody, WebhookReading, concerns, read};
pub use transport::{Body, HttpTransport, Transport, TransportError};
pub use webhook::{Webhook, WebhookError};

/// The version of the Admin API that every document is written for.
pub const API_VERSION: &str = "2026-10";
