//! A validated operation made ready to run: fragments and variables put in, conditions applied, costs assigned.
//!
//! Everything that does not depend on the shop is worked out here once, so that a page of 250 records does not
//! work it out 250 times.

use apollo_compiler::ast::{self, Type};
use apollo_compiler::executable::{self, Operation, SelectionSet};
use apollo_compiler::parser::LineColumn;
use apollo_compiler::response::JsonMap;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Name, Node};
use serde_json::{Map, Value};

use super::Api;
use super::cost::Cost;
use super::problem::QueryProblem;

/// Fields of one operation after all fragments are put in; fragments can make a short text very large.
const MAX_FIELDS: usize = 5_000;

/// The fields wanted of an object of one type.
pub(crate) struct Selection {
    pub(crate) on: Name,
    pub(crate) fields: Vec<Planned>,
}

/// A field to be answered.
pub(crate) struct Planned {
    pub(crate) key: Name,
    pub(crate) name: Name,
    pub(crate) arguments: Map<String, Value>,
    pub(crate) ty: Type,
    pub(crate) cost: Cost,
    pub(crate) location: Option<LineColumn>,
    /// What `@idempotent` says, if it is there.
    pub(crate) idempotency: Option<Idempotency>,
    /// Per possible type of the answer; none for scalars.
    pub(crate) of: Vec<Selection>,
    /// The answer's JSON, where the schema alone gives it: `__schema` and `__type`.
    pub(crate) given: Option<String>,
}

/// A mutation's claim to be carried out once.
pub(crate) struct Idempotency {
    pub(crate) key: String,
    /// The field and its arguments in the order and spelling in which they were sent.
    pub(crate) input: String,
}

impl Planned {
    pub(crate) fn is_connection(&self) -> bool {
        self.ty.inner_named_type().ends_with("Connection")
    }

    /// Whether it is the id under its own name.
    pub(crate) fn is_id(&self) -> bool {
        self.key == "id" && self.name == "id"
    }

    pub(crate) fn text(&self, argument: &str) -> Option<&str> {
        self.arguments.get(argument)?.as_str()
    }

    pub(crate) fn number(&self, argument: &str) -> Option<i64> {
        self.arguments.get(argument)?.as_i64()
    }

    pub(crate) fn flag(&self, argument: &str) -> bool {
        self.arguments
            .get(argument)
            .and_then(Value::as_bool)
            .unwrap_or(false)
    }

    pub(crate) fn texts(&self, argument: &str) -> Vec<&str> {
        match self.arguments.get(argument) {
            Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(text)) => vec![text],
            _ => Vec::new(),
        }
    }
}

pub(crate) struct Planner<'a> {
    api: &'a Api,
    document: &'a Valid<ExecutableDocument>,
    /// The variables as they were sent, which keeps the order of what is in them.
    sent: &'a JsonMap,
    /// The same with defaults, in the types of the schema.
    variables: &'a Value,
    /// What the schema says about itself, by response key.
    introspected: JsonMap,
    left: usize,
}

type Gathered<'a> = Vec<(&'a Name, Vec<&'a Node<executable::Field>>)>;

impl<'a> Planner<'a> {
    pub(crate) fn new(
        api: &'a Api,
        document: &'a Valid<ExecutableDocument>,
        sent: &'a JsonMap,
        variables: &'a Value,
        introspected: JsonMap,
    ) -> Self {
        Self {
            api,
            document,
            sent,
            variables,
            introspected,
            left: MAX_FIELDS,
        }
    }

    pub(crate) fn plan(mut self, operation: &'a Operation) -> Result<Selection, QueryProblem> {
        self.select(operation.object_type(), &[&operation.selection_set])
    }

    fn select(&mut self, on: &Name, sets: &[&'a SelectionSet]) -> Result<Selection, QueryProblem> {
        let mut gathered = Gathered::new();
        for set in sets {
            self.gather(on, set, &mut gathered)?;
        }
        let mut fields = Vec::with_capacity(gathered.len());
        for (key, same) in gathered {
            let Some(field) = same.first() else { continue };
            let sets: Vec<&SelectionSet> = same.iter().map(|field| &field.selection_set).collect();
            let mut of = Vec::new();
            let about_itself = ["__schema", "__type"].contains(&field.name.as_str());
            let given = about_itself.then(|| {
                self.introspected
                    .get(key.as_str())
                    .map_or_else(|| "null".to_owned(), ToString::to_string)
            });
            let possible = self.possible_types(field.definition.ty.inner_named_type());
            for possible in possible.into_iter().filter(|_| !about_itself) {
                of.push(self.select(&possible, &sets)?);
            }
            let arguments = self.arguments(field);
            fields.push(Planned {
                cost: Cost::of(on, field, &arguments),
                key: key.clone(),
                name: field.name.clone(),
                arguments,
                ty: field.definition.ty.clone(),
                idempotency: self.idempotency(field),
                location: field
                    .location()
                    .and_then(|at| at.line_column(&self.document.sources)),
                of,
                given,
            });
        }
        Ok(Selection {
            on: on.clone(),
            fields,
        })
    }

    fn gather(
        &mut self,
        on: &Name,
        set: &'a SelectionSet,
        into: &mut Gathered<'a>,
    ) -> Result<(), QueryProblem> {
        for selection in &set.selections {
            self.left = self.left.checked_sub(1).ok_or_else(|| {
                QueryProblem::new(
                    "MAX_COMPLEXITY_EXCEEDED",
                    format!("The query has more than {MAX_FIELDS} fields."),
                )
            })?;
            if !self.included(selection.directives()) {
                continue;
            }
            match selection {
                executable::Selection::Field(field) => {
                    match into
                        .iter_mut()
                        .find(|(key, _)| *key == field.response_key())
                    {
                        Some((_, same)) => same.push(field),
                        None => into.push((field.response_key(), vec![field])),
                    }
                }
                executable::Selection::InlineFragment(fragment) => {
                    if fragment
                        .type_condition
                        .as_ref()
                        .is_none_or(|condition| self.applies(condition, on))
                    {
                        self.gather(on, &fragment.selection_set, into)?;
                    }
                }
                executable::Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.document.fragments.get(&spread.fragment_name)
                        && self.applies(fragment.type_condition(), on)
                    {
                        self.gather(on, &fragment.selection_set, into)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn applies(&self, condition: &Name, on: &Name) -> bool {
        condition == on || self.api.schema.is_subtype(condition, on)
    }

    fn possible_types(&self, name: &Name) -> Vec<Name> {
        if self.api.schema.get_object(name).is_some() {
            return vec![name.clone()];
        }
        if let Some(union) = self.api.schema.get_union(name) {
            return union
                .members
                .iter()
                .map(|member| member.name.clone())
                .collect();
        }
        self.api
            .implementers
            .get(name)
            .map(|types| types.objects.iter().cloned().collect())
            .unwrap_or_default()
    }

    fn included(&self, directives: &executable::DirectiveList) -> bool {
        let condition = |name: &str| {
            let value = directives.get(name)?.specified_argument_by_name("if")?;
            self.value(value)?.as_bool()
        };
        condition("skip") != Some(true) && condition("include") != Some(false)
    }

    /// The arguments with defaults; one that was left out or given by an absent variable is not there.
    fn arguments(&self, field: &executable::Field) -> Map<String, Value> {
        let mut arguments = Map::new();
        for definition in &field.definition.arguments {
            let given = field
                .arguments
                .iter()
                .find(|argument| argument.name == definition.name);
            let value = given.and_then(|argument| self.value(&argument.value));
            let value = value.or_else(|| {
                definition
                    .default_value
                    .as_ref()
                    .and_then(|value| self.value(value))
            });
            if let Some(mut value) = value {
                // An id may be written as a number, and a list of one without brackets.
                if definition.ty.inner_named_type() == "ID" && value.is_number() {
                    value = Value::String(value.to_string());
                }
                arguments.insert(definition.name.to_string(), value);
            }
        }
        arguments
    }

    fn idempotency(&self, field: &executable::Field) -> Option<Idempotency> {
        let key = self.value(
            field
                .directives
                .get("idempotent")?
                .specified_argument_by_name("key")?,
        )?;
        let mut input = field.name.to_string();
        for argument in &field.arguments {
            input.push_str(&argument.name);
            self.spell(&argument.value, &mut input);
        }
        Some(Idempotency {
            key: key.as_str()?.to_owned(),
            input,
        })
    }

    /// Writes a value down as it was sent, variables as their JSON.
    fn spell(&self, value: &ast::Value, into: &mut String) {
        match value {
            ast::Value::Variable(name) => match self.sent.get(name.as_str()) {
                Some(sent) => into.push_str(&sent.to_string()),
                None => into.push('$'),
            },
            ast::Value::List(values) => {
                into.push('[');
                for value in values {
                    self.spell(value, into);
                }
                into.push(']');
            }
            ast::Value::Object(fields) => {
                into.push('{');
                for (name, value) in fields {
                    into.push_str(name);
                    self.spell(value, into);
                }
                into.push('}');
            }
            literal => into.push_str(&literal.to_string()),
        }
    }

    fn value(&self, value: &ast::Value) -> Option<Value> {
        Some(match value {
            ast::Value::Null => Value::Null,
            ast::Value::Enum(name) => Value::String(name.to_string()),
            ast::Value::Variable(name) => self.variables.get(name.as_str())?.clone(),
            ast::Value::String(text) => Value::String(text.clone()),
            ast::Value::Float(number) => number.try_to_f64().ok()?.into(),
            ast::Value::Int(number) => number.as_str().parse::<i64>().ok()?.into(),
            ast::Value::Boolean(flag) => Value::Bool(*flag),
            ast::Value::List(values) => values
                .iter()
                .filter_map(|value| self.value(value))
                .collect(),
            ast::Value::Object(fields) => {
                let fields = fields
                    .iter()
                    .filter_map(|(name, value)| Some((name.to_string(), self.value(value)?)));
                Value::Object(fields.collect())
            }
        })
    }
}
