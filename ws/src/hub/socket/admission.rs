//! Admission: a client enters a namespace with a new session, or with one that goes on.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use schemas::{Identity, Offset, Room, Timestamp};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::join::PendingJoin;
use super::session::RecoverableSession;
use super::{LogInterrupted, Socket};
use crate::connection::{ConnectionWaker, SendQueue};
use crate::contracts::{Arrived, Namespace};
use crate::hub::presence_registry::TooManySockets;
use crate::hub::reader::LogReader;
use crate::hub::recovery::{
    Cursor, RoomBackfill, SessionId, SessionPid, SessionRecord, owner, rights,
};
use crate::hub::replay;
use crate::hub::{Hub, count};
use crate::limits::SOURCE_DEADLINE;
use crate::protocol::socketio::{NamespaceId as _, PacketContent};
use crate::source::{KeptRooms, SourceError};

/// A client that may enter, with what is known of its earlier session.
pub(crate) struct ClientAdmission {
    identity: Identity,
    /// Whether the client is a guest, without a token.
    is_anonymous: bool,
    /// Whether the client accepts cursors, and with them recovery. It declines by `recovery:
    /// false`.
    recovers: bool,
    session: PriorSession,
}

/// The earlier session that a client names.
enum PriorSession {
    /// No session, or one that was not issued here; then the client is told to load again.
    None {
        resync: Option<&'static str>,
    },
    Some(Box<KnownSession>),
}

/// A session of ours. `resume_from` is the cursor to go on from, or the reason why only its rooms
/// can be restored.
struct KnownSession {
    pid: SessionPid,
    record: Option<SessionRecord>,
    resume_from: Result<Cursor, &'static str>,
}

/// The future that looks an earlier session up. Boxed, because it is kept among others while the
/// connection goes on.
pub(crate) type SessionLookup =
    Pin<Box<dyn Future<Output = Result<Box<ClientAdmission>, LogInterrupted>> + Send>>;

impl ClientAdmission {
    /// A client without an earlier session.
    pub(crate) fn new(identity: Identity) -> Self {
        Self {
            identity,
            is_anonymous: false,
            recovers: true,
            session: PriorSession::None { resync: None },
        }
    }

    /// A guest: a client without a token.
    pub(crate) fn guest(hub: &Hub) -> Self {
        Self {
            is_anonymous: true,
            ..Self::new(hub.guest())
        }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// A client with a token and the `auth` object it sent. `Err` carries the lookup that has to be
    /// awaited first.
    pub(crate) fn of(
        hub: &Arc<Hub>,
        namespace: Namespace,
        identity: Identity,
        auth: Option<&Map<String, Value>>,
    ) -> Result<Self, SessionLookup> {
        let told = |key: &str| {
            auth.and_then(|auth| auth.get(key))
                .filter(|value| !value.is_null())
        };
        // Some clients call a handler only when the number of arguments is the one it declares; the
        // cursor is one more. `recovery: false` leaves it out.
        let recovers = told("recovery") != Some(&Value::Bool(false));
        let new = |identity, resync| {
            Ok(Self {
                recovers,
                session: PriorSession::None { resync },
                ..Self::new(identity)
            })
        };
        let Some(pid) = told("pid").filter(|_| recovers && hub.is_recoverable(namespace)) else {
            return new(identity, None);
        };
        let pid = pid
            .as_str()
            .and_then(|pid| SessionPid::open(pid, &hub.key, &identity.user_id, namespace.seal()));
        let Some(pid) = pid else {
            count(&hub.counters.sessions_unknown);
            return new(identity, Some(replay::UNKNOWN_SESSION));
        };
        let cursor = match told("offset") {
            None => Ok(pid.start),
            Some(Value::String(text)) => text
                .parse()
                .map(|cursor: Cursor| cursor.or_later(pid.start)),
            Some(_) => Err(()),
        };
        Err(Box::pin(look_up(
            Arc::clone(hub),
            namespace,
            identity,
            pid,
            cursor.map_err(|()| replay::UNKNOWN_OFFSET),
        )))
    }
}

async fn look_up(
    hub: Arc<Hub>,
    namespace: Namespace,
    identity: Identity,
    pid: SessionPid,
    cursor: Result<Cursor, &'static str>,
) -> Result<Box<ClientAdmission>, LogInterrupted> {
    // The old socket has to end first: after that nothing is written on behalf of this session, and
    // what is read here is complete.
    hub.registry.take_over(pid.session).await;
    let (id, owner) = (pid.session.text(), owner(&hub.key, &identity.user_id));
    let kept = timeout(SOURCE_DEADLINE, hub.source.session(&id, &owner)).await;
    let KeptRooms { rooms, evicted_at } = kept.unwrap_or_else(|_| Err(replay::timed_out()))?;
    let mut record = match rooms.map(|kept| serde_json::from_str::<SessionRecord>(&kept)) {
        None => None,
        Some(Ok(record)) => Some(record),
        Some(Err(error)) => {
            tracing::error!(%error, "Could not read the stored record of a session; its client has to load again");
            None
        }
    };
    if let Some(record) = &mut record {
        // With other rights it is no longer known whose orders the rooms of single orders belong
        // to, so only staff keep them.
        let same_rights = record.rights == rights(&hub.key, &identity);
        let is_open = |room: &Room| {
            same_rights || identity.role.is_staff() || !matches!(room, Room::Order(_))
        };
        record
            .rooms
            .retain(|room, _| namespace.contract().may_be_in(room, &identity) && is_open(room));
    }
    let resume_from = match cursor {
        Ok(cursor) => {
            resume_cursor(
                &hub,
                namespace,
                &identity,
                &pid,
                (record.as_mut(), evicted_at),
                cursor,
            )
            .await?
        }
        Err(reason) => Err(reason),
    };
    let session = PriorSession::Some(Box::new(KnownSession {
        pid,
        record,
        resume_from,
    }));
    Ok(Box::new(ClientAdmission {
        session,
        ..ClientAdmission::new(identity)
    }))
}

/// The cursor to go on from if everything after it can still be read; otherwise the reason why not.
async fn resume_cursor(
    hub: &Hub,
    namespace: Namespace,
    identity: &Identity,
    pid: &SessionPid,
    (record, evicted_at): (Option<&mut SessionRecord>, Option<Timestamp>),
    cursor: Cursor,
) -> Result<Result<Cursor, &'static str>, LogInterrupted> {
    let head = hub.head();
    let mine = rights(&hub.key, identity);
    if pid.rights != mine || record.as_ref().is_some_and(|record| record.rights != mine) {
        return Ok(Err(replay::RIGHTS_CHANGED));
    }
    if cursor.epoch != head.epoch {
        return Ok(Err(replay::OTHER_EPOCH));
    }
    if hub.is_beyond_end(cursor.position) {
        return Ok(Err(replay::BEYOND_END));
    }
    let age = Duration::try_from(hub.clock.now().duration_since(pid.issued_at)).unwrap_or_default();
    match record {
        // The record was never written or is gone, because of its age or to make room for others.
        // Which of the two cannot be told, unless nothing was evicted since the session began.
        None if age > hub.session_time() || evicted_at.is_some_and(|at| pid.issued_at <= at) => {
            return Ok(Err(replay::TOO_OLD));
        }
        Some(record) if record.epoch != head.epoch => {
            record.restart(head.epoch, pid.start.position);
        }
        _ => {}
    }
    // Readers at or after the floor find everything in memory. Before it the store is asked for one
    // entry, which fails when the log no longer reaches back that far.
    let (after, floor) = (cursor.read(), hub.floor());
    if after < floor {
        let rooms = namespace.contract().first_rooms(identity);
        for shop in hub.visible_shops(identity) {
            let reading = hub.source.replay(&shop, &rooms, after, floor, 1);
            match timeout(SOURCE_DEADLINE, reading)
                .await
                .unwrap_or_else(|_| Err(replay::timed_out()))
            {
                Ok(_) => {}
                Err(SourceError::TooOld) => return Ok(Err(replay::TOO_OLD)),
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(Ok(cursor))
}

impl Socket {
    /// Opens a socket for an admitted client and queues its greeting.
    pub(crate) fn open(
        hub: &Arc<Hub>,
        namespace: Namespace,
        arrival: ClientAdmission,
        waker: &Arc<ConnectionWaker>,
        out: &mut SendQueue,
    ) -> Result<Self, TooManySockets> {
        let ClientAdmission {
            identity,
            is_anonymous,
            recovers,
            session,
        } = arrival;
        let id = match &session {
            PriorSession::Some(known) => Some(known.pid.session),
            PriorSession::None { .. } => {
                (recovers && hub.is_recoverable(namespace)).then(|| SessionId(hub.entropy.bytes()))
            }
        };
        // Registered before anything else: a client that is refused here leaves nothing behind.
        let registration = if is_anonymous {
            None
        } else {
            Some(hub.registry.register(&identity.user_id, id, waker)?)
        };
        let shops = hub.visible_shops(&identity);
        hub.customer_connected(&identity, &shops);
        let signal = hub.open_signal(waker);
        let mut rooms = namespace.contract().first_rooms(&identity);
        for room in &rooms {
            hub.subscribe(&signal, &shops, room);
        }
        let record = match &session {
            PriorSession::Some(known) => known.record.as_ref(),
            PriorSession::None { .. } => None,
        };
        record
            .iter()
            .flat_map(|record| record.rooms.keys())
            .for_each(|room| hub.subscribe(&signal, &shops, room));
        // The head is read after the signal is in its rooms: every later entry is marked there, so
        // none is missed in between.
        let head = hub.head();
        let mut socket = Self {
            hub: Arc::clone(hub),
            namespace,
            signal,
            registration,
            reader: LogReader::new(namespace, identity, shops, head.sequence),
            session: id.map(|id| Box::new(RecoverableSession::new(id))),
            calls: VecDeque::new(),
            options: None,
            joining: None,
            query: None,
        };
        rooms.extend(
            record
                .iter()
                .flat_map(|record| record.rooms.keys().cloned()),
        );
        let is_known = matches!(session, PriorSession::Some(_));
        let (pid, resync) = socket.begin_or_resume(session, head);
        socket.send_greeting(pid, &rooms, out);
        tracing::debug!(
            namespace = namespace.as_str(),
            rooms = rooms.len(),
            recovered = is_known && resync.is_none(),
            "Opened a socket"
        );
        if let Some(reason) = resync {
            socket.resync(reason, out);
        }
        Ok(socket)
    }

    /// Restores the reader of the earlier session, or begins a new one. Returns the session's id,
    /// and the reason why the client has to load again, if it has to.
    fn begin_or_resume(
        &mut self,
        session: PriorSession,
        head: Offset,
    ) -> (Option<SessionPid>, Option<&'static str>) {
        let resync = match session {
            PriorSession::None { resync } => resync,
            PriorSession::Some(known) => {
                let KnownSession {
                    pid,
                    mut record,
                    resume_from,
                } = *known;
                let rewound = resume_from.and_then(|cursor| {
                    let open = record
                        .as_mut()
                        .map_or(Some(Vec::new()), |record| record.rewind(cursor));
                    open.map(|open| (cursor, open)).ok_or(replay::TOO_OLD)
                });
                match rewound {
                    Ok((cursor, open)) => {
                        self.resume(&pid, record, cursor, open);
                        return (Some(pid), None);
                    }
                    Err(reason) => {
                        count(&self.hub.counters.not_recovered);
                        if let Some(record) = &mut record {
                            record.restart(head.epoch, head.sequence);
                        }
                        self.restore(record);
                        Some(reason)
                    }
                }
            }
        };
        let first = self.namespace.contract().first_rooms(&self.reader.identity);
        self.reader.join_all(first, head.sequence);
        (self.new_pid(head), resync)
    }

    /// The id of a session that begins at `head`; `None` where the socket is not recoverable.
    fn new_pid(&self, head: Offset) -> Option<SessionPid> {
        let session = self.session.as_ref()?;
        let last = session.backfills.last;
        Some(SessionPid {
            session: session.id,
            start: Cursor {
                backfill: (last > 0).then_some((last, head.sequence)),
                ..Cursor::at(head)
            },
            rights: rights(&self.hub.key, &self.reader.identity),
            issued_at: self.hub.clock.now(),
        })
    }

    /// Goes on from the cursor, with the backfills that the client had not been sent to the end.
    fn resume(
        &mut self,
        pid: &SessionPid,
        record: Option<SessionRecord>,
        cursor: Cursor,
        open: Vec<RoomBackfill>,
    ) {
        count(&self.hub.counters.recovered);
        self.reader = LogReader::new(
            self.namespace,
            self.reader.identity.clone(),
            std::mem::take(&mut self.reader.shops),
            cursor.read(),
        );
        let first = self.namespace.contract().first_rooms(&self.reader.identity);
        self.reader.join_all(first, pid.start.position);
        if let Some(session) = &mut self.session {
            session.begun = (cursor.messages > 0).then_some((cursor.position, cursor.messages));
            session.filled = cursor
                .backfill
                .map(|(number, reached)| (number, reached, cursor.position));
            session.resumed = open.into_iter().map(PendingJoin::resumed).collect();
        }
        self.restore(record);
        // Entries may have been published since the cursor, without a mark for this new signal, so
        // the reader looks by itself once.
        self.reader.set_ceiling(None);
        self.resume_next();
    }

    fn restore(&mut self, record: Option<SessionRecord>) {
        if let Some(record) = record {
            self.reader.restore(record.rooms, record.kinds);
            if let Some(session) = &mut self.session {
                session.backfills = record.backfills;
            }
        }
    }

    fn send_greeting(&self, pid: Option<SessionPid>, rooms: &BTreeSet<Room>, out: &mut SendQueue) {
        let (hub, identity) = (&self.hub, &self.reader.identity);
        let socket_id = pid.map_or_else(|| hub.id(), |pid| pid.socket_id(&hub.key));
        let mut greeting = Map::from_iter([("sid".to_owned(), Value::from(socket_id.as_str()))]);
        if let Some(pid) = pid {
            let sealed = pid.seal(&hub.key, &identity.user_id, self.namespace.seal());
            greeting.insert("pid".to_owned(), sealed.into());
        }
        if !self.namespace.is_plain() {
            out.push(
                self.namespace
                    .packet(PacketContent::Connect(Some(greeting))),
            );
        }
        let offset = Offset {
            epoch: hub.head().epoch,
            sequence: self.reader.position(),
        };
        let (rooms, at) = (self.namespace.listing(rooms, identity), hub.clock.now());
        let arrived = Arrived {
            identity,
            is_anonymous: self.registration.is_none(),
            socket_id: &socket_id,
            rooms,
            offset,
            at,
        };
        out.push(self.voice().connected(&arrived));
    }
}
