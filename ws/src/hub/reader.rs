//! A reader of the log as a value: who it is, which rooms it joined when, and how far it has read.
//!
//! What holds: everything wanted at or before `position` was handed to the transport, nothing after it.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{Event, Identity, Room, Sequence, ShopDomain};
use serde::{Deserialize, Serialize};

use crate::contracts::Namespace;
use crate::hub::broadcast::Broadcast;
use crate::hub::few::Few;
use crate::hub::sieve::Sieve;

/// One socket's reading.
#[derive(Debug)]
pub(crate) struct Reader {
    /// Whose contract says what a room brings.
    namespace: Namespace,
    pub(crate) identity: Identity,
    /// The shops it may enter.
    pub(crate) shops: Vec<ShopDomain>,
    /// Each room, and the sequence after which it counts.
    rooms: Few<Room, Sequence>,
    /// Of those rooms.
    sieve: Sieve,
    kinds: Kinds,
    position: Sequence,
    /// Whether something wanted may stand between `position` and the head.
    behind: bool,
    /// While a join is under way: not to be read past.
    ceiling: Option<Sequence>,
}

/// The kinds of notification one wants to find in [`Room::Notifications`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kinds {
    All,
    Only(BTreeSet<String>),
}

impl Kinds {
    pub(crate) fn contains(&self, kind: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Only(kinds) => kind.is_some_and(|kind| kinds.contains(kind)),
        }
    }
}

impl Reader {
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
            rooms: Few::default(),
            sieve: Sieve::default(),
            kinds: Kinds::All,
            position,
            behind: false,
            ceiling: None,
        }
    }

    pub(crate) fn position(&self) -> Sequence {
        self.position
    }

    /// Whether this reader may see it and is in one of its rooms. For the ephemeral, which have no place in the log.
    pub(crate) fn hears(&self, broadcast: &Broadcast) -> bool {
        let own = matches!(&broadcast.event, Event::Typing(typing) if typing.user_id == self.identity.user_id);
        !own && self.finds(broadcast, &self.kinds, |room| self.rooms.contains(room))
    }

    /// Whether this reader is to be sent that entry, or was when it passed it.
    pub(crate) fn wants(&self, broadcast: &Broadcast) -> bool {
        let sequence = broadcast.sequence();
        self.finds(broadcast, &self.kinds, |room| {
            self.rooms
                .get(room)
                .is_some_and(|joined| *joined < sequence)
        })
    }

    /// Whether an entry it has passed is wanted because of rooms, or kinds, that are only now being asked for.
    pub(crate) fn missed(
        &self,
        rooms: &BTreeSet<Room>,
        kinds: Option<&Kinds>,
        broadcast: &Broadcast,
    ) -> bool {
        self.finds(broadcast, kinds.unwrap_or(&self.kinds), |room| {
            rooms.contains(room)
        }) && !self.wants(broadcast)
    }

    /// Whether a frame of such an entry is for it that is only for those rooms.
    pub(crate) fn wants_in(&self, rooms: &[Room], broadcast: &Broadcast) -> bool {
        let sequence = broadcast.sequence();
        self.is_in_one(rooms, broadcast, &self.kinds, |room| {
            self.rooms
                .get(room)
                .is_some_and(|joined| *joined < sequence)
        })
    }

    /// The same of the ephemeral.
    pub(crate) fn hears_in(&self, rooms: &[Room], broadcast: &Broadcast) -> bool {
        self.is_in_one(rooms, broadcast, &self.kinds, |room| {
            self.rooms.contains(room)
        })
    }

    fn is_in_one(
        &self,
        rooms: &[Room],
        broadcast: &Broadcast,
        kinds: &Kinds,
        joined: impl Fn(&Room) -> bool,
    ) -> bool {
        let contract = self.namespace.contract();
        rooms
            .iter()
            .any(|room| joined(room) && contract.brings(room, &broadcast.event, kinds))
    }

    fn finds(&self, broadcast: &Broadcast, kinds: &Kinds, joined: impl Fn(&Room) -> bool) -> bool {
        self.is_in_one(&broadcast.rooms, broadcast, kinds, joined)
            && self.identity.may_see(broadcast.event.subject())
            && self.identity.may_enter(&broadcast.shop)
    }

    /// These kinds from now on. What it had of others proves nothing about these, so the room counts from here.
    pub(crate) fn want(&mut self, kinds: Kinds) {
        if kinds != self.kinds {
            if let Some(joined) = self.rooms.get_mut(&Room::Notifications) {
                *joined = (*joined).max(self.position);
            }
            self.kinds = kinds;
        }
    }

    /// In that room from there on; a room that counts already from an earlier place stays as it is.
    pub(crate) fn join(&mut self, room: Room, after: Sequence) {
        let joined = self
            .rooms
            .get(&room)
            .map_or(after, |joined| after.min(*joined));
        self.sieve = self.sieve.with(&room);
        self.rooms.insert(room, joined);
    }

    /// What is missed after that is lost, as was asked for.
    pub(crate) fn leave<'a>(&mut self, rooms: impl IntoIterator<Item = &'a Room>) {
        for room in rooms {
            self.rooms.remove(room);
        }
        self.sieve = Sieve::of(self.rooms.keys());
    }

    /// In all of those.
    pub(crate) fn enter(&mut self, rooms: impl IntoIterator<Item = Room>, after: Sequence) {
        rooms.into_iter().for_each(|room| self.join(room, after));
    }

    pub(crate) fn is_in(&self, room: &Room) -> bool {
        self.rooms.contains(room)
    }

    /// Each room, and after which entry it counts.
    pub(crate) fn joined(&self) -> impl Iterator<Item = (&Room, &Sequence)> {
        self.rooms.iter()
    }

    pub(crate) fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// In those rooms, from where on each counts, for those kinds.
    pub(crate) fn restore(&mut self, rooms: BTreeMap<Room, Sequence>, kinds: Kinds) {
        for (room, joined) in rooms {
            self.sieve = self.sieve.with(&room);
            self.rooms.insert(room, joined);
        }
        self.kinds = kinds;
    }

    /// Keeps out most of what is in none of its rooms.
    pub(crate) fn sieve(&self) -> Sieve {
        self.sieve
    }

    pub(crate) fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.keys()
    }

    pub(crate) fn rooms_len(&self) -> usize {
        self.rooms.len()
    }

    /// The same user with other rights. What it had before does not prove that it was sent what it may see now,
    /// so every room counts from here.
    pub(crate) fn become_identity(&mut self, identity: Identity, shops: Vec<ShopDomain>) {
        let rights = |of: &Identity| {
            (
                of.role,
                of.customer_id,
                of.locations.clone(),
                of.shops.clone(),
                of.companies.clone(),
            )
        };
        if rights(&identity) != rights(&self.identity) {
            self.rooms
                .values_mut()
                .for_each(|joined| *joined = (*joined).max(self.position));
        }
        self.identity = identity;
        self.shops = shops;
    }

    /// `first` is the first entry in its rooms since it was last told of one, and every entry up to `marked` was
    /// told. A reader that is up to date skips what is not for its rooms, so a quiet one is never far behind. Beyond
    /// `marked` it is told of one room after the other: what stands before `first` there may be for another.
    pub(crate) fn notice(&mut self, first: Option<Sequence>, marked: Sequence) {
        if self.behind {
            return;
        }
        self.behind = first.is_some();
        self.advance(first.map_or(marked, |first| {
            marked.min(Sequence(first.0.saturating_sub(1)))
        }));
    }

    /// What to read next, up to the head: after where, and until where.
    pub(crate) fn due(&mut self, head: Sequence) -> Option<(Sequence, Sequence)> {
        self.behind &= self.position < head || self.ceiling.is_some();
        let until = self.ceiling.map_or(head, |ceiling| ceiling.min(head));
        (self.behind && self.position < until).then_some((self.position, until))
    }

    /// Everything up to there was read.
    pub(crate) fn advance(&mut self, to: Sequence) {
        self.position = self.position.max(to);
    }

    /// Reads no further than that for now. Without a ceiling it goes on from its position.
    pub(crate) fn hold(&mut self, ceiling: Option<Sequence>) {
        self.ceiling = ceiling;
        self.behind = true;
    }

    /// What lies between can no longer be had; goes on from there.
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
        let mut reader = Reader::new(Namespace::Oda, identity, Vec::new(), Sequence(440));
        // 441 is for another of its rooms, which is still to be told of it.
        reader.notice(Some(Sequence(442)), Sequence(440));
        assert_eq!(
            reader.due(Sequence(445)),
            Some((Sequence(440), Sequence(445)))
        );
    }
}
