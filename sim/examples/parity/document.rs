//! Guesses the document of a call from its answer and its variables, by the schema.

use std::fmt::Write as _;

use apollo_compiler::schema::{ExtendedType, FieldDefinition};
use apollo_compiler::validation::Valid;
use apollo_compiler::{Name, Schema};
use serde_json::{Map, Value};

use crate::recording::Call;

const SCHEMA: &str = include_str!("../../../graphql/admin-2026-10.graphql");

pub(crate) struct Guesser {
    schema: Valid<Schema>,
}

impl Guesser {
    pub(crate) fn new() -> Result<Self, String> {
        let schema =
            Schema::parse_and_validate(SCHEMA, "schema").map_err(|broken| broken.to_string())?;
        Ok(Self { schema })
    }

    /// A document that could have been answered so.
    pub(crate) fn guess(&self, call: &Call) -> Result<String, String> {
        let data = call.answer["data"]
            .as_object()
            .ok_or("its document was not recorded, and it has no data")?;
        let keyless = call.answer["errors"].to_string().contains("@idempotent");
        let (mut fields, mut declared, mut kind) = (String::new(), Vec::new(), "query");
        for (name, value) in data {
            let root = ["QueryRoot", "Mutation"]
                .into_iter()
                .find_map(|on| Some((on, self.field(on, name)?)));
            let Some((on, field)) = root else {
                return Err(format!(
                    "'{name}' is an alias, or not in the pretend schema"
                ));
            };
            if on == "Mutation" {
                kind = "mutation";
            }
            let mut given = Vec::new();
            for argument in &field.arguments {
                if call.variables.contains_key(argument.name.as_str()) {
                    declared.push(format!("${}: {}", argument.name, argument.ty));
                    given.push(format!("{0}: ${0}", argument.name));
                }
            }
            let _ = write!(fields, " {name}");
            if !given.is_empty() {
                let _ = write!(fields, "({})", given.join(", "));
            }
            if call.variables.contains_key("idempotencyKey") && !keyless {
                declared.push("$idempotencyKey: String!".to_owned());
                fields.push_str(" @idempotent(key: $idempotencyKey)");
            }
            self.select(field.ty.inner_named_type(), value, call, &mut fields)?;
        }
        let declared = if declared.is_empty() {
            String::new()
        } else {
            format!("({})", declared.join(", "))
        };
        Ok(format!("{kind}{declared} {{{fields} }}"))
    }

    fn field(&self, on: &str, name: &str) -> Option<&FieldDefinition> {
        let on = Name::new(on).ok()?;
        self.schema
            .type_field(&on, name)
            .ok()
            .map(|field| &field.node)
            .map(std::ops::Deref::deref)
    }

    /// Selects what the value has; of what is null or empty, the least that can be selected.
    fn select(
        &self,
        on: &Name,
        value: &Value,
        call: &Call,
        into: &mut String,
    ) -> Result<(), String> {
        match self.schema.types.get(on) {
            Some(ExtendedType::Object(_) | ExtendedType::Interface(_)) => {}
            Some(ExtendedType::Union(_)) => {
                into.push_str(" { __typename");
                if let Some(Ok(member)) = value["__typename"].as_str().map(Name::new) {
                    let _ = write!(into, " ... on {member}");
                    self.select(&member, value, call, into)?;
                }
                into.push_str(" }");
                return Ok(());
            }
            _ => return Ok(()),
        }
        let mut sample = Map::new();
        match value {
            Value::Object(fields) => sample.clone_from(fields),
            Value::Array(values) => {
                for fields in values.iter().filter_map(Value::as_object) {
                    sample.extend(fields.clone());
                }
            }
            _ => {}
        }
        into.push_str(" {");
        if sample.is_empty() {
            let least = if on.ends_with("Error") {
                " field message"
            } else {
                " __typename"
            };
            into.push_str(least);
        }
        for (name, inside) in sample.iter().filter(|(name, _)| *name != "__typename") {
            let Some(field) = self.field(on, name) else {
                return Err(format!(
                    "'{name}' of {on} is an alias, or not in the pretend schema"
                ));
            };
            let _ = write!(into, " {name}");
            let given = field.arguments.iter().filter_map(|argument| {
                let value = argument_of(argument.name.as_str(), inside, call)?;
                (argument.is_required() || argument.name == "first")
                    .then(|| format!("{}: {value}", argument.name))
            });
            let given: Vec<String> = given.collect();
            if !given.is_empty() {
                let _ = write!(into, "({})", given.join(", "));
            }
            self.select(field.ty.inner_named_type(), inside, call, into)?;
        }
        into.push_str(" }");
        Ok(())
    }
}

/// What an argument of a field deep inside may have been.
fn argument_of(name: &str, value: &Value, call: &Call) -> Option<String> {
    match name {
        "first" => Some("10".to_owned()),
        "names" => {
            let names = value
                .as_array()?
                .iter()
                .filter_map(|row| row["name"].as_str());
            Some(format!("{:?}", names.collect::<Vec<_>>()))
        }
        "locationId" => {
            let all = format!("{} {}", Value::Object(call.variables.clone()), call.answer);
            let start = all.find("gid://shopify/Location/")?;
            Some(format!("\"{}\"", all[start..].split('"').next()?))
        }
        _ => None,
    }
}
