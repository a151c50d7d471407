//! Runs one command of a client, with a bound on the time that the client waits for its answer.

use std::sync::Arc;

use schemas::command::CommandKind;
use schemas::{ErrorBody, ErrorCode, Identity};
use serde_json::Value;
use tokio::time::timeout;

use crate::limits::COMMAND_DEADLINE;
use crate::source::CommandHandler;

pub(crate) async fn run(
    commands: Arc<dyn CommandHandler>,
    by: Identity,
    shop: Option<String>,
    kind: CommandKind,
    payload: Value,
) -> Result<Value, ErrorBody> {
    let outcome = timeout(
        COMMAND_DEADLINE,
        commands.run(&by, shop.as_deref(), kind, payload),
    )
    .await;
    outcome.unwrap_or_else(|_| {
        tracing::warn!(
            command = ?kind,
            waited_ms = COMMAND_DEADLINE.as_millis(),
            "Gave up waiting for a command; it may have been carried out"
        );
        let message =
            "No answer in time; it may have been done: look, or repeat it with the same idempotencyKey";
        Err(ErrorBody::new(ErrorCode::Unavailable, message))
    })
}
