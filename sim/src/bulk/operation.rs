//! A bulk operation as the API shows it: what was asked, how far it got, where the result lies.

use jiff::Timestamp;

use crate::record::record;

/// <https://shopify.dev/docs/api/admin-graphql/latest/enums/BulkOperationStatus>, 2026-10. An operation here never
/// becomes `EXPIRED`; its link does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BulkStatus {
    Created,
    Running,
    Completed,
    Failed,
    Canceling,
    Canceled,
}

impl BulkStatus {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Running => "RUNNING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
            Self::Canceling => "CANCELING",
            Self::Canceled => "CANCELED",
        }
    }

    /// Whether nothing more will happen to it.
    pub(crate) fn ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled)
    }
}

pub(crate) struct BulkRun {
    pub(crate) id: u64,
    pub(crate) query: String,
    /// Whether children are to stand right under their parents.
    pub(crate) grouped: bool,
    pub(crate) status: BulkStatus,
    pub(crate) error: Option<&'static str>,
    pub(crate) objects: u64,
    pub(crate) root_objects: u64,
    /// Bytes of the file; `None` before it is complete.
    pub(crate) file_size: Option<u64>,
    pub(crate) url: Option<String>,
    pub(crate) partial_url: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) completed_at: Option<Timestamp>,
    /// Whether nobody is told of its end: a fault.
    pub(crate) silent: bool,
}

impl BulkRun {
    pub(crate) fn gid(&self) -> String {
        format!("gid://shopify/BulkOperation/{}", self.id)
    }
}

record!(BulkRun, |row| row.completed_at.unwrap_or(row.created_at));
