//! An event on its way to many: its rooms worked out once, its frame made once per namespace.

use std::sync::{Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use schemas::{Event, LogEntry, Offset, Room, Sequence, ShopDomain, Timestamp};

use crate::contracts::{NAMESPACES, Namespace};
use crate::limits::RING_BYTES_MAX;
use crate::recovery::Cursor;

/// An event with everything its readers share.
#[derive(Debug)]
pub(crate) struct Broadcast {
    /// Its place in the log; none for the ephemeral.
    pub(crate) offset: Option<Offset>,
    pub(crate) shop: ShopDomain,
    pub(crate) at: Timestamp,
    pub(crate) event: Event,
    pub(crate) rooms: Box<[Room]>,
    frames: [OnceLock<Option<Bytes>>; NAMESPACES],
    /// The frame last made for somebody who had been sent so much.
    latest: Mutex<Option<Box<Latest>>>,
}

/// For whom a frame was made, and the frame.
type Latest = (Namespace, Cursor, Option<Bytes>);

impl Broadcast {
    pub(crate) fn logged(entry: LogEntry) -> Self {
        Self::new(Some(entry.offset), entry.shop, entry.at, entry.event)
    }

    pub(crate) fn ephemeral(shop: ShopDomain, at: Timestamp, event: Event) -> Self {
        Self::new(None, shop, at, event)
    }

    fn new(offset: Option<Offset>, shop: ShopDomain, at: Timestamp, event: Event) -> Self {
        let rooms = event.rooms().into_iter().collect();
        Self { offset, shop, at, event, rooms, frames: Default::default(), latest: Mutex::default() }
    }

    /// Its place in the log; before everything for the ephemeral.
    pub(crate) fn sequence(&self) -> Sequence {
        self.offset.map_or(Sequence(0), |offset| offset.sequence)
    }

    /// The WebSocket frame for that namespace, or `None` where its contract does not speak of such events. In a
    /// namespace that can be recovered it carries the place of a logged event as its cursor.
    pub(crate) fn frame(&self, namespace: Namespace, recoverable: bool) -> Option<Bytes> {
        let cursor = self.offset.filter(|_| recoverable).map(Cursor::at);
        self.frames[namespace.index()].get_or_init(|| namespace.frame(self, cursor)).clone()
    }

    /// The same for somebody whose cursor it is not, but that one. Many who are up to date have the same.
    pub(crate) fn frame_at(&self, namespace: Namespace, cursor: Cursor) -> Option<Bytes> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, at, frame)) = latest.as_deref()
            && (*known, *at) == (namespace, cursor)
        {
            return frame.clone();
        }
        let frame = namespace.frame(self, Some(cursor));
        *latest = Some(Box::new((namespace, cursor, frame.clone())));
        frame
    }

    /// About how many bytes it takes with all its frames.
    pub(crate) fn weight(&self) -> usize {
        let mut counter = Counter(0);
        // A shape that cannot be written as JSON would be a mistake of ours; it then counts as the whole ring.
        let json = serde_json::to_writer(&mut counter, &self.event).map_or(RING_BYTES_MAX, |()| counter.0);
        size_of::<Self>() + json.saturating_mul(1 + NAMESPACES)
    }
}

/// Counts what is written to it.
struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
