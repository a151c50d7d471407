//! Somebody who takes commands and carries none out.

use std::time::Duration;

use async_trait::async_trait;
use schemas::command::CommandKind;
use schemas::{ErrorBody, ErrorCode, Identity};
use serde_json::{Value, json};

use crate::CommandHandler;

/// Answers with what it was asked. A payload with `takes` is answered after so many seconds, one without a `reason`
/// is refused.
pub(super) struct FakeCommands;

#[async_trait]
impl CommandHandler for FakeCommands {
    async fn run(
        &self,
        by: &Identity,
        shop: Option<&str>,
        kind: CommandKind,
        payload: Value,
    ) -> Result<Value, ErrorBody> {
        tokio::time::sleep(Duration::from_secs(payload["takes"].as_u64().unwrap_or(0))).await;
        if payload["reason"].is_null() {
            let field = Some("reason".to_owned());
            return Err(ErrorBody {
                field,
                ..ErrorBody::new(ErrorCode::Conflict, "no reason")
            });
        }
        Ok(json!({ "by": by.user_id, "shop": shop, "kind": kind, "payload": payload }))
    }
}
