//! Bulk operations as the API asks for them and shows them; `crate::bulk` carries them out.

mod inner;
mod slice;

use jiff::Timestamp;

pub(crate) use self::inner::Inner;
pub(crate) use self::slice::SlicePosition;
use super::Api;
use super::mutation::{Made, MutationPayload, UserError};
use super::object::{FieldRequest, Object, Resolved};
use super::plan::Planned;
use super::problem::QueryProblem;
use super::root::id_of;
use crate::bulk::{BulkRun, BulkStatus, SLOTS, forget};
use crate::clock::to_second;
use crate::store::SimStore;

/// Carries out one of the two mutations of bulk operations.
pub(crate) fn write(
    api: &Api,
    store: &mut SimStore,
    field: &Planned,
    now: Timestamp,
) -> MutationPayload {
    if field.name == "bulkOperationCancel" {
        cancel(store, field)
    } else {
        run(api, store, field, now)
    }
}

fn run(api: &Api, store: &mut SimStore, field: &Planned, now: Timestamp) -> MutationPayload {
    let query = field.text("query").unwrap_or_default();
    if let Err(wrong) = api.inner(query) {
        let error = |message| UserError::new("INVALID", ["query"], message);
        return MutationPayload::refused(wrong.into_iter().map(error).collect());
    }
    let under_way: Vec<String> = store
        .operations
        .iter()
        .filter(|row| !row.status.ended())
        .map(BulkRun::gid)
        .collect();
    if under_way.len() >= SLOTS {
        let message = format!(
            "As many bulk queries as may be are in progress: {}.",
            under_way.join(", ")
        );
        return MutationPayload::refused(vec![UserError::new(
            "OPERATION_IN_PROGRESS",
            [""; 0],
            message,
        )]);
    }
    forget(store);
    let id = store.next_id();
    store.operations.insert(BulkRun {
        id,
        query: query.to_owned(),
        grouped: field.flag("groupObjects"),
        status: BulkStatus::Created,
        error: None,
        objects: 0,
        root_objects: 0,
        file_size: None,
        url: None,
        partial_url: None,
        created_at: to_second(now),
        completed_at: None,
        silent: false,
    });
    MutationPayload::of(Made::Operation(id))
}

fn cancel(store: &mut SimStore, field: &Planned) -> MutationPayload {
    let id = field.text("id").and_then(|gid| id_of(gid, "BulkOperation"));
    let Some((id, status)) = id.and_then(|id| Some((id, store.operations.find(id)?.status))) else {
        return MutationPayload::refused(vec![UserError::new(
            None,
            ["id"],
            "Bulk operation does not exist",
        )]);
    };
    if status.ended() {
        let ended = status.name().to_lowercase();
        let why = format!("A bulk operation cannot be canceled when it is {ended}");
        let refused = MutationPayload::refused(vec![UserError::new(None, [""; 0], why)]);
        return MutationPayload {
            made: Made::Operation(id),
            ..refused
        };
    }
    let _ = store
        .operations
        .edit(id, |row| row.status = BulkStatus::Canceling);
    MutationPayload::of(Made::Operation(id))
}

pub(crate) fn operation<'a>(
    row: &'a BulkRun,
    asked: &FieldRequest<'_>,
) -> Result<Resolved<'a>, QueryProblem> {
    Ok(match asked.name() {
        "id" => row.gid().into(),
        "status" => row.status.name().into(),
        "type" => "QUERY".into(),
        "errorCode" => row.error.into(),
        "query" => row.query.as_str().into(),
        // Numbers that may be too large for some clients are written as strings.
        "objectCount" => row.objects.to_string().into(),
        "rootObjectCount" => row.root_objects.to_string().into(),
        "fileSize" => row.file_size.map(|bytes| bytes.to_string()).into(),
        "url" => row.url.as_deref().into(),
        "partialDataUrl" => row.partial_url.as_deref().into(),
        "createdAt" => row.created_at.into(),
        "completedAt" => row.completed_at.into(),
        _ => return asked.unanswered(),
    })
}

/// The newest operation.
pub(crate) fn current(store: &SimStore) -> Option<Object<'_>> {
    store.operations.iter().next_back().map(Object::Operation)
}
