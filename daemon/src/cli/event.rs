//! An event of the live stream as people read it: one line each.

use schemas::Timestamp;
use serde_json::Value;

use super::terminal::{Colour, Terminal};

/// Whether something is otherwise after it than before.
pub(super) fn is_change(name: &str, payload: &Value) -> bool {
    let data = &payload["data"];
    match name {
        "connected" | "shopify:webhook:received" => false,
        "inventory:updated" => {
            data["previousAvailable"].is_null() || data["previousAvailable"] != data["available"]
        }
        "shopify:syncStatus" => {
            let count = |key: &str| data[key].as_u64().unwrap_or_default();
            let is_over = data["state"] == "completed" || data["state"] == "cancelled";
            data["state"] == "failed"
                || is_over && count("changed") + count("deleted") + count("drift") > 0
        }
        // A product is told as updated with every sale of one of its variants, because Shopify touches it then.
        "notification" => data["event"] != "product:updated",
        _ => !name.ends_with(":progress"),
    }
}

/// An event in one line for people.
pub(super) fn line(terminal: &Terminal, name: &str, payload: &Value) -> String {
    let at = payload["timestamp"]
        .as_str()
        .and_then(|time| time.parse::<Timestamp>().ok());
    let time = at.map(|at| terminal.time(at)).unwrap_or_default();
    let (what, colour) = told(name, payload);
    terminal.line(&format!("{time:<8} {name:<19} {what}"), colour)
}

fn told(name: &str, payload: &Value) -> (String, Colour) {
    let data = &payload["data"];
    let text = |key: &str| data[key].as_str().unwrap_or("–");
    match name {
        "inventory:updated" | "inventory:lowStock" | "inventory:restocked" => stock(name, data),
        "inventory:reservation" => {
            let state = text("state");
            let items = data["items"].as_array().map_or(&[][..], Vec::as_slice);
            let count: i64 = items
                .iter()
                .filter_map(|item| item["quantity"].as_i64())
                .sum();
            let reference = data["reference"]
                .as_str()
                .map(|it| format!(" {it}"))
                .unwrap_or_default();
            let colour = if state == "rejected" {
                Colour::Red
            } else {
                Colour::Cyan
            };
            (
                format!(
                    "{state:<9} {count} reserved{reference}, {} ({})",
                    text("reason"),
                    text("reservationId")
                ),
                colour,
            )
        }
        "command:updated" => {
            let state = text("state");
            let colour = match state {
                "accepted" | "sending" | "confirmed" => Colour::Plain,
                _ => Colour::Red,
            };
            (
                format!(
                    "{} {state} by {}: {}",
                    text("kind"),
                    text("by"),
                    text("reason")
                ),
                colour,
            )
        }
        "order:updated" => {
            let what = format!(
                "{:<8} {:<9} {} {}, {} items",
                text("name"),
                text("status"),
                text("total"),
                text("currency"),
                data["itemCount"]
            );
            (what, Colour::Cyan)
        }
        "shopify:webhook:received" => (text("topic").to_owned(), Colour::Dim),
        "connected" => {
            let text = |key: &str| payload[key].as_str().unwrap_or("–");
            (
                format!("as {} ({})", text("userId"), text("role")),
                Colour::Dim,
            )
        }
        _ if name.starts_with("shopify:") && data["resource"].is_string() => run(data),
        _ if data.is_null() => (pairs(payload), Colour::Plain),
        _ => (pairs(data), Colour::Plain),
    }
}

/// An object of no kind known here, what is in it and nothing else.
fn pairs(object: &Value) -> String {
    let Some(fields) = object.as_object() else {
        return object.to_string();
    };
    // What happened says more than to whom.
    let (first, others): (Vec<_>, Vec<_>) = fields
        .iter()
        .filter(|(_, value)| !value.is_null())
        .partition(|(key, _)| *key == "event");
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    let first = first.into_iter().map(|(_, value)| text(value));
    let others = others
        .into_iter()
        .map(|(key, value)| format!("{key}={}", text(value)));
    first.chain(others).collect::<Vec<_>>().join(" ")
}

fn stock(name: &str, data: &Value) -> (String, Colour) {
    let text = |key: &str| data[key].as_str().unwrap_or("–");
    let (word, colour) = match (name, text("status")) {
        ("inventory:updated", _) => ("", Colour::Plain),
        ("inventory:restocked", _) => (" restocked", Colour::Green),
        (_, "out_of_stock") => (" OUT", Colour::Red),
        _ => (" LOW", Colour::Yellow),
    };
    let before = data["previousAvailable"]
        .as_i64()
        .map(|before| format!("{before} → "))
        .unwrap_or_default();
    let what = format!(
        "{} @ {} {before}{}{word}  {}",
        text("sku"),
        text("locationName"),
        data["available"],
        text("title")
    );
    (what, colour)
}

fn run(data: &Value) -> (String, Colour) {
    let text = |key: &str| data[key].as_str().unwrap_or("–");
    let number = |key: &str, before: &str, after: &str| {
        data[key]
            .as_u64()
            .map(|number| format!("{before}{number}{after}"))
            .unwrap_or_default()
    };
    let what = format!(
        "{} {} {}: {}{}{}, {} changed{}{}",
        text("resource"),
        text("kind"),
        text("state"),
        data["processed"],
        number("total", " of ", ""),
        number("percent", " (", " %)"),
        data["changed"],
        number("bulkObjects", ", ", " objects written by Shopify"),
        data["error"]
            .as_str()
            .map(|error| format!(": {error}"))
            .unwrap_or_default()
    );
    (
        what,
        if text("state") == "failed" {
            Colour::Red
        } else {
            Colour::Dim
        },
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_left_everything_as_it_was_is_no_change() {
        let stock = |before: Value, after: i64| {
            is_change(
                "inventory:updated",
                &json!({ "data": { "previousAvailable": before, "available": after } }),
            )
        };
        assert!(!stock(json!(115), 115) && stock(json!(115), 114) && stock(Value::Null, 3));
        let run = |state: &str, changed: u64| {
            is_change(
                "shopify:syncStatus",
                &json!({ "data": { "state": state, "changed": changed } }),
            )
        };
        assert!(
            !run("running", 9) && !run("completed", 0) && run("completed", 1) && run("failed", 0)
        );
        assert!(!is_change("shopify:webhook:received", &json!({})));
        assert!(!is_change("shopify:order:progress", &json!({})));
        assert!(
            is_change("inventory:lowStock", &json!({})) && is_change("order:updated", &json!({}))
        );
    }

    #[test]
    fn a_crossing_is_told_by_a_word_and_a_colour() {
        let level = |status: &str| json!({ "data": { "sku": "A-1", "locationName": "Berlin", "available": 3, "status": status, "title": "Scarf" } });
        assert_eq!(
            pairs(&json!({ "customerId": "7", "event": "x", "by": null, "n": 2 })),
            "x customerId=7 n=2"
        );
        let low = told("inventory:lowStock", &level("low_stock"));
        assert_eq!(
            low,
            ("A-1 @ Berlin 3 LOW  Scarf".to_owned(), Colour::Yellow)
        );
        assert_eq!(
            told("inventory:lowStock", &level("out_of_stock")).1,
            Colour::Red
        );
        assert_eq!(
            told("inventory:restocked", &level("in_stock")).1,
            Colour::Green
        );
    }
}
