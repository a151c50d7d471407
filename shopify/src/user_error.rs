//! What a mutation that was carried out says against what it was asked: `userErrors`.

use serde::Deserialize;

use crate::client::shortened;
use crate::document::Document;
use crate::error::Error;

/// One of them. Not every mutation's has a code.
#[derive(Default, Deserialize)]
pub(crate) struct MutationError {
    message: String,
    code: Option<String>,
}

impl MutationError {
    pub(crate) fn code(&self) -> &str {
        self.code.as_deref().unwrap_or_default()
    }

    /// The first of a mutation that had no result; there may be none.
    pub(crate) fn refusal(document: &Document, first: Option<Self>) -> Error {
        let Self { message, code } = first.unwrap_or_default();
        let code = code
            .map(|code| format!(" ({})", shortened(&code)))
            .unwrap_or_default();
        Error::Declined {
            document: document.name,
            words: shortened(&message) + &code,
        }
    }
}
