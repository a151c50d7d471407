//! JSON that others wrote, read as JavaScript's `JSON.parse` reads it where serde is stricter.
//!
//! A text that was cut in the middle of a character (`'urgent 😀'.slice(0, -1)`) is JSON all the same: JavaScript writes
//! the half as the escape `\ud83d`, which is no Unicode, and Python and Node take it. Whatever a client, a broker or
//! Shopify sends is read here, so that such a text costs one character and never a message, a delivery or a connection.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// Reads JSON. What is no Unicode in it, a lone surrogate or bytes that are no UTF-8, becomes U+FFFD.
///
/// # Errors
/// As `serde_json` has them, with the place in what was sent.
pub fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, serde_json::Error> {
    // Texts are nearly always well formed, so nothing is looked for before something is wrong.
    serde_json::from_slice(json).or_else(|problem| match mended(json) {
        Some(json) => serde_json::from_slice(&json),
        None => Err(problem),
    })
}

/// The same JSON with U+FFFD in place of what is no Unicode; `None` when there is nothing of that kind.
pub fn mended(json: &[u8]) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(json);
    let was_utf8 = matches!(text, Cow::Borrowed(_));
    let mut mended = text.into_owned().into_bytes();
    let mut found = !was_utf8;
    let mut at = 0;
    // A backslash stands in strings only, or the JSON is none.
    while let Some(escape) = mended
        .get(at..)
        .and_then(|rest| rest.iter().position(|byte| *byte == b'\\'))
    {
        at += escape;
        match (unit(&mended, at), unit(&mended, at + ESCAPE_BYTES)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => at += 2 * ESCAPE_BYTES,
            (Some(0xD800..=0xDFFF), _) => {
                // As long as what it replaces, so that places in errors stay right.
                mended[at..at + ESCAPE_BYTES].copy_from_slice(REPLACEMENT);
                found = true;
                at += ESCAPE_BYTES;
            }
            // The character behind the backslash is its own, also where it is another backslash.
            _ => at += 2,
        }
    }
    found.then_some(mended)
}

/// Bytes of an escape such as `\ud83d`.
const ESCAPE_BYTES: usize = 6;
const REPLACEMENT: &[u8; ESCAPE_BYTES] = br"\ufffd";

/// The UTF-16 unit that is written there as an escape.
fn unit(json: &[u8], at: usize) -> Option<u16> {
    let digits = json.get(at..at + ESCAPE_BYTES)?.strip_prefix(br"\u")?;
    let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
    is_hex.then(|| u16::from_str_radix(str::from_utf8(digits).ok()?, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn value(json: &[u8]) -> Option<Value> {
        read(json).ok()
    }

    #[test]
    fn what_is_no_unicode_costs_one_character() {
        let lone = "\u{fffd}";
        for (json, expected) in [
            (
                &br#"["urgent \ud83d"]"#[..],
                json!([format!("urgent {lone}")]),
            ),
            (br#"["\uDE00 a"]"#, json!([format!("{lone} a")])),
            (br#"["\ud83dx"]"#, json!([format!("{lone}x")])),
            (br#"["\ud83d\n"]"#, json!([format!("{lone}\n")])),
            (
                br#"["\ud83d\ud83d\ude00"]"#,
                json!([format!("{lone}\u{1f600}")]),
            ),
            (br#"["\ude00\ud83d"]"#, json!([format!("{lone}{lone}")])),
            (br#"["\ud83d\\ud83d"]"#, json!([format!("{lone}\\ud83d")])),
            (br#"["\\\ud83d"]"#, json!([format!("\\{lone}")])),
            (
                br#"{"\ud83d": {"a\udfff": "\ud83d"}}"#,
                json!({ lone: { format!("a{lone}"): lone } }),
            ),
            (b"[\"a\xff\"]", json!([format!("a{lone}")])),
            (b"[\"\xed\xa0\xbd\"]", json!([lone.repeat(3)])),
            (
                br#"["\ud83d\ude00", "\\ud83d"]"#,
                json!(["\u{1f600}", "\\ud83d"]),
            ),
        ] {
            assert_eq!(
                value(json),
                Some(expected),
                "{}",
                String::from_utf8_lossy(json)
            );
        }
    }

    #[test]
    fn what_is_no_json_stays_none() {
        for json in [
            &br#"["\ud83"]"#[..],
            br#"["\ud83d]"#,
            br#"["\uzzzz"]"#,
            br"\ud83d",
            b"",
            b"[\xff]",
            br#"["\x\ud83d"]"#,
        ] {
            assert_eq!(value(json), None, "{}", String::from_utf8_lossy(json));
        }
        let error = read::<Value>(b"{\"a\": \"\\ud83d\",\n  nonsense}").unwrap_err();
        assert_eq!((error.line(), error.column()), (2, 3));
    }

    proptest! {
        #[test]
        fn any_units_in_a_string_are_taken_as_javascript_would(units: Vec<u16>) {
            let escapes = units.iter().fold(String::new(), |text, unit| text + &format!("\\u{unit:04x}"));
            let read: Result<String, _> = read(format!("\"{escapes}\"").as_bytes());
            prop_assert_eq!(read.unwrap(), String::from_utf16_lossy(&units));
        }

        #[test]
        fn nothing_panics(json: Vec<u8>) {
            let _ = value(&json);
        }
    }
}
