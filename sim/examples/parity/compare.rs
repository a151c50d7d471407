//! Compares two answers as far as two shops can be alike.

use serde_json::Value;

/// Of these only whether they are there counts: times, words, links, and what a shop's people wrote.
const LOOSE: [&str; 26] = [
    "completedAt",
    "callbackUrl",
    "count",
    "createdAt",
    "cursor",
    "documentation",
    "endCursor",
    "fileSize",
    "handle",
    "legacyResourceId",
    "locations",
    "message",
    "objectCount",
    "path",
    "problems",
    "query",
    "rootObjectCount",
    "sku",
    "startCursor",
    "throttleStatus",
    "title",
    "updatedAt",
    "uri",
    "url",
    "value",
    "displayName",
];

/// Where and how the second differs from the first, which was recorded; `exact` if the same document was sent.
pub(crate) fn differences(recorded: &Value, got: &Value, exact: bool) -> Vec<String> {
    let mut found = Vec::new();
    compare("", recorded, got, &mut found);
    // What the call cost says nothing if its document was guessed.
    found.retain(|difference| exact || !difference.starts_with(".extensions.cost"));
    found.sort_by_key(|difference| !difference.starts_with(".extensions"));
    found
}

fn compare(path: &str, recorded: &Value, got: &Value, found: &mut Vec<String>) {
    let key = path.rsplit('.').next().unwrap_or_default();
    if LOOSE.contains(&key) && recorded.is_null() == got.is_null() {
        return;
    }
    match (recorded, got) {
        (Value::Object(recorded), Value::Object(got)) => {
            let named = recorded.contains_key("name")
                && !["quantity", "delta"]
                    .iter()
                    .any(|key| recorded.contains_key(*key));
            for (key, value) in recorded {
                // The name of a place or a person is the shop's own.
                if !(named && key == "name") {
                    compare(
                        &format!("{path}.{key}"),
                        value,
                        got.get(key).unwrap_or(&Value::Null),
                        found,
                    );
                }
            }
            let more = got.keys().filter(|key| {
                !recorded.contains_key(*key) && *key != "search" && *key != "__typename"
            });
            found.extend(more.map(|key| format!("{path}.{key}: only here")));
        }
        (Value::Array(recorded), Value::Array(got)) => {
            let listed = ["nodes", "edges"].contains(&key);
            if !listed && recorded.len() != got.len() {
                found.push(format!(
                    "{path}: {} recorded, {} here",
                    recorded.len(),
                    got.len()
                ));
            }
            for (number, (recorded, got)) in recorded.iter().zip(got).enumerate() {
                compare(&format!("{path}.{number}"), recorded, got, found);
            }
        }
        (Value::String(recorded), Value::String(got)) if same_kind(recorded, got) => {}
        (Value::Number(recorded), Value::Number(got)) if recorded.as_f64() == got.as_f64() => {}
        _ if recorded == got => {}
        _ => found.push(format!(
            "{path}: {} recorded, {} here",
            brief(recorded),
            brief(got)
        )),
    }
}

/// Two ids of the same kind.
fn same_kind(recorded: &str, got: &str) -> bool {
    let kind = |text: &str| {
        text.strip_prefix("gid://")
            .and_then(|rest| rest.split('/').nth(1).map(str::to_owned))
    };
    recorded == got || kind(recorded).is_some_and(|recorded| Some(recorded) == kind(got))
}

fn brief(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() > 90 {
        format!("{}…", text.chars().take(90).collect::<String>())
    } else {
        text
    }
}
