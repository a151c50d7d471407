//! Which of two versions of a record wins.
//!
//! Webhooks come late, twice and in any order, and their times are to the second, so two different states
//! can carry the same time. Such a tie is never broken by luck: the record is read again.

use schemas::Timestamp;

/// How much a statement about a record is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// Sent to us, or read in bulk, while the record may have changed: wins only by a later time.
    Report,
    /// Read alone, after everything we had heard of it: also wins at an equal time.
    Read,
    /// Read again and again, always with an older time than the one we hold: the store's word is final.
    LastRead,
}

/// What becomes of a statement about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It replaces what we hold.
    Take,
    /// We hold just that.
    Same,
    /// We hold something newer.
    Older,
    /// Same time, other content: only a read can tell.
    Unclear,
}

/// Judges what is said against what is held; the contents are compared only where the times are equal.
pub fn judge<T: PartialEq>(
    held: Option<(&T, Timestamp)>,
    said: (&T, Timestamp),
    authority: Authority,
) -> Verdict {
    let Some((held, held_at)) = held else {
        return Verdict::Take;
    };
    let (said, said_at) = said;
    if held == said && held_at == said_at {
        Verdict::Same
    } else if said_at > held_at || authority == Authority::LastRead {
        Verdict::Take
    } else if said_at < held_at {
        Verdict::Older
    } else if authority == Authority::Read {
        Verdict::Take
    } else {
        Verdict::Unclear
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// What is held after these reports, and whether a tie was left to a read.
    fn after(reports: &[(u8, i64)]) -> (Option<(u8, i64)>, bool) {
        let (mut held, mut unclear) = (None, false);
        for &(value, second) in reports {
            let said = (&value, at(second));
            match judge(
                held.as_ref().map(|(v, s): &(u8, i64)| (v, at(*s))),
                said,
                Authority::Report,
            ) {
                Verdict::Take => held = Some((value, second)),
                Verdict::Unclear => unclear = true,
                Verdict::Same | Verdict::Older => {}
            }
        }
        (held, unclear)
    }

    #[test]
    fn a_read_settles_a_tie_but_not_an_older_time() {
        assert_eq!(
            judge(Some((&1, at(5))), (&2, at(5)), Authority::Report),
            Verdict::Unclear
        );
        assert_eq!(
            judge(Some((&1, at(5))), (&2, at(5)), Authority::Read),
            Verdict::Take
        );
        assert_eq!(
            judge(Some((&1, at(5))), (&2, at(4)), Authority::Read),
            Verdict::Older
        );
        assert_eq!(
            judge(Some((&1, at(5))), (&2, at(4)), Authority::LastRead),
            Verdict::Take
        );
    }

    proptest! {
        #[test]
        fn in_any_order_and_however_often_the_newest_report_wins(
            reports in proptest::collection::vec((any::<u8>(), 0..20_i64), 1..20),
            again in proptest::collection::vec(any::<prop::sample::Index>(), 0..10),
            seed in any::<prop::sample::Index>(),
        ) {
            // One value per second: without ties the outcome must not depend on order or repetition.
            let unique: std::collections::BTreeMap<i64, u8> = reports.iter().map(|(v, s)| (*s, *v)).collect();
            let mut shuffled: Vec<(u8, i64)> = unique.iter().map(|(s, v)| (*v, *s)).collect();
            for index in again {
                shuffled.push(*index.get(&shuffled.clone()));
            }
            let turn = seed.index(shuffled.len());
            shuffled.rotate_left(turn);
            let newest = unique.iter().next_back().map(|(s, v)| (*v, *s));
            prop_assert_eq!(after(&shuffled), (newest, false));
        }

        #[test]
        fn two_values_at_the_newest_time_are_never_settled_by_order(a in 0..9_u8, b in 10..19_u8, s in 0..9_i64) {
            prop_assert!(after(&[(a, s), (b, s)]).1);
            prop_assert!(after(&[(b, s), (a, s)]).1);
        }
    }
}
