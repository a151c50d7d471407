//! Rooms as a few bits: what a sieve keeps out is in none of them, found out without looking at a room.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use schemas::Room;

/// A bit for each room, which several rooms may share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Sieve(u64);

impl Sieve {
    pub(crate) fn of<'a>(rooms: impl IntoIterator<Item = &'a Room>) -> Self {
        rooms.into_iter().fold(Self::default(), Self::with)
    }

    /// Lets that room through, too.
    pub(crate) fn with(self, room: &Room) -> Self {
        let mut hasher = DefaultHasher::new();
        room.hash(&mut hasher);
        Self(self.0 | 1 << (hasher.finish() % u64::from(u64::BITS)))
    }

    /// Whether they may have a room in common.
    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rooms_in_common_are_never_kept_out(
            ours in prop::collection::btree_set(1..30_u64, 0..8),
            theirs in prop::collection::btree_set(1..30_u64, 0..8),
        ) {
            let rooms = |ids: &BTreeSet<u64>| -> Vec<Room> {
                ids.iter().map(|id| Room::InventoryLocation((*id).into())).collect()
            };
            let meets = Sieve::of(&rooms(&ours)).meets(Sieve::of(&rooms(&theirs)));
            prop_assert!(meets || ours.is_disjoint(&theirs));
        }
    }

    #[test]
    fn most_others_are_kept_out() {
        let room = |id: u64| Room::InventoryLocation(id.into());
        let mine = Sieve::of(&[room(1)]);
        let met = (2..1002)
            .filter(|id| mine.meets(Sieve::of(&[room(*id)])))
            .count();
        assert!(met < 50, "{met} of 1,000");
    }
}
