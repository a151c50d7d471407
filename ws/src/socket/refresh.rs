//! A fresh token on a live socket: the same user, perhaps with other rights.

use schemas::{ErrorBody, ErrorCode, Timestamp};

use super::Socket;
use crate::contracts::oda;

impl Socket {
    /// Goes on with that token, if it is the same user's.
    pub(super) fn refresh(&mut self, token: &str) -> Result<Timestamp, ErrorBody> {
        let now = self.hub.clock.now();
        let identity =
            self.hub.authenticate.identify(token, now).ok().filter(|identity| identity.expires_at > now);
        let invalid = || ErrorBody::new(ErrorCode::TokenInvalid, "The token is invalid or has expired");
        let identity = identity.ok_or_else(invalid)?;
        if identity.user_id != self.reader.identity.user_id {
            return Err(ErrorBody::new(ErrorCode::Forbidden, "The token is another user's"));
        }
        let (old, new) = (oda::first_rooms(&self.reader.identity), oda::first_rooms(&identity));
        for room in self.reader.rooms() {
            self.hub.ignore(&self.slot, &self.reader.shops, room);
        }
        old.known.iter().for_each(|room| {
            if !new.known.contains(room) {
                self.reader.leave(room);
            }
        });
        old.names.iter().for_each(|name| self.reader.leave_name(name));
        let shops = self.hub.enterable(&identity);
        self.reader.become_identity(identity, shops);
        for room in self.reader.rooms().chain(&new.known) {
            self.hub.listen(&self.slot, &self.reader.shops, room);
        }
        let head = self.hub.head().sequence;
        self.reader.enter(new, head);
        // Between ignoring and listening something may have been published unmarked.
        self.reader.hold(None);
        Ok(self.reader.identity.expires_at)
    }
}
