//! What holds for the source itself: who may use whom, how a file begins, what is not to be found in it.
#![expect(
    clippy::unwrap_used,
    reason = "all of this is test code: what goes wrong here fails the test"
)]

mod dependencies;
mod ratchet;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// Crates that only decide, and what would let them do something.
const PURE: [&str; 2] = ["domain", "schemas"];
const OUTSIDE: [&str; 6] = [
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::time",
    "tokio::",
];
const EFFECTS: [&str; 8] = [
    "hyper",
    "mio",
    "reqwest",
    "rusqlite",
    "socket2",
    "tokio",
    "tokio-util",
    "warp",
];

/// The platform that stockd is built for.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        // What other systems would need is never built.
        .other_options(["--filter-platform".into(), PLATFORM.into()])
        .exec()
        .unwrap()
}

/// Which of our crates each uses, by the table of crates in ARCHITECTURE.md: the first cell of a row and the last.
fn arrows() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let (_, table) = text.split_once("| crate |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let quoted = |cell: &str| -> BTreeSet<String> {
        let words = cell.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect()
    };
    let row = |line: &str| {
        let cells: Vec<_> = line.trim_matches('|').split('|').collect();
        let name = quoted(cells.first().copied()?).pop_first()?;
        Some((name, quoted(cells.last().copied()?)))
    };
    table.lines().filter_map(row).collect()
}

/// Every file of ours, without what is built, fetched or not ours.
fn files() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            match name {
                ".git" | "target" | "node_modules" | "venv" | "demo-data" | "dist" => {}
                _ if path.is_dir() => walk(&path, found),
                _ => found.push(path),
            }
        }
    }
    let mut found = Vec::new();
    walk(&root(), &mut found);
    found.sort();
    assert!(found.len() > 100, "the walk does not find the source");
    found
}

fn rust_files() -> Vec<(PathBuf, String)> {
    let rust = files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|kind| kind == "rs"));
    rust.map(|path| (path.clone(), fs::read_to_string(path).unwrap()))
        .collect()
}

#[test]
fn crates_use_the_crates_that_the_architecture_names() {
    let (metadata, arrows) = (metadata(), arrows());
    let ours: BTreeSet<&str> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let used: BTreeSet<_> = package
            .dependencies
            .iter()
            .map(|used| used.name.clone())
            .filter(|used| ours.contains(used.as_str()))
            .collect();
        assert_eq!(arrows.get(name), Some(&used), "ARCHITECTURE.md on {name}");
        let folder = package.manifest_path.parent().unwrap().file_name().unwrap();
        assert_eq!(folder, name, "a crate is named like its folder");
    }
    assert_eq!(arrows.len(), ours.len(), "crates that are gone");
}

#[test]
fn pure_crates_reach_nothing_that_could_have_an_effect() {
    let metadata = metadata();
    let nodes = &metadata.resolve.as_ref().unwrap().nodes;
    let normal: BTreeMap<&PackageId, Vec<&PackageId>> = nodes
        .iter()
        .map(|node| {
            let uses = node.deps.iter().filter(|used| {
                used.dep_kinds
                    .iter()
                    .any(|kind| kind.kind == DependencyKind::Normal)
            });
            (&node.id, uses.map(|used| &used.pkg).collect())
        })
        .collect();
    for pure in PURE {
        let package = metadata
            .workspace_packages()
            .into_iter()
            .find(|package| package.name == pure)
            .unwrap();
        let (mut reached, mut open) = (BTreeSet::new(), vec![&package.id]);
        while let Some(id) = open.pop() {
            if reached.insert(id) {
                open.extend(&normal[id]);
            }
        }
        assert!(
            reached.len() > 3,
            "the walk does not find the dependencies of {pure}"
        );
        for id in reached {
            let name = metadata[id].name.as_str();
            assert!(!EFFECTS.contains(&name), "{pure} reaches {name}");
        }
    }
}

#[test]
fn pure_crates_name_nothing_outside() {
    for (path, text) in rust_files() {
        let within = path.strip_prefix(root()).unwrap();
        if !PURE.iter().any(|pure| within.starts_with(pure)) {
            continue;
        }
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            let outside = OUTSIDE.iter().find(|outside| line.contains(**outside));
            assert!(outside.is_none(), "{}: {line}", path.display());
        }
    }
}

#[test]
fn every_fuzz_target_has_seeds_that_a_test_replays() {
    let tests = ["tests/it/edge.rs", "ws/tests/seeds.rs"]
        .map(|test| fs::read_to_string(root().join(test)).unwrap())
        .concat();
    for target in fs::read_dir(root().join("fuzz/targets")).unwrap() {
        let target = target.unwrap().path();
        let name = target.file_stem().unwrap().to_str().unwrap();
        let seeds = root().join("fuzz/seeds").join(name);
        assert!(
            fs::read_dir(&seeds).is_ok_and(|mut seeds| seeds.next().is_some()),
            "{} has no seed",
            seeds.display()
        );
        assert!(tests.contains(&format!("fuzz/seeds/{name}")), "{name}");
    }
}

#[test]
fn shopifys_schema_is_pruned_once_for_those_who_ask_and_those_who_answer() {
    let pruned: Vec<_> = files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|kind| kind == "graphql"))
        .filter(|path| fs::read_to_string(path).unwrap().starts_with("# Pruned"))
        .collect();
    assert_eq!(pruned, [root().join("graphql/admin-2026-10.graphql")]);
}

#[test]
fn every_file_says_first_what_it_is_for() {
    for (path, text) in rust_files() {
        assert!(
            text.starts_with("//! "),
            "{} does not begin with `//!`",
            path.display()
        );
    }
}

#[test]
fn no_file_is_named_after_nothing() {
    for (path, _) in rust_files() {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let vague = ["common", "helper", "helpers", "misc", "util", "utils"].contains(&name);
        assert!(
            !vague,
            "{}: name it after the noun it holds",
            path.display()
        );
    }
}

#[test]
fn nothing_is_ignored_or_left_to_do() {
    // Spelled so that this file does not find itself.
    let unwanted = [
        concat!("#[", "ignore"),
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
        concat!("dbg", "!("),
    ];
    for (path, text) in rust_files() {
        for word in unwanted {
            assert!(!text.contains(word), "{} says {word}", path.display());
        }
    }
}

#[test]
fn links_of_documents_lead_somewhere() {
    for path in files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
    {
        let text = fs::read_to_string(&path).unwrap();
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            let target = path.parent().unwrap().join(link);
            assert!(target.exists(), "{} links to {link}", path.display());
        }
    }
}

#[test]
fn paths_in_documents_exist() {
    let top: BTreeSet<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut found = 0;
    for path in files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|kind| kind == "md"))
        // Of versions that are gone.
        .filter(|path| !path.ends_with("CHANGELOG.md"))
    {
        let text = fs::read_to_string(&path).unwrap();
        for word in text.split('`').skip(1).step_by(2) {
            let of_ours = word
                .split_once('/')
                .is_some_and(|(first, _)| top.contains(first));
            // Whoever writes a pattern or an invented name knows that it is none.
            if of_ours
                && !word.contains(|c: char| "*{}<>… ".contains(c))
                && !word.starts_with("target/")
            {
                assert!(
                    root().join(word).exists(),
                    "{} names {word}",
                    path.display()
                );
                found += 1;
            }
        }
    }
    assert!(found > 50, "the scan does not find the paths");
}

#[test]
fn every_decision_says_when_why_and_what_else() {
    let folder = root().join("docs/adr");
    let index = fs::read_to_string(folder.join("README.md")).unwrap();
    let mut numbers = BTreeSet::new();
    for path in files().into_iter().filter(|path| path.starts_with(&folder)) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if name == "README.md" {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for part in [
            "\nDate: 20",
            "Status: ",
            "\n## Why\n",
            "\n## Decision\n",
            "\n## Alternatives\n",
        ] {
            assert!(text.contains(part), "{name} has no {part:?}");
        }
        assert!(
            index.contains(name),
            "docs/adr/README.md does not list {name}"
        );
        assert!(
            numbers.insert(name[..4].to_owned()),
            "{name} has another's number"
        );
    }
    assert!(!numbers.is_empty());
}

#[test]
fn the_repository_stands_alone() {
    let foreign = [
        concat!("registry.", "npmjs"),
        concat!("static.", "crates.io"),
        concat!("index.", "crates.io"),
        concat!("/wo", "rk/"),
        concat!("/wo", "rk\""),
        concat!("files.", "pythonhosted"),
    ];
    for path in files() {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        for word in foreign {
            assert!(!text.contains(word), "{} mentions {word}", path.display());
        }
    }
}
