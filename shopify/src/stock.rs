//! Changing quantities: the bytes of a call, written once and sent until there is an answer, and that answer.
//!
//! Mutations `inventorySetQuantities`, `inventoryAdjustQuantities` and `inventoryMoveQuantities`
//! (<https://shopify.dev/docs/api/admin-graphql>, API 2026-10). Shopify remembers a key for 24 h together with the
//! inputs it came with, down to their order (<https://shopify.dev/docs/api/usage/idempotent-requests>): hence bytes.

use schemas::{InventoryItemId, LocationId, QuantityName};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::client::{Client, shortened};
use crate::document::{self, Document};
use crate::error::Error;
use crate::pace::Priority;

/// Entries of one call; Shopify refuses the whole call when there are more.
pub const STOCK_ENTRIES_MAX: usize = 250;

/// What one call does to all its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StockChange {
    /// Sets `available`; `on_hand` moves by as much. Reason `correction`.
    SetAvailable,
    /// Sets `on_hand`, as a shelf count does; `available` moves by as much. Reason `cycle_count_available`.
    SetOnHand,
    /// Changes `available`, and `on_hand` by as much. Reason `correction`.
    Adjust,
    /// Moves from `available` to `reserved`. Reason `reservation_created`.
    Reserve,
    /// Moves from `reserved` to `available`. Reason `reservation_deleted`.
    Release,
    /// Takes out of `reserved`, and out of `on_hand`: held units were sold past Shopify. Reason `other`, because
    /// Shopify knows none for a sale.
    Sell,
}

/// What happens to one item at one location.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StockEntry {
    /// The item whose quantity changes.
    pub inventory_item_id: InventoryItemId,
    /// The location at which it changes.
    pub location_id: LocationId,
    /// The target when setting, the difference when adjusting, otherwise how many units, from 1 on.
    pub quantity: i64,
    /// Shopify refuses unless this much is there now: of the quantity that is set or adjusted, or moved from.
    /// `None` skips the check.
    pub change_from: Option<i64>,
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum StockAnswer {
    /// Everything is as wanted, now or since before.
    Done,
    /// There are errors, and yet something was changed: what no error names. That Shopify does this is neither
    /// documented nor ruled out. If an error names no entry, read the levels.
    Partly(Vec<StockError>),
    /// This call changed nothing.
    Refused(Vec<StockError>),
}

/// Why an entry, or a whole call, was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StockError {
    /// Which entry of the call, counted from 0; `None` when it is about all of them.
    pub entry: Option<usize>,
    /// What to do about it.
    pub kind: StockErrorKind,
    /// Shopify's own words, shortened.
    pub message: String,
}

/// What to do about an error. "New" means a new key: the old one has had its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StockErrorKind {
    /// The quantity is not `change_from`: read the level, decide again, send anew.
    Stale,
    /// The same call is being carried out: the same bytes again, later.
    InFlight,
    /// The key was used for other bytes, which is our fault: read the levels.
    KeyMismatch,
    /// The call failed when it was first sent, and that answer was lost, with it why and whether a part was done:
    /// read the levels, then anew.
    PreviousFailed,
    /// There is no such item, or it is a bundle and has no stock of its own: never.
    Item,
    /// There is no such location: never.
    Location,
    /// Shopify could not do it right now: anew, later.
    Retry,
    /// The quantity would be, or is, too low. Which of the codes a move gets that takes more than there is, or
    /// whether it gets any, is not documented.
    TooLow,
    /// The quantity would be, or is, too high: never.
    TooHigh,
    /// Our fault, or a code that is new: never.
    Other,
}

/// The body of a call: the same for the same arguments, byte by byte.
///
/// `entries` has at most [`STOCK_ENTRIES_MAX`], each item and location once: Shopify refuses the whole call
/// otherwise. There is no reason to choose, because a call has one and its entries come from many people.
/// `reference` is the URI of what caused the change, as the shop's owner sees it in the history of their stock:
/// `gid://<app>/<kind>/<id>`. `ledger` is the URI of the one document that all of a shop's reservations are booked on,
/// never `gid://shopify/…`. `key` makes the change happen once, however often these bytes are sent within 24 h.
pub fn stock_body(
    change: StockChange,
    entries: &[StockEntry],
    reference: &str,
    ledger: &str,
    key: &str,
) -> String {
    let rows = entries
        .iter()
        .map(|entry| change.row(entry, ledger))
        .collect();
    let list = match change {
        StockChange::SetAvailable | StockChange::SetOnHand => ChangeList::Quantities(rows),
        _ => ChangeList::Changes(rows),
    };
    let input = StockInput {
        name: change.name(),
        reason: change.reason(),
        reference_document_uri: reference,
        list,
    };
    change.document().body(false, StockVariables { input, key })
}

impl Client {
    /// Sends a body that [`stock_body`] wrote for `change`, those very bytes however often it takes.
    ///
    /// # Errors
    /// When there is no answer; see [`Error`]. Whatever it says, the change may have been made, because an earlier
    /// try may have arrived: send the same bytes again within 24 h, or read the levels.
    pub async fn change_stock(
        &self,
        change: StockChange,
        body: &str,
    ) -> Result<StockAnswer, Error> {
        let body = body.to_owned().into();
        let answer = self
            .send::<Data>(change.document(), 0, body, Priority::Command)
            .await?;
        let StockPayload {
            inventory_adjustment_group,
            user_errors,
        } = answer.data.change;
        let errors: Vec<_> = user_errors.into_iter().map(StockError::from).collect();
        Ok(match (errors.is_empty(), inventory_adjustment_group) {
            // Without a group, too: nothing had to be changed.
            (true, _) => StockAnswer::Done,
            (false, Some(_)) => StockAnswer::Partly(errors),
            (false, None) => StockAnswer::Refused(errors),
        })
    }
}

#[derive(Serialize)]
struct StockVariables<'a> {
    input: StockInput<'a>,
    key: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StockInput<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<QuantityName>,
    reason: &'static str,
    reference_document_uri: &'a str,
    #[serde(flatten)]
    list: ChangeList<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum ChangeList<'a> {
    Quantities(Vec<ChangeRow<'a>>),
    Changes(Vec<ChangeRow<'a>>),
}

/// An entry. `changeFromQuantity` may be `null` and must not be missing.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum ChangeRow<'a> {
    Set {
        inventory_item_id: String,
        location_id: String,
        quantity: i64,
        change_from_quantity: Option<i64>,
    },
    Adjust {
        inventory_item_id: String,
        location_id: String,
        delta: i64,
        change_from_quantity: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        ledger_document_uri: Option<&'a str>,
    },
    Move {
        inventory_item_id: String,
        quantity: i64,
        from: QuantityEnd<'a>,
        to: QuantityEnd<'a>,
    },
}

/// An end of a move. Both are at the same location: Shopify takes no other.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QuantityEnd<'a> {
    location_id: String,
    name: QuantityName,
    change_from_quantity: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ledger_document_uri: Option<&'a str>,
}

impl StockChange {
    fn document(self) -> &'static Document {
        match self {
            Self::SetAvailable | Self::SetOnHand => &document::STOCK_SET,
            Self::Adjust | Self::Sell => &document::STOCK_ADJUST,
            Self::Reserve | Self::Release => &document::STOCK_MOVE,
        }
    }

    /// Which quantity; a move names one at each end.
    fn name(self) -> Option<QuantityName> {
        match self {
            Self::SetAvailable | Self::Adjust => Some(QuantityName::Available),
            Self::SetOnHand => Some(QuantityName::OnHand),
            Self::Sell => Some(QuantityName::Reserved),
            Self::Reserve | Self::Release => None,
        }
    }

    fn reason(self) -> &'static str {
        match self {
            Self::SetAvailable | Self::Adjust => "correction",
            Self::SetOnHand => "cycle_count_available",
            Self::Reserve => "reservation_created",
            Self::Release => "reservation_deleted",
            Self::Sell => "other",
        }
    }

    fn row<'a>(self, entry: &StockEntry, ledger: &'a str) -> ChangeRow<'a> {
        let StockEntry {
            quantity,
            change_from: change_from_quantity,
            ..
        } = *entry;
        let (inventory_item_id, location_id) =
            (entry.inventory_item_id.gid(), entry.location_id.gid());
        let end = |name, change_from_quantity, ledger_document_uri| QuantityEnd {
            location_id: location_id.clone(),
            name,
            change_from_quantity,
            ledger_document_uri,
        };
        // Shopify wants a ledger document with `reserved` and none with `available`.
        let available = |change_from| end(QuantityName::Available, change_from, None);
        let reserved = |change_from| end(QuantityName::Reserved, change_from, Some(ledger));
        match self {
            Self::SetAvailable | Self::SetOnHand => ChangeRow::Set {
                inventory_item_id,
                location_id,
                quantity,
                change_from_quantity,
            },
            Self::Adjust => ChangeRow::Adjust {
                inventory_item_id,
                location_id,
                delta: quantity,
                change_from_quantity,
                ledger_document_uri: None,
            },
            Self::Sell => ChangeRow::Adjust {
                inventory_item_id,
                location_id,
                delta: quantity.saturating_neg(),
                change_from_quantity,
                ledger_document_uri: Some(ledger),
            },
            Self::Reserve => {
                let (from, to) = (available(change_from_quantity), reserved(None));
                ChangeRow::Move {
                    inventory_item_id,
                    quantity,
                    from,
                    to,
                }
            }
            Self::Release => {
                let (from, to) = (reserved(change_from_quantity), available(None));
                ChangeRow::Move {
                    inventory_item_id,
                    quantity,
                    from,
                    to,
                }
            }
        }
    }
}

#[derive(Deserialize)]
struct Data {
    change: StockPayload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StockPayload {
    inventory_adjustment_group: Option<IgnoredAny>,
    user_errors: Vec<StockUserError>,
}

#[derive(Deserialize)]
struct StockUserError {
    /// Where in the variables: `["input", "changes", "0", "from", "changeFromQuantity"]`.
    field: Option<Vec<String>>,
    message: String,
    code: Option<String>,
}

impl From<StockUserError> for StockError {
    fn from(error: StockUserError) -> Self {
        Self {
            entry: error
                .field
                .iter()
                .flatten()
                .find_map(|step| step.parse().ok()),
            kind: StockErrorKind::of(error.code.as_deref().unwrap_or_default()),
            message: shortened(&error.message),
        }
    }
}

impl StockErrorKind {
    /// By the codes of `Inventory…QuantitiesUserErrorCode`.
    fn of(code: &str) -> Self {
        match code {
            "CHANGE_FROM_QUANTITY_STALE" | "COMPARE_QUANTITY_STALE" => Self::Stale,
            "IDEMPOTENCY_CONCURRENT_REQUEST" => Self::InFlight,
            "IDEMPOTENCY_KEY_PARAMETER_MISMATCH" => Self::KeyMismatch,
            "IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED" => Self::PreviousFailed,
            "INVALID_INVENTORY_ITEM" | "NON_MUTABLE_INVENTORY_ITEM" => Self::Item,
            "INVALID_LOCATION" => Self::Location,
            "ADJUST_QUANTITIES_FAILED" | "MOVE_QUANTITIES_FAILED" | "SERVICE_UNAVAILABLE" => {
                Self::Retry
            }
            "INVALID_QUANTITY_NEGATIVE" | "INVALID_QUANTITY_TOO_LOW" => Self::TooLow,
            "INVALID_QUANTITY_TOO_HIGH" => Self::TooHigh,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests;
