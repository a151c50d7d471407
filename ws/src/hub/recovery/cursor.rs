//! The cursor: the opaque last argument of every event, which says how far a client was sent.

use std::fmt;
use std::str::FromStr;

use schemas::{Epoch, Offset, Sequence};

/// What a client had been sent with this cursor: everything wanted up to `position`, with two
/// exceptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) epoch: Epoch,
    pub(crate) position: Sequence,
    /// How many frames of the entry at `position` were sent; 0 when all of them were.
    pub(crate) messages: u8,
    /// The number of the latest backfill and how far it was sent. Backfills with lower numbers were
    /// complete. Those with higher numbers were complete, too, if they end before `position`.
    pub(crate) backfill: Option<(u32, Sequence)>,
}

impl Cursor {
    /// The cursor after the whole entry at that offset.
    pub(crate) fn at(offset: Offset) -> Self {
        Self {
            epoch: offset.epoch,
            position: offset.sequence,
            messages: 0,
            backfill: None,
        }
    }

    /// The further one of the two. A cursor from before the start of its session belongs to an
    /// earlier session and counts for nothing.
    pub(crate) fn or_later(self, start: Self) -> Self {
        if self.epoch != start.epoch || self.position < start.position {
            return start;
        }
        let number = |cursor: Self| cursor.backfill.map(|(number, _)| number);
        if number(self) < number(start) {
            Self {
                backfill: start.backfill,
                ..self
            }
        } else {
            self
        }
    }

    /// The last entry of which all frames were sent.
    pub(crate) fn read(self) -> Sequence {
        Sequence(self.position.0.saturating_sub((self.messages > 0).into()))
    }

    /// After which entry a backfill that ends at `until` has to go on; `None` when it was complete.
    pub(crate) fn backfill_resume(
        self,
        number: u32,
        after: Sequence,
        until: Sequence,
    ) -> Option<Sequence> {
        let reached = match self.backfill {
            Some((last, reached)) if last == number => reached.max(after),
            Some((last, _)) if last > number => until,
            _ => after,
        };
        (self.position <= until && reached < until).then_some(reached)
    }
}

/// Bytes of the longest cursor: an epoch, four numbers and the characters between them.
const BYTES_MAX: usize = 64;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.position)?;
        if self.messages > 0 {
            write!(f, "/{}", self.messages)?;
        }
        match self.backfill {
            Some((number, reached)) => write!(f, ":{number}.{reached}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Cursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        // A client may send anything here; what is longer was not written by us.
        if text.len() > BYTES_MAX {
            return Err(());
        }
        let (rest, backfill) = match text.split_once(':') {
            None => (text, None),
            Some((rest, backfill)) => {
                let (number, reached) = backfill.split_once('.').ok_or(())?;
                let number = number.parse().map_err(|_| ())?;
                (
                    rest,
                    Some((number, Sequence(reached.parse().map_err(|_| ())?))),
                )
            }
        };
        let (offset, messages) = match rest.split_once('/') {
            None => (rest, 0),
            Some((offset, messages)) => (offset, messages.parse().map_err(|_| ())?),
        };
        let offset: Offset = offset.parse().map_err(|_| ())?;
        Ok(Self {
            messages,
            backfill,
            ..Self::at(offset)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cursor(position: u64, backfill: Option<(u32, u64)>) -> Cursor {
        let offset = Offset {
            epoch: Epoch(7),
            sequence: Sequence(position),
        };
        Cursor {
            backfill: backfill.map(|(number, at)| (number, Sequence(at))),
            ..Cursor::at(offset)
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            epoch: u32,
            position in 0..1_000_000_000_000_000_000_u64,
            messages: u8,
            backfill in proptest::option::of((any::<u32>(), any::<u64>())),
        ) {
            let cursor = Cursor { epoch: Epoch(epoch), messages, ..cursor(position, backfill) };
            let text = cursor.to_string();
            prop_assert!(text.len() <= BYTES_MAX);
            prop_assert_eq!(text.parse(), Ok(cursor));
        }

        #[test]
        fn nothing_that_a_client_sends_is_more_than_refused(text: String) {
            let _ = text.parse::<Cursor>();
        }
    }

    #[test]
    fn a_cursor_of_an_earlier_session_counts_for_nothing() {
        let start = cursor(5, Some((2, 5)));
        assert_eq!(cursor(3, Some((9, 9))).or_later(start), start);
        assert_eq!(
            Cursor {
                epoch: Epoch(1),
                ..cursor(9, None)
            }
            .or_later(start),
            start
        );
        assert_eq!(cursor(8, None).or_later(start), cursor(8, Some((2, 5))));
        assert_eq!(
            cursor(8, Some((3, 1))).or_later(start),
            cursor(8, Some((3, 1)))
        );
    }

    #[test]
    fn a_backfill_goes_on_where_it_was_and_only_if_it_was_not_complete() {
        let backfill_resume = |cursor: Cursor| {
            cursor
                .backfill_resume(2, Sequence(3), Sequence(10))
                .map(|at| at.0)
        };
        assert_eq!(backfill_resume(cursor(8, None)), Some(3), "not begun");
        assert_eq!(
            backfill_resume(cursor(10, Some((1, 10)))),
            Some(3),
            "not begun"
        );
        assert_eq!(backfill_resume(cursor(10, Some((2, 6)))), Some(6));
        assert_eq!(backfill_resume(cursor(10, Some((2, 10)))), None);
        assert_eq!(backfill_resume(cursor(10, Some((3, 1)))), None);
        assert_eq!(backfill_resume(cursor(11, None)), None);
    }
}
