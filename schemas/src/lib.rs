//! stockd's words: ids, quantities, records, changes, events, commands and errors.
//!
//! ```text
//!  Shopify's bodies ─▶ Change ─▶ (store: apply) ─▶ record + Logged ─▶ contracts ─▶ clients
//! ```
//!
//! What is parsed is right: a value of these types cannot be wrong.
//!
//! ```
//! use schemas::{InventoryItemId, Offset, Sequence};
//!
//! // Shopify writes one id in two ways, clients write it in either.
//! let item: InventoryItemId = "gid://shopify/InventoryItem/30322695".parse()?;
//! assert_eq!(item, "30322695".parse()?);
//! // A position in the log, as every event carries it.
//! let offset: Offset = "0000beef.42".parse()?;
//! assert_eq!(offset.sequence, Sequence(42));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Every crate speaks these and none of them does anything here: no I/O, no clock, no SQL. The two seams
//! that everything shares, [`Clock`] and [`Entropy`], are declared here so that a simulation can replace them.

pub mod access;
pub mod change;
pub mod clock;
pub mod command;
pub mod entropy;
pub mod error;
pub mod event;
pub mod id;
pub mod json;
pub mod kind;
pub mod money;
pub mod offset;
pub mod posted;
pub mod quantity;
pub mod record;
pub mod room;
pub mod run;
pub mod selection;
pub mod shape;

pub use access::{Identity, IdentityRights, Role, ShopScope, Subject};
pub use change::{Change, RecordKey};
pub use clock::{Clock, Timestamp};
pub use command::Command;
pub use entropy::Entropy;
pub use error::{ErrorBody, ErrorCode};
pub use event::LogEntry;
pub use id::{
    AnyId, CustomerId, IdError, InventoryItemId, LevelGid, LineItemId, LocationId, OrderId,
    ProductId, RunId, ShopDomain, TransactionId, TransferId, UserId, VariantId, WebhookId,
};
pub use kind::{Ephemeral, Event, EventData, Kind, Logged, Origin};
pub use money::Money;
pub use offset::{Epoch, Offset, Sequence};
pub use posted::{Emitted, Posted, Target};
pub use quantity::{Quantities, QuantityName};
pub use room::Room;
pub use run::{Resource, RunKind, RunState, SyncRun};
pub use selection::LevelSelection;
