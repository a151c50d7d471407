//! What clients of omni wish beside rooms: to be somebody, to go on from where they were, and to have events put together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use schemas::{ErrorBody, ErrorCode, Event, Identity};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::batch::Batch;
use super::{Answer, Socket};
use crate::connection::Out;
use crate::contracts::Namespace;
use crate::contracts::omni::{self, Topic};
use crate::contracts::request::{Join, Since};
use crate::limits::{KEYS_PAUSE, SOURCE_DEADLINE};
use crate::protocol::socketio::Call;
use crate::source::AuthError;

/// The wishes of one client.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// From where each namespace goes on that is subscribed to for the first time after an `auth` that said so.
    since: BTreeMap<Topic, Since>,
    /// For how long events of a namespace may be put together.
    waits: BTreeMap<Topic, Duration>,
    batch: Batch,
}

impl Wishes {
    /// Sends one of an event's frames, or puts it together with others. What may not wait sends what waits before it, so
    /// there is one order, and whoever goes on from the last id has missed nothing.
    pub(super) fn send(&mut self, event: &Event, part: usize, frame: Bytes, out: &mut Out) {
        let wait = omni::topic_of(event).and_then(|topic| self.waits.get(&topic));
        if let Some(wait) = wait {
            self.batch.add(
                omni::state_of(event).map(|(kind, thing)| (kind, thing, part)),
                frame,
                *wait,
            );
            if self.batch.is_full() {
                out.extend(self.batch.take());
            }
        } else {
            out.extend(self.batch.take());
            out.push(frame);
        }
    }
}

impl Socket {
    /// The join as it is wished: with what was said of its namespace before, and remembering what is said now.
    pub(super) fn wish(&mut self, join: Join) -> Join {
        let topic = join
            .rooms
            .first()
            .and_then(Topic::of)
            .filter(|_| self.namespace == Namespace::Omni);
        let Some(topic) = topic else { return join };
        let wishes = self.wishes.get_or_insert_default();
        let promised = wishes.since.remove(&topic);
        match join.wait {
            Some(wait) => wishes.waits.insert(topic, wait),
            None => wishes.waits.remove(&topic),
        };
        Join {
            since: join.since.or(promised),
            ..join
        }
    }

    /// For how long what is put together may wait; `None` when there is nothing.
    pub(crate) fn batch_wait(&self) -> Option<Duration> {
        self.wishes.as_ref().and_then(|wishes| wishes.batch.wait())
    }

    /// Sends what is put together.
    pub(crate) fn flush(&mut self, out: &mut Out) {
        if let Some(wishes) = &mut self.wishes {
            out.extend(wishes.batch.take());
        }
    }

    /// Finds out who the token says; what is asked meanwhile waits, also while keys are being fetched.
    pub(super) fn ask_identity(
        &mut self,
        call: Call,
        token: String,
        since: Option<Since>,
        out: &mut Out,
    ) {
        match self.hub.identify(&token) {
            Err(AuthError::NotYet) => {
                let hub = Arc::clone(&self.hub);
                self.question = Some(Box::pin(async move {
                    let keys = async {
                        loop {
                            sleep(KEYS_PAUSE).await;
                            match hub.identify(&token) {
                                Err(AuthError::NotYet) => {}
                                identity => return identity,
                            }
                        }
                    };
                    let identity = timeout(SOURCE_DEADLINE, keys).await;
                    Answer::Identity(
                        call,
                        since,
                        identity.unwrap_or(Err(AuthError::NotYet)).map(Box::new),
                    )
                }));
            }
            identity => self.authenticate(call, identity, since, out),
        }
    }

    /// Becomes who the token says, and is sent what was missed since then: at once in what is subscribed to already, and
    /// otherwise once it is.
    pub(super) fn authenticate(
        &mut self,
        call: Call,
        identity: Result<Identity, AuthError>,
        since: Option<Since>,
        out: &mut Out,
    ) {
        if let Err(error) = self.become_bearer(identity) {
            return self.refuse(&call, &error, out);
        }
        let topics = self.topics();
        if let Some(since) = since {
            let later = Topic::ALL
                .into_iter()
                .filter(|topic| !topics.contains(topic));
            self.wishes.get_or_insert_default().since = later.map(|topic| (topic, since)).collect();
            if !topics.is_empty() {
                let rooms = self.reader.rooms().cloned().collect();
                return self.join(
                    call,
                    Join {
                        rooms,
                        since: Some(since),
                        ..Join::default()
                    },
                    out,
                );
            }
        }
        self.answer(&call, Ok(json!({})), out);
    }

    /// The same user as before, or anybody where nobody knew.
    fn become_bearer(&mut self, identity: Result<Identity, AuthError>) -> Result<(), ErrorBody> {
        let identity = identity.map_err(|error| {
            let code = if error == AuthError::NotYet {
                ErrorCode::Unavailable
            } else {
                ErrorCode::TokenInvalid
            };
            ErrorBody::new(code, error.to_string())
        })?;
        if self.seat.is_none() {
            let seat = self
                .hub
                .roster
                .take_seat(&identity.user_id, None, self.slot.bell());
            let crowded = "You have too many connections; close one and try again";
            self.seat = Some(seat.map_err(|_| ErrorBody::new(ErrorCode::Unavailable, crowded))?);
        } else if identity.user_id != self.reader.identity.user_id {
            let message = "The token is another user's; open another connection for them";
            return Err(ErrorBody::new(ErrorCode::Forbidden, message));
        }
        let before = self.reader.rooms().cloned().collect();
        let topics = self
            .topics()
            .into_iter()
            .filter(|topic| topic.is_for(identity.role));
        let after = topics.flat_map(|topic| topic.rooms(&identity)).collect();
        self.become_identity(identity, &before, after);
        Ok(())
    }

    /// What is subscribed to.
    fn topics(&self) -> BTreeSet<Topic> {
        self.reader.rooms().filter_map(Topic::of).collect()
    }
}
