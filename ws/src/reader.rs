//! A reader of the log as a value: who it is, which rooms it joined when, and how far it has read.
//!
//! What holds: everything wanted at or before `position` was handed to the transport, nothing after it.

use std::collections::{BTreeMap, BTreeSet};

use schemas::{Identity, Room, Sequence, ShopDomain};
use serde::{Deserialize, Serialize};

use crate::broadcast::Broadcast;
use crate::contracts::oda::{self, Rooms};
use crate::few::Few;

/// One socket's reading.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) identity: Identity,
    /// The shops it may enter.
    pub(crate) shops: Vec<ShopDomain>,
    /// Each room, and the sequence after which it counts.
    rooms: Few<Room, Sequence>,
    /// Rooms that exist by name only: nothing is ever heard in them.
    names: Few<String, ()>,
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
    fn contains(&self, kind: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Only(kinds) => kind.is_some_and(|kind| kinds.contains(kind)),
        }
    }
}

impl Reader {
    pub(crate) fn new(identity: Identity, shops: Vec<ShopDomain>, position: Sequence) -> Self {
        Self {
            identity,
            shops,
            rooms: Few::default(),
            names: Few::default(),
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
        self.finds(broadcast, &self.kinds, |room| self.rooms.contains(room))
    }

    /// Whether this reader is to be sent that entry, or was when it passed it.
    pub(crate) fn wants(&self, broadcast: &Broadcast) -> bool {
        let sequence = broadcast.sequence();
        self.finds(broadcast, &self.kinds, |room| {
            self.rooms.get(room).is_some_and(|joined| *joined < sequence)
        })
    }

    /// Whether an entry it has passed is wanted because of rooms, or kinds, that are only now being asked for.
    pub(crate) fn missed(
        &self,
        rooms: &BTreeSet<Room>,
        kinds: Option<&Kinds>,
        broadcast: &Broadcast,
    ) -> bool {
        self.finds(broadcast, kinds.unwrap_or(&self.kinds), |room| rooms.contains(room))
            && !self.wants(broadcast)
    }

    fn finds(&self, broadcast: &Broadcast, kinds: &Kinds, joined: impl Fn(&Room) -> bool) -> bool {
        let in_a_room = broadcast.rooms.iter().any(|room| {
            joined(room)
                && (*room != Room::Notifications || kinds.contains(oda::notification_kind(&broadcast.event)))
        });
        in_a_room
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
        let joined = self.rooms.get(&room).map_or(after, |joined| after.min(*joined));
        self.rooms.insert(room, joined);
    }

    pub(crate) fn join_name(&mut self, name: String) {
        self.names.insert(name, ());
    }

    /// What is missed after that is lost, as was asked for.
    pub(crate) fn leave(&mut self, room: &Room) {
        self.rooms.remove(room);
    }

    /// In all of those.
    pub(crate) fn enter(&mut self, rooms: Rooms, after: Sequence) {
        rooms.known.into_iter().for_each(|room| self.join(room, after));
        rooms.names.into_iter().for_each(|name| self.join_name(name));
    }

    pub(crate) fn leave_name(&mut self, name: &String) {
        self.names.remove(name);
    }

    pub(crate) fn is_in(&self, room: &Room) -> bool {
        self.rooms.contains(room)
    }

    pub(crate) fn is_in_name(&self, name: &String) -> bool {
        self.names.contains(name)
    }

    /// Each room, and after which entry it counts.
    pub(crate) fn joined(&self) -> impl Iterator<Item = (&Room, &Sequence)> {
        self.rooms.iter()
    }

    pub(crate) fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// In those rooms, from where on each counts, for those kinds.
    pub(crate) fn restore(&mut self, rooms: BTreeMap<Room, Sequence>, names: BTreeSet<String>, kinds: Kinds) {
        for (room, joined) in rooms {
            self.rooms.insert(room, joined);
        }
        for name in names {
            self.join_name(name);
        }
        self.kinds = kinds;
    }

    pub(crate) fn rooms(&self) -> impl Iterator<Item = &Room> {
        self.rooms.keys()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.names.keys()
    }

    pub(crate) fn rooms_len(&self) -> usize {
        self.rooms.len() + self.names.len()
    }

    /// The same user with other rights. What it had before does not prove that it was sent what it may see now,
    /// so every room counts from here.
    pub(crate) fn become_identity(&mut self, identity: Identity, shops: Vec<ShopDomain>) {
        let rights = |of: &Identity| (of.role, of.customer_id, of.locations.clone(), of.shops.clone());
        if rights(&identity) != rights(&self.identity) {
            self.rooms.values_mut().for_each(|joined| *joined = (*joined).max(self.position));
        }
        self.identity = identity;
        self.shops = shops;
    }

    /// `first` is the first entry in its rooms since it was last told of one, and every entry up to `marked` was
    /// told. A reader that is up to date skips what is not for its rooms, so a quiet one is never far behind.
    pub(crate) fn notice(&mut self, first: Option<Sequence>, marked: Sequence) {
        if self.behind {
            return;
        }
        self.behind = first.is_some();
        self.advance(first.map_or(marked, |first| Sequence(first.0.saturating_sub(1))));
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
        self.rooms.values_mut().for_each(|joined| *joined = (*joined).max(head));
    }
}
