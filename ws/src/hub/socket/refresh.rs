//! A fresh token on a live socket: the same user, perhaps with other rights.

use std::collections::BTreeSet;

use schemas::{ErrorBody, ErrorCode, Identity, Room, Timestamp};

use super::Socket;
use crate::hub::recovery::rights;
use crate::source::AuthError;

impl Socket {
    /// Goes on with that token, if it is the same user's.
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
        let lost = self.rooms_lost(&identity, &new);
        self.become_identity(identity, &old.union(&lost).cloned().collect(), new);
        Ok(self.reader.identity.expires_at)
    }

    /// The rooms that were joined on request and that somebody with these rights may not be in.
    fn rooms_lost(&self, identity: &Identity, first: &BTreeSet<Room>) -> BTreeSet<Room> {
        let contract = self.namespace.contract();
        // Whose an order is was asked when its room was joined; with other rights it would have to be asked again.
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

    /// Goes on as somebody else, in new rooms in place of the old ones; those in both go on as they are.
    pub(super) fn become_identity(
        &mut self,
        identity: Identity,
        old: &BTreeSet<Room>,
        new: BTreeSet<Room>,
    ) {
        for room in self.reader.rooms() {
            self.hub.ignore(&self.slot, &self.reader.shops, room);
        }
        self.reader.leave(old.difference(&new));
        let shops = self.hub.enterable(&identity);
        // In this order, so that a customer who stays is not said to have gone.
        self.hub.comes(&identity, &shops);
        self.hub.goes(&self.reader.identity, &self.reader.shops);
        self.reader.become_identity(identity, shops);
        for room in self.reader.rooms().chain(&new) {
            self.hub.listen(&self.slot, &self.reader.shops, room);
        }
        let head = self.hub.head().sequence;
        self.reader.enter(new, head);
        // Between ignoring and listening something may have been published unmarked.
        self.reader.hold(None);
    }
}
