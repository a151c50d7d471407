//! What comes from others: under which licence, from where, how often, and that it is used.

use std::collections::BTreeSet;
use std::fs;
use std::iter::Peekable;
use std::str::SplitWhitespace;

use cargo_metadata::{DependencyKind, Package};

use crate::ratchet::{count, hold};
use crate::{metadata, root, rust_files};

/// Licences that allow to give away the binary, with a notice at most.
const LICENCES: [&str; 10] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];

/// Crates that name no licence, and what their licence file is.
const UNNAMED: [(&str, &str); 1] = [("jsonpath-rust", "MIT")];

/// Crates that must not come in, and what we use in their place.
const BANNED: [(&str, &str); 3] = [
    ("async-std", "tokio is the one runtime"),
    ("native-tls", "TLS is rustls"),
    ("openssl-sys", "TLS is rustls, cryptography aws-lc-rs"),
];

/// Whether an SPDX expression leaves us a choice in which every licence is one of the list.
fn is_allowed(expression: &str) -> bool {
    fn any_of(words: &mut Peekable<SplitWhitespace>) -> bool {
        let mut holds = all_of(words);
        while words.next_if_eq(&"OR").is_some() {
            holds |= all_of(words);
        }
        holds
    }
    fn all_of(words: &mut Peekable<SplitWhitespace>) -> bool {
        let mut holds = one(words);
        while words.next_if_eq(&"AND").is_some() {
            holds &= one(words);
        }
        holds
    }
    fn one(words: &mut Peekable<SplitWhitespace>) -> bool {
        let word = words.next().unwrap();
        if word == "(" {
            let holds = any_of(words);
            assert_eq!(words.next(), Some(")"));
            return holds;
        }
        // An exception grants more than its licence.
        if words.next_if_eq(&"WITH").is_some() {
            words.next();
        }
        LICENCES.contains(&word)
    }
    // An older way to write "OR".
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    any_of(&mut spaced.split_whitespace().peekable())
}

#[test]
fn every_licence_is_one_of_the_list() {
    assert!(is_allowed("GPL-3.0 OR (MIT AND Zlib)") && is_allowed("ISC/GPL-3.0"));
    assert!(!is_allowed("MIT AND (GPL-3.0 OR LGPL-3.0)"));
    for package in metadata().packages {
        let named = package.license.as_deref();
        let unnamed = UNNAMED
            .iter()
            .find(|(name, _)| *name == package.name.as_str());
        let licence = named.or(unnamed.map(|(_, licence)| *licence));
        assert!(
            licence.is_some_and(is_allowed),
            "{} is under {licence:?}",
            package.name
        );
    }
}

#[test]
fn every_dependency_comes_from_the_registry() {
    for lock in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let text = fs::read_to_string(root().join(lock)).unwrap();
        for line in text.lines().filter(|line| line.starts_with("source = ")) {
            let registry = "registry+https://github.com/rust-lang/crates.io-index";
            assert_eq!(line, format!("source = \"{registry}\""), "{lock}");
        }
    }
}

#[test]
fn no_banned_crate_comes_in() {
    for package in metadata().packages {
        if let Some((name, why)) = BANNED
            .iter()
            .find(|(name, _)| *name == package.name.as_str())
        {
            panic!("{name} comes in: {why}");
        }
    }
}

/// What versions of a crate have in common that can stand in for each other.
fn compatible(package: &Package) -> String {
    let version = &package.version;
    match (version.major, version.minor) {
        (0, 0) => version.to_string(),
        (0, minor) => format!("0.{minor}"),
        (major, _) => major.to_string(),
    }
}

#[test]
fn no_crate_comes_in_two_major_versions() {
    let versions: BTreeSet<_> = metadata()
        .packages
        .iter()
        .map(|package| (package.name.to_string(), compatible(package)))
        .collect();
    let mut crates = count(versions.into_iter().map(|(name, _)| name));
    crates.retain(|_, count| *count > 1);
    hold(
        "versions.txt",
        &crates,
        "a crate comes in one major version",
    );
}

/// Whether the text has the word, not as a part of another.
fn names(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
    })
}

#[test]
fn every_dependency_is_named_in_the_sources_of_its_crate() {
    let files = rust_files();
    for package in metadata().workspace_packages() {
        let folder = package.manifest_path.parent().unwrap();
        for dependency in &package.dependencies {
            let name = dependency.rename.as_ref().unwrap_or(&dependency.name);
            // Tests alone would make it a dependency of development.
            let inside = match dependency.kind {
                DependencyKind::Normal => folder.join("src"),
                _ => folder.to_owned(),
            };
            let is_named = files.iter().any(|(path, text)| {
                path.starts_with(&inside) && names(text, &name.replace('-', "_"))
            });
            assert!(is_named, "{} does not use {name}", package.name);
        }
    }
}
