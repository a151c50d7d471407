//! Joining rooms: the levels, what was missed, the record, the answer; and joins that a recovered client was in the
//! middle of.

use std::collections::BTreeSet;
use std::sync::Arc;

use schemas::{ErrorBody, ErrorCode, LevelSelection, Offset, OrderId, Room, Sequence, Subject};
use serde_json::json;
use tokio::time::timeout;

use super::{Answer, Interrupted, Reading, Socket};
use crate::connection::Out;
use crate::contracts::request::{Join, Since};
use crate::hub::broadcast::Broadcast;
use crate::hub::count;
use crate::hub::reader::{Kinds, Reader};
use crate::hub::recovery::Backfill;
use crate::hub::replay::{self, Page};
use crate::limits::{SNAPSHOT_LEVELS_MAX, SOURCE_DEADLINE};
use crate::protocol::socketio::Call;
use crate::source::{OrderOwner, Snapshot, SourceError};

/// A subscribe under way. The log is not read meanwhile, but for [`Stage::CatchUp`].
pub(super) struct Joining {
    /// What is to be answered; none where it was before the connection broke, or never will be.
    call: Option<Call>,
    pub(super) rooms: BTreeSet<Room>,
    pub(super) kinds: Option<Kinds>,
    /// Where the client wants to go on from in these rooms.
    since: Option<Sequence>,
    /// The answer's levels, once known.
    levels: Option<Arc<Snapshot>>,
    /// The number under which what was missed is kept, once it is.
    pub(super) number: Option<u32>,
    stage: Stage,
}

#[derive(Debug)]
pub(super) enum Stage {
    /// Whose that order is has to be asked; the rooms count from there.
    Owner(Option<OrderId>, Sequence),
    /// The levels are to be asked for.
    Snapshot(LevelSelection),
    /// The reader is to come up to the levels' sequence, or to where it was.
    CatchUp(Sequence),
    /// The record is to be written; then what is between is to be sent.
    Keep { after: Sequence, until: Sequence },
    /// What was missed in these rooms is to be sent.
    Backfill { after: Sequence, until: Sequence },
    /// The rooms count from the first, the answer is exact at the second.
    Done { after: Sequence, offset: Sequence },
}

impl Joining {
    /// One that a recovered client was in the middle of, or before.
    pub(super) fn resumed(backfill: Backfill) -> Self {
        let rooms = backfill.rooms.into_keys().collect();
        Self {
            call: None,
            rooms,
            kinds: Some(backfill.kinds),
            since: Some(backfill.after),
            levels: None,
            number: Some(backfill.number),
            stage: Stage::CatchUp(backfill.until),
        }
    }

    /// Where the reader must not read past before this is begun.
    pub(super) fn ceiling(&self) -> Option<Sequence> {
        match self.stage {
            Stage::CatchUp(at) => Some(at),
            _ => None,
        }
    }

    pub(super) fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.iter()
    }

    /// Whether it is sent what was missed, page by page, so that a page that arrives is its.
    pub(super) fn is_filling(&self) -> bool {
        matches!(self.stage, Stage::Backfill { .. })
    }
}

impl Joining {
    fn was_begun(&self) -> bool {
        match (&self.stage, self.since) {
            (Stage::Backfill { after, .. }, Some(since)) => *after > since,
            _ => false,
        }
    }
}

impl Socket {
    /// Begins a subscribe.
    pub(super) fn join(
        &mut self,
        call: Call,
        Join {
            rooms,
            since,
            snapshot,
            kinds,
            order,
            ..
        }: Join,
        out: &mut Out,
    ) {
        let more = rooms.iter().filter(|room| !self.reader.is_in(room)).count();
        let most = self.hub.options.rooms_per_socket_max;
        if self.reader.rooms_len() + more > most {
            count(&self.hub.counters.rooms_refused);
            let message = format!("A socket may be in {most} rooms");
            return self.refuse(&call, &ErrorBody::new(ErrorCode::TooLarge, message), out);
        }
        for room in &rooms {
            self.hub.listen(&self.slot, &self.reader.shops, room);
        }
        // Read after the slot listens: what comes later is marked there.
        let head = self.hub.head();
        let since = since.and_then(|since| self.check_since(since, head, out));
        let stage = match (snapshot, since) {
            _ if order.is_some() => Stage::Owner(order, head.sequence),
            (Some(selection), _) => Stage::Snapshot(selection),
            (None, Some(after)) => Stage::Keep {
                after,
                until: self.reader.position(),
            },
            (None, None) => Stage::Keep {
                after: head.sequence,
                until: head.sequence,
            },
        };
        let joining = Joining {
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

    /// The sequence to go on from; where there is none, the client is told to load again.
    fn check_since(&mut self, since: Since, head: Offset, out: &mut Out) -> Option<Sequence> {
        let reason = match since {
            Since::Foreign => replay::UNKNOWN_OFFSET,
            Since::Offset(offset) if offset.epoch != head.epoch => replay::OTHER_EPOCH,
            Since::Offset(offset) if self.hub.is_beyond_end(offset.sequence) => replay::BEYOND_END,
            Since::Offset(offset) => return Some(offset.sequence),
        };
        self.resync(reason, out);
        None
    }

    /// The next step of the join under way.
    pub(super) fn join_on(&mut self, mut joining: Box<Joining>, out: &mut Out) {
        match &joining.stage {
            Stage::Owner(order, _) => {
                let (source, shops) = (Arc::clone(&self.hub.source), self.reader.shops.clone());
                let order = *order;
                self.question = Some(Box::pin(async move {
                    let Some(order) = order else {
                        return Answer::Order(Ok(None));
                    };
                    let asked = timeout(SOURCE_DEADLINE, source.order(&shops, order)).await;
                    Answer::Order(asked.unwrap_or_else(|_| Err(replay::late())))
                }));
                self.joining = Some(joining);
            }
            Stage::Snapshot(selection) => {
                self.ask_levels(selection.clone());
                self.joining = Some(joining);
            }
            Stage::CatchUp(at) => {
                let at = *at;
                if let Reading::Idle = self.read(out) {
                    // The head is past it and the reader held there, so idle means arrived.
                    let after = joining.since.unwrap_or(at);
                    joining.stage = match joining.number {
                        Some(number) => Stage::Backfill {
                            after: self.filled(number, after),
                            until: at,
                        },
                        None => Stage::Keep { after, until: at },
                    };
                }
                self.joining = Some(joining);
            }
            Stage::Keep { after, until } => {
                let (after, until) = (*after, *until);
                match self.keep_with(&mut joining, after, until) {
                    Ok(true) => self.joining = Some(joining),
                    Ok(false) => {
                        joining.stage = Stage::Backfill { after, until };
                        self.joining = Some(joining);
                    }
                    Err(error) => self.give_up(&joining, &error, out),
                }
            }
            Stage::Backfill { after, until } => {
                let (after, until) = (*after, *until);
                if after < until {
                    self.ask_page(joining.rooms.clone(), after, until);
                } else {
                    let since = joining.since.unwrap_or(after);
                    joining.stage = Stage::Done {
                        after: since,
                        offset: until.max(since),
                    };
                }
                self.joining = Some(joining);
            }
            Stage::Done { after, offset } => {
                let (after, offset) = (*after, *offset);
                self.joined(*joining, after, offset, out);
            }
        }
    }

    fn joined(&mut self, joining: Joining, after: Sequence, offset: Sequence, out: &mut Out) {
        if let Some(number) = joining.number {
            self.has_filled(number, self.reader.position());
        }
        self.reader.hold(None);
        if let Some(kinds) = joining.kinds {
            self.reader.want(kinds);
        }
        let offset = Offset {
            epoch: self.hub.head().epoch,
            sequence: offset,
        };
        let fields = json!({ "rooms": self.namespace.listing(&joining.rooms, &self.reader.identity), "offset": offset });
        self.reader.enter(joining.rooms, after);
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

    /// The record was written, or was not.
    pub(super) fn take_kept(
        &mut self,
        mut joining: Box<Joining>,
        kept: &Result<(), SourceError>,
        out: &mut Out,
    ) {
        if kept.is_ok()
            && let Stage::Keep { after, until } = joining.stage
        {
            joining.stage = Stage::Backfill { after, until };
            self.joining = Some(joining);
        } else {
            self.take_back(joining.number);
            self.give_up(&joining, &unavailable(), out);
        }
    }

    /// An order that is known may be followed by whoever may see it; of one that is not, nothing is heard that one may
    /// not see.
    pub(super) fn take_order(
        &mut self,
        mut joining: Box<Joining>,
        order: Result<Option<OrderOwner>, SourceError>,
        out: &mut Out,
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
                if let Stage::Owner(_, at) = joining.stage {
                    joining.stage = Stage::Keep {
                        after: at,
                        until: at,
                    };
                }
                self.joining = Some(joining);
            }
            Ok(_) => {
                let error = ErrorBody::new(ErrorCode::Forbidden, "This order is not one of yours");
                self.give_up(
                    &joining,
                    &ErrorBody {
                        field: Some("orderId".to_owned()),
                        ..error
                    },
                    out,
                );
            }
            Err(_) => self.give_up(&joining, &unavailable(), out),
        }
    }

    fn ask_levels(&mut self, selection: LevelSelection) {
        let identity = &self.reader.identity;
        // The same limit as that of `may_see`, asked of the source so that those of equal rights share an answer.
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
            // The store is ahead of what was published; the reader has to come up to it first.
            let published = marked
                .wait_for(|marked| *marked >= snapshot.at)
                .await
                .map(drop);
            published.map(|()| snapshot).map_err(|_| replay::late())
        };
        self.question = Some(Box::pin(async move {
            Answer::Levels(
                timeout(SOURCE_DEADLINE, levels)
                    .await
                    .unwrap_or_else(|_| Err(replay::late())),
            )
        }));
    }

    pub(super) fn take_levels(
        &mut self,
        mut joining: Box<Joining>,
        levels: Result<Arc<Snapshot>, SourceError>,
        out: &mut Out,
    ) {
        match levels {
            Ok(snapshot) if snapshot.at >= self.reader.position() => {
                let at = snapshot.at;
                joining.levels = Some(snapshot);
                joining.stage = Stage::CatchUp(at);
                self.reader.hold(Some(at));
                self.joining = Some(joining);
            }
            Err(SourceError::TooMany) => {
                let message = format!(
                    "More than {SNAPSHOT_LEVELS_MAX} levels; ask for some locations or products"
                );
                self.give_up(&joining, &ErrorBody::new(ErrorCode::TooLarge, message), out);
            }
            // Levels older than what was sent already would be an answer from the past.
            Ok(_) | Err(_) => self.give_up(&joining, &unavailable(), out),
        }
    }

    pub(super) fn take_missed(
        &mut self,
        mut joining: Box<Joining>,
        page: Result<Page, SourceError>,
        out: &mut Out,
    ) -> Result<(), Interrupted> {
        let Stage::Backfill { until, .. } = joining.stage else {
            return Ok(());
        };
        match page {
            Ok(page) => {
                for broadcast in &page.entries {
                    if self
                        .reader
                        .missed(&joining.rooms, joining.kinds.as_ref(), broadcast)
                    {
                        self.send_missed(joining.number, broadcast, out);
                    }
                }
                joining.stage = Stage::Backfill {
                    after: page.reached,
                    until,
                };
                self.joining = Some(joining);
            }
            Err(SourceError::TooOld) => {
                self.resync(replay::TOO_OLD, out);
                joining.stage = Stage::Done {
                    after: until,
                    offset: until,
                };
                self.joining = Some(joining);
            }
            // Some of it was sent, or it is in the record: asked for again it would come twice.
            Err(error) if joining.number.is_some() || joining.was_begun() => {
                return Err(error.into());
            }
            Err(_) => self.give_up(&joining, &unavailable(), out),
        }
        Ok(())
    }

    fn send_missed(&mut self, number: Option<u32>, broadcast: &Broadcast, out: &mut Out) {
        if let Some(number) = number {
            self.has_filled(number, broadcast.sequence());
        }
        // What is filled up was joined for all that it brings.
        let (is_for_us, mine) = (|_: &Reader, _: &[Room]| true, self.own_view(broadcast));
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

    pub(super) fn give_up(&mut self, joining: &Joining, error: &ErrorBody, out: &mut Out) {
        for room in joining.rooms.iter().filter(|room| !self.reader.is_in(room)) {
            self.hub.ignore(&self.slot, &self.reader.shops, room);
        }
        self.reader.hold(None);
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
