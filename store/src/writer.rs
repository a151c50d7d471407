//! The only thing that writes: it takes what waits as one batch, decides it in memory, and commits it in one transaction.
//!
//! What somebody waits for overtakes what is only brought into the mirror: a webhook is answered when it is on disk,
//! however many others are still to be applied. A whole-shop operation is done in slices, and others go between them.
//!
//! The writer can run on a thread of its own ([`Writer::run`]) or be stepped by a simulation ([`Writer::step`]).

use std::collections::VecDeque;

use domain::{Appended, BulkWrite, Numbers, Operation, Outcome, Undecided, WorkingSet};
use schemas::{Epoch, LogEntry, Offset, Sequence};
use tokio::sync::{mpsc, oneshot, watch};

use crate::backend::{Backend, Uncommitted};
use crate::{Result, StoreError};

/// Operations that may wait for the writer; the next caller waits for a place.
pub(crate) const WAITING_MAX: usize = 4096;
/// Operations that somebody waits for, in one transaction: bounds how long the first of a batch waits for its commit.
const BATCH_MAX: usize = 512;
/// Changes of the mirror in one transaction, for the same reason: each costs several times an operation of the others.
pub(crate) const CHANGES_MAX: usize = 96;
/// Changes in one transaction that deliveries bring as they arrive; somebody waits for each of them.
const DELIVERED_MAX: usize = 384;
/// Batches of entries that wait for the tail of the log; of more it is told nothing, and reads them.
const HANDED_MAX: usize = 16;
/// Bytes of sessions' records in one transaction, but at least one record: with more, a webhook would wait for them.
const SESSION_BYTES_MAX: usize = 128 * 1024;
/// Times that a batch is decided. Each time more is loaded for it, and no decision asks for that much one after another.
const PASSES_MAX: usize = 1_000;

/// An operation that somebody waits for.
pub(crate) struct Request {
    pub(crate) operation: Operation,
    pub(crate) answer: oneshot::Sender<Result<Outcome>>,
    /// What came of its slices so far.
    pub(crate) outcome: Outcome,
}

impl Request {
    pub(crate) fn new(operation: Operation, answer: oneshot::Sender<Result<Outcome>>) -> Self {
        Self {
            operation,
            answer,
            outcome: Outcome::default(),
        }
    }

    /// How many changes of the mirror it asks for; `None` for what overtakes them.
    fn changes(&self) -> Option<usize> {
        match &self.operation {
            Operation::Apply(batch) => Some(batch.changes.len().max(1)),
            _ => None,
        }
    }

    /// How many bytes of a session it brings; `None` for what is none.
    fn session_bytes(&self) -> Option<usize> {
        match &self.operation {
            Operation::KeepSession { rooms, .. } => Some(rooms.len()),
            _ => None,
        }
    }
}

/// The only thing that writes.
pub struct Writer {
    backend: Box<dyn Backend>,
    requests: mpsc::Receiver<Request>,
    /// Batches to be applied, oldest first. Those who ask for them wait for the answer, so there are few.
    batches: VecDeque<Request>,
    /// Sessions' records to be kept, oldest first. Their sockets wait for the answer, so there are no more than sockets.
    sessions: VecDeque<Request>,
    /// What has a transaction of its own, and what of that is done in slices goes on at the front.
    alone: VecDeque<Request>,
    committed: watch::Sender<Sequence>,
    failing: watch::Sender<Option<String>>,
    erasures: watch::Sender<u64>,
    /// Where entries go that were just committed, so that the tail need not read them back.
    handed: mpsc::Sender<Vec<LogEntry>>,
    epoch: Epoch,
}

/// What whoever reads is told by the writer.
pub(crate) struct WriterSignals {
    /// The last committed entry of the log.
    pub(crate) committed: watch::Receiver<Sequence>,
    /// Why nothing can be written now.
    pub(crate) failing: watch::Receiver<Option<String>>,
    /// How often something was erased.
    pub(crate) erasures: watch::Receiver<u64>,
    /// Entries that were just committed.
    pub(crate) handed: mpsc::Receiver<Vec<LogEntry>>,
}

impl Writer {
    /// A writer on that database, whose log ends there.
    pub(crate) fn new(
        backend: impl Backend,
        requests: mpsc::Receiver<Request>,
        end: Offset,
    ) -> (Self, WriterSignals) {
        let (committed, head) = watch::channel(end.sequence);
        let (handed, tail) = mpsc::channel(HANDED_MAX);
        let (failing, trouble) = watch::channel(None);
        let (erasures, erased) = watch::channel(0);
        let writer = Self {
            backend: Box::new(backend),
            requests,
            batches: VecDeque::new(),
            sessions: VecDeque::new(),
            alone: VecDeque::new(),
            committed,
            failing,
            erasures,
            handed,
            epoch: end.epoch,
        };
        let signals = WriterSignals {
            committed: head,
            failing: trouble,
            erasures: erased,
            handed: tail,
        };
        (writer, signals)
    }

    /// Does what waits now: a batch, and one operation that is alone in its transaction; waits for nothing. False when
    /// nothing waited.
    ///
    /// # Errors
    /// The database can no longer be trusted to tell what it holds: end the process.
    pub fn step(&mut self) -> Result<bool> {
        self.step_from(None)
    }

    /// Writes until every handle of the store is gone.
    ///
    /// # Errors
    /// As [`Writer::step`].
    pub fn run(mut self) -> Result<()> {
        loop {
            let is_idle =
                self.batches.is_empty() && self.sessions.is_empty() && self.alone.is_empty();
            let first = if is_idle {
                self.requests.blocking_recv()
            } else {
                None
            };
            if !self.step_from(first)? {
                return Ok(());
            }
        }
    }

    fn step_from(&mut self, first: Option<Request>) -> Result<bool> {
        let batch = self.next_batch(first);
        let alone = self.alone.pop_front();
        let waited = !batch.is_empty() || alone.is_some();
        if !batch.is_empty() {
            self.carry_out(batch)?;
        }
        if let Some(request) = alone {
            self.carry_out(vec![request])?;
        }
        Ok(waited)
    }

    /// What is written next: that request, what waits, and as many batches and sessions as fit.
    fn next_batch(&mut self, first: Option<Request>) -> Vec<Request> {
        let (mut batch, mut delivered) = (Vec::new(), 0);
        let mut next = first.or_else(|| self.requests.try_recv().ok());
        while let Some(request) = next {
            // Sessions give way as batches do, so that clients who join rooms do not delay webhooks.
            match (request.changes(), request.session_bytes()) {
                _ if request.operation.is_alone() => self.alone.push_back(request),
                (Some(_), _) => self.batches.push_back(request),
                (_, Some(_)) => self.sessions.push_back(request),
                (None, None) => {
                    delivered += request.operation.changes().len();
                    batch.push(request);
                }
            }
            next = if batch.len() < BATCH_MAX && delivered < DELIVERED_MAX {
                self.requests.try_recv().ok()
            } else {
                None
            };
        }
        let mut changes = 0;
        while changes < CHANGES_MAX
            && let Some(request) = self.batches.pop_front()
        {
            changes += request.changes().unwrap_or_default();
            batch.push(request);
        }
        let mut bytes = 0;
        while bytes < SESSION_BYTES_MAX
            && let Some(request) = self.sessions.pop_front()
        {
            bytes += request.session_bytes().unwrap_or_default();
            batch.push(request);
        }
        batch
    }

    /// Decides and commits a batch, and answers whoever waits for it.
    fn carry_out(&mut self, batch: Vec<Request>) -> Result<()> {
        let (operations, waiting): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .map(|request| (request.operation, (request.answer, request.outcome)))
            .unzip();
        let outcomes = match commit(&mut *self.backend, &operations) {
            Ok((outcomes, set)) => {
                self.tell(set);
                outcomes
            }
            // Not where the disk is at fault for longer: each would only fail once more.
            Err(Uncommitted::Lost(_)) if operations.len() > 1 && !self.is_failing() => {
                self.one_by_one(&operations)?
            }
            Err(Uncommitted::Lost(error)) => {
                self.note_failure(&error, operations.len());
                operations.iter().map(|_| Err(error.clone())).collect()
            }
            Err(Uncommitted::Unsure(error)) => return Err(error),
        };
        for ((operation, (answer, so_far)), outcome) in
            operations.into_iter().zip(waiting).zip(outcomes)
        {
            match outcome.map(|outcome| outcome.after(&so_far)) {
                Ok(outcome) if outcome.more => {
                    let is_webhook = matches!(operation, Operation::Deliver(_));
                    let mut rest = Request {
                        operation: operation.rest(),
                        answer,
                        outcome,
                    };
                    if is_webhook {
                        // Shopify waits seconds, and that there is more to do is on disk.
                        let nobody = oneshot::channel().0;
                        let answer = std::mem::replace(&mut rest.answer, nobody);
                        let outcome = std::mem::take(&mut rest.outcome);
                        drop(answer.send(Ok(Outcome {
                            more: false,
                            ..outcome
                        })));
                    }
                    self.alone.push_front(rest);
                }
                // Whoever asked may have given up waiting; what was done stays done.
                outcome => drop(answer.send(outcome)),
            }
        }
        self.backend.after_answers();
        Ok(())
    }

    /// Commits each operation of a batch that failed by itself. No data is known that SQL refuses, because decisions check
    /// what the tables do; should there be some all the same, it takes nobody else along.
    fn one_by_one(&mut self, operations: &[Operation]) -> Result<Outcomes> {
        let mut outcomes = Vec::with_capacity(operations.len());
        for operation in operations {
            match commit(&mut *self.backend, std::slice::from_ref(operation)) {
                Ok((outcome, set)) => {
                    self.tell(set);
                    outcomes.extend(outcome);
                }
                Err(Uncommitted::Lost(error)) => outcomes.push(Err(error)),
                Err(Uncommitted::Unsure(error)) => return Err(error),
            }
        }
        let failed = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
        let failed: Vec<&StoreError> = failed.collect();
        match failed[..] {
            [error, ..] if failed.len() == outcomes.len() => {
                self.note_failure(error, outcomes.len());
            }
            [error, ..] => {
                tracing::error!(%error, operations = failed.len(), "Lost operations that the database refuses; those beside them were done");
            }
            [] => {}
        }
        Ok(outcomes)
    }

    fn is_failing(&self) -> bool {
        self.failing.borrow().is_some()
    }

    /// Wakes whoever reads what was committed.
    fn tell(&self, set: WorkingSet) {
        let erases = set.written().bulk.iter().any(BulkWrite::erases);
        for warning in &set.written().warnings {
            let (item, location) = warning.level;
            tracing::warn!(shop.domain = %warning.shop, item.id = %item, location.id = %location, "{}", warning.message);
        }
        if erases {
            self.erasures.send_modify(|erasures| *erasures += 1);
        }
        let now = set.numbers().sequence;
        let entry = |appended: Appended| LogEntry {
            offset: Offset {
                epoch: self.epoch,
                sequence: appended.sequence,
            },
            shop: appended.shop,
            at: appended.at,
            event: appended.event,
            bytes: appended.stored.len(),
        };
        let entries: Vec<LogEntry> = set.into_appended().into_iter().map(entry).collect();
        // Where something was erased, the log may hold less than was appended.
        if !erases && !entries.is_empty() {
            // A tail that is behind reads them.
            let _ = self.handed.try_send(entries);
        }
        self.committed
            .send_if_modified(|head| std::mem::replace(head, now) != now);
        self.failing
            .send_if_modified(|failing| failing.take().is_some());
    }

    /// One line and one sentence for each time that it lasts: another error of the same disk is no news.
    fn note_failure(&self, error: &StoreError, operations: usize) {
        self.failing.send_if_modified(|failing| {
            if failing.is_some() {
                return false;
            }
            tracing::error!(%error, operations, "Lost a transaction with all its operations; so will be all that follow, until this has passed");
            *failing = Some(error.to_string());
            true
        });
    }
}

pub(crate) type Outcomes = Vec<Result<Outcome>>;

/// Decides a batch and commits it, or nothing of it.
pub(crate) fn commit(
    backend: &mut dyn Backend,
    operations: &[Operation],
) -> std::result::Result<(Outcomes, WorkingSet), Uncommitted> {
    let written = backend
        .begin()
        .and_then(|numbers| write(backend, numbers, operations));
    match written {
        Ok(written) => {
            backend.commit()?;
            Ok(written)
        }
        Err(error) => {
            backend.rollback();
            Err(Uncommitted::Lost(error))
        }
    }
}

/// Decides a batch and writes it, inside a transaction that others began and will commit.
pub(crate) fn write(
    backend: &mut dyn Backend,
    numbers: Numbers,
    operations: &[Operation],
) -> Result<(Outcomes, WorkingSet)> {
    let mut set = WorkingSet::new(numbers);
    let mut wanted = set.unknown(operations.iter().flat_map(domain::keys));
    for _ in 0..PASSES_MAX {
        if !wanted.is_empty() {
            backend.load(&wanted, &mut set)?;
        }
        match domain::decide(&mut set, operations) {
            Ok(outcomes) => {
                set.seal()?;
                let more = backend.write(&set)?;
                let outcome = |outcome: std::result::Result<Outcome, Undecided>| {
                    let outcome = outcome?;
                    Ok(Outcome {
                        more: outcome.more || more,
                        ..outcome
                    })
                };
                return Ok((outcomes.into_iter().map(outcome).collect(), set));
            }
            Err(missing) => wanted = missing,
        }
    }
    let text = format!("no end of what is missing for a decision: {wanted:?}");
    Err(StoreError::Failed(text))
}

impl From<Undecided> for StoreError {
    fn from(undecided: Undecided) -> Self {
        match undecided {
            Undecided::UnknownShop(shop) => Self::UnknownShop(shop),
            Undecided::Unspeakable(text) => Self::Failed(text),
            Undecided::Missing => Self::Failed("a decision was left open".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
