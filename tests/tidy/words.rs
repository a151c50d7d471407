//! Words: one name for one thing, questions that change nothing, docs that say something.

use std::path::Path;

use crate::ratchet::{count, hold};
use crate::{root, rust_files};

/// Shortest documentation that can say something, in characters.
const DOC_CHARACTERS_MIN: usize = 20;

/// Production code: whatever lies in a `src`, without its tests.
fn is_production(path: &Path) -> bool {
    let path = path.strip_prefix(root()).unwrap();
    let parts: Vec<_> = path
        .iter()
        .skip(1)
        .map(|part| part.to_str().unwrap())
        .collect();
    parts.first() == Some(&"src") && !parts.contains(&"tests") && !parts.contains(&"tests.rs")
}

/// The name of the type that a line declares at the top of a file.
fn declared_type(line: &str) -> Option<String> {
    let line = ["pub ", "pub(crate) ", "pub(super) "]
        .iter()
        .find_map(|visibility| line.strip_prefix(visibility))
        .unwrap_or(line);
    let (keyword, rest) = line.split_once(' ')?;
    ["enum", "struct", "trait", "type", "union"]
        .contains(&keyword)
        .then(|| first_name(rest).to_owned())
}

/// The text up to the first character that no name has.
fn first_name(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    &text[..end.unwrap_or(text.len())]
}

/// Every function whose name asks a question and which may change what it asks.
fn changing_questions(text: &str) -> impl Iterator<Item = String> {
    ["is_", "has_"]
        .into_iter()
        .flat_map(|prefix| text.split("fn ").filter(move |of| of.starts_with(prefix)))
        .filter(|function| {
            let receiver = function.split_once('(').map_or("", |(_, rest)| rest);
            let receiver = receiver.split([',', ')']).next().unwrap_or_default();
            receiver.contains("mut self")
        })
        .map(|function| first_name(function).to_owned())
}

/// The doc comments of a file, each in one line.
fn docs(text: &str) -> Vec<String> {
    let mut docs: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        let doc = line.trim_start().strip_prefix("///");
        match (doc, docs.last_mut()) {
            (Some(more), Some(doc)) if goes_on => doc.extend([" ", more.trim()]),
            (Some(first), _) => docs.push(first.trim().to_owned()),
            (None, _) => {}
        }
        goes_on = doc.is_some();
    }
    docs
}

#[test]
fn no_two_types_share_a_name() {
    let types = rust_files()
        .into_iter()
        .filter(|(path, _)| is_production(path))
        .flat_map(|(_, text)| {
            text.lines()
                .filter_map(declared_type)
                .collect::<Vec<String>>()
        });
    let mut types = count(types);
    assert!(types.len() > 300, "the scan does not find the types");
    types.retain(|_, count| *count > 1);
    hold(
        "type_names.txt",
        &types,
        "a type has a name of its own in the whole workspace",
    );
}

#[test]
fn questions_change_nothing() {
    assert_eq!(
        changing_questions("fn is_set(\n    &mut self,\n) fn has_it(&self) fn is_on(&'a mut self)")
            .collect::<Vec<_>>(),
        ["is_set", "is_on"]
    );
    let functions = rust_files()
        .into_iter()
        .filter(|(path, _)| !path.ends_with("tidy/words.rs"))
        .flat_map(|(_, text)| changing_questions(&text).collect::<Vec<_>>());
    hold(
        "questions.txt",
        &count(functions),
        "`is_` and `has_` take `&self`: what changes something is named by its deed",
    );
}

#[test]
fn docs_say_something() {
    let short = rust_files()
        .into_iter()
        .flat_map(|(_, text)| docs(&text))
        .filter(|doc| doc.chars().count() < DOC_CHARACTERS_MIN);
    hold(
        "short_docs.txt",
        &count(short),
        "docs give the unit, the bound or the meaning of `None`",
    );
}
