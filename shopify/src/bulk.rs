//! Bulk operations: Shopify writes everything of a kind into one file, however long that takes.
//!
//! <https://shopify.dev/docs/api/usage/bulk-operations/queries>, API 2026-10. Up to five of an app are under way on a
//! shop at once; each must end within ten days, and its file can be fetched for seven. It is no snapshot: what is in
//! it was true at some time between start and end.

mod error;
mod line;
mod order;
mod rows;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use http::Uri;
use schemas::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::answer::NodeId;
use crate::client::Client;
use crate::document;
use crate::error::Error;
use crate::pace::Priority;
use crate::user_error::MutationError;
pub use error::BulkError;
pub use rows::BulkRows;

/// Operations listed: the five that can be under way, and enough that ended.
const LISTED_MAX: u32 = 25;

/// Longest id taken, in bytes.
const ID_BYTES_MAX: usize = 128;

/// What an operation brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BulkQuery {
    /// Customers. Needs the scope `read_customers`.
    Customers,
    /// The same with their names, for which the app needs leave beside its scopes.
    CustomersNamed,
    /// Items, and their levels at every location with all quantities, inactive ones included.
    Levels,
    /// Orders with their lines and their customer's id. Needs `read_orders` and `read_customers`; without
    /// `read_all_orders` only those of the last 60 days are seen.
    Orders,
    /// The same, each preceded by its customer with the name, for which the app needs leave beside its scopes.
    OrdersNamed,
    /// The same without customers, for an app without `read_customers`, whose operation would fail as a whole.
    OrdersWithoutBuyers,
    /// Products, and their variants each preceded by its item.
    Products,
}

/// Which operation. It can be kept: after a restart the operation is still under way, or its file still there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BulkId(String);

/// The text is not the id of a bulk operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a bulk operation's id is gid://shopify/BulkOperation/<number>")]
pub struct BulkIdError;

/// An operation, as it was when Shopify answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bulk {
    /// The operation's id at Shopify; it can be kept over a restart.
    pub id: BulkId,
    /// What it brings; `None` when it was not started by this version of stockd.
    pub query: Option<BulkQuery>,
    /// How far Shopify is, and the result once there is one.
    pub state: BulkState,
    /// Rows written so far, nested ones included.
    pub objects: u64,
    /// When it was started.
    pub created_at: Timestamp,
}

/// How far an operation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkState {
    /// It has not begun (`CREATED`).
    Created,
    /// It is under way. A state that Shopify may add counts as this one.
    Running,
    /// It ends soon, without a result.
    Canceling,
    /// It ended without a result, because somebody or Shopify wanted it.
    Canceled,
    /// It is whole: [`Client::bulk_rows`] reads it.
    Completed(BulkResult),
    /// Its file is no longer there.
    Expired,
    /// It ended without a result. What it had written until then is never read: what is missing there says nothing.
    Failed(BulkFailure),
}

/// Why an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkFailure {
    /// The app lacks a scope: a person has to grant it.
    AccessDenied,
    /// Shopify's fault, or no reason given, which happens: start another one.
    Server,
    /// It took too long: start another one, later.
    Timeout,
}

/// A file with rows. Whoever knows its address can read it, which is why that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct BulkResult {
    /// `None` when there are no rows.
    url: Option<Uri>,
    lines: u64,
    bytes: Option<u64>,
}

/// What came of the wish to start an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum BulkStart {
    /// Shopify accepted it and will begin.
    Started(Bulk),
    /// Five are under way, or too many were started: wait until one ends.
    Busy,
}

impl BulkQuery {
    pub(crate) const ALL: [Self; 7] = [
        Self::Customers,
        Self::CustomersNamed,
        Self::Levels,
        Self::Orders,
        Self::OrdersNamed,
        Self::OrdersWithoutBuyers,
        Self::Products,
    ];

    /// What Shopify is given to carry out.
    pub(crate) fn text(self) -> Cow<'static, str> {
        let text = match self {
            Self::Customers | Self::CustomersNamed => document::BULK_CUSTOMERS,
            Self::Levels => document::BULK_LEVELS,
            Self::Orders | Self::OrdersNamed => document::BULK_ORDERS,
            Self::OrdersWithoutBuyers => {
                return document::without_buyers(document::BULK_ORDERS).into();
            }
            Self::Products => document::BULK_PRODUCTS,
        };
        document::with_names(text, self.is_named())
    }

    /// Whether its rows have to be put together.
    fn is_joined(self) -> bool {
        matches!(
            self,
            Self::Orders | Self::OrdersNamed | Self::OrdersWithoutBuyers
        )
    }

    /// Whether it asks for customers' names.
    pub fn is_named(self) -> bool {
        matches!(self, Self::CustomersNamed | Self::OrdersNamed)
    }

    /// Which one a text is, where it is one of ours.
    fn of(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|query| query.text().trim() == text.trim())
    }
}

impl BulkState {
    /// Whether it is worth asking again.
    pub fn is_under_way(&self) -> bool {
        matches!(self, Self::Created | Self::Running | Self::Canceling)
    }
}

impl BulkResult {
    /// How many rows, nested ones included.
    pub fn lines(&self) -> u64 {
        self.lines
    }
}

impl fmt::Debug for BulkResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BulkResult({} lines)", self.lines)
    }
}

impl FromStr for BulkId {
    type Err = BulkIdError;
    fn from_str(text: &str) -> Result<Self, BulkIdError> {
        let number = text
            .strip_prefix("gid://shopify/BulkOperation/")
            .unwrap_or_default();
        let fits = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        if fits && text.len() <= ID_BYTES_MAX {
            Ok(Self(text.to_owned()))
        } else {
            Err(BulkIdError)
        }
    }
}

impl fmt::Display for BulkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for BulkId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for BulkId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl Client {
    /// Starts an operation.
    ///
    /// # Errors
    /// When Shopify does not answer; see [`Error`]. After [`Error::InDoubt`] it may have been started all the same:
    /// look for it in [`Self::bulk_list`].
    pub async fn bulk_start(&self, query: BulkQuery) -> Result<BulkStart, Error> {
        #[derive(Serialize)]
        struct Variables {
            query: Cow<'static, str>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            bulk_operation_run_query: BulkPayload,
        }
        let variables = Variables {
            query: query.text(),
        };
        let answer = self
            .call::<Data>(&document::BULK_START, 0, variables, Priority::Sync)
            .await?;
        let BulkPayload {
            bulk_operation,
            user_errors,
        } = answer.data.bulk_operation_run_query;
        match (bulk_operation, user_errors.into_iter().next()) {
            (Some(operation), None) => Ok(BulkStart::Started(operation.into())),
            (_, Some(error))
                if matches!(error.code(), "OPERATION_IN_PROGRESS" | "LIMIT_REACHED") =>
            {
                Ok(BulkStart::Busy)
            }
            (_, error) => Err(MutationError::refusal(&document::BULK_START, error)),
        }
    }

    /// How an operation is now; `None` when there is none by that id.
    ///
    /// # Errors
    /// When Shopify does not answer; see [`Error`].
    pub async fn bulk_state(&self, id: &BulkId) -> Result<Option<Bulk>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            bulk_operation: Option<BulkOperation>,
        }
        let variables = NodeId { id: &id.0 };
        let answer = self
            .call::<Data>(&document::BULK_STATE, 0, variables, Priority::Sync)
            .await?;
        Ok(answer.data.bulk_operation.map(Bulk::from))
    }

    /// Wishes an operation to end, and tells how it is then: one that has ended stays as it is. `None` when there
    /// is none by that id.
    ///
    /// # Errors
    /// When Shopify does not answer; see [`Error`].
    pub async fn bulk_cancel(&self, id: &BulkId) -> Result<Option<Bulk>, Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            bulk_operation_cancel: BulkPayload,
        }
        let variables = NodeId { id: &id.0 };
        let answer = self
            .call::<Data>(&document::BULK_CANCEL, 0, variables, Priority::Read)
            .await?;
        // An error says only that it had ended already, or that there is none.
        Ok(answer
            .data
            .bulk_operation_cancel
            .bulk_operation
            .map(Bulk::from))
    }

    /// The app's latest operations on this shop, the newest first, under way and ended.
    ///
    /// # Errors
    /// When Shopify does not answer; see [`Error`].
    pub async fn bulk_list(&self) -> Result<Vec<Bulk>, Error> {
        #[derive(Serialize)]
        struct Variables {
            first: u32,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Data {
            bulk_operations: Nodes,
        }
        #[derive(Deserialize)]
        struct Nodes {
            nodes: Vec<BulkOperation>,
        }
        let variables = Variables { first: LISTED_MAX };
        let answer = self
            .call::<Data>(&document::BULK_LIST, LISTED_MAX, variables, Priority::Sync)
            .await?;
        Ok(answer
            .data
            .bulk_operations
            .nodes
            .into_iter()
            .map(Bulk::from)
            .collect())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BulkPayload {
    bulk_operation: Option<BulkOperation>,
    user_errors: Vec<MutationError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BulkOperation {
    id: BulkId,
    status: String,
    error_code: Option<String>,
    #[serde(deserialize_with = "counter")]
    object_count: Option<u64>,
    #[serde(deserialize_with = "counter")]
    file_size: Option<u64>,
    #[serde(deserialize_with = "address")]
    url: Option<Uri>,
    created_at: Timestamp,
    query: String,
}

impl From<BulkOperation> for Bulk {
    fn from(operation: BulkOperation) -> Self {
        let objects = operation.object_count.unwrap_or_default();
        let state = match operation.status.as_str() {
            "CREATED" => BulkState::Created,
            "CANCELING" => BulkState::Canceling,
            "CANCELED" => BulkState::Canceled,
            "COMPLETED" => BulkState::Completed(BulkResult {
                url: operation.url,
                lines: objects,
                bytes: operation.file_size,
            }),
            "EXPIRED" => BulkState::Expired,
            "FAILED" => BulkState::Failed(match operation.error_code.as_deref() {
                Some("ACCESS_DENIED") => BulkFailure::AccessDenied,
                Some("TIMEOUT") => BulkFailure::Timeout,
                _ => BulkFailure::Server,
            }),
            _ => BulkState::Running,
        };
        let query = BulkQuery::of(&operation.query);
        Self {
            id: operation.id,
            query,
            state,
            objects,
            created_at: operation.created_at,
        }
    }
}

/// A counter, which comes as text: `UnsignedInt64`.
fn counter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Spelling {
        Number(u64),
        Text(String),
    }
    match Option::deserialize(deserializer)? {
        None => Ok(None),
        Some(Spelling::Number(number)) => Ok(Some(number)),
        Some(Spelling::Text(text)) => text
            .parse()
            .map(Some)
            .map_err(|_| de::Error::custom("not a counter")),
    }
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uri>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    // The error must not repeat it.
    text.map(|text| {
        text.parse()
            .map_err(|_| de::Error::custom("not an address"))
    })
    .transpose()
}

#[cfg(test)]
mod tests;
