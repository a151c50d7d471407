//! What an accepted command will do at Shopify, and how many of them become one call.
//!
//! Shopify charges a write dearly and refills slowly, so what waits is netted per level and sent together.

use std::collections::BTreeMap;

use schemas::{InventoryItemId, LocationId, Quantities};
use serde::{Deserialize, Serialize};

/// Entries that Shopify takes in one call (Admin API 2026-10, inventory mutations).
pub const ENTRIES_MAX: usize = 250;
/// Stale answers for one level after which the comparison is given up: on a hot item it would never hold.
pub const STALE_MAX: u32 = 5;

/// What an adjustment does. Adjustments of one lane at one level can be netted; between lanes their order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Changes `available` by a difference.
    Adjust,
    /// Moves between `available` and `reserved`; positive into `reserved`.
    Move,
    /// Takes from `reserved` for good.
    Sell,
    /// Sets `available`.
    SetAvailable,
    /// Sets `on_hand`.
    SetOnHand,
}

/// One adjustment that waits to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingAdjustment {
    /// Its place in the order of commands.
    pub id: i64,
    /// The reservation that it is part of, or ends.
    pub reservation: Option<String>,
    /// The item whose level it changes.
    pub item: InventoryItemId,
    /// The location of that level.
    pub location: LocationId,
    /// What it does.
    pub lane: Lane,
    /// A target for the lanes that set, else a signed difference; what is sold is positive.
    pub quantity: i64,
    /// How often Shopify found its starting value stale.
    pub stale: u32,
    /// The level as Shopify was last seen to say.
    pub observed: Quantities,
}

/// The call that brings adjustments to Shopify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallKind {
    /// Changes `available` by differences.
    Adjust,
    /// Moves from `available` to `reserved`.
    #[serde(rename = "hold")]
    Reserve,
    /// Nothing: the adjustments cancel each other out.
    Nothing,
    /// Moves from `reserved` to `available`.
    Release,
    /// Takes from `reserved`.
    Sell,
    /// Sets `available`.
    SetAvailable,
    /// Sets `on_hand`.
    SetOnHand,
}

/// One level's part in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallEntry {
    /// The item whose level is changed.
    pub item: InventoryItemId,
    /// The location of that level.
    pub location: LocationId,
    /// A target where the call sets, a signed difference where it adjusts, units otherwise.
    pub quantity: i64,
    /// The value that must still be there; `None` does not compare.
    pub change_from: Option<i64>,
    /// The adjustments that it nets.
    pub adjustments: Vec<i64>,
}

/// A call to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockCall {
    /// What it does.
    pub kind: CallKind,
    /// At most [`ENTRIES_MAX`] levels, each once.
    pub entries: Vec<CallEntry>,
}

/// What to do with what waits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallPlan {
    /// Calls to make, in any order.
    pub calls: Vec<StockCall>,
    /// Adjustments for which there is no stock left: a shopper was faster.
    pub short: Vec<i64>,
}

/// Nets what waits, given in the order of its ids: for each level the first adjustments of one lane become one
/// entry, entries of one kind one call. What would bring `available` below zero at Shopify is left out, the
/// newest first, unless the shop allows it.
pub fn coalesce(waiting: &[WaitingAdjustment], below_zero: bool) -> CallPlan {
    let mut levels: BTreeMap<(InventoryItemId, LocationId), (Vec<&WaitingAdjustment>, bool)> =
        BTreeMap::new();
    for adjustment in waiting {
        let (first, closed) = levels
            .entry((adjustment.item, adjustment.location))
            .or_default();
        // What follows another lane waits until that one is settled.
        *closed |= first
            .last()
            .is_some_and(|last| last.lane != adjustment.lane);
        if !*closed {
            first.push(adjustment);
        }
    }
    let mut calls: BTreeMap<CallKind, Vec<CallEntry>> = BTreeMap::new();
    let mut short = Vec::new();
    for (mut adjustments, _) in levels.into_values() {
        if !below_zero {
            short.extend(cut(&mut adjustments));
        }
        if let Some((kind, entry)) = net(&adjustments) {
            calls.entry(kind).or_default().push(entry);
        }
    }
    let chunked = |(kind, entries): (CallKind, Vec<CallEntry>)| {
        entries
            .chunks(ENTRIES_MAX)
            .map(|chunk| StockCall {
                kind,
                entries: chunk.to_vec(),
            })
            .collect::<Vec<_>>()
    };
    CallPlan {
        calls: calls.into_iter().flat_map(chunked).collect(),
        short,
    }
}

impl Lane {
    /// What an adjustment of that quantity takes away from `available` at Shopify.
    pub(crate) fn draws(self, quantity: i64) -> i64 {
        match self {
            Self::Move => quantity,
            Self::Adjust => quantity.saturating_neg(),
            Self::Sell | Self::SetAvailable | Self::SetOnHand => 0,
        }
    }

    /// Whether it sets a quantity, whatever that was.
    pub(crate) fn is_setting(self) -> bool {
        matches!(self, Self::SetAvailable | Self::SetOnHand)
    }
}

/// Takes out the newest adjustments that draw on `available`, until the rest fits into what is there. A reservation that
/// ends before it was sent draws on nothing.
fn cut(adjustments: &mut Vec<&WaitingAdjustment>) -> Vec<i64> {
    let draws = |adjustment: &WaitingAdjustment| adjustment.lane.draws(adjustment.quantity);
    let mut total = adjustments.iter().fold(0_i64, |sum, adjustment| {
        sum.saturating_add(draws(adjustment))
    });
    let mut short = Vec::new();
    while let Some(there) = adjustments
        .last()
        .map(|adjustment| adjustment.observed.available)
        && total > there.max(0)
        && let Some(newest) = adjustments
            .iter()
            .rposition(|adjustment| draws(adjustment) > 0 && !ends(adjustments, adjustment))
    {
        let adjustment = adjustments.remove(newest);
        total = total.saturating_sub(draws(adjustment));
        short.push(adjustment.id);
    }
    short
}

/// Whether the end of that adjustment's reservation waits, too.
fn ends(adjustments: &[&WaitingAdjustment], begin: &WaitingAdjustment) -> bool {
    begin.reservation.is_some()
        && adjustments.iter().any(|other| {
            other.reservation == begin.reservation && other.quantity == -begin.quantity
        })
}

/// One lane's adjustments at one level as one entry.
fn net(adjustments: &[&WaitingAdjustment]) -> Option<(CallKind, CallEntry)> {
    let last = adjustments.last()?;
    let sum = adjustments.iter().fold(0_i64, |sum, adjustment| {
        sum.saturating_add(adjustment.quantity)
    });
    let hot = adjustments
        .iter()
        .any(|adjustment| adjustment.stale >= STALE_MAX);
    let observed = last.observed;
    let (kind, quantity, change_from) = match last.lane {
        Lane::SetAvailable => (
            CallKind::SetAvailable,
            last.quantity,
            Some(observed.available),
        ),
        Lane::SetOnHand => (CallKind::SetOnHand, last.quantity, Some(observed.on_hand)),
        Lane::Adjust | Lane::Move if sum == 0 => (CallKind::Nothing, 0, None),
        Lane::Adjust => (
            CallKind::Adjust,
            sum,
            (sum < 0 && !hot).then_some(observed.available),
        ),
        Lane::Move if sum > 0 => (CallKind::Reserve, sum, (!hot).then_some(observed.available)),
        Lane::Move => (CallKind::Release, sum.saturating_neg(), None),
        Lane::Sell => (CallKind::Sell, sum, None),
    };
    let adjustments = adjustments.iter().map(|adjustment| adjustment.id).collect();
    Some((
        kind,
        CallEntry {
            item: last.item,
            location: last.location,
            quantity,
            change_from,
            adjustments,
        },
    ))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn waiting(id: i64, item: u64, lane: Lane, quantity: i64) -> WaitingAdjustment {
        let observed = Quantities {
            available: 50,
            on_hand: 60,
            reserved: 10,
            ..Quantities::default()
        };
        let (item, location) = (item.try_into().unwrap(), 1_u64.try_into().unwrap());
        WaitingAdjustment {
            id,
            reservation: None,
            item,
            location,
            lane,
            quantity,
            stale: 0,
            observed,
        }
    }

    #[test]
    fn holds_and_releases_of_a_level_become_one_move() {
        let CallPlan { calls, .. } = coalesce(
            &[
                waiting(1, 1, Lane::Move, 3),
                waiting(2, 1, Lane::Move, 4),
                waiting(3, 1, Lane::Move, -2),
                waiting(4, 2, Lane::Move, 1),
            ],
            false,
        );
        assert_eq!(calls.len(), 1);
        assert_eq!(calls[0].kind, CallKind::Reserve);
        let entries: Vec<_> = calls[0]
            .entries
            .iter()
            .map(|e| (e.quantity, e.change_from, e.adjustments.len()))
            .collect();
        assert_eq!(entries, [(5, Some(50), 3), (1, Some(50), 1)]);
    }

    #[test]
    fn what_cancels_out_is_not_sent() {
        let CallPlan { calls, .. } = coalesce(
            &[waiting(1, 1, Lane::Move, 3), waiting(2, 1, Lane::Move, -3)],
            false,
        );
        assert_eq!((calls.len(), calls[0].kind), (1, CallKind::Nothing));
    }

    #[test]
    fn lanes_keep_their_order_and_the_last_set_counts() {
        let CallPlan { calls, .. } = coalesce(
            &[
                waiting(1, 1, Lane::SetAvailable, 7),
                waiting(2, 1, Lane::SetAvailable, 9),
                waiting(3, 1, Lane::Adjust, -1),
                waiting(4, 1, Lane::SetAvailable, 5),
            ],
            false,
        );
        assert_eq!(
            calls.len(),
            1,
            "the adjustment waits for the settings before it"
        );
        assert_eq!(
            (calls[0].kind, calls[0].entries[0].quantity),
            (CallKind::SetAvailable, 9)
        );
        assert_eq!(calls[0].entries[0].adjustments, [1, 2]);
    }

    #[test]
    fn what_no_longer_fits_is_left_out_the_newest_first() {
        let draws = [
            waiting(1, 1, Lane::Move, 40),
            waiting(2, 1, Lane::Move, 9),
            waiting(3, 1, Lane::Move, 5),
        ];
        let CallPlan { calls, short } = coalesce(&draws, false);
        assert_eq!((short, calls[0].entries[0].quantity), (vec![3], 49));
        let freed = [
            waiting(1, 1, Lane::Move, 40),
            waiting(2, 1, Lane::Move, 15),
            waiting(3, 1, Lane::Move, -5),
        ];
        assert_eq!(coalesce(&freed, false).short, [0_i64; 0]);
        let CallPlan { calls, short } = coalesce(&[waiting(1, 1, Lane::Adjust, -51)], false);
        assert_eq!((short, calls.len()), (vec![1], 0));
        assert_eq!(coalesce(&draws, true).short, [0_i64; 0]);
    }

    #[test]
    fn a_hold_that_ends_before_it_was_sent_takes_no_other_ones_place() {
        let of = |reservation: &str, adjustment| WaitingAdjustment {
            reservation: Some(reservation.to_owned()),
            ..adjustment
        };
        let adjustments = [
            of("a", waiting(1, 1, Lane::Move, 45)),
            of("b", waiting(2, 1, Lane::Move, 10)),
            of("c", waiting(3, 1, Lane::Move, 5)),
            of("c", waiting(4, 1, Lane::Move, -5)),
        ];
        let CallPlan { calls, short } = coalesce(&adjustments, false);
        assert_eq!((short, calls[0].entries[0].quantity), (vec![2], 45));
    }

    #[test]
    fn upwards_and_on_hot_levels_nothing_is_compared() {
        let compared = |adjustment| coalesce(&[adjustment], false).calls[0].entries[0].change_from;
        assert_eq!(compared(waiting(1, 1, Lane::Adjust, 2)), None);
        assert_eq!(compared(waiting(1, 1, Lane::Adjust, -2)), Some(50));
        assert_eq!(
            compared(WaitingAdjustment {
                stale: STALE_MAX,
                ..waiting(1, 1, Lane::Move, 2)
            }),
            None
        );
        assert_eq!(compared(waiting(1, 1, Lane::SetOnHand, 2)), Some(60));
    }

    proptest! {
        #[test]
        fn every_level_has_one_entry_and_no_call_is_too_long(
            adjustments in proptest::collection::vec((1..400_u64, 0..5_usize, -9..9_i64), 0..900),
        ) {
            let lanes = [Lane::Adjust, Lane::Move, Lane::Sell, Lane::SetAvailable, Lane::SetOnHand];
            let adjustments: Vec<_> = (0..).zip(adjustments).map(|(id, (item, lane, q))| waiting(id, item, lanes[lane], q)).collect();
            let CallPlan { calls, short } = coalesce(&adjustments, true);
            prop_assert!(short.is_empty());
            prop_assert!(calls.iter().all(|call| (1..=ENTRIES_MAX).contains(&call.entries.len())));
            let mut levels: Vec<_> = calls.iter().flat_map(|call| &call.entries).map(|e| e.item).collect();
            levels.sort();
            let sent = levels.len();
            levels.dedup();
            prop_assert_eq!(sent, levels.len());
            let first_of_each: std::collections::BTreeSet<_> = adjustments.iter().map(|adjustment| adjustment.item).collect();
            prop_assert_eq!(sent, first_of_each.len());
        }
    }
}
