//! Lists of exceptions that only shrink: what is new fails a test, and so does an entry that is no longer needed.

use std::collections::BTreeMap;
use std::fs;

use crate::root;

/// How often each exception to a rule is found.
pub(crate) type Exceptions = BTreeMap<String, usize>;

/// Counts what a rule finds.
pub(crate) fn count(found: impl IntoIterator<Item = String>) -> Exceptions {
    let mut counts = Exceptions::new();
    for one in found {
        *counts.entry(one).or_default() += 1;
    }
    counts
}

/// Compares what is found with the list in this folder, which has a count and an exception on each line.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever takes an exception away rewrites the list with the same command"
)]
pub(crate) fn hold(list: &str, found: &Exceptions, rule: &str) {
    let path = root().join("tests/tidy").join(list);
    let listed = fs::read_to_string(&path).unwrap();
    let allowed: BTreeMap<&str, usize> = listed
        .lines()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(count, what)| (what, count.parse().unwrap()))
        .collect();
    let new: Vec<_> = found
        .iter()
        .filter(|(what, count)| **count > allowed.get(what.as_str()).copied().unwrap_or(0))
        .collect();
    assert!(new.is_empty(), "{rule}, but not {new:?}");
    let lines: Vec<_> = found
        .iter()
        .map(|(what, count)| format!("{count} {what}\n"))
        .collect();
    let wanted = lines.concat();
    if std::env::var_os("SHRINK").is_some() {
        fs::write(&path, wanted).unwrap();
    } else {
        assert!(
            listed == wanted,
            "tests/tidy/{list} may shrink: run `SHRINK=1 cargo test -p tests --test tidy`"
        );
    }
}
