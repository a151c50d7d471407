//! The file and the variables over it: which setting stands where, and what is wrong with it in a sentence.
//!
//! **No error repeats a value.** A secret may stand anywhere: in a line with a misspelt key, in one of the wrong type, in
//! the setting beside its own. File, line, column and the name of the setting say where to look. (An origin is shown as
//! browsers would write it.)

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue, Deserializer};

use super::settings::{names, nearest, out_of_range};
use super::{Config, ConfigError, ConfigFault, Environment};

/// Sections of which there may be several.
const LISTS: [&str; 6] = ["email", "levels", "server", "shop", "slack", "webhook"];
/// Variables that are no settings: those of the command line and of the clients.
const OTHER_VARIABLES: [&str; 2] = ["STOCKD_TOKEN", "STOCKD_URL"];

/// Where each setting stands, by its path, such as `shop[1].domain`.
#[derive(Debug, Clone, Default)]
pub(super) struct Places {
    file: String,
    lines: BTreeMap<String, String>,
}

impl Places {
    /// Where that stands, or else the section that it would stand in.
    pub(super) fn of(&self, path: &str) -> &str {
        let mut path = path;
        loop {
            if let Some(place) = self.lines.get(path) {
                return place;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return &self.file,
            }
        }
    }

    /// The fault with its place.
    pub(super) fn refusal(&self, fault: &ConfigFault) -> ConfigError {
        ConfigError::invalid(
            self.of(&fault.path),
            format_args!("{} {}", name(&fault.path), fault.why),
        )
    }
}

/// A path as people call it: line and column say which of several it is.
fn name(path: &str) -> String {
    let mut name = String::new();
    for part in path.split('[') {
        name.push_str(part.split_once(']').map_or(part, |(_, rest)| rest));
    }
    name
}

/// A value and where it stands.
struct FoundValue<'v, 't> {
    path: String,
    key: Range<usize>,
    value: &'v Spanned<DeValue<'t>>,
}

/// Reads the configuration; what each setting means is still to be checked.
pub(super) fn read(
    text: &str,
    file: &str,
    environment: &Environment,
) -> Result<Config, ConfigError> {
    let mut root = DeTable::parse(text).map_err(|error| {
        let place = error
            .span()
            .map_or_else(|| file.to_owned(), |span| position(text, file, span.start));
        ConfigError::invalid(place, format_args!("this is no TOML: {}", error.message()))
    })?;
    let variables = lay_over(root.get_mut(), text.len(), environment)?;
    // What came from a variable stands beyond the text's end: see `lay_over`.
    let place = |at: usize| match at
        .checked_sub(text.len() + 1)
        .and_then(|beyond| variables.get(beyond))
    {
        Some(variable) => (*variable).to_owned(),
        None => position(text, file, at),
    };
    let mut found = Vec::new();
    walk(root.get_ref(), "", &mut found);
    let mut places = Places {
        file: file.to_owned(),
        lines: BTreeMap::new(),
    };
    for FoundValue { path, value, .. } in &found {
        places.lines.insert(path.clone(), place(value.span().start));
    }
    let names = names();
    for FoundValue { path, value, .. } in &found {
        if let Some(why) = misshapen(path, value.get_ref(), &names) {
            return Err(places.refusal(&ConfigFault {
                path: path.clone(),
                why,
            }));
        }
    }
    match Config::deserialize(Deserializer::from(root.clone())) {
        Ok(config) => Ok(Config { places, ..config }),
        Err(error) => {
            let span = error.span().unwrap_or_default();
            let of_key = found.iter().find(|found| found.key == span);
            let of_value = found.iter().rev().find(|found| found.value.span() == span);
            let found = of_key.or(of_value);
            let path = found.map_or("", |found| found.path.as_str());
            let fault = explain(error.message(), path);
            Err(ConfigError::invalid(
                place(span.start),
                format_args!("{} {}", name(&fault.path), fault.why),
            ))
        }
    }
}

/// What can be said of a value before it is known what it means.
fn misshapen(path: &str, value: &DeValue<'_>, names: &[String]) -> Option<String> {
    // One of several, and not all of them.
    let is_element = path.ends_with(']');
    let name = name(path);
    let is_section = names.iter().any(|other| {
        other
            .strip_prefix(name.as_str())
            .is_some_and(|rest| rest.starts_with('.'))
    });
    let is_list = LISTS.contains(&name.rsplit('.').next().unwrap_or_default());
    match value {
        DeValue::Array(list) if is_list && list.iter().all(|one| one.get_ref().is_table()) => None,
        DeValue::Table(_) if is_section && is_list && !is_element => Some(format!(
            "may stand there several times: write [[{name}]] for [{name}]"
        )),
        DeValue::Table(_) => None,
        DeValue::Array(_) if is_section && !is_list => {
            Some(format!("stands there once: write [{name}] for [[{name}]]"))
        }
        _ if is_section && is_list => Some(format!("is a section: write [[{name}]]")),
        _ if is_section => Some(format!("is a section: write [{name}]")),
        DeValue::String(text) if text.trim().is_empty() => {
            Some("is empty: say something, or take it out".to_owned())
        }
        DeValue::Integer(number) => {
            let number = i128::from_str_radix(number.as_str(), number.radix());
            out_of_range(&name, number.unwrap_or(i128::MAX))
        }
        _ => None,
    }
}

/// File, line and column, the first of each being 1.
fn position(text: &str, file: &str, at: usize) -> String {
    let before = text.get(..at).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    let (lines, columns) = (before.matches('\n').count() + 1, line.chars().count() + 1);
    format!("{file}, line {lines}, column {columns}")
}

fn walk<'v, 't>(table: &'v DeTable<'t>, path: &str, found: &mut Vec<FoundValue<'v, 't>>) {
    for (key, value) in table {
        let dot = if path.is_empty() { "" } else { "." };
        visit(
            format!("{path}{dot}{}", key.get_ref()),
            key.span(),
            value,
            found,
        );
    }
}

fn visit<'v, 't>(
    path: String,
    key: Range<usize>,
    value: &'v Spanned<DeValue<'t>>,
    found: &mut Vec<FoundValue<'v, 't>>,
) {
    let inside = path.clone();
    found.push(FoundValue { path, key, value });
    match value.get_ref() {
        DeValue::Table(table) => walk(table, &inside, found),
        DeValue::Array(list) => {
            for (n, element) in list.iter().enumerate() {
                visit(format!("{inside}[{n}]"), element.span(), element, found);
            }
        }
        _ => {}
    }
}

/// What serde says, without the value that it repeats.
fn explain(message: &str, path: &str) -> ConfigFault {
    let at = |field: &str| {
        if path.is_empty() {
            field.to_owned()
        } else {
            format!("{path}.{field}")
        }
    };
    // Everything before the last "expected" may be the value.
    let expected = |message: &str| {
        message
            .rsplit_once(", expected ")
            .map(|(_, expected)| expected.to_owned())
    };
    let fault = |path: &str, why: String| ConfigFault {
        path: path.to_owned(),
        why,
    };
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let (field, known) = rest.split_once("`, ").unwrap_or((rest, ""));
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        let meant = nearest(field, known.iter().copied());
        let meant = meant.map_or_else(String::new, |meant| format!("did you mean {meant}? "));
        return fault(
            path,
            format!("is no setting: {meant}There are {}", known.join(", ")),
        );
    }
    if let Some(field) = message.strip_prefix("missing field `") {
        let field = field.trim_end_matches('`');
        return fault(&at(field), format!("is missing: write {field} = … there"));
    }
    if message.starts_with("unknown variant `") {
        let words = expected(message).unwrap_or_default().replace('`', "\"");
        return fault(path, format!("must be {words}"));
    }
    if message.starts_with("invalid ") {
        return fault(
            path,
            format!(
                "must be {}",
                in_words(&expected(message).unwrap_or_default())
            ),
        );
    }
    // Our own sentences begin with the value, in quotes, in which quotes are escaped.
    let mut escaped = false;
    let end = message.strip_prefix('"').and_then(|rest| {
        rest.find(|letter| {
            let ends = letter == '"' && !escaped;
            escaped = letter == '\\' && !escaped;
            ends
        })
    });
    fault(
        path,
        end.map_or(message, |end| message[end + 2..].trim_start())
            .to_owned(),
    )
}

/// What serde expects, in words for people.
fn in_words(expected: &str) -> &str {
    match expected {
        "a sequence" => "a list, such as [\"one\", \"two\"]",
        "a string" => {
            "a text: put one that looks like a number into quotes of its own, '\"7\"' in a variable"
        }
        "a boolean" => "true or false",
        "a map" => "a section",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i64" => "a whole number",
        section if section.starts_with("struct ") => "a section",
        other => other,
    }
}

/// Lays `STOCKD_<SECTION>__<KEY>` over the file, of several sections over the first. The n-th variable's value stands
/// n bytes beyond the file's end, so that an error about it leads back to its name.
fn lay_over<'t>(
    root: &mut DeTable<'t>,
    end: usize,
    environment: &'t Environment,
) -> Result<Vec<&'t str>, ConfigError> {
    let mut variables = Vec::new();
    for (variable, value) in environment.settings() {
        if OTHER_VARIABLES.contains(&variable) {
            continue;
        }
        let Some(path) = variable
            .strip_prefix("STOCKD_")
            .filter(|path| path.contains("__"))
        else {
            stray(variable)?;
            continue;
        };
        let value = value.ok_or_else(|| ConfigError::invalid(variable, "is not UTF-8"))?;
        let at = end + 1 + variables.len();
        variables.push(variable);
        let keys: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
        let refuse =
            || ConfigError::invalid(variable, "names no setting: write STOCKD_<SECTION>__<KEY>");
        let (key, sections) = keys.split_last().ok_or_else(refuse)?;
        let mut here = &mut *root;
        for section in sections {
            if !here.contains_key(section.as_str()) {
                let mut fresh = Spanned::new(at..at, DeValue::Table(DeTable::new()));
                if LISTS.contains(&section.as_str()) {
                    fresh = Spanned::new(at..at, DeValue::Array(DeArray::from_iter([fresh])));
                }
                here.insert(Spanned::new(at..at, Cow::Owned(section.clone())), fresh);
            }
            let mut entry = here.get_mut(section.as_str()).ok_or_else(refuse)?.get_mut();
            if let DeValue::Array(list) = entry {
                entry = list.first_mut().ok_or_else(refuse)?.get_mut();
            }
            let DeValue::Table(table) = entry else {
                return Err(refuse());
            };
            here = table;
        }
        // Removed first: else the key would stay where the file has it.
        here.remove(key.as_str());
        here.insert(
            Spanned::new(at..at + 1, Cow::Owned(key.clone())),
            placed(literal(value), at),
        );
    }
    Ok(variables)
}

/// A variable that begins as ours do and has no section. One that was meant as a setting would be without effect.
fn stray(variable: &str) -> Result<(), ConfigError> {
    let spelled = variable.trim_start_matches("STOCKD_");
    let names = names();
    let exact = names
        .iter()
        .find(|name| name.replace('.', "_").eq_ignore_ascii_case(spelled));
    // Kubernetes and Docker set these for a service of our name: STOCKD_SERVICE_HOST, STOCKD_PORT_8080_TCP_ADDR.
    let of_platform =
        spelled.split('_').any(|word| word == "PORT") || spelled.ends_with("SERVICE_HOST");
    if exact.is_none() && of_platform {
        return Ok(());
    }
    let section = spelled
        .split_once('_')
        .map(|(section, _)| section.to_ascii_lowercase());
    let in_section = section.is_some_and(|section| {
        names
            .iter()
            .any(|name| name.split('.').next() == Some(&*section))
    });
    let as_variable =
        |name: &str| format!("STOCKD_{}", name.replace('.', "__").to_ascii_uppercase());
    match exact
        .map(String::as_str)
        .or_else(|| nearest(spelled, names.iter().map(String::as_str)))
    {
        Some(meant) => Err(ConfigError::invalid(
            variable,
            format_args!(
                "names no setting: write {}, with two underscores after each section",
                as_variable(meant)
            ),
        )),
        None if in_section => Err(ConfigError::invalid(
            variable,
            "names no setting: write STOCKD_<SECTION>__<KEY>, with two underscores, such as STOCKD_SERVER__LISTEN",
        )),
        None => {
            tracing::warn!(
                variable,
                "a variable names no setting and has no effect: settings are written STOCKD_<SECTION>__<KEY>"
            );
            Ok(())
        }
    }
}

/// A variable's text as the TOML value it spells, else as text. What would be written otherwise, such as `1_000`, is text,
/// too: it may be a secret, of which nothing must be lost.
fn literal(text: &str) -> DeValue<'_> {
    let is_meant = |value: &DeValue<'_>| match value {
        DeValue::Array(_) | DeValue::String(_) | DeValue::Table(_) => true,
        DeValue::Integer(_) => text
            .parse::<i64>()
            .is_ok_and(|number| number.to_string() == text),
        DeValue::Float(_) => text
            .parse::<f64>()
            .is_ok_and(|number| number.to_string() == text),
        DeValue::Boolean(_) => matches!(text, "true" | "false"),
        // No setting is one.
        DeValue::Datetime(_) => false,
    };
    let value = DeValue::parse(text)
        .ok()
        .map(Spanned::into_inner)
        .filter(is_meant);
    value.unwrap_or(DeValue::String(Cow::Borrowed(text)))
}

/// The value with all that is in it at that place.
fn placed(value: DeValue<'_>, at: usize) -> Spanned<DeValue<'_>> {
    let value = match value {
        DeValue::Array(list) => DeValue::Array(
            list.into_iter()
                .map(|one| placed(one.into_inner(), at))
                .collect(),
        ),
        DeValue::Table(table) => DeValue::Table(
            table
                .into_iter()
                .map(|(key, one)| {
                    (
                        Spanned::new(at..at + 1, key.into_inner()),
                        placed(one.into_inner(), at),
                    )
                })
                .collect(),
        ),
        plain => plain,
    };
    Spanned::new(at..at + 1, value)
}
