//! Positions in the log: `<epoch>.<sequence>`, opaque to clients.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The place of an entry in the log, counted from 1 across all shops; 0 is before the first.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
pub struct Sequence(pub u64);

/// One life of a database. A restored or replaced database begins another, so that an offset of the old one
/// is recognised as foreign instead of silently pointing somewhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Epoch(pub u32);

/// A position in one epoch's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Offset {
    /// Which life of the database.
    pub epoch: Epoch,
    /// Which entry in it.
    pub sequence: Sequence,
}

/// The text is not an offset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an offset that this server gave out")]
pub struct OffsetError;

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.epoch, self.sequence)
    }
}

impl FromStr for Offset {
    type Err = OffsetError;
    fn from_str(text: &str) -> Result<Self, OffsetError> {
        let (epoch, sequence) = text.split_once('.').ok_or(OffsetError)?;
        if epoch.len() != 8
            || sequence.is_empty()
            || sequence.len() > 19
            || !sequence.bytes().all(|b| b.is_ascii_digit())
        {
            return Err(OffsetError);
        }
        Ok(Self {
            epoch: Epoch(u32::from_str_radix(epoch, 16).map_err(|_| OffsetError)?),
            sequence: Sequence(sequence.parse().map_err(|_| OffsetError)?),
        })
    }
}

impl TryFrom<String> for Offset {
    type Error = OffsetError;
    fn try_from(text: String) -> Result<Self, OffsetError> {
        text.parse()
    }
}

impl From<Offset> for String {
    fn from(offset: Offset) -> Self {
        offset.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_reads_back_what_it_wrote_and_refuses_the_rest() {
        let offset = Offset {
            epoch: Epoch(0xbeef),
            sequence: Sequence(42),
        };
        assert_eq!(offset.to_string(), "0000beef.42");
        assert_eq!(offset.to_string().parse(), Ok(offset));
        for bad in [
            "",
            "42",
            "0000beef.",
            "0000beef.-1",
            "beef.42",
            "0000beef.42.1",
            "0000beef.99999999999999999999",
        ] {
            assert_eq!(bad.parse::<Offset>(), Err(OffsetError), "{bad}");
        }
    }
}
