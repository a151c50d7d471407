//! A new token on a live socket: the same user, perhaps with other rights.

use std::collections::BTreeSet;

use schemas::{ErrorBody, ErrorCode, Identity, Room, Timestamp};

use super::Socket;
use crate::hub::recovery::rights;
use crate::source::AuthError;

impl Socket {
    /// Goes on with that token, if it belongs to the same user. Returns when it expires.
    pub(super) fn refresh(&mut self, token: &str) -> Result<Timestamp, ErrorBody> {
        let identity = self.hub.identify(token).map_err(|error| match error {
            AuthError::NotYet => ErrorBody::new(ErrorCode::Unavailable, error.to_string()),
            AuthError::Required | AuthError::Invalid => ErrorBody::new(
                ErrorCode::TokenInvalid,
                "The token is invalid or has expired",
            ),
        })?;
        if identity.user_id != self.reader.identity.user_id {
            return Err(ErrorBody::new(
                ErrorCode::Forbidden,
                "The token is another user's",
            ));
        }
        let contract = self.namespace.contract();
        let (old, new) = (
            contract.first_rooms(&self.reader.identity),
            contract.first_rooms(&identity),
        );
        // Rooms that the new rights do not allow are left at once, not only at the next join.
        let lost = self.rooms_lost(&identity, &new);
        self.become_identity(identity, &old.union(&lost).cloned().collect(), new);
        Ok(self.reader.identity.expires_at)
    }

    /// The rooms that were joined on request and that an identity with these rights may not be in.
    fn rooms_lost(&self, identity: &Identity, first: &BTreeSet<Room>) -> BTreeSet<Room> {
        let contract = self.namespace.contract();
        // The owner of an order is asked for only when its room is joined. With other rights the
        // answer would have to be asked for again, so only staff keep such rooms.
        let same_rights =
            rights(&self.hub.key, identity) == rights(&self.hub.key, &self.reader.identity);
        let kept = |room: &Room| {
            first.contains(room)
                || (contract.may_be_in(room, identity)
                    && (same_rights || identity.role.is_staff() || !matches!(room, Room::Order(_))))
        };
        self.reader
            .rooms()
            .filter(|room| !kept(room))
            .cloned()
            .collect()
    }

    /// Replaces the identity and the rooms `old` by `new`. Rooms in both go on where they are.
    pub(super) fn become_identity(
        &mut self,
        identity: Identity,
        old: &BTreeSet<Room>,
        new: BTreeSet<Room>,
    ) {
        for room in self.reader.rooms() {
            self.hub.unsubscribe(&self.signal, &self.reader.shops, room);
        }
        self.reader.leave(old.difference(&new));
        let shops = self.hub.visible_shops(&identity);
        // The new identity is counted before the old one goes, so that a customer who stays is not
        // reported as offline in between.
        self.hub.customer_connected(&identity, &shops);
        self.hub
            .customer_disconnected(&self.reader.identity, &self.reader.shops);
        self.reader.become_identity(identity, shops);
        for room in self.reader.rooms().chain(&new) {
            self.hub.subscribe(&self.signal, &self.reader.shops, room);
        }
        let head = self.hub.head().sequence;
        self.reader.join_all(new, head);
        // Between `unsubscribe` and `subscribe` entries may have been published without a mark, so
        // the reader looks by itself once.
        self.reader.set_ceiling(None);
    }
}
