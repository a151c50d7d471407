//! Joining rooms, step by step: who owns the order, the levels, the record, what was missed, the
//! answer. Also the joins that a recovered client had not been sent to the end.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemas::{ErrorBody, ErrorCode, LevelSelection, Offset, OrderId, Room, Sequence, Subject};
use serde_json::json;
use tokio::time::timeout;

use super::{LogInterrupted, QueryAnswer, ReadProgress, Socket};
use crate::connection::SendQueue;
use crate::contracts::request::{Join, Since};
use crate::hub::broadcast::Broadcast;
use crate::hub::reader::{LogReader, NotificationKinds};
use crate::hub::recovery::RoomBackfill;
use crate::hub::replay::{self, LogPage};
use crate::limits::{SNAPSHOT_LEVELS_MAX, SOURCE_DEADLINE};
use crate::protocol::socketio::ClientCall;
use crate::source::{LevelsSnapshot, OrderOwner, SourceError};

/// A join under way. The log is not read meanwhile, except in [`JoinStage::CatchUp`].
pub(super) struct PendingJoin {
    /// The request to answer; `None` for a join of an earlier connection, whose answer was sent or
    /// will never be.
    call: Option<ClientCall>,
    pub(super) rooms: BTreeSet<Room>,
    pub(super) kinds: Option<NotificationKinds>,
    /// The sequence from which the client wants to be sent what it missed in these rooms.
    since: Option<Sequence>,
    /// The levels for the answer, once they were read.
    levels: Option<Arc<LevelsSnapshot>>,
    /// The number of the backfill in the session's record, once it has one.
    pub(super) number: Option<u32>,
    stage: JoinStage,
}

#[derive(Debug)]
pub(super) enum JoinStage {
    /// Ask whose the order is; then the rooms count from this sequence.
    Owner(Option<OrderId>, Sequence),
    /// Ask the source for the levels.
    Snapshot(LevelSelection),
    /// Read the log up to the sequence at which the levels are exact, or up to where the reader
    /// was.
    CatchUp(Sequence),
    /// Write the session's record; then send what lies between.
    Keep { after: Sequence, until: Sequence },
    /// Send what was missed in these rooms between the two sequences.
    Backfill { after: Sequence, until: Sequence },
    /// Finish: the rooms count after `after`, and the answer is exact at `offset`.
    Done { after: Sequence, offset: Sequence },
}

impl PendingJoin {
    /// A join that a recovered client had not been sent to the end.
    pub(super) fn resumed(backfill: RoomBackfill) -> Self {
        let rooms = backfill.rooms.into_keys().collect();
        Self {
            call: None,
            rooms,
            kinds: Some(backfill.kinds),
            since: Some(backfill.after),
            levels: None,
            number: Some(backfill.number),
            stage: JoinStage::CatchUp(backfill.until),
        }
    }

    /// The entry that the reader must not pass before this join has begun.
    pub(super) fn ceiling(&self) -> Option<Sequence> {
        match self.stage {
            JoinStage::CatchUp(at) => Some(at),
            _ => None,
        }
    }

    pub(super) fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.iter()
    }

    /// Whether it waits for a page of missed entries, so that the next page belongs to it and not
    /// to the reader.
    pub(super) fn is_filling(&self) -> bool {
        matches!(self.stage, JoinStage::Backfill { .. })
    }
}

impl PendingJoin {
    fn was_begun(&self) -> bool {
        match (&self.stage, self.since) {
            (JoinStage::Backfill { after, .. }, Some(since)) => *after > since,
            _ => false,
        }
    }
}

impl Socket {
    /// Begins a join: checks the bound of rooms, subscribes, and decides on the first stage.
    pub(super) fn join(
        &mut self,
        call: ClientCall,
        Join {
            rooms,
            since,
            snapshot,
            kinds,
            order,
            ..
        }: Join,
        out: &mut SendQueue,
    ) {
        let more = rooms.iter().filter(|room| !self.reader.is_in(room)).count();
        let most = self.hub.options.rooms_per_socket_max;
        if self.reader.rooms_len() + more > most {
            self.hub
                .counters
                .rooms_refused
                .limit_reached("rooms_per_socket_max", most);
            let message = format!("A socket may be in {most} rooms");
            return self.refuse(&call, &ErrorBody::new(ErrorCode::TooLarge, message), out);
        }
        for room in &rooms {
            self.hub.subscribe(&self.signal, &self.reader.shops, room);
        }
        // The head is read after the signal is in the rooms: every later entry is marked there, so
        // none is missed in between.
        let head = self.hub.head();
        let since = since.and_then(|since| self.check_since(since, head, out));
        let stage = match (snapshot, since) {
            _ if order.is_some() => JoinStage::Owner(order, head.sequence),
            (Some(selection), _) => JoinStage::Snapshot(selection),
            (None, Some(after)) => JoinStage::Keep {
                after,
                until: self.reader.position(),
            },
            (None, None) => JoinStage::Keep {
                after: head.sequence,
                until: head.sequence,
            },
        };
        let joining = PendingJoin {
            call: Some(call),
            rooms,
            kinds,
            since,
            levels: None,
            number: None,
            stage,
        };
        self.joining = Some(Box::new(joining));
    }

    /// The sequence to go on from. Where the client's `since` is of no use, it is told to load
    /// again, and the result is `None`.
    fn check_since(&mut self, since: Since, head: Offset, out: &mut SendQueue) -> Option<Sequence> {
        let reason = match since {
            Since::Foreign => replay::UNKNOWN_OFFSET,
            Since::Offset(offset) if offset.epoch != head.epoch => replay::OTHER_EPOCH,
            Since::Offset(offset) if self.hub.is_beyond_end(offset.sequence) => replay::BEYOND_END,
            Since::Offset(offset) => return Some(offset.sequence),
        };
        self.resync(reason, out);
        None
    }

    /// Takes the next step of the join under way.
    pub(super) fn advance_join(&mut self, mut joining: Box<PendingJoin>, out: &mut SendQueue) {
        match &joining.stage {
            JoinStage::Owner(order, _) => {
                let (source, shops) = (Arc::clone(&self.hub.source), self.reader.shops.clone());
                let order = *order;
                self.query = Some(Box::pin(async move {
                    let Some(order) = order else {
                        return QueryAnswer::Order(Ok(None));
                    };
                    let asked = timeout(SOURCE_DEADLINE, source.order(&shops, order)).await;
                    QueryAnswer::Order(asked.unwrap_or_else(|_| Err(replay::timed_out())))
                }));
                self.joining = Some(joining);
            }
            JoinStage::Snapshot(selection) => {
                self.query_levels(selection.clone());
                self.joining = Some(joining);
            }
            JoinStage::CatchUp(at) => {
                let at = *at;
                if let ReadProgress::Idle = self.read(out) {
                    // The head is after `at` and the reader is held there, so an idle reader has
                    // arrived.
                    let after = joining.since.unwrap_or(at);
                    joining.stage = match joining.number {
                        Some(number) => JoinStage::Backfill {
                            after: self.backfill_position(number, after),
                            until: at,
                        },
                        None => JoinStage::Keep { after, until: at },
                    };
                }
                self.joining = Some(joining);
            }
            JoinStage::Keep { after, until } => {
                let (after, until) = (*after, *until);
                match self.write_join(&mut joining, after, until) {
                    Ok(true) => self.joining = Some(joining),
                    Ok(false) => {
                        joining.stage = JoinStage::Backfill { after, until };
                        self.joining = Some(joining);
                    }
                    Err(error) => self.fail_join(&joining, &error, out),
                }
            }
            JoinStage::Backfill { after, until } => {
                let (after, until) = (*after, *until);
                if after < until {
                    self.query_page(joining.rooms.clone(), after, until);
                } else {
                    let since = joining.since.unwrap_or(after);
                    joining.stage = JoinStage::Done {
                        after: since,
                        offset: until.max(since),
                    };
                }
                self.joining = Some(joining);
            }
            JoinStage::Done { after, offset } => {
                let (after, offset) = (*after, *offset);
                self.finish_join(*joining, after, offset, out);
            }
        }
    }

    fn finish_join(
        &mut self,
        joining: PendingJoin,
        after: Sequence,
        offset: Sequence,
        out: &mut SendQueue,
    ) {
        if let Some(number) = joining.number {
            self.record_backfilled(number, self.reader.position());
        }
        self.reader.set_ceiling(None);
        if let Some(kinds) = joining.kinds {
            self.reader.set_kinds(kinds);
        }
        let offset = Offset {
            epoch: self.hub.head().epoch,
            sequence: offset,
        };
        let fields = json!({ "rooms": self.namespace.listing(&joining.rooms, &self.reader.identity), "offset": offset });
        self.reader.join_all(joining.rooms, after);
        match (joining.call, joining.levels) {
            (Some(call), Some(snapshot)) => {
                self.flush(out);
                out.extend(
                    self.voice()
                        .answer_with_levels(&call, fields, &snapshot.levels)
                        .into_iter()
                        .flatten(),
                );
            }
            (Some(call), None) => self.answer(&call, Ok(fields), out),
            (None, _) => {}
        }
        self.resume_next();
    }

    /// Goes on after the session's record was written; gives the join up when it was not.
    pub(super) fn handle_join_written(
        &mut self,
        mut joining: Box<PendingJoin>,
        kept: &Result<(), SourceError>,
        out: &mut SendQueue,
    ) {
        if kept.is_ok()
            && let JoinStage::Keep { after, until } = joining.stage
        {
            joining.stage = JoinStage::Backfill { after, until };
            self.joining = Some(joining);
        } else {
            if let Err(error) = kept {
                self.hub.warn_of_source(error);
            }
            self.discard_backfill(joining.number);
            self.fail_join(&joining, &unavailable(), out);
        }
    }

    /// Lets a client follow an order that it may see. An order that nobody knows yet may be
    /// followed, too: its events reach only those who may see it.
    pub(super) fn handle_order(
        &mut self,
        mut joining: Box<PendingJoin>,
        order: Result<Option<OrderOwner>, SourceError>,
        out: &mut SendQueue,
    ) {
        let may_see = |(customer, locations): &OrderOwner| {
            self.reader.identity.may_see(Subject::Order {
                customer: *customer,
                user: None,
                locations,
            })
        };
        match order {
            Ok(order) if order.as_ref().is_none_or(may_see) => {
                if let JoinStage::Owner(_, at) = joining.stage {
                    joining.stage = JoinStage::Keep {
                        after: at,
                        until: at,
                    };
                }
                self.joining = Some(joining);
            }
            Ok(_) => {
                let error = ErrorBody::new(ErrorCode::Forbidden, "This order is not one of yours");
                self.fail_join(
                    &joining,
                    &ErrorBody {
                        field: Some("orderId".to_owned()),
                        ..error
                    },
                    out,
                );
            }
            Err(error) => {
                self.hub.warn_of_source(&error);
                self.fail_join(&joining, &unavailable(), out);
            }
        }
    }

    fn query_levels(&mut self, selection: LevelSelection) {
        let identity = &self.reader.identity;
        // Identities with equal limits share one answer of the source, so the limit is part of the
        // question. It is the same as that of `may_see`.
        let is_limited = !identity.may_see(Subject::Inventory { location: None });
        let within = is_limited.then(|| identity.locations.clone().unwrap_or_default());
        let selection = LevelSelection {
            within,
            ..selection
        };
        let (source, shops, mut marked) = (
            self.hub.source.clone(),
            self.reader.shops.clone(),
            self.hub.watch_marked(),
        );
        let levels = async move {
            let snapshot = source
                .levels(&shops, &selection, SNAPSHOT_LEVELS_MAX)
                .await?;
            // The levels may be ahead of what was published. The reader has to come up to their
            // sequence first, or events that the levels contain would be sent after them.
            let published = marked
                .wait_for(|marked| *marked >= snapshot.at)
                .await
                .map(drop);
            published
                .map(|()| snapshot)
                .map_err(|_| replay::timed_out())
        };
        self.query = Some(Box::pin(async move {
            QueryAnswer::Levels(
                timeout(SOURCE_DEADLINE, levels)
                    .await
                    .unwrap_or_else(|_| Err(replay::timed_out())),
            )
        }));
    }

    pub(super) fn handle_levels(
        &mut self,
        mut joining: Box<PendingJoin>,
        levels: Result<Arc<LevelsSnapshot>, SourceError>,
        out: &mut SendQueue,
    ) {
        match levels {
            Ok(snapshot) if snapshot.at >= self.reader.position() => {
                let at = snapshot.at;
                joining.levels = Some(snapshot);
                joining.stage = JoinStage::CatchUp(at);
                self.reader.set_ceiling(Some(at));
                self.joining = Some(joining);
            }
            Err(SourceError::TooMany) => {
                let message = format!(
                    "More than {SNAPSHOT_LEVELS_MAX} levels; ask for some locations or products"
                );
                self.fail_join(&joining, &ErrorBody::new(ErrorCode::TooLarge, message), out);
            }
            // Levels that are older than what this client was already sent would undo changes on
            // its screen.
            Ok(_) => self.fail_join(&joining, &unavailable(), out),
            Err(error) => {
                self.hub.warn_of_source(&error);
                self.fail_join(&joining, &unavailable(), out);
            }
        }
    }

    pub(super) fn handle_missed_page(
        &mut self,
        mut joining: Box<PendingJoin>,
        page: Result<LogPage, SourceError>,
        out: &mut SendQueue,
    ) -> Result<(), LogInterrupted> {
        let JoinStage::Backfill { until, .. } = joining.stage else {
            return Ok(());
        };
        match page {
            Ok(page) => {
                for broadcast in &page.entries {
                    if self
                        .reader
                        .missed_entry(&joining.rooms, joining.kinds.as_ref(), broadcast)
                    {
                        self.send_missed(joining.number, broadcast, out);
                    }
                }
                joining.stage = JoinStage::Backfill {
                    after: page.reached,
                    until,
                };
                self.joining = Some(joining);
            }
            Err(SourceError::TooOld) => {
                self.resync(replay::TOO_OLD, out);
                joining.stage = JoinStage::Done {
                    after: until,
                    offset: until,
                };
                self.joining = Some(joining);
            }
            // ContractMessage of the missed entries was sent or is in the record. If the client asked again it
            // would get them twice, so the transport is closed and the session recovers.
            Err(error) if joining.number.is_some() || joining.was_begun() => {
                return Err(error.into());
            }
            Err(error) => {
                self.hub.warn_of_source(&error);
                self.fail_join(&joining, &unavailable(), out);
            }
        }
        Ok(())
    }

    fn send_missed(&mut self, number: Option<u32>, broadcast: &Broadcast, out: &mut SendQueue) {
        if let Some(number) = number {
            self.record_backfilled(number, broadcast.sequence());
        }
        // The join asked for everything that these rooms bring, so no frame is left out by its
        // rooms.
        let (is_for_us, mine) = (|_: &LogReader, _: &[Room]| true, self.own_view(broadcast));
        match self.cursor() {
            Some(cursor) => {
                let frames = self.namespace.frames_at(broadcast, mine, cursor);
                self.send(broadcast, &frames, is_for_us, out);
            }
            None => self.send(
                broadcast,
                broadcast.frames(self.namespace, false),
                is_for_us,
                out,
            ),
        }
    }

    pub(super) fn fail_join(
        &mut self,
        joining: &PendingJoin,
        error: &ErrorBody,
        out: &mut SendQueue,
    ) {
        for room in joining.rooms.iter().filter(|room| !self.reader.is_in(room)) {
            self.hub.unsubscribe(&self.signal, &self.reader.shops, room);
        }
        self.reader.set_ceiling(None);
        if let Some(call) = &joining.call {
            self.refuse(call, error, out);
        }
    }
}

pub(super) fn unavailable() -> ErrorBody {
    ErrorBody::new(
        ErrorCode::Unavailable,
        "Not available at the moment; try again",
    )
}
