//! Runs a plan: writes the answer's JSON as it goes, counts its cost, and keeps errors to the field they belong to.

use std::fmt::Write as _;
use std::rc::Rc;

use apollo_compiler::ast::Type;
use serde_json::Value;

use super::cost::points;
use super::mutation::Payload;
use super::object::{Asked, Object, Resolved, Searches, resolve};
use super::plan::{Planned, Selection};
use super::problem::Problem;
use crate::store::Store;

/// What running a plan gave.
pub(crate) struct Execution {
    pub(crate) data: String,
    pub(crate) problems: Vec<Problem>,
    pub(crate) searches: Searches,
    /// Points for what was returned.
    pub(crate) cost: u32,
}

/// What a part of the answer cost; or the error that leaves no answer where one is promised.
type Written = Result<f64, Problem>;

struct Writer<'a> {
    store: &'a Store,
    out: String,
    path: Vec<Value>,
    problems: Vec<Problem>,
    searches: Searches,
}

impl Execution {
    /// Runs a query; or writes out a mutation, whose fields were carried out before, in their order.
    pub(crate) fn run(store: &Store, selection: &Selection, payloads: Vec<Result<Payload, Problem>>) -> Self {
        let mut writer = Writer {
            store,
            out: String::with_capacity(4096),
            path: Vec::new(),
            problems: Vec::new(),
            searches: Vec::new(),
        };
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
        Self { data: writer.out, problems: writer.problems, searches: writer.searches, cost: points(cost) }
    }
}

impl<'a> Writer<'a> {
    fn mutation(&mut self, selection: &Selection, payloads: Vec<Result<Payload, Problem>>) -> Written {
        self.out.push('{');
        let mut cost = 0.0;
        for (index, (field, payload)) in selection.fields.iter().zip(payloads).enumerate() {
            self.key(index, field);
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

    fn object(&mut self, object: &Object<'a>, selection: &Selection) -> Written {
        self.out.push('{');
        let mut cost: f64 = 0.0;
        for (index, field) in selection.fields.iter().enumerate() {
            self.key(index, field);
            if field.name == "__typename" {
                self.text(&selection.on);
                continue;
            }
            self.path.push(Value::String(field.key.to_string()));
            let mut asked = Asked { field, searches: &mut self.searches, path: &self.path };
            let resolved = match field.name.as_str() {
                "__schema" | "__type" => asked.unanswered(),
                _ => resolve(self.store, object, &mut asked),
            };
            let written = self.settled(field, resolved);
            self.path.pop();
            let part = written?;
            // `nodes` and `edges` of a connection are the same records.
            cost = if matches!(object, Object::Page(_)) { cost.max(part) } else { cost + part };
        }
        self.out.push('}');
        Ok(cost)
    }

    /// Writes what a field was resolved to; an error becomes null if the field may be null.
    fn settled(&mut self, field: &Planned, resolved: Result<Resolved<'a>, Problem>) -> Written {
        let start = self.out.len();
        let problem = match resolved.and_then(|resolved| self.value(&field.ty, field, resolved)) {
            Ok(cost) => return Ok(cost),
            Err(problem) => problem,
        };
        let problem =
            if problem.placed() { problem } else { problem.at(field.location).on(self.path.clone()) };
        if field.ty.is_non_null() {
            return Err(problem);
        }
        self.problems.push(problem);
        self.out.truncate(start);
        self.out.push_str("null");
        Ok(0.0)
    }

    fn value(&mut self, ty: &Type, field: &Planned, resolved: Resolved<'a>) -> Written {
        match resolved {
            Resolved::Null if ty.is_non_null() => {
                return Err(Problem::new("INTERNAL_SERVER_ERROR", format!("'{}' is missing", field.name)));
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

    fn list(&mut self, objects: &[Option<Object<'a>>], field: &Planned) -> Written {
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

    fn member(&mut self, object: &Object<'a>, field: &Planned) -> Written {
        let selection = match &field.of[..] {
            [only] => Some(only),
            several => several.iter().find(|selection| selection.on == object.node_type()),
        };
        let missing =
            || Problem::new("INTERNAL_SERVER_ERROR", format!("'{}' is of no known type", field.name));
        self.object(object, selection.ok_or_else(missing)?)
    }

    fn key(&mut self, index: usize, field: &Planned) {
        self.comma(index);
        self.text(&field.key);
        self.out.push(':');
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.out.push(',');
        }
    }

    fn text(&mut self, text: &str) {
        if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
            self.out.push('"');
            self.out.push_str(text);
            self.out.push('"');
        } else {
            self.out.push_str(&Value::from(text).to_string());
        }
    }
}
