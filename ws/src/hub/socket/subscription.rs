//! The subscription options of clients of the omni contract: another token on the same socket,
//! going on from an earlier event, and receiving events in batches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use schemas::{ErrorBody, ErrorCode, Event, Identity};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::batch::EventBatch;
use super::{QueryAnswer, Socket};
use crate::connection::SendQueue;
use crate::contracts::Namespace;
use crate::contracts::omni::{self, Topic};
use crate::contracts::request::{Join, Since};
use crate::hub::Hub;
use crate::limits::{KEYS_PAUSE, SOURCE_DEADLINE};
use crate::protocol::socketio::ClientCall;
use crate::source::AuthError;

/// What one client has set.
#[derive(Debug, Default)]
pub(super) struct SubscriptionOptions {
    /// From where to go on in each namespace that is subscribed to later, as a preceding `auth`
    /// said.
    since: BTreeMap<Topic, Since>,
    /// For how long events of a namespace may be held back to be sent together.
    waits: BTreeMap<Topic, Duration>,
    batch: EventBatch,
}

impl SubscriptionOptions {
    /// Sends one of an event's frames, or adds it to the batch. A frame that may not wait sends the
    /// batch before it: so there is one order, and a client that goes on from the last id it saw
    /// has missed nothing.
    pub(super) fn send(&mut self, event: &Event, part: usize, frame: Bytes, out: &mut SendQueue) {
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
    /// Completes a join by the `since` that an earlier `auth` promised for its namespace, and
    /// remembers how long its events may wait.
    pub(super) fn apply_options(&mut self, join: Join) -> Join {
        let topic = join
            .rooms
            .first()
            .and_then(Topic::of)
            .filter(|_| self.namespace == Namespace::Omni);
        let Some(topic) = topic else { return join };
        let options = self.options.get_or_insert_default();
        let promised = options.since.remove(&topic);
        match join.wait {
            Some(wait) => options.waits.insert(topic, wait),
            None => options.waits.remove(&topic),
        };
        Join {
            since: join.since.or(promised),
            ..join
        }
    }

    /// How long the batch may wait; `None` when it is empty.
    pub(crate) fn batch_wait(&self) -> Option<Duration> {
        self.options
            .as_ref()
            .and_then(|options| options.batch.wait())
    }

    /// Sends what is in the batch.
    pub(crate) fn flush(&mut self, out: &mut SendQueue) {
        if let Some(options) = &mut self.options {
            out.extend(options.batch.take());
        }
    }

    /// Finds out whose the token is. While the keys of tokens are being fetched the answer is a
    /// query, and later requests wait for it.
    pub(super) fn query_identity(
        &mut self,
        call: ClientCall,
        token: String,
        since: Option<Since>,
        out: &mut SendQueue,
    ) {
        let identity = self.hub.identify(&token);
        if !matches!(identity, Err(AuthError::NotYet)) {
            return self.authenticate(call, identity, since, out);
        }
        let hub = Arc::clone(&self.hub);
        self.query = Some(Box::pin(async move {
            let identity =
                timeout(SOURCE_DEADLINE, identify_once_keys_are_here(&hub, &token)).await;
            let identity = identity.unwrap_or(Err(AuthError::NotYet));
            QueryAnswer::Identity(call, since, identity.map(Box::new))
        }));
    }

    /// Gives the socket the identity of the token. Missed events are sent at once in namespaces
    /// that are subscribed to, and in the others when they are.
    pub(super) fn authenticate(
        &mut self,
        call: ClientCall,
        identity: Result<Identity, AuthError>,
        since: Option<Since>,
        out: &mut SendQueue,
    ) {
        if let Err(error) = self.become_bearer(identity) {
            return self.refuse(&call, &error, out);
        }
        let topics = self.topics();
        if let Some(since) = since {
            let later = Topic::ALL
                .into_iter()
                .filter(|topic| !topics.contains(topic));
            self.options.get_or_insert_default().since =
                later.map(|topic| (topic, since)).collect();
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

    /// Takes the identity over: of the same user as before, or of any user where the client was a
    /// guest.
    fn become_bearer(&mut self, identity: Result<Identity, AuthError>) -> Result<(), ErrorBody> {
        let identity = identity.map_err(|error| {
            let code = if error == AuthError::NotYet {
                ErrorCode::Unavailable
            } else {
                ErrorCode::TokenInvalid
            };
            ErrorBody::new(code, error.to_string())
        })?;
        if self.registration.is_none() {
            let registration =
                self.hub
                    .registry
                    .register(&identity.user_id, None, self.signal.waker());
            let crowded = "You have too many connections; close one and try again";
            self.registration =
                Some(registration.map_err(|_| ErrorBody::new(ErrorCode::Unavailable, crowded))?);
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

    /// The namespaces that are subscribed to.
    fn topics(&self) -> BTreeSet<Topic> {
        self.reader.rooms().filter_map(Topic::of).collect()
    }
}

/// Tries the token again until the keys that verify it were fetched.
async fn identify_once_keys_are_here(hub: &Hub, token: &str) -> Result<Identity, AuthError> {
    loop {
        // The fetch runs elsewhere and reports to nobody; a look twice a second costs nothing.
        sleep(KEYS_PAUSE).await;
        match hub.identify(token) {
            Err(AuthError::NotYet) => {}
            identity => return identity,
        }
    }
}
