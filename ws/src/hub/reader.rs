//! A reader of the log as a value: whose it is, which rooms it joined when, and how far it has
//! read.
//!
//! Invariant: everything wanted at or before `position` was handed to the transport, and nothing
//! after it.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{Ephemeral, Event, Identity, Room, Sequence, ShopDomain};
use serde::{Deserialize, Serialize};

use crate::contracts::Namespace;
use crate::hub::broadcast::Broadcast;
use crate::hub::room_mask::RoomMask;
use crate::hub::sorted_map::SortedMap;

/// How one socket reads the log.
#[derive(Debug)]
pub(crate) struct LogReader {
    /// The namespace, whose contract says which events a room brings.
    namespace: Namespace,
    pub(crate) identity: Identity,
    /// The shops that the identity may enter.
    pub(crate) shops: Vec<ShopDomain>,
    /// Each room with the sequence after which it counts.
    rooms: SortedMap<Room, Sequence>,
    /// A mask of these rooms, to pass over most entries without looking at a room.
    mask: RoomMask,
    kinds: NotificationKinds,
    position: Sequence,
    /// Whether a wanted entry may stand between `position` and the head.
    behind: bool,
    /// The reader must not go past this entry while a join is under way. `None` without one.
    ceiling: Option<Sequence>,
}

/// The kinds of notification that a client wants in [`Room::Notifications`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NotificationKinds {
    All,
    Only(BTreeSet<String>),
}

impl NotificationKinds {
    pub(crate) fn contains(&self, kind: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Only(kinds) => kind.is_some_and(|kind| kinds.contains(kind)),
        }
    }
}

impl LogReader {
    pub(crate) fn new(
        namespace: Namespace,
        identity: Identity,
        shops: Vec<ShopDomain>,
        position: Sequence,
    ) -> Self {
        Self {
            namespace,
            identity,
            shops,
            rooms: SortedMap::default(),
            mask: RoomMask::default(),
            kinds: NotificationKinds::All,
            position,
            behind: false,
            ceiling: None,
        }
    }

    pub(crate) fn position(&self) -> Sequence {
        self.position
    }

    /// Whether the identity may see an ephemeral event, is in one of its rooms, and is not its
    /// author. Such events have no position in the log, so it does not matter when a room was
    /// joined.
    pub(crate) fn accepts_ephemeral(&self, broadcast: &Broadcast) -> bool {
        let own = matches!(&broadcast.event, Event::Ephemeral(Ephemeral::Typing(typing)) if typing.user_id == self.identity.user_id);
        !own && self.matches(broadcast, &self.kinds, |room| self.rooms.contains(room))
    }

    /// Whether a log entry is to be sent to this reader, or was when the reader passed it.
    pub(crate) fn accepts_entry(&self, broadcast: &Broadcast) -> bool {
        let sequence = broadcast.sequence();
        self.matches(broadcast, &self.kinds, |room| {
            self.rooms
                .get(room)
                .is_some_and(|joined| *joined < sequence)
        })
    }

    /// Whether an entry that the reader has already passed is wanted only because of the rooms or
    /// kinds that are being joined now.
    pub(crate) fn missed_entry(
        &self,
        rooms: &BTreeSet<Room>,
        kinds: Option<&NotificationKinds>,
        broadcast: &Broadcast,
    ) -> bool {
        self.matches(broadcast, kinds.unwrap_or(&self.kinds), |room| {
            rooms.contains(room)
        }) && !self.accepts_entry(broadcast)
    }

    /// Whether a frame that is meant for these rooms only is for this reader.
    pub(crate) fn accepts_entry_frame(&self, rooms: &[Room], broadcast: &Broadcast) -> bool {
        let sequence = broadcast.sequence();
        self.matches_frame(rooms, broadcast, &self.kinds, |room| {
            self.rooms
                .get(room)
                .is_some_and(|joined| *joined < sequence)
        })
    }

    /// Whether a frame of an ephemeral event that is meant for these rooms only is for this reader.
    pub(crate) fn accepts_ephemeral_frame(&self, rooms: &[Room], broadcast: &Broadcast) -> bool {
        self.matches_frame(rooms, broadcast, &self.kinds, |room| {
            self.rooms.contains(room)
        })
    }

    fn matches_frame(
        &self,
        rooms: &[Room],
        broadcast: &Broadcast,
        kinds: &NotificationKinds,
        joined: impl Fn(&Room) -> bool,
    ) -> bool {
        let contract = self.namespace.contract();
        rooms
            .iter()
            .any(|room| joined(room) && contract.brings(room, &broadcast.event, kinds))
    }

    fn matches(
        &self,
        broadcast: &Broadcast,
        kinds: &NotificationKinds,
        joined: impl Fn(&Room) -> bool,
    ) -> bool {
        self.matches_frame(&broadcast.rooms, broadcast, kinds, joined)
            && self.identity.may_see(broadcast.event.subject())
            && self.identity.may_enter(&broadcast.shop)
    }

    /// Changes the wanted kinds from now on. What was received before proves nothing about the new
    /// kinds, so the room of notifications counts from here.
    pub(crate) fn set_kinds(&mut self, kinds: NotificationKinds) {
        if kinds != self.kinds {
            if let Some(joined) = self.rooms.get_mut(&Room::Notifications) {
                *joined = (*joined).max(self.position);
            }
            self.kinds = kinds;
        }
    }

    /// Joins a room whose entries count after `after`. A room that already counts from an earlier
    /// entry stays as it is.
    pub(crate) fn join(&mut self, room: Room, after: Sequence) {
        let joined = self
            .rooms
            .get(&room)
            .map_or(after, |joined| after.min(*joined));
        self.mask = self.mask.with(&room);
        self.rooms.insert(room, joined);
    }

    /// Leaves rooms. What is published there afterwards is not sent, also not later.
    pub(crate) fn leave<'a>(&mut self, rooms: impl IntoIterator<Item = &'a Room>) {
        for room in rooms {
            self.rooms.remove(room);
        }
        self.mask = RoomMask::of(self.rooms.keys());
    }

    /// Joins all of these rooms, each after `after`.
    pub(crate) fn join_all(&mut self, rooms: impl IntoIterator<Item = Room>, after: Sequence) {
        rooms.into_iter().for_each(|room| self.join(room, after));
    }

    pub(crate) fn is_in(&self, room: &Room) -> bool {
        self.rooms.contains(room)
    }

    /// Each joined room with the sequence after which it counts.
    pub(crate) fn joined(&self) -> impl Iterator<Item = (&Room, &Sequence)> {
        self.rooms.iter()
    }

    pub(crate) fn kinds(&self) -> &NotificationKinds {
        &self.kinds
    }

    /// Puts back the rooms and kinds of a session that is recovered.
    pub(crate) fn restore(&mut self, rooms: BTreeMap<Room, Sequence>, kinds: NotificationKinds) {
        for (room, joined) in rooms {
            self.mask = self.mask.with(&room);
            self.rooms.insert(room, joined);
        }
        self.kinds = kinds;
    }

    /// The mask of its rooms: an entry whose mask shares no bit with it concerns none of them.
    pub(crate) fn room_mask(&self) -> RoomMask {
        self.mask
    }

    pub(crate) fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.keys()
    }

    pub(crate) fn rooms_len(&self) -> usize {
        self.rooms.len()
    }

    /// Gives the same user other rights. What the reader received before does not prove that it got
    /// what it may see now, so every room counts from here.
    pub(crate) fn become_identity(&mut self, identity: Identity, shops: Vec<ShopDomain>) {
        if identity.rights() != self.identity.rights() {
            self.rooms
                .values_mut()
                .for_each(|joined| *joined = (*joined).max(self.position));
        }
        self.identity = identity;
        self.shops = shops;
    }

    /// Takes up the marks of the hub: `first` is the first entry in its rooms since the last call,
    /// and every entry up to `marked` is marked.
    ///
    /// A reader that is up to date skips what is not in its rooms, so a quiet one is never far
    /// behind. Entries after `marked` are marked room by room: before `first` there may be one in
    /// another of its rooms, so the position never passes `marked`.
    pub(crate) fn observe_marks(&mut self, first: Option<Sequence>, marked: Sequence) {
        if self.behind {
            return;
        }
        self.behind = first.is_some();
        self.advance(first.map_or(marked, |first| {
            marked.min(Sequence(first.0.saturating_sub(1)))
        }));
    }

    /// The stretch to read next, up to the head: after which entry, and until which. `None` when
    /// there is nothing to read.
    pub(crate) fn due(&mut self, head: Sequence) -> Option<(Sequence, Sequence)> {
        // A reader at a ceiling stays behind even at the head: entries may follow before the
        // ceiling is lifted, and they come without a new mark.
        self.behind &= self.position < head || self.ceiling.is_some();
        let until = self.ceiling.map_or(head, |ceiling| ceiling.min(head));
        (self.behind && self.position < until).then_some((self.position, until))
    }

    /// Everything up to that entry was read.
    pub(crate) fn advance(&mut self, to: Sequence) {
        self.position = self.position.max(to);
    }

    /// Sets the entry that must not be passed for now; `None` lets the reader go on from its
    /// position to the head.
    pub(crate) fn set_ceiling(&mut self, ceiling: Option<Sequence>) {
        self.ceiling = ceiling;
        self.behind = true;
    }

    /// Goes on from that entry, because what lies before it can no longer be read.
    pub(crate) fn restart(&mut self, head: Sequence) {
        self.advance(head);
        self.rooms
            .values_mut()
            .for_each(|joined| *joined = (*joined).max(head));
    }
}

#[cfg(test)]
mod tests {
    use schemas::Role;

    use super::*;

    #[test]
    fn what_is_told_of_in_one_room_first_hides_nothing_older_in_another() {
        let identity = Identity::unlimited("7".parse().unwrap(), Role::Admin);
        let mut reader = LogReader::new(Namespace::Oda, identity, Vec::new(), Sequence(440));
        // 441 is for another of its rooms, which is still to be told of it.
        reader.observe_marks(Some(Sequence(442)), Sequence(440));
        assert_eq!(
            reader.due(Sequence(445)),
            Some((Sequence(440), Sequence(445)))
        );
    }
}
