//! The one door: everything that becomes true enters here, and what follows from it is appended to the log
//! in the same transaction.

use inventory::HeldLevel;
use schemas::event::{Drift, Source};
use schemas::{Change, Logged, RecordKey, RunState, Timestamp};

use crate::door::{Door, Doubt, Window, crossing_event, judge_stock, without_forgotten};
use crate::drift::{Drifted, Wrong};
use crate::operation::{Batch, Cause, Operation, Outcome, Post, Progress, RunRecord};
use crate::shape::{shape, standing};
use crate::tables::{Keep, Record, Result, Tables, Transaction};
use crate::{attempt, command};

/// Does one operation inside a transaction; on an error the caller rolls it back.
pub(crate) fn perform<T: Transaction>(
    transaction: &mut T,
    operation: &Operation,
) -> Result<Outcome> {
    let fresh = |fresh| Outcome {
        fresh,
        ..Outcome::default()
    };
    match operation {
        Operation::Accept(delivery) => transaction.accept(delivery).map(fresh),
        Operation::Announce { shop, event, at } => {
            transaction.shop(shop)?.append(*at, event)?;
            Ok(fresh(true))
        }
        Operation::Apply(batch) => {
            let mut tables = transaction.shop(&batch.shop)?;
            apply(&mut tables, batch)
        }
        Operation::Command(given) => {
            let answer = command::perform(&mut transaction.shop(&given.shop)?, given)?;
            Ok(Outcome {
                fresh: answer.is_ok(),
                answer: Some(answer),
                ..Outcome::default()
            })
        }
        Operation::ExpireHolds { shop, at } => {
            let changed = command::expire(&mut transaction.shop(shop)?, *at)?;
            Ok(Outcome {
                fresh: changed > 0,
                changed,
                ..Outcome::default()
            })
        }
        Operation::FinishRun {
            shop,
            run,
            state,
            error,
            at,
        } => {
            let mut tables = transaction.shop(shop)?;
            let Some(mut record) = tables
                .run(run)?
                .filter(|record| !record.run.state.is_over())
            else {
                return Ok(fresh(false));
            };
            record.run.state = *state;
            record.run.error.clone_from(error);
            record.run.finished_at = Some(*at);
            tables.put_run(&record)?;
            let (completed, dry) = (*state == RunState::Completed, record.run.dry_run);
            if let Some(until) = record.until.filter(|_| completed && !dry) {
                tables.put_watermark(record.resource(), until)?;
            }
            if record.run.drift > 0 && !dry {
                let run_id = record.run.run_id.clone();
                let drift = Drift {
                    run_id,
                    resource: record.resource(),
                    records: record.run.drift,
                };
                tables.append(*at, &Logged::ShopifyDrift(drift))?;
            }
            tables.append(*at, &Logged::ShopifySyncStatus(record.run))?;
            Ok(fresh(true))
        }
        Operation::Forget { shop } => transaction.forget(shop).map(|()| fresh(true)),
        Operation::KeepIdentity { shop, id } => transaction.keep_identity(shop, id).map(fresh),
        Operation::KeepNames { shop, wanted } => transaction.keep_names(shop, *wanted).map(fresh),
        Operation::KeepPosition { reader, position } => transaction
            .keep_position(reader, position)
            .map(|()| fresh(true)),
        Operation::KeepSession {
            id,
            owner,
            quota,
            rooms,
            at,
        } => transaction
            .keep_session(id, owner, rooms, *at, quota)
            .map(|()| fresh(true)),
        Operation::Net { shop, effects, at } => {
            attempt::net(&mut transaction.shop(shop)?, effects, *at).map(|()| fresh(true))
        }
        Operation::Park { shop, at } => {
            let changed = attempt::park(&mut transaction.shop(shop)?, *at)?;
            Ok(Outcome {
                fresh: changed > 0,
                changed,
                ..Outcome::default()
            })
        }
        Operation::Post(post) => tell(&mut transaction.shop(&post.shop)?, post),
        Operation::Prune(retention) => transaction.prune(retention).map(|()| fresh(true)),
        Operation::Register {
            shop,
            thresholds,
            at,
        } => {
            let before = transaction.register(shop, thresholds, *at)?;
            if before.as_ref().is_some_and(|before| before != thresholds) {
                judge_anew(&mut transaction.shop(shop)?, *at)?;
            }
            Ok(fresh(before.is_none()))
        }
        Operation::Reject { shop, effects, at } => {
            attempt::reject(&mut transaction.shop(shop)?, effects, *at).map(|()| fresh(true))
        }
        Operation::Revoke(revocation) => transaction.revoke(revocation).map(fresh),
        Operation::SettleAttempt { shop, id, end, at } => {
            attempt::settle(&mut transaction.shop(shop)?, id, end, *at)
        }
        Operation::StartAttempt {
            shop,
            attempt,
            effects,
        } => attempt::start(&mut transaction.shop(shop)?, attempt, effects).map(fresh),
        Operation::StartRun(record) => {
            let mut tables = transaction.shop(&record.shop)?;
            if tables.run_under_way(record.resource())? {
                return Ok(fresh(false));
            }
            tables.put_run(record)?;
            tables.append(
                record.run.started_at,
                &Logged::ShopifySyncStatus(record.run.clone()),
            )?;
            Ok(fresh(true))
        }
    }
}

fn tell<T: Tables>(tables: &mut T, post: &Post) -> Result<Outcome> {
    if let Some(key) = post.key.as_ref().filter(|_| post.may_repeat)
        && let Some(place) = tables.posted(key)?
    {
        return Ok(Outcome {
            place: Some(place),
            ..Outcome::default()
        });
    }
    let place = tables.append(post.at, &post.event)?;
    if let Some(key) = &post.key {
        tables.put_posted(key, place, post.at)?;
    }
    Ok(Outcome {
        fresh: true,
        place: Some(place),
        ..Outcome::default()
    })
}

fn apply<T: Tables>(tables: &mut T, batch: &Batch) -> Result<Outcome> {
    let mut door = match &batch.cause {
        Cause::Webhook {
            id,
            fate,
            shared_secret,
        } => {
            if !tables.settle(id, fate)? {
                return Ok(Outcome::default());
            }
            Door::new(tables, batch.at, Source::Webhook, false).for_webhook(*shared_secret)
        }
        Cause::Run { run, progress } => {
            let Some(record) = tables
                .run(run)?
                .filter(|record| !record.run.state.is_over())
            else {
                return Ok(Outcome::default());
            };
            if record.run.dry_run {
                return compare(tables, record, batch);
            }
            Door::new(tables, batch.at, Source::Sync, record.first).for_run(&record, progress.until)
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
        record.run.changed += outcome.changed;
        tables.put_run(&on(record, progress))?;
    }
    Ok(outcome)
}

/// A run as far as it is now.
fn on(mut record: RunRecord, progress: &Progress) -> RunRecord {
    record.run.processed = progress.processed;
    record.run.total = progress.total;
    record.run.bulk_objects = progress.bulk_objects;
    record.resume.clone_from(&progress.resume);
    record.until = progress.until.or(record.until);
    record
}

/// A page of a dry run: what would be put right is noted, and nothing is. What of it counts as drift is what would count in a
/// run that is not dry: what webhooks had time to bring, and is not about to be read anyway.
fn compare<T: Tables>(tables: &mut T, mut record: RunRecord, batch: &Batch) -> Result<Outcome> {
    let Cause::Run { run, progress } = &batch.cause else {
        return Ok(Outcome::default());
    };
    let (mut found, mut drifted) = (0, 0);
    let doubt = Doubt::of(&record);
    let window = Window {
        end: progress.until.or(record.until),
        now: batch.at,
    };
    for change in &batch.changes {
        if let Some((record, wrong, since)) = difference(tables, change, window)? {
            found += 1;
            let is_late = match (&doubt, since) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(doubt), Some(since)) => since <= doubt.covered(),
            };
            let is_read_anyway = match read_with(change) {
                Some(key) => tables.marked(key)?.is_some(),
                None => false,
            };
            drifted += u64::from(is_late && !is_read_anyway);
            tables.add_drift(&Drifted {
                run_id: run.clone(),
                record,
                wrong,
                since,
                found: batch.at,
            })?;
        }
    }
    record.run.changed += found;
    record.run.drift += drifted;
    tables.put_run(&on(record, progress))?;
    Ok(Outcome {
        fresh: true,
        changed: found,
        ..Outcome::default()
    })
}

/// The record by whose reading a change is put right; `None` for what no run says.
fn read_with(change: &Change) -> Option<RecordKey> {
    Some(match change {
        Change::Customer(said) => RecordKey::Customer(said.id),
        Change::Gone(key) | Change::LookAgain(key) => *key,
        Change::Item(said) => RecordKey::Item(said.id),
        Change::Level(said) => RecordKey::Level(said.inventory_item_id, said.location_id),
        Change::Location(said) => RecordKey::Location(said.id),
        Change::Order(said) => RecordKey::Order(said.id),
        Change::Product { product, .. } => RecordKey::Product(product.id),
        Change::Variant(said) => RecordKey::Product(said.product_id),
        Change::LevelAvailable { .. } | Change::Redacted(_) | Change::Transfer(_) => return None,
    })
}

type Difference = (String, Wrong, Option<Timestamp>);

/// How the mirror differs from what is said; `None` where it does not, or may hold something newer.
fn difference<T: Tables>(
    tables: &T,
    change: &Change,
    window: Window,
) -> Result<Option<Difference>> {
    fn of<R: Record, T: Keep<R>>(
        tables: &T,
        said: &R,
        window: Window,
    ) -> Result<Option<Difference>> {
        let held = tables.find(said.key())?;
        let (here, there) = (held.as_ref().map(Record::said), said.said());
        let newer = held.as_ref().is_some_and(|held| {
            held.updated_at() > said.updated_at() && !window.rules_out(held.updated_at())
        });
        let wrong = Wrong::between(here, there)?;
        let same = matches!(&wrong, Wrong::Differs(fields) if fields.is_empty());
        Ok((!newer && !same).then(|| (said.name(), wrong, Some(said.updated_at()))))
    }
    match change {
        Change::Customer(said) if tables.stays_forgotten(said.id, said.updated_at)? => Ok(None),
        Change::Customer(said) => of(tables, said, window),
        Change::Item(said) => of(tables, said, window),
        Change::Level(said) => of(tables, &HeldLevel::new(said.clone()), window),
        Change::Location(said) => of(tables, said, window),
        Change::Order(said) => of(tables, &without_forgotten(tables, said)?, window),
        Change::Product { product, .. } => of(tables, product, window),
        Change::Variant(said) => of(tables, said, window),
        Change::Gone(key) | Change::LookAgain(key) => {
            Ok(Some((key.to_string(), Wrong::Gone, None)))
        }
        Change::LevelAvailable { .. } | Change::Redacted(_) | Change::Transfer(_) => Ok(None),
    }
}

/// Thresholds changed: every level is judged against the new ones, and what it crosses by that is told.
fn judge_anew<T: Tables>(tables: &mut T, at: Timestamp) -> Result<()> {
    for mut held in tables.levels()? {
        let standing = standing(tables, &held)?;
        let crossing = judge_stock(&mut held, standing);
        tables.put(&held)?;
        if let Some(crossing) = crossing {
            let shape = shape(tables, &held)?;
            tables.append(at, &crossing_event(crossing, shape))?;
        }
    }
    Ok(())
}
