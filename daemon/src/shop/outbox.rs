//! Outbox messages: what commands will do at Shopify is netted, kept with its exact bytes, and sent until there is an
//! answer.
//!
//! The same bytes under the same key go out again after a lost answer or a crash, so Shopify does them once. A
//! new key is taken only after an answer that says nothing was done.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::LevelKey;
use domain::adjustment::{CallEntry, CallKind, StockCall};
use jiff::SignedDuration;
use schemas::record::Level;
use schemas::{Change, Clock, Entropy, ErrorBody, ErrorCode, RecordKey, ShopDomain};
use shopify::{
    Client, StockAnswer, StockChange, StockEntry, StockError, StockErrorKind, stock_body,
};
use store::{LevelRefusal, MessageOutcome, Operation, OutboxMessage, Store, StoreError};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::limits;
use crate::shop::identity::StoreIdentity;
use crate::spans;
use crate::supervisor::Heartbeat;
use crate::supervisor::stall::Stall;
use crate::wakeups::{Wakeup, Wakeups};

/// Brings one shop's commands to Shopify.
pub(crate) struct OutboxSender {
    /// The shop that is changed.
    pub(crate) shop: ShopDomain,
    /// Where adjustments wait and answers go.
    pub(crate) store: Arc<dyn Store>,
    /// Sends mutations to the shop's API.
    pub(crate) client: Arc<Client>,
    /// The clock; the only source of the present time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Keys.
    pub(crate) entropy: Arc<Entropy>,
    /// Whether the store is the one that the database is of.
    pub(crate) identity: Arc<StoreIdentity>,
    /// A command was given.
    pub(crate) command_given: Wakeup,
    /// By which other parts are woken.
    pub(crate) wakeups: Arc<Wakeups>,
    /// Whether the shop sells below zero.
    pub(crate) below_zero: bool,
    /// The level behind which the next turn begins to net; `None` begins with the first.
    pub(crate) netted_until: Option<LevelKey>,
    /// Whether Shopify was seen to do a part of a call that it refused.
    pub(crate) partly: Arc<AtomicBool>,
}

impl OutboxSender {
    /// Works until told to stop. What is under way then is sent again after the next start.
    pub(crate) async fn run(mut self, heartbeat: Heartbeat, stop: CancellationToken) {
        let mut sending: JoinSet<String> = JoinSet::new();
        let mut on_the_way: BTreeSet<String> = BTreeSet::new();
        let mut stall = Stall::of(format!("commands of {}", self.shop));
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.identity.is_confirmed() => {}
            }
            self.command_given.clear();
            let sent = heartbeat
                .work(self.send_all(&mut sending, &mut on_the_way))
                .await;
            stall.note(&sent);
            let pause = if sent.is_ok() {
                limits::OUTBOX_PAUSE
            } else {
                limits::STORE_PAUSE
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.command_given.received() => tokio::time::sleep(limits::OUTBOX_GATHER).await,
                Some(ended) = sending.join_next() => match ended {
                    Ok(id) => drop(on_the_way.remove(&id)),
                    // A message whose sender is gone would stay on its way for ever, so this task panics with it.
                    Err(error) => if let Ok(panic) = error.try_into_panic() {
                        std::panic::resume_unwind(panic);
                    },
                },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Sends what was begun before a crash, then what waits, as far as there are places.
    async fn send_all(
        &mut self,
        sending: &mut JoinSet<String>,
        on_the_way: &mut BTreeSet<String>,
    ) -> Result<(), StoreError> {
        for message in self.store.outbox_messages(&self.shop).await? {
            if on_the_way.insert(message.id.clone()) {
                let span = spans::outbox_message(&self.shop, &message.id);
                sending.spawn(self.message_sender().deliver(message).instrument(span));
            }
        }
        let at = self.clock.now();
        self.store
            .write(Operation::ExpireReservations {
                shop: self.shop.clone(),
                at,
            })
            .await?;
        if on_the_way.len() >= limits::OUTBOX_IN_FLIGHT_MAX {
            return Ok(());
        }
        // A turn that begins in the middle goes on from the start: something new may wait there.
        let mut rounds = 1 + usize::from(self.netted_until.is_some());
        while rounds > 0 {
            let net = Operation::Net {
                shop: self.shop.clone(),
                below_zero: self.below_zero,
                after: self.netted_until,
                at: self.clock.now(),
            };
            let netted = self.store.write(net).await?;
            // Kept for the next turn: where there are never enough places, each level still has its turn.
            self.netted_until = netted.next;
            for call in netted.calls {
                if on_the_way.len() >= limits::OUTBOX_IN_FLIGHT_MAX {
                    return Ok(());
                }
                if let Some(message) = self.begin(call).await? {
                    on_the_way.insert(message.id.clone());
                    let span = spans::outbox_message(&self.shop, &message.id);
                    sending.spawn(self.message_sender().deliver(message).instrument(span));
                }
            }
            rounds -= usize::from(self.netted_until.is_none());
        }
        Ok(())
    }

    /// Keeps a call before it is sent; `None` where one of its adjustments waits no longer.
    async fn begin(&self, call: StockCall) -> Result<Option<OutboxMessage>, StoreError> {
        let adjustments: Vec<i64> = call
            .entries
            .iter()
            .flat_map(|entry| entry.adjustments.clone())
            .collect();
        let (shop, begun) = (self.shop.clone(), self.clock.now());
        let Some(change) = stock_change(call.kind) else {
            return Ok(None);
        };
        let id = self.entropy.uuid().to_string();
        let entries: Vec<StockEntry> = call.entries.iter().map(stock_entry).collect();
        let (reference, ledger) = (
            format!("gid://stockd/Attempt/{id}"),
            format!("gid://stockd/Ledger/{shop}"),
        );
        let body = stock_body(change, &entries, &reference, &ledger, &id);
        let levels = call
            .entries
            .iter()
            .map(|entry| (entry.item, entry.location))
            .collect();
        let message = OutboxMessage {
            id,
            kind: call.kind,
            body,
            begun,
            levels,
        };
        let start = Operation::StartMessage {
            shop,
            message: Box::new(message.clone()),
            adjustments,
        };
        let started = self.store.write(start).await?;
        Ok(started.fresh.then_some(message))
    }

    fn message_sender(&self) -> MessageSender {
        MessageSender {
            shop: self.shop.clone(),
            store: Arc::clone(&self.store),
            client: Arc::clone(&self.client),
            clock: Arc::clone(&self.clock),
            wakeups: Arc::clone(&self.wakeups),
            below_zero: self.below_zero,
            partly: Arc::clone(&self.partly),
        }
    }
}

/// Takes one message to Shopify and its answer back.
struct MessageSender {
    shop: ShopDomain,
    store: Arc<dyn Store>,
    client: Arc<Client>,
    clock: Arc<dyn Clock>,
    wakeups: Arc<Wakeups>,
    below_zero: bool,
    partly: Arc<AtomicBool>,
}

/// What a line of the log calls an end.
fn outcome_name(end: &MessageOutcome) -> &'static str {
    match end {
        MessageOutcome::Compared { .. } => "compared",
        MessageOutcome::Done => "done",
        MessageOutcome::Partly(_) => "partly",
        MessageOutcome::Refused(_) => "refused",
        MessageOutcome::Unknown(_) => "unknown",
    }
}

impl MessageSender {
    async fn deliver(self, message: OutboxMessage) -> String {
        tracing::debug!(
            count = message.levels.len(),
            "Sending adjustments to Shopify"
        );
        let end = self.answer(&message).await;
        tracing::debug!(answer = outcome_name(&end), "Shopify answered");
        let id = message.id;
        let mut stall = Stall::of(format!("answers of {}", self.shop));
        loop {
            let settle = Operation::SettleMessage {
                shop: self.shop.clone(),
                id: id.clone(),
                end: end.clone(),
                at: self.clock.now(),
            };
            let settled = self.store.write(settle).await;
            stall.note(&settled);
            match settled {
                Ok(_) | Err(StoreError::Closed) => break,
                Err(_) => tokio::time::sleep(limits::STORE_PAUSE).await,
            }
        }
        self.wakeups.record_dirty.send();
        id
    }

    /// Sends the message's bytes until there is an answer, or until Shopify would no longer know them again.
    async fn answer(&self, message: &OutboxMessage) -> MessageOutcome {
        let unknown = |message: &str| {
            MessageOutcome::Unknown(ErrorBody::new(ErrorCode::Unavailable, message))
        };
        let Some(change) = stock_change(message.kind) else {
            return MessageOutcome::Done;
        };
        let mut pause = limits::RESEND_PAUSE_MIN;
        loop {
            let age = self.clock.now().duration_since(message.begun);
            if age > SignedDuration::from_hours(limits::RESEND_HOURS_MAX) {
                tracing::error!(shop.domain = %self.shop, outbox.id = message.id, levels = message.levels.len(), "Shopify's answer to a change of stock never came: compare these levels by hand");
                return unknown(
                    "Shopify's answer never came: whether it was done must be looked at by hand",
                );
            }
            match self.client.change_stock(change, &message.body).await {
                Ok(StockAnswer::Done) => return MessageOutcome::Done,
                Ok(StockAnswer::Partly(errors))
                    if errors.iter().all(|error| error.entry.is_some()) =>
                {
                    self.partly.store(true, Ordering::Relaxed);
                    return MessageOutcome::Partly(refusals(message, &errors, self.below_zero));
                }
                Ok(StockAnswer::Partly(_)) => {
                    return unknown("Shopify did a part of it and does not say which");
                }
                Ok(StockAnswer::Refused(errors))
                    if errors
                        .iter()
                        .any(|error| error.kind == StockErrorKind::PreviousFailed) =>
                {
                    if let Some(readings) = self.readings(message).await {
                        let whole = !self.partly.load(Ordering::Relaxed);
                        return MessageOutcome::Compared { readings, whole };
                    }
                }
                Ok(StockAnswer::Refused(errors)) => {
                    if !errors
                        .iter()
                        .any(|error| error.kind == StockErrorKind::InFlight)
                    {
                        return MessageOutcome::Refused(refusals(
                            message,
                            &errors,
                            self.below_zero,
                        ));
                    }
                }
                Err(shopify::Error::Refused { .. } | shopify::Error::TooExpensive(_)) => {
                    let text = "Shopify does not understand the change: stockd does not fit this API version";
                    let error = ErrorBody::new(ErrorCode::Internal, text);
                    let all = message
                        .levels
                        .iter()
                        .map(|level| (*level, LevelRefusal::Never(error.clone())));
                    return MessageOutcome::Refused(all.collect());
                }
                Err(error) => {
                    if pause == limits::RESEND_PAUSE_MIN {
                        tracing::warn!(shop.domain = %self.shop, outbox.id = message.id, %error, "Could not send adjustments to Shopify; sending the same again until it answers");
                    }
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(limits::RESEND_PAUSE_MAX);
        }
    }
}

impl MessageSender {
    /// The message's levels as they are now; `None` when Shopify does not answer that either.
    async fn readings(&self, message: &OutboxMessage) -> Option<Vec<Level>> {
        let keys: Vec<_> = message
            .levels
            .iter()
            .map(|(item, location)| (RecordKey::Level(*item, *location), None))
            .collect();
        let found = self.client.refresh(&keys).await.inspect_err(|error| {
            tracing::warn!(shop.domain = %self.shop, outbox.id = message.id, %error, "levels could not be compared yet");
        });
        let changes = found.ok()?.into_iter().flat_map(|(_, changes)| changes);
        Some(
            changes
                .filter_map(|change| {
                    if let Change::Level(level) = change {
                        Some(level)
                    } else {
                        None
                    }
                })
                .collect(),
        )
    }
}

fn stock_change(kind: CallKind) -> Option<StockChange> {
    Some(match kind {
        CallKind::Adjust => StockChange::Adjust,
        CallKind::Reserve => StockChange::Reserve,
        CallKind::Nothing => return None,
        CallKind::Release => StockChange::Release,
        CallKind::Sell => StockChange::Sell,
        CallKind::SetAvailable => StockChange::SetAvailable,
        CallKind::SetOnHand => StockChange::SetOnHand,
    })
}

fn stock_entry(entry: &CallEntry) -> StockEntry {
    StockEntry {
        inventory_item_id: entry.item,
        location_id: entry.location,
        quantity: entry.quantity,
        change_from: entry.change_from,
    }
}

/// What each error means for its level; one that names no entry is every level's.
fn refusals(
    message: &OutboxMessage,
    errors: &[StockError],
    below_zero: bool,
) -> Vec<(
    (schemas::InventoryItemId, schemas::LocationId),
    LevelRefusal,
)> {
    let never = |code, message: &str| LevelRefusal::Never(ErrorBody::new(code, message));
    let refusal = |error: &StockError| match error.kind {
        StockErrorKind::Stale => LevelRefusal::Stale,
        StockErrorKind::TooLow => match message.kind {
            CallKind::Adjust | CallKind::Reserve if !below_zero => LevelRefusal::Stale,
            CallKind::Release | CallKind::Sell => never(
                ErrorCode::Conflict,
                "Shopify has fewer reserved than this reservation: somebody undid it there",
            ),
            _ => never(
                ErrorCode::InsufficientStock,
                "Shopify has too little for it",
            ),
        },
        StockErrorKind::InFlight | StockErrorKind::PreviousFailed | StockErrorKind::Retry => {
            LevelRefusal::Again
        }
        StockErrorKind::Item => never(
            ErrorCode::Ineligible,
            "Shopify keeps no stock of this item: it is gone, or a bundle",
        ),
        StockErrorKind::Location => never(
            ErrorCode::Ineligible,
            "Shopify has no such location any more",
        ),
        StockErrorKind::TooHigh => never(
            ErrorCode::InvalidPayload,
            "Shopify does not store so high a quantity",
        ),
        StockErrorKind::KeyMismatch | StockErrorKind::Other => {
            never(ErrorCode::Internal, &error.message)
        }
    };
    errors
        .iter()
        .flat_map(|error| {
            let named = error
                .entry
                .and_then(|entry| message.levels.get(entry))
                .copied();
            let levels = named.map_or_else(|| message.levels.clone(), |level| vec![level]);
            levels.into_iter().map(move |level| (level, refusal(error)))
        })
        .collect()
}
