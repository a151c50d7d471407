//! `--ttl`: how long something is good for, written in the same way everywhere.

use std::str::FromStr;

use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::{Serialize, Serializer};

/// A time that is longer than none, such as `30m`, `8h`, `7d` or `1h30m`; a number alone is seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime(pub(super) SignedDuration);

/// As the daemon takes it: in seconds.
impl Serialize for Lifetime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_secs().serialize(serializer)
    }
}

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused =
            || format!("{text:?} is no time: write a number and a unit, such as 30m, 8h or 7d");
        let read = if text.bytes().all(|byte| byte.is_ascii_digit()) {
            text.parse().ok().map(SignedDuration::from_secs)
        } else {
            // A day has 24 hours here, also when the clocks change; months have no length.
            let span: Option<Span> = text.parse().ok();
            span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()).ok())
        };
        match read {
            Some(time) if time.as_secs() > 0 => Ok(Self(time)),
            Some(_) => Err("must be a second at least".to_owned()),
            None => Err(refused()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_number_and_a_unit_days_too() {
        let seconds = |text: &str| text.parse::<Lifetime>().map(|time| time.0.as_secs());
        for (text, expected) in [
            ("90", 90),
            ("90s", 90),
            ("30m", 1_800),
            ("8h", 28_800),
            ("7d", 604_800),
        ] {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
        assert_eq!(seconds("1h30m"), Ok(5_400));
        assert_eq!(seconds("2w"), Ok(1_209_600));
        for text in ["0", "0s", "-8h", "500ms", ""] {
            assert!(seconds(text).is_err(), "{text}");
        }
        for text in ["soon", "8 foo", "1mo", "99999999999999999999"] {
            assert!(
                seconds(text).unwrap_err().contains("such as 30m, 8h or 7d"),
                "{text}"
            );
        }
    }
}
