//! The calls in a file of recordings, in the order in which they stand there.

use apollo_compiler::response::JsonValue;
use serde_json::{Map, Value};

/// A call and what the real shop answered.
pub(crate) struct Call {
    /// The way to it in the file.
    pub(crate) name: String,
    pub(crate) query: Option<String>,
    pub(crate) variables: Map<String, Value>,
    pub(crate) answer: Value,
}

/// Finds every object with a `response`; only this reader of JSON keeps the order of an object's fields.
pub(crate) fn calls(text: &str) -> Result<Vec<Call>, serde_json::Error> {
    let file: JsonValue = serde_json::from_str(text)?;
    let mut found = Vec::new();
    walk(&file, "", &mut found)?;
    Ok(found)
}

fn walk(value: &JsonValue, name: &str, found: &mut Vec<Call>) -> Result<(), serde_json::Error> {
    let below = |part: &str| {
        if name.is_empty() {
            part.to_owned()
        } else {
            format!("{name}.{part}")
        }
    };
    match value {
        JsonValue::Object(fields) => {
            if let Some(response) = fields.get("response") {
                let response = serde_json::to_value(response)?;
                let answer = if response["payload"].is_object() {
                    response["payload"].clone()
                } else {
                    response
                };
                let variables = match fields
                    .get("variables")
                    .map(serde_json::to_value)
                    .transpose()?
                {
                    Some(Value::Object(variables)) => variables,
                    _ => Map::new(),
                };
                let query = fields
                    .get("query")
                    .and_then(JsonValue::as_str)
                    .map(str::to_owned);
                let name = if name.is_empty() {
                    "the whole file".to_owned()
                } else {
                    name.to_owned()
                };
                found.push(Call {
                    name,
                    query,
                    variables,
                    answer,
                });
            }
            for (key, value) in fields.iter().filter(|(key, _)| key.as_str() != "response") {
                walk(value, &below(key.as_str()), found)?;
            }
        }
        JsonValue::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                walk(value, &below(&number.to_string()), found)?;
            }
        }
        _ => {}
    }
    Ok(())
}
