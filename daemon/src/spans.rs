//! The spans of the log, each with the ids by which its life is found. docs/logging.md explains them to administrators.
//!
//! What comes thousands of times a second has spans of level `debug`: where that level is off, they cost one comparison
//! and allocate nothing. Runs and outbox messages are few, so theirs are always there.

use std::net::SocketAddr;

use schemas::command::CommandKind;
use schemas::{ShopDomain, SyncRun, WebhookId};
use tracing::{Span, debug_span, info_span};

/// A webhook, from its receipt until it is applied.
pub(crate) fn delivery(shop: &ShopDomain, id: &WebhookId, topic: &str) -> Span {
    debug_span!("delivery", delivery.id = %id, shop.domain = %shop, topic)
}

/// A command, until it is accepted or refused.
pub(crate) fn command(shop: &ShopDomain, id: &str, kind: CommandKind) -> Span {
    debug_span!("command", command.id = id, shop.domain = %shop, kind = kind.as_str())
}

/// A message of the outbox, until Shopify's answer is stored.
pub(crate) fn outbox_message(shop: &ShopDomain, id: &str) -> Span {
    info_span!("outbox_message", outbox.id = id, shop.domain = %shop)
}

/// A run, as long as this process brings it forward.
pub(crate) fn run(shop: &ShopDomain, run: &SyncRun) -> Span {
    info_span!("run", run.id = %run.run_id, shop.domain = %shop, resource = %run.resource)
}

/// A connection of a client, with HTTP or after its upgrade.
pub(crate) fn connection(peer: SocketAddr) -> Span {
    debug_span!("connection", %peer)
}
