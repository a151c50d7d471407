//! Decided in batches, histories end as they do decided one by one.

use std::sync::atomic::{AtomicU64, Ordering};

use super::disk::Disk;
use super::history::{Dice, History, LENGTH};
use crate::{Operation, Outcome, Undecided};

/// Operations that all histories have together.
const OPERATIONS: usize = 1_000_000;

/// What must hold between any two operations.
fn hold_still(disk: &Disk) {
    for level in disk.levels.rows.values() {
        let here = disk.adjustments.rows.values();
        let here = here.filter(|one| one.level() == level.key());
        let sum: i64 = here.map(|one| one.available).sum();
        assert_eq!(
            level.pending,
            sum,
            "{:?} is what its adjustments do",
            level.key()
        );
    }
    for adjustment in disk.adjustments.rows.values() {
        let level = adjustment.level();
        if let Some(message) = adjustment.message.as_ref().filter(|_| !adjustment.answered) {
            assert!(
                disk.messages.rows.contains_key(message),
                "{adjustment:?} is sent"
            );
            assert_eq!(
                &disk.flights.rows[&level].message, message,
                "{adjustment:?} flies"
            );
        }
    }
}

/// Everything that happens in one history, in the order in which it did, and how it ends one by one.
fn alone(seed: u64) -> (Disk, Vec<Operation>, Outcomes) {
    let mut history = History::of(seed);
    let (mut disk, mut all, mut outcomes) = (Disk::default(), Vec::new(), Vec::new());
    let mut next = vec![history.register()];
    while all.len() < LENGTH {
        for operation in std::mem::take(&mut next) {
            let outcome = disk.carry_out(std::slice::from_ref(&operation));
            let calls = outcome.iter().flatten().flat_map(|done| done.calls.clone());
            history.calls.extend(calls);
            outcomes.extend(outcome);
            all.push(operation);
        }
        if history.dice.one_in(4) {
            hold_still(&disk);
        }
        next = history.next(&disk);
    }
    (disk, all, outcomes)
}

type Outcomes = Vec<Result<Outcome, Undecided>>;

/// Does the same in batches, and compares.
fn together(seed: u64) {
    let (disk, all, outcomes) = alone(seed);
    let (mut together, mut dice, mut done) = (Disk::default(), Dice(seed | 1), 0);
    while done < all.len() {
        let size = usize::try_from(1 + dice.below(12)).unwrap();
        let batch = &all[done..all.len().min(done + size)];
        // What is alone in its batch is so here.
        let batch = match batch.iter().position(Operation::is_alone) {
            Some(0) => &batch[..1],
            Some(before) => &batch[..before],
            None => batch,
        };
        let found = together.carry_out(batch);
        for (index, found) in found.iter().enumerate() {
            assert_eq!(
                *found,
                outcomes[done + index],
                "seed {seed}: {:?}",
                batch[index]
            );
        }
        done += batch.len();
    }
    if let Some(difference) = disk.difference(&together) {
        panic!("seed {seed}: {difference}");
    }
}

#[test]
fn batches_end_as_their_operations_do_one_by_one() {
    let seeds = 1..=(OPERATIONS / LENGTH / 2) as u64;
    let next = AtomicU64::new(*seeds.start());
    std::thread::scope(|threads| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            threads.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) {
                        return;
                    }
                    together(seed);
                }
            });
        }
    });
}
