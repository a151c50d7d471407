//! Amounts of money: exact decimal text, never floating point.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A decimal amount in one spelling: at least two decimals, no superfluous zeros beyond them.
///
/// Shopify spells one amount several ways (`"20"`, `"20.0"`, `"20.00"`); two mirrors of it must compare equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Money(String);

/// The text is not a decimal amount.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal amount such as \"19.99\"")]
pub struct MoneyError;

impl Money {
    /// The amount as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Money {
    type Err = MoneyError;
    fn from_str(text: &str) -> Result<Self, MoneyError> {
        let (sign, rest) = text
            .strip_prefix('-')
            .map_or(("", text), |rest| ("-", rest));
        let (whole, decimals) = rest.split_once('.').unwrap_or((rest, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || text.len() > 32 || !digits(whole) || !digits(decimals) {
            return Err(MoneyError);
        }
        let whole = whole.trim_start_matches('0');
        let whole = if whole.is_empty() { "0" } else { whole };
        let decimals = decimals.trim_end_matches('0');
        let zero = whole == "0" && decimals.is_empty();
        Ok(Self(format!(
            "{}{whole}.{decimals:0<2}",
            if zero { "" } else { sign }
        )))
    }
}

impl TryFrom<String> for Money {
    type Error = MoneyError;
    fn try_from(text: String) -> Result<Self, MoneyError> {
        text.parse()
    }
}

impl From<Money> for String {
    fn from(money: Money) -> Self {
        money.0
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_an_amount_is_the_same_amount() {
        for (text, expected) in [
            ("20", "20.00"),
            ("20.0", "20.00"),
            ("020.000", "20.00"),
            ("19.999", "19.999"),
            ("-0.0", "0.00"),
            ("-5", "-5.00"),
        ] {
            assert_eq!(text.parse::<Money>().unwrap().as_str(), expected);
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for bad in [
            "",
            ".5",
            "1e3",
            "1,00",
            "--1",
            "NaN",
            "1.2.3",
            "99999999999999999999999999999999999",
        ] {
            assert!(bad.parse::<Money>().is_err(), "{bad}");
        }
    }
}
