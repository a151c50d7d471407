//! Reading the log through the `Source`, a page at a time, several shops woven into one order.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemas::{LogEntry, Room, Sequence, ShopDomain};
use tokio::time::timeout;

use crate::hub::broadcast::Broadcast;
use crate::limits::{REPLAY_PAGE_ENTRIES, SOURCE_DEADLINE};
use crate::source::{Source, SourceError};

/// Why a client is told to load again: the log, or what is kept of its session, does not go back far enough.
pub(crate) const TOO_OLD: &str = "too_old";
/// Its offset is of another life of the database.
pub(crate) const OTHER_EPOCH: &str = "other_epoch";
/// Its offset is one that was not given out yet.
pub(crate) const BEYOND_END: &str = "beyond_end";
/// Its offset is none of ours.
pub(crate) const UNKNOWN_OFFSET: &str = "unknown_offset";
/// Its session is none of ours, or not of this user.
pub(crate) const UNKNOWN_SESSION: &str = "unknown_session";
/// It may see other things than when it was last connected.
pub(crate) const RIGHTS_CHANGED: &str = "rights_changed";

/// A stretch of the log.
#[derive(Debug)]
pub(crate) struct Page {
    /// What is in the rooms, in order.
    pub(crate) entries: Vec<Broadcast>,
    /// Everything up to here is in it; at least one further than was asked for.
    pub(crate) reached: Sequence,
}

/// Reads on after a position, at most until another.
pub(crate) async fn page(
    source: Arc<dyn Source>,
    shops: Vec<ShopDomain>,
    rooms: BTreeSet<Room>,
    after: Sequence,
    until: Sequence,
) -> Result<Page, SourceError> {
    let mut entries = Vec::new();
    let mut reached = until;
    // In no room nothing is heard, and a source may take an empty list for all of them.
    for shop in shops.iter().filter(|_| !rooms.is_empty()) {
        let reading = source.replay(shop, &rooms, after, until, REPLAY_PAGE_ENTRIES);
        let found = timeout(SOURCE_DEADLINE, reading)
            .await
            .map_err(|_| late())??;
        if found.len() >= REPLAY_PAGE_ENTRIES {
            reached = found
                .last()
                .map_or(reached, |last| reached.min(last.sequence()));
        }
        entries.extend(found);
    }
    if reached <= after {
        return Err(SourceError::Unavailable(
            "a page did not move forward".to_owned(),
        ));
    }
    entries.retain(|entry| entry.sequence() > after && entry.sequence() <= reached);
    entries.sort_by_key(LogEntry::sequence);
    let logged = |entry: LogEntry| {
        let company = source.company(&entry.shop);
        Broadcast::logged(entry, company)
    };
    Ok(Page {
        entries: entries.into_iter().map(logged).collect(),
        reached,
    })
}

pub(crate) fn late() -> SourceError {
    SourceError::Unavailable("no answer in time".to_owned())
}
