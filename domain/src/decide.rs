//! Deciding a batch: every operation in its turn, each whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use schemas::event::Source;
use schemas::{Change, RecordKey, ShopDomain, Timestamp};

use crate::changes::ChangeApplier;
use crate::command;
use crate::drift;
use crate::key::Key;
use crate::operation::{
    Arrival, Batch, Cause, Delivery, Fate, Operation, Outcome, Post, Revocation, RunRecord,
};
use crate::working_set::{
    BulkWrite, Decided, ErasureStep, Judging, KeptDelivery, PostedAt, RevocationRow, ShopRow,
    ShopSet, Undecided, WantedKey, WorkingSet, for_each,
};
use crate::{Thresholds, outbox, reservation, run, slices};

/// Decides operations in their order; each sees what those before it did. One that fails leaves nothing behind and does
/// not touch the others.
///
/// # Errors
/// What is missing for it: nothing was decided, and the same batch is to be decided again when that is loaded.
pub fn decide(
    set: &mut WorkingSet,
    operations: &[Operation],
) -> Result<Vec<Decided<Outcome>>, BTreeSet<WantedKey>> {
    let outcomes = operations
        .iter()
        .map(|operation| {
            set.begin();
            let before = set.numbers().sequence.0;
            let outcome = perform(set, operation).inspect_err(|_| set.undo())?;
            Ok(Outcome {
                appended: before + 1..set.numbers().sequence.0 + 1,
                ..outcome
            })
        })
        .collect();
    let missing = set.take_missing();
    if missing.is_empty() {
        set.assert_in_sequence();
        return Ok(outcomes);
    }
    set.undo_all();
    Err(missing)
}

fn fresh(fresh: bool) -> Outcome {
    Outcome {
        fresh,
        ..Outcome::default()
    }
}

fn changed(changed: u64) -> Outcome {
    Outcome {
        fresh: changed > 0,
        changed,
        ..Outcome::default()
    }
}

fn perform(set: &mut WorkingSet, operation: &Operation) -> Decided<Outcome> {
    match operation {
        Operation::Accept(delivery) => {
            accept(&mut set.shop(&delivery.shop)?, delivery, None).map(fresh)
        }
        Operation::Announce { shop, event, at } => {
            set.shop(shop)?.append(*at, (**event).clone());
            Ok(fresh(true))
        }
        Operation::Apply(batch) => apply(&mut set.shop(&batch.shop)?, batch),
        Operation::Command(given) => {
            let answer = command::perform(&mut set.shop(&given.shop)?, given)?;
            Ok(Outcome {
                fresh: answer.is_ok(),
                answer: Some(answer),
                ..Outcome::default()
            })
        }
        Operation::Deliver(arrival) => deliver(&mut set.shop(&arrival.delivery.shop)?, arrival),
        Operation::ExpireReservations { shop, at } => {
            reservation::expire(&mut set.shop(shop)?, *at).map(changed)
        }
        Operation::FinishRun {
            shop,
            run,
            state,
            error,
            at,
        } => run::finish(&mut set.shop(shop)?, run, *state, error.as_ref(), *at).map(fresh),
        Operation::Forget { shop } => {
            set.shop_row(shop)?;
            set.write(BulkWrite::Forget(shop.clone()));
            Ok(fresh(true))
        }
        Operation::GoOn { shop, at } => slices::go_on(set, shop, *at),
        Operation::KeepIdentity { shop, id } => {
            let mut row = set.shop_row(shop)?;
            let is_same = *row.shopify_id.get_or_insert_with(|| id.clone()) == *id;
            set.shops.put(shop.clone(), row);
            Ok(fresh(is_same))
        }
        Operation::KeepNames { shop, wanted } => keep_names(set, shop, *wanted),
        Operation::KeepPeople(writes) => {
            set.write(BulkWrite::KeepPeople(writes.clone()));
            Ok(fresh(true))
        }
        Operation::KeepPosition { reader, position } => {
            set.write(BulkWrite::KeepPosition {
                reader: reader.clone(),
                position: position.clone(),
            });
            Ok(fresh(true))
        }
        Operation::KeepSession {
            id,
            owner,
            quota,
            rooms,
            at,
        } => {
            set.write(BulkWrite::KeepSession {
                id: id.clone(),
                owner: owner.clone(),
                rooms: rooms.clone(),
                at: *at,
                quota: *quota,
            });
            Ok(fresh(true))
        }
        Operation::Net {
            shop,
            below_zero,
            after,
            at,
        } => outbox::net(&mut set.shop(shop)?, *below_zero, *after, *at),
        Operation::Park { shop, at } => outbox::park(&mut set.shop(shop)?, *at),
        Operation::Post(post) => tell(&mut set.shop(&post.shop)?, post),
        Operation::Prune(retention) => {
            set.write(BulkWrite::Prune(*retention));
            Ok(fresh(true))
        }
        Operation::Register {
            shop,
            thresholds,
            at,
        } => register(set, shop, thresholds, *at),
        Operation::Revoke(revocation) => revoke(set, revocation).map(fresh),
        Operation::SettleMessage { shop, id, end, at } => {
            outbox::settle(&mut set.shop(shop)?, id, end, *at)
        }
        Operation::StartMessage {
            shop,
            message,
            adjustments,
        } => outbox::start(&mut set.shop(shop)?, message, adjustments).map(fresh),
        Operation::StartRun(record) => run::start(&mut set.shop(&record.shop)?, record).map(fresh),
    }
}

/// Keeps a delivery and what became of it, `None` while it waits; false when it was here before.
fn accept(set: &mut ShopSet<'_>, delivery: &Delivery, fate: Option<&Fate>) -> Decided<bool> {
    let Some(held) = set.find::<KeptDelivery>(delivery.webhook_id.clone())? else {
        keep(set, delivery.clone(), fate);
        return Ok(true);
    };
    // Those that were kept before signatures were are told by their id alone.
    let signature = held.signature.as_ref();
    if signature.is_none_or(|signature| *signature == delivery.signature) {
        return Ok(false);
    }
    let renamed = delivery.under_its_signature()?;
    let fresh = !set.has::<KeptDelivery>(renamed.webhook_id.clone())?;
    if fresh {
        keep(set, renamed, fate);
    }
    Ok(fresh)
}

fn keep(set: &mut ShopSet<'_>, delivery: Delivery, fate: Option<&Fate>) {
    let kept = KeptDelivery {
        id: delivery.webhook_id.clone(),
        signature: Some(delivery.signature.clone()),
        fate: fate.cloned(),
        arrived: Some(Arc::new(delivery)),
    };
    set.put(kept.id.clone(), kept);
}

/// Keeps a delivery and applies its changes. Its body is never needed again, unless it was unreadable.
fn deliver(set: &mut ShopSet<'_>, arrival: &Arrival) -> Decided<Outcome> {
    let delivery = &arrival.delivery;
    if !accept(set, delivery, Some(&arrival.fate))? {
        return Ok(Outcome::default());
    }
    let mut applier = ChangeApplier::new(set, delivery.received_at, Source::Webhook, false)
        .for_webhook(arrival.shared_secret);
    for_each(&arrival.changes, |change| applier.change(change))?;
    applier.finish()
}

/// Notes what became of a delivery; false, and nothing, where it no longer waits.
fn settle(set: &mut ShopSet<'_>, id: &schemas::WebhookId, fate: &Fate) -> Decided<bool> {
    let Some(kept) = set
        .find::<KeptDelivery>(id.clone())?
        .filter(|kept| kept.fate.is_none())
    else {
        return Ok(false);
    };
    let settled = KeptDelivery {
        fate: Some(fate.clone()),
        ..kept
    };
    set.put(id.clone(), settled);
    Ok(true)
}

fn apply(set: &mut ShopSet<'_>, batch: &Batch) -> Decided<Outcome> {
    let mut applier = match &batch.cause {
        Cause::Webhook {
            id,
            fate,
            shared_secret,
        } => {
            if !settle(set, id, fate)? {
                // Should what it began have been cut off by an error, it goes on.
                let goes_on = |change: &Change| matches!(change, Change::Redacted(_));
                return Ok(Outcome {
                    more: batch.changes.iter().any(goes_on),
                    ..Outcome::default()
                });
            }
            ChangeApplier::new(set, batch.at, Source::Webhook, false).for_webhook(*shared_secret)
        }
        Cause::Run { run, progress } => {
            let record = set.find::<RunRecord>(run.clone())?;
            let Some(record) = record.filter(|record| !record.run.state.is_over()) else {
                return Ok(Outcome::default());
            };
            if record.run.dry_run {
                return drift::compare(set, record, batch);
            }
            ChangeApplier::new(set, batch.at, Source::Sync, record.first)
                .for_run(&record, progress.until)
        }
        Cause::Read(marks) => {
            let mut applier = ChangeApplier::new(set, batch.at, Source::Read, false);
            for_each(marks, |(key, mark)| applier.reading(*key, *mark))?;
            applier
        }
    };
    for_each(&batch.changes, |change| applier.change(change))?;
    let outcome = applier.finish()?;
    if let Cause::Run { run, progress } = &batch.cause
        && let Some(mut record) = set.find::<RunRecord>(run.clone())?
    {
        record.run.changed += outcome.changed;
        set.put(run.clone(), run::on(record, progress));
    }
    Ok(outcome)
}

/// Keeps whether customers' names are wanted, and forgets them where they no longer are; not fresh when that was so
/// already. What is being forgotten is forgotten first, also where names are wanted again.
fn keep_names(set: &mut WorkingSet, shop: &ShopDomain, wanted: bool) -> Decided<Outcome> {
    let row = set.shop_row(shop)?;
    if let Some(done) = row.erasing {
        let shop = shop.clone();
        set.write(BulkWrite::ForgetNames { shop, done });
        return Ok(Outcome {
            more: true,
            ..Outcome::default()
        });
    }
    if row.keeps_names == wanted {
        return Ok(Outcome::default());
    }
    let row = ShopRow {
        keeps_names: wanted,
        erasing: (!wanted).then(ErasureStep::default),
        ..row
    };
    set.shops.put(shop.clone(), row);
    Ok(Outcome {
        more: !wanted,
        ..fresh(true)
    })
}

fn tell(set: &mut ShopSet<'_>, post: &Post) -> Decided<Outcome> {
    if let Some(key) = post.key {
        let before = set.find::<PostedAt>(key)?.filter(|_| post.may_repeat);
        if let Some(PostedAt { sequence, .. }) = before {
            return Ok(Outcome {
                place: Some(sequence),
                ..Outcome::default()
            });
        }
    }
    let sequence = set.append(post.at, post.event.clone());
    if let Some(key) = post.key {
        let at = post.at;
        set.put(key, PostedAt { sequence, at });
    }
    Ok(Outcome {
        fresh: true,
        place: Some(sequence),
        ..Outcome::default()
    })
}

/// Adds a shop, or replaces its thresholds and has its levels judged against the new ones, in slices. What a crash cut off
/// goes on, too.
fn register(
    set: &mut WorkingSet,
    domain: &ShopDomain,
    thresholds: &Thresholds,
    at: Timestamp,
) -> Decided<Outcome> {
    let before = match set.shop_row(domain) {
        Ok(row) => Some(row),
        Err(Undecided::UnknownShop(_)) => None,
        Err(error) => return Err(error),
    };
    let Some(mut row) = before else {
        let row = ShopRow {
            thresholds: Arc::new(thresholds.clone()),
            known_since: Some(at),
            keeps_names: false,
            shopify_id: None,
            judging: None,
            erasing: None,
            moved: BTreeMap::new(),
        };
        set.shops.put(domain.clone(), row);
        return Ok(fresh(true));
    };
    row.known_since.get_or_insert(at);
    if *row.thresholds != *thresholds {
        row.thresholds = Arc::new(thresholds.clone());
        row.judging = Some(Judging { after: None });
    }
    set.shops.put(domain.clone(), row);
    Ok(Outcome {
        more: slices::is_under_way(set, domain)?,
        ..Outcome::default()
    })
}

/// Keeps a revocation; one of the same tokens is prolonged. False when nothing was changed by it.
fn revoke(set: &mut WorkingSet, Revocation { of, at, until }: &Revocation) -> Decided<bool> {
    let Some(kept) = set
        .revocations
        .get(of)
        .map(Option::<&RevocationRow>::copied)
    else {
        return Err(set.miss(None, Key::Revocation(of.clone())));
    };
    let longest = RevocationRow {
        at: kept.map_or(*at, |kept| kept.at.max(*at)),
        until: kept.map_or(*until, |kept| kept.until.max(*until)),
    };
    set.revocations.put(of.clone(), longest);
    Ok(kept != Some(longest))
}

/// What an operation is sure to ask for first, so that one load usually suffices. What it asks for beyond is found by
/// deciding it.
pub fn keys(operation: &Operation) -> Vec<WantedKey> {
    let of = |shop: &ShopDomain, mut keys: Vec<Key>| -> Vec<WantedKey> {
        keys.push(Key::Shop);
        let wanted = |key| (Some(shop.clone()), key);
        keys.into_iter().map(wanted).collect()
    };
    match operation {
        Operation::Accept(delivery) => of(
            &delivery.shop,
            vec![Key::Delivery(delivery.webhook_id.clone())],
        ),
        Operation::Apply(batch) => of(&batch.shop, keys_of_batch(batch)),
        Operation::Command(given) => of(&given.shop, command::keys(given)),
        Operation::Deliver(arrival) => {
            let delivery = &arrival.delivery;
            let mut keys = vec![Key::Delivery(delivery.webhook_id.clone())];
            for change in &arrival.changes {
                keys_of_change(change, false, &mut keys);
            }
            of(&delivery.shop, keys)
        }
        Operation::ExpireReservations { shop, at } => {
            of(shop, vec![Key::ReservationsDue(at.as_microsecond())])
        }
        Operation::FinishRun { shop, run, .. } => of(shop, vec![Key::Run(run.clone())]),
        Operation::Net { shop, after, .. } => of(shop, vec![Key::LevelsToNet(*after)]),
        Operation::Park { shop, .. } => of(shop, vec![Key::Messages, Key::Unanswered]),
        Operation::Post(post) => of(&post.shop, post.key.map(Key::Posted).into_iter().collect()),
        Operation::SettleMessage { shop, id, .. } => of(
            shop,
            vec![
                Key::Message(id.clone()),
                Key::UnansweredOf(id.clone()),
                Key::FlightsOf(id.clone()),
            ],
        ),
        Operation::StartMessage {
            shop,
            message,
            adjustments,
        } => {
            let mut keys: Vec<Key> = adjustments.iter().copied().map(Key::Adjustment).collect();
            keys.extend(message.levels.iter().copied().map(Key::Flight));
            keys.push(Key::Message(message.id.clone()));
            of(shop, keys)
        }
        Operation::StartRun(record) => of(
            &record.shop,
            vec![
                Key::RunsUnderWay(record.resource()),
                Key::Run(record.run.run_id.clone()),
            ],
        ),
        Operation::GoOn { shop, .. } => of(shop, vec![Key::RedactionsUnderWay]),
        Operation::Announce { shop, .. }
        | Operation::Forget { shop }
        | Operation::KeepIdentity { shop, .. }
        | Operation::KeepNames { shop, .. }
        | Operation::Register { shop, .. } => of(shop, Vec::new()),
        Operation::Revoke(revocation) => vec![(None, Key::Revocation(revocation.of.clone()))],
        Operation::KeepPeople(_)
        | Operation::KeepPosition { .. }
        | Operation::KeepSession { .. }
        | Operation::Prune(_) => Vec::new(),
    }
}

fn keys_of_batch(batch: &Batch) -> Vec<Key> {
    let mut keys = Vec::with_capacity(batch.changes.len() * 6);
    let is_run = match &batch.cause {
        Cause::Webhook { id, .. } => {
            keys.push(Key::Delivery(id.clone()));
            false
        }
        Cause::Run { run, .. } => {
            keys.push(Key::Run(run.clone()));
            true
        }
        Cause::Read(marks) => {
            keys.extend(marks.iter().map(|(key, _)| Key::DirtyMark(*key)));
            false
        }
    };
    for change in &batch.changes {
        keys_of_change(change, is_run, &mut keys);
    }
    keys
}

/// A first import asks for little more than the records themselves, and it is most of what runs bring.
fn keys_of_change(change: &Change, is_run: bool, keys: &mut Vec<Key>) {
    match change {
        Change::Customer(said) => {
            keys.extend([Key::Customer(said.id), Key::Redaction(said.id)]);
        }
        Change::Gone(key) | Change::LookAgain(key) => {
            keys.push(Key::DirtyMark(*key));
            keys.extend(match *key {
                RecordKey::Customer(id) => Some(Key::Customer(id)),
                RecordKey::Item(id) => Some(Key::Item(id)),
                RecordKey::Level(item, location) => Some(Key::Level((item, location))),
                RecordKey::Location(id) => Some(Key::Location(id)),
                RecordKey::Order(id) => Some(Key::Order(id)),
                RecordKey::Product(id) => Some(Key::Product(id)),
            });
        }
        Change::Item(said) => keys.push(Key::Item(said.id)),
        Change::Level(said) => {
            let level = (said.inventory_item_id, said.location_id);
            keys.extend([Key::Level(level), Key::Flight(level), Key::Item(level.0)]);
            if !is_run {
                keys.extend([Key::VariantsOfItem(level.0), Key::Location(level.1)]);
            }
        }
        Change::LevelAvailable {
            inventory_item_id: item,
            location_id: location,
            ..
        } => {
            let level = (*item, *location);
            keys.extend([
                Key::Level(level),
                Key::Flight(level),
                Key::Item(*item),
                Key::VariantsOfItem(*item),
                Key::Location(*location),
                Key::DirtyMark(RecordKey::Level(*item, *location)),
            ]);
        }
        Change::Location(said) => keys.push(Key::Location(said.id)),
        Change::Order(said) => {
            keys.push(Key::Order(said.id));
            keys.extend(said.customer_id.map(Key::Redaction));
            if !is_run {
                keys.extend(said.customer_id.map(Key::Customer));
                let variants = said.lines.iter().filter_map(|line| line.variant_id);
                keys.extend(variants.map(Key::Variant));
            }
        }
        Change::Product { product, variants } => {
            keys.push(Key::Product(product.id));
            if variants.is_some() {
                keys.push(Key::VariantsOf(product.id));
            }
        }
        Change::Redacted(customer) => keys.extend([
            Key::Customer(*customer),
            Key::DirtyMark(RecordKey::Customer(*customer)),
            Key::Redaction(*customer),
        ]),
        Change::Transfer(said) => {
            keys.push(Key::Transfer(said.transfer_id));
            let ends = [said.origin_id, said.destination_id];
            keys.extend(ends.into_iter().flatten().map(Key::Location));
        }
        Change::Variant(said) => {
            keys.push(Key::Variant(said.id));
            if !is_run {
                keys.push(Key::Product(said.product_id));
            }
        }
    }
}

impl Operation {
    /// The changes of the mirror that it brings.
    pub fn changes(&self) -> &[Change] {
        match self {
            Self::Apply(batch) => &batch.changes,
            Self::Deliver(arrival) => &arrival.changes,
            _ => &[],
        }
    }

    /// Whether it is decided and written in a batch of its own, because it writes what the batch's other operations could
    /// see only in the store.
    pub fn is_alone(&self) -> bool {
        matches!(
            self,
            Self::Forget { .. } | Self::GoOn { .. } | Self::KeepNames { .. } | Self::Prune(_)
        )
    }

    /// What goes on where this one has more to do: the same again, or the slices of what it began.
    #[must_use]
    pub fn rest(self) -> Self {
        match self {
            Self::Apply(Batch { shop, at, .. }) | Self::Register { shop, at, .. } => {
                Self::GoOn { shop, at }
            }
            Self::Deliver(arrival) => Self::GoOn {
                shop: arrival.delivery.shop,
                at: arrival.delivery.received_at,
            },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests;
