//! Commands: the one way for all doors, from what a client sent to the answer.
//!
//! What is answered is durable. Shopify hears of it later, from `outbox`; only in a strict shop does the answer
//! wait for that.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use schemas::command::CommandKind;
use schemas::shape::CommandState;
use schemas::{Clock, Command, Entropy, ErrorBody, ErrorCode, Identity, LocationId, ShopDomain};
use serde::Deserialize as _;
use serde_json::{Value, json};
use store::{By, CommandFilter, Given, Operation, Policy, ReservationFilter, Store, StoreError};
use tokio::time::{sleep, timeout};
use tracing::Instrument as _;

use crate::limits;
use crate::shop::names;
use crate::spans;
use crate::wakeups::Wakeups;

/// Carries commands out.
pub(crate) struct Commands {
    /// Where they become true.
    pub(crate) store: Arc<dyn Store>,
    /// The clock; the only source of the present time.
    pub(crate) clock: Arc<dyn Clock>,
    /// Their ids.
    pub(crate) entropy: Arc<Entropy>,
    /// What each shop allows.
    pub(crate) shops: BTreeMap<ShopDomain, ShopPolicy>,
    /// By which the outbox senders are woken.
    pub(crate) wakeups: Arc<Wakeups>,
}

/// What a shop allows, and when its commands are answered.
#[derive(Debug, Clone)]
pub(crate) struct ShopPolicy {
    /// What decides inside the transaction.
    pub(crate) policy: Policy,
    /// Whether an answer waits for Shopify's.
    pub(crate) strict: bool,
}

#[async_trait]
impl ws::CommandHandler for Commands {
    async fn run(
        &self,
        by: &Identity,
        shop: Option<&str>,
        kind: CommandKind,
        payload: Value,
    ) -> Result<Value, ErrorBody> {
        let shop = self.shop(by, shop)?;
        let answer = self.give(by, &shop, kind, &payload).await?;
        if self.shops.get(&shop).is_some_and(|shop| shop.strict) {
            return self.settled(&shop, answer).await;
        }
        Ok(answer)
    }
}

impl Commands {
    /// The shop of that name, or the only one there is for them, if they may give commands at all.
    pub(crate) fn shop(&self, by: &Identity, named: Option<&str>) -> Result<ShopDomain, ErrorBody> {
        by.role.check_gives_commands()?;
        let ours: Vec<ShopDomain> = self.shops.keys().cloned().collect();
        names::shop(by, named, &ours)
    }

    /// Reads a command and carries it out here; Shopify is not waited for.
    pub(crate) async fn give(
        &self,
        by: &Identity,
        shop: &ShopDomain,
        kind: CommandKind,
        payload: &Value,
    ) -> Result<Value, ErrorBody> {
        let command = Command::read(kind, payload)?;
        let Some(ShopPolicy { policy, .. }) = self.shops.get(shop) else {
            return Err(ErrorBody::new(
                ErrorCode::NotFound,
                format!("there is no shop {shop}"),
            ));
        };
        let at = self.clock.now();
        let id = self.entropy.uuid_at(at).to_string();
        let span = spans::command(shop, &id, kind);
        let given = Given {
            shop: shop.clone(),
            at,
            id,
            by: By {
                user: by.user_id.clone(),
                role: by.role,
                locations: by.limiting_locations().map(<[LocationId]>::to_vec),
            },
            command,
            policy: policy.clone(),
        };
        let command = Operation::Command(Box::new(given));
        let outcome = self.store.write(command).instrument(span.clone()).await;
        let _entered = span.entered();
        let answer = outcome.map_err(|failure| unavailable(&failure))?.answer;
        // Also after a refusal: reservations that had run out were given back with it.
        self.wakeups.command_given.send();
        let answer = answer.unwrap_or_else(|| {
            let message = "the store gave no answer";
            Err(ErrorBody::new(ErrorCode::Internal, message))
        });
        match &answer {
            Ok(_) => tracing::debug!("Accepted a command"),
            Err(refusal) => tracing::debug!(code = ?refusal.code, "Refused a command"),
        }
        answer
    }

    /// The answer as it is once Shopify has done it, or why Shopify did not. As it was, when that cannot be told
    /// within [`limits::STRICT_WAIT_MAX`]: accepted it is all the same.
    async fn settled(&self, shop: &ShopDomain, mut answer: Value) -> Result<Value, ErrorBody> {
        // An extend asks nothing of Shopify and has no id.
        let Some(id) = answer["commandId"].as_str() else {
            return Ok(answer);
        };
        let settlement = timeout(limits::STRICT_WAIT_MAX, self.settlement(shop, id)).await;
        let Ok(Some(Settlement { state, error })) = settlement else {
            return Ok(answer);
        };
        if matches!(state, CommandState::Failed | CommandState::Conflict) {
            let unsaid = || ErrorBody::new(ErrorCode::Conflict, "Shopify did not carry it out");
            return Err(error.unwrap_or_else(unsaid));
        }
        let Some(reservation) = answer["reservationId"].as_str().map(str::to_owned) else {
            answer["state"] = json!(state);
            return Ok(answer);
        };
        // A reserve is answered with the state of its reservation.
        if let Ok(found) = self
            .store
            .reservations(shop, ReservationFilter::one(reservation))
            .await
            && let Some(reservation) = found.first()
        {
            answer["state"] = json!(reservation.state);
        }
        Ok(answer)
    }

    /// Waits until a command's state is final; `None` when the store ends or fails before.
    async fn settlement(&self, shop: &ShopDomain, id: &str) -> Option<Settlement> {
        let mut committed = self.store.committed();
        let filter = CommandFilter {
            id: Some(id.to_owned()),
            limit: 1,
            ..CommandFilter::default()
        };
        loop {
            committed.mark_unchanged();
            let found = self.store.commands(shop, filter.clone()).await.ok()?;
            if let Some(settlement) = found.first().and_then(Settlement::read) {
                return Some(settlement);
            }
            // Of all that is committed little concerns this command.
            sleep(limits::STRICT_CHECK_PAUSE).await;
            committed.changed().await.ok()?;
        }
    }
}

/// How a command ended.
struct Settlement {
    state: CommandState,
    error: Option<ErrorBody>,
}

impl Settlement {
    /// `None` while it has not.
    fn read(command: &Value) -> Option<Self> {
        let state = CommandState::deserialize(command.get("state")?).ok()?;
        let error = command
            .get("error")
            .and_then(|error| ErrorBody::deserialize(error).ok());
        (!matches!(state, CommandState::Accepted | CommandState::Sending))
            .then_some(Self { state, error })
    }
}

fn unavailable(failure: &StoreError) -> ErrorBody {
    tracing::error!(error = %failure, "Could not store a command");
    ErrorBody::new(
        ErrorCode::Unavailable,
        "the store does not answer; try again",
    )
}

#[cfg(test)]
mod tests;
