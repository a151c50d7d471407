//! Mutations: which there are, in which order their fields are carried out, and what they leave to be shown.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use jiff::Timestamp;

use super::activation;
use super::adjustment::{self, Kind};
use super::idempotency::{Claim, IdempotencyKeys};
use super::object::{FieldRequest, Object, Resolved};
use super::plan::{Planned, Selection};
use super::problem::QueryProblem;
use super::{Api, access, bulk, subscription};
use crate::adjustment::Group;
use crate::call::{Mutation, RecordedCall};
use crate::store::SimStore;

/// Bytes of an idempotency key; Shopify's own limit is unknown.
const MAX_KEY: usize = 255;

/// What a mutation leaves to be shown.
#[derive(Clone)]
pub(crate) struct MutationPayload {
    pub(crate) made: Made,
    pub(crate) errors: Vec<UserError>,
    pub(crate) effect: MutationEffect,
}

#[derive(Clone, Copy)]
pub(crate) enum MutationEffect {
    Applied,
    /// Nothing was to be done, or nothing could be.
    Unchanged,
    /// An earlier call under the same key did it.
    Repeated,
}

/// What there is to show.
#[derive(Clone)]
pub(crate) enum Made {
    Nothing,
    Subscription(u64),
    Operation(u64),
    /// The id of what is gone.
    Deleted(String),
    Group(Arc<Group>),
    Level {
        item: u64,
        location: u64,
    },
}

/// What the user is told to put right.
#[derive(Clone)]
pub(crate) struct UserError {
    /// Not every payload's errors have one.
    code: Option<&'static str>,
    /// The path to the part of the input that is to blame; empty if it is none in particular.
    field: Vec<String>,
    message: String,
}

impl UserError {
    pub(crate) fn new<T: Into<String>>(
        code: impl Into<Option<&'static str>>,
        field: impl IntoIterator<Item = T>,
        message: impl Into<String>,
    ) -> Self {
        let field = field.into_iter().map(Into::into).collect();
        Self {
            code: code.into(),
            field,
            message: message.into(),
        }
    }
}

impl MutationPayload {
    /// Done, and this is to be shown.
    pub(crate) fn of(made: Made) -> Self {
        Self {
            made,
            errors: Vec::new(),
            effect: MutationEffect::Applied,
        }
    }

    pub(crate) fn refused(errors: Vec<UserError>) -> Self {
        Self {
            made: Made::Nothing,
            errors,
            effect: MutationEffect::Unchanged,
        }
    }
}

/// How a field of a mutation begins.
pub(crate) enum Turn {
    ToRun,
    Settled(Result<MutationPayload, QueryProblem>),
}

/// Looks at the fields before any is carried out, and takes their idempotency keys.
pub(crate) fn begin(
    keys: &mut IdempotencyKeys,
    selection: &Selection,
    now: Timestamp,
) -> Vec<Turn> {
    let begin = |field| match claim(keys, field, now) {
        Ok(Claim::First) => Turn::ToRun,
        Ok(Claim::Repeat(payload)) => Turn::Settled(Ok(MutationPayload {
            effect: MutationEffect::Repeated,
            ..payload
        })),
        Ok(Claim::Refused(code, why)) => {
            Turn::Settled(Ok(MutationPayload::refused(vec![UserError::new(
                code, [""; 0], why,
            )])))
        }
        Err(problem) => Turn::Settled(Err(problem)),
    };
    selection.fields.iter().map(begin).collect()
}

fn claim(
    keys: &mut IdempotencyKeys,
    field: &Planned,
    now: Timestamp,
) -> Result<Claim, QueryProblem> {
    let kind = Kind::of(field);
    if let Some(kind) = kind {
        kind.check(field)?;
    } else if field.name != "inventoryActivate" {
        return Ok(Claim::First);
    }
    match &field.idempotency {
        None => Err(QueryProblem::new(
            "BAD_REQUEST",
            "The @idempotent directive is required for this mutation but was not provided.",
        )),
        Some(given) if given.key.trim().is_empty() || given.key.len() > MAX_KEY => {
            Err(QueryProblem::new(
                "BAD_REQUEST",
                format!("An idempotency key has 1 to {MAX_KEY} bytes."),
            ))
        }
        Some(given) => Ok(keys.claim(given, now)),
    }
}

/// Carries out the fields in their order.
pub(crate) fn run(
    api: &Api,
    store: &mut SimStore,
    keys: &mut IdempotencyKeys,
    selection: &Selection,
    turns: Vec<Turn>,
    now: Timestamp,
) -> Vec<Result<MutationPayload, QueryProblem>> {
    let run = |(field, turn): (&Planned, Turn)| match turn {
        Turn::Settled(settled) => settled,
        Turn::ToRun => {
            let payload = one(api, store, field, now)?;
            if let Some(given) = &field.idempotency {
                keys.end(&given.key, &payload);
            }
            Ok(payload)
        }
    };
    selection.fields.iter().zip(turns).map(run).collect()
}

fn one(
    api: &Api,
    store: &mut SimStore,
    field: &Planned,
    now: Timestamp,
) -> Result<MutationPayload, QueryProblem> {
    if let Some(problem) = access::denied(&store.scopes, field) {
        return Err(problem);
    }
    Ok(match field.name.as_str() {
        "webhookSubscriptionCreate" | "webhookSubscriptionUpdate" | "webhookSubscriptionDelete" => {
            subscription::write(store, field, now)
        }
        "bulkOperationRunQuery" | "bulkOperationCancel" => bulk::write(api, store, field, now),
        "inventoryActivate" => activation::write(store, field, now),
        "inventoryDeactivate" => activation::end(store, field, now),
        "__typename" => MutationPayload::refused(Vec::new()),
        name => {
            let message = || format!("The pretend store does not carry out '{name}'; Shopify does");
            let kind =
                Kind::of(field).ok_or_else(|| QueryProblem::new("NOT_IMPLEMENTED", message()))?;
            adjustment::write(store, kind, field, now)
        }
    })
}

/// What to remember of the fields of a mutation.
pub(crate) fn told(
    selection: &Selection,
    payloads: &[Result<MutationPayload, QueryProblem>],
    call: &RecordedCall,
    answered: bool,
) -> Vec<Mutation> {
    let fields = selection.fields.iter().zip(payloads);
    let tell = |(field, payload): (&Planned, &Result<MutationPayload, QueryProblem>)| {
        let (applied, outcome) = match payload {
            Err(problem) => (false, problem.code.as_str()),
            Ok(payload) => {
                let applied = matches!(payload.effect, MutationEffect::Applied);
                let ending = match payload.effect {
                    MutationEffect::Applied => "APPLIED",
                    MutationEffect::Unchanged => "UNCHANGED",
                    MutationEffect::Repeated => "REPEATED",
                };
                let code = payload
                    .errors
                    .first()
                    .map(|error| error.code.unwrap_or("USER_ERROR"));
                (applied, code.unwrap_or(ending))
            }
        };
        Mutation {
            applied,
            ..noted(field, call, outcome, answered)
        }
    };
    fields.map(tell).collect()
}

/// The same of a mutation that was not carried out.
pub(crate) fn kept_out(
    selection: &Selection,
    call: &RecordedCall,
    outcome: &str,
    answered: bool,
) -> Vec<Mutation> {
    selection
        .fields
        .iter()
        .map(|field| noted(field, call, outcome, answered))
        .collect()
}

fn noted(field: &Planned, call: &RecordedCall, outcome: &str, answered: bool) -> Mutation {
    Mutation {
        at: call.at,
        operation: call.operation.clone(),
        field: field.name.to_string(),
        idempotency_key: field.idempotency.as_ref().map(|given| given.key.clone()),
        applied: false,
        answered,
        outcome: outcome.to_owned(),
    }
}

pub(crate) fn payload<'a>(
    store: &'a SimStore,
    payload: &Rc<MutationPayload>,
    asked: &FieldRequest<'_>,
) -> Resolved<'a> {
    match (asked.name(), &payload.made) {
        ("userErrors", _) => {
            let errors =
                (0..payload.errors.len()).map(|index| Object::UserError(payload.clone(), index));
            errors.collect::<Vec<_>>().into()
        }
        ("webhookSubscription", Made::Subscription(id)) => store
            .subscriptions
            .find(*id)
            .map(Object::Subscription)
            .into(),
        ("bulkOperation", Made::Operation(id)) => {
            store.operations.find(*id).map(Object::Operation).into()
        }
        ("deletedWebhookSubscriptionId", Made::Deleted(gid)) => gid.clone().into(),
        ("inventoryAdjustmentGroup", Made::Group(group)) => Object::Group(group.clone()).into(),
        ("inventoryLevel", Made::Level { item, location }) => {
            store.level(*item, *location).map(Object::Level).into()
        }
        _ => Resolved::Null,
    }
}

pub(crate) fn user_error<'a>(
    payload: &MutationPayload,
    index: usize,
    asked: &FieldRequest<'_>,
) -> Result<Resolved<'a>, QueryProblem> {
    let error = payload.errors.get(index);
    Ok(match asked.name() {
        "field" => match error.map(|error| error.field.clone()) {
            Some(field) if !field.is_empty() => {
                Resolved::Texts(field.into_iter().map(Cow::Owned).collect())
            }
            _ => Resolved::Null,
        },
        "message" => error.map(|error| error.message.clone()).into(),
        "code" => error.and_then(|error| error.code).into(),
        _ => return asked.unanswered(),
    })
}
