//! The one door: everything that becomes true enters here, and what follows from it is appended to the log
//! in the same transaction.

use schemas::event::Source;
use schemas::{Event, RunState, Timestamp};

use crate::door::{Door, crossing_event, judge_stock};
use crate::operation::{Batch, Cause, Fate, Operation, Outcome};
use crate::shape::shape;
use crate::tables::{Result, Tables, Transaction};
use crate::{attempt, command};

/// Does one operation inside a transaction; on an error the caller rolls it back.
pub(crate) fn perform<T: Transaction>(transaction: &mut T, operation: &Operation) -> Result<Outcome> {
    let fresh = |fresh| Outcome { fresh, ..Outcome::default() };
    match operation {
        Operation::Accept(delivery) => transaction.accept(delivery).map(fresh),
        Operation::Apply(batch) => {
            let mut tables = transaction.shop(&batch.shop)?;
            apply(&mut tables, batch)
        }
        Operation::Command(given) => {
            let answer = command::perform(&mut transaction.shop(&given.shop)?, given)?;
            Ok(Outcome { fresh: answer.is_ok(), answer: Some(answer), ..Outcome::default() })
        }
        Operation::ExpireHolds { shop, at } => {
            let changed = command::expire(&mut transaction.shop(shop)?, *at)?;
            Ok(Outcome { fresh: changed > 0, changed, ..Outcome::default() })
        }
        Operation::FinishRun { shop, run, state, error, at } => {
            let mut tables = transaction.shop(shop)?;
            let Some(mut record) = tables.run(run)?.filter(|record| !record.run.state.is_over()) else {
                return Ok(fresh(false));
            };
            record.run.state = *state;
            record.run.error.clone_from(error);
            record.run.finished_at = Some(*at);
            tables.put_run(&record)?;
            if let (RunState::Completed, Some(until)) = (state, record.until) {
                tables.put_watermark(record.resource(), until)?;
            }
            tables.append(*at, &Event::ShopifySyncStatus(record.run))?;
            Ok(fresh(true))
        }
        Operation::Net { shop, effects, at } => {
            attempt::net(&mut transaction.shop(shop)?, effects, *at).map(|()| fresh(true))
        }
        Operation::Park { shop, at } => {
            let changed = attempt::park(&mut transaction.shop(shop)?, *at)?;
            Ok(Outcome { fresh: changed > 0, changed, ..Outcome::default() })
        }
        Operation::Prune(retention) => transaction.prune(retention).map(|()| fresh(true)),
        Operation::Register { shop, thresholds, at } => {
            let before = transaction.register(shop, thresholds)?;
            if before.as_ref().is_some_and(|before| before != thresholds) {
                judge_anew(&mut transaction.shop(shop)?, *at)?;
            }
            Ok(fresh(before.is_none()))
        }
        Operation::Reject { shop, effects, at } => {
            attempt::reject(&mut transaction.shop(shop)?, effects, *at).map(|()| fresh(true))
        }
        Operation::SettleAttempt { shop, id, end, at } => {
            attempt::settle(&mut transaction.shop(shop)?, id, end, *at)
        }
        Operation::StartAttempt { shop, attempt, effects } => {
            attempt::start(&mut transaction.shop(shop)?, attempt, effects).map(fresh)
        }
        Operation::StartRun(record) => {
            let mut tables = transaction.shop(&record.shop)?;
            if tables.run_under_way(record.resource())? {
                return Ok(fresh(false));
            }
            tables.put_run(record)?;
            tables.append(record.run.started_at, &Event::ShopifySyncStatus(record.run.clone()))?;
            Ok(fresh(true))
        }
    }
}

fn apply<T: Tables>(tables: &mut T, batch: &Batch) -> Result<Outcome> {
    let mut door = match &batch.cause {
        Cause::Webhook { id, fate } => {
            if !tables.is_pending(id)? {
                return Ok(Outcome::default());
            }
            tables.settle(id, fate)?;
            if *fate != Fate::Applied {
                return Ok(Outcome { fresh: true, ..Outcome::default() });
            }
            Door::new(tables, batch.at, Source::Webhook, false)
        }
        Cause::Run { run, .. } => {
            let Some(record) = tables.run(run)?.filter(|record| !record.run.state.is_over()) else {
                return Ok(Outcome::default());
            };
            Door::new(tables, batch.at, Source::Sync, record.first)
        }
        Cause::Read(marks) => {
            let mut door = Door::new(tables, batch.at, Source::Read, false);
            for (key, mark) in marks {
                door.reading(*key, *mark)?;
            }
            door
        }
    };
    for change in &batch.changes {
        door.change(change)?;
    }
    let outcome = door.finish()?;
    if let Cause::Run { run, progress } = &batch.cause
        && let Some(mut record) = tables.run(run)?
    {
        record.run.processed = progress.processed;
        record.run.total = progress.total;
        record.run.changed += outcome.changed;
        record.run.deleted += outcome.deleted;
        record.resume.clone_from(&progress.resume);
        record.until = progress.until.or(record.until);
        tables.put_run(&record)?;
    }
    Ok(outcome)
}

/// Thresholds changed: every level is judged against the new ones, and what it crosses by that is told.
fn judge_anew<T: Tables>(tables: &mut T, at: Timestamp) -> Result<()> {
    for mut held in tables.levels()? {
        let shape = shape(tables, &held)?;
        let crossing = judge_stock(&mut held, &shape);
        tables.put(&held)?;
        if let Some(crossing) = crossing {
            tables.append(at, &crossing_event(crossing, shape))?;
        }
    }
    Ok(())
}
