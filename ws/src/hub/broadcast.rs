//! An event on its way to many: its rooms worked out once, its frames made once per namespace.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use schemas::{
    AnyId, Ephemeral, Event, LocationId, LogEntry, Offset, Room, Sequence, ShopDomain, Timestamp,
};

use crate::contracts::{Frame, NAMESPACES, Namespace, OutgoingEvent};
use crate::hub::recovery::Cursor;

/// An event with everything its readers share.
#[derive(Debug)]
pub(crate) struct Broadcast {
    /// Its place in the log; none for the ephemeral.
    pub(crate) offset: Option<Offset>,
    pub(crate) shop: ShopDomain,
    /// The company that the shop belongs to.
    company: Option<AnyId>,
    pub(crate) at: Timestamp,
    pub(crate) event: Event,
    /// The length of a logged event's stored form.
    bytes: usize,
    pub(crate) rooms: Box<[Room]>,
    frames: ByNamespace,
    /// The same without cursors, for those who want none. SortedMap do, so there is no room for them until somebody is.
    bare: OnceLock<Box<ByNamespace>>,
    /// The frames last made for somebody who had been sent so much.
    latest: Mutex<Option<Box<Latest>>>,
}

type ByNamespace = [OnceLock<Box<[Frame]>>; NAMESPACES];

/// For whom frames were made, and the frames.
type Latest = (Namespace, Cursor, Arc<[Frame]>);

/// Namespaces in which the same events are told, as a rule at most.
const NAMESPACES_IN_USE: usize = 2;

impl Broadcast {
    pub(crate) fn logged(entry: LogEntry, company: Option<AnyId>) -> Self {
        Self {
            offset: Some(entry.offset),
            bytes: entry.bytes,
            ..Self::new(entry.shop, company, entry.at, entry.event.into())
        }
    }

    pub(crate) fn ephemeral(
        shop: ShopDomain,
        company: Option<AnyId>,
        at: Timestamp,
        event: Ephemeral,
    ) -> Self {
        Self::new(shop, company, at, event.into())
    }

    fn new(shop: ShopDomain, company: Option<AnyId>, at: Timestamp, event: Event) -> Self {
        let rooms = event.rooms().into_iter().collect();
        let (frames, bare, latest) = Default::default();
        Self {
            offset: None,
            shop,
            company,
            at,
            event,
            bytes: 0,
            rooms,
            frames,
            bare,
            latest,
        }
    }

    /// The event as it is told to those who are limited to these locations.
    pub(crate) fn outgoing<'a>(
        &'a self,
        limited_to: Option<&'a [LocationId]>,
    ) -> OutgoingEvent<'a> {
        let Self {
            offset,
            shop,
            company,
            at,
            event,
            ..
        } = self;
        OutgoingEvent {
            event,
            offset: *offset,
            shop,
            company: company.as_ref(),
            at: *at,
            limited_to,
        }
    }

    /// Its place in the log; before everything for the ephemeral.
    pub(crate) fn sequence(&self) -> Sequence {
        self.offset.map_or(Sequence(0), |offset| offset.sequence)
    }

    /// The WebSocket frames for that namespace: none where its contract does not speak of such events, mostly one. In
    /// a namespace that can be recovered they carry the place of a logged event as their cursor.
    pub(crate) fn frames(&self, namespace: Namespace, recoverable: bool) -> &[Frame] {
        // A plain namespace has no cursors at all.
        let with_cursors = recoverable || namespace.is_plain();
        let frames = if with_cursors {
            &self.frames
        } else {
            self.bare.get_or_init(Default::default)
        };
        frames[namespace.index()].get_or_init(|| namespace.frames(self, None, recoverable))
    }

    /// The same for somebody whose cursor it is not, but that one. Many who are up to date have the same.
    pub(crate) fn frames_at(&self, namespace: Namespace, cursor: Cursor) -> Arc<[Frame]> {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, at, frames)) = latest.as_deref()
            && (*known, *at) == (namespace, cursor)
        {
            return Arc::clone(frames);
        }
        let frames: Arc<[Frame]> = namespace.frames_at(self, None, cursor).into();
        *latest = Some(Box::new((namespace, cursor, Arc::clone(&frames))));
        frames
    }

    /// About how many bytes a logged event takes with all its frames.
    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + self.bytes.saturating_mul(1 + NAMESPACES_IN_USE)
    }
}
