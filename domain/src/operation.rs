//! What can be decided, as data: it can be queued, batched, replayed and sent elsewhere.

use std::ops::Range;

use schemas::{
    Change, ErrorBody, Logged, RecordKey, Resource, RunId, RunState, Sequence, ShopDomain, SyncRun,
    Timestamp, UserId, WebhookId,
};

use crate::Thresholds;
use crate::adjustment::StockCall;
use crate::command::Given;
use crate::key::LevelKey;
use crate::outbox::{MessageOutcome, OutboxMessage};
use crate::people::PeopleWrite;
use crate::position::Position;
use crate::working_set::{Decided, Undecided};

/// Characters of a webhook's id that are kept where it is told apart by its signature. Shopify's own are UUIDs.
const WEBHOOK_ID_CHARS_KEPT: usize = 64;

/// One unit of writing: it happens whole or not at all.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Keep a delivery until it is applied. `fresh` is false when it was here before.
    Accept(Delivery),
    /// Tell people something.
    Announce {
        /// The shop whose log it enters.
        shop: ShopDomain,
        /// The event that is appended.
        event: Box<Logged>,
        /// The event's time, by the daemon's clock.
        at: Timestamp,
    },
    /// Change the mirror and append what follows to the log. `fresh` is false when its cause was settled before.
    Apply(Batch),
    /// Carry a command out; the outcome's `answer` says how it went.
    Command(Box<Given>),
    /// Keep a delivery and apply its changes, in one. `fresh` is false when it was here before; then nothing is applied.
    Deliver(Box<Arrival>),
    /// Give back the reservations that have run out. `changed` says how many.
    ExpireReservations {
        /// The shop whose reservations are looked at.
        shop: ShopDomain,
        /// Reservations that expire at or before it are given back.
        at: Timestamp,
    },
    /// End a run, whatever state it is in. `fresh` is false when it was over.
    FinishRun {
        /// The shop that was synchronised.
        shop: ShopDomain,
        /// The run that is over.
        run: RunId,
        /// Completed, failed or cancelled.
        state: RunState,
        /// Why it failed.
        error: Option<String>,
        /// When it ended, for its record and its event.
        at: Timestamp,
    },
    /// Forget everything of a shop, as if it had never been mirrored; deliveries that wait are kept.
    Forget {
        /// The shop whose records and log are emptied.
        shop: ShopDomain,
    },
    /// Go on with what is done to the whole shop in slices: customers and names to be forgotten, levels to be judged anew.
    GoOn {
        /// The shop in which something may be under way.
        shop: ShopDomain,
        /// When its levels are told, where there are any to tell.
        at: Timestamp,
    },
    /// Keep Shopify's id of a shop from the first contact on. `fresh` is false when another one is kept.
    KeepIdentity {
        /// The shop that said its id.
        shop: ShopDomain,
        /// As Shopify says it.
        id: String,
    },
    /// Keep customers' names in a shop, or forget those that were kept, in the log too. `fresh` is false when that was
    /// so already.
    KeepNames {
        /// The shop whose setting it is.
        shop: ShopDomain,
        /// Whether they are wanted.
        wanted: bool,
    },
    /// Keep or forget users, logins and links, all of them or none.
    KeepPeople(Vec<PeopleWrite>),
    /// Keep how far a reader outside is, in place of what was kept.
    KeepPosition {
        /// The reader's name, such as an alert channel's.
        reader: String,
        /// How far.
        position: Position,
    },
    /// Keep the rooms of a session under its id, in place of what was kept there. The oldest records make room where
    /// there are more than the quota allows, those of the same owner first. BatchWrites behind what others wait for.
    KeepSession {
        /// Of which session.
        id: String,
        /// Whose it is: a code of the user.
        owner: String,
        /// How much there may be.
        quota: SessionQuota,
        /// What is to be found again, in the words of who keeps it.
        rooms: String,
        /// When it is kept; older sessions make room first.
        at: Timestamp,
    },
    /// Net what waits for Shopify at some levels, in the order of items and locations. Takes back what has no stock left,
    /// settles what cancels out; the outcome's `calls` say what is to be sent, and `next` where more may wait.
    Net {
        /// The shop whose commands they belong to.
        shop: ShopDomain,
        /// Whether the shop sells below zero.
        below_zero: bool,
        /// The level behind which it begins; `None` begins with the first.
        after: Option<LevelKey>,
        /// When what is taken back or cancels out is told.
        at: Timestamp,
    },
    /// Give everything that is on its way to Shopify to a person to look at: after a restored backup nobody can
    /// tell what was done of it.
    Park {
        /// The shop whose messages are unanswered.
        shop: ShopDomain,
        /// When its commands count as unknown.
        at: Timestamp,
    },
    /// Tell what another program says, once for each key. `fresh` is false when it was told before.
    Post(Box<Post>),
    /// Forget what is older than its keeping time.
    Prune(Retention),
    /// Make a shop known, or its thresholds; changed thresholds are judged anew.
    Register {
        /// The shop that is known from now on.
        shop: ShopDomain,
        /// At or below which its levels are low.
        thresholds: Thresholds,
        /// When it became known, or its levels are judged.
        at: Timestamp,
    },
    /// Take tokens no longer. `fresh` is false when that was so already, for as long.
    Revoke(Revocation),
    /// Settle a message. `fresh` is false when it was settled before.
    SettleMessage {
        /// The shop that answered.
        shop: ShopDomain,
        /// The id of the outbox message, its idempotency key.
        id: String,
        /// What Shopify answered, level by level.
        end: MessageOutcome,
        /// When the answer came.
        at: Timestamp,
    },
    /// Take adjustments into a message, which may then be sent.
    StartMessage {
        /// The shop that the message changes.
        shop: ShopDomain,
        /// What is sent.
        message: Box<OutboxMessage>,
        /// What it brings.
        adjustments: Vec<i64>,
    },
    /// Begin a run. `fresh` is false when one of its resource is under way.
    StartRun(RunRecord),
}

/// What came of an operation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outcome {
    /// What is told to who gave a command.
    pub answer: Option<Result<serde_json::Value, ErrorBody>>,
    /// Whether it did anything; see each [`Operation`].
    pub fresh: bool,
    /// Whether it is done in slices and goes on: the writer asks for [`Operation::rest`] before it answers.
    pub more: bool,
    /// Records that were not yet so in the mirror.
    pub changed: u64,
    /// Records that are gone.
    pub deleted: u64,
    /// Records whose time was too far ahead of ours to be true. They count as of our time, and are read.
    pub ahead: u64,
    /// Where in the log that is which was posted, now or before.
    pub place: Option<Sequence>,
    /// Numbers of the entries that it appended to the log, the last one left out. Where it is done in slices,
    /// those of the first slice that appended any.
    pub appended: Range<u64>,
    /// Calls that bring to Shopify what was netted.
    pub calls: Vec<StockCall>,
    /// The level behind which more may wait to be netted; `None` when all were looked at.
    pub next: Option<LevelKey>,
}

impl Outcome {
    /// The outcome of an operation that is done in slices, after what came of those before this one.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        Self {
            fresh: self.fresh || before.fresh,
            changed: self.changed + before.changed,
            deleted: self.deleted + before.deleted,
            ahead: self.ahead + before.ahead,
            appended: if before.appended.is_empty() {
                self.appended
            } else {
                before.appended.clone()
            },
            ..self
        }
    }
}

/// How much of sessions is kept. Bytes are those of the records' texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionQuota {
    /// Records of one owner.
    pub owner_records: u64,
    /// Bytes of one owner.
    pub owner_bytes: u64,
    /// Records in all.
    pub records: u64,
    /// Bytes in all.
    pub bytes: u64,
}

/// What is known of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptSession {
    /// What was kept of it last.
    pub rooms: Option<String>,
    /// Records written up to here may have made room for others; `None` when none has. A session that began later
    /// and has no record never had one.
    pub evicted_at: Option<Timestamp>,
}

/// Something that another program says.
#[derive(Debug, Clone)]
pub struct Post {
    /// The shop whose log it enters.
    pub shop: ShopDomain,
    /// The event that is appended.
    pub event: Logged,
    /// By what a repetition is known again.
    pub key: Option<PostKey>,
    /// Whether this may be a repetition. Of two things that are told for the first time both are told, though they
    /// may be alike; their key is only remembered.
    pub may_repeat: bool,
    /// When the event was posted, by our clock.
    pub at: Timestamp,
}

/// By what a repetition of something that was posted is known again, within its shop: a hash of whatever names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PostKey(pub [u8; 32]);

/// A webhook's delivery as it arrived, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// From whom.
    pub shop: ShopDomain,
    /// The same on every retry.
    pub webhook_id: WebhookId,
    /// What the body was signed with. Headers are not signed: only the same id with the same signature is a retry.
    pub signature: Vec<u8>,
    /// For instance `orders/create`.
    pub topic: String,
    /// When it happened, as the unsigned header says.
    pub triggered_at: Option<Timestamp>,
    /// When it arrived.
    pub received_at: Timestamp,
    /// The raw bytes that were signed.
    pub body: Vec<u8>,
}

impl Delivery {
    /// The same delivery under an id of its own, for where another body has taken its id.
    pub(crate) fn under_its_signature(&self) -> Decided<Self> {
        let id = self.webhook_id.as_str();
        let start = self
            .signature
            .iter()
            .take(8)
            .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        let id: String = id
            .chars()
            .take(WEBHOOK_ID_CHARS_KEPT)
            .chain(['.'])
            .chain(start.chars())
            .collect();
        let webhook_id = id
            .parse()
            .map_err(|error| Undecided::Unspeakable(format!("{error}")))?;
        Ok(Self {
            webhook_id,
            ..self.clone()
        })
    }
}

/// A delivery with everything that it says, so that it never has to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// As it arrived; with its body only where that is to be kept because it is unreadable.
    pub delivery: Delivery,
    /// What becomes of it. What of an unreadable one is to be read again comes with it.
    pub fate: Fate,
    /// Whether another shop's webhooks are signed with the same secret; see [`Cause::Webhook`].
    pub shared_secret: bool,
    /// The changes that it brings.
    pub changes: Vec<Change>,
}

/// Changes with one cause.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The shop whose records change.
    pub shop: ShopDomain,
    /// When, by our clock.
    pub at: Timestamp,
    /// What brought them; settled in the same transaction.
    pub cause: Cause,
    /// What is said.
    pub changes: Vec<Change>,
}

/// What brought changes.
#[derive(Debug, Clone)]
pub enum Cause {
    /// A reading of records that were marked; each with the mark it had when the reading began.
    Read(Vec<(RecordKey, Mark)>),
    /// A page of a run.
    Run {
        /// The run that found the changes.
        run: RunId,
        /// How far it is with this page.
        progress: Progress,
    },
    /// A delivery.
    Webhook {
        /// The webhook's id at Shopify.
        id: WebhookId,
        /// What becomes of it. What of an unreadable one is to be read again comes with it.
        fate: Fate,
        /// Whether another shop's webhooks are signed with the same secret. The shop is in an unsigned header, so the
        /// body may be another shop's: a record that is not held is then read and not added.
        shared_secret: bool,
    },
}

/// What becomes of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Its changes are in the mirror; the body is forgotten.
    Applied,
    /// A topic that is not stored; the body is forgotten.
    Ignored,
    /// Signed but not to be understood; the body is kept for a person to look at.
    Unreadable(String),
}

/// A mark says "read this record again". A record marked anew has a new mark, so that a reading begun before
/// cannot wipe it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub i64);

/// How far a run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Records looked at.
    pub processed: u64,
    /// Records to look at, as far as known.
    pub total: Option<u64>,
    /// Objects that Shopify has written so far, while it writes.
    pub bulk_objects: Option<u64>,
    /// Where to go on after a crash; the run's own notes.
    pub resume: String,
    /// The end of the window it looks at, by Shopify's time.
    pub until: Option<Timestamp>,
}

/// A run with what it needs to go on after a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// The shop that is synchronised.
    pub shop: ShopDomain,
    /// As clients see it.
    pub run: SyncRun,
    /// Whether it brings this resource for the first time: then its records are not told one by one.
    pub first: bool,
    /// The start of the window it looks at, by Shopify's time; `None` looks at everything.
    pub since: Option<Timestamp>,
    /// The end of the window, once known.
    pub until: Option<Timestamp>,
    /// Where to go on after a crash; empty at the beginning.
    pub resume: String,
}

impl RunRecord {
    /// What it brings over.
    pub fn resource(&self) -> Resource {
        self.run.resource
    }
}

/// A resource's last runs; each `None` when there was none such.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastRuns {
    /// The last one of any kind, in any state.
    pub any: Option<RunRecord>,
    /// The last one that was completed and was no dry run.
    pub completed: Option<RunRecord>,
    /// The last full one that was no dry run, in any state.
    pub full_begun: Option<RunRecord>,
    /// The last full one that was completed and was no dry run.
    pub full_completed: Option<RunRecord>,
}

/// What is older than these, by our clock, may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Settled deliveries, the keys of what was posted, and what was told last of a transfer: until then a repeated one is
    /// recognised.
    pub deliveries_before: Timestamp,
    /// The log.
    pub log_before: Timestamp,
    /// Runs that are over, commands that are settled, reservations that have ended.
    pub runs_before: Timestamp,
    /// Revocations whose tokens have all run out by then.
    pub revoked_until: Timestamp,
    /// Sessions whose rooms were not written since.
    pub sessions_before: Timestamp,
    /// Bodies that could not be read.
    pub unreadable_before: Timestamp,
}

/// Tokens that are no longer taken, though they have not run out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// The token or the user to refuse.
    pub of: Revoked,
    /// When that was said. A user's tokens that were issued later are taken.
    pub at: Timestamp,
    /// When the last of them would have run out; then this may be forgotten.
    pub until: Timestamp,
}

/// Which tokens are revoked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revoked {
    /// The one of that `jti`.
    Token(String),
    /// All of that user's.
    User(UserId),
}

impl Revoked {
    /// The kind and the id it is kept under.
    pub fn key(&self) -> (&'static str, &str) {
        match self {
            Self::Token(id) => ("token", id),
            Self::User(id) => ("user", id.as_str()),
        }
    }
}
