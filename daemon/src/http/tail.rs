//! The tail: what was committed to the log goes to the realtime side, in order.

use std::sync::Arc;

use schemas::{LogEntry, Sequence};
use store::Store;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use ws::Hub;

use crate::limits;
use crate::supervisor::Heartbeat;
use crate::supervisor::stall::Stall;

/// Publishes every entry from the log's end on, until told to stop. What came before, readers fetch themselves.
///
/// The writer hands over what it has just committed. Only what it left out is read from the log.
pub(crate) async fn run(
    store: Arc<dyn Store>,
    hub: Arc<Hub>,
    heartbeat: Heartbeat,
    stop: CancellationToken,
) {
    let (mut committed, mut erasures) = (store.committed(), store.erasures());
    let mut handed = store.handed();
    let mut erased = *erasures.borrow();
    let mut position = hub.head().sequence;
    let mut stall = Stall::of("events");
    loop {
        let handed_over = next_handed(handed.as_mut(), position);
        let is_handed = !handed_over.is_empty();
        let head = *committed.borrow_and_update();
        let read = if is_handed || head <= position {
            Ok(handed_over)
        } else {
            let entries = store.entries(position, limits::TAIL_GROUP);
            heartbeat.work(entries).await
        };
        stall.note(&read);
        let now = *erasures.borrow_and_update();
        if now != erased {
            // What is in memory may tell what is erased from the log, and so may what was just read. What is published
            // before this is known is forgotten a moment later.
            erased = now;
            hub.forget();
            continue;
        }
        let Ok(entries) = read else {
            tokio::time::sleep(limits::STORE_PAUSE).await;
            continue;
        };
        heartbeat.work(async { hub.publish(&entries) }).await;
        position = entries.last().map_or(position, LogEntry::sequence);
        if is_handed || entries.len() == limits::TAIL_GROUP {
            continue;
        }
        // What is left up to the head that was known before is unknown here, and would be looked for for ever.
        if position < head {
            hub.pass_over(head);
            position = head;
        }
        let store_is_gone = tokio::select! {
            () = stop.cancelled() => return,
            changed = erasures.changed() => changed.is_err(),
            changed = committed.wait_for(|head| *head > position) => changed.is_err(),
        };
        if store_is_gone {
            // Its writer's end ends the process, and says why.
            return stop.cancelled().await;
        }
    }
}

/// The next entries that were handed over, if they go on where the tail is. Others were read from the log already, or
/// there is a gap before them, and then they are read with it.
fn next_handed(
    handed: Option<&mut mpsc::Receiver<Vec<LogEntry>>>,
    position: Sequence,
) -> Vec<LogEntry> {
    let Some(handed) = handed else {
        return Vec::new();
    };
    while let Ok(entries) = handed.try_recv() {
        let goes_on = |first: &LogEntry| first.sequence().0 == position.0 + 1;
        if entries.first().is_some_and(goes_on) {
            return entries;
        }
    }
    Vec::new()
}
