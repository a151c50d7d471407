//! How somebody comes in: as a new session, or with one that goes on.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use schemas::{Identity, Offset, Room, Timestamp};
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::joining::Joining;
use super::keeping::Session;
use super::{Interrupted, Socket};
use crate::connection::{Bell, Out};
use crate::contracts::{Arrived, Namespace};
use crate::hub::reader::Reader;
use crate::hub::recovery::{Backfills, Cursor, Pid, Record, SessionId, owner, rights};
use crate::hub::replay;
use crate::hub::roster::Crowded;
use crate::hub::{Hub, count};
use crate::limits::SOURCE_DEADLINE;
use crate::protocol::socketio::Content;
use crate::source::{KeptRooms, SourceError};

/// Somebody who is let in.
pub(crate) struct Arrival {
    identity: Identity,
    /// Whether nobody knows who that is.
    is_anonymous: bool,
    /// Whether it wants to be recovered, where that can be.
    recovers: bool,
    session: Past,
}

/// What somebody brings of a session.
enum Past {
    /// Nothing, or nothing of ours: then it is told to load again.
    None {
        resync: Option<&'static str>,
    },
    Some(Box<Known>),
}

/// A session that goes on from a cursor, or one of which only the rooms can be had, and why.
struct Known {
    pid: Pid,
    record: Option<Record>,
    goes_on: Result<Cursor, &'static str>,
}

/// Somebody whose session is being looked up.
pub(crate) type Knocking = Pin<Box<dyn Future<Output = Result<Box<Arrival>, Interrupted>> + Send>>;

impl Arrival {
    /// Somebody without a session to go on with.
    pub(crate) fn new(identity: Identity) -> Self {
        Self {
            identity,
            is_anonymous: false,
            recovers: true,
            session: Past::None { resync: None },
        }
    }

    /// Somebody without a token.
    pub(crate) fn guest(hub: &Hub) -> Self {
        Self {
            is_anonymous: true,
            ..Self::new(hub.guest())
        }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Who comes with a token and with what the client sent beside it; what must be looked up first is to be waited for.
    pub(crate) fn of(
        hub: &Arc<Hub>,
        namespace: Namespace,
        identity: Identity,
        auth: Option<&Map<String, Value>>,
    ) -> Result<Self, Knocking> {
        let told = |key: &str| {
            auth.and_then(|auth| auth.get(key))
                .filter(|value| !value.is_null())
        };
        // Without it there is no cursor behind every event: some clients call handlers of one argument only with one.
        let recovers = told("recovery") != Some(&Value::Bool(false));
        let new = |identity, resync| {
            Ok(Self {
                recovers,
                session: Past::None { resync },
                ..Self::new(identity)
            })
        };
        let Some(pid) = told("pid").filter(|_| recovers && hub.is_recoverable(namespace)) else {
            return new(identity, None);
        };
        let pid = pid
            .as_str()
            .and_then(|pid| Pid::open(pid, &hub.key, &identity.user_id, namespace.seal()));
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
    pid: Pid,
    cursor: Result<Cursor, &'static str>,
) -> Result<Box<Arrival>, Interrupted> {
    // Whoever sat there writes no more, so what is read now is all there is.
    hub.roster.take_over(pid.session).await;
    let (id, owner) = (pid.session.text(), owner(&hub.key, &identity.user_id));
    let kept = timeout(SOURCE_DEADLINE, hub.source.session(&id, &owner)).await;
    let KeptRooms { rooms, evicted_at } = kept.unwrap_or_else(|_| Err(replay::late()))?;
    let mut record = match rooms.map(|kept| serde_json::from_str::<Record>(&kept)) {
        None => None,
        Some(Ok(record)) => Some(record),
        Some(Err(error)) => {
            tracing::error!(%error, "a session's record is not what was written");
            None
        }
    };
    if let Some(record) = &mut record {
        // A right may have been lost since; then it is not known either whose the orders are that are followed.
        let same_rights = record.rights == rights(&hub.key, &identity);
        let is_open = |room: &Room| {
            same_rights || identity.role.is_staff() || !matches!(room, Room::Order(_))
        };
        record
            .rooms
            .retain(|room, _| namespace.contract().may_be_in(room, &identity) && is_open(room));
    }
    let goes_on = match cursor {
        Ok(cursor) => {
            goes_on(
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
    let session = Past::Some(Box::new(Known {
        pid,
        record,
        goes_on,
    }));
    Ok(Box::new(Arrival {
        session,
        ..Arrival::new(identity)
    }))
}

/// Whether everything after that cursor can still be had; and if not, why.
async fn goes_on(
    hub: &Hub,
    namespace: Namespace,
    identity: &Identity,
    pid: &Pid,
    (record, evicted_at): (Option<&mut Record>, Option<Timestamp>),
    cursor: Cursor,
) -> Result<Result<Cursor, &'static str>, Interrupted> {
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
        // It was never written, or it is forgotten: for its age, or to make room for others.
        None if age > hub.session_time() || evicted_at.is_some_and(|at| pid.issued_at <= at) => {
            return Ok(Err(replay::TOO_OLD));
        }
        Some(record) if record.epoch != head.epoch => {
            record.restart(head.epoch, pid.start.position)
        }
        _ => {}
    }
    // Readers at or after the floor find everything in memory.
    let (after, floor) = (cursor.read(), hub.floor());
    if after < floor {
        let rooms = namespace.contract().first_rooms(identity);
        for shop in hub.enterable(identity) {
            let reading = hub.source.replay(&shop, &rooms, after, floor, 1);
            match timeout(SOURCE_DEADLINE, reading)
                .await
                .unwrap_or_else(|_| Err(replay::late()))
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
    /// Lets somebody in, and says so.
    pub(crate) fn open(
        hub: &Arc<Hub>,
        namespace: Namespace,
        arrival: Arrival,
        bell: &Arc<Bell>,
        out: &mut Out,
    ) -> Result<Self, Crowded> {
        let Arrival {
            identity,
            is_anonymous,
            recovers,
            session,
        } = arrival;
        let id = match &session {
            Past::Some(known) => Some(known.pid.session),
            Past::None { .. } => {
                (recovers && hub.is_recoverable(namespace)).then(|| SessionId(hub.entropy.bytes()))
            }
        };
        let seat = if is_anonymous {
            None
        } else {
            Some(hub.roster.take_seat(&identity.user_id, id, bell)?)
        };
        let shops = hub.enterable(&identity);
        hub.comes(&identity, &shops);
        let slot = hub.open_slot(bell);
        let mut rooms = namespace.contract().first_rooms(&identity);
        for room in &rooms {
            hub.listen(&slot, &shops, room);
        }
        let record = match &session {
            Past::Some(known) => known.record.as_ref(),
            Past::None { .. } => None,
        };
        record
            .iter()
            .flat_map(|record| record.rooms.keys())
            .for_each(|room| hub.listen(&slot, &shops, room));
        // Read after the slot listens: what comes later is marked there.
        let head = hub.head();
        let mut socket = Self {
            hub: Arc::clone(hub),
            namespace,
            slot,
            seat,
            reader: Reader::new(namespace, identity, shops, head.sequence),
            session: id.map(|id| Box::new(Session::new(id))),
            calls: VecDeque::new(),
            wishes: None,
            joining: None,
            question: None,
        };
        rooms.extend(
            record
                .iter()
                .flat_map(|record| record.rooms.keys().cloned()),
        );
        let (pid, resync) = socket.take_up(session, head);
        socket.greet(pid, &rooms, out);
        if let Some(reason) = resync {
            socket.resync(reason, out);
        }
        Ok(socket)
    }

    /// Goes on with the session, or begins one; its id, and why the client is to load again, if it is.
    fn take_up(&mut self, session: Past, head: Offset) -> (Option<Pid>, Option<&'static str>) {
        let hub = Arc::clone(&self.hub);
        let new = |id: SessionId, backfills: &Backfills, identity: &Identity| Pid {
            session: id,
            start: Cursor {
                backfill: (backfills.last > 0).then_some((backfills.last, head.sequence)),
                ..Cursor::at(head)
            },
            rights: rights(&hub.key, identity),
            issued_at: hub.clock.now(),
        };
        match session {
            Past::None { resync } => {
                self.reader.enter(
                    self.namespace.contract().first_rooms(&self.reader.identity),
                    head.sequence,
                );
                let id = self.session.as_ref().map(|session| session.id);
                (
                    id.map(|id| new(id, &Backfills::default(), &self.reader.identity)),
                    resync,
                )
            }
            Past::Some(known) => {
                let Known {
                    pid,
                    mut record,
                    goes_on,
                } = *known;
                let resumed = goes_on.and_then(|cursor| {
                    let open = record
                        .as_mut()
                        .map_or(Some(Vec::new()), |record| record.rewind(cursor));
                    open.map(|open| (cursor, open)).ok_or(replay::TOO_OLD)
                });
                match resumed {
                    Ok((cursor, open)) => {
                        count(&hub.counters.recovered);
                        self.reader = Reader::new(
                            self.namespace,
                            self.reader.identity.clone(),
                            std::mem::take(&mut self.reader.shops),
                            cursor.read(),
                        );
                        let first = self.namespace.contract().first_rooms(&self.reader.identity);
                        self.reader.enter(first, pid.start.position);
                        if let Some(session) = &mut self.session {
                            session.begun =
                                (cursor.parts > 0).then_some((cursor.position, cursor.parts));
                            session.filled = cursor
                                .backfill
                                .map(|(number, reached)| (number, reached, cursor.position));
                            session.resumed = open.into_iter().map(Joining::resumed).collect();
                        }
                        self.restore(record);
                        // Something was published since, perhaps.
                        self.reader.hold(None);
                        self.resume_next();
                        (Some(pid), None)
                    }
                    Err(reason) => {
                        count(&hub.counters.not_recovered);
                        if let Some(record) = &mut record {
                            record.restart(head.epoch, head.sequence);
                        }
                        let last = record
                            .as_ref()
                            .map(|record| record.backfills.clone())
                            .unwrap_or_default();
                        self.reader.enter(
                            self.namespace.contract().first_rooms(&self.reader.identity),
                            head.sequence,
                        );
                        self.restore(record);
                        (
                            Some(new(pid.session, &last, &self.reader.identity)),
                            Some(reason),
                        )
                    }
                }
            }
        }
    }

    fn restore(&mut self, record: Option<Record>) {
        if let Some(record) = record {
            self.reader.restore(record.rooms, record.kinds);
            if let Some(session) = &mut self.session {
                session.backfills = record.backfills;
            }
        }
    }

    fn greet(&self, pid: Option<Pid>, rooms: &BTreeSet<Room>, out: &mut Out) {
        let (hub, identity) = (&self.hub, &self.reader.identity);
        let socket_id = pid.map_or_else(|| hub.id(), |pid| pid.socket_id(&hub.key));
        let mut greeting = Map::from_iter([("sid".to_owned(), Value::from(socket_id.as_str()))]);
        if let Some(pid) = pid {
            let sealed = pid.seal(&hub.key, &identity.user_id, self.namespace.seal());
            greeting.insert("pid".to_owned(), sealed.into());
        }
        if !self.namespace.is_plain() {
            out.push(self.namespace.packet(Content::Connect(Some(greeting))));
        }
        let offset = Offset {
            epoch: hub.head().epoch,
            sequence: self.reader.position(),
        };
        let (rooms, at) = (self.namespace.listing(rooms, identity), hub.clock.now());
        let arrived = Arrived {
            identity,
            is_anonymous: self.seat.is_none(),
            socket_id: &socket_id,
            rooms,
            offset,
            at,
        };
        out.push(self.voice().connected(&arrived));
    }
}
