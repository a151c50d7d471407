//! What goes wrong with bulk operations on purpose.

use serde::{Deserialize, Serialize};

use crate::store::ChangeRefused;

/// How the next operations go wrong, as `POST /_sim/faults` takes it under `bulk`.
#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct BulkFaults {
    /// How many of the next operations it concerns; one, if it is not said.
    pub(crate) operations: u32,
    pub(crate) ending: Option<Ending>,
    /// The objects that are read before it ends so.
    pub(crate) after_objects: u64,
    /// By how much `objectCount` is wrong at the end.
    pub(crate) count_off: i64,
    pub(crate) url_expired: bool,
    pub(crate) body: Option<Damage>,
    /// Whether the webhook about the end is left out.
    pub(crate) silent: bool,
    /// The pace of every operation from now on; without one it stays as it is.
    #[serde(skip_serializing)]
    pub(crate) objects_per_second: Option<u32>,
}

impl Default for BulkFaults {
    fn default() -> Self {
        Self {
            operations: 1,
            ending: None,
            after_objects: 0,
            count_off: 0,
            url_expired: false,
            body: None,
            silent: false,
            objects_per_second: None,
        }
    }
}

/// How an operation ends that does not complete.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Ending {
    /// Not at all, until it is canceled or ten days have passed.
    Stuck,
    /// Failed by an error of the server.
    Failed,
    Timeout,
    AccessDenied,
    /// Canceled without being asked to.
    Canceled,
}

/// What is wrong with a result on its way.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Damage {
    /// The last line lacks its second half, and nothing else tells of it.
    CutLine,
    /// The connection closes halfway.
    HangUp,
}

/// The paces there may be, in objects a second.
pub(crate) const PACES: std::ops::RangeInclusive<u32> = 1..=10_000_000;

impl BulkFaults {
    /// No fault at all, the state of a new shop.
    pub(crate) fn none() -> Self {
        Self {
            operations: 0,
            ..Self::default()
        }
    }

    pub(crate) fn check(&self) -> Result<(), ChangeRefused> {
        match self.objects_per_second {
            Some(pace) if !PACES.contains(&pace) => {
                let (least, most) = (PACES.start(), PACES.end());
                Err(ChangeRefused::new(
                    "objectsPerSecond",
                    format!("must be between {least} and {most}"),
                ))
            }
            _ => Ok(()),
        }
    }

    /// What goes wrong with the operation that starts now.
    pub(crate) fn take(&mut self) -> Self {
        match self.operations.checked_sub(1) {
            Some(left) => {
                self.operations = left;
                *self
            }
            None => Self::none(),
        }
    }
}
