//! What works for one shop: its webhooks in, its records read again, its syncs on schedule, its commands out.

pub(crate) mod commands;
pub(crate) mod identity;
pub(crate) mod intake;
pub(crate) mod names;
pub(crate) mod notices;
pub(crate) mod outbox;
pub(crate) mod posts;
pub(crate) mod refresh;
pub(crate) mod scheduler;
pub(crate) mod subscriptions;
pub(crate) mod sync;
pub(crate) mod timetable;
