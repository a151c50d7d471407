//! What other programs say, by whichever door it comes: into the log once, and told. It never touches the mirror.

use std::sync::Arc;

use schemas::{Clock, Event, Offset, ShopDomain};
use sha2::{Digest as _, Sha256};
use store::{Operation, Post, PostKey, Store, StoreError};
use ws::Hub;

/// The one way in for what other programs say.
pub(crate) struct PostIntake {
    /// Where it is kept.
    pub(crate) store: Arc<dyn Store>,
    /// Who is told what is not kept.
    pub(crate) hub: Arc<Hub>,
    /// The clock; the only source of the present time.
    pub(crate) clock: Arc<dyn Clock>,
}

/// Something another program says.
#[derive(Debug)]
pub(crate) struct PostedEvent {
    /// The shop whose clients are told.
    pub(crate) shop: ShopDomain,
    /// The event that clients are told.
    pub(crate) event: Event,
    /// By what a repetition is known again.
    pub(crate) key: Option<RepeatKey>,
}

/// By what a repetition is known again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RepeatKey {
    hash: PostKey,
    may_repeat: bool,
}

/// What became of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PostReceipt {
    /// Where it is in the log; nowhere, when it is worth nothing a second later.
    pub(crate) place: Option<Offset>,
    /// Whether it was told before.
    pub(crate) repeated: bool,
}

impl RepeatKey {
    /// Whatever has this name in this space is one and the same.
    pub(crate) fn name(space: &str, name: &str) -> Self {
        Self {
            hash: hash(&[space.as_bytes(), name.as_bytes()]),
            may_repeat: true,
        }
    }

    /// Of what has no name: all of it. Only what may be a repetition is compared with what was.
    pub(crate) fn content(space: &str, content: &[u8], may_repeat: bool) -> Self {
        Self {
            hash: hash(&[space.as_bytes(), content]),
            may_repeat,
        }
    }
}

impl PostIntake {
    /// Tells it, unless it was told before; when this answers, it is on disk.
    pub(crate) async fn tell(&self, statement: PostedEvent) -> Result<PostReceipt, StoreError> {
        let PostedEvent { shop, event, key } = statement;
        let event = match event {
            Event::Logged(event) => event,
            Event::Ephemeral(event) => {
                self.hub.publish_ephemeral(&shop, &event);
                return Ok(PostReceipt {
                    place: None,
                    repeated: false,
                });
            }
        };
        let may_repeat = key.is_some_and(|key| key.may_repeat);
        let post = Post {
            shop,
            event,
            key: key.map(|key| key.hash),
            may_repeat,
            at: self.clock.now(),
        };
        let outcome = self.store.write(Operation::Post(Box::new(post))).await?;
        let epoch = self.store.epoch();
        let place = outcome.place.map(|sequence| Offset { epoch, sequence });
        Ok(PostReceipt {
            place,
            repeated: !outcome.fresh,
        })
    }
}

/// Each part with its length before it, so that no two lists of parts run together.
fn hash(parts: &[&[u8]]) -> PostKey {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    PostKey(hash.finalize().into())
}
