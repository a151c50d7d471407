//! Reads the log from the [`EventSource`], a page at a time, and merges several shops into one
//! order.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemas::{LogEntry, Room, Sequence, ShopDomain};
use tokio::time::timeout;

use crate::hub::broadcast::Broadcast;
use crate::limits::{REPLAY_PAGE_ENTRIES, SOURCE_DEADLINE};
use crate::source::{EventSource, SourceError};

/// The `reason` of `resync`: the log, or what is kept of the session, does not go back far enough.
pub(crate) const TOO_OLD: &str = "too_old";
/// The `reason` of `resync`: the client's offset belongs to an earlier epoch of the database.
pub(crate) const OTHER_EPOCH: &str = "other_epoch";
/// The `reason` of `resync`: the client's offset was not given out yet.
pub(crate) const BEYOND_END: &str = "beyond_end";
/// The `reason` of `resync`: the client's offset cannot be read.
pub(crate) const UNKNOWN_OFFSET: &str = "unknown_offset";
/// The `reason` of `resync`: the session was not issued here, or to another user.
pub(crate) const UNKNOWN_SESSION: &str = "unknown_session";
/// The `reason` of `resync`: the client's rights are no longer those it had in that session.
pub(crate) const RIGHTS_CHANGED: &str = "rights_changed";

/// A page of the log, merged from several shops.
#[derive(Debug)]
pub(crate) struct LogPage {
    /// The entries in the rooms, in order.
    pub(crate) entries: Vec<Broadcast>,
    /// Everything up to this sequence is in the page. Always after the position that was asked for.
    pub(crate) reached: Sequence,
}

/// Reads a page of the entries in `rooms` after `after`, at most until `until`.
pub(crate) async fn page(
    source: Arc<dyn EventSource>,
    shops: Vec<ShopDomain>,
    rooms: BTreeSet<Room>,
    after: Sequence,
    until: Sequence,
) -> Result<LogPage, SourceError> {
    let mut entries = Vec::new();
    let mut reached = until;
    // A reader without rooms is sent nothing. The source is not asked, because an empty list could
    // mean "all rooms" to it.
    for shop in shops.iter().filter(|_| !rooms.is_empty()) {
        let reading = source.replay(shop, &rooms, after, until, REPLAY_PAGE_ENTRIES);
        let found = timeout(SOURCE_DEADLINE, reading)
            .await
            .map_err(|_| timed_out())??;
        // A full page may hide entries behind its last one. The merged page ends where the first
        // of the shops does; what others have beyond that is read again with the next page.
        if found.len() >= REPLAY_PAGE_ENTRIES {
            reached = found
                .last()
                .map_or(reached, |last| reached.min(last.sequence()));
        }
        entries.extend(found);
    }
    // Otherwise a source that repeats itself would be asked for the same page for ever.
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
    Ok(LogPage {
        entries: entries.into_iter().map(logged).collect(),
        reached,
    })
}

pub(crate) fn timed_out() -> SourceError {
    SourceError::Unavailable("no answer in time".to_owned())
}
