//! One command on its way to whoever carries it out, and a bound to the waiting.

use std::sync::Arc;

use schemas::command::CommandKind;
use schemas::{ErrorBody, ErrorCode, Identity};
use serde_json::Value;
use tokio::time::timeout;

use crate::limits::COMMAND_DEADLINE;
use crate::source::Commands;

pub(crate) async fn run(
    commands: Arc<dyn Commands>,
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
        let message =
            "No answer in time; it may have been done: look, or repeat it with the same idempotencyKey";
        Err(ErrorBody::new(ErrorCode::Unavailable, message))
    })
}
