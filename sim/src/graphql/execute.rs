//! Runs a plan: writes the answer's JSON as it goes, counts its cost, and keeps errors to the field they belong to.

use std::fmt::Write as _;
use std::rc::Rc;

use apollo_compiler::ast::Type;
use jiff::Timestamp;
use serde_json::Value;

use super::access;
use super::connection::ConnectionReading;
use super::cost::points;
use super::mutation::MutationPayload;
use super::object::{FieldRequest, Object, Resolved, Searches, resolve};
use super::plan::{Planned, Selection};
use super::problem::QueryProblem;
use crate::store::SimStore;

/// What running a plan gave.
pub(crate) struct Execution {
    pub(crate) data: String,
    pub(crate) problems: Vec<QueryProblem>,
    pub(crate) searches: Searches,
    /// Points for what was returned.
    pub(crate) cost: u32,
}

/// What a part of the answer cost; or the error that leaves no answer where one is promised.
type WrittenCost = Result<f64, QueryProblem>;

/// A connection left out of its object's text.
pub(crate) struct Deferred<'a, 'q> {
    pub(crate) object: Object<'a>,
    pub(crate) field: &'q Planned,
    /// The id of the object, if its text has it.
    pub(crate) id: Option<String>,
}

/// An object's text, and the connections that are not in it.
pub(crate) type Alone<'a, 'q> = (String, Vec<Deferred<'a, 'q>>);

struct AnswerWriter<'a, 'q> {
    store: &'a SimStore,
    now: Timestamp,
    out: String,
    path: Vec<Value>,
    problems: Vec<QueryProblem>,
    searches: Searches,
    /// Where connections go instead of being written out.
    deferred: Option<Vec<Deferred<'a, 'q>>>,
}

impl Execution {
    /// Runs a query; or writes out a mutation, whose fields were carried out before, in their order.
    pub(crate) fn run(
        store: &SimStore,
        selection: &Selection,
        payloads: Vec<Result<MutationPayload, QueryProblem>>,
        now: Timestamp,
    ) -> Self {
        let mut writer = AnswerWriter::new(store, now);
        writer.out.reserve(4096);
        let written = if selection.on == "Mutation" {
            writer.mutation(selection, payloads)
        } else {
            writer.object(&Object::Query, selection)
        };
        let cost = written.unwrap_or_else(|problem| {
            writer.problems.push(problem);
            "null".clone_into(&mut writer.out);
            0.0
        });
        Self {
            data: writer.out,
            problems: writer.problems,
            searches: writer.searches,
            cost: points(cost),
        }
    }
}

/// Writes an object as `field` wants it, but for the connections in it. Any error is one of the whole.
pub(crate) fn alone<'a, 'q>(
    store: &'a SimStore,
    object: &Object<'a>,
    field: &'q Planned,
    now: Timestamp,
) -> Result<Alone<'a, 'q>, QueryProblem> {
    let mut writer = AnswerWriter {
        deferred: Some(Vec::new()),
        ..AnswerWriter::new(store, now)
    };
    writer.member(object, field)?;
    match writer.problems.pop() {
        Some(problem) if !store.switches.denied_is_null_in_bulk => Err(problem),
        _ => Ok((writer.out, writer.deferred.unwrap_or_default())),
    }
}

impl<'a, 'q> AnswerWriter<'a, 'q> {
    fn new(store: &'a SimStore, now: Timestamp) -> Self {
        Self {
            store,
            now,
            out: String::new(),
            path: Vec::new(),
            problems: Vec::new(),
            searches: Vec::new(),
            deferred: None,
        }
    }

    fn mutation(
        &mut self,
        selection: &'q Selection,
        payloads: Vec<Result<MutationPayload, QueryProblem>>,
    ) -> WrittenCost {
        self.out.push('{');
        let mut cost = 0.0;
        for (field, payload) in selection.fields.iter().zip(payloads) {
            self.key(field);
            cost += if field.name == "__typename" {
                self.text("Mutation");
                0.0
            } else {
                let payload = payload.map(|payload| Object::Payload(Rc::new(payload)).into());
                self.path.push(Value::String(field.key.to_string()));
                let written = self.settled(field, payload);
                self.path.pop();
                // One that ends in an error costs no less.
                written?.max(field.cost.actual(&[]))
            };
        }
        self.out.push('}');
        Ok(cost)
    }

    fn object(&mut self, object: &Object<'a>, selection: &'q Selection) -> WrittenCost {
        self.out.push('{');
        let mut cost: f64 = 0.0;
        let (mut connections, mut id) = (Vec::new(), None);
        for field in &selection.fields {
            if self.deferred.is_some() && field.is_connection() {
                connections.push(field);
                continue;
            }
            self.key(field);
            if field.name == "__typename" {
                self.text(&selection.on);
                continue;
            }
            if let Some(given) = &field.given {
                self.out.push_str(given);
                continue;
            }
            self.path.push(Value::String(field.key.to_string()));
            let start = self.out.len();
            let mut asked = FieldRequest {
                field,
                searches: &mut self.searches,
                path: &self.path,
                reading: ConnectionReading::Page,
                switches: &self.store.switches,
                now: self.now,
            };
            let resolved = match access::denied(&self.store.scopes, field) {
                Some(problem) => Err(problem),
                None => resolve(self.store, object, &mut asked),
            };
            let written = self.settled(field, resolved);
            self.path.pop();
            let part = written?;
            if self.deferred.is_some() && field.is_id() {
                id = Some(self.out[start..].trim_matches('"').to_owned());
            }
            // `nodes` and `edges` of a connection are the same records.
            cost = if matches!(object, Object::Page(_)) {
                cost.max(part)
            } else {
                cost + part
            };
        }
        self.out.push('}');
        if let Some(deferred) = &mut self.deferred {
            let left_out = |field| Deferred {
                object: object.clone(),
                field,
                id: id.clone(),
            };
            deferred.extend(connections.into_iter().map(left_out));
        }
        Ok(cost)
    }

    /// Writes what a field was resolved to; an error becomes null if the field may be null.
    fn settled(
        &mut self,
        field: &'q Planned,
        resolved: Result<Resolved<'a>, QueryProblem>,
    ) -> WrittenCost {
        let start = self.out.len();
        let problem = match resolved.and_then(|resolved| self.value(&field.ty, field, resolved)) {
            Ok(cost) => return Ok(cost),
            Err(problem) => problem,
        };
        let problem = if problem.placed() {
            problem
        } else {
            problem.at(field.location).on(self.path.clone())
        };
        if field.ty.is_non_null() {
            return Err(problem);
        }
        self.problems.push(problem);
        self.out.truncate(start);
        self.out.push_str("null");
        Ok(0.0)
    }

    fn value(&mut self, ty: &Type, field: &'q Planned, resolved: Resolved<'a>) -> WrittenCost {
        match resolved {
            Resolved::Null if ty.is_non_null() => {
                return Err(QueryProblem::new(
                    "INTERNAL_SERVER_ERROR",
                    format!("'{}' is missing", field.name),
                ));
            }
            Resolved::Null => self.out.push_str("null"),
            Resolved::Bool(value) => self.out.push_str(if value { "true" } else { "false" }),
            // Writing to a string does not fail.
            Resolved::Int(value) => drop(write!(self.out, "{value}")),
            Resolved::Text(text) => self.text(&text),
            Resolved::Texts(texts) => {
                self.out.push('[');
                for (index, text) in texts.iter().enumerate() {
                    self.comma(index);
                    self.text(text);
                }
                self.out.push(']');
            }
            Resolved::Object(object) => {
                let cost = self.member(&object, field)?;
                return Ok(field.cost.actual(&[cost]));
            }
            Resolved::Objects(objects) => return self.list(&objects, field),
        }
        Ok(0.0)
    }

    fn list(&mut self, objects: &[Option<Object<'a>>], field: &'q Planned) -> WrittenCost {
        let mut costs = Vec::with_capacity(objects.len());
        self.out.push('[');
        for (index, object) in objects.iter().enumerate() {
            self.comma(index);
            match object {
                Some(object) => {
                    self.path.push(index.into());
                    let written = self.member(object, field);
                    self.path.pop();
                    costs.push(written?);
                }
                None => self.out.push_str("null"),
            }
        }
        self.out.push(']');
        Ok(field.cost.actual(&costs))
    }

    fn member(&mut self, object: &Object<'a>, field: &'q Planned) -> WrittenCost {
        let selection = match &field.of[..] {
            [only] => Some(only),
            several => several
                .iter()
                .find(|selection| selection.on == object.node_type()),
        };
        if let Some(problem) =
            access::denied_type(&self.store.scopes, object.node_type(), &field.name)
        {
            return Err(problem);
        }
        let missing = || {
            QueryProblem::new(
                "INTERNAL_SERVER_ERROR",
                format!("'{}' is of no known type", field.name),
            )
        };
        self.object(object, selection.ok_or_else(missing)?)
    }

    fn key(&mut self, field: &Planned) {
        // Fields may have been left out, so their number says nothing.
        self.comma(usize::from(!self.out.ends_with('{')));
        self.text(&field.key);
        self.out.push(':');
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.out.push(',');
        }
    }

    fn text(&mut self, text: &str) {
        if text
            .bytes()
            .all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
        {
            self.out.push('"');
            self.out.push_str(text);
            self.out.push('"');
        } else {
            self.out.push_str(&Value::from(text).to_string());
        }
    }
}
