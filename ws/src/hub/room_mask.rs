//! Sets of rooms as 64 bits, a small Bloom filter: rooms whose masks share no bit have nothing in
//! common. Most readers pass over most entries by one comparison.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use schemas::Room;

/// A set of rooms: one bit for each room. Several rooms may share a bit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RoomMask(u64);

impl RoomMask {
    pub(crate) fn of<'a>(rooms: impl IntoIterator<Item = &'a Room>) -> Self {
        rooms.into_iter().fold(Self::default(), Self::with)
    }

    /// The same set with that room added.
    pub(crate) fn with(self, room: &Room) -> Self {
        let mut hasher = DefaultHasher::new();
        room.hash(&mut hasher);
        Self(self.0 | 1 << (hasher.finish() % u64::from(u64::BITS)))
    }

    /// Whether the two sets may have a room in common. False is certain; true has to be checked
    /// room by room.
    pub(crate) fn may_share_room(self, other: Self) -> bool {
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
            let may_share_room = RoomMask::of(&rooms(&ours)).may_share_room(RoomMask::of(&rooms(&theirs)));
            prop_assert!(may_share_room || ours.is_disjoint(&theirs));
        }
    }

    #[test]
    fn most_others_are_kept_out() {
        let room = |id: u64| Room::InventoryLocation(id.into());
        let mine = RoomMask::of(&[room(1)]);
        let met = (2..1002)
            .filter(|id| mine.may_share_room(RoomMask::of(&[room(*id)])))
            .count();
        assert!(met < 50, "{met} of 1,000");
    }
}
