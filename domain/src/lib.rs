//! All decisions, pure: what a batch of operations changes, tells and sends.
//!
//! ```text
//!  operations ─▶ decide(WorkingSet) ─▶ changed records, events, pending adjustments, outcomes
//! ```
//!
//! ```
//! use domain::version::{Authority, Verdict, judge};
//!
//! let (early, late) = ("2026-10-01T12:00:00Z".parse()?, "2026-10-01T12:00:01Z".parse()?);
//! // A webhook that comes late loses; one with the same time and another content has the record read.
//! assert_eq!(judge(Some((&4, late)), (&7, early), Authority::Report), Verdict::Older);
//! assert_eq!(judge(Some((&4, late)), (&7, late), Authority::Report), Verdict::Unclear);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! No I/O, no clock, no storage, no SQL. A store loads what [`decide()`] asks for into a [`WorkingSet`] and writes what
//! that changed, in one transaction, so a decision and its effect commit together. Every time comes with the operation.

// So that the tests of `store` can have files of the tests here.
#[cfg(test)]
extern crate self as domain;

pub mod adjustment;
mod changes;
pub mod command;
mod customer;
mod decide;
pub mod drift;
mod key;
pub mod level;
mod location;
pub mod operation;
pub mod order;
pub mod outbox;
pub mod people;
mod position;
mod product;
mod record;
mod records;
pub mod reservation;
mod run;
pub mod shape;
mod slices;
pub mod threshold;
pub mod transfer;
pub mod version;
pub mod working_set;

pub use command::{By, Given, Policy};
pub use decide::{decide, keys};
pub use drift::{DriftKind, Drifted, Held};
pub use key::{Key, LevelKey, SLICE};
pub use level::HeldLevel;
pub use operation::{
    Arrival, Batch, Cause, Delivery, Fate, KeptSession, LastRuns, Mark, Operation, Outcome, Post,
    PostKey, Progress, Retention, Revocation, Revoked, RunRecord, SessionQuota,
};
pub use outbox::{LevelRefusal, MessageOutcome, OutboxMessage};
pub use position::Position;
pub use records::{ChangedRow, Covered, Records, Row, SetPlace};
pub use threshold::{Crossing, LevelThreshold, Thresholds};
pub use version::{Authority, Verdict};
pub use working_set::{
    Appended, BatchWrites, BulkWrite, ErasureStep, Numbers, Redaction, ShopRecords, ShopRow,
    Undecided, WantedKey, Warning, WorkingSet,
};
